/* SPDX-License-Identifier: MIT */
/*
** oneshot.c -- one message, which may be any number of values; and `call`.
**
**   Sender --> Oneshot { kernel, n values } <-- Receiver
**              user value 1: the only value, or a table of n
**
** A value that is no handle, sent while a task waits for it in a plain recv, is put on
** the stack of its coroutine, above the receiver (`handed`), and goes to user value 1 if that
** wait is cut short, or anybody else wants to see it.
**
** tx:call(msg) makes a sender only: the caller's C frame is the receiving end.
** Its stack while it waits:   1 tx   2 Oneshot   3 msg, until it is sent
** and whatever cuts the wait short comes through weirL_call_cut. An answer that comes
** while it waits is put on that stack, above the Oneshot (`handed`). An Oneshot whose
** answer was taken is known to nobody else, and serves a later call.
**
** Long because `call` is a oneshot without a receiver's handle.
*/
#include <assert.h>
#include <stdio.h>

#include "bind.h"

typedef struct Oneshot {
  Object o;
  Scheduler *S;
  weir_Oneshot k;
  Task *caller;                   /* parked for it, in call_wait or a plain recv; or NULL */
  bool ended;                     /* the receiver was told "closed" */
  bool handed;                    /* the values are on the caller's stack */
  int n;                          /* values of the message */
} Oneshot;

enum { SPARES = 64, HANDED_MAX = 8 };

static Oneshot *oneshot_at (lua_State *L, int i) {
  return (Oneshot *)((Handle *)lua_touserdata(L, i))->end;
}

/* for debug.c and trace.c: the kernel behind a handle's `end` */
const weir_Oneshot *weirL_oneshot_kernel (const void *end) {
  return &((const Oneshot *)end)->k;
}

static void init_oneshot (Oneshot *o) {
  o->caller = NULL;
  o->ended = o->handed = false;
  o->n = 0;
  weir_oneshot_init(&o->k);
}

