-- SPDX-License-Identifier: MIT
-- select_spec.lua -- waiting for the first of several: every awaitable, every way to lose.
-- Long because each kind of awaitable has its four cases here.

local weir = require "weir"
local helper = require "spec.helper"

local drain, full_channel, in_task, join, later =
  helper.drain, helper.full_channel, helper.paused, helper.join, helper.later

local function raises(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("select_spec%.lua:%d+: %S", err)
  return err
end

-- A receiver with nothing in it and its sender, which has to stay alive.
local function quiet()
  local tx, rx = weir.mpsc(1)
  return rx, tx
end

-- Some tasks here fail on purpose, before anybody joins them.
local hook
setup(function() hook = weir.on_error(function() end) end)
teardown(function() weir.on_error(hook) end)

describe("weir.select", function()
  it("returns the key of the branch and what its operation returned", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("a")
    assert.same({ "job", "a" }, { weir.select { job = rx } })
  end))

  it("takes an array, too: which is the index", in_task(function()
    local q, qtx = quiet()
    local tx, rx = weir.mpsc(1)
    tx:send("a")
    assert.same({ 2, "a" }, { weir.select { q, rx } })
    assert.is_false(qtx:is_closed())
  end))

  it("gives back any key as it is", in_task(function()
    local tx, rx = weir.mpsc(1)
    for _, key in ipairs { "name", 1.5, true, {}, print } do
      tx:send("a")
      assert.equal(key, (weir.select { [key] = rx }))
    end
  end))

  it("with no branch returns nil, 'empty'", in_task(function()
    assert.same({ nil, "empty" }, { weir.select {} })
    assert.same({ nil, "empty" }, { weir.select({}, 5) })
    assert.same({ nil, "empty" }, { weir.select_biased {} })
  end))

  it("with every branch disabled returns nil, 'empty'", in_task(function()
    assert.same({ nil, "empty" }, { weir.select { a = false, b = false } })
    assert.same({ nil, "empty" }, { weir.select { false, false } })
    assert.same({ nil, "empty" }, { weir.select_biased { false } })
  end))

  it("ignores a branch that is false, ready or not", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("a")
    local enabled = false
    local which = weir.select { off = enabled and rx, tick = weir.after(1) }
    assert.equal("tick", which)
    assert.equal("a", rx:recv())
  end))

  it("keeps the index of a branch behind a disabled one", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("a")
    assert.same({ 3, "a" }, { weir.select { false, false, rx } })
  end))

  it("skips what is absent from an array", in_task(function()
    local absent = nil
    local tx, rx = weir.mpsc(2)
    tx:send("a")
    tx:send("b")
    assert.same({ 2, "a" }, { weir.select { absent, rx } })
    assert.same({ 4, "b" }, { weir.select_biased { absent, false, absent, rx, weir.notify() } })
    assert.equal(3, (weir.select { absent, weir.notify(), weir.after(1), absent }))
  end))

  it("waits for the first branch to become ready", in_task(function()
    local a_tx, a = weir.mpsc(1)
    local b_tx, b = weir.mpsc(1)
    local task = later(function() return weir.select { a = a, b = b } end)
    assert.equal("waiting", task:status())
    b_tx:send("from b")
    assert.same({ "b", "from b" }, { join(task) })
    assert.is_false(a_tx:is_closed())
  end))

  it("takes exactly one of two branches that are ready", in_task(function()
    local a_tx, a = weir.mpsc(1)
    local b_tx, b = weir.mpsc(1)
    a_tx:send("a")
    b_tx:send("b")
    local which, v = weir.select { a = a, b = b }
    assert.equal(which, v)
    assert.equal(1, #a + #b)
  end))

  it("takes exactly one of two that become ready in the same turn", in_task(function()
    local a_tx, a = weir.mpsc(1)
    local b_tx, b = weir.mpsc(1)
    local task = later(function() return weir.select { a = a, b = b } end)
    a_tx:send("a")
    b_tx:send("b")
    local which, v = join(task)
    assert.equal(which, v)
    assert.equal(which == "a" and 0 or 1, #a)
    assert.equal(which == "b" and 0 or 1, #b)
  end))

  it("works outside a task where a branch is ready, and raises where none is", function()
    local tx, rx = weir.mpsc(1)
    raises(function() weir.select { rx } end)
    tx:try_send("a")
    assert.same({ 1, "a" }, { weir.select { rx } })
  end)

  it("raises where Lua cannot yield only if it would wait", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("a")
    string.gsub("x", "x", function()
      assert.same({ 1, "a" }, { weir.select { rx } })
      raises(function() weir.select { rx } end)
    end)
    tx:send("b")
    assert.equal("b", rx:recv())
  end))

  it("gives up on its timeout, on time", in_task(function()
    local rx, tx = quiet()
    local start = weir.now()
    assert.same({ nil, "timeout" }, { weir.select({ rx }, 1.5) })
    assert.is_near(1.5, weir.now() - start, 1e-6)
    assert.is_false(tx:is_closed())
  end))

  it("in time leaves no deadline behind for what its task does next", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function()
      local _, first = weir.select({ rx, weir.notify() }, 1)
      local _, second = weir.select({ rx, weir.notify() })
      return first, second
    end)
    tx:send("a")
    weir.sleep(5)
    assert.equal("waiting", task:status())
    tx:send("b")
    assert.same({ "a", "b" }, { join(task) })
  end))

  it("with a timeout of 0 polls once", in_task(function()
    local rx, tx = quiet()
    assert.same({ nil, "timeout" }, { weir.select({ rx }, 0) })
    tx:send("a")
    assert.same({ 1, "a" }, { weir.select({ rx }, 0) })
  end))

  it("refuses a negative or NaN timeout, and what is no table", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("a")
    raises(function() weir.select({ rx }, -1) end)
    raises(function() weir.select({ rx }, 0 / 0) end)
    raises(function() weir.select() end)
    raises(function() weir.select(rx) end)
    assert.equal(1, #rx)
  end))

  for name, bad in pairs {
    number = 42, string = "rx", ["true"] = true, ["an empty table"] = {}, ["a function"] = print,
    ["a table of no awaitable"] = { 1, 2 },
  } do
    it("refuses a branch that is " .. name .. ", with nothing taken", in_task(function()
      local tx, rx = weir.mpsc(1)
      tx:send("a")
      raises(function() weir.select { rx, bad } end)
      raises(function() weir.select { bad } end)
      assert.equal(1, #rx)
    end))
  end

  it("refuses handles that nothing can be awaited on", in_task(function()
    raises(function() weir.select { weir.mutex() } end)
    raises(function() weir.select { weir.barrier(1) } end)
    raises(function() weir.select { (weir.watch(1)) } end)
  end))

  it("refuses closed and moved handles", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:drop()
    raises(function() weir.select { tx } end)
    raises(function() weir.select { { tx, 1 } } end)
    raises(function() weir.closed(tx) end)
    local moved = rx:move()
    raises(function() weir.select { rx } end)
    assert.same({ 1, nil, "closed" }, { weir.select { moved } })
  end))

  it("keeps its timeout though a branch was a false alarm", in_task(function()
    local tx, rx = weir.watch(1)
    local start = weir.now()
    local task = later(function() return weir.select({ rx, weir.notify() }, 2) end)
    weir.sleep(1)
    tx:send(2)
    rx:mark_unchanged()
    assert.same({ nil, "timeout" }, { join(task) })
    assert.is_near(2, weir.now() - start, 1e-6)
  end))

  it("that raises, a handle gone, leaves no deadline behind", in_task(function()
    local tx, rx = weir.mpsc(1)
    local other_tx, other = weir.mpsc(1)
    local task = later(function()
      raises(function() weir.select({ rx, weir.notify() }, 1) end)
      return other:recv()
    end)
    rx:drop()
    weir.sleep(5)
    assert.equal("waiting", task:status())
    other_tx:send("a")
    assert.equal("a", join(task))
    assert.is_true(tx:is_closed())
  end))

  it("aborted while it waits has taken nothing from any branch", in_task(function()
    local tx, rx = weir.mpsc(1)
    local ftx, frx = full_channel()
    local task = later(function() weir.select { rx, { ftx, "x" }, weir.after(9) } end)
    task:abort()
    assert.same({ false, "aborted" }, { task:join() })
    tx:send("a")
    assert.equal("a", rx:recv())
    assert.equal(0, ftx:stats().waiting_senders)
    assert.same({ "first" }, drain(frx))
  end))

  it("aborted after a receive branch was woken loses nothing", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() weir.select { rx, weir.after(9) } end)
    tx:send("a")
    task:abort()
    task:join()
    assert.equal("a", rx:recv())
  end))

  it("aborted after a send branch was granted gives the room to the next", in_task(function()
    local tx, rx = full_channel()
    local task = later(function() weir.select { { tx, "x" }, weir.after(9) } end)
    local next_one = later(function() return tx:send("next") end)
    rx:try_recv()
    task:abort()
    assert.is_true(join(next_one))
    assert.same({ "next" }, drain(rx))
  end))

  it("cut short by weir.timeout has taken nothing from any branch", in_task(function()
    local tx, rx = weir.mpsc(1)
    local ftx, frx = full_channel()
    local s = weir.semaphore(0)
    assert.is_nil(weir.timeout(1, function() weir.select { rx, { ftx, "x" }, s } end))
    tx:send("a")
    s:add_permits(1)
    assert.equal("a", rx:recv())
    assert.equal(1, s:available())
    assert.same({ "first" }, drain(frx))
  end))

  it("within weir.timeout may lose to it in the same turn without loss", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function()
      return weir.timeout(1, function() return weir.select { rx, weir.after(5) } end)
    end)
    tx:send("a")
    weir.advance(1)
    local ok, which, v = join(task)
    if ok then assert.same({ 1, "a" }, { which, v }) else assert.equal("a", rx:try_recv()) end
    assert.equal(0, #rx)
  end))

  it("does the work of a loop over two receivers until both are closed, nothing lost", in_task(function()
    local a_tx, a = weir.mpsc(2)
    local b_tx, b = weir.mpsc(3)
    local function produce(tx) for i = 1, 100 do tx:send(i) end end
    weir.spawn(produce, a_tx)
    weir.spawn(produce, b_tx)
    local sum, open_a, open_b = { a = 0, b = 0 }, true, true
    while true do
      local which, v = weir.select { a = open_a and a, b = open_b and b }
      if which == nil then break end
      if v then
        sum[which] = sum[which] + v
      elseif which == "a" then
        open_a = false
      else
        open_b = false
      end
    end
    assert.same({ a = 5050, b = 5050 }, sum)
  end))

  for _, n in ipairs { 64, 1000 } do
    it("works over " .. n .. " branches, any of which may win", in_task(function()
      local branches, senders = {}, {}
      for i = 1, n do senders[i], branches[i] = weir.mpsc(1) end
      for _, i in ipairs { 1, n // 2, n } do
        local task = later(function() return weir.select(branches) end)
        senders[i]:send("v")
        assert.same({ i, "v" }, { join(task) })
      end
    end))
  end

  it("leaves the caller's table as it was", in_task(function()
    local tx, rx = weir.mpsc(1)
    local branches = { job = rx, off = false, tick = weir.after(1) }
    local copy = {}
    for k, v in pairs(branches) do copy[k] = v end
    tx:send("a")
    weir.select(branches)
    weir.select(branches)
    for k, v in pairs(copy) do assert.equal(v, branches[k]) end
    for k in pairs(branches) do assert.is_true(copy[k] ~= nil) end
  end))

  it("may be nested in the tasks that it waits for", in_task(function()
    local tx, rx = weir.mpsc(1)
    local function inner() return (select(2, weir.select { rx, weir.after(5) })) end
    local task = weir.spawn(inner)
    local outer = later(function() return weir.select { done = task, late = weir.after(9) } end)
    tx:send("a")
    assert.same({ "done", true, "a" }, { join(outer) })
  end))

  it("gives way once in a while though there is always a branch ready", in_task(function()
    local tx, rx = weir.unbounded()
    for i = 1, 1000 do tx:send(i) end
    local other = false
    weir.spawn(function() other = true end)
    for _ = 1, 1000 do weir.select { rx } end
    assert.is_true(other)
  end))

  it("does not disturb math.random", in_task(function()
    local tx, rx = weir.unbounded()
    for i = 1, 100 do tx:send(i) end
    local function sequence(between)
      math.randomseed(42)
      local s = {}
      for i = 1, 10 do
        between()
        s[i] = math.random(1 << 30)
      end
      return s
    end
    local plain = sequence(function() end)
    local mixed = sequence(function()
      weir.select { rx, weir.after(0), { tx, 1 } }
      weir.try_select { rx, { tx, 1 } }
    end)
    assert.same(plain, mixed)
  end))

  it("chooses uniformly among the branches that are ready at the call", in_task(function()
    local branches, senders = {}, {}
    for i = 1, 3 do senders[i], branches[i] = weir.unbounded() end
    local counts = { 0, 0, 0 }
    for _ = 1, 3000 do
      for i = 1, 3 do if #branches[i] == 0 then senders[i]:send(true) end end
      local which = weir.select(branches)
      counts[which] = counts[which] + 1
    end
    for i = 1, 3 do assert.is_true(math.abs(counts[i] - 1000) < 160, counts[i] .. " of 3000") end
  end))

  it("chooses uniformly whatever stands between the ready ones", in_task(function()
    local q, qtx = quiet()
    local a_tx, a = weir.unbounded()
    local b_tx, b = weir.unbounded()
    local counts = { [2] = 0, [6] = 0 }
    for _ = 1, 2000 do
      if #a == 0 then a_tx:send(1) end
      if #b == 0 then b_tx:send(1) end
      local which = weir.select { q, a, q and false, weir.notify(), false, b }
      counts[which] = counts[which] + 1
    end
    assert.is_true(math.abs(counts[2] - 1000) < 130, counts[2] .. " of 2000")
    assert.is_false(qtx:is_closed())
  end))
end)

