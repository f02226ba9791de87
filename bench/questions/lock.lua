-- SPDX-License-Identifier: MIT
-- What does a mutex cost that nobody else wants: lock, read, write, unlock?
local bench = require "bench"

bench.ask({ name = "lock", count = 1e6, only = "weir" }, function(weir, n)
  weir.run(function()
    local counter = weir.mutex(0)
    bench.start()
    for _ = 1, n do
      local guard = counter:lock()
      guard:set(guard:get() + 1)
      guard:unlock()
    end
    bench.stop(n)
    local guard <close> = counter:lock()
    bench.expect(guard:get(), n)
  end)
end)
