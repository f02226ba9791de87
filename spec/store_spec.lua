-- What a channel keeps comes out as it went in: numbers and booleans are kept in C, other values by
-- Lua, and a channel of any kind may meet them in any order.
-- SPDX-License-Identifier: MIT

local weir = require "weir"

local function same(one, other)
  return math.type(one) == math.type(other) and (one == other or (one ~= one and other ~= other))
end

-- Makers of messages, by kind.
local SCALARS = {
  function(n) return n end,
  function(n) return -n end,
  function(n) return n + 0.0 end,
  function(n) return n + 0.5 end,
  function() return 0 / 0 end,
  function() return -0.0 end,
  function() return math.mininteger end,
  function() return math.huge end,
  function() return true end,
  function() return false end,
}
local OTHERS = {
  function(n) return { n } end,
  function(n) return "m" .. n end,
  function(n) return function() return n end end,
  function() return io.stdout end,
}

local function message(random, share, n)
  local makers = random(1, 100) <= share and SCALARS or OTHERS
  return makers[random(1, #makers)](n)
end

-- Random sends and receives; a task that waits may be handed a message and be aborted before it runs.
local function churn(tx, rx, capacity, share, steps)
  local random, kept, first, last, waiting = math.random, {}, 1, 0, nil
  local filling = true
  for n = 1, steps do
    if random(1, 40) == 1 then filling = not filling end
    local lot = random(1, 10)
    if lot == 1 and not waiting and first > last then
      waiting = weir.spawn(function() return rx:recv() end)
      weir.yield()                            -- it waits now
    elseif waiting and first <= last then
      if random(1, 2) == 1 then
        waiting:abort()
        waiting:join()
      else
        local ok, got = waiting:join()
        assert(ok and same(got, kept[first]), n)
        kept[first], first = nil, first + 1
      end
      waiting = nil
    elseif (lot <= 7) == filling then
      local value = message(random, share, n)
      local sent, why = tx:try_send(value)
      if last - first + 1 < capacity then
        assert(sent, why)
        last = last + 1
        kept[last] = value
      else assert(not sent and why == "full", n) end
    elseif not waiting then
      local got, why = rx:try_recv()
      if first <= last then
        assert(same(got, kept[first]), n)
        kept[first], first = nil, first + 1
      else assert(got == nil and why == "empty", n) end
    end
    assert(#rx == last - first + 1)
  end
  if waiting then
    waiting:abort()
    waiting:join()
  end
  local rest = {}
  local n = rx:try_recv_many(rest, steps)
  assert(n == last - first + 1)
  for i = 1, n do assert(same(rest[i], kept[first + i - 1])) end
end

describe("a channel's buffer", function()
  for _, capacity in ipairs { 1, 2, 3, 16, 17, 64, 300, math.huge } do
    for _, share in ipairs { 0, 50, 90, 99, 100 } do
      local claim = "of %s gives back what went in, %d %% of it numbers and booleans"
      it(claim:format(capacity, share), function()
        math.randomseed(capacity == math.huge and 7 or capacity, share)
        weir.run_paused(function()
          for _ = 1, 10 do
            local tx, rx
            if capacity == math.huge then tx, rx = weir.unbounded() else tx, rx = weir.mpsc(capacity) end
            churn(tx, rx, capacity, share, 2000)
          end
        end)
      end)
    end
  end

  it("keeps a number that was handed over and came back in front of a table", function()
    weir.run_paused(function()
      local tx, rx = weir.mpsc(4)
      local task = weir.spawn(function() return rx:recv() end)
      weir.yield()
      assert(tx:send(1) and tx:send { 2 } and tx:send(3))
      task:abort()
      task:join()
      assert.equal(1, rx:recv())
      assert.same({ 2 }, rx:recv())
      assert.equal(3, rx:recv())
    end)
  end)

  it("keeps a table that was handed over and came back in front of numbers", function()
    weir.run_paused(function()
      local tx, rx = weir.mpsc(4)
      local task = weir.spawn(function() return rx:recv() end)
      weir.yield()
      assert(tx:send { 1 } and tx:send(2) and tx:send(3))
      task:abort()
      task:join()
      assert.same({ 1 }, rx:recv())
      assert.equal(2, rx:recv())
      assert.equal(3, rx:recv())
    end)
  end)

  it("keeps a call's message between numbers, whose reply is dropped with the receiver", function()
    weir.run_paused(function()
      local tx, rx = weir.mpsc(8)
      assert(tx:send(1) and tx:send(2) and tx:send(3))
      local task = weir.spawn(function() return tx:clone():call { "question" } end)
      weir.yield()
      assert(tx:send(4))
      assert.equal(1, rx:recv())
      rx:drop()
      local ok, answer, why = task:join()
      assert.is_true(ok)
      assert.is_nil(answer)
      assert.equal("closed", why)
    end)
  end)

  it("of a million numbers holds at most 17 bytes for each", function()
    weir.run_paused(function()
      local tx, rx = weir.unbounded()
      collectgarbage()
      local before = collectgarbage("count")
      for i = 1, 1000000 do tx:send(i) end
      collectgarbage()
      assert.is_true((collectgarbage("count") - before) * 1024 < 17e6)
      for i = 1, 1000000 do assert(rx:recv() == i) end
      collectgarbage()
      assert.is_true((collectgarbage("count") - before) * 1024 < 1e4)
    end)
  end)
end)

describe("a broadcast's ring", function()
  for _, capacity in ipairs { 1, 3, 16, 32, 33, 100 } do
    it(("of %d gives each receiver what went in, of whatever kind"):format(capacity), function()
      math.randomseed(capacity)
      weir.run_paused(function()
        local tx, rx = weir.broadcast(capacity)
        local receivers, sent, seen = { rx, tx:subscribe() }, {}, { 0, 0 }
        for n = 1, 5000 do
          local r = math.random(0, 2)
          if r == 0 then
            local value = message(math.random, 60, n)
            tx:send(value)
            sent[#sent + 1] = value
          else
            local got, why, missed = receivers[r]:try_recv()
            if seen[r] == #sent then assert(got == nil and why == "empty")
            elseif why == "lagged" then seen[r] = seen[r] + missed
            else
              seen[r] = seen[r] + 1
              assert(same(got, sent[seen[r]]), n)
            end
          end
          if math.random(1, 300) == 1 then          -- one goes, unseen messages or not; another comes
            receivers[1]:drop()
            receivers[1], seen[1] = tx:subscribe(), #sent
          end
        end
      end)
    end)
  end

  it("lets a table go when a number takes its place, or all have seen it", function()
    weir.run_paused(function()
      local gone = setmetatable({}, { __mode = "k" })
      local tx, rx = weir.broadcast(1)
      for i = 1, 3 do
        local value = {}
        gone[value] = i
        tx:send(value)
        value = nil                               -- luacheck: ignore 311
        if i == 3 then rx:try_recv() rx:try_recv() else tx:send(i) end
        collectgarbage()
        assert.is_nil(next(gone))
      end
    end)
  end)
end)

describe("a watch's value", function()
  it("is the last one that was sent, of whatever kind", function()
    math.randomseed(5)
    weir.run_paused(function()
      local initial = message(math.random, 60, 0)
      local tx, rx = weir.watch(initial)
      local last = initial
      assert(same(rx:borrow(), last))
      for n = 1, 2000 do
        local value, way = message(math.random, 60, n), n % 4
        if way == 0 then assert(same(tx:send_replace(value), last))
        elseif way == 1 then tx:send_modify(function(old) assert(same(old, last)) return value end)
        elseif way == 2 then
          tx:send_if_modified(function(old) assert(same(old, last)) return true, value end)
        else tx:send(value) end
        last = value
        assert(same(tx:borrow(), last) and same(rx:borrow(), last))
        assert(rx:changed() and same(rx:borrow_and_update(), last))
      end
    end)
  end)

  it("is let go when a number takes its place", function()
    weir.run_paused(function()
      local gone = setmetatable({}, { __mode = "k" })
      local value = {}
      gone[value] = true
      local tx, rx = weir.watch(value)
      value = nil                                 -- luacheck: ignore 311
      tx:send(1)
      collectgarbage()
      assert.is_nil(next(gone))
      assert.equal(1, rx:borrow())
    end)
  end)
end)
