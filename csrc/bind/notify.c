/* SPDX-License-Identifier: MIT */
/*
** notify.c -- wake one task, or all that wait.
**
** A Notify is a Semaphore whose kernel keeps at most one permit (kernel/notify.c).
*/
#include <stdio.h>

#include "bind.h"

static Semaphore *notify (lua_State *L) { return (Semaphore *)weirL_check(L, 1, NOTIFY); }

static int notified_poll (lua_State *L, int i, weir_Waiter *won) {
  Semaphore *s = (Semaphore *)lua_touserdata(L, i);
  if (won != NULL) weir_permits_take(won);      /* granted, or told by notify_waiters */
  else if (!weir_permits_try(&s->k, 1)) return WEIR_PENDING;
  return weirL_true(L);
}

static bool notified_ready (lua_State *L, int i) {
  return weir_permits_ready(&((Semaphore *)lua_touserdata(L, i))->k, 1);
}

static void notified_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_permits_join(&((Semaphore *)lua_touserdata(L, i))->k, w, 1);
}

const Op weirL_notified_op = {"notified", notified_poll, notified_ready, notified_enter, NULL,
                              false};

/* n:notified([timeout]) -> true / nil, "timeout" */
static int notify_notified (lua_State *L) {
  return weirL_await(L, notify(L)->S, &weirL_notified_op, 2, notify_notified);
}

static int notify_notify_one (lua_State *L) {
  Semaphore *s = notify(L);
  weir_notify_one(&s->k);
  weirL_notice(L, s->S);
  return weirL_true(L);
}

static int notify_notify_waiters (lua_State *L) {
  Semaphore *s = notify(L);
  weir_notify_waiters(&s->k);
  weirL_notice(L, s->S);
  return weirL_true(L);
}

int weirL_notify_fill (const Object *o, char *text, size_t size) {
  const Semaphore *s = (const Semaphore *)o;
  return snprintf(text, size, "%s", s->k.free > 0 ? "one stored"
                  : weir_list_empty(&s->k.line) ? "nobody waits" : "tasks wait");
}

/* weir.notify() */
static int new_notify (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  Semaphore *s = (Semaphore *)weirL_new(L, S, NOTIFY, sizeof(Semaphore), 0);
  s->S = S;
  weir_notify_init(&s->k);
  return 1;
}

void weirL_open_notify (lua_State *L, int S) {
  static const luaL_Reg methods[] = {{"notified", notify_notified},
    {"notify_one", notify_notify_one}, {"notify_waiters", notify_notify_waiters},
    {NULL, NULL}};
  weirL_register(L, S, NOTIFY, methods, NULL);
  weirL_setfunc(L, S, "notify", new_notify);
}
