/* SPDX-License-Identifier: MIT */
/*
** oneshot.c -- one message, which may be any number of values.
**
**   Sender --> Oneshot { kernel, n values } <-- Receiver
**              user value 1: the only value, or a table of n
**
** A value that is no handle, sent while a task waits for it in a plain recv, is put on
** the stack of its coroutine, above the receiver (`handed`), and goes to user value 1 if that
** wait is cut short, or anybody else wants to see it.
*/
#include <stdio.h>

#include "bind.h"

enum { HANDED_MAX = 8 };

static Oneshot *oneshot_at (lua_State *L, int i) {
  return (Oneshot *)((Handle *)lua_touserdata(L, i))->end;
}

/* for debug.c and trace.c: the kernel behind a handle's `end` */
const weir_Oneshot *weirL_oneshot_kernel (const void *end) {
  return &((const Oneshot *)end)->k;
}

void weirL_oneshot_init (Oneshot *o) {
  o->caller = NULL;
  o->ended = o->handed = false;
  o->n = 0;
  weir_oneshot_init(&o->k);
}

/* [-0, +1, m] */
Oneshot *weirL_oneshot_new (lua_State *L, Scheduler *S) {
  Oneshot *o = (Oneshot *)lua_newuserdatauv(L, sizeof(Oneshot), 1);
  o->o.tag = 0;
  o->o.waits = 0;
  o->S = S;
  weirL_oneshot_init(o);
  return o;
}

/* ---- sending -------------------------------------------------------------- */

/* Prepare fresh handles for those among the values at 2 .. n + 1. [-0, +?, m] */
static void prepare_values (lua_State *L, int n) {
  int i;
  for (i = 2; i <= n + 1; i++)
    if (lua_type(L, i) == LUA_TUSERDATA && weirL_handle(L, i) != NULL) {
      luaL_checkstack(L, 8, "too many handles");
      weirL_handle_prepare(L, i);
    }
}

/* They move into the message: those at `fresh` on take their places. Cannot raise. */
static void move_values (lua_State *L, Scheduler *S, int n, int fresh) {
  int i;
  for (i = 2; i <= n + 1; i++) {
    if (lua_type(L, i) != LUA_TUSERDATA || weirL_handle(L, i) == NULL) continue;
    weirL_handle_commit(L, S, i, fresh, SPENT_CHANNEL, NULL);
    lua_pushvalue(L, fresh++);
    lua_replace(L, i);
  }
}

/* The n values at 2 .. become user value 1 of the Oneshot at n + 2: the only one, or the
** table at n + 3, which has room for them. [-0, +0, -] */
static void keep_values (lua_State *L, int n) {
  int i;
  if (n == 1) lua_pushvalue(L, 2);
  else {
    lua_pushvalue(L, n + 3);
    for (i = 1; i <= n; i++) {
      lua_pushvalue(L, i + 1);
      lua_rawseti(L, -2, i);
    }
  }
  lua_setiuservalue(L, n + 2, 1);
}

/* A handle among the values at 2 .. n + 1? Spent ones, and the sender itself,
** are errors. */
static bool has_handle (lua_State *L, const Handle *tx, int n) {
  bool found = false;
  int i, j;
  for (i = 2; i <= n + 1; i++)
    if (lua_type(L, i) == LUA_TUSERDATA) {
      const Handle *h = weirL_handle(L, i);
      if (h == NULL) continue;
      if (!weirL_live(h)) weirL_badspent(L, i, h);
      if (h == tx) weirL_argerror(L, i, "a sender cannot be its own message");
      for (j = 2; j < i; j++)
        if (lua_touserdata(L, j) == h)
          weirL_argerror(L, i, "the same handle twice: only one value can take it over");
      found = true;
    }
  return found;
}

/* The n values on top go straight to the caller that waits for them. */
static bool hand_answer (lua_State *L, Oneshot *o, int n) {
  Task *t = o->caller;
  if (t == NULL || !t->parking.parked || (t->calling ? n > HANDED_MAX : n != 1)) return false;
  lua_xmove(L, t->L, n);
  t->pass = (uint8_t)n;
  o->handed = true;
  return true;
}

