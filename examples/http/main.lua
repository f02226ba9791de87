-- main.lua -- an HTTP server by lua-http, with a counter behind it: `curl http://127.0.0.1:8080/`.
-- SPDX-License-Identifier: MIT
--
--   lua5.4 examples/http/main.lua [--port 8080] [--requests 256] [--deadline 5]
--
--   lua-http, in threads of cqueues -> a task per request -> the counter, an actor
--                                             \<- its latest value, a watch channel
--
-- Ctrl-C ends it in order: no new connections, whoever waits is answered, what is being answered is finished;
-- after `deadline` seconds without that.

-- Debian's lua-http has no directory for Lua 5.4; its files are the same for all versions.
package.path = package.path .. ";/usr/share/lua/5.1/?.lua"

local weir = require "weir"
local actor = require "weir.actor"
local adapter = require "weir.cqueues"
local http_server = require "http.server"
local http_headers = require "http.headers"
local signal = require "cqueues.signal"

local options = { port = 8080, requests = 256, deadline = 5 }

for i = 1, #arg, 2 do
  local name, value = arg[i]:match("^%-%-(%a+)$"), tonumber(arg[i + 1])
  if not name or not options[name] or not value then
    io.stderr:write("usage: main.lua [--port n] [--requests n] [--deadline seconds]\n")
    os.exit(2)
  end
  options[name] = value
end

local PATIENCE <const> = 30   -- seconds that a client is waited for, and that it may wait
local HEARTBEAT <const> = 15  -- seconds after which an idle stream of events shows that it lives
local LARGEST <const> = 1024  -- bytes of a body

local HELP <const> = [[
GET  /counter          the count
POST /counter          adds the number in the body, or 1; the new count
GET  /counter?above=n  waits until the count is above n
GET  /events           the count at each change, as server-sent events
GET  /requests         how many requests are being answered
]]

-- ## The counter

local Counter = {}

function Counter:init(latest)
  self.latest = latest
end

function Counter:add(by)
  return self.latest:send_modify(function(n) return n + by end) and self.latest:borrow()
end

-- ## Requests. All of this runs in tasks: what lua-http waits for they wait for as for everything else.

local function answer(stream, status, text, kind)
  local headers = http_headers.new()
  headers:append(":status", tostring(status))
  headers:append("content-type", kind or "text/plain")
  if kind == "text/event-stream" then return assert(stream:write_headers(headers, false, PATIENCE)) end
  headers:append("content-length", tostring(#text))
  assert(stream:write_headers(headers, false, PATIENCE))
  assert(stream:write_chunk(text, true, PATIENCE))
end

local routes = {}

routes["GET /"] = function(_, stream)
  answer(stream, 200, HELP)
end

routes["POST /counter"] = function(server, stream)
  local body, gone = stream:get_body_chars(LARGEST, PATIENCE)
  if gone then return end
  local by = not body and 1 or math.tointeger(tonumber(body))
  if not by then return answer(stream, 400, "an integer, please\n") end
  local n = server.counter:call("add", by)
  if not n then return answer(stream, 503, "the counter is gone\n") end
  answer(stream, 200, n .. "\n")
end

routes["GET /counter"] = function(server, stream, query)
  local above = math.tointeger(tonumber(query:match("above=(%-?%d+)")))
  local latest <close> = server.latest:clone()
  if not above then return answer(stream, 200, latest:borrow() .. "\n") end
  local waited, n, why = server.quit:run_until_cancelled(function()
    return latest:wait_for(function(n) return n > above end, PATIENCE)
  end)
  if not waited then return answer(stream, 503, "the server ends\n") end
  if not n then return answer(stream, 504, why .. "\n") end
  answer(stream, 200, n .. "\n")
end

-- One connection for as long as the client likes. A client that is gone is noticed when something is written.
routes["GET /events"] = function(server, stream)
  local latest <close> = server.latest:clone()
  answer(stream, 200, "", "text/event-stream")
  local text = "data: " .. latest:borrow_and_update() .. "\n\n"
  while stream:write_chunk(text, false, PATIENCE) do
    local which, _, why = weir.select({ change = latest, quit = server.quit }, HEARTBEAT)
    if which == "quit" or why == "closed" then break end
    text = which and "data: " .. latest:borrow() .. "\n\n" or ":\n\n"
  end
  stream:write_chunk("", true, PATIENCE)
end

routes["GET /requests"] = function(server, stream)
  answer(stream, 200, options.requests - server.slots:available() .. "\n")
end

local function respond(server, stream)
  local headers = stream:get_headers(PATIENCE)
  if not headers then return end -- gone before it has asked for anything
  local path, query = headers:get(":path"):match("^([^?]*)%??(.*)$")
  local route = routes[headers:get ":method" .. " " .. path]
  if not route then return answer(stream, 404, "there is no such thing; GET / says what there is\n") end
  route(server, stream, query)
end

-- ## The server

local function say(...)
  io.stdout:write(string.format(...), "\n")
  io.stdout:flush()
end

-- What is being answered holds a permit: that limits it, and shows when all is done.
local function handler(server)
  return adapter.task(function(_, stream)
    local slot <close> = server.slots:acquire()
    if slot then respond(server, stream) end
  end)
end

local function listen(server)
  local http = assert(http_server.listen {
    host = "127.0.0.1", port = options.port, tls = false,
    cq = adapter.controller(), -- its threads run beside the tasks, in the one controller
    onstream = handler(server),
    onerror = function(_, _, operation, err)
      io.stderr:write(("%s: %s\n"):format(operation, err))
    end,
  })
  assert(adapter.call(http.listen, http))
  return http
end

adapter.run(function()
  local told, latest = weir.watch(0)
  local server = {
    counter = actor.spawn(Counter, { capacity = 64, name = "counter" }, told),
    latest = latest,
    quit = weir.cancellation_token(),
    slots = weir.semaphore(options.requests),
  }
  signal.block(signal.SIGINT, signal.SIGTERM)
  local interrupt = signal.listen(signal.SIGINT, signal.SIGTERM)
  local http = listen(server)
  say("listening on %s:%d", select(2, http:localname()))

  adapter.call(interrupt.wait, interrupt)
  http:pause()
  server.quit:cancel "the server ends"
  if not server.slots:acquire(options.requests, options.deadline) then say "cut off what was left" end
  say("counted to %d", select(2, server.counter:stop()) or latest:borrow())
end)
