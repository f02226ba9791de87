-- 50-debugging-deadlock.lua -- what weir says where nothing can go on, and of a program that still can.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

weir.debug(true)                               -- as WEIR_DEBUG=1: say where each handle was made

-- Each philosopher takes the fork at the left, then the one at the right.
local function dine(forks, i, right)
  local left_fork <close> = forks[i]:lock()
  weir.yield()
  local right_fork <close> = forks[right]:lock()
  return left_fork and right_fork and "eats"
end

local function table_for(n, order)
  local forks, philosophers = {}, {}
  for i = 1, n do forks[i] = weir.mutex() end
  for i = 1, n do
    philosophers[i] = weir.spawn(dine, forks, order(i, i % n + 1))
    philosophers[i]:name("philosopher " .. i)
  end
  for i = 1, n do philosophers[i]:join() end
  return "all have eaten"
end

-- Wrong: everybody has one fork and waits for the other.
local _, report = pcall(weir.run, table_for, 3, function(left, right) return left, right end)
print(report)

-- Mended: everybody takes the fork with the lower number first.
print(weir.run(table_for, 3, function(left, right) return math.min(left, right), math.max(left, right) end))

-- A live program: the same picture as a page, asked for by a task that wakes in between.
weir.run_paused(function()
  weir.current():name "main"
  local jobs, inbox = weir.mpsc(2)
  weir.spawn(function(out) for i = 1, 9 do out:send(i) end end, jobs):name "producer"
  local consumer = weir.spawn(function(rx)
    for _ in rx do weir.sleep(1) end
  end, inbox)
  consumer:name "consumer"
  weir.sleep(2.5)
  print(weir.dump())
  consumer:join()
end)

--> output
-- deadlock: 3 tasks wait for each other in a circle: task 2 philosopher 1 -> task 3 philosopher 2 -> task 4 philosopher 3 -> task 2 philosopher 1
--   task 1 examples/50-debugging-deadlock.lua:15 (waiting at examples/50-debugging-deadlock.lua:22): waits in join for the end of task 2 philosopher 1
--   task 2 philosopher 1 (waiting at examples/50-debugging-deadlock.lua:11): waits in lock on Mutex (locked), 1 guard out
--     MutexGuard owned by task 3 philosopher 2, made at examples/50-debugging-deadlock.lua:9
--   task 3 philosopher 2 (waiting at examples/50-debugging-deadlock.lua:11): waits in lock on Mutex (locked), 1 guard out
--     MutexGuard owned by task 4 philosopher 3, made at examples/50-debugging-deadlock.lua:9
--   task 4 philosopher 3 (waiting at examples/50-debugging-deadlock.lua:11): waits in lock on Mutex (locked), 1 guard out
--     MutexGuard owned by task 2 philosopher 1, made at examples/50-debugging-deadlock.lua:9
-- all have eaten
-- 3 tasks (1 running, 2 waiting), 1 channel, 2 handles
-- running
--   task 9 main  0 s old  at examples/50-debugging-deadlock.lua:43
-- waiting
--   task 10 producer  2.5 s old  at examples/50-debugging-deadlock.lua:37  out:send() on channel 1 (mpsc)
--   task 11 consumer  2.5 s old  at examples/50-debugging-deadlock.lua:39  weir.sleep(), at most 0.5 s more
-- channels
--   1  mpsc  2 of 2, most 2  1 sender (task 10); 1 receiver (task 11); task 10 waits to send; made at examples/50-debugging-deadlock.lua:36
-- waits for
--   task 10 producer  ->  task 11 consumer: send on channel 1 (mpsc)
