-- server.lua -- a server of examples/ as a process of its own, and its clients; all inside of luv.run.
-- SPDX-License-Identifier: MIT
local weir = require "weir"
local uv = require "luv"
local luv = require "weir.luv"

local server = {}

-- Seconds within which whatever is expected must have happened, on however busy a machine.
server.PATIENCE = 60

local here = uv.cwd()

local function absolute(path)
  return (path:gsub("[^;]+", function(template)
    return template:find("^/") and template or here .. "/" .. template:gsub("^%./", "")
  end))
end

local function environment()
  local variables, list = uv.os_environ(), {}
  variables.LUA_PATH, variables.LUA_CPATH = absolute(package.path), absolute(package.cpath)
  for name, value in pairs(variables) do list[#list + 1] = name .. "=" .. value end
  return list
end

-- ## The server

local Server = {}
Server.__index = Server

--- Starts a Lua program, with the modules that this one would load; what it writes is to be read.
function server.spawn(file, ...)
  return assert(luv.spawn_process(os.getenv "LUA" or "lua5.4", {
    args = { file, ... }, env = environment(), stdout = "pipe",
  }))
end

--- A server that somebody else has started.
function server.at(port)
  return setmetatable({ port = port }, Server)
end

--- Starts examples/<name>/main.lua on a free port.
function server.start(name, ...)
  local process = server.spawn("examples/" .. name .. "/main.lua", "--port", "0", ...)
  local lines = luv.lines(process:stdout())
  local line = assert(lines:next(server.PATIENCE), "the server did not start")
  local port = math.tointeger(tonumber(line:match("^listening on 127.0.0.1:(%d+)$")))
  return setmetatable({ process = process, lines = lines, port = assert(port, line) }, Server)
end

--- Bytes in memory; nil where the system does not tell.
function Server:resident()
  local file <close> = io.open(("/proc/%d/statm"):format(self.process:pid()))
  return file and select(2, file:read("n", "n")) * 4096
end

--- Processor time used, in seconds.
function Server:processor()
  local file <close> = assert(io.open(("/proc/%d/stat"):format(self.process:pid())))
  local user, system = file:read("a"):match("^.*%) %S" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
  return (user + system) / 100
end

--- Sends a signal; the exit code, and what the server wrote, as one string.
function Server:stop(signal, patience)
  self.process:kill(signal or "sigint")
  local written = {}
  for line in function() return (self.lines:next(patience or server.PATIENCE)) end do
    written[#written + 1] = line
  end
  local code, by = self.process:wait(patience or server.PATIENCE)
  self:drop()
  return code, table.concat(written, "\n"), by
end

function Server:drop()
  self.lines:drop()
  self.process:drop()
end

Server.__close = Server.drop

-- ## A client

--- What all clients have done so far.
server.traffic = { connections = 0, sent = 0, received = 0 }

local traffic = server.traffic

local function read(self)
  local chunk, why = self.conn:read(server.PATIENCE)
  if chunk then traffic.received = traffic.received + #chunk end
  return chunk, why
end

local Client = {}
Client.__index = Client

function Server:connect()
  local conn, why, err = luv.connect("127.0.0.1", self.port, server.PATIENCE)
  if not conn then error(("cannot connect: %s %s"):format(why, err), 2) end
  traffic.connections = traffic.connections + 1
  return setmetatable({ conn = conn, text = "", from = 1 }, Client)
end

function Client:send(...)
  local text = table.concat { ... }
  traffic.sent = traffic.sent + #text
  return self.conn:write(text, server.PATIENCE)
end

--- The next n bytes.
function Client:take(n)
  local parts = { self.text:sub(self.from) }
  local size = #parts[1]
  while size < n do
    local chunk, why = read(self)
    if not chunk then error(("%s after %d bytes of %d"):format(why, size, n), 2) end
    parts[#parts + 1], size = chunk, size + #chunk
  end
  local all = table.concat(parts)
  self.text, self.from = all:sub(n + 1), 1
  return all:sub(1, n)
end

--- The next line, without its end; nil at the end of the connection.
function Client:line()
  while true do
    local at = self.text:find("\r\n", self.from, true)
    if at then
      local line = self.text:sub(self.from, at - 1)
      self.from = at + 2
      return line
    end
    local chunk, why = read(self)
    if why == "timeout" then error("no line came, only: " .. self.text:sub(self.from), 2) end
    if not chunk then return nil end
    self.text, self.from = self.text:sub(self.from) .. chunk, 1
  end
end

--- Passes over lines up to one in which `words` stand; that line.
function Client:wait_for(words)
  local line
  repeat
    line = self:line()
    if not line then error(("the connection ended before '%s' came"):format(words), 2) end
  until line:find(words, 1, true)
  return line
end

--- All that comes up to the end of the connection.
function Client:rest()
  local parts = { self.text:sub(self.from) }
  while true do
    local chunk, why = read(self)
    if why == "timeout" then error("the connection does not end", 2) end
    if not chunk then return table.concat(parts) end
    parts[#parts + 1] = chunk
  end
end

--- Ends the sending half.
function Client:finish()
  return self.conn:shutdown(server.PATIENCE)
end

--- Gone at once, in the middle of whatever there is: the other side is reset.
function Client:vanish()
  self.conn:handle():close_reset()
  self.conn:drop()
end

function Client:drop()
  self.conn:drop()
end

Client.__close = Client.drop

-- ## Waiting for what comes in its own time

--- Asks again and again until `f` says something true; that.
function server.eventually(f, what)
  local last = weir.now() + server.PATIENCE
  while true do
    local value = f()
    if value then return value end
    if weir.now() > last then error(("it never happened: %s"):format(what or "?"), 2) end
    weir.sleep(0.01)
  end
end

--- Whether so many files can be open at once here, in this process and in one that it starts.
function server.can_open(n)
  local limit = tonumber(io.popen("ulimit -n"):read("l"))
  return not limit or limit >= n
end

-- What a server costs in memory is then the checker's.
server.checked = os.getenv "WEIR_CHECKER" ~= nil or os.getenv "WEIR_COLLECTOR" ~= nil

-- A claim's body inside of luv.run, with a server of its own.
function server.served(name, body, ...)
  local options = { ... }
  return function()
    luv.run(function()
      local started <close> = server.start(name, table.unpack(options))
      body(started)
    end)
  end
end

-- A command in the protocol of Redis.
function server.command(...)
  local parts = { "*", select("#", ...), "\r\n" }
  for _, word in ipairs { ... } do
    parts[#parts + 1] = ("$%d\r\n%s\r\n"):format(#word, word)
  end
  return table.concat(parts)
end

return server
