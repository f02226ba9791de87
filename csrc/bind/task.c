/* SPDX-License-Identifier: MIT */
/*
** task.c -- a task: a coroutine, its one wait, what it owns, how it ended.
**
**              spawn                 abort, at its turn
**   (none) ----------> READY ------------------------------.
**                      ^   |  turn                         v
**                 wake |   v             returns ------> DONE
**                   WAITING <--- RUNNING errors -------> FAILED
**                                        <close> done -> ABORTED
**
** K1  an unfinished task has a slot, whose coroutine's stack holds its
**     function, and is anchored by the tasks table; a finished one only by
**     whoever holds it
** K2  a finished task owns nothing, waits for nothing, has no frames
** K3  a task is WAITING only while parked, or in `ready` because it was woken
** K4  user value 1: nothing while it runs; then its only result, a table of
**     its results, or its error
**
** The coroutine that returned serves the next task: a new one costs as much as
** six spawns.
**
** Long because each way a task can end is written out once, and here.
*/
#include <assert.h>
#include <string.h>

#include "bind.h"

/* ---- who it is ---------------------------------------------------------- */

/* [-0, +1, -] for an unfinished task */
void weirL_push_task (lua_State *L, Scheduler *S, const Task *t) {
  (void)S;
  weirL_uv(L, UV_TASKS);
  lua_rawgeti(L, -1, t->slot);
  lua_remove(L, -2);
}

/* [-0, +1, m] */
void weirL_push_name (lua_State *L, Scheduler *S, const Task *t) {
  weirL_uv(L, UV_NAMES);
  if (t->status < DONE) {
    weirL_push_task(L, S, t);
    lua_rawget(L, -2);
  }
  else lua_pushnil(L);
  lua_remove(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    weirL_push_place(L, S, t->place);
  }
}

/* Where handles that the task gets are listed. */
weir_Link *weirL_owner (Task *t) {
  Frame *f;
  for (f = t->frames; f != NULL; f = f->outer)
    if (f->kind != FRAME_WRAP) return &f->owned;
  return &t->owned;
}

static void task_wake (weir_Parking *p) {
  weirL_make_ready(weir_container(p, Task, parking));
}

/* ---- spawning ----------------------------------------------------------- */

/* The handles among n values from index `first` move into task t: those at
** `fresh` on, prepared, take their places. Cannot raise. */
static void move_arguments (lua_State *L, Scheduler *S, int first, int n, int fresh,
                            Task *t) {
  int i;
  for (i = first; i < first + n; i++) {
    Handle *h = weirL_handle(L, i);
    if (h == NULL) continue;
    weirL_handle_commit(L, S, i, fresh, SPENT_TASK, t);
    h = (Handle *)lua_touserdata(L, fresh);
    if (weirL_live(h)) {
      weir_list_remove(&h->u.owned);
      weir_list_append(&t->owned, &h->u.owned);
    }
    lua_pushvalue(L, fresh++);
    lua_replace(L, i);
  }
}

/* Prepare a fresh handle for each handle among n values from index `first`;
** the same handle twice is an error. Returns how many. [-0, +?, m] */
static int prepare_arguments (lua_State *L, int first, int n) {
  int i, j, found = 0;
  for (i = first; i < first + n; i++) {
    Handle *h;
    if (lua_type(L, i) != LUA_TUSERDATA || (h = weirL_handle(L, i)) == NULL) continue;
    for (j = first; j < i; j++)
      if (lua_touserdata(L, j) == h)
        weirL_argerror(L, i, "the same handle twice: only one argument can take it over");
    luaL_checkstack(L, LUA_MINSTACK, "too many handles");
    weirL_handle_prepare(L, i);
    if (weirL_kinds[weirL_kindof(&h->o)].values) {
      weirL_uv(L, UV_OWNED);
      lua_pushvalue(L, -2);
      lua_rawsetp(L, -2, lua_touserdata(L, -3));
      lua_pop(L, 1);
    }
    found++;
  }
  return found;
}

static Task *new_task (lua_State *L, Scheduler *S, bool grouped) {
  size_t size = grouped ? sizeof(Member) : sizeof(Task);
  Task *t = (Task *)lua_newuserdatauv(L, size, grouped ? 2 : 1);
  memset(t, 0, size);
  t->o.tag = TAG_LIVE | TASK;
  t->S = S;
  weir_list_init(&t->ready);
  weir_list_init(&t->owned);
  weir_list_init(&t->joiners);
  weir_deadline_init(&t->due);
  t->parking.wake = task_wake;
  t->grouped = grouped;
  weirL_pushmeta(L, S, TASK);
  lua_setmetatable(L, -2);
  if (WEIR_UNLIKELY(S->debug)) weirL_note_born(L, S);
  return t;
}

