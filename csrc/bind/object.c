/* SPDX-License-Identifier: MIT */
/*
** object.c -- userdata that know what they are, and handles that move and drop.
**
**   live    tag = TAG_LIVE | kind     end -> channel   owned: in an owner's list
**   spent   tag = TAG_SPENT | kind    end = NULL       how, and whereto
**
** U1  a live object's first word is its tag, and its size is its kind's; what is
**     finalised is spent before, so freed memory does not look like a live handle
**     (but for a oneshot receiver that has received: see retire in oneshot.c)
** U5  a spent handle that a task waits through still anchors its channel
** U2  a live handle is in its owner's list, or alone (listing: in `loose`)
** U3  whoever waits through a handle is told when it is spent
** U4  what a task owns it holds weakly: the collector may drop it earlier
**
** Checking a handle is a look at its first word, its size, and no more: about
** a fifth of the price of luaL_checkudata. Kinds without a finaliser (tasks)
** compare their metatable as well.
**
** Long because owning, moving and dropping are one set of rules (U1 to U5).
*/
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"

/* An error at the caller's line, with a sentence. */
WEIR_COLD int weirL_error (lua_State *L, const char *fmt, ...) {
  va_list args;
  luaL_where(L, 1 + weirL_scheduler(L)->granting);
  va_start(args, fmt);
  lua_pushvfstring(L, fmt, args);
  va_end(args);
  lua_concat(L, 2);
  return lua_error(L);
}

/* ---- arguments ----------------------------------------------------------- */

/*
** As luaL_argerror, but the function always has a name: its own second upvalue,
** so that pcall(tx.send, tx, nil) says 'send' and not '?'.
*/
WEIR_COLD int weirL_argerror (lua_State *L, int arg, const char *why) {
  lua_Debug ar;
  const char *name = "?";
  if (lua_getstack(L, 0, &ar)) {
    lua_getinfo(L, "n", &ar);
    if (ar.name != NULL) name = ar.name;
    if (strcmp(ar.namewhat, "method") == 0) arg--;
  }
  if (lua_type(L, lua_upvalueindex(2)) == LUA_TSTRING)
    name = lua_tostring(L, lua_upvalueindex(2));
  if (arg == 0) return weirL_error(L, "calling '%s' on bad self (%s)", name, why);
  return weirL_error(L, "bad argument #%d to '%s' (%s)", arg, name, why);
}

WEIR_COLD int weirL_typeerror (lua_State *L, int arg, const char *expected) {
  const char *got = luaL_typename(L, arg);
  if (luaL_getmetafield(L, arg, "__name") == LUA_TSTRING) got = lua_tostring(L, -1);
  else if (lua_type(L, arg) == LUA_TLIGHTUSERDATA) got = "light userdata";
  return weirL_argerror(L, arg, lua_pushfstring(L, "%s expected, got %s", expected, got));
}

void weirL_checktype (lua_State *L, int arg, int type) {
  if (lua_type(L, arg) != type) weirL_typeerror(L, arg, lua_typename(L, type));
}

void weirL_checkany (lua_State *L, int arg) {
  if (lua_isnone(L, arg)) weirL_argerror(L, arg, "value expected");
}

lua_Number weirL_checknumber (lua_State *L, int arg) {
  int is;
  lua_Number n = lua_tonumberx(L, arg, &is);
  if (!is) weirL_typeerror(L, arg, "number");
  return n;
}

const char *weirL_checkstring (lua_State *L, int arg) {
  const char *s = lua_tostring(L, arg);
  if (s == NULL) weirL_typeerror(L, arg, "string");
  return s;
}

/* A whole number in a range; a float that is whole will do. */
lua_Integer weirL_integer (lua_State *L, int arg, lua_Integer low, lua_Integer high) {
  int is;
  lua_Integer n = lua_tointegerx(L, arg, &is);
  if (!is) {
    if (!lua_isnumber(L, arg)) weirL_typeerror(L, arg, "integer");
    weirL_argerror(L, arg, lua_pushfstring(L, "an integer from %I to %I expected, got %f", low,
                                           high, lua_tonumber(L, arg)));
  }
  if (n < low || n > high)
    weirL_argerror(L, arg, lua_pushfstring(L,
      "an integer from %I to %I expected, got %I", low, high, n));
  return n;
}

