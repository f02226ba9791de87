-- main.lua -- a chat server over TCP: talk to it with `nc 127.0.0.1 7000`.
-- SPDX-License-Identifier: MIT
--
--   lua5.4 examples/chat/main.lua [--port 7000] [--connections 1000] [--stall 30] [--deadline 5]
--
--   listener -> a task per connection (member.lua) <-> an actor per room (room.lua)
--
-- Ctrl-C ends it in order: the listener is closed, a token tells every member, and who has not said goodbye
-- before the deadline, or a second Ctrl-C, is cut off; then the rooms are closed.

local folder = arg[0]:match("^(.*)/") or "."
package.path = folder .. "/?.lua;" .. package.path

local weir = require "weir"
local luv = require "weir.luv"
local rooms = require "room"
local serve = require "member"

local options = { port = 7000, connections = 1000, stall = 30, deadline = 5 }

for i = 1, #arg, 2 do
  local name, value = arg[i]:match("^%-%-(%a+)$"), tonumber(arg[i + 1])
  if not name or not options[name] or not value or value < 0 then
    io.stderr:write("usage: main.lua [--port n] [--connections n] [--stall seconds] [--deadline seconds]\n")
    os.exit(2)
  end
  options[name] = math.tointeger(value) or value
end

local function say(...)
  io.stdout:write(string.format(...), "\n")
  io.stdout:flush()
end

-- Takes who comes in, and lets go of who has left; a mistake of ours is shown.
local function accept(members, incoming, quit)
  while true do
    local which, conn, ok, err = weir.select { new = incoming, left = #members > 0 and members }
    if which == "left" then
      if not ok and err ~= "aborted" then io.stderr:write("connection failed: ", tostring(err), "\n") end
    elseif not conn then
      error("the listener has ended", 0)
    elseif not members:try_spawn(serve, conn, quit, options.stall) then
      conn:write("! the server is full\r\n", 0)
      conn:drop()
    end
  end
end

luv.run(function()
  local members <close> = weir.join_set(options.connections)
  local quit = weir.cancellation_token()
  local incoming, host, port = luv.listen("127.0.0.1", options.port)
  if not incoming then error(("cannot listen on port %d: %s"):format(options.port, port), 0) end
  local interrupt, terminate = luv.signal "sigint", luv.signal "sigterm"
  say("listening on %s:%d", host, port)

  local acceptor = weir.spawn(function(rx) accept(members, rx, quit) end, incoming)
  local _, why, err = weir.select { interrupt, terminate, acceptor }
  acceptor:abort()
  say("%s: %d connections to end", why or err, #members)
  quit:cancel("the server closes")
  local ending = weir.spawn(function() while members:join_next() do end end)
  weir.select_biased { ending, weir.after(options.deadline), interrupt, terminate }
  ending:abort()
  local cut = #members
  members:shutdown()
  rooms.stop_all()
  say("stopped; %d connections were cut short", cut)
end)
