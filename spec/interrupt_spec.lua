-- SPDX-License-Identifier: MIT
-- interrupt_spec.lua -- Ctrl-C under the stock interpreter, in a child process that is sent the signal.

local helper = require "spec.helper"

-- Runs a program whose `interrupt(s)` has SIGINT sent to it in s seconds; gives output and exit status.
-- A watchdog ends one that does not hear it.
local function program(source)
  return helper.program([[
    local weir = require "weir"
    local function interrupt(s)
      os.execute("(sleep " .. s .. "; kill -INT $PPID) >/dev/null 2>&1 &")
    end
  ]] .. source, "timeout -s KILL 60")
end

-- The same, with `body` as main after an interrupt was asked for; prints what run raised and how late.
local function interrupted(body)
  return program(string.format([[
    local start = weir.now()
    local ok, err = pcall(weir.run, function()
      interrupt(0.2)
      %s
    end)
    print(ok, err)
    io.write(weir.now() - start < 5 and "promptly" or "late", "\n")
  ]], body))
end

local function ends_promptly(body)
  local output, status = interrupted(body)
  assert.matches("false%s.*interrupted!", output)
  assert.matches("promptly", output)
  assert.equal(0, status)
  return output
end

describe("an interrupt", function()
  it("ends a run that sleeps", function()
    ends_promptly "weir.sleep(30)"
  end)

  it("ends a run in which all tasks sleep", function()
    ends_promptly [[
      for i = 1, 10 do weir.spawn(function() weir.sleep(30 + i) end) end
      weir.sleep(30)
    ]]
  end)

  it("ends a run that yields for ever", function()
    ends_promptly "while true do weir.yield() end"
  end)

  it("ends a run whose tasks hand each other messages for ever", function()
    ends_promptly [[
      local tx, rx = weir.mpsc(1)
      weir.spawn(function() while true do tx:send(1) end end)
      while true do rx:recv() end
    ]]
  end)

  it("ends a run that is busy with what is always ready", function()
    ends_promptly [[
      local tx, rx = weir.mpsc(1)
      while true do
        tx:send(1)
        rx:recv()
      end
    ]]
  end)

  it("ends a run that sleeps for tiny times for ever", function()
    ends_promptly "while true do weir.sleep(0.0001) end"
  end)

  it("ends a run that spawns for ever", function()
    ends_promptly "while true do weir.spawn(function() end):join() end"
  end)

  it("ends a run whose main computes in the task", function()
    ends_promptly [[
      weir.spawn(function() while true do weir.yield() end end)
      while true do
        for _ = 1, 1000 do math.sin(1) end
        weir.yield()
      end
    ]]
  end)

  it("cannot be swallowed by a pcall in a task", function()
    ends_promptly [[
      while true do pcall(weir.sleep, 30) end
    ]]
  end)

  it("runs the <close> variables of every task", function()
    local output = ends_promptly [[
      local function note(word)
        return setmetatable({}, { __close = function() print("closing " .. word) end })
      end
      weir.spawn(function()
        local _other <close> = note "other"
        weir.sleep(30)
      end)
      local _main <close> = note "main"
      weir.sleep(30)
    ]]
    assert.matches("closing other", output)
    assert.matches("closing main", output)
  end)

  it("leaves weir able to run again", function()
    local output, status = program [[
      pcall(weir.run, function()
        interrupt(0.2)
        weir.sleep(30)
      end)
      print(weir.run(function()
        weir.sleep(0.01)
        return "again"
      end))
    ]]
    assert.equal("again\n", output)
    assert.equal(0, status)
  end)

  it("ends the program with interrupted! on stderr where nobody catches it", function()
    local output, status = program [[
      weir.run(function()
        interrupt(0.2)
        weir.sleep(30)
      end)
      print "went on"
    ]]
    assert.matches("interrupted!", output)
    assert.not_matches("went on", output)
    assert.equal(1, status)
  end)

  it("ends a run inside a plain coroutine", function()
    local output = program [[
      print(coroutine.wrap(function()
        return pcall(weir.run, function()
          interrupt(0.2)
          weir.sleep(30)
        end)
      end)())
    ]]
    assert.matches("^false%s.*interrupted!", output)
  end)
end)

describe("a hook that is set and raises nothing", function()
  it("is let run, however often, and leaves nothing behind", function()
    local output, status = helper.program [[
      local weir = require "weir"
      local main = coroutine.running()
      local function memory()
        for _ = 1, 3 do collectgarbage() end
        return collectgarbage "count"
      end
      local function nothing() end
      weir.run(function()
        local function change(times)
          for _ = 1, times do
            debug.sethook(main, nothing, "", 1000000)
            weir.yield()
            debug.sethook(main)
            weir.yield()
          end
        end
        change(100)
        local before = memory()
        change(20000)
        print(memory() - before < 32)
      end)
    ]]
    assert.equal("true\n", output)
    assert.equal(0, status)
  end)
end)
