/* SPDX-License-Identifier: MIT */
/*
** frame.c -- a function of a task in a coroutine of its own.
**
**   task's base coroutine
**     '- C function with Frame A (weir.timeout)     A.co
**          '- C function with Frame B (weir.wrap)   B.co   = task.L, innermost
**   task.frames -> B -> A
**
** A wait in the innermost coroutine yields; each frame passes the yield on to
** the coroutine around it, down to the scheduler, and the wake comes up the same
** way. So a wait goes through a generator made with weir.wrap, and what a
** frame runs can be ended without its help: its coroutine is closed, innermost
** first, and no pcall in it sees that.
**
** F1  task.L is the coroutine of the innermost frame whose body runs, or the base's
** F2  an expired frame is cut at its task's turn if that is parked or gave way, else at its next
**     wait: what was granted before is not lost. What it waits for after that (`late`) is not
**     granted any more: else a body that always finds something would never end
** F3  a frame that is left has no deadline, no waiter, no owned handles
** F4  a scope is left only when none of its tasks is unfinished
**
** Stack of a frame's C function: 1 the Frame; above it what is to be returned.
**
** Long because the four kinds of frame differ only in how they are cut.
*/
#include <assert.h>
#include <math.h>

#include "bind.h"

static int frame_k (lua_State *L, int status, lua_KContext ctx);

/* ---- entering and leaving ----------------------------------------------- */

/* Is any of its frames' time over? */
static void count_expired (Task *t) {
  const Frame *f;
  t->expired = false;
  for (f = t->frames; f != NULL; f = f->outer)
    if (f->expired) t->expired = true;
}

/* Take the frame out of its task's chain; L is the coroutine around it. */
static void leave (lua_State *L, Scheduler *S, Frame *f) {
  Task *t = f->task;
  assert(t->frames == f);
  t->frames = f->outer;
  t->L = L;
  f->active = false;
  weir_deadlines_stop(&S->deadlines, &f->due);
  weir_unpark(&f->parking);
  count_expired(t);
}

static void enter (lua_State *L, Task *t, Frame *f) {
  f->stuck = !lua_isyieldable(L) || (t->frames != NULL && t->frames->stuck);
  f->task = t;
  f->outer = t->frames;
  t->frames = f;
  t->L = f->co;
  f->active = true;
}

/* The coroutine is done with. */
static void discard (lua_State *L, Scheduler *S, Frame *f, bool clean) {
  if (f->slot != NO_SLOT) weirL_slot_release(L, S, f->slot, clean && !f->exposed);
  f->slot = NO_SLOT;
  f->co = NULL;
}

/* What the body got and still owns belongs to whoever is around it. */
static void pass_on (Frame *f) {
  weir_Link *owned;
  if (f->kind == FRAME_WRAP || weir_list_empty(&f->owned)) return;
  owned = weirL_owner(f->task);
  if (owned == &f->owned) {                     /* it is still in the chain */
    Frame *g = f->outer;
    while (g != NULL && g->kind == FRAME_WRAP) g = g->outer;
    owned = g != NULL ? &g->owned : &f->task->owned;
  }
  weir_list_splice(owned, &f->owned);
}

/* ---- closing ------------------------------------------------------------ */

