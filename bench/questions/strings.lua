-- SPDX-License-Identifier: MIT
-- What does one message cost that C cannot keep, as a number, but Lua must: the pipeline with strings?
local bench = require "bench"

bench.ask({ name = "strings", count = 4e6, only = "weir" }, function(weir, n)
  weir.run(function()
    local tx, rx = weir.mpsc(64)
    local words, length = { "a", "bc", "def", "ghij" }, 0
    bench.start()
    local sink = weir.spawn(function()
      for _ = 1, n do length = length + #rx:recv() end
    end)
    local source = weir.spawn(function()
      for i = 1, n do tx:send(words[i % 4 + 1]) end
    end)
    assert(source:join())
    assert(sink:join())
    bench.stop(n)
    local expected = 0
    for i = 1, n do expected = expected + #words[i % 4 + 1] end
    bench.expect(length, expected)
  end)
end)
