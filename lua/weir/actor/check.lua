-- SPDX-License-Identifier: MIT
-- Argument checks of weir.actor: full sentences, raised at the caller's line.

local weir = require "weir"

local check = {}

-- Kinds that are shared by whoever holds them; every other kind moves.
local SHARED = {
  Task = true, CancellationToken = true, Timer = true, Interval = true, Semaphore = true,
  Notify = true, Mutex = true, RwLock = true, Barrier = true, Once = true,
}

--- Raises `bad argument` for a function of this module; `level` as in `error`, of our caller.
function check.argument(ok, position, fname, problem, level)
  if not ok then
    error(("bad argument #%d to '%s' (%s)"):format(position, fname, problem), level + 1)
  end
end

function check.seconds(value, position, fname, level)
  if value == nil then return end
  local ok = type(value) == "number" and value >= 0
  check.argument(ok, position, fname, "seconds expected: a number, not negative", level + 1)
end

--- Where an operation is about to wait: only a task can.
function check.task(fname, level)
  if not weir.current() then
    error(fname .. " waits, and only a task can wait: call it inside weir.run or weir.spawn", level + 1)
  end
end

-- A field of an options table that holds seconds (or nothing).
function check.seconds_field(options, key, fname, level)
  local value = options[key]
  if value ~= nil and not (type(value) == "number" and value >= 0) then
    error(("%s: field '%s' must be seconds: a number, not negative"):format(fname, key), level + 1)
  end
end

--- A word that is not an option is a typing error; better told now than never.
function check.fields(options, known, fname, level)
  for key in pairs(options) do
    if not known[key] then
      error(("%s: unknown field '%s'"):format(fname, tostring(key)), level + 1)
    end
  end
end

function check.capacity(value, fname, level)
  if math.type(value) == "float" then value = math.tointeger(value) end
  if math.type(value) ~= "integer" or value < 1 or value > 2147483647 then
    error(("%s: field 'capacity' must be an integer from 1 to 2147483647; a mailbox has no default "
      .. "size, since it says how much may pile up"):format(fname), level + 1)
  end
end

--- Whether `value` is one of weir's own values, and the word for its kind.
function check.kind(value)
  local t = type(value)
  if t == "userdata" or t == "table" and getmetatable(value) then return weir.type(value) end
  return nil
end

--- Whether one of weir's own values is among the n that follow.
function check.any(n, value, ...)
  if n == 0 then return false end
  if check.kind(value) then return true end
  return check.any(n - 1, ...)
end

--- Whether `value` is a handle: has one holder and moves.
function check.is_handle(value)
  local kind = check.kind(value)
  return kind ~= nil and not SHARED[kind]
end

--- Handles that are to move must be open, and there once. `first` and `last` are the places in
--- `list` to look at, `shift` leads from there to the number of the argument; returns the place of
--- the first handle among them, or nil.
function check.handles(list, first, last, shift, fname, level)
  local found, seen
  for i = first, last do
    local value = list[i]
    local kind = check.kind(value)
    if kind and not SHARED[kind] then
      check.argument(not kind:find("^closed"), i + shift, fname,
        kind .. ": it was closed, or moved elsewhere", level + 1)
      seen = seen or {}
      check.argument(not seen[value], i + shift, fname, "the same handle twice", level + 1)
      seen[value] = true
      found = found or i
    end
  end
  return found
end

return check
