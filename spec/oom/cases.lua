-- SPDX-License-Identifier: MIT
-- What is done while memory runs out (host.c). Every public operation stands in
-- one of the bodies; counters are numbers, so counting allocates nothing.

local cases = {}

-- The state must be usable, with no task left, and the error an ordinary one.
local function usable(weir, ok, err)
  if not ok then
    assert(type(err) == "string", "an error of type " .. type(err))
    -- a task that ran out of memory may leave another waiting for ever
    assert(err:find("memory", 1, true) or err:find("deadlock:", 1, true) or
      err:find("aborted", 1, true) or err:find("stack overflow", 1, true), err)
  end
  if #weir.tasks() > 0 then error("tasks are left after " .. tostring(err) .. ": " .. weir.dump()) end
  local got = weir.run(function()
    local tx, rx = weir.mpsc(2)
    local task = weir.spawn(function(sender) for i = 1, 5 do assert(sender:send(i)) end end, tx)
    local sum = 0
    for v in rx do sum = sum + v end
    assert(task:join())
    assert(weir.timeout(1, function() return true end))
    return sum
  end)
  assert(got == 15, "the state is not usable")
end

local function case(name, setup, body, check)
  local function quiet(weir)
    weir.on_error(function() end)
    return setup and setup(weir)
  end
  cases[#cases + 1] = { name = name, setup = quiet, body = body,
    check = check or function(weir, _, ok, err) usable(weir, ok, err) end }
end

-- Messages are conserved: what was sent was received, dropped, or is still there.
local function channel_check(weir, things, ok, err)
  local stats = things.tx:stats()
  assert(stats.sent == things.sent, ("%d sends said true, %d are known"):format(things.sent, stats.sent))
  assert(stats.received == things.received,
    ("%d values came out, %d are known"):format(things.received, stats.received))
  assert(stats.len == stats.sent - stats.received)
  assert(stats.waiting_senders == 0, "a sender is left in line")
  local left = 0
  while things.rx:try_recv() do left = left + 1 end
  assert(left == stats.len, "messages are missing")
  assert(things.tx:capacity() == things.tx:max_capacity(), "a permit leaked")
  usable(weir, ok, err)
end

local function channel_setup(capacity)
  return function(weir)
    local tx, rx = weir.mpsc(capacity)
    return { tx = tx, rx = rx, sent = 0, received = 0 }
  end
end

case("send and receive", channel_setup(3), function(weir, t)
  weir.run(function()
    local tx, rx = t.tx, t.rx
    local task = weir.spawn(function()
      for i = 1, 20 do if tx:send(i) then t.sent = t.sent + 1 end end
    end)
    for _ = 1, 20 do if rx:recv() then t.received = t.received + 1 end end
    local ok, e = task:join()
    if not ok then error(e, 0) end
  end)
end, channel_check)

case("a growing store", channel_setup(1000), function(_, t)
  for i = 1, 300 do if t.tx:try_send({ i }) then t.sent = t.sent + 1 end end
  for _ = 1, 200 do if t.rx:try_recv() then t.received = t.received + 1 end end
  for i = 1, 300 do if t.tx:try_send(i) then t.sent = t.sent + 1 end end
end, channel_check)

case("batches", channel_setup(64), function(weir, t)
  weir.run(function()
    for i = 1, 40 do if t.tx:send(i) then t.sent = t.sent + 1 end end
    local list = {}
    local ok, e = pcall(t.rx.recv_many, t.rx, list, 30)
    t.received = t.received + #list
    if not ok then error(e, 0) end
    t.received = t.received + t.rx:try_recv_many({}, 5)
  end)
end, function(weir, t, ok, err)
  if not ok then t.received = t.tx:stats().received end      -- a list may be lost with its table
  channel_check(weir, t, ok, err)
end)

case("permits and reservations", channel_setup(4), function(weir, t)
  weir.run(function()
    local p <close> = t.tx:reserve()
    if p:send(1) then t.sent = t.sent + 1 end
    local many <close> = t.tx:reserve_many(2)
    if many:send(2) then t.sent = t.sent + 1 end
    local r <close> = t.tx:reservation()
    local q <close> = r:wait()
    if q:send(3) then t.sent = t.sent + 1 end
    local weak <close> = t.tx:weak()
    local again <close> = weak:upgrade()
    if again:try_send(4) then t.sent = t.sent + 1 end
    local clone <close> = again:clone()
    clone:try_reserve()
  end)
  collectgarbage()
end, function(weir, t, ok, err)
  collectgarbage()
  collectgarbage()
  channel_check(weir, t, ok, err)
end)

