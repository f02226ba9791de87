-- SPDX-License-Identifier: MIT
-- run_spec.lua -- weir.run, weir.spawn from outside, weir.yield, weir.current, weir.type.

local weir = require "weir"
local helper = require "spec.helper"

local blames, closing, failing, paused = helper.blames, helper.closing, helper.failing, helper.paused

describe("weir", function()
  it("has a version", function()
    assert.equal("string", type(weir._VERSION))
    assert.matches("%d", weir._VERSION)
  end)

  it("sets no globals", function()
    local output, status = helper.program [[
      local before = {}
      for name in pairs(_G) do before[name] = true end
      require "weir"
      for name in pairs(_G) do if not before[name] then print(name) end end
    ]]
    assert.equal("", output)
    assert.equal(0, status)
  end)

  it("leaves the metatables of Lua's own types alone", function()
    local output = helper.program [[
      local function metatables()
        local all = {}
        for i, x in ipairs { 1, true, print, coroutine.create(print) } do
          all[i] = tostring(debug.getmetatable(x))
        end
        return table.concat(all, " ") .. tostring(debug.getmetatable(nil))
      end
      local before = metatables()
      require "weir"
      print(before == metatables())
    ]]
    assert.equal("true\n", output)
  end)
end)

describe("weir.type", function()
  it("is nil for what is not weir's", function()
    for _, x in ipairs { 1, "mpsc.Sender", true, {}, print, io.stdout, coroutine.create(print) } do
      assert.is_nil(weir.type(x))
    end
    assert.is_nil(weir.type(nil))
  end)

  it("is nil for a table that looks like a handle", function()
    local tx = weir.mpsc(1)
    assert.is_nil(weir.type(setmetatable({}, { __index = tx, __name = "weir.mpsc.Sender" })))
  end)

  it("names what is shared", paused(function()
    assert.equal("Task", weir.type(weir.current()))
    assert.equal("CancellationToken", weir.type(weir.cancellation_token()))
    assert.equal("Timer", weir.type(weir.after(1)))
    assert.equal("Interval", weir.type(weir.interval(1)))
  end))
end)

