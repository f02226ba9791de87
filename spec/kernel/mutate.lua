-- mutate.lua: changes the C core in one place at a time and sees whether a test notices.
-- SPDX-License-Identifier: MIT
--
--   lua5.4 spec/kernel/mutate.lua [seed=N] [count=N] [only=PATTERN] [at=FILE:LINE,...] [tests=WORD,...]
--                                 [scale=X] [memory=1]
--
-- Sites are drawn by the seed, in turn from five kinds: drop a call; drop a give-back or a wake; negate a
-- condition; swap a comparison; be off by one. A change that does not compile, or compiles to the same
-- code, is no mutant and another is drawn. Each mutant is built in a copy of the tree (build/mutate) and
-- tested until something fails: first the kernel's explorers, if it is in the kernel, then the specs that
-- go through the line (gcov knows), those of the same name first, then those that caught most in the least
-- time. `only` is a Lua pattern for file names; `at` is a list of places, as in the report
-- (csrc/kernel/mpsc.c:72): every site of those lines, and no others; `tests` are words: only tests with one
-- of them in their name are run; `scale` is that of the explorers; with `memory=1` the host whose memory
-- runs out comes last.
-- Ends with the survivors, and with status 1 if fewer than 95 in 100 were caught.

local TREE = "build/mutate/tree"
local options = { seed = 1, count = 200, only = "", at = "", tests = "", scale = 0.05, memory = 0 }

-- Not tried: what builds, what needs other libraries or the real clock, what starts programs. They test
-- little of the core that the others do not, and a busy machine may fail them with no mutant at all.
local LEFT_OUT = { "rock", "peers", "luv", "cqueues", "docs", "examples", "console", "chat", "kv",
                   "reference" }

-- These wait in real time too, but only they interrupt a run: a failure counts if it happens twice.
local AGAIN = { interrupt = true }

-- ---- small tools ---------------------------------------------------------------------------------

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
end

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

-- Does a command succeed in so many seconds? Memory is limited: a mutant may
-- want all there is.
local function succeeds(command, seconds)
  local quoted = command:gsub("'", "'\\''")
  local limited = ("{ ulimit -v 16000000; timeout -k 2 %d sh -c '%s'; }"):format(seconds, quoted)
  return (os.execute("cd " .. TREE .. " && " .. limited .. " >/dev/null 2>&1 </dev/null")) == true
end

local function now()
  return assert(tonumber(lines_of("date +%s.%N")[1]))
end

local function say(...)
  io.stdout:write(string.format(...), "\n")
  io.stdout:flush()
end

-- ---- sites --------------------------------------------------------------------------------------

local function line_number(text, at)
  local _, n = text:sub(1, at):gsub("\n", "")
  return n + 1
end

local function blank(text) return (text:gsub("[^\n]", " ")) end

-- The code alone, everything at its place: no comments, strings, directives, assertions.
local function code_of(text)
  text = text:gsub("/%*.-%*/", blank)
  text = text:gsub('"[^"\n]*"', blank):gsub("'[^'\n]*'", blank)
  text = text:gsub("\n#[^\n]*", blank)
  return (text:gsub("%f[%w_]assert%s*%b()", blank))
end

local WAKES = {
  "give", "serve", "tell", "wake", "win", "unpark", "settle", "make_ready", "notice", "cut", "home",
}
local NO_CALLS = { ["return"] = true, ["while"] = true, ["if"] = true, ["switch"] = true, ["for"] = true }

local function is_wake(name)
  for _, word in ipairs(WAKES) do
    if name:find(word, 1, true) then return true end
  end
  return false
end

-- Calls that stand as a statement.
local function calls(code, wanted, add)
  for from, name, to in code:gmatch("\n +()([%a_][%w_]*)%b()();") do
    if not NO_CALLS[name] and is_wake(name) == wanted then add(from, to - 1, "(void)0") end
  end
end

