-- SPDX-License-Identifier: MIT
-- What a set forgets it forgot all at once, and put a new table in the place of the old one: a finalizer that
-- ran when that was made spawned into the set, and its task was anchored by the old one.

local weir = require "weir"
local helper = require "spec.helper"
local program = require "spec.program"

-- f(set), in which the next object to be made runs a finalizer that spawns into the set.
local function spawning_meanwhile(set, f)
  local spawned
  local mode = collectgarbage("generational")
  collectgarbage("stop")
  setmetatable({}, { __gc = function() spawned = set:spawn(function() return "new" end) end })
  collectgarbage("restart")
  f(set)
  collectgarbage(mode)
  collectgarbage()
  assert.equal("Task", weir.type(spawned))
end

-- What was spawned is the only member of the set, and returns.
local function has_the_new_one(set)
  assert.equal(1, #set)
  helper.settle()
  helper.collect()
  assert.equal(1, #set)
  assert.equal("new", (select(3, set:join_next(1))))
  assert.equal(0, #set)
end

describe("a finalizer that spawns into a set", function()
  for _, name in ipairs { "shutdown", "detach_all" } do
    it("while it runs " .. name .. " or right after it finds its task there", helper.paused(function()
      local set <close> = weir.join_set()
      set:spawn(function() end)
      local running = name == "detach_all" and set:spawn(weir.sleep, 1)
      helper.settle()
      spawning_meanwhile(set, set[name])
      has_the_new_one(set)
      if running then assert.same({ true, true }, { running:join() }) end
    end))
  end
end)

describe("a finalizer that meddles with a set", function()
  for word, claim in pairs {
    drop_set = "may drop it while join_all packs its results",
    join_all = "may spawn into it while join_all packs its results",
    set_spawn = "may spawn into it while a task is spawned into it",
    set_drop_spawn = "may drop it while a task is spawned into it: that one is aborted",
  } do
    it(claim, function()
      assert.equal("ok\n", (program.run("spec/regress/meddling.lua", word)))
    end)
  end
end)
