/* SPDX-License-Identifier: MIT */
/*
** permit.c -- room in a channel, taken before there is a message for it.
**
**   Permit        holds n places; each send spends one, the rest come home with it
**   Reservation   a place in line of its own: Handle -> Reservation { Parking }
**   WeakSender    reaches the channel without keeping it open
**
** R1  a permit's places are `held` in the kernel (M1), so it keeps the channel open
** R2  a reservation counts as a sender until it is dropped or yields its permit
** R3  nobody waits in a reservation's line once its Parking was won
*/
#include <assert.h>
#include <stdio.h>

#include "bind.h"

/* ---- reserving ----------------------------------------------------------- */

/* Push a permit for n places of the channel whose handle is at index i;
** `won` holds them, or they are taken from the room, or WEIR_PENDING. */
static int take_permit (lua_State *L, int i, Mpsc *c, weir_Waiter *won, uint32_t n) {
  bool held = won != NULL && won->owns;
  Permit *p;
  if (!held) {
    if (c->k.refusing) return weirL_reason(L, "closed");
    if (!weir_permits_ready(&c->k.room, n)) return WEIR_PENDING;
  }
  lua_getiuservalue(L, i, 1);
  p = (Permit *)weirL_handle_new(L, c->S, MPSC_PERMIT, -1, c);
  if (held) weir_permits_take(won);
  else if (c->k.refusing || !weir_permits_try(&c->k.room, n)) {
    lua_pop(L, 2);                              /* a finalizer was here */
    return c->k.refusing ? weirL_reason(L, "closed") : WEIR_PENDING;
  }
  p->n = n;
  weirL_handle_own(L, c->S, &p->h, -1);
  return 1;
}

static Mpsc *channel_at (lua_State *L, int i) {
  return (Mpsc *)((Handle *)lua_touserdata(L, i))->end;
}

static int reserve_take (lua_State *L, int i, weir_Waiter *won) {
  return take_permit(L, i, channel_at(L, i), won, 1);
}

static int reserve_poll (lua_State *L, int i, weir_Waiter *won) {
  return weirL_with_grant(L, i, 1, won, reserve_take);
}

static bool reserve_ready (lua_State *L, int i) {
  const Mpsc *c = channel_at(L, i);
  return c->k.refusing || weir_permits_ready(&c->k.room, 1);
}

static void reserve_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_permits_join(&channel_at(L, i)->k.room, w, 1);
  weirL_through(w, (Handle *)lua_touserdata(L, i));
}

const Op weirL_reserve_op = {"reserve", reserve_poll, reserve_ready, reserve_enter, NULL, false};

/* tx:reserve([timeout]) -> Permit / nil, "closed" / nil, "timeout" */
int weirL_sender_reserve (lua_State *L) {
  Handle *h = weirL_sender(L);
  return weirL_await(L, ((Mpsc *)h->end)->S, &weirL_reserve_op, 2, weirL_sender_reserve);
}

/* tx:try_reserve() -> Permit / nil, "full" / nil, "closed" */
int weirL_sender_try_reserve (lua_State *L) {
  Handle *h = weirL_sender(L);
  int n = take_permit(L, 1, (Mpsc *)h->end, NULL, 1);
  return n == WEIR_PENDING ? weirL_reason(L, "full") : n;
}

static uint32_t many_argument (lua_State *L) {
  const Mpsc *c = (Mpsc *)weirL_sender(L)->end;
  lua_Integer n = weirL_integer(L, 2, 0, WEIR_CAPACITY_MAX);
  if ((uint64_t)n > c->k.capacity)
    weirL_argerror(L, 2, lua_pushfstring(L, "%I places asked for, but the capacity is %I: they "
                                        "would never be free", n, (lua_Integer)c->k.capacity));
  return (uint32_t)n;
}

static int permit_many_take (lua_State *L, int i, weir_Waiter *won) {
  return take_permit(L, i, channel_at(L, i), won, (uint32_t)lua_tointeger(L, i + 1));
}

static int permit_many_poll (lua_State *L, int i, weir_Waiter *won) {
  return weirL_with_grant(L, i, 2, won, permit_many_take);
}

static void many_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_permits_join(&channel_at(L, i)->k.room, w, (uint32_t)lua_tointeger(L, i + 1));
  weirL_through(w, (Handle *)lua_touserdata(L, i));
}

static const Op permit_many_op = {"reserve_many", permit_many_poll, reserve_ready, many_enter, NULL, false};

/* tx:reserve_many(n [, timeout]) -> a Permit good for n sends / nil, reason */
int weirL_sender_reserve_many (lua_State *L) {
  many_argument(L);
  return weirL_await(L, channel_at(L, 1)->S, &permit_many_op, 3, weirL_sender_reserve_many);
}

/* tx:try_reserve_many(n) */
int weirL_sender_try_reserve_many (lua_State *L) {
  uint32_t n = many_argument(L);
  int r = take_permit(L, 1, channel_at(L, 1), NULL, n);
  return r == WEIR_PENDING ? weirL_reason(L, "full") : r;
}

/* ---- permits -------------------------------------------------------------- */

