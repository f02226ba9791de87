-- weir.stream.buffered: a function run in a task for each element, up to n at a time.
-- SPDX-License-Identifier: MIT
--
--   source --> queue of tasks, in the order of their elements, at most n --> results
--              queue[first .. last]
--              done[task] = packed results of one that has ended and whose turn has not come
--
-- The tasks live in a join set of the node: dropping the stream aborts them. They run on between two
-- polls; elements are drawn only by a poll.

local weir = require "weir"
local node = require "weir.stream.node"

local pull = node.pull

local buffered = {}

local function enqueue(self, task)
  self.last = self.last + 1
  self.queue[self.last] = task
end

local function noted(self, task, ...)
  if task == nil then return false end
  self.running = self.running - 1
  self.done[task] = table.pack(...) -- true, results... or false, err
  if self.unordered then enqueue(self, task) end
  return true
end

local function note_finished(self)
  while self.running > 0 and noted(self, self.set:try_join_next()) do end
end

local function held(...)
  node.hold_all(table.pack(...))
  return ...
end

-- The body of a task. What its function returns outlives it.
local function work(f, ...)
  return held(f(...))
end

local function started(self, status, ...)
  if status ~= true then return status end
  local task = self.set:spawn(work, self.f, ...)
  node.give_all(table.pack(...), task)
  task:name(self.name)
  self.running, self.open = self.running + 1, self.open + 1
  if not self.unordered then enqueue(self, task) end
  return true
end

-- Starts tasks until n are open or the source has nothing: what it answered then.
local function fill(self)
  while self.open < self.limit do
    local status = started(self, pull(self.source))
    if status ~= true then return status end
  end
  return nil
end

local function outcome(result)
  if not result[1] then error(result[2], 0) end
  node.own_all(result)
  return table.unpack(result, 1, result.n)
end

local function poll(self)
  note_finished(self)
  local status = fill(self)
  local task = self.queue[self.first]
  local result = task and self.done[task]
  if result then
    self.queue[self.first], self.done[task] = nil, nil
    self.first, self.open = self.first + 1, self.open - 1
    return outcome(result)
  end
  if status == false and self.open > 0 then return nil end
  return status
end

local function leaves(self, branches)
  if self.running > 0 then branches[#branches + 1] = self.awaits end
  return self.open < self.limit and node.leaves(self.source, branches)
end

local function release(self)
  note_finished(self)
  self.set:drop()
  for _, result in pairs(self.done) do node.discard(result, true) end
  self.done, self.queue = {}, {}
end

local function make(source, n, f, unordered)
  local set = weir.join_set()
  local info = debug.getinfo(f, "S")
  return {
    poll = poll, leaves = leaves, release = release,
    source = source, limit = n, f = f, unordered = unordered, set = set, awaits = node.ready(set),
    running = 0, open = 0, -- tasks at work; those and the results not yet handed on
    queue = {}, first = 1, last = 0, done = {},
    name = ("%s:%d in a stream"):format(info.short_src, info.linedefined),
  }
end

function buffered.buffered(source, n, f)
  return make(source, n, f, false)
end

function buffered.buffer_unordered(source, n, f)
  return make(source, n, f, true)
end

return buffered
