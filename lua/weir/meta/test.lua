---@meta weir.test
-- weir.test: what editors know of it.
-- SPDX-License-Identifier: MIT

---Aids for tests: every legal order, drawn from seeds; nothing left behind.
local test = {}

---@class weir.test.ExploreOptions
---@field seeds? integer      # how many orders; 1000
---@field first? integer      # the first seed; 1
---@field seed? integer       # this one alone
---@field trace? string       # the path of a trace of the run that fails

---Run f as the first task of a program under many legal orders; an error names the first seed that fails.
---@param f fun()
---@param options? weir.test.ExploreOptions
---@return { seeds: integer, orders: integer }
function test.explore(f, options) end

---Run f; an error lists the tasks, handles and permits that it has left behind.
---@param f fun(): any ...
---@param options? { strict: boolean? }
---@return any ...            # what f returned
function test.assert_no_leaks(f, options) end

return test
