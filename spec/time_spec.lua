-- SPDX-License-Identifier: MIT
-- time_spec.lua -- clocks, sleeping, timeouts, timers, intervals.
-- Long because five concepts share the clock.

local weir = require "weir"
local helper = require "spec.helper"

local blames, closing, failing, later, paused, settle =
  helper.blames, helper.closing, helper.failing, helper.later, helper.paused, helper.settle

-- A stopwatch: seconds since it was made.
local function watch()
  local t = weir.now()
  return function() return weir.now() - t end
end

local function near(expected, got)
  assert.is_true(math.abs(expected - got) < 1e-6, string.format("expected %g, got %g", expected, got))
end

describe("weir.now", function()
  it("never goes back", function()
    local last = weir.now()
    for _ = 1, 1000 do
      local t = weir.now()
      assert.is_true(t >= last)
      last = t
    end
  end)

  it("is a number of seconds that goes with the wall clock in run", function()
    weir.run(function()
      local elapsed = watch()
      weir.sleep(0.02)
      assert.is_true(elapsed() >= 0.02)
      assert.is_true(elapsed() < 5)
    end)
  end)

  it("never goes back across a run_paused", function()
    local before = weir.now()
    weir.run_paused(function() assert.equal("number", type(weir.now())) end)
    assert.is_true(weir.now() >= before)
  end)
end)

