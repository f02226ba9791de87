/* SPDX-License-Identifier: MIT */
/*
** once.c -- a value that is set once.
**
**   user value 1: the value
**
** The maker's turn is held by a guard that the C frame which calls it closes, however that is
** left. But nobody closes a plain coroutine that an error has ended: there the maker is called
** protected, and the turn is given back before the error goes on.
*/
#include <stdio.h>

#include "bind.h"

static Once *once (lua_State *L) { return (Once *)weirL_check(L, 1, ONCE); }

static int once_push_value (lua_State *L, int i) {
  lua_getiuservalue(L, i, 1);
  return 1;
}

static void once_check_value (lua_State *L, int i) {
  if (lua_isnoneornil(L, i)) weirL_argerror(L, i, "nil is no value (false is)");
  if (weirL_handle(L, i) != NULL)
    weirL_argerror(L, i, "a handle cannot be kept here: everybody who gets it would own it");
}

static int once_get (lua_State *L) {
  once(L);
  return once_push_value(L, 1);
}

static int once_is_set (lua_State *L) {
  lua_pushboolean(L, once(L)->k.set);
  return 1;
}

/* o:set(v) -> true / nil, "full" */
static int once_set (lua_State *L) {
  Once *o = once(L);
  once_check_value(L, 2);
  if (!weir_once_set(&o->k)) return weirL_reason(L, "full");
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, 1);
  weirL_notice(L, o->S);
  return weirL_true(L);
}

static int once_wait_poll (lua_State *L, int i, weir_Waiter *won) {
  (void)won;
  return ((Once *)lua_touserdata(L, i))->k.set ? once_push_value(L, i) : WEIR_PENDING;
}

static void once_wait_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_line_join(&((Once *)lua_touserdata(L, i))->k.line, w);
}

static const Op once_wait_op = {"wait", once_wait_poll, NULL, once_wait_enter, NULL, false};

/* o:wait([timeout]) -> the value / nil, "timeout" */
static int once_wait (lua_State *L) {
  return weirL_await(L, once(L)->S, &once_wait_op, 2, once_wait);
}

enum { CELL = 1, MAKER, GUARD };           /* stack of get_or_init while the maker runs */

/* There is no value: the next in line may make it. [-0, +0, e] */
static void init_failed (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  weirL_handle_drop(L, S, (Handle *)lua_touserdata(L, GUARD), GUARD);
  weirL_notice(L, S);
}

/* f has returned: its value is on top; or, called protected, its error. */
static int init_k (lua_State *L, int status, lua_KContext ctx) {
  Once *o = (Once *)lua_touserdata(L, CELL);
  const char *what = lua_isnil(L, -1) ? "nil: nil is no value (false is)"
                     : weirL_handle(L, -1) != NULL ? "a handle: everybody who gets it would own it"
                                                   : NULL;
  (void)ctx;
  if (status != LUA_OK && status != LUA_YIELD) {
    init_failed(L);
    return lua_error(L);
  }
  if (what != NULL) {
    init_failed(L);
    return weirL_error(L, "get_or_init's function returned %s", what);
  }
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, CELL, 1);
  weir_once_made(&o->k);
  weirL_notice(L, o->S);
  return 1;
}

/* Is L a coroutine that its resumer leaves as it is when it fails? */
static bool is_plain_coroutine (lua_State *L, const Scheduler *S) {
  bool main = lua_pushthread(L);
  lua_pop(L, 1);
  return !main && (S->current == NULL || S->current->L != L);
}

/* A guard for the once cell at index i, that guards nothing yet. */
static int init_guard (lua_State *L, int i, weir_Waiter *won) {
  (void)won;
  weirL_handle_new(L, weirL_scheduler(L), MUTEX_GUARD, i, NULL);
  return 1;
}

static int init_poll (lua_State *L, int i, weir_Waiter *won) {
  Once *o = (Once *)lua_touserdata(L, i);
  Handle *guard;
  if (!weir_once_ready(&o->k, won)) return once_wait_poll(L, i, won);
  lua_settop(L, 2);
  weirL_with_grant(L, 1, 1, won, init_guard);   /* once; f; guard */
  guard = (Handle *)lua_touserdata(L, GUARD);
  if (!weir_once_begin(&o->k, won)) return once_wait_poll(L, i, won);  /* a finalizer was here */
  guard->end = o;
  lua_toclose(L, GUARD);
  lua_pushvalue(L, MAKER);
  if (WEIR_UNLIKELY(is_plain_coroutine(L, o->S)))
    return init_k(L, lua_pcallk(L, 0, 1, 0, 0, init_k), 0);
  lua_callk(L, 0, 1, 0, init_k);
  return init_k(L, LUA_OK, 0);
}

static void init_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_once_join(&((Once *)lua_touserdata(L, i))->k, w);
}

static const Op init_op = {"get_or_init", init_poll, NULL, init_enter, NULL, false};

/* o:get_or_init(f) -> the value; one caller runs f, the others wait */
static int once_get_or_init (lua_State *L) {
  Once *o = once(L);
  weirL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  return weirL_await(L, o->S, &init_op, 3, once_get_or_init);
}

int weirL_once_fill (const Object *o, char *text, size_t size) {
  const Once *c = (const Once *)o;
  return snprintf(text, size, "%s", c->k.set ? "set" : c->k.turn.free == 0 ? "being initialised"
                                                                           : "not set");
}

/* weir.once() */
static int new_once (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  Once *o = (Once *)weirL_new(L, S, ONCE, sizeof(Once), 1);
  o->S = S;
  weir_once_init(&o->k);
  return 1;
}

void weirL_open_once (lua_State *L, int S) {
  static const luaL_Reg methods[] = {{"get", once_get}, {"set", once_set},
    {"get_or_init", once_get_or_init}, {"wait", once_wait}, {"is_set", once_is_set},
    {NULL, NULL}};
  weirL_register(L, S, ONCE, methods, NULL);
  weirL_setfunc(L, S, "once", new_once);
}
