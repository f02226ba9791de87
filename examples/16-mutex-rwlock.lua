-- 16-mutex-rwlock.lua -- when do I want a lock? Rarely: between two waits a task has the state to
-- itself, and an actor (02-database.lua) needs none. A lock is for state that must stay untouched
-- *across* a wait: read, ask somebody, write.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

local function ask_the_bank() weir.sleep(0.1) return true end

-- Reads, waits, writes: without a lock two of these work on the same old balance.
local function careless(account, amount)
  local balance = account.balance
  if ask_the_bank() then account.balance = balance + amount end
end

local function careful(account, amount)
  local guard <close> = account:lock()
  local balance = guard:get()
  if ask_the_bank() then guard:set(balance + amount) end
end

local function cached(prices, name)
  do
    local guard <close> = prices:read()             -- many may read at once
    local price = guard:get()[name]
    if price then return price, "cached" end
  end
  local guard <close> = prices:write()              -- one may write, alone, and before new readers
  local known = guard:get()
  if known[name] then return known[name], "fetched by another in the meantime" end
  weir.sleep(0.5)                                   -- fetch it
  known[name] = #name * 10
  return known[name], "fetched"
end

weir.run_paused(function()
  local plain = { balance = 0 }
  weir.join_all {
    function() careless(plain, 5) end,
    function() careless(plain, 7) end,
  }
  print("without a lock:", plain.balance)

  local account = weir.mutex(0)
  weir.join_all {
    function() careful(account, 5) end,
    function() careful(account, 7) end,
  }
  do
    local guard <close> = account:lock()
    print("with a lock:", guard:get())
    print("held, so try says:", account:try_lock())
  end

  local prices = weir.rwlock {}
  print("oil:", cached(prices, "oil"))
  local began = weir.now()
  local results = weir.join_all {
    function() return cached(prices, "oil") end,
    function() return cached(prices, "oil") end,
    function() return cached(prices, "wheat") end,
    function() return cached(prices, "wheat") end,
  }
  for _, result in ipairs(results) do print(result[1], result[2]) end
  print(("took %.1f s"):format(weir.now() - began))
end)

--> output
-- without a lock:	7
-- with a lock:	12
-- held, so try says:	nil	full
-- oil:	30	fetched
-- 30	cached
-- 30	cached
-- 50	fetched
-- 50	cached
-- took 0.5 s
