-- SPDX-License-Identifier: MIT
-- handles_spec.lua -- who holds a handle: ownership, moving, closing, what a dropped message drops.
-- Long because the rules hold for every kind of handle, and are claimed for each.

local weir = require "weir"
local helper = require "spec.helper"

local forever = helper.forever

local blames, failing, later, paused, settle =
  helper.blames, helper.failing, helper.later, helper.paused, helper.settle

local function second(_, x) return x end

-- One of each kind of handle, and what keeps it open meanwhile.
local make = {
  ["mpsc.Sender"] = function() return weir.mpsc(1) end,
  ["mpsc.Receiver"] = function()
    local tx, rx = weir.mpsc(1)
    return rx, tx
  end,
  ["mpsc.WeakSender"] = function()
    local tx, rx = weir.mpsc(1)
    return tx:weak(), tx, rx
  end,
  ["mpsc.Permit"] = function()
    local tx, rx = weir.mpsc(1)
    return tx:try_reserve(), tx, rx
  end,
  ["mpsc.Reservation"] = function()
    local tx, rx = weir.mpsc(1)
    return tx:reservation(), tx, rx
  end,
  ["mpmc.Sender"] = function() return weir.mpmc(1) end,
  ["mpmc.Receiver"] = function()
    local tx, rx = weir.mpmc(1)
    return rx, tx
  end,
  ["mpmc.WeakSender"] = function()
    local tx, rx = weir.mpmc(1)
    return tx:weak(), tx, rx
  end,
  ["oneshot.Sender"] = function() return weir.oneshot() end,
  ["oneshot.Receiver"] = function()
    local tx, rx = weir.oneshot()
    return rx, tx
  end,
  ["watch.Sender"] = function() return weir.watch(0) end,
  ["watch.Receiver"] = function()
    local tx, rx = weir.watch(0)
    return rx, tx
  end,
  ["broadcast.Sender"] = function() return weir.broadcast(1) end,
  ["broadcast.Receiver"] = function()
    local tx, rx = weir.broadcast(1)
    return rx, tx
  end,
  ["broadcast.WeakSender"] = function()
    local tx, rx = weir.broadcast(1)
    return tx:weak(), tx, rx
  end,
  ["JoinSet"] = function() return weir.join_set() end,
  ["DropGuard"] = function()
    local token = weir.cancellation_token()
    return token:drop_guard(), token
  end,
  ["SemaphorePermit"] = function()
    local semaphore = weir.semaphore(1)
    return semaphore:try_acquire(), semaphore
  end,
  ["MutexGuard"] = function()
    local mutex = weir.mutex()
    return mutex:try_lock(), mutex
  end,
  ["RwLockReadGuard"] = function()
    local lock = weir.rwlock()
    return lock:try_read(), lock
  end,
  ["RwLockWriteGuard"] = function()
    local lock = weir.rwlock()
    return lock:try_write(), lock
  end,
}

