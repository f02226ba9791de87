-- SPDX-License-Identifier: MIT
-- supervisor_edges_spec.lua -- actor.supervise: what is asked of a supervisor, or of one below it, while it
-- ends, between two of its lives, or while its group goes down.
local weir = require "weir"
local actor = require "weir.actor"
local helper = require "spec.helper"

local settle, later = helper.settle, helper.later

-- A body on the virtual clock; failures of tasks are its argument, not noise on stderr.
local supervised = helper.failing

local Node = {}
function Node.ping() return "pong" end
function Node.fail() error("oops", 0) end
function Node.sleep(_, s) weir.sleep(s) end
function Node:leave() self:stop_self() end
function Node.ask_in(_, s, other) weir.sleep(s) return other:call "ping" end

local function node(name, more)
  local spec = { name = name, behaviour = Node, capacity = 4 }
  for key, value in pairs(more or {}) do spec[key] = value end
  return spec
end

local function quiet() end

-- A child that is a supervisor of `children`.
local function below(name, children, more)
  local options = { children = children, intensity = 9, on_failure = quiet }
  for key, value in pairs(more or {}) do options[key] = value end
  return { name = name, supervisor = options }
end

-- A supervisor whose children have started.
local function started(children, more)
  local sup = actor.supervise(below("top", children, more).supervisor)
  assert.is_true(sup:ready())
  return sup
end

local function crash(ref)
  assert.is_false((pcall(ref.call, ref, "fail")))
end

local function names(sup)
  local list = {}
  for i, child in ipairs(sup:children()) do list[i] = child.name end
  return table.concat(list, " ")
end

