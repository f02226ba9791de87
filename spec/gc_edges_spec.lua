-- SPDX-License-Identifier: MIT
-- What handles keep alive once they are dropped, and what finished calls leave behind.

local weir = require "weir"
local helper = require "spec.helper"
local paused = helper.paused

describe("A handle that was dropped", function()
  -- Bytes that n pairs of dropped handles keep, which `use` was given before.
  local function kept(n, make, use)
    local list = table.pack()
    for i = 1, 2 * n do list[i] = false end
    local before = helper.memory()
    for i = 1, n do
      local tx, rx = make()
      use(tx, rx)
      tx:drop()
      rx:drop()
      list[2 * i - 1], list[2 * i] = tx, rx
    end
    local bytes = (helper.memory() - before) * 1024 / n
    assert.equal(2 * n, #list)
    return bytes
  end

  local function idle() end

  local function same(what, make, use)
    it("keeps its channel no longer, though it was waited through before: " .. what, paused(function()
      local inbox, outbox = weir.mpsc(1)
      weir.spawn(function(work) for f in work do f() end end, outbox)     -- one task for all
      local function waits(tx, rx) use(tx, rx, function(f) assert(inbox:send(f)) end) end
      kept(20, make, waits)
      local never, once = kept(200, make, idle), kept(200, make, waits)
      assert.is_true(once < never + 60, ("%.0f bytes, and %.0f if it waited"):format(never, once))
      inbox:drop()
    end))
  end

  local function channel() return weir.mpsc(1) end

  same("recv", channel, function(tx, rx, apart)
    apart(function() assert.equal(1, rx:recv()) end)
    helper.settle()
    assert(tx:send(1))
    helper.settle()
  end)
  same("recv with a timeout", channel, function(tx, rx, apart)
    apart(function() assert.equal(1, rx:recv(10)) end)
    helper.settle()
    assert(tx:send(1))
    helper.settle()
  end)
  same("send", channel, function(tx, rx, apart)
    assert(tx:send(1))
    apart(function() assert(tx:send(2)) end)
    helper.settle()
    assert.equal(1, rx:recv())
    helper.settle()
    assert.equal(2, rx:recv())
  end)
  same("reserve", channel, function(tx, rx, apart)
    assert(tx:send(1))
    apart(function() tx:reserve():drop() end)
    helper.settle()
    assert.equal(1, rx:recv())
    helper.settle()
  end)
  for place = 1, 3 do
    same("select, branch " .. place, channel, function(tx, rx, apart)
      local branches = { weir.notify(), weir.notify(), weir.notify() }
      branches[place] = rx
      apart(function() weir.select(branches) end)
      helper.settle()
      assert(tx:send(1))
      helper.settle()
    end)
  end
  same("oneshot", weir.oneshot, function(tx, rx, apart)
    apart(function() assert.equal(1, rx:recv()) end)
    helper.settle()
    tx:send(1)
    helper.settle()
  end)
  same("watch", function() return weir.watch(0) end, function(tx, rx, apart)
    apart(function() assert(rx:changed()) end)
    helper.settle()
    tx:send(1)
    helper.settle()
  end)
  same("broadcast", function() return weir.broadcast(1) end, function(tx, rx, apart)
    apart(function() assert.equal(1, rx:recv()) end)
    helper.settle()
    tx:send(1)
    helper.settle()
  end)
end)

describe("a handle that was moved while a task waited on it", function()
  it("keeps its channel alive no longer when that wait has ended", function()
    weir.run_paused(function()
      local tx, rx = weir.mpmc(2)
      local gone = setmetatable({}, { __mode = "k" })
      local task = weir.spawn(function() return rx:recv() end)
      weir.yield()
      local message = {}
      gone[message] = true
      tx:send(rx:move())                            -- the channel holds its own receiver
      tx:send(message)
      message = nil                                 -- luacheck: ignore 311
      assert.is_false((task:join()))
      tx:drop()
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(gone))
      assert.equal("closed mpmc.Receiver", weir.type(rx))
    end)
  end)
end)
