-- index.lua -- actors over real files: counts what is in the Lua files below a directory.
-- SPDX-License-Identifier: MIT
--
--   lua5.4 examples/index.lua [--workers N] [--limit SECONDS] [--events] [DIRECTORY ...]
--
--   walker --paths--> N workers --results--> store <--questions-- main
--      |                  |                    '--progress (watch)--> main
--      '---- events (broadcast) --> troubles, journal
--
-- Nobody counts messages to know when all is done. The walker ends, so its sender of paths is dropped
-- and that channel closes; so the workers end, and with their senders the results; so the store drops
-- its end of the progress; main sees that, asks its questions, and ends the rest by ending.
local weir = require "weir"

local usage = "usage: index.lua [--workers N] [--limit SECONDS] [--events] [DIRECTORY ...]"

-- ---- reading Lua ------------------------------------------------------------------------------------

local function end_of_long_bracket(text, at)
  local level = text:match("^%[(=*)%[", at)
  if not level then return nil end
  local _, last = text:find("]" .. level .. "]", at, true)
  return last or #text
end

local function end_of_string(text, at)
  local stops = "[\\\n" .. text:sub(at, at) .. "]"
  repeat
    at = text:find(stops, at + 1) or #text
    local escape = text:sub(at, at) == "\\"
    if escape then at = at + 1 end
  until not escape
  return at
end