describe("supervisor:kill of a tree", function()
  for depth = 1, 4 do
    it(("ends every actor in it before it has ended, %d deep"):format(depth), supervised(function()
      local inner = node "x"
      for i = depth, 1, -1 do inner = below("s" .. i, { node("a" .. i), inner }) end
      local sup = started { node "a", inner }
      local x = sup
      for i = 1, depth do x = x:child("s" .. i) end
      x = x:child "x"
      sup:kill()
      assert.same({ n = 2, false, "aborted" }, table.pack(sup:join(5)))
      assert.equal(1, #weir.tasks())
      assert.is_false(x:is_alive())
      assert.same({ n = 2, false, "aborted" }, table.pack(x:join(0)))
    end))
  end

  it("below another leaves nothing of the old life beside the new one", supervised(function()
    local sup = started { below("n", { node "a", below("m", { node "x" }) }) }
    local n = sup:child "n"
    local before = #weir.tasks()
    n:kill()
    weir.sleep(1)
    assert.equal("pong", n:child("m"):child("x"):call "ping")
    assert.equal(before, #weir.tasks())
    assert.is_true(sup:stop())
    assert.equal(1, #weir.tasks())
  end))

  it("keeps what is sent to an actor of it that ended first for the next life", supervised(function()
    local sup <close> = started { below("n", { node "a", below("m", { node "x" }) }) }
    local n = sup:child "n"
    local a, x = n:child "a", n:child("m"):child "x"
    n:kill()
    while n:children()[1].state == "up" do weir.yield() end
    assert.equal("pong", a:call "ping")
    assert.equal("pong", x:call "ping")
  end))

  it("refuses new children from then on", supervised(function()
    local sup <close> = started { below("n", { node "x" }) }
    local n = sup:child "n"
    n:kill()
    assert.same({ nil, "closed" }, { n:start_child(node "y") })
  end))
end)

describe("stop_child of a supervisor below another", function()
  it("reaches a child between two of its supervisor's lives, at once", supervised(function()
    local sup <close> = started({ below("n", { node "x", node "y" }) }, { backoff = 2 })
    local n = sup:child "n"
    local x = n:child "x"
    n:kill()
    weir.sleep(1)
    local start = weir.now()
    assert.is_true(n:stop_child("x", 100))
    assert.equal(0, weir.now() - start)
    assert.is_false(x:is_alive())
    assert.same({ nil, "empty" }, { n:stop_child "x" })
    assert.equal("pong", n:child("y"):call "ping")
    assert.equal("y", names(n))
  end))

  it("reaches a child of one that has not begun yet", supervised(function()
    local sup <close> = actor.supervise {
      children = { below("n", { node "x", node "y" }) },
    }
    local n = sup:child "n"
    assert.is_true(n:stop_child("x", 100))
    assert.equal("pong", n:child("y"):call "ping")
    assert.equal("y", names(n))
  end))

  it("is not lost when the supervisor is killed just before it", supervised(function()
    local sup <close> = started { below("n", { node "x", node "y" }) }
    local n = sup:child "n"
    n:kill()
    assert.is_true(n:stop_child("x", 100))
    assert.equal("pong", n:child("y"):call "ping")
    assert.equal("y", names(n))
  end))

  it("is not lost when the supervisor is killed just after it", supervised(function()
    local sup <close> = started { below("n", { node "x", node "y" }) }
    local n = sup:child "n"
    local asked = later(function() return n:stop_child("x", 100) end)
    n:kill()
    assert.is_true(helper.join(asked))
    assert.equal("pong", n:child("y"):call "ping")
    assert.equal("y", names(n))
  end))

  it("is not lost when the supervisor gives up meanwhile", supervised(function()
    local sup <close> = started { below("n", { node "x", node "y" }, { intensity = 0 }) }
    local n = sup:child "n"
    crash(n:child "y")
    assert.is_true(n:stop_child("x", 100))
    assert.equal("pong", n:child("y"):call "ping")
  end))
end)

describe("stop_child of a child that has just failed", function()
  for _, strategy in ipairs { "one_for_all", "rest_for_one" } do
    it("leaves its group in order under " .. strategy, supervised(function()
      local sup <close> = started({ node "a", node "b" }, { strategy = strategy })
      local b = sup:child "b"
      crash(sup:child "a")
      assert.is_true(sup:stop_child("a", 100))
      assert.equal("pong", b:with_timeout(100):call "ping")
      assert.equal("b", names(sup))
    end))
  end

  it("does not start it again, and is no restart, under one_for_one", supervised(function()
    local sup <close> = started({ node "a", node "b" }, { intensity = 0 })
    crash(sup:child "a")
    assert.is_true(sup:stop_child("a", 100))
    settle()
    assert.is_true(sup:is_alive())
    assert.equal("b", names(sup))
  end))
end)

describe("a supervisor that goes down with its group", function()
  local function pair(n) return started({ node "a", n }, { strategy = "one_for_all" }) end

  it("while it ends by auto_shutdown comes back whole", supervised(function(seen)
    local sup <close> = pair(below("n", { node("x", { restart = "transient" }), node "y" },
      { auto_shutdown = "any", intensity = 0 }))
    local n = sup:child "n"
    local y = n:child "y"
    n:child("x"):cast "leave"
    sup:child("a"):cast "fail"
    settle()
    assert.equal("pong", y:call "ping")
    assert.equal("pong", n:child("x"):call "ping")
    assert.equal("x y", names(n))
    assert.equal(0, #seen)
  end))

  it("keeps what is sent to its children meanwhile for their next lives", supervised(function()
    local sup <close> = started({ node "a", node "slow",
      below("n", { node("x", { restart = "transient" }), node "y" }, { auto_shutdown = "any" }),
    }, { strategy = "one_for_all" })
    local y = sup:child("n"):child "y"
    sup:child("slow"):cast("sleep", 2)
    sup:child("n"):child("x"):cast "leave"
    sup:child("a"):cast "fail"
    weir.sleep(1)
    assert.equal("pong", y:call "ping")
  end))

  it("comes back with the children of its table, as after a failure of its own", supervised(function()
    local sup <close> = pair(below("n", { node("t", { restart = "temporary" }), node "y" }))
    local n = sup:child "n"
    n:child("t"):stop()
    settle()
    n:start_child(node "added")
    assert.equal("y added", names(n))
    crash(sup:child "a")
    assert.equal("pong", n:child("y"):call "ping")
    assert.equal("t y", names(n))
    assert.equal("pong", n:child("t"):call "ping")
  end))

  it("does not let an actor below it wait for the one that failed", supervised(function()
    local sup <close> = started({ node "a", below("n", { node "x" }) },
      { strategy = "one_for_all", backoff = 1 })
    local a, x = sup:child "a", sup:child("n"):child "x"
    local asked = later(function() return x:call("ask_in", 2, a) end)
    settle()
    a:cast("sleep", 1)
    a:cast "fail"
    local start = weir.now()
    assert.same({ n = 3, true, nil, "closed" }, table.pack(asked:join()))
    assert.equal(2, weir.now() - start)
  end))
end)

describe("supervisor:stop of one below another", function()
  it("returns at the end of this life; its restart says whether there is another", supervised(function()
    local sup <close> = started { below("n", { node "x" }) }
    local n = sup:child "n"
    local x = n:child "x"
    x:cast("sleep", 2)
    local start = weir.now()
    assert.is_true(n:stop(100))
    assert.equal(2, weir.now() - start)
    assert.is_true(n:is_alive())
    assert.equal("pong", x:call "ping")
  end))

  it("ends it for good if it is transient", supervised(function()
    local n = below("n", { node "x" })
    n.restart = "transient"
    local sup <close> = started { n }
    n = sup:child "n"
    assert.is_true(n:stop(100))
    assert.is_true(n:join(100))
    assert.is_nil(sup:child "n")
  end))

  it("serves what is queued, and what comes later waits for the next life", supervised(function()
    local sup <close> = started { below("n", { node "x", node "y" }) }
    local n = sup:child "n"
    local x, y = n:child "x", n:child "y"
    x:cast("sleep", 2)
    local queued = later(function() return x:call "ping" end)
    assert.same({ nil, "timeout" }, { n:stop(1) })
    assert.equal("pong", y:call "ping")
    assert.same({ n = 2, true, "pong" }, table.pack(queued:join()))
  end))

  it("lets a child still ask those before it, and not wait for those after it", supervised(function()
    local sup <close> = started { below("n", { node "x", node "y", node "z" }) }
    local n = sup:child "n"
    local x, y, z = n:child "x", n:child "y", n:child "z"
    local first = later(function() return y:call("ask_in", 1, x) end)
    local second = later(function() return y:call("ask_in", 1, z) end)
    settle()
    assert.is_true(n:stop(100))
    assert.same({ n = 2, true, "pong" }, table.pack(first:join()))
    assert.same({ n = 3, true, nil, "closed" }, table.pack(second:join()))
  end))

  it("between two lives does nothing and says how the last one ended", supervised(function()
    local sup <close> = started({ below("n", { node "x" }) }, { backoff = 2 })
    local n = sup:child "n"
    n:kill()
    weir.sleep(1)
    assert.same({ n = 2, false, "aborted" }, table.pack(n:stop(100)))
    assert.equal("pong", n:child("x"):call "ping")
  end))

  it("that has not begun does nothing", supervised(function()
    local sup <close> = actor.supervise { children = { below("n", { node "x" }) } }
    local n = sup:child "n"
    assert.is_true(n:stop(100))
    assert.equal("pong", n:child("x"):call "ping")
  end))

  it("tells the failure of that life, and then weir.on_error is spared", supervised(function(seen)
    local sup <close> = actor.supervise {
      children = { below("n", { node "x", node "y" }, { intensity = 0 }) },
    }
    local n = sup:child "n"
    n:ready()
    n:child("y"):cast("sleep", 2)
    n:child("x"):cast "fail"
    settle()
    local ok, err = n:stop(100)
    assert.is_false(ok)
    assert.matches("gave up.*oops", err)
    assert.equal(0, #seen)
  end))

  it("above it leaves it at work until its turn has come", supervised(function(seen)
    local n = below("n", { below("m", { node "x" }) }, { backoff = 1 })
    local sup = started { n, node "last" }
    local m = sup:child("n"):child "m"
    local x = m:child "x"
    sup:child("last"):cast("sleep", 2)
    m:kill()
    settle()
    assert.same({ nil, "timeout" }, { sup:stop(0) })
    local start = weir.now()
    assert.equal("pong", x:call "ping")
    assert.equal(1, weir.now() - start)
    assert.is_true(sup:join(100))
    assert.same({ nil, "closed" }, { x:call "ping" })
    assert.equal(0, #seen)
  end))

  it("for good is not undone by an earlier wish to stop that it would come back from", supervised(function()
    local sup = started { below("n", { node "x" }) }
    local n = sup:child "n"
    local x = n:child "x"
    x:cast("sleep", 2)
    settle()
    assert.same({ nil, "timeout" }, { n:stop(0) })
    settle()
    assert.is_true(sup:stop(100))
    assert.is_false(x:is_alive())
    assert.same({ nil, "closed" }, { x:call "ping" })
    assert.equal(1, #weir.tasks())
  end))
end)

describe("on_failure of a supervisor that ends", function()
  it("is told what failed just before the supervisor was killed", supervised(function(seen)
    local told = {}
    local sup = started({ node "a", node "b" }, {
      on_failure = function(name, err) told[#told + 1] = name .. ": " .. err end,
    })
    sup:child("a"):cast "fail"
    sup:child("b"):cast "fail"
    while sup:children()[2].state ~= "ended" do weir.yield() end
    assert.same({}, told)
    sup:kill()
    assert.same({ n = 2, false, "aborted" }, table.pack(sup:join(1)))
    assert.same({ "a: oops", "b: oops" }, told)
    assert.equal(0, #seen)
  end))

  it("is told the rest after an error of its own, which is how the supervisor ended", supervised(function()
    local told = {}
    local sup = started({ node "a", node "b" }, {
      on_failure = function(name)
        told[#told + 1] = name
        error("hook " .. name, 0)
      end,
    })
    sup:child("a"):cast "fail"
    sup:child("b"):cast "fail"
    local ok, err = sup:join(1)
    assert.is_false(ok)
    assert.equal("hook a", err)
    assert.same({ "a", "b" }, told)
  end))

  it("cannot wait for the end of its own supervisor", supervised(function()
    local said = {}
    local sup
    sup = started({ node "a", node "b" }, {
      on_failure = function()
        for _, ask in ipairs {
          function() sup:stop() end, function() sup:join() end, function() sup:stop_child "b" end,
        } do
          said[#said + 1] = helper.blames(ask, "'supervisor'", "waits for itself")
        end
        sup:stop(0)
      end,
    })
    sup:child("a"):cast "fail"
    assert.is_true(sup:join(1))
    assert.equal(3, #said)
  end))
end)

describe("on_failure of a supervisor below another", function()
  local function hooked(hook)
    local sup
    sup = started { node "a", below("n", { node "x" }, { on_failure = function() hook(sup) end }) }
    sup:child("n"):child("x"):cast "fail"
    settle()
    return sup
  end

  it("cannot wait for the end of one above, which would wait for it", supervised(function()
    local said = {}
    local sup = hooked(function(top)
      for _, ask in ipairs {
        function() top:stop() end, function() top:join() end, function() top:stop_child "n" end,
      } do
        said[#said + 1] = helper.blames(ask, "waits for itself")
      end
      top:stop(0)
    end)
    assert.is_true(sup:join(1))
    assert.equal(3, #said)
  end))

  it("may have one above stop another child", supervised(function()
    local stopped
    local sup <close> = hooked(function(top) stopped = top:stop_child("a", 1) end)
    assert.is_true(stopped)
    assert.equal("n", names(sup))
  end))
end)

describe("supervisor:ready of one below another", function()
  it("stays true in later lives, as that of an actor does", supervised(function()
    local Slow = { init = function() weir.sleep(1) end }
    local sup <close> = actor.supervise {
      intensity = 9, children = { below("n", { { name = "x", behaviour = Slow, capacity = 1 } }) },
    }
    local n = sup:child "n"
    assert.is_true(n:ready())
    n:kill()
    weir.sleep(0.5)
    assert.is_true(n:ready())
  end))
end)

describe("the table of a supervisor", function()
  it("is the list of children for all its lives, whatever becomes of it", supervised(function()
    local children = { node "x" }
    local sup <close> = started { below("n", children) }
    children[1], children[2] = "nonsense", "nonsense"
    local n = sup:child "n"
    n:kill()
    settle()
    assert.equal("pong", n:child("x"):call "ping")
    assert.equal("x", names(n))
  end))

  it("that contains itself is refused with a sentence", function()
    local options = { children = {} }
    options.children[1] = { name = "n", supervisor = options }
    helper.blames(function() actor.supervise(options) end, "'n'", "contains itself")
    local child = { name = "n" }
    child.supervisor = { children = { child } }
    helper.blames(function() actor.supervise { children = { child } } end, "'n'", "contains itself")
  end)

  it("may be that of several supervisors", supervised(function()
    local shared = below("n", { node "x" }).supervisor
    local sup <close> = started { { name = "n", supervisor = shared }, { name = "m", supervisor = shared } }
    assert.equal("pong", sup:child("n"):child("x"):call "ping")
    assert.equal("pong", sup:child("m"):child("x"):call "ping")
  end))

  it("given to start_child may hold names of the registry further down, all or none", supervised(function()
    local sup <close> = started {}
    local function tree(name, first, second)
      local y = node("y", { register = second })
      return below(name, { node("x", { register = first }), below("m", { y }) })
    end
    assert.equal("actor.Supervisor", actor.type(sup:start_child(tree("n", "one", "two"))))
    assert.equal("pong", actor.whereis("two"):call "ping")
    assert.same({ nil, "full" }, { sup:start_child(tree("o", "three", "two")) })
    assert.is_nil(sup:child "o")
    assert.same({ "one", "two" }, actor.registered())
  end))
end)

describe("a tree that its run ended before it began", function()
  it("has ended, and so have all below it", function()
    local n, x
    weir.run_paused(function()
      local sup = actor.supervise { children = { below("n", { node "x" }) } }
      n = sup:child "n"
      x = n:child "x"
    end)
    weir.run_paused(function()
      assert.is_false(x:is_alive())
      assert.same({ nil, "closed" }, { x:call "ping" })
      assert.is_false(n:is_alive())
    end)
  end)
end)
