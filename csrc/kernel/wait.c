/* SPDX-License-Identifier: MIT */
/*
** wait.c -- parking and waking: the one mechanism of everything that waits.
**
**   Parking  parked ----win----> won = w ----(taken by who waited)----> idle
**               |                   |
**               +------unpark-------+-- what w owned goes to the next in line
**
** W1  a Waiter is in at most one line; in none, its link points to itself
** W2  at most one branch of a Parking is ever won, and then none is in a line
** W3  a won branch that wanted permits owns them (`owns`) until they are taken
**     or the Parking is unparked
** W4  `wake` is called once for each win, and only for a parked Parking
** W5  in an event's line those who stand there again come first, in the order in which they
**     came: they look in that order when they are told (spec/model knows it, the explorers do not)
*/
#include <assert.h>

#include "kernel.h"

/* Prepare `n` branches for waiting; each is then joined to a line. A grant
** that was won before and not taken (its taker failed) is given back first. */
void weir_park (weir_Parking *p, weir_Waiter *branch, uint32_t n) {
  uint32_t i;
  assert(!p->parked);
  if (p->won != NULL) weir_unpark(p);
  p->branch = branch;
  p->nbranch = n;
  p->won = NULL;
  p->parked = true;
  for (i = 0; i < n; i++) {
    weir_list_init(&branch[i].link);
    branch[i].parking = p;
    branch[i].permits = NULL;
    branch[i].through = NULL;
    branch[i].need = 0;
    branch[i].owns = branch[i].again = false;
  }
}

/* Stand last in an event's line; who was told and found nothing (somebody before it took what
** there was) stands before those who have come since. (W5) */
void weir_line_join (weir_Link *line, weir_Waiter *w) {
  weir_Link *x = line;
  w->permits = NULL;
  if (w->again)
    while (x->prev != line && !weir_container(x->prev, weir_Waiter, link)->again) x = x->prev;
  weir_list_append(x, &w->link);
}

/*
** Branch `w` wins: its siblings leave their lines at once, its task is woken.
** A sibling wants one permit at the most, so its leaving serves nobody: as
** long as it stood first there was none to be had (P1).
*/
void weir_win (weir_Waiter *w) {
  weir_Parking *p = w->parking;
  uint32_t i;
  assert(p->parked);
  for (i = 0; i < p->nbranch; i++) {
    assert(p->nbranch == 1 || p->branch[i].need <= 1);
    weir_list_remove(&p->branch[i].link);
  }
  p->won = w;
  p->parked = false;
  p->wake(p);
}

/*
** Cut a wait short, before or after it was won. Whoever may go on because of
** it is woken: the next in the lines that are left, the next in line for
** what had been granted.
*/
void weir_unpark (weir_Parking *p) {
  weir_Waiter *w = p->won;
  uint32_t i;
  if (p->parked) {
    p->parked = false;
    for (i = 0; i < p->nbranch; i++) {
      w = &p->branch[i];
      weir_list_remove(&w->link);
      if (w->permits != NULL) weir_permits_serve(w->permits);
    }
  }
  else if (w != NULL && w->owns) {
    w->owns = false;
    weir_permits_give(w->permits, w->need);
  }
  p->won = NULL;
}

/* Tell the first in line; false if nobody stands there. */
bool weir_line_tell (weir_Link *line) {
  weir_Link *first = weir_list_first(line);
  if (first == NULL) return false;
  weir_win(weir_container(first, weir_Waiter, link));
  return true;
}

/* Tell everybody who stands in line now. (Waking only links, so nobody joins
** meanwhile.) */
void weir_line_tell_all (weir_Link *line) {
  while (weir_line_tell(line)) {}
}

/* Tell those who wait through one handle (it is moved or dropped). A win may take other branches
** out of the same line: go on behind the last before it that is not one of those. */
void weir_line_tell_through (weir_Link *line, const void *handle) {
  weir_Link *x = line->next;
  while (x != line) {
    weir_Waiter *w = weir_container(x, weir_Waiter, link);
    if (w->through == handle) {
      do x = x->prev;
      while (x != line && weir_container(x, weir_Waiter, link)->parking == w->parking);
      weir_win(w);
    }
    x = x->next;
  }
}
