/* SPDX-License-Identifier: MIT */
/*
** box.c -- handles whose inside is Lua: what weir.stream is made of.
**
**   Handle (kind BOX)   end: the scheduler, any pointer   user value 1: its state
**   metatable           __kind, __noun, __drop, composite, __index = methods
**
** For weir's own Lua modules, which get it from weir.core. A box moves, drops and
** says where it went like every handle.
*/
#include "bind.h"

/* Call a function of the box's metatable with its state, protected: dropping
** and moving cannot fail. [-0, +0, -] */
static void call_hook (lua_State *L, int i, const char *hook) {
  int top = lua_gettop(L);
  if (lua_getmetatable(L, i) && lua_getfield(L, -1, hook) == LUA_TFUNCTION) {
    lua_getiuservalue(L, i, 1);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
      lua_warning(L, "the hook of a handle raised: ", 1);
      lua_warning(L, lua_isstring(L, -1) ? lua_tostring(L, -1) : "(no string)", 0);
    }
  }
  lua_settop(L, top);
}

void weirL_box_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)S;
  (void)h;
  call_hook(L, i, "__drop");
}

/* The box at index i was moved there. */
void weirL_box_moved (lua_State *L, int i) { call_hook(L, i, "moved"); }

/* upvalues: scheduler, metatable. make(state) -> handle */
static int make (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  weirL_checkany(L, 1);
  lua_settop(L, 1);
  weirL_handle_new(L, S, BOX, 1, S);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setmetatable(L, -2);
  return 1;
}

static void copy_fields (lua_State *L, int from, int to) {
  lua_pushnil(L);
  while (lua_next(L, from)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, to);
  }
}

/* core.new_kind(name, methods, drop [, metamethods]) -> make */
static int new_kind (lua_State *L) {
  int meta, base;
  weirL_checkstring(L, 1);
  weirL_checktype(L, 2, LUA_TTABLE);
  weirL_checktype(L, 3, LUA_TFUNCTION);
  if (!lua_isnoneornil(L, 4)) weirL_checktype(L, 4, LUA_TTABLE);
  lua_settop(L, 4);
  lua_newtable(L);
  meta = lua_gettop(L);
  weirL_pushmeta(L, weirL_scheduler(L), BOX);
  base = lua_gettop(L);
  copy_fields(L, base, meta);                   /* __gc, __close, __tostring ... */
  lua_getfield(L, base, "__index");
  lua_newtable(L);
  copy_fields(L, base + 1, base + 2);           /* drop, close, move */
  copy_fields(L, 2, base + 2);
  lua_setfield(L, meta, "__index");
  if (lua_istable(L, 4)) copy_fields(L, 4, meta);
  lua_pushfstring(L, "weir.%s", lua_tostring(L, 1));
  lua_setfield(L, meta, "__name");
  lua_pushvalue(L, 1);
  lua_setfield(L, meta, "__kind");
  lua_pushvalue(L, 3);
  lua_setfield(L, meta, "__drop");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, meta);
  lua_pushcclosure(L, make, 2);
  return 1;
}

/* The live box of the kind named at index 2, or an error at the line of the
** caller's caller. */
static Handle *box (lua_State *L) {
  Handle *h = weirL_handle(L, 1);
  const char *kind = weirL_checkstring(L, 2);
  if (h != NULL && weirL_kindof(&h->o) == BOX && lua_getmetatable(L, 1)) {
    lua_getfield(L, -1, "__kind");
    if (lua_rawequal(L, -1, 2)) {
      lua_pop(L, 2);
      if (weirL_live(h)) return h;
      luaL_where(L, 2);
      weirL_push_spent(L, 1, h);
      lua_pushvalue(L, -1);
      lua_replace(L, 2);
      luaL_where(L, 2);
      lua_pushvalue(L, 2);
      lua_concat(L, 2);
      lua_error(L);
    }
  }
  luaL_where(L, 2);
  lua_pushfstring(L, "%s expected, got %s", kind, luaL_typename(L, 1));
  lua_concat(L, 2);
  lua_error(L);
  return NULL;
}

/* core.state(handle, kind) -> its state */
static int state (lua_State *L) {
  box(L);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

/* core.take(handle, kind, by) -> its state; the handle was taken over by `by` */
static int box_take (lua_State *L) {
  Handle *h = box(L);
  lua_settop(L, 3);
  lua_getiuservalue(L, 1, 1);
  weirL_handle_spend(h, SPENT_TAKEN);
  h->end = NULL;
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 1, 1);
  return 1;
}

static bool listed (const weir_Link *owned, const Handle *h) {
  const weir_Link *x;
  for (x = owned->next; x != owned; x = x->next)
    if (x == &h->u.owned) return true;
  return false;
}

static Handle *live_handle (lua_State *L) {
  Handle *h = weirL_handle(L, 1);
  if (h == NULL) weirL_typeerror(L, 1, "handle");
  if (!weirL_live(h)) weirL_badspent(L, 1, h);
  return h;
}

/* core.owner(handle) -> the running task, if it owns the handle, or nil */
static int owner (lua_State *L) {
  const Handle *h = live_handle(L);
  Scheduler *S = weirL_scheduler(L);
  Task *t = S->current;
  const Frame *f;
  bool found = t != NULL && listed(&t->owned, h);
  for (f = t != NULL ? t->frames : NULL; f != NULL && !found; f = f->outer)
    found = f->kind != FRAME_WRAP && listed(&f->owned, h);
  if (found) weirL_push_task(L, S, t);
  else lua_pushnil(L);
  return 1;
}

/* core.own(handle [, task]): it belongs to that task (the running one) from
** now on; a task that has ended gets nothing */
static int own (lua_State *L) {
  Handle *h = live_handle(L);
  Scheduler *S = weirL_scheduler(L);
  Task *t = lua_isnoneornil(L, 2) ? S->current : (Task *)weirL_check(L, 2, TASK);
  if (t == S->current) weirL_handle_own(L, S, h, 1);
  else if (t != NULL && t->status < DONE) {
    weirL_handle_anchor(L, 1);
    weir_list_remove(&h->u.owned);
    weir_list_append(&t->owned, &h->u.owned);
  }
  lua_settop(L, 1);
  return 1;
}

/* core.disown(handle) -> it; it belongs to nobody from now on */
static int disown (lua_State *L) {
  weirL_handle_disown(L, weirL_scheduler(L), live_handle(L));
  lua_settop(L, 1);
  return 1;
}

/* core.report(task): nobody was or will be told that it failed, if it did */
static int report (lua_State *L) {
  const Task *t = (const Task *)weirL_check(L, 1, TASK);
  if (t->status == FAILED) weirL_report_failure(L, t, 1);
  return 0;
}

/* core.unyieldable(f, ...) -> its results; a wait inside raises */
static int unyieldable (lua_State *L) {
  weirL_checkany(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static int nothing (lua_State *L) {
  (void)L;
  return 0;
}

/* core.coop(): one operation of the running task, which gives way if that was
** one too many */
static int coop (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  lua_settop(L, 0);
  return weirL_spent(L, S) ? weirL_give_way(L, S, nothing) : 0;
}

void weirL_open_box (lua_State *L, int S) {
  static const luaL_Reg functions[] = {{"new_kind", new_kind}, {"state", state},
    {"take", box_take}, {"own", own}, {"owner", owner},
    {"disown", disown}, {"report", report}, {"unyieldable", unyieldable}, {"coop", coop}, {NULL, NULL}};
  weirL_register(L, S, BOX, NULL, NULL);
  weirL_setfuncs(L, S, functions);
}
