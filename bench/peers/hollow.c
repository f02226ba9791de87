/* SPDX-License-Identifier: MIT
**
** hollow.c -- the module's shape with next to nothing in it.
**
** Not a peer but a measure: what remains of each question when every function
** of weir is replaced by one that only carries the value. A channel is a ring
** of user values and two counters; nothing is checked, owned, lined up, closed,
** cut short or timed. A task that cannot go on gives way and looks again when
** its turn comes. What a question costs here is what the interpreter costs:
** loop, method calls, switches, and a Lua value put where the collector sees
** it. What weir costs beyond it is weir's own.
*/
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>

/* its user values are a ring of messages */
typedef struct Channel {
  lua_Integer sent, received, capacity;
} Channel;

/* an end of a channel, which is user value 1 */
typedef struct End {
  Channel *c;
  lua_Integer at; /* broadcast and watch: how far this receiver is */
} End;

typedef struct Task {
  lua_State *co;
  struct Task *next, *joiner;
  int slot, done, pass; /* pass: values on top of co for its next resume */
} Task;

typedef struct Reply { /* of a call() */
  Task *task;
} Reply;

enum { SLOTS = 4096 };

static lua_State *coroutines[SLOTS];
static int spare[SLOTS]; /* slots whose coroutine may be used again; what they keep alive is replaced then */
static int spares, slots;
static Task *first, **last = &first, *current;
static char threads, tasks; /* registry keys: slot -> what is kept alive there */

static void make_ready (Task *t) {
  t->next = NULL;
  *last = t;
  last = &t->next;
}

/* ---- tasks ---------------------------------------------------------------- */

static int spawn (lua_State *L) {
  Task *t = lua_newuserdatauv(L, sizeof *t, 1); /* its result */
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, -2);
  t->joiner = NULL;
  t->done = t->pass = 0;
  if (spares > 0) {
    t->slot = spare[--spares];
    t->co = coroutines[t->slot];
  } else {
    if (slots == SLOTS) return luaL_error(L, "too many tasks");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &threads);
    t->slot = slots++;
    t->co = coroutines[t->slot] = lua_newthread(L);
    lua_rawseti(L, -2, t->slot + 1);
    lua_pop(L, 1);
  }
  lua_pushvalue(L, 1);
  lua_xmove(L, t->co, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, t->slot + 1);
  lua_pop(L, 1);
  make_ready(t);
  return 1;
}

static void finish (lua_State *L, Task *t, int results) {
  if (results > 0) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks);
    lua_rawgeti(L, -1, t->slot + 1);
    lua_xmove(t->co, L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_pop(L, 2);
  }
  t->done = 1;
  lua_settop(t->co, 0);
  spare[spares++] = t->slot;
  if (t->joiner) make_ready(t->joiner);
}

static int run (lua_State *L) {
  Task *head;
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, spawn, 1);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  head = lua_touserdata(L, -1);
  while (!head->done) {
    int got, pass;
    Task *t = first;
    if (t == NULL) return luaL_error(L, "nothing can run");
    first = t->next;
    if (first == NULL) last = &first;
    current = t;
    pass = t->pass;
    t->pass = 0;
    switch (lua_resume(t->co, L, pass, &got)) {
      case LUA_OK: finish(L, t, got); break;
      case LUA_YIELD: break;
      default: lua_xmove(t->co, L, 1); return lua_error(L);
    }
  }
  return 0;
}

static int yield (lua_State *L) {
  make_ready(current);
  return lua_yield(L, 0);
}

static int joined (lua_State *L, int status, lua_KContext k) {
  (void)status;
  (void)k;
  lua_pushboolean(L, 1);
  lua_getiuservalue(L, 1, 1);
  return 2;
}

static int join (lua_State *L) {
  Task *t = lua_touserdata(L, 1);
  if (t->done) return joined(L, 0, 0);
  t->joiner = current;
  return lua_yieldk(L, 0, 0, joined);
}

/* ---- ends ----------------------------------------------------------------- */

/* an end of c, whose userdata stands at `channel`  [-0, +1, m] */
static End *push_end (lua_State *L, Channel *c, int channel, int kind) {
  End *e = lua_newuserdatauv(L, sizeof *e, 1);
  e->c = c;
  e->at = c->sent;
  lua_pushvalue(L, channel);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, lua_upvalueindex(kind));
  lua_setmetatable(L, -2);
  return e;
}

