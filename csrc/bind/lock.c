/* SPDX-License-Identifier: MIT */
/*
** lock.c -- mutex and rwlock: a value, and the right to use it.
**
**   Mutex   one permit           a guard holds it
**   RwLock  EVERYBODY permits    a read guard holds one, a write guard all
**           user value 1: the value
**
** Both stand in one line, so a writer that waits stops the readers after it.
*/
#include <stdio.h>

#include "bind.h"

enum { EVERYBODY = 0x1fffffff };

typedef struct Lock {             /* one way of taking a lock */
  KindId lock, guard;
  uint32_t need;
} Lock;

static const Lock mutex_lock = {MUTEX, MUTEX_GUARD, 1};
static const Lock read_lock = {RWLOCK, READ_GUARD, 1};
static const Lock write_lock = {RWLOCK, WRITE_GUARD, EVERYBODY};

/* The lock is at index i. Pushes a guard. */
static int lock_take (lua_State *L, int i, weir_Waiter *won, const Lock *how) {
  Semaphore *s = (Semaphore *)lua_touserdata(L, i);
  bool held = won != NULL && won->owns;
  Handle *guard;
  if (!held && !weir_permits_ready(&s->k, how->need)) return WEIR_PENDING;
  guard = weirL_handle_new(L, s->S, how->guard, i, NULL);
  if (held) weir_permits_take(won);
  else if (!weir_permits_try(&s->k, how->need)) {       /* a finalizer was here */
    lua_pop(L, 1);
    return WEIR_PENDING;
  }
  guard->end = s;
  weirL_handle_own(L, s->S, guard, -1);
  return 1;
}

static int mutex_take (lua_State *L, int i, weir_Waiter *won) {
  return lock_take(L, i, won, &mutex_lock);
}
static int read_take (lua_State *L, int i, weir_Waiter *won) {
  return lock_take(L, i, won, &read_lock);
}
static int write_take (lua_State *L, int i, weir_Waiter *won) {
  return lock_take(L, i, won, &write_lock);
}

static int mutex_poll (lua_State *L, int i, weir_Waiter *won) {
  return weirL_with_grant(L, i, 1, won, mutex_take);
}
static int read_poll (lua_State *L, int i, weir_Waiter *won) {
  return weirL_with_grant(L, i, 1, won, read_take);
}
static int write_poll (lua_State *L, int i, weir_Waiter *won) {
  return weirL_with_grant(L, i, 1, won, write_take);
}

static bool one_ready (lua_State *L, int i) {
  return weir_permits_ready(&((Semaphore *)lua_touserdata(L, i))->k, 1);
}
static bool lock_all_ready (lua_State *L, int i) {
  return weir_permits_ready(&((Semaphore *)lua_touserdata(L, i))->k, EVERYBODY);
}

static void one_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_permits_join(&((Semaphore *)lua_touserdata(L, i))->k, w, 1);
}
static void all_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_permits_join(&((Semaphore *)lua_touserdata(L, i))->k, w, EVERYBODY);
}

static const Op mutex_op = {"lock", mutex_poll, one_ready, one_enter, NULL, false};
static const Op read_op = {"read", read_poll, one_ready, one_enter, NULL, false};
static const Op write_op = {"write", write_poll, lock_all_ready, all_enter, NULL, false};

/* m:lock([timeout]) -> guard / nil, "timeout"; likewise rw:read, rw:write */
static int mutex_lock_it (lua_State *L) {
  const Semaphore *s = (Semaphore *)weirL_check(L, 1, MUTEX);
  return weirL_await(L, s->S, &mutex_op, 2, mutex_lock_it);
}
static int rwlock_read (lua_State *L) {
  const Semaphore *s = (Semaphore *)weirL_check(L, 1, RWLOCK);
  return weirL_await(L, s->S, &read_op, 2, rwlock_read);
}
static int rwlock_write (lua_State *L) {
  const Semaphore *s = (Semaphore *)weirL_check(L, 1, RWLOCK);
  return weirL_await(L, s->S, &write_op, 2, rwlock_write);
}

/* m:try_lock() -> guard / nil, "full"; likewise rw:try_read, rw:try_write */
static int try_take (lua_State *L, const Lock *how) {
  int n;
  weirL_check(L, 1, how->lock);
  n = lock_take(L, 1, NULL, how);
  return n == WEIR_PENDING ? weirL_reason(L, "full") : n;
}
static int mutex_try_lock (lua_State *L) { return try_take(L, &mutex_lock); }
static int rwlock_try_read (lua_State *L) { return try_take(L, &read_lock); }
static int rwlock_try_write (lua_State *L) { return try_take(L, &write_lock); }

