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
-- N3  elements given back (`front`) come before everything else, in their order. What a consumer has
--     gathered and not handed on yet (`gathered`) goes to the front when anybody else asks for an element;
--     what one waits to send (`sending`) is the first of the front, for anybody else too until it has room
-- N4  a node has one parent: whoever takes a stream over takes the whole tree
-- N5  elements that are messages of a channel with one receiver each (`messages`) and die in the tree
--     drop the handles in them, as they would have in the channel
-- N6  a handle in an element that a poll leaves in the tree belongs to nobody until it comes out: then to
--     the task that gets it. What a poll has got belongs to the task that polls

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

-- ## The handles in elements

-- The open handles that belonged to a task and are held in a tree; the tables made by nodes whose fields
-- are values of elements, tables among them. The weak keys are all that they keep.
local held, composed = setmetatable({}, { __mode = "k" }), setmetatable({}, { __mode = "k" })

local function is_open(x)
  local kind = weir.type(x)
  return kind and (handles[kind] or kind:find(".", 1, true) and not kind:find("^closed "))
end

-- f(h, a) for each open handle that a channel would find in the message v: v itself or a direct field of
-- it; and in what nodes have put together for every message in it.
local function each_handle(v, f, a)
  local kind = type(v)
  if kind == "userdata" and is_open(v) then return f(v, a) end
  if kind ~= "table" then return end
  local deep = composed[v]
  if deep then composed[v] = nil end -- it may have been put into itself
  for _, field in next, v do
    kind = type(field)
    if kind == "userdata" or kind == "table" and deep then
      if deep then each_handle(field, f, a)
      elseif is_open(field) then f(field, a) end
    end
  end
  if deep then composed[v] = true end
end

local function each_in(list, f, a)
  for i = 1, list.n or #list do each_handle(list[i], f, a) end
end

local function hold_handle(h)
  if core.owner(h) then
    core.disown(h)
    held[h] = true
  end
end

local function own_handle(h)
  if held[h] then
    held[h] = nil
    core.own(h)
  end
end

local function give_handle(h, task)
  if core.owner(h) then core.own(h, task) end
end

local function drop_handle(h, messages)
  if messages or held[h] then h:drop() end
end

local found -- by the call of node.handles that runs

local function find_handle(h)
  found = found or {}
  found[#found + 1] = h
end

-- The handles in the messages given, as a list of messages; nil if there are none.
function node.handles(...)
  found = nil
  for i = 1, select("#", ...) do each_handle((select(i, ...)), find_handle) end
  return found
end

-- The value stays in the tree after this poll: what the running task owns of it belongs to nobody.
function node.hold(v)
  each_handle(v, hold_handle)
end

-- The same for a list of values.
function node.hold_all(list)
  each_in(list, hold_handle)
end

-- The value comes out: what was held of it belongs to the running task.
function node.own(v)
  if next(held) then each_handle(v, own_handle) end
end

-- The same for a list of values.
function node.own_all(list)
  if next(held) then each_in(list, own_handle) end
end

-- What the running task owns of a list of values belongs to another task.
function node.give_all(list, task)
  each_in(list, give_handle, task)
end

-- Nobody will get this list of values (or nil): drops the handles in it, if they are messages, as a channel
-- drops a message; if not, those that are held.
function node.discard(list, messages)
  if list then each_in(list, drop_handle, messages) end
end

-- The table is made of values of elements.
function node.compose(t)
  composed[t] = true
end

local function discard_front(front, messages)
  for i = 1, front and #front or 0 do node.discard(front[i], messages) end
end

-- Puts a packed element back to the front of the node.
function node.give_back(self, element)
  local front = self.front or {}
  node.hold_all(element)
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
  discard_front(front, self.messages)
  if source then node.release(source) end
  if other then node.release(other) end
end

-- Takes the first of the front away from a consumer that waits for room to send it: kicked, it does not send.
-- False if it does not hear that: it has its room, and sends in its next turn, which `over` announces.
function node.reclaim(self)
  local sending = self.sending
  if sending.over then return false end
  self.kick:notify_one()
  if self.kick:notified(0) then
    self.kick:notify_one() -- for its next wait
    sending.over = weir.notify()
    return false
  end
  self.sending = nil
  return true
end

local function settled(self, status, ...)
  if status == false and not self.reopens then node.release(self) end
  return status, ...
end

-- Takes the first of the elements given back, packed. It is still held.
function node.take_front(self)
  local front = self.front
  local element = table.remove(front)
  if #front == 0 then self.front = nil end
  return element
end

local function front_again(self)
  local element = node.take_front(self)
  node.own_all(element)
  return true, table.unpack(element, 1, element.n)
end

-- The node's next answer. The one way in which nodes ask each other.
function node.pull(self)
  if not self then return false end -- released by a function that a poll further out runs
  if self.gathered then node.ungather(self) end
  if self.sending and not node.reclaim(self) then return nil end
  if self.front then return front_again(self) end
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

-- Whether the poll that runs can draw no more: no leaf would answer.
function node.is_out_of_fuel()
  return fuel == 0
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
    branches[#branches + 1] = self.sending.over
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

-- Whether the node has no element left, as far as is known without asking its source.
function node.is_terminated(self)
  if self.front or self.gathered then return false end
  if self.ended then return true end
  return self.through and node.is_terminated(self.source) or false
end

-- An element as one value: what collect and chunks store.
function node.value(...)
  if select("#", ...) == 1 and ... ~= nil then return (...) end
  local pack = table.pack(...)
  for i = 1, pack.n do
    if type(pack[i]) == "table" then composed[pack] = true end
  end
  return pack
end

return node
