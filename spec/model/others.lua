-- SPDX-License-Identifier: MIT
-- others.lua -- the models of oneshot, watch, broadcast, semaphore, locks and notify.

local Sim = require "spec.model.sim"

local pack = table.pack
local can_take, try_take = Sim.can_take, Sim.try_take

local others = {}

-- A step that does not wait.
local function at_once(real, model)
  return { real = real, model = model }
end

-- A method that may wait, and the branch that models it.
local function awaiting(h, name, branch, awaitable, ...)
  local args = pack(...)
  return { branch = branch, awaitable = awaitable,
    real = function(timeout)
      args[args.n + 1] = timeout
      return h.real[name](h.real, table.unpack(args, 1, args.n + 1))
    end }
end

local function try(h, name, branch, else_, ...)
  local args = pack(...)
  return at_once(function() return h.real[name](h.real, table.unpack(args, 1, args.n)) end,
    function() return branch.poll(nil) or pack(nil, else_) end)
end

-- An event that stays true once it is.
local function event(through, line, ready, outcome)
  return { through = through, ready = ready,
    poll = function() return ready() and outcome() or nil end,
    enter = function(waiter) Sim.join(line, waiter) end }
end

local function yes()
  return pack(true)
end

-- Waits for permits; `got` makes the outcome.
local function acquiring(p, n, got, refused)
  return {
    ready = function() return refused and refused() or can_take(p, n) end,
    poll = function(won)
      if won and won.owns then won.owns = false
      elseif refused and refused() then return pack(nil, "closed")
      elseif not try_take(p, n) then return nil end
      return pack(got())
    end,
    enter = function(waiter) Sim.stand(p, waiter, n) end }
end

