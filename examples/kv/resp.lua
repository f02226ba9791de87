-- resp.lua -- the protocol of Redis (RESP 2): commands out of bytes, with limits; replies as strings.
-- SPDX-License-Identifier: MIT

local resp = {}

-- ## Commands

local Reader = {}
Reader.__index = Reader

-- limits: line, arguments, value, command (bytes, but for `arguments`)
function resp.reader(limits)
  return setmetatable({
    limits = limits, text = "", from = 1, more = {}, crumbs = {}, more_size = 0,
  }, Reader)
end

local CRUMBS <const> = 256 -- pieces, however small, that are kept one by one

-- Nothing is joined before it is needed: a value that comes in many pieces is copied three times. But a piece of
-- one byte costs more than that byte, so pieces are put together before they are many.
function Reader:feed(chunk)
  if self.from > #self.text then
    self.text, self.from = chunk, 1
    return
  end
  local crumbs = self.crumbs
  crumbs[#crumbs + 1] = chunk
  self.more_size = self.more_size + #chunk
  if #crumbs < CRUMBS then return end
  self.more[#self.more + 1] = table.concat(crumbs)
  self.crumbs = {}
end

local function join(self)
  if self.more_size == 0 then return end
  self.text = self.text:sub(self.from) .. table.concat(self.more) .. table.concat(self.crumbs)
  self.from, self.more, self.crumbs, self.more_size = 1, {}, {}, 0
end

local function available(self)
  return #self.text - self.from + 1 + self.more_size
end

local function take(self, n)
  if available(self) < n then return nil end
  if #self.text - self.from + 1 < n then join(self) end
  local bytes = self.text:sub(self.from, self.from + n - 1)
  self.from = self.from + n
  return bytes
end

local function take_line(self)
  local at = self.text:find("\n", self.from, true)
  if not at then
    join(self)
    at = self.text:find("\n", self.from, true)
  end
  local length = (at or #self.text + 1) - self.from
  if length > self.limits.line then return nil, "too long line" end
  if not at then return nil end
  local line = self.text:sub(self.from, at - 1)
  self.from = at + 1
  return (line:gsub("\r$", ""))
end

local function words(line)
  local list = {}
  for word in line:gmatch("%S+") do list[#list + 1] = word end
  return list
end

-- A count after `mark`, within 0 and most.
local function count(line, mark, most, name)
  local n = line:sub(1, 1) == mark and math.tointeger(tonumber(line:match("^.(%d+)$")))
  if not n then return nil, ("expected '%s'"):format(mark) end
  if n > most then return nil, "invalid " .. name .. " length" end
  return n
end

-- The first line of a command: its words if it stands in one line, true if more is to come.
local function begin(self, line)
  if line:sub(1, 1) ~= "*" then return words(line) end
  local n, why = count(line, "*", self.limits.arguments, "multibulk")
  if not n then return nil, why end
  if n == 0 then return {} end
  self.missing, self.args, self.bytes = n, {}, 0
  return true
end

local function head(self)
  local line, why = take_line(self)
  if not line then return nil, why end
  local n
  n, why = count(line, "$", self.limits.value, "bulk")
  if not n then return nil, why end
  self.bytes = self.bytes + n
  if self.bytes > self.limits.command then return nil, "too big command" end
  self.length = n
  return true
end

local function body(self)
  local bytes = take(self, self.length + 2)
  if not bytes then return nil end
  if bytes:sub(-2) ~= "\r\n" then return nil, "a value does not end where it should" end
  self.args[#self.args + 1] = bytes:sub(1, -3)
  self.length, self.missing = nil, self.missing - 1
  if self.missing > 0 then return true end
  self.missing = nil
  return self.args
end

-- Most commands lie complete in what was read: then this takes one at once. Nil: it does not, or something is
-- wrong with it, and those who go step by step will see what.
local function whole(self)
  local text, limits, args, bytes = self.text, self.limits, {}, 0
  local n, at = text:match("^%*(%d+)\r\n()", self.from)
  n = tonumber(n)
  if not n or n > limits.arguments then return nil end
  for i = 1, n do
    local size, from = text:match("^%$(%d+)\r\n()", at)
    size = tonumber(size)
    if not size or size > limits.value then return nil end
    bytes, at = bytes + size, from + size + 2
    if bytes > limits.command or text:sub(at - 2, at - 1) ~= "\r\n" then return nil end
    args[i] = text:sub(from, at - 3)
  end
  self.from = at
  return args
end

local function step(self)
  if self.length then return body(self) end
  if self.missing then return head(self) end
  local args = whole(self)
  if args then return args end
  local line, why = take_line(self)
  if not line then return nil, why end
  return begin(self, line)
end

--- The next command as an array of strings; nil: more must be fed; nil and a sentence: this is not the protocol.
function Reader:next()
  while true do
    local args, why = step(self)
    if not args then return nil, why end
    if args ~= true and #args > 0 then return args end
  end
end

--- Whether a command has begun that is not complete.
function Reader:is_amid()
  return self.missing ~= nil or available(self) > 0
end

-- ## Replies

resp.OK, resp.PONG, resp.NIL = "+OK\r\n", "+PONG\r\n", "$-1\r\n"

function resp.bulk(s)
  return "$" .. #s .. "\r\n" .. s .. "\r\n"
end

function resp.integer(n)
  return ":" .. n .. "\r\n"
end

function resp.error(sentence)
  return "-ERR " .. sentence:gsub("[\r\n]", " ") .. "\r\n"
end

--- Of strings that are replies themselves.
function resp.array(...)
  return "*" .. select("#", ...) .. "\r\n" .. table.concat { ... }
end

return resp