/* ---- guards --------------------------------------------------------------- */

static void give (Handle *h, uint32_t n) {
  Semaphore *s = (Semaphore *)h->end;
  if (s != NULL) weir_permits_give(&s->k, n);   /* NULL: it never had any */
}

void weirL_mutex_guard_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L; (void)S; (void)i;
  if (h->end != NULL && weirL_kindof((const Object *)h->end) == ONCE)
    weir_once_end(&((Once *)h->end)->k);
  else give(h, 1);
}
void weirL_read_guard_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L; (void)S; (void)i;
  give(h, 1);
}
void weirL_write_guard_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  (void)L; (void)S; (void)i;
  give(h, EVERYBODY);
}

/* any live guard at index 1 */
static Handle *guard (lua_State *L) {
  const Object *o = weirL_object(L, 1);
  KindId k = o == NULL ? MUTEX_GUARD : weirL_kindof(o);
  return (Handle *)weirL_handle_check(L, 1, k == READ_GUARD || k == WRITE_GUARD ? k
                                            : MUTEX_GUARD);
}

static int guard_get (lua_State *L) {
  guard(L);
  lua_getiuservalue(L, 1, 1);
  lua_getiuservalue(L, -1, 1);
  return 1;
}

static int guard_set (lua_State *L) {
  const Handle *h = guard(L);
  if (weirL_kindof(&h->o) == READ_GUARD)
    return weirL_error(L, "a read guard cannot set the value: others may read it now; use "
                       "rw:write()");
  weirL_checkany(L, 2);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  return weirL_true(L);
}

/* guard:unlock(): the same as dropping it */
static int guard_unlock (lua_State *L) {
  const Object *o = weirL_object(L, 1);
  KindId k = o != NULL ? weirL_kindof(o) : KINDS;
  if (k != MUTEX_GUARD && k != READ_GUARD && k != WRITE_GUARD)
    weirL_typeerror(L, 1, "MutexGuard");
  return weirL_handle_dropmethod(L);
}

/* ---- making --------------------------------------------------------------- */

static int new_lock (lua_State *L, KindId k, uint32_t permits) {
  Scheduler *S = weirL_scheduler(L);
  Semaphore *s;
  lua_settop(L, 1);
  s = (Semaphore *)weirL_new(L, S, k, sizeof(Semaphore), 1);
  s->S = S;
  s->total = permits;
  weir_permits_init(&s->k, permits, NULL);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

/* weir.mutex([value]) */
static int mutex (lua_State *L) { return new_lock(L, MUTEX, 1); }

/* weir.rwlock([value]) */
static int rwlock (lua_State *L) { return new_lock(L, RWLOCK, EVERYBODY); }

int weirL_mutex_fill (const Object *o, char *text, size_t size) {
  return snprintf(text, size, "%s", ((const Semaphore *)o)->k.free > 0 ? "free" : "locked");
}

int weirL_rwlock_fill (const Object *o, char *text, size_t size) {
  const Semaphore *s = (const Semaphore *)o;
  if (s->k.free == EVERYBODY) return snprintf(text, size, "free");
  if (s->k.free == 0) return snprintf(text, size, "locked for writing");
  return snprintf(text, size, "%u reading", (unsigned)(EVERYBODY - s->k.free));
}

void weirL_open_lock (lua_State *L, int S) {
  static const luaL_Reg mutex_methods[] = {{"lock", mutex_lock_it},
    {"try_lock", mutex_try_lock}, {NULL, NULL}};
  static const luaL_Reg rwlock_methods[] = {{"read", rwlock_read}, {"write", rwlock_write},
    {"try_read", rwlock_try_read}, {"try_write", rwlock_try_write}, {NULL, NULL}};
  static const luaL_Reg guard_methods[] = {{"get", guard_get}, {"set", guard_set},
    {"unlock", guard_unlock}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"mutex", mutex}, {"rwlock", rwlock}, {NULL, NULL}};
  weirL_register(L, S, MUTEX, mutex_methods, NULL);
  weirL_register(L, S, RWLOCK, rwlock_methods, NULL);
  weirL_register(L, S, MUTEX_GUARD, guard_methods, NULL);
  weirL_register(L, S, READ_GUARD, guard_methods, NULL);
  weirL_register(L, S, WRITE_GUARD, guard_methods, NULL);
  weirL_setfuncs(L, S, functions);
}
