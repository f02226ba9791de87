-- SPDX-License-Identifier: MIT
-- fairness_spec.lua -- tasks that wait for the same thing are served first come, first served.

local weir = require "weir"
local helper = require "spec.helper"

local paused = helper.paused

-- Three tasks that take for ever; `give` hands one thing out. Who got it, in order.
local function order(take, give, times)
  local got, tasks = {}, {}
  for who = 1, 3 do
    tasks[who] = weir.spawn(function()
      while true do
        take()
        got[#got + 1] = who
      end
    end)
  end
  weir.yield()
  for _ = 1, times or 6 do
    give()
    helper.settle()
  end
  for _, task in ipairs(tasks) do task:abort() end
  return table.concat(got)
end

describe("tasks that wait for the same", function()
  it("interval take its ticks in turn", paused(function()
    local ticks = weir.interval(1)
    ticks:tick()
    assert.equal("123123", order(function() ticks:tick() end, function() weir.sleep(1) end))
  end))

  it("interval in a select take its ticks in turn", paused(function()
    local ticks = weir.interval(1)
    ticks:tick()
    local _, quiet = weir.mpsc(1)
    assert.equal("123123", order(function() weir.select { ticks, weir.after(100) } end,
      function() weir.sleep(1) end))
    assert.is_true(quiet:is_empty())
  end))

  it("join set get its tasks in turn", paused(function()
    local set = weir.join_set()
    set:spawn(weir.sleep, 1000)
    assert.equal("123123", order(function() set:join_next() end, function() set:spawn(function() end) end))
    set:abort_all()
  end))

  it("watch receiver see its changes in turn", paused(function()
    local tx, rx = weir.watch(0)
    local n = 0
    assert.equal("123123", order(function() rx:changed() end, function()
      n = n + 1
      tx:send(n)
    end))
  end))

  it("broadcast receiver get its messages in turn", paused(function()
    local tx, rx = weir.broadcast(8)
    local n = 0
    assert.equal("123123", order(function() assert(rx:recv()) end, function()
      n = n + 1
      tx:send(n)
    end))
  end))

  it("stay in turn when one of them goes", paused(function()
    local set = weir.join_set()
    local got = {}
    set:spawn(weir.sleep, 1000)
    local tasks = {}
    for who = 1, 4 do
      tasks[who] = weir.spawn(function()
        while true do
          set:join_next()
          got[#got + 1] = who
        end
      end)
    end
    weir.yield()
    for i = 1, 7 do
      if i == 3 then tasks[4]:abort() end
      set:spawn(function() end)
      helper.settle()
    end
    assert.equal("1231231", table.concat(got))
    for _, task in ipairs(tasks) do task:abort() end
    set:abort_all()
  end))
end)

describe("a handle through which many wait", function()
  it("is dropped in a time that grows with their number only", paused(function()
    local function drop(n)
      local tx, rx = weir.mpsc(1)
      local other = tx:clone()
      tx:try_send "full"
      for i = 1, 2 * n do
        weir.spawn(function() pcall(function() (i <= n and tx or other):send(i) end) end)
      end
      weir.yield()
      local began = os.clock()
      other:drop()
      local took = os.clock() - began
      rx:drop()
      return took
    end
    drop(100)
    local few, many = math.huge, math.huge
    for _ = 1, 3 do
      few, many = math.min(few, drop(1000)), math.min(many, drop(16000))
    end
    -- 16 times as many: 256 times as long if it were quadratic
    assert.is_true(many < 80 * few + 0.01, ("%g s, then %g s"):format(few, many))
  end))
end)
