-- stream_reading_spec.lua -- consumers, maps of streams, and streams in a select.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local stream = require "weir.stream"
local helper = require "spec.helper"

local paused, settle, later, join = helper.paused, helper.settle, helper.later, helper.join

local function piped(capacity)
  local tx, rx = weir.mpsc(capacity or 8)
  return tx, stream.from(rx)
end

local function send_later(tx, seconds, v)
  return weir.spawn(function(sender)
    weir.sleep(seconds)
    sender:send(v)
  end, tx)
end

describe("Stream:collect", function()
  it("gathers all elements in an array; an empty stream gives an empty one", function()
    assert.same({ 1, 2 }, stream.from({ 1, 2 }):collect())
    assert.same({}, stream.from({}):collect())
  end)

  it("packs elements of several values, and those that begin with nil", paused(function()
    local tx, rx = weir.oneshot()
    tx:send(nil)
    assert.same({ { n = 1 } }, stream.from(rx):collect())
    assert.same({ { 1, 2, n = 2 } }, stream.from({ 1 }):zip({ 2 }):collect())
  end))

  it("passes over gaps", paused(function()
    local tx, s = piped()
    send_later(tx, 5, "late")
    assert.same({ "late" }, s:timeout(1):collect())
  end))

  it("gives back what it has gathered when it is cut short", paused(function()
    local tx, s = piped()
    s = s:map(function(v) return v, "and more" end)
    tx:send(1)
    tx:send(2)
    assert.same({ nil, "timeout" }, { weir.timeout(1, function() return s:collect() end) })
    assert.same({ 1, "and more" }, { s:next() })
    tx:send(3)
    tx:drop()
    assert.same({ { 2, "and more", n = 2 }, { 3, "and more", n = 2 } }, s:collect())
  end))

  it("gives back what it has gathered when a function raises", function()
    local s = stream.from({ 1, 2, 3 }):map(function(v)
      if v == 2 then error "two" end
      return v
    end)
    assert.is_false(pcall(s.collect, s))
    assert.same({ 1, 3 }, s:collect())
  end)

  it("gives way to other tasks", paused(function()
    local ran = false
    weir.spawn(function() ran = true end)
    local n = 0
    stream.from(function()
      n = n + 1
      if not ran and n < 10000 then return n end
    end):collect()
    assert.is_true(ran)
  end))

  it("works outside a task when nothing has to be waited for", function()
    local t = {}
    for i = 1, 1000 do t[i] = i end
    assert.same(t, stream.from(t):collect())
  end)
end)

describe("Stream:fold", function()
  it("hands what f returned on to the next call", function()
    assert.equal("-abc", stream.from({ "a", "b", "c" }):fold("-", function(acc, v) return acc .. v end))
  end)

  it("returns what it was given of an empty stream, nil too", function()
    assert.equal(7, stream.from({}):fold(7, error))
    assert.is_nil(stream.from({}):fold(nil, error))
  end)

  it("gives f all values of an element", function()
    local sum = stream.from({ 10, 20 }):enumerate():fold(0, function(acc, i, v) return acc + i * v end)
    assert.equal(50, sum)
  end)
end)

describe("Stream:all", function()
  it("is true if f holds for every element, and of an empty stream", function()
    assert.is_true(stream.from({ 1, 2 }):all(function(v) return v < 3 end))
    assert.is_true(stream.from({}):all(error))
  end)

  it("is false at the first for which it does not, and leaves the rest", function()
    local s = stream.from { 1, 5, 2 }
    assert.is_false(s:all(function(v) return v < 3 end))
    assert.equal(2, s:next())
  end)
end)

describe("Stream:any", function()
  it("is true at the first element for which f holds, and leaves the rest", function()
    local s = stream.from { 1, 5, 2 }
    assert.is_true(s:any(function(v) return v > 3 end))
    assert.equal(2, s:next())
  end)

  it("is false if there is none", function()
    assert.is_false(stream.from({ 1 }):any(function(v) return v > 3 end))
    assert.is_false(stream.from({}):any(error))
  end)
end)

describe("Stream:count", function()
  it("counts the elements, not the gaps", paused(function()
    local tx, s = piped()
    tx:send(false)
    send_later(tx, 5, 1)
    assert.equal(2, s:timeout(1):count())
  end))
end)

