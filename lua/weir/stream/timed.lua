-- weir.stream.timed: the nodes that look at the clock: chunks_timeout, throttle, timeout.
-- SPDX-License-Identifier: MIT
--
-- Each has one timer, made when it is first needed and armed again for every element, chunk or gap.

local weir = require "weir"
local node = require "weir.stream.node"
local combinators = require "weir.stream.combinators"

local pull = node.pull

local timed = {}

local function arm(self)
  self.armed = true
  if self.timer then return self.timer:reset(self.seconds) end
  self.timer = weir.after(self.seconds)
  self.due = node.ready(self.timer)
end

local function is_due(self)
  return self.armed and self.timer:is_elapsed()
end

local function with_timer(self, source, seconds)
  self.source, self.seconds, self.armed = source, seconds, false
  if self.through then self.messages = source.messages end
  return self
end

-- What the source waits for, and the timer if it runs.
local function leaves(self, branches)
  if self.armed then branches[#branches + 1] = self.due end
  return node.leaves(self.source, branches)
end

-- chunks_timeout: `fill` is the poll of chunks. The time runs from the first element of a chunk.
local function chunk_answer(self, status, ...)
  if status == true then
    self.armed = false
    return true, ...
  end
  if self.part and not self.armed then arm(self) end
  if status == nil and is_due(self) then
    self.armed = false
    return combinators.emit(self)
  end
  return status, ...
end

local function poll_chunks(self)
  return chunk_answer(self, self:fill())
end

function timed.chunks_timeout(source, n, seconds)
  local self = with_timer(combinators.chunks(source, n), source, seconds)
  self.fill, self.poll, self.leaves = self.poll, poll_chunks, leaves
  return self
end

-- throttle: after an element the source is left alone until the time is over.
local function throttle_answer(self, status, ...)
  if status == true then arm(self) end
  return status, ...
end

local function poll_throttle(self)
  if self.armed and not self.timer:is_elapsed() then return nil end
  self.armed = false
  return throttle_answer(self, pull(self.source))
end

local function throttle_leaves(self, branches)
  if not self.armed then return node.leaves(self.source, branches) end
  branches[#branches + 1] = self.due
  return false
end

function timed.throttle(source, seconds)
  local self = { poll = poll_throttle, leaves = throttle_leaves, through = true }
  return with_timer(self, source, seconds)
end

-- timeout: the clock starts when a reader first finds nothing, and speaks once in each gap.
local function timeout_answer(self, status, ...)
  if status ~= nil then
    self.armed, self.told = false, false
    return status, ...
  end
  if self.told then return nil end
  if not self.armed then arm(self) end
  if not is_due(self) then return nil end
  self.armed, self.told = false, true
  return "timeout"
end

local function poll_timeout(self)
  return timeout_answer(self, pull(self.source))
end

function timed.timeout(source, seconds)
  local self = { poll = poll_timeout, leaves = leaves, told = false, through = true }
  return with_timer(self, source, seconds)
end

return timed
