-- room.lua -- a room is an actor: it alone knows who is in it.
-- SPDX-License-Identifier: MIT
--
-- What is said goes out on a broadcast channel: the room never waits for a slow member, who is told how much it
-- missed. The topic is a watch: only the latest counts. A member's seat is the sender of a oneshot: however its
-- task ends, the seat is dropped, and the room sees that the member has left.

local weir = require "weir"
local actor = require "weir.actor"

local Room = {}

local KEPT <const> = 256 -- messages kept for the slowest member

function Room:init(name)
  self.name, self.members, self.count = name, {}, 0
  local heard, topic
  self.talk, heard = weir.broadcast(KEPT)
  self.topic, topic = weir.watch("no topic yet")
  heard:drop()
  topic:drop()
end

-- Waits for the seat to be empty, then tells the room, if there still is one.
local function watch_seat(nick, seat, weak)
  seat:recv()
  local room <close> = weak:upgrade()
  if room then room:cast("leave", nick) end
end

--- Answers with what a member needs: a receiver of what is said, a receiver of the topic, its seat.
function Room:join(nick)
  if self.members[nick] then return nil, "that name is taken" end
  self.talk:send(("* %s joined"):format(nick))
  self.members[nick] = true
  self.count = self.count + 1
  local seat, taken = weir.oneshot()
  weir.spawn(watch_seat, nick, taken, self:myself()):name("seat of " .. nick)
  return self.talk:subscribe(), self.topic:subscribe(), seat
end

function Room:say(nick, words)
  self.talk:send(("<%s> %s"):format(nick, words))
end

function Room:set_topic(nick, topic)
  self.talk:send(("* %s sets the topic"):format(nick))
  self.topic:send_replace(topic)
end

function Room:who()
  local names = {}
  for nick in pairs(self.members) do names[#names + 1] = nick end
  table.sort(names)
  return table.concat(names, " ")
end

-- A room that is empty ends; who comes later gets a new one.
function Room:leave(nick)
  self.members[nick] = nil
  self.count = self.count - 1
  self.talk:send(("* %s left"):format(nick))
  if self.count == 0 then self:stop_self() end
end

function Room:terminate()
  self.talk:drop()
  self.topic:drop()
end

local rooms = { open = {}, count = 0 }

local MOST <const> = 1000

-- Forgets a room that has ended.
local function forget(name, ref)
  ref:join()
  if rooms.open[name] == ref then
    rooms.open[name] = nil
    rooms.count = rooms.count - 1
  end
end

local function open(name)
  if rooms.open[name] then return rooms.open[name] end
  if rooms.count >= MOST then return nil, "there are too many rooms" end
  local ref = actor.spawn(Room, { capacity = 64, name = "room " .. name }, name)
  rooms.open[name], rooms.count = ref, rooms.count + 1
  weir.spawn(forget, name, ref):name("end of room " .. name)
  return ref
end

--- The room, and what `Room:join` answers; or nil and a sentence.
function rooms.join(name, nick)
  while true do
    local room, why = open(name)
    if not room then return nil, why end
    local talk, topic, seat = room:call("join", nick)
    if talk then return room, talk, topic, seat end
    if topic ~= "closed" then return nil, topic end -- it ended meanwhile: the next is a new one
    weir.yield()
  end
end

function rooms.stop_all()
  for _, room in pairs(rooms.open) do room:stop() end
end

return rooms
