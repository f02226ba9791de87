-- hub.lua -- publish and subscribe: a broadcast channel for each topic that somebody listens to.
-- SPDX-License-Identifier: MIT

local weir = require "weir"

local hub = {}

-- What a topic keeps for its slowest subscriber, who is told how many it missed beyond that.
local KEPT <const> = 1024

local topics = {}

-- A topic without subscribers is forgotten.
local function forget_unheard(name, tx)
  tx:closed()
  if topics[name] and topics[name]:receiver_count() == 0 then
    topics[name]:drop()
    topics[name] = nil
  end
end

local function new_topic(name)
  local tx, rx = weir.broadcast(KEPT)
  topics[name] = tx
  weir.spawn(forget_unheard, name, tx:clone()):name("topic")
  return rx
end

--- A broadcast receiver of what is published from now on.
function hub.subscribe(name)
  if topics[name] and not topics[name]:is_closed() then return topics[name]:subscribe() end
  return new_topic(name)
end

--- To how many.
function hub.publish(name, message)
  local tx = topics[name]
  return tx and tx:send(message) or 0
end

function hub.count()
  local n = 0
  for _ in pairs(topics) do n = n + 1 end
  return n
end

return hub
