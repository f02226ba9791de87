-- SPDX-License-Identifier: MIT
-- What does a task cost from spawn to join, in batches of a thousand?
local bench = require "bench"

local BATCH = 1000

bench.ask({ name = "spawn_join", count = 1e6 }, function(weir, n)
  weir.run(function()
    local batches, sum, tasks = math.ceil(n / BATCH), 0, {}
    bench.start()
    for _ = 1, batches do
      for j = 1, BATCH do
        tasks[j] = weir.spawn(function() return j end)
      end
      for j = 1, BATCH do
        local _, v = tasks[j]:join()
        sum = sum + v
      end
    end
    bench.stop(batches * BATCH)
    bench.expect(sum, batches * (BATCH * (BATCH + 1) / 2))
  end)
end)
