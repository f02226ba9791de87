/* SPDX-License-Identifier: MIT */
/*
** barrier.c -- n tasks wait for each other; the last to arrive lets all go.
**
**   n     6
**   line  T2 -> T7 -> T3        those who have arrived, in this order
**         4     5     8         their numbers: two were cut short behind T7
**
** G1  fewer than n stand in line: the n-th tells them all, and does not wait
** G2  numbers rise along the line, and last - first + 1 < n: so many stand in
**     line, or fewer
** G3  who arrives in vain leaves either too few numbers for the n-th, or numbers
**     without a gap
**
** A wait that is cut short leaves the line and calls nobody, so nobody can
** count down. But a gap at either end (the newest gives up; the oldest times
** out) shows in the numbers of the two ends, and only a gap in the middle does
** not: the line is walked when the numbers say that it may be time. That is
** when it is, and all have to be told, or in vain because of a wait that was
** cut short in the middle since the last walk.
*/
#include <assert.h>

#include "kernel.h"

static weir_Waiter *standing_at (weir_Link *x) {
  return weir_container(x, weir_Waiter, link);
}

/* As many as stand in line, or more (G2). */
static uint32_t most_standing (const weir_Barrier *b) {
  if (weir_list_empty(&b->line)) return 0;
  return standing_at(b->line.prev)->need - standing_at(b->line.next)->need + 1;
}

/* Number them without gaps: how many there are. */
static uint32_t number_anew (weir_Barrier *b) {
  weir_Link *x;
  uint32_t n = 0;
  for (x = b->line.next; x != &b->line; x = x->next) standing_at(x)->need = n++;
  return n;
}

/* For 0 tasks it is one for 1. */
void weir_barrier_init (weir_Barrier *b, uint32_t n) {
  weir_list_init(&b->line);
  b->n = n == 0 ? 1 : n;
}

/* Somebody arrives. True: it is the last, and all others are told; false: it
** must wait with them, or has not come. */
bool weir_barrier_arrive (weir_Barrier *b) {
  if (most_standing(b) + 1 < b->n || number_anew(b) + 1 < b->n) return false;
  weir_line_tell_all(&b->line);
  return true;
}

/* Stand last in line, after arriving in vain. The waiter has no siblings: its
** `need` is its number. */
void weir_barrier_join (weir_Barrier *b, weir_Waiter *w) {
  uint32_t number = weir_list_empty(&b->line) ? 0 : standing_at(b->line.prev)->need + 1;
  assert(most_standing(b) + 1 < b->n && w->parking->nbranch == 1);
  weir_line_join(&b->line, w);
  w->need = number;
}

/* How many stand in line, counted. */
uint32_t weir_barrier_arrived (const weir_Barrier *b) {
  const weir_Link *x;
  uint32_t n = 0;
  for (x = b->line.next; x != &b->line; x = x->next) n++;
  return n;
}