describe("Stream:each", function()
  it("calls f with each element and returns true", function()
    local seen = {}
    assert.is_true(stream.from({ "a", "b" }):enumerate():each(function(i, v) seen[i] = v end))
    assert.same({ "a", "b" }, seen)
  end)

  it("does not let f wait", paused(function()
    local s = stream.from { 1 }
    assert.is_false(pcall(s.each, s, function() weir.sleep(1) end))
  end))

  it("ends with its stream when a task is aborted while it waits", paused(function()
    local tx, s = piped()
    local seen = {}
    local reader = later(function(mine) mine:each(function(v) seen[#seen + 1] = v end) end, s)
    tx:send(1)
    settle()
    reader:abort()
    settle()
    assert.same({ 1 }, seen)
    assert.is_true(tx:is_closed())
  end))
end)

describe("Stream:forward", function()
  it("sends all elements, waiting for room, and returns true", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = weir.spawn(function(sender)
      return stream.from({ 1, 2, 3 }):forward(sender)
    end, tx)
    local got = {}
    for v in rx do got[#got + 1] = v end
    assert.same({ 1, 2, 3 }, got)
    assert.is_true(join(task))
  end))

  it("leaves the sender with its caller", paused(function()
    local tx, rx = weir.mpsc(4)
    assert.is_true(stream.from({ 1 }):forward(tx))
    tx:send(2)
    assert.equal(1, rx:recv())
    assert.equal(2, rx:recv())
  end))

  it("returns nil, 'closed' when the receiver is gone; the unsent element stays", paused(function()
    local tx, rx = weir.mpsc(2)
    local s = stream.from { 1, 2, 3, 4 }
    weir.spawn(function(mine)
      mine:recv()
      weir.sleep(1)
    end, rx)
    assert.same({ nil, "closed" }, { s:forward(tx) })
    assert.equal(4, s:next())
  end))

  it("sees that the receiver is gone while the stream has nothing", paused(function()
    local tx, rx = weir.mpsc(2)
    local _tx, s = piped()
    local task = later(function() return s:forward(tx) end)
    rx:drop()
    assert.same({ nil, "closed" }, { join(task) })
    assert.is_false(_tx:is_closed())
  end))

  it("keeps the element that had no room when it is cut short", paused(function()
    local tx, rx = weir.mpsc(1)
    local s = stream.from { 1, 2, 3 }
    local task = later(function() return s:forward(tx) end)
    task:abort()
    settle()
    assert.equal(1, rx:recv())
    assert.same({ nil, "empty" }, { rx:try_recv() })
    assert.same({ 2, 3 }, s:collect())
  end))

  it("loses and doubles nothing when it is cut short after room was granted", paused(function()
    local tx, rx = weir.mpsc(1)
    local s = stream.from { 1, 2, 3 }
    local task = later(function() return s:forward(tx) end)
    local got = { rx:recv() }
    task:abort()
    settle()
    got[#got + 1] = rx:try_recv()
    for _, v in ipairs(s:collect()) do got[#got + 1] = v end
    assert.same({ 1, 2, 3 }, got)
  end))

  it("raises when the stream is moved while it waits for room, and sends nothing more", paused(function()
    local tx, rx = weir.mpsc(1)
    local s = stream.from { 1, 2, 3 }
    local task = later(function() return pcall(s.forward, s, tx) end)
    local t = s:move()
    local ok, err = join(task)
    assert.is_false(ok)
    assert.matches("moved", err)
    assert.same({ 2, 3 }, t:collect())
    assert.equal(1, rx:recv())
  end))

  it("packs elements of several values", paused(function()
    local tx, rx = weir.mpsc(1)
    stream.from({ "a" }):enumerate():forward(tx)
    assert.same({ 1, "a", n = 2 }, rx:recv())
  end))

  it("feeds a broadcast, a watch and an mpmc as well", paused(function()
    local btx, brx = weir.broadcast(4)
    assert.is_true(stream.from({ 1, 2 }):forward(btx))
    assert.equal(1, brx:recv())
    assert.equal(2, brx:recv())
    local wtx, wrx = weir.watch(0)
    assert.is_true(stream.from({ 1, 2 }):forward(wtx))
    assert.equal(2, wrx:borrow())
    local mtx, mrx = weir.mpmc(2)
    assert.is_true(stream.from({ 3 }):forward(mtx))
    assert.equal(3, mrx:recv())
  end))

  it("refuses what is no sender, at the caller's line", function()
    local s = stream.from { 1 }
    helper.blames(function() s:forward {} end, "bad argument #1 to 'forward'")
    local tx = weir.mpsc(1)
    tx:drop()
    helper.blames(function() s:forward(tx) end, "closed")
    assert.equal(1, s:next())
  end)
end)

describe("stream.map_of", function()
  it("ends at once while it is empty, as often as asked", paused(function()
    local m = stream.map_of()
    assert.equal(0, #m)
    for _ = 1, 2 do assert.same({ nil, "closed" }, { m:next() }) end
    m:insert("k", { 1 })
    assert.same({ "k", 1 }, { m:next() })
    assert.same({ nil, "closed" }, { m:next() })
  end))

  it("gives key and element, wakes for what comes, and lets a stream that ended go", paused(function()
    local tx, s = piped()
    local m = stream.map_of()
    assert.is_nil(m:insert("a", s))
    assert.is_true(m:contains "a")
    local reader = later(function() return m:next() end)
    tx:send("v")
    assert.same({ "a", "v" }, { join(reader) })
    reader = later(function() return m:next() end)
    tx:drop()
    assert.same({ nil, "closed" }, { join(reader) })
    assert.is_false(m:contains "a")
    assert.equal(0, #m)
  end))

  it("gives a removed stream back with its data; under another key it goes on", paused(function()
    local tx, s = piped()
    local m = stream.map_of()
    m:insert("a", s)
    tx:send(1)
    tx:send(2)
    assert.same({ "a", 1 }, { m:next() })
    local back = m:remove "a"
    assert.equal("Stream", weir.type(back))
    assert.is_nil(m:remove "a")
    assert.same({ nil, "closed" }, { m:next() })
    m:insert("b", back)
    assert.same({ "b", 2 }, { m:next() })
  end))

  it("returns the stream that a new one replaces, which feeds the map no more", paused(function()
    local m = stream.map_of()
    m:insert("k", { "old" })
    local old = m:insert("k", { "new" })
    assert.equal(1, #m)
    assert.same({ "k", "new" }, { m:next() })
    assert.equal("old", old:next())
    assert.same({ nil, "closed" }, { m:next() })
  end))

  it("lists its keys", function()
    local m = stream.map_of()
    for _, key in ipairs { "a", 2, true } do m:insert(key, {}) end
    assert.same({ "a", 2, true }, m:keys())
    m:remove(2)
    assert.same({ "a", true }, m:keys())
    assert.is_false(m:contains(2))
    assert.is_false(m:contains(nil))
  end)

  it("takes turns among the streams that are ready", paused(function()
    local m = stream.map_of()
    for _, key in ipairs { "a", "b", "c" } do m:insert(key, { 1, 2 }) end
    local got = {}
    for key, v in m do got[#got + 1] = key .. v end
    assert.same({ "a1", "b1", "c1", "a2", "b2", "c2" }, got)
  end))

  it("finds the one that is ready among ended and pending neighbours", paused(function()
    for ready = 1, 4 do
      local held = {}
      local m = stream.map_of()
      for i = 1, 4 do
        if i == ready then
          m:insert(i, { "ready" })
        elseif i % 2 == 0 then
          m:insert(i, {})
        else
          held[i], held[-i] = piped()
          m:insert(i, held[-i])
        end
      end
      assert.same({ ready, "ready" }, { m:next(0) })
    end
  end))

  it("takes turns after a stream has left it", paused(function()
    local m = stream.map_of()
    m:insert("a", { 1 })
    m:insert("b", { 1, 2, 3 })
    m:insert("c", { 1, 2, 3 })
    local got = {}
    for key, v in m do got[#got + 1] = key .. v end
    assert.same({ "a1", "b1", "c1", "b2", "c2", "b3", "c3" }, got)
  end))

  it("wakes a reader that waits when a stream is inserted", paused(function()
    local _tx, s = piped()
    local m = stream.map_of()
    m:insert("quiet", s)
    local reader = later(function() return m:next() end)
    m:insert("loud", { 1 })
    assert.same({ "loud", 1 }, { join(reader) })
    assert.is_false(_tx:is_closed())
  end))

  it("tells a gap with its key; a for passes over it", paused(function()
    local tx, s = piped()
    local m = stream.map_of()
    m:insert("k", s:timeout(1))
    assert.same({ n = 3, "k", nil, "timeout" }, table.pack(m:next()))
    send_later(tx, 5, "v")
    for key, v in m do assert.same({ "k", "v" }, { key, v }) end
  end))

  it("takes a timeout and loses nothing", paused(function()
    local tx, s = piped()
    local m = stream.map_of()
    m:insert("k", s)
    assert.same({ nil, "timeout" }, { m:next(1) })
    tx:send(1)
    assert.same({ "k", 1 }, { m:next() })
  end))

  it("is a handle: dropping it drops what is in it", function()
    local tx, s = piped()
    local m = stream.map_of()
    assert.equal("StreamMap", weir.type(m))
    m:insert("k", s)
    helper.blames(function() s:next() end, "insert")
    m:drop()
    assert.is_true(tx:is_closed())
    helper.blames(function() m:next() end, "[Mm]ap")
  end)

  it("keeps the order of insertion and asks in turn, however keys come and go", function()
    local m, model, ended, at = stream.map_of(), {}, {}, 0 -- model: the keys; at: whose turn was the last
    local state = 7
    local function random(n)
      state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
      return (state >> 33) % n + 1
    end
    local function position(key)
      for i, k in ipairs(model) do if k == key then return i end end
    end
    local function forget(key)
      local i = position(key)
      ended[key] = nil
      table.remove(model, i)
      if i <= at then at = at - 1 end
    end
    for _ = 1, 3000 do
      local key, what = random(20), random(4)
      if what == 1 then
        if not m:insert(key, function() return true end) then model[#model + 1] = key end
        ended[key] = nil
      elseif what == 2 and m:remove(key) then
        forget(key)
      elseif what == 3 and m:contains(key) then
        m:insert(key, {}) -- it ends, and leaves when it is asked
        ended[key] = true
      elseif what == 4 then
        while #model > 0 and ended[model[at % #model + 1]] do forget(model[at % #model + 1]) end
        at = #model > 0 and at % #model + 1 or 0
        assert.equal(model[at], (m:next()))
      end
      assert.same(model, m:keys())
      assert.equal(#model, #m)
    end
  end)

  it("refuses nil and NaN as keys, and itself", function()
    local m = stream.map_of()
    helper.blames(function() m:insert(nil, {}) end, "bad argument #1 to 'insert'")
    helper.blames(function() m:insert(0 / 0, {}) end, "bad argument #1 to 'insert'")
    helper.blames(function() m:insert("k", m) end, "itself")
    helper.blames(function() m:insert("k", 5) end, "bad argument #2 to 'insert'")
    assert.equal(0, #m)
  end)
end)

describe("StreamMap:next_many", function()
  it("appends up to max elements as { key, values... } and returns how many", paused(function()
    local m = stream.map_of()
    m:insert("a", { 1, 2, 3 })
    m:insert("b", { 1, 2, 3 })
    local t = { "kept" }
    assert.equal(4, m:next_many(t, 4))
    assert.same({ "kept", { "a", 1, n = 2 }, { "b", 1, n = 2 }, { "a", 2, n = 2 }, { "b", 2, n = 2 } }, t)
    assert.equal(2, m:next_many({}, 10))
    assert.same({ 0, "closed" }, { m:next_many({}, 10) })
  end))

  it("waits for one element, not for max", paused(function()
    local tx, s = piped()
    local m = stream.map_of()
    m:insert("k", s)
    local t = {}
    local reader = later(function() return m:next_many(t, 5) end)
    tx:send(1)
    assert.equal(1, join(reader))
    assert.same({ { "k", 1, n = 2 } }, t)
  end))

  it("returns 0 at once for a max of 0, and 0, 'timeout' when the time is over", paused(function()
    local tx, s = piped()
    local m = stream.map_of()
    m:insert("k", s)
    assert.same({ 0 }, { m:next_many({}, 0) })
    assert.same({ 0, "timeout" }, { m:next_many({}, 1, 2) })
    assert.is_false(tx:is_closed())
  end))
end)

describe("weir.select with a Stream", function()
  it("answers with the key and the element's values", paused(function()
    local s = stream.from({ "v" }):enumerate()
    assert.same({ "stream", 1, "v" }, { weir.select { stream = s } })
    assert.same({ "stream", nil, "closed", n = 3 }, table.pack(weir.select { stream = s }))
  end))

  it("waits for a stream and for other things side by side", paused(function()
    local tx, s = piped()
    local began = weir.now()
    local function loop()
      return weir.select { element = s, tick = weir.after(2) }
    end
    assert.equal("tick", (loop()))
    send_later(tx, 1, "came")
    assert.same({ "element", "came" }, { loop() })
    assert.equal(3, weir.now() - began)
  end))

  it("takes nothing from a stream that loses", paused(function()
    local tx, s = piped()
    local drawn = 0
    s = s:map(function(v)
      drawn = drawn + 1
      return v
    end)
    tx:send("kept")
    local ready = weir.after(0)
    weir.sleep(1)
    assert.equal(1, (weir.select_biased { ready, s }))
    assert.equal(0, drawn)
    assert.equal("kept", s:next())
  end))

  it("takes nothing from another branch when the stream wins", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send("kept")
    local s = stream.from { 1 }
    assert.same({ 1, 1 }, { weir.select_biased { s, rx } })
    assert.equal("kept", rx:recv())
  end))

  it("sends nothing when the stream wins, and the value when the send wins", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.equal("s", (weir.select { s = stream.from { 1 }, sent = false }))
    assert.equal(1, (weir.select_biased { stream.from { 1 }, { tx, "no" } }))
    assert.same({ nil, "empty" }, { rx:try_recv() })
    local _tx, quiet = piped()
    assert.same({ "sent", true }, { weir.select { s = quiet, sent = { tx, "yes" } } })
    assert.equal("yes", rx:recv())
    assert.is_false(_tx:is_closed())
  end))

  it("goes on waiting when what woke it gave no element", paused(function()
    local tx, s = piped()
    s = s:filter(function(v) return v > 10 end)
    local task = later(function() return weir.select { s = s, tick = weir.after(5) } end)
    tx:send(1)
    settle()
    assert.is_false(task:is_finished())
    tx:send(11)
    assert.same({ "s", 11 }, { join(task) })
  end))

  it("chooses among ready streams at random, and in order when biased", paused(function()
    local one = stream.from(function() return 1 end)
    local two = stream.from(function() return 2 end)
    local count = { one = 0, two = 0 }
    for _ = 1, 300 do
      local which = weir.select { one = one, two = two }
      count[which] = count[which] + 1
    end
    assert.is_true(count.one > 90 and count.two > 90)
    for _ = 1, 20 do assert.equal(1, (weir.select_biased { one, two })) end
  end))

  it("chooses at random between a stream and a receiver that are both ready", paused(function()
    local tx, rx = weir.mpsc(400)
    for i = 1, 400 do tx:send(i) end
    local s = stream.from(function() return true end)
    local count = { s = 0, rx = 0 }
    for _ = 1, 300 do
      local which = weir.select { s = s, rx = rx }
      count[which] = count[which] + 1
    end
    assert.is_true(count.s > 90 and count.rx > 90)
  end))

  it("maps with a function", paused(function()
    local s = stream.from { 2 }
    assert.same({ "k", 20 }, { weir.select { k = { s, function(v) return v * 10 end } } })
    assert.same({ "k", "closed" }, { weir.select { k = { s, function(_, why) return why end } } })
    helper.blames(function() weir.select { k = { s, 5 } } end, "function")
  end))

  it("tells a gap as nil, 'timeout' of its branch", paused(function()
    local tx, s = piped()
    local timed = s:timeout(1)                          -- held: its collection would close the channel
    assert.same({ n = 3, "s", nil, "timeout" }, table.pack(weir.select { s = timed }))
    assert.is_false(tx:is_closed())
    assert.equal("Stream", weir.type(timed))
  end))

  it("returns nil, 'timeout' after its own time", paused(function()
    local _tx, s = piped()
    local began = weir.now()
    assert.same({ nil, "timeout" }, { weir.select({ s = s, t = weir.after(9) }, 2) })
    assert.equal(2, weir.now() - began)
    assert.same({ nil, "timeout" }, { weir.select({ s = s }, 0) })
    assert.is_false(_tx:is_closed())
  end))

  it("never waits in try_select", function()
    local tx, s = piped()
    assert.same({ nil, "empty" }, { weir.try_select { s = s } })
    tx:try_send(1)
    assert.same({ "s", 1 }, { weir.try_select { s = s } })
  end)

  for name, try in pairs {
    ["'empty' to try_select"] = function(s) return { weir.try_select { s = s } }, "empty" end,
    ["'timeout' to a select of no time"] = function(s) return { weir.select({ s = s }, 0) }, "timeout" end,
  } do
    it("answers " .. name .. " where a filter refuses without end", paused(function()
      local got, why = try(stream.from(function() return true end):filter(function() return false end))
      assert.same({ nil, why }, got)
    end))
  end

  it("goes through many refused elements in try_select", function()
    local n = 0
    local s = stream.from(function()
      n = n + 1
      return n
    end):filter(function(v) return v == 1000 end)
    assert.same({ "s", 1000 }, { weir.try_select { s = s } })
  end)

  it("passes over a disabled branch, and answers nil, 'empty' when none is left", paused(function()
    local s = stream.from { 1 }
    assert.same({ "s", 1 }, { weir.select { s = s, off = false } })
    local ended = { stream.from {}, function() return "nothing" end }
    assert.same({ 2, "nothing" }, { weir.select_biased { false, ended } })
  end))

  it("loses nothing when it is cut short", paused(function()
    local tx, s = piped()
    local chunked = s:chunks(2)
    local task = later(function() return weir.select { s = chunked, t = weir.after(60) } end)
    tx:send(1)
    settle()
    task:abort()
    settle()
    tx:send(2)
    assert.same({ 1, 2 }, chunked:next())
  end))

  it("loses nothing when it is cut short after it was woken", paused(function()
    local tx, s = piped()
    local task = later(function() return weir.select { s = s, t = weir.after(60) } end)
    tx:send(1)
    task:abort()
    settle()
    assert.equal(1, s:next())
  end))

  it("reads a map of streams", paused(function()
    local tx, s = piped()
    local m = stream.map_of()
    m:insert("k", s)
    local task = later(function() return weir.select { m = m, t = weir.after(60) } end)
    tx:send(1)
    assert.same({ "m", "k", 1 }, { join(task) })
  end))

  it("raises at its line where it would have to wait and cannot", function()
    local tx, s = piped()
    helper.blames(function() weir.select { s = s } end, "^select would have to wait")
    assert.is_false(tx:is_closed())
  end)

  it("raises at its line when a stream in it is closed or moved", function()
    local s = stream.from { 1 }
    local t <close> = s:move()
    helper.blames(function() weir.select { s = s, u = t:move() } end, "moved")
  end)

  it("raises when a stream in it is dropped while it waits", paused(function()
    local _tx, s = piped()
    local task = later(function() return pcall(weir.select, { s = s, t = weir.after(60) }) end)
    s:drop()
    local ok, err = join(task)
    assert.is_false(ok)
    assert.matches("stream", err)
    assert.is_true(_tx:is_closed())
  end))

  it("refuses a stream on which another task waits", paused(function()
    local tx, s = piped()
    local first = later(function() return s:next() end)
    helper.blames(function() weir.select { s = s } end, "one reader at a time")
    tx:send(1)
    assert.equal(1, join(first))
  end))

  it("takes the same stream twice for one", paused(function()
    local tx, s = piped()
    local task = later(function() return weir.select_biased { s, s } end)
    tx:send("once")
    assert.same({ 1, "once" }, { join(task) })
  end))

  it("does not disturb math.random", paused(function()
    math.randomseed(7)
    local expected = math.random(1 << 30)
    math.randomseed(7)
    weir.select { a = stream.from { 1 }, b = stream.from { 2 } }
    assert.equal(expected, math.random(1 << 30))
  end))
end)
