---@meta weir.console
-- weir.console: what editors know of it.
-- SPDX-License-Identifier: MIT

---A live table of the program on its terminal.
local console = {}

---@class weir.console.Options
---@field interval? number    # seconds between two pictures; 1
---@field out? file*          # io.stderr
---@field plain? boolean      # a line for each interval, as where there is no terminal
---@field width? number       # columns; as the terminal says, or 80
---@field height? number      # lines; as the terminal says, or 24
---@field colour? boolean     # as the terminal says

---Show the program until the task that is returned is aborted.
---@param options? weir.console.Options
---@return Task
function console.start(options) end

---One picture of the program as it is now.
---@param options? weir.console.Options    # width, height, colour
---@return string
function console.frame(options) end

return console