/* tx:send(...) -> true / nil, "closed". A sender that has sent needs no finaliser
** any more: upvalue 3 is a metatable without one. */
static int oneshot_sender_send (lua_State *L) {
  Handle *h = (Handle *)weirL_handle_at(L, 1, ONESHOT_SENDER, sizeof(Handle));
  Oneshot *o = (Oneshot *)h->end;
  Scheduler *S = o->S;
  int n = lua_gettop(L) - 1;
  bool handles = has_handle(L, h, n);
  if (!weir_oneshot_refuses(&o->k) && (handles || !hand_answer(L, o, n))) {
    if (n > LUA_MINSTACK - 8) luaL_checkstack(L, 8, NULL);
    lua_getiuservalue(L, 1, 1);
    if (n > 1) lua_createtable(L, n, 0);        /* sender; values; oneshot; table */
    if (handles) prepare_values(L, n);
    if (!weirL_live(h)) weirL_badspent(L, 1, h);          /* a finalizer was here */
    if (!weir_oneshot_refuses(&o->k) && n > 0) {
      if (handles) move_values(L, S, n, n == 1 ? n + 3 : n + 4);
      keep_values(L, n);
    }
  }
  o->n = n;
  weirL_handle_spend(h, SPENT_SENT);
  h->end = NULL;
  lua_pushnil(L);
  lua_setiuservalue(L, 1, 1);
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_setmetatable(L, 1);
  n = weir_oneshot_send(&o->k) ? weirL_true(L) : weirL_reason(L, "closed");
  weirL_notice(L, S);
  return n;
}

/* ---- receiving ------------------------------------------------------------ */

/* Push the message's values out of the Oneshot at index o. [-0, +n, m] */
int weirL_oneshot_push (lua_State *L, Oneshot *o, int at) {
  int i, n = o->n;
  luaL_checkstack(L, n + 4, "too many values");
  if (n > 0) {
    lua_getiuservalue(L, at, 1);
    if (n > 1) {
      int t = lua_gettop(L);
      for (i = 1; i <= n; i++) lua_rawgeti(L, t, i);
      lua_remove(L, t);
    }
    for (i = 1; i <= n; i++)
      if (lua_type(L, -i) == LUA_TUSERDATA) weirL_handle_anchor(L, -i);
    for (i = 1; i <= n; i++) {
      Handle *h = weirL_handle(L, -i);
      if (h != NULL && weirL_live(h)) weirL_handle_own(L, o->S, h, -i);
    }
    lua_pushnil(L);
    lua_setiuservalue(L, at, 1);
  }
  weir_oneshot_take(&o->k);
  return n;
}

/* The receiver at index i has received: dropping it would change nothing, so if
** no list leads to it it needs no finaliser. */
static void retire (lua_State *L, const Scheduler *S, const Handle *h, int i) {
  if (!weir_list_empty(&h->u.owned) || S->debug) return;
  weirL_uv(L, UV_RETIRED);
  lua_setmetatable(L, i);
}

/* The value that stands on the stack of the task that waits for it goes back. */
static void take_from_caller (Oneshot *o) {
  Task *t = o->caller;
  lua_State *co = t->L;                         /* receiver; value */
  if (WEIR_LIKELY(weirL_stands(t))) {
    lua_getiuservalue(co, 1, 1);
    lua_pushvalue(co, 2);
    lua_setiuservalue(co, 3, 1);
    lua_settop(co, 1);
  }                                             /* else user value 1 is nil: it is lost */
  t->pass = 0;
  t->hands = false;
  o->caller = NULL;
  o->handed = false;
}

/* The wait of a task in oneshot_wait is cut short. */
void weirL_oneshot_recv_cut (Task *t, Oneshot *o) {
  if (o->caller != t) return;
  if (o->handed) take_from_caller(o);
  o->caller = NULL;
}

static int oneshot_recv_poll (lua_State *L, int i, weir_Waiter *won) {
  Handle *h = (Handle *)lua_touserdata(L, i);
  Oneshot *o = (Oneshot *)h->end;
  (void)won;
  if (WEIR_UNLIKELY(o->handed)) take_from_caller(o);
  if (o->k.sent) {
    int at = lua_gettop(L) + 1, n;
    lua_getiuservalue(L, i, 1);
    n = weirL_oneshot_push(L, o, at);
    retire(L, o->S, h, i);
    return n;
  }
  if (!weir_oneshot_over(&o->k)) return WEIR_PENDING;
  o->ended = true;
  return weirL_reason(L, "closed");
}

static bool oneshot_recv_ready (lua_State *L, int i) {
  const Oneshot *o = oneshot_at(L, i);
  return o->k.sent || weir_oneshot_over(&o->k);
}

static void oneshot_recv_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_line_join(&oneshot_at(L, i)->k.arrived, w);
  weirL_through(w, (Handle *)lua_touserdata(L, i));
}

