-- SPDX-License-Identifier: MIT
-- Each run of weir.luv left a guard for the end of the Lua state; the guards of earlier runs, when they were
-- collected, closed the handles of whoever made some between two runs, and those of the next run.

local program = require "spec.program"

describe("weir.luv, run again", function()
  if not pcall(require, "luv") then return pending "needs the library luv (Debian: lua-luv)" end

  it("leaves what was made between two runs alone", function()
    assert.equal("ok\n", (program.run "spec/regress/luv_guards.lua"))
  end)
end)
