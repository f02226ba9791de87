-- SPDX-License-Identifier: MIT
-- weir: channels with Tokio's meaning for Lua coroutines. The core is C; what is
-- clearer in Lua stands here.

local core = require "weir.core"

local weir = { _VERSION = "weir 0.1.0" }

-- for weir's own modules, which take them from weir.core
local internal = {
  new_kind = true, state = true, take = true, own = true, owner = true, unyieldable = true,
  coop = true, on_composite = true, READY = true, snapshot = true, on_report = true, explore = true,
  trace_start = true, trace_stop = true, terminal = true, listing = true, disown = true, report = true,
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

-- Spawn f in the scope, named after the place where `written` is.
local function spawn_named(scope, f, written)
  local task, info = scope:spawn(f), debug.getinfo(written, "S")
  task:name(("%s:%d"):format(info.short_src, info.linedefined))
  return task
end

-- core.scope, protected; where nobody can wait, an error at the line of the caller's caller before the
-- body has run. (A scope runs its body in a coroutine of its own, but there it simply calls it.)
local function scoped(name, body)
  local here, refused = coroutine.running(), nil
  local ok, err = pcall(core.scope, function(scope)
    if coroutine.running() ~= here then return body(scope) end
    refused = select(2, pcall(core.yield)):gsub("^yield", name)
  end)
  if refused then error(refused, 3) end
  return ok, err
end

-- The results of a task that has ended, packed; its error is raised.
local function results_of(task)
  local packed = table.pack(task:join())
  if not packed[1] then error(packed[2], 0) end
  return table.pack(table.unpack(packed, 2, packed.n))
end

--- Run functions side by side, each as a task; an array of their packed results.
-- The first error aborts the rest and is raised once they have ended.
function weir.join_all(functions)
  local n, tasks, results = count(functions, "join_all"), {}, {}
  if n == 0 then
    core.coop() -- a loop of these must not starve others
    return results
  end
  local ok, err = scoped("join_all", function(scope)
    for i = 1, n do tasks[i] = spawn_named(scope, functions[i], functions[i]) end
  end)
  if not ok then error(err, 0) end
  for i = 1, n do results[i] = results_of(tasks[i]) end
  return results
end

local finish_meta = { __close = function(finish) table.insert(finish.order, finish.index) end }

-- f, which notes in `order` when it ends, in whatever way.
local function racer(order, index, f)
  return function()
    local finish <close> = setmetatable({ order = order, index = index }, finish_meta) -- luacheck: ignore 211
    return f()
  end
end

-- The scope of a race has raised the first error of a task, and handed on all others. If that was a loser's,
-- nobody will be told.
local function report_loser(tasks, order)
  if tasks[order[1]]:status() == "failed" then return end
  for i = 2, #order do
    local loser = tasks[order[i]]
    if loser:status() == "failed" then return core.report(loser) end
  end
end

--- Run functions side by side; the index of the first to end, and its results.
-- An error of the first is raised; the others are aborted and have ended.
function weir.race(functions)
  local n = count(functions, "race")
  if n == 0 then error("bad argument #1 to 'race' (at least one function expected)", 2) end
  local tasks, order = {}, {}
  local ok, err = scoped("race", function(scope)
    for i = 1, n do tasks[i] = spawn_named(scope, racer(order, i, functions[i]), functions[i]) end
    core.select(tasks)
    scope:abort_all()
  end)
  local first = order[1]
  if not first then error(err, 0) end -- there was no memory for them
  if not ok then report_loser(tasks, order) end
  local results = results_of(tasks[first])
  return first, table.unpack(results, 1, results.n)
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
