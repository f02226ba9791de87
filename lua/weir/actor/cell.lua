-- SPDX-License-Identifier: MIT
-- One actor: its mailbox, the task that serves it, and how that task ends.
--
--   Cell   what all references lead to; stays when a supervised actor is started again
--   Life   one incarnation: a task, the mailbox that it reads, `self`
--
--   cell.tx     strong sender of the mailbox, only under a supervisor (else references own it)
--   cell.weak   weak sender, for references made from the inside
--   cell.rx     that mailbox
--   cell.is_open  nobody reads it yet: it waits for the next life
--   cell.task   the task of the present life; nil between two lives and at the end
--
-- C1  one task reads a mailbox, and a mailbox is read in one life only
-- C2  however a life ends (return, error, abort, even before its first step), its mailbox is dropped,
--     so that everybody who is queued there hears "closed" at once
-- C3  a sender of a cell is never dropped by hand: somebody may wait for room on it, and is to hear
--     "closed" from the end of the mailbox, not that the handle is gone
-- C4  outcome.settle is called once for each cell, by its last life or by its supervisor

local weir = require "weir"
local message = require "weir.actor.message"
local outcome = require "weir.actor.outcome"
local reference = require "weir.actor.reference"
local registry = require "weir.actor.registry"

local mpsc = weir.mpsc
local describe = outcome.describe

local Cell = {}
Cell.__index = Cell
local Life = {}
Life.__index = Life

local cell = {}

-- self -> life; a weak key, as self may be held by anybody.
local lives = setmetatable({}, { __mode = "k" })
-- task -> cell, of supervised actors.
local by_task = setmetatable({}, { __mode = "k" })

-- What every actor can say to itself.
local Self = {}
cell.Self = Self

local function life_of(self, fname)
  local life = lives[self]
  if not life then error(("self:%s: not the self of an actor"):format(fname), 3) end
  return life
end

--- The reply channel of the call that is being served, to be answered later; nil for a cast.
function Self:reply_later()
  local life = life_of(self, "reply_later")
  local reply = life.reply
  life.reply, life.later = nil, reply
  return reply
end

--- A weak reference to this actor.
function Self:myself()
  return reference.weak(life_of(self, "myself").cell)
end

--- Asks this actor to end as ref:stop() does, after what is queued has been served.
function Self:stop_self()
  life_of(self, "stop_self").rx:close()
  return true
end

-- One metatable per behaviour: self finds the behaviour's functions, then those above.
local metatables = setmetatable({}, { __mode = "k" })

local function metatable_of(behaviour)
  local mt = metatables[behaviour]
  if not mt then
    mt = { __name = "weir.actor.self" }
    function mt.__index(_, key)
      local value = behaviour[key]
      if value == nil then return Self[key] end
      return value
    end
    metatables[behaviour] = mt
  end
  return mt
end

local function respond(life, ...)
  local reply = life.reply
  life.later = nil              -- a reply that the handler took and lost must be collectable
  if not reply then return end
  reply:send(...)
  life.reply = nil
end

local function handle(life, name, reply, ...)
  life.reply, life.later = reply, nil
  respond(life, life.cell.behaviour[name](life.self, ...))
end

-- Until the mailbox is closed and empty, or a handler fails: returns that failure.
local function serve(life)
  local rx = life.rx
  while true do
    local msg = rx:recv()
    if msg == nil then return nil end
    if life.discarding then
      message.discard(msg)
    elseif message.is_whole(msg) then
      local ok, err = xpcall(handle, describe, life, msg[1], message.open(msg))
      if not ok then return outcome.failure(err) end
    end
  end
end

-- The caller of the handler that failed hears why; everybody in line hears "closed", now, whatever
-- `terminate` still does.
local function fail(life, failure)
  life.how, life.err, life.traceback = "failed", failure.err, failure.traceback
  life.told = reference.fail(life.reply or life.later, failure)
  life.rx:drop()
end

local function keep(life, ok, ...)
  if not ok then return false, outcome.failure(...) end
  life.results = table.pack(...)
  return true
end

local function terminate(life)
  local f = life.cell.behaviour.terminate
  if not f then return true end
  return keep(life, xpcall(f, describe, life.self, life.how or "stopped", life.err))
end

-- An error that nobody was told of ends the task, so that weir.on_error hears it.
local function finish(life, failure)
  if failure then fail(life, failure) end
  local ok, second = true, nil
  if life.initialised then ok, second = terminate(life) end
  if not failure then
    life.rx:drop()
    if ok then
      life.how = "stopped"
      return
    end
    life.how, life.err, life.traceback = "failed", second.err, second.traceback
  elseif not ok then
    -- `terminate` failed as well; the first error stays the one that is told
    error(outcome.report(second), 0)
  end
  local c = life.cell
  local heard = life.told or outcome.is_watched(c) or c.owner and c.owner:hears()
  if not heard then error(outcome.report(life), 0) end
