-- SPDX-License-Identifier: MIT
-- edges_spec.lua -- promises that hold at the edge of things, one by one.

local weir = require "weir"
local trace = require "weir.trace"
local helper = require "spec.helper"

local paused = helper.paused

describe("mpsc.Sender:call where nobody can wait", function()
  it("says that the channel is closed", function()
    local tx, rx = weir.mpsc(1)
    rx:drop()
    local msg = { 1 }
    assert.same({ nil, "closed" }, { tx:call(msg) })
    assert.same({ 1 }, msg)
  end)

  it("sends with no time to wait, and its reply is refused", function()
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { tx:call({ 1 }, 0) })
    local second = { 2 }
    assert.same({ nil, "timeout" }, { tx:call(second, 0) })         -- full: not sent
    assert.is_nil(second.reply)
    assert.same({ nil, "closed" }, { rx:try_recv().reply:send "late" })
  end)

  it("is an error if it would have to wait", function()
    local tx, rx = weir.mpsc(1)
    helper.blames(function() tx:call {} end, "call would have to wait, but this is no task")
    assert.is_true(rx:is_empty())
  end)
end)

describe("weir.select over the task itself", function()
  it("is an error, as to join it is", paused(function()
    helper.blames(function() weir.select { weir.current() } end, "a task cannot join itself")
    local _, rx = weir.mpsc(1)
    helper.blames(function() weir.select { self = weir.current(), rx } end, "a task cannot join itself")
  end))
end)

describe("a task that is ended", function()
  it("is running while its <close> variables run", paused(function()
    local status
    local task = weir.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() status = weir.current():status() end })
      weir.sleep(9)
    end)
    weir.yield()
    task:abort()
    task:join()
    assert.equal("running", status)
  end))
end)

describe("weir.scope where Lua cannot yield", function()
  it("ends its tasks when its body raises", paused(function()
    local task
    table.sort({ 1, 2 }, function()
      local ok, err = pcall(weir.scope, function(scope)
        task = scope:spawn(weir.sleep, 100)
        error("body", 0)
      end)
      assert.same({ false, "body" }, { ok, err })
      return false
    end)
    weir.yield()
    assert.same({ false, "aborted" }, { task:join(0) })
  end))
end)

describe("the virtual clock", function()
  it("is not moved past every time", function()
    weir.run_paused(function()
      helper.blames(function() weir.advance(math.huge) end, "bad argument #1 to 'advance' %(a finite time")
      weir.advance(1e308)
      helper.blames(function() weir.advance(1.7e308) end, "a finite time")
    end)
    weir.run(function()
      local timer = weir.after(0.001)
      assert.is_true(timer:wait(1))
    end)
  end)

  it("never comes to the end of a sleep that is longer than it can count", function()
    local ok, err = pcall(weir.run_paused, function()
      weir.sleep(1e308)
      weir.sleep(1.7e308)
    end)
    assert.is_false(ok)
    assert.matches("^deadlock:", err)
  end)
end)

describe("time after virtual clocks that went very far", function()
  it("is what it was", function()
    for _ = 1, 3 do weir.run_paused(weir.sleep, 1e308) end
    weir.run(function()
      local timer, began = weir.after(0.002), weir.now()
      assert.is_true(timer:deadline() - began <= 0.01)
      assert.is_true(timer:wait(1))
      assert.is_true(weir.now() - began < 1)
      local ticks = weir.interval(0.001)
      for _ = 1, 3 do assert.is_true(ticks:tick() <= weir.now()) end
      assert.is_true(weir.now() - began >= 0.004)
    end)
  end)
end)

describe("a receiver on which a task waits that is to end", function()
  it("is free for the next already", paused(function()
    local tx, rx = weir.mpsc(1)
    local first = weir.spawn(function() rx:recv() end)
    weir.yield()
    helper.blames(function() rx:recv() end, "another task waits on this receiver")
    first:abort()
    weir.spawn(function() tx:send "for the second" end)
    assert.equal("for the second", rx:recv())
    assert.same({ false, "aborted" }, { first:join() })
  end))
end)

describe("a moved receiver that is kept, through which a task waited", function()
  for what, wait in pairs {
    ["recv"] = function(rx) rx:recv() end,
    ["recv with a time"] = function(rx) rx:recv(100) end,
    ["select"] = function(rx) weir.select { rx, weir.after(100) } end,
    ["a select with names"] = function(rx) weir.select { a = rx, b = weir.after(100) } end,
  } do
    it("does not keep its channel once that was aborted: " .. what, paused(function()
      local tx, rx = weir.mpsc(2)
      local sender, receiver = weir.mpmc(2)
      local task = weir.spawn(function() wait(receiver) end)
      weir.yield()
      sender:send(tx:reserve())
      assert.is_true(sender:try_send(receiver))   -- into its own channel: nothing else keeps that
      task:abort()
      task:join()
      sender = nil
      helper.collect()
      assert.is_nil(sender)
      assert.equal(2, tx:capacity())
      assert.is_true(rx:is_empty())
      assert.matches("was moved", tostring(receiver))
    end))
  end
end)

describe("weir.tasks", function()
  it("can be asked by a finalizer while a task ends, and spawns", paused(function()
    local counts = {}
    for round = 1, 20 do
      local armed = true
      setmetatable({}, { __gc = function()
        if not armed then return end
        for _ = 1, 20 do weir.spawn(function() end) end
        counts[round] = #weir.tasks()
      end })
      local task = weir.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() collectgarbage() end })
        return weir.tasks()
      end)
      task:join()
      armed = false
    end
    assert.is_true(#counts > 0)
  end))
end)

describe("a trace", function()
  it("is UTF-8 whatever the tasks are called", function()
    local path = os.tmpname()
    trace.start(path)
    weir.run_paused(function()
      for _, name in ipairs { "\xff", "a\xc3", "\xe2\x82", "\xed\xa0\x80", "\xc0\x80", "\xf5\x80\x80\x80",
        "good: \u{e9}\u{20ac}\u{1f600}" } do
        local task = weir.spawn(weir.yield)
        task:name(name)
        task:join()
      end
    end)
    trace.stop()
    local file <close> = assert(io.open(path))
    local text = file:read "a"
    os.remove(path)
    assert.is_truthy(utf8.len(text))
    assert.matches("good: \u{e9}\u{20ac}\u{1f600}", text, 1, true)
    assert.matches("\\ufffd", text, 1, true)
  end)
end)

describe("a moved broadcast receiver", function()
  it("says how to keep one", paused(function()
    local tx, rx = weir.broadcast(1)
    weir.spawn(function() end, rx)
    helper.blames(function() rx:try_recv() end, "pass rx:resubscribe%(%) or tx:subscribe%(%) to keep one")
    assert.equal("broadcast.Receiver", weir.type(tx:subscribe()))
  end))
end)
