-- SPDX-License-Identifier: MIT
-- actor_end_spec.lua -- weir.actor: how actors end, who is told, and what keeps them alive.
local weir = require "weir"
local actor = require "weir.actor"
local helper = require "spec.helper"

local paused, failing, settle, later = helper.paused, helper.failing, helper.settle, helper.later

local Counter = {}
function Counter:init(start) self.n = start or 0 end
function Counter:add(by) self.n = self.n + by return self.n end
function Counter:get() return self.n end

local Box = {}
function Box:init(log) self.log = log or {} end
function Box:note(word) table.insert(self.log, word) return #self.log end
function Box.echo(_, ...) return ... end
function Box.sleep(_, s) weir.sleep(s) return "slept" end
function Box.fail(_, err) error(err, 0) end
function Box.break_down() local t = nil; return t.field end
function Box:leave() self:stop_self() return "left" end

local function counter(start, capacity)
  return actor.spawn(Counter, { capacity = capacity or 16, name = "counter" }, start)
end

local function box(capacity, ...)
  return actor.spawn(Box, { capacity = capacity or 16, name = "box" }, ...)
end

describe("reference:stop", function()
  it("serves what is queued, then ends, and waits for that", paused(function()
    local log = {}
    local ref <close> = box(8, log)
    for i = 1, 5 do ref:cast("note", i) end
    assert.is_true(ref:stop())
    assert.same({ 1, 2, 3, 4, 5 }, log)
    assert.is_false(ref:is_alive())
  end))

  it("refuses what comes after it", paused(function()
    local log = {}
    local ref <close> = box(8, log)
    ref:cast("sleep", 5)
    local stopping = later(function() return ref:stop() end)
    assert.same({ nil, "closed" }, { ref:cast("note", 1) })
    assert.same({ nil, "closed" }, { ref:call("note", 2) })
    assert.is_true(helper.join(stopping))
    assert.same({}, log)
  end))

  it("serves an actor that has not begun yet", paused(function()
    local log = {}
    local ref <close> = box(8, log)
    ref:cast("note", 1)
    assert.is_true(ref:stop())
    assert.same({ 1 }, log)
  end))

  it("runs terminate with 'stopped' and returns what it returned", paused(function()
    local Sum = { init = function(self) self.n = 0 end, add = function(self, by) self.n = self.n + by end }
    function Sum:terminate(how) return how, nil, self.n end
    local ref <close> = actor.spawn(Sum, { capacity = 4 })
    ref:cast("add", 3)
    assert.same({ n = 4, true, "stopped", nil, 3 }, table.pack(ref:stop()))
    assert.same({ n = 4, true, "stopped", nil, 3 }, table.pack(ref:join()))
  end))

  it("says 'timeout' of an actor that takes longer, which ends all the same", paused(function()
    local ref <close> = box()
    ref:cast("sleep", 10)
    assert.same({ nil, "timeout" }, { ref:stop(3) })
    assert.is_true(ref:is_alive())
    assert.is_true(ref:join())
  end))

  it("asks without waiting outside a task when its limit is 0", function()
    local log = {}
    local ref <close> = box(8, log)
    ref:cast("note", 1)
    helper.blames(function() ref:stop() end, "task")
    assert.same({ nil, "timeout" }, { ref:stop(0) })
    weir.run_paused(settle)
    assert.same({ 1 }, log)
    assert.is_true(ref:stop())
  end)

  it("says how an actor ended that fails meanwhile", failing(function()
    local ref <close> = box()
    ref:cast("fail", "oops")
    local ok, err = ref:stop()
    assert.is_false(ok)
    assert.equal("oops", err)
  end))

  it("raises in the actor itself, which has stop_self", paused(function()
    local ref
    ref = actor.spawn({ try = function() return pcall(ref.stop, ref) end }, { capacity = 1 })
    local ok, err = ref:call("try")
    assert.is_false(ok)
    assert.matches("stop_self", err)
    ref:drop()
  end))
end)

