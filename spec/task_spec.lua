-- SPDX-License-Identifier: MIT
-- task_spec.lua -- what a Task can do: join, abort, status, names, and what happens when one fails.
-- Long because each row of the reference's table of tasks has its own group.

local weir = require "weir"
local helper = require "spec.helper"

local forever = helper.forever

local blames, closing, failing, failures = helper.blames, helper.closing, helper.failing, helper.failures
local later, paused, settle = helper.later, helper.paused, helper.settle

describe("Task:join", function()
  it("waits for the task and returns true and its results", paused(function()
    local task = weir.spawn(function()
      weir.sleep(1)
      return 1, nil, 3
    end)
    assert.same({ n = 4, true, 1, nil, 3 }, table.pack(task:join()))
  end))

  it("returns at once where the task has ended", paused(function()
    local task = later(function() return "done" end)
    local other = false
    weir.spawn(function() other = true end)
    assert.same({ true, "done" }, { task:join() })
    assert.is_false(other)
  end))

  it("returns true alone where there are no results", paused(function()
    assert.same({ n = 1, true }, table.pack(weir.spawn(function() end):join()))
  end))

  it("returns as many results as the task has", paused(function()
    local task = weir.spawn(function() return table.unpack({}, 1, 250) end)
    assert.equal(251, select("#", task:join()))
  end))

  it("returns false and a string error unchanged", paused(function()
    local task = weir.spawn(function() error("as it was", 0) end)
    assert.same({ n = 2, false, "as it was" }, table.pack(task:join()))
  end))

  it("returns false and an error object unchanged", paused(function()
    local err = setmetatable({}, { __tostring = function() return "an object" end })
    local ok, got = weir.spawn(function() error(err) end):join()
    assert.is_false(ok)
    assert.equal(err, got)
  end))

  it("returns false and nil for error(nil)", paused(function()
    local r = table.pack(weir.spawn(function() error(nil) end):join())
    assert.is_false(r[1])
    assert.is_nil(r[2])
  end))

  it("returns false and 'aborted' for an aborted task", paused(function()
    local task = later(forever)
    task:abort()
    assert.same({ n = 2, false, "aborted" }, table.pack(task:join()))
  end))

  it("may be asked more than once", paused(function()
    local task = weir.spawn(function() return "again" end)
    for _ = 1, 3 do assert.same({ true, "again" }, { task:join() }) end
  end))

  it("may be asked more than once about an error", paused(function()
    local task = weir.spawn(function() error("again", 0) end)
    for _ = 1, 3 do assert.same({ false, "again" }, { task:join() }) end
  end))

  it("hands the very same table to each who asks", paused(function()
    local result = {}
    local task = weir.spawn(function() return result end)
    assert.equal(result, select(2, task:join()))
    assert.equal(result, select(2, task:join()))
  end))

  it("wakes every task that waits, first come, first served", paused(function()
    local log = {}
    local task = weir.spawn(function() weir.sleep(1) return "r" end)
    for i = 1, 4 do
      weir.spawn(function()
        local _, r = task:join()
        log[#log + 1] = r .. i
      end)
    end
    weir.sleep(2)
    assert.same({ "r1", "r2", "r3", "r4" }, log)
  end))

  it("works outside a task where the task has ended", function()
    local task = weir.run(function()
      local t = weir.spawn(function() return "kept" end)
      weir.yield()
      return t
    end)
    assert.same({ true, "kept" }, { task:join() })
  end)

  it("raises outside a task where it would wait", function()
    local task = weir.spawn(function() end)
    blames(function() task:join() end)
    weir.run(function() weir.yield() weir.yield() end)
  end)

  it("polls once with a timeout of 0", paused(function()
    local task = later(function() weir.sleep(1) return "r" end)
    assert.same({ nil, "timeout" }, { task:join(0) })
    assert.same({ true, "r" }, { task:join() })
    assert.same({ true, "r" }, { task:join(0) })
  end))

  it("returns nil, 'timeout' after its timeout, and the task goes on", paused(function()
    local t = weir.now()
    local task = weir.spawn(function() weir.sleep(2) return "late" end)
    assert.same({ nil, "timeout" }, { task:join(1) })
    assert.equal(1, weir.now() - t)
    assert.same({ true, "late" }, { task:join(5) })
    assert.equal(2, weir.now() - t)
  end))

  it("leaves the other joiners alone where one is aborted while it waits", paused(function()
    local task = weir.spawn(function() weir.sleep(1) return "r" end)
    local first = later(function() return task:join() end)
    local second = later(function() return task:join() end)
    first:abort()
    assert.same({ true, true, "r" }, { second:join() })
    assert.same({ false, "aborted" }, { first:join() })
  end))

  it("loses nothing where a joiner is aborted after the task has ended", paused(function()
    local task = weir.spawn(function() weir.yield() return "r" end)
    local joiner = later(function() return task:join() end)
    while not task:is_finished() do weir.yield() end
    joiner:abort()
    settle()
    assert.same({ true, "r" }, { task:join() })
  end))

  it("raises for a task that joins itself", paused(function()
    local _, err = weir.spawn(function()
      return blames(function() weir.current():join() end)
    end):join()
    assert.equal("string", type(err))
  end))

  it("raises for main joining itself", function()
    weir.run(function() blames(function() weir.current():join() end) end)
  end)

  it("returns 'aborted' to the joiner of a task aborted by a third", paused(function()
    local task = later(forever)
    local joiner = later(function() return task:join() end)
    weir.spawn(function() task:abort() end)
    assert.same({ true, false, "aborted" }, { joiner:join() })
  end))

  it("returns the results of a chain of joins", paused(function()
    local task = weir.spawn(function() weir.sleep(1) return 0 end)
    for _ = 1, 100 do
      local below = task
      task = weir.spawn(function() return helper.join(below) + 1 end)
    end
    assert.same({ true, 100 }, { task:join() })
  end))
end)

describe("Task:abort", function()
  it("ends the task at its wait", paused(function()
    local went_on = false
    local task = later(function()
      weir.sleep(1)
      went_on = true
    end)
    task:abort()
    weir.sleep(2)
    assert.is_false(went_on)
    assert.equal("aborted", task:status())
  end))

  it("does nothing before the next turn of the scheduler", paused(function()
    local log = {}
    local task = later(function()
      local _note <close> = closing(log, "closed")
      forever()
    end)
    task:abort()
    assert.same({}, log)
    assert.is_false(task:is_finished())
    weir.yield()
    assert.same({ "closed" }, log)
    assert.is_true(task:is_finished())
  end))

  it("ends a task before its first step without running it", paused(function()
    local ran = false
    local task = weir.spawn(function() ran = true end)
    task:abort()
    assert.same({ false, "aborted" }, { task:join() })
    assert.is_false(ran)
  end))

  it("drops the handles of a task that never ran", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function() end, tx):abort()
    weir.yield()
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("drops the handles that the task owned", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = later(forever, tx)
    task:abort()
    assert.same({ nil, "empty" }, { rx:try_recv() })
    weir.yield()
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("withdraws the wait: a queued sender gives up its place", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send("first")
    local task = later(function() tx:send("second") end)
    later(function() tx:send("third") end)
    task:abort()
    weir.yield()
    assert.equal("first", rx:recv())
    assert.equal("third", rx:recv())
  end))

  it("takes no message along where the task had been woken", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    tx:try_send("kept")
    task:abort()
    assert.same({ false, "aborted" }, { task:join() })
    assert.equal("kept", rx:try_recv())
  end))

  it("passes on room that had been granted", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send(1)
    local task = later(function() tx:send("lost") end)
    rx:try_recv()
    task:abort()
    weir.yield()
    assert.equal(1, tx:capacity())
    assert.is_true(tx:try_send("room"))
  end))

  it("runs <close> variables, the last one first", paused(function()
    local log = {}
    local task = later(function()
      local _a <close> = closing(log, "a")
      local _b <close> = closing(log, "b")
      pcall(function()
        local _c <close> = closing(log, "c")
        forever()
      end)
      log[#log + 1] = "went on"
    end)
    task:abort()
    weir.yield()
    assert.same({ "c", "b", "a" }, log)
  end))

  it("cannot be swallowed by pcall", paused(function()
    local rounds = 0
    local task = later(function()
      while true do
        rounds = rounds + 1
        pcall(weir.sleep, 1)
      end
    end)
    task:abort()
    weir.sleep(10)
    assert.equal(1, rounds)
    assert.equal("aborted", task:status())
  end))

  it("does not call the handler of an xpcall", paused(function()
    local called = false
    local task = later(function() xpcall(forever, function() called = true end) end)
    task:abort()
    weir.yield()
    assert.is_false(called)
    assert.equal("aborted", task:status())
  end))

  it("cannot be swallowed inside weir.wrap", paused(function()
    local log = {}
    local task = later(function()
      local step = weir.wrap(function()
        local _note <close> = closing(log, "inner")
        while true do pcall(weir.sleep, 1) end
      end)
      while true do pcall(step) end
    end)
    task:abort()
    weir.yield()
    assert.equal("aborted", task:status())
    helper.collect()
    assert.same({ "inner" }, log)
  end))

  it("changes nothing about a task that has ended", paused(function()
    local task = later(function() return "result" end)
    task:abort()
    weir.yield()
    assert.same({ true, "result" }, { task:join() })
    assert.equal("done", task:status())
  end))

  it("changes nothing about a task that has failed", failing(function()
    local task = later(function() error("mine", 0) end)
    task:abort()
    weir.yield()
    assert.same({ false, "mine" }, { task:join() })
    assert.equal("failed", task:status())
  end))

  it("may be asked twice", paused(function()
    local log = {}
    local task = later(function()
      local _note <close> = closing(log, "closed")
      forever()
    end)
    task:abort()
    task:abort()
    weir.yield()
    task:abort()
    assert.same({ false, "aborted" }, { task:join() })
    assert.same({ "closed" }, log)
  end))

  it("reaches a task that was ready", paused(function()
    local reached = false
    local task = later(function()
      weir.yield()
      reached = true
    end)
    task:abort()
    settle()
    assert.is_false(reached)
  end))

  it("of itself lets a task go on to its next wait", paused(function()
    local log = {}
    local task = later(function()
      weir.current():abort()
      log[#log + 1] = "still here"
      weir.sleep(1)
      log[#log + 1] = "never"
    end)
    weir.sleep(2)
    assert.same({ "still here" }, log)
    assert.same({ false, "aborted" }, { task:join() })
  end))

  it("of a task that returns before its next wait leaves it its results", paused(function()
    local task = later(function()
      weir.current():abort()
      return "made it"
    end)
    assert.same({ true, "made it" }, { task:join() })
  end))

  it("works from a callback that cannot yield", paused(function()
    local task = later(forever)
    string.gsub("x", "x", function() task:abort() end)
    assert.same({ false, "aborted" }, { task:join() })
  end))

  it("works from outside a run", function()
    local ran = false
    local task = weir.spawn(function() ran = true end)
    task:abort()
    weir.run(function() settle() end)
    assert.is_false(ran)
    assert.equal("aborted", task:status())
  end)

  it("works though the Task is lost right after", paused(function()
    local log = {}
    later(function()
      local _note <close> = closing(log, "closed")
      forever()
    end):abort()
    helper.collect()
    weir.yield()
    assert.same({ "closed" }, log)
  end))

  it("reports an error in a __close as a failure", failing(function()
    local task = later(function()
      local _bad <close> = setmetatable({}, { __close = function() error("in close", 0) end })
      forever()
    end)
    task:abort()
    assert.same({ false, "in close" }, { task:join() })
    assert.equal("failed", task:status())
  end))

  it("runs every <close> variable though one raises", failing(function()
    local log = {}
    local task = later(function()
      local _a <close> = closing(log, "a")
      local _bad <close> = setmetatable({}, { __close = function() error "in close" end })
      local _c <close> = closing(log, "c")
      forever()
    end)
    task:abort()
    settle()
    assert.same({ "c", "a" }, log)
  end))

  it("still drops what the task owned where a __close raises", failing(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function()
      local _bad <close> = setmetatable({}, { __close = function() error "in close" end })
      forever()
    end, tx)
    task:abort()
    settle()
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("closes a task that holds its own Task", paused(function()
    local log = {}
    local task
    task = later(function()
      local _self <close> = task
      local _note <close> = closing(log, "closed")
      forever()
    end)
    task:abort()
    weir.yield()
    assert.same({ "closed" }, log)
  end))

  it("lets a __close abort another task, which ends too", paused(function()
    local log = {}
    local second = later(function()
      local _note <close> = closing(log, "second")
      forever()
    end)
    local first = later(function()
      local _second <close> = second
      local _note <close> = closing(log, "first")
      forever()
    end)
    first:abort()
    settle()
    assert.same({ "first", "second" }, log)
  end))

  it("ends a chain of a hundred thousand tasks that abort each other #slow", paused(function()
    local task = later(forever)
    local first = task
    for _ = 1, 100000 do
      local below = task
      task = weir.spawn(function()
        local _below <close> = below
        forever()
      end)
    end
    weir.yield()
    task:abort()
    assert.same({ false, "aborted" }, { first:join() })
  end))

  it("leaves the scheduler able to start others", paused(function()
    later(forever):abort()
    assert.same({ true, "next" }, { weir.spawn(function() return "next" end):join() })
  end))
end)

describe("the __close handlers of an aborted task", function()
  -- What `f` returned when a __close called it.
  local function in_close(f)
    local r
    local task = later(function()
      local _x <close> = setmetatable({}, { __close = function() r = table.pack(pcall(f)) end })
      forever()
    end)
    task:abort()
    settle()
    assert.is_true(task:is_finished())
    return table.unpack(r, 1, r.n)
  end

  it("cannot wait: a sentence says so", paused(function()
    local ok, err = in_close(function() weir.sleep(1) end)
    assert.is_false(ok)
    assert.matches("task_spec%.lua:%d+: %S+ %S+ %S+", err)
  end))

  it("cannot wait with a yield", paused(function()
    assert.is_false((in_close(weir.yield)))
  end))

  it("may try_send", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ true, true }, { in_close(function() return tx:try_send("bye") end) })
    assert.equal("bye", rx:try_recv())
  end))

  it("may send and recv where that need not wait", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ true, "bye" }, { in_close(function()
      tx:send("bye")
      return rx:recv()
    end) })
  end))

  it("may answer a oneshot", paused(function()
    local tx, rx = weir.oneshot()
    assert.same({ true, true }, { in_close(function() return tx:send("answer") end) })
    assert.equal("answer", rx:recv())
  end))

  it("may cancel a token", paused(function()
    local token = weir.cancellation_token()
    assert.is_true((in_close(function() token:cancel() end)))
    assert.is_true(token:is_cancelled())
  end))

  it("may spawn a task, and move handles into it", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.is_true((in_close(function()
      weir.spawn(function(sender) sender:send("from the heir") end, tx)
    end)))
    assert.equal("from the heir", rx:recv())
  end))

  it("may join a task that has ended", paused(function()
    local task = later(function() return "r" end)
    assert.same({ true, true, "r" }, { in_close(function() return task:join() end) })
  end))

  it("see the aborted task as the current one", paused(function()
    local seen
    local task = later(function()
      local _x <close> = setmetatable({}, { __close = function() seen = weir.current() end })
      forever()
    end)
    task:abort()
    settle()
    assert.equal(task, seen)
  end))

  it("still own their handles", paused(function()
    local tx, rx = weir.mpsc(1)
    local sent
    local task = later(function(sender)
      local _x <close> = setmetatable({}, { __close = function() sent = sender:try_send("last") end })
      forever()
    end, tx)
    task:abort()
    settle()
    assert.is_true(sent)
    assert.equal("last", rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))
end)

