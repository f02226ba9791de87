-- SPDX-License-Identifier: MIT
-- Draws the table as a picture: a line for each question, a mark for each peer, and weir as the measure
-- of all: what stands left of it is faster or smaller, what stands right of it slower or larger.
local svg = require "svg"

local chart = {}

local MARKS = {
  { "go", "Go", "circle" },
  { "tokio", "Tokio", "square" },
  { "handmade", "hand-written Lua", "up" },
  { "cqueues", "cqueues", "diamond" },
  { "tarantool", "Tarantool", "down" },
  { "erlang", "Erlang", "cross" },
  { "floor", "Lua's own floor", "ring" },
}

local WIDTH, ROW, TOP, BOTTOM = 940, 30, 104, 52
local LEFT, RIGHT, FIGURE = 262, 820, 926 -- the plot, and where weir's own figure ends
local TICKS = { 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64 }
local NAMES = { "1/8", "1/4", "1/2", "weir", "×2", "×4", "×8", "×16", "×32", "×64" }

local function position(ratio)
  local first, last = math.log(TICKS[1], 2) - 0.3, math.log(TICKS[#TICKS], 2) + 0.3
  local at = math.min(math.max(math.log(ratio, 2), first), last)
  return LEFT + (RIGHT - LEFT) * (at - first) / (last - first)
end

local function figure(f)
  local x = f.least
  if f.unit == "bytes" then return ("%.0f bytes"):format(x) end
  if x >= 1000 then return ("%.2f µs"):format(x / 1000) end
  return (x < 100 and "%.1f ns" or "%.0f ns"):format(x)
end

local function chosen(figures, rows, beside)
  local lines = {}
  for _, row in ipairs(rows) do
    local name, title = row[1], row[2]
    local mine = figures[name] and figures[name].weir
    local theirs = figures[beside[name] or name]
    if mine and theirs and (theirs.go or theirs.handmade) then
      lines[#lines + 1] = { title = title, mine = mine, theirs = theirs }
    end
  end
  return lines
end

local function draw_head(p)
  p:title "weir beside its peers"
  p:text(16, 28, "weir beside its peers", "ink", { size = 18, bold = true })
  p:text(16, 50, "Time or memory of each, on weir's scale: left of the line is less than weir, "
    .. "right of it is more. One core, least of all rounds.", "faint", { size = 12 })
  local x = 16
  for _, mark in ipairs(MARKS) do
    p:mark(mark[3], x + 6, 71, 5.5, mark[1])
    p:text(x + 18, 75.5, mark[2], "ink", { size = 12 })
    x = x + 40 + #mark[2] * 7.1
  end
end

local function draw_scale(p, count)
  local bottom = TOP + count * ROW
  for i, tick in ipairs(TICKS) do
    local x = position(tick)
    local own = tick == 1
    p:line(x, TOP, x, bottom, own and "weir" or "rule", own and 2.5 or 1)
    p:text(x, bottom + 18, NAMES[i], own and "weir" or "faint", { anchor = "middle", size = 12, bold = own })
  end
  p:text(position(0.35), bottom + 38, "← less than weir", "faint", { anchor = "middle", size = 12 })
  p:text(position(5.5), bottom + 38, "more than weir →", "faint", { anchor = "middle", size = 12 })
  p:text(FIGURE, TOP - 8, "weir's figure", "faint", { anchor = "end", size = 12 })
end

local function draw_row(p, line, y)
  p:text(LEFT - 14, y + 4.5, line.title, "ink", { anchor = "end" })
  for i = #MARKS, 1, -1 do -- the first peers lie on top
    local peer, form = MARKS[i][1], MARKS[i][3]
    local f = line.theirs[peer]
    if f then p:mark(form, position(f.least / line.mine.least), y, 5.5, peer) end
  end
  p:text(FIGURE, y + 4.5, figure(line.mine), "weir", { anchor = "end", bold = true })
end

function chart.write(path, figures, rows, beside)
  local lines = chosen(figures, rows, beside)
  local p = svg.picture(WIDTH, TOP + #lines * ROW + BOTTOM)
  draw_head(p)
  for i = 1, #lines, 2 do p:rect(0, TOP + (i - 1) * ROW, WIDTH, ROW, "band") end
  draw_scale(p, #lines)
  for i, line in ipairs(lines) do draw_row(p, line, TOP + (i - 0.5) * ROW) end
  p:write(path)
end

return chart
