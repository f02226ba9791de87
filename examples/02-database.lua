-- 02-database.lua -- an actor: one task owns the data, and answers each request on a channel of its own.
-- SPDX-License-Identifier: MIT
local weir = require "weir"

-- What a request may ask for. Only the database's task runs these, one at a time: no locks.
local answer = {}

function answer.set(rows, request)
  local old = rows[request.key]
  rows[request.key] = request.value
  return old
end

function answer.get(rows, request)
  local value = rows[request.key]
  if value == nil then return nil, "no such key" end
  return value
end

function answer.add(rows, request)
  local sum = (rows[request.key] or 0) + request.by
  rows[request.key] = sum
  return sum
end

local function database(requests)
  local rows = {}
  for request in requests do
    -- Dropped unanswered when this scope is left by an error: the client is told, and does not hang.
    local reply <close> = request.reply
    reply:send(answer[request.op](rows, request))
  end
end

local function client(db, name, amount)
  for _ = 1, 3 do
    db:call { op = "add", key = "total", by = amount }
    weir.yield()
  end
  print(name .. " sees a total of at least " .. 3 * amount .. ":",
        db:call { op = "get", key = "total" } >= 3 * amount)
end

local function main()
  local db, requests = weir.mpsc(16)
  weir.on_error(function(task, err)
    print(task:name() .. " failed:", (tostring(err):gsub("^.-:%d+: ", "")))
  end)
  weir.spawn(database, requests):name("database")

  -- A request is a table; call adds the reply channel, sends it, and waits for the answer.
  db:call { op = "set", key = "river", value = "Isar" }
  print("river:", db:call { op = "get", key = "river" })
  print("sea:", db:call { op = "get", key = "sea" })

  -- The same by hand, to ask now and wait later.
  local reply, response = weir.oneshot()
  db:send { op = "get", key = "river", reply = reply:move() }
  print("asked; the answer is in:", response:recv())

  -- Two clients, each with its own sender.
  weir.join_all {
    function() client(db, "anna", 5) end,
    function() client(db, "bert", 7) end,
  }
  print("total:", db:call { op = "get", key = "total" })

  -- A request that the database cannot survive: whoever waits for it is told at once.
  print("adding to a name:", db:call { op = "add", key = "river", by = 1 })
  print("and after that:", db:call { op = "get", key = "river" })
end

weir.run(main)

--> output
-- river:	Isar
-- sea:	nil	no such key
-- asked; the answer is in:	Isar
-- anna sees a total of at least 15:	true
-- bert sees a total of at least 21:	true
-- total:	36
-- database failed:	attempt to ...
-- adding to a name:	nil	closed
-- and after that:	nil	closed
