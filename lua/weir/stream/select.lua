-- weir.stream.select: weir.select with streams among its branches.
-- SPDX-License-Identifier: MIT
--
-- A stream cannot be asked without taking its element, so the branches are tried one by one, in random
-- order or in the order given; the first that has something wins, and no other is touched. If none has,
-- the streams are replaced by what their leaves wait for, all is waited for in one select of the core,
-- and a leaf that comes first only makes us try again.

local weir = require "weir"
local core = require "weir.core"
local node = require "weir.stream.node"
local wait = require "weir.stream.wait"
local check = require "weir.stream.check"

local select_ = {}

local composite = { Stream = true, StreamMap = true }

-- A generator of our own: math.random belongs to the program.
local seed = os.time() ~ (tonumber(tostring({}):match("%x+$"), 16) or 1) | 1

local function random(n)
  seed = seed ~ seed << 13
  seed = seed ~ seed >> 7
  seed = seed ~ seed << 17
  return (seed >> 33) % n + 1
end

local function shuffle(list)
  for i = #list, 2, -1 do
    local j = random(i)
    list[i], list[j] = list[j], list[i]
  end
end

local senders = { ["mpsc.Sender"] = true, ["mpmc.Sender"] = true, ["broadcast.Sender"] = true }

-- A branch without the function that maps its answer, and that function. The core has checked it.
local function apart(branch)
  local first = type(branch) == "table" and branch[1]
  if first and type(branch[2]) == "function" and not senders[weir.type(first)] then
    return first, branch[2]
  end
  return branch, nil
end

local function entry(key, branch)
  local awaitable, map = apart(branch)
  local kind = weir.type(awaitable)
  if not composite[kind] then
    return { key = key, map = map, branch = awaitable, alone = { awaitable } }
  end
  return { key = key, map = map, handle = awaitable, root = core.state(awaitable, kind) }
end

local function in_order(branches)
  local list, last = {}, 0
  for i in pairs(branches) do last = math.max(last, i) end
  for i = 1, last do
    if branches[i] then list[#list + 1] = entry(i, branches[i]) end
  end
  return list
end

local function in_any_order(branches)
  local list = {}
  for key, branch in pairs(branches) do
    if branch then list[#list + 1] = entry(key, branch) end
  end
  return list
end

local function mapped(e, ...)
  if e.map then return true, e.map(...) end
  return true, ...
end

local function answer(e, status, ...)
  if status == nil then return false end
  if status == true then return mapped(e, ...) end
  if status == false then return mapped(e, nil, "closed") end
  if ... ~= nil then return mapped(e, ..., nil, "timeout") end -- the key in a map
  return mapped(e, nil, "timeout")
end

local function won(e, which, ...)
  if which == nil then return false end
  return mapped(e, ...)
end

-- Whether the branch has something now; then what it answers. Nothing is taken from it if not.
local function try(e)
  if e.handle then
    wait.check(e.handle, e.root, 5)
    return answer(e, node.poll(e.root))
  end
  return won(e, weir.try_select(e.alone))
end

local function try_all(list, i, ready, ...)
  if ready then return list[i].key, ... end
  if i == #list then return nil end
  return try_all(list, i + 1, try(list[i + 1]))
end

local leave_all = {
  __close = function(seats)
    for _, seat in ipairs(seats) do seat.root.waiting = nil end
  end,
}

-- The branches of the core's select: those that are no streams as they are (`plain` tells which of the
-- list each is), and the leaves of the streams. True as the third result if a stream ran out of fuel.
local function flattened(list)
  local branches, plain, starved = {}, {}, false
  for _, e in ipairs(list) do
    if not e.handle then
      branches[#branches + 1] = e.branch
      plain[#branches] = e
    else
      starved = node.leaves(e.root, branches) or starved
    end
  end
  return branches, plain, starved
end

-- Whether one of the seats had to be waited for, so that its stream may have an answer by now.
local function sit_all(seats, list, branches)
  local waited = false
  for _, e in ipairs(list) do
    if e.handle and not seats[e.root] then
      local seat, again = wait.sit(e.root, e.handle, 5)
      seats[#seats + 1], seats[e.root] = seat, true
      waited = waited or again
      branches[#branches + 1] = e.root.kick
    end
  end
  return waited
end

local function taken(plain, which, ...)
  local e = plain[which]
  if e then return e.key, select(2, mapped(e, ...)) end
  return nil, which == nil and "timeout" or "again"
end

-- Waits once: key, results... of a branch that is no stream, nil and "again", or nil and "timeout".
local function wait_once(list, deadline)
  local branches, plain, starved = flattened(list)
  local remaining = deadline and math.max(0, deadline - weir.now())
  if starved then
    wait.give_way()
    return nil, remaining == 0 and "timeout" or "again"
  end
  local seats <close> = setmetatable({}, leave_all)
  if sit_all(seats, list, branches) then return nil, remaining == 0 and "timeout" or "again" end
  local named = wait.named
  return taken(plain, check.results(4, named("select", pcall(weir.select_biased, branches, remaining))))
end

-- Whether a stream came back for want of fuel, so that it may have an element all the same.
local function is_starved(list)
  local _, _, starved = flattened(list)
  return starved
end

local function finish(self, key, ...)
  if key ~= nil then return key, ... end
  if (...) == "timeout" then return nil, "timeout" end
  return self:run()
end

local function tried(self, key, ...)
  if key ~= nil then return key, ... end
  if self.once then
    self.looks = self.looks + 1
    if self.looks < wait.LOOKS and is_starved(self.list) then return self:run() end
    return nil, self.once
  end
  return finish(self, wait_once(self.list, self.deadline))
end

local function run(self)
  if self.mode ~= "biased" then shuffle(self.list) end
  return tried(self, try_all(self.list, 0))
end

-- What the core calls in place of its own work when a branch is a stream. `mode` is "select", "biased"
-- or "try".
function select_.run(branches, timeout, mode)
  local list = mode == "biased" and in_order(branches) or in_any_order(branches)
  if #list == 0 then return nil, "empty" end
  local once = mode == "try" and "empty" or timeout == 0 and "timeout" or nil
  local deadline = timeout and weir.now() + timeout
  return run { list = list, mode = mode, once = once, deadline = deadline, run = run, looks = 0 }
end

core.on_composite(select_.run)

return select_
