-- SPDX-License-Identifier: MIT
-- supervisor_random_spec.lua -- random trees of supervisors, and clients that call, kill, stop, add and take
-- away at random: nobody waits for ever, nothing fails that was not told to, nothing is left. A failure names
-- its seed.
local weir = require "weir"
local actor = require "weir.actor"
local helper = require "spec.helper"

local LONG = 500              -- seconds that nothing here may take

-- Numbers of its own, so that a seed means the same program wherever it runs.
local function generator(seed)
  local state = seed * 2654435761 + 1
  return function(n)
    state = state * 6364136223846793005 + 1442695040888963407
    return ((state >> 33) % n) + 1
  end
end

-- One thing in n happens.
local function behaviour_of(random)
  local Worker = {}
  function Worker.init()
    if random(4) == 1 then weir.sleep(random(10) / 10) end
    if random(25) == 1 then error("told to", 0) end
  end
  function Worker.echo(_, v) return v end
  function Worker.work(_, v) weir.sleep(random(20) / 10) return v end
  function Worker.fail() error("told to", 0) end
  function Worker:leave(v) self:stop_self() return v end
  function Worker:ask(other, v)                   -- with a limit, since two may ask each other
    if other:same_actor(self:myself()) then return v end
    return other:with_timeout(3):call("echo", v)
  end
  function Worker:defer(v)
    weir.spawn(function(reply)
      weir.sleep(random(20) / 10)
      reply:send(v)
    end, self:reply_later())
  end
  function Worker.guard(_, v)
    local _ <close> = setmetatable({}, { __close = function()
      if random(3) == 1 then error("told to", 0) end
    end })
    weir.sleep(random(20) / 10)
    return v
  end
  function Worker.terminate()
    if random(5) == 1 then weir.sleep(random(80) / 10) end
    if random(20) == 1 then error("told to", 0) end
  end
  return Worker
end

local function quiet() end

local function pick(random, list) return list[random(#list)] end

local child_of

-- The table of a supervisor.
local function table_of(world, depth, fewest)
  local random = world.random
  local options = {
    children = {}, strategy = pick(random, { "one_for_one", "one_for_all", "rest_for_one" }),
    auto_shutdown = pick(random, { "never", "never", "any", "all" }), intensity = random(6) - 1,
    backoff = random(2) == 1 and random(10) / 10 or nil, shutdown = random(6) - 1,
    on_failure = random(2) == 1 and quiet or nil,
  }
  for i = fewest, random(4) do options.children[#options.children + 1] = child_of(world, "k" .. i, depth) end
  return options
end

function child_of(world, name, depth)
  local random = world.random
  local child = {
    name = name, restart = pick(random, { "permanent", "transient", "temporary" }),
    shutdown = random(3) == 1 and random(4) - 1 or nil,
  }
  if depth > 0 and random(3) == 1 then
    child.supervisor = table_of(world, depth - 1, 1)
  else
    child.behaviour, child.capacity = world.Worker, random(3)
  end
  return child
end

-- All that can be had of a tree now goes into the world's lists.
local function gather(world, sup)
  for _, entry in ipairs(sup:children()) do
    local child = sup:child(entry.name)
    if actor.type(child) == "actor.Supervisor" then
      table.insert(world.supervisors, child)
      gather(world, child)
    else
      table.insert(world.actors, child)
    end
  end
end

-- What a client does to an actor.
local ON_ACTOR = {}
for _, name in ipairs { "echo", "work", "leave", "defer", "guard", "echo", "work" } do
  table.insert(ON_ACTOR, function(_, ref)
    local ok, v, why = pcall(ref.call, ref, name, 7)
    if ok then assert(v == 7 or why == "closed") else assert(string.find(v, "^told to"), v) end
  end)
end
table.insert(ON_ACTOR, function(_, ref) pcall(ref.call, ref, "fail") end)
table.insert(ON_ACTOR, function(_, ref) ref:cast "fail" end)
table.insert(ON_ACTOR, function(world, ref)
  pcall(ref.call, ref, "ask", pick(world.random, world.actors), 7)
end)
table.insert(ON_ACTOR, function(world, ref) ref:with_timeout(world.random(10) / 10):call("work", 7) end)
table.insert(ON_ACTOR, function(_, ref) ref:kill() end)
table.insert(ON_ACTOR, function(world, ref)
  local limit = world.random(2) == 1 and LONG or world.random(30) / 10
  local ok, why = ref:stop(limit)
  assert(limit < LONG or ok ~= nil, why)
end)

-- And to a supervisor.
local ON_SUPERVISOR = {
  function(world, sup) gather(world, sup) end,
  function(world, sup) if world.random(3) == 1 then sup:kill() end end,
  function(world, sup)
    local _, why = sup:stop_child("k" .. world.random(4), LONG)
    assert(why ~= "timeout", "stop_child waits for ever")
  end,
  function(world, sup)
    if world.random(3) > 1 then return end
    local ok = sup:stop(LONG)
    assert(ok ~= nil, "stop waits for ever")
  end,
  function(world, sup)
    local child = sup:start_child(child_of(world, "k" .. world.random(6), 1))
    if actor.type(child) == "actor.Reference" then table.insert(world.actors, child) end
  end,
  function(_, sup) sup:ready(1) end,
}

local function client(world)
  local random = world.random
  for _ = 1, 2 + random(12) do
    if #world.supervisors > 0 and random(3) == 1 then
      pick(random, ON_SUPERVISOR)(world, pick(random, world.supervisors))
    elseif #world.actors > 0 then
      pick(random, ON_ACTOR)(world, pick(random, world.actors))
    end
    weir.sleep(random(10) / 10)
  end
end

local function at_work(world, top)
  gather(world, top)
  local tasks = {}
  for i = 1, 1 + world.random(5) do tasks[i] = weir.spawn(client, world) end
  if world.random(4) == 1 then
    weir.sleep(world.random(80) / 10)
    top:kill()
  end
  for _, task in ipairs(tasks) do
    local ok, err = task:join(LONG)
    if ok == nil then error("a client waits for ever:\n" .. task:traceback(), 0) end
    if not ok then error(err, 0) end
  end
end

local function nothing_left(world)
  for _, list in ipairs { world.actors, world.supervisors } do
    for _, ref in ipairs(list) do
      assert(not ref:is_alive(), "alive after all")
      assert(ref:join(0) ~= nil)
    end
  end
  assert(#weir.tasks() == 1, "tasks are left")
end

local function program(seed)
  local random = generator(seed)
  local world = { random = random, Worker = behaviour_of(random), actors = {}, supervisors = {} }
  local top = actor.supervise(table_of(world, 2, 0))
  at_work(world, top)
  assert(top:stop(LONG) ~= nil, "the tree does not stop")
  weir.sleep(10)                                  -- until those who answer for an actor have ended
  nothing_left(world)
end

-- What a worker was told to say, or a supervisor that was worn out.
local function expected(err)
  return string.find(err, "told to", 1, true) or string.find(err, "gave up: .*: stopped$")
    or string.find(err, "gave up: .*: aborted$")
end

describe("a random tree of supervisors", function()
  it("comes to its end, whatever is done to it", function()
    for seed = 1, 400 do
      local ok, err
      local seen = helper.failures(function() ok, err = pcall(weir.run_paused, program, seed) end)
      if not ok then error(("seed %d: %s"):format(seed, err), 0) end
      for _, failure in ipairs(seen) do
        if not expected(failure.err) then error(("seed %d: %s"):format(seed, failure.err), 0) end
      end
    end
  end)
end)
