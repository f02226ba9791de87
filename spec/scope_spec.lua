-- SPDX-License-Identifier: MIT
-- scope_spec.lua -- tasks that end with the call that made them: weir.scope, weir.join_all, weir.race.

local weir = require "weir"
local helper = require "spec.helper"

local forever = helper.forever

local blames, closing, failing, later, paused, settle =
  helper.blames, helper.closing, helper.failing, helper.later, helper.paused, helper.settle

local function after(s, v)
  return function()
    weir.sleep(s)
    return v
  end
end

-- A function that fails with err after s seconds.
local function failing_after(s, err)
  return function()
    weir.sleep(s)
    error(err, 0)
  end
end

describe("weir.scope", function()
  it("returns the body's results", paused(function()
    assert.same({ n = 3, 1, nil, 3 }, table.pack(weir.scope(function() return 1, nil, 3 end)))
  end))

  it("returns when all tasks in it have ended", paused(function()
    local t, done = weir.now(), 0
    local r = weir.scope(function(scope)
      for i = 1, 3 do
        scope:spawn(function()
          weir.sleep(i)
          done = done + 1
        end)
      end
      return "body"
    end)
    assert.equal("body", r)
    assert.equal(3, done)
    assert.equal(3, weir.now() - t)
  end))

  it("returns when the body has ended, where that is last", paused(function()
    local t = weir.now()
    weir.scope(function(scope)
      scope:spawn(weir.sleep, 1)
      weir.sleep(5)
    end)
    assert.equal(5, weir.now() - t)
  end))

  it("runs the body as part of the calling task or at least where it may wait", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function(sender) weir.sleep(1) sender:send "late" end, tx)
    assert.equal("late", weir.scope(function() return (rx:recv()) end))
  end))

  it("runs its tasks beside each other and the body", paused(function()
    local log = {}
    weir.scope(function(scope)
      for i = 1, 2 do
        scope:spawn(function()
          log[#log + 1] = "task " .. i
          weir.sleep(1)
          log[#log + 1] = "task " .. i
        end)
      end
      log[#log + 1] = "body"
      weir.sleep(0.5)
      log[#log + 1] = "body"
    end)
    assert.same({ "body", "task 1", "task 2", "body", "task 1", "task 2" }, log)
  end))

  it("passes arguments of spawn", paused(function()
    local got
    weir.scope(function(scope)
      scope:spawn(function(...) got = table.pack(...) end, 1, nil, 3)
    end)
    assert.same({ n = 3, 1, nil, 3 }, got)
  end))

  it("gives the Task from spawn, which may be joined", paused(function()
    assert.equal("r", weir.scope(function(scope)
      local task = scope:spawn(after(1, "r"))
      assert.equal("Task", weir.type(task))
      return (select(2, task:join()))
    end))
  end))

  it("waits for tasks that its tasks spawn into it", paused(function()
    local done = false
    weir.scope(function(scope)
      scope:spawn(function()
        weir.sleep(1)
        scope:spawn(function()
          weir.sleep(1)
          done = true
        end)
      end)
    end)
    assert.is_true(done)
  end))

  it("raises an error of the body, after its tasks were aborted and have ended", paused(function()
    local log, err, task = {}, {}, nil
    local ok, got = pcall(weir.scope, function(scope)
      task = scope:spawn(function()
        local _note <close> = closing(log, "closed")
        forever()
      end)
      weir.yield()
      error(err)
    end)
    assert.is_false(ok)
    assert.equal(err, got)
    assert.is_true(task:is_finished())
    assert.same({ "closed" }, log)
  end))

  it("raises an error of a task, and its object is the same", paused(function()
    local err = {}
    local ok, got = pcall(weir.scope, function(scope)
      scope:spawn(function() error(err) end)
    end)
    assert.is_false(ok)
    assert.equal(err, got)
  end))

  it("raises a string error of a task with its text", paused(function()
    local ok, got = pcall(weir.scope, function(scope)
      scope:spawn(function() error "the pump is broken" end)
    end)
    assert.is_false(ok)
    assert.matches("scope_spec%.lua:%d+: the pump is broken", got)
  end))

  it("aborts the other tasks at the first error", paused(function()
    local t, other = weir.now(), nil
    pcall(weir.scope, function(scope)
      other = scope:spawn(weir.sleep, 100)
      scope:spawn(failing_after(1, "x"))
    end)
    assert.equal("aborted", other:status())
    assert.equal(1, weir.now() - t)
  end))

  it("cuts the body short at the first error of a task", paused(function()
    local t, log = weir.now(), {}
    local ok, err = pcall(weir.scope, function(scope)
      local _note <close> = closing(log, "body closed")
      scope:spawn(failing_after(1, "x"))
      weir.sleep(100)
      log[#log + 1] = "never"
    end)
    assert.is_false(ok)
    assert.matches("x", err)
    assert.equal(1, weir.now() - t)
    assert.same({ "body closed" }, log)
  end))

  it("raises the first of several errors", paused(function()
    local ok, err = pcall(weir.scope, function(scope)
      scope:spawn(failing_after(2, "second"))
      scope:spawn(failing_after(1, "first"))
    end)
    assert.is_false(ok)
    assert.matches("first", err)
    assert.not_matches("second", err)
  end))

  it("raises only when the others have ended: their <close> variables have run", paused(function()
    local log = {}
    pcall(weir.scope, function(scope)
      scope:spawn(function()
        local _note <close> = closing(log, "closed")
        forever()
      end)
      scope:spawn(failing_after(1, "x"))
    end)
    assert.same({ "closed" }, log)
  end))

  it("takes no abort of one of its tasks for an error", paused(function()
    assert.equal("body", weir.scope(function(scope)
      local task = scope:spawn(forever)
      weir.yield()
      task:abort()
      return "body"
    end))
  end))

  it("hands the errors of its tasks on: on_error is not called", failing(function(seen)
    pcall(weir.scope, function(scope) scope:spawn(failing_after(1, "x")) end)
    settle()
    assert.equal(0, #seen)
  end))

  it("lets nothing outlive it when the task is aborted", paused(function()
    local log, inner = {}, nil
    local outer = later(function()
      local _outer <close> = closing(log, "outer")
      weir.scope(function(scope)
        inner = scope:spawn(function()
          local _inner <close> = closing(log, "inner")
          forever()
        end)
        weir.sleep(100)
      end)
    end)
    settle()
    outer:abort()
    assert.same({ false, "aborted" }, { outer:join() })
    assert.is_true(inner:is_finished())
    assert.same({ "inner", "outer" }, log)
  end))

  it("is waiting only for its tasks when the task is aborted: the same", paused(function()
    local inner
    local outer = later(function()
      weir.scope(function(scope) inner = scope:spawn(forever) end)
    end)
    settle()
    outer:abort()
    assert.same({ false, "aborted" }, { outer:join() })
    assert.is_true(inner:is_finished())
  end))

  it("lets nothing outlive it in a timeout, which goes on when all have ended", paused(function()
    local inner, log = nil, {}
    local t = weir.now()
    assert.same({ nil, "timeout" }, { weir.timeout(1, function()
      weir.scope(function(scope)
        inner = scope:spawn(function()
          local _note <close> = closing(log, "closed")
          forever()
        end)
        forever()
      end)
    end) })
    assert.is_true(inner:is_finished())
    assert.same({ "closed" }, log)
    assert.equal(1, weir.now() - t)
  end))

  it("lets nothing outlive it in a cancellation", paused(function()
    local token, inner = weir.cancellation_token(), nil
    weir.spawn(function()
      weir.sleep(1)
      token:cancel()
    end)
    assert.same({ nil, "cancelled" }, { token:run_until_cancelled(function()
      weir.scope(function(scope) inner = scope:spawn(forever) end)
    end) })
    assert.is_true(inner:is_finished())
  end))

  it("lets nothing outlive it when the run ends", function()
    local inner
    weir.run_paused(function()
      later(function()
        weir.scope(function(scope) inner = scope:spawn(forever) end)
      end)
      settle()
    end)
    assert.equal("aborted", inner:status())
  end)

  it("may be nested: an inner error aborts the outer", paused(function()
    local sibling
    local ok, err = pcall(weir.scope, function(outer)
      sibling = outer:spawn(forever)
      weir.scope(function(inner) inner:spawn(failing_after(1, "deep")) end)
    end)
    assert.is_false(ok)
    assert.matches("deep", err)
    assert.equal("aborted", sibling:status())
  end))

  it("may be nested: an inner error that is caught leaves the outer alone", paused(function()
    assert.same({ "outer", "r" }, { weir.scope(function(outer)
      local sibling = outer:spawn(after(2, "r"))
      pcall(weir.scope, function(inner) inner:spawn(failing_after(1, "deep")) end)
      return "outer", (select(2, sibling:join()))
    end) })
  end))

  it("drops what its tasks owned before it returns", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.scope(function(scope) scope:spawn(after(1, "r"), tx) end)
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("cannot be spawned into after its end", paused(function()
    local kept
    weir.scope(function(scope) kept = scope end)
    local tx, rx = weir.mpsc(1)
    assert.is_false(pcall(function() kept:spawn(function() end, tx) end))
    assert.is_true(tx:try_send("not moved"))
    assert.equal("not moved", rx:recv())
  end))

  it("refuses what is not a function", paused(function()
    blames(function() weir.scope(nil) end, "scope", "#1")
    blames(function() weir.scope({}) end, "scope", "#1")
  end))

  it("refuses to spawn what is not a function, at the line that does", paused(function()
    weir.scope(function(scope)
      blames(function() scope:spawn(nil) end, "spawn")
    end)
  end))

  it("works with no task in it and no wait", paused(function()
    local t = weir.now()
    weir.scope(function() end)
    assert.equal(0, weir.now() - t)
  end))

  -- A function whose task fails with err while it is ended.
  local function failing_to_end(err)
    return function()
      local _fails <close> = setmetatable({}, { __close = function() error(err, 0) end })
      forever()
    end
  end

  it("reports the errors that come after the first", failing(function(seen)
    local ok, err = pcall(weir.scope, function(scope)
      scope:spawn(failing_to_end "second")
      scope:spawn(failing_after(1, "first"))
      scope:spawn(forever)
    end)
    assert.same({ false, "first" }, { ok, err })
    assert.equal(1, #seen)
    assert.equal("second", seen[1].err)
  end))

  for word, cut in pairs {
    ["a body that raises another"] = function(body)
      assert.same({ false, "the body's" }, { pcall(weir.scope, body, "the body's") })
    end,
    ["a timeout"] = function(body)
      assert.same({ nil, "timeout" }, { weir.timeout(1, weir.scope, body) })
    end,
    ["an abort"] = function(body)
      local task = later(weir.scope, body)
      weir.sleep(1)
      task:abort()
      assert.same({ false, "aborted" }, { task:join() })
    end,
  } do
    it("reports the first error, too, where it is not raised because of " .. word, failing(function(seen)
      cut(function(scope, err)
        scope:spawn(failing_to_end "unread")
        weir.sleep(1)
        if err then error(err, 0) end
        forever()
      end)
      assert.equal(1, #seen)
      assert.equal("unread", seen[1].err)
    end))
  end

  it("does not report one that a task joins", failing(function(seen)
    local heard
    pcall(weir.scope, function(scope)
      local second = scope:spawn(failing_to_end "second")
      weir.spawn(function() heard = select(2, second:join()) end)
      scope:spawn(failing_after(1, "first"))
    end)
    settle()
    assert.equal("second", heard)
    assert.equal(0, #seen)
  end))
end)

describe("the traceback of a task whose scope failed", function()
  local function deep() error("x", 0) end
  local place = "scope_spec%.lua:" .. debug.getinfo(deep, "S").linedefined .. ":"

  it("goes on with that of the task in the scope that did", failing(function()
    local task = later(function() weir.scope(function(scope) scope:spawn(function() deep() end) end) end)
    settle()
    assert.same({ false, "x" }, { task:join() })
    assert.matches("^stack traceback:.-\nstack traceback:.-" .. place, task:traceback())
  end))

  it("does not if the task failed with another error", failing(function()
    local task = later(function()
      pcall(weir.scope, function(scope) scope:spawn(function() deep() end) end)
      error("y", 0)
    end)
    settle()
    assert.same({ false, "y" }, { task:join() })
    assert.not_matches(place, task:traceback())
  end))
end)

describe("weir.scope where nobody can wait", function()
  it("calls the body with the scope and the arguments, and returns its results", function()
    local got
    assert.same({ 1, nil, 3 }, { weir.scope(function(scope, ...)
      got = table.pack(weir.type(scope), ...)
      return 1, nil, 3
    end, "a", nil) })
    assert.same({ n = 3, "JoinSet", "a" }, got)
    assert.same({}, { weir.scope(function() end) })
  end)

  it("raises what the body raises", function()
    local err = {}
    local ok, got = pcall(weir.scope, function() error(err) end)
    assert.is_false(ok)
    assert.equal(err, got)
  end)

  it("would have to wait for a task that is spawned in it: that task is aborted", function()
    local task
    blames(function()
      weir.scope(function(scope) task = scope:spawn(weir.sleep, 1) end)
    end, "scope would have to wait")
    weir.run(weir.yield)
    assert.equal("aborted", task:status())
  end)

  it("leaves a scope that takes no task any more", function()
    local kept
    weir.scope(function(scope) kept = scope end)
    blames(function() kept:spawn(weir.yield) end)
    blames(function() kept:try_spawn(weir.yield) end)
    assert.same({}, weir.tasks())
  end)
end)

describe("weir.join_all", function()
  it("returns packed results in order, whatever the order of ending", paused(function()
    assert.same({ { n = 1, "a" }, { n = 1, "b" }, { n = 3, 1, nil, 3 }, { n = 0 } }, weir.join_all {
      after(2, "a"),
      after(1, "b"),
      function() return 1, nil, 3 end,
      function() end,
    })
  end))

  it("runs them side by side", paused(function()
    local t = weir.now()
    weir.join_all { after(1), after(2), after(3) }
    assert.equal(3, weir.now() - t)
  end))

  it("runs each as a task of its own", paused(function()
    local mine = weir.current()
    local r = weir.join_all { weir.current, weir.current }
    assert.equal("Task", weir.type(r[1][1]))
    assert.are_not.equal(r[1][1], r[2][1])
    assert.are_not.equal(mine, r[1][1])
  end))

  it("starts them in the order listed", paused(function()
    local order, functions = {}, {}
    for i = 1, 5 do functions[i] = function() order[#order + 1] = i end end
    weir.join_all(functions)
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end))

  it("of none returns an empty table", paused(function()
    assert.same({}, weir.join_all {})
  end))

  it("of one returns its results", paused(function()
    assert.same({ { n = 1, "r" } }, weir.join_all { after(1, "r") })
  end))

  it("raises the first error, the same object", paused(function()
    local err = {}
    local ok, got = pcall(weir.join_all, { forever, failing_after(1, err), failing_after(2, "later") })
    assert.is_false(ok)
    assert.equal(err, got)
  end))

  it("aborts the rest at the first error and raises once they have ended", paused(function()
    local log = {}
    local t = weir.now()
    pcall(weir.join_all, {
      function()
        local _note <close> = closing(log, "closed")
        forever()
      end,
      failing_after(1, "x"),
    })
    assert.same({ "closed" }, log)
    assert.equal(1, weir.now() - t)
  end))

  it("does not call on_error", failing(function(seen)
    pcall(weir.join_all, { failing_after(1, "x"), forever })
    settle()
    assert.equal(0, #seen)
  end))

  it("leaves nothing running when it is cut short by a timeout", paused(function()
    local log = {}
    local function noted()
      local _note <close> = closing(log, "closed")
      forever()
    end
    assert.same({ nil, "timeout" }, { weir.timeout(1, weir.join_all, { noted, noted }) })
    assert.same({ "closed", "closed" }, log)
  end))

  it("leaves nothing running when its task is aborted", paused(function()
    local log = {}
    local task = later(function()
      weir.join_all { function()
        local _note <close> = closing(log, "closed")
        forever()
      end }
    end)
    settle()
    task:abort()
    task:join()
    assert.same({ "closed" }, log)
  end))

  it("lets a sibling run beside one that burns its budget", paused(function()
    local stop = false
    weir.join_all {
      function()
        local tx, rx = weir.mpsc(1)
        while not stop do
          tx:send(1)
          rx:recv()
        end
      end,
      function() stop = true end,
    }
    assert.is_true(stop)
  end))

  it("lets handles among the results leave their tasks", paused(function()
    local mutex = weir.mutex()
    local r = weir.join_all { function() return "first", mutex:lock() end }
    assert.equal("MutexGuard", weir.type(r[1][2]))
    assert.same({ nil, "full" }, { mutex:try_lock() })
  end))

  it("raises at the caller's line outside a task", function()
    blames(function() weir.join_all { weir.yield } end)
  end)

  it("refuses what is not a table of functions", paused(function()
    blames(function() weir.join_all(nil) end, "join_all", "#1")
    assert.is_false(pcall(weir.join_all, { 1 }))
    assert.is_false(pcall(weir.join_all, { forever, {} }))
  end))

  it("starts nothing where one of them is no function", paused(function()
    local ran = false
    pcall(weir.join_all, { function() ran = true end, 42 })
    settle()
    assert.is_false(ran)
  end))
end)

describe("weir.race", function()
  it("returns the index of the first to end and its results", paused(function()
    assert.same({ n = 2, 2, "b" }, table.pack(weir.race { after(2, "a"), after(1, "b"), after(3, "c") }))
  end))

  it("returns all results of the first", paused(function()
    assert.same({ n = 4, 1, 1, nil, 3 }, table.pack(weir.race { function() return 1, nil, 3 end, forever }))
  end))

  it("returns after the others were aborted and have ended", paused(function()
    local log = {}
    local t = weir.now()
    weir.race {
      function()
        local _note <close> = closing(log, "closed")
        forever()
      end,
      after(1, "r"),
    }
    assert.same({ "closed" }, log)
    assert.equal(1, weir.now() - t)
  end))

  it("raises the error of the first to end, the same object", paused(function()
    local err = {}
    local ok, got = pcall(weir.race, { forever, failing_after(1, err) })
    assert.is_false(ok)
    assert.equal(err, got)
  end))

  it("raises only after the others have ended", paused(function()
    local log = {}
    pcall(weir.race, {
      function()
        local _note <close> = closing(log, "closed")
        forever()
      end,
      failing_after(1, "x"),
    })
    assert.same({ "closed" }, log)
  end))

  it("does not hear of an error that would come later", failing(function(seen)
    assert.same({ 1, "r" }, { weir.race { after(1, "r"), failing_after(2, "x") } })
    weir.sleep(5)
    assert.equal(0, #seen)
  end))

  it("of one is that one", paused(function()
    assert.same({ 1, "r" }, { weir.race { after(1, "r") } })
  end))

  it("drops what the losers owned", paused(function()
    local mutex = weir.mutex()
    weir.race {
      function()
        mutex:lock()
        forever()
      end,
      after(1, "r"),
    }
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
  end))

  it("leaves nothing running when it is cut short", paused(function()
    local log = {}
    local function noted()
      local _note <close> = closing(log, "closed")
      forever()
    end
    assert.same({ nil, "timeout" }, { weir.timeout(1, weir.race, { noted, noted }) })
    assert.same({ "closed", "closed" }, log)
  end))

  it("lets handles among the results leave the task that won", paused(function()
    local mutex = weir.mutex()
    local which, guard = weir.race { function() return mutex:lock() end, forever }
    assert.equal(1, which)
    assert.equal("MutexGuard", weir.type(guard))
    assert.same({ nil, "full" }, { mutex:try_lock() })
  end))

  it("drops handles among the results of one that came second", paused(function()
    local mutex = weir.mutex()
    weir.race { function() end, function() return mutex:lock() end }
    helper.collect()
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
  end))

  it("raises at the caller's line outside a task", function()
    blames(function() weir.race { weir.yield } end)
  end)

  it("refuses what is not a table of functions", paused(function()
    blames(function() weir.race(nil) end, "race", "#1")
    assert.is_false(pcall(weir.race, { 1 }))
  end))
end)

describe("weir.scope outside of tasks", function()
  it("has ended when its function has: its handle says so", function()
    local kept
    weir.scope(function(scope) kept = scope end)
    local ok, err = pcall(kept.spawn, kept, weir.yield)
    assert.is_false(ok)
    assert.matches("this scope has ended", err)
  end)
end)
