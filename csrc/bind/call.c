/* SPDX-License-Identifier: MIT */
/*
** call.c -- tx:call(msg): a message that asks for an answer.
**
**   caller --- msg { ..., reply = oneshot.Sender } ---> mpsc ---> actor
**      ^                              |
**      +------- Oneshot <-------------+
**
** There is no receiver's handle: the caller's C frame is the receiving end.
** Its stack while it waits:   1 tx   2 Oneshot   3 msg, until it is sent
** and whatever cuts the wait short comes through weirL_call_cut. An answer that comes
** while it waits is put on that stack, above the Oneshot (`handed`). An Oneshot whose
** answer was taken is known to nobody else, and serves a later call.
*/
#include <assert.h>

#include "bind.h"

enum { SPARES = 64 };

/* of tx.call, above the two that every function has: "reply"; the spare Oneshots */
enum { REPLY_KEY = 3, SPARE_TABLE };

/* msg was not sent: it has no reply any more. [-0, +0, -] */
static void take_back (lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(REPLY_KEY));
  lua_pushnil(L);
  lua_rawset(L, CALL_MSG);
}

/* An Oneshot for a call, a spare one or new, comes between tx and msg. [-0, +1, m] */
static Oneshot *put_oneshot (lua_State *L, Scheduler *S) {
  Oneshot *o;
  lua_pushvalue(L, 2);                          /* tx; msg; msg */
  if (WEIR_UNLIKELY(S->nspares == 0)) o = weirL_oneshot_new(L, S);
  else {
    lua_rawgeti(L, lua_upvalueindex(SPARE_TABLE), S->nspares--);
    o = (Oneshot *)lua_touserdata(L, -1);
    weirL_oneshot_init(o);
  }
  lua_replace(L, CALL_REPLY);                   /* tx; Oneshot; msg */
  return o;
}

/* Its answer was taken: nobody but this call knows it. (While a trace is written an
** address stands for one oneshot.) The table has room for all. [-0, +0, -] */
static void spare (lua_State *L, Scheduler *S) {
  if (S->nspares == SPARES || S->trace != NULL) return;
  lua_pushvalue(L, CALL_REPLY);
  lua_rawseti(L, lua_upvalueindex(SPARE_TABLE), ++S->nspares);
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
  weirL_oneshot_hang_up(L, t->S, (Oneshot *)lua_touserdata(L, CALL_REPLY), CALL_REPLY);
}

/* Was the message sent by the call that waits on co? */
bool weirL_call_sent (lua_State *co) {
  return lua_gettop(co) < CALL_MSG || ((const Oneshot *)lua_touserdata(co, CALL_REPLY))->handed;
}

/* The caller's coroutine is gone (weirL_stands): its Oneshot forgets it. */
void weirL_call_lost (const Task *t) {
  if (!t->parking.parked || t->self.permits != NULL) return;
  weir_container(t->self.link.next, Oneshot, k.arrived)->caller = NULL;
}

/* A wait inside call is cut short: the coroutine t->L is to be closed. */
void weirL_call_cut (lua_State *L, Task *t) {
  lua_State *co = t->L;
  Oneshot *o;
  int top = lua_gettop(L);
  t->calling = false;
  if (WEIR_UNLIKELY(!weirL_stands(t))) return;
  o = (Oneshot *)lua_touserdata(co, CALL_REPLY);
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
  else if (!weirL_call_sent(co)) {
    lua_pushvalue(co, CALL_MSG);
    lua_xmove(co, L, 1);
    weirL_uv(L, UV_REPLY);
    lua_pushnil(L);
    lua_rawset(L, top + 1);
  }
  lua_pushvalue(co, CALL_REPLY);
  lua_xmove(co, L, 1);
  weirL_oneshot_hang_up(L, t->S, o, lua_gettop(L));
  lua_settop(L, top);
}

static int call_arrived (lua_State *L, int status, lua_KContext ctx);

/* msg was sent, and is off the stack: wait for the answer. */
static int call_wait (lua_State *L, Task *t, Oneshot *o) {
  o->caller = t;
  weir_park(&t->parking, &t->self, 1);
  weir_line_join(&o->k.arrived, &t->self);
  return weirL_park(L, t, (lua_KContext)t, call_arrived);
}

static int call_arrived (lua_State *L, int status, lua_KContext ctx) {
  Task *t = (Task *)ctx;
  Oneshot *o = (Oneshot *)lua_touserdata(L, CALL_REPLY);
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
    call_over(t);                               /* push may raise */
    n = weirL_oneshot_push(L, o, CALL_REPLY);
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
  return call_wait(L, t, o);
}

static int call_take (lua_State *L, int i, weir_Waiter *won) {
  return weirL_send_value(L, i, (Mpsc *)((Handle *)lua_touserdata(L, i))->end, won, CALL_MSG, true);
}

