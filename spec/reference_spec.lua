-- reference_spec.lua -- every public name stands in the annotations and in the reference, and no other does.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local program = require "spec.program"

-- ---- what there is ----------------------------------------------------------------------------------

-- The metatables of the core's kinds are user values of its scheduler, which is an upvalue of its functions.
local function core_kinds()
  local kinds = {}
  local _, scheduler = debug.getupvalue(weir.mpsc, 1)
  local i, value, valid = 1, debug.getuservalue(scheduler, 1)
  while valid do
    local name = type(value) == "table" and rawget(value, "__name")
    if name and name ~= "weir.Box" then kinds[name:match "^weir%.(.+)$"] = value.__index end
    i = i + 1
    value, valid = debug.getuservalue(scheduler, i)
  end
  return kinds
end

local function methods_of(handle)
  return debug.getmetatable(handle).__index
end

local function optional(name)
  local ok, module = pcall(require, name)
  return ok and module or nil
end

local function stream_kinds()
  local stream = require "weir.stream"
  return { Stream = methods_of(stream.from {}), StreamMap = methods_of(stream.map_of()) }
end

-- The methods of a class that is its own metatable.
local function public_of(class)
  local names = {}
  for name, value in pairs(class) do
    if type(value) == "function" and not name:find "^_" then names[name] = value end
  end
  return names
end

local function actor_kinds()
  local reference = require "weir.actor.reference"
  local supervise = require "weir.actor.supervise"
  return {
    ["weir.actor.Reference"] = public_of(reference.Reference),
    ["weir.actor.WeakReference"] = public_of(reference.Weak),
    ["weir.actor.Supervisor"] = public_of(supervise.Handle),
    ["weir.actor.Timed"] = public_of(reference.Timed),
    ["weir.actor.Self"] = require("weir.actor.cell").Self,
  }
end

local function luv_kinds()
  local uv, luv = require "luv", require "weir.luv"
  local connection <close> = luv.connection(uv.new_pipe(false))
  local methods = methods_of(connection)
  local process
  luv.run(function()
    local running <close> = assert(luv.spawn_process("/bin/true", { stdout = "null" }))
    process = methods_of(running)
    running:wait()
  end)
  return { ["luv.Connection"] = methods, ["luv.Process"] = process }
end

local function none() return {} end

-- Every module: its pages, and its kinds with their methods. `loop` stands in weir.
local core_pages = {
  "weir", "run", "task", "join_set", "cancellation", "time", "handles", "mpsc", "mpmc", "oneshot", "watch",
  "broadcast", "select", "semaphore", "lock", "notify", "barrier", "once", "loop", "dump",
}
local modules = {
  { name = "weir", pages = core_pages, kinds = core_kinds },
  { name = "weir.stream", pages = { "stream" }, kinds = stream_kinds },
  { name = "weir.actor", pages = { "actor" }, kinds = actor_kinds },
  { name = "weir.test", pages = { "test" }, kinds = none },
  { name = "weir.trace", pages = { "trace" }, kinds = none },
  { name = "weir.console", pages = { "console" }, kinds = none },
  { name = "weir.luv", pages = { "luv" }, kinds = luv_kinds, needs = "luv" },
  { name = "weir.cqueues", pages = { "cqueues" }, kinds = none, needs = "cqueues" },
}

-- Where the methods of each kind are explained, and what an object of it is called there. What mpmc shares
-- with mpsc stands there; what all handles have may stand in "handles", where one is called h.
local explained_in = {
  ["mpsc.Sender"] = { "tx", "mpsc" }, ["mpsc.Receiver"] = { "rx", "mpsc" },
  ["mpsc.Permit"] = { "permit", "mpsc" }, ["mpsc.Reservation"] = { "reservation", "mpsc" },
  ["mpsc.WeakSender"] = { "weak", "mpsc" },
  ["mpmc.Sender"] = { "tx", "mpsc", "mpmc" }, ["mpmc.Receiver"] = { "rx", "mpsc", "mpmc" },
  ["mpmc.WeakSender"] = { "weak", "mpsc", "mpmc" },
  ["oneshot.Sender"] = { "tx", "oneshot" }, ["oneshot.Receiver"] = { "rx", "oneshot" },
  ["watch.Sender"] = { "tx", "watch" }, ["watch.Receiver"] = { "rx", "watch" },
  ["broadcast.Sender"] = { "tx", "broadcast" }, ["broadcast.Receiver"] = { "rx", "broadcast" },
  ["broadcast.WeakSender"] = { "weak", "broadcast" },
  Semaphore = { "semaphore", "semaphore" }, SemaphorePermit = { "permit", "semaphore" },
  Mutex = { "mutex", "lock" }, MutexGuard = { "guard", "lock" }, RwLock = { "rwlock", "lock" },
  RwLockReadGuard = { "guard", "lock" }, RwLockWriteGuard = { "guard", "lock" },
  Notify = { "notify", "notify" }, Barrier = { "barrier", "barrier" }, Once = { "once", "once" },
  CancellationToken = { "token", "cancellation" }, DropGuard = { "guard", "cancellation" },
  Task = { "task", "task" }, JoinSet = { "set", "join_set" }, Timer = { "timer", "time" },
  Interval = { "interval", "time" }, Closed = { "closed", "select" },
  Stream = { "s", "stream" }, StreamMap = { "m", "stream" },
  ["weir.actor.Reference"] = { "ref", "actor" }, ["weir.actor.WeakReference"] = { "weak", "actor" },
  ["weir.actor.Supervisor"] = { "sup", "actor" }, ["weir.actor.Timed"] = { "ref", "actor" },
  ["weir.actor.Self"] = { "self", "actor" },
  ["luv.Connection"] = { "conn", "luv" }, ["luv.Process"] = { "process", "luv" },
}

