-- test.lua -- aids for tests: every order that is legal, drawn from seeds; nothing left behind.
-- SPDX-License-Identifier: MIT
--
-- A program of tasks has many legal orders: which of the ready tasks runs next, which of the ready branches a
-- select takes. `weir.run` always takes the oldest; explore draws by lot, from a seed, on the virtual clock.

local core = require "weir.core"

local test = {}

local SEEDS = 1000

-- ---- arguments --------------------------------------------------------------------------------------

local function kind_of(x)
  return core.type(x) or type(x)
end

local function check_function(f, name)
  if type(f) ~= "function" then
    error(("bad argument #1 to '%s' (function expected, got %s)"):format(name, kind_of(f)), 3)
  end
end

local function check_options(options, name, known)
  if options == nil then return {} end
  if type(options) ~= "table" then
    error(("bad argument #2 to '%s' (table of options expected, got %s)"):format(name, kind_of(options)), 3)
  end
  for key, value in pairs(options) do
    if not known[key] then
      error(("bad argument #2 to '%s' (unknown option '%s')"):format(name, tostring(key)), 3)
    elseif (known[key] == "integer" and math.type(value) or type(value)) ~= known[key] then
      error(("bad argument #2 to '%s' (option '%s': %s expected, got %s)"):format(name, key, known[key],
        kind_of(value)), 3)
    end
  end
  return options
end

-- ---- explore ----------------------------------------------------------------------------------------

-- An error with where it came from; what a run raised as a string has its traceback already.
local function described(err)
  if type(err) == "string" then return err end
  local ok, text = pcall(tostring, err)
  return ok and text or ("(an error that is a %s)"):format(type(err))
end

-- Runs f once, in the order that the seed gives. Returns whether all went well, what went wrong, and a number
-- that stands for the order in which tasks ran.
local function run_seed(f, seed)
  local failed
  local previous = core.on_error(function(task, err, traceback)
    failed = failed or ("%s failed: %s\n%s"):format(tostring(task), described(err), traceback or "")
  end)
  math.randomseed(seed)
  core.explore(seed)
  local ok, err = pcall(core.run_paused, f)
  local order = core.explore(nil)
  core.on_error(previous)
  if ok and failed then ok, err = false, failed end
  return ok, err, order
end

-- The failing order once more, as a trace.
local function keep_trace(f, seed, path)
  local started, message = core.trace_start(path)
  if not started then return ("\n(no trace: %s)"):format(message) end
  run_seed(f, seed)
  core.trace_stop()
  return ("\nits trace is in %s"):format(path)
end

local explore_options = { seeds = "integer", seed = "integer", first = "integer", trace = "string" }

--- Run f as the first task of a program, on the virtual clock, under many legal orders of its tasks and
-- choices of its selects: one for each of `seeds` seeds (1000), from `first` (1) on. Raises an error that
-- names the first seed that fails: f raises, a task fails and nobody hears of it, or there is a deadlock.
-- `seed = n` runs that seed alone, exactly as before; `trace = path` writes the trace of the failing run.
-- Returns { seeds = how many ran, orders = how many different orders that were }.
function test.explore(f, options)
  check_function(f, "explore")
  options = check_options(options, "explore", explore_options)
  if options.seeds and options.seeds < 1 then
    local what = "bad argument #2 to 'explore' (option 'seeds': at least 1 expected, got %d)"
    error(what:format(options.seeds), 2)
  end
  if core.current() then error("explore runs programs of its own: call it outside of weir.run", 2) end
  local first = options.seed or options.first or 1
  local seeds = options.seed and 1 or options.seeds or SEEDS
  local orders, different = {}, 0
  for seed = first, first + seeds - 1 do
    local ok, err, order = run_seed(f, seed)
    if not ok then
      local text = ("seed %d fails, after %d that did not; explore(f, { seed = %d }) repeats it: %s")
        :format(seed, seed - first, seed, described(err))
      if options.trace then text = text .. keep_trace(f, seed, options.trace) end
      error(text, 2)
    end
    if not orders[order] then orders[order], different = true, different + 1 end
  end
  return { seeds = seeds, orders = different }