local function conditions(code, add)
  for _, word in ipairs { "if", "while" } do
    for from, to in code:gmatch("%f[%w_]" .. word .. " ()%b()()") do
      add(from, to - 1, "(!" .. code:sub(from, to - 1) .. ")")
    end
  end
end

local SWAPPED = { ["<"] = "<=", ["<="] = "<", [">"] = ">=", [">="] = ">", ["=="] = "!=", ["!="] = "==",
                  ["&&"] = "||", ["||"] = "&&" }

local function comparisons(code, add)
  for from, sign, to in code:gmatch(" ()([<>=!&|]+)() ") do
    if SWAPPED[sign] then add(from, to - 1, SWAPPED[sign]) end
  end
end

-- No sites of numbers: what these get is a hint, or room that is asked for in plenty, and Lua has some places
-- more than it says. (To leave one of them out is a change like any other.)
local PLENTY = { "lua_createtable", "lua_checkstack", "luaL_checkstack" }

local function numbers(code, add)
  for _, name in ipairs(PLENTY) do code = code:gsub("%f[%w_]" .. name .. "%s*%b()", blank) end
  for from, number, to in code:gmatch("()%f[%w_.]([0-3])()%f[^%w_.]") do
    add(from, to - 1, number == "1" and "0" or tostring(number + 1))
  end
  for from, sign, to in code:gmatch("()([+-][+-])()") do
    add(from, to - 1, sign == "++" and "--" or "++")
  end
end

local KINDS = {
  { "drop a call", function(code, add) calls(code, false, add) end },
  { "drop a give-back or a wake", function(code, add) calls(code, true, add) end },
  { "negate a condition", conditions },
  { "swap a comparison", comparisons },
  { "off by one", numbers },
}

local function is_wanted(place)
  return options.at == "" or ("," .. options.at .. ","):find("," .. place .. ",", 1, true) ~= nil
end

-- For each kind, every site in every file.
local function all_sites()
  local sites = {}
  local files = lines_of("cd " .. TREE .. " && ls csrc/kernel/*.[ch] csrc/bind/*.c")
  for k, kind in ipairs(KINDS) do
    sites[k] = {}
    for _, path in ipairs(files) do
      local text = read(TREE .. "/" .. path)
      kind[2](code_of(text), function(from, to, instead)
        local site = { path = path, kind = kind[1], from = from, to = to, instead = instead }
        site.line = line_number(text, from)
        if path:find(options.only) and is_wanted(("%s:%d"):format(path, site.line)) then
          table.insert(sites[k], site)
        end
      end)
    end
  end
  return sites
end