describe("weir.select_biased", function()
  it("takes the first ready branch in order, every time", in_task(function()
    local a_tx, a = weir.unbounded()
    local b_tx, b = weir.unbounded()
    for _ = 1, 50 do
      a_tx:send("a")
      b_tx:send("b")
      assert.same({ 1, "a" }, { weir.select_biased { a, b } })
    end
    assert.equal(50, #b)
    assert.same({ 2, "b" }, { weir.select_biased { a, b } })
  end))

  it("skips what is disabled and what is not ready", in_task(function()
    local q, qtx = quiet()
    local tx, rx = weir.mpsc(1)
    tx:send("a")
    assert.same({ 3, "a" }, { weir.select_biased { false, q, rx } })
    assert.is_false(qtx:is_closed())
  end))

  it("waits, and has a timeout, as select has", in_task(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { weir.select_biased({ rx }, 1) })
    local task = later(function() return weir.select_biased { rx, weir.after(5) } end)
    tx:send("a")
    assert.same({ 1, "a" }, { join(task) })
  end))

  it("takes an array only", function()
    local rx, tx = quiet()
    raises(function() weir.select_biased { job = rx } end)
    raises(function() weir.select_biased(rx) end)
    assert.is_false(tx:is_closed())
  end)

  it("aborted after it was woken loses nothing", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() weir.select_biased { rx } end)
    tx:send("a")
    task:abort()
    task:join()
    assert.equal("a", rx:recv())
  end))
