/* SPDX-License-Identifier: MIT */
/*
** snapshot.c -- what a program is doing, as tables: tasks, waits, handles, channels.
**
**   core.snapshot(deep) -> {
**     tasks    = { { id, name, status, where, branches = { { op, kind, ... } } }, ... }
**     handles  = { { id, kind, channel, owner, made, ... }, ... }   as far as known
**     channels = { { id, kind, len, capacity, ... }, ... }
**     holders  = { [handle] = { { task, name }, ... } }      deep: found on stacks
**   }
**
** It takes the picture and no more: weir.report makes sentences of it. Handles,
** channels and whatever else is only compared are light userdata.
**
** D2  while the picture is taken the collector is stopped: no finaliser unlinks
**     what is being walked
**
** What no task owns is listed only while somebody looks (S->listing); else it is
** known as far as it stands in a variable. The numbers of a channel are right in
** any case.
**
** (One file, though long: one walk, and each kind of thing has its few fields.)
*/
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"

/* ---- fields -------------------------------------------------------------- */

static void set_integer (lua_State *L, const char *key, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, key);
}

static void set_bool (lua_State *L, const char *key, bool b) {
  lua_pushboolean(L, b);
  lua_setfield(L, -2, key);
}

static void set_string (lua_State *L, const char *key, const char *s) {
  lua_pushstring(L, s);
  lua_setfield(L, -2, key);
}

static void set_pointer (lua_State *L, const char *key, const void *p) {
  lua_pushlightuserdata(L, (void *)p);
  lua_setfield(L, -2, key);
}

/* ---- waits --------------------------------------------------------------- */

/* A frame that waits for the end of its scope's tasks; or NULL. */
static const Frame *ending_scope (const Task *t) {
  const Frame *f = t->frames;
  return f != NULL && f->kind == FRAME_SCOPE && f->co == NULL ? f : NULL;
}

/* Set `members` in the table on top: the ids of a set's unfinished tasks. */
static void set_members (lua_State *L, const JoinSet *set) {
  const weir_Link *x;
  lua_Integer n = 0;
  lua_newtable(L);
  for (x = set->running.next; x != &set->running; x = x->next) {
    lua_pushinteger(L, weir_container(x, const Member, link)->task.id);
    lua_rawseti(L, -2, ++n);
  }
  lua_setfield(L, -2, "members");
}

/* What the object on top of L is, as fields of the table below it. [-1, +0, m] */
static void describe (lua_State *L) {
  const Object *o = weirL_object(L, -1);
  const Kind *kind;
  char fill[80] = "";
  if (o == NULL) {
    lua_pop(L, 1);
    return;
  }
  kind = &weirL_kinds[weirL_kindof(o)];
  if (weirL_kindof(o) == CLOSED) {              /* the sender inside is what matters */
    lua_getiuservalue(L, -1, 1);
    lua_replace(L, -2);
    describe(L);
    return;
  }
  if (weirL_live(o) && kind->fill != NULL) kind->fill(o, fill, sizeof fill);
  lua_insert(L, -2);                            /* object; table */
  set_string(L, "kind", kind->name);
  set_string(L, "fill", fill);
  set_pointer(L, "object", o);
  switch (weirL_kindof(o)) {
    case TASK: set_integer(L, "task", ((const Task *)o)->id); break;
    case JOIN_SET:
      if (weirL_live(o)) set_members(L, (JoinSet *)((const Handle *)o)->end);
      break;
    case MPSC_RESERVATION:
      if (weirL_live(o))
        set_pointer(L, "channel", weirL_reservation_channel((const Handle *)o));
      break;
    default:
      set_pointer(L, "channel", weirL_kindof(o) <= LAST_HANDLE && weirL_live(o)
                                ? ((const Handle *)o)->end : (const void *)o);
  }
  lua_insert(L, -2);
  lua_pop(L, 1);
}

/* Call `visit` for each local variable and upvalue of the frame `ar` of co, its
** value on top of co; until it returns true. */
typedef bool (*Looker) (lua_State *co, const char *name, void *arg);

static bool each_variable (lua_State *co, lua_Debug *ar, Looker visit, void *arg) {
  const char *name;
  bool stop = false;
  int n;
  if (!lua_checkstack(co, 8)) return false;
  for (n = 1; !stop && (name = lua_getlocal(co, ar, n)) != NULL; n++) {
    stop = name[0] != '(' && visit(co, name, arg);
    lua_pop(co, 1);
  }
  lua_getinfo(co, "f", ar);
  for (n = 1; !stop && (name = lua_getupvalue(co, -1, n)) != NULL; n++) {
    stop = name[0] != '\0' && strcmp(name, "_ENV") != 0 && visit(co, name, arg);
    lua_pop(co, 1);
  }
  lua_pop(co, 1);
  return stop;
}

