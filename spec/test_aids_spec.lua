-- SPDX-License-Identifier: MIT
-- test_aids_spec.lua -- weir.test: every legal order, drawn from seeds; nothing left behind.

local weir = require "weir"
local test = require "weir.test"
local helper = require "spec.helper"

-- A bank that asks, gives way, and acts on what it knew.
local function overdraw()
  local balance = 100
  local function withdraw(n)
    if balance < n then return end
    weir.yield()
    balance = balance - n
  end
  weir.scope(function(scope)
    scope:spawn(withdraw, 60)
    scope:spawn(withdraw, 60)
  end)
  assert(balance >= 0, "overdrawn")
end

-- Right in the order that weir.run takes, wrong in another: the notification may come before anybody waits.
local function early_bird()
  local notify = weir.notify()
  local sleeper = weir.spawn(function() notify:notified() end)
  weir.spawn(function() notify:notify_waiters() end)
  sleeper:join()
end

local function failing_seed(f, options)
  local ok, err = pcall(test.explore, f, options)
  assert.is_false(ok)
  return math.tointeger(tonumber(string.match(err, "seed (%-?%d+) fails"))), err
end

describe("weir.test.explore", function()
  it("finds what fails in every order", function()
    local seed, err = failing_seed(overdraw)
    assert.equal(1, seed)
    assert.matches("overdrawn", err)
  end)

  it("finds what weir.run never meets", function()
    for _ = 1, 20 do weir.run(early_bird) end
    local _, err = failing_seed(early_bird)
    assert.matches("deadlock: notify:notified%(%)", err)
  end)

  it("repeats the seed that fails, exactly", function()
    local orders = {}
    local function program()
      local order = {}
      for i = 1, 6 do
        weir.spawn(function()
          order[#order + 1] = i
          weir.yield()
          order[#order + 1] = i
        end)
      end
      for _ = 1, 4 do weir.yield() end
      orders[#orders + 1] = table.concat(order)
      assert(order[1] < 5, "bad luck")
    end
    local seed = failing_seed(program)
    local found = orders[#orders]
    for _ = 1, 3 do
      assert.equal(seed, (failing_seed(program, { seed = seed })))
      assert.equal(found, orders[#orders])
    end
  end)

  it("repeats it in another process", function()
    local source = [[
      local weir, test = require "weir", require "weir.test"
      local log = {}
      pcall(test.explore, function()
        local boxes = {}
        for _, name in ipairs { "alpha", "beta", "gamma", "delta", "epsilon" } do
          local tx, rx = weir.oneshot()
          boxes[name] = rx
          weir.spawn(function() tx:send(math.random(1000)) log[#log + 1] = name end)
        end
        for _ = 1, 2 do weir.yield() end
        for _ = 1, 3 do
          local name, v = weir.select(boxes)
          log[#log + 1] = name .. v
          boxes[name] = nil
        end
      end, { seed = 77 })
      print(table.concat(log, " "))
    ]]
    local first = helper.program(source)
    assert.matches("%d", first)
    for _ = 1, 3 do assert.equal(first, (helper.program(source))) end
  end)

  it("runs the wrong program right where its bug is mended", function()
    local result = test.explore(function()
      local notify = weir.notify()
      local sleeper = weir.spawn(function() notify:notified() end)
      weir.spawn(function() notify:notify_one() end)
      sleeper:join()
    end, { seeds = 200 })
    assert.equal(200, result.seeds)
  end)

  it("says how many different orders it met", function()
    local result = test.explore(function()
      for _ = 1, 3 do weir.spawn(function() end) end
      weir.yield()
    end, { seeds = 300 })
    assert.equal(6, result.orders)               -- of three tasks, with main behind them
    result = test.explore(function() weir.yield() end, { seeds = 20 })
    assert.same({ seeds = 20, orders = 1 }, result)
  end)

  it("draws only a branch that is ready, among many with names", function()
    local seen = {}
    test.explore(function()
      local branches, senders = {}, {}
      for i = 1, 12 do
        senders[i], branches["branch" .. i] = weir.mpsc(1)
        if i % 3 == 0 then senders[i]:try_send(i) end
      end
      local which, v = weir.select(branches, 1)
      assert.equal("branch" .. v, which)
      seen[which] = true
      assert.equal(12, #senders)
    end, { seeds = 100 })
    local words = {}
    for which in pairs(seen) do words[#words + 1] = which end
    table.sort(words)
    assert.same({ "branch12", "branch3", "branch6", "branch9" }, words)
  end)

  it("draws the branch of a select that is ready", function()
    local seen = {}
    test.explore(function()
      local a, b = weir.after(0), weir.after(0)
      seen[weir.select { a = a, b = b }] = true
    end, { seeds = 40 })
    assert.same({ a = true, b = true }, seen)
  end)

  it("begins with the first task", function()
    for seed = 1, 40 do
      local log = {}
      weir.spawn(function() log[#log + 1] = "before" end)
      test.explore(function()
        log[#log + 1] = "main"
        weir.yield()
      end, { seed = seed })
      assert.same({ "main", "before" }, log)
    end
  end)

  it("lets a task that gives way wait for all that were ready", function()
    test.explore(function()
      local ran = 0
      for _ = 1, 5 do weir.spawn(function() ran = ran + 1 end) end
      weir.yield()
      assert(ran == 5)
      for _ = 1, 3 do
        weir.spawn(function()
          for _ = 1, 4 do
            ran = ran + 1
            weir.yield()
          end
        end)
      end
      weir.yield()
      assert(ran >= 8)
    end, { seeds = 300 })
  end)

  it("keeps the order of messages and of a line", function()
    test.explore(function()
      local tx, rx = weir.mpsc(2)
      local got = {}
      local reader = weir.spawn(function(inbox) for v in inbox do got[#got + 1] = v end end, rx)
      weir.spawn(function(out) for i = 1, 6 do out:send(i) end end, tx)
      reader:join()
      assert(table.concat(got) == "123456")
      local lock, served = weir.mutex(), {}
      local guard = lock:lock()
      for i = 1, 4 do
        weir.spawn(function()
          local mine <close> = lock:lock()
          served[#served + 1] = { i, mine ~= nil }
        end)
        weir.yield()
      end
      guard:unlock()
      for _ = 1, 9 do weir.yield() end
      assert(#served == 4)
    end, { seeds = 200 })
  end)

  it("takes the virtual clock", function()
    local before = os.clock()
    test.explore(function()
      weir.sleep(3600)
      assert(weir.now() >= 3600)
    end, { seeds = 50 })
    assert.is_true(os.clock() - before < 5)
  end)

  it("fails where a task fails and nobody hears of it", function()
    local _, err = failing_seed(function()
      weir.spawn(function() error "unheard" end)
      weir.yield()
    end)
    assert.matches("Task %d+ .* failed: .*unheard", err)
  end)

  it("does not where somebody does", function()
    test.explore(function()
      assert(not weir.spawn(function() error "heard" end):join())
    end, { seeds = 20 })
  end)

  it("leaves the hook for errors, math.random's callers and weir.run as they were", function()
    local hook = function() end
    local previous = weir.on_error(hook)
    failing_seed(overdraw)
    assert.equal(hook, weir.on_error(previous))
    local log = {}
    weir.run(function()
      for i = 1, 5 do weir.spawn(function() log[i] = #log + 1 end) end
      weir.yield()
    end)
    assert.same({ 1, 2, 3, 4, 5 }, log)
  end)

  it("reports an error object in words", function()
    local _, err = failing_seed(function()
      error(setmetatable({}, { __tostring = function() return "the object" end }))
    end)
    assert.matches("the object", err)
  end)

  it("counts from another first seed", function()
    local seed = failing_seed(overdraw, { first = 500 })
    assert.equal(500, seed)
    assert.same(10, test.explore(function() end, { first = -5, seeds = 10 }).seeds)
  end)

  it("writes the trace of the run that failed", function()
    local path = os.tmpname()
    local _, err = failing_seed(early_bird, { trace = path })
    assert.is_truthy(err:find("its trace is in " .. path, 1, true))
    local file <close> = assert(io.open(path))
    assert.matches("waits in notified", file:read "a")
    os.remove(path)
    _, err = failing_seed(early_bird, { trace = "/no/such/place/x.json" })
    assert.matches("no trace: /no/such/place", err)
  end)

  it("refuses wrong arguments, and to run inside a task, at the caller's line", function()
    helper.blames(function() test.explore() end, "#1 to 'explore'", "function expected, got nil")
    helper.blames(function() test.explore(overdraw, 3) end, "table of options expected, got number")
    helper.blames(function() test.explore(overdraw, { seed = 1.5 }) end, "'seed': integer expected")
    helper.blames(function() test.explore(overdraw, { sead = 1 }) end, "unknown option 'sead'")
    helper.blames(function() test.explore(overdraw, { seeds = 0 }) end, "'seeds': at least 1 expected")
    helper.blames(function() test.explore(overdraw, { seeds = -5 }) end, "at least 1 expected, got %-5")
    local ok, err = weir.run(function() return pcall(test.explore, overdraw) end)
    assert.is_false(ok)
    assert.matches("outside of weir%.run", err)
  end)
end)

describe("weir.test.assert_no_leaks", function()
  local kept  -- luacheck: ignore

  after_each(function()
    kept = nil  -- luacheck: ignore
    helper.collect()
  end)

  -- What is said of a function that leaves something behind.
  local function leaks(f, options)
    local ok, err = pcall(test.assert_no_leaks, f, options)
    assert.is_false(ok)
    return err
  end

  it("returns what the function returned where nothing is left", function()
    assert.same({ 1, nil, "x" }, { test.assert_no_leaks(function()
      local tx, rx = weir.mpsc(1)
      local task = weir.spawn(function(inbox) return inbox:recv() end, rx)
      tx:send(1)
      tx:drop()
      return select(2, task:join()), nil, "x"
    end) })
  end)

  it("finds a task that did not end, and what it waits for", function()
    local err = leaks(function()
      local notify = weir.notify()
      weir.spawn(function() notify:notified() end):name "forgotten"
    end)
    assert.matches("1 left behind", err)
    assert.matches("task: task %d+ forgotten, waiting at spec/test_aids_spec%.lua:%d+, a waiter in ", err)
  end)

  it("lets tasks that are ready end first", function()
    test.assert_no_leaks(function()
      for _ = 1, 3 do weir.spawn(function() for _ = 1, 10 do weir.yield() end end) end
    end)
  end)

  it("finds a handle that is kept, and where it was made", function()
    local here
    local err = leaks(function()
      here = debug.getinfo(1, "l").currentline + 1
      local tx, rx = weir.mpsc(1)
      kept = tx
      rx:drop()
    end)
    assert.matches("handle: mpsc%.Sender owned by no task.-, made at spec/test_aids_spec%.lua:" .. here, err)
  end)

  it("finds a permit, and a guard", function()
    local err = leaks(function()
      local tx, rx = weir.mpsc(4)
      kept = { tx:reserve_many(3), weir.mutex():lock(), rx, tx }
    end)
    assert.matches("permits: mpsc%.Permit owned by task %d+ .-, good for 3", err)
    assert.matches("handle: MutexGuard", err)
  end)

  it("overlooks what the collector takes, unless it is strict", function()
    local function sloppy() weir.mpsc(1) end
    test.assert_no_leaks(sloppy)
    local err = leaks(sloppy, { strict = true })
    assert.matches("2 left behind", err)
    assert.matches("left to the collector: mpsc%.Sender owned by no task, made at", err)
    test.assert_no_leaks(function()
      local tx <close>, rx = weir.mpsc(1)
      local _ <close> = rx
      assert(tx)
    end, { strict = true })
  end)

  it("overlooks what was there before", function()
    local tx, rx = weir.mpsc(1)
    test.assert_no_leaks(function() tx:send(1) end)
    assert.equal(1, #rx)
    tx:drop()
    rx:drop()
  end)

  it("works inside a task", helper.paused(function()
    local other = helper.later(weir.sleep, 1)
    test.assert_no_leaks(function() weir.yield() end)
    assert.matches("1 left behind", leaks(function() weir.spawn(weir.sleep, 1) end))
    other:abort()
  end))

  it("hands on what the function raises", function()
    assert.matches("own fault", leaks(function() error "own fault" end))
    local object = {}
    local ok, err = pcall(test.assert_no_leaks, function() error(object) end)
    assert.is_false(ok)
    assert.equal(object, err)
  end)

  it("leaves weir.debug and the collector as they were", function()
    pcall(test.assert_no_leaks, function() error "x" end, { strict = true })
    assert.is_false(weir.debug())
    assert.is_true(collectgarbage "isrunning")
  end)

  it("raises at the caller's line", function()
    helper.blames(function()
      test.assert_no_leaks(function() kept = { weir.watch(0) } end)
    end, "2 left behind")
    helper.blames(function() test.assert_no_leaks(1) end, "function expected, got number")
    helper.blames(function() test.assert_no_leaks(print, { strict = 1 }) end, "boolean expected, got number")
  end)
end)
