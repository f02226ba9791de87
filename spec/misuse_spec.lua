-- SPDX-License-Identifier: MIT
-- misuse_spec.lua -- what only a wrong program does: the error, its words and its line.
-- Long because every public function is called wrongly here.

local weir = require "weir"
local helper = require "spec.helper"

local blames, failing, forget, later, paused, settle =
  helper.blames, helper.failing, helper.forget, helper.later, helper.paused, helper.settle

local huge, nan = math.huge, 0 / 0

local function nop() end

-- One of everything, fresh, on which calls are tried; anchored, so that the collector closes nothing.
local function everything()
  local o = {}
  o.tx, o.rx = weir.mpsc(2)
  o.utx, o.urx = weir.unbounded()
  o.mtx, o.mrx = weir.mpmc(2)
  o.otx, o.orx = weir.oneshot()
  o.wtx, o.wrx = weir.watch(0)
  o.btx, o.brx = weir.broadcast(2)
  o.weak = o.tx:weak()
  o.permit = o.tx:try_reserve()
  o.reservation = o.mtx:reservation()
  o.task = weir.spawn(weir.sleep, 1e6)
  o.set = weir.join_set()
  o.token = weir.cancellation_token()
  o.guard = o.token:child():drop_guard()
  o.timer, o.interval = weir.after(1e6), weir.interval(1)
  o.semaphore = weir.semaphore(4)
  o.sempermit = o.semaphore:try_acquire(2)
  o.notify = weir.notify()
  o.mutex, o.lock = weir.mutex(), weir.rwlock()
  o.lockguard = o.mutex:try_lock()
  o.barrier, o.once = weir.barrier(2), weir.once()
  return o
end

-- ---- functions of the module ------------------------------------------------------------------------

-- name, the number of the wrong argument, then the arguments of one call each.
local functions = {
  { "run", 1, {}, { n = 1 }, { 1 }, { "main" }, { {} } },
  { "run_paused", 1, {}, { n = 1 }, { 1 }, { {} } },
  { "spawn", 1, {}, { n = 1 }, { 1 }, { "f" }, { {} } },
  { "wrap", 1, {}, { n = 1 }, { 1 }, { {} } },
  { "on_error", 1, { 1 }, { "hook" }, { {} } },
  { "sleep", 1, {}, { n = 1 }, { "soon" }, { -1 }, { nan }, { {} } },
  { "sleep_until", 1, {}, { "noon" }, { nan }, { {} } },
  { "advance", 1, {}, { "a bit" }, { -1 }, { nan } },
  { "timeout", 1, {}, { nil, nop }, { -1, nop }, { nan, nop }, { "soon", nop } },
  { "timeout", 2, { 1 }, { 1, n = 2 }, { 1, 2 }, { 1, {} } },
  { "after", 1, {}, { n = 1 }, { -1 }, { nan }, { "soon" }, { {} } },
  { "interval", 1, {}, { 0 }, { -1 }, { nan }, { "often" } },
  { "interval", 2, { 1, 1 }, { 1, "burst" }, { 1, { missed = "never" } }, { 1, { missed = 1 } },
    { 1, { delay = -1 } }, { 1, { delay = nan } }, { 1, { delay = "later" } } },
  { "join_set", 1, { 0 }, { -1 }, { 1.5 }, { nan }, { "many" }, { {} } },
  { "scope", 1, {}, { n = 1 }, { 1 }, { {} } },
  { "join_all", 1, {}, { n = 1 }, { 1 }, { nop } },
  { "race", 1, {}, { n = 1 }, { 1 }, { nop } },
  { "mpsc", 1, {}, { n = 1 }, { 0 }, { -1 }, { 1.5 }, { 2 ^ 31 }, { huge }, { nan }, { "many" }, { {} } },
  { "mpmc", 1, {}, { n = 1 }, { 0 }, { -1 }, { 1.5 }, { 2 ^ 31 }, { huge }, { "many" } },
  { "broadcast", 1, {}, { n = 1 }, { 0 }, { -1 }, { 1.5 }, { huge }, { "many" } },
  { "broadcast", 2, { 1, 1 }, { 1, "wait" }, { 1, { overflow = "drop" } } },
  { "semaphore", 1, {}, { n = 1 }, { -1 }, { 1.5 }, { 2 ^ 31 }, { "many" } },
  { "barrier", 1, {}, { n = 1 }, { -1 }, { 1.5 }, { "many" } },
  { "select", 1, {}, { n = 1 }, { 1 }, { "rx" } },
  { "select_biased", 1, {}, { n = 1 }, { 1 } },
  { "try_select", 1, {}, { n = 1 }, { 1 } },
  { "closed", 1, {}, { n = 1 }, { 1 }, { {} } },
}

