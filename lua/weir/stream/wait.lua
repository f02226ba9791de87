-- weir.stream.wait: waiting for the next element of a stream, from its handle.
-- SPDX-License-Identifier: MIT
--
-- Whoever waits polls the tree, then waits for what its leaves name, then polls again. Between two
-- polls nothing of the stream is on the waiter's stack, so it may be cut short anywhere. While it waits
-- it sits in the root: `waiting` is its handle, and `kick` wakes it when the handle was dropped, moved or
-- taken over, or (a map of streams) when there is something new to wait for.

local weir = require "weir"
local core = require "weir.core"
local node = require "weir.stream.node"
local check = require "weir.stream.check"

local wait = {}

local AT_ONCE <const> = check.AT_ONCE

-- How often whoever must not wait asks a tree that ran out of fuel: its filters may refuse for ever.
wait.LOOKS = 1000
local LOOKS <const> = wait.LOOKS

-- Lets a task that waits on the tree look again.
function wait.kick(root)
  if root.sending then node.reclaim(root)
  elseif root.waiting then root.kick:notify_one() end
end

-- Raises if the handle was dropped, moved or taken over since the method was entered.
function wait.check(handle, root, level)
  if weir.type(handle) == root.kind then return end
  check.results(level + 1, pcall(core.state, handle, root.kind))
end

local function leave(seat)
  seat.root.waiting = nil
end

local seat_meta = { __close = leave }

-- Takes the one seat of a waiter; closing what it returns leaves it. True as the second result if it had to
-- be waited for, so that the tree may have an answer by now.
function wait.sit(root, handle, level)
  local waited = false
  while root.waiting do
    if weir.type(root.waiting) == root.kind then
      error("another task waits on this stream: a stream has one reader at a time", level + 1)
    end
    root.kick:notify_one() -- it waits on a handle that was moved: it leaves in its next turn
    weir.yield()
    waited = true
  end
  if waited then wait.check(handle, root, level + 1) end
  root.kick = root.kick or weir.notify()
  root.seat = root.seat or setmetatable({ root = root }, seat_meta)
  root.waiting = handle
  return root.seat, waited
end

-- Gives way to the other tasks, where Lua can.
function wait.give_way()
  pcall(weir.yield)
end

local function remaining(deadline)
  return deadline and math.max(0, deadline - weir.now())
end

local function is_over(deadline)
  return deadline and deadline ~= AT_ONCE and weir.now() >= deadline
end

-- Results of a pcall of select_biased, with the word that the caller knows for what had to wait.
function wait.named(word, ok, ...)
  local err = ...
  if ok or type(err) ~= "string" then return ok, ... end
  return false, (err:gsub("^select_biased would", word .. " would"))
end

-- A select of the core, until the deadline; if it cannot wait, its sentence is raised at `level`.
function wait.select(branches, deadline, level)
  local remains = remaining(deadline)
  return check.results(level, wait.named("the stream", pcall(weir.select_biased, branches, remains)))
end

-- Waits until the tree may have an answer: true; "also" if the awaitable `also` came first; false if
-- the deadline is over. Level 1 is the caller.
local function park(handle, root, deadline, also)
  local branches = { false, also }
  local starved = node.leaves(root, branches)
  if starved then
    if deadline == AT_ONCE then
      root.looks = root.looks + 1
      return root.looks < LOOKS
    end
    wait.give_way()
    return not is_over(deadline)
  end
  if deadline == AT_ONCE then return false end
  local seat <close>, waited = wait.sit(root, handle, 4) -- luacheck: ignore 211
  if waited then return true end
  branches[1] = root.kick
  local which = wait.select(branches, deadline, 4)
  wait.check(handle, root, 4)
  if also and which == 2 then return "also" end
  return which ~= nil
end

local function settle(handle, root, deadline, also, gathered, status, ...)
  if status ~= nil then return status, ... end
  local woken = park(handle, root, deadline, also)
  if woken ~= true then return woken or nil end
  return settle(handle, root, deadline, also, gathered, node.poll(root, gathered))
end

-- The next answer of the tree, waiting for it if need be: true and the element's values, false at the
-- end, "timeout" for a gap, nil if the deadline is over, "also" if the awaitable `also` came first.
-- Called by a method; what it raises is at the line of the method's caller. `gathered` is that of the
-- consumer that asks, if it has one.
function wait.advance(handle, root, deadline, also, gathered)
  if deadline == AT_ONCE then
    root.looks = 0
  else
    core.coop()
    wait.check(handle, root, 3)
  end
  return settle(handle, root, deadline, also, gathered, node.poll(root, gathered))
end

return wait
