-- SPDX-License-Identifier: MIT
-- cqueues: a bounded queue on two conditions, as its users write it, and its promises.
local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local promise = require "cqueues.promise"

local controller = cqueues.new()
local unpack = table.unpack

local M = { pace = 0.2 }

function M.run(main)
  controller:wrap(main)
  assert(controller:loop())
end

function M.yield() cqueues.poll(0) end
M.sleep = cqueues.sleep

local Promised = {}
Promised.__index = Promised

function M.spawn(f) return setmetatable({ promise = promise.new(f) }, Promised) end

function Promised:join() return true, self.promise:get() end

local Channel = {}
Channel.__index = Channel

function M.mpsc(capacity)
  local c = setmetatable({
    capacity = capacity, len = 0, head = 0, ring = {},
    filled = condition.new(), freed = condition.new(),
  }, Channel)
  return c, c
end

function Channel:clone() return self end

function Channel:try_send(v)
  local len = self.len
  if len >= self.capacity then return nil, "full" end
  self.ring[(self.head + len) % self.capacity + 1] = v
  self.len = len + 1
  self.filled:signal(1)
  return true
end

function Channel:send(v)
  while self.len >= self.capacity do self.freed:wait() end
  return self:try_send(v)
end

function Channel:try_recv()
  local len = self.len
  if len == 0 then return nil, "empty" end
  local head = self.head
  local v = self.ring[head + 1]
  self.ring[head + 1] = false
  self.head = (head + 1) % self.capacity
  self.len = len - 1
  self.freed:signal(1)
  return v
end

function Channel:recv()
  while self.len == 0 do self.filled:wait() end
  return self:try_recv()
end

local function choose(channels, conditions, from)
  local n = #channels
  while true do
    for j = 1, n do
      local i = (from + j) % n + 1
      local c = channels[i]
      if c.len > 0 then return i, c:try_recv() end
    end
    cqueues.poll(unpack(conditions))
  end
end

function M.selector(channels)
  local conditions, from = {}, 0
  for i = 1, #channels do conditions[i] = channels[i].filled end
  return function()
    local i, v = choose(channels, conditions, from)
    from = i - 1
    return i, v
  end
end

M.select = true

local Reply = {}
Reply.__index = Reply

function M.oneshot()
  local r = setmetatable({ promise = promise.new() }, Reply)
  return r, r
end

function Reply:send(v) self.promise:set(true, v) end
function Reply:recv() return self.promise:get() end

local Watch, Watcher = {}, {}
Watch.__index, Watcher.__index = Watch, Watcher

function M.watch(v)
  local w = setmetatable({ value = v, version = 0, news = condition.new() }, Watch)
  return w, w:subscribe()
end

function Watch:subscribe() return setmetatable({ watch = self, seen = self.version }, Watcher) end

function Watch:send(v)
  self.value = v
  self.version = self.version + 1
  self.news:signal()
end

function Watcher:changed()
  local w = self.watch
  while self.seen == w.version do w.news:wait() end
  self.seen = w.version
  return true
end

function Watcher:borrow_and_update()
  self.seen = self.watch.version
  return self.watch.value
end

function Watcher:close() self.watch = nil end

-- it has no broadcast: one channel for each receiver
local Fan = {}
Fan.__index = Fan

function M.broadcast(capacity)
  local fan = setmetatable({ capacity = capacity }, Fan)
  return fan, { close = function() end }
end

function Fan:subscribe()
  local c = M.mpsc(self.capacity)
  self[#self + 1] = c
  return c
end

function Fan:send(v)
  for i = 1, #self do self[i]:send(v) end
end

return M