static Permit *permit_permit (lua_State *L) {
  return (Permit *)weirL_handle_check(L, 1, MPSC_PERMIT);
}

/* permit:send(v) -> true / nil, "closed" */
static int permit_send (lua_State *L) {
  Permit *p = permit_permit(L);
  int n;
  weirL_check_message(L, 2);
  if (lua_touserdata(L, 2) == (void *)p) weirL_argerror(L, 2, "a permit cannot be its own message");
  do {
    if (permit_permit(L)->n == 0)
      return weirL_error(L, "this permit is spent: it was good for no more sends; reserve another");
    n = weirL_send_permit(L, p);
  } while (n == WEIR_PENDING);                  /* a finalizer was here */
  return n;
}

static void permit_give_back (Permit *p) {
  uint32_t n = p->n;
  p->n = 0;
  if (n > 0) weir_permits_give(&((Mpsc *)p->h.end)->k.room, n);
}

/* permit:release(): the room goes back; on a spent permit nothing */
static int permit_release (lua_State *L) {
  const Handle *h = (Handle *)weirL_object(L, 1);
  if (h != NULL && h->o.tag == (TAG_SPENT | (uint32_t)MPSC_PERMIT) &&
      h->u.spent.how == SPENT_CLOSED)
    return weirL_true(L);
  permit_give_back(permit_permit(L));
  weirL_notice(L, weirL_scheduler(L));
  return weirL_true(L);
}

static int permit_remaining (lua_State *L) {
  Handle *h = (Handle *)weirL_object(L, 1);
  if (h != NULL && h->o.tag == (TAG_SPENT | (uint32_t)MPSC_PERMIT) &&
      h->u.spent.how == SPENT_CLOSED)
    lua_pushinteger(L, 0);
  else lua_pushinteger(L, permit_permit(L)->n);
  return 1;
}

void weirL_permit_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L;
  (void)S;
  (void)i;
  permit_give_back((Permit *)h);
}

int weirL_permit_fill (const Object *o, char *text, size_t size) {
  return snprintf(text, size, "good for %u", (unsigned)((const Permit *)o)->n);
}

/* ---- reservations --------------------------------------------------------- */

typedef struct Reservation {      /* user value 1: the channel */
  Object o;
  Mpsc *c;
  weir_Parking parking;           /* its own place in the room's line */
  weir_Waiter waiter;
  weir_Link line;                 /* tasks that wait for it */
} Reservation;

/* for debug.c and trace.c: the channel of a reservation */
const Mpsc *weirL_reservation_channel (const Handle *h) {
  return ((const Reservation *)h->end)->c;
}

static void reservation_wake (weir_Parking *p) {
  weir_line_tell_all(&weir_container(p, Reservation, parking)->line);
}

/* tx:reservation() -> a Reservation; takes its place in line now */
int weirL_sender_reservation (lua_State *L) {
  Mpsc *c = (Mpsc *)weirL_sender(L)->end;
  Reservation *r;
  lua_getiuservalue(L, 1, 1);                   /* channel: a finalizer may drop the sender */
  r = (Reservation *)lua_newuserdatauv(L, sizeof(Reservation), 1);
  r->o.tag = 0;
  r->o.waits = 0;
  r->c = c;
  r->parking.wake = reservation_wake;
  r->parking.parked = false;
  r->parking.won = NULL;
  r->parking.nbranch = 0;
  weir_list_init(&r->line);
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 1);
  weirL_handle_own(L, c->S, weirL_handle_new(L, c->S, MPSC_RESERVATION, -1, r), -1);
  c->k.senders++;
  c->reservations++;
  weir_park(&r->parking, &r->waiter, 1);
  if (c->k.refusing) weir_win(&r->waiter);      /* told, not granted */
  else if (weir_permits_try(&c->k.room, 1)) {   /* there at once */
    r->waiter.permits = &c->k.room;
    r->waiter.need = 1;
    r->waiter.owns = true;
    weir_win(&r->waiter);
  }
  else weir_permits_join(&c->k.room, &r->waiter, 1);
  weirL_still_live(L, c->S);
  return 1;
}

static Reservation *reservation_at (lua_State *L, int i) {
  return (Reservation *)((Handle *)lua_touserdata(L, i))->end;
}

static int reservation_poll (lua_State *L, int i, weir_Waiter *won) {
  Handle *h = (Handle *)lua_touserdata(L, i);
  Reservation *r = (Reservation *)h->end;
  Mpsc *c = r->c;
  Permit *p;
  (void)won;
  if (r->parking.parked) return WEIR_PENDING;
  if (!r->waiter.owns) return weirL_reason(L, "closed");
  lua_getiuservalue(L, i, 1);
  lua_getiuservalue(L, -1, 1);
  p = (Permit *)weirL_handle_new(L, c->S, MPSC_PERMIT, -1, c);
  weirL_handle_check(L, i, MPSC_RESERVATION);   /* a finalizer was here? */
  p->n = weir_permits_take(&r->waiter);
  weirL_handle_own(L, c->S, &p->h, -1);
  weirL_handle_drop(L, c->S, h, i);
  h->u.spent.how = SPENT_YIELDED;
  return 1;
}

