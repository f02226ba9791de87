-- SPDX-License-Identifier: MIT
-- Actors on channels: a task that owns its state, a bounded mailbox, calls with replies, supervision.

local cell = require "weir.actor.cell"
local check = require "weir.actor.check"
local plan = require "weir.actor.plan"
local reference = require "weir.actor.reference"
local registry = require "weir.actor.registry"
local supervise = require "weir.actor.supervise"

local actor = {}

local OPTIONS = { capacity = true, name = true, register = true }

local KINDS = {
  [reference.Reference] = "actor.Reference",
  [reference.Weak] = "actor.WeakReference",
  [supervise.Handle] = "actor.Supervisor",
}

-- Where an actor was spawned is its name unless it has a better one.
local function name_of(options)
  if options.name or options.register then return options.name or options.register end
  local info = debug.getinfo(3, "Sl")
  return info and ("actor at %s:%d"):format(info.short_src, info.currentline) or "actor"
end

local function check_options(options, level)
  if type(options) ~= "table" then
    check.argument(false, 2, "spawn", "table of options expected, got " .. type(options), level + 1)
  end
  check.fields(options, OPTIONS, "spawn", level + 1)
  check.capacity(options.capacity, "spawn", level + 1)
  plan.optional(options, "name", "string", "spawn", level + 1)
  plan.optional(options, "register", "string", "spawn", level + 1)
end

--- Starts an actor; handles among the arguments move into its task.
function actor.spawn(behaviour, options, ...)
  plan.check_behaviour(behaviour, "spawn", 2)
  check_options(options, 2)
  local n = select("#", ...)
  if n > 0 then check.handles({ ... }, 1, n, 2, "spawn", 2) end
  local register = options.register
  if register and registry.find(register) then return nil, "full" end
  local c, tx = cell.new(behaviour, name_of(options), options.capacity)
  c:start(true, ...)
  if register then registry.add(register, c) end
  return reference.new(c, tx)
end

actor.supervise = supervise.supervise

--- Gives an actor a name: `true`, or `nil, "full"` if another live actor has it.
function actor.register(name, ref)
  check.argument(type(name) == "string", 1, "register", "string expected, got " .. type(name), 2)
  local ok = getmetatable(ref) == reference.Reference and ref.cell ~= nil
  check.argument(ok, 2, "register", "reference to an actor expected", 2)
  ref.cell:refresh()
  if ref.cell.ended then return nil, "closed" end
  return registry.add(name, ref.cell)
end

function actor.unregister(name)
  check.argument(type(name) == "string", 1, "unregister", "string expected, got " .. type(name), 2)
  return registry.remove(name)
end

--- The actor of that name, or nil. With a behaviour: only an actor of that behaviour will do.
function actor.whereis(name, behaviour)
  check.argument(type(name) == "string", 1, "whereis", "string expected, got " .. type(name), 2)
  local c = registry.find(name)
  if not c then return nil end
  if behaviour ~= nil and c.behaviour ~= behaviour then
    error(("whereis: '%s' is an actor of another behaviour"):format(name), 2)
  end
  return reference.revive(c)
end

function actor.registered()
  return registry.names()
end

--- "actor.Reference", "actor.WeakReference", "actor.Supervisor", or nil.
function actor.type(value)
  return KINDS[getmetatable(value)]
end

return actor
