-- weir.luv.lines: what a connection reads as a stream of lines, none longer than a limit.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local node = require "weir.stream.node"
local handle = require "weir.stream.handle"
require "weir.stream"
local connection = require "weir.luv.connection"

local LIMIT <const> = 65536

-- Adds a piece to the line that has begun; what is over the limit is let go.
local function keep(self, piece)
  local room = self.limit - self.size
  if #piece > room then
    piece = piece:sub(1, room)
    self.cut = true
  end
  if piece == "" then return end
  self.parts[#self.parts + 1] = piece
  self.size = self.size + #piece
end

-- The line that has begun is complete.
local function finish(self)
  local line, cut = table.concat(self.parts), self.cut
  self.parts, self.size, self.cut = {}, 0, nil
  if cut then return line, true end
  return (line:gsub("\r$", ""))
end

-- The next line in the chunk at hand, if there is one. Only the chunk is searched, never what came before.
local function take_line(self)
  local text, from = self.text, self.from
  if not text then return nil end
  local at = text:find("\n", from, true)
  keep(self, text:sub(from, (at or 0) - 1))
  self.from = at and at + 1 or 1
  if not at or at == #text then self.text = nil end
  if at then return finish(self) end
end

local function last_line(self)
  self.over = true
  if self.size == 0 then return false end
  return true, finish(self)
end

local function poll(self)
  while true do
    local line, cut = take_line(self)
    if cut then return true, line, cut end
    if line then return true, line end
    if self.over then return false end
    local chunk, why = self.awaitable:try_recv()
    if chunk then
      self.text, self.from = chunk, 1
      if self.state.stalled then connection.resume(self.state) end
    elseif why == "closed" then
      return last_line(self)
    else
      return nil
    end
  end
end

local function release(self)
  self.awaitable:drop()
  connection.stop_reading(self.state)
end

local function check_limit(limit)
  if limit == nil then return LIMIT end
  local n = math.tointeger(limit)
  if not n or n < 1 then error("bad argument #2 to 'lines' (positive integer expected)", 3) end
  return n
end

--- The lines of a connection, without their ends; the connection stays, to be written to. A line longer than
-- `limit` bytes is cut, with true as a second value.
return function(conn, limit)
  limit = check_limit(limit)
  local kind = weir.type(conn) or type(conn)
  if not kind:find("luv.Connection", 1, true) then
    error(("bad argument #1 to 'lines' (luv.Connection expected, got %s)"):format(kind), 2)
  end
  local state, incoming = connection.take_reader(conn)
  return handle.wrap {
    leaf = true, poll = poll, release = release, awaitable = incoming, awaits = node.ready(incoming),
    state = state, limit = limit, parts = {}, size = 0,
  }
end
