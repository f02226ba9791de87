/* SPDX-License-Identifier: MIT */
/*
** notify.c -- a notification: at most one permit, stored if nobody waits.
**
** N1  free <= 1; nobody waits while one is free           (= P1)
** N2  notify_waiters grants nothing and stores nothing: it tells
** N3  a grant that comes home is stored only if none is stored already
*/
#include "kernel.h"

static void store_one (weir_Permits *p) {
  if (p->free > 1) p->free = 1;
}

void weir_notify_init (weir_Permits *p) {
  weir_permits_init(p, 0, store_one);
}

/* The first in line gets it; with nobody in line it is kept, once. */
void weir_notify_one (weir_Permits *p) {
  weir_permits_give(p, 1);
}

/* Everybody who waits now goes on. */
void weir_notify_waiters (weir_Permits *p) {
  weir_line_tell_all(&p->line);
}
