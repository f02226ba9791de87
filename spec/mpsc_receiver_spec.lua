-- SPDX-License-Identifier: MIT
-- mpsc_receiver_spec.lua -- the receiver of a bounded channel: one by one, in batches, until it is closed.

local weir = require "weir"
local helper = require "spec.helper"

local drain, full_channel, in_task, join, later =
  helper.drain, helper.full_channel, helper.paused, helper.join, helper.later

-- The error of f, which must be a sentence that names a line of this file.
local function raises(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("mpsc_receiver_spec%.lua:%d+: %S", err)
  return err
end

-- What f returns, run in a callback of C code that cannot be yielded across.
local function where_lua_cannot_yield(f)
  local r
  string.gsub("x", "x", function() r = table.pack(f()) end)
  return table.unpack(r, 1, r.n)
end

describe("mpsc.Receiver:recv", function()
  it("returns a buffered value at once", in_task(function()
    local tx, rx = full_channel()
    local other = false
    weir.spawn(function() other = true end)
    assert.equal("first", rx:recv())
    assert.is_false(other)
    assert.is_false(tx:is_closed())
  end))

  it("waits for a value", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    assert.equal("waiting", task:status())
    tx:send("a")
    assert.equal("a", join(task))
  end))

  it("returns buffered values before nil, 'closed'", in_task(function()
    local tx, rx = weir.mpsc(3)
    for i = 1, 3 do tx:send(i) end
    tx:drop()
    for i = 1, 3 do assert.equal(i, rx:recv()) end
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("ends a task that was aborted while it ran, if it would wait", in_task(function()
    local tx, rx = weir.mpsc(1)
    local reached = false
    local task = later(function()
      weir.current():abort()
      rx:recv()
      reached = true
    end)
    assert.same({ false, "aborted" }, { task:join() })
    assert.is_false(reached)
    tx:send("a")
    assert.equal("a", rx:recv())
  end))

  it("raises outside a task only where it would wait", function()
    local tx, rx = full_channel()
    assert.equal("first", rx:recv())
    raises(function() rx:recv() end)
    tx:drop()
    assert.same({ nil, "closed" }, { rx:recv() })
  end)

  it("closed while it waits returns nil, 'closed'", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    rx:close()
    assert.same({ nil, "closed" }, { join(task) })
    assert.is_true(tx:is_closed())
  end))

  it("aborted while it waits leaves the next message to the next receive", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    task:abort()
    task:join()
    tx:send("a")
    assert.equal("a", rx:recv())
  end))

  it("aborted after it was woken loses nothing", in_task(function()
    local tx, rx = weir.mpsc(2)
    local task = later(function() return rx:recv() end)
    tx:send("a")
    tx:send("b")
    task:abort()
    assert.same({ false, "aborted" }, { task:join() })
    assert.same({ "a", "b" }, drain(rx))
  end))

  it("aborted in the turn a message comes leaves it to another task that waits by then", in_task(function()
    local tx, rx = weir.mpsc(2)
    local first = later(function() return rx:recv() end)
    tx:send("a")
    first:abort()
    first:join()
    local second = later(function() return rx:recv() end)
    assert.equal("a", join(second))
  end))

  it("gives up on its own timeout, on time", in_task(function()
    local tx, rx = weir.mpsc(1)
    local start = weir.now()
    assert.same({ nil, "timeout" }, { rx:recv(1.25) })
    assert.is_near(1.25, weir.now() - start, 1e-6)
    tx:send("a")
    assert.equal("a", rx:recv(1))
  end))

  it("polls once with a timeout of 0", in_task(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { rx:recv(0) })
    tx:send("a")
    assert.equal("a", rx:recv(0))
    tx:drop()
    assert.same({ nil, "closed" }, { rx:recv(0) })
  end))

  it("with a message in the turn its time ends loses nothing", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv(1) end)
    tx:send("a")
    weir.advance(1)
    local v, why = join(task)
    if v == nil then
      assert.equal("timeout", why)
      assert.equal("a", rx:try_recv())
    else
      assert.equal("a", v)
      assert.same({ nil, "empty" }, { rx:try_recv() })
    end
  end))

  it("cut short by weir.timeout has taken nothing", in_task(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { weir.timeout(1, function() return rx:recv() end) })
    tx:send("a")
    assert.equal("a", rx:recv())
  end))

  it("with a message in the turn weir.timeout ends loses nothing", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return weir.timeout(1, function() return rx:recv() end) end)
    tx:send("a")
    weir.advance(1)
    local ok, v = join(task)
    if ok then assert.equal("a", v) else assert.equal("a", rx:try_recv()) end
  end))

  it("in time leaves no deadline behind for what its task does next", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function()
      local first = rx:recv(1)
      return first, rx:recv()
    end)
    tx:send("a")
    weir.sleep(5)
    assert.equal("waiting", task:status())
    tx:send("b")
    assert.same({ "a", "b" }, { join(task) })
  end))

  it("refuses a negative or NaN timeout", function()
    local tx, rx = weir.mpsc(1)
    raises(function() rx:recv(-0.5) end)
    raises(function() rx:recv(0 / 0) end)
    raises(function() rx:recv("soon") end)
    assert.is_nil(rx:try_recv())
    assert.equal("mpsc.Sender", weir.type(tx))
  end)

  it("is an error for a second task at the same time, and the first goes on", in_task(function()
    local tx, rx = weir.mpsc(1)
    local first = later(function() return rx:recv() end)
    raises(function() rx:recv() end)
    raises(function() rx:recv(1) end)
    raises(function() rx:recv_many({}, 1) end)
    tx:send("a")
    assert.equal("a", join(first))
  end))

  it("may be waited for by another task once the first is done", in_task(function()
    local tx, rx = weir.mpsc(1)
    local first = later(function() return rx:recv(1) end)
    join(first)
    local second = later(function() return rx:recv() end)
    tx:send("a")
    assert.equal("a", join(second))
  end))

  it("raises where Lua cannot yield only if it would wait", in_task(function()
    local tx, rx = full_channel()
    assert.equal("first", where_lua_cannot_yield(function() return rx:recv() end))
    where_lua_cannot_yield(function() raises(function() rx:recv() end) end)
    tx:send("a")
    assert.equal("a", rx:recv())
  end))

  it("gives way once in a while though there is always something", in_task(function()
    local tx, rx = weir.mpsc(1000)
    for i = 1, 1000 do tx:try_send(i) end
    local other = false
    weir.spawn(function() other = true end)
    for i = 1, 1000 do assert.equal(i, rx:recv()) end
    assert.is_true(other)
  end))

  it("frees its slot for the sender first in line at once", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() return tx:send("a") end)
    local b = later(function() return tx:send("b") end)
    rx:recv()
    assert.is_true(join(a))
    assert.equal("waiting", b:status())
  end))

  it("raises in the task that waits if the receiver is dropped meanwhile", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() raises(function() rx:recv() end) end)
    rx:drop()
    join(task)
    assert.is_true(tx:is_closed())
  end))

  it("raises in the task that waits if the receiver is moved meanwhile", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() raises(function() rx:recv() end) end)
    local moved = rx:move()
    join(task)
    tx:send("a")
    assert.equal("a", moved:recv())
  end))

  it("raises on a dropped receiver", function()
    local tx, rx = weir.mpsc(1)
    rx:drop()
    raises(function() rx:recv() end)
    raises(function() rx:try_recv() end)
    assert.equal("closed mpsc.Receiver", weir.type(rx))
    assert.is_true(tx:is_closed())
  end)
