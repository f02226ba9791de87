-- SPDX-License-Identifier: MIT
-- dump_spec.lua -- what a program is doing: a deadlock's report, weir.dump, weir.tasks, weir.channels.

local weir = require "weir"
local helper = require "spec.helper"

local later, paused = helper.later, helper.paused

-- The report of a run that comes to nothing: its first line, and all of it.
local function report(main, ...)
  local ok, err = pcall(weir.run, main, ...)
  assert.is_false(ok)
  return string.match(err, "^[^\n]*"), err
end

local function line()
  return debug.getinfo(2, "l").currentline
end

describe("the first line of a deadlock's report", function()
  it("names the wait, its line, and the sender that the task itself holds", function()
    local here
    local first = report(function()
      local tx, rx = weir.mpsc(2)
      here = line() + 1
      rx:recv()
      tx:drop()
    end)
    assert.matches("^deadlock: rx:recv%(%) at spec/dump_spec%.lua:" .. here
      .. " waits for a sender that is still held by the task itself %(variable tx%)$", first)
  end)

  it("writes a for loop as it stands", function()
    assert.matches("for %.%.%. in inbox at", (report(function()
      local tx, inbox = weir.mpsc(2)
      for _ in inbox do assert(tx) end
    end)))
  end)

  it("has no name for what a loop goes through but a variable's", function()
    local first, all = report(function()
      local ends = { weir.mpsc(2) }
      for _ in ends[2] do assert(ends) end
    end)
    assert.matches("for %.%.%. in rx at", first)
    assert.matches("%(variable ends%.1%)", first)
    assert.not_matches("variable %(", all)
  end)

  it("says where the sender was made, with weir.debug", function()
    weir.debug(true)
    local here
    local first = report(function()
      here = line() + 1
      local tx, rx = weir.mpsc(2)
      rx:recv()
      tx:drop()
    end)
    weir.debug(false)
    assert.matches("made at spec/dump_spec%.lua:" .. here .. "$", first)
  end)

  it("says where the sender was made, with weir.debug, after it was moved, too", function()
    weir.debug(true)
    local here
    local _, all = report(function()
      here = line() + 1
      local tx, rx = weir.mpsc(2)
      weir.spawn(function(mine)
        weir.sleep(math.huge)
        mine:drop()
      end, tx:move())
      rx:recv()
    end)
    weir.debug(false)
    assert.matches("made at spec/dump_spec%.lua:" .. here, all)
  end)

  it("says so where a sender was made by no Lua code", function()
    weir.debug(true)
    local first = report(function()
      local _, tx, rx = weir.spawn(weir.mpsc, 2):join()
      rx:recv()
      tx:drop()
    end)
    weir.debug(false)
    assert.matches("made at C code$", first)
  end)

  it("says where a sender was made in a file of one line", function()
    weir.debug(true)
    local first = report(load("local tx, rx = (...)(2) rx:recv() tx:drop()", "=short", "t", {}), weir.mpsc)
    weir.debug(false)
    assert.matches("made at short:1$", first)
  end)

  it("counts several senders of the task's own", function()
    assert.matches("waits for 3 senders that are still held by the task itself", (report(function()
      local tx, rx = weir.mpsc(2)
      local more = { tx:clone(), tx:clone() }
      rx:recv()
      more[1]:drop()
    end)))
  end)

  it("names the mutex whose guard the waiter holds", function()
    assert.matches("^deadlock: lock:lock%(%) at .- waits for a guard that is still held by the task itself",
      (report(function()
        local lock = weir.mutex()
        local guard <close> = lock:lock()
        lock:lock()
        guard:set(1)
      end)))
  end)

  it("names a full channel whose receiver the sender holds", function()
    assert.matches("tx:send%(%) at .- waits for room in a channel whose receiver is held by the task itself",
      (report(function()
        local tx, rx = weir.mpsc(1)
        tx:send(1)
        tx:send(2)
        rx:drop()
      end)))
  end)

  it("names a sender that belongs to no task", function()
    local kept = {}  -- luacheck: ignore
    local first = report(function()
      local tx, rx = weir.mpsc(1)
      kept.deep = { tx }
      tx = nil  -- luacheck: ignore
      rx:recv()
    end)
    assert.matches("waits for a sender that belongs to no task", first)
    kept.deep = nil
  end)

  it("names two tasks that join each other", function()
    local first = report(function()
      local a, b
      a = weir.spawn(function() b:join() end)
      b = weir.spawn(function() a:join() end)
      a:name "left"
      b:name "right"
      a:join()
    end)
    assert.matches("^deadlock: task %d+ left and task %d+ right wait for each other: ", first)
    assert.matches("b:join%(%) at .- waits for the end of task %d+ right", first)
    assert.matches("a:join%(%) at .- waits for the end of task %d+ left", first)
  end)

  it("names a circle of three", function()
    local first = report(function()
      local t = {}
      for i = 1, 3 do
        t[i] = weir.spawn(function() t[i % 3 + 1]:join() end)
        t[i]:name("t" .. i)
      end
      t[1]:join()
    end)
    assert.matches("3 tasks wait for each other in a circle: ", first)
    assert.matches("t1 %-> task %d+ t2 %-> task %d+ t3 %-> task %d+ t1$", first)
  end)

  it("names two actors that call each other", function()
    local first = report(function()
      local to_a, inbox_a = weir.mpsc(1)
      local to_b, inbox_b = weir.mpsc(1)
      weir.spawn(function(inbox) for _ in inbox do to_b:call {} end end, inbox_a):name "a"
      weir.spawn(function(inbox) for _ in inbox do to_a:call {} end end, inbox_b):name "b"
      to_a:call {}
    end)
    assert.matches("task %d+ a and task %d+ b wait for each other", first)
    assert.matches("to_b:call%(%) at .- waits for the answer of task %d+ b", first)
  end)

  it("names an actor that calls itself", function()
    local first = report(function()
      local to_me, inbox = weir.mpsc(4)
      local actor = weir.spawn(function(rx) for _ in rx do to_me:call {} end end, inbox)
      to_me:send {}
      actor:join()
    end)
    assert.matches("to_me:call%(%) at .- waits for an answer that only the task itself could give", first)
  end)

  it("looks behind the main task for who is to blame", function()
    local first = report(function()
      local task = weir.spawn(function()
        local tx, rx = weir.mpsc(1)
        rx:recv()
        tx:drop()
      end)
      task:name "culprit"
      task:join()
    end)
    assert.matches("rx:recv%(%) at .- in task %d+ culprit waits for a sender that is still held by the task",
      first)
  end)

  it("says what no task could bring", function()
    assert.matches("waits for a notification, and no task is left", (report(function()
      weir.notify():notified()
    end)))
    assert.matches("semaphore %(0 of 0 free%)", (report(function() weir.semaphore(0):acquire() end)))
    assert.matches("barrier %(1 of 2 arrived%)", (report(function() weir.barrier(2):wait() end)))
    assert.matches("never ends$", (report(function() weir.sleep(math.huge) end)))
  end)

  it("does not blame a task for one of several senders", function()
    local first = report(function()
      local tx, rx = weir.mpsc(2)
      weir.spawn(function(mine)
        weir.notify():notified()
        mine:drop()
      end, tx:clone())
      rx:recv()
      tx:drop()
    end)
    assert.matches("waits for 2 senders, 1 of which is still held by the task itself %(variable tx%)", first)
  end)
end)

