/* SPDX-License-Identifier: MIT */
/*
** waits.h -- tasks that wait, beside a model of them in plain arrays.
**
**   Task   IDLE --begin, wait_*--> PARKED --(a win)--> WOKEN --take--> IDLE
**                                    '-------cut--------'------cut-----^
**
** The explorer does each step twice: to the kernel, and to the model by the
** must_* functions, which say who has to be woken for it, in which order, and
** what that one owns. `check_waits` compares: W1..W4, P1, L1, first come first
** served. Memory of a finished wait is zeroed, as if it were used for something
** else: whoever still points there crashes.
**
** Before including it: enum { TASKS, BRANCHES, LINES }.
*/
#ifndef WAITS_H
#define WAITS_H

#include "explore.h"

#include "kernel.h"

enum { IDLE, PARKED, WOKEN };
enum { MAX_PLACES = TASKS * BRANCHES, MAX_WAKES = 32, TOLD = 0 };

typedef struct Task {
  weir_Parking parking;
  weir_Waiter branch[BRANCHES];
  uint8_t state;
  uint8_t branches;
  uint8_t won;               /* which branch, when woken */
  uint8_t owns;              /* permits granted to it */
  uint8_t wants;             /* the explorer's: what it is about */
} Task;

typedef struct Place {
  uint8_t task, branch, need;
  uint8_t through;
} Place;

typedef struct Line {
  weir_Link *real;
  weir_Permits *permits;     /* NULL: an event's line */
  uint32_t free;
  uint32_t places;
  Place place[MAX_PLACES];
} Line;

/* all of the model; a part of the world */
static struct {
  Task task[TASKS];
  Line line[LINES];
  uint8_t woken[MAX_WAKES], due[MAX_WAKES];      /* in this step: were, must be */
  uint8_t nwoken, ndue;
} waits;

/* the explorer's, or NULL: what else happens when permits come home (P3), when
** somebody is woken */
static void (*model_home) (int line);
static void (*model_won) (int task);

/* ---- lines ------------------------------------------------------------- */

static inline void event_line (int line, weir_Link *real) { waits.line[line].real = real; }

static inline void permits_line (int line, weir_Permits *permits, uint32_t free_now) {
  waits.line[line].real = &permits->line;
  waits.line[line].permits = permits;
  waits.line[line].free = free_now;
}

/* ---- the model: who must be woken -------------------------------------- */

static inline void line_without (Line *line, int task) {
  uint32_t i, kept = 0;
  for (i = 0; i < line->places; i++)
    if (line->place[i].task != task) line->place[kept++] = line->place[i];
  memset(line->place + kept, 0, (line->places - kept) * sizeof(Place));
  line->places = kept;
}

static inline void must_win (Place place, uint32_t owns) {
  Task *t = &waits.task[place.task];
  int i;
  for (i = 0; i < LINES; i++) line_without(&waits.line[i], place.task);
  t->state = WOKEN;
  t->won = place.branch;
  t->owns = (uint8_t)owns;
  waits.due[waits.ndue++] = place.task;
  if (model_won != NULL) model_won(place.task);
}

static inline void must_serve (int line) {
  Line *l = &waits.line[line];
  while (l->places > 0 && l->place[0].need <= l->free) {
    l->free -= l->place[0].need;
    must_win(l->place[0], l->place[0].need);
  }
}

/* n permits come home */
static inline void must_give (int line, uint32_t n) {
  waits.line[line].free += n;
  must_serve(line);
  if (model_home != NULL) model_home(line);
}

/* true if there was somebody */
static inline bool must_tell (int line) {
  if (waits.line[line].places == 0) return false;
  must_win(waits.line[line].place[0], TOLD);
  return true;
}

static inline void must_tell_all (int line) {
  while (must_tell(line)) {}
}

static inline void must_tell_through (int line, uint8_t handle) {
  Line *l = &waits.line[line];
  uint32_t i = 0;
  while (i < l->places) {
    if (l->place[i].through == handle) {
      must_win(l->place[i], TOLD);
      i = 0;
    }
    else i++;
  }
}

/* could a `try` take n now? (P2: nobody is overtaken) */
static inline bool may_try (int line, uint32_t n) {
  return waits.line[line].places == 0 && n <= waits.line[line].free;
}

