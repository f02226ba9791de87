/* SPDX-License-Identifier: MIT */
/*
** join_set.c -- tasks that belong together: join sets, and the sets of scopes.
**
**   running  M1 <-> M4            unfinished members
**   ended    M2 <-> M3            finished, not yet handed on, in order of ending
**   room     limit - nrunning     spawn waits here
**   waiting  T                    join_next, or a scope's end
**   user value 1: { [nth] = task }, until handed on; 2: a scope's first error,
**   3: the traceback that goes with it, 4: the task if nobody joined it
**
** J1  nrunning and nended count the two lists; #set is their sum
** J2  room.free + permits out + nrunning == limit
** J3  a member of `ended` is anchored by user value 1
** J4  a dropped set has no members: the running ones were aborted and let go
** J5  first_failed: the first in `ended` that did not return, 0 if all did
** J6  a member that failed is handed on, or its error is raised, or it is reported to
**     weir.on_error when it is forgotten; unless a task joined it when it failed
**
** The hook of weir.on_error, and finalizers wherever there is an allocation, may use the set:
** whoever forgets members takes them out one by one, and looks at the set again after each.
*/
#include <assert.h>
#include <stdio.h>

#include "bind.h"

/* ---- what the scheduler and the frames ask ------------------------------ */

/* A task has ended that nobody joins. Will somebody be told how it failed? A scope
** raises the first error only. */
bool weirL_set_answers (Task *t) {
  Member *m = (Member *)t;
  if (!t->grouped || m->set == NULL || m->set->failed || m->set->dropped) return false;
  m->unheard = true;
  return true;
}

void weirL_set_abort (JoinSet *set) {
  weir_Link *x;
  for (x = set->running.next; x != &set->running; x = x->next)
    weirL_abort(&weir_container(x, Member, link)->task);
}

/* [-0, +1, m] */
JoinSet *weirL_set_new (lua_State *L, Scheduler *S, uint32_t limit) {
  JoinSet *set = (JoinSet *)lua_newuserdatauv(L, sizeof(JoinSet), 4);
  set->o.tag = 0;
  set->o.waits = 0;
  set->S = S;
  set->limit = limit;
  weir_permits_init(&set->room, limit == 0 ? UINT32_MAX : limit, NULL);
  weir_list_init(&set->running);
  weir_list_init(&set->ended);
  weir_list_init(&set->waiting);
  set->nrunning = set->nended = set->spawned = set->first_failed = 0;
  set->scope = NULL;
  set->failed = set->dropped = false;
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  return set;
}

/* A scope's member, at index `task`, failed first: keep its error, end the
** others. [-0, +0, -] */
static void scope_fails (lua_State *L, JoinSet *set, int task) {
  const Task *t = (Task *)lua_touserdata(L, task);
  lua_getiuservalue(L, task, 2);                /* set */
  if (((const Member *)t)->unheard) {
    lua_pushvalue(L, task);
    lua_setiuservalue(L, -2, 4);
  }
  weirL_push_error(L, task, t);
  lua_setiuservalue(L, -2, 2);
  weirL_push_trace(L, task, t);
  lua_setiuservalue(L, -2, 3);
  lua_pop(L, 1);
  set->failed = true;
  weirL_set_abort(set);
  if (!set->scope->over) weirL_frame_expire(set->scope);
}

/* Will the scope raise the error of its member? Not if it is cut for another reason, or has one
** of its own. */
static bool scope_raises (const Frame *scope) {
  const Frame *f;
  if (scope->failed || scope->task->aborting || scope->task->close_failed) return false;
  for (f = scope->outer; f != NULL; f = f->outer)
    if (f->cut) return false;
  return true;
}

/* The scope's last member, at index `task`, has ended: report the failure that it keeps if it
** will not raise it. [-0, +0, -] */
static void scope_is_empty (lua_State *L, const JoinSet *set, int task) {
  if (!set->failed || scope_raises(set->scope)) return;
  lua_getiuservalue(L, task, 2);
  if (lua_getiuservalue(L, -1, 4) == LUA_TUSERDATA) {
    lua_pushnil(L);
    lua_setiuservalue(L, -3, 4);
    weirL_report_failure(L, (Task *)lua_touserdata(L, -1), lua_gettop(L));
  }
  lua_pop(L, 2);
}

