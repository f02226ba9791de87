-- chat_spec.lua -- examples/chat with people who talk, stall, flood, vanish and send garbage.
-- SPDX-License-Identifier: MIT
local found = pcall(require, "luv")
if not found then
  describe("examples/chat", function() pending("needs the library luv (Debian: lua-luv)") end)
  return
end
local weir = require "weir"
local server = require "spec.soak.server"

local checked = server.checked

local function served(body, ...) return server.served("chat", body, ...) end

-- Somebody who has said who it is, and has joined a room.
local function enter(chat, nick, room)
  local client = chat:connect()
  client:wait_for "who are you?"
  client:send(nick, "\n")
  client:wait_for("welcome, " .. nick)
  if room then
    client:send("/join ", room, "\n")
    client:wait_for("you are in " .. room)
  end
  return client
end

local function who(client)
  client:send "/who\n"
  return client:wait_for("* here: "):sub(9)
end

describe("examples/chat", function()
  it("brings what is said to everybody in the room, and to nobody else", served(function(chat)
    local ann <close> = enter(chat, "ann", "wine")
    local bob <close> = enter(chat, "bob", "wine")
    local eve <close> = enter(chat, "eve", "beer")
    ann:wait_for "* bob joined"
    ann:send "hello\r\n"
    ann:wait_for "<ann> hello"
    bob:wait_for "<ann> hello"
    eve:send "/who\n/quit\n"
    assert.is_nil(eve:rest():find("hello", 1, true))
  end))

  it("keeps the order of what one says", served(function(chat)
    local ann <close> = enter(chat, "ann", "wine")
    local bob <close> = enter(chat, "bob", "wine")
    for first = 1, 2000, 100 do -- never more at once than a room keeps
      local lines = {}
      for i = first, first + 99 do lines[#lines + 1] = "line " .. i .. "\n" end
      ann:send(table.concat(lines))
      for i = first, first + 99 do assert.equal("<ann> line " .. i, bob:wait_for "<ann>") end
    end
  end))

  it("shows the topic to who joins, and to all when it changes", served(function(chat)
    local ann <close> = enter(chat, "ann", "wine")
    ann:send "/topic reds of the Rhone\n"
    ann:wait_for "* topic: reds of the Rhone"
    local bob <close> = chat:connect()
    bob:send "bob\n/join wine\n"
    bob:wait_for "* you are in wine; topic: reds of the Rhone"
    ann:send "/topic whites\n"
    bob:wait_for "* topic: whites"
  end))

  it("knows who is there, and lets a name be taken once in a room", served(function(chat)
    local ann <close> = enter(chat, "ann", "wine")
    local bob <close> = enter(chat, "bob", "wine")
    assert.equal("ann bob", who(ann))
    local other <close> = enter(chat, "ann")
    other:send "/join wine\n"
    other:wait_for "! that name is taken"
    other:send "/join beer\n"
    other:wait_for "you are in beer"
    bob:send "/quit\n"
    bob:rest()
    ann:wait_for "* bob left"
    assert.equal("ann", who(ann))
  end))

  it("lets one go from room to room, and back", served(function(chat)
    local ann <close> = enter(chat, "ann", "wine")
    ann:send "/join wine\n/join beer\n/join wine\n"
    ann:wait_for "! you are there"
    ann:wait_for "you are in beer"
    ann:wait_for "you are in wine"
    assert.equal("ann", who(ann))
  end))

  it("refuses what it does not understand, and goes on", served(function(chat)
    local ann <close> = enter(chat, "ann")
    for line, answer in pairs {
      ["hello"] = "! join a room first", ["/who"] = "! join a room first",
      ["/topic x"] = "! join a room first",
      ["/dance"] = "! /join /topic /who /quit", ["/join a b"] = "! /join <letters",
      ["/join " .. ("x"):rep(33)] = "! /join <letters", ["/join"] = "! /join <letters",
    } do
      ann:send(line, "\n")
      ann:wait_for(answer)
    end
    local nobody <close> = chat:connect()
    nobody:send "no name\n"
    nobody:wait_for "! a name has up to 16 letters"
    assert.equal("", nobody:rest())
  end))

  it("cuts a long line, and says so", served(function(chat)
    local ann <close> = enter(chat, "ann", "wine")
    local bob <close> = enter(chat, "bob", "wine")
    ann:send(("x"):rep(3000000), "end\nnext\n")
    ann:wait_for "! a line has up to 1024 bytes"
    assert.equal("<ann> " .. ("x"):rep(1024), bob:wait_for "<ann>")
    assert.equal("<ann> next", bob:wait_for "<ann>")
  end))

  it("hands on no control characters", served(function(chat)
    local ann <close> = enter(chat, "ann", "wine")
    local bob <close> = enter(chat, "bob", "wine")
    ann:send "\27[2J\0\7a\127\r\n/topic a\27[31mred\n"
    assert.equal("<ann>  [2J  a ", bob:wait_for "<ann>")
    assert.equal("* topic: a [31mred", bob:wait_for "* topic:")
  end))
end)

describe("a slow member of a room of examples/chat", function()
  it("is told how much it missed, and holds nobody up", served(function(chat)
    local ann <close> = enter(chat, "ann", "wine")
    local slow <close> = enter(chat, "slow", "wine")
    local SAID <const> = 15000 -- of a kilobyte: more than the system's buffers take
    weir.spawn(function()
      for i = 1, SAID do
        ann:send(("x"):rep(1000), " ", tostring(i), "\n")
      end
    end)
    local heard, missed = 0, 0
    repeat -- she hears herself; she may miss some, too
      local line = ann:wait_for ""
      if line:find("^<ann>") then heard = heard + 1 end
      missed = missed + (tonumber(line:match "^! you were too slow: (%d+)") or 0)
    until heard + missed >= SAID
    local got, lost = 0, 0
    repeat
      local line = slow:wait_for ""
      if line:find("^<ann>") then got = got + 1 end
      lost = lost + (tonumber(line:match "^! you were too slow: (%d+)") or 0)
    until got + lost >= SAID
    assert.equal(SAID, got + lost)
    assert.is_true(lost > 0)
  end, "--stall", "600"))
end)

describe("examples/chat", function()
  it("sees that a member is gone, however it went", served(function(chat)
    local ann <close> = enter(chat, "ann", "wine")
    for i = 1, 30 do
      local bob = enter(chat, "bob" .. i, "wine")
      if i % 3 == 0 then bob:send "half a line" end
      if i % 2 == 0 then bob:vanish() else bob:drop() end
      ann:wait_for("* bob" .. i .. " left")
    end
    assert.equal("ann", who(ann))
  end))

  it("survives bytes that mean nothing", served(function(chat)
    local seed = os.time()
    local state = seed
    local function random(n)
      state = state * 6364136223846793005 + 1442695040888963407
      return (state >> 33) % n
    end
    local words = {
      "/", "/join ", "/topic ", "/who", "/quit", "a", "\n", "\r\n", "\0", "\255", " ", "\27", ("x"):rep(2000),
    }
    for _ = 1, 200 do
      local client <close> = chat:connect()
      local bytes = { random(2) == 0 and "nick\n" or "" }
      for i = 2, random(100) do bytes[i] = words[random(#words) + 1] end
      client:send(table.concat(bytes))
      if random(2) == 0 then client:vanish() else client:finish() client:rest() end
    end
    local ann <close> = enter(chat, "ann", "wine" .. seed)
    assert.equal("ann", who(ann))
  end))

  it("refuses whom it has no place for, and takes the next when there is one", served(function(chat)
    local ann <close> = enter(chat, "ann")
    local second <close> = chat:connect()
    assert.equal("! the server is full\r\n", second:rest())
    ann:drop()
    server.eventually(function()
      local third <close> = chat:connect()
      return third:line() == "* who are you?"
    end, "a place is free")
  end, "--connections", "1"))

  it("holds 1,000 idle connections #slow", served(function(chat)
    if not server.can_open(1100) then return pending "too few files may be open here: ulimit -n" end
    local clients = {}
    for i = 1, 1000 do clients[i] = enter(chat, "n" .. i) end
    for i, client in ipairs(clients) do
      client:send("/join room", tostring(i % 10), "\n")
      client:wait_for "you are in"
    end
    local names = who(clients[1])
    assert.equal(99, select(2, names:gsub(" ", " ")))
    for _, client in ipairs(clients) do client:drop() end
  end))

  local MANY <const> = math.tointeger(tonumber(os.getenv "WEIR_CONNECTIONS")) or 10000
  it("takes no more memory after " .. MANY .. " connections than after 1,000 #slow", served(function(chat)
    local ann <close> = enter(chat, "ann", "lobby")
    local function connections(n)
      for i = 1, n do
        local bob <close> = enter(chat, "bob", "room" .. i % 7)
        if i % 10 == 0 then
          bob:send "and then I "
          bob:vanish()
        else
          bob:send "/quit\n"
          bob:rest()
        end
        if i % 500 == 0 then assert.equal("ann", who(ann)) end
      end
    end
    connections(1000)
    local before = chat:resident()
    connections(MANY - 1000)
    if not checked and before then assert.is_true(chat:resident() - before < 1048576) end
  end))
end)

describe("examples/chat at Ctrl-C", function()
  it("says goodbye to everybody, and cuts nobody short", served(function(chat)
    local ann <close> = enter(chat, "ann", "wine")
    local bob <close> = enter(chat, "bob")
    local nobody <close> = chat:connect()
    nobody:wait_for "who are you?"
    local code, output = chat:stop "sigint"
    assert.equal("sigint: 3 connections to end\nstopped; 0 connections were cut short", output)
    assert.equal(0, code)
    for _, client in ipairs { ann, bob, nobody } do
      client:wait_for "* the server closes"
      assert.equal("", client:rest())
    end
  end, "--deadline", "60"))

  -- Somebody talks to a room in which somebody else does not listen, until that one cannot be written to.
  local function deafen(chat)
    local deaf = enter(chat, "deaf", "wine")
    local ann <close> = enter(chat, "ann", "wine")
    local line = ("x"):rep(1000) .. "\n"
    weir.spawn(function()
      for _ = 1, 150 do ann:send(line:rep(100)) end
      ann:send "/quit\n"
    end)
    ann:wait_for "* bye"
    ann:rest()
    return deaf
  end

  it("cuts short who does not read, when the deadline is over", served(function(chat)
    local deaf <close> = deafen(chat)
    local code, output = chat:stop "sigterm"
    assert.matches("^sigterm: [12] connections to end\nstopped; [12] connections were cut short$", output)
    assert.equal(0, code)
    assert.is_nil(deaf:rest():find "the server closes")
  end, "--deadline", "0.5"))

  it("waits no longer when there is a second one", served(function(chat)
    local _deaf <close> = deafen(chat)
    chat.process:kill "sigint"
    assert.matches("^sigint: [12] connections to end$", (chat.lines:next(server.PATIENCE)))
    local code, output = chat:stop "sigint"
    assert.matches("^stopped; [12] connections were cut short$", output) -- ann may just be ending
    assert.equal(0, code)
  end, "--deadline", "10000"))
end)
