/* SPDX-License-Identifier: MIT */
/*
** watch.c -- the latest value, for any number of receivers.
**
**   Sender --> Watch { kernel: version } <-- Receiver { seen }
**              user value 1: the value, unless it is a scalar
**
** A value is stored first, then the version goes up and the receivers are told.
** The functions of send_modify and wait_for run between: they must not wait, and if one
** raises nothing has changed. They, and finalizers, may send: what stands there is looked at
** again after them.
**
** Long because both ends and the functions that modify share one value.
*/
#include <stdio.h>

#include "bind.h"

typedef struct Watch {
  Object o;
  Scheduler *S;
  weir_Watch k;
  Scalar x;                       /* the value, if it is a number or boolean */
} Watch;

/* for debug.c and trace.c: the kernel behind a handle's `end` */
const weir_Watch *weirL_watch_kernel (const void *end) { return &((const Watch *)end)->k; }

static Watch *watch_at (lua_State *L, int i) {
  return (Watch *)((Handle *)lua_touserdata(L, i))->end;
}

static Watch *watch_sender (lua_State *L) {
  return (Watch *)((Handle *)weirL_handle_check(L, 1, WATCH_SENDER))->end;
}

static inline WatchReceiver *watch_receiver (lua_State *L) {
  return (WatchReceiver *)weirL_handle_at(L, 1, WATCH_RECEIVER, sizeof(WatchReceiver));
}

/* A value with many owners: no handle, not nil. */
static void watch_check_value (lua_State *L, int i) {
  if (lua_isnoneornil(L, i)) weirL_argerror(L, i, "nil is no value (false is)");
  if (weirL_handle(L, i) != NULL)
    weirL_argerror(L, i, "a handle cannot be sent: every receiver would own it; send what it is "
                  "for, or use an mpsc channel");
}

/* Push the value of the channel at index i's handle. [-0, +1, -] */
static void watch_push_value (lua_State *L, int i) {
  const Scalar *x = &watch_at(L, i)->x;
  if (x->kind != NO_SCALAR) weirL_push_scalar(L, x->is, x->kind);
  else {
    lua_getiuservalue(L, i, 1);
    lua_getiuservalue(L, -1, 1);
    lua_remove(L, -2);
  }
}

/* The value on top is that of the channel at index i. [-1, +0, -] */
static void set_value (lua_State *L, int i, Watch *w) {
  uint8_t before = w->x.kind;
  w->x.kind = NO_SCALAR;
  if (weirL_is_scalar(lua_type(L, -1))) {
    w->x.kind = weirL_scalar(L, -1, &w->x.is);
    lua_pop(L, 1);
    if (before != NO_SCALAR) return;
    lua_pushnil(L);
  }
  lua_setiuservalue(L, i, 1);
}

/* Store the value on top and tell. [-1, +0, -] */
static void change (lua_State *L, Watch *w) {
  lua_getiuservalue(L, 1, 1);
  lua_insert(L, -2);
  set_value(L, lua_gettop(L) - 1, w);
  lua_pop(L, 1);
  weir_watch_change(&w->k);
  weirL_notice(L, w->S);
}

/* ---- senders -------------------------------------------------------------- */

/* tx:send(v) -> true / nil, "closed" */
static int watch_sender_send (lua_State *L) {
  Watch *w = watch_sender(L);
  watch_check_value(L, 2);
  if (w->k.receivers == 0) return weirL_reason(L, "closed");
  lua_settop(L, 2);
  change(L, w);
  return weirL_true(L);
}

/* tx:send_replace(v) -> the old value */
static int sender_send_replace (lua_State *L) {
  Watch *w = watch_sender(L);
  watch_check_value(L, 2);
  lua_settop(L, 2);
  watch_push_value(L, 1);
  lua_insert(L, 2);                             /* tx; old; new */
  change(L, w);
  return 1;
}

static void check_new (lua_State *L, int i) {
  if (weirL_handle(L, i) != NULL)
    weirL_error(L, "the function returned a handle: a watch cannot hold one");
}

/* tx:send_modify(f): f(old) returns the new value, or nil: changed in place */
static int sender_send_modify (lua_State *L) {
  Watch *w = watch_sender(L);
  weirL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  watch_push_value(L, 1);
  lua_pushvalue(L, 3);
  lua_insert(L, 2);                             /* tx; old; f; old */
  lua_call(L, 1, 1);
  check_new(L, -1);
  watch_sender(L);                                    /* it ran Lua: is tx still live? */
  if (lua_isnil(L, -1)) watch_push_value(L, 1); /* keep the one that stands there now */
  change(L, w);
  return weirL_true(L);
}

