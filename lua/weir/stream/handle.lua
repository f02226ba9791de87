-- weir.stream.handle: the handle of a stream: taking over, reading, the combinators as methods.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local core = require "weir.core"
local node = require "weir.stream.node"
local wait = require "weir.stream.wait"
local check = require "weir.stream.check"
local sources = require "weir.stream.sources"
local combinators = require "weir.stream.combinators"
local timed = require "weir.stream.timed"
local buffered = require "weir.stream.buffered"
local consumers = require "weir.stream.consumers"

local advance, state = wait.advance, core.state

local KIND <const>, MAP_KIND <const> = "Stream", "StreamMap"

local handle, methods = {}, {}
local make

-- The tree of a handle, which is spent. What is made of it belongs to the task that owned it.
function handle.spend(h, kind, reason)
  local owner = core.owner(h)
  local root = core.take(h, kind, reason)
  root.owner = owner
  wait.kick(root) -- whoever waits on the old handle is told
  return root
end

-- The tree of a stream or of any source, taken over for the method `name`. Nothing is taken if it raises.
function handle.open(level, i, name, source, ...)
  local kind = weir.type(source)
  if kind and kind:find("^closed Stream") or kind == KIND or kind == MAP_KIND then
    local reason = ("%s()"):format(name)
    local root = check.results(level + 1, pcall(handle.spend, source, (kind:gsub("^closed ", "")), reason))
    return root
  end
  local root = sources.open(level + 1, source, ...)
  if root then return root end
  local what = "stream, receiver, iterator, array, interval or join set"
  local message = "bad argument #%d to '%s' (%s expected, got %s)"
  error(message:format(i, name, what, check.kind_of(source)), level + 1)
end

local function take_owner(root)
  if not root then return nil end
  local owner = root.owner
  root.owner = nil
  return owner
end

-- The handle of a tree. The task that owned a handle in it owns it.
function handle.wrap(root)
  root.kind = KIND
  local h = make(root)
  local owner, first, second = take_owner(root), take_owner(root.source), take_owner(root.other)
  owner = owner or first or second
  if owner then core.own(h, owner) end
  return h
end
local wrap = handle.wrap

-- The two trees of a method that joins a stream with another source.
local function take_both(self, other, name)
  if rawequal(self, other) then
    error(("bad argument #1 to '%s' (a stream cannot be joined with itself)"):format(name), 3)
  end
  check.results(3, pcall(state, self, KIND))
  local second = handle.open(3, 1, name, other)
  return handle.spend(self, KIND, ("s:%s()"):format(name)), second
end

local function taken(self, name)
  local root = check.results(3, pcall(handle.spend, self, KIND, ("s:%s()"):format(name)))
  return root
end

-- ## Reading

local function outcome(status, ...)
  if status == true then return ... end
  return nil, status == false and "closed" or "timeout"
end

function methods.next(self, timeout)
  local deadline = check.deadline(timeout, 1, "next")
  local root = state(self, KIND)
  return outcome(advance(self, root, deadline))
end

-- Puts the element back that it hands on, and that stays the stream's. Nothing can come between.
local function peeked(root, status, ...)
  if status == true then node.give_back(root, table.pack(...)) end
  return outcome(status, ...)
end

function methods.peek(self, timeout)
  local deadline = check.deadline(timeout, 1, "peek")
  local root = state(self, KIND)
  if not root.peekable then error("this stream has no peek(): make one that has with s:peekable()", 2) end
  return peeked(root, advance(self, root, deadline))
end

-- The element of a generic `for`; nil at the end.
function handle.looped(self, root, status, ...)
  if status == "timeout" then return handle.looped(self, root, advance(self, root)) end
  if status == false then return nil end
  if ... == nil then
    error("an element begins with nil, which would end the loop: read it with s:next() or s:each()", 2)
  end
  return ...
end

local function call(self)
  local root = state(self, KIND)
  return handle.looped(self, root, advance(self, root))
end

function methods.is_terminated(self)
  return node.is_terminated(state(self, KIND))
end

-- ## Combinators

-- Those that take one function.
for _, name in ipairs { "map", "filter", "filter_map", "map_while", "take_while", "skip_while", "inspect" } do
  methods[name] = function(self, f)
    check.func(f, 1, name)
    return wrap(combinators[name](taken(self, name), f))
  end
end

for _, name in ipairs { "take", "skip" } do
  methods[name] = function(self, n)
    n = check.count(n, 1, 0, name)
    return wrap(combinators[name](taken(self, name), n))
  end
end

for _, name in ipairs { "enumerate", "fuse", "peekable" } do
  methods[name] = function(self)
    return wrap(combinators[name](taken(self, name)))
  end
end

for _, name in ipairs { "chain", "merge", "zip" } do
  methods[name] = function(self, other)
    return wrap(combinators[name](take_both(self, other, name)))
  end
end

function methods.chunks(self, n)
  n = check.count(n, 1, 1, "chunks")
  return wrap(combinators.chunks(taken(self, "chunks"), n))
end

function methods.chunks_timeout(self, n, seconds)
  n = check.count(n, 1, 1, "chunks_timeout")
  check.seconds(seconds, 2, "chunks_timeout")
  return wrap(timed.chunks_timeout(taken(self, "chunks_timeout"), n, seconds))
end

for _, name in ipairs { "throttle", "timeout" } do
  methods[name] = function(self, seconds)
    check.seconds(seconds, 1, name)
    return wrap(timed[name](taken(self, name), seconds))
  end
end

for _, name in ipairs { "buffered", "buffer_unordered" } do
  methods[name] = function(self, n, f)
    n = check.count(n, 1, 1, name)
    check.func(f, 2, name)
    return wrap(buffered[name](taken(self, name), n, f))
  end
end

-- What a chunker has gathered and not given, chunks that were put back among it, and its source as a stream
-- again.
function methods.into_remainder(self)
  local root = state(self, KIND)
  if not root.size then error("only a stream made by s:chunks() or s:chunks_timeout() has a remainder", 2) end
  root = taken(self, "into_remainder")
  local part, rest, source = {}, root.part or {}, root.source
  while root.front or root.gathered do
    local _, chunk = node.pull(root)
    if not chunk then break end -- it is being sent
    table.move(chunk, 1, #chunk, #part + 1, part)
  end
  node.own(rest)
  table.move(rest, 1, #rest, #part + 1, part)
  root.part, root.source = nil, nil
  source = source or { ended = true }
  source.owner = root.owner
  return part, wrap(source)
end

-- A handle was dropped: whoever waits on it is told, then all under it is let go.
function handle.drop(root)
  wait.kick(root)
  node.release(root)
end

for name, method in pairs(consumers) do methods[name] = method end

make = core.new_kind(KIND, methods, handle.drop, {
  composite = true, moved = wait.kick, __noun = "stream", __call = call,
})

return handle
