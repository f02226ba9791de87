/* SPDX-License-Identifier: MIT */
/*
** host.c -- a Lua whose memory runs out where it is told to.
**
**   oom_host cases.lua [name]
**
** cases.lua returns { name, setup, body, check } after another. Each is run in
** a fresh state: setup(weir) -> things; then body(weir, things), protected, while
** allocation number n fails (and its retry after the collection; or all from n
** on); then check(weir, things, ok, err) with memory again; then lua_close, after
** which not a byte may be left. n = 1, 2, 3 ... until a body meets no failure.
**
** O1  what a failed body raises is an ordinary error
** O2  check finds nothing lost and the state usable
** O3  lua_close frees every byte
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

typedef struct Memory {
  size_t bytes;
  long count;                     /* allocations that grew, while armed */
  long fail_at;                   /* 0: not armed */
  int forever, hit;
} Memory;

static void *alloc (void *ud, void *p, size_t old, size_t size) {
  Memory *m = (Memory *)ud;
  void *q;
  if (p == NULL) old = 0;
  if (size == 0) {
    m->bytes -= old;
    free(p);
    return NULL;
  }
  if (m->fail_at > 0 && size > old) {
    m->count++;
    if (m->count >= m->fail_at && (m->forever || m->count <= m->fail_at + 1)) {
      m->hit = 1;
      return NULL;
    }
  }
  q = realloc(p, size);
  if (q == NULL) return NULL;
  m->bytes += size - old;
  return q;
}

static void die (const char *name, long n, int forever, const char *what) {
  printf("FAIL %s: allocation %ld%s: %s\n", name, n, forever ? " and all after it" : "", what);
  exit(1);
}

/* Run case number `index` (1 ...) with the failure at n. 0: there is no such
** case; 1: it met a failure; 2: it met none. */
static int run_case (const char *file, const char *only, int index, long n, int forever,
                     char *name, size_t size) {
  Memory m = {0, 0, 0, 0, 0};
  lua_State *L = lua_newstate(alloc, &m);
  int status;
  if (L == NULL) exit(2);
  luaL_openlibs(L);
  if (luaL_dofile(L, file) != LUA_OK) die(file, 0, 0, lua_tostring(L, -1));
  if (lua_rawgeti(L, -1, index) != LUA_TTABLE) {
    lua_close(L);
    return 0;
  }
  lua_getfield(L, -1, "name");
  snprintf(name, size, "%s", lua_tostring(L, -1));
  lua_pop(L, 1);
  if (only != NULL && strcmp(only, name) != 0) {
    lua_close(L);
    return 2;
  }
  lua_getglobal(L, "require");
  lua_pushliteral(L, "weir");
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) die(name, n, forever, lua_tostring(L, -1));
  /* cases; case; weir */
  lua_getfield(L, -2, "setup");
  if (lua_isfunction(L, -1)) {
    lua_pushvalue(L, -2);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) die(name, n, forever, lua_tostring(L, -1));
  }
  lua_gc(L, LUA_GCCOLLECT);
  lua_getfield(L, -3, "body");
  lua_pushvalue(L, -3);
  lua_pushvalue(L, -3);                         /* cases; case; weir; things; body; ... */
  lua_checkstack(L, 40);
  m.fail_at = n;
  m.forever = forever;
  status = lua_pcall(L, 2, 1, 0);
  m.fail_at = 0;
  lua_getfield(L, 2, "check");
  if (lua_isfunction(L, -1)) {
    lua_pushvalue(L, 3);
    lua_pushvalue(L, 4);
    lua_pushboolean(L, status == LUA_OK);
    lua_pushvalue(L, 5);
    if (lua_pcall(L, 4, 0, 0) != LUA_OK) die(name, n, forever, lua_tostring(L, -1));
  }
  status = m.hit;
  lua_close(L);
  if (m.bytes != 0) die(name, n, forever, "bytes left after lua_close");
  return status ? 1 : 2;
}

int main (int argc, char **argv) {
  char name[64] = "";
  const char *only = argc > 2 ? argv[2] : NULL;
  int index, forever;
  long total = 0;
  if (argc < 2) {
    fprintf(stderr, "usage: oom_host cases.lua [name]\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (index = 1;; index++) {
    long n = 0;
    for (forever = 0; forever <= 1; forever++) {
      for (n = 1;; n++) {
        int met = run_case(argv[1], only, index, n, forever, name, sizeof name);
        if (met == 0) {
          printf("oom: %d cases, %ld failures, nothing lost\n", index - 1, total);
          return 0;
        }
        if (met == 2) break;
        total++;
      }
    }
    if (only == NULL || strcmp(only, name) == 0)
      printf("ok %s (%ld allocations, each failed twice)\n", name, n - 1);
  }
}