describe("self:stop_self", function()
  it("ends the actor after what is queued", paused(function()
    local log = {}
    local ref <close> = box(8, log)
    local left = weir.spawn(function() return ref:call("leave") end)
    local noted = weir.spawn(function() return ref:call("note", 1) end)
    assert.equal("left", helper.join(left))
    assert.equal(1, helper.join(noted))
    assert.is_true(ref:join())
    assert.same({ 1 }, log)
  end))

  it("in init ends the actor before it serves what comes later", paused(function()
    local ref <close> = actor.spawn({ init = function(self) self:stop_self() end }, { capacity = 1 })
    assert.is_true(ref:join())
    assert.is_false(ref:is_alive())
  end))
end)

describe("reference:kill", function()
  it("ends the actor at its wait; the caller it served and those in line get 'closed'", paused(function()
    local ref <close> = box(8)
    local served = later(function() return ref:call("sleep", 100) end)
    local queued = later(function() return ref:call("note", 1) end)
    ref:kill()
    assert.same({ n = 3, true, nil, "closed" }, table.pack(served:join()))
    assert.same({ n = 3, true, nil, "closed" }, table.pack(queued:join()))
    assert.same({ n = 2, false, "aborted" }, table.pack(ref:join()))
    assert.is_true(weir.now() < 100)
  end))

  it("runs <close> variables of the handler and not terminate", paused(function()
    local log = {}
    local Held = { terminate = function() log[#log + 1] = "terminate" end }
    function Held.hold() local _ <close> = helper.closing(log, "close") weir.sleep(100) end
    local ref <close> = actor.spawn(Held, { capacity = 1 })
    ref:cast("hold")
    settle()
    ref:kill()
    ref:join()
    assert.same({ "close" }, log)
  end))

  it("ends an actor that has not begun, whose init then never runs", paused(function()
    local begun = false
    local ref <close> = actor.spawn({ init = function() begun = true end, f = print }, { capacity = 1 })
    local told = ref:monitor()
    ref:kill()
    assert.is_false(ref:is_alive())
    assert.equal("aborted", told:recv())
    assert.same({ nil, "closed" }, { ref:call("f") })
    settle()
    assert.is_false(begun)
  end))

  it("of an actor that has ended changes nothing", paused(function()
    local ref <close> = counter()
    ref:stop()
    assert.is_true(ref:kill())
    assert.is_true(ref:join())
  end))
end)

describe("reference:join", function()
  it("gives the error and the place where it was raised", failing(function()
    local ref <close> = box()
    local joining = later(function() return ref:join() end)
    ref:cast("break_down")
    local _, ok, err, traceback = joining:join()
    assert.is_false(ok)
    assert.matches("attempt to index", err)
    assert.matches("^stack traceback:\n%s+spec/actor_end_spec.lua:%d+: in [^\n]+$", traceback)
  end))

  it("says 'timeout' of an actor that lives on, and polls with 0 anywhere", paused(function()
    local ref <close> = counter()
    assert.same({ nil, "timeout" }, { ref:join(5) })
    assert.same({ nil, "timeout" }, { ref:join(0) })
    ref:stop()
    assert.is_true(ref:join(0))
  end))

  it("may be asked by many, and again", paused(function()
    local ref <close> = counter()
    local joins = {}
    for i = 1, 3 do joins[i] = later(function() return ref:join() end) end
    ref:stop()
    for i = 1, 3 do assert.is_true(helper.join(joins[i])) end
    assert.is_true(ref:join())
  end))

  it("keeps no record of those who were cut short", paused(function()
    local ref <close> = counter()
    for _ = 1, 200 do assert.same({ nil, "timeout" }, { ref:join(0.001) }) end
    local before = helper.memory()
    for _ = 1, 2000 do assert.same({ nil, "timeout" }, { ref:join(0.001) }) end
    assert.is_true(helper.memory() - before < 32)
  end))

  it("raises in the actor itself", paused(function()
    local ref
    ref = actor.spawn({ try = function() return pcall(ref.join, ref) end }, { capacity = 1 })
    assert.is_false((ref:call("try")))
    ref:drop()
  end))
end)

describe("reference:monitor", function()
  it("tells 'stopped'", paused(function()
    local ref = counter()
    local told = ref:monitor()
    ref:stop()
    assert.equal("stopped", told:recv())
  end))

  it("tells 'failed' with the error and its traceback, and weir.on_error is spared", function()
    local seen = helper.failures(function()
      weir.run_paused(function()
        local ref <close> = box()
        local told = ref:monitor()
        ref:cast("break_down")
        local how, err, traceback = told:recv()
        assert.equal("failed", how)
        assert.matches("attempt to index", err)
        assert.matches("actor_end_spec.lua:%d+", traceback)
        settle()
      end)
    end)
    assert.equal(0, #seen)
  end)

  it("tells 'aborted' of one that was killed", paused(function()
    local ref <close> = counter()
    local told = ref:monitor()
    settle()
    ref:kill()
    assert.equal("aborted", told:recv())
  end))

  it("answers at once for an actor that has ended", paused(function()
    local ref <close> = counter()
    ref:stop()
    assert.equal("stopped", ref:monitor():try_recv())
  end))

  it("is an awaitable of select", paused(function()
    local ref <close> = counter()
    local told = ref:monitor()
    assert.same({ "tick", n = 1 }, { (weir.select { down = told, tick = weir.after(1) }), n = 1 })
    weir.spawn(function() ref:stop() end)
    assert.same({ "down", "stopped" }, { weir.select { down = told, tick = weir.after(1) } })
  end))

  it("does not keep the actor alive", paused(function()
    local ref = counter()
    local told = ref:monitor()
    ref:drop()
    assert.equal("stopped", told:recv())
  end))
end)

describe("a behaviour's init that fails", function()
  it("ends the actor; terminate does not run, callers get 'closed'", failing(function(seen)
    local terminated = false
    local Bad = { init = function() error("no disk", 0) end, f = print }
    function Bad.terminate() terminated = true end
    local ref <close> = actor.spawn(Bad, { capacity = 1 })
    assert.same({ nil, "closed" }, { ref:call("f") })
    assert.same({ false, "no disk" }, { (ref:join()), (select(2, ref:join())) })
    assert.is_false(terminated)
    assert.equal(1, #seen)
  end))

  it("may wait; reference:ready waits for it", paused(function()
    local ref <close> = actor.spawn({ init = function() weir.sleep(3) end }, { capacity = 1 })
    assert.same({ nil, "timeout" }, { ref:ready(1) })
    local start = weir.now()
    assert.is_true(ref:ready())
    assert.equal(2, weir.now() - start)
    assert.is_true(ref:ready(0))
  end))

  it("is polled by reference:ready(0) anywhere, which raises outside a task if it must wait", function()
    local ref <close> = counter()
    helper.blames(function() ref:ready() end, "task")
    assert.same({ nil, "timeout" }, { ref:ready(0) })
    weir.run_paused(function() assert.is_true(ref:ready()) end)
    assert.is_true(ref:ready())
  end)

  it("after it returned once leaves reference:ready true, even when the actor has ended", paused(function()
    local ref <close> = counter()
    ref:stop()
    assert.is_true(ref:ready())
  end))

  it("is what reference:ready returns later, too", failing(function()
    local ref <close> = actor.spawn({ init = function() error("no disk", 0) end }, { capacity = 1 })
    ref:join()
    assert.same({ false, "no disk" }, { (ref:ready()), (select(2, ref:ready())) })
  end))

  it("is what reference:ready returns", failing(function()
    local ref <close> = actor.spawn({ init = function() error("no disk", 0) end }, { capacity = 1 })
    local ok, err = ref:ready()
    assert.is_false(ok)
    assert.equal("no disk", err)
  end))
end)

describe("a behaviour's terminate", function()
  it("gets 'failed' and the error", failing(function()
    local how, err
    local Bad = { fail = function() error("oops", 0) end }
    function Bad.terminate(_, h, e) how, err = h, e end
    local ref <close> = actor.spawn(Bad, { capacity = 1 })
    pcall(ref.call, ref, "fail")
    ref:join()
    assert.same({ "failed", "oops" }, { how, err })
  end))

  it("that fails makes the end a failure", failing(function()
    local ref <close> = actor.spawn({ terminate = function() error("no disk", 0) end }, { capacity = 1 })
    local ok, err = ref:stop()
    assert.is_false(ok)
    assert.equal("no disk", err)
  end))

  it("that fails after a failure is reported, and the first error stays", failing(function(seen)
    local Bad = { fail = function() error("first", 0) end }
    function Bad.terminate() error("second", 0) end
    local ref <close> = actor.spawn(Bad, { capacity = 1 })
    local told = ref:monitor()
    ref:cast("fail")
    assert.same({ "failed", "first" }, { (told:recv()), (select(2, ref:join())) })
    settle()
    assert.equal(1, #seen)
    assert.matches("^second", seen[1].err)
  end))
end)

describe("an error that is not a string", function()
  it("reaches weir.on_error, join and monitor as it is", failing(function(seen)
    local err = { code = 7 }
    local ref <close> = box()
    ref:cast("fail", err)
    settle()
    assert.equal(err, seen[1].err)
    assert.equal(err, (select(2, ref:join())))
    assert.equal(err, (select(2, ref:monitor():recv())))
  end))
end)

describe("an error in a <close> variable", function()
  local function closing(f) return setmetatable({}, { __close = f }) end

  -- Holds a value with this __close, and waits or fails.
  local Holder = {}
  function Holder.hold(_, f) local _ <close> = closing(f) weir.sleep(1000) end
  function Holder.fail(_, f, err) local _ <close> = closing(f) error(err, 0) end

  local function holding(f)
    local ref = actor.spawn(Holder, { capacity = 1 })
    ref:cast("hold", f)
    settle()
    return ref
  end

  it("of an actor that is killed is what join, monitor and weir.on_error tell", failing(function(seen)
    local err = {}
    local ref = holding(function() error(err) end)
    local told = ref:monitor()
    ref:kill()
    local ok, joined, traceback = ref:join()
    assert.is_false(ok)
    assert.equal(err, joined)
    assert.equal("string", type(traceback))
    local how, sent = told:recv()
    assert.equal("failed", how)
    assert.equal(err, sent)
    assert.equal(err, seen[1].err)
  end))

  it("of a supervised actor that is killed is told to on_failure", failing(function()
    local told
    local sup <close> = actor.supervise {
      on_failure = function(_, err) told = err end,
      children = { { name = "holder", behaviour = Holder, capacity = 1 } },
    }
    local ref = sup:child "holder"
    ref:cast("hold", function() error("no disk", 0) end)
    settle()
    ref:kill()
    settle()
    assert.equal("no disk", told)
  end))

  it("that waits when the actor is killed says that it cannot", failing(function()
    local ref = holding(function() weir.sleep(1) end)
    ref:kill()
    local ok, err = ref:join()
    assert.is_false(ok)
    assert.matches("<close> handler must not wait", err)
  end))

  it("does not hide the error of the handler from it", failing(function()
    local given
    local ref = actor.spawn(Holder, { capacity = 1 })
    local err = {}
    ref:cast("fail", function(_, e) given = e end, err)
    ref:join()
    assert.equal(err, given)
  end))

  it("that is the handler's own again comes with the place where the handler raised it", failing(function()
    local ref = actor.spawn(Holder, { capacity = 1 })
    ref:cast("fail", function(_, err) error(err, 0) end, "oops")
    local ok, err, traceback = ref:join()
    assert.is_false(ok)
    assert.equal("oops", err)
    assert.no.matches("metamethod 'close'", traceback)
  end))
end)

describe("what has already happened to an actor", function()
  local function gives_way(ask)
    return paused(function()
      local others = 0
      later(function()
        while true do
          others = others + 1
          weir.yield()
        end
      end)
      ask()                                   -- until it has happened
      local before = others
      for _ = 1, 1000 do ask() end
      assert.is_true(others > before)
    end)
  end

  local function ended()
    local ref = actor.spawn({}, { capacity = 1 })
    return function() return ref:stop() end, function() return ref:join() end
  end

  it("keeps no loop of ready from giving way", function()
    local ref
    gives_way(function()
      ref = ref or actor.spawn({}, { capacity = 1 })
      assert.is_true(ref:ready())
    end)()
  end)

  it("keeps no loop of join from giving way", function()
    local stop, join = ended()
    gives_way(function()
      stop()
      assert.is_true(join())
    end)()
  end)

  it("keeps no loop of stop from giving way", function()
    gives_way((ended()))()
  end)
end)

describe("references", function()
  it("keep the actor alive: when the last is dropped it ends, after what is queued", paused(function()
    local log = {}
    local ref = box(8, log)
    local told = ref:monitor()
    ref:cast("note", 1)
    ref:drop()
    assert.equal("stopped", told:recv())
    assert.same({ 1 }, log)
  end))

  it("that are forgotten end the actor when they are collected", paused(function()
    local told
    helper.forget(function()
      local ref = counter()
      told = ref:monitor()
    end)
    assert.equal("stopped", told:recv())
  end))

  it("by clone count as another", paused(function()
    local ref = counter()
    local other = ref:clone()
    local told = ref:monitor()
    ref:drop()
    assert.equal(1, other:call("add", 1))
    assert.same({ nil, "empty" }, { told:try_recv() })
    assert.is_true(other:same_actor(other:weak()))
    other:drop()
    assert.equal("stopped", told:recv())
  end))

  it("raise a sentence once dropped, and may be dropped again", paused(function()
    local ref = counter()
    ref:drop()
    local methods = { "call", "cast", "try_cast", "stop", "kill", "is_alive", "join", "monitor", "clone" }
    for _, method in ipairs(methods) do
      helper.blames(function() ref[method](ref, "get") end, "dropped", "clone")
    end
    assert.is_true(ref:drop())
    assert.equal("counter", ref:name())
  end))

  it("have a type and a text", paused(function()
    local ref = counter()
    assert.equal("actor.Reference", actor.type(ref))
    assert.equal("actor.WeakReference", actor.type(ref:weak()))
    assert.is_nil(actor.type({}))
    assert.is_nil(actor.type(1))
    assert.equal("actor.Reference (counter, alive)", tostring(ref))
    assert.equal("actor.WeakReference (counter, alive)", tostring(ref:weak()))
    ref:stop()
    assert.equal("actor.Reference (counter, stopped)", tostring(ref))
    ref:drop()
    assert.equal("actor.Reference (counter, dropped)", tostring(ref))
  end))

  it("may travel in messages and answers like any value", paused(function()
    local one <close> = counter(5)
    local two <close> = box()
    local back = two:call("echo", one)
    assert.equal(5, back:call("get"))
  end))

  it("tell how full the mailbox is", paused(function()
    local ref <close> = box(4)
    ref:cast("note", 1)
    ref:cast("note", 2)
    assert.equal(2, ref:stats().len)
    settle()
    assert.equal(0, ref:stats().len)
    assert.equal(2, ref:stats().received)
  end))
end)

describe("weak references", function()
  it("do not keep the actor alive, and upgrade while one strong reference lives", paused(function()
    local ref = counter(4)
    local weak = ref:weak()
    local strong = weak:upgrade()
    assert.equal(4, strong:call("get"))
    strong:drop()
    assert.is_true(weak:is_alive())
    ref:drop()
    assert.is_nil(weak:upgrade())
    settle()
    assert.is_false(weak:is_alive())
  end))

  it("know of an actor that its run ended before it began", function()
    local weak
    local kept
    weir.run_paused(function()
      kept = counter()
      weak = kept:weak()
    end)
    assert.is_false(weak:is_alive())
    assert.is_nil(weak:upgrade())
    assert.is_false(kept:is_alive())
  end)

  it("do not upgrade to an actor that has ended", paused(function()
    local ref = counter()
    local weak = ref:weak()
    ref:stop()
    assert.is_nil(weak:upgrade())
  end))

  it("let an actor send to itself and still end with its last holder", paused(function()
    local log = {}
    local Ticker = {}
    function Ticker:tick()
      log[#log + 1] = "tick"
      local me = self:myself()
      weir.spawn(function()
        weir.sleep(1)
        local ref <close> = me:upgrade()
        if ref then ref:try_cast("tick") end
      end)
    end
    local ref = actor.spawn(Ticker, { capacity = 1 })
    local told = ref:monitor()
    ref:cast("tick")
    weir.sleep(2.5)
    ref:drop()
    assert.equal("stopped", told:recv())
    assert.same({ "tick", "tick", "tick" }, log)
  end))
end)

describe("a call cut short", function()
  it("by an abort while it waits for its answer leaves the actor in order", paused(function()
    local ref <close> = box()
    local asking = later(function() ref:call("sleep", 5) end)
    settle()
    asking:abort()
    assert.equal("x", ref:call("echo", "x"))
  end))

  it("by an abort in line leaves its place to the next", paused(function()
    local log = {}
    local ref <close> = box(1, log)
    ref:cast("sleep", 5)
    weir.yield()
    weir.yield()
    ref:cast("note", 1)
    local first = later(function() ref:call("note", "aborted") end)
    local second = later(function() return ref:call("note", 2) end)
    first:abort()
    assert.equal(2, helper.join(second))
    assert.same({ 1, 2 }, log)
  end))

  it("with a handle in it, in line, leaves the handle with its owner", paused(function()
    local ref <close> = box(1)
    ref:cast("sleep", 5)
    weir.yield()
    weir.yield()
    ref:cast("note", 1)
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { ref:with_timeout(1):call("echo", tx) })
    assert.is_true(tx:try_send("mine"))
    assert.equal("mine", rx:try_recv())
  end))
end)

describe("the registry", function()
  it("finds an actor by its name, weakly", paused(function()
    local ref = actor.spawn(Counter, { capacity = 4, register = "the counter" }, 3)
    local found = actor.whereis "the counter"
    assert.equal(3, found:call("get"))
    found:drop()
    assert.equal("the counter", ref:name())
    ref:drop()
    assert.is_nil(actor.whereis "the counter")
  end))

  it("gives a name up when its actor has ended", paused(function()
    local ref <close> = counter()
    assert.is_true(actor.register("c", ref))
    ref:stop()
    assert.is_nil(actor.whereis "c")
    local other <close> = counter(1)
    assert.is_true(actor.register("c", other))
    assert.equal(1, actor.whereis("c"):call("get"))
  end))

  it("says 'full' for a name that is taken: spawn moves nothing then", paused(function()
    local tx, rx = weir.mpsc(1)
    local ref <close> = actor.spawn(Counter, { capacity = 1, register = "one" })
    assert.same({ nil, "full" }, { actor.spawn(Counter, { capacity = 1, register = "one" }, tx) })
    assert.is_true(tx:try_send(1))
    rx:drop()
    local other <close> = counter()
    assert.same({ nil, "full" }, { actor.register("one", other) })
    assert.is_true(actor.register("one", ref))
  end))

  it("knows the behaviour that is wanted", paused(function()
    local ref <close> = actor.spawn(Counter, { capacity = 1, register = "typed" })
    assert.is_true(ref:same_actor(actor.whereis("typed", Counter)))
    helper.blames(function() actor.whereis("typed", Box) end, "another behaviour")
    assert.is_nil(actor.whereis("nobody", Counter))
  end))

  it("lists names, and takes one away", paused(function()
    local ref <close> = counter()
    actor.register("b", ref)
    actor.register("a", ref)
    assert.same({ "a", "b" }, actor.registered())
    assert.is_true(actor.unregister "a")
    assert.same({ nil, "empty" }, { actor.unregister "a" })
    assert.same({ "b" }, actor.registered())
    ref:stop()
    assert.same({}, actor.registered())
    assert.same({ nil, "closed" }, { actor.register("c", ref) })
  end))

  it("is empty in the next run", function()
    local kept
    weir.run_paused(function()
      kept = { counter(), counter() }
      actor.register("served", kept[1])
      weir.yield()
      actor.register("never begun", actor.spawn(Counter, { capacity = 1 }))
    end)
    weir.run_paused(function()
      assert.is_nil(actor.whereis "served")
      assert.is_nil(actor.whereis "never begun")
      assert.same({ nil, "closed" }, { kept[1]:call("get") })
      assert.same({}, actor.registered())
    end)
  end)

  it("refuses what is not a name or not an actor", paused(function()
    helper.blames(function() actor.register(1, counter()) end, "string")
    helper.blames(function() actor.register("x", {}) end, "reference")
    helper.blames(function() actor.whereis() end, "string")
    helper.blames(function() actor.unregister() end, "string")
  end))
end)

describe("many actors", function()
  it("leave nothing behind", paused(function()
    local function one()
      local ref <close> = counter(1)
      ref:call("add", 1)
      ref:stop()
    end
    for _ = 1, 50 do one() end
    local before = helper.memory()
    for _ = 1, 500 do one() end
    assert.is_true(helper.memory() - before < 64)
    assert.equal(1, #weir.tasks())
  end))
end)
