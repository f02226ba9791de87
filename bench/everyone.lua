-- SPDX-License-Identifier: MIT
-- A hundred receivers of one broadcast: the two questions about it differ in the burst alone.
local bench = require "bench"

local RECEIVERS, CAPACITY = 100, 16

return function(name, burst)
  bench.ask({ name = name, count = 4e4 }, function(weir, n)
    n = math.ceil(n / CAPACITY) * CAPACITY
    weir.run(function()
      local tx, first = weir.broadcast(CAPACITY)
      local sum, lagged, tasks = 0, 0, {}
      for r = 1, RECEIVERS do
        local rx = tx:subscribe()
        tasks[r] = weir.spawn(function()
          local mine = 0
          for _ = 1, n do
            local v = rx:recv()
            if v then mine = mine + v else lagged = lagged + 1 end
          end
          sum = sum + mine
        end)
      end
      first:close()
      weir.yield()
      bench.start()
      local source = weir.spawn(function()
        for i = 1, n do
          tx:send(i)
          if i % burst == 0 then weir.yield() end
        end
      end)
      assert(source:join())
      for r = 1, RECEIVERS do assert(tasks[r]:join()) end
      bench.stop(n * RECEIVERS)
      bench.expect(lagged, 0)
      bench.expect(sum, RECEIVERS * (n * (n + 1) / 2))
    end)
  end)
end
