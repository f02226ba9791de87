-- SPDX-License-Identifier: MIT
-- join_set_spec.lua -- a set of tasks: spawn with a limit, join_next, join_all, shutdown, dropping.

local weir = require "weir"
local helper = require "spec.helper"

local forever = helper.forever

local blames, closing, failing, later, paused, settle =
  helper.blames, helper.closing, helper.failing, helper.later, helper.paused, helper.settle

local function failing_after(s, err)
  weir.sleep(s)
  error(err, 0)
end

-- A function that returns v after s seconds.
local function after(s, v)
  return function()
    weir.sleep(s)
    return v
  end
end

describe("weir.join_set", function()
  it("makes a set that is a handle", paused(function()
    local set <close> = weir.join_set()
    assert.equal("JoinSet", weir.type(set))
    assert.equal(0, #set)
    assert.matches("JoinSet", tostring(set))
  end))

  it("takes a limit of 1 and more", paused(function()
    for _, limit in ipairs { 1, 2, 1000 } do
      local set <close> = weir.join_set(limit)
      assert.equal("JoinSet", weir.type(set))
    end
  end))

  for _, bad in ipairs { 0, -1, 1.5, 0 / 0, "many" } do
    it("refuses a limit of " .. tostring(bad), function()
      blames(function() weir.join_set(bad) end, "join_set", "#1")
    end)
  end

  it("may be made outside a task", function()
    local set = weir.join_set()
    local task = set:spawn(function() return "r" end)
    weir.run(function()
      assert.same({ task, true, "r" }, { set:join_next() })
    end)
  end)
end)

describe("JoinSet:spawn", function()
  it("returns the Task", paused(function()
    local set <close> = weir.join_set()
    local task = set:spawn(function() return "r" end)
    assert.equal("Task", weir.type(task))
    assert.same({ true, "r" }, { task:join() })
  end))

  it("passes arguments", paused(function()
    local set <close> = weir.join_set()
    set:spawn(function(...) return ... end, 1, nil, 3)
    assert.same({ n = 4, true, 1, nil, 3 }, table.pack(select(2, set:join_next())))
  end))

  it("does not run f inside the call", paused(function()
    local set <close> = weir.join_set()
    local ran = false
    set:spawn(function() ran = true end)
    assert.is_false(ran)
  end))

  it("waits while `limit` tasks of the set are unfinished", paused(function()
    local set <close> = weir.join_set(2)
    local t = weir.now()
    set:spawn(weir.sleep, 1)
    set:spawn(weir.sleep, 3)
    assert.equal(0, weir.now() - t)
    set:spawn(weir.sleep, 3)
    assert.equal(1, weir.now() - t)
    set:spawn(weir.sleep, 1)
    assert.equal(3, weir.now() - t)
  end))

  it("does not count finished tasks that nobody has joined", paused(function()
    local set <close> = weir.join_set(1)
    for i = 1, 5 do set:spawn(function() return i end) end
    settle()
    assert.equal(5, #set)
  end))

  it("never has more than `limit` tasks running", paused(function()
    local set <close> = weir.join_set(3)
    local running, most = 0, 0
    for i = 1, 50 do
      set:spawn(function()
        running = running + 1
        most = math.max(most, running)
        weir.sleep((i * 7) % 5)
        running = running - 1
      end)
    end
    set:join_all()
    assert.equal(3, most)
  end))

  it("serves those who wait to spawn first come, first served", paused(function()
    local set = weir.join_set(1)
    local order = {}
    set:spawn(weir.sleep, 1)
    for i = 1, 3 do
      later(function() set:spawn(function() order[#order + 1] = i end) end)
    end
    weir.sleep(2)
    assert.same({ 1, 2, 3 }, order)
  end))

  it("goes on when a task fails or is aborted", failing(function()
    local set <close> = weir.join_set(1)
    local first = set:spawn(forever)
    weir.spawn(function() first:abort() end)
    set:spawn(error, "x")
    local last = set:spawn(function() return "r" end)
    assert.same({ true, "r" }, { last:join() })
  end))

  it("spawns nothing where it is aborted while it waits", paused(function()
    local set <close> = weir.join_set(1)
    set:spawn(weir.sleep, 1)
    local ran = false
    local task = later(function() set:spawn(function() ran = true end) end)
    task:abort()
    weir.sleep(2)
    assert.is_false(ran)
    assert.equal(1, #set)
  end))

  it("moves nothing where it is aborted while it waits", paused(function()
    local set <close> = weir.join_set(1)
    local tx, rx = weir.mpsc(1)
    set:spawn(weir.sleep, 1)
    local task = later(function() set:spawn(function() end, tx) end)
    task:abort()
    weir.sleep(2)
    assert.is_true(tx:try_send("still mine"))
    assert.equal("still mine", rx:recv())
  end))

  it("passes its place on where it is aborted after it was granted", paused(function()
    local set <close> = weir.join_set(1)
    local first = set:spawn(forever)
    local lost = later(function() set:spawn(forever) end)
    local got
    later(function() got = set:spawn(function() return "next in line" end) end)
    first:abort()
    while not first:is_finished() do weir.yield() end
    lost:abort()
    settle()
    assert.equal("Task", weir.type(got))
    assert.same({ true, "next in line" }, { got:join() })
  end))

  it("raises outside a task where it would wait", function()
    local set <close> = weir.join_set(1)
    set:spawn(function() end)
    blames(function() set:spawn(function() end) end)
  end)
end)

describe("JoinSet:try_spawn", function()
  it("returns the Task where there is room", paused(function()
    local set <close> = weir.join_set(1)
    assert.equal("Task", weir.type((set:try_spawn(function() end))))
  end))

  it("returns nil, 'full' at the limit", paused(function()
    local set <close> = weir.join_set(1)
    set:spawn(forever)
    assert.same({ nil, "full" }, { set:try_spawn(function() end) })
    assert.equal(1, #set)
  end))

  it("never is full without a limit", paused(function()
    local set <close> = weir.join_set()
    for _ = 1, 1000 do assert.equal("Task", weir.type((set:try_spawn(forever)))) end
  end))

  it("has room again when a task has ended", paused(function()
    local set <close> = weir.join_set(1)
    set:spawn(weir.sleep, 1)
    weir.sleep(2)
    assert.equal("Task", weir.type((set:try_spawn(function() end))))
  end))

  it("does not overtake those who wait to spawn", paused(function()
    local set <close> = weir.join_set(1)
    local first = set:spawn(forever)
    later(function() set:spawn(forever) end)
    first:abort()
    while not first:is_finished() do weir.yield() end
    assert.same({ nil, "full" }, { set:try_spawn(function() end) })
  end))
end)

describe("JoinSet:join_next", function()
  it("returns the task, true and its results", paused(function()
    local set <close> = weir.join_set()
    local task = set:spawn(function() weir.sleep(1) return 1, nil, 3 end)
    assert.same({ n = 5, task, true, 1, nil, 3 }, table.pack(set:join_next()))
  end))

  it("returns at once where a task has ended", paused(function()
    local set <close> = weir.join_set()
    local task = set:spawn(function() return "r" end)
    weir.yield()
    local t = weir.now()
    assert.same({ task, true, "r" }, { set:join_next() })
    assert.equal(0, weir.now() - t)
  end))

  it("returns the task, false and its error, unchanged", paused(function()
    local set <close> = weir.join_set()
    local err = {}
    local task = set:spawn(function() error(err) end)
    local t, ok, got = set:join_next()
    assert.equal(task, t)
    assert.is_false(ok)
    assert.equal(err, got)
  end))

  it("returns the task, false and 'aborted' for one that was aborted", paused(function()
    local set <close> = weir.join_set()
    local task = set:spawn(forever)
    weir.yield()
    task:abort()
    assert.same({ task, false, "aborted" }, { set:join_next() })
  end))

  it("returns tasks in the order in which they end", paused(function()
    local set <close> = weir.join_set()
    for _, s in ipairs { 3, 1, 2 } do set:spawn(after(s, s)) end
    local got = {}
    while #set > 0 do got[#got + 1] = select(3, set:join_next()) end
    assert.same({ 1, 2, 3 }, got)
  end))

  it("returns nil, 'empty' where the set is empty", paused(function()
    local set <close> = weir.join_set()
    assert.same({ nil, "empty" }, { set:join_next() })
    assert.same({ nil, "empty" }, { set:join_next(1) })
    assert.same({ nil, "empty" }, { set:join_next(0) })
  end))

  it("yields every task once, then 'empty', and the set may be used again", paused(function()
    local set <close> = weir.join_set()
    for round = 1, 2 do
      local seen, n = {}, 0
      for i = 1, 10 do set:spawn(function() return i end) end
      while true do
        local task, ok, i = set:join_next()
        if not task then
          assert.equal("empty", ok)
          break
        end
        assert.is_nil(seen[i])
        seen[i], n = true, n + 1
      end
      assert.equal(10, n, "in round " .. round)
    end
  end))

  it("waits for a task spawned meanwhile", paused(function()
    local set <close> = weir.join_set()
    set:spawn(after(5, "slow"))
    local joiner = later(function() return select(3, set:join_next()) end)
    set:spawn(after(1, "quick"))
    assert.same({ true, "quick" }, { joiner:join() })
  end))

  it("returns nil, 'timeout' after its timeout, and loses nothing", paused(function()
    local set <close> = weir.join_set()
    set:spawn(after(2, "r"))
    local t = weir.now()
    assert.same({ nil, "timeout" }, { set:join_next(1) })
    assert.equal(1, weir.now() - t)
    assert.equal(1, #set)
    assert.equal("r", (select(3, set:join_next(5))))
  end))

  it("polls with a timeout of 0", paused(function()
    local set <close> = weir.join_set()
    set:spawn(after(1, "r"))
    assert.same({ nil, "timeout" }, { set:join_next(0) })
    weir.sleep(2)
    assert.equal("r", (select(3, set:join_next(0))))
  end))

  it("loses nothing where it is aborted while it waits", paused(function()
    local set <close> = weir.join_set()
    set:spawn(after(1, "r"))
    later(function() set:join_next() end):abort()
    weir.sleep(2)
    assert.equal("r", (select(3, set:join_next(0))))
  end))

  it("loses nothing where it is aborted after a task has ended", paused(function()
    local set <close> = weir.join_set()
    local task = set:spawn(after(1, "r"))
    local joiner = later(function() return set:join_next() end)
    weir.advance(1)
    while not task:is_finished() do weir.yield() end
    joiner:abort()
    local _, first = joiner:join()
    if first == "aborted" then
      assert.equal("r", (select(3, set:join_next(0))))
    else
      assert.equal(task, first)
    end
  end))

  it("loses nothing in a weir.timeout", paused(function()
    local set <close> = weir.join_set()
    set:spawn(after(2, "r"))
    assert.same({ nil, "timeout" }, { weir.timeout(1, function() return set:join_next() end) })
    assert.equal("r", (select(3, set:join_next())))
  end))

  it("gives each task to one of several that wait, in turn", paused(function()
    local set = weir.join_set()
    local got = {}
    for i = 1, 3 do set:spawn(after(i, i)) end
    for i = 1, 3 do
      later(function() got[i] = select(3, set:join_next()) end)
    end
    weir.sleep(5)
    assert.same({ 1, 2, 3 }, got)
  end))

  it("lets the next in line have what one that was aborted did not take", paused(function()
    local set = weir.join_set()
    set:spawn(after(1, "r"))
    local first = later(function() set:join_next() end)
    local second = later(function() return (select(3, set:join_next())) end)
    first:abort()
    assert.same({ true, "r" }, { second:join() })
  end))

  it("raises outside a task where it would wait", function()
    local set <close> = weir.join_set()
    set:spawn(function() end)
    blames(function() set:join_next() end)
  end)

  it("joins one and spawns one with a length that stays right", paused(function()
    local set <close> = weir.join_set()
    for i = 1, 10 do set:spawn(after(i, i)) end
    for i = 11, 30 do
      assert.equal(i - 10, (select(3, set:join_next())))
      set:spawn(after(10, i))
      assert.equal(10, #set)
    end
  end))

  it("reports eight aborted and eight done, each once", paused(function()
    local set <close> = weir.join_set()
    local tasks = {}
    for i = 1, 16 do tasks[i] = set:spawn(after(1, i)) end
    weir.yield()
    for i = 1, 16, 2 do tasks[i]:abort() end
    local aborted, done, seen = 0, 0, {}
    for _ = 1, 16 do
      local task, ok = set:join_next()
      assert.is_nil(seen[task])
      seen[task] = true
      if ok then done = done + 1 else aborted = aborted + 1 end
    end
    assert.same({ 8, 8 }, { aborted, done })
    assert.same({ nil, "empty" }, { set:join_next() })
  end))

  it("is an awaitable in select", paused(function()
    local set <close> = weir.join_set()
    local task = set:spawn(after(1, "r"))
    assert.same({ "set", task, true, "r" }, { weir.select { set = set, timer = weir.after(2) } })
  end))

  it("loses nothing in a select that another branch wins", paused(function()
    local set <close> = weir.join_set()
    set:spawn(after(2, "r"))
    assert.equal("timer", (weir.select { set = set, timer = weir.after(1) }))
    assert.equal("r", (select(3, set:join_next())))
  end))

  it("hands the errors of its tasks on: on_error is not called", failing(function(seen)
    local set <close> = weir.join_set()
    set:spawn(error, "x")
    settle()
    assert.equal(0, #seen)
    set:join_next()
    assert.equal(0, #seen)
  end))
end)

describe("JoinSet:try_join_next", function()
  it("returns what has ended", paused(function()
    local set <close> = weir.join_set()
    local task = set:spawn(function() return "r" end)
    weir.yield()
    assert.same({ task, true, "r" }, { set:try_join_next() })
  end))

  it("returns nil, 'timeout' where nothing has ended", paused(function()
    local set <close> = weir.join_set()
    set:spawn(forever)
    assert.same({ nil, "timeout" }, { set:try_join_next() })
  end))

  it("returns nil, 'empty' where the set is empty", paused(function()
    local set <close> = weir.join_set()
    assert.same({ nil, "empty" }, { set:try_join_next() })
  end))

  it("works outside a task", function()
    local set = weir.join_set()
    assert.same({ nil, "empty" }, { set:try_join_next() })
    set:spawn(function() return "r" end)
    assert.same({ nil, "timeout" }, { set:try_join_next() })
    weir.run(function() weir.yield() weir.yield() end)
    assert.equal("r", (select(3, set:try_join_next())))
  end)
end)

describe("JoinSet:abort_all", function()
  it("asks every task to end; entries stay until they are joined", paused(function()
    local set <close> = weir.join_set()
    for _ = 1, 5 do set:spawn(forever) end
    weir.yield()
    set:abort_all()
    assert.equal(5, #set)
    for i = 1, 5 do
      local _, ok, err = set:join_next()
      assert.same({ false, "aborted" }, { ok, err })
      assert.equal(5 - i, #set)
    end
  end))

  it("leaves the results of those that have ended", paused(function()
    local set <close> = weir.join_set()
    local done = set:spawn(function() return "done" end)
    local other = set:spawn(forever)
    weir.yield()
    set:abort_all()
    assert.same({ done, true, "done" }, { set:join_next() })
    assert.same({ other, false, "aborted" }, { set:join_next() })
  end))

  it("leaves the set usable", paused(function()
    local set <close> = weir.join_set()
    set:spawn(forever)
    set:abort_all()
    set:join_next()
    local task = set:spawn(function() return "after" end)
    assert.same({ task, true, "after" }, { set:join_next() })
  end))

  it("ends tasks that have not started", paused(function()
    local set <close> = weir.join_set()
    local ran = false
    set:spawn(function() ran = true end)
    set:abort_all()
    assert.equal("aborted", (select(3, set:join_next())))
    assert.is_false(ran)
  end))
end)

describe("JoinSet:join_all", function()
  it("raises the first error outside a task, too, when all have ended", function()
    local set <close> = weir.join_set()
    local err = {}
    set:spawn(function() error(err) end)
    set:spawn(weir.yield)
    for _ = 1, 4 do weir.loop.step() end
    local ok, got = pcall(set.join_all, set)
    assert.is_false(ok)
    assert.equal(err, got)
  end)

  it("leaves the task that it fails with a traceback, of which the failed one's is part", failing(function()
    local function deep() error("x", 0) end
    local place = "join_set_spec%.lua:" .. debug.getinfo(deep, "S").linedefined .. ":"
    local ways = {
      failed = function() deep() end,
      aborted = function() weir.current():abort() forever() end,
    }
    for what, f in pairs(ways) do
      local task = later(function()
        local set <close> = weir.join_set()
        set:spawn(f)
        set:join_all()
      end)
      assert.same({ false, what == "failed" and "x" or "aborted" }, { task:join() })
      assert.matches("^stack traceback:", task:traceback())
      assert.matches("join_all", task:traceback())
      if what == "failed" then assert.matches(place, task:traceback()) end
    end
  end))

  it("returns packed results in order of spawning", paused(function()
    local set <close> = weir.join_set()
    set:spawn(after(3, "slow"))
    set:spawn(function() return 1, nil, 3, nil end)
    set:spawn(function() end)
    assert.same({ { n = 1, "slow" }, { n = 4, 1, nil, 3, nil }, { n = 0 } }, set:join_all())
    assert.equal(0, #set)
  end))

  it("returns an empty array for an empty set", paused(function()
    local set <close> = weir.join_set()
    assert.same({}, set:join_all())
  end))

  it("leaves out what was joined before", paused(function()
    local set <close> = weir.join_set()
    set:spawn(after(1, "a"))
    set:spawn(after(2, "b"))
    set:join_next()
    assert.same({ { n = 1, "b" } }, set:join_all())
  end))

  it("raises the first error", paused(function()
    local set <close> = weir.join_set()
    local err = {}
    set:spawn(after(2, "r"))
    set:spawn(function() weir.sleep(1) error(err) end)
    local ok, got = pcall(set.join_all, set)
    assert.is_false(ok)
    assert.equal(err, got)
  end))

  it("aborts the rest at the first error", paused(function()
    local set <close> = weir.join_set()
    local rest = set:spawn(forever)
    set:spawn(function() weir.sleep(1) error "x" end)
    pcall(set.join_all, set)
    settle()
    assert.equal("aborted", rest:status())
  end))

  it("raises at an error that came before it was called", paused(function()
    local set <close> = weir.join_set()
    set:spawn(error, "early")
    weir.yield()
    local ok, err = pcall(set.join_all, set)
    assert.is_false(ok)
    assert.matches("early", err)
  end))

  it("raises the next error where join_next took the first, and aborts the rest", paused(function()
    local set <close> = weir.join_set()
    for _, word in ipairs { "one", "two" } do set:spawn(error, word, 0) end
    set:spawn(function() return "between" end)
    local rest = set:spawn(forever)
    settle()
    assert.equal("one", (select(3, set:join_next())))
    assert.same({ false, "two" }, { pcall(set.join_all, set) })
    assert.equal("aborted", rest:status())
  end))

  it("returns the results of the others where join_next took the only error", paused(function()
    local set <close> = weir.join_set()
    set:spawn(error, "taken", 0)
    set:spawn(function() return "r" end)
    settle()
    assert.equal("taken", (select(3, set:join_next())))
    assert.same({ { n = 1, "r" } }, set:join_all())
  end))

  it("reports every error but the one that it raises", failing(function(seen)
    local set <close> = weir.join_set()
    for i = 1, 3 do set:spawn(error, i, 0) end
    settle()
    assert.same({ false, 1 }, { pcall(set.join_all, set) })
    assert.same({ 2, 3 }, { seen[1].err, seen[2].err })
    assert.equal(2, #seen)
  end))

  it("works outside a task where all have ended", function()
    local set = weir.join_set()
    set:spawn(function() return "r" end)
    weir.run(function() weir.yield() weir.yield() end)
    assert.same({ { n = 1, "r" } }, set:join_all())
  end)

  it("aborted while it waits leaves the tasks to the set", paused(function()
    local set = weir.join_set()
    local task = set:spawn(after(2, "r"))
    local joiner = later(function() set:join_all() end)
    joiner:abort()
    assert.same({ false, "aborted" }, { joiner:join() })
    assert.same({ true, "r" }, { task:join() })
  end))

  it("joins many", paused(function()
    local set <close> = weir.join_set()
    for i = 1, 1000 do set:spawn(after(i % 7, i)) end
    local all = set:join_all()
    assert.equal(1000, #all)
    for i = 1, 1000 do assert.same({ n = 1, i }, all[i]) end
  end))
end)

describe("JoinSet:shutdown", function()
  it("aborts all, waits, and empties the set", paused(function()
    local log = {}
    local set <close> = weir.join_set()
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = set:spawn(function()
        local _note <close> = closing(log, i)
        forever()
      end)
    end
    weir.yield()
    set:shutdown()
    assert.equal(3, #log)
    for i = 1, 3 do assert.is_true(tasks[i]:is_finished()) end
    assert.equal(0, #set)
    assert.same({ nil, "empty" }, { set:join_next() })
  end))

  it("drops what its tasks owned", paused(function()
    local set <close> = weir.join_set()
    local tx, rx = weir.mpsc(1)
    set:spawn(forever, tx)
    weir.yield()
    set:shutdown()
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("ends tasks that have not started", paused(function()
    local set <close> = weir.join_set()
    local tx, rx = weir.mpsc(1)
    local ran = false
    set:spawn(function() ran = true end, tx)
    set:shutdown()
    assert.is_false(ran)
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("reports what failed and nobody has joined, with its task and traceback", failing(function(seen)
    local set <close> = weir.join_set()
    local early = set:spawn(error, "early", 0)
    local late = set:spawn(function()
      local _fails <close> = setmetatable({}, { __close = function() error("while ending", 0) end })
      forever()
    end)
    local done = set:spawn(function() end)
    settle()
    assert.equal(0, #seen)
    set:shutdown()
    assert.equal("done", done:status())
    assert.same({ early, late }, { seen[1].task, seen[2].task })
    assert.same({ "early", "while ending" }, { seen[1].err, seen[2].err })
    assert.matches("stack traceback", seen[1].traceback)
    assert.equal(2, #seen)
  end))

  it("reports nobody who was aborted", failing(function(seen)
    local set <close> = weir.join_set()
    set:spawn(forever)
    set:spawn(forever):abort()
    settle()
    set:shutdown()
    assert.equal(0, #seen)
  end))

  it("reports nothing that was told to a task that joined", failing(function(seen)
    local set <close> = weir.join_set()
    local task = set:spawn(failing_after, 1, "told")
    assert.same({ false, "told" }, { task:join() })
    set:shutdown()
    assert.equal(0, #seen)
  end))

  it("lets the hook of on_error use the set", failing(function()
    local set <close> = weir.join_set()
    local left
    weir.on_error(function(_, err)
      left = (left or 0) + #set
      set:spawn(function() return "after " .. err end)
    end)
    for i = 1, 2 do set:spawn(error, i, 0) end
    settle()
    set:shutdown()
    assert.equal(1 + 1, left)
    assert.same({ { n = 1, "after 1" }, { n = 1, "after 2" } }, set:join_all())
  end))

  it("goes on where the hook of on_error drops the set", failing(function()
    local set = weir.join_set()
    local calls = 0
    weir.on_error(function()
      calls = calls + 1
      set:drop()
    end)
    for i = 1, 3 do set:spawn(error, i, 0) end
    settle()
    assert.is_true(set:shutdown())
    assert.equal(3, calls)
  end))

  it("of an empty set returns at once", paused(function()
    local set <close> = weir.join_set()
    set:shutdown()
    assert.equal(0, #set)
  end))

  it("leaves the set usable", paused(function()
    local set <close> = weir.join_set(1)
    set:spawn(forever)
    set:shutdown()
    local task = set:spawn(function() return "after" end)
    assert.same({ task, true, "after" }, { set:join_next() })
  end))
end)

describe("JoinSet:detach_all", function()
  it("empties the set and lets the tasks go on", paused(function()
    local set = weir.join_set()
    local tasks = {}
    for i = 1, 5 do tasks[i] = set:spawn(after(1, i)) end
    set:detach_all()
    assert.equal(0, #set)
    assert.same({ nil, "empty" }, { set:join_next() })
    set:drop()
    for i = 1, 5 do assert.same({ true, i }, { tasks[i]:join() }) end
  end))

  it("gives the errors of the tasks back to on_error", failing(function(seen)
    local set = weir.join_set()
    set:spawn(function() weir.sleep(1) error("detached", 0) end)
    set:detach_all()
    weir.sleep(2)
    assert.equal(1, #seen)
    assert.equal("detached", seen[1].err)
  end))

  it("reports what has failed already", failing(function(seen)
    local set <close> = weir.join_set()
    set:spawn(error, "early", 0)
    settle()
    set:detach_all()
    assert.equal(1, #seen)
    assert.equal("early", seen[1].err)
  end))

  it("makes room under the limit", paused(function()
    local set <close> = weir.join_set(1)
    local task = set:spawn(after(1, "r"))
    set:detach_all()
    assert.equal("Task", weir.type((set:try_spawn(forever))))
    assert.same({ true, "r" }, { task:join() })
  end))
end)

describe("#set", function()
  it("counts what has not been joined, ended or not", paused(function()
    local set <close> = weir.join_set()
    set:spawn(forever)
    set:spawn(function() end)
    assert.equal(2, #set)
    weir.yield()
    assert.equal(2, #set)
    set:join_next()
    assert.equal(1, #set)
  end))

  it("is not changed by a join of the task itself", paused(function()
    local set <close> = weir.join_set()
    set:spawn(function() return "r" end):join()
    assert.equal(1, #set)
    assert.equal("r", (select(3, set:join_next())))
  end))
end)

describe("dropping a set", function()
  it("aborts what is left in it", paused(function()
    local log, task = {}
    do
      local set <close> = weir.join_set()
      task = set:spawn(function()
        local _note <close> = closing(log, "closed")
        forever()
      end)
      weir.yield()
    end
    assert.same({ false, "aborted" }, { task:join() })
    assert.same({ "closed" }, log)
  end))

  it("drops what the tasks owned", paused(function()
    local tx, rx = weir.mpsc(1)
    do
      local set <close> = weir.join_set()
      set:spawn(forever, tx)
    end
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("reports what failed and nobody has joined", failing(function(seen)
    do
      local set <close> = weir.join_set()
      set:spawn(error, "read", 0)
      set:spawn(error, "unread", 0)
      settle()
      set:join_next()
    end
    assert.equal(1, #seen)
    assert.equal("unread", seen[1].err)
  end))

  it("by the collector reports it, too", failing(function(seen)
    helper.forget(function()
      local set = weir.join_set()
      set:spawn(error, "unread", 0)
      settle()
    end)
    assert.equal(1, #seen)
    assert.equal("unread", seen[1].err)
  end))

  it("by the end of the task that owns it reports it, too", failing(function(seen)
    local set = weir.join_set()
    set:spawn(error, "unread", 0)
    settle()
    weir.spawn(function() end, set):join()
    assert.equal(1, #seen)
    assert.equal("unread", seen[1].err)
  end))

  it("as a message that is never received reports it, too", failing(function(seen)
    local tx, rx = weir.mpsc(1)
    local set = weir.join_set()
    set:spawn(error, "unread", 0)
    settle()
    tx:send { set = set }
    rx:drop()
    assert.equal(1, #seen)
    assert.equal("closed JoinSet", weir.type(set))
  end))

  it("leaves those that have ended their results", paused(function()
    local task
    do
      local set <close> = weir.join_set()
      task = set:spawn(function() return "r" end)
      weir.yield()
    end
    assert.same({ true, "r" }, { task:join() })
  end))

  it("when an error leaves the scope aborts too", paused(function()
    local tasks = {}
    pcall(function()
      local set <close> = weir.join_set()
      tasks[1] = set:spawn(forever)
      error "out"
    end)
    assert.same({ false, "aborted" }, { tasks[1]:join() })
  end))

  it("when the task that holds it is aborted aborts too", paused(function()
    local inner
    local outer = later(function()
      local set <close> = weir.join_set()
      inner = set:spawn(forever)
      weir.sleep(10)
    end)
    outer:abort()
    assert.same({ false, "aborted" }, { inner:join() })
  end))

  it("makes a spawn that waits for room raise", paused(function()
    local set = weir.join_set(1)
    set:spawn(forever)
    local task = later(function() set:spawn(forever) end)
    set:drop()
    assert.is_false((task:join()))
  end))

  it("moves with the set: the new owner's end aborts", paused(function()
    local set = weir.join_set()
    local task = set:spawn(forever)
    local owner = weir.spawn(function(mine) weir.sleep(1) return #mine end, set)
    weir.sleep(0.5)
    assert.is_false(task:is_finished())
    assert.same({ true, 1 }, { owner:join() })
    assert.same({ false, "aborted" }, { task:join() })
  end))
end)
