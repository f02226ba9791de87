-- SPDX-License-Identifier: MIT
-- What do try_send and try_recv cost together, where nothing ever waits?
local bench = require "bench"

bench.ask({ name = "try", count = 4e6 }, function(weir, n)
  weir.run(function()
    local tx, rx = weir.mpsc(1024)
    local sum = 0
    bench.start()
    for i = 1, n do
      tx:try_send(i)
      sum = sum + rx:try_recv()
    end
    bench.stop(n)
    bench.expect(sum, n * (n + 1) / 2)
  end)
end)
