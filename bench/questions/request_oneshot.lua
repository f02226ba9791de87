-- SPDX-License-Identifier: MIT
-- What does a request cost whose answer comes back through a oneshot of its own?
local bench = require "bench"

bench.ask({ name = "request_oneshot", count = 1e6 }, function(weir, n)
  weir.run(function()
    local tx, rx = weir.mpsc(16)
    local sum = 0
    bench.start()
    local server = weir.spawn(function()
      for _ = 1, n do
        local request = rx:recv()
        request.reply:send(request.v + 1)
      end
    end)
    local client = weir.spawn(function()
      for i = 1, n do
        local reply, answer = weir.oneshot()
        tx:send { v = i, reply = reply }
        sum = sum + answer:recv()
      end
    end)
    assert(client:join())
    assert(server:join())
    bench.stop(n)
    bench.expect(sum, n * (n + 3) / 2)
  end)
end)