/* Close the coroutine of the innermost frame; its <close> variables run. An
** error of theirs becomes the task's. [-0, +0, m] */
static void close_body (lua_State *L, Scheduler *S, Task *t, Frame *f) {
  lua_State *co = f->co;
  Task *before = S->current;
  if (co == NULL) return;
  t->L = co;
  t->closing = true;
  S->current = t;
  if (weirL_closethread(co, L) != LUA_OK && lua_gettop(co) > 0) {
    weirL_push_task(L, S, t);
    lua_xmove(co, L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_pop(L, 1);
    t->close_failed = true;
  }
  t->closing = false;
  S->current = before;
  if (f->kind != FRAME_WRAP) weirL_drop_owned(L, S, &f->owned);
  discard(L, S, f, false);
  t->L = f->outer != NULL ? f->outer->co : weirL_slot(S, t->slot)->co;   /* (that one is gone) */
}

/*
** Close frames from the innermost on, down to (not including) `until`. False
** if a scope's tasks have to end first: the task is parked then, and whoever
** called calls again when it was woken.
*/
bool weirL_close_frames (lua_State *L, Scheduler *S, Task *t, const Frame *until) {
  while (t->frames != until) {
    Frame *f = t->frames;
    close_body(L, S, t, f);
    if (f->kind == FRAME_SCOPE) {
      weirL_set_abort(f->set);
      if (f->set->nrunning > 0) {
        weir_park(&t->parking, &t->self, 1);
        weir_line_join(&f->set->waiting, &t->self);
        t->status = WAITING;
        return false;
      }
      f->set->dropped = true;
    }
    leave(L, S, f);
  }
  return true;
}

/* The task's coroutine ended around its frames (somebody closed it): leave them
** as they are, waiting for nobody. */
void weirL_abandon_frames (lua_State *L, Scheduler *S, Task *t) {
  weirL_cut_short(L, t);
  while (!weirL_close_frames(L, S, t, NULL)) {
    Frame *f = t->frames;
    weirL_cut_short(L, t);
    f->set->dropped = true;
    leave(L, S, f);
  }
}

/* The frame's time is over. From the kernel: only links. */
void weirL_frame_expire (Frame *f) {
  Task *t = f->task;
  f->expired = true;
  t->expired = true;
  if (t->parking.parked) weirL_make_ready(t);
  if (t->status == READY) t->late = true;
}

static void frame_wake (weir_Parking *p) {
  weirL_frame_expire(weir_container(p, Frame, parking));
}

/* ---- running ------------------------------------------------------------ */

/* After a cut: raise what a <close> variable raised, or return the outcome. */
static int cut_result (lua_State *L, Task *t, const Frame *f) {
  bool close_failed = t->close_failed;
  t->close_failed = false;
  if (close_failed && f->kind != FRAME_SCOPE) {
    weirL_push_task(L, t->S, t);
    lua_getiuservalue(L, -1, 1);
    return lua_error(L);
  }
  if (f->kind == FRAME_SCOPE) {                 /* a member failed, before anything else did */
    lua_getiuservalue(L, 1, 1);                 /* set */
    lua_getiuservalue(L, -1, 2);                /* its error */
    lua_getiuservalue(L, -2, 3);                /* and where it came from */
    weirL_blame(L, t, -2, -1);
    lua_pop(L, 1);
    return lua_error(L);
  }
  return weirL_reason(L, f->kind == FRAME_TIMEOUT ? "timeout" : "cancelled");
}

/* The scope's body has ended: what is on the stack above the frame is its
** result, or its error if that was the first. Wait for its tasks. */
static int scope_end (lua_State *L, Scheduler *S, Task *t, Frame *f) {
  f->expired = false;
  count_expired(t);
  if (f->failed || f->set->failed) weirL_set_abort(f->set);
  if (f->set->nrunning > 0) {
    weir_park(&t->parking, &t->self, 1);
    weir_line_join(&f->set->waiting, &t->self);
    t->op = NULL;
    return weirL_park(L, t, (lua_KContext)f, frame_k);
  }
  f->set->dropped = true;
  leave(L, S, f);
  if (f->failed) return lua_error(L);
  if (f->set->failed) return cut_result(L, t, f);
  return lua_gettop(L) - 1;
}

static bool is_in_wrap (const Frame *f) {
  while (f != NULL && f->kind != FRAME_WRAP) f = f->outer;
  return f != NULL;
}

/* Resume the frame's coroutine with n values, which are on top of it. */
static int go_on (lua_State *L, Scheduler *S, Frame *f, int n) {
  Task *t = f->task;
  int nres = 0, status = lua_resume(f->co, L, n, &nres);
  if (status == LUA_YIELD) {
    if (t->status != RUNNING) {                 /* a wait */
      return lua_yieldk(L, 0, (lua_KContext)f, frame_k);
    }
    if (f->kind == FRAME_WRAP) {                /* a generator's own yield */
      leave(L, S, f);
      if (!lua_checkstack(L, nres)) {
        lua_pop(f->co, nres);
        return weirL_error(L, "too many results to yield");
      }
      lua_xmove(f->co, L, nres);
      return nres;
    }
    lua_pop(f->co, nres);
    close_body(L, S, t, f);
    if (is_in_wrap(f))
      lua_pushliteral(L, "coroutine.yield was called in a function that weir.timeout, weir.scope or "
                      "run_until_cancelled runs: a generator cannot yield through it");
    else lua_pushliteral(L, "coroutine.yield was called in a task's own coroutine: use weir.yield to "
                         "give way, or make the coroutine with weir.wrap");
    status = LUA_ERRRUN;
  }
  else if (status == LUA_OK) {
    bool room = lua_checkstack(L, nres + 1);
    if (room) lua_xmove(f->co, L, nres);
    pass_on(f);
    discard(L, S, f, room);
    if (WEIR_UNLIKELY(!room)) {
      if (f->kind != FRAME_SCOPE) {
        leave(L, S, f);
        return weirL_error(L, "too many results");
      }
      lua_pushliteral(L, "too many results");
      status = LUA_ERRRUN;
    }
  }
  else {                                        /* an error: its <close> variables run */
    lua_State *co = f->co;
    Task *before = S->current;
    lua_xmove(co, L, 1);
    weirL_note_failure(L, t, co);
    lua_pushvalue(L, -1);
    lua_xmove(L, co, 1);
    t->closing = true;
    status = weirL_closethread(co, L);
    t->closing = false;
    S->current = before;
    if (status != LUA_OK && lua_gettop(co) > 0) {
      lua_xmove(co, L, 1);                      /* one of them may have raised another */
      lua_remove(L, -2);
    }
    status = LUA_ERRRUN;
    pass_on(f);
    discard(L, S, f, false);
  }
  if (f->kind == FRAME_SCOPE) {
    f->over = true;
    f->failed = status != LUA_OK && !f->set->failed;
    if (status != LUA_OK && f->set->failed) lua_settop(L, 1);
    t->L = L;
    return scope_end(L, S, t, f);
  }
  leave(L, S, f);
  if (status != LUA_OK) return lua_error(L);
  if (f->kind == FRAME_WRAP) return nres;
  lua_pushboolean(L, 1);
  lua_insert(L, 2);
  return nres + 1;
}

static int frame_k (lua_State *L, int status, lua_KContext ctx) {
  Frame *f = (Frame *)ctx;
  Scheduler *S = weirL_scheduler(L);
  Task *t = f->task;
  (void)status;
  if (f->cut && !f->over) {
    if (!weirL_close_frames(L, S, t, f->outer)) {
      t->L = L;
      return lua_yieldk(L, 0, ctx, frame_k);
    }
    return cut_result(L, t, f);
  }
  if (f->over) return scope_end(L, S, t, f);
  t->status = RUNNING;
  return go_on(L, S, f, t->pass != 0 && t->L == f->co ? weirL_passed(t, f->co) : 0);
}

/* A frame at index 1 for the function and arguments above it, in the running
** task. What it needs from outside (a set) is the caller's. */
static Frame *new_frame (lua_State *L, Scheduler *S, FrameKind kind, int nuv) {
  Frame *f = (Frame *)lua_newuserdatauv(L, sizeof(Frame), nuv);
  f->o.tag = 0;
  f->o.waits = 0;
  f->task = NULL;
  f->outer = NULL;
  f->co = NULL;
  f->set = NULL;
  f->slot = NO_SLOT;
  f->kind = (uint8_t)kind;
  f->active = f->stuck = f->expired = f->cut = f->over = f->failed = f->exposed = false;
  weir_list_init(&f->owned);
  weir_deadline_init(&f->due);
  f->parking.wake = frame_wake;
  f->parking.parked = false;
  f->parking.won = NULL;
  f->parking.nbranch = 0;
  (void)S;
  return f;
}

/* Give it a coroutine and the n + 1 values on top (the function, its
** arguments). After this nothing raises until the function runs. [-(n + 1), +0, m] */
static void fill (lua_State *L, Scheduler *S, Task *t, Frame *f, int n) {
  f->slot = weirL_slot_take(L, S);
  f->co = weirL_slot(S, f->slot)->co;
  if (!lua_checkstack(f->co, n + 4)) {
    discard(L, S, f, true);
    weirL_error(L, "too many arguments");
  }
  lua_xmove(L, f->co, n + 1);
  f->task = t;
}

/* Where nobody can wait, the function at index 2 is simply called: if it does
** not wait either, all is well; if it does, that says why it must not. */
static int call_plainly (lua_State *L) {
  lua_call(L, lua_gettop(L) - 2, LUA_MULTRET);
  lua_pushboolean(L, 1);
  lua_replace(L, 1);
  return lua_gettop(L);
}

static bool can_wait (lua_State *L, const Scheduler *S) {
  const Task *t = S->current;
  return t != NULL && t->L == L && !t->closing && lua_isyieldable(L) &&
         (t->frames == NULL || !t->frames->stuck);
}

/* weir.timeout(seconds, f, ...) -> true, results... / nil, "timeout" */
static int timeout (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  double s = weirL_optseconds(L, 1);
  Task *t;
  Frame *f;
  int n;
  weirL_checknumber(L, 1);
  weirL_checktype(L, 2, LUA_TFUNCTION);
  if (!can_wait(L, S)) return call_plainly(L);
  t = S->current;
  weirL_deadline_room(L, S);
  S->kept++;                                    /* (lost if memory fails below: 24 bytes) */
  f = new_frame(L, S, FRAME_TIMEOUT, 0);
  lua_replace(L, 1);
  n = lua_gettop(L) - 2;
  fill(L, S, t, f, n);
  S->kept--;
  if (s == 0) f->expired = t->expired = true;
  else if (s > 0 && !isinf(weirL_clock(S) + s))
    weir_deadlines_start(&S->deadlines, &f->due, weirL_clock(S) + s, DUE_FRAME);
  enter(L, t, f);
  return go_on(L, S, f, n);
}

/* token:run_until_cancelled(f, ...) -> true, results... / nil, "cancelled" */
int weirL_run_until_cancelled (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  Token *token = (Token *)weirL_check(L, 1, TOKEN);
  Task *t;
  Frame *f;
  int n;
  weirL_checktype(L, 2, LUA_TFUNCTION);
  if (!can_wait(L, S)) return call_plainly(L);
  t = S->current;
  f = new_frame(L, S, FRAME_TOKEN, 1);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);                  /* the line stays alive */
  lua_replace(L, 1);
  n = lua_gettop(L) - 2;
  fill(L, S, t, f, n);
  if (token->k.cancelled) f->expired = t->expired = true;
  else {
    weir_park(&f->parking, &f->waiter, 1);
    weir_line_join(&token->k.line, &f->waiter);
  }
  enter(L, t, f);
  return go_on(L, S, f, n);
}

