-- stream_spec.lua -- streams as handles: what they are made of, reading them, moving and dropping them.
-- SPDX-License-Identifier: MIT
-- What the combinators do is in stream_combinators_spec.lua; consumers, maps and select in
-- stream_reading_spec.lua.

local weir = require "weir"
local stream = require "weir.stream"
local helper = require "spec.helper"

local paused, settle, later, join = helper.paused, helper.settle, helper.later, helper.join

-- A bounded channel whose receiver is the source of a stream: the sender and the stream.
local function piped(capacity)
  local tx, rx = weir.mpsc(capacity or 8)
  return tx, stream.from(rx)
end

describe("stream.from", function()
  it("reads an array in order, false included", function()
    assert.same({ 1, false, "x" }, stream.from({ 1, false, "x" }):collect())
  end)

  it("reads an iterator function until it gives nil", function()
    local n = 0
    local s = stream.from(function()
      n = n + 1
      if n <= 3 then return n * n end
    end)
    assert.same({ 1, 4, 9 }, s:collect())
  end)

  it("never calls an iterator again that has given nil", function()
    local calls = 0
    local s = stream.from(function() calls = calls + 1 end)
    assert.same({ nil, "closed" }, { s:next() })
    assert.same({ nil, "closed" }, { s:next() })
    assert.equal(1, calls)
  end)

  it("takes the state and the control value of an iterator, as a generic for does", function()
    local got = {}
    for i, v in stream.from(ipairs { "a", "b" }) do got[i] = v end
    assert.same({ "a", "b" }, got)
  end)

  it("closes the closing value of an iterator when it has ended", function()
    local log = {}
    local s = stream.from(next, {}, nil, helper.closing(log, "closed"))
    assert.same({}, log)
    s:collect()
    assert.same({ "closed" }, log)
  end)

  it("closes the closing value of an iterator when it is dropped early", function()
    local log = {}
    local s = stream.from(next, { 1, 2 }, nil, helper.closing(log, "closed"))
    s:next()
    s:drop()
    s:drop()
    assert.same({ "closed" }, log)
  end)

  it("takes an object that can be called for an iterator", function()
    local left = 2
    local object = setmetatable({}, { __call = function()
      left = left - 1
      if left >= 0 then return "called" end
    end })
    assert.same({ "called", "called" }, stream.from(object):collect())
  end)

  it("does not let an iterator wait", paused(function()
    local s = stream.from(function() return weir.sleep(1) end)
    local ok, err = pcall(s.next, s)
    assert.is_false(ok)
    assert.equal(0, weir.now() - weir.now())
    assert.is_string(err)
  end))

  it("reads an mpsc receiver until its senders are gone", paused(function()
    local tx, s = piped()
    tx:send(1)
    tx:send(false)
    tx:drop()
    assert.same({ 1, false }, s:collect())
  end))

  it("reads an unbounded receiver", paused(function()
    local tx, rx = weir.unbounded()
    for i = 1, 5 do tx:send(i) end
    tx:drop()
    assert.same({ 1, 2, 3, 4, 5 }, stream.from(rx):collect())
  end))

  it("reads an mpmc receiver, each message once among all", paused(function()
    local tx, rx = weir.mpmc(8)
    local a, b = stream.from(rx:clone()), stream.from(rx)
    for i = 1, 4 do tx:send(i) end
    tx:drop()
    local got = { (a:next()), (b:next()), (a:next()), (b:next()) }
    assert.same({ 1, 2, 3, 4 }, got)
    assert.same({ nil, "closed" }, { a:next() })
  end))

  it("reads a oneshot as one element, which has the values that were sent", paused(function()
    local tx, rx = weir.oneshot()
    local s = stream.from(rx)
    tx:send(nil, "no such user")
    assert.same({ n = 2, [2] = "no such user" }, table.pack(s:next()))
    assert.same({ nil, "closed" }, { s:next() })
  end))

  it("ends at once over a oneshot whose sender was dropped", paused(function()
    local tx, rx = weir.oneshot()
    tx:drop()
    assert.same({ nil, "closed" }, { stream.from(rx):next() })
  end))

  it("reads a watch: its value first, then each latest", paused(function()
    local tx, rx = weir.watch("first")
    local s = stream.from(rx)
    assert.equal("first", s:next())
    tx:send("lost")
    tx:send("second")
    assert.equal("second", s:next())
    assert.same({ nil, "timeout" }, { s:next(0) })
  end))

  it("gives a watch's last value once, though its sender was dropped before the first look", paused(function()
    local tx, rx = weir.watch("old")
    local s = stream.from(rx)
    tx:send("last")
    tx:drop()
    assert.same({ "last" }, s:collect())
  end))

  it("reads a broadcast with the number of messages missed before each", paused(function()
    local tx, rx = weir.broadcast(2)
    local s = stream.from(rx)
    for i = 1, 5 do tx:send(i) end
    assert.same({ 4, 3 }, { s:next() })
    assert.same({ 5, 0 }, { s:next() })
    tx:drop()
    assert.same({ nil, "closed" }, { s:next() })
  end))

  it("reads an interval, which never ends", paused(function()
    local began = weir.now()
    local s = stream.from(weir.interval(2))
    assert.equal(0, s:next() - began)
    assert.equal(2, s:next() - began)
    assert.same({ nil, "timeout" }, { s:next(1) })
    assert.equal(4, s:next() - began)
  end))

  it("reads a join set: tasks in the order in which they end, with their results", paused(function()
    local set = weir.join_set()
    set:spawn(function() weir.sleep(2) return "slow", 2 end)
    set:spawn(function() weir.sleep(1) error("broken", 0) end)
    local got = {}
    for task, ok, a, b in stream.from(set) do
      assert.equal("Task", weir.type(task))
      got[#got + 1] = { ok, a, b }
    end
    assert.same({ { false, "broken" }, { true, "slow", 2 } }, got)
  end))

  it("passes on a stream, and a map of streams as keys and values", paused(function()
    local m = stream.map_of()
    m:insert("k", { 1, 2 })
    assert.same({ { "k", 1, n = 2 }, { "k", 2, n = 2 } }, stream.from(m):collect())
    assert.same({ 3 }, stream.from(stream.from { 3 }):collect())
  end))

  it("refuses what yields nothing, at the caller's line", function()
    helper.blames(function() stream.from(7) end, "bad argument #1 to 'from'", "got number")
    helper.blames(function() stream.from() end, "got nil")
    local tx = weir.mpsc(1)
    helper.blames(function() stream.from(tx) end, "got mpsc.Sender")
  end)

  it("takes a receiver over: the old handle is spent", function()
    local _, rx = weir.mpsc(1)
    local s <close> = stream.from(rx)
    assert.equal("Stream", weir.type(s))
    assert.equal("closed mpsc.Receiver", weir.type(rx))
    helper.blames(function() rx:try_recv() end, "moved")
  end)

  it("refuses a receiver that was moved before, at the caller's line", function()
    local _, rx = weir.mpsc(1)
    local kept <close> = rx:move()
    assert.equal("mpsc.Receiver", weir.type(kept))
    helper.blames(function() stream.from(rx) end, "moved")
  end)
end)

describe("stream.changes", function()
  it("leaves the present value out and tells each later one", paused(function()
    local tx, rx = weir.watch(1)
    local s = stream.changes(rx)
    assert.same({ nil, "timeout" }, { s:next(0) })
    tx:send(2)
    tx:drop()
    assert.same({ 2 }, s:collect())
  end))

  it("takes only a watch receiver", function()
    helper.blames(function() stream.changes { 1 } end, "watch.Receiver expected, got table")
  end)
end)

describe("Stream:next", function()
  it("returns at once what is there", paused(function()
    local tx, s = piped()
    tx:send("there")
    assert.equal("there", s:next())
  end))

  it("waits for what comes later", paused(function()
    local tx, s = piped()
    local reader = later(function() return s:next() end)
    tx:send("later")
    assert.equal("later", join(reader))
  end))

  it("returns nil, 'closed' when the source is closed while it waits, and from then on", paused(function()
    local tx, s = piped()
    local reader = later(function() return s:next() end)
    tx:drop()
    assert.same({ nil, "closed" }, { join(reader) })
    assert.same({ nil, "closed" }, { s:next() })
  end))

  it("returns nil, 'timeout' after its time, and loses nothing", paused(function()
    local tx, s = piped()
    local began = weir.now()
    assert.same({ nil, "timeout" }, { s:next(3) })
    assert.equal(3, weir.now() - began)
    tx:send("kept")
    assert.equal("kept", s:next())
  end))

  it("polls once with a timeout of 0", paused(function()
    local tx, s = piped()
    assert.same({ nil, "timeout" }, { s:next(0) })
    tx:send(1)
    assert.equal(1, s:next(0))
  end))

  it("works outside a task where it need not wait", function()
    assert.equal(1, stream.from({ 1 }):next())
    assert.same({ nil, "closed" }, { stream.from({}):next() })
    local tx, s = piped()
    assert.same({ nil, "timeout" }, { s:next(0) })
    tx:try_send(2)
    assert.equal(2, s:next())
  end)

  it("raises at the caller's line where it would have to wait and cannot", function()
    local tx, s = piped()
    helper.blames(function() s:next() end, "^the stream would have to wait")
    helper.blames(function() for _ in s do error "never" end end, "^the stream would have to wait")
    helper.blames(function() s:collect() end, "^the stream would have to wait")
    tx:drop()
  end)

  it("refuses a time that is negative, NaN or no number", function()
    local s = stream.from { 1 }
    helper.blames(function() s:next(-1) end, "bad argument #1 to 'next'")
    helper.blames(function() s:next(0 / 0) end, "bad argument #1 to 'next'")
    helper.blames(function() s:next("1") end, "bad argument #1 to 'next'")
    assert.equal(1, s:next())
  end)

  it("takes an infinite time", paused(function()
    local tx, s = piped()
    local reader = later(function() return s:next(math.huge) end)
    tx:send(1)
    assert.equal(1, join(reader))
  end))

  it("draws nothing before it is asked, and one element for one", function()
    local drawn = 0
    local s = stream.from(function()
      drawn = drawn + 1
      return drawn
    end):map(function(v) return v end):filter(function() return true end)
    assert.equal(0, drawn)
    s:next()
    assert.equal(1, drawn)
    s:next()
    assert.equal(2, drawn)
  end)

  it("gives way to other tasks, however much is ready", paused(function()
    local s = stream.from(function() return 1 end)
    local ran = false
    weir.spawn(function() ran = true end)
    local n = 0
    while not ran and n < 1000 do
      s:next()
      n = n + 1
    end
    assert.is_true(ran)
    assert.is_true(n > 1)
  end))

  it("gives way to other tasks inside one call that refuses all it draws", paused(function()
    local stop = false
    local s = stream.from(function() return 1 end):filter(function() return stop end)
    weir.spawn(function() stop = true end)
    assert.equal(1, s:next())
  end))

  it("returns nil, 'timeout' after its time though its source never rests", paused(function()
    local s = stream.from(function() return 1 end):filter(function() weir.advance(0.01) end)
    local began = weir.now()
    assert.same({ nil, "timeout" }, { s:next(3) })
    assert.is_true(weir.now() - began < 5)
  end))

  it("gives way though a function it calls reads another stream", paused(function()
    local stop = false
    local other = stream.from(function() return 1 end)
    local s = stream.from(function() return 1 end):filter(function()
      other:next(0)
      return stop
    end)
    weir.spawn(function() stop = true end)
    assert.equal(1, s:next())
  end))

  it("loses nothing when its task is aborted while it waits", paused(function()
    local tx, s = piped()
    local reader = later(function() return s:next() end)
    reader:abort()
    tx:send("kept")
    settle()
    assert.equal("kept", s:next())
  end))

  it("loses nothing when its task is aborted after it was woken", paused(function()
    local tx, s = piped()
    local reader = later(function() return s:next() end)
    tx:send("kept")
    reader:abort()
    settle()
    assert.equal("kept", s:next())
  end))

  it("loses nothing when weir.timeout ends it", paused(function()
    local tx, s = piped()
    local chunked = s:chunks(2)
    tx:send(1)
    assert.same({ nil, "timeout" }, { weir.timeout(1, function() return chunked:next() end) })
    tx:send(2)
    assert.same({ 1, 2 }, chunked:next())
  end))

  it("refuses a second task that waits on the same stream", paused(function()
    local tx, s = piped()
    local first = later(function() return s:next() end)
    local ok, err = pcall(s.next, s)
    assert.is_false(ok)
    assert.matches("one reader at a time", err)
    tx:send("for the first")
    assert.equal("for the first", join(first))
  end))

  it("raises the error of a function unchanged, and goes on after it", paused(function()
    local mark = {}
    local s = stream.from({ 1, 2, 3 }):map(function(v)
      if v == 2 then error(mark) end
      return v
    end)
    assert.equal(1, s:next())
    local ok, err = pcall(s.next, s)
    assert.is_false(ok)
    assert.equal(mark, err)
    assert.equal(3, s:next())
  end))

  it("raises where a function given to the stream waits", paused(function()
    local s = stream.from({ 1 }):map(function(v)
      weir.sleep(1)
      return v
    end)
    assert.is_false(pcall(s.next, s))
  end))
end)

describe("a generic for over a Stream", function()
  it("runs to the end, with all values of each element", paused(function()
    local got = {}
    for v, w in stream.from({ "a", "b" }):zip({ 1, 2 }) do got[#got + 1] = v .. w end
    assert.same({ "a1", "b2" }, got)
  end))

  it("passes over the gaps of a timeout", paused(function()
    local tx, s = piped()
    weir.spawn(function()
      weir.sleep(5)
      tx:send("late")
      tx:drop()
    end)
    local got = {}
    for v in s:timeout(1) do got[#got + 1] = v end
    assert.same({ "late" }, got)
  end))

  it("raises rather than end at an element that begins with nil", paused(function()
    local tx, rx = weir.oneshot()
    tx:send(nil, "trouble")
    local s = stream.from(rx)
    helper.blames(function() for _ in s do error "never" end end, "begins with nil")
  end))

  it("leaves the rest of the stream when it is left", function()
    local s = stream.from { 1, 2, 3 }
    for v in s do
      if v then break end
    end
    assert.equal(2, s:next())
  end)
end)

describe("a Stream as a handle", function()
  it("has a type and a readable tostring", function()
    local s = stream.from {}
    assert.equal("Stream", weir.type(s))
    assert.matches("[Ss]tream", tostring(s))
    s:drop()
    assert.equal("closed Stream", weir.type(s))
    assert.matches("closed", tostring(s))
  end)

  it("drops its source with drop, close and <close>", function()
    for _, how in ipairs { "drop", "close" } do
      local tx, s = piped()
      s[how](s)
      s[how](s)
      assert.is_true(tx:is_closed())
    end
    local tx, s = piped()
    do
      local scoped <close> = s:map(tostring):chunks(2)
      assert.is_false(tx:is_closed())
      assert.equal("Stream", weir.type(scoped))
    end
    assert.is_true(tx:is_closed())
  end)

  it("drops both sources of a merge, a chain and a zip", function()
    for _, how in ipairs { "merge", "chain", "zip" } do
      local a, s = piped()
      local b, t = piped()
      s[how](s, t):drop()
      assert.is_true(a:is_closed())
      assert.is_true(b:is_closed())
    end
  end)

  it("drops its source when the collector finds it", function()
    local tx, rx = weir.mpsc(1)
    helper.forget(function()
      stream.from(rx):map(tostring):peekable()
    end)
    assert.is_true(tx:is_closed())
  end)

  it("drops its source when it has ended, before the handle is dropped", paused(function()
    local tx, s = piped()
    tx:send(1)
    local one = s:take(1)
    assert.equal(1, one:next())
    assert.same({ nil, "closed" }, { tx:send(2) })
    assert.equal("Stream", weir.type(one))
  end))

  it("raises when it is used after a drop", function()
    local s = stream.from { 1 }
    s:drop()
    helper.blames(function() s:next() end, "stream")
    helper.blames(function() s:map(tostring) end, "stream")
    helper.blames(function() for _ in s do error "never" end end, "stream")
  end)

  it("moves into the task that it is given to, and is dropped with it", paused(function()
    local tx, s = piped()
    local task = weir.spawn(function(mine) return mine:next() end, s)
    helper.blames(function() s:next() end, "moved into task")
    tx:send("through")
    assert.equal("through", join(task))
    assert.is_true(tx:is_closed())
  end))

  it("belongs to the task that owned its source, through all that is made of it", paused(function()
    local tx, rx = weir.mpsc(4)
    local task = later(function(mine)
      local s = stream.from(mine):map(tostring):chunks(2)
      weir.sleep(60)
      return s
    end, rx)
    assert.is_false(tx:is_closed())
    task:abort()
    settle()
    assert.is_true(tx:is_closed())
  end))

  it("belongs to nobody if its source did: the end of a task leaves it", paused(function()
    local tx, rx = weir.mpsc(4)
    local s
    join(weir.spawn(function() s = stream.from(rx):map(tostring) end))
    tx:send(1)
    assert.equal("1", s:next())
  end))

  it("moves through a channel with what it holds", paused(function()
    local tx, s = piped()
    local chunked = s:chunks(2)
    tx:send(1)
    assert.same({ nil, "timeout" }, { chunked:next(0) })
    local carrier, hold = weir.mpsc(1)
    carrier:send(chunked)
    helper.blames(function() chunked:next() end, "moved")
    local fresh = hold:recv()
    tx:send(2)
    assert.same({ 1, 2 }, fresh:next())
  end))

  it("is dropped with a message that nobody received", paused(function()
    local tx, s = piped()
    local carrier, hold = weir.mpsc(1)
    carrier:send { inside = s:move() }
    hold:drop()
    assert.is_true(tx:is_closed())
  end))

  it("has a fresh handle after move()", function()
    local s = stream.from { 1 }
    local t = s:move()
    helper.blames(function() s:next() end, "moved")
    assert.equal(1, t:next())
  end)

  it("is spent when another stream takes it over, with a sentence that says so", function()
    local s = stream.from { 1 }
    local t = s:map(tostring)
    helper.blames(function() s:next() end, "map")
    assert.equal("closed Stream", weir.type(s))
    assert.equal("1", t:next())
  end)

  it("spends the other stream of a merge, a chain and a zip", function()
    for _, how in ipairs { "merge", "chain", "zip" } do
      local s, t = stream.from { 1 }, stream.from { 2 }
      local both = s[how](s, t)
      helper.blames(function() t:next() end, how)
      assert.equal(1, (both:next()))
    end
  end)

  it("is not spent by a method whose arguments are wrong", function()
    local s = stream.from { 1 }
    helper.blames(function() s:map() end, "bad argument #1 to 'map' %(function expected, got nil%)")
    helper.blames(function() s:take(-1) end, "bad argument #1 to 'take'")
    helper.blames(function() s:take(1.5) end, "bad argument #1 to 'take'")
    helper.blames(function() s:chunks(0) end, "bad argument #1 to 'chunks'")
    helper.blames(function() s:chunks_timeout(1, -1) end, "bad argument #2 to 'chunks_timeout'")
    helper.blames(function() s:throttle "1" end, "bad argument #1 to 'throttle'")
    helper.blames(function() s:buffered(0, print) end, "bad argument #1 to 'buffered'")
    helper.blames(function() s:buffered(1) end, "bad argument #2 to 'buffered'")
    helper.blames(function() s:merge(s) end, "with itself")
    helper.blames(function() s:zip(5) end, "bad argument #1 to 'zip'")
    assert.equal(1, s:next())
  end)

  it("raises in the task that waits on it when it is dropped meanwhile", paused(function()
    local _, s = piped()
    local reader = later(function() return pcall(s.next, s) end)
    s:drop()
    local ok, err = join(reader)
    assert.is_false(ok)
    assert.matches("stream", err)
  end))

  it("raises in the task that waits on it when it is moved; the new holder reads on", paused(function()
    local tx, s = piped()
    local reader = later(function() return pcall(s.next, s) end)
    local t = s:move()
    tx:send("for the new one")
    assert.equal("for the new one", t:next())
    local ok, err = join(reader)
    assert.is_false(ok)
    assert.matches("moved", err)
  end))

  it("raises in the task that waits on it when it is taken over meanwhile", paused(function()
    local tx, s = piped()
    local reader = later(function() return pcall(s.next, s) end)
    local t = s:map(function(v) return v + 1 end)
    tx:send(1)
    assert.equal(2, t:next())
    local ok, err = join(reader)
    assert.is_false(ok)
    assert.matches("map", err)
  end))

  it("drops the handles in a message that dies in it, as the channel would have", paused(function()
    local tx, rx = weir.mpsc(4)
    local chunked = stream.from(rx):chunks(3)
    local reply_tx, reply = weir.oneshot()
    tx:send(reply_tx)
    local asked_tx, asked = weir.oneshot()
    tx:send { reply = asked_tx:move() }
    assert.same({ nil, "timeout" }, { chunked:next(0) })
    chunked:drop()
    assert.same({ nil, "closed" }, { reply:recv(0) })
    assert.same({ nil, "closed" }, { asked:recv(0) })
  end))

  it("drops the handles in an element that was peeked at, or held for a pair", paused(function()
    for _, name in ipairs { "peekable", "zip" } do
      local tx, rx = weir.mpsc(4)
      local reply_tx, reply = weir.oneshot()
      tx:send(reply_tx)
      local _, quiet = piped()
      local s = stream.from(rx)
      s = s[name](s, quiet)
      if name == "peekable" then s:peek() else s:next(0) end
      assert.same({ nil, "timeout" }, { reply:recv(0) })
      s:drop()
      assert.same({ nil, "closed" }, { reply:recv(0) })
    end
  end))

  it("leaves the handles in an array, and in what a function returned, alone", paused(function()
    local tx, rx = weir.mpsc(4)
    tx:send("a message")
    for _, make in ipairs {
      function(v) return stream.from { v } end,
      function(v) return stream.from(rx):map(function() return v end) end,
    } do
      local reply_tx, reply = weir.oneshot()
      local s = make({ reply = reply_tx }):peekable()
      s:peek()
      s:drop()
      reply_tx:send("still here")
      assert.equal("still here", reply:recv())
    end
  end))

  it("is collected with its source and its waiters, cycles included", paused(function()
    local weak = helper.weak()
    helper.forget(function()
      local tx, s = piped()
      local t = s:timeout(1)
      t:next(0.5)
      tx:send { stream = t }
      weak[1] = t
    end)
    assert.is_nil(weak[1])
  end))
end)

describe("Stream:is_terminated", function()
  it("is false before the end and true after it, for every combinator", paused(function()
    local function id(v) return v end
    local function yes() return true end
    local makers = {
      map = function(s) return s:map(id) end,
      filter = function(s) return s:filter(yes) end,
      filter_map = function(s) return s:filter_map(id) end,
      map_while = function(s) return s:map_while(id) end,
      take_while = function(s) return s:take_while(yes) end,
      skip = function(s) return s:skip(1) end,
      skip_while = function(s) return s:skip_while(function() return false end) end,
      chain = function(s) return s:chain { 9 } end,
      merge = function(s) return s:merge { 9 } end,
      zip = function(s) return s:zip { 9, 9 } end,
      enumerate = function(s) return s:enumerate() end,
      fuse = function(s) return s:fuse() end,
      chunks = function(s) return s:chunks(1) end,
      buffered = function(s) return s:buffered(1, id) end,
    }
    for name, make in pairs(makers) do
      local s = make(stream.from { 1, 2 })
      assert.is_false(s:is_terminated(), name)
      assert.is_true(s:next() ~= nil, name)
      assert.is_false(s:is_terminated(), name)
      s:count()
      assert.is_true(s:is_terminated(), name)
    end
  end))

  it("is true as soon as take has given its last", function()
    local s = stream.from({ 1, 2, 3 }):take(2):map(function(v) return v end)
    s:next()
    assert.is_false(s:is_terminated())
    s:next()
    assert.is_true(s:is_terminated())
  end)

  it("is true of an ended merge only when both have ended", paused(function()
    local tx, s = piped()
    local both = s:merge {}
    assert.same({ nil, "timeout" }, { both:next(0) })
    assert.is_false(both:is_terminated())
    tx:drop()
    assert.same({ nil, "closed" }, { both:next(0) })
    assert.is_true(both:is_terminated())
  end))
end)

describe("every public name of weir.stream", function()
  local function read(path)
    local file <close> = assert(io.open(path))
    return file:read "a"
  end

  it("stands in the reference and in the annotations", function()
    local page, notes = read "docs/reference/stream.md", read "lua/weir/meta/stream.lua"
    local objects = {
      stream = stream,
      Stream = debug.getmetatable(stream.from {}).__index,
      StreamMap = debug.getmetatable(stream.map_of()).__index,
    }
    for object, names in pairs(objects) do
      for name in pairs(names) do
        local separator = object == "stream" and "." or ":"
        assert.is_truthy(notes:find("function " .. object .. separator .. name .. "(", 1, true), name)
        assert.is_truthy(page:find(name .. "(", 1, true), name)
      end
    end
  end)
end)
