/* SPDX-License-Identifier: MIT */
/*
** once.c -- a value that is set once: by hand, or by one of those who need it.
**
**   turn  free 0        T1 makes the value
**         line T2, T3   who would make it if T1 fails, in order of asking
**   line  T4, T5        who only wait until it is set
**   set   false
**
** E1  set: nobody waits, for the turn or for the value
** E2  the turn is one permit: free, or granted to the next maker, or the
**     maker's until it ends, however it ends
** E3  it is set once: by hand only while the turn is free, else by the maker
** E4  nobody gets the turn once it is set
*/
#include <assert.h>

#include "kernel.h"

void weir_once_init (weir_Once *o) {
  weir_permits_init(&o->turn, 1, NULL);
  weir_list_init(&o->line);
  o->set = false;
}

/* Could weir_once_begin succeed? `won`: who waited for the turn and was woken; or NULL. */
bool weir_once_ready (const weir_Once *o, const weir_Waiter *won) {
  return (won != NULL && won->owns) || (!o->set && weir_permits_ready(&o->turn, 1));
}

/* Take the turn, granted or free: who gets it makes the value, then ends. */
bool weir_once_begin (weir_Once *o, weir_Waiter *won) {
  if (won != NULL && weir_permits_take(won) > 0) return true;
  return !o->set && weir_permits_try(&o->turn, 1);
}

/* Stand last in line for the turn; only after a `begin` has failed. */
void weir_once_join (weir_Once *o, weir_Waiter *w) {
  assert(!o->set);
  weir_permits_join(&o->turn, w, 1);
}

/* The maker has made the value. Wakes all who wait. */
void weir_once_made (weir_Once *o) {
  assert(!o->set && o->turn.free == 0);
  o->set = true;
  weir_line_tell_all(&o->line);
  weir_line_tell_all(&o->turn.line);
}

/* The maker ends, with a value or without: then the next in line is the maker. */
void weir_once_end (weir_Once *o) {
  weir_permits_give(&o->turn, 1);
}

/* Set it by hand; false if it is set, or somebody makes the value. Wakes all who wait. */
bool weir_once_set (weir_Once *o) {
  if (!weir_once_begin(o, NULL)) return false;
  weir_once_made(o);
  weir_once_end(o);
  return true;
}