case("select", function(weir)
  local a, ar = weir.mpsc(2)
  local b, br = weir.mpsc(2)
  return { tx = a, rx = ar, b = b, br = br, sent = 0, received = 0 }
end, function(weir, t)
  weir.run_paused(function()
    local task = weir.spawn(function()
      for i = 1, 6 do if t.tx:send(i) then t.sent = t.sent + 1 end end
    end)
    for _ = 1, 6 do
      local which, v = weir.select({ a = t.rx, b = t.br, tick = weir.after(5) })
      if which == "a" and v then t.received = t.received + 1 end
    end
    weir.select { { t.b, 1 }, t.br }
    weir.try_select { { t.br, function(v) return v end } }
    weir.select_biased({ t.rx, t.br }, 0)
    local ok, e = task:join()
    if not ok then error(e, 0) end
  end)
end, channel_check)

case("handles as messages", function(weir)
  local tx, rx = weir.mpsc(4)
  return { tx = tx, rx = rx }
end, function(weir, t)
  weir.run_paused(function()
    local tx, rx = weir.mpsc(1)
    t.tx:send(rx)
    tx:try_send(1)
    local task = weir.spawn(function(receiver)
      local inner = receiver:recv()
      return inner:recv()
    end, t.rx:move())
    local ok, v = task:join()
    if not ok then error(v, 0) end
    assert(v == 1)
  end)
end)

case("oneshot and call", function() return { replies = 0 } end, function(weir, t)
  weir.run(function()
    local otx, orx = weir.oneshot()
    otx:send(1, nil, "three")
    orx:recv()
    local tx, rx = weir.mpsc(2)
    local server = weir.spawn(function(receiver)
      for m in receiver do
        local reply <close> = m.reply
        reply:send(m.n, m.n + 1)
      end
    end, rx)
    for i = 1, 3 do if tx:call({ n = i }) then t.replies = t.replies + 1 end end
    tx:call({ n = 4 }, 1)
    tx:drop()
    local ok, e = server:join()
    if not ok then error(e, 0) end
  end)
end)

case("watch", nil, function(weir)
  weir.run(function()
    local tx, rx = weir.watch(1)
    local other = rx:clone()
    tx:send(2)
    rx:changed()
    rx:borrow_and_update()
    tx:send_modify(function(v) return v + 1 end)
    tx:send_if_modified(function(v) return true, v + 1 end)
    tx:send_replace("x")
    other:wait_for(function(v) return v == "x" end)
    local task = weir.spawn(function(r) return r:changed() end, tx:subscribe())
    weir.yield()
    tx:send(5)
    local ok, e = task:join()
    if not ok then error(e, 0) end
  end)
end)

case("broadcast", nil, function(weir)
  weir.run(function()
    for _, capacity in ipairs { 4, 100 } do
      local tx, rx = weir.broadcast(capacity)
      local two = tx:subscribe()
      for i = 1, 9 do tx:send(i) end
      rx:recv()
      rx:try_recv()
      two:recv()
      two:resubscribe()
      tx:weak():upgrade():clone()
    end
    local tx, rx = weir.broadcast(1, { overflow = "wait" })
    local task = weir.spawn(function(t) for i = 1, 3 do t:send(i) end end, tx)
    for _ in rx do end                        -- luacheck: ignore
    local ok, e = task:join()
    if not ok then error(e, 0) end
  end)
end)

case("semaphore and locks", function(weir)
  return { s = weir.semaphore(3), m = weir.mutex(0), rw = weir.rwlock(0) }
end, function(weir, t)
  weir.run(function()
    local p <close> = t.s:acquire(2)
    local q <close> = p:split(1)
    p:merge(q)
    local _ <close> = t.s:try_acquire()
    local task = weir.spawn(function()
      local _ <close> = t.s:acquire(2)
      return true
    end)
    weir.yield()
    p:release()
    local ok, e = task:join()
    if not ok then error(e, 0) end
    local g <close> = t.m:lock()
    g:set(g:get() + 1)
    local r <close> = t.rw:read()
    r:unlock()
    local w <close> = t.rw:write()
    w:set(1)
  end)
end, function(weir, t, ok, err)
  collectgarbage()
  collectgarbage()
  assert(t.s:available() == 3, "permits leaked")
  assert(t.m:try_lock(), "the mutex is still locked")
  assert(t.rw:try_write(), "the rwlock is still locked")
  usable(weir, ok, err)
end)

case("notify, barrier, once", nil, function(weir)
  weir.run(function()
    local n, b, o = weir.notify(), weir.barrier(2), weir.once()
    local task = weir.spawn(function()
      n:notified()
      b:wait()
      return o:get_or_init(function() weir.yield() return 7 end)
    end)
    weir.yield()
    n:notify_one()
    b:wait()
    o:wait(1)
    local ok, e = task:join()
    if not ok then error(e, 0) end
  end)
end)

