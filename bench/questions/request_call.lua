-- SPDX-License-Identifier: MIT
-- What does the same request cost by call(), which is one step for send, wait and answer?
local bench = require "bench"

bench.ask({ name = "request_call", count = 1e6, only = "weir" }, function(weir, n)
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
      for i = 1, n do sum = sum + tx:call { v = i } end
    end)
    assert(client:join())
    assert(server:join())
    bench.stop(n)
    bench.expect(sum, n * (n + 3) / 2)
  end)
end)
