-- explained.lua -- the lines of the C core that no test reaches, and why none can, or why none does.
-- SPDX-License-Identifier: MIT
--
-- { file, function, reason, lines = { their text } }; without `lines`, every line of the function.

local NEVER_BACK <const> = "what stands before it raises, and C does not know that"
local SELECT_ONLY <const> =
  "an operation's ready is asked by a select alone, and nothing of this can stand in one"
local FINALIZER <const> =
  "a finalizer has to run inside of one certain allocation; what it needs is looked at again there"
local NO_MEMORY <const> = "memory has to fail for one certain reallocation and not for those before it"

return {
  { "csrc/bind/box.c", "box", NEVER_BACK, lines = { "return NULL;" } },
  { "csrc/bind/mpsc.c", "bad_handle", NEVER_BACK, lines = { "}" } },
  { "csrc/bind/mpsc.c", "mpsc_sender", NEVER_BACK, lines = { "return NULL;" } },
  { "csrc/bind/mpsc.c", "mpsc_receiver", NEVER_BACK, lines = { "return NULL;" } },
  { "csrc/bind/object.c", "weirL_check", NEVER_BACK, lines = { "return NULL;" } },
  { "csrc/bind/object.c", "weirL_handle_check", NEVER_BACK, lines = { "return NULL;" } },
  { "csrc/bind/select.c", "bad_branch", NEVER_BACK, lines = { "}" } },
  { "csrc/bind/wait.c", "weirL_may_not_wait", NEVER_BACK, lines = { "return NULL;" } },

  { "csrc/bind/join_set.c", "spawn_ready", SELECT_ONLY },
  { "csrc/bind/join_set.c", "join_set_all_ready", SELECT_ONLY },
  { "csrc/bind/lock.c", "one_ready", SELECT_ONLY },
  { "csrc/bind/lock.c", "lock_all_ready", SELECT_ONLY },

  { "csrc/bind/broadcast.c", "grow", FINALIZER, lines = { "lua_pop(L, 2);", "return;" } },
  { "csrc/bind/mpsc.c", "send_value", FINALIZER, lines = {
    "weirL_badspent(L, i, (const Handle *)lua_touserdata(L, i));",
    "weirL_badspent(L, from, (const Handle *)lua_touserdata(L, from));", "lua_settop(L, store - 1);",
    "return send_value(L, i, c, won, p, from != 0 ? from : v, call);" } },
  { "csrc/bind/mpsc.c", "many_take", FINALIZER, lines = {
    "lua_pushnil(L);", "lua_rawseti(L, i + 1, len + n + 1);", "break;" } },
  { "csrc/bind/object.c", "weirL_handle_commit", FINALIZER, lines = {
    "f->end = NULL;", "f->u.spent = h->u.spent;" } },
  { "csrc/bind/call.c", "call_placed", FINALIZER, lines = {
    "take_back(L);", "hang_up(L, t);", "return lua_error(L);", "lua_settop(L, CALL_MSG);",
    "weir_park(&t->parking, &t->self, 1);", "weirL_send_op.enter(L, CALL_TX, &t->self);",
    "return weirL_park(L, t, 0, call_placed);" } },
  { "csrc/bind/call.c", "sender_call", FINALIZER, lines = {
    "if (seconds > 0) S->kept--;", "take_back(L);", "weirL_badspent(L, CALL_TX, h);" } },
  { "csrc/bind/scheduler.c", "grow_slots", FINALIZER, lines = { "else lua_pop(L, 1);" } },
  { "csrc/bind/scheduler.c", "weirL_deadline_room", FINALIZER, lines = {
    "lua_pop(L, 1);", "weirL_deadline_room(L, S);", "return;" } },
  { "csrc/bind/select.c", "select_k", FINALIZER, lines = {
    "r = branch_effect(L, plain, b, NULL);", "if (r != WEIR_PENDING) return r;", "lua_settop(L, top);" } },
  { "csrc/bind/select.c", "select_mode", FINALIZER, lines = {
    "lua_settop(L, 2);                           /* a finalizer took it from us */",
    "r = branch_effect(L, plain, n, NULL);", "if (r != WEIR_PENDING) return r;" } },
  { "csrc/bind/semaphore.c", "permit_split", FINALIZER, lines = {
    'return weirL_error(L, "this permit was split or merged meanwhile");' } },
  { "csrc/bind/wait.c", "wait_stand", FINALIZER, lines = {
    "weirL_cut_short(L, t);", "return handle_gone(L, op);" } },
  { "csrc/bind/wait.c", "weirL_await_k", FINALIZER, lines = {
    "weirL_deadline_room(L, t->S);",
    "n = weirL_live(lua_touserdata(L, 1)) ? op->poll(L, 1, NULL) : WEIR_PENDING;" } },
  { "csrc/bind/wait.c", "weirL_await", FINALIZER, lines = {
    "weirL_badspent(L, 1, (const Handle *)lua_touserdata(L, 1));" } },

  { "csrc/bind/frame.c", "go_on", NO_MEMORY, lines = {
    "lua_pop(f->co, nres);", 'return weirL_error(L, "too many results to yield");' } },

  { "csrc/bind/call.c", "call_arrived", "nothing wakes a call but its answer, its end or its time",
    lines = { "return call_wait(L, t, o);" } },
  { "csrc/bind/os.c", "weirL_os_terminal", "tests have no terminal",
    lines = { "*columns = size.ws_col;", "*rows = size.ws_row;" } },
  { "csrc/bind/scheduler.c", "weirL_random", "no code stands there: the numbers are drawn in the lines below",
    lines = { "for (;;) {" } },
  { "csrc/bind/scheduler.c", "weirL_push_place", "100,000 places in chunks of different names come first",
    lines = { "lua_pop(L, 1);", 'lua_pushliteral(L, "?");' } },
  { "csrc/bind/scheduler.c", "end_tasks", "memory has to fail while tasks are ended, but not while one ends",
    lines = { "lua_pop(L, 1);" } },
  { "csrc/bind/scheduler.c", "weirL_open_scheduler", "a Lua whose coroutine library lacks close",
    lines = { "else lua_pop(L, 1);" } },
  { "csrc/bind/debug.c", "weirL_note_made", "a host in C that makes a handle with no Lua function beneath it",
    lines = { 'else lua_pushliteral(L, "C code");' } },
  { "csrc/bind/explore.c", "explore", "weir.test says it first",
    lines = { 'return weirL_error(L, "exploring begins and ends outside weir.run");' } },
  { "csrc/bind/snapshot.c", "describe", "every object that a task can wait for is one of weir's",
    lines = { "lua_pop(L, 1);" } },
  { "csrc/bind/task.c", "weirL_push_name", "the name of a task that has ended is not asked for",
    lines = { "else lua_pushnil(L);" } },
  { "csrc/bind/task.c", "weirL_woken_early",
    "a task that is woken without a reason goes on waiting; nothing does it",
    lines = { "else return false;" } },
  { "csrc/bind/trace.c", "walk_handle", "no other kind has messages",
    lines = { "default: break;" } },
}
