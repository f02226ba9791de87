/* SPDX-License-Identifier: MIT */
/*
** store.c -- a queue of Lua values, kept in user values.
**
**   channel userdata   1: first block   2: last block   3: the slot of the block inside
**   block userdata     1: next block    2 ...: slots; or none: the slots are Scalars
**
**   first --> [ . . c d ] --> [ e f g h ] --> [ i . . . ] <-- last
**              head ^
**
** Each block is a ring of 1, 16, 64 or 256 slots; a value goes into the last
** block and comes out of the first. A block that is emptied, and not the last, is
** let go: the store shrinks as it drains. Values are kept nowhere else, so a
** channel whose message mentions the channel can be collected.
**
** Numbers and booleans are nothing to the collector, so C can keep them, which takes half
** the time: the block inside does, and so do the others until the store must grow for
** another value. From then on there are only blocks of user values.
**
** V1  first -> ... -> last by `next`; user values mirror the C pointers
** V2  a block that is not the last is not empty
** V3  a slot without a value is nil
** V4  pushing when it is not full, and popping anything but a receiver, cannot raise
** V5  no block of scalars stands behind one of user values but the one inside
*/
#include <assert.h>
#include <string.h>

#include "bind.h"

void weirL_store_init (Store *s) {
  memset(s, 0, sizeof *s);
  s->first = s->last = &s->in;
  s->in.size = 1;
}

/* A new last block, for a value of that type, and `most` values in all. [-0, +0, m] */
void weirL_store_grow (lua_State *L, int i, Store *s, uint32_t most, int type) {
  uint32_t size = s->last->size * 4u;
  bool scalars = weirL_is_scalar(type) && (s->last->scalars || s->last == &s->in);
  size_t behind;
  Block *b;
  if (size < 16) size = 16;
  while (size / 2 >= most) size /= 2;          /* no larger than the channel */
  if (size > BLOCK_MAX) size = BLOCK_MAX;
  if (size < 64 && most <= 64 && most > size) size = 64;
  behind = scalars ? size * sizeof(Scalar) : (size + 7) / 8;
  b = (Block *)lua_newuserdatauv(L, sizeof(Block) + behind, scalars ? 1 : (int)size + 1);
  memset(b, 0, sizeof(Block) + behind);
  b->size = (uint16_t)size;
  b->scalars = scalars;
  if (s->first == s->last && s->first->len == 0) {      /* replace the empty one */
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, i, 1);
    s->first = b;
  }
  else if (s->last == &s->in) {
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, i, 1);                 /* first behind the block inside */
    s->in.next = b;
  }
  else {
    lua_getiuservalue(L, i, 2);
    lua_pushvalue(L, -2);
    lua_setiuservalue(L, -2, 1);
    lua_pop(L, 1);
    s->last->next = b;
  }
  lua_setiuservalue(L, i, 2);
  s->last = b;
}

/* Put the value at index v last; there is room. The channel is at index i.
** [-0, +0|1, -] */
void weirL_store_push (lua_State *L, int i, Store *s, int v) {
  Block *b = s->last;
  assert(b->len < b->size);
  if (weirL_store_push_scalar(L, s, v, lua_type(L, v))) return;
  assert(!b->scalars);
  if (b == &s->in) {
    lua_pushvalue(L, v);
    lua_setiuservalue(L, i, STORE_FIRST);
  }
  else {
    lua_getiuservalue(L, i, 2);
    lua_pushvalue(L, v);
    lua_setiuservalue(L, -2, 2 + (int)((b->head + b->len) & (b->size - 1u)));
  }
  b->len++;
}

/* Put the value at index v first, into the slot reserved for it. [-0, +0|1, -] */
void weirL_store_push_front (lua_State *L, int i, Store *s, int v) {
  Block *b = s->first;
  int slot = (b->head - 1) & (b->size - 1);
  assert(b->len < b->size);
  if (b->scalars) {
    Scalar *x = &weirL_scalars(b)[slot];
    assert(weirL_is_scalar(lua_type(L, v)));
    x->kind = weirL_scalar(L, v, &x->is);
  }
  else if (b == &s->in) {
    lua_pushvalue(L, v);
    lua_setiuservalue(L, i, STORE_FIRST);
  }
  else {
    lua_getiuservalue(L, i, 1);
    lua_pushvalue(L, v);
    lua_setiuservalue(L, -2, 2 + slot);
  }
  b->head = (uint16_t)slot;
  b->len++;
}

/* ---- what came by `call` -------------------------------------------------- */

static uint8_t *call_bits (Block *b, unsigned slot) { return (uint8_t *)(b + 1) + (slot >> 3); }

/* The first, or else the last, message came by `call`. */
void weirL_store_mark_call (Store *s, bool first) {
  Block *b = first ? s->first : s->last;
  if (b == &s->in) b->holds = FROM_CALL;
  else {
    unsigned slot = (unsigned)(b->head + (first ? 0 : b->len - 1)) & (b->size - 1u);
    *call_bits(b, slot) |= (uint8_t)(1u << (slot & 7));
  }
}

/* Did the first message come by `call`? Forgets it. */
bool weirL_store_take_call (Store *s) {
  Block *b = s->first;
  uint8_t *bits, bit = (uint8_t)(1u << (b->head & 7));
  bool call;
  if (b->scalars) return false;
  if (b == &s->in) {
    call = b->holds == FROM_CALL;
    if (call) b->holds = NO_SCALAR;
    return call;
  }
  bits = call_bits(b, b->head);
  call = (*bits & bit) != 0;
  *bits &= (uint8_t)~bit;
  return call;
}

/* ---- taking out ----------------------------------------------------------- */

/* The first block is empty, and not the last: let it go. [-0, +0, -] */
static void let_block_go (lua_State *L, int i, Store *s) {
  Block *b = s->first;
  s->first = b->next;
  if (b == &s->in) b->next = NULL;              /* user value 1 is the next already */
  else {
    lua_getiuservalue(L, i, 1);
    lua_getiuservalue(L, -1, 1);
    lua_setiuservalue(L, i, 1);
    lua_pop(L, 1);
  }
}

/* Take the first value out; its type. The store is not empty. Raises, for want
** of memory, only before anything is taken. [-0, +1|2, m]: the value is on top. */
int weirL_store_pop (lua_State *L, int i, Store *s) {
  Block *b = s->first;
  int type;
  assert(b->len > 0 && b->holds != FROM_CALL);
  if (b->scalars) {
    const Scalar *x = &weirL_scalars(b)[b->head];
    weirL_push_scalar(L, x->is, x->kind);
    type = LUA_TNUMBER;
  }
  else if (b->holds != NO_SCALAR) {
    weirL_push_scalar(L, s->inside, b->holds);
    b->holds = NO_SCALAR;
    type = LUA_TNUMBER;
  }
  else {
    bool in = b == &s->in;
    int slot = in ? STORE_FIRST : 2 + b->head;
    if (!in) lua_getiuservalue(L, i, 1);
    type = lua_getiuservalue(L, in ? i : -1, slot);
    if (type == LUA_TUSERDATA) weirL_handle_anchor(L, -1);
    lua_pushnil(L);
    lua_setiuservalue(L, in ? i : -3, slot);
  }
  b->head = (uint16_t)((b->head + 1) & (b->size - 1));
  if (--b->len == 0 && b != s->last) let_block_go(L, i, s);
  return type;
}