static int channel (lua_State *L) {
  Channel *c;
  lua_Integer capacity = lua_isinteger(L, 1) ? lua_tointeger(L, 1) : 1;
  if (capacity < 1) capacity = 1; /* watch(0): the first value */
  if (capacity > 4096) return luaL_error(L, "too large for this measure");
  c = lua_newuserdatauv(L, sizeof *c, (int)capacity);
  lua_replace(L, 1);
  lua_settop(L, 1);
  c->sent = c->received = 0;
  c->capacity = capacity;
  push_end(L, c, 1, 1);
  push_end(L, c, 1, 2);
  return 2;
}

/* the value at index 2 goes into the ring */
static void put (lua_State *L, Channel *c) {
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, (int)(c->sent % c->capacity) + 1);
  c->sent++;
  lua_pushboolean(L, 1);
}

/* the oldest value comes out of the ring of the end at index i, where nil stays */
static void take (lua_State *L, int i, Channel *c) {
  int slot = (int)(c->received % c->capacity) + 1;
  lua_getiuservalue(L, i, 1);
  lua_getiuservalue(L, -1, slot);
  lua_pushnil(L);
  lua_setiuservalue(L, -3, slot);
  c->received++;
}

static int send_ (lua_State *L, int status, lua_KContext k) {
  Channel *c = ((End *)lua_touserdata(L, 1))->c;
  (void)status;
  (void)k;
  if (c->sent - c->received >= c->capacity) {
    make_ready(current);
    return lua_yieldk(L, 0, 0, send_);
  }
  put(L, c);
  return 1;
}

static int end_send (lua_State *L) {
  return send_(L, 0, 0);
}

static int recv_ (lua_State *L, int status, lua_KContext k) {
  Channel *c = ((End *)lua_touserdata(L, 1))->c;
  (void)status;
  (void)k;
  if (c->sent == c->received) {
    make_ready(current);
    return lua_yieldk(L, 0, 0, recv_);
  }
  take(L, 1, c);
  return 1;
}

static int end_recv (lua_State *L) {
  return recv_(L, 0, 0);
}

static int answered (lua_State *L, int status, lua_KContext k) {
  (void)L;
  (void)status;
  (void)k;
  return 1;
}

/* tx:call(msg): an end that names this task goes into the message, and the task waits for the value */
static int end_call (lua_State *L) {
  Channel *c = ((End *)lua_touserdata(L, 1))->c;
  Reply *reply = lua_newuserdatauv(L, sizeof *reply, 0);
  reply->task = current;
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_setmetatable(L, -2);
  lua_setfield(L, 2, "reply");
  put(L, c);
  return lua_yieldk(L, 0, 0, answered);
}

static int reply_send (lua_State *L) {
  Task *t = ((Reply *)lua_touserdata(L, 1))->task;
  lua_xmove(L, t->co, 1);
  t->pass = 1;
  make_ready(t);
  lua_pushboolean(L, 1);
  return 1;
}

/* oneshot(): the receiver holds the channel, and the sender the receiver */
static int oneshot (lua_State *L) {
  struct Whole { End end; Channel channel; } *rx;
  End *tx = lua_newuserdatauv(L, sizeof *tx, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, 1);
  rx = lua_newuserdatauv(L, sizeof *rx, 1); /* the message */
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setmetatable(L, 2);
  rx->end.c = tx->c = &rx->channel;
  rx->channel.sent = rx->channel.received = 0;
  rx->channel.capacity = 1;
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 1, 1);
  return 2;
}

static int once_ (lua_State *L, int status, lua_KContext k) {
  Channel *c = ((End *)lua_touserdata(L, 1))->c;
  (void)status;
  (void)k;
  if (c->sent == 0) {
    make_ready(current);
    return lua_yieldk(L, 0, 0, once_);
  }
  lua_getiuservalue(L, 1, 1);
  return 1;
}

static int end_once (lua_State *L) {
  return once_(L, 0, 0);
}

static int end_clone (lua_State *L) {
  End *e = lua_touserdata(L, 1);
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  push_end(L, e->c, 2, 1);
  return 1;
}

static int end_subscribe (lua_State *L) {
  End *e = lua_touserdata(L, 1);
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  push_end(L, e->c, 2, 2);
  return 1;
}

static int end_tell (lua_State *L) { /* of a broadcast or a watch */
  put(L, ((End *)lua_touserdata(L, 1))->c);
  return 1;
}

static int hear_ (lua_State *L, int status, lua_KContext k) {
  End *e = lua_touserdata(L, 1);
  (void)status;
  (void)k;
  if (e->at == e->c->sent) {
    make_ready(current);
    return lua_yieldk(L, 0, 0, hear_);
  }
  lua_getiuservalue(L, 1, 1);
  lua_getiuservalue(L, -1, (int)(e->at % e->c->capacity) + 1);
  e->at++;
  return 1;
}

