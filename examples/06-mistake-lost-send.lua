-- 06-mistake-lost-send.lua -- a value that was offered to a select and not sent.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

-- Every 0.1 s there is a reading to send, and every 0.26 s something else to do. The receiver is slower
-- than that, so the select is sometimes won by the other branch.
local function readings()
  local n = 0
  return function()
    n = n + 1
    return n <= 6 and "reading " .. n or nil
  end
end

-- The mistake: the loop goes on to the next reading whichever branch won. In libraries where the send
-- had already begun, the value is gone. In weir a losing send has sent nothing, and the value is still
-- here; but this loop throws it away.
local function wrong(tx)
  local flush = weir.interval(0.26, { delay = 0.26 })
  for value in readings() do
    local which = weir.select { sent = { tx, value }, flush = flush }
    if which == "flush" then print("  flushed; not sent:", value) end
  end
end

-- Mended: the answer says which branch took effect, so keep the value until that is "sent".
local function right(tx)
  local flush = weir.interval(0.26, { delay = 0.26 })
  for value in readings() do
    repeat
      local which = weir.select { sent = { tx, value }, flush = flush }
    until which == "sent"
  end
end

-- The same, but this task keeps its place in the line of senders while it does something else.
local function in_line(tx)
  local flush = weir.interval(0.26, { delay = 0.26 })
  for value in readings() do
    local place <close> = tx:reservation()
    local which, permit
    repeat
      which, permit = weir.select { room = place, flush = flush }
    until which == "room"
    permit:send(value)
  end
end

local function slow_reader(rx)
  local seen = {}
  for value in rx do
    seen[#seen + 1] = value:match("%d+")
    weir.sleep(0.1)
  end
  return table.concat(seen, " ")
end

local function try(name, sender)
  print(name)
  local tx, rx = weir.mpsc(1)
  local reader = weir.spawn(slow_reader, rx)
  weir.spawn(sender, tx)
  print("  received:", select(2, assert(reader:join())))
end

weir.run_paused(function()
  try("wrong", wrong)
  try("right", right)
  try("right, keeping its place", in_line)
end)

--> output
-- wrong
--   flushed; not sent:	reading 5
--   received:	1 2 3 4 6
-- right
--   received:	1 2 3 4 5 6
-- right, keeping its place
--   received:	1 2 3 4 5 6
