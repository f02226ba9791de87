-- SPDX-License-Identifier: MIT
-- gc_spec.lua -- the collector: what nobody holds is freed, cycles included, and memory stays flat.

local weir = require "weir"
local helper = require "spec.helper"

local forever = helper.forever

local forget, later, memory, paused, settle, weak =
  helper.forget, helper.later, helper.memory, helper.paused, helper.settle, helper.weak

-- Everything that `new` returned is collected once nobody holds it.
local function is_freed(new)
  local held = weak()
  forget(function()
    local made = table.pack(new())
    for i = 1, made.n do held[i] = made[i] end
    assert.is_true(made.n > 0)
  end)
  assert.is_nil(next(held))
end

-- `round` may be done any number of times in no more memory (in kilobytes) than a few times need. What a
-- first series adds once (a larger string table, say) a second does not add again.
local function is_flat(rounds, round, slack)
  local grown
  for i = 1, rounds // 10 do round(i) end
  for _ = 1, 2 do
    local before = memory()
    for i = 1, rounds do round(i) end
    grown = memory() - before
    if grown < (slack or 64) then return end
  end
  error(string.format("grew by %.0f kB", grown))
end

describe("the collector frees", function()
  local makers = {
    ["an mpsc"] = function() return weir.mpsc(16) end,
    ["an mpsc with messages"] = function()
      local tx, rx = weir.mpsc(16)
      local message = {}
      tx:try_send(message)
      return tx, rx, message
    end,
    ["an unbounded channel"] = weir.unbounded,
    ["an mpmc with clones"] = function()
      local tx, rx = weir.mpmc(4)
      return tx, rx, tx:clone(), rx:clone(), tx:weak()
    end,
    ["a oneshot"] = weir.oneshot,
    ["a oneshot with values"] = function()
      local tx, rx = weir.oneshot()
      local value = {}
      tx:send(value, nil, 3)
      return tx, rx, value
    end,
    ["a watch"] = function()
      local value = {}
      local tx, rx = weir.watch(value)
      return tx, rx, value, tx:subscribe()
    end,
    ["a broadcast"] = function()
      local tx, rx = weir.broadcast(4)
      local message = {}
      tx:send(message)
      return tx, rx, message, tx:subscribe(), tx:weak()
    end,
    ["permits and reservations"] = function()
      local tx, rx = weir.mpsc(4)
      return tx, rx, tx:try_reserve(), tx:try_reserve_many(2), tx:reservation()
    end,
    ["a semaphore and its permit"] = function()
      local semaphore = weir.semaphore(2)
      return semaphore, semaphore:try_acquire()
    end,
    ["locks and their guards"] = function()
      local mutex, lock, value = weir.mutex({}), weir.rwlock({}), {}
      local guard = mutex:try_lock()
      guard:set(value)
      return mutex, guard, lock, lock:try_read(), value
    end,
    ["a notify, a barrier and a once"] = function()
      local once, value = weir.once(), {}
      once:set(value)
      return weir.notify(), weir.barrier(2), once, value
    end,
    ["tokens, children and guards"] = function()
      local token, reason = weir.cancellation_token(), {}
      local child = token:child()
      token:cancel(reason)
      return token, child, child:child(), token:drop_guard(), reason
    end,
    ["timers and intervals"] = function()
      return weir.after(10), weir.after(math.huge), weir.interval(1)
    end,
    ["a task set"] = weir.join_set,
    ["a moved handle and the fresh one"] = function()
      local tx, rx = weir.mpsc(1)
      return tx, tx:move(), rx
    end,
  }
  for name, new in pairs(makers) do
    it(name, paused(function() is_freed(new) end))
  end

  it("a finished task, its function, arguments and results", paused(function()
    is_freed(function()
      local argument, result = {}, {}
      local function f() return result end
      local task = weir.spawn(f, argument)
      weir.yield()
      assert(task:is_finished())
      return task, f, argument, result
    end)
  end))

  it("a failed task and its error", function()
    helper.failures(function(seen)
      weir.run_paused(function()
        is_freed(function()
          local err = {}
          local task = weir.spawn(function() error(err) end)
          task:join()
          seen[1] = nil
          return task, err
        end)
      end)
    end)
  end)

  it("an aborted task and its locals", paused(function()
    is_freed(function()
      local value = {}
      local task = later(function(v)
        forever()
        return v
      end, value)
      task:abort()
      weir.yield()
      return task, value
    end)
  end))

  it("a task aborted before its first step", paused(function()
    is_freed(function()
      local value = {}
      local task = weir.spawn(forever, value)
      task:abort()
      weir.yield()
      return task, value
    end)
  end))

  it("the locals of a finished task though its Task is held", paused(function()
    local task
    is_freed(function()
      local value = {}
      task = later(function(v) v[1] = 1 end, value)
      return value
    end)
    assert.equal("done", task:status())
  end))

  it("the locals of an aborted task though its Task is held", paused(function()
    local task
    is_freed(function()
      local value = {}
      task = later(function(v)
        forever()
        return v
      end, value)
      task:abort()
      weir.yield()
      return value
    end)
    assert.equal("aborted", task:status())
  end))

  it("a message that was received", paused(function()
    local tx, rx = weir.mpsc(4)
    is_freed(function()
      local message = {}
      tx:send(message)
      assert(rx:recv() == message)
      return message
    end)
  end))

  it("a message that a waiting task received and let go", paused(function()
    local tx, rx = weir.mpsc(4)
    local task = later(function()
      for _ = 1, 2 do
        local message = rx:recv()
        message.seen = true
      end
    end)
    is_freed(function()
      local message = {}
      tx:send(message)
      weir.yield()
      assert(message.seen)
      tx:send { "to overwrite its registers" }
      settle()
      return message
    end)
    assert.equal("done", task:status())
  end))

  it("what was in a channel when its receiver is dropped", paused(function()
    local tx, rx = weir.mpsc(4)
    is_freed(function()
      local message = {}
      tx:send(message)
      rx:drop()
      return message
    end)
    assert.is_true(tx:is_closed())
  end))

  it("the values of a oneshot once they were received", paused(function()
    local tx, rx = weir.oneshot()
    is_freed(function()
      local value = {}
      tx:send(value)
      assert(rx:recv() == value)
      return value
    end)
    assert.is_true(rx:is_terminated())
  end))

  it("the old value of a watch", paused(function()
    local tx, rx = weir.watch(0)
    is_freed(function()
      local value = {}
      tx:send(value)
      tx:send(0)
      return value
    end)
    assert.equal(0, rx:borrow())
  end))

  it("a broadcast message once the last receiver has seen it", paused(function()
    local tx, rx = weir.broadcast(4)
    local other = tx:subscribe()
    is_freed(function()
      local message = {}
      tx:send(message)
      rx:recv()
      other:recv()
      return message
    end)
  end))

  it("a broadcast message that was overwritten", paused(function()
    local tx, rx = weir.broadcast(1)
    is_freed(function()
      local message = {}
      tx:send(message)
      tx:send "newer"
      return message
    end)
    assert.equal("lagged", (select(2, rx:recv())))
  end))

  it("a value that a send gave up in a timeout", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send "full"
    is_freed(function()
      local message = {}
      assert(not tx:send(message, 1))
      return message
    end)
    assert.equal(1, #rx)
  end))

  it("what a weir.timeout left in its function", paused(function()
    is_freed(function()
      local value = {}
      weir.timeout(1, function(v)
        forever()
        return v
      end, value)
      return value
    end)
  end))

  it("a wrapped coroutine that was left in the middle", paused(function()
    is_freed(function()
      local value = {}
      local gen = weir.wrap(function()
        weir.sleep(1)
        coroutine.yield(value)
      end)
      gen()
      return gen, value
    end)
  end))

  it("an error hook that was replaced", function()
    is_freed(function()
      local function hook() end
      weir.on_error(weir.on_error(hook))
      return hook
    end)
  end)

  it("a wake hook that was taken away", function()
    is_freed(function()
      local function hook() end
      weir.loop.on_wake(hook)
      weir.loop.on_wake(nil)
      return hook
    end)
  end)

  it("main's function, arguments and results after a run", function()
    is_freed(function()
      local argument, result = {}, {}
      local function main() return result end
      weir.run(main, argument)
      return argument, result, main
    end)
  end)
end)

