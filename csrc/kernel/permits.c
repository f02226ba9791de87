/* SPDX-License-Identifier: MIT */
/*
** permits.c -- counted permits, given in order of asking.
**
**   line  W1(need 1) -> W2(need 3) -> W3(need 1)     oldest first
**   free  0                                          nobody's
**
** P1  whoever stands first in line needs more than there are free
** P2  a `try` fails while anyone stands in line: nobody is overtaken
** P3  permits come home through weir_permits_give only; it serves the line
**     and then tells the owner (`home`), once
** P4  free + all that were taken or granted is constant, but for those that
**     the owner adds or forgets
**
** Permits pile up for the first in line until they suffice. From Tokio's
** batch semaphore, without its partial assignment: nobody can tell the two
** apart, since a `try` sees none free while anyone waits.
*/
#include <assert.h>

#include "kernel.h"

void weir_permits_init (weir_Permits *p, uint32_t free,
                        void (*home) (weir_Permits *)) {
  weir_list_init(&p->line);
  p->free = free;
  p->home = home;
}

/* Take `n` if they are there and nobody waits. */
bool weir_permits_try (weir_Permits *p, uint32_t n) {
  if (!weir_permits_ready(p, n)) return false;
  p->free -= n;
  return true;
}

/* Stand last in line for `n`; only after a `try` has failed. */
void weir_permits_join (weir_Permits *p, weir_Waiter *w, uint32_t n) {
  assert(n > 0 && !weir_permits_ready(p, n));
  w->permits = p;
  w->need = n;
  weir_list_append(&p->line, &w->link);
}

/* Grant what the first in line needs, as long as there is enough. */
void weir_permits_serve (weir_Permits *p) {
  weir_Link *first;
  while ((first = weir_list_first(&p->line)) != NULL) {
    weir_Waiter *w = weir_container(first, weir_Waiter, link);
    if (p->free < w->need) return;
    p->free -= w->need;
    w->owns = true;
    weir_win(w);
  }
}

/* Tell those who wait through one handle; whoever stands behind them may go on. */
void weir_permits_tell_through (weir_Permits *p, const void *handle) {
  weir_line_tell_through(&p->line, handle);
  weir_permits_serve(p);
}

/* weir_permits_give, when somebody waits or the owner wants to know. */
void weir_permits_give_on (weir_Permits *p, uint32_t n) {
  p->free += n;
  if (!weir_list_empty(&p->line)) weir_permits_serve(p);
  if (p->home != NULL) p->home(p);
}

/* Who waited takes what it was granted: how many (0: it was only told). */
uint32_t weir_permits_take (weir_Waiter *w) {
  if (!w->owns) return 0;
  w->owns = false;
  return w->need;
}

/* What a `try` could take now. */
uint32_t weir_permits_available (const weir_Permits *p) {
  return weir_list_empty(&p->line) ? p->free : 0;
}

/* Destroy up to `n` of those that a `try` could take; how many there were. */
uint32_t weir_permits_forget (weir_Permits *p, uint32_t n) {
  uint32_t there = weir_permits_available(p);
  if (n > there) n = there;
  p->free -= n;
  return n;
}
