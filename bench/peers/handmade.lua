-- SPDX-License-Identifier: MIT
-- What a Lua programmer writes by hand: coroutines, a run queue, tables as channels.
-- No cancellation, no timeouts, no ownership, one Lua value at a time.
local bench = require "bench"
local host = require "bench.host"

local create, resume, yield, status = coroutine.create, coroutine.resume, coroutine.yield, coroutine.status
local setmetatable = setmetatable

local M = {}

-- the scheduler: who was woken runs in the next round, oldest first -------------

local ready, given, count = {}, {}, 0
local round, round_given = {}, {}
local current
local heap, sleeping = {}, 0 -- { when, coroutine }, earliest on top

local function wake(co, v)
  count = count + 1
  ready[count] = co
  given[count] = v
end

local function heap_push(entry)
  sleeping = sleeping + 1
  local i, when = sleeping, entry[1]
  while i > 1 do
    local up = i // 2
    if heap[up][1] <= when then break end
    heap[i] = heap[up]
    i = up
  end
  heap[i] = entry
end

local function heap_pop()
  local top, last = heap[1], heap[sleeping]
  heap[sleeping] = nil
  sleeping = sleeping - 1
  if sleeping == 0 then return top end
  local i, when = 1, last[1]
  while true do
    local down = i * 2
    if down > sleeping then break end
    if down < sleeping and heap[down + 1][1] < heap[down][1] then down = down + 1 end
    if heap[down][1] >= when then break end
    heap[i] = heap[down]
    i = down
  end
  heap[i] = last
  return top
end

local function run_round()
  ready, given, round, round_given = round, round_given, ready, given
  local n = count
  count = 0
  for i = 1, n do
    current = round[i]
    local ok, err = resume(current, round_given[i])
    round[i], round_given[i] = false, false
    if not ok then error(debug.traceback(current, err)) end
  end
end

function M.run(main)
  local first = create(main)
  wake(first)
  while status(first) ~= "dead" do
    if sleeping > 0 then
      local t = bench.now()
      while sleeping > 0 and heap[1][1] <= t do wake(heap_pop()[2]) end
    end
    if count > 0 then
      run_round()
    elseif sleeping > 0 then
      host.sleep(heap[1][1] - bench.now())
    else
      error "nothing can run"
    end
  end
end

function M.yield()
  wake(current)
  yield()
end

function M.sleep(s)
  heap_push { bench.now() + s, current }
  yield()
end

local Task = {}
Task.__index = Task

function M.spawn(f)
  local task = setmetatable({ done = false }, Task)
  wake(create(function()
    task.result = f()
    task.done = true
    if task.joiner then wake(task.joiner) end
  end))
  return task
end

function Task:join()
  if not self.done then
    self.joiner = current
    yield()
  end
  return true, self.result
end

-- the bounded channel: a ring, a line of receivers, a line of senders -----------

local Channel = {}
Channel.__index = Channel

function M.mpsc(capacity)
  local c = setmetatable({
    capacity = capacity, len = 0, head = 0, ring = {},
    receivers = {}, first_receiver = 1, last_receiver = 0,
    senders = {}, offers = {}, first_sender = 1, last_sender = 0,
  }, Channel)
  return c, c
end

function Channel:clone() return self end

-- one record for each coroutine that waits to receive, kept for the next time
local records = setmetatable({}, { __mode = "k" })

local function record()
  local r = records[current]
  if not r then
    r = { co = current }
    records[current] = r
  end
  return r
end

-- hands v to the receiver that has waited longest, if there is one
local function hand_over(c, v)
  while c.first_receiver <= c.last_receiver do
    local i = c.first_receiver
    local r = c.receivers[i]
    c.receivers[i] = nil
    if i == c.last_receiver then
      c.first_receiver, c.last_receiver = 1, 0
    else
      c.first_receiver = i + 1
    end
    local choice = r.choice
    if not choice then
      wake(r.co, v)
      return true
    end
    r.listed = false
    if choice.waiting then
      choice.waiting = false
      choice.which, choice.value = r.which, v
      wake(choice.co)
      return true
    end
  end
  return false
end

local function push(c, v)
  local len = c.len
  if len >= c.capacity then return false end
  c.ring[(c.head + len) % c.capacity + 1] = v
  c.len = len + 1
  return true
end

