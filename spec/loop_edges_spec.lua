-- SPDX-License-Identifier: MIT
-- Whatever can end a task's wait, done outside of the scheduler, tells the event loop that hosts it.

local weir = require "weir"
local helper = require "spec.helper"

local function rest()
  for _ = 1, 8 do weir.loop.step() end
end

-- `make()` returns what a task does, which waits, and what ends its wait. That, done outside of the
-- scheduler, calls the hook once, and the task goes on.
local function wakes(what, make)
  it("is called for " .. what, function()
    local waits, ends, keep = make()
    local gone = false
    local task = weir.spawn(function()
      waits()
      gone = true
    end)
    rest()
    local calls = 0
    weir.loop.on_wake(function() calls = calls + 1 end)
    local ok, err = pcall(function()
      assert.is_false(gone)
      assert.equal(0, calls)
      ends()
      assert.equal(1, calls)
      rest()
      assert.is_true(gone)
      assert.equal(1, calls)
    end)
    weir.loop.on_wake(nil)
    task:abort()
    weir.run(function() helper.settle() end)
    if not ok then error(err, 0) end
    return keep
  end)
end

describe("weir.loop.on_wake", function()
  for _, make in ipairs { weir.mpsc, weir.mpmc } do
    local name = make == weir.mpsc and "mpsc: " or "mpmc: "
    local function waiting_receiver(ends)
      return function()
        local tx, rx = make(2)
        return function() rx:recv() end, function() ends(tx, rx) end, { tx, rx }
      end
    end
    local function waiting_sender(ends)
      return function()
        local tx, rx = make(2)
        tx:try_send(1)
        tx:try_send(2)
        return function() tx:send(3) end, function() ends(tx, rx) end, { tx, rx }
      end
    end
    wakes(name .. "try_send", waiting_receiver(function(tx) tx:try_send(1) end))
    wakes(name .. "send", waiting_receiver(function(tx) tx:send(1) end))
    wakes(name .. "a permit's send", function()
      local tx, rx = make(2)
      local permit = tx:try_reserve()
      return function() rx:recv() end, function() permit:send(1) end, { tx, rx }
    end)
    wakes(name .. "the drop of the last sender", waiting_receiver(function(tx) tx:drop() end))
    wakes(name .. "the receiver's close", waiting_receiver(function(_, rx) rx:close() end))
    wakes(name .. "try_recv", waiting_sender(function(_, rx) rx:try_recv() end))
    wakes(name .. "recv", waiting_sender(function(_, rx) rx:recv() end))
    wakes(name .. "try_recv_many", waiting_sender(function(_, rx) rx:try_recv_many({}, 2) end))
    wakes(name .. "recv_many", waiting_sender(function(_, rx) rx:recv_many({}, 1) end))
    wakes(name .. "a turn of the for loop", waiting_sender(function(_, rx) rx() end))
    wakes(name .. "the receiver's close, to a sender", waiting_sender(function(_, rx) rx:close() end))
    wakes(name .. "the receiver's drop", waiting_sender(function(_, rx) rx:drop() end))
    wakes(name .. "a select that receives", waiting_sender(function(_, rx) weir.try_select { rx } end))
    wakes(name .. "a select over many that receives", function()
      local list, keep = {}, {}
      for i = 1, 20 do keep[i], list[i] = make(1) end
      keep[7]:try_send(1)
      return function() keep[7]:send(2) end, function() weir.try_select(list) end, { list, keep }
    end)
    wakes(name .. "a select that sends", waiting_receiver(function(tx) weir.select { { tx, 1 } } end))
    wakes(name .. "a permit's release", function()
      local tx, rx = make(1)
      local permit = tx:try_reserve()
      return function() tx:send(1) end, function() permit:release() end, { tx, rx }
    end)
    wakes(name .. "a permit's drop", function()
      local tx, rx = make(1)
      local permit = tx:try_reserve()
      return function() tx:send(1) end, function() permit:drop() end, { tx, rx }
    end)
    wakes(name .. "the end of a wait for the receiver's end", function()
      local tx, rx = make(1)
      return function() tx:closed() end, function() rx:close() end, { tx, rx }
    end)
    wakes(name .. "a handle that moves away under who waits", function()
      local tx, rx = make(1)
      return function() pcall(rx.recv, rx) end, function() rx = rx:move() end, { tx }
    end)
  end

  local function waiting_answer(ends)
    return function()
      local tx, rx = weir.oneshot()
      return function() rx:recv() end, function() ends(tx, rx) end, { tx, rx }
    end
  end
  wakes("oneshot: send", waiting_answer(function(tx) tx:send(1) end))
  wakes("oneshot: the sender's drop", waiting_answer(function(tx) tx:drop() end))
  wakes("oneshot: the receiver's close", function()
    local tx, rx = weir.oneshot()
    return function() tx:closed() end, function() rx:close() end, { tx, rx }
  end)
  wakes("oneshot: the receiver's drop", function()
    local tx, rx = weir.oneshot()
    return function() tx:closed() end, function() rx:drop() end, { tx, rx }
  end)
  wakes("oneshot: an answer to a call", function()
    local tx, rx = weir.mpsc(1)
    local function ends() rx:try_recv().reply:send(1) end
    return function() tx:call {} end, ends, { tx, rx }
  end)

  local function waiting_change(ends)
    return function()
      local tx, rx = weir.watch(0)
      return function() rx:changed() end, function() ends(tx) end, { tx, rx }
    end
  end
  wakes("watch: send", waiting_change(function(tx) tx:send(1) end))
  wakes("watch: send_replace", waiting_change(function(tx) tx:send_replace(1) end))
  wakes("watch: send_modify", waiting_change(function(tx) tx:send_modify(function() return 1 end) end))
  wakes("watch: send_if_modified", waiting_change(function(tx)
    tx:send_if_modified(function() return true, 1 end)
  end))
  wakes("watch: the sender's drop", waiting_change(function(tx) tx:drop() end))
  wakes("watch: the receiver's drop", function()
    local tx, rx = weir.watch(0)
    return function() tx:closed() end, function() rx:drop() end, { tx, rx }
  end)

  for _, overflow in ipairs { "lag", "wait" } do
    local function channel() return weir.broadcast(1, overflow == "wait" and { overflow = "wait" } or nil) end
    wakes("broadcast, " .. overflow .. ": send", function()
      local tx, rx = channel()
      return function() rx:recv() end, function() tx:send(1) end, { tx, rx }
    end)
    wakes("broadcast, " .. overflow .. ": the sender's drop", function()
      local tx, rx = channel()
      return function() rx:recv() end, function() tx:drop() end, { tx, rx }
    end)
    wakes("broadcast, " .. overflow .. ": the receiver's drop", function()
      local tx, rx = channel()
      return function() tx:closed() end, function() rx:drop() end, { tx, rx }
    end)
  end
  local function full_broadcast(ends)
    return function()
      local tx, rx = weir.broadcast(1, { overflow = "wait" })
      tx:send(1)
      return function() tx:send(2) end, function() ends(rx) end, { tx, rx }
    end
  end
  wakes("broadcast: a receive that makes room", full_broadcast(function(rx) rx:try_recv() end))
  wakes("broadcast: a recv that makes room", full_broadcast(function(rx) rx:recv() end))
  wakes("broadcast: a select that makes room", full_broadcast(function(rx) weir.try_select { rx } end))
  wakes("broadcast: a receiver gone that held room", full_broadcast(function(rx) rx:drop() end))

  local function held_semaphore(ends)
    return function()
      local semaphore = weir.semaphore(1)
      local permit = semaphore:try_acquire()
      return function() semaphore:acquire() end, function() ends(permit, semaphore) end, { permit }
    end
  end
  wakes("semaphore: release", held_semaphore(function(permit) permit:release() end))
  wakes("semaphore: a permit's drop", held_semaphore(function(permit) permit:drop() end))
  wakes("semaphore: add_permits", held_semaphore(function(_, semaphore) semaphore:add_permits(1) end))
  wakes("semaphore: close", held_semaphore(function(_, semaphore) semaphore:close() end))
  wakes("mutex: unlock", function()
    local mutex = weir.mutex()
    local guard = mutex:try_lock()
    return function() mutex:lock() end, function() guard:unlock() end
  end)
  wakes("mutex: a guard's drop", function()
    local mutex = weir.mutex()
    local guard = mutex:try_lock()
    return function() mutex:lock() end, function() guard:drop() end
  end)
  wakes("rwlock: unlock of a writer", function()
    local lock = weir.rwlock()
    local guard = lock:try_write()
    return function() lock:read() end, function() guard:unlock() end
  end)
  wakes("rwlock: unlock of a reader", function()
    local lock = weir.rwlock()
    local guard = lock:try_read()
    return function() lock:write() end, function() guard:unlock() end
  end)
  wakes("notify: notify_one", function()
    local notify = weir.notify()
    return function() notify:notified() end, function() notify:notify_one() end
  end)
  wakes("notify: notify_waiters", function()
    local notify = weir.notify()
    return function() notify:notified() end, function() notify:notify_waiters() end
  end)
  wakes("once: set", function()
    local once = weir.once()
    return function() once:wait() end, function() once:set(1) end
  end)
  wakes("once: get_or_init", function()
    local once = weir.once()
    return function() once:wait() end, function() once:get_or_init(function() return 1 end) end
  end)
  wakes("cancel", function()
    local token = weir.cancellation_token()
    return function() token:cancelled() end, function() token:cancel() end
  end)
  wakes("cancel of the parent", function()
    local token = weir.cancellation_token()
    local child = token:child()
    return function() child:cancelled() end, function() token:cancel() end
  end)
  wakes("a drop guard's drop", function()
    local token = weir.cancellation_token()
    local guard = token:drop_guard()
    return function() token:cancelled() end, function() guard:drop() end
  end)
  wakes("the abort of a task that somebody joins", function()
    local task = weir.spawn(function() weir.notify():notified() end)
    return function() task:join() end, function() task:abort() end
  end)
  wakes("a set's try_spawn", function()
    local set = weir.join_set()
    set:try_spawn(function() end)
    rest()
    set:try_join_next()
    local other = set:try_spawn(weir.sleep, 1000)
    return function() set:join_next() end, function()
      set:try_spawn(function() return 1 end)
    end, { set, other }
  end)
  wakes("a set's abort_all", function()
    local set = weir.join_set()
    set:try_spawn(weir.sleep, 1000)
    return function() set:join_next() end, function() set:abort_all() end, { set }
  end)
  wakes("a set's drop", function()
    local set = weir.join_set()
    local task = set:try_spawn(weir.sleep, 1000)
    return function() task:join() end, function() set:drop() end, { set }
  end)
  wakes("a set's detach_all that makes room", function()
    local set = weir.join_set(1)
    local task = set:try_spawn(weir.sleep, 1000)
    return function() set:spawn(function() end) end, function() set:detach_all() end, { set, task }
  end)
  wakes("a task's <close>", function()
    local task = weir.spawn(weir.sleep, 1000)
    return function() task:join() end, function() local _ <close> = task end
  end)
  wakes("a select by name that receives", function()
    local tx, rx = weir.mpsc(1)
    tx:try_send(1)
    return function() tx:send(2) end, function() weir.try_select { job = rx } end
  end)
  wakes("a select over the same many that receives", function()
    local list, keep = {}, {}
    for i = 1, 20 do
      keep[i], list[i] = weir.mpsc(2)
      keep[i]:try_send(1)
      keep[i]:try_send(1)
    end
    weir.select(list)
    for i = 1, 20 do keep[i]:try_send(1) end
    return function() weir.join_all { function() keep[7]:send(2) end } end, function()
      local which
      repeat which = weir.select(list) until which == 7
    end
  end)
  wakes("a sender that the collector drops", function()
    local pair = { weir.mpsc(1) }
    local rx = pair[2]
    return function() rx:recv() end, function()
      pair[1] = nil
      helper.collect()
    end
  end)

  it("changes nothing in what the operation returns that calls it", function()
    local tx, rx = helper.full_channel()
    local otx, orx = weir.oneshot()
    local tasks = {
      weir.spawn(function() return orx:recv() end),
      weir.spawn(function() return tx:send "second" end),
      weir.spawn(function() return tx:send "third" end),
    }
    rest()
    local calls = 0
    local function results(f, ...)
      weir.loop.on_wake(function() calls = calls + 1 end)
      local packed = table.pack(f(...))
      weir.loop.on_wake(nil)
      rest()
      return packed
    end
    assert.same({ n = 1, true }, results(otx.send, otx, "answer"))
    assert.same({ n = 1, "first" }, results(rx.recv, rx, 1))
    assert.same({ n = 2, "job", "second" }, results(weir.select, { job = rx }))
    assert.equal(3, calls)
    assert.same({ true, "answer" }, { tasks[1]:join() })
    assert.same({ true, true }, { tasks[3]:join() })
  end)

  it("is called if a timer is reset to an earlier time, which a loop that sleeps must know", function()
    local timer = weir.after(1000)
    local task = weir.spawn(function() return timer:wait() end)
    rest()
    local calls = 0
    weir.loop.on_wake(function() calls = calls + 1 end)
    timer:reset(500)
    local deadline = weir.loop.step()
    weir.loop.on_wake(nil)
    task:abort()
    weir.run(function() helper.settle() end)
    assert.equal(1, calls)
    assert.is_true(deadline > 400 and deadline <= 500)
  end)
end)

describe("weir.loop.end_all", function()
  it("ends every task and returns nothing", function()
    local task = weir.spawn(function() weir.sleep(1) end)
    rest()
    assert.equal(0, select("#", weir.loop.end_all()))
    assert.equal("aborted", task:status())
    assert.equal(0, select("#", weir.loop.end_all()))
  end)

  it("raises inside of weir.run", function()
    local ok, err = weir.run(function() return pcall(weir.loop.end_all) end)
    assert.is_false(ok)
    assert.matches("called from a task", err)
  end)
end)

describe("weir.loop.step", function()
  it("returns the seconds to the next deadline, less than one, too", function()
    helper.collect()
    local timer = weir.after(0.5)
    local left = weir.loop.step()
    timer:reset(math.huge)
    assert.is_true(left > 0.25 and left <= 0.5, tostring(left))
  end)

  it("returns 0 for a deadline that passed while it ran", function()
    local timer
    weir.spawn(function()
      timer = weir.after(0.001)
      local clock = os.clock()
      repeat until os.clock() - clock > 0.005
    end)
    assert.equal(0, (weir.loop.step()))
    assert.is_true(timer:is_elapsed())
  end)
end)
