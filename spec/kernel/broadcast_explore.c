/* SPDX-License-Identifier: MIT */
/*
** broadcast_explore.c -- every history of two senders and up to three receivers,
** of a broadcast that forgets the oldest and of one whose senders wait.
**
** B1..B5, P1..P4: each receiver sees each message once and in order, or is told
** exactly how many it missed; a place is free the moment nobody needs it; a
** sender waits, alone or in a select, only while the slowest receiver is
** behind. At each new state the channel is also wound up.
*/
#include "explore.h"

enum { SENDERS = 2, RECEIVERS = 3, TASKS = SENDERS + RECEIVERS, BRANCHES = 2, LINES = 3 };
enum { ROOM, ARRIVED, CLOSED };
enum { RING = 4, MOST_BEHIND = 4, GONE = 0xee };

#include "waits.h"

static struct {                        /* the variant */
  uint32_t capacity;
  bool waits;
  int receivers;
} v;

static struct {
  weir_Broadcast b;
  uint32_t needs[RING];
  uint8_t slot[RING];                  /* the values: the low bits of their positions */
  uint64_t cursor[RECEIVERS];
  uint8_t behind[RECEIVERS];           /* the model: sent since it came, not seen nor told of */
  uint8_t alive[TASKS];                /* handle number task + 1 */
  uint8_t senders, receivers;
} w;

static uint8_t handle (int task) { return (uint8_t)(task + 1); }
static int receiver (int task) { return task - SENDERS; }

static void start (void) {
  int i;
  weir_broadcast_init(&w.b, v.capacity, v.waits);
  expect(w.b.senders == 1 && w.b.receivers == 1 && w.b.weak == 0 && w.b.size == 0 &&
         w.b.needs == NULL, "count", "it does not begin with one of each, and no ring");
  w.b.needs = w.needs;
  w.b.size = 1;
  memset(w.slot, GONE, sizeof(w.slot));
  w.b.senders = w.senders = SENDERS;
  w.b.receivers = w.receivers = (uint8_t)v.receivers;
  for (i = 0; i < SENDERS + v.receivers; i++) w.alive[i] = 1;
  permits_line(ROOM, &w.b.room, v.capacity);
  event_line(ARRIVED, &w.b.arrived);
  event_line(CLOSED, &w.b.closed);
}

/* ---- what the binding does --------------------------------------------- */

/* The ring doubles: everything kept goes to its new slot. */
static void grow (void) {
  uint32_t needs[RING];
  uint8_t slot[RING];
  uint64_t p;
  uint32_t was = w.b.size;
  memcpy(needs, w.needs, sizeof(needs));
  memcpy(slot, w.slot, sizeof(slot));
  memset(w.needs, 0, sizeof(w.needs));
  memset(w.slot, GONE, sizeof(w.slot));
  w.b.size = was * 2;
  for (p = w.b.head; p < w.b.tail; p++) {
    uint32_t to = weir_broadcast_slot(&w.b, p);
    w.needs[to] = needs[p & (was - 1)];
    w.slot[to] = slot[p & (was - 1)];
  }
}

static void push (void) {
  int i;
  uint32_t at;
  tell(" -> sends #%d", (int)w.b.tail);
  if (!v.waits && weir_broadcast_full(&w.b)) {
    w.slot[weir_broadcast_slot(&w.b, w.b.head)] = GONE;
    weir_broadcast_evict(&w.b);
  }
  expect(weir_broadcast_len(&w.b) < v.capacity, "B1", "there is no place");
  if (weir_broadcast_len(&w.b) == w.b.size) grow();
  at = weir_broadcast_slot(&w.b, w.b.tail);
  expect(w.slot[at] == GONE, "B1", "slot %u is still taken", (unsigned)at);
  w.slot[at] = (uint8_t)w.b.tail;
  for (i = 0; i < RECEIVERS; i++) w.behind[i] = (uint8_t)(w.behind[i] + w.alive[SENDERS + i]);
  must_tell_all(ARRIVED);
  weir_broadcast_push(&w.b);
}

