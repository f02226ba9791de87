-- SPDX-License-Identifier: MIT
-- What does one message cost that is waited for on sixty-four channels at once?
require "sources" ("select_64", 64)
