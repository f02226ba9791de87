-- SPDX-License-Identifier: MIT
-- frame_spec.lua -- what ends a body that is never without something to do, and which error is the first.

local weir = require "weir"
local helper = require "spec.helper"

local paused = helper.paused

-- Each of them gives way now and then, and never has to wait.
local busy = {
  ["gives way"] = function() return weir.yield end,
  ["sleeps no time"] = function() return function() weir.sleep(0) end end,
  ["always finds a message"] = function()
    local tx, rx = weir.mpsc(1)
    weir.spawn(function() while tx:send "x" do end end)
    return function() rx:recv() end
  end,
  ["sends and receives"] = function()
    local tx, rx = weir.mpsc(1)
    return function()
      tx:send "x"
      rx:recv()
    end
  end,
}

local function repeated(step, times)
  return function()
    for _ = 1, times do step() end
    return "ran on"
  end
end

describe("a body that never has to wait", function()
  for what, make in pairs(busy) do
    it("and " .. what .. " is ended by its timeout", function()
      weir.run(function()
        local began = weir.now()
        assert.same({ nil, "timeout" }, { weir.timeout(0.01, repeated(make(), 1e7)) })
        assert.is_true(weir.now() - began < 1)
      end)
    end)

    it("and " .. what .. " is ended by a token that is cancelled already", paused(function()
      local token = weir.cancellation_token()
      token:cancel()
      assert.same({ nil, "cancelled" }, { token:run_until_cancelled(repeated(make(), 1e6)) })
    end))

    it("and " .. what .. " is ended by a token that another task cancels", paused(function()
      local token = weir.cancellation_token()
      weir.spawn(function() token:cancel() end)
      assert.same({ nil, "cancelled" }, { token:run_until_cancelled(repeated(make(), 1e6)) })
    end))

    it("and " .. what .. " is ended in a scope whose task failed", helper.failing(function()
      local ok, err = pcall(weir.scope, function(scope)
        scope:spawn(error, "the task's", 0)
        repeated(make(), 1e6)()
      end)
      assert.same({ false, "the task's" }, { ok, err })
    end))
  end

  it("is ended at its first step aside when it has no time at all", paused(function()
    assert.same({ nil, "timeout" }, { weir.timeout(0, weir.yield) })
  end))

  it("does not lose what it was granted before its time was over", paused(function()
    local tx, rx = weir.mpsc(1)
    local got
    local task = weir.spawn(function()
      return weir.timeout(1, function()
        got = rx:recv()
        weir.sleep(5)
      end)
    end)
    weir.sleep(1)                                 -- due together, and this task is first
    tx:send "x"
    assert.same({ true, nil, "timeout" }, { task:join() })
    assert.equal("x", got or rx:try_recv())
  end))

  it("leaves what it would be granted after its time to others", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { weir.timeout(0, function()
      weir.spawn(function() tx:send "x" end)
      rx:recv()
    end) })
    weir.yield()
    assert.equal("x", rx:try_recv())
  end))
end)

describe("weir.timeout", function()
  it("lets a wait that ends at the same instant end the function", paused(function()
    assert.same({ true, "done" }, { weir.timeout(1, function()
      weir.sleep(1)
      return "done"
    end) })
  end))

  it("leaves its arguments where they were", paused(function()
    local tx, rx = weir.mpsc(1)
    assert.same({ nil, "timeout" }, { weir.timeout(1, rx.recv, rx) })
    assert.is_true(tx:send "still open")
    assert.equal("still open", rx:recv())
  end))
end)

describe("weir.scope", function()
  it("raises the first error, though the body then fails because of it", helper.failing(function()
    local ok, err = pcall(weir.scope, function(scope)
      local tx, rx = weir.mpsc(1)
      scope:spawn(function(own)
        assert(own)
        error("root cause", 0)
      end, tx)
      while true do assert(rx:recv()) end
    end)
    assert.same({ false, "root cause" }, { ok, err })
  end))

  it("raises the first error, though a <close> of the body then raises another", helper.failing(function()
    local ok, err = pcall(weir.scope, function(scope)
      scope:spawn(error, "first", 0)
      local _ <close> = setmetatable({}, { __close = function() error("second", 0) end })
      weir.sleep(1)
    end)
    assert.same({ false, "first" }, { ok, err })
    assert.is_true(weir.timeout(1, weir.yield), "the task can still wait")
  end))

  it("raises the body's error if that was the first", helper.failing(function()
    local ok, err = pcall(weir.scope, function(scope)
      scope:spawn(function()
        local _ <close> = setmetatable({}, { __close = function() error("second", 0) end })
        weir.sleep(1)
      end)
      weir.yield()
      error("first", 0)
    end)
    assert.same({ false, "first" }, { ok, err })
  end))
end)

describe("an error inside", function()
  local around = {
    ["weir.timeout"] = function(f) weir.timeout(1, f) end,
    ["weir.scope"] = weir.scope,
    ["weir.wrap"] = function(f) weir.wrap(f)() end,
    run_until_cancelled = function(f) weir.cancellation_token():run_until_cancelled(f) end,
  }
  for name, run in pairs(around) do
    it(name .. " is shown where it was raised", helper.failing(function()
      local task = weir.spawn(function()
        run(function()
          local function culprit()
            weir.yield()
            error "deep"
          end
          culprit()
        end)
      end)
      task:join()
      assert.matches("culprit", task:traceback())
    end))
  end

  it("two of them is shown through both", helper.failing(function()
    local task = weir.spawn(function()
      weir.timeout(2, function()
        local function outer()
          weir.timeout(1, function()
            local function culprit() error "deep" end
            culprit()
          end)
        end
        outer()
      end)
    end)
    task:join()
    assert.matches("culprit", task:traceback())
    assert.matches("outer", task:traceback())
  end))
end)

describe("a generator", function()
  it("cannot yield through weir.timeout, and is told so", paused(function()
    local generate = weir.wrap(function() weir.timeout(1, function() coroutine.yield "item" end) end)
    local ok, err = pcall(generate)
    assert.is_false(ok)
    assert.matches("a generator cannot yield through it", err)
  end))
end)
