/* SPDX-License-Identifier: MIT */
/*
** join_set.c -- tasks that belong together: join sets, and the sets of scopes.
**
**   running  M1 <-> M4            unfinished members
**   ended    M2 <-> M3            finished, not yet handed on, in order of ending
**   room     limit - nrunning     spawn waits here
**   waiting  T                    join_next, or a scope's end
**   user value 1: { [nth] = task }, until handed on; 2: a scope's first error,
**   3: the traceback that goes with it
**
** J1  nrunning and nended count the two lists; #set is their sum
** J2  room.free + permits out + nrunning == limit
** J3  a member of `ended` is anchored by user value 1
** J4  a dropped set has no members: the running ones were aborted and let go
*/
#include <assert.h>
#include <stdio.h>

#include "bind.h"

/* ---- what the scheduler and the frames ask ------------------------------ */

/* Will somebody be told how this task failed? */
bool weirL_set_answers (const Task *t) {
  return t->grouped && ((const Member *)t)->set != NULL;
}

void weirL_set_abort (JoinSet *set) {
  weir_Link *x;
  for (x = set->running.next; x != &set->running; x = x->next)
    weirL_abort(&weir_container(x, Member, link)->task);
}

/* [-0, +1, m] */
JoinSet *weirL_set_new (lua_State *L, Scheduler *S, uint32_t limit) {
  JoinSet *set = (JoinSet *)lua_newuserdatauv(L, sizeof(JoinSet), 3);
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
  weirL_push_error(L, task, t);
  lua_setiuservalue(L, -2, 2);
  weirL_push_trace(L, task, t);
  lua_setiuservalue(L, -2, 3);
  lua_pop(L, 1);
  set->failed = true;
  weirL_set_abort(set);
  if (!set->scope->over) weirL_frame_expire(set->scope);
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
    if (set->first_failed == 0 && m->task.status != DONE) set->first_failed = m->nth;
  }
  else {                                        /* a scope keeps no results */
    m->set = NULL;
    lua_getiuservalue(L, task, 2);
    lua_getiuservalue(L, -1, 1);
    lua_pushnil(L);
    lua_rawseti(L, -2, m->nth);
    lua_pop(L, 2);
    if (m->task.status == FAILED && !set->failed) scope_fails(L, set, task);
  }
  weir_permits_give(&set->room, 1);
  weir_line_tell_all(&set->waiting);
}

/* ---- spawning ----------------------------------------------------------- */

/* the handle at index 1, its set pushed. [-0, +1, -] */
static JoinSet *to_set (lua_State *L) {
  JoinSet *set = (JoinSet *)((Handle *)weirL_handle_check(L, 1, JOIN_SET))->end;
  if (set->dropped) weirL_error(L, "this scope has ended");
  return set;
}

/* Spawn into the set: function at index 2, arguments above; `won` holds the
** place, if it was waited for. Returns 1: the task. */
static int spawn_member (lua_State *L, JoinSet *set, weir_Waiter *won) {
  Member *m;
  if (set->nrunning == 0 && set->nended == 0) set->spawned = 0;
  lua_getiuservalue(L, 1, 1);                   /* set */
  lua_getiuservalue(L, -1, 1);                  /* set; tasks */
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, (lua_Integer)set->spawned + 1);   /* may raise: now */
  lua_insert(L, 2);
  lua_insert(L, 2);                             /* handle; set; tasks; f; args */
  m = (Member *)weirL_spawn(L, set->S, 4, set, true);
  m->set = set;
  m->nth = ++set->spawned;
  lua_pushvalue(L, -1);
  lua_rawseti(L, 3, m->nth);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 2);
  weir_list_init(&m->link);
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