-- Where the comment or string that begins at `at` ends; nil if it is neither.
local function end_of_literal(text, at)
  if text:find("^%-%-", at) then
    return end_of_long_bracket(text, at + 2) or (text:find("\n", at, true) or #text + 1) - 1
  elseif text:find("^[\"']", at) then
    return end_of_string(text, at)
  end
  return end_of_long_bracket(text, at)
end

-- The code alone: no comments, and no strings but those that name a module.
local function code_of(text)
  local parts, copied, at = {}, 0, 1
  while true do
    local first = text:find("[-\"'%[]", at)
    local last = first and end_of_literal(text, first)
    if last then
      local before = text:sub(copied + 1, first - 1)
      local named = before:find("%f[%w_]require%s*%(?%s*$") and text:find("^[\"']", first)
      parts[#parts + 1] = before
      parts[#parts + 1] = named and text:sub(first, last) or " "
      copied, at = last, last + 1
    elseif first then
      at = first + 1                        -- a minus, or an index
    else
      parts[#parts + 1] = text:sub(copied + 1)
      return table.concat(parts)
    end
  end
end

local function scan(text)
  local code = code_of(text)
  local found = { required = {} }
  for name in code:gmatch("%f[%w_]require%s*%(?%s*[\"']([^\"'\n]+)") do
    found.required[#found.required + 1] = name
  end
  found.functions = select(2, code:gsub("%f[%w_]function%f[^%w_]", ""))
  found.lines = select(2, text:gsub("\n", "")) + (text:find("[^\n]$") and 1 or 0)
  return found
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return assert(file:read("a"))
end

-- ---- the actors -------------------------------------------------------------------------------------

local function quoted(path)                  -- for the shell
  return "'" .. path:gsub("^%-", "./-"):gsub("'", "'\\''") .. "'"
end

-- Paths below a directory, as `find` prints them: with a zero after each, since a name may hold a newline.
local function lua_files(directory)
  local pipe <close> = assert(io.popen("find -L " .. quoted(directory) .. " -name '*.lua' -type f -print0"))
  local rest = ""
  for chunk in pipe:lines(4096) do
    rest = rest .. chunk
    for path in rest:gmatch("([^\0]+)\0") do coroutine.yield(path) end
    rest = rest:match("[^\0]*$")
  end
end

local function walker(directories, paths, events, token)
  local sent = 0
  for _, directory in ipairs(directories) do
    for path in coroutine.wrap(function() lua_files(directory) end) do
      -- Waits for room, so the walk is never far ahead of the workers; and for the word to stop.
      local which = weir.select_biased { token, { paths, path } }
      if which == 1 then
        events:send { what = "stopped", why = token:reason() }
        return
      end
      sent = sent + 1
    end
  end
  events:send { what = "walked", why = sent .. " paths" }
end

local function worker(paths, results, events)
  local files = 0
  for path in paths do
    local ok, found = pcall(function() return scan(read(path)) end)
    if ok then
      files = files + 1
      results:send(found)
    else
      events:send { what = "skipped", why = tostring(found) }
    end
  end
  events:send { what = "worker done", why = files .. " files" }
end

-- Owns the index: what the workers found goes in, and answers come out.
local function add(index, found)
  index.files = index.files + 1
  index.lines = index.lines + found.lines
  index.functions = index.functions + found.functions
  for _, name in ipairs(found.required) do
    index.required[name] = (index.required[name] or 0) + 1
  end
end

local answer = {}

function answer.totals(index)
  return index.files, index.lines, index.functions
end

function answer.most_required(index, question)
  local names = {}
  for name in pairs(index.required) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    local times_a, times_b = index.required[a], index.required[b]
    if times_a ~= times_b then return times_a > times_b end
    return a < b
  end)
  local list = {}
  for i = 1, math.min(question.limit, #names) do
    list[i] = { name = names[i], times = index.required[names[i]] }
  end
  return list
end

local function store(results, questions, progress)
  local index = { files = 0, lines = 0, functions = 0, required = {} }
  local open = true
  while true do
    local which, message = weir.select { found = open and results, question = questions }
    if which == "found" and message then
      add(index, message)
      progress:send { files = index.files, lines = index.lines }
    elseif which == "found" then
      open = false                          -- the last worker has ended
      progress:close()
    elseif message then
      local reply <close> = message.reply
      reply:send(answer[message.ask](index, message))
    else
      return                                -- nobody is left to ask
    end
  end
end

-- Two who listen to the same events, each for its own ends.
local function journal(events)
  for event, missed in events do
    if missed > 0 then io.stderr:write("(", missed, " events missed)\n") end
    io.stderr:write(event.what, ": ", event.why or "", "\n")
  end
end

local function troubles(events)
  local list = {}
  for event in events do
    if event.what == "skipped" or event.what == "stopped" then
      list[#list + 1] = event.what .. ": " .. event.why
    end
  end
  return list
end

-- ---- the program ------------------------------------------------------------------------------------

local function on_terminal()
  return (os.execute("test -t 1"))
end

-- Draws the latest progress ten times a second, or not at all; returns when the store has all it will get.
local function show(progress, draw)
  for now in progress do
    if draw then
      io.write("\r", now.files, " files, ", now.lines, " lines\27[K")
      io.flush()
      progress:wait_for(function() return false end, 0.1)     -- ends earlier only with the last word
    end
  end
  if draw then io.write("\r\27[K") end
end

local function report(index, options, seconds)
  local files, lines, functions = index:call { ask = "totals" }
  print(table.concat(options.directories, " "))
  print(("%10d files\n%10d lines\n%10d functions"):format(files, lines, functions))
  print("most required modules")
  for _, entry in ipairs((index:call { ask = "most_required", limit = 10 })) do
    print(("%10d %s"):format(entry.times, entry.name))
  end
  print(("%.2f s with %d workers"):format(seconds, options.workers))
end

local function main(options)
  local began, draw = weir.now(), on_terminal()
  local token = weir.cancellation_token()
  local events, listener = weir.broadcast(256)
  local trouble = weir.spawn(troubles, listener)
  if options.events then weir.spawn(journal, events:subscribe()) end

  local paths, path_queue = weir.mpmc(16)
  local results, result_queue = weir.mpsc(16)
  local index, questions = weir.mpsc(4)
  local progress_tx, progress = weir.watch { files = 0, lines = 0 }
  weir.spawn(store, result_queue, questions, progress_tx)
  for i = 1, options.workers do
    weir.spawn(worker, path_queue:clone(), results:clone(), events:clone()):name("worker " .. i)
  end
  path_queue:drop()
  results:drop()
  local walking = weir.spawn(walker, options.directories, paths, events, token)
  if options.limit then
    weir.spawn(function()
      weir.sleep(options.limit)
      token:cancel(("after %g s"):format(options.limit))
    end)
  end

  show(progress, draw)
  assert(walking:join())
  report(index, options, weir.now() - began)
  for _, line in ipairs(select(2, assert(trouble:join()))) do print(line) end
end

-- Where this Lua looks for modules: the folders of package.path that are called so.
local function library_folders()
  local folders, seen = {}, {}
  for folder in package.path:gmatch("([^;]+)/%?%.lua") do
    if folder:find("^/.*/lua/%d%.%d$") and not seen[folder] and os.execute("test -d " .. quoted(folder)) then
      folders[#folders + 1], seen[folder] = folder, true
    end
  end
  return folders
end

local function fail(message)
  io.stderr:write("index.lua: ", message, "\n", usage, "\n")
  os.exit(2)
end

local function parse(args)
  local options, i = { workers = 4, directories = {} }, 1
  while args[i] do
    local word = args[i]
    if word == "--events" then
      options.events = true
    elseif word == "--workers" or word == "--limit" then
      i = i + 1
      local number = tonumber(args[i])
      if not number or number <= 0 then fail(word .. " needs a number above 0") end
      options[word:sub(3)] = number
    elseif word:find("^%-%-") then
      fail("unknown option " .. word)
    else
      options.directories[#options.directories + 1] = word
    end
    i = i + 1
  end
  if not math.tointeger(options.workers) then fail("--workers needs a whole number") end
  if #options.directories == 0 then options.directories = library_folders() end
  if #options.directories == 0 then options.directories = { "." } end
  for _, directory in ipairs(options.directories) do
    if not os.execute("test -d " .. quoted(directory)) then fail("no such directory: " .. directory) end
  end
  return options
end

weir.run(main, parse(arg))

--> output (arguments: examples/data)
-- examples/data
--          4 files
--         24 lines
--          3 functions
-- most required modules
--          3 text
--          1 shapes.circle
--          1 shapes.square
-- ... s with 4 workers
