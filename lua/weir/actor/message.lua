-- SPDX-License-Identifier: MIT
-- What lies in a mailbox, how handles among the arguments travel, and what a caller gets back.
--
--   { "add", 2, a, b, reply = S }       the name, how many arguments, the arguments; a call has a
--                                       oneshot sender for the answer
--   { "add", 2, args = R, sealed = true }
--                                       with handles among the arguments: reply and arguments
--                                       wait in a oneshot, which moves them into itself and out
--                                       again into the actor's task, which then owns them
--
-- A message that is dropped unread drops its direct fields: a reply that nobody will send closes
-- there and then, and so does the oneshot with all the handles in it.

local weir = require "weir"
local check = require "weir.actor.check"

local unpack = table.unpack
local oneshot = weir.oneshot

local message = {}

-- The first value of an answer that is an error: FAILED, name of the actor, err, traceback.
message.FAILED = setmetatable({}, { __name = "weir.actor.FAILED" })

function message.pack(name, ...)
  return { name, select("#", ...), ... }
end

--- The place of the first handle among the arguments, or nil. Raises for a closed one.
function message.handles(msg, fname, level)
  return msg[2] > 0 and check.handles(msg, 3, msg[2] + 2, -1, fname, level + 1) or nil
end

--- Sends `msg` and the handles in it with a permit that is already ours. From the permit on nothing
--- here waits, and the handles move only after the message has been taken: if it is refused they
--- are still the caller's. `true` or `nil, reason`.
function message.post(permit, msg, reply)
  local out, args = oneshot()
  local envelope = { msg[1], msg[2], args = args }
  local ok, why = permit:send(envelope)
  if not ok then return nil, why end
  out:send(reply, unpack(msg, 3, msg[2] + 2))
  envelope.sealed = true
  return true
end

--- The reply (or nil) and the arguments, now owned by the running task.
function message.open(msg)
  if msg.args then return msg.args:try_recv() end
  return msg.reply, unpack(msg, 3, msg[2] + 2)
end

--- False for a message whose sender ran out of memory half-way: it was never sent.
function message.is_whole(msg)
  return not msg.args or msg.sealed
end

--- Drops a message that was received and will not be served.
function message.discard(msg)
  if msg.reply then msg.reply:drop() end
  if msg.args then msg.args:drop() end
end

-- Level 3 is the caller: `call` and `result` are reached by tail calls.
local function joined(cell, name, err, traceback)
  if type(err) ~= "string" then return err end
  return ("%s\nin actor '%s', handler '%s':\n%s\ncalled from:\n%s"):format(
    err, cell.name, name, traceback, debug.traceback(nil, 3))
end

--- What the caller gets: the answer's values as they are; an error of the handler is raised.
function message.result(cell, name, ...)
  local first, err, traceback = ...
  if first ~= message.FAILED then return ... end
  error(joined(cell, name, err, traceback), 0)
end

return message