/* ---- which object is it? ----------------------------------------------- */

/* The object at index i, live or spent; NULL if it is none of ours. */
Object *weirL_object (lua_State *L, int i) {
  Object *o = (Object *)lua_touserdata(L, i);
  size_t size = o != NULL ? (size_t)lua_rawlen(L, i) : 0;
  KindId k;
  if (size < sizeof(Object)) return NULL;
  k = weirL_kindof(o);
  if (k >= KINDS) return NULL;
  if ((o->tag & ~0xffu) != TAG_LIVE && (o->tag & ~0xffu) != TAG_SPENT) return NULL;
  if (size != weirL_kinds[k].size && !(k == TASK && size == sizeof(Member))) return NULL;
  if (k > LAST_HANDLE) {                      /* no finaliser: ask the metatable */
    Scheduler *S = weirL_scheduler(L);
    const void *meta;
    if (!lua_getmetatable(L, i)) return NULL;
    meta = lua_topointer(L, -1);
    lua_pop(L, 1);
    if (meta != S->meta[k]) return NULL;
  }
  return o;
}

/* For the shared kinds: the object, or an argument error. */
void *weirL_check (lua_State *L, int i, KindId k) {
  Object *o = (Object *)lua_touserdata(L, i);
  if (WEIR_LIKELY(o != NULL && lua_rawlen(L, i) >= weirL_kinds[k].size &&
                  o->tag == (TAG_LIVE | (uint32_t)k) && lua_getmetatable(L, i))) {
    bool same = lua_topointer(L, -1) == weirL_scheduler(L)->meta[k];
    lua_pop(L, 1);
    if (WEIR_LIKELY(same)) return o;
  }
  weirL_typeerror(L, i, weirL_kinds[k].name);
  return NULL;
}

/* "mpsc.Sender", "closed mpsc.Sender", or NULL. [-0, +0|1, m] */
const char *weirL_typename (lua_State *L, int i) {
  Object *o = weirL_object(L, i);
  const char *name;
  if (o == NULL) return NULL;
  name = weirL_kinds[weirL_kindof(o)].name;
  if (weirL_kindof(o) == BOX) {
    lua_getmetatable(L, i);
    lua_getfield(L, -1, "__kind");
    name = lua_tostring(L, -1);
  }
  if ((o->tag & ~0xffu) == TAG_LIVE) return name;
  return lua_pushfstring(L, "closed %s", name);
}

static const char *noun_of (lua_State *L, int i, const Handle *h) {
  KindId k = weirL_kindof(&h->o);
  if (k != BOX) return weirL_kinds[k].noun;
  if (lua_getmetatable(L, i) && lua_getfield(L, -1, "__noun") == LUA_TSTRING)
    return lua_tostring(L, -1);
  return "handle";
}

/* Where a spent handle went. [-0, +?, m] */
static const char *fate (lua_State *L, int i, const Handle *h) {
  switch ((enum Spent)h->u.spent.how) {
    case SPENT_TASK:
      weirL_push_place(L, weirL_scheduler(L), h->u.spent.place);
      return lua_pushfstring(L, "was moved into task %d (spawned at %s)",
                             (int)h->u.spent.task, lua_tostring(L, -1));
    case SPENT_CHANNEL: return "was moved into a channel, as a message";
    case SPENT_MOVED: return "was moved by its move()";
    case SPENT_SENT: return "has sent its message, it can send only one";
    case SPENT_YIELDED: return "has yielded its permit";
    case SPENT_TAKEN:
      lua_getiuservalue(L, i, 1);
      return lua_pushfstring(L, "was taken over by %s",
                             lua_isstring(L, -1) ? lua_tostring(L, -1) : "another");
    default: return "is closed";
  }
}

/* Push the sentence for a spent handle at index i. [-0, +?, m] */
void weirL_push_spent (lua_State *L, int i, const Handle *h) {
  const Kind *kind = &weirL_kinds[weirL_kindof(&h->o)];
  const char *noun, *what;
  i = lua_absindex(L, i);
  noun = noun_of(L, i, h);
  what = fate(L, i, h);
  if (h->u.spent.how == SPENT_CLOSED)
    lua_pushfstring(L, "%s is closed: it was dropped, by close(), <close>, the end of the "
                    "task that owned it, or with a message", noun);
  else if (kind->keep != NULL && h->u.spent.how != SPENT_SENT)
    lua_pushfstring(L, "%s %s; %s", noun, what, kind->keep);
  else lua_pushfstring(L, "%s %s", noun, what);
}

