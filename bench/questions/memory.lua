-- SPDX-License-Identifier: MIT
-- How many bytes do a channel, and a task that waits for it, hold?
local bench = require "bench"

bench.ask({ name = "memory", count = 1e5, whole = true, unit = "bytes" }, function(weir, n)
  weir.run(function()
    local tx, rx, tasks, got = {}, {}, {}, 0
    for i = 1, n do tx[i], rx[i], tasks[i] = false, false, false end
    local resident0, live0 = bench.held()
    for i = 1, n do tx[i], rx[i] = weir.mpsc(16) end
    local resident1, live1 = bench.held()
    bench.report_bytes("memory_channel", (resident1 - resident0) / n, (live1 - live0) / n, n)
    for i = 1, n do
      local mine = rx[i]
      tasks[i] = weir.spawn(function()
        local v = mine:recv()
        got = got + v
      end)
    end
    for _ = 1, 3 do weir.yield() end
    local resident2, live2 = bench.held()
    bench.report_bytes("memory_task", (resident2 - resident1) / n, (live2 - live1) / n, n)
    -- they did wait: each of them wakes and reads its own value
    for i = 1, n do tx[i]:send(i) end
    for i = 1, n do assert(tasks[i]:join()) end
    bench.expect(got, n * (n + 1) / 2)
  end)
end)
