rockspec_format = "3.0"
package = "weir"
version = "0.1.0-1"

-- `make dist URL=...` writes the archive, and beside it this file with its address.
source = {
  url = "https://weir.invalid/weir-0.1.0.tar.gz",
  dir = "weir-0.1.0",
}

description = {
  summary = "Tokio's channels for Lua coroutines",
  detailed = [[
    Tasks, bounded channels (mpsc, oneshot, watch, broadcast, mpmc), select, locks, cancellation and
    task sets on one small scheduler: every wait can be cut short and nothing is lost.
  ]],
  labels = { "concurrency", "coroutines", "channels", "actors", "async" },
  license = "MIT",
}

dependencies = {
  "lua >= 5.4, < 5.6",
}

build = {
  type = "builtin",
  modules = {
    ["weir.core"] = { sources = { "csrc/weir.c" }, incdirs = { "csrc" }, defines = { "NDEBUG" } },
    ["weir"] = "lua/weir/init.lua",
    ["weir.actor"] = "lua/weir/actor.lua",
    ["weir.console"] = "lua/weir/console.lua",
    ["weir.cqueues"] = "lua/weir/cqueues.lua",
    ["weir.luv"] = "lua/weir/luv.lua",
    ["weir.stream"] = "lua/weir/stream.lua",
    ["weir.test"] = "lua/weir/test.lua",
    ["weir.trace"] = "lua/weir/trace.lua",
  },
}

-- Not the type "busted": that one fetches busted from the network first.
test = {
  type = "command",
  command = "make check",
}
