-- SPDX-License-Identifier: MIT
-- Supervision: one task that starts actors in order, starts them again when they fail, and stops
-- them in reverse order.
--
--   child.state   down      to be started at child.due
--                 starting  its task runs, `init` has not returned (one child at a time)
--                 up        serves
--                 stopping  was asked to end by the supervisor, which waits for it
--                 ended     ended by itself; a note lies in the queue
--
-- S1  child_ended and child_ready run in the child's task, wait for nothing and only take notes;
--     all decisions are made in the supervisor's own task, one after the other
-- S2  the queue holds a child once for its end and once for a wish to stop it, so it needs no limit
-- S3  a supervisor has not ended before every child has
-- S4  a reference to a child leads to an open mailbox while its supervisor means to start it again

local weir = require "weir"
local backoff = require "weir.actor.backoff"
local outcome = require "weir.actor.outcome"

local now = weir.now
local unpack = table.unpack

local Supervisor = { __name = "weir.actor.Supervisor" }
Supervisor.__index = Supervisor

local supervisor = { Supervisor = Supervisor }

-- What a life of a supervisor's task leaves behind; as Life of an actor.
local Life = {}
Life.__index = Life

local EPSILON = 1e-9        -- a deadline counts as reached when rounding leaves less than this

--- Whether a child that ended with `how` is to be started again.
local function returns(child, how)
  if child.restart == "temporary" or child.dismissed then return false end
  return child.restart == "permanent" or how ~= "stopped"
end

-- The children that go down and up together with `child`: the range of places.
local function group(self, child)
  if self.strategy == "one_for_one" then return child.place, child.place end
  if self.strategy == "rest_for_one" then return child.place, #self.members end
  return 1, #self.members
end

-- These will be stopped in a moment, and must not wait for one that starts again only after that. What is
-- sent to those of them that come again waits for their next lives from now on.
local function mark_leaving(self, first, last, child)
  for i = first, last do
    local other = self.members[i]
    if other ~= child then
      other.unit.leaving = true
      if returns(other, "failed") then other.unit:reopen() end
    end
  end
end

