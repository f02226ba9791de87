-- SPDX-License-Identifier: MIT
-- console_spec.lua -- weir.console: a live table on a terminal, a line elsewhere.

local weir = require "weir"
local console = require "weir.console"
local helper = require "spec.helper"

local later, paused = helper.later, helper.paused

-- What is written to a file while body runs.
local function written(body)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  local ok, err = pcall(body, file)
  file:close()
  local back <close> = assert(io.open(name))
  local text = back:read "a"
  os.remove(name)
  return text, ok, err
end

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

-- A program whose numbers are known: `n` messages a second into a channel of 16, half of them taken out.
local function busy()
  local tx, rx = weir.mpsc(16)
  weir.spawn(function(out)
    while true do
      weir.sleep(0.1)
      out:send(1)
    end
  end, tx):name "producer"
  weir.spawn(function(inbox)
    while true do
      weir.sleep(0.2)
      inbox:recv()
    end
  end, rx):name "consumer"
end

describe("weir.console", function()
  before_each(helper.collect)

  it("writes a line for each interval where there is no terminal", function()
    local text = written(function(file)
      weir.run_paused(function()
        console.start { interval = 2, out = file }
        busy()
        weir.sleep(7)
      end)
    end)
    local list = lines(text)
    assert.equal(4, #list)
    assert.matches("^weir 0%.0 s  3 tasks %(", list[1])
    assert.matches("^weir 2%.0 s  3 tasks %(", list[2])
    assert.not_matches("\27", text)
  end)

  it("gives rates per second, the fill, and who has the ends", function()
    local text = written(function(file)
      weir.run_paused(function()
        console.start { interval = 1, out = file }
        busy()
        weir.sleep(2.5)
      end)
    end)
    local fill, sent, received =
      lines(text)[3]:match "1 mpsc producer > consumer (%d+)/16, ([%d.]+) in/s, ([%d.]+) out/s"
    assert.is_true(math.abs(sent - 10) <= 1 and math.abs(received - 5) <= 1)
    assert.is_true(tonumber(fill) >= 9)
  end)

  it("shows backpressure: how many wait to send", function()
    local text = written(function(file)
      weir.run_paused(function()
        console.start { interval = 1, out = file }
        local tx, rx = weir.mpsc(2)
        for _ = 1, 5 do weir.spawn(function(out) out:send(1) end, tx:clone()) end
        weir.sleep(1.5)
        rx:drop()
        tx:drop()
      end)
    end)
    assert.matches("2/2.*3 wait to send", lines(text)[2])
  end)

  it("shows that an unbounded channel grows", function()
    local text = written(function(file)
      weir.run_paused(function()
        console.start { interval = 1, out = file }
        local tx, rx = weir.unbounded()
        weir.spawn(function(out)
          while true do
            weir.sleep(0.01)
            out:send(1)
          end
        end, tx)
        weir.sleep(3.5)
        rx:drop()
      end)
    end)
    assert.matches("grows by 100/s", lines(text)[3])
  end)

  it("shows that a receiver of a broadcast lags", paused(function()
    local tx, rx = weir.broadcast(4)
    for i = 1, 10 do tx:send(i) end
    assert.matches("lags by 6", console.frame())
    rx:drop()
  end))

  it("draws a table as wide as it is told, in place, in colours if it is told", function()
    local function draw(width, colour)
      return (written(function(file)
        weir.run_paused(function()
          console.start { interval = 1, out = file, width = width, height = 20, colour = colour }
          busy()
          weir.sleep(2.5)
        end)
      end))
    end
    for _, width in ipairs { 60, 80, 100, 120, 200 } do
      local text = draw(width, true)
      assert.matches("^\27%[2J\27%[H", text)
      local frame = text:match ".*\27%[H(.*)\27%[J$"
      for line in frame:gmatch "([^\n]*)\27%[K\n" do
        assert.is_true(utf8.len((line:gsub("\27%[%d*m", ""))) <= width)
      end
    end
    local text = draw(80, false)
    assert.not_matches("\27%[%d+m", text)
    assert.matches("# channel +from > to +fill +in/s +out/s +state", text)
    assert.matches("tasks state +name +at +waits in", text)
    assert.matches("producer > consumer +%[#+%.+%]", draw(100, false))
  end)

  it("keeps to the height, and says what it leaves out", paused(function()
    for i = 1, 40 do later(weir.sleep, 9):name("t" .. i) end
    local frame = console.frame { height = 12 }
    assert.is_true(#lines(frame) <= 12)
    assert.matches("%.%.%. %d+ more rows", frame)
  end))

  it("puts tasks that stand at the same place into one row", paused(function()
    for _ = 1, 300 do weir.spawn(weir.sleep, 9):name "sleeper" end
    weir.yield()
    assert.matches("\n +300 waiting +sleeper", console.frame())
  end))

  it("marks what is longer than its column", paused(function()
    later(weir.sleep, 9):name(("long name "):rep(10))
    assert.matches("long na[^\n]*~", console.frame { width = 80 })
  end))

  it("tells a channel from another at its old address by its number", paused(function()
    local tx, rx = weir.mpsc(2)
    local first = tonumber(console.frame():match "\n +(%d+) mpsc")
    tx:drop()
    rx:drop()
    local wtx, wrx = weir.watch(0)
    local second = tonumber(console.frame():match "\n +(%d+) watch")
    assert.is_true(second > first)
    wtx:drop()
    wrx:drop()
  end))

  it("ends itself where nothing else is left to run, so that a deadlock is found", function()
    local text, ok, err = written(function(file)
      weir.run_paused(function()
        console.start { interval = 1, out = file }
        local tx, rx = weir.mpsc(1)
        rx:recv()
        tx:drop()
      end)
    end)
    assert.is_false(ok)
    assert.matches("^deadlock: rx:recv%(%)", err)
    assert.is_true(#lines(text) <= 2)
  end)

  it("goes on while somebody waits for a time", function()
    local text = written(function(file)
      weir.run_paused(function()
        console.start { interval = 1, out = file }
        weir.sleep(5.5)
      end)
    end)
    assert.equal(6, #lines(text))
  end)

  it("ends when its task is aborted", function()
    local text = written(function(file)
      weir.run_paused(function()
        local show = console.start { interval = 1, out = file }
        weir.sleep(2.5)
        show:abort()
        weir.sleep(5)
      end)
    end)
    assert.equal(3, #lines(text))
  end)

  it("does not count itself among the tasks", function()
    local text = written(function(file)
      weir.run_paused(function()
        console.start { interval = 1, out = file }
        weir.sleep(0.5)
      end)
    end)
    assert.matches("  1 task %(", text)
  end)

  it("draws on a terminal", function()
    -- script(1) gives a program a terminal.
    if not os.execute "script -qec true /dev/null </dev/null >/dev/null 2>&1" then
      return pending "no pseudo-terminal, or no script(1), is here"
    end
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "w"))
    file:write [[
      local weir = require "weir"
      weir.run(function()
        require("weir.console").start { interval = 0.01 }
        weir.sleep(0.05)
      end)
    ]]
    file:close()
    local command = "LUA_PATH='%s' LUA_CPATH='%s' script -qec 'lua5.4 %s' /dev/null </dev/null"
    local pipe <close> = assert(io.popen(command:format(package.path, package.cpath, name)))
    local output = pipe:read "a"
    os.remove(name)
    assert.matches("\27%[2J\27%[H", output)
    assert.matches("1 task %(1 waiting%)", output)
  end)

  it("refuses wrong options at the caller's line", function()
    helper.blames(function() console.start(3) end, "#1 to 'start'", "table of options expected, got number")
    helper.blames(function() console.start { intervall = 1 } end, "unknown option 'intervall'")
    helper.blames(function() console.start { interval = "1" } end, "number expected, got string")
    helper.blames(function() console.start { interval = 0 } end, "a time above 0 expected")
    helper.blames(function() console.frame { width = true } end, "#1 to 'frame'", "number expected")
  end)
end)
