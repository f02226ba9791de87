-- 30-chat-room.lua -- a room is an actor; its members' mailboxes move into it; a slow member holds nobody up.
-- SPDX-License-Identifier: MIT
local weir = require "weir"
local actor = require "weir.actor"

-- The room alone knows who is in it. A member is a sender of lines; it moved here with `join`, so the room
-- owns it: when the room ends, every member sees the end of its lines.
local Room = {}

function Room:init(topic)
  self.topic, self.members = topic, {}
end

function Room:join(name, lines)
  if self.members[name] then return nil, "that name is taken" end
  self:tell(name .. " joined")
  self.members[name] = lines
  return self.topic
end

function Room:say(name, words)
  self:tell(name .. ": " .. words)
end

function Room:leave(name)
  local _lines <close> = self.members[name]
  self.members[name] = nil
  self:tell(name .. " left")
end

-- A room that waited for its slowest member would be as slow: who has no place for a line loses it.
function Room:tell(line)
  for name, lines in pairs(self.members) do
    local ok, why = lines:try_send(line)
    if why == "full" then
      self.missed = (self.missed or 0) + 1
    elseif not ok then
      self.members[name] = nil               -- gone without a word
    end
  end
end

function Room:terminate()
  return self.missed or 0
end

-- A member prints what it hears, at its own pace.
local function member(room, name, pace)
  local tx, rx = weir.mpsc(3)
  local topic, why = room:call("join", name, tx)
  if not topic then return print(name .. " stays outside: " .. why) end
  print(name .. " comes in and sees: " .. topic)
  return weir.spawn(function()
    for line in rx do
      print(("%-4s hears  %s"):format(name, line))
      weir.sleep(pace)
    end
    print(name .. " hears the room close")
  end)
end

weir.run_paused(function()
  local room = actor.spawn(Room, { capacity = 8, name = "room" }, "rivers")
  local ann = member(room, "ann", 0.1)
  member(room, "ann", 0.1)
  local bob = member(room, "bob", 1)

  room:cast("say", "ann", "is a weir a dam?")
  weir.sleep(0.5)
  for _, words in ipairs { "a low one", "the river goes on", "it waits", "and flows over" } do
    room:cast("say", "bob", words)
    weir.sleep(0.2)
  end
  room:cast("leave", "ann")
  ann:join()

  local _, missed = room:stop()
  bob:join()
  print("lines that found no place:", missed)
end)

--> output
-- ann comes in and sees: rivers
-- ann stays outside: that name is taken
-- ann  hears  bob joined
-- bob comes in and sees: rivers
-- bob  hears  ann: is a weir a dam?
-- ann  hears  ann: is a weir a dam?
-- ann  hears  bob: a low one
-- ann  hears  bob: the river goes on
-- ann  hears  bob: it waits
-- bob  hears  bob: a low one
-- ann  hears  bob: and flows over
-- ann hears the room close
-- bob  hears  bob: the river goes on
-- bob  hears  bob: it waits
-- bob  hears  bob: and flows over
-- bob hears the room close
-- lines that found no place:	1
