/* SPDX-License-Identifier: MIT */
/*
** wait.c -- how an operation waits: try; if it must wait, stand in line and
** yield; when woken take what was granted, or look again.
**
**   await: poll ---ready---------------------------------> results
**            |pending                                        ^
**            +--> may_wait? --> enter, park, yield --woken--> poll(won)
**                                  ^                          |pending
**                                  +--------------------------+
** Ways out of the yield:
**   won       granted or told                    await_k polls with `won`
**   timeout   `due` came, nothing was won        nil, "timeout"
**   handle    moved or dropped meanwhile         a sentence
**   frame     a frame around it is cut           await_k never runs: the
**   abort     the task is to end                 coroutine is closed
** Each of them goes through weir_unpark, or has nothing left to give back.
*/
#include <assert.h>
#include <math.h>

#include "bind.h"

/* weirL_may_wait, when it must not: says why. */
WEIR_COLD Task *weirL_may_not_wait (lua_State *L, Scheduler *S, const char *verb) {
  const Task *t = S->current;
  if (t == NULL)
    weirL_error(L, "%s would have to wait, but this is no task: call it inside weir.run or "
                "weir.spawn", verb);
  if (t->closing)
    weirL_error(L, "%s would have to wait, but this task is being ended: a <close> handler "
                "must not wait then", verb);
  if (t->L != L)
    weirL_error(L, "%s would have to wait, but this is a plain coroutine inside a task: make "
                "it with weir.wrap", verb);
  weirL_error(L, "%s would have to wait, but Lua cannot yield here: in a finalizer, a "
              "metamethod or a C function that calls back (string.gsub, table.sort ...)",
              verb);
  return NULL;
}

/* The wait goes on for `timeout` seconds at the most (negative: no limit), for which there
** is room. */
void weirL_wait_start (Task *t, double timeout) {
  Scheduler *S = t->S;
  double when;
  t->timed_out = false;
  if (timeout < 0) return;
  when = weirL_clock(S) + timeout;
  if (!isinf(when)) weir_deadlines_start(&S->deadlines, &t->due, when, DUE_WAIT);
}

/* A branch waits through a handle. */
void weirL_through (weir_Waiter *w, Handle *h) {
  w->through = h;
  h->o.waits++;
}

/* The branches wait through their handles no more. */
void weirL_wait_over (Task *t) {
  weir_Parking *p = &t->parking;
  uint32_t i;
  for (i = 0; i < p->nbranch; i++) {
    Handle *h = (Handle *)p->branch[i].through;
    if (h == NULL) continue;
    h->o.waits--;
    p->branch[i].through = NULL;
  }
}

/* Does the task wait through a handle that was moved meanwhile? */
static bool through_spent (const Task *t) {
  const weir_Parking *p = &t->parking;
  uint32_t i;
  for (i = 0; i < p->nbranch; i++)
    if (p->branch[i].through != NULL && !weirL_live(p->branch[i].through)) return true;
  return false;
}

/* The wait of the C function on top of co is over: what it waited through, and is spent, keeps
** its channel alive no longer. */
static void let_all_go (lua_State *co) {
  int i;
  for (i = lua_gettop(co); i > 0; i--) {
    const Handle *h = weirL_handle(co, i);
    if (h != NULL && !weirL_live(h)) weirL_let_go(co, h, i);
  }
}

/* End the wait going on, whatever its state; grants go to the next in line. */
void weirL_cut_short (lua_State *L, Task *t) {
  bool spent = through_spent(t);
  if (t->hands) weirL_recv_cut(t);
  if (WEIR_UNLIKELY(t->calling) && !weirL_stands(t)) weirL_call_lost(t);
  weir_unpark(&t->parking);
  weirL_wait_over(t);
  if (WEIR_UNLIKELY(spent) && weirL_stands(t)) let_all_go(t->L);
  if (WEIR_UNLIKELY(t->calling)) weirL_call_cut(L, t);
  t->parking.nbranch = 0;
  weir_deadlines_stop(&t->S->deadlines, &t->due);
  t->timed_out = false;
}