/* Raise: the handle at index i is spent. */
WEIR_COLD int weirL_badspent (lua_State *L, int i, const Handle *h) {
  weirL_push_spent(L, i, h);
  return weirL_error(L, "%s", lua_tostring(L, -1));
}

/* The live handle of kind k at index i, or an error that says what it is. */
void *weirL_handle_check (lua_State *L, int i, KindId k) {
  Handle *h = (Handle *)lua_touserdata(L, i);
  if (WEIR_LIKELY(h != NULL && lua_rawlen(L, i) == weirL_kinds[k].size &&
                  h->o.tag == (TAG_LIVE | (uint32_t)k)))
    return h;
  h = (Handle *)weirL_object(L, i);
  if (h != NULL && h->o.tag == (TAG_SPENT | (uint32_t)k)) weirL_badspent(L, i, h);
  weirL_typeerror(L, i, weirL_kinds[k].name);
  return NULL;
}

/* The handle at index i, of any kind, live or spent; or NULL. */
Handle *weirL_handle (lua_State *L, int i) {
  Object *o;
  if (lua_type(L, i) != LUA_TUSERDATA) return NULL;
  o = weirL_object(L, i);
  return o != NULL && weirL_kindof(o) <= LAST_HANDLE ? (Handle *)o : NULL;
}

/* ---- making ------------------------------------------------------------ */

/* [-0, +1, m] */
void weirL_pushmeta (lua_State *L, Scheduler *S, KindId k) {
  assert(lua_touserdata(L, lua_upvalueindex(1)) == S);
  (void)S;
  lua_getiuservalue(L, lua_upvalueindex(1), UV_METAS + (int)k);
}

/* A shared object, zeroed; the caller fills it in: nothing may raise before
** that. [-0, +1, m] */
void *weirL_new (lua_State *L, Scheduler *S, KindId k, size_t size, int nuv) {
  Object *o = (Object *)lua_newuserdatauv(L, size, nuv);
  memset(o, 0, size);
  weirL_pushmeta(L, S, k);
  lua_setmetatable(L, -2);
  o->tag = TAG_LIVE | (uint32_t)k;
  return o;
}

/* The handle, in no list, is nobody's. Only while somebody looks is there a list of those:
** when not even a finaliser can be called for want of memory, Lua frees the
** handle all the same, and a list would lead to it. */
static void loosen (Scheduler *S, Handle *h) {
  weir_list_init(&h->u.owned);
  if (WEIR_UNLIKELY(S->listing)) weir_list_append(&S->loose, &h->u.owned);
}

/* A handle for `end`, the object at index end_i; nobody's. [-0, +1, m] */
Handle *weirL_handle_new (lua_State *L, Scheduler *S, KindId k, int end_i, void *end) {
  Handle *h;
  end_i = lua_absindex(L, end_i);
  h = (Handle *)lua_newuserdatauv(L, weirL_kinds[k].size, S->debug ? 2 : 1);
  if (weirL_kinds[k].size == sizeof(Handle)) memset(h, 0, sizeof(Handle));
  else memset(h, 0, weirL_kinds[k].size);
  lua_pushvalue(L, end_i);
  lua_setiuservalue(L, -2, 1);
  if (WEIR_UNLIKELY(S->debug)) weirL_note_made(L);
  weirL_pushmeta(L, S, k);
  h->end = end;
  loosen(S, h);
  h->o.tag = TAG_LIVE | (uint32_t)k;
  lua_setmetatable(L, -2);
  return h;
}

/* The handle on top was made from the one at index 1. If a finalizer dropped that while
** there was memory to be had, it is as if it had been dropped before. [-0, +0, e] */
void weirL_still_live (lua_State *L, Scheduler *S) {
  const Handle *h = (const Handle *)lua_touserdata(L, 1);
  if (WEIR_LIKELY(weirL_live(h))) return;
  weirL_handle_drop(L, S, (Handle *)lua_touserdata(L, -1), lua_gettop(L));
  weirL_badspent(L, 1, h);
}

