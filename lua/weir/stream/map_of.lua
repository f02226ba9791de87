-- weir.stream.map_of: many streams under keys, read as one.
-- SPDX-License-Identifier: MIT

local core = require "weir.core"
local wait = require "weir.stream.wait"
local check = require "weir.stream.check"
local handle = require "weir.stream.handle"
local map_node = require "weir.stream.map_node"

local advance, state = wait.advance, core.state

local KIND <const> = "StreamMap"

local methods = {}

local function check_key(key, name)
  if key ~= nil and key == key then return end
  error(("bad argument #1 to '%s' (a key that is neither nil nor NaN expected)"):format(name), 3)
end

-- A stream that leaves the map, for the task that owns the map.
local function given_back(self, old)
  if not old then return nil end
  old.owner = core.owner(self)
  return handle.wrap(old)
end

function methods.insert(self, key, source)
  check_key(key, "insert")
  local root = state(self, KIND)
  if rawequal(self, source) then error("bad argument #2 to 'insert' (a map cannot stand in itself)", 2) end
  local old = map_node.insert(root, key, handle.open(2, 2, "insert", source))
  wait.kick(root) -- a reader that waits has one more to wait for
  return given_back(self, old)
end

function methods.remove(self, key)
  local root = state(self, KIND)
  local old = key ~= nil and map_node.remove(root, key)
  wait.kick(root)
  return given_back(self, old)
end

function methods.contains(self, key)
  return key ~= nil and state(self, KIND).nodes[key] ~= nil
end

function methods.keys(self)
  return (map_node.keys(state(self, KIND)))
end

local function keyed(status, key, ...)
  if status == true then return key, ... end
  if status == "timeout" then return key, nil, "timeout" end
  return nil, status == false and "closed" or "timeout"
end

function methods.next(self, timeout)
  local deadline = check.deadline(timeout, 1, "next")
  local root = state(self, KIND)
  return keyed(advance(self, root, deadline))
end

-- Whether an element was appended to t; if not, the status.
local function appended(t, status, ...)
  if status ~= true then return false, status end
  t[#t + 1] = table.pack(...)
  return true
end

-- Waits for the first; what else is there comes with it.
function methods.next_many(self, t, max, timeout)
  if type(t) ~= "table" then
    error(("bad argument #1 to 'next_many' (table expected, got %s)"):format(check.kind_of(t)), 2)
  end
  max = check.count(max, 2, 0, "next_many")
  local deadline = check.deadline(timeout, 3, "next_many")
  local root = state(self, KIND)
  local n = 0
  while n < max do
    local more, status = appended(t, advance(self, root, deadline))
    if more then
      n, deadline = n + 1, check.AT_ONCE
    elseif n > 0 then
      return n
    elseif status ~= "timeout" then -- a gap is waited out
      return 0, status == false and "closed" or "timeout"
    end
  end
  return n
end

local function call_map(self)
  local root = state(self, KIND)
  return handle.looped(self, root, advance(self, root))
end

local function length(self)
  return state(self, KIND).count
end

local make = core.new_kind(KIND, methods, handle.drop, {
  composite = true, moved = wait.kick, __noun = "map of streams", __call = call_map, __len = length,
})

-- An empty map of streams.
return function()
  local root = map_node.new()
  root.kind = KIND
  return make(root)
end
