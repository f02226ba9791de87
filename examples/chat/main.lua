-- main.lua -- a chat server over TCP: talk to it with `nc 127.0.0.1 7000`.
-- SPDX-License-Identifier: MIT
--
--   lua5.4 examples/chat/main.lua [--port 7000] [--connections 1000] [--deadline 5]
--
--   listener -> a task per connection (member.lua) <-> an actor per room (room.lua)
--
-- Ctrl-C ends it in order: the listener is closed, a token tells every member, and who has not said goodbye
-- before the deadline is cut off.

local folder = arg[0]:match("^(.*)/") or "."
package.path = folder .. "/?.lua;" .. package.path

local weir = require "weir"
local luv = require "weir.luv"
local rooms = require "room"
local serve = require "member"

local options = { port = 7000, connections = 1000, deadline = 5 }

for i = 1, #arg, 2 do
  local name, value = arg[i]:match("^%-%-(%a+)$"), tonumber(arg[i + 1])
  if not name or not options[name] or not value then
    io.stderr:write("usage: main.lua [--port n] [--connections n] [--deadline seconds]\n")
    os.exit(2)
  end
  options[name] = math.tointeger(value) or value
end

local function say(...)
  io.stdout:write(string.format(...), "\n")
  io.stdout:flush()
end

-- Ends of connections are forgotten; a mistake of ours is shown.
local function reap(members)
  local task, ok, err = members:try_join_next()
  while task do
    if not ok and err ~= "aborted" then io.stderr:write("connection failed: ", tostring(err), "\n") end
    task, ok, err = members:try_join_next()
  end
end

local function accept(members, incoming, quit)
  for conn in incoming do
    reap(members)
    if not members:try_spawn(serve, conn, quit) then
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
  weir.select { interrupt, terminate, acceptor }
  acceptor:abort()
  reap(members)
  say("closing %d connections", #members)
  quit:cancel("the server closes")
  weir.timeout(options.deadline, function()
    while members:join_next() do end
    rooms.stop_all()
  end)
  say("stopped; %d connections were cut short", #members)
end)
