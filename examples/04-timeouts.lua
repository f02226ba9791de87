-- 04-timeouts.lua -- every wait takes a time limit, and any function can be given one.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

-- A service that gets slower with every request: 0.2 s, 0.3 s, 0.4 s, ...
local function service(requests)
  local seconds = 0.1
  for request in requests do
    local reply <close> = request.reply
    seconds = seconds + 0.1
    weir.sleep(seconds)
    -- nil, "closed": the client has given up, and there is no more to do for it.
    local sent, why = reply:send(("done after %.1f s"):format(seconds))
    if not sent then print("service: the client has gone", why) end
  end
end

-- Asks again, waiting longer each time; gives up when it has asked often enough.
local function with_retries(times, ask)
  local limit = 0.15
  for i = 1, times do
    local answer, why = ask(limit)
    if answer then return answer end
    print(("attempt %d: %s after %.2f s"):format(i, why, limit))
    limit = limit * 2
  end
  return nil, "timeout"
end

local function copy_all(from, to)
  local scratch <close> = setmetatable({}, { __close = function() print("scratch file removed") end })
  for value in from do
    scratch[#scratch + 1] = value
    to:send(value)
  end
  return #scratch
end

local function main()
  local began = weir.now()
  local function say(...) print(("%.2f s:"):format(weir.now() - began), ...) end

  -- The last argument of a wait is its limit in seconds; nothing is lost when it runs out.
  local tx, rx = weir.mpsc(2)
  say(rx:recv(0.5))
  tx:send("late, but not lost")
  say(rx:recv(0.5))

  -- A whole exchange under one limit.
  local requests, inbox = weir.mpsc(8)
  weir.spawn(service, inbox)
  say(with_retries(4, function(limit)
    return requests:call({ op = "work" }, limit)
  end))

  -- Any function: what it waits for is withdrawn, and its <close> variables run.
  local to, sink = weir.mpsc(8)
  tx:send("a")
  tx:send("b")
  say(weir.timeout(1, copy_all, rx, to))
  say(sink:recv(), sink:recv())

  -- 0 asks once and does not wait.
  say(rx:recv(0))
  tx:close()
  say(weir.timeout(1, copy_all, rx, to))
end

weir.run_paused(main)

--> output
-- 0.50 s:	nil	timeout
-- 0.50 s:	late, but not lost
-- attempt 1: timeout after 0.15 s
-- service: the client has gone	closed
-- attempt 2: timeout after 0.30 s
-- service: the client has gone	closed
-- 1.40 s:	done after 0.4 s
-- scratch file removed
-- 2.40 s:	nil	timeout
-- 2.40 s:	a	b
-- 2.40 s:	nil	timeout
-- scratch file removed
-- 2.40 s:	true	0
