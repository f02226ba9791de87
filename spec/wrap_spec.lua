-- SPDX-License-Identifier: MIT
-- wrap_spec.lua -- weir.wrap: a coroutine.wrap in which code may wait; plain coroutines beside it.

local weir = require "weir"
local helper = require "spec.helper"

local blames, closing, failing, later, paused, settle =
  helper.blames, helper.closing, helper.failing, helper.later, helper.paused, helper.settle

local function gather(gen)
  local got = {}
  for v in gen do got[#got + 1] = v end
  return got
end

describe("weir.wrap", function()
  it("returns a function", function()
    assert.equal("function", type(weir.wrap(function() end)))
  end)

  it("does not run f inside the call", function()
    local ran = false
    local _gen = weir.wrap(function() ran = true end)
    assert.is_false(ran)
  end)

  it("yields values to its caller and takes values back, as coroutine.wrap", paused(function()
    local gen = weir.wrap(function(a, b)
      local c, d = coroutine.yield(a + b)
      local e = coroutine.yield(c .. d)
      return "last", e
    end)
    assert.equal(3, gen(1, 2))
    assert.equal("cd", gen("c", "d"))
    assert.same({ "last", "e" }, { gen("e") })
  end))

  it("passes nils and any number of values", paused(function()
    local gen = weir.wrap(function(...) return coroutine.yield(...) end)
    assert.same({ n = 3, nil, 2, nil }, table.pack(gen(nil, 2, nil)))
    assert.same({ n = 0 }, table.pack(gen()))
  end))

  it("works outside a task, where nothing waits", function()
    local gen = weir.wrap(function()
      for i = 1, 3 do coroutine.yield(i) end
    end)
    assert.same({ 1, 2, 3 }, gather(gen))
  end)

  it("where Lua cannot yield raises a sentence for what would wait, and the task goes on", paused(function()
    local tx, rx = weir.mpsc(1)
    local function wait() return rx:recv() end
    for _, waits in ipairs { wait, function() return weir.wrap(wait)() end } do
      local ok, err
      string.gsub("x", "x", function() ok, err = pcall(weir.wrap(waits)) end)
      assert.is_false(ok)
      assert.matches("recv would have to wait, but Lua cannot yield here", err)
      tx:send(1)
      assert.equal(1, rx:recv())
    end
  end))

  it("raises an error when it is called after its end", paused(function()
    local gen = weir.wrap(function() end)
    gen()
    local ok, err = pcall(gen)
    assert.is_false(ok)
    assert.matches("dead", err)
  end))

  it("lets the code inside wait", paused(function()
    local t = weir.now()
    local gen = weir.wrap(function()
      for i = 1, 3 do
        weir.sleep(1)
        coroutine.yield(i)
      end
    end)
    assert.same({ 1, 2, 3 }, gather(gen))
    assert.equal(3, weir.now() - t)
  end))

  it("hands no private yield of the scheduler to its caller", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function(sender)
      for i = 1, 5 do
        weir.sleep(0.1)
        sender:send(i)
      end
    end, tx)
    local gen = weir.wrap(function()
      for v in rx do coroutine.yield(v) end
    end)
    assert.same({ 1, 2, 3, 4, 5 }, gather(gen))
  end))

  it("waits as the task that calls it", paused(function()
    local task = weir.current()
    local gen = weir.wrap(function()
      weir.sleep(1)
      coroutine.yield(weir.current())
      weir.sleep(1)
      coroutine.yield(weir.current())
    end)
    assert.equal(task, gen())
    local other = weir.spawn(gen)
    assert.same({ true, other }, { other:join() })
    assert.equal(other, select(2, other:join()))
  end))

  it("lets other tasks run while the code inside waits", paused(function()
    local log = {}
    weir.spawn(function() log[#log + 1] = "other" end)
    weir.wrap(function() weir.sleep(1) log[#log + 1] = "inside" end)()
    assert.same({ "other", "inside" }, log)
  end))

  it("may be nested, and a wait deep inside passes through all", paused(function()
    local function nest(n)
      if n == 0 then
        weir.sleep(1)
        return "deep"
      end
      return weir.wrap(nest)(n - 1)
    end
    assert.equal("deep", nest(20))
  end))

  it("yields to the nearest caller through nested generators", paused(function()
    local inner = weir.wrap(function()
      weir.sleep(1)
      coroutine.yield "inner"
    end)
    local outer = weir.wrap(function()
      coroutine.yield("outer " .. inner())
    end)
    assert.equal("outer inner", outer())
  end))

  it("raises an error of the code inside at its caller", paused(function()
    local err = {}
    local gen = weir.wrap(function()
      weir.sleep(1)
      error(err)
    end)
    local ok, got = pcall(gen)
    assert.is_false(ok)
    assert.equal(err, got)
  end))

  it("is dead after an error", paused(function()
    local gen = weir.wrap(function() error "x" end)
    pcall(gen)
    assert.is_false(pcall(gen))
  end))

  it("runs the <close> variables of code that fails", paused(function()
    local log = {}
    local gen = weir.wrap(function()
      local _note <close> = closing(log, "closed")
      weir.sleep(1)
      error "x"
    end)
    pcall(gen)
    assert.same({ "closed" }, log)
  end))

  it("runs its <close> variables when the task is aborted in it", paused(function()
    local log = {}
    local task = later(function()
      local _outer <close> = closing(log, "outer")
      weir.wrap(function()
        local _inner <close> = closing(log, "inner")
        weir.sleep(1)
      end)()
    end)
    task:abort()
    weir.yield()
    assert.same({ "inner", "outer" }, log)
  end))

  it("is dead for others after the task was aborted in it", paused(function()
    local gen = weir.wrap(function()
      weir.sleep(1)
      coroutine.yield "never"
    end)
    later(gen):abort()
    settle()
    assert.is_false(pcall(gen))
  end))

  it("is dead for others after a timeout in it", paused(function()
    local gen = weir.wrap(function()
      weir.sleep(5)
      coroutine.yield "never"
    end)
    assert.same({ nil, "timeout" }, { weir.timeout(1, gen) })
    assert.is_false(pcall(gen))
  end))

  it("stays alive where the timeout came between two calls", paused(function()
    local gen = weir.wrap(function()
      coroutine.yield "one"
      coroutine.yield "two"
    end)
    weir.timeout(1, function()
      gen()
      weir.sleep(5)
    end)
    assert.equal("two", gen())
  end))

  it("cannot be called from within itself", paused(function()
    local gen, err
    gen = weir.wrap(function() err = select(2, pcall(gen)) end)
    gen()
    assert.equal("string", type(err))
  end))

  it("cannot be called by a second task while a first waits in it", paused(function()
    local gen = weir.wrap(function()
      weir.sleep(1)
      coroutine.yield "one"
    end)
    local first = later(gen)
    assert.is_false(pcall(gen))
    assert.same({ true, "one" }, { first:join() })
  end))

  it("may be called on by another task between its yields", paused(function()
    local gen = weir.wrap(function()
      for i = 1, 4 do
        weir.sleep(1)
        coroutine.yield(i)
      end
    end)
    assert.equal(1, gen())
    assert.same({ true, 2 }, { weir.spawn(gen):join() })
    assert.equal(3, gen())
  end))

  it("is aborted with the task that waits in it, not with the one that made it", paused(function()
    local gen
    later(function() gen = weir.wrap(function()
      weir.sleep(1)
      coroutine.yield "fine"
    end) end)
    assert.equal("fine", gen())
  end))

  it("may hold a select", paused(function()
    local gen = weir.wrap(function()
      coroutine.yield((weir.select { weir.after(1), weir.after(2) }))
    end)
    assert.equal(1, gen())
  end))

  it("may spawn, join and run a timeout inside", paused(function()
    local gen = weir.wrap(function()
      coroutine.yield(select(2, weir.spawn(function() weir.sleep(1) return "joined" end):join()))
      coroutine.yield(select(2, weir.timeout(1, weir.sleep, 5)))
    end)
    assert.equal("joined", gen())
    assert.equal("timeout", gen())
  end))

  it("gives what is got inside to the task", paused(function()
    local mutex = weir.mutex()
    local kept
    later(function()
      weir.wrap(function() kept = mutex:lock() end)()
    end)
    assert.equal("closed MutexGuard", weir.type(kept))
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
  end))

  it("cannot wait outside a task: a sentence says so", function()
    local gen = weir.wrap(function() weir.sleep(1) end)
    local ok, err = pcall(gen)
    assert.is_false(ok)
    assert.matches("task", err)
  end)

  it("shows nothing strange to coroutine.running and isyieldable", paused(function()
    local gen = weir.wrap(function()
      local co, main = coroutine.running()
      coroutine.yield(type(co), main, coroutine.isyieldable())
    end)
    assert.same({ "thread", false, true }, { gen() })
  end))

  it("drives an iterator of a generic for that waits", paused(function()
    local function ticks(n)
      return weir.wrap(function()
        for i = 1, n do
          weir.sleep(1)
          coroutine.yield(i, i * i)
        end
      end)
    end
    local sum = 0
    for i, square in ticks(3) do sum = sum + i + square end
    assert.equal(20, sum)
  end))

  it("refuses what is not a function", function()
    blames(function() weir.wrap(nil) end, "wrap", "#1")
    blames(function() weir.wrap(1) end, "wrap", "#1")
  end)
end)

describe("waiting inside a plain nested coroutine", function()
  it("raises an error that names weir.wrap", paused(function()
    local err
    coroutine.wrap(function() err = select(2, pcall(weir.sleep, 1)) end)()
    assert.matches("weir.wrap", err, 1, true)
  end))

  it("raises at the line that waits", paused(function()
    coroutine.wrap(function()
      blames(function() weir.sleep(1) end, "weir%.wrap")
    end)()
  end))

  it("raises for a channel, and nothing is taken", paused(function()
    local tx, rx = weir.mpsc(1)
    coroutine.wrap(function()
      blames(function() rx:recv() end, "weir%.wrap")
    end)()
    tx:send "kept"
    assert.equal("kept", rx:recv())
  end))

  it("raises for a select", paused(function()
    local _tx, rx = weir.mpsc(1)
    coroutine.wrap(function()
      blames(function() weir.select { rx } end, "weir%.wrap")
    end)()
  end))

  it("raises in a plain coroutine inside a weir.wrap", paused(function()
    weir.wrap(function()
      coroutine.wrap(function()
        blames(function() weir.sleep(1) end, "weir%.wrap")
      end)()
    end)()
  end))

  it("raises in a weir.wrap inside a plain coroutine", paused(function()
    local ok, err
    coroutine.wrap(function()
      ok, err = pcall(weir.wrap(function() weir.sleep(1) end))
    end)()
    assert.is_false(ok)
    assert.equal("string", type(err))
  end))

  it("leaves the task able to wait", paused(function()
    coroutine.wrap(function() pcall(weir.sleep, 1) end)()
    local t = weir.now()
    weir.sleep(1)
    assert.equal(1, weir.now() - t)
  end))

  it("leaves the plain generator alone", paused(function()
    local gen = coroutine.wrap(function()
      pcall(weir.sleep, 1)
      coroutine.yield "mine"
    end)
    assert.equal("mine", gen())
  end))

  it("is no wait where the operation is ready", paused(function()
    local tx, rx = weir.mpsc(1)
    local got = coroutine.wrap(function()
      tx:send "ready"
      return rx:recv()
    end)()
    assert.equal("ready", got)
  end))
end)

describe("a plain generator inside a task", function()
  it("works as ever", paused(function()
    local gen = coroutine.wrap(function()
      for i = 1, 3 do coroutine.yield(i) end
    end)
    local got = {}
    for v in gen do
      got[#got + 1] = v
      weir.sleep(1)
    end
    assert.same({ 1, 2, 3 }, got)
  end))

  it("may be carried from task to task", paused(function()
    local gen = coroutine.wrap(function()
      for i = 1, 3 do coroutine.yield(i) end
    end)
    assert.equal(1, gen())
    assert.same({ true, 2 }, { weir.spawn(gen):join() })
    assert.equal(3, gen())
  end))
end)

describe("waiting where Lua cannot yield", function()
  it("raises a sentence in a callback of string.gsub", paused(function()
    string.gsub("x", "x", function()
      blames(function() weir.sleep(1) end)
    end)
  end))

  it("raises a sentence in a comparison of table.sort", paused(function()
    local ok, err = pcall(table.sort, { 3, 2, 1 }, function(a, b)
      weir.sleep(1)
      return a < b
    end)
    assert.is_false(ok)
    assert.matches("wrap_spec%.lua:%d+: %S+ %S+ %S+", err)
  end))

  it("lets a metamethod wait, since Lua can yield there", paused(function()
    local t = weir.now()
    local adder = setmetatable({}, { __add = function() weir.sleep(1) return "sum" end })
    assert.equal("sum", adder + 1)
    assert.equal(1, weir.now() - t)
  end))

  it("lets an iterator wait, and a pcall", paused(function()
    local t = weir.now()
    for _ in function(_, i) weir.sleep(1) if not i then return 1 end end do assert(true) end
    assert.same({ true, true }, { pcall(weir.sleep, 1) })
    assert.equal(3, weir.now() - t)
  end))
end)

describe("a generator left in the middle", function()
  it("is collected", paused(function()
    local weak = helper.weak()
    helper.forget(function()
      local gen = weir.wrap(function()
        local big = {}
        weak[1] = big
        weir.sleep(1)
        coroutine.yield(big)
      end)
      gen()
    end)
    assert.is_nil(weak[1])
  end))

  it("does not fail its task", failing(function(seen)
    later(function()
      local gen = weir.wrap(function() coroutine.yield(1) error "never reached" end)
      gen()
    end)
    helper.collect()
    assert.equal(0, #seen)
  end))
end)

-- A program that has seen a coroutine of weir's may close or resume it from outside: wrong, but no more.
describe("the coroutine of a waiting task", function()
  -- A task that runs f, and the coroutine in which f calls `seen`.
  local function waiting(f)
    local co
    local task = later(function() return f(function() co = coroutine.running() end) end)
    return task, co
  end

  local places = {
    ["its own"] = function(seen)
      seen()
      weir.sleep(1)
    end,
    ["its own, with a weir.wrap inside"] = function(seen)
      seen()
      weir.wrap(function() weir.sleep(1) end)()
    end,
    ["its own, with a weir.timeout inside"] = function(seen)
      seen()
      weir.timeout(2, function() weir.sleep(1) end)
    end,
    ["that of a weir.wrap"] = function(seen)
      weir.wrap(function()
        seen()
        weir.sleep(1)
      end)()
    end,
    ["that of a weir.timeout"] = function(seen)
      weir.timeout(2, function()
        seen()
        weir.sleep(1)
      end)
    end,
    ["that of a run_until_cancelled"] = function(seen)
      weir.cancellation_token():run_until_cancelled(function()
        seen()
        weir.sleep(1)
      end)
    end,
  }
  for place, f in pairs(places) do
    it("may be closed from outside without harm to others: " .. place, failing(function()
      local task, co = waiting(f)
      pcall(coroutine.close, co)
      assert.is_not_nil((task:join(10)))
      assert.is_true(task:is_finished())
      assert.is_true(weir.sleep(5))
    end))

    it("may be resumed from outside without harm to others: " .. place, failing(function()
      local task, co = waiting(f)
      pcall(coroutine.resume, co, "not from here")
      assert.is_not_nil((task:join(10)))
      assert.is_true(task:is_finished())
      assert.is_true(weir.sleep(5))
    end))
  end
end)
