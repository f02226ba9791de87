-- SPDX-License-Identifier: MIT
-- What does a value there and back cost, over two channels that hold one each?
local bench = require "bench"

bench.ask({ name = "ping_pong", count = 1e6 }, function(weir, n)
  weir.run(function()
    local ping, pinged = weir.mpsc(1)
    local pong, ponged = weir.mpsc(1)
    local there, back = 0, 0
    bench.start()
    local echo = weir.spawn(function()
      for _ = 1, n do
        local v = pinged:recv()
        there = there + v
        pong:send(v)
      end
    end)
    local caller = weir.spawn(function()
      for i = 1, n do
        ping:send(i)
        back = back + ponged:recv()
      end
    end)
    assert(caller:join())
    assert(echo:join())
    bench.stop(n)
    bench.expect(there, n * (n + 1) / 2)
    bench.expect(back, n * (n + 1) / 2)
  end)
end)
