-- SPDX-License-Identifier: MIT
-- How do time and memory grow with the number of things?
--
--   host bench/growth.lua tasks | channels | branches | timers | messages | pause
--
-- One line for each number:  GROWTH series number ns bytes
-- ns of one operation (pause: the longest one), bytes that one thing holds (empty where it means nothing).
local host = require "bench.host"
local weir = require "weir"

local now = host.cpu -- nothing here waits for anything, and what else runs on the machine is left out

local function live()
  collectgarbage()
  collectgarbage()
  local _, _, bytes = host.counts()
  return bytes
end

local function out(series, number, ns, bytes)
  print(("GROWTH\t%s\t%d\t%.2f\t%s"):format(series, number, ns, bytes and ("%.1f"):format(bytes) or ""))
  io.stdout:flush()
end

local function powers(last)
  local list, n = {}, 1
  while n <= last do
    list[#list + 1] = n
    n = n * 10
  end
  return list
end

-- The least of three: a machine that is busy elsewhere only ever adds.
local function least(f, ...)
  local best = math.huge
  for _ = 1, 3 do best = math.min(best, (f(...))) end
  return best
end

-- how often to do something of which one round has n, so that a round is long enough to be timed
local function rounds(n, enough) return math.max(1, enough // n) end

local parts = {}

-- n tasks that do nothing but give way to each other
function parts.tasks()
  for _, n in ipairs(powers(1000000)) do
    weir.run(function()
      local before = live()
      local tasks, turns, going = {}, 0, true
      for i = 1, n do
        tasks[i] = weir.spawn(function()
          while going do
            turns = turns + 1
            weir.yield()
          end
        end)
      end
      weir.yield()
      local bytes = (live() - before) / n
      local ns = least(function()
        local from, count, began = turns, rounds(n, 1000000), now()
        for _ = 1, count do weir.yield() end
        return (now() - began) * 1e9 / (turns - from)
      end)
      going = false
      for i = 1, n do tasks[i]:join() end
      out("tasks", n, ns, bytes)
    end)
  end
end

-- n channels, used in turn: a message in, a message out
function parts.channels()
  for _, n in ipairs(powers(100000)) do
    weir.run(function()
      local tx, rx = {}, {}
      for i = 1, n do tx[i], rx[i] = false, false end
      local before = live()
      for i = 1, n do tx[i], rx[i] = weir.mpsc(16) end
      local bytes = (live() - before) / n
      local ns = least(function()
        local count, began = rounds(n, 500000), now()
        for _ = 1, count do
          for i = 1, n do
            tx[i]:send(i)
            rx[i]:recv()
          end
        end
        return (now() - began) * 1e9 / (count * n)
      end)
      out("channels", n, ns, bytes)
    end)
  end
end

-- n branches in one select: all ready, or none until another task sends to one of them
function parts.branches()
  for _, n in ipairs(powers(10000)) do
    weir.run(function()
      local tx, rx = {}, {}
      for i = 1, n do tx[i], rx[i] = weir.mpsc(4) end
      for i = 1, n do tx[i]:send(i) end
      local ready = least(function()
        local count, began = 100000, now()
        for _ = 1, count do
          local which, v = weir.select(rx)
          tx[which]:send(v)
        end
        return (now() - began) * 1e9 / count
      end)
      out("branches_ready", n, ready)
      for i = 1, n do rx[i]:recv() end
      local waiting = least(function()
        local count = rounds(n, 200000)
        local source = weir.spawn(function()
          for i = 1, count do
            tx[(i * 7919) % n + 1]:send(i)
            weir.yield()
          end
        end)
        local began = now()
        for _ = 1, count do weir.select(rx) end
        local took = now() - began
        source:join()
        return took * 1e9 / count
      end)
      out("branches_waiting", n, waiting)
    end)
  end
end

-- n tasks that sleep for different times, on the virtual clock, so that what is timed is the work alone
function parts.timers()
  for _, n in ipairs(powers(1000000)) do
    weir.run_paused(function()
      local x, tasks, count = 42, {}, rounds(n, 200000)
      local before = live()
      local began
      for i = 1, n do
        tasks[i] = weir.spawn(function()
          for _ = 1, count do
            x = (x * 1103515245 + 12345) % 2147483648
            weir.sleep(1 + x / 2147483648)
          end
        end)
      end
      weir.yield()
      local bytes = (live() - before) / n
      began = now()
      for i = 1, n do tasks[i]:join() end
      out("timers", n, (now() - began) * 1e9 / (count * n), bytes)
    end)
  end
end

-- n messages that stand in one channel: all in, then all out
function parts.messages()
  for _, n in ipairs(powers(10000000)) do
    weir.run(function()
      local count, bytes = rounds(n, 500000), 0
      local function fill_and_empty(tx, rx)
        local began, idle = now(), 0
        for round = 1, count do
          for i = 1, n do tx:send(i) end
          if round == 1 then
            local stopped = now()
            bytes = live()
            idle = now() - stopped
          end
          for _ = 1, n do rx:recv() end
        end
        return (now() - began - idle) * 1e9 / (count * n)
      end
      local before = live()
      local bounded = fill_and_empty(weir.mpsc(n))
      out("messages", n, bounded, (bytes - before) / n)
      before = live()
      local unbounded = fill_and_empty(weir.unbounded())
      out("messages_unbounded", n, unbounded, (bytes - before) / n)
    end)
  end
end

-- the longest that one small step takes while the collector goes round several times
local function longest_step(step)
  local longest, cycles = 0, 0
  local function watch_cycle() -- an object that nobody holds dies in each
    setmetatable({}, { __gc = function()
      cycles = cycles + 1
      watch_cycle()
    end })
  end
  watch_cycle()
  local before = now()
  while cycles < 3 do
    step()
    local after = now()
    longest = math.max(longest, after - before)
    before = after
  end
  return longest * 1e9
end

-- n messages stand in a channel that is used meanwhile, and the program makes garbage
function parts.pause()
  local kinds = {
    channel = function(n)
      local tx, rx = weir.mpsc(n + 1)
      for i = 1, n do tx:send { i } end
      return function()
        tx:send { 0 }
        return rx:recv()
      end
    end,
    table = function(n) -- the same by hand: a queue in a table
      local queue, first, last = {}, 1, n
      for i = 1, n do queue[i] = { i } end
      return function()
        last = last + 1
        queue[last] = { 0 }
        local v = queue[first]
        queue[first] = nil
        first = first + 1
        return v
      end
    end,
  }
  for _, kind in ipairs { "channel", "table" } do
    for _, n in ipairs(powers(1000000)) do
      weir.run(function()
        local step = kinds[kind](n)
        collectgarbage()
        out("pause_" .. kind, n, least(longest_step, step))
      end)
    end
  end
end

parts[arg[1]]()
os.exit(0, false)
