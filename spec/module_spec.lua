-- SPDX-License-Identifier: MIT
-- module_spec.lua -- one scheduler for each Lua state, however often weir is loaded.

local weir = require "weir"
local helper = require "spec.helper"

-- f(weir) with a weir that was loaded anew, as test tools do between files.
local function loaded_anew(f)
  local kept = {}
  for name, module in pairs(package.loaded) do
    if name:match "^weir" then kept[name] = module end
  end
  for name in pairs(kept) do package.loaded[name] = nil end
  local ok, err = pcall(function() f(require "weir") end)
  for name in pairs(package.loaded) do
    if name:match "^weir" then package.loaded[name] = kept[name] end
  end
  for name, module in pairs(kept) do package.loaded[name] = module end
  if not ok then error(err, 0) end
end

describe("weir loaded a second time in one state", function()
  it("runs the tasks of the first", helper.paused(function()
    loaded_anew(function(again)
      assert.not_equal(weir, again)
      assert.equal(weir.current(), again.current())
      assert.is_true(again.sleep(1))
      assert.same({ true, "r" }, { again.spawn(function() weir.yield() return "r" end):join() })
    end)
  end))

  it("shares its channels", helper.paused(function()
    loaded_anew(function(again)
      local tx, rx = weir.mpsc(1)
      assert.equal("mpsc.Sender", again.type(tx))
      assert.same({ true, true }, { again.spawn(function(mine) return mine:send "v" end, tx):join() })
      assert.same({ 1, "v" }, { again.select { rx } })
    end)
  end))

  it("selects streams of the first", helper.paused(function()
    local stream = require "weir.stream"
    local s <close> = stream.from { "element" }
    loaded_anew(function(again)
      local _stream = require "weir.stream"
      assert.same({ 1, "element" }, { again.select { s } })
    end)
  end))

  it("replaces coroutine.running and coroutine.close no second time", function()
    local running, close = coroutine.running, coroutine.close
    loaded_anew(function()
      assert.equal(running, coroutine.running)
      assert.equal(close, coroutine.close)
    end)
  end)

  it("sees that it runs already", helper.paused(function()
    loaded_anew(function(again)
      helper.blames(function() again.run(function() end) end, "runs already")
    end)
  end))
end)
