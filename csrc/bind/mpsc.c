/* SPDX-License-Identifier: MIT */
/*
** mpsc.c -- channels of many senders and one receiver, or several (mpmc).
**
**   Sender --.                                    .-- Receiver
**   Sender ---+--> Mpsc { kernel, Store } <------'
**   Permit --'       user values: the buffered values (store.c)
**
** A message that is no handle, sent while the receiver waits in a plain recv, is not
** stored but put on the stack of its coroutine (`handed`): for the kernel it is the
** first message, promised to that task. If the task is cut short, or anybody
** else takes the first message, it goes back to the front of the store, where a
** slot is kept free for it.
**
** N1  handed: that task is parked or woken in recv_wait, its waiter owns one
**     permit of items, its L has the receiver at index 1 and the message at 2;
**     its `called` says whether that came by `call`: the reply in it is the task's already
** N2  k.len == stored + (handed ? 1 : 0); a single block keeps a slot free for it
**
** The kernel decides; here the values move. A send raises only before the
** kernel changes; a receive likewise. Whatever allocates may run finalizers,
** so the kernel is asked again after it.
**
** Long because the two ends share the hand-over and the straight ways through
** each wait: apart they would have to show each other their insides.
*/
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "bind.h"

/* ---- checks -------------------------------------------------------------- */

static bool is_sender (uint32_t tag) {
  return tag == (TAG_LIVE | (uint32_t)MPSC_SENDER) || tag == (TAG_LIVE | (uint32_t)MPMC_SENDER);
}

static bool is_receiver (uint32_t tag) {
  return tag == (TAG_LIVE | (uint32_t)MPSC_RECEIVER) ||
         tag == (TAG_LIVE | (uint32_t)MPMC_RECEIVER);
}

WEIR_COLD static void bad_handle (lua_State *L, KindId mpsc, KindId mpmc) {
  const Object *o = weirL_object(L, 1);
  weirL_handle_check(L, 1, o != NULL && weirL_kindof(o) == mpmc ? mpmc : mpsc);
}

/* the live sender at index 1 */
static inline Handle *mpsc_sender (lua_State *L) {
  Handle *h = (Handle *)lua_touserdata(L, 1);
  if (WEIR_LIKELY(h != NULL && lua_rawlen(L, 1) == sizeof(Handle) && is_sender(h->o.tag)))
    return h;
  bad_handle(L, MPSC_SENDER, MPMC_SENDER);
  return NULL;
}

Handle *weirL_sender (lua_State *L) { return mpsc_sender(L); }

static inline Handle *mpsc_receiver (lua_State *L) {
  Handle *h = (Handle *)lua_touserdata(L, 1);
  if (WEIR_LIKELY(h != NULL && lua_rawlen(L, 1) == sizeof(Handle) && is_receiver(h->o.tag)))
    return h;
  bad_handle(L, MPSC_RECEIVER, MPMC_RECEIVER);
  return NULL;
}

/* A message: anything but nil, and no spent handle. */
void weirL_check_message (lua_State *L, int v) {
  int type = lua_type(L, v);
  if (WEIR_UNLIKELY(type <= LUA_TNIL))
    weirL_argerror(L, v, "nil is no message (false is, and so is a table)");
  if (WEIR_UNLIKELY(type == LUA_TUSERDATA)) {
    const Handle *h = weirL_handle(L, v);
    if (h != NULL && !weirL_live(h)) weirL_badspent(L, v, h);
  }
}

/* A message of this type that is no userdata: nothing to check or move. */
static inline bool is_plain (int type) { return type > LUA_TNIL && type != LUA_TUSERDATA; }

/* Must the store grow for one more of that type? */
static inline bool store_full (const Mpsc *c, int type) {
  return weirL_store_full(&c->store, c->handed != NULL, type);
}

/* [-0, +0, m] */
static void grow_store (lua_State *L, int store, Mpsc *c, int type) {
  if (c->handed != NULL && !weirL_is_scalar(lua_type(c->handed->L, 2)))
    type = LUA_TNIL;                            /* it may have to go there too */
  weirL_store_grow(L, store, &c->store, c->k.capacity, type);
}

/* ---- sending ------------------------------------------------------------- */

