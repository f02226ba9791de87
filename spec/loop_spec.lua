-- SPDX-License-Identifier: MIT
-- loop_spec.lua -- weir driven from outside: weir.loop.step and weir.loop.on_wake.

local weir = require "weir"
local helper = require "spec.helper"

local step, on_wake = weir.loop.step, weir.loop.on_wake

-- Runs body with no task left over before or after.
local function stepped(body)
  return function()
    local ok, err = pcall(body)
    on_wake(nil)
    weir.run(function() helper.settle() end)
    if not ok then error(err, 0) end
  end
end

local function rest()
  for _ = 1, 8 do step() end
end

describe("weir.loop.step", function()
  it("returns nil and false where nothing is left", stepped(function()
    local deadline, ready = step()
    assert.is_nil(deadline)
    assert.is_false(ready)
  end))

  it("runs what is ready", stepped(function()
    local ran = false
    weir.spawn(function() ran = true end)
    step()
    assert.is_true(ran)
  end))

  it("says whether tasks are ready", stepped(function()
    weir.spawn(function() weir.yield() end)
    local _, ready = step()
    assert.is_true(ready)
    _, ready = step()
    assert.is_false(ready)
  end))

  it("returns the seconds until the next deadline", stepped(function()
    weir.spawn(function() weir.sleep(100) end)
    weir.spawn(function() weir.sleep(50) end)
    local deadline, ready = step()
    assert.is_true(deadline > 45 and deadline <= 50)
    assert.is_false(ready)
  end))

  it("returns no deadline where tasks wait for something else", stepped(function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function() rx:recv() end)
    local deadline, ready = step()
    assert.is_nil(deadline)
    assert.is_false(ready)
    tx:try_send "end"
    rest()
  end))

  it("does not wait by default", stepped(function()
    weir.spawn(function() weir.sleep(30) end)
    local t = weir.now()
    rest()
    assert.is_true(weir.now() - t < 10)
  end))

  it("waits at most max_wait for the first thing to do", stepped(function()
    weir.spawn(function() weir.sleep(30) end)
    step()
    local t = weir.now()
    step(0.05)
    local waited = weir.now() - t
    assert.is_true(waited >= 0.045 and waited < 10)
  end))

  it("waits no longer than to the next deadline, and runs what is due", stepped(function()
    local done = false
    weir.spawn(function()
      weir.sleep(0.02)
      done = true
    end)
    step()
    local t = weir.now()
    while not done and weir.now() - t < 20 do step(30) end
    assert.is_true(done)
    assert.is_true(weir.now() - t < 10)
  end))

  it("does not wait where tasks are ready", stepped(function()
    local n = 0
    weir.spawn(function()
      for _ = 1, 5 do
        n = n + 1
        weir.yield()
      end
    end)
    local t = weir.now()
    for _ = 1, 5 do step(30) end
    assert.equal(5, n)
    assert.is_true(weir.now() - t < 10)
  end))

  it("runs what became ready outside", stepped(function()
    local tx, rx = weir.mpsc(1)
    local got
    weir.spawn(function() got = rx:recv() end)
    step()
    tx:try_send "from outside"
    assert.is_nil(got)
    rest()
    assert.equal("from outside", got)
  end))

  it("does not run a task twice in one turn", stepped(function()
    local n = 0
    local task = weir.spawn(function()
      while true do
        n = n + 1
        weir.yield()
      end
    end)
    step()
    assert.equal(1, n)
    step()
    assert.equal(2, n)
    task:abort()
    rest()
    assert.is_true(task:is_finished())
  end))

  it("takes no deadlock for an error: the loop may wake it", stepped(function()
    local tx, rx = weir.mpsc(1)
    local task = weir.spawn(function() return rx:recv() end)
    rest()
    assert.equal("waiting", task:status())
    tx:try_send "woken"
    rest()
    assert.same({ true, "woken" }, { task:join() })
  end))

  it("ends an aborted task", stepped(function()
    local log = {}
    local task = weir.spawn(function()
      local _note <close> = helper.closing(log, "closed")
      weir.sleep(1000)
    end)
    step()
    task:abort()
    assert.same({}, log)
    rest()
    assert.same({ "closed" }, log)
  end))

  it("reports a task that fails to on_error and goes on", stepped(function()
    local other = false
    local seen = helper.failures(function()
      weir.spawn(function() error("x", 0) end)
      weir.spawn(function() other = true end)
      rest()
    end)
    assert.equal(1, #seen)
    assert.is_true(other)
  end))

  it("leaves tasks for a later run", stepped(function()
    local tx, rx = weir.mpsc(2)
    local got = {}
    weir.spawn(function() for v in rx do got[#got + 1] = v end end)
    step()
    weir.run(function()
      tx:send "in run"
      tx:drop()
      helper.settle()
    end)
    assert.same({ "in run" }, got)
  end))

  it("is refused inside a task", stepped(function()
    weir.run(function()
      helper.blames(function() step() end)
    end)
  end))

  it("lets every operation that need not wait work between steps", stepped(function()
    local tx, rx = weir.mpsc(4)
    local reply, answer = weir.oneshot()
    local token = weir.cancellation_token()
    local task = weir.spawn(function()
      token:cancelled()
      return rx:recv(), answer:recv()
    end)
    step()
    assert.is_true(tx:send "message")
    assert.is_true(reply:send "answer")
    token:cancel()
    rest()
    assert.same({ true, "message", "answer" }, { task:join() })
  end))
end)

describe("weir.loop.on_wake", function()
  -- A task that waits for messages, and the count of calls of the hook.
  local function idle()
    local tx, rx = weir.mpsc(16)
    local task = weir.spawn(function() for _ in rx do weir.yield() end end)
    rest()
    local calls = { n = 0, tx = tx }  -- out of the collector's reach
    on_wake(function() calls.n = calls.n + 1 end)
    return calls, tx, task
  end

  it("is called when work appears while the scheduler is idle", stepped(function()
    local calls, tx = idle()
    assert.equal(0, calls.n)
    tx:try_send "work"
    assert.equal(1, calls.n)
  end))

  it("is called once, until the scheduler has run again", stepped(function()
    local calls, tx = idle()
    for i = 1, 5 do tx:try_send(i) end
    assert.equal(1, calls.n)
    rest()
    assert.equal(1, calls.n)
    tx:try_send "more"
    assert.equal(2, calls.n)
  end))

  it("is called for a spawn", stepped(function()
    local calls = idle()
    weir.spawn(function() end)
    assert.equal(1, calls.n)
  end))

  it("is called for an abort", stepped(function()
    local calls, _tx, task = idle()
    task:abort()
    assert.equal(1, calls.n)
  end))

  it("is called for a cancellation that somebody waits for", stepped(function()
    local token = weir.cancellation_token()
    weir.spawn(function() token:cancelled() end)
    rest()
    local calls = idle()
    token:cancel()
    assert.equal(1, calls.n)
  end))

  it("is called for a handle that is dropped while somebody waits", stepped(function()
    local calls, tx = idle()
    tx:drop()
    assert.equal(1, calls.n)
  end))

  it("is not called for what wakes nobody", stepped(function()
    local calls = idle()
    local tx, rx = weir.mpsc(1)
    tx:try_send(1)
    rx:try_recv()
    weir.cancellation_token():cancel()
    assert.equal(0, calls.n)
  end))

  it("is not called for what happens inside a step", stepped(function()
    local calls, tx = idle()
    weir.spawn(function() tx:try_send "from a task" end)
    assert.equal(1, calls.n)
    rest()
    assert.equal(1, calls.n)
  end))

  it("is called for a timer that is due earlier than what the host sleeps for", stepped(function()
    local timer = weir.after(100)
    local task = weir.spawn(function() timer:wait() end)
    rest()
    local calls = 0
    on_wake(function() calls = calls + 1 end)
    timer:reset(1)
    assert.equal(1, calls)
    assert.is_true(step() <= 1)
    task:abort()
    rest()
  end))

  it("is called for an interval that is due earlier, too", stepped(function()
    local interval = weir.interval(100)
    local task = weir.spawn(function()
      interval:tick()
      interval:tick()
    end)
    rest()
    local calls = 0
    on_wake(function() calls = calls + 1 end)
    interval:reset(0.5)
    assert.equal(1, calls)
    assert.is_true(step() <= 0.5)
    task:abort()
    rest()
  end))

  it("is taken away by nil", stepped(function()
    local calls, tx = idle()
    on_wake(nil)
    tx:try_send "work"
    assert.equal(0, calls.n)
  end))

  it("is replaced by another", stepped(function()
    local calls, tx = idle()
    local other = 0
    on_wake(function() other = other + 1 end)
    tx:try_send "work"
    assert.equal(0, calls.n)
    assert.equal(1, other)
  end))

  it("may spawn and send inside, and is not called again for it", stepped(function()
    local tx, rx = weir.mpsc(4)
    local task = weir.spawn(function() return rx:recv() end)
    rest()
    local calls = 0
    on_wake(function()
      calls = calls + 1
      weir.spawn(function() end)
      tx:try_send "from the hook"
    end)
    weir.spawn(function() end)
    assert.equal(1, calls)
    rest()
    assert.same({ true, "from the hook" }, { task:join() })
  end))
end)