static inline bool try_permits (int line, uint32_t n) {
  Line *l = &waits.line[line];
  bool may = may_try(line, n);
  expect(weir_permits_ready(l->permits, n) == may, "P2", "ready(%u) is %d", (unsigned)n, !may);
  expect(weir_permits_try(l->permits, n) == may, "P2", "try(%u) says %d", (unsigned)n, !may);
  if (may) l->free -= n;
  return may;
}

/* ---- what tasks do ----------------------------------------------------- */

static inline int task_of (const weir_Parking *p) {
  return (int)(weir_container(p, Task, parking) - waits.task);
}

static void task_wake (weir_Parking *p) {
  int task = task_of(p);
  tell(" [wakes T%d]", task);
  expect(waits.nwoken < MAX_WAKES, "W4", "no end of waking");
  expect(!p->parked && p->won != NULL, "W4", "T%d is woken while it is parked", task);
  waits.woken[waits.nwoken++] = (uint8_t)task;
}

/* What a branch that has won owns goes home. */
static inline void must_give_back (int task) {
  Task *t = &waits.task[task];
  uint32_t owned = t->owns;
  int line;
  t->owns = 0;
  for (line = 0; owned > 0 && line < LINES; line++)
    if (waits.line[line].permits != NULL && waits.line[line].permits == t->branch[t->won].permits)
      must_give(line, owned);
}

static inline void begin (int task, int branches, int wants) {
  Task *t = &waits.task[task];
  t->parking.wake = task_wake;
  weir_park(&t->parking, t->branch, (uint32_t)branches);
  t->state = PARKED;
  t->branches = (uint8_t)branches;
  t->wants = (uint8_t)wants;
  tell(" -> waits");
}

/* A woken task waits again without having taken what it was granted. */
static inline void begin_again (int task, int branches, int wants) {
  must_give_back(task);
  begin(task, branches, wants);
}

static inline void add_place (int line, int task, int branch, uint32_t need, uint8_t through) {
  Line *l = &waits.line[line];
  Place *p = &l->place[l->places++];
  p->task = (uint8_t)task;
  p->branch = (uint8_t)branch;
  p->need = (uint8_t)need;
  p->through = through;
  waits.task[task].branch[branch].through = through == 0 ? NULL : &waits.line[0].place[through];
}

/* any address will do for a handle; 0 is none */
static inline const void *handle_at (uint8_t handle) { return &waits.line[0].place[handle]; }

static inline void wait_permits (int task, int branch, int line, uint32_t need, uint8_t through) {
  weir_permits_join(waits.line[line].permits, &waits.task[task].branch[branch], need);
  add_place(line, task, branch, need, through);
}

static inline void wait_event (int task, int branch, int line, uint8_t through) {
  weir_line_join(waits.line[line].real, &waits.task[task].branch[branch]);
  add_place(line, task, branch, 0, through);
}

/* On a line of permits whoever stands behind them may go on. */
static inline void tell_line_through (int line, uint8_t handle) {
  Line *l = &waits.line[line];
  must_tell_through(line, handle);
  if (l->permits == NULL) weir_line_tell_through(l->real, handle_at(handle));
  else {
    must_serve(line);
    weir_permits_tell_through(l->permits, handle_at(handle));
  }
}

/* The wait is over: nothing of it may be left anywhere. */
static inline void task_rests (int task) {
  Task *t = &waits.task[task];
  int i;
  expect(!t->parking.parked, "W2", "T%d is still parked after its wait", task);
  for (i = 0; i < t->branches; i++) {
    expect(weir_list_empty(&t->branch[i].link), "W2", "T%d has left a branch in a line", task);
    expect(!t->branch[i].owns, "W3", "T%d still owns permits after its wait", task);
  }
  memset(&t->parking, 0, sizeof(t->parking));
  memset(t->branch, 0, sizeof(t->branch));
  t->state = IDLE;
  t->branches = t->won = t->owns = 0;
}

/* A woken task runs: how many permits it was granted (TOLD: none), `*won` the branch. */
static inline uint32_t take (int task, int *won) {
  Task *t = &waits.task[task];
  uint32_t owned = t->owns, got;
  expect(t->parking.won == &t->branch[t->won], "W2", "T%d: the wrong branch has won", task);
  got = weir_permits_take(t->parking.won);
  expect(got == owned, "W3", "T%d takes %u permits, it was granted %u", task, (unsigned)got,
         (unsigned)owned);
  expect(weir_permits_take(t->parking.won) == 0, "W3", "T%d takes its permits twice", task);
  if (won != NULL) *won = t->won;
  task_rests(task);
  return got;
}

