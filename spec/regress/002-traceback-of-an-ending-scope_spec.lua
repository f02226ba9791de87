-- SPDX-License-Identifier: MIT
-- A task that was ended inside weir.scope waits for the scope's other tasks. Meanwhile it still pointed
-- to the coroutine of the scope's body, which was closed: to ask where the task stands read freed memory.

local weir = require "weir"

describe("a task whose scope was cut short while its members end", function()
  it("says where it stands", function()
    weir.run_paused(function()
      local at_end, told = nil, nil
      local task = weir.spawn(function()
        weir.scope(function(scope)
          scope:spawn(function()
            local _ <close> = setmetatable({}, { __close = function()
              collectgarbage()                     -- the body's coroutine is gone
              at_end = told:traceback()
            end })
            weir.sleep(10)
          end)
          weir.sleep(10)
        end)
      end)
      told = task
      weir.sleep(1)
      task:abort()
      weir.yield()
      for _ = 1, 100 do weir.spawn(function() end) end
      assert.equal("string", type(task:traceback()))
      assert.matches("task 2", weir.dump())
      task:join()
      assert.matches("002%-traceback", at_end)
    end)
  end)
end)
