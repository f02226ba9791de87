-- member.lua -- one task per connection: what is typed goes to the room, what the room says is written.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local luv = require "weir.luv"
local rooms = require "room"

local LINE <const> = 1024    -- bytes; a longer line is cut
local GREETING <const> = 60  -- seconds that it has to say who it is
local KEEPALIVE <const> = 60 -- seconds of silence after which the system asks whether it is still there

local Member = {}

-- False: the client is gone, or does not read.
local function tell(self, text)
  return (self.conn:write(text .. "\r\n", self.stall))
end

local function leave(self)
  if not self.room then return end
  self.seat:drop()
  self.talk:drop()
  self.topic:drop()
  self.room, self.seat, self.talk, self.topic, self.room_name = nil, nil, nil, nil, nil
end

Member.__close = leave

local function join(self, name)
  leave(self)
  local room, talk, topic, seat = rooms.join(name, self.nick)
  if not room then return tell(self, "! " .. talk) end
  self.room, self.talk, self.topic, self.seat, self.room_name = room, talk, topic, seat, name
  return tell(self, ("* you are in %s; topic: %s"):format(name, topic:borrow()))
end

local commands = {}

function commands.join(self, name)
  if not name:find("^[%w_-]+$") or #name > 32 then return tell(self, "! /join <letters, digits, _ or ->") end
  if name == self.room_name then return tell(self, "! you are there") end
  return join(self, name)
end

function commands.topic(self, text)
  if not self.room then return tell(self, "! join a room first: /join <room>") end
  self.room:cast("set_topic", self.nick, text)
  return true
end

function commands.who(self)
  if not self.room then return tell(self, "! join a room first: /join <room>") end
  return tell(self, "* here: " .. (self.room:call("who") or ""))
end

function commands.quit(self)
  tell(self, "* bye")
  return false
end

-- A line that was typed. False ends the connection. What moves the cursors of others is not passed on.
local function heard(self, line, cut)
  line = line:gsub("%c", " ")
  if cut then tell(self, ("! a line has up to %d bytes: the rest was let go"):format(LINE)) end
  local name, rest = line:match("^/(%a+)%s*(.*)$")
  if name then
    local command = commands[name]
    if not command then return tell(self, "! /join /topic /who /quit") end
    return command(self, rest)
  end
  if line == "" then return true end
  if not self.room then return tell(self, "! join a room first: /join <room>") end
  if not self.room:cast("say", self.nick, line) then return tell(self, "! the room is closed") end
  return true
end

local function close(self)
  tell(self, "* the server closes")
  return false
end

-- Something was said; `why` is "lagged" if this member was too slow for n messages.
local function said(self, message, why, n)
  if message then return tell(self, message) end
  if why == "lagged" then return tell(self, ("! you were too slow: %d messages missed"):format(n)) end
  leave(self)
  return tell(self, "! the room is closed")
end

local function greet(self, quit)
  if not tell(self, "* who are you?") then return false end
  local which, nick = weir.select({ line = self.lines, quit = quit }, GREETING)
  if which == "quit" then return close(self) end
  if not nick or not nick:find("^[%w_-]+$") or #nick > 16 then
    tell(self, "! a name has up to 16 letters, digits, _ or -")
    return false
  end
  self.nick = nick
  return tell(self, ("* welcome, %s; /join <room>"):format(nick))
end

local function converse(self, quit)
  local going = true
  while going do
    local which, value, why, n = weir.select {
      line = self.lines, said = self.talk or false, topic = self.topic or false, quit = quit,
    }
    if which == "line" then going = value and heard(self, value, why)
    elseif which == "said" then going = said(self, value, why, n)
    elseif which == "topic" then going = not value or tell(self, "* topic: " .. self.topic:borrow())
    else going = close(self) end
  end
end

--- Serves a connection; the client may refuse to read for `stall` seconds. However this ends, its seat in a room
-- is given up.
return function(conn, quit, stall)
  conn:handle():keepalive(true, KEEPALIVE)
  local lines <close> = luv.lines(conn, LINE)
  local self <close> = setmetatable({ conn = conn, lines = lines, stall = stall }, Member)
  if greet(self, quit) then converse(self, quit) end
  conn:shutdown(1)
end
