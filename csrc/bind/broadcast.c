/* SPDX-License-Identifier: MIT */
/*
** broadcast.c -- every receiver sees every message sent after it subscribed.
**
**   Sender --> Broadcast { kernel: ring of counts } <-- Receiver { cursor }
**   capacity up to 32:   user values 1 ...: the slots; behind the struct a Scalar for each
**                        (a number or boolean is there instead), then the counts
**   more:                user value 1: a table, [slot + 1] = value
**                        user value 2: the memory of the counts
**
** The table begins small and doubles up to the capacity; the kernel says which
** slot. A slot is cleared when its last receiver has seen it, or overwritten
** when the ring is full.
**
** Long because both ends and both ways of overflow share one ring.
*/
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"

typedef struct Broadcast {
  Object o;
  Scheduler *S;
  weir_Broadcast k;
} Broadcast;

/* for debug.c and trace.c: the kernel behind a handle's `end` */
const weir_Broadcast *weirL_broadcast_kernel (const void *end) {
  return &((const Broadcast *)end)->k;
}

static Broadcast *broadcast_at (lua_State *L, int i) {
  return (Broadcast *)((Handle *)lua_touserdata(L, i))->end;
}

static inline Broadcast *broadcast_sender (lua_State *L) {
  return (Broadcast *)((Handle *)weirL_handle_at(L, 1, BROADCAST_SENDER, sizeof(Handle)))->end;
}

static inline BroadcastReceiver *broadcast_receiver (lua_State *L) {
  return (BroadcastReceiver *)weirL_handle_at(L, 1, BROADCAST_RECEIVER, sizeof(BroadcastReceiver));
}

bool weirL_broadcast_waits (const Object *o) {
  return !weirL_live(o) || ((Broadcast *)((const Handle *)o)->end)->k.waits;
}

/* ---- the ring ------------------------------------------------------------- */

enum { INLINE_MOST = 32 };

static inline bool is_inline (const Broadcast *b) { return b->k.capacity <= INLINE_MOST; }

/* The place of a position for a scalar, or NULL. */
static inline Scalar *scalar_of (const Broadcast *b, uint64_t position) {
  if (!is_inline(b)) return NULL;
  return (Scalar *)(void *)(b + 1) + weir_broadcast_slot(&b->k, position);
}

/* Twice the slots of the table. The channel is at index i. [-0, +0, m] */
static void grow (lua_State *L, int i, Broadcast *b) {
  uint32_t size = b->k.size == 0 ? 4 : b->k.size * 2, *needs;
  uint64_t p;
  lua_createtable(L, (int)(size < 1024 ? size : 1024), 0);
  needs = (uint32_t *)lua_newuserdatauv(L, size * sizeof(uint32_t), 0);
  if (b->k.size >= size) {                      /* a finalizer was here */
    lua_pop(L, 2);
    return;
  }
  lua_getiuservalue(L, i, 1);                   /* new; needs; old */
  for (p = b->k.head; p < b->k.tail; p++) {
    uint32_t from = weir_broadcast_slot(&b->k, p), to = (uint32_t)(p & (size - 1));
    lua_rawgeti(L, -1, (lua_Integer)from + 1);
    lua_rawseti(L, -4, (lua_Integer)to + 1);
  }
  for (p = b->k.head; p < b->k.tail; p++)
    needs[p & (size - 1)] = b->k.needs[weir_broadcast_slot(&b->k, p)];
  lua_pop(L, 1);
  lua_setiuservalue(L, i, 2);
  lua_setiuservalue(L, i, 1);
  b->k.needs = needs;
  b->k.size = size;
}

/* The value on top goes into the slot of a position. The channel is at index i.
** [-1, +0, m] of a table slot that was never used */
static void set_slot (lua_State *L, int i, const Broadcast *b, uint64_t position) {
  int slot = (int)weir_broadcast_slot(&b->k, position) + 1;
  if (is_inline(b)) {
    lua_setiuservalue(L, i, slot);
    return;
  }
  lua_getiuservalue(L, i, 1);
  lua_insert(L, -2);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
}

