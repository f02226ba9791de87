-- weir.luv.work: a function on libuv's pool of threads; its results come by oneshot.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local uv = require "luv"

local waiting, last = {}, 0 -- the senders of results, by number
local context

-- Runs in a thread, in a Lua state of its own: no upvalues, and an error must be a string to come back.
local function in_thread(number, code, ...)
  local function pass(ok, ...)
    if ok then return number, true, ... end
    return number, false, tostring((...))
  end
  return pass(pcall(load(code, "=work", "b"), ...))
end

local function finished(number, ...)
  local reply = waiting[number]
  waiting[number] = nil
  if reply then reply:send(...) end
end

local function check(f)
  if type(f) ~= "function" then
    error(("bad argument #1 to 'work' (function expected, got %s)"):format(weir.type(f) or type(f)), 3)
  end
  if debug.getinfo(f, "u").nups > 1 or debug.getupvalue(f, 1) and debug.getupvalue(f, 1) ~= "_ENV" then
    local why = "a function with upvalues cannot go to another thread: pass arguments"
    error(("bad argument #1 to 'work' (%s)"):format(why), 3)
  end
end

--- A oneshot receiver of `true, results...` or `false, message`. Arguments and results are strings, numbers,
-- booleans and nil.
return function(f, ...)
  check(f)
  context = context or uv.new_work(in_thread, finished)
  local reply, rx = weir.oneshot()
  last = last + 1
  waiting[last] = reply
  local ok, err = uv.queue_work(context, last, string.dump(f, true), ...)
  if not ok then
    waiting[last] = nil
    error(("work: %s"):format(err), 2)
  end
  return rx
end
