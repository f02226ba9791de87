/* SPDX-License-Identifier: MIT */
/*
** list.h -- intrusive ring lists.
**
**   line  <->  a  <->  b  <->  c  <->  (line)
**
** A list is a ring through its head; an element that is in no list is a ring
** of its own. So removing twice is harmless and asking "is it in one?" is a
** comparison. Nothing here allocates.
**
** L1  x->next->prev == x and x->prev->next == x, always
** L2  an element in no list has next == prev == itself
*/
#ifndef WEIR_LIST_H
#define WEIR_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct weir_Link {
  struct weir_Link *prev, *next;
} weir_Link;

/* the struct of type T that holds `link` as its member M */
#define weir_container(link, T, M) \
  ((T *)(void *)((char *)(link) - offsetof(T, M)))

static inline void weir_list_init (weir_Link *x) { x->prev = x->next = x; }

/* for a head: is the list empty? for an element: is it in no list? */
static inline bool weir_list_empty (const weir_Link *x) { return x->next == x; }

static inline weir_Link *weir_list_first (const weir_Link *line) {
  return weir_list_empty(line) ? NULL : line->next;
}

static inline void weir_list_insert (weir_Link *before, weir_Link *x) {
  x->prev = before->prev;
  x->next = before;
  before->prev->next = x;
  before->prev = x;
}

static inline void weir_list_append (weir_Link *line, weir_Link *x) {
  weir_list_insert(line, x);
}

static inline void weir_list_prepend (weir_Link *line, weir_Link *x) {
  weir_list_insert(line->next, x);
}

static inline void weir_list_remove (weir_Link *x) {
  x->prev->next = x->next;
  x->next->prev = x->prev;
  weir_list_init(x);
}

/* all of `from` goes to the end of `to`; `from` is empty afterwards */
static inline void weir_list_splice (weir_Link *to, weir_Link *from) {
  if (weir_list_empty(from)) return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  weir_list_init(from);
}

#endif