/* A permit is spent. */
static void spend (void) {
  if (w.receivers > 0) push();
  else {
    tell(" -> closed");
    must_give(ROOM, 1);
    weir_permits_give(&w.b.room, 1);
  }
}

/* How many receivers have not seen a position. */
static uint32_t needed (uint64_t position) {
  uint32_t n = 0;
  int i;
  for (i = 0; i < RECEIVERS; i++) n += w.alive[SENDERS + i] && w.cursor[i] <= position;
  return n;
}

/* Receiver r needs a position no more; its cursor is beyond it already. */
static void seen (uint64_t position) {
  bool last = needed(position) == 0;
  if (last && v.waits) must_give(ROOM, 1);
  expect(weir_broadcast_seen(&w.b, position) == last, "B2", "#%d is %s needed", (int)position,
         last ? "said to be" : "no more");
  if (last) w.slot[weir_broadcast_slot(&w.b, position)] = GONE;
}

/* Receiver r looks: true if that ends its wait. */
static bool look (int r) {
  uint64_t missed = weir_broadcast_missed(&w.b, w.cursor[r]);
  uint32_t kept = weir_broadcast_len(&w.b);
  if (w.behind[r] > kept) {
    tell(" -> lagged, %d", (int)missed);
    expect(missed == w.behind[r] - kept, "B1", "%d were missed, not %d", w.behind[r] - (int)kept,
           (int)missed);
    w.cursor[r] = w.b.head;
    w.behind[r] = (uint8_t)kept;
    return true;
  }
  expect(missed == 0, "B1", "%d are said to be missed", (int)missed);
  if (w.behind[r] > 0) {
    uint64_t at = w.cursor[r];
    uint8_t got;
    expect(at < w.b.tail, "B1", "the cursor is at the tail, and there is a message");
    got = w.slot[weir_broadcast_slot(&w.b, at)];
    tell(" -> receives #%d", got);
    expect(at == w.b.tail - w.behind[r] && got == (uint8_t)at, "order", "#%d is received, #%d was due",
           got, (int)at);
    w.cursor[r]++;
    w.behind[r]--;
    seen(at);
    return true;
  }
  expect(w.cursor[r] == w.b.tail, "B4", "the cursor is not at the tail");
  return w.senders == 0;
}

/* ---- steps ------------------------------------------------------------- */

static bool furthest_behind (void) {
  int i;
  for (i = 0; i < RECEIVERS; i++)
    if (w.behind[i] >= MOST_BEHIND) return true;
  return false;
}

static bool send (int task, bool or_closed) {
  if (waits.task[task].state != IDLE || !w.alive[task] || w.receivers == 0 || furthest_behind() ||
      (or_closed && !v.waits)) return false;
  tell("T%d sends%s", task, or_closed ? ", or hears of the end" : "");
  if (!v.waits) push();
  else if (try_permits(ROOM, 1)) push();
  else {
    begin(task, or_closed ? 2 : 1, ROOM);
    wait_permits(task, 0, ROOM, 1, handle(task));
    if (or_closed) wait_event(task, 1, CLOSED, handle(task));
  }
  return true;
}

static bool wait_closed (int task) {
  if (waits.task[task].state != IDLE || !w.alive[task] || w.receivers == 0) return false;
  tell("T%d waits for the receivers' end", task);
  begin(task, 1, CLOSED);
  wait_event(task, 0, CLOSED, handle(task));
  return true;
}

static bool recv (int task) {
  if (waits.task[task].state != IDLE || !w.alive[task]) return false;
  tell("T%d receives", task);
  if (look(receiver(task))) return true;
  begin(task, 1, ARRIVED);
  wait_event(task, 0, ARRIVED, handle(task));
  return true;
}

