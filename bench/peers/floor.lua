-- SPDX-License-Identifier: MIT
-- Lua's own costs, measured by C functions that do nothing else.
return require "bench.floor"
