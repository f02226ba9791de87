/* SPDX-License-Identifier: MIT */
/*
** select.c -- wait for several things; exactly one takes effect.
**
** Two passes over the table of branches:
**   look    each branch is checked and asked whether it is ready; one of the
**           ready ones is drawn (uniformly; biased: the first) and takes effect
**   stand   none was: the branches go onto the stack, five slots each, and stand
**           in their lines; the first to be granted or told wins, and the
**           others have left their lines before anything else happens
**
**   stack of a waiting select:  1 branches  2 timeout  3 ...
**                               3 + 5b: key, object, value, function, flags
**
** X1  a branch that loses has taken nothing and sent nothing
** X2  branch b of the Parking is the b-th group on the stack
** X3  nothing is allocated by a select that is ready at once
**
** A large array that was looked at before is only sampled: a branch drawn at
** random that is ready is as fairly drawn as one out of all that are. (It is known by its
** address, length and last key. At worst it is another table meanwhile: then a branch of
** another key is not seen as long as others are ready.)
**
** Long because taking a branch apart, looking and standing share the layout
** of the stack drawn above.
*/
#include <assert.h>

#include "bind.h"

enum { MODE_FAIR, MODE_BIASED, MODE_TRY };
enum { BASE = 3, GROUP = 5, KEY = 0, OBJECT, VALUE, MAP, FLAGS };
enum { PEEK = 1 };                /* the branch wins without taking anything */
enum { SAMPLES = 6, SAMPLED_FROM = 8 };

static const char peek_key;       /* its address is core.READY */

/* One branch, taken apart: pushed as object, value, function (nil: none). */
typedef struct Branch {
  const Op *op;                   /* NULL: disabled */
  bool peek;
  bool composite;                 /* a stream: Lua has to select */
} Branch;

/* ---- taking a branch apart ------------------------------------------------ */

/* The error for a branch. Its key is at index `key`. */
WEIR_COLD static void bad_branch (lua_State *L, int key, const char *why) {
  const char *name = luaL_tolstring(L, key, NULL);
  weirL_argerror(L, 1, lua_pushfstring(L, "branch '%s' %s", name, why));
}

/* How the awaitable at index i is waited for; NULL: it is none. */
static const Op *op_of (lua_State *L, int i, int key, bool *composite) {
  Object *o = lua_type(L, i) == LUA_TUSERDATA ? weirL_object(L, i) : NULL;
  KindId k;
  if (o == NULL) return NULL;
  k = weirL_kindof(o);
  if (!weirL_live(o)) weirL_badspent(L, i, (Handle *)o);
  if (k == BOX) {
    bool yes = lua_getmetatable(L, i) && lua_getfield(L, -1, "composite") != LUA_TNIL;
    lua_pop(L, 2);
    if (!yes) return NULL;
    *composite = true;
    return &weirL_timer_op;                     /* any: it is never asked */
  }
  (void)key;
  return weirL_kinds[k].op;
}

static bool is_sender_kind (const Object *o) {
  KindId k = weirL_kindof(o);
  return k == MPSC_SENDER || k == MPMC_SENDER;
}

/* A broadcast sender that waits for room is one that can wait too. */
static const Op *send_op_of (lua_State *L, int i) {
  const Object *o = weirL_object(L, i);
  if (o == NULL) return NULL;
  if (is_sender_kind(o)) return &weirL_send_op;
  if (weirL_kindof(o) == BROADCAST_SENDER && weirL_broadcast_waits(o))
    return &weirL_broadcast_send_op;
  return NULL;
}

/* The pair { sender, value } at index t. Pushes sender, value. */
static const Op *take_send (lua_State *L, int t, int key) {
  const Op *op = send_op_of(L, -1);
  const Object *o = weirL_object(L, -1);
  if (!weirL_live(o)) weirL_badspent(L, -1, (const Handle *)o);
  lua_rawgeti(L, t, 2);
  if (lua_isnil(L, -1)) bad_branch(L, key, "sends nil: nil is no message");
  if (op == &weirL_send_op || op == &weirL_broadcast_send_op) {
    const Handle *h = weirL_handle(L, -1);
    if (h != NULL && op == &weirL_broadcast_send_op)
      bad_branch(L, key, "sends a handle by broadcast: it would have many owners");
    if (h != NULL && !weirL_live(h)) weirL_badspent(L, -1, h);
  }
  return op;
}

