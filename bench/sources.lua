-- SPDX-License-Identifier: MIT
-- One task that selects over many channels, each fed by a task of its own.
local bench = require "bench"

return function(name, channels)
  bench.ask({ name = name, count = 2e6, needs = "select" }, function(weir, n)
    weir.run(function()
      local each = math.ceil(n / channels)
      local senders, receivers, tasks, sum = {}, {}, {}, 0
      bench.start()
      for c = 1, channels do
        local tx, rx = weir.mpsc(16)
        senders[c], receivers[c] = tx, rx -- a sender that is collected would close its channel
        tasks[c] = weir.spawn(function()
          for i = 1, each do tx:send(i) end
        end)
      end
      -- a peer that wants its list prepared gives back the select of that list
      local select = weir.selector and weir.selector(receivers) or weir.select
      local sink = weir.spawn(function()
        for _ = 1, each * channels do
          local which, v = select(receivers)
          sum = sum + which * v
        end
      end)
      assert(sink:join())
      for c = 1, channels do assert(tasks[c]:join()) end
      bench.stop(each * channels)
      bench.expect(#senders, channels)
      bench.expect(sum, channels * (channels + 1) / 2 * (each * (each + 1) / 2))
    end)
  end)
end
