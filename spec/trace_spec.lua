-- SPDX-License-Identifier: MIT
-- trace_spec.lua -- weir.trace: rows, slices, arrows and counters in the file that it writes.

local weir = require "weir"
local trace = require "weir.trace"
local helper = require "spec.helper"

-- ---- the JSON of a trace, read strictly -------------------------------------------------------------

local function fail(text, at)
  error(("no JSON at %d: %s"):format(at, text:sub(at, at + 30)), 0)
end

local value

local function members(text, at, close, read)
  local result = {}
  at = text:match("^%s*()", at)
  if text:sub(at, at) == close then return result, at + 1 end
  while true do
    at = read(result, at)
    local separator
    separator, at = text:match("^%s*([,%]}])%s*()", at)
    if separator == close then return result, at end
    if separator ~= "," then fail(text, at or #text) end
  end
end

local escapes = { n = "\n", t = "\t", r = "\r", b = "\b", f = "\f" }

local function string_at(text, at)
  local body, after = text:match('^"([^"\\\n]*)"()', at)
  if body then return body, after end
  local parts, i = {}, at + 1
  while true do
    local c = text:sub(i, i)
    if c == '"' then return table.concat(parts), i + 1 end
    if c == "" or c < " " then fail(text, at) end
    if c == "\\" then
      local hex = text:match("^u(%x%x%x%x)", i + 1)
      parts[#parts + 1] = hex and utf8.char(tonumber(hex, 16)) or escapes[text:sub(i + 1, i + 1)]
        or text:sub(i + 1, i + 1)
      i = i + (hex and 6 or 2)
    else
      parts[#parts + 1] = c
      i = i + 1
    end
  end
end

function value(text, at)
  local c = text:match("^%s*(.)", at)
  at = text:match("^%s*()", at)
  if c == '"' then return string_at(text, at) end
  if c == "{" then
    return members(text, at + 1, "}", function(result, from)
      local key, after = string_at(text, from)
      after = text:match("^%s*:()", after) or fail(text, after)
      result[key], after = value(text, after)
      return after
    end)
  elseif c == "[" then
    return members(text, at + 1, "]", function(result, from)
      local element, after = value(text, from)
      result[#result + 1] = element
      return after
    end)
  end
  local number, after = text:match("^(%-?%d+%.?%d*)()", at)
  if not number then fail(text, at) end
  return tonumber(number), after
end

local function read(path)
  local file <close> = assert(io.open(path))
  local text = file:read "a"
  local events, after = value(text, 1)
  assert.matches("^%s*$", text:sub(after))
  return events
end

-- ---- a traced program -------------------------------------------------------------------------------

-- The events of a run of main.
local function traced(main, run)
  local path = os.tmpname()
  assert(trace.start(path))
  local ok, err = pcall(run or weir.run, main)
  assert.is_true(trace.stop())
  local events = read(path)
  os.remove(path)
  assert(ok, err)
  return events
end

local function of(events, phase)
  local found = {}
  for _, event in ipairs(events) do
    if event.ph == phase then found[#found + 1] = event end
  end
  return found
end

-- Row numbers by the name behind "task 12 ".
local function rows(events)
  local names = {}
  for _, event in ipairs(of(events, "M")) do
    if event.name == "thread_name" then
      names[event.args.name:match "^task %d+ (.*)$" or event.args.name] = event.tid
    end
  end
  return names
end

-- The slice of that row in which the time lies.
local function slice_at(events, tid, ts)
  for _, event in ipairs(of(events, "X")) do
    local from, to = event.ts - 0.0015, event.ts + event.dur + 0.0015
    if event.tid == tid and ts >= from and ts <= to then return event end
  end
end

-- Arrows from the row `from` to the row `to`; every one begins and ends in a slice of its row, in this order.
local function arrows(events, from, to)
  local names, begun, n = rows(events), {}, 0
  for _, event in ipairs(of(events, "s")) do begun[event.id] = event end
  for _, event in ipairs(of(events, "f")) do
    local start = assert(begun[event.id], "an arrow without a beginning")
    assert.is_true(event.ts >= start.ts)
    assert(slice_at(events, start.tid, start.ts), "an arrow begins outside of a slice")
    assert(slice_at(events, event.tid, event.ts), "an arrow ends outside of a slice")
    assert.equal("e", event.bp)
    if start.tid == names[from] and event.tid == names[to] then n = n + 1 end
  end
  assert.equal(#of(events, "s"), #of(events, "f"))
  return n
end

describe("weir.trace", function()
  it("has a row for each task, by name", function()
    local events = traced(function()
      weir.current():name "boss"
      weir.spawn(function() end):name "worker \"one\"\n"
      weir.yield()
    end)
    local names = rows(events)
    assert.is_number(names.boss)
    assert.is_number(names["worker \"one\"\n"])
  end)

  it("has the row's latest name", function()
    local events = traced(function()
      weir.yield()
      weir.current():name "renamed"
    end)
    assert.is_number(rows(events).renamed)
    events = traced(function()
      weir.current():name "renamed"
      weir.yield()
    end)
    assert.is_number(rows(events).renamed)
  end)

  it("has a slice for each time a task ran, in order and apart", function()
    local events = traced(function()
      weir.current():name "boss"
      for _ = 1, 4 do weir.yield() end
    end)
    local slices, boss, last = 0, rows(events).boss, 0
    for _, event in ipairs(of(events, "X")) do
      if event.tid == boss then
        slices = slices + 1
        assert.is_true(event.ts >= last)
        last = event.ts + event.dur
      end
    end
    assert.equal(5, slices)
  end)

  it("says where a slice begins, and how it ends", function()
    local here
    local events = traced(function()
      here = debug.getinfo(1, "l").currentline + 1
      weir.sleep(0.001)
    end)
    local slices = of(events, "X")
    assert.equal("start", slices[1].name)
    assert.equal("waits in sleep", slices[1].args["then"])
    assert.equal("spec/trace_spec.lua:" .. here, slices[1].args.at)
    assert.equal("spec/trace_spec.lua:" .. here, slices[2].name)
    assert.equal("done", slices[2].args["then"])
  end)

  it("says what failed, was aborted, or waits in a select", function()
    helper.failures(function()
      local events = traced(function()
        weir.spawn(function() error "x" end)
        local task = weir.spawn(function() weir.select { weir.notify(), weir.after(9) } end)
        weir.yield()
        task:abort()
        task:join()
      end)
      local ends = {}
      for _, event in ipairs(of(events, "X")) do ends[event.args["then"]] = true end
      assert.is_true(ends.failed and ends.aborted and ends["waits in select"] and ends["waits in join"])
    end)
  end)

  it("draws an arrow from each send to its receive", function()
    local events = traced(function()
      local tx, rx = weir.mpsc(3)
      local consumer = weir.spawn(function(inbox)
        for v in inbox do assert(v) end
      end, rx)
      consumer:name "consumer"
      weir.spawn(function(out) for i = 1, 10 do out:send(i) end end, tx):name "producer"
      consumer:join()
    end)
    assert.equal(10, arrows(events, "producer", "consumer"))
  end)

  it("draws an arrow for a message that was handed to a task that waited for it", function()
    local events = traced(function()
      local tx, rx = weir.mpsc(3)
      helper.later(function(inbox) inbox:recv() end, rx):name "consumer"
      weir.current():name "boss"
      weir.yield()
      tx:send(1)
      weir.yield()
    end)
    assert.equal(1, arrows(events, "boss", "consumer"))
  end)

  it("draws the question and the answer of a call", function()
    local events = traced(function()
      local tx, rx = weir.mpsc(3)
      weir.current():name "asker"
      weir.spawn(function(inbox) for m in inbox do m.reply:send(m) end end, rx):name "actor"
      for _ = 1, 3 do tx:call {} end
      tx:drop()
      weir.yield()
    end)
    assert.equal(3, arrows(events, "asker", "actor"))
    assert.equal(3, arrows(events, "actor", "asker"))
  end)

  it("draws an arrow to every receiver of a broadcast", function()
    local events = traced(function()
      local tx, rx = weir.broadcast(8)
      weir.current():name "boss"
      local function listen(inbox) for v in inbox do assert(v) end end
      weir.spawn(listen, tx:subscribe()):name "one"
      weir.spawn(listen, rx):name "two"
      weir.yield()
      for i = 1, 4 do tx:send(i) end
      tx:drop()
      weir.yield()
      weir.yield()
    end)
    assert.equal(4, arrows(events, "boss", "one"))
    assert.equal(4, arrows(events, "boss", "two"))
  end)

  it("draws none for what a receiver has missed", function()
    local events = traced(function()
      local tx, rx = weir.broadcast(2)
      weir.current():name "boss"
      weir.spawn(function(inbox)
        weir.yield()
        for v in inbox do assert(v) end
      end, rx):name "slow"
      weir.yield()
      for i = 1, 5 do tx:send(i) end
      tx:drop()
      for _ = 1, 3 do weir.yield() end
    end)
    assert.is_true(arrows(events, "boss", "slow") <= 5)
  end)

  it("draws an arrow for each change of a watch that is seen", function()
    local events = traced(function()
      local tx, rx = weir.watch(0)
      weir.current():name "boss"
      weir.spawn(function(inbox) while inbox:changed() do assert(inbox:borrow()) end end, rx):name "watcher"
      weir.yield()
      for i = 1, 3 do
        tx:send(i)
        weir.yield()
        weir.yield()
      end
      tx:drop()
      weir.yield()
    end)
    assert.equal(3, arrows(events, "boss", "watcher"))
  end)

  for _, what in ipairs { "watch", "broadcast" } do
    it("draws arrows to a receiver that is nobody's from a sender that a task owns, of " .. what, function()
      local events = traced(function()
        local tx, rx = weir[what](4)
        weir.current():name "reader"
        weir.spawn(function(out)
          for i = 1, 3 do
            out:send(i)
            weir.sleep(1)
          end
        end, tx):name "sender"
        for _ = 1, 3 do assert(what == "watch" and rx:changed() or rx:recv()) end
        weir.yield()
      end, weir.run_paused)
      assert.equal(3, arrows(events, "sender", "reader"))
    end)
  end

  it("draws an arrow for a oneshot", function()
    local events = traced(function()
      local tx, rx = weir.oneshot()
      weir.current():name "boss"
      weir.spawn(function(out) out:send(1) end, tx):name "sender"
      rx:recv()
    end)
    assert.equal(1, arrows(events, "sender", "boss"))
  end)

  it("draws arrows from what is sent outside of tasks", function()
    local tx, rx = weir.mpsc(2)
    local events = traced(function()
      weir.current():name "boss"
      rx:recv()
    end, function(main)
      tx:send(1)
      weir.run(main)
    end)
    assert.equal(1, arrows(events, "outside of tasks", "boss"))
    tx:drop()
  end)

  -- It is looked for before a turn, and at the end.
  for when, finally in pairs { ["before a turn"] = function() weir.run(weir.yield) end,
                               ["after the last turn"] = function() end } do
    for _, what in ipairs { "mpsc", "broadcast", "watch" } do
      it(("draws arrows to what is received outside of tasks %s, of %s"):format(when, what), function()
        local tx, rx
        local events = traced(function()
          weir.current():name "boss"
          assert(tx:send(1))
        end, function(main)
          tx, rx = weir[what](2)
          weir.run(main)
          assert(what == "watch" and rx:changed(0) or rx:try_recv())
          finally()
        end)
        assert.equal(1, arrows(events, "boss", "outside of tasks"))
        tx:drop()
      end)
    end
  end

  it("spreads what was done in a slice evenly over it", function()
    local function busy()
      local clock = os.clock()
      repeat until os.clock() - clock > 0.002
    end
    local events = traced(function()
      local tx, rx = weir.mpsc(4)
      weir.spawn(function(inbox)
        for _ = 1, 3 do assert(inbox:try_recv()) end
        busy()
        return inbox
      end, rx)
      for i = 1, 3 do tx:send(i) end
      busy()
      weir.yield()
    end)
    for _, phase in ipairs { "s", "f" } do
      local found = of(events, phase)
      assert.equal(3, #found)
      for i, event in ipairs(found) do
        local slice = assert(slice_at(events, event.tid, event.ts))
        assert.near(i / 4, (event.ts - slice.ts) / slice.dur, 0.01)
      end
    end
  end)

  it("counts how full each channel is, up and down to nothing", function()
    local events = traced(function()
      local tx, rx = weir.mpsc(5)
      weir.current():name "boss"
      for i = 1, 4 do tx:send(i) end
      weir.yield()
      rx:recv()
      weir.yield()
      for _ = 1, 3 do rx:recv() end
      weir.yield()
    end)
    local counts = {}
    for _, event in ipairs(of(events, "C")) do
      assert.matches("^mpsc %d+ buffered$", event.name)
      assert.equal(0, event.tid)
      counts[#counts + 1] = event.args.buffered
    end
    assert.same({ 4, 3, 0 }, counts)
  end)

  it("brings the counter of a channel that is gone to nothing", function()
    local events = traced(function()
      local tx, rx = weir.mpsc(5)
      for i = 1, 4 do tx:send(i) end
      weir.yield()
      tx:drop()
      rx:drop()
      weir.yield()
    end)
    local counters = of(events, "C")
    assert.equal(0, counters[#counters].args.buffered)
  end)

  it("can begin and end inside a task", function()
    local path = os.tmpname()
    weir.run(function()
      weir.current():name "boss"
      local tx, rx = weir.mpsc(2)
      weir.spawn(function(inbox) inbox:recv() end, rx):name "reader"
      assert(trace.start(path))
      tx:send(1)
      weir.yield()
      weir.yield()
      assert.is_true(trace.stop())
      weir.yield()
    end)
    local events = read(path)
    os.remove(path)
    assert.equal(1, arrows(events, "boss", "reader"))
  end)

  it("keeps to what was ready before it began", function()
    local order = {}
    weir.run(function()
      for i = 1, 3 do weir.spawn(function() order[#order + 1] = i end) end
      weir.spawn(function()
        local path = os.tmpname()
        trace.start(path)
        weir.spawn(function() order[#order + 1] = "later" end)
        os.remove(path)
      end)
      weir.spawn(function() order[#order + 1] = 4 end)
      for _ = 1, 3 do weir.yield() end
      trace.stop()
    end)
    assert.same({ 1, 2, 3, 4, "later" }, order)
  end)

  it("traces the virtual clock's programs on the real one", function()
    local events = traced(function() weir.sleep(3600) end, weir.run_paused)
    for _, event in ipairs(of(events, "X")) do assert.is_true(event.ts < 60e6) end
    assert.equal(2, #of(events, "X"))
  end)

  it("traces the steps of another loop", function()
    local task = weir.spawn(function() weir.yield() end)
    local events = traced(function() while not task:is_finished() do weir.loop.step() end end,
      function(main) main() end)
    assert.equal(2, #of(events, "X"))
  end)

  it("changes nothing in what a program does", function()
    local function program()
      local log = {}
      local tx, rx = weir.mpsc(2)
      for i = 1, 3 do
        weir.spawn(function(out)
          for j = 1, 3 do out:send(i * 10 + j) end
        end, tx:clone())
      end
      tx:drop()
      for v in rx do log[#log + 1] = v end
      return table.concat(log, " ")
    end
    local plain, with = weir.run(program), nil
    traced(function() with = program() end)
    assert.equal(plain, with)
  end)

  it("leaves a whole file when its value is closed", function()
    local path = os.tmpname()
    do
      local _ <close> = trace.start(path)
      weir.run(weir.yield)
    end
    assert.equal(2, #of(read(path), "X"))
    assert.is_false(trace.stop())
    os.remove(path)
  end)

  it("leaves a whole file when the state ends", function()
    local path = os.tmpname()
    local _, status = helper.program(([[
      require("weir.trace").start(%q)
      local weir = require "weir"
      weir.run(weir.yield)
    ]]):format(path))
    assert.equal(0, status)
    assert.equal(2, #of(read(path), "X"))
    os.remove(path)
  end)

  it("returns what went wrong with the file", function()
    local ok, message, code = trace.start "/no/such/place/trace.json"
    assert.is_nil(ok)
    assert.matches("/no/such/place/trace%.json: ", message)
    assert.is_number(code)
    assert.is_false(trace.stop())
  end)

  it("refuses a second trace, and what is no path, at the caller's line", function()
    local path = os.tmpname()
    assert(trace.start(path))
    helper.blames(function() trace.start(path) end, "begun already")
    trace.stop()
    helper.blames(function() trace.start(12) end, "string expected, got number")
    helper.blames(function() trace.start() end, "string expected, got nil")
    os.remove(path)
  end)

  it("frees its memory", function()
    local function once()
      traced(function()
        for _ = 1, 200 do
          local tx, rx = weir.mpsc(2)
          tx:send(1)
          rx:recv()
          weir.yield()
        end
      end)
    end
    once()
    local before = helper.memory()
    for _ = 1, 3 do once() end
    assert.is_true(helper.memory() - before < 200)
  end)
end)

describe("a long trace", function()
  it("does not keep what was received", function()
    local statm = io.open("/proc/self/statm")
    if not statm then return pending("no /proc here") end
    statm:close()
    local function pages()
      helper.collect()
      local f <close> = assert(io.open("/proc/self/statm"))
      return tonumber((f:read("a"):match("^%d+ (%d+)")))
    end
    local path = os.tmpname()
    assert(trace.start(path))
    local grown = weir.run(function()
      local tx, rx = weir.mpsc(2)
      local function round(times)
        for i = 1, times do
          tx:send(i)
          weir.yield()
          rx:recv()
        end
      end
      round(1000)
      local before = pages()
      round(30000)
      local after = pages()
      tx:drop()
      rx:drop()
      return after - before
    end)
    assert.is_true(trace.stop())
    os.remove(path)
    assert.is_true(grown < 128, grown .. " pages")
  end)
end)

describe("tools/timeline.lua", function()
  it("draws a trace as an SVG image", function()
    local path = os.tmpname()
    assert(trace.start(path))
    weir.run(function()
      local tx, rx = weir.mpsc(1)
      weir.spawn(function(out) for i = 1, 3 do out:send(i) end end, tx):name "producer"
      for v in rx do assert(v) end
    end)
    trace.stop()
    local program = require "spec.program"
    local svg, code = program.run("tools/timeline.lua", path)
    os.remove(path)
    assert.equal(0, code)
    assert.matches("^<svg .*</svg>\n$", svg)
    assert.matches(">task %d+ producer<", svg)
    assert.matches(">mpsc 1 buffered<", svg)
    local _, n = svg:gsub("marker%-end", "")
    assert.equal(3, n)
  end)
end)