/*
** A new task for the function at index f and the arguments above it, which are
** all popped; its place among the members of `set`, if any, is the caller's
** business. Nothing is moved and nothing has changed if it raises.
** [-(top - f + 1), +1, m]
*/
Task *weirL_spawn (lua_State *L, Scheduler *S, int f, struct JoinSet *set, bool moves) {
  int n = lua_gettop(L) - f, handles;
  uint32_t place = weirL_place(L, S, f), i;
  Task *t;
  Slot *slot;
  handles = moves ? prepare_arguments(L, f + 1, n) : 0;
  t = new_task(L, S, set != NULL);              /* f; args; fresh; task */
  i = weirL_slot_take(L, S);
  slot = weirL_slot(S, i);
  if (WEIR_UNLIKELY(n + 4 > LUA_MINSTACK) && !lua_checkstack(slot->co, n + 4)) {
    weirL_slot_release(L, S, i, true);
    weirL_error(L, "too many arguments to 'spawn'");
  }
  /* from here on nothing raises */
  t->slot = i;
  t->place = place;
  t->id = ++S->next_id;
  slot->user = (uintptr_t)t;
  t->L = slot->co;
  weirL_uv(L, UV_TASKS);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, i);
  lua_pop(L, 1);
  if (handles > 0) move_arguments(L, S, f + 1, n, f + 1 + n, t);
  lua_insert(L, f);                             /* task; f; args; fresh */
  if (handles > 0) lua_settop(L, f + 1 + n);
  lua_xmove(L, slot->co, n + 1);
  t->pass = FRESH;
  t->status = READY;
  S->ntasks++;
  weirL_make_ready(t);
  return t;
}

/* weir.spawn(f, ...) */
static int spawn (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  weirL_checktype(L, 1, LUA_TFUNCTION);
  weirL_spawn(L, S, 1, NULL, true);
  weirL_notice(L, S);
  return 1;
}

/* ---- how it ends -------------------------------------------------------- */

/* How a task failed, at index i: its error. [-0, +1, -] */
void weirL_push_error (lua_State *L, int i, const Task *t) {
  lua_getiuservalue(L, i, 1);
  if (!t->traced) return;
  lua_rawgeti(L, -1, 1);
  lua_remove(L, -2);
}

/* And where: its traceback, or nil if there was no memory for one. [-0, +1, -] */
void weirL_push_trace (lua_State *L, int i, const Task *t) {
  if (!t->traced) {
    lua_pushnil(L);
    return;
  }
  lua_getiuservalue(L, i, 1);
  lua_rawgeti(L, -1, 2);
  lua_remove(L, -2);
}

/* co, error, origin -> { error, traceback }. The origin is { error, traceback }
** of the task that raised it first (weirL_blame). Protected. */
static int make_failure (lua_State *L) {
  lua_State *co = (lua_State *)lua_touserdata(L, 1);
  lua_createtable(L, 2, 0);
  lua_pushvalue(L, 2);
  lua_rawseti(L, 4, 1);
  luaL_traceback(L, co, NULL, 0);
  if (lua_istable(L, 3)) {
    lua_rawgeti(L, 3, 1);
    if (lua_rawequal(L, -1, 2)) {
      lua_pop(L, 1);
      lua_pushliteral(L, "\n");
      lua_rawgeti(L, 3, 2);
      lua_concat(L, 3);
    }
    else lua_pop(L, 1);
  }
  lua_rawseti(L, 4, 2);
  return 1;
}

/* Keep the error on top, raised in co, as the end of the task at index `task`.
** [-1, +0, -] */
static void keep_failure (lua_State *L, Task *t, lua_State *co, int task) {
  lua_pushcfunction(L, make_failure);
  lua_pushlightuserdata(L, co);
  lua_pushvalue(L, -3);
  weirL_uv(L, UV_TRACES);
  lua_pushvalue(L, task);
  lua_rawget(L, -2);
  lua_remove(L, -2);                            /* error; make; co; error; origin */
  t->traced = lua_pcall(L, 3, 1, 0) == LUA_OK;
  if (!t->traced) lua_pop(L, 1);                /* no memory for it: the error alone */
  lua_setiuservalue(L, task, 1);
}

