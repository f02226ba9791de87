/* SPDX-License-Identifier: MIT */
/*
** select_explore.c -- every history of three tasks that select over two
** channels, an event and a reservation: permits, mpsc and select together.
**
**   a, b   receive from channel A, B        q  the event
**   x, y   send to A, B                     r  the reservation's permit of A
**   X      reserve two places of A (alone)
**
** W1..W4, P1..P4, M1..M6 at both channels: exactly one branch takes effect, a
** branch that loses has taken and sent nothing, and what was granted to a wait
** that is cut short goes to the next in line, also when that one is a select
** that then leaves another line. The reservation is the last task of the model:
** it keeps its place over many waits, and its wake tells those who wait for it.
*/
#include "explore.h"

enum { SELECTS = 3, RESERVED = SELECTS, TASKS = SELECTS + 1, BRANCHES = 3, CHANNELS = 2 };
enum { SENDER = 1 };                   /* the handle that those who send wait through */
enum { ROOM_A, ROOM_B, ITEMS_A, ITEMS_B, QUIT, GRANTED, LINES };

#include "waits.h"

static const char *const *shapes;      /* the variant: what a task may wait for */
static int nshapes;
static uint32_t capacity[CHANNELS];

static struct {
  weir_Mpsc channel[CHANNELS];
  weir_Link quit, granted;
  uint8_t hold;                        /* the reservation got its place at once */
  uint8_t reserving;                   /* it is alive */
  uint8_t len[CHANNELS], refusing[CHANNELS], senders[CHANNELS];      /* the model */
  uint8_t received[CHANNELS];
} w;

/* ---- the model --------------------------------------------------------- */

/* What branch `won` of a task waits for; the reservation wants one place of A. */
static char branch_of (int task) {
  return task == RESERVED ? 'x' : shapes[waits.task[task].wants][waits.task[task].won];
}

static uint32_t held (int c) {
  uint32_t n = c == 0 ? w.hold : 0;
  int i;
  for (i = 0; i < TASKS; i++)
    if (waits.task[i].owns > 0 && strchr(c == 0 ? "xX" : "y", branch_of(i)) != NULL)
      n += waits.task[i].owns;
  return n;
}

static bool over (int c) {
  return w.len[c] == 0 && (w.refusing[c] || w.senders[c] == 0) && held(c) == 0;
}

static void model_settle (int c) {
  if (over(c)) must_tell_all(ITEMS_A + c);
}

static void homecoming (int line) {
  if (line == ROOM_A || line == ROOM_B) model_settle(line - ROOM_A);
}

static void won (int task) {
  if (task == RESERVED) must_tell_all(GRANTED);
}

/* The reservation's wake: it links its waiters, by telling them. */
static void reservation_wake (weir_Parking *p) {
  task_wake(p);
  weir_line_tell_all(&w.granted);
}

static void start (void) {
  int c;
  for (c = 0; c < CHANNELS; c++) {
    weir_mpsc_init(&w.channel[c], capacity[c]);
    w.senders[c] = 1;
    permits_line(ROOM_A + c, &w.channel[c].room, capacity[c]);
    permits_line(ITEMS_A + c, &w.channel[c].items, 0);
  }
  weir_list_init(&w.quit);
  weir_list_init(&w.granted);
  event_line(QUIT, &w.quit);
  event_line(GRANTED, &w.granted);
  model_home = homecoming;
  model_won = won;
}

/* ---- what the binding does --------------------------------------------- */

static void push (int c) {
  tell(" -> sends to %c", 'A' + c);
  w.len[c]++;
  must_give(ITEMS_A + c, 1);
  weir_mpsc_push(&w.channel[c]);
}

static void pop (int c) {
  tell(" -> receives from %c", 'A' + c);
  expect(w.channel[c].len > 0, "M4", "a message was promised, and none is there");
  w.len[c]--;
  w.received[c]++;
  must_give(ROOM_A + c, 1);
  weir_mpsc_pop(&w.channel[c]);
}

/* The permit of the reservation is spent, or it has heard of the end. */
static void spend_reservation (void) {
  bool granted = w.hold || take(RESERVED, NULL) > 0;
  w.hold = w.reserving = 0;
  if (granted) push(0);
  else expect(w.refusing[0], "liveness", "the reservation was told of nothing");
}

static bool reservation_ready (void) {
  return w.reserving && (w.hold || waits.task[RESERVED].state == WOKEN);
}

