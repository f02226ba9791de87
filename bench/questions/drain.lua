-- SPDX-License-Identifier: MIT
-- What does one message of a batch cost, sent one by one and received by recv_many?
local bench = require "bench"

bench.ask({ name = "drain", count = 4e6, only = "weir" }, function(weir, n)
  weir.run(function()
    local tx, rx = weir.mpsc(64)
    local received = 0
    bench.start()
    local sink = weir.spawn(function()
      while received < n do
        received = received + rx:recv_many({}, 64)
      end
    end)
    local source = weir.spawn(function()
      for i = 1, n do tx:send(i) end
    end)
    assert(source:join())
    assert(sink:join())
    bench.stop(n)
    bench.expect(received, n)
  end)
end)
