-- SPDX-License-Identifier: MIT
-- actor_spec.lua -- weir.actor: behaviours, mailboxes, calls, casts, handles in messages, replies.
local weir = require "weir"
local actor = require "weir.actor"
local helper = require "spec.helper"

local paused, failing, settle, later = helper.paused, helper.failing, helper.settle, helper.later

-- A counter, and handlers for what a counter should not do.
local Counter = {}
function Counter:init(start) self.n = start or 0 end
function Counter:add(by) self.n = self.n + by return self.n end
function Counter:get() return self.n end
function Counter._secret() return "secret" end

-- Handlers that show how the mailbox is served.
local Box = {}
function Box:init(log) self.log = log or {} end
function Box:note(word) table.insert(self.log, word) return #self.log end
function Box.several() return 1, nil, "three", nil end
function Box.nothing() end
function Box.refuse() return nil, "no such user" end
function Box.echo(_, ...) return ... end
function Box.count(_, ...) return select("#", ...) end
function Box.sleep(_, s) weir.sleep(s) return "slept" end
function Box.fail(_, err) error(err, 0) end
function Box.break_down() local t = nil; return t.field end
function Box:later() self.kept = self:reply_later() return "not this" end
function Box:answer(...) return self.kept:send(...) end
function Box:lose() self:reply_later() end
function Box:forward(to, ...) return to:cast("work", self:reply_later(), ...) end

local Worker = {}
function Worker.work(_, reply, ...) reply:send("done", ...) end

local function counter(start, capacity)
  return actor.spawn(Counter, { capacity = capacity or 16, name = "counter" }, start)
end

local function box(capacity, ...)
  return actor.spawn(Box, { capacity = capacity or 16, name = "box" }, ...)
end