/*
** Put the value at index v into the channel whose sender, or permit, is at
** index i. The place: `won` holds it, or `p` does, or it is taken from the room; with
** both NULL and no room, WEIR_PENDING. So if p has none left. Pushes true, or nil, "closed".
*/
static int send_value (lua_State *L, int i, Mpsc *c, weir_Waiter *won, Permit *p, int v,
                       bool call) {
  bool held = p != NULL || (won != NULL && won->owns);
  int from = 0, store, type = lua_type(L, v);
  if (held ? c->k.receivers == 0 : c->k.refusing) {
    if (p != NULL) p->n--;
    if (held) weir_permits_give(&c->k.room, p != NULL ? 1 : weir_permits_take(won));
    return weirL_reason(L, "closed");
  }
  if (!held && !weir_permits_ready(&c->k.room, 1)) return WEIR_PENDING;
  lua_getiuservalue(L, i, 1);
  store = lua_gettop(L);
  if (WEIR_UNLIKELY(type == LUA_TUSERDATA && weirL_handle(L, v) != NULL)) {
    weirL_handle_prepare(L, v);
    from = v;
    v = lua_gettop(L);
  }
  if (WEIR_UNLIKELY(store_full(c, type) || from != 0)) {
    if (store_full(c, type)) grow_store(L, store, c, type);
    if (!weirL_live(lua_touserdata(L, i)))      /* a finalizer was here */
      weirL_badspent(L, i, (const Handle *)lua_touserdata(L, i));
    if (p != NULL && p->n == 0) return WEIR_PENDING;
    if (store_full(c, type) ||
        (held ? c->k.receivers == 0 : c->k.refusing || !weir_permits_ready(&c->k.room, 1))) {
      lua_settop(L, store - 1);
      return send_value(L, i, c, won, p, from != 0 ? from : v, call);
    }
  }
  if (from != 0) {
    if (!weirL_live(lua_touserdata(L, from)))
      weirL_badspent(L, from, (const Handle *)lua_touserdata(L, from));
    weirL_handle_commit(L, c->S, from, v, SPENT_CHANNEL, NULL);
  }
  weirL_store_push(L, store, &c->store, v);
  if (call) {
    weirL_store_mark_call(&c->store, false);
    c->calls++;
  }
  if (p != NULL) p->n--;
  else if (held) weir_permits_take(won);
  else weir_permits_try(&c->k.room, 1);
  weir_mpsc_push(&c->k);
  weirL_notice(L, c->S);
  lua_pushboolean(L, 1);
  return 1;
}

int weirL_send_value (lua_State *L, int i, Mpsc *c, weir_Waiter *won, int v, bool call) {
  return send_value(L, i, c, won, NULL, v, call);
}

/* The value at index 2 through the permit at index 1, which holds a place. WEIR_PENDING:
** a finalizer released it. */
int weirL_send_permit (lua_State *L, Permit *p) {
  return send_value(L, 1, (Mpsc *)p->h.end, NULL, p, 2, false);
}

static int send_take (lua_State *L, int i, weir_Waiter *won) {
  Mpsc *c = (Mpsc *)((Handle *)lua_touserdata(L, i))->end;
  return weirL_send_value(L, i, c, won, i + 1, false);
}

static int mpsc_send_poll (lua_State *L, int i, weir_Waiter *won) {
  const Mpsc *c = (Mpsc *)((Handle *)lua_touserdata(L, i))->end;
  int type = lua_type(L, i + 1);
  if (type == LUA_TUSERDATA || store_full(c, type))
    return weirL_with_grant(L, i, 2, won, send_take);
  return send_take(L, i, won);
}

static bool mpsc_send_ready (lua_State *L, int i) {
  const Mpsc *c = (Mpsc *)((Handle *)lua_touserdata(L, i))->end;
  return c->k.refusing || weir_permits_ready(&c->k.room, 1);
}

static void mpsc_send_enter (lua_State *L, int i, weir_Waiter *w) {
  Handle *h = (Handle *)lua_touserdata(L, i);
  weir_permits_join(&((Mpsc *)h->end)->k.room, w, 1);
  weirL_through(w, h);
}

const Op weirL_send_op = {"send", mpsc_send_poll, mpsc_send_ready, mpsc_send_enter, NULL, false};

/* The message on top, which is no userdata, goes straight to the task that waits
** for it, if it waits so that it can be taken back. [-0|1, +0, -] */
static inline bool hand_over (lua_State *L, Mpsc *c, bool call) {
  const weir_Link *first = c->k.items.line.next;
  Task *t = weir_container(weir_container(first, const weir_Waiter, link)->parking, Task, parking);
  if (!t->hands || c->k.len > 0) return false;
  lua_xmove(L, t->L, 1);
  t->pass = 1;
  c->handed = t;
  t->called = call;
  c->k.room.free--;
  weir_mpsc_push(&c->k);
  weirL_notice(L, c->S);
  return true;
}

/* Is there room for one more of that type, without anybody in line and without an
** allocation? */
static inline bool has_place (const Mpsc *c, int type) {
  return !c->k.refusing && weir_permits_ready(&c->k.room, 1) && !store_full(c, type);
}

/* weirL_send_value for the message of a call, on top, straight to the actor if it waits,
** whose the reply, a sender, is then. [-0|1, +0, -] */
bool weirL_hand_call (lua_State *L, Mpsc *c, Handle *reply) {
  if (!has_place(c, LUA_TTABLE) || weir_list_empty(&c->k.items.line)) return false;
  if (!hand_over(L, c, true)) return false;
  weir_list_remove(&reply->u.owned);
  weir_list_append(weirL_owner(c->handed), &reply->u.owned);
  return true;
}

