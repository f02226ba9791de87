-- 14-mpmc.lua -- when do I want an mpmc? When a pool of equal workers takes jobs from one queue, each
-- job done by exactly one of them: whoever is free takes the next.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

local function worker(jobs, done, name)
  for job in jobs do
    weir.sleep(job.seconds)
    done:send { name = name, what = job.what }
  end
end

weir.run_paused(function()
  local began = weir.now()
  local queue, jobs = weir.mpmc(2)
  local done, results = weir.mpsc(8)
  for _, name in ipairs { "ada", "bea", "cyd" } do
    weir.spawn(worker, jobs:clone(), done:clone(), name)
  end
  jobs:drop()                               -- not close(): that would close it for the workers too
  done:close()

  local work = weir.spawn(function(tx)
    for i, seconds in ipairs { 0.9, 0.2, 0.25, 0.3, 0.1, 0.17, 0.12 } do
      tx:send { what = "job " .. i, seconds = seconds }
    end
  end, queue)

  for result in results do                  -- until the last worker has ended
    print(("%.2f s: %s did %s"):format(weir.now() - began, result.name, result.what))
  end
  assert(work:join())
end)

--> output
-- 0.20 s: bea did job 2
-- 0.25 s: cyd did job 3
-- 0.35 s: cyd did job 5
-- 0.50 s: bea did job 4
-- 0.52 s: cyd did job 6
-- 0.62 s: bea did job 7
-- 0.90 s: ada did job 1
