-- SPDX-License-Identifier: MIT
-- Functions that only carry the value, in the place of weir's: what the interpreter alone costs.
return require "bench.hollow"
