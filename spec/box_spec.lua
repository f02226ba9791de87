-- SPDX-License-Identifier: MIT
-- box_spec.lua -- handles whose inside is Lua, of which weir.stream is made: core.new_kind.

local weir = require "weir"
local core = require "weir.core"
local stream = require "weir.stream"
local helper = require "spec.helper"
local paused, blames, later = helper.paused, helper.blames, helper.later

-- A kind of box that notes what is dropped.
local function kind(name, drop)
  local log = {}
  local make = core.new_kind(name, { value = function(self) return core.state(self, name) end },
    drop or function(state) log[#log + 1] = state end)
  return make, log
end

describe("A handle made of Lua", function()
  it("is dropped once, by hand, by <close>, by the end of its task or by the collector", paused(function()
    local make, log = kind "Box"
    local h = make "by hand"
    h:drop()
    h:drop()
    do local _ <close> = make "by close" end
    assert(weir.spawn(function() end, make "by the end"):join())
    helper.forget(function() return make "by the collector" end)
    assert.same({ "by hand", "by close", "by the end", "by the collector" }, log)
  end))

  it("has a type and a readable name, alive and closed", function()
    local make = kind "Crate"
    local h = make(1)
    assert.equal("Crate", weir.type(h))
    assert.matches("Crate", tostring(h))
    h:drop()
    assert.equal("closed Crate", weir.type(h))
    assert.matches("Crate", tostring(h))
  end)

  it("moves, and says so where it was", paused(function()
    local make, log = kind "Crate"
    local h = make "inside"
    local fresh = h:move()
    assert.equal("inside", fresh:value())
    blames(function() h:value() end, "moved")
    h:drop()
    assert.same({}, log)
    fresh:drop()
    assert.same({ "inside" }, log)
    blames(function() fresh:value() end, "handle is closed")
  end))

  it("refuses another kind's methods, and what is no handle", function()
    local one, other = kind "One"(1), kind "Other"(2)
    blames(function() one.value(other) end, "One expected, got ")
    blames(function() one.value(42) end, "One expected, got number")
    blames(function() one.value({}) end, "One expected, got table")
    blames(function() one.value(io.stdout) end, "One expected, got userdata")
    assert.equal(1, one:value())
    assert.equal(2, other:value())
  end)

  it("is made of a value: without one an error names the function that makes it", function()
    local make = kind "Crate"
    local _, err = pcall(function() return (make()) end)
    assert.matches("bad argument #1 to 'make' %(value expected%)", err)
  end)

  it("warns if its drop raises, and is dropped all the same", function()
    local written, status = helper.program [[
      local weir = require "weir"
      local core = require "weir.core"
      warn "@on"
      local make = core.new_kind("Crate", {}, function(what) error(what, 0) end)
      local one, other = make "a sentence", make {}
      one:drop()
      other:drop()
      print(weir.type(one), weir.type(other))
    ]]
    assert.equal(0, status, written)
    assert.matches("Lua warning: the hook of a handle raised: a sentence\n", written)
    assert.matches("Lua warning: the hook of a handle raised: %(no string%)\n", written)
    assert.matches("closed Crate%s+closed Crate\n$", written)
  end)

  it("belongs no longer to the task that gave it to another", paused(function()
    local make, log = kind "Crate"
    local other = later(function() weir.sleep(1) end)
    local boxes = { make "a", make "b", make "c" }  -- (none is left to the collector)
    local giver = weir.spawn(function()
      for _, box in ipairs(boxes) do core.own(box) end
      core.own(boxes[2], other)
      return #boxes
    end)
    assert.same({ true, 3 }, { giver:join() })
    assert.same({ "c", "a" }, log)
    assert(other:join())
    assert.same({ "c", "a", "b" }, log)
  end))

  it("belongs to the task that it is given to", paused(function()
    local make, log = kind "Crate"
    local h = make "given"
    local task = helper.later(function() weir.sleep(5) end)
    assert.is_nil(core.owner(h))
    core.own(h, task)
    assert.is_nil(core.owner(h))
    weir.sleep(4)
    assert.same({}, log)
    weir.sleep(2)
    assert.same({ "given" }, log)
    local late = make "late"
    core.own(late, task)
    weir.sleep(1)
    assert.equal("late", late:value())
    core.own(late)
    assert.equal(weir.current(), core.owner(late))
    late:drop()
  end))

  it("belongs to the timeout in which it was got, and to the task after it", paused(function()
    local make, log = kind "Crate"
    local task = helper.later(function()
      local _, got = weir.timeout(5, function()
        local h = make "kept"
        core.own(h)
        assert.equal(weir.current(), core.owner(h))
        weir.wrap(function() assert.equal(weir.current(), core.owner(h)) end)()
        return h
      end)
      assert.equal(weir.current(), core.owner(got))
      assert.same({ nil, "timeout" }, { weir.timeout(1, function()
        core.own(make "cut")
        weir.sleep(2)
      end) })
      assert.same({ "cut" }, log)
    end)
    assert.same({ true }, { task:join() })
    assert.same({ "cut", "kept" }, log)
  end))
end)

describe("A stream's method", function()
  it("refuses what is no stream", function()
    local s <close> = stream.from { 1, 2 }
    blames(function() s.next(42) end, "Stream expected, got number")
    blames(function() s.next() end, "Stream expected, got nil")
    blames(function() s.next(weir.notify()) end, "Stream expected, got ")
    assert.equal(1, s:next())
  end)
end)

describe("A box whose move runs a hook", function()
  -- A stream that a task waits on outside of any run: to move it wakes that task.
  local function waited_on()
    local tx, rx = weir.unbounded()
    local s = stream.from(rx)
    weir.spawn(function()
      pcall(s.next, s)
      return tx
    end)
    weir.loop.step()
    return s
  end

  local function on_wake(f)
    weir.loop.on_wake(f)
    finally(function()
      weir.loop.on_wake(nil)
      weir.run(function() end)                    -- what was spawned here ends with it
    end)
  end

  it("has moved when a send by that hook finds the channel full", function()
    local s, answers = waited_on(), nil
    local tx, rx = weir.mpsc(1)
    on_wake(function() answers = { tx:try_send "x" } end)
    assert.is_true(tx:try_send(s))
    assert.same({ nil, "full" }, answers)
    assert.equal("Stream", weir.type(rx:try_recv()))
    assert.same({ nil, "empty" }, { rx:try_recv() })
  end)

  it("is sent by a oneshot once, though the hook drops the sender", function()
    local s = waited_on()
    local tx, rx = weir.oneshot()
    on_wake(function() tx:drop() end)
    assert.is_true(tx:send(s))
    assert.equal("Stream", weir.type(rx:try_recv()))
  end)

  it("is in its new task when the hook counts the tasks", function()
    local s, count = waited_on(), nil
    on_wake(function() count = #weir.tasks() end)
    weir.spawn(function() end, s)
    assert.equal(2, count)
  end)
end)