end

-- ---- assert_no_leaks --------------------------------------------------------------------------------

-- What lives: tasks and handles, and how many the collector has dropped.
local function inventory()
  local picture = require("weir.report.picture").take(true)
  local tasks, handles = {}, {}
  for _, task in ipairs(picture.tasks) do tasks[task.id] = task end
  for _, handle in ipairs(picture.handles) do handles[handle.id] = handle end
  return { tasks = tasks, handles = handles, collected = picture.collected, picture = picture }
end

-- Other tasks go on until none is ready; nothing that waits for a time is waited for.
local function settle(me)
  for _ = 1, 1000 do
    local ready = false
    for _, task in ipairs(core.snapshot(false).tasks) do
      if task.id ~= me and task.status ~= "waiting" then ready = true end
    end
    if not ready then return end
    core.yield()
  end
end

local function collect()
  for _ = 1, 3 do collectgarbage() end
end

local function add_task(found, task)
  local words = require "weir.report.words"
  local waits = words.waiting_for(task)
  found[#found + 1] = ("task: %s, %s at %s%s"):format(words.label(task), task.status, task.where,
    waits and ", a waiter in " .. waits or "")
end

local function add_handle(found, what, picture, handle)
  local line = require("weir.report.words").handle_line(picture, handle)
  if handle.permits then what, line = "permits: ", ("%s, good for %d"):format(line, handle.permits) end
  found[#found + 1] = what .. line
end

-- What was there at the end, before and after a collection, and not at the beginning, in words.
local function leaks(before, uncollected, after, me, strict)
  local found = {}
  for _, task in ipairs(after.picture.tasks) do
    if not before.tasks[task.id] and task.id ~= me then add_task(found, task) end
  end
  for _, handle in ipairs(after.picture.handles) do
    if not before.handles[handle.id] then add_handle(found, "handle: ", after.picture, handle) end
  end
  if strict and after.collected > before.collected then
    for _, handle in ipairs(uncollected.picture.handles) do
      if not before.handles[handle.id] and not after.handles[handle.id] then
        add_handle(found, "left to the collector: ", uncollected.picture, handle)
      end
    end
    local others = uncollected.collected - before.collected
    if others > 0 then
      found[#found + 1] = ("left to the collector: %d handles before the end"):format(others)
    end
  end
  table.sort(found)
  return found
end

-- f's results, and before them what it has left behind.
local function measured(f, strict, name)
  local me = core.current():id()
  if name then core.current():name(name) end
  collect()
  if strict then collectgarbage "stop" end
  local before = inventory()
  local results = table.pack(f())
  settle(me)
  local uncollected = inventory()
  collect()
  return leaks(before, uncollected, inventory(), me, strict), table.unpack(results, 1, results.n)
end

-- Called last: the caller's line is one level up.
local function raise_leaks(ok, found, ...)
  if not ok then error(found, 0) end
  if #found > 0 then
    error(("%d left behind:\n  %s"):format(#found, table.concat(found, "\n  ")), 2)
  end
  return ...
end

--- Run f and raise an error that lists what it has left behind: unfinished tasks and what they wait for,
-- handles and permits that somebody still holds. Inside a task it runs there; elsewhere as the first task of
-- a program on the virtual clock. The list says where each handle was made. With `strict` what the collector
-- had to drop counts as well. Returns what f returned, among which no new handle may stand.
function test.assert_no_leaks(f, options)
  check_function(f, "assert_no_leaks")
  options = check_options(options, "assert_no_leaks", { strict = "boolean" })
  local debugging, collecting = core.debug(true), collectgarbage "isrunning"
  local results
  if core.current() then
    results = table.pack(pcall(measured, f, options.strict))
  else
    local info = debug.getinfo(f, "S")
    local name = ("%s:%d"):format(info.short_src, info.linedefined)
    results = table.pack(pcall(core.run_paused, measured, f, options.strict, name))
  end
  core.debug(debugging)
  if collecting then collectgarbage "restart" end
  return raise_leaks(table.unpack(results, 1, results.n))
end

return test
