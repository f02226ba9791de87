-- SPDX-License-Identifier: MIT
-- What does Lua itself cost, below anything a channel could save?
local bench = require "bench"

local function each(floor, n, name, what)
  bench.start()
  floor[what](n)
  bench.stop(n, name)
end

local function memory(floor, n)
  local resident0, live0 = bench.held()
  local kept = floor.waiting(n)
  local resident1, live1 = bench.held()
  bench.report_bytes("memory_task", (resident1 - resident0) / n, (live1 - live0) / n, #kept)
end

bench.ask({ name = "floor", count = 4e6, only = "floor" }, function(floor, n)
  memory(floor, n // 40) -- first, while no freed memory is there to be used again
  collectgarbage()
  each(floor, n, "yield", "switch")
  each(floor, n, "floor_carry", "carry")
  each(floor, n, "floor_call", "call")
  each(floor, n, "floor_method", "method")
  each(floor, n, "floor_checked", "checked")
  each(floor, n // 4, "floor_userdata", "userdata")
  each(floor, n // 4, "floor_finalized", "finalized")
  each(floor, math.max(1, n // 4000) * 1000, "spawn_join", "spawn")
end)
