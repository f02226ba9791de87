-- SPDX-License-Identifier: MIT
-- Reads the table that describes a supervisor, and makes it with all its children, none started.

local weir = require "weir"
local cell = require "weir.actor.cell"
local check = require "weir.actor.check"
local registry = require "weir.actor.registry"
local Supervisor = require("weir.actor.supervisor").Supervisor

local unpack = table.unpack

local plan = {}

local STRATEGIES = { one_for_one = true, one_for_all = true, rest_for_one = true }
local RESTARTS = { permanent = true, transient = true, temporary = true }
local SHUTDOWNS = { never = true, any = true, all = true }
local FIELDS = {
  name = true, strategy = true, intensity = true, period = true, backoff = true, shutdown = true,
  auto_shutdown = true, on_failure = true, children = true,
}
local CHILD_FIELDS = {
  name = true, behaviour = true, capacity = true, args = true, restart = true, shutdown = true,
  register = true, supervisor = true,
}
local BACKOFF_FIELDS = { min = true, max = true, factor = true, jitter = true, reset = true }

-- Words that a behaviour must leave to weir.
local function check_behaviour(behaviour, fname, level)
  if type(behaviour) ~= "table" then
    error(fname .. ": the behaviour must be a table of functions, got " .. type(behaviour), level + 1)
  end
  for _, key in ipairs { "init", "terminate" } do
    local f = behaviour[key]
    if f ~= nil and type(f) ~= "function" then
      error(("%s: behaviour.%s must be a function, got %s"):format(fname, key, type(f)), level + 1)
    end
  end
  for key in pairs(cell.Self) do
    if behaviour[key] ~= nil then
      error(("%s: behaviour.%s would hide self:%s(), which weir.actor gives every actor"):format(
        fname, key, key), level + 1)
    end
  end
end
plan.check_behaviour = check_behaviour

