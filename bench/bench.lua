-- SPDX-License-Identifier: MIT
-- The frame around every question: which peer answers, how often, and one line of result.
--
--   host bench/questions/NAME.lua PEER [COUNT]
--
-- A result is one tab-separated line:  RESULT question peer unit value blocks bytes count
local known, host = pcall(require, "bench.host") -- absent in Tarantool's own interpreter
local clock = not known and require "clock"

local bench = {}

local now = known and host.now or clock.monotonic
local cpu = known and host.cpu or os.clock
local counts = known and host.counts or function() return 0, 0, 0 end
local collect = known and host.collect or function() end

local current -- { name, peer, unit }

local function out(name, unit, value, blocks, bytes, count)
  local allocated = known and ("%.3f\t%.1f"):format(blocks, bytes) or "-\t-"
  io.write(("RESULT\t%s\t%s\t%s\t%.2f\t%s\t%d\n"):format(name, current.peer, unit, value, allocated, count))
end

local began, began_cpu, blocks0, bytes0

-- The measured part runs from start() to stop(ops); only the floor has more than one in a question.
function bench.start()
  blocks0, bytes0 = counts()
  collect()
  began_cpu = cpu()
  began = now()
end

function bench.stop(ops, name)
  local took, used = now() - began, cpu() - began_cpu
  collect()
  local blocks, bytes = counts()
  local seconds = current.unit == "cpu-ns" and used or took
  local unit, each = current.unit, seconds * 1e9 / ops
  out(name or current.name, unit, each, (blocks - blocks0) / ops, (bytes - bytes0) / ops, ops)
end

-- Memory: what the process holds now, with the garbage gone.
function bench.held()
  collectgarbage()
  collectgarbage()
  local _, _, live = counts()
  local f = assert(io.open "/proc/self/statm")
  local _, pages = f:read("*n", "*n")
  f:close()
  return pages * 4096, live
end

function bench.report_bytes(name, per_resident, per_live, count)
  out(name, "bytes", per_resident, 0, per_live, count)
end

-- A measurement whose answer is wrong is no measurement.
function bench.expect(got, wanted)
  if got ~= wanted then
    error(("%s on %s: got %s, expected %s"):format(current.name, current.peer, got, wanted), 2)
  end
end

bench.now = now

-- question: { name, count, unit = "ns" | "cpu-ns" | "bytes",
--   needs = what the peer must have, only = the one peer that it is for,
--   whole = true where the count is part of the question and BENCH_SCALE leaves it alone }
-- body(api, n): asks the peer's api, which has the shape of weir's, n times.
function bench.ask(question, body)
  local peer = arg[1] or "weir"
  if question.only and question.only ~= peer and peer ~= "hollow" then return end
  local api = require("peers." .. peer)
  if not question.only and not api[question.needs or "run"] then return end
  current = { name = question.name, unit = question.unit or "ns", peer = peer }
  local scale = question.whole and 1 or tonumber(os.getenv "BENCH_SCALE") or 1
  local n = question.count * scale * (api.pace or 1)
  n = tonumber(arg[2]) or math.max(1, math.floor(n / 1000 + 0.5)) * 1000
  body(api, math.floor(n))
  os.exit(0, false) -- what still waits need not be taken apart
end

return bench
