/* SPDX-License-Identifier: MIT */
/*
** deadlines_explore.c -- every history of ten deadlines at two times (the
** first that is not in is the one that is started: their names do not matter).
**
** D1..D4: the first is the earliest and, of equal times, the one that was
** started first; stopping takes out that one and no other. At each new state
** all are also taken out in turn, and moved all at once.
*/
#include "explore.h"

#include "kernel.h"

enum { NODES = 10, TIMES = 2 };

static struct {
  weir_Deadlines d;
  weir_Due heap[NODES];
  weir_Deadline node[NODES];
  uint8_t when[NODES];               /* the model: 0 not in, else 1 + time */
  uint8_t rank[NODES];               /* order of starting */
  uint8_t started;
} w;

static void start (void) {
  int i;
  weir_deadlines_init(&w.d);
  w.d.heap = w.heap;
  w.d.room = NODES;
  for (i = 0; i < NODES; i++) weir_deadline_init(&w.node[i]);
}

static bool begin (int time) {
  int n = 0;
  while (n < NODES && w.when[n] > 0) n++;
  if (n == NODES) return false;
  tell("start d%d at %d", n, time);
  w.when[n] = (uint8_t)(1 + time);
  w.rank[n] = w.started++;
  weir_deadlines_start(&w.d, &w.node[n], time, (uint32_t)n & 3);
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
  expect(n >= w.node && n < w.node + NODES, "D2", "a place leads out of the heap");
  return (int)(n - w.node);
}

/* What stands at place i of the heap. */
static void check_place (uint32_t i) {
  const weir_Due *x = &w.heap[i], *parent = &w.heap[i == 0 ? 0 : (i - 1) / 4];
  int k = index_of(x->node);
  expect(w.when[k] > 0, "D3", "d%d is in, and was stopped", k);
  expect(x->node->at == i + 1, "D2", "d%d knows another place", k);
  expect(x->when == x->node->when, "D2", "d%d has another time in the heap", k);
  expect(i == 0 || parent->when < x->when ||
         (parent->when == x->when && parent->order < x->order), "D1",
         "d%d is due before its parent d%d", k, index_of(parent->node));
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
    expect(w.node[i].kind == ((uint32_t)i & 3), "D1", "d%d has another kind", i);
  }
  expect((uint32_t)n == w.d.n, "D2", "%d are in, the heap says %u", n, (unsigned)w.d.n);
  expect(w.d.n <= w.d.room, "D4", "more than there is room for");
  for (i = 0; i < n; i++) check_place((uint32_t)i);
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
      w.heap[w.node[i].at - 1].order = rank[i];
    }
  w.d.started = w.started;
  memset(&w.heap[w.d.n], 0, (NODES - w.d.n) * sizeof(w.heap[0]));
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
