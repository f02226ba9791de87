-- A task that waits takes the turns of the others from inside its wait, as long as that is the plain
-- case. Nobody may notice: whatever a program does, it does in the same order as without that.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local trace = require "weir.trace"
local helper = require "spec.helper"

local in_task, closing = helper.paused, helper.closing

local function shown(value)
  return (type(value) == "userdata" or type(value) == "table") and type(value) or tostring(value)
end

-- A random program; its log tells who did what, in which order, with what result.
local function program(seed)
  local state, log, next_id = seed * 7919 + 17, {}, 0
  local function random(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % n + 1
  end
  local tasks, channels, token = {}, {}, weir.cancellation_token()
  local body

  local function start(depth)
    next_id = next_id + 1
    local id = next_id
    tasks[id] = weir.spawn(body, id, depth)
  end

  -- What was received; a call is answered at once, so that nothing depends on the collector.
  local function taken(message, why)
    if type(message) == "table" and message.reply then return message.reply:send(random(9)) end
    return message, why
  end

  local steps = {
    function() return weir.yield() end,
    function(c) return c.tx:send(random(100)) end,
    function(c) return taken(c.rx:recv()) end,
    function(c) return c.tx:send({}, random(3)) end,
    function(c) return taken(c.rx:recv(random(3))) end,
    function(c) return c.tx:try_send("word") end,
    function(c) return taken(select(2, weir.select_biased({ c.rx, channels[1].rx }, random(3)))) end,
    function(c) return taken(select(2, weir.select_biased({ { c.tx, 1 }, c.rx }, random(2)))) end,
    function(c) return c.tx:call({}, random(3)) end,
    function(c) return taken(c.rx:try_recv()) end,
    function() return tasks[random(#tasks)]:join(random(3)) end,
    function() return tasks[random(#tasks)]:abort() end,
    function(_, depth) if depth < 3 then start(depth + 1) end end,
    function(c) return weir.timeout(random(2), function() return taken(c.rx:recv()) end) end,
    function() return weir.sleep(random(3) - 1) end,
    function() return token:run_until_cancelled(function() return weir.sleep(random(4)) end) end,
    function() if random(10) == 1 then token:cancel() token = weir.cancellation_token() end end,
    function() if random(5) == 1 then error("on purpose", 0) end end,
    function() collectgarbage "step" end,
  }

  function body(id, depth)
    local over <close> = setmetatable({}, { __close = function() log[#log + 1] = id .. " over" end })
    for n = 1, 6 do
      local what = random(#steps)
      local ok, one, other = pcall(steps[what], channels[random(#channels)], depth)
      log[#log + 1] = ("%d.%d %d: %s %s %s"):format(id, n, what, ok, shown(one), shown(other))
      if not ok and one == "on purpose" then error(one, 0) end
    end
    return over and id
  end

  weir.run_paused(function()
    for i = 1, 4 do
      local tx, rx = (i % 2 == 0 and weir.mpsc or weir.mpmc)(i)
      channels[i] = { tx = tx, rx = rx }
    end
    for _ = 1, 8 do start(1) end
    weir.sleep(40)
    for i = 1, next_id do tasks[i]:abort() end
    for i = 1, next_id do tasks[i]:join() end
  end)
  return log
end

-- The same where turns are watched: nobody hosts then.
local function watched(f, ...)
  local path = os.tmpname()
  trace.start(path)
  local results = table.pack(pcall(f, ...))
  trace.stop()
  os.remove(path)
  assert(results[1], results[2])
  return table.unpack(results, 2, results.n)
end

describe("a task that waits while others run", function()
  it("changes the order of nothing", function()
    weir.on_error(function() end)
    for seed = 1, 300 do
      assert.same(watched(program, seed), program(seed))
    end
    weir.on_error(nil)
  end)

  it("ends at its turn when it is aborted by one of them", in_task(function()
    local log = {}
    local _, rx = weir.mpsc(1)
    local host = weir.spawn(function()
      local over <close> = closing(log, "host over")
      rx:recv()
      return over
    end)
    weir.spawn(function()
      log[#log + 1] = "before"
      host:abort()
      log[#log + 1] = "after"
      weir.yield()
      log[#log + 1] = "next turn"
    end)
    assert.same({ false, "aborted" }, { host:join() })
    weir.yield()
    assert.same({ "before", "after", "host over", "next turn" }, log)
  end))

  it("hears of its timeout at the time", in_task(function()
    local _, rx = weir.mpsc(1)
    local host = weir.spawn(function()
      local value, why = rx:recv(2)
      return value, why, weir.now()
    end)
    local start = weir.now()
    for _ = 1, 5 do weir.sleep(1) end
    local _, value, why, at = host:join()
    assert.is_nil(value)
    assert.equal("timeout", why)
    assert.near(start + 2, at, 1e-9)
  end))

  it("gets what was sent and a handle moved meanwhile alike", in_task(function()
    local tx, rx = weir.mpsc(1)
    local host = weir.spawn(function() return rx:recv() end)
    weir.spawn(function()
      tx:send "word"
      rx = rx:move()
    end)
    local ok, err = host:join()
    assert.is_false(ok)
    assert.matches("moved or dropped while a task waited", err)
    assert.equal("word", rx:try_recv())
  end))

  it("is not disturbed by their errors", in_task(function()
    local failures = {}
    weir.on_error(function(_, err) failures[#failures + 1] = err end)
    local tx, rx = weir.mpsc(1)
    local host = weir.spawn(function() return pcall(rx.recv, rx) end)
    weir.spawn(error, "one", 0)
    weir.spawn(function() pcall(error, "two") weir.yield() error("three", 0) end)
    weir.spawn(function() weir.yield() weir.yield() tx:send(4) end)
    assert.same({ true, true, 4 }, { host:join() })
    assert.same({ "one", "three" }, failures)
    weir.on_error(nil)
  end))

  it("stands where it waits, for who asks", in_task(function()
    local _, rx = weir.mpsc(1)
    local host = weir.spawn(function() rx:recv() end)
    local seen
    weir.spawn(function() seen = host:traceback() end)
    weir.yield()
    weir.yield()
    assert.matches("recv", seen)
    assert.matches("hosting_spec%.lua:%d+", seen)
    host:abort()
  end))

  it("is suspended for who knows its coroutine", in_task(function()
    local _, rx = weir.mpsc(1)
    local co, status
    local host = weir.spawn(function()
      co = coroutine.running()
      rx:recv()
    end)
    weir.spawn(function() status = coroutine.status(co) end)
    weir.yield()
    weir.yield()
    assert.equal("suspended", status)
    host:abort()
  end))

  it("leaves them as much room for C calls as there is without it", in_task(function()
    local function depth(n)
      local ok, more = pcall(depth, n + 1)
      return ok and more or n
    end
    local free = select(2, weir.spawn(depth, 1):join())
    local function wait(n)
      if n == 0 then return weir.mpsc(1):closed(1) end
      return select(2, pcall(wait, n - 1))
    end
    for _ = 1, 5 do weir.spawn(wait, 100) end
    weir.yield()
    local nested
    weir.spawn(function() nested = depth(1) end)
    weir.sleep(0.5)
    assert.equal(free, nested)
  end))

  it("ends with a chain of many that wait for each other", in_task(function()
    local first, rx = weir.mpsc(1)
    for _ = 1, 100 do
      local tx, out = weir.mpsc(1)
      weir.spawn(function(from, to)
        for v in from do to:send(v + 1) end
      end, rx, tx)
      rx = out
    end
    for i = 1, 50 do
      first:send(i)
      assert.equal(i + 100, rx:recv())
    end
    first:drop()
    assert.same({ nil, "closed" }, { rx:recv() })
  end))
end)
