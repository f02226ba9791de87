-- SPDX-License-Identifier: MIT
-- What does one message cost when a hundred senders stand in line for a channel of 64?
local bench = require "bench"

local SENDERS = 100

bench.ask({ name = "fan_in", count = 4e6 }, function(weir, n)
  weir.run(function()
    local each = math.ceil(n / SENDERS)
    local tx, rx = weir.mpsc(64)
    local sum, tasks = 0, {}
    bench.start()
    local sink = weir.spawn(function()
      for _ = 1, each * SENDERS do sum = sum + rx:recv() end
    end)
    for s = 1, SENDERS do
      local mine = tx:clone()
      tasks[s] = weir.spawn(function()
        for _ = 1, each do mine:send(s) end
      end)
    end
    for s = 1, SENDERS do assert(tasks[s]:join()) end
    assert(sink:join())
    bench.stop(each * SENDERS)
    bench.expect(sum, each * SENDERS * (SENDERS + 1) / 2)
  end)
end)