describe("the rest of a deadlock's report", function()
  it("lists each branch of a select with what stands on its other side", function()
    local _, all = report(function()
      local tx, rx = weir.mpsc(1)
      local wtx, wrx = weir.watch(0)
      weir.select { job = rx, settings = wrx }
      tx:drop()
      wtx:drop()
    end)
    assert.matches("waits in select over 2 branches", all)
    assert.matches("job: recv on mpsc%.Receiver %(open, 0 of 1 buffered%), 1 sender on the other side", all)
    assert.matches("settings: changed on watch%.Receiver %(.-%), 1 sender on the other side", all)
  end)

  it("lists the branches of a select over an array", function()
    local _, all = report(function()
      local tx, rx = weir.mpsc(1)
      weir.select { rx, weir.notify() }
      tx:drop()
    end)
    assert.matches("1: recv on mpsc%.Receiver", all)
    assert.matches("2: notified on Notify", all)
  end)

  it("names the owner of each handle", function()
    local _, all = report(function()
      local tx, rx = weir.mpsc(1)
      weir.spawn(function(mine)
        weir.notify():notified()
        mine:drop()
      end, tx):name "owner"
      rx:recv()
    end)
    assert.matches("mpsc%.Sender owned by task %d+ owner", all)
  end)

  it("counts the handles that are in no variable", function()
    local kept = {}  -- luacheck: ignore
    local _, all = report(function()
      local tx, rx = weir.mpsc(1)
      kept.deep = { { tx, tx:clone() } }
      tx = nil  -- luacheck: ignore
      rx:recv()
    end)
    kept.deep = nil
    assert.matches("2 senders on the other side", all)
    assert.matches("2 senders owned by no task, in no variable of a task", all)
  end)

  it("says how many tasks of a scope are unfinished", function()
    local _, all = report(function()
      weir.scope(function(scope) scope:spawn(function() weir.notify():notified() end) end)
    end)
    assert.matches("waits in scope, 1 task unfinished", all)
  end)

  it("shows the user's line of a wait inside weir's own modules", function()
    local stream = require "weir.stream"
    local here
    local _, all = report(function()
      local tx, rx = weir.mpsc(1)
      local s = stream.from(rx):map(function(v) return v end)
      here = line() + 1
      s:next()
      tx:drop()
    end)
    assert.matches("waiting at spec/dump_spec%.lua:" .. here, all)
    assert.not_matches("weir/stream", all)
  end)
end)

