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
-- (Long for one file: the life of a supervisor is one loop, and these hold between all that it calls.)
--
-- S1  child_ended and child_ready run in the child's task, wait for nothing and only take notes;
--     all decisions are made in the supervisor's own task, one after the other
-- S2  the queue holds a child once for its end and once for a wish to stop it, so it needs no limit
-- S3  a life of a supervisor has not ended before its task and the lives of all its children have; only then
--     (concluded) is anybody told, or a child parted with
-- S4  a reference to a child that is down leads to an open mailbox while its supervisor means to start it
--     again, in this life or in its own next one; `wants` is where that is known
-- S5  what was asked of a life and found no time in it (dismissed) holds for the next

local weir = require "weir"
local backoff = require "weir.actor.backoff"
local outcome = require "weir.actor.outcome"

local now = weir.now
local unpack = table.unpack

local Supervisor = { __name = "weir.actor.Supervisor" }
Supervisor.__index = Supervisor

local supervisor = { Supervisor = Supervisor }

-- task -> supervisor
local by_task = setmetatable({}, { __mode = "k" })

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

-- These will be stopped in a moment, and must not wait for one that starts again only after that. Unless
-- they are to drain, what is sent to those of them that come again waits for their next lives from now on.
local function mark_leaving(self, first, last, child, drain)
  for i = first, last do
    local other = self.members[i]
    if other ~= child then
      other.unit.leaving = true
      if not drain and returns(other, "failed") then other.unit:reopen() end
    end
  end
end

local wants

-- Whether the supervisor of this supervisor, which is ending, means to start it again.
local function comes_again(self)
  local owner = self.owner
  return owner ~= nil and wants(owner, self.seat, self.life.how or self.closing or "aborted")
end

-- Whether a child whose life ends with `how` is to be started again, by all that is known now.
function wants(self, child, how)
  if self.closing or not self.task then                 -- then with its supervisor, or not at all
    return not (child.dismissed or child.added) and comes_again(self)
  end
  return returns(child, child.state == "stopping" and "failed" or how)
end