describe("weir.run_paused", function()
  it("returns what main returned and passes arguments", function()
    assert.same({ 2, 1 }, { weir.run_paused(function(a, b) return b, a end, 1, 2) })
  end)

  it("raises main's error", function()
    local ok, err = pcall(weir.run_paused, function() error("main's", 0) end)
    assert.is_false(ok)
    assert.matches("^main's", err)
  end)

  it("takes no real time for an hour", function()
    local real = watch()
    weir.run_paused(function()
      local elapsed = watch()
      weir.sleep(3600)
      near(3600, elapsed())
    end)
    assert.is_true(real() < 60)
  end)

  it("stands still while a task is ready", paused(function()
    local elapsed = watch()
    local later_on = false
    weir.spawn(function()
      weir.sleep(1)
      later_on = true
    end)
    for _ = 1, 1000 do weir.yield() end
    assert.equal(0, elapsed())
    assert.is_false(later_on)
  end))

  it("jumps to the next deadline, not beyond it", paused(function()
    local elapsed, log = watch(), {}
    for _, s in ipairs { 3, 1, 2 } do
      weir.spawn(function()
        weir.sleep(s)
        log[#log + 1] = elapsed()
      end)
    end
    weir.sleep(10)
    assert.same({ 1, 2, 3 }, log)
    assert.equal(10, elapsed())
  end))

  it("takes a timer made before it at its word, and gives it back", function()
    local timer = weir.after(1000)
    weir.run_paused(function()
      assert.is_true(math.abs(timer:deadline() - weir.now() - 1000) < 10)
      weir.sleep(400)
      assert.is_true(math.abs(timer:deadline() - weir.now() - 600) < 10)
      assert.is_false(timer:is_elapsed())
    end)
    assert.is_true(math.abs(timer:deadline() - weir.now() - 600) < 10)
  end)

  it("is the wall clock again afterwards", function()
    weir.run_paused(function() weir.sleep(5) end)
    weir.run(function()
      local elapsed = watch()
      weir.sleep(0.01)
      assert.is_true(elapsed() >= 0.01)
      assert.is_true(elapsed() < 4)
    end)
  end)

  it("takes no real time in a hundred long sleeps one after another", function()
    local real = watch()
    weir.run_paused(function() for _ = 1, 100 do weir.sleep(365 * 86400) end end)
    assert.is_true(real() < 60)
  end)
end)

describe("a virtual clock that shows 1e308", function()
  it("never comes to where the sum with a time is no number", function()
    local text = helper.program [[
      local weir = require "weir"
      print(pcall(weir.run_paused, function()
        weir.sleep(1e308)
        local task, timer, interval = weir.spawn(weir.sleep, 1e308), weir.after(1e308), weir.interval(1e308)
        interval:tick()
        local waits = weir.spawn(timer.wait, timer)
        weir.sleep_until(1.7e308)
        print(task:status(), waits:status(), weir.now())
        print(timer:deadline(), timer:is_elapsed(), timer:wait(0))
        print(interval:tick(0))
        timer:wait()
      end))
    ]]
    local first, rest = text:match "^(.-timeout\n.-timeout\n)(.*)$"
    assert.equal("waiting\twaiting\t1.7e+308\ninf\tfalse\tnil\ttimeout\nnil\ttimeout\n", first, text)
    assert.matches("^false\tdeadlock: ", rest)
  end)
end)

describe("weir.advance", function()
  it("moves the clock by the exact amount", paused(function()
    local elapsed = watch()
    weir.advance(1.5)
    near(1.5, elapsed())
  end))

  it("moves it by fractions of a millisecond", paused(function()
    local elapsed = watch()
    weir.advance(0.000123)
    near(0.000123, elapsed())
  end))

  it("makes what is due ready", paused(function()
    local done = false
    later(function()
      weir.sleep(1)
      done = true
    end)
    weir.advance(1)
    settle()
    assert.is_true(done)
  end))

  it("leaves what is not yet due", paused(function()
    local done = false
    later(function()
      weir.sleep(1)
      done = true
    end)
    weir.advance(0.999)
    settle()
    assert.is_false(done)
  end))

  it("adds up: four quarters make one", paused(function()
    local done = false
    later(function()
      weir.sleep(0.001)
      done = true
    end)
    for i = 1, 4 do
      weir.advance(0.00025)
      settle()
      if i < 4 then assert.is_false(done) end
    end
    weir.advance(1e-9)
    settle()
    assert.is_true(done)
  end))

  it("wakes several in the order of their deadlines", paused(function()
    local log = {}
    for _, s in ipairs { 3, 1, 2 } do
      later(function()
        weir.sleep(s)
        log[#log + 1] = s
      end)
    end
    weir.advance(5)
    settle()
    assert.same({ 1, 2, 3 }, log)
  end))

  it("is felt by timers, intervals and timeouts", paused(function()
    local timer = weir.after(1)
    weir.advance(1)
    assert.is_true(timer:is_elapsed())
    assert.is_true(timer:wait())
  end))

  it("by nothing changes nothing", paused(function()
    local elapsed = watch()
    weir.advance(0)
    assert.equal(0, elapsed())
  end))
end)

describe("weir.sleep", function()
  it("waits for so many seconds, fractions allowed", paused(function()
    local elapsed = watch()
    weir.sleep(1)
    near(1, elapsed())
    weir.sleep(0.25)
    near(1.25, elapsed())
  end))

  it("returns true", paused(function()
    assert.is_true(weir.sleep(1))
  end))

  it("of 0 gives way once", paused(function()
    local log = {}
    weir.spawn(function()
      log[#log + 1] = 1
      weir.yield()
      log[#log + 1] = 2
    end)
    weir.sleep(0)
    assert.same({ 1 }, log)
  end))

  it("of 0 takes no time", paused(function()
    local elapsed = watch()
    weir.spawn(function() weir.sleep(1) end)
    for _ = 1, 1000 do weir.sleep(0) end
    assert.equal(0, elapsed())
  end))

  it("wakes in the order of starting where deadlines are equal", paused(function()
    local log = {}
    for i = 1, 10 do
      weir.spawn(function()
        weir.sleep(1)
        log[#log + 1] = i
      end)
    end
    weir.sleep(2)
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, log)
  end))

  it("wakes a thousand in the order of their deadlines", paused(function()
    local due, last = {}, 0
    for i = 1, 1000 do due[i] = (i * 7919) % 1009 + 1 end
    for _, s in ipairs(due) do
      weir.spawn(function()
        weir.sleep(s)
        assert(s >= last)
        last = s
      end)
    end
    weir.sleep(2000)
    assert.equal(1009, last)
  end))

  it("can take years", paused(function()
    local elapsed = watch()
    weir.sleep(10 * 365.25 * 86400)
    assert.is_true(math.abs(elapsed() - 10 * 365.25 * 86400) < 0.001)
  end))

  it("can take for ever", paused(function()
    local task = later(weir.sleep, math.huge)
    weir.sleep(1e9)
    assert.equal("waiting", task:status())
  end))

  it("takes any finite number", paused(function()
    local task = later(weir.sleep, 1e308)
    weir.sleep(1)
    assert.equal("waiting", task:status())
  end))

  it("can be cut short by an abort", paused(function()
    local elapsed = watch()
    local task = later(weir.sleep, 100)
    task:abort()
    assert.same({ false, "aborted" }, { task:join() })
    weir.sleep(1)
    near(1, elapsed())
  end))

  it("can be aborted after it was woken", paused(function()
    local went_on = false
    local task = later(function()
      weir.sleep(1)
      went_on = true
    end)
    weir.advance(1)
    task:abort()
    settle()
    assert.is_false(went_on)
  end))

  it("raises outside a task", function()
    blames(function() weir.sleep(1) end)
    blames(function() weir.sleep(0) end)
  end)

  it("uses the operating system while it waits", function()
    local cpu = os.clock()
    weir.run(function() weir.sleep(0.3) end)
    assert.is_true(os.clock() - cpu < 0.1)
  end)

  it("wakes no earlier than it should on the wall clock", function()
    weir.run(function()
      for _ = 1, 20 do
        local elapsed = watch()
        weir.sleep(0.0013)
        assert.is_true(elapsed() >= 0.0013)
      end
    end)
  end)
end)

describe("weir.sleep_until", function()
  it("waits until the clock shows t", paused(function()
    local t = weir.now() + 2
    weir.sleep(0.5)
    weir.sleep_until(t)
    near(t, weir.now())
  end))

  it("does not wait for what is past", paused(function()
    local elapsed = watch()
    weir.sleep(1)
    weir.sleep_until(weir.now() - 0.5)
    near(1, elapsed())
  end))

  it("can wait for ever", paused(function()
    local task = later(weir.sleep_until, math.huge)
    weir.sleep(1e9)
    assert.equal("waiting", task:status())
  end))

  it("keeps a rhythm without drift", paused(function()
    local start = weir.now()
    for i = 1, 10 do
      weir.sleep_until(start + i)
      weir.advance(0.1)
    end
    near(start + 10.1, weir.now())
  end))
end)

describe("weir.timeout", function()
  it("returns true and the results of f", paused(function()
    assert.same({ n = 4, true, 1, nil, 3 }, table.pack(weir.timeout(1, function()
      weir.sleep(0.5)
      return 1, nil, 3
    end)))
  end))

  it("returns at once where f does not wait", paused(function()
    local elapsed = watch()
    assert.same({ true, "now" }, { weir.timeout(1, function() return "now" end) })
    assert.equal(0, elapsed())
  end))

  it("passes arguments to f", paused(function()
    local r = table.pack(weir.timeout(1, function(...) return ... end, 1, nil, 3))
    assert.same({ n = 4, true, 1, nil, 3 }, r)
  end))

  it("takes a C function", paused(function()
    assert.same({ true, true }, { weir.timeout(2, weir.sleep, 1) })
    assert.same({ nil, "timeout" }, { weir.timeout(1, weir.sleep, 2) })
  end))

  it("returns nil, 'timeout' when the time is up", paused(function()
    local elapsed = watch()
    assert.same({ n = 2, nil, "timeout" }, table.pack(weir.timeout(1, weir.sleep, 5)))
    near(1, elapsed())
  end))

  it("returns where f waits in a channel", paused(function()
    local _tx, rx = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { weir.timeout(1, function() return rx:recv() end) })
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end))

  it("leaves the channel usable: nothing is lost and nobody is left in line", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.timeout(1, function() rx:recv() end)
    tx:send "kept"
    assert.equal("kept", rx:recv())
    tx:send "full"
    weir.timeout(1, function() tx:send "never" end)
    assert.equal("full", rx:recv())
    assert.equal(1, tx:capacity())
  end))

  it("raises an error of f", paused(function()
    local err = {}
    local ok, got = pcall(weir.timeout, 1, function()
      weir.sleep(0.5)
      error(err)
    end)
    assert.is_false(ok)
    assert.equal(err, got)
  end))

  it("raises an error of f that did not wait", paused(function()
    local ok, got = pcall(weir.timeout, 1, error, "at once", 0)
    assert.is_false(ok)
    assert.matches("at once", got)
  end))

  it("of 0 lets what is ready win", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send "ready"
    assert.same({ true, "ready" }, { weir.timeout(0, function() return rx:recv() end) })
  end))

  it("of 0 cuts short what must wait", paused(function()
    local _tx, rx = weir.mpsc(1)
    local elapsed = watch()
    assert.same({ nil, "timeout" }, { weir.timeout(0, function() return rx:recv() end) })
    assert.equal(0, elapsed())
  end))

  it("of math.huge never fires", paused(function()
    assert.same({ true, true }, { weir.timeout(math.huge, weir.sleep, 1e9) })
  end))

  it("cannot be swallowed by a pcall in f", paused(function()
    local elapsed, rounds = watch(), 0
    assert.same({ nil, "timeout" }, { weir.timeout(1, function()
      while true do
        rounds = rounds + 1
        pcall(weir.sleep, 100)
      end
    end) })
    near(1, elapsed())
    assert.equal(1, rounds)
  end))

  it("runs the <close> variables of f", paused(function()
    local log = {}
    weir.timeout(1, function()
      local _a <close> = closing(log, "a")
      pcall(function()
        local _b <close> = closing(log, "b")
        weir.sleep(5)
      end)
    end)
    assert.same({ "b", "a" }, log)
  end))

  it("lets no __close of f wait when it cuts f short", paused(function()
    local r
    weir.timeout(1, function()
      local _x <close> = setmetatable({}, { __close = function() r = table.pack(pcall(weir.sleep, 1)) end })
      weir.sleep(5)
    end)
    assert.is_false(r[1])
    assert.equal("string", type(r[2]))
  end))

  it("lets the __close handlers of f do what does not wait", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.timeout(1, function()
      local _x <close> = setmetatable({}, { __close = function() tx:try_send "bye" end })
      weir.sleep(5)
    end)
    assert.equal("bye", rx:try_recv())
  end))

  it("raises an error of a __close that it runs", paused(function()
    local ok, err = pcall(weir.timeout, 1, function()
      local _x <close> = setmetatable({}, { __close = function() error("in close", 0) end })
      weir.sleep(5)
    end)
    assert.is_false(ok)
    assert.matches("in close", err)
  end))

  it("runs f in the same task", paused(function()
    local task = weir.current()
    assert.same({ true, task }, { weir.timeout(1, function()
      weir.sleep(0.1)
      return weir.current()
    end) })
  end))

  it("inside a longer one fires alone", paused(function()
    local elapsed = watch()
    local r = { weir.timeout(2, function() return weir.timeout(1, weir.sleep, 5) end) }
    assert.same({ true, nil, "timeout" }, r)
    near(1, elapsed())
  end))

  it("inside a shorter one goes with it", paused(function()
    local elapsed, log = watch(), {}
    assert.same({ nil, "timeout" }, { weir.timeout(1, function()
      local _outer <close> = closing(log, "outer")
      weir.timeout(2, function()
        local _inner <close> = closing(log, "inner")
        weir.sleep(5)
      end)
    end) })
    near(1, elapsed())
    assert.same({ "inner", "outer" }, log)
    weir.sleep(5)
    assert.same({ "inner", "outer" }, log)
  end))

  it("may be nested twenty deep", paused(function()
    local function nest(n)
      if n == 0 then return weir.sleep(1000) end
      local ok, err = weir.timeout(n, nest, n - 1)
      return ok, err
    end
    local elapsed = watch()
    nest(20)
    near(1, elapsed())
  end))

  it("does not outlive its call: a timeout that f beat never fires", paused(function()
    weir.timeout(1, weir.sleep, 0.5)
    assert.is_true(weir.sleep(10))
  end))

  it("drops what f got and still owns when it cuts f short", paused(function()
    local mutex, semaphore, kept = weir.mutex(), weir.semaphore(1), {}  -- out of the collector's reach
    local tx, rx = weir.mpsc(1)
    local sender, inbox = weir.mpsc(1)
    tx:send(sender)
    weir.timeout(1, function()
      kept[1] = mutex:lock()
      kept[2] = semaphore:acquire()
      kept[3] = rx:recv()
      weir.sleep(5)
    end)
    assert.equal("closed MutexGuard", weir.type(kept[1]))
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
    assert.equal(1, semaphore:available())
    assert.same({ nil, "closed" }, { inbox:try_recv() })
  end))

  it("passes what f got to the task when f returns", paused(function()
    local mutex, kept = weir.mutex(), nil
    local task = later(function()
      weir.timeout(1, function() kept = mutex:lock() end)
      assert(weir.type(kept) == "MutexGuard")
      weir.sleep(1)
    end)
    assert.same({ nil, "full" }, { mutex:try_lock() })
    helper.join(task)
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
    assert.equal("closed MutexGuard", weir.type(kept))
  end))

  it("passes what f got to an outer timeout, which drops it", paused(function()
    local mutex = weir.mutex()
    local kept
    weir.timeout(2, function()
      weir.timeout(1, function() kept = mutex:lock() end)
      weir.sleep(5)
    end)
    assert.equal("closed MutexGuard", weir.type(kept))
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
  end))

  it("leaves what the task got before alone", paused(function()
    local mutex = weir.mutex()
    local guard = mutex:lock()
    weir.timeout(1, weir.sleep, 5)
    assert.equal("MutexGuard", weir.type(guard))
  end))

  it("leaves alone what f moved on", paused(function()
    local mutex = weir.mutex()
    local kept
    weir.timeout(1, function()
      kept = mutex:lock():move()
      weir.sleep(5)
    end)
    assert.equal("MutexGuard", weir.type(kept))
  end))

  it("drops what f got when f fails, or leaves it to the task, but never leaks", failing(function()
    local mutex = weir.mutex()
    later(function() weir.timeout(1, function()
      mutex:lock()
      error "x"
    end) end)
    settle()
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
  end))

  it("does not move its arguments", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.timeout(1, function(sender) weir.sleep(5) return sender end, tx)
    assert.is_true(tx:try_send("mine"))
    assert.equal("mine", rx:recv())
  end))

  it("ends with the task that is aborted", paused(function()
    local log = {}
    local task = later(function()
      local _outer <close> = closing(log, "outer")
      weir.timeout(10, function()
        local _inner <close> = closing(log, "inner")
        weir.sleep(5)
      end)
    end)
    task:abort()
    weir.sleep(20)
    assert.same({ "inner", "outer" }, log)
  end))

  it("is not beaten by an abort that comes after it was due", paused(function()
    local _tx, rx = weir.mpsc(1)
    local task = later(function() return weir.timeout(1, function() return rx:recv() end) end)
    weir.advance(1)
    task:abort()
    assert.same({ false, "aborted" }, { task:join() })
  end))

  it("loses no message that came in the turn in which it fired", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return weir.timeout(1, function() return rx:recv() end) end)
    weir.advance(1)
    tx:try_send "close call"
    local _, ok, got = task:join()
    if ok then assert.equal("close call", got) else assert.equal("close call", rx:try_recv()) end
  end))

  it("works in a loop", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function(sender)
      for i = 1, 5 do
        weir.sleep(1)
        sender:send(i)
      end
    end, tx)
    local timeouts, got = 0, {}
    while #got < 5 do
      local ok, v = weir.timeout(0.4, function() return rx:recv() end)
      if ok then got[#got + 1] = v else timeouts = timeouts + 1 end
    end
    assert.same({ 1, 2, 3, 4, 5 }, got)
    assert.is_true(timeouts >= 10)
  end))

  it("works in a weir.wrap, and around one", paused(function()
    local gen = weir.wrap(function()
      coroutine.yield((select(2, weir.timeout(1, weir.sleep, 5))))
      weir.sleep(5)
    end)
    assert.equal("timeout", gen())
    assert.same({ nil, "timeout" }, { weir.timeout(1, gen) })
  end))

  it("lets f spawn and join", paused(function()
    assert.same({ true, true, "r" }, { weir.timeout(1, function()
      return weir.spawn(function() weir.sleep(0.5) return "r" end):join()
    end) })
  end))

  it("does not abort a task that f spawned", paused(function()
    local task
    weir.timeout(1, function()
      task = weir.spawn(weir.sleep, 5)
      weir.sleep(5)
    end)
    assert.equal("waiting", task:status())
  end))

  it("raises outside a task where f waits", function()
    assert.is_false(pcall(weir.timeout, 1, function() weir.sleep(1) end))
  end)

  it("works anywhere where f does not wait", function()
    local function now() return "now" end
    assert.same({ true, "now" }, { weir.timeout(1, now) })
    weir.run_paused(function()
      assert.same({ true, "now" }, { coroutine.wrap(weir.timeout)(1, now) })
      local r
      string.gsub("x", "x", function() r = { weir.timeout(1, now) } end)
      assert.same({ true, "now" }, r)
    end)
  end)

  it("on a plain coroutine.yield in f raises", failing(function()
    assert.is_false(pcall(weir.timeout, 1, function() coroutine.yield(1) end))
  end))
