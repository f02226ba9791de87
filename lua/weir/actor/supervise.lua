-- SPDX-License-Identifier: MIT
-- actor.supervise, and what the holder of a supervisor can say to it.

local check = require "weir.actor.check"
local outcome = require "weir.actor.outcome"
local plan = require "weir.actor.plan"
local reference = require "weir.actor.reference"
local Supervisor = require("weir.actor.supervisor").Supervisor

-- Handle { core }: the supervisor itself runs in its task whether anybody holds a Handle or not.
local Handle = { __name = "weir.actor.Supervisor" }
Handle.__index = Handle

local supervise = { Handle = Handle }

local function core_of(handle)
  local core = handle.core
  core:refresh()
  return core
end

-- Where an operation is about to wait for what the supervisor does, or for the end of `unit`.
local function check_wait(core, unit, seconds, fname, level)
  if seconds == 0 then return end
  check.task(fname, level + 1)
  local asking = Supervisor.current()
  if asking and (asking == core or asking:is_in(unit)) then
    error(("supervisor '%s' waits for itself: in its own task, where on_failure runs, %s can only be called "
      .. "with a limit of 0"):format(asking.name, fname), level + 1)
  end
end

local function handle_of(child)
  if getmetatable(child.unit) == Supervisor then return setmetatable({ core = child.unit }, Handle) end
  return reference.shared(child.unit)
end

--- A reference to a child (or the supervisor that it is), or nil.
function Handle:child(name)
  local child = core_of(self).by_name[name]
  return child and handle_of(child)
end

--- What can be seen of the children, in order.
function Handle:children()
  local list = {}
  for i, child in ipairs(core_of(self).members) do
    list[i] = {
      name = child.name, state = child.state, restart = child.restart, restarts = child.unit.restarts,
    }
  end
  return list
end

function Handle:name()
  return self.core.name
end

local function is_over(core)
  return core.ended or core.closing or core.asked or not core.task and not core.is_open
end

--- Adds a child at the end of the list.
function Handle:start_child(spec)
  local core = core_of(self)
  local child = plan.child(core, spec, 2)
  if is_over(core) then return nil, "closed" end
  if core.by_name[child.name] then return nil, "full" end
  if plan.enrol { child } then return nil, "full" end
  child.added = true
  plan.add(core, child)
  core.bell:notify_one()
  return handle_of(child)
end

--- Ends one child for good, in order and with its deadline, and waits for that.
function Handle:stop_child(name, seconds)
  check.seconds(seconds, 2, "stop_child", 2)
  local core = core_of(self)
  local child = core.by_name[name]
  if not child then return nil, "empty" end
  check_wait(core, child.unit, seconds, "supervisor:stop_child", 2)
  core:dismiss(child)
  local ok, why = outcome.join(child.unit, seconds)
  if ok == nil then return nil, why end
  return true
end

--- Ends all children in reverse order, then this life of the supervisor, and waits for that.
function Handle:stop(seconds)
  check.seconds(seconds, 1, "stop", 2)
  local core = core_of(self)
  if not core:is_down() then
    check_wait(core, core, seconds, "supervisor:stop", 2)
    core:ask_stop(true)
  end
  return core:wait_down(seconds)
end

--- Aborts the supervisor and all that it watches over. Does not wait.
function Handle:kill()
  core_of(self):kill()
  return true
end

function Handle:join(seconds)
  check.seconds(seconds, 1, "join", 2)
  local core = core_of(self)
  if not core.ended then check_wait(core, core, seconds, "supervisor:join", 2) end
  return outcome.join(core, seconds)
end

function Handle:ready(seconds)
  check.seconds(seconds, 1, "ready", 2)
  local core = core_of(self)
  if not (core.is_ready or core.ended) then check_wait(core, nil, seconds, "supervisor:ready", 2) end
  return outcome.ready(core, seconds)
end

function Handle:monitor()
  return outcome.monitor(core_of(self))
end

function Handle:is_alive()
  return not core_of(self).ended
end

Handle.drop = Handle.kill
Handle.close = Handle.kill
Handle.__close = Handle.kill

function Handle:__tostring()
  local core = self.core
  local state = core.ended and core.ended.how or #core.members .. " children"
  return ("actor.Supervisor (%s, %s)"):format(core.name, state)
end

--- Starts a supervisor.
function supervise.supervise(options)
  if type(options) ~= "table" then
    check.argument(false, 1, "supervise", "table expected, got " .. type(options), 2)
  end
  local core = plan.supervisor(options, 2)
  core:begin()
  return setmetatable({ core = core }, Handle)
end

return supervise