/*
** Take the branch on top apart. [-1, +3, e]: object, value, function.
*/
static Branch take_apart (lua_State *L, int key) {
  Branch b = {NULL, false, false};
  int at = lua_gettop(L);
  if (lua_type(L, at) == LUA_TUSERDATA) {
    b.op = op_of(L, at, key, &b.composite);
    if (b.op == NULL) bad_branch(L, key, "is not awaitable");
    lua_pushnil(L);
    lua_pushnil(L);
    return b;
  }
  if (lua_type(L, at) == LUA_TBOOLEAN && !lua_toboolean(L, at)) {
    lua_pushnil(L);                             /* disabled */
    lua_pushnil(L);
    return b;
  }
  if (lua_type(L, at) != LUA_TTABLE)
    bad_branch(L, key, lua_pushfstring(L, "is a %s: an awaitable, { sender, value }, "
                                       "{ awaitable, function } or false expected",
                                       luaL_typename(L, at)));
  if (lua_rawgeti(L, at, 1) == LUA_TUSERDATA && send_op_of(L, -1) != NULL) {
    b.op = take_send(L, at, key);               /* branch; sender; value */
    lua_remove(L, at);
    lua_pushnil(L);
    return b;
  }
  lua_rawgeti(L, at, 2);                        /* branch; first; second */
  if (lua_touserdata(L, -1) == (const void *)&peek_key) {
    lua_pop(L, 1);
    b.op = op_of(L, at + 1, key, &b.composite);
    b.peek = true;
    if (b.op == NULL) bad_branch(L, key, "is not awaitable");
    lua_remove(L, at);
    lua_pushnil(L);
    lua_pushnil(L);
    return b;
  }
  if (lua_type(L, at + 1) == LUA_TBOOLEAN && !lua_toboolean(L, at + 1)) {
    lua_settop(L, at);                          /* { false, f }: disabled */
    lua_pushnil(L);
    lua_pushnil(L);
    return b;
  }
  if (lua_type(L, at + 2) != LUA_TFUNCTION)
    bad_branch(L, key, "is a table: { sender, value } or { awaitable, function } expected");
  if (lua_type(L, at + 1) == LUA_TTABLE) {      /* { { sender, value }, f } */
    if (lua_rawgeti(L, at + 1, 1) != LUA_TUSERDATA || send_op_of(L, -1) == NULL)
      bad_branch(L, key, "maps something that is not awaitable");
    b.op = take_send(L, at + 1, key);           /* branch; pair; f; sender; value */
    lua_pushvalue(L, at + 2);                   /* ...; sender; value; f */
    lua_replace(L, at + 2);
    lua_replace(L, at + 1);
    lua_replace(L, at);                         /* sender; value; f ... */
    return b;
  }
  b.op = op_of(L, at + 1, key, &b.composite);
  if (b.op == NULL) bad_branch(L, key, "is not awaitable");
  lua_remove(L, at);                            /* object; f */
  lua_pushnil(L);
  lua_insert(L, -2);
  return b;
}

/* ---- taking effect -------------------------------------------------------- */

static int map_k (lua_State *L, int status, lua_KContext ctx) {
  int from = (int)ctx;
  (void)status;
  return lua_gettop(L) - from + 1;
}

