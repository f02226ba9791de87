-- load.lua -- the two servers of examples/ among clients that stall, vanish, flood and send garbage.
-- SPDX-License-Identifier: MIT
--
--   lua5.4 spec/soak/load.lua [--seconds 60] [--seed n]
--   lua5.4 spec/soak/load.lua --probe name --port n   (by itself, to measure from a process apart)
--
-- Each server in turn, in two rounds of equal length. Clients that behave count what they get: a message that
-- is neither received nor told to have been missed is lost, and fails the run; so does an answer that is not
-- the one to its question. Memory is looked at when everybody has gone: in the second round it must not grow
-- by more than luck explains.

package.path = (arg[0]:match("^(.*)/spec/soak/[^/]*$") or ".") .. "/?.lua;" .. package.path

local weir = require "weir"
local luv = require "weir.luv"
local server = require "spec.soak.server"

local options = { seconds = 60, seed = os.time(), port = 0, probe = "" }

for i = 1, #arg, 2 do
  local name = arg[i]:match("^%-%-(%a+)$")
  local value = name == "probe" and arg[i + 1] or math.tointeger(tonumber(arg[i + 1]))
  if not name or not options[name] or not value then
    io.stderr:write("usage: load.lua [--seconds n] [--seed n]\n")
    os.exit(2)
  end
  options[name] = value
end

local random = math.random

local function say(...)
  io.stdout:write(string.format(...), "\n")
  io.stdout:flush()
end

-- ## A round: many clients at once until its time is over

-- run: the server `it`, `last` (when it is over), figures
local function until_over(run, f)
  return function()
    while weir.now() < run.last do f(run) end
  end
end

local function check(condition, what)
  if not condition then error("wrong: " .. what, 2) end
end

-- Counts of what was said, got and missed by one listener; none may be lost, none out of order.
local function account(run, said, got, missed)
  run.messages, run.missed = run.messages + got, run.missed + missed
  run.lost = run.lost + said - got - missed
end

