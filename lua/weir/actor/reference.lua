-- SPDX-License-Identifier: MIT
-- What the holders of an actor have in hand: strong references, weak ones, and calls with a limit.
--
--   Reference { cell, tx }          a sender of its own: it counts, the last one gone ends the actor
--   Reference { cell, shared }      of a supervised actor: goes by way of the cell, whose mailbox
--                                   is a new one after a restart
--   Reference { label }             dropped
--
-- R1  an actor without a supervisor lives only while a Reference with a tx does
-- R2  nothing that the actor itself holds (cell, life, self) leads to such a Reference

local weir = require "weir"
local check = require "weir.actor.check"
local message = require "weir.actor.message"
local outcome = require "weir.actor.outcome"

local current, now = weir.current, weir.now
local FAILED = message.FAILED

local Reference = { __name = "weir.actor.Reference" }
local Weak = { __name = "weir.actor.WeakReference" }
local Timed = { __name = "weir.actor.Timed" }
Reference.__index, Weak.__index, Timed.__index = Reference, Weak, Timed

local reference = { Reference = Reference, Weak = Weak, Timed = Timed }

--- A reference that owns the sender `tx`.
function reference.new(cell, tx)
  return setmetatable({ cell = cell, tx = tx }, Reference)
end

--- A reference to a supervised actor.
function reference.shared(cell)
  return setmetatable({ cell = cell, shared = true }, Reference)
end

--- A strong reference from what the cell itself holds: nil if there is no strong one left, or the
--- actor has ended.
function reference.revive(cell)
  cell:refresh()
  if cell.ended then return nil end
  if cell.owner then return reference.shared(cell) end
  local tx = cell.weak:upgrade()
  return tx and reference.new(cell, tx)
end

--- A weak reference.
function reference.weak(cell)
  return setmetatable({ cell = cell }, Weak)
end

-- The cell behind a reference that is in order.
local function open(ref, fname, level)
  local cell = ref.cell
  if not cell then
    error(("reference:%s: this reference to actor '%s' was dropped; keep one with ref:clone()"):format(
      fname, ref.label), level + 1)
  end
  if not cell.started then cell:refresh() end
  return cell
end

local function check_handler(cell, name, fname, level)
  local ok = type(name) == "string" and name ~= "init" and name ~= "terminate"
    and name:sub(1, 1) ~= "_" and type(cell.behaviour[name]) == "function"
  check.argument(ok, 1, fname, ("actor '%s' has no handler '%s'"):format(cell.name, tostring(name)),
    level + 1)
end

-- The sender to use now; nil if nobody will come to read what this task would send.
local function route(ref, cell)
  if ref.tx then return ref.tx end
  if cell.is_open and cell:is_left_by(current()) then return nil end
  return cell.tx
end

-- A call with handles among its arguments: a permit first, since until it is there the handles must
-- stay the caller's.
local function call_moving(cell, tx, seconds, msg)
  local deadline = seconds and now() + seconds
  local permit, why = tx:reserve(seconds)
  if not permit then return nil, why end
  local reply, answer <close> = weir.oneshot()
  local ok
  ok, why = message.post(permit, msg, reply)
  if not ok then return nil, why end
  return message.result(cell, msg[1], answer:recv(deadline and math.max(0, deadline - now())))
end

-- The message must not stand in a local here while the call waits: a reply channel in it that the actor
-- loses could not be collected, and the caller would wait for ever.
local function call(ref, seconds, name, ...)
  local cell = open(ref, "call", 2)
  check_handler(cell, name, "call", 2)
  local task = current()
  if not task then check.task("reference:call", 2) end
  if task == cell.task then
    error(("actor '%s' calls itself and would wait for itself for ever: use self:%s(...), or cast")
      :format(cell.name, name), 2)
  end
  local msg = check.any(select("#", ...), ...) and message.pack(name, ...)
  local moving = msg and message.handles(msg, "call", 2)
  local tx = route(ref, cell)
  if not tx then return nil, "closed" end
  if moving then return call_moving(cell, tx, seconds, msg) end
  return message.result(cell, name, tx:call(message.pack(name, ...), seconds))
end

local function cast_moving(tx, seconds, msg)
  local permit, why = tx:reserve(seconds)
  if not permit then return nil, why end
  return message.post(permit, msg)
end

local function try_send(tx, msg, moving)
  if not moving then return tx:try_send(msg) end
  local permit, why = tx:try_reserve()
  if not permit then return nil, why end
  return message.post(permit, msg)
end

-- Outside a task, and in the actor's own: there can be no waiting for room.
local function cast_at_once(cell, tx, seconds, msg, moving, task)
  local ok, why = try_send(tx, msg, moving)
  if why ~= "full" then return ok, why end
  if seconds == 0 then return nil, "timeout" end
  if not task then check.task("reference:cast to a full mailbox", 2) end
  error(("actor '%s' casts to itself with its mailbox full and would wait for itself for ever: "
    .. "use try_cast"):format(cell.name), 2)
end

