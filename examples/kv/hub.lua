-- hub.lua -- publish and subscribe: a broadcast channel for each topic that somebody listens to.
-- SPDX-License-Identifier: MIT

local weir = require "weir"

-- What a topic keeps for its slowest subscriber: so many messages, of which it is told how many it missed
-- beyond them, and so many bytes, beyond which a publisher is refused.
local KEPT <const> = 1024
local BACKLOG <const> = 1048576

local hub = { most = 256 } -- topics

local topics, count = {}, 0

-- A topic without subscribers is forgotten.
local function forget_unheard(name, topic, tx)
  tx:closed()
  if topics[name] ~= topic then return end
  topic.tx:drop()
  topics[name], count = nil, count - 1
end

local function new_topic(name)
  local tx, rx = weir.broadcast(KEPT)
  local topic = { tx = tx, sizes = {}, first = 1, last = 0, bytes = 0 }
  if not topics[name] then count = count + 1 end
  topics[name] = topic
  weir.spawn(forget_unheard, name, topic, tx:clone()):name("topic")
  return rx
end

--- A broadcast receiver of what is published from now on; or nil and a sentence.
function hub.subscribe(name)
  local topic = topics[name]
  if topic and not topic.tx:is_closed() then return topic.tx:subscribe() end
  if not topic and count >= hub.most then return nil, "too many topics" end
  return new_topic(name)
end

-- What every subscriber has seen takes no room any more.
local function forget_seen(topic)
  for i = topic.first, topic.last - topic.tx:len() do
    topic.bytes = topic.bytes - topic.sizes[i]
    topic.sizes[i] = nil
    topic.first = i + 1
  end
end

--- To how many; or nil and a sentence.
function hub.publish(name, message)
  local topic = topics[name]
  if not topic then return 0 end
  forget_seen(topic)
  if topic.bytes > 0 and topic.bytes + #message > BACKLOG then
    return nil, "the subscribers of this topic are too far behind"
  end
  local n = topic.tx:send(message)
  if not n then return 0 end
  topic.last = topic.last + 1
  topic.sizes[topic.last] = #message
  topic.bytes = topic.bytes + #message
  return n
end

function hub.count()
  return count
end

return hub
