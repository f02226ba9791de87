-- kv_spec.lua -- examples/kv with its real clients, and with clients that no server wishes for.
-- SPDX-License-Identifier: MIT
local found = pcall(require, "luv")
if not found then
  describe("examples/kv", function() pending("needs the library luv (Debian: lua-luv)") end)
  return
end
local weir = require "weir"
local luv = require "weir.luv"
local server = require "spec.soak.server"

local checked = server.checked

local function served(body, ...) return server.served("kv", body, ...) end

local command = server.command

local function bulk(s)
  return ("$%d\r\n%s\r\n"):format(#s, s)
end

-- Sends, and asserts that exactly this comes back.
local function exchange(client, text, expected)
  client:send(text)
  assert.equal(expected, client:take(#expected))
end

-- A figure of INFO.
local function info(client, name)
  client:send(command "INFO")
  local size = math.tointeger(tonumber(client:line():match("^%$(%d+)$")))
  local text = client:take(size + 2)
  return tonumber(text:match("%f[%w_]" .. name .. "[:=](%d+)"))
end

-- The server is as it was: nobody connected but who asks, no topic, no task left over.
local function at_rest(kv)
  local client <close> = kv:connect()
  server.eventually(function()
    return info(client, "connected_clients") == 1 and info(client, "pubsub_channels") == 0
  end, "only one client is left")
  return info(client, "tasks")
end

-- ## redis-cli and redis-benchmark

local redis_cli = os.execute("command -v redis-cli >/dev/null 2>&1")

-- What a program of redis-tools writes; it is none of ours, so no checker sees it.
local function run(name, kv, ...)
  local process <close> = assert(luv.spawn_process("/usr/bin/env", {
    args = { "-u", "LD_PRELOAD", name, "-p", tostring(kv.port), ... }, stdout = "pipe", stderr = "pipe",
  }))
  local text = {}
  for chunk in function() return process:stdout():read(server.PATIENCE) end do text[#text + 1] = chunk end
  return table.concat(text), process:wait(server.PATIENCE)
end

describe("examples/kv with redis-cli", function()
  if not redis_cli then return pending "needs redis-cli (Debian: redis-tools)" end

  it("answers every command", served(function(kv)
    local function cli(...)
      return (run("redis-cli", kv, ...):gsub("\n+$", ""))
    end
    assert.equal("PONG", cli "ping")
    assert.equal("hello", cli("ping", "hello"))
    assert.equal("OK", cli("set", "a key", "a\nvalue"))
    assert.equal("a\nvalue", cli("get", "a key"))
    assert.equal("", cli("get", "none"))
    assert.equal("1", cli("incr", "n"))
    assert.equal("2", cli("incr", "n"))
    assert.matches("not an integer", cli("incr", "a key"))
    assert.equal("1", cli("expire", "n", "1000"))
    assert.equal("0", cli("expire", "none", "1000"))
    assert.equal("3", cli("incr", "n"))
    assert.equal("2", cli("del", "n", "none", "a key"))
    assert.equal("0", cli("publish", "topic", "nobody hears it"))
    assert.matches("connected_clients:1\r?\n", cli "info")
    assert.matches("unknown command 'flushall'", cli "flushall")
    assert.matches("wrong number of arguments for 'get'", cli("get", "a", "b"))
  end))

  it("publishes to who has subscribed", served(function(kv)
    local process <close> = assert(luv.spawn_process("/usr/bin/env", {
      args = { "-u", "LD_PRELOAD", "redis-cli", "-p", tostring(kv.port), "subscribe", "one", "two" },
      stdout = "pipe",
    }))
    local lines <close> = luv.lines(process:stdout())
    local function expect(...)
      for _, line in ipairs { ... } do assert.equal(line, (lines:next(server.PATIENCE))) end
    end
    -- newer ones begin with a line about the mode
    local first = lines:next(server.PATIENCE)
    if first:find("Reading messages", 1, true) then first = lines:next(server.PATIENCE) end
    assert.equal("subscribe", first)
    expect("one", "1", "subscribe", "two", "2")
    assert.equal("1\n", (run("redis-cli", kv, "publish", "two", "hello")))
    expect("message", "two", "hello")
    process:kill "sigkill"
    process:wait(server.PATIENCE)
    at_rest(kv)
  end))

  it("serves redis-benchmark, one by one and in pipelines", served(function(kv)
    for _, pipeline in ipairs { "1", "16" } do
      local output, code = run("redis-benchmark", kv,
        "-t", "ping,set,get,incr", "-n", "2000", "-c", "20", "-P", pipeline, "-q", "--csv")
      assert.equal(0, code)
      for _, test in ipairs { "PING_INLINE", "PING_MBULK", "SET", "GET", "INCR" } do
        assert.matches('"' .. test .. '"', output)
      end
    end
    at_rest(kv)
  end))
end)

-- ## What it keeps

describe("examples/kv", function()
  it("lets a key go when its time is over, though nobody asks for it", served(function(kv)
    local client <close> = kv:connect()
    exchange(client, command("SET", "k", "v") .. command("EXPIRE", "k", "1"), "+OK\r\n:1\r\n")
    server.eventually(function() return info(client, "keys") == 0 end, "the key is gone")
    assert.equal(1, info(client, "expired_keys"))
    exchange(client, command("GET", "k"), "$-1\r\n")
  end))

  it("expires in order, whatever the order of asking", served(function(kv)
    local client <close> = kv:connect()
    for _, seconds in ipairs { 1000, 1, 500, 1, 2000 } do
      client:send(command("SET", "k" .. seconds, "v"), command("EXPIRE", "k" .. seconds, tostring(seconds)))
      exchange(client, "", "+OK\r\n:1\r\n")
    end
    server.eventually(function() return info(client, "expires") == 3 end, "one key is gone")
    exchange(client, command("GET", "k500") .. command("GET", "k1"), bulk "v" .. "$-1\r\n")
  end))

  it("keeps a key that is set again after EXPIRE", served(function(kv)
    local client <close> = kv:connect()
    client:send(command("SET", "k", "v"), command("EXPIRE", "k", "1"), command("SET", "k", "w"))
    exchange(client, "", "+OK\r\n:1\r\n+OK\r\n")
    assert.equal(0, info(client, "expires"))
  end))

  it("takes nothing in beyond its memory, and goes on when there is room", served(function(kv)
    local client <close> = kv:connect()
    exchange(client, command("SET", "a", ("x"):rep(60000)), "+OK\r\n")
    client:send(command("SET", "b", ("x"):rep(60000)))
    assert.matches("^%-OOM", client:line())
    exchange(client, command("GET", "b") .. command("DEL", "a"), "$-1\r\n:1\r\n")
    assert.equal(0, info(client, "used_memory"))
    exchange(client, command("SET", "b", ("x"):rep(60000)), "+OK\r\n")
  end, "--memory", "100000"))
end)

-- ## The protocol

describe("the protocol of examples/kv", function()
  it("is read from bytes that come one at a time", served(function(kv)
    local client <close> = kv:connect()
    for byte in (command("SET", "k", "v\r\n") .. "GET k\r\n"):gmatch(".") do
      client:send(byte)
      weir.yield()
    end
    exchange(client, "", "+OK\r\n" .. bulk "v\r\n")
  end))

  it("answers a pipeline in its order, store or not", served(function(kv)
    local client <close> = kv:connect()
    local asked, expected = {}, {}
    for i = 1, 5000 do
      local n = tostring(i)
      asked[i] = command("SET", "k", n) .. command("PING", n) .. command("GET", "k") .. command "X"
      expected[i] = "+OK\r\n" .. bulk(n) .. bulk(n) .. "-ERR unknown command 'x'\r\n"
    end
    weir.spawn(function() client:send(table.concat(asked)) end)
    expected = table.concat(expected)
    assert.is_true(client:take(#expected) == expected)
  end))

  it("is answered in full after the client has ended its half", served(function(kv)
    local client <close> = kv:connect()
    local value = ("v"):rep(500000)
    client:send(command("SET", "k", value), command("GET", "k"):rep(30))
    client:finish()
    weir.sleep(0.1) -- the server has long written what the socket takes
    assert.is_true(client:rest() == "+OK\r\n" .. bulk(value):rep(30))
  end))

  local long = ("x"):rep(5000)
  for words, bytes in pairs {
    ["a line that is too long"] = long .. "\r\n",
    ["a line that does not end"] = long,
    ["too many arguments"] = "*1025\r\n",
    ["a number that is none"] = "*x\r\n",
    ["a negative number"] = "*-5\r\n",
    ["a number beyond all"] = "*99999999999999999999999\r\n",
    ["a value that is too large"] = "*2\r\n$3\r\nGET\r\n$1048577\r\n",
    ["values that are too large together"] =
      "*3\r\n$3\r\nSET\r\n$1048000\r\n" .. ("x"):rep(1048000) .. "\r\n$1048000\r\n",
    ["a value longer than it says"] = "*2\r\n$3\r\nGET\r\n$1\r\nab\r\n",
    ["no length where one must be"] = "*2\r\n$3\r\nGET\r\nk\r\n",
    ["a length without a number"] = "*1\r\n$\r\n",
    ["zeros"] = ("\0"):rep(5000),
  } do
    it("ends a connection with a sentence: " .. words, served(function(kv)
      local client <close> = kv:connect()
      client:send(command("SET", "k", "v"), bytes)
      assert.equal("+OK", client:line())
      assert.matches("^%-ERR Protocol error: ", client:line())
      assert.equal("", client:rest())
      at_rest(kv)
    end))
  end

  it("survives bytes that mean nothing", served(function(kv)
    local seed = os.time()
    local state = seed
    local function random(n)
      state = (state * 6364136223846793005 + 1442695040888963407)
      return (state >> 33) % n
    end
    local words = {
      "*", "$", "\r\n", "\n", "-", "1", "3", "GET", "SET", "\0", "\255", " ", "SUBSCRIBE", "INCR",
    }
    for _ = 1, 300 do
      local client <close> = kv:connect()
      local bytes = {}
      for i = 1, random(200) do bytes[i] = words[random(#words) + 1] end
      client:send(table.concat(bytes))
      if random(2) == 0 then client:vanish() else client:finish() client:rest() end
    end
    assert.is_true(at_rest(kv) > 0, "seed " .. seed)
  end))
end)

-- ## Publish and subscribe

describe("a subscriber of examples/kv", function()
  it("is told that it subscribed before anything else on the topic", served(function(kv)
    local a <close> = kv:connect()
    local b <close> = kv:connect()
    local function sub(topic, n) return "*3\r\n" .. bulk "subscribe" .. bulk(topic) .. ":" .. n .. "\r\n" end
    exchange(a, command("SUBSCRIBE", "t", "u"), sub("t", 1) .. sub("u", 2))
    exchange(b, command("PUBLISH", "u", "hi") .. command("PUBLISH", "v", "hi"), ":1\r\n:0\r\n")
    exchange(a, "", "*3\r\n" .. bulk "message" .. bulk "u" .. bulk "hi")
    exchange(a, command "PING", "*2\r\n" .. bulk "pong" .. bulk "")
    a:send(command("GET", "k"))
    assert.matches("^%-ERR can't execute 'get' while subscribed", a:line())
    exchange(a, command("UNSUBSCRIBE", "t"), "*3\r\n" .. bulk "unsubscribe" .. bulk "t" .. ":1\r\n")
    exchange(a, command "UNSUBSCRIBE", "*3\r\n" .. bulk "unsubscribe" .. bulk "u" .. ":0\r\n")
    exchange(a, command "UNSUBSCRIBE", "*3\r\n" .. bulk "unsubscribe" .. "$-1\r\n:0\r\n")
    exchange(a, command("GET", "k"), "$-1\r\n")
    a:drop()
    b:drop()
    at_rest(kv)
  end))

  it("may have so many topics, and all together so many", served(function(kv)
    local a <close> = kv:connect()
    local b <close> = kv:connect()
    local topics = {}
    for i = 1, 65 do topics[i] = "t" .. i end
    a:send(command("SUBSCRIBE", table.unpack(topics)))
    for i = 1, 64 do
      for _ = 1, 5 do a:line() end
      assert.equal(":" .. i, a:line())
    end
    assert.equal("-ERR too many subscriptions", a:line())
    b:send(command("SUBSCRIBE", "t1", "x"))
    for _ = 1, 6 do b:line() end
    assert.equal("-ERR too many topics", b:line())
  end, "--topics", "64"))

  it("that reads nothing is let go, and what it keeps waiting is bounded", served(function(kv)
    local deaf <close> = kv:connect()
    local publisher <close> = kv:connect()
    deaf:send(command("SUBSCRIBE", "t"))
    deaf:wait_for(":1")
    local message, refused = command("PUBLISH", "t", ("x"):rep(100000)), 0
    for _ = 1, 400 do -- 40 MB
      publisher:send(message)
      local reply = publisher:line()
      if reply == "-ERR the subscribers of this topic are too far behind" then refused = refused + 1 end
    end
    assert.is_true(refused > 0)
    if not checked then assert.is_true((kv:resident() or 0) < 30e6) end
    server.eventually(function() return info(publisher, "connected_clients") == 1 end, "it is let go")
    assert.equal(1, info(publisher, "stalled_connections"))
    publisher:drop()
    at_rest(kv)
  end, "--stall", "3"))

  it("that is slow is told how much it missed", served(function(kv)
    local slow <close> = kv:connect()
    local publisher <close> = kv:connect()
    slow:send(command("SUBSCRIBE", "t"))
    slow:wait_for(":1")
    local SENT <const> = 20000
    weir.spawn(function()
      for _ = 1, SENT do publisher:send(command("PUBLISH", "t", ("x"):rep(500))) end
      publisher:send(command("PUBLISH", "t", "last"))
    end)
    for _ = 1, SENT + 1 do assert.equal(":1", publisher:line()) end
    local got, missed, text = 0, 0, nil
    repeat
      assert.equal("*3", slow:line())
      slow:line()
      local kind = slow:line()
      slow:line()
      assert.equal("t", slow:line())
      local last = slow:line() -- a length, or how many were missed
      if kind == "lagged" then
        missed = missed + tonumber(last:sub(2))
      else
        text = slow:line()
        got = got + 1
      end
    until text == "last"
    assert.equal(SENT + 1, got + missed)
    assert.is_true(missed > 0)
  end, "--stall", "600"))
end)

-- ## Clients that no server wishes for

describe("examples/kv", function()
  it("lets go of clients that vanish in the middle", served(function(kv)
    local before = at_rest(kv)
    for i = 1, 200 do
      local client = kv:connect()
      if i % 4 == 0 then client:send(command("SUBSCRIBE", "t" .. i % 3)) end
      client:send(command("SET", "k", "v"), command("GET", "k"):rep(i), "*2\r\n$3\r\nGET\r\n$100\r\nhalf")
      client:vanish()
    end
    assert.equal(before, at_rest(kv))
  end))

  it("lets go of a client that stops in the middle of a command", served(function(kv)
    local client <close> = kv:connect()
    local other <close> = kv:connect()
    client:send("*2\r\n$3\r\nGET\r\n$100\r\nhalf")
    assert.equal("", client:rest())
    assert.equal(1, info(other, "stalled_connections"))
  end, "--stall", "0.2"))

  it("lets go of a client that reads no replies, and gathers few of them", served(function(kv)
    local deaf <close> = kv:connect()
    local other <close> = kv:connect()
    exchange(other, command("SET", "k", ("v"):rep(1000000)), "+OK\r\n")
    deaf:send(command("GET", "k"):rep(1000)) -- a gigabyte
    server.eventually(function() return info(other, "stalled_connections") == 1 end, "it is let go")
    if not checked then assert.is_true((kv:resident() or 0) < 40e6) end
    deaf:drop()
    other:drop()
    at_rest(kv)
  end, "--stall", "2"))

  it("refuses whom it has no place for, and takes the next when there is one", served(function(kv)
    local first <close> = kv:connect()
    exchange(first, command "PING", "+PONG\r\n")
    local second <close> = kv:connect()
    assert.equal("-ERR max number of clients reached\r\n", second:rest())
    first:drop()
    server.eventually(function()
      local third <close> = kv:connect()
      third:send(command "PING")
      return third:line() == "+PONG"
    end, "a place is free")
  end, "--connections", "1"))

  it("holds 1,000 idle connections #slow", served(function(kv)
    if not server.can_open(1100) then return pending "too few files may be open here: ulimit -n" end
    local before, clients = at_rest(kv), {}
    for i = 1, 1000 do clients[i] = kv:connect() end
    for _, client in ipairs(clients) do exchange(client, command "PING", "+PONG\r\n") end
    for _, client in ipairs(clients) do client:drop() end
    assert.equal(before, at_rest(kv))
  end))

  local MANY <const> = math.tointeger(tonumber(os.getenv "WEIR_CONNECTIONS")) or 10000
  it("takes no more memory after " .. MANY .. " connections than after 1,000 #slow", served(function(kv)
    local function connections(n)
      for i = 1, n do
        local client <close> = kv:connect()
        if i % 10 == 0 then
          client:send(command("SET", "k", "v"))
          client:vanish()
        else
          exchange(client, command("SET", "k", i .. ""), "+OK\r\n")
        end
      end
    end
    connections(1000)
    local tasks, before = at_rest(kv), kv:resident()
    connections(MANY - 1000)
    assert.equal(tasks, at_rest(kv))
    if not checked and before then assert.is_true(kv:resident() - before < 1048576) end
  end))
end)

-- ## The end

describe("examples/kv at Ctrl-C", function()
  it("ends those who are idle, and nobody is cut short", served(function(kv)
    local idle <close> = kv:connect()
    local subscriber <close> = kv:connect()
    exchange(idle, command "PING", "+PONG\r\n")
    subscriber:send(command("SUBSCRIBE", "t"))
    subscriber:wait_for(":1")
    local code, output = kv:stop "sigint"
    assert.equal("sigint: 2 connections to end\nstopped; 0 connections were cut short", output)
    assert.equal(0, code)
    assert.equal("", idle:rest())
  end, "--deadline", "60"))

  it("cuts short who does not read, when the deadline is over", served(function(kv)
    local deaf <close> = kv:connect()
    local other <close> = kv:connect()
    exchange(other, command("SET", "k", ("v"):rep(1000000)), "+OK\r\n")
    deaf:send(command("GET", "k"):rep(100))
    deaf:line()
    local code, output = kv:stop "sigterm"
    assert.matches("^sigterm: 2 connections to end\nstopped; [12] connections were cut short$", output)
    assert.equal(0, code)
  end, "--deadline", "1"))

  it("waits no longer when there is a second one", served(function(kv)
    local deaf <close> = kv:connect()
    local other <close> = kv:connect()
    exchange(other, command("SET", "k", ("v"):rep(1000000)), "+OK\r\n")
    deaf:send(command("GET", "k"):rep(100))
    deaf:line()
    kv.process:kill "sigint"
    assert.equal("sigint: 2 connections to end", (kv.lines:next(server.PATIENCE)))
    assert.equal("", other:rest())
    local code, output = kv:stop "sigint"
    assert.matches("^stopped; [12] connections were cut short$", output) -- the other may just be ending
    assert.equal(0, code)
  end, "--deadline", "10000", "--stall", "10000"))
end)