case("tasks", nil, function(weir)
  weir.run_paused(function()
    local t1 = weir.spawn(function(...) return ... end, 1, nil, 3)
    local t2 = weir.spawn(function() weir.sleep(10) end)
    local t3 = weir.spawn(function() error("aborted on purpose", 0) end)
    t2:abort()
    t1:join()
    t2:join()
    t3:join(1)
    t1:name("one")
    t1:traceback()
    weir.wrap(function() weir.yield() coroutine.yield(1) end)()
    weir.timeout(0.001, function() weir.sleep(5) end)
    weir.timeout(5, function() weir.yield() return 1, 2 end)
  end)
end)

case("sets and scopes", nil, function(weir)
  weir.run_paused(function()
    local set <close> = weir.join_set(2)
    for i = 1, 3 do set:spawn(function() weir.yield() return i end) end
    set:join_next()
    set:join_all()
    set:try_spawn(function() end)
    set:shutdown()
    weir.scope(function(scope) for _ = 1, 3 do scope:spawn(weir.yield) end end)
    weir.join_all { function() return 1 end, function() return 2 end }
    weir.race { function() return 1 end, function() weir.sleep(1) end }
  end)
end)

case("cancellation and time", nil, function(weir)
  weir.run_paused(function()
    local token = weir.cancellation_token()
    local child = token:child()
    local _ <close> = child:drop_guard()
    local task = weir.spawn(function() return child:run_until_cancelled(weir.sleep, 100) end)
    weir.yield()
    token:cancel("enough")
    child:cancelled()
    local ok, e = task:join()
    if not ok then error(e, 0) end
    weir.after(1):wait()
    local tick = weir.interval(1)
    tick:tick()
    tick:tick()
    weir.sleep(3)
    weir.advance(1)
  end)
end)

case("tasks that fail", nil, function(weir)
  weir.loop.on_wake(function() end)
  weir.run(function()
    weir.spawn(function() coroutine.yield() end)
    weir.spawn(function() error("on purpose", 0) end)
    weir.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() error("while it ends", 0) end })
      error({}, 0)
    end)
    weir.spawn(function() weir.timeout(1, coroutine.yield) end)
    weir.spawn(function() weir.scope(function(scope) scope:spawn(error, {}) end) end)
    weir.sleep(0)
    weir.sleep(0)
  end)
  weir.loop.on_wake(nil)
end)

case("looking", nil, function(weir)
  weir.run(function()
    local tx, rx = weir.mpsc(1)
    local task = weir.spawn(function(r) r:recv() end, rx)
    weir.yield()
    weir.dump()
    weir.tasks()
    tostring(tx)
    weir.type(tx)
    tx:stats()
    task:abort()
  end)
end)

case("mpmc", nil, function(weir)
  weir.run(function()
    local tx, rx = weir.mpmc(2)
    local set <close> = weir.join_set()
    for _ = 1, 3 do
      set:spawn(function(r) local n = 0 for _ in r do n = n + 1 end return n end, rx:clone())
    end
    rx:drop()
    for i = 1, 9 do tx:send(i) end
    tx:drop()
    set:join_all()
  end)
end)

-- Who is granted something, has no memory to take it and swallows that in a pcall, asks again. The first
-- grant must have gone on, or it waits for itself; and nothing may point to what was granted.
local function granted(name, make, hold, take)
  local function hold_a_while(thing)
    local _held <close> = hold(thing)
    for _ = 1, 3 do thing.weir.yield() end
  end
  case("a grant: " .. name, function(weir)
    local thing
    weir.run(function() thing = make(weir) end)
    thing.weir = weir
    return thing
  end, function(weir, thing)
    weir.run_paused(function()
      local holder = weir.spawn(hold_a_while, thing)
      weir.yield()
      local task = weir.spawn(function()
        if not pcall(take, thing) then take(thing) end
      end)
      holder:join()
      task:join()
    end)
  end, function(weir, thing, ok, err)
    local had
    weir.run_paused(function() had = weir.timeout(1, function() take(thing) end) end)
    assert(had, name .. ": it can never be had again")
    usable(weir, ok, err)
  end)
end

granted("mutex", function(weir) return { lock = weir.mutex() } end,
  function(thing) return thing.lock:lock() end,
  function(thing) thing.lock:lock():unlock() end)

granted("rwlock", function(weir) return { lock = weir.rwlock() } end,
  function(thing) return thing.lock:read() end,
  function(thing) thing.lock:write():unlock() end)

granted("semaphore", function(weir) return { semaphore = weir.semaphore(2) } end,
  function(thing) return thing.semaphore:acquire(2) end,
  function(thing) thing.semaphore:acquire(2):release() end)

granted("once", function(weir) return { once = weir.once() } end,
  function(thing)
    pcall(thing.once.get_or_init, thing.once, function()
      for _ = 1, 3 do thing.weir.yield() end
      error("no", 0)
    end)
  end,
  function(thing) thing.once:get_or_init(function() return 1 end) end)