/* traces, task, error, co: as make_failure, for weirL_note_failure. Protected. */
static int note_failure (lua_State *L) {
  lua_pushvalue(L, 2);                          /* the key */
  lua_pushcfunction(L, make_failure);
  lua_pushvalue(L, 4);
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 2);
  lua_rawget(L, 1);
  lua_call(L, 3, 1);
  lua_rawset(L, 1);
  return 0;
}

/* The error on top was raised in co, a coroutine inside the task's, which is closed next: note
** where, if there is memory for it. [-0, +0, -] */
void weirL_note_failure (lua_State *L, const Task *t, lua_State *co) {
  lua_pushcfunction(L, note_failure);
  weirL_uv(L, UV_TRACES);
  weirL_push_task(L, t->S, t);
  lua_pushvalue(L, -4);
  lua_pushlightuserdata(L, co);
  if (lua_pcall(L, 4, 0, 0) != LUA_OK) lua_pop(L, 1);
}

/* The task will raise the error at index `err`, which is another's, whose
** traceback is at index `trace`. [-0, +0, m] */
void weirL_blame (lua_State *L, const Task *t, int err, int trace) {
  err = lua_absindex(L, err);
  trace = lua_absindex(L, trace);
  weirL_uv(L, UV_TRACES);
  weirL_push_task(L, t->S, t);
  lua_createtable(L, 2, 0);
  lua_pushvalue(L, err);
  lua_rawseti(L, -2, 1);
  lua_pushvalue(L, trace);
  lua_rawseti(L, -2, 2);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

static int pack_results (lua_State *L) {
  int i, n = lua_gettop(L);
  lua_createtable(L, n, 0);
  lua_insert(L, 1);
  for (i = n; i >= 1; i--) lua_rawseti(L, 1, i);
  return 1;
}

/* Handles that stand among the results leave the task. */
static void release_results (lua_State *L, Scheduler *S, Task *t, int first, int n) {
  int i;
  if (weir_list_empty(&t->owned)) return;
  for (i = first; i < first + n; i++) {
    Handle *h = weirL_handle(L, i);
    const weir_Link *x;
    if (h == NULL) continue;
    for (x = t->owned.next; x != &t->owned; x = x->next)
      if (x == &h->u.owned) {
        weirL_handle_disown(L, S, h);
        break;
      }
  }
}

static int to_text (lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* The hook that stands in where nobody has set one: task, error, trace. */
static int default_on_error (lua_State *L) {
  const Task *t = (Task *)lua_touserdata(L, 1);
  lua_settop(L, 3);
  lua_pushcfunction(L, to_text);
  lua_pushvalue(L, 2);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {        /* its __tostring raised */
    lua_pop(L, 1);
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 2));
  }
  weirL_push_place(L, t->S, t->place);
  lua_pushfstring(L, "weir: task %d (spawned at %s) failed: %s\n%s\n", (int)t->id,
                  lua_tostring(L, 5), lua_tostring(L, 4),
                  lua_isstring(L, 3) ? lua_tostring(L, 3) : "");
  fprintf(stderr, "%s", lua_tostring(L, -1));
  fflush(stderr);
  return 0;
}

/* Call the hook: a task, whose userdata is at index `task`, failed and nobody was or will be told.
** [-0, +0, -] */
void weirL_report_failure (lua_State *L, const Task *t, int task) {
  int top = lua_gettop(L);
  weirL_uv(L, UV_HOOKS);
  if (lua_rawgeti(L, -1, HOOK_ERROR) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_rawgeti(L, -1, HOOK_DEFAULT);
  }
  lua_pushvalue(L, task);
  weirL_push_error(L, task, t);
  weirL_push_trace(L, task, t);                 /* hooks; hook; task; error; trace */
  if (lua_pcall(L, 3, 0, 0) != LUA_OK) {
    lua_warning(L, "weir.on_error's hook raised: ", 1);
    lua_warning(L, lua_isstring(L, -1) ? lua_tostring(L, -1) : "(no string)", 0);
  }
  lua_settop(L, top);
}

