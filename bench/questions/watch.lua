-- SPDX-License-Identifier: MIT
-- What does a watcher pay for each change it sees, with a hundred of them?
local bench = require "bench"

local WATCHERS = 100

bench.ask({ name = "watch", count = 4e4 }, function(weir, n)
  weir.run(function()
    local tx, first = weir.watch(0)
    local seen, last, tasks = 0, 0, {}
    for w = 1, WATCHERS do
      local rx = tx:subscribe()
      tasks[w] = weir.spawn(function()
        local mine, v = 0, 0
        while v < n do
          rx:changed()
          v = rx:borrow_and_update()
          mine = mine + 1
        end
        seen = seen + mine
        last = last + v
      end)
    end
    first:close()
    weir.yield()
    bench.start()
    local source = weir.spawn(function()
      for i = 1, n do
        tx:send(i)
        weir.yield()
      end
    end)
    assert(source:join())
    for w = 1, WATCHERS do assert(tasks[w]:join()) end
    bench.stop(seen)
    bench.expect(last, n * WATCHERS)
  end)
end)
