-- SPDX-License-Identifier: MIT
-- behaviours_channels_spec.lua -- what the suites of Tokio ask of channels and locks, if no other spec does.

local weir = require "weir"
local helper = require "spec.helper"

local paused, later, join, settle = helper.paused, helper.later, helper.join, helper.settle

-- A channel of n places, all of them taken.
local function full_channel(n)
  local tx, rx = weir.mpsc(n)
  for i = 1, n do tx:send(i) end
  return tx, rx
end

describe("an mpsc that its receiver closed", function()
  it("ends for a receiver that waits though a reserve_many that got a part is aborted", paused(function()
    local tx, rx = weir.mpsc(2)
    local permit = tx:reserve()
    tx:send(1)
    local many = later(function() return tx:reserve_many(2) end)
    assert.equal(1, rx:recv())                -- its part
    local reader = later(function() return rx:recv() end)
    rx:close()
    many:abort()
    settle()
    assert.equal("aborted", many:status())
    assert.equal("waiting", reader:status())  -- for the permit alone
    permit:drop()
    assert.same({ nil, "closed" }, { join(reader) })
  end))

  it("ends when a reserve_many that got only a part is refused by the close", paused(function()
    local tx, rx = full_channel(2)
    local many = later(function() return tx:reserve_many(2) end)
    assert.equal(1, rx:recv())
    rx:close()
    assert.same({ nil, "closed" }, { join(many) })
    assert.equal(2, rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("wakes a receiver that waits with what the last permit sends", paused(function()
    local tx, rx = weir.mpsc(1)
    local permit = tx:reserve()
    rx:close()
    tx:drop()
    local reader = later(function()
      local first = rx:recv()
      return first, rx:recv()
    end)
    permit:send "last"
    assert.same({ "last", nil, "closed", n = 3 }, table.pack(join(reader)))
  end))

  it("ends for a receiver that waits when a batch of permits comes home unused", paused(function()
    local tx, rx = weir.mpsc(4)
    local permit = tx:reserve_many(3)
    rx:close()
    local reader = later(function() return rx:recv() end)
    assert.equal("waiting", reader:status())
    permit:drop()
    assert.same({ nil, "closed" }, { join(reader) })
    assert.is_true(tx:is_closed())
  end))

  it("refuses try_reserve though there is room, and says closed rather than full without", function()
    local tx, rx = weir.mpsc(1)
    rx:close()
    assert.same({ nil, "closed" }, { tx:try_reserve() })
    local full, other = full_channel(1)
    other:close()
    assert.same({ nil, "closed" }, { full:try_reserve() })
    assert.same({ nil, "closed" }, { full:try_send(2) })
  end)
end)

describe("an mpsc reservation", function()
  it("keeps its place, and the channel open, when the sender it was made by is dropped", paused(function()
    local tx, rx = full_channel(1)
    local reservation = tx:reservation()
    tx:drop()
    assert.equal(1, rx:recv())
    local permit = reservation:wait()
    assert.same({ nil, "empty" }, { rx:try_recv() })
    assert.is_true(permit:send(2))
    assert.equal(2, rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("given up leaves the capacity as it was, granted or in line", function()
    local tx, rx = weir.mpsc(2)
    local granted = tx:reservation()
    assert.equal(1, tx:capacity())
    granted:drop()
    assert.equal(2, tx:capacity())
    local permit = tx:try_reserve_many(2)
    local in_line = tx:reservation()
    in_line:drop()
    permit:release()
    assert.equal(2, tx:capacity())
    assert.equal(0, #rx)
  end)
end)

describe("an unbounded channel", function()
  it("lets an actor send to itself, weakly, and yet stop when all others are gone", paused(function()
    local tx, rx = weir.unbounded()
    local seen = {}
    local actor = weir.spawn(function(inbox, self)
      for v in inbox do
        seen[#seen + 1] = v
        local me <close> = v < 3 and self:upgrade() or nil
        if me then me:send(v + 1) end
      end
    end, rx, tx:weak())
    tx:send(1)
    settle()
    tx:drop()
    join(actor)
    assert.same({ 1, 2, 3 }, seen)
  end))
end)

describe("a receiver that is dropped under a task", function()
  local function gone_after(make)
    local kept = setmetatable({}, { __mode = "k" })
    local other
    helper.forget(function()
      local local_value = {}
      kept[local_value] = true
      local tx, rx = make()
      other = tx
      local task = later(function()
        local held = local_value
        pcall(rx.recv, rx)
        return held and nil
      end)
      rx:drop()
      task:join()
    end)
    assert.is_nil(next(kept))
    assert.is_true(other:is_closed())
  end

  it("of an mpsc keeps nothing of that task", paused(function()
    gone_after(function() return weir.mpsc(1) end)
  end))
  it("of a oneshot keeps nothing of that task", paused(function() gone_after(weir.oneshot) end))
  it("of a broadcast keeps nothing of that task", paused(function()
    gone_after(function() return weir.broadcast(1) end)
  end))
end)

describe("watch.Receiver:wait_for", function()
  it("gives way in a loop that fails again and again", paused(function()
    local tx, rx = weir.watch(1)
    tx:drop()
    local other = false
    weir.spawn(function() other = true end)
    for _ = 1, 1000 do
      assert.same({ nil, "closed" }, { rx:wait_for(function(v) return v == 2 end) })
      if other then break end
    end
    assert.is_true(other)
  end))
end)

describe("a watch receiver's clone", function()
  it("reports an unseen value for itself though the original has looked", paused(function()
    local tx, rx = weir.watch(1)
    tx:send(2)
    local copy = rx:clone()
    assert.is_true(rx:changed())
    assert.is_true(copy:has_changed())
    assert.is_true(copy:changed())
    assert.is_false(rx:has_changed())
  end))
end)

describe("Semaphore:forget_permits", function()
  it("cannot take what those in line have taken up", paused(function()
    local s = weir.semaphore(2)
    local waiting = later(function() return s:acquire(3):count() end)
    assert.equal(0, s:forget_permits(2))
    s:add_permits(1)
    assert.equal(3, join(waiting))
    assert.equal(3, s:available())
  end))

  it("takes what is there of a closed semaphore", function()
    local s = weir.semaphore(3)
    s:close()
    assert.equal(3, s:forget_permits(9))
    assert.equal(0, s:available())
  end)
end)

describe("a semaphore that was closed", function()
  it("takes the part back that one in line had got, and counts it", paused(function()
    local s = weir.semaphore(2)
    local waiting = later(function() return s:acquire(3) end)
    s:close()
    assert.same({ nil, "closed" }, { join(waiting) })
    assert.equal(2, s:available())
  end))
end)

describe("a barrier of 0", function()
  it("acts as one of 1: nobody waits, each is the leader", paused(function()
    local barrier = weir.barrier(0)
    for _ = 1, 3 do assert.same({ true, true }, { barrier:wait(0) }) end
  end))
end)

describe("a token between two others", function()
  for _, order in ipairs { "parent first", "child first" } do
    it("passes cancellation on whatever is lost, " .. order, function()
      local root, leaf = weir.cancellation_token(), nil
      helper.forget(function()
        local middle = root:child()
        if order == "parent first" then
          leaf = middle:child()
          root:cancel "down"
        else
          root:cancel "down"
          leaf = middle:child()
        end
      end)
      assert.is_true(leaf:is_cancelled())
      assert.equal("down", leaf:reason())
    end)
  end

  it("was lost, and its children still leave their siblings alone", function()
    local root, a, b = weir.cancellation_token(), nil, nil
    helper.forget(function()
      local middle = root:child()
      a, b = middle:child(), middle:child()
    end)
    a:cancel()
    assert.is_false(b:is_cancelled())
    assert.is_false(root:is_cancelled())
    root:cancel()
    assert.is_true(b:is_cancelled())
  end)
end)
