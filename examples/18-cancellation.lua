-- 18-cancellation.lua -- when do I want a cancellation token? When many tasks must hear "stop", each at
-- a point that suits it. (To end one task where it stands, abort it; to limit a wait, give it a time.)
-- SPDX-License-Identifier: MIT
local weir = require "weir"

local began
local function say(...) print(("%.1f s:"):format(weir.now() - began), ...) end

-- Stops between two jobs, and finishes the one at hand.
local function worker(token, name, seconds)
  while not token:is_cancelled() do
    weir.sleep(seconds)
  end
  say(name .. " stops:", token:reason())
end

-- Waits for work and for the end at once.
local function server(token, inbox)
  while true do
    local which, message = weir.select_biased { token, inbox }
    if which == 1 then break end
    say("served " .. message)
    weir.sleep(0.2)
  end
  -- Orderly: nothing new comes in, and what has been accepted is still served.
  inbox:close()
  for message in inbox do say("served at the end: " .. message) end
end

weir.run_paused(function()
  began = weir.now()
  local all = weir.cancellation_token()
  local tx, rx = weir.mpsc(8)
  local serving = weir.spawn(server, all, rx)
  local working = weir.spawn(worker, all, "worker", 0.35)

  -- A child is cancelled with its parent, and by itself without touching it.
  local some = all:child()
  local helping = weir.spawn(worker, some, "helper", 0.2)
  tx:send("one")
  weir.sleep(0.5)
  some:cancel("not needed")
  helping:join()
  print("the parent goes on:", all:is_cancelled())

  -- A function that knows nothing of tokens.
  weir.spawn(function()
    weir.sleep(0.4)
    for _, message in ipairs { "two", "three", "four" } do tx:send(message) end
    weir.sleep(0.1)
    all:cancel("shutdown")
  end)
  print(all:run_until_cancelled(weir.sleep, 60))
  serving:join()
  working:join()
  print("later sends:", tx:send("five"))
  print("later waits:", all:cancelled())

  -- A guard cancels when its scope is left, in whatever way, unless it is disarmed.
  local group = weir.cancellation_token()
  local ok, err = pcall(function()
    local guard <close> = group:drop_guard()
    error("broken under " .. weir.type(guard), 0)
  end)
  print(ok, err, group:is_cancelled())
end)

--> output
-- 0.0 s:	served one
-- 0.6 s:	helper stops:	not needed
-- the parent goes on:	false
-- 1.0 s:	served two
-- nil	cancelled
-- 1.2 s:	served at the end: three
-- 1.2 s:	served at the end: four
-- 1.4 s:	worker stops:	shutdown
-- later sends:	nil	closed
-- later waits:	true	shutdown
-- false	broken under DropGuard	true