describe("weir.dump", function()
  it("shows tasks by state, with what they wait for", paused(function()
    local tx, rx = weir.mpsc(4)
    later(function(inbox) inbox:recv() end, rx):name "reader"
    weir.spawn(function() end):name "fresh"
    weir.current():name "boss"
    local dump = weir.dump()
    assert.matches("^3 tasks %(1 running, 1 ready, 1 waiting%), 1 channel, 2 handles\n", dump)
    assert.matches("\nrunning\n  task %d+ boss +at spec/dump_spec%.lua:%d+\n", dump)
    assert.matches("\nready\n  task %d+ fresh +at not started\n", dump)
    assert.matches("\nwaiting\n  task %d+ reader +at spec/dump_spec%.lua:%d+ +inbox:recv%(%) on channel 1 %(",
      dump)
    tx:drop()
  end))

  it("shows for how long a wait can last", paused(function()
    later(weir.sleep, 90)
    assert.matches("weir%.sleep%(%), at most 90 s more", weir.dump())
  end))

  it("shows the age of a task that was spawned under weir.debug", paused(function()
    weir.debug(true)
    later(weir.sleep, 90):name "old"
    weir.debug(false)
    later(weir.sleep, 90):name "new"
    weir.sleep(30)
    local dump = weir.dump()
    assert.matches("old +30 s old", dump)
    assert.not_matches("new +%d+ s old", dump)
  end))

  it("shows how full a channel is, was, and who waits at it", paused(function()
    local tx, rx = weir.mpsc(3)
    for i = 1, 3 do tx:send(i) end
    rx:recv()
    tx:send(4)
    later(function(t) t:send(5) end, tx:clone())
    local dump = weir.dump()
    assert.matches("\nchannels\n  1  mpsc  3 of 3, most 3  2 senders %(", dump)
    assert.matches("task %d+ waits to send", dump)
  end))

  it("shows what is reserved", paused(function()
    local tx, rx = weir.mpsc(3)
    local permit <close> = tx:reserve()
    assert.matches("0 of 3, 1 reserved", weir.dump())
    assert.equal(1, permit:remaining())
    rx:drop()
  end))

  it("draws who waits for whom", paused(function()
    local task = later(weir.sleep, 1)
    task:name "slow"
    later(function() task:join() end):name "joiner"
    assert.matches("\nwaits for\n  task %d+ joiner  %->  task %d+ slow: join", weir.dump())
  end))

  it("calls out a circle that can never go on", paused(function()
    local a, b
    a = weir.spawn(function() b:join() end)
    b = weir.spawn(function() a:join() end)
    a:name "a"
    b:name "b"
    weir.yield()
    assert.matches("\ncan never go on\n  task %d+ a and task %d+ b wait for each other: ", weir.dump())
    a:abort()
  end))

  it("calls out a task that waits for itself", paused(function()
    local task = later(function()
      local lock = weir.mutex()
      local guard <close> = lock:lock()
      lock:lock()
      guard:unlock()
    end)
    assert.matches("\ncan never go on\n  lock:lock%(%) at ", weir.dump())
    task:abort()
  end))

  it("calls nothing a circle that a third task can end", paused(function()
    local tx_a, rx_a = weir.mpsc(1)
    local tx_b, rx_b = weir.mpsc(1)
    local keep = tx_a:clone()
    later(function(rx, tx) if rx:recv() then tx:send(1) end end, rx_a, tx_b)
    later(function(rx, tx) if rx:recv() then tx:send(1) end end, rx_b, tx_a)
    assert.not_matches("can never go on", weir.dump())
    keep:drop()
    assert.matches("can never go on", weir.dump())
  end))

  it("does not call a wait with a time limit one", paused(function()
    local a, b
    a = weir.spawn(function() b:join(5) end)
    b = weir.spawn(function() a:join() end)
    weir.yield()
    assert.not_matches("can never go on", weir.dump())
  end))

  it("keeps to a page", paused(function()
    for _ = 1, 500 do weir.spawn(weir.sleep, 1) end
    weir.yield()
    local dump = weir.dump()
    assert.matches("%.%.%. and 450 more", dump)
    local _, lines = string.gsub(dump, "\n", "")
    assert.is_true(lines < 70)
  end))

  it("is one line where there is nothing", function()
    helper.collect()
    assert.matches("^0 tasks, ", weir.dump())
  end)
end)