local function list()
  local ops = {}
  return ops, function(name, role, f) ops[#ops + 1] = { name = name, role = role, f = f } end
end

-- ---- oneshot ----------------------------------------------------------------------------------------

function others.oneshot(weir, sim, w)
  local o = { sender = true, receiver = true, arrived = {}, closed = {} }
  local function refuses() return o.refusing or not o.receiver end
  local function over() return not o.message and (not o.sender or o.refusing) end
  local function tell()
    sim:tell(o.arrived)
    sim:tell(o.closed)
  end
  local tx = { kind = "oneshot.Sender", role = "tx", live = true,
    cut = function(h) sim:tell_through(o.closed, h) end,
    drop = function()
      o.sender = false
      sim:tell(o.arrived)
    end }
  local rx = { kind = "oneshot.Receiver", role = "rx", live = true,
    cut = function(h) sim:tell_through(o.arrived, h) end,
    drop = function()
      o.receiver, o.message, o.refusing = false, nil, true
      sim:tell(o.closed)
      sim:tell(o.arrived)
    end }
  local real_tx, real_rx = weir.oneshot()
  w.add(real_tx, tx)
  w.add(real_rx, rx)

  local function recv(h)
    return { through = h,
      ready = function() return o.message ~= nil or over() end,
      poll = function()
        if o.message then
          local m = o.message
          o.message, o.taken = nil, true
          return m
        end
        if over() then o.ended = true end
        return over() and pack(nil, "closed") or nil
      end,
      enter = function(waiter) Sim.join(o.arrived, waiter) end }
  end

  local ops, op = list()
  op("send", "tx", function(h, n)
    if n % 3 > 0 then return end
    local values = { [0] = pack(), pack(w.value()), pack(nil, w.value()), pack(w.value(), nil) }
    local v = values[n // 3 % 4]
    return at_once(function() return h.real:send(table.unpack(v, 1, v.n)) end, function()
      local ok = not refuses()
      if ok then o.message = v end
      h.model.cut(h.model)
      h.model.live, o.sender = false, false
      tell()
      return ok and pack(true) or pack(nil, "closed")
    end)
  end)
  op("closed", "tx", function(h)
    return awaiting(h, "closed", event(h.model, o.closed, refuses, yes), weir.closed(h.real))
  end)
  op("recv", "rx", function(h) return awaiting(h, "recv", recv(h.model), h.real) end)
  op("try_recv", "rx", function(h) return try(h, "try_recv", recv(h.model), "empty") end)
  op("close", "rx", function(h, rare)
    if rare % 3 > 0 then return end
    return at_once(function() return h.real:close() end, function()
      o.refusing = true
      sim:tell(o.closed)
      sim:tell(o.arrived)
      return pack(true)
    end)
  end)
  return { ops = ops,
    observe = {
      tx = function(h) return h:is_closed() end,
      rx = function(h) return h:is_empty(), h:is_terminated() end },
    expect = {
      tx = function() return refuses() or false end,
      rx = function() return o.message == nil, (o.taken or o.ended) == true end } }
end

-- ---- watch ------------------------------------------------------------------------------------------

function others.watch(weir, sim, w)
  local c = { value = 0, version = 1, senders = 1, receivers = 1, changed = {}, closed = {} }
  local function change(v)
    c.value, c.version = v, c.version + 1
    sim:tell(c.changed)
  end
  local function sender()
    return { kind = "watch.Sender", role = "tx", live = true,
      cut = function(h) sim:tell_through(c.closed, h) end,
      drop = function()
        c.senders = c.senders - 1
        if c.senders == 0 then sim:tell(c.changed) end
      end }
  end
  local function receiver(seen)
    local r = { kind = "watch.Receiver", role = "rx", live = true, seen = seen,
      cut = function(h) sim:tell_through(c.changed, h) end,
      drop = function()
        c.receivers = c.receivers - 1
        if c.receivers == 0 then sim:tell(c.closed) end
      end }
    r.copy = function() return receiver(r.seen) end
    return r
  end
  local real_tx, real_rx = weir.watch(0)
  w.add(real_tx, sender())
  w.add(real_rx, receiver(1))

  local function changed(r)
    return { through = r,
      ready = function() return r.seen ~= c.version or c.senders == 0 end,
      poll = function()
        if r.seen ~= c.version then
          r.seen = c.version
          return pack(true)
        end
        return c.senders == 0 and pack(nil, "closed") or nil
      end,
      enter = function(waiter) Sim.join(c.changed, waiter) end }
  end
  local function even(v) return v % 2 == 0 end
  local function wait_for(r)
    return { through = r, ready = function() return even(c.value) or c.senders == 0 end,
      poll = function()
        r.seen = c.version
        if even(c.value) then return pack(c.value) end
        return c.senders == 0 and pack(nil, "closed") or nil
      end,
      enter = function(waiter) Sim.join(c.changed, waiter) end }
  end

  local ops, op = list()
  for _ = 1, 2 do
    op("send", "tx", function(h)
      local v = w.value()
      return at_once(function() return h.real:send(v) end, function()
        if c.receivers == 0 then return pack(nil, "closed") end
        change(v)
        return pack(true)
      end)
    end)
  end
  op("send_replace", "tx", function(h)
    local v = w.value()
    return at_once(function() return h.real:send_replace(v) end, function()
      local old = c.value
      change(v)
      return pack(old)
    end)
  end)
  op("send_modify", "tx", function(h, n)
    local function f(old)
      if n % 4 == 0 then error "no" end
      return n % 4 > 1 and old + 1 or nil
    end
    return at_once(function() return h.real:send_modify(f) end, function()
      local ok, v = pcall(f, c.value)
      if not ok then return { error = true } end
      change(v or c.value)
      return pack(true)
    end)
  end)
  op("send_if_modified", "tx", function(h, n)
    local function f(old) return n % 2 == 0, old + 1 end
    return at_once(function() return h.real:send_if_modified(f) end, function()
      if n % 2 == 0 then change(c.value + 1) end
      return pack(n % 2 == 0)
    end)
  end)
  op("subscribe", "tx", function(h)
    return at_once(function() return h.real:subscribe() end, function()
      c.receivers = c.receivers + 1
      return pack(receiver(c.version))
    end)
  end)
  op("clone", "tx", function(h)
    return at_once(function() return h.real:clone() end, function()
      c.senders = c.senders + 1
      return pack(sender())
    end)
  end)
  op("closed", "tx", function(h)
    return awaiting(h, "closed", event(h.model, c.closed, function() return c.receivers == 0 end, yes),
      weir.closed(h.real))
  end)
  for _ = 1, 2 do
    op("changed", "rx", function(h) return awaiting(h, "changed", changed(h.model), h.real) end)
  end
  op("wait_for", "rx", function(h) return awaiting(h, "wait_for", wait_for(h.model), nil, even) end)
  op("borrow_and_update", "rx", function(h)
    return at_once(function() return h.real:borrow_and_update() end, function()
      h.model.seen = c.version
      return pack(c.value)
    end)
  end)
  op("mark_changed", "rx", function(h)
    return at_once(function() return h.real:mark_changed() end, function()
      h.model.seen = 0
      sim:tell_through(c.changed, h.model)
      return pack(true)
    end)
  end)
  op("mark_unchanged", "rx", function(h)
    return at_once(function() return h.real:mark_unchanged() end, function()
      h.model.seen = c.version
      return pack(true)
    end)
  end)
  op("clone", "rx", function(h)
    return at_once(function() return h.real:clone() end, function()
      c.receivers = c.receivers + 1
      return pack(receiver(h.model.seen))
    end)
  end)
  return { ops = ops,
    observe = {
      tx = function(h) return h:borrow(), h:is_closed(), h:receiver_count() end,
      rx = function(h) return h:borrow(), h:is_closed(), h:has_changed() end },
    expect = {
      tx = function() return c.value, c.receivers == 0, c.receivers end,
      rx = function(h)
        if c.senders == 0 then return c.value, true, nil, "closed" end
        return c.value, false, h.seen ~= c.version
      end } }
end

-- ---- broadcast --------------------------------------------------------------------------------------

function others.broadcast(weir, sim, w, capacity, waits)
  local c = { q = {}, head = 0, tail = 0, senders = 1, receivers = {}, arrived = {}, closed = {}, weak = 0,
    room = Sim.permits(capacity) }
  local function count()
    local n = 0
    for _ in pairs(c.receivers) do n = n + 1 end
    return n
  end
  -- What nobody needs any more is let go.
  local function let_go()
    local lowest = c.tail
    for r in pairs(c.receivers) do lowest = math.min(lowest, math.max(r.cursor, c.head)) end
    while c.head < lowest do
      c.q[c.head] = nil
      c.head = c.head + 1
      if waits then sim:give(c.room, 1) end
    end
  end
  local function publish(v)
    if not waits and c.tail - c.head == capacity then
      c.q[c.head] = nil
      c.head = c.head + 1
    end
    c.q[c.tail] = v
    c.tail = c.tail + 1
    sim:tell(c.arrived)
    return pack(count())
  end
  local function sender()
    return { kind = "broadcast.Sender", role = "tx", live = true,
      cut = function(h)
        sim:tell_through(c.room.line, h)
        sim:serve(c.room)
        sim:tell_through(c.closed, h)
      end,
      drop = function()
        c.senders = c.senders - 1
        if c.senders == 0 then sim:tell(c.arrived) end
      end }
  end
  local function receiver(cursor)
    local r = { kind = "broadcast.Receiver", role = "rx", live = true, cursor = cursor }
    c.receivers[r] = true
    r.cut = function(h) sim:tell_through(c.arrived, h) end
    r.drop = function()
      c.receivers[r] = nil
      let_go()
      if count() == 0 then
        sim:tell(c.closed)
        sim:tell(c.room.line)
      end
    end
    r.copy = function()
      c.receivers[r] = nil
      return receiver(r.cursor)
    end
    return r
  end
  local function weak()
    return { kind = "broadcast.WeakSender", role = "weak", live = true,
      drop = function() c.weak = c.weak - 1 end }
  end
  local real_tx, real_rx = weir.broadcast(capacity, waits and { overflow = "wait" } or nil)
  w.add(real_tx, sender())
  w.add(real_rx, receiver(0))

  local function send(h, v)
    return { through = h,
      ready = function() return count() == 0 or can_take(c.room, 1) end,
      poll = function(won)
        local held = won and won.owns
        if held then won.owns = false end
        if count() == 0 then
          if held then sim:give(c.room, 1) end
          return pack(nil, "closed")
        end
        if waits and not held and not try_take(c.room, 1) then return nil end
        return publish(v)
      end,
      enter = function(waiter) Sim.stand(c.room, waiter, 1) end }
  end
  local function recv(r)
    return { through = r,
      ready = function() return r.cursor < c.tail or c.senders == 0 end,
      poll = function()
        if r.cursor < c.head then
          local missed = c.head - r.cursor
          r.cursor = c.head
          return pack(nil, "lagged", missed)
        end
        if r.cursor < c.tail then
          local v = c.q[r.cursor]
          r.cursor = r.cursor + 1
          let_go()
          return pack(v)
        end
        return c.senders == 0 and pack(nil, "closed") or nil
      end,
      enter = function(waiter) Sim.join(c.arrived, waiter) end }
  end

  local ops, op = list()
  for _ = 1, 2 do
    op("send", "tx", function(h)
      local v = w.value()
      if not waits then return try(h, "send", send(h.model, v), "full", v) end
      return awaiting(h, "send", send(h.model, v), { h.real, v }, v)
    end)
  end
  op("subscribe", "tx", function(h)
    return at_once(function() return h.real:subscribe() end, function() return pack(receiver(c.tail)) end)
  end)
  op("resubscribe", "rx", function(h)
    return at_once(function() return h.real:resubscribe() end, function() return pack(receiver(c.tail)) end)
  end)
  op("clone", "tx", function(h)
    return at_once(function() return h.real:clone() end, function()
      c.senders = c.senders + 1
      return pack(sender())
    end)
  end)
  op("weak", "tx", function(h)
    return at_once(function() return h.real:weak() end, function()
      c.weak = c.weak + 1
      return pack(weak())
    end)
  end)
  op("upgrade", "weak", function(h)
    return at_once(function() return h.real:upgrade() end, function()
      if c.senders == 0 then return pack(nil) end
      c.senders = c.senders + 1
      return pack(sender())
    end)
  end)
  op("closed", "tx", function(h)
    return awaiting(h, "closed", event(h.model, c.closed, function() return count() == 0 end, yes),
      weir.closed(h.real))
  end)
  for _ = 1, 2 do
    op("recv", "rx", function(h) return awaiting(h, "recv", recv(h.model), h.real) end)
    op("try_recv", "rx", function(h) return try(h, "try_recv", recv(h.model), "empty") end)
  end
  return { ops = ops,
    observe = {
      tx = function(h)
        return h:len(), h:receiver_count(), h:is_closed(), h:strong_count(), h:weak_count()
      end,
      rx = function(h) return #h, h:is_empty(), h:is_closed() end },
    expect = {
      tx = function() return c.tail - c.head, count(), count() == 0, c.senders, c.weak end,
      rx = function(h) return c.tail - h.cursor, c.tail == h.cursor, c.senders == 0 end } }
end

-- ---- semaphore --------------------------------------------------------------------------------------

function others.semaphore(weir, sim, w, n)
  local s = { p = Sim.permits(n), closed = false }
  local function permit(held)
    local p = { kind = "SemaphorePermit", role = "permit", live = true, n = held }
    p.drop = function()
      local left = p.n
      p.n = 0
      if left > 0 then sim:give(s.p, left) end
    end
    p.copy = function() return permit(p.n) end
    return p
  end
  local function acquire(count)
    return acquiring(s.p, count, function() return permit(count) end, function() return s.closed end)
  end
  local real = weir.semaphore(n)
  w.add(real, { kind = "Semaphore", role = "sem", live = true, shared = true })

  local ops, op = list()
  for _ = 1, 2 do
    op("acquire", "sem", function(h) return awaiting(h, "acquire", acquire(1), h.real, nil) end)
  end
  op("acquire n", "sem", function(h, count)
    count = count % (n + 1)
    return awaiting(h, "acquire", acquire(count), nil, count)
  end)
  op("try_acquire", "sem", function(h, count)
    count = count % (n + 1)
    return try(h, "try_acquire", acquire(count), "full", count)
  end)
  op("add_permits", "sem", function(h, count)
    if count % 4 > 0 then return end
    return at_once(function() return h.real:add_permits(1) end, function()
      sim:give(s.p, 1)
      return pack(true)
    end)
  end)
  op("forget_permits", "sem", function(h, count)
    count = count % 3
    return at_once(function() return h.real:forget_permits(count) end, function()
      local there = math.min(count, Sim.available(s.p))
      s.p.free = s.p.free - there
      return pack(there)
    end)
  end)
  op("close", "sem", function(h, rare)
    if rare % 16 > 0 then return end
    return at_once(function() return h.real:close() end, function()
      s.closed = true
      sim:tell(s.p.line)
      return pack(true)
    end)
  end)
  op("permit:split", "permit", function(h, count)
    count = count % 3
    return at_once(function() return h.real:split(count) end, function()
      if count > h.model.n then return { error = true } end
      h.model.n = h.model.n - count
      return pack(permit(count))
    end)
  end)
  op("permit:forget", "permit", function(h, rare)
    if rare % 4 > 0 then return end
    return at_once(function() return h.real:forget() end, function()
      h.model.n, h.model.live = 0, false
      return pack(true)
    end)
  end)
  op("permit:merge", "permit", function(h, other)
    local q = w.pick("permit", other)
    if q == h then return end
    return at_once(function() return h.real:merge(q.real) end, function()
      h.model.n = h.model.n + q.model.n
      q.model.n, q.model.live = 0, false
      return pack(true)
    end)
  end)
  return { ops = ops,
    observe = { sem = function(h) return h:available(), h:is_closed() end },
    expect = { sem = function() return Sim.available(s.p), s.closed end } }
end

-- ---- mutex and rwlock -------------------------------------------------------------------------------

local EVERYBODY = 1 << 20

local function lock(sim, w, make, role, ways)
  local s = { p = Sim.permits(role == "mutex" and 1 or EVERYBODY), value = 0 }
  local function guard(kind, n)
    return { kind = kind, role = "guard", live = true, n = n,
      drop = function() sim:give(s.p, n) end }
  end
  w.add(make(0), { kind = role, role = role, live = true, shared = true })
  local ops, op = list()
  for _, way in ipairs(ways) do
    local function branch()
      return acquiring(s.p, way.n, function() return guard(way.kind, way.n) end)
    end
    op(way.name, role, function(h) return awaiting(h, way.name, branch(), nil) end)
    op("try_" .. way.name, role, function(h) return try(h, "try_" .. way.name, branch(), "full") end)
  end
  op("get", "guard", function(h)
    return at_once(function() return h.real:get() end, function() return pack(s.value) end)
  end)
  op("set", "guard", function(h)
    local v = w.value()
    return at_once(function() return h.real:set(v) end, function()
      if h.model.kind == "RwLockReadGuard" then return { error = true } end
      s.value = v
      return pack(true)
    end)
  end)
  return { ops = ops, observe = {}, expect = {}, dropping = 3 }
end

function others.mutex(weir, sim, w)
  return lock(sim, w, weir.mutex, "mutex", { { name = "lock", kind = "MutexGuard", n = 1 } })
end

function others.rwlock(weir, sim, w)
  return lock(sim, w, weir.rwlock, "rwlock", {
    { name = "read", kind = "RwLockReadGuard", n = 1 },
    { name = "write", kind = "RwLockWriteGuard", n = EVERYBODY },
    { name = "read", kind = "RwLockReadGuard", n = 1 } })
end

-- ---- notify -----------------------------------------------------------------------------------------

function others.notify(weir, sim, w)
  local p
  p = Sim.permits(0, function() p.free = math.min(p.free, 1) end)
  w.add(weir.notify(), { kind = "Notify", role = "notify", live = true, shared = true })
  local function notified()
    return { ready = function() return can_take(p, 1) end,
      poll = function(won)
        if won then won.owns = false
        elseif not try_take(p, 1) then return nil end
        return pack(true)
      end,
      enter = function(waiter) Sim.stand(p, waiter, 1) end }
  end
  local ops, op = list()
  for _ = 1, 2 do
    op("notified", "notify", function(h) return awaiting(h, "notified", notified(), h.real) end)
    op("notify_one", "notify", function(h)
      return at_once(function() return h.real:notify_one() end, function()
        sim:give(p, 1)
        return pack(true)
      end)
    end)
  end
  op("notify_waiters", "notify", function(h)
    return at_once(function() return h.real:notify_waiters() end, function()
      sim:tell(p.line)
      return pack(true)
    end)
  end)
  return { ops = ops, observe = {}, expect = {} }
end

return others
