-- luv_spec.lua -- weir on libuv's loop: running, callbacks, connections, lines, processes, signals, threads.
-- SPDX-License-Identifier: MIT
local weir = require "weir"
local helper = require "spec.helper"

local found, uv = pcall(require, "luv")
if not found then
  describe("weir.luv", function() pending("needs the library luv (Debian: lua-luv)") end)
  return
end
local luv = require "weir.luv"

-- Handles of libuv that are open.
local function open_handles()
  local n = 0
  uv.walk(function(handle) if not uv.is_closing(handle) then n = n + 1 end end)
  return n
end

local opened = {} -- by the claim that runs

-- A claim's body as main on the loop; nothing of libuv's may be left open after it.
local function looped(body)
  return function()
    luv.run(function()
      body()
      for _, handle in ipairs(opened) do handle:drop() end
    end)
    opened = {}
    assert.equal(0, open_handles())
  end
end

-- Both ends of a connection over TCP, and the receiver they came by.
local function pair()
  local incoming, _, port = luv.listen("127.0.0.1", 0)
  local near = assert(luv.connect("127.0.0.1", port, 5))
  local far = assert(incoming:recv(5))
  for _, handle in ipairs { near, far, incoming } do opened[#opened + 1] = handle end
  return near, far, incoming, port
end

local function in_milliseconds(n, f)
  local timer = uv.new_timer()
  timer:start(n, 0, function()
    timer:close()
    f()
  end)
  return timer
end

describe("luv.run", function()
  it("returns what main returns, nil among it", function()
    assert.same({ n = 3, 1, nil, "c" }, table.pack(luv.run(function(...) return ... end, 1, nil, "c")))
  end)

  it("raises an error of main with the task's traceback", function()
    local ok, err = pcall(luv.run, function() error("went wrong", 0) end)
    assert.is_false(ok)
    assert.matches("^went wrong\nstack traceback:", err)
    assert.matches("luv_spec.lua", err)
  end)

  it("raises an error that is no string unchanged", function()
    local object = {}
    local ok, err = pcall(luv.run, function() error(object) end)
    assert.is_false(ok)
    assert.equal(object, err)
  end)

  it("does not move the arguments of main", function()
    local tx, rx = weir.mpsc(1)
    luv.run(function(sender) sender:send(1) end, tx)
    assert.is_true(tx:send(2, 0) == nil)
    assert.equal(1, rx:try_recv())
  end)

  it("aborts the other tasks when main ends", function()
    local log = {}
    luv.run(function()
      weir.spawn(function()
        local _note <close> = helper.closing(log, "closed")
        weir.sleep(100)
      end)
      weir.yield()
    end)
    assert.same({ "closed" }, log)
  end)

  it("keeps weir's deadlines", looped(function()
    local start = weir.now()
    weir.sleep(0.03)
    local slept = weir.now() - start
    assert.is_true(slept >= 0.03 and slept < 5)
  end))

  it("runs again, and leaves weir.run as it was", function()
    assert.equal(1, luv.run(function() weir.sleep(0.001) return 1 end))
    assert.equal(2, luv.run(function() return 2 end))
    assert.equal(3, weir.run(function() weir.sleep(0.001) return 3 end))
  end)

  it("is refused in a task and while it runs", looped(function()
    helper.blames(function() luv.run(function() end) end, "called")
    local ok, err = luv.await(function(done)
      in_milliseconds(1, function() done(pcall(luv.run, function() end)) end)
    end)
    assert.is_false(ok)
    assert.matches("while it runs already", err)
  end))

  it("names main in reports by where it is written", looped(function()
    assert.matches("luv_spec.lua:%d+", weir.current():name())
  end))

  it("reports a deadlock when the loop has nothing left", function()
    local ok, err = pcall(luv.run, function()
      local _tx, rx = weir.mpsc(1)
      rx:recv()
    end)
    assert.is_false(ok)
    assert.matches("^deadlock:", err)
  end)

  it("takes no wait for a deadlock that the loop can end", looped(function()
    local tx, rx = weir.mpsc(1)
    in_milliseconds(20, function() tx:try_send "from a timer" end)
    assert.equal("from a timer", rx:recv())
  end))

  it("collects before it takes a wait for a deadlock", looped(function()
    local rx = select(2, weir.mpsc(1))
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("runs what a callback wakes in the same turn of the loop", looped(function()
    local turns, woken_in = 0, nil
    local prepare = uv.new_prepare()
    prepare:start(function() turns = turns + 1 end)
    local near, far = pair()
    weir.spawn(function() near:write("x") end)
    local handle = far:handle()
    uv.read_start(handle, function() end)
    local tx, rx = weir.oneshot()
    uv.read_start(handle, function() woken_in = turns tx:send(true) uv.read_stop(handle) end)
    rx:recv()
    assert.equal(woken_in, turns)
    prepare:close()
  end))

  it("does not sleep over what a timer's callback wakes", looped(function()
    local late = in_milliseconds(20000, function() end)
    local tx, rx = weir.oneshot()
    local fired
    in_milliseconds(5, function()
      fired = weir.now()
      tx:send(true)
    end)
    rx:recv()
    assert.is_true(weir.now() - fired < 1)
    late:close()
  end))

  it("does not turn while nothing happens", looped(function()
    local turns = 0
    local prepare = uv.new_prepare()
    prepare:start(function() turns = turns + 1 end)
    weir.sleep(0.2)
    prepare:close()
    assert.is_true(turns <= 8)
  end))

  it("lets the loop have its turn while tasks are always ready", looped(function()
    local heard = false
    in_milliseconds(5, function() heard = true end)
    local start = weir.now()
    while not heard and weir.now() - start < 10 do weir.yield() end
    assert.is_true(heard)
  end))

  it("lets it have its turn soon, though the turns of the tasks are long", looped(function()
    local heard, turns = false, 0
    in_milliseconds(1, function() heard = true end)
    while not heard and turns < 30 do
      local start = weir.now()
      while weir.now() - start < 0.003 do end
      turns = turns + 1
      weir.yield()
    end
    assert.is_true(turns < 8)
  end))

  it("is ended by an interrupt, while it sleeps and while tasks keep it busy", function()
    for _, body in ipairs { "weir.sleep(30)", "while true do weir.yield() end" } do
      local output, status = helper.program(([[
        local weir, luv = require "weir", require "weir.luv"
        os.execute("(sleep 0.2; kill -INT $PPID) >/dev/null 2>&1 &")
        local start = weir.now()
        print(pcall(luv.run, function()
          local note <close> = setmetatable({}, { __close = function() print "closed" end })
          %s
        end))
        print(weir.now() - start < 10)
      ]]):format(body), "timeout -s KILL 60")
      assert.equal("closed\nfalse\tinterrupted!\ntrue\n", output)
      assert.equal(0, status)
    end
  end)
end)

describe("the end of the Lua state", function()
  it("finds connections that nobody has closed, and those that were closed last", function()
    for _, last in ipairs { "", "near:drop()", "near, far = nil, nil collectgarbage()" } do
      local output, status = helper.program(([[
        local luv = require "weir.luv"
        local near, far
        luv.run(function()
          local incoming, _, port = luv.listen("127.0.0.1", 0)
          near, far = luv.connect("127.0.0.1", port, 60), incoming:recv(60)
          near:write "x"
          print(far:read(60))
        end)
        %s
      ]]):format(last), "timeout -s KILL 60")
      assert.equal("x\n", output)
      assert.equal(0, status)
    end
  end)
end)

describe("luv.await", function()
  it("returns what the callback is given", looped(function()
    local err, stat = luv.await(function(done) uv.fs_stat("/", done) end)
    assert.is_nil(err)
    assert.equal("directory", stat.type)
  end))

  it("returns at once if the callback was called at once", looped(function()
    assert.same({ n = 3, nil, 2, nil }, table.pack(luv.await(function(done) done(nil, 2, nil) end)))
  end))

  it("passes over a second call of the callback", looped(function()
    assert.equal(1, luv.await(function(done)
      done(1)
      done(2)
    end))
  end))

  it("returns what says that it did not start", looped(function()
    assert.same({ nil, "ENOENT: refused" }, { luv.await(function() return nil, "ENOENT: refused" end) })
  end))

  it("raises what the function raises", looped(function()
    local ok, err = pcall(luv.await, function() error("at once", 0) end)
    assert.is_false(ok)
    assert.equal("at once", err)
  end))

  it("closes the handle that was returned when its time is over", looped(function()
    local timer = uv.new_timer()
    assert.same({ nil, "timeout" }, { luv.await(function(done)
      timer:start(60000, 0, done)
      return timer
    end, 0.01) })
    assert.is_true(uv.is_closing(timer))
  end))

  it("closes it when the task is aborted", looped(function()
    local timer = uv.new_timer()
    local task = helper.later(function()
      luv.await(function(done)
        timer:start(60000, 0, done)
        return timer
      end)
    end)
    task:abort()
    task:join()
    assert.is_true(uv.is_closing(timer))
  end))

  it("leaves the handle alone when the callback came", looped(function()
    local timer = uv.new_timer()
    luv.await(function(done)
      timer:start(1, 0, done)
      return timer
    end)
    assert.is_false(uv.is_closing(timer))
    timer:close()
  end))

  it("calls the function that was returned when it is cut short", looped(function()
    local called = 0
    luv.await(function() return function() called = called + 1 end end, 0.001)
    assert.equal(1, called)
  end))

  it("gives what comes too late to the second function, so that it can be let go", looped(function()
    local late
    local call
    luv.await(function(done)
      call = done
      return false, function(...) late = { ... } end
    end, 0.001)
    call(nil, 7)
    assert.same({ nil, 7 }, late)
  end))

  it("is refused outside a task", function()
    assert.is_false((pcall(luv.await, function() end)))
  end)

  it("refuses what is no function", looped(function()
    helper.blames(function() luv.await(1) end, "bad argument #1 to 'await'", "function expected, got number")
  end))
end)

describe("a connection", function()
  it("carries bytes both ways", looped(function()
    local near, far, incoming = pair()
    assert.is_true(near:write("to"))
    assert.equal("to", far:read())
    assert.is_true(far:write("fro"))
    assert.equal("fro", near:read())
    assert.equal("closed", select(2, (function()
      far:drop()
      return near:read()
    end)()))
    incoming:drop()
  end))

  it("knows both addresses", looped(function()
    local near, far, incoming, port = pair()
    local host, there = near:peer()
    assert.same({ "127.0.0.1", port }, { host, there })
    assert.same({ near:address() }, { far:peer() })
    incoming:drop()
  end))

  it("is read until its peer ends it, then is closed", looped(function()
    local near, far = pair()
    near:write("last")
    near:drop()
    assert.equal("last", far:read())
    assert.same({ nil, "closed" }, { far:read() })
    assert.same({ nil, "closed" }, { far:read() })
  end))

  it("loses nothing to reads that are cut short", looped(function()
    local near, far = pair()
    local sent, got = {}, {}
    weir.spawn(function()
      for i = 1, 200 do
        sent[i] = i .. ";"
        near:write(sent[i])
        weir.sleep(0.0005)
      end
      near:shutdown()
    end)
    while true do
      local chunk, why = far:read(0.0003)
      if chunk then got[#got + 1] = chunk elseif why == "closed" then break end
    end
    assert.equal(table.concat(sent), table.concat(got))
  end))

  it("times out a read and goes on", looped(function()
    local near, far = pair()
    assert.same({ nil, "timeout" }, { far:read(0) })
    assert.same({ nil, "timeout" }, { far:read(0.005) })
    near:write("x")
    assert.equal("x", far:read())
  end))

  it("makes a writer wait while its peer does not read, and loses nothing", looped(function()
    local near, far = pair()
    local block, written = ("x"):rep(65536), 0
    local ok, why
    repeat
      ok, why = near:write(written .. block, 0.05)
      if ok then written = written + 1 end
    until not ok or written > 2000
    assert.equal("timeout", why)
    assert.is_true(near:pending() <= 3 * 65536)
    weir.spawn(function() near:shutdown() end)
    local got = {}
    for chunk in function() return (far:read()) end do got[#got + 1] = chunk end
    local all, expected = table.concat(got), {}
    for i = 0, written - 1 do expected[#expected + 1] = i .. block end
    assert.is_true(all == table.concat(expected))
  end))

  it("serves its writers in their order", looped(function()
    local near, far = pair()
    local block = ("x"):rep(65536)
    repeat until not near:write(block, 0.05)
    for i = 1, 5 do
      weir.spawn(function() near:write("<" .. i .. ">") end)
      weir.yield()
    end
    local order = ""
    while #order < 15 do order = order .. far:read():gsub("x", "") end
    assert.equal("<1><2><3><4><5>", order)
  end))

  it("is closed when the task that owns it ends", looped(function()
    local near, far = pair()
    local task = weir.spawn(function() end, far)
    task:join()
    assert.same({ nil, "closed" }, { near:read(5) })
    helper.blames(function() far:read() end, "moved into task")
  end))

  it("is closed when the channel that holds it dies", looped(function()
    local near, far = pair()
    local tx, rx = weir.mpsc(1)
    tx:send(far)
    rx:drop()
    assert.same({ nil, "closed" }, { near:read(5) })
  end))

  it("tells a task that waits on it when it is dropped", looped(function()
    local near, far = pair()
    local task = helper.later(function() return far:read() end)
    far:drop()
    assert.is_false((task:join()))
    assert.equal("closed", select(2, near:read(5)))
  end))

  it("ends its reading half alone with close_read", looped(function()
    local near, far = pair()
    local task = helper.later(function() return far:read() end)
    far:close_read()
    assert.same({ true, nil, "closed" }, { task:join() })
    assert.is_true(far:write("still"))
    assert.equal("still", near:read())
  end))

  it("answers writes to a peer that is gone with closed", looped(function()
    local near, far = pair()
    far:drop()
    local ok, why
    for _ = 1, 100 do
      ok, why = near:write("x")
      if not ok then break end
      weir.sleep(0.002)
    end
    assert.is_nil(ok)
    assert.equal("closed", why)
  end))

  it("refuses to write what is no string", looped(function()
    local near = pair()
    helper.blames(function() near:write(1) end, "bad argument #1 to 'write'")
  end))

  it("goes through a Unix socket too", looped(function()
    local path = os.tmpname()
    os.remove(path)
    local incoming <close> = assert(luv.listen(path))
    local near <close> = assert(luv.connect(path))
    local far <close> = incoming:recv(5)
    near:write("x")
    assert.equal("x", far:read(5))
    os.remove(path)
  end))
end)

describe("luv.listen", function()
  it("gives every connection once, in order", looped(function()
    local incoming <close>, _, port = luv.listen("127.0.0.1", 0, { capacity = 2 })
    local ends = {}
    for i = 1, 20 do
      ends[i] = assert(luv.connect("127.0.0.1", port, 5))
      ends[i]:write(tostring(i))
    end
    for i = 1, 20 do
      local conn <close> = incoming:recv(5)
      assert.equal(tostring(i), conn:read(5))
      ends[i]:drop()
    end
  end))

  it("ends with its receiver", looped(function()
    local incoming, _, port = luv.listen("127.0.0.1", 0)
    incoming:drop()
    helper.settle()
    assert.same({ nil, "closed", "ECONNREFUSED" }, { luv.connect("127.0.0.1", port, 5) })
  end))

  it("keeps its server while the receiver is held", looped(function()
    local incoming <close>, _, port = luv.listen("127.0.0.1", 0)
    weir.yield()
    helper.collect()
    local conn <close> = assert(luv.connect("127.0.0.1", port, 5))
    assert.is_true(conn:write("x"))
    assert.is_not_nil(incoming:recv(5))
  end))

  it("closes its server when main ends before the loop has turned", looped(function()
    assert(luv.listen("127.0.0.1", 0))
  end))

  it("closes what was accepted and not received", looped(function()
    local incoming, _, port = luv.listen("127.0.0.1", 0)
    local near <close> = luv.connect("127.0.0.1", port, 5)
    weir.sleep(0.01)
    incoming:drop()
    assert.equal("closed", select(2, near:read(5)))
  end))

  it("says why it cannot", looped(function()
    local incoming <close>, _, port = luv.listen("127.0.0.1", 0)
    local rx, why, message = luv.listen("127.0.0.1", port)
    assert.is_nil(rx)
    assert.equal("closed", why)
    assert.matches("EADDRINUSE", message)
    incoming:drop()
  end))

  it("refuses wrong arguments", looped(function()
    helper.blames(function() luv.listen(1, 2) end, "bad argument #1 to 'listen'")
    helper.blames(function() luv.listen("127.0.0.1", 70000) end, "bad argument #2 to 'listen'")
  end))
end)

describe("luv.connect", function()
  it("finds a name's address", looped(function()
    local incoming <close>, _, port = luv.listen("127.0.0.1", 0)
    local conn <close> = luv.connect("localhost", port, 5)
    assert.equal("luv.Connection", weir.type(conn))
    incoming:drop()
  end))

  it("says closed where nobody listens", looped(function()
    assert.same({ nil, "closed", "ECONNREFUSED" }, { luv.connect("127.0.0.1", 1, 5) })
  end))

  it("leaves nothing when it is aborted", looped(function()
    local task = helper.later(function() luv.connect("127.0.0.1", 1) end)
    task:abort()
    task:join()
  end))
end)

describe("luv.lines", function()
  -- The lines that a peer gets of the pieces, with what is cut marked.
  local function lines_of(limit, ...)
    local near, far = pair()
    local pieces = { ... }
    weir.spawn(function()
      for _, piece in ipairs(pieces) do
        near:write(piece)
        weir.sleep(0.002)
      end
      near:shutdown()
    end)
    local got = {}
    for line, cut in luv.lines(far, limit) do got[#got + 1] = line .. (cut and "..." or "") end
    return got
  end

  it("are told apart wherever the pieces end", looped(function()
    assert.same({ "one", "two", "", "three" }, lines_of(nil, "on", "e\ntwo", "\r\n\r\nthr", "ee\n"))
  end))

  it("end with the last, newline or not", looped(function()
    assert.same({ "a", "b" }, lines_of(nil, "a\nb"))
    assert.same({ "a" }, lines_of(nil, "a\n"))
    assert.same({}, lines_of(nil, ""))
  end))

  it("are cut at the limit, and say so", looped(function()
    assert.same({ "abcd...", "abcd", "efgh..." }, lines_of(4, "abc", "defg", "\nabcd\nefghi"))
  end))

  it("wait in a select with everything else", looped(function()
    local near, far = pair()
    local lines <close> = luv.lines(far)
    local tx, rx = weir.mpsc(1)
    tx:send("first")
    assert.same({ "rx", "first" }, { weir.select { lines = lines, rx = rx } })
    near:write("second\n")
    assert.same({ "lines", "second" }, { weir.select({ lines = lines, rx = rx }, 5) })
  end))

  it("take the reading half, and leave the writing half", looped(function()
    local near, far = pair()
    local lines <close> = luv.lines(far)
    helper.blames(function() far:read() end, "luv.lines%(%) has taken")
    helper.blames(function() luv.lines(far) end, "luv.lines%(%) has taken")
    far:write("x")
    assert.equal("x", near:read(5))
    near:drop()
    assert.same({ nil, "closed" }, { lines:next(5) })
  end))

  it("are a stream like others", looped(function()
    local near, far = pair()
    near:write("1\n2\n3\n")
    near:shutdown()
    local sum = luv.lines(far):map(tonumber):filter(function(n) return n ~= 2 end):fold(0, function(a, b)
      return a + b
    end)
    assert.equal(4, sum)
  end))

  it("refuse what is no connection", looped(function()
    helper.blames(function() luv.lines({}) end, "bad argument #1 to 'lines'")
    local near = pair()
    helper.blames(function() luv.lines(near, 0) end, "bad argument #2 to 'lines'")
  end))
end)

describe("luv.signal", function()
  it("gives a message for a signal", looped(function()
    local rx <close> = luv.signal "sigusr1"
    uv.kill(uv.os_getpid(), "sigusr1")
    assert.equal("sigusr1", rx:recv(5))
    assert.same({ nil, "timeout" }, { rx:recv(0.01) })
  end))

  it("is watched while the receiver is held", looped(function()
    local rx <close> = luv.signal "sigusr1"
    weir.yield()
    helper.collect()
    uv.kill(uv.os_getpid(), "sigusr1")
    assert.equal("sigusr1", rx:recv(5))
  end))

  it("takes Ctrl-C away from the run", looped(function()
    local rx <close> = luv.signal "sigint"
    weir.yield()
    uv.kill(uv.os_getpid(), "sigint")
    assert.equal("sigint", rx:recv(5))
    weir.sleep(0.01)
  end))

  it("ends with its receiver", looped(function()
    local before = open_handles()
    local rx = luv.signal "sigusr2"
    rx:drop()
    helper.settle()
    assert.equal(before, open_handles())
  end))

  it("refuses what is no signal", looped(function()
    helper.blames(function() luv.signal "signothing" end, "no signal 'signothing'")
    helper.blames(function() luv.signal(2) end, "bad argument #1 to 'signal'")
  end))
end)

describe("luv.spawn_process", function()
  local function shell(line, options)
    options = options or { stdout = "pipe" }
    options.args = { "-c", line }
    return assert(luv.spawn_process("/bin/sh", options))
  end

  it("gives what a program writes, and its exit code", looped(function()
    local process <close> = shell "echo one; echo two; exit 3"
    assert.same({ "one", "two" }, luv.lines(process:stdout()):collect())
    assert.same({ 3, 0 }, { process:wait() })
    assert.same({ 3, 0 }, { process:wait() })
  end))

  it("feeds a program", looped(function()
    local process <close> = shell("cat", { stdin = "pipe", stdout = "pipe" })
    process:stdin():write("through")
    process:stdin():drop()
    assert.equal("through", process:stdout():read(5))
    assert.equal(0, process:wait())
  end))

  it("tells the two outputs apart", looped(function()
    local process <close> = shell("echo out; echo err >&2", { stdout = "pipe", stderr = "pipe" })
    assert.equal("out\n", process:stdout():read(5))
    assert.equal("err\n", process:stderr():read(5))
  end))

  it("ends the program when it is dropped", looped(function()
    local process = shell "exec sleep 60"
    local exited = process:exited()
    process:drop()
    assert.same({ true, { code = 0, signal = 9 } }, { exited:cancelled(5) })
  end))

  it("ends the program when its task is aborted", looped(function()
    local exited
    local task = helper.later(function()
      local process <close> = shell "exec sleep 60"
      exited = process:exited()
      process:wait()
    end)
    task:abort()
    assert.is_true(exited:cancelled(5))
  end))

  it("sends signals", looped(function()
    local process <close> = shell "exec sleep 60"
    assert.same({ nil, "timeout" }, { process:wait(0.01) })
    assert.is_true(process:kill("sigterm"))
    assert.same({ 0, 15 }, { process:wait(5) })
    assert.same({ nil, "closed" }, { process:kill() })
  end))

  it("says why a program cannot be started", looped(function()
    local process, why, message = luv.spawn_process("/no/such/program", { stdout = "pipe" })
    assert.is_nil(process)
    assert.equal("closed", why)
    assert.matches("ENOENT", message)
  end))
end)

describe("luv.work", function()
  it("gives a function's results by oneshot", looped(function()
    local rx = luv.work(function(a, b) return a .. b, nil, true end, "x", "y")
    assert.same({ n = 4, true, "xy", nil, true }, table.pack(rx:recv(5)))
  end))

  it("gives its error as a message", looped(function()
    local ok, err = luv.work(function() error("in the thread", 0) end):recv(5)
    assert.is_false(ok)
    assert.equal("in the thread", err)
  end))

  it("runs beside the tasks", looped(function()
    local rx = luv.work(function()
      local n = 0
      for i = 1, 3000000 do n = n + i end
      return n
    end)
    local turns = 0
    while rx:is_empty() and turns < 1e7 do
      turns = turns + 1
      weir.yield()
    end
    assert.is_true(turns > 0)
    assert.is_true((rx:recv(5)))
  end))

  it("refuses a function with upvalues", looped(function()
    helper.blames(function() luv.work(function() return weir end) end, "pass arguments")
  end))
end)
