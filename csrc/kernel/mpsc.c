/* SPDX-License-Identifier: MIT */
/*
** mpsc.c -- many senders, one receiver; with several receivers, mpmc.
**
**   room.line   S3 -> S4        senders waiting for a place, oldest first
**   room.free   0               places that nobody holds (some are out as permits)
**   len         3               messages buffered; the binding keeps them in order
**   items.free  3               of them, promised to no receiver
**   items.line  R1 -> R2        receivers waiting for a message
**   closed      S1              senders waiting for the receiver's end
**
** A send is a permit from `room` and a push; a receive is a permit from
** `items` and a pop, which gives the place back. A message promised to a
** receiver stays in the queue until that receiver runs; cut short, the promise
** goes to the next.
**
** M1  room.free + held + len == capacity      (held: permits out, granted or in hand)
** M2  a sender waits only if room.free is less than it needs      (= P1)
** M3  a receiver waits only if items.free == 0 and the channel is not over
** M4  items.free <= len
** M5  over: len == 0, held == 0, and it refuses or has no sender
** M7  room.home is set if the channel refuses or has no sender
** M6  when it refuses nobody waits for room, nobody waits in `closed`
*/
#include <assert.h>

#include "kernel.h"

/* Receivers wait only for what may still come. */
static void settle (weir_Mpsc *c) {
  if (weir_mpsc_over(c)) weir_line_tell_all(&c->items.line);
}

/* The one door through which places come home. It stands open only while a
** receiver may wait for the last of them: no sender is left, or none is heard. */
static void room_home (weir_Permits *room) {
  settle(weir_container(room, weir_Mpsc, room));
}

/* A promise that comes home after the last receiver went promises nothing. */
static void items_home (weir_Permits *items) {
  weir_Mpsc *c = weir_container(items, weir_Mpsc, items);
  if (c->receivers == 0) c->items.free = 0;
}

void weir_mpsc_init (weir_Mpsc *c, uint32_t capacity) {
  weir_permits_init(&c->room, capacity, NULL);
  weir_permits_init(&c->items, 0, NULL);
  weir_list_init(&c->closed);
  c->capacity = capacity;
  c->len = c->high = 0;
  c->senders = c->receivers = 1;
  c->weak = 0;
  c->refusing = false;
  c->received = c->dropped = 0;
}

/* Places out as permits: granted to a waiter, or in somebody's hand. */
uint32_t weir_mpsc_held (const weir_Mpsc *c) {
  return c->capacity - c->room.free - c->len;
}

/* Nothing is left and nothing can come. */
bool weir_mpsc_over (const weir_Mpsc *c) {
  return c->len == 0 && (c->refusing || c->senders == 0) &&
         weir_mpsc_held(c) == 0;
}

/* A message is put last, by the holder of a permit, who spends it. Wakes the
** receiver first in line. */
void weir_mpsc_push (weir_Mpsc *c) {
  assert(weir_mpsc_held(c) > 0 && c->receivers > 0);
  if (++c->len > c->high) c->high = c->len;
  weir_permits_give(&c->items, 1);
}

/* The first message is taken out by a receiver that holds a permit of
** `items`. Wakes the sender first in line. */
void weir_mpsc_pop (weir_Mpsc *c) {
  assert(c->len > c->items.free);
  c->len--;
  c->received++;
  weir_permits_give(&c->room, 1);
}

/* No new permits. Wakes all that wait for room, and those who wait for this;
** what was granted stays granted. */
void weir_mpsc_refuse (weir_Mpsc *c) {
  if (c->refusing) return;
  c->refusing = true;
  c->room.home = room_home;
  weir_line_tell_all(&c->room.line);
  weir_line_tell_all(&c->closed);
  settle(c);
}

/* The last receiver is gone: all that is buffered is dropped. */
void weir_mpsc_clear (weir_Mpsc *c) {
  uint32_t n = c->len;
  assert(c->refusing && c->receivers == 0);
  c->items.free = 0;
  c->len = 0;
  c->dropped += n;
  weir_permits_give(&c->room, n);
}

void weir_mpsc_drop_sender (weir_Mpsc *c) {
  assert(c->senders > 0);
  c->senders--;
  if (c->senders > 0) return;
  c->room.home = room_home;
  settle(c);
}

/* True if it was the last: the caller then drops the values and clears. */
bool weir_mpsc_drop_receiver (weir_Mpsc *c) {
  assert(c->receivers > 0);
  if (--c->receivers > 0) return false;
  c->items.home = items_home;
  weir_mpsc_refuse(c);
  return true;
}