describe("actor.spawn", function()
  it("gives init its arguments, and handlers the state that init made", paused(function()
    local ref <close> = counter(10)
    assert.equal(15, ref:call("add", 5))
    assert.equal(15, ref:call("get"))
  end))

  it("runs a behaviour without init and without terminate", paused(function()
    local ref <close> = actor.spawn({ ping = function() return "pong" end }, { capacity = 1 })
    assert.equal("pong", ref:call("ping"))
    assert.is_true(ref:stop())
  end))

  it("gives each actor a state of its own and leaves the behaviour alone", paused(function()
    local one <close> = counter(1)
    local two <close> = counter(2)
    one:call("add", 10)
    assert.equal(2, two:call("get"))
    assert.is_nil(rawget(Counter, "n"))
  end))

  it("lets a handler use the behaviour's other functions through self, inherited ones too", paused(function()
    local Child = setmetatable({}, { __index = Counter })
    function Child:twice(by) self:add(by) return self:add(by) end
    local ref <close> = actor.spawn(Child, { capacity = 1 }, 0)
    assert.equal(6, ref:call("twice", 3))
  end))

  it("starts at the next turn, never inside the call", paused(function()
    local started = false
    local _ref <close> = actor.spawn({ init = function() started = true end }, { capacity = 1 })
    assert.is_false(started)
    weir.yield()
    assert.is_true(started)
  end))

  it("works before run, and the actor serves in the next run", function()
    local ref <close> = counter(7)
    weir.run_paused(function() assert.equal(7, ref:call("get")) end)
  end)

  it("has no default for the capacity", function()
    for _, capacity in ipairs { 0, -1, 1.5, 2 ^ 31, "16", math.huge } do
      helper.blames(function() actor.spawn(Counter, { capacity = capacity }) end, "capacity")
    end
    helper.blames(function() actor.spawn(Counter, {}) end, "capacity", "no default")
  end)

  it("refuses what is not a behaviour and options that it does not know", function()
    helper.blames(function() actor.spawn(nil, { capacity = 1 }) end, "behaviour")
    helper.blames(function() actor.spawn({ init = 1 }, { capacity = 1 }) end, "behaviour.init")
    helper.blames(function() actor.spawn(Counter) end, "options")
    helper.blames(function() actor.spawn(Counter, { capacity = 1, capcity = 1 }) end, "capcity")
    helper.blames(function() actor.spawn(Counter, { capacity = 1, name = 1 }) end, "name")
  end)

  it("refuses a behaviour that hides what an actor can say to itself", function()
    helper.blames(function() actor.spawn({ reply_later = print }, { capacity = 1 }) end, "reply_later")
  end)

  it("moves the handles among its arguments into the actor's task, which drops them", paused(function()
    local tx, rx = weir.mpsc(1)
    local Sender = {}
    function Sender:init(out) self.out = out end
    function Sender:put(v) return self.out:send(v) end
    local ref = actor.spawn(Sender, { capacity = 1 }, tx)
    helper.blames(function() tx:try_send(1) end, "moved")
    assert.is_true(ref:call("put", "x"))
    assert.equal("x", rx:recv())
    ref:stop()
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("moves nothing if an argument is a closed handle", paused(function()
    local tx, rx = weir.mpsc(1)
    local gone = weir.mpsc(1)
    gone:drop()
    helper.blames(function() actor.spawn(Counter, { capacity = 1 }, tx, gone) end, "#4", "closed")
    assert.is_true(tx:try_send(1))
    rx:drop()
  end))

  it("names the task after the actor, or after the line that spawned it", paused(function()
    local a <close> = counter()
    local b <close> = actor.spawn(Counter, { capacity = 1 })
    local names = {}
    for _, task in ipairs(weir.tasks()) do names[task.name] = true end
    assert.is_true(names.counter)
    assert.equal("counter", a:name())
    assert.matches("actor at .*actor_spec.lua:%d+", b:name())
    assert.is_true(names[b:name()])
  end))
end)

describe("reference:call", function()
  it("returns several values and nils as the handler does", paused(function()
    local ref <close> = box()
    assert.same({ n = 4, 1, nil, "three", nil }, table.pack(ref:call("several")))
    assert.same({ n = 0 }, table.pack(ref:call("nothing")))
    assert.same({ n = 2, nil, "no such user" }, table.pack(ref:call("refuse")))
  end))

  it("hands on arguments with nils among them", paused(function()
    local ref <close> = box()
    assert.equal(3, ref:call("count", nil, 1, nil))
    assert.same({ n = 3, nil, false, nil }, table.pack(ref:call("echo", nil, false, nil)))
  end))

  it("is served in the order of the calls", paused(function()
    local log = {}
    local ref <close> = box(2, log)
    local calls = {}
    for i = 1, 5 do calls[i] = weir.spawn(function() return ref:call("note", i) end) end
    for i = 1, 5 do assert.equal(i, helper.join(calls[i])) end
    assert.same({ 1, 2, 3, 4, 5 }, log)
  end))

  it("returns nil, 'closed' from an actor that has ended", paused(function()
    local ref <close> = counter()
    ref:stop()
    assert.same({ nil, "closed" }, { ref:call("get") })
  end))

  it("raises at the caller's line for a handler that is not there, and hurts nobody", paused(function()
    local ref <close> = counter(3)
    for _, name in ipairs { "nope", "init", "terminate", "_secret", "n", "reply_later" } do
      helper.blames(function() ref:call(name) end, "no handler '" .. name .. "'", "counter")
    end
    helper.blames(function() ref:call(nil) end, "no handler")
    assert.equal(3, ref:call("get"))
  end))

  it("raises outside a task", function()
    local ref <close> = counter()
    helper.blames(function() ref:call("get") end, "task")
  end)

  it("raises when an actor calls itself, which would never end", paused(function()
    local ref
    local Loop = {}
    function Loop.turn() return pcall(ref.call, ref, "turn") end
    ref = actor.spawn(Loop, { capacity = 1, name = "loop" })
    local ok, err = ref:call("turn")
    assert.is_false(ok)
    assert.matches("calls itself", err)
    ref:drop()
  end))

  it("lets a handler wait, and the others wait their turn meanwhile", paused(function()
    local start = weir.now()
    local ref <close> = box(4)
    local slow = later(function() return ref:call("sleep", 5) end)
    local quick = later(function() return ref:call("note", "x") end)
    weir.sleep(4)
    assert.is_false(quick:is_finished())
    assert.equal("slept", helper.join(slow))
    assert.equal(1, helper.join(quick))
    assert.equal(5, weir.now() - start)
  end))
end)

describe("reference:call of a handler that fails", function()
  it("raises the error with the actor's traceback joined to the caller's", failing(function()
    local ref <close> = box()
    local function asker() ref:call("break_down") return 1 end      -- the traceback names this line
    local here = debug.getinfo(asker, "S").linedefined
    local ok, err = pcall(asker)
    assert.is_false(ok)
    assert.matches("attempt to index a nil value", err)
    assert.matches("in actor 'box', handler 'break_down'", err)
    local theirs, ours = err:match("handler 'break_down':(.*)called from:(.*)")
    assert.matches("actor_spec.lua:%d+", theirs)
    assert.matches("actor_spec.lua:" .. here .. ":", ours, 1, true)
  end))

  it("raises an error that is not a string as it is", failing(function()
    local ref <close> = box()
    local err = { code = 7 }
    local ok, got = pcall(ref.call, ref, "fail", err)
    assert.is_false(ok)
    assert.equal(err, got)
  end))

  it("ends the actor, and answers those in line with 'closed' at once", failing(function()
    local ref <close> = box(2)
    local bad = weir.spawn(pcall, ref.call, ref, "fail", "oops")
    local queued = {}
    for i = 1, 4 do queued[i] = weir.spawn(function() return ref:call("note", i) end) end
    local start = weir.now()
    for i = 1, 4 do assert.same({ n = 3, true, nil, "closed" }, table.pack(queued[i]:join())) end
    assert.equal(start, weir.now())
    assert.same({ true, false }, { select(1, bad:join()), (select(2, bad:join())) })
    assert.is_false(ref:is_alive())
  end))

  it("answers those in line before terminate has done its waiting", failing(function()
    local Slow = { fail = function() error "oops" end, get = function() return 1 end }
    function Slow.terminate() weir.sleep(60) end
    local ref <close> = actor.spawn(Slow, { capacity = 4 })
    weir.spawn(pcall, ref.call, ref, "fail")
    local queued = later(function() return ref:call("get") end)
    assert.same({ n = 3, true, nil, "closed" }, table.pack(queued:join()))
    assert.is_true(weir.now() < 60)
    assert.is_true(ref:is_alive())
    ref:join()
    assert.is_false(ref:is_alive())
  end))

  it("is not told to weir.on_error as well, since its caller knows", function()
    local seen = helper.failures(function()
      weir.run_paused(function()
        local ref <close> = box()
        assert.is_false(pcall(ref.call, ref, "fail", "oops"))
        settle()
      end)
    end)
    assert.equal(0, #seen)
  end)

  it("reaches weir.on_error when it was a cast and nobody watches", function()
    local seen = helper.failures(function()
      weir.run_paused(function()
        local ref <close> = box()
        ref:cast("break_down")
        settle()
      end)
    end)
    assert.equal(1, #seen)
    assert.matches("attempt to index a nil value", seen[1].err)
    assert.matches("\nstack traceback:\n%s+spec/actor_spec.lua", seen[1].err)
  end)

  it("reaches weir.on_error when its caller has gone away meanwhile", function()
    local seen = helper.failures(function()
      weir.run_paused(function()
        local Late = { fail = function() weir.sleep(5) error("late", 0) end }
        local ref <close> = actor.spawn(Late, { capacity = 1 })
        assert.same({ nil, "timeout" }, { ref:with_timeout(1):call("fail") })
        weir.sleep(10)
      end)
    end)
    assert.equal(1, #seen)
    assert.matches("^late", seen[1].err)
  end)

  it("tells the caller even if the handler had taken the reply to answer later", failing(function()
    local Late = {}
    function Late:take() self.reply = self:reply_later() error("after all", 0) end
    local ref <close> = actor.spawn(Late, { capacity = 1 })
    local ok, err = pcall(ref.call, ref, "take")
    assert.is_false(ok)
    assert.matches("^after all", err)
  end))

  it("fails too when its answer cannot be sent", failing(function()
    local Bad = {}
    function Bad.give() local tx = weir.oneshot() tx:drop() return tx end
    local ref <close> = actor.spawn(Bad, { capacity = 1 })
    local ok, err = pcall(ref.call, ref, "give")
    assert.is_false(ok)
    assert.matches("closed", err)
  end))
end)

describe("reference:with_timeout", function()
  it("limits the whole exchange", paused(function()
    local ref <close> = box()
    assert.same({ nil, "timeout" }, { ref:with_timeout(2):call("sleep", 5) })
    assert.equal("slept", ref:with_timeout(9):call("sleep", 5))
  end))

  it("counts the wait for room", paused(function()
    local ref <close> = box(1)
    weir.spawn(function() ref:call("sleep", 10) end)
    weir.yield()
    weir.yield()
    ref:cast("note", "fills the mailbox")
    assert.same({ nil, "timeout" }, { ref:with_timeout(1):call("note", "x") })
    assert.same({ nil, "timeout" }, { ref:with_timeout(1):cast("note", "y") })
    assert.equal(2, ref:call("note", "last"))
  end))

  it("may be kept and used again", paused(function()
    local ref <close> = counter()
    local quick = ref:with_timeout(1)
    assert.equal(1, quick:call("add", 1))
    assert.is_true(quick:cast("add", 1))
    assert.equal(2, quick:call("get"))
  end))

  it("leaves the actor serving after a caller that gave up", paused(function()
    local ref <close> = box()
    for _ = 1, 3 do assert.same({ nil, "timeout" }, { ref:with_timeout(1):call("sleep", 3) }) end
    assert.equal("still there", ref:call("echo", "still there"))
  end))

  it("refuses a time that is none", paused(function()
    local ref <close> = counter()
    for _, seconds in ipairs { -1, 0 / 0, "1" } do
      helper.blames(function() ref:with_timeout(seconds) end, "seconds")
    end
    helper.blames(function() ref:with_timeout() end, "seconds")
  end))
end)

describe("reference:cast", function()
  it("does not wait for the handler", paused(function()
    local log = {}
    local ref <close> = box(4, log)
    assert.is_true(ref:cast("note", "x"))
    assert.same({}, log)
    settle()
    assert.same({ "x" }, log)
  end))

  it("waits for room", paused(function()
    local log = {}
    local ref <close> = box(1, log)
    ref:cast("sleep", 5)
    weir.yield()
    weir.yield()
    ref:cast("note", 1)
    local start = weir.now()
    assert.is_true(ref:cast("note", 2))
    assert.equal(5, weir.now() - start)
    settle()
    assert.same({ 1, 2 }, log)
  end))

  it("returns nil, 'closed' when the actor ends while it waits for room", failing(function()
    local ref <close> = box(1)
    ref:cast("sleep", 5)
    weir.yield()
    weir.yield()
    ref:cast("fail", "oops")
    local waiting = later(function() return ref:cast("note", 1) end)
    assert.same({ n = 3, true, nil, "closed" }, table.pack(waiting:join()))
  end))

  it("loses nothing and queues nothing when it is aborted while it waits", paused(function()
    local log = {}
    local ref <close> = box(1, log)
    ref:cast("sleep", 5)
    weir.yield()
    weir.yield()
    ref:cast("note", "kept")
    local waiting = later(function() ref:cast("note", "aborted") end)
    waiting:abort()
    ref:cast("note", "next")
    settle()
    assert.same({ "kept", "next" }, log)
  end))

  it("works outside a task while there is room, and raises when there is none", function()
    local log = {}
    local ref <close> = box(1, log)
    assert.is_true(ref:cast("note", 1))
    helper.blames(function() ref:cast("note", 2) end, "task")
    weir.run_paused(settle)
    assert.same({ 1 }, log)
  end)

  it("raises when an actor waits for room in its own mailbox", paused(function()
    local Loop = {}
    function Loop:turn()
      local me = self:myself():upgrade()
      me:cast("turn")
      return pcall(me.cast, me, "turn")
    end
    local ref = actor.spawn(Loop, { capacity = 1, name = "loop" })
    local ok, err = ref:call("turn")
    assert.is_false(ok)
    assert.matches("casts to itself", err)
    ref:kill()
    ref:join()
  end))
end)

describe("reference:try_cast", function()
  it("raises for a handler that is not there, as cast does", paused(function()
    local ref <close> = box()
    helper.blames(function() ref:try_cast("nope") end, "no handler 'nope'")
    helper.blames(function() ref:cast("nope") end, "no handler 'nope'")
  end))

  it("says 'full' instead of waiting, and 'closed' at the end", paused(function()
    local ref <close> = box(1)
    assert.is_true(ref:try_cast("note", 1))
    assert.same({ nil, "full" }, { ref:try_cast("note", 2) })
    settle()
    assert.is_true(ref:try_cast("note", 3))
    ref:stop()
    assert.same({ nil, "closed" }, { ref:try_cast("note", 4) })
  end))
end)

describe("a handle among the arguments of a message", function()
  local Keeper = {}
  function Keeper:give(_, tx) self.tx = tx end
  function Keeper:put(v) return self.tx:try_send(v) end
  function Keeper.use(_, tx, v) return tx:send(v) end

  it("moves into the actor's task by a cast", paused(function()
    local tx, rx = weir.mpsc(4)
    local ref = actor.spawn(Keeper, { capacity = 4 })
    assert.is_true(ref:cast("give", "word", tx))
    helper.blames(function() tx:try_send(1) end, "moved")
    assert.is_true(ref:call("put", "x"))
    assert.equal("x", rx:recv())
    ref:stop()
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("moves by a try_cast, and by a cast from outside a task", function()
    local one, one_rx = weir.mpsc(4)
    local two, two_rx = weir.mpsc(4)
    local ref = actor.spawn(Keeper, { capacity = 4 })
    assert.is_true(ref:try_cast("use", one, "x"))
    assert.is_true(ref:cast("use", two, "y"))
    for _, tx in ipairs { one, two } do helper.blames(function() tx:try_send(1) end, "moved") end
    weir.run_paused(function()
      assert.equal("x", one_rx:recv())
      assert.equal("y", two_rx:recv())
      ref:stop()
      assert.same({ nil, "closed" }, { one_rx:recv() })
      assert.same({ nil, "closed" }, { two_rx:recv() })
    end)
  end)

  it("moves by a call, whose answer comes as ever", paused(function()
    local tx, rx = weir.mpsc(4)
    local ref <close> = actor.spawn(Keeper, { capacity = 4 })
    assert.is_true(ref:call("use", tx, "x"))
    assert.equal("x", rx:recv())
  end))

  it("stays the caller's when there is no room", paused(function()
    local ref <close> = actor.spawn(Keeper, { capacity = 1 })
    ref:cast("put", 0)
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "full" }, { ref:try_cast("give", 1, tx) })
    assert.same({ nil, "timeout" }, { ref:with_timeout(0):call("give", 1, tx) })
    assert.is_true(tx:try_send("mine"))
    assert.equal("mine", rx:try_recv())
    ref:kill()
  end))

  it("stays the caller's when the actor has ended", paused(function()
    local ref <close> = actor.spawn(Keeper, { capacity = 1 })
    ref:stop()
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "closed" }, { ref:call("give", 1, tx) })
    assert.same({ nil, "closed" }, { ref:cast("give", 1, tx) })
    assert.is_true(tx:try_send("mine"))
    rx:drop()
  end))

  it("is dropped with a message that nobody will read", failing(function()
    local ref <close> = box(4)
    local one, one_rx = weir.mpsc(1)
    local two, two_rx = weir.mpsc(1)
    ref:cast("sleep", 5)
    ref:cast("fail", "oops")
    ref:cast("echo", one)
    local asked = later(function() return ref:call("echo", two) end)
    assert.same({ nil, "closed" }, { one_rx:recv() })
    assert.same({ nil, "closed" }, { two_rx:recv() })
    assert.same({ n = 3, true, nil, "closed" }, table.pack(asked:join()))
  end))

  it("is refused if it is closed, or there twice", paused(function()
    local ref <close> = box()
    local tx = weir.mpsc(1)
    helper.blames(function() ref:call("echo", tx, tx) end, "twice")
    tx:drop()
    helper.blames(function() ref:cast("echo", 1, tx) end, "#3", "closed")
  end))

  it("may come back with the answer", paused(function()
    local ref <close> = box()
    local tx, rx = weir.mpsc(1)
    local back = ref:call("echo", tx)
    assert.equal("mpsc.Sender", weir.type(back))
    assert.is_true(back:try_send(1))
    ref:stop()
    assert.equal(1, rx:recv())
    assert.is_true(back:try_send(2))
  end))
end)

describe("self:reply_later", function()
  it("lets a later message answer, and what the handler returned is not the reply", paused(function()
    local ref <close> = box()
    local asked = later(function() return ref:call("later") end)
    settle()
    assert.is_false(asked:is_finished())
    assert.is_true(ref:call("answer", "now", nil, "then"))
    assert.same({ n = 4, true, "now", nil, "then" }, table.pack(asked:join()))
  end))

  it("is nil in a cast", paused(function()
    local got = "unset"
    local ref <close> = actor.spawn({ hear = function(self) got = self:reply_later() end }, { capacity = 1 })
    ref:cast("hear")
    settle()
    assert.is_nil(got)
  end))

  it("can be forwarded to another actor, which answers for this one", paused(function()
    local worker <close> = actor.spawn(Worker, { capacity = 4 })
    local front <close> = box()
    assert.same({ "done", 1, 2 }, { front:call("forward", worker, 1, 2) })
  end))

  it("can be forwarded to a task that outlives the actor", paused(function()
    local Front = {}
    function Front:ask()
      weir.spawn(function(reply) weir.sleep(10) reply:send("late") end, self:reply_later())
    end
    local front = actor.spawn(Front, { capacity = 4 })
    local asked = later(function() return front:call("ask") end)
    settle()
    front:stop()
    assert.equal("late", helper.join(asked))
  end))

  it("closes the caller's wait when the actor ends without an answer", paused(function()
    local ref = box()
    local asked = later(function() return ref:call("later") end)
    settle()
    ref:stop()
    assert.same({ n = 3, true, nil, "closed" }, table.pack(asked:join()))
  end))

  it("closes the caller's wait when the reply was lost", paused(function()
    local ref <close> = box()
    local asked = later(function() return ref:call("lose") end)
    settle()
    helper.collect()
    assert.same({ n = 3, true, nil, "closed" }, table.pack(asked:join()))
  end))

  it("raises for a table that is not the self of an actor", paused(function()
    local self
    local ref <close> = actor.spawn({ init = function(me) self = me end }, { capacity = 1 })
    ref:ready()
    helper.blames(function() self.reply_later({}) end, "self")
  end))
end)
