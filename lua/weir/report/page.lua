-- page.lua -- weir.dump: one readable page on a live program.
-- SPDX-License-Identifier: MIT

local culprits = require "weir.report.culprit"
local pictures = require "weir.report.picture"
local words = require "weir.report.words"

local PAGE = 50         -- rows of one section

-- Columns as wide as they need to be; the last is free.
local function add_rows(lines, rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i = 1, #row - 1 do widths[i] = math.max(widths[i] or 0, utf8.len(row[i]) or #row[i]) end
  end
  for n, row in ipairs(rows) do
    if n > PAGE then
      lines[#lines + 1] = ("  ... and %d more"):format(#rows - PAGE)
      break
    end
    local parts = {}
    for i, cell in ipairs(row) do
      if i == #row then
        parts[#parts + 1] = cell
      elseif widths[i] > 0 then
        parts[#parts + 1] = cell .. (" "):rep(widths[i] - (utf8.len(cell) or #cell))
      end
    end
    lines[#lines + 1] = "  " .. table.concat(parts, "  "):gsub("%s+$", "")
  end
end

local function on_channel(picture, branch)
  local number = picture.number[branch.channel]
  if branch.task then return "" end
  if branch.members then return (" (%s unfinished)"):format(words.count(#branch.members, "task")) end
  if number then return (" on channel %d (%s)"):format(number, picture.channels[number].kind) end
  if not branch.kind then return "" end
  return (" on %s%s"):format(branch.kind, branch.fill ~= "" and (" (%s)"):format(branch.fill) or "")
end

local function task_row(picture, task)
  local wait = ""
  if task.status == "waiting" and task.branches and task.branches[1] then
    wait = words.written(task)
    local parts = {}
    for i, branch in ipairs(task.branches) do
      if i <= words.LISTED then
        parts[i] = (task.select and tostring(branch.key) .. ":" or "") .. on_channel(picture, branch)
      end
    end
    wait = wait .. table.concat(parts, task.select and "; " or "")
    if task.due then wait = wait .. (", at most %s more"):format(words.seconds(task.due)) end
  end
  local age = task.age and words.seconds(task.age) .. " old" or ""
  return { words.label(task), age, "at " .. task.where, wait }
end

local function add_tasks(lines, picture)
  for _, status in ipairs { "running", "ready", "waiting" } do
    local rows = {}
    for _, task in ipairs(picture.tasks) do
      if task.status == status then rows[#rows + 1] = task_row(picture, task) end
    end
    if #rows > 0 then
      lines[#lines + 1] = status
      add_rows(lines, rows)
    end
  end
end

-- "2 senders (task 3; nobody)"
local function side(picture, channel, kinds, noun, n)
  local who, seen = {}, {}
  for _, handle in ipairs(picture.by_channel[channel.id] or {}) do
    if kinds[handle.kind] then
      local name = handle.owner and "task " .. handle.owner or "no task's"
      if not seen[name] then who[#who + 1] = name end
      seen[name] = true
    end
  end
  local text = words.count(n, noun)
  return #who > 0 and ("%s (%s)"):format(text, table.concat(who, ", ")) or text
end

local function fill(channel)
  if channel.kind == "watch" then return ("change %d"):format(channel.sent) end
  local text = channel.capacity == math.huge and words.count(channel.len, "message")
    or ("%d of %d"):format(channel.len, channel.capacity)
  if channel.held and channel.held > 0 then text = text .. (", %d reserved"):format(channel.held) end
  if channel.high_water then text = text .. (", most %d"):format(channel.high_water) end
  return text
end

local function waiters(list, verb)
  if #list == 0 then return nil end
  local ids = {}
  for i, id in ipairs(list) do
    if i > words.LISTED then
      ids[i] = ("%d more"):format(#list - words.LISTED)
      break
    end
    ids[i] = id == 0 and "a reservation" or "task " .. id
  end
  return ("%s %s %s"):format(table.concat(ids, ", "), #list == 1 and "waits" or "wait", verb)
end

local function channel_row(picture, channel, number)
  local tail = {
    side(picture, channel, pictures.senders, "sender", channel.senders),
    side(picture, channel, pictures.receivers, "receiver", channel.receivers),
  }
  local full = channel.kind == "mpsc" or channel.kind == "mpmc" or channel.kind == "broadcast"
  tail[#tail + 1] = waiters(channel.waiting_senders, full and "to send" or "for its end")
  tail[#tail + 1] = waiters(channel.waiting_receivers,
    channel.kind == "watch" and "for a change" or "to receive")
  local lag = pictures.lag_of(picture, channel)
  if lag then tail[#tail + 1] = ("the slowest receiver has missed %d"):format(lag) end
  if channel.closed then tail[#tail + 1] = "closed" end
  local place = pictures.made_at(picture, channel)
  if place then tail[#tail + 1] = "made at " .. place end
  return { tostring(number), channel.kind, fill(channel), table.concat(tail, "; ") }
end

local function add_channels(lines, picture)
  if #picture.channels == 0 then return end
  local rows = {}
  lines[#lines + 1] = "channels"
  for i, channel in ipairs(picture.channels) do rows[i] = channel_row(picture, channel, i) end
  add_rows(lines, rows)
end

local function add_arrows(lines, picture)
  local rows, seen = {}, {}
  for _, task in ipairs(picture.tasks) do
    for _, arrow in ipairs(task.arrows) do
      local to = picture.by_id[arrow.to]
      local key = task.id .. " " .. arrow.to
      if to and not seen[key] then
        seen[key] = true
        local wait = arrow.branch.op .. on_channel(picture, arrow.branch)
        local whom = to == task and "itself" or words.label(to)
        rows[#rows + 1] = { words.label(task), "->", whom .. ": " .. wait }
      end
    end
  end
  if #rows == 0 then return end
  lines[#lines + 1] = "waits for"
  add_rows(lines, rows)
end

-- Tasks that can never go on: each branch of theirs is for handles of which each is owned by one of them.
local function hopeless(picture)
  local dead = {}
  for _, task in ipairs(picture.tasks) do
    dead[task.id] = task.status == "waiting" and not task.due and not task.aborting
      and #(task.branches or {}) > 0
  end
  local function is_dead(branch)
    local who = branch.who
    if #who.handles + #who.tasks == 0 or #who.handles < who.n then return false end
    for _, id in ipairs(who.tasks) do
      if not dead[id] then return false end
    end
    for _, handle in ipairs(who.handles) do
      if not handle.owner or not dead[handle.owner] then return false end
    end
    return true
  end
  local behind, doubtful = {}, {}              -- who waits for a task; whom to look at again
  for _, task in ipairs(picture.tasks) do
    doubtful[#doubtful + 1] = task
    for _, arrow in ipairs(task.arrows) do
      behind[arrow.to] = behind[arrow.to] or {}
      table.insert(behind[arrow.to], task)
    end
  end
  while #doubtful > 0 do
    local task = table.remove(doubtful)
    local lives = not dead[task.id]
    for _, branch in ipairs(task.branches or {}) do lives = lives or not is_dead(branch) end
    if lives and dead[task.id] ~= nil then
      dead[task.id] = nil                       -- looked at, and not dead
      for _, waiter in ipairs(behind[task.id] or {}) do
        if dead[waiter.id] then doubtful[#doubtful + 1] = waiter end
      end
    end
  end
  return dead
end

local function add_circles(lines, picture)
  local dead, texts, seen = hopeless(picture), {}, {}
  local found = {}
  function found.task(task)
    if dead[task.id] then texts[#texts + 1] = culprits.self_sentence(picture, task) end
  end
  function found.circle(steps)
    for _, step in ipairs(steps) do
      if not dead[step.task.id] then return end
    end
    texts[#texts + 1] = culprits.circle_sentence(picture, steps)
  end
  for _, task in ipairs(picture.tasks) do
    if not seen[task.id] then culprits.search(picture, task, seen, {}, found) end
  end
  if #texts == 0 then return end
  lines[#lines + 1] = "can never go on"
  for _, text in ipairs(texts) do lines[#lines + 1] = "  " .. text end
end

--- One page on the live program.
return function()
  local picture = pictures.take(true)
  local by_status = {}
  for _, task in ipairs(picture.tasks) do by_status[task.status] = (by_status[task.status] or 0) + 1 end
  local parts = {}
  for _, status in ipairs { "running", "ready", "waiting" } do
    if by_status[status] then parts[#parts + 1] = ("%d %s"):format(by_status[status], status) end
  end
  local lines = { ("%s%s, %s, %s"):format(words.count(#picture.tasks, "task"),
    #parts > 0 and (" (%s)"):format(table.concat(parts, ", ")) or "",
    words.count(#picture.channels, "channel"),
    words.count(#picture.handles, "handle")) }
  add_tasks(lines, picture)
  add_channels(lines, picture)
  add_arrows(lines, picture)
  add_circles(lines, picture)
  return table.concat(lines, "\n")
end
