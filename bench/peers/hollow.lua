-- SPDX-License-Identifier: MIT
-- Empty functions in the place of weir's: what the interpreter alone costs.
local hollow = require "bench.hollow"

-- the questions about requests are the ones that pass tables, through a channel of 16
local passes_tables = { request_call = true, request_oneshot = true }

if passes_tables[(arg[0]:match "([%w_]+)%.lua$")] then hollow.mpsc = hollow.requests end

return hollow
