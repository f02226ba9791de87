-- SPDX-License-Identifier: MIT
-- budget_spec.lua -- a busy task gives way once after 128 operations in a row, and nobody is starved.

local weir = require "weir"
local helper = require "spec.helper"

local paused = helper.paused

local BUDGET = 128

-- Runs `operation` 4 * BUDGET times in a fresh task beside another task; returns how many were
-- complete when the other task had its first turn, nil if it had none meanwhile.
local function beside(operation)
  local done, seen = 0, nil
  local busy = weir.spawn(function()
    weir.spawn(function() seen = done end)
    for _ = 1, 4 * BUDGET do
      operation()
      done = done + 1
    end
    return seen
  end)
  return helper.join(busy)
end

describe("an operation that may wait and is always ready", function()
  local operations = {
    ["tx:send"] = function()
      local tx, rx = weir.mpsc(1000)
      return function() return tx:send(1), rx end
    end,
    ["rx:recv"] = function()
      local tx, rx = weir.mpsc(1000)
      for i = 1, 600 do tx:try_send(i) end
      return function() rx:recv() end
    end,
    ["tx:send, unbounded"] = function()
      local tx, rx = weir.unbounded()
      return function() return tx:send(1), rx end
    end,
    ["tx:reserve"] = function()
      local tx, rx = weir.mpsc(1000)
      return function() return tx:reserve():release(), rx end
    end,
    ["task:join"] = function()
      local task = helper.later(function() end)
      return function() task:join() end
    end,
    ["semaphore:acquire"] = function()
      local semaphore = weir.semaphore(1)
      return function() semaphore:acquire():release() end
    end,
    ["mutex:lock"] = function()
      local mutex = weir.mutex()
      return function() mutex:lock():unlock() end
    end,
    ["token:cancelled"] = function()
      local token = weir.cancellation_token()
      token:cancel()
      return function() token:cancelled() end
    end,
    ["timer:wait"] = function()
      local timer = weir.after(0)
      timer:wait()
      return function() timer:wait() end
    end,
    ["weir.select"] = function()
      local tx, rx = weir.mpsc(1000)
      for i = 1, 600 do tx:try_send(i) end
      return function() weir.select { rx } end
    end,
    ["tx:closed"] = function()
      local tx, rx = weir.mpsc(1)
      rx:close()
      return function() tx:closed() end
    end,
    ["watch wait_for"] = function()
      local tx, rx = weir.watch(1)
      return function() return rx:wait_for(function() return true end), tx end
    end,
    ["set:join_next"] = function()
      local set = weir.join_set()
      for _ = 1, 600 do set:spawn(function() end) end
      weir.yield()
      return function() set:join_next() end
    end,
    ["notify:notified"] = function()
      local notify = weir.notify()
      return function()
        notify:notify_one()
        notify:notified()
      end
    end,
    ["once:wait"] = function()
      local once = weir.once()
      once:set(1)
      return function() once:wait() end
    end,
  }
  for name, new in pairs(operations) do
    it("gives way once after 128 in a row: " .. name, paused(function()
      local operation = new()
      assert.equal(BUDGET, beside(operation))
    end))
  end

  it("gives way before it takes effect", paused(function()
    local tx, rx = weir.mpsc(1000)
    local seen
    local busy = weir.spawn(function()
      weir.spawn(function() seen = #rx end)
      for i = 1, 2 * BUDGET do tx:send(i) end
    end)
    busy:join()
    assert.equal(BUDGET, seen)
  end))

  it("gives way again after the next 128", paused(function()
    local tx, rx = weir.mpsc(1000)
    local seen = {}
    local busy = weir.spawn(function()
      weir.spawn(function()
        for i = 1, 3 do
          seen[i] = #rx
          weir.yield()
        end
      end)
      for i = 1, 4 * BUDGET do tx:send(i) end
    end)
    busy:join()
    assert.same({ BUDGET, 2 * BUDGET, 3 * BUDGET }, seen)
  end))

  it("counts operations of different kinds together", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.equal(BUDGET / 2, beside(function()
      tx:send(1)
      rx:recv()
    end))
  end))

  it("loses and reorders nothing where it gives way", paused(function()
    local tx, rx = weir.mpsc(10000)
    weir.spawn(function(sender) for i = 1, 1000 do sender:send(i) end end, tx)
    local expected = 0
    for v in rx do
      expected = expected + 1
      assert.equal(expected, v)
    end
    assert.equal(1000, expected)
  end))

  it("leaves an operation that is aborted while it gives way without effect", paused(function()
    local tx, rx = weir.mpsc(1000)
    local busy = weir.spawn(function() for i = 1, 1000 do tx:send(i) end end)
    weir.yield()
    assert.equal(BUDGET, #rx)
    busy:abort()
    weir.yield()
    assert.equal(BUDGET, #rx)
  end))

  it("lets a timeout of a busy task be seen", paused(function()
    local tx, rx = weir.mpsc(1)
    local other = 0
    weir.spawn(function()
      while true do
        other = other + 1
        weir.yield()
      end
    end)
    for _ = 1, 10 * BUDGET do
      tx:send(1)
      rx:recv()
    end
    assert.is_true(other >= 10)
  end))
end)

describe("an operation that never waits", function()
  local operations = {
    ["tx:try_send"] = function()
      local tx, rx = weir.mpsc(1000)
      return function() return tx:try_send(1), rx end
    end,
    ["rx:try_recv"] = function()
      local tx, rx = weir.mpsc(1000)
      for i = 1, 600 do tx:try_send(i) end
      return function() rx:try_recv() end
    end,
    ["watch send"] = function()
      local tx, rx = weir.watch(1)
      return function() return tx:send(2), rx end
    end,
    ["broadcast send"] = function()
      local tx, rx = weir.broadcast(4)
      return function() return tx:send(2), rx end
    end,
    ["weir.spawn"] = function() return function() weir.spawn(function() end) end end,
    ["weir.now"] = function() return weir.now end,
    ["tx:is_closed"] = function()
      local tx, rx = weir.mpsc(1)
      return function() return tx:is_closed(), rx end
    end,
  }
  for name, new in pairs(operations) do
    it("never gives way: " .. name, paused(function()
      assert.is_nil((beside(new())))
    end))
  end
end)

describe("the budget", function()
  it("is not asked of a task where Lua cannot yield", paused(function()
    local tx, rx = weir.mpsc(1000)
    local seen
    weir.spawn(function() seen = #rx end)
    string.gsub("x", "x", function() for i = 1, 1000 do tx:send(i) end end)
    assert.is_nil(seen)
    assert.equal(1000, #rx)
  end))

  it("is asked at once where Lua can yield again", paused(function()
    local tx, rx = weir.unbounded()
    for many = 200, 203 do
      local ran = false
      weir.spawn(function() ran = true end)
      string.gsub(("x"):rep(many), "x", function() assert(tx:send(1)) end)
      assert.is_false(ran)
      tx:send(1)
      assert.is_true(ran)
    end
    assert.equal(810, #rx)
  end))

  it("is not asked in a plain nested coroutine", paused(function()
    local tx, rx = weir.mpsc(1000)
    coroutine.wrap(function() for i = 1, 1000 do tx:send(i) end end)()
    assert.equal(1000, #rx)
  end))

  it("is not asked outside a task", function()
    local tx, rx = weir.mpsc(1000)
    for i = 1, 1000 do tx:send(i) end
    assert.equal(1000, #rx)
  end)

  it("is asked in weir.wrap, whose caller sees nothing of it", paused(function()
    local tx, rx = weir.mpsc(1000)
    local seen
    weir.spawn(function() seen = #rx end)
    local gen = weir.wrap(function()
      for i = 1, 300 do tx:send(i) end
      coroutine.yield "all sent"
    end)
    assert.equal("all sent", gen())
    assert.is_true(seen >= 1 and seen <= BUDGET)
  end))

  it("is asked in weir.timeout", paused(function()
    local tx, rx = weir.mpsc(1000)
    local seen
    weir.spawn(function() seen = #rx end)
    assert.is_true((weir.timeout(1, function() for i = 1, 300 do tx:send(i) end end)))
    assert.is_true(seen >= 1 and seen <= BUDGET)
  end))

  it("is each task's own", paused(function()
    local log = {}
    for i = 1, 2 do
      weir.spawn(function()
        local tx, rx = weir.mpsc(1000)
        for _ = 1, BUDGET - 1 do tx:send(1) end
        log[#log + 1] = i
        return rx
      end)
    end
    weir.yield()
    assert.same({ 1, 2 }, log)
  end))

  it("lets a yield of the task start it anew", paused(function()
    local tx, rx = weir.mpsc(1000)
    local turns = 0
    local counting = weir.spawn(function()
      while true do
        turns = turns + 1
        weir.yield()
      end
    end)
    weir.yield()
    local before = turns
    for _ = 1, 4 do
      for _ = 1, BUDGET - 1 do tx:send(1) end
      weir.yield()
    end
    assert.equal(4, turns - before)
    assert.equal(4 * (BUDGET - 1), #rx)
    counting:abort()
  end))

  it("lets joining a thousand finished tasks give way", paused(function()
    local tasks, seen = {}, false
    for i = 1, 1000 do tasks[i] = weir.spawn(function() end) end
    weir.yield()
    weir.spawn(function() seen = true end)
    for _, task in ipairs(tasks) do task:join() end
    assert.is_true(seen)
  end))
end)
