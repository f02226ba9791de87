-- SPDX-License-Identifier: MIT
-- random_tasks_spec.lua -- programs made of random steps: tasks that spawn, join, abort, cut each other
-- short, move handles and fail. Each must end, leave nothing behind and fail for no reason of its own.
-- A failing one is named by its seed: the same seed makes the same program.

local weir = require "weir"
local tasks = require "spec.soak.tasks"

local run, is_expected = tasks.run, tasks.is_expected

describe("a program of random steps", function()
  local unexpected, previous

  before_each(function()
    unexpected = {}
    previous = weir.on_error(function(_, err, traceback)
      if not is_expected(err) then unexpected[#unexpected + 1] = tostring(err) .. "\n" .. traceback end
    end)
  end)

  after_each(function() weir.on_error(previous) end)

  for first = 1, 91, 10 do
    it(string.format("ends, and leaves no task: seeds %d to %d", first, first + 9), function()
      for seed = first, first + 9 do
        local p = run(seed)
        assert.same({}, unexpected, "seed " .. seed)
        assert.same({}, weir.tasks(), "seed " .. seed)
        for _, task in ipairs(p.tasks) do assert.is_true(task:is_finished(), "seed " .. seed) end
      end
    end)
  end

  it("is the same for the same seed", function()
    collectgarbage "stop"  -- so that finalizers do not choose when they run
    local a, b = run(7).steps, run(7).steps
    collectgarbage "restart"
    assert.equal(a, b)
  end)
end)
