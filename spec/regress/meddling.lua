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

cases[arg[1]]()
print "ok"
