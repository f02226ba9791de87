-- SPDX-License-Identifier: MIT
-- weir: channels with Tokio's meaning for Lua coroutines. The core is C; what is
-- clearer in Lua stands here.

local core = require "weir.core"

local weir = { _VERSION = "weir 0.1.0" }

-- for weir's own modules, which take them from weir.core
local internal = {
  new_kind = true, state = true, take = true, own = true, owner = true, unyieldable = true,
  coop = true, on_composite = true, READY = true, snapshot = true, on_report = true, explore = true,
  trace_start = true, trace_stop = true, terminal = true, listing = true,
}

for name, value in pairs(core) do
  if not internal[name] then weir[name] = value end
end

-- How many functions stand in the array, or an error at the caller's line.
local function count(functions, name)
  if type(functions) ~= "table" then
    error(("bad argument #1 to '%s' (table of functions expected, got %s)"):format(name,
      core.type(functions) or type(functions)), 3)
  end
  local n = #functions
  for key in pairs(functions) do
    if math.type(key) ~= "integer" or key < 1 or key > n then
      error(("bad argument #1 to '%s' (an array of functions expected, it has a key %s)"):format(
        name, tostring(key)), 3)
    end
  end
  for i = 1, n do
    if type(functions[i]) ~= "function" then
      error(("bad argument #1 to '%s' (function expected at index %d, got %s)"):format(name, i,
        core.type(functions[i]) or type(functions[i])), 3)
    end
  end
  return n
end

-- Spawn f in the scope, named after the place where f is written.
local function spawn_named(scope, f)
  local task, info = scope:spawn(f), debug.getinfo(f, "S")
  task:name(("%s:%d"):format(info.short_src, info.linedefined))
  return task
end

-- Raise at the line of the caller's caller what a wait would raise here.
local function must_wait(name)
  if not core.current() then
    error(name .. " would have to wait, but this is no task: call it inside weir.run or weir.spawn", 3)
  end
end

--- Run functions side by side, each as a task; an array of their packed results.
-- The first error aborts the rest and is raised once they have ended.
function weir.join_all(functions)
  local n, tasks, results = count(functions, "join_all"), {}, {}
  if n == 0 then return results end
  must_wait("join_all")
  core.scope(function(scope)
    for i = 1, n do tasks[i] = spawn_named(scope, functions[i]) end
  end)
  for i = 1, n do
    local packed = table.pack(tasks[i]:join())
    if not packed[1] then error(packed[2], 0) end
    results[i] = table.pack(table.unpack(packed, 2, packed.n))
  end
  return results
end

-- which, true, results... to which, results...
local function first_of(which, ok, ...)
  if not ok then error((...), 0) end
  return which, ...
end

--- Run functions side by side; the index of the first to end, and its results.
-- An error of the first is raised; the others are aborted and have ended.
function weir.race(functions)
  local n = count(functions, "race")
  if n == 0 then error("bad argument #1 to 'race' (at least one function expected)", 2) end
  must_wait("race")
  return first_of(core.scope(function(scope)
    local tasks = {}
    for i = 1, n do tasks[i] = spawn_named(scope, functions[i]) end
    local ended = table.pack(core.select(tasks))
    scope:abort_all()
    return table.unpack(ended, 1, ended.n)
  end))
end

-- What is only looked at: weir.report is loaded when it is asked for.
core.on_report(function() return require("weir.report").deadlock() end,
  (debug.getinfo(1, "S").source:gsub("init%.lua$", "")))

--- A page on the live program: its tasks, channels, and who waits for whom.
function weir.dump() return require("weir.report").dump() end

--- Every unfinished task: { id =, name =, status =, where =, waiting_for = ... }.
function weir.tasks() return require("weir.report").tasks() end

--- Every channel: { kind =, len =, capacity =, senders =, receivers = ... }.
function weir.channels() return require("weir.report").channels() end

return weir
