-- SPDX-License-Identifier: MIT
-- channel.lua -- the model of mpsc, mpmc and unbounded channels.

local Sim = require "spec.model.sim"

local pack, remove = table.pack, table.remove
local can_take, try_take = Sim.can_take, Sim.try_take

local function new(weir, sim, w, capacity, mpmc, unbounded)
  local infinite = 1 << 40
  local c = { senders = 1, receivers = 1, q = {}, refusing = false, closed = {}, weak = 0, reservations = 0,
    mpmc = mpmc, capacity = unbounded and infinite or capacity }
  c.room, c.items = Sim.permits(c.capacity), Sim.permits(0)

  local function over()
    return #c.q == 0 and (c.refusing or c.senders == 0) and c.capacity - c.room.free - #c.q == 0
  end
  local function settle()
    if over() then sim:tell(c.items.line) end
  end
  c.room.home = settle
  c.items.home = function()
    if c.receivers == 0 then c.items.free = 0 end
  end

  local function push(v)
    c.q[#c.q + 1] = v
    sim:give(c.items, 1)
  end
  local function pop()
    local v = remove(c.q, 1)
    sim:give(c.room, 1)
    return v
  end
  local function refuse()
    if c.refusing then return end
    c.refusing = true
    sim:tell(c.room.line)
    sim:tell(c.closed)
    settle()
  end

  -- ---- the branches ---------------------------------------------------------------------------------

  local permit_handle
  local b = {}

  function b.send(tx, message)
    return { through = tx,
      ready = function() return c.refusing or can_take(c.room, 1) end,
      poll = function(won)
        local held = won and won.owns
        if held then
          won.owns = false
          if c.receivers == 0 then
            sim:give(c.room, 1)
            return pack(nil, "closed")
          end
        elseif c.refusing then
          return pack(nil, "closed")
        elseif not try_take(c.room, 1) then
          return nil
        end
        push(message)
        return pack(true)
      end,
      enter = function(waiter) Sim.stand(c.room, waiter, 1) end }
  end

  function b.reserve(tx, n)
    return { through = tx,
      ready = function() return c.refusing or can_take(c.room, n) end,
      poll = function(won)
        if won and won.owns then won.owns = false
        elseif c.refusing then return pack(nil, "closed")
        elseif not try_take(c.room, n) then return nil end
        return pack(permit_handle(n))
      end,
      enter = function(waiter) Sim.stand(c.room, waiter, n) end }
  end

  -- Does another task wait, that is not to end?
  local function one_receiver()
    for _, waiter in ipairs(c.items.line) do
      if not mpmc and not waiter.task.aborting then return true end
    end
    return false
  end

  function b.recv(rx)
    return { through = rx, guard = one_receiver,
      ready = function() return can_take(c.items, 1) or over() end,
      poll = function(won)
        if won and won.owns then won.owns = false
        elseif not try_take(c.items, 1) then
          return over() and pack(nil, "closed") or nil
        end
        return pack(pop())
      end,
      enter = function(waiter) Sim.stand(c.items, waiter, 1) end }
  end

  -- The values that come into the table are appended to the outcome.
  function b.recv_many(rx, max)
    return { through = rx, guard = one_receiver, counts = true,
      ready = function() return can_take(c.items, 1) or over() end,
      poll = function(won)
        if max == 0 then return pack(0) end
        local held = won and won.owns
        if not held and not can_take(c.items, 1) then
          return over() and pack(0, "closed") or nil
        end
        local got = {}
        while #got < max and (held or can_take(c.items, 1)) do
          if held then won.owns = false else try_take(c.items, 1) end
          held = false
          got[#got + 1] = pop()
        end
        return pack(#got, table.unpack(got))
      end,
      enter = function(waiter) Sim.stand(c.items, waiter, 1) end }
  end

  function b.closed(tx)
    return { through = tx,
      ready = function() return c.refusing end,
      poll = function() return c.refusing and pack(true) or nil end,
      enter = function(waiter) Sim.join(c.closed, waiter) end }
  end

  -- ---- the handles ----------------------------------------------------------------------------------

  local kind = mpmc and "mpmc." or "mpsc."
  local function sender()
    return { kind = kind .. "Sender", role = "tx", live = true,
      cut = function(h)
        sim:tell_through(c.room.line, h)
        sim:serve(c.room)
        sim:tell_through(c.closed, h)
      end,
      drop = function()
        c.senders = c.senders - 1
        if c.senders == 0 then settle() end
      end }
  end
  local function receiver()
    return { kind = kind .. "Receiver", role = "rx", live = true,
      cut = function(h)
        sim:tell_through(c.items.line, h)
        sim:serve(c.items)
      end,
      drop = function()
        c.receivers = c.receivers - 1
        if c.receivers > 0 then return end
        refuse()
        local n = #c.q
        for _, v in ipairs(c.q) do
          if type(v) == "table" then w.drop_model(v) end
        end
        c.items.free, c.q = 0, {}
        sim:give(c.room, n)
      end }
  end
  function permit_handle(n)
    local p = { kind = "mpsc.Permit", role = "permit", live = true, n = n }
    p.drop = function()
      local left = p.n
      p.n = 0
      if left > 0 then sim:give(c.room, left) end
    end
    p.copy = function() return permit_handle(p.n) end
    return p
  end
  local function weak()
    return { kind = kind .. "WeakSender", role = "weak", live = true,
      drop = function() c.weak = c.weak - 1 end }
  end

  local tx, rx
  if unbounded then tx, rx = weir.unbounded()
  elseif mpmc then tx, rx = weir.mpmc(capacity)
  else tx, rx = weir.mpsc(capacity) end
  w.add(tx, sender())
  w.add(rx, receiver())

  -- ---- the steps ------------------------------------------------------------------------------------

  local ops = {}
  local function op(name, role, f)
    ops[#ops + 1] = { name = name, role = role, f = f }
  end
  local function clone(make, count)
    return function(h)
      return { real = function() return h.real:clone() end,
        model = function()
          c[count] = c[count] + 1
          return pack(make())
        end }
    end
  end

  local function try(h, name, branch, else_, ...)
    local args = pack(...)
    return { real = function() return h.real[name](h.real, table.unpack(args, 1, args.n)) end,
      model = function() return branch.poll(nil) or pack(nil, else_) end }
  end
  local function awaiting(h, name, branch, awaitable, ...)
    local args = pack(...)
    return { branch = branch, awaitable = awaitable,
      real = function(timeout)
        args[args.n + 1] = timeout
        return h.real[name](h.real, table.unpack(args, 1, args.n + 1))
      end }
  end

  op("send", "tx", function(h)
    local v = w.value()
    return awaiting(h, "send", b.send(h.model, v), { h.real, v }, v)
  end)
  op("send", "tx", function(h)
    local v = w.value()
    return awaiting(h, "send", b.send(h.model, v), { h.real, v }, v)
  end)
  op("try_send", "tx", function(h)
    local v = w.value()
    return try(h, "try_send", b.send(h.model, v), "full", v)
  end)
  op("send a handle", "tx", function(h)
    local real, model
    return { real = function()
        real, model = w.cargo()
        return h.real:try_send(real)
      end,
      model = function()
        local r = b.send(h.model, model).poll(nil) or pack(nil, "full")
        if not r[1] then w.keep(real, model) end
        return r
      end }
  end)
  op("reserve", "tx", function(h)
    return awaiting(h, "reserve", b.reserve(h.model, 1), h.real)
  end)
  op("try_reserve", "tx", function(h)
    return try(h, "try_reserve", b.reserve(h.model, 1), "full")
  end)
  op("reserve_many", "tx", function(h, n)
    n = n % (math.min(c.capacity, 4) + 1)
    return awaiting(h, "reserve_many", b.reserve(h.model, n), nil, n)
  end)
  op("try_reserve_many", "tx", function(h, n)
    n = n % (math.min(c.capacity, 4) + 1)
    return try(h, "try_reserve_many", b.reserve(h.model, n), "full", n)
  end)
  op("closed", "tx", function(h)
    return awaiting(h, "closed", b.closed(h.model), weir.closed(h.real))
  end)
  op("clone", "tx", clone(sender, "senders"))
  op("weak", "tx", function(h)
    return { real = function() return h.real:weak() end,
      model = function()
        c.weak = c.weak + 1
        return pack(weak())
      end }
  end)
  op("upgrade", "weak", function(h)
    return { real = function() return h.real:upgrade() end,
      model = function()
        if c.senders == 0 then return pack(nil) end
        c.senders = c.senders + 1
        return pack(sender())
      end }
  end)
  op("clone", "weak", clone(weak, "weak"))
  if mpmc then op("clone", "rx", clone(receiver, "receivers")) end
  for _ = 1, 2 do
    op("recv", "rx", function(h)
      return awaiting(h, "recv", b.recv(h.model), h.real)
    end)
  end
  op("try_recv", "rx", function(h)
    return try(h, "try_recv", b.recv(h.model), "empty")
  end)
  op("recv_many", "rx", function(h, max)
    local t = {}
    max = max % 4
    return { branch = b.recv_many(h.model, max),
      real = function(timeout)
        local r = pack(h.real:recv_many(t, max, timeout))
        if r.n == 1 then return r[1], table.unpack(t) end
        return table.unpack(r, 1, r.n)
      end }
  end)
  op("close", "rx", function(h, rare)
    if rare % 4 > 0 then return end
    return { real = function() return h.real:close() end,
      model = function()
        refuse()
        return pack(true)
      end }
  end)
  op("permit:send", "permit", function(h)
    local v = w.value()
    return { real = function() return h.real:send(v) end,
      model = function()
        if h.model.n == 0 then return { error = true } end
        h.model.n = h.model.n - 1
        if c.receivers == 0 then
          sim:give(c.room, 1)
          return pack(nil, "closed")
        end
        push(v)
        return pack(true)
      end }
  end)
  op("permit:release", "permit", function(h)
    return { real = function() return h.real:release() end,
      model = function()
        h.model.drop()
        return pack(true)
      end }
  end)

  local function capacity_now()
    if unbounded then return c.refusing and 0 or math.huge end
    return c.refusing and 0 or Sim.available(c.room)
  end
  local function no_more()
    return c.refusing or c.senders == 0 and c.capacity - c.room.free - #c.q == 0
  end
  local observe = {
    tx = function(h)
      local stats = h:stats()
      return h:capacity(), h:is_closed(), h:strong_count(), h:weak_count(), stats.len, stats.waiting_senders
    end,
    rx = function(h)
      return h:capacity(), h:is_closed(), h:strong_count(), h:weak_count(), #h, h:is_empty()
    end,
    permit = function(h) return h:remaining() end,
    weak = function(h) return h:strong_count(), h:weak_count() end,
  }
  local expect = {
    tx = function()
      return capacity_now(), c.refusing, c.senders, c.weak, #c.q, #c.room.line
    end,
    rx = function()
      return capacity_now(), no_more(), c.senders, c.weak, #c.q, #c.q == 0
    end,
    permit = function(h) return h.n end,
    weak = function() return c.senders, c.weak end,
  }
  return { ops = ops, observe = observe, expect = expect }
end

return new
