-- main.lua -- a key-value server that speaks a part of Redis' protocol: redis-cli and redis-benchmark are its clients.
-- SPDX-License-Identifier: MIT
--
--   lua5.4 examples/kv/main.lua [--port 6380] [--connections 10000] [--value 1048576] [--memory 268435456]
--                               [--pipeline 1024] [--topics 256] [--stall 30] [--deadline 5]
--
--   listener -> a task per connection (client.lua) -> the store, an actor (store.lua)
--                                  \-> topics, broadcast channels (hub.lua)
--
-- GET SET DEL INCR EXPIRE PING SUBSCRIBE UNSUBSCRIBE PUBLISH INFO QUIT. Ctrl-C ends it in order: no new
-- connections, what was asked is answered, then the store stops; after `deadline` seconds, or at a second Ctrl-C,
-- who is still at work is cut short.

local folder = arg[0]:match("^(.*)/") or "."
package.path = folder .. "/?.lua;" .. package.path

local weir = require "weir"
local luv = require "weir.luv"
local hub = require "hub"
local serve = require "client"
local store = require "store"

local options = {
  port = 6380, connections = 10000, value = 1048576, memory = 268435456, pipeline = 1024, topics = 256,
  stall = 30, deadline = 5,
}

local function usage()
  io.stderr:write("usage: main.lua [--port n] [--connections n] [--value bytes] [--memory bytes] ",
    "[--pipeline n] [--topics n] [--stall seconds] [--deadline seconds]\n")
  os.exit(2)
end

for i = 1, #arg, 2 do
  local name, value = arg[i]:match("^%-%-(%a+)$"), tonumber(arg[i + 1])
  if not name or not options[name] or not value or value < 0 then usage() end
  options[name] = math.tointeger(value) or value
end

local server = {
  commands = 0, accepted = 0, refused = 0, stalled = 0, connections = {}, connected = 0, started = weir.now(),
  limits = {
    line = 4096, arguments = 1024, value = options.value, command = options.value + 65536,
    pipeline = options.pipeline, subscriptions = 64, stall = options.stall,
  },
}

local leaving = {
  __close = function(self)
    server.connections[self.conn] = nil
    server.connected = server.connected - 1
  end,
}

--- The connection is listed until what this returns is closed.
function server:enter(conn)
  self.connections[conn] = true
  self.connected = self.connected + 1
  if self.ending then conn:close_read() end
  return setmetatable({ conn = conn }, leaving)
end

local function resident()
  local file <close> = io.open("/proc/self/statm")
  return file and select(2, file:read("n", "n")) * 4096 or 0
end

function server:info()
  local keys = self.store:call("info")
  local lines = {
    "# Server", "weir_version:" .. weir._VERSION,
    ("uptime_in_seconds:%.0f"):format(weir.now() - self.started),
    "# Clients", "connected_clients:" .. self.connected, "maxclients:" .. options.connections,
    "refused_connections:" .. self.refused, "stalled_connections:" .. self.stalled,
    "# Memory", "used_memory:" .. keys.bytes, "maxmemory:" .. options.memory,
    ("used_memory_lua:%.0f"):format(collectgarbage "count" * 1024),
    ("used_memory_rss:%d"):format(resident()),
    "# Stats", "total_connections_received:" .. self.accepted, "total_commands_processed:" .. self.commands,
    "expired_keys:" .. keys.expired_keys, "pubsub_channels:" .. hub.count(), "tasks:" .. #weir.tasks(),
    "# Keyspace", ("db0:keys=%d,expires=%d"):format(keys.keys, keys.expires), "",
  }
  return table.concat(lines, "\r\n")
end

-- Takes who comes in, and lets go of who has ended; a mistake of ours is shown.
local function accept(clients, incoming)
  while true do
    local which, conn, ok, err = weir.select { new = incoming, ended = #clients > 0 and clients }
    if which == "ended" then
      if not ok and err ~= "aborted" then io.stderr:write("connection failed: ", tostring(err), "\n") end
    elseif not conn then
      error("the listener has ended", 0)
    else
      server.accepted = server.accepted + 1
      if not clients:try_spawn(serve, conn, server) then
        server.refused = server.refused + 1
        conn:write("-ERR max number of clients reached\r\n", 0)
        conn:drop()
      end
    end
  end
end

-- Whoever is idle sees the end of its input; whoever is at work answers first.
local function end_all(clients)
  server.ending = true
  for conn in pairs(server.connections) do conn:close_read() end
  while clients:join_next() do end
end

luv.run(function()
  local clients <close> = weir.join_set(options.connections)
  local incoming, host, port = luv.listen("127.0.0.1", options.port, { capacity = 64 })
  if not incoming then error(("cannot listen on port %d: %s"):format(options.port, port), 0) end
  hub.most = options.topics
  server.store = store.spawn(1024, options.memory)
  local interrupt, terminate = luv.signal "sigint", luv.signal "sigterm"
  io.stdout:write(("listening on %s:%d\n"):format(host, port))
  io.stdout:flush()

  local acceptor = weir.spawn(function(rx) accept(clients, rx) end, incoming)
  local _, why, err = weir.select { interrupt, terminate, acceptor }
  acceptor:abort()
  io.stdout:write(("%s: %d connections to end\n"):format(why or err, server.connected))
  io.stdout:flush()
  local ending = weir.spawn(function() end_all(clients) end)
  weir.select_biased { ending, weir.after(options.deadline), interrupt, terminate }
  ending:abort()
  local cut = server.connected
  clients:shutdown()
  server.store:stop()
  io.stdout:write(("stopped; %d connections were cut short\n"):format(cut))
end)
