/* SPDX-License-Identifier: MIT */
/*
** deadlines.c -- who is due first: a heap of four children each, in an array.
**
**   heap   [ 3 | 5 4 9 7 | 6 8 ... ]     when, order of starting, whose
**             ^                          heap[i]'s children: heap[4i + 1 .. 4i + 4]
**   a deadline knows its place (`at`)    (equal times: who started first is first)
**
** Starting one that is due after the others, as most timeouts are, costs O(1); to stop
** one or to take the first O(log n), in as many cache lines as levels: what is
** compared stands in the array, not in the tasks. The array is the binding's, which
** sees that there is room before a deadline is started.
**
** D1  no child is due before its parent; equal times in order of starting
** D2  heap[i].node->at == i + 1 and heap[i].when == heap[i].node->when
** D3  a deadline that is not in has at == 0
** D4  n <= room
*/
#include <assert.h>

#include "kernel.h"

enum { CHILDREN = 4 };

static bool before (const weir_Due *a, const weir_Due *b) {
  return a->when < b->when || (a->when == b->when && a->order < b->order);
}

static void place (weir_Deadlines *d, uint32_t i, const weir_Due *due) {
  d->heap[i] = *due;
  due->node->at = i + 1;
}

/* `due` goes into the hole at i, or above it. */
static void rise (weir_Deadlines *d, uint32_t i, const weir_Due *due) {
  while (i > 0 && before(due, &d->heap[(i - 1) / CHILDREN])) {
    place(d, i, &d->heap[(i - 1) / CHILDREN]);
    i = (i - 1) / CHILDREN;
  }
  place(d, i, due);
}

/* `due` goes into the hole at i, or below it. */
static void sink (weir_Deadlines *d, uint32_t i, const weir_Due *due) {
  for (;;) {
    uint32_t k = i * CHILDREN + 1, end = k + CHILDREN, least;
    if (k >= d->n) break;
    if (end > d->n) end = d->n;
    for (least = k++; k < end; k++)
      if (before(&d->heap[k], &d->heap[least])) least = k;
    if (!before(&d->heap[least], due)) break;
    place(d, i, &d->heap[least]);
    i = least;
  }
  place(d, i, due);
}

void weir_deadlines_init (weir_Deadlines *d) {
  d->heap = NULL;
  d->n = d->room = 0;
  d->started = 0;
}

void weir_deadline_init (weir_Deadline *x) { x->at = 0; }

/* There is room for it. */
void weir_deadlines_start (weir_Deadlines *d, weir_Deadline *x, double when,
                           uint32_t kind) {
  weir_Due due;
  assert(x->at == 0 && d->n < d->room);
  x->when = due.when = when;
  x->kind = kind;
  due.order = d->started++;
  due.node = x;
  rise(d, d->n++, &due);
}

/* Take it out, wherever it is; nothing if it is not in. */
void weir_deadlines_stop (weir_Deadlines *d, weir_Deadline *x) {
  uint32_t i = x->at;
  weir_Due last;
  if (i-- == 0) return;
  x->at = 0;
  last = d->heap[--d->n];
  if (i == d->n) return;
  if (before(&last, &d->heap[i])) rise(d, i, &last);
  else sink(d, i, &last);
}

weir_Deadline *weir_deadlines_first (const weir_Deadlines *d) {
  return d->n > 0 ? d->heap[0].node : NULL;
}

/* Move every deadline by the same amount; the order stays. */
void weir_deadlines_shift (weir_Deadlines *d, double by) {
  uint32_t i;
  for (i = 0; i < d->n; i++) {
    d->heap[i].when += by;
    d->heap[i].node->when = d->heap[i].when;
  }
}