/* tx:send_if_modified(f): f(old) returns changed [, new] -> changed */
static int sender_send_if_modified (lua_State *L) {
  Watch *w = watch_sender(L);
  bool changed;
  weirL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  watch_push_value(L, 1);
  lua_pushvalue(L, 3);
  lua_insert(L, 2);                             /* tx; old; f; old */
  lua_call(L, 1, 2);                            /* tx; old; changed; new */
  changed = lua_toboolean(L, 3);
  check_new(L, 4);
  watch_sender(L);
  if (changed) {
    if (lua_isnil(L, 4)) watch_push_value(L, 1);
    change(L, w);
  }
  lua_pushboolean(L, changed);
  return 1;
}

static int sender_borrow (lua_State *L) {
  watch_sender(L);
  watch_push_value(L, 1);
  return 1;
}

/* Push a receiver that has seen version `seen`. [-0, +1, m] */
static int new_receiver (lua_State *L, Watch *w, uint64_t seen) {
  lua_getiuservalue(L, 1, 1);
  ((WatchReceiver *)weirL_handle_new(L, w->S, WATCH_RECEIVER, -1, w))->seen = seen;
  w->k.receivers++;
  weirL_still_live(L, w->S);
  return 1;
}

/* tx:subscribe() -> a receiver that has seen the current value */
static int watch_sender_subscribe (lua_State *L) {
  Watch *w = watch_sender(L);
  return new_receiver(L, w, w->k.version);
}

static int watch_sender_clone (lua_State *L) {
  Watch *w = watch_sender(L);
  lua_getiuservalue(L, 1, 1);
  weirL_handle_new(L, w->S, WATCH_SENDER, -1, w);
  w->k.senders++;
  weirL_still_live(L, w->S);
  return 1;
}

static int watch_sender_receiver_count (lua_State *L) {
  lua_pushinteger(L, watch_sender(L)->k.receivers);
  return 1;
}

static int sender_sender_count (lua_State *L) {
  lua_pushinteger(L, watch_sender(L)->k.senders);
  return 1;
}

static int watch_sender_is_closed (lua_State *L) {
  lua_pushboolean(L, watch_sender(L)->k.receivers == 0);
  return 1;
}

static int same_channel (lua_State *L, KindId k) {
  const Handle *h = (Handle *)weirL_handle_check(L, 1, k);
  const Handle *other = (Handle *)weirL_handle_check(L, 2, k);
  lua_pushboolean(L, h->end == other->end);
  return 1;
}

static int watch_sender_same_channel (lua_State *L) { return same_channel(L, WATCH_SENDER); }
static int watch_receiver_same_channel (lua_State *L) { return same_channel(L, WATCH_RECEIVER); }

static int watch_closed_poll (lua_State *L, int i, weir_Waiter *won) {
  (void)won;
  return watch_at(L, i)->k.receivers == 0 ? weirL_true(L) : WEIR_PENDING;
}

static bool watch_closed_ready (lua_State *L, int i) { return watch_at(L, i)->k.receivers == 0; }

static void watch_closed_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_line_join(&watch_at(L, i)->k.closed, w);
  weirL_through(w, (Handle *)lua_touserdata(L, i));
}

const Op weirL_watch_closed_op = {"closed", watch_closed_poll, watch_closed_ready, watch_closed_enter, NULL,
                                  false};

/* tx:closed([timeout]) -> true / nil, "timeout" */
static int watch_sender_closed (lua_State *L) {
  return weirL_await(L, watch_sender(L)->S, &weirL_watch_closed_op, 2, watch_sender_closed);
}

/* ---- receivers ------------------------------------------------------------ */

static int receiver_borrow (lua_State *L) {
  watch_receiver(L);
  watch_push_value(L, 1);
  return 1;
}

static int receiver_borrow_and_update (lua_State *L) {
  WatchReceiver *r = watch_receiver(L);
  const Watch *w = (Watch *)r->h.end;
  r->seen = w->k.version;
  if (WEIR_LIKELY(w->x.kind != NO_SCALAR)) weirL_push_scalar(L, w->x.is, w->x.kind);
  else watch_push_value(L, 1);
  return 1;
}

/* rx:has_changed() -> boolean / nil, "closed" */
static int receiver_has_changed (lua_State *L) {
  const WatchReceiver *r = watch_receiver(L);
  const Watch *w = (Watch *)r->h.end;
  if (w->k.senders == 0) return weirL_reason(L, "closed");
  lua_pushboolean(L, r->seen != w->k.version);
  return 1;
}

