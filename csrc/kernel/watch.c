/* SPDX-License-Identifier: MIT */
/*
** watch.c -- the latest value: a version that counts changes.
**
**   version  7        the sender's count
**   a receiver holds the version it has seen: 7 seen, 5 unseen
**   changed  R1, R2   receivers that have seen 7 and wait for 8
**
** H1  a receiver waits only for a version above the one it has seen, and only
**     while a sender is left
** H2  a sender waits in `closed` only while a receiver is left
*/
#include "kernel.h"

void weir_watch_init (weir_Watch *w) {
  weir_list_init(&w->changed);
  weir_list_init(&w->closed);
  w->version = 1;      /* 0 is a version nobody has: what mark_changed uses */
  w->senders = w->receivers = 1;
}

/* A new value stands here. Wakes all that wait for one. */
void weir_watch_change (weir_Watch *w) {
  w->version++;
  weir_line_tell_all(&w->changed);
}

void weir_watch_drop_sender (weir_Watch *w) {
  if (--w->senders == 0) weir_line_tell_all(&w->changed);
}

void weir_watch_drop_receiver (weir_Watch *w) {
  if (--w->receivers == 0) weir_line_tell_all(&w->closed);
}
