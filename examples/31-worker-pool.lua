-- 31-worker-pool.lua -- workers under supervision: a job that kills its worker costs that job and no other.
-- SPDX-License-Identifier: MIT
local weir = require "weir"
local actor = require "weir.actor"

-- What a worker does; the number 13 is a job with a defect in it.
local function work(job)
  weir.sleep(0.1 * job.size)
  if job.id == 13 then error("job 13 is broken", 0) end
  return job.id * job.id
end

-- A worker takes jobs from a channel that all of them share, until it is closed and empty; its answer goes
-- back by the job's own reply channel. Its life is its `run`: the message that `init` sends it.
local Worker = {}

function Worker:init(name, jobs)
  self.name, self.jobs, self.done = name, jobs, 0
  self:myself():upgrade():cast("run")
end

function Worker:run()
  for job in self.jobs do
    local reply <close> = job.reply          -- if `work` fails, this drops it, and the asker is told at once
    reply:send(work(job))
    self.done = self.done + 1
  end
  self:stop_self()
end

function Worker:terminate(how)
  if how == "stopped" then print(("%s: %d jobs, no more to do"):format(self.name, self.done)) end
end

weir.run_paused(function()
  local jobs, queue <close> = weir.mpmc(4)

  local children = {}
  for i = 1, 3 do
    children[i] = {
      name = "worker " .. i, behaviour = Worker, capacity = 1, restart = "transient",
      args = function() return "worker " .. i, queue:clone() end,   -- each life gets a receiver of its own
    }
  end
  local pool <close> = actor.supervise {
    name = "pool", intensity = 3, period = 10, backoff = { min = 0.5, max = 8 }, auto_shutdown = "all",
    on_failure = function(name, err, _, again)
      print(("%s failed: %s%s"):format(name, err, again and " (starting it again)" or ""))
    end,
    children = children,
  }
  pool:ready()

  local sum, lost = 0, 0
  weir.scope(function(scope)
    for id = 1, 20 do
      scope:spawn(function()
        local square = jobs:call { id = id, size = id % 5 }
        if square then sum = sum + square else lost = lost + 1 end
      end)
    end
  end)
  print(("%d jobs lost, the others sum up to %d"):format(lost, sum))

  jobs:close()                               -- the workers end when the channel is empty,
  queue:drop()
  print("the pool ended:", pool:join())      -- and the pool with the last of them
end)

--> output
-- worker 2 failed: job 13 is broken (starting it again)
-- 1 jobs lost, the others sum up to 2701
-- worker 2: 1 jobs, no more to do
-- worker 1: 7 jobs, no more to do
-- worker 3: 7 jobs, no more to do
-- the pool ended:	true
