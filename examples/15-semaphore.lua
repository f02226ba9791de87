-- 15-semaphore.lua -- when do I want a semaphore? When many tasks may run, but only so many at once may
-- hold something: connections, open files, memory. A permit is a handle: however its task ends, the
-- permit comes back.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

local began
local function say(...) print(("%.1f s:"):format(weir.now() - began), ...) end

local function fetch(connections, name, seconds)
  local permit <close> = connections:acquire()      -- waits in line; given back at the end of the scope
  say(name .. " connects")
  weir.sleep(seconds)
  if name == "c" then error("host unreachable") end
  say(name .. " is done")
  permit:release()
end

weir.run_paused(function()
  began = weir.now()
  weir.on_error(function(task, err)
    say(task:name() .. " failed:", (tostring(err):gsub("^.-:%d+: ", "")))
  end)

  local connections = weir.semaphore(2)
  for i, name in ipairs { "a", "b", "c", "d", "e" } do
    weir.spawn(fetch, connections, name, i / 10):name(name)
  end
  weir.sleep(2)
  print("all came back, that of the failed one too:", connections:available())

  -- Permits can weigh differently: a budget in megabytes, from which big jobs take more.
  local memory = weir.semaphore(100)
  local big <close> = memory:acquire(70)
  print("left:", memory:available(), "another big one:", memory:try_acquire(70))
  local half <close> = big:split(35)                -- the first half of the job is done
  half:release()
  print("left:", memory:available())

  -- Nobody overtakes: the one who wants much is not starved by those who want little.
  local waiting = weir.spawn(function() return memory:acquire(80) ~= nil end)
  weir.yield()
  print("one in line, so try says:", memory:try_acquire(1))
  big:release()
  print("served:", waiting:join())
end)

--> output
-- 0.0 s:	a connects
-- 0.0 s:	b connects
-- 0.1 s:	a is done
-- 0.1 s:	c connects
-- 0.2 s:	b is done
-- 0.2 s:	d connects
-- 0.4 s:	c failed:	host unreachable
-- 0.4 s:	e connects
-- 0.6 s:	d is done
-- 0.9 s:	e is done
-- all came back, that of the failed one too:	2
-- left:	30	another big one:	nil	full
-- left:	65
-- one in line, so try says:	nil	full
-- served:	true	true