static void clear_slot (lua_State *L, int i, const Broadcast *b, uint64_t position) {
  Scalar *x = scalar_of(b, position);
  if (x != NULL && x->kind != NO_SCALAR) {
    x->kind = NO_SCALAR;
    return;
  }
  lua_pushnil(L);
  set_slot(L, i, b, position);
}

/* Push the value of a position. [-0, +1|2, -]: it is on top */
static inline void get_slot (lua_State *L, int i, const Broadcast *b, uint64_t position) {
  int slot = (int)weir_broadcast_slot(&b->k, position) + 1;
  if (is_inline(b)) lua_getiuservalue(L, i, slot);
  else {
    lua_getiuservalue(L, i, 1);
    lua_rawgeti(L, -1, slot);
  }
}

/* ---- sending -------------------------------------------------------------- */

/* The value at index v goes to the receivers there are; there is a place for
** it. Pushes how many, or nil, "closed". Raises before it changes anything. */
static int publish (lua_State *L, int i, Broadcast *b, int v) {
  int channel;
  if (b->k.receivers == 0) return weirL_reason(L, "closed");
  lua_getiuservalue(L, i, 1);
  channel = lua_gettop(L);
  if (WEIR_UNLIKELY(!is_inline(b))) {
    while (weir_broadcast_len(&b->k) == b->k.size && b->k.size < b->k.capacity)
      grow(L, channel, b);
    if (b->k.receivers == 0) return weirL_reason(L, "closed");    /* a finalizer was here */
    if (!weir_broadcast_full(&b->k) || b->k.size > b->k.capacity) {
      lua_pushboolean(L, 0);                    /* a new slot may need memory: now */
      set_slot(L, channel, b, b->k.tail);
    }
  }
  if (weir_broadcast_full(&b->k)) {
    clear_slot(L, channel, b, b->k.head);
    weir_broadcast_evict(&b->k);
  }
  if (is_inline(b) && weirL_is_scalar(lua_type(L, v))) {
    Scalar *x = scalar_of(b, b->k.tail);
    x->kind = weirL_scalar(L, v, &x->is);
  }
  else {
    lua_pushvalue(L, v);
    set_slot(L, channel, b, b->k.tail);
  }
  weir_broadcast_push(&b->k);
  weirL_notice(L, b->S);
  lua_pushinteger(L, b->k.receivers);
  return 1;
}

/* overflow = "wait": a place is won, or taken, or waited for */
static int broadcast_send_take (lua_State *L, int i, weir_Waiter *won) {
  Broadcast *b = broadcast_at(L, i);
  int n = publish(L, i, b, i + 1);
  if (n == 1) weir_permits_take(won);
  else weir_permits_give(&b->k.room, weir_permits_take(won));
  return n;
}

static int broadcast_send_poll (lua_State *L, int i, weir_Waiter *won) {
  Broadcast *b = broadcast_at(L, i);
  weir_Waiter place;
  if (!weirL_granted(won)) {
    if (b->k.receivers == 0) return weirL_reason(L, "closed");
    if (!weir_permits_try(&b->k.room, 1)) return WEIR_PENDING;
    weirL_as_won(won = &place, &b->k.room);
  }
  if (is_inline(b)) return broadcast_send_take(L, i, won);      /* nothing may fail */
  return weirL_with_grant(L, i, 2, won, broadcast_send_take);
}

static bool broadcast_send_ready (lua_State *L, int i) {
  const Broadcast *b = broadcast_at(L, i);
  return b->k.receivers == 0 || weir_permits_ready(&b->k.room, 1);
}

static void broadcast_send_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_permits_join(&broadcast_at(L, i)->k.room, w, 1);
  weirL_through(w, (Handle *)lua_touserdata(L, i));
}

