-- weir.stream.check: checks of arguments, which raise at the line of the caller of the method.
-- SPDX-License-Identifier: MIT

local weir = require "weir"

local check = {}

-- The deadline of a wait of 0 seconds, which polls once.
check.AT_ONCE = -math.huge

-- The word that a message uses for the kind of a value.
function check.kind_of(x)
  return weir.type(x) or type(x)
end

local TIME <const> = "bad argument #%d to '%s' (a time in seconds, 0 or more, expected, got %s)"

-- The results of a pcall. Its error is raised again at `level`, which counts from the caller, without
-- the position in the caller's file that it may begin with.
function check.results(level, ok, ...)
  if ok then return ... end
  local err = ...
  local here = debug.getinfo(2, "S").short_src
  if type(err) == "string" and err:sub(1, #here) == here then
    err = err:sub(#here + 1):gsub("^:%d+: ", "")
  end
  error(err, level + 1)
end

function check.func(f, i, name)
  if type(f) == "function" then return end
  error(("bad argument #%d to '%s' (function expected, got %s)"):format(i, name, check.kind_of(f)), 3)
end

function check.count(n, i, least, name)
  local integer = math.tointeger(n)
  if type(n) == "number" and integer and integer >= least then return integer end
  local got = type(n) == "number" and n or check.kind_of(n)
  error(("bad argument #%d to '%s' (integer of at least %d expected, got %s)"):format(i, name, least, got), 3)
end

local function check_time(s, i, name)
  if type(s) == "number" and s >= 0 then return end
  local got = type(s) == "number" and s or check.kind_of(s)
  error(TIME:format(i, name, got), 4)
end

function check.seconds(s, i, name)
  check_time(s, i, name)
end

-- The deadline for a timeout, argument i of the method `name`; nil if there is none.
function check.deadline(timeout, i, name)
  if timeout == nil then return nil end
  check_time(timeout, i, name)
  return timeout == 0 and check.AT_ONCE or weir.now() + timeout
end

return check
