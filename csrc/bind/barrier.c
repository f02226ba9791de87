/* SPDX-License-Identifier: MIT */
/*
** barrier.c -- n tasks wait for each other; the last is the leader.
**
**   line      those who have arrived in this generation
**   arrived   at least that many: those cut short are found out by counting, and
**             only when it could be enough
**
** G1  the line never holds n tasks: the n-th opens the barrier
*/
#include <stdio.h>

#include "bind.h"

static uint32_t count_line (const weir_Link *line) {
  const weir_Link *x;
  uint32_t n = 0;
  for (x = line->next; x != line; x = x->next) n++;
  return n;
}

static int barrier_wait_poll (lua_State *L, int i, weir_Waiter *won) {
  Barrier *b = (Barrier *)lua_touserdata(L, i);
  if (won != NULL) {                            /* the leader came */
    lua_pushboolean(L, 1);
    lua_pushboolean(L, 0);
    return 2;
  }
  if (b->arrived + 1 >= b->n) b->arrived = count_line(&b->line);
  if (b->arrived + 1 < b->n) return WEIR_PENDING;
  b->generation++;
  b->arrived = 0;
  weir_line_tell_all(&b->line);
  lua_pushboolean(L, 1);
  lua_pushboolean(L, 1);
  return 2;
}

static void barrier_wait_enter (lua_State *L, int i, weir_Waiter *w) {
  Barrier *b = (Barrier *)lua_touserdata(L, i);
  b->arrived++;
  weir_line_join(&b->line, w);
}

static const Op barrier_wait_op = {"wait", barrier_wait_poll, NULL, barrier_wait_enter, NULL, false};

/* b:wait([timeout]) -> true, is_leader / nil, "timeout" */
static int barrier_wait (lua_State *L) {
  const Barrier *b = (Barrier *)weirL_check(L, 1, BARRIER);
  return weirL_await(L, b->S, &barrier_wait_op, 2, barrier_wait);
}

int weirL_barrier_fill (const Object *o, char *text, size_t size) {
  const Barrier *b = (const Barrier *)o;
  return snprintf(text, size, "%u of %u arrived", (unsigned)count_line(&b->line),
                  (unsigned)b->n);
}

/* weir.barrier(n) */
static int barrier (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  uint32_t n = (uint32_t)weirL_integer(L, 1, 0, WEIR_CAPACITY_MAX);
  Barrier *b = (Barrier *)weirL_new(L, S, BARRIER, sizeof(Barrier), 0);
  b->S = S;
  b->n = n == 0 ? 1 : n;
  weir_list_init(&b->line);
  return 1;
}

void weirL_open_barrier (lua_State *L, int S) {
  static const luaL_Reg methods[] = {{"wait", barrier_wait}, {NULL, NULL}};
  weirL_register(L, S, BARRIER, methods, NULL);
  weirL_setfunc(L, S, "barrier", barrier);
}
