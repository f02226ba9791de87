-- SPDX-License-Identifier: MIT
-- weir: channels with Tokio's meaning for Lua coroutines. The core is C; what is
-- clearer in Lua stands here.

local core = require "weir.core"

local weir = {}
for name, value in pairs(core) do weir[name] = value end
for _, internal in ipairs { "new_kind", "state", "take", "own", "owner",
  "unyieldable", "coop", "on_composite", "READY" } do
  weir[internal] = nil
end

weir._VERSION = "weir 0.1.0"

return weir
