-- weir.stream.map_node: the node of many streams under keys.
-- SPDX-License-Identifier: MIT
--
-- `order` holds the keys in the order of insertion; the one after the key that gave the last element
-- is asked first, so that none is passed over for long.

local node = require "weir.stream.node"

local map_node = {}

local function position(order, key)
  for i, k in ipairs(order) do
    if k == key then return i end
  end
end

-- Takes the key out; the node that stood under it, or nil.
function map_node.remove(self, key)
  local found = self.nodes[key]
  if not found then return nil end
  local i = position(self.order, key)
  table.remove(self.order, i)
  if i <= self.at then self.at = self.at - 1 end
  self.nodes[key] = nil
  return found
end

-- Puts a node under the key; the node that stood there, or nil.
function map_node.insert(self, key, source)
  local old = self.nodes[key]
  if not old then table.insert(self.order, key) end
  self.nodes[key] = source
  return old
end

local ask

local function answered(self, left, i, key, status, ...)
  if status == false then
    map_node.remove(self, key)
    return ask(self, left - 1)
  end
  self.at = i
  if status == true then return true, key, ... end
  if status then return status, key end
  return ask(self, left - 1)
end

-- Asks `left` streams, beginning with the one after `at`.
function ask(self, left)
  local order = self.order
  if #order == 0 then return false end
  if left == 0 then return nil end
  local i = self.at % #order + 1
  local key = order[i]
  return answered(self, left, i, key, node.pull(self.nodes[key]))
end

local function poll(self)
  return ask(self, #self.order)
end

local function leaves(self, branches)
  local starved = false
  for _, key in ipairs(self.order) do
    starved = node.leaves(self.nodes[key], branches) or starved
  end
  return starved
end

local function release(self)
  for _, source in pairs(self.nodes) do node.release(source) end
  self.nodes, self.order = {}, {}
end

function map_node.new()
  return {
    poll = poll, leaves = leaves, release = release, reopens = true,
    nodes = {}, order = {}, at = 0,
  }
end

return map_node