/* The branch takes effect now, if it can: true then. */
static bool poll (char branch) {
  switch (branch) {
    case 'a': case 'b': {
      int c = branch - 'a';
      if (try_permits(ITEMS_A + c, 1)) pop(c);
      else if (!over(c)) return false;
      return true;
    }
    case 'x': case 'y': {
      int c = branch - 'x';
      if (w.refusing[c]) return true;
      if (!try_permits(ROOM_A + c, 1)) return false;
      push(c);
      return true;
    }
    case 'X':
      if (w.refusing[0]) return true;
      if (!try_permits(ROOM_A, 2)) return false;
      push(0);
      push(0);
      return true;
    case 'r':
      if (!reservation_ready()) return false;
      spend_reservation();
      return true;
    default: return false;
  }
}

static void enter (int task, int i, char branch) {
  switch (branch) {
    case 'a': case 'b': wait_permits(task, i, ITEMS_A + branch - 'a', 1, 0); break;
    case 'x': case 'y': wait_permits(task, i, ROOM_A + branch - 'x', 1, SENDER); break;
    case 'X': wait_permits(task, i, ROOM_A, 2, SENDER); break;
    case 'r': wait_event(task, i, GRANTED, 0); break;
    default: wait_event(task, i, QUIT, 0); break;
  }
}

/* ---- steps ------------------------------------------------------------- */

static bool wait_for (int task, int shape) {
  const char *branches = shapes[shape], *b;
  int i = 0;
  if (waits.task[task].state != IDLE || (strchr(branches, 'r') != NULL && !w.reserving)) return false;
  if (w.senders[0] == 0 && strpbrk(branches, "xX") != NULL) return false;
  if (w.senders[1] == 0 && strchr(branches, 'y') != NULL) return false;
  tell("T%d: %s", task, branches);
  for (b = branches; *b != '\0'; b++)
    if (poll(*b)) return true;
  begin(task, (int)strlen(branches), shape);
  for (b = branches; *b != '\0'; b++, i++) enter(task, i, *b);
  return true;
}

static bool run (int task) {
  char branch;
  uint32_t got;
  if (waits.task[task].state != WOKEN) return false;
  branch = branch_of(task);
  tell("T%d runs", task);
  got = take(task, NULL);
  if (got > 0) {
    if (branch == 'a' || branch == 'b') pop(branch - 'a');
    else while (got-- > 0) push(branch == 'y');
    return true;
  }
  if (branch == 'q') return true;
  if (branch == 'r') {                 /* unless it is gone */
    if (w.reserving) expect(poll('r'), "liveness", "T%d is told, and the reservation is not there", task);
  }
  else if (branch == 'a' || branch == 'b')
    expect(over(branch - 'a'), "liveness", "T%d is told of an end that has not come", task);
  else expect(w.refusing[branch == 'y'] || w.senders[branch == 'y'] == 0, "liveness",
              "T%d is told, and nothing has ended", task);
  return true;
}

/* One at a time: not while somebody has yet to hear of the end of the one before. */
static bool reserve (void) {
  int i;
  if (w.reserving || w.refusing[0] || w.senders[0] == 0) return false;
  for (i = 0; i < SELECTS; i++)
    if (waits.task[i].state == WOKEN && branch_of(i) == 'r') return false;
  tell("a reservation");
  w.reserving = 1;
  if (try_permits(ROOM_A, 1)) {
    w.hold = 1;
    return true;
  }
  begin(RESERVED, 1, 0);
  waits.task[RESERVED].parking.wake = reservation_wake;
  wait_permits(RESERVED, 0, ROOM_A, 1, 0);
  return true;
}

static bool drop_reservation (void) {
  if (!w.reserving) return false;
  tell("the reservation is dropped");
  w.reserving = 0;
  must_tell_all(GRANTED);
  weir_line_tell_all(&w.granted);
  if (w.hold) {
    w.hold = 0;
    must_give(ROOM_A, 1);
    weir_permits_give(&w.channel[0].room, 1);
  }
  else cut(RESERVED);
  return true;
}

static bool refuse (int c) {
  if (w.refusing[c]) return false;
  tell("receiver %c is closed", 'A' + c);
  w.refusing[c] = 1;
  must_tell_all(ROOM_A + c);
  model_settle(c);
  weir_mpsc_refuse(&w.channel[c]);
  return true;
}

/* A reservation counts as a sender. */
static bool drop_sender (int c) {
  if (w.senders[c] == 0 || (c == 0 && w.reserving)) return false;
  tell("the last sender of %c is dropped", 'A' + c);
  w.senders[c] = 0;
  tell_line_through(ROOM_A + c, SENDER);
  model_settle(c);
  weir_mpsc_drop_sender(&w.channel[c]);
  return true;
}