static int end_hear (lua_State *L) {
  return hear_(L, 0, 0);
}

static int changed_ (lua_State *L, int status, lua_KContext k) {
  End *e = lua_touserdata(L, 1);
  (void)status;
  (void)k;
  if (e->at == e->c->sent) {
    make_ready(current);
    return lua_yieldk(L, 0, 0, changed_);
  }
  e->at = e->c->sent;
  lua_pushboolean(L, 1);
  return 1;
}

static int end_changed (lua_State *L) {
  return changed_(L, 0, 0);
}

static int end_latest (lua_State *L) {
  End *e = lua_touserdata(L, 1);
  e->at = e->c->sent;
  lua_getiuservalue(L, 1, 1);
  lua_getiuservalue(L, -1, 1);
  return 1;
}

static int nothing (lua_State *L) {
  (void)L;
  return 0;
}

/* select over an array of receivers: the first from a moving start that has something */
static int select_ (lua_State *L, int status, lua_KContext k) {
  static lua_Integer from;
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1), j;
  (void)status;
  (void)k;
  for (j = 0; j < n; j++) {
    End *e;
    lua_Integer i = (from + j) % n + 1;
    lua_rawgeti(L, 1, i);
    e = lua_touserdata(L, -1);
    if (e->c->sent != e->c->received) {
      from = i;
      lua_pushinteger(L, i);
      take(L, -2, e->c);
      lua_remove(L, -2); /* the channel */
      return 2;
    }
    lua_pop(L, 1);
  }
  make_ready(current);
  return lua_yieldk(L, 0, 0, select_);
}

static int selecting (lua_State *L) {
  return select_(L, 0, 0);
}

/* ---- the module ------------------------------------------------------------- */

static const luaL_Reg task_methods[] = {{"join", join}, {NULL, NULL}};
static const luaL_Reg sender[] = {
  {"send", end_send}, {"try_send", end_send}, {"clone", end_clone}, {"call", end_call}, {"close", nothing}, {NULL, NULL},
};
static const luaL_Reg receiver[] = {{"recv", end_recv}, {"try_recv", end_recv}, {NULL, NULL}};
static const luaL_Reg once[] = {{"recv", end_once}, {NULL, NULL}};
static const luaL_Reg reply[] = {{"send", reply_send}, {NULL, NULL}};
static const luaL_Reg teller[] = {{"send", end_tell}, {"subscribe", end_subscribe}, {NULL, NULL}};
static const luaL_Reg hearer[] = {
  {"recv", end_hear}, {"changed", end_changed}, {"borrow_and_update", end_latest}, {"close", nothing}, {NULL, NULL},
};

/* [-0, +1, m] */
static void push_kind (lua_State *L, const luaL_Reg *methods) {
  lua_newtable(L);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
}

/* a function of the module that makes the two kinds of ends; so do those of their methods that need to */
static void set_maker (lua_State *L, const char *name, lua_CFunction make, const luaL_Reg *tx, const luaL_Reg *rx) {
  int i;
  push_kind(L, tx);
  push_kind(L, rx);
  for (i = 0; tx[i].name; i++) {
    lua_getfield(L, -2, "__index");
    lua_pushvalue(L, -3);
    lua_pushvalue(L, -3);
    push_kind(L, reply);
    lua_pushcclosure(L, tx[i].func, 3);
    lua_setfield(L, -2, tx[i].name);
    lua_pop(L, 1);
  }
  lua_pushcclosure(L, make, 2);
  lua_setfield(L, -2, name);
}

int luaopen_bench_hollow (lua_State *L);

int luaopen_bench_hollow (lua_State *L) {
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &threads);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &tasks);
  lua_newtable(L);
  push_kind(L, task_methods);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, spawn, 1);
  lua_setfield(L, -3, "spawn");
  lua_pushcclosure(L, run, 1);
  lua_setfield(L, -2, "run");
  lua_pushcfunction(L, yield);
  lua_setfield(L, -2, "yield");
  lua_pushcfunction(L, selecting);
  lua_setfield(L, -2, "select");
  set_maker(L, "mpsc", channel, sender, receiver);
  set_maker(L, "oneshot", oneshot, sender, once);
  set_maker(L, "broadcast", channel, teller, hearer);
  set_maker(L, "watch", channel, teller, hearer);
  return 1;
}
