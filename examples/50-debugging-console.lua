-- 50-debugging-console.lua -- the console: a live table on a terminal, a line for each interval elsewhere.
-- SPDX-License-Identifier: MIT
local weir = require "weir"
local console = require "weir.console"

-- A crawler whose parser is too slow: pages pile up in front of it, and its fetchers wait.
local function crawler(seconds)
  local pages, inbox = weir.mpsc(16)
  local words, index = weir.mpsc(64)
  for _ = 1, 20 do
    weir.spawn(function(tx)
      while true do
        weir.sleep(0.2)
        tx:send "a page"
      end
    end, pages:clone()):name "fetcher"
  end
  pages:close()
  weir.spawn(function(rx, tx)
    for page in rx do
      weir.sleep(0.05)
      tx:send(page)
    end
  end, inbox, words):name "parser"
  weir.spawn(function(rx) for _ in rx do end end, index):name "writer"
  weir.sleep(seconds)
end

-- On a terminal: lua5.4 examples/50-debugging-console.lua live
if arg[1] == "live" then
  weir.run(function()
    console.start()
    crawler(10)
  end)
else
  weir.run_paused(function()
    console.start { interval = 2, out = io.stdout }
    crawler(5)
  end)
end

--> output
-- weir 0.0 s  23 tasks (22 ready, 1 waiting)  2 channels  23 handles  ... KB
-- weir 2.0 s  23 tasks (23 waiting)  2 channels  23 handles  ... KB; 1 mpsc 20 tasks > parser 16/16, 26 in/s, 18 out/s, 16 wait to send; 2 mpsc parser > writer 0/64, 18 in/s, 18 out/s, 1 idle
-- weir 4.0 s  23 tasks (23 waiting)  2 channels  23 handles  ... KB; 1 mpsc 20 tasks > parser 16/16, 21 in/s, 21 out/s, 16 wait to send; 2 mpsc parser > writer 0/64, 21 in/s, 21 out/s, 1 idle
