-- weir.luv.signal: signals of the system as messages.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local core = require "weir.core"
local uv = require "luv"
local loop = require "weir.luv.loop"

-- A handle of the task that watches: let go even if that task is ended before its first step.
local owned = core.new_kind("luv.Signal", {}, function(self)
  if not uv.is_closing(self.handle) then uv.close(self.handle) end
  self.tx:drop()
  loop.count_signal(self.name, -1)
end, { __noun = "signal" })

-- Ends with its receiver.
local function watch(tx, _signal)
  tx:closed()
end

--- A receiver of the signal's name, once for each time it came; what comes before the last was received
-- counts once, as it does for the system.
return function(name)
  if type(name) ~= "string" then
    error(("bad argument #1 to 'signal' (string expected, got %s)"):format(weir.type(name) or type(name)), 2)
  end
  local tx, rx = weir.mpsc(1)
  local self = { handle = uv.new_signal(), tx = tx, name = name }
  local ok, started = pcall(uv.signal_start, self.handle, name, function() tx:try_send(name) end)
  if not ok or not started then
    uv.close(self.handle)
    error(("bad argument #1 to 'signal' (the system has no signal '%s')"):format(name), 2)
  end
  loop.count_signal(name, 1)
  weir.spawn(watch, tx:clone(), owned(self)):name("luv.signal " .. name)
  return rx
end
