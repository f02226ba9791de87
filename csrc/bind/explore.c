/* SPDX-License-Identifier: MIT */
/*
** explore.c -- ready tasks in an order drawn by lot, from a seed.
**
** What a task may rely on, and so holds in every order drawn:
**
** O1  a task that gave way runs after every task that was ready when it did
** O2  the first task of a run starts first
**
** Everything else that is ready may come next. The list of the ready is in the order
** in which they became so; a task that gave way may be drawn only when it is
** first in it (O1). One task is drawn at a time, so that what it makes ready is
** drawn among as well.
*/
#include "bind.h"

/* Did it give way, and wait for nothing? */
static bool gave_way (const Scheduler *S, const Task *t) {
  return t->status == READY && !t->aborting &&
         lua_status(weirL_slot(S, t->slot)->co) == LUA_YIELD;
}

/* The task to run next, out of S->batch; NULL if it is empty. */
weir_Link *weirL_explore_next (Scheduler *S) {
  weir_Link *first = weir_list_first(&S->batch), *x;
  const Task *t;
  uint32_t n = 0, chosen;
  if (first == NULL) return NULL;
  t = weir_container(first, Task, ready);
  if (t == S->main && lua_status(t->L) == LUA_OK) return first;       /* O2 */
  for (x = first; x != &S->batch; x = x->next)
    if (x == first || !gave_way(S, weir_container(x, Task, ready))) n++;
  if (n == 1) return first;
  chosen = weirL_random(S, n);
  for (x = first; ; x = x->next)
    if ((x == first || !gave_way(S, weir_container(x, Task, ready))) && chosen-- == 0) break;
  t = weir_container(x, Task, ready);
  if (S->main != NULL) S->order ^= t->id - S->main->id;
  S->order = S->order * 0x9e3779b97f4a7c15u + n;
  S->order ^= S->order >> 29;
  return x;
}

/* The keys of the table at index 1 as an array in an order that is the same in
** every process: integers, then strings, then the rest as it comes. [-0, +1, m] */
void weirL_explore_keys (lua_State *L) {
  lua_Integer n = 0, i;
  int keys;
  lua_newtable(L);
  keys = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    lua_pop(L, 1);
    for (i = n; i > 0; i--) {                   /* insert from the end */
      bool before;
      lua_rawgeti(L, keys, i);                  /* key; other */
      if (lua_type(L, -2) != lua_type(L, -1)) before = lua_type(L, -2) < lua_type(L, -1);
      else before = (lua_type(L, -2) == LUA_TSTRING || lua_type(L, -2) == LUA_TNUMBER) &&
                    lua_compare(L, -2, -1, LUA_OPLT);
      if (!before) {
        lua_pop(L, 1);
        break;
      }
      lua_rawseti(L, keys, i + 1);
    }
    lua_pushvalue(L, -1);
    lua_rawseti(L, keys, i + 1);
    n++;
  }
}

static uint64_t splitmix (uint64_t *x) {
  uint64_t z = (*x += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* core.explore(seed): orders and selects are drawn from the seed from now on.
** core.explore(nil): as always. Returns a hash of the orders drawn before. */
static int explore (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  bool on = !lua_isnoneornil(L, 1);
  uint64_t x = on ? (uint64_t)weirL_integer(L, 1, LUA_MININTEGER, LUA_MAXINTEGER)
                  : weirL_os_seed();
  if (S->running)
    return weirL_error(L, "exploring begins and ends outside weir.run");
  lua_pushinteger(L, (lua_Integer)S->order);
  S->random[0] = splitmix(&x) | 1;
  S->random[1] = splitmix(&x);
  S->explore = on;
  S->order = 0;
  S->halt &= (uint8_t)~HALT_WATCHED;
  if (on || S->trace != NULL) S->halt |= HALT_WATCHED;
  return 1;
}

void weirL_open_explore (lua_State *L, int S) {
  weirL_setfunc(L, S, "explore", explore);
}
