-- 17-notify-barrier-once.lua -- when do I want these? A notify when there is nothing to say but "look
-- again"; a barrier when a group must arrive before anyone goes on; a once when many need a thing that
-- is to be made a single time.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

-- notify: the state is in a table of ours, the notify only says that it has changed.
local function saver(document, dirty)
  local saved = 0
  while not document.ended do
    dirty:notified()
    if document.revision > saved then
      weir.sleep(0.5)                       -- what else comes in the meantime is saved along
      saved = document.revision
      print("saved revision " .. saved)
    end
  end
end

local function editing()
  local document, dirty = { revision = 0 }, weir.notify()
  local task = weir.spawn(saver, document, dirty)
  for _ = 1, 4 do
    document.revision = document.revision + 1
    dirty:notify_one()                      -- stored if nobody waits, but not added up
    weir.sleep(0.2)
  end
  weir.sleep(2)
  document.ended = true
  dirty:notify_one()
  task:join()
end

-- barrier: rounds of a game, each begins when all players are there.
local function player(gate, began, name, seconds)
  for round = 1, 2 do
    weir.sleep(seconds)
    local _, is_leader = gate:wait()
    if is_leader then
      print(("round %d begins at %.1f s; %s came last"):format(round, weir.now() - began, name))
    end
  end
end

local function playing()
  local gate, began = weir.barrier(3), weir.now()
  local set <close> = weir.join_set()
  for name, seconds in pairs { ada = 0.1, bea = 0.4, cyd = 0.2 } do
    set:spawn(player, gate, began, name, seconds)
  end
  set:join_all()
end

-- once: the first who needs it makes it, the others wait for that; if the maker fails, the next one tries.
local function connecting()
  local connection, attempts = weir.once(), 0
  local function connect()
    attempts = attempts + 1
    weir.sleep(0.1)
    if attempts == 1 then error("refused", 0) end
    return "connection " .. attempts
  end
  local function user() return pcall(connection.get_or_init, connection, connect) end
  for i, result in ipairs(weir.join_all { user, user, user }) do
    print("user " .. i, result[1], result[2])
  end
  print(connection:is_set(), connection:get(), attempts .. " attempts")
end

weir.run_paused(function()
  editing()
  playing()
  connecting()
end)

--> output
-- saved revision 3
-- saved revision 4
-- round 1 begins at 0.4 s; bea came last
-- round 2 begins at 0.8 s; bea came last
-- user 1	false	refused
-- user 2	true	connection 2
-- user 3	true	connection 2
-- true	connection 2	2 attempts
