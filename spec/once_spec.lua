-- SPDX-License-Identifier: MIT
-- once_spec.lua -- a value that is set once: by hand, or by the first who needs it.

local weir = require "weir"
local helper = require "spec.helper"

local in_task, join, later, weakly = helper.paused, helper.join, helper.later, helper.weakly

local function raises(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("once_spec%.lua:%d+: %S", err)
  return err
end

local function cell_with(v)
  local cell = weir.once()
  assert(cell:set(v))
  return cell
end

-- Some tasks here fail on purpose, before anybody joins them.
local hook
setup(function() hook = weir.on_error(function() end) end)
teardown(function() weir.on_error(hook) end)

describe("Once:set and get", function()
  it("set the value once", function()
    local cell = weir.once()
    assert.equal("Once", weir.type(cell))
    assert.is_nil(cell:get())
    assert.is_false(cell:is_set())
    assert.is_true(cell:set("v"))
    assert.is_true(cell:is_set())
    assert.equal("v", cell:get())
    assert.same({ nil, "full" }, { cell:set("w") })
    assert.equal("v", cell:get())
  end)

  it("take false for a value", function()
    local cell = weir.once()
    assert.is_true(cell:set(false))
    assert.is_true(cell:is_set())
    assert.is_false(cell:get())
    assert.same({ nil, "full" }, { cell:set(true) })
  end)

  it("refuse nil", function()
    local cell = weir.once()
    raises(function() cell:set(nil) end)
    raises(function() cell:set() end)
    assert.is_false(cell:is_set())
  end)

  it("set from a task is seen by all", in_task(function()
    local cell = weir.once()
    join(weir.spawn(function() cell:set(42) end))
    assert.equal(42, cell:get())
  end))

  it("refuse a set while an initialiser runs", in_task(function()
    local cell = weir.once()
    local task = later(function()
      return cell:get_or_init(function()
        weir.sleep(1)
        return "from init"
      end)
    end)
    assert.same({ nil, "full" }, { cell:set("by hand") })
    assert.is_nil(cell:get())
    assert.is_false(cell:is_set())
    assert.equal("from init", join(task))
  end))
end)

describe("tostring of a once cell", function()
  it("says how far it is", in_task(function()
    local cell = weir.once()
    assert.matches("%(not set%)", tostring(cell))
    local maker = later(function()
      return cell:get_or_init(function()
        weir.sleep(1)
        return "made"
      end)
    end)
    assert.matches("%(being initialised%)", tostring(cell))
    assert.equal("made", join(maker))
    assert.matches("%(set%)", tostring(cell))
  end))
end)

describe("Once:get_or_init", function()
  it("takes a function and no timeout", in_task(function()
    local cell = weir.once()
    local maker = later(function()
      return cell:get_or_init(function()
        weir.sleep(1)
        return "made"
      end)
    end)
    assert.equal("made", cell:get_or_init(function() return "too late" end, 0))
    assert.equal("made", join(maker))
  end))

  it("runs f if there is no value, and never again", function()
    local cell = weir.once()
    local n = 0
    local function f() n = n + 1 return "v" .. n end
    assert.equal("v1", cell:get_or_init(f))
    assert.equal("v1", cell:get_or_init(f))
    assert.equal(1, n)
    assert.equal("v1", cell:get())
  end)

  it("does not run f if the value is set", function()
    local cell = cell_with("v")
    assert.equal("v", cell:get_or_init(function() error("not needed") end))
  end)

  it("lets one caller run f while the others wait for it", in_task(function()
    local cell = weir.once()
    local n, tasks = 0, {}
    for i = 1, 5 do
      tasks[i] = weir.spawn(function()
        return cell:get_or_init(function()
          n = n + 1
          weir.sleep(1)
          return { i }
        end)
      end)
    end
    local first = join(tasks[1])
    assert.same({ 1 }, first)
    for i = 2, 5 do assert.equal(first, join(tasks[i])) end
    assert.equal(1, n)
  end))

  it("raises what f raises, and the cell stays empty for the next", in_task(function()
    local cell = weir.once()
    local err = {}
    local ok, got = pcall(cell.get_or_init, cell, function() error(err) end)
    assert.is_false(ok)
    assert.equal(err, got)
    assert.is_false(cell:is_set())
    assert.equal("v", cell:get_or_init(function() return "v" end))
  end))

  it("refuses nil from f, and the cell stays empty for the next", in_task(function()
    local cell = weir.once()
    assert.matches("returned nil", raises(function() cell:get_or_init(function() end) end))
    assert.is_false(cell:is_set())
    assert.equal("v", cell:get_or_init(function() return "v" end))
  end))

  it("that fails hands its turn to the next in line", in_task(function()
    local cell = weir.once()
    local a = later(function() cell:get_or_init(function() weir.sleep(1) error("boom") end) end)
    local b = later(function() return cell:get_or_init(function() return "from b" end) end)
    local c = later(function() return cell:get_or_init(function() return "from c" end) end)
    assert.is_false((a:join()))
    assert.equal("from b", join(b))
    assert.equal("from b", join(c))
  end))

  it("that fails in a plain coroutine hands its turn on, though nobody closes that", in_task(function()
    local err = {}
    local fails = {
      function() error(err) end,
      function() return nil end,
      function() return (weir.mpsc(1)) end,
      function() coroutine.yield() error(err) end,
    }
    for i, f in ipairs(fails) do
      local cell = weir.once()
      local co = coroutine.create(function() cell:get_or_init(f) end)
      local ok, got = coroutine.resume(co)
      local waiting = later(function() return cell:get_or_init(function() return "next" end) end)
      if ok then ok, got = coroutine.resume(co) end
      assert.is_false(ok)
      if i == 2 or i == 3 then assert.matches("function returned", got) else assert.equal(err, got) end
      assert.equal("dead", coroutine.status(co))
      assert.equal("next", join(waiting))
      assert.equal("next", cell:get())
    end
  end))

  it("may yield in a plain coroutine", function()
    local cell = weir.once()
    local co = coroutine.create(function()
      return cell:get_or_init(function() return coroutine.yield "half" end)
    end)
    assert.same({ true, "half" }, { coroutine.resume(co) })
    assert.same({ nil, "full" }, { cell:set "other" })
    assert.same({ true, "made" }, { coroutine.resume(co, "made") })
    assert.equal("made", cell:get())
  end)

  it("that is closed in a plain coroutine hands its turn on", function()
    local cell = weir.once()
    local co = coroutine.create(function() cell:get_or_init(coroutine.yield) end)
    coroutine.resume(co)
    assert.same({ nil, "full" }, { cell:set "other" })
    coroutine.close(co)
    assert.is_true(cell:set "other")
  end)

  it("that fails in a task leaves its traceback whole", in_task(function()
    local cell = weir.once()
    local function deep() error("boom", 0) end
    weir.on_error(function() end)
    local task = later(function() cell:get_or_init(function() deep() end) end)
    weir.on_error(nil)
    assert.matches("once_spec.lua:" .. debug.getinfo(deep, "S").linedefined, task:traceback(), 1, true)
  end))

  it("that is aborted hands its turn to the next in line", in_task(function()
    local cell = weir.once()
    local a = later(function() cell:get_or_init(function() weir.sleep(9) end) end)
    local b = later(function() return cell:get_or_init(function() return "from b" end) end)
    a:abort()
    assert.equal("from b", join(b))
    assert.equal("from b", cell:get())
  end))

  it("aborted before its first chance to run again frees the cell, too", in_task(function()
    local cell = weir.once()
    local a = later(function() cell:get_or_init(function() weir.sleep(9) end) end)
    a:abort()
    a:join()
    assert.is_false(cell:is_set())
    assert.is_true(cell:set("by hand"))
  end))

  it("cut short by weir.timeout hands its turn on", in_task(function()
    local cell = weir.once()
    local function slow() weir.sleep(9) return "slow" end
    assert.is_nil(weir.timeout(1, function() cell:get_or_init(slow) end))
    assert.equal("quick", cell:get_or_init(function() return "quick" end))
  end))

  it("in line may be aborted, and the one behind it still gets the value or its turn", in_task(function()
    local cell = weir.once()
    local a = later(function() cell:get_or_init(function() weir.sleep(1) error("boom") end) end)
    local b = later(function() cell:get_or_init(function() return "from b" end) end)
    local c = later(function() return cell:get_or_init(function() return "from c" end) end)
    b:abort()
    assert.is_false((a:join()))
    assert.equal("from c", join(c))
  end))

  it("given its turn and aborted before it ran passes the turn on", in_task(function()
    local cell = weir.once()
    local wake = weir.notify()
    later(function() pcall(cell.get_or_init, cell, function() wake:notified() error("boom") end) end)
    local b = later(function() cell:get_or_init(function() return "from b" end) end)
    local c = later(function() return cell:get_or_init(function() return "from c" end) end)
    wake:notify_one()
    weir.spawn(function() b:abort() end)
    local v = join(c)
    assert.is_true(v == "from c" or v == "from b")
    assert.equal(v, cell:get())
  end))

  it("called again from within f is reported as the deadlock it is", function()
    local ok, err = pcall(weir.run_paused, function()
      local cell = weir.once()
      cell:get_or_init(function() return cell:get_or_init(function() return 1 end) end)
    end)
    assert.is_false(ok)
    assert.matches("deadlock:", err, 1, true)
  end)

  it("refuses a set from within f", function()
    local cell = weir.once()
    local ok, why
    assert.equal("f's", cell:get_or_init(function()
      ok, why = cell:set("another")
      return "f's"
    end))
    assert.is_nil(ok)
    assert.equal("full", why)
  end)

  it("raises outside a task where it would wait for another's f", in_task(function()
    local cell = weir.once()
    later(function() cell:get_or_init(function() weir.sleep(1) return 1 end) end)
    string.gsub("x", "x", function()
      raises(function() cell:get_or_init(function() return 2 end) end)
    end)
    assert.equal(1, cell:wait())
  end))

  it("refuses what is no function", function()
    local cell = weir.once()
    raises(function() cell:get_or_init() end)
    raises(function() cell:get_or_init(42) end)
    assert.is_true(cell:set(1))
  end)
end)

describe("Once:wait", function()
  it("returns the value at once if it is set", function()
    assert.equal("v", cell_with("v"):wait())
  end)

  it("waits for set, all who wait", in_task(function()
    local cell = weir.once()
    local a = later(function() return cell:wait() end)
    local b = later(function() return cell:wait(9) end)
    assert.equal("waiting", a:status())
    cell:set("v")
    assert.equal("v", join(a))
    assert.equal("v", join(b))
  end))

  it("waits for an initialiser that another runs, and past one that fails", in_task(function()
    local cell = weir.once()
    local task = later(function() return cell:wait() end)
    pcall(cell.get_or_init, cell, error)
    weir.yield()
    assert.equal("waiting", task:status())
    cell:get_or_init(function() return "v" end)
    assert.equal("v", join(task))
  end))

  it("gives up on its timeout, and on 0 polls once", in_task(function()
    local cell = weir.once()
    local start = weir.now()
    assert.same({ nil, "timeout" }, { cell:wait(2) })
    assert.is_near(2, weir.now() - start, 1e-6)
    assert.same({ nil, "timeout" }, { cell:wait(0) })
    cell:set("v")
    assert.equal("v", cell:wait(0))
  end))

  it("may be aborted before and after it was woken, and cut short", in_task(function()
    local cell = weir.once()
    local a = later(function() cell:wait() end)
    local b = later(function() cell:wait() end)
    a:abort()
    a:join()
    assert.is_nil(weir.timeout(1, function() cell:wait() end))
    cell:set("v")
    b:abort()
    assert.same({ false, "aborted" }, { b:join() })
    assert.equal("v", cell:wait())
  end))

  it("raises outside a task where it would wait", function()
    local cell = weir.once()
    raises(function() cell:wait() end)
    raises(function() cell_with(1):wait(-1) end)
  end)
end)

describe("a Once's memory", function()
  it("is let go with the cell, the value destroyed once", function()
    local n = 0
    local function make()
      cell_with(setmetatable({}, { __gc = function() n = n + 1 end }))
    end
    make()
    collectgarbage()
    collectgarbage()
    assert.equal(1, n)
  end)

  it("keeps the value while the cell lives", function()
    local cell
    local weak = weakly(1, function(v) cell = cell_with(v) end)
    collectgarbage()
    assert.equal(weak[1], cell:get())
  end)
end)