-- An order of all sites, the kinds in turn.
local function draw(sites)
  local order, left = {}, true
  math.randomseed(options.seed)
  while left do
    left = false
    for _, of_kind in ipairs(sites) do
      if #of_kind > 0 then
        left = true
        order[#order + 1] = table.remove(of_kind, math.random(#of_kind))
      end
    end
  end
  return order
end

-- ---- tests --------------------------------------------------------------------------------------

-- The explorers' own objects are made once, the kernel's once for each mutant.
local EXPLORE = "mkdir -p build/explore && cd build/explore && cc -std=c11 -O1 -I../../csrc/kernel -c "

local function explorer(path)
  local name = path:match("([%w_]+)_explore%.c$")
  return {
    name = "explorer " .. name, concept = name, seconds = 120, catches = 0,
    build = EXPLORE .. "../../" .. path,
    command = ("cc build/explore/*_kernel.o build/explore/%s_explore.o -o build/explore/program && " ..
      "EXPLORE_SCALE=%g ./build/explore/program"):format(name, options.scale),
  }
end

local function kernel_builds()
  return succeeds("mkdir -p build/explore && for file in csrc/kernel/*.c; do " ..
    "cc -std=c11 -O1 -c $file -o build/explore/$(basename $file .c)_kernel.o || exit 1; done", 60)
end

-- A build with assertions, as `make check` has it; the specs stop at the first failure.
local MAKE = "make -s --no-print-directory OUT=build/test "
local BUSTED = "LUA_PATH='./lua/?.lua;./lua/?/init.lua;;' LUA_CPATH='./build/test/?.so;;' " ..
  "WEIR_BUILD=build/test lua5.4 $(command -v busted) --ignore-lua --no-keep-going "

local function spec(path)
  local concept = path:match("([%w_]+)_spec%.lua$")
  return {
    name = path, path = path, concept = concept, seconds = 60, catches = 0, again = AGAIN[concept],
    command = BUSTED .. path,
  }
end

local function memory()
  return { name = "make oom", concept = "oom", seconds = 600, catches = 0,
    command = MAKE .. "CFLAGS=-O0 check-oom" }
end

local function fails(test)
  if succeeds(test.command, test.seconds) then return false end
  return not (test.again and succeeds(test.command, test.seconds))
end

-- The lines of the core that a spec goes through: lines[path][number] is true, or false if it does not;
-- a line that gcov does not know (one that goes on from the line before) is nil.
local function lines_of_spec(test)
  local lines, file = {}, nil
  if not test.path then return lines end
  os.execute("rm -f " .. TREE .. "/build/counted/weir/*.gcda")
  succeeds(BUSTED:gsub("build/test", "build/counted") .. test.path, test.seconds)
  for _, said in ipairs(lines_of("cd " .. TREE .. " && gcov -t build/counted/weir/*.gcda 2>/dev/null")) do
    local count, number, text = said:match("^%s*([%d#%-]+)%*?:%s*(%d+):(.*)$")
    if number == "0" then
      local path = text:match("^Source:(.*)$")
      if path then
        file = {}
        lines[path] = file
      end
    elseif file and number and count ~= "-" then file[tonumber(number)] = not count:find("#") end
  end
  return lines
end

local function goes_through(test, site)
  if not test.lines or not test.lines[site.path] then return true end
  return test.lines[site.path][site.line] ~= false
end

local function chosen(tests)
  local list = {}
  for _, test in ipairs(tests) do
    local is_chosen = options.tests == ""
    for word in options.tests:gmatch("[^,]+") do is_chosen = is_chosen or test.name:find(word, 1, true) end
    if is_chosen then list[#list + 1] = test end
  end
  return list
end

-- The tests that pass on the tree as it is; the time that each takes bounds it from now on.
local function baseline(tests)
  local green = {}
  for _, test in ipairs(chosen(tests)) do
    if test.build then assert(succeeds(test.build, 60), test.build) end
    local began = now()
    if fails(test) then say("left out, it fails on the tree as it is: %s", test.name)
    else
      test.took = now() - began
      test.seconds = math.ceil(10 + 15 * test.took)    -- the machine may be busier later
      test.lines = lines_of_spec(test)
      green[#green + 1] = test
    end
  end
  return green
end

-- The tests in the order of trying for a mutant of a file: those of the same concept, then those that
-- caught most in the least time so far.
local function ordered(tests, path)
  local concept = path:match("([%w_]+)%.[ch]$")
  local list = {}
  for i, test in ipairs(tests) do
    local near = test.concept == concept and 0 or test.concept:find(concept, 1, true) and 1 or 2
    list[i] = { test = test, near = near, cost = test.took / (1 + test.catches) }
  end
  table.sort(list, function(one, other)
    if one.near ~= other.near then return one.near < other.near end
    if one.cost ~= other.cost then return one.cost < other.cost end
    return one.test.name < other.test.name
  end)
  return list
end

-- ---- one mutant --------------------------------------------------------------------------------

local function core() return read(TREE .. "/build/test/weir/core.so") end

local function builds(level) return succeeds(MAKE .. "build CFLAGS=-O" .. level, 240) end

-- Make the change; false if it does not compile.
local function change(site, text)
  write(TREE .. "/" .. site.path, text:sub(1, site.from - 1) .. site.instead .. text:sub(site.to + 1))
  return builds(0)
end

-- What the explorers are built of, of the tree as it is now.
local function explorers_build(site, tests)
  if site.path:find("%.h$") then
    for _, test in ipairs(tests.explorers) do
      if not succeeds(test.build, 60) then return false end
    end
  end
  return kernel_builds()
end

-- The name of the test that fails; nil if none does.
local function catcher(site, tests)
  local which = { tests.specs, tests.last }
  if site.path:find("kernel/", 1, true) then
    if not explorers_build(site, tests) then return "the explorers' build" end
    table.insert(which, 1, tests.explorers)
  end
  for _, list in ipairs(which) do
    for _, entry in ipairs(ordered(list, site.path)) do
      if goes_through(entry.test, site) and fails(entry.test) then
        entry.test.catches = entry.test.catches + 1
        return entry.test.name
      end
    end
  end
end

-- Does the change make the same code when the compiler does its best?
local function is_same(site, optimised)
  os.execute("touch " .. TREE .. "/" .. site.path)
  return builds(2) and core() == optimised
end

-- The function that a site is in: the last name before it that stands in the first column's line.
local function function_of(site, text)
  local name = "-"
  for found in ("\n" .. text:sub(1, site.from)):gmatch("\n[%a_][^\n;=]-([%w_]+) %(") do name = found end
  return name
end

local function describe(site, text)
  local shown = text:sub(site.from, site.to):gsub("%s+", " ")
  return ("%s:%d %s, %s: %s"):format(site.path, line_number(text, site.from), function_of(site, text),
                                     site.kind, shown)
end

-- ---- all of it ---------------------------------------------------------------------------------

local function prepare()
  os.execute("rm -rf build/mutate && mkdir -p " .. TREE)
  assert(os.execute("tar cf - --exclude=./build --exclude=./.git . | tar xf - -C " .. TREE))
  local tests = { explorers = {}, specs = {} }
  for i, path in ipairs(lines_of("ls spec/kernel/*_explore.c")) do tests.explorers[i] = explorer(path) end
  for _, path in ipairs(lines_of("ls spec/*_spec.lua spec/regress/*_spec.lua 2>/dev/null")) do
    local test = spec(path)
    local wanted = true
    for _, word in ipairs(LEFT_OUT) do wanted = wanted and test.concept ~= word end
    if wanted then table.insert(tests.specs, test) end
  end
  assert(builds(2), "the tree as it is does not build")
  local optimised = core()
  os.execute("touch " .. TREE .. "/csrc/weir.c")
  assert(builds(0) and kernel_builds())
  assert(succeeds("make -s --no-print-directory OUT=build/counted CFLAGS='-O0 --coverage' build", 240))
  return {
    explorers = baseline(tests.explorers), specs = baseline(tests.specs),
    last = baseline(options.memory == 1 and { memory() } or {}),
  }, optimised
end

local function main()
  for _, argument in ipairs(arg) do
    local name, value = argument:match("^(%w+)=(.*)$")
    assert(name and options[name], "unknown argument " .. argument)
    options[name] = tonumber(value) or value
  end
  say("seed %d", options.seed)
  local tests, optimised = prepare()
  local number, caught, survivors = 0, 0, {}
  for _, site in ipairs(draw(all_sites())) do
    if number == options.count then break end
    local text = read(TREE .. "/" .. site.path)
    if change(site, text) then
      local by = catcher(site, tests)
      if by or not is_same(site, optimised) then
        number = number + 1
        if by then caught = caught + 1 else survivors[#survivors + 1] = describe(site, text) end
        say("%4d %s: %s", number, describe(site, text), by or "SURVIVES")
      end
    end
    write(TREE .. "/" .. site.path, text)
    if site.path:find("kernel/.*%.h$") then assert(explorers_build(site, tests)) end
  end
  say("seed %d: %d mutants, %d caught (%.1f %%)", options.seed, number, caught,
      100 * caught / math.max(number, 1))
  for _, survivor in ipairs(survivors) do say("  survives: %s", survivor) end
  os.exit(caught >= 0.95 * number)
end

main()
