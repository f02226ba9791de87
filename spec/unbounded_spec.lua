-- SPDX-License-Identifier: MIT
-- unbounded_spec.lua -- the channel without a capacity: never full, gives its memory back.

local weir = require "weir"
local helper = require "spec.helper"

local in_task, join, later, weakly = helper.paused, helper.join, helper.later, helper.weakly

local huge = math.huge

local function raises(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("unbounded_spec%.lua:%d+: %S", err)
  return err
end

local function kilobytes()
  collectgarbage()
  collectgarbage()
  return collectgarbage("count")
end

describe("weir.unbounded", function()
  it("returns ends of the same kinds as weir.mpsc", function()
    local tx, rx = weir.unbounded()
    assert.equal("mpsc.Sender", weir.type(tx))
    assert.equal("mpsc.Receiver", weir.type(rx))
    assert.equal("mpsc.WeakSender", weir.type(tx:weak()))
    assert.equal("mpsc.Permit", weir.type(tx:try_reserve()))
  end)

  it("has a capacity of math.huge on both sides, whatever is buffered", function()
    local tx, rx = weir.unbounded()
    for i = 1, 100 do tx:try_send(i) end
    assert.equal(huge, tx:capacity())
    assert.equal(huge, rx:capacity())
    assert.equal(huge, tx:max_capacity())
    assert.equal(huge, rx:max_capacity())
  end)

  it("sends at once from anywhere", function()
    local tx, rx = weir.unbounded()
    for i = 1, 1000 do assert.is_true(tx:send(i)) end
    assert.is_true(tx:send("with a timeout", 0))
    assert.equal(1001, #rx)
  end)

  it("is never full", function()
    local tx, rx = weir.unbounded()
    for i = 1, 5000 do assert.is_true(tx:try_send(i)) end
    for i = 1, 5000 do assert.equal(i, rx:try_recv()) end
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end)

  it("refuses nil and takes false", function()
    local tx, rx = weir.unbounded()
    raises(function() tx:send(nil) end)
    raises(function() tx:try_send() end)
    tx:send(false)
    assert.is_false(rx:try_recv())
  end)

  it("wakes a receiver that waits", in_task(function()
    local tx, rx = weir.unbounded()
    local task = later(function() return rx:recv() end)
    tx:send("a")
    assert.equal("a", join(task))
  end))

  it("loses nothing when the receiver is aborted after it was woken", in_task(function()
    local tx, rx = weir.unbounded()
    local task = later(function() return rx:recv() end)
    tx:send("a")
    tx:send("b")
    task:abort()
    task:join()
    assert.equal("a", rx:recv())
    assert.equal("b", rx:recv())
  end))

  it("loses nothing when the receiver's time is over before, or with, the message", in_task(function()
    local tx, rx = weir.unbounded()
    assert.same({ nil, "timeout" }, { rx:recv(1) })
    local task = later(function() return rx:recv(1) end)
    tx:send("a")
    weir.advance(1)
    local got = join(task)
    assert.equal("a", got == nil and rx:try_recv() or got)
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end))

  it("loses nothing to weir.timeout or to a lost select", in_task(function()
    local tx, rx = weir.unbounded()
    assert.is_nil(weir.timeout(1, function() rx:recv() end))
    assert.equal(2, (weir.select { rx, weir.after(1) }))
    tx:send("a")
    assert.equal("a", rx:recv())
  end))

  it("ends after what is buffered once the senders are gone", in_task(function()
    local tx, rx = weir.unbounded()
    for i = 1, 3 do tx:send(i) end
    tx:drop()
    local got = {}
    for v in rx do got[#got + 1] = v end
    assert.same({ 1, 2, 3 }, got)
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("says closed to a receiver that waits when the last sender goes", in_task(function()
    local tx, rx = weir.unbounded()
    local task = later(function() return rx:recv() end)
    tx:drop()
    assert.same({ nil, "closed" }, { join(task) })
  end))

  it("refuses sends and permits after rx:close() and keeps what is buffered", in_task(function()
    local tx, rx = weir.unbounded()
    tx:send("a")
    rx:close()
    assert.same({ nil, "closed" }, { tx:send("b") })
    assert.same({ nil, "closed" }, { tx:try_send("b") })
    assert.same({ nil, "closed" }, { tx:reserve() })
    assert.same({ nil, "closed" }, { tx:try_reserve() })
    assert.equal("a", rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("has a capacity of 0 once closed: no try could take any", function()
    local tx, rx = weir.unbounded()
    rx:close()
    assert.equal(0, tx:capacity())
    assert.equal(huge, tx:max_capacity())
  end)

  it("says closed while a permit is out only when it comes home", in_task(function()
    local tx, rx = weir.unbounded()
    local p = tx:reserve()
    rx:close()
    assert.same({ nil, "empty" }, { rx:try_recv() })
    local task = later(function() return rx:recv() end)
    p:drop()
    assert.same({ nil, "closed" }, { join(task) })
  end))

  it("hands out permits at once, which still send after rx:close()", in_task(function()
    local tx, rx = weir.unbounded()
    local p = tx:reserve()
    local q = tx:reserve_many(100)
    assert.equal(100, q:remaining())
    rx:close()
    assert.is_true(p:send("p"))
    for i = 1, 100 do assert.is_true(q:send(i)) end
    assert.equal("p", rx:recv())
    for i = 1, 100 do assert.equal(i, rx:recv()) end
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("receives in batches", in_task(function()
    local tx, rx = weir.unbounded()
    local t = {}
    assert.equal(0, (rx:recv_many(t, 0)))
    for i = 1, 10 do tx:send(i) end
    assert.equal(1, rx:recv_many(t, 1))
    assert.equal(4, rx:recv_many(t, 4))
    assert.equal(5, rx:try_recv_many(t, 100))
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, t)
    assert.same({ 0, "empty" }, { rx:try_recv_many(t, 1) })
    tx:drop()
    assert.same({ 0, "closed" }, { rx:recv_many(t, 1) })
  end))

  it("knows whether it is closed, and how", function()
    local tx, rx = weir.unbounded()
    tx:send(1)
    assert.is_false(rx:is_closed())
    assert.is_false(tx:is_closed())
    rx:close()
    assert.is_true(rx:is_closed())
    assert.is_true(tx:is_closed())
    local tx2, rx2 = weir.unbounded()
    tx2:send(1)
    tx2:drop()
    assert.is_true(rx2:is_closed())
  end)

  it("knows its fill at every step", function()
    local tx, rx = weir.unbounded()
    for i = 1, 100 do
      tx:send(i)
      assert.equal(i, #rx)
    end
    tx:drop()
    for i = 99, 0, -1 do
      rx:try_recv()
      assert.equal(i, #rx)
      assert.equal(i == 0, rx:is_empty())
    end
  end)

  it("is empty exactly when it should be at every place of its store", function()
    local tx, rx = weir.unbounded()
    for i = 1, 3000 do
      tx:send(i)
      assert.is_false(rx:is_empty())
      assert.equal(i, rx:try_recv())
      assert.is_true(rx:is_empty())
    end
  end)

  it("keeps order while its store grows and shrinks", function()
    local tx, rx = weir.unbounded()
    local sent, got = 0, 0
    for round = 1, 60 do
      local burst = (round * 7919) % 1000
      for _ = 1, burst do
        sent = sent + 1
        tx:send(sent)
      end
      for _ = 1, (round * 104729) % 1100 do
        local v = rx:try_recv()
        if v == nil then break end
        got = got + 1
        assert(v == got)
      end
    end
    while rx:try_recv() do got = got + 1 end
    assert.equal(sent, got)
  end)

  it("counts weak and strong senders", function()
    local tx, rx = weir.unbounded()
    local other, w = tx:clone(), tx:weak()
    assert.equal(2, rx:strong_count())
    assert.equal(1, rx:weak_count())
    other:drop()
    w:drop()
    assert.equal(1, tx:strong_count())
    assert.equal(0, tx:weak_count())
  end)

  it("upgrades a weak sender only while a strong one lives", function()
    local tx, rx = weir.unbounded()
    local w = tx:clone():weak()
    w:upgrade():send("a")
    tx:drop()
    collectgarbage()
    collectgarbage()
    assert.is_nil((w:upgrade()))
    assert.equal("a", rx:try_recv())
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end)

  it("tells waiting senders' closed() of the receiver's end", in_task(function()
    local tx, rx = weir.unbounded()
    local task = later(function() return tx:closed() end)
    assert.same({ nil, "timeout" }, { tx:closed(1) })
    rx:drop()
    assert.is_true(join(task))
  end))

  it("drops what is buffered, handles too, with the receiver", function()
    local tx, rx = weir.unbounded()
    local reply, answer = weir.oneshot()
    local weak = weakly(1, function(v) tx:send(v) end)
    tx:send({ reply = reply })
    rx:drop()
    collectgarbage()
    assert.is_nil(weak[1])
    assert.same({ nil, "closed" }, { answer:try_recv() })
    assert.same({ nil, "closed" }, { tx:send(1) })
  end)
end)

describe("unbounded memory", function()
  it("is given back after a burst of a million", function()
    local tx, rx = weir.unbounded()
    local before = kilobytes()
    for i = 1, 1000000 do tx:send(i) end
    local full = collectgarbage("count") - before
    assert.is_true(full > 4000)
    for _ = 1, 1000000 do rx:try_recv() end
    assert.equal(0, #rx)
    assert.is_true(kilobytes() - before < 64)
  end)

  it("is given back while the channel is mostly empty, not only when it is empty", function()
    local tx, rx = weir.unbounded()
    local before = kilobytes()
    for i = 1, 200000 do tx:send(i) end
    for _ = 1, 199900 do rx:try_recv() end
    assert.equal(100, #rx)
    assert.is_true(kilobytes() - before < 256)
    for i = 199901, 200000 do assert.equal(i, rx:try_recv()) end
  end)

  it("is given back when the burst is received in batches", function()
    local tx, rx = weir.unbounded()
    local before = kilobytes()
    for i = 1, 200000 do tx:send(i) end
    while rx:try_recv_many({}, 1000) > 0 do assert.is_false(rx:is_closed()) end
    assert.is_true(kilobytes() - before < 64)
    assert.is_true(tx:send("still works"))
  end)

  it("is given back by the drop of the receiver while the burst is in it", function()
    local tx, rx = weir.unbounded()
    local before = kilobytes()
    for i = 1, 200000 do tx:send({ i }) end
    rx:drop()
    assert.is_true(kilobytes() - before < 64)
    assert.is_true(tx:is_closed())
  end)

  it("does not grow with what passes through it", function()
    local tx, rx = weir.unbounded()
    for i = 1, 1000 do
      tx:send(i)
      rx:try_recv()
    end
    local before = kilobytes()
    for i = 1, 100000 do
      tx:send(i)
      rx:try_recv()
    end
    assert.is_true(kilobytes() - before < 8)
  end)

  it("of a channel whose message mentions the channel is collectable", function()
    local weak = setmetatable({}, { __mode = "k" })
    local function make()
      for _ = 1, 100 do
        local tx, rx = weir.unbounded()
        local msg = { channel = { tx, rx } }
        weak[msg] = true
        tx:send(msg)
      end
    end
    make()
    for _ = 1, 4 do collectgarbage() end
    assert.is_nil(next(weak))
  end)
end)