end)

describe("weir.after", function()
  it("makes a Timer that fires in so many seconds", paused(function()
    local elapsed = watch()
    local timer = weir.after(1)
    assert.equal("Timer", weir.type(timer))
    assert.is_true(timer:wait())
    near(1, elapsed())
  end))

  it("counts from its making, not from the wait", paused(function()
    local elapsed = watch()
    local timer = weir.after(1)
    weir.sleep(0.75)
    timer:wait()
    near(1, elapsed())
  end))

  it("is ready at once where it has fired", paused(function()
    local timer = weir.after(1)
    weir.sleep(5)
    local elapsed = watch()
    assert.is_true(timer:wait())
    assert.is_true(timer:wait())
    assert.equal(0, elapsed())
  end))

  it("of 0 has fired", paused(function()
    local elapsed = watch()
    weir.after(0):wait()
    assert.equal(0, elapsed())
  end))

  it("of math.huge never fires", paused(function()
    local timer = weir.after(math.huge)
    local task = later(function() timer:wait() end)
    weir.sleep(1e9)
    assert.equal("waiting", task:status())
    assert.is_false(timer:is_elapsed())
  end))

  it("wakes everybody who waits", paused(function()
    local timer, n = weir.after(1), 0
    for _ = 1, 3 do
      weir.spawn(function()
        timer:wait()
        n = n + 1
      end)
    end
    weir.sleep(2)
    assert.equal(3, n)
  end))

  it("may be made outside a task", function()
    local timer = weir.after(0)
    assert.equal("Timer", weir.type(timer))
    weir.run(function() assert.is_true(timer:wait()) end)
  end)

  it("may be waited for outside a task where it has fired", function()
    assert.is_true(weir.after(0):wait())
  end)

  it("raises outside a task where it would wait", function()
    local timer = weir.after(100)
    blames(function() timer:wait() end)
  end)

  it("may be used in many selects until it fires", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function(sender)
      while sender:send "x" do weir.sleep(0.3) end
    end, tx)
    local elapsed, timer, messages = watch(), weir.after(1), 0
    while true do
      local which = weir.select_biased { timer, rx }
      if which == 1 then break end
      messages = messages + 1
    end
    near(1, elapsed())
    assert.equal(4, messages)
  end))

  it("wins a select with true", paused(function()
    assert.same({ "t", true }, { weir.select { t = weir.after(1) } })
  end))

  it("beside a huge one wins alone", paused(function()
    assert.equal("tiny", (weir.select { huge = weir.after(math.huge), tiny = weir.after(1e-6) }))
  end))

  it("can be cut short, and goes on for others", paused(function()
    local timer = weir.after(1)
    later(function() timer:wait() end):abort()
    local elapsed = watch()
    timer:wait()
    near(1, elapsed())
  end))
