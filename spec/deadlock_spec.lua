-- SPDX-License-Identifier: MIT
-- deadlock_spec.lua -- when nothing can ever run again; weir.dump, weir.tasks, weir.debug.

local weir = require "weir"
local helper = require "spec.helper"

local closing, failing, later, paused = helper.closing, helper.failing, helper.later, helper.paused

-- The error of a run that comes to nothing.
local function deadlock(main)
  local ok, err = pcall(weir.run, main)
  assert.is_false(ok)
  assert.equal("string", type(err))
  return err
end

describe("a deadlock", function()
  it("raises an error that begins with deadlock:", function()
    assert.matches("^deadlock:", deadlock(function()
      local _tx, rx = weir.mpsc(1)
      rx:recv()
    end))
  end)

  it("raises it on the virtual clock too", function()
    local ok, err = pcall(weir.run_paused, function()
      local _tx, rx = weir.mpsc(1)
      rx:recv()
    end)
    assert.is_false(ok)
    assert.matches("^deadlock:", err)
  end)

  it("lists every task by name", function()
    local err = deadlock(function()
      local _tx, rx = weir.mpsc(1)
      for _, name in ipairs { "reader", "writer", "pump" } do
        weir.spawn(function() weir.notify():notified() end):name(name)
      end
      rx:recv()
    end)
    assert.matches("reader", err)
    assert.matches("writer", err)
    assert.matches("pump", err)
  end)

  it("says where each task stands", function()
    local here, there
    local err = deadlock(function()
      local _tx, rx = weir.mpsc(1)
      weir.spawn(function()
        there = debug.getinfo(1, "l").currentline + 1
        weir.notify():notified()
      end)
      here = debug.getinfo(1, "l").currentline + 1
      rx:recv()
    end)
    assert.matches("deadlock_spec%.lua:" .. here, err)
    assert.matches("deadlock_spec%.lua:" .. there, err)
  end)

  it("says the kind of channel that a task waits for", function()
    local kinds = {
      mpsc = function() local _tx, rx = weir.mpsc(1) rx:recv() end,
      mpmc = function() local _tx, rx = weir.mpmc(1) rx:recv() end,
      oneshot = function() local _tx, rx = weir.oneshot() rx:recv() end,
      watch = function() local _tx, rx = weir.watch(0) rx:changed() end,
      broadcast = function() local _tx, rx = weir.broadcast(1) rx:recv() end,
      mutex = function() local m = weir.mutex() local _g <close> = m:lock() m:lock() end,
      semaphore = function() weir.semaphore(0):acquire() end,
      notify = function() weir.notify():notified() end,
      barrier = function() weir.barrier(2):wait() end,
    }
    for kind, main in pairs(kinds) do
      assert.matches(kind, string.lower(deadlock(main)))
    end
  end)

  it("says how full the channel is", function()
    local err = deadlock(function()
      local tx, _rx = weir.mpsc(17)
      for i = 1, 17 do tx:send(i) end
      tx:send(18)
    end)
    assert.matches("%f[%d]17%f[%D]", err)
  end)

  it("says how many handles stand on the other side", function()
    local err = deadlock(function()
      local tx, rx = weir.mpsc(1)
      local clones = {}
      for i = 1, 12 do clones[i] = tx:clone() end
      assert.equal(12, #clones)
      rx:recv()
    end)
    assert.matches("%f[%d]13%f[%D]", err)
  end)

  it("says what a task waits for in a join", function()
    local err = deadlock(function()
      local task = weir.spawn(function() weir.notify():notified() end)
      task:name "never-ending"
      task:join()
    end)
    assert.matches("join", err)
    assert.matches("never%-ending", err)
  end)

  it("is found where two tasks join each other", function()
    assert.matches("^deadlock:", deadlock(function()
      local a, b
      a = weir.spawn(function() b:join() end)
      b = weir.spawn(function() a:join() end)
      a:join()
    end))
  end)

  it("is found where a task locks its mutex twice", function()
    assert.matches("^deadlock:", deadlock(function()
      local mutex = weir.mutex()
      local _guard <close> = mutex:lock()
      mutex:lock()
    end))
  end)

  it("is found where two actors call each other", function()
    assert.matches("^deadlock:", deadlock(function()
      local to_a, inbox_a = weir.mpsc(1)
      local to_b, inbox_b = weir.mpsc(1)
      weir.spawn(function(inbox) for _ in inbox do to_b:call { "from a" } end end, inbox_a)
      weir.spawn(function(inbox) for _ in inbox do to_a:call { "from b" } end end, inbox_b)
      to_a:call { "start" }
    end))
  end)

  it("is found in a select", function()
    assert.matches("^deadlock:", deadlock(function()
      local a, b = { weir.mpsc(1) }, { weir.watch(0) }
      weir.select { a[2], b[2] }
    end))
  end)

  it("is found behind waits without a finite deadline", function()
    assert.matches("^deadlock:", deadlock(function() weir.sleep(math.huge) end))
    assert.matches("^deadlock:", deadlock(function()
      local _tx, rx = weir.mpsc(1)
      rx:recv(math.huge)
    end))
    assert.matches("^deadlock:", deadlock(function()
      weir.timeout(math.huge, function() weir.notify():notified() end)
    end))
  end)

  it("is none while somebody has a finite deadline", function()
    assert.same({ nil, "timeout" }, { weir.run_paused(function()
      local _tx, rx = weir.mpsc(1)
      weir.spawn(function() weir.notify():notified() end)
      return rx:recv(1e6)
    end) })
  end)

  it("cannot be swallowed by the pcall of a waiting task", function()
    local went_on = false
    assert.matches("^deadlock:", deadlock(function()
      local _tx, rx = weir.mpsc(1)
      pcall(rx.recv, rx)
      went_on = true
    end))
    assert.is_false(went_on)
  end)

  it("aborts the tasks: their <close> variables run", function()
    local log = {}
    deadlock(function()
      local _main <close> = closing(log, "main")
      weir.spawn(function()
        local _other <close> = closing(log, "other")
        weir.notify():notified()
      end)
      weir.notify():notified()
    end)
    table.sort(log)
    assert.same({ "main", "other" }, log)
  end)

  it("drops what the tasks owned", function()
    local tx, rx = weir.mpsc(1)
    deadlock(function()
      weir.spawn(function() weir.notify():notified() end, tx)
      weir.notify():notified()
    end)
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end)

  it("leaves weir able to run again", function()
    deadlock(function() weir.notify():notified() end)
    assert.equal("fine", weir.run(function() weir.yield() return "fine" end))
    assert.same({}, weir.tasks())
  end)

  it("is not raised where main ends though others wait for ever", function()
    assert.equal("fine", weir.run(function()
      weir.spawn(function() weir.notify():notified() end)
      weir.yield()
      return "fine"
    end))
  end)
end)

describe("before a deadlock is raised the collector", function()
  -- A receiver whose sender nobody holds.
  local function lone_receiver(new)
    local _, rx = (new or weir.mpsc)(1)
    return rx
  end

  it("drops a sender that nobody holds, and the receiver goes on", function()
    assert.same({ nil, "closed" }, { weir.run(function()
      local rx = lone_receiver()
      return rx:recv()
    end) })
  end)

  it("drops a receiver that nobody holds, and the sender goes on", function()
    assert.same({ nil, "closed" }, { weir.run(function()
      local tx = weir.mpsc(1)
      tx:send "first"
      return tx:send "second"
    end) })
  end)

  it("drops a oneshot sender that nobody holds", function()
    assert.same({ nil, "closed" }, { weir.run(function()
      local rx = lone_receiver(weir.oneshot)
      return rx:recv()
    end) })
  end)

  it("drops a guard that nobody holds", function()
    assert.equal("MutexGuard", weir.run(function()
      local mutex = weir.mutex()
      later(function()
        local function lock() mutex:lock() end
        lock()
        weir.notify():notified()
      end)
      return weir.type((mutex:lock()))
    end))
  end)

  it("drops a permit that nobody holds", function()
    assert.is_true(weir.run(function()
      local tx, rx = weir.mpsc(1)
      local function reserve() tx:reserve() end
      reserve()
      return tx:send "room" and rx:recv() == "room"
    end))
  end)

  it("drops a chain of channels that hold each other's senders", function()
    assert.same({ nil, "closed" }, { weir.run(function()
      local tx, rx = weir.mpsc(1)
      for _ = 1, 10 do
        local outer = { weir.mpsc(1) }
        outer[1]:send(tx)
        tx = outer[1]
        -- The receiver stands behind a finalizer: one collection does not do.
        setmetatable(outer, { __gc = function() end })
      end
      tx = nil  -- luacheck: ignore
      return rx:recv()
    end) })
  end)

  it("wakes a chain of tasks, each of which holds the sender of the next", function()
    assert.same({ nil, "closed" }, { weir.run(function()
      local rx = lone_receiver()
      for _ = 1, 5 do
        local tx, next_rx = weir.mpsc(1)
        weir.spawn(function(inbox) for _ in inbox do assert(true) end end, rx, tx)
        rx = next_rx
      end
      return rx:recv()
    end) })
  end)

  it("does not run while a deadline is near", paused(function()
    collectgarbage "stop"
    local weak = helper.weak({})
    weir.sleep(1)
    local kept = type(weak[1])
    collectgarbage "restart"
    assert.equal("table", kept)
  end))
end)

describe("weir.dump", function()
  it("is a string that names every task of a live program", paused(function()
    later(function() weir.sleep(1) end):name "sleeper"
    local _tx, rx = weir.mpsc(1)
    later(function() rx:recv() end):name "reader"
    weir.current():name "boss"
    local dump = weir.dump()
    assert.equal("string", type(dump))
    assert.matches("sleeper", dump)
    assert.matches("reader", dump)
    assert.matches("boss", dump)
  end))

  it("says for what a task waits and where it stands", paused(function()
    local _tx, rx = weir.mpsc(1)
    local line
    later(function()
      line = debug.getinfo(1, "l").currentline + 1
      rx:recv()
    end)
    local dump = weir.dump()
    assert.matches("mpsc", dump)
    assert.matches("deadlock_spec%.lua:" .. line, dump)
  end))

  it("works outside a run", function()
    assert.equal("string", type(weir.dump()))
  end)

  it("changes nothing", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    weir.dump()
    assert.equal("waiting", task:status())
    tx:send "as before"
    assert.same({ true, "as before" }, { task:join() })
  end))

  it("names a task no more when it has ended", paused(function()
    later(function() end):name "short-lived"
    assert.not_matches("short%-lived", weir.dump())
  end))
end)