describe("the collector frees a cycle through", function()
  it("a channel whose message mentions both its ends", paused(function()
    is_freed(function()
      local tx, rx = weir.mpsc(4)
      local message = { tx = tx, rx = rx }
      tx:try_send(message)
      return tx, rx, message
    end)
  end))

  it("a channel that was sent its own receiver", paused(function()
    is_freed(function()
      local tx, rx = weir.mpsc(4)
      local marker = {}
      tx:try_send { marker }
      tx:try_send(rx)
      return tx, rx, marker
    end)
  end))

  it("a channel that was sent its own sender", paused(function()
    is_freed(function()
      local tx, rx = weir.mpsc(4)
      local clone = tx:clone()
      tx:try_send(clone)
      return tx, clone, rx
    end)
  end))

  it("two channels that hold each other", paused(function()
    is_freed(function()
      local a, ra = weir.mpsc(4)
      local b, rb = weir.mpsc(4)
      a:try_send { b, rb }
      b:try_send { a, ra }
      return a, ra, b, rb
    end)
  end))

  it("a watch whose value holds its receiver", paused(function()
    is_freed(function()
      local value = {}
      local tx, rx = weir.watch(value)
      value.rx, value.tx = rx, tx
      return value, tx, rx
    end)
  end))

  it("a broadcast whose message holds its sender", paused(function()
    is_freed(function()
      local tx, rx = weir.broadcast(4)
      local message = { tx, rx }
      tx:send(message)
      return tx, rx, message
    end)
  end))

  it("a oneshot whose value holds its receiver", paused(function()
    is_freed(function()
      local tx, rx = weir.oneshot()
      local value = { rx }
      tx:send(value)
      return tx, rx, value
    end)
  end))

  it("a mutex whose value holds it and its guard", paused(function()
    is_freed(function()
      local mutex = weir.mutex()
      local guard = mutex:try_lock()
      local value = { mutex, guard }
      guard:set(value)
      return mutex, guard, value
    end)
  end))

  it("a once whose value holds it", paused(function()
    is_freed(function()
      local once = weir.once()
      local value = { once }
      once:set(value)
      return once, value
    end)
  end))

  it("a token whose reason holds it", paused(function()
    is_freed(function()
      local token = weir.cancellation_token()
      local reason = { token, token:child() }
      token:cancel(reason)
      return token, reason
    end)
  end))

  it("a task whose result holds it", paused(function()
    is_freed(function()
      local result = {}
      local task = later(function() return result end)
      result.task = task
      return task, result
    end)
  end))

  it("a task set whose task holds it", paused(function()
    is_freed(function()
      local set = weir.join_set()
      local task = set:spawn(function() return set end)
      weir.yield()
      return set, task
    end)
  end))
end)