/* Push the reply in the message at index v, and what it is: a live sender, or NULL.
** [-0, +1, -] */
static Handle *reply_in (lua_State *L, int v) {
  Handle *h;
  v = lua_absindex(L, v);
  weirL_uv(L, UV_REPLY);                        /* "reply" */
  lua_rawget(L, v);
  h = weirL_handle(L, -1);
  return h != NULL && h->o.tag == (TAG_LIVE | (uint32_t)ONESHOT_SENDER) ? h : NULL;
}

/* The message that was handed over is the first in the store again; or is lost with the
** coroutine, and nobody holds its promise. */
static void reclaim (Mpsc *c) {
  Task *t = c->handed;
  lua_State *co = t->L;                         /* receiver; message */
  t->pass = 0;
  t->hands = false;
  c->handed = NULL;
  if (WEIR_UNLIKELY(!weirL_stands(t))) {
    t->self.owns = false;
    weir_mpsc_pop(&c->k);
    return;
  }
  lua_getiuservalue(co, 1, 1);
  weirL_store_push_front(co, 3, &c->store, 2);
  if (t->called) {
    Handle *reply = reply_in(co, 2);
    if (reply != NULL) weirL_handle_disown(co, c->S, reply);
    weirL_store_mark_call(&c->store, true);
    c->calls++;
  }
  lua_settop(co, 1);
}

/* The wait of a task that a message may be handed to is cut short. */
void weirL_recv_cut (Task *t) {
  const Handle *h = (Handle *)t->self.through;
  t->hands = false;
  if (h == NULL || !weirL_live(h)) return;
  if (weirL_kindof(&h->o) == ONESHOT_RECEIVER) weirL_oneshot_recv_cut(t, (Oneshot *)h->end);
  else if (((Mpsc *)h->end)->handed == t) reclaim((Mpsc *)h->end);
}

/* The plain message at index 2 through the sender at index 1; there is room. [-0, +?, -] */
static inline void put (lua_State *L, Mpsc *c, int type) {
  if (weirL_store_push_scalar(L, &c->store, 2, type)) return;
  lua_getiuservalue(L, 1, 1);
  weirL_store_push(L, 3, &c->store, 2);
}

/*
** The case that matters: a plain message, room, nobody in line, nothing to
** allocate. Pushes true; false if it is another case.
*/
static inline bool send_at_once (lua_State *L, Mpsc *c, int type) {
  if (WEIR_UNLIKELY(!has_place(c, type))) return false;
  if (weir_list_empty(&c->k.items.line) || !hand_over(L, c, false)) {
    put(L, c, type);
    c->k.room.free--;
    weir_mpsc_push(&c->k);
    weirL_notice(L, c->S);
  }
  lua_pushboolean(L, 1);
  return true;
}

/* Woken: mostly because a place was granted. */
static int send_k (lua_State *L, int status, lua_KContext ctx) {
  Task *t = (Task *)ctx;
  Handle *h = (Handle *)t->self.through;
  int type = lua_type(L, 2);
  Mpsc *c;
  if (WEIR_UNLIKELY(!t->self.owns || !weirL_live(h))) return weirL_await_k(L, status, ctx);
  c = (Mpsc *)h->end;
  if (WEIR_UNLIKELY(c->k.receivers == 0 || store_full(c, type)))
    return weirL_await_k(L, status, ctx);
  h->o.waits--;
  t->self.through = NULL;
  t->self.owns = false;
  t->parking.won = NULL;
  put(L, c, type);
  weir_mpsc_push(&c->k);
  return weirL_true(L);
}

/* No room for the plain message at index 2: wait, without a timeout. */
static int send_wait (lua_State *L, Handle *h, Mpsc *c) {
  Task *t = weirL_may_wait(L, c->S, "send");
  weir_park(&t->parking, &t->self, 1);
  weir_permits_join(&c->k.room, &t->self, 1);
  weirL_through(&t->self, h);
  t->op = &weirL_send_op;
  return weirL_park(L, t, (lua_KContext)t, send_k);
}

/* tx:send(v [, timeout]) -> true / nil, "closed" / nil, "timeout" */
static int mpsc_sender_send (lua_State *L) {
  Handle *h = mpsc_sender(L);
  Mpsc *c = (Mpsc *)h->end;
  int type = lua_type(L, 2);
  if (WEIR_LIKELY(is_plain(type) && lua_gettop(L) == 2)) {
    if (weirL_spent(L, c->S)) return weirL_give_way(L, c->S, mpsc_sender_send);
    if (WEIR_LIKELY(send_at_once(L, c, type))) return 1;
    if (!c->k.refusing && !weir_permits_ready(&c->k.room, 1)) return send_wait(L, h, c);
    c->S->budget++;                             /* once is enough */
  }
  else weirL_check_message(L, 2);
  return weirL_await(L, c->S, &weirL_send_op, 3, mpsc_sender_send);
}