static bool run (int task) {
  int won;
  if (waits.task[task].state != WOKEN) return false;
  tell("T%d runs", task);
  if (!w.alive[task]) cut(task);
  else if (task >= SENDERS) {
    take(task, &won);
    expect(look(receiver(task)), "liveness", "T%d is told, and nothing has come", task);
  }
  else if (take(task, &won) > 0) spend();
  return true;           /* a sender that was only told looks again: somebody may have subscribed */
}

static bool drop_sender (int task) {
  tell_line_through(ROOM, handle(task));
  tell_line_through(CLOSED, handle(task));
  if (--w.senders == 0) must_tell_all(ARRIVED);
  weir_broadcast_drop_sender(&w.b);
  return true;
}

static bool drop_receiver (int task) {
  int r = receiver(task);
  uint64_t p = w.cursor[r];
  tell_line_through(ARRIVED, handle(task));
  if (p < w.b.head) p = w.b.head;
  for (; p < w.b.tail; p++) {
    w.cursor[r] = p + 1;
    seen(p);
  }
  w.cursor[r] = w.behind[r] = 0;
  if (--w.receivers == 0) {
    must_tell_all(CLOSED);
    must_tell_all(ROOM);
  }
  weir_broadcast_drop_receiver(&w.b);
  return true;
}

static bool drop (int task) {
  if (!w.alive[task]) return false;
  tell("the handle of T%d is dropped", task);
  if (task < SENDERS) {
    w.alive[task] = 0;
    return drop_sender(task);
  }
  drop_receiver(task);
  w.alive[task] = 0;
  return true;
}

/* A sender is cloned, or subscribes. */
static bool make (int task) {
  if (w.alive[task] || waits.task[task].state != IDLE || w.senders == 0) return false;
  tell("T%d gets a handle", task);
  w.alive[task] = 1;
  if (task < SENDERS) w.b.senders = ++w.senders;
  else {
    w.b.receivers = ++w.receivers;
    w.cursor[receiver(task)] = w.b.tail;
  }
  return true;
}

enum { DO_SEND, DO_SELECT, DO_CLOSED, DO_RUN, DO_CUT, DO_DROP, DO_MAKE, OF_TASK, DO_RECV = DO_SEND };

static bool step_of (int task, int what) {
  if (task >= SENDERS + v.receivers) return false;
  switch (what) {
    case DO_SEND: return task < SENDERS ? send(task, false) : recv(task);
    case DO_SELECT: return task < SENDERS && send(task, true);
    case DO_CLOSED: return task < SENDERS && wait_closed(task);
    case DO_RUN: return run(task);
    case DO_CUT:
      if (waits.task[task].state == IDLE) return false;
      tell("T%d is cut short (%s)", task, waits.task[task].state == PARKED ? "waiting" : "woken");
      cut(task);
      return true;
    case DO_DROP: return drop(task);
    default: return make(task);
  }
}

static bool step (int n) { return step_of(n / OF_TASK, n % OF_TASK); }

/* ---- checks ------------------------------------------------------------ */

