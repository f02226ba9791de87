-- SPDX-License-Identifier: MIT
-- hostile_spec.lua -- every public function and method with arguments of every kind, from every place that
-- Lua code can run in. Nothing may crash, nothing may raise an error from inside, and weir stays usable.
-- WEIR_HOSTILE_CALLS (how many) and WEIR_HOSTILE_SEED make it longer, or repeat one.

local weir = require "weir"
local helper = require "spec.helper"

local calls = tonumber(os.getenv "WEIR_HOSTILE_CALLS") or 30000
local seed = math.tointeger(tonumber(os.getenv "WEIR_HOSTILE_SEED")) or os.time()

local PER_ROUND = 40

-- ---- a source of numbers of its own -----------------------------------------------------------------

local state
local function random(n)
  state = state ~ (state << 13)
  state = state ~ (state >> 7)
  state = state ~ (state << 17)
  return (state >> 11) % n + 1
end

local function one_of(t)
  return t[random(#t)]
end

-- ---- one of everything ------------------------------------------------------------------------------

-- Each makes objects of the public kinds, in whatever state.
local makers = {
  function() return weir.mpsc(random(3)) end,
  function() return weir.mpmc(random(3)) end,
  function() return weir.unbounded() end,
  function() return weir.oneshot() end,
  function() return weir.watch(random(9)) end,
  function() return weir.broadcast(random(3)) end,
  function() return weir.broadcast(random(3), { overflow = "wait" }) end,
  function() return weir.mpsc(3):try_reserve_many(random(3)) end,
  function() return weir.mpsc(2):reservation() end,
  function() return weir.mpsc(2):weak() end,
  function() return weir.mpmc(2):weak() end,
  function() return weir.broadcast(2):weak() end,
  function() return weir.semaphore(random(4)), weir.semaphore(5):try_acquire(random(3)) end,
  function() return weir.notify() end,
  function()
    local m = weir.mutex(1)
    return m, m:try_lock()
  end,
  function()
    local rw = weir.rwlock(1)
    return rw, rw:try_read(), weir.rwlock(2):try_write()
  end,
  function() return weir.barrier(random(3)) end,
  function() return weir.once() end,
  function()
    local token = weir.cancellation_token()
    return token, token:child(), token:drop_guard()
  end,
  function() return weir.after(random(3)), weir.interval(random(3)) end,
  function() return weir.join_set(), weir.join_set(random(2)) end,
  function() return weir.spawn(function() weir.sleep(random(3)) end) end,
  function() return weir.closed((weir.mpsc(1))) end,
}

-- A state that it may be in when it is used: as made, dropped, moved, sent, owned by a task that ended.
local function disturb(x)
  local how = random(8)
  if how == 1 then pcall(function() x:drop() end)
  elseif how == 2 then pcall(function() x:close() end)
  elseif how == 3 then pcall(function() x:move() end)
  elseif how == 4 then pcall(function() (weir.unbounded()):send(x) end)
  elseif how == 5 then pcall(weir.spawn, function() end, x)
  end
end

local function functions()
  return one_of {
    function() end,
    function(...) return ... end,
    function() return true end,
    function() error "mine" end,
    function() error { "mine" } end,
    function() weir.yield() end,
    function(x) pcall(function() x:drop() end) end,
    print and tostring, string.rep, next,
  }
end

local values = {
  function() return nil end,
  function() return true end,
  function() return false end,
  function()
    return one_of { 0, 1, 2, 3, -1, 1.5, math.huge, -math.huge, 0 / 0, math.maxinteger, math.mininteger,
      2 ^ 31, 2 ^ 31 - 1, 2 ^ 53, 1e308, -0.0 }
  end,
  function() return one_of { "", "1", "x", "closed", ("y"):rep(300), "\0", "burst", "wait" } end,
  functions, functions,
  function() return {} end,
  function()
    return one_of { { 1 }, { overflow = "wait" }, { overflow = {} }, { missed = "skip" }, { missed = 1 },
      { delay = -1 }, { reply = 1 }, { n = 3 }, { false, false } }
  end,
  function()
    return setmetatable({}, { __name = 7, __index = function() error "index" end,
      __call = function() error "call" end, __tostring = function() error "tostring" end,
      __len = function() return -1 end })
  end,
  function() return coroutine.create(function() end) end,
  function() return coroutine.running() end,
  function() return io.stdout end,
  function() return io.tmpfile end,
}

local function object()
  local made = table.pack(one_of(makers)())
  local x = made[random(made.n)]
  disturb(x)
  return x
end

local kept = {}

local function value()
  local n = random(10)
  if n <= 3 then return object() end
  if n == 4 and #kept > 0 then return one_of(kept) end
  if n == 5 then return { object(), value() } end
  if n == 6 then return { a = object(), b = object(), [1] = functions() } end
  return one_of(values)()
end

local function arguments()
  local n = random(5) - 1
  local args = { n = n }
  for i = 1, n do args[i] = value() end
  return args
end

-- ---- everything public ------------------------------------------------------------------------------

-- What would end the specs themselves, or sleep on the real clock, is called with care by specs of its own.
local spared = { run = true, loop = true, debug = true, on_error = true, _VERSION = true, channels = true }

local module = {}
for name, f in pairs(weir) do
  if type(f) == "function" and not spared[name] then
    module[#module + 1] = { name = "weir." .. name, f = f }
  end
end
table.sort(module, function(a, b) return a.name < b.name end)

-- The methods and metamethods of an object, of any kind.
local function methods_of(x)
  local meta, names = debug.getmetatable(x), {}
  if type(meta) ~= "table" then return names end
  local index = rawget(meta, "__index")
  if type(index) == "table" then
    for name, f in pairs(index) do names[#names + 1] = { name = name, f = f } end
  end
  for name, f in pairs(meta) do
    if type(f) == "function" and name ~= "__gc" and name ~= "__index" then
      names[#names + 1] = { name = name, f = f }
    end
  end
  table.sort(names, function(a, b) return a.name < b.name end)
  return names
end

-- ---- places to call from ----------------------------------------------------------------------------

local places = {
  function(f) f() end,
  function(f) f() end,
  function(f) f() end,
  function(f) coroutine.wrap(f)() end,
  function(f) weir.wrap(f)() end,
  function(f) string.gsub("x", "x", function() f() end) end,
  function(f) table.sort({ 1, 2 }, function(a, b)
    f()
    return a < b
  end) end,
  function(f) return setmetatable({}, { __index = f }).x end,
  function(f) return tostring(setmetatable({}, { __tostring = function()
    f()
    return ""
  end })) end,
  function(f)
    local _ <close> = setmetatable({}, { __close = f })
  end,
  function(f)
    local _ <close> = setmetatable({}, { __close = f })
    error "while an error passes"
  end,
  function(f)
    setmetatable({}, { __gc = f })
    collectgarbage()
  end,
  function(f)
    debug.sethook(function()
      debug.sethook()
      f()
    end, "", 1)
    local _ = 1 + 1
    debug.sethook()
  end,
  function(f) xpcall(error, f) end,
  function(f) weir.timeout(random(2) - 1, f) end,
  function(f) weir.scope(f) end,
  function(f) weir.cancellation_token():run_until_cancelled(f) end,
  function(f) weir.spawn(f) end,
  function(f)                                    -- while it is being aborted
    local task = weir.spawn(function()
      local _ <close> = setmetatable({}, { __close = f })
      weir.sleep(1)
    end)
    weir.yield()
    task:abort()
    weir.yield()
  end,
  function(f)                                    -- as the iterator of a loop, and again as its closing value
    for _ in f, nil, nil, setmetatable({}, { __close = f }) do f() end
  end,
}

-- ---- one call ---------------------------------------------------------------------------------------

local last                                       -- what was called, for a failure's sake

-- An error of a library that was used wrongly names its user's mistake; one from inside names the library's.
local function proper(err)
  if type(err) ~= "string" then return true end
  local inside = err:match "^[^\n]*lua/weir/[%w_/]+%.lua:%d+: attempt to[^\n]*"
    or err:match "^[^\n]*stack overflow"
  return not inside, inside
end

local wrong = {}

local function call(f, args)
  local r = table.pack(pcall(f, table.unpack(args, 1, args.n)))
  if not r[1] then
    local ok, why = proper(r[2])
    if not ok then wrong[#wrong + 1] = last .. ": " .. why end
  end
  for i = 2, r.n do
    if type(r[i]) == "userdata" and #kept < 30 then kept[#kept + 1] = r[i] end
  end
end

local function hostile_call()
  local f, args, name
  if random(4) == 1 then
    local entry = one_of(module)
    f, name, args = entry.f, entry.name, arguments()
  else
    local x = object()
    if random(3) == 1 and #kept > 0 then x = one_of(kept) end
    local names = methods_of(x)
    if #names == 0 then return end
    local entry = one_of(names)
    f, args = entry.f, arguments()
    name = (weir.type(x) or type(x)) .. ":" .. entry.name
    if random(8) > 1 then                        -- else: the method of one kind on something else
      table.insert(args, 1, x)
      args.n = args.n + 1
    end
  end
  return function()
    last = name
    call(f, args)
  end
end

local function round()
  for _ = 1, PER_ROUND do
    local f = hostile_call()
    if f then weir.spawn(pcall, one_of(places), f) end
    if random(4) == 1 then weir.yield() end
    if random(12) == 1 then collectgarbage "step" end
  end
  for _ = 1, 5 do weir.yield() end
end

-- What weir must still be able to do.
local function usable()
  assert.same({}, weir.tasks())
  weir.run_paused(function()
    local tx, rx = weir.mpsc(1)
    local sum = 0
    local task = weir.spawn(function(sender)
      for i = 1, 4 do assert(sender:send(i)) end
      weir.sleep(1)
    end, tx)
    for v in rx do sum = sum + v end
    assert.equal(10, sum)
    assert.is_true(task:join())
  end)
end

describe("hostile use", function()
  local previous
  before_each(function()
    state = (seed * 0x9E3779B97F4A7C15 + 1) | 1
    wrong, kept = {}, {}
    previous = weir.on_error(function() end)
  end)
  after_each(function()
    weir.on_error(previous)
    debug.sethook()
    kept = {}
    helper.collect()
  end)

  it("inside a run raises ordinary errors, and leaves weir usable", function()
    for _ = 1, calls // PER_ROUND do
      kept = {}
      pcall(weir.run_paused, round)
      assert.same({}, wrong, "seed " .. seed)
      usable()
    end
  end)

  it("outside of any task raises ordinary errors, and leaves weir usable", function()
    for i = 1, calls // 4 do
      local f = hostile_call()
      if f then pcall(one_of(places), f) end
      if i % 200 == 0 then
        kept = {}
        pcall(weir.run_paused, weir.yield)       -- the tasks that were spawned
        assert.same({}, wrong, "seed " .. seed)
      end
    end
    pcall(weir.run_paused, weir.yield)
    usable()
  end)

  it("of the hooks of other loops and of errors leaves weir usable", function()
    for _, hook in ipairs { weir.on_error, weir.loop.on_wake } do
      for _ = 1, 200 do
        local v = one_of(values)()
        local ok, before = pcall(hook, v)
        if ok and hook == weir.on_error then weir.on_error(before) end
        pcall(weir.spawn, error, {})
        pcall(weir.loop.step, one_of { 0, -1, 0 / 0, "x", {} })
      end
      pcall(weir.loop.on_wake, nil)
    end
    pcall(weir.run_paused, weir.yield)
    usable()
  end)

  it("of run, from a task and with anything, leaves weir usable", function()
    for _ = 1, 300 do
      pcall(one_of { weir.run, weir.run_paused }, functions(), table.unpack(arguments()))
      pcall(weir.run_paused, function()
        pcall(one_of { weir.run, weir.loop.step, weir.loop.end_all }, value())
      end)
    end
    usable()
  end)
end)