/* A branch wins: key at index k, object at o, function at f. Returns the number of
** results, or WEIR_PENDING if it was a false alarm. */
static int effect (lua_State *L, const Op *op, bool peek, int k, int o, int f,
                   weir_Waiter *won) {
  int n, top;
  bool maps = lua_type(L, f) == LUA_TFUNCTION;
  lua_checkstack(L, LUA_MINSTACK);
  if (peek) {
    if (!op->ready(L, o)) return WEIR_PENDING;
    lua_pushvalue(L, k);
    lua_pushboolean(L, 1);
    return 2;
  }
  top = lua_gettop(L);
  n = op->poll(L, o, won);
  if (won != NULL) won->parking->won = NULL;    /* taken: f may wait for something else */
  if (n == WEIR_PENDING) {
    lua_settop(L, top);
    return WEIR_PENDING;
  }
  lua_checkstack(L, 4);
  if (maps) {
    lua_pushvalue(L, f);
    lua_insert(L, -n - 1);                      /* ...; f; results */
    lua_pushvalue(L, k);
    lua_insert(L, -n - 2);                      /* ...; key; f; results */
    top = lua_gettop(L) - n - 1;                /* the key */
    lua_callk(L, n, LUA_MULTRET, top, map_k);
    return lua_gettop(L) - top + 1;
  }
  lua_pushvalue(L, k);
  lua_insert(L, -n - 1);
  return n + 1;
}

/* ---- standing in line ----------------------------------------------------- */

static int select_k (lua_State *L, int status, lua_KContext ctx);

/* Where branch b stands on the stack, and what it is. `n` is negative for an
** array of plain awaitables: one slot each, the key is the index. */
typedef struct Standing {
  const Op *op;
  int object, key, map;           /* stack indices; key, map 0: a plain awaitable */
  bool peek;
} Standing;

static inline Standing standing (lua_State *L, bool plain, uint32_t b) {
  Standing s = {NULL, BASE + (int)b, 0, 0, false};
  if (plain) {
    s.op = weirL_kinds[weirL_kindof((Object *)lua_touserdata(L, s.object))].op;
    return s;
  }
  s.key = BASE + (int)b * GROUP + KEY;
  s.object = s.key + OBJECT;
  s.map = s.key + MAP;
  s.op = (const Op *)lua_touserdata(L, s.key + FLAGS);
  s.peek = lua_touserdata(L, s.key + VALUE) == (const void *)&peek_key;
  return s;
}

/* All branches on the stack stand in line. */
static int select_stand (lua_State *L, Task *t, bool plain, uint32_t n, bool again) {
  weir_Waiter *w = weirL_branches(L, t, n);
  lua_KContext ctx = (lua_KContext)n;
  uint32_t b;
  weir_park(&t->parking, w, n);
  for (b = 0; b < n; b++) {
    Standing s = standing(L, plain, b);
    w[b].again = again;
    s.op->enter(L, s.object, &w[b]);
  }
  t->op = NULL;
  return weirL_park(L, t, plain ? -ctx : ctx, select_k);
}

/* Branch b takes effect, or was a false alarm. */
static int branch_effect (lua_State *L, bool plain, uint32_t b, weir_Waiter *won) {
  Standing s = standing(L, plain, b);
  if (!plain) return effect(L, s.op, s.peek, s.key, s.object, s.map, won);
  lua_pushnil(L);                               /* right above the last object: no value of its */
  lua_pushinteger(L, (lua_Integer)b + 1);
  return effect(L, s.op, false, lua_gettop(L), s.object, lua_gettop(L) - 1, won);
}

WEIR_COLD static int ended (lua_State *L) {
  return weirL_error(L, "select ended: the handle of a branch was moved or dropped while a task "
                     "waited on it");
}

