-- SPDX-License-Identifier: MIT
-- peers_spec.lua -- defects that were found in other libraries of this kind, one claim each: not here.

local weir = require "weir"
local helper = require "spec.helper"

local in_task, join, later = helper.paused, helper.join, helper.later

local function kilobytes()
  collectgarbage()
  collectgarbage()
  return collectgarbage("count")
end

describe("defects of peers", function()
  it("a losing select branch does not eat the next message", in_task(function()
    local tx, rx = weir.mpsc(4)
    for i = 1, 100 do
      assert.equal("late", (weir.select { job = rx, late = weir.after(0.1) }))
      tx:send(i)
      assert.equal(i, rx:recv(0))
    end
  end))

  it("a cancelled waiter does not swallow the wake-up of the live one", in_task(function()
    local n = weir.notify()
    local dead = later(function() n:notified() end)
    local live = later(function() return n:notified(5) end)
    n:notify_one()
    dead:abort()
    assert.is_true(join(live))
  end))

  it("a value handed to a receiver that is then cancelled is not lost", in_task(function()
    for _, make in ipairs { weir.mpsc, weir.mpmc, weir.unbounded } do
      local tx, rx = make(1)
      local dead = later(function() rx:recv() end)
      tx:send("precious")
      dead:abort()
      dead:join()
      assert.equal("precious", rx:recv(0))
    end
  end))

  it("losing select branches do not stay in the lines of quiet channels", in_task(function()
    local tx, rx = weir.mpsc(1)
    local btx, brx = weir.broadcast(1)
    local function round()
      for _ = 1, 10000 do weir.select({ rx, brx }, 0.001) end
      return kilobytes()
    end
    local before = round()
    assert.is_true(round() - before < 16)
    tx:send("a")
    btx:send("b")
    assert.equal("a", rx:recv(0))
    assert.equal("b", brx:recv(0))
  end))

  it("a forgotten clone of a sender does not keep the channel open for ever", in_task(function()
    local tx, rx = weir.mpsc(1)
    local function forget() tx:clone() end
    forget()
    tx:drop()
    -- Nobody collects by hand: with nothing left to run, the scheduler does.
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("a dropped oneshot sender does not leave its receiver hanging", in_task(function()
    local tx, rx = weir.oneshot()
    local answer = later(function() return rx:recv() end)
    local owner = later(function() weir.sleep(9) end, tx)
    owner:abort()
    assert.same({ nil, "closed" }, { join(answer) })
  end))

  it("a lock probed with a timeout of 0 is not poisoned", in_task(function()
    local m, l, s = weir.mutex(1), weir.rwlock(2), weir.semaphore(1)
    local g, w, p = m:lock(), l:write(), s:acquire()
    for _ = 1, 3 do
      assert.same({ nil, "timeout" }, { m:lock(0) })
      assert.same({ nil, "timeout" }, { l:read(0) })
      assert.same({ nil, "timeout" }, { l:write(0) })
      assert.same({ nil, "timeout" }, { s:acquire(1, 0) })
    end
    g:unlock()
    w:unlock()
    p:release()
    assert.equal(1, m:lock(0):get())
    assert.equal(2, l:write(0):get())
    assert.equal("SemaphorePermit", weir.type(s:acquire(1, 0)))
  end))

  it("a plain coroutine.wrap generator never receives the scheduler's own yields", in_task(function()
    local tx, rx = weir.mpsc(1)
    local generator = coroutine.wrap(function()
      coroutine.yield("mine")
      rx:recv()
      coroutine.yield("never")
    end)
    assert.equal("mine", generator())
    local ok, err = pcall(generator)
    assert.is_false(ok)
    assert.matches("weir.wrap", err, 1, true)
    tx:send("still there")
    assert.equal("still there", rx:recv())
  end))

  it("pcall around a wait does not swallow an abort, a timeout or a cancellation", in_task(function()
    local token = weir.cancellation_token()
    local went_on = 0
    local function stubborn()
      while true do
        pcall(weir.sleep, 10)
        went_on = went_on + 1
        if went_on > 3 then return end
      end
    end
    local task = later(stubborn)
    task:abort()
    assert.same({ false, "aborted" }, { task:join() })
    assert.same({ nil, "timeout" }, { weir.timeout(1, stubborn) })
    weir.spawn(function() weir.sleep(1) token:cancel() end)
    assert.same({ nil, "cancelled" }, { token:run_until_cancelled(stubborn) })
    assert.equal(0, went_on)
  end))

  it("the last permit's return wakes a closed receiver, by whichever way it comes home", in_task(function()
    local ways = {
      function(p) p:release() end,
      function(p) p:drop() end,
      function(p) p:send("used") end,
      function(p) weir.spawn(function() end, p) end,
      function(p) local scoped <close> = p assert(scoped) end,
    }
    for i, way in ipairs(ways) do
      local tx, rx = weir.mpsc(2)
      local p = tx:reserve_many(i == 3 and 1 or 2)
      rx:close()
      local task = later(function()
        local v = rx:recv()
        if v == "used" then return rx:recv() end
        return v, "closed"
      end)
      way(p)
      assert.same({ nil, "closed" }, { join(task) })
      assert.is_true(tx:is_closed())
    end
  end))

  it("lag is not mistaken for the end of the stream", in_task(function()
    local tx, rx = weir.broadcast(2)
    local n, lost = 0, 0
    local task = weir.spawn(function()
      for _, missed in rx do
        n = n + 1
        lost = lost + missed
        weir.sleep(1)
      end
    end)
    for i = 1, 20 do
      tx:send(i)
      weir.sleep(0.25)
    end
    tx:drop()
    join(task)
    assert.equal(20, n + lost)
    assert.is_true(lost > 0 and n > 2)
  end))

  it("a queue does not keep the memory of its largest burst for ever", function()
    local tx, rx = weir.unbounded()
    local before = kilobytes()
    for i = 1, 300000 do tx:send(i) end
    assert.is_true(kilobytes() - before > 1000)
    for _ = 1, 300000 do rx:try_recv() end
    assert.is_true(kilobytes() - before < 64)
    assert.is_true(tx:send("on it goes"))
  end)
end)
