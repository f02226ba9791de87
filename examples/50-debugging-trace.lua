-- 50-debugging-trace.lua -- a trace: rows, slices, arrows and counters, in a file for ui.perfetto.dev.
-- SPDX-License-Identifier: MIT
local weir = require "weir"
local trace = require "weir.trace"

local path = arg[1] or os.tmpname()

do
  local _ <close> = assert(trace.start(path))
  weir.run(function()
    weir.current():name "main"
    local jobs, inbox = weir.mpsc(2)
    local questions, mailbox = weir.mpsc(4)
    weir.spawn(function(rx)
      for message in rx do message.reply:send(message[1] ^ 2) end
    end, mailbox):name "actor"
    for i = 1, 2 do
      weir.spawn(function(tx)
        for j = 1, 3 do tx:send(10 * i + j) end
      end, jobs:clone()):name("producer " .. i)
    end
    jobs:close()
    local consumer = weir.spawn(function(rx, ask)
      local sum = 0
      for value in rx do sum = sum + ask:call { value } end
      return sum
    end, inbox, questions)
    consumer:name "consumer"
    print("sum of squares:", select(2, consumer:join()) // 1 | 0)
  end)
end

-- What is in it: one event a line.
local rows, slices, arrows, counters = {}, 0, 0, {}
for line in io.lines(path) do
  local row, name = line:match '"tid":(%d+),"name":"thread_name","args":{"name":"task %d+ (.-)"}'
  local phase = line:match '"ph":"(.)"'
  if row then rows[tonumber(row)] = name end           -- the latest counts
  if phase == "X" then slices = slices + 1 end
  if phase == "s" then arrows = arrows + 1 end
  if phase == "C" then
    local channel = line:match '"name":"(.-)"'
    counters[channel] = math.max(counters[channel] or 0, tonumber(line:match '"buffered":(%d+)'))
  end
end
print("rows:", table.concat(rows, ", "))
print("slices:", slices > 10)
print("arrows:", arrows)
for i = 1, 2 do print(("mpsc %d: at most %d"):format(i, counters[("mpsc %d buffered"):format(i)])) end
if arg[1] then
  print(path .. ": open it in https://ui.perfetto.dev, or draw it: lua5.4 tools/timeline.lua " .. path)
else
  os.remove(path)
end

--> output
-- sum of squares:	1888
-- rows:	main, actor, producer 1, producer 2, consumer
-- slices:	true
-- arrows:	18
-- mpsc 1: at most 2
-- mpsc 2: at most 1