static bool reservation_ready (lua_State *L, int i) {
  return !reservation_at(L, i)->parking.parked;
}

static void reservation_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_line_join(&reservation_at(L, i)->line, w);
  weirL_through(w, (Handle *)lua_touserdata(L, i));
}

const Op weirL_reservation_op = {"reserve", reservation_poll, reservation_ready,
                                 reservation_enter, NULL, false};

/* r:wait([timeout]) -> its Permit / nil, "closed" / nil, "timeout" */
static int reservation_wait (lua_State *L) {
  const Handle *h = (Handle *)weirL_handle_check(L, 1, MPSC_RESERVATION);
  const Reservation *r = (Reservation *)h->end;
  if (r->parking.parked && weirL_optseconds(L, 2) != 0)
    weirL_may_wait(L, r->c->S, "wait");         /* (the operation is 'reserve', by a name of its own) */
  return weirL_await(L, r->c->S, &weirL_reservation_op, 2, reservation_wait);
}

void weirL_reservation_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  Reservation *r = (Reservation *)h->end;
  (void)L;
  (void)S;
  (void)i;
  weir_unpark(&r->parking);
  r->c->reservations--;
  weir_mpsc_drop_sender(&r->c->k);
}

void weirL_reservation_cut (Handle *h) {
  weir_line_tell_through(&((Reservation *)h->end)->line, h);
}

int weirL_reservation_fill (const Object *o, char *text, size_t size) {
  const Reservation *r = (Reservation *)((const Handle *)o)->end;
  return snprintf(text, size, "%s", r->parking.parked ? "in line"
                                    : r->waiter.owns ? "has its place" : "refused");
}

/* ---- weak senders --------------------------------------------------------- */

static Handle *permit_weak (lua_State *L) {
  const Object *o = weirL_object(L, 1);
  return (Handle *)weirL_handle_check(L, 1, o != NULL && weirL_kindof(o) == MPMC_WEAK
                                            ? MPMC_WEAK : MPSC_WEAK);
}

static int permit_new_weak (lua_State *L, Mpsc *c, bool mpmc) {
  lua_getiuservalue(L, 1, 1);
  weirL_handle_new(L, c->S, mpmc ? MPMC_WEAK : MPSC_WEAK, -1, c);
  c->k.weak++;
  weirL_still_live(L, c->S);
  return 1;
}

/* tx:permit_weak() */
int weirL_sender_weak (lua_State *L) {
  Handle *h = weirL_sender(L);
  return permit_new_weak(L, (Mpsc *)h->end, weirL_kindof(&h->o) == MPMC_SENDER);
}

static int permit_weak_clone (lua_State *L) {
  Handle *h = permit_weak(L);
  return permit_new_weak(L, (Mpsc *)h->end, weirL_kindof(&h->o) == MPMC_WEAK);
}

/* weak:upgrade() -> a sender, or nil */
static int permit_weak_upgrade (lua_State *L) {
  Handle *h = permit_weak(L);
  Mpsc *c = (Mpsc *)h->end;
  bool mpmc = weirL_kindof(&h->o) == MPMC_WEAK;
  if (c->k.senders > c->reservations) {
    lua_getiuservalue(L, 1, 1);
    weirL_handle_new(L, c->S, mpmc ? MPMC_SENDER : MPSC_SENDER, -1, c);
    if (c->k.senders > c->reservations) {
      c->k.senders++;
      return 1;
    }
    c->k.senders++;                             /* a finalizer took the last: as if dropped */
    weirL_handle_drop(L, c->S, (Handle *)lua_touserdata(L, -1), lua_gettop(L));
  }
  lua_pushnil(L);
  return 1;
}

static int permit_weak_strong_count (lua_State *L) {
  const Mpsc *c = (Mpsc *)permit_weak(L)->end;
  lua_pushinteger(L, (lua_Integer)c->k.senders - c->reservations);
  return 1;
}

static int permit_weak_weak_count (lua_State *L) {
  lua_pushinteger(L, ((Mpsc *)permit_weak(L)->end)->k.weak);
  return 1;
}

void weirL_weak_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L;
  (void)S;
  (void)i;
  ((Mpsc *)h->end)->k.weak--;
}

void weirL_open_permit (lua_State *L, int S) {
  static const luaL_Reg permit_methods[] = {{"send", permit_send},
    {"release", permit_release}, {"remaining", permit_remaining}, {NULL, NULL}};
  static const luaL_Reg reservation_methods[] = {{"wait", reservation_wait}, {NULL, NULL}};
  static const luaL_Reg weak_methods[] = {{"upgrade", permit_weak_upgrade}, {"clone", permit_weak_clone},
    {"strong_count", permit_weak_strong_count}, {"weak_count", permit_weak_weak_count}, {NULL, NULL}};
  weirL_register(L, S, MPSC_PERMIT, permit_methods, NULL);
  weirL_register(L, S, MPSC_RESERVATION, reservation_methods, NULL);
  weirL_register(L, S, MPSC_WEAK, weak_methods, NULL);
  weirL_register(L, S, MPMC_WEAK, weak_methods, NULL);
}
