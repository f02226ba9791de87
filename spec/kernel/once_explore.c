/* SPDX-License-Identifier: MIT */
/*
** once_explore.c -- every history of a once and six tasks that make its value,
** wait for it, or set it by hand.
**
** E1..E4: one maker at a time; when it fails or is cut short, or is granted the
** turn and cut short before it runs, the next in line makes the value; nobody
** sets it beside a maker, nobody makes it twice; all who wait hear of it.
*/
#include "explore.h"

enum { TASKS = 6, BRANCHES = 1, LINES = 2 };
enum { TURN, VALUE };
enum { NOBODY = TASKS };

#include "waits.h"

static struct {
  weir_Once o;
  uint8_t maker;                       /* the model: the task that has the turn; or NOBODY */
  uint8_t set;
} w;

static void start (void) {
  weir_once_init(&w.o);
  w.maker = NOBODY;
  permits_line(TURN, &w.o.turn, 1);
  event_line(VALUE, &w.o.line);
}

/* ---- what tasks do ------------------------------------------------------- */

/* Does the kernel give the turn to who comes now, or was woken? */
static bool may_begin (weir_Waiter *won, bool must) {
  expect(weir_once_ready(&w.o, won) == must, w.set ? "E4" : "E2", "ready is %d", !must);
  expect(weir_once_begin(&w.o, won) == must, w.set ? "E4" : "E2", "begin says %d", !must);
  return must;
}

static void becomes_maker (int task) {
  tell(" -> makes it");
  expect(w.maker == NOBODY, "E2", "T%d makes it already", w.maker);
  w.maker = (uint8_t)task;
}

static bool need (int task) {
  bool may = !w.set && may_try(TURN, 1);
  if (waits.task[task].state != IDLE || w.maker == task) return false;
  tell("T%d needs it", task);
  if (may_begin(NULL, may)) {
    waits.line[TURN].free--;
    becomes_maker(task);
  }
  else if (w.set) tell(" -> it is there");
  else {
    begin(task, 1, TURN);
    weir_once_join(&w.o, &waits.task[task].branch[0]);
    add_place(TURN, task, 0, 1, 0);
  }
  return true;
}

static bool wait_value (int task) {
  if (waits.task[task].state != IDLE || w.maker == task || w.set) return false;
  tell("T%d waits for it", task);
  begin(task, 1, VALUE);
  wait_event(task, 0, VALUE, 0);
  return true;
}

/* It was granted the turn, could not take it (no memory), and waits for the value. */
static bool wait_instead (int task) {
  if (waits.task[task].owns == 0) return false;
  tell("T%d leaves its turn and waits", task);
  begin_again(task, 1, VALUE);
  wait_event(task, 0, VALUE, 0);
  return true;
}

static bool run (int task) {
  Task *t = &waits.task[task];
  if (t->state != WOKEN) return false;
  tell("T%d runs", task);
  if (t->owns > 0) {
    may_begin(t->parking.won, true);
    t->owns = 0;                       /* it was taken just now */
    becomes_maker(task);
  }
  else {
    expect(w.set, "liveness", "T%d is told of a value that is not there", task);
    if (t->wants == TURN) may_begin(t->parking.won, false);
  }
  take(task, NULL);
  return true;
}

static bool made (int task) {
  if (w.maker != task || w.set) return false;
  tell("T%d has made it", task);
  w.set = 1;
  must_tell_all(VALUE);
  must_tell_all(TURN);
  weir_once_made(&w.o);
  return true;
}

static bool end (int task) {
  if (w.maker != task) return false;
  tell(w.set ? "T%d ends" : "T%d fails, or is cut short", task);
  w.maker = NOBODY;
  must_give(TURN, 1);
  weir_once_end(&w.o);
  return true;
}

static bool set (void) {
  bool may = !w.set && may_try(TURN, 1);
  tell("it is set by hand%s", may ? "" : " -> full");
  if (may) {
    w.set = 1;
    must_tell_all(VALUE);
  }
  expect(weir_once_set(&w.o) == may, "E3", "set says %d", !may);
  return true;
}

enum { NEED, WAIT, INSTEAD, RUN, CUT, MADE, END, OF_TASK };

static bool step (int n) {
  int task = n / OF_TASK;
  if (task == TASKS) return set();
  switch (n % OF_TASK) {
    case NEED: return need(task);
    case WAIT: return wait_value(task);
    case INSTEAD: return wait_instead(task);
    case RUN: return run(task);
    case MADE: return made(task);
    case END: return end(task);
    default:
      if (waits.task[task].state == IDLE) return false;
      tell("T%d is cut short (%s)", task, waits.task[task].state == PARKED ? "waiting" : "woken");
      cut(task);
      return true;
  }
}

/* ---- checks -------------------------------------------------------------- */

static void check (void) {
  uint32_t out = w.maker != NOBODY;
  int i;
  for (i = 0; i < TASKS; i++) out += waits.task[i].owns;
  expect(w.o.set == w.set, "E3", "set is %d", w.o.set);
  expect(!w.o.set || (weir_list_empty(&w.o.line) && weir_list_empty(&w.o.turn.line)), "E1",
         "it is set, and somebody waits");
  expect(w.o.turn.free + out == 1, "E2", "%u turns are free and %u out", (unsigned)w.o.turn.free,
         (unsigned)out);
  expect(!w.set || out == (w.maker != NOBODY), "E4", "a turn is granted, and it is set");
  check_waits();
}

static bool try_step (int n) {
  tell_step();
  if (!step(n)) return false;
  check();
  return true;
}

/* Every maker fails; then it is set by hand, and all have it. */
static void wind_up (void) {
  int i, n;
  for (n = 0; n < TASKS * TASKS; n++) {
    try_step(n % TASKS * OF_TASK + RUN);
    try_step(n % TASKS * OF_TASK + END);
  }
  expect(w.maker == NOBODY && w.o.turn.free == 1, "E2", "the turn is lost");
  try_step(TASKS * OF_TASK);
  expect(w.o.set, "E3", "it cannot be set");
  for (i = 0; i < TASKS; i++) try_step(i * OF_TASK + RUN);
  for (i = 0; i < TASKS; i++)
    expect(waits.task[i].state == IDLE, "liveness", "T%d waits for what is there", i);
}

int main (void) {
  static const Explorer once = { "once", 400000, TASKS * OF_TASK + 1, start, step, check, NULL, wind_up };
  explore_part(&w, sizeof(w));
  explore_part(&waits, sizeof(waits));
  explore_run(&once);
  return 0;
}
