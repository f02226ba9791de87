-- weir.cqueues: weir inside a controller of cqueues, and cqueues' waits inside tasks of weir.
-- SPDX-License-Identifier: MIT
--
--   controller --+-- threads of cqueues ...... wait for tasks with   wait_for(task), task(f)
--                +-- the driver: weir's turns, then cqueues.poll(until the next deadline, or woken)
--                +-- pollers, one for each task that waits in        poll(...), call(f)
--
-- The driver is one of the controller's threads. So the controller sleeps for both, and in a task
-- `cqueues.running()` is true: a library written for cqueues works there. What it would hand to the
-- controller (by coroutine.yield) `call` turns into a wait of the task.

local weir = require "weir"
local cqueues = require "cqueues"
local condition = require "cqueues.condition"

local adapter = {}

local POLL <const> = cqueues._POLL
local TURNS <const> = 32 -- of tasks that are always ready, before the controller is asked

local step, on_wake = weir.loop.step, weir.loop.on_wake

local current -- the driver that is at work

local function bad_argument(i, name, expected, value)
  local got = weir.type(value) or type(value)
  error(("bad argument #%d to '%s' (%s expected, got %s)"):format(i, name, expected, got), 3)
end

-- ## The driver

local function turns(self)
  local due, ready
  for _ = 1, TURNS do
    due, ready = step()
    if not ready or self.over() then break end
  end
  return due, ready
end

-- Nobody but the driver is left in the controller, and no deadline: nothing can wake a task any more.
local function is_dead(self)
  return self.alone and self.controller:count() == 1
end

local function drive(self)
  while not self.over() do
    local due, ready = turns(self)
    if self.over() then return end
    if ready then
      cqueues.poll(0)
    elseif not due and is_dead(self) then
      weir.loop.deadlock()
    else
      cqueues.poll(self.woken, due)
    end
  end
end

-- Puts a driver into the controller. `over` says when it has done.
local function start(controller, alone, over)
  local self = { controller = controller, alone = alone, over = over, woken = condition.new() }
  current = self
  on_wake(function() self.woken:signal() end)
  controller:wrap(function()
    self.ok, self.err = xpcall(drive, function(err) return err end, self)
    self.ended = true
  end)
  return self
end

local function finish()
  on_wake(nil)
  current = nil
end

-- ## Running

local function traced(err)
  if type(err) ~= "string" then return err end
  return debug.traceback(err, 2)
end

local function spawn_main(main, ...)
  local arguments = table.pack(...) -- packed, since the arguments of a main function are not moved
  local task = weir.spawn(function() return xpcall(main, traced, table.unpack(arguments, 1, arguments.n)) end)
  local info = debug.getinfo(main, "S")
  task:name(("%s:%d"):format(info.short_src, info.linedefined))
  return task
end

local function outcome(task, joined, ok, ...)
  if not joined then error(task:status() == "aborted" and "the main task was aborted" or ok, 0) end
  if not ok then error(..., 0) end
  return ...
end

-- The controller until the driver is done. What a thread of it raises ends the run.
local function loop(self)
  while not self.ended do
    local ok, err = self.controller:step()
    if not ok and err ~= nil then error(err, 0) end
  end
  if not self.ok then error(self.err, 0) end
end

local function check_free(name)
  if weir.current() then error(name .. " was called from a task; use weir.spawn for another task", 3) end
  if current then error(name .. " was called while a controller runs weir already", 3) end
end

--- Runs main as the first task, with a controller for all that waits; what weir.run does, with the same
-- results and errors. `adapter.controller()` is that controller.
function adapter.run(main, ...)
  if type(main) ~= "function" then bad_argument(1, "run", "function", main) end
  check_free "weir.cqueues.run"
  local task = spawn_main(main, ...)
  local self = start(cqueues.new(), true, function() return task:is_finished() end)
  local ok, err = pcall(loop, self)
  finish()
  local ended, why = pcall(weir.loop.end_all)
  if not ok then error(err, 0) end
  if not ended then error(why, 0) end
  return outcome(task, task:join())
end

--- Lets weir's tasks run in a controller that somebody else loops. Returns a function that ends that, with
-- all tasks.
function adapter.attach(controller)
  if cqueues.type(controller) ~= "controller" then bad_argument(1, "attach", "controller", controller) end
  check_free "weir.cqueues.attach"
  local over = false
  local self = start(controller, false, function() return over end)
  return function()
    if over then return end
    over = true
    self.woken:signal()
    finish()
    weir.loop.end_all()
  end
end

--- The controller that weir runs in, or nil.
function adapter.controller()
  return current and current.controller
end

-- ## In a task: waiting for what cqueues can poll

local cutting = {
  __close = function(self)
    if not self.done then self.cut:signal() end
  end,
}

-- A thread of the controller that polls for a task. It leaves when the task is cut short.
local function poller(self, reply, ...)
  reply:send(cqueues.poll(self.cut, ...))
  self.done = true
end

local function check_current(name)
  if not current then
    error(name .. " needs a controller: start the program with weir.cqueues.run, or attach one", 3)
  end
end

-- cqueues.poll() without anything to wait for lets the other threads run once.
local function give_way()
  adapter.poll(0)
end

--- In a task: cqueues.poll. Waits until one of the objects is ready or a number of seconds has passed, and
-- returns the objects that are ready.
function adapter.poll(...)
  check_current "weir.cqueues.poll"
  if select("#", ...) == 0 then return give_way() end
  local reply, rx = weir.oneshot()
  local self <close> = setmetatable({ cut = condition.new() }, cutting)
  current.controller:wrap(poller, self, reply, ...)
  return rx:recv()
end

-- What f yielded to its controller, and then what it returned.
local function conduct(co, first, ...)
  if first ~= POLL then return first, ... end
  return conduct(co, co(adapter.poll(...)))
end

--- In a task: calls f, in which functions of cqueues and of libraries on it wait as tasks do. Returns what f
-- returns.
function adapter.call(f, ...)
  if type(f) ~= "function" then bad_argument(1, "call", "function", f) end
  check_current "weir.cqueues.call"
  local co = weir.wrap(f)
  return conduct(co, co(...))
end

-- ## In a thread of cqueues: waiting for a task

local function ended(task, joined, ...)
  if joined then return ... end
  error(task:status() == "aborted" and "the task was aborted" or ..., 0)
end

--- In a thread of the controller: waits for a task; what it returned, or its error.
function adapter.wait_for(task)
  if weir.type(task) ~= "Task" then bad_argument(1, "wait_for", "Task", task) end
  if weir.current() then error("weir.cqueues.wait_for was called from a task, which has task:join()", 2) end
  local told = condition.new()
  weir.spawn(function()
    task:join()
    told:signal()
  end):name("weir.cqueues.wait_for")
  while not task:is_finished() do told:wait() end
  return ended(task, task:join())
end

--- f as a function for threads of the controller, such as the handlers that lua-http calls: each call is a
-- task, in which f may wait for both worlds.
function adapter.task(f)
  if type(f) ~= "function" then bad_argument(1, "task", "function", f) end
  return function(...)
    return adapter.wait_for(weir.spawn(adapter.call, f, ...))
  end
end

return adapter