static void check (void) {
  const weir_Broadcast *b = &w.b;
  uint32_t out = 0;
  uint64_t p;
  int i;
  expect(b->head <= b->tail && b->tail - b->head <= v.capacity && b->tail - b->head <= b->size, "B1",
         "head %d, tail %d", (int)b->head, (int)b->tail);
  expect(weir_broadcast_len(b) == b->tail - b->head &&
         weir_broadcast_full(b) == (b->tail - b->head == v.capacity), "B1", "len or full");
  for (p = b->head; p < b->tail; p++) {
    uint32_t n = w.needs[weir_broadcast_slot(b, p)];
    expect(n == needed(p), "B2", "%u receivers need #%d, not %u", (unsigned)needed(p), (int)p, (unsigned)n);
    expect(n > 0, "B3", "nobody needs #%d, and it is kept", (int)p);
  }
  for (i = SENDERS; i < TASKS; i++)
    if (waits.task[i].parking.parked)
      expect(w.cursor[receiver(i)] == b->tail && b->senders > 0, "B4", "T%d waits for what %s", i,
             b->senders > 0 ? "is there" : "cannot come");
  for (i = 0; i < SENDERS; i++) {
    out += waits.task[i].owns;
    if (waits.task[i].parking.parked)
      expect(b->receivers > 0, "liveness", "T%d waits for the room of nobody", i);
  }
  if (v.waits) {
    expect(b->room.free + out + (b->tail - b->head) == v.capacity, "B5", "%u free, %u out, %u kept",
           (unsigned)b->room.free, (unsigned)out, (unsigned)(b->tail - b->head));
    for (i = 0; i < RECEIVERS; i++)
      expect(!w.alive[SENDERS + i] || w.cursor[i] >= b->head, "B5", "T%d has lagged", SENDERS + i);
  }
  for (i = 0; i < RECEIVERS; i++)
    expect(w.behind[i] == (w.alive[SENDERS + i] ? b->tail - w.cursor[i] : 0), "order",
           "T%d is not %d behind", SENDERS + i, w.behind[i]);
  check_waits();
  expect(b->senders == w.senders && b->receivers == w.receivers, "count", "senders or receivers");
}

/* Positions only grow: begin again from 0, by whole turns of the ring. */
static void settle (void) {
  uint64_t least = w.b.head;
  int i;
  for (i = 0; i < RECEIVERS; i++)
    if (w.alive[SENDERS + i] && w.cursor[i] < least) least = w.cursor[i];
  least &= ~(uint64_t)(RING - 1);
  w.b.head -= least;
  w.b.tail -= least;
  for (i = 0; i < RECEIVERS; i++)
    if (w.alive[SENDERS + i]) w.cursor[i] -= least;
  for (i = 0; i < RING; i++)
    if (w.slot[i] != GONE) w.slot[i] = (uint8_t)(w.slot[i] - least);
    else w.needs[i] = 0;
}

static bool try_step (int task, int what) {
  tell_step();
  if (!step_of(task, what)) return false;
  check();
  settle();
  return true;
}

/* Receivers receive until they wait or hear of the end. */
static void run_all (void) {
  bool more = true;
  int i;
  while (more) {
    more = false;
    for (i = 0; i < TASKS; i++) {
      more |= try_step(i, DO_RUN);
      if (i >= SENDERS && w.behind[receiver(i)] > 0) more |= try_step(i, DO_RECV);
    }
  }
}

static void wind_up (void) {
  int i;
  run_all();
  expect(w.b.head == w.b.tail, "B3", "all is seen, and something is kept");
  for (i = 0; i < SENDERS; i++)
    expect(waits.task[i].state == IDLE || !weir_list_empty(&w.b.closed), "liveness",
           "T%d waits for room in an empty channel", i);
  for (i = 0; i < SENDERS; i++) try_step(i, DO_DROP);
  run_all();
  for (i = 0; i < TASKS; i++)
    expect(waits.task[i].state == IDLE, "liveness", "T%d waits for ever", i);
  expect(w.b.room.free == v.capacity, "B5", "places are lost");
}

static void explore_broadcast (const char *name, uint32_t capacity, bool wait, int receivers,
                               uint32_t states) {
  Explorer broadcast = { name, states, TASKS * OF_TASK, start, step, check, settle, wind_up };
  v.capacity = capacity;
  v.waits = wait;
  v.receivers = receivers;
  explore_run(&broadcast);
}

int main (void) {
  explore_part(&w, sizeof(w));
  explore_part(&waits, sizeof(waits));
  explore_broadcast("broadcast, capacity 1", 1, false, 3, 2000000);
  explore_broadcast("broadcast, capacity 3", 3, false, 2, 2000000);
  explore_broadcast("broadcast, waiting, 1", 1, true, 3, 2000000);
  explore_broadcast("broadcast, waiting, 3", 3, true, 2, 2000000);
  return 0;
}