typedef struct Sought { const void *object; const char *name; } Sought;

static bool is_sought (lua_State *co, const char *name, void *arg) {
  Sought *s = (Sought *)arg;
  if (lua_type(co, -1) != LUA_TUSERDATA || lua_touserdata(co, -1) != s->object) return false;
  s->name = name;
  return true;
}

/* How the user's code writes what waits: the variable that holds the object, and
** whether a `for` calls it. Fields of the table on top. */
static void set_variable (lua_State *L, lua_State *co, const char *own, const void *object) {
  lua_Debug ar;
  Sought s = {NULL, NULL};
  int level;
  s.object = object;
  if (lua_getstack(co, 0, &ar)) {
    lua_getinfo(co, "n", &ar);
    if (strcmp(ar.namewhat, "for iterator") == 0) set_bool(L, "loop", true);
  }
  for (level = 0; lua_getstack(co, level, &ar); level++) {
    lua_getinfo(co, "Sl", &ar);
    if (ar.currentline <= 0 || is_own(&ar, own)) continue;
    each_variable(co, &ar, is_sought, &s);
    if (s.name != NULL) set_string(L, "variable", s.name);
    return;
  }
}

/* Append a branch to the array on top: op `name` on the object at index i of co.
** [-0, +0, m] */
static void add_branch (lua_State *L, lua_State *co, int i, const char *name,
                        const weir_Waiter *w, const char *own) {
  lua_newtable(L);
  set_string(L, "op", name);
  if (w != NULL && w->permits != NULL) set_integer(L, "need", w->need);
  if (i != 0 && lua_type(co, i) == LUA_TUSERDATA && lua_checkstack(co, 2)) {
    const void *object = lua_touserdata(co, i);
    lua_pushvalue(co, i);
    lua_xmove(co, L, 1);
    describe(L);
    set_variable(L, co, own, object);
  }
}

