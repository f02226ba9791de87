-- SPDX-License-Identifier: MIT
-- Does an operation cost more because there is much else that it does not touch?
--
--   host bench/bystanders.lua OPERATION NUMBER       counted under callgrind, a thousand operations
--   host bench/bystanders.lua list                   the names of all operations
local host = require "bench.host"

local OPERATIONS = 1000

-- each: prepare(weir, n) -> a function that is called with a count of operations
local operations = {}

local function parked_tasks(weir, n)
  local gate = weir.notify()
  local tasks = {}
  for i = 1, n do tasks[i] = weir.spawn(function() gate:notified() end) end
  weir.yield()
  return { gate, tasks }
end

local function pass_messages(weir)
  local tx, rx = weir.mpsc(16)
  return function(count)
    for i = 1, count do
      tx:send(i)
      rx:recv()
    end
  end
end

function operations.message_beside_tasks(weir, n)
  return pass_messages(weir), parked_tasks(weir, n)
end

function operations.message_beside_channels(weir, n)
  local others = {}
  for i = 1, n do others[i] = { weir.mpsc(16) } end
  return pass_messages(weir), others
end

function operations.message_beside_waiters(weir, n)
  local others, tx, rx = {}, weir.mpsc(1)
  tx:send(0)
  for i = 1, n do
    local mine = tx:clone()
    others[i] = weir.spawn(function() mine:send(i) end)
  end
  weir.yield()
  return pass_messages(weir), { others, tx, rx }
end

-- the line of the channel that it does use may be as long as it likes
function operations.message_through_a_line(weir, n)
  local tx, rx = weir.mpsc(1)
  local others = {}
  for i = 1, n + OPERATIONS do
    local mine = tx:clone()
    others[i] = weir.spawn(function() mine:send(i) end)
  end
  weir.yield()
  return function(count)
    for _ = 1, count do rx:recv() end
  end, { others, tx }
end

function operations.timeout_in_a_line(weir, n)
  local tx, rx = weir.mpsc(1)
  local others = {}
  for i = 1, n do
    local mine = tx:clone()
    others[i] = weir.spawn(function() mine:send(i) end)
  end
  weir.yield()
  local signal = weir.notify()
  return function(count)
    for _ = 1, count do
      signal:notify_one()
      weir.select { signal, { tx, 1 } }
    end
  end, { others, rx }
end

function operations.yield_beside_tasks(weir, n)
  local kept = parked_tasks(weir, n)
  return function(count)
    for _ = 1, count do weir.yield() end
  end, kept
end

function operations.spawn_beside_tasks(weir, n)
  local kept = parked_tasks(weir, n)
  return function(count)
    for _ = 1, count do weir.spawn(function() end):join() end
  end, kept
end

function operations.abort_beside_tasks(weir, n)
  local gate = weir.notify()
  local tasks = {}
  for i = 1, n + OPERATIONS do tasks[i] = weir.spawn(function() gate:notified() end) end
  weir.yield()
  return function(count)
    for i = 1, count do
      tasks[i]:abort()
      weir.yield()
    end
  end, tasks
end

function operations.notify_one_in_a_line(weir, n)
  local gate = weir.notify()
  local tasks = {}
  for i = 1, n + OPERATIONS do tasks[i] = weir.spawn(function() gate:notified() end) end
  weir.yield()
  return function(count)
    for _ = 1, count do
      gate:notify_one()
      weir.yield()
    end
  end, tasks
end

function operations.select_beside_channels(weir, n)
  local others = {}
  for i = 1, n do others[i] = { weir.mpsc(16) } end
  local tx, rx = weir.mpsc(16)
  local branches = { rx, weir.notify() }
  return function(count)
    for i = 1, count do
      tx:send(i)
      weir.select(branches)
    end
  end, others
end

-- receivers that are not waiting: behind by less than the ring
function operations.broadcast_beside_idle_receivers(weir, n)
  local tx, first = weir.broadcast(2048)
  local others = {}
  for i = 1, n do others[i] = tx:subscribe() end
  return function(count)
    for i = 1, count do
      tx:send(i)
      first:recv()
    end
  end, others
end

function operations.watch_beside_idle_receivers(weir, n)
  local tx, rx = weir.watch(0)
  local others = {}
  for i = 1, n do others[i] = rx:clone() end
  return function(count)
    for i = 1, count do
      tx:send(i)
      rx:changed()
    end
  end, others
end

function operations.clone_beside_senders(weir, n)
  local tx, rx = weir.mpsc(16)
  local others = {}
  for i = 1, n do others[i] = tx:clone() end
  return function(count)
    for _ = 1, count do tx:clone():close() end
  end, { others, rx }
end

function operations.cancel_child_beside_children(weir, n)
  local token = weir.cancellation_token()
  local others = {}
  for i = 1, n do others[i] = token:child() end
  local mine = {}
  for i = 1, OPERATIONS do mine[i] = token:child() end
  return function(count)
    for i = 1, count do mine[i]:cancel() end
  end, { others, token }
end

function operations.lock_beside_locks(weir, n)
  local others = {}
  for i = 1, n do others[i] = weir.mutex(i) end
  local lock = weir.mutex(0)
  return function(count)
    for _ = 1, count do lock:lock():unlock() end
  end, others
end

-- a heap of deadlines may grow with its logarithm
function operations.sleep_beside_sleepers(weir, n)
  local others = {}
  for i = 1, n do others[i] = weir.spawn(function() weir.sleep(1e6 + i) end) end
  weir.yield()
  return function(count)
    for _ = 1, count do weir.sleep(1) end
  end, others
end

local function list()
  local names = {}
  for name in pairs(operations) do names[#names + 1] = name end
  table.sort(names)
  print(table.concat(names, "\n"))
end

local function measure(name, n)
  local weir = require "weir"
  weir.run_paused(function()
    local operate, kept = operations[name](weir, n)
    collectgarbage()
    collectgarbage "stop" -- what is counted is the operation, not whose turn the collector has
    host.collect()
    operate(OPERATIONS)
    host.collect()
    return kept ~= 0
  end)
  os.exit(0, false)
end

if arg[1] == "list" then list() else measure(arg[1], math.tointeger(arg[2])) end