--- The end of a child's life, told by its task (or by kill).
function Supervisor:child_ended(child, life)
  if self.starting == child then self.starting = nil end
  child.life = life
  if not self.task then return self:conclude() end      -- killed: nobody decides any more
  local again = returns(child, life.how) and not self.closing and child.state ~= "stopping"
  if life.how == "failed" and self.on_failure then
    self.failures[#self.failures + 1] = { child.name, life.err, life.traceback, again }
  end
  if child.state == "stopping" then
    child.state, child.due = "down", math.huge
  else
    child.state = "ended"
    self.queue[#self.queue + 1] = child
    if again then
      child.unit:open()
      local first, last = group(self, child)
      mark_leaving(self, first, last, child)
    end
  end
  self.bell:notify_one()
end

--- `init` of a child has returned.
function Supervisor:child_ready(child)
  if child.state ~= "starting" then return end
  self.starting = nil
  child.state, child.since = "up", now()
  self.bell:notify_one()
end

--- Whether failures of children are told to somebody (else they go to weir.on_error).
function Supervisor:hears()
  return self.on_failure ~= nil and self.task ~= nil
end

-- Tells the holder of the failures since last time.
local function tell(self)
  local failure = table.remove(self.failures, 1)
  while failure do
    self.on_failure(unpack(failure, 1, 4))
    failure = table.remove(self.failures, 1)
  end
end

local function renumber(self)
  for place, child in ipairs(self.members) do child.place = place end
end

-- The child is not coming back.
local function part(self, child)
  table.remove(self.members, child.place)
  renumber(self)
  self.by_name[child.name] = nil
  child.state = "gone"
  child.unit:retire(child.life or { how = "stopped" })
end

local function start(self, child)
  child.state, self.starting = "starting", child
  if child.life then child.unit.restarts = child.unit.restarts + 1 end
  child.unit:begin(child.arguments)
end

-- Starts the first child that is due, in order, and only when the one before has started.
local function start_next(self)
  if self.starting then return false end
  local time = now() + EPSILON
  for _, child in ipairs(self.members) do
    if child.state == "down" and child.due <= time then
      start(self, child)
      return true
    end
  end
  return false
end

-- Until something happened, or the next child is due.
local function wait(self)
  local due = math.huge
  if not self.starting then
    for _, child in ipairs(self.members) do
      if child.state == "down" and child.due < due then due = child.due end
    end
  end
  self.bell:notified(due < math.huge and math.max(0, due - now()) or nil)
end

local function wait_down(self, child, deadline)
  while child.state == "stopping" do
    local left = deadline - now()
    if left <= EPSILON then return false end
    self.bell:notified(left < math.huge and left or nil)
  end
  return true
end

-- Ends one child: politely until its deadline, then by force.
local function bring_down(self, child, drain)
  if child.state ~= "up" and child.state ~= "starting" then return end
  child.state = "stopping"
  if child.shutdown > 0 then
    child.unit:ask_stop(drain)
    if wait_down(self, child, now() + child.shutdown) then return end
  end
  child.unit:kill()
  wait_down(self, child, math.huge)
end

-- In reverse order. `drain`: what is queued in the mailboxes is served first.
local function bring_down_range(self, first, last, drain)
  for i = last, first, -1 do bring_down(self, self.members[i], drain) end
end

-- More restarts than allowed?
local function too_often(self)
  local time, kept = now(), {}
  for _, t in ipairs(self.history) do
    if t > time - self.period then kept[#kept + 1] = t end
  end
  kept[#kept + 1] = time
  self.history = kept
  return #kept > self.intensity
end

local function last_words(self, child)
  local err = child.life.how == "failed" and child.life.err or "aborted"
  if type(err) ~= "string" then return err end
  return ("supervisor '%s' gave up: more than %g restarts in %g s, the last for actor '%s': %s")
    :format(self.name, self.intensity, self.period, child.name, err)
end

-- Whether a member of the group comes back with it.
local function comes_back(member)
  return returns(member, member.state == "ended" and member.life.how or "failed")
end

local function regroup(self, child)
  local due = now() + backoff.delay(child, self.backoff)
  local first, last = group(self, child)
  bring_down_range(self, first, last, false)
  for i = last, first, -1 do
    local other = self.members[i]
    if other ~= child and not comes_back(other) then
      part(self, other)                       -- temporary: goes with the group
    else
      other.state, other.due = "down", due
    end
  end
end

-- A child has ended by itself. Returns an error if that was once too often.
local function judge(self, child)
  if not returns(child, child.life.how) then return part(self, child) end
  if too_often(self) then
    return { err = last_words(self, child), traceback = child.life.traceback or "" }
  end
  regroup(self, child)
end

-- Somebody asked for this child to be stopped for good.
local function let_go(self, child)
  bring_down(self, child, true)
  part(self, child)
end

local function take(self)
  local child = table.remove(self.queue, 1)
  if not child or child.state == "gone" then return child end
  if child.dismissed then return child, let_go(self, child) end
  if child.state == "ended" then return child, judge(self, child) end
  return child
end

local function all_started(self)
  for _, child in ipairs(self.members) do
    if child.state ~= "up" then return false end
  end
  return true
end

local function is_through(self, before)
  if self.auto_shutdown == "never" then return false end
  return #self.members < before and (self.auto_shutdown == "any" or #self.members == 0)
end

-- Ends all children. If the supervisor itself comes again they will too; else those who wait for one
-- that is down would wait for nothing.
local function shut_down(self, drain, again)
  self.closing = true
  if again then mark_leaving(self, 1, #self.members) else self:shut() end
  bring_down_range(self, 1, #self.members, drain)
  tell(self)
end

-- Whether the supervisor of this supervisor means to start it again.
local function comes_again(self, how)
  local owner = self.owner
  return owner ~= nil and not owner.closing and returns(self.seat, how)
end

-- The life of a supervisor: nothing when it was stopped, else why it failed.
local function oversee(self)
  while true do
    tell(self)
    if self.asked == "discard" then return shut_down(self, false, self.leaving) end
    if self.asked then return shut_down(self, true) end
    local before = #self.members
    local child, failure = take(self)
    if failure then
      shut_down(self, false, comes_again(self, "failed"))
      return failure
    end
    if is_through(self, before) then return shut_down(self, true) end
    if not child and not start_next(self) then
      if not self.is_ready and all_started(self) then self:announce() end
      wait(self)
    end
  end
end

local function live(life)
  local _ending <close> = life
  local self = life.supervisor
  life.started, self.started = true, true
  local ok, failure = xpcall(oversee, outcome.describe, self)
  if not ok then failure = outcome.failure(failure) end
  life.how = failure and "failed" or "stopped"
  if failure then
    life.err, life.traceback = failure.err, failure.traceback
    local heard = outcome.is_watched(self) or self.owner and self.owner:hears()
    if not heard then error(outcome.report(failure), 0) end
  end
end

-- However the task ended: no child outlives it.
function Life:__close(err)
  local sup = self.supervisor
  if not self.how then
    self.how, self.err, self.traceback = err ~= nil and "failed" or "aborted", err, ""
  end
  sup.task = nil
  local children = table.move(sup.members, 1, #sup.members, 1, {})
  for i = #children, 1, -1 do children[i].unit:kill() end
  sup:conclude()
end

--- The end, once the task and every child have ended. Never waits.
function Supervisor:conclude()
  if self.concluded then return end
  for _, child in ipairs(self.members) do
    if child.unit.task then return end
  end
  self.concluded = true
  if self.owner then return self.owner:child_ended(self.seat, self.life) end
  self:retire(self.life)
end

-- What a supervisor is to its own supervisor: the same verbs that a cell has.

function Supervisor:announce()
  outcome.announce(self)
  if self.owner then self.owner:child_ready(self.seat) end
end

--- Messages to the cells below wait for their next lives from now on.
function Supervisor:reopen()
  for _, child in ipairs(self.members) do child.unit:reopen() end
end

--- Closes the mailboxes that nobody reads now.
function Supervisor:shut()
  for _, child in ipairs(self.members) do child.unit:shut() end
end

function Supervisor:begin()
  self.life = setmetatable({ supervisor = self }, Life)
  self.queue, self.failures, self.history = {}, {}, {}
  self.started, self.concluded, self.is_open = false, false, false
  self.asked, self.closing, self.starting, self.is_ready, self.leaving = nil, nil, nil, nil, nil
  for _, child in ipairs(self.members) do
    child.state, child.due, child.tries = "down", 0, 0
  end
  self.task = weir.spawn(live, self.life)
  self.task:name(self.name)
end

function Supervisor:ask_stop(drain)
  self.asked = self.asked or (drain and "drain" or "discard")
  self.bell:notify_one()
end

--- Asks for one child to be stopped for good.
function Supervisor:dismiss(child)
  if child.dismissed then return end
  child.dismissed = true
  self.queue[#self.queue + 1] = child
  self.bell:notify_one()
end

function Supervisor:kill()
  local task, life = self.task, self.life
  if not task then return end
  task:abort()
  if not life.started then Life.__close(life) end
end

function Supervisor:refresh()
  local task, life = self.task, self.life
  if task and not life.started and task:is_finished() then Life.__close(life) end
end

--- Restarted by its own supervisor: the children of its table wait in open mailboxes again; those
--- that were added later are gone.
function Supervisor:open()
  for i = #self.members, 1, -1 do
    if self.members[i].added then part(self, self.members[i]) end
  end
  self:restore()
  for _, child in ipairs(self.members) do child.unit:open() end
  self.is_open, self.asked, self.closing = true, nil, nil
end

--- The end for good.
function Supervisor:retire(life)
  for i = #self.members, 1, -1 do part(self, self.members[i]) end
  outcome.settle(self, life)
end

return supervisor