/* The member at index `task` has finished. [-0, +0, -] */
void weirL_set_ended (lua_State *L, Scheduler *S, Member *m, int task) {
  JoinSet *set = m->set;
  (void)S;
  if (set == NULL) return;
  weir_list_remove(&m->link);
  set->nrunning--;
  if (set->scope == NULL) {
    weir_list_append(&set->ended, &m->link);
    set->nended++;
    if (m->task.status != DONE && set->first_failed == 0) set->first_failed = m->nth;
  }
  else {                                        /* a scope keeps no results */
    m->set = NULL;
    lua_getiuservalue(L, task, 2);
    lua_getiuservalue(L, -1, 1);
    lua_pushnil(L);
    lua_rawseti(L, -2, m->nth);
    lua_pop(L, 2);
    if (m->task.status == FAILED && !set->failed && !set->dropped) scope_fails(L, set, task);
  }
  weir_permits_give(&set->room, 1);
  weir_line_tell_all(&set->waiting);
  if (set->scope != NULL && set->nrunning == 0 && !set->dropped) scope_is_empty(L, set, task);
}

/* ---- spawning ----------------------------------------------------------- */

/* the handle at index 1, its set pushed. [-0, +1, -] */
static JoinSet *to_set (lua_State *L) {
  JoinSet *set = (JoinSet *)((Handle *)weirL_handle_check(L, 1, JOIN_SET))->end;
  if (set->dropped) weirL_error(L, "this scope has ended");
  return set;
}

/* Reserve a place in the table of members, at index `tasks`: a number that has none, since a
** finalizer may spawn into the set while the task for one is made. [-0, +0, m] */
static uint32_t claim (lua_State *L, JoinSet *set, int tasks) {
  int type;
  if (set->nrunning == 0 && set->nended == 0) set->spawned = 0;
  do {
    type = lua_rawgeti(L, tasks, (lua_Integer)++set->spawned);
    lua_pop(L, 1);
  } while (type != LUA_TNIL);
  lua_pushboolean(L, 0);
  lua_rawseti(L, tasks, (lua_Integer)set->spawned);
  return set->spawned;
}

/* Spawn into the set: function at index 2, arguments above; `won` holds the
** place, if it was waited for. Returns 1: the task. */
static int spawn_member (lua_State *L, JoinSet *set, weir_Waiter *won) {
  uint32_t nth;
  Member *m;
  lua_getiuservalue(L, 1, 1);                   /* set */
  lua_getiuservalue(L, -1, 1);                  /* set; tasks */
  nth = claim(L, set, lua_gettop(L));           /* may raise: now */
  lua_insert(L, 2);
  lua_insert(L, 2);                             /* handle; set; tasks; f; args */
  m = (Member *)weirL_spawn(L, set->S, 4, set, true);
  weir_list_init(&m->link);
  if (WEIR_UNLIKELY(set->dropped)) {            /* a finalizer was here */
    if (won != NULL) weir_permits_take(won);
    weirL_abort(&m->task);
    return 1;
  }
  m->set = set;
  m->nth = nth;
  lua_pushvalue(L, -1);
  lua_rawseti(L, 3, m->nth);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 2);
  weir_list_append(&set->running, &m->link);
  set->nrunning++;
  if (won != NULL) weir_permits_take(won);
  else weir_permits_try(&set->room, 1);         /* no limit */
  weirL_notice(L, set->S);
  return 1;
}

static int spawn_take (lua_State *L, int i, weir_Waiter *won) {
  (void)i;
  return spawn_member(L, to_set(L), won);
}