end

-- The failure of `init`, or of making its arguments (then `ready` is false, and it is the only one).
local function initialise(life, ready, ...)
  if not ready then return (...) end
  local init = life.cell.behaviour.init
  if init then
    local ok, err = xpcall(init, describe, life.self, ...)
    if not ok then return outcome.failure(err) end
  end
  life.initialised = true
  return nil
end

local function live(life, ready, ...)
  local _ending <close> = life
  local c = life.cell
  life.started, c.started = true, true
  local self = setmetatable({}, metatable_of(c.behaviour))
  lives[self] = life
  life.self = self
  local failure = initialise(life, ready, ...)
  if not failure then
    c:announce()
    failure = serve(life)
  end
  finish(life, failure)
end

-- However the task ended. Runs in its last moment, or in `kill` if there was no first one.
function Life:__close(err)
  local c = self.cell
  self.rx:drop()
  if not self.how then outcome.cut_short(self, err) end
  c.task = nil
  if c.owner then c.owner:child_ended(c.seat, self) else c:retire(self) end
end

--- A cell with an open mailbox and no task yet, and the mailbox's sender. Under a supervisor
--- `owner` and `seat` say whom to tell of its lives.
function cell.new(behaviour, name, capacity, owner, seat)
  local self = setmetatable({
    behaviour = behaviour, name = name, capacity = capacity, restarts = 0, owner = owner, seat = seat,
  }, Cell)
  return self, self:open()
end

--- A mailbox for the next life, if there is none yet; returns its sender.
function Cell:open()
  if self.is_open then return self.tx end
  -- A life that still runs must not see its mailbox end before it is told to stop.
  if self.task then self.life.tx = self.tx end
  local tx, rx = mpsc(self.capacity)
  self.rx, self.is_open = rx, true
  if self.owner then self.tx = tx else self.weak = tx:weak() end
  return tx
end

Cell.reopen = Cell.open

--- Starts a life; handles among the arguments move into its task. See `live` for `ready`.
function Cell:start(ready, ...)
  local life = setmetatable({ cell = self, rx = self.rx }, Life)
  local task = weir.spawn(live, life, ready, ...)
  task:name(self.name)
  self.life, self.task, self.started, self.is_open, self.leaving = life, task, false, false, nil
  if self.owner then by_task[task] = self end
end

--- Starts a life with arguments made for it. If that fails, so does the life.
function Cell:begin(arguments)
  local function start() self:start(true, arguments()) end
  local ok, err = xpcall(start, describe)
  if not ok then self:start(false, outcome.failure(err)) end
end

--- Closes the mailbox if nobody reads it now.
function Cell:shut()
  if not self.is_open then return end
  self.rx:drop()
  self.is_open = false
end

--- Whether it has no life.
function Cell:is_down()
  return self.task == nil
end

--- Called when `init` has returned.
function Cell:announce()
  outcome.announce(self)
  if self.owner then self.owner:child_ready(self.seat) end
end

--- Refuses new messages; what is queued is served, or (drain false) refused as well.
function Cell:ask_stop(drain)
  if not self.task then return end
  local life = self.life
  if life.how then return end
  life.rx:close()
  if drain then return end
  life.discarding = true
  local msg = life.rx:try_recv()
  while msg ~= nil do
    message.discard(msg)
    msg = life.rx:try_recv()
  end
end

--- Ends the task at its wait, or before it began.
function Cell:kill()
  local task, life = self.task, self.life
  if not task then return end
  task:abort()
  if not life.started then Life.__close(life) end
end

--- A life that was aborted before its first step (its run ended) could not say so itself.
function Cell:refresh()
  if self.owner then self.owner:refresh() end
  local task, life = self.task, self.life
  if task and not life.started and task:is_finished() then Life.__close(life) end
end

--- The end for good.
function Cell:retire(life)
  registry.forget(self)
  self:shut()
  self.tx = nil
  outcome.settle(self, life)
end

--- Whether `task` is one of those (or below one of those) that a supervisor above this actor too is about to
--- stop, to start them again together with it: to wait for its next life would be to wait for itself.
function Cell:is_left_by(task)
  local other = self.owner and task and by_task[task]
  while other and other.owner do
    if other.leaving and self.owner:is_in(other.owner) then return true end
    other = other.owner
  end
  return false
end

return cell
