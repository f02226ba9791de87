-- picture.lua -- a snapshot of a program, and who could end each wait in it.
-- SPDX-License-Identifier: MIT
--
--   core.snapshot(true) --> picture --> blockers of each wait --> arrows between tasks
--
-- A wait is ended by handles: a recv by the senders of its channel, a send by its receivers, a lock by its
-- guard. Whoever owns such a handle, or has it in a variable, is who the wait is for. What the stacks do not
-- show (an upvalue of something that does not run, a table in a table, a global) belongs to nobody that could
-- be named.

local core = require "weir.core"

local pictures = {}

local function set(...)
  local t = {}
  for _, word in ipairs { ... } do t[word] = true end
  return t
end

local senders = set("mpsc.Sender", "mpmc.Sender", "mpsc.Permit", "mpsc.Reservation", "oneshot.Sender",
  "watch.Sender", "broadcast.Sender")
local receivers = set("mpsc.Receiver", "mpmc.Receiver", "oneshot.Receiver", "watch.Receiver",
  "broadcast.Receiver")
local room = set("mpsc.Receiver", "mpmc.Receiver", "mpsc.Permit", "broadcast.Receiver")
local guards = set("MutexGuard", "RwLockReadGuard", "RwLockWriteGuard")
local permits = set("SemaphorePermit")
local drop_guards = set("DropGuard")

-- By operation: which handles of the same channel, and what they are called.
local sides = {
  recv = { senders, "sender" },
  recv_many = { senders, "sender" },
  changed = { senders, "sender" },
  wait_for = { senders, "sender" },
  send = { room, "receiver" },
  reserve = { room, "receiver" },
  reserve_many = { room, "receiver" },
  closed = { receivers, "receiver" },
  lock = { guards, "guard" },
  read = { guards, "guard" },
  write = { guards, "guard" },
  get_or_init = { guards, "guard" },
  acquire = { permits, "permit" },
  cancelled = { drop_guards, "drop guard" },
}

-- The handles of a channel that are of the wanted kinds; a permit that is spent stands for nothing.
local function handles_of(picture, channel, kinds)
  local found = {}
  for _, handle in ipairs(channel and picture.by_channel[channel] or {}) do
    if kinds[handle.kind] and handle.permits ~= 0 then found[#found + 1] = handle end
  end
  return found
end

-- A call that was sent waits for its reply sender; while that lies in the mailbox, for the receiver there.
local function reply_side(picture, branch)
  local found = handles_of(picture, branch.reply, senders)
  for _, handle in ipairs(found) do
    if handle.owner or picture.holders[handle.id] then return found, "reply sender" end
  end
  return handles_of(picture, branch.channel, receivers), "receiver"
end

-- How many handles stand on a side of a channel: those that are known, or as many as the channel says.
local function number_of(picture, channel, kinds, handles)
  local info = picture.channel[channel]
  local n = not info and 0 or kinds == senders and info.senders or (kinds == room or kinds == receivers)
    and info.receivers or 0
  return math.max(n, #handles)
end

-- Who could end this branch of a wait: { noun =, n =, handles = { those known }, tasks = {...} }.
local function blockers(picture, branch)
  local side = sides[branch.op]
  if branch.op == "call" then
    if branch.sent then
      local handles, noun = reply_side(picture, branch)
      return { noun = noun, n = math.max(#handles, 1), handles = handles, tasks = {} }
    end
    side = sides.send
  end
  if branch.task then return { noun = "task", n = 0, handles = {}, tasks = { branch.task } } end
  if branch.members then return { noun = "task", n = 0, handles = {}, tasks = branch.members } end
  if not side then return { noun = "handle", n = 0, handles = {}, tasks = {}, unknown = true } end
  local handles = handles_of(picture, branch.channel, side[1])
  local n = number_of(picture, branch.channel, side[1], handles)
  return { noun = side[2], n = n, handles = handles, tasks = {} }
end

-- The tasks that have the handle: its owner, or those with it in a variable (0: outside of tasks).
function pictures.havers(picture, handle)
  if handle.owner then return { handle.owner } end
  local found = {}
  for _, holder in ipairs(picture.holders[handle.id] or {}) do found[#found + 1] = holder.task end
  return found
end

local function link_wait(picture, task, branch)
  local who = blockers(picture, branch)
  branch.who = who
  for _, id in ipairs(who.tasks) do
    task.arrows[#task.arrows + 1] = { to = id, branch = branch }
  end
  for _, handle in ipairs(who.handles) do
    for _, id in ipairs(pictures.havers(picture, handle)) do
      task.arrows[#task.arrows + 1] = { to = id, branch = branch, handle = handle }
    end
  end
end

-- The picture, with its parts found by number and the arrows between its tasks.
function pictures.take(deep)
  local picture = core.snapshot(deep)
  picture.holders = picture.holders or {}
  picture.by_id, picture.by_channel, picture.channel, picture.number = {}, {}, {}, {}
  for i, channel in ipairs(picture.channels) do
    picture.number[channel.id], picture.channel[channel.id] = i, channel
  end
  for _, handle in ipairs(picture.handles) do
    local list = picture.by_channel[handle.channel] or {}
    picture.by_channel[handle.channel] = list
    list[#list + 1] = handle
  end
  for _, task in ipairs(picture.tasks) do
    picture.by_id[task.id] = task
    task.arrows = {}
    for _, branch in ipairs(task.branches or {}) do link_wait(picture, task, branch) end
  end
  return picture
end

--- How many messages the slowest receiver of a broadcast has lost already; nil if none.
function pictures.lag_of(picture, channel)
  local most = 0
  if channel.kind ~= "broadcast" then return nil end
  for _, handle in ipairs(picture.by_channel[channel.id] or {}) do
    most = math.max(most, (handle.behind or 0) - channel.len)
  end
  return most > 0 and most or nil
end

--- Where a channel was made, if that was noted: where its receiver was, or any handle.
function pictures.made_at(picture, channel)
  local first
  for _, handle in ipairs(picture.by_channel[channel.id] or {}) do
    first = first or handle.made
    if receivers[handle.kind] and handle.made then return handle.made end
  end
  return first
end

pictures.sides, pictures.room, pictures.senders, pictures.receivers = sides, room, senders, receivers

return pictures