describe("weir.tasks", function()
  it("says how long a wait can last, and how old a task is", paused(function()
    weir.debug(true)
    later(weir.sleep, 90):name "sleeper"
    weir.debug(false)
    weir.sleep(30)
    for _, task in ipairs(weir.tasks()) do
      if task.name == "sleeper" then
        assert.equal(60, task.due)
        assert.equal(30, task.age)
        assert.equal("sleep", task.waiting_for)
        return
      end
    end
    error "the sleeper is not listed"
  end))

  it("says what a select waits for", paused(function()
    local tx, rx = weir.mpsc(1)
    later(function() weir.select { rx, weir.after(9) } end):name "chooser"
    for _, task in ipairs(weir.tasks()) do
      if task.name == "chooser" then
        assert.matches("^select over 2 branches: recv on mpsc%.Receiver .-; wait on Timer", task.waiting_for)
      end
    end
    tx:drop()
  end))

  it("goes on when a scope ends its tasks in a <close> handler's way", paused(function()
    local task = later(function()
      weir.scope(function(scope)
        scope:spawn(function() weir.sleep(9) end)
        weir.sleep(9)
      end)
    end)
    task:abort()
    assert.is_true(#weir.tasks() >= 3)
    task:join()
    assert.equal(1, #weir.tasks())
  end))
end)

describe("weir.channels", function()
  -- The only channel of a kind.
  local function of_kind(kind)
    local found
    for _, channel in ipairs(weir.channels()) do
      if channel.kind == kind then
        assert.is_nil(found)
        found = channel
      end
    end
    return found
  end

  before_each(helper.collect)

  it("gives the numbers of an mpsc channel", paused(function()
    local tx, rx = weir.mpsc(4)
    for i = 1, 4 do tx:send(i) end
    rx:recv()
    local other = tx:clone()
    local c = of_kind "mpsc"
    assert.same({ 3, 4, 4, 2, 1, 4, 1, false },
      { c.len, c.capacity, c.high_water, c.senders, c.receivers, c.sent, c.received, c.closed })
    assert.same({}, c.waiting_senders)
    assert.same({}, c.waiting_receivers)
    other:drop()
  end))

  it("lists who waits on each side, in their order", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send(1)
    local second, third
    second = later(function(t) t:send(2) end, tx:clone())
    third = later(function(t) t:send(3) end, tx:clone())
    assert.same({ second:id(), third:id() }, of_kind("mpsc").waiting_senders)
    for _ = 1, 3 do rx:recv() end
    tx:drop()
    later(function() rx:recv() end)
  end))

  it("knows every kind", paused(function()
    local held = {}
    held.job, held.jobs = weir.mpmc(2)
    held.reply, held.answer = weir.oneshot()
    held.set, held.settings = weir.watch "x"
    held.event, held.events = weir.broadcast(8)
    assert.equal(2, of_kind("mpmc").capacity)
    assert.equal(0, of_kind("oneshot").len)
    assert.equal(1, of_kind("watch").receivers)
    assert.equal(8, of_kind("broadcast").capacity)
    held.reply:send(1)
    assert.equal(1, of_kind("oneshot").len)
    held.event:send(1)
    assert.equal(1, of_kind("broadcast").len)
  end))

  it("gives an unbounded channel no limit", paused(function()
    local tx, rx = weir.unbounded()
    for i = 1, 100 do tx:send(i) end
    local c = of_kind "mpsc"
    assert.equal(math.huge, c.capacity)
    assert.equal(100, c.len)
    rx:drop()
  end))

  it("says where a channel was made, under weir.debug", paused(function()
    weir.debug(true)
    local here = line() + 1
    local tx, rx = weir.mpsc(4)
    weir.debug(false)
    assert.equal("spec/dump_spec.lua:" .. here, of_kind("mpsc").made)
    tx:drop()
    rx:drop()
  end))

  it("finds a channel whose ends are owned, waited for, or in a variable", paused(function()
    local tx, rx = weir.mpsc(4)
    later(function(inbox) inbox:recv() end, rx)
    assert.equal(1, of_kind("mpsc").receivers)
    local stx, srx = weir.watch(0)
    assert.equal(1, of_kind("watch").senders)
    tx:drop()
    stx:drop()
    srx:drop()
  end))

  it("forgets a channel without handles", paused(function()
    local tx, rx = weir.mpsc(4)
    tx:drop()
    rx:drop()
    assert.is_nil(of_kind "mpsc")
  end))
end)
