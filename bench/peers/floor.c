/* SPDX-License-Identifier: MIT
**
** floor.c -- what Lua itself costs before any channel exists.
**
** The least that anything built on coroutines pays: one switch, one call of a
** C function from Lua, one method call on a userdata with its check, one
** short-lived userdata, one coroutine made and run to its end, one coroutine
** left waiting. Everything here does nothing else.
*/
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>

static int park (lua_State *L) {
  return lua_yield(L, 0);
}

static int nothing (lua_State *L) {
  (void)L;
  return 0;
}

static volatile lua_Integer sink; /* keeps the arguments read */

static int raw_method (lua_State *L) {
  sink = lua_touserdata(L, 1) != NULL;
  sink = lua_tointeger(L, 2);
  return 0;
}

static int checked_method (lua_State *L) {
  sink = luaL_checkudata(L, 1, "bench.checked") != NULL;
  sink = lua_tointeger(L, 2);
  return 0;
}

static int make_userdata (lua_State *L) {
  lua_newuserdatauv(L, 48, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, -2);
  return 1;
}

/* a coroutine that will run the chunk with f as its argument  [-0, +1, v] */
static lua_State *coroutine (lua_State *L, const char *chunk, lua_CFunction f) {
  lua_State *co = lua_newthread(L);
  if (luaL_loadstring(co, chunk) != LUA_OK) lua_error(co);
  lua_pushcfunction(co, f);
  return co;
}

static void expect (lua_State *L, int holds, const char *what) {
  if (!holds) luaL_error(L, "the floor is wrong: %s", what);
}

/* switch(n): into a waiting coroutine and back, n times */
static int floor_switch (lua_State *L) {
  lua_Integer i, n = luaL_checkinteger(L, 1);
  int got;
  lua_State *co = coroutine(L, "local park = ... while true do park() end", park);
  expect(L, lua_resume(co, L, 1, &got) == LUA_YIELD, "first switch");
  for (i = 0; i < n; i++)
    if (lua_resume(co, L, 0, &got) != LUA_YIELD) return luaL_error(L, "the coroutine ended");
  return 0;
}

/* carry(n): the same with a value that goes in and is added up there */
static int floor_carry (lua_State *L) {
  lua_Integer i, n = luaL_checkinteger(L, 1);
  int got;
  lua_State *co = coroutine(L,
    "local park = ... local sum = 0 while true do local v = park() if not v then return sum end sum = sum + v end",
    park);
  expect(L, lua_resume(co, L, 1, &got) == LUA_YIELD, "first switch");
  for (i = 1; i <= n; i++) {
    lua_pushinteger(co, i);
    if (lua_resume(co, L, 1, &got) != LUA_YIELD) return luaL_error(L, "the coroutine ended");
  }
  expect(L, lua_resume(co, L, 0, &got) == LUA_OK && lua_tointeger(co, -1) == n * (n + 1) / 2, "sum");
  return 0;
}

/* call(n): a C function that does nothing, called from a Lua loop */
static int floor_call (lua_State *L) {
  luaL_loadstring(L, "local f, n = ... for _ = 1, n do f() end");
  lua_pushcfunction(L, nothing);
  lua_pushvalue(L, 1);
  lua_call(L, 2, 0);
  return 0;
}

static int methods (lua_State *L, const char *kind, lua_CFunction method) {
  luaL_loadstring(L, "local o, n = ... for i = 1, n do o:f(i) end");
  lua_newuserdatauv(L, 64, 0);
  if (luaL_newmetatable(L, kind)) {
    lua_newtable(L);
    lua_pushcfunction(L, method);
    lua_setfield(L, -2, "f");
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, -2);
  lua_pushvalue(L, 1);
  lua_call(L, 2, 0);
  return 0;
}

/* method(n), checked(n): o:f(i) on a userdata, without and with luaL_checkudata */
static int floor_method (lua_State *L) {
  return methods(L, "bench.raw", raw_method);
}

static int floor_checked (lua_State *L) {
  return methods(L, "bench.checked", checked_method);
}

static int userdata (lua_State *L, int finalized) {
  luaL_loadstring(L, "local make, n = ... for _ = 1, n do local _ = make() end");
  lua_newtable(L);
  if (finalized) {
    lua_pushcfunction(L, nothing);
    lua_setfield(L, -2, "__gc");
  }
  lua_pushcclosure(L, make_userdata, 1);
  lua_pushvalue(L, 1);
  lua_call(L, 2, 0);
  return 0;
}

/* userdata(n), finalized(n): a small userdata made and collected, without and with __gc */
static int floor_userdata (lua_State *L) {
  return userdata(L, 0);
}

static int floor_finalized (lua_State *L) {
  return userdata(L, 1);
}

enum { BATCH = 1000 };

/* spawn(n): new coroutines run to their end, a thousand at a time */
static int floor_spawn (lua_State *L) {
  lua_Integer i, n = luaL_checkinteger(L, 1) / BATCH, sum = 0;
  lua_State *co[BATCH];
  int j, got;
  luaL_checkstack(L, 4, NULL);
  luaL_loadstring(L, "return function(v) return v end");
  lua_call(L, 0, 1);
  lua_createtable(L, BATCH, 0); /* function; batch */
  for (i = 0; i < n; i++) {
    for (j = 0; j < BATCH; j++) {
      co[j] = lua_newthread(L);
      lua_pushvalue(L, -3);
      lua_xmove(L, co[j], 1);
      lua_pushinteger(co[j], j + 1);
      lua_rawseti(L, -2, j + 1);
    }
    for (j = 0; j < BATCH; j++) {
      if (lua_resume(co[j], L, 1, &got) != LUA_OK) return luaL_error(L, "the coroutine failed");
      sum += lua_tointeger(co[j], -1);
    }
  }
  expect(L, sum == n * (BATCH * (BATCH + 1) / 2), "sum of the batch");
  return 0;
}

/* waiting(n) -> n coroutines, each inside one call, in a table */
static int floor_waiting (lua_State *L) {
  lua_Integer i, n = luaL_checkinteger(L, 1);
  int got;
  lua_createtable(L, (int)n, 0);
  luaL_loadstring(L, "local park = ... return function() local v = park() return v end");
  lua_pushcfunction(L, park);
  lua_call(L, 1, 1); /* table; function */
  for (i = 1; i <= n; i++) {
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, -2);
    lua_xmove(L, co, 1);
    expect(L, lua_resume(co, L, 0, &got) == LUA_YIELD, "wait");
    lua_rawseti(L, -3, i);
  }
  lua_pop(L, 1);
  return 1;
}

static const luaL_Reg entries[] = {
  {"switch", floor_switch},     {"carry", floor_carry},       {"call", floor_call},
  {"method", floor_method},     {"checked", floor_checked},   {"userdata", floor_userdata},
  {"finalized", floor_finalized}, {"spawn", floor_spawn},     {"waiting", floor_waiting},
  {NULL, NULL},
};

int luaopen_bench_floor (lua_State *L);

int luaopen_bench_floor (lua_State *L) {
  luaL_newlib(L, entries);
  return 1;
}
