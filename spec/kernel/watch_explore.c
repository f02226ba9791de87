/* SPDX-License-Identifier: MIT */
/*
** watch_explore.c -- every history of a watch with two senders and three
** receivers, each of which may be dropped and made again.
**
** H1, H2: a change wakes all that wait, none is missed, an unseen last value is
** reported before the end.
*/
#include "explore.h"

enum { SENDERS = 2, RECEIVERS = 3, TASKS = SENDERS + RECEIVERS, BRANCHES = 2, LINES = 2 };
enum { CHANGED, CLOSED };
enum { BASE = 8 };                   /* where `settle` puts the version */

#include "waits.h"

static struct {
  weir_Watch w;
  uint64_t seen[RECEIVERS];          /* as the binding keeps it */
  uint8_t fresh[RECEIVERS];          /* the model: has it a value to see? */
  uint8_t alive[TASKS];              /* handles: senders first; number task + 1 */
  uint8_t senders, receivers;
} w;

static uint8_t handle (int task) { return (uint8_t)(task + 1); }

static void start (void) {
  int i;
  weir_watch_init(&w.w);
  expect(w.w.senders == 1 && w.w.receivers == 1, "count", "it does not begin with one of each");
  expect(w.w.version > 0, "H1", "version 0 is taken: nothing is below it");
  w.w.senders = w.senders = SENDERS;
  w.w.receivers = w.receivers = RECEIVERS;
  for (i = 0; i < TASKS; i++) w.alive[i] = 1;
  for (i = 0; i < RECEIVERS; i++) w.seen[i] = w.w.version;
  event_line(CHANGED, &w.w.changed);
  event_line(CLOSED, &w.w.closed);
}

static bool change (void) {
  int i;
  if (w.senders == 0) return false;
  tell("a new value");
  for (i = 0; i < RECEIVERS; i++) w.fresh[i] = w.alive[SENDERS + i];
  must_tell_all(CHANGED);
  weir_watch_change(&w.w);
  return true;
}

/* Look for a value not seen: true if that ends the wait. */
static bool look (int r) {
  bool fresh = w.seen[r] != w.w.version;
  expect(fresh == w.fresh[r], "H1", "R%d has %s value to see", r, fresh ? "no" : "a");
  if (fresh) {
    tell(" -> changed");
    w.seen[r] = w.w.version;
    w.fresh[r] = 0;
    return true;
  }
  return w.w.senders == 0;
}

static bool changed (int task) {
  int r = task - SENDERS;
  if (waits.task[task].state != IDLE || !w.alive[task]) return false;
  tell("T%d waits for a change", task);
  if (look(r)) return true;
  begin(task, 1, CHANGED);
  wait_event(task, 0, CHANGED, handle(task));
  return true;
}

static bool wait_closed (int task) {
  if (waits.task[task].state != IDLE || !w.alive[task] || w.receivers == 0) return false;
  tell("T%d waits for the receivers' end", task);
  begin(task, 1, CLOSED);
  wait_event(task, 0, CLOSED, handle(task));
  return true;
}

static bool run (int task) {
  if (waits.task[task].state != WOKEN) return false;
  tell("T%d runs", task);
  take(task, NULL);
  if (w.alive[task] && task >= SENDERS)
    expect(look(task - SENDERS), "liveness", "T%d is told, and there is nothing new", task);
  return true;                       /* a sender looks again: somebody may have subscribed */
}

static bool drop (int task) {
  if (!w.alive[task]) return false;
  tell("the handle of T%d is dropped", task);
  w.alive[task] = 0;
  tell_line_through(task < SENDERS ? CLOSED : CHANGED, handle(task));
  if (task < SENDERS) {
    if (--w.senders == 0) must_tell_all(CHANGED);
    weir_watch_drop_sender(&w.w);
  }
  else {
    w.fresh[task - SENDERS] = 0;
    w.seen[task - SENDERS] = 0;
    if (--w.receivers == 0) must_tell_all(CLOSED);
    weir_watch_drop_receiver(&w.w);
  }
  return true;
}

/* A sender is cloned, or subscribes anew. */
static bool make (int task) {
  if (w.alive[task] || waits.task[task].state != IDLE || w.senders == 0) return false;
  tell("T%d gets a handle", task);
  w.alive[task] = 1;
  if (task < SENDERS) w.w.senders = ++w.senders;
  else {
    w.w.receivers = ++w.receivers;
    w.seen[task - SENDERS] = w.w.version;
  }
  return true;
}

static bool mark (int task) {
  if (!w.alive[task] || waits.task[task].state == PARKED) return false;
  tell("mark the value of T%d as not seen", task);
  w.seen[task - SENDERS] = 0;
  w.fresh[task - SENDERS] = 1;
  return true;
}

enum { WAIT, RUN, CUT, DROP, MAKE, MARK, OF_TASK };

static bool step (int n) {
  int task = n / OF_TASK;
  if (task == TASKS) return change();
  switch (n % OF_TASK) {
    case WAIT: return task < SENDERS ? wait_closed(task) : changed(task);
    case RUN: return run(task);
    case CUT:
      if (waits.task[task].state == IDLE) return false;
      tell("T%d is cut short", task);
      cut(task);
      return true;
    case DROP: return drop(task);
    case MAKE: return make(task);
    default: return task >= SENDERS && mark(task);
  }
}

static void check (void) {
  int i;
  for (i = SENDERS; i < TASKS; i++)
    if (waits.task[i].parking.parked)
      expect(w.seen[i - SENDERS] == w.w.version && w.w.senders > 0, "H1",
             "T%d waits for what %s", i, w.w.senders > 0 ? "is there" : "cannot come");
  expect(w.w.receivers > 0 || weir_list_empty(&w.w.closed), "H2",
         "a sender waits for an end that has come");
  check_waits();
  expect(w.w.senders == w.senders && w.w.receivers == w.receivers, "count", "senders or receivers");
  for (i = 0; i < RECEIVERS; i++)
    expect(!w.alive[SENDERS + i] || (w.seen[i] != w.w.version) == w.fresh[i], "H1",
           "R%d: a change is %s", i, w.fresh[i] ? "missed" : "seen that was none");
}

/* Versions only grow: count from BASE again. */
static void settle (void) {
  int i;
  for (i = 0; i < RECEIVERS; i++)
    if (w.seen[i] != 0) w.seen[i] = w.seen[i] == w.w.version ? BASE : BASE - 1;
  w.w.version = BASE;
}

int main (void) {
  static const Explorer watch = { "watch", 400000, TASKS * OF_TASK + 1, start, step, check, settle, NULL };
  explore_part(&w, sizeof(w));
  explore_part(&waits, sizeof(waits));
  explore_run(&watch);
  return 0;
}