-- ---- what is annotated ------------------------------------------------------------------------------

local function path_of(module)
  return "lua/weir/meta/" .. (module:match "^weir%.(.+)$" or "weir") .. ".lua"
end

-- What the file of a module says. functions: "loop.step" to its parameters; classes: each with its parent and
-- its methods; blocks: the annotations of each function, with the parameters that it really has.
local function annotations(module)
  local notes, variables, blocks = { functions = {}, classes = {}, blocks = {} }, {}, {}
  local class
  local function note(owner, mark, name, parameters)
    if mark == ":" then
      notes.classes[variables[owner]].methods[name] = parameters
    else
      notes.functions[((owner:match "%.(.+)$" or "") .. "." .. name):match "^%.?(.+)$"] = parameters
    end
    notes.blocks[owner .. mark .. name] = { text = table.concat(blocks, "\n"), parameters = parameters }
  end
  for line in (program.read(path_of(module)) .. "\n"):gmatch "([^\n]*)\n" do
    local name, rest = line:match "^%-%-%-@class ([%w_.]+)(.*)"
    if name then
      class = name
      notes.classes[class] = { parent = rest:match ":%s*([%w_.]+)", methods = {} }
    end
    local variable = line:match "^local ([%w_]+) = {}"
    if variable then variables[variable] = class end
    local owner, mark, method, parameters = line:match "^function ([%w_.]+)([.:])([%w_]+)%((.-)%) end$"
    if owner then note(owner, mark, method, parameters) end
    if line:find "^%-%-%-" then blocks[#blocks + 1] = line else blocks = {} end
  end
  return notes
end

local function all_annotations()
  local notes = {}
  for _, module in ipairs(modules) do notes[module.name] = annotations(module.name) end
  return notes
end

local notes_of = all_annotations()

local function find_class(name)
  for _, notes in pairs(notes_of) do
    if notes.classes[name] then return notes.classes[name] end
  end
end

-- The methods that a class has, its parents' among them.
local function annotated_methods(name)
  local methods = {}
  local class = find_class(name)
  while class do
    for method in pairs(class.methods) do methods[method] = true end
    class = class.parent and find_class(class.parent)
  end
  return methods
end

-- ---- comparing --------------------------------------------------------------------------------------

local function sorted(set)
  local list = {}
  for key in pairs(set) do list[#list + 1] = key end
  table.sort(list)
  return list
end

-- The keys of `a` that `b` has not.
local function missing(a, b)
  local list = {}
  for _, key in ipairs(sorted(a)) do
    if not b[key] then list[#list + 1] = key end
  end
  return list
end

-- The public functions of a module, those of a table in it with its name before them.
local function functions_of(module)
  local functions = {}
  for name, value in pairs(module) do
    if type(value) == "function" then
      functions[name] = value
    elseif type(value) == "table" and not tostring(name):find "^_" then
      for inner in pairs(value) do functions[name .. "." .. inner] = true end
    end
  end
  return functions
end

local function page(name)
  return program.read("docs/reference/" .. name .. ".md")
end

-- The calls that headings of pages explain: "### tx:send(v), tx:close()" explains "tx:send" and "tx:close".
local function headings_of(pages)
  local calls = {}
  for _, name in ipairs(pages) do
    for line in page(name):gmatch "[^\n]+" do
      for call in (line:match "^#+ (.*)" or ""):gmatch "[%w_.]+:?[%w_]+" do calls[call] = true end
    end
  end
  return calls
end

local function is_handle(methods)
  return methods.drop and methods.move
end

-- A module that cannot be loaded here, its library not being there, is not looked at.
for _, module in ipairs(modules) do
  local loaded = not module.needs or optional(module.needs)
  local describe_it = loaded and describe or pending
  describe_it("every public name of " .. module.name, function()
    local notes, kinds = notes_of[module.name], nil

    lazy_setup(function() kinds = module.kinds() end)

    it("that is a function is annotated, and nothing else is", function()
      local functions = functions_of(require(module.name))
      assert.same({}, missing(functions, notes.functions))
      assert.same({}, missing(notes.functions, functions))
    end)

    it("that is a function has a heading in the reference", function()
      local explained, functions = headings_of(module.pages), {}
      for name in pairs(functions_of(require(module.name))) do
        functions[module.name:match "%w+$" .. "." .. name] = true
      end
      assert.same({}, missing(functions, explained))
    end)

    it("that is neither function nor table is an annotated field with a heading", function()
      local text, explained = program.read(path_of(module.name)), headings_of(module.pages)
      for name, value in pairs(require(module.name)) do
        if type(value) ~= "function" and type(value) ~= "table" then
          assert.is_truthy(text:find("\n---@field " .. name .. " " .. type(value) .. "\n", 1, true), name)
          assert.is_truthy(explained[module.name:match "%w+$" .. "." .. name], name)
        end
      end
    end)

    it("that is a method is annotated, and nothing else is", function()
      for kind, methods in pairs(kinds) do
        if next(methods) then assert.is_truthy(find_class(kind), "no ---@class " .. kind) end
        local annotated = annotated_methods(kind)
        assert.same({}, missing(methods, annotated), kind)
        assert.same({}, missing(annotated, methods), kind)
      end
    end)

    it("that has methods is a kind that there is", function()
      for class, note in pairs(notes.classes) do
        local shared = class == "weir.Handle"
        assert.is_truthy(shared or kinds[class] or not next(note.methods), "there is no " .. class)
      end
    end)

    it("that is a method has a heading in the reference of its kind", function()
      for kind, methods in pairs(kinds) do
        local place = assert(explained_in[kind], "no page for " .. kind)
        local explained, of_handles = headings_of { table.unpack(place, 2) }, headings_of { "handles" }
        for method in pairs(methods) do
          local of_kind = explained[place[1] .. ":" .. method]
          local found = of_kind or is_handle(methods) and of_handles["h:" .. method]
          assert.is_truthy(found, ("no heading for %s:%s of %s"):format(place[1], method, kind))
        end
      end
    end)
  end)
end

-- ---- the annotations themselves ---------------------------------------------------------------------

describe("the annotations", function()
  it("are Lua, and return their module", function()
    for _, module in ipairs(modules) do
      local path = path_of(module.name)
      assert.equal("table", type(assert(loadfile(path))()), path)
      assert.matches("%-%-%-@meta " .. module.name .. "\n", program.read(path))
    end
  end)

  it("describe every parameter, by its name and in order", function()
    for module, notes in pairs(notes_of) do
      for name, block in pairs(notes.blocks) do
        local described = {}
        for parameter in block.text:gmatch "%-%-%-@param ([%w_.]+)" do
          if parameter ~= "self" then described[#described + 1] = parameter end
        end
        assert.equal(block.parameters, table.concat(described, ", "), module .. ": " .. name)
      end
    end
  end)

  -- Types are told by their capital, or by the dot in weir's own names.
  local function is_name_of_class(word)
    return word:find "^%u%l" or word:find "^[%l.]+%.%u"
  end

  it("speak of no class that is not there", function()
    local known = {}
    for _, module in ipairs(modules) do
      local text = program.read(path_of(module.name))
      for name in text:gmatch "%-%-%-@class ([%w_.]+)" do known[name] = true end
      for name in text:gmatch "%-%-%-@alias ([%w_.]+)" do known[name] = true end
    end
    for _, module in ipairs(modules) do
      for line in program.read(path_of(module.name)):gmatch "[^\n]+" do
        local types = line:match "^%-%-%-@%l+ (.*)" or line:match "^%-%-%-| (.*)" or ""
        for word in types:gsub("%s#.*", ""):gsub('"[^"]*"', ""):gmatch "[%w_.]+" do
          assert.is_truthy(known[word] or not is_name_of_class(word), ("%s: %s"):format(module.name, line))
        end
      end
    end
  end)

  it("give as reasons the six words and no other", function()
    local reasons, seen = { closed = 1, full = 1, empty = 1, timeout = 1, lagged = 1, cancelled = 1 }, {}
    for _, module in ipairs(modules) do
      for line in program.read(path_of(module.name)):gmatch "%-%-%-@return [^\n#]*reason[^\n]*" do
        for word in line:gmatch '"([^"]*)"' do
          assert.is_truthy(reasons[word], line)
          seen[word] = true
        end
      end
    end
    assert.is_true(seen.closed and seen.full and seen.empty and seen.timeout and seen.lagged)
  end)

  it("give a class for every word that weir.type says", function()
    for kind in pairs(core_kinds()) do
      assert.is_truthy(find_class(kind) or find_class("weir." .. kind), kind)
    end
  end)
end)

describe("the list of pages", function()
  it("holds every page of the reference", function()
    local listed = {}
    for _, module in ipairs(modules) do
      for _, name in ipairs(module.pages) do listed[name] = true end
    end
    for _, path in ipairs(program.list "ls docs/reference/*.md") do
      local name = path:match "([%w_]+)%.md$"
      assert.is_truthy(listed[name], name .. ".md belongs to no module")
    end
  end)
end)
