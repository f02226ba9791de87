-- report.lua -- the picture of a program: the deadlock report, weir.dump, weir.tasks, weir.channels.
-- SPDX-License-Identifier: MIT

local culprits = require "weir.report.culprit"
local page = require "weir.report.page"
local pictures = require "weir.report.picture"
local words = require "weir.report.words"

local report = { dump = page }

-- ---- the deadlock report ----------------------------------------------------------------------------

local function add_handles(lines, picture, branch, task, indent)
  for i, handle in ipairs(branch.who.handles) do
    if i > words.LISTED then
      lines[#lines + 1] = ("%s... and %d more"):format(indent, #branch.who.handles - words.LISTED)
      break
    end
    lines[#lines + 1] = indent .. words.handle_line(picture, handle, task)
  end
  local unknown = branch.who.n - #branch.who.handles
  if unknown > 0 then
    lines[#lines + 1] = ("%s%s owned by no task, in no variable of a task"):format(indent,
      words.count(unknown, branch.who.noun))
  end
end

-- The lines for one task of the deadlock report.
local function add_task(lines, picture, task)
  local head = ("  %s (%s at %s)"):format(words.label(task), task.status, task.where)
  local branches = task.branches or {}
  if task.select then
    lines[#lines + 1] = ("%s: waits in select over %d branches"):format(head, #branches)
    for i, branch in ipairs(branches) do
      if i > words.LISTED then
        lines[#lines + 1] = ("    ... and %d more"):format(#branches - words.LISTED)
        break
      end
      lines[#lines + 1] = ("    %s: %s"):format(tostring(branch.key), words.wait_and_side(picture, branch))
      add_handles(lines, picture, branch, task, "      ")
    end
  elseif branches[1] then
    lines[#lines + 1] = ("%s: waits in %s"):format(head, words.wait_and_side(picture, branches[1]))
    add_handles(lines, picture, branches[1], task, "    ")
  else
    lines[#lines + 1] = head
  end
end

--- The report that a run raises when nothing can ever run again.
function report.deadlock()
  local picture = pictures.take(true)
  local lines = { "deadlock: " .. culprits.culprit(picture) }
  for _, task in ipairs(picture.tasks) do add_task(lines, picture, task) end
  if not picture.debug and #lines > #picture.tasks + 1 then
    lines[#lines + 1] = "  (WEIR_DEBUG=1 or weir.debug(true) shows where each handle was made)"
  end
  return table.concat(lines, "\n")
end

-- ---- tables -----------------------------------------------------------------------------------------

--- Every unfinished task, oldest first.
function report.tasks()
  local list = {}
  for i, task in ipairs(pictures.take(false).tasks) do
    list[i] = {
      id = task.id, name = task.name, status = task.status, where = task.where,
      waiting_for = words.waiting_for(task), due = task.due, age = task.age,
    }
  end
  return list
end

local function public(picture, channel, number)
  local copy = {}
  for key, value in pairs(channel) do copy[key] = value end
  copy.id = number
  copy.made = pictures.made_at(picture, channel)
  return copy
end

--- Every channel to which a handle is left.
function report.channels()
  local picture, list = pictures.take(true), {}
  for i, channel in ipairs(picture.channels) do list[i] = public(picture, channel, i) end
  return list
end

return report