/* tx:try_send(v) -> true / nil, "full" / nil, "closed" */
static int mpsc_sender_try_send (lua_State *L) {
  Handle *h = mpsc_sender(L);
  int n, type = lua_type(L, 2);
  if (WEIR_LIKELY(is_plain(type) && lua_gettop(L) == 2)) {
    if (WEIR_LIKELY(send_at_once(L, (Mpsc *)h->end, type))) return 1;
  }
  else weirL_check_message(L, 2);
  n = weirL_send_value(L, 1, (Mpsc *)h->end, NULL, 2, false);
  return n == WEIR_PENDING ? weirL_reason(L, "full") : n;
}

/* ---- receiving ----------------------------------------------------------- */

/* What was received belongs to the task that received it: a handle, or the
** reply sender of a call. */
static void get (lua_State *L, Mpsc *c, int type, bool call) {
  Handle *h;
  if (type == LUA_TUSERDATA) {
    h = weirL_handle(L, -1);
    if (h != NULL && weirL_live(h)) weirL_handle_own(L, c->S, h, -1);
  }
  else if (call) {
    h = reply_in(L, -1);
    if (h != NULL) weirL_handle_own(L, c->S, h, -1);
    lua_pop(L, 1);
  }
}

/* The first message comes out; the receiver at index i holds its promise, or
** (`take`) takes it from the items; `top` is the top of the stack. Raises before
** anything is taken. [-0, +1, m] */
static inline void receive (lua_State *L, int i, int top, Mpsc *c, bool take) {
  int type;
  bool call = false;
  if (WEIR_UNLIKELY(c->handed != NULL)) reclaim(c);
  if (weirL_store_pop_scalar(L, &c->store)) {
    if (take) c->k.items.free--;
    weir_mpsc_pop(&c->k);
    return;
  }
  lua_getiuservalue(L, i, 1);
  if (WEIR_UNLIKELY(c->calls > 0) && weirL_store_take_call(&c->store)) {
    c->calls--;
    call = true;
  }
  type = weirL_store_pop(L, top + 1, &c->store);
  if (take) c->k.items.free--;
  weir_mpsc_pop(&c->k);
  if (WEIR_UNLIKELY(type == LUA_TUSERDATA || call)) get(L, c, type, call);
}

/* For select, which saw that there is one: push the first message of the receiver at
** index i. [-0, +1, m] */
void weirL_take_first (lua_State *L, int i, Mpsc *c) {
  int top = lua_gettop(L);
  receive(L, i, top, c, true);
  if (lua_gettop(L) > top + 1) {                /* above the channel */
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
  }
}

static int mpsc_recv_poll (lua_State *L, int i, weir_Waiter *won) {
  Mpsc *c = (Mpsc *)((Handle *)lua_touserdata(L, i))->end;
  if (won != NULL && won->owns) {
    receive(L, i, lua_gettop(L), c, false);
    weir_permits_take(won);
  }
  else if (weir_permits_ready(&c->k.items, 1)) receive(L, i, lua_gettop(L), c, true);
  else return weir_mpsc_over(&c->k) ? weirL_reason(L, "closed") : WEIR_PENDING;
  return 1;
}

static bool mpsc_recv_ready (lua_State *L, int i) {
  const Mpsc *c = (Mpsc *)((Handle *)lua_touserdata(L, i))->end;
  return weir_permits_ready(&c->k.items, 1) || weir_mpsc_over(&c->k);
}

/* An mpsc channel has one receiver: one task waits on it at a time. */
static void recv_guard (lua_State *L, int i) {
  const Handle *h = (Handle *)lua_touserdata(L, i);
  const weir_Link *line, *x;
  if (h->o.tag != (TAG_LIVE | (uint32_t)MPSC_RECEIVER)) return;
  line = &((Mpsc *)h->end)->k.items.line;
  for (x = line->next; x != line; x = x->next)  /* who is to end goes at its turn */
    if (!weir_container(weir_container(x, const weir_Waiter, link)->parking, const Task, parking)->aborting)
      weirL_error(L, "another task waits on this receiver already: an mpsc channel has one "
                  "receiver, weir.mpmc may have several");
}

static void mpsc_recv_enter (lua_State *L, int i, weir_Waiter *w) {
  Handle *h = (Handle *)lua_touserdata(L, i);
  Mpsc *c = (Mpsc *)h->end;
  weir_permits_join(&c->k.items, w, 1);
  weirL_through(w, h);
}

const Op weirL_recv_op = {"recv", mpsc_recv_poll, mpsc_recv_ready, mpsc_recv_enter, recv_guard, false};

static int recv_k (lua_State *L, int status, lua_KContext ctx);

/* Nothing is there: wait, without a timeout, as weirL_await would. */
static int recv_wait (lua_State *L, Handle *h, Mpsc *c) {
  Task *t = weirL_may_wait(L, c->S, "recv");
  if (WEIR_UNLIKELY(!weir_list_empty(&c->k.items.line))) recv_guard(L, 1);
  weir_park(&t->parking, &t->self, 1);
  weir_permits_join(&c->k.items, &t->self, 1);
  weirL_through(&t->self, h);
  t->op = &weirL_recv_op;
  t->hands = h->o.tag == (TAG_LIVE | (uint32_t)MPSC_RECEIVER);
  return weirL_park(L, t, (lua_KContext)t, recv_k);
}

