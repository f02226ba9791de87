-- weir.stream.consumers: the methods that read a stream to its end, or as far as they need.
-- SPDX-License-Identifier: MIT

local weir = require "weir"
local core = require "weir.core"
local node = require "weir.stream.node"
local wait = require "weir.stream.wait"
local check = require "weir.stream.check"

local advance, state, unyieldable = wait.advance, core.state, core.unyieldable

local KIND <const> = "Stream"

local methods = {}

-- What was taken and not given on goes back, so that a consumer may be cut short.
local gathered_meta = {
  __close = function(gathered)
    gathered.root.gathered = gathered
    node.ungather(gathered.root)
  end,
}

local function gather(gathered, status, ...)
  if status == true then
    local v = node.value(...)
    node.hold(v)
    gathered.list[#gathered.list + 1] = v
    if select("#", ...) ~= 1 or ... == nil then gathered.packs[v] = true end
    gathered.root.gathered = gathered
  end
  return status ~= false
end

function methods.collect(self)
  local root = state(self, KIND)
  local gathered <close> = setmetatable({ root = root, list = {}, packs = {} }, gathered_meta)
  while gather(gathered, advance(self, root, nil, nil, gathered)) do end
  local list = gathered.list
  gathered.list = {}
  node.own_all(list)
  return list
end

local function folded(f, acc, status, ...)
  if status == true then return true, unyieldable(f, acc, ...) end
  return status ~= false, acc
end

function methods.fold(self, init, f)
  check.func(f, 2, "fold")
  local root = state(self, KIND)
  local more, acc = true, init
  while more do
    more, acc = folded(f, acc, advance(self, root))
  end
  return acc
end

-- Whether to go on, and what f said of an element.
local function asked(f, otherwise, status, ...)
  if status == true then return true, not not unyieldable(f, ...) end
  return status ~= false, otherwise
end

function methods.all(self, f)
  check.func(f, 1, "all")
  local root = state(self, KIND)
  local more, holds = true, true
  while more and holds do
    more, holds = asked(f, true, advance(self, root))
  end
  return holds
end

function methods.any(self, f)
  check.func(f, 1, "any")
  local root = state(self, KIND)
  local more, holds = true, false
  while more and not holds do
    more, holds = asked(f, false, advance(self, root))
  end
  return holds
end

-- An element that is only counted dies.
local function counted(root, n, status, ...)
  if status ~= true then return status ~= false, n end
  if root.messages then node.discard({ n = select("#", ...), ... }, true) end
  return true, n + 1
end

function methods.count(self)
  local root = state(self, KIND)
  local more, n = true, 0
  while more do more, n = counted(root, n, advance(self, root)) end
  return n
end

function methods.each(self, f)
  check.func(f, 1, "each")
  local root = state(self, KIND)
  repeat until not asked(f, nil, advance(self, root))
  return true
end

local senders = {
  ["mpsc.Sender"] = true, ["mpmc.Sender"] = true, ["broadcast.Sender"] = true, ["watch.Sender"] = true,
}

-- ## forward: an element stays in the tree until it is sent, by a call that does not wait. A forwarder that
-- finds no room waits for that alone, and then sends what is the first by now: others may have read.

-- How forwarding ends with an answer of the tree, sent with to:send or to:try_send: "done", "closed", or
-- nil if it goes on; "full" if there is no room. What send raises is raised at `level`.
local function handed(level, root, to, send, status, ...)
  if status == false then return "done" end
  if status == "also" then return "closed" end
  if status ~= true then return nil end
  local element = table.pack(...)
  node.hold_all(element) -- it outlives this task, in the channel or in the tree
  local ok, sent, why = pcall(send, to, node.value(...))
  if ok and sent then return nil end
  node.give_back(root, element)
  if not ok then check.results(level, false, sent) end
  return why
end

-- Waits for room in a channel that gives permits for it.
local function hand_on_with_permit(self, root, tx)
  local seat <close> = wait.sit(root, self, 4) -- luacheck: ignore 211
  local which, permit, why = wait.select({ root.kick, tx }, nil, 4)
  if which == 1 then return nil end -- the handle was moved or dropped
  if not permit then return why end
  local unused <close> = permit -- luacheck: ignore 211
  wait.check(self, root, 4)
  return (handed(4, root, permit, permit.send, node.poll(root)))
end

local sending_meta = {
  __close = function(sending)
    if sending.root.sending == sending then sending.root.sending = nil end
    if sending.over then sending.over:notify_one() end
  end,
}

-- A broadcast has no permits: the first element stands in its line, and in the tree until it is sent.
local function hand_on_itself(self, root, tx)
  local seat <close> = wait.sit(root, self, 4) -- luacheck: ignore 211
  local front = root.front
  if not front then return nil end -- taken before we could wait
  local element = front[#front]
  local v = node.value(table.unpack(element, 1, element.n))
  local sending <close> = setmetatable({ root = root }, sending_meta)
  root.sending = sending
  local which, sent, why = wait.select({ root.kick, { tx, v } }, nil, 4)
  if which == 1 then return nil end
  if not sent then return why end
  if root.front then node.take_front(root) end -- (it is gone if the stream was dropped)
  return nil
end

local function check_sender(tx)
  local kind = weir.type(tx)
  local open_kind = kind and kind:gsub("^closed ", "")
  if not senders[open_kind] then
    local what = "sender of an mpsc, mpmc, broadcast or watch"
    error(("bad argument #1 to 'forward' (%s expected, got %s)"):format(what, check.kind_of(tx)), 3)
  end
  local closed = check.results(3, pcall(weir.closed, tx))
  return closed
end

function methods.forward(self, tx)
  local closed = check_sender(tx)
  local root = state(self, KIND)
  local send = tx.try_send or tx.send -- (what a watch is sent replaces what it has)
  local hand_on = tx.reserve and hand_on_with_permit or hand_on_itself
  local ending
  repeat
    ending = handed(3, root, tx, send, advance(self, root, nil, closed))
    if ending == "full" then ending = hand_on(self, root, tx) end
  until ending
  if ending == "closed" then return nil, "closed" end
  return true
end

return methods