static void append (lua_State *L) {
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

static void select_branches (lua_State *L, lua_State *co, const Task *t, const char *own) {
  uint32_t b, n = t->parking.nbranch;
  bool plain = lua_gettop(co) < BASE - 1 + GROUP * (int)n;
  for (b = 0; b < n && lua_checkstack(co, 2); b++) {
    Standing s = standing(co, plain, b);
    add_branch(L, co, s.object, s.op->name, &t->parking.branch[b], own);
    if (plain) lua_pushinteger(L, (lua_Integer)b + 1);
    else {
      lua_pushvalue(co, s.key);
      lua_xmove(co, L, 1);
    }
    lua_setfield(L, -2, "key");
    append(L);
  }
}

/* Set `branches` in the table on top: what a task waits for. [-0, +0, m] */
static void set_branches (lua_State *L, const Scheduler *S, const Task *t, const char *own) {
  lua_State *co = innermost(S, t);
  const Frame *scope = ending_scope(t);
  lua_newtable(L);
  if (scope != NULL) {
    lua_newtable(L);
    set_string(L, "op", "scope");
    set_members(L, scope->set);
    append(L);
  }
  else if (t->calling) {                        /* 1 tx, 2 oneshot, 3 the message */
    bool sent = weirL_call_sent(co);
    add_branch(L, co, CALL_TX, "call", sent ? NULL : &t->self, own);
    set_bool(L, "sent", sent);
    set_pointer(L, "reply", lua_touserdata(co, CALL_REPLY));
    append(L);
  }
  else if (t->op != NULL) {
    int i = t->op == &sleep_op ? 0 : 1;
    add_branch(L, co, i, t->op->name, t->parking.nbranch > 0 ? &t->self : NULL, own);
    append(L);
  }
  else if (t->branches != NULL && t->parking.branch == t->branches->waiter) {
    select_branches(L, co, t, own);
    lua_pushboolean(L, true);
    lua_setfield(L, -3, "select");
  }
  lua_setfield(L, -2, "branches");
}

/* Set `due` in the table on top: seconds until a deadline of the task's. */
static void set_due (lua_State *L, const Scheduler *S, const Task *t) {
  const Frame *f;
  double due = HUGE_VAL;
  if (weir_deadline_set(&t->due)) due = t->due.when;
  for (f = t->frames; f != NULL; f = f->outer)
    if (weir_deadline_set(&f->due) && f->due.when < due) due = f->due.when;
  if (isinf(due)) return;
  lua_pushnumber(L, due - weirL_clock(S));
  lua_setfield(L, -2, "due");
}

/* Push the description of a task. [-0, +1, m] */
static void push_task (lua_State *L, Scheduler *S, const Task *t, const char *own) {
  lua_createtable(L, 0, 8);
  set_integer(L, "id", t->id);
  weirL_push_name(L, S, t);
  lua_setfield(L, -2, "name");
  set_string(L, "status", status_word(t));
  push_where(L, S, t, own);
  lua_setfield(L, -2, "where");
  if (t == S->main) set_bool(L, "main", true);
  if (t->aborting) set_bool(L, "aborting", true);
  weirL_uv(L, UV_BORN);
  weirL_push_task(L, S, t);
  if (lua_rawget(L, -2) == LUA_TNUMBER) {
    lua_pushnumber(L, weirL_clock(S) - lua_tonumber(L, -1));
    lua_setfield(L, -4, "age");
  }
  lua_pop(L, 2);
  if (t->status != WAITING) return;
  set_due(L, S, t);
  set_branches(L, S, t, own);
}

/* ---- channels ------------------------------------------------------------ */

/* The number of a line's task for each waiter, through the table at index
** `parkings`; 0 for what is no task. [-0, +0, m] */
static void set_line (lua_State *L, const char *key, const weir_Link *line, int parkings) {
  const weir_Link *x;
  lua_Integer n = 0;
  lua_newtable(L);
  for (x = line->next; x != line; x = x->next) {
    const weir_Waiter *w = weir_container(x, const weir_Waiter, link);
    if (lua_rawgetp(L, parkings, w->parking) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushinteger(L, 0);
    }
    lua_rawseti(L, -2, ++n);
  }
  lua_setfield(L, -2, key);
}

static void set_ends (lua_State *L, uint32_t senders, uint32_t receivers, bool closed) {
  set_integer(L, "senders", senders);
  set_integer(L, "receivers", receivers);
  set_bool(L, "closed", closed);
}

static void describe_mpsc (lua_State *L, const Mpsc *c, int parkings) {
  if (c->k.capacity == WEIR_UNBOUNDED) {
    lua_pushnumber(L, HUGE_VAL);
    lua_setfield(L, -2, "capacity");
  }
  else set_integer(L, "capacity", c->k.capacity);
  set_integer(L, "len", c->k.len);
  set_integer(L, "high_water", c->k.high);
  set_integer(L, "sent", (lua_Integer)(c->k.received + c->k.dropped + c->k.len));
  set_integer(L, "received", (lua_Integer)c->k.received);
  set_integer(L, "held", c->k.capacity == WEIR_UNBOUNDED ? 0 : weir_mpsc_held(&c->k));
  set_ends(L, c->k.senders - c->reservations, c->k.receivers, c->k.refusing);
  set_line(L, "waiting_senders", &c->k.room.line, parkings);
  set_line(L, "waiting_receivers", &c->k.items.line, parkings);
}

static void describe_oneshot (lua_State *L, const weir_Oneshot *o, int parkings) {
  bool was = o->sent || o->taken;
  set_integer(L, "capacity", 1);
  set_integer(L, "len", o->sent);
  set_integer(L, "sent", was);
  set_integer(L, "received", o->taken);
  set_ends(L, o->sender, o->receiver, o->refusing);
  set_line(L, "waiting_senders", &o->closed, parkings);
  set_line(L, "waiting_receivers", &o->arrived, parkings);
}

static void describe_watch (lua_State *L, const weir_Watch *w, int parkings) {
  set_integer(L, "capacity", 1);
  set_integer(L, "len", 1);
  set_integer(L, "sent", (lua_Integer)w->version - 1);
  set_ends(L, w->senders, w->receivers, w->receivers == 0);
  set_line(L, "waiting_senders", &w->closed, parkings);
  set_line(L, "waiting_receivers", &w->changed, parkings);
}

static void describe_broadcast (lua_State *L, const weir_Broadcast *b, int parkings) {
  set_integer(L, "capacity", b->capacity);
  set_integer(L, "len", weir_broadcast_len(b));
  set_integer(L, "sent", (lua_Integer)b->tail);
  set_ends(L, b->senders, b->receivers, b->receivers == 0);
  set_line(L, "waiting_senders", &b->room.line, parkings);
  set_line(L, "waiting_receivers", &b->arrived, parkings);
}

/* The word for the channel of a handle: "mpsc"; NULL if it is of no channel. */
static const char *channel_word (KindId k) {
  switch (k) {
    case MPSC_SENDER: case MPSC_RECEIVER: case MPSC_WEAK: case MPSC_PERMIT:
    case MPSC_RESERVATION: return "mpsc";
    case MPMC_SENDER: case MPMC_RECEIVER: case MPMC_WEAK: return "mpmc";
    case ONESHOT_SENDER: case ONESHOT_RECEIVER: return "oneshot";
    case WATCH_SENDER: case WATCH_RECEIVER: return "watch";
    case BROADCAST_SENDER: case BROADCAST_RECEIVER: case BROADCAST_WEAK: return "broadcast";
    default: return NULL;
  }
}

/* The channel of a handle: what its `end` points to, mostly. */
static const void *channel_of (const Handle *h) {
  return weirL_kindof(&h->o) == MPSC_RESERVATION ? weirL_reservation_channel(h) : h->end;
}

/* indices of the tables that a walk fills */
typedef struct Tables { int handles, channels, seen, parkings, known, holders; } Tables;

/* The channel of a handle, if it was not seen before. [-0, +0, m] */
static void add_channel (lua_State *L, const Handle *h, const Tables *at) {
  KindId k = weirL_kindof(&h->o);
  const char *word = channel_word(k);
  const void *end = channel_of(h);
  if (word == NULL || end == NULL) return;
  if (lua_rawgetp(L, at->seen, end) == LUA_TTABLE) {
    if (strcmp(word, "mpmc") == 0) set_string(L, "kind", word);  /* a permit came first */
    lua_pop(L, 1);
    return;
  }
  lua_pop(L, 1);
  lua_createtable(L, 0, 14);
  set_string(L, "kind", word);
  set_pointer(L, "id", end);
  switch (k) {
    case ONESHOT_SENDER: case ONESHOT_RECEIVER:
      describe_oneshot(L, weirL_oneshot_kernel(end), at->parkings);
      break;
    case WATCH_SENDER: case WATCH_RECEIVER:
      describe_watch(L, weirL_watch_kernel(end), at->parkings);
      break;
    case BROADCAST_SENDER: case BROADCAST_RECEIVER: case BROADCAST_WEAK:
      describe_broadcast(L, weirL_broadcast_kernel(end), at->parkings);
      break;
    default: describe_mpsc(L, (const Mpsc *)end, at->parkings);
  }
  lua_pushvalue(L, -1);
  lua_rawsetp(L, at->seen, end);
  lua_rawseti(L, at->channels, (lua_Integer)lua_rawlen(L, at->channels) + 1);
}

/* ---- handles ------------------------------------------------------------- */

/* Fields that need the userdata: a box's kind, where it was made. */
static void look_up (lua_State *L, const Handle *h) {
  weirL_uv(L, UV_OWNED);
  if (lua_rawgetp(L, -1, h) == LUA_TUSERDATA && lua_touserdata(L, -1) == h) {
    int top = lua_gettop(L);                    /* table; owned; handle */
    if (weirL_kindof(&h->o) == BOX) {
      const char *kind = weirL_typename(L, top);
      lua_pushstring(L, kind != NULL ? kind : "Box");
      lua_setfield(L, top - 2, "kind");
    }
    lua_settop(L, top);
    if (lua_getiuservalue(L, -1, 2) == LUA_TSTRING) {
      lua_pushvalue(L, -1);
      lua_setfield(L, top - 2, "made");
    }
    lua_settop(L, top);
  }
  lua_pop(L, 2);
}

/* Append a live handle, owned by task `owner` (0: by nobody), if it is new. */
static void add_handle (lua_State *L, const Handle *h, uint32_t owner, const Tables *at) {
  KindId k = weirL_kindof(&h->o);
  bool known = lua_rawgetp(L, at->known, h) != LUA_TNIL;
  lua_pop(L, 1);
  if (known) return;
  if (k == JOIN_SET && ((JoinSet *)h->end)->scope != NULL) return;      /* weir.scope's own */
  lua_pushboolean(L, 1);
  lua_rawsetp(L, at->known, h);
  lua_createtable(L, 0, 6);
  set_pointer(L, "id", h);
  set_string(L, "kind", weirL_kinds[k].name);
  set_pointer(L, "channel", channel_of(h));
  if (owner != 0) set_integer(L, "owner", owner);
  if (k == MPSC_PERMIT || k == SEMAPHORE_PERMIT)
    set_integer(L, "permits", ((const Permit *)h)->n);
  if (k == BROADCAST_RECEIVER)
    set_integer(L, "behind", (lua_Integer)(weirL_broadcast_kernel(h->end)->tail -
                                           ((const BroadcastReceiver *)h)->cursor));
  look_up(L, h);
  lua_rawseti(L, at->handles, (lua_Integer)lua_rawlen(L, at->handles) + 1);
  add_channel(L, h, at);
}

/* Append the live handles of a list. */
static void add_handles (lua_State *L, const weir_Link *list, uint32_t owner,
                         const Tables *at) {
  const weir_Link *x;
  for (x = list->next; x != list; x = x->next)
    add_handle(L, weir_container(x, const Handle, u.owned), owner, at);
}

/* The channels that a task waits for. */
static void add_waits (lua_State *L, const Scheduler *S, const Task *t, const Tables *at) {
  uint32_t i;
  if (t->status != WAITING) return;
  for (i = 0; i < t->parking.nbranch; i++) {
    const Handle *h = (const Handle *)t->parking.branch[i].through;
    if (h != NULL && weirL_live(h)) add_channel(L, h, at);
  }
  if (t->calling) {
    add_channel(L, (const Handle *)lua_touserdata(innermost(S, t), CALL_TX), at);
  }
}

/* ---- who holds what, as far as stacks tell ------------------------------- */

typedef struct Search {
  lua_State *L;
  Scheduler *S;
  const Tables *at;
  int holders;
  uint32_t task;
} Search;

/* A oneshot's receiver that has received has no finaliser: no list may lead to it. */
static bool is_retired (const Handle *h) {
  return weirL_kindof(&h->o) == ONESHOT_RECEIVER && weirL_oneshot_kernel(h->end)->taken;
}

/* The handle on top of L is held by the searched task, in a variable. */
static void add_holder (const Search *s, const char *name, const char *field) {
  lua_State *L = s->L;
  Handle *h = weirL_handle(L, -1);
  lua_Integer i, n;
  if (h == NULL || !weirL_live(h)) return;
  if (s->S->listing && weir_list_empty(&h->u.owned) && !is_retired(h))  /* older than the list */
    weir_list_append(&s->S->loose, &h->u.owned);
  add_handle(L, h, 0, s->at);
  if (lua_rawgetp(L, s->holders, h) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, s->holders, h);
  }
  n = (lua_Integer)lua_rawlen(L, -1);
  for (i = 1; i <= n; i++) {                    /* once for each task */
    bool same;
    lua_rawgeti(L, -1, i);
    lua_getfield(L, -1, "task");
    same = lua_tointeger(L, -1) == (lua_Integer)s->task;
    lua_pop(L, 2);
    if (same) {
      lua_pop(L, 1);
      return;
    }
  }
  lua_newtable(L);
  set_integer(L, "task", s->task);
  lua_pushfstring(L, field != NULL ? "%s.%s" : "%s", name, field);
  lua_setfield(L, -2, "name");
  lua_rawseti(L, -2, n + 1);
  lua_pop(L, 1);
}

