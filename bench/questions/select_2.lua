-- SPDX-License-Identifier: MIT
-- What does one message cost that is waited for on two channels at once?
require "sources" ("select_2", 2)