const Op weirL_oneshot_op = {"recv", oneshot_recv_poll, oneshot_recv_ready, oneshot_recv_enter, NULL, false};

static Oneshot *oneshot_receiver (lua_State *L) {
  return (Oneshot *)((Handle *)weirL_handle_check(L, 1, ONESHOT_RECEIVER))->end;
}

/* Woken: mostly because the value is on the stack. */
static int oneshot_recv_k (lua_State *L, int status, lua_KContext ctx) {
  Task *t = (Task *)ctx;
  Handle *h = (Handle *)t->self.through;
  Oneshot *o = weirL_live(h) ? (Oneshot *)h->end : NULL;
  t->hands = false;
  if (WEIR_UNLIKELY(o == NULL || o->caller != t)) return weirL_await_k(L, status, ctx);
  o->caller = NULL;
  if (WEIR_UNLIKELY(!o->handed)) return weirL_await_k(L, status, ctx);
  o->handed = false;
  weir_oneshot_take(&o->k);
  h->o.waits--;
  t->self.through = NULL;
  t->parking.won = NULL;
  retire(L, o->S, h, 1);
  lua_settop(L, 2);
  return 1;
}

/* Nothing is there: wait, without a timeout, as weirL_await would. */
static int oneshot_wait (lua_State *L, Oneshot *o) {
  Task *t = weirL_may_wait(L, o->S, "recv");
  bool first = weir_list_empty(&o->k.arrived);
  weir_park(&t->parking, &t->self, 1);
  oneshot_recv_enter(L, 1, &t->self);
  t->op = &weirL_oneshot_op;
  t->hands = first;
  if (first) o->caller = t;
  return weirL_park(L, t, (lua_KContext)t, oneshot_recv_k);
}

/* rx:recv([timeout]) -> the values / nil, "closed" / nil, "timeout" */
static int oneshot_receiver_recv (lua_State *L) {
  const Handle *h = (Handle *)weirL_handle_at(L, 1, ONESHOT_RECEIVER, sizeof(Handle));
  Oneshot *o = (Oneshot *)h->end;
  if (WEIR_LIKELY(lua_gettop(L) == 1 && !o->k.sent && !weir_oneshot_over(&o->k))) {
    if (weirL_spent(L, o->S)) return weirL_give_way(L, o->S, oneshot_receiver_recv);
    return oneshot_wait(L, o);
  }
  return weirL_await(L, o->S, &weirL_oneshot_op, 2, oneshot_receiver_recv);
}

/* rx:try_recv() -> the values / nil, "empty" / nil, "closed" */
static int oneshot_receiver_try_recv (lua_State *L) {
  int n;
  oneshot_receiver(L);
  n = oneshot_recv_poll(L, 1, NULL);
  return n == WEIR_PENDING ? weirL_reason(L, "empty") : n;
}

/* rx:close(): a later send is refused, an earlier one can still be received */
static int oneshot_receiver_close (lua_State *L) {
  Handle *h = (Handle *)weirL_object(L, 1);
  Oneshot *o;
  if (h != NULL && h->o.tag == (TAG_SPENT | (uint32_t)ONESHOT_RECEIVER)) return weirL_true(L);
  o = oneshot_receiver(L);
  weir_oneshot_refuse(&o->k);
  weirL_notice(L, o->S);
  return weirL_true(L);
}

static int oneshot_receiver_is_empty (lua_State *L) {
  lua_pushboolean(L, !oneshot_receiver(L)->k.sent);
  return 1;
}

/* Was the message received, or its end observed? */
static int receiver_is_terminated (lua_State *L) {
  const Oneshot *o = oneshot_receiver(L);
  lua_pushboolean(L, o->k.taken || o->ended);
  return 1;
}

/* ---- the receiver's end --------------------------------------------------- */

static int oneshot_closed_poll (lua_State *L, int i, weir_Waiter *won) {
  (void)won;
  return weir_oneshot_refuses(&oneshot_at(L, i)->k) ? weirL_true(L) : WEIR_PENDING;
}

static bool oneshot_closed_ready (lua_State *L, int i) {
  return weir_oneshot_refuses(&oneshot_at(L, i)->k);
}

static void oneshot_closed_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_line_join(&oneshot_at(L, i)->k.closed, w);
  weirL_through(w, (Handle *)lua_touserdata(L, i));
}

const Op weirL_oneshot_closed_op = {"closed", oneshot_closed_poll, oneshot_closed_ready, oneshot_closed_enter, NULL, false};

