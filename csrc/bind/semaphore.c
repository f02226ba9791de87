/* SPDX-License-Identifier: MIT */
/*
** semaphore.c -- counted permits for whoever needs them.
**
**   Semaphore { kernel Permits } <-- Permit handle { n }
**
** Q1  total == free + what the permits out hold + what was granted
** Q2  a closed semaphore has nobody in line; what comes home still counts
*/
#include <stdio.h>

#include "bind.h"

static Semaphore *semaphore (lua_State *L) { return (Semaphore *)weirL_check(L, 1, SEMAPHORE); }

/* how many permits index i asks for: 1 unless it says */
static uint32_t wanted (lua_State *L, int i) {
  return lua_isinteger(L, i) ? (uint32_t)lua_tointeger(L, i) : 1;
}

/* The semaphore is at index i, the number (or nil) at i + 1. */
static int acquire_take (lua_State *L, int i, weir_Waiter *won) {
  Semaphore *s = (Semaphore *)lua_touserdata(L, i);
  bool held = won != NULL && won->owns;
  uint32_t n = wanted(L, i + 1);
  Permit *p;
  if (!held) {
    if (s->closed) return weirL_reason(L, "closed");
    if (!weir_permits_ready(&s->k, n)) return WEIR_PENDING;
  }
  p = (Permit *)weirL_handle_new(L, s->S, SEMAPHORE_PERMIT, i, s);
  if (held) weir_permits_take(won);
  else if (!weir_permits_try(&s->k, n)) {      /* a finalizer was here */
    lua_pop(L, 1);
    return WEIR_PENDING;
  }
  p->n = n;
  weirL_handle_own(L, s->S, &p->h, -1);
  return 1;
}

static int acquire_poll (lua_State *L, int i, weir_Waiter *won) {
  return weirL_with_grant(L, i, 2, won, acquire_take);
}

static bool acquire_ready (lua_State *L, int i) {
  const Semaphore *s = (Semaphore *)lua_touserdata(L, i);
  return s->closed || weir_permits_ready(&s->k, wanted(L, i + 1));
}

static void acquire_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_permits_join(&((Semaphore *)lua_touserdata(L, i))->k, w, wanted(L, i + 1));
}

const Op weirL_acquire_op = {"acquire", acquire_poll, acquire_ready, acquire_enter, NULL,
                             false};

static void check_wanted (lua_State *L) {
  if (!lua_isnoneornil(L, 2)) {
    lua_pushinteger(L, weirL_integer(L, 2, 0, WEIR_CAPACITY_MAX));
    lua_replace(L, 2);
  }
}

/* s:acquire([n [, timeout]]) -> a permit / nil, "closed" / nil, "timeout" */
static int semaphore_acquire (lua_State *L) {
  Semaphore *s = semaphore(L);
  check_wanted(L);
  return weirL_await(L, s->S, &weirL_acquire_op, 3, semaphore_acquire);
}

/* s:try_acquire([n]) -> a permit / nil, "full" / nil, "closed" */
static int semaphore_try_acquire (lua_State *L) {
  int n;
  semaphore(L);
  check_wanted(L);
  lua_settop(L, 2);
  n = acquire_poll(L, 1, NULL);
  return n == WEIR_PENDING ? weirL_reason(L, "full") : n;
}

/* s:available() -> what a try_acquire could take, were it open */
static int semaphore_available (lua_State *L) {
  lua_pushinteger(L, weir_permits_available(&semaphore(L)->k));
  return 1;
}

/* s:add_permits(n) */
static int semaphore_add_permits (lua_State *L) {
  Semaphore *s = semaphore(L);
  lua_Integer n = weirL_integer(L, 2, 0, WEIR_CAPACITY_MAX);
  if (n > (lua_Integer)WEIR_CAPACITY_MAX - s->total)
    weirL_argerror(L, 2, lua_pushfstring(L, "a semaphore has at most %d permits, this one has %d "
                                        "already", (int)WEIR_CAPACITY_MAX, (int)s->total));
  s->total += (uint32_t)n;
  weir_permits_give(&s->k, (uint32_t)n);
  weirL_notice(L, s->S);
  return weirL_true(L);
}

/* s:forget_permits(n) -> how many were there to forget */
static int semaphore_forget_permits (lua_State *L) {
  Semaphore *s = semaphore(L);
  uint32_t n = (uint32_t)weirL_integer(L, 2, 0, WEIR_CAPACITY_MAX);
  n = weir_permits_forget(&s->k, n);
  s->total -= n;
  lua_pushinteger(L, n);
  return 1;
}

/* s:close(): refuses those who wait; what was granted stays granted */
static int semaphore_close (lua_State *L) {
  Semaphore *s = semaphore(L);
  s->closed = true;
  weir_line_tell_all(&s->k.line);
  weirL_notice(L, s->S);
  return weirL_true(L);
}

