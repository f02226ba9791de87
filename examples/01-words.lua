-- 01-words.lua -- a first channel: one task finds words, another counts them.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

local text = [[
A weir is a low dam across a river. It does not stop the river: it makes the
river wait, and what flows over it flows in the order in which it came.
]]

-- This task owns tx, since spawn moved it in: when it ends, the channel closes.
local function find_words(tx)
  for word in text:gmatch("%a+") do
    tx:send(word:lower())                  -- waits while four words lie unread
  end
end

local function main()
  local tx, rx = weir.mpsc(4)
  weir.spawn(find_words, tx)

  local count, words = {}, {}
  for word in rx do                        -- ends when the last sender is gone
    if not count[word] then
      count[word] = 0
      words[#words + 1] = word
    end
    count[word] = count[word] + 1
  end

  table.sort(words, function(a, b)
    if count[a] ~= count[b] then return count[a] > count[b] end
    return a < b
  end)
  for i = 1, 5 do
    print(count[words[i]], words[i])
  end
  print(#words .. " different words; at most " .. rx:stats().high_water .. " were waiting at once")
end

weir.run(main)

--> output
-- 4	it
-- 3	a
-- 3	river
-- 3	the
-- 2	flows
-- 22 different words; at most 4 were waiting at once
