-- SPDX-License-Identifier: MIT
-- What was granted to a wait whose taking then raised stayed with that task, swallowed by a pcall. And what
-- an operation had looked at could be changed by a finalizer that ran while it had memory made.

local weir = require "weir"
local program = require "spec.program"

describe("a grant whose taking raises", function()
  it("goes back at once: a send whose message was moved meanwhile", function()
    weir.run_paused(function()
      local tx, rx = weir.mpsc(1)
      local _, message = weir.oneshot()
      tx:send(1)
      local task = weir.spawn(function() return pcall(tx.send, tx, message) end)
      weir.yield()                                 -- it waits, with its message
      local _moved <close> = message:move()
      rx:recv()                                    -- it is granted the place
      local _, sent, err = task:join()
      assert.is_false(sent)
      assert.matches("moved", err)
      assert.equal(1, tx:capacity())
    end)
  end)

  it("goes to the next in line", function()
    weir.run_paused(function()
      local tx, rx = weir.mpsc(1)
      local _, message = weir.oneshot()
      tx:send(1)
      local first = weir.spawn(function() return pcall(tx.send, tx, message) end)
      local second = weir.spawn(function() return tx:send "next" end)
      weir.yield()
      local _moved <close> = message:move()
      rx:recv()
      assert.is_false(select(2, first:join()))
      assert.is_true(select(2, second:join(1)))
      assert.equal("next", rx:recv())
    end)
  end)

  it("goes back to a set whose spawn had a spent handle", function()
    weir.run_paused(function()
      local set <close> = weir.join_set(1)
      local tx = weir.mpsc(1)
      set:spawn(function() weir.sleep(1) end)
      local task = weir.spawn(function(kept) return pcall(set.spawn, set, function() end, kept) end, tx)
      weir.yield()
      local spender = weir.spawn(function() end)
      spender:join()
      local ok, spawned = task:join()
      assert.is_true(ok and spawned)
      assert.is_false(pcall(set.spawn, set, function() end, tx))   -- tx was moved
      assert.is_truthy(set:spawn(function() end))
    end)
  end)

  it("says at which line", function()
    weir.run_paused(function()
      local tx, rx = weir.mpsc(1)
      local _, message = weir.oneshot()
      tx:send(1)
      local task = weir.spawn(function() tx:send(message) end)
      weir.on_error(function() end)
      weir.yield()
      local _moved <close> = message:move()
      rx:recv()
      local ok, err = task:join()
      weir.on_error(nil)
      assert.is_false(ok)
      assert.matches("004%-grants%-and%-finalizers_spec.lua:%d+: receiver was moved", err)
    end)
  end)
end)

describe("mpsc.Permit:send", function()
  it("refuses the permit itself as its message", function()
    weir.run_paused(function()
      local tx, rx = weir.mpsc(2)
      local permit = tx:reserve()
      local ok, err = pcall(permit.send, permit, permit)
      assert.is_false(ok)
      assert.matches("its own message", err)
      assert.equal(1, permit:remaining())
      assert.is_true(permit:send "other")
      assert.equal("other", rx:recv())
      assert.equal(2, tx:capacity())
    end)
  end)
end)

describe("a finalizer that meddles with what is in use", function()
  for word, claim in pairs {
    permit = "may release the permit that is sending",
    move = "may drop the handle that is being moved",
    clone = "may drop the sender that is being cloned, which closes its channel",
    reservation = "may drop the sender by which a place is being reserved, the last that holds its channel",
    answer = "may answer through the oneshot that is being answered",
    spawn = "may spawn tasks while one is spawned",
  } do
    it(claim, function()
      assert.equal("ok\n", (program.run("spec/regress/meddling.lua", word)))
    end)
  end
end)
