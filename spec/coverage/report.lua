-- report.lua -- which lines and branches of the C core the tests went through, from what gcov counted.
-- SPDX-License-Identifier: MIT
--
--   lua5.4 spec/coverage/report.lua directory ...
--
-- Each .gcda file in the directories is read by gcov, and the counts of a file that stands in several
-- programs are added. Prints a table, then every line that no test reached; one that nothing can reach is
-- explained in explained.lua, beside this file. Ends with status 1 if fewer than 95 in 100 lines or 85 in
-- 100 branches were reached.

local LINES, BRANCHES = 95, 85

local function lines_of(command)
  local pipe <close> = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  assert(pipe:close(), command)
  return lines
end

-- ---- what gcov says -------------------------------------------------------------------------------

-- files[path].lines[number] = { text, count, of (a function's name), branches = { count ... } }
local files = {}

local function file_of(path)
  if not path:find("^csrc/") then return nil end
  files[path] = files[path] or { path = path, lines = {} }
  return files[path]
end

local function line_of(file, number, text, of)
  local line = file.lines[number]
  if not line then
    line = { number = number, text = text:match("^%s*(.-)%s*$"), count = 0, of = of, branches = {} }
    file.lines[number] = line
  end
  return line
end

-- One report of `gcov -t -b -c`: "count:number:text" for a line, and before and after it a line for each
-- function, call and branch.
local function add(report)
  local file, line, of, branch
  for _, said in ipairs(report) do
    local count, number, text = said:match("^%s*([%d#=%-]+)%*?:%s*(%d+):(.*)$")
    local source = number == "0" and text:match("^Source:(.*)$")
    local taken = said:match("^branch%s+%d+ (.*)$")
    if source then file, of = file_of(source), nil
    elseif said:find("^function ") then of = said:match("^function ([%w_]+)")
    elseif not file then line = nil
    elseif taken then
      if line then
        branch = branch + 1
        line.branches[branch] = (line.branches[branch] or 0) + (tonumber(taken:match("^taken (%d+)")) or 0)
      end
    elseif count then
      if count == "-" then line = nil
        if text:find("^}") then of = nil end
      else
        line, branch = line_of(file, tonumber(number), text, of), 0
        line.count = line.count + (tonumber(count) or 0)
        if text:find("^}") then of = nil end
      end
    end
  end
end

-- ---- what is explained ------------------------------------------------------------------------------

-- Entries are { file, function, reason, lines = { text, ... } }; without lines, all of the function.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
local explained = dofile(here .. "/explained.lua")

local function explanation(path, line)
  for _, entry in ipairs(explained) do
    if entry[1] == path and entry[2] == line.of then
      local fits = entry.lines == nil
      for _, text in ipairs(entry.lines or {}) do fits = fits or text == line.text end
      if fits then
        entry.used = true
        return entry[3]
      end
    end
  end
end

-- ---- the report ---------------------------------------------------------------------------------------

local function percent(part, whole) return whole == 0 and 100 or 100 * part / whole end

local function row(name, n)
  print(("%-28s %5d of %5d lines %6.1f %%  %5d of %5d branches %6.1f %%"):format(name, n.reached, n.lines,
    percent(n.reached, n.lines), n.taken, n.branches, percent(n.taken, n.branches)))
end

local function count(file)
  local n = { lines = 0, reached = 0, branches = 0, taken = 0, missing = {} }
  for _, line in pairs(file.lines) do
    n.lines = n.lines + 1
    if line.count > 0 then n.reached = n.reached + 1 else table.insert(n.missing, line) end
    for _, taken in ipairs(line.branches) do
      n.branches = n.branches + 1
      if taken > 0 then n.taken = n.taken + 1 end
    end
  end
  table.sort(n.missing, function(one, other) return one.number < other.number end)
  return n
end

local function sorted_paths()
  local paths = {}
  for path in pairs(files) do paths[#paths + 1] = path end
  table.sort(paths)
  return paths
end

local function main()
  for _, directory in ipairs(arg) do
    for _, data in ipairs(lines_of("find '" .. directory .. "' -name '*.gcda'")) do
      add(lines_of("gcov -t -b -c '" .. data .. "' 2>/dev/null"))
    end
  end
  local total = { lines = 0, reached = 0, branches = 0, taken = 0 }
  local unexplained, known = {}, {}
  for _, path in ipairs(sorted_paths()) do
    local n = count(files[path])
    row(path, n)
    for name, value in pairs(total) do total[name] = value + n[name] end
    for _, line in ipairs(n.missing) do
      local reason = explanation(path, line)
      local place = ("%s:%d %s: %s"):format(path, line.number, line.of or "?", line.text)
      if reason then known[#known + 1] = { place, reason } else unexplained[#unexplained + 1] = place end
    end
  end
  row("all", total)
  print(("\nNot reached, and explained: %d lines"):format(#known))
  local last
  for _, item in ipairs(known) do
    if item[2] ~= last then print("  " .. item[2]) end
    last = item[2]
    print("    " .. item[1])
  end
  print(("\nNot reached, and not explained: %d lines"):format(#unexplained))
  for _, place in ipairs(unexplained) do print("    " .. place) end
  for _, entry in ipairs(explained) do
    if not entry.used then print(("explained, but reached: %s %s"):format(entry[1], entry[2])) end
  end
  os.exit(total.lines > 0 and percent(total.reached, total.lines) >= LINES
    and percent(total.taken, total.branches) >= BRANCHES)
end

main()