/* A scope where nobody can wait: all is well if its body leaves no task. */
static int scope_plainly (lua_State *L, Scheduler *S) {
  JoinSet *set = weirL_set_new(L, S, 0);        /* f; args; set */
  int n = lua_gettop(L) - 1, status;
  weirL_handle_new(L, S, JOIN_SET, -1, set);
  lua_insert(L, 2);
  lua_insert(L, 1);                             /* set; f; handle; args */
  status = lua_pcall(L, n, LUA_MULTRET, 0);
  set->dropped = true;
  if (status != LUA_OK) {
    weirL_set_abort(set);
    return lua_error(L);
  }
  if (set->nrunning > 0) {
    weirL_set_abort(set);
    weirL_may_not_wait(L, S, "scope");
  }
  return lua_gettop(L) - 1;
}

/* weir.scope(f, ...): f gets the scope, a join set, before its arguments. */
static int scope (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  Task *t;
  Frame *f;
  int n;
  weirL_checktype(L, 1, LUA_TFUNCTION);
  if (!can_wait(L, S)) return scope_plainly(L, S);
  t = S->current;
  f = new_frame(L, S, FRAME_SCOPE, 1);
  lua_insert(L, 1);                             /* frame; f; args */
  f->set = weirL_set_new(L, S, 0);              /* frame; f; args; set */
  f->set->scope = f;
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, 1);
  weirL_handle_new(L, S, JOIN_SET, -1, f->set);
  lua_insert(L, 3);
  lua_pop(L, 1);                                /* frame; f; handle; args */
  n = lua_gettop(L) - 2;
  fill(L, S, t, f, n);
  enter(L, t, f);
  return go_on(L, S, f, n);
}