/* Woken: mostly because a message was promised to us. */
static int recv_k (lua_State *L, int status, lua_KContext ctx) {
  Task *t = (Task *)ctx;
  Handle *h = (Handle *)t->self.through;
  Mpsc *c;
  t->hands = false;
  if (WEIR_UNLIKELY(!t->self.owns || !weirL_live(h)))
    return weirL_await_k(L, status, ctx);
  h->o.waits--;
  t->self.through = NULL;
  c = (Mpsc *)h->end;
  if (c->handed == t) {                         /* it is on the stack */
    c->handed = NULL;
    weir_mpsc_pop(&c->k);
  }
  else receive(L, 1, 1, c, false);
  t->self.owns = false;
  t->parking.won = NULL;
  return 1;
}

/* The receiver at index 1 is alone on the stack: receive. */
static inline int recv_now (lua_State *L, Handle *h, Mpsc *c) {
  if (WEIR_LIKELY(weir_permits_ready(&c->k.items, 1))) {
    receive(L, 1, 1, c, true);
    weirL_notice(L, c->S);
    return 1;
  }
  if (weir_mpsc_over(&c->k)) return weirL_reason(L, "closed");
  return recv_wait(L, h, c);
}

/* rx:recv([timeout]) -> v / nil, "closed" / nil, "timeout" */
static int mpsc_receiver_recv (lua_State *L) {
  Handle *h = mpsc_receiver(L);
  Mpsc *c = (Mpsc *)h->end;
  if (WEIR_LIKELY(lua_gettop(L) == 1)) {
    if (weirL_spent(L, c->S)) return weirL_give_way(L, c->S, mpsc_receiver_recv);
    return recv_now(L, h, c);
  }
  return weirL_await(L, c->S, &weirL_recv_op, 2, mpsc_receiver_recv);
}

/* for v in rx do: called with the loop's state and control */
static int mpsc_receiver__call (lua_State *L) {
  Handle *h = mpsc_receiver(L);
  Mpsc *c = (Mpsc *)h->end;
  lua_settop(L, 1);
  if (weirL_spent(L, c->S)) return weirL_give_way(L, c->S, mpsc_receiver__call);
  return recv_now(L, h, c);
}

/* rx:iter() -> an iterator */
static int receiver_iter (lua_State *L) {
  mpsc_receiver(L);
  weirL_pushfunction(L, mpsc_receiver__call);
  lua_pushvalue(L, 1);
  return 2;
}

/* rx:try_recv() -> v / nil, "empty" / nil, "closed" */
static int mpsc_receiver_try_recv (lua_State *L) {
  Mpsc *c = (Mpsc *)mpsc_receiver(L)->end;
  int n;
  if (WEIR_LIKELY(weir_permits_ready(&c->k.items, 1))) {
    lua_settop(L, 1);
    receive(L, 1, 1, c, true);
    weirL_notice(L, c->S);
    return 1;
  }
  n = mpsc_recv_poll(L, 1, NULL);
  return n == WEIR_PENDING ? weirL_reason(L, "empty") : n;
}

/* Append messages to the table at index i + 1 while there are any, up to
** `max`, the integer at i + 2. Each is taken only when it has a place. */
static int many_take (lua_State *L, int i, weir_Waiter *won) {
  Mpsc *c = (Mpsc *)((Handle *)lua_touserdata(L, i))->end;
  lua_Integer max = lua_tointeger(L, i + 2), n = 0, len;
  int top = lua_gettop(L);
  bool held = won != NULL && won->owns;
  if (max == 0) {
    lua_pushinteger(L, 0);
    return 1;
  }
  if (!held && !weir_permits_ready(&c->k.items, 1)) {
    if (!weir_mpsc_over(&c->k)) return WEIR_PENDING;
    lua_pushinteger(L, 0);
    lua_pushliteral(L, "closed");
    return 2;
  }
  len = (lua_Integer)lua_rawlen(L, i + 1);
  while (n < max && (held || weir_permits_ready(&c->k.items, 1))) {
    lua_pushboolean(L, 0);
    lua_rawseti(L, i + 1, len + n + 1);                 /* may raise: nothing is taken yet */
    if (!held && !weir_permits_ready(&c->k.items, 1)) { /* a finalizer was here */
      lua_pushnil(L);
      lua_rawseti(L, i + 1, len + n + 1);
      break;
    }
    receive(L, i, top, c, !held);
    if (held) weir_permits_take(won);
    held = false;
    lua_rawseti(L, i + 1, len + n + 1);
    lua_settop(L, top);                                 /* the channel, the block */
    n++;
  }
  weirL_notice(L, c->S);
  lua_pushinteger(L, n);
  return 1;
}

