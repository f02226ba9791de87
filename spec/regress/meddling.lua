-- SPDX-License-Identifier: MIT
-- meddling.lua -- finalizers that meddle with what is in use. One runs at some allocation of an operation, if
-- garbage of every amount is left before it. In a process of its own, whose small heap is collected often.

local weir = require "weir"

local function meddled(setup, meddle, use)
  for garbage = 1, 300, 3 do
    weir.run_paused(function()
      local thing = setup()
      collectgarbage()
      collectgarbage "stop"
      setmetatable({}, { __gc = function() meddle(thing) end })
      for _ = 1, garbage do local _ = {} end
      collectgarbage("incremental", 1, 1000, 0)
      collectgarbage "restart"
      use(thing)
    end)
  end
end

local cases = {}

function cases.permit()
  meddled(function()
    local tx, rx = weir.mpsc(4)
    local thing = { tx = tx, rx = rx, permit = tx:reserve(), filler = tx:reserve_many(2) }
    thing.message = weir.mpsc(1)
    thing.filler:send(1)
    return thing
  end, function(thing) thing.permit:release() end, function(thing)
    pcall(thing.permit.send, thing.permit, thing.message)
    thing.permit:release()
    thing.filler:release()
    while thing.rx:try_recv() do end
    assert(thing.tx:capacity() == 4)
  end)
end

function cases.move()
  meddled(function() return { tx = (weir.mpsc(1)) } end, function(thing) thing.tx:drop() end,
    function(thing)
      local ok, task = pcall(weir.spawn, function(tx) tx:drop() end, thing.tx)
      if ok then assert(task:join()) end
    end)
end

function cases.clone()
  meddled(function()
    local tx, rx = weir.mpsc(1)
    return { tx = tx, rx = rx }
  end, function(thing) thing.tx:drop() end, function(thing)
    pcall(function() thing.tx:clone() end)
    thing.tx:drop()
    collectgarbage()
    assert(select(2, thing.rx:try_recv()) == "closed")
  end)
end

function cases.answer()
  meddled(function()
    local tx, rx = weir.oneshot()
    return { tx = tx, rx = rx }
  end, function(thing) thing.tx:send("first", "one") end, function(thing)
    local ok = pcall(thing.tx.send, thing.tx, "second", "two")
    local word, number = thing.rx:recv()
    assert(ok and word == "second" and number == "two" or not ok and word == "first" and number == "one")
  end)
end

function cases.spawn()
  local ran, spawned = 0, 0
  meddled(function() return {} end, function()
    for _ = 1, 200 do weir.spawn(function() ran = ran + 1 end) end
    spawned = spawned + 200
  end, function()
    local tasks = {}
    for i = 1, 300 do tasks[i] = weir.spawn(function() return i end) end
    for i = 1, 300 do assert(select(2, tasks[i]:join()) == i) end
    weir.sleep(1)
    assert(ran == spawned)
  end)
  assert(spawned > 0)
end

function cases.reservation()
  meddled(function()
    local tx, rx = weir.mpsc(1)
    rx:drop()
    return { tx = tx }
  end, function(thing) thing.tx:drop() end, function(thing)
    local ok, reservation = pcall(thing.tx.reservation, thing.tx)
    thing.tx:drop()
    collectgarbage()
    if ok then assert(select(2, reservation:wait(0)) == "closed")
    else assert(reservation:find "closed") end
  end)
end

-- A set of n members that have ended.
local function ended_set(n)
  local set = weir.join_set()
  for i = 1, n do set:spawn(function() return i, i end) end
  weir.yield()
  weir.yield()
  return set
end

function cases.drop_set()
  local closed = 0
  meddled(function() return ended_set(3) end, function(set) set:drop() end, function(set)
    local ok, results = pcall(set.join_all, set)
    assert(ok and #results == 3 or not ok and results:find "closed")
    if not ok then closed = closed + 1 end
  end)
  assert(closed > 0)
end

function cases.join_all()
  local ran, unfinished = nil, 0
  meddled(function()
    ran = false
    return ended_set(3)
  end, function(set)
    ran = true
    set:spawn(function() return "late" end)
  end, function(set)
    local results = set:join_all()
    assert(#results == 3)
    for i = 1, 3 do assert(results[i].n == 2 and results[i][1] == i) end
    collectgarbage()
    if ran and #set == 1 then
      unfinished = unfinished + 1
      assert(select(3, set:join_next(1)) == "late")
    end
    set:drop()
  end)
  assert(unfinished > 0)
end

function cases.set_spawn()
  meddled(weir.join_set, function(set)
    for i = 1, 20 do set:spawn(function() return -i end) end
  end, function(set)
    for i = 1, 20 do set:spawn(function() return i end) end
    collectgarbage()
    local sum, all = 0, set:join_all()
    for _, results in ipairs(all) do
      assert(results.n == 1)
      sum = sum + results[1]
    end
    assert(#all == 40 and sum == 0)
    set:drop()
  end)
end

function cases.set_drop_spawn()
  local aborted = 0
  meddled(weir.join_set, function(set) set:drop() end, function(set)
    local ok, task = pcall(set.spawn, set, weir.sleep, 1)
    set:drop()
    if ok then
      local _, why = task:join(2)
      assert(why == "aborted")
      aborted = aborted + 1
    else assert(task:find "closed") end
  end)
  assert(aborted > 0)
end

cases[arg[1]]()
print "ok"
