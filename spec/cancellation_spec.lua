-- SPDX-License-Identifier: MIT
-- cancellation_spec.lua -- tokens, their children and guards, run_until_cancelled.

local weir = require "weir"
local helper = require "spec.helper"

local blames, closing, later, paused, settle =
  helper.blames, helper.closing, helper.later, helper.paused, helper.settle

describe("weir.cancellation_token", function()
  it("makes a token that is not cancelled", function()
    local token = weir.cancellation_token()
    assert.equal("CancellationToken", weir.type(token))
    assert.is_false(token:is_cancelled())
    assert.is_nil(token:reason())
  end)

  it("makes one that differs from any other", function()
    assert.are_not.equal(weir.cancellation_token(), weir.cancellation_token())
  end)

  it("tells its state in tostring", function()
    local token = weir.cancellation_token()
    local before = tostring(token)
    token:cancel()
    assert.matches("CancellationToken", before)
    assert.are_not.equal(before, tostring(token))
  end)
end)

describe("CancellationToken:cancel", function()
  it("cancels", function()
    local token = weir.cancellation_token()
    token:cancel()
    assert.is_true(token:is_cancelled())
  end)

  it("keeps its reason, which may be any value", function()
    local reason = {}
    local token = weir.cancellation_token()
    token:cancel(reason)
    assert.equal(reason, token:reason())
  end)

  it("may be called twice; the first reason stands", function()
    local token = weir.cancellation_token()
    token:cancel "first"
    token:cancel "second"
    assert.is_true(token:is_cancelled())
    assert.equal("first", token:reason())
  end)

  it("wakes everybody who waits, in order", paused(function()
    local token, log = weir.cancellation_token(), {}
    for i = 1, 3 do
      later(function()
        token:cancelled()
        log[#log + 1] = i
      end)
    end
    token:cancel()
    settle()
    assert.same({ 1, 2, 3 }, log)
  end))

  it("runs nobody inside the call", paused(function()
    local token, woken = weir.cancellation_token(), false
    later(function()
      token:cancelled()
      woken = true
    end)
    token:cancel()
    assert.is_false(woken)
    weir.yield()
    assert.is_true(woken)
  end))

  it("works from a callback that cannot yield", paused(function()
    local token = weir.cancellation_token()
    string.gsub("x", "x", function() token:cancel "gsub" end)
    assert.same({ true, "gsub" }, { token:cancelled() })
  end))

  it("works from a finalizer", paused(function()
    local token = weir.cancellation_token()
    local task = later(function() return token:cancelled() end)
    helper.forget(function() setmetatable({}, { __gc = function() token:cancel "gc" end }) end)
    assert.same({ true, true, "gc" }, { task:join() })
  end))
end)

describe("CancellationToken:cancelled", function()
  it("returns true and the reason at once where it is cancelled", paused(function()
    local token = weir.cancellation_token()
    token:cancel "why"
    local t = weir.now()
    assert.same({ true, "why" }, { token:cancelled() })
    assert.same({ true, "why" }, { token:cancelled(0) })
    assert.equal(0, weir.now() - t)
  end))

  it("waits for the cancellation", paused(function()
    local token = weir.cancellation_token()
    weir.spawn(function()
      weir.sleep(1)
      token:cancel "late"
    end)
    local t = weir.now()
    assert.same({ true, "late" }, { token:cancelled() })
    assert.equal(1, weir.now() - t)
  end))

  it("returns true where there is no reason", paused(function()
    local token = weir.cancellation_token()
    token:cancel()
    assert.is_true((token:cancelled()))
    assert.is_nil((select(2, token:cancelled())))
  end))

  it("returns nil, 'timeout' after its timeout", paused(function()
    local token = weir.cancellation_token()
    local t = weir.now()
    assert.same({ nil, "timeout" }, { token:cancelled(1) })
    assert.equal(1, weir.now() - t)
    assert.same({ nil, "timeout" }, { token:cancelled(0) })
  end))

  it("works outside a task where it is cancelled", function()
    local token = weir.cancellation_token()
    token:cancel "why"
    assert.same({ true, "why" }, { token:cancelled() })
  end)

  it("raises outside a task where it would wait", function()
    local token = weir.cancellation_token()
    blames(function() token:cancelled() end)
  end)

  it("can be cut short, and the others are still woken", paused(function()
    local token = weir.cancellation_token()
    local first = later(function() return token:cancelled() end)
    local second = later(function() return token:cancelled() end)
    first:abort()
    weir.yield()
    token:cancel "why"
    assert.same({ true, true, "why" }, { second:join() })
    assert.same({ false, "aborted" }, { first:join() })
  end))

  it("can be aborted after it was woken", paused(function()
    local token = weir.cancellation_token()
    local task = later(function() return token:cancelled() end)
    token:cancel()
    task:abort()
    assert.same({ false, "aborted" }, { task:join() })
  end))

  it("is an awaitable in select, with its reason", paused(function()
    local token = weir.cancellation_token()
    weir.spawn(function()
      weir.sleep(1)
      token:cancel "why"
    end)
    assert.same({ "quit", true, "why" }, { weir.select { quit = token, timer = weir.after(2) } })
  end))

  it("leaves a select that it lost alone", paused(function()
    local token = weir.cancellation_token()
    assert.equal("timer", (weir.select { quit = token, timer = weir.after(1) }))
    token:cancel()
    assert.equal("quit", (weir.select { quit = token, timer = weir.after(1) }))
  end))
end)

describe("CancellationToken:child", function()
  it("differs from its parent", function()
    local parent = weir.cancellation_token()
    local child = parent:child()
    assert.equal("CancellationToken", weir.type(child))
    assert.are_not.equal(parent, child)
  end)

  it("is cancelled with its parent, for the same reason", function()
    local parent = weir.cancellation_token()
    local child = parent:child()
    parent:cancel "why"
    assert.is_true(child:is_cancelled())
    assert.equal("why", child:reason())
  end)

  it("never cancels its parent", function()
    local parent = weir.cancellation_token()
    local child = parent:child()
    child:cancel "own"
    assert.is_true(child:is_cancelled())
    assert.is_false(parent:is_cancelled())
  end)

  it("never cancels its siblings", function()
    local parent = weir.cancellation_token()
    local child, sibling = parent:child(), parent:child()
    child:cancel()
    assert.is_false(sibling:is_cancelled())
    parent:cancel()
    assert.is_true(sibling:is_cancelled())
  end)

  it("keeps its own reason where it was cancelled before its parent", function()
    local parent = weir.cancellation_token()
    local child = parent:child()
    child:cancel "own"
    parent:cancel "parent's"
    assert.equal("own", child:reason())
  end)

  it("of a cancelled token is born cancelled, with its reason", function()
    local parent = weir.cancellation_token()
    parent:cancel "why"
    local child = parent:child()
    assert.is_true(child:is_cancelled())
    assert.equal("why", child:reason())
  end)

  it("wakes those who wait for it when its parent is cancelled", paused(function()
    local parent = weir.cancellation_token()
    local child = parent:child()
    local task = later(function() return child:cancelled() end)
    parent:cancel "why"
    assert.same({ true, true, "why" }, { task:join() })
  end))

  it("reaches any depth", function()
    local root = weir.cancellation_token()
    local tokens = { root }
    for i = 2, 10000 do tokens[i] = tokens[i - 1]:child() end
    tokens[5000]:cancel "middle"
    assert.is_false(tokens[4999]:is_cancelled())
    assert.is_true(tokens[10000]:is_cancelled())
    root:cancel "root"
    assert.is_true(tokens[4999]:is_cancelled())
    assert.equal("root", tokens[4999]:reason())
    assert.equal("middle", tokens[10000]:reason())
  end)

  it("reaches every branch of a wide tree", function()
    local root, leaves = weir.cancellation_token(), {}
    for _ = 1, 20 do
      local branch = root:child()
      for _ = 1, 20 do leaves[#leaves + 1] = branch:child() end
    end
    helper.collect()
    root:cancel "all"
    for _, leaf in ipairs(leaves) do assert.equal("all", leaf:reason()) end
  end)

  it("is still cancelled where the token between was lost", function()
    local root = weir.cancellation_token()
    local grandchild
    helper.forget(function() grandchild = root:child():child() end)
    root:cancel "root"
    assert.is_true(grandchild:is_cancelled())
    assert.equal("root", grandchild:reason())
  end)

  it("lives on where the parent was lost", function()
    local child
    helper.forget(function() child = weir.cancellation_token():child() end)
    assert.is_false(child:is_cancelled())
    child:cancel "own"
    assert.equal("own", child:reason())
  end)

  it("may be made of a parent after another child was cancelled", function()
    local parent = weir.cancellation_token()
    parent:child():cancel()
    local child = parent:child()
    assert.is_false(child:is_cancelled())
    parent:cancel()
    assert.is_true(child:is_cancelled())
  end)

  it("is forgotten by its parent when it is gone", function()
    local parent = weir.cancellation_token()
    for _ = 1, 1000 do parent:child() end
    local before = helper.memory()
    for _ = 1, 20000 do parent:child() end
    assert.is_true(helper.memory() - before < 100)
    parent:cancel()
  end)
end)

describe("CancellationToken:drop_guard", function()
  it("makes a guard that cancels when it is dropped", function()
    local token = weir.cancellation_token()
    local guard = token:drop_guard()
    assert.equal("DropGuard", weir.type(guard))
    assert.is_false(token:is_cancelled())
    guard:drop()
    assert.is_true(token:is_cancelled())
  end)

  it("cancels when its scope is left", function()
    local token = weir.cancellation_token()
    do local _guard <close> = token:drop_guard() end
    assert.is_true(token:is_cancelled())
  end)

  it("cancels when an error leaves its scope", function()
    local token = weir.cancellation_token()
    pcall(function()
      local _guard <close> = token:drop_guard()
      error "out"
    end)
    assert.is_true(token:is_cancelled())
  end)

  it("cancels when the collector drops it", function()
    local token = weir.cancellation_token()
    helper.forget(function() token:drop_guard() end)
    assert.is_true(token:is_cancelled())
  end)

  it("cancels when the task that owns it ends", paused(function()
    local token = weir.cancellation_token()
    local task = later(function(guard)
      weir.sleep(100)
      return guard
    end, token:drop_guard())
    assert.is_false(token:is_cancelled())
    task:abort()
    weir.yield()
    assert.is_true(token:is_cancelled())
  end))

  it("cancels nothing once it was disarmed", function()
    local token = weir.cancellation_token()
    do
      local guard <close> = token:drop_guard()
      guard:disarm()
    end
    helper.collect()
    assert.is_false(token:is_cancelled())
  end)

  it("cancels once, though there are several", function()
    local token = weir.cancellation_token()
    local a, b = token:drop_guard(), token:drop_guard()
    a:drop()
    b:drop()
    assert.is_true(token:is_cancelled())
  end)

  it("cancels children too", function()
    local token = weir.cancellation_token()
    local child = token:child()
    token:drop_guard():drop()
    assert.is_true(child:is_cancelled())
  end)

  it("keeps its token alive", function()
    local guard, child
    helper.forget(function()
      local token = weir.cancellation_token()
      guard, child = token:drop_guard(), token:child()
    end)
    guard:drop()
    assert.is_true(child:is_cancelled())
  end)

  it("wakes those who wait", paused(function()
    local token = weir.cancellation_token()
    local task = later(function() return token:cancelled() end)
    token:drop_guard():drop()
    assert.is_true((task:join()))
  end))
end)

describe("CancellationToken:run_until_cancelled", function()
  -- A token that is cancelled in a second.
  local function soon(reason)
    local token = weir.cancellation_token()
    weir.spawn(function()
      weir.sleep(1)
      token:cancel(reason)
    end)
    return token
  end

  it("returns true and the results of f", paused(function()
    local token = weir.cancellation_token()
    assert.same({ n = 4, true, 1, nil, 3 }, table.pack(token:run_until_cancelled(function()
      weir.sleep(1)
      return 1, nil, 3
    end)))
  end))

  it("passes arguments to f", paused(function()
    local token = weir.cancellation_token()
    assert.same({ n = 4, true, 1, nil, 3 },
      table.pack(token:run_until_cancelled(function(...) return ... end, 1, nil, 3)))
  end))

  it("returns nil, 'cancelled' when the token is cancelled first", paused(function()
    local token, t = soon(), weir.now()
    assert.same({ n = 2, nil, "cancelled" }, table.pack(token:run_until_cancelled(weir.sleep, 5)))
    assert.equal(1, weir.now() - t)
  end))

  it("returns nil, 'cancelled' where f waits and the token is cancelled already", paused(function()
    local token, t = weir.cancellation_token(), weir.now()
    token:cancel()
    assert.same({ nil, "cancelled" }, { token:run_until_cancelled(weir.sleep, 5) })
    assert.equal(0, weir.now() - t)
  end))

  it("is cut short by a parent", paused(function()
    local token = soon():child()
    assert.same({ nil, "cancelled" }, { token:run_until_cancelled(weir.sleep, 5) })
  end))

  it("lets f that ends without waiting win though it cancels the token itself", paused(function()
    local token = weir.cancellation_token()
    assert.same({ true, "ended" }, { token:run_until_cancelled(function()
      token:cancel()
      return "ended"
    end) })
  end))

  it("cuts f short at its next wait where f cancels the token itself", paused(function()
    local token, went_on = weir.cancellation_token(), false
    assert.same({ nil, "cancelled" }, { token:run_until_cancelled(function()
      token:cancel()
      weir.sleep(1)
      went_on = true
    end) })
    assert.is_false(went_on)
  end))

  it("raises an error of f", paused(function()
    local token, err = weir.cancellation_token(), {}
    local ok, got = pcall(token.run_until_cancelled, token, function()
      weir.sleep(1)
      error(err)
    end)
    assert.is_false(ok)
    assert.equal(err, got)
  end))

  it("cannot be swallowed by a pcall in f", paused(function()
    local token, rounds = soon(), 0
    assert.same({ nil, "cancelled" }, { token:run_until_cancelled(function()
      while true do
        rounds = rounds + 1
        pcall(weir.sleep, 100)
      end
    end) })
    assert.equal(1, rounds)
  end))

  it("runs the <close> variables of f", paused(function()
    local log = {}
    soon():run_until_cancelled(function()
      local _a <close> = closing(log, "a")
      local _b <close> = closing(log, "b")
      weir.sleep(5)
    end)
    assert.same({ "b", "a" }, log)
  end))

  it("lets no __close of f wait when it cuts f short", paused(function()
    local r
    soon():run_until_cancelled(function()
      local _x <close> = setmetatable({}, { __close = function() r = table.pack(pcall(weir.sleep, 1)) end })
      weir.sleep(5)
    end)
    assert.is_false(r[1])
    assert.equal("string", type(r[2]))
  end))

  it("runs f in the same task", paused(function()
    local token, task = weir.cancellation_token(), weir.current()
    assert.same({ true, task }, { token:run_until_cancelled(weir.current) })
  end))

  it("drops what f got and still owns when it cuts f short", paused(function()
    local mutex, kept = weir.mutex(), nil
    soon():run_until_cancelled(function()
      kept = mutex:lock()
      weir.sleep(5)
    end)
    assert.equal("closed MutexGuard", weir.type(kept))
    assert.equal("MutexGuard", weir.type((mutex:try_lock())))
  end))

  it("passes what f got to the task when f returns", paused(function()
    local token, mutex, kept = weir.cancellation_token(), weir.mutex(), nil
    later(function()
      token:run_until_cancelled(function() kept = mutex:lock() end)
      weir.yield()
    end)
    assert.equal("MutexGuard", weir.type(kept))
    settle()
    assert.equal("closed MutexGuard", weir.type(kept))
  end))

  it("loses no message that came in the turn of the cancellation", paused(function()
    local token = weir.cancellation_token()
    local tx, rx = weir.mpsc(1)
    local task = later(function() return token:run_until_cancelled(function() return rx:recv() end) end)
    tx:try_send "close call"
    token:cancel()
    local _, ok, got = task:join()
    if ok then assert.equal("close call", got) else assert.equal("close call", rx:try_recv()) end
  end))

  it("ends with the task that is aborted", paused(function()
    local log, token = {}, weir.cancellation_token()
    local task = later(function()
      token:run_until_cancelled(function()
        local _note <close> = closing(log, "closed")
        weir.sleep(5)
      end)
      log[#log + 1] = "went on"
    end)
    task:abort()
    assert.same({ false, "aborted" }, { task:join() })
    assert.same({ "closed" }, log)
    token:cancel()
    settle()
  end))

  it("may be nested: the outer token cuts both short", paused(function()
    local outer, inner, log = soon(), weir.cancellation_token(), {}
    assert.same({ nil, "cancelled" }, { outer:run_until_cancelled(function()
      inner:run_until_cancelled(function()
        local _note <close> = closing(log, "inner")
        weir.sleep(5)
      end)
      log[#log + 1] = "went on"
    end) })
    assert.same({ "inner" }, log)
  end))

  it("may be nested: the inner token cuts the inner short alone", paused(function()
    local outer, inner = weir.cancellation_token(), soon()
    assert.same({ true, nil, "cancelled" }, { outer:run_until_cancelled(function()
      return inner:run_until_cancelled(weir.sleep, 5)
    end) })
  end))

  it("may be nested in a timeout and around one", paused(function()
    local token = weir.cancellation_token()
    assert.same({ nil, "timeout" }, { weir.timeout(1, token.run_until_cancelled, token, weir.sleep, 5) })
    assert.same({ true, nil, "timeout" }, { token:run_until_cancelled(weir.timeout, 1, weir.sleep, 5) })
    token = soon()
    assert.same({ true, nil, "cancelled" },
      { weir.timeout(2, token.run_until_cancelled, token, weir.sleep, 5) })
  end))

  it("forgets f when it is over: a later cancellation does nothing", paused(function()
    local token = weir.cancellation_token()
    token:run_until_cancelled(weir.sleep, 1)
    weir.spawn(function()
      weir.sleep(1)
      token:cancel()
    end)
    assert.is_true(weir.sleep(2))
  end))

  it("cuts several tasks short at once", paused(function()
    local token, n = soon(), 0
    for _ = 1, 5 do
      weir.spawn(function()
        if not token:run_until_cancelled(weir.sleep, 100) then n = n + 1 end
      end)
    end
    weir.sleep(2)
    assert.equal(5, n)
  end))

  it("works outside a task where f does not wait", function()
    local token = weir.cancellation_token()
    assert.same({ true, "now" }, { token:run_until_cancelled(function() return "now" end) })
  end)

  it("raises outside a task where f waits", function()
    local token = weir.cancellation_token()
    assert.is_false(pcall(token.run_until_cancelled, token, function() weir.sleep(1) end))
  end)
end)

describe("a token", function()
  it("is the same for everybody who holds it", paused(function()
    local token = weir.cancellation_token()
    local task = weir.spawn(function(t) t:cancel "shared" end, token)
    task:join()
    assert.equal("shared", token:reason())
  end))

  it("is not cancelled by being lost", paused(function()
    local child
    local task
    helper.forget(function()
      local token = weir.cancellation_token()
      child = token:child()
      task = later(function() return child:cancelled(5) end)
    end)
    assert.same({ true, nil, "timeout" }, { task:join() })
  end))
end)
