-- stream_random_spec.lua -- pipelines made at random, read by tasks that are cut short at random.
-- SPDX-License-Identifier: MIT
--
-- Each pipeline has a model: the same steps over plain arrays. However its readers end, what they have
-- got between them is what the model says, in its order. A pipeline of requests has none: whoever gets one
-- answers it, and every caller has its answer.

local weir = require "weir"
local stream = require "weir.stream"
local helper = require "spec.helper"

local PIPELINES <const> = 150
local NUMBERS <const> = 40

-- A generator for each pipeline, so that a failure can be repeated by its seed.
local function generator(seed)
  local state = seed * 2654435761 + 1
  return function(n)
    state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
    return (state >> 33) % n + 1
  end
end

local function each_of(list, f)
  local out = {}
  for i, v in ipairs(list) do
    local w = f(v, i)
    if w ~= nil then out[#out + 1] = w end
  end
  return out
end

local function grouped(list, n)
  local out = {}
  for i = 1, #list, n do out[#out + 1] = table.concat(list, ",", i, math.min(i + n - 1, #list)) end
  return out
end

local function joined(t) return table.concat(t, ",") end

-- The steps: what is done to the stream, and to the array.
local steps = {
  map = function(s, list)
    local function f(v) return v .. "m" end
    return s:map(f), each_of(list, f)
  end,
  filter = function(s, list, random)
    local last = tostring(random(10) - 1)
    local function f(v) return not v:find(last, 1, true) end
    return s:filter(f), each_of(list, function(v) if f(v) then return v end end)
  end,
  filter_map = function(s, list)
    local function f(v) if #v % 2 == 0 then return v .. "f" end end
    return s:filter_map(f), each_of(list, f)
  end,
  skip = function(s, list, random)
    local n = random(5)
    return s:skip(n), table.move(list, n + 1, #list, 1, {})
  end,
  take = function(s, list, random)
    local n = 25 + random(10)
    return s:take(n), table.move(list, 1, math.min(n, #list), 1, {})
  end,
  enumerate = function(s, list)
    local function f(i, v) return i .. ":" .. v end
    return s:enumerate():map(f), each_of(list, function(v, i) return f(i, v) end)
  end,
  chunks = function(s, list, random)
    local n = random(4)
    return s:chunks(n):map(joined), grouped(list, n)
  end,
  zip = function(s, list)
    local other = {}
    for i = 1, 30 do other[i] = "z" .. i end
    local zipped = each_of(list, function(v, i) return other[i] and v .. other[i] end)
    return s:zip(other):map(function(v, z) return v .. z end), zipped
  end,
  chain = function(s, list)
    local both = table.move(list, 1, #list, 1, {})
    both[#both + 1] = "end"
    return s:chain { "end" }, both
  end,
  throttle = function(s, list) return s:throttle(0.3), list end,
  timeout = function(s, list) return s:timeout(0.2), list end,
  peekable = function(s, list) return s:peekable(), list end,
  merge = function(s, list) return s:merge {}, list end,
  buffered = function(s, list, random)
    local function f(v)
      weir.sleep(random(10) / 10)
      return v .. "b"
    end
    return s:buffered(random(4), f), each_of(list, function(v) return v .. "b" end)
  end,
}

local names = {}
for name in pairs(steps) do names[#names + 1] = name end
table.sort(names)

local function source(random)
  local tx, rx = weir.mpsc(random(3))
  local list = {}
  for i = 1, NUMBERS do list[i] = tostring(i) end
  weir.spawn(function(sender)
    for _, v in ipairs(list) do
      if random(3) == 1 then weir.sleep(random(5) / 10) end
      sender:send(v)
    end
  end, tx)
  return stream.from(rx), list
end

local function pipeline(random)
  local s, list = source(random)
  local used = {}
  for i = 1, random(5) do
    used[i] = names[random(#names)]
    s, list = steps[used[i]](s, list, random)
  end
  return s, list, table.concat(used, " ")
end

-- Ways to read one element; each may be cut short. They note what they got at once.
local readers = {
  function(box, note, random) note(box.s:next(random(4) / 10)) end,
  function(box, note, random)
    weir.timeout(random(4) / 10, function() note(box.s:next()) end)
  end,
  function(box, note, random)
    local task = weir.spawn(function() note(box.s:next()) end)
    weir.sleep(random(4) / 10)
    task:abort()
    task:join()
  end,
  function(box, note, random)
    local which, v, why = weir.select { s = box.s, t = weir.after(random(4) / 10) }
    if which == "s" then note(v, why) end
  end,
  function(box, note, random)
    local function noted(which, ...)
      if which == "s" then note(...) end
    end
    local task = weir.spawn(function() noted(weir.select { s = box.s, t = weir.after(60) }) end)
    for _ = 1, random(4) do weir.yield() end
    task:abort()
    task:join()
  end,
  function(box, note)
    box.s = box.s:move()
    note(box.s:next(0))
  end,
  function(box, note, random)
    weir.timeout(random(9) / 10, function()
      for _, v in ipairs(box.s:collect()) do note(v) end
      note(nil, "closed")
    end)
  end,
  function(box, note, random)
    local tx, rx = table.unpack(random(2) == 1 and { weir.mpsc(1) } or
      { weir.broadcast(1, { overflow = "wait" }) })
    local _, done = weir.timeout(random(9) / 10, box.s.forward, box.s, tx)
    for _, v in ipairs(helper.drain(rx)) do note(v) end
    if done == true then note(nil, "closed") end
  end,
  function(box, note, random)
    local tx, rx = table.unpack(random(2) == 1 and { weir.mpsc(1) } or
      { weir.broadcast(1, { overflow = "wait" }) })
    local task = weir.spawn(function() return box.s:forward(tx) end)
    for _ = 1, random(4) do
      local v = rx:recv(random(3) / 10)
      if v ~= nil then note(v) end
    end
    task:abort()
    for _, v in ipairs(helper.drain(rx)) do note(v) end
    for _ = 1, random(3) - 1 do note(box.s:next(0)) end
    local _, done = task:join()
    if done == true then note(nil, "closed") end
  end,
}

local function read_all(s, random)
  local box, got, over = { s = s }, {}, false
  local function note(v, why)
    got[#got + 1] = v
    over = over or v == nil and why == "closed"
  end
  while not over do readers[random(#readers)](box, note, random) end
  return got
end

describe("a pipeline made at random", function()
  it("loses, doubles and reorders nothing, however its readers are cut short", helper.failing(function()
    for seed = 1, PIPELINES do
      local random = generator(seed)
      local s, expected, made_of = pipeline(random)
      local got = read_all(s, random)
      assert.same(expected, got, ("seed %d: %s"):format(seed, made_of))
    end
  end))
end)

-- ---- requests -----------------------------------------------------------------------------------------

-- Steps that hold requests, or pass them on in another shape.
local holding = {
  function(s, random) return s:chunks(random(4)) end,
  function(s, random) return s:chunks_timeout(random(4), random(5) / 10) end,
  function(s) return s:enumerate() end,
  function(s, random)
    local n = 0
    return s:zip(function()
      n = n + 1
      return n
    end):throttle(random(3) / 10)
  end,
  function(s) return s:map(function(...) return ... end) end,
  function(s) return s:filter(function() return true end) end,
  function(s) return s:merge {} end,
  function(s) return s:timeout(0.2) end,
  function(s, random)
    return s:buffered(random(3), function(...)
      weir.sleep(random(5) / 10)
      return ...
    end)
  end,
  function(s, random)
    return s:buffer_unordered(random(3), function(...)
      weir.sleep(random(5) / 10)
      return ...
    end)
  end,
}

local function answer(v)
  if type(v) ~= "table" then return end
  if v.reply then return v.reply:send(v.number) end
  for _, part in pairs(v) do answer(part) end
end

local function answered(...)
  for i = 1, select("#", ...) do answer((select(i, ...))) end
  return ...
end

-- Each is the body of a task, which may be aborted.
local askers = {
  function(s, random) answered(s:next(random(4) / 10)) end,
  function(s, random) s:peek(random(4) / 10) end,
  function(s) answered(s:next()) end,
  function(s, random) weir.timeout(random(4) / 10, function() answered(s:next()) end) end,
  function(s, random) weir.timeout(random(4) / 10, function() answered(s:collect()) end) end,
  function(s, random) answered(select(2, weir.select { s, weir.after(random(4) / 10) })) end,
  function(s, random, relay) weir.timeout(random(4) / 10, s.forward, s, relay) end,
}

local function requests(random)
  local tx, rx = weir.mpsc(random(3))
  local callers = {}
  for i = 1, NUMBERS do
    callers[i] = weir.spawn(function(sender)
      weir.sleep(random(30) / 10)
      return sender:call { number = i }
    end, tx:clone())
  end
  return stream.from(rx), callers, tx
end

describe("a pipeline of requests made at random", function()
  it("has every request answered, however its readers end", helper.failing(function(seen)
    for seed = 1, PIPELINES do
      local random = generator(seed)
      local s, callers, filler = requests(random)
      for _ = 1, random(4) do s = holding[random(#holding)](s, random) end
      s = s:peekable()
      local relay, relayed = weir.mpsc(1)
      repeat
        local asker = askers[random(#askers)]
        local task = weir.spawn(function() asker(s, random, relay) end)
        task:join(random(5) / 10)
        task:abort()
        task:join()
        answered(relayed:try_recv())
        filler:try_send { number = 0 } -- a chunk may wait for more
        local unanswered = false
        for _, caller in ipairs(callers) do unanswered = unanswered or not caller:is_finished() end
      until not unanswered
      for i, caller in ipairs(callers) do
        assert.same({ true, i }, { caller:join(0) }, ("seed %d"):format(seed))
      end
    end
    assert.same({}, seen)
  end))
end)