/*
** The task has ended: `task` is the stack index of its userdata, user value 1
** holds what is left of it. Its handles are dropped, whoever waits for it is woken.
*/
static void finish (lua_State *L, Scheduler *S, Task *t, int task, enum Status status,
                    bool clean) {
  bool heard = t == S->main || !weir_list_empty(&t->joiners) || weirL_set_answers(t);
  assert(t->frames == NULL);
  t->status = (uint8_t)status;
  t->closing = true;
  if (!weir_list_empty(&t->owned)) weirL_drop_owned(L, S, &t->owned);
  weir_list_remove(&t->ready);
  S->current = NULL;
  weirL_slot_release(L, S, t->slot, clean && !t->exposed);
  lua_pushboolean(L, 0);
  lua_rawseti(L, S->tasks_at, t->slot);
  t->L = NULL;
  S->ntasks--;
  weir_line_tell_all(&t->joiners);
  if (t->grouped) weirL_set_ended(L, S, (Member *)t, task);
  if (t == S->main) S->halt |= HALT_DONE;
  if (status == FAILED && !heard) weirL_report_failure(L, t, task);
}

/* The error on top takes the place of the one that the task has. [-1, +0, -] */
static void replace_error (lua_State *L, Task *t, int task) {
  if (t->traced) {
    lua_getiuservalue(L, task, 1);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
    lua_pop(L, 1);
  }
  else lua_setiuservalue(L, task, 1);
}

/* The error object on top of co, with its traceback, becomes the task's end. */
static void fail (lua_State *L, Scheduler *S, Task *t, lua_State *co) {
  int top = lua_gettop(L), status;
  if (WEIR_UNLIKELY(t->frames != NULL)) weirL_abandon_frames(L, S, t);
  lua_rawgeti(L, S->tasks_at, t->slot);                     /* task */
  lua_xmove(co, L, 1);                          /* task; error */
  lua_pushvalue(L, -1);
  keep_failure(L, t, co, top + 1);
  t->closing = true;
  lua_pushvalue(L, -1);
  lua_xmove(L, co, 1);                          /* <close> handlers get it */
  weirL_cut_short(L, t);
  S->current = t;
  status = weirL_closethread(co, L);
  if (status != LUA_OK && lua_gettop(co) > 0) {
    lua_xmove(co, L, 1);                        /* one of them may have raised another */
    if (!lua_rawequal(L, -1, -2)) replace_error(L, t, top + 1);
  }
  finish(L, S, t, top + 1, FAILED, false);
  lua_settop(L, top);
}

/* It returned n values, which are on top of co. */
static void done (lua_State *L, Scheduler *S, Task *t, lua_State *co, int n) {
  int top;
  if (n == 0 && !t->grouped) {                  /* nothing to keep, nobody to be given it */
    finish(L, S, t, 0, DONE, true);
    return;
  }
  top = lua_gettop(L);
  lua_rawgeti(L, S->tasks_at, t->slot);                     /* task */
  if (n > 0) {
    if (n > 1) {                                /* pack them, or fail */
      if (!lua_checkstack(L, n + 8)) {
        lua_settop(co, 0);
        lua_pushliteral(L, "too many results");
        lua_xmove(L, co, 1);
        lua_settop(L, top);
        fail(L, S, t, co);
        return;
      }
      lua_pushcfunction(L, pack_results);
    }
    lua_xmove(co, L, n);
    release_results(L, S, t, lua_gettop(L) - n + 1, n);
    if (n > 1 && lua_pcall(L, n, 1, 0) != LUA_OK) {
      lua_xmove(L, co, 1);
      lua_settop(L, top);
      fail(L, S, t, co);
      return;
    }
    lua_setiuservalue(L, top + 1, 1);
  }
  t->o.waits = (uint32_t)n;
  finish(L, S, t, top + 1, DONE, true);
  lua_settop(L, top);
}

/* End a task that was aborted, at its turn. If it is in a scope whose tasks
** have not ended yet it goes on when they have. */
static void end_task (lua_State *L, Scheduler *S, Task *t) {
  int top = lua_gettop(L);
  lua_State *co = weirL_slot(S, t->slot)->co;
  weirL_cut_short(L, t);
  S->current = t;
  t->status = RUNNING;
  if (!weirL_close_frames(L, S, t, NULL)) {
    S->current = NULL;
    return;
  }
  t->L = co;
  t->closing = true;
  lua_rawgeti(L, S->tasks_at, t->slot);                   /* task */
  if (weirL_closethread(co, L) != LUA_OK && lua_gettop(co) > 0) {
    lua_xmove(co, L, 1);
    lua_setiuservalue(L, top + 1, 1);
    t->close_failed = true;
  }
  if (t->close_failed) {
    lua_getiuservalue(L, top + 1, 1);
    keep_failure(L, t, co, top + 1);
  }
  finish(L, S, t, top + 1, t->close_failed ? FAILED : ABORTED, false);
  lua_settop(L, top);
}

