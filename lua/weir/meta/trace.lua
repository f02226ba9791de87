---@meta weir.trace
-- weir.trace: what editors know of it.
-- SPDX-License-Identifier: MIT

---What a program did, as a file for ui.perfetto.dev and chrome://tracing.
local trace = {}

---Begin to write the trace of this Lua state to a file, which is overwritten.
---@param path string
---@return table? closing      # ends the trace when it is closed; nil if the file cannot be opened
---@return string? message
---@return integer? code
function trace.start(path) end

---End the trace.
---@return boolean? whole      # false if there was no trace; nil if the file could not be written
---@return string? message
---@return integer? code
function trace.stop() end

return trace
