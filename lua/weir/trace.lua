-- trace.lua -- what a program did, as a file for chrome://tracing and ui.perfetto.dev.
-- SPDX-License-Identifier: MIT
--
-- One row a task, a slice for each time it ran, an arrow from each send to its receive, a counter for the
-- fill of each channel. The C core writes it (csrc/bind/trace.c); when it is off nothing is done, nor paid.

local core = require "weir.core"

local trace = {}

local closing = setmetatable({}, { __close = function() core.trace_stop() end })

--- Begin to write the trace of this Lua state to the file `path`, which is overwritten.
-- Returns a value that ends the trace when it is closed (`local _ <close> = trace.start(path)`); nil and a
-- message if the file cannot be written.
function trace.start(path)
  if type(path) ~= "string" then
    error(("bad argument #1 to 'start' (string expected, got %s)"):format(core.type(path) or type(path)), 2)
  end
  local ok, result, message, code = pcall(core.trace_start, path)
  if not ok then error(result, 2) end
  if not result then return nil, message, code end
  return closing
end

--- End the trace: true, or false if there was none; nil and a message if the file could not be written whole.
function trace.stop()
  return core.trace_stop()
end

return trace
