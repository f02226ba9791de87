-- SPDX-License-Identifier: MIT
-- model_spec.lua -- random programs on every kind of channel and on a model of it: the same outcomes.
-- WEIR_MODEL_OPS (how many operations in all) and WEIR_MODEL_SEED (the first seed) make it longer.

local program = require "spec.model.program"

local STEPS = 60
local ops = tonumber(os.getenv "WEIR_MODEL_OPS") or 28000
local first = math.tointeger(tonumber(os.getenv "WEIR_MODEL_SEED")) or os.time()

describe("model", function()
  for kind, entry in ipairs(program.kinds) do
    it("agrees with " .. entry[1], function()
      local done, seed = 0, first
      while done < ops / #program.kinds do
        local steps = program.draw(seed, STEPS)
        local ok, n = program.run(kind, steps)
        if not ok then error(program.report(kind, seed, steps), 0) end
        done, seed = done + n, seed + 1
      end
      assert.is_true(done > 0)
    end)
  end
end)
