-- weir.luv.loop: weir's turns and libuv's, one after the other, and one sleep for both.
-- SPDX-License-Identifier: MIT
--
-- libuv sleeps for both: its timer is set to weir's next deadline. What libuv's callbacks wake runs when the
-- loop's turn is over, before the next sleep: if it is woken before libuv has gone to sleep (by the callback
-- of a timer, by a finalizer), the wake hook of weir tells libuv not to. So nobody polls, and nobody waits
-- for a tick.

local weir = require "weir"
local uv = require "luv"

local loop = {}

local step, on_wake, now = weir.loop.step, weir.loop.on_wake, weir.now

-- Tasks that are always ready may run this many turns, and begin none after this many seconds, before the
-- loop is asked for what came meanwhile: a turn of many busy tasks is long.
local TURNS <const> = 32
local SLICE <const> = 0.001

-- libuv counts in milliseconds. Longer than this, the timer is set again.
local LONGEST <const> = 2 ^ 31

local current          -- the run that goes on
local signal_users = 0 -- receivers of SIGINT: while there is one, the signal is theirs
local dying = 0        -- programs that were killed and of whose end the system has not told yet

local function close(handle)
  if not uv.is_closing(handle) then uv.close(handle) end
end

-- ## Ctrl-C

-- The signal is taken once: a second one ends the process, if a task computes on and on.
local function watch_interrupt(self)
  if signal_users > 0 then return uv.signal_stop(self.interrupt) end
  uv.signal_start_oneshot(self.interrupt, "sigint", function()
    self.interrupted = true
    uv.stop()
  end)
end

-- A receiver of SIGINT was made (1) or is gone (-1).
function loop.count_signal(name, by)
  if name ~= "sigint" then return end
  signal_users = signal_users + by
  if current then watch_interrupt(current) end
end

--- A program was killed (1) or has ended (-1).
function loop.count_dying(by)
  dying = dying + by
end

-- ## Turns

-- Sets the timer to the deadline in `due` seconds; nil: there is none.
local function arm(self, due)
  if not due then
    if self.at then uv.timer_stop(self.timer) end
    self.at = nil
    return
  end
  local at = now() + due
  if self.at and math.abs(self.at - at) < 0.0002 then return end
  self.at = at
  uv.update_time()
  uv.timer_start(self.timer, math.ceil(math.min(due * 1000, LONGEST)), 0, self.on_timer)
end

-- Runs what is ready, until nothing is or the loop must be asked.
local function turns(main)
  local due, ready
  local last = now() + SLICE
  for _ = 1, TURNS do
    due, ready = step()
    if not ready or main:is_finished() or now() > last then break end
  end
  return due, ready
end

-- Whether anything of libuv could still wake a task. Ctrl-C could, but that is no reason to wait.
local function is_alive(self)
  uv.unref(self.interrupt)
  local alive = uv.loop_alive()
  uv.ref(self.interrupt)
  return alive
end

local function drive(self, main)
  while true do
    local due, ready = turns(main)
    if main:is_finished() then return end
    if self.interrupted then error("interrupted!", 0) end
    if ready then
      uv.run("nowait")
    else
      arm(self, due)
      if due or is_alive(self) then uv.run("once") else weir.loop.deadlock() end
    end
  end
end

-- ## A run

local function new_run()
  local self = { timer = uv.new_timer(), interrupt = uv.new_signal(), broken = uv.new_signal() }
  -- libuv runs timers before it sleeps, too, and then sleeps all the same, unless it is stopped
  self.on_timer = function()
    self.at = nil
    uv.stop()
  end
  uv.signal_start(self.broken, "sigpipe", function() end) -- a write to a peer that is gone says so itself
  uv.unref(self.broken)
  return self
end

-- When the Lua state is closed, luv crashes over a handle that is closed and not yet let go by a turn of the
-- loop, and that is how the finalizers of connections leave theirs. Finalizers run the last made first: one
-- that is made after a run, and kept, closes all there is in time.
local last_turn = {
  __gc = function(guard)
    if current or loop.kept ~= guard then return end -- of an earlier run
    uv.walk(function(handle) pcall(close, handle) end) -- luv may have finalized one already
    uv.run("nowait")
  end,
}

local function end_run(self)
  on_wake(nil)
  current = nil
  local ok, err = pcall(weir.loop.end_all)
  close(self.timer)
  close(self.interrupt)
  close(self.broken)
  while dying > 0 do uv.run("once") end
  for _ = 1, 2 do uv.run("nowait") end -- handles closed by the tasks are let go
  loop.kept = setmetatable({}, last_turn)
  if not ok then error(err, 0) end
end

local function traced(err)
  if type(err) ~= "string" then return err end
  return debug.traceback(err, 2)
end

local function outcome(main, joined, ok, ...)
  if not joined then error(main:status() == "aborted" and "the main task was aborted" or ok, 0) end
  if not ok then error(..., 0) end
  return ...
end

local function check(main)
  if type(main) ~= "function" then
    error(("bad argument #1 to 'run' (function expected, got %s)"):format(weir.type(main) or type(main)), 3)
  end
  if current then error("luv.run was called while it runs already; use weir.spawn for another task", 3) end
  if weir.current() then error("luv.run was called from a task; use weir.spawn for another task", 3) end
end

local function spawn_main(main, ...)
  local arguments = table.pack(...) -- packed, since the arguments of a main function are not moved
  local task = weir.spawn(function() return xpcall(main, traced, table.unpack(arguments, 1, arguments.n)) end)
  local info = debug.getinfo(main, "S")
  task:name(("%s:%d"):format(info.short_src, info.linedefined))
  return task
end

--- Runs main as the first task, on libuv's loop; what weir.run does, and the same results and errors.
function loop.run(main, ...)
  check(main)
  local task = spawn_main(main, ...)
  local self = new_run()
  current = self
  on_wake(uv.stop)
  watch_interrupt(self)
  local ok, err = pcall(drive, self, task)
  end_run(self)
  if not ok then error(err, 0) end
  return outcome(task, task:join())
end

return loop
