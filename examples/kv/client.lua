-- client.lua -- one task per connection: reads commands, asks the store, writes the replies in order.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local hub = require "hub"
local resp = require "resp"
local store = require "store"

local REPLIES <const> = 65536 -- bytes of replies that are gathered before they are written
local KEEPALIVE <const> = 60  -- seconds of silence after which the system asks whether the client is still there

local Client = {}
Client.__index = Client

-- ## Replies: in the order of the commands, those of the store in batches

-- What is gathered goes out; a client that does not read for too long is let go.
local function flush(self)
  if #self.replies == 0 then return true end
  local ok, why = self.conn:write(table.concat(self.replies), self.limits.stall)
  self.replies, self.size = {}, 0
  if why == "timeout" then self.server.stalled = self.server.stalled + 1 end
  self.stalled = self.stalled or not ok
  return ok
end

local function reply(self, s)
  self.replies[#self.replies + 1] = s
  self.size = self.size + #s
  if self.size > REPLIES and not flush(self) then self.over = true end
end

-- A batch is answered in parts: many small commands may ask for many large values.
local function ask_store(self)
  local batch, at = self.batch, 1
  if #batch == 0 then return end
  self.batch = {}
  while at <= #batch and not self.over do
    local replies, next_one = self.server.store:call("run", batch, at, REPLIES)
    if replies then at = next_one else self.over = true end
    reply(self, replies or resp.error "the store is closed")
  end
end

-- ## Commands that are not the store's

local commands = {}

function commands.ping(self, word)
  if next(self.topics) then return reply(self, resp.array(resp.bulk "pong", resp.bulk(word or ""))) end
  reply(self, word and resp.bulk(word) or resp.PONG)
end

-- Hands on what is published, and how much was missed, at the pace of the client; one that does not read for too
-- long is let go.
local function forward(self, topic, rx)
  for message, missed in rx do
    local push = resp.array(resp.bulk "message", resp.bulk(topic), resp.bulk(message))
    if missed > 0 then
      push = resp.array(resp.bulk "lagged", resp.bulk(topic), resp.integer(missed)) .. push
    end
    local ok, why = self.conn:write(push, self.limits.stall)
    if not ok then
      if why == "timeout" then self.server.stalled = self.server.stalled + 1 end
      self.stalled = true
      return self.conn:close_read()
    end
  end
end

local function subscription(topic, n)
  return resp.array(resp.bulk "subscribe", resp.bulk(topic), resp.integer(n))
end

-- The client is told that it has subscribed before it is told anything else on the topic.
local function subscribe(self, topic)
  if self.topics[topic] then return reply(self, subscription(topic, self.subscriptions)) end
  if self.subscriptions >= self.limits.subscriptions then
    return reply(self, resp.error "too many subscriptions")
  end
  local rx, why = hub.subscribe(topic)
  if not rx then return reply(self, resp.error(why)) end
  self.subscriptions = self.subscriptions + 1
  reply(self, subscription(topic, self.subscriptions))
  if not flush(self) then self.over = true end
  self.topics[topic] = self.tasks:spawn(forward, self, topic, rx)
end

function commands.subscribe(self, ...)
  for i = 1, select("#", ...) do subscribe(self, (select(i, ...))) end
end

local function unsubscribe(self, topic)
  local task = topic and self.topics[topic]
  if task then
    task:abort()
    self.topics[topic] = nil
    self.subscriptions = self.subscriptions - 1
  end
  local name = topic and resp.bulk(topic) or resp.NIL
  reply(self, resp.array(resp.bulk "unsubscribe", name, resp.integer(self.subscriptions)))
end

local function unsubscribe_all(self)
  local topic = next(self.topics)
  repeat
    unsubscribe(self, topic)
    topic = next(self.topics)
  until not topic
end

function commands.unsubscribe(self, ...)
  if ... == nil then unsubscribe_all(self) end
  for i = 1, select("#", ...) do unsubscribe(self, (select(i, ...))) end
  while self.tasks:try_join_next() do end
end

function commands.publish(self, topic, message)
  local n, why = hub.publish(topic, message)
  reply(self, n and resp.integer(n) or resp.error(why))
end

function commands.info(self)
  reply(self, resp.bulk(self.server:info()))
end

function commands.quit(self)
  reply(self, resp.OK)
  self.over = true
end

-- ## A command

local ANY <const> = math.huge

local ARGUMENTS <const> = { -- least, most
  get = { 1, 1 }, set = { 2, 2 }, del = { 1, ANY }, incr = { 1, 1 }, expire = { 2, 2 },
  ping = { 0, 1 }, info = { 0, 1 }, quit = { 0, 0 },
  subscribe = { 1, ANY }, unsubscribe = { 0, ANY }, publish = { 2, 2 },
}

-- What a client that has subscribed may send: it could not tell other replies from what is published.
local SUBSCRIBED <const> = { subscribe = true, unsubscribe = true, ping = true, quit = true }

local function refusal(self, name, args)
  local n = ARGUMENTS[name]
  if not n then return ("unknown command '%s'"):format(name:sub(1, 64)) end
  if #args - 1 < n[1] or #args - 1 > n[2] then
    return ("wrong number of arguments for '%s' command"):format(name)
  end
  if self.subscriptions > 0 and not SUBSCRIBED[name] then
    return ("can't execute '%s' while subscribed: UNSUBSCRIBE first"):format(name)
  end
end

local function execute(self, args)
  local name = args[1]:lower()
  local why = refusal(self, name, args)
  self.server.commands = self.server.commands + 1
  if not why and store.Store.commands[name] then
    args[1] = name
    self.batch[#self.batch + 1] = args
    if #self.batch >= self.limits.pipeline then ask_store(self) end
    return
  end
  ask_store(self)
  if why then return reply(self, resp.error(why)) end
  commands[name](self, table.unpack(args, 2))
end

-- All complete commands in what was read. False: the connection is over.
local function execute_all(self)
  local args, why = self.reader:next()
  while args and not self.over do
    execute(self, args)
    args, why = self.reader:next()
  end
  ask_store(self)
  if why then
    reply(self, resp.error("Protocol error: " .. why))
    self.over = true
  end
  return flush(self) and not self.over
end

-- A client may be silent for as long as it likes, but not in the middle of a command.
local function read(self)
  local chunk, why = self.conn:read(self.reader:is_amid() and self.limits.stall or nil)
  if why == "timeout" then self.server.stalled = self.server.stalled + 1 end
  return chunk
end

--- Serves a connection until it ends. What it holds is let go with this task, once the client has read its
-- replies: it may have ended its half of the connection long before.
return function(conn, server)
  conn:handle():keepalive(true, KEEPALIVE)
  local tasks <close> = weir.join_set()
  local self = setmetatable({
    conn = conn, server = server, limits = server.limits, reader = resp.reader(server.limits),
    tasks = tasks, topics = {}, subscriptions = 0, batch = {}, replies = {}, size = 0,
  }, Client)
  local _here <close> = server:enter(conn)
  local chunk = read(self)
  while chunk do
    self.reader:feed(chunk)
    if not execute_all(self) then break end
    chunk = read(self)
  end
  if not self.stalled then conn:shutdown(self.limits.stall) end
end
