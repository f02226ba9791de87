-- SPDX-License-Identifier: MIT
-- Rounds in, one table out: the least and the middle of each figure, and weir's ratio to each peer.
--
--   lua report.lua ROUNDS.tsv [CHART.svg]
local chart = require "chart"

local PEERS = { "weir", "go", "tokio", "handmade", "cqueues", "tarantool", "erlang", "floor" }

local ROWS = {
  { "ping_pong", "ping-pong over two channels of one" },
  { "pipeline", "pipeline through a channel of 64" },
  { "fan_in", "fan-in of 100 senders" },
  { "try", "try_send and try_recv" },
  { "request_oneshot", "request, reply by oneshot" },
  { "request_call", "request, reply by call" },
  { "broadcast_bursts", "broadcast to 100, bursts of 16" },
  { "broadcast_singly", "broadcast to 100, one by one" },
  { "watch", "watch, 100 watchers" },
  { "select_2", "select over 2" },
  { "select_64", "select over 64" },
  { "spawn_join", "spawn and join" },
  { "yield", "yield to another task" },
  { "sleepers", "100,000 sleeping tasks, CPU each" },
  { "memory_task", "memory of a waiting task" },
  { "memory_channel", "memory of a channel" },
  { "drain", "pipeline by recv_many" },
  { "loop", "pipeline by a for loop" },
  { "strings", "pipeline of strings" },
  { "work_queue", "mpmc, four workers" },
  { "lock", "mutex, lock to unlock" },
  { "floor_carry", "floor: switch that carries a value" },
  { "floor_call", "floor: call of a C function" },
  { "floor_method", "floor: method of a userdata" },
  { "floor_checked", "floor: the same, luaL_checkudata" },
  { "floor_userdata", "floor: short-lived userdata" },
  { "floor_finalized", "floor: the same with __gc" },
}

-- call() is weir's answer to what the others do with a channel for the reply
local STANDS_BESIDE = { request_call = "request_oneshot" }

local function read(path)
  local figures = {}
  for line in io.lines(path) do
    local q, peer, unit, value, blocks, bytes = line:match "^RESULT\t(%S+)\t(%S+)\t(%S+)\t(%S+)\t(%S+)\t(%S+)"
    if q then
      figures[q] = figures[q] or {}
      local f = figures[q][peer] or { unit = unit, blocks = math.huge, bytes = math.huge }
      figures[q][peer] = f
      f[#f + 1] = tonumber(value)
      f.blocks = math.min(f.blocks, tonumber(blocks) or math.huge)
      f.bytes = math.min(f.bytes, tonumber(bytes) or math.huge)
    end
  end
  return figures
end

local function summarize(figures)
  for _, by_peer in pairs(figures) do
    for _, f in pairs(by_peer) do
      table.sort(f)
      local n = #f
      f.least = f[1]
      f.middle = n % 2 == 1 and f[n // 2 + 1] or (f[n // 2] + f[n // 2 + 1]) / 2
    end
  end
end

local function number(x)
  if not x or x == math.huge then return "-" end
  return (x < 100 and "%.1f" or "%.0f"):format(x)
end

local function peers_present(figures)
  local present = {}
  for _, peer in ipairs(PEERS) do
    for _, by_peer in pairs(figures) do
      if by_peer[peer] then
        present[#present + 1] = peer
        break
      end
    end
  end
  return present
end

local function print_row(cells, widths)
  local line = {}
  for i, cell in ipairs(cells) do
    line[i] = (i == 1 and "%-" .. widths[i] .. "s" or "%" .. widths[i] .. "s"):format(cell)
  end
  print("| " .. table.concat(line, " | ") .. " |")
end

local function print_rule(widths)
  local line = {}
  for i, w in ipairs(widths) do line[i] = i == 1 and ("-"):rep(w) or ("-"):rep(w - 1) .. ":" end
  print("| " .. table.concat(line, " | ") .. " |")
end

local function cells_of(row, figures, others)
  local name, title = row[1], row[2]
  local mine = figures[name] and figures[name].weir
  local beside = figures[STANDS_BESIDE[name] or name] or {}
  local f = mine or {}
  local cells = { title, number(f.least), number(f.middle), number(f.blocks), number(f.bytes) }
  for _, peer in ipairs(others) do
    local theirs = beside[peer] and beside[peer].least
    local ratio = mine and theirs and theirs > 0 and (" (%.2f)"):format(mine.least / theirs) or ""
    cells[#cells + 1] = theirs and number(theirs) .. ratio or "-"
  end
  return cells
end

local function print_lines(lines)
  local widths = {}
  for _, cells in ipairs(lines) do
    for i, cell in ipairs(cells) do widths[i] = math.max(widths[i] or 3, #cell) end
  end
  for i, cells in ipairs(lines) do
    print_row(cells, widths)
    if i == 1 then print_rule(widths) end
  end
end

local function print_table(figures, present)
  local others = {}
  for _, peer in ipairs(present) do
    if peer ~= "weir" then others[#others + 1] = peer end
  end
  local lines = { { "question", "weir min", "median", "blocks", "bytes" } }
  for _, peer in ipairs(others) do table.insert(lines[1], peer) end
  for _, row in ipairs(ROWS) do
    if figures[row[1]] then lines[#lines + 1] = cells_of(row, figures, others) end
  end
  print_lines(lines)
end

-- What the interpreter alone takes (peers/hollow.c), measured in the same rounds.
local function print_hollow(figures)
  local lines = { { "question", "weir", "hollow", "weir / go", "hollow / go" } }
  for _, row in ipairs(ROWS) do
    local f = figures[row[1]]
    local go = (figures[STANDS_BESIDE[row[1]] or row[1]] or {}).go
    if f and f.weir and f.hollow and go then
      lines[#lines + 1] = { row[2], number(f.weir.least), number(f.hollow.least),
        ("%.2f"):format(f.weir.least / go.least), ("%.2f"):format(f.hollow.least / go.least) }
    end
  end
  if #lines > 1 then
    print ""
    print_lines(lines)
  end
end

local figures = read(arg[1])
summarize(figures)
print_table(figures, peers_present(figures))
print_hollow(figures)
print ""
print "ns per operation (sleeping tasks: ns of processor time; memory: bytes resident), least of all rounds;"
print "blocks and bytes: allocated by weir per operation (memory: bytes by Lua's own count); (r): weir / peer"
if arg[2] and figures.ping_pong and figures.ping_pong.weir then
  chart.write(arg[2], figures, ROWS, STANDS_BESIDE)
  print("chart: " .. arg[2])
end