/* A variable's value is on top of co: a handle, or a table with some. */
static bool look_into (lua_State *co, const char *name, void *arg) {
  enum { MOST = 256 };
  const Search *s = (const Search *)arg;
  lua_State *L = s->L;
  int kind = lua_type(co, -1), n = 0;
  if (kind != LUA_TUSERDATA && kind != LUA_TTABLE) return false;
  lua_pushvalue(co, -1);
  if (co != L) lua_xmove(co, L, 1);
  if (kind == LUA_TUSERDATA) add_holder(s, name, NULL);
  else {
    lua_pushnil(L);
    while (n++ < MOST && lua_next(L, -2)) {
      char field[24];
      const char *key = field;
      if (lua_type(L, -2) == LUA_TSTRING) key = lua_tostring(L, -2);
      else if (lua_isinteger(L, -2))
        snprintf(field, sizeof field, "%lld", (long long)lua_tointeger(L, -2));
      else key = "?";
      if (lua_type(L, -1) == LUA_TUSERDATA) add_holder(s, name, key);
      lua_pop(L, 1);
    }
    if (n > MOST) lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return false;
}

static void search (Search *s, lua_State *co, const char *own) {
  lua_Debug ar;
  int level;
  if (!lua_checkstack(s->L, 16)) return;
  for (level = 0; lua_getstack(co, level, &ar); level++) {
    lua_getinfo(co, "Sl", &ar);
    if (ar.currentline > 0 && !is_own(&ar, own)) each_variable(co, &ar, look_into, s);
  }
}

/* Set `holders` in the table on top; add the handles that are found. [-0, +0, m] */
static void set_holders (lua_State *L, Scheduler *S, const Task **all, const char *own,
                         const Tables *at) {
  Search s = {NULL, NULL, NULL, 0, 0};
  lua_newtable(L);
  s.L = L;
  s.S = S;
  s.at = at;
  s.holders = lua_gettop(L);
  for (; *all != NULL; all++) {
    const Frame *f = (*all)->frames;
    bool base = false;
    lua_State *co;
    s.task = (*all)->id;
    while ((co = next_coroutine(S, *all, &f, &base)) != NULL) search(&s, co, own);
  }
  s.task = 0;                                   /* what runs the scheduler */
  search(&s, S->main_L, own);
  if (S->current != NULL) s.task = S->current->id;      /* a plain coroutine, perhaps */
  if (L != S->main_L) search(&s, L, own);
  lua_replace(L, at->holders);
}

/* ---- the picture --------------------------------------------------------- */

/* take(deep) -> the picture; under weirL_snapshot */
static int take (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  const char *own = own_source(L);
  bool deep = lua_toboolean(L, 1);
  const Task **all, **p;
  Tables at;
  int picture, i;
  lua_settop(L, 1);
  all = all_tasks(L, S);
  lua_newtable(L);
  picture = lua_gettop(L);
  for (i = 0; i < 6; i++) lua_newtable(L);
  at.parkings = picture + 1;
  at.seen = picture + 2;
  at.known = picture + 3;
  at.holders = picture + 4;
  at.handles = picture + 5;
  at.channels = picture + 6;
  for (p = all; *p != NULL; p++) {
    lua_pushinteger(L, (*p)->id);
    lua_rawsetp(L, at.parkings, &(*p)->parking);
  }
  lua_newtable(L);                              /* tasks */
  for (p = all; *p != NULL; p++) {
    const Frame *f;
    push_task(L, S, *p, own);
    append(L);
    add_handles(L, &(*p)->owned, (*p)->id, &at);
    for (f = (*p)->frames; f != NULL; f = f->outer)
      if (f->kind != FRAME_WRAP) add_handles(L, &f->owned, (*p)->id, &at);
    add_waits(L, S, *p, &at);
  }
  lua_setfield(L, picture, "tasks");
  add_handles(L, &S->loose, 0, &at);
  if (deep) set_holders(L, S, all, own, &at);
  lua_settop(L, at.channels);
  lua_setfield(L, picture, "channels");
  lua_setfield(L, picture, "handles");
  lua_setfield(L, picture, "holders");
  lua_settop(L, picture);
  set_bool(L, "debug", S->debug);
  set_integer(L, "collected", S->collected);
  set_bool(L, "quiet", S->main != NULL && weir_list_empty(&S->ready) &&
                       weir_list_empty(&S->batch) && !weirL_time_awaited(S));
  lua_pushnumber(L, weirL_clock(S));
  lua_setfield(L, -2, "now");
  return 1;
}

/* core.snapshot([deep]): with the collector stopped (D2) */
static int snapshot (lua_State *L) {
  bool runs = lua_gc(L, LUA_GCISRUNNING) != 0;
  int status;
  lua_settop(L, 1);
  weirL_pushfunction(L, take);
  lua_insert(L, 1);
  if (runs) lua_gc(L, LUA_GCSTOP);
  status = lua_pcall(L, 1, 1, 0);
  if (runs) lua_gc(L, LUA_GCRESTART);
  return status == LUA_OK ? 1 : lua_error(L);
}

/* What is nobody's and was made before there was a list of it is listed from now on,
** as far as it is found. [-0, +0, m] */
void weirL_find_handles (lua_State *L) {
  weirL_pushfunction(L, snapshot);
  lua_pushboolean(L, 1);
  lua_call(L, 1, 0);
}

void weirL_open_snapshot (lua_State *L, int S) {
  weirL_setfunc(L, S, "snapshot", snapshot);
}