static int oneshot_sender_closed (lua_State *L) {
  const Handle *h = (Handle *)weirL_handle_check(L, 1, ONESHOT_SENDER);
  return weirL_await(L, ((Oneshot *)h->end)->S, &weirL_oneshot_closed_op, 2, oneshot_sender_closed);
}

static int oneshot_sender_is_closed (lua_State *L) {
  const Handle *h = (Handle *)weirL_handle_check(L, 1, ONESHOT_SENDER);
  lua_pushboolean(L, weir_oneshot_refuses(&((Oneshot *)h->end)->k));
  return 1;
}

/* ---- dropping ------------------------------------------------------------- */

void weirL_oneshot_sender_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L;
  (void)S;
  (void)i;
  weir_oneshot_drop_sender(&((Oneshot *)h->end)->k);
}

void weirL_oneshot_sender_cut (Handle *h) {
  weir_line_tell_through(&((Oneshot *)h->end)->k.closed, h);
}

/* The receiving end of the Oneshot at index `at` is gone; a message that
** stands there is dropped. [-0, +0, -] */
void weirL_oneshot_hang_up (lua_State *L, Scheduler *S, Oneshot *o, int at) {
  int top = lua_gettop(L);
  if (!weir_oneshot_drop_receiver(&o->k)) return;
  lua_getiuservalue(L, at, 1);
  lua_pushnil(L);
  lua_setiuservalue(L, at, 1);
  if (o->n == 1) weirL_drop_message(L, S, top + 1);
  else if (o->n > 1) {
    int i;
    for (i = 1; i <= o->n; i++) {               /* each value is a message of its own */
      lua_rawgeti(L, top + 1, i);
      weirL_drop_message(L, S, top + 2);
      lua_settop(L, top + 1);
    }
  }
  lua_settop(L, top);
}

void weirL_oneshot_receiver_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  lua_getiuservalue(L, i, 1);
  weirL_oneshot_hang_up(L, S, (Oneshot *)h->end, lua_gettop(L));
  lua_pop(L, 1);
}

void weirL_oneshot_receiver_cut (Handle *h) {
  Oneshot *o = (Oneshot *)h->end;
  if (o->handed) take_from_caller(o);
  o->caller = NULL;                             /* it will be told that its handle is gone */
  weir_line_tell_through(&((Oneshot *)h->end)->k.arrived, h);
}

int weirL_oneshot_fill (const Object *h, char *text, size_t size) {
  const Oneshot *o = (Oneshot *)((const Handle *)h)->end;
  return snprintf(text, size, "%s", o->k.sent ? "message waiting"
                  : weir_oneshot_refuses(&o->k) ? "refusing"
                  : !o->k.sender ? "no sender left" : "open");
}

/* weir.oneshot() -> tx, rx */
static int oneshot (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  Oneshot *o = weirL_oneshot_new(L, S);
  weirL_handle_new(L, S, ONESHOT_SENDER, -1, o);
  weirL_handle_new(L, S, ONESHOT_RECEIVER, -2, o);
  return 2;
}

void weirL_open_oneshot (lua_State *L, int S) {
  static const luaL_Reg sender_methods[] = {{"closed", oneshot_sender_closed}, {"is_closed", oneshot_sender_is_closed}, {NULL, NULL}};
  static const luaL_Reg receiver_methods[] = {{"recv", oneshot_receiver_recv},
    {"try_recv", oneshot_receiver_try_recv}, {"close", oneshot_receiver_close},
    {"is_empty", oneshot_receiver_is_empty}, {"is_terminated", receiver_is_terminated},
    {NULL, NULL}};
  weirL_register(L, S, ONESHOT_SENDER, sender_methods, NULL);
  lua_getiuservalue(L, S, UV_METAS + ONESHOT_SENDER);
  weirL_push_retired(L);                        /* metatable; the same without __gc */
  lua_getfield(L, -2, "__index");
  lua_pushvalue(L, S);
  lua_pushliteral(L, "send");
  lua_pushvalue(L, -4);
  lua_pushcclosure(L, oneshot_sender_send, 3);
  lua_setfield(L, -2, "send");
  lua_pop(L, 3);
  weirL_register(L, S, ONESHOT_RECEIVER, receiver_methods, NULL);
  lua_getiuservalue(L, S, UV_METAS + ONESHOT_RECEIVER);
  weirL_push_retired(L);
  lua_setiuservalue(L, S, UV_RETIRED);
  lua_pop(L, 1);
  weirL_setfunc(L, S, "oneshot", oneshot);
}