const Op weirL_broadcast_send_op = {"send", broadcast_send_poll, broadcast_send_ready, broadcast_send_enter, NULL, false};

/* tx:send(v [, timeout]) -> receivers / nil, "closed" / nil, "timeout" */
static int broadcast_sender_send (lua_State *L) {
  Broadcast *b = broadcast_sender(L);
  if (lua_isnoneornil(L, 2)) weirL_argerror(L, 2, "nil is no message (false is)");
  if (lua_type(L, 2) == LUA_TUSERDATA && weirL_handle(L, 2) != NULL)
    weirL_argerror(L, 2, "a handle cannot be sent: every receiver would own it; send what it is "
                  "for, or use an mpsc channel");
  if (!b->k.waits) return publish(L, 1, b, 2);
  return weirL_await(L, b->S, &weirL_broadcast_send_op, 3, broadcast_sender_send);
}

/* tx:try_send(v): of overflow = "wait", nil, "full" in place of waiting */
static int broadcast_sender_try_send (lua_State *L) {
  Broadcast *b = broadcast_sender(L);
  int n;
  if (lua_isnoneornil(L, 2)) weirL_argerror(L, 2, "nil is no message (false is)");
  if (weirL_handle(L, 2) != NULL)
    weirL_argerror(L, 2, "a handle cannot be sent: every receiver would own it");
  if (!b->k.waits) return publish(L, 1, b, 2);
  lua_settop(L, 2);
  n = broadcast_send_poll(L, 1, NULL);
  return n == WEIR_PENDING ? weirL_reason(L, "full") : n;
}

/* ---- receiving ------------------------------------------------------------ */

/* The receiver at index i takes its next message, which is kept. [-0, +1, -] */
static inline int take_next (lua_State *L, int i, Broadcast *b, BroadcastReceiver *r) {
  Scalar *x = scalar_of(b, r->cursor);
  if (x != NULL && x->kind != NO_SCALAR) {
    weirL_push_scalar(L, x->is, x->kind);
    if (weir_broadcast_seen(&b->k, r->cursor)) x->kind = NO_SCALAR;
  }
  else {
    lua_getiuservalue(L, i, 1);
    i = lua_gettop(L);
    get_slot(L, i, b, r->cursor);
    if (weir_broadcast_seen(&b->k, r->cursor)) clear_slot(L, i, b, r->cursor);
  }
  r->cursor++;
  weirL_notice(L, b->S);
  return 1;
}

static int broadcast_recv_poll (lua_State *L, int i, weir_Waiter *won) {
  BroadcastReceiver *r = (BroadcastReceiver *)lua_touserdata(L, i);
  Broadcast *b = (Broadcast *)r->h.end;
  uint64_t missed = weir_broadcast_missed(&b->k, r->cursor);
  (void)won;
  if (WEIR_UNLIKELY(missed > 0)) {
    r->cursor = b->k.head;
    lua_pushnil(L);
    lua_pushliteral(L, "lagged");
    lua_pushinteger(L, (lua_Integer)missed);
    return 3;
  }
  if (r->cursor < b->k.tail) return take_next(L, i, b, r);
  return b->k.senders == 0 ? weirL_reason(L, "closed") : WEIR_PENDING;
}

static bool broadcast_recv_ready (lua_State *L, int i) {
  const BroadcastReceiver *r = (BroadcastReceiver *)lua_touserdata(L, i);
  const Broadcast *b = (Broadcast *)r->h.end;
  return r->cursor < b->k.tail || b->k.senders == 0;
}

static void broadcast_recv_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_line_join(&broadcast_at(L, i)->k.arrived, w);
  weirL_through(w, (Handle *)lua_touserdata(L, i));
}

const Op weirL_broadcast_op = {"recv", broadcast_recv_poll, broadcast_recv_ready, broadcast_recv_enter, NULL, false};