/* The place is taken first: while the task is made a finalizer may want one, too. */
static int spawn_poll (lua_State *L, int i, weir_Waiter *won) {
  JoinSet *set = to_set(L);
  weir_Waiter place;
  if (set->limit == 0) return spawn_member(L, set, NULL);
  if (!weirL_granted(won)) {
    if (!weir_permits_try(&set->room, 1)) return WEIR_PENDING;
    weirL_as_won(won = &place, &set->room);
  }
  return weirL_with_grant(L, i, lua_gettop(L) - i + 1, won, spawn_take);
}

static bool spawn_ready (lua_State *L, int i) {
  (void)i;
  return weir_permits_ready(&to_set(L)->room, 1);
}

static void spawn_enter (lua_State *L, int i, weir_Waiter *w) {
  Handle *h = (Handle *)lua_touserdata(L, i);
  weir_permits_join(&((JoinSet *)h->end)->room, w, 1);
  weirL_through(w, h);
}

static const Op spawn_op = {"spawn", spawn_poll, spawn_ready, spawn_enter, NULL, false};

/* set:spawn(f, ...) -> a Task */
static int set_spawn (lua_State *L) {
  JoinSet *set = to_set(L);
  weirL_checktype(L, 2, LUA_TFUNCTION);
  return weirL_await(L, set->S, &spawn_op, lua_gettop(L) + 1, set_spawn);
}

/* set:try_spawn(f, ...) -> a Task / nil, "full" */
static int set_try_spawn (lua_State *L) {
  JoinSet *set = to_set(L);
  weirL_checktype(L, 2, LUA_TFUNCTION);
  if (!weir_permits_ready(&set->room, 1)) return weirL_reason(L, "full");
  return spawn_poll(L, 1, NULL);
}

/* ---- joining ------------------------------------------------------------ */

/* Take a member that has ended out of the set, whose table of members is at index `tasks`, and
** push it. Only links and a field to nil. [-0, +1, -] */
static Member *take_out (lua_State *L, JoinSet *set, int tasks, weir_Link *x) {
  Member *m = weir_container(x, Member, link);
  lua_rawgeti(L, tasks, m->nth);
  lua_pushnil(L);
  lua_rawseti(L, tasks, m->nth);
  weir_list_remove(x);
  m->set = NULL;
  set->nended--;
  if (set->first_failed == m->nth) {            /* those before the next one are not looked at again */
    set->first_failed = 0;
    for (x = set->ended.next; x != &set->ended && set->first_failed == 0; x = x->next)
      if (weir_container(x, Member, link)->task.status != DONE)
        set->first_failed = weir_container(x, Member, link)->nth;
  }
  return m;
}

static int next_poll (lua_State *L, int i, weir_Waiter *won) {
  JoinSet *set = (JoinSet *)((Handle *)lua_touserdata(L, i))->end;
  weir_Link *x = weir_list_first(&set->ended);
  int base = lua_gettop(L);
  (void)won;
  if (x == NULL)
    return set->nrunning > 0 ? WEIR_PENDING : weirL_reason(L, "empty");
  lua_getiuservalue(L, i, 1);
  lua_getiuservalue(L, -1, 1);                  /* set; tasks */
  take_out(L, set, base + 2, x);
  lua_replace(L, base + 1);
  lua_settop(L, base + 1);                      /* task */
  return 1 + weirL_join_op.poll(L, base + 1, NULL);
}

static bool next_ready (lua_State *L, int i) {
  const JoinSet *set = (JoinSet *)((Handle *)lua_touserdata(L, i))->end;
  return set->nended > 0 || set->nrunning == 0;
}

static void next_enter (lua_State *L, int i, weir_Waiter *w) {
  Handle *h = (Handle *)lua_touserdata(L, i);
  weir_line_join(&((JoinSet *)h->end)->waiting, w);
  weirL_through(w, h);
}

const Op weirL_join_next_op = {"join_next", next_poll, next_ready, next_enter, NULL, false};

/* set:join_next([timeout]) -> task, true, results... / task, false, err /
** nil, "empty" / nil, "timeout" */
static int set_join_next (lua_State *L) {
  JoinSet *set = to_set(L);
  return weirL_await(L, set->S, &weirL_join_next_op, 2, set_join_next);
}

