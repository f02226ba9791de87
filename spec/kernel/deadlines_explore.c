/* SPDX-License-Identifier: MIT */
/*
** deadlines_explore.c -- every history of seven deadlines at three times (the
** first that is not in is the one that is started: their names do not matter).
**
** D1..D3: the first is the earliest and, of equal times, the one that was
** started first; stopping takes out that one and no other. At each new state
** all are also taken out in turn, and moved all at once.
*/
#include "explore.h"

#include "kernel.h"

enum { NODES = 7, TIMES = 3 };

static struct {
  weir_Deadlines d;
  weir_Deadline node[NODES];
  uint8_t when[NODES];               /* the model: 0 not in, else 1 + time */
  uint8_t rank[NODES];               /* order of starting */
  uint8_t started;
} w;

static void start (void) {
  int i;
  weir_deadlines_init(&w.d);
  for (i = 0; i < NODES; i++) weir_deadline_init(&w.node[i]);
}

static bool begin (int time) {
  int n = 0;
  while (n < NODES && w.when[n] > 0) n++;
  if (n == NODES) return false;
  tell("start d%d at %d", n, time);
  w.when[n] = (uint8_t)(1 + time);
  w.rank[n] = w.started++;
  weir_deadlines_start(&w.d, &w.node[n], time, (unsigned)n & 3);
  return true;
}

static void end (int n) {
  weir_deadlines_stop(&w.d, &w.node[n]);
  w.when[n] = w.rank[n] = 0;
  memset(&w.node[n], 0xdd, sizeof(w.node[n]));       /* nobody may look there again */
  weir_deadline_init(&w.node[n]);
}

static bool stop (int n) {
  tell("stop d%d", n);                 /* harmless if it is not in */
  end(n);
  return true;
}

static int earliest (void) {
  int i, best = NODES;
  for (i = 0; i < NODES; i++)
    if (w.when[i] > 0 && (best == NODES || w.when[i] < w.when[best] ||
        (w.when[i] == w.when[best] && w.rank[i] < w.rank[best]))) best = i;
  return best;
}

static bool step (int n) {
  return n < TIMES ? begin(n) : stop(n - TIMES);
}

static int index_of (const weir_Deadline *n) {
  expect(n >= w.node && n < w.node + NODES, "D2", "a link leads out of the heap");
  return (int)(n - w.node);
}

/* The tree below n, checked; how many there are. */
static int check_below (const weir_Deadline *n, int depth) {
  const weir_Deadline *x, *before = n;
  int i = index_of(n), count = 1;
  expect(depth <= NODES, "D2", "a ring of children");
  expect(w.when[i] > 0, "D3", "d%d is in, and was stopped", i);
  for (x = n->child; x != NULL; x = x->next) {
    int k = index_of(x);
    expect(x->prev == before, "D2", "d%d has the wrong prev", k);
    expect(n->when < x->when || (n->when == x->when && n->order < x->order), "D1",
           "d%d is due before its parent d%d", k, i);
    count += check_below(x, depth + 1);
    expect(count <= NODES, "D2", "too many are in");
    before = x;
  }
  return count;
}

static void check_first (void) {
  int best = earliest();
  const weir_Deadline *first = weir_deadlines_first(&w.d);
  if (best == NODES) expect(first == NULL, "D1", "there is a first of none");
  else expect(first == &w.node[best], "D1", "d%d is first", best);
}

static void check (void) {
  int i, n = 0;
  check_first();
  expect(w.d.started == w.started, "D1", "%d were started", w.started);
  for (i = 0; i < NODES; i++) {
    n += w.when[i] > 0;
    expect(weir_deadline_set(&w.node[i]) == (w.when[i] > 0), "D3", "d%d: set is wrong", i);
    if (w.when[i] == 0) continue;
    expect(w.node[i].when == w.when[i] - 1, "D1", "d%d has another time", i);
    expect(weir_deadline_kind(&w.node[i]) == ((unsigned)i & 3), "D1", "d%d has another kind", i);
  }
  if (w.d.root == NULL) expect(n == 0, "D2", "%d are lost", n);
  else {
    expect(w.d.root->prev == w.d.root && w.d.root->next == NULL, "D2", "the root's links");
    expect(check_below(w.d.root, 1) == n, "D2", "some of %d are lost", n);
  }
}

/* Ranks only grow: number them anew, in their order. */
static void settle (void) {
  uint8_t i, k, rank[NODES];
  w.started = 0;
  for (i = 0; i < NODES; i++) {
    rank[i] = 0;
    for (k = 0; k < NODES; k++) rank[i] = (uint8_t)(rank[i] + (w.when[k] > 0 && w.rank[k] < w.rank[i]));
    w.started = (uint8_t)(w.started + (w.when[i] > 0));
  }
  for (i = 0; i < NODES; i++)
    if (w.when[i] > 0) {
      w.rank[i] = rank[i];
      w.node[i].order = (uint64_t)rank[i] << 2 | (w.node[i].order & 3);
    }
  w.d.started = w.started;
}

/* Move all, then take out the first until none is left. */
static void drain (void) {
  int i, best;
  weir_deadlines_shift(&w.d, 10);
  for (i = 0; i < NODES; i++)
    if (w.when[i] > 0) {
      expect(w.node[i].when == w.when[i] - 1 + 10, "D1", "d%d was moved to %g", i, w.node[i].when);
      w.when[i] = (uint8_t)(w.when[i] + 10);
    }
  check();
  while ((best = earliest()) < NODES) {
    tell_step();
    tell("take out d%d", best);
    check_first();
    end(best);
  }
  check();
}

int main (void) {
  static const Explorer deadlines = { "deadlines", 1500000, TIMES + NODES, start, step, check,
                                      settle, drain };
  explore_part(&w, sizeof(w));
  explore_run(&deadlines);
  return 0;
}