static int select_k (lua_State *L, int status, lua_KContext ctx) {
  Scheduler *S = weirL_scheduler(L);
  Task *t = S->current;
  bool plain = ctx < 0, limited, spent;
  uint32_t n = (uint32_t)(plain ? -ctx : ctx), b;
  int top = BASE + (int)n * (plain ? 1 : GROUP) - 1, r;
  weir_Waiter *won = t->parking.won;
  const Handle *through = won != NULL ? (const Handle *)won->through : NULL;
  (void)status;
  spent = through != NULL && !weirL_live(through);
  weirL_wait_over(t);
  if (WEIR_UNLIKELY(spent)) {
    weirL_cut_short(L, t);
    return ended(L);
  }
  if (won == NULL) {
    t->timed_out = false;
    return weirL_reason(L, "timeout");
  }
  limited = weir_deadline_set(&t->due) || t->timed_out;
  weir_deadlines_stop(&S->deadlines, &t->due);
  t->timed_out = false;
  b = (uint32_t)(won - t->parking.branch);
  if (standing(L, plain, b).peek) weir_unpark(&t->parking);  /* what it won is the next's */
  r = branch_effect(L, plain, b, won);
  t->parking.won = NULL;
  if (r != WEIR_PENDING) return r;
again:                                          /* a false alarm */
  lua_settop(L, top);
  if (limited) weirL_deadline_room(L, S);
  for (b = 0; b < n; b++) {                     /* do all still stand? */
    Standing s = standing(L, plain, b);
    if (!weirL_live(lua_touserdata(L, s.object))) return ended(L);
  }
  for (b = 0; b < n; b++) {                     /* is another ready? */
    Standing s = standing(L, plain, b);
    if (!s.op->ready(L, s.object)) continue;
    r = branch_effect(L, plain, b, NULL);
    if (r != WEIR_PENDING) return r;
    lua_settop(L, top);
  }
  if (limited) {
    if (weirL_clock(S) >= t->due.when) return weirL_reason(L, "timeout");
    if (!weirL_deadline_fits(S)) goto again;    /* a finalizer was here */
    weir_deadlines_start(&S->deadlines, &t->due, t->due.when, DUE_WAIT);
  }
  return select_stand(L, t, plain, n, true);
}

/* Put the branch whose key and value are on top onto the stack as a group.
** [-1, +4, e]: the key stays. False: it is disabled, and gone. */
static bool push_group (lua_State *L) {
  int key = lua_gettop(L) - 1;
  Branch b;
  luaL_checkstack(L, GROUP + LUA_MINSTACK, "too many branches");
  b = take_apart(L, key);                       /* key; object; value; function */
  if (b.op == NULL) {
    lua_settop(L, key - 1);
    return false;
  }
  if (b.peek) {
    lua_pushlightuserdata(L, (void *)&peek_key);
    lua_replace(L, key + VALUE);
  }
  lua_pushlightuserdata(L, (void *)b.op);
  if (b.composite) bad_branch(L, key, "was changed by a finalizer");
  if (b.op->guard != NULL) b.op->guard(L, key + OBJECT);
  return true;
}

/* ---- looking -------------------------------------------------------------- */

/* A plain awaitable: an object, and how it is waited for (NULL: look at it closely). */
typedef struct Plain {
  const Op *op;
  Mpsc *c;                        /* of a receiver */
} Plain;

static inline Plain plain_at (lua_State *L, int i) {
  const Object *o = (const Object *)lua_touserdata(L, i);
  size_t size = o != NULL ? (size_t)lua_rawlen(L, i) : 0;
  Plain p = {NULL, NULL};
  KindId k;
  if (size < sizeof(Object)) return p;
  k = weirL_kindof(o);
  if (o->tag != (TAG_LIVE | (uint32_t)k) || k >= KINDS || k == BOX) return p;
  if (k < BOX ? size != weirL_kinds[k].size : weirL_object(L, i) == NULL) return p;
  p.op = weirL_kinds[k].op;
  if (p.op == &weirL_recv_op) p.c = (Mpsc *)((const Handle *)o)->end;
  return p;
}

static inline bool plain_ready (lua_State *L, Plain p, int i) {
  if (p.c == NULL) return p.op->ready(L, i);
  return weir_permits_ready(&p.c->k.items, 1) || weir_mpsc_over(&p.c->k);
}

/* The branch whose key and value are on top: is it ready? [-1, +0, e] */
static bool look (lua_State *L, bool *enabled, bool *composite) {
  int key = lua_gettop(L) - 1;
  Plain p = plain_at(L, key + 1);
  bool ready = false;
  Branch b;
  if (WEIR_LIKELY(p.op != NULL)) {
    *enabled = true;
    ready = plain_ready(L, p, key + 1);
    lua_settop(L, key);
    return ready;
  }
  b = take_apart(L, key);
  if (b.op != NULL) {
    *enabled = true;
    if (b.composite) *composite = true;
    else ready = b.op->ready(L, key + 1);
  }
  lua_settop(L, key);
  return ready;
}