describe("a handle that the collector drops", function()
  it("as the last sender wakes the receiver", paused(function()
    local rx
    forget(function() rx = select(2, weir.mpsc(1)) end)
    local task = later(function() return rx:recv(5) end)
    assert.same({ true, nil, "closed" }, { task:join() })
  end))

  it("as the last sender wakes a receiver that waits already", paused(function()
    local holder, task = {}, nil
    forget(function()
      local rx
      holder.tx, rx = weir.mpsc(1)
      task = later(function() return rx:recv(5) end)
    end)
    assert.is_not_nil(holder.tx)
    holder.tx = nil
    helper.collect()
    assert.same({ true, nil, "closed" }, { task:join() })
  end))

  it("as the receiver fails the sender that waits", paused(function()
    local holder, task = {}, nil
    forget(function()
      local tx
      tx, holder.rx = weir.mpsc(1)
      tx:send "first"
      task = later(function() return tx:send("second", 5) end)
    end)
    assert.is_not_nil(holder.rx)
    holder.rx = nil
    helper.collect()
    assert.same({ true, nil, "closed" }, { task:join() })
  end))

  it("as a permit gives its room back", paused(function()
    local tx, rx = weir.mpsc(1)
    forget(function() tx:try_reserve() end)
    assert.equal(1, tx:capacity())
    assert.equal(0, #rx)
  end))

  it("as a permit wakes the sender next in line", paused(function()
    local tx, rx = weir.mpsc(1)
    local holder = { tx:try_reserve() }
    local task = later(function() return tx:send("room", 5) end)
    assert.is_not_nil(holder[1])
    holder[1] = nil
    helper.collect()
    assert.same({ true, true }, { task:join() })
    assert.equal("room", rx:recv())
  end))

  it("as a reservation gives its place up", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send "first"
    forget(function() tx:reservation() end)
    rx:recv()
    assert.equal(1, tx:capacity())
  end))

  it("as a lock guard unlocks", paused(function()
    local mutex, lock = weir.mutex(), weir.rwlock()
    forget(function()
      mutex:try_lock()
      lock:try_write()
    end)
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
    assert.equal("RwLockReadGuard", weir.type((lock:try_read())))
  end))

  it("as a semaphore permit returns", paused(function()
    local semaphore = weir.semaphore(3)
    forget(function() semaphore:try_acquire(2) end)
    assert.equal(3, semaphore:available())
  end))

  it("as a task set aborts its tasks", paused(function()
    local task
    forget(function() task = weir.join_set():spawn(forever) end)
    assert.same({ false, "aborted" }, { task:join(5) })
  end))

  it("as the reply of a lost request closes", paused(function()
    local tx, rx = weir.mpsc(1)
    local caller = later(function() return tx:call({ kind = "ask" }, 5) end)
    forget(function() rx:recv() end)
    assert.same({ true, nil, "closed" }, { caller:join() })
  end))

  it("drops its unreceived message's handles", paused(function()
    local inbox
    forget(function()
      local sender
      sender, inbox = weir.mpsc(1)
      local tx, _rx = weir.mpsc(1)
      tx:send { deep = sender }
    end)
    assert.same({ nil, "closed" }, { inbox:try_recv() })
  end))

  it("while its sibling lives leaves the channel open", paused(function()
    local tx, rx = weir.mpsc(1)
    forget(function() tx:clone() end)
    assert.equal(1, tx:strong_count())
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end))
end)

