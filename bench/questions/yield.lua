-- SPDX-License-Identifier: MIT
-- What does it cost to hand the processor from one task to another and do nothing else?
local bench = require "bench"

bench.ask({ name = "yield", count = 4e6 }, function(weir, n)
  weir.run(function()
    local turns, half = 0, math.floor(n / 2)
    local function spin()
      for _ = 1, half do
        weir.yield()
        turns = turns + 1
      end
    end
    bench.start()
    local a, b = weir.spawn(spin), weir.spawn(spin)
    assert(a:join())
    assert(b:join())
    bench.stop(half * 2)
    bench.expect(turns, half * 2)
  end)
end)
