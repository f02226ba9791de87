-- kinds.lua -- for each kind of thing that waits: tasks that do random operations on it, over and over.
-- SPDX-License-Identifier: MIT
--
-- A kind is a name and a function that returns an array of bodies. Each body is one random operation,
-- done over and over by a task of its own, which may be aborted at any point and is then started again. What
-- the tasks share (channels, locks) stands in upvalues, so it belongs to none of them.

local weir = require "weir"

local random = math.random

local kinds = {}

-- A timeout: none, at once, soon, later.
local function limit()
  local n = random(4)
  if n == 1 then return nil end
  return n == 2 and 0 or n == 3 and 0.001 or 0.01
end

-- Now and then other tasks have a turn in between.
local function pause()
  if random(4) == 1 then weir.yield() end
end

-- The body number n of the choices, drawn each time.
local function any(choices)
  return function() return choices[random(#choices)]() end
end

local function drop(handle)
  if handle then handle:drop() end
end

-- What senders of a channel do.
local function sending(tx)
  return any {
    function() tx:send(1, limit()) end,
    function() tx:try_send(2) end,
    function()
      local permit <close> = tx:reserve(limit())
      pause()
      if permit and random(2) == 1 then permit:send(3) end
    end,
    function()
      local permit <close> = tx:reserve_many(random(3), limit())
      pause()
      if permit then permit:send(4) end
    end,
    function()
      local other <close> = tx:clone()
      other:send("five", limit())
    end,
    function() -- a handle in the channel, which dies with it or is received and lost
      local a, b = weir.oneshot()
      if not tx:try_send(a) then a:drop() end
      b:drop()
    end,
  }
end

local function receiving(rx)
  return any {
    function() rx:recv(limit()) end,
    function() rx:try_recv() end,
    function() rx:recv_many({}, random(4), limit()) end,
  }
end

kinds[#kinds + 1] = { "mpsc", function()
  local tx, rx = weir.mpsc(4)
  local send = sending(tx)
  return { send, send, send, receiving(rx) }
end }

kinds[#kinds + 1] = { "unbounded", function()
  local tx, rx = weir.unbounded()
  local function send()
    if #rx > 2000 then return pause() end
    for _ = 1, random(8) do tx:send(1) end
    weir.yield()
  end
  local receive = receiving(rx)
  return { send, function()
    for _ = 1, 4 do receive() end
  end }
end }

kinds[#kinds + 1] = { "mpmc", function()
  local tx, rx = weir.mpmc(4)
  local send = sending(tx)
  return { send, send, receiving(rx), receiving(rx:clone()), function()
    local other <close> = rx:clone()
    other:recv(limit())
  end }
end }

kinds[#kinds + 1] = { "oneshot", function()
  local tx, rx = weir.mpmc(4)
  local function ask()
    local reply, answer <close> = weir.oneshot()
    if random(8) == 1 then
      reply:send(1, nil, 3)
      answer:recv(limit())
    elseif tx:send(reply, limit()) then
      answer:recv(limit())
    else
      reply:drop()
    end
  end
  local function answer()
    local reply <close> = rx:recv()
    pause()
    if random(4) > 1 then reply:send(1, 2) end
  end
  return { ask, ask, ask, answer, answer }
end }

kinds[#kinds + 1] = { "call", function()
  local tx, rx = weir.mpmc(4)
  local function ask() tx:call({ 1 }, limit()) end
  local function answer()
    local message = rx:recv()
    local reply <close> = message.reply
    pause()
    if random(4) > 1 then reply:send(true) end
  end
  return { ask, ask, ask, answer, answer }
end }

kinds[#kinds + 1] = { "watch", function()
  local tx, rx = weir.watch(0)
  local function even(n) return n % 2 == 0 end
  local function look()
    local own <close> = random(2) == 1 and rx:clone() or tx:subscribe()
    for _ = 1, random(3) do own:changed(limit()) end
    own:borrow_and_update()
  end
  return { look, look, function() rx:wait_for(even, limit()) end, function()
    tx:send(random(100))
    tx:send_modify(function(n) return n + 1 end)
    pause()
  end }
end }

local function broadcasting(options)
  return function()
    local tx, keep = weir.broadcast(8, options)
    local function hear()
      local rx <close> = tx:subscribe()
      for _ = 1, random(20) do rx:recv(limit()) end
    end
    return { hear, hear, function() keep:recv(limit()) end, function()
      if options then tx:send(1, limit()) else tx:send(1) end
      pause()
    end }
  end
end

kinds[#kinds + 1] = { "broadcast", broadcasting() }
kinds[#kinds + 1] = { "broadcast that waits", broadcasting { overflow = "wait" } }

kinds[#kinds + 1] = { "semaphore", function()
  local semaphore = weir.semaphore(4)
  local function take()
    local permit <close> = semaphore:acquire(random(4), limit())
    pause()
    if not permit then return end
    permit:split(random(0, 1)):release()
    pause()
  end
  return { take, take, take, function()
    drop(semaphore:try_acquire(random(2)))
    semaphore:forget_permits(semaphore:available() > 0 and random(0, 1) or 0)
    semaphore:add_permits(semaphore:available() == 0 and 1 or 0)
    if semaphore:available() > 8 then semaphore:forget_permits(4) end
    pause()
  end }
end }

kinds[#kinds + 1] = { "mutex", function()
  local mutex = weir.mutex(0)
  local function lock()
    local guard <close> = mutex:lock(limit())
    pause()
    if guard then guard:set(guard:get() + 1) end
  end
  return { lock, lock, lock, function()
    drop(mutex:try_lock())
    pause()
  end }
end }

kinds[#kinds + 1] = { "rwlock", function()
  local lock = weir.rwlock(0)
  local function read()
    local _guard <close> = lock:read(limit())
    pause()
  end
  local function write()
    local guard <close> = lock:write(limit())
    pause()
    if guard then guard:set(1) end
  end
  return { read, read, write, write }
end }

kinds[#kinds + 1] = { "notify", function()
  local notify = weir.notify()
  local function wait() notify:notified(limit()) end
  return { wait, wait, function()
    if random(3) == 1 then notify:notify_waiters() else notify:notify_one() end
    pause()
  end }
end }

kinds[#kinds + 1] = { "select", function()
  local a_tx, a_rx = weir.mpmc(2)
  local b_tx, b_rx = weir.mpmc(2)
  local news, heard = weir.broadcast(4)
  local token, notify, semaphore = weir.cancellation_token(), weir.notify(), weir.semaphore(1)
  local function choose()
    local child = token:child()
    local _, got = weir.select({
      a_rx, { b_tx, 1 }, child, notify, semaphore, random(2) == 1 and a_tx, heard,
      random(4) == 1 and weir.after(0.001),
    }, limit())
    if type(got) == "userdata" then got:drop() end -- a permit
  end
  local function other() weir.select({ b_rx, { a_tx, 2 } }, limit()) end
  return { choose, choose, other, other, function()
    notify:notify_one()
    news:send(1)
    pause()
  end }
end }

kinds[#kinds + 1] = { "timers", function()
  local shared = weir.after(0.01)
  local function sleep() weir.sleep(random(0, 2) * 0.001) end
  return { sleep, sleep, function()
    local timer = weir.after(random(3) * 0.001)
    if random(2) == 1 then timer:reset(random(3) * 0.001) end
    if random(2) == 1 then timer:wait() end
  end, function()
    shared:reset(random(3) * 0.001)
    shared:wait()
  end, function()
    weir.timeout(random(0, 2) * 0.001, weir.sleep, 0.001)
  end, function()
    local interval = weir.interval(0.001)
    for _ = 1, random(3) do interval:tick() end
  end }
end }

kinds[#kinds + 1] = { "join_set", function()
  local set = weir.join_set(4)
  local function work()
    if random(16) == 1 then error("on purpose", 0) end
    weir.sleep(random(0, 2) * 0.001)
    return 1, 2
  end
  return { function() set:spawn(work) end, function() set:try_spawn(work) pause() end,
    function() set:join_next(limit()) end,
    function() set:join_next(limit()) end,
    function()
      pause()
      if random(50) == 1 then set:abort_all() end
    end,
    function()
      local own <close> = weir.join_set(2)
      own:spawn(work)
      own:spawn(work)
      own:spawn(work)
      if random(2) == 1 then own:join_next() end
    end }
end }

kinds[#kinds + 1] = { "token", function()
  local root = weir.cancellation_token()
  return { function()
    local token = root:child()
    local leaf <const> = token:child()
    if random(2) == 1 then token:cancel("why not") end
    leaf:cancelled(limit() or 0.002)
  end, function()
    local token = root:child()
    local guard <close> = token:drop_guard()
    token:run_until_cancelled(weir.sleep, 0.001)
    if random(2) == 1 then guard:disarm() end
  end, function() root:cancelled(limit() or 0.002) end, function()
    if random(100) == 1 then
      root:cancel()
      root = weir.cancellation_token()
    end
    pause()
  end }
end }

kinds[#kinds + 1] = { "tasks", function()
  local function child(n)
    weir.sleep(n)
    return n
  end
  return { function()
    local task <close> = weir.spawn(child, random(0, 2) * 0.001)
    task:join(limit())
  end, function()
    weir.spawn(child, random(0, 1) * 0.001):abort()
    pause()
  end, function() weir.race { function() weir.sleep(0.001) end, weir.yield } end, function()
    weir.scope(function(scope)
      scope:spawn(child, 0)
      scope:spawn(child, 0.001)
    end)
  end }
end }

kinds[#kinds + 1] = { "barrier and once", function()
  local barrier, once = weir.barrier(2), weir.once()
  local function meet() barrier:wait(limit()) end
  return { meet, meet, meet, function()
    once:get_or_init(function()
      pause()
      if random(4) == 1 then error("on purpose", 0) end
      return 1
    end)
    weir.yield()
  end, function()
    once:wait(limit())
    if random(4) == 1 then once = weir.once() end
  end }
end }

return kinds
