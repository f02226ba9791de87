-- program.lua -- runs a Lua program as its users do, in a process of its own, and compares what it prints.
-- SPDX-License-Identifier: MIT
local program = {}

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function absolute(path, here)
  return (path:gsub("[^;]+", function(template)
    return template:find("^/") and template or here .. "/" .. template:gsub("^%./", "")
  end))
end

local function output_of(command)
  local pipe <close> = assert(io.popen(command, "r"))
  local text = pipe:read("a")
  local ok, _, code = pipe:close()
  return text, ok and 0 or code
end

local here = output_of("pwd"):gsub("\n$", "")

-- A program that hangs is a failure of its spec, not of the whole run.
local limit = os.execute("command -v timeout >/dev/null 2>&1") and "timeout 300 " or ""

-- Runs `lua5.4 file arguments...` in `directory` (default: where the specs run) with the modules that this
-- process would load. Returns what it wrote, to both outputs, and its exit code.
function program.run(file, arguments, directory)
  return output_of(table.concat({
    "cd ", quote(directory or here), " && ",
    "LUA_PATH=", quote(absolute(package.path, here)), " ",
    "LUA_CPATH=", quote(absolute(package.cpath, here)), " ",
    limit, os.getenv("LUA") or "lua5.4", " ", quote(file), " ", arguments or "", " 2>&1 </dev/null",
  }))
end

-- Whether the output is what was expected, in which "..." stands for anything.
function program.matches(output, expected)
  local pattern = expected:gsub("%p", "%%%0"):gsub("%%%.%%%.%%%.", ".-")
  return output:find("^" .. pattern .. "$") ~= nil
end

function program.list(command)
  local lines = {}
  for line in output_of(command):gmatch("[^\n]+") do lines[#lines + 1] = line end
  return lines
end

function program.read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

return program