/* A place was won, or not. */
static int call_placed (lua_State *L, int status, lua_KContext ctx) {
  Scheduler *S = weirL_scheduler(L);
  Task *t = S->current;
  Handle *h = (Handle *)lua_touserdata(L, CALL_TX);
  weir_Waiter *won = t->parking.won;
  int n;
  (void)status;
  (void)ctx;
  weirL_wait_over(t);
  if (!weirL_live(h)) {
    take_back(L);
    weirL_cut_short(L, t);
    weirL_let_go(L, h, CALL_TX);
    return weirL_error(L, "call ended: its handle was moved or dropped while a task waited on it");
  }
  if (won == NULL) {                            /* timed out */
    take_back(L);
    hang_up(L, t);
    return weirL_reason(L, "timeout");
  }
  if (WEIR_UNLIKELY(won->owns && weirL_store_full(&((Mpsc *)h->end)->store, true, LUA_TTABLE)))
    n = weirL_try_grant(L, CALL_TX, CALL_MSG, won, call_take);
  else n = call_take(L, CALL_TX, won);
  t->parking.won = NULL;
  if (n == WEIR_RAISED) {                       /* no memory */
    take_back(L);
    hang_up(L, t);
    return lua_error(L);
  }
  if (t->timed_out && (n == 1 || n == WEIR_PENDING)) {  /* after the place was won */
    lua_settop(L, CALL_MSG);
    if (n == WEIR_PENDING) take_back(L);
    hang_up(L, t);
    return weirL_reason(L, "timeout");
  }
  if (n == 1) {
    lua_settop(L, CALL_REPLY);
    return call_wait(L, t, (Oneshot *)lua_touserdata(L, CALL_REPLY));
  }
  if (n == WEIR_PENDING) {
    lua_settop(L, CALL_MSG);
    weir_park(&t->parking, &t->self, 1);
    weirL_send_op.enter(L, CALL_TX, &t->self);
    return weirL_park(L, t, 0, call_placed);
  }
  lua_settop(L, CALL_MSG);
  take_back(L);
  hang_up(L, t);
  return weirL_reason(L, "closed");
}

static const Op call_op = {"call", NULL, NULL, NULL, NULL, false};

/* tx:call(msg [, timeout]) -> the answer's values / nil, "closed" / nil, "timeout" */
static int sender_call (lua_State *L) {
  Handle *h = weirL_sender(L);
  Mpsc *c = (Mpsc *)h->end;
  Scheduler *S = c->S;
  double seconds = lua_gettop(L) == 2 ? -1 : weirL_optseconds(L, 3);
  Handle *reply;
  Oneshot *o;
  Task *t;
  bool handed;
  int n;
  weirL_checktype(L, 2, LUA_TTABLE);
  lua_pushvalue(L, lua_upvalueindex(REPLY_KEY));
  if (lua_rawget(L, 2) != LUA_TNIL)
    weirL_argerror(L, 2, "the message has a field 'reply' already: call puts the reply sender "
                  "there");
  if (weirL_spent(L, S)) {
    lua_settop(L, 3);
    return weirL_give_way(L, S, sender_call);
  }
  if (seconds == 0 || c->k.refusing) t = NULL;  /* it needs no task for that */
  else t = weirL_may_wait(L, S, "call");
  if (seconds > 0) {                            /* not when the message is sent already */
    weirL_deadline_room(L, S);
    S->kept++;                                  /* (lost if memory fails below: 24 bytes) */
  }
  lua_settop(L, 2);
  o = put_oneshot(L, S);
  lua_pushvalue(L, lua_upvalueindex(REPLY_KEY));
  reply = weirL_handle_new(L, S, ONESHOT_SENDER, CALL_REPLY, o);
  lua_rawset(L, CALL_MSG);
  if (WEIR_UNLIKELY(!weirL_live(h))) {          /* a finalizer was here */
    if (seconds > 0) S->kept--;
    take_back(L);
    weirL_badspent(L, CALL_TX, h);
  }
  handed = weirL_hand_call(L, c, reply);
  n = handed ? 1 : weirL_send_value(L, CALL_TX, c, NULL, CALL_MSG, true);
  if (seconds > 0) S->kept--;
  if (!handed) lua_settop(L, n == 1 ? CALL_REPLY : CALL_MSG);   /* sent: msg is the actor's */
  if (n == 2 || (n == WEIR_PENDING && seconds == 0)) {
    take_back(L);
    return weirL_reason(L, n == 2 ? "closed" : "timeout");
  }
  if (seconds == 0) {                           /* sent, but no time to wait */
    if (WEIR_UNLIKELY(o->k.sent)) n = weirL_oneshot_push(L, o, CALL_REPLY);   /* (on_wake's hook ran the actor) */
    else n = weirL_reason(L, "timeout");
    weirL_oneshot_hang_up(L, S, o, CALL_REPLY);
    return n;
  }
  assert(t != NULL);
  weirL_wait_start(t, seconds);
  t->calling = true;
  t->op = &call_op;
  if (n == 1) return call_wait(L, t, o);
  weir_park(&t->parking, &t->self, 1);
  weirL_send_op.enter(L, CALL_TX, &t->self);
  return weirL_park(L, t, 0, call_placed);
}

void weirL_open_call (lua_State *L, int S) {
  static const KindId kinds[] = {MPSC_SENDER, MPMC_SENDER};
  size_t i;
  lua_pushliteral(L, "reply");
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, S, UV_REPLY);
  lua_createtable(L, SPARES, 0);                /* "reply"; spares */
  for (i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    lua_getiuservalue(L, S, UV_METAS + (int)kinds[i]);
    lua_getfield(L, -1, "__index");
    lua_pushvalue(L, S);
    lua_pushliteral(L, "call");
    lua_pushvalue(L, -6);
    lua_pushvalue(L, -6);
    lua_pushcclosure(L, sender_call, 4);
    lua_setfield(L, -2, "call");
    lua_pop(L, 2);
  }
  lua_pop(L, 2);
}
