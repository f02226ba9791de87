-- console.lua -- a live table of a program on its terminal: tasks, channels, rates, backpressure.
-- SPDX-License-Identifier: MIT
--
--   snapshot, every interval --> sample: counts, rates since the last --> lines, as wide as the terminal
--
-- Not on a terminal it writes a line for each interval instead. It is a task like any other; only where
-- nothing but it is left to run does it end itself, so that a deadlock is found in spite of it.

local core = require "weir.core"
local pictures = require "weir.report.picture"
local words = require "weir.report.words"

local console = {}

local WIDTH, HEIGHT = 80, 24
local BUSIEST = 3       -- channels of a plain line

local colours = { red = "\27[31m", yellow = "\27[33m", green = "\27[32m", dim = "\27[2m", bold = "\27[1m" }
local states = { running = 1, ready = 2, waiting = 3 }

-- ---- numbers ----------------------------------------------------------------------------------------

local function thousands(n)
  local s = ("%d"):format(n)
  while true do
    local longer, changed = s:gsub("^(%-?%d+)(%d%d%d)", "%1,%2")
    if changed == 0 then return s end
    s = longer
  end
end

local function counted(n, noun)
  return ("%s %s%s"):format(thousands(n), noun, n == 1 and "" or "s")
end

local function rate(n)
  if not n then return "" end
  if n > 0 and n < 10 then return (("%.1f"):format(n):gsub("%.0$", "")) end
  if n >= 1e7 then return ("%.1fM"):format(n / 1e6) end
  return thousands(math.floor(n + 0.5))
end

local function memory(kilobytes)
  if kilobytes < 10240 then return thousands(math.floor(kilobytes)) .. " KB" end
  return ("%.1f MB"):format(kilobytes / 1024)
end

-- ---- a sample ---------------------------------------------------------------------------------------