/* The wait is cut short: before it was won, or after. */
static inline void cut (int task) {
  Task *t = &waits.task[task];
  int line, branch;
  if (t->state == PARKED) {
    bool was[LINES];
    for (line = 0; line < LINES; line++) {
      uint32_t before = waits.line[line].places;
      line_without(&waits.line[line], task);
      was[line] = waits.line[line].places < before;
    }
    for (branch = 0; branch < t->branches; branch++)        /* in the kernel's order */
      for (line = 0; line < LINES; line++)
        if (was[line] && waits.line[line].permits != NULL &&
            waits.line[line].permits == t->branch[branch].permits) must_serve(line);
  }
  else must_give_back(task);
  weir_unpark(&t->parking);
  expect(t->parking.won == NULL, "W2", "T%d: a branch has won although it was cut short", task);
  task_rests(task);
}

/* ---- checks ------------------------------------------------------------ */

static inline void check_line (int number) {
  const Line *line = &waits.line[number];
  const weir_Link *x = line->real;
  uint32_t i;
  if (x == NULL) return;                 /* its owner is gone */
  expect(x->next->prev == x && x->prev->next == x, "L1", "line %d", number);
  for (i = 0; i < line->places; i++) {
    const Place *p = &line->place[i];
    const weir_Waiter *w = &waits.task[p->task].branch[p->branch];
    x = x->next;
    expect(x != line->real, "W1", "T%d is gone from line %d", p->task, number);
    expect(x == &w->link, "order", "in line %d, number %u should be T%d", number,
           (unsigned)i + 1, p->task);
    expect(x->next->prev == x && x->prev->next == x, "L1", "line %d", number);
    expect(w->permits == line->permits && w->need == p->need, "W3", "T%d waits for other permits",
           p->task);
    expect(!w->owns, "W3", "T%d owns permits while it stands in line %d", p->task, number);
  }
  expect(x->next == line->real, "W1", "too many stand in line %d", number);
  if (line->permits != NULL) {
    expect(line->places == 0 || line->place[0].need > line->free, "P1",
           "T%d stands first in line %d for %d, and %u are free", line->place[0].task, number,
           line->place[0].need, (unsigned)line->free);
    expect(line->permits->free == line->free, "P4", "line %d: %u are free, not %u", number,
           (unsigned)line->permits->free, (unsigned)line->free);
    expect(weir_permits_available(line->permits) == (line->places == 0 ? line->free : 0), "P2",
           "line %d: available is wrong", number);
  }
}

static inline void check_task (int task) {
  const Task *t = &waits.task[task];
  int i;
  if (t->state == IDLE) return;
  expect(t->parking.parked == (t->state == PARKED), "W2", "T%d: parked is %d", task,
         t->parking.parked);
  if (t->state == PARKED) {
    expect(t->parking.won == NULL, "W2", "T%d has won while it is parked", task);
    return;
  }
  expect(t->parking.won == &t->branch[t->won], "W2", "T%d: branch %d should have won", task, t->won);
  for (i = 0; i < t->branches; i++) {
    expect(weir_list_empty(&t->branch[i].link), "W2", "T%d was woken and stands in a line", task);
    expect(t->branch[i].owns == (i == t->won && t->owns > 0), "W3", "T%d: owns of branch %d", task, i);
  }
  expect(t->owns == 0 || t->branch[t->won].need == t->owns, "W3", "T%d owns the wrong number", task);
}

static inline void check_waits (void) {
  int i;
  for (i = 0; i < waits.ndue || i < waits.nwoken; i++) {
    expect(i < waits.nwoken, "liveness", "T%d is not woken", waits.due[i]);
    expect(i < waits.ndue, "W4", "T%d is woken without need", waits.woken[i]);
    expect(waits.due[i] == waits.woken[i], "order", "T%d is woken, it is T%d's turn", waits.woken[i],
           waits.due[i]);
  }
  waits.ndue = waits.nwoken = 0;
  memset(waits.due, 0, sizeof(waits.due));
  memset(waits.woken, 0, sizeof(waits.woken));
  for (i = 0; i < LINES; i++) check_line(i);
  for (i = 0; i < TASKS; i++) check_task(i);
}

#endif
