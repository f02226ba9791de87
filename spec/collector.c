/* SPDX-License-Identifier: MIT */
/*
** collector.c -- whole collections inside the core's functions.
**
** A hook sees every call. In one out of EVERY calls of a function of weir.core, drawn by
** lot, each allocation at which Lua looks whether to collect makes a whole collection,
** finalizers included, until that function returns or calls or yields. Coroutines inherit
** the hook from whoever makes them.
*/
#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lua.h>
#include <lauxlib.h>

enum { KNOWN = 4096, EVERY = 16, PAUSE = 200, STEPMUL = 100, STEPSIZE = 13, WHOLE = 63 };

static struct { lua_CFunction f; int ours; } known[KNOWN];
static int inside;
static uint32_t lot = 1;

int luaopen_collector (lua_State *L);

/* Is it a function of weir.core? Asked once for each. */
static int is_ours (lua_CFunction f) {
  union { lua_CFunction f; void *p; } address;
  size_t i;
  Dl_info info;
  address.f = f;
  for (i = ((uintptr_t)address.p >> 4) % KNOWN; known[i].f != NULL; i = (i + 1) % KNOWN)
    if (known[i].f == f) return known[i].ours;
  known[i].f = f;
  known[i].ours = dladdr(address.p, &info) != 0 && strstr(info.dli_fname, "weir/core.so") != NULL;
  return known[i].ours;
}

static void hook (lua_State *L, lua_Debug *ar) {
  lua_CFunction f;
  if (inside) {
    inside = 0;
    lua_gc(L, LUA_GCSETPAUSE, PAUSE);
    lua_gc(L, LUA_GCINC, PAUSE, STEPMUL, STEPSIZE);
  }
  if (ar->event == LUA_HOOKRET || !lua_checkstack(L, 1)) return;
  lua_getinfo(L, "f", ar);
  f = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  if (f == NULL || !is_ours(f)) return;
  lot = lot * 1664525u + 1013904223u;
  if ((lot >> 16) % EVERY != 0 || !lua_gc(L, LUA_GCISRUNNING)) return;
  inside = 1;
  lua_gc(L, LUA_GCSETPAUSE, 0);
  lua_gc(L, LUA_GCINC, 0, 1000, WHOLE);
  lua_gc(L, LUA_GCRESTART);                     /* the next allocation is late already */
}

int luaopen_collector (lua_State *L) {
  lua_sethook(L, hook, LUA_MASKCALL | LUA_MASKRET, 0);
  return 0;
}
