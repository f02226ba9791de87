-- SPDX-License-Identifier: MIT
-- Reports and traces of what is rare: reservations, closed(), frames, odd tables, a report that fails.

local weir = require "weir"
local trace = require "weir.trace"
local stream = require "weir.stream"
local helper = require "spec.helper"
local paused, later = helper.paused, helper.later

local function report(main)
  local ok, err = pcall(weir.run, main)
  assert.is_false(ok)
  return err
end

local function of_kind(kind)
  for _, channel in ipairs(weir.channels()) do
    if channel.kind == kind then return channel end
  end
end

describe("weir.tasks", function()
  it("says of a sleep no more than that, whatever an earlier call has left on its stack", paused(function()
    local tx, rx = weir.mpsc(1)
    later(function()
      weir.sleep(0.1)
      rawequal(1, rx)                             -- rx is where a second argument of sleep would be
      weir.sleep(1)
    end)
    helper.collect()
    collectgarbage "stop"                         -- (it clears what lies above the top of a stack)
    weir.sleep(0.5)
    local waiting_for = weir.tasks()[2].waiting_for
    collectgarbage "restart"
    assert.equal("sleep", waiting_for)
    tx:drop()
  end))
end)

describe("A deadlock's report", function()
  it("says of which channel a select waits for the end, and who holds the receiver", function()
    local err = report(function()
      local tx, rx = weir.mpsc(1)
      weir.spawn(function(mine)
        weir.notify():notified()
        mine:drop()
      end, rx):name "holder"
      weir.select { over = weir.closed(tx), other = weir.notify() }
    end)
    assert.matches("over: .-1 receiver", err)
    assert.matches("mpsc%.Receiver owned by task %d+ holder", err)
  end)

  it("says for what a reservation waits", function()
    local err = report(function()
      local tx, rx = weir.mpsc(1)
      tx:send "full"
      local r <close> = tx:reservation()
      r:wait()
      rx:drop()
    end)
    assert.matches("r:wait%(%) at .- waits for room in a channel whose receiver is held by the task", err)
    assert.matches("waits in reserve on mpsc%.Reservation", err)
  end)

  it("names the owner of what was got inside of timeout", function()
    local err = report(function()
      local tx, rx = weir.mpsc(1)
      local inner, outer = weir.mpsc(1)
      local task = later(function()
        weir.timeout(math.huge, function()
          local mine = tx:move()
          assert(mine:send(inner:move()))
          local got = rx:recv()
          weir.notify():notified()
          return got
        end)
      end)
      task:name "holder"
      outer:recv()
    end)
    assert.matches("mpsc%.Sender owned by task %d+ holder", err)
  end)

  it("finds a handle in a field of any key", function()
    local err = report(function()
      local tx, rx = weir.mpsc(1)
      local kept = { [true] = 1, [1.5] = tx, [7] = tx:clone(), named = tx:clone() }
      tx = nil
      rx:recv()
      return kept, tx
    end)
    assert.matches("3 senders", err)
    for _, name in ipairs { "kept%.%?", "kept%.7", "kept%.named" } do
      assert.matches("variable " .. name .. " of the task itself", err)
    end
    assert.not_matches("in no variable", err)
  end)

  it("is plain, but names every task and its wait, where weir's Lua modules are not", function()
    local written, status = helper.program [[
      local core = require "weir.core"
      local ok, err = pcall(core.run, function()
        local tx, rx = core.mpsc(1)
        core.spawn(function() core.notify():notified() end):name "second"
        rx:recv()
        tx:drop()
      end)
      assert(not ok)
      print(err)
    ]]
    assert.equal(0, status, written)
    assert.matches("^deadlock: every task waits", written)
    assert.matches("\n  task 1 [^\n]*waiting at [^\n]*: waits in recv", written)
    assert.matches("\n  task 2 second %(waiting at [^\n]*: waits in notified", written)
  end)

  it("is plain if the report raises", function()
    local written, status = helper.program [[
      local weir = require "weir"
      require "weir.core".on_report(function() error "no report" end, "@nowhere")
      local ok, err = pcall(weir.run, function() weir.notify():notified() end)
      assert(not ok)
      print(err)
    ]]
    assert.equal(0, status, written)
    assert.matches("^deadlock: every task waits", written)
    assert.matches("waits in notified", written)
    assert.not_matches("no report", written)
  end)
end)