/* The branch with the key on top takes effect. [-1, +n, e] */
static int win (lua_State *L) {
  int key = lua_gettop(L);
  Plain p;
  Branch b;
  lua_pushvalue(L, key);
  lua_rawget(L, 1);
  p = plain_at(L, key + 1);
  if (WEIR_LIKELY(p.c != NULL && weir_permits_ready(&p.c->k.items, 1))) {
    weirL_take_first(L, key + 1, p.c);
    lua_replace(L, key + 1);
    return 2;
  }
  b = take_apart(L, key);
  return effect(L, b.op, b.peek, key, key + 1, key + 3, NULL);
}

/* The awaitable p at index i, branch k of an array, takes effect: it is ready. */
static int win_plain (lua_State *L, Plain p, int i, lua_Integer k) {
  int n;
  if (p.c != NULL && weir_permits_ready(&p.c->k.items, 1)) {
    lua_pushinteger(L, k);
    weirL_take_first(L, i, p.c);
    return 2;
  }
  n = p.op->poll(L, i, NULL);
  if (n == WEIR_PENDING) return n;
  lua_pushinteger(L, k);
  lua_insert(L, -n - 1);
  return n + 1;
}

enum { CLOSELY = -2, KEPT = 8 };

/* Where it is kept what is known of the table at index 1. */
static Known *known (lua_State *L, Scheduler *S) {
  const void *table = lua_topointer(L, 1);
  Known *k = &S->known[((uintptr_t)table >> 6 ^ (uintptr_t)table >> 10) % KNOWN];
  if (k->table != table) {
    k->table = table;
    k->n = 0;
  }
  return k;
}

/* Draw one of a large array until it is ready, a few times. */
static int sample (lua_State *L, Scheduler *S, Known *k) {
  int i;
  for (i = 0; i < SAMPLES; i++) {
    uint32_t drawn = weirL_random(S, k->n) + 1;
    Plain p;
    lua_rawgeti(L, 1, drawn);
    p = plain_at(L, 3);
    if (p.op == NULL) k->plain = false;         /* it was changed: all have to be looked at */
    else if (plain_ready(L, p, 3)) return win_plain(L, p, 3, drawn);
    lua_settop(L, 2);
    if (!k->plain) break;
  }
  return WEIR_PENDING;
}

/* How far an array was looked at. */
typedef struct Looked {
  uint32_t n;                     /* branches 1 .. n */
  uint32_t ready, chosen;         /* so many of them are ready; this one was drawn */
} Looked;

/*
** Look at an array of n plain awaitables. The number of results if one took
** effect, WEIR_PENDING if none is ready, CLOSELY if there are other branches
** (*seen says where). A few are left on the stack meanwhile.
*/
static int look_plain (lua_State *L, Scheduler *S, Known *kept, uint32_t n, bool biased,
                       Looked *seen) {
  uint32_t i, ready = 0, chosen = 0;
  Plain drawn = {NULL, NULL};
  for (i = 1; i <= n; i++) {
    int at = n <= KEPT ? 2 + (int)i : 3;
    Plain p;
    lua_rawgeti(L, 1, i);
    p = plain_at(L, at);
    if (p.op == NULL) {
      seen->n = i - 1;
      seen->ready = ready;
      seen->chosen = chosen;
      return CLOSELY;
    }
    if (plain_ready(L, p, at) && (++ready == 1 || (!biased && weirL_random(S, ready) == 0))) {
      chosen = i;
      drawn = p;
    }
    if (n > KEPT) lua_settop(L, 2);
  }
  kept->plain = true;
  if (ready == 0) return WEIR_PENDING;
  if (n <= KEPT) return win_plain(L, drawn, 2 + (int)chosen, chosen);
  lua_rawgeti(L, 1, chosen);
  return win_plain(L, drawn, 3, chosen);
}

/* Are the keys of the table at index 1 just 1 .. n, in that order? [-0, +0, -] */
static bool in_step (lua_State *L, lua_Unsigned n) {
  lua_Unsigned i;
  lua_pushnil(L);
  for (i = 1; lua_next(L, 1); i++) {
    lua_pop(L, 1);
    if (i > n || !lua_isinteger(L, -1) || (lua_Unsigned)lua_tointeger(L, -1) != i) {
      lua_pop(L, 1);
      return false;
    }
  }
  return true;
}

