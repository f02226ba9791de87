-- 13-broadcast.lua -- when do I want a broadcast? When every listener should hear every message: chat
-- lines, events, a feed. The sender never waits; whoever is more than the capacity behind is told how
-- many messages it has missed, and goes on with the oldest that is left.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

local function listener(events, name, seconds)
  for event, missed in events do
    if missed > 0 then print(name .. " missed " .. missed) end
    print(name .. " heard " .. event)
    weir.sleep(seconds)
  end
  print(name .. " ends")
end

weir.run_paused(function()
  print("a slow listener is told what it missed")
  local tx, rx = weir.broadcast(4)
  local set <close> = weir.join_set()
  set:spawn(listener, rx, "near", 0)
  set:spawn(listener, tx:subscribe(), "far", 0.34)
  for i = 1, 8 do
    tx:send(i)
    weir.sleep(0.1)
  end
  print("late-comers hear what is sent from now on:", tx:subscribe():is_empty())
  tx:close()
  set:join_all()

  print("or the sender waits for the slowest, and nobody misses anything")
  local slow_tx, slow_rx = weir.broadcast(2, { overflow = "wait" })
  local task = weir.spawn(listener, slow_rx, "careful", 0.25)
  local began = weir.now()
  for i = 1, 5 do slow_tx:send(i) end
  print(("sent all after %.2f s"):format(weir.now() - began))
  slow_tx:close()
  task:join()
end)

--> output
-- a slow listener is told what it missed
-- near heard 1
-- far heard 1
-- near heard 2
-- near heard 3
-- near heard 4
-- far heard 2
-- near heard 5
-- near heard 6
-- near heard 7
-- far missed 1
-- far heard 4
-- near heard 8
-- late-comers hear what is sent from now on:	true
-- near ends
-- far heard 5
-- far heard 6
-- far heard 7
-- far heard 8
-- far ends
-- or the sender waits for the slowest, and nobody misses anything
-- careful heard 1
-- careful heard 2
-- careful heard 3
-- sent all after 0.50 s
-- careful heard 4
-- careful heard 5
-- careful ends
