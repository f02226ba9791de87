-- SPDX-License-Identifier: MIT
-- The growth figures as a table and as a picture of small charts.
--
--   lua growth_report.lua GROWTH.tsv CHART.svg
local svg = require "svg"

local PANELS = {
  { title = "tasks that take turns", unit = "ns per turn", { "tasks", "weir", "" } },
  { title = "channels used in turn", unit = "ns per message", { "channels", "weir", "" } },
  { title = "branches in a select", unit = "ns per select",
    { "branches_ready", "weir", "all ready" }, { "branches_waiting", "go", "all waiting" } },
  { title = "sleeping tasks", unit = "ns per sleep", { "timers", "weir", "" } },
  { title = "messages in a buffer", unit = "ns per message, in and out",
    { "messages", "weir", "bounded" }, { "messages_unbounded", "go", "unbounded" } },
  { title = "pause of the collector", unit = "longest in µs, by messages held", scale = 1e-3,
    { "pause_channel", "weir", "channel" }, { "pause_table", "go", "table by hand" } },
  { title = "memory of a task", unit = "bytes", bytes = true, { "tasks", "weir", "waiting its turn" },
    { "timers", "go", "asleep" } },
  { title = "memory of a channel", unit = "bytes", bytes = true, { "channels", "weir", "" } },
  { title = "memory of a message", unit = "bytes in a buffer", bytes = true,
    { "messages", "weir", "bounded" }, { "messages_unbounded", "go", "unbounded" } },
}

local COLUMNS, WIDTH, HEIGHT, HEAD = 3, 320, 226, 62

local function read(path)
  local series, operations, counts = {}, {}, {}
  for line in io.lines(path) do
    local name, n, ns, bytes = line:match "^GROWTH\t(%S+)\t(%d+)\t(%S+)\t(%S*)$"
    if name then
      series[name] = series[name] or {}
      table.insert(series[name], { n = tonumber(n), ns = tonumber(ns), bytes = tonumber(bytes) })
    end
    local operation, number, instructions = line:match "^BYSTANDERS\t(%S+)\t(%d+)\t(%S+)$"
    if operation then
      if not counts[operation] then
        counts[operation] = {}
        operations[#operations + 1] = operation
      end
      counts[operation][tonumber(number)] = tonumber(instructions)
    end
  end
  return series, operations, counts
end

local function short(n)
  if n >= 1e6 then return ("%gM"):format(n / 1e6) end
  if n >= 1e3 then return ("%gk"):format(n / 1e3) end
  return ("%g"):format(n)
end

local function value(panel, point) return (panel.bytes and point.bytes or point.ns) * (panel.scale or 1) end

-- The y axis is logarithmic too, and never shows less than a factor of a hundred: what is flat looks flat.
local function extent(panel, series)
  local low, high, last = math.huge, 0, 1
  for _, line in ipairs(panel) do
    for _, point in ipairs(series[line[1]] or {}) do
      local v = value(panel, point)
      low, high, last = math.min(low, v), math.max(high, v), math.max(last, point.n)
    end
  end
  local bottom, top = math.floor(math.log(low, 10)), math.ceil(math.log(high, 10))
  while top - bottom < 2 do top = top + 1 end
  return bottom, top, math.log(last, 10)
end

local function draw_panel(p, panel, series, x, y)
  local bottom, top, last = extent(panel, series)
  local x0, x1, y0, y1 = x + 50, x + WIDTH - 18, y + HEIGHT - 38, y + 46
  local function px(n) return x0 + (x1 - x0) * math.log(n, 10) / math.max(last, 1) end
  local function py(v) return y0 - (y0 - y1) * (math.log(v, 10) - bottom) / (top - bottom) end
  p:text(x + 12, y + 18, panel.title, "ink", { bold = true })
  p:text(x + 12, y + 35, panel.unit, "faint", { size = 11 })
  for e = bottom, top do
    p:line(x0, py(10 ^ e), x1, py(10 ^ e), "rule")
    p:text(x0 - 6, py(10 ^ e) + 4, short(10 ^ e), "faint", { anchor = "end", size = 11 })
  end
  for e = 0, math.floor(last) do
    p:text(px(10 ^ e), y0 + 16, short(10 ^ e), "faint", { anchor = "middle", size = 11 })
  end
  for i, line in ipairs(panel) do
    local points, form = {}, i == 1 and "circle" or "square"
    for _, point in ipairs(series[line[1]] or {}) do
      points[#points + 1] = { px(point.n), py(math.max(value(panel, point), 10 ^ bottom)) }
    end
    if #points > 0 then
      p:path(points, line[2])
      for _, point in ipairs(points) do p:mark(form, point[1], point[2], 3.2, line[2]) end
    end
    if line[3] ~= "" then -- the key, above the plot
      local at = y1 - 28 + (i - 1) * 15
      p:mark(form, x1 - 92, at, 3.2, line[2])
      p:text(x1 - 84, at + 4, line[3], "ink", { size = 11 })
    end
  end
end

local function draw(path, series)
  local rows = math.ceil(#PANELS / COLUMNS)
  local p = svg.picture(COLUMNS * WIDTH, HEAD + rows * HEIGHT + 8)
  p:title "how weir's cost grows"
  p:text(12, 28, "How weir's cost grows with the number of things", "ink", { size = 18, bold = true })
  p:text(12, 50, "Both axes are logarithmic; a level line is a cost that does not grow.", "faint")
  for i, panel in ipairs(PANELS) do
    draw_panel(p, panel, series, (i - 1) % COLUMNS * WIDTH, HEAD + (i - 1) // COLUMNS * HEIGHT)
  end
  p:write(path)
end

local function print_series(series)
  local names, numbers, seen = {}, {}, {}
  for name, points in pairs(series) do
    names[#names + 1] = name
    for _, point in ipairs(points) do
      if not seen[point.n] then
        seen[point.n] = true
        numbers[#numbers + 1] = point.n
      end
    end
  end
  table.sort(names)
  table.sort(numbers)
  local head, rule = { "series" }, { "---" }
  for i, n in ipairs(numbers) do head[i + 1], rule[i + 1] = short(n), "---:" end
  print("| " .. table.concat(head, " | ") .. " |\n| " .. table.concat(rule, " | ") .. " |")
  for _, what in ipairs { "ns", "bytes" } do
    for _, name in ipairs(names) do
      local cells, any = { name .. ", " .. what }, false
      for i, n in ipairs(numbers) do
        cells[i + 1] = ""
        for _, point in ipairs(series[name]) do
          if point.n == n and point[what] then
            cells[i + 1] = ("%.0f"):format(point[what])
            any = true
          end
        end
      end
      if any then print("| " .. table.concat(cells, " | ") .. " |") end
    end
  end
end

local function print_operations(operations, counts)
  if #operations == 0 then return end
  print "\n| instructions of one operation, beside | 10 | 1,000 | 100,000 |\n| --- | ---: | ---: | ---: |"
  for _, name in ipairs(operations) do
    local c = counts[name]
    local title = name:gsub("_", " ")
    print(("| %s | %s | %s | %s |"):format(title, c[10] or "-", c[1000] or "-", c[100000] or "-"))
  end
end

local series, operations, counts = read(arg[1])
draw(arg[2], series)
print_series(series)
print_operations(operations, counts)
print("\nchart: " .. arg[2])
