-- SPDX-License-Identifier: MIT
-- What does one message cost in a stream of them, through a channel of 64?
local bench = require "bench"

bench.ask({ name = "pipeline", count = 4e6 }, function(weir, n)
  weir.run(function()
    local tx, rx = weir.mpsc(64)
    local sum = 0
    bench.start()
    local sink = weir.spawn(function()
      for _ = 1, n do sum = sum + rx:recv() end
    end)
    local source = weir.spawn(function()
      for i = 1, n do tx:send(i) end
    end)
    assert(source:join())
    assert(sink:join())
    bench.stop(n)
    bench.expect(sum, n * (n + 1) / 2)
  end)
end)