-- Tasks that stand at the same place in the same state are one row.
local function group_tasks(picture, me)
  local groups, by_key, counts = {}, {}, { running = 0, ready = 0, waiting = 0 }
  for _, task in ipairs(picture.tasks) do
    if task.id ~= me then
      counts[task.status] = counts[task.status] + 1
      local wait = task.status == "waiting" and words.written(task) or ""
      local key = table.concat({ task.name, task.status, task.where, wait }, "\0")
      local group = by_key[key]
      if not group then
        group = { name = task.name, status = task.status, where = task.where, wait = wait, n = 0 }
        group.id = task.id
        groups[#groups + 1], by_key[key] = group, group
      end
      group.n = group.n + 1
    end
  end
  table.sort(groups, function(a, b)
    if a.status ~= b.status then return states[a.status] < states[b.status] end
    if a.n ~= b.n then return a.n > b.n end
    return a.id < b.id
  end)
  return groups, counts
end

-- Who has handles of these kinds to a channel: "producer", "12 tasks", "no task".
local function holders(picture, channel, kinds)
  local names, n = {}, 0
  for _, handle in ipairs(picture.by_channel[channel.id] or {}) do
    local owner = kinds[handle.kind] and handle.owner and picture.by_id[handle.owner]
    if owner and not names[owner.id] then
      names[owner.id], n = true, n + 1
      names[n] = owner.name
    end
  end
  if n == 0 then return "no task" end
  return n == 1 and names[1] or ("%d tasks"):format(n)
end

local function shown(channel)
  return channel.kind ~= "oneshot"
end

-- Numbers and rates of each channel; `last` remembers them, and the numbers by which they are called.
local function sample_channels(picture, last, elapsed)
  local rows, seen = {}, {}
  for _, channel in ipairs(picture.channels) do
    if shown(channel) then
      local before = last.channels[channel.id]
      if before and before.sent > channel.sent then before = nil end   -- another one, at its address
      if not before then last.number = last.number + 1 end
      local row = {
        number = before and before.number or last.number,
        kind = channel.kind, len = channel.len, capacity = channel.capacity, high = channel.high_water,
        senders = channel.senders, receivers = channel.receivers,
        waiting_senders = #channel.waiting_senders, waiting_receivers = #channel.waiting_receivers,
        sent = channel.sent, received = channel.received or 0, held = channel.held or 0,
        from = holders(picture, channel, pictures.senders),
        to = holders(picture, channel, pictures.receivers),
        made = pictures.made_at(picture, channel),
      }
      if before and elapsed > 0 then
        row.sent_rate = (row.sent - before.sent) / elapsed
        row.received_rate = channel.received and (row.received - before.received) / elapsed
        local growth = (row.len - before.len) / elapsed
        row.grows = channel.capacity == math.huge and growth > 0 and growth or nil
      end
      row.full = row.kind ~= "watch" and row.waiting_senders > 0
      row.lag = pictures.lag_of(picture, channel)
      seen[channel.id] = row
      rows[#rows + 1] = row
    end
  end
  last.channels = seen
  table.sort(rows, function(a, b) return a.number < b.number end)
  return rows
end

local function new_memory()
  return { channels = {}, number = 0, start = core.now() }
end

local function take(last, me)
  local picture = pictures.take(true)
  local elapsed = last.now and picture.now - last.now or 0
  local groups, counts = group_tasks(picture, me)
  last.now = picture.now
  return {
    time = picture.now - last.start, groups = groups, counts = counts,
    tasks = counts.running + counts.ready + counts.waiting,
    channels = sample_channels(picture, last, elapsed), handles = #picture.handles,
    memory = collectgarbage "count", quiet = picture.quiet,
  }
end

-- ---- lines ------------------------------------------------------------------------------------------

local function length(s)
  return utf8.len(s) or #s
end

-- The text in so many columns; too long, it loses its middle.
local function fit(s, width)
  local n = length(s)
  if n <= width then return s .. (" "):rep(width - n) end
  if width <= 1 then return s:sub(1, width) end
  local head = (width - 1) // 2
  local tail = width - 1 - head
  local from = utf8.offset(s, -tail) or -tail
  return s:sub(1, (utf8.offset(s, head + 1) or head + 1) - 1) .. "~" .. s:sub(from)
end

local function right(s, width)
  return (" "):rep(width - length(s)) .. s
end

local function painter(colour)
  return function(name, text)
    if not colour or not name then return text end
    return colours[name] .. text .. "\27[0m"
  end
end

-- "[######....]", red where senders wait for room, yellow from half on
local function bar(row, columns, paint)
  if row.kind == "watch" then return (" "):rep(columns) end
  if row.capacity == math.huge then return paint(row.grows and "yellow", fit("no limit", columns)) end
  local part = math.min((row.len + row.held) / row.capacity, 1)
  local n = math.ceil(part * (columns - 2))
  local name = row.full and "red" or part >= 0.5 and "yellow" or "green"
  return "[" .. paint(name, ("#"):rep(n)) .. paint("dim", ("."):rep(columns - 2 - n)) .. "]"
end

local function fill(row)
  if row.kind == "watch" then return "" end
  if row.capacity == math.huge then return thousands(row.len) end
  return ("%s/%s"):format(thousands(row.len), thousands(row.capacity))
end

-- What slows it down, the worst first.
local function pressure(row)
  local parts = {}
  if row.full then parts[1] = ("%d wait to send"):format(row.waiting_senders) end
  if row.lag then parts[#parts + 1] = ("lags by %s"):format(thousands(row.lag)) end
  if row.grows then parts[#parts + 1] = ("grows by %s/s"):format(rate(row.grows)) end
  if row.waiting_receivers > 0 then parts[#parts + 1] = ("%d idle"):format(row.waiting_receivers) end
  if row.senders == 0 then parts[#parts + 1] = "no sender" end
  if row.receivers == 0 then parts[#parts + 1] = "no receiver" end
  return table.concat(parts, ", ")
end

-- Who sends to whom, in so many columns: each of the two names loses its middle, if need be.
local function what(row, width)
  local way = ("%s > %s"):format(row.from, row.to)
  if row.made then way = ("%s  %s"):format(row.made, way) end
  if row.made or not width or length(way) <= width then return way end
  local free = width - 3
  local left = math.min(length(row.from), math.max(free - length(row.to), free // 2))
  return ("%s > %s"):format(fit(row.from, left), fit(row.to, free - left))
end

-- How many columns each cell gets: a narrow terminal has a short bar, and no `most`.
local function layout(width)
  local wide = width >= 110
  local l = { bar = wide and 12 or 8, fill = wide and 11 or 7, most = wide and 7 or 0 }
  l.rate = wide and 8 or 6
  local free = width - (3 + 1 + 9 + 1 + l.bar + 1 + l.fill + (wide and 8 or 0) + 2 * (l.rate + 1) + 3)
  l.state = math.min(math.max(free * 45 // 100, math.min(15, free - 8)), 30)
  l.name = math.max(free - l.state, 8)
  return l
end

local function channel_line(l, cells)
  return table.concat({
    right(cells[1], 3), fit(cells[2], 9), fit(cells[3], l.name), cells[4], right(cells[5], l.fill),
    l.most > 0 and right(cells[6], l.most) or nil,
  }, " ") .. (" %s %s  %s"):format(right(cells[7], l.rate), right(cells[8], l.rate), cells[9])
end

local function channel_lines(lines, sample, width, paint)
  local l = layout(width)
  lines[#lines + 1] = ""
  lines[#lines + 1] = paint("bold", channel_line(l, {
    "#", "channel", "from > to", fit("", l.bar), "fill", "most", "in/s", "out/s", fit("state", l.state),
  }))
  for _, row in ipairs(sample.channels) do
    local name = row.full and "red" or (row.lag or row.grows) and "yellow"
    lines[#lines + 1] = channel_line(l, {
      tostring(row.number), row.kind, what(row, l.name), bar(row, l.bar, paint), fill(row),
      row.high and thousands(row.high) or "", rate(row.sent_rate), rate(row.received_rate),
      paint(name, fit(pressure(row), l.state)),
    })
  end
end

local function task_lines(lines, sample, width, paint)
  local free = width - 18
  local name, where = free * 3 // 10, free * 4 // 10
  local wait = free - name - where
  lines[#lines + 1] = ""
  lines[#lines + 1] = paint("bold", ("%6s %-8s %s %s %s"):format("tasks", "state", fit("name", name),
    fit("at", where), fit("waits in", wait)))
  for _, group in ipairs(sample.groups) do
    lines[#lines + 1] = table.concat({
      right(thousands(group.n), 6),
      paint(group.status == "waiting" and "dim" or "green", fit(group.status, 8)),
      fit(group.name, name), fit(group.where, where), fit(group.wait, wait),
    }, " ")
  end
end

local function head(sample)
  local states_of = {}
  for _, state in ipairs { "running", "ready", "waiting" } do
    local n = sample.counts[state]
    if n > 0 then states_of[#states_of + 1] = ("%s %s"):format(thousands(n), state) end
  end
  return ("weir %.1f s  %s%s  %s  %s  %s"):format(sample.time, counted(sample.tasks, "task"),
    #states_of > 0 and (" (%s)"):format(table.concat(states_of, ", ")) or "",
    counted(#sample.channels, "channel"), counted(sample.handles, "handle"), memory(sample.memory))
end

-- Keep a part of a table that may be too long; say how much is not shown.
local function cut(lines, most, noun)
  if #lines <= most then return end
  local more = #lines - most + 1
  for i = #lines, most, -1 do lines[i] = nil end
  lines[most] = ("    ... %d more %s"):format(more, noun)
end

local function render(sample, width, height, colour)
  local paint = painter(colour)
  local lines = { paint("bold", fit(head(sample), width)) }
  local channels, tasks = {}, {}
  channel_lines(channels, sample, width, paint)
  task_lines(tasks, sample, width, paint)
  local free = height - 1
  cut(channels, math.max(free - #tasks, free // 2), "channels")
  cut(tasks, math.max(free - #channels, 3), "rows")
  if #channels > 2 then table.move(channels, 1, #channels, #lines + 1, lines) end
  table.move(tasks, 1, #tasks, #lines + 1, lines)
  return lines
end

-- One line for a log: the tasks, and the channels where most happens.
local function plain(sample)
  local busy = {}
  for _, row in ipairs(sample.channels) do
    local lost = row.senders == 0 or row.receivers == 0
    if row.full or lost or row.len > 0 or (row.sent_rate or 0) > 0 then busy[#busy + 1] = row end
  end
  table.sort(busy, function(a, b)
    if a.full ~= b.full then return a.full end
    local x, y = a.sent_rate or 0, b.sent_rate or 0
    if x == y then return a.number < b.number end
    return y < x
  end)
  local parts = { head(sample) }
  for i, row in ipairs(busy) do
    if i > BUSIEST then
      parts[#parts + 1] = ("%d more channels"):format(#busy - BUSIEST)
      break
    end
    local state, text = pressure(row), ("%d %s %s %s"):format(row.number, row.kind, what(row), fill(row))
    if row.sent_rate then text = ("%s, %s in/s"):format(text, rate(row.sent_rate)) end
    if row.received_rate then text = ("%s, %s out/s"):format(text, rate(row.received_rate)) end
    parts[#parts + 1] = state ~= "" and text .. ", " .. state or text
  end
  return table.concat(parts, "; ")
end

-- ---- the task ---------------------------------------------------------------------------------------

local known = {
  interval = "number", out = "userdata", width = "number", height = "number", plain = "boolean",
  colour = "boolean",
}

local function check(options, name)
  options = options or {}
  if type(options) ~= "table" then
    error(("bad argument #1 to '%s' (table of options expected, got %s)"):format(name, core.type(options)
      or type(options)), 3)
  end
  for key, value in pairs(options) do
    if not known[key] then
      error(("bad argument #1 to '%s' (unknown option '%s')"):format(name, tostring(key)), 3)
    elseif type(value) ~= known[key] then
      error(("bad argument #1 to '%s' (option '%s': %s expected, got %s)"):format(name, key, known[key],
        type(value)), 3)
    end
  end
  local interval = options.interval or 1
  if interval <= 0 or interval ~= interval then
    error(("bad argument #1 to '%s' (option 'interval': a time above 0 expected)"):format(name), 3)
  end
  return options
end

-- How wide and high to write, and whether to draw at all.
local function screen(options, out)
  local columns, rows = core.terminal(out)
  local draws = not options.plain and (columns ~= nil or options.width ~= nil)
  local colour = options.colour
  if colour == nil then colour = columns ~= nil end
  return draws, math.max((options.width or columns or WIDTH) // 1, 60),
    (options.height or rows or HEIGHT) // 1, colour
end

local function draw(out, sample, width, height, colour)
  local lines = render(sample, width, height - 1, colour)
  out:write("\27[H", table.concat(lines, "\27[K\n"), "\27[K\n\27[J")
  out:flush()
end

local unlisted = setmetatable({}, { __close = function() core.listing(false) end })

local function watch(options)
  local out, interval = options.out or io.stderr, options.interval or 1
  local me, last, cleared = core.current():id(), new_memory(), false
  core.current():name "weir.console"
  core.listing(true)
  local _ <close> = unlisted
  while true do
    local sample = take(last, me)
    local draws, width, height, colour = screen(options, out)
    if draws then
      if not cleared then out:write "\27[2J" end
      cleared = true
      draw(out, sample, width, height, colour)
    else
      out:write(plain(sample), "\n")
      out:flush()
    end
    if sample.quiet then return end               -- nothing else can happen: let the run say so
    core.sleep(interval)
  end
end

--- Show the program on a terminal, anew every `interval` seconds (1); elsewhere, or if `plain`, write a line.
-- `out` is the file (io.stderr); `width`, `height` and `colour` are the terminal's unless given.
-- Returns its task: abort it to end the show.
function console.start(options)
  options = check(options, "start")
  return core.spawn(watch, options)
end

--- One picture of the program as it is now, as a string of lines of at most `width` columns (80).
-- Rates need a picture before: console.frame remembers the last it made.
function console.frame(options)
  options = check(options, "frame")
  console.last = console.last or new_memory()
  local sample = take(console.last, nil)
  local lines = render(sample, math.max((options.width or WIDTH) // 1, 60), (options.height or HEIGHT) // 1,
    options.colour or false)
  for i, line in ipairs(lines) do lines[i] = options.colour and line or line:gsub("%s+$", "") end
  return table.concat(lines, "\n")
end

return console
