/* SPDX-License-Identifier: MIT */
/*
** debug.c -- what a program is doing: types, tasks, the deadlock report.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"

/* weir.type(x) -> "mpsc.Sender", "closed mpsc.Sender", ... or nil */
static int type (lua_State *L) {
  const char *name;
  weirL_checkany(L, 1);
  name = weirL_typename(L, 1);
  if (name == NULL) lua_pushnil(L);
  else lua_pushstring(L, name);
  return 1;
}

/* weir.debug([on]) -> was it on? */
static int debug (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  bool before = S->debug;
  if (!lua_isnone(L, 1)) S->debug = lua_toboolean(L, 1);
  lua_pushboolean(L, before);
  return 1;
}

/* Where a coroutine stands: "main.lua:12". [-0, +1, m] */
static void push_where (lua_State *L, lua_State *co) {
  lua_Debug ar;
  int level;
  for (level = 0; co != NULL && lua_getstack(co, level, &ar); level++) {
    lua_getinfo(co, "Sl", &ar);
    if (ar.currentline > 0) {
      lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
      return;
    }
  }
  lua_pushliteral(L, "not started");
}

/* What a task waits for, in words; nil if it does not wait. [-0, +1, m] */
static void push_waiting_for (lua_State *L, const Task *t) {
  lua_State *co = t->L;
  if (t->status != WAITING) {
    lua_pushnil(L);
    return;
  }
  if (t->op == NULL) {
    lua_pushfstring(L, "select over %d branches", (int)t->parking.nbranch);
    return;
  }
  if (lua_touserdata(co, 1) != NULL) {
    lua_pushvalue(co, 1);
    lua_xmove(co, L, 1);
    lua_pushfstring(L, "%s on %s", t->op->name, luaL_tolstring(L, -1, NULL));
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
  else lua_pushstring(L, t->op->name);
}

static int by_id (const void *a, const void *b) {
  const Task *x = *(const Task *const *)a, *y = *(const Task *const *)b;
  return x->id < y->id ? -1 : x->id > y->id;
}

/* Push a userdata with the unfinished tasks by id. */
static const Task **all_tasks (lua_State *L, const Scheduler *S) {
  const Task **all = (const Task **)lua_newuserdatauv(L, (S->ntasks + 1) * sizeof *all, 0);
  uint32_t i, n = 0;
  for (i = 1; i <= S->nslots; i++)
    if (S->slots[i].task != NULL) all[n++] = S->slots[i].task;
  qsort((void *)all, n, sizeof *all, by_id);
  all[n] = NULL;
  return all;
}

static const char *status_word (const Task *t) {
  static const char *const words[] = {"ready", "running", "waiting"};
  return t->status == WAITING && !weir_list_empty(&t->ready) ? "ready" : words[t->status];
}

/* weir.tasks() -> { { id =, name =, status =, waiting_for =, where = }, ... } */
static int tasks (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  const Task **all = all_tasks(L, S);
  lua_Integer n = 0;
  lua_newtable(L);
  for (; *all != NULL; all++) {
    const Task *t = *all;
    lua_createtable(L, 0, 5);
    lua_pushinteger(L, t->id);
    lua_setfield(L, -2, "id");
    weirL_push_name(L, S, t);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, status_word(t));
    lua_setfield(L, -2, "status");
    push_waiting_for(L, t);
    lua_setfield(L, -2, "waiting_for");
    push_where(L, t->L);
    lua_setfield(L, -2, "where");
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* Push the report on all tasks. [-0, +1, m] */
void weirL_push_report (lua_State *L, Scheduler *S, bool deadlock) {
  int top = lua_gettop(L);
  const Task **all = all_tasks(L, S);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  if (deadlock)
    luaL_addstring(&b, "deadlock: every task waits, and nothing can wake one");
  for (; *all != NULL; all++) {
    const Task *t = *all;
    lua_pushfstring(L, "%stask %d ", luaL_bufflen(&b) > 0 ? "\n  " : "", (int)t->id);
    luaL_addvalue(&b);
    weirL_push_name(L, S, t);
    luaL_addvalue(&b);
    push_where(L, t->L);
    lua_pushfstring(L, " (%s at %s)", status_word(t), lua_tostring(L, -1));
    lua_remove(L, -2);
    luaL_addvalue(&b);
    push_waiting_for(L, t);
    if (lua_isstring(L, -1)) {
      lua_pushfstring(L, ": waits in %s", lua_tostring(L, -1));
      lua_remove(L, -2);
      luaL_addvalue(&b);
    }
    else lua_pop(L, 1);
  }
  luaL_pushresult(&b);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}

/* weir.dump() -> a report on the live program */
static int dump (lua_State *L) {
  weirL_push_report(L, weirL_scheduler(L), false);
  return 1;
}

void weirL_open_debug (lua_State *L, int S) {
  static const luaL_Reg functions[] = {{"type", type}, {"debug", debug}, {"tasks", tasks},
    {"dump", dump}, {NULL, NULL}};
  const char *env = getenv("WEIR_DEBUG");
  weirL_setfuncs(L, S, functions);
  ((Scheduler *)lua_touserdata(L, S))->debug = env != NULL && strcmp(env, "1") == 0;
}
