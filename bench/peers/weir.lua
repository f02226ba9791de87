-- SPDX-License-Identifier: MIT
-- The module itself: the questions are written in its own words.
return require "weir"