local function shown(...)
  local words = {}
  for i = 1, select("#", ...) do
    local x = (select(i, ...))
    words[i] = type(x) == "table" and (next(x) and next(x) .. " = " .. tostring(select(2, next(x))) or "{}")
      or type(x) == "function" and "f" or tostring(x)
  end
  return table.concat(words, ", ")
end

-- A call as a program writes it, since Lua takes the names for its messages from there.
local function written(callee, x, arguments, n)
  local make = assert(load(string.format([[
    local weir, x, a, n = ...
    return function()
      %s(table.unpack(a, 1, n))
    end]], callee), "=program"))
  return make(weir, x, arguments, n)
end

describe("a wrong argument of", function()
  for _, entry in ipairs(functions) do
    local name, position = entry[1], entry[2]
    for i = 3, #entry do
      local arguments = entry[i]
      local n = arguments.n or #arguments
      local call = written("weir." .. name, nil, arguments, n)
      it(string.format("weir.%s(%s) is named with its number, at the caller's line", name, shown(
        table.unpack(arguments, 1, n))), function()
        -- Inside a task, where an argument is all that is wrong; run is for outside.
        if string.find(name, "^run") then blames(call, name, "#" .. position)
        else weir.run_paused(blames, call, name, "#" .. position) end
      end)
    end
  end

  it("weir.loop.step is named", function()
    blames(function() weir.loop.step(-1) end, "step", "#1")
    blames(function() weir.loop.step(nan) end, "step", "#1")
    blames(function() weir.loop.step("soon") end, "step", "#1")
  end)

  it("weir.loop.on_wake is named", function()
    blames(function() weir.loop.on_wake(1) end, "on_wake", "#1")
    blames(function() weir.loop.on_wake({}) end, "on_wake", "#1")
  end)
end)

-- ---- methods ----------------------------------------------------------------------------------------

