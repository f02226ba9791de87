-- store.lua -- the actor that owns keys and values: nobody else touches them, so nothing is locked.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local actor = require "weir.actor"
local resp = require "resp"

local Store = {}

local OVERHEAD <const> = 200 -- bytes that a key costs besides itself and its value, about
local AT_ONCE <const> = 1000 -- keys that expire in one go
local FULL <const> = "-OOM command not allowed when used memory > 'maxmemory'.\r\n"

-- ## Deadlines of keys: a heap of { time, key }, of which those that do not hold any more are skipped

local function push(heap, entry)
  local i = #heap + 1
  while i > 1 and heap[i // 2].time > entry.time do
    heap[i] = heap[i // 2]
    i = i // 2
  end
  heap[i] = entry
end

local function pop(heap)
  local first, last = heap[1], table.remove(heap)
  local i, n = 1, #heap
  if n == 0 then return first end
  while 2 * i <= n do
    local child = 2 * i
    if child < n and heap[child + 1].time < heap[child].time then child = child + 1 end
    if heap[child].time >= last.time then break end
    heap[i] = heap[child]
    i = child
  end
  heap[i] = last
  return first
end

local function is_stale(self, entry)
  return self.deadlines[entry.key] ~= entry.time
end

-- Entries that do not hold any more must not fill the memory: half of the heap may be such.
local function compact(self)
  if #self.heap < 64 or #self.heap < 2 * self.expiring then return end
  local heap = {}
  for key, time in pairs(self.deadlines) do push(heap, { time = time, key = key }) end
  self.heap = heap
end

local function set_deadline(self, key, time)
  local before = self.deadlines[key]
  if time == before then return end
  self.deadlines[key] = time
  self.expiring = self.expiring + (time and 1 or 0) - (before and 1 or 0)
  if not time then return end
  push(self.heap, { time = time, key = key })
  compact(self)
  if self.heap[1].key == key then self.timer:reset(math.max(0, time - weir.now())) end
end

local function remove(self, key)
  local value = self.values[key]
  if value == nil then return false end
  self.values[key] = nil
  self.keys, self.bytes = self.keys - 1, self.bytes - #value - #key - OVERHEAD
  set_deadline(self, key, nil)
  return true
end

-- A key whose time is over is gone, whether its timer has been heard or not.
local function get(self, key)
  local deadline = self.deadlines[key]
  if deadline and deadline <= weir.now() then
    remove(self, key)
    self.expired = self.expired + 1
  end
  return self.values[key]
end

-- The bytes that clients make this server keep are counted. False: there is no room.
local function put(self, key, value)
  local before = self.values[key]
  local more = #value - (before and #before or -#key - OVERHEAD)
  if more > 0 and self.bytes + more > self.memory then return false end
  if not before then self.keys = self.keys + 1 end
  self.values[key], self.bytes = value, self.bytes + more
  return true
end

-- ## Commands: each answers with a reply of the protocol

local commands = {}
Store.commands = commands

function commands.get(self, key)
  local value = get(self, key)
  return value and resp.bulk(value) or resp.NIL
end

function commands.set(self, key, value)
  get(self, key) -- if its time is over, it counts as expired
  if not put(self, key, value) then return FULL end
  if self.deadlines[key] then set_deadline(self, key, nil) end
  return resp.OK
end

function commands.del(self, ...)
  local n = 0
  for i = 1, select("#", ...) do
    local key = select(i, ...)
    if get(self, key) and remove(self, key) then n = n + 1 end
  end
  return resp.integer(n)
end

-- As Redis has it: no blanks, no zeros in front.
local function integer(s)
  local n = #s <= 20 and s:find("^%-?%d+$") and math.tointeger(tonumber(s))
  return n and tostring(n) == s and n
end

function commands.incr(self, key)
  local n = integer(get(self, key) or "0")
  if not n or n == math.maxinteger then return resp.error "value is not an integer or out of range" end
  if not put(self, key, tostring(n + 1)) then return FULL end
  return resp.integer(n + 1)
end

function commands.expire(self, key, seconds)
  local n = integer(seconds)
  if not n or n > 2 ^ 40 then return resp.error "value is not an integer or out of range" end
  if get(self, key) == nil then return resp.integer(0) end
  if n <= 0 then remove(self, key) else set_deadline(self, key, weir.now() + n) end
  return resp.integer(1)
end

-- ## The actor

-- Sleeps until the next deadline of a key and tells the store, which it does not keep alive.
local function expire_in_time(weak, timer)
  while timer:wait() do
    local ref <close> = weak:upgrade()
    if not ref or not ref:cast "expire_due" then return end
    ref:call "set_timer"
  end
end

function Store:init(memory)
  self.values, self.deadlines, self.heap = {}, {}, {}
  self.keys, self.expiring, self.expired, self.bytes, self.memory = 0, 0, 0, 0, memory
  self.timer = weir.after(math.huge)
  self.clock = weir.spawn(expire_in_time, self:myself(), self.timer)
  self.clock:name "expiry"
end

--- Commands of a batch in order from the i-th on, as a client's pipeline gives them; their replies as one string,
-- and which is next: it stops once the replies have more than `most` bytes.
function Store:run(batch, i, most)
  local replies, size = {}, 0
  while i <= #batch and size <= most do
    local args = batch[i]
    local reply = commands[args[1]](self, table.unpack(args, 2))
    replies[#replies + 1] = reply
    size, i = size + #reply, i + 1
  end
  return table.concat(replies), i
end

-- Many may be due at once: those who ask for something are served in between.
function Store:expire_due()
  local heap, now = self.heap, weir.now()
  for _ = 1, AT_ONCE do
    if not heap[1] or heap[1].time > now and not is_stale(self, heap[1]) then return end
    local entry = pop(heap)
    if not is_stale(self, entry) then get(self, entry.key) end
  end
end

-- A fired timer waits for its next reset.
function Store:set_timer()
  local first = self.heap[1]
  self.timer:reset(first and math.max(0, first.time - weir.now()) or math.huge)
end

function Store:info()
  return { keys = self.keys, expires = self.expiring, expired_keys = self.expired, bytes = self.bytes }
end

function Store:terminate()
  self.clock:abort()
end

--- `capacity` of its mailbox; `memory`: bytes of keys and values beyond which nothing is taken in.
local function spawn(capacity, memory)
  return actor.spawn(Store, { capacity = capacity, name = "store" }, memory)
end

return { Store = Store, spawn = spawn }