local kinds = {}
for kind in pairs(make) do kinds[#kinds + 1] = kind end
table.sort(kinds)

-- Those that a message of a channel may be.
local function each_kind(body)
  for _, kind in ipairs(kinds) do body(kind, make[kind]) end
end

describe("every handle", function()
  each_kind(function(kind, new)
    describe(kind, function()
      it("says its kind through weir.type", paused(function()
        local h, _, _ = new()
        assert.equal(kind, weir.type(h))
      end))

      it("is a full userdata with __name, __gc and __close", paused(function()
        local h, _, _ = new()
        assert.equal("userdata", type(h))
        local meta = debug.getmetatable(h)
        assert.equal("string", type(meta.__name))
        assert.equal("function", type(meta.__gc))
        assert.equal("function", type(meta.__close))
      end))

      it("tells its kind in tostring", paused(function()
        local h, _, _ = new()
        assert.matches(kind, tostring(h), 1, true)
      end))

      it("is closed after drop, and says so", paused(function()
        local h, _, _ = new()
        h:drop()
        assert.equal("closed " .. kind, weir.type(h))
        assert.equal("string", type(tostring(h)))
        assert.matches("closed", tostring(h))
      end))

      it("may be dropped twice", paused(function()
        local h, _, _ = new()
        h:drop()
        assert.no_error(function() h:drop() end)
      end))

      it("is closed by <close>", paused(function()
        local kept
        do
          local h <close> = new()
          kept = h
        end
        assert.equal("closed " .. kind, weir.type(kept))
      end))

      it("may be dropped before its <close>", paused(function()
        do
          local h <close> = new()
          h:drop()
        end
      end))

      it("may be finalized by hand without harm", paused(function()
        local h, _, _ = new()
        local gc = debug.getmetatable(h).__gc
        gc(h)
        gc(h)
        pcall(h.drop, h)
        assert.are_not.equal(kind, weir.type(h))
        assert.equal("string", type(tostring(h)))
      end))

      it("is moved by move(), which returns a fresh handle of the same kind", paused(function()
        local h, _, _ = new()
        local fresh = h:move()
        assert.are_not.equal(h, fresh)
        assert.equal(kind, weir.type(fresh))
        assert.equal("closed " .. kind, weir.type(h))
      end))

      it("cannot be moved again from the spent handle", paused(function()
        local h, _, _ = new()
        local _fresh = h:move()
        blames(function() h:move() end, "moved")
      end))

      it("leaves the fresh handle alone when the spent one is dropped or closed", paused(function()
        local h, _, _ = new()
        local fresh = h:move()
        h:drop()
        do local _spent <close> = h end
        debug.getmetatable(h).__gc(h)
        assert.equal(kind, weir.type(fresh))
      end))

      it("still tells about itself when it is spent", paused(function()
        local h, _, _ = new()
        local _fresh = h:move()
        assert.matches("moved", tostring(h))
      end))

      it("is moved by spawn and dropped when the task ends", paused(function()
        local h, _, _ = new()
        local inside, seen
        local task = weir.spawn(function(mine)
          inside, seen = weir.type(mine), mine
        end, h)
        assert.equal("closed " .. kind, weir.type(h))
        task:join()
        assert.equal(kind, inside)
        assert.equal("closed " .. kind, weir.type(seen))
      end))

      it("is moved by send and moved out by recv", paused(function()
        local h, _, _ = new()
        local tx, rx = weir.mpsc(1)
        assert.is_true(tx:send(h))
        assert.equal("closed " .. kind, weir.type(h))
        assert.equal(kind, weir.type((rx:recv())))
      end))

      it("is dropped with the channel that it stands in", paused(function()
        local h, _, _ = new()
        local again = h:move()
        local tx, rx = weir.mpsc(1)
        tx:send { handle = again }
        rx:drop()
        assert.equal("closed " .. kind, weir.type(again))
      end))

      it("is refused by watch and broadcast, and stays the caller's", paused(function()
        local h, _, _ = new()
        local watch, _w = weir.watch(0)
        local broadcast, _b = weir.broadcast(1)
        blames(function() watch:send(h) end)
        blames(function() broadcast:send(h) end)
        blames(function() weir.watch(h) end)
        assert.equal(kind, weir.type(h))
      end))
    end)
  end)
end)

describe("a closed handle", function()
  it("raises a sentence where it is used", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:close()
    blames(function() tx:try_send(1) end, "closed")
    rx:drop()
    blames(function() rx:try_recv() end, "closed")
  end))

  it("cannot be spawned into a task, and nothing moves", paused(function()
    local tx, rx = weir.mpsc(1)
    local gone = weir.mpsc(1)
    gone:drop()
    blames(function() weir.spawn(function() end, tx, gone) end)
    assert.is_true(tx:try_send(1))
    assert.equal(1, rx:try_recv())
  end))

  it("cannot be sent, and nothing is stored", paused(function()
    local tx, rx = weir.mpsc(1)
    local gone = weir.mpsc(1)
    gone:drop()
    blames(function() tx:send(gone) end)
    assert.equal(0, #rx)
  end))
end)

describe("close()", function()
  it("is drop() on a sender", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.is_true(tx:close())
    assert.equal("closed mpsc.Sender", weir.type(tx))
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("may be called twice on a sender", paused(function()
    local tx, _rx = weir.mpsc(1)
    tx:close()
    assert.no_error(function() tx:close() end)
  end))

  for _, kind in ipairs { "mpsc", "mpmc" } do
    it("leaves what is buffered to be received on a receiver of an " .. kind, paused(function()
      local tx, rx = weir[kind](2)
      tx:send "a"
      rx:close()
      assert.same({ nil, "closed" }, { tx:try_send("b") })
      assert.equal("a", rx:recv())
      assert.same({ nil, "closed" }, { rx:recv() })
    end))
  end

  it("leaves what was sent to be received on a oneshot receiver", paused(function()
    local tx, rx = weir.oneshot()
    tx:send "a"
    rx:close()
    assert.equal("a", rx:recv())
  end))

  it("refuses a later send on a oneshot receiver", paused(function()
    local tx, rx = weir.oneshot()
    rx:close()
    assert.same({ nil, "closed" }, { tx:send "a" })
  end))

  it("is drop() on a watch receiver", paused(function()
    local tx, rx = weir.watch(0)
    rx:close()
    assert.equal("closed watch.Receiver", weir.type(rx))
    assert.is_true(tx:is_closed())
  end))

  it("is drop() on a broadcast receiver", paused(function()
    local tx, rx = weir.broadcast(1)
    rx:close()
    assert.equal("closed broadcast.Receiver", weir.type(rx))
    assert.same({ nil, "closed" }, { tx:send "a" })
  end))

  it("is drop() on a task set", paused(function()
    local set = weir.join_set()
    local task = set:spawn(forever)
    weir.yield()
    set:close()
    assert.same({ false, "aborted" }, { task:join() })
  end))
end)

describe("dropping", function()
  it("the last strong sender closes the channel after what is buffered", paused(function()
    local tx, rx = weir.mpsc(4)
    local other = tx:clone()
    tx:send "a"
    tx:drop()
    other:send "b"
    other:drop()
    assert.equal("a", rx:recv())
    assert.equal("b", rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("the last strong sender wakes the receiver that waits", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    tx:drop()
    assert.same({ true, nil, "closed" }, { task:join() })
  end))

  it("one of two senders wakes nobody", paused(function()
    local tx, rx = weir.mpsc(1)
    local _other = tx:clone()
    local task = later(function() return rx:recv() end)
    tx:drop()
    weir.yield()
    assert.equal("waiting", task:status())
  end))

  it("the receiver fails every send that waits", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send "first"
    local a = later(function() return tx:send("a") end)
    local b = later(function() return tx:reserve() end)
    rx:drop()
    assert.same({ true, nil, "closed" }, { a:join() })
    assert.same({ true, nil, "closed" }, { b:join() })
  end))

  it("the receiver drops what is buffered there and then", paused(function()
    local tx, rx = weir.mpsc(2)
    local weak = helper.weak({})
    tx:send(weak[1])
    rx:drop()
    helper.collect()
    assert.is_nil(weak[1])
  end))

  it("returns true", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.is_true(tx:drop())
    assert.is_true(rx:drop())
    assert.is_true(tx:drop())
  end))
end)

describe("dropping a handle", function()
  it("does not look through those who wait through others #slow", paused(function()
    local function cost(waiting)
      local tx, rx = helper.full_channel()
      local clones = {}
      for _ = 1, waiting do weir.spawn(function() return tx:send "late" end) end
      weir.yield()
      for i = 1, 5000 do clones[i] = tx:clone() end
      local clock = os.clock()
      for i = 1, 5000 do clones[i]:drop() end
      clock = os.clock() - clock
      assert.equal(waiting, tx:stats().waiting_senders)
      rx:drop()
      return clock
    end
    cost(5000)
    local alone, among = cost(0), cost(5000)
    assert.is_true(among < 10 * alone + 0.01, ("%g s against %g s"):format(among, alone))
  end))
end)

describe("move()", function()
  it("keeps the end: the same channel, what is buffered, the count of senders", paused(function()
    local tx, rx = weir.mpsc(2)
    local other = tx:clone()
    tx:send "a"
    local tx2, rx2 = tx:move(), rx:move()
    assert.is_true(tx2:same_channel(other))
    assert.equal(2, rx2:strong_count())
    tx2:send "b"
    assert.equal("a", rx2:recv())
    assert.equal("b", rx2:recv())
  end))

  it("keeps the permits that are left", paused(function()
    local tx, rx = weir.mpsc(3)
    local permit = tx:reserve_many(3)
    permit:send "a"
    local fresh = permit:move()
    assert.equal(2, fresh:remaining())
    fresh:send "b"
    assert.equal("a", rx:recv())
    assert.equal("b", rx:recv())
  end))

  it("keeps a lock locked", paused(function()
    local mutex = weir.mutex()
    local guard = mutex:lock():move()
    assert.same({ nil, "full" }, { mutex:try_lock() })
    guard:unlock()
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
  end))

  it("keeps the cursor of a broadcast receiver", paused(function()
    local tx, rx = weir.broadcast(4)
    tx:send "a"
    tx:send "b"
    rx:recv()
    assert.equal("b", rx:move():recv())
  end))

  it("keeps what a watch receiver has seen", paused(function()
    local tx, rx = weir.watch(0)
    tx:send(1)
    local fresh = rx:move()
    assert.is_true(fresh:has_changed())
    fresh:mark_unchanged()
    assert.is_false(fresh:move():has_changed())
  end))

  it("makes a handle inside a table the receiver's", paused(function()
    local tx, rx = weir.mpsc(1)
    local reply, answer = weir.oneshot()
    tx:send { reply = reply:move() }
    rx:recv().reply:send "answer"
    assert.equal("answer", answer:recv())
  end))

  it("takes a handle out of the task that owns it", paused(function()
    local tx, rx = weir.mpsc(1)
    local kept
    later(function(sender) kept = sender:move() end, tx)
    assert.is_true(kept:try_send("outlived"))
    assert.equal("outlived", rx:recv())
  end))

  it("takes a permit out of the task that got it", paused(function()
    local tx, rx = weir.mpsc(1)
    local kept
    later(function() kept = tx:reserve():move() end)
    assert.is_true(kept:send("outlived"))
    assert.equal("outlived", rx:recv())
  end))

  it("takes a guard out of the task that got it", paused(function()
    local mutex = weir.mutex()
    local kept
    later(function() kept = mutex:lock():move() end)
    assert.same({ nil, "full" }, { mutex:try_lock() })
    kept:unlock()
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
  end))

  it("works outside a task", function()
    local tx, rx = weir.mpsc(1)
    tx:move():try_send "a"
    assert.equal("a", rx:move():try_recv())
  end)
end)

describe("a moved handle", function()
  it("names itself, the task that has it and what to write instead", paused(function()
    local tx, _rx = weir.mpsc(1)
    local line = debug.getinfo(1, "l").currentline + 1
    local task = weir.spawn(function() end, tx)
    blames(function() tx:send(1) end, "moved", "clone", "task " .. task:id(), "handles_spec%.lua:" .. line)
  end))

  it("raises for every use but drop, close, <close> and tostring", paused(function()
    local tx, rx = weir.mpsc(1)
    local _fresh, _fresh2 = tx:move(), rx:move()
    for _, name in ipairs { "send", "try_send", "reserve", "try_reserve", "clone", "weak", "is_closed",
                            "capacity", "strong_count", "move", "stats", "reservation" } do
      local ok, err = pcall(function() tx[name](tx, 1) end)
      assert.is_false(ok, name)
      assert.matches("moved", err)
    end
    for _, name in ipairs { "recv", "try_recv", "iter", "is_closed", "is_empty", "capacity", "move" } do
      local ok, err = pcall(function() rx[name](rx) end)
      assert.is_false(ok, name)
      assert.matches("moved", err)
    end
    assert.is_false(pcall(function() return #rx end))
    assert.no_error(function() tx:close() tx:drop() rx:close() rx:drop() end)
  end))

  it("cannot be moved on by spawn, and nothing else moves", paused(function()
    local tx, rx = weir.mpsc(1)
    local other = weir.mpsc(1)
    local _fresh = other:move()
    blames(function() weir.spawn(function() end, tx, other) end, "moved")
    tx:try_send "mine"
    assert.equal("mine", rx:try_recv())
  end))

  it("cannot be sent", paused(function()
    local tx, rx = weir.mpsc(1)
    local other = weir.mpsc(1)
    local _fresh = other:move()
    blames(function() tx:send(other) end, "moved")
    assert.equal(0, #rx)
  end))

  it("says that it was sent where it was", paused(function()
    local tx, rx = weir.mpsc(1)
    local other, _orx = weir.mpsc(1)
    tx:send(other)
    blames(function() other:try_send(1) end, "moved")
    assert.equal(1, #rx)
  end))
end)

describe("spawn moves", function()
  it("each handle that stands directly among its arguments", paused(function()
    local a, ra = weir.mpsc(1)
    local b, rb = weir.oneshot()
    local task = weir.spawn(function(x, _, y)
      x:send "to a"
      y:send "to b"
    end, a, "between", b)
    task:join()
    assert.equal("to a", ra:recv())
    assert.same({ nil, "closed" }, { ra:recv() })
    assert.equal("to b", rb:recv())
  end))

  it("no handle inside a table", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function(t) t.tx:send "inside" end, { tx = tx }):join()
    assert.equal("inside", rx:recv())
    assert.is_true(tx:try_send("still mine"))
  end))

  it("nothing if it fails", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.is_false(pcall(weir.spawn, nil, tx))
    assert.is_false(pcall(weir.spawn, {}, tx))
    assert.is_true(tx:try_send("mine"))
    assert.equal("mine", rx:try_recv())
  end))

  it("a handle once: the same one twice is refused, and nothing moves", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.is_false(pcall(weir.spawn, function() end, tx, tx))
    assert.is_true(tx:try_send("mine"))
    assert.equal("mine", rx:try_recv())
  end))

  it("a clone, and keeps the original", paused(function()
    local tx, rx = weir.mpsc(2)
    weir.spawn(function(sender) sender:send "theirs" end, tx:clone()):join()
    tx:send "mine"
    assert.equal("theirs", rx:recv())
    assert.equal("mine", rx:recv())
    assert.same({ nil, "timeout" }, { rx:recv(0) })
  end))

  it("a handle on from the task that owns it", paused(function()
    local tx, rx = weir.mpsc(1)
    later(function(sender)
      weir.spawn(function(s)
        weir.sleep(1)
        s:send "grandchild"
      end, sender)
    end, tx)
    assert.equal("grandchild", rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("into the task of a set", paused(function()
    local set <close> = weir.join_set()
    local tx, rx = weir.mpsc(1)
    set:spawn(function(sender) sender:send "from the set" end, tx)
    blames(function() tx:send(1) end, "moved")
    assert.equal("from the set", rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("into the task of a set by try_spawn, and nothing if the set is full", paused(function()
    local set <close> = weir.join_set(1)
    set:spawn(forever)
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "full" }, { set:try_spawn(function() end, tx) })
    assert.is_true(tx:try_send("mine"))
    assert.equal("mine", rx:try_recv())
  end))

  it("into the task of a scope", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.scope(function(scope)
      scope:spawn(function(sender) sender:send "from the scope" end, tx)
    end)
    assert.equal("from the scope", rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("a receiver with what is buffered", paused(function()
    local tx, rx = weir.mpsc(2)
    tx:send "a"
    local task = weir.spawn(function(mine) return mine:recv() end, rx)
    assert.same({ true, "a" }, { task:join() })
    assert.same({ nil, "closed" }, { tx:send "b" })
  end))
end)

describe("the end of a task drops what it owns", function()
  -- A channel whose sender a task owns; the receiver says whether the sender is gone.
  local function owned_by(f)
    local tx, rx = weir.mpsc(1)
    return weir.spawn(f, tx), rx
  end

  it("when it returns", paused(function()
    local _, rx = owned_by(function() end)
    weir.yield()
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("when it fails", failing(function()
    local _, rx = owned_by(function() error "x" end)
    weir.yield()
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("when it is aborted", paused(function()
    local task, rx = owned_by(forever)
    weir.yield()
    task:abort()
    weir.yield()
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("though a table elsewhere still holds the handle", paused(function()
    local kept
    local _, rx = owned_by(function(sender) kept = { sender } end)
    assert.same({ nil, "closed" }, { rx:recv() })
    assert.equal("closed mpsc.Sender", weir.type(kept[1]))
  end))

  it("before a joiner goes on", paused(function()
    local task, rx = owned_by(function() weir.sleep(1) end)
    task:join()
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("last got, first dropped", paused(function()
    local log = {}
    local mutex, semaphore = weir.mutex(), weir.semaphore(1)
    local task = later(function()
      local guard, permit = mutex:lock(), semaphore:acquire()
      weir.sleep(1)
      return weir.type(guard), weir.type(permit)
    end)
    weir.spawn(function() mutex:lock() log[#log + 1] = "mutex" end)
    weir.spawn(function() semaphore:acquire() log[#log + 1] = "semaphore" end)
    task:join()
    settle()
    assert.same({ "semaphore", "mutex" }, log)
  end))

  it("but not what it merely created", paused(function()
    local tx, rx
    later(function() tx, rx = weir.mpsc(1) end)
    assert.is_true(tx:try_send("belongs to nobody"))
    assert.equal("belongs to nobody", rx:try_recv())
  end))

  it("but not a clone that it made of what it owned", paused(function()
    local tx, rx = weir.mpsc(1)
    local kept
    later(function(sender) kept = sender:clone() end, tx)
    assert.is_true(kept:try_send("a"))
    assert.equal("a", rx:try_recv())
  end))

  it("but not what it holds in an upvalue", paused(function()
    local tx, rx = weir.mpsc(1)
    later(function() tx:send "a" end)
    assert.equal("a", rx:recv())
    assert.is_true(tx:try_send("b"))
  end))

  it("but not what it has moved on", paused(function()
    local tx, rx = weir.mpsc(1)
    local other, inbox = weir.mpsc(1)
    later(function(sender) other:send(sender) end, tx)
    local sender = inbox:recv()
    assert.is_true(sender:try_send("a"))
    assert.equal("a", rx:recv())
  end))

  it("a permit that it got", paused(function()
    local tx, _rx = weir.mpsc(1)
    local permit
    later(function() permit = tx:reserve() end)
    assert.equal("closed mpsc.Permit", weir.type(permit))
    assert.equal(1, tx:capacity())
  end))

  it("a permit that it got by try_reserve", paused(function()
    local tx, _rx = weir.mpsc(1)
    local permit
    later(function() permit = tx:try_reserve() end)
    assert.equal("closed mpsc.Permit", weir.type(permit))
    assert.equal(1, tx:capacity())
  end))

  it("a reservation that it made", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send "first"
    local kept
    later(function() kept = tx:reservation() end)
    assert.equal("first", rx:recv())
    assert.equal(1, tx:capacity())
    assert.equal("closed mpsc.Reservation", weir.type(kept))
  end))

  it("a mutex guard that it got, and the next has the lock", paused(function()
    local mutex = weir.mutex()
    later(function()
      local guard = mutex:lock()
      weir.sleep(1)
      return weir.type(guard)
    end)
    assert.equal("MutexGuard", weir.type((mutex:lock())))
  end))

  it("a read guard and a write guard that it got", paused(function()
    local lock = weir.rwlock()
    later(function() lock:read() end)
    later(function() lock:write() end)
    assert.equal("RwLockWriteGuard", weir.type((lock:try_write())))
  end))

  it("a semaphore permit that it got", paused(function()
    local semaphore = weir.semaphore(2)
    later(function() semaphore:acquire(2) end)
    assert.equal(2, semaphore:available())
  end))

  it("a permit that a select gave it", paused(function()
    local tx, _rx = weir.mpsc(1)
    local permit
    later(function() permit = second(weir.select { tx }) end)
    assert.equal("closed mpsc.Permit", weir.type(permit))
    assert.equal(1, tx:capacity())
  end))

  it("a handle that it received", paused(function()
    local tx, rx = weir.mpsc(1)
    local sender, inbox = weir.mpsc(1)
    tx:send(sender)
    later(function() rx:recv() end)
    assert.same({ nil, "closed" }, { inbox:try_recv() })
  end))

  it("a handle that it received by try_recv", paused(function()
    local tx, rx = weir.mpsc(1)
    local sender, inbox = weir.mpsc(1)
    tx:send(sender)
    later(function() rx:try_recv() end)
    assert.same({ nil, "closed" }, { inbox:try_recv() })
  end))

  it("a handle that it received in a for", paused(function()
    local tx, rx = weir.mpsc(2)
    local a, inbox_a = weir.mpsc(1)
    local b, inbox_b = weir.mpsc(1)
    tx:send(a)
    tx:send(b)
    tx:drop()
    later(function() for _ in rx do end end)
    assert.same({ nil, "closed" }, { inbox_a:try_recv() })
    assert.same({ nil, "closed" }, { inbox_b:try_recv() })
  end))

  it("handles that it received by recv_many", paused(function()
    local tx, rx = weir.mpsc(2)
    local a, inbox_a = weir.mpsc(1)
    local b, inbox_b = weir.mpsc(1)
    tx:send(a)
    tx:send(b)
    local got = {}
    later(function() rx:recv_many(got, 2) end)
    assert.same({ nil, "closed" }, { inbox_a:try_recv() })
    assert.same({ nil, "closed" }, { inbox_b:try_recv() })
    assert.equal("closed mpsc.Sender", weir.type(got[1]))
  end))

  it("a handle that it received through a oneshot", paused(function()
    local tx, rx = weir.oneshot()
    local sender, inbox = weir.mpsc(1)
    tx:send("first", sender)
    later(function() rx:recv() end)
    assert.same({ nil, "closed" }, { inbox:try_recv() })
  end))

  it("a handle that it received in a select", paused(function()
    local tx, rx = weir.mpsc(1)
    local sender, inbox = weir.mpsc(1)
    tx:send(sender)
    later(function() weir.select { rx } end)
    assert.same({ nil, "closed" }, { inbox:try_recv() })
  end))

  it("the reply of a request that it received", paused(function()
    local tx, rx = weir.mpsc(1)
    local held
    weir.spawn(function() held = rx:recv() end)
    assert.same({ nil, "closed" }, { tx:call { kind = "ask" } })
    assert.equal("table", type(held))
  end))

  it("a task set that was moved into it", paused(function()
    local set = weir.join_set()
    local task = set:spawn(forever)
    later(function() weir.yield() end, set)
    assert.same({ false, "aborted" }, { task:join() })
  end))

  it("a drop guard that was moved into it", paused(function()
    local token = weir.cancellation_token()
    later(function() end, token:drop_guard())
    assert.is_true(token:is_cancelled())
  end))
end)

describe("what a task owns", function()
  it("is held weakly: the collector may drop it earlier", paused(function()
    local task, rx
    helper.forget(function()
      local tx
      tx, rx = weir.mpsc(1)
      task = later(function() weir.sleep(1e6) end, tx)
    end)
    assert.same({ nil, "closed" }, { rx:try_recv() })
    assert.equal("waiting", task:status())
  end))

  it("stays while the task still names it", paused(function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function(sender)
      weir.sleep(1)
      sender:send "here"
    end, tx)
    weir.yield()
    helper.collect()
    assert.equal("here", rx:recv())
  end))
end)

describe("handles among the results of a task", function()
  it("leave it", paused(function()
    local tx, rx = weir.mpsc(1)
    local _, sender = weir.spawn(function(mine) return mine end, tx):join()
    assert.is_true(sender:try_send("left"))
    assert.equal("left", rx:recv())
  end))

  it("leave it wherever they stand directly", paused(function()
    local tx, rx = weir.mpsc(1)
    local _, _, _, sender = weir.spawn(function(mine) return 1, nil, mine end, tx):join()
    assert.is_true(sender:try_send("left"))
    assert.equal("left", rx:recv())
  end))

  it("do not leave it inside a table", paused(function()
    local tx, rx = weir.mpsc(1)
    local _, t = weir.spawn(function(mine) return { mine } end, tx):join()
    assert.equal("closed mpsc.Sender", weir.type(t[1]))
    assert.same({ nil, "closed" }, { rx:try_recv() })
  end))

  it("leave it where they were received", paused(function()
    local tx, rx = weir.mpsc(1)
    local sender, inbox = weir.mpsc(1)
    tx:send(sender)
    local _, got = weir.spawn(function() return rx:recv() end):join()
    assert.is_true(got:try_send("a"))
    assert.equal("a", inbox:recv())
  end))

  it("leave it as permits and guards too", paused(function()
    local mutex = weir.mutex()
    local _, guard = weir.spawn(function() return mutex:lock() end):join()
    assert.equal("MutexGuard", weir.type(guard))
    assert.same({ nil, "full" }, { mutex:try_lock() })
  end))

  it("belong to nobody: the joiner's end does not drop them", paused(function()
    local tx, rx = weir.mpsc(1)
    local giver = weir.spawn(function(mine) return mine end, tx)
    local _, sender
    later(function() _, sender = giver:join() end)
    settle()
    assert.is_true(sender:try_send("a"))
    assert.equal("a", rx:recv())
  end))
end)

describe("sending a handle", function()
  it("leaves it the caller's where the channel is full", paused(function()
    local tx, _rx = weir.mpsc(1)
    tx:send "first"
    local sender, inbox = weir.mpsc(1)
    assert.same({ nil, "full" }, { tx:try_send(sender) })
    assert.is_true(sender:try_send("mine"))
    assert.equal("mine", inbox:recv())
  end))

  it("leaves it the caller's where the channel is closed", paused(function()
    local tx, rx = weir.mpsc(1)
    rx:drop()
    local sender, inbox = weir.mpsc(1)
    assert.same({ nil, "closed" }, { tx:send(sender) })
    assert.is_true(sender:try_send("mine"))
    assert.equal("mine", inbox:recv())
  end))

  it("leaves it the caller's where the send times out", paused(function()
    local tx, _rx = weir.mpsc(1)
    tx:send "first"
    local sender, inbox = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { tx:send(sender, 1) })
    assert.is_true(sender:try_send("mine"))
    assert.equal("mine", inbox:recv())
  end))

  it("leaves it the caller's where the receiver goes while it waits", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send "first"
    local sender, inbox = weir.mpsc(1)
    local task = later(function() return tx:send(sender) end)
    rx:drop()
    assert.same({ true, nil, "closed" }, { task:join() })
    assert.is_true(sender:try_send("mine"))
    assert.equal("mine", inbox:recv())
  end))

  it("leaves it where it was when a select loses", paused(function()
    local tx, _rx = weir.mpsc(1)
    tx:send "first"
    local sender, inbox = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { weir.select({ { tx, sender } }, 1) })
    assert.is_true(sender:try_send("mine"))
    assert.equal("mine", inbox:recv())
  end))

  it("moves it when a select wins", paused(function()
    local tx, rx = weir.mpsc(1)
    local sender, inbox = weir.mpsc(1)
    assert.same({ 1, true }, { weir.select { { tx, sender } } })
    blames(function() sender:try_send(1) end, "moved")
    rx:recv():send "a"
    assert.equal("a", inbox:recv())
  end))

  it("moves it through a permit", paused(function()
    local tx, rx = weir.mpsc(1)
    local sender, inbox = weir.mpsc(1)
    tx:reserve():send(sender)
    blames(function() sender:try_send(1) end, "moved")
    rx:recv():send "a"
    assert.equal("a", inbox:recv())
  end))

  it("moves each of those directly among a oneshot's values", paused(function()
    local tx, rx = weir.oneshot()
    local a, inbox_a = weir.mpsc(1)
    local b, inbox_b = weir.mpsc(1)
    tx:send(a, nil, b)
    blames(function() a:try_send(1) end, "moved")
    blames(function() b:try_send(1) end, "moved")
    local got_a, _, got_b = rx:recv()
    got_a:send "a"
    got_b:send "b"
    assert.equal("a", inbox_a:recv())
    assert.equal("b", inbox_b:recv())
  end))

  it("refuses the same one twice among a oneshot's values, and nothing moves", paused(function()
    local tx, rx = weir.oneshot()
    local sender, inbox = weir.mpsc(1)
    assert.is_false(pcall(tx.send, tx, sender, sender))
    assert.is_true(sender:try_send("mine"))
    assert.equal("mine", inbox:recv())
    assert.is_true(tx:send "good for another try")
    assert.equal("good for another try", rx:recv())
  end))

  it("takes it out of the task that owned it", paused(function()
    local tx, rx = weir.mpsc(1)
    local sender, inbox = weir.mpsc(1)
    weir.spawn(function(mine) tx:send(mine) end, sender):join()
    rx:recv():send "a"
    assert.equal("a", inbox:recv())
  end))

  it("into its own channel is possible", paused(function()
    local tx, rx = weir.mpsc(1)
    local other = tx:clone()
    assert.is_true(tx:send(other))
    local got = rx:recv()
    got:send "round"
    assert.equal("round", rx:recv())
  end))

  it("a sender through itself is possible", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.is_true(tx:send(tx))
    assert.equal("closed mpsc.Sender", weir.type(tx))
    local got = rx:recv()
    got:send "round"
    assert.equal("round", rx:recv())
  end))
end)

describe("a message that is dropped unreceived", function()
  local function request()
    local reply, answer = weir.oneshot()
    return { reply = reply }, answer, reply
  end

  it("drops the handle that it is", paused(function()
    local tx, rx = weir.mpsc(1)
    local sender, inbox = weir.mpsc(1)
    tx:send(sender)
    rx:drop()
    assert.same({ nil, "closed" }, { inbox:try_recv() })
  end))

  it("drops the handles that are direct fields of the table that it is", paused(function()
    local tx, rx = weir.mpsc(1)
    local message, answer, reply = request()
    tx:send(message)
    rx:drop()
    assert.same({ nil, "closed" }, { answer:recv() })
    blames(function() reply:send(1) end, "closed")
  end))

  it("drops those in the array part of the table too", paused(function()
    local tx, rx = weir.mpsc(1)
    local a, inbox_a = weir.mpsc(1)
    local b, inbox_b = weir.mpsc(1)
    tx:send { a, "between", b }
    rx:drop()
    assert.same({ nil, "closed" }, { inbox_a:try_recv() })
    assert.same({ nil, "closed" }, { inbox_b:try_recv() })
  end))

  it("leaves a handle two tables deep alone", paused(function()
    local tx, rx = weir.mpsc(1)
    local sender, inbox = weir.mpsc(1)
    tx:send { deep = { sender } }
    rx:drop()
    assert.is_true(sender:try_send("open"))
    assert.equal("open", inbox:recv())
  end))

  it("runs no metamethod of the table that it is", paused(function()
    local tx, rx = weir.mpsc(1)
    local called = false
    local function note() called = true end
    tx:send(setmetatable({}, { __index = note, __pairs = note, __len = note, __close = note }))
    rx:drop()
    assert.is_false(called)
  end))

  it("closes every reply in a dead actor's mailbox", paused(function()
    local tx, rx = weir.mpsc(8)
    weir.spawn(function(mailbox) weir.sleep(1) return #mailbox end, rx)
    local callers = {}
    for i = 1, 5 do callers[i] = weir.spawn(function() return tx:call { n = i } end) end
    for _, caller in ipairs(callers) do assert.same({ true, nil, "closed" }, { caller:join() }) end
    assert.is_true(tx:is_closed())
  end))

  it("is dropped with an aborted actor too", paused(function()
    local tx, rx = weir.mpsc(8)
    local actor = later(function(mailbox) forever(mailbox) end, rx)
    local message, answer = request()
    tx:send(message)
    actor:abort()
    assert.same({ nil, "closed" }, { answer:recv() })
  end))

  it("drops the values of a oneshot", paused(function()
    local tx, rx = weir.oneshot()
    local sender, inbox = weir.mpsc(1)
    local message, answer = request()
    tx:send(nil, sender, message)
    rx:drop()
    assert.same({ nil, "closed" }, { inbox:try_recv() })
    assert.same({ nil, "closed" }, { answer:recv() })
  end))

  it("drops what stands in an mpmc when its last receiver goes", paused(function()
    local tx, rx = weir.mpmc(2)
    local other = rx:clone()
    local message, answer = request()
    tx:send(message)
    rx:drop()
    assert.same({ nil, "timeout" }, { answer:recv(0) })
    other:drop()
    assert.same({ nil, "closed" }, { answer:recv() })
  end))

  it("drops a receiver, whose own messages go with it", paused(function()
    local tx, rx = weir.mpsc(1)
    local inner_tx, inner_rx = weir.mpsc(1)
    local message, answer = request()
    inner_tx:send(message)
    tx:send(inner_rx)
    rx:drop()
    assert.same({ nil, "closed" }, { answer:recv() })
    assert.same({ nil, "closed" }, { inner_tx:send "late" })
  end))

  it("drops a chain of a hundred thousand channels without deep recursion #slow", paused(function()
    local tx, rx = weir.mpsc(1)
    local last = tx
    for _ = 1, 100000 do
      local outer_tx, outer_rx = weir.mpsc(1)
      outer_tx:try_send(rx)
      outer_tx:drop()
      rx = outer_rx
    end
    rx:drop()
    assert.is_true(last:is_closed())
  end))

  it("is dropped by the collector with its channel", paused(function()
    local answer
    helper.forget(function()
      local tx, _rx = weir.mpsc(1)
      local message
      message, answer = request()
      tx:send(message)
    end)
    assert.same({ nil, "closed" }, { answer:try_recv() })
  end))
end)

describe("a wait on a handle", function()
  it("that is dropped meanwhile raises", paused(function()
    local _tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    rx:drop()
    local ok, err = task:join()
    assert.is_false(ok)
    assert.matches("dropped", err)
  end))

  it("that is moved meanwhile raises", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    local fresh = rx:move()
    local ok, err = task:join()
    assert.is_false(ok)
    assert.matches("moved", err)
    tx:try_send "kept"
    assert.equal("kept", fresh:recv())
  end))

  it("that is moved into a task meanwhile raises", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    local heir = weir.spawn(function(mine) return mine:recv() end, rx)
    assert.is_false((task:join()))
    tx:send "to the heir"
    assert.same({ true, "to the heir" }, { heir:join() })
  end))

  it("raises at the line that waits", paused(function()
    local _tx, rx = weir.mpsc(1)
    local line
    local task = later(function()
      line = debug.getinfo(1, "l").currentline + 1
      rx:recv()
    end)
    rx:drop()
    local _, err = task:join()
    assert.matches("handles_spec%.lua:" .. line .. ":", err)
  end))

  it("that is dropped after a message woke it loses nothing it should not", paused(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return rx:recv() end)
    tx:try_send "woke it"
    local fresh = rx:move()
    assert.is_false((task:join()))
    assert.equal("woke it", fresh:recv())
  end))

  it("raises for a sender that is dropped while it waits for room, and nothing was sent", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send "first"
    local sender = tx:clone()
    local task = later(function() return sender:send("second") end)
    sender:drop()
    assert.is_false((task:join()))
    assert.equal("first", rx:recv())
    assert.same({ nil, "empty" }, { rx:try_recv() })
    assert.equal(1, tx:capacity())
  end))

  it("raises for a oneshot receiver that is dropped", paused(function()
    local _tx, rx = weir.oneshot()
    local task = later(function() return rx:recv() end)
    rx:drop()
    assert.is_false((task:join()))
  end))

  it("raises for a watch receiver that is dropped", paused(function()
    local _tx, rx = weir.watch(0)
    local task = later(function() return rx:changed() end)
    rx:drop()
    assert.is_false((task:join()))
  end))

  it("raises for a broadcast receiver that is dropped", paused(function()
    local _tx, rx = weir.broadcast(1)
    local task = later(function() return rx:recv() end)
    rx:drop()
    assert.is_false((task:join()))
  end))

  it("raises for a select with a branch that is dropped", paused(function()
    local _tx, rx = weir.mpsc(1)
    local _tx2, rx2 = weir.mpsc(1)
    local task = later(function() return weir.select { rx, rx2 } end)
    rx:drop()
    assert.is_false((task:join()))
  end))

  it("raises for a task set that is dropped", paused(function()
    local set = weir.join_set()
    set:spawn(forever)
    local task = later(function() return set:join_next() end)
    set:drop()
    assert.is_false((task:join()))
  end))
end)

describe("shared things never move", function()
  local shared = {
    CancellationToken = weir.cancellation_token,
    Notify = weir.notify,
    Semaphore = function() return weir.semaphore(1) end,
    Mutex = weir.mutex,
    RwLock = weir.rwlock,
    Barrier = function() return weir.barrier(1) end,
    Once = weir.once,
    Timer = function() return weir.after(1) end,
    Interval = function() return weir.interval(1) end,
  }
  for kind, new in pairs(shared) do
    it(kind .. " into a task", paused(function()
      local x = new()
      local task = weir.spawn(function(y) return y end, x)
      assert.equal(kind, weir.type(x))
      assert.equal(x, second(task:join()))
      assert.equal(kind, weir.type(x))
    end))

    it(kind .. " into a channel", paused(function()
      local x = new()
      local tx, rx = weir.mpsc(1)
      tx:send(x)
      assert.equal(kind, weir.type(x))
      assert.equal(x, rx:recv())
    end))

    it(kind .. " into a watch, which may carry it", paused(function()
      local x = new()
      local tx, rx = weir.watch(0)
      assert.is_true(tx:send(x))
      assert.equal(x, rx:borrow())
    end))

    it(kind .. " and tells its kind in tostring", paused(function()
      assert.matches(kind, tostring(new()), 1, true)
    end))
  end
end)
