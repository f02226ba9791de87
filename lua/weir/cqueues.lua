-- weir.cqueues: weir inside a controller of cqueues, and cqueues' waits inside tasks of weir.
-- SPDX-License-Identifier: MIT
--
--   controller --+-- threads of cqueues ...... wait for tasks with   wait_for(task), task(f)
--                +-- the driver: weir's turns, then cqueues.poll(woken, io, until the next deadline)
--                      +-- io, a controller of its own: a poller for each task in poll(...) or call(f)
--
-- The driver is one of the controller's threads. So the controller sleeps for both, and in a task
-- `cqueues.running()` is true: a library written for cqueues works there. What it would hand to the
-- controller (by coroutine.yield) `call` turns into a wait of the task.
--
-- Q1  when the driver rests, no task is ready: whatever makes one ready signals `woken`
-- Q2  a task's wait stands with cqueues before another task runs: no signal of a condition is missed. That is
--     what `io` is for: the controller is in the middle of a step while tasks run, `io` can make one
-- Q3  `passive` threads wait for a condition, which only this program can signal; if the driver rests without
--     a deadline and all others are passive, nothing can ever run again

local weir = require "weir"
local cqueues = require "cqueues"
local condition = require "cqueues.condition"

local adapter = {}

local POLL <const> = cqueues._POLL
local TURNS <const> = 32 -- of tasks that are always ready, before the controller is asked

local step, on_wake = weir.loop.step, weir.loop.on_wake

local current -- the driver that is at work
local pollers = setmetatable({}, { __mode = "k" }) -- by their threads

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

-- What a poller could not wait for is its task's error.
local function check_poller(ok, err, _, thread)
  if ok then return end
  local poller = thread and pollers[thread]
  if not poller then error(err, 0) end
  poller.failure = err
  poller.reply:drop()
end

-- A step of io for each call. Its method `step` first yields, to wait for io; that goes no further: each call
-- ends with the yield before the next step, and so does this one.
local function stepper(io)
  local step_io = coroutine.wrap(function()
    while true do check_poller(io:step(0)) end
  end)
  step_io()
  return step_io
end

-- Nothing is allocated from the last look at what is ready until the controller knows that the driver waits
-- for `woken`: no finalizer can wake a task in between, when the signal would reach nobody.
local function rest(self, seconds)
  self.resting = not seconds
  local first, second = cqueues.poll(self.woken, self.io, seconds)
  self.resting = false
  self.moves = self.moves + 1
  if first == self.io or second == self.io then self.step_io() end
end

local function drive(self)
  self.step_io = stepper(self.io)
  while not self.over() do
    local due, ready = turns(self)
    if self.over() then break end
    rest(self, ready and 0 or due)
  end
  self.ended = true
end

-- Puts a driver into the controller. `over` says when it has done.
local function start(controller, over)
  local self = {
    controller = controller, io = cqueues.new(), over = over, woken = condition.new(),
    passive_threads = 0, passive_pollers = 0, moves = 0,
  }
  current = self
  on_wake(function() self.woken:signal() end)
  controller:wrap(drive, self)
  return self
end

local function finish()
  on_wake(nil)
  current = nil
end

-- ## Running

local function place(f)
  local info = debug.getinfo(f, "S")
  return ("%s:%d"):format(info.short_src, info.linedefined)
end

local function traced(err)
  if type(err) ~= "string" then return err end
  return debug.traceback(err, 2)
end

local function spawn_main(main, ...)
  local arguments = table.pack(...) -- packed, since the arguments of a main function are not moved
  local task = weir.spawn(function() return xpcall(main, traced, table.unpack(arguments, 1, arguments.n)) end)
  task:name(place(main))
  return task
end

local function outcome(task, joined, ok, ...)
  if not joined then error(task:status() == "aborted" and "the main task was aborted" or ok, 0) end
  if not ok then error(..., 0) end
  return ...
end

-- Whether only this program could end the waits that are left.
local function is_alone(self)
  return self.resting and self.controller:count() == 1 + self.passive_threads
    and self.io:count() == self.passive_pollers
end

-- The controller until the driver is done. What was signalled runs within two turns; if nothing has moved in
-- so many, and a collection has not helped, it is for ever.
local function loop(self)
  local quiet, moves = 0, -1
  while not self.ended do
    quiet = is_alone(self) and self.moves == moves and quiet + 1 or 0
    moves = self.moves
    if quiet == 3 then
      collectgarbage()
    elseif quiet == 6 then
      weir.loop.deadlock()
      self.woken:signal()
    end
    local ok, err = self.controller:step(is_alone(self) and 0 or nil)
    if not ok then error(err, 0) end
  end
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
  local self = start(cqueues.new(), function() return task:is_finished() end)
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
  local self = start(controller, function() return over end)
  return function()
    if weir.current() then error("weir cannot be detached from its controller by a task", 2) end
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

local function count_passive(driver, which, by)
  driver[which] = driver[which] + by
  driver.moves = driver.moves + 1
end

local function answer(self, ...)
  if self.passive then count_passive(self.driver, "passive_pollers", -1) end
  self.done = true
  self.reply:send(...)
end

