/* SPDX-License-Identifier: MIT */
/*
** store.c -- a queue of Lua values, kept in user values.
**
**   channel userdata   1: first block   2: last block   3: the slot of the block inside
**   block userdata     1: next block    2 ...: slots
**
**   first --> [ . . c d ] --> [ e f g h ] --> [ i . . . ] <-- last
**              head ^
**
** Each block is a ring of 1, 16, 64 or 256 slots; a value goes into the last
** block and comes out of the first. A block that is emptied, and not the last, is
** let go: the store shrinks as it drains. Values are kept nowhere else, so a
** channel whose message mentions the channel can be collected.
**
** V1  first -> ... -> last by `next`; user values mirror the C pointers
** V2  a block that is not the last is not empty
** V3  a slot without a value is nil
** V4  pushing when it is not full, and popping anything but a receiver, cannot raise
*/
#include <assert.h>
#include <string.h>

#include "bind.h"

static uint8_t *calls (Block *b) { return (uint8_t *)(b + 1); }

void weirL_store_init (Store *s) {
  memset(s, 0, sizeof *s);
  s->first = s->last = &s->in.b;
  s->in.b.size = STORE_INLINE;
}

static void init_block (Block *b, uint32_t size) {
  memset(b, 0, sizeof(Block) + (size + 7) / 8);
  b->size = (uint16_t)size;
}

/* A larger last block, for at most `most` values in all. [-0, +0, m] */
void weirL_store_grow (lua_State *L, int i, Store *s, uint32_t most) {
  uint32_t size = s->last->size * 4u;
  Block *b;
  if (size < 16) size = 16;
  while (size / 2 >= most) size /= 2;          /* no larger than the channel */
  if (size > BLOCK_MAX) size = BLOCK_MAX;
  if (size < 64 && most <= 64 && most > size) size = 64;
  b = (Block *)lua_newuserdatauv(L, sizeof(Block) + (size + 7) / 8, (int)size + 1);
  init_block(b, size);
  if (s->first == s->last && s->first->len == 0) {      /* replace the empty one */
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, i, 1);
    s->first = b;
  }
  else if (s->last == &s->in.b) {
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, i, 1);                 /* first behind the block inside */
    s->in.b.next = b;
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

/* weirL_store_push into a block of its own. */
void weirL_store_push_block (lua_State *L, int i, Store *s, int v) {
  Block *b = s->last;
  unsigned slot = (b->head + b->len) & (b->size - 1u);
  assert(!weirL_store_full(s, false));
  lua_getiuservalue(L, i, 2);
  lua_pushvalue(L, v);
  lua_setiuservalue(L, -2, 2 + (int)slot);
  b->len++;
}

/* Put the value at index v first, into the slot reserved for it. [-0, +0|1, -] */
void weirL_store_push_front (lua_State *L, int i, Store *s, int v) {
  Block *b = s->first;
  int slot = (b->head - 1) & (b->size - 1);
  assert(b->len < b->size);
  if (b == &s->in.b) {
    lua_pushvalue(L, v);
    lua_setiuservalue(L, i, STORE_FIRST + slot);
  }
  else {
    lua_getiuservalue(L, i, 1);
    lua_pushvalue(L, v);
    lua_setiuservalue(L, -2, 2 + slot);
  }
  b->head = (uint16_t)slot;
  b->len++;
}

/* The nth message of a block came by `call`. */
void weirL_store_mark_call (Block *b, int nth) {
  unsigned slot = (unsigned)(b->head + nth) & (b->size - 1u);
  calls(b)[slot >> 3] |= (uint8_t)(1u << (slot & 7));
}

/* Did the first message come by `call`? Forgets it. */
bool weirL_store_take_call (Store *s) {
  Block *b = s->first;
  uint8_t *bits = &calls(b)[b->head >> 3], bit = (uint8_t)(1u << (b->head & 7));
  bool call = (*bits & bit) != 0;
  *bits &= (uint8_t)~bit;
  return call;
}

/* weirL_store_pop out of a block of its own, or when the block inside is left
** behind. */
int weirL_store_pop_block (lua_State *L, int i, Store *s) {
  Block *b = s->first;
  int slot = b->head, type;
  assert(b->len > 0);
  if (b == &s->in.b) {
    type = lua_getiuservalue(L, i, STORE_FIRST + slot);
    if (type == LUA_TUSERDATA) weirL_handle_anchor(L, -1);
    lua_pushnil(L);
    lua_setiuservalue(L, i, STORE_FIRST + slot);
  }
  else {
    lua_getiuservalue(L, i, 1);
    type = lua_getiuservalue(L, -1, 2 + slot);
    if (type == LUA_TUSERDATA) weirL_handle_anchor(L, -1);
    lua_pushnil(L);
    lua_setiuservalue(L, -3, 2 + slot);
  }
  b->head = (uint16_t)((slot + 1) & (b->size - 1));
  if (--b->len == 0 && b != s->last) {          /* let it go */
    s->first = b->next;
    if (b == &s->in.b) b->next = NULL;          /* user value 1 is the next already */
    else {
      lua_getiuservalue(L, -2, 1);              /* block; value; next */
      lua_setiuservalue(L, i, 1);
    }
  }
  return type;
}
