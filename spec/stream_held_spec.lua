-- SPDX-License-Identifier: MIT
-- stream_held_spec.lua -- what a stream holds across a wait: whose it is, and its order.

local weir = require "weir"
local stream = require "weir.stream"
local helper = require "spec.helper"

local paused, later, settle = helper.paused, helper.later, helper.settle

-- What can be received within a second each.
local function received(rx)
  local got = {}
  while true do
    local v = rx:recv(1)
    if v == nil then return got end
    got[#got + 1] = v
  end
end

-- Targets of a forward that has to wait: the sender, its receiver, what fills it.
local targets = {
  mpsc = function() return weir.mpsc(1) end,
  mpmc = function() return weir.mpmc(1) end,
  broadcast = function() return weir.broadcast(1, { overflow = "wait" }) end,
}

for kind, make in pairs(targets) do
  describe("Stream:forward to a full " .. kind, function()
    -- A forwarder that waits for room, and what it works on.
    local function waiting(list)
      local tx, rx = make()
      tx:send "full"
      local s = stream.from(list)
      local forwarder = later(function() return pcall(s.forward, s, tx) end)
      settle()
      return s, rx, forwarder, tx
    end

    it("neither doubles nor loses an element while another reader takes one", paused(function()
      local s, rx = waiting { 1, 2, 3, 4 }
      assert.equal(1, s:next())
      assert.same({ "full", 2, 3, 4 }, received(rx))
    end))

    it("neither doubles nor loses an element that is read when there is room", paused(function()
      local s, rx = waiting { 1, 2, 3, 4 }
      rx:recv()
      local got = {}
      got[1] = s:next(0)
      for _, v in ipairs(received(rx)) do got[#got + 1] = v end
      table.sort(got)
      assert.same({ 1, 2, 3, 4 }, got)
    end))

    it("loses and reorders nothing that is read when there is room and it is aborted", paused(function()
      local s, rx, forwarder = waiting { 1, 2, 3, 4 }
      rx:recv()
      local got = {}
      got[1] = s:next(0)
      forwarder:abort()
      forwarder:join()
      assert.same({}, received(rx))
      for v in s do got[#got + 1] = v end
      assert.same({ 1, 2, 3, 4 }, got)
    end))

    it("lets a combinator go on where it had room already", paused(function()
      local s, rx = waiting { 1, 2, 3 }
      rx:recv()
      local numbered = s:map(function(v) return v * 10 end)
      local got = {}
      for v in numbered do got[#got + 1] = v end
      for _, v in ipairs(received(rx)) do table.insert(got, 1, v * 10) end
      assert.same({ 10, 20, 30 }, got)
    end))

    it("wakes nobody for nothing after another reader has taken all", paused(function()
      local s, rx, forwarder = waiting { 1 }
      assert.equal(1, s:next(0))
      rx:recv()
      assert.same({ true, true, true }, { forwarder:join(1) })
      assert.same({}, received(rx))
    end))

    it("is woken by move(), and sends nothing more", paused(function()
      local s, rx, forwarder = waiting { 1, 2 }
      local moved = s:move()
      settle()
      local _, ok, err = forwarder:join(0)
      assert.is_false(ok)
      assert.matches("moved", err)
      assert.same({ "full" }, received(rx))
      assert.same({ 1, 2 }, moved:collect())
    end))

    it("is woken by drop(), and sends nothing more", paused(function()
      local s, rx, forwarder = waiting { 1, 2 }
      s:drop()
      settle()
      local _, ok, err = forwarder:join(0)
      assert.is_false(ok)
      assert.matches("closed", err)
      assert.same({ "full" }, received(rx))
    end))

    it("gives all back in order when a combinator takes the stream over", paused(function()
      local s, rx = waiting { 1, 2, 3 }
      local doubled = s:map(function(v) return v * 2 end)
      assert.same({ 2, 4, 6 }, doubled:collect())
      assert.same({ "full" }, received(rx))
    end))

    it("gives all back in order when it is aborted", paused(function()
      local s, rx, forwarder = waiting { 1, 2 }
      forwarder:abort()
      forwarder:join()
      assert.same({ 1, 2 }, { s:next(0), s:next(0) })
      assert.same({ "full" }, received(rx))
    end))

    it("leaves a moved stream's next reader the first element", paused(function()
      local s = waiting { 1, 2 }
      local moved = s:move()
      assert.equal(1, moved:next())
      assert.equal(2, moved:next())
    end))

    it("says 'closed' when the receiver goes while it waits, and keeps the element", paused(function()
      local s, rx, forwarder = waiting { 1, 2 }
      rx:drop()
      assert.same({ true, true, nil, "closed" }, { forwarder:join(1) })
      assert.same({ 1, 2 }, s:collect())
    end))
  end)
end

describe("Stream:forward", function()
  it("lets its place go when another reader has left it nothing to send", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send "full"
    local source, elements = weir.mpsc(4)
    source:send "only"
    local s = stream.from(elements)
    local forwarder = later(function() return s:forward(tx) end)
    settle()
    assert.equal("only", s:next(0))
    assert.equal("full", rx:recv())
    settle()
    assert.is_true(tx:try_send "from elsewhere")
    assert.equal("from elsewhere", rx:recv())
    source:send "next"
    assert.equal("next", rx:recv(1))
    source:drop()
    assert.same({ true, true }, { forwarder:join(1) })
  end))

  it("raises at the caller's line what the sender refuses, and keeps the element", paused(function()
    local tx, rx = weir.broadcast(1)
    local inner = weir.mpsc(1)
    local s = stream.from { inner }
    helper.blames(function() s:forward(tx) end, "handle")
    assert.equal(inner, s:next())
    rx:drop()
  end))
end)

describe("Stream:into_remainder", function()
  it("gives the chunk that an interrupted forward put back", paused(function()
    local tx = weir.mpsc(1)
    tx:send "x"
    local s = stream.from({ 1, 2, 3, 4, 5 }):chunks(2)
    weir.timeout(1, s.forward, s, tx)
    local part, rest = s:into_remainder()
    assert.same({ 1, 2 }, part)
    assert.same({ 3, 4, 5 }, rest:collect())
  end))

  it("gives the chunks that an interrupted collect put back, and what came after", paused(function()
    local tx, rx = weir.mpsc(8)
    for i = 1, 5 do tx:send(i) end
    local s = stream.from(rx):chunks_timeout(2, 10)
    weir.timeout(1, s.collect, s)
    local part, rest = s:into_remainder()
    assert.same({ 1, 2, 3, 4, 5 }, part)
    tx:send(6)
    assert.equal(6, rest:next())
  end))
end)

describe("Stream:collect", function()
  -- A collector that has gathered 1 and 2 and waits.
  local function gathering()
    local tx, rx = weir.mpsc(4)
    tx:send(1)
    tx:send(2)
    local s = stream.from(rx)
    local collector = later(function() return pcall(s.collect, s) end)
    settle()
    return tx, s, collector
  end

  it("yields what it gathered, in order, to whom the stream is moved", paused(function()
    local tx, s = gathering()
    tx:send(3)
    local moved = s:move()
    assert.same({ 1, 2 }, { moved:next(0), moved:next(0) })
    assert.equal(3, moved:next(1))
  end))

  it("yields what it gathered to a combinator that takes the stream over", paused(function()
    local tx, s = gathering()
    tx:send(3)
    local numbered = s:enumerate()
    tx:drop()
    assert.same({ 1, 2, 3 }, numbered:map(function(_, v) return v end):collect())
  end))

  it("yields what it gathered, in order, as soon as its task is aborted", paused(function()
    local tx, s, collector = gathering()
    tx:send(3)
    collector:abort()
    assert.same({ 1, 2 }, { s:next(0), s:next(0) })
    collector:join()
    assert.equal(3, s:next(0))
    assert.same({ nil, "timeout" }, { s:next(0) })
  end))

  it("wakes a reader of the moved stream that waits for it", paused(function()
    local _, s = gathering()
    local moved = s:move()
    assert.equal(1, moved:next(5))
  end))

  it("drops what it gathered with the stream", paused(function()
    local tx, rx = weir.mpsc(4)
    local s = stream.from(rx)
    local caller = later(function() return tx:call {} end)
    local collector = later(function() return pcall(s.collect, s) end)
    settle()
    s:drop()
    assert.same({ true, nil, "closed" }, { caller:join(1) })
    assert.is_false(select(2, collector:join(1)))
  end))

  it("goes on after another reader has taken what it gathered", paused(function()
    local tx, s, collector = gathering()
    assert.equal(1, s:next(0))
    tx:send(3)
    tx:drop()
    local _, ok, list = collector:join(1)
    assert.is_true(ok)
    assert.same({ 2, 3 }, list)
  end))
end)


-- ---- whose the handles are ----------------------------------------------------------------------------

-- A message to hold, as a channel delivers it: what to send, and the handle in what is received.
local messages = {
  ["a request"] = function(tx, made)
    made.caller = weir.spawn(function() return tx:call { n = 1 } end)
    weir.yield()
    return function(v) return v.reply end
  end,
  ["a handle"] = function(tx)
    local inner = weir.oneshot()
    tx:send(inner)
    return function(v) return v end
  end,
}

-- What holds the first element of `rx`: f polls it in a task that ends, g gets the element afterwards.
local holders = {
  chunks = function(rx, tx)
    local s = stream.from(rx):chunks(2)
    return function() s:next(1) end, function()
      tx:send "second"
      return s:next()[1]
    end
  end,
  chunks_timeout = function(rx)
    local s = stream.from(rx):chunks_timeout(2, 5)
    return function() s:next(1) end, function() return s:next()[1] end
  end,
  ["chunks of chunks"] = function(rx, tx)
    local s = stream.from(rx):chunks(1):chunks(2)
    return function() s:next(1) end, function()
      tx:send "second"
      return s:next()[1][1]
    end
  end,
  ["chunks of packed elements"] = function(rx, tx)
    local s = stream.from(rx):enumerate():chunks(2)
    return function() s:next(1) end, function()
      tx:send "second"
      return s:next()[1][2]
    end
  end,
  ["chunks of what map passes on"] = function(rx, tx)
    local s = stream.from(rx):map(function(v) return v end):chunks(2)
    return function() s:next(1) end, function()
      tx:send "second"
      return s:next()[1]
    end
  end,
  into_remainder = function(rx)
    local s = stream.from(rx):chunks(2)
    return function() s:next(1) end, function() return s:into_remainder()[1] end
  end,
  peek = function(rx)
    local s = stream.from(rx):peekable()
    return function() s:peek() end, function() return (s:next()) end
  end,
  ["peek of a chunk"] = function(rx)
    local s = stream.from(rx):chunks(1):peekable()
    return function() s:peek() end, function() return s:next()[1] end
  end,
  zip = function(rx)
    local right_tx, right = weir.mpsc(1)
    local s = stream.from(rx):zip(right)
    return function() s:next(1) end, function()
      right_tx:send "right"
      return (s:next())
    end
  end,
  ["a collect that is cut short"] = function(rx)
    local s = stream.from(rx)
    return function() weir.timeout(1, s.collect, s) end, function() return (s:next()) end
  end,
  ["a forward that is cut short"] = function(rx)
    local s = stream.from(rx)
    local full = weir.mpsc(1)
    full:send "full"
    return function() weir.timeout(1, s.forward, s, full) end, function() return (s:next()) end
  end,
}

for how, message in pairs(messages) do
  for name, holder in pairs(holders) do
    describe(("%s held by %s"):format(how, name), function()
      for where, run in pairs {
        ["the task that polled it"] = function(f) weir.spawn(f):join() end,
        ["the weir.timeout that polled it"] = function(f)
          weir.timeout(20, function()
            f()
            weir.sleep(30)
          end)
        end,
      } do
        it("outlives " .. where .. ", and is the next reader's", paused(function()
          local tx, rx = weir.mpsc(4)
          local made = {}
          local handle_of = message(tx, made)
          local poll, get = holder(rx, tx)
          run(poll)
          local reply
          local reader = weir.spawn(function()
            reply = handle_of(get())
            assert.equal("oneshot.Sender", weir.type(reply))
          end)
          assert.same({ true }, { reader:join() })
          -- it belongs to the reader's task, which has ended without an answer
          assert.equal("closed oneshot.Sender", weir.type(reply))
          if made.caller then assert.same({ true, nil, "closed" }, { made.caller:join(1) }) end
        end))
      end

      it("can be answered by who gets it", paused(function()
        local tx, rx = weir.mpsc(4)
        local handle_of = message(tx, {})
        local poll, get = holder(rx, tx)
        weir.spawn(poll):join()
        assert.is_true(handle_of(get()):send "answer" ~= false)
      end))
    end)
  end
end

describe("A handle in a stream", function()
  local function request(tx)
    local caller = weir.spawn(function() return tx:call {} end)
    weir.yield()
    return caller
  end

  for name, refuse in pairs {
    filter = function(s) return s:filter(function(msg) return msg == "wanted" end) end,
    skip = function(s) return s:skip(1) end,
    take_while = function(s) return s:take_while(function(msg) return msg == "wanted" end) end,
    skip_while = function(s) return s:skip_while(function(msg) return msg ~= "wanted" end) end,
    ["filter after enumerate"] = function(s)
      return s:enumerate():filter(function(_, msg) return msg == "wanted" end)
    end,
  } do
    it("is dropped with a message that " .. name .. " leaves out", paused(function()
      local tx, rx = weir.mpsc(4)
      local caller = request(tx)
      local answer, answered = weir.oneshot()
      tx:send { reply = answer }
      local s = refuse(stream.from(rx))
      s:next(0)
      assert.same({ true, nil, "closed" }, { caller:join(1) })
      if name ~= "take_while" then
        if name == "skip" then answer:drop() end
        assert.same({ nil, "closed" }, { answered:try_recv() })
      end
    end))
  end

  it("is dropped with a message that is only counted", paused(function()
    local tx, rx = weir.mpsc(4)
    local caller = request(tx)
    local s = stream.from(rx)
    local counter = later(s.count, s)
    assert.same({ true, nil, "closed" }, { caller:join(1) })
    tx:drop()
    assert.same({ true, 1 }, { counter:join(1) })
  end))

  it("goes on from a message that filter leaves out, if it was moved on", paused(function()
    local tx, rx = weir.mpsc(4)
    local caller = request(tx)
    local other_tx, other_rx = weir.mpsc(4)
    local s = stream.from(rx):filter(function(msg)
      msg.reply = msg.reply:move()
      other_tx:try_send(msg)
      return false
    end)
    s:next(0)
    assert.is_true(other_rx:try_recv().reply:send "answer")
    assert.same({ true, "answer" }, { caller:join() })
  end))

  it("stays with a message that filter keeps", paused(function()
    local tx, rx = weir.mpsc(4)
    local caller = request(tx)
    local s = stream.from(rx):filter(function() return true end):skip(0)
    assert.is_true(s:next().reply:send "answer")
    assert.same({ true, "answer" }, { caller:join() })
  end))

  it("is found in a chunk that was put into itself", paused(function()
    local tx, rx = weir.mpsc(4)
    local caller = request(tx)
    local s = stream.from(rx):chunks(1):inspect(function(chunk) chunk[2] = chunk end):peekable()
    s:peek()
    s:drop()
    assert.same({ true, nil, "closed" }, { caller:join(1) })
  end))

  it("may be answered by whom a request is forwarded to, after the forwarder has ended", paused(function()
    local tx, rx = weir.mpsc(4)
    local next_tx, next_rx = weir.mpsc(4)
    local caller = request(tx)
    tx:drop()
    local s = stream.from(rx)
    weir.spawn(function() s:forward(next_tx) end):join()
    assert.is_true(next_rx:recv().reply:send "answer")
    assert.same({ true, "answer" }, { caller:join() })
  end))

  it("is the same handle after it was held", paused(function()
    local tx, rx = weir.mpsc(4)
    local s = stream.from(rx):peekable()
    request(tx)
    local reply = s:peek().reply
    assert.equal(reply, s:peek().reply)
    assert.equal(reply, s:next().reply)
  end))

  it("is not taken from the task that owns it by a peek of another", paused(function()
    local tx, rx = weir.mpsc(4)
    local caller = request(tx)
    local s = stream.from({ rx:recv() }):peekable()
    weir.spawn(function() s:peek() end):join()
    assert.is_true(s:next().reply:send "answer")
    assert.same({ true, "answer" }, { caller:join() })
  end))

  it("belongs to the task that works on it in buffered, not to who polled it", paused(function()
    local tx, rx = weir.mpsc(4)
    local caller = request(tx)
    local s = stream.from(rx):buffered(2, function(msg)
      weir.sleep(5)
      msg.reply:send "answer"
      return true
    end)
    weir.spawn(function() s:next(1) end):join()
    assert.same({ true, "answer" }, { caller:join(10) })
  end))

  it("is dropped when its task in buffered ends without an answer", paused(function()
    local tx, rx = weir.mpsc(4)
    local caller = request(tx)
    local s = stream.from(rx):buffer_unordered(2, function()
      weir.sleep(5)
      return true
    end)
    s:next(1)
    assert.same({ true, nil, "closed" }, { caller:join(10) })
  end))

  it("passes through buffered with the message that its function returns", paused(function()
    local tx, rx = weir.mpsc(4)
    local caller = request(tx)
    local s = stream.from(rx):buffered(2, function(msg)
      weir.sleep(5)
      return msg, "more"
    end)
    weir.spawn(function() s:next(1) end):join()
    weir.sleep(10)
    local msg
    weir.spawn(function() msg = s:next() end):join()
    assert.equal("closed oneshot.Sender", weir.type(msg.reply)) -- of the task that got it
    assert.same({ true, nil, "closed" }, { caller:join(0) })
  end))

  for name, holder in pairs {
    chunks = function(s) return s:chunks(2) end,
    ["chunks of chunks"] = function(s) return s:chunks(1):chunks(2) end,
    ["chunks of packed elements"] = function(s) return s:enumerate():chunks(2) end,
  } do
    it("is dropped with the stream whose " .. name .. " hold it", paused(function()
      local tx, rx = weir.mpsc(4)
      local caller = request(tx)
      local s = holder(stream.from(rx))
      s:next(0)
      s:drop()
      assert.same({ true, nil, "closed" }, { caller:join(1) })
    end))
  end

  it("is dropped with a chunk that was put back", paused(function()
    local tx, rx = weir.mpsc(4)
    local caller = request(tx)
    local s = stream.from(rx):chunks(1):peekable()
    s:peek()
    s:drop()
    assert.same({ true, nil, "closed" }, { caller:join(1) })
  end))
end)