/* Woken: mostly because a message stands there. */
static int broadcast_recv_k (lua_State *L, int status, lua_KContext ctx) {
  Task *t = (Task *)ctx;
  BroadcastReceiver *r = (BroadcastReceiver *)t->self.through;
  Broadcast *b;
  if (WEIR_UNLIKELY(t->parking.won == NULL || !weirL_live(r)))
    return weirL_await_k(L, status, ctx);
  b = (Broadcast *)r->h.end;
  if (WEIR_UNLIKELY(r->cursor == b->k.tail || r->cursor < b->k.head))
    return weirL_await_k(L, status, ctx);
  r->h.o.waits--;
  t->self.through = NULL;
  t->parking.won = NULL;
  return take_next(L, 1, b, r);
}

/* rx:recv([timeout]) -> v / nil, "lagged", n / nil, "closed" / nil, "timeout" */
static int broadcast_receiver_recv (lua_State *L) {
  BroadcastReceiver *r = broadcast_receiver(L);
  Broadcast *b = (Broadcast *)r->h.end;
  Task *t;
  if (WEIR_UNLIKELY(lua_gettop(L) != 1))
    return weirL_await(L, b->S, &weirL_broadcast_op, 2, broadcast_receiver_recv);
  if (weirL_spent(L, b->S)) return weirL_give_way(L, b->S, broadcast_receiver_recv);
  if (r->cursor >= b->k.head && r->cursor < b->k.tail) return take_next(L, 1, b, r);
  if (r->cursor < b->k.tail || b->k.senders == 0) return broadcast_recv_poll(L, 1, NULL);
  t = weirL_may_wait(L, b->S, "recv");
  weir_park(&t->parking, &t->self, 1);
  weir_line_join(&b->k.arrived, &t->self);
  weirL_through(&t->self, &r->h);
  t->op = &weirL_broadcast_op;
  return weirL_park(L, t, (lua_KContext)t, broadcast_recv_k);
}

/* rx:try_recv() */
static int broadcast_receiver_try_recv (lua_State *L) {
  int n;
  broadcast_receiver(L);
  n = broadcast_recv_poll(L, 1, NULL);
  return n == WEIR_PENDING ? weirL_reason(L, "empty") : n;
}

/* for v, missed in rx do */
static int broadcast_loop_poll (lua_State *L, int i, weir_Waiter *won) {
  BroadcastReceiver *r = (BroadcastReceiver *)lua_touserdata(L, i);
  Broadcast *b = (Broadcast *)r->h.end;
  uint64_t missed = weir_broadcast_missed(&b->k, r->cursor);
  (void)won;
  if (missed > 0 && b->k.head < b->k.tail) r->cursor = b->k.head;
  if (r->cursor < b->k.tail) {
    take_next(L, i, b, r);
    lua_pushinteger(L, (lua_Integer)missed);
    return 2;
  }
  return b->k.senders == 0 ? weirL_reason(L, "closed") : WEIR_PENDING;
}

static const Op broadcast_loop_op = {"recv", broadcast_loop_poll, broadcast_recv_ready, broadcast_recv_enter, NULL, false};

static int broadcast_receiver__call (lua_State *L) {
  const BroadcastReceiver *r = broadcast_receiver(L);
  lua_settop(L, 1);
  return weirL_await(L, ((Broadcast *)r->h.end)->S, &broadcast_loop_op, 2, broadcast_receiver__call);
}

/* ---- handles -------------------------------------------------------------- */

/* Push a receiver for what is sent from now on. [-0, +1, m] */
static int broadcast_subscribe (lua_State *L, Broadcast *b) {
  BroadcastReceiver *r;
  lua_getiuservalue(L, 1, 1);
  r = (BroadcastReceiver *)weirL_handle_new(L, b->S, BROADCAST_RECEIVER, -1, b);
  r->cursor = b->k.tail;
  b->k.receivers++;
  weirL_still_live(L, b->S);
  return 1;
}

