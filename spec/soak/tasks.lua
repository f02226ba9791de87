-- SPDX-License-Identifier: MIT
-- tasks.lua -- programs made of random steps: tasks that spawn, join, abort, cut each other short, move
-- handles and fail. The same seed makes the same program.

local weir = require "weir"

local unpack = table.unpack

-- What a program may rightly be told while its handles are moved and dropped under it.
local expected = {
  "random failure", "moved", "dropped", "closed", "aborted", "itself", "already", "dead coroutine",
  "non%-suspended", "must not wait",
}

local function is_expected(err)
  for _, word in ipairs(expected) do
    if string.find(tostring(err), word) then return true end
  end
  return false
end

-- One program: `p.some(list)` picks, `p.act()` takes a random step, `p.body()` is a function of a few steps.
local function program(seed)
  local p = { channels = {}, tasks = {}, tokens = {}, sets = {}, timers = {}, steps = 0 }
  local state = seed * 7919 + 12345

  function p.random(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % n + 1
  end

  function p.some(list) return list[p.random(#list)] end

  -- Now and then in a pcall, which must swallow no end.
  function p.try(f, ...)
    if p.random(3) == 1 then return pcall(f, ...) end
    return f(...)
  end

  -- Runs in every way that a task may end.
  local function on_end()
    if p.random(4) == 1 then pcall(weir.sleep, 1) end
    if p.random(4) == 1 then pcall(function() p.some(p.channels).tx:try_send(1) end) end
    if p.random(6) == 1 then p.some(p.tasks):abort() end
    if p.random(10) == 1 then error "random failure in __close" end
  end

  function p.body(depth)
    return function(...)
      local _end <close> = setmetatable({}, { __close = on_end })
      local held = { ... }
      for _ = 1, p.random(6) do p.act(depth) end
      if p.random(8) == 1 then error "random failure" end
      return unpack(held)
    end
  end

  return p
end

local steps = {
  function() weir.yield() end,
  function(p) weir.sleep(p.random(5) - 1) end,
  function(p) weir.advance(p.random(3) - 1) end,
  function(p)
    if #p.tasks > 60 then return end
    local sender = p.random(3) == 1 and p.some(p.channels).tx:clone() or nil
    p.tasks[#p.tasks + 1] = weir.spawn(p.body(0), sender)
  end,
  function(p) p.some(p.tasks):abort() end,
  function() weir.current():abort() end,
  function(p)
    local task = p.some(p.tasks)
    if task ~= weir.current() then task:join(p.random(4)) end
  end,
  -- functions within functions
  function(p, depth) p.try(weir.timeout, p.random(4) - 1, p.body(depth)) end,
  function(p, depth)
    local token = p.some(p.tokens)
    p.try(token.run_until_cancelled, token, p.body(depth))
  end,
  function(p, depth)
    p.try(weir.scope, function(scope)
      for _ = 1, p.random(3) do scope:spawn(p.body(depth)) end
      for _ = 1, p.random(3) do p.act(depth) end
    end)
  end,
  function(p, depth) p.try(weir.join_all, { p.body(depth), p.body(depth) }) end,
  function(p, depth) p.try(weir.race, { p.body(depth), p.body(depth) }) end,
  function(p, depth)
    local step = weir.wrap(function()
      for _ = 1, p.random(3) do
        p.act(depth)
        coroutine.yield(1)
      end
    end)
    for _ = 1, p.random(4) do p.try(step) end
  end,
  -- tokens, sets, timers
  function(p)
    local token = p.some(p.tokens)
    p.tokens[p.random(#p.tokens)] = p.random(2) == 1 and token:child() or weir.cancellation_token()
  end,
  function(p) p.some(p.tokens):cancel(p.random(5)) end,
  function(p)
    local set = p.some(p.sets)
    p.try(set.spawn, set, p.body(0))
  end,
  function(p) p.some(p.sets):join_next(p.random(4)) end,
  function(p) p.some(p.sets):abort_all() end,
  function(p)
    local set = p.some(p.sets)
    p.try(set.shutdown, set)
  end,
  function(p)
    local i = p.random(#p.sets)
    p.sets[i]:drop()
    p.sets[i] = weir.join_set(p.random(4))
  end,
  function(p) p.timers[p.random(#p.timers)] = weir.after(p.random(5)) end,
  function(p) p.some(p.timers):reset(p.random(5) - 1) end,
  function(p) p.some(p.timers):wait() end,
  -- channels
  function(p) p.some(p.channels).tx:send(1, p.random(4)) end,
  function(p) p.some(p.channels).rx:recv(p.random(4)) end,
  function(p)
    local c = p.some(p.channels)
    weir.select_biased({ c.rx, { c.tx, 1 }, p.some(p.timers), p.some(p.tokens) }, p.random(4))
  end,
  function(p)
    local c = p.some(p.channels)
    c.tx = c.tx:move()
  end,
  function(p)
    local tx, rx = weir[p.some { "mpsc", "mpmc" }](p.random(3))
    p.channels[p.random(#p.channels)] = { tx = tx, rx = rx }
  end,
  function(p)
    local c = p.some(p.channels)
    c.tx:try_send(c.tx:clone())
  end,
  function(p)
    local c = p.some(p.channels)
    local permit = c.tx:reserve(p.random(3))
    if permit and p.random(2) == 1 then permit:send(1) else c.permit = permit end
  end,
  function(p) p.some(p.channels).tx:call({}, p.random(3)) end,
  -- the collector, and those who look on
  function(p) collectgarbage(p.random(3) == 1 and "collect" or "step") end,
  function(p)
    local tx = p.some(p.channels).tx
    setmetatable({}, { __gc = function()
      pcall(tx.try_send, tx, 1)
      p.some(p.tasks):abort()
    end })
  end,
  function(p)
    weir.dump()
    weir.tasks()
    p.some(p.tasks):traceback()
  end,
}

--- Runs the program of a seed; its tasks are in `tasks`.
local function run(seed)
  local p = program(seed)
  function p.act(depth)
    p.steps = p.steps + 1
    if p.steps > 3000 or depth > 5 then return end
    p.some(steps)(p, depth + 1)
  end
  weir.run_paused(function()
    for i = 1, 4 do
      local tx, rx = weir[i % 2 == 0 and "mpsc" or "mpmc"](i)
      p.channels[i] = { tx = tx, rx = rx }
    end
    for i = 1, 5 do p.tokens[i] = weir.cancellation_token() end
    for i = 1, 3 do p.sets[i], p.timers[i] = weir.join_set(i), weir.after(i) end
    for i = 1, 10 do p.tasks[i] = weir.spawn(p.body(0)) end
    weir.sleep(50)
  end)
  return p
end

return { run = run, is_expected = is_expected }
