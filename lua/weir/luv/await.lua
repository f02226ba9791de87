-- weir.luv.await: a callback of libuv as a wait of a task.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local uv = require "luv"

-- What the function gave to be ended with the wait: a handle, a request, or a function.
local function cancel(started)
  if type(started) == "function" then return started() end
  if type(started) ~= "userdata" then return end
  local kind = tostring(started)
  if kind:find("^uv_%w+_t") and pcall(uv.is_closing, started) then
    if not uv.is_closing(started) then uv.close(started) end
  else
    pcall(uv.cancel, started) -- refused by requests that are under way
  end
end

local ending = {
  __close = function(self)
    if self.answered then return end
    self.cut_short = true
    cancel(self.started)
  end,
}

-- The function that is handed out as the callback.
local function callback(self, reply)
  return function(...)
    if self.cut_short then
      if self.lost then self.lost(...) end
      self.lost = nil
    elseif not self.answered then
      self.answered = true
      reply:send(...)
    end
  end
end

-- What f returned: it did not start if that is nil and a message, as libuv's functions say it.
local function started(self, ...)
  local first, second = ...
  if first == nil and type(second) == "string" and not self.answered then return false, ... end
  self.started = first
  self.lost = type(second) == "function" and second or nil
  return true
end

local function received(self, rx, timeout, ok, ...)
  if not ok then
    self.answered = true -- nothing to end
    return ...
  end
  return rx:recv(timeout)
end

--- Calls f(done) and waits until done is called; its arguments. f may return what to end if the wait is
-- cut short (a handle: closed; a request: cancelled; a function: called), and a function that gets
-- what the callback is given too late.
return function(f, timeout)
  if type(f) ~= "function" then
    error(("bad argument #1 to 'await' (function expected, got %s)"):format(weir.type(f) or type(f)), 2)
  end
  local reply, rx = weir.oneshot()
  local self <close> = setmetatable({}, ending)
  return received(self, rx, timeout, started(self, f(callback(self, reply))))
end