describe("the collector keeps", function()
  it("what a granted wait stands on, though its handle was dropped meanwhile", paused(function()
    local task
    forget(function()
      local tx, rx = weir.mpsc(1)
      tx:send "first"
      task = later(function() return tx:send "second" end)
      rx:try_recv()
      tx:drop()
      rx:drop()
    end)
    assert.is_false((task:join()))
  end))

  it("what a granted wait stands on, though its handle was moved and lost", paused(function()
    local task
    forget(function()
      local tx, rx = weir.mpsc(1)
      tx:send "first"
      task = later(function() return tx:reserve() end)
      rx:try_recv()
      tx:move()
    end)
    assert.is_false((task:join()))
  end))

  it("a task that waits for a deadline, though nobody holds it", paused(function()
    local done = false
    forget(function()
      weir.spawn(function()
        weir.sleep(1)
        done = true
      end)
    end)
    weir.sleep(2)
    assert.is_true(done)
  end))

  it("a task that waits for a message that may come", paused(function()
    local tx, got
    forget(function()
      local rx
      tx, rx = weir.mpsc(1)
      weir.spawn(function() got = rx:recv() end)
    end)
    weir.yield()
    helper.collect()
    tx:send "came"
    weir.yield()
    assert.equal("came", got)
  end))

  it("a timer that somebody waits for", paused(function()
    local task
    forget(function()
      local timer = weir.after(1)
      task = later(function() return timer:wait() end)
    end)
    assert.same({ true, true }, { task:join() })
  end))

  it("the waits of a select whose table is gone", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return (weir.select { a = rx, b = weir.after(100) }) end)
    helper.collect()
    tx:send "came"
    assert.same({ true, "a" }, { task:join() })
  end))

  it("results of a finished task while its Task is held", paused(function()
    local task = later(function() return { "kept" } end)
    helper.collect()
    assert.equal("kept", select(2, task:join())[1])
  end))

  it("the messages in a channel while one end is held", paused(function()
    local rx
    forget(function()
      local tx
      tx, rx = weir.mpsc(300)
      for i = 1, 300 do tx:send { i } end
    end)
    for i = 1, 300 do assert.equal(i, rx:recv()[1]) end
    assert.same({ nil, "closed" }, { rx:recv() })
  end))
end)

