/* SPDX-License-Identifier: MIT */
/*
** notify_explore.c -- every history of two notifies and four tasks that wait
** for one of them, or for either.
**
** N1..N3: notifications do not add up, notify_waiters stores nothing, a
** notification that was given to a wait that is cut short goes to the next, or
** is kept, once.
*/
#include "explore.h"

enum { TASKS = 4, BRANCHES = 2, LINES = 2 };

#include "waits.h"

static struct {
  weir_Permits notify[LINES];
} w;

static void keep_one (int line) {
  if (waits.line[line].free > 1) waits.line[line].free = 1;
}

static void start (void) {
  int i;
  for (i = 0; i < LINES; i++) {
    weir_notify_init(&w.notify[i]);
    permits_line(i, &w.notify[i], 0);
  }
  model_home = keep_one;
}

/* `set`: bit 0 the first notify, bit 1 the second. */
static bool notified (int task, int set) {
  int i, n = 0;
  if (waits.task[task].state != IDLE) return false;
  tell("T%d waits for %s", task, set == 3 ? "either" : set == 1 ? "the first" : "the second");
  for (i = 0; i < LINES; i++)
    if (set & 1 << i) {
      n++;
      if (try_permits(i, 1)) {
        tell(" -> was notified");
        return true;
      }
    }
  begin(task, n, set);
  for (i = n = 0; i < LINES; i++)
    if (set & 1 << i) wait_permits(task, n++, i, 1, 0);
  return true;
}

enum { OF_TASK = 5 };

static bool step (int n) {
  int task = n / OF_TASK, line = (n - TASKS * OF_TASK) % LINES;
  if (task < TASKS)
    switch (n % OF_TASK) {
      case 3:
        if (waits.task[task].state == IDLE) return false;
        tell("T%d is cut short (%s)", task, waits.task[task].state == PARKED ? "waiting" : "woken");
        cut(task);
        return true;
      case 4:
        if (waits.task[task].state != WOKEN) return false;
        tell("T%d runs", task);
        take(task, NULL);
        return true;
      default: return notified(task, n % OF_TASK + 1);
    }
  if (n < TASKS * OF_TASK + LINES) {
    tell("notify_one of %d", line + 1);
    must_give(line, 1);
    weir_notify_one(&w.notify[line]);
  }
  else {
    uint32_t stored = w.notify[line].free;
    tell("notify_waiters of %d", line + 1);
    must_tell_all(line);
    weir_notify_waiters(&w.notify[line]);
    expect(w.notify[line].free == stored, "N2", "notify_waiters has stored something");
  }
  return true;
}

static void check (void) {
  int i;
  for (i = 0; i < LINES; i++)
    expect(w.notify[i].free <= 1 && (w.notify[i].free == 0 || weir_list_empty(&w.notify[i].line)), "N1",
           "%u are stored", (unsigned)w.notify[i].free);
  check_waits();
}

int main (void) {
  static const Explorer notify = { "notify", 400000, TASKS * OF_TASK + 2 * LINES, start, step, check,
                                   NULL, NULL };
  explore_part(&w, sizeof(w));
  explore_part(&waits, sizeof(waits));
  explore_run(&notify);
  return 0;
}