/* The length of the table at index 1, if it is an array without holes and other keys; else 0.
** *sure: all its keys were looked at, now; else it was one when it was looked at last. */
static uint32_t array_length (lua_State *L, Known *k, bool *sure) {
  lua_Unsigned n = lua_rawlen(L, 1);
  *sure = n != k->n;
  if (n == 0 || n > WEIR_CAPACITY_MAX) return 0;
  if (*sure) {
    if (!in_step(L, n)) return 0;
    k->n = (uint32_t)n;
    k->plain = false;
    return k->n;
  }
  lua_pushinteger(L, (lua_Integer)n);
  if (lua_next(L, 1) == 0) return k->n;         /* the last: no other key behind it */
  lua_pop(L, 2);
  k->n = 0;
  *sure = true;
  return 0;
}

/* The same for keys of any kind while orders are explored: in an order of keys that
** does not depend on where they lie in memory. */
WEIR_COLD static bool look_explored (lua_State *L, Scheduler *S, bool *enabled,
                                     bool *composite) {
  uint32_t ready = 0;
  lua_Integer i, n;
  int keys;
  weirL_explore_keys(L);
  keys = lua_gettop(L);
  n = (lua_Integer)lua_rawlen(L, keys);
  lua_pushnil(L);                               /* keys; chosen */
  for (i = 1; i <= n; i++) {
    lua_rawgeti(L, keys, i);
    lua_pushvalue(L, -1);
    lua_rawget(L, 1);                           /* keys; chosen; key; branch */
    if (look(L, enabled, composite) && (++ready == 1 || weirL_random(S, ready) == 0)) {
      lua_pushvalue(L, -1);
      lua_replace(L, -3);
    }
    lua_pop(L, 1);
  }
  lua_replace(L, keys);                         /* chosen */
  if (ready == 0) lua_pop(L, 1);
  return ready > 0;
}

/* Look at the branches that were not yet. Pushes the key of the one drawn, if any is ready. */
static bool look_all (lua_State *L, Scheduler *S, int mode, uint32_t n, Looked seen, bool *enabled,
                      bool *composite) {
  uint32_t ready = seen.ready;
  *enabled = seen.n > 0;
  if (mode == MODE_BIASED || n > 0) {           /* by index, holes allowed */
    uint32_t i, chosen = seen.chosen;
    for (i = seen.n + 1; i <= n; i++) {
      bool yes;
      lua_pushinteger(L, i);
      if (lua_rawgeti(L, 1, i) == LUA_TNIL) {
        lua_pop(L, 2);
        continue;
      }
      yes = look(L, enabled, composite);
      lua_pop(L, 1);
      if (!yes) continue;
      ready++;
      if (mode == MODE_BIASED ? ready == 1 : ready == 1 || weirL_random(S, ready) == 0)
        chosen = i;
    }
    if (ready == 0) return false;
    lua_pushinteger(L, chosen);
    return true;
  }
  if (WEIR_UNLIKELY(S->explore)) return look_explored(L, S, enabled, composite);
  lua_pushnil(L);                               /* chosen */
  lua_pushnil(L);
  while (lua_next(L, 1)) {                      /* chosen; key; branch */
    if (!look(L, enabled, composite)) continue; /* chosen; key */
    if (++ready > 1 && weirL_random(S, ready) > 0) continue;
    lua_copy(L, -1, -2);
  }
  if (ready > 0) return true;
  lua_pop(L, 1);
  return false;
}

/* ---- select --------------------------------------------------------------- */

static int composite_k (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L) - 2;
}

/* Streams among the branches: the function that weir.stream registered. */
static int composite_select (lua_State *L, int mode) {
  static const char *const modes[] = {"select", "biased", "try"};
  weirL_uv(L, UV_HOOKS);
  lua_rawgeti(L, -1, HOOK_COMPOSITE);
  lua_remove(L, -2);                            /* branches; timeout; f */
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_pushstring(L, modes[mode]);
  lua_callk(L, 3, LUA_MULTRET, 0, composite_k);
  return composite_k(L, LUA_OK, 0);
}