static int broadcast_sender_subscribe (lua_State *L) { return broadcast_subscribe(L, broadcast_sender(L)); }

static int receiver_resubscribe (lua_State *L) {
  return broadcast_subscribe(L, (Broadcast *)broadcast_receiver(L)->h.end);
}

static int broadcast_sender_receiver_count (lua_State *L) {
  lua_pushinteger(L, broadcast_sender(L)->k.receivers);
  return 1;
}

static int sender_len (lua_State *L) {
  lua_pushinteger(L, weir_broadcast_len(&broadcast_sender(L)->k));
  return 1;
}

static int sender_is_empty (lua_State *L) {
  lua_pushboolean(L, weir_broadcast_len(&broadcast_sender(L)->k) == 0);
  return 1;
}

static int broadcast_sender_is_closed (lua_State *L) {
  lua_pushboolean(L, broadcast_sender(L)->k.receivers == 0);
  return 1;
}

static int broadcast_sender_capacity (lua_State *L) {
  lua_pushinteger(L, broadcast_sender(L)->k.capacity);
  return 1;
}

static int broadcast_sender_strong (lua_State *L) {
  lua_pushinteger(L, broadcast_sender(L)->k.senders);
  return 1;
}

static int broadcast_sender_weak_count (lua_State *L) {
  lua_pushinteger(L, broadcast_sender(L)->k.weak);
  return 1;
}

static int broadcast_sender_clone (lua_State *L) {
  Broadcast *b = broadcast_sender(L);
  lua_getiuservalue(L, 1, 1);
  weirL_handle_new(L, b->S, BROADCAST_SENDER, -1, b);
  b->k.senders++;
  weirL_still_live(L, b->S);
  return 1;
}

static int broadcast_sender_same_channel (lua_State *L) {
  const Broadcast *b = broadcast_sender(L);
  const Handle *other = (Handle *)weirL_handle_check(L, 2, BROADCAST_SENDER);
  lua_pushboolean(L, other->end == b);
  return 1;
}

static int broadcast_receiver_same_channel (lua_State *L) {
  const BroadcastReceiver *r = broadcast_receiver(L);
  const Handle *other = (Handle *)weirL_handle_check(L, 2, BROADCAST_RECEIVER);
  lua_pushboolean(L, other->end == r->h.end);
  return 1;
}

static int broadcast_new_weak (lua_State *L, Broadcast *b) {
  lua_getiuservalue(L, 1, 1);
  weirL_handle_new(L, b->S, BROADCAST_WEAK, -1, b);
  b->k.weak++;
  weirL_still_live(L, b->S);
  return 1;
}

static int sender_weak (lua_State *L) { return broadcast_new_weak(L, broadcast_sender(L)); }

static Broadcast *broadcast_weak (lua_State *L) {
  return (Broadcast *)((Handle *)weirL_handle_check(L, 1, BROADCAST_WEAK))->end;
}

static int broadcast_weak_clone (lua_State *L) { return broadcast_new_weak(L, broadcast_weak(L)); }

static int broadcast_weak_upgrade (lua_State *L) {
  Broadcast *b = broadcast_weak(L);
  if (b->k.senders > 0) {
    bool still;
    lua_getiuservalue(L, 1, 1);
    weirL_handle_new(L, b->S, BROADCAST_SENDER, -1, b);
    still = b->k.senders > 0;
    b->k.senders++;
    if (still) return 1;
    weirL_handle_drop(L, b->S, (Handle *)lua_touserdata(L, -1), lua_gettop(L));
  }
  lua_pushnil(L);
  return 1;
}

static int broadcast_weak_strong_count (lua_State *L) {
  lua_pushinteger(L, broadcast_weak(L)->k.senders);
  return 1;
}

static int broadcast_weak_weak_count (lua_State *L) {
  lua_pushinteger(L, broadcast_weak(L)->k.weak);
  return 1;
}

