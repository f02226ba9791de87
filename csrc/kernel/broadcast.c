/* SPDX-License-Identifier: MIT */
/*
** broadcast.c -- every receiver sees every message.
**
**   positions   ... 4   5   6   7 | 8        head = 5, tail = 8: three are kept
**   needs           -   1   2   2            receivers that have yet to see each
**   cursors             R1  R2,R3            the next position each will see
**
** A message is let go when nobody needs it any more. When all `capacity`
** places are taken the oldest is evicted, and whoever needed it has missed it
** (its cursor is below head); with overflow = "wait" the sender waits for
** room instead.
**
** B1  tail - head <= capacity; head <= tail
** B2  needs of a kept position == receivers whose cursor is at or below it
** B3  needs of head > 0, if head < tail         (needs never falls along the ring)
** B4  a receiver waits only if its cursor == tail and a sender is left
** B5  waits: room.free + permits out + (tail - head) == capacity, and no
**     cursor is below head
*/
#include <assert.h>

#include "kernel.h"

void weir_broadcast_init (weir_Broadcast *b, uint32_t capacity, bool waits) {
  weir_list_init(&b->arrived);
  weir_list_init(&b->closed);
  weir_permits_init(&b->room, capacity, NULL);
  b->needs = NULL;
  b->size = 0;
  b->capacity = capacity;
  b->head = b->tail = 0;
  b->senders = b->receivers = 1;
  b->weak = 0;
  b->waits = waits;
}

uint32_t weir_broadcast_len (const weir_Broadcast *b) {
  return (uint32_t)(b->tail - b->head);
}

bool weir_broadcast_full (const weir_Broadcast *b) {
  return weir_broadcast_len(b) == b->capacity;
}

uint32_t weir_broadcast_slot (const weir_Broadcast *b, uint64_t position) {
  return (uint32_t)(position & (b->size - 1));
}

/* The oldest message gives way; the caller reuses or clears its slot. */
void weir_broadcast_evict (weir_Broadcast *b) {
  assert(b->head < b->tail && !b->waits);
  b->head++;
}

/* A message stands at `tail`; there is a slot for it and somebody to see it.
** Wakes every receiver that waits. */
void weir_broadcast_push (weir_Broadcast *b) {
  assert(b->receivers > 0 && weir_broadcast_len(b) < b->size);
  b->needs[weir_broadcast_slot(b, b->tail)] = b->receivers;
  b->tail++;
  weir_line_tell_all(&b->arrived);
}

/* How many messages a cursor has missed. */
uint64_t weir_broadcast_missed (const weir_Broadcast *b, uint64_t cursor) {
  return cursor < b->head ? b->head - cursor : 0;
}

/* One receiver needs the message no more; true if nobody does: the caller
** clears its slot. May wake a sender that waits for room. */
bool weir_broadcast_seen (weir_Broadcast *b, uint64_t position) {
  uint32_t *needs = &b->needs[weir_broadcast_slot(b, position)];
  assert(position >= b->head && position < b->tail && *needs > 0);
  if (--*needs > 0) return false;
  assert(position == b->head);
  b->head++;
  if (b->waits) weir_permits_give(&b->room, 1);
  return true;
}

void weir_broadcast_drop_sender (weir_Broadcast *b) {
  if (--b->senders == 0) weir_line_tell_all(&b->arrived);
}

/* The caller has told each message it had not seen (weir_broadcast_seen). */
void weir_broadcast_drop_receiver (weir_Broadcast *b) {
  if (--b->receivers > 0) return;
  assert(b->head == b->tail);
  weir_line_tell_all(&b->closed);
  weir_line_tell_all(&b->room.line);
}