end)

describe("Timer:reset", function()
  it("to later defers it", paused(function()
    local elapsed, timer = watch(), weir.after(1)
    weir.sleep(0.5)
    timer:reset(2)
    timer:wait()
    near(2.5, elapsed())
  end))

  it("to earlier hastens it", paused(function()
    local elapsed, timer = watch(), weir.after(10)
    weir.sleep(0.5)
    timer:reset(1)
    timer:wait()
    near(1.5, elapsed())
  end))

  it("makes one that has fired pending again", paused(function()
    local elapsed, timer = watch(), weir.after(1)
    timer:wait()
    timer:reset(1)
    assert.is_false(timer:is_elapsed())
    timer:wait()
    near(2, elapsed())
  end))

  it("to 0 fires it", paused(function()
    local elapsed, timer = watch(), weir.after(10)
    timer:reset(0)
    timer:wait()
    assert.equal(0, elapsed())
  end))

  it("defers those who wait already", paused(function()
    local elapsed, timer = watch(), weir.after(1)
    local task = later(function()
      timer:wait()
      return elapsed()
    end)
    timer:reset(3)
    local _, at = task:join()
    near(3, at)
  end))

  it("hastens those who wait already", paused(function()
    local elapsed, timer = watch(), weir.after(10)
    local task = later(function()
      timer:wait()
      return elapsed()
    end)
    timer:reset(1)
    local _, at = task:join()
    near(1, at)
  end))

  it("to math.huge takes it away", paused(function()
    local timer = weir.after(1)
    local task = later(function() timer:wait() end)
    timer:reset(math.huge)
    weir.sleep(1e6)
    assert.equal("waiting", task:status())
  end))

  it("keeps the heap sound through a thousand changes", paused(function()
    local elapsed, timers, last, fired = watch(), {}, 0, 0
    for i = 1, 200 do timers[i] = weir.after(i) end
    for i = 1, 1000 do timers[(i * 31) % 200 + 1]:reset((i * 7919) % 997 + 1) end
    for i = 1, 200 do
      weir.spawn(function()
        timers[i]:wait()
        assert(elapsed() >= last)
        last = elapsed()
        fired = fired + 1
      end)
    end
    weir.sleep(1000)
    assert.equal(200, fired)
  end))
end)

