/* SPDX-License-Identifier: MIT
**
** host.c -- a Lua interpreter that counts: runs one script with an allocator
** that counts what passes through it, and gives the script the clocks.
**
**   host SCRIPT ARG...          as lua would, with the module "bench.host" preloaded
**
**   blocks   how often the allocator was asked for a new or a larger block
**   bytes    how many bytes those requests added
**   live     bytes held at this moment
**
** Lua draws the seed of its string hashes from time(): with BENCH_SEED set the
** host answers that in its place, so that two runs hash alike.
**
** Under callgrind with --collect-atstart=no the counting of instructions is
** switched by collect(), so that a script can leave its preparation out.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#if defined(__has_include)
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#endif
#endif
#ifndef CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_TOGGLE_COLLECT ((void)0)
#endif

int luaopen_bench_floor (lua_State *L);
int luaopen_bench_hollow (lua_State *L);

typedef struct Count {
  lua_Integer blocks;
  lua_Integer bytes;
  lua_Integer live;
} Count;

static Count count; /* one Lua state, one thread */

static void *allocate (void *ud, void *block, size_t old, size_t size) {
  (void)ud;
  if (block == NULL) old = 0; /* then it says what kind of object is wanted */
  if (size == 0) {
    free(block);
    count.live -= (lua_Integer)old;
    return NULL;
  }
  block = realloc(block, size);
  if (block == NULL) return NULL;
  if (size > old) {
    count.blocks++;
    count.bytes += (lua_Integer)(size - old);
  }
  count.live += (lua_Integer)size - (lua_Integer)old;
  return block;
}

time_t time (time_t *out) {
  const char *seed = getenv("BENCH_SEED");
  struct timespec t = {0, 0};
  if (seed != NULL) t.tv_sec = atol(seed);
  else clock_gettime(CLOCK_REALTIME, &t);
  if (out != NULL) *out = t.tv_sec;
  return t.tv_sec;
}

static double clock_of (clockid_t which) {
  struct timespec t;
  clock_gettime(which, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int host_now (lua_State *L) {
  lua_pushnumber(L, clock_of(CLOCK_MONOTONIC));
  return 1;
}

static int host_cpu (lua_State *L) {
  lua_pushnumber(L, clock_of(CLOCK_PROCESS_CPUTIME_ID));
  return 1;
}

/* counts() -> blocks, bytes, live */
static int host_counts (lua_State *L) {
  lua_pushinteger(L, count.blocks);
  lua_pushinteger(L, count.bytes);
  lua_pushinteger(L, count.live);
  return 3;
}

/* resident() -> bytes of memory the system holds for this process */
static int host_resident (lua_State *L) {
  long all = 0, held = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f == NULL || fscanf(f, "%ld %ld", &all, &held) != 2) return luaL_error(L, "no /proc/self/statm");
  fclose(f);
  lua_pushinteger(L, (lua_Integer)held * sysconf(_SC_PAGESIZE));
  return 1;
}

static int host_sleep (lua_State *L) {
  double s = luaL_checknumber(L, 1);
  struct timespec t;
  if (s <= 0) return 0;
  t.tv_sec = (time_t)s;
  t.tv_nsec = (long)((s - (double)t.tv_sec) * 1e9);
  nanosleep(&t, NULL);
  return 0;
}

static int host_collect (lua_State *L) {
  (void)L;
  CALLGRIND_TOGGLE_COLLECT;
  return 0;
}

static const luaL_Reg host[] = {
  {"now", host_now},           {"cpu", host_cpu},
  {"counts", host_counts},     {"resident", host_resident},
  {"sleep", host_sleep},       {"collect", host_collect},
  {NULL, NULL},
};

static int open_host (lua_State *L) {
  luaL_newlib(L, host);
  return 1;
}

static void preload (lua_State *L, const char *name, lua_CFunction open) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

static int traceback (lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* the script and its arguments, in the global arg and as ... */
static int run (lua_State *L, int argc, char **argv) {
  int i;
  lua_pushcfunction(L, traceback);
  if (luaL_loadfile(L, argv[1]) != LUA_OK) return LUA_ERRFILE;
  lua_createtable(L, argc - 2, 1);
  for (i = 1; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
  for (i = 2; i < argc; i++) lua_pushstring(L, argv[i]);
  return lua_pcall(L, argc - 2, 0, 1);
}

int main (int argc, char **argv) {
  lua_State *L;
  int status;
  if (argc < 2) {
    fprintf(stderr, "usage: %s SCRIPT ARG...\n", argv[0]);
    return 2;
  }
  L = lua_newstate(allocate, NULL);
  if (L == NULL) return 2;
  luaL_openlibs(L);
  preload(L, "bench.host", open_host);
  preload(L, "bench.floor", luaopen_bench_floor);
  preload(L, "bench.hollow", luaopen_bench_hollow);
  status = run(L, argc, argv);
  if (status != LUA_OK) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  fflush(stdout);
  /* no lua_close: a million tasks need not be taken apart to end a measurement */
  return status == LUA_OK ? 0 : 1;
}
