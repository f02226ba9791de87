-- SPDX-License-Identifier: MIT
-- supervisor_tree_spec.lua -- actor.supervise: how supervisors end, children that come and go, trees.
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

describe("supervisor:stop", function()
  it("stops the children in reverse order, each after what is queued", supervised(function()
    local log = {}
    local sup = three(log)
    sup:ready()
    local a = sup:child "a"
    a:cast("sleep", 1)
    a:cast("note", "served")
    forget(log)
    assert.is_true(sup:stop())
    assert.same({ "-c", "-b", "served", "-a" }, log)
    assert.equal(1, #weir.tasks())
  end))

  it("lets a child still ask those before it while it drains", supervised(function()
    local log = {}
    local sup = three(log)
    sup:ready()
    local a, c = sup:child "a", sup:child "c"
    c:cast("sleep", 1)
    local asked = later(function() return c:call("ask", a, "add") end)
    sup:stop()
    assert.equal(1, helper.join(asked))
  end))

  it("kills a child at its deadline and goes on with the next", supervised(function()
    local log = {}
    local sup = actor.supervise {
      children = { node(log, "a", { shutdown = 2 }), node(log, "b", { shutdown = 3 }), node(log, "c") },
    }
    sup:ready()
    for _, name in ipairs { "a", "b" } do
      sup:child(name):cast("hold", helper.closing(log, "closed " .. name))
    end
    settle()
    forget(log)
    local start = weir.now()
    local b = sup:child "b"
    assert.is_true(sup:stop())
    assert.equal(5, weir.now() - start)
    assert.same({ "-c", "closed b", "closed a" }, log)
    assert.same({ n = 2, false, "aborted" }, table.pack(b:join()))
  end))

  it("with a shutdown of 0 kills at once", supervised(function()
    local log = {}
    local sup = three(log, { shutdown = 0 })
    sup:ready()
    sup:child("b"):cast("hold", helper.closing(log, "closed b"))
    settle()
    forget(log)
    local start = weir.now()
    sup:stop()
    assert.equal(0, weir.now() - start)
    assert.same({ "closed b" }, log)
  end))

  it("waits for ever for a child whose shutdown is math.huge", supervised(function()
    local log = {}
    local sup = actor.supervise { children = { node(log, "a", { shutdown = math.huge }) } }
    sup:child("a"):cast("sleep", 5000)
    settle()
    local start = weir.now()
    assert.is_true(sup:stop())
    assert.equal(5000, weir.now() - start)
    assert.same({ "+a", "-a" }, log)
  end))

  it("says 'timeout' and goes on stopping", supervised(function()
    local log = {}
    local sup = three(log)
    sup:ready()
    sup:child("a"):cast("sleep", 4)
    settle()
    assert.same({ nil, "timeout" }, { sup:stop(1) })
    assert.is_true(sup:join())
    assert.is_true(sup:stop())
  end))

  it("does not wait for a start that does not end", supervised(function()
    local log = {}
    local sup = actor.supervise {
      shutdown = 5, children = { node(log, "a", { slow = 1000 }), node(log, "b") },
    }
    assert.same({ nil, "timeout" }, { sup:ready(1) })
    local start = weir.now()
    assert.is_true(sup:stop())
    assert.equal(5, weir.now() - start)
    assert.same({}, log)
  end))

  it("refuses new children from then on", supervised(function()
    local log = {}
    local sup = three(log)
    sup:stop()
    assert.same({ nil, "closed" }, { sup:start_child(node(log, "d")) })
    assert.same({}, sup:children())
  end))
end)

describe("supervisor:kill", function()
  it("aborts all children, and the supervisor has ended when they have", supervised(function()
    local log = {}
    local sup = three(log)
    sup:ready()
    local b = sup:child "b"
    b:cast("hold", helper.closing(log, "closed b"))
    settle()
    forget(log)
    sup:kill()
    assert.same({ n = 2, false, "aborted" }, table.pack(sup:join()))
    assert.same({ "closed b" }, log)
    assert.same({ n = 2, false, "aborted" }, table.pack(b:join()))
    assert.same({ nil, "closed" }, { b:call("add") })
    assert.equal(1, #weir.tasks())
  end))

  it("before anything began leaves nothing", supervised(function()
    local log = {}
    local sup = three(log)
    local a = sup:child "a"
    sup:kill()
    assert.is_false(sup:is_alive())
    assert.same({ nil, "closed" }, { a:call("add") })
    settle()
    assert.same({}, log)
  end))

  it("is what <close> does", supervised(function()
    local log = {}
    local a
    do
      local sup <close> = three(log)
      sup:ready()
      a = sup:child "a"
    end
    assert.same({ n = 2, false, "aborted" }, table.pack(a:join()))
  end))

  it("is told to a monitor", supervised(function()
    local sup = three({})
    local told = sup:monitor()
    sup:ready()
    sup:kill()
    assert.equal("aborted", told:recv())
  end))
end)

describe("children that come and go", function()
  it("start_child adds one at the end", supervised(function()
    local log = {}
    local sup = three(log)
    local d = sup:start_child(node(log, "d"))
    assert.equal(1, d:call("add"))
    assert.same({ "+a", "+b", "+c", "+d" }, log)
    forget(log)
    crash(d)
    assert.equal(1, sup:child("d"):call("add"))
    sup:stop()
    assert.same({ "!d", "+d", "-d", "-c", "-b", "-a" }, log)
  end))

  it("start_child says 'full' for a name that is there, and makes one up for none", supervised(function()
    local log = {}
    local sup <close> = three(log)
    assert.same({ nil, "full" }, { sup:start_child(node(log, "a")) })
    local x = sup:start_child { behaviour = Node, capacity = 1, args = { log, "x" } }
    assert.equal("sup/1", x:name())
    helper.blames(function() sup:start_child { name = "y", behaviour = Node } end, "'y'", "capacity")
  end))

  it("stop_child ends one for good, whatever its restart", supervised(function()
    local log = {}
    local sup <close> = three(log)
    sup:ready()
    local b = sup:child "b"
    forget(log)
    b:cast("add")
    assert.is_true(sup:stop_child "b")
    assert.same({ "-b" }, log)
    assert.is_nil(sup:child "b")
    assert.is_false(b:is_alive())
    assert.same({ nil, "empty" }, { sup:stop_child "b" })
    local b2 = sup:start_child(node(log, "b"))
    assert.equal(1, b2:call("add"))
  end))

  it("stop_child says 'timeout' of a child that takes longer, and refuses a wrong time", supervised(function()
    local log = {}
    local sup <close> = three(log)
    sup:ready()
    local b = sup:child "b"
    helper.blames(function() sup:stop_child("b", -1) end, "#2", "seconds")
    b:cast("sleep", 3)
    settle()
    assert.same({ nil, "timeout" }, { sup:stop_child("b", 1) })
    assert.is_true(b:join())
    assert.is_nil(sup:child "b")
  end))

  it("stop_child reaches a child in its backoff", supervised(function()
    local log = {}
    local sup <close> = three(log, { backoff = 100 })
    sup:ready()
    crash(sup:child "b")
    local start = weir.now()
    assert.is_true(sup:stop_child "b")
    assert.equal(0, weir.now() - start)
    assert.equal(2, #sup:children())
  end))

  it("children that ended for good are forgotten", supervised(function()
    local sup <close> = actor.supervise {}
    local log = {}
    for _ = 1, 20 do
      local job = sup:start_child {
        behaviour = Node, capacity = 1, args = { log, "job" }, restart = "temporary",
      }
      job:cast("leave")
      job:join()
    end
    assert.same({}, sup:children())
  end))

  it("auto_shutdown 'all' ends the supervisor with the last child", supervised(function()
    local log = {}
    local sup = three(log, { auto_shutdown = "all" }, { restart = "transient" })
    sup:ready()
    for _, name in ipairs { "b", "a" } do sup:child(name):stop() end
    settle()
    assert.is_true(sup:is_alive())
    sup:child("c"):cast("leave")
    assert.is_true(sup:join())
  end))

  it("auto_shutdown 'any' ends it with the first, the others in order", supervised(function()
    local log = {}
    local sup = three(log, { auto_shutdown = "any" }, { restart = "transient" })
    sup:ready()
    forget(log)
    sup:child("b"):cast("leave")
    assert.is_true(sup:join())
    assert.same({ "-b", "-c", "-a" }, log)
  end))

  it("are listed with their state", supervised(function()
    local log = {}
    local sup <close> = three(log, { backoff = 10 })
    sup:ready()
    crash(sup:child "b")
    settle()
    local list = sup:children()
    assert.same({ name = "a", state = "up", restart = "permanent", restarts = 0 }, list[1])
    assert.equal("down", list[2].state)
    sup:child("b"):call("add")
    assert.equal(1, sup:children()[2].restarts)
  end))
end)

describe("a supervisor below a supervisor", function()
  local function tree(log, more)
    local inner = {
      intensity = 1, period = 10, on_failure = quiet, children = { node(log, "x"), node(log, "y") },
    }
    local options = {
      name = "top", intensity = 1, period = 100, on_failure = quiet,
      children = { node(log, "a"), { name = "inner", supervisor = inner } },
    }
    for key, value in pairs(more or {}) do options[key] = value end
    return actor.supervise(options)
  end

  it("starts and stops in its place", supervised(function()
    local log = {}
    local top = tree(log)
    assert.is_true(top:ready())
    assert.same({ "+a", "+x", "+y" }, log)
    forget(log)
    assert.equal("top/inner", top:child("inner"):name())
    assert.is_true(top:stop())
    assert.same({ "-y", "-x", "-a" }, log)
  end))

  it("that gives up is started again by the upper one, and references still hold", supervised(function()
    local log = {}
    local top <close> = tree(log)
    top:ready()
    local x, y = top:child("inner"):child "x", top:child("inner"):child "y"
    y:call("add")
    forget(log)
    crash(x)
    crash(x)
    assert.equal(1, x:call("add"))
    assert.equal(1, y:call("add"))
    assert.same({ "!x", "+x", "!x", "-y", "+x", "+y" }, log)
    assert.is_true(top:child("inner"):is_alive())
  end))

  it("that gives up too often ends the upper one", supervised(function()
    local log = {}
    local top = tree(log)
    top:ready()
    local x = top:child("inner"):child "x"
    for _ = 1, 4 do crash(x) end
    local ok, err = top:join()
    assert.is_false(ok)
    assert.matches("'top' gave up.*'inner'.*gave up.*'x': oops", err)
    assert.same({ nil, "closed" }, { x:call("add") })
  end))

  it("started again has the children of its table, not those added later", supervised(function()
    local log = {}
    local top <close> = tree(log)
    top:ready()
    local inner = top:child "inner"
    local z = inner:start_child(node(log, "z"))
    z:call("add")
    inner:stop_child "y"
    crash(inner:child "x")
    crash(inner:child "x")
    assert.equal(1, inner:child("x"):call("add"))
    assert.equal(1, inner:child("y"):call("add"))
    assert.is_nil(inner:child "z")
    assert.is_false(z:is_alive())
  end))

  it("goes down with its group without serving what is queued below it", supervised(function()
    local log = {}
    local top <close> = tree(log, { strategy = "rest_for_one", intensity = 5 })
    top:ready()
    local x = top:child("inner"):child "x"
    x:cast("sleep", 1)
    x:cast("note", "queued")
    settle()
    forget(log)
    crash(top:child "a")
    assert.equal(1, top:child("inner"):child("y"):call("add"))
    assert.same({ "!a", "-y", "-x", "+a", "+x", "+y" }, log)
  end))

  it("takes new children between two of its lives", supervised(function()
    local log = {}
    local top <close> = tree(log, { backoff = 10 })
    top:ready()
    local inner = top:child "inner"
    crash(inner:child "x")
    crash(inner:child "x")
    settle()
    assert.equal("down", top:children()[2].state)
    local z = inner:start_child(node(log, "z"))
    local start = weir.now()
    assert.equal(1, z:call("add"))
    assert.equal(10, weir.now() - start)
    assert.equal(3, #inner:children())
  end))

  it("refuses them while it stops", supervised(function()
    local log = {}
    local sup = three(log)
    sup:ready()
    sup:child("c"):cast("sleep", 2)
    settle()
    assert.same({ nil, "timeout" }, { sup:stop(0) })
    assert.same({ nil, "closed" }, { sup:start_child(node(log, "d")) })
    weir.sleep(1)
    assert.same({ nil, "closed" }, { sup:start_child(node(log, "d")) })
    assert.is_true(sup:join())
  end))

  it("is killed with the upper one", supervised(function()
    local log = {}
    local top = tree(log)
    top:ready()
    local x = top:child("inner"):child "x"
    top:kill()
    assert.same({ n = 2, false, "aborted" }, table.pack(top:join()))
    assert.is_false(x:is_alive())
    assert.equal(1, #weir.tasks())
  end))
end)

describe("supervisors and the end of a run", function()
  it("leave no child, no name and no task behind", function()
    local log, a = {}, nil
    helper.failures(function()
      weir.run_paused(function()
        local sup = actor.supervise { children = { node(log, "a", { register = "a" }) } }
        sup:ready()
        a = sup:child "a"
      end)
      weir.run_paused(function()
        assert.same({ nil, "closed" }, { a:call("add") })
        assert.is_nil(actor.whereis "a")
        assert.equal(1, #weir.tasks())
      end)
    end)
  end)

  it("hold no memory of lives that ended", supervised(function()
    local log = {}
    local sup <close> = three(log, { intensity = math.huge })
    sup:ready()
    local a = sup:child "a"
    local function lives(n)
      for _ = 1, n do
        crash(a)
        a:call("add")
        forget(log)
      end
      return helper.memory()
    end
    lives(50)
    local before = lives(1)
    assert.is_true(lives(300) - before < 64)
  end))
end)
