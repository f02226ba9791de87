-- SPDX-License-Identifier: MIT
-- barrier_spec.lua -- n tasks wait for each other; one of them is the leader.

local weir = require "weir"
local helper = require "spec.helper"

local in_task, join, later = helper.paused, helper.join, helper.later

local function raises(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("barrier_spec%.lua:%d+: %S", err)
  return err
end

describe("weir.barrier", function()
  it("of 1 never waits and makes each caller the leader", in_task(function()
    local b = weir.barrier(1)
    assert.equal("Barrier", weir.type(b))
    for _ = 1, 3 do assert.same({ true, true }, { b:wait() }) end
  end))

  for _, bad in ipairs { -1, 1.5, 0 / 0 } do
    it("refuses a size of " .. tostring(bad), function()
      raises(function() weir.barrier(bad) end)
    end)
  end

  it("refuses a size that is no number", function()
    raises(function() weir.barrier() end)
  end)
end)

describe("Barrier:wait", function()
  it("opens for all with the last of them, exactly one the leader", in_task(function()
    local b = weir.barrier(3)
    local t1 = later(function() return b:wait() end)
    local t2 = later(function() return b:wait() end)
    assert.equal("waiting", t1:status())
    local r = { { b:wait() }, { join(t1) }, { join(t2) } }
    local leaders = 0
    for i = 1, 3 do
      assert.is_true(r[i][1])
      assert.is_boolean(r[i][2])
      if r[i][2] then leaders = leaders + 1 end
    end
    assert.equal(1, leaders)
  end))

  it("may be used again and again: 100 tasks, 10 times", in_task(function()
    local b = weir.barrier(100)
    for _ = 1, 10 do
      local tasks = {}
      for i = 1, 99 do tasks[i] = weir.spawn(function() return b:wait() end) end
      weir.yield()
      for i = 1, 99 do assert.equal("waiting", tasks[i]:status()) end
      local _, leader = b:wait()
      local leaders = leader and 1 or 0
      for i = 1, 99 do
        local _, is_leader = join(tasks[i])
        if is_leader then leaders = leaders + 1 end
      end
      assert.equal(1, leaders)
    end
  end))

  it("keeps generations apart when a fast task comes round again at once", in_task(function()
    local b = weir.barrier(2)
    local rounds = { 0, 0 }
    local tasks = {}
    for i = 1, 2 do
      tasks[i] = weir.spawn(function()
        for _ = 1, 50 do
          b:wait()
          rounds[i] = rounds[i] + 1
          assert.is_true(math.abs(rounds[1] - rounds[2]) <= 1)
        end
      end)
    end
    join(tasks[1])
    join(tasks[2])
    assert.same({ 50, 50 }, rounds)
  end))

  it("that timed out does not count", in_task(function()
    local b = weir.barrier(2)
    local start = weir.now()
    assert.same({ nil, "timeout" }, { b:wait(2) })
    assert.is_near(2, weir.now() - start, 1e-6)
    assert.same({ nil, "timeout" }, { b:wait(0) })
    local a = later(function() return b:wait() end)
    assert.equal("waiting", a:status())
    assert.is_true((b:wait()))
    assert.is_true((join(a)))
  end))

  it("that was aborted does not count", in_task(function()
    local b = weir.barrier(2)
    local a = later(function() b:wait() end)
    a:abort()
    a:join()
    local c = later(function() return b:wait() end)
    assert.equal("waiting", c:status())
    assert.is_true((b:wait()))
    assert.is_true((join(c)))
  end))

  it("cut short by weir.timeout does not count", in_task(function()
    local b = weir.barrier(2)
    assert.is_nil(weir.timeout(1, function() b:wait() end))
    assert.same({ nil, "timeout" }, { b:wait(1) })
  end))

  it("aborted after the barrier opened holds up nobody of the next round", in_task(function()
    local b = weir.barrier(2)
    local a = later(function() b:wait() end)
    assert.is_true((b:wait()))
    a:abort()
    a:join()
    local c = later(function() return b:wait() end)
    assert.equal("waiting", c:status())
    assert.is_true((b:wait()))
    assert.is_true((join(c)))
  end))

  it("opens for those who wait if the last one has a timeout of 0", in_task(function()
    local b = weir.barrier(2)
    local a = later(function() return b:wait() end)
    assert.is_true((b:wait(0)))
    assert.is_true((join(a)))
  end))

  it("raises outside a task where it would wait, and does not count", in_task(function()
    local b = weir.barrier(2)
    string.gsub("x", "x", function() raises(function() b:wait() end) end)
    assert.same({ nil, "timeout" }, { b:wait(0) })
  end))

  it("refuses a negative or NaN timeout", function()
    local b = weir.barrier(1)
    raises(function() b:wait(-1) end)
    raises(function() b:wait(0 / 0) end)
    assert.is_true((b:wait(0)))
  end)
end)