static int next_poll (lua_State *L, int i, weir_Waiter *won) {
  JoinSet *set = (JoinSet *)((Handle *)lua_touserdata(L, i))->end;
  weir_Link *x = weir_list_first(&set->ended);
  Member *m;
  int base = lua_gettop(L);
  (void)won;
  if (x == NULL)
    return set->nrunning > 0 ? WEIR_PENDING : weirL_reason(L, "empty");
  m = weir_container(x, Member, link);
  lua_getiuservalue(L, i, 1);
  lua_getiuservalue(L, -1, 1);
  lua_rawgeti(L, -1, m->nth);                   /* set; tasks; task */
  lua_replace(L, base + 1);                     /* task; tasks */
  lua_pushnil(L);
  lua_rawseti(L, base + 2, m->nth);
  lua_settop(L, base + 1);
  weir_list_remove(x);
  set->nended--;
  if (set->first_failed == m->nth) set->first_failed = 0;
  m->set = NULL;
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

/* Forget what has ended; nothing runs. */
static void forget_all (lua_State *L, int i, JoinSet *set) {
  weir_Link *x;
  while ((x = weir_list_first(&set->ended)) != NULL) {
    weir_container(x, Member, link)->set = NULL;
    weir_list_remove(x);
  }
  set->nended = set->first_failed = 0;
  lua_getiuservalue(L, i, 1);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  lua_pop(L, 1);
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

/* Waits until nothing runs; then all results, or the first error. */
static int all_poll (lua_State *L, int i, weir_Waiter *won) {
  JoinSet *set = (JoinSet *)((Handle *)lua_touserdata(L, i))->end;
  int tasks = lua_gettop(L) + 1;
  lua_Integer nth, n = 0;
  (void)won;
  if (set->first_failed != 0) weirL_set_abort(set);
  if (set->nrunning > 0) return WEIR_PENDING;
  lua_getiuservalue(L, i, 1);
  lua_getiuservalue(L, -1, 1);
  lua_remove(L, -2);                            /* tasks */
  if (set->first_failed != 0) {
    lua_rawgeti(L, tasks, set->first_failed);   /* tasks; task */
    forget_all(L, i, set);
    return raise_of(L, set, tasks + 1);
  }
  lua_createtable(L, (int)set->nended, 0);      /* tasks; results */
  for (nth = 1; nth <= (lua_Integer)set->spawned; nth++) {
    int j, m;
    if (lua_rawgeti(L, tasks, nth) == LUA_TUSERDATA) {
      m = weirL_push_results(L, tasks + 2, (Task *)lua_touserdata(L, tasks + 2));
      lua_createtable(L, m, 1);
      lua_insert(L, tasks + 3);                 /* tasks; results; task; packed; ... */
      for (j = m; j >= 1; j--) lua_rawseti(L, tasks + 3, j);
      lua_pushinteger(L, m);
      lua_setfield(L, tasks + 3, "n");
      lua_rawseti(L, tasks + 1, ++n);
    }
    lua_settop(L, tasks + 1);
  }
  forget_all(L, i, set);
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
  forget_all(L, i, set);
  return weirL_true(L);
}

static const Op shut_op = {"shutdown", shut_poll, next_ready, next_enter, NULL, false};

static int set_shutdown (lua_State *L) {
  JoinSet *set = to_set(L);
  lua_settop(L, 1);
  return weirL_await(L, set->S, &shut_op, 2, set_shutdown);
}

/* All go on by themselves; the set is empty. */
static int set_detach_all (lua_State *L) {
  JoinSet *set = to_set(L);
  if (set->scope != NULL)
    return weirL_error(L, "a scope's tasks cannot be detached: nothing outlives a scope");
  weir_list_splice(&set->ended, &set->running);
  forget_all(L, 1, set);
  weir_permits_give(&set->room, set->nrunning);
  set->nrunning = 0;
  weir_line_tell_all(&set->waiting);
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
  weir_Link *x;
  (void)L;
  (void)S;
  (void)i;
  if (set->scope != NULL) return;               /* the scope's frame ends its tasks */
  set->dropped = true;
  weirL_set_abort(set);
  weir_list_splice(&set->ended, &set->running);
  while ((x = weir_list_first(&set->ended)) != NULL) {
    weir_container(x, Member, link)->set = NULL;
    weir_list_remove(x);
  }
  set->nrunning = set->nended = 0;
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