/* ---- weir.wrap ----------------------------------------------------------- */

/* upvalues: scheduler, Frame (user value 1: its coroutine) */
static int wrap_call (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  Frame *f = (Frame *)lua_touserdata(L, lua_upvalueindex(2));
  Task *t = S->current;
  int n = lua_gettop(L), status, nres;
  if (f->co == NULL) return weirL_error(L, "cannot resume dead coroutine");
  if (f->active) return weirL_error(L, "cannot resume non-suspended coroutine");
  if (!lua_checkstack(f->co, n + 1)) return weirL_error(L, "too many arguments to resume");
  lua_xmove(L, f->co, n);
  if (t != NULL && t->L == L && !t->closing) {
    lua_pushvalue(L, lua_upvalueindex(2));      /* anchored while it runs */
    enter(L, t, f);
    return go_on(L, S, f, n);
  }
  f->active = true;                             /* outside a task, or in a plain coroutine */
  status = lua_resume(f->co, L, n, &nres);
  f->active = false;
  if (status == LUA_OK || status == LUA_YIELD) {
    if (!lua_checkstack(L, nres)) return weirL_error(L, "too many results");
    lua_xmove(f->co, L, nres);
    if (status == LUA_OK) f->co = NULL;
    return nres;
  }
  weirL_closethread(f->co, L);
  lua_xmove(f->co, L, 1);
  f->co = NULL;
  return lua_error(L);
}

/* weir.wrap(f) -> a function, like coroutine.wrap */
static int wrap (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  Frame *f;
  weirL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  f = new_frame(L, S, FRAME_WRAP, 1);
  f->co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, f->co, 1);
  lua_setiuservalue(L, -2, 1);
  lua_pushcclosure(L, wrap_call, 2);
  return 1;
}

void weirL_open_frame (lua_State *L, int S) {
  static const luaL_Reg functions[] = {{"timeout", timeout}, {"scope", scope},
    {"wrap", wrap}, {NULL, NULL}};
  weirL_setfuncs(L, S, functions);
}
