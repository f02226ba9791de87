-- SPDX-License-Identifier: MIT
-- finalizer_alone.lua -- an operation allocates: a finalizer runs inside, and takes what it was to take.
-- In a process of its own (finalizer_spec.lua starts it): in a large heap the collector comes by too rarely.

require "busted.runner"()

local weir = require "weir"
local helper = require "spec.helper"
local paused = helper.paused

-- Repeats `operation` until a finalizer has run inside of it `times` times, and does `theft` there. After
-- each round `settle(result, theft's result or nil, why)` checks and undoes. In generational mode an
-- allocation that is one too many collects what is young at once, and its finalizers run; as little as can
-- be is allocated beside the operation.
local function meddled(times, operation, theft, settle)
  local armed, inside, stolen, hits = false, false, nil, 0
  local meta = { __gc = function()
    armed = false
    if inside then
      inside = false
      hits = hits + 1
      stolen = theft()
    end
  end }
  helper.collect()
  collectgarbage("generational", 1, 100)
  local ok, err = pcall(function()
    for _ = 1, 200000 do
      if not armed then
        armed = true
        setmetatable({}, meta)
      end
      stolen = nil
      inside = true
      local result, why = operation()
      inside = false
      settle(result, stolen, why)
      if hits == times then break end
    end
  end)
  collectgarbage "incremental"
  assert(ok, err)
  assert.equal(times, hits)
end

-- Exactly one of the two has it.
local function one_has_it(result, stolen, why)
  if stolen == nil then assert.is_truthy(result)
  else
    assert.is_truthy(stolen)
    assert.is_nil(result)
    assert.is_truthy(why == "full" or why == "timeout" or why == "empty", why)
  end
end

