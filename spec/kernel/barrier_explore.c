/* SPDX-License-Identifier: MIT */
/*
** barrier_explore.c -- every history of six tasks at a barrier for 0 to 6.
**
** G1..G3: the n-th to arrive tells all that stand there, in order of arriving,
** and nobody else does; who was cut short has not come, wherever it stood; the
** line is walked in vain only for a gap in its middle. Numbers begin just below
** 2^32, so that they pass it.
*/
#include "explore.h"

enum { TASKS = 6, BRANCHES = 1, LINES = 1 };
enum { ARRIVED };
#define BASE (UINT32_MAX - 1)          /* where `settle` puts the first number */

#include "waits.h"

static uint32_t size;                  /* the variant */

static struct {
  weir_Barrier b;
} w;

static void start (void) {
  weir_barrier_init(&w.b, size);
  event_line(ARRIVED, &w.b.line);
}

/* ---- the numbers --------------------------------------------------------- */

typedef struct Numbers {
  uint32_t of[TASKS + 1];
  uint32_t n;
} Numbers;

static Numbers numbers (void) {
  Numbers found;
  const weir_Link *x;
  memset(&found, 0, sizeof(found));
  for (x = w.b.line.next; x != &w.b.line; x = x->next) {
    expect(found.n < TASKS, "W1", "the line has no end");
    found.of[found.n++] = weir_container(x, const weir_Waiter, link)->need;
  }
  return found;
}

static void set_numbers (const Numbers *to) {
  weir_Link *x;
  uint32_t i = 0;
  for (x = w.b.line.next; x != &w.b.line; x = x->next)
    weir_container(x, weir_Waiter, link)->need = to->of[i++];
}

static uint32_t span (const Numbers *x) {
  return x->n == 0 ? 0 : x->of[x->n - 1] - x->of[0] + 1;
}

/* ---- steps --------------------------------------------------------------- */

/* True: the barrier opens. */
static bool arrive (void) {
  uint32_t n = size == 0 ? 1 : size;
  bool opens = waits.line[ARRIVED].places + 1 >= n;
  Numbers before = numbers(), after;
  if (opens) must_tell_all(ARRIVED);
  expect(weir_barrier_arrive(&w.b) == opens, "G1", "number %u of %u %s", (unsigned)before.n + 1,
         (unsigned)n, opens ? "has to wait" : "need not wait");
  if (opens) {
    tell(" -> leads");
    return true;
  }
  after = numbers();
  if (span(&before) + 1 < n)
    expect(memcmp(&before, &after, sizeof(before)) == 0, "G3", "the line was walked too early");
  else expect(span(&after) == after.n, "G3", "the line was walked, and a gap is left");
  return false;
}

/* `stays`: it waits if it has to. */
static bool wait_at_it (int task, bool stays) {
  if (waits.task[task].state != IDLE) return false;
  tell(stays ? "T%d arrives" : "T%d looks in", task);
  if (arrive() || !stays) return true;
  begin(task, 1, ARRIVED);
  weir_barrier_join(&w.b, &waits.task[task].branch[0]);
  add_place(ARRIVED, task, 0, 0, 0);
  return true;
}

enum { ARRIVE, LOOK, CUT, RUN, OF_TASK };

static bool step (int n) {
  int task = n / OF_TASK;
  const Task *t = &waits.task[task];
  switch (n % OF_TASK) {
    case ARRIVE: return wait_at_it(task, true);
    case LOOK: return wait_at_it(task, false);
    case CUT:
      if (t->state == IDLE) return false;
      tell("T%d is cut short (%s)", task, t->state == PARKED ? "waiting" : "woken");
      cut(task);
      return true;
    default:
      if (t->state != WOKEN) return false;
      tell("T%d runs", task);
      expect(take(task, NULL) == TOLD, "W3", "T%d is granted something", task);
      return true;
  }
}

/* ---- checks -------------------------------------------------------------- */

static void check (void) {
  Numbers here = numbers(), none;
  uint32_t i;
  memset(&none, 0, sizeof(none));
  set_numbers(&none);                  /* checked below: `check_waits` knows of none */
  check_waits();
  set_numbers(&here);
  expect(here.n < w.b.n, "G1", "%u wait, and it takes %u", (unsigned)here.n, (unsigned)w.b.n);
  expect(weir_barrier_arrived(&w.b) == here.n, "count", "%u are said to have arrived",
         (unsigned)weir_barrier_arrived(&w.b));
  for (i = 1; i < here.n; i++)
    expect(here.of[i] - here.of[i - 1] - 1 < TASKS, "G2", "number %u stands behind %u",
           (unsigned)here.of[i], (unsigned)here.of[i - 1]);
  expect(here.n == 0 || span(&here) < w.b.n, "G2", "%u to %u are too many", (unsigned)here.of[0],
         (unsigned)here.of[here.n - 1]);
}

/* Only differences of numbers count: the first is BASE again. */
static void settle (void) {
  Numbers here = numbers();
  uint32_t i, by = BASE - here.of[0];
  for (i = 0; i < here.n; i++) here.of[i] += by;
  set_numbers(&here);
}

static bool try_step (int n) {
  tell_step();
  if (!step(n)) return false;
  check();
  settle();
  return true;
}

/* Whoever is at rest arrives, until it opens; then all run: nobody is left. */
static void wind_up (void) {
  uint32_t missing = w.b.n - waits.line[ARRIVED].places;
  int i;
  for (i = 0; i < TASKS; i++) try_step(i * OF_TASK + RUN);
  for (i = 0; i < TASKS && missing > 0; i++)
    if (try_step(i * OF_TASK + ARRIVE)) missing--;
  expect(missing == 0, "liveness", "%u more have to come", (unsigned)missing);
  for (i = 0; i < TASKS; i++) try_step(i * OF_TASK + RUN);
  for (i = 0; i < TASKS; i++)
    expect(waits.task[i].state == IDLE, "liveness", "T%d waits although all have come", i);
}

static void explore_barrier (const char *name, uint32_t n) {
  Explorer barrier = { name, 400000, TASKS * OF_TASK, start, step, check, settle, wind_up };
  size = n;
  explore_run(&barrier);
}

int main (void) {
  explore_part(&w, sizeof(w));
  explore_part(&waits, sizeof(waits));
  explore_barrier("barrier for 0", 0);
  explore_barrier("barrier for 2", 2);
  explore_barrier("barrier for 3", 3);
  explore_barrier("barrier for 4", 4);
  explore_barrier("barrier for 5", 5);
  explore_barrier("barrier for 6", 6);
  return 0;
}
