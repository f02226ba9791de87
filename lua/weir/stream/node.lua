-- weir.stream.node: how a stream is asked for its next element without waiting.
-- SPDX-License-Identifier: MIT
--
-- A stream is a tree of nodes, plain tables. A node answers node:poll() at once with one of
--
--   true, values...   an element: one value, or several
--   false             the end
--   nil               nothing yet; node:leaves() names what to wait for before asking again
--   "timeout"         the gap in the elements that s:timeout() reports
--
-- N1  what a poll has taken from a source is in its answer or in a field of a node: a reader that is
--     cut short between two polls has lost nothing
-- N2  a node that answered false is ended: it has let go of its sources and is never polled again
--     (but a map of streams, which can be filled anew: `reopens`)
-- N3  elements given back (`front`) come before everything else, in their order; while the first of them
--     is being sent (`sending`) there is no other to be had. What a consumer has gathered and not handed on
--     yet (`gathered`) goes to the front when anybody else asks for an element
-- N4  a node has one parent: whoever takes a stream over takes the whole tree
-- N5  elements that are messages of a channel with one receiver each (`messages`) and die in the tree
--     drop the handles in them, as they would have in the channel

local weir = require "weir"
local core = require "weir.core"

local node = {}

-- The kinds that have one holder, beside the ends of channels (all that have a dot in their name).
local handles = {
  SemaphorePermit = true, MutexGuard = true, RwLockReadGuard = true, RwLockWriteGuard = true,
  DropGuard = true, JoinSet = true, Stream = true, StreamMap = true,
}

-- How many elements one poll may draw from sources that are always ready. A filter that refuses
-- them all must come back to its reader, which gives way to the other tasks and asks again.
local FUEL = 128
local fuel = FUEL

local function is_handle(x)
  local kind = weir.type(x)
  return kind ~= nil and (kind:find(".", 1, true) or handles[kind]) and true or false
end

-- Drops one value that nobody will get, as a channel drops a message: the handle that it is, or the
-- handles that are direct fields of the table that it is.
local function discard_value(v)
  if is_handle(v) then return v:drop() end
  if type(v) ~= "table" then return end
  for _, field in next, v do
    if is_handle(field) then field:drop() end
  end
end

-- The same for a list of values; nil is an empty one.
function node.discard(list)
  for i = 1, list and (list.n or #list) or 0 do discard_value(list[i]) end
end

local function discard_front(front)
  for i = 1, front and #front or 0 do node.discard(front[i]) end
end

-- Puts a packed element back to the front of the node.
function node.give_back(self, element)
  local front = self.front or {}
  front[#front + 1] = element -- the first to come is the last of the list
  self.front = front
end

-- Puts back what a consumer of the node has gathered: { list of elements as one value, those that are
-- packed }. The consumer finds its list empty.
function node.ungather(self)
  local list, packs = self.gathered.list, self.gathered.packs
  for i = #list, 1, -1 do
    node.give_back(self, packs[list[i]] and list[i] or table.pack(list[i]))
  end
  self.gathered.list, self.gathered.packs, self.gathered = {}, {}, nil
end

-- Lets go of everything the node stands on, and of the elements in it. Idempotent; never waits.
function node.release(self)
  if self.gathered then node.ungather(self) end
  local source, other, release, front = self.source, self.other, self.release, self.front
  self.ended, self.front = true, nil
  self.source, self.other, self.release = nil, nil, nil
  if release then release(self) end
  if self.messages then discard_front(front) end
  if source then node.release(source) end
  if other then node.release(other) end
end

local function settled(self, status, ...)
  if status == false and not self.reopens then node.release(self) end
  return status, ...
end

local function take_front(self)
  local front = self.front
  local element = table.remove(front)
  if #front == 0 then self.front = nil end
  return true, table.unpack(element, 1, element.n)
end

-- The node's next answer. The one way in which nodes ask each other.
function node.pull(self)
  if not self then return false end -- released by a function that a poll further out runs
  if self.gathered then node.ungather(self) end
  if self.front then
    if self.sending then return nil end
    return take_front(self)
  end
  if self.ended then return false end
  if self.leaf then
    self.starved = fuel == 0
    if self.starved then return nil end
    fuel = fuel - 1
  end
  return settled(self, self:poll())
end
local pull = node.pull

local function refuel(rest, ...)
  fuel = rest
  return ...
end

local function poll(root)
  local rest = fuel -- of a poll around this one: a function given to a stream may read another stream
  fuel = FUEL
  return refuel(rest, pull(root))
end

local function regather(root, gathered, ...)
  if #gathered.list > 0 then root.gathered = gathered end
  return ...
end

-- Asks the tree under root once. Functions of the user that run meanwhile cannot wait. It is asked for the
-- consumer whose `gathered` stays as it is, if one is given.
function node.poll(root, gathered)
  if not gathered or root.gathered ~= gathered then return core.unyieldable(poll, root) end
  root.gathered = nil
  return regather(root, gathered, core.unyieldable(poll, root))
end

-- Appends to `branches` what the node waits for, as branches of a select. True if it ran out of
-- fuel, so that it may have an element without anything happening first.
function node.leaves(self, branches)
  if self.sending then
    branches[#branches + 1] = self.sending
    return false
  end
  if self.ended then return false end
  if self.leaves then return self:leaves(branches) end
  if self.leaf then
    if self.awaits then branches[#branches + 1] = self.awaits end
    return self.starved
  end
  return node.leaves(self.source, branches)
end

-- A branch that wins when the awaitable could complete, and takes nothing from it.
function node.ready(awaitable)
  return { awaitable, core.READY }
end

-- Takes the first of the elements given back, which was sent.
function node.drop_front(self)
  if self.front then take_front(self) end
end

-- Whether the node has no element left, as far as is known without asking its source.
function node.is_terminated(self)
  if self.front or self.gathered then return false end
  if self.ended then return true end
  return self.through and node.is_terminated(self.source) or false
end

-- An element as one value: what collect and chunks store.
function node.value(...)
  if select("#", ...) == 1 and ... ~= nil then return (...) end
  return table.pack(...)
end

return node
