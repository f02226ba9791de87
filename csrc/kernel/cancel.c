/* SPDX-License-Identifier: MIT */
/*
** cancel.c -- a tree of cancellation tokens.
**
**   parent --children--> a <-> b <-> c        through `sibling`; each knows its parent
**
** C1  a cancelled token has no children in its list and nobody in its line
** C2  a token that is not cancelled is in its parent's list, or is a root
** C3  no ancestor of a token that is not cancelled is cancelled
** C4  a token that is dropped leaves its children to its own parent
*/
#include "kernel.h"

/* A child of a cancelled token is born without a parent: the binding gives it
** its state. */
void weir_token_init (weir_Token *t, weir_Token *parent) {
  weir_list_init(&t->line);
  weir_list_init(&t->children);
  weir_list_init(&t->sibling);
  t->parent = NULL;
  t->cancelled = parent != NULL && parent->cancelled;
  if (parent != NULL && !parent->cancelled) {
    t->parent = parent;
    weir_list_append(&parent->children, &t->sibling);
  }
}

/*
** Cancel one token, wake those who wait for it, and return the next of the
** tree that is to be cancelled, or NULL: the caller goes on with that one, so
** a tree of any depth needs no stack. Children first, then up again.
*/
weir_Token *weir_token_cancel (weir_Token *t) {
  weir_Token *next = NULL, *up = t->parent;
  t->cancelled = true;
  weir_line_tell_all(&t->line);
  if (!weir_list_empty(&t->children))                /* down first */
    return weir_container(t->children.next, weir_Token, sibling);
  /* up: leave each list behind until one has somebody left */
  while (up != NULL && up->cancelled) {
    weir_list_remove(&t->sibling);
    t->parent = NULL;
    if (!weir_list_empty(&up->children)) {
      next = weir_container(up->children.next, weir_Token, sibling);
      return next;
    }
    t = up;
    up = t->parent;
  }
  weir_list_remove(&t->sibling);
  t->parent = NULL;
  return NULL;
}

/* The token is gone. */
void weir_token_drop (weir_Token *t) {
  weir_Link *x;
  while ((x = weir_list_first(&t->children)) != NULL) {
    weir_Token *child = weir_container(x, weir_Token, sibling);
    weir_list_remove(x);
    child->parent = t->parent;
    if (t->parent != NULL) weir_list_append(&t->parent->children, x);
  }
  weir_list_remove(&t->sibling);
  t->parent = NULL;
}