describe("A finalizer that takes what an operation is about to take", function()
  it("has the lock alone", paused(function()
    local mutex, rwlock = weir.mutex(), weir.rwlock()
    local function try_lock() return mutex:try_lock() end
    local function settle(guard, stolen, why)
      one_has_it(guard, stolen, why)
      if guard then guard:drop() end
      if stolen then stolen:drop() end
    end
    meddled(3, try_lock, try_lock, settle)
    meddled(3, function() return mutex:lock(1) end, try_lock, settle)
    meddled(3, function() return rwlock:try_write() end, function() return rwlock:try_read() end, settle)
    meddled(3, function() return rwlock:write(1) end, function() return rwlock:try_read() end, settle)
    meddled(3, function() return rwlock:read(1) end, function() return rwlock:try_write() end, settle)
    settle(mutex:try_lock(), nil)
    settle(rwlock:try_write(), nil)
  end))

  it("has the permit of a semaphore alone", paused(function()
    local semaphore = weir.semaphore(3)
    local function settle(permit, stolen, why)
      one_has_it(permit, stolen, why)
      if permit then permit:drop() end
      if stolen then stolen:drop() end
      assert.equal(3, semaphore:available())
    end
    local function theft() return semaphore:try_acquire(2) end
    meddled(3, function() return semaphore:try_acquire(2) end, theft, settle)
    meddled(3, function() return semaphore:acquire(2, 1) end, theft, settle)
    meddled(3, function() return semaphore:acquire(3, 1) end, theft, settle)
  end))

  it("has the place in a channel alone", paused(function()
    for _, make in ipairs { weir.mpsc, weir.mpmc } do
      local tx, rx = make(2)
      local function settle(permit, stolen, why)
        one_has_it(permit, stolen, why)
        if permit then permit:drop() end
        if stolen then stolen:drop() end
        assert.equal(2, tx:capacity())
      end
      local function theft() return tx:try_reserve_many(2) end
      meddled(3, function() return tx:try_reserve() end, theft, settle)
      meddled(3, function() return tx:reserve(1) end, theft, settle)
      meddled(3, function() return tx:reserve_many(2, 1) end, theft, settle)
      meddled(3, function()
        local which, permit = weir.select({ tx }, 1)
        if which == nil then return nil, permit end
        return permit
      end, theft, settle)
      meddled(3, function()
        local which, permit = weir.try_select { tx }
        if which == nil then return nil, permit end
        return permit
      end, theft, settle)
      assert.is_true(rx:is_empty())
    end
  end))

  it("has the message alone, and the rest stays in order", paused(function()
    local tx, rx = weir.mpmc(4)
    local sent, other = 0, rx:clone()
    local function fill()
      while tx:try_send(sent + 1) do sent = sent + 1 end
    end
    local function theft() return other:try_recv() end
    fill()
    local base = 0
    meddled(5, function()
      local list = {}
      rx:recv_many(list, 3)
      return list
    end, theft, function(list, stolen)
      local all = {}
      for _, v in ipairs(list) do all[#all + 1] = v end
      for i = 2, #all do assert.is_true(all[i] > all[i - 1]) end
      if stolen then all[#all + 1] = stolen end
      table.sort(all)
      for i, v in ipairs(all) do assert.equal(base + i, v) end
      base = base + #all
      fill()
    end)
  end))

  it("lets who waits without a limit go on when it gives that back", paused(function()
    local core = require "weir.core"
    local semaphore, mutex, lock = weir.semaphore(1), weir.mutex(), weir.rwlock()
    local tx, rx = weir.mpsc(1)
    for _, way in ipairs {
      { function() return semaphore:acquire() end, function() return semaphore:try_acquire() end },
      { function() return mutex:lock() end, function() return mutex:try_lock() end },
      { function() return lock:write() end, function() return lock:try_write() end },
      { function() return tx:reserve() end, function() return tx:try_reserve() end },
    } do
      local left
      weir.debug(true)                            -- handles that nobody owns are listed
      meddled(3, way[1], function()
        local got = way[2]()
        weir.spawn(function()
          weir.sleep(1)
          helper.collect()
          left = 0
          for _, handle in ipairs(core.snapshot().handles) do
            if handle.kind == weir.type(got) then left = left + 1 end
          end
          got:drop()
        end)
        return true
      end, function(got, stolen)
        assert.is_truthy(got)
        if stolen then assert.equal(1, left) end
        got:drop()
      end)
      weir.debug(false)
    end
    assert.is_true(rx:is_empty())
  end))

  it("has the place of a set alone", paused(function()
    local set <close> = weir.join_set(1)
    local function spawn() return set:try_spawn(function() return 1 end) end
    meddled(3, spawn, spawn, function(task, stolen, why)
      one_has_it(task, stolen, why)
      local ended, ok, v = set:join_next()
      assert.equal(task or stolen, ended)
      assert.same({ true, 1 }, { ok, v })
      assert.equal(0, #set)
    end)
  end))

  it("has the room for a broadcast that waits for the slowest alone", paused(function()
    local tx, rx = weir.broadcast(1, { overflow = "wait" })
    local sent, stolen_message = 0, { "stolen" }
    meddled(3, function()
      sent = sent + 1
      return tx:send({ sent }, 1)
    end, function() return tx:send(stolen_message, 0) end, function(n, stolen, why)
      local first, none, reason = rx:try_recv(), rx:try_recv()
      assert(none == nil and reason == "empty")
      if n then assert(n == 1 and first[1] == sent and stolen == nil)
      else assert(why == "timeout" and stolen == 1 and first == stolen_message) end
    end)
  end))

  it("that drops the last sender leaves a weak one nothing to upgrade to", paused(function()
    for _, make in ipairs { weir.mpsc, weir.mpmc, weir.broadcast } do
      local strong, rx, weak
      local function prepare()
        strong, rx = make(2)
        weak = strong:weak()
      end
      prepare()
      meddled(3, function() return weak:upgrade() end, function()
        strong:drop()
        return true
      end, function(upgraded, stolen)
        if stolen then
          assert.is_nil(upgraded)
          assert.equal(0, weak:strong_count())
          assert.same({ nil, "closed" }, { rx:try_recv() })
          rx:drop()
          prepare()
        else
          assert.equal(2, weak:strong_count())
          upgraded:drop()
        end
      end)
    end
  end))

  it("that drops the receiver of a oneshot drops what is sent", paused(function()
    local tx, rx, made
    meddled(12, function()
      made = nil
      tx, rx = weir.oneshot()
      made = rx
      return tx:send("a", nil, "c")
    end, function()
      if made == nil then return nil end                  -- no pair of this round yet
      rx:drop()
      return true
    end, function(ok, stolen, why)
      if not ok then
        assert.is_true(stolen)
        assert.equal("closed", why)
      elseif not stolen then
        assert.same({ "a", nil, "c" }, { rx:try_recv() })
      end
      rx:drop()
    end)
  end))

  -- The next deadline to be started needs memory: a heap that was much larger shrinks. How much is allocated
  -- before varies, so that the collector will come by just then.
  local timers, round = {}, 0
  local function shrinks_next()
    for i = 1, 150 do
      timers[i] = timers[i] or weir.after(1)
      timers[i]:reset(1)
    end
    weir.advance(2)
    weir.yield()
    round = round + 1
    return ("x"):rep(round * 331 % 16384)
  end

  it("that drops what a wait with a timeout is for ends that with a sentence", paused(function()
    local tx, rx
    local function prepare()
      tx, rx = weir.mpsc(1)
      shrinks_next()
    end
    prepare()
    meddled(4, function()
      local ok, v, why = pcall(rx.recv, rx, 1)
      return ok and why or v
    end, function()
      rx:drop()
      return true
    end, function(result, stolen)
      if stolen then assert.matches("receiver is closed: it was dropped", result)
      else assert.equal("timeout", result) end
      tx:drop()
      prepare()
    end)
  end))

  it("that takes the place and drops the sender ends the wait, deadline and all", paused(function()
    local tx, rx, other, taken
    local function prepare()
      tx, rx = weir.mpsc(1)
      other = tx:clone()
    end
    prepare()
    local _quiet, silence = weir.mpsc(1)
    meddled(4, function()
      local ok, permit = pcall(tx.reserve, tx, 1)
      return permit, ok
    end, function()
      taken = other:try_reserve()
      tx:drop()
      return true
    end, function(permit, stolen, ok)
      if stolen then
        assert.is_false(ok)
        assert.matches("moved or dropped while a task waited", permit)
        local began = weir.now()
        assert.same({ nil, "timeout" }, { silence:recv(2) })
        assert.near(2, weir.now() - began, 1e-6)
        taken:drop()
        rx:drop()
        prepare()
      else
        assert.is_true(ok)
        permit:drop()
      end
    end)
  end))

  it("that starts as many deadlines as there is room for leaves room for one more", paused(function()
    local more = {}
    for _, operation in ipairs {
      function() return weir.sleep(1) end,
      function() return weir.after(1) end,
      function() return weir.interval(1) end,
      function() return weir.timeout(1, weir.yield) end,
    } do
      shrinks_next()
      meddled(8, operation, function()
        for i = 1, 16 do more[i] = weir.after(100) end
        return true
      end, function(result)
        assert.is_truthy(result)
        for _, timer in ipairs(more) do timer:reset(0) end
        shrinks_next()
      end)
    end
  end))

  -- Each makes a handle from another, which the finalizer drops meanwhile: as if it had been dropped before.
  local function makes(what, make, from)
    it("that drops the handle from which another is made leaves none behind: " .. what, paused(function()
      local source, rest
      local function prepare() source, rest = make() end
      prepare()
      meddled(4, function()
        local ok, made = pcall(from, source)
        if ok then return made end
        return nil, made
      end, function()
        source:drop()
        return true
      end, function(made, stolen, why)
        if made then
          assert(stolen == nil and weir.type(made):find "^closed" == nil)
          made:drop()
        else
          assert(stolen and why:find("dropped", 1, true), why)
        end
        if stolen then
          if rest then rest(why) end
          prepare()
        end
      end)
    end))
  end

  for _, name in ipairs { "mpsc", "mpmc", "broadcast", "watch" } do
    local function pair() return weir[name](2) end
    local function sender()
      local tx, rx = pair()
      return tx, function()
        assert.is_true(rx:is_closed())
        rx:drop()
      end
    end
    makes("clone of a sender of " .. name, sender, function(tx) return tx:clone() end)
    if name ~= "watch" then
      makes("weak of a sender of " .. name, sender, function(tx) return tx:weak() end)
      makes("clone of a weak sender of " .. name, function()
        local tx = pair()
        return tx:weak(), function()
          assert.equal(0, tx:weak_count())
          tx:drop()
        end
      end, function(weak) return weak:clone() end)
    end
    if name == "watch" or name == "broadcast" then
      makes("subscribe of " .. name, function()
        local tx, rx = pair()
        rx:drop()
        return tx, function() end
      end, function(tx) return tx:subscribe() end)
    end
    if name ~= "mpsc" then
      makes(name == "broadcast" and "resubscribe" or "clone of a receiver of " .. name, function()
        local tx, rx = pair()
        return rx, function()
          assert.is_true(tx:is_closed())
          tx:drop()
        end
      end, function(rx) return name == "broadcast" and rx:resubscribe() or rx:clone() end)
    end
  end
  makes("reservation", function()
    local tx, rx = weir.mpsc(1)
    return tx, function()
      assert.is_true(rx:is_closed())
      rx:drop()
    end
  end, function(tx) return tx:reservation() end)
  makes("split of a permit", function()
    local semaphore = weir.semaphore(1000000)
    return semaphore:try_acquire(1000000), function() assert.equal(1000000, semaphore:available()) end
  end, function(permit) return permit:split(1) end)
end)
