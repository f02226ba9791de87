-- SPDX-License-Identifier: MIT
-- What does one receive of a broadcast cost when every message wakes all hundred receivers?
require "everyone" ("broadcast_singly", 1)
