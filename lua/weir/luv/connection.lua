-- weir.luv.connection: a stream of bytes of libuv (TCP, pipe, terminal) as a handle.
-- SPDX-License-Identifier: MIT
--
--   peer -> socket -> on_read -> chunks (a channel of CHUNKS places) -> conn:read(), luv.lines(conn)
--   conn:write() -> libuv's queue, while there is less than HIGH in it -> socket
--
-- C1  libuv reads only while the channel has a place: a peer that floods fills its own socket's buffers
-- C2  a write is queued as a whole, and only when there is room: cut short before that, nothing was written
-- C3  the socket is closed when the handle is dropped, at once

local weir = require "weir"
local core = require "weir.core"
local uv = require "luv"
local await = require "weir.luv.await"

local connection = {}

local KIND <const> = "luv.Connection"
local CHUNKS <const> = 4   -- of at most 64 KiB each
local HIGH <const> = 65536 -- bytes in libuv's queue from which on a writer waits

local queue_size = uv.stream_get_write_queue_size

local function bad_argument(i, name, expected, value)
  local got = weir.type(value) or type(value)
  error(("bad argument #%d to '%s' (%s expected, got %s)"):format(i, name, expected, got), 3)
end

-- ## Reading

local function stop_reading(s)
  if not uv.is_closing(s.handle) then uv.read_stop(s.handle) end
end

local function on_end(s, err)
  s.failure = s.failure or err
  s.chunks:drop()
  stop_reading(s)
end

-- The callback of a connection. Nobody waits for a place: reading stops when the last is taken.
local function reader(s)
  return function(err, chunk)
    if not chunk then return on_end(s, err) end
    local ok, why = s.chunks:try_send(chunk)
    if why == "closed" then return stop_reading(s) end
    s.stalled = not ok or s.chunks:capacity() == 0
    if s.stalled then stop_reading(s) end
  end
end

local function start_reading(s)
  s.chunks, s.incoming = weir.mpsc(CHUNKS)
  s.on_read = reader(s)
  local ok, err = uv.read_start(s.handle, s.on_read)
  if not ok then on_end(s, err) end
end

-- A place has become free.
function connection.resume(s)
  s.stalled = false
  if uv.is_closing(s.handle) then return end
  local ok, err = uv.read_start(s.handle, s.on_read)
  if not ok then on_end(s, err) end
end

local function received(s, chunk, why)
  if chunk then
    if s.stalled then connection.resume(s) end
    return chunk
  end
  if why == "closed" then return nil, why, s.failure end
  return nil, why
end

local methods = {}

local function check_reader(s, level)
  if s.taken then error("luv.lines() has taken what this connection reads", level + 1) end
end

function methods.read(self, timeout)
  local s = core.state(self, KIND)
  check_reader(s, 2)
  if not s.chunks then start_reading(s) end
  return received(s, s.incoming:recv(timeout))
end

-- No more is read from the peer; what has come can still be received.
function methods.close_read(self)
  local s = core.state(self, KIND)
  if not s.chunks then start_reading(s) end
  on_end(s)
  return true
end

-- Hands the reading half over: its state, and the receiver of its chunks, which now belongs to the caller.
function connection.take_reader(conn)
  local s = core.state(conn, KIND)
  check_reader(s, 3)
  if not s.chunks then start_reading(s) end
  local incoming = s.incoming:move()
  s.taken, s.incoming = true, nil
  return s, incoming
end

connection.stop_reading = stop_reading

-- ## Writing

local function on_written(s)
  return function(err)
    s.write_failure = s.write_failure or err
    if s.room and (err or queue_size(s.handle) < HIGH) then s.room:notify_one() end
  end
end

local function closed(s, err)
  s.write_failure = s.write_failure or err
  return nil, "closed", s.write_failure
end

-- What the socket takes at once needs no request.
local function put(s, data)
  if s.write_failure then return closed(s) end
  if queue_size(s.handle) == 0 then
    local n, err, code = uv.try_write(s.handle, data)
    if n == #data then return true end
    if not n and code ~= "EAGAIN" then return closed(s, err) end
    if n and n > 0 then data = data:sub(n + 1) end
  end
  s.on_written = s.on_written or on_written(s)
  local request, err = uv.write(s.handle, data, s.on_written)
  if not request then return closed(s, err) end
  return true
end

local function remaining(deadline)
  return deadline and math.max(0, deadline - weir.now())
end

-- Writers stand in one line; the first of them waits until there is room.
local function wait_and_put(self, s, data, timeout)
  local deadline = timeout and weir.now() + timeout
  s.turn, s.room = s.turn or weir.mutex(), s.room or weir.notify()
  local turn <close>, why = s.turn:lock(timeout)
  if not turn then return nil, why end
  while not s.write_failure and queue_size(s.handle) >= HIGH do
    if not s.room:notified(remaining(deadline)) then return nil, "timeout" end
    core.state(self, KIND) -- dropped or moved meanwhile
  end
  return put(s, data)
end

function methods.write(self, data, timeout)
  local s = core.state(self, KIND)
  if type(data) ~= "string" then bad_argument(1, "write", "string", data) end
  if s.write_failure then return closed(s) end
  if queue_size(s.handle) >= HIGH then return wait_and_put(self, s, data, timeout) end
  if s.turn then
    local turn <close> = s.turn:try_lock()
    if not turn then return wait_and_put(self, s, data, timeout) end
    return put(s, data)
  end
  return put(s, data)
end

local function shut(s, err, why)
  if why == "timeout" then return nil, why end
  if err then return closed(s, err) end
  return true
end

function methods.shutdown(self, timeout)
  local s = core.state(self, KIND)
  if s.write_failure then return closed(s) end
  return shut(s, await(function(done)
    local request, err = uv.shutdown(s.handle, done)
    if not request then done(err) end
  end, timeout))
end

-- How many bytes wait in libuv's queue.
function methods.pending(self)
  return queue_size(core.state(self, KIND).handle)
end

-- ## Names, and the handle of libuv

local function address(get, handle)
  local name = get(handle)
  if type(name) == "table" then return name.ip, name.port end
  return name
end

local function is_tcp(handle)
  return tostring(handle):find("^uv_tcp") ~= nil
end

function methods.peer(self)
  local handle = core.state(self, KIND).handle
  return address(is_tcp(handle) and uv.tcp_getpeername or uv.pipe_getpeername, handle)
end

function methods.address(self)
  local handle = core.state(self, KIND).handle
  return address(is_tcp(handle) and uv.tcp_getsockname or uv.pipe_getsockname, handle)
end

function methods.handle(self)
  return core.state(self, KIND).handle
end

-- ## The handle

local function drop(s)
  if s.chunks then s.chunks:drop() end
  if s.incoming then s.incoming:drop() end
  if not uv.is_closing(s.handle) then uv.close(s.handle) end
  s.write_failure = s.write_failure or "ECANCELED"
  if s.room then s.room:notify_one() end
end

-- Whoever waits on the old handle is told.
local function moved(s)
  if s.incoming then s.incoming = s.incoming:move() end
  if s.room then s.room:notify_one() end
end

local make = core.new_kind(KIND, methods, drop, { moved = moved, __noun = "connection" })

--- A connection of a handle of libuv that is connected.
function connection.wrap(handle)
  return make { handle = handle }
end

return connection
