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
      local other = s:next(0)
      local got = received(rx)
      assert.equal("full", table.remove(got, 1))
      if other then table.insert(got, other) end
      table.sort(got)
      assert.same({ 1, 2, 3, 4 }, got)
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