/* ---- its turn ----------------------------------------------------------- */

/* A frame's time is over: the outermost such frame is cut. */
static void cut_frame (Task *t) {
  Frame *f, *outermost = NULL;
  for (f = t->frames; f != NULL; f = f->outer)
    if (f->expired) outermost = f;
  if (outermost != NULL) outermost->cut = true;
}

/* Not to be resumed as it is: it is aborted, or was woken but not because it had won. False
** if there is nothing to resume. [-0, +0, e] */
WEIR_COLD bool weirL_woken_early (lua_State *L, Scheduler *S, Task *t) {
  if (t->aborting) {
    end_task(L, S, t);
    return false;
  }
  if (t->late || (t->expired && !t->timed_out)) {
    t->late = false;
    cut_frame(t);
    weirL_cut_short(L, t);
  }
  else if (t->timed_out) weir_unpark(&t->parking);
  else return false;
  return true;
}

/* It did not stop at a wait of ours: it has ended, with n values on top of its coroutine. [-0, +0, e] */
WEIR_NOINLINE void weirL_stopped (lua_State *L, Scheduler *S, Task *t, int status, int n) {
  lua_State *co = weirL_slot(S, t->slot)->co;
  if (WEIR_LIKELY(status == LUA_OK)) {
    done(L, S, t, co, n);
    return;
  }
  if (status == LUA_YIELD) {
    lua_pop(co, n);
    lua_pushliteral(L, "coroutine.yield was called in a task's own coroutine: use weir.yield "
                    "to give way, or make the coroutine with weir.wrap");
    lua_xmove(L, co, 1);                        /* (nothing raises in a coroutine at rest) */
  }
  fail(L, S, t, co);
}

/* Ask a task to end at its wait. */
void weirL_abort (Task *t) {
  if (t->status >= DONE || t->aborting) return;
  t->aborting = true;
  if (t->status != RUNNING) weirL_make_ready(t);
}

/* ---- join --------------------------------------------------------------- */

/* Push what a task at index i that is done returned; how many. [-0, +n, e] */
int weirL_push_results (lua_State *L, int i, const Task *t) {
  int j, n = (int)t->o.waits;
  if (n == 0) return 0;
  luaL_checkstack(L, n + 1, "too many results");
  lua_getiuservalue(L, i, 1);
  if (n == 1) return 1;
  for (j = 1; j <= n; j++) lua_rawgeti(L, -j, j);
  lua_remove(L, -n - 1);
  return n;
}

static void join_guard (lua_State *L, int i) {
  const Task *t = (Task *)lua_touserdata(L, i);
  if (t == t->S->current)
    weirL_error(L, "a task cannot join itself: it would wait for its own end");
}

static int join_poll (lua_State *L, int i, weir_Waiter *won) {
  const Task *t = (Task *)lua_touserdata(L, i);
  (void)won;
  switch ((enum Status)t->status) {
    case DONE:
      lua_pushboolean(L, 1);
      return 1 + weirL_push_results(L, i, t);
    case FAILED:
      lua_pushboolean(L, 0);
      weirL_push_error(L, i, t);
      return 2;
    case ABORTED:
      lua_pushboolean(L, 0);
      lua_pushliteral(L, "aborted");
      return 2;
    default:
      join_guard(L, i);
      return WEIR_PENDING;
  }
}

static bool join_ready (lua_State *L, int i) {
  return ((Task *)lua_touserdata(L, i))->status >= DONE;
}

static void join_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_line_join(&((Task *)lua_touserdata(L, i))->joiners, w);
}

const Op weirL_join_op = {"join", join_poll, join_ready, join_enter, join_guard, false};

static int task_join (lua_State *L) {
  const Task *t = (Task *)weirL_check(L, 1, TASK);
  if (t->status == DONE && lua_gettop(L) == 1 && t->S->budget > 0) {
    t->S->budget--;
    lua_pushboolean(L, 1);
    return 1 + weirL_push_results(L, 1, t);
  }
  return weirL_await(L, t->S, &weirL_join_op, 2, task_join);
}

