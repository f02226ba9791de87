-- words.lua -- tasks, waits and handles of a picture in words.
-- SPDX-License-Identifier: MIT

local words = {}

-- Handles, or branches, of one wait that are listed.
words.LISTED = 8

function words.count(n, noun)
  return ("%d %s%s"):format(n, noun, n == 1 and "" or "s")
end

function words.label(task)
  if task.name == "[C]" or task.name == "?" then
    return ("task %d%s"):format(task.id, task.main and " (main)" or "")
  end
  return ("task %d %s"):format(task.id, task.name)
end

function words.seconds(s)
  if s < 0.0005 then return "0 s" end
  return (s < 10 and "%.3g s" or "%.0f s"):format(s)
end

-- ---- a wait in words --------------------------------------------------------------------------------

local names = {
  ["mpsc.Sender"] = "tx", ["mpmc.Sender"] = "tx", ["oneshot.Sender"] = "tx", ["watch.Sender"] = "tx",
  ["broadcast.Sender"] = "tx", ["mpsc.Receiver"] = "rx", ["mpmc.Receiver"] = "rx",
  ["oneshot.Receiver"] = "rx", ["watch.Receiver"] = "rx", ["broadcast.Receiver"] = "rx",
  ["mpsc.Reservation"] = "reservation", Task = "task", JoinSet = "set", CancellationToken = "token",
  Timer = "timer", Interval = "interval", Semaphore = "semaphore", Notify = "notify", Mutex = "mutex",
  RwLock = "rwlock", Barrier = "barrier", Once = "once",
}

-- The wait as it was written: `rx:recv()`, `for ... in rx`.
function words.written(task)
  local branch = task.branches and task.branches[1]
  if task.select then return "weir.select" end
  if not branch then return "its wait" end
  if branch.op == "scope" then return "weir.scope" end
  if branch.op == "sleep" then return "weir.sleep()" end
  local name = branch.variable or names[branch.kind] or "handle"
  if branch.loop then return "for ... in " .. name end
  if branch.op == "reserve" and branch.kind == "mpsc.Reservation" then return name .. ":wait()" end
  return ("%s:%s()"):format(name, branch.op)
end

-- "recv on mpsc.Receiver (open, 0 of 2 buffered)"
local function waited_for(branch)
  if not branch.kind then return branch.op end
  local fill = branch.fill ~= "" and (" (%s)"):format(branch.fill) or ""
  if branch.task then return ("%s on task %d"):format(branch.op, branch.task) end
  return ("%s on %s%s"):format(branch.op, branch.kind, fill)
end

-- "recv on mpsc.Receiver (...), 1 sender on the other side"
function words.wait_and_side(picture, branch)
  local who, text = branch.who, waited_for(branch)
  if branch.task then
    local task = picture.by_id[branch.task]
    return task and ("%s for the end of %s"):format(branch.op, words.label(task)) or text
  elseif branch.members then
    return ("%s, %s unfinished"):format(text, words.count(#branch.members, "task"))
  elseif who.unknown then
    return text
  elseif who.noun == "guard" or who.noun == "permit" or who.noun == "drop guard" then
    return ("%s, %s out"):format(text, words.count(who.n, who.noun))
  end
  return ("%s, %s on the other side"):format(text, words.count(who.n, who.noun))
end

function words.waiting_for(task)
  local branches = task.branches
  if task.status ~= "waiting" or not branches or not branches[1] then return nil end
  if not task.select then return waited_for(branches[1]) end
  local parts = {}
  for i, branch in ipairs(branches) do
    if i > words.LISTED then
      parts[i] = "..."
      break
    end
    parts[i] = waited_for(branch)
  end
  return ("select over %d branches: %s"):format(#branches, table.concat(parts, "; "))
end

-- "held by task 3 reader", "nobody's, in variable tx of task 1"
local function whose(picture, handle, waiter)
  if handle.owner then
    if waiter and handle.owner == waiter.id then return "owned by the task itself" end
    return "owned by " .. words.label(picture.by_id[handle.owner])
  end
  local parts = {}
  for i, holder in ipairs(picture.holders[handle.id] or {}) do
    if i > 3 then break end
    local where = holder.task == 0 and "outside of tasks"
      or waiter and holder.task == waiter.id and "of the task itself"
      or "of " .. words.label(picture.by_id[holder.task])
    parts[i] = ("variable %s %s"):format(holder.name, where)
  end
  return "owned by no task" .. (parts[1] and ", " .. table.concat(parts, ", ") or "")
end

function words.handle_line(picture, handle, waiter)
  return ("%s %s%s"):format(handle.kind, whose(picture, handle, waiter),
    handle.made and ", made at " .. handle.made or "")
end

return words
