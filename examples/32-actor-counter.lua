-- 32-actor-counter.lua -- the smallest actor: state, a mailbox, calls and casts, an orderly end.
-- SPDX-License-Identifier: MIT
local weir = require "weir"
local actor = require "weir.actor"

local Counter = {}

function Counter:init(start) self.n = start end

function Counter:add(by)
  self.n = self.n + by
  return self.n                              -- what a handler returns is the reply
end

function Counter:divide(by)
  if by == 0 then return nil, "cannot divide by 0" end     -- an answer like any other
  self.n = self.n / by
  return self.n
end

function Counter:terminate(how)
  return how, self.n                         -- what `stop` and `join` hand on
end

weir.run(function()
  local counter = actor.spawn(Counter, { capacity = 16, name = "counter" }, 10)
  print(counter:call("add", 5))
  print(counter:call("divide", 0))

  -- A hundred tasks, one state, no locks: the mailbox puts them in a row.
  local set <close> = weir.join_set()
  for _ = 1, 100 do
    set:spawn(function(ref) assert(ref:cast("add", 1)) end, counter)
  end
  set:join_all()
  print(counter:call("add", 0))

  -- A mistake in the asker is told to the asker; the actor never hears of it.
  print(select(2, pcall(function() counter:call("subtract", 1) end)))

  -- A mistake in the actor ends the actor, and its caller gets the actor's error.
  local victim = actor.spawn(Counter, { capacity = 1, name = "victim" }, 1)
  local how = victim:monitor()
  local _, err = pcall(victim.call, victim, "add", {})
  print((err:match("[^\n]*\n[^\n]*")))        -- and more: where in the actor, and where it was called
  print((how:recv()), victim:call("add", 1))

  print(counter:stop())                      -- serves what is queued, then ends
  print(counter:call("add", 1))
end)

--> output
-- 15
-- nil	cannot divide by 0
-- 115
-- examples/32-actor-counter.lua:39: bad argument #1 to 'call' (actor 'counter' has no handler 'subtract')
-- examples/32-actor-counter.lua:11: attempt to perform arithmetic on a table value (local 'by')
-- in actor 'victim', handler 'add':
-- failed	nil	closed
-- true	stopped	115
-- nil	closed
