-- SPDX-License-Identifier: MIT
-- coroutine_spec.lua -- a task's coroutine in the hands of others.

local weir = require "weir"
local helper = require "spec.helper"

local paused = helper.paused

describe("coroutine.resume", function()
  it("refuses a task's coroutine, which goes on in its turn", paused(function()
    local tx, rx = weir.mpsc(1)
    local co
    local task = weir.spawn(function()
      co = coroutine.running()
      return rx:recv()
    end)
    weir.yield()
    helper.blames(function() coroutine.resume(co, "not from there") end, "this is the coroutine of task %d+")
    tx:send "m"
    assert.same({ true, "m" }, { task:join() })
    local ok, err = coroutine.resume(co)
    assert.same({ false, "cannot resume dead coroutine" }, { ok, err })
  end))

  it("refuses that of a function inside a task, too", paused(function()
    local co
    local task = weir.spawn(function()
      return weir.timeout(5, function()
        co = coroutine.running()
        weir.sleep(1)
        return "done"
      end)
    end)
    weir.yield()
    helper.blames(function() coroutine.resume(co) end, "this is the coroutine of task %d+")
    assert.same({ true, true, "done" }, { task:join() })
  end))

  it("is the same as ever with every other coroutine", paused(function()
    coroutine.running()
    local co = coroutine.create(function(...)
      local got = table.pack(...)
      while true do got = table.pack(coroutine.yield(table.unpack(got, 1, got.n))) end
    end)
    assert.same({ true, 1, nil, n = 3 }, table.pack(coroutine.resume(co, 1, nil)))
    assert.same({ true, n = 1 }, table.pack(coroutine.resume(co)))
    assert.same({ true, 2, n = 2 }, table.pack(coroutine.resume(co, 2)))
    local fails = coroutine.create(function() error({ 1 }) end)
    assert.same({ false, { 1 } }, { coroutine.resume(fails) })
    assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(fails) })
    assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(coroutine.running()) })
    helper.blames(function() coroutine.resume(1) end,
      "bad argument #1 to 'resume' %(coroutine expected, got number%)")
    local many = coroutine.create(function(...) return select("#", ...) end)
    assert.same({ true, 200 }, { coroutine.resume(many, table.unpack({}, 1, 200)) })
    local more = coroutine.create(function() return table.unpack({}, 1, 700000) end)
    local function beside(...) return select("#", ...), coroutine.resume(more) end
    assert.same({ 400000, false, "too many results to resume" }, { beside(table.unpack({}, 1, 400000)) })
  end))

  it("nests as deeply as before", function()
    local function depth(n)
      local co = coroutine.create(function() return depth(n + 1) end)
      local ok, result = coroutine.resume(co)
      return ok and result or n
    end
    assert.is_true(depth(1) > 150)
  end)
end)

describe("a task whose coroutine was closed by a coroutine.close from before weir", function()
  local program = [[
    local close = coroutine.close
    local weir = require "weir"
    weir.on_error(function(_, err) print("failed: " .. err) end)
    weir.run_paused(function()
      %s
      print("went on")
    end)]]


  for what, body in pairs {
    ["in recv"] = [[
      local tx, rx = weir.mpsc(1)
      local co
      weir.spawn(function() co = coroutine.running() rx:recv() end)
      weir.yield()
      if early then tx:send "m" end
      close(co)
      if not early then tx:send "m" end
      weir.yield()
      tx:try_send "n"
      print(rx:try_recv())]],
    ["in a oneshot's recv"] = [[
      local tx, rx = weir.oneshot()
      local co
      weir.spawn(function() co = coroutine.running() rx:recv() end)
      weir.yield()
      if early then tx:send "m" end
      close(co)
      if not early then tx:send "m" end
      weir.yield()]],
    ["in call"] = [[
      local tx, rx = weir.mpsc(1)
      local co
      weir.spawn(function() co = coroutine.running() tx:call {} end)
      weir.yield()
      local reply = rx:recv().reply
      if early then reply:send "m" end
      close(co)
      if not early then reply:send "m" end
      weir.yield()]],
    ["in call, and is aborted"] = [[
      local tx, rx = weir.mpsc(1)
      local co
      local task = weir.spawn(function() co = coroutine.running() tx:call {} end)
      weir.yield()
      local reply = rx:recv().reply
      if early then task:abort() end
      close(co)
      task:abort()
      weir.yield()
      print(reply:send "m")]],
    ["in call, without a place"] = [[
      local tx, rx = weir.mpsc(1)
      tx:send "full"
      local co
      weir.spawn(function() co = coroutine.running() tx:call {} end)
      weir.yield()
      close(co)
      rx:recv()
      weir.yield()]],
    ["in select"] = [[
      local tx, rx = weir.mpsc(1)
      local co
      weir.spawn(function() co = coroutine.running() weir.select { rx, weir.after(5) } end)
      weir.yield()
      close(co)
      tx:send "m"
      weir.yield()
      print(rx:try_recv())]],
  } do
    for _, early in ipairs { "true", "false" } do
      it(what .. " fails, and nothing else; what it got came first: " .. early, function()
        local out, status = helper.program(program:format("local early = " .. early .. " " .. body))
        assert.matches("went on", out)
        assert.equal(0, status, out)
      end)
    end
  end
end)