static int set_try_join_next (lua_State *L) {
  int n;
  to_set(L);
  lua_settop(L, 1);
  n = next_poll(L, 1, NULL);
  return n == WEIR_PENDING ? weirL_reason(L, "timeout") : n;
}

static int set_abort_all (lua_State *L) {
  JoinSet *set = to_set(L);
  weirL_set_abort(set);
  weirL_notice(L, set->S);
  return weirL_true(L);
}

/* Forget what has ended of the set at index `at`, whose members' table is the value above: who
** failed and was not heard is reported. [-0, +0, -] */
static void forget_all (lua_State *L, JoinSet *set, int at) {
  weir_Link *x;
  while ((x = weir_list_first(&set->ended)) != NULL) {
    const Member *m = take_out(L, set, at + 1, x);
    if (m->unheard && m->task.status == FAILED)
      weirL_report_failure(L, &m->task, lua_gettop(L));
    lua_pop(L, 1);
  }
}

/* Push the set of the handle at index i, and the table of its members: both stay alive when a
** finalizer drops the handle. Returns the index of the first. [-0, +2, -] */
static int push_members (lua_State *L, int i) {
  lua_getiuservalue(L, i, 1);
  lua_getiuservalue(L, -1, 1);
  return lua_gettop(L) - 1;
}

/* Raise how the member at index `task` ended: its error, or "aborted". */
static int raise_of (lua_State *L, JoinSet *set, int task) {
  const Task *t = (Task *)lua_touserdata(L, task);
  if (t->status == FAILED) weirL_push_error(L, task, t);
  else lua_pushliteral(L, "aborted");
  weirL_push_trace(L, task, t);
  if (set->S->current != NULL && lua_isstring(L, -1))
    weirL_blame(L, set->S->current, -2, -1);
  lua_pop(L, 1);
  return lua_error(L);
}

/* Push an array of the packed results of all members that have ended, in order of spawning:
** all of them have returned. [-0, +1, m] */
static void pack_all (lua_State *L, const JoinSet *set, int tasks) {
  lua_Integer nth, n = 0, last = set->spawned;
  int results = lua_gettop(L) + 1;
  lua_createtable(L, (int)set->nended, 0);
  for (nth = 1; nth <= last; nth++) {           /* (a finalizer may spawn more) */
    const Task *t;
    lua_rawgeti(L, tasks, nth);
    t = (const Task *)lua_touserdata(L, -1);
    if (t != NULL && t->status == DONE) {
      int j, m = weirL_push_results(L, results + 1, t);
      lua_createtable(L, m, 1);
      lua_insert(L, results + 2);               /* results; task; packed; ... */
      for (j = m; j >= 1; j--) lua_rawseti(L, results + 2, j);
      lua_pushinteger(L, m);
      lua_setfield(L, results + 2, "n");
      lua_rawseti(L, results, ++n);
    }
    lua_settop(L, results);
  }
}

/* Waits until nothing runs; then all results, or the first error. */
static int all_poll (lua_State *L, int i, weir_Waiter *won) {
  JoinSet *set = (JoinSet *)((Handle *)lua_touserdata(L, i))->end;
  int at;
  (void)won;
  if (set->first_failed != 0) weirL_set_abort(set);
  if (set->nrunning > 0) return WEIR_PENDING;
  at = push_members(L, i);
  if (set->first_failed != 0) {
    lua_rawgeti(L, at + 1, set->first_failed);
    take_out(L, set, at + 1, &((Member *)lua_touserdata(L, -1))->link);
    forget_all(L, set, at);
    return raise_of(L, set, lua_gettop(L));
  }
  pack_all(L, set, at + 1);
  weirL_handle_check(L, i, JOIN_SET);           /* a finalizer was here? */
  forget_all(L, set, at);
  return 1;
}

static bool join_set_all_ready (lua_State *L, int i) {
  return ((JoinSet *)((Handle *)lua_touserdata(L, i))->end)->nrunning == 0;
}

static const Op all_op = {"join_all", all_poll, join_set_all_ready, next_enter, NULL, false};