-- object, method, the number of the wrong argument, then the arguments of one call each.
local methods = {
  { "tx", "send", 1, {} },
  { "tx", "send", 2, { 1, -1 }, { 1, nan }, { 1, "soon" }, { 1, {} } },
  { "tx", "try_send", 1, {} },
  { "tx", "reserve", 1, { -1 }, { nan }, { "soon" } },
  { "tx", "reserve_many", 1, {}, { -1 }, { 1.5 }, { 3 }, { "two" } },
  { "tx", "reserve_many", 2, { 1, -1 }, { 1, "soon" } },
  { "tx", "try_reserve_many", 1, {}, { -1 }, { 1.5 }, { 3 }, { "two" } },
  { "tx", "closed", 1, { -1 }, { nan }, { "soon" } },
  { "tx", "same_channel", 1, {}, { 1 }, { {} } },
  { "tx", "call", 1, {}, { 1 }, { "ask" }, { { reply = 1 } } },
  { "tx", "call", 2, { {}, -1 }, { {}, "soon" } },
  { "utx", "send", 1, {} },
  { "rx", "recv", 1, { -1 }, { nan }, { "soon" }, { {} } },
  { "rx", "recv_many", 1, {}, { 1 } },
  { "rx", "recv_many", 2, { {} }, { {}, -1 }, { {}, 1.5 }, { {}, "all" } },
  { "rx", "recv_many", 3, { {}, 1, -1 }, { {}, 1, "soon" } },
  { "rx", "try_recv_many", 1, {}, { 1 } },
  { "rx", "try_recv_many", 2, { {} }, { {}, -1 } },
  { "permit", "send", 1, {} },
  { "mtx", "send", 1, {} },
  { "mrx", "recv", 1, { -1 }, { "soon" } },
  { "otx", "closed", 1, { -1 }, { "soon" } },
  { "orx", "recv", 1, { -1 }, { nan }, { "soon" } },
  { "wtx", "send", 1, {} },
  { "wtx", "send_replace", 1, {} },
  { "wtx", "send_modify", 1, {}, { 1 } },
  { "wtx", "send_if_modified", 1, {}, { 1 } },
  { "wtx", "closed", 1, { -1 }, { "soon" } },
  { "wrx", "changed", 1, { -1 }, { "soon" } },
  { "wrx", "wait_for", 1, {}, { 1 } },
  { "wrx", "wait_for", 2, { nop, -1 }, { nop, "soon" } },
  { "btx", "send", 1, {} },
  { "btx", "closed", 1, { -1 }, { "soon" } },
  { "brx", "recv", 1, { -1 }, { "soon" } },
  { "task", "join", 1, { -1 }, { nan }, { "soon" }, { {} } },
  { "task", "name", 1, { {} }, { nop } },
  { "set", "spawn", 1, {}, { 1 }, { {} } },
  { "set", "try_spawn", 1, {}, { 1 }, { {} } },
  { "set", "join_next", 1, { -1 }, { nan }, { "soon" } },
  { "token", "cancelled", 1, { -1 }, { nan }, { "soon" } },
  { "token", "run_until_cancelled", 1, {}, { 1 }, { {} } },
  { "timer", "reset", 1, {}, { -1 }, { nan }, { "soon" } },
  { "interval", "reset", 1, { -1 }, { nan }, { "soon" } },
  { "semaphore", "acquire", 1, { -1 }, { 1.5 }, { "two" } },
  { "semaphore", "acquire", 2, { 1, -1 }, { 1, "soon" } },
  { "semaphore", "try_acquire", 1, { -1 }, { 1.5 }, { "two" } },
  { "semaphore", "add_permits", 1, {}, { -1 }, { 1.5 }, { 2 ^ 31 } },
  { "semaphore", "forget_permits", 1, {}, { -1 }, { 1.5 } },
  { "sempermit", "split", 1, {}, { -1 }, { 3 }, { 1.5 } },
  { "sempermit", "merge", 1, {}, { 1 }, { {} } },
  { "notify", "notified", 1, { -1 }, { "soon" } },
  { "mutex", "lock", 1, { -1 }, { "soon" } },
  { "lock", "read", 1, { -1 }, { "soon" } },
  { "lock", "write", 1, { -1 }, { "soon" } },
  { "barrier", "wait", 1, { -1 }, { "soon" } },
  { "once", "get_or_init", 1, {}, { 1 } },
  { "once", "wait", 1, { -1 }, { "soon" } },
}

