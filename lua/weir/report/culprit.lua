-- culprit.lua -- what is wrong where nothing can go on: one sentence.
-- SPDX-License-Identifier: MIT
--
-- Looked for in this order, first in what the main task waits for, then everywhere: a wait that only the task
-- itself could end, a circle of tasks, a wait that nobody could end.

local pictures = require "weir.report.picture"
local words = require "weir.report.words"

local culprits = {}

-- "rx:recv() at a.lua:12", and whose it is if there are others
local function at(picture, task)
  local where = ("%s at %s"):format(words.written(task), task.where)
  return #picture.tasks > 1 and ("%s in %s"):format(where, words.label(task)) or where
end

-- "a sender", "3 senders", "an answer"
local function one_or_more(n, noun)
  if n > 1 then return words.count(n, noun) end
  return (noun:find "^[aeiou]" and "an " or "a ") .. noun
end

-- What the wait is for, of n handles: "a sender", "room in a channel whose receiver".
local function object(branch, n)
  local noun = branch.who.noun
  if branch.op == "call" and branch.sent then return "an answer", "" end
  if pictures.sides[branch.op] and pictures.sides[branch.op][1] == pictures.room or branch.op == "call" then
    return "room in a channel whose " .. (n > 1 and words.count(n, noun) or noun), "whose"
  end
  return one_or_more(n, noun), "that"
end

local function variables(picture, handles, id)
  local found = {}
  for _, handle in ipairs(handles) do
    for _, holder in ipairs(picture.holders[handle.id] or {}) do
      if holder.task == id and #found < 3 then found[#found + 1] = holder.name end
    end
  end
  return #found > 0 and (" (variable %s)"):format(table.concat(found, ", ")) or ""
end

local function made(handles)
  local handle = handles[1]
  return handle and handle.made and (", made at %s"):format(handle.made) or ""
end

-- Does nobody but the task itself stand on the other side of this branch?
local function is_selfish(picture, task, branch)
  local who = branch.who
  if #who.handles == 0 or #who.handles < who.n then return false end
  for _, handle in ipairs(who.handles) do
    local own = false
    for _, id in ipairs(pictures.havers(picture, handle)) do
      if id ~= task.id then return false end
      own = true
    end
    if not own then return false end
  end
  return true
end

function culprits.self_sentence(picture, task)
  local branches = task.branches or {}
  if #branches == 0 then return nil end
  for _, branch in ipairs(branches) do
    if not is_selfish(picture, task, branch) then return nil end
  end
  local branch = branches[1]
  local handles = branch.who.handles
  local n, head = #handles, at(picture, task)
  local tail = variables(picture, handles, task.id) .. made(handles)
  if branch.op == "call" and branch.sent then
    return ("%s waits for an answer that only the task itself could give%s"):format(head, tail)
  end
  local what, link = object(branch, n)
  if link == "whose" then
    return ("%s waits for %s %s held by the task itself%s"):format(head, what, n > 1 and "are" or "is", tail)
  end
  return ("%s waits for %s that %s still held by the task itself%s"):format(head, what,
    n > 1 and "are" or "is", tail)
end

-- What a task wants of another: "waits for the end of task 3 x".
local function arrow_phrase(picture, arrow)
  local to, branch = picture.by_id[arrow.to], arrow.branch
  if not to then return "waits" end
  if branch.task or branch.members then return "waits for the end of " .. words.label(to) end
  if branch.op == "call" and branch.sent then return "waits for the answer of " .. words.label(to) end
  if pictures.sides[branch.op] and pictures.sides[branch.op][1] == pictures.room or branch.op == "call" then
    return "waits for room that the receiver of " .. words.label(to) .. " could make"
  end
  return ("waits for the %s of %s"):format(branch.who.noun, words.label(to))
end