end)

describe("weir.try_select", function()
  it("never waits: nil, 'empty' when none is ready", function()
    local rx, tx = quiet()
    assert.same({ nil, "empty" }, { weir.try_select { rx, weir.notify() } })
    assert.same({ nil, "empty" }, { weir.try_select {} })
    assert.is_false(tx:is_closed())
  end)

  it("takes a ready branch", function()
    local rx, tx = quiet()
    tx:try_send("a")
    assert.same({ "job", "a" }, { weir.try_select { job = rx } })
    assert.same({ "sent", true }, { weir.try_select { sent = { tx, "b" } } })
    assert.equal("b", rx:try_recv())
  end)

  it("leaves no waiter behind on any branch", function()
    local tx, rx = full_channel()
    weir.try_select { { tx, "x" }, tx }
    assert.equal(0, tx:stats().waiting_senders)
    assert.same({ "first" }, drain(rx))
    assert.equal(1, tx:capacity())
  end)

  it("does not overtake the line of a sender", in_task(function()
    local tx, rx = full_channel()
    local task = later(function() return tx:send("in line") end)
    rx:try_recv()
    assert.same({ nil, "empty" }, { weir.try_select { { tx, "thief" }, tx } })
    assert.is_true(join(task))
    assert.same({ "in line" }, drain(rx))
  end))

  it("never gives way", in_task(function()
    local tx, rx = weir.unbounded()
    for i = 1, 1000 do tx:send(i) end
    local other = false
    weir.yield()
    weir.spawn(function() other = true end)
    for _ = 1, 500 do weir.try_select { rx } end
    assert.is_false(other)
  end))
end)