/* ---- owning ------------------------------------------------------------ */

/* owned; handle */
static int anchor (lua_State *L) {
  lua_rawsetp(L, 1, lua_touserdata(L, 2));
  return 0;
}

/* If a handle stands at index i whose drop will need its userdata, see that
** it is found when its task ends. With no memory for that it is left to the collector:
** what is being received must not be lost. [-0, +0, -] */
void weirL_handle_anchor (lua_State *L, int i) {
  const Handle *h = weirL_handle(L, i);
  if (h == NULL || !weirL_kinds[weirL_kindof(&h->o)].values) return;
  i = lua_absindex(L, i);
  lua_pushcfunction(L, anchor);
  weirL_uv(L, UV_OWNED);
  lua_pushvalue(L, i);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1);
}

/* The running task owns the handle at index i from now on; outside a task
** nobody does. [-0, +0, m] */
void weirL_handle_own (lua_State *L, Scheduler *S, Handle *h, int i) {
  if (S->current == NULL) return;
  if (weirL_kinds[weirL_kindof(&h->o)].values) weirL_handle_anchor(L, i);
  weir_list_remove(&h->u.owned);
  weir_list_append(weirL_owner(S->current), &h->u.owned);
}

/* It belongs to nobody. */
void weirL_handle_disown (lua_State *L, Scheduler *S, Handle *h) {
  (void)L;
  weir_list_remove(&h->u.owned);
  loosen(S, h);
}

/* The handle leaves its list and says from now on how it was spent. */
void weirL_handle_spend (Handle *h, enum Spent how) {
  KindId k = weirL_kindof(&h->o);
  weir_list_remove(&h->u.owned);
  h->o.tag = TAG_SPENT | (uint32_t)k;
  if (h->o.waits > 0 && weirL_kinds[k].cut != NULL) weirL_kinds[k].cut(h);
  h->u.spent.how = (uint32_t)how;
}

/* The spent handle at index i keeps its channel alive no longer; but while a
** task waits through it, what that was granted may have to go back. */
void weirL_let_go (lua_State *L, const Handle *h, int i) {
  if (h->o.waits > 0) return;
  lua_pushnil(L);
  lua_setiuservalue(L, i, 1);
}

/* A handle whose userdata is at index i is dropped: its end first, then its word. */
static void drop_now (lua_State *L, Scheduler *S, Handle *h, int i) {
  if (WEIR_UNLIKELY(S->trace != NULL)) weirL_trace_drop(S, h);
  weirL_handle_spend(h, SPENT_CLOSED);
  weirL_kinds[weirL_kindof(&h->o)].drop(L, S, h, i);
  h->end = NULL;
  if (i != 0) weirL_let_go(L, h, i);
}

/*
** Drop it, if it is live. `i` is its stack index; 0 if its kind needs none. A
** receiver may hold messages that are receivers that hold ...: what is met
** while one is being dropped waits on the stack of S->doomed for its turn, so
** a chain of any length needs no C stack. (Lua's limit on a stack, a million,
** bounds that; the rest is left to the collector.)
*/
void weirL_handle_drop (lua_State *L, Scheduler *S, Handle *h, int i) {
  if (!weirL_live(h)) return;
  if (!weirL_kinds[weirL_kindof(&h->o)].values) {
    drop_now(L, S, h, i);
    return;
  }
  if (!lua_checkstack(L, LUA_MINSTACK)) return;
  if (S->dropping) {
    if (!lua_checkstack(S->doomed, 1)) return;
    weirL_handle_disown(L, S, h);
    lua_pushvalue(L, i);
    lua_xmove(L, S->doomed, 1);
    return;
  }
  S->dropping = true;
  drop_now(L, S, h, i);
  while (lua_gettop(S->doomed) > 0) {
    lua_xmove(S->doomed, L, 1);
    h = (Handle *)lua_touserdata(L, -1);
    if (weirL_live(h)) drop_now(L, S, h, lua_gettop(L));
    lua_pop(L, 1);
  }
  S->dropping = false;
}

