/* SPDX-License-Identifier: MIT */
/*
** wait_explore.c -- every history of three tasks that wait for two events and
** for permits, alone and in every mixture, through two handles.
**
** W1..W4, P1, P4; a win of one branch takes the others along; told through a
** handle; cut short before the win and after it.
*/
#include "explore.h"

enum { TASKS = 3, BRANCHES = 3, LINES = 3 };
enum { A, B, P };                      /* two events, permits */
enum { MOST_FREE = 3 };

#include "waits.h"

static struct {
  weir_Link a, b;
  weir_Permits p;
} w;

/* what a task may wait for at once; 2: two of the permits, alone; -: nothing */
static const char *const shapes[] = { "A", "P", "2", "AB", "AP", "PA", "AA", "PP", "ABP", "A-" };
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static void start (void) {
  weir_list_init(&w.a);
  weir_list_init(&w.b);
  weir_permits_init(&w.p, 0, NULL);
  event_line(A, &w.a);
  event_line(B, &w.b);
  permits_line(P, &w.p, 0);
}

/* Branch i of a task waits through handle 1 or 2, so that one wait has both. */
static uint8_t handle_of (int task, int i) { return (uint8_t)(1 + (task + i) % 2); }

static bool wait_for (int task, const char *shape) {
  int i, n = (int)strlen(shape);
  if (waits.task[task].state != IDLE) return false;
  tell("T%d waits for %s:", task, shape);
  if (*shape == '2' ? try_permits(P, 2) : strchr(shape, 'P') != NULL && try_permits(P, 1)) {
    tell(" has it at once");
    return true;
  }
  begin(task, n, 0);
  for (i = 0; i < n; i++)
    switch (shape[i]) {
      case 'A': wait_event(task, i, A, handle_of(task, i)); break;
      case 'B': wait_event(task, i, B, handle_of(task, i)); break;
      case 'P': wait_permits(task, i, P, 1, handle_of(task, i)); break;
      case '2': wait_permits(task, i, P, 2, handle_of(task, i)); break;
      default: break;
    }
  return true;
}

static bool of_task (int task, int what) {
  if (what < SHAPES) return wait_for(task, shapes[what]);
  if (what == SHAPES) {
    if (waits.task[task].state == IDLE) return false;
    tell("T%d is cut short (%s)", task, waits.task[task].state == PARKED ? "waiting" : "woken");
    cut(task);
    return true;
  }
  if (waits.task[task].state != WOKEN) return false;
  tell("T%d runs", task);
  if (what == SHAPES + 1) take(task, NULL);
  else {                       /* taking fails: what it was granted goes on when it waits again */
    tell(", fails to take");
    begin_again(task, 1, 0);
    wait_event(task, 0, A, handle_of(task, 0));
  }
  return true;
}

enum { OF_TASK = SHAPES + 3 };
enum { TELL_A = TASKS * OF_TASK, TELL_B, TELL_ALL_A, TELL_ALL_B, THROUGH_1, THROUGH_2, THROUGH_P,
       GIVE, STEPS };

static bool tell_one (int line, weir_Link *real) {
  bool somebody = waits.line[line].places > 0;
  tell("tell the first of %c", 'A' + line);
  must_tell(line);
  expect(weir_line_tell(real) == somebody, "liveness", "tell says there is %s",
         somebody ? "nobody" : "somebody");
  return true;
}

static bool step (int n) {
  if (n < TASKS * OF_TASK) return of_task(n / OF_TASK, n % OF_TASK);
  switch (n) {
    case TELL_A: return tell_one(A, &w.a);
    case TELL_B: return tell_one(B, &w.b);
    case TELL_ALL_A: case TELL_ALL_B: {
      int line = n == TELL_ALL_A ? A : B;
      tell("tell all of %c", 'A' + line);
      must_tell_all(line);
      weir_line_tell_all(waits.line[line].real);
      return true;
    }
    case THROUGH_1: case THROUGH_2:
      tell("tell those of A through handle %d", n - THROUGH_1 + 1);
      tell_line_through(A, (uint8_t)(n - THROUGH_1 + 1));
      return true;
    case THROUGH_P:
      tell("tell those of P through handle 1");
      tell_line_through(P, 1);
      return true;
    default:
      if (w.p.free >= MOST_FREE) return false;
      tell("a permit comes home");
      must_give(P, 1);
      weir_permits_give(&w.p, 1);
      return true;
  }
}

int main (void) {
  static const Explorer wait = { "wait", 1500000, STEPS, start, step, check_waits, NULL, NULL };
  explore_part(&w, sizeof(w));
  explore_part(&waits, sizeof(waits));
  explore_run(&wait);
  return 0;
}
