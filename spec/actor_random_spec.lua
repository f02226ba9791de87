-- SPDX-License-Identifier: MIT
-- actor_random_spec.lua -- random programs of clients that are cut short and actors that fail: nothing is
-- lost, served twice or out of order, and nobody waits for ever. A failure names its seed.
local weir = require "weir"
local actor = require "weir.actor"
local helper = require "spec.helper"

-- Numbers of its own, so that a seed means the same program wherever it runs.
local function generator(seed)
  local state = seed * 2654435761 + 1
  return function(n)
    state = (state * 6364136223846793005 + 1442695040888963407)
    return ((state >> 33) % n) + 1
  end
end

-- Serves (client, number), notes it, sometimes waits, sometimes fails.
local Server = {}
function Server:init(log, random, failing)
  self.log, self.random, self.failing = log, random, failing
end
function Server:serve(client, number, held)
  table.insert(self.log, { client, number })
  if self.random(3) == 1 then weir.sleep(self.random(5) / 10) end
  if held then held:drop() end
  if self.failing and self.random(12) == 1 then error("at random", 0) end
  return number
end

local function note(record, number, outcome)
  record[number] = outcome
end

-- One operation of a client; what it knows of the outcome goes into its record.
local function operate(ref, record, client, number, random)
  local kind = random(6)
  if kind <= 2 then
    local ok, value, why = pcall(ref.call, ref, "serve", client, number)
    if ok then assert(value == number or why == "closed") end
    note(record, number, ok and value and "answered" or "unknown")
  elseif kind == 3 then
    local ok, value, why = pcall(function()
      return ref:with_timeout(random(10) / 10):call("serve", client, number)
    end)
    if ok then assert(value == number or why == "closed" or why == "timeout") end
    note(record, number, ok and value and "answered" or "unknown")
  elseif kind == 4 then
    note(record, number, ref:cast("serve", client, number) and "sent" or "not sent")
  elseif kind == 5 then
    note(record, number, ref:try_cast("serve", client, number) and "sent" or "not sent")
  else
    local tx, rx <close> = weir.oneshot()
    local ok = ref:with_timeout(random(5) / 10):cast("serve", client, number, tx)
    note(record, number, ok and "sent" or "not sent")
    assert(weir.type(tx) == (ok and "closed oneshot.Sender" or "oneshot.Sender"))
    if ok then assert(select(2, rx:recv()) == "closed") else tx:drop() end
  end
end

local function client_of(ref, record, client, random)
  for number = 1, 15 do
    note(record, number, "unknown")           -- should it be aborted in the middle
    operate(ref, record, client, number, random)
    if random(4) == 1 then weir.sleep(random(3) / 10) end
  end
end

-- Each at most once, each client's in order; what was answered was served, what was not sent was not.
local function check(log, records, nothing_lost)
  local served, last = {}, {}
  for _, entry in ipairs(log) do
    local client, number = entry[1], entry[2]
    served[client] = served[client] or {}
    assert(not served[client][number], "served twice")
    served[client][number] = true
    assert(number > (last[client] or 0), "out of order")
    last[client] = number
  end
  for client, record in ipairs(records) do
    for number, outcome in pairs(record) do
      local was = served[client] ~= nil and served[client][number] == true
      if outcome == "answered" then assert(was, "answered and not served") end
      if outcome == "not sent" then assert(not was, "not sent and served") end
      if outcome == "sent" and nothing_lost then assert(was, "sent and not served") end
    end
  end
end

local function clients(ref, random)
  local records, tasks = {}, {}
  for i = 1, 6 do
    records[i] = {}
    tasks[i] = weir.spawn(client_of, ref, records[i], i, random)
  end
  return records, tasks
end

local function finish(tasks)
  for _, task in ipairs(tasks) do
    local ok, err = task:join()
    assert(ok or err == "aborted", err)
  end
end

local function each_seed(program)
  return function()
    for seed = 1, 60 do
      helper.failures(function()
        local ok, err = pcall(weir.run_paused, program, generator(seed))
        if not ok then error(("seed %d: %s"):format(seed, err), 0) end
      end)
    end
  end
end

describe("a random program of clients", function()
  it("with one actor loses nothing, whoever is aborted", each_seed(function(random)
    local log = {}
    local ref = actor.spawn(Server, { capacity = random(3) }, log, random, false)
    local records, tasks = clients(ref, random)
    for _ = 1, 3 do
      weir.sleep(random(20) / 10)
      tasks[random(6)]:abort()
    end
    finish(tasks)
    assert(ref:stop())
    check(log, records, true)
    assert(#weir.tasks() == 1)
  end))

  it("is served until the last reference is gone", each_seed(function(random)
    local log = {}
    local ref = actor.spawn(Server, { capacity = random(3) }, log, random, false)
    local told = ref:monitor()
    local records, tasks = {}, {}
    for i = 1, 6 do
      records[i] = {}
      tasks[i] = weir.spawn(function(mine)
        local held <close> = mine
        client_of(held, records[i], i, random)
      end, ref:clone())
    end
    ref:drop()
    weir.sleep(random(20) / 10)
    tasks[random(6)]:abort()
    finish(tasks)
    assert(told:recv() == "stopped")
    check(log, records, true)
  end))

  it("gets an answer of some kind from an actor that is killed", each_seed(function(random)
    local log = {}
    local ref = actor.spawn(Server, { capacity = random(3) }, log, random, false)
    local records, tasks = clients(ref, random)
    weir.sleep(random(30) / 10)
    ref:kill()
    finish(tasks)
    check(log, records, false)
    assert(select(2, ref:join()) == "aborted" and #weir.tasks() == 1)
  end))

  for _, strategy in ipairs { "one_for_one", "one_for_all", "rest_for_one" } do
    it("goes on while its actors fail under " .. strategy, each_seed(function(random)
      local logs, children = {}, {}
      for i = 1, 3 do
        logs[i] = {}
        children[i] = {
          name = "server " .. i, behaviour = Server, capacity = random(3), args = { logs[i], random, true },
        }
      end
      local sup <close> = actor.supervise {
        strategy = strategy, intensity = 1e9, backoff = random(2) == 1 and 0.3 or nil,
        shutdown = random(3) - 1,
        on_failure = function() end, children = children,
      }
      local all, records = {}, {}
      for i = 1, 3 do
        local r, tasks = clients(sup:child("server " .. i), random)
        records[i] = r
        table.move(tasks, 1, #tasks, #all + 1, all)
      end
      for _ = 1, 4 do
        weir.sleep(random(10) / 10)
        if random(2) == 1 then all[random(18)]:abort() else sup:child("server " .. random(3)):kill() end
      end
      finish(all)
      assert(sup:stop())
      for i = 1, 3 do check(logs[i], records[i], false) end
      assert(#weir.tasks() == 1)
    end))
  end
end)