local function take(c)
  local head, capacity = c.head, c.capacity
  local v = c.ring[head + 1]
  c.ring[head + 1] = false
  head = head + 1
  if head == capacity then head = 0 end
  c.head = head
  local s = c.first_sender
  if s > c.last_sender then
    c.len = c.len - 1
    return v
  end
  c.ring[(head + c.len - 1) % capacity + 1] = c.offers[s]
  wake(c.senders[s], true)
  c.senders[s], c.offers[s] = nil, nil
  if s == c.last_sender then
    c.first_sender, c.last_sender = 1, 0
  else
    c.first_sender = s + 1
  end
  return v
end

function Channel:try_send(v)
  if self.first_receiver <= self.last_receiver and hand_over(self, v) then return true end
  if push(self, v) then return true end
  return nil, "full"
end

function Channel:send(v)
  if self.first_receiver <= self.last_receiver and hand_over(self, v) then return true end
  if push(self, v) then return true end
  local i = self.last_sender + 1
  self.last_sender = i
  self.senders[i], self.offers[i] = current, v
  return yield()
end

function Channel:try_recv()
  if self.len > 0 then return take(self) end
  return nil, "empty"
end

function Channel:recv()
  if self.len > 0 then return take(self) end
  local i = self.last_receiver + 1
  self.last_receiver = i
  self.receivers[i] = record()
  return yield()
end

-- select over a list of channels that is prepared once: a fair start, one record each

local function choose(choice)
  local n, from = #choice, choice.from
  for j = 1, n do
    local i = (from + j) % n + 1
    local c = choice[i].channel
    if c.len > 0 then
      choice.from = i - 1
      return i, take(c)
    end
  end
  for i = 1, n do
    local r = choice[i]
    if not r.listed then
      r.listed = true
      local c = r.channel
      local last = c.last_receiver + 1
      c.last_receiver = last
      c.receivers[last] = r
    end
  end
  choice.co, choice.waiting = current, true
  yield()
  return choice.which, choice.value
end

function M.selector(channels)
  local choice = { from = 0, waiting = false }
  for i = 1, #channels do
    choice[i] = { choice = choice, which = i, channel = channels[i], listed = false }
  end
  return function() return choose(choice) end
end

M.select = true -- the questions ask selector() first

-- oneshot, watch, broadcast ------------------------------------------------------

local Oneshot = {}
Oneshot.__index = Oneshot

function M.oneshot()
  local o = setmetatable({ sent = false, value = nil, waiting = nil }, Oneshot)
  return o, o
end

function Oneshot:send(v)
  if self.waiting then
    wake(self.waiting, v)
  else
    self.sent, self.value = true, v
  end
end

function Oneshot:recv()
  if self.sent then return self.value end
  self.waiting = current
  return yield()
end

local function wait_in(line)
  line.waiting = line.waiting + 1
  line[line.waiting] = current
  yield()
end

local function wake_all(line)
  for i = 1, line.waiting do
    wake(line[i], true)
    line[i] = false
  end
  line.waiting = 0
end

local Watch, Watcher = {}, {}
Watch.__index, Watcher.__index = Watch, Watcher

function M.watch(v)
  local w = setmetatable({ value = v, version = 0, line = { waiting = 0 } }, Watch)
  return w, w:subscribe()
end

function Watch:subscribe() return setmetatable({ watch = self, seen = self.version }, Watcher) end

function Watch:send(v)
  self.value = v
  self.version = self.version + 1
  wake_all(self.line)
end

function Watcher:changed()
  local w = self.watch
  if self.seen == w.version then wait_in(w.line) end
  self.seen = w.version
  return true
end

function Watcher:borrow_and_update()
  local w = self.watch
  self.seen = w.version
  return w.value
end

function Watcher:close() self.watch = nil end

local Broadcast, Listener = {}, {}
Broadcast.__index, Listener.__index = Broadcast, Listener

function M.broadcast(capacity)
  local b = setmetatable({ capacity = capacity, tail = 0, ring = {}, line = { waiting = 0 } }, Broadcast)
  return b, b:subscribe()
end

function Broadcast:subscribe() return setmetatable({ from = self, at = self.tail }, Listener) end

function Broadcast:send(v)
  self.ring[self.tail % self.capacity + 1] = v
  self.tail = self.tail + 1
  if self.line.waiting > 0 then wake_all(self.line) end
end

function Listener:recv()
  local b, at = self.from, self.at
  if at == b.tail then wait_in(b.line) end
  if b.tail - at > b.capacity then
    self.at = b.tail - b.capacity
    return nil, "lagged"
  end
  self.at = at + 1
  return b.ring[at % b.capacity + 1]
end

function Listener:close() self.from = nil end

return M
