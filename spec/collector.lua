-- SPDX-License-Identifier: MIT
-- collector.lua -- the suite with a collector that is in the way. Lua runs it first of all, in the programs
-- that specs start as well: LUA_INIT_5_4=@spec/collector.lua, with WEIR_COLLECTOR one of
--
--   step          a step at every allocation at which Lua looks whether to collect
--   cycle         a whole collection there, inside the functions of weir's core, in one call out of sixteen
--   generational  generational mode, a young collection after each hundredth part of growth
--   reversed      finalizers of weir's objects run first object first; Lua's order is last object first
--
-- (cycle needs WEIR_COLLECTOR_CORE, the path of what spec/collector.c becomes.)
-- A spec that chooses another mode keeps this one, and `collectgarbage` tells it what it expects.

local mode = os.getenv "WEIR_COLLECTOR"

local collect = collectgarbage

local function stepping()
  collect("setpause", 0)                                -- the next cycle begins at once
  collect("incremental", 0, 200, 1)                     -- steps of two bytes; 0 leaves the pause as it is
end

-- ---- finalizers in the other order ------------------------------------------------------------------

-- The first objects of all are spare ones, of which every collection frees one: its finalizer is the last
-- that this collection calls. Those of weir's objects only take note; it calls them, in the opposite order.
-- What they let go of is freed a collection later: a collection that is asked for is made twice.
local SPARES = 20000

local function reverse()
  -- A program that a spec starts may want to be there before weir is loaded.
  if not (arg and arg[0] or ""):find("busted", 1, true) then return end
  local spares, waiting, finalizers, n = {}, {}, {}, 0
  local function run()
    local objects, those, many = waiting, finalizers, n
    waiting, finalizers, n = {}, {}, 0
    for i = 1, many do those[i](objects[i]) end
  end
  local meta = { __gc = function()
    spares[#spares] = nil
    run()
  end }
  for i = 1, SPARES do spares[i] = setmetatable({}, meta) end
  spares[#spares] = nil

  local seen = {}
  local function defer(x)
    local of = debug.getmetatable(x)
    local finalizer = of and rawget(of, "__gc")
    if not finalizer or seen[of] then return end
    seen[of] = true
    of.__gc = function(object)
      if #spares == 0 then return finalizer(object) end
      n = n + 1
      waiting[n], finalizers[n] = object, finalizer
    end
  end

  local found, core = pcall(require, "weir.core")
  if not found then return end                          -- a program that knows nothing of weir
  local tx, rx = core.mpsc(4)                           -- one of each kind, for its metatable
  local mtx, mrx = core.mpmc(4)
  local btx, brx = core.broadcast(4)
  local otx, orx = core.oneshot()
  local wtx, wrx = core.watch(1)
  local permit = core.semaphore(1):try_acquire()
  local guard <close> = core.mutex(1):try_lock()
  local reader <close> = core.rwlock(1):try_read()
  local writer <close> = core.rwlock(1):try_write()
  local token = core.cancellation_token():drop_guard()
  for _, x in ipairs {
    tx, rx, tx:weak(), tx:try_reserve(), tx:reservation(), mtx, mrx, mtx:weak(), btx, brx, btx:weak(),
    otx, orx, wtx, wrx, permit, guard, reader, writer, token, core.join_set(), core.after(1),
    core.interval(1),
  } do
    defer(x)
    if x.drop then x:drop() end
  end
  -- A box has the metatable of its kind, which is made with those fields of the boxes' metatable.
  local new_kind = core.new_kind
  core.new_kind = function(...)
    local make, known = new_kind(...), false
    return function(...)
      local box = make(...)
      if not known then
        known = true
        defer(box)
      end
      return box
    end
  end
end

-- ---- the modes --------------------------------------------------------------------------------------

local modes = {
  step = stepping,
  generational = function() collect("generational", 1, 100) end,
  reversed = reverse,
  cycle = function() assert(package.loadlib(os.getenv "WEIR_COLLECTOR_CORE", "luaopen_collector"))() end,
}

local pretended = "incremental"
local settings = { setpause = 200, setstepmul = 100 }

-- What the mode fixes is not changed, but remembered.
local function fixed(option, value)
  if option == "incremental" or option == "generational" then
    local before = pretended
    pretended = option
    return before
  end
  local before = settings[option]
  settings[option] = value or 0
  return before
end

if modes[mode] then
  modes[mode]()
  collect()
  collectgarbage = function(option, ...)                -- luacheck: ignore
    if settings[option] or option == "incremental" or option == "generational" then
      return fixed(option, ...)
    end
    if mode == "reversed" and (option or "collect") == "collect" then collect() end
    return collect(option, ...)
  end
end
