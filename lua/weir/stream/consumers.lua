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

-- An element that was taken and not given on goes back, so that a consumer may be cut short.
local keep_meta = {
  __close = function(keep)
    local list, packs = keep.list, keep.packs
    for i = #list, 1, -1 do
      node.give_back(keep.root, packs[list[i]] and list[i] or table.pack(list[i]))
    end
  end,
}

local function kept(keep, status, ...)
  if status == true then
    local v = node.value(...)
    keep.list[#keep.list + 1] = v
    if select("#", ...) ~= 1 or ... == nil then keep.packs[v] = true end
  end
  return status ~= false
end

function methods.collect(self)
  local root = state(self, KIND)
  local keep <close> = setmetatable({ root = root, list = {}, packs = {} }, keep_meta)
  while kept(keep, advance(self, root)) do end
  local list = keep.list
  keep.list = {}
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

function methods.count(self)
  local root = state(self, KIND)
  local n, status = 0, true
  while status do
    status = advance(self, root)
    if status == true then n = n + 1 end
  end
  return n
end

function methods.each(self, f)
  check.func(f, 1, "each")
  local root = state(self, KIND)
  repeat until not asked(f, nil, advance(self, root))
  return true
end

local waiting_senders = { ["mpsc.Sender"] = true, ["mpmc.Sender"] = true }
local senders = { ["broadcast.Sender"] = true, ["watch.Sender"] = true }

-- Sends what stands at the front of the tree. "full": the handle was moved or dropped meanwhile.
local function deliver(self, root, tx, v)
  if not waiting_senders[weir.type(tx)] then return tx:send(v) end
  local sent, why = tx:try_send(v)
  if why ~= "full" then return sent, why end
  local seat <close> = wait.sit(root, self, 4) -- luacheck: ignore 211
  local which, ok, reason = wait.select({ root.kick, { tx, v } }, nil, 4)
  if which == 1 then return nil, "full" end
  return ok, reason
end

-- How forwarding ends with this answer of the tree: "done", "closed", or nil if it goes on. An element
-- stays at the front of the tree until it is sent.
local function forwarded(self, root, tx, status, ...)
  if status == false then return "done" end
  if status == "also" then return "closed" end
  if status == "timeout" then return nil end
  node.give_back(root, table.pack(...))
  local sent, why = deliver(self, root, tx, node.value(...))
  if sent then node.pull(root) end
  return why == "closed" and why or nil
end

local function check_sender(tx)
  local kind = weir.type(tx)
  local open_kind = kind and kind:gsub("^closed ", "")
  if not (waiting_senders[open_kind] or senders[open_kind]) then
    local what = "sender of an mpsc, mpmc, broadcast or watch"
    error(("bad argument #1 to 'forward' (%s expected, got %s)"):format(what, check.kind_of(tx)), 3)
  end
  local closed = check.results(3, pcall(weir.closed, tx))
  return closed
end

function methods.forward(self, tx)
  local closed = check_sender(tx)
  local root = state(self, KIND)
  local ending
  repeat
    ending = forwarded(self, root, tx, advance(self, root, nil, closed))
  until ending
  if ending == "closed" then return nil, "closed" end
  return true
end

return methods