static int semaphore_is_closed (lua_State *L) {
  lua_pushboolean(L, semaphore(L)->closed);
  return 1;
}

int weirL_semaphore_fill (const Object *o, char *text, size_t size) {
  const Semaphore *s = (const Semaphore *)o;
  return snprintf(text, size, "%s%u of %u free", s->closed ? "closed, " : "",
                  (unsigned)weir_permits_available(&s->k), (unsigned)s->total);
}

/* ---- permits -------------------------------------------------------------- */

static Permit *semaphore_permit (lua_State *L, int i) {
  return (Permit *)weirL_handle_check(L, i, SEMAPHORE_PERMIT);
}

static void semaphore_give_back (Permit *p) {
  uint32_t n = p->n;
  p->n = 0;
  if (n > 0) weir_permits_give(&((Semaphore *)p->h.end)->k, n);
}

void weirL_semaphore_permit_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L;
  (void)S;
  (void)i;
  semaphore_give_back((Permit *)h);
}

/* p:release(): the same as dropping it */
static int semaphore_permit_release (lua_State *L) {
  const Object *o = weirL_object(L, 1);
  if (o == NULL || weirL_kindof(o) != SEMAPHORE_PERMIT)
    weirL_typeerror(L, 1, "SemaphorePermit");
  return weirL_handle_dropmethod(L);
}

/* p:forget(): its permits never come back */
static int permit_forget (lua_State *L) {
  Permit *p = semaphore_permit(L, 1);
  ((Semaphore *)p->h.end)->total -= p->n;
  p->n = 0;
  weirL_handle_spend(&p->h, SPENT_CLOSED);
  p->h.end = NULL;
  return weirL_true(L);
}

/* p:split(n) -> a permit that holds n of them */
static int permit_split (lua_State *L) {
  Permit *p = semaphore_permit(L, 1), *part;
  lua_Integer n = weirL_integer(L, 2, 0, WEIR_CAPACITY_MAX);
  Semaphore *s = (Semaphore *)p->h.end;
  if (n > (lua_Integer)p->n)
    weirL_argerror(L, 2, lua_pushfstring(L, "this permit holds %d, not %I", (int)p->n, n));
  lua_getiuservalue(L, 1, 1);
  part = (Permit *)weirL_handle_new(L, s->S, SEMAPHORE_PERMIT, -1, s);
  weirL_still_live(L, s->S);
  if (n > (lua_Integer)p->n)                    /* a finalizer was here */
    return weirL_error(L, "this permit was split or merged meanwhile");
  part->n = (uint32_t)n;
  p->n -= (uint32_t)n;
  weirL_handle_own(L, s->S, &part->h, -1);
  return 1;
}

/* p:merge(q): q's permits become p's, q is spent */
static int permit_merge (lua_State *L) {
  Permit *p = semaphore_permit(L, 1), *q = semaphore_permit(L, 2);
  if (p == q) weirL_argerror(L, 2, "a permit cannot be merged with itself");
  if (p->h.end != q->h.end)
    weirL_argerror(L, 2, "the permit is of another semaphore: only permits of one can be merged");
  p->n += q->n;
  q->n = 0;
  weirL_handle_spend(&q->h, SPENT_CLOSED);
  q->h.end = NULL;
  return weirL_true(L);
}

static int permit_count (lua_State *L) {
  lua_pushinteger(L, semaphore_permit(L, 1)->n);
  return 1;
}

/* weir.semaphore(n) */
static int new_semaphore (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  uint32_t n = (uint32_t)weirL_integer(L, 1, 0, WEIR_CAPACITY_MAX);
  Semaphore *s = (Semaphore *)weirL_new(L, S, SEMAPHORE, sizeof(Semaphore), 0);
  s->S = S;
  s->total = n;
  weir_permits_init(&s->k, n, NULL);
  return 1;
}

void weirL_open_semaphore (lua_State *L, int S) {
  static const luaL_Reg methods[] = {{"acquire", semaphore_acquire},
    {"try_acquire", semaphore_try_acquire}, {"available", semaphore_available},
    {"add_permits", semaphore_add_permits}, {"forget_permits", semaphore_forget_permits},
    {"close", semaphore_close}, {"is_closed", semaphore_is_closed}, {NULL, NULL}};
  static const luaL_Reg permit_methods[] = {{"release", semaphore_permit_release},
    {"forget", permit_forget}, {"split", permit_split}, {"merge", permit_merge},
    {"count", permit_count}, {NULL, NULL}};
  weirL_register(L, S, SEMAPHORE, methods, NULL);
  weirL_register(L, S, SEMAPHORE_PERMIT, permit_methods, NULL);
  weirL_setfunc(L, S, "semaphore", new_semaphore);
}