describe("a finalizer", function()
  it("may send, answer and spawn", paused(function()
    local tx, rx = weir.mpsc(4)
    local reply, answer = weir.oneshot()
    local task
    forget(function()
      setmetatable({}, { __gc = function()
        tx:try_send "from gc"
        reply:send "answer"
        task = weir.spawn(function() return "spawned" end)
      end })
    end)
    assert.equal("from gc", rx:recv())
    assert.equal("answer", answer:recv())
    assert.same({ true, "spawned" }, { task:join() })
  end))

  it("may drop handles of any kind", paused(function()
    local tx, rx = weir.mpsc(4)
    local mutex = weir.mutex()
    local guard = mutex:try_lock()
    forget(function()
      setmetatable({}, { __gc = function()
        tx:drop()
        guard:drop()
      end })
    end)
    assert.same({ nil, "closed" }, { rx:recv() })
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
  end))

  it("that runs inside any operation does it no harm", paused(function()
    -- Every allocation may run a finalizer that uses the very channel that is being used.
    local tx, rx = weir.mpsc(8)
    local extra = 0
    local function litter()
      setmetatable({}, { __gc = function()
        if tx:try_send "litter" then extra = extra + 1 end
      end })
    end
    local sent, got = 0, 0
    collectgarbage("setpause", 100)
    for _ = 1, 3000 do
      litter()
      if tx:try_send({}) then sent = sent + 1 end
      weir.spawn(function() end)
      collectgarbage "step"
      while #rx > 4 do
        rx:try_recv()
        got = got + 1
      end
    end
    helper.collect()
    while rx:try_recv() do got = got + 1 end
    collectgarbage("setpause", 200)
    assert.is_true(extra > 100)
    assert.equal(sent + extra, got)
  end))
end)

