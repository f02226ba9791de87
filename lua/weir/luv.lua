-- weir.luv: weir on libuv's loop, by the library luv; its callbacks as waits, its streams as channels.
-- SPDX-License-Identifier: MIT

local connection = require "weir.luv.connection"
local loop = require "weir.luv.loop"
local net = require "weir.luv.net"

return {
  run = loop.run,
  await = require "weir.luv.await",
  signal = require "weir.luv.signal",
  lines = require "weir.luv.lines",
  listen = net.listen,
  connect = net.connect,
  connection = connection.wrap,
  spawn_process = require "weir.luv.process",
  work = require "weir.luv.work",
}
