/* SPDX-License-Identifier: MIT */
/*
** debug.c -- where things stand and were made; the deadlock report, in the last resort.
**
** What can be said well is said by weir.report, in Lua, from the picture that
** snapshot.c takes.
**
** D1  a coroutine that may be gone is not looked at: the innermost is that of the
**     first frame that has one, never task.L
*/
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
  if (!lua_isnone(L, 1)) {
    S->debug = lua_toboolean(L, 1);
    S->listing = (uint8_t)((S->listing & ~LISTING_DEBUG) | (S->debug ? LISTING_DEBUG : 0));
  }
  lua_pushboolean(L, before);
  return 1;
}

/* core.listing(on): the console looks, or looks no more */
static int listing (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  S->listing = (uint8_t)((S->listing & ~LISTING_CONSOLE) |
                         (lua_toboolean(L, 1) ? LISTING_CONSOLE : 0));
  return 0;
}

/* ---- what is noted while weir.debug is on -------------------------------- */

/* weir's own Lua files begin with this: "@/usr/share/lua/5.4/weir/"; or "". */
static const char *own_source (lua_State *L) {
  const char *own;
  weirL_uv(L, UV_HOOKS);
  lua_rawgeti(L, -1, HOOK_SOURCE);              /* (anchored by the hooks table) */
  own = lua_tostring(L, -1);
  lua_pop(L, 2);
  return own != NULL ? own : "";
}

static bool is_own (const lua_Debug *ar, const char *own) {
  size_t n = strlen(own);
  return n > 0 && strncmp(ar->source, own, n) == 0;
}

/* The first line of the user's in a coroutine from `level` on; of ours, if there is
** none. */
static bool user_line (lua_State *co, int level, const char *own, lua_Debug *found) {
  lua_Debug ar;
  bool any = false;
  for (; lua_getstack(co, level, &ar); level++) {
    lua_getinfo(co, "Sl", &ar);
    if (ar.currentline <= 0) continue;
    if (!is_own(&ar, own)) {
      *found = ar;
      return true;
    }
    if (!any) *found = ar;
    any = true;
  }
  if (!any) found->currentline = 0;
  return false;
}

/* A handle is being made, on top: note where. [-0, +0, m] */
WEIR_COLD void weirL_note_made (lua_State *L) {
  lua_Debug ar;
  user_line(L, 0, own_source(L), &ar);
  if (ar.currentline > 0) lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
  else lua_pushliteral(L, "C code");
  lua_setiuservalue(L, -2, 2);
  weirL_note_handle(L);
}

/* The handle on top is to be found by its address. [-0, +0, m] */
WEIR_COLD void weirL_note_handle (lua_State *L) {
  weirL_uv(L, UV_OWNED);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, lua_touserdata(L, -3));
  lua_pop(L, 1);
}