static int broadcast_closed_poll (lua_State *L, int i, weir_Waiter *won) {
  (void)won;
  return broadcast_at(L, i)->k.receivers == 0 ? weirL_true(L) : WEIR_PENDING;
}

static bool broadcast_closed_ready (lua_State *L, int i) { return broadcast_at(L, i)->k.receivers == 0; }

static void broadcast_closed_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_line_join(&broadcast_at(L, i)->k.closed, w);
  weirL_through(w, (Handle *)lua_touserdata(L, i));
}

const Op weirL_broadcast_closed_op = {"closed", broadcast_closed_poll, broadcast_closed_ready, broadcast_closed_enter, NULL,
                                      false};

/* tx:closed([timeout]) -> true / nil, "timeout" */
static int broadcast_sender_closed (lua_State *L) {
  return weirL_await(L, broadcast_sender(L)->S, &weirL_broadcast_closed_op, 2, broadcast_sender_closed);
}

static int broadcast_receiver__len (lua_State *L) {
  const BroadcastReceiver *r = broadcast_receiver(L);
  lua_pushinteger(L, (lua_Integer)(((Broadcast *)r->h.end)->k.tail - r->cursor));
  return 1;
}

static int broadcast_receiver_is_empty (lua_State *L) {
  const BroadcastReceiver *r = broadcast_receiver(L);
  lua_pushboolean(L, ((Broadcast *)r->h.end)->k.tail == r->cursor);
  return 1;
}

static int broadcast_receiver_is_closed (lua_State *L) {
  lua_pushboolean(L, ((Broadcast *)broadcast_receiver(L)->h.end)->k.senders == 0);
  return 1;
}

/* ---- dropping ------------------------------------------------------------- */

void weirL_broadcast_sender_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L;
  (void)S;
  (void)i;
  weir_broadcast_drop_sender(&((Broadcast *)h->end)->k);
}

void weirL_broadcast_sender_cut (Handle *h) {
  Broadcast *b = (Broadcast *)h->end;
  weir_line_tell_through(&b->k.closed, h);
  weir_permits_tell_through(&b->k.room, h);
}

/* It needs none of what it has not seen. */
void weirL_broadcast_receiver_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  BroadcastReceiver *r = (BroadcastReceiver *)h;
  Broadcast *b = (Broadcast *)h->end;
  int channel;
  (void)S;
  lua_getiuservalue(L, i, 1);
  channel = lua_gettop(L);
  if (r->cursor < b->k.head) r->cursor = b->k.head;
  for (; r->cursor < b->k.tail; r->cursor++)
    if (weir_broadcast_seen(&b->k, r->cursor)) clear_slot(L, channel, b, r->cursor);
  lua_pop(L, 1);
  weir_broadcast_drop_receiver(&b->k);
}

void weirL_broadcast_receiver_cut (Handle *h) {
  weir_line_tell_through(&((Broadcast *)h->end)->k.arrived, h);
}

void weirL_broadcast_weak_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L;
  (void)S;
  (void)i;
  ((Broadcast *)h->end)->k.weak--;
}

int weirL_broadcast_fill (const Object *o, char *text, size_t size) {
  const Broadcast *b = (Broadcast *)((const Handle *)o)->end;
  return snprintf(text, size, "%u receivers, %u of %u kept", (unsigned)b->k.receivers,
                  (unsigned)weir_broadcast_len(&b->k), (unsigned)b->k.capacity);
}

int weirL_broadcast_receiver_fill (const Object *o, char *text, size_t size) {
  const BroadcastReceiver *r = (const BroadcastReceiver *)o;
  const Broadcast *b = (Broadcast *)r->h.end;
  return snprintf(text, size, "%s, %llu unseen", b->k.senders == 0 ? "no sender left" : "open",
                  (unsigned long long)(b->k.tail - r->cursor));
}