/* A task (or frame) has ended: what it owns is dropped, last got first. */
void weirL_drop_owned (lua_State *L, Scheduler *S, weir_Link *owned) {
  while (!weir_list_empty(owned)) {
    Handle *h = weir_container(owned->prev, Handle, u.owned);
    if (!weirL_kinds[weirL_kindof(&h->o)].values) weirL_handle_drop(L, S, h, 0);
    else {
      int top = lua_gettop(L);
      weirL_uv(L, UV_OWNED);
      lua_rawgetp(L, -1, h);
      if (lua_touserdata(L, -1) == h) weirL_handle_drop(L, S, h, top + 2);
      if (weirL_live(h)) weirL_handle_disown(L, S, h);        /* its finaliser is about to run; or no stack */
      lua_settop(L, top);
    }
  }
}

/* The value at index i dies unreceived: the handle that it is, or those that
** are its direct fields, are dropped. */
void weirL_drop_message (lua_State *L, Scheduler *S, int i) {
  Handle *h = weirL_handle(L, i);
  if (h != NULL) weirL_handle_drop(L, S, h, i);
  else if (lua_type(L, i) == LUA_TTABLE) {
    lua_pushnil(L);
    while (lua_next(L, i)) {
      h = weirL_handle(L, -1);
      if (h != NULL) weirL_handle_drop(L, S, h, lua_gettop(L));
      lua_pop(L, 1);
    }
  }
}

/* ---- moving ------------------------------------------------------------ */

/* Make what the handle at index i will move into; all that may raise happens
** here. [-0, +1, m] */
Handle *weirL_handle_prepare (lua_State *L, int i) {
  Handle *h = (Handle *)lua_touserdata(L, i), *fresh;
  size_t size = weirL_kinds[weirL_kindof(&h->o)].size;
  bool made = lua_getiuservalue(L, i, 2) != LUA_TNONE;
  lua_pop(L, 1);
  if (!weirL_live(h)) weirL_badspent(L, i, h);
  fresh = (Handle *)lua_newuserdatauv(L, size, made ? 2 : 1);
  memset(fresh, 0, size);
  lua_getiuservalue(L, i, 1);
  lua_setiuservalue(L, -2, 1);
  if (made) {
    lua_getiuservalue(L, i, 2);
    lua_setiuservalue(L, -2, 2);
    weirL_note_handle(L);
  }
  return fresh;
}

/* The handle at index `old` moves into the one prepared at `fresh`, which is
** nobody's. Cannot raise. (What a finalizer dropped meanwhile stays dropped: so is
** the fresh one.) */
void weirL_handle_commit (lua_State *L, Scheduler *S, int old, int fresh,
                          enum Spent how, const Task *to) {
  Handle *h = (Handle *)lua_touserdata(L, old);
  Handle *f = (Handle *)lua_touserdata(L, fresh);
  uint32_t tag = h->o.tag;
  if (WEIR_LIKELY(weirL_live(h))) {
    weirL_handle_spend(h, how);
    memcpy(f, h, weirL_kinds[weirL_kindof(&h->o)].size);
    loosen(S, f);
    h->end = NULL;
    if (to != NULL) {
      h->u.spent.task = to->id;
      h->u.spent.place = to->place;
    }
  }
  else {
    f->end = NULL;
    f->u.spent = h->u.spent;
  }
  f->o.tag = tag;
  f->o.waits = 0;
  fresh = lua_absindex(L, fresh);
  if (weirL_kindof(&f->o) == BOX) lua_getmetatable(L, old);
  else weirL_pushmeta(L, S, weirL_kindof(&f->o));       /* (the old one's may be retired) */
  lua_setmetatable(L, fresh);
  weirL_let_go(L, h, old);
  if (WEIR_UNLIKELY(weirL_kindof(&f->o) == BOX) && lua_checkstack(S->moved, 1)) {
    lua_pushvalue(L, fresh);                    /* its hook runs Lua: when all is done */
    lua_xmove(L, S->moved, 1);
    S->notice |= NOTICE_MOVED;
  }
}

/* ---- what every handle can do ------------------------------------------ */

static Handle *any_handle (lua_State *L) {
  Handle *h = weirL_handle(L, 1);
  if (h == NULL) weirL_typeerror(L, 1, "weir handle");
  return h;
}

/* h:drop(), h:close(), <close> */
int weirL_handle_dropmethod (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  weirL_handle_drop(L, S, any_handle(L), 1);
  weirL_notice(L, S);
  return weirL_true(L);
}