static int mpsc_many_poll (lua_State *L, int i, weir_Waiter *won) {
  return weirL_with_grant(L, i, 3, won, many_take);
}

static const Op mpsc_many_op = {"recv_many", mpsc_many_poll, mpsc_recv_ready, mpsc_recv_enter, recv_guard, true};

static Handle *many_arguments (lua_State *L) {
  Handle *h = mpsc_receiver(L);
  weirL_checktype(L, 2, LUA_TTABLE);
  weirL_integer(L, 3, 0, LUA_MAXINTEGER);
  return h;
}

/* rx:recv_many(t, max [, timeout]) -> how many / 0, "closed" / 0, "timeout" */
static int receiver_recv_many (lua_State *L) {
  Handle *h = many_arguments(L);
  return weirL_await(L, ((Mpsc *)h->end)->S, &mpsc_many_op, 4, receiver_recv_many);
}

/* rx:try_recv_many(t, max) -> how many / 0, "empty" / 0, "closed" */
static int receiver_try_recv_many (lua_State *L) {
  int n;
  many_arguments(L);
  lua_settop(L, 3);
  n = mpsc_many_poll(L, 1, NULL);
  if (n != WEIR_PENDING) return n;
  lua_pushinteger(L, 0);
  lua_pushliteral(L, "empty");
  return 2;
}

/* ---- the receiver's end -------------------------------------------------- */

static int mpsc_closed_poll (lua_State *L, int i, weir_Waiter *won) {
  const Mpsc *c = (Mpsc *)((Handle *)lua_touserdata(L, i))->end;
  (void)won;
  return c->k.refusing ? weirL_true(L) : WEIR_PENDING;
}

static bool mpsc_closed_ready (lua_State *L, int i) {
  return ((Mpsc *)((Handle *)lua_touserdata(L, i))->end)->k.refusing;
}

static void mpsc_closed_enter (lua_State *L, int i, weir_Waiter *w) {
  Handle *h = (Handle *)lua_touserdata(L, i);
  weir_line_join(&((Mpsc *)h->end)->k.closed, w);
  weirL_through(w, h);
}

const Op weirL_mpsc_closed_op = {"closed", mpsc_closed_poll, mpsc_closed_ready, mpsc_closed_enter, NULL, false};

/* tx:closed([timeout]) -> true / nil, "timeout" */
static int mpsc_sender_closed (lua_State *L) {
  Handle *h = weirL_sender(L);
  return weirL_await(L, ((Mpsc *)h->end)->S, &weirL_mpsc_closed_op, 2, mpsc_sender_closed);
}

/* rx:close(): refuses what is new */
static int mpsc_receiver_close (lua_State *L) {
  Handle *h = (Handle *)weirL_object(L, 1);
  Mpsc *c;
  if (h != NULL && weirL_kindof(&h->o) <= LAST_HANDLE && !weirL_live(h))
    return weirL_true(L);                       /* closing twice is harmless */
  h = mpsc_receiver(L);
  c = (Mpsc *)h->end;
  weir_mpsc_refuse(&c->k);
  weirL_notice(L, c->S);
  return weirL_true(L);
}

/* ---- dropping ------------------------------------------------------------ */

void weirL_sender_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L;
  (void)S;
  (void)i;
  weir_mpsc_drop_sender(&((Mpsc *)h->end)->k);
}

void weirL_sender_cut (Handle *h) {
  Mpsc *c = (Mpsc *)h->end;
  weir_permits_tell_through(&c->k.room, h);
  weir_line_tell_through(&c->k.closed, h);
}

/* With the last receiver all that is buffered is dropped. */
void weirL_receiver_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  Mpsc *c = (Mpsc *)h->end;
  uint32_t n;
  int store;
  if (!weir_mpsc_drop_receiver(&c->k)) return;
  if (c->handed != NULL) reclaim(c);
  lua_getiuservalue(L, i, 1);
  store = lua_gettop(L);
  for (n = c->k.len; n > 0; n--) {
    if (weirL_store_take_call(&c->store)) c->calls--;
    weirL_store_pop(L, store, &c->store);
    weirL_drop_message(L, S, lua_gettop(L));
    lua_settop(L, store);
  }
  lua_pop(L, 1);
  weir_mpsc_clear(&c->k);
}

void weirL_receiver_cut (Handle *h) {
  Mpsc *c = (Mpsc *)h->end;
  if (c->handed != NULL) reclaim(c);
  weir_permits_tell_through(&c->k.items, h);
}

int weirL_mpsc_fill (const Object *o, char *text, size_t size) {
  const Mpsc *c = (Mpsc *)((const Handle *)o)->end;
  const char *state = c->k.refusing ? "refusing" : c->k.senders == 0 ? "no sender left" : "open";
  if (c->k.capacity == WEIR_UNBOUNDED)
    return snprintf(text, size, "%s, %u buffered", state, (unsigned)c->k.len);
  return snprintf(text, size, "%s, %u of %u buffered", state, (unsigned)c->k.len,
                  (unsigned)c->k.capacity);
}