/* ---- the rest of the table ---------------------------------------------- */

static int task_abort (lua_State *L) {
  Task *t = (Task *)weirL_check(L, 1, TASK);
  weirL_abort(t);
  weirL_notice(L, t->S);
  return weirL_true(L);
}

static int task__close (lua_State *L) {
  Task *t = (Task *)weirL_check(L, 1, TASK);
  weirL_abort(t);
  weirL_notice(L, t->S);
  return 0;
}

static int task_is_finished (lua_State *L) {
  lua_pushboolean(L, ((Task *)weirL_check(L, 1, TASK))->status >= DONE);
  return 1;
}

static int task_status (lua_State *L) {
  static const char *const names[] = {"ready", "running", "waiting", "done", "failed",
                                      "aborted"};
  const Task *t = (Task *)weirL_check(L, 1, TASK);
  bool woken = t->status == WAITING && !weir_list_empty(&t->ready) && !t->aborting;
  lua_pushstring(L, woken ? "ready" : names[t->status]);
  return 1;
}

/* task:traceback() -> where it stands, or where it failed */
static int task_traceback (lua_State *L) {
  const Task *t = (Task *)weirL_check(L, 1, TASK);
  if (t->status < DONE) luaL_traceback(L, t->L, NULL, t->L == L ? 1 : 0);
  else {
    weirL_push_trace(L, 1, t);
    if (!lua_isstring(L, -1)) lua_pushliteral(L, "");
  }
  return 1;
}

static int task_id (lua_State *L) {
  lua_pushinteger(L, ((Task *)weirL_check(L, 1, TASK))->id);
  return 1;
}

/* task:name() -> its name; task:name(s) gives it one and returns it */
static int task_name (lua_State *L) {
  const Task *t = (Task *)weirL_check(L, 1, TASK);
  if (!lua_isnoneornil(L, 2)) {
    weirL_checkstring(L, 2);
    weirL_uv(L, UV_NAMES);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_rawset(L, -3);
    lua_pushvalue(L, 2);
    return 1;
  }
  weirL_uv(L, UV_NAMES);
  lua_pushvalue(L, 1);
  lua_rawget(L, -2);
  if (lua_isnil(L, -1)) weirL_push_place(L, t->S, t->place);
  return 1;
}

/* weir.current() */
static int current (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  if (S->current == NULL) lua_pushnil(L);
  else weirL_push_task(L, S, S->current);
  return 1;
}

/* weir.yield() */
static int yield_k (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return weirL_true(L);
}

static int yield (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  Task *t = weirL_may_wait(L, S, "yield");
  t->status = READY;
  t->op = NULL;
  weirL_make_ready(t);
  return weirL_yield(L, t, 0, yield_k);
}

/* weir.on_error(f) -> the previous hook */
static int on_error (lua_State *L) {
  if (!lua_isnoneornil(L, 1)) weirL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  weirL_uv(L, UV_HOOKS);
  lua_rawgeti(L, -1, HOOK_ERROR);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -3, HOOK_ERROR);
  return 1;
}

static int task__tostring (lua_State *L) {
  const Task *t = (Task *)weirL_check(L, 1, TASK);
  lua_settop(L, 1);
  task_name(L);
  task_status(L);
  lua_pushfstring(L, "Task %d (%s, %s)", (int)t->id, lua_tostring(L, -1), lua_tostring(L, -2));
  return 1;
}

void weirL_open_task (lua_State *L, int S) {
  static const luaL_Reg methods[] = {{"join", task_join}, {"abort", task_abort},
    {"is_finished", task_is_finished}, {"status", task_status},
    {"traceback", task_traceback}, {"id", task_id}, {"name", task_name}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__close", task__close}, {"__tostring", task__tostring},
    {NULL, NULL}};
  static const luaL_Reg functions[] = {{"spawn", spawn}, {"current", current},
    {"yield", yield}, {"on_error", on_error}, {NULL, NULL}};
  weirL_register(L, S, TASK, methods, meta);
  lua_getiuservalue(L, S, UV_HOOKS);
  lua_pushvalue(L, S);
  lua_pushcclosure(L, default_on_error, 1);
  lua_rawseti(L, -2, HOOK_DEFAULT);
  lua_pop(L, 1);
  weirL_setfuncs(L, S, functions);
}