describe("the __close handlers of a task that fails", function()
  -- The reason is the uncaught error; where pcall catches it, Lua's own rules hold.
  it("cannot wait", failing(function()
    local r
    local task = later(function()
      local _x <close> = setmetatable({}, { __close = function() r = table.pack(pcall(weir.sleep, 1)) end })
      error("uncaught", 0)
    end)
    assert.same({ false, "uncaught" }, { task:join() })
    assert.is_false(r[1])
    assert.equal("string", type(r[2]))
  end))

  it("run once, before the task is finished", failing(function()
    local log = {}
    local task
    task = weir.spawn(function()
      local _x <close> = setmetatable({}, { __close = function()
        log[#log + 1] = tostring(task:is_finished())
      end })
      error "uncaught"
    end)
    settle()
    assert.same({ "false" }, log)
  end))

  it("are given the error", failing(function()
    local got
    later(function()
      local _x <close> = setmetatable({}, { __close = function(_, err) got = err end })
      error("uncaught", 0)
    end)
    assert.equal("uncaught", got)
  end))

  it("run before the handles are dropped", failing(function()
    local tx, rx = weir.mpsc(1)
    later(function(sender)
      local _x <close> = setmetatable({}, { __close = function() sender:try_send("last words") end })
      error "uncaught"
    end, tx)
    assert.equal("last words", rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("may wait where the task returns normally", paused(function()
    local t = weir.now()
    local task = weir.spawn(function()
      local _x <close> = setmetatable({}, { __close = function() weir.sleep(1) end })
      return "r"
    end)
    assert.same({ true, "r" }, { task:join() })
    assert.equal(1, weir.now() - t)
  end))

  it("may wait where a break leaves the scope", paused(function()
    local t = weir.now()
    for i = 1, 3 do
      local _x <close> = setmetatable({}, { __close = function() weir.sleep(1) end })
      if i == 1 then break end
    end
    assert.equal(1, weir.now() - t)
  end))
end)

describe("local task <close>", function()
  it("aborts the task when the scope is left", paused(function()
    local task
    do
      local t <close> = later(forever)
      task = t
    end
    assert.same({ false, "aborted" }, { task:join() })
  end))

  it("aborts the task when an error leaves the scope", paused(function()
    local task
    pcall(function()
      local t <close> = later(forever)
      task = t
      error "out"
    end)
    assert.same({ false, "aborted" }, { task:join() })
  end))

  it("changes nothing about a task that has ended", paused(function()
    local task
    do
      local t <close> = later(function() return "r" end)
      task = t
    end
    assert.same({ true, "r" }, { task:join() })
  end))
end)

describe("a Task that is lost", function()
  it("goes on", paused(function()
    local done = false
    weir.spawn(function()
      weir.sleep(1)
      done = true
    end)
    helper.collect()
    weir.sleep(2)
    assert.is_true(done)
  end))

  it("still reports its failure", function()
    local seen = failures(function()
      weir.run(function()
        weir.spawn(function() weir.yield() error("lost", 0) end)
        helper.collect()
        settle()
      end)
    end)
    assert.equal(1, #seen)
    assert.equal("lost", seen[1].err)
  end)
end)

describe("Task:is_finished", function()
  it("is false until the task has ended", paused(function()
    local task = weir.spawn(function() weir.sleep(1) end)
    assert.is_false(task:is_finished())
    weir.sleep(0.5)
    assert.is_false(task:is_finished())
    weir.sleep(1)
    assert.is_true(task:is_finished())
  end))

  it("is false right after abort", paused(function()
    local task = later(forever)
    task:abort()
    assert.is_false(task:is_finished())
    weir.yield()
    assert.is_true(task:is_finished())
  end))

  it("is true for a task that failed", failing(function()
    assert.is_true(later(function() error "x" end):is_finished())
  end))
end)

describe("Task:status", function()
  it("is 'ready' before the first step", paused(function()
    assert.equal("ready", weir.spawn(function() end):status())
  end))

  it("is 'running' for the task itself", paused(function()
    assert.equal("running", weir.current():status())
    assert.same({ true, "running" }, { weir.spawn(function() return weir.current():status() end):join() })
  end))

  it("is 'running' inside a nested coroutine of the task", paused(function()
    local task = weir.current()
    assert.equal("running", coroutine.wrap(function() return task:status() end)())
  end))

  it("is 'waiting' while it waits", paused(function()
    assert.equal("waiting", later(forever):status())
  end))

  it("is 'ready' once it was woken", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() rx:recv() end)
    tx:try_send(1)
    assert.equal("ready", task:status())
  end))

  it("is 'ready' after a yield", paused(function()
    assert.equal("ready", later(weir.yield):status())
  end))

  it("is 'done' after the last return", paused(function()
    assert.equal("done", later(function() end):status())
  end))

  it("is 'failed' after an error", failing(function()
    assert.equal("failed", later(function() error "x" end):status())
  end))

  it("is 'aborted' after an abort", paused(function()
    local task = later(forever)
    task:abort()
    weir.yield()
    assert.equal("aborted", task:status())
  end))

  it("is 'failed' for a task whose own error is the word aborted", failing(function()
    assert.equal("failed", later(function() error("aborted", 0) end):status())
  end))
end)

describe("Task:traceback", function()
  it("shows where a waiting task stands", paused(function()
    local function deep() weir.sleep(1) end
    local task = later(function() deep() end)
    local line = debug.getinfo(deep, "S").linedefined
    assert.matches("task_spec%.lua:" .. line, task:traceback())
  end))

  it("shows where a task failed", failing(function()
    local function deep() error "x" end
    local task = later(function() deep() end)
    local line = debug.getinfo(deep, "S").linedefined
    assert.matches("task_spec%.lua:" .. line, task:traceback())
  end))

  it("shows the running task where it stands", paused(function()
    local line = debug.getinfo(1, "l").currentline + 1
    assert.matches("task_spec%.lua:" .. line, weir.current():traceback())
  end))

  it("shows the inside of a weir.wrap that waits", paused(function()
    local function inner() weir.sleep(1) end
    local task = later(function() weir.wrap(inner)() end)
    local line = debug.getinfo(inner, "S").linedefined
    assert.matches("task_spec%.lua:" .. line, task:traceback())
  end))

  it("shows the inside of a weir.timeout that waits", paused(function()
    local function inner() weir.sleep(1) end
    local task = later(function() weir.timeout(5, inner) end)
    local line = debug.getinfo(inner, "S").linedefined
    assert.matches("task_spec%.lua:" .. line, task:traceback())
  end))

  it("keeps the place of a failure though handlers ran after it", failing(function()
    local log = {}
    local function deep()
      local _note <close> = closing(log, "closed")
      error "x"
    end
    local task = later(function() deep() end)
    local line = debug.getinfo(deep, "S").linedefined + 2
    assert.matches("task_spec%.lua:" .. line, task:traceback())
  end))
end)

describe("Task:id", function()
  it("is a number that no other task of the run has", paused(function()
    local seen = {}
    for _ = 1, 100 do
      local id = later(function() end):id()
      assert.equal("number", type(id))
      assert.is_nil(seen[id])
      seen[id] = true
    end
    assert.is_nil(seen[weir.current():id()])
  end))

  it("stays the same", paused(function()
    local task = weir.spawn(function() weir.yield() return weir.current():id() end)
    local id = task:id()
    assert.same({ true, id }, { task:join() })
    assert.equal(id, task:id())
  end))
end)

describe("Task:name", function()
  it("says by default where the task was spawned", paused(function()
    local line = debug.getinfo(1, "l").currentline + 1
    local task = weir.spawn(function() end)
    assert.matches("task_spec%.lua:" .. line, task:name())
  end))

  it("says by default which function was spawned", paused(function()
    local function pump() end
    assert.equal("string", type(weir.spawn(pump):name()))
  end))

  it("can be set", paused(function()
    local task = weir.spawn(forever)
    task:name "pump"
    assert.equal("pump", task:name())
  end))

  it("can be set by the task itself", paused(function()
    local task = later(function()
      weir.current():name "self-made"
      forever()
    end)
    assert.equal("self-made", task:name())
  end))

  it("stays after the end", failing(function()
    local task = weir.spawn(function() error "x" end)
    task:name "pump"
    weir.yield()
    assert.equal("pump", task:name())
  end))
end)

describe("a Task", function()
  it("tells its kind in tostring", paused(function()
    assert.matches("[Tt]ask", tostring(weir.spawn(function() end)))
  end))

  it("tells its state in tostring", paused(function()
    assert.matches("waiting", tostring(later(forever)))
    assert.matches("done", tostring(later(function() end)))
  end))

  it("is shared, not moved, as an argument of spawn", paused(function()
    local task = later(forever)
    weir.spawn(function(t) t:status() end, task):join()
    assert.equal("waiting", task:status())
  end))

  it("is shared, not moved, as a message", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = later(forever)
    tx:send(task)
    assert.equal("waiting", task:status())
    assert.equal(task, rx:recv())
  end))

  it("is not aborted by the end of the task that spawned it", paused(function()
    local task
    later(function() task = weir.spawn(forever) end)
    settle()
    assert.equal("waiting", task:status())
  end))

  it("serves as a key", paused(function()
    local task = later(forever)
    local t = { [task] = "found" }
    assert.equal("found", t[task])
  end))
end)

describe("a plain coroutine.yield in a task's own coroutine", function()
  it("raises, or fails the task", failing(function()
    local went_on = false
    local task = later(function()
      coroutine.yield "lost"
      went_on = true
    end)
    settle()
    assert.is_false(went_on)
    assert.equal("failed", task:status())
    local ok, err = task:join()
    assert.is_false(ok)
    assert.matches("yield", err)
  end))

  it("leaves the other tasks alone", failing(function()
    weir.spawn(coroutine.yield)
    assert.same({ true, "fine" }, { weir.spawn(function() weir.yield() return "fine" end):join() })
  end))

  it("raises in main, or fails the run", function()
    local ok, err = pcall(weir.run, function() coroutine.yield() end)
    assert.is_false(ok)
    assert.matches("yield", err)
  end)
end)

describe("weir.on_error", function()
  it("is called with the task, its error and a traceback", function()
    local err, task = {}, nil
    local seen = failures(function()
      weir.run(function()
        local function deep() error(err) end
        task = weir.spawn(function() deep() end)
        weir.yield()
      end)
    end)
    assert.equal(1, #seen)
    assert.equal(task, seen[1].task)
    assert.equal(err, seen[1].err)
    assert.matches("task_spec%.lua:%d+", seen[1].traceback)
    assert.matches("deep", seen[1].traceback)
  end)

  it("that raises is warned of, with what it raised; one that returns is not", function()
    local written, status = helper.program [[
      local weir = require "weir"
      warn "@on"
      weir.on_error(function(_, err) if err ~= "fine" then error(err, 0) end end)
      weir.run(function()
        for _, err in ipairs { "fine", "a sentence", {} } do
          weir.spawn(function() error(err, 0) end)
          weir.yield()
        end
      end)
    ]]
    assert.equal(0, status, written)
    assert.equal("Lua warning: weir.on_error's hook raised: a sentence\n"
      .. "Lua warning: weir.on_error's hook raised: (no string)\n", written)
  end)

  it("by default writes the error to stderr, of an object what it says of itself if it can", function()
    local written, status = helper.program [[
      local weir = require "weir"
      local function object(f) return setmetatable({}, { __tostring = f }) end
      weir.run(function()
        for _, err in ipairs { "a sentence", object(function() return "an object" end),
                               object(function() error "none" end) } do
          weir.spawn(function() error(err, 0) end)
          weir.yield()
        end
      end)
    ]]
    assert.equal(0, status, written)
    local heads = {}
    for line, text in written:gmatch "weir: task %d+ %(spawned at [^)]*:(%d+)%) failed: ([^\n]*)\nstack" do
      assert.equal("6", line)
      heads[#heads + 1] = text
    end
    assert.same({ "a sentence", "an object", "(error object is a table value)" }, heads)
  end)

  it("is called at the failure, not at a later time", failing(function(seen)
    weir.spawn(function() error "x" end)
    weir.yield()
    assert.equal(1, #seen)
  end))

  it("is not called where a task is joining", failing(function(seen)
    local task = weir.spawn(function() weir.sleep(1) error("x", 0) end)
    assert.same({ false, "x" }, { task:join() })
    assert.equal(0, #seen)
  end))

  it("is called where the joining task has given up", failing(function(seen)
    local task = weir.spawn(function() weir.sleep(2) error "x" end)
    task:join(1)
    weir.sleep(2)
    assert.equal(1, #seen)
  end))

  it("is called where the joining task was aborted", failing(function(seen)
    local task = weir.spawn(function() weir.sleep(2) error "x" end)
    local joiner = later(function() task:join() end)
    joiner:abort()
    weir.sleep(3)
    assert.equal(1, #seen)
  end))

  it("is not called for an aborted task", failing(function(seen)
    later(forever):abort()
    weir.yield()
    assert.equal(0, #seen)
  end))

  it("is not called for a task that returns", failing(function(seen)
    later(function() return false, "not an error" end)
    assert.equal(0, #seen)
  end))

  it("is called once for each failed task", failing(function(seen)
    for i = 1, 3 do weir.spawn(function() error(i) end) end
    weir.yield()
    assert.equal(3, #seen)
    for i = 1, 3 do assert.equal(i, seen[i].err) end
  end))

  it("returns the previous hook", function()
    local function first() end
    local function second() end
    local default = weir.on_error(first)
    assert.equal(first, weir.on_error(second))
    assert.equal(second, weir.on_error(default))
  end)

  it("writes to stderr by default, and the run goes on", function()
    local output, status = helper.program [[
      local weir = require "weir"
      weir.run(function()
        local task = weir.spawn(function() error "the pump is broken" end)
        task:name "pump"
        weir.yield()
        print "went on"
      end)
    ]]
    assert.matches("the pump is broken", output)
    assert.matches("pump", output)
    assert.matches("went on", output)
    assert.equal(0, status)
  end)

  it("writes the text of an error object that has one", function()
    local output = helper.program [[
      local weir = require "weir"
      weir.run(function()
        weir.spawn(function() error(setmetatable({}, { __tostring = function() return "readable" end })) end)
        weir.yield()
      end)
    ]]
    assert.matches("readable", output)
  end)

  it("outlives an error object whose __tostring raises", function()
    local output, status = helper.program [[
      local weir = require "weir"
      weir.run(function()
        weir.spawn(error, setmetatable({}, { __tostring = function() error "no text" end }))
        weir.yield()
        weir.yield()
        print "went on"
      end)
    ]]
    assert.matches("went on", output)
    assert.equal(0, status)
  end)

  it("outlives a hook that raises", function()
    local previous = weir.on_error(function() error "in the hook" end)
    local ok, result = pcall(weir.run, function()
      weir.spawn(error, "x")
      settle()
      return "went on"
    end)
    weir.on_error(previous)
    assert.is_true(ok)
    assert.equal("went on", result)
  end)

  it("may spawn and try_send in the hook", paused(function()
    local tx, rx = weir.mpsc(4)
    local previous = weir.on_error(function(_, err)
      tx:try_send(err)
      weir.spawn(function() tx:send("spawned") end)
    end)
    later(function() error("x", 0) end)
    weir.on_error(previous)
    assert.equal("x", rx:recv())
    assert.equal("spawned", rx:recv())
  end))
end)

describe("one task that raises", function()
  it("does not lose the wake-ups of others", failing(function()
    local woken = 0
    local notify = weir.notify()
    for i = 1, 5 do
      later(function()
        notify:notified()
        if i == 1 then error "first" end
        woken = woken + 1
      end)
    end
    notify:notify_waiters()
    settle()
    assert.equal(4, woken)
  end))

  it("drops what it owned", failing(function()
    local tx, rx = weir.mpsc(1)
    later(function() error "x" end, tx)
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("can overflow its stack without harm to others", failing(function()
    local function deeper() return 1 + deeper() end
    local ok, err = weir.spawn(deeper):join()
    assert.is_false(ok)
    assert.matches("stack overflow", err)
    assert.same({ true, 1 }, { weir.spawn(function() return 1 end):join() })
  end))
end)