describe("Timer:deadline", function()
  it("is when it fires on the clock of weir.now", paused(function()
    local timer = weir.after(2)
    near(weir.now() + 2, timer:deadline())
    weir.sleep(1)
    near(weir.now() + 1, timer:deadline())
  end))

  it("follows reset", paused(function()
    local timer = weir.after(2)
    weir.sleep(1)
    timer:reset(5)
    near(weir.now() + 5, timer:deadline())
  end))
end)

describe("Timer:is_elapsed", function()
  it("is false before and true after", paused(function()
    local timer = weir.after(1)
    assert.is_false(timer:is_elapsed())
    weir.sleep(0.5)
    assert.is_false(timer:is_elapsed())
    weir.sleep(0.5)
    assert.is_true(timer:is_elapsed())
    assert.is_true(timer:is_elapsed())
  end))

  -- Calls f with a timer that has become due while this task ran.
  local function just_due(f)
    return function()
      weir.run(function()
        local timer = weir.after(0.001)
        while weir.now() < timer:deadline() do end
        f(timer)
      end)
    end
  end

  it("says the same as a wait, as soon as it is due", just_due(function(timer)
    assert.is_true(timer:is_elapsed())
    assert.is_true(timer:wait(0))
  end))

  it("says the same as a select, as soon as it is due", just_due(function(timer)
    local tx, rx = weir.mpsc(1)
    tx:send "ready, too"
    assert.same({ 1, true }, { weir.select_biased { timer, rx } })
    assert.same({ "timer", true }, { weir.try_select { timer = timer } })
  end))

  it("says the same as tostring, as soon as it is due", just_due(function(timer)
    assert.matches("elapsed", tostring(timer))
  end))

  it("first seen by one who polls, wakes those who wait", function()
    weir.run(function()
      local timer = weir.after(0.001)
      local waiting = later(timer.wait, timer)
      while weir.now() < timer:deadline() do end
      assert.is_true(timer:wait(0))
      assert.same({ true, true }, { waiting:join() })
    end)
  end)
end)

