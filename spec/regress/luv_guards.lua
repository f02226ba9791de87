-- SPDX-License-Identifier: MIT
-- luv_guards.lua -- what is left of earlier runs touches nothing of later ones.
local luv, uv = require "weir.luv", require "luv"

luv.run(function() end)
luv.run(function() end)
local timer = uv.new_timer()
collectgarbage()
assert(not uv.is_closing(timer), "the finalizer of an earlier run closed it")

collectgarbage("incremental", 1, 1000, 1)
for _ = 1, 2000 do luv.run(function() end) end
print "ok"
