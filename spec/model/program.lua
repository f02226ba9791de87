-- SPDX-License-Identifier: MIT
-- program.lua -- random programs on a channel and on its model, outcome by outcome; shrinks a failing one.

local weir = require "weir"
local Sim = require "spec.model.sim"
local channel = require "spec.model.channel"
local others = require "spec.model.others"

local pack = table.pack

local program = {}

-- kind -> makes the world: its handles, its operations
program.kinds = {
  { "mpsc, capacity 1", function(s, w) return channel(weir, s, w, 1, false) end },
  { "mpsc, capacity 3", function(s, w) return channel(weir, s, w, 3, false) end },
  { "unbounded", function(s, w) return channel(weir, s, w, 0, false, true) end },
  { "mpmc, capacity 1", function(s, w) return channel(weir, s, w, 1, true) end },
  { "mpmc, capacity 3", function(s, w) return channel(weir, s, w, 3, true) end },
  { "oneshot", function(s, w) return others.oneshot(weir, s, w) end },
  { "watch", function(s, w) return others.watch(weir, s, w) end },
  { "broadcast, capacity 1", function(s, w) return others.broadcast(weir, s, w, 1) end },
  { "broadcast, capacity 3", function(s, w) return others.broadcast(weir, s, w, 3) end },
  { "broadcast that waits, capacity 2", function(s, w) return others.broadcast(weir, s, w, 2, true) end },
  { "semaphore", function(s, w) return others.semaphore(weir, s, w, 3) end },
  { "mutex", function(s, w) return others.mutex(weir, s, w) end },
  { "rwlock", function(s, w) return others.rwlock(weir, s, w) end },
  { "notify", function(s, w) return others.notify(weir, s, w) end },
}

-- ---- a source of numbers that nobody else disturbs --------------------------------------------------

local function source(seed)
  local x = (seed * 0x9E3779B97F4A7C15 + 1) | 1
  return function(n)
    x = x ~ (x << 13)
    x = x ~ (x >> 7)
    x = x ~ (x << 17)
    return (x >> 11) % n
  end
end

-- A program: an array of steps, each of which means something in whatever state it meets.
function program.draw(seed, steps)
  local random = source(seed)
  local p = {}
  for i = 1, steps do
    p[i] = { random(1 << 20), random(1 << 20), random(1 << 20), random(1 << 20) }
  end
  return p
end

-- ---- the world: both sides of everything ------------------------------------------------------------

local MOST_TASKS, MOST_HANDLES = 6, 12

