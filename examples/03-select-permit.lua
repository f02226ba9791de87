-- 03-select-permit.lua -- first the room, then the value: send what is newest when its turn comes.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

-- A thermometer is read every 0.1 s; the display takes 0.33 s for each value. Whoever *sends* each
-- reading shows old ones. This task reserves room first, and decides only then what to put there.
local function thermometer(display, quit)
  local tick = weir.interval(0.1)
  local reading, unsent = 20, false
  while true do
    local which, got = weir.select_biased {
      quit,
      tick,
      unsent and display,      -- false: nothing new, so room is of no interest
    }
    if which == 1 then
      return
    elseif which == 2 then
      reading, unsent = reading + 1, true
    else
      got:send(reading)        -- a permit's send has its room already: it cannot wait or fail
      unsent = false
    end
  end
end

local function main()
  local tx, rx = weir.mpsc(1)
  local quit = weir.cancellation_token()
  local task = weir.spawn(thermometer, tx, quit)

  local began = weir.now()
  for _ = 1, 5 do
    weir.sleep(0.33)
    print(("at %.2f s: %d degrees"):format(weir.now() - began, rx:recv()))
  end
  quit:cancel()
  print("the thermometer ended:", task:join())
end

weir.run_paused(main)          -- a clock that jumps: this takes no time

--> output
-- at 0.33 s: 21 degrees
-- at 0.66 s: 24 degrees
-- at 0.99 s: 27 degrees
-- at 1.32 s: 30 degrees
-- at 1.65 s: 34 degrees
-- the thermometer ended:	true