enum { SHAPES = 12, RUN = SHAPES, CUT, OF_TASK };
enum { RESERVE = SELECTS * OF_TASK, DROP, TELL, REFUSE_A, REFUSE_B, SENDER_A, SENDER_B, STEPS };

static bool step (int n) {
  int task = n / OF_TASK;
  switch (n) {
    case RESERVE: return reserve();
    case DROP: return drop_reservation();
    case TELL:
      tell("the event");
      must_tell_all(QUIT);
      weir_line_tell_all(&w.quit);
      return true;
    case REFUSE_A: case REFUSE_B: return refuse(n - REFUSE_A);
    case SENDER_A: case SENDER_B: return drop_sender(n - SENDER_A);
    default: break;
  }
  n %= OF_TASK;
  if (n < SHAPES) return n < nshapes && wait_for(task, n);
  if (n == RUN) return run(task);
  if (waits.task[task].state == IDLE) return false;
  tell("T%d is cut short (%s)", task, waits.task[task].state == PARKED ? "waiting" : "woken");
  cut(task);
  return true;
}

/* ---- checks ------------------------------------------------------------ */

static void check_channel (int i) {
  const weir_Mpsc *c = &w.channel[i];
  bool kernel_over = c->len == 0 && (c->refusing || c->senders == 0) && held(i) == 0;
  expect(c->room.free + held(i) + c->len == capacity[i] && weir_mpsc_held(c) == held(i), "M1",
         "%c: %u free, %u held, %u buffered", 'A' + i, (unsigned)c->room.free, (unsigned)held(i),
         (unsigned)c->len);
  expect(weir_mpsc_over(c) == kernel_over, "M5", "%c: over is wrong", 'A' + i);
  expect(c->items.free <= c->len, "M4", "%c promises what is not there", 'A' + i);
  expect(weir_list_empty(&c->items.line) || (c->items.free == 0 && !kernel_over), "M3",
         "a receiver waits at %c for what %s", 'A' + i, kernel_over ? "cannot come" : "is there");
  expect(!c->refusing || weir_list_empty(&c->room.line), "M6", "a sender waits at %c, which refuses",
         'A' + i);
  expect(c->len == w.len[i] && c->received == w.received[i], "count", "%c: len or received", 'A' + i);
}

static void check (void) {
  int c;
  expect(!reservation_ready() || weir_list_empty(&w.granted), "liveness",
         "somebody waits for a reservation that is there");
  for (c = 0; c < CHANNELS; c++) check_channel(c);
  check_waits();
}

static void settle (void) {
  int c;
  for (c = 0; c < CHANNELS; c++) {
    w.received[c] = 0;
    w.channel[c].received = 0;
    w.channel[c].high = w.len[c];
  }
}

static bool try_step (int n) {
  tell_step();
  if (!step(n)) return false;
  check();
  settle();
  return true;
}

/* All ends: nobody is left waiting, no place is lost. */
static void wind_up (void) {
  int i, n;
  for (n = RESERVE + 1; n < STEPS; n++) try_step(n);
  for (n = 0; n < SELECTS * SELECTS; n++) try_step(n % SELECTS * OF_TASK + RUN);
  for (i = 0; i < SELECTS; i++)
    expect(waits.task[i].state == IDLE, "liveness", "T%d waits for ever", i);
  for (i = 0; i < CHANNELS; i++) {
    while (try_permits(ITEMS_A + i, 1)) pop(i);
    check();
    expect(weir_mpsc_over(&w.channel[i]), "M5", "%c is not over", 'A' + i);
    expect(w.channel[i].room.free == capacity[i], "M1", "places of %c are lost", 'A' + i);
  }
}

static void explore_select (const char *name, const char *const *of, uint32_t a, uint32_t b,
                            uint32_t states) {
  Explorer select = { name, states, STEPS, start, step, check, settle, wind_up };
  shapes = of;
  for (nshapes = 0; of[nshapes] != NULL; nshapes++) {}
  capacity[0] = a;
  capacity[1] = b;
  explore_run(&select);
}

int main (void) {
  static const char *const mixed[] = { "a", "x", "ab", "xy", "xb", "ay", "aq", "yq", NULL };
  static const char *const reserved[] = { "a", "x", "X", "r", "rb", "xq", "aq", "y", NULL };
  static const char *const same[] = { "a", "x", "aa", "xx", "ax", "abq", "xyb", "X", NULL };
  explore_part(&w, sizeof(w));
  explore_part(&waits, sizeof(waits));
  explore_select("select, two channels", mixed, 1, 1, 800000);
  explore_select("select, with a reservation", reserved, 2, 1, 800000);
  explore_select("select, one channel twice", same, 2, 1, 800000);
  return 0;
}
