-- 12-watch.lua -- when do I want a watch? When only the latest value matters: a configuration, a
-- progress figure, a state that others follow. Whoever looks away for a while misses what was in
-- between, and never what is now.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

-- A worker does its work by the rules of the day, and takes up new ones between two jobs.
local function worker(config, name, seconds)
  print(name .. " starts with level " .. config:borrow_and_update().level)
  while true do
    weir.sleep(seconds)                     -- a job
    local changed, why = config:has_changed()
    if why == "closed" then break end
    if changed then print(name .. " goes on with level " .. config:borrow_and_update().level) end
  end
  print(name .. " ends")
end

-- This one does nothing but follow.
local function follower(config)
  local began = weir.now()
  for now in config do
    print(("follower at %.1f s: level %d"):format(weir.now() - began, now.level))
  end
end

weir.run_paused(function()
  local tx, config = weir.watch { level = 1 }
  weir.spawn(worker, config:clone(), "quick", 0.17)
  weir.spawn(worker, config:clone(), "slow", 0.55)
  weir.spawn(follower, config:clone())

  weir.sleep(0.1)
  tx:send { level = 2 }
  weir.sleep(0.2)
  tx:send { level = 3 }
  weir.sleep(0.02)
  tx:send_modify(function(old) return { level = old.level * 10 } end)
  -- Told only if something has changed: the second call says nothing to anybody.
  for _ = 1, 2 do
    print("capped:", tx:send_if_modified(function(old)
      if old.level > 20 then return true, { level = 20 } end
    end))
  end

  -- Waits for a state, whenever it comes; here it is there already.
  print("main sees level", config:wait_for(function(now) return now.level >= 20 end).level)
  weir.sleep(1)
  tx:close()                                -- the last sender: all who follow end
  weir.sleep(1)
end)

--> output
-- quick starts with level 1
-- slow starts with level 1
-- follower at 0.0 s: level 1
-- follower at 0.1 s: level 2
-- quick goes on with level 2
-- follower at 0.3 s: level 3
-- capped:	true
-- capped:	false
-- main sees level	20
-- follower at 0.3 s: level 20
-- quick goes on with level 20
-- slow goes on with level 20
-- quick ends
-- slow ends