-- A child ended by itself. If it takes others down with it that is settled now, whatever is asked later:
-- what is sent to them waits for their next lives already.
local function ended_by_itself(self, child, again)
  child.state, child.takes_group = "ended", false
  self.queue[#self.queue + 1] = child
  if not again or self.closing then return end
  local first, last = group(self, child)
  child.takes_group = first < last
  mark_leaving(self, first, last, child)
end

--- The end of a child's life, told by its task (or by kill).
function Supervisor:child_ended(child, life)
  if self.starting == child then self.starting = nil end
  child.life = life
  local again = wants(self, child, life.how)
  if again then child.unit:open() else child.unit:shut() end
  if not self.task then                                 -- killed: nobody decides any more
    child.state = "down"
    return self:conclude()
  end
  if life.how == "failed" and self.on_failure then
    self.failures[#self.failures + 1] = { child.name, life.err, life.traceback, again }
  end
  if child.state == "stopping" then
    child.state, child.due = "down", math.huge
  else
    ended_by_itself(self, child, again)
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
  local life = child.life
  local err = life.how
  if err == "failed" then err = life.err end
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
    if not comes_back(other) then
      part(self, other)                       -- temporary, or dismissed: goes with the group
    else
      other.state, other.due = "down", due
      other.unit:open()
    end
  end
end

-- A child has ended by itself. Returns an error if that was once too often.
local function judge(self, child)
  if not child.takes_group and not returns(child, child.life.how) then return part(self, child) end
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
  local ended = child.state == "ended"
  if child.dismissed and not (ended and child.takes_group) then return child, let_go(self, child) end
  if ended then return child, judge(self, child) end
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

-- Ends all children, since this life will end with `how`. If the supervisor itself comes again they will
-- too; else those who wait for one that is down would wait for nothing.
local function shut_down(self, how, drain)
  self.closing = how
  if comes_again(self) then mark_leaving(self, 1, #self.members, nil, drain) else self:shut() end
  bring_down_range(self, 1, #self.members, drain)
  tell(self)
end

-- The life of a supervisor: nothing when it was stopped, else why it failed.
local function oversee(self)
  while true do
    tell(self)
    if self.asked then return shut_down(self, "stopped", self.asked == "drain") end
    local before = #self.members
    local child, failure = take(self)
    if failure then
      shut_down(self, "failed", false)
      return failure
    end
    if is_through(self, before) then return shut_down(self, "stopped", true) end
    if not child and not start_next(self) then
      if not self.announced and all_started(self) then self:announce() end
      wait(self)
    end
  end
end

local function live(life)
  local _ending <close> = life
  local self = life.supervisor
  life.started, self.started = true, true
  local ok, failure = xpcall(oversee, outcome.describe, self)    -- its own, if it gave up
  if not ok then failure = outcome.failure(failure) end
  life.how = failure and "failed" or "stopped"
  if failure then
    life.err, life.traceback = failure.err, failure.traceback
    local heard = outcome.is_watched(self) or outcome.is_watched(life) or self.owner and self.owner:hears()
    if not heard then error(outcome.report(failure), 0) end
  end
end

-- What failed and was not told yet. The first error is how the life ended.
local function tell_the_rest(self, life)
  while #self.failures > 0 do
    local ok, err = pcall(tell, self)
    if not ok and life.how ~= "failed" then outcome.cut_short(life, err) end
  end
end

-- However the task ended: no child outlives it.
function Life:__close(err)
  local sup = self.supervisor
  if not self.how then outcome.cut_short(self, err) end
  sup.task = nil
  tell_the_rest(sup, self)
  local children = table.move(sup.members, 1, #sup.members, 1, {})
  for i = #children, 1, -1 do children[i].unit:kill() end
  sup:conclude()
end

--- The end of a life, once the task and every child have ended. Never waits.
function Supervisor:conclude()
  if self.concluded then return end
  for _, child in ipairs(self.members) do
    if not child.unit:is_down() then return end
  end
  self.concluded = true
  local life = self.life
  if self.owner then self.owner:child_ended(self.seat, life) else self:retire(life) end
  outcome.settle(life, life)
end

-- What a supervisor is to its own supervisor: the same verbs that a cell has.

--- No life, not even the last moments of one.
function Supervisor:is_down()
  return self.concluded
end

function Supervisor:announce()
  self.announced = true
  outcome.announce(self)
  if self.owner then self.owner:child_ready(self.seat) end
end

--- Messages to the cells below wait for their next lives from now on.
function Supervisor:reopen()
  for _, child in ipairs(self.members) do child.unit:reopen() end
end

--- Closes the mailboxes that nobody reads now. A supervisor that is not ending yet goes on until it is asked
--- itself, and may start a child that is down.
function Supervisor:shut()
  if self.task and not self.closing then return end
  self.is_open = false
  for _, child in ipairs(self.members) do child.unit:shut() end
end

function Supervisor:begin()
  self.life = setmetatable({ supervisor = self }, Life)
  self.queue, self.failures, self.history = {}, {}, {}
  self.started, self.concluded, self.is_open, self.announced = false, false, false, false
  self.asked, self.closing, self.starting, self.leaving = nil, nil, nil, nil
  for _, child in ipairs(self.members) do
    child.state, child.due, child.tries = "down", 0, 0
  end
  local task = weir.spawn(live, self.life)
  task:name(self.name)
  self.task, by_task[task] = task, self
end

--- The supervisor whose task runs now, or nil.
function Supervisor.current()
  local task = weir.current()
  return task and by_task[task]
end

--- Whether it is `unit`, or below it.
function Supervisor:is_in(unit)
  local place = self
  while place and place ~= unit do place = place.owner end
  return place ~= nil
end

--- Asks the present life to end.
function Supervisor:ask_stop(drain)
  if not self.task then return end
  self.asked = self.asked or (drain and "drain" or "discard")
  self.bell:notify_one()
end

--- Waits for the end of the present life; what it ended with.
function Supervisor:wait_down(seconds)
  if not self.life then return true end                 -- its own supervisor has not started it yet
  return outcome.join(self.life, seconds)
end

--- Asks for one child to be stopped for good. Between two lives there is nothing to wait for.
function Supervisor:dismiss(child)
  if child.dismissed then return end
  child.dismissed = true
  if self.concluded then return part(self, child) end
  self.queue[#self.queue + 1] = child
  self.bell:notify_one()
end

function Supervisor:kill()
  local task, life = self.task, self.life
  if not task then return end
  self.asked = self.asked or "kill"                     -- refuses new children from now on
  task:abort()
  if not life.started then Life.__close(life) end
end

function Supervisor:refresh()
  if self.owner then self.owner:refresh() end
  local task, life = self.task, self.life
  if task and not life.started and task:is_finished() then Life.__close(life) end
end

local function part_with(self, field)
  for i = #self.members, 1, -1 do
    if self.members[i][field] then part(self, self.members[i]) end
  end
end

--- To be started again by its own supervisor: the children of its table wait in open mailboxes again,
--- but for those that somebody still wants stopped; those that were added later are gone.
function Supervisor:open()
  if self.is_open then return end
  part_with(self, "added")
  self:restore()
  part_with(self, "dismissed")
  for _, child in ipairs(self.members) do
    child.state = "down"
    child.unit:open()
  end
  self.is_open, self.asked, self.closing = true, nil, nil
end

--- The end for good.
function Supervisor:retire(life)
  for i = #self.members, 1, -1 do part(self, self.members[i]) end
  outcome.settle(self, life)
end

return supervisor