-- A thread of io that polls for a task. It leaves when the task is cut short.
local function poller(self, ...)
  pollers[coroutine.running()] = self
  if self.passive then count_passive(self.driver, "passive_pollers", 1) end
  answer(self, cqueues.poll(self.cut, ...))
end

-- An error at the line of the caller's caller, unless this is a task under a controller.
local function check_task(name)
  if not current then
    error(name .. " needs a controller: start the program with weir.cqueues.run, or attach one", 3)
  end
  if not weir.current() then
    error(name .. " was called outside a task; a thread of a controller has cqueues.poll", 3)
  end
end

local function field(object, name)
  return object[name]
end

local function has(object, name)
  local ok, value = pcall(field, object, name)
  return ok and value ~= nil
end

-- "condition": only this program can make it ready; "other"; nil: cqueues cannot wait for it.
local function pollable(object)
  local kind = type(object)
  if kind == "number" then return "other" end
  if kind ~= "userdata" and kind ~= "table" then return nil end
  if condition.type(object) then return "condition" end
  return (has(object, "pollfd") or has(object, "timeout")) and "other" or nil
end

-- How many objects there are to wait for, and whether all of them are conditions.
local function check_objects(...)
  local n, passive = 0, true
  for i = 1, select("#", ...) do
    local object = select(i, ...)
    if object ~= nil then
      local kind = pollable(object)
      if not kind then
        error(("bad argument #%d to 'poll' (number or what cqueues can poll expected, got %s)"):format(i,
          weir.type(object) or type(object)), 3)
      end
      n, passive = n + 1, passive and kind == "condition"
    end
  end
  return n, passive
end

local function ready(self, ...)
  if self.failure then error(self.failure, 3) end
  return ...
end

local function wait(passive, ...)
  local reply, rx = weir.oneshot()
  local self <close> = setmetatable({
    driver = current, passive = passive, cut = condition.new(), reply = reply,
  }, cutting)
  current.io:wrap(poller, self, ...)
  current.step_io()
  return ready(self, rx:recv())
end

--- In a task: cqueues.poll. Waits until one of the objects is ready or a number of seconds has passed, and
-- returns the objects that are ready. With nothing to wait for it lets all others run once.
function adapter.poll(...)
  check_task "weir.cqueues.poll"
  local n, passive = check_objects(...)
  if n == 0 then return (wait(false, 0)) end
  return wait(passive, ...)
end

-- What f yields to its controller is waited for; then comes what it returned.
local function conduct(self, ...)
  if ... ~= POLL then
    self.done = true
    return ...
  end
  return conduct(self, self.resume(adapter.poll(select(2, ...))))
end

-- f rests in a yield while its task waits: cut short there, nobody else would close it.
local closing = {
  __close = function(self)
    if self.done or not self.thread or coroutine.status(self.thread) ~= "suspended" then return end
    local ok, err = coroutine.close(self.thread)
    if not ok then error(err, 0) end
  end,
}

--- In a task: calls f, in which functions of cqueues and of libraries on it wait as tasks do. Returns what f
-- returns.
function adapter.call(f, ...)
  if type(f) ~= "function" then bad_argument(1, "call", "function", f) end
  check_task "weir.cqueues.call"
  local self <close> = setmetatable({}, closing)
  self.resume = weir.wrap(function(...)
    self.thread = coroutine.running()
    return f(...)
  end)
  return conduct(self, self.resume(...))
end

-- ## In a thread of cqueues: waiting for a task

local function ended(task, joined, ...)
  if joined then return ... end
  error(task:status() == "aborted" and "the task was aborted" or ..., 0)
end

local telling = { __close = function(self) self.told:signal() end }

-- Signals `told` when self.task has ended, or when all tasks are ended.
local function tell(self)
  local _told <close> = setmetatable({ told = self.told }, telling)
  if self.task then self.task:join() end
end

-- Made before the task's first step it hears of an error that comes at once.
local function new_teller(task)
  local self = { told = condition.new(), task = task }
  weir.spawn(tell, self):name("weir.cqueues.wait_for")
  return self
end

local function wait_in(driver, told)
  if not driver or driver.controller ~= cqueues.running() then return told:wait() end
  count_passive(driver, "passive_threads", 1)
  told:wait()
  count_passive(driver, "passive_threads", -1)
end

local function finished(self)
  while not self.task:is_finished() do wait_in(current, self.told) end
  return ended(self.task, self.task:join())
end

local function check_thread(name)
  if weir.current() and not select(2, cqueues.running()) then
    error(name .. " was called from a task, which has task:join()", 3)
  end
end

--- In a thread of the controller: waits for a task; what it returned, or its error.
function adapter.wait_for(task)
  if weir.type(task) ~= "Task" then bad_argument(1, "wait_for", "Task", task) end
  check_thread "weir.cqueues.wait_for"
  if task:is_finished() then return ended(task, task:join()) end
  return finished(new_teller(task))
end

--- f as a function for threads of the controller, such as the handlers that lua-http calls: each call is a
-- task, in which f may wait for both worlds.
function adapter.task(f)
  if type(f) ~= "function" then bad_argument(1, "task", "function", f) end
  local name = place(f)
  return function(...)
    check_thread "a function of weir.cqueues.task"
    local self = new_teller()
    self.task = weir.spawn(adapter.call, f, ...)
    self.task:name(name)
    return finished(self)
  end
end

return adapter
