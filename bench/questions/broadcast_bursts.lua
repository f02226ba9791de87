-- SPDX-License-Identifier: MIT
-- What does one receive of a broadcast cost when the sender gives way after every sixteen?
require "everyone" ("broadcast_bursts", 16)
