-- SPDX-License-Identifier: MIT
-- Branches and numbers of branches that select_spec.lua passes by.

local weir = require "weir"
local helper = require "spec.helper"
local paused, later, join = helper.paused, helper.later, helper.join

local held = {}                           -- senders: else a collection might close the channels

-- n receivers, of which number `ready` has the message "here".
local function receivers(n, ready)
  local list, senders = {}, {}
  for i = 1, n do senders[i], list[i] = weir.mpsc(1) end
  held[#held + 1] = senders
  if ready then assert(senders[ready]:try_send("here")) end
  return list, senders
end

describe("weir.select", function()
  after_each(function() held = {} end)

  it("leaves a branch out whose awaitable is false, function or not", paused(function()
    local list = receivers(1, 1)
    local never = function() error("called") end
    for _ = 1, 20 do
      local tx <close>, rx = weir.mpsc(1)
      tx:try_send(1)
      local which, v = weir.select { off = { false, never }, on = rx }
      assert.equal("on", which)
      assert.equal(1, v)
    end
    assert.same({ nil, "empty" }, { weir.select { off = { false, never } } })
    assert.same({ 1, "here" }, { weir.select { list[1], { false, never } } })
  end))

  it("says which branch maps something that is not awaitable", paused(function()
    local f = function() end
    helper.blames(function() weir.select { odd = { { 42, 1 }, f } } end, "branch 'odd'", "maps")
    helper.blames(function() weir.select { odd = { {}, f } } end, "branch 'odd'", "maps")
    local _, rx = weir.mpsc(1)
    helper.blames(function() weir.select { odd = { { rx, 1 }, f } } end, "branch 'odd'", "maps")
  end))

  it("lets the function of a branch wait, and returns all that it returns", paused(function()
    local list = receivers(2, 2)
    local before = weir.now()
    local results = table.pack(weir.select { list[1], { list[2], function(v)
      weir.sleep(3)
      return v, nil, "slept"
    end } })
    assert.same({ 2, "here", nil, "slept", n = 4 }, results)
    assert.equal(3, weir.now() - before)
  end))

  it("lets the function of a branch wait after the select has waited", paused(function()
    local list, senders = receivers(2)
    local task = later(function()
      return weir.select { a = list[1], b = { list[2], function(v)
        weir.sleep(1)
        return v, "slept"
      end } }
    end)
    senders[2]:send("late")
    local which, v, word = join(task)
    assert.same({ "b", "late", "slept" }, { which, v, word })
  end))

  it("finds the one ready branch at every place of arrays of every length up to 40", paused(function()
    for n = 1, 40 do
      for ready = 1, n do
        local list = receivers(n, ready)
        local which, v, extra = weir.select(list)
        assert.equal(ready, which)
        assert.equal("here", v)
        assert.is_nil(extra)
        assert.same({ nil, "empty" }, { weir.try_select(list) })
      end
    end
  end))

  it("wakes at the one branch that becomes ready, in arrays of every length up to 40", paused(function()
    for n = 1, 40 do
      local list, senders = receivers(n)
      local ready = 1 + n * 7 % n
      local task = later(weir.select, list)
      senders[ready]:try_send(n)
      local which, v = join(task)
      assert.same({ ready, n }, { which, v })
    end
  end))

  it("sees the keys beside an array's elements", paused(function()
    local list = receivers(3)
    local extra = receivers(1, 1)
    list.extra = extra[1]
    assert.same({ "extra", "here" }, { weir.select(list) })
    list.extra = nil
    list[7] = extra[1]
    local tx <close>, rx = weir.mpsc(1)
    tx:try_send("seventh")
    list[7] = rx
    assert.same({ 7, "seventh" }, { weir.select(list) })
  end))

  it("keeps asking an array in which branches are replaced", paused(function()
    local list = receivers(20)
    for i = 1, 20 do
      local tx, rx = weir.mpsc(1)
      list[i] = rx
      held[#held + 1] = { tx }
      tx:try_send(i)
      assert.same({ i, i }, { weir.select(list) })
    end
  end))

  it("sees the named branch that a large array gets when it was looked at before", paused(function()
    local branches, count = {}, { named = 0, array = 0 }
    for i = 1, 9 do
      local tx, rx = weir.unbounded()
      for _ = 1, 500 do tx:send(i) end
      branches[i <= 8 and i or "named"] = rx
    end
    local named = branches.named
    branches.named = nil
    for _ = 1, 3 do assert.are.equal("integer", math.type(weir.select(branches))) end
    branches.named = named
    for _ = 1, 200 do
      local which = weir.select(branches) == "named" and "named" or "array"
      count[which] = count[which] + 1
    end
    assert.is_true(count.named > 0 and count.array > count.named)
  end))

  it("chooses each ready one of a large array about as often as any other", paused(function()
    local n, rounds = 24, 2400
    local list, senders = receivers(n)
    local times = {}
    for i = 1, n do times[i] = 0 end
    for _ = 1, rounds do
      for i = 1, n do senders[i]:try_send(i) end
      local which = weir.select(list)
      times[which] = times[which] + 1
    end
    -- 100 expected of each, deviation 10: eight deviations
    for i = 1, n do assert.is_true(times[i] > 20 and times[i] < 180, i .. ": " .. times[i]) end
  end))
end)

describe("weir.select over an array in which a branch has a function", function()
  it("chooses each ready one about as often as any other", paused(function()
    local rounds, times = 1200, { 0, 0, 0, 0 }
    local senders, list = {}, {}
    for i = 1, 4 do
      senders[i], list[i] = weir.mpsc(1)
      senders[i]:try_send(i)
    end
    list[2] = { list[2], function(v) return v end }
    for _ = 1, rounds do
      local which, v = weir.select(list)
      assert.equal(which, v)
      times[which] = times[which] + 1
      senders[which]:try_send(which)
    end
    -- 300 expected of each, deviation 15: eight deviations
    for i = 1, 4 do assert.is_true(times[i] > 180 and times[i] < 420, i .. ": " .. times[i]) end
  end))
end)

describe("weir.select_biased", function()
  it("takes the first that is ready, holes and disabled branches passed over", paused(function()
    local function ready()
      local tx, rx = weir.mpsc(1)
      tx:try_send("here")
      return rx
    end
    local never = receivers(1)[1]
    assert.same({ 3, "here" }, { weir.select_biased { [1] = never, [3] = ready(), [5] = ready() } })
    assert.same({ 2, "here" }, { weir.select_biased { false, ready(), nil, ready() } })
    assert.same({ 5, "here" }, { weir.select_biased { [5] = ready() } })
    for n = 1, 20 do
      local list = {}
      for i = 1, n do list[i] = i >= n // 2 and ready() or never end
      assert.equal(math.max(1, n // 2), (weir.select_biased(list)))
    end
  end))
end)

describe("weir.select over a table with names and numbers", function()
  -- The table is put together in each of the ways in which Lua may lay it out.
  local function table_of(how, name, named, numbered)
    if how == 1 then return { [name] = named, [1] = numbered } end
    local t = {}
    if how == 2 then t[name] = named end
    for i = 1, how == 4 and 9 or 1 do t[i] = numbered end
    if how > 2 then t[name] = named end
    return t
  end

  for how = 1, 4 do
    it("sees the named branch, however the table was made: " .. how, paused(function()
      local _, quiet = weir.unbounded()
      local tx, rx = weir.unbounded()
      for i = 1, 100 do
        tx:send(i)
        local name = "k" .. i
        assert.same({ name, i }, { weir.try_select(table_of(how, name, rx, quiet)) })
      end
    end))

    it("waits for the named branch, too: " .. how, paused(function()
      local silent, quiet = weir.unbounded()
      local tx, rx = weir.unbounded()
      for i = 1, 30 do
        local name = "k" .. i
        weir.spawn(function() tx:send(i) end)
        assert.same({ name, i }, { weir.select(table_of(how, name, rx, quiet), 1) })
      end
      silent:drop()
    end))
  end

  it("sees it in a table that stands where an array stood", paused(function()
    local silent, quiet = weir.unbounded()
    local tx, rx = weir.unbounded()
    for i = 1, 300 do
      for _ = 1, 3 do assert.same({ nil, "empty" }, { weir.try_select { quiet } }) end
      tx:send(i)
      assert.same({ "named", i }, { weir.try_select { named = rx, [1] = quiet } })
    end
    silent:drop()
  end))

  it("sees one that comes to a table which was an array when it was looked at", paused(function()
    local silent, quiet = weir.unbounded()
    local tx, rx = weir.unbounded()
    for i = 1, 60 do
      local name = "k" .. i
      local t = { [name] = false, [1] = quiet }   -- so both have their place in one part of the table
      t[name] = nil
      for _ = 1, 2 do assert.same({ nil, "empty" }, { weir.try_select(t) }) end
      t[name] = rx
      tx:send(i)
      assert.same({ name, i }, { weir.try_select(t) })
    end
    silent:drop()
  end))

  it("refuses names in select_biased, wherever they lie", paused(function()
    local _, rx = weir.unbounded()
    for i = 1, 20 do
      local ok, err = pcall(weir.select_biased, { ["k" .. i] = rx, [1] = rx }, 0)
      assert.is_false(ok)
      assert.matches("takes an array", err)
    end
  end))
end)

describe("weir.select over an array that it has looked at", function()
  it("draws a branch that became a send", paused(function()
    local list, senders, times = {}, {}, {}
    for i = 1, 8 do
      senders[i], list[i] = weir.unbounded()
      senders[i]:send(i)
      times[i] = 0
    end
    for _ = 1, 3 do weir.select(list) end
    list[3] = { (weir.unbounded()), "sent" }
    for _ = 1, 800 do
      for i = 1, 8 do senders[i]:send(i) end
      local which = weir.select(list)
      times[which] = times[which] + 1
    end
    -- 100 expected, deviation under 10
    assert.is_true(times[3] > 20, times[3] .. " times")
  end))
end)

describe("weir.select that waits for a semaphore", function()
  it("yields one permit, at whichever index", paused(function()
    for place = 1, 4 do
      local list, senders = {}, {}
      for i = 1, 4 do senders[i], list[i] = weir.mpsc(1) end
      local semaphore = weir.semaphore(1)
      list[place] = semaphore
      local permit = semaphore:acquire()
      local task = weir.spawn(function() return weir.select(list) end)
      weir.yield()
      permit:release()
      local _, which, won = task:join()
      assert.equal(place, which)
      assert.equal(1, won:count())
      won:release()
      assert.equal(1, semaphore:available())
      assert.equal(4, #senders)
    end
  end))
end)

describe("weir.select with a send by broadcast", function()
  it("refuses a handle as the message, as send does", paused(function()
    local b = weir.broadcast(4, { overflow = "wait" })
    local tx = weir.mpsc(1)
    local ok, err = pcall(weir.select, { { b, tx } })
    assert.is_false(ok)
    assert.matches("branch '1' sends a handle", err)
  end))
end)
