-- 40-streams.lua -- when do I want a stream? When values come over time and each goes through the same
-- steps: pick, change, gather, look up, hand on. A pipeline from two thermometers to a slow store.
-- SPDX-License-Identifier: MIT
--
--   kitchen --.
--              merge -> filter -> map -> chunks_timeout -> buffered (store) -> for
--   cellar  --'
local weir = require "weir"
local stream = require "weir.stream"

-- A thermometer: reports at its own pace into its own channel, then ends.
local function thermometer(tx, room, period, degrees)
  for _, d in ipairs(degrees) do
    weir.sleep(period)
    tx:send { room = room, degrees = d }
  end
end

local function readings(...)
  local tx, rx = weir.mpsc(4)
  weir.spawn(thermometer, tx, ...)
  return stream.from(rx)
end

-- Takes its time, so that several batches may be on their way at once.
local function store(batch)
  weir.sleep(0.8)
  return #batch, table.concat(batch, ", ")
end

weir.run_paused(function()
  local began = weir.now()
  local function say(...) print(("%.1f s:"):format(weir.now() - began), ...) end

  local kitchen = readings("kitchen", 0.3, { 21, 22, -99, 23, 24 })
  local cellar = readings("cellar", 0.35, { 11, 12, 11 })

  -- Nothing happens yet: a pipeline is only what to do.
  local stored = kitchen:merge(cellar)
    :filter(function(r) return r.degrees > -50 end) -- a broken reading
    :map(function(r) return ("%s %d"):format(r.room, r.degrees) end)
    :chunks_timeout(3, 0.6) -- three at a time, but none waits for longer than that
    :buffered(2, store)

  for n, what in stored do say("stored " .. n, what) end

  -- The same verbs over what is there already.
  local words = stream.from(("the quick fox and a lazy dog"):gmatch "%a+")
  local lengths = words:fold({}, function(t, word)
    t[#word] = (t[#word] or 0) + 1
    return t
  end)
  say("words of three letters:", lengths[3])

  -- A stream in a select, beside anything else one can wait for.
  local clock = stream.from(weir.interval(0.4)):enumerate()
  local enough = weir.after(1)
  repeat
    local which, tick = weir.select { tick = clock, enough = enough }
    say(which == "tick" and "tick " .. tick or "enough")
  until which == "enough"
end)
--> output
-- 1.4 s:	stored 3	kitchen 21, cellar 11, kitchen 22
-- 2.0 s:	stored 3	cellar 12, cellar 11, kitchen 23
-- 2.3 s:	stored 1	kitchen 24
-- 2.3 s:	words of three letters:	4
-- 2.3 s:	tick 1
-- 2.7 s:	tick 2
-- 3.1 s:	tick 3
-- 3.3 s:	enough
