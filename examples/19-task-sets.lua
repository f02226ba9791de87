-- 19-task-sets.lua -- when do I want a task set? When tasks belong together: wait for all of them, take
-- results as they come, run only so many at once, and leave none behind when something goes wrong.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

local began
local function say(...) print(("%.1f s:"):format(weir.now() - began), ...) end

local function fetch(page, seconds)
  local connection <close> = setmetatable({}, {
    __close = function(self) if not self.bytes then say("cut short: " .. page) end end,
  })
  weir.sleep(seconds)
  connection.bytes = #page * 100
  return page, connection.bytes
end

weir.run_paused(function()
  began = weir.now()

  -- A set with a limit: spawn waits for a place, results come in the order in which tasks end.
  do
    local set <close> = weir.join_set(2)
    for i, page in ipairs { "index", "news", "about", "mail" } do
      set:spawn(fetch, page, i == 1 and 0.5 or 0.2)
      say("started " .. page)
    end
    while true do
      local task, ok, page, bytes = set:join_next()
      if not task then break end            -- nil, "empty"
      say(page, ok, bytes)
    end
  end

  -- A scope: returns when everything in it has ended, and the first error ends the rest.
  local ok, err = pcall(weir.scope, function(scope)
    scope:spawn(fetch, "slow", 60)
    scope:spawn(function()
      weir.sleep(0.3)
      error("no route", 0)
    end)
    return "never returned"
  end)
  say(ok, err)

  -- Side by side, results in order.
  local results = weir.join_all {
    function() return fetch("left", 0.2) end,
    function() return fetch("right", 0.1) end,
  }
  say(results[1][1], results[1][2], results[2][1], results[2][2])

  -- The first one wins, and the others are ended.
  say(weir.race {
    function() return fetch("mirror one", 0.4) end,
    function() return fetch("mirror two", 0.1) end,
  })

  -- Left early: dropping a set aborts what is left in it.
  do
    local set <close> = weir.join_set()
    set:spawn(fetch, "forgotten", 60)
    weir.yield()
    say("in the set: " .. #set)
  end
  weir.yield()
  say("the end")
end)

--> output
-- 0.0 s:	started index
-- 0.0 s:	started news
-- 0.2 s:	started about
-- 0.4 s:	started mail
-- 0.4 s:	news	true	400
-- 0.4 s:	about	true	500
-- 0.5 s:	index	true	500
-- 0.6 s:	mail	true	400
-- 0.9 s:	cut short: slow
-- 0.9 s:	false	no route
-- 1.1 s:	left	400	right	500
-- 1.2 s:	cut short: mirror one
-- 1.2 s:	2	mirror two	1000
-- 1.2 s:	in the set: 1
-- 1.2 s:	cut short: forgotten
-- 1.2 s:	the end
