-- SPDX-License-Identifier: MIT
-- Tarantool: its fibers, channels and conditions, under its own interpreter.
local fiber = require "fiber"

local M = { pace = 0.25, yield = fiber.yield, sleep = fiber.sleep }

function M.run(main) main() end

function M.spawn(f)
  local task = fiber.new(f)
  task:set_joinable(true)
  return task
end

-- the same C functions under the names that the questions use, so nothing stands in between
local probe = fiber.channel(1)
local methods = debug.getmetatable(probe).__index
assert(type(methods) == "table", "the channel's methods are not where they were")
methods.send, methods.recv = methods.put, methods.get
function methods:clone() return self end
function methods:try_send(v) return self:put(v, 0) end
function methods:try_recv() return self:get(0) end

function M.mpsc(capacity)
  local c = fiber.channel(capacity)
  return c, c
end

function M.oneshot()
  local c = fiber.channel(1)
  return c, c
end

local Watch, Watcher = {}, {}
Watch.__index, Watcher.__index = Watch, Watcher

function M.watch(v)
  local w = setmetatable({ value = v, version = 0, news = fiber.cond() }, Watch)
  return w, w:subscribe()
end

function Watch:subscribe() return setmetatable({ watch = self, seen = self.version }, Watcher) end

function Watch:send(v)
  self.value = v
  self.version = self.version + 1
  self.news:broadcast()
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
  local c = fiber.channel(self.capacity)
  self[#self + 1] = c
  return c
end

function Fan:send(v)
  for i = 1, #self do self[i]:put(v) end
end

return M