describe("weir.interval", function()
  for _, missed in ipairs { "burst", "delay", "skip" } do
    it("of a period that is nothing beside the clock always ticks at once: " .. missed, paused(function()
      local interval = weir.interval(5e-324, { missed = missed })
      weir.sleep(1)
      for _ = 1, 3 do assert.is_true(interval:tick(0) <= weir.now()) end
      weir.sleep(1)
      assert.is_true(interval:tick(0) <= weir.now())
      if missed ~= "burst" then assert.equal(weir.now(), interval:tick(0)) end
    end))
  end

  it("ticks at once, then once a period", paused(function()
    local elapsed, interval = watch(), weir.interval(1)
    assert.equal("Interval", weir.type(interval))
    for i = 0, 4 do
      interval:tick()
      near(i, elapsed())
    end
  end))

  it("returns the scheduled time", paused(function()
    local start, interval = weir.now(), weir.interval(1)
    for i = 0, 4 do near(start + i, interval:tick()) end
  end))

  it("returns the scheduled time of a tick that comes late", paused(function()
    local start, interval = weir.now(), weir.interval(1)
    interval:tick()
    weir.sleep(1.5)
    near(start + 1, interval:tick())
  end))

  it("does not drift with the work between ticks", paused(function()
    local elapsed, interval = watch(), weir.interval(1)
    for i = 0, 9 do
      interval:tick()
      near(i, elapsed())
      weir.sleep(0.3)
    end
  end))

  it("waits for its delay first, then once a period", paused(function()
    local elapsed, interval = watch(), weir.interval(1, { delay = 5 })
    interval:tick()
    near(5, elapsed())
    interval:tick()
    near(6, elapsed())
  end))

  it("with a delay of 0 ticks at once", paused(function()
    local elapsed, interval = watch(), weir.interval(1, { delay = 0 })
    interval:tick()
    assert.equal(0, elapsed())
  end))

  it("makes up for missed ticks in a burst by default", paused(function()
    local elapsed, interval = watch(), weir.interval(1)
    interval:tick()
    weir.sleep(3.5)
    for _ = 1, 3 do
      interval:tick()
      near(3.5, elapsed())
    end
    interval:tick()
    near(4, elapsed())
  end))

  it("makes up for missed ticks in a burst where told to", paused(function()
    local start, interval = weir.now(), weir.interval(1, { missed = "burst" })
    interval:tick()
    weir.sleep(3.5)
    for i = 1, 4 do near(start + i, interval:tick()) end
  end))

  it("starts again from the late tick with 'delay'", paused(function()
    local elapsed, interval = watch(), weir.interval(1, { missed = "delay" })
    interval:tick()
    weir.sleep(3.5)
    interval:tick()
    near(3.5, elapsed())
    interval:tick()
    near(4.5, elapsed())
    interval:tick()
    near(5.5, elapsed())
  end))

  it("leaves missed ticks out with 'skip' and stays on multiples of the period", paused(function()
    local elapsed, interval = watch(), weir.interval(1, { missed = "skip" })
    interval:tick()
    weir.sleep(3.5)
    interval:tick()
    near(3.5, elapsed())
    interval:tick()
    near(4, elapsed())
    interval:tick()
    near(5, elapsed())
  end))

  it("with 'skip' misses nothing where nothing is late", paused(function()
    local elapsed, interval = watch(), weir.interval(1, { missed = "skip" })
    for i = 0, 4 do
      interval:tick()
      near(i, elapsed())
    end
  end))

  it("follows advance, bursts included", paused(function()
    local interval = weir.interval(1)
    interval:tick()
    weir.advance(3)
    local elapsed = watch()
    for _ = 1, 3 do interval:tick() end
    assert.equal(0, elapsed())
    interval:tick()
    near(1, elapsed())
  end))

  it("takes a period of math.huge: one tick, then none", paused(function()
    local interval = weir.interval(math.huge)
    interval:tick()
    local task = later(function() interval:tick() end)
    weir.sleep(1e9)
    assert.equal("waiting", task:status())
  end))

  it("gives each tick to one of those who wait", paused(function()
    local elapsed, interval, at = watch(), weir.interval(1, { delay = 1 }), {}
    for _ = 1, 3 do
      weir.spawn(function()
        interval:tick()
        at[#at + 1] = elapsed()
      end)
    end
    weir.sleep(10)
    assert.same({ 1, 2, 3 }, at)
  end))

  it("loses no tick where the one who waits is aborted", paused(function()
    local elapsed, interval = watch(), weir.interval(1)
    interval:tick()
    local task = later(function() interval:tick() end)
    weir.advance(1)
    task:abort()
    settle()
    interval:tick()
    near(1, elapsed())
  end))

  it("yields the scheduled time in a select", paused(function()
    local start, interval = weir.now(), weir.interval(1)
    interval:tick()
    local which, at = weir.select { tick = interval }
    assert.equal("tick", which)
    near(start + 1, at)
  end))

  it("loses no tick in a select that another branch wins", paused(function()
    local elapsed, interval = watch(), weir.interval(2, { delay = 2 })
    for _ = 1, 3 do assert.equal("timer", (weir.select { tick = interval, timer = weir.after(0.5) })) end
    interval:tick()
    near(2, elapsed())
  end))

  it("may be made outside a task", function()
    local interval = weir.interval(1000)
    weir.run(function() interval:tick() end)
  end)
end)

describe("Interval:reset", function()
  it("starts a full period from now", paused(function()
    local elapsed, interval = watch(), weir.interval(2)
    interval:tick()
    weir.sleep(1)
    interval:reset()
    interval:tick()
    near(3, elapsed())
    interval:tick()
    near(5, elapsed())
  end))

  it("with s ticks next in s seconds, then once a period", paused(function()
    local elapsed, interval = watch(), weir.interval(2)
    interval:tick()
    weir.sleep(1)
    interval:reset(0.25)
    interval:tick()
    near(1.25, elapsed())
    interval:tick()
    near(3.25, elapsed())
  end))

  it("with 0 ticks at once", paused(function()
    local elapsed, interval = watch(), weir.interval(2)
    interval:tick()
    interval:reset(0)
    interval:tick()
    assert.equal(0, elapsed())
  end))

  it("is felt by the one who waits", paused(function()
    local elapsed, interval = watch(), weir.interval(10)
    interval:tick()
    local task = later(function()
      interval:tick()
      return elapsed()
    end)
    interval:reset(1)
    local _, at = task:join()
    near(1, at)
  end))
end)

describe("a [timeout] argument", function()
  -- The waits whose row shows one and that can never be ready here.
  local channel = { weir.mpsc(1) }
  local tx, rx = table.unpack(channel)
  local waits = {
    ["rx:recv"] = function(s) return rx:recv(s) end,
    ["tx:closed"] = function(s) return tx:closed(s) end,
    ["task:join"] = function(s) return later(weir.sleep, 1e6):join(s) end,
    ["token:cancelled"] = function(s) return weir.cancellation_token():cancelled(s) end,
    ["notify:notified"] = function(s) return weir.notify():notified(s) end,
    ["once:wait"] = function(s) return weir.once():wait(s) end,
    ["barrier:wait"] = function(s) return weir.barrier(2):wait(s) end,
    ["weir.select"] = function(s) return weir.select({ rx }, s) end,
    ["set:join_next"] = function(s)
      local set <close> = weir.join_set()
      set:spawn(weir.sleep, 1e6)
      return set:join_next(s)
    end,
  }
  for name, wait in pairs(waits) do
    it("of 0 polls " .. name .. " once", paused(function()
      local elapsed = watch()
      assert.same({ nil, "timeout" }, { wait(0) })
      assert.equal(0, elapsed())
    end))

    it("ends " .. name .. " after its seconds", paused(function()
      local elapsed = watch()
      assert.same({ nil, "timeout" }, { wait(1.5) })
      near(1.5, elapsed())
    end))

    it("of nil lets " .. name .. " wait on", paused(function()
      local task = later(wait, nil)
      weir.sleep(1000)
      assert.equal("waiting", task:status())
    end))

    it("of math.huge lets " .. name .. " wait on", paused(function()
      local task = later(wait, math.huge)
      weir.sleep(1000)
      assert.equal("waiting", task:status())
    end))

    it("cannot be negative or NaN for " .. name, paused(function()
      assert.is_false(pcall(wait, -1))
      assert.is_false(pcall(wait, 0 / 0))
      assert.is_false(pcall(wait, "soon"))
    end))
  end

  it("of 0 polls outside a task too", function()
    assert.same({ nil, "timeout" }, { rx:recv(0) })
  end)
end)

describe("many deadlines", function()
  -- Times that repeat, in a fixed disorder.
  local function times(n)
    local x, list = 42, {}
    for i = 1, n do
      x = (x * 1103515245 + 12345) % 2147483648
      list[i] = x // 65536 % 97 + 1
    end
    return list
  end

  it("come in their order, those of one time in order of starting, whatever is stopped", paused(function()
    local due, tasks, woke = times(2000), {}, {}
    for i, seconds in ipairs(due) do
      tasks[i] = weir.spawn(function()
        weir.sleep(seconds)
        woke[#woke + 1] = i
      end)
    end
    weir.yield()
    local expected = {}
    for i = 1, #due do
      if i % 3 == 0 then tasks[i]:abort() else expected[#expected + 1] = i end
    end
    table.sort(expected, function(a, b) return due[a] < due[b] or (due[a] == due[b] and a < b) end)
    weir.sleep(100)
    assert.same(expected, woke)
  end))

  it("give their memory back after a burst", paused(function()
    local function settled()
      weir.after(1)
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    local before = settled()
    local function burst()
      local timers = {}
      for i = 1, 20000 do timers[i] = weir.after(i) end
      return #timers
    end
    burst()
    collectgarbage()
    assert.is_true(settled() - before < 64)
  end))

  it("need no memory where there was one before, however many there are", paused(function()
    local _tx, rx = weir.mpsc(1)
    local kept = {}
    local function round(n)
      for _ = 1, n do rx:recv(0.01) end
    end
    for i = 1, 200 do
      kept[#kept + 1] = weir.after(1000)
      round(2)
      collectgarbage "stop"
      local before = collectgarbage "count"
      round(20)
      local grown = collectgarbage "count" - before
      collectgarbage "restart"
      assert.is_true(grown < 0.1, ("%g KB beside %d timers"):format(grown, i))
    end
  end))

  it("leave a heap of up to 256 places as it is, and let a larger one shrink when an eighth is needed",
     paused(function()
    local tx, rx = weir.mpsc(1)
    local kept = {}
    local function start(n, seconds)
      for _ = 1, n do kept[#kept + 1] = weir.after(seconds) end
    end
    local function wait_takes_memory()
      collectgarbage "stop"
      local before = collectgarbage "count"
      rx:recv(0.01)
      local grown = collectgarbage "count" - before
      collectgarbage "restart"
      return grown > 0.1
    end
    local function pass(seconds)
      weir.advance(seconds)
      weir.yield()
    end
    helper.collect()
    start(10, 1000)
    start(24, 100)
    start(1, 10)
    start(165, 1)                                 -- 17, 35, 71, 143 were one too many: 286 places
    pass(2)
    assert.is_false(wait_takes_memory())          -- beside 35
    pass(10)
    assert.is_true(wait_takes_memory())           -- beside 34: 70 places
    assert.is_false(wait_takes_memory())
    start(93, 100)
    start(473, 1)                                 -- 71, 143, 287, 575: 1150 places
    pass(2)
    assert.is_true(wait_takes_memory())           -- beside 127: 256 places
    pass(200)
    assert.is_false(wait_takes_memory())          -- beside 10
    assert.equal(766, #kept)
    tx:drop()
  end))

  it("may be started by finalizers while others are", paused(function()
    local kept, fired = {}, 0
    local function leave()
      setmetatable({}, { __gc = function()
        kept[#kept + 1] = weir.after(1)
        kept[#kept + 1] = weir.interval(1)
      end })
    end
    for _ = 1, 300 do
      leave()
      weir.spawn(function()
        weir.sleep(2)
        fired = fired + 1
      end)
      weir.yield()
    end
    collectgarbage()
    assert.is_true(#kept > 0)
    for _, awaitable in ipairs(kept) do
      assert.equal("number", type((weir.select({ awaitable }))))
    end
    weir.sleep(2)
    assert.equal(300, fired)
  end))
end)
