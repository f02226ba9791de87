/* SPDX-License-Identifier: MIT */
/*
** cancel.c -- cancellation tokens and drop guards.
**
**   child userdata --user value 1--> parent userdata      (for the reason)
**   parent kernel  --children------> child kernel         (for the cancelling)
**
** A child finds its reason by walking up to the first token that was cancelled
** itself. Cancelling finds the children by the kernel's lists, whose ends
** unlink themselves when they are collected.
*/
#include <stdio.h>

#include "bind.h"

static Token *token (lua_State *L) { return (Token *)weirL_check(L, 1, TOKEN); }

/* Cancel the token at index i and all below it. Only links. */
static void cancel (Token *t) {
  weir_Token *k = &t->k;
  if (t->k.cancelled) return;
  t->direct = true;
  while (k != NULL) k = weir_token_cancel(k);
}

/* token:cancel([reason]) -> true if it was not cancelled before */
static int token_cancel (lua_State *L) {
  Token *t = token(L);
  bool first = !t->k.cancelled;
  if (first) {
    lua_settop(L, 2);
    lua_setiuservalue(L, 1, 2);
    cancel(t);
    weirL_notice(L, t->S);
  }
  lua_pushboolean(L, first);
  return 1;
}

static int token_is_cancelled (lua_State *L) {
  lua_pushboolean(L, token(L)->k.cancelled);
  return 1;
}

/* Push the reason of the cancelled token at index i. [-0, +1, -] */
static void push_reason (lua_State *L, int i) {
  lua_pushvalue(L, i);
  while (!((Token *)lua_touserdata(L, -1))->direct) {
    lua_getiuservalue(L, -1, 1);
    lua_remove(L, -2);
    if (lua_isnil(L, -1)) return;
  }
  lua_getiuservalue(L, -1, 2);
  lua_remove(L, -2);
}

static int token_reason (lua_State *L) {
  if (token(L)->k.cancelled) push_reason(L, 1);
  else lua_pushnil(L);
  return 1;
}

static int cancelled_poll (lua_State *L, int i, weir_Waiter *won) {
  (void)won;
  if (!((Token *)lua_touserdata(L, i))->k.cancelled) return WEIR_PENDING;
  lua_pushboolean(L, 1);
  push_reason(L, i);
  return 2;
}

static bool cancelled_ready (lua_State *L, int i) {
  return ((Token *)lua_touserdata(L, i))->k.cancelled;
}

static void cancelled_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_line_join(&((Token *)lua_touserdata(L, i))->k.line, w);
}

const Op weirL_cancelled_op = {"cancelled", cancelled_poll, cancelled_ready,
                               cancelled_enter, NULL, false};

/* token:cancelled([timeout]) -> true, reason / nil, "timeout" */
static int token_cancelled (lua_State *L) {
  return weirL_await(L, token(L)->S, &weirL_cancelled_op, 2, token_cancelled);
}

/* [-0, +1, m] */
static Token *new_token (lua_State *L, Scheduler *S) {
  Token *t = (Token *)lua_newuserdatauv(L, sizeof(Token), 2);
  t->o.tag = 0;
  t->o.waits = 0;
  t->S = S;
  t->direct = false;
  weir_token_init(&t->k, NULL);
  weirL_pushmeta(L, S, TOKEN);
  t->o.tag = TAG_LIVE | TOKEN;
  lua_setmetatable(L, -2);
  return t;
}

/* token:child() */
static int token_child (lua_State *L) {
  Token *t = token(L), *child = new_token(L, t->S);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  weir_token_init(&child->k, &t->k);
  return 1;
}

static int token__gc (lua_State *L) {
  Token *t = (Token *)lua_touserdata(L, 1);
  if (t == NULL || t->o.tag != (TAG_LIVE | (uint32_t)TOKEN)) return 0;
  weir_token_drop(&t->k);
  t->o.tag = 0;
  return 0;
}

/* ---- drop guards: Handle; end = Token, user value 1 its userdata ---------- */

/* token:drop_guard() */
static int token_drop_guard (lua_State *L) {
  Token *t = token(L);
  weirL_handle_own(L, t->S, weirL_handle_new(L, t->S, DROP_GUARD, 1, t), -1);
  return 1;
}

void weirL_guard_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L;
  (void)S;
  (void)i;
  cancel((Token *)h->end);
}

/* guard:disarm(): dropping it cancels nothing any more */
static int guard_disarm (lua_State *L) {
  Handle *h = (Handle *)weirL_handle_check(L, 1, DROP_GUARD);
  weirL_handle_spend(h, SPENT_CLOSED);
  h->end = NULL;
  return weirL_true(L);
}

int weirL_token_fill (const Object *o, char *text, size_t size) {
  return snprintf(text, size, "%s", ((const Token *)o)->k.cancelled ? "cancelled" : "not cancelled");
}

/* weir.cancellation_token() */
static int cancellation_token (lua_State *L) {
  new_token(L, weirL_scheduler(L));
  return 1;
}

void weirL_open_cancel (lua_State *L, int S) {
  static const luaL_Reg methods[] = {{"cancel", token_cancel},
    {"is_cancelled", token_is_cancelled}, {"reason", token_reason},
    {"cancelled", token_cancelled}, {"child", token_child},
    {"drop_guard", token_drop_guard}, {"run_until_cancelled", weirL_run_until_cancelled},
    {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", token__gc}, {NULL, NULL}};
  static const luaL_Reg guard_methods[] = {{"disarm", guard_disarm}, {NULL, NULL}};
  weirL_register(L, S, TOKEN, methods, meta);
  weirL_register(L, S, DROP_GUARD, guard_methods, NULL);
  weirL_setfunc(L, S, "cancellation_token", cancellation_token);
}