static int changed_poll (lua_State *L, int i, weir_Waiter *won) {
  WatchReceiver *r = (WatchReceiver *)lua_touserdata(L, i);
  const Watch *w = (Watch *)r->h.end;
  (void)won;
  if (r->seen != w->k.version) {
    r->seen = w->k.version;
    return weirL_true(L);
  }
  return w->k.senders == 0 ? weirL_reason(L, "closed") : WEIR_PENDING;
}

static bool changed_ready (lua_State *L, int i) {
  const WatchReceiver *r = (WatchReceiver *)lua_touserdata(L, i);
  const Watch *w = (Watch *)r->h.end;
  return r->seen != w->k.version || w->k.senders == 0;
}

static void changed_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_line_join(&watch_at(L, i)->k.changed, w);
  weirL_through(w, (Handle *)lua_touserdata(L, i));
}

const Op weirL_watch_op = {"changed", changed_poll, changed_ready, changed_enter, NULL, false};

/* Woken: mostly because a new value stands there. */
static int changed_k (lua_State *L, int status, lua_KContext ctx) {
  Task *t = (Task *)ctx;
  WatchReceiver *r = (WatchReceiver *)t->self.through;
  if (WEIR_UNLIKELY(!weirL_live(r) || r->seen == ((Watch *)r->h.end)->k.version))
    return weirL_await_k(L, status, ctx);
  r->h.o.waits--;
  t->self.through = NULL;
  t->parking.won = NULL;
  r->seen = ((Watch *)r->h.end)->k.version;
  return weirL_true(L);
}

/* rx:changed([timeout]) -> true / nil, "closed" / nil, "timeout" */
static int receiver_changed (lua_State *L) {
  WatchReceiver *r = watch_receiver(L);
  Watch *w = (Watch *)r->h.end;
  Task *t;
  if (WEIR_UNLIKELY(lua_gettop(L) != 1))
    return weirL_await(L, w->S, &weirL_watch_op, 2, receiver_changed);
  if (weirL_spent(L, w->S)) return weirL_give_way(L, w->S, receiver_changed);
  if (r->seen != w->k.version) {
    r->seen = w->k.version;
    return weirL_true(L);
  }
  if (w->k.senders == 0) return weirL_reason(L, "closed");
  t = weirL_may_wait(L, w->S, "changed");
  weir_park(&t->parking, &t->self, 1);
  weir_line_join(&w->k.changed, &t->self);
  weirL_through(&t->self, &r->h);
  t->op = &weirL_watch_op;
  return weirL_park(L, t, (lua_KContext)t, changed_k);
}

/* The predicate is at index i + 1. What it was called with is what has been seen: if more was
** sent meanwhile, that is tested, too. */
static int wait_for_poll (lua_State *L, int i, weir_Waiter *won) {
  const Watch *w = watch_at(L, i);
  uint64_t version;
  (void)won;
  do {
    bool holds;
    version = w->k.version;
    watch_push_value(L, i);
    lua_pushvalue(L, i + 1);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 1);                          /* value; holds */
    holds = lua_toboolean(L, -1);
    lua_pop(L, 1);
    watch_receiver(L);                          /* it ran Lua: still live? */
    ((WatchReceiver *)lua_touserdata(L, i))->seen = version;
    if (holds) return 1;
    lua_pop(L, 1);
  } while (version != w->k.version);
  return w->k.senders == 0 ? weirL_reason(L, "closed") : WEIR_PENDING;
}

static const Op wait_for_op = {"wait_for", wait_for_poll, changed_ready, changed_enter, NULL,
                               false};

/* rx:wait_for(pred [, timeout]) -> value / nil, "closed" / nil, "timeout" */
static int receiver_wait_for (lua_State *L) {
  const WatchReceiver *r = watch_receiver(L);
  weirL_checktype(L, 2, LUA_TFUNCTION);
  return weirL_await(L, ((Watch *)r->h.end)->S, &wait_for_op, 3, receiver_wait_for);
}

/* rx:mark_changed(): changed() completes at once */
static int receiver_mark_changed (lua_State *L) {
  WatchReceiver *r = watch_receiver(L);
  r->seen = 0;
  if (r->h.o.waits > 0) weir_line_tell_through(&((Watch *)r->h.end)->k.changed, r);
  return weirL_true(L);
}

static int receiver_mark_unchanged (lua_State *L) {
  WatchReceiver *r = watch_receiver(L);
  r->seen = ((Watch *)r->h.end)->k.version;
  return weirL_true(L);
}

static int watch_receiver_clone (lua_State *L) {
  const WatchReceiver *r = watch_receiver(L);
  return new_receiver(L, (Watch *)r->h.end, r->seen);
}