local function channel_of(weir)
  local tx, rx = weir.mpsc(1)
  return { tx = tx, rx = rx }
end

granted("permit", channel_of,
  function(thing) return thing.tx:reserve() end,
  function(thing) thing.tx:reserve():release() end)

granted("permits", channel_of,
  function(thing) return thing.tx:reserve_many(1) end,
  function(thing) thing.tx:reserve_many(1):release() end)

granted("send of a handle", channel_of,
  function(thing) return thing.tx:reserve() end,
  function(thing)
    local tx <close> = thing.weir.oneshot()
    assert(thing.tx:send(tx))
    thing.rx:try_recv()
  end)

granted("batch", channel_of,
  function(thing)
    thing.weir.spawn(function()
      for _ = 1, 4 do thing.weir.yield() end
      thing.tx:send(1)
    end)
  end,
  function(thing)
    local t = {}
    thing.tx:try_send(2)
    thing.rx:recv_many(t, 2)
  end)

granted("set", function(weir) return { set = weir.join_set(1) } end,
  function(thing) thing.set:spawn(function() for _ = 1, 3 do thing.weir.yield() end end) end,
  function(thing)
    local task = thing.set:spawn(function() end)
    task:join()
    thing.set:try_join_next()
  end)

-- A place that a send was given for which there is no memory goes back.
case("a large broadcast that waits", function(weir)
  local tx, rx = weir.broadcast(40, { overflow = "wait" })
  return { tx = tx, rx = rx }
end, function(_, t)
  for i = 1, 40 do t.tx:send({ i }, 0) end
end, function(weir, t, ok, err)
  while t.rx:try_recv() do end
  for i = 1, 40 do assert(t.tx:try_send(i) == 1, "a place is lost") end
  assert(t.tx:try_send(41) == nil)
  usable(weir, ok, err)
end)

-- What a trace knows of channels and receivers is memory of its own.
case("a trace", function() return { trace = require "weir.trace" } end, function(weir, t)
  local _ <close> = assert(t.trace.start "/dev/null")
  weir.run(function()
    local tx, rx = weir.mpsc(4)
    local reader = weir.spawn(function(receiver)
      local n = 0
      for _ in receiver do n = n + 1 end
      return n
    end, rx)
    reader:name("reader")
    for i = 1, 6 do tx:send(i) end
    tx:drop()
    for _ = 1, 3 do
      local wtx, wrx = weir.watch(0)
      local btx, brx = weir.broadcast(2)
      local otx, orx = weir.oneshot()
      for i = 1, 3 do
        wtx:send(i)
        btx:send(i)
        weir.yield()
      end
      otx:send(1)
      weir.yield()
      wrx:changed()
      brx:recv()
      orx:recv()
      weir.yield()
      for _, handle in ipairs { wtx, wrx, btx, brx, orx } do handle:drop() end
      weir.yield()
    end
    local ok, e = reader:join()
    if not ok then error(e, 0) end
  end)
end, function(weir, t, ok, err)
  t.trace.stop()
  usable(weir, ok, err)
end)

-- More values than a fresh stack has room for: each step has to find room on another stack, or take
-- nothing. Each in a state of its own, for a coroutine that was used before has the room.
local function many_values(name, body)
  case("many values, " .. name, function()
    local list = {}
    for i = 1, 100 do list[i] = i end
    return { list = list, through = function(...) return ... end, count = function(n, ...)
      assert(select("#", ...) == n)
    end }
  end, function(weir, t)
    weir.run_paused(function() body(weir, t, table.unpack(t.list)) end)
  end, function(weir, _, ok, err)
    -- a stack that cannot grow for want of memory is told as Lua's own functions tell it
    if not ok and (err:find("too many results", 1, true) or err:find("too many arguments", 1, true)) then
      err = "memory"
    end
    usable(weir, ok, err)
  end)
end

many_values("spawn", function(weir, t, ...)
  local task = weir.spawn(t.through, ...)
  local ok, first = task:join()
  if not ok then error(first, 0) end
  t.count(101, task:join())
end)

many_values("timeout", function(weir, t, ...)
  t.count(101, weir.timeout(1, t.through, ...))
end)

many_values("scope", function(weir, t, ...)
  local packed = table.pack(...)
  t.count(100, weir.scope(function() return table.unpack(packed) end))
end)

many_values("wrap", function(weir, t, ...)
  t.count(100, weir.wrap(t.through)(...))
end)

many_values("wrap, yielded", function(weir, t)
  local wrapped = weir.wrap(function()
    coroutine.yield(table.unpack(t.list))
    return table.unpack(t.list)
  end)
  t.count(100, wrapped())
  t.count(100, wrapped())
end)

many_values("oneshot", function(weir, t, ...)
  local tx, rx = weir.oneshot()
  tx:send(...)
  t.count(100, rx:recv())
end)

return cases
