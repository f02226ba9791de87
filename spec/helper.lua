-- SPDX-License-Identifier: MIT
-- helper.lua -- what many specs say: a body on the virtual clock, an error at its line, a child process.

local weir = require "weir"
local assert = require "luassert"

local helper = {}

-- ---- tasks ------------------------------------------------------------------------------------------

-- A claim's body as the first task, on the virtual clock.
function helper.paused(body)
  return function() weir.run_paused(body) end
end

-- Gives way often enough for a short chain of tasks to come to rest; takes no time.
function helper.settle()
  for _ = 1, 8 do weir.yield() end
end

-- Spawns f and lets it run up to its first wait.
function helper.later(f, ...)
  local task = weir.spawn(f, ...)
  weir.yield()
  return task
end

-- The results of a task; its error is raised here.
function helper.join(task)
  local r = table.pack(task:join())
  if not r[1] then error(r[2], 0) end
  return table.unpack(r, 2, r.n)
end

-- Who is given it waits for ever.
function helper.forever(...)
  weir.sleep(math.huge)
  return ...
end

-- A value whose <close> notes `word` in `log`.
function helper.closing(log, word)
  return setmetatable({}, { __close = function() log[#log + 1] = word end })
end

-- Runs body with failures of tasks gathered instead of written to stderr; returns them.
function helper.failures(body)
  local seen = {}
  local previous = weir.on_error(function(task, err, traceback)
    seen[#seen + 1] = { task = task, err = err, traceback = traceback }
  end)
  local ok, err = pcall(body, seen)
  weir.on_error(previous)
  if not ok then error(err, 0) end
  return seen
end

-- As `paused`, with failures of tasks gathered in the body's argument.
function helper.failing(body)
  return function()
    helper.failures(function(seen) weir.run_paused(body, seen) end)
  end
end

-- ---- channels -----------------------------------------------------------------------------------------

-- What can be received now.
function helper.drain(rx)
  local got = {}
  while true do
    local v = rx:try_recv()
    if v == nil then return got end
    got[#got + 1] = v
  end
end

-- Of capacity 1, with "first" in it.
function helper.full_channel()
  local tx, rx = weir.mpsc(1)
  assert(tx:try_send "first")
  return tx, rx
end

-- ---- errors -----------------------------------------------------------------------------------------

-- f raises a sentence at a line of its own, in which each pattern is found; returns the sentence.
function helper.blames(f, ...)
  local ok, err = pcall(f)
  assert.is_false(ok, "no error was raised")
  assert.equal("string", type(err))
  local here = debug.getinfo(f, "S")
  local file, line, sentence = string.match(err, "^([^\n]-):(%d+): (.+)$")
  assert.equal(here.short_src, file, err)
  line = math.tointeger(tonumber(line))
  assert.is_true(line >= here.linedefined and line <= here.lastlinedefined, err)
  for _, pattern in ipairs { ... } do assert.matches(pattern, sentence) end
  return sentence
end

-- ---- the collector ----------------------------------------------------------------------------------

-- Everything that nobody holds is gone, what its finalizers let go of included.
function helper.collect()
  for _ = 1, 3 do collectgarbage() end
end

-- A weak table of n fresh values, each of which was given to f.
function helper.weakly(n, f)
  local weak = setmetatable({}, { __mode = "v" })
  for i = 1, n do
    local v = {}
    weak[i] = v
    f(v)
  end
  return weak
end

-- Kilobytes in use when nothing is left to collect.
function helper.memory()
  helper.collect()
  return collectgarbage "count"
end

-- A table that forgets what nobody else holds.
function helper.weak(...)
  return setmetatable({ ... }, { __mode = "v" })
end

-- A function made here, so that no register of the caller keeps what it made alive; collects after it.
function helper.forget(f, ...)
  local function apart(...) f(...) end
  apart(...)
  helper.collect()
end

-- ---- child processes --------------------------------------------------------------------------------

local function interpreter()
  local i = 0
  while arg and arg[i - 1] do i = i - 1 end
  return i < 0 and arg[i] or "lua5.4"
end

local function quoted(s)
  return "'" .. string.gsub(s, "'", "'\\''") .. "'"
end

-- Runs `source` under the stock interpreter; returns what it wrote (both streams) and its exit status
-- (128 + n after signal n). `environment` is put before the command: "WEIR_DEBUG=1".
function helper.program(source, environment)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "w"))
  file:write(source)
  file:close()
  local command = string.format("LUA_PATH=%s LUA_CPATH=%s %s %s %s 2>&1; echo \"exit $?\"",
    quoted(package.path), quoted(package.cpath), environment or "", quoted(interpreter()), quoted(name))
  local pipe <close> = assert(io.popen(command))
  local output = pipe:read "a"
  os.remove(name)
  local written, status = string.match(output, "^(.*)exit (%d+)%s*$")
  return written, math.tointeger(tonumber(status))
end

return helper