describe("what weir's Lua modules get from the core", function()
  local core = require "weir.core"

  it("is a picture whose fields have names", paused(function()
    local tx, rx = weir.mpsc(1)
    later(function() rx:recv() end)
    for _, deep in ipairs { false, true } do
      for key in pairs(core.snapshot(deep)) do assert.equal("string", type(key)) end
    end
    tx:drop()
  end))

  it("is nothing where they give it a function", function()
    local written, status = helper.program [[
      local core = require "weir.core"
      print(select("#", core.on_composite(print)), select("#", core.on_report(print, "@nowhere")))
    ]]
    assert.equal("0\t0\n", written)
    assert.equal(0, status)
  end)

  it("is no size of a terminal where there is none", function()
    local file = assert(io.tmpfile())
    assert.equal(0, select("#", core.terminal(file)))
    file:close()
    assert.equal(0, select("#", core.terminal(file)))
  end)

  it("is the size of a terminal, columns and rows", function()
    if not os.execute "script -qec true /dev/null </dev/null >/dev/null 2>&1" then
      return pending "no pseudo-terminal, or no script(1), is here"
    end
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "w"))
    file:write [[print("size", require("weir.core").terminal(io.stdout))]]
    file:close()
    local command = "LUA_PATH='%s' LUA_CPATH='%s' script -qec 'stty cols 97 rows 31; lua5.4 %s' /dev/null"
    local pipe <close> = assert(io.popen(command:format(package.path, package.cpath, name) .. " </dev/null"))
    local output = pipe:read "a"
    os.remove(name)
    assert.matches("size%s+97%s+31%s", output)
  end)

  it("is whether all is quiet: in a run nobody is ready and nothing is due", function()
    local function quiet() return core.snapshot().quiet end
    local waiting = weir.spawn(function() weir.sleep(math.huge) end)
    weir.loop.step()
    helper.collect()
    assert.is_false(quiet())                      -- no run goes on
    weir.run_paused(function()
      assert.is_true(quiet())
      local timer = weir.after(1)
      assert.is_true(quiet())                     -- nobody waits for it
      local waits = weir.spawn(function() timer:wait() end)
      weir.yield()
      assert.is_false(quiet())
      waits:abort()
      weir.yield()
      assert.is_true(quiet())
      local first = weir.spawn(quiet)
      assert.is_false(quiet())
      local second = weir.spawn(quiet)
      assert.same({ true, true }, { second:join() })
      assert.same({ true, false }, { first:join() })        -- the second was to come in the same turn
    end)
    assert.equal("aborted", waiting:status())
  end)

  it("takes a function for the report, and nothing else", function()
    for _, wrong in ipairs { 1, "f", {}, false } do
      assert.matches("#1.-function expected", select(2, pcall(core.on_report, wrong, "@nowhere")))
    end
    assert.matches("#1.-function expected", select(2, pcall(core.on_report)))
    assert.matches("^deadlock: .-notified", report(function() weir.notify():notified() end))
  end)
end)

describe("weir.channels", function()
  it("finds what a plain coroutine has in a variable, in which it is asked", function()
    coroutine.wrap(function()
      local tx, rx = weir.mpsc(3)
      tx:try_send(1)
      assert.equal(3, of_kind("mpsc").capacity)
      rx:drop()
    end)()
  end)
end)

describe("weir.dump", function()
  it("shows the reservation in a channel's line", paused(function()
    local tx, rx = weir.mpsc(1)
    tx:send(1)
    local r <close> = tx:reservation()
    assert.same({ 0 }, of_kind("mpsc").waiting_senders)
    assert.matches("a reservation waits to send", weir.dump())
    assert.equal(1, rx:recv())
    r:wait():drop()
  end))

  it("finds what belongs to a timeout's function, and not twice what passes through wrap", paused(function()
    local tx, rx = weir.mpsc(2)
    local task = later(function()
      weir.timeout(10, function()
        local mine <close> = tx:reserve()
        weir.wrap(function() weir.sleep(5) end)()
        assert.equal(1, mine:remaining())
      end)
    end)
    assert.matches("0 of 2, 1 reserved", weir.dump())
    assert.equal(2, #weir.tasks())
    assert(task:join())
    assert.equal(2, rx:capacity())
  end))

  it("says how many messages a broadcast's slowest receiver has missed", paused(function()
    local tx, rx = weir.broadcast(2)
    local quick = tx:subscribe()
    for i = 1, 5 do
      tx:send(i)
      assert.equal(i, quick:recv())
    end
    assert.matches("the slowest receiver has missed 3", weir.dump())
    assert.same({ nil, "lagged", 3 }, { rx:recv() })
    assert.not_matches("has missed", weir.dump())
  end))

  it("gives a stream's place under weir.debug", paused(function()
    weir.debug(true)
    local tx, rx = weir.mpsc(1)
    local s <close> = stream.from(rx)
    local task = later(function(mine) return mine:next() end, s:move())
    local text = weir.dump()
    weir.debug(false)
    assert.matches("dump_edges_spec", text)
    tx:send(3)
    assert.same({ true, 3 }, { task:join() })
  end))
end)

describe("weir.trace", function()
  -- The text of a trace of main.
  local function traced(main)
    local path = os.tmpname()
    assert(trace.start(path))
    local ok, err = pcall(weir.run_paused, main)
    assert.is_true(trace.stop())
    local file <close> = assert(io.open(path))
    local text = file:read "a"
    os.remove(path)
    assert(ok, err)
    return text
  end

  local function count(text, pattern) return select(2, text:gsub(pattern, "")) end

  it("counts what is in channels whose ends are owned, in tasks and in timeouts", function()
    local text = traced(function()
      local mtx, mrx = weir.mpmc(4)
      local tx, rx = weir.mpsc(4)
      mtx:send(1)
      tx:send(1)
      weir.spawn(function(a, b)
        weir.timeout(10, function()
          local permit <close> = tx:reserve()
          weir.sleep(3)
          assert(permit:send(2))
        end)
        weir.sleep(1)
        return a:try_recv() == 1 and b:drop()
      end, mrx, mtx:clone())
      local permit = weir.spawn(function()
        local mine = tx:reserve()
        weir.sleep(5)
        return mine:send(3)
      end)
      assert(permit:join())
      assert.equal(3, #rx)
    end)
    assert.matches("mpmc", text)
    assert.matches("mpsc", text)
    assert.matches('"ph":"C"', (text:gsub("%s", "")))
  end)

  it("has a row for each of hundreds of tasks, those that came late too", function()
    local text = traced(function()
      for wave = 1, 5 do
        local tasks = {}
        for i = 1, 60 * wave do
          tasks[i] = weir.spawn(function() weir.sleep(1) end)
          tasks[i]:name(("wave %d.%d."):format(wave, i))
        end
        for _, task in ipairs(tasks) do assert(task:join()) end
      end
    end)
    for wave = 1, 5 do
      assert.equal(60 * wave, count(text, "thread_name[^\n]-wave " .. wave .. "%.%d+%."))
    end
  end)
end)
