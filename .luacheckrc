-- What luacheck is told about this project.
-- SPDX-License-Identifier: MIT
std = "lua54"
max_line_length = 110
ignore = { "21[1-3]/_.*", "231/_.*" }        -- names that say themselves that they go unused
exclude_files = { "build/" }
files["examples"] = { max_comment_line_length = false }  -- what a program prints is as long as it is
files["spec"] = { std = "+busted" }
files["rockspec"] = { std = "+rockspec" }
files["lua/weir/meta*"] = { ignore = { ".*" } }  -- annotations only, never run