/* May the task host, and is somebody next who is not waiting for that? */
static inline bool can_host (const Scheduler *S, const Task *t) {
  const weir_Link *next = weir_list_first(&S->batch);
  if (next == NULL) next = weir_list_first(&S->ready);
  return next != NULL && !weir_container(next, const Task, ready)->hosts && S->loop_L != NULL &&
         S->nhosts < HOSTS_MAX && !t->hosted && !t->exposed && t->frames == NULL;
}

/* Let the others run until the task's turn comes, then go on with k: from here, if that
** is possible. To be returned. */
int weirL_yield (lua_State *L, Task *t, lua_KContext ctx, lua_KFunction k) {
  if (can_host(t->S, t) && weirL_host(t->S, t)) {
    int n;
    t->hosted = true;                           /* k may come here: no deeper */
    n = k(L, LUA_YIELD, ctx);
    t->hosted = false;
    return n;
  }
  t->late = t->expired;
  return lua_yieldk(L, 0, ctx, k);
}

/* Yield, parked; a task that is doomed already is only yielded to its end. */
int weirL_park (lua_State *L, Task *t, lua_KContext ctx, lua_KFunction k) {
  t->status = WAITING;
  if (WEIR_UNLIKELY(t->aborting || t->expired)) weirL_make_ready(t);
  return weirL_yield(L, t, ctx, k);
}


/* ---- taking what was granted ---------------------------------------------- */

/*
** A poll that needs memory, or may find a spent handle, raises with a grant in hand. A
** pcall around the wait may swallow that, and what the grant is of may be collected: so it
** is called protected then, and the grant goes to the next in line at once.
*/
typedef struct Granted {
  weirL_Poll poll;
  weir_Waiter *won;
  int result;
} Granted;

