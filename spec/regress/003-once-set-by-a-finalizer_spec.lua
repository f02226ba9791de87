-- SPDX-License-Identifier: MIT
-- get_or_init looked whether the cell was set, made the guard of its turn, and looked no more: a finalizer
-- that ran meanwhile and set the cell was told yes, and f's value took the place of its.

local weir = require "weir"

describe("Once:get_or_init", function()
  it("returns what a finalizer has set while the turn was being taken", function()
    local cell, ran, set = weir.once(), false, nil
    local function f() ran = true return "made" end
    local mode = collectgarbage("generational")
    collectgarbage("stop")
    setmetatable({}, { __gc = function() set = cell:set("by a finalizer") end })
    collectgarbage("restart")               -- the next object to be made collects it
    local before = set
    local got = cell:get_or_init(f)
    collectgarbage(mode)
    assert.is_nil(before)
    assert.is_true(set)
    assert.is_false(ran)
    assert.equal("by a finalizer", got)
    assert.equal("by a finalizer", cell:get())
  end)
end)