describe("select over a receiver", function()
  it("of an mpsc says closed when it is, and before that what is buffered", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("a")
    tx:drop()
    assert.same({ "rx", "a" }, { weir.select { rx = rx } })
    assert.same({ "rx", nil, "closed" }, { weir.select { rx = rx } })
  end))

  it("of an mpsc that closes while it waits", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return weir.select { rx, weir.after(5) } end)
    tx:drop()
    assert.same({ 1, nil, "closed" }, { join(task) })
  end))

  it("of an mpsc that another task waits on is an error", in_task(function()
    local tx, rx = weir.mpsc(1)
    local first = later(function() return rx:recv() end)
    raises(function() weir.select { rx, weir.after(1) } end)
    tx:send("a")
    assert.equal("a", join(first))
  end))

  it("of an mpsc keeps another task from waiting on it, only as long as it waits", in_task(function()
    local tx, rx = weir.mpsc(1)
    local first = later(function() return weir.select({ rx }, 1) end)
    raises(function() rx:recv() end)
    join(first)
    tx:send("a")
    assert.equal("a", rx:recv())
  end))

  it("dropped while the select waits raises there", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function() raises(function() weir.select { rx, weir.after(5) } end) end)
    rx:drop()
    join(task)
    assert.is_true(tx:is_closed())
  end))

  it("of an mpmc takes a message for itself, or gives its turn on", in_task(function()
    local tx, rx = weir.mpmc(2)
    local rx2 = rx:clone()
    local task = later(function() return weir.select { rx, weir.after(5) } end)
    local other = later(function() return rx2:recv() end)
    tx:send("a")
    tx:send("b")
    assert.same({ 1, "a" }, { join(task) })
    assert.equal("b", join(other))
  end))

  it("of an mpmc aborted after the grant gives the message to the next receiver", in_task(function()
    local tx, rx = weir.mpmc(2)
    local rx2 = rx:clone()
    local task = later(function() weir.select { rx, weir.after(5) } end)
    local other = later(function() return rx2:recv() end)
    tx:send("a")
    task:abort()
    assert.equal("a", join(other))
  end))

  it("of an mpmc that loses to another branch leaves the message to others", in_task(function()
    local tx, rx = weir.mpmc(2)
    local n = weir.notify()
    local rx2 = rx:clone()
    local task = later(function() return weir.select { rx = rx, n = n } end)
    local other = later(function() return rx2:recv(1) end)
    n:notify_one()
    tx:send("a")
    local which, v = join(task)
    if which == "n" then
      assert.equal("a", join(other))
    else
      assert.equal("a", v)
      assert.is_nil(join(other))
      assert.is_true(n:notified(0))
    end
  end))

  it("of a oneshot yields all its values", in_task(function()
    local tx, rx = weir.oneshot()
    tx:send(nil, "no such user", 3)
    assert.same({ "answer", nil, "no such user", 3 }, { weir.select { answer = rx } })
    assert.same({ "answer", nil, "closed" }, { weir.select { answer = rx } })
  end))

  it("of a oneshot that is answered, or dropped, while it waits", in_task(function()
    local tx, rx = weir.oneshot()
    local a = later(function() return weir.select { rx, weir.after(5) } end)
    tx:send("v", "w")
    assert.same({ 1, "v", "w" }, { join(a) })
    local tx2, rx2 = weir.oneshot()
    local b = later(function() return weir.select { rx2, weir.after(5) } end)
    tx2:drop()
    assert.same({ 1, nil, "closed" }, { join(b) })
  end))

  it("of a watch waits for changed and marks seen", in_task(function()
    local tx, rx = weir.watch(1)
    local task = later(function() return weir.select { config = rx } end)
    assert.equal("waiting", task:status())
    tx:send(2)
    assert.same({ "config", true }, { join(task) })
    assert.is_false(rx:has_changed())
    tx:drop()
    assert.same({ "config", nil, "closed" }, { weir.select { config = rx } })
  end))

  it("of a watch that loses has marked nothing seen", in_task(function()
    local tx, rx = weir.watch(1)
    local n = weir.notify()
    local task = later(function() return weir.select { n = n, rx = rx } end)
    n:notify_one()
    tx:send(2)
    local which = join(task)
    assert.equal(which == "n", rx:has_changed())
  end))

  it("of a broadcast yields a message, a lag, or closed", in_task(function()
    local tx, rx = weir.broadcast(2)
    for i = 1, 3 do tx:send(i) end
    assert.same({ 1, nil, "lagged", 1 }, { weir.select { rx } })
    assert.same({ 1, 2 }, { weir.select { rx } })
    assert.same({ 1, 3 }, { weir.select { rx } })
    local task = later(function() return weir.select { rx, weir.after(5) } end)
    tx:send(4)
    assert.same({ 1, 4 }, { join(task) })
    tx:drop()
    assert.same({ 1, nil, "closed" }, { weir.select { rx } })
  end))
end)

