-- SPDX-License-Identifier: MIT
-- How an actor or a supervisor ended for good (or one life of a supervisor), and who is told.
--
-- An object `o` with an outcome has these fields:
--   o.ended      nil while it may still serve; then { how, err, traceback, results }
--   o.monitors   nil, or an array of oneshot senders, one for each who wants to be told
--   o.is_ready   true once it has started (for the first time)
--   o.latch      nil, or a once cell that those wait for who asked before it was ready
-- `how` is "stopped", "failed" (then err and traceback) or "aborted".

local weir = require "weir"

local current = weir.current

local outcome = {}

--- What has happened already is not waited for, but a task that asks for it in a loop must give way at times
--- all the same: it asks this.
local happened = weir.once()
happened:set(true)
outcome.happened = happened

-- task -> { err, traceback }: the error that goes through it now, with the place where it was raised.
local raised = setmetatable({}, { __mode = "k" })

-- Without the frames that every handler has above it: what called it, xpcall, and the actor's loop.
local function trimmed(traceback)
  local cut = traceback:find("\n%s*%[C%]: in function 'xpcall'\n[^\n]*weir[/\\]actor[/\\]cell%.lua:")
  if not cut then return traceback end
  return (traceback:sub(1, cut - 1):gsub("\n[^\n]*weir[/\\]actor[/\\]cell%.lua:%d+: in [^\n]*$", ""))
end

--- A message handler for xpcall, in a task. It leaves the error as it is, since `<close>` variables on the
--- way are given it; one of them may raise it again, and the first place is the one that tells.
function outcome.describe(err)
  local task = current()
  local known = raised[task]
  if not (known and rawequal(known.err, err)) then
    raised[task] = { err = err, traceback = trimmed(debug.traceback(nil, 2)) }
  end
  return err
end

--- An error that has arrived in this task, with its traceback: empty when Lua could not call `describe`
--- (no memory, no C stack).
function outcome.failure(err)
  local task = current()
  local known = raised[task]
  raised[task] = nil
  if known and rawequal(known.err, err) then return known end
  return { err = err, traceback = "" }
end

local function tell(tx, ended)
  if ended.how == "failed" then return tx:send("failed", ended.err, ended.traceback) end
  return tx:send(ended.how)
end

-- Those who asked and went away again must not pile up in an actor that lives long: when the list
-- has doubled, it is swept.
local function swept(list)
  local kept = { limit = 8 }
  for _, tx in ipairs(list) do
    if not tx:is_closed() then kept[#kept + 1] = tx end
  end
  kept.limit = math.max(8, 2 * #kept)
  return kept
end

--- A oneshot receiver that tells how `o` ended. Never waits.
function outcome.monitor(o)
  local tx, rx = weir.oneshot()
  if o.ended then
    tell(tx, o.ended)
    return rx
  end
  local list = o.monitors or { limit = 8 }
  if #list >= list.limit then list = swept(list) end
  list[#list + 1] = tx
  o.monitors = list
  return rx
end

--- Whether somebody is waiting to be told how `o` ends.
function outcome.is_watched(o)
  for _, tx in ipairs(o.monitors or {}) do
    if not tx:is_closed() then return true end
  end
  return false
end

--- `o` has started. Never waits.
function outcome.announce(o)
  o.is_ready = true
  if o.latch then o.latch:set(true) end
end

--- `o` has ended for good: tells everybody who asked. Never waits, never raises; the first
--- outcome stays.
function outcome.settle(o, life)
  if o.ended then return end
  local ended = { how = life.how, err = life.err, traceback = life.traceback, results = life.results }
  o.ended = ended
  if o.latch then o.latch:set(true) end
  local list = o.monitors
  o.monitors = nil
  for _, tx in ipairs(list or {}) do tell(tx, ended) end
end

--- The words of `join` for an outcome.
function outcome.verdict(ended)
  if ended.how == "failed" then return false, ended.err, ended.traceback end
  if ended.how == "aborted" then return false, "aborted" end
  local results = ended.results
  if not results then return true end
  return true, table.unpack(results, 1, results.n)
end

--- Waits for the end of `o`: the verdict, or nil, "timeout".
function outcome.join(o, seconds)
  if o.ended then
    happened:wait(seconds)
  else
    local rx <close> = outcome.monitor(o)
    local how, why = rx:recv(seconds)
    if how == nil then return nil, why end
  end
  return outcome.verdict(o.ended)
end

--- Waits until `o` has started: true, or what `join` says if it ended first, or nil, "timeout".
function outcome.ready(o, seconds)
  if o.is_ready or o.ended then
    happened:wait(seconds)
  else
    o.latch = o.latch or weir.once()
    local done, why = o.latch:wait(seconds)
    if not done then return nil, why end
  end
  if o.is_ready then return true end
  return outcome.verdict(o.ended)
end

--- How a life ended that did not come to its end in order: it was aborted, unless a `<close>` variable then
--- raised an error.
function outcome.cut_short(life, err)
  if err == nil then
    life.how, life.traceback = "aborted", ""
    return
  end
  local failure = outcome.failure(err)
  life.how, life.err, life.traceback = "failed", failure.err, failure.traceback
end

--- The error object that a task ends with when nobody else was told: the words with the place
--- where they were raised.
function outcome.report(failure)
  local err = failure.err
  if type(err) ~= "string" or failure.traceback == "" then return err end
  return err .. "\n" .. failure.traceback
end

return outcome