end)

describe("mpsc.Receiver:try_recv", function()
  it("returns a value, nil, 'empty' or nil, 'closed'", function()
    local tx, rx = full_channel()
    assert.equal("first", rx:try_recv())
    assert.same({ nil, "empty" }, { rx:try_recv() })
    tx:drop()
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end)

  it("says closed on an empty channel that the receiver closed, though a sender lives", function()
    local tx, rx = weir.mpsc(1)
    rx:close()
    assert.same({ nil, "closed" }, { rx:try_recv() })
    assert.equal(1, tx:strong_count())
  end)

  it("returns what is buffered after close, then says closed", function()
    local tx, rx = full_channel()
    rx:close()
    assert.equal("first", rx:try_recv())
    assert.same({ nil, "closed" }, { rx:try_recv() })
    assert.is_true(tx:is_closed())
  end)

  it("says empty while a permit is out after close, then closed", function()
    local tx, rx = weir.mpsc(1)
    local p = tx:try_reserve()
    rx:close()
    assert.same({ nil, "empty" }, { rx:try_recv() })
    p:release()
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end)
end)

describe("mpsc.Receiver:recv_many", function()
  it("appends to the caller's table in order and says how many", in_task(function()
    local tx, rx = weir.mpsc(8)
    for i = 1, 3 do tx:send(i) end
    local t = { "old" }
    assert.equal(3, rx:recv_many(t, 10))
    assert.same({ "old", 1, 2, 3 }, t)
  end))

  it("takes no more than max", in_task(function()
    local tx, rx = weir.mpsc(8)
    for i = 1, 5 do tx:send(i) end
    local t = {}
    assert.equal(2, rx:recv_many(t, 2))
    assert.equal(2, rx:recv_many(t, 2))
    assert.equal(1, rx:recv_many(t, 2))
    assert.same({ 1, 2, 3, 4, 5 }, t)
  end))

  it("returns 0 at once for a max of 0, whatever the channel holds", in_task(function()
    local tx, rx = weir.mpsc(1)
    local t = {}
    assert.equal(0, (rx:recv_many(t, 0)))
    tx:send("a")
    assert.equal(0, (rx:recv_many(t, 0)))
    assert.equal(1, #rx)
    rx:close()
    assert.equal("a", rx:recv())
    assert.equal(0, (rx:recv_many(t, 0)))
    assert.same({}, t)
  end))

  it("waits for at least one", in_task(function()
    local tx, rx = weir.mpsc(8)
    local t = {}
    local task = later(function() return rx:recv_many(t, 10) end)
    assert.equal("waiting", task:status())
    tx:send("a")
    assert.equal(1, join(task))
    assert.same({ "a" }, t)
  end))

  it("woken late takes all that is there by then", in_task(function()
    local tx, rx = weir.mpsc(8)
    local t = {}
    local task = later(function() return rx:recv_many(t, 10) end)
    for i = 1, 4 do tx:try_send(i) end
    assert.equal(4, join(task))
    assert.same({ 1, 2, 3, 4 }, t)
  end))

  it("returns 0, 'closed' when all is received", in_task(function()
    local tx, rx = full_channel()
    tx:drop()
    local t = {}
    assert.equal(1, rx:recv_many(t, 10))
    assert.same({ 0, "closed" }, { rx:recv_many(t, 10) })
    assert.same({ "first" }, t)
  end))

  it("closed while it waits returns 0, 'closed'", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv_many({}, 10) end)
    tx:drop()
    assert.same({ 0, "closed" }, { join(task) })
  end))

  it("returns 0, 'timeout' with nothing appended", in_task(function()
    local tx, rx = weir.mpsc(1)
    local t = {}
    assert.same({ 0, "timeout" }, { rx:recv_many(t, 10, 1) })
    assert.same({ 0, "timeout" }, { rx:recv_many(t, 10, 0) })
    assert.same({}, t)
    assert.is_false(tx:is_closed())
  end))

  it("frees as many slots as it took, for those in line", in_task(function()
    local tx, rx = weir.mpsc(3)
    for i = 1, 3 do tx:send(i) end
    local tasks = {}
    for i = 4, 7 do tasks[i] = later(function() return tx:send(i) end) end
    assert.equal(3, rx:recv_many({}, 3))
    for i = 4, 6 do assert.is_true(join(tasks[i])) end
    assert.equal("waiting", tasks[7]:status())
    local t = {}
    rx:recv_many(t, 10)
    assert.same({ 4, 5, 6 }, t)
  end))

  it("aborted before and after it was woken has taken nothing", in_task(function()
    local tx, rx = weir.mpsc(2)
    local t = {}
    local a = later(function() rx:recv_many(t, 10) end)
    a:abort()
    a:join()
    local b = later(function() rx:recv_many(t, 10) end)
    tx:send("a")
    tx:send("b")
    b:abort()
    b:join()
    assert.same({}, t)
    assert.same({ "a", "b" }, drain(rx))
  end))

  it("cut short by weir.timeout has taken nothing", in_task(function()
    local tx, rx = weir.mpsc(2)
    local t = {}
    assert.is_nil(weir.timeout(1, function() return rx:recv_many(t, 10) end))
    tx:send("a")
    assert.same({}, t)
    assert.equal("a", rx:recv())
  end))

  it("never returns 0 before the channel ends, whatever the batch", in_task(function()
    local tx, rx = weir.mpsc(4)
    weir.spawn(function(sender)
      for i = 1, 500 do sender:send(i) end
    end, tx)
    local t, why = {}, nil
    repeat
      local n, reason = rx:recv_many(t, 7)
      assert.is_true(n <= 7)
      if n == 0 then why = reason end
    until why
    assert.equal("closed", why)
    assert.equal(500, #t)
    for i = 1, 500 do assert.equal(i, t[i]) end
  end))

  it("refuses a bad table and a bad max", function()
    local tx, rx = full_channel()
    raises(function() rx:recv_many(nil, 1) end)
    raises(function() rx:recv_many("t", 1) end)
    raises(function() rx:recv_many({}) end)
    raises(function() rx:recv_many({}, -1) end)
    raises(function() rx:recv_many({}, 1.5) end)
    assert.equal(1, #rx)
    assert.is_false(tx:is_closed())
  end)
end)

describe("mpsc.Receiver:try_recv_many", function()
  it("takes what is there and never waits", function()
    local tx, rx = weir.mpsc(4)
    for i = 1, 4 do tx:try_send(i) end
    local t = { 0 }
    assert.equal(3, rx:try_recv_many(t, 3))
    assert.equal(1, rx:try_recv_many(t, 3))
    assert.same({ 0, 1, 2, 3, 4 }, t)
  end)

  it("returns 0, 'empty' and 0, 'closed'", function()
    local tx, rx = weir.mpsc(1)
    assert.same({ 0, "empty" }, { rx:try_recv_many({}, 3) })
    tx:drop()
    assert.same({ 0, "closed" }, { rx:try_recv_many({}, 3) })
  end)

  it("returns 0 for a max of 0", function()
    local tx, rx = full_channel()
    assert.equal(0, (rx:try_recv_many({}, 0)))
    assert.equal(1, #rx)
    assert.is_false(tx:is_closed())
  end)
end)

describe("a for over an mpsc.Receiver", function()
  it("yields every message, then ends", in_task(function()
    local tx, rx = weir.mpsc(2)
    weir.spawn(function(sender)
      for i = 1, 10 do sender:send(i) end
    end, tx)
    local got = {}
    for v in rx do got[#got + 1] = v end
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, got)
  end))

  it("works through rx:iter() too", in_task(function()
    local tx, rx = weir.mpsc(3)
    for i = 1, 3 do tx:send(i) end
    tx:drop()
    local got = {}
    for v in rx:iter() do got[#got + 1] = v end
    assert.same({ 1, 2, 3 }, got)
    local f, state, extra = rx:iter()
    assert.equal("function", type(f))
    assert.equal(rx, state)
    assert.is_nil(extra)
    assert.is_nil(f(state))
  end))

  it("goes on past false", in_task(function()
    local tx, rx = weir.mpsc(3)
    tx:send(false)
    tx:send(1)
    tx:drop()
    local n = 0
    for _ in rx do n = n + 1 end
    assert.equal(2, n)
  end))

  it("left by break leaves the rest and the receiver", in_task(function()
    local tx, rx = weir.mpsc(3)
    for i = 1, 3 do tx:send(i) end
    for v in rx do
      if v == 2 then break end
    end
    assert.equal(3, rx:recv())
    assert.is_false(tx:is_closed())
  end))

  it("does nothing on a channel that is over", in_task(function()
    local tx, rx = weir.mpsc(3)
    tx:drop()
    for _ in rx do error("nothing was sent") end
  end))
end)

describe("mpsc.Receiver:close", function()
  it("refuses new sends and new permits", in_task(function()
    local tx, rx = weir.mpsc(4)
    rx:close()
    assert.same({ nil, "closed" }, { tx:send(1) })
    assert.same({ nil, "closed" }, { tx:try_send(1) })
    assert.same({ nil, "closed" }, { tx:reserve() })
    assert.same({ nil, "closed" }, { tx:try_reserve() })
    assert.same({ nil, "closed" }, { tx:reserve_many(2) })
    assert.same({ nil, "closed" }, { tx:try_reserve_many(2) })
  end))

  it("leaves what is buffered to be received", in_task(function()
    local tx, rx = weir.mpsc(2)
    tx:send(1)
    tx:send(2)
    rx:close()
    assert.equal(2, #rx)
    assert.equal(1, rx:recv())
    assert.equal(2, rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("is idempotent and leaves the receiver usable", in_task(function()
    local tx, rx = full_channel()
    rx:close()
    rx:close()
    assert.equal("first", rx:recv())
    rx:close()
    assert.same({ nil, "closed" }, { rx:recv() })
    assert.is_true(tx:is_closed())
  end))

  it("waits for a permit that is out: its message comes before nil, 'closed'", in_task(function()
    local tx, rx = weir.mpsc(2)
    local p = tx:reserve()
    rx:close()
    local task = later(function() return rx:recv() end)
    assert.equal("waiting", task:status())
    assert.is_true(p:send("late"))
    assert.equal("late", join(task))
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("lets a parked receiver end when the last permit is dropped, other senders alive", in_task(function()
    local tx, rx = weir.mpsc(2)
    local p = tx:reserve()
    rx:close()
    local task = later(function() return rx:recv() end)
    p:drop()
    assert.same({ nil, "closed" }, { join(task) })
    assert.equal(1, tx:strong_count())
  end))

  it("while recv_many waits on a permit ends with its drop", in_task(function()
    local tx, rx = weir.mpsc(3)
    local p = tx:reserve_many(2)
    rx:close()
    local t = {}
    local task = later(function() return rx:recv_many(t, 9) end)
    p:release()
    assert.same({ 0, "closed" }, { join(task) })
    assert.is_true(tx:is_closed())
  end))

  it("ends at the drop of the last of several permits, not before", in_task(function()
    local tx, rx = weir.mpsc(3)
    local p, q = tx:reserve(), tx:reserve()
    rx:close()
    local task = later(function() return rx:recv() end)
    p:release()
    weir.yield()
    assert.equal("waiting", task:status())
    q:release()
    assert.same({ nil, "closed" }, { join(task) })
  end))
end)

describe("mpsc.Receiver state", function()
  it("is_closed is false while open, true after its own close, values left or not", function()
    local tx, rx = full_channel()
    assert.is_false(rx:is_closed())
    rx:close()
    assert.is_true(rx:is_closed())
    assert.equal(1, #rx)
    assert.is_true(tx:is_closed())
  end)

  it("is_closed is true once all senders are gone, values left or not", function()
    local tx, rx = full_channel()
    tx:drop()
    assert.is_true(rx:is_closed())
    assert.equal(1, #rx)
  end)

  it("is_closed stays false while a permit keeps the channel open", function()
    local tx, rx = weir.mpsc(1)
    local p = tx:try_reserve()
    tx:drop()
    assert.is_false(rx:is_closed())
    p:drop()
    assert.is_true(rx:is_closed())
  end)

  it("is_empty follows the buffer, not the permits", function()
    local tx, rx = weir.mpsc(2)
    assert.is_true(rx:is_empty())
    local p = tx:try_reserve()
    assert.is_true(rx:is_empty())
    p:send(1)
    assert.is_false(rx:is_empty())
    tx:try_send(2)
    assert.is_false(rx:is_empty())
    rx:try_recv()
    assert.is_false(rx:is_empty())
    rx:try_recv()
    assert.is_true(rx:is_empty())
  end)

  it("is_empty stays right at every place of the ring", function()
    local tx, rx = weir.mpsc(300)
    for i = 1, 1000 do
      tx:try_send(i)
      assert.is_false(rx:is_empty())
      rx:try_recv()
      assert.is_true(rx:is_empty())
    end
  end)

  it("# is the number buffered, before and after closing from either side", function()
    local tx, rx = weir.mpsc(8)
    assert.equal(0, #rx)
    for i = 1, 5 do tx:try_send(i) end
    assert.equal(5, #rx)
    rx:close()
    assert.equal(5, #rx)
    tx:drop()
    assert.equal(5, #rx)
    rx:try_recv()
    assert.equal(4, #rx)
  end)
end)

describe("mpsc stats", function()
  it("count what was sent, received, buffered, and the highest fill", function()
    local tx, rx = weir.mpsc(8)
    for i = 1, 5 do tx:try_send(i) end
    for _ = 1, 3 do rx:try_recv() end
    tx:try_send(6)
    local s = rx:stats()
    assert.equal(6, s.sent)
    assert.equal(3, s.received)
    assert.equal(3, s.len)
    assert.equal(5, s.high_water)
    assert.equal(0, s.waiting_senders)
    assert.equal(1, s.senders)
  end)

  it("are the same from both sides", function()
    local tx, rx = weir.mpsc(8)
    local other = tx:clone()
    tx:try_send(1)
    assert.same(rx:stats(), tx:stats())
    assert.equal(2, other:stats().senders)
  end)

  it("after the drop of the receiver know of nothing buffered and nothing received", function()
    local tx, rx = weir.mpsc(4)
    for i = 1, 3 do tx:try_send(i) end
    rx:try_recv()
    rx:drop()
    local s = tx:stats()
    assert.equal(0, s.len)
    assert.equal(1, s.received)
    assert.equal(3, s.sent)
  end)

  it("count the senders in line", in_task(function()
    local tx, rx = full_channel()
    later(function() tx:send("a") end)
    later(function() tx:reserve() end)
    assert.equal(2, tx:stats().waiting_senders)
    rx:recv()
    weir.yield()
    assert.equal(1, rx:stats().waiting_senders)
  end))
end)
