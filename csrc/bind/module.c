/* SPDX-License-Identifier: MIT */
/*
** module.c -- luaopen_weir_core: one scheduler for each Lua state, and the table
** of functions that the Lua side completes.
**
** The registry keeps the table, whose functions keep the scheduler: who forgets that the
** module was loaded (package.loaded, as test tools do) and loads it again gets the same one.
*/
#include <string.h>

#include "bind.h"

static const char module_key;     /* its address keys the table in the registry */

WEIR_EXPORT int luaopen_weir_core (lua_State *L);

WEIR_EXPORT int luaopen_weir_core (lua_State *L) {
  Scheduler *S;
  int s;
  luaL_checkversion(L);
  lua_settop(L, 0);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &module_key) == LUA_TTABLE) return 1;
  lua_settop(L, 0);
  S = (Scheduler *)lua_newuserdatauv(L, sizeof(Scheduler), UV_COUNT);
  s = lua_gettop(L);
  memset(S, 0, sizeof *S);
  lua_newtable(L);                              /* the module */
  weirL_open_scheduler(L, s);
  weirL_open_wait(L, s);
  weirL_open_task(L, s);
  weirL_open_frame(L, s);
  weirL_open_join_set(L, s);
  weirL_open_time(L, s);
  weirL_open_mpsc(L, s);
  weirL_open_permit(L, s);
  weirL_open_oneshot(L, s);
  weirL_open_call(L, s);
  weirL_open_watch(L, s);
  weirL_open_broadcast(L, s);
  weirL_open_semaphore(L, s);
  weirL_open_notify(L, s);
  weirL_open_lock(L, s);
  weirL_open_barrier(L, s);
  weirL_open_once(L, s);
  weirL_open_cancel(L, s);
  weirL_open_select(L, s);
  weirL_open_box(L, s);
  weirL_open_debug(L, s);
  weirL_open_snapshot(L, s);
  weirL_open_explore(L, s);
  weirL_open_trace(L, s);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &module_key);
  return 1;
}