local function garbage(words)
  local bytes = {}
  for i = 1, random(200) do bytes[i] = words[random(#words)] end
  return table.concat(bytes)
end

-- Sends what it is given, and is gone before any answer.
local function hit_and_run(run, text)
  local client <close> = run.it:connect()
  client.conn:write(text, 1)
  if random(2) == 1 then client:vanish() end
end

-- ## kv

local kv = {}

local command = server.command

local GARBAGE <const> = {
  "*", "$", "\r\n", "\n", "-", "1", "3", "9999999999", "GET", "SET", "\0", "\255", " ", "SUBSCRIBE",
  "*3\r\n$3\r\n",
}

-- Counts up a key of its own, in pipelines, and keeps a value.
function kv.counter(name)
  return function(run)
    local client <close> = run.it:connect()
    client:send(command("DEL", name))
    client:line()
    local n = 0
    while weir.now() < run.last do
      local depth, value = random(50), ("v"):rep(random(2000))
      client:send(command("INCR", name):rep(depth))
      client:send(command("SET", name .. "v", value), command("GET", name .. "v"))
      for _ = 1, depth do
        n = n + 1
        check(client:line() == ":" .. n, "INCR")
      end
      check(client:line() == "+OK", "SET")
      check(client:line() == "$" .. #value and client:line() == value, "GET")
      run.messages = run.messages + depth + 2
    end
  end
end

function kv.publisher(run)
  local client <close> = run.it:connect()
  while run.subscribed < 4 do weir.sleep(0.01) end
  while weir.now() < run.last do
    run.said = run.said + 1
    client:send(command("PUBLISH", "news", run.said .. (" "):rep(random(1000))))
    check(client:line():find "^:%d", "PUBLISH")
    if random(100) == 1 then weir.sleep(0.01) end
  end
  client:send(command("PUBLISH", "news", "over"))
  client:line()
end

function kv.subscriber(slow)
  return function(run)
    local client <close> = run.it:connect()
    client:send(command("SUBSCRIBE", "news"))
    client:wait_for ":1"
    run.subscribed = run.subscribed + 1
    local got, missed, last = 0, 0, 0
    while true do
      check(client:line() == "*3" and client:line():find "^%$", "a message")
      local kind = client:line()
      check(client:line() == "$4" and client:line() == "news", "a topic")
      local head = client:line()
      if kind == "lagged" then
        missed = missed + tonumber(head:sub(2))
      else
        local text = client:line()
        if text == "over" then break end
        local n = tonumber(text)
        check(n > last, "the order of messages")
        got, last = got + 1, n
        if slow and random(20) == 1 then weir.sleep(0.002) end
      end
    end
    account(run, run.said, got, missed)
  end
end

-- Asks for much and reads nothing.
function kv.staller(run)
  local client <close> = run.it:connect()
  if random(2) == 1 then
    client.conn:write(command("SUBSCRIBE", "flood"), 1)
  else
    client.conn:write(command("GET", "large"):rep(200), 1)
  end
  client.conn:read(0)
  weir.sleep(math.min(3 + random(), math.max(0, run.last - weir.now())))
end

function kv.flooder(run)
  local client <close> = run.it:connect()
  local text = command("PUBLISH", "flood", ("x"):rep(1000)):rep(100)
  for _ = 1, 20 do
    client:send(text)
    for _ = 1, 100 do check(client:line():find "^[:-]", "PUBLISH") end
    run.messages = run.messages + 100
  end
end

function kv.vanisher(run)
  local whole = command("SET", "x", "y"):rep(random(20)) .. command("GET", "large"):rep(random(3))
  hit_and_run(run, whole .. "*2\r\n$1")
end

function kv.vandal(run)
  hit_and_run(run, garbage(GARBAGE))
end

-- Asks for what costs the server nothing.
function kv.probe(client)
  client:send(command("GET", "none"))
  check(client:line() == "$-1", "GET")
end

function kv.introduce() end

function kv.prepare(it)
  local client <close> = it:connect()
  client:send(command("SET", "large", ("L"):rep(100000)))
  client:line()
end

function kv.clients(run)
  run.subscribed, run.said = 0, 0
  local list = {
    kv.publisher, kv.subscriber(false), kv.subscriber(false), kv.subscriber(true), kv.subscriber(true),
  }
  for i = 1, 8 do list[#list + 1] = kv.counter("counter" .. i) end
  for _ = 1, 4 do
    list[#list + 1] = until_over(run, kv.staller)
    list[#list + 1] = until_over(run, kv.vanisher)
    list[#list + 1] = until_over(run, kv.vandal)
  end
  list[#list + 1] = until_over(run, kv.flooder)
  return list
end

-- Whether all who were there are gone.
function kv.is_at_rest(it)
  local client <close> = it:connect()
  client:send(command "INFO")
  client:line()
  local clients = client:wait_for "connected_clients:"
  local topics = client:wait_for "pubsub_channels:"
  return clients == "connected_clients:1" and topics == "pubsub_channels:0"
end

-- ## chat

local chat = {}

local CHATTER <const> = {
  "/", "/join ", "/topic ", "/who\n", "/quit\n", "a", "\n", "\r\n", "\0", "\255", " ", "\27[2J",
  ("x"):rep(2000),
}

local function enter(it, nick, room)
  local client = it:connect()
  client:send(nick, "\n")
  client:wait_for("welcome, " .. nick)
  client:send("/join ", room, "\n")
  client:wait_for("you are in " .. room)
  return client
end

local function meet(room)
  check(room.barrier:wait(server.PATIENCE), "somebody did not come")
end

-- Hears everything up to the end, or is told how much it missed.
local function listen(run, room, client, slow, answered)
  local got, missed, last = 0, 0, {}
  while true do
    local line = client:line()
    check(line, "the connection ended")
    local who, n = line:match("^<(%w+)> (%d+) x*$")
    if who then
      check(tonumber(n) > (last[who] or 0), "the order of lines")
      got, last[who] = got + 1, tonumber(n)
      if slow and random(20) == 1 then weir.sleep(0.002) end
    elseif line:find "> over$" then break
    elseif line:find "^%* here: " then answered:notify_one()
    else
      missed = missed + tonumber(line:match "^! you were too slow: (%d+)" or check(false, line))
    end
  end
  account(run, room.said, got, missed)
end

function chat.member(room, i)
  return function(run)
    local client <close> = enter(run.it, room.name .. "m" .. i, room.name)
    meet(room)
    if i == 1 then client:send "start\n" end
    client:wait_for "start"
    meet(room)
    local answered = weir.notify()
    local listener <close> = weir.spawn(listen, run, room, client, i > 3, answered)
    local n = 0
    while weir.now() < run.last do
      n = n + 1
      room.said = room.said + 1
      client:send(n .. " " .. ("x"):rep(random(0, 200)) .. "\n")
      if random(4) == 1 then weir.sleep(0.005) end
    end
    client:send "/who\n" -- when this is answered, the room has heard all that was said
    check(answered:notified(server.PATIENCE), "no answer came")
    meet(room)
    if i == 1 then client:send "over\n" end
    local ok, err = listener:join()
    if not ok then error(err, 0) end
  end
end

function chat.staller(run)
  local client <close> = enter(run.it, "deaf" .. random(1 << 30), "flood")
  weir.sleep(math.min(3 + random(), math.max(0, run.last - weir.now())))
  client:vanish()
end

function chat.flooder(run)
  local client <close> = enter(run.it, "flood" .. random(1 << 30), "flood")
  local text = (("x"):rep(900) .. "\n"):rep(50)
  local _reader <close> = weir.spawn(function()
    repeat local chunk = client.conn:read() until not chunk
  end)
  for _ = 1, 40 do
    client:send(text)
    run.messages = run.messages + 50
  end
end

function chat.vanisher(run)
  hit_and_run(run, "v" .. random(1 << 30) .. "\n/join room" .. random(50) .. "\nhello\n/topic x\nand the")
end

function chat.vandal(run)
  hit_and_run(run, (random(2) == 1 and "vandal\n" or "") .. garbage(CHATTER))
end

function chat.probe(client)
  client:send "/join no where\n"
  client:wait_for "! /join <letters"
end

function chat.prepare() end

function chat.introduce(client)
  client:send "prober\n"
  client:wait_for "welcome"
end

function chat.clients(run)
  local list = {}
  for r = 1, 3 do
    local room = { name = "talk" .. r, barrier = weir.barrier(5), said = 0 }
    for i = 1, 5 do list[#list + 1] = chat.member(room, i) end
  end
  for _ = 1, 4 do
    list[#list + 1] = until_over(run, chat.staller)
    list[#list + 1] = until_over(run, chat.vanisher)
    list[#list + 1] = until_over(run, chat.vandal)
  end
  list[#list + 1] = until_over(run, chat.flooder)
  return list
end

-- A room is gone with its last member; nobody but us is in this one.
function chat.is_at_rest(it)
  local client <close> = enter(it, "last", "flood")
  client:send "/who\n"
  return client:wait_for "* here: " == "* here: last"
end

-- ## How long the server keeps somebody waiting: asked every 10 ms, from a process of its own

local function probe(port, clients)
  local client <close> = server.at(port):connect()
  local quit = luv.signal "sigterm"
  clients.introduce(client)
  say "ready"
  local times = {}
  repeat
    local asked = weir.now()
    clients.probe(client)
    times[#times + 1] = weir.now() - asked
  until quit:recv(0.01)
  table.sort(times)
  say("%.6f %.6f", times[#times], times[#times // 2 + 1])
end

local function start_prober(it, name)
  local process = server.spawn("spec/soak/load.lua", "--probe", name, "--port", tostring(it.port))
  local lines = luv.lines(process:stdout())
  check(lines:next(server.PATIENCE) == "ready", "the prober did not start")
  return setmetatable({ process = process, lines = lines }, { __close = function()
    lines:drop()
    process:drop()
  end })
end

-- The longest time that an answer took, and the median.
local function stop_prober(prober)
  prober.process:kill "sigterm"
  local longest, median = prober.lines:next(server.PATIENCE):match "^(%S+) (%S+)$"
  return tonumber(longest), tonumber(median)
end

-- ## The run

local function round(it, name, clients, seconds)
  local traffic = server.traffic
  traffic.connections, traffic.sent, traffic.received = 0, 0, 0
  local prober <close> = start_prober(it, name)
  local run = { it = it, last = weir.now() + seconds, messages = 0, missed = 0, lost = 0 }
  weir.scope(function(scope)
    for _, client in ipairs(clients.clients(run)) do scope:spawn(client, run) end
  end)
  local longest, typical = stop_prober(prober)
  server.eventually(function() return clients.is_at_rest(it) end, "all have gone")
  say("  %d connections, %d messages, %.1f MB to it, %.1f MB from it; answers in %.1f ms",
    traffic.connections, run.messages, traffic.sent / 1e6, traffic.received / 1e6, typical * 1e3)
  say("  longest stall %.0f ms; %d messages missed by the slow, who were told; %d lost", longest * 1e3,
    run.missed, run.lost)
  check(run.lost == 0, "messages were lost")
end

-- What the allocator keeps of the largest moment is a matter of luck; a kilobyte that each connection leaves
-- behind is not.
local GROWTH <const> = 16 * 1048576

local function serve(name, clients, seconds, ...)
  local it <close> = server.start(name, ...)
  clients.prepare(it)
  local before = it:resident() or 0
  say("%s, for %d s", name, seconds)
  round(it, name, clients, seconds / 2)
  local between = it:resident() or 0
  round(it, name, clients, seconds / 2)
  local after = it:resident() or 0
  say("  memory %.1f MB at the start, %.1f MB after one round, %.1f MB at the end; processor %.1f s",
    before / 1e6, between / 1e6, after / 1e6, it:processor())
  check(after - between < GROWTH, "the memory grows")
  local code, output = it:stop()
  check(code == 0 and output:find "stopped; 0 connections were cut short", output)
end

if options.probe ~= "" then
  luv.run(probe, options.port, options.probe == "kv" and kv or chat)
  os.exit(0, true)
end
say("seed %d", options.seed)
math.randomseed(options.seed)
luv.run(function()
  serve("chat", chat, options.seconds / 2)
  serve("kv", kv, options.seconds / 2, "--stall", "2")
end)
