/* SPDX-License-Identifier: MIT */
/*
** deadlines.c -- who is due first: an intrusive pairing heap.
**
**        root 3                  each node: first child, next sibling, and
**        /                       `prev`: the elder sibling or the parent
**       5 -> 4 -> 9
**       |    |
**       7    4'                  (equal times: who started first is first)
**
** Starting costs O(1); stopping one that never came near the top, as most
** timeouts are, costs O(1); taking the first O(log n) amortised. No array, so
** nothing to allocate and nothing to fail. From Fredman, Sedgewick, Sleator and
** Tarjan, "The pairing heap" (1986).
**
** D1  no child is due before its parent; equal times in order of starting
** D2  x->child->prev == x; x->next->prev == x; root->prev == root
** D3  a deadline that is not in has prev == NULL
*/
#include <assert.h>

#include "kernel.h"

static bool before (const weir_Deadline *a, const weir_Deadline *b) {
  return a->when < b->when || (a->when == b->when && a->order < b->order);
}

/* Two trees become one; both are roots (no siblings). */
static weir_Deadline *meld (weir_Deadline *a, weir_Deadline *b) {
  if (before(b, a)) {
    weir_Deadline *t = a;
    a = b;
    b = t;
  }
  b->next = a->child;
  if (b->next != NULL) b->next->prev = b;
  b->prev = a;
  a->child = b;
  return a;
}

/* A row of siblings becomes one tree: in pairs, left to right, then the pairs
** right to left. Returns its root, or NULL. */
static weir_Deadline *meld_row (weir_Deadline *row) {
  weir_Deadline *pairs = NULL, *tree;
  while (row != NULL) {
    weir_Deadline *a = row, *b = row->next;
    row = b != NULL ? b->next : NULL;
    a->next = NULL;
    if (b != NULL) {
      b->next = NULL;
      a = meld(a, b);
    }
    a->next = pairs;                     /* `next` as the stack of pairs */
    pairs = a;
  }
  tree = pairs;
  if (tree == NULL) return NULL;
  pairs = tree->next;
  tree->next = NULL;
  while (pairs != NULL) {
    weir_Deadline *a = pairs;
    pairs = a->next;
    a->next = NULL;
    tree = meld(tree, a);
  }
  return tree;
}

static void set_root (weir_Deadlines *d, weir_Deadline *root) {
  d->root = root;
  if (root != NULL) root->prev = root;
}

void weir_deadlines_init (weir_Deadlines *d) {
  d->root = NULL;
  d->started = 0;
}

void weir_deadline_init (weir_Deadline *n) { n->prev = NULL; }

bool weir_deadline_set (const weir_Deadline *n) { return n->prev != NULL; }

void weir_deadlines_start (weir_Deadlines *d, weir_Deadline *n, double when,
                           unsigned kind) {
  assert(n->prev == NULL);
  n->child = n->next = NULL;
  n->when = when;
  n->order = d->started++ << 2 | kind;
  set_root(d, d->root != NULL ? meld(d->root, n) : n);
}

/* Take it out, wherever it is; nothing if it is not in. */
void weir_deadlines_stop (weir_Deadlines *d, weir_Deadline *n) {
  weir_Deadline *below;
  if (n->prev == NULL) return;
  below = n->child != NULL ? meld_row(n->child) : NULL;
  if (n == d->root) set_root(d, below);
  else {
    if (n->prev->child == n) n->prev->child = n->next;
    else n->prev->next = n->next;
    if (n->next != NULL) n->next->prev = n->prev;
    if (below != NULL) set_root(d, meld(d->root, below));
  }
  n->prev = n->child = n->next = NULL;
}

weir_Deadline *weir_deadlines_first (const weir_Deadlines *d) {
  return d->root;
}

/* Move every deadline by the same amount; the order stays. Walks the tree
** without a stack: down by `child`, along by `next`, up by `prev`. */
void weir_deadlines_shift (weir_Deadlines *d, double by) {
  weir_Deadline *n = d->root;
  while (n != NULL) {
    n->when += by;
    if (n->child != NULL) n = n->child;
    else {
      while (n != NULL && n->next == NULL) {      /* up to one with a sibling left */
        while (n->prev->child != n && n->prev != n) n = n->prev;
        n = n->prev == n ? NULL : n->prev;
      }
      if (n != NULL) n = n->next;
    }
  }
}
