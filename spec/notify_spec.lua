-- SPDX-License-Identifier: MIT
-- notify_spec.lua -- wake one who waits, or all; at most one wake-up is stored.

local weir = require "weir"

local function in_task(body)
  return function() weir.run_paused(body) end
end

local function later(f, ...)
  local task = weir.spawn(f, ...)
  weir.yield()
  return task
end

local function join(task)
  local r = table.pack(task:join())
  if not r[1] then error(r[2], 0) end
  return table.unpack(r, 2, r.n)
end

local function raises(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("notify_spec%.lua:%d+: %S", err)
  return err
end

-- Some tasks here fail on purpose, before anybody joins them.
local hook
setup(function() hook = weir.on_error(function() end) end)
teardown(function() weir.on_error(hook) end)

describe("Notify:notified", function()
  it("returns true at once if a notification is stored", in_task(function()
    local n = weir.notify()
    assert.equal("Notify", weir.type(n))
    n:notify_one()
    assert.is_true(n:notified())
  end))

  it("works outside a task where it need not wait, and raises where it would", function()
    local n = weir.notify()
    raises(function() n:notified() end)
    n:notify_one()
    assert.is_true(n:notified())
  end)

  it("waits for notify_one", in_task(function()
    local n = weir.notify()
    local task = later(function() return n:notified() end)
    assert.equal("waiting", task:status())
    n:notify_one()
    assert.is_true(join(task))
  end))

  it("waits for notify_waiters", in_task(function()
    local n = weir.notify()
    local task = later(function() return n:notified() end)
    n:notify_waiters()
    assert.is_true(join(task))
  end))

  it("sees a change that another task made before it notified", in_task(function()
    local n = weir.notify()
    local value = 0
    weir.spawn(function()
      value = 42
      n:notify_one()
    end)
    n:notified()
    assert.equal(42, value)
  end))

  it("gives up on its timeout, and on 0 polls once", in_task(function()
    local n = weir.notify()
    local start = weir.now()
    assert.same({ nil, "timeout" }, { n:notified(2) })
    assert.is_near(2, weir.now() - start, 1e-6)
    assert.same({ nil, "timeout" }, { n:notified(0) })
    n:notify_one()
    assert.is_true(n:notified(0))
  end))

  it("that timed out takes no notification from those who wait", in_task(function()
    local n = weir.notify()
    local a = later(function() return n:notified(1) end)
    local b = later(function() return n:notified() end)
    assert.same({ nil, "timeout" }, { join(a) })
    n:notify_one()
    assert.is_true(join(b))
  end))

  it("aborted while it waits leaves its place", in_task(function()
    local n = weir.notify()
    local a = later(function() n:notified() end)
    local b = later(function() return n:notified() end)
    a:abort()
    a:join()
    n:notify_one()
    assert.is_true(join(b))
  end))

  it("aborted after it was notified passes it to the next in line", in_task(function()
    local n = weir.notify()
    local a = later(function() n:notified() end)
    local b = later(function() return n:notified() end)
    local c = later(function() return n:notified() end)
    n:notify_one()
    a:abort()
    assert.is_true(join(b))
    assert.equal("waiting", c:status())
  end))

  it("aborted after it was notified stores it if nobody waits", in_task(function()
    local n = weir.notify()
    local a = later(function() n:notified() end)
    n:notify_one()
    a:abort()
    a:join()
    assert.is_true(n:notified(0))
    assert.same({ nil, "timeout" }, { n:notified(0) })
  end))

  it("notified in the turn its time ends loses no notification", in_task(function()
    local n = weir.notify()
    local a = later(function() return n:notified(1) end)
    n:notify_one()
    weir.advance(1)
    local got = join(a)
    assert.equal(not got, n:notified(0) == true)
  end))

  it("cut short by weir.timeout or a lost select takes nothing", in_task(function()
    local n = weir.notify()
    assert.is_nil(weir.timeout(1, function() n:notified() end))
    assert.equal(2, (weir.select { n, weir.after(1) }))
    n:notify_one()
    assert.is_true(n:notified(0))
  end))

  it("refuses a negative or NaN timeout", function()
    local n = weir.notify()
    n:notify_one()
    raises(function() n:notified(-1) end)
    raises(function() n:notified(0 / 0) end)
    assert.is_true(n:notified(0))
  end)

  it("gives way once in a while though there is always a notification", in_task(function()
    local n = weir.notify()
    local other = false
    weir.spawn(function() other = true end)
    for _ = 1, 1000 do
      n:notify_one()
      n:notified()
    end
    assert.is_true(other)
  end))
end)

describe("Notify:notify_one", function()
  it("wakes the first of two who wait", in_task(function()
    local n = weir.notify()
    local a = later(function() return n:notified() end)
    local b = later(function() return n:notified() end)
    n:notify_one()
    assert.is_true(join(a))
    assert.equal("waiting", b:status())
    n:notify_one()
    assert.is_true(join(b))
  end))

  it("twice wakes two, in order", in_task(function()
    local n = weir.notify()
    local order = {}
    for i = 1, 3 do
      later(function()
        n:notified()
        order[#order + 1] = i
      end)
    end
    n:notify_one()
    n:notify_one()
    weir.sleep(1)
    assert.same({ 1, 2 }, order)
  end))

  it("stores no more than one if nobody waits", in_task(function()
    local n = weir.notify()
    n:notify_one()
    n:notify_one()
    n:notify_one()
    assert.is_true(n:notified(0))
    assert.same({ nil, "timeout" }, { n:notified(0) })
  end))

  it("stores nothing if somebody waits", in_task(function()
    local n = weir.notify()
    local a = later(function() return n:notified() end)
    n:notify_one()
    join(a)
    assert.same({ nil, "timeout" }, { n:notified(0) })
  end))

  it("wakes a waiter that began to wait after the stored one was used", in_task(function()
    local n = weir.notify()
    n:notify_one()
    n:notified()
    local a = later(function() return n:notified() end)
    assert.equal("waiting", a:status())
    n:notify_one()
    assert.is_true(join(a))
  end))

  it("may be called from a finalizer and from a <close> handler", in_task(function()
    local n = weir.notify()
    local a = later(function() return n:notified() end)
    do
      local _guard <close> = setmetatable({}, { __close = function() n:notify_one() end })
    end
    assert.is_true(join(a))
    local b = later(function() return n:notified() end)
    local function lose() setmetatable({}, { __gc = function() n:notify_one() end }) end
    lose()
    collectgarbage()
    assert.is_true(join(b))
  end))
end)

describe("Notify:notify_waiters", function()
  it("wakes all who wait at the call, and stores nothing", in_task(function()
    local n = weir.notify()
    local a = later(function() return n:notified() end)
    local b = later(function() return n:notified() end)
    n:notify_waiters()
    assert.is_true(join(a))
    assert.is_true(join(b))
    assert.same({ nil, "timeout" }, { n:notified(0) })
  end))

  it("does nothing if nobody waits", in_task(function()
    local n = weir.notify()
    n:notify_waiters()
    assert.same({ nil, "timeout" }, { n:notified(1) })
  end))

  it("does not wake who begins to wait afterwards", in_task(function()
    local n = weir.notify()
    local a = later(function() n:notified() return n:notified(1) end)
    n:notify_waiters()
    assert.same({ nil, "timeout" }, { join(a) })
  end))

  it("leaves a stored notification alone", in_task(function()
    local n = weir.notify()
    n:notify_one()
    n:notify_waiters()
    assert.is_true(n:notified(0))
  end))

  it("does not pass on to anybody when a woken waiter is aborted", in_task(function()
    local n = weir.notify()
    local a = later(function() n:notified() end)
    n:notify_waiters()
    a:abort()
    a:join()
    assert.same({ nil, "timeout" }, { n:notified(0) })
  end))

  it("then notify_one: the stored one survives the abort of the woken waiter", in_task(function()
    local n = weir.notify()
    local a = later(function() n:notified() end)
    n:notify_waiters()
    n:notify_one()
    a:abort()
    a:join()
    assert.is_true(n:notified(0))
    assert.same({ nil, "timeout" }, { n:notified(0) })
  end))

  it("reaches others though one woken task fails", in_task(function()
    local n = weir.notify()
    local a = later(function() n:notified() error("boom") end)
    local b = later(function() return n:notified() end)
    n:notify_waiters()
    assert.is_false((a:join()))
    assert.is_true(join(b))
  end))
end)
