-- SPDX-License-Identifier: MIT
-- Tasks, scopes and sets where they meet what is rare: hooks, foreign hands on their coroutines, many values.

local weir = require "weir"
local helper = require "spec.helper"
local paused, later = helper.paused, helper.later

describe("A task's coroutine", function()
  it("has the hook that stands when the task is spawned, also if it was used before", paused(function()
    local function mask() return (select(2, debug.gethook())) end
    weir.spawn(function() end):join()                 -- one coroutine lies in stock
    local outer = { debug.gethook() }
    if outer[1] == "external hook" then outer = {} end  -- one of C: Lua cannot set it again
    debug.sethook(function() end, "", 1000000)
    local task = weir.spawn(function() return select(3, debug.gethook()) end)
    debug.sethook(table.unpack(outer))
    assert.same({ true, 1000000 }, { task:join() })
    local without = mask()
    assert.same({ true, without }, { weir.spawn(mask):join() })
  end))

  it("is not a stranger's to close: the scope in it goes on, and abort ends it in order", paused(function()
    local log, co = {}, nil
    local task = later(function()
      co = coroutine.running()
      weir.scope(function(scope)
        scope:spawn(function()
          local _ <close> = helper.closing(log, "inner closed")
          weir.sleep(100)
          log[#log + 1] = "slept on"
        end)
        weir.sleep(50)
      end)
    end)
    weir.sleep(1)
    helper.blames(function() coroutine.close(co) end, "task:abort%(%) ends it")
    assert.equal("waiting", task:status())
    assert.equal(3, #weir.tasks())
    task:abort()
    assert.same({ false, "aborted" }, { task:join() })
    assert.same({ "inner closed" }, log)
    assert.equal(1, #weir.tasks())
  end))

  it("that is closed all the same (by who took coroutine.close before) ends the scope in it", function()
    local written, status = helper.program [[
      local close = coroutine.close
      local weir = require "weir"
      weir.on_error(function() end)
      weir.run_paused(function()
        local co
        local task = weir.spawn(function()
          co = coroutine.running()
          weir.scope(function(scope)
            scope:spawn(function()
              local _ <close> = setmetatable({}, { __close = function() print "inner closed" end })
              weir.sleep(100)
              print "slept on"
            end)
            weir.timeout(70, function() weir.sleep(50) end)
          end)
        end)
        weir.sleep(1)
        close(co)
        weir.sleep(200)
        print(task:is_finished(), task:join())
        print(#weir.tasks())
      end)
    ]]
    assert.equal(0, status, written)
    assert.matches("^inner closed\ntrue\tfalse\t", written)
    assert.matches("\n1\n$", written)
  end)

  it("that is closed all the same ends scopes in scopes", function()
    local written, status = helper.program [[
      local close = coroutine.close
      local weir = require "weir"
      weir.on_error(function() end)
      weir.run_paused(function()
        local co
        local task = weir.spawn(function()
          co = coroutine.running()
          weir.scope(function(outer)
            outer:spawn(weir.sleep, 100)
            weir.scope(function(inner)
              inner:spawn(weir.sleep, 100)
              weir.sleep(1)
            end)
          end)
        end)
        weir.sleep(0.5)
        close(co)
        print(task:join())
        weir.yield()
        print(#weir.tasks(), weir.now())
      end)
    ]]
    assert.equal(0, status, written)
    assert.matches("^false\tcannot resume dead coroutine\n1\t", written)
  end)
end)

describe("An error in a <close> handler that an error runs", function()
  local function fails()
    local _ <close> = setmetatable({}, { __close = function(_, err)
      assert.equal("first", err)
      error("second", 0)
    end })
    error("first", 0)
  end

  local function fails_with_a_table()
    local _ <close> = setmetatable({}, { __close = function(_, err) error({ after = err }) end })
    error { "first" }
  end

  local runners = {
    pcall = function(f) return f() end,
    timeout = function(f) return weir.timeout(1, f) end,
    run_until_cancelled = function(f) return weir.cancellation_token():run_until_cancelled(f) end,
    scope = function(f) return weir.scope(f) end,
    wrap = function(f) return weir.wrap(f)() end,
    ["timeout in a timeout"] = function(f) return weir.timeout(1, weir.timeout, 1, f) end,
    ["spawn and join"] = function(f)
      local ok, err = weir.spawn(f):join()
      assert.is_false(ok)
      error(err, 0)
    end,
    ["a wait before it"] = function(f)
      return weir.timeout(5, function()
        weir.sleep(1)
        return f()
      end)
    end,
  }
  for name, runner in pairs(runners) do
    it("takes the place of the first, as under " .. name, helper.failing(function()
      local ok, err = pcall(runner, fails)
      assert.is_false(ok)
      assert.matches("^second", err)
      ok, err = pcall(runner, fails_with_a_table)
      assert.is_false(ok)
      assert.same({ after = { "first" } }, err)
    end))
  end
end)

describe("A waiting task whose coroutine is closed by who took coroutine.close before", function()
  it("gives up its place in line, and what was granted to it", function()
    local written, status = helper.program [[
      local close = coroutine.close
      local weir = require "weir"
      weir.on_error(function() end)
      weir.run_paused(function()
        for _, granted in ipairs { false, true } do
          local mutex = weir.mutex()
          local guard = mutex:try_lock()
          local co
          local closed = weir.spawn(function()
            co = coroutine.running()
            mutex:lock()
          end)
          weir.yield()
          local after = weir.spawn(function() return mutex:lock(100) end)
          weir.yield()
          if granted then guard:unlock() end
          close(co)
          if not granted then guard:unlock() end
          weir.sleep(1)
          print(closed:is_finished(), after:is_finished(), after:status())
          print(weir.type(mutex:try_lock() or nil))
          assert(select(2, after:join())):unlock()
          assert(mutex:try_lock()):unlock()
        end
      end)
    ]]
    assert.equal("true\ttrue\tdone\nnil\ntrue\ttrue\tdone\nnil\n", written)
    assert.equal(0, status)
  end)
end)

describe("weir.join_set", function()
  it("raises 'aborted' from join_all if one of its tasks was aborted by itself", paused(function()
    local set <close> = weir.join_set()
    local other = set:spawn(weir.sleep, 1000)
    local first = set:spawn(weir.sleep, 100)
    weir.yield()
    first:abort()
    local ok, err = pcall(set.join_all, set)
    assert.is_false(ok)
    assert.matches("aborted", err)
    assert.equal("aborted", other:status())
  end))
end)

describe("A task that waits for a set's next", function()
  it("hears that all were detached", paused(function()
    local set <close> = weir.join_set()
    local member = set:spawn(weir.sleep, 1000)
    local task = later(function() return set:join_next() end)
    set:detach_all()
    assert.same({ true, nil, "empty" }, { task:join() })
    assert.equal("waiting", member:status())
    assert.equal(0, #set)
  end))
end)

describe("watch.Sender:send_if_modified and send_modify", function()
  it("raise, and store and tell nothing, if the function drops the sender", function()
    for _, name in ipairs { "send_modify", "send_if_modified" } do
      local tx, rx = weir.watch "old"
      local other = tx:clone()
      helper.blames(function()
        tx[name](tx, function()
          tx:drop()
          return name == "send_modify" and "new" or true, "new"
        end)
      end, "sender is closed")
      assert.equal("old", rx:borrow())
      assert.is_false(rx:has_changed())
      other:drop()
    end
  end)
end)

describe("A set whose join_all raised", function()
  it("is empty, and good for more", helper.failing(function()
    local set <close> = weir.join_set(2)
    set:spawn(function() error("first", 0) end)
    set:spawn(weir.sleep, 1000)
    local ok, err = pcall(set.join_all, set)
    assert.is_false(ok)
    assert.matches("^first", err)
    assert.equal(0, #set)
    assert.same({ nil, "empty" }, { set:try_join_next() })
    assert.same({}, set:join_all())
    set:spawn(function() return 1, nil, 3 end)
    set:spawn(function() end)
    assert.same({ nil, "full" }, { set:try_spawn(function() end) })
    assert.same({ { 1, nil, 3, n = 3 }, { n = 0 } }, set:join_all())
    assert.equal(0, #set)
  end))
end)

describe("weir.scope", function()
  it("does not let its tasks be detached", paused(function()
    weir.scope(function(scope)
      scope:spawn(weir.sleep, 1)
      helper.blames(function() scope:detach_all() end, "outlives a scope")
    end)
  end))
end)

describe("tostring", function()
  it("says whether a lock is free", function()
    local mutex = weir.mutex()
    assert.matches("free", tostring(mutex))
    assert.not_matches("locked", tostring(mutex))
    local guard = mutex:try_lock()
    assert.matches("locked", tostring(mutex))
    assert.not_matches("free", tostring(mutex))
    guard:unlock()
    assert.matches("free", tostring(mutex))
  end)
end)

describe("weir.once:get_or_init", function()
  it("refuses a handle, which everybody would own, and lets the next make the value", paused(function()
    local once = weir.once()
    local tx, rx = weir.mpsc(1)
    local ok, err = pcall(once.get_or_init, once, function() return rx end)
    assert.is_false(ok)
    assert.matches("handle", err)
    assert.is_false(once:is_set())
    assert.same({ nil, "empty" }, { rx:try_recv() })
    assert.equal(1, tx:strong_count())
    assert.equal(7, once:get_or_init(function() return 7 end))
  end))
end)

describe("mpsc.Sender:call", function()
  it("gives way after many operations in a row, and then goes through", paused(function()
    local tx, rx = weir.mpsc(200)
    local order = {}
    weir.spawn(function(receiver)
      for msg in receiver do
        if type(msg) == "table" then
          order[#order + 1] = "served"
          msg.reply:send(msg.n + 1)
        end
      end
    end, rx)
    weir.yield()
    local other = weir.spawn(function() order[#order + 1] = "another task" end)
    for i = 1, 128 do assert(tx:send(i)) end
    assert.equal(42, tx:call { n = 41 })
    assert(other:join())
    assert.same({ "another task", "served" }, order)
  end))
end)

describe("mpsc.Sender:call", function()
  it("answered, leaves its oneshot to the next call, which takes little memory", paused(function()
    local tx, rx = weir.mpsc(4)
    weir.spawn(function() for msg in rx do msg.reply:send(1) end end)
    local msg = {}
    local function calls(n)
      for _ = 1, n do
        assert(tx:call(msg))
        msg.reply = nil
      end
    end
    calls(10)
    helper.collect()
    collectgarbage "stop"
    local before = collectgarbage "count"
    calls(1000)
    local each = (collectgarbage "count" - before) * 1024 / 1000
    collectgarbage "restart"
    assert.is_true(each < 160, ("%.0f bytes"):format(each))
  end))
end)

describe("weir.loop.on_wake", function()
  it("is called if a timer that somebody waits for is reset to now", function()
    local timer, calls = weir.after(100), 0
    local task = weir.spawn(function() return timer:wait() end)
    for _ = 1, 8 do weir.loop.step() end
    weir.loop.on_wake(function() calls = calls + 1 end)
    local ok, err = pcall(function()
      timer:reset(0)
      assert.equal(1, calls)
      for _ = 1, 8 do weir.loop.step() end
      assert.is_true(task:is_finished())
    end)
    weir.loop.on_wake(nil)
    task:abort()
    weir.run(function() helper.settle() end)
    if not ok then error(err, 0) end
  end)
end)

describe("An argument of a wrong type", function()
  it("is named by the type that it has", function()
    helper.blames(function() weir.spawn(42) end, "function expected, got number")
    helper.blames(function() weir.spawn "f" end, "function expected, got string")
    helper.blames(function() weir.spawn(nil) end, "function expected, got n")
    helper.blames(function() weir.spawn(io.stdout) end, "function expected, got FILE")
    helper.blames(function() weir.spawn(setmetatable({}, { __name = "Thing" })) end, "expected, got Thing")
    local light = require "weir.core".READY
    assert.equal("userdata", type(light))
    helper.blames(function() weir.spawn(light) end, "function expected, got light userdata")
  end)
end)

describe("weir.interval", function()
  it("that two tasks tick gives each tick to one of them", paused(function()
    local interval = weir.interval(1)
    local ticks = {}
    local function ticker(name)
      for _ = 1, 3 do
        local at = interval:tick()
        ticks[#ticks + 1] = { name, at }
      end
    end
    local began = weir.now()
    local a, b = weir.spawn(ticker, "a"), weir.spawn(ticker, "b")
    assert(a:join())
    assert(b:join())
    assert.equal(6, #ticks)
    for i, tick in ipairs(ticks) do assert.equal(began + i - 1, tick[2]) end
    assert.equal(began + 5, weir.now())
  end))
end)

describe("weir.interval", function()
  it("leaves the next tick to the task in line if another takes this one first", function()
    weir.run(function()
      local interval = weir.interval(0.01)
      local first = interval:tick()
      local task = later(function() return interval:tick() end)
      while weir.now() < first + 0.01 do end                -- busy: nothing fires meanwhile
      local second = interval:tick()
      assert.is_true(math.abs(second - first - 0.01) < 1e-6)
      local third = helper.join(task)
      assert.is_true(math.abs(third - second - 0.01) < 1e-6)
    end)
  end)
end)

describe("weir.advance", function()
  it("is refused on the real clock", function()
    weir.run(function()
      helper.blames(function() weir.advance(1) end, "weir%.run_paused")
    end)
  end)
end)

describe("weir.broadcast with overflow = 'wait'", function()
  it("keeps the senders' order at every capacity, and waits for the slowest", paused(function()
    for _, capacity in ipairs { 1, 2, 31, 32, 33, 40, 64, 100, 500 } do
      local tx, quick = weir.broadcast(capacity, { overflow = "wait" })
      local slow = tx:subscribe()
      local total = 3 * capacity + 5
      local sender = later(function()
        for i = 1, total do assert.equal(2, tx:send(i)) end
        tx:drop()
      end)
      for i = 1, capacity do assert.same({ i }, { quick:recv() }) end
      assert.same({ nil, "empty" }, { quick:try_recv() })
      assert.equal("waiting", sender:status())
      assert.same({ nil, "timeout" }, { tx:clone():send("late", 1) })
      local seen = 0
      local reader = weir.spawn(function()
        for v, missed in quick do
          assert.equal(0, missed)
          assert(v > seen)
          seen = v
        end
      end)
      for i = 1, total do assert.same({ i }, { slow:recv() }) end
      assert.same({ nil, "closed" }, { slow:recv() })
      assert(sender:join())
      assert(reader:join())
      assert.equal(total, seen)
    end
  end))
end)

describe("broadcast.Receiver:same_channel", function()
  it("tells receivers of one channel from those of another", function()
    local tx, rx = weir.broadcast(2)
    local more = tx:subscribe()
    local _, stranger = weir.broadcast(2)
    assert.is_true(rx:same_channel(more))
    assert.is_true(more:same_channel(rx))
    assert.is_false(rx:same_channel(stranger))
  end)
end)

describe("Values in great number", function()
  local function many(n)
    local list = {}
    for i = 1, n do list[i] = i end
    return list
  end

  it("pass through spawn, join, wrap, timeout and scope as they are", paused(function()
    for _, n in ipairs { 0, 1, 2, 15, 16, 17, 20, 100, 5000 } do
      local list = many(n)
      local function same(...)
        assert.equal(n, select("#", ...))
        for i = 1, n, math.max(1, n // 7) do assert.equal(i, (select(i, ...))) end
        if n > 0 then assert.equal(n, (select(n, ...))) end
      end
      local function through(...)
        same(...)
        return ...
      end
      same(select(2, weir.spawn(through, table.unpack(list)):join()))
      same(select(2, weir.timeout(1, through, table.unpack(list))))
      same(weir.wrap(through)(table.unpack(list)))
      local wrapped = weir.wrap(function(...)
        same(coroutine.yield(...))
        return ...
      end)
      same(wrapped(table.unpack(list)))
      same(wrapped(table.unpack(list)))
      same(weir.scope(function() return table.unpack(list) end))
    end
  end))
end)
