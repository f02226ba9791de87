/* SPDX-License-Identifier: MIT */
/*
** barrier.c -- n tasks wait for each other; the last is the leader.
*/
#include <stdio.h>

#include "bind.h"

static int barrier_wait_poll (lua_State *L, int i, weir_Waiter *won) {
  Barrier *b = (Barrier *)lua_touserdata(L, i);
  bool leads = won == NULL;                     /* else the leader has come */
  if (leads && !weir_barrier_arrive(&b->k)) return WEIR_PENDING;
  lua_pushboolean(L, 1);
  lua_pushboolean(L, leads);
  return 2;
}

static void barrier_wait_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_barrier_join(&((Barrier *)lua_touserdata(L, i))->k, w);
}

static const Op barrier_wait_op = {"wait", barrier_wait_poll, NULL, barrier_wait_enter, NULL, false};

/* b:wait([timeout]) -> true, is_leader / nil, "timeout" */
static int barrier_wait (lua_State *L) {
  const Barrier *b = (Barrier *)weirL_check(L, 1, BARRIER);
  return weirL_await(L, b->S, &barrier_wait_op, 2, barrier_wait);
}

int weirL_barrier_fill (const Object *o, char *text, size_t size) {
  const weir_Barrier *k = &((const Barrier *)o)->k;
  return snprintf(text, size, "%u of %u arrived", (unsigned)weir_barrier_arrived(k),
                  (unsigned)k->n);
}

/* weir.barrier(n) */
static int barrier (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  uint32_t n = (uint32_t)weirL_integer(L, 1, 0, WEIR_CAPACITY_MAX);
  Barrier *b = (Barrier *)weirL_new(L, S, BARRIER, sizeof(Barrier), 0);
  b->S = S;
  weir_barrier_init(&b->k, n);
  return 1;
}

void weirL_open_barrier (lua_State *L, int S) {
  static const luaL_Reg methods[] = {{"wait", barrier_wait}, {NULL, NULL}};
  weirL_register(L, S, BARRIER, methods, NULL);
  weirL_setfunc(L, S, "barrier", barrier);
}
