-- SPDX-License-Identifier: MIT
-- mpsc_message_spec.lua -- a message's life in a bounded channel: on its way, a handle, dropped, collected.

local weir = require "weir"
local helper = require "spec.helper"

local drain, full_channel, in_task, join, later, weakly =
  helper.drain, helper.full_channel, helper.paused, helper.join, helper.later, helper.weakly

-- The error of f, which must be a sentence that names a line of this file.
local function raises(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("mpsc_message_spec%.lua:%d+: %S", err)
  return err
end

-- Some tasks here fail on purpose, before anybody joins them.
local hook
setup(function() hook = weir.on_error(function() end) end)
teardown(function() weir.on_error(hook) end)

describe("a message on its way to a task that waits", function()
  it("takes up its place until that task runs", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    assert.is_true(tx:try_send("a"))
    assert.same({ nil, "full" }, { tx:try_send("b") })
    assert.equal(0, tx:capacity())
    assert.equal(1, #rx)
    assert.is_false(rx:is_empty())
    assert.equal("a", join(task))
    assert.equal(1, tx:capacity())
    assert.equal(0, #rx)
  end))

  it("is first again if the task is aborted, before what came later", in_task(function()
    local tx, rx = weir.mpsc(3)
    local task = later(function() rx:recv() end)
    for i = 1, 3 do tx:send(i) end
    task:abort()
    task:join()
    assert.same({ 1, 2, 3 }, drain(rx))
  end))

  it("is first again wherever in its store it was, however much came after it", in_task(function()
    for _, make in ipairs { weir.mpsc, weir.mpmc, weir.unbounded } do
      for _, after in ipairs { 0, 1, 2, 14, 15, 63, 299 } do
        local tx, rx = make(300)
        for shift = 1, 40 do
          local task = later(function() rx:recv() end)
          for i = 0, after do assert(tx:try_send(i)) end
          task:abort()
          task:join()
          assert(#rx == after + 1)
          for i = 0, after do assert(rx:try_recv() == i) end
          -- Another place of the ring next time, sometimes in another block.
          for i = 1, shift * 3 do tx:try_send(i) end
          drain(rx)
        end
        assert.is_true(rx:is_empty())
      end
    end
  end))

  it("stays alive if it is a handle and the task is aborted", in_task(function()
    local tx, rx = weir.mpsc(1)
    local reply, answer = weir.oneshot()
    local task = later(function() rx:recv() end)
    tx:send(reply)
    task:abort()
    task:join()
    assert.same({ nil, "empty" }, { answer:try_recv() })
    rx:recv():send("alive")
    assert.equal("alive", answer:try_recv())
  end))

  it("is dropped with the receiver, the handle that it is or holds too", in_task(function()
    for _, wrap in ipairs { function(h) return h end, function(h) return { reply = h } end } do
      local tx, rx = weir.mpsc(1)
      local reply, answer = weir.oneshot()
      local task = later(function() return pcall(rx.recv, rx) end)
      tx:send(wrap(reply))
      rx:drop()
      local ok = join(task)
      if not ok then assert.same({ nil, "closed" }, { answer:try_recv() }) end
      assert.is_true(tx:is_closed())
    end
  end))

  it("goes along with the receiver if that is moved", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return pcall(rx.recv, rx) end)
    tx:send("a")
    local moved = rx:move()
    local ok, v = join(task)
    assert.equal("a", ok and v or moved:try_recv())
    assert.is_true(tx:try_send("b"))
    assert.equal("b", moved:try_recv())
  end))

  it("comes before closed", in_task(function()
    for _, close in ipairs { "tx", "rx" } do
      local tx, rx = weir.mpsc(1)
      local task = later(function() return rx:recv() end)
      tx:send("a")
      if close == "tx" then tx:drop() else rx:close() end
      assert.equal("a", join(task))
      assert.same({ nil, "closed" }, { rx:recv() })
    end
  end))

  it("comes before closed even if the task is aborted", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() rx:recv() end)
    tx:send("a")
    tx:drop()
    task:abort()
    task:join()
    assert.equal("a", rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("leaves senders in line to wait until it is received", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() rx:recv() end)
    tx:send("a")
    local sender = weir.spawn(function() return tx:send("b") end)
    task:abort()
    task:join()
    weir.yield()
    assert.equal("waiting", sender:status())
    assert.equal("a", rx:recv())
    assert.is_true(join(sender))
    assert.equal("b", rx:recv())
  end))

  it("is counted once by stats", in_task(function()
    local tx, rx = weir.mpsc(2)
    local task = later(function() rx:recv() end)
    tx:send("a")
    assert.equal(1, tx:stats().sent)
    assert.equal(0, tx:stats().received)
    task:abort()
    task:join()
    assert.equal(1, rx:stats().len)
    assert.equal(0, rx:stats().received)
    rx:recv()
    assert.equal(1, rx:stats().sent)
    assert.equal(1, rx:stats().received)
    assert.equal(1, rx:stats().high_water)
  end))

  it("is not kept alive by the task once it is received and forgotten", in_task(function()
    local tx, rx = weir.mpsc(1)
    local weak = setmetatable({}, { __mode = "k" })
    later(function()
      rx:recv()
      weir.sleep(9)
    end)
    local function send()
      local v = {}
      weak[v] = true
      tx:send(v)
    end
    send()
    weir.yield()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end))
end)

