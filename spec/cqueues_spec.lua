-- cqueues_spec.lua -- weir inside a controller of cqueues, and a server of lua-http with weir's tasks.
-- SPDX-License-Identifier: MIT
local weir = require "weir"
local helper = require "spec.helper"

local found, cqueues = pcall(require, "cqueues")
if not found then
  describe("weir.cqueues", function() pending("needs the library cqueues (Debian: lua-cqueues)") end)
  return
end
local auxlib = require "cqueues.auxlib"
local condition = require "cqueues.condition"
local promise = require "cqueues.promise"
local socket = require "cqueues.socket"
local adapter = require "weir.cqueues"

-- How many threads are left in the controller when those that have been told to leave have done so.
local function threads()
  for _ = 1, 3 do adapter.poll() end
  return adapter.controller():count()
end

-- A claim's body as main; when it ends nothing of ours is left in the controller but the driver.
local function controlled(body)
  return function()
    adapter.run(function()
      body()
      assert.equal(1, threads())
    end)
    assert.is_nil(adapter.controller())
    assert.equal(0, #weir.tasks())
  end
end

-- Two sockets that are connected, unbuffered.
local function pair()
  local near, far = socket.pair()
  near:setmode("bn", "bn")
  far:setmode("bn", "bn")
  return near, far
end

-- A socket itself is polled for what its last operation lacked.
local function readable(sock)
  return { pollfd = sock:pollfd(), events = "r" }
end

local function thread(f, ...)
  adapter.controller():wrap(f, ...)
end

-- How many steps the controllers make while f runs.
local function steps(f)
  local n, step = 0, nil
  step = cqueues.interpose("step", function(...)
    n = n + 1
    return step(...)
  end)
  local ok, err = pcall(f)
  cqueues.interpose("step", step)
  assert(ok, err)
  return n
end

describe("weir.cqueues.run", function()
  it("returns what main returns, nil among it", function()
    assert.same({ n = 3, 1, nil, "c" }, table.pack(adapter.run(function(...) return ... end, 1, nil, "c")))
  end)

  it("raises an error of main with the task's traceback", function()
    local ok, err = pcall(adapter.run, function() error("went wrong", 0) end)
    assert.is_false(ok)
    assert.matches("^went wrong\nstack traceback:", err)
    assert.matches("cqueues_spec.lua", err)
  end)

  it("raises an error that is no string unchanged", function()
    local object = {}
    local ok, err = pcall(adapter.run, function() error(object) end)
    assert.is_false(ok)
    assert.equal(object, err)
  end)

  it("does not move the arguments of main", function()
    local tx, rx = weir.mpsc(1)
    adapter.run(function(sender) sender:send(1) end, tx)
    assert.is_nil(tx:try_send(2))
    assert.equal(1, rx:try_recv())
  end)

  it("aborts the other tasks when main ends", function()
    local log = {}
    adapter.run(function()
      weir.spawn(function()
        local _note <close> = helper.closing(log, "weir")
        weir.sleep(100)
      end)
      weir.spawn(function()
        local _note <close> = helper.closing(log, "cqueues")
        adapter.poll(100)
      end)
      weir.yield()
    end)
    table.sort(log)
    assert.same({ "cqueues", "weir" }, log)
  end)

  it("keeps the deadlines of both", controlled(function()
    local start = weir.now()
    local both = weir.spawn(function()
      adapter.poll(0.01)
      return weir.now() - start
    end)
    weir.sleep(0.02)
    assert.is_true(weir.now() - start >= 0.02)
    local _, slept = both:join()
    assert.is_true(slept >= 0.01)
  end))

  it("runs again, and leaves weir.run as it was", function()
    assert.equal(1, adapter.run(function() adapter.poll(0.001) return 1 end))
    assert.equal(2, adapter.run(function() return 2 end))
    assert.equal(3, weir.run(function() weir.sleep(0.001) return 3 end))
  end)

  it("is refused in a task and while it runs", controlled(function()
    helper.blames(function() adapter.run(function() end) end, "called from a task")
    local tx, rx = weir.oneshot()
    thread(function() tx:send(pcall(adapter.run, function() end)) end)
    local ok, err = rx:recv()
    assert.is_false(ok)
    assert.matches("while a controller runs weir already", err)
  end))

  it("refuses what is no function", function()
    helper.blames(function() adapter.run(1) end, "bad argument #1 to 'run'", "function expected, got number")
  end)

  it("names main in reports by where it is written", controlled(function()
    assert.matches("cqueues_spec.lua:%d+", weir.current():name())
  end))

  it("raises what a thread of its controller raises", function()
    local ok, err = pcall(adapter.run, function()
      thread(function() error("in a thread", 0) end)
      weir.sleep(100)
    end)
    assert.is_false(ok)
    assert.equal("in a thread", err)
  end)

  it("gives threads their turn while tasks are always ready", controlled(function()
    local heard = false
    thread(function()
      cqueues.sleep(0.005)
      heard = true
    end)
    local start = weir.now()
    while not heard and weir.now() - start < 10 do weir.yield() end
    assert.is_true(heard)
  end))

  it("does not turn while nothing happens", controlled(function()
    assert.is_true(steps(function() weir.sleep(0.1) end) <= 8)
    assert.is_true(steps(function() adapter.poll(0.1) end) <= 8)
  end))

  it("wakes a task at once, whatever else is waited for", controlled(function()
    local near, far = pair()
    local late = { weir.spawn(weir.sleep, 1000), weir.spawn(adapter.poll, 1000) }
    local echo = weir.spawn(adapter.call, function()
      for byte in function() return far:read(1) end do far:write(byte) end
    end)
    local start = weir.now()
    adapter.call(function()
      for i = 1, 200 do
        local byte = string.char(i)
        near:write(byte)
        assert.equal(byte, near:read(1))
      end
    end)
    assert.is_true(weir.now() - start < 10)
    near:close()
    echo:join()
    far:close()
    late[1]:abort()
    late[2]:abort()
  end))

  it("is ended by an interrupt, while it sleeps and while tasks keep it busy", function()
    for _, body in ipairs { "weir.sleep(30)", "adapter.poll(30)", "while true do weir.yield() end" } do
      local output, status = helper.program(([[
        local weir, adapter = require "weir", require "weir.cqueues"
        os.execute("(sleep 0.2; kill -INT $PPID) >/dev/null 2>&1 &")
        local start = weir.now()
        print(pcall(adapter.run, function()
          local note <close> = setmetatable({}, { __close = function() print "closed" end })
          %s
        end))
        print(weir.now() - start < 10)
      ]]):format(body), "timeout -s KILL 60")
      assert.matches("^closed\nfalse\t[^\n]*interrupted!\ntrue\n$", output)
      assert.equal(0, status)
    end
  end)
end)

describe("a deadlock under a controller", function()
  -- main's wait is reported, and not waited for.
  local function reports(main, ...)
    local ok, err = pcall(adapter.run, main)
    assert.is_false(ok)
    assert.matches("^deadlock:", err)
    for _, pattern in ipairs { ... } do assert.matches(pattern, err) end
    assert.equal(0, #weir.tasks())
  end

  it("is reported when only the driver is left", function()
    reports(function()
      local _tx, rx = weir.mpsc(1)
      rx:recv()
    end, "recv on mpsc.Receiver")
  end)

  it("is reported when the last thread that could help has ended", function()
    reports(function()
      local _tx, rx = weir.mpsc(1)
      thread(function() cqueues.sleep(0.01) end)
      rx:recv()
    end)
  end)

  it("is reported when tasks wait for conditions alone", function()
    reports(function() adapter.poll(condition.new(), condition.new()) end)
  end)

  it("is reported when threads wait for tasks alone", function()
    reports(function()
      local _tx, rx = weir.mpsc(1)
      local task = weir.spawn(function() rx:recv() end)
      thread(adapter.wait_for, task)
      task:join()
    end)
  end)

  it("is none while a socket or a timer may end it", controlled(function()
    local near, far = pair()
    local cond = condition.new()
    thread(function()
      adapter.wait_for(weir.spawn(adapter.call, function() return near:read(1) end))
      cond:signal()
    end)
    thread(function()
      cqueues.sleep(0.02)
      far:write "x"
    end)
    assert.equal(cond, adapter.poll(cond))
    near:close()
    far:close()
  end))

  it("is none while a signal is on its way through conditions", controlled(function()
    local conds = {}
    for i = 1, 20 do conds[i] = condition.new() end
    for i = 1, 19 do
      weir.spawn(function()
        adapter.poll(conds[i])
        conds[i + 1]:signal()
      end)
    end
    weir.spawn(function() conds[1]:signal() end)
    assert.equal(conds[20], adapter.poll(conds[20]))
  end))

  it("is none if a collection drops what is waited for", controlled(function()
    local rx = select(2, weir.mpsc(1))
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("is none if a finalizer signals the condition", controlled(function()
    local cond = condition.new()
    local function forget() setmetatable({}, { __gc = function() cond:signal() end }) end
    forget()
    assert.equal(cond, adapter.poll(cond))
  end))
end)

describe("weir.cqueues.poll", function()
  it("returns what is ready", controlled(function()
    local near, far = pair()
    local object = readable(near)
    far:write "x"
    assert.equal(object, adapter.poll(object, condition.new(), 60))
    near:close()
    far:close()
  end))

  it("waits for anything that cqueues can poll", controlled(function()
    local near, far = pair()
    local answer = promise.new()
    local thing = { pollfd = far:pollfd(), events = "r" }
    local inner = cqueues.new()
    inner:wrap(function() cqueues.sleep(0.001) end)
    thread(function()
      cqueues.sleep(0.001)
      near:write "x"
      answer:set(true)
    end)
    assert.equal(thing, adapter.poll(thing))
    assert.equal(answer, adapter.poll(answer))
    assert.equal(inner, adapter.poll(inner))
    near:close()
    far:close()
  end))

  it("returns the number of seconds when they have passed", controlled(function()
    local start = weir.now()
    assert.equal(0.01, adapter.poll(condition.new(), 0.01))
    assert.is_true(weir.now() - start >= 0.01)
  end))

  it("gives way where there is nothing to wait for", controlled(function()
    local log = {}
    thread(function() log[#log + 1] = "thread" end)
    weir.spawn(function() log[#log + 1] = "task" end)
    adapter.poll()
    adapter.poll(nil, nil)
    table.sort(log)
    assert.same({ "task", "thread" }, log)
  end))

  it("hears a signal that comes at any time after the call", controlled(function()
    local cond = condition.new()
    local task = helper.later(function() return adapter.poll(cond) end)
    adapter.poll()
    cond:signal()
    assert.same({ true, cond }, { task:join() })
  end))

  it("leaves nothing behind when its time is over", controlled(function()
    local near, far = pair()
    local object = readable(near)
    for _ = 1, 50 do
      assert.same({ nil, "timeout" }, { weir.timeout(0, adapter.poll, object) })
      assert.same({ nil, "timeout" }, { weir.timeout(0.0005, adapter.poll, object) })
    end
    assert.equal(1, threads())
    far:write "x"
    assert.equal(object, adapter.poll(object))
    near:close()
    far:close()
  end))

  it("loses nothing when its task is aborted", controlled(function()
    local near, far = pair()
    local object = readable(near)
    local task = helper.later(adapter.poll, object)
    adapter.poll()
    far:write "x"
    task:abort()
    task:join()
    assert.equal(object, adapter.poll(object))
    assert.equal("x", adapter.call(near.read, near, 1))
    near:close()
    far:close()
  end))

  it("stands in a select as the task that waits in it", controlled(function()
    local near, far = pair()
    local object, token = readable(near), weir.cancellation_token()
    do
      local io <close> = weir.spawn(adapter.poll, object)
      thread(function() token:cancel "enough" end)
      assert.same({ "quit", true, "enough" }, { weir.select { io = io, quit = token } })
    end
    far:write "x"
    local io <close> = weir.spawn(adapter.poll, object)
    assert.same({ "io", true, object }, { weir.select { io = io } })
    near:close()
    far:close()
  end))

  it("raises at its caller's line what it cannot wait for", controlled(function()
    helper.blames(function() local _ = adapter.poll(1, {}) end, "bad argument #2 to 'poll'", "got table")
    helper.blames(function() local _ = adapter.poll("r") end, "bad argument #1 to 'poll'", "got string")
    helper.blames(function() local _ = adapter.poll(false) end, "got boolean")
    local nothing = { pollfd = 987654, events = "r" }
    helper.blames(function() local _ = adapter.poll(nothing) end, "Bad file descriptor")
    assert.equal(0.001, adapter.poll(0.001))
  end))

  it("is refused without a controller and outside a task", controlled(function()
    local tx, rx = weir.oneshot()
    thread(function() tx:send(pcall(adapter.poll, 1)) end)
    local ok, err = rx:recv()
    assert.is_false(ok)
    assert.matches("outside a task", err)
    assert.equal("weir.cqueues.poll", (helper.program([[
      local weir, adapter = require "weir", require "weir.cqueues"
      print((select(2, pcall(weir.run, adapter.poll, 1)):match "weir.cqueues.poll"))
    ]]):match "^(.-)\n"))
  end))
end)

describe("weir.cqueues.call", function()
  it("returns what the function returns, nil among it", controlled(function()
    assert.same({ n = 3, nil, 2, nil }, table.pack(adapter.call(function() return nil, 2, nil end)))
    assert.same({ n = 0 }, table.pack(adapter.call(function() end)))
  end))

  it("passes its arguments", controlled(function()
    assert.same({ 1, nil, 3 }, { adapter.call(function(...) return ... end, 1, nil, 3) })
  end))

  it("raises what the function raises", controlled(function()
    local object = {}
    local ok, err = pcall(adapter.call, function()
      cqueues.poll(0.001)
      error(object)
    end)
    assert.is_false(ok)
    assert.equal(object, err)
  end))

  it("makes the waits of cqueues' own functions those of the task", controlled(function()
    local near, far = pair()
    local log = {}
    local reading = weir.spawn(adapter.call, function()
      for line in far:lines() do log[#log + 1] = line end
      return "end"
    end)
    adapter.call(function()
      near:write("one\n")
      cqueues.sleep(0.001)
      near:write("two\n")
      near:shutdown "w"
    end)
    assert.same({ true, "end" }, { reading:join() })
    assert.same({ "one", "two" }, log)
    near:close()
    far:close()
  end))

  it("lets both worlds wait in one function", controlled(function()
    local tx, rx = weir.mpsc(1)
    local answer = promise.new()
    thread(function()
      cqueues.sleep(0.001)
      answer:set(true, "from a promise")
    end)
    weir.spawn(function() tx:send "from a channel" end)
    assert.same({ "from a channel", "from a promise" }, { adapter.call(function()
      local message = rx:recv()
      return message, answer:get()
    end) })
  end))

  it("goes through iterators made of coroutines", controlled(function()
    local n = 0
    adapter.call(function()
      for i in auxlib.wrap(function()
        for i = 1, 3 do
          cqueues.poll(0.0001)
          coroutine.yield(i)
        end
      end) do n = n + i end
    end)
    assert.equal(6, n)
  end))

  it("is cut short as any wait", controlled(function()
    local near, far = pair()
    local log = {}
    assert.same({ nil, "timeout" }, { weir.timeout(0.005, adapter.call, function()
      local _note <close> = helper.closing(log, "closed")
      near:read(1)
    end) })
    assert.same({ "closed" }, log)
    adapter.poll()
    near:close()
    far:close()
  end))

  it("closes what the function left open when it is cut short inside a generator too", controlled(function()
    local log, cond = {}, condition.new()
    local task = helper.later(adapter.call, function()
      local _outer <close> = helper.closing(log, "outer")
      for _ in auxlib.wrap(function()
        local _inner <close> = helper.closing(log, "inner")
        cond:wait()
      end) do log[#log + 1] = "never" end
    end)
    task:abort()
    task:join()
    assert.same({ "outer" }, log) -- as in plain Lua: nobody closes the generator that a loop leaves
    adapter.poll()
  end))

  it("waits no more in a handler that its cutting short runs", controlled(function()
    local ok, err
    weir.timeout(0.001, adapter.call, function()
      local _note <close> = setmetatable({}, { __close = function() ok, err = pcall(weir.sleep, 1) end })
      cqueues.sleep(60)
    end)
    assert.is_false(ok)
    assert.equal("string", type(err))
  end))

  it("hears a signal that another task gives in the same turn", controlled(function()
    local cond, ready = condition.new(), false
    local waiting = weir.spawn(adapter.call, function()
      while not ready do cond:wait() end
      return "heard"
    end)
    local signalling = weir.spawn(function()
      ready = true
      cond:signal()
    end)
    assert.same({ true, "heard" }, { waiting:join() })
    assert.is_true(signalling:join())
  end))

  it("refuses what is no function", controlled(function()
    helper.blames(function() adapter.call {} end, "bad argument #1 to 'call'", "function expected, got table")
  end))
end)

describe("a thread of the controller", function()
  -- What f returns or raises, called in a thread.
  local function in_thread(f, ...)
    local tx, rx = weir.oneshot()
    thread(function(...) tx:send(pcall(f, ...)) end, ...)
    return rx:recv(10)
  end

  it("gets a task's results with wait_for", controlled(function()
    local task = weir.spawn(function()
      weir.sleep(0.001)
      return 1, nil, 3
    end)
    assert.same({ true, 1, nil, 3 }, { in_thread(adapter.wait_for, task) })
    assert.same({ true, 1, nil, 3 }, { in_thread(adapter.wait_for, task) })
  end))

  it("gets a task's error, unchanged", controlled(function()
    local object = {}
    local seen = helper.failures(function()
      local task = weir.spawn(function()
        weir.sleep(0.001)
        error(object)
      end)
      local ok, err = in_thread(adapter.wait_for, task)
      assert.is_false(ok)
      assert.equal(object, err)
    end)
    assert.equal(0, #seen)
  end))

  it("hears of an abort", controlled(function()
    local task = weir.spawn(weir.sleep, 100)
    weir.spawn(function() task:abort() end)
    assert.same({ false, "the task was aborted" }, { in_thread(adapter.wait_for, task) })
  end))

  it("runs a function as a task with weir.cqueues.task", controlled(function()
    local tx, rx = weir.mpsc(1)
    local f = adapter.task(function(a, b)
      cqueues.sleep(0.001)
      return a, rx:recv(), b, weir.current():name():match "cqueues_spec.lua:%d+" ~= nil
    end)
    weir.spawn(function() tx:send "message" end)
    assert.same({ true, 1, "message", 2, true }, { in_thread(f, 1, 2) })
  end))

  it("gets the error of such a function, and nobody else does", controlled(function()
    local seen = helper.failures(function()
      assert.same({ false, "at once" }, { in_thread(adapter.task(function() error("at once", 0) end)) })
    end)
    assert.equal(0, #seen)
  end))

  it("may be one of another controller that a task loops", controlled(function()
    local inner, got = cqueues.new(), nil
    inner:wrap(function() got = adapter.task(function()
      weir.sleep(0.001)
      return "from a task"
    end)() end)
    assert.is_true(adapter.call(inner.loop, inner))
    assert.equal("from a task", got)
  end))

  it("may do what never waits", controlled(function()
    local tx, rx = weir.mpsc(4)
    thread(function()
      tx:try_send "sent"
      tx:drop()
    end)
    assert.equal("sent", rx:recv())
    assert.same({ nil, "closed" }, { rx:recv() })
  end))

  it("is told to join where that is right", controlled(function()
    local task = weir.spawn(function() end)
    helper.blames(function() adapter.wait_for(task) end, "task:join")
    helper.blames(function() adapter.wait_for(1) end, "Task expected, got number")
    helper.blames(function() adapter.task(function() end)() end, "task:join")
    helper.blames(function() adapter.task() end, "function expected, got nil")
  end))
end)

describe("weir.cqueues.attach", function()
  it("runs tasks in a controller that somebody else loops", function()
    local controller, log = cqueues.new(), {}
    local detach = adapter.attach(controller)
    assert.equal(controller, adapter.controller())
    controller:wrap(function()
      log[1] = adapter.wait_for(weir.spawn(function()
        adapter.poll(0.001)
        weir.sleep(0.001)
        return "done"
      end))
      detach()
    end)
    assert(controller:loop(20))
    assert.is_true(controller:empty())
    assert.same({ "done" }, log)
    assert.is_nil(adapter.controller())
  end)

  it("runs what was spawned before it and between steps", function()
    local n = 0
    weir.spawn(function() n = n + 1 end)
    local controller = cqueues.new()
    local detach = adapter.attach(controller)
    assert(controller:step(0))
    assert.equal(1, n)
    weir.spawn(function() n = n + 1 end)
    assert(controller:step(5))
    assert(controller:step(0))
    assert.equal(2, n)
    detach()
  end)

  it("takes no wait for a deadlock: who loops it may end it", function()
    local controller = cqueues.new()
    local detach = adapter.attach(controller)
    local tx, rx = weir.mpsc(1)
    local task = weir.spawn(function() return rx:recv() end)
    for _ = 1, 5 do assert(controller:step(0.001)) end
    tx:try_send "from outside"
    for _ = 1, 3 do assert(controller:step(0.001)) end
    assert.same({ true, "from outside" }, { task:join() })
    detach()
  end)

  it("ends all tasks when it is detached, and tells threads that wait for them", function()
    local controller, log = cqueues.new(), {}
    local detach = adapter.attach(controller)
    local task = weir.spawn(function()
      local _note <close> = helper.closing(log, "closed")
      adapter.poll(100)
    end)
    controller:wrap(function()
      local _, err = pcall(adapter.wait_for, task)
      log[#log + 1] = err
    end)
    for _ = 1, 5 do assert(controller:step(0.001)) end
    detach()
    detach()
    assert.equal("aborted", task:status())
    assert(controller:loop(20))
    assert.is_true(controller:empty())
    assert.same({ "closed", "the task was aborted" }, log)
  end)

  it("refuses what is no controller, a second one, and a task that would detach", function()
    helper.blames(function() adapter.attach {} end, "bad argument #1 to 'attach'")
    local controller = cqueues.new()
    local detach = adapter.attach(controller)
    helper.blames(function() adapter.attach(cqueues.new()) end, "runs weir already")
    local ok, err
    weir.spawn(function() ok, err = pcall(detach) end)
    assert(controller:step(0))
    assert.is_false(ok)
    assert.matches("by a task", err)
    detach()
  end)
end)

-- ## lua-http

-- Debian's lua-http has no directory for Lua 5.4; its files are the same for all versions.
local path = package.path
package.path = path .. ";/usr/share/lua/5.1/?.lua"
local http_found = pcall(require, "http.server")
local curl_found = os.execute "command -v curl >/dev/null 2>&1"
package.path = path

if not http_found or not curl_found then
  describe("examples/http", function() pending("needs lua-http and curl (Debian: lua-http, curl)") end)
  return
end

describe("examples/http", function()
  local server, pid, url

  -- Without the checker that our programs may run under: curl is not ours, and stops dead under ASan.
  local function sh(line)
    local pipe <close> = assert(io.popen("unset LD_PRELOAD; " .. line))
    return pipe:read "a"
  end

  -- curl with its arguments; what the server answered and the status.
  local function curl(arguments)
    return sh(("curl -sS --globoff --max-time 60 -w ' %%{http_code}' %s 2>&1"):format(arguments))
  end

  before_each(function()
    local paths = ("LUA_PATH='%s' LUA_CPATH='%s'"):format(package.path, package.cpath)
    server = assert(io.popen(("echo $$; %s exec timeout -s KILL 240 %s %s 2>&1"):format(paths,
      os.getenv "LUA" or "lua5.4", "examples/http/main.lua --port 0 --deadline 20")))
    pid = server:read "l"
    local line = assert(server:read "l", "the server said nothing")
    url = "http://" .. assert(line:match "^listening on (127%.0%.0%.1:%d+)$", line)
  end)

  -- What it says at its end, after a signal.
  local function ended(name)
    os.execute(("kill -%s %s"):format(name or "INT", pid))
    local text = server:read "a"
    server:close()
    pid = nil
    return text
  end

  after_each(function()
    if not pid then return end
    os.execute("kill -KILL " .. pid)
    server:close()
  end)

  it("answers, and ends in order", function()
    assert.equal("0\n 200", curl(url .. "/counter"))
    assert.equal("5\n 200", curl("-d 5 " .. url .. "/counter"))
    assert.equal("6\n 200", curl("-X POST " .. url .. "/counter"))
    assert.equal("2\n 200", curl("-d -4 " .. url .. "/counter"))
    assert.equal("an integer, please\n 400", curl("-d x " .. url .. "/counter"))
    assert.matches("^GET  /counter .* 200$", curl(url))
    assert.matches(" 404$", curl(url .. "/nothing"))
    assert.matches(" 404$", curl("-X DELETE " .. url .. "/counter"))
    assert.equal("counted to 2\n", ended())
  end)

  it("counts each of many requests at once", function()
    local answers = {}
    for n in sh(("curl -sS --max-time 120 -Z --parallel-max 40 -d 1 '%s/counter?[1-300]' 2>/dev/null")
      :format(url)):gmatch "%d+" do answers[#answers + 1] = math.tointeger(n) end
    table.sort(answers)
    assert.equal(300, #answers)
    for i = 1, 300 do assert.equal(i, answers[i]) end
    assert.equal("counted to 300\n", ended "TERM")
  end)

  it("lets a request wait for what another does", function()
    local output = sh(([[
      curl -sS --max-time 60 '%s/counter?above=2' &
      curl -sS --max-time 60 -d 3 %s/counter >/dev/null
      wait
    ]]):format(url, url))
    assert.equal("3\n", output)
    assert.equal("counted to 3\n", ended())
  end)

  it("tells those who still wait when it ends", function()
    local output = sh(([[
      folder=$(mktemp -d)
      curl -sS --max-time 60 -w '%%{http_code}' '%s/counter?above=9' >$folder/waiting &
      curl -sSN --max-time 60 -w '%%{http_code}' %s/events >$folder/events &
      until [ "$(curl -sS --max-time 60 %s/requests)" = 3 ]; do :; done
      kill -INT %s
      wait
      cat $folder/waiting $folder/events
      rm -r $folder
    ]]):format(url, url, url, pid))
    assert.equal("the server ends\n503data: 0\n\n200", output)
    assert.equal("counted to 0\n", server:read "a")
    server:close()
    pid = nil
  end)

  it("streams events, and goes on when a client is gone", function()
    local output = sh(([[
      curl -sN --max-time 60 %s/events | {
        read first; read empty
        curl -sS --max-time 60 -d 7 %s/counter >/dev/null
        read second
        exec <&-
        curl -sS --max-time 60 -d 1 %s/counter >/dev/null # which the client cannot write, and so it ends
        echo "$first, $second"
      }
    ]]):format(url, url, url))
    assert.equal("data: 0, data: 7\n", output)
    assert.equal("9\n 200", curl("-d 1 " .. url .. "/counter"))
    assert.equal("counted to 9\n", ended())
  end)
end)