/* ---- asking -------------------------------------------------------------- */

static int push_capacity (lua_State *L, const Mpsc *c) {
  if (c->k.refusing) lua_pushinteger(L, 0);
  else if (c->k.capacity == WEIR_UNBOUNDED) lua_pushnumber(L, HUGE_VAL);
  else lua_pushinteger(L, weir_permits_available(&c->k.room));
  return 1;
}

static int push_max_capacity (lua_State *L, const Mpsc *c) {
  if (c->k.capacity == WEIR_UNBOUNDED) lua_pushnumber(L, HUGE_VAL);
  else lua_pushinteger(L, c->k.capacity);
  return 1;
}

static int push_strong (lua_State *L, const Mpsc *c) {
  lua_pushinteger(L, (lua_Integer)c->k.senders - c->reservations);
  return 1;
}

static uint32_t line_length (const weir_Link *line) {
  const weir_Link *x;
  uint32_t n = 0;
  for (x = line->next; x != line; x = x->next) n++;
  return n;
}

static int push_stats (lua_State *L, const Mpsc *c) {
  lua_createtable(L, 0, 6);
  weirL_channel_stats(L, c);
  return 1;
}

/* Set the fields of stats in the table on top. [-0, +0, m] */
void weirL_channel_stats (lua_State *L, const Mpsc *c) {
  lua_pushinteger(L, (lua_Integer)(c->k.received + c->k.dropped + c->k.len));
  lua_setfield(L, -2, "sent");
  lua_pushinteger(L, (lua_Integer)c->k.received);
  lua_setfield(L, -2, "received");
  lua_pushinteger(L, c->k.len);
  lua_setfield(L, -2, "len");
  lua_pushinteger(L, c->k.high);
  lua_setfield(L, -2, "high_water");
  lua_pushinteger(L, line_length(&c->k.room.line));
  lua_setfield(L, -2, "waiting_senders");
  push_strong(L, c);
  lua_setfield(L, -2, "senders");
}

static Mpsc *sender_channel (lua_State *L) { return (Mpsc *)weirL_sender(L)->end; }
static Mpsc *receiver_channel (lua_State *L) { return (Mpsc *)mpsc_receiver(L)->end; }

static int mpsc_sender_is_closed (lua_State *L) {
  lua_pushboolean(L, sender_channel(L)->k.refusing);
  return 1;
}

static int mpsc_receiver_is_closed (lua_State *L) {
  const Mpsc *c = receiver_channel(L);
  lua_pushboolean(L, c->k.refusing ||
                     (c->k.senders == 0 && weir_mpsc_held(&c->k) == 0));
  return 1;
}

static int mpsc_receiver_is_empty (lua_State *L) {
  lua_pushboolean(L, receiver_channel(L)->k.len == 0);
  return 1;
}

static int mpsc_receiver__len (lua_State *L) {
  lua_pushinteger(L, receiver_channel(L)->k.len);
  return 1;
}

static int mpsc_sender_capacity (lua_State *L) { return push_capacity(L, sender_channel(L)); }
static int receiver_capacity (lua_State *L) { return push_capacity(L, receiver_channel(L)); }
static int sender_max_capacity (lua_State *L) { return push_max_capacity(L, sender_channel(L)); }
static int receiver_max_capacity (lua_State *L) {
  return push_max_capacity(L, receiver_channel(L));
}
static int mpsc_sender_strong (lua_State *L) { return push_strong(L, sender_channel(L)); }
static int receiver_strong (lua_State *L) { return push_strong(L, receiver_channel(L)); }
static int sender_stats (lua_State *L) { return push_stats(L, sender_channel(L)); }
static int receiver_stats (lua_State *L) { return push_stats(L, receiver_channel(L)); }

static int mpsc_sender_weak_count (lua_State *L) {
  lua_pushinteger(L, sender_channel(L)->k.weak);
  return 1;
}

static int receiver_weak_count (lua_State *L) {
  lua_pushinteger(L, receiver_channel(L)->k.weak);
  return 1;
}

/* tx:same_channel(other) */
static int mpsc_sender_same_channel (lua_State *L) {
  const Mpsc *c = sender_channel(L);
  const Handle *other = weirL_handle(L, 2);
  if (other == NULL || (weirL_kindof(&other->o) != MPSC_SENDER &&
                        weirL_kindof(&other->o) != MPMC_SENDER))
    return weirL_typeerror(L, 2, "mpsc.Sender");
  if (!weirL_live(other)) weirL_badspent(L, 2, other);
  lua_pushboolean(L, other->end == c);
  return 1;
}

/* tx:clone() */
static int mpsc_sender_clone (lua_State *L) {
  Handle *h = weirL_sender(L);
  Mpsc *c = (Mpsc *)h->end;
  lua_getiuservalue(L, 1, 1);
  weirL_handle_new(L, c->S, weirL_kindof(&h->o), -1, c);
  c->k.senders++;
  weirL_still_live(L, c->S);
  return 1;
}