/* The highest integer key, for select_biased: holes are absent branches. */
static uint32_t biased_length (lua_State *L) {
  lua_Integer most = 0;
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1)
      weirL_argerror(L, 1, "select_biased takes an array: its order is the order of trying");
    if (lua_tointeger(L, -2) > most) most = lua_tointeger(L, -2);
    lua_pop(L, 1);
  }
  return most > WEIR_CAPACITY_MAX ? 0 : (uint32_t)most;
}

/* Push the n awaitables of the array at index 1. [-0, +n, m] */
static uint32_t push_plain (lua_State *L, uint32_t n) {
  uint32_t i;
  luaL_checkstack(L, (int)n + LUA_MINSTACK, "too many branches");
  for (i = 1; i <= n; i++) {
    const Op *op;
    lua_rawgeti(L, 1, i);
    op = plain_at(L, BASE + (int)i - 1).op;
    if (op == NULL) weirL_error(L, "the table of branches was changed by a finalizer");
    if (op->guard != NULL) op->guard(L, BASE + (int)i - 1);
  }
  return n;
}

/* Push a group for each branch of the table at index 1; n > 0: for its first n
** indices. How many. [-0, +?, e] */
static uint32_t push_groups (lua_State *L, uint32_t n) {
  uint32_t i, count = 0;
  for (i = 1; i <= n; i++) {
    luaL_checkstack(L, 4, "too many branches");
    lua_pushinteger(L, i);
    if (lua_rawgeti(L, 1, i) == LUA_TNIL) lua_pop(L, 2);
    else if (push_group(L)) count++;
  }
  if (n > 0) return count;
  lua_pushnil(L);
  while (lua_next(L, 1)) {                      /* groups...; key; branch */
    int at = lua_gettop(L) - 1;
    luaL_checkstack(L, 4, "too many branches");
    lua_pushvalue(L, at);
    lua_insert(L, at);                          /* key; key; branch */
    if (push_group(L)) count++;
    lua_pushvalue(L, at);
    lua_remove(L, at);                          /* group; key for lua_next */
  }
  return count;
}

static int select_mode (lua_State *L, int mode, lua_CFunction again) {
  Scheduler *S = weirL_scheduler(L);
  int top = lua_gettop(L);
  double seconds = mode == MODE_TRY ? 0 : top < 2 ? -1 : weirL_optseconds(L, 2);
  bool enabled = false, composite = false, found, plain = false, sure;
  Known *k;
  Looked seen = {0, 0, 0};
  uint32_t n, count = 0;
  Task *t;
  weirL_checktype(L, 1, LUA_TTABLE);
  if (WEIR_LIKELY(top == 1)) lua_pushnil(L);
  else lua_settop(L, 2);
  if (mode != MODE_TRY && weirL_spent(L, S)) return weirL_give_way(L, S, again);
  k = known(L, S);
  n = array_length(L, k, &sure);
  if (n > 0) {
    int r = WEIR_PENDING;
    if (n >= SAMPLED_FROM && k->plain && mode != MODE_BIASED && !S->explore) r = sample(L, S, k);
    if (r < 0) r = look_plain(L, S, k, n, mode == MODE_BIASED, &seen);
    if (r >= 0) {
      weirL_notice(L, S);
      return r;
    }
    lua_settop(L, 2);
    plain = r == WEIR_PENDING;
    if (!sure && !in_step(L, n)) {              /* another table, where that one was */
      plain = false;
      seen.n = seen.ready = 0;
      k->n = n = 0;
    }
    enabled = plain;
  }
  if (n == 0 && mode == MODE_BIASED) n = biased_length(L);
  found = !plain && look_all(L, S, mode, n, seen, &enabled, &composite);
  if (composite) {
    lua_settop(L, 2);
    return composite_select(L, mode);
  }
  if (found) {
    int r = win(L);
    if (r != WEIR_PENDING) {
      weirL_notice(L, S);
      return r;
    }
    lua_settop(L, 2);                           /* a finalizer took it from us */
  }
  else if (!enabled) return weirL_reason(L, "empty");
  if (mode == MODE_TRY) return weirL_reason(L, "empty");
  if (seconds == 0) return weirL_reason(L, "timeout");
  t = weirL_may_wait(L, S, mode == MODE_BIASED ? "select_biased" : "select");
  if (plain) count = push_plain(L, n);
  else count = push_groups(L, n);
  weirL_branches(L, t, count);                  /* may raise: before anything starts */
look_again:
  if (seconds > 0) weirL_deadline_room(L, S);
  for (n = 0; n < count; n++) {                 /* a finalizer may have been here */
    Standing s = standing(L, plain, n);
    int r;
    if (!weirL_live(lua_touserdata(L, s.object))) return ended(L);
    if (!s.op->ready(L, s.object)) continue;
    r = branch_effect(L, plain, n, NULL);
    if (r != WEIR_PENDING) return r;
  }
  if (seconds > 0 && !weirL_deadline_fits(S)) goto look_again;
  weirL_wait_start(t, seconds);
  return select_stand(L, t, plain, count, false);
}

