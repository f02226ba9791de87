-- weir.stream.combinators: the nodes that make one stream of another, or of two.
-- SPDX-License-Identifier: MIT
--
-- Each takes its source over and hands on the answers that are no elements: pending, the end, a gap.
-- `step` gets what the source answered. A node that is `through` ends exactly when its source ends.

local node = require "weir.stream.node"

local pull, release, value = node.pull, node.release, node.value

local combinators = {}

local function poll_step(self)
  return self:step(pull(self.source))
end

local function through(source, step)
  return { poll = poll_step, source = source, step = step, through = true, messages = source.messages }
end

local function with_function(source, step, f)
  local self = through(source, step)
  self.f = f
  return self
end

-- What f returns is not what a channel gave: nobody else must drop it.
local function made_by(source, step, f)
  local self = with_function(source, step, f)
  self.messages = nil
  return self
end

local function where(f)
  local info = debug.getinfo(f, "S")
  return ("the function at %s:%d"):format(info.short_src, info.linedefined)
end

local function mapped(self, v, ...)
  if v == nil then
    local what = "%s returned nil to s:map(): return false, or leave elements out with s:filter_map()"
    error(what:format(where(self.f)), 0)
  end
  return true, v, ...
end

local function map_step(self, status, ...)
  if status ~= true then return status, ... end
  return mapped(self, self.f(...))
end

function combinators.map(source, f)
  return made_by(source, map_step, f)
end

-- Whether to keep the element: if f says what is wanted of it. If not, it dies; the handles that f has moved
-- on do not die with it.
local function keeps(self, wanted, ...)
  local handles = self.messages and node.handles(...)
  local keep = not self.f(...) ~= wanted
  if not keep and handles then node.discard(handles, true) end
  return keep
end

local function filter_step(self, status, ...)
  if status ~= true or keeps(self, true, ...) then return status, ... end
  return self:poll()
end

function combinators.filter(source, f)
  return with_function(source, filter_step, f)
end

local function chosen(self, v, ...)
  if v ~= nil then return true, v, ... end
  return self:poll()
end

local function filter_map_step(self, status, ...)
  if status ~= true then return status, ... end
  return chosen(self, self.f(...))
end

function combinators.filter_map(source, f)
  return made_by(source, filter_map_step, f)
end

local function until_nil(v, ...)
  if v == nil then return false end
  return true, v, ...
end

local function map_while_step(self, status, ...)
  if status ~= true then return status, ... end
  return until_nil(self.f(...))
end

function combinators.map_while(source, f)
  return made_by(source, map_while_step, f)
end

-- The source is let go with the last element, before it is asked for one too many.
local function take_step(self, status, ...)
  if status ~= true then return status, ... end
  self.left = self.left - 1
  if self.left == 0 then release(self) end
  return true, ...
end

function combinators.take(source, n)
  local self = through(source, take_step)
  self.left = n
  if n == 0 then release(self) end
  return self
end

local function take_while_step(self, status, ...)
  if status ~= true or keeps(self, true, ...) then return status, ... end
  return false
end

function combinators.take_while(source, f)
  return with_function(source, take_while_step, f)
end

local function skip_step(self, status, ...)
  if status ~= true or self.left == 0 then return status, ... end
  self.left = self.left - 1
  node.discard(table.pack(...), self.messages)
  return self:poll()
end

function combinators.skip(source, n)
  local self = through(source, skip_step)
  self.left = n
  return self
end

local function skip_while_step(self, status, ...)
  if status ~= true or not self.f then return status, ... end
  if not keeps(self, false, ...) then return self:poll() end
  self.f = nil
  return true, ...
end

function combinators.skip_while(source, f)
  return with_function(source, skip_while_step, f)
end

local function enumerate_step(self, status, ...)
  if status ~= true then return status, ... end
  self.n = self.n + 1
  return true, self.n, ...
end

function combinators.enumerate(source)
  local self = through(source, enumerate_step)
  self.n = 0
  return self
end

local function inspect_step(self, status, ...)
  if status == true then self.f(...) end
  return status, ...
end

function combinators.inspect(source, f)
  return with_function(source, inspect_step, f)
end

local function same_step(_, status, ...)
  return status, ...
end

function combinators.fuse(source)
  return through(source, same_step)
end

function combinators.peekable(source)
  local self = through(source, same_step)
  self.peekable = true
  return self
end

local function chain_step(self, status, ...)
  if status ~= false or not self.other then return status, ... end
  self.source, self.other = self.other, nil
  return self:poll()
end

function combinators.chain(first, second)
  local messages = first.messages and second.messages
  return { poll = poll_step, step = chain_step, source = first, other = second, messages = messages }
end

-- merge: `source` is asked first, and whoever gave an element is asked last the next time.
local function merge_second(first, status, ...)
  if status then return status, ... end
  if status == false and first == false then return false end
  return nil
end

local function merge_first(self, status, ...)
  local other = self.other
  if status then
    self.source, self.other = other, self.source
    return status, ...
  end
  return merge_second(status, pull(other))
end

local function poll_merge(self)
  return merge_first(self, pull(self.source))
end

local function leaves_of_both(self, branches)
  local a = node.leaves(self.source, branches)
  local b = node.leaves(self.other, branches)
  return a or b
end

function combinators.merge(a, b)
  local messages = a.messages and b.messages
  return { poll = poll_merge, leaves = leaves_of_both, source = a, other = b, messages = messages }
end

-- zip: an element of the left one is held until the right one has its own.
local function zip_right(self, status, ...)
  if status ~= true then return status, ... end
  local pair, n = self.held, select("#", ...)
  table.move({ ... }, 1, n, pair.n + 1, pair)
  self.held = nil
  node.own_all(pair)
  return true, table.unpack(pair, 1, pair.n + n)
end

local function zip_left(self, status, ...)
  if status ~= true then return status, ... end
  self.held = table.pack(...)
  node.hold_all(self.held)
  return zip_right(self, pull(self.other))
end

local function poll_zip(self)
  if self.held then return zip_right(self, pull(self.other)) end
  return zip_left(self, pull(self.source))
end

local function zip_leaves(self, branches)
  return node.leaves(self.held and self.other or self.source, branches)
end

local function release_held(self)
  node.discard(self.held, self.holds_messages)
  self.held = nil
end

function combinators.zip(left, right)
  return {
    poll = poll_zip, leaves = zip_leaves, release = release_held,
    source = left, other = right, holds_messages = left.messages,
    messages = left.messages and right.messages,
  }
end

-- The chunk that is being filled stays in the node, so that a cut-short wait keeps it.
function combinators.emit(self)
  local part = self.part
  self.part = nil
  node.own(part)
  return true, part
end
local emit = combinators.emit

local function chunks_step(self, status, ...)
  if status == false and self.part then return emit(self) end
  if status ~= true then return status, ... end
  local part, v = self.part or {}, value(...)
  self.part = part
  part[#part + 1] = v
  local kind = type(v)
  if kind == "table" then node.compose(part) end
  if #part == self.size then return emit(self) end
  if kind == "table" or kind == "userdata" then node.hold(v) end
  return poll_step(self)
end

local function release_part(self)
  node.discard(self.part, self.messages)
  self.part = nil
end

function combinators.chunks(source, n)
  return {
    poll = poll_step, step = chunks_step, release = release_part,
    source = source, size = n, messages = source.messages,
  }
end

return combinators
