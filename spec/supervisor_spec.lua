-- SPDX-License-Identifier: MIT
-- supervisor_spec.lua -- actor.supervise: who is started again, when, in which order, and who is told.
local weir = require "weir"
local actor = require "weir.actor"
local helper = require "spec.helper"

local settle, later = helper.settle, helper.later

-- A body on the virtual clock; failures of tasks are its second argument, not noise on stderr.
local function supervised(body)
  return helper.failing(function(seen) body(seen) end)
end

-- An actor that writes its life into `log`.
local Node = {}
function Node:init(log, name, slow)
  self.log, self.name, self.n = log, name, 0
  if slow then weir.sleep(slow) end
  log[#log + 1] = "+" .. name
end
function Node:note(word) self.log[#self.log + 1] = word end
function Node:add() self.n = self.n + 1 return self.n end
function Node.fail(_, err) error(err or "oops", 0) end
function Node.sleep(_, s) weir.sleep(s) return "slept" end
function Node:leave() self:stop_self() end
function Node.ask(_, other, name, ...) return other:call(name, ...) end
function Node.hold(_, what) local _ <close> = what weir.sleep(1000) end
function Node:terminate(how) self.log[#self.log + 1] = (how == "stopped" and "-" or "!") .. self.name end

-- The spec of a child; `more` adds fields.
local function node(log, name, more)
  local spec = { name = name, behaviour = Node, capacity = 8, args = { log, name, more and more.slow } }
  for key, value in pairs(more or {}) do
    if key ~= "slow" then spec[key] = value end
  end
  return spec
end

local function quiet() end

-- Three nodes a, b, c under a supervisor; `more` adds its fields, `each` those of every child.
local function three(log, more, each)
  local options = {
    name = "sup", intensity = 10, on_failure = quiet,
    children = { node(log, "a", each), node(log, "b", each), node(log, "c", each) },
  }
  for key, value in pairs(more or {}) do options[key] = value end
  return actor.supervise(options)
end

local function forget(log)
  for i = #log, 1, -1 do log[i] = nil end
end

local function crash(ref, err)
  local ok = pcall(ref.call, ref, "fail", err)
  assert.is_false(ok)
end

describe("actor.supervise", function()
  it("starts its children in order, each when the one before has started", supervised(function()
    local log = {}
    local sup <close> = actor.supervise {
      children = { node(log, "a", { slow = 3 }), node(log, "b", { slow = 1 }), node(log, "c") },
    }
    local start = weir.now()
    assert.is_true(sup:ready())
    assert.same({ "+a", "+b", "+c" }, log)
    assert.equal(4, weir.now() - start)
  end))

  it("gives references at once, whose messages wait for the start", supervised(function()
    local log = {}
    local sup <close> = actor.supervise { children = { node(log, "a", { slow = 2 }) } }
    local a = sup:child "a"
    assert.equal(1, a:call("add"))
    assert.is_nil(sup:child "nobody")
  end))

  it("works without children, and before run", function()
    local log = {}
    local empty <close> = actor.supervise {}
    local sup <close> = actor.supervise { children = { node(log, "a") } }
    weir.run_paused(function()
      assert.is_true(empty:ready())
      assert.equal(1, sup:child("a"):call("add"))
      assert.is_true(sup:stop())
    end)
  end)

  it("refuses what it does not understand, at the caller's line", supervised(function()
    local function refuses(options, ...)
      helper.blames(function() actor.supervise(options) end, ...)
    end
    local log = {}
    refuses(nil, "table")
    refuses({ strategie = 1 }, "strategie")
    refuses({ strategy = "all_for_one" }, "one_for_all", "one_for_one", "rest_for_one")
    refuses({ intensity = -1 }, "intensity")
    refuses({ period = -1 }, "period")
    refuses({ shutdown = "5" }, "shutdown")
    refuses({ backoff = { min = 1 } }, "max")
    refuses({ backoff = { min = 2, max = 1 } }, "below")
    refuses({ on_failure = 1 }, "on_failure")
    refuses({ auto_shutdown = "some" }, "auto_shutdown")
    refuses({ children = { 1 } }, "child")
    refuses({ children = { { name = "x", capacity = 1 } } }, "'x'", "behaviour")
    refuses({ children = { { name = "x", behaviour = Node } } }, "'x'", "capacity")
    refuses({ children = { node(log, "a", { restart = "always" }) } }, "permanent", "temporary")
    refuses({ children = { node(log, "a"), node(log, "a") } }, "two children")
    refuses({ children = { node(log, "a", { args = 1 }) } }, "args")
    refuses({ children = { node(log, "a", { supervisor = {} }) } }, "supervisor")
    for key, value in pairs { behaviour = Node, capacity = 1, args = {}, register = "x" } do
      refuses({ children = { { name = "s", supervisor = {}, [key] = value } } }, "'s'", "supervisor")
    end
    refuses({ children = { { name = "s", supervisor = 1 } } }, "'s'", "supervisor")
    refuses({ children = { { name = "s", supervisor = { strategie = 1 } } } }, "strategie")
    refuses({ children = { node(log, "a", { restrt = "permanent" }) } }, "'a'", "restrt")
    refuses({ children = { node(log, "a", { shutdown = -1 }) } }, "'a'", "shutdown")
    refuses({ children = { node(log, "a", { name = 1 }) } }, "name")
    refuses({ children = { node(log, "a", { register = 1 }) } }, "'a'", "register", "string")
    refuses({ children = 1 }, "children", "table")
    refuses({ backoff = { min = 1, max = 2, step = 1 } }, "step")
    refuses({ backoff = { min = 1, max = 2, factor = 0.5 } }, "factor")
    refuses({ backoff = "1" }, "backoff")
    assert.equal(1, #weir.tasks())
  end))

  it("refuses a handle in args, which a second life could not have", supervised(function()
    local tx, rx = weir.mpsc(1)
    helper.blames(function()
      actor.supervise { children = { { name = "x", behaviour = Node, capacity = 1, args = { tx } } } }
    end, "args%[1%]", "function")
    assert.is_true(tx:try_send(1))
    rx:drop()
  end))

  it("asks a function for the arguments of each life, and moves handles among them", supervised(function()
    local tx, rx = weir.mpsc(8)
    local Teller = { fail = function() error("oops", 0) end }
    function Teller.init(_, out, n) out:send(n) end
    local lives = 0
    local sup = actor.supervise {
      on_failure = quiet,
      children = { { name = "t", behaviour = Teller, capacity = 1, args = function()
        lives = lives + 1
        return tx:clone(), lives
      end } },
    }
    assert.equal(1, rx:recv())
    crash(sup:child "t")
    assert.equal(2, rx:recv())
    assert.equal(2, rx:strong_count())
    sup:stop()
    assert.equal(1, rx:strong_count())
    tx:drop()
  end))

  it("counts arguments that cannot be made as a failed start", supervised(function()
    local told = {}
    local sup <close> = actor.supervise {
      intensity = 0, on_failure = function(...) told[#told + 1] = { ... } end,
      children = {
        { name = "x", behaviour = Node, capacity = 1, args = function() error("no args", 0) end },
      },
    }
    local ok, err = sup:join()
    assert.is_false(ok)
    assert.matches("no args", err)
    assert.same({ "x", "no args" }, { told[1][1], told[1][2] })
  end))

  it("waits only in tasks", function()
    local sup <close> = three({})
    for _, method in ipairs { "ready", "join", "stop" } do
      helper.blames(function() sup[method](sup) end, "task")
      helper.blames(function() sup[method](sup, -1) end, "seconds")
    end
    helper.blames(function() sup:stop_child("a") end, "task")
    assert.same({ nil, "timeout" }, { sup:ready(0) })
    assert.same({ nil, "timeout" }, { sup:join(0) })
    assert.same({ nil, "timeout" }, { sup:stop(0) })
    weir.run_paused(function() assert.is_true(sup:join()) end)
    assert.is_true(sup:join())
  end)

  it("has a type, a name and a text", supervised(function()
    local log = {}
    local sup <close> = three(log)
    assert.equal("actor.Supervisor", actor.type(sup))
    assert.equal("sup", sup:name())
    assert.equal("actor.Supervisor (sup, 3 children)", tostring(sup))
    sup:stop()
    assert.equal("actor.Supervisor (sup, stopped)", tostring(sup))
  end))
end)

describe("one_for_one", function()
  it("starts only the child that failed again, with a fresh state", supervised(function()
    local log = {}
    local sup <close> = three(log)
    sup:ready()
    local a, b = sup:child "a", sup:child "b"
    a:call("add")
    b:call("add")
    forget(log)
    crash(b)
    assert.equal(1, b:call("add"))
    assert.equal(2, a:call("add"))
    assert.same({ "!b", "+b" }, log)
  end))

  it("leaves others in their backoff alone", supervised(function()
    local log = {}
    local sup <close> = three(log, { backoff = 10 })
    sup:ready()
    local start = weir.now()
    crash(sup:child "a")
    weir.sleep(4)
    crash(sup:child "b")
    assert.equal(1, sup:child("c"):call("add"))
    assert.equal(1, sup:child("a"):call("add"))
    assert.equal(10, weir.now() - start)
    assert.equal(1, sup:child("b"):call("add"))
    assert.equal(14, weir.now() - start)
  end))
end)

describe("one_for_all", function()
  it("stops the others in reverse order and starts all again in order", supervised(function()
    local log = {}
    local sup <close> = three(log, { strategy = "one_for_all" })
    sup:ready()
    local c = sup:child "c"
    c:call("add")
    forget(log)
    crash(sup:child "b")
    assert.equal(1, c:call("add"))
    assert.same({ "!b", "-c", "-a", "+a", "+b", "+c" }, log)
  end))

  it("answers 'closed' to those in line at a child that goes with the group", supervised(function()
    local log = {}
    local sup <close> = three(log, { strategy = "one_for_all" })
    sup:ready()
    local a = sup:child "a"
    local served = later(function() return a:call("sleep", 1) end)
    local queued = later(function() return a:call("add") end)
    local start = weir.now()
    crash(sup:child "b")
    assert.same({ n = 3, true, nil, "closed" }, table.pack(queued:join()))
    assert.equal(start, weir.now())
    assert.same({ n = 2, true, "slept" }, table.pack(served:join()))
    assert.equal(1, a:call("add"))
  end))

  it("brings back transient children that it stopped itself", supervised(function()
    local log = {}
    local sup <close> = three(log, { strategy = "one_for_all", intensity = 1 }, { restart = "transient" })
    sup:ready()
    for _, name in ipairs { "a", "c" } do sup:child(name):cast("sleep", 1) end
    settle()
    forget(log)
    crash(sup:child "b")
    assert.equal(1, sup:child("c"):call("add"))
    assert.same({ "!b", "-c", "-a", "+a", "+b", "+c" }, log)
    assert.equal(3, #sup:children())
  end))

  it("drops what is queued behind the message that a child is at", supervised(function()
    local log = {}
    local sup <close> = three(log, { strategy = "one_for_all" })
    sup:ready()
    local a = sup:child "a"
    a:cast("sleep", 1)
    a:cast("note", "queued")
    settle()
    forget(log)
    crash(sup:child "b")
    a:cast("note", "sent to the next")
    assert.equal(1, sup:child("c"):call("add"))
    assert.same({ "!b", "-c", "-a", "+a", "sent to the next", "+b", "+c" }, log)
  end))

  it("does not let a child wait for the one that it goes down with", supervised(function()
    local log = {}
    local sup <close> = three(log, { strategy = "one_for_all", shutdown = 100 })
    sup:ready()
    local a, b = sup:child "a", sup:child "b"
    local start = weir.now()
    local Insisting = {}
    function Insisting.ask()
      crash(a)
      return a:call("add")
    end
    local ok = sup:start_child { name = "d", behaviour = Insisting, capacity = 1 }
    assert.same({ n = 2, nil, "closed" }, table.pack(ok:call("ask")))
    assert.equal(1, b:call("add"))
    assert.equal(0, weir.now() - start)
  end))

  it("kills a child that does not stop by its deadline", supervised(function()
    local log = {}
    local sup <close> = three(log, { strategy = "one_for_all", shutdown = 7 })
    sup:ready()
    local c = sup:child "c"
    c:cast("hold", helper.closing(log, "closed c"))
    settle()
    forget(log)
    local start = weir.now()
    crash(sup:child "a")
    assert.equal(1, c:call("add"))
    assert.equal(7, weir.now() - start)
    assert.same({ "!a", "closed c", "-b", "+a", "+b", "+c" }, log)
  end))
end)

describe("rest_for_one", function()
  it("takes those after the child with it, not those before", supervised(function()
    local log = {}
    local sup <close> = three(log, { strategy = "rest_for_one" })
    sup:ready()
    local a = sup:child "a"
    a:call("add")
    forget(log)
    crash(sup:child "b")
    assert.equal(1, sup:child("c"):call("add"))
    assert.equal(2, a:call("add"))
    assert.same({ "!b", "-c", "+b", "+c" }, log)
  end))

  it("of the last child concerns that child alone", supervised(function()
    local log = {}
    local sup <close> = three(log, { strategy = "rest_for_one" })
    sup:ready()
    forget(log)
    crash(sup:child "c")
    assert.equal(1, sup:child("c"):call("add"))
    assert.same({ "!c", "+c" }, log)
  end))

  it("does not bring a temporary child back", supervised(function()
    local log = {}
    local sup <close> = actor.supervise {
      strategy = "rest_for_one", intensity = 5, on_failure = quiet,
      children = { node(log, "a"), node(log, "b", { restart = "temporary" }), node(log, "c") },
    }
    sup:ready()
    local b = sup:child "b"
    forget(log)
    crash(sup:child "a")
    assert.equal(1, sup:child("c"):call("add"))
    assert.same({ "!a", "-c", "-b", "+a", "+c" }, log)
    assert.is_nil(sup:child "b")
    assert.is_true(b:join())
  end))
end)

describe("a child's restart", function()
  -- How a child of that kind goes on after each way to end.
  local function after(restart, how)
    local log = {}
    local sup <close> = actor.supervise {
      intensity = 5, on_failure = quiet, children = { node(log, "x", { restart = restart }) },
    }
    local x = sup:child "x"
    x:ready()
    if how == "stop" then x:stop() elseif how == "kill" then x:kill() else crash(x) end
    settle()
    local again = sup:child "x" ~= nil
    if again then assert.equal(1, x:call("add")) else assert.same({ nil, "closed" }, { x:call("add") }) end
    assert.equal(again, x:is_alive())
    sup:stop()
    return again
  end

  it("'permanent': always", supervised(function()
    for _, how in ipairs { "stop", "kill", "crash" } do assert.is_true(after("permanent", how)) end
  end))

  it("'transient': unless it stopped in order", supervised(function()
    assert.is_false(after("transient", "stop"))
    assert.is_true(after("transient", "kill"))
    assert.is_true(after("transient", "crash"))
  end))

  it("'temporary': never", supervised(function()
    for _, how in ipairs { "stop", "kill", "crash" } do assert.is_false(after("temporary", how)) end
  end))

  it("is permanent by default", supervised(function()
    assert.is_true(after(nil, "stop"))
  end))
end)

describe("a reference to a supervised actor", function()
  it("survives restarts", supervised(function()
    local log = {}
    local sup <close> = three(log)
    local a = sup:child "a"
    for _ = 1, 3 do
      assert.equal(1, a:call("add"))
      crash(a)
    end
    assert.equal(1, a:call("add"))
    assert.is_true(a:is_alive())
    assert.equal(3, a:stats().restarts)
  end))

  it("gets the error of the call that failed, those in line get 'closed'", supervised(function()
    local log = {}
    local sup <close> = three(log)
    local a = sup:child "a"
    a:cast("sleep", 1)
    local bad = later(function() return pcall(a.call, a, "fail", "bad") end)
    local queued = later(function() return a:call("add") end)
    local _, ok, err = bad:join()
    assert.is_false(ok)
    assert.matches("^bad\nin actor 'a'", err)
    assert.same({ n = 3, true, nil, "closed" }, table.pack(queued:join()))
  end))

  it("waits in the next life's mailbox between two lives, which has its limit too", supervised(function()
    local log = {}
    local sup <close> = actor.supervise {
      backoff = 5, on_failure = quiet, children = { node(log, "a", { capacity = 1 }) },
    }
    local a = sup:child "a"
    local start = weir.now()
    crash(a)
    assert.is_true(a:try_cast("add"))
    assert.same({ nil, "full" }, { a:try_cast("add") })
    assert.equal(2, a:call("add"))
    assert.equal(5, weir.now() - start)
  end))

  it("may ask it to stop before it was started, which does nothing", supervised(function()
    local log = {}
    local sup <close> = actor.supervise { children = { node(log, "a", { slow = 1 }), node(log, "b") } }
    local b = sup:child "b"
    assert.is_true(b:stop())
    assert.is_true(b:kill())
    assert.equal(1, b:call("add"))
  end))

  it("does not hold the actor: its supervisor does", supervised(function()
    local log = {}
    local sup <close> = three(log)
    local a = sup:child "a"
    local weak = a:weak()
    a:drop()
    helper.collect()
    settle()
    assert.equal(1, weak:upgrade():call("add"))
    helper.blames(function() a:call("add") end, "dropped")
  end))

  it("is told of the end by join and monitor only when it is for good", supervised(function()
    local log = {}
    local sup <close> = three(log)
    local a = sup:child "a"
    local told = a:monitor()
    crash(a)
    settle()
    assert.same({ nil, "empty" }, { told:try_recv() })
    local joined = later(function() return a:join() end)
    sup:stop()
    assert.equal("stopped", told:recv())
    assert.is_true(helper.join(joined))
    assert.is_false(a:is_alive())
    assert.same({ nil, "closed" }, { a:call("add") })
    assert.is_nil(a:weak():upgrade())
  end))

  it("may be registered: the name stays through restarts and goes with the child", supervised(function()
    local log = {}
    local sup <close> = actor.supervise {
      on_failure = quiet, children = { node(log, "a", { register = "the a" }) },
    }
    crash(actor.whereis "the a")
    assert.equal(1, actor.whereis("the a", Node):call("add"))
    sup:stop()
    assert.is_nil(actor.whereis "the a")
  end))

  it("cannot take a name that is taken; then nothing was started and no name given", supervised(function()
    local log = {}
    local ref <close> = actor.spawn(Node, { capacity = 1, register = "second" }, log, "x")
    helper.blames(function()
      actor.supervise {
        children = { node(log, "a", { register = "first" }), node(log, "b", { register = "second" }) },
      }
    end, "'second' is taken")
    local inner = { children = { node(log, "b", { register = "second" }) } }
    helper.blames(function()
      actor.supervise { children = { node(log, "a", { register = "first" }), { supervisor = inner } } }
    end, "'second' is taken")
    assert.same({ "second" }, actor.registered())
    assert.same({}, log)
    ref:kill()
  end))
end)

describe("restart intensity", function()
  it("one restart more than allowed in a period ends the supervisor and all children", supervised(function()
    local log = {}
    local sup = three(log, { intensity = 2, period = 10 })
    sup:ready()
    local a = sup:child "a"
    for _ = 1, 2 do crash(a, "bad disk") end
    assert.equal(1, a:call("add"))
    forget(log)
    crash(a, "bad disk")
    local ok, err, traceback = sup:join()
    assert.is_false(ok)
    assert.matches("'sup' gave up: more than 2 restarts in 10 s", err)
    assert.matches("'a': bad disk", err)
    assert.is_string(traceback)
    assert.same({ "!a", "-c", "-b" }, log)
    assert.is_nil(sup:child "a")
    assert.same({ nil, "closed" }, { a:call("add") })
  end))

  it("counts only the restarts of the last period", supervised(function()
    local log = {}
    local sup <close> = three(log, { intensity = 2, period = 10 })
    for _ = 1, 8 do
      crash(sup:child "a")
      weir.sleep(5)
    end
    assert.is_true(sup:is_alive())
    assert.equal(8, sup:children()[1].restarts)
  end))

  it("counts the restarts of all children together", supervised(function()
    local log = {}
    local sup = three(log, { intensity = 2 })
    sup:ready()
    for _, name in ipairs { "a", "b", "c" } do crash(sup:child(name)) end
    assert.is_false((sup:join()))
  end))

  it("of 0 gives up at the first failure", supervised(function()
    local log = {}
    local sup = three(log, { intensity = 0 })
    sup:ready()
    crash(sup:child "b")
    assert.is_false((sup:join()))
  end))

  it("is one in five seconds by default", supervised(function()
    local log = {}
    local sup = actor.supervise { on_failure = quiet, children = { node(log, "a") } }
    crash(sup:child "a")
    weir.sleep(5.5)
    crash(sup:child "a")
    settle()
    assert.is_true(sup:is_alive())
    crash(sup:child "a")
    assert.is_false((sup:join()))
  end))

  it("does not count an orderly end of a transient child", supervised(function()
    local log = {}
    local sup <close> = three(log, { intensity = 0 }, { restart = "transient" })
    sup:ready()
    sup:child("a"):stop()
    sup:child("b"):stop()
    settle()
    assert.is_true(sup:is_alive())
    assert.equal(1, #sup:children())
  end))

  it("exceeded answers 'closed' to those who wait between two lives", supervised(function()
    local log = {}
    local sup = three(log, { intensity = 1, backoff = 3, shutdown = 50 })
    sup:ready()
    sup:child("c"):cast("hold")
    settle()
    local a = sup:child "a"
    crash(a)
    local queued = later(function() return a:call("add") end)
    local start = weir.now()
    crash(sup:child "b")
    assert.same({ n = 3, true, nil, "closed" }, table.pack(queued:join()))
    assert.equal(0, weir.now() - start)
    assert.is_false((sup:join()))
    assert.equal(50, weir.now() - start)
  end))

  it("exceeded reaches weir.on_error if nobody watches the supervisor", supervised(function(seen)
    local log = {}
    local sup = three(log, { intensity = 0 })
    sup:ready()
    crash(sup:child "a", "bad disk")
    settle()
    assert.is_false(sup:is_alive())
    assert.equal(1, #seen)
    assert.matches("gave up.*bad disk", seen[1].err)
  end))
end)

describe("backoff", function()
  -- The seconds before each of n restarts of a child whose init fails every time.
  local function delays(backoff, n)
    local times = {}
    local Flaky = {}
    function Flaky.init()
      times[#times + 1] = weir.now()
      if #times <= n then error("not yet", 0) end
    end
    local sup <close> = actor.supervise {
      intensity = 100, backoff = backoff, on_failure = quiet,
      children = { { name = "flaky", behaviour = Flaky, capacity = 1 } },
    }
    assert.is_true(sup:ready())
    local list = {}
    for i = 2, #times do list[i - 1] = times[i] - times[i - 1] end
    sup:stop()
    return list
  end

  it("doubles from min to max", supervised(function()
    assert.same({ 1, 2, 4, 8, 10, 10 }, delays({ min = 1, max = 10 }, 6))
  end))

  it("grows by the factor", supervised(function()
    assert.same({ 1, 3, 9 }, delays({ min = 1, max = 100, factor = 3 }, 3))
  end))

  it("given as a number is the same each time", supervised(function()
    assert.same({ 4, 4, 4 }, delays(4, 3))
  end))

  it("is none by default", supervised(function()
    assert.same({ 0, 0, 0 }, delays(nil, 3))
  end))

  it("adds up to the share of jitter, and not always the same", supervised(function()
    local low, high = math.huge, 0
    for _, s in ipairs(delays({ min = 10, max = 10, jitter = 0.5 }, 20)) do
      assert.is_true(s >= 10 - 1e-6 and s <= 15 + 1e-6)
      low, high = math.min(low, s), math.max(high, s)
    end
    assert.is_true(high > low)
  end))

  it("begins anew when the child was up for the reset time", supervised(function()
    local log = {}
    local sup <close> = three(log, {
      intensity = 100, backoff = { min = 1, max = 8, reset = 20 },
    })
    sup:ready()
    local a = sup:child "a"
    local function downtime()
      local start = weir.now()
      crash(a)
      a:call("add")
      return weir.now() - start
    end
    assert.same({ 1, 2, 4 }, { downtime(), downtime(), downtime() })
    weir.sleep(19)
    assert.equal(8, downtime())
    weir.sleep(20)
    assert.equal(1, downtime())
  end))

  it("is the group's with one_for_all", supervised(function()
    local log = {}
    local sup <close> = three(log, { strategy = "one_for_all", backoff = 5 })
    sup:ready()
    local start = weir.now()
    crash(sup:child "b")
    assert.equal(1, sup:child("a"):call("add"))
    assert.equal(5, weir.now() - start)
  end))

  it("ends at once when the supervisor is stopped", supervised(function()
    local log = {}
    local sup = three(log, { backoff = 1000 })
    sup:ready()
    local start = weir.now()
    crash(sup:child "b")
    local queued = later(function() return sup:child("b"):call("add") end)
    assert.is_true(sup:stop())
    assert.equal(0, weir.now() - start)
    assert.same({ n = 3, true, nil, "closed" }, table.pack(queued:join()))
  end))
end)

describe("on_failure", function()
  it("hears every failure, with its traceback and whether the child comes back", supervised(function(seen)
    local log, told = {}, {}
    local sup <close> = actor.supervise {
      on_failure = function(...) told[#told + 1] = table.pack(...) end,
      children = { node(log, "a"), node(log, "b", { restart = "temporary" }) },
    }
    sup:ready()
    sup:child("a"):cast("fail", "one")
    sup:child("b"):cast("fail", "two")
    settle()
    assert.equal(2, #told)
    assert.same({ "a", "one", true }, { told[1][1], told[1][2], told[1][4] })
    assert.same({ "b", "two", false }, { told[2][1], told[2][2], told[2][4] })
    assert.matches("traceback", told[1][3])
    assert.equal(0, #seen)
  end))

  it("hears a failure during the shutdown", supervised(function()
    local told = {}
    local Bad = { terminate = function() error("no disk", 0) end }
    local sup = actor.supervise {
      on_failure = function(name, err) told[#told + 1] = name .. ": " .. err end,
      children = { { name = "bad", behaviour = Bad, capacity = 1 } },
    }
    sup:ready()
    sup:stop()
    assert.same({ "bad: no disk" }, told)
  end))

  it("left out leaves failures to weir.on_error", supervised(function(seen)
    local log = {}
    local sup <close> = actor.supervise { children = { node(log, "a") } }
    sup:child("a"):cast("fail", "unheard")
    settle()
    assert.equal(1, #seen)
    assert.matches("^unheard", seen[1].err)
    assert.is_true(sup:is_alive())
  end))

  it("that fails ends the supervisor with that error", supervised(function()
    local log = {}
    local sup = three(log, { on_failure = function() error("in the hook", 0) end })
    sup:ready()
    crash(sup:child "a")
    local ok, err = sup:join()
    assert.is_false(ok)
    assert.equal("in the hook", err)
    assert.is_false(sup:is_alive())
  end))
end)