describe("memory stays flat over", function()
  it("messages", paused(function()
    local tx, rx = weir.mpsc(16)
    is_flat(20000, function(i)
      tx:send { i }
      rx:recv()
    end)
  end))

  it("messages that are waited for", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function(sender)
      while true do sender:send {} end
    end, tx)
    is_flat(20000, function() rx:recv() end)
  end))

  it("tasks", paused(function()
    is_flat(10000, function() weir.spawn(function() return {} end):join() end)
  end))

  it("tasks that nobody joins", paused(function()
    is_flat(10000, function()
      weir.spawn(function() end)
      weir.yield()
    end)
  end))

  it("tasks that fail", function()
    local previous = weir.on_error(function() end)
    weir.run_paused(function()
      is_flat(3000, function()
        weir.spawn(error, {})
        weir.yield()
      end)
    end)
    weir.on_error(previous)
  end)

  it("tasks that are aborted while they wait", paused(function()
    local _tx, rx = weir.mpsc(1)
    is_flat(5000, function()
      local task = later(function() rx:recv() end)
      task:abort()
      weir.yield()
    end)
  end))

  it("timeouts that never fire", paused(function()
    is_flat(5000, function() weir.timeout(1e6, function() weir.yield() end) end)
  end))

  it("timeouts that fire", paused(function()
    local _tx, rx = weir.mpsc(1)
    is_flat(5000, function() weir.timeout(0.001, function() rx:recv() end) end)
  end))

  it("receives that time out", paused(function()
    local _tx, rx = weir.mpsc(1)
    is_flat(20000, function() rx:recv(0.001) end)
  end))

  it("selects that are lost on a quiet channel", paused(function()
    local _quiet, rx = weir.mpsc(1)
    local tx, busy = weir.mpsc(1)
    weir.spawn(function(sender)
      while true do sender:send(1) end
    end, tx)
    is_flat(10000, function() weir.select { rx, busy } end)
  end))

  it("selects whose sends are lost", paused(function()
    local full, rx = weir.mpsc(1)
    full:send "full"
    is_flat(5000, function() weir.select({ { full, {} } }, 0.001) end)
    assert.equal(1, #rx)
  end))

  it("waits on a token that is never cancelled", paused(function()
    local token = weir.cancellation_token()
    is_flat(5000, function() token:cancelled(0.001) end)
  end))

  it("run_until_cancelled on one token", paused(function()
    local token = weir.cancellation_token()
    is_flat(5000, function() token:run_until_cancelled(weir.yield) end)
  end))

  it("clones and weak senders", paused(function()
    local tx, rx = weir.mpsc(1)
    is_flat(10000, function()
      tx:clone():drop()
      tx:weak():upgrade():drop()
    end)
    assert.equal(1, rx:strong_count())
  end))

  it("moves from task to task", paused(function()
    local tx, rx = weir.mpsc(1)
    is_flat(5000, function()
      local _, back = weir.spawn(function(sender) return sender end, tx):join()
      tx = back
    end)
    assert.equal(1, rx:strong_count())
  end))

  it("moves within a task that goes on", paused(function()
    local tx, rx = weir.mpsc(1)
    helper.join(weir.spawn(function(sender)
      is_flat(10000, function() sender = sender:move() end)
    end, tx))
    assert.is_true(rx:strong_count() <= 1)
  end))

  it("permits got by a task that goes on", paused(function()
    local tx, _rx = weir.mpsc(1)
    is_flat(10000, function() tx:reserve():release() end)
  end))

  it("guards got by a task that goes on", paused(function()
    local mutex = weir.mutex()
    is_flat(10000, function() mutex:lock():unlock() end)
  end))

  it("guards got and lost by a task that goes on", paused(function()
    local lock = weir.rwlock()
    is_flat(5000, function() lock:read() end)
  end))

  it("requests", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function(inbox)
      for request in inbox do
        local reply <close> = request.reply
        reply:send(request.n)
      end
    end, rx)
    is_flat(5000, function(i) assert(tx:call { n = i } == i) end)
  end))

  it("requests that time out", paused(function()
    local tx, rx = weir.mpsc(4)
    is_flat(3000, function(i)
      assert(not tx:call({ n = i }, 0.001))
      rx:try_recv()
    end)
  end))

  it("task sets", paused(function()
    is_flat(2000, function()
      local set <close> = weir.join_set(2)
      for _ = 1, 3 do set:spawn(function() end) end
      set:join_all()
    end)
  end))

  it("one task set in which tasks come and go", paused(function()
    local set <close> = weir.join_set()
    is_flat(5000, function()
      set:spawn(function() end)
      set:join_next()
    end)
  end))

  it("scopes, join_all and race", paused(function()
    is_flat(1000, function()
      weir.scope(function(scope) scope:spawn(weir.yield) end)
      weir.join_all { weir.yield, weir.yield }
      weir.race { weir.yield, forever }
    end)
  end))

  it("timers that are reset", paused(function()
    local timer = weir.after(1e6)
    is_flat(10000, function(i) timer:reset(1e6 + i % 7) end)
  end))

  it("timers that are lost", paused(function()
    is_flat(10000, function() weir.after(1e6) end)
  end))

  it("watch changes", paused(function()
    local tx, rx = weir.watch(0)
    weir.spawn(function() while rx:changed() do assert(true) end end)
    is_flat(5000, function()
      tx:send {}
      weir.yield()
    end)
  end))

  it("broadcasts to a receiver that lags for ever", paused(function()
    local tx, rx = weir.broadcast(8)
    is_flat(10000, function() tx:send {} end)
    assert.equal("lagged", (select(2, rx:recv())))
  end))

  it("subscriptions that come and go", paused(function()
    local tx, _rx = weir.broadcast(8)
    is_flat(5000, function()
      tx:subscribe():drop()
      tx:send(1)
    end)
  end))

  it("runs", function()
    is_flat(1000, function()
      weir.run(function()
        weir.spawn(forever)
        weir.yield()
      end)
    end)
  end)
end)

describe("in generational mode", function()
  it("nothing is lost or freed too early", function()
    collectgarbage "generational"
    local ok, err = pcall(weir.run_paused, function()
      local tx, rx = weir.mpsc(8)
      for _ = 1, 4 do
        weir.spawn(function(sender)
          for i = 1, 500 do
            sender:send { i, string.rep("x", 10) .. i }
            if i % 50 == 0 then weir.sleep(0.01) end
          end
        end, tx:clone())
      end
      tx:drop()
      local n = 0
      for message in rx do
        n = n + 1
        assert(message[2] == "xxxxxxxxxx" .. message[1])
        if n % 100 == 0 then collectgarbage "step" end
      end
      assert(n == 2000)
    end)
    collectgarbage "incremental"
    assert.is_true(ok, err)
  end)
end)
