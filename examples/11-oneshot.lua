-- 11-oneshot.lua -- when do I want a oneshot? When exactly one answer comes back, once: the result of
-- a request, the news that something is ready. It carries whatever a function returns, nil included,
-- and tells the one who waits when no answer can come any more.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

local function factor(n, answer)
  if n < 2 then answer:send(nil, n .. " has no prime factors") return end
  local factors, divisor = {}, 2
  while n > 1 do
    if n % divisor == 0 then
      factors[#factors + 1] = divisor
      n = n // divisor
    else
      divisor = divisor + 1
    end
    -- Long work gives way now and then, and looks whether anybody still wants the answer.
    if divisor % 100 == 0 then
      if answer:is_closed() then print("nobody wants the factors any more") return end
      weir.yield()
    end
  end
  answer:send(table.concat(factors, " * "))
end

local function ask(n)
  local answer, result = weir.oneshot()
  weir.spawn(factor, n, answer)             -- the sender moves into the task
  return result
end

weir.run(function()
  local first, second, third = ask(360), ask(1), ask(9991)    -- three tasks at work
  print(360, first:recv())
  print(1, second:recv())
  print(9991, third:recv())

  -- The task ends without an answer, in whatever way: no reader is left hanging.
  weir.on_error(function(task) print(task:status()) end)
  local answer, result = weir.oneshot()
  weir.spawn(function(reply) error("broken before " .. tostring(reply)) end, answer)
  print(result:recv())

  -- The reader has had enough: the one who works for it sees that.
  local patience = ask(1000003)
  print(patience:recv(0))
  patience:close()
  weir.yield()
  weir.yield()
end)

--> output
-- 360	2 * 2 * 2 * 3 * 3 * 5
-- 1	nil	1 has no prime factors
-- 9991	97 * 103
-- failed
-- nil	closed
-- nil	timeout
-- nobody wants the factors any more
