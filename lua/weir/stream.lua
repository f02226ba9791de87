-- weir.stream: what yields values over time, lazily.
-- SPDX-License-Identifier: MIT
--
-- How a stream is asked for its next element is told in stream/node.lua, how it is waited for in
-- stream/wait.lua and stream/select.lua; what users call is in stream/handle.lua and stream/consumers.lua.

local weir = require "weir"
local handle = require "weir.stream.handle"
local check = require "weir.stream.check"
local sources = require "weir.stream.sources"
local map_of = require "weir.stream.map_of"
require "weir.stream.select"

local stream = { map_of = map_of }

-- A stream of what `source` yields; it takes the source over.
function stream.from(source, ...)
  return handle.wrap(handle.open(2, 1, "from", source, ...))
end

-- The changes of a watch from now on, without its present value.
function stream.changes(rx)
  local kind = weir.type(rx)
  if kind ~= "watch.Receiver" and kind ~= "closed watch.Receiver" then
    error(("bad argument #1 to 'changes' (watch.Receiver expected, got %s)"):format(check.kind_of(rx)), 2)
  end
  return handle.wrap(sources.changes(2, rx))
end

return stream
