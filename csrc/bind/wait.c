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

/* The wait goes on for `timeout` seconds at the most (negative: no limit). Raises, for
** want of memory, before it starts. [-0, +0, m] */
void weirL_wait_start (lua_State *L, Task *t, double timeout) {
  Scheduler *S = t->S;
  t->timed_out = false;
  if (timeout < 0) return;
  weirL_deadline_room(L, S);
  weir_deadlines_start(&S->deadlines, &t->due, weirL_clock(S) + timeout, 0);
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

/* End the wait going on, whatever its state; grants go to the next in line. */
void weirL_cut_short (lua_State *L, Task *t) {
  if (t->hands) weirL_recv_cut(t);
  weir_unpark(&t->parking);
  weirL_wait_over(t);
  if (WEIR_UNLIKELY(t->calling)) weirL_call_cut(L, t);
  t->parking.nbranch = 0;
  weir_deadlines_stop(&t->S->deadlines, &t->due);
  t->timed_out = false;
}

/* Yield, parked; a task that is doomed already is only yielded to its end. */
int weirL_park (lua_State *L, Task *t, lua_KContext ctx, lua_KFunction k) {
  t->status = WAITING;
  if (WEIR_UNLIKELY(t->aborting || t->expired)) weirL_make_ready(t);
  return lua_yieldk(L, 0, ctx, k);
}


static int timed_out (lua_State *L, const Op *op) {
  if (!op->counts) return weirL_reason(L, "timeout");
  lua_pushinteger(L, 0);
  lua_pushliteral(L, "timeout");
  return 2;
}

/* Stand in line for `op` on the object at index 1, and yield. */
static int wait_stand (lua_State *L, Task *t, const Op *op) {
  weir_park(&t->parking, &t->self, 1);
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
    return weirL_error(L, "%s ended: its handle was moved or dropped while a task waited on it",
                       op->name);
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
  if (n != WEIR_PENDING) return n;
  if (limited) {                                        /* a false alarm: is time left? */
    if (weirL_clock(t->S) >= t->due.when) return timed_out(L, op);
    weirL_deadline_room(L, t->S);
    weir_deadlines_start(&t->S->deadlines, &t->due, t->due.when, 0);
  }
  return wait_stand(L, t, op);
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
  n = op->poll(L, 1, NULL);
  if (n != WEIR_PENDING) {
    weirL_notice(L, S);
    return n;
  }
  if (seconds == 0) return timed_out(L, op);
  t = weirL_may_wait(L, S, op->name);
  if (op->guard != NULL) op->guard(L, 1);
  weirL_wait_start(L, t, seconds);
  return wait_stand(L, t, op);
}
