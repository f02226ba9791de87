/* SPDX-License-Identifier: MIT */
/*
** permits_explore.c -- every history of four tasks that acquire 0 to 3 of up to
** four permits, one at a time, or by turns with an event.
**
** P1..P4: nobody is overtaken, permits pile up for the first in line, a grant
** that is cut short goes to the next; the owner is told of every homecoming
** once. Adding, forgetting and closing as a semaphore does them.
*/
#include "explore.h"

enum { TASKS = 4, BRANCHES = 2, LINES = 2 };
enum { P, EVENT };
enum { START = 2, MOST = 4 };

#include "waits.h"

static struct {
  weir_Permits p;
  weir_Link event;
  uint32_t total;                /* of all permits, wherever they are */
  uint8_t holds[TASKS];
  uint8_t homecomings, due;      /* in this step */
} w;

static void home (weir_Permits *p) {
  w.homecomings++;
  expect(weir_list_empty(&p->line) || weir_container(p->line.next, weir_Waiter, link)->need > p->free,
         "P3", "the owner is told before the line is served");
}

static void home_due (int line) {
  (void)line;
  w.due++;
}

static void start (void) {
  w.total = START;
  weir_permits_init(&w.p, START, home);
  weir_list_init(&w.event);
  permits_line(P, &w.p, START);
  event_line(EVENT, &w.event);
  model_home = home_due;
}

static bool acquire (int task, uint32_t n, bool or_event) {
  if (waits.task[task].state != IDLE || w.holds[task] > 0) return false;
  tell("T%d acquires %u%s", task, (unsigned)n, or_event ? " or the event" : "");
  if (n == 0) {                                /* none are always there */
    expect(weir_permits_ready(&w.p, 0), "liveness", "none are not ready");
    expect(weir_permits_try(&w.p, 0), "liveness", "none cannot be had");
    return true;
  }
  if (try_permits(P, n)) {
    w.holds[task] = (uint8_t)n;
    tell(" -> has them");
    return true;
  }
  begin(task, or_event ? 2 : 1, 0);
  wait_permits(task, 0, P, n, 0);
  if (or_event) wait_event(task, 1, EVENT, 0);
  return true;
}

enum { ACQUIRE_0, ACQUIRE_1, ACQUIRE_2, ACQUIRE_3, SELECT, RELEASE, CUT, RUN, OF_TASK };

static bool of_task (int task, int what) {
  Task *t = &waits.task[task];
  int won;
  switch (what) {
    case SELECT: return acquire(task, 1, true);
    case RELEASE:
      if (w.holds[task] == 0) return false;
      tell("T%d releases %d", task, w.holds[task]);
      must_give(P, w.holds[task]);
      weir_permits_give(&w.p, w.holds[task]);
      w.holds[task] = 0;
      return true;
    case CUT:
      if (t->state == IDLE) return false;
      tell("T%d is cut short (%s)", task, t->state == PARKED ? "waiting" : "woken");
      cut(task);
      return true;
    case RUN:
      if (t->state != WOKEN) return false;
      tell("T%d runs", task);
      w.holds[task] = (uint8_t)take(task, &won);
      return true;
    default: return acquire(task, (uint32_t)(what - ACQUIRE_0), false);
  }
}

enum { ADD = TASKS * OF_TASK, FORGET_1, FORGET_2, CLOSE, TELL, STEPS };

static bool forget (uint32_t n) {
  uint32_t there = waits.line[P].places == 0 ? waits.line[P].free : 0;
  if (n > there) n = there;
  tell("forget %u", (unsigned)n);
  expect(weir_permits_forget(&w.p, n) == n, "P4", "%u could not be forgotten", (unsigned)n);
  waits.line[P].free -= n;
  w.total -= n;
  return true;
}

static bool step (int n) {
  if (n < TASKS * OF_TASK) return of_task(n / OF_TASK, n % OF_TASK);
  switch (n) {
    case ADD:
      if (w.total == MOST) return false;
      tell("add one");
      w.total++;
      must_give(P, 1);
      weir_permits_give(&w.p, 1);
      return true;
    case FORGET_1: return forget(1);
    case FORGET_2: return forget(MOST);
    case CLOSE:
      tell("refuse all that wait");
      must_tell_all(P);
      weir_line_tell_all(&w.p.line);
      return true;
    default:
      tell("the event");
      must_tell_all(EVENT);
      weir_line_tell_all(&w.event);
      return true;
  }
}

static void check (void) {
  uint32_t out = 0;
  int i;
  check_waits();
  for (i = 0; i < TASKS; i++) out += w.holds[i] + (uint32_t)waits.task[i].owns;
  expect(w.p.free + out == w.total, "P4", "%u free and %u out make not %u", (unsigned)w.p.free,
         (unsigned)out, (unsigned)w.total);
  expect(w.homecomings == w.due, "P3", "the owner was told of %d homecomings, there were %d",
         w.homecomings, w.due);
  w.homecomings = w.due = 0;
}

int main (void) {
  static const Explorer permits = { "permits", 300000, STEPS, start, step, check, NULL, NULL };
  explore_part(&w, sizeof(w));
  explore_part(&waits, sizeof(waits));
  explore_run(&permits);
  return 0;
}
