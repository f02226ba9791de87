-- SPDX-License-Identifier: MIT
-- What does a sleeping task cost in processor time, with a hundred thousand asleep within 0.1 s?
local bench = require "bench"

bench.ask({ name = "sleepers", count = 1e5, whole = true, unit = "cpu-ns" }, function(weir, n)
  weir.run(function()
    local x, tasks, woken = 42, {}, 0
    bench.start()
    for i = 1, n do
      x = (x * 1103515245 + 12345) % 2147483648
      local s = math.floor(x / 256) % 100001 * 1e-6
      tasks[i] = weir.spawn(function()
        weir.sleep(s)
        woken = woken + 1
      end)
    end
    for i = 1, n do assert(tasks[i]:join()) end
    bench.stop(n)
    bench.expect(woken, n)
  end)
end)