/* set:join_all() -> { packed results, ... } in order of spawning */
static int set_join_all (lua_State *L) {
  JoinSet *set = to_set(L);
  lua_settop(L, 1);
  return weirL_await(L, set->S, &all_op, 2, set_join_all);
}

/* Waits until nothing runs, and forgets what has ended. */
static int shut_poll (lua_State *L, int i, weir_Waiter *won) {
  JoinSet *set = (JoinSet *)((Handle *)lua_touserdata(L, i))->end;
  (void)won;
  weirL_set_abort(set);
  if (set->nrunning > 0) return WEIR_PENDING;
  forget_all(L, set, push_members(L, i));
  return weirL_true(L);
}

static const Op shut_op = {"shutdown", shut_poll, next_ready, next_enter, NULL, false};

static int set_shutdown (lua_State *L) {
  JoinSet *set = to_set(L);
  lua_settop(L, 1);
  return weirL_await(L, set->S, &shut_op, 2, set_shutdown);
}

/* Let go of those that run. Only links and fields to nil; `tasks` as above. [-0, +0, -] */
static void let_run (lua_State *L, JoinSet *set, int tasks) {
  weir_Link *x;
  while ((x = weir_list_first(&set->running)) != NULL) {
    Member *m = weir_container(x, Member, link);
    lua_pushnil(L);
    lua_rawseti(L, tasks, m->nth);
    weir_list_remove(x);
    m->set = NULL;
  }
  set->nrunning = 0;
}

/* All go on by themselves; the set is empty. */
static int set_detach_all (lua_State *L) {
  JoinSet *set = to_set(L);
  uint32_t n = set->nrunning;
  int at;
  if (set->scope != NULL)
    return weirL_error(L, "a scope's tasks cannot be detached: nothing outlives a scope");
  at = push_members(L, 1);
  let_run(L, set, at + 1);
  weir_permits_give(&set->room, n);
  weir_line_tell_all(&set->waiting);
  forget_all(L, set, at);
  weirL_notice(L, set->S);
  return weirL_true(L);
}

static int set__len (lua_State *L) {
  const JoinSet *set = to_set(L);
  lua_pushinteger(L, (lua_Integer)set->nrunning + set->nended);
  return 1;
}

/* ---- dropping ------------------------------------------------------------ */

void weirL_set_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  JoinSet *set = (JoinSet *)h->end;
  int at;
  (void)S;
  if (set->scope != NULL) return;               /* the scope's frame ends its tasks */
  set->dropped = true;
  weirL_set_abort(set);
  at = push_members(L, i);
  let_run(L, set, at + 1);
  forget_all(L, set, at);
  lua_settop(L, at - 1);
}

void weirL_set_cut (Handle *h) {
  JoinSet *set = (JoinSet *)h->end;
  weir_line_tell_through(&set->waiting, h);
  weir_permits_tell_through(&set->room, h);
}

int weirL_set_fill (const Object *o, char *text, size_t size) {
  const JoinSet *set = (JoinSet *)((const Handle *)o)->end;
  return snprintf(text, size, "%u running, %u ended", (unsigned)set->nrunning,
                  (unsigned)set->nended);
}

/* weir.join_set([limit]) */
static int join_set (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  uint32_t limit = lua_isnoneornil(L, 1) ? 0
                   : (uint32_t)weirL_integer(L, 1, 1, WEIR_CAPACITY_MAX);
  JoinSet *set = weirL_set_new(L, S, limit);
  weirL_handle_new(L, S, JOIN_SET, -1, set);
  return 1;
}

void weirL_open_join_set (lua_State *L, int S) {
  static const luaL_Reg methods[] = {{"spawn", set_spawn}, {"try_spawn", set_try_spawn},
    {"join_next", set_join_next}, {"try_join_next", set_try_join_next},
    {"abort_all", set_abort_all}, {"shutdown", set_shutdown},
    {"detach_all", set_detach_all}, {"join_all", set_join_all}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__len", set__len}, {NULL, NULL}};
  weirL_register(L, S, JOIN_SET, methods, meta);
  weirL_setfunc(L, S, "join_set", join_set);
}