/* weir.select(branches [, timeout]) -> which, results... */
static int select_fair (lua_State *L) { return select_mode(L, MODE_FAIR, select_fair); }

/* weir.select_biased(branches [, timeout]) */
static int select_biased (lua_State *L) {
  return select_mode(L, MODE_BIASED, select_biased);
}

/* weir.try_select(branches) */
static int try_select (lua_State *L) { return select_mode(L, MODE_TRY, try_select); }

/* core.on_composite(f): what selects when a stream is among the branches */
static int on_composite (lua_State *L) {
  weirL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  weirL_uv(L, UV_HOOKS);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, HOOK_COMPOSITE);
  return 0;
}

/* ---- weir.closed(tx) ------------------------------------------------------- */

static const Op *inner_op (const Closed *c) {
  return weirL_kinds[weirL_kindof(&c->tx->o)].closed;
}

static int select_closed_poll (lua_State *L, int i, weir_Waiter *won) {
  const Closed *c = (Closed *)lua_touserdata(L, i);
  if (!weirL_live(c->tx)) {
    lua_getiuservalue(L, i, 1);
    return weirL_badspent(L, -1, c->tx);
  }
  lua_getiuservalue(L, i, 1);
  return inner_op(c)->poll(L, lua_gettop(L), won);
}

static bool select_closed_ready (lua_State *L, int i) {
  const Closed *c = (Closed *)lua_touserdata(L, i);
  bool ready;
  if (!weirL_live(c->tx)) return true;          /* poll says why */
  lua_getiuservalue(L, i, 1);
  ready = inner_op(c)->ready(L, lua_gettop(L));
  lua_pop(L, 1);
  return ready;
}

static void select_closed_enter (lua_State *L, int i, weir_Waiter *w) {
  const Closed *c = (Closed *)lua_touserdata(L, i);
  lua_getiuservalue(L, i, 1);
  inner_op(c)->enter(L, lua_gettop(L), w);
  lua_pop(L, 1);
}

const Op weirL_closed_op = {"closed", select_closed_poll, select_closed_ready, select_closed_enter, NULL, false};

/* weir.closed(tx) -> an awaitable: the receiver of tx is closed or gone */
static int closed (lua_State *L) {
  Handle *h = weirL_handle(L, 1);
  Closed *c;
  if (h == NULL || weirL_kinds[weirL_kindof(&h->o)].closed == NULL)
    return weirL_typeerror(L, 1, "sender");
  if (!weirL_live(h)) weirL_badspent(L, 1, h);
  c = (Closed *)weirL_new(L, weirL_scheduler(L), CLOSED, sizeof(Closed), 1);
  c->tx = h;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

void weirL_open_select (lua_State *L, int S) {
  static const luaL_Reg functions[] = {{"select", select_fair},
    {"select_biased", select_biased}, {"try_select", try_select}, {"closed", closed},
    {"on_composite", on_composite}, {NULL, NULL}};
  weirL_register(L, S, CLOSED, NULL, NULL);
  weirL_setfuncs(L, S, functions);
  lua_pushlightuserdata(L, (void *)&peek_key);
  lua_setfield(L, -2, "READY");
}
