-- 10-mpsc.lua -- when do I want an mpsc? When many tasks produce and one consumes, and those who
-- produce should wait when the one that consumes cannot keep up. It is the one to start with: a
-- mailbox, a log, a work list, the way into an actor.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

local function service(log, name, period, lines)
  for i = 1, lines do
    weir.sleep(period)
    log:send(("%-5s line %d"):format(name, i))   -- waits here while the log is full: backpressure
  end
end

-- Takes what there is in one go: a slow sink costs one write for many lines.
local function write_log(lines)
  local began, batch = weir.now(), {}
  while true do
    local n = lines:recv_many(batch, 16)
    if n == 0 then return end                    -- closed: every service has ended
    print(("%.1f s: %s"):format(weir.now() - began, table.concat(batch, " | ")))
    batch = {}
    weir.sleep(0.5)                              -- a slow disk
  end
end

weir.run_paused(function()
  local began = weir.now()
  local log, lines = weir.mpsc(3)
  weir.spawn(service, log:clone(), "web", 0.11, 6)
  weir.spawn(service, log, "cron", 0.7, 3)         -- the last one gets the sender itself
  local writer = weir.spawn(write_log, lines)
  writer:join()
  print(("took %.1f s"):format(weir.now() - began))
end)

-- try_send is for those who must not wait: here a metric is dropped rather than its source slowed down.
weir.run(function()
  local tx, rx = weir.mpsc(2)
  local dropped = 0
  for i = 1, 5 do
    local sent, why = tx:try_send(i)
    if not sent and why == "full" then dropped = dropped + 1 end
  end
  print("kept " .. #rx .. ", dropped " .. dropped)
end)

--> output
-- 0.1 s: web   line 1
-- 0.6 s: web   line 2 | web   line 3 | web   line 4
-- 1.1 s: web   line 5 | cron  line 1 | web   line 6
-- 1.6 s: cron  line 2
-- 2.1 s: cron  line 3
-- took 2.6 s
-- kept 2, dropped 3
