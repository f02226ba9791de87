/* SPDX-License-Identifier: MIT */
/*
** cancel_explore.c -- every history of trees of up to five cancellation tokens
** and two tasks that wait for one of them or for the first of two.
**
** C1..C4: cancelled with the parent and never the other way, whatever was
** dropped before; whoever waits anywhere below is woken, once. A dropped token
** is overwritten: whoever still points there crashes.
*/
#include "explore.h"

enum { TOKENS = 5, TASKS = 2, BRANCHES = 2, LINES = TOKENS };
enum { NONE = TOKENS };

#include "waits.h"

typedef struct Model {
  uint8_t alive, cancelled;
  uint8_t parent;                    /* or NONE */
  uint8_t child[TOKENS], children;   /* in order */
} Model;

static struct {
  weir_Token token[TOKENS];
  Model model[TOKENS];
} w;

static void start (void) {
  int i;
  for (i = 0; i < TOKENS; i++) {
    memset(&w.token[i], 0xdd, sizeof(w.token[i]));
    w.model[i].parent = NONE;
  }
}

static void adopt (int parent, int t) {
  Model *m = &w.model[parent];
  m->child[m->children++] = (uint8_t)t;
  w.model[t].parent = (uint8_t)parent;
}

static void leave_parent (int t) {
  Model *m;
  int i = 0;
  if (w.model[t].parent == NONE) return;
  m = &w.model[w.model[t].parent];
  while (m->child[i] != t) i++;
  memmove(&m->child[i], &m->child[i + 1], (size_t)(m->children - i - 1));
  m->child[--m->children] = 0;
  w.model[t].parent = NONE;
}

static bool make (int parent) {
  int t = 0;
  while (t < TOKENS && w.model[t].alive) t++;
  if (t == TOKENS || (parent != NONE && !w.model[parent].alive)) return false;
  if (parent == NONE) tell("make t%d", t);
  else tell("make t%d, a child of t%d", t, parent);
  weir_token_init(&w.token[t], parent == NONE ? NULL : &w.token[parent]);
  w.model[t].alive = 1;
  event_line(t, &w.token[t].line);
  if (parent == NONE) return true;
  if (w.model[parent].cancelled) w.model[t].cancelled = 1;
  else adopt(parent, t);
  return true;
}

/* Top down, children in order of coming. */
static void must_cancel (int t) {
  w.model[t].cancelled = 1;
  must_tell_all(t);
  while (w.model[t].children > 0) must_cancel(w.model[t].child[0]);
  leave_parent(t);
}

static bool cancel (int t) {
  weir_Token *next = &w.token[t];
  int steps = 0;
  if (!w.model[t].alive || w.model[t].cancelled) return false;
  tell("cancel t%d", t);
  must_cancel(t);
  while ((next = weir_token_cancel(next)) != NULL) {
    expect(++steps < TOKENS, "liveness", "the walk has no end");
    expect(!next->cancelled, "C1", "a token is cancelled twice");
  }
  return true;
}

/* Whoever waits keeps the token alive, so nobody does. */
static bool drop (int t) {
  Model *m = &w.model[t];
  int up = m->parent;
  if (!m->alive || waits.line[t].places > 0) return false;
  tell("drop t%d", t);
  leave_parent(t);
  while (m->children > 0) {
    int child = m->child[0];
    leave_parent(child);
    if (up != NONE) adopt(up, child);
  }
  weir_token_drop(&w.token[t]);
  memset(&w.token[t], 0xdd, sizeof(w.token[t]));
  memset(m, 0, sizeof(*m));
  m->parent = NONE;
  waits.line[t].real = NULL;
  return true;
}

/* A task waits for t, or for the first of t and u. */
static bool cancelled (int task, int t, int u) {
  if (waits.task[task].state != IDLE || !w.model[t].alive || !w.model[u].alive) return false;
  if (w.model[t].cancelled || w.model[u].cancelled) return false;
  if (t == u) tell("T%d waits for t%d", task, t);
  else tell("T%d waits for t%d or t%d", task, t, u);
  begin(task, t == u ? 1 : 2, 0);
  wait_event(task, 0, t, 0);
  if (t != u) wait_event(task, 1, u, 0);
  return true;
}

enum { RUN = TOKENS * TOKENS, CUT, OF_TASK };
enum { OF_TOKEN = 3, WAITS = TOKENS * OF_TOKEN + 1 };

static bool step (int n) {
  int task;
  if (n < TOKENS * OF_TOKEN)
    switch (n % OF_TOKEN) {
      case 0: return make(n / OF_TOKEN);
      case 1: return cancel(n / OF_TOKEN);
      default: return drop(n / OF_TOKEN);
    }
  if (n == TOKENS * OF_TOKEN) return make(NONE);
  task = (n - WAITS) / OF_TASK;
  n = (n - WAITS) % OF_TASK;
  switch (n) {
    case RUN:
      if (waits.task[task].state != WOKEN) return false;
      tell("T%d runs", task);
      take(task, NULL);
      return true;
    case CUT:
      if (waits.task[task].state == IDLE) return false;
      tell("T%d is cut short (%s)", task, waits.task[task].state == PARKED ? "waiting" : "woken");
      cut(task);
      return true;
    default: return cancelled(task, n / TOKENS, n % TOKENS);
  }
}

static void check_token (int i) {
  const weir_Token *t = &w.token[i];
  const Model *m = &w.model[i];
  const weir_Link *x = &t->children;
  int k;
  expect(t->cancelled == m->cancelled, "C3", "t%d is %scancelled", i, m->cancelled ? "not " : "");
  if (t->cancelled)
    expect(weir_list_empty(&t->children) && weir_list_empty(&t->line) && t->parent == NULL &&
           weir_list_empty(&t->sibling), "C1", "t%d is cancelled and has ties", i);
  if (m->parent == NONE)
    expect(t->parent == NULL && weir_list_empty(&t->sibling), "C2", "t%d has a parent", i);
  else expect(t->parent == &w.token[m->parent], "C2", "t%d does not know its parent t%d", i, m->parent);
  for (k = 0; k < m->children; k++) {
    expect(x->next->prev == x, "L1", "children of t%d", i);
    x = x->next;
    expect(x == &w.token[m->child[k]].sibling, "C4", "t%d should have t%d as its child", i,
           m->child[k]);
  }
  expect(x->next == &t->children && t->children.prev == x, "C4", "t%d has too many children", i);
}

static void check (void) {
  int i;
  for (i = 0; i < TOKENS; i++)
    if (w.model[i].alive) check_token(i);
  check_waits();
}

int main (void) {
  static const Explorer trees = { "cancel, trees", 1000000, WAITS + TASKS * OF_TASK, start, step, check,
                                  NULL, NULL };
  explore_part(&w, sizeof(w));
  explore_part(&waits, sizeof(waits));
  explore_run(&trees);
  return 0;
}
