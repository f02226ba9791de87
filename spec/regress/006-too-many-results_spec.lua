-- SPDX-License-Identifier: MIT
-- A function under weir.timeout, a scope, a token or weir.wrap returned more values than the stack around
-- it could take. The error was right, but a pcall around it left the task inside: it could never wait again.

local weir = require "weir"

local MANY = 600000

local function many() return table.unpack({}, 1, MANY) end

describe("more results than there is room for", function()
  local ways = {
    ["weir.timeout"] = function() return weir.timeout(1, many) end,
    ["weir.scope"] = function() return weir.scope(many) end,
    ["run_until_cancelled"] = function() return weir.cancellation_token():run_until_cancelled(many) end,
    ["weir.wrap"] = function() return weir.wrap(many)() end,
  }

  for name, way in pairs(ways) do
    it("are an error of " .. name .. ", after which the task waits as before", function()
      weir.run_paused(function()
        local ok, err = pcall(function(...) return select("#", way(), ...) end, many())
        assert.is_false(ok)
        assert.matches("too many results", err)
        assert.is_true(weir.sleep(1))
        local tx, rx = weir.mpsc(1)
        weir.spawn(function() tx:send "word" end)
        assert.equal("word", rx:recv())
      end)
    end)
  end
end)