static int handle__close (lua_State *L) {
  weirL_handle_dropmethod(L);
  return 0;
}

static int handle__gc (lua_State *L) {
  Handle *h = weirL_handle(L, 1);
  if (h != NULL) {
    Scheduler *S = weirL_scheduler(L);
    if (weirL_live(h)) {                        /* now or never */
      S->collected++;
      drop_now(L, S, h, 1);
    }
    weirL_notice(L, S);
  }
  return 0;
}

static int handle_move (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  any_handle(L);
  lua_settop(L, 1);
  weirL_handle_prepare(L, 1);
  weirL_handle_commit(L, S, 1, 2, SPENT_MOVED, NULL);
  weirL_notice(L, S);
  return 1;
}

static int object__tostring (lua_State *L) {
  Object *o = weirL_object(L, 1);
  const Kind *kind;
  char fill[80] = "";
  if (o == NULL) {
    lua_pushfstring(L, "weir object: %p", lua_topointer(L, 1));
    return 1;
  }
  kind = &weirL_kinds[weirL_kindof(o)];
  if ((o->tag & ~0xffu) == TAG_SPENT) {
    const char *name = weirL_kindof(o) == BOX ? weirL_typename(L, 1) + 7 : kind->name;
    const char *what = fate(L, 1, (Handle *)o);
    lua_pushfstring(L, "%s (%s)", name, strcmp(what, "is closed") == 0 ? "closed" : what);
    return 1;
  }
  if (kind->fill != NULL) kind->fill(o, fill, sizeof fill);
  lua_pushfstring(L, fill[0] != '\0' ? "%s (%s): %p" : "%s%s: %p",
                  weirL_typename(L, 1), fill, lua_topointer(L, 1));
  return 1;
}

/* A copy of the metatable on top without its finaliser. [-0, +1, m] */
void weirL_push_retired (lua_State *L) {
  int meta = lua_gettop(L);
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, meta)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, meta + 1);
  }
  lua_pushnil(L);
  lua_setfield(L, -2, "__gc");
}

/* A function with its upvalues, the scheduler at index S and its name, as a
** field of the table on top. [-0, +0, m] */
void weirL_setfunc (lua_State *L, int S, const char *name, lua_CFunction f) {
  lua_pushvalue(L, S);
  lua_pushstring(L, name);
  lua_pushcclosure(L, f, 2);
  lua_setfield(L, -2, name);
}

void weirL_setfuncs (lua_State *L, int S, const luaL_Reg *functions) {
  for (; functions->name != NULL; functions++)
    weirL_setfunc(L, S, functions->name, functions->func);
}

/*
** Register a kind: its metatable, with `methods` as __index, every function
** with the scheduler (at index S) as its upvalue. Handles get drop, close, move,
** __gc, __close on top. [-0, +0, m]
*/
void weirL_register (lua_State *L, int S, KindId k, const luaL_Reg *methods,
                     const luaL_Reg *meta) {
  static const luaL_Reg common[] = {{"__tostring", object__tostring}, {NULL, NULL}};
  static const luaL_Reg handle_meta[] = {{"__gc", handle__gc},
    {"__close", handle__close}, {NULL, NULL}};
  static const luaL_Reg handle_methods[] = {{"drop", weirL_handle_dropmethod},
    {"close", weirL_handle_dropmethod}, {"move", handle_move}, {NULL, NULL}};
  Scheduler *sched = (Scheduler *)lua_touserdata(L, S);
  lua_newtable(L);
  lua_pushfstring(L, "weir.%s", weirL_kinds[k].name);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  weirL_setfuncs(L, S, common);
  if (k <= LAST_HANDLE) {
    weirL_setfuncs(L, S, handle_meta);
  }
  if (meta != NULL) {
    weirL_setfuncs(L, S, meta);
  }
  lua_newtable(L);                              /* metatable; methods */
  if (k <= LAST_HANDLE) {
    weirL_setfuncs(L, S, handle_methods);
  }
  if (methods != NULL) {
    weirL_setfuncs(L, S, methods);
  }
  lua_setfield(L, -2, "__index");
  sched->meta[k] = lua_topointer(L, -1);
  lua_setiuservalue(L, S, UV_METAS + (int)k);
}