local function cast(ref, seconds, msg)
  local cell = open(ref, "cast", 2)
  check_handler(cell, msg[1], "cast", 2)
  local moving = message.handles(msg, "cast", 2)
  local tx = route(ref, cell)
  if not tx then return nil, "closed" end
  local task = current()
  if not task or task == cell.task then
    return cast_at_once(cell, tx, seconds, msg, moving, task)
  end
  if moving then return cast_moving(tx, seconds, msg) end
  return tx:send(msg, seconds)
end

function Reference:call(name, ...)
  return call(self, nil, name, ...)
end

function Reference:cast(name, ...)
  return cast(self, nil, message.pack(name, ...))
end

function Reference:try_cast(name, ...)
  local cell = open(self, "try_cast", 2)
  check_handler(cell, name, "try_cast", 2)
  local msg = message.pack(name, ...)
  local moving = message.handles(msg, "try_cast", 2)
  local tx = route(self, cell)
  if not tx then return nil, "closed" end
  return try_send(tx, msg, moving)
end

function Reference:with_timeout(seconds)
  open(self, "with_timeout", 2)
  check.argument(seconds ~= nil, 1, "with_timeout", "seconds expected, got nil", 2)
  check.seconds(seconds, 1, "with_timeout", 2)
  return setmetatable({ ref = self, seconds = seconds }, Timed)
end

function Timed:call(name, ...)
  return call(self.ref, self.seconds, name, ...)
end

function Timed:cast(name, ...)
  return cast(self.ref, self.seconds, message.pack(name, ...))
end

-- Waits for the task of this incarnation; what it ended with.
local function wait_down(cell, seconds)
  local task, life = cell.task, cell.life
  if task then
    local ok, why = task:join(seconds)
    if ok == nil then return nil, why end
  else
    outcome.happened:wait(seconds)
  end
  if life and life.how then return outcome.verdict(life) end
  return true                       -- under a supervisor that has not started it yet
end

function Reference:stop(seconds)
  local cell = open(self, "stop", 2)
  check.seconds(seconds, 1, "stop", 2)
  if cell.task and cell.task == current() then
    error(("actor '%s' waits for its own end: use self:stop_self()"):format(cell.name), 2)
  end
  cell:ask_stop(true)
  if cell.task and seconds ~= 0 then check.task("reference:stop", 2) end
  return wait_down(cell, seconds)
end

function Reference:kill()
  open(self, "kill", 2):kill()
  return true
end

function Reference:is_alive()
  return not open(self, "is_alive", 2).ended
end

function Reference:join(seconds)
  local cell = open(self, "join", 2)
  check.seconds(seconds, 1, "join", 2)
  if not cell.ended then
    if cell.task and cell.task == current() then
      error(("actor '%s' waits for its own end"):format(cell.name), 2)
    end
    if seconds ~= 0 then check.task("reference:join", 2) end
  end
  return outcome.join(cell, seconds)
end

function Reference:ready(seconds)
  local cell = open(self, "ready", 2)
  check.seconds(seconds, 1, "ready", 2)
  if not (cell.is_ready or cell.ended or seconds == 0) then check.task("reference:ready", 2) end
  return outcome.ready(cell, seconds)
end

function Reference:monitor()
  return outcome.monitor(open(self, "monitor", 2))
end

function Reference:clone()
  local cell = open(self, "clone", 2)
  if self.shared then return reference.shared(cell) end
  return reference.new(cell, self.tx:clone())
end

function Reference:weak()
  return reference.weak(open(self, "weak", 2))
end

function Reference:same_actor(other)
  local cell = open(self, "same_actor", 2)
  local ok = getmetatable(other) == Reference or getmetatable(other) == Weak
  check.argument(ok, 1, "same_actor", "reference expected", 2)
  return other.cell == cell
end

function Reference:name()
  return self.cell and self.cell.name or self.label
end

function Reference:stats()
  local cell = open(self, "stats", 2)
  local tx = self.tx or cell.tx
  local stats = tx and tx:stats() or { sent = 0, received = 0, len = 0, high_water = 0, waiting_senders = 0 }
  stats.restarts = cell.restarts
  return stats
end

function Reference:drop()
  local cell, tx = self.cell, self.tx
  if not cell then return true end
  self.label, self.cell, self.tx, self.shared = cell.name, nil, nil, nil
  if tx then tx:drop() end
  return true
end

Reference.close = Reference.drop
Reference.__close = Reference.drop

function Reference:__tostring()
  local cell = self.cell
  if not cell then return ("actor.Reference (%s, dropped)"):format(self.label) end
  return ("actor.Reference (%s, %s)"):format(cell.name, cell.ended and cell.ended.how or "alive")
end

function Weak:upgrade()
  return reference.revive(self.cell)
end

function Weak:is_alive()
  self.cell:refresh()
  return not self.cell.ended
end

function Weak:name()
  return self.cell.name
end

function Weak:__tostring()
  local ended = self.cell.ended
  return ("actor.WeakReference (%s, %s)"):format(self.cell.name, ended and ended.how or "alive")
end

--- Sends an error to whoever waits for this reply; whether it was taken.
function reference.fail(reply, failure)
  if not reply or weir.type(reply) ~= "oneshot.Sender" then return false end
  return reply:send(FAILED, failure.err, failure.traceback) == true
end

return reference