local function new_world(sim)
  local w = { handles = {}, last = 0, cargos = {} }
  function w.add(real, model)
    local h = { real = real, model = model }
    w.handles[#w.handles + 1] = h
    return h
  end
  function w.value()
    w.last = w.last + 1
    return w.last
  end
  -- The nth live handle of a role (of any, if nil).
  function w.pick(role, n)
    local live = {}
    for _, h in ipairs(w.handles) do
      if h.model.live and (role == nil or h.model.role == role) then live[#live + 1] = h end
    end
    return live[n % math.max(#live, 1) + 1]
  end
  function w.count()
    local n = 0
    for _, h in ipairs(w.handles) do
      if h.model.live then n = n + 1 end
    end
    return n
  end
  -- A handle to be sent: that it is alive is seen at the other end.
  function w.cargo()
    local tx, rx = weir.oneshot()
    local model = { kind = "oneshot.Sender", role = "cargo", live = true, drop = function() end }
    w.cargos[#w.cargos + 1] = { rx = rx, model = model }
    return tx, model
  end
  w.keep = w.add
  function w.drop_model(model)
    if not model.live then return end
    model.live = false
    if model.cut then model.cut(model) end
    if model.drop then model.drop(model) end
  end
  w.sim = sim
  return w
end

-- ---- steps that every kind has ----------------------------------------------------------------------

local function drop_step(w, n)
  local h = w.pick(nil, n)
  if not h or h.model.shared then return end
  return { name = "drop " .. h.model.role, real = function() return h.real:drop() end,
    model = function()
      w.drop_model(h.model)
      return pack(true)
    end }
end

-- The end goes on in a fresh handle; who waits through the old one is told.
local function move_step(w, n)
  local h = w.pick(nil, n)
  if not h or h.model.shared or h.model.role == "cargo" then return end
  return { name = "move " .. h.model.role, real = function() return h.real:move() end,
    model = function()
      local old, fresh = h.model, {}
      if old.copy then fresh = old.copy()
      else
        for k, v in pairs(old) do fresh[k] = v end
      end
      old.live = false
      if old.cut then old.cut(old) end
      return pack(fresh)
    end }
end

-- ---- comparing --------------------------------------------------------------------------------------

local function word(v)
  if type(v) == "userdata" then return weir.type(v) or "userdata" end
  if type(v) == "table" and v.kind then return v.kind end
  return v
end

local function show(r)
  if r == nil then return "still waits" end
  if r.error then return "an error" end
  if r.aborted then return "aborted" end
  local words = {}
  for i = 1, r.n do words[i] = tostring(word(r[i])) end
  return #words > 0 and table.concat(words, ", ") or "nothing"
end

local function same(real, model)
  if real == nil or model == nil then return real == model end
  if real.error or model.error then return real.error == model.error end
  if real.aborted or model.aborted then return real.aborted == model.aborted end
  if real.n ~= model.n then return false end
  for i = 1, real.n do
    local a, b = word(real[i]), word(model[i])
    if a ~= b or math.type(a) ~= math.type(b) then return false end
  end
  return true
end

local function differ(what, real, model)
  error({ differs = ("%s: weir: %s; the model: %s"):format(what, show(real), show(model)) }, 0)
end

-- Handles among the outcomes join the world, both sides at once.
local function adopt(w, real, model)
  for i = 1, real.n or 0 do
    if type(real[i]) == "userdata" then w.add(real[i], model[i]) end
  end
end

local function protected(f)
  local r = pack(pcall(f))
  if not r[1] then return { error = true, message = r[2] } end
  return pack(table.unpack(r, 2, r.n))
end

-- ---- running ----------------------------------------------------------------------------------------

local function settle(run)
  local clean = 0
  while clean < 2 do
    weir.yield()
    clean = clean + 1
    for _, t in ipairs(run.tasks) do
      if t.real:status() == "ready" then clean = 0 end
    end
  end
end

local function outcome_of(task)
  if not task:is_finished() then return nil end
  local r = pack(task:join(0))
  if r[1] then return pack(table.unpack(r, 2, r.n)) end
  if r[2] == "aborted" then return { aborted = true } end
  return { error = true, message = r[2] }
end

local function compare_tasks(run)
  local outcomes = {}
  for i, t in ipairs(run.tasks) do
    outcomes[i] = outcome_of(t.real) or false
    t.model.chosen = t.model.select and outcomes[i] and outcomes[i][1]
  end
  run.sim:settle()
  local left = {}
  for i, t in ipairs(run.tasks) do
    local real, model = outcomes[i] or nil, t.model.outcome
    if not same(real, model) then differ(t.name, real, model) end
    if real then
      adopt(run.world, real, model)
    else
      left[#left + 1] = t
    end
  end
  run.tasks = left
  local waiting = {}
  for _, t in ipairs(run.sim.tasks) do
    if not t.outcome then waiting[#waiting + 1] = t end
  end
  run.sim.tasks = waiting
end

local function observe(run)
  local kind = run.kind
  for _, h in ipairs(run.world.handles) do
    local look = h.model.live and kind.observe[h.model.role]
    if look then
      local real, model = pack(look(h.real)), pack(kind.expect[h.model.role](h.model))
      if not same(real, model) then differ("what " .. h.model.role .. " shows", real, model) end
    end
  end
  for _, cargo in ipairs(run.world.cargos) do
    local _, why = cargo.rx:try_recv()
    if (why == "empty") ~= cargo.model.live then
      differ("a handle that was sent", pack(why == "empty"), pack(cargo.model.live))
    end
  end
end

local function spawn(run, name, real, branches, timeout, select)
  run.tasks[#run.tasks + 1] = { name = name, real = weir.spawn(real),
    model = run.sim:spawn(branches, timeout, select) }
end

local function drawn_op(run, n, a, b)
  local ops = run.kind.ops
  local op = ops[n % #ops + 1]
  local h = run.world.pick(op.role, a)
  if not h then return end
  local step = op.f(h, b)
  if step then step.name = op.name end
  return step
end

local timeouts = { false, false, false, 1, 2, 0 }

local function wait_step(run, step, c)
  if #run.tasks >= MOST_TASKS then return end
  local timeout = timeouts[c % #timeouts + 1] or nil
  spawn(run, step.name, function() return step.real(timeout) end, { step.branch }, timeout)
  return step.name .. (timeout and " for " .. timeout or "") .. ", in a task"
end

-- A select over two or three things that wait.
local function select_step(run, a, b, c)
  if #run.tasks >= MOST_TASKS then return end
  local reals, branches, names = {}, {}, {}
  local random = source(a + b)
  for _ = 1, 2 + c % 2 do
    local step = drawn_op(run, random(1 << 20), random(1 << 20), random(1 << 20))
    if step and step.awaitable then
      reals[#reals + 1] = step.awaitable
      branches[#branches + 1] = step.branch
      names[#names + 1] = step.name
    end
  end
  if #branches == 0 then return end
  local timeout = timeouts[c % #timeouts + 1] or nil
  local name = "select " .. table.concat(names, " | ")
  spawn(run, name, function() return weir.select(reals, timeout) end, branches, timeout, true)
  return name .. (timeout and " for " .. timeout or "") .. ", in a task"
end

local function abort_step(run, a)
  local t = run.tasks[a % math.max(#run.tasks, 1) + 1]
  if not t then return end
  t.real:abort()
  run.sim:abort(t.model)
  return "abort " .. t.name
end

local function immediate(run, step)
  local real = protected(step.real)
  local model = step.model()
  if not same(real, model) then differ(step.name, real, model) end
  adopt(run.world, real, model)
  return step.name
end

-- One step; what it was, or nil if it means nothing here.
local function take(run, s)
  local n, a, b, c = s[1] % 32, s[2], s[3], s[4]
  if n < 5 then
    settle(run)
    compare_tasks(run)
    return "everybody runs"
  elseif n < 7 then
    weir.advance(1)
    run.sim:advance(1)
    return "a second goes by"
  elseif n < 9 then return abort_step(run, a)
  elseif n < 12 then return select_step(run, a, b, c)
  end
  local step
  if n == 12 or n == 13 and run.kind.dropping then
    step = c % 3 > 0 and run.world.count() > 1 and drop_step(run.world, a)
  elseif n == 13 then step = move_step(run.world, a)
  elseif n >= 14 then step = drawn_op(run, s[1] // 32, a, b) end
  if not step then return end
  if step.branch then return wait_step(run, step, c) end
  if run.world.count() >= MOST_HANDLES then
    step = drop_step(run.world, a)
    if not step then return end
  end
  return immediate(run, step)
end

-- Everybody who still waits is cut short; nothing may be left in a line.
local function wind_up(run)
  for _, t in ipairs(run.tasks) do
    t.real:abort()
    run.sim:abort(t.model)
  end
  settle(run)
  compare_tasks(run)
  if #run.tasks > 0 then differ(run.tasks[1].name, nil, { aborted = true }) end
  observe(run)
end

local function body(make, steps, log)
  local sim = Sim.new()
  local world = new_world(sim)
  local run = { sim = sim, world = world, tasks = {}, kind = make(sim, world) }
  local done = 0
  for _, s in ipairs(steps) do
    local name = take(run, s)
    if name then
      done = done + 1
      log[#log + 1] = name
      observe(run)
    end
  end
  log[#log + 1] = "(the end: all tasks are aborted)"
  wind_up(run)
  -- ended here, so that the handles do not wait for the collector
  for _, h in ipairs(world.handles) do
    if h.model.live and not h.model.shared then h.real:drop() end
  end
  return done
end

-- Runs the steps: true, how many meant something; or false, how both differ, what was done.
function program.run(kind, steps)
  local log = {}
  local previous = weir.on_error(function() end)
  local ok, done = pcall(weir.run_paused, body, program.kinds[kind][2], steps, log)
  weir.on_error(previous)
  if ok then return true, done end
  return false, type(done) == "table" and done.differs or tostring(done), log
end

-- ---- the shortest failing program -------------------------------------------------------------------

-- A select draws by lot, so a program that failed is tried a few times.
local function fails(kind, steps)
  for _ = 1, 3 do
    local ok, why, log = program.run(kind, steps)
    if not ok then return why, log end
  end
end

local function without(steps, from, count)
  local rest = {}
  for i, s in ipairs(steps) do
    if i < from or i >= from + count then rest[#rest + 1] = s end
  end
  return rest
end

function program.shrink(kind, steps)
  local why, log = fails(kind, steps)
  if not why then return steps, nil end
  local size = #steps // 2
  while size >= 1 do
    local i = 1
    while i <= #steps do
      local shorter = without(steps, i, size)
      local w, l = fails(kind, shorter)
      if w then steps, why, log = shorter, w, l
      else i = i + size end
    end
    size = size // 2
  end
  return steps, why, log
end

-- What a failure looks like to who reads it.
function program.report(kind, seed, steps)
  local short, why, log = program.shrink(kind, steps)
  if not why then return ("seed %d of %s failed once and not again"):format(seed, program.kinds[kind][1]) end
  local lines = { ("%s, seed %d, %d steps:"):format(program.kinds[kind][1], seed, #short) }
  for i, name in ipairs(log) do lines[#lines + 1] = ("  %d. %s"):format(i, name) end
  lines[#lines + 1] = "  DIFFERS " .. why
  return table.concat(lines, "\n")
end

return program
