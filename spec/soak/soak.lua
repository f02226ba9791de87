-- soak.lua -- random programs with new seeds for as long as asked, and memory that stays flat meanwhile.
-- SPDX-License-Identifier: MIT
--
--   lua5.4 spec/soak/soak.lua [--seconds 60] [--operations 1000000] [--least 1000000] [--seed n]
--
-- First so many operations of each kind, with tasks cut short at random. Then, for so many seconds and for so
-- many operations at least, programs on every kind of channel and on its model, in turn with programs of
-- random tasks. Ends with an error at the first failure: its seed makes it again.

package.path = (arg[0]:match("^(.*)/spec/soak/[^/]*$") or ".") .. "/?.lua;" .. package.path

local weir = require "weir"
local flat = require "spec.soak.flat"
local kinds = require "spec.soak.kinds"
local program = require "spec.model.program"
local tasks = require "spec.soak.tasks"

local options = { seconds = 60, operations = 1000000, least = 1000000, seed = os.time() }

for i = 1, #arg, 2 do
  local name, value = arg[i]:match("^%-%-(%a+)$"), math.tointeger(tonumber(arg[i + 1]))
  if not name or not options[name] or not value then
    io.stderr:write("usage: soak.lua [--seconds n] [--operations n] [--least n] [--seed n]\n")
    os.exit(2)
  end
  options[name] = value
end

local function say(...)
  io.stdout:write(string.format(...), "\n")
  io.stdout:flush()
end

-- ## Flat memory

-- A leak of a byte in a hundred operations shows in the first, one that Lua does not count in the second.
local LUA <const>, RESIDENT <const> = 32768, 2097152

local function flat_memory()
  say("%-22s %11s %8s %22s %24s", "kind", "operations", "aborts", "bytes in Lua", "resident bytes")
  for _, kind in ipairs(kinds) do
    local before, after, aborts = flat.run(kind, options.operations)
    local lua, resident = after.lua - before.lua, after.resident - before.resident
    say("%-22s %11d %8d %12.0f %+9.0f %13d %+10d", kind[1], options.operations, aborts, after.lua, lua,
      after.resident, resident)
    if lua > LUA or resident > RESIDENT then error(kind[1] .. ": the memory grows", 0) end
  end
end

-- ## Programs

local function model(seed)
  local operations = 0
  for kind = 1, #program.kinds do
    local steps = program.draw(seed, 60)
    local ok, n = program.run(kind, steps)
    if not ok then error(program.report(kind, seed, steps), 0) end
    operations = operations + n
  end
  return operations
end

local function random_tasks(seed)
  local unexpected
  local previous = weir.on_error(function(_, err, traceback)
    if not tasks.is_expected(err) then unexpected = tostring(err) .. "\n" .. traceback end
  end)
  local ok, p = pcall(tasks.run, seed)
  weir.on_error(previous)
  if not ok then unexpected = p end
  if unexpected then error(("random tasks, seed %d: %s"):format(seed, unexpected), 0) end
  if #weir.tasks() > 0 then error(("random tasks, seed %d: tasks are left"):format(seed), 0) end
  return p.steps
end

local function memory()
  for _ = 1, 3 do collectgarbage() end
  collectgarbage "restart" -- see flat.lua
  return collectgarbage "count" * 1024
end

-- What the first programs load and what the system keeps for them is there for good.
local SETTLED <const> = 200

local function programs()
  local seed, operations, steps = options.seed, 0, 0
  local last, told, first = weir.now() + options.seconds, weir.now(), nil
  repeat
    operations = operations + model(seed)
    steps = steps + random_tasks(seed)
    seed = seed + 1
    if seed == options.seed + SETTLED then first = memory() end
    if weir.now() > told + 60 then
      say("... seed %d, %d operations, %d steps", seed, operations, steps)
      told = weir.now()
    end
  until weir.now() > last and operations >= options.least
  say("seeds %d to %d: %d operations on channels and on models, and no difference; %d steps of tasks",
    options.seed, seed - 1, operations, steps)
  if not first then return end
  local now = memory()
  say("bytes in Lua: %.0f after %d programs of each, %.0f after %d", first, SETTLED, now, seed - options.seed)
  if now - first > 4 * LUA then error("the memory grows", 0) end
end

say("seed %d", options.seed)
math.randomseed(options.seed)
flat_memory()
programs()