describe("weir.tasks", function()
  local function by_name(name)
    for _, t in ipairs(weir.tasks()) do
      if t.name == name then return t end
    end
  end

  it("is an array of every live task", paused(function()
    later(weir.sleep, 1)
    later(weir.sleep, 1)
    assert.equal(3, #weir.tasks())
  end))

  it("gives id, name and status", paused(function()
    local task = later(weir.sleep, 1)
    task:name "sleeper"
    local t = by_name "sleeper"
    assert.equal(task:id(), t.id)
    assert.equal("sleeper", t.name)
    assert.equal("waiting", t.status)
  end))

  it("gives the running task as running", paused(function()
    weir.current():name "boss"
    assert.equal("running", by_name("boss").status)
  end))

  it("gives a task that was spawned as ready", paused(function()
    weir.spawn(function() end):name "new"
    assert.equal("ready", by_name("new").status)
  end))

  it("gives for what a task waits, and where", paused(function()
    local _tx, rx = weir.mpsc(1)
    local line
    later(function()
      line = debug.getinfo(1, "l").currentline + 1
      rx:recv()
    end):name "reader"
    local t = by_name "reader"
    assert.matches("mpsc", t.waiting_for)
    assert.matches("deadlock_spec%.lua:" .. line, t.where)
  end))

  it("gives nothing waited for where a task does not wait", paused(function()
    weir.current():name "boss"
    assert.is_nil(by_name("boss").waiting_for)
  end))

  it("leaves out what has ended", failing(function()
    later(function() end)
    later(function() error "x" end)
    later(weir.sleep, 1):abort()
    weir.yield()
    assert.equal(1, #weir.tasks())
  end))

  it("is empty when nothing is left", function()
    weir.run(function()
      later(weir.sleep, 1)
    end)
    assert.same({}, weir.tasks())
  end)

  it("shows a task that waits for the next run", function()
    weir.spawn(function() end):name "early"
    assert.equal("early", weir.tasks()[1].name)
    weir.run(function() weir.yield() weir.yield() end)
    assert.same({}, weir.tasks())
  end)

  it("gives a table of the caller's own", paused(function()
    local t = weir.tasks()
    t[1] = nil
    assert.equal(1, #weir.tasks())
  end))
end)

describe("weir.debug", function()
  it("(true) makes the picture say where each handle was made", paused(function()
    weir.debug(true)
    local line = debug.getinfo(1, "l").currentline + 1
    local _tx, rx = weir.mpsc(1)
    weir.debug(false)
    later(function() rx:recv() end)
    assert.matches("deadlock_spec%.lua:" .. line, weir.dump())
  end))

  it("is off by default: the picture does not say it", paused(function()
    local line = debug.getinfo(1, "l").currentline + 1
    local _tx, rx = weir.mpsc(1)
    later(function() rx:recv() end)
    assert.not_matches("deadlock_spec%.lua:" .. line .. "%f[%D]", weir.dump())
  end))

  it("is on in a program started with WEIR_DEBUG=1", function()
    local output, status = helper.program([[
      local weir = require "weir"
      local tx, rx = weir.mpsc(1)  -- line 2
      weir.run(function() rx:recv() end)
    ]], "WEIR_DEBUG=1")
    assert.matches("deadlock:", output)
    assert.matches(":2%f[%D]", output)
    assert.equal(1, status)
  end)

  it("shows where clones were made", function()
    local output = helper.program([[
      local weir = require "weir"
      local tx, rx = weir.mpsc(1)
      tx:drop()
      tx, rx = weir.mpsc(1)
      local forgotten = tx:clone()  -- line 5
      tx:drop()
      weir.run(function() rx:recv() end)
      forgotten:drop()
    ]], "WEIR_DEBUG=1")
    assert.matches(":5%f[%D]", output)
  end)
end)

describe("a program that ends in a deadlock", function()
  it("says so on stderr and fails", function()
    local output, status = helper.program [[
      local weir = require "weir"
      local tx, rx = weir.mpsc(1)
      weir.run(function() for v in rx do print(v) end end)
    ]]
    assert.matches("deadlock:", output)
    assert.equal(1, status)
  end)
end)

describe("a deadlock beside a timer", function()
  local function stuck(prepare)
    return pcall(weir.run, function()
      local keep = prepare()
      local tx, rx = weir.mpsc(1)
      rx:recv()
      return tx, keep
    end)
  end

  for what, prepare in pairs {
    ["that nobody waits for"] = function() return weir.after(3600) end,
    ["that a select has left"] = function()
      local timer = weir.after(3600)
      weir.select { timer, weir.after(0.001) }
      return timer
    end,
    ["between others that nobody waits for"] = function()
      local timers = {}
      for i = 1, 50 do timers[i] = weir.after(3600 + i) end
      return timers
    end,
    ["of an interval that nobody waits for"] = function()
      local ticks = weir.interval(3600)
      ticks:tick()
      return ticks
    end,
  } do
    it(what .. " is reported at once", function()
      local began = os.time()
      local ok, err = stuck(prepare)
      assert.is_false(ok)
      assert.matches("^deadlock:", err)
      assert.is_true(os.time() - began < 3)
    end)
  end

  it("that somebody waits for is none", function()
    local ok, woken = pcall(weir.run_paused, function()
      local idle, timer = weir.after(10), weir.after(20)
      for _ = 1, 9 do weir.after(30) end
      local waits = weir.spawn(function() return weir.select { idle, timer } end)
      local _, which = waits:join()
      return which
    end)
    assert.same({ true, 1 }, { ok, woken })
  end)
end)
