-- weir.stream.map_node: the node of many streams under keys.
-- SPDX-License-Identifier: MIT
--
--   order  [ a . . b c ]   the keys in the order of insertion; GONE (.) where one was, until there are more
--                          of those than keys; `last` is how many places that makes
--   place  { a = 1, b = 4, c = 5 }, nodes  { a = ..., b = ..., c = ... }, count  3
--   at     4               where the key stands that gave the last element: the one after it is asked
--                          first, so that none is passed over for long

local node = require "weir.stream.node"

local map_node = {}

local GONE <const> = {}

-- The keys in the order of insertion, and how many of them stand at `at` or before.
function map_node.keys(self)
  local keys, before = {}, 0
  for i = 1, self.last do
    if self.order[i] ~= GONE then keys[#keys + 1] = self.order[i] end
    if i == self.at then before = #keys end
  end
  return keys, before
end

local function close_up(self)
  self.order, self.at = map_node.keys(self)
  self.last = self.count
  for i = 1, self.last do self.place[self.order[i]] = i end
end

-- Takes the key out; the node that stood under it, or nil.
function map_node.remove(self, key)
  local found = self.nodes[key]
  if not found then return nil end
  self.order[self.place[key]] = GONE
  self.place[key], self.nodes[key], self.count = nil, nil, self.count - 1
  if self.last > 2 * self.count then close_up(self) end
  return found
end

-- Puts a node under the key; the node that stood there, or nil.
function map_node.insert(self, key, source)
  local old = self.nodes[key]
  if not old then
    self.last, self.count = self.last + 1, self.count + 1
    self.order[self.last], self.place[key] = key, self.last
  end
  self.nodes[key] = source
  return old
end

local ask

local function answered(self, left, key, status, ...)
  if status == false then
    map_node.remove(self, key)
    return ask(self, left - 1)
  end
  if status == true then return true, key, ... end
  if status then return status, key end
  return ask(self, left - 1)
end

-- Asks `left` streams, beginning with the one after `at`.
function ask(self, left)
  if self.count == 0 then return false end
  if left <= 0 then return nil end
  self.starved = node.is_out_of_fuel()
  if self.starved then return nil end
  local key
  repeat
    self.at = self.at % self.last + 1
    key = self.order[self.at]
  until key ~= GONE
  return answered(self, left, key, node.pull(self.nodes[key]))
end

local function poll(self)
  self.starved = false
  return ask(self, self.count)
end

local function leaves(self, branches)
  if self.starved then return true end
  local starved = false
  for i = 1, self.last do
    local source = self.nodes[self.order[i]]
    if source then starved = node.leaves(source, branches) or starved end
  end
  return starved
end

local function clear(self)
  self.nodes, self.order, self.place, self.last, self.count, self.at = {}, {}, {}, 0, 0, 0
end

local function release(self)
  local nodes = self.nodes
  clear(self)
  for _, source in pairs(nodes) do node.release(source) end
end

function map_node.new()
  local self = { poll = poll, leaves = leaves, release = release, reopens = true }
  clear(self)
  return self
end

return map_node