/* [-0, +1, m] */
static Oneshot *new_oneshot (lua_State *L, Scheduler *S) {
  Oneshot *o = (Oneshot *)lua_newuserdatauv(L, sizeof(Oneshot), 1);
  o->o.tag = 0;
  o->o.waits = 0;
  o->S = S;
  init_oneshot(o);
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
  if (t == NULL || !t->parking.parked || n == 0 || n > (t->calling ? HANDED_MAX : 1))
    return false;
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
static int push_values (lua_State *L, Oneshot *o, int at) {
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
  lua_getiuservalue(co, 1, 1);
  lua_pushvalue(co, 2);
  lua_setiuservalue(co, 3, 1);
  lua_settop(co, 1);
  t->pass = 0;
  t->hands = false;
  o->caller = NULL;
  o->handed = false;
}

/* The wait of a task in oneshot_wait is cut short. */
void weirL_oneshot_recv_cut (Task *t, struct Oneshot *o) {
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
    n = push_values(L, o, at);
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
static void drop_receiving_end (lua_State *L, Scheduler *S, Oneshot *o, int at) {
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
  drop_receiving_end(L, S, (Oneshot *)h->end, lua_gettop(L));
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
  Oneshot *o = new_oneshot(L, S);
  weirL_handle_new(L, S, ONESHOT_SENDER, -1, o);
  weirL_handle_new(L, S, ONESHOT_RECEIVER, -2, o);
  return 2;
}

/* ---- call ----------------------------------------------------------------- */

enum { TX = 1, REPLY = 2, MSG = 3, TIMEOUT = 3 };

/* msg was not sent: it has no reply any more. [-0, +0, -] */
static void take_back (lua_State *L) {
  weirL_uv(L, UV_REPLY);
  lua_pushnil(L);
  lua_rawset(L, MSG);
}

/* An Oneshot for a call, a spare one or new, comes between tx and msg. [-0, +1, m] */
static Oneshot *put_oneshot (lua_State *L, Scheduler *S) {
  Oneshot *o;
  lua_pushvalue(L, REPLY);                      /* tx; msg; msg */
  if (WEIR_UNLIKELY(S->nspares == 0)) o = new_oneshot(L, S);
  else {
    weirL_uv(L, UV_SPARES);
    lua_rawgeti(L, -1, S->nspares--);
    o = (Oneshot *)lua_touserdata(L, -1);
    init_oneshot(o);
  }
  lua_replace(L, REPLY);
  lua_settop(L, MSG);
  return o;
}

/* Its answer was taken: nobody but this call knows it. (While a trace is written an
** address stands for one oneshot.) The table has room for all. [-0, +0, -] */
static void spare (lua_State *L, Scheduler *S) {
  if (S->nspares == SPARES || S->trace != NULL) return;
  weirL_uv(L, UV_SPARES);
  lua_pushvalue(L, REPLY);
  lua_rawseti(L, -2, ++S->nspares);
  lua_pop(L, 1);
}

/* The wait of a call is over. */
static void call_over (Task *t) {
  t->calling = false;
  weir_deadlines_stop(&t->S->deadlines, &t->due);
  t->timed_out = false;
}

/* The call is over, and the receiving end goes. */
static void hang_up (lua_State *L, Task *t) {
  call_over(t);
  drop_receiving_end(L, t->S, (Oneshot *)lua_touserdata(L, REPLY), REPLY);
}

/* Was the message sent by the call that waits on co? */
static bool call_sent (lua_State *co) {
  return lua_gettop(co) < MSG || ((const Oneshot *)lua_touserdata(co, REPLY))->handed;
}

/* A wait inside call is cut short: the coroutine t->L is to be closed. */
void weirL_call_cut (lua_State *L, Task *t) {
  lua_State *co = t->L;
  Oneshot *o = (Oneshot *)lua_touserdata(co, REPLY);
  int top = lua_gettop(L);
  t->calling = false;
  o->caller = NULL;
  if (o->handed) {                              /* each value is a message of its own */
    o->handed = false;
    t->pass = 0;
    weir_oneshot_take(&o->k);
    for (; o->n > 0; o->n--) {
      lua_xmove(co, L, 1);
      weirL_drop_message(L, t->S, top + 1);
      lua_settop(L, top);
    }
  }
  else if (!call_sent(co)) {
    lua_pushvalue(co, MSG);
    lua_xmove(co, L, 1);
    weirL_uv(L, UV_REPLY);
    lua_pushnil(L);
    lua_rawset(L, top + 1);
  }
  lua_pushvalue(co, REPLY);
  lua_xmove(co, L, 1);
  drop_receiving_end(L, t->S, o, lua_gettop(L));
  lua_settop(L, top);
}

static int call_arrived (lua_State *L, int status, lua_KContext ctx);

/* msg was sent: wait for the answer. */
static int call_wait (lua_State *L, Task *t) {
  Oneshot *o = (Oneshot *)lua_touserdata(L, REPLY);
  lua_settop(L, REPLY);                         /* msg is the actor's now */
  o->caller = t;
  weir_park(&t->parking, &t->self, 1);
  weir_line_join(&o->k.arrived, &t->self);
  return weirL_park(L, t, (lua_KContext)t, call_arrived);
}

static int call_arrived (lua_State *L, int status, lua_KContext ctx) {
  Task *t = (Task *)ctx;
  Oneshot *o = (Oneshot *)lua_touserdata(L, REPLY);
  int n;
  (void)status;
  o->caller = NULL;
  if (WEIR_LIKELY(o->handed)) {                 /* the values are on top */
    weir_oneshot_take(&o->k);
    n = o->n;
    o->handed = false;
    call_over(t);
    spare(L, t->S);
    return n;
  }
  if (o->k.sent) {
    n = push_values(L, o, REPLY);
    hang_up(L, t);
    spare(L, t->S);
    return n;
  }
  if (weir_oneshot_over(&o->k)) {
    hang_up(L, t);
    return weirL_reason(L, "closed");
  }
  if (t->timed_out) {
    hang_up(L, t);
    return weirL_reason(L, "timeout");
  }
  return call_wait(L, t);
}

static int call_take (lua_State *L, int i, weir_Waiter *won) {
  return weirL_send_value(L, i, (Mpsc *)((Handle *)lua_touserdata(L, i))->end, won, MSG, true);
}

/* A place was won, or not. */
static int call_placed (lua_State *L, int status, lua_KContext ctx) {
  Scheduler *S = weirL_scheduler(L);
  Task *t = S->current;
  Handle *h = (Handle *)lua_touserdata(L, TX);
  weir_Waiter *won = t->parking.won;
  int n;
  (void)status;
  (void)ctx;
  weirL_wait_over(t);
  if (!weirL_live(h)) {
    take_back(L);
    weirL_cut_short(L, t);
    return weirL_error(L, "call ended: its handle was moved or dropped while a task waited on it");
  }
  if (won == NULL) {                            /* timed out */
    take_back(L);
    hang_up(L, t);
    return weirL_reason(L, "timeout");
  }
  if (WEIR_UNLIKELY(won->owns && weirL_store_full(&((Mpsc *)h->end)->store, true, LUA_TTABLE)))
    n = weirL_try_grant(L, TX, MSG, won, call_take);
  else n = call_take(L, TX, won);
  t->parking.won = NULL;
  if (n == WEIR_RAISED) {                       /* no memory */
    take_back(L);
    hang_up(L, t);
    return lua_error(L);
  }
  if (n == 1) return call_wait(L, t);
  if (n == WEIR_PENDING) {
    lua_settop(L, MSG);
    weir_park(&t->parking, &t->self, 1);
    weirL_send_op.enter(L, TX, &t->self);
    return weirL_park(L, t, 0, call_placed);
  }
  lua_settop(L, MSG);
  take_back(L);
  hang_up(L, t);
  return weirL_reason(L, "closed");
}

static const Op call_op = {"call", NULL, NULL, NULL, NULL, false};

/* tx:call(msg [, timeout]) -> the answer's values / nil, "closed" / nil, "timeout" */
int weirL_sender_call (lua_State *L) {
  Handle *h = weirL_sender(L);
  Mpsc *c = (Mpsc *)h->end;
  Scheduler *S = c->S;
  double seconds = weirL_optseconds(L, TIMEOUT);
  Handle *reply;
  Oneshot *o;
  Task *t;
  int n;
  weirL_checktype(L, 2, LUA_TTABLE);
  weirL_uv(L, UV_REPLY);
  if (lua_rawget(L, 2) != LUA_TNIL)
    weirL_argerror(L, 2, "the message has a field 'reply' already: call puts the reply sender "
                  "there");
  if (weirL_spent(L, S)) {
    lua_settop(L, TIMEOUT);
    return weirL_give_way(L, S, weirL_sender_call);
  }
  t = weirL_may_wait(L, S, "call");
  if (seconds > 0) {                            /* not when the message is sent already */
    weirL_deadline_room(L, S);
    S->kept++;                                  /* (lost if memory fails below: 24 bytes) */
  }
  lua_settop(L, 2);
  o = put_oneshot(L, S);
  weirL_uv(L, UV_REPLY);
  reply = weirL_handle_new(L, S, ONESHOT_SENDER, REPLY, o);
  lua_rawset(L, MSG);
  if (WEIR_UNLIKELY(!weirL_live(h))) {          /* a finalizer was here */
    if (seconds > 0) S->kept--;
    take_back(L);
    weirL_badspent(L, TX, h);
  }
  n = weirL_hand_call(L, c, MSG, reply) ? 1 : weirL_send_value(L, TX, c, NULL, MSG, true);
  if (seconds > 0) S->kept--;
  lua_settop(L, MSG);
  if (n == 2 || (n == WEIR_PENDING && seconds == 0)) {
    take_back(L);
    return weirL_reason(L, n == 2 ? "closed" : "timeout");
  }
  if (seconds == 0 && !o->k.sent) {             /* sent, but no time to wait */
    drop_receiving_end(L, S, o, REPLY);
    return weirL_reason(L, "timeout");
  }
  weirL_wait_start(t, seconds);
  t->calling = true;
  t->op = &call_op;
  if (n == 1) return call_wait(L, t);
  weir_park(&t->parking, &t->self, 1);
  weirL_send_op.enter(L, TX, &t->self);
  return weirL_park(L, t, 0, call_placed);
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
  lua_createtable(L, SPARES, 0);
  lua_setiuservalue(L, S, UV_SPARES);
  lua_pushliteral(L, "reply");
  lua_setiuservalue(L, S, UV_REPLY);
  weirL_setfunc(L, S, "oneshot", oneshot);
}
