-- SPDX-License-Identifier: MIT
-- behaviours_tasks_spec.lua -- what Tokio's own suites ask of time, select, sets and streams, where no other
-- spec says it.

local weir = require "weir"
local stream = require "weir.stream"
local test = require "weir.test"
local helper = require "spec.helper"

local paused, later, join = helper.paused, helper.later, helper.join

local function near(expected, got)
  assert.is_true(math.abs(expected - got) < 1e-6, ("%s is not near %s"):format(got, expected))
end

describe("weir.interval", function()
  for _, case in ipairs {
    { late = 0.004, missed = "delay", third = 2,
      says = "a tick 4 ms late is on time: 'delay' shifts nothing" },
    { late = 0.006, missed = "delay", third = 2.006,
      says = "a tick 6 ms late is late: 'delay' counts from it" },
    { late = 0.5, missed = "skip", third = 2,
      says = "'skip' goes on at the next multiple after half a period" },
    { late = 0.5, missed = "burst", third = 2,
      says = "'burst' keeps to its times" },
  } do
    it(case.says, paused(function()
      local began, interval = weir.now(), weir.interval(1, { missed = case.missed })
      interval:tick()
      weir.sleep(1 + case.late)
      near(1, interval:tick() - began)
      near(case.third, interval:tick() - began)
    end))
  end
end)

describe("weir.advance", function()
  it("from inside the task whose timer falls due makes that timer ready", paused(function()
    local timer = weir.after(1)
    assert.is_false(timer:is_elapsed())
    weir.advance(1)
    assert.is_true(timer:is_elapsed())
    assert.is_true(timer:wait(0))
  end))

  it("leaves a timer that nobody waits for, and that is not yet due, for later", paused(function()
    local timer = weir.after(2)
    weir.advance(1.5)
    assert.same({ nil, "timeout" }, { timer:wait(0) })
    weir.advance(0.5)
    assert.is_true(timer:wait(0))
  end))

  it("by whole milliseconds is exact, a thousand times", paused(function()
    local began = weir.now()
    for i = 1, 1000 do
      weir.advance(0.001)
      near(i / 1000, weir.now() - began)
    end
  end))
end)

describe("timers", function()
  it("may be dropped by the hundred in the turn in which one of them fires", paused(function()
    local timers, tasks = {}, {}
    for i = 1, 300 do
      timers[i] = weir.after(1 + i % 3)
      tasks[i] = weir.spawn(function() return timers[i]:wait() end)
    end
    weir.spawn(function()
      weir.sleep(1)
      for i = 2, 300, 2 do
        tasks[i]:abort()
        timers[i] = false
      end
      collectgarbage()
    end)
    local fired = 0
    for i = 1, 300 do
      if tasks[i]:join() == true then fired = fired + 1 end
    end
    assert.is_true(fired >= 150)
    assert.equal(150, (function()
      local n = 0
      for i = 1, 300, 2 do n = n + (timers[i]:is_elapsed() and 1 or 0) end
      return n
    end)())
  end))
end)

describe("weir.select", function()
  it("gathers one result of each of two tasks in a loop that disables what is done", paused(function()
    local tasks = {
      a = weir.spawn(function() weir.sleep(2) return "from a" end),
      b = weir.spawn(function() weir.sleep(1) return "from b" end),
    }
    local results = {}
    while true do
      local which, ok, value = weir.select { a = not results.a and tasks.a, b = not results.b and tasks.b }
      if not which then break end
      assert.is_true(ok)
      results[which] = value
    end
    assert.same({ a = "from a", b = "from b" }, results)
  end))

  it("awaits no branch that is disabled, though what it would await was made", paused(function()
    local tx, rx = weir.mpsc(1)
    local reservation = tx:reservation()
    assert.same({ "other", true }, { weir.select { off = false and reservation, other = weir.after(1) } })
    assert.equal("mpsc.Reservation", weir.type(reservation))
    reservation:drop()
    assert.equal(1, tx:capacity())
    assert.equal(0, #rx)
  end))

  it("chooses the same among ready branches for the same seed of an exploration", function()
    local function choices(seed)
      local list = {}
      test.explore(function()
        local a, b = weir.notify(), weir.notify()
        for i = 1, 40 do
          a:notify_one()
          b:notify_one()
          list[i] = weir.select { a, b }
        end
      end, { seed = seed })
      return table.concat(list)
    end
    assert.equal(choices(7), choices(7))
    assert.not_equal(choices(7), choices(8))
  end)
end)

describe("a task set made before a run", function()
  local function holder(set)
    local tx, rx = weir.mpsc(1)
    set:spawn(function(held) weir.sleep(99) held:drop() end, tx)
    return rx
  end

  it("runs its tasks in the run, all of them joined", function()
    local set = weir.join_set()
    for i = 1, 8 do set:spawn(function() weir.yield() return i end) end
    weir.run_paused(function()
      local sum = 0
      for _, results in ipairs(set:join_all()) do sum = sum + results[1] end
      assert.equal(36, sum)
    end)
  end)

  it("ends tasks in shutdown that never started, and what they own with them", function()
    local set = weir.join_set()
    local rx = holder(set)
    weir.run_paused(function()
      set:shutdown()
      assert.equal(0, #set)
      assert.same({ nil, "closed" }, { rx:try_recv() })
    end)
  end)

  for _, moment in ipairs { "before the run", "in the run" } do
    it("ends tasks when it is dropped " .. moment, function()
      local set = weir.join_set()
      local rx = holder(set)
      if moment == "before the run" then set:drop() end
      weir.run_paused(function()
        if moment == "in the run" then
          weir.sleep(1)
          set:drop()
        end
        assert.same({ nil, "closed" }, { rx:recv(1) })
      end)
    end)
  end
end)

describe("a stream", function()
  it("of one element gives it, then ends and stays ended", paused(function()
    local s = stream.from { "once" }
    assert.equal("once", s:next())
    assert.same({ nil, "closed" }, { s:next() })
    assert.same({ nil, "closed" }, { s:next() })
  end))

  it("of which nothing ever comes neither gives nor ends", paused(function()
    local tx, rx = weir.mpsc(1)
    local s = stream.from(rx)
    assert.same({ nil, "timeout" }, { s:next(1e6) })
    assert.is_false(s:is_terminated())
    assert.is_false(tx:is_closed())
  end))

  it("of an interval never ends, fused or not", paused(function()
    local s = stream.from(weir.interval(1)):fuse()
    for _ = 1, 50 do assert.is_number((s:next())) end
    assert.is_false(s:is_terminated())
  end))

  it("over a closed receiver ends only when the permit that is out comes home", paused(function()
    local tx, rx = weir.mpsc(2)
    local permit = tx:reserve()
    rx:close()
    local s = stream.from(rx)
    local reader = later(function() return s:next() end)
    assert.equal("waiting", reader:status())
    permit:drop()
    assert.same({ nil, "closed" }, { join(reader) })
  end))
end)

describe("StreamMap:next_many", function()
  it("of an empty map returns 0, 'closed', and 0 alone for a max of 0", paused(function()
    local m = stream.map_of()
    assert.same({ 0, "closed" }, { m:next_many({}, 3) })
    assert.same({ 0 }, { m:next_many({}, 0) })
  end))

  it("stops at the limit exactly, and leaves the rest", paused(function()
    local m = stream.map_of()
    m:insert("k", { 1, 2, 3 })
    local t = {}
    assert.equal(2, m:next_many(t, 2))
    assert.equal(2, #t)
    assert.same({ "k", 3 }, { m:next() })
  end))
end)
