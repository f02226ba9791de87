-- weir.stream.sources: the leaves of streams: receivers, iterators, arrays, intervals, join sets.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local core = require "weir.core"
local node = require "weir.stream.node"
local check = require "weir.stream.check"

local sources = {}

-- The awaitable stays in the node; `handle` is what is dropped with it.
local function leaf(poll, awaitable)
  return { leaf = true, poll = poll, awaitable = awaitable, awaits = node.ready(awaitable) }
end

local function drop_awaitable(self)
  self.awaitable:drop()
end

local function owning_leaf(poll, handle)
  local self = leaf(poll, handle)
  self.release = drop_awaitable
  return self
end

local function poll_receiver(self)
  local v, why = self.awaitable:try_recv()
  if v ~= nil then return true, v end
  if why == "closed" then return false end
  return nil
end

-- An element is what was sent, nil among it; so ask before whether there is something.
local function poll_oneshot(self)
  local rx = self.awaitable
  if not rx:is_empty() then return true, rx:try_recv() end
  local _, why = rx:try_recv()
  if why == "closed" then return false end
  return nil
end

local function poll_broadcast(self)
  local v, why, missed = self.awaitable:try_recv()
  if v ~= nil then
    missed, self.missed = self.missed, 0
    return true, v, missed
  end
  if why == "lagged" then -- told with the element that follows
    self.missed = self.missed + missed
    return self:poll()
  end
  if why == "closed" then return false end
  return nil
end

local function poll_watch(self)
  local rx = self.awaitable
  if self.current then -- the first element is the value as it stands
    self.current = false
    return true, rx:borrow_and_update()
  end
  local changed, why = rx:changed(0)
  if changed then return true, rx:borrow_and_update() end
  if why == "closed" then return false end
  return nil
end

local function poll_interval(self)
  local which, at = weir.try_select(self.alone)
  if which then return true, at end
  return nil
end

local function joined(task, ...)
  if task ~= nil then return true, task, ... end
  if (...) == "empty" then return false end
  return nil
end

local function poll_join_set(self)
  return joined(self.awaitable:try_join_next())
end

local function iterated(self, v, ...)
  if v == nil then return false end
  self.control = v
  return true, v, ...
end

local function poll_iterator(self)
  return iterated(self, self.f(self.state, self.control))
end

-- As a generic `for` does with its fourth value: io.lines closes its file so.
local function close_iterator(self)
  local closing <close> = self.closing -- luacheck: ignore 211
  self.closing = nil
end

local function poll_array(self)
  local i = self.i + 1
  local v = self.array[i]
  if v == nil then return false end
  self.i = i
  return true, v
end

local function broadcast(rx)
  local self = owning_leaf(poll_broadcast, rx)
  self.missed = 0
  return self
end

local function watch(rx)
  local self = owning_leaf(poll_watch, rx)
  self.current = true
  return self
end

local function changes(rx)
  return owning_leaf(poll_watch, rx)
end

local function interval(ticks)
  local self = leaf(poll_interval, ticks)
  self.alone = { ticks }
  return self
end

local function of_handle(poll, messages)
  return function(handle)
    local self = owning_leaf(poll, handle)
    self.messages = messages
    return self
  end
end

-- Kinds that move into the stream, and the one that is shared.
local moving = {
  ["mpsc.Receiver"] = of_handle(poll_receiver, true),
  ["mpmc.Receiver"] = of_handle(poll_receiver, true),
  ["oneshot.Receiver"] = of_handle(poll_oneshot, true),
  ["watch.Receiver"] = watch,
  ["broadcast.Receiver"] = broadcast,
  ["JoinSet"] = of_handle(poll_join_set),
}

local function moved(handle, level)
  local owner = check.results(level + 1, pcall(core.owner, handle))
  return check.results(level + 1, pcall(handle.move, handle)), owner
end

local function opened(make, fresh, owner)
  local self = make(fresh)
  self.owner = owner -- the task that owned the source is to own the stream
  return self
end

local function iterator(f, state, control, closing)
  return {
    leaf = true, poll = poll_iterator, release = close_iterator,
    f = f, state = state, control = control, closing = closing,
  }
end

local function array(t)
  return { leaf = true, poll = poll_array, array = t, i = 0 }
end

local function is_callable(x)
  local meta = getmetatable(x)
  return type(x) == "function" or type(meta) == "table" and meta.__call ~= nil
end

-- The leaf for a source, or nil if it is none. A handle is moved into it; one that is closed
-- raises its sentence at `level`.
function sources.open(level, source, ...)
  local kind = weir.type(source)
  if kind == nil then
    if is_callable(source) then return iterator(source, ...) end
    if type(source) == "table" then return array(source) end
    return nil
  end
  if kind == "Interval" then return interval(source) end
  local make = moving[kind:gsub("^closed ", "")]
  return make and opened(make, moved(source, level + 1))
end

-- The changes of a watch without its present value.
function sources.changes(level, rx)
  return opened(changes, moved(rx, level + 1))
end

return sources