describe("select over { tx, v }", function()
  it("sends at once where there is room", in_task(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ "sent", true }, { weir.select { sent = { tx, "a" } } })
    assert.equal("a", rx:recv())
  end))

  it("waits for room and then sends", in_task(function()
    local tx, rx = full_channel()
    local task = later(function() return weir.select { { tx, "a" }, weir.after(5) } end)
    rx:recv()
    assert.same({ 1, true }, { join(task) })
    assert.equal("a", rx:recv())
  end))

  it("says closed at once, and when it closes while it waits", in_task(function()
    local tx, rx = full_channel()
    local task = later(function() return weir.select { { tx, "a" }, weir.after(5) } end)
    rx:close()
    assert.same({ 1, nil, "closed" }, { join(task) })
    assert.same({ 1, nil, "closed" }, { weir.select { { tx, "a" } } })
    assert.same({ "first" }, drain(rx))
  end))

  it("is always ready on an unbounded channel", in_task(function()
    local tx, rx = weir.unbounded()
    for i = 1, 100 do assert.same({ 1, true }, { weir.select { { tx, i } } }) end
    assert.equal(100, #rx)
  end))

  it("that loses has sent nothing", in_task(function()
    local tx, rx = full_channel()
    local n = weir.notify()
    local task = later(function() return weir.select { { tx, "a" }, n } end)
    n:notify_one()
    assert.equal(2, (join(task)))
    assert.same({ "first" }, drain(rx))
    assert.equal(1, tx:capacity())
  end))

  it("that loses at the call has sent nothing", in_task(function()
    local tx, rx = weir.mpsc(8)
    local other_tx, other = weir.unbounded()
    local sent = 0
    for _ = 1, 200 do
      other_tx:send("x")
      local which = weir.select { { tx, "a" }, other }
      if which == 1 then
        sent = sent + 1
        assert.equal("a", rx:try_recv())
      end
      assert.equal(0, #rx)
      assert.equal(8, tx:capacity())
      drain(other)
    end
    assert.is_true(sent > 0 and sent < 200)
  end))

  it("granted room in the same turn as another branch sends or passes the room on", in_task(function()
    local tx, rx = full_channel()
    local n = weir.notify()
    local task = later(function() return weir.select { send = { tx, "a" }, n = n } end)
    local behind = later(function() return tx:send("behind", 1) end)
    rx:try_recv()
    n:notify_one()
    local which = join(task)
    if which == "send" then
      assert.same({ "a" }, drain(rx))
      assert.is_true(n:notified(0))
    end
    assert.is_true(join(behind))
    assert.same({ "behind" }, drain(rx))
    assert.equal(1, tx:capacity())
  end))

  it("takes its place in the line behind those who wait", in_task(function()
    local tx, rx = full_channel()
    later(function() tx:send("a") end)
    later(function() weir.select { { tx, "b" } } end)
    later(function() tx:send("c") end)
    rx:recv()
    assert.equal("a", rx:recv())
    assert.equal("b", rx:recv())
    assert.equal("c", rx:recv())
  end))

  it("twice over the same channel sends one of the two", in_task(function()
    local tx, rx = full_channel()
    local task = later(function() return weir.select { { tx, 1 }, { tx, 2 } } end)
    rx:try_recv()
    local which = join(task)
    assert.same({ which }, drain(rx))
    assert.equal(1, tx:capacity())
    assert.equal(0, tx:stats().waiting_senders)
  end))

  it("sends false, and refuses nil", in_task(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ 1, true }, { weir.select { { tx, false } } })
    assert.is_false(rx:recv())
    raises(function() weir.select { { tx, nil } } end)
    raises(function() weir.select { { tx } } end)
    assert.equal(0, #rx)
  end))

  it("sends a function that is the second element: it does not map", in_task(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ 1, true }, { weir.select { { tx, print } } })
    assert.equal(print, rx:recv())
  end))

  it("moves a handle that it sends, only if it wins", in_task(function()
    local tx, rx = full_channel()
    local inner, answer = weir.oneshot()
    assert.equal(2, (weir.select { { tx, inner }, weir.after(1) }))
    assert.equal("oneshot.Sender", weir.type(inner))
    rx:recv()
    assert.equal(1, (weir.select { { tx, inner }, weir.after(1) }))
    assert.equal("closed oneshot.Sender", weir.type(inner))
    rx:recv():send("through")
    assert.equal("through", answer:recv())
  end))

  it("refuses a spent handle as the value, full or not", in_task(function()
    local tx, rx = weir.mpsc(1)
    local spent = weir.oneshot()
    spent:drop()
    raises(function() weir.select { { tx, spent } } end)
    tx:send("first")
    raises(function() weir.select { { tx, spent }, weir.after(1) } end)
    assert.equal(1, #rx)
  end))

  it("works over an mpmc and over a broadcast that waits", in_task(function()
    local tx, rx = weir.mpmc(1)
    assert.same({ 1, true }, { weir.select { { tx, "a" } } })
    assert.equal(2, (weir.select { { tx, "b" }, weir.after(1) }))
    assert.same({ "a" }, drain(rx))
    local btx, brx = weir.broadcast(1, { overflow = "wait" })
    assert.same({ 1, 1 }, { weir.select { { btx, "a" } } })
    local task = later(function() return weir.select { { btx, "b" }, weir.after(5) } end)
    assert.equal("a", brx:recv())
    assert.same({ 1, 1 }, { join(task) })
    assert.equal("b", brx:recv())
  end))
end)