describe("a wrong argument of the method", function()
  for _, entry in ipairs(methods) do
    local object, method, position = entry[1], entry[2], entry[3]
    for i = 4, #entry do
      local arguments = entry[i]
      it(string.format("%s:%s(%s) is named with its number, at the caller's line", object, method, shown(
        table.unpack(arguments))), paused(function()
        local all = everything()
        local x = all[object]
        assert.equal("function", type(x[method]))
        blames(written("x:" .. method, x, arguments, #arguments), method, "#" .. position)
      end))
    end
  end
end)

-- ---- a wrong self -----------------------------------------------------------------------------------

describe("a method called", function()
  local objects = { "tx", "rx", "otx", "orx", "wtx", "wrx", "btx", "brx", "mrx", "weak", "permit", "task",
                    "set", "token", "guard", "timer", "interval", "semaphore", "sempermit", "notify",
                    "mutex", "lock", "lockguard", "barrier", "once", "reservation" }
  local method_of = {
    tx = "try_send", rx = "try_recv", otx = "send", orx = "try_recv", wtx = "send", wrx = "borrow",
    btx = "send", brx = "try_recv", mrx = "try_recv", weak = "upgrade", permit = "send", task = "abort",
    set = "abort_all", token = "cancel", guard = "disarm", timer = "deadline", interval = "reset",
    semaphore = "available", sempermit = "release", notify = "notify_one", mutex = "try_lock",
    lock = "try_read", lockguard = "unlock", barrier = "wait", once = "get", reservation = "wait",
  }
  for _, object in ipairs(objects) do
    local method = method_of[object]
    it("without an object raises: " .. object .. "." .. method, paused(function()
      local all = everything()
      local f = all[object][method]
      assert.equal("function", type(f))
      blames(function() f() end)
      blames(function() f(nil) end)
      blames(function() f(1) end)
      blames(function() f({}) end)
      blames(function() f(io.stdout) end)
    end))

    it("on an object of another kind raises: " .. object .. "." .. method, paused(function()
      local all = everything()
      local f = all[object][method]
      -- An mpsc and an mpmc are the same channel: they may share their methods.
      local kind = string.gsub(weir.type(all[object]), "^mpmc", "mpsc")
      for other, x in pairs(all) do
        if string.gsub(weir.type(x), "^mpmc", "mpsc") ~= kind then
          assert.is_false(pcall(f, x, 1), other)
        end
      end
    end))
  end

  it("that does not exist is an ordinary Lua error", paused(function()
    local tx, _rx = weir.mpsc(1)
    local ok, err = pcall(function() tx:sned(1) end)
    assert.is_false(ok)
    assert.matches("sned", err)
  end))

  it("on a table that borrows a handle's metatable raises", paused(function()
    local tx, _rx = weir.mpsc(1)
    local meta = debug.getmetatable(tx)
    local fake = debug.setmetatable({}, meta)
    assert.is_false(pcall(function() fake:try_send(1) end))
    assert.is_false(pcall(function() return fake:drop() end))
    debug.setmetatable(fake, nil)
  end))
end)

describe("a handle", function()
  it("takes no new fields", paused(function()
    local tx, _rx = weir.mpsc(1)
    assert.is_false(pcall(function() tx.field = 1 end))
  end))

  it("hides no metamethod behind a name that a method has", paused(function()
    local tx, _rx = weir.mpsc(1)
    assert.is_nil(tx.no_such_method)
  end))
end)

-- ---- wrong use --------------------------------------------------------------------------------------

describe("wrong use", function()
  it("a permit that sends once more than it was good for", paused(function()
    local tx, rx = weir.mpsc(4)
    local permit = tx:reserve_many(2)
    permit:send(1)
    permit:send(2)
    blames(function() permit:send(3) end)
    assert.equal(2, #rx)
  end))

  it("a oneshot sender that sends twice", paused(function()
    local tx, rx = weir.oneshot()
    tx:send "first"
    blames(function() tx:send "second" end)
    assert.equal("first", rx:recv())
  end))

  it("a set on a read guard", paused(function()
    local lock = weir.rwlock(1)
    local guard = lock:read()
    blames(function() guard:set(2) end)
    assert.equal(1, guard:get())
  end))

  it("a guard that was unlocked", paused(function()
    local guard = weir.mutex(1):lock()
    guard:unlock()
    blames(function() guard:get() end)
    blames(function() guard:set(2) end)
  end))

  it("a second task that waits on an mpsc receiver", paused(function()
    local tx, rx = weir.mpsc(1)
    local first = later(function() return rx:recv() end)
    blames(function() rx:recv() end)
    tx:send "to the first"
    assert.same({ true, "to the first" }, { first:join() })
  end))

  it("merging permits of different semaphores", paused(function()
    local a, b = weir.semaphore(1):try_acquire(), weir.semaphore(1):try_acquire()
    blames(function() a:merge(b) end)
  end))

  it("a function of a watch that waits", paused(function()
    local tx, rx = weir.watch(1)
    assert.is_false(pcall(function() tx:send_modify(function() weir.sleep(1) end) end))
    assert.equal(1, rx:borrow())
    assert.is_false(pcall(function() rx:wait_for(function() weir.sleep(1) end) end))
  end))

  it("an awaitable that is none, in a select", paused(function()
    local _tx, rx = weir.mpsc(1)
    blames(function() weir.select { rx, 42 } end)
    blames(function() weir.select { rx, "rx" } end)
    blames(function() weir.select { rx, {} } end)
    blames(function() weir.select { rx, nop } end)
  end))

  it("a send of nil in a select", paused(function()
    local tx, _rx = weir.mpsc(1)
    blames(function() weir.select { { tx, nil } } end)
  end))

  it("a message of call that has a reply already", paused(function()
    local tx, rx = weir.mpsc(1)
    local message = { reply = "taken" }
    blames(function() tx:call(message) end, "call")
    assert.equal("taken", message.reply)
    assert.equal(0, #rx)
  end))
end)

-- ---- waiting where one cannot -----------------------------------------------------------------------

-- Every operation that waits, on what is not ready.
local waits = {
  ["weir.yield"] = function() weir.yield() end,
  ["weir.sleep"] = function() weir.sleep(1) end,
  ["weir.sleep_until"] = function() weir.sleep_until(weir.now() + 1) end,
  ["tx:send"] = function(o)
    o.tx:try_send(1)
    o.tx:send(2)
  end,
  ["tx:reserve"] = function(o)
    o.tx:try_send(1)
    o.tx:reserve()
  end,
  ["tx:reserve_many"] = function(o) o.tx:reserve_many(2) end,
  ["tx:closed"] = function(o) o.tx:closed() end,
  ["tx:call"] = function(o) o.utx:call {} end,
  ["rx:recv"] = function(o) o.rx:recv() end,
  ["rx:recv_many"] = function(o) o.rx:recv_many({}, 1) end,
  ["a for over a receiver"] = function(o) for _ in o.rx do error "none there" end end,
  ["mpmc rx:recv"] = function(o) o.mrx:recv() end,
  ["oneshot rx:recv"] = function(o) o.orx:recv() end,
  ["oneshot tx:closed"] = function(o) o.otx:closed() end,
  ["watch rx:changed"] = function(o) o.wrx:changed() end,
  ["watch rx:wait_for"] = function(o) o.wrx:wait_for(function(v) return v == "never" end) end,
  ["broadcast rx:recv"] = function(o) o.brx:recv() end,
  ["broadcast tx:closed"] = function(o) o.btx:closed() end,
  ["task:join"] = function(o) o.task:join() end,
  ["set:join_next"] = function(o)
    o.set:spawn(weir.sleep, 1e6)
    o.set:join_next()
  end,
  ["token:cancelled"] = function(o) o.token:cancelled() end,
  ["timer:wait"] = function(o) o.timer:wait() end,
  ["interval:tick"] = function(o)
    o.interval:tick()
    o.interval:tick()
  end,
  ["semaphore:acquire"] = function(o) o.semaphore:acquire(3) end,
  ["notify:notified"] = function(o) o.notify:notified() end,
  ["mutex:lock"] = function(o) o.mutex:lock() end,
  ["rwlock:write"] = function(o)
    o.kept = o.lock:try_read()
    o.lock:write()
  end,
  ["barrier:wait"] = function(o) o.barrier:wait() end,
  ["once:wait"] = function(o) o.once:wait() end,
  ["weir.select"] = function(o) weir.select { o.rx, o.wrx } end,
}

-- The error of a wait that could not be: a sentence at a line of this file.
local function is_sentence(ok, err)
  assert.is_false(ok)
  assert.equal("string", type(err))
  assert.matches("misuse_spec%.lua:%d+: %S+ %S+ %S+", err)
end

for name, wait in pairs(waits) do
  describe("waiting in " .. name, function()
    it("outside a task raises a sentence", function()
      local o = everything()
      is_sentence(pcall(wait, o))
      o.task:abort()
      o.set:abort_all()
      weir.run(settle)
    end)

    it("in a plain nested coroutine raises a sentence that names weir.wrap", paused(function()
      local o = everything()
      weir.yield()
      local ok, err = coroutine.wrap(pcall)(wait, o)
      is_sentence(ok, err)
      assert.matches("weir.wrap", err, 1, true)
    end))

    it("where Lua cannot yield raises a sentence", paused(function()
      local o = everything()
      weir.yield()
      local ok, err
      string.gsub("x", "x", function() ok, err = pcall(wait, o) end)
      is_sentence(ok, err)
    end))

    it("in a __close handler of an aborted task raises a sentence", paused(function()
      local o = everything()
      local ok, err
      local task = later(function()
        local _x <close> = setmetatable({}, { __close = function() ok, err = pcall(wait, o) end })
        weir.sleep(1e6)
      end)
      task:abort()
      settle()
      is_sentence(ok, err)
    end))

    it("in a finalizer raises a sentence", paused(function()
      local o = everything()
      weir.yield()
      local ok, err
      forget(function()
        setmetatable({}, { __gc = function() ok, err = pcall(wait, o) end })
      end)
      is_sentence(ok, err)
    end))

    it("works in a task, and leaves it waiting or ready", paused(function()
      local o = everything()
      local task = later(wait, o)
      assert.is_false(task:is_finished())
    end))
  end)
end

describe("waiting where one cannot", function()
  it("raises for weir.timeout when its function waits", paused(function()
    local ok, err = coroutine.wrap(pcall)(weir.timeout, 1, weir.sleep, 1)
    assert.is_false(ok)
    assert.equal("string", type(err))
  end))

  it("raises for run_until_cancelled when its function waits", paused(function()
    local token = weir.cancellation_token()
    local ok, err = coroutine.wrap(pcall)(token.run_until_cancelled, token, weir.sleep, 1)
    assert.is_false(ok)
    assert.equal("string", type(err))
  end))

  it("raises for weir.scope and weir.join_all", paused(function()
    assert.is_false(coroutine.wrap(pcall)(weir.scope, function(scope) scope:spawn(weir.sleep, 1) end))
    assert.is_false(coroutine.wrap(pcall)(weir.join_all, { weir.yield }))
    assert.is_false(coroutine.wrap(pcall)(weir.race, { weir.yield }))
  end))

  it("takes nothing, sends nothing and leaves nobody in line", paused(function()
    local tx, rx = weir.mpsc(1)
    coroutine.wrap(pcall)(rx.recv, rx)
    tx:send "first"
    coroutine.wrap(pcall)(tx.send, tx, "second")
    assert.equal("first", rx:recv())
    assert.equal(1, tx:capacity())
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end))

  it("moves no handle", paused(function()
    local tx, _rx = weir.mpsc(1)
    tx:send "full"
    local sender, inbox = weir.mpsc(1)
    coroutine.wrap(pcall)(tx.send, tx, sender)
    assert.is_true(sender:try_send("mine"))
    assert.equal("mine", inbox:recv())
  end))

  it("in the __close handler of an uncaught error raises", failing(function()
    local ok
    later(function()
      local _x <close> = setmetatable({}, { __close = function() ok = pcall(weir.sleep, 1) end })
      error "uncaught"
    end)
    assert.is_false(ok)
  end))

  it("in the on_error hook raises", function()
    local ok
    local previous = weir.on_error(function() ok = pcall(weir.sleep, 1) end)
    weir.run(function()
      weir.spawn(error, "x")
      settle()
    end)
    weir.on_error(previous)
    assert.is_false(ok)
  end)

  it("with a timeout of 0 works anywhere", paused(function()
    local _tx, rx = weir.mpsc(1)
    local r
    string.gsub("x", "x", function() r = table.pack(rx:recv(0)) end)
    assert.same({ n = 2, nil, "timeout" }, r)
    assert.same({ nil, "timeout" }, { coroutine.wrap(rx.recv)(rx, 0) })
  end))

  it("in a foreign coroutine that a task resumes raises, and the coroutine goes on", paused(function()
    local co = coroutine.create(function()
      local ok = pcall(weir.sleep, 1)
      coroutine.yield(ok)
      return "end"
    end)
    assert.same({ true, false }, { coroutine.resume(co) })
    assert.same({ true, "end" }, { coroutine.resume(co) })
  end))
end)

-- ---- hostile arguments ------------------------------------------------------------------------------

describe("random arguments", function()
  -- Only what cannot stop the specs themselves.
  local left_out = { run = true, run_paused = true, debug = true, on_error = true }

  it("crash no function of the module", paused(function()
    local all = everything()
    local values = { nil, true, false, 0, 1, -1, 0.5, nan, huge, 2 ^ 53, "", "x", {}, { {} }, nop, io.stdout }
    local pool, n = {}, 16
    for i = 1, n do pool[i] = values[i] end
    for _, x in pairs(all) do
      n = n + 1
      pool[n] = x
    end
    local seed = 12345
    local function pick()
      seed = (seed * 1103515245 + 12345) % 2147483648
      return pool[seed // 65536 % n + 1]
    end
    local names = {}
    for name, f in pairs(weir) do
      if type(f) == "function" and not left_out[name] then names[#names + 1] = name end
    end
    table.sort(names)
    for _ = 1, 3000 do
      local name = names[(seed // 65536) % #names + 1]
      local a, b, c = pick(), pick(), pick()
      -- Where Lua cannot yield, so that nothing waits.
      string.gsub("x", "x", function() pcall(weir[name], a, b, c) end)
    end
    assert.equal("string", type(weir.dump()))
  end))

  it("crash no method", paused(function()
    local names, seen = {}, {}
    for _, entry in ipairs(methods) do
      if not seen[entry[2]] then names[#names + 1] = entry[2] end
      seen[entry[2]] = true
    end
    for _, name in ipairs { "move", "drop", "close", "clone", "weak", "upgrade", "release", "disarm", "tick",
                            "abort_all", "detach_all", "shutdown", "join_all", "cancel", "child", "status",
                            "traceback", "stats", "iter", "try_recv", "subscribe", "resubscribe", "borrow",
                            "set", "get", "unlock", "forget", "remaining", "notify_one", "try_lock" } do
      names[#names + 1] = name
    end
    local seed, calls = 54321, 0
    local function random(m)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed // 65536 % m + 1
    end
    local values = { n = 15, true, false, 0, 1, -1, 0.5, nan, huge, "", "x", {}, { {} }, nop, io.stdout }
    for _ = 1, 40 do
      local objects = {}
      for _, x in pairs(everything()) do objects[#objects + 1] = x end
      local function pick()
        if random(3) == 1 then return objects[random(#objects)] end
        return values[random(values.n)]
      end
      for _ = 1, 200 do
        local x, name = objects[random(#objects)], names[random(#names)]
        local method = x[name]
        if method then
          -- Where Lua cannot yield, so that nothing waits.
          string.gsub("x", "x", function() pcall(method, x, pick(), pick(), pick()) end)
          calls = calls + 1
        end
      end
    end
    settle()
    assert.is_true(calls > 500)
  end))
end)

describe("every method", function()
  it("that is called with something else says by its name what it expects", paused(function()
    local objects = {}
    for _, object in pairs(everything()) do objects[#objects + 1] = object end
    objects[#objects + 1] = weir.rwlock():try_read()
    objects[#objects + 1] = weir.rwlock():try_write()
    local seen = 0
    for _, object in ipairs(objects) do
      local kind = weir.type(object)
      for name, method in pairs(debug.getmetatable(object).__index or {}) do
        for _, other in ipairs { 42, io.stdout } do
          local ok, err = pcall(method, other)
          assert.is_false(ok)
          local of, expected, got = err:match "^bad argument #1 to '(.-)' %((.+) expected, got (.+)%)$"
          assert.equal(name, of, err)
          assert.equal(other == 42 and "number" or "FILE*", got)
          if expected ~= kind and expected ~= "weir handle" then        -- what several kinds share
            local shared = kind:gsub("^mpmc%.", "mpsc."):gsub("^RwLock.+Guard$", "MutexGuard")
            assert.equal(shared, expected, err)
          end
          seen = seen + 1
        end
      end
    end
    assert.is_true(seen > 400)
  end))
end)
