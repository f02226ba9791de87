-- SPDX-License-Identifier: MIT
-- cancel_safety_spec.lua -- everything that waits, cut short at random: nothing lost, doubled or leaked.
-- All times are whole milliseconds of the virtual clock, so that grants, deadlines and aborts fall
-- into the same turn all the time.

local weir = require "weir"

-- A reproducible generator of its own: roll(n) is one of 1 .. n.
local function dice(seed)
  return function(n)
    seed = (seed * 6364136223846793005 + 1442695040888963407) & 0x7fffffffffffffff
    return (seed >> 33) % n + 1
  end
end

local function milliseconds(n) return n / 1000 end

-- f in a task of its own that may be aborted at any time; its results, or nothing.
local function attempt(roll, f)
  local task = weir.spawn(f)
  if roll(3) == 1 then
    local delay = roll(4) - 1
    weir.spawn(function()
      weir.sleep(milliseconds(delay))
      task:abort()
    end)
  end
  local r = table.pack(task:join())
  if r[1] then return table.unpack(r, 2, r.n) end
  if r[2] ~= "aborted" then error(r[2], 0) end
end

-- One way or another to send v: true if it was sent.
local function send_somehow(roll, tx, v)
  local ways = {
    function() return tx:send(v) end,
    function() return tx:send(v, milliseconds(roll(3) - 1)) end,
    function() return tx:try_send(v) end,
    function()
      local done, ok = weir.timeout(milliseconds(roll(3)), function() return tx:send(v) end)
      return done and ok
    end,
    function()
      local which, ok = weir.select { sent = { tx, v }, late = weir.after(milliseconds(roll(3) - 1)) }
      return which == "sent" and ok
    end,
    function()
      local p <close> = tx:reserve(milliseconds(roll(3)))
      return p and p:send(v)
    end,
    function()
      local p <close> = tx:reserve_many(2, milliseconds(roll(3)))
      return p and p:send(v)
    end,
    function()
      local _, p = weir.select({ tx }, milliseconds(roll(3)))
      return weir.type(p) == "mpsc.Permit" and p:send(v)
    end,
    function()
      local r <close> = tx:reservation()
      weir.select({ r }, milliseconds(roll(2) - 1))
      if weir.type(r) ~= "mpsc.Reservation" then return false end
      local _, p = weir.select({ r }, milliseconds(roll(3) - 1))
      return weir.type(p) == "mpsc.Permit" and p:send(v)
    end,
  }
  return attempt(roll, ways[roll(#ways)])
end

-- One way or another to receive from rx: each message goes to `take` as soon as it is out.
local function receive_somehow(roll, rx, take)
  local function note(v)
    if v ~= nil then take(v) end
  end
  local ways = {
    function() note(rx:recv()) end,
    function() note((rx:recv(milliseconds(roll(3) - 1)))) end,
    function() weir.timeout(milliseconds(roll(3)), function() note(rx:recv()) end) end,
    function()
      local which, v = weir.select { got = rx, late = weir.after(milliseconds(roll(3) - 1)) }
      if which == "got" then note(v) end
    end,
    function() weir.select({ { rx, note } }, milliseconds(roll(3))) end,
    function()
      local t = {}
      rx:recv_many(t, roll(3), milliseconds(roll(3) - 1))
      for _, v in ipairs(t) do note(v) end
    end,
  }
  attempt(roll, ways[roll(#ways)])
end

-- Several senders and receivers at their worst; then all that was sent must have been received once, each
-- sender's messages in order, and nobody and nothing may be left behind.
local function check_channel(seed, capacity, tx, receivers)
  local roll = dice(seed)
  local sent, log = {}, {}
  weir.run_paused(function()
    local senders, readers = {}, {}
    for s = 1, 4 do
      sent[s] = {}
      senders[s] = weir.spawn(function()
        for k = 1, 60 do
          if send_somehow(roll, tx, { s, k }) then table.insert(sent[s], k) end
          if roll(4) == 1 then weir.sleep(milliseconds(roll(2))) end
        end
      end)
    end
    local done = false
    for i, rx in ipairs(receivers) do
      readers[i] = weir.spawn(function()
        while not done do
          receive_somehow(roll, rx, function(v) log[#log + 1] = v end)
          if roll(3) == 1 then weir.sleep(milliseconds(roll(2))) end
        end
      end)
    end
    for s = 1, 4 do assert(senders[s]:join()) end
    done = true
    -- A reader may be waiting without a timeout: its channel ends for it.
    local last = receivers[1]
    assert.equal(0, tx:stats().waiting_senders)
    tx:drop()
    for i = 1, #readers do assert(readers[i]:join()) end
    for v in last do log[#log + 1] = v end
    assert.equal(capacity, last:max_capacity())
  end)
  local got = { {}, {}, {}, {} }
  for _, v in ipairs(log) do table.insert(got[v[1]], v[2]) end
  assert.same(sent, got)
  assert.is_true(#log > 40)
end

describe("cut short at random", function()
  for seed = 1, 6 do
    for _, capacity in ipairs { 2, 3, 5 } do
      it("an mpsc of " .. capacity .. " loses, doubles and reorders nothing (seed " .. seed .. ")", function()
        local tx, rx = weir.mpsc(capacity)
        check_channel(seed, capacity, tx, { rx })
      end)

      it("an mpmc of " .. capacity .. " loses, doubles and reorders nothing (seed " .. seed .. ")", function()
        local tx, rx = weir.mpmc(capacity)
        check_channel(seed * 7919, capacity, tx, { rx, rx:clone(), rx:clone() })
      end)
    end

    it("an unbounded channel loses, doubles and reorders nothing (seed " .. seed .. ")", function()
      local tx, rx = weir.unbounded()
      check_channel(seed, math.huge, tx, { rx })
    end)

    it("a channel leaks no room (seed " .. seed .. ")", function()
      local roll = dice(seed)
      weir.run_paused(function()
        local tx, rx = weir.mpsc(3)
        local tasks = {}
        for s = 1, 5 do
          tasks[s] = weir.spawn(function()
            for k = 1, 80 do
              send_somehow(roll, tx, k)
              if roll(2) == 1 then rx:try_recv() end
            end
          end)
        end
        local drainer = weir.spawn(function()
          while true do
            weir.sleep(0.001)
            rx:try_recv()
          end
        end)
        for s = 1, 5 do assert(tasks[s]:join()) end
        drainer:abort()
        drainer:join()
        while rx:try_recv() do assert.is_false(rx:is_closed()) end
        assert.equal(3, tx:capacity())
        assert.equal(3, tx:reserve_many(3, 0):remaining())
      end)
    end)

    it("handles dropped and moved under waiters lose and leak nothing (seed " .. seed .. ")", function()
      local roll = dice(seed)
      weir.run_paused(function()
        local root, last = weir.mpmc(2)
        local txs, rxs, sent, log, tasks = {}, {}, {}, {}, {}
        for i = 1, 3 do txs[i], rxs[i] = root:clone(), last:clone() end
        -- A wait on a handle that goes away raises: what was to be sent then was not.
        local function survive(f)
          return function()
            local ok, result = pcall(f)
            if ok then return result end
            assert.matches("moved or dropped", tostring(result), 1, true)
          end
        end
        for i = 1, 4 do
          sent[i] = {}
          tasks[#tasks + 1] = weir.spawn(function()
            for k = 1, 60 do
              local tx, v = txs[roll(3)], { i, k }
              local ways = {
                function() return tx:send(v) end,
                function() return tx:send(v, milliseconds(roll(3) - 1)) end,
                function() return (select(2, weir.select({ { tx, v } }, milliseconds(roll(3))))) == true end,
                function()
                  local p <close> = tx:reserve_many(2)
                  return p and p:send(v)
                end,
              }
              if attempt(roll, survive(ways[roll(#ways)])) then table.insert(sent[i], k) end
            end
          end)
        end
        local done = false
        for _ = 1, 3 do
          weir.spawn(function()
            while not done do
              local rx = rxs[roll(3)]
              local function note(v) if v then log[#log + 1] = v end end
              local ways = {
                function() note((rx:recv())) end,
                function() note((rx:recv(milliseconds(roll(3) - 1)))) end,
                function() weir.select({ { rx, note } }, milliseconds(roll(3))) end,
              }
              attempt(roll, survive(ways[roll(#ways)]))
              weir.yield()
            end
          end)
        end
        local saboteur = weir.spawn(function()
          while true do
            weir.sleep(milliseconds(roll(3)))
            local pool, source = txs, root
            if roll(2) == 1 then pool, source = rxs, last end
            local i = roll(3)
            if roll(2) == 1 then
              pool[i] = pool[i]:move()
            else
              pool[i]:drop()
              pool[i] = source:clone()
            end
          end
        end)
        for _, task in ipairs(tasks) do assert(task:join()) end
        done = true
        saboteur:abort()
        weir.sleep(1)
        for i = 1, 3 do txs[i]:drop() end
        root:drop()
        for v in last do log[#log + 1] = v end
        local got = { {}, {}, {}, {} }
        for _, v in ipairs(log) do table.insert(got[v[1]], v[2]) end
        assert.same(sent, got)
        assert.is_true(#log > 40)
      end)
    end)

    it("a closed channel always comes to its end (seed " .. seed .. ")", function()
      local roll = dice(seed)
      weir.run_paused(function()
        for _ = 1, 30 do
          local tx, rx = weir.mpsc(2)
          for k = 1, 4 do
            weir.spawn(function() send_somehow(roll, tx, k) end)
          end
          weir.sleep(milliseconds(roll(3) - 1))
          rx:close()
          local n = 0
          repeat
            local v = rx:recv(1)
            if v then n = n + 1 end
          until not v
          local _, reason = rx:recv(1)
          assert.equal("closed", reason)
          assert.is_true(n <= 4)
        end
      end)
    end)

    it("a semaphore leaks no permit and never gives more than it has (seed " .. seed .. ")", function()
      local roll = dice(seed)
      weir.run_paused(function()
        local total, held, tasks = 4, 0, {}
        local s = weir.semaphore(total)
        local function hold(p, n)
          if not p then return end
          held = held + n
          local _back <close> = setmetatable({}, { __close = function() held = held - n end })
          assert.is_true(held <= total)
          if roll(2) == 1 then weir.sleep(milliseconds(roll(3) - 1)) end
          if roll(2) == 1 then p:release() end
        end
        for i = 1, 6 do
          tasks[i] = weir.spawn(function()
            for _ = 1, 60 do
              local n = roll(4)
              local ways = {
                function() hold(s:acquire(n), n) end,
                function() hold(s:acquire(n, milliseconds(roll(3) - 1)), n) end,
                function() hold(s:try_acquire(n), n) end,
                function() weir.timeout(milliseconds(roll(3)), function() hold(s:acquire(n), n) end) end,
                function()
                  local which, p = weir.select({ s, weir.after(milliseconds(roll(3))) })
                  if which == 1 then hold(p, 1) end
                end,
              }
              attempt(roll, ways[roll(#ways)])
            end
          end)
        end
        for i = 1, 6 do assert(tasks[i]:join()) end
        assert.equal(0, held)
        assert.equal(total, s:available())
      end)
    end)

    it("a rwlock keeps writers alone and is free in the end (seed " .. seed .. ")", function()
      local roll = dice(seed)
      weir.run_paused(function()
        local l, readers, writers, tasks = weir.rwlock(0), 0, 0, {}
        local function inside(g, kind)
          if not g then return end
          if kind == "write" then writers = writers + 1 else readers = readers + 1 end
          local _out <close> = setmetatable({}, { __close = function()
            if kind == "write" then writers = writers - 1 else readers = readers - 1 end
          end })
          assert.is_true(writers == 0 or writers == 1 and readers == 0)
          if roll(2) == 1 then weir.sleep(milliseconds(roll(3) - 1)) end
        end
        for i = 1, 6 do
          tasks[i] = weir.spawn(function()
            for _ = 1, 60 do
              local kind = roll(3) == 1 and "write" or "read"
              local ways = {
                function() inside(l[kind](l), kind) end,
                function() inside(l[kind](l, milliseconds(roll(3) - 1)), kind) end,
                function() inside(l["try_" .. kind](l), kind) end,
                function() weir.timeout(milliseconds(roll(3)), function() inside(l[kind](l), kind) end) end,
              }
              attempt(roll, ways[roll(#ways)])
            end
          end)
        end
        for i = 1, 6 do assert(tasks[i]:join()) end
        assert.equal("RwLockWriteGuard", weir.type(l:try_write()))
      end)
    end)

    it("a broadcast that waits shows every receiver everything (seed " .. seed .. ")", function()
      local roll = dice(seed)
      weir.run_paused(function()
        local tx, rx = weir.broadcast(2, { overflow = "wait" })
        local receivers, logs, readers, sent = { rx, tx:subscribe(), tx:subscribe() }, {}, {}, {}
        for i = 1, 3 do
          logs[i] = {}
          readers[i] = weir.spawn(function()
            local over = false
            local function note(v, why)
              if v ~= nil then table.insert(logs[i], v) end
              assert.are_not.equal("lagged", why)
              over = over or why == "closed"
            end
            while not over do
              local ways = {
                function() note(receivers[i]:recv()) end,
                function() note(receivers[i]:recv(milliseconds(roll(3) - 1))) end,
                function() note(receivers[i]:try_recv()) end,
                function() weir.timeout(milliseconds(roll(3)), function() note(receivers[i]:recv()) end) end,
                function() weir.select({ { receivers[i], note } }, milliseconds(roll(3))) end,
                function() weir.sleep(milliseconds(roll(3))) end,
              }
              attempt(roll, ways[roll(#ways)])
              weir.yield()
            end
          end)
        end
        for k = 1, 80 do
          local ways = {
            function() return tx:send(k) end,
            function() return tx:send(k, milliseconds(roll(3) - 1)) end,
            function()
              local which, n = weir.select({ { tx, k } }, milliseconds(roll(3)))
              return which and n
            end,
            function()
              local done, n = weir.timeout(milliseconds(roll(3)), function() return tx:send(k) end)
              return done and n
            end,
          }
          if attempt(roll, ways[roll(#ways)]) then sent[#sent + 1] = k end
        end
        tx:drop()
        for i = 1, 3 do
          assert(readers[i]:join())
          assert.same(sent, logs[i])
        end
        assert.is_true(#sent > 10)
      end)
    end)

    it("a broadcast counts what each receiver missed (seed " .. seed .. ")", function()
      local roll = dice(seed)
      weir.run_paused(function()
        local tx, rx = weir.broadcast(3)
        local next_value, over = 1, false
        local reader = weir.spawn(function()
          local function note(v, why, missed)
            if why == "lagged" then
              next_value = next_value + missed
            elseif why == "closed" then
              over = true
            elseif v ~= nil then
              assert.equal(next_value, v)
              next_value = next_value + 1
            end
          end
          while not over do
            local ways = {
              function() note(rx:recv()) end,
              function() note(rx:recv(milliseconds(roll(3) - 1))) end,
              function() weir.timeout(milliseconds(roll(3)), function() note(rx:recv()) end) end,
              function() weir.select({ { rx, note } }, milliseconds(roll(3))) end,
              function() weir.sleep(milliseconds(roll(8))) end,
            }
            attempt(roll, ways[roll(#ways)])
          end
        end)
        for k = 1, 300 do
          tx:send(k)
          if roll(2) == 1 then weir.sleep(milliseconds(roll(3))) end
        end
        tx:drop()
        assert(reader:join())
        assert.equal(301, next_value)
      end)
    end)

    it("a watch always shows the last value in the end (seed " .. seed .. ")", function()
      local roll = dice(seed)
      weir.run_paused(function()
        local tx, rx = weir.watch(0)
        local readers = {}
        for i = 1, 4 do
          local mine = i == 1 and rx or rx:clone()
          readers[i] = weir.spawn(function()
            local seen, over = 0, false
            local function look(ok, why)
              if ok then seen = mine:borrow() end
              over = over or why == "closed"
            end
            while not over do
              local ways = {
                function() look(mine:changed()) end,
                function() look(mine:changed(milliseconds(roll(3) - 1))) end,
                function() weir.timeout(milliseconds(roll(3)), function() look(mine:changed()) end) end,
                function() weir.select({ { mine, look } }, milliseconds(roll(3))) end,
                function() weir.sleep(milliseconds(roll(5))) end,
              }
              attempt(roll, ways[roll(#ways)])
            end
            return seen
          end)
        end
        for k = 1, 200 do
          tx:send(k)
          if roll(2) == 1 then weir.sleep(milliseconds(roll(3))) end
        end
        tx:drop()
        for i = 1, 4 do assert.same({ true, 200 }, { readers[i]:join() }) end
      end)
    end)

    it("a notification is neither lost nor doubled (seed " .. seed .. ")", function()
      local roll = dice(seed)
      weir.run_paused(function()
        local n, woken, given = weir.notify(), 0, 0
        local tasks = {}
        local function note(ok)
          if ok == true then woken = woken + 1 end
        end
        for i = 1, 5 do
          tasks[i] = weir.spawn(function()
            while true do
              local ways = {
                function() note(n:notified()) end,
                function() note(n:notified(milliseconds(roll(3) - 1))) end,
                function() weir.timeout(milliseconds(roll(3)), function() note(n:notified()) end) end,
                function() weir.select({ { n, note } }, milliseconds(roll(3))) end,
              }
              attempt(roll, ways[roll(#ways)])
              weir.yield()
            end
          end)
        end
        -- One at a time: each must wake somebody, whatever happens to the one it went to first.
        for _ = 1, 100 do
          weir.sleep(milliseconds(roll(3)))
          given = given + 1
          n:notify_one()
          local patience = 0
          while woken < given do
            weir.sleep(0.001)
            patience = patience + 1
            assert.is_true(patience < 1000)
          end
          assert.equal(given, woken)
        end
        for i = 1, 5 do tasks[i]:abort() end
      end)
    end)

    it("a call gets its own answer or none (seed " .. seed .. ")", function()
      local roll = dice(seed)
      weir.run_paused(function()
        local tx, rx = weir.mpsc(2)
        weir.spawn(function(inbox)
          for msg in inbox do
            local reply <close> = msg.reply
            if roll(3) == 1 then weir.sleep(milliseconds(roll(3))) end
            if roll(6) > 1 then reply:send(msg.n) end
          end
        end, rx)
        local callers, answered = {}, 0
        for c = 1, 5 do
          callers[c] = weir.spawn(function()
            for k = 1, 50 do
              local mine = c * 1000 + k
              local ways = {
                function() return tx:call { n = mine } end,
                function() return tx:call({ n = mine }, milliseconds(roll(4) - 1)) end,
                function()
                  local limit = milliseconds(roll(4))
                  return select(2, weir.timeout(limit, function() return tx:call { n = mine } end))
                end,
              }
              local got = attempt(roll, ways[roll(#ways)])
              if math.type(got) then
                assert.equal(mine, got)
                answered = answered + 1
              end
            end
          end)
        end
        for c = 1, 5 do assert(callers[c]:join()) end
        weir.sleep(1)
        assert.equal(0, tx:stats().len)
        assert.equal(2, tx:capacity())
        assert.is_true(answered > 20)
      end)
    end)

    for kind, make in pairs {
      mpsc = function() return weir.mpsc(1) end,
      mpmc = function() return weir.mpmc(1) end,
      oneshot = weir.oneshot,
      watch = function() return weir.watch(0) end,
      broadcast = function() return weir.broadcast(1) end,
      ["waiting broadcast"] = function() return weir.broadcast(1, { overflow = "wait" }) end,
    } do
      it("a task survives that a " .. kind .. " is lost under it (seed " .. seed .. ")", function()
        local roll = dice(seed)
        weir.run_paused(function()
          for _ = 1, 10 do
            local handles, tasks = {}, {}
            handles[1], handles[2] = make()
            for i = 1, 2 do
              local h = handles[i]
              if h.clone then handles[i + 2] = h:clone() end
            end
            -- Whatever its handle can wait for, in tasks that nobody helps.
            for _, h in pairs(handles) do
              local ways = {
                function() weir.select { weir.closed(h), weir.after(0.002) } end,
                function() weir.select { h, weir.after(0.002) } end,
                function() weir.select { { h, 1 }, weir.after(0.002) } end,
                function() h:closed() end,
                function() h:recv() h:recv(0.001) end,
                function() h:changed(0.001) h:changed() end,
                function() h:send(1) h:send(2) h:send(3, 0.001) end,
                function() h:call {} end,
                function() return h:reserve(), h:reserve() end,
                function() local r = h:reservation() weir.select { h:reservation() } return r end,
                function() for _ in h do weir.yield() end end,
              }
              for _ = 1, 3 do
                local way = ways[roll(#ways)]
                tasks[#tasks + 1] = weir.spawn(function() pcall(way) end)
              end
            end
            for _ = 1, 12 do
              local i = roll(4)
              local h = handles[i]
              local what = roll(8)
              if what == 1 then weir.yield()
              elseif what == 2 then collectgarbage()
              elseif what == 3 and roll(2) == 1 then tasks[roll(#tasks)]:abort()
              elseif h and what == 4 then h:drop() handles[i] = nil
              elseif h and what == 5 then pcall(function() handles[i] = h:move() end)
              elseif h and what >= 6 then pcall(h.try_recv or h.try_send or h.send, h, 5)
              elseif what == 3 then handles[i] = nil
              end
            end
            if roll(2) == 1 then
              for i = 1, 4 do
                local h = handles[i]
                if h then pcall(h.try_recv or h.try_send or h.send, h, 6) end
              end
              for i = 1, 4 do
                if handles[i] then handles[i]:drop() end
              end
            end
            handles = nil
            collectgarbage()
            weir.sleep(0.01)
            for _, task in ipairs(tasks) do
              task:abort()
              local ok, err = task:join()
              assert.is_true(ok or err == "aborted")
            end
            assert.is_nil(handles)
          end
        end)
      end)
    end
  end
end)