local function word(options, key, known, default, fname, level)
  local value = options[key]
  if value == nil then return default end
  if not known[value] then
    local words = {}
    for k in pairs(known) do words[#words + 1] = "'" .. k .. "'" end
    table.sort(words)
    error(("%s: field '%s' must be %s"):format(fname, key, table.concat(words, ", ")), level + 1)
  end
  return value
end

local function optional(options, key, kind, fname, level)
  local value = options[key]
  if value ~= nil and type(value) ~= kind then
    error(("%s: field '%s' must be a %s, got %s"):format(fname, key, kind, type(value)), level + 1)
  end
  return value
end
plan.optional = optional

-- backoff = 0.1, or a table.
local function read_backoff(value, fname, level)
  if value == nil then return nil end
  if type(value) == "number" then value = { min = value, max = value } end
  if type(value) ~= "table" then
    error(("%s: field 'backoff' must be seconds or a table"):format(fname), level + 1)
  end
  check.fields(value, BACKOFF_FIELDS, fname .. " (backoff)", level + 1)
  for key in pairs(BACKOFF_FIELDS) do check.seconds_field(value, key, fname .. " (backoff)", level + 1) end
  local pace = { min = value.min, max = value.max, factor = value.factor or 2, jitter = value.jitter or 0 }
  if not (pace.min and pace.max) or pace.max < pace.min or pace.factor < 1 then
    error(fname .. " (backoff): min and max are needed, max not below min, factor not below 1", level + 1)
  end
  pace.reset = value.reset or pace.max
  return pace
end

-- What the child's init gets, each time that it starts.
local function read_args(args, fname, level)
  if args == nil then return function() end end
  if type(args) == "function" then return args end
  if type(args) ~= "table" then
    error(("%s: field 'args' must be a table or a function, got %s"):format(fname, type(args)), level + 1)
  end
  local n = args.n or #args
  for i = 1, n do
    if check.is_handle(args[i]) then
      error(("%s: args[%d] is a %s, which moves into the first life and would be missing in the "
        .. "second: make 'args' a function that returns a clone"):format(fname, i, check.kind(args[i])),
        level + 1)
    end
  end
  return function() return unpack(args, 1, n) end
end

local new_supervisor

local function new_unit(self, child, spec, fname, level)
  if spec.supervisor ~= nil then
    if type(spec.supervisor) ~= "table" or spec.behaviour or spec.capacity or spec.args or spec.register then
      error(fname .. ": a child with a field 'supervisor' (a table) has no behaviour, capacity, args "
        .. "or register of its own", level + 1)
    end
    local unit = new_supervisor(spec.supervisor, self.name .. "/" .. child.name, self, child, level + 1)
    return unit
  end
  check_behaviour(spec.behaviour, fname, level + 1)
  check.capacity(spec.capacity, fname, level + 1)
  local unit = cell.new(spec.behaviour, child.name, spec.capacity, self, child)
  return unit
end

local function default_name(self)
  self.serial = self.serial + 1
  return ("%s/%d"):format(self.name, self.serial)
end

-- One entry of `children`, checked; not yet in the list.
function plan.child(self, spec, level)
  if type(spec) ~= "table" then
    error(("supervise: a child must be a table, got %s"):format(type(spec)), level + 1)
  end
  local fname = ("supervise (child '%s')"):format(tostring(spec.name))
  check.fields(spec, CHILD_FIELDS, fname, level + 1)
  check.seconds_field(spec, "shutdown", fname, level + 1)
  local child = {
    spec = spec,
    name = optional(spec, "name", "string", fname, level + 1) or default_name(self),
    restart = word(spec, "restart", RESTARTS, "permanent", fname, level + 1),
    arguments = read_args(spec.args, fname, level + 1),
    shutdown = spec.shutdown or (spec.supervisor and math.huge or self.shutdown),
    state = "down", due = 0, tries = 0,
  }
  optional(spec, "register", "string", fname, level + 1)
  child.unit = new_unit(self, child, spec, fname, level + 1)
  return child
end

-- At the end of the list.
function plan.add(self, child)
  local place = #self.members + 1
  child.place = place
  self.members[place] = child
  self.by_name[child.name] = child
end

local function add_original(self, spec, level)
  local child = plan.child(self, spec, level + 1)
  if self.by_name[child.name] then
    error(("supervise: two children with the name '%s'"):format(child.name), level + 1)
  end
  plan.add(self, child)
  return child
end

-- Gives the actors among these children, and below them, their names; returns one that is taken, if one is.
local function enrol(children, given)
  for _, child in ipairs(children) do
    local name = child.spec.register
    if child.unit.members then
      local taken = enrol(child.unit.members, given)
      if taken then return taken end
    elseif name then
      if not registry.add(name, child.unit) then return name end
      given[#given + 1] = name
    end
  end
end

--- Names are given when the whole table has been found in order, all or none: nil, or one that is taken.
function plan.enrol(children)
  local given = {}
  local taken = enrol(children, given)
  if taken then
    for _, name in ipairs(given) do registry.remove(name) end
  end
  return taken
end

--- Puts the children of its table back that have ended for good, in their old places.
function Supervisor:restore()
  local by_spec = {}
  for _, child in ipairs(self.members) do by_spec[child.spec] = child end
  self.members, self.by_name = {}, {}
  for _, spec in ipairs(self.specs) do
    local child = by_spec[spec]
    if child then
      plan.add(self, child)
    else
      enrol({ add_original(self, spec, 2) }, {})        -- a name that is taken by now is done without
    end
  end
end

-- A table that stands somewhere in itself would be read for ever.
local function check_cycle(options, owner, seat, level)
  local above = owner
  while above do
    if above.options == options then
      error(("supervise: the table of the supervisor '%s' contains itself"):format(seat.name), level + 1)
    end
    above = above.owner
  end
end

function new_supervisor(options, name, owner, seat, level)
  local fname = "supervise"
  check_cycle(options, owner, seat, level + 1)
  check.fields(options, FIELDS, fname, level + 1)
  check.seconds_field(options, "shutdown", fname, level + 1)
  check.seconds_field(options, "period", fname, level + 1)
  local intensity = options.intensity or 1
  if type(intensity) ~= "number" or intensity < 0 or intensity ~= intensity then
    error("supervise: field 'intensity' must be how many restarts are allowed in a period: a number, "
      .. "not negative", level + 1)
  end
  local children = optional(options, "children", "table", fname, level + 1) or {}
  local specs = table.move(children, 1, #children, 1, {})         -- to begin with again: theirs may change
  local self = setmetatable({
    name = optional(options, "name", "string", fname, level + 1) or name,
    strategy = word(options, "strategy", STRATEGIES, "one_for_one", fname, level + 1),
    auto_shutdown = word(options, "auto_shutdown", SHUTDOWNS, "never", fname, level + 1),
    on_failure = optional(options, "on_failure", "function", fname, level + 1),
    backoff = read_backoff(options.backoff, fname, level + 1),
    intensity = intensity, period = options.period or 5, shutdown = options.shutdown or 5,
    options = options, specs = specs, members = {}, by_name = {}, queue = {}, failures = {},
    serial = 0, restarts = 0, bell = weir.notify(), owner = owner, seat = seat,
    is_open = true, concluded = true,
  }, Supervisor)
  for _, spec in ipairs(specs) do add_original(self, spec, level + 1) end
  return self
end

--- A supervisor of its own, from the table of actor.supervise.
function plan.supervisor(options, level)
  local self = new_supervisor(options, "supervisor", nil, nil, level + 1)
  local taken = plan.enrol(self.members)
  if taken then error(("supervise: the name '%s' is taken"):format(taken), level + 1) end
  return self
end

return plan
