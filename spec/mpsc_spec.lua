-- SPDX-License-Identifier: MIT
-- mpsc_spec.lua -- the bounded channel: capacity, send, recv, batches, closing, what is dropped.
-- Long because each row of the reference's two tables has its own group; permits, reservations and
-- weak senders stand in permit_spec.lua.

local weir = require "weir"

local huge = math.huge

-- A claim's body as the first task, on the virtual clock.
local function in_task(body)
  return function() weir.run_paused(body) end
end

-- Spawns f and lets it run up to its first wait.
local function later(f, ...)
  local task = weir.spawn(f, ...)
  weir.yield()
  return task
end

-- The results of a task; its error is raised here.
local function join(task)
  local r = table.pack(task:join())
  if not r[1] then error(r[2], 0) end
  return table.unpack(r, 2, r.n)
end

-- The error of f, which must be a sentence that names a line of this file.
local function raises(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("mpsc_spec%.lua:%d+: %S", err)
  return err
end

local function drain(rx)
  local got = {}
  while true do
    local v = rx:try_recv()
    if v == nil then return got end
    got[#got + 1] = v
  end
end

local function full_channel()
  local tx, rx = weir.mpsc(1)
  assert(tx:try_send("first"))
  return tx, rx
end

-- What f returns, run in a callback of C code that cannot be yielded across.
local function where_lua_cannot_yield(f)
  local r
  string.gsub("x", "x", function() r = table.pack(f()) end)
  return table.unpack(r, 1, r.n)
end

-- A weak table of n fresh values, each of which was given to f.
local function weakly(n, f)
  local weak = setmetatable({}, { __mode = "v" })
  for i = 1, n do
    local v = {}
    weak[i] = v
    f(v)
  end
  return weak
end

-- Some tasks here fail on purpose, before anybody joins them.
local hook
setup(function() hook = weir.on_error(function() end) end)
teardown(function() weir.on_error(hook) end)

describe("weir.mpsc", function()
  it("returns a sender and a receiver", function()
    local tx, rx = weir.mpsc(1)
    assert.equal("mpsc.Sender", weir.type(tx))
    assert.equal("mpsc.Receiver", weir.type(rx))
  end)

  it("has no default capacity", function()
    raises(function() weir.mpsc() end)
    raises(function() weir.mpsc(nil) end)
  end)

  for _, bad in ipairs { 0, -1, 1.5, 2 ^ 31, huge, -huge, 0 / 0 } do
    it("refuses a capacity of " .. tostring(bad), function()
      raises(function() weir.mpsc(bad) end)
    end)
  end

  it("refuses a capacity that is not a number", function()
    raises(function() weir.mpsc({}) end)
    raises(function() weir.mpsc(true) end)
  end)

  it("takes memory for what is buffered, not for its capacity", function()
    collectgarbage()
    local before = collectgarbage("count")
    local tx, rx = weir.mpsc(2 ^ 31 - 1)
    assert(tx:try_send("one"))
    assert.is_true(collectgarbage("count") - before < 16)
    assert.equal("one", rx:try_recv())
  end)

  for _, n in ipairs { 1, 2, 3, 255, 256, 257, 1000 } do
    it("has room for exactly " .. n, function()
      local tx, rx = weir.mpsc(n)
      for i = 1, n do assert.is_true(tx:try_send(i)) end
      assert.same({ nil, "full" }, { tx:try_send("over") })
      for i = 1, n do assert.equal(i, rx:try_recv()) end
      assert.same({ nil, "empty" }, { rx:try_recv() })
    end)
  end

  it("names kind and state in tostring", function()
    local tx, rx = weir.mpsc(2)
    assert.matches("mpsc.Sender", tostring(tx), 1, true)
    assert.matches("mpsc.Receiver", tostring(rx), 1, true)
    tx:close()
    rx:drop()
    assert.matches("closed", tostring(tx), 1, true)
    assert.matches("closed", tostring(rx), 1, true)
  end)
end)

describe("mpsc.Sender:send", function()
  it("returns true at once where there is room", in_task(function()
    local tx, rx = weir.mpsc(1)
    local other = false
    weir.spawn(function() other = true end)
    assert.is_true(tx:send("a"))
    assert.is_false(other)
    assert.equal("a", rx:recv())
  end))

  it("works outside a task where it need not wait", function()
    local tx, rx = weir.mpsc(1)
    assert.is_true(tx:send("a"))
    assert.equal("a", rx:recv())
  end)

  it("raises outside a task where it would wait, and sends nothing", function()
    local tx, rx = full_channel()
    raises(function() tx:send("second") end)
    assert.same({ "first" }, drain(rx))
  end)

  it("takes false for a message", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send(false)
    assert.is_false(rx:recv())
  end))

  it("refuses nil", function()
    local tx, rx = weir.mpsc(1)
    raises(function() tx:send(nil) end)
    raises(function() tx:send() end)
    assert.equal(0, #rx)
  end)

  it("hands over the very same value", in_task(function()
    local tx, rx = weir.mpsc(4)
    local t, f = {}, function() end
    tx:send(t)
    tx:send(f)
    tx:send(weir.current())
    assert.equal(t, rx:recv())
    assert.equal(f, rx:recv())
    assert.equal(weir.current(), rx:recv())
  end))

  it("waits for room", in_task(function()
    local tx, rx = full_channel()
    local task = later(function() return tx:send("second") end)
    assert.equal("waiting", task:status())
    assert.equal("first", rx:recv())
    assert.is_true(join(task))
    assert.equal("second", rx:recv())
  end))

  it("keeps the order of sending through many waits", in_task(function()
    local tx, rx = weir.mpsc(3)
    weir.spawn(function(sender)
      for i = 1, 1000 do sender:send(i) end
    end, tx)
    local i = 0
    for v in rx do
      i = i + 1
      assert.equal(i, v)
    end
    assert.equal(1000, i)
  end))

  it("serves waiting senders first come, first served", in_task(function()
    local tx, rx = full_channel()
    for i = 1, 20 do later(function() tx:send(i) end) end
    assert.equal("first", rx:recv())
    for i = 1, 20 do assert.equal(i, rx:recv()) end
  end))

  it("does not overtake a sender in line", in_task(function()
    local tx, rx = full_channel()
    later(function() tx:send("second") end)
    rx:try_recv()
    later(function() tx:send("third") end)
    assert.equal("second", rx:recv())
    assert.equal("third", rx:recv())
  end))

  it("returns nil, 'closed' after rx:close()", in_task(function()
    local tx, rx = weir.mpsc(1)
    rx:close()
    assert.same({ nil, "closed" }, { tx:send("a") })
  end))

  it("returns nil, 'closed' after the receiver is dropped", in_task(function()
    local tx, rx = weir.mpsc(1)
    rx:drop()
    assert.same({ nil, "closed" }, { tx:send("a") })
    assert.same({ nil, "closed" }, { tx:send("a", 0) })
  end))

  it("answers closed before full", in_task(function()
    local tx, rx = full_channel()
    rx:close()
    assert.same({ nil, "closed" }, { tx:send("second") })
  end))

  it("is refused when the receiver is closed while it waits", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() return tx:send("a") end)
    local b = later(function() return tx:send("b") end)
    rx:close()
    assert.same({ nil, "closed" }, { join(a) })
    assert.same({ nil, "closed" }, { join(b) })
    assert.same({ "first" }, drain(rx))
  end))

  it("is refused when the receiver is dropped while it waits", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() return tx:send("a") end)
    rx:drop()
    assert.same({ nil, "closed" }, { join(a) })
  end))

  it("is refused when the receiver is collected while it waits", in_task(function()
    local tx = full_channel()
    local a = later(function() return tx:send("a") end)
    collectgarbage()
    collectgarbage()
    assert.same({ nil, "closed" }, { join(a) })
  end))

  it("still sends if room was granted before the receiver closed", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() return tx:send("a") end)
    assert.equal("first", rx:try_recv())
    rx:close()
    assert.equal("a", rx:recv())
    assert.is_true(join(a))
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("keeps an empty closed channel open for a sender that was granted room", in_task(function()
    local tx, rx = full_channel()
    later(function() return tx:send("a") end)
    rx:try_recv()
    rx:close()
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end))

  it("aborted while it waits has sent nothing and leaves its place", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() tx:send("a") end)
    later(function() tx:send("b") end)
    a:abort()
    assert.same({ false, "aborted" }, { a:join() })
    assert.equal(1, rx:stats().waiting_senders)
    assert.equal("first", rx:recv())
    assert.equal("b", rx:recv())
  end))

  it("aborted after the grant gives the room to the next in line", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() tx:send("a") end)
    local b = later(function() return tx:send("b") end)
    rx:try_recv()
    a:abort()
    assert.is_true(join(b))
    assert.same({ false, "aborted" }, { a:join() })
    assert.same({ "b" }, drain(rx))
  end))

  it("aborted after the grant gives the room back if nobody is in line", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() tx:send("a") end)
    rx:try_recv()
    a:abort()
    a:join()
    assert.equal(1, tx:capacity())
    assert.is_true(tx:try_send("b"))
    assert.same({ "b" }, drain(rx))
  end))

  it("aborted after the grant ends a receiver that waits on the closed channel", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() tx:send("a") end)
    rx:try_recv()
    rx:close()
    local r = weir.spawn(function() return rx:recv() end)
    a:abort()
    assert.same({ nil, "closed" }, { join(r) })
  end))

  it("gives up on its own timeout, on time, and has sent nothing", in_task(function()
    local tx, rx = full_channel()
    local start = weir.now()
    assert.same({ nil, "timeout" }, { tx:send("a", 2.5) })
    assert.is_near(2.5, weir.now() - start, 1e-6)
    assert.equal(0, tx:stats().waiting_senders)
    assert.same({ "first" }, drain(rx))
  end))

  it("gives up its place when its time is over", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() return tx:send("a", 1) end)
    later(function() tx:send("b") end)
    assert.same({ nil, "timeout" }, { join(a) })
    rx:try_recv()
    assert.equal("b", rx:recv())
  end))

  it("succeeds when room comes before its timeout", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() return tx:send("a", 2) end)
    weir.sleep(1)
    assert.equal("first", rx:recv())
    assert.is_true(join(a))
    assert.equal("a", rx:recv())
  end))

  it("either sends or times out when both fall due at once, never both", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() return tx:send("a", 1) end)
    rx:try_recv()
    weir.advance(2)
    local ok, why = join(a)
    if ok then
      assert.same({ "a" }, drain(rx))
    else
      assert.equal("timeout", why)
      assert.same({}, drain(rx))
    end
    assert.equal(1, tx:capacity())
  end))

  it("polls once with a timeout of 0", in_task(function()
    local tx, rx = weir.mpsc(1)
    assert.is_true(tx:send("a", 0))
    assert.same({ nil, "timeout" }, { tx:send("b", 0) })
    assert.same({ "a" }, drain(rx))
  end))

  it("refuses a negative or NaN timeout, even where it need not wait", function()
    local tx, rx = weir.mpsc(1)
    raises(function() tx:send("a", -1) end)
    raises(function() tx:send("a", 0 / 0) end)
    assert.equal(0, #rx)
  end)

  it("waits without end for a timeout of math.huge", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() return tx:send("a", huge) end)
    weir.sleep(1e6)
    rx:recv()
    assert.is_true(join(a))
  end))

  it("cut short by weir.timeout has sent nothing", in_task(function()
    local tx, rx = full_channel()
    assert.same({ nil, "timeout" }, { weir.timeout(1, function() return tx:send("a") end) })
    assert.equal(0, tx:stats().waiting_senders)
    assert.same({ "first" }, drain(rx))
  end))

  it("granted room in the turn weir.timeout ends has sent once or not at all", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() return weir.timeout(1, function() return tx:send("a") end) end)
    rx:try_recv()
    weir.advance(1)
    local ok = join(a)
    assert.same(ok and { "a" } or {}, drain(rx))
    assert.equal(1, tx:capacity())
  end))

  it("raises where Lua cannot yield if it would wait, and sends nothing", in_task(function()
    local tx, rx = full_channel()
    where_lua_cannot_yield(function()
      raises(function() tx:send("a") end)
    end)
    assert.same({ "first" }, drain(rx))
  end))

  it("works where Lua cannot yield if it need not wait, however often", in_task(function()
    local tx, rx = weir.mpsc(1000)
    where_lua_cannot_yield(function()
      for i = 1, 1000 do assert(tx:send(i)) end
    end)
    assert.equal(1000, #rx)
  end))

  it("raises in a plain coroutine where it would wait, with a word about weir.wrap", in_task(function()
    local tx, rx = full_channel()
    local ok, err = coroutine.resume(coroutine.create(function() tx:send("a") end))
    assert.is_false(ok)
    assert.matches("weir.wrap", err, 1, true)
    assert.same({ "first" }, drain(rx))
    assert.is_true(coroutine.resume(coroutine.create(function() tx:send("b") end)))
    assert.same({ "b" }, drain(rx))
  end))

  it("gives way once in a while though it never has to wait", in_task(function()
    local tx, rx = weir.mpsc(10000)
    local other = false
    weir.spawn(function() other = true end)
    for i = 1, 1000 do tx:send(i) end
    assert.is_true(other)
    assert.equal(1000, #rx)
  end))

  it("does not give way before it has completed many operations", in_task(function()
    local tx, rx = weir.mpsc(10000)
    weir.yield()
    local other = false
    weir.spawn(function() other = true end)
    for i = 1, 100 do tx:send(i) end
    assert.is_false(other)
    assert.equal(100, #rx)
  end))

  it("raises on a closed sender and on a value that is no sender", function()
    local tx, rx = weir.mpsc(1)
    raises(function() tx.send(rx, 1) end)
    raises(function() tx.send(nil, 1) end)
    raises(function() tx.send({}, 1) end)
    tx:close()
    raises(function() tx:send(1) end)
  end)

  it("raises in the task that waits if its handle is dropped meanwhile", in_task(function()
    local tx, rx = full_channel()
    local keep = tx:clone()
    local task = later(function() raises(function() tx:send("a") end) end)
    tx:drop()
    join(task)
    assert.is_false(keep:is_closed())
    assert.same({ "first" }, drain(rx))
  end))

  it("raises in the task that waits if its handle is moved meanwhile", in_task(function()
    local tx, rx = full_channel()
    local task = later(function() raises(function() tx:send("a") end) end)
    local moved = tx:move()
    join(task)
    assert.equal("mpsc.Sender", weir.type(moved))
    assert.same({ "first" }, drain(rx))
  end))
end)

describe("an mpsc.Sender that is spent while it waits", function()
  it("raises, and the room it was granted goes to the next in line", in_task(function()
    for _, way in ipairs { "drop", "move" } do
      local tx, rx = full_channel()
      local first = tx:clone()
      local a = later(function() return pcall(first.send, first, "a") end)
      local b = later(function() return tx:send("b") end)
      rx:try_recv()
      first[way](first)
      if join(a) then assert.equal("a", rx:recv()) end
      assert.is_true(join(b))
      assert.same({ "b" }, drain(rx))
      assert.equal(1, tx:capacity())
    end
  end))

  it("lets those behind it in if it stood first in line", in_task(function()
    local tx, rx = full_channel()
    local first = tx:clone()
    local a = later(function() raises(function() first:send("a") end) end)
    local b = later(function() return tx:send("b") end)
    first:drop()
    join(a)
    rx:recv()
    assert.is_true(join(b))
  end))
end)

describe("mpsc.Sender:try_send", function()
  it("sends where there is room", function()
    local tx, rx = weir.mpsc(1)
    assert.is_true(tx:try_send("a"))
    assert.equal("a", rx:try_recv())
  end)

  it("returns nil, 'full' and works again after a receive", function()
    local tx, rx = full_channel()
    assert.same({ nil, "full" }, { tx:try_send("a") })
    rx:try_recv()
    assert.is_true(tx:try_send("a"))
  end)

  it("returns nil, 'closed' after rx:close() though there is room", function()
    local tx, rx = weir.mpsc(2)
    rx:close()
    assert.same({ nil, "closed" }, { tx:try_send("a") })
  end)

  it("returns nil, 'closed' on a channel both full and closed", function()
    local tx, rx = full_channel()
    rx:close()
    assert.same({ nil, "closed" }, { tx:try_send("a") })
  end)

  it("returns nil, 'closed' after the receiver is dropped", function()
    local tx, rx = full_channel()
    rx:drop()
    assert.same({ nil, "closed" }, { tx:try_send("a") })
  end)

  it("refuses nil and takes false", function()
    local tx, rx = weir.mpsc(1)
    raises(function() tx:try_send(nil) end)
    assert.is_true(tx:try_send(false))
    assert.is_false(rx:try_recv())
  end)

  it("is 'full' while the freed slot belongs to a sender that has not run yet", in_task(function()
    local tx, rx = full_channel()
    local a = later(function() return tx:send("a") end)
    rx:try_recv()
    assert.equal(0, #rx)
    assert.same({ nil, "full" }, { tx:try_send("thief") })
    assert.is_true(join(a))
    assert.same({ "a" }, drain(rx))
  end))

  it("never gives way", in_task(function()
    local tx, rx = weir.mpsc(10000)
    local other = false
    weir.spawn(function() other = true end)
    for i = 1, 1000 do tx:try_send(i) end
    assert.is_false(other)
    assert.equal(1000, #rx)
  end))

  it("wakes a receiver that waits, but never inside the call", in_task(function()
    local tx, rx = weir.mpsc(1)
    local got
    local task = later(function() got = rx:recv() end)
    tx:try_send("a")
    assert.is_nil(got)
    join(task)
    assert.equal("a", got)
  end))
end)

describe("mpsc capacity", function()
  it("falls with what is buffered and rises with what is received", function()
    local tx, rx = weir.mpsc(2)
    assert.equal(2, tx:capacity())
    tx:try_send(1)
    assert.equal(1, tx:capacity())
    tx:try_send(2)
    assert.equal(0, tx:capacity())
    rx:try_recv()
    assert.equal(1, rx:capacity())
  end)

  it("falls with permits and rises when they are released", function()
    local tx, rx = weir.mpsc(3)
    local p = tx:try_reserve()
    local q = tx:try_reserve_many(2)
    assert.equal(0, rx:capacity())
    p:release()
    assert.equal(1, tx:capacity())
    q:release()
    assert.equal(3, tx:capacity())
  end)

  it("is 0 while anyone is in line, though a slot was freed", in_task(function()
    local tx, rx = full_channel()
    later(function() tx:send("a") end)
    rx:try_recv()
    assert.equal(0, tx:capacity())
    assert.equal(0, rx:capacity())
  end))

  it("is 0 when the channel is closed", function()
    local tx, rx = weir.mpsc(4)
    rx:close()
    assert.equal(0, tx:capacity())
    assert.equal(0, rx:capacity())
  end)

  it("as created is what max_capacity says, always and on both sides", function()
    local tx, rx = weir.mpsc(7)
    tx:try_send(1)
    local p = tx:try_reserve()
    assert.equal(7, tx:max_capacity())
    assert.equal(7, rx:max_capacity())
    assert.equal("integer", math.type(tx:max_capacity()))
    p:drop()
  end)

  it("is exact again after every way of giving a place up", in_task(function()
    local tx, rx = weir.mpsc(2)
    tx:send(1)
    tx:send(2)
    later(function() tx:send(3) end):abort()
    tx:send(4, 0)
    tx:send(5, 1)
    weir.timeout(1, function() tx:send(6) end)
    weir.select({ { tx, 7 } }, 1)
    weir.yield()
    assert.same({ 1, 2 }, drain(rx))
    assert.equal(2, tx:capacity())
  end))
end)

describe("mpsc.Sender:clone", function()
  it("makes another strong sender of the same channel", function()
    local tx, rx = weir.mpsc(2)
    local other = tx:clone()
    assert.equal("mpsc.Sender", weir.type(other))
    assert.are_not.equal(tx, other)
    tx:try_send("a")
    other:try_send("b")
    assert.same({ "a", "b" }, drain(rx))
  end)

  it("keeps the channel open when the original is dropped", in_task(function()
    local tx, rx = weir.mpsc(1)
    local other = tx:clone()
    tx:drop()
    assert.same({ nil, "empty" }, { rx:try_recv() })
    other:drop()
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("raises on a dropped sender", function()
    local tx, rx = weir.mpsc(1)
    tx:drop()
    raises(function() tx:clone() end)
    assert.is_true(rx:is_closed())
  end)

  it("works on a channel whose receiver is closed", function()
    local tx, rx = weir.mpsc(1)
    rx:close()
    assert.is_true(tx:clone():is_closed())
  end)
end)

describe("mpsc counts", function()
  it("strong_count counts senders, from both sides", function()
    local tx, rx = weir.mpsc(1)
    assert.equal(1, tx:strong_count())
    local other = tx:clone()
    assert.equal(2, tx:strong_count())
    assert.equal(2, rx:strong_count())
    other:drop()
    assert.equal(1, rx:strong_count())
    tx:drop()
    assert.equal(0, rx:strong_count())
  end)

  it("weak_count counts weak senders, from both sides", function()
    local tx, rx = weir.mpsc(1)
    assert.equal(0, tx:weak_count())
    local w = tx:weak()
    local w2 = w:clone()
    assert.equal(2, tx:weak_count())
    assert.equal(2, rx:weak_count())
    w:drop()
    w2:drop()
    assert.equal(0, rx:weak_count())
  end)

  it("same_channel tells clones from strangers", function()
    local tx, rx = weir.mpsc(1)
    local stranger = weir.mpsc(1)
    assert.is_true(tx:same_channel(tx:clone()))
    assert.is_true(tx:same_channel(tx))
    assert.is_false(tx:same_channel(stranger))
    assert.is_false(rx:is_closed())
  end)
end)

describe("mpsc.Sender:close", function()
  it("drops this sender: the last one closes the channel after what is buffered", in_task(function()
    local tx, rx = weir.mpsc(2)
    tx:send("a")
    tx:close()
    assert.equal("closed mpsc.Sender", weir.type(tx))
    assert.equal("a", rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("is idempotent, as drop is", function()
    local tx, rx = weir.mpsc(1)
    local other = tx:clone()
    tx:close()
    tx:close()
    tx:drop()
    tx:drop()
    assert.equal(1, rx:strong_count())
    assert.is_false(other:is_closed())
  end)

  it("happens at the end of a <close> scope", function()
    local tx, rx = weir.mpsc(1)
    do
      local sender <close> = tx
      sender:try_send("a")
    end
    assert.equal("closed mpsc.Sender", weir.type(tx))
    assert.equal("a", rx:try_recv())
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end)

  it("wakes a receiver that waits", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    tx:close()
    assert.same({ nil, "closed" }, { join(task) })
  end))

  it("of one of two senders wakes nobody", in_task(function()
    local tx, rx = weir.mpsc(1)
    local other = tx:clone()
    local task = later(function() return rx:recv() end)
    tx:close()
    weir.yield()
    assert.equal("waiting", task:status())
    other:send("a")
    assert.equal("a", join(task))
  end))

  it("is done by the collector at the latest", in_task(function()
    local rx = select(2, weir.mpsc(1))
    collectgarbage()
    collectgarbage()
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("is done at the end of the task that owns it, though a variable still holds it", in_task(function()
    local tx, rx = weir.mpsc(1)
    local kept
    later(function(sender) kept = sender end, tx)
    assert.same({ nil, "closed" }, { rx:recv() })
    assert.equal("closed mpsc.Sender", weir.type(kept))
  end))
end)

describe("mpsc.Sender:closed", function()
  it("returns true at once if the receiver is closed", in_task(function()
    local tx, rx = weir.mpsc(1)
    rx:close()
    assert.is_true(tx:closed())
    assert.is_true(tx:closed(0))
  end))

  it("returns true at once if the receiver is gone, outside a task too", function()
    local tx, rx = weir.mpsc(1)
    rx:drop()
    assert.is_true(tx:closed())
  end)

  it("waits for rx:close() and does not wait for what is buffered", in_task(function()
    local tx, rx = full_channel()
    local task = later(function() return tx:closed() end)
    assert.equal("waiting", task:status())
    rx:close()
    assert.is_true(join(task))
    assert.equal(1, #rx)
  end))

  it("waits for the drop of the receiver", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return tx:closed() end)
    rx:drop()
    assert.is_true(join(task))
  end))

  it("wakes every sender that waits for it", in_task(function()
    local tx, rx = weir.mpsc(1)
    local other = tx:clone()
    local a = later(function() return tx:closed() end)
    local b = later(function() return other:closed() end)
    local c = later(function() return other:closed(9) end)
    rx:close()
    assert.is_true(join(a))
    assert.is_true(join(b))
    assert.is_true(join(c))
  end))

  it("returns nil, 'timeout' and leaves the channel as it was", in_task(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { tx:closed(1) })
    assert.same({ nil, "timeout" }, { tx:closed(0) })
    assert.is_true(tx:try_send("a"))
    assert.equal(1, #rx)
  end))

  it("may be aborted before and after it was woken", in_task(function()
    local tx, rx = weir.mpsc(1)
    local a = later(function() return tx:closed() end)
    local b = later(function() return tx:closed() end)
    a:abort()
    assert.same({ false, "aborted" }, { a:join() })
    rx:close()
    b:abort()
    assert.same({ false, "aborted" }, { b:join() })
    assert.is_true(tx:closed())
  end))

  it("does not disturb a send that waits at the same time", in_task(function()
    local tx, rx = full_channel()
    local c = later(function() return tx:closed() end)
    local s = later(function() return tx:send("second") end)
    rx:recv()
    assert.is_true(join(s))
    assert.equal("waiting", c:status())
  end))

  it("raises in the task that waits if its handle is dropped meanwhile", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() raises(function() tx:closed() end) end)
    tx:drop()
    join(task)
    assert.same({ nil, "closed" }, { rx:recv() })
  end))
end)

describe("mpsc.Sender:is_closed", function()
  it("is false while the receiver lives, full or not", function()
    local tx, rx = full_channel()
    assert.is_false(tx:is_closed())
    assert.equal(1, #rx)
  end)

  it("is true after rx:close() and after its drop", function()
    local tx, rx = weir.mpsc(1)
    rx:close()
    assert.is_true(tx:is_closed())
    local tx2, rx2 = weir.mpsc(1)
    rx2:drop()
    assert.is_true(tx2:is_closed())
  end)
end)

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
      repeat ok, why = tx:send({ {}, {} }) until not ok
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