/* A task is being made, on top: note when. [-0, +0, m] */
WEIR_COLD void weirL_note_born (lua_State *L, const Scheduler *S) {
  weirL_uv(L, UV_BORN);
  lua_pushvalue(L, -2);
  lua_pushnumber(L, weirL_clock(S));
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* ---- where a task stands ------------------------------------------------- */

/* Its coroutines, innermost first: start with *f = t->frames and *base = false. */
static lua_State *next_coroutine (const Scheduler *S, const Task *t, const Frame **f,
                                  bool *base) {
  while (*f != NULL) {
    lua_State *co = (*f)->co;
    *f = (*f)->outer;
    if (co != NULL) return co;
  }
  if (*base) return NULL;
  *base = true;
  return weirL_slot(S, t->slot)->co;
}

static lua_State *innermost (const Scheduler *S, const Task *t) {
  const Frame *f = t->frames;
  bool base = false;
  return next_coroutine(S, t, &f, &base);
}

/* "main.lua:12", or "not started". [-0, +1, m] */
static void push_where (lua_State *L, const Scheduler *S, const Task *t, const char *own) {
  const Frame *f = t->frames;
  bool base = false;
  lua_State *co;
  lua_Debug ar, first;
  first.currentline = 0;
  while ((co = next_coroutine(S, t, &f, &base)) != NULL) {
    bool users = user_line(co, 0, own, &ar);
    if (ar.currentline > 0 && (users || first.currentline == 0)) first = ar;
    if (users) break;
  }
  if (first.currentline > 0)
    lua_pushfstring(L, "%s:%d", first.short_src, first.currentline);
  else lua_pushliteral(L, "not started");
}

/* ---- the tasks ----------------------------------------------------------- */

static int by_id (const void *a, const void *b) {
  const Task *x = *(const Task *const *)a, *y = *(const Task *const *)b;
  return x->id < y->id ? -1 : x->id > y->id;
}

/* Push a userdata with the unfinished tasks by id, and NULL. [-0, +1, m] */
static const Task **all_tasks (lua_State *L, const Scheduler *S) {
  uint32_t room = S->ntasks, i, n = 0;         /* (a finalizer may spawn more, or end some) */
  const Task **all = (const Task **)lua_newuserdatauv(L, (room + 1) * sizeof *all, 0);
  for (i = 1; i <= S->nslots && n < room; i++) {
    const Task *t = weirL_slot_task(S, i);
    if (t != NULL && t->status < DONE) all[n++] = t;
  }
  qsort((void *)all, n, sizeof *all, by_id);
  all[n] = NULL;
  return all;
}

static const char *status_word (const Task *t) {
  static const char *const words[] = {"ready", "running", "waiting"};
  return t->status == WAITING && !weir_list_empty(&t->ready) ? "ready" : words[t->status];
}

/* core.terminal(file) -> columns, rows; nil if it is no terminal, or closed */
static int terminal (lua_State *L) {
  const luaL_Stream *f = (luaL_Stream *)luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int columns, rows;
  if (f->closef == NULL || !weirL_os_terminal(f->f, &columns, &rows)) return 0;
  lua_pushinteger(L, columns);
  lua_pushinteger(L, rows);
  return 2;
}

/* ---- the report ---------------------------------------------------------- */

/* The least that can be said, if weir.report cannot. [-0, +1, m] */
static void push_plain_report (lua_State *L, Scheduler *S) {
  int top = lua_gettop(L);
  const char *own = own_source(L);
  const Task **all = all_tasks(L, S);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "deadlock: every task waits, and nothing can wake one");
  for (; *all != NULL; all++) {
    lua_pushfstring(L, "\n  task %d ", (int)(*all)->id);
    luaL_addvalue(&b);
    weirL_push_name(L, S, *all);
    luaL_addvalue(&b);
    push_where(L, S, *all, own);
    lua_pushfstring(L, " (%s at %s)", status_word(*all), lua_tostring(L, -1));
    lua_remove(L, -2);
    luaL_addvalue(&b);
    if ((*all)->op != NULL) {
      lua_pushfstring(L, ": waits in %s", (*all)->op->name);
      luaL_addvalue(&b);
    }
  }
  luaL_pushresult(&b);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}

/* Push the report on a deadlock: weir.report's, mostly. [-0, +1, m] */
void weirL_push_report (lua_State *L, Scheduler *S) {
  weirL_uv(L, UV_HOOKS);
  lua_rawgeti(L, -1, HOOK_REPORT);
  lua_remove(L, -2);
  if (lua_isfunction(L, -1) && lua_pcall(L, 0, 1, 0) == LUA_OK && lua_isstring(L, -1)) return;
  lua_pop(L, 1);
  push_plain_report(L, S);
}

/* core.on_report(f, source): f makes the report on a deadlock; weir's own Lua
** files have names that begin with `source` */
static int on_report (lua_State *L) {
  weirL_checktype(L, 1, LUA_TFUNCTION);
  weirL_checkstring(L, 2);
  lua_settop(L, 2);
  weirL_uv(L, UV_HOOKS);
  lua_insert(L, 1);
  lua_rawseti(L, 1, HOOK_SOURCE);
  lua_rawseti(L, 1, HOOK_REPORT);
  return 0;
}

void weirL_open_debug (lua_State *L, int S) {
  static const luaL_Reg functions[] = {{"type", type}, {"debug", debug},
    {"on_report", on_report}, {"terminal", terminal},
    {"listing", listing}, {NULL, NULL}};
  const char *env = getenv("WEIR_DEBUG");
  Scheduler *sched = (Scheduler *)lua_touserdata(L, S);
  weirL_setfuncs(L, S, functions);
  sched->debug = env != NULL && strcmp(env, "1") == 0;
  if (sched->debug) sched->listing = LISTING_DEBUG;
}