/* weir.broadcast(capacity [, { overflow = "wait" }]) -> tx, rx */
static int broadcast (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  uint32_t capacity, size;
  bool waits = false;
  Broadcast *b;
  if (lua_isnoneornil(L, 1))
    weirL_argerror(L, 1, "a capacity is needed: how many messages are kept for a slow receiver");
  capacity = (uint32_t)weirL_integer(L, 1, 1, WEIR_CAPACITY_MAX);
  if (!lua_isnoneornil(L, 2)) {
    weirL_checktype(L, 2, LUA_TTABLE);
    if (lua_getfield(L, 2, "overflow") != LUA_TNIL) {
      const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
      waits = strcmp(s, "wait") == 0;
      if (!waits && strcmp(s, "lag") != 0)
        weirL_argerror(L, 2, "overflow must be 'wait' or 'lag'");
    }
  }
  for (size = 1; size < capacity && size < INLINE_MOST; size *= 2) {}
  if (capacity <= INLINE_MOST)
    b = (Broadcast *)lua_newuserdatauv(L, sizeof(Broadcast) + size * (sizeof(Scalar) + sizeof(uint32_t)),
                                       (int)size);
  else b = (Broadcast *)lua_newuserdatauv(L, sizeof(Broadcast), 2);
  b->o.tag = 0;
  b->o.waits = 0;
  b->S = S;
  weir_broadcast_init(&b->k, capacity, waits);
  if (capacity <= INLINE_MOST) {
    b->k.size = size;
    memset(b + 1, 0, size * sizeof(Scalar));
    b->k.needs = (uint32_t *)(void *)((Scalar *)(void *)(b + 1) + size);
  }
  else {
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
  }
  weirL_handle_new(L, S, BROADCAST_SENDER, -1, b);
  ((BroadcastReceiver *)weirL_handle_new(L, S, BROADCAST_RECEIVER, -2, b))->cursor = 0;
  return 2;
}

void weirL_open_broadcast (lua_State *L, int S) {
  static const luaL_Reg sender_methods[] = {{"send", broadcast_sender_send},
    {"try_send", broadcast_sender_try_send}, {"subscribe", broadcast_sender_subscribe},
    {"receiver_count", broadcast_sender_receiver_count}, {"len", sender_len},
    {"is_empty", sender_is_empty}, {"is_closed", broadcast_sender_is_closed},
    {"capacity", broadcast_sender_capacity}, {"clone", broadcast_sender_clone}, {"weak", sender_weak},
    {"strong_count", broadcast_sender_strong}, {"weak_count", broadcast_sender_weak_count},
    {"closed", broadcast_sender_closed}, {"same_channel", broadcast_sender_same_channel}, {NULL, NULL}};
  static const luaL_Reg receiver_methods[] = {{"recv", broadcast_receiver_recv},
    {"try_recv", broadcast_receiver_try_recv}, {"resubscribe", receiver_resubscribe},
    {"is_empty", broadcast_receiver_is_empty}, {"is_closed", broadcast_receiver_is_closed},
    {"same_channel", broadcast_receiver_same_channel}, {NULL, NULL}};
  static const luaL_Reg sender_meta[] = {{"__len", sender_len}, {NULL, NULL}};
  static const luaL_Reg receiver_meta[] = {{"__call", broadcast_receiver__call},
    {"__len", broadcast_receiver__len}, {NULL, NULL}};
  static const luaL_Reg weak_methods[] = {{"upgrade", broadcast_weak_upgrade}, {"clone", broadcast_weak_clone},
    {"strong_count", broadcast_weak_strong_count}, {"weak_count", broadcast_weak_weak_count}, {NULL, NULL}};
  weirL_register(L, S, BROADCAST_SENDER, sender_methods, sender_meta);
  weirL_register(L, S, BROADCAST_RECEIVER, receiver_methods, receiver_meta);
  weirL_register(L, S, BROADCAST_WEAK, weak_methods, NULL);
  weirL_setfunc(L, S, "broadcast", broadcast);
}