static int watch_receiver_is_closed (lua_State *L) {
  watch_receiver(L);
  lua_pushboolean(L, watch_at(L, 1)->k.senders == 0);
  return 1;
}

/* for v in rx do: the current value first, then each latest. The loop's control
** value tells the first call from the others. */
static int watch_loop_poll (lua_State *L, int i, weir_Waiter *won) {
  int n;
  if (lua_isnil(L, i + 1)) {
    WatchReceiver *r = (WatchReceiver *)lua_touserdata(L, i);
    r->seen = watch_at(L, i)->k.version;
    watch_push_value(L, i);
    return 1;
  }
  n = changed_poll(L, i, won);
  if (n != 1) return n;
  watch_push_value(L, i);
  return 1;
}

static const Op watch_loop_op = {"changed", watch_loop_poll, changed_ready, changed_enter, NULL, false};

static int watch_receiver__call (lua_State *L) {
  const WatchReceiver *r = watch_receiver(L);
  if (lua_gettop(L) >= 3) lua_remove(L, 2);     /* rx; state; control */
  lua_settop(L, 2);
  return weirL_await(L, ((Watch *)r->h.end)->S, &watch_loop_op, 3, watch_receiver__call);
}

/* ---- dropping ------------------------------------------------------------- */

void weirL_watch_sender_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L;
  (void)S;
  (void)i;
  weir_watch_drop_sender(&((Watch *)h->end)->k);
}

void weirL_watch_sender_cut (Handle *h) {
  weir_line_tell_through(&((Watch *)h->end)->k.closed, h);
}

void weirL_watch_receiver_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L;
  (void)S;
  (void)i;
  weir_watch_drop_receiver(&((Watch *)h->end)->k);
}

void weirL_watch_receiver_cut (Handle *h) {
  weir_line_tell_through(&((Watch *)h->end)->k.changed, h);
}

int weirL_watch_fill (const Object *o, char *text, size_t size) {
  const Watch *w = (Watch *)((const Handle *)o)->end;
  if (weirL_kindof(o) == WATCH_RECEIVER)
    return snprintf(text, size, "%s, %s", w->k.senders == 0 ? "no sender left" : "open",
                    ((const WatchReceiver *)o)->seen == w->k.version ? "seen" : "unseen value");
  return snprintf(text, size, "%u receivers", (unsigned)w->k.receivers);
}

/* weir.watch(initial) -> tx, rx */
static int watch (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  Watch *w;
  watch_check_value(L, 1);
  w = (Watch *)lua_newuserdatauv(L, sizeof(Watch), 1);
  w->o.tag = 0;
  w->o.waits = 0;
  w->S = S;
  weir_watch_init(&w->k);
  w->x.kind = NO_SCALAR;
  lua_pushvalue(L, 1);
  set_value(L, lua_gettop(L) - 1, w);
  weirL_handle_new(L, S, WATCH_SENDER, -1, w);
  ((WatchReceiver *)weirL_handle_new(L, S, WATCH_RECEIVER, -2, w))->seen = w->k.version;
  return 2;
}

void weirL_open_watch (lua_State *L, int S) {
  static const luaL_Reg sender_methods[] = {{"send", watch_sender_send},
    {"send_replace", sender_send_replace}, {"send_modify", sender_send_modify},
    {"send_if_modified", sender_send_if_modified}, {"borrow", sender_borrow},
    {"subscribe", watch_sender_subscribe}, {"closed", watch_sender_closed},
    {"is_closed", watch_sender_is_closed}, {"receiver_count", watch_sender_receiver_count},
    {"sender_count", sender_sender_count}, {"clone", watch_sender_clone},
    {"same_channel", watch_sender_same_channel}, {NULL, NULL}};
  static const luaL_Reg receiver_methods[] = {{"borrow", receiver_borrow},
    {"borrow_and_update", receiver_borrow_and_update},
    {"has_changed", receiver_has_changed}, {"changed", receiver_changed},
    {"wait_for", receiver_wait_for}, {"mark_changed", receiver_mark_changed},
    {"mark_unchanged", receiver_mark_unchanged}, {"clone", watch_receiver_clone},
    {"is_closed", watch_receiver_is_closed}, {"same_channel", watch_receiver_same_channel},
    {NULL, NULL}};
  static const luaL_Reg receiver_meta[] = {{"__call", watch_receiver__call}, {NULL, NULL}};
  weirL_register(L, S, WATCH_SENDER, sender_methods, NULL);
  weirL_register(L, S, WATCH_RECEIVER, receiver_methods, receiver_meta);
  weirL_setfunc(L, S, "watch", watch);
}
