-- weir.luv.net: listening and connecting, over TCP and over Unix sockets.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local core = require "weir.core"
local uv = require "luv"
local await = require "weir.luv.await"
local connection = require "weir.luv.connection"

local net = {}

local BACKLOG <const> = 511 -- asked of the system; connections that nobody has accepted yet
local CAPACITY <const> = 16 -- accepted ones that nobody has received yet

local function close(handle)
  if not uv.is_closing(handle) then uv.close(handle) end
end

local function new_handle(port)
  if not port then return uv.new_pipe(false) end
  return uv.new_tcp()
end

local function check_address(host, port, name)
  if type(host) ~= "string" then
    local message = "bad argument #1 to '%s' (string expected, got %s)"
    error(message:format(name, weir.type(host) or type(host)), 3)
  end
  local n = math.tointeger(port)
  if port ~= nil and (not n or n < 0 or n > 65535) then
    error(("bad argument #2 to '%s' (a port from 0 to 65535 expected)"):format(name), 3)
  end
  return n
end

-- Small packets go out at once: who wants fewer of them writes more at a time.
local function wrapped(handle, port)
  if port then uv.tcp_nodelay(handle, true) end
  return connection.wrap(handle)
end

-- ## Listening

local function accept(self)
  local handle = new_handle(self.port)
  if not uv.accept(self.server, handle) then
    close(handle)
    return nil
  end
  return wrapped(handle, self.port)
end

local function accept_for(self, permit)
  local conn = accept(self)
  if conn then permit:send(conn) else permit:release() end
end

-- libuv accepts no further connection until this one is taken from it: that is the backpressure.
local function on_connection(self)
  return function(err)
    if err then return end
    local permit = self.tx:try_reserve()
    if permit then return accept_for(self, permit) end
    self.stalled:notify_one()
  end
end

-- A server is a handle of the task that serves it: closed even if that task is ended before its first step.
local owned = core.new_kind("luv.Server", {}, function(self)
  close(self.server)
  self.tx:drop()
end, { __noun = "server" })

-- Takes what found no place when it came, and ends the server with its receiver.
local function serve(self, tx, _server)
  while weir.select { gone = weir.closed(tx), stalled = self.stalled } == "stalled" do
    local permit = tx:reserve()
    if permit then accept_for(self, permit) end
  end
end

local function bind(server, host, port)
  if not port then return uv.pipe_bind(server, host) end
  return uv.tcp_bind(server, host, port)
end

local function listen(self, host, backlog)
  local ok, err = bind(self.server, host, self.port)
  if not ok then return nil, err end
  return uv.listen(self.server, backlog, on_connection(self))
end

local function bound(self, host)
  if not self.port then return host end
  local name = uv.tcp_getsockname(self.server)
  return name.ip, name.port
end

--- The connections that come: a receiver, and the address that is listened on. Without a port `host` is
-- the path of a Unix socket. `options`: capacity, backlog.
function net.listen(host, port, options)
  port = check_address(host, port, "listen")
  options = options or {}
  local tx, rx = weir.mpsc(options.capacity or CAPACITY)
  local self = { server = new_handle(port), port = port, tx = tx, stalled = weir.notify() }
  local ok, err = listen(self, host, options.backlog or BACKLOG)
  if not ok then
    close(self.server)
    return nil, "closed", err
  end
  local name = ("luv.listen %s%s"):format(host, port and ":" .. select(2, bound(self, host)) or "")
  weir.spawn(serve, self, tx:clone(), owned(self)):name(name)
  return rx, bound(self, host)
end

-- ## Connecting

-- The addresses of a name.
local function resolve(host, timeout)
  if host:find("^[%d.]+$") or host:find(":", 1, true) then return { host } end
  local err, found = await(function(done)
    return uv.getaddrinfo(host, nil, { socktype = "stream" }, done)
  end, timeout)
  if found == "timeout" then return nil, found end
  if err then return nil, "closed", err end
  local addresses = {}
  for i, entry in ipairs(found) do addresses[i] = entry.addr end
  return addresses
end

local function begin(handle, host, port, done)
  if not port then return uv.pipe_connect(handle, host, done) end
  return uv.tcp_connect(handle, host, port, done)
end

local function connected(handle, port, err, why)
  if err == nil and why == nil then return wrapped(handle, port) end
  close(handle)
  if why == "timeout" then return nil, why end
  return nil, "closed", err or why
end

local function try(host, port, timeout)
  local handle = new_handle(port)
  return connected(handle, port, await(function(done)
    local request, err = begin(handle, host, port, done)
    if not request then done(err) end
    return handle -- closed if this is cut short
  end, timeout))
end

local function remaining(deadline)
  return deadline and math.max(0, deadline - weir.now())
end

local function try_all(addresses, port, deadline)
  local why, err
  for _, address in ipairs(addresses) do
    local conn
    conn, why, err = try(address, port, remaining(deadline))
    if conn or why == "timeout" then return conn, why end
  end
  return nil, why or "closed", err
end

--- A connection. Without a port `host` is the path of a Unix socket.
function net.connect(host, port, timeout)
  port = check_address(host, port, "connect")
  local deadline = timeout and weir.now() + timeout
  if not port then return try(host, nil, timeout) end
  local addresses, why, err = resolve(host, timeout)
  if not addresses then return nil, why, err end
  return try_all(addresses, port, deadline)
end

return net
