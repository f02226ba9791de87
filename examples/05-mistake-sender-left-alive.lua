-- 05-mistake-sender-left-alive.lua -- a loop that never ends, since somebody could still send.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

local function count(tx)
  for i = 1, 3 do tx:send(i) end
end

local function sum_all(rx)
  local sum = 0
  for value in rx do sum = sum + value end     -- ends when the last sender is gone
  return sum
end

-- The mistake: a clone for each worker, and the first sender stays in this function, open. The workers
-- end, the sum waits for a message that nobody will send.
local function wrong()
  local tx, rx = weir.mpsc(2)
  for _ = 1, 2 do weir.spawn(count, tx:clone()) end
  local sum = sum_all(rx)
  tx:close()                                   -- too late: never reached
  return sum
end

-- Mended: drop it when the last worker has its own ...
local function closed_in_time()
  local tx, rx = weir.mpsc(2)
  for _ = 1, 2 do weir.spawn(count, tx:clone()) end
  tx:close()
  return sum_all(rx)
end

-- ... or give the last worker the sender itself: spawn moves it in, and the worker's end drops it.
local function moved()
  local tx, rx = weir.mpsc(2)
  weir.spawn(count, tx:clone())
  weir.spawn(count, tx)
  return sum_all(rx)
end

-- Used after it was moved, the old handle says what to write instead.
local function used_after_move()
  local tx, rx = weir.mpsc(2)
  weir.spawn(count, tx)
  local ok, err = pcall(tx.send, tx, 4)
  return ok, err, sum_all(rx)
end

-- weir notices that nothing can ever run again, and says who waits for what.
local ok, err = pcall(weir.run, wrong)
print(ok)
print(err)

print("closed in time:", weir.run(closed_in_time))
print("moved:", weir.run(moved))
print("used after the move:", weir.run(used_after_move))

--> output
-- false
-- deadlock: for ... in rx at examples/05-mistake-sender-left-alive.lua:11 waits for a sender that is still held by the task itself (variable tx)
--   task 1 examples/05-mistake-sender-left-alive.lua:17 (waiting at examples/05-mistake-sender-left-alive.lua:11): waits in recv on mpsc.Receiver (open, 0 of 2 buffered), 1 sender on the other side
--     mpsc.Sender owned by no task, variable tx of the task itself
--   (WEIR_DEBUG=1 or weir.debug(true) shows where each handle was made)
-- closed in time:	12
-- moved:	12
-- used after the move:	false	sender was moved into task 11 (spawned at examples/05-mistake-sender-left-alive.lua:44); pass tx:clone() to keep one	6
