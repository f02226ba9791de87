rockspec_format = "3.0"
package = "weir"
version = "scm-1"

-- `luarocks make` builds the tree that it is called in and never reads this: it waits for a public address.
source = {
  url = "git+https://weir.invalid/weir.git",
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
    ["weir.actor.backoff"] = "lua/weir/actor/backoff.lua",
    ["weir.actor.cell"] = "lua/weir/actor/cell.lua",
    ["weir.actor.check"] = "lua/weir/actor/check.lua",
    ["weir.actor.message"] = "lua/weir/actor/message.lua",
    ["weir.actor.outcome"] = "lua/weir/actor/outcome.lua",
    ["weir.actor.plan"] = "lua/weir/actor/plan.lua",
    ["weir.actor.reference"] = "lua/weir/actor/reference.lua",
    ["weir.actor.registry"] = "lua/weir/actor/registry.lua",
    ["weir.actor.supervise"] = "lua/weir/actor/supervise.lua",
    ["weir.actor.supervisor"] = "lua/weir/actor/supervisor.lua",
    ["weir.console"] = "lua/weir/console.lua",
    ["weir.cqueues"] = "lua/weir/cqueues.lua",
    ["weir.luv"] = "lua/weir/luv.lua",
    ["weir.luv.await"] = "lua/weir/luv/await.lua",
    ["weir.luv.connection"] = "lua/weir/luv/connection.lua",
    ["weir.luv.lines"] = "lua/weir/luv/lines.lua",
    ["weir.luv.loop"] = "lua/weir/luv/loop.lua",
    ["weir.luv.net"] = "lua/weir/luv/net.lua",
    ["weir.luv.process"] = "lua/weir/luv/process.lua",
    ["weir.luv.signal"] = "lua/weir/luv/signal.lua",
    ["weir.luv.work"] = "lua/weir/luv/work.lua",
    ["weir.report"] = "lua/weir/report.lua",
    ["weir.report.culprit"] = "lua/weir/report/culprit.lua",
    ["weir.report.page"] = "lua/weir/report/page.lua",
    ["weir.report.picture"] = "lua/weir/report/picture.lua",
    ["weir.report.words"] = "lua/weir/report/words.lua",
    ["weir.stream"] = "lua/weir/stream.lua",
    ["weir.stream.buffered"] = "lua/weir/stream/buffered.lua",
    ["weir.stream.check"] = "lua/weir/stream/check.lua",
    ["weir.stream.combinators"] = "lua/weir/stream/combinators.lua",
    ["weir.stream.consumers"] = "lua/weir/stream/consumers.lua",
    ["weir.stream.handle"] = "lua/weir/stream/handle.lua",
    ["weir.stream.map_node"] = "lua/weir/stream/map_node.lua",
    ["weir.stream.map_of"] = "lua/weir/stream/map_of.lua",
    ["weir.stream.node"] = "lua/weir/stream/node.lua",
    ["weir.stream.select"] = "lua/weir/stream/select.lua",
    ["weir.stream.sources"] = "lua/weir/stream/sources.lua",
    ["weir.stream.timed"] = "lua/weir/stream/timed.lua",
    ["weir.stream.wait"] = "lua/weir/stream/wait.lua",
    ["weir.test"] = "lua/weir/test.lua",
    ["weir.trace"] = "lua/weir/trace.lua",
  },
}

-- Not the type "busted": that one fetches busted from the network first.
test = {
  type = "command",
  command = "make check",
}
