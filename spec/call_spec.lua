-- SPDX-License-Identifier: MIT
-- call_spec.lua -- tx:call(msg): request and reply in one step.

local weir = require "weir"
local helper = require "spec.helper"

local in_task, join, later = helper.paused, helper.join, helper.later

local function raises(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("call_spec%.lua:%d+: %S", err)
  return err
end

-- An actor that answers each message with what `answer` returns for it.
local function serve(rx, answer)
  return weir.spawn(function(inbox)
    for msg in inbox do
      local reply <close> = msg.reply
      reply:send(answer(msg))
    end
  end, rx)
end

-- Some tasks here fail on purpose, before anybody joins them.
local hook
setup(function() hook = weir.on_error(function() end) end)
teardown(function() weir.on_error(hook) end)

describe("mpsc.Sender:call", function()
  it("returns the values of the answer", in_task(function()
    local tx, rx = weir.mpsc(1)
    serve(rx, function(msg) return msg.a + msg.b, "and more" end)
    assert.same({ 5, "and more" }, { tx:call { a = 2, b = 3 } })
  end))

  it("returns an answer of nil and a reason as they are", in_task(function()
    local tx, rx = weir.mpsc(1)
    serve(rx, function() return nil, "no such user" end)
    assert.same({ nil, "no such user" }, { tx:call {} })
  end))

  it("returns an answer of no values as none", in_task(function()
    local tx, rx = weir.mpsc(1)
    serve(rx, function() end)
    assert.equal(0, select("#", tx:call {}))
  end))

  it("puts the sender of a oneshot into msg.reply and sends that very table", in_task(function()
    local tx, rx = weir.mpsc(1)
    local msg = { op = "get" }
    later(function() tx:call(msg) end)
    local got = rx:recv()
    assert.equal(msg, got)
    assert.equal("oneshot.Sender", weir.type(got.reply))
  end))

  it("waits for room in its place in the line", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send({ n = 0 })
    local call = later(function() return tx:call { n = 1 } end)
    later(function() tx:send({ n = 2 }) end)
    assert.equal(0, rx:recv().n)
    local msg = rx:recv()
    assert.equal(1, msg.n)
    msg.reply:send("answer")
    assert.equal("answer", join(call))
    assert.equal(2, rx:recv().n)
  end))

  it("serves a hundred callers, each its own answer", in_task(function()
    local tx, rx = weir.mpsc(3)
    serve(rx, function(msg)
      weir.sleep(0.01)
      return msg.n * 2
    end)
    local tasks = {}
    for i = 1, 100 do tasks[i] = weir.spawn(function() return tx:call { n = i } end) end
    for i = 1, 100 do assert.equal(2 * i, join(tasks[i])) end
  end))

  it("works over an unbounded channel and over an mpmc", in_task(function()
    for _, make in ipairs { weir.unbounded, function() return weir.mpmc(2) end } do
      local tx, rx = make()
      serve(rx, function(msg) return msg.n + 1 end)
      assert.equal(8, tx:call { n = 7 })
    end
  end))

  it("refuses a message that is not a table", function()
    local tx, rx = weir.mpsc(1)
    raises(function() tx:call("get") end)
    raises(function() tx:call() end)
    raises(function() tx:call(42) end)
    assert.equal(0, #rx)
  end)

  it("refuses a table that has a field reply", function()
    local tx, rx = weir.mpsc(1)
    raises(function() tx:call { reply = "mine" } end)
    assert.equal(0, #rx)
  end)

  it("refuses a negative or NaN timeout before anything is sent", in_task(function()
    local tx, rx = weir.mpsc(1)
    local msg = {}
    raises(function() tx:call(msg, -1) end)
    raises(function() tx:call(msg, 0 / 0) end)
    assert.is_nil(msg.reply)
    assert.equal(0, #rx)
  end))

  it("returns nil, 'closed' and takes msg.reply back if the channel is closed", in_task(function()
    local tx, rx = weir.mpsc(1)
    local msg = {}
    rx:close()
    assert.same({ nil, "closed" }, { tx:call(msg) })
    assert.is_nil(msg.reply)
    rx:drop()
    assert.same({ nil, "closed" }, { tx:call(msg) })
    assert.is_nil(msg.reply)
  end))

  it("takes msg.reply back if the channel closes while it waits for room", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send(1)
    local msg = {}
    local call = later(function() return tx:call(msg) end)
    rx:close()
    assert.same({ nil, "closed" }, { join(call) })
    assert.is_nil(msg.reply)
  end))

  it("returns nil, 'closed' if the message dies in the mailbox", in_task(function()
    local tx, rx = weir.mpsc(1)
    local call = later(function() return tx:call {} end)
    assert.equal(1, #rx)
    rx:drop()
    assert.same({ nil, "closed" }, { join(call) })
  end))

  it("returns nil, 'closed' if the actor drops the reply", in_task(function()
    local tx, rx = weir.mpsc(1)
    local call = later(function() return tx:call {} end)
    rx:recv().reply:drop()
    assert.same({ nil, "closed" }, { join(call) })
  end))

  it("returns nil, 'closed' as soon as the task that received it ends, whoever holds msg", in_task(function()
    local tx, rx = weir.mpsc(1)
    local kept
    local call = weir.spawn(function() return tx:call {} end)
    join(weir.spawn(function() kept = rx:recv() end))
    assert.same({ nil, "closed" }, { join(call) })
    raises(function() kept.reply:send("too late") end)
  end))

  it("returns nil, 'closed' if the actor fails or is aborted with the request in hand", in_task(function()
    for _, ending in ipairs { function() error("boom") end, function() weir.sleep(99) end } do
      local tx, rx = weir.mpsc(1)
      local actor = weir.spawn(function(inbox)
        local msg = inbox:recv()
        ending(msg)
      end, rx)
      local call = later(function() return tx:call {} end)
      weir.yield()
      actor:abort()
      assert.same({ nil, "closed" }, { join(call) })
    end
  end))

  it("belongs to the task that gets it at last if the first one was aborted", in_task(function()
    for _, make in ipairs { weir.mpsc, weir.mpmc, weir.unbounded } do
      local tx, rx = make(2)
      local first = later(function() rx:recv() end)
      local call = weir.spawn(function() return tx:call { n = 1 } end)
      weir.spawn(function() first:abort() end)
      assert.is_false((first:join()))
      local kept
      join(weir.spawn(function() kept = rx:recv() end))
      assert.equal(1, kept.n)
      assert.same({ nil, "closed" }, { join(call) })
      assert.equal("closed oneshot.Sender", weir.type(kept.reply))
    end
  end))

  it("is still answered after rx:close(), which leaves what is buffered", in_task(function()
    local tx, rx = weir.mpsc(1)
    local call = later(function() return tx:call {} end)
    rx:close()
    rx:recv().reply:send("late, but there")
    assert.equal("late, but there", join(call))
  end))

  it("goes on when the reply is moved to a task that outlives the first", in_task(function()
    local tx, rx = weir.mpsc(1)
    local call = weir.spawn(function() return tx:call { n = 1 } end)
    local inner_tx, inner_rx = weir.mpsc(1)
    weir.spawn(function(inbox)
      local msg = inbox:recv()
      weir.sleep(1)
      msg.reply:send("forwarded")
    end, inner_rx)
    join(weir.spawn(function()
      local msg = rx:recv()
      msg.reply = msg.reply:move()
      inner_tx:send(msg)
    end))
    assert.equal("forwarded", join(call))
  end))

  it("times out while it waits for room: nothing was sent, msg.reply is nil again", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("first")
    local msg = {}
    assert.same({ nil, "timeout" }, { tx:call(msg, 1) })
    assert.is_nil(msg.reply)
    assert.equal(0, tx:stats().waiting_senders)
    assert.equal("first", rx:recv())
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end))

  it("times out while it waits for the answer: the reply's send says closed", in_task(function()
    local tx, rx = weir.mpsc(1)
    local start = weir.now()
    assert.same({ nil, "timeout" }, { tx:call({}, 1.5) })
    assert.is_near(1.5, weir.now() - start, 1e-6)
    local msg = rx:recv()
    assert.is_true(msg.reply:is_closed())
    assert.same({ nil, "closed" }, { msg.reply:send("too late") })
  end))

  it("with a timeout of 0 has no time for an answer: the reply is closed", in_task(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { tx:call({}, 0) })
    local msg = rx:try_recv()
    if msg then
      assert.is_true(msg.reply:is_closed())
      assert.same({ nil, "closed" }, { msg.reply:send("late") })
    end
    assert.equal(1, tx:capacity())
  end))

  it("has one timeout for the whole exchange", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("first")
    local start = weir.now()
    weir.spawn(function()
      weir.sleep(0.6)
      rx:recv()
      local msg = rx:recv()
      weir.sleep(0.6)
      msg.reply:send("too late")
    end)
    assert.same({ nil, "timeout" }, { tx:call({}, 1) })
    assert.is_near(1, weir.now() - start, 1e-6)
  end))

  it("aborted while it waits for room leaves its place and takes the room from nobody", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("first")
    local call = later(function() tx:call {} end)
    local send = later(function() return tx:send("next") end)
    call:abort()
    rx:recv()
    assert.is_true(join(send))
    assert.equal("next", rx:recv())
  end))

  it("aborted after room was granted gives it to the next", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("first")
    local msg = {}
    local call = later(function() tx:call(msg) end)
    local send = later(function() return tx:send("next") end)
    rx:try_recv()
    call:abort()
    assert.is_true(join(send))
    assert.equal("next", rx:recv())
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end))

  it("aborted while it waits for the answer closes the reply", in_task(function()
    local tx, rx = weir.mpsc(1)
    local call = later(function() tx:call {} end)
    local msg = rx:recv()
    assert.is_false(msg.reply:is_closed())
    call:abort()
    assert.is_true(msg.reply:closed())
    assert.same({ nil, "closed" }, { msg.reply:send("too late") })
  end))

  it("aborted after the answer came: the answer is dropped, handles in it too", in_task(function()
    local tx, rx = weir.mpsc(1)
    local call = later(function() tx:call {} end)
    local msg = rx:recv()
    local inner, inner_rx = weir.oneshot()
    assert.is_true(msg.reply:send(inner))
    call:abort()
    assert.same({ nil, "closed" }, { inner_rx:recv() })
  end))

  it("cut short before it was sent takes msg.reply back, whatever cut it", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("first")
    local aborted, granted, timed, dropped = {}, {}, {}, {}
    local a = later(function() tx:call(aborted) end)
    a:abort()
    a:join()
    assert.is_nil(aborted.reply)
    weir.timeout(1, function() tx:call(timed) end)
    assert.is_nil(timed.reply)
    local first = tx:clone()
    local d = later(function() raises(function() first:call(dropped) end) end)
    first:drop()
    join(d)
    assert.is_nil(dropped.reply)
    local g = later(function() tx:call(granted) end)
    rx:try_recv()
    g:abort()
    g:join()
    assert.is_nil(granted.reply)
    assert.equal(1, tx:capacity())
  end))

  it("cut short by weir.timeout in either half leaves nothing behind", in_task(function()
    local tx, rx = weir.mpsc(1)
    assert.is_nil(weir.timeout(1, function() tx:call { n = 1 } end))
    assert.is_nil(weir.timeout(1, function() tx:call { n = 2 } end))
    assert.equal(0, tx:stats().waiting_senders)
    local msg = rx:recv()
    assert.equal(1, msg.n)
    assert.same({ nil, "closed" }, { msg.reply:send() })
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end))

  it("that is over, however, has no effect on what its task does next", in_task(function()
    local endings = {
      answered = function(msg) msg.reply:send("a") end,
      closed = function(msg) msg.reply:drop() end,
      ["timed out"] = function() end,
    }
    for _, ending in pairs(endings) do
      local tx, rx = weir.mpsc(1)
      local task = later(function()
        tx:call({}, 1)
        local start = weir.now()
        weir.sleep(5)
        assert.is_near(5, weir.now() - start, 1e-6)
        rx:recv()
      end)
      ending(rx:recv())
      weir.sleep(20)
      assert.equal("waiting", task:status())
      task:abort()
      assert.same({ false, "aborted" }, { task:join() })
      assert.is_true(tx:send("still open"))
    end
  end))

  it("that never got room has no effect on what its task does next", in_task(function()
    for _, ending in ipairs { "close", "drop", "wait" } do
      local tx, rx = weir.mpsc(1)
      local other_tx, other = weir.mpsc(1)
      tx:send("first")
      local task = later(function()
        tx:call({}, 1)
        return other:recv()
      end)
      if ending ~= "wait" then rx[ending](rx) end
      weir.sleep(20)
      assert.equal("waiting", task:status())
      other_tx:send("a")
      assert.equal("a", join(task))
    end
  end))

  it("raises outside a task, and msg.reply is nil if it was not sent", function()
    local tx, rx = weir.mpsc(1)
    local msg = {}
    raises(function() tx:call(msg) end)
    if #rx == 0 then assert.is_nil(msg.reply) else assert.equal(msg, rx:try_recv()) end
  end)

  it("raises on a dropped sender", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:drop()
    raises(function() tx:call {} end)
    assert.equal(0, #rx)
  end))

  it("may be made again with the same table once it was refused", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("first")
    local msg = { n = 1 }
    assert.same({ nil, "timeout" }, { tx:call(msg, 0) })
    rx:recv()
    serve(rx, function(m) return m.n end)
    assert.equal(1, tx:call(msg))
  end))

  it("aborted after an answer of several values came drops the handles in each", in_task(function()
    local tx, rx = weir.mpsc(1)
    local one, first = weir.mpsc(1)
    local two, second = weir.mpsc(1)
    local caller = weir.spawn(function() tx:call {} end)
    local msg = rx:recv()
    assert.is_true(msg.reply:send({ tx = one }, "between", { tx = two }))
    caller:abort()
    caller:join()
    assert.same({ nil, "closed" }, { first:try_recv() })
    assert.same({ nil, "closed" }, { second:try_recv() })
  end))

  it("gets an answer of many values, and one that comes before it waits", in_task(function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function()
      for msg in rx do msg.reply:send(table.unpack({}, 1, msg.n)) end
    end)
    for _, n in ipairs { 0, 1, 2, 7, 8, 9, 20, 200 } do
      assert.equal(n, select("#", tx:call { n = n }))
    end
  end))

  it("whose actor is aborted with the request granted, not taken, is served by the next", in_task(function()
    local tx, rx = weir.mpsc(1)
    local first = weir.spawn(function() return rx:recv() end)
    weir.yield()                                 -- it waits
    local caller = weir.spawn(function() return tx:call { n = 1 } end)
    weir.yield()                                 -- the caller hands its message to it
    first:abort()
    assert.same({ false, "aborted" }, { first:join() })
    assert.equal(1, #rx)
    local second = weir.spawn(function() return rx:recv().n end)   -- and ends without an answer
    assert.same({ true, 1 }, { second:join() })
    assert.same({ true, nil, "closed" }, { caller:join() })
  end))

  it("uses nothing of an earlier call that timed out and is answered late", in_task(function()
    local tx, rx = weir.mpsc(1)
    local late
    weir.spawn(function()
      late = rx:recv().reply:move()
      for msg in rx do msg.reply:send(msg.n) end
    end)
    assert.same({ nil, "timeout" }, { tx:call({ n = 0 }, 1) })
    for i = 1, 5 do
      assert.equal(i, tx:call { n = i })
      if i == 3 then assert.same({ nil, "closed" }, { late:send("late") }) end
    end
  end))

  it("takes no memory for an answer of up to eight values beside that of one", in_task(function()
    local tx, rx = weir.mpsc(1)
    local values = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }
    serve(rx, function(msg) return table.unpack(values, 1, msg.n) end)
    local function grown(n)
      tx:call { n = n }
      collectgarbage "stop"
      local before = collectgarbage "count"
      for _ = 1, 20 do tx:call { n = n } end
      local kilobytes = collectgarbage "count" - before
      collectgarbage "restart"
      collectgarbage()
      return kilobytes
    end
    local one = grown(1)
    assert.near(one, grown(8), 0.5)
    assert.is_true(grown(9) > one + 1)
  end))

  it("leaves little behind when it is over, if there were two thousand at a time #slow", in_task(function()
    local function wave(work)
      local tasks = {}
      for i = 1, 2000 do tasks[i] = weir.spawn(work) end
      for _, task in ipairs(tasks) do assert(task:join()) end
      helper.collect()                            -- the stacks of coroutines that are kept shrink by and by
      return helper.memory()
    end
    local before = wave(function() weir.sleep(1) end)
    local tx, rx = weir.mpsc(2000)
    weir.spawn(function(inbox)
      local replies = {}
      for i = 1, 2000 do replies[i] = inbox:recv().reply end
      for _, reply in ipairs(replies) do reply:send(1) end
    end, rx)
    local grown = wave(function() tx:call {} end) - before
    assert.is_true(grown < 100, grown .. " KB")
  end))

  it("that comes back from a plain mistake in the actor leaves memory flat", in_task(function()
    local tx, rx = weir.mpsc(4)
    serve(rx, function(msg) return msg.n end)
    for i = 1, 100 do tx:call { n = i } end
    collectgarbage()
    local before = collectgarbage("count")
    for i = 1, 3000 do assert(tx:call { n = i } == i) end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage("count") - before < 32)
  end))

  it("whose place came with its time's end is over all the same", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send "fill"
    local task = weir.spawn(function() return tx:call({}, 1) end)
    weir.yield()
    assert.equal("fill", rx:recv())
    weir.advance(2)
    assert.same({ true, nil, "timeout" }, { task:join(10) })
  end))

  it("whose answer does not fit on the stack ends with an error, and the task can wait on", in_task(function()
    local big = {}
    local tx, rx = weir.mpsc(1)
    local other, inbox = weir.mpsc(1)
    weir.spawn(function() rx:recv().reply:send(table.unpack(big, 1, 600000)) end)
    local task = weir.spawn(function()
      local function ask(...) return select("#", ...), pcall(tx.call, tx, {}) end
      local _, ok, err = ask(table.unpack(big, 1, 450000))
      assert(not ok and err:find "too many", err)
      return inbox:recv()
    end)
    weir.sleep(1)
    assert.equal("waiting", task:status())
    other:send "later"
    assert.same({ true, "later" }, { task:join() })
  end))
end)