describe("a handle sent through an mpsc", function()
  it("moves into the channel: the old handle is spent", function()
    local tx, rx = weir.mpsc(2)
    local reply, answer = weir.oneshot()
    assert.is_true(tx:try_send(reply))
    assert.equal("closed oneshot.Sender", weir.type(reply))
    raises(function() reply:send(1) end)
    local out = rx:try_recv()
    assert.equal("oneshot.Sender", weir.type(out))
    out:send(42)
    assert.equal(42, answer:try_recv())
  end)

  it("is not moved when the send fails", in_task(function()
    local tx, rx = full_channel()
    local reply, answer = weir.oneshot()
    assert.same({ nil, "full" }, { tx:try_send(reply) })
    assert.same({ nil, "timeout" }, { tx:send(reply, 1) })
    rx:close()
    assert.same({ nil, "closed" }, { tx:send(reply) })
    assert.equal("oneshot.Sender", weir.type(reply))
    reply:send(1)
    assert.equal(1, answer:try_recv())
  end))

  it("is not moved by a send that is aborted while it waits", in_task(function()
    local tx, rx = full_channel()
    local reply = weir.oneshot()
    local a = later(function() tx:send(reply) end)
    a:abort()
    a:join()
    assert.equal("oneshot.Sender", weir.type(reply))
    assert.equal(1, #rx)
  end))

  it("that is spent is refused, whatever the channel's state", in_task(function()
    local tx, rx = full_channel()
    local spent = weir.oneshot()
    spent:drop()
    raises(function() tx:try_send(spent) end)
    raises(function() tx:send(spent, 1) end)
    rx:recv()
    raises(function() tx:send(spent) end)
    raises(function() tx:try_reserve():send(spent) end)
    assert.equal(0, #rx)
  end))

  it("on which another task waits ends that wait with an error", in_task(function()
    local tx, rx = weir.mpsc(1)
    local inner_tx, inner = weir.mpsc(1)
    local task = later(function() raises(function() inner:recv() end) end)
    tx:send(inner)
    join(task)
    inner_tx:send("a")
    assert.equal("a", rx:recv():recv())
  end))

  it("may be a permit or a sender of the same channel, and goes with the receiver", function()
    local tx, rx = weir.mpsc(8)
    tx:try_send(tx:try_reserve())
    tx:try_send({ permit = tx:try_reserve(), tx = tx:clone() })
    assert.equal(2, tx:strong_count())
    rx:drop()
    assert.equal(1, tx:strong_count())
    assert.is_true(tx:is_closed())
  end)

  it("belongs to the task that receives it", in_task(function()
    local tx, rx = weir.mpsc(1)
    local reply, answer = weir.oneshot()
    tx:send(reply)
    local kept
    join(weir.spawn(function() kept = rx:recv() end))
    assert.same({ nil, "closed" }, { answer:recv() })
    assert.equal("closed oneshot.Sender", weir.type(kept))
  end))

  it("is dropped with the receiver if nobody receives it", in_task(function()
    local tx, rx = weir.mpsc(1)
    local reply, answer = weir.oneshot()
    tx:send(reply)
    rx:drop()
    assert.same({ nil, "closed" }, { answer:try_recv() })
    assert.is_true(tx:is_closed())
  end))

  it("is dropped with the receiver too if it is a field of the table sent", in_task(function()
    local tx, rx = weir.mpsc(2)
    local reply, answer = weir.oneshot()
    local inner, inner_rx = weir.mpsc(1)
    local msg = { what = "job", reply = reply, tx = inner }
    tx:send(msg)
    rx:drop()
    assert.same({ nil, "closed" }, { answer:try_recv() })
    assert.same({ nil, "closed" }, { inner_rx:try_recv() })
    raises(function() msg.reply:send(1) end)
  end))

  it("deeper in the table is left alone", function()
    local tx, rx = weir.mpsc(1)
    local reply, answer = weir.oneshot()
    tx:try_send({ deep = { reply = reply } })
    rx:drop()
    assert.same({ nil, "empty" }, { answer:try_recv() })
    reply:send(1)
    assert.equal(1, answer:try_recv())
  end)

  it("is dropped when the receiver's task ends in an error", in_task(function()
    local tx, rx = weir.mpsc(4)
    local reply, answer = weir.oneshot()
    tx:send({ reply = reply })
    weir.spawn(function(inbox)
      assert(inbox)
      weir.yield()
      error("boom")
    end, rx)
    assert.same({ nil, "closed" }, { answer:recv() })
  end))

  it("may be the channel's own receiver: both are collected once no sender is left", function()
    local weak = setmetatable({}, { __mode = "k" })
    local function make()
      local tx, rx = weir.mpsc(2)
      local msg = {}
      weak[msg] = true
      tx:try_send(msg)
      tx:try_send(rx)
    end
    make()
    for _ = 1, 3 do collectgarbage() end
    assert.is_nil(next(weak))
  end)
end)

describe("mpsc memory", function()
  it("lets a received value go", function()
    local tx, rx = weir.mpsc(4)
    local weak = weakly(1, function(v) tx:try_send(v) end)
    rx:try_recv()
    collectgarbage()
    assert.is_nil(weak[1])
    assert.is_false(tx:is_closed())
  end)

  it("keeps a buffered value alive", function()
    local tx, rx = weir.mpsc(4)
    local weak = weakly(1, function(v) tx:try_send(v) end)
    collectgarbage()
    assert.is_table(weak[1])
    assert.equal(weak[1], rx:try_recv())
  end)

  it("lets buffered values go when the receiver is dropped, the sender alive", function()
    local tx, rx = weir.mpsc(4)
    local weak = weakly(3, function(v) tx:try_send(v) end)
    rx:drop()
    collectgarbage()
    assert.same({}, weak)
    assert.same({ nil, "closed" }, { tx:try_send(1) })
  end)

  it("lets buffered values go with both ends", function()
    local weak
    do
      local tx, rx = weir.mpsc(4)
      weak = weakly(1, function(v) tx:try_send(v) end)
      tx:drop()
      assert.equal(1, #rx)
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak[1])
  end)

  it("collects channels whose messages mention their own channel", function()
    local weak = setmetatable({}, { __mode = "k" })
    local function make()
      for _ = 1, 100 do
        local tx, rx = weir.mpsc(1)
        local msg = { to = { tx }, from = { rx } }
        tx:try_send(msg)
        weak[msg] = true
      end
    end
    make()
    for _ = 1, 4 do collectgarbage() end
    assert.is_nil(next(weak))
  end)

  it("finishes dropping what is buffered though one finalizer raises", function()
    local tx, rx = weir.mpsc(3)
    local weak = setmetatable({}, { __mode = "v" })
    local function fill()
      for i = 1, 3 do
        local v = { i }
        weak[i] = v
        tx:try_send(v)
      end
      tx:drop()
    end
    warn("@off")
    fill()
    setmetatable(rx:try_recv(), { __gc = function() error("in a finalizer") end })
    rx:drop()
    for _ = 1, 3 do collectgarbage() end
    assert.same({}, weak)
  end)

  it("stays flat over many sends, timeouts and receives", in_task(function()
    local tx, rx = weir.mpsc(4)
    local function round()
      for i = 1, 4 do tx:send(i) end
      tx:send(5, 0)
      for _ = 1, 4 do rx:recv() end
      rx:recv(0)
    end
    for _ = 1, 100 do round() end
    collectgarbage()
    local before = collectgarbage("count")
    for _ = 1, 5000 do round() end
    collectgarbage()
    assert.is_true(collectgarbage("count") - before < 16)
  end))

  it("lets go of a task that was aborted while it waited", in_task(function()
    local tx, rx = weir.mpsc(1)
    local weak = setmetatable({}, { __mode = "k" })
    local function wait_and_abort()
      local token = {}
      weak[token] = true
      local task = later(function() rx:recv() return token end)
      task:abort()
      task:join()
    end
    wait_and_abort()
    for _ = 1, 3 do collectgarbage() end
    assert.is_nil(next(weak))
    assert.is_false(tx:is_closed())
  end))
end)

describe("an mpsc used from finalizers", function()
  it("loses, duplicates and reorders nothing when they send", function()
    local tx, rx = weir.unbounded()
    local finalized, sent = 0, 0
    local function garbage()
      setmetatable({}, { __gc = function()
        finalized = finalized + 1
        tx:send(false)
      end })
    end
    for i = 1, 5000 do
      garbage()
      tx:send({ i })
      sent = sent + 1
      if i % 3 == 0 then rx:try_recv() end
    end
    collectgarbage()
    collectgarbage()
    local stats = rx:stats()
    assert.equal(sent + finalized, stats.sent)
    assert.equal(stats.sent - stats.received, #rx)
    local last = 0
    for _ = 1, #rx do
      local v = rx:try_recv()
      if v then
        assert(v[1] > last)
        last = v[1]
      end
    end
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end)

  it("loses nothing when they receive", function()
    local tx, rx = weir.mpsc(100)
    local taken, sent = 0, 0
    local function garbage()
      setmetatable({}, { __gc = function()
        if rx:try_recv() then taken = taken + 1 end
      end })
    end
    for i = 1, 10000 do
      garbage()
      if tx:try_send({ i }) then sent = sent + 1 end
    end
    collectgarbage()
    collectgarbage()
    assert.equal(sent, taken + #rx)
  end)

  it("survives when they drop the receiver in the middle of a send", function()
    for _ = 1, 50 do
      local tx, rx = weir.unbounded()
      local function garbage() setmetatable({}, { __gc = function() rx:drop() end }) end
      garbage()
      local ok, why
      local n = 0
      repeat
        n = n + 1
        ok, why = tx:send({ {}, {} })
        if n % 1000 == 0 then collectgarbage() end   -- if the collector is too slow for it
      until not ok
      assert.equal("closed", why)
    end
  end)
end)

describe("an mpsc against a model", function()
  -- A reproducible generator of its own, so that math.random stays untouched.
  local function dice(seed)
    return function(n)
      seed = (seed * 1103515245 + 12345) % 2 ^ 31
      return math.floor(seed / 65536) % n + 1
    end
  end

  for _, capacity in ipairs { 1, 3, 260 } do
    it("agrees over 6000 random operations at capacity " .. capacity, function()
      local roll = dice(capacity)
      local tx, rx = weir.mpsc(capacity)
      local queue, permits, head, tail = {}, {}, 1, 0
      local function room() return capacity - (tail - head + 1) - #permits end
      local ops = {
        function(i)
          local ok, why = tx:try_send(i)
          if room() > 0 then
            assert.is_true(ok)
            tail = tail + 1
            queue[tail] = i
          else
            assert.equal("full", why)
          end
        end,
        function()
          local v, why = rx:try_recv()
          if head <= tail then
            assert.equal(queue[head], v)
            head = head + 1
          else
            assert.equal("empty", why)
          end
        end,
        function()
          local p, why = tx:try_reserve()
          if room() > 0 then permits[#permits + 1] = p else assert.equal("full", why) end
        end,
        function(i)
          local p = table.remove(permits)
          if not p then return end
          if i % 2 == 0 then
            p:release()
          else
            assert.is_true(p:send(i))
            tail = tail + 1
            queue[tail] = i
          end
        end,
        function()
          local t, want = {}, math.min(roll(7), tail - head + 1)
          assert.equal(want, (rx:try_recv_many(t, want)))
          for k = 1, want do
            assert.equal(queue[head], t[k])
            head = head + 1
          end
        end,
      }
      for i = 1, 6000 do
        -- A bias towards sending for a while, then towards receiving: every fill occurs.
        local op = (i // 300 % 2 == 0 and roll(3) == 1) and 1 or roll(#ops)
        ops[op](i)
        assert(room() == tx:capacity() and #rx == tail - head + 1)
      end
    end)
  end
end)