/* rx:clone(), of mpmc */
static int mpsc_receiver_clone (lua_State *L) {
  Handle *h = mpsc_receiver(L);
  Mpsc *c = (Mpsc *)h->end;
  lua_getiuservalue(L, 1, 1);
  weirL_handle_new(L, c->S, weirL_kindof(&h->o), -1, c);
  c->k.receivers++;
  weirL_still_live(L, c->S);
  return 1;
}

/* ---- making -------------------------------------------------------------- */

static int new_channel (lua_State *L, uint32_t capacity, KindId tx, KindId rx) {
  Scheduler *S = weirL_scheduler(L);
  Mpsc *c = (Mpsc *)lua_newuserdatauv(L, sizeof(Mpsc), STORE_FIRST);
  Handle *h;
  c->S = S;
  c->handed = NULL;
  c->reservations = c->calls = 0;
  weir_mpsc_init(&c->k, capacity);
  weirL_store_init(&c->store);
  h = weirL_handle_new(L, S, tx, -1, c);        /* channel; tx */
  if (WEIR_UNLIKELY(h == NULL)) return 0;
  weirL_handle_new(L, S, rx, -2, c);            /* channel; tx; rx */
  return 2;
}

static uint32_t check_capacity (lua_State *L) {
  if (lua_isnoneornil(L, 1))
    weirL_argerror(L, 1, "a capacity is needed: how many messages may wait (weir.unbounded() "
                  "has none)");
  return (uint32_t)weirL_integer(L, 1, 1, WEIR_CAPACITY_MAX);
}

/* weir.mpsc(capacity) -> tx, rx */
static int mpsc (lua_State *L) {
  return new_channel(L, check_capacity(L), MPSC_SENDER, MPSC_RECEIVER);
}

/* weir.unbounded() -> tx, rx */
static int unbounded (lua_State *L) {
  return new_channel(L, WEIR_UNBOUNDED, MPSC_SENDER, MPSC_RECEIVER);
}

/* weir.mpmc(capacity) -> tx, rx */
static int mpmc (lua_State *L) {
  return new_channel(L, check_capacity(L), MPMC_SENDER, MPMC_RECEIVER);
}

void weirL_open_mpsc (lua_State *L, int S) {
  static const luaL_Reg sender_methods[] = {{"send", mpsc_sender_send},
    {"try_send", mpsc_sender_try_send}, {"reserve", weirL_sender_reserve},
    {"try_reserve", weirL_sender_try_reserve}, {"reserve_many", weirL_sender_reserve_many},
    {"try_reserve_many", weirL_sender_try_reserve_many},
    {"reservation", weirL_sender_reservation}, {"clone", mpsc_sender_clone},
    {"weak", weirL_sender_weak}, {"closed", mpsc_sender_closed},
    {"is_closed", mpsc_sender_is_closed}, {"capacity", mpsc_sender_capacity},
    {"max_capacity", sender_max_capacity}, {"same_channel", mpsc_sender_same_channel},
    {"strong_count", mpsc_sender_strong}, {"weak_count", mpsc_sender_weak_count},
    {"stats", sender_stats}, {NULL, NULL}};
  static const luaL_Reg receiver_methods[] = {{"recv", mpsc_receiver_recv},
    {"try_recv", mpsc_receiver_try_recv}, {"recv_many", receiver_recv_many},
    {"try_recv_many", receiver_try_recv_many}, {"iter", receiver_iter},
    {"close", mpsc_receiver_close}, {"is_closed", mpsc_receiver_is_closed},
    {"is_empty", mpsc_receiver_is_empty}, {"capacity", receiver_capacity},
    {"max_capacity", receiver_max_capacity}, {"strong_count", receiver_strong},
    {"weak_count", receiver_weak_count}, {"stats", receiver_stats},
    {"clone", mpsc_receiver_clone}, {NULL, NULL}};
  static const luaL_Reg receiver_meta[] = {{"__call", mpsc_receiver__call},
    {"__len", mpsc_receiver__len}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"mpsc", mpsc}, {"unbounded", unbounded},
    {"mpmc", mpmc}, {NULL, NULL}};
  weirL_register(L, S, MPSC_SENDER, sender_methods, NULL);
  weirL_register(L, S, MPMC_SENDER, sender_methods, NULL);
  weirL_register(L, S, MPMC_RECEIVER, receiver_methods, receiver_meta);
  weirL_register(L, S, MPSC_RECEIVER, receiver_methods, receiver_meta);
  lua_getiuservalue(L, S, UV_METAS + MPSC_RECEIVER);     /* one receiver: no clone */
  lua_getfield(L, -1, "__index");
  lua_pushnil(L);
  lua_setfield(L, -2, "clone");
  lua_pop(L, 2);
  weirL_setfuncs(L, S, functions);
}
