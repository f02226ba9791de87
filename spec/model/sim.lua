-- SPDX-License-Identifier: MIT
-- sim.lua -- the model of tasks that wait: lines, permits, deadlines, in plain Lua tables.
--
-- A task does one operation, or a select over several. A branch of it is a table:
--   ready()      could it complete now? changes nothing
--   poll(won)    its outcome, packed; nil if it must wait. `won`: the waiter that was granted or told
--   enter(w)     puts the waiter into a line
--   through      the model of the handle it goes through, or nil
--   guard()      true if it must not wait (another task does), or absent

local Sim = {}
Sim.__index = Sim

local function pack(...)
  return table.pack(...)
end

function Sim.new()
  return setmetatable({ clock = 0, ready = {}, tasks = {}, starts = 0 }, Sim)
end

-- ---- lines and permits ------------------------------------------------------------------------------

local function leave(waiter)
  local line = waiter.line
  if not line then return end
  for i, w in ipairs(line) do
    if w == waiter then
      table.remove(line, i)
      break
    end
  end
  waiter.line = nil
end

-- In the line of an event who was told and found nothing stands before those who have come since.
local function join(line, waiter)
  local place = #line + 1
  if waiter.again and not waiter.permits then
    while place > 1 and not line[place - 1].again do place = place - 1 end
  end
  table.insert(line, place, waiter)
  waiter.line = line
end

function Sim:wake(task)
  if task.queued then return end
  task.queued = true
  self.ready[#self.ready + 1] = task
end

function Sim:win(waiter)
  local task = waiter.task
  for _, w in ipairs(task.waiters) do leave(w) end
  task.won, task.parked = waiter, false
  self:wake(task)
end

function Sim:tell(line)
  while line[1] do self:win(line[1]) end
end

function Sim:tell_through(line, handle)
  local i = 1
  while line[i] do
    if line[i].branch.through == handle then
      self:win(line[i])
      i = 1
    else
      i = i + 1
    end
  end
end

-- Permits are given in order of asking, to the first in line as soon as they suffice for it.
function Sim.permits(free, home)
  return { free = free, line = {}, home = home }
end

function Sim:serve(p)
  while p.line[1] and p.free >= p.line[1].need do
    local w = p.line[1]
    p.free = p.free - w.need
    w.owns = true
    self:win(w)
  end
end

function Sim:give(p, n)
  p.free = p.free + n
  self:serve(p)
  if p.home then p.home(p) end
end

function Sim.can_take(p, n)
  return n == 0 or p.free >= n and #p.line == 0
end

function Sim.try_take(p, n)
  if not Sim.can_take(p, n) then return false end
  p.free = p.free - n
  return true
end

function Sim.available(p)
  return #p.line == 0 and p.free or 0
end

function Sim.stand(p, waiter, n)
  waiter.permits, waiter.need = p, n
  join(p.line, waiter)
end

Sim.join = join

-- ---- tasks ------------------------------------------------------------------------------------------

function Sim:spawn(branches, timeout, select)
  local task = { branches = branches, timeout = timeout, select = select, waiters = {} }
  self.tasks[#self.tasks + 1] = task
  self:wake(task)
  return task
end

function Sim:abort(task)
  if task.outcome or task.aborting then return end
  task.aborting = true
  self:wake(task)
end

function Sim:unpark(task)
  if task.parked then
    task.parked = false
    for _, w in ipairs(task.waiters) do
      leave(w)
      if w.permits then self:serve(w.permits) end
    end
  elseif task.won and task.won.owns then
    task.won.owns = false
    self:give(task.won.permits, task.won.need)
  end
  task.won = nil
end

local function finish(task, outcome)
  task.outcome, task.due = outcome, nil
end

local function uses_spent(task)
  for _, branch in ipairs(task.branches) do
    if branch.through and not branch.through.live then return true end
  end
  return false
end

-- The branches afresh. Which of several ready ones a select takes is drawn by lot: the model follows what the
-- program under test did (`chosen`), if it could. A select that meets a spent handle raises; one that meets
-- another branch that is ready before it does not.
local function look(task)
  if not task.select then return task.branches[1].poll(nil) end
  local open
  for i, branch in ipairs(task.branches) do
    local spent = branch.through and not branch.through.live
    if not spent and branch.ready() then
      open = open or i
      if i == task.chosen then
        open = i
        break
      end
    end
  end
  if uses_spent(task) and (not open or open ~= task.chosen) then return { error = true } end
  if not open then return nil end
  local r = task.branches[open].poll(nil)
  return r and pack(open, table.unpack(r, 1, r.n))
end

function Sim.park(task, again)
  for _, branch in ipairs(task.branches) do
    if branch.guard and branch.guard() then return finish(task, { error = true }) end
  end
  task.parked, task.waiters = true, {}
  for i, branch in ipairs(task.branches) do
    local w = { task = task, branch = branch, index = i, again = again }
    task.waiters[i] = w
    branch.enter(w)
  end
end

local function timeout_of(task)
  if task.select then return pack(nil, "timeout") end
  return task.branches[1].counts and pack(0, "timeout") or pack(nil, "timeout")
end

local function start_deadline(sim, task, when)
  sim.starts = sim.starts + 1
  task.due, task.order = when, sim.starts
end

local function first_step(sim, task)
  task.started = true
  if not task.select and uses_spent(task) then return finish(task, { error = true }) end
  local r = look(task)
  if r then return finish(task, r) end
  if task.timeout == 0 then return finish(task, timeout_of(task)) end
  if task.timeout then
    task.limit = sim.clock + task.timeout
    start_deadline(sim, task, task.limit)
  end
  Sim.park(task)
end

local function woken(sim, task)
  local won = task.won
  local through = won.branch.through
  if through and not through.live then
    sim:unpark(task)
    return finish(task, { error = true })
  end
  local r = won.branch.poll(won)
  task.won = nil
  if r then
    if task.select then r = pack(won.index, table.unpack(r, 1, r.n)) end
    return finish(task, r)
  end
  r = task.select and look(task)
  if r then return finish(task, r) end
  if task.limit and sim.clock >= task.limit then return finish(task, timeout_of(task)) end
  if task.limit then start_deadline(sim, task, task.limit) end
  task.timed_out = false
  Sim.park(task, true)
end

local function turn(sim, task)
  task.queued = false
  if task.outcome then return end
  if task.aborting then
    sim:unpark(task)
    finish(task, { aborted = true })
  elseif not task.started then
    first_step(sim, task)
  elseif not task.parked then
    woken(sim, task)
  elseif task.timed_out then
    sim:unpark(task)
    finish(task, timeout_of(task))
  end
end

-- Everybody runs as long as anybody can.
function Sim:settle()
  local i = 1
  while self.ready[i] do
    turn(self, self.ready[i])
    i = i + 1
  end
  self.ready = {}
end

function Sim:advance(seconds)
  self.clock = self.clock + seconds
  local due = {}
  for _, task in ipairs(self.tasks) do
    if task.due and task.due <= self.clock then due[#due + 1] = task end
  end
  table.sort(due, function(a, b)
    if a.due ~= b.due then return a.due < b.due end
    return a.order < b.order
  end)
  for _, task in ipairs(due) do
    task.due, task.timed_out = nil, true
    if task.parked then self:wake(task) end
  end
end

return Sim
