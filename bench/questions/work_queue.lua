-- SPDX-License-Identifier: MIT
-- What does one job cost in a queue of 64 that four tasks of a pool serve in turn?
local bench = require "bench"

local WORKERS = 4

bench.ask({ name = "work_queue", count = 4e6, only = "weir" }, function(weir, n)
  weir.run(function()
    local tx, rx = weir.mpmc(64)
    local sum, tasks = 0, {}
    bench.start()
    for w = 1, WORKERS do
      local mine = rx:clone()
      tasks[w] = weir.spawn(function()
        for v in mine do sum = sum + v end
      end)
    end
    for i = 1, n do tx:send(i) end
    tx:close()
    for w = 1, WORKERS do assert(tasks[w]:join()) end
    bench.stop(n)
    bench.expect(sum, n * (n + 1) / 2)
  end)
end)
