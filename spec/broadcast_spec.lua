-- SPDX-License-Identifier: MIT
-- broadcast_spec.lua -- every receiver sees every message, or is told how many it missed.

local weir = require "weir"
local helper = require "spec.helper"

local drain, in_task, join, later, weakly =
  helper.drain, helper.paused, helper.join, helper.later, helper.weakly

local function raises(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("broadcast_spec%.lua:%d+: %S", err)
  return err
end

local function waiting(capacity)
  return weir.broadcast(capacity, { overflow = "wait" })
end

describe("weir.broadcast", function()
  it("returns a sender and a receiver", function()
    local tx, rx = weir.broadcast(4)
    assert.equal("broadcast.Sender", weir.type(tx))
    assert.equal("broadcast.Receiver", weir.type(rx))
    assert.equal("broadcast.WeakSender", weir.type(tx:weak()))
    assert.matches("broadcast.Sender", tostring(tx), 1, true)
    assert.matches("broadcast.Receiver", tostring(rx), 1, true)
  end)

  for _, bad in ipairs { 0, -1, 1.5, 2 ^ 53, math.huge, 0 / 0 } do
    it("refuses a capacity of " .. tostring(bad), function()
      raises(function() weir.broadcast(bad) end)
    end)
  end

  it("has no default capacity", function()
    raises(function() weir.broadcast() end)
  end)

  it("refuses an unknown policy of overflow", function()
    raises(function() weir.broadcast(1, { overflow = "explode" }) end)
  end)

  it("refuses nil and handles as messages", function()
    local tx, rx = weir.broadcast(1)
    local inner = weir.oneshot()
    raises(function() tx:send(nil) end)
    raises(function() tx:send(inner) end)
    assert.equal("oneshot.Sender", weir.type(inner))
    assert.equal(0, #rx)
  end)
end)

describe("broadcast.Sender:send", function()
  it("never waits, works anywhere and says how many receivers there are", function()
    local tx, rx = weir.broadcast(2)
    assert.equal(1, tx:send("a"))
    local rx2 = tx:subscribe()
    assert.equal(2, tx:send("b"))
    assert.same({ "a", "b" }, drain(rx))
    assert.same({ "b" }, drain(rx2))
  end)

  it("without receivers returns nil, 'closed', and works again after subscribe", function()
    local tx, rx = weir.broadcast(2)
    rx:drop()
    assert.same({ nil, "closed" }, { tx:send("lost") })
    local rx2 = tx:subscribe()
    assert.equal(1, tx:send("a"))
    assert.same({ "a" }, drain(rx2))
  end)

  it("takes false for a message", in_task(function()
    local tx, rx = weir.broadcast(2)
    tx:send(false)
    assert.is_false(rx:recv())
  end))

  it("delivers the same value to every receiver, once and in order", in_task(function()
    local tx, rx = weir.broadcast(8)
    local all = { rx }
    for i = 2, 5 do all[i] = tx:subscribe() end
    local values = { {}, {}, {} }
    for _, v in ipairs(values) do assert.equal(5, tx:send(v)) end
    for i = 1, 5 do
      for _, v in ipairs(values) do assert.equal(v, all[i]:recv()) end
      assert.same({ nil, "empty" }, { all[i]:try_recv() })
    end
  end))

  it("goes on at a capacity of 1", function()
    local tx, rx = weir.broadcast(1)
    tx:send(1)
    assert.equal(1, rx:try_recv())
    assert.same({ nil, "empty" }, { rx:try_recv() })
    tx:send(2)
    assert.equal(2, rx:try_recv())
  end)
end)

describe("broadcast.Receiver:recv", function()
  it("returns a message that is there at once", in_task(function()
    local tx, rx = weir.broadcast(2)
    tx:send("a")
    assert.equal("a", rx:recv())
  end))

  it("waits for the next message", in_task(function()
    local tx, rx = weir.broadcast(2)
    local task = later(function() return rx:recv() end)
    assert.equal("waiting", task:status())
    tx:send("a")
    assert.equal("a", join(task))
  end))

  it("wakes all receivers that wait", in_task(function()
    local tx, rx = weir.broadcast(2)
    local rx2 = tx:subscribe()
    local a = later(function() return rx:recv() end)
    local b = later(function() return rx2:recv() end)
    tx:send("x")
    assert.equal("x", join(a))
    assert.equal("x", join(b))
  end))

  it("wakes the one that waits and leaves the message to the one that does not", in_task(function()
    local tx, rx = weir.broadcast(2)
    local rx2 = tx:subscribe()
    local a = later(function() return rx:recv() end)
    tx:send("x")
    assert.equal("x", join(a))
    assert.equal("x", rx2:recv())
  end))

  it("returns what is left before nil, 'closed'", in_task(function()
    local tx, rx = weir.broadcast(2)
    tx:send(1)
    tx:send(2)
    tx:drop()
    assert.equal(1, rx:recv())
    assert.equal(2, rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("closed while it waits: the last sender's end wakes all, an earlier one nobody", in_task(function()
    local tx, rx = weir.broadcast(2)
    local tx2, rx2 = tx:clone(), tx:subscribe()
    local a = later(function() return rx:recv() end)
    local b = later(function() return rx2:recv() end)
    tx:drop()
    weir.yield()
    assert.equal("waiting", a:status())
    tx2:drop()
    assert.same({ nil, "closed" }, { join(a) })
    assert.same({ nil, "closed" }, { join(b) })
  end))

  it("aborted before or after it was woken has taken nothing", in_task(function()
    local tx, rx = weir.broadcast(4)
    local a = later(function() rx:recv() end)
    a:abort()
    a:join()
    local b = later(function() rx:recv() end)
    tx:send("x")
    b:abort()
    b:join()
    assert.equal("x", rx:recv())
  end))

  it("gives up on its timeout, and on 0 polls once", in_task(function()
    local tx, rx = weir.broadcast(4)
    local start = weir.now()
    assert.same({ nil, "timeout" }, { rx:recv(2) })
    assert.is_near(2, weir.now() - start, 1e-6)
    assert.same({ nil, "timeout" }, { rx:recv(0) })
    tx:send("x")
    assert.equal("x", rx:recv(0))
  end))

  it("with a message in the turn its time ends loses nothing", in_task(function()
    local tx, rx = weir.broadcast(4)
    local task = later(function() return rx:recv(1) end)
    tx:send("x")
    weir.advance(1)
    local got = join(task)
    assert.equal("x", got == nil and rx:try_recv() or got)
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end))

  it("cut short by weir.timeout or a lost select has taken nothing", in_task(function()
    local tx, rx = weir.broadcast(4)
    assert.is_nil(weir.timeout(1, function() rx:recv() end))
    assert.equal(2, (weir.select { rx, weir.after(1) }))
    tx:send("x")
    assert.same({ 1, "x" }, { weir.select { rx } })
  end))

  it("raises outside a task where it would wait", function()
    local tx, rx = weir.broadcast(4)
    raises(function() rx:recv() end)
    tx:send("x")
    assert.equal("x", rx:recv())
  end)

  it("raises for the task that waits if its receiver is dropped meanwhile", in_task(function()
    local tx, rx = weir.broadcast(4)
    local task = later(function() raises(function() rx:recv() end) end)
    rx:drop()
    join(task)
    assert.is_true(tx:is_closed())
  end))

  it("refuses a negative or NaN timeout", function()
    local tx, rx = weir.broadcast(4)
    tx:send("x")
    raises(function() rx:recv(-1) end)
    raises(function() rx:recv(0 / 0) end)
    assert.equal(1, #rx)
  end)

  it("gives way once in a while though there is always something", in_task(function()
    local tx, rx = weir.broadcast(1000)
    for i = 1, 1000 do tx:send(i) end
    local other = false
    weir.spawn(function() other = true end)
    for i = 1, 1000 do assert.equal(i, rx:recv()) end
    assert.is_true(other)
  end))
end)

describe("a broadcast.Receiver that lags", function()
  it("has lost nothing when exactly the capacity behind", function()
    local tx, rx = weir.broadcast(3)
    for i = 1, 3 do tx:send(i) end
    assert.same({ 1, 2, 3 }, drain(rx))
  end)

  it("is told first, with the exact number, and goes on at the oldest retained", function()
    local tx, rx = weir.broadcast(3)
    for i = 1, 10 do tx:send(i) end
    assert.same({ nil, "lagged", 7 }, { rx:try_recv() })
    assert.same({ 8, 9, 10 }, drain(rx))
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end)

  it("is told by recv as by try_recv", in_task(function()
    local tx, rx = weir.broadcast(2)
    for i = 1, 3 do tx:send(i) end
    assert.same({ nil, "lagged", 1 }, { rx:recv() })
    assert.equal(2, rx:recv())
    assert.equal(3, rx:recv())
  end))

  it("is told anew of what is overwritten after it was told", function()
    local tx, rx = weir.broadcast(2)
    for i = 1, 3 do tx:send(i) end
    assert.same({ nil, "lagged", 1 }, { rx:try_recv() })
    tx:send(4)
    assert.same({ nil, "lagged", 1 }, { rx:try_recv() })
    assert.same({ 3, 4 }, drain(rx))
  end)

  it("at a capacity of 1 is told of one and gets the newest", function()
    local tx, rx = weir.broadcast(1)
    tx:send(1)
    tx:send(2)
    assert.same({ nil, "lagged", 1 }, { rx:try_recv() })
    assert.equal(2, rx:try_recv())
  end)

  it("leaves the others untouched", function()
    local tx, rx = weir.broadcast(2)
    local slow = tx:subscribe()
    for i = 1, 6 do
      tx:send(i)
      assert.equal(i, rx:try_recv())
    end
    assert.same({ nil, "lagged", 4 }, { slow:try_recv() })
    assert.same({ 5, 6 }, drain(slow))
  end)

  it("is told when it was woken late", in_task(function()
    local tx, rx = weir.broadcast(2)
    local task = later(function() return rx:recv() end)
    for i = 1, 5 do tx:send(i) end
    assert.same({ nil, "lagged", 3 }, { join(task) })
    assert.same({ 4, 5 }, drain(rx))
  end))

  for missed = 1, 2 do
    it("by " .. missed .. " on a closed channel is told, gets the rest, then closed", in_task(function()
      local tx, rx = weir.broadcast(2)
      for i = 1, 2 + missed do tx:send(i) end
      tx:drop()
      assert.same({ nil, "lagged", missed }, { rx:recv() })
      assert.equal(missed + 1, rx:recv())
      assert.equal(missed + 2, rx:recv())
      assert.same({ nil, "closed" }, { rx:recv() })
    end))
  end

  it("keeps both values of a full ring when the sender closes", function()
    local tx, rx = weir.broadcast(2)
    tx:send(1)
    tx:send(2)
    tx:drop()
    assert.same({ 1, 2 }, drain(rx))
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end)

  it("counts exactly at any capacity", function()
    for _, n in ipairs { 1, 2, 3, 5, 7, 8, 255, 256, 257, 1000 } do
      local tx, rx = weir.broadcast(n)
      for i = 1, 3 * n + 1 do tx:send(i) end
      assert.same({ nil, "lagged", 2 * n + 1 }, { rx:try_recv() })
      local got = drain(rx)
      assert.equal(n, #got)
      assert.equal(2 * n + 2, got[1])
      assert.equal(3 * n + 1, got[n])
    end
  end)

  it("does not end its for loop: it yields the value and how many were missed before it", in_task(function()
    local tx, rx = weir.broadcast(2)
    for i = 1, 4 do tx:send(i) end
    tx:drop()
    local got = {}
    for v, missed in rx do got[#got + 1] = { v, missed } end
    assert.same({ { 3, 2 }, { 4, 0 } }, got)
  end))
end)

describe("a for over a broadcast.Receiver", function()
  it("yields what is sent until closed, 0 missed", in_task(function()
    local tx, rx = weir.broadcast(4)
    local got = {}
    local task = later(function()
      for v, missed in rx do
        assert.equal(0, missed)
        got[#got + 1] = v
      end
    end)
    for i = 1, 6 do
      tx:send(i)
      weir.yield()
    end
    tx:drop()
    join(task)
    assert.same({ 1, 2, 3, 4, 5, 6 }, got)
  end))
end)

describe("broadcast.Sender:subscribe", function()
  it("sees what is sent from now on", function()
    local tx, rx = weir.broadcast(4)
    tx:send(1)
    local rx2 = tx:subscribe()
    assert.same({ nil, "empty" }, { rx2:try_recv() })
    tx:send(2)
    assert.same({ 2 }, drain(rx2))
    assert.same({ 1, 2 }, drain(rx))
  end)

  it("counts as a receiver", function()
    local tx, rx = weir.broadcast(4)
    local rx2 = tx:subscribe()
    assert.equal(2, tx:receiver_count())
    rx:drop()
    rx2:drop()
    assert.equal(0, tx:receiver_count())
    assert.is_true(tx:is_closed())
  end)
end)

describe("broadcast.Receiver:resubscribe", function()
  it("starts at the end and goes its own way", function()
    local tx, rx = weir.broadcast(4)
    tx:send(1)
    local rx2 = rx:resubscribe()
    assert.same({ nil, "empty" }, { rx2:try_recv() })
    tx:send(2)
    assert.same({ 2 }, drain(rx2))
    assert.same({ 1, 2 }, drain(rx))
  end)

  it("from one that lags starts clean, while that one still reports its lag", function()
    local tx, rx = weir.broadcast(1)
    tx:send(1)
    tx:send(2)
    local rx2 = rx:resubscribe()
    tx:send(3)
    assert.equal(3, rx2:try_recv())
    assert.same({ nil, "lagged", 2 }, { rx:try_recv() })
    assert.equal(3, rx:try_recv())
  end)

  it("on a channel without senders says closed at once", function()
    local tx, rx = weir.broadcast(1)
    tx:send(1)
    tx:drop()
    local rx2 = rx:resubscribe()
    assert.same({ nil, "closed" }, { rx2:try_recv() })
    assert.equal(1, rx:try_recv())
  end)
end)

describe("broadcast lengths", function()
  it("#rx counts what this receiver has not seen, overwritten or not", function()
    local tx, rx = weir.broadcast(2)
    assert.equal(0, #rx)
    assert.is_true(rx:is_empty())
    for i = 1, 5 do
      tx:send(i)
      assert.equal(i, #rx)
    end
    assert.is_false(rx:is_empty())
    rx:try_recv()
    assert.equal(2, #rx)
    rx:try_recv()
    assert.equal(1, #rx)
  end)

  it("tx:len() follows the slowest receiver and never exceeds the ring", function()
    local tx, rx = weir.broadcast(4)
    local slow = tx:subscribe()
    assert.is_true(tx:is_empty())
    for i = 1, 3 do tx:send(i) end
    drain(rx)
    assert.equal(3, tx:len())
    slow:try_recv()
    assert.equal(2, tx:len())
    for i = 4, 9 do tx:send(i) end
    assert.equal(4, tx:len())
    drain(rx)
    slow:drop()
    rx:try_recv()
    drain(rx)
    assert.equal(0, tx:len())
    assert.is_true(tx:is_empty())
  end)
end)

describe("broadcast closing", function()
  it("is_closed of a receiver may be true while values are left", function()
    local tx, rx = weir.broadcast(2)
    tx:send(1)
    assert.is_false(rx:is_closed())
    tx:drop()
    assert.is_true(rx:is_closed())
    assert.equal(1, #rx)
  end)

  it("is_closed of a sender is true without receivers until someone subscribes", function()
    local tx, rx = weir.broadcast(2)
    assert.is_false(tx:is_closed())
    rx:drop()
    assert.is_true(tx:is_closed())
    local rx2 = tx:subscribe()
    assert.is_false(tx:is_closed())
    assert.equal(0, #rx2)
  end)

  it("close drops either end; a use after that raises", function()
    local tx, rx = weir.broadcast(2)
    rx:close()
    rx:close()
    assert.equal("closed broadcast.Receiver", weir.type(rx))
    raises(function() rx:try_recv() end)
    tx:close()
    tx:close()
    assert.equal("closed broadcast.Sender", weir.type(tx))
    raises(function() tx:send(1) end)
  end)

  it("closed() waits for the last receiver, and not for an earlier one", in_task(function()
    local tx, rx = weir.broadcast(2)
    local rx2 = tx:subscribe()
    local task = later(function() return tx:closed() end)
    rx:drop()
    weir.yield()
    assert.equal("waiting", task:status())
    rx2:drop()
    assert.is_true(join(task))
    assert.is_true(tx:closed())
  end))

  it("closed() looks again: a subscription made in between keeps it waiting", in_task(function()
    local tx, rx = weir.broadcast(2)
    local task = later(function() return tx:closed() end)
    rx:drop()
    local rx2 = tx:subscribe()
    weir.yield()
    assert.equal("waiting", task:status())
    rx2:drop()
    assert.is_true(join(task))
  end))

  it("closed() raises for the task that waits if its sender is spent meanwhile", in_task(function()
    for _, way in ipairs { "drop", "move" } do
      local tx, rx = weir.broadcast(1)
      local task = later(function() raises(function() tx:closed() end) end)
      local moved = tx[way](tx)
      join(task)
      assert.equal(way == "drop", rx:is_closed())
      assert.equal(way == "move" and "broadcast.Sender" or nil, weir.type(moved))
    end
  end))

  it("closed() gives up on its timeout, may be aborted and cut short", in_task(function()
    local tx, rx = weir.broadcast(2)
    assert.same({ nil, "timeout" }, { tx:closed(1) })
    local task = later(function() tx:closed() end)
    task:abort()
    task:join()
    assert.is_nil(weir.timeout(1, function() tx:closed() end))
    rx:drop()
    assert.is_true(tx:closed(0))
  end))
end)

describe("broadcast senders", function()
  it("count strong and weak, seen from both kinds", function()
    local tx, rx = weir.broadcast(2)
    local tx2, w = tx:clone(), tx:weak()
    local w2 = w:clone()
    assert.equal(2, tx:strong_count())
    assert.equal(2, w:strong_count())
    assert.equal(2, tx:weak_count())
    assert.equal(2, w2:weak_count())
    tx2:drop()
    w2:drop()
    assert.equal(1, w:strong_count())
    assert.equal(1, tx:weak_count())
    assert.equal(0, #rx)
  end)

  it("same_channel tells clones from strangers", function()
    local tx = weir.broadcast(2)
    local other = weir.broadcast(2)
    assert.is_true(tx:same_channel(tx:clone()))
    assert.is_false(tx:same_channel(other))
  end)

  it("weak do not keep the channel open, and cannot revive it", in_task(function()
    local tx, rx = weir.broadcast(2)
    local short = tx:clone()
    local w = short:weak()
    short:drop()
    local up = w:upgrade()
    assert.equal("broadcast.Sender", weir.type(up))
    up:drop()
    local task = later(function() return rx:recv() end)
    tx:drop()
    assert.same({ nil, "closed" }, { join(task) })
    assert.is_nil((w:upgrade()))
  end))

  it("upgraded from weak keep the channel open", function()
    local tx, rx = weir.broadcast(2)
    local up = tx:weak():upgrade()
    tx:drop()
    assert.is_false(rx:is_closed())
    assert.equal(1, up:send("a"))
    assert.equal("a", rx:try_recv())
  end)

  it("are dropped by the collector at the latest", in_task(function()
    local rx = select(2, weir.broadcast(2))
    collectgarbage()
    collectgarbage()
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("and receivers move into the tasks that are spawned with them", in_task(function()
    local tx, rx = weir.broadcast(4)
    local task = weir.spawn(function(r)
      local n = 0
      for v in r do n = n + v end
      return n
    end, rx)
    weir.spawn(function(t)
      for i = 1, 4 do t:send(i) end
    end, tx)
    assert.equal("closed broadcast.Sender", weir.type(tx))
    assert.equal("closed broadcast.Receiver", weir.type(rx))
    assert.equal(10, join(task))
  end))
end)

describe("a broadcast's memory", function()
  it("lets a value go when its last receiver has seen it, sender and receivers alive", function()
    local tx, rx = weir.broadcast(8)
    local rx2 = tx:subscribe()
    local weak = weakly(1, function(v) tx:send(v) end)
    rx:try_recv()
    collectgarbage()
    assert.is_table(weak[1])
    rx2:try_recv()
    collectgarbage()
    assert.is_nil(weak[1])
  end)

  it("lets a value go when the receiver that had not seen it is dropped", function()
    local tx, rx = weir.broadcast(8)
    local rx2 = tx:subscribe()
    local weak = weakly(2, function(v) tx:send(v) end)
    rx:try_recv()
    rx:try_recv()
    rx2:drop()
    collectgarbage()
    assert.same({}, weak)
    assert.equal(1, tx:receiver_count())
  end)

  it("lets unread values go with the only receiver", function()
    local tx, rx = weir.broadcast(8)
    local weak = weakly(2, function(v) tx:send(v) end)
    rx:drop()
    collectgarbage()
    assert.same({}, weak)
    assert.equal(0, tx:len())
  end)

  it("lets an overwritten value go", function()
    local tx, rx = weir.broadcast(1)
    local weak = weakly(1, function(v) tx:send(v) end)
    tx:send(2)
    collectgarbage()
    assert.is_nil(weak[1])
    assert.equal(2, #rx)
  end)

  it("does not keep values for those who subscribe later", function()
    local tx, rx = weir.broadcast(8)
    local weak = weakly(1, function(v) tx:send(v) end)
    rx:try_recv()
    local rx2 = tx:subscribe()
    collectgarbage()
    assert.is_nil(weak[1])
    assert.equal(0, #rx2)
  end)

  it("survives finalizers of its messages that send, receive and subscribe", function()
    local tx, rx = weir.broadcast(4)
    local finalized, newest = 0, 0
    local function message(i)
      return setmetatable({ i }, { __gc = function()
        finalized = finalized + 1
        if i % 2 == 0 then tx:send({ i + 1e6 }) else rx:try_recv() end
        tx:subscribe():drop()
      end })
    end
    for i = 1, 2000 do
      tx:send(message(i))
      local v = rx:try_recv()
      if v and v[1] <= 1e6 then
        assert(v[1] > newest)
        newest = v[1]
      end
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(finalized > 1900)
    assert.equal(1, tx:receiver_count())
    assert.is_true(tx:len() <= 4)
  end)

  it("of a channel whose message mentions the channel is collectable", function()
    local weak = setmetatable({}, { __mode = "k" })
    local function make()
      local tx, rx = weir.broadcast(4)
      local msg = { tx, rx }
      weak[msg] = true
      tx:send({ msg })
    end
    make()
    for _ = 1, 4 do collectgarbage() end
    assert.is_nil(next(weak))
  end)

  it("stays flat over many subscribes, sends and drops", in_task(function()
    local tx, rx = weir.broadcast(4)
    local function round(i)
      local r = tx:subscribe()
      tx:send(i)
      r:recv(0)
      r:recv(0)
      rx:recv(0)
      r:drop()
    end
    for i = 1, 100 do round(i) end
    collectgarbage()
    collectgarbage()
    local before = collectgarbage("count")
    for i = 1, 5000 do round(i) end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage("count") - before < 32)
    assert.equal(1, tx:receiver_count())
  end))
end)

describe("the memory of a broadcast", function()
  it("has no more slots than its capacity, if that is a small power of two", function()
    local function each(capacity)
      local kept = {}
      for i = 1, 500 do kept[i] = false end
      local before = helper.memory()
      for i = 1, 500 do kept[i] = weir.broadcast(capacity) end
      return (helper.memory() - before) * 1024 / #kept
    end
    local slot = 16 + 16 + 4                      -- a user value, a scalar, a count
    local one = each(1)
    for _, capacity in ipairs { 2, 4, 8, 16, 32 } do
      assert.near(one + (capacity - 1) * slot, each(capacity), slot)
    end
  end)
end)

describe("a broadcast that waits on overflow", function()
  it("sends at once while the slowest receiver has room", in_task(function()
    local tx, rx = waiting(2)
    assert.equal(1, tx:send(1))
    assert.equal(1, tx:send(2))
    assert.same({ 1, 2 }, drain(rx))
  end))

  it("waits for the slowest receiver, and none ever lags", in_task(function()
    local tx, rx = waiting(2)
    local slow = tx:subscribe()
    for i = 1, 2 do
      tx:send(i)
      rx:recv()
    end
    local task = later(function() return tx:send(3) end)
    assert.equal("waiting", task:status())
    assert.equal(1, slow:recv())
    assert.equal(2, join(task))
    assert.same({ 2, 3 }, drain(slow))
    assert.same({ 3 }, drain(rx))
  end))

  it("delivers everything to fast and slow alike", in_task(function()
    local tx, rx = waiting(3)
    local function reader(pause)
      return function(r)
        local n = 0
        for v, missed in r do
          n = n + 1
          assert.equal(n, v)
          assert.equal(0, missed)
          if v % 10 == 0 then weir.sleep(pause) end
        end
        return n
      end
    end
    local a = weir.spawn(reader(0.1), rx)
    local b = weir.spawn(reader(1), tx:subscribe())
    for i = 1, 200 do assert.equal(2, tx:send(i)) end
    tx:drop()
    assert.equal(200, join(a))
    assert.equal(200, join(b))
  end))

  it("serves senders that wait first come, first served", in_task(function()
    local tx, rx = waiting(1)
    tx:send(0)
    for i = 1, 5 do later(function() tx:send(i) end) end
    for i = 0, 5 do assert.equal(i, rx:recv()) end
  end))

  it("gives up on the sender's timeout with nothing sent, and on 0 polls once", in_task(function()
    local tx, rx = waiting(1)
    assert.equal(1, tx:send("a", 0))
    local start = weir.now()
    assert.same({ nil, "timeout" }, { tx:send("b", 2) })
    assert.is_near(2, weir.now() - start, 1e-6)
    assert.same({ nil, "timeout" }, { tx:send("c", 0) })
    assert.same({ "a" }, drain(rx))
  end))

  it("aborted while it waits has sent nothing and leaves its turn to the next", in_task(function()
    local tx, rx = waiting(1)
    tx:send("x")
    local a = later(function() tx:send("a") end)
    local b = later(function() return tx:send("b") end)
    a:abort()
    a:join()
    assert.equal("x", rx:recv())
    assert.equal(1, join(b))
    assert.same({ "b" }, drain(rx))
  end))

  it("aborted after room was granted gives it to the next", in_task(function()
    local tx, rx = waiting(1)
    tx:send("x")
    local a = later(function() tx:send("a") end)
    local b = later(function() return tx:send("b") end)
    rx:try_recv()
    a:abort()
    assert.equal(1, join(b))
    assert.same({ "b" }, drain(rx))
  end))

  it("cut short by weir.timeout or a lost select has sent nothing", in_task(function()
    local tx, rx = waiting(1)
    tx:send("x")
    assert.is_nil(weir.timeout(1, function() tx:send("a") end))
    assert.equal(2, (weir.select { { tx, "b" }, weir.after(1) }))
    assert.same({ "x" }, drain(rx))
    assert.equal(1, tx:send("c"))
    assert.same({ "c" }, drain(rx))
  end))

  it("goes on when the slowest receiver is dropped", in_task(function()
    local tx, rx = waiting(1)
    local slow = tx:subscribe()
    tx:send(1)
    rx:recv()
    local task = later(function() return tx:send(2) end)
    assert.equal("waiting", task:status())
    slow:drop()
    assert.equal(1, join(task))
    assert.equal(2, rx:recv())
  end))

  it("returns nil, 'closed' if the last receiver goes while it waits", in_task(function()
    local tx, rx = waiting(1)
    tx:send(1)
    local task = later(function() return tx:send(2) end)
    rx:drop()
    assert.same({ nil, "closed" }, { join(task) })
    assert.same({ nil, "closed" }, { tx:send(3) })
  end))

  it("never overwrites for a receiver that subscribes while the ring is full", in_task(function()
    local tx, rx = waiting(1)
    tx:send(1)
    local late = tx:subscribe()
    local task = later(function() return tx:send(2) end)
    assert.equal("waiting", task:status())
    assert.equal(1, rx:recv())
    assert.equal(2, join(task))
    assert.same({ 2 }, drain(late))
    assert.same({ 2 }, drain(rx))
  end))

  it("whose sender is dropped, before or after the grant, lets the next in line go on", in_task(function()
    for _, granted in ipairs { false, true } do
      local tx, rx = waiting(1)
      tx:send("x")
      local first = tx:clone()
      local a = later(function() return pcall(first.send, first, "a") end)
      local b = later(function() return tx:send("b") end)
      if granted then rx:try_recv() end
      first:drop()
      local ok = join(a)
      if not granted then
        assert.is_false(ok)
        assert.equal("x", rx:recv())
      elseif ok then
        assert.equal("a", rx:recv())
      end
      assert.equal(1, join(b))
      assert.same({ "b" }, drain(rx))
    end
  end))

  it("raises outside a task where it would wait, with nothing sent", function()
    local tx, rx = waiting(1)
    tx:send("a")
    raises(function() tx:send("b") end)
    assert.same({ "a" }, drain(rx))
  end)

  it("loses nothing when a receiver is aborted after it was woken", in_task(function()
    local tx, rx = waiting(1)
    local task = later(function() rx:recv() end)
    tx:send("a")
    task:abort()
    task:join()
    assert.equal("a", rx:recv())
  end))
end)
