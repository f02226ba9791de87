-- weir.luv.process: a program started by a task, with its pipes.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local core = require "weir.core"
local uv = require "luv"
local connection = require "weir.luv.connection"
local loop = require "weir.luv.loop"

local KIND <const> = "luv.Process"
local NAMES <const> = { "stdin", "stdout", "stderr" }

local methods = {}

local function outcome(told, ended)
  if not told then return nil, ended end
  return ended.code, ended.signal
end

--- Waits for the program's end: its exit code, and the number of the signal that ended it or 0.
function methods.wait(self, timeout)
  return outcome(core.state(self, KIND).exited:cancelled(timeout))
end

--- A token that is cancelled when the program has ended.
function methods.exited(self)
  return core.state(self, KIND).exited
end

function methods.kill(self, signal)
  local s = core.state(self, KIND)
  if s.exited:is_cancelled() then return nil, "closed" end
  local ok, err = uv.process_kill(s.process, signal or "sigterm")
  if not ok then return nil, "closed", err end
  return true
end

function methods.pid(self)
  return core.state(self, KIND).pid
end

for _, name in ipairs(NAMES) do
  methods[name] = function(self) return core.state(self, KIND).pipes[name] end
end

-- A program does not outlive who started it.
local function drop(s)
  if not s.exited:is_cancelled() then
    uv.process_kill(s.process, "sigkill")
    s.dying = true
    loop.count_dying(1)
  end
  for _, pipe in pairs(s.pipes) do pipe:drop() end
end

local make = core.new_kind(KIND, methods, drop, { __noun = "process" })

-- What libuv is to connect the program's streams with, and our ends of the pipes.
local function streams(options)
  local stdio, pipes, handles = {}, {}, {}
  for i, name in ipairs(NAMES) do
    local how = options[name] or "inherit"
    if how == "pipe" then
      stdio[i] = uv.new_pipe(false)
      handles[name] = stdio[i]
    elseif how == "inherit" then
      stdio[i] = i - 1
    elseif how ~= "null" then
      error(("spawn_process: %s is \"pipe\", \"inherit\" or \"null\""):format(name), 4)
    end
  end
  stdio.n = 3
  return stdio, pipes, handles
end

local function start(path, options, stdio, s)
  local request = {}
  for key, value in pairs(options) do request[key] = value end
  for _, name in ipairs(NAMES) do request[name] = nil end
  request.stdio = stdio
  return uv.spawn(path, request, function(code, signal)
    uv.close(s.process)
    if s.dying then loop.count_dying(-1) end
    s.exited:cancel { code = code, signal = signal }
  end)
end

--- Starts a program. `options` are those of uv.spawn, and stdin, stdout, stderr: "pipe", "inherit", "null".
return function(path, options)
  if type(path) ~= "string" then
    error(("bad argument #1 to 'spawn_process' (string expected, got %s)"):format(type(path)), 2)
  end
  local stdio, pipes, handles = streams(options or {})
  local s = { pipes = pipes, exited = weir.cancellation_token() }
  local process, pid = start(path, options or {}, stdio, s)
  if not process then
    for _, handle in pairs(handles) do uv.close(handle) end
    return nil, "closed", pid
  end
  s.process, s.pid = process, pid
  for name, handle in pairs(handles) do pipes[name] = connection.wrap(handle) end
  return make(s)
end
