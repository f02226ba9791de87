-- flat.lua -- many operations of one kind, with tasks aborted at random: the memory before and after.
-- SPDX-License-Identifier: MIT

local weir = require "weir"

local random = math.random

local flat = {}

local PURPOSE <const> = "on purpose" -- what the kinds raise themselves

local function resident()
  local file <close> = io.open("/proc/self/statm")
  return file and select(2, file:read("n", "n")) * 4096 or 0
end

-- After a full collection that has run finalizers Lua 5.4.4 lets more and more garbage lie before the next,
-- from one such collection to another; starting the collector anew sets that right.
local function measure()
  for _ = 1, 3 do collectgarbage() end
  collectgarbage "restart"
  return { resident = resident(), lua = collectgarbage "count" * 1024 }
end

-- A task that does the operation over and over.
local function start(run, body)
  return weir.spawn(function()
    while not run.over do
      body()
      run.done = run.done + 1
    end
  end)
end

-- Lets the tasks work, cuts one of them short now and then, and starts it again; until `goal` are done. The
-- clock moves by hand, since those who always find something to do would stop it.
local function work(run, goal)
  local tasks, bodies = run.tasks, run.bodies
  while run.done < goal do
    weir.advance(random(0, 2) * 0.0005)
    for _ = 1, random(20) do weir.yield() end
    local i = random(#tasks)
    tasks[i]:abort()
    local ok, err = tasks[i]:join()
    if not ok and err ~= "aborted" and err ~= PURPOSE then error(err, 0) end
    run.aborts = run.aborts + 1
    tasks[i] = start(run, bodies[i])
  end
end

-- The tasks are gone at a measurement: what they still held would be counted.
local function stop(run)
  for _, task in ipairs(run.tasks) do task:abort() end
  for _, task in ipairs(run.tasks) do task:join() end
  run.tasks = {}
end

local function start_all(run)
  for i, body in ipairs(run.bodies) do run.tasks[i] = start(run, body) end
end

--- Runs `operations` of the kind. Returns the memory after the first tenth, and at the end, and how many
-- tasks were cut short.
function flat.run(kind, operations)
  local before, after, aborts
  local previous = weir.on_error(function() end)
  local ok, err = pcall(weir.run_paused, function()
    local run = { bodies = kind[2](), tasks = {}, done = 0, aborts = 0 }
    for _, goal in ipairs { operations // 10, operations } do
      start_all(run)
      work(run, goal)
      stop(run)
      before, after = after, measure()
    end
    aborts = run.aborts
  end)
  weir.on_error(previous)
  if not ok then error(("%s: %s"):format(kind[1], err), 0) end
  return before, after, aborts
end

return flat