describe("select over a bare sender", function()
  it("yields a permit at once where there is room", in_task(function()
    local tx, rx = weir.mpsc(1)
    local which, p = weir.select { slot = tx }
    assert.equal("slot", which)
    assert.equal("mpsc.Permit", weir.type(p))
    assert.equal(0, tx:capacity())
    assert.is_true(p:send("a"))
    assert.equal("a", rx:recv())
  end))

  it("waits for room", in_task(function()
    local tx, rx = full_channel()
    local task = later(function()
      local which, p = weir.select { slot = tx, late = weir.after(5) }
      return which, p:send("a")
    end)
    rx:recv()
    assert.same({ "slot", true }, { join(task) })
    assert.equal("a", rx:recv())
  end))

  it("says closed at once, and when it closes while it waits", in_task(function()
    local tx, rx = full_channel()
    local task = later(function() return weir.select { tx, weir.after(5) } end)
    rx:close()
    assert.same({ 1, nil, "closed" }, { join(task) })
    assert.same({ 1, nil, "closed" }, { weir.select { tx } })
    assert.same({ "first" }, drain(rx))
  end))

  it("that loses holds no room", in_task(function()
    local tx, rx = weir.mpsc(1)
    local other_tx, other = weir.unbounded()
    for _ = 1, 100 do
      other_tx:send("x")
      local which, v = weir.select { tx, other }
      if which == 1 then v:release() else assert.equal("x", v) end
      drain(other)
      assert.equal(1, tx:capacity())
    end
    assert.equal(0, #rx)
  end))

  it("granted and aborted gives the room to the next", in_task(function()
    local tx, rx = full_channel()
    local task = later(function() weir.select { tx } end)
    local behind = later(function() return tx:send("behind") end)
    rx:try_recv()
    task:abort()
    assert.is_true(join(behind))
    assert.equal("behind", rx:recv())
  end))

  it("of the task that got the permit is dropped at its end", in_task(function()
    local tx, rx = weir.mpsc(1)
    local kept
    join(weir.spawn(function() kept = select(2, weir.select { tx }) end))
    assert.equal("closed mpsc.Permit", weir.type(kept))
    assert.equal(1, tx:capacity())
    assert.equal(0, #rx)
  end))
end)

describe("select over weir.closed(tx)", function()
  it("is ready at once, or later, when the receiver is closed or gone", in_task(function()
    local tx, rx = full_channel()
    local task = later(function() return weir.select { gone = weir.closed(tx), late = weir.after(5) } end)
    rx:close()
    assert.same({ "gone", true }, { join(task) })
    assert.same({ "gone", true }, { weir.select { gone = weir.closed(tx) } })
  end))

  it("works for every kind of sender that has closed()", in_task(function()
    for _, make in ipairs {
      weir.oneshot, weir.unbounded, function() return weir.watch(1) end,
      function() return weir.broadcast(1) end, function() return weir.mpmc(1) end,
    } do
      local tx, rx = make()
      assert.equal(2, (weir.select { weir.closed(tx), weir.after(1) }))
      local task = later(function() return weir.select { weir.closed(tx) } end)
      rx:drop()
      assert.same({ 1, true }, { join(task) })
    end
  end))

  it("of what is no sender is an argument error", function()
    raises(function() weir.closed() end)
    raises(function() weir.closed(42) end)
    raises(function() weir.closed(select(2, weir.mpsc(1))) end)
  end)

  it("that loses leaves nothing behind", in_task(function()
    local tx, rx = weir.mpsc(1)
    for _ = 1, 50 do weir.select({ weir.closed(tx) }, 0) end
    rx:drop()
    assert.is_true(tx:closed())
  end))
end)

describe("select over a token", function()
  it("yields true and the reason", in_task(function()
    local token = weir.cancellation_token()
    local task = later(function() return weir.select { quit = token, late = weir.after(5) } end)
    token:cancel("shutdown")
    assert.same({ "quit", true, "shutdown" }, { join(task) })
    assert.same({ "quit", true, "shutdown" }, { weir.select { quit = token } })
  end))

  it("that loses leaves the token as it was", in_task(function()
    local token = weir.cancellation_token()
    assert.equal(2, (weir.select { token, weir.after(1) }))
    assert.is_false(token:is_cancelled())
  end))
end)

describe("select over a notify", function()
  it("takes a stored notification, or waits for one", in_task(function()
    local n = weir.notify()
    n:notify_one()
    assert.same({ "n", true }, { weir.select { n = n } })
    local task = later(function() return weir.select { n = n, late = weir.after(5) } end)
    n:notify_one()
    assert.same({ "n", true }, { join(task) })
  end))

  it("that is notified and loses passes the notification on", in_task(function()
    local n, m = weir.notify(), weir.notify()
    local task = later(function() return weir.select { n = n, m = m } end)
    local behind = later(function() return n:notified(1) end)
    n:notify_one()
    m:notify_one()
    if join(task) == "n" then
      assert.is_nil(join(behind))
      assert.is_true(m:notified(0))
    else
      assert.is_true(join(behind))
    end
  end))

  it("that is aborted after it was notified passes the notification on", in_task(function()
    local n = weir.notify()
    local task = later(function() weir.select { n, weir.after(5) } end)
    n:notify_one()
    task:abort()
    task:join()
    assert.is_true(n:notified(0))
  end))

  it("that loses at the call keeps the stored notification", in_task(function()
    local n = weir.notify()
    local tx, rx = weir.unbounded()
    n:notify_one()
    tx:send("a")
    if weir.select { n, rx } == 1 then
      assert.equal(1, #rx)
      assert.same({ nil, "timeout" }, { n:notified(0) })
    else
      assert.is_true(n:notified(0))
    end
  end))
end)

describe("select over a semaphore", function()
  it("acquires one permit, at once or later", in_task(function()
    local s = weir.semaphore(1)
    local which, p = weir.select { s = s }
    assert.equal("s", which)
    assert.equal("SemaphorePermit", weir.type(p))
    local task = later(function()
      local k, q = weir.select { s = s, late = weir.after(5) }
      return k, weir.type(q)
    end)
    p:release()
    assert.same({ "s", "SemaphorePermit" }, { join(task) })
    assert.equal(1, s:available())
  end))

  it("says closed at once, and when it closes while it waits", in_task(function()
    local s = weir.semaphore(0)
    local task = later(function() return weir.select { s, weir.after(5) } end)
    s:close()
    assert.same({ 1, nil, "closed" }, { join(task) })
    assert.same({ 1, nil, "closed" }, { weir.select { s } })
  end))

  it("granted and aborted, or lost, gives the permit to the next", in_task(function()
    local s = weir.semaphore(0)
    local task = later(function() weir.select { s, weir.after(5) } end)
    local behind = later(function() return weir.type(s:acquire()) end)
    s:add_permits(1)
    task:abort()
    assert.equal("SemaphorePermit", join(behind))
    assert.equal(1, s:available())
    local p = s:acquire()
    assert.equal(2, (weir.select { s, weir.after(1) }))
    p:release()
    assert.equal(1, s:available())
  end))
end)

describe("select over time", function()
  it("a timer fires once its time has come", in_task(function()
    local start = weir.now()
    local which, ok = weir.select { tick = weir.after(2), late = weir.after(5) }
    assert.equal("tick", which)
    assert.is_true(ok)
    assert.is_near(2, weir.now() - start, 1e-6)
  end))

  it("a timer may be used in many selects until it fires", in_task(function()
    local tx, rx = weir.unbounded()
    local deadline = weir.after(1)
    local start = weir.now()
    weir.spawn(function()
      while not tx:is_closed() do
        weir.sleep(0.3)
        tx:send("tick")
      end
    end)
    local n = 0
    while weir.select { rx, deadline } == 1 do n = n + 1 end
    assert.equal(3, n)
    assert.is_near(1, weir.now() - start, 1e-6)
  end))

  it("a timer wakes all who wait for it", in_task(function()
    local timer = weir.after(1)
    local a = later(function() return weir.select { timer } end)
    local b = later(function() return weir.select { timer, weir.notify() } end)
    local c = later(function() return timer:wait() end)
    assert.same({ 1, true }, { join(a) })
    assert.same({ 1, true }, { join(b) })
    assert.is_true(join(c))
    assert.is_true(timer:is_elapsed())
  end))

  it("a huge timer beside a tiny one loses", in_task(function()
    assert.equal("tiny", (weir.select { huge = weir.after(math.huge), tiny = weir.after(1e-6) }))
  end))

  it("an interval yields the scheduled time, and a lost one has missed no tick", in_task(function()
    local start = weir.now()
    local every = weir.interval(2)
    local which, at = weir.select { tick = every, late = weir.after(5) }
    assert.equal("tick", which)
    assert.is_near(start, at, 1e-6)
    assert.equal("late", (weir.select { tick = every, late = weir.after(1) }))
    local _, second = weir.select { tick = every, late = weir.after(5) }
    assert.is_near(start + 2, second, 1e-6)
  end))
end)

describe("select over tasks", function()
  it("yields what join returns", in_task(function()
    local good = weir.spawn(function() weir.sleep(1) return 1, 2 end)
    assert.same({ "done", true, 1, 2 }, { weir.select { done = good, late = weir.after(5) } })
    assert.same({ "done", true, 1, 2 }, { weir.select { done = good } })
    local err = {}
    local bad = weir.spawn(function() weir.sleep(1) error(err) end)
    local which, ok, e = weir.select { done = bad, late = weir.after(5) }
    assert.equal("done", which)
    assert.is_false(ok)
    assert.equal(err, e)
  end))

  it("says 'aborted' of a task that was", in_task(function()
    local task = later(function() weir.sleep(9) end)
    task:abort()
    assert.same({ 1, false, "aborted" }, { weir.select { task, weir.after(5) } })
  end))

  it("that loses does nothing to the task", in_task(function()
    local task = weir.spawn(function() weir.sleep(2) return "v" end)
    assert.equal(2, (weir.select { task, weir.after(1) }))
    assert.same({ true, "v" }, { task:join() })
  end))

  it("over a set yields the next task that ends; empty is an answer", in_task(function()
    local set <close> = weir.join_set()
    assert.same({ "set", nil, "empty" }, { weir.select { set = set, late = weir.after(1) } })
    local a = set:spawn(function() weir.sleep(2) return "slow" end)
    local b = set:spawn(function() weir.sleep(1) return "quick" end)
    assert.same({ "set", b, true, "quick" }, { weir.select { set = set, late = weir.after(5) } })
    assert.equal("late", (weir.select { set = set, late = weir.after(0.5) }))
    assert.same({ "set", a, true, "slow" }, { weir.select { set = set, late = weir.after(5) } })
  end))

  it("over a set aborted after it was woken loses no result", in_task(function()
    local set <close> = weir.join_set()
    local gate = weir.notify()
    local t = set:spawn(function() gate:notified() return "v" end)
    local waiter = later(function() weir.select { set, weir.after(9) } end)
    gate:notify_one()
    weir.spawn(function() waiter:abort() end)
    local r = { waiter:join() }
    if r[1] == false then
      assert.same({ t, true, "v" }, { set:join_next(1) })
    else
      assert.equal(0, #set)
    end
  end))
end)

describe("select over a mapped branch", function()
  it("returns what the function returned in place of the result", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send(20)
    local function plus_one(v) return v + 1, "and more" end
    assert.same({ "job", 21, "and more" }, { weir.select { job = { rx, plus_one } } })
  end))

  it("calls the function only if its branch wins, once, with all results", in_task(function()
    local tx, rx = weir.mpsc(1)
    local calls = {}
    local function note(...) calls[#calls + 1] = table.pack(...) end
    tx:drop()
    weir.select { { rx, note }, { weir.notify(), note } }
    assert.equal(1, #calls)
    assert.equal(2, calls[1].n)
    assert.same({ nil, "closed", n = 2 }, calls[1])
  end))

  it("maps a branch that becomes ready later", in_task(function()
    local tx, rx = weir.mpsc(1)
    local task = later(function()
      return weir.select { { rx, string.upper }, weir.after(5) }
    end)
    tx:send("a")
    assert.same({ 1, "A" }, { join(task) })
  end))

  it("maps a send written as { { tx, v }, f }", in_task(function()
    local tx, rx = weir.mpsc(1)
    local function say(ok) return ok and "sent" end
    assert.same({ 1, "sent" }, { weir.select { { { tx, "a" }, say } } })
    assert.equal("a", rx:recv())
  end))

  it("maps tokens, timers, tasks, semaphores and notifies", in_task(function()
    local token, n, s = weir.cancellation_token(), weir.notify(), weir.semaphore(1)
    token:cancel("why")
    n:notify_one()
    local task = weir.spawn(function() return 7 end)
    task:join()
    local function second(_, b) return b end
    assert.same({ 1, "why" }, { weir.select { { token, second } } })
    assert.same({ 1, "n" }, { weir.select { { n, function(ok) return ok and "n" end } } })
    assert.same({ 1, "SemaphorePermit" }, { weir.select { { s, weir.type } } })
    assert.same({ 1, "t" }, { weir.select { { weir.after(1), function(ok) return ok and "t" end } } })
    assert.same({ 1, 7 }, { weir.select { { task, second } } })
  end))

  it("raises what the function raises; the message is taken", in_task(function()
    local tx, rx = weir.mpsc(2)
    tx:send("a")
    tx:send("b")
    local err = {}
    local ok, got = pcall(weir.select, { { rx, function() error(err) end } })
    assert.is_false(ok)
    assert.equal(err, got)
    assert.equal("b", rx:recv())
  end))

  it("returns no more than the key if the function returns nothing", in_task(function()
    local tx, rx = weir.mpsc(1)
    tx:send("a")
    assert.equal(1, select("#", weir.select { { rx, function() end } }))
  end))
end)

describe("weir.try_select with a send that has to wait", function()
  it("takes what is ready, whatever the send is to", in_task(function()
    local tx, rx = weir.mpsc(1)
    local full, frx = full_channel()
    local slow, srx = weir.broadcast(1, { overflow = "wait" })
    assert.equal(1, slow:send("first"))
    for i = 1, 40 do
      assert(tx:send(i))
      assert.same({ "job", i }, { weir.try_select { job = rx, a = { full, i }, b = { slow, i } } })
    end
    assert.equal("first", frx:recv())
    assert.equal("first", srx:recv())
  end))
end)

describe("weir.select_biased with the key 0", function()
  it("raises: that is no place in an array", in_task(function()
    local rx, tx = quiet()
    raises(function() weir.select_biased { [0] = rx } end)
    assert.is_false(tx:is_closed())
  end))
end)

describe("a table of many receivers, all of them ready", function()
  local function ready()
    local receivers, senders = {}, {}
    for i = 1, 20 do
      senders[i], receivers[i] = weir.mpsc(2)
      assert(senders[i]:try_send(i))
    end
    return receivers, senders
  end

  it("is tried in order by select_biased, whoever looked at it before", in_task(function()
    local receivers, senders = ready()
    local which = weir.select(receivers)
    assert(senders[which]:try_send(which))
    for i = 1, 20 do assert.same({ i, i }, { weir.select_biased(receivers) }) end
    assert.same({ nil, "timeout" }, { weir.select_biased(receivers, 1) })
  end))
end)

describe("lost selects", function()
  it("leave nobody in line", in_task(function()
    local tx, rx = full_channel()
    local s = weir.semaphore(0)
    for _ = 1, 100 do weir.select({ { tx, "x" }, tx, s }, 0) end
    for _ = 1, 10 do weir.select({ { tx, "x" }, tx, s }, 1) end
    assert.equal(0, tx:stats().waiting_senders)
    rx:recv()
    assert.equal(1, tx:capacity())
    s:add_permits(1)
    assert.equal(1, s:available())
  end))

  it("on quiet channels leave memory flat, a hundred thousand of them", in_task(function()
    local rx, tx = quiet()
    local ftx, frx = full_channel()
    local n, s, token = weir.notify(), weir.semaphore(0), weir.cancellation_token()
    local orx_tx, orx = weir.oneshot()
    local wtx, wrx = weir.watch(1)
    local branches = {
      rx, { ftx, "x" }, n, s, token, orx, wrx, weir.closed(tx), weir.closed(wtx), weir.closed(orx_tx),
    }
    local function round(times)
      for _ = 1, times do weir.select(branches, 1) end
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    local before = round(1000)
    assert.is_true(round(100000) - before < 32)
    assert.equal(1, #frx)
  end))

  it("take no memory of the process either, a million of them", in_task(function()
    local file = io.open("/proc/self/statm")
    if not file then return pending("no /proc here") end
    file:close()
    local function pages()
      collectgarbage()
      local f <close> = assert(io.open("/proc/self/statm"))
      return tonumber((f:read("a"):match("^%d+ (%d+)")))
    end
    local rx, tx = quiet()
    local branches = { rx, weir.notify(), weir.closed(tx) }
    for _ = 1, 20000 do weir.select(branches, 1) end
    local before = pages()
    for _ = 1, 1000000 do weir.select(branches, 1) end
    assert.is_true(pages() - before < 256)
  end))

  it("need no new records where as many branches waited before", in_task(function()
    for _, n in ipairs { 1, 2, 5, 64, 65, 100 } do
      local receivers, senders = {}, {}
      for i = 1, n do receivers[i], senders[i] = quiet() end
      for _ = 1, 2 do weir.select(receivers, 0.01) end
      collectgarbage "stop"
      local before = collectgarbage "count"
      for _ = 1, 20 do weir.select(receivers, 0.01) end
      local grown = collectgarbage "count" - before
      collectgarbage "restart"
      -- (a fourth of what 20 times their records would take: a stack may be larger or smaller meanwhile)
      assert.is_true(grown < 0.27 * n, ("%g KB for %d branches"):format(grown, n))
      assert.equal(n, #senders)
    end
  end))

  it("need no new records where a task that has ended had as many branches", in_task(function()
    local receivers, senders = {}, {}
    for i = 1, 50 do receivers[i], senders[i] = quiet() end
    local function wait() weir.select(receivers, 0.01) end
    local function pause() weir.sleep(0.01) end
    local function grown(f)
      for _ = 1, 2 do weir.spawn(f):join() end
      collectgarbage "stop"
      local before = collectgarbage "count"
      for _ = 1, 20 do weir.spawn(f):join() end
      local kilobytes = collectgarbage "count" - before
      collectgarbage "restart"
      return kilobytes
    end
    local plain = grown(pause)
    assert.near(plain, grown(wait), 2)
    assert.equal(50, #senders)
  end))

  it("keep records for up to 64 branches when fewer wait", in_task(function()
    local receivers, senders = {}, {}
    for i = 1, 65 do receivers[i], senders[i] = quiet() end
    local function takes_memory(first, n)
      weir.select(table.move(receivers, 1, first, 1, {}), 0.01)
      local few = table.move(receivers, 1, n, 1, {})
      collectgarbage "stop"
      local before = collectgarbage "count"
      weir.select(few, 0.01)
      local grown = collectgarbage "count" - before
      collectgarbage "restart"
      return grown > 0.05
    end
    weir.select({ receivers[1] }, 0.01)           -- nothing is left of what others waited for
    assert.is_false(takes_memory(64, 1))
    assert.is_false(takes_memory(65, 9))
    assert.is_true(takes_memory(65, 8))
    assert.equal(65, #senders)
  end))

  it("that wait on a thousand receivers need a record and one place on the stack for each", in_task(function()
    local receivers, senders = {}, {}
    for i = 1, 1000 do receivers[i], senders[i] = quiet() end
    local before = helper.memory()
    local task = later(function() return weir.select(receivers) end)
    local each = (helper.memory() - before) * 1024 / #receivers
    assert.is_true(each < 100, each .. " bytes")
    senders[7]:send "a"
    assert.same({ true, 7, "a" }, { task:join() })
    assert.equal(1000, #senders)
  end))

  it("that were ready at once have allocated nothing", in_task(function()
    local tx, rx = weir.mpsc(1)
    local n = weir.notify()
    local branches = { job = rx, other = n }
    local function round(times)
      for _ = 1, times do
        tx:try_send(1)
        weir.try_select(branches)
      end
    end
    round(100)
    collectgarbage()
    collectgarbage("stop")
    local before = collectgarbage("count")
    round(1000)
    local grown = collectgarbage("count") - before
    collectgarbage("restart")
    assert.is_true(grown < 1, grown .. " KB")
  end))
end)
