-- SPDX-License-Identifier: MIT
-- mpmc_spec.lua -- many senders, many receivers: each message goes to exactly one of them.

local weir = require "weir"

local function in_task(body)
  return function() weir.run_paused(body) end
end

local function later(f, ...)
  local task = weir.spawn(f, ...)
  weir.yield()
  return task
end

local function join(task)
  local r = table.pack(task:join())
  if not r[1] then error(r[2], 0) end
  return table.unpack(r, 2, r.n)
end

local function raises(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("mpmc_spec%.lua:%d+: %S", err)
  return err
end

local function drain(rx)
  local got = {}
  while true do
    local v = rx:try_recv()
    if v == nil then return got end
    got[#got + 1] = v
  end
end

-- A weak table of n fresh values, each of which was given to f.
local function weakly(n, f)
  local weak = setmetatable({}, { __mode = "v" })
  for i = 1, n do
    local v = {}
    weak[i] = v
    f(v)
  end
  return weak
end

describe("weir.mpmc", function()
  it("returns ends of its own kinds", function()
    local tx, rx = weir.mpmc(1)
    assert.equal("mpmc.Sender", weir.type(tx))
    assert.equal("mpmc.Receiver", weir.type(rx))
    assert.equal("mpmc.WeakSender", weir.type(tx:weak()))
    assert.equal("mpmc.Receiver", weir.type(rx:clone()))
  end)

  for _, bad in ipairs { 0, -1, 1.5, 2 ^ 31 } do
    it("refuses a capacity of " .. tostring(bad), function()
      raises(function() weir.mpmc(bad) end)
    end)
  end

  it("has no default capacity", function()
    raises(function() weir.mpmc() end)
  end)

  it("has room for exactly its capacity", function()
    local tx, rx = weir.mpmc(300)
    for i = 1, 300 do assert.is_true(tx:try_send(i)) end
    assert.same({ nil, "full" }, { tx:try_send(301) })
    assert.equal(300, #rx)
    assert.equal(0, tx:capacity())
    assert.equal(300, tx:max_capacity())
  end)
end)

describe("mpmc senders", function()
  it("wait for room, first come, first served", in_task(function()
    local tx, rx = weir.mpmc(1)
    tx:send(0)
    for i = 1, 5 do later(function() tx:send(i) end) end
    for i = 0, 5 do assert.equal(i, rx:recv()) end
  end))

  it("do not overtake a sender that was granted room", in_task(function()
    local tx, rx = weir.mpmc(1)
    tx:send(1)
    local a = later(function() return tx:send(2) end)
    rx:try_recv()
    assert.same({ nil, "full" }, { tx:try_send("thief") })
    assert.is_true(join(a))
    assert.equal(2, rx:recv())
  end))

  it("cut short give their place and their grant to the next", in_task(function()
    local tx, rx = weir.mpmc(1)
    tx:send("x")
    local a = later(function() tx:send("a") end)
    local b = later(function() tx:send("b") end)
    local c = later(function() return tx:send("c") end)
    a:abort()
    weir.yield()
    rx:try_recv()
    b:abort()
    assert.is_true(join(c))
    assert.same({ "c" }, drain(rx))
    assert.equal(1, tx:capacity())
  end))

  it("give up on their timeout with nothing sent", in_task(function()
    local tx, rx = weir.mpmc(1)
    tx:send("x")
    assert.same({ nil, "timeout" }, { tx:send("a", 1) })
    assert.is_nil(weir.timeout(1, function() tx:send("b") end))
    assert.equal(2, (weir.select { { tx, "c" }, weir.after(1) }))
    assert.same({ "x" }, drain(rx))
    assert.equal(0, tx:stats().waiting_senders)
  end))

  it("hand out permits and weak senders", in_task(function()
    local tx, rx = weir.mpmc(2)
    local p = tx:reserve()
    local w = tx:weak()
    tx:drop()
    assert.is_nil((w:upgrade()))
    assert.same({ nil, "empty" }, { rx:try_recv() })
    assert.is_true(p:send("a"))
    assert.equal("a", rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("reserve many, all or nothing", in_task(function()
    local tx, rx = weir.mpmc(3)
    local p = tx:reserve_many(2)
    assert.same({ nil, "full" }, { tx:try_reserve_many(2) })
    raises(function() tx:reserve_many(4) end)
    p:send(1)
    p:release()
    assert.same({ 1 }, drain(rx))
    assert.equal(3, tx:capacity())
  end))

  it("are told closed() when the last receiver goes", in_task(function()
    local tx, rx = weir.mpmc(1)
    local rx2 = rx:clone()
    local task = later(function() return tx:closed() end)
    rx:drop()
    weir.yield()
    assert.equal("waiting", task:status())
    rx2:drop()
    assert.is_true(join(task))
  end))

  it("waiting are refused when the last receiver goes", in_task(function()
    local tx, rx = weir.mpmc(1)
    local rx2 = rx:clone()
    tx:send("x")
    local task = later(function() return tx:send("a") end)
    rx:drop()
    weir.yield()
    assert.equal("waiting", task:status())
    rx2:drop()
    assert.same({ nil, "closed" }, { join(task) })
    assert.same({ nil, "closed" }, { tx:try_send("b") })
  end))
end)

describe("mpmc.Receiver:clone", function()
  it("makes another receiver of the same messages: each goes to exactly one", in_task(function()
    local tx, rx = weir.mpmc(4)
    local seen, total = {}, 0
    local tasks = {}
    for i = 1, 4 do
      tasks[i] = weir.spawn(function(inbox)
        for v in inbox do
          assert.is_nil(seen[v])
          seen[v] = i
          total = total + 1
          weir.yield()
        end
      end, rx:clone())
    end
    rx:drop()
    for v = 1, 1000 do tx:send(v) end
    tx:drop()
    for i = 1, 4 do join(tasks[i]) end
    assert.equal(1000, total)
    for v = 1, 1000 do assert.is_number(seen[v]) end
  end))

  it("shares the state: fill, closing, counts", function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    tx:try_send(1)
    assert.equal(1, #rx2)
    assert.equal(1, rx:try_recv())
    assert.equal(0, #rx2)
    assert.is_true(rx2:is_empty())
    tx:drop()
    assert.is_true(rx2:is_closed())
    assert.same({ nil, "closed" }, { rx2:try_recv() })
  end)

  it("raises on a dropped receiver", function()
    local tx, rx = weir.mpmc(1)
    rx:drop()
    raises(function() rx:clone() end)
    assert.is_true(tx:is_closed())
  end)

  it("drops nothing that is buffered while another receiver lives", in_task(function()
    local tx, rx = weir.mpmc(2)
    local rx2 = rx:clone()
    tx:send("a")
    rx:drop()
    assert.is_false(tx:is_closed())
    assert.equal("a", rx2:recv())
  end))

  it("is dropped by the collector at the latest", function()
    local tx, rx = weir.mpmc(2)
    local function lose() rx:clone() end
    lose()
    rx:drop()
    collectgarbage()
    collectgarbage()
    assert.is_true(tx:is_closed())
  end)
end)

describe("mpmc.Receiver:recv", function()
  it("returns what is buffered at once, in order, from any clone", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    for i = 1, 4 do tx:send(i) end
    assert.equal(1, rx:recv())
    assert.equal(2, rx2:recv())
    assert.equal(3, rx2:recv())
    assert.equal(4, rx:recv())
  end))

  it("serves receivers that wait in turn", in_task(function()
    local tx, rx = weir.mpmc(4)
    local tasks = {}
    for i = 1, 4 do
      local mine = rx:clone()
      tasks[i] = later(function() return mine:recv() end)
    end
    for i = 1, 4 do tx:send(i) end
    for i = 1, 4 do assert.equal(i, join(tasks[i])) end
  end))

  it("works in turns for receivers that always come back for more", in_task(function()
    local tx, rx = weir.mpmc(1)
    local counts = { 0, 0, 0 }
    for i = 1, 3 do
      weir.spawn(function(inbox)
        for v in inbox do counts[i] = counts[i] + (v and 1 or 0) end
      end, rx:clone())
    end
    for i = 1, 300 do tx:send(i) end
    weir.yield()
    for i = 1, 3 do assert.is_true(counts[i] >= 80, "receiver " .. i .. " got " .. counts[i]) end
  end))

  it("leaves nothing to a third party's try_recv that was granted to a waiter", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    local task = later(function() return rx2:recv() end)
    tx:try_send("a")
    assert.same({ nil, "empty" }, { rx:try_recv() })
    assert.equal("a", join(task))
  end))

  it("waits while a message is granted to another", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    local first = later(function() return rx2:recv() end)
    tx:try_send("a")
    local second = weir.spawn(function() return rx:recv() end)
    tx:try_send("b")
    assert.equal("a", join(first))
    assert.equal("b", join(second))
  end))

  it("aborted while it waits leaves its turn to the next", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2, rx3 = rx:clone(), rx:clone()
    local a = later(function() return rx2:recv() end)
    local b = later(function() return rx3:recv() end)
    a:abort()
    a:join()
    tx:send("x")
    assert.equal("x", join(b))
  end))

  it("aborted after the grant gives the message to the next in line", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2, rx3 = rx:clone(), rx:clone()
    local a = later(function() return rx2:recv() end)
    local b = later(function() return rx3:recv() end)
    tx:send("x")
    a:abort()
    assert.equal("x", join(b))
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end))

  it("aborted after the grant leaves the message first in the channel if nobody waits", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    local a = later(function() return rx2:recv() end)
    tx:send(1)
    tx:send(2)
    a:abort()
    a:join()
    assert.same({ 1, 2 }, drain(rx))
  end))

  it("aborted after the grant of a handle passes it on alive", in_task(function()
    local tx, rx = weir.mpmc(2)
    local rx2 = rx:clone()
    local reply, answer = weir.oneshot()
    local a = later(function() rx2:recv() end)
    local b = later(function() return rx:recv():send("alive") end)
    tx:send(reply)
    a:abort()
    assert.is_true(join(b))
    assert.equal("alive", answer:recv())
  end))

  it("granted takes up its place until its task runs", in_task(function()
    local tx, rx = weir.mpmc(1)
    local task = later(function() return rx:recv() end)
    assert.is_true(tx:try_send("a"))
    assert.same({ nil, "full" }, { tx:try_send("b") })
    assert.equal("a", join(task))
    assert.is_true(tx:try_send("b"))
  end))

  it("aborted after the grant reorders nothing for the others", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2, rx3 = rx:clone(), rx:clone()
    local a = later(function() return rx2:recv() end)
    local b = later(function() return rx3:recv() end)
    tx:send(1)
    tx:send(2)
    a:abort()
    assert.equal(1, join(b))
    assert.equal(2, rx:recv())
  end))

  it("gives up on its timeout, and on 0 polls once", in_task(function()
    local tx, rx = weir.mpmc(4)
    local start = weir.now()
    assert.same({ nil, "timeout" }, { rx:recv(2) })
    assert.is_near(2, weir.now() - start, 1e-6)
    assert.same({ nil, "timeout" }, { rx:recv(0) })
    tx:send("a")
    assert.equal("a", rx:recv(0))
  end))

  it("granted in the turn its time ends loses nothing", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    local a = later(function() return rx2:recv(1) end)
    tx:send("x")
    weir.advance(1)
    local got = join(a)
    assert.equal("x", got == nil and rx:try_recv() or got)
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end))

  it("cut short by weir.timeout or a lost select has taken nothing", in_task(function()
    local tx, rx = weir.mpmc(4)
    assert.is_nil(weir.timeout(1, function() rx:recv() end))
    assert.equal("late", (weir.select { job = rx, late = weir.after(1) }))
    tx:send("a")
    assert.equal("a", rx:recv())
  end))

  it("closed while several wait tells all of them", in_task(function()
    local tx, rx = weir.mpmc(4)
    local tasks = {}
    for i = 1, 3 do
      local mine = rx:clone()
      tasks[i] = later(function() return mine:recv() end)
    end
    tx:drop()
    for i = 1, 3 do assert.same({ nil, "closed" }, { join(tasks[i]) }) end
  end))

  it("returns what is buffered before nil, 'closed' on every clone", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    tx:send("a")
    tx:drop()
    assert.equal("a", rx2:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
    assert.same({ nil, "closed" }, { rx2:recv() })
  end))

  it("whose receiver is spent after the grant loses nothing", in_task(function()
    for _, way in ipairs { "drop", "move" } do
      local tx, rx = weir.mpmc(4)
      local rx2, rx3 = rx:clone(), rx:clone()
      local a = later(function() return pcall(rx2.recv, rx2) end)
      local b = later(function() return rx3:recv(1) end)
      tx:send("x")
      local moved = rx2[way](rx2)
      local ok, v = join(a)
      if ok then
        assert.equal("x", v)
      else
        assert.equal("x", join(b))
      end
      assert.equal(0, #rx)
      assert.is_true(way == "drop" or weir.type(moved) == "mpmc.Receiver")
    end
  end))

  it("raises outside a task where it would wait", function()
    local tx, rx = weir.mpmc(1)
    raises(function() rx:recv() end)
    tx:try_send("a")
    assert.equal("a", rx:recv())
  end)

  it("raises for the task whose own receiver is dropped, and the next in line is served", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2, rx3 = rx:clone(), rx:clone()
    local a = later(function() raises(function() rx2:recv() end) end)
    local b = later(function() return rx3:recv() end)
    rx2:drop()
    tx:send("x")
    join(a)
    assert.equal("x", join(b))
    assert.equal(0, #rx)
  end))
end)

describe("mpmc.Receiver:recv_many", function()
  it("takes a batch and frees that many places", in_task(function()
    local tx, rx = weir.mpmc(3)
    for i = 1, 3 do tx:send(i) end
    local a = later(function() return tx:send(4) end)
    local t = {}
    assert.equal(2, rx:recv_many(t, 2))
    assert.is_true(join(a))
    assert.equal(2, rx:try_recv_many(t, 9))
    assert.same({ 1, 2, 3, 4 }, t)
  end))

  it("does not take what was granted to others", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    local a = later(function() return rx2:recv() end)
    for i = 1, 3 do tx:try_send(i) end
    local t = {}
    rx:try_recv_many(t, 9)
    t[#t + 1] = join(a)
    table.sort(t)
    assert.same({ 1, 2, 3 }, t)
  end))

  it("waits for at least one; closed and timeout return 0 and why", in_task(function()
    local tx, rx = weir.mpmc(4)
    local t = {}
    assert.same({ 0, "timeout" }, { rx:recv_many(t, 2, 1) })
    assert.same({ 0, "empty" }, { rx:try_recv_many(t, 2) })
    local task = later(function() return rx:recv_many(t, 2) end)
    tx:send("a")
    assert.equal(1, join(task))
    tx:drop()
    assert.same({ 0, "closed" }, { rx:recv_many(t, 2) })
    assert.same({ "a" }, t)
  end))
end)

describe("mpmc.Receiver:close", function()
  it("by one of them closes the channel for senders", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    tx:send("a")
    rx:close()
    assert.is_true(tx:is_closed())
    assert.same({ nil, "closed" }, { tx:send("b") })
    assert.is_true(rx2:is_closed())
    assert.equal("a", rx2:recv())
    assert.same({ nil, "closed" }, { rx2:recv() })
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("ends the waits of all receivers", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2, rx3 = rx:clone(), rx:clone()
    local a = later(function() return rx2:recv() end)
    local b = later(function() return rx3:recv() end)
    rx:close()
    assert.same({ nil, "closed" }, { join(a) })
    assert.same({ nil, "closed" }, { join(b) })
    assert.is_true(tx:is_closed())
  end))

  it("waits for permits that are out, on every receiver", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    local p = tx:reserve()
    rx:close()
    local a = later(function() return rx:recv() end)
    local b = later(function() return rx2:recv() end)
    assert.is_true(p:send("last"))
    assert.equal("last", join(a))
    assert.same({ nil, "closed" }, { join(b) })
  end))

  it("ends all receivers' waits when the last permit comes home unused", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    local p = tx:reserve()
    rx:close()
    local a = later(function() return rx:recv() end)
    local b = later(function() return rx2:recv() end)
    p:drop()
    assert.same({ nil, "closed" }, { join(a) })
    assert.same({ nil, "closed" }, { join(b) })
  end))
end)

describe("dropping the last mpmc.Receiver", function()
  it("drops what is buffered, and the handles in it", in_task(function()
    local tx, rx = weir.mpmc(4)
    local rx2 = rx:clone()
    local reply, answer = weir.oneshot()
    tx:send({ reply = reply })
    local weak = weakly(1, function(v) tx:send(v) end)
    rx:drop()
    assert.same({ nil, "empty" }, { answer:try_recv() })
    rx2:drop()
    assert.same({ nil, "closed" }, { answer:try_recv() })
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak[1])
  end))

  it("fails every send from then on", in_task(function()
    local tx, rx = weir.mpmc(4)
    rx:clone():drop()
    assert.is_true(tx:send(1))
    rx:drop()
    assert.same({ nil, "closed" }, { tx:send(2) })
    assert.same({ nil, "closed" }, { tx:reserve() })
  end))
end)
