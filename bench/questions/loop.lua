-- SPDX-License-Identifier: MIT
-- What does one message of "for v in rx do" cost, through a channel of 64?
local bench = require "bench"

bench.ask({ name = "loop", count = 4e6, only = "weir" }, function(weir, n)
  weir.run(function()
    local tx, rx = weir.mpsc(64)
    local sum = 0
    bench.start()
    local sink = weir.spawn(function()
      for v in rx do sum = sum + v end
    end)
    for i = 1, n do tx:send(i) end
    tx:close()
    assert(sink:join())
    bench.stop(n)
    bench.expect(sum, n * (n + 1) / 2)
  end)
end)
