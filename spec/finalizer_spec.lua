-- SPDX-License-Identifier: MIT
-- finalizer_spec.lua -- runs finalizer_alone.lua in a process with a small heap.

local program = require "spec.program"

describe("what finalizers take from operations", function()
  it("has one owner, and nothing is lost", function()
    local output, code = program.run("finalizer_alone.lua", "-o TAP", "spec")   -- no .busted there
    assert.equal(0, code, output)
    local claims = 0
    for _ in output:gmatch "ok %d+ " do claims = claims + 1 end
    assert.is_true(claims >= 9, output)
  end)
end)