function culprits.circle_sentence(picture, circle)
  if #circle == 2 then
    local parts = {}
    for i, step in ipairs(circle) do
      parts[i] = ("%s at %s %s"):format(words.written(step.task), step.task.where,
        arrow_phrase(picture, step.arrow))
    end
    return ("%s and %s wait for each other: %s"):format(words.label(circle[1].task),
      words.label(circle[2].task), table.concat(parts, ", "))
  end
  local ids = {}
  for i, step in ipairs(circle) do
    if i > words.LISTED then
      ids[i] = ("%d more"):format(#circle - words.LISTED)
      break
    end
    ids[i] = words.label(step.task)
  end
  ids[#ids + 1] = words.label(circle[1].task)
  return ("%d tasks wait for each other in a circle: %s"):format(#circle, table.concat(ids, " -> "))
end

-- Depth first along the arrows from `task`: calls found.task(task) for each, and found.circle(steps) for each
-- circle of two or more.
function culprits.search(picture, task, seen, path, found)
  seen[task.id] = "open"
  path[#path + 1] = { task = task }
  found.task(task)
  for _, arrow in ipairs(task.arrows) do
    local to = picture.by_id[arrow.to]
    path[#path].arrow = arrow
    if to and to.id ~= task.id and seen[to.id] == "open" then
      local first = #path
      while path[first].task ~= to do first = first - 1 end
      found.circle(table.move(path, first, #path, 1, {}))
    elseif to and not seen[to.id] then
      culprits.search(picture, to, seen, path, found)
    end
  end
  path[#path] = nil
  seen[task.id] = "done"
end

local function mixed_sentence(picture, task)
  for _, branch in ipairs(task.branches or {}) do
    local mine = {}
    for _, handle in ipairs(branch.who.handles) do
      for _, id in ipairs(pictures.havers(picture, handle)) do
        if id == task.id then mine[#mine + 1] = handle end
      end
    end
    if #mine > 0 and branch.who.noun == "sender" then
      return ("%s waits for %s, %d of which %s still held by the task itself%s"):format(at(picture, task),
        words.count(branch.who.n, "sender"), #mine, #mine == 1 and "is" or "are",
        variables(picture, mine, task.id))
    end
  end
end

local nothing = {
  notified = "a notification",
  wait = "something",
  cancelled = "a cancellation",
  acquire = "a permit",
}

-- A task that waits for no task that could be named: for a handle that nobody has, or for what no handle
-- gives.
local function sink_sentence(picture, task)
  local branch = (task.branches or {})[1]
  if not branch or task.select then return nil end
  local who, head = branch.who, at(picture, task)
  if who.unknown or who.n == 0 then
    local what = nothing[branch.op]
    if branch.kind == "Barrier" then what = ("the others of a barrier (%s)"):format(branch.fill) end
    if branch.kind == "Semaphore" then what = ("a permit of a semaphore (%s)"):format(branch.fill) end
    if branch.kind == "Once" then what = "the value of a once cell" end
    if branch.kind == "Timer" or branch.kind == "Interval" then what = "a time that never comes" end
    if branch.op == "sleep" then return head .. " never ends" end
    return what and ("%s waits for %s, and no task is left that could bring it"):format(head, what)
  end
  local what, link = object(branch, who.n)
  local outside, some = false, false
  for _, handle in ipairs(who.handles) do
    for _, id in ipairs(pictures.havers(picture, handle)) do
      if id == 0 then outside = true else some = true end
    end
  end
  if some then return nil end
  local tail = variables(picture, who.handles, 0) .. made(who.handles)
  local verb = who.n > 1 and "belong" or "belongs"
  if branch.op == "call" and branch.sent then
    return ("%s waits for an answer, and its reply sender belongs to no task%s"):format(head, tail)
  end
  return ("%s waits for %s%s %s to no task%s%s"):format(head, what, link == "that" and " that" or "", verb,
    outside and ": it is kept outside of them" or
    ": it is kept in a variable, an upvalue, a table or a message that nobody receives", tail)
end

-- The first line: what is wrong, if that can be said.
function culprits.culprit(picture)
  local seen, own, circle, order = {}, nil, nil, {}
  local found = {}
  function found.task(task)
    order[#order + 1] = task
    own = own or culprits.self_sentence(picture, task)
  end
  function found.circle(steps)
    circle = circle or culprits.circle_sentence(picture, steps)
  end
  for _, main_first in ipairs { true, false } do
    for _, task in ipairs(picture.tasks) do
      if not seen[task.id] and (task.main or not main_first) then
        culprits.search(picture, task, seen, {}, found)
      end
    end
    if own or circle then return own or circle end
  end
  for _, sentence in ipairs { mixed_sentence, sink_sentence } do
    for _, task in ipairs(order) do
      local text = sentence(picture, task)
      if text then return text end
    end
  end
  return "every task waits, and nothing can wake one"
end

return culprits
