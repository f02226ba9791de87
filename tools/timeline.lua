-- timeline.lua -- a trace of weir.trace as a picture: lua5.4 tools/timeline.lua trace.json >trace.svg
-- SPDX-License-Identifier: MIT
--
-- One row a task, its slices, an arrow for each message, below them the fill of each channel. For looking at
-- a trace where there is no browser; it reads only what weir writes, one event a line.

local WIDTH, LEFT, ROW, CHART, TOP = 1200, 190, 26, 44, 34
local colours = { "#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759", "#76b7b2", "#9c755f", "#edc948" }

local function unquote(s)
  return (s:gsub("\\(.)", "%1"))
end

local function field(line, key)
  local text = line:match('"' .. key .. '":"(.-[^\\])"') or line:match('"' .. key .. '":"()"') and ""
  if text then return unquote(text) end
  return tonumber(line:match('"' .. key .. '":([%-%d%.]+)'))
end

local function read(path)
  local rows, order, slices, flows, counters, names = {}, {}, {}, {}, {}, {}
  local last = 0
  for line in io.lines(path) do
    local ph, tid, ts = field(line, "ph"), field(line, "tid"), field(line, "ts")
    if ph == "M" and line:find('"thread_name"', 1, true) then
      names[tid] = line:match('"args":{"name":"(.-)"}')
    elseif ph == "X" then
      if not rows[tid] then order[#order + 1], rows[tid] = tid, true end
      local to = ts + field(line, "dur")
      slices[#slices + 1] = { tid = tid, from = ts, to = to, name = field(line, "name") }
      last = math.max(last, slices[#slices].to)
    elseif ph == "s" then
      flows[field(line, "id")] = { tid = tid, ts = ts, name = field(line, "name") }
    elseif ph == "f" then
      local flow = flows[field(line, "id")]
      flow.to, flow.to_ts = tid, ts
    elseif ph == "C" then
      local name = field(line, "name")
      local counter = counters[name] or { name = name }
      if not counters[name] then
        counters[name], counters[#counters + 1] = counter, counter
      end
      counter[#counter + 1] = { ts = ts, value = field(line, "buffered") }
      last = math.max(last, ts)
    end
  end
  table.sort(order)
  return { order = order, slices = slices, flows = flows, counters = counters, names = names, last = last }
end

local function escape(s)
  return (s:gsub("[<>&]", { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" }))
end

-- A long time that nobody runs is cut to a short gap, marked, so that what happens fills the picture.
local function scale_of(trace)
  local GAP, LONG = trace.last / 400, math.max(trace.last / 40, 100)
  table.sort(trace.slices, function(a, b) return a.from < b.from end)
  local origin = trace.slices[1] and trace.slices[1].from or 0
  local cuts, at, removed = {}, origin, 0
  for _, slice in ipairs(trace.slices) do
    if slice.from - at > LONG then
      removed = removed + (slice.from - at) - 2 * GAP
      cuts[#cuts + 1] = { from = at + GAP, to = slice.from - GAP, removed = removed }
    end
    at = math.max(at, slice.to)
  end
  local total = math.max(trace.last - origin - removed, 1)
  local function x(ts)
    local less = 0
    for _, cut in ipairs(cuts) do
      if ts >= cut.to then
        less = cut.removed
      elseif ts > cut.from then
        ts = cut.from
      end
    end
    return LEFT + (math.max(ts, origin) - origin - less) / total * (WIDTH - LEFT - 20)
  end
  return x, cuts
end

local function draw(trace)
  local out, y_of = {}, {}
  local function put(...) out[#out + 1] = string.format(...) end
  local x, cuts = scale_of(trace)
  local height = TOP + #trace.order * ROW + #trace.counters * CHART + 20
  put('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="DejaVu Sans, sans-serif" '
    .. 'font-size="12"><rect width="100%%" height="100%%" fill="#fff"/>', WIDTH, height)
  put('<defs><marker id="a" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" '
    .. 'orient="auto"><path d="M0,0 L6,3 L0,6 z" fill="#555"/></marker></defs>')
  put('<text x="8" y="18" fill="#555">%.0f microseconds, %d slices%s</text>', trace.last, #trace.slices,
    #cuts > 0 and "; time at rest is cut out" or "")
  for i, tid in ipairs(trace.order) do
    local y = TOP + (i - 1) * ROW
    y_of[tid] = y + ROW / 2
    local shade = i % 2 == 1 and "#f5f5f5" or "#fff"
    put('<rect x="0" y="%d" width="%d" height="%d" fill="%s"/>', y, WIDTH, ROW, shade)
    put('<text x="8" y="%.1f" fill="#222">%s</text>', y + ROW / 2 + 4, escape(trace.names[tid] or "?"))
  end
  for _, cut in ipairs(cuts) do
    local at = (x(cut.from) + x(cut.to)) / 2
    put('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#bbb" stroke-dasharray="2,3"/>', at, TOP, at,
      height - 16)
    put('<text x="%.1f" y="%d" fill="#888" font-size="10" text-anchor="middle">%.0f µs</text>', at,
      height - 4, cut.to - cut.from)
  end
  for _, slice in ipairs(trace.slices) do
    local from, to = x(slice.from), x(slice.to)
    put('<rect x="%.2f" y="%.1f" width="%.2f" height="%d" rx="1.5" fill="%s"><title>%s</title></rect>',
      from, y_of[slice.tid] - 8, math.max(to - from, 1.5), 16, colours[slice.tid % #colours + 1],
      escape(slice.name))
  end
  for _, flow in pairs(trace.flows) do
    if flow.to and y_of[flow.tid] and y_of[flow.to] then
      local x1, x2, y1, y2 = x(flow.ts), x(flow.to_ts), y_of[flow.tid], y_of[flow.to]
      local bend = math.max(8, (x2 - x1) / 2)
      put('<path d="M%.1f,%.1f C%.1f,%.1f %.1f,%.1f %.1f,%.1f" fill="none" stroke="#555" '
        .. 'stroke-width="0.9" opacity="0.75" marker-end="url(#a)"/>', x1, y1, x1 + bend, y1, x2 - bend, y2,
        x2, y2)
    end
  end
  for i, counter in ipairs(trace.counters) do
    local bottom = TOP + #trace.order * ROW + i * CHART - 8
    local most = 1
    for _, point in ipairs(counter) do most = math.max(most, point.value) end
    local path, level = { ("M%d,%.1f"):format(LEFT, bottom) }, bottom
    for _, point in ipairs(counter) do
      local px, py = x(point.ts), bottom - point.value / most * (CHART - 16)
      path[#path + 1] = ("L%.1f,%.1f L%.1f,%.1f"):format(px, level, px, py)
      level = py
    end
    path[#path + 1] = ("L%d,%.1f L%d,%.1f z"):format(WIDTH - 20, level, WIDTH - 20, bottom)
    put('<path d="%s" fill="#cfe0f0" stroke="#4e79a7"/>', table.concat(path, " "))
    put('<text x="8" y="%.1f" fill="#222">%s</text><text x="%d" y="%.1f" fill="#888" text-anchor="end" '
      .. 'font-size="10">%d</text>', bottom - 8, escape(counter.name), LEFT - 6, bottom - CHART + 24, most)
  end
  put('</svg>')
  return table.concat(out, "\n") .. "\n"
end

local path = ...
if not path then
  io.stderr:write("usage: timeline.lua trace.json >trace.svg\n")
  os.exit(2)
end
io.write(draw(read(path)))
