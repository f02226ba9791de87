-- SPDX-License-Identifier: MIT
-- How long to wait before an actor is started again.

local weir = require "weir"

local backoff = {}

-- A generator of its own: a library must not draw from the program's math.random.
local state = 88172645463325252

local function random()
  state = state ~ (state << 13)
  state = state ~ (state >> 7)
  state = state ~ (state << 17)
  return (state >> 11) * (0.5 ^ 53)
end

--- Seconds until the next start of `child`, which has just ended. Counts the starts that failed in a
--- row; a child that was up for `plan.reset` seconds begins anew.
function backoff.delay(child, plan)
  if not plan then return 0 end
  local was_up = child.since and weir.now() - child.since or 0
  if was_up >= plan.reset then child.tries = 0 end
  child.since = nil
  child.tries = child.tries + 1
  local seconds = math.min(plan.max, plan.min * plan.factor ^ (child.tries - 1))
  return seconds * (1 + plan.jitter * random())
end

return backoff