describe("weir.run", function()
  it("returns what main returned", function()
    assert.same({ n = 3, 1, nil, "three" }, table.pack(weir.run(function() return 1, nil, "three" end)))
  end)

  it("returns nothing where main returned nothing", function()
    assert.equal(0, select("#", weir.run(function() end)))
  end)

  it("returns many values", function()
    local many = {}
    for i = 1, 200 do many[i] = i end
    assert.same(many, { weir.run(function() return table.unpack(many) end) })
  end)

  it("passes its arguments to main", function()
    local got = table.pack(weir.run(function(...) return ... end, nil, 2, nil))
    assert.same({ n = 3, nil, 2, nil }, got)
  end)

  it("runs main as a task", function()
    local task, status = weir.run(function() return weir.current(), weir.current():status() end)
    assert.equal("Task", weir.type(task))
    assert.equal("running", status)
  end)

  it("runs main where Lua can yield", function()
    assert.is_true(weir.run(coroutine.isyieldable))
  end)

  it("takes a C function as main", function()
    assert.equal("3", weir.run(tostring, 3))
  end)

  it("leaves its main a finished task", function()
    local task = weir.run(function() return weir.current() end)
    assert.equal("done", task:status())
    assert.is_true(task:is_finished())
  end)

  it("raises main's error again, with the task's traceback added", function()
    local function inner() error("the pump is broken") end
    local ok, err = pcall(weir.run, function() inner() end)
    assert.is_false(ok)
    assert.matches("run_spec%.lua:%d+: the pump is broken", err)
    assert.matches("^[^\n]+\nstack traceback:\n", err)
    assert.matches("inner", err)
  end)

  it("raises an error that is not a string unchanged", function()
    local err = {}
    local ok, got = pcall(weir.run, function() error(err) end)
    assert.is_false(ok)
    assert.equal(err, got)
  end)

  it("raises an error of main after a wait", function()
    local ok, err = pcall(weir.run, function()
      weir.yield()
      error("late", 0)
    end)
    assert.is_false(ok)
    assert.matches("^late", err)
  end)

  it("aborts the other tasks when main ends", function()
    local log, task = {}, nil
    weir.run(function()
      task = weir.spawn(function()
        local _note <close> = closing(log, "closed")
        weir.sleep(1000)
        log[#log + 1] = "went on"
      end)
      weir.yield()
    end)
    assert.same({ "closed" }, log)
    assert.equal("aborted", task:status())
  end)

  it("aborts the other tasks when main fails", function()
    local log = {}
    pcall(weir.run, function()
      weir.spawn(function()
        local _note <close> = closing(log, "closed")
        weir.sleep(1000)
      end)
      weir.yield()
      error "main"
    end)
    assert.same({ "closed" }, log)
  end)

  it("aborts tasks that other tasks spawn while they are aborted", function()
    local task
    weir.run(function()
      weir.spawn(function()
        local _spawner <close> = setmetatable({}, { __close = function()
          task = weir.spawn(function() weir.sleep(1000) end)
        end })
        weir.sleep(1000)
      end)
      weir.yield()
    end)
    assert.equal("Task", weir.type(task))
    assert.is_true(task:is_finished())
    assert.same({}, weir.tasks())
  end)

  it("aborts a task that catches everything", function()
    local rounds = 0
    weir.run(function()
      weir.spawn(function()
        while true do
          pcall(weir.sleep, 1000)
          rounds = rounds + 1
        end
      end)
      weir.yield()
    end)
    assert.equal(0, rounds)
  end)

  it("drops what the tasks owned when main ends", function()
    local tx, rx = weir.mpsc(1)
    weir.run(function()
      weir.spawn(function(sender) weir.sleep(1000) return sender end, tx)
      weir.yield()
    end)
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end)

  it("does not move its arguments", function()
    local tx, rx = weir.mpsc(1)
    weir.run(function(sender) assert.equal(tx, sender) end, tx)
    assert.is_true(tx:try_send("still mine"))
    assert.equal("still mine", rx:try_recv())
  end)

  it("may be called again", function()
    assert.equal(1, weir.run(function() weir.yield() return 1 end))
    assert.equal(2, weir.run(function() weir.yield() return 2 end))
  end)

  it("may be called again after an error", function()
    pcall(weir.run, function() weir.yield() error "first" end)
    assert.equal("second", weir.run(function() weir.yield() return "second" end))
  end)

  it("refuses re-entry from a task", function()
    weir.run(function()
      blames(function() weir.run(function() end) end)
      blames(function() weir.run_paused(function() end) end)
    end)
  end)

  it("goes on after a refused re-entry", function()
    assert.equal("fine", weir.run(function()
      pcall(weir.run, function() end)
      weir.yield()
      return "fine"
    end))
  end)

  it("refuses re-entry from a callback inside a task", function()
    local err
    weir.run(function()
      string.gsub("x", "x", function() err = select(2, pcall(weir.run, function() end)) end)
    end)
    assert.equal("string", type(err))
  end)

  it("keeps channels from one run to the next", function()
    local tx, rx = weir.mpsc(1)
    weir.run(function() tx:send("kept") end)
    assert.equal("kept", weir.run(function() return rx:recv() end))
  end)

  it("works inside a plain coroutine of the main program", function()
    local co = coroutine.wrap(function() return weir.run(function() weir.yield() return "in" end) end)
    assert.equal("in", co())
  end)

  it("does not disturb math.random", function()
    math.randomseed(7)
    local expected = math.random(1 << 30)
    math.randomseed(7)
    weir.run(function()
      weir.spawn(function() end)
      weir.yield()
    end)
    assert.equal(expected, math.random(1 << 30))
  end)
end)

describe("weir.spawn", function()
  it("returns a Task", paused(function()
    assert.equal("Task", weir.type(weir.spawn(function() end)))
  end))

  it("never runs f inside the call", paused(function()
    local ran = false
    weir.spawn(function() ran = true end)
    assert.is_false(ran)
    weir.yield()
    assert.is_true(ran)
  end))

  it("passes its arguments, nils included", paused(function()
    local got
    helper.later(function(...) got = table.pack(...) end, 1, nil, 3, nil)
    assert.same({ n = 4, 1, nil, 3, nil }, got)
  end))

  it("passes no argument where none was given", paused(function()
    local n
    helper.later(function(...) n = select("#", ...) end)
    assert.equal(0, n)
  end))

  it("starts tasks in the order of spawning", paused(function()
    local order = {}
    for i = 1, 5 do weir.spawn(function() order[#order + 1] = i end) end
    weir.yield()
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end))

  it("may be called before run: the task starts with the next run", function()
    local ran = false
    local task = weir.spawn(function() ran = true end)
    assert.is_false(ran)
    assert.equal("ready", task:status())
    weir.run(function() weir.yield() weir.yield() end)
    assert.is_true(ran)
    assert.equal("done", task:status())
  end)

  it("moves handles into a task spawned before run", function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function(sender) sender:send("early") end, tx)
    blames(function() tx:try_send("mine") end, "moved")
    assert.equal("early", weir.run(function() return (rx:recv()) end))
  end)

  it("works from a callback that cannot yield", paused(function()
    local task
    string.gsub("x", "x", function() task = weir.spawn(function() return "from gsub" end) end)
    assert.same({ true, "from gsub" }, { task:join() })
  end))

  it("works from a plain nested coroutine", paused(function()
    local task = coroutine.wrap(function() return weir.spawn(function() return "nested" end) end)()
    assert.same({ true, "nested" }, { task:join() })
  end))

  it("gives each task a coroutine of its own", paused(function()
    local mine = coroutine.running()
    local task = weir.spawn(coroutine.running)
    local _, theirs = task:join()
    assert.equal("thread", type(theirs))
    assert.are_not.equal(mine, theirs)
  end))

  it("does not show a coroutine that a program has seen to a later task", paused(function()
    local seen = {}
    for _ = 1, 20 do
      local _, co = weir.spawn(coroutine.running):join()
      assert.is_nil(seen[co])
      seen[co] = true
    end
  end))

  it("starts each task with a clean slate after one that failed", failing(function()
    weir.spawn(function() error "one" end):join()
    assert.same({ true, "two" }, { weir.spawn(function() return "two" end):join() })
  end))

  it("runs ten thousand tasks", paused(function()
    local sum = 0
    for i = 1, 10000 do weir.spawn(function() sum = sum + i end) end
    weir.yield()
    assert.equal(50005000, sum)
  end))

  it("lets a task of a task outlive its parent", paused(function()
    local done = false
    helper.later(function()
      weir.spawn(function()
        weir.sleep(1)
        done = true
      end)
    end)
    weir.sleep(2)
    assert.is_true(done)
  end))
end)

describe("weir.yield", function()
  it("gives way to every other ready task once", paused(function()
    local log = {}
    for _, name in ipairs { "a", "b" } do
      weir.spawn(function()
        for i = 1, 2 do
          log[#log + 1] = name .. i
          weir.yield()
        end
      end)
    end
    weir.yield()
    assert.same({ "a1", "b1" }, log)
    weir.yield()
    assert.same({ "a1", "b1", "a2", "b2" }, log)
  end))

  it("comes back where nobody else is ready", paused(function()
    for _ = 1, 1000 do weir.yield() end
  end))

  it("takes no time on the virtual clock", paused(function()
    local t = weir.now()
    weir.spawn(function() weir.sleep(1) end)
    for _ = 1, 100 do weir.yield() end
    assert.equal(t, weir.now())
  end))

  it("raises outside a task", function()
    blames(function() weir.yield() end)
  end)

  it("can be cut short by an abort", paused(function()
    local went_on = false
    local task = helper.later(function()
      weir.yield()
      went_on = true
    end)
    task:abort()
    helper.settle()
    assert.is_false(went_on)
    assert.equal("aborted", task:status())
  end))
end)

describe("weir.current", function()
  it("is nil outside a task", function()
    assert.is_nil(weir.current())
  end)

  it("is nil again after a run", function()
    weir.run(function() end)
    assert.is_nil(weir.current())
  end)

  it("is nil again after a run that failed", function()
    pcall(weir.run, function() weir.yield() error "x" end)
    assert.is_nil(weir.current())
  end)

  it("is the task that spawn returned", paused(function()
    local task = weir.spawn(function() return weir.current() end)
    assert.same({ true, task }, { task:join() })
    assert.equal(task, select(2, task:join()))
  end))

  it("is the same task before and after a wait", paused(function()
    local before = weir.current()
    weir.spawn(function() weir.sleep(0.5) end)
    weir.sleep(1)
    assert.equal(before, weir.current())
  end))

  it("is the task in a plain nested coroutine too", paused(function()
    assert.equal(weir.current(), coroutine.wrap(weir.current)())
  end))
end)

describe("a Lua state that is closed", function()
  it("drops tasks that never started", function()
    local output, status = helper.program [[
      local weir = require "weir"
      local tx, rx = weir.mpsc(4)
      weir.spawn(function(sender) sender:send(rx) end, tx)
      weir.spawn(function() weir.sleep(1) end)
    ]]
    assert.equal("", output)
    assert.equal(0, status)
  end)

  it("drops suspended tasks without running their <close> variables", function()
    local output, status = helper.program [[
      local weir = require "weir"
      local senders = {}
      for i = 1, 10 do
        local tx, rx = weir.mpsc(1)
        senders[i] = tx
        weir.spawn(function()
          local note <close> = setmetatable({}, { __close = function() print "closed" end })
          rx:recv()
        end)
        weir.spawn(function() weir.sleep(i) end)
        weir.spawn(function()
          weir.timeout(5, function() weir.select { weir.after(1), weir.after(2) } end)
        end)
      end
      weir.loop.step()
    ]]
    assert.not_matches("closed", output)
    assert.equal(0, status)
  end)

  it("may be closed by a task", function()
    local output, status = helper.program [[
      local weir = require "weir"
      weir.run(function()
        local tx, rx = weir.mpsc(1)
        weir.spawn(function() rx:recv() end)
        weir.spawn(function() weir.sleep(10) end, tx)
        weir.yield()
        os.exit(3, true)
      end)
    ]]
    assert.equal("", output)
    assert.equal(3, status)
  end)

  it("lets finalizers use handles to the last", function()
    local output, status = helper.program [[
      local weir = require "weir"
      local tx, rx = weir.mpsc(8)
      for i = 1, 3 do
        _G["keep" .. i] = setmetatable({}, { __gc = function()
          pcall(function() tx:try_send(i) end)
          pcall(function() weir.spawn(print, i) end)
          pcall(function() local a = weir.mpsc(1); a:try_send(a) end)
          pcall(function() rx:drop() end)
        end })
      end
      weir.run(function() tx:send(tx:clone()) end)
    ]]
    assert.equal("", output)
    assert.equal(0, status)
  end)
end)