/* arguments; Granted -> results */
static int granted_poll (lua_State *L) {
  Granted *g = (Granted *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  g->result = g->poll(L, 1, g->won);
  return g->result > 0 ? g->result : 0;
}

/* poll(L, i, won), which uses n values from index i on. Its results; or WEIR_RAISED with the
** error on top, and the grant is given back. [-0, +?, -] */
int weirL_try_grant (lua_State *L, int i, int n, weir_Waiter *won, weirL_Poll poll) {
  Scheduler *S = weirL_scheduler(L);
  Granted g = {poll, won, 0};
  int k, room, status = LUA_ERRMEM;
  assert(won->owns);
  if (n > lua_gettop(L) - i + 1) n = lua_gettop(L) - i + 1;
  room = lua_checkstack(L, n + LUA_MINSTACK);
  if (WEIR_LIKELY(room)) {
    weirL_uv(L, UV_GRANTED);
    for (k = 0; k < n; k++) lua_pushvalue(L, i + k);
    lua_pushlightuserdata(L, &g);
    S->granting++;
    status = lua_pcall(L, n + 1, LUA_MULTRET, 0);
    S->granting--;
  }
  if (WEIR_LIKELY(status == LUA_OK)) return g.result;
  if (won->parking != NULL && won->parking->won == won) weir_unpark(won->parking);
  else if (won->owns) weir_permits_give(won->permits, weir_permits_take(won));
  if (!room) lua_pushliteral(L, "stack overflow");     /* (the room that every C function has) */
  return WEIR_RAISED;
}

/* poll(L, i, won): protected if there is a grant to be lost, straight if not. [-0, +?, e] */
int weirL_with_grant (lua_State *L, int i, int n, weir_Waiter *won, weirL_Poll poll) {
  int r = weirL_granted(won) ? weirL_try_grant(L, i, n, won, poll) : poll(L, i, won);
  return r != WEIR_RAISED ? r : lua_error(L);
}

/* A place that was just taken from the permits, as if it had been won. */
void weirL_as_won (weir_Waiter *place, weir_Permits *p) {
  place->parking = NULL;
  place->permits = p;
  place->need = 1;
  place->owns = true;
}

void weirL_open_wait (lua_State *L, int S) {
  lua_pushvalue(L, S);
  lua_pushcclosure(L, granted_poll, 1);
  lua_setiuservalue(L, S, UV_GRANTED);
}

/* ---- waiting --------------------------------------------------------------- */

static int timed_out (lua_State *L, const Op *op) {
  if (!op->counts) return weirL_reason(L, "timeout");
  lua_pushinteger(L, 0);
  lua_pushliteral(L, "timeout");
  return 2;
}

/* The handle at index 1 was spent while it was waited on: it kept its channel alive for that. */
static int handle_gone (lua_State *L, const Op *op) {
  const Handle *h = (const Handle *)lua_touserdata(L, 1);
  if (!weirL_live(h)) weirL_let_go(L, h, 1);
  return weirL_error(L, "%s ended: its handle was moved or dropped while a task waited on it",
                     op->name);
}

/* Stand in line for `op` on the object at index 1, and yield. */
static int wait_stand (lua_State *L, Task *t, const Op *op, bool again) {
  if (WEIR_UNLIKELY(!weirL_live(lua_touserdata(L, 1)))) {     /* a finalizer was here */
    weirL_cut_short(L, t);
    return handle_gone(L, op);
  }
  weir_park(&t->parking, &t->self, 1);
  t->self.again = again;
  op->enter(L, 1, &t->self);
  t->op = op;
  return weirL_park(L, t, (lua_KContext)t, weirL_await_k);
}

/* Woken: take what was won, or look again. */
int weirL_await_k (lua_State *L, int status, lua_KContext ctx) {
  Task *t = (Task *)ctx;
  const Op *op = t->op;
  weir_Waiter *won = t->parking.won;
  bool limited, spent;
  int n;
  (void)status;
  spent = won != NULL && won->through != NULL && !weirL_live(won->through);
  weirL_wait_over(t);
  if (WEIR_UNLIKELY(spent)) {
    weirL_cut_short(L, t);
    return handle_gone(L, op);
  }
  if (won == NULL && t->timed_out) {
    t->timed_out = false;
    return timed_out(L, op);
  }
  limited = weir_deadline_set(&t->due) || t->timed_out;
  weir_deadlines_stop(&t->S->deadlines, &t->due);       /* poll may raise */
  t->timed_out = false;
  n = op->poll(L, 1, won);
  t->parking.won = NULL;                                /* taken */
  while (n == WEIR_PENDING && limited && !weirL_deadline_fits(t->S)) {
    weirL_deadline_room(L, t->S);
    n = weirL_live(lua_touserdata(L, 1)) ? op->poll(L, 1, NULL) : WEIR_PENDING;
  }
  if (n != WEIR_PENDING) return n;
  if (limited) {                                        /* a false alarm: is time left? */
    if (weirL_clock(t->S) >= t->due.when) return timed_out(L, op);
    weir_deadlines_start(&t->S->deadlines, &t->due, t->due.when, DUE_WAIT);
  }
  return wait_stand(L, t, op, true);
}

/*
** Wait for `op` on the object at index 1, with the timeout (if any) at index
** `timeout`; `again` is the C function that is running, for when the task has
** to give way first. To be returned.
*/
int weirL_await (lua_State *L, Scheduler *S, const Op *op, int timeout,
                 lua_CFunction again) {
  double seconds = weirL_optseconds(L, timeout);
  Task *t;
  int n;
  if (weirL_spent(L, S)) return weirL_give_way(L, S, again);
  do {
    if (seconds > 0) {
      weirL_deadline_room(L, S);
      if (WEIR_UNLIKELY(!weirL_live(lua_touserdata(L, 1))))   /* a finalizer was here */
        weirL_badspent(L, 1, (const Handle *)lua_touserdata(L, 1));
    }
    n = op->poll(L, 1, NULL);
    if (n != WEIR_PENDING) {
      weirL_notice(L, S);
      return n;
    }
    if (seconds == 0) return timed_out(L, op);
  } while (seconds > 0 && !weirL_deadline_fits(S));
  t = weirL_may_wait(L, S, op->name);
  if (op->guard != NULL) op->guard(L, 1);
  weirL_wait_start(t, seconds);
  return wait_stand(L, t, op, false);
}
