-- SPDX-License-Identifier: MIT
-- race_spec.lua -- weir.race and weir.join_all: whose error is raised, and where they cannot wait.

local weir = require "weir"
local helper = require "spec.helper"

local paused, failing, blames, forever = helper.paused, helper.failing, helper.blames, helper.forever

local function raising(err)
  return function() error(err, 0) end
end

local function returning(...)
  local values = table.pack(...)
  return function() return table.unpack(values, 1, values.n) end
end

-- A function that waits and whose <close> raises when it is ended.
local function failing_to_close(err)
  return function()
    local _close <close> = setmetatable({}, { __close = function() error(err, 0) end })
    forever()
  end
end

describe("weir.race", function()
  it("returns what the first returned although a loser failed in the same turn", failing(function()
    assert.same({ true, 1, "first" }, { pcall(weir.race, { returning "first", raising "second" }) })
  end))

  it("returns what the first returned although a loser's <close> raised", failing(function()
    assert.same({ true, 2, "first" }, { pcall(weir.race, { failing_to_close "late", returning "first" }) })
  end))

  it("raises the error of the first although a loser returned in the same turn", failing(function()
    assert.same({ false, "first" }, { pcall(weir.race, { raising "first", returning "second" }) })
  end))

  it("raises the error of the first although a loser's <close> raised another", failing(function()
    assert.same({ false, "first" }, { pcall(weir.race, { failing_to_close "late", raising "first" }) })
  end))

  it("knows the first to end by when it ended, not by its index", failing(function()
    local function slow()
      weir.yield()
      error("slow", 0)
    end
    assert.same({ true, 2, "quick" }, { pcall(weir.race, { slow, returning "quick" }) })
  end))

  it("raises 'aborted' if the first to end was aborted", failing(function()
    local function ends_itself()
      weir.current():abort()
      forever()
    end
    assert.same({ false, "aborted" }, { pcall(weir.race, { ends_itself, forever }) })
  end))

  it("raises an error that is nil", failing(function()
    assert.same({ n = 2, false, nil }, table.pack(pcall(weir.race, { raising(nil), forever })))
  end))

  it("runs the <close> variables of a function before it counts as ended", paused(function()
    local log = {}
    local function noted(word)
      return function()
        local _note <close> = helper.closing(log, word)
      end
    end
    weir.race { noted "a", noted "b" }
    assert.equal("a", log[1])
  end))

  it("goes on after the losers have ended when one of them fails late", failing(function()
    local ended = false
    local loser = function()
      local _close <close> = setmetatable({}, { __close = function()
        ended = true
        error("late", 0)
      end })
      forever()
    end
    weir.race { loser, returning() }
    assert.is_true(ended)
  end))

  it("aborts and awaits all when it is cut short, whatever their <close> raises", failing(function()
    local log = {}
    local function noted()
      local _note <close> = helper.closing(log, "closed")
      forever()
    end
    pcall(weir.timeout, 1, weir.race, { noted, failing_to_close "late", noted })
    assert.same({ "closed", "closed" }, log)
  end))

  for name, race in pairs {
    ["one in the same turn"] = { returning "first", raising "lost" },
    ["one whose <close> raises"] = { failing_to_close "lost", returning "first" },
    ["one that fails beside one that raises first"] = { failing_to_close "lost", raising "first" },
  } do
    it("reports the failure of a loser that nobody hears of: " .. name, failing(function(seen)
      pcall(weir.race, race)
      assert.equal(1, #seen)
      assert.equal("lost", seen[1].err)
      assert.equal("failed", seen[1].task:status())
      assert.equal("string", type(seen[1].traceback))
    end))
  end

  it("reports the failures of all losers, once each", failing(function(seen)
    weir.race { failing_to_close "a", returning "first", failing_to_close "b", raising "c" }
    local errors = {}
    for i, failure in ipairs(seen) do errors[i] = failure.err end
    table.sort(errors)
    assert.same({ "a", "b", "c" }, errors)
  end))

  it("reports no failure that it raises", failing(function(seen)
    pcall(weir.race, { forever, raising "first" })
    assert.same({}, seen)
  end))

  it("adds the failed task's traceback to what run raises", function()
    local function culprit() error "of the first" end
    local ok, err = pcall(weir.run_paused, function() weir.race { culprit, forever } end)
    assert.is_false(ok)
    assert.matches("of the first", err, 1, true)
    assert.matches(":" .. debug.getinfo(culprit, "S").linedefined .. ": in", err, 1, true)
  end)
end)

describe("weir.join_all", function()
  it("lets others run beside a loop of empty ones", paused(function()
    local stop = false
    weir.spawn(function() stop = true end)
    for _ = 1, 1000 do weir.join_all {} end
    assert.is_true(stop)
  end))
end)

-- Calls f at each place inside a task where nobody can wait; f gets the words that explain it.
local function where_nobody_waits(f)
  table.sort({ 1, 2 }, function()
    f "Lua cannot yield here"
    return false
  end)
  coroutine.wrap(f) "plain coroutine"
  do
    local finalizer <const> = function() f "Lua cannot yield here" end
    setmetatable({}, { __gc = finalizer })
    collectgarbage()
  end
  local ending = helper.later(function()
    local _close <close> = setmetatable({}, { __close = function() f "being ended" end })
    forever()
  end)
  ending:abort()
  ending:join()
end

for _, name in ipairs { "race", "join_all" } do
  describe("weir." .. name .. " where nobody can wait", function()
    it("raises at the caller's line, names itself and says why", paused(function()
      local places = 0
      where_nobody_waits(function(why)
        blames(function() local _ = weir[name] { weir.yield } end, name .. " would have to wait", why)
        places = places + 1
      end)
      assert.equal(4, places)
    end))

    it("runs none of the functions", paused(function()
      local ran = false
      where_nobody_waits(function()
        pcall(weir[name], { function() ran = true end })
      end)
      helper.settle()
      assert.is_false(ran)
    end))
  end)
end
