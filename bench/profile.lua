-- SPDX-License-Identifier: MIT
-- Reads callgrind's profiles: instructions of the measured part, and calls from weir into Lua's C API.
--
--   lua profile.lua count QUESTION FEW MORE MORE_OPS FEW_OPS
--   lua profile.lua least COUNTED.tsv
--   lua profile.lua bystanders OPERATION NUMBER PROFILE
--   lua profile.lua compare RECORDED.tsv COUNTED.tsv TOOLCHAIN
--   lua profile.lua beside COUNTED.tsv HOLLOW.tsv
local ALLOWED = 1.02

local function is_module(object) return object:find "weir/core%.so$" ~= nil end
local function is_api(name) return name:find "^lua_" ~= nil or name:find "^luaL_" ~= nil end

-- -> instructions, calls of the API that weir's own functions made
local function read(path)
  local total, calls, object, callee = nil, 0, "", nil
  for line in io.lines(path) do
    local key, value = line:match "^(%l+)[=:]%s*(.*)$"
    if key == "ob" then
      object = value
    elseif key == "cfn" then
      callee = value
    elseif key == "calls" then
      if is_module(object) and is_api(callee) then calls = calls + tonumber(value:match "^%d+") end
    elseif key == "totals" or key == "summary" then
      total = tonumber(value:match "^%d+")
    end
  end
  return assert(total, path .. " is no profile of callgrind"), calls
end

local function count(question, few, more, more_ops, few_ops)
  local a, a_calls = read(few)
  local b, b_calls = read(more)
  local ops = more_ops - few_ops
  print(("%s\t%.1f\t%.2f"):format(question, (b - a) / ops, (b_calls - a_calls) / ops))
end

local function bystanders(operation, number, path)
  local total = read(path)
  local ops = 1000 -- as many as bystanders.lua does
  print(("BYSTANDERS\t%s\t%s\t%.1f"):format(operation, number, total / ops))
end

local function table_of(path)
  local rows, order, toolchain = {}, {}, nil
  for line in io.lines(path) do
    local question, instructions, calls = line:match "^([%w_]+)\t(%S+)\t(%S+)$"
    if question and rows[question] then -- another seed
      rows[question].instructions = math.min(rows[question].instructions, tonumber(instructions))
    elseif question then
      rows[question] = { instructions = tonumber(instructions), calls = tonumber(calls) }
      order[#order + 1] = question
    elseif not line:find "question" then
      toolchain = line:match "^# (.*)$"
    end
  end
  return rows, order, toolchain
end

local function least(path)
  local rows, order = table_of(path)
  for _, question in ipairs(order) do
    print(("%s\t%.1f\t%.2f"):format(question, rows[question].instructions, rows[question].calls))
  end
end

local function verdict(old, new)
  if not old then return "not recorded yet" end
  local change = (new.instructions / old.instructions - 1) * 100
  if new.instructions > old.instructions * ALLOWED then return ("%+.1f %%  GREW"):format(change), true end
  return ("%+.1f %%"):format(change)
end

local function compare(recorded_path, counted_path, toolchain)
  local recorded, _, recorded_with = table_of(recorded_path)
  local counted, order = table_of(counted_path)
  local grew = 0
  print(("%-18s %10s %10s %9s  %s"):format("question", "recorded", "counted", "API calls", "change"))
  for _, question in ipairs(order) do
    local old, new = recorded[question], counted[question]
    local text, worse = verdict(old, new)
    if worse then grew = grew + 1 end
    print(("%-18s %10s %10.1f %9.2f  %s"):format(question, old and ("%.1f"):format(old.instructions) or "-",
      new.instructions, new.calls, text))
  end
  if recorded_with ~= toolchain then
    print(("recorded with %s, counted with %s: the two do not compare"):format(recorded_with, toolchain))
    return true
  end
  print(grew == 0 and "nothing grew by more than 2 %" or ("%d grew by more than 2 %%"):format(grew))
  return grew == 0
end

-- What a loop costs with functions that only carry the value, and what weir adds to it.
local function beside(counted_path, hollow_path)
  local counted, order = table_of(counted_path)
  local hollow = table_of(hollow_path)
  print "| instructions per operation | carrying the value alone | weir | weir adds | Lua API calls |"
  print "| --- | ---: | ---: | ---: | ---: |"
  for _, question in ipairs(order) do
    local w, h = counted[question], hollow[question]
    if h then
      print(("| %s | %.0f | %.0f | %.0f | %.1f |"):format((question:gsub("_", " ")), h.instructions,
        w.instructions, w.instructions - h.instructions, w.calls))
    end
  end
end

local commands = {
  count = function() count(arg[2], arg[3], arg[4], tonumber(arg[5]), tonumber(arg[6])) end,
  bystanders = function() bystanders(arg[2], arg[3], arg[4]) end,
  least = function() least(arg[2]) end,
  beside = function() beside(arg[2], arg[3]) end,
  compare = function() os.exit(compare(arg[2], arg[3], arg[4])) end,
}
commands[arg[1]]()
