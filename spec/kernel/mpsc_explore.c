/* SPDX-License-Identifier: MIT */
/*
** mpsc_explore.c -- every history of senders and receivers of one channel:
** bounded, unbounded, and with several receivers (mpmc).
**
** M1..M7, P1..P4; the order of messages; closing by either end, with permits
** in hand and grants under way; handles dropped under those who wait through
** them. At each new state the channel is also wound up: what was sent is
** received, in order, and everybody ends.
*/
#include "explore.h"

enum { TASKS = 4, BRANCHES = 2, LINES = 3 };
enum { ROOM, ITEMS, CLOSED };
enum { MOST_IN_HAND = 2, MOST_LEN = 3 };

#include "waits.h"

/* the variant; tasks 0 .. senders - 1 send, the next `receivers` receive */
static struct {
  const char *name;
  uint32_t capacity, states;
  int senders, receivers;
} v;

static struct {
  weir_Mpsc c;
  uint8_t slot[MOST_LEN + 1];        /* the queue, as the binding has it */
  uint8_t sent, next;                /* number of the next message to send, to receive */
  uint8_t hand[TASKS];               /* permits in hand */
  uint8_t alive[TASKS];              /* the task's handle: number task + 1 */
  /* the model of the channel */
  uint8_t len, high, senders, receivers, refusing;
  uint8_t received, dropped;         /* in this step */
} w;

enum { SEND, RESERVE, RESERVE_2, SELECT, RECV };       /* what a wait is about */

static uint8_t handle (int task) { return (uint8_t)(task + 1); }
static bool sends (int task) { return task < v.senders; }

/* ---- the model --------------------------------------------------------- */

static uint32_t held (void) {
  uint32_t n = 0;
  int i;
  for (i = 0; i < v.senders; i++) n += (uint32_t)(w.hand[i] + waits.task[i].owns);
  return n;
}

static bool over (void) {
  return w.len == 0 && (w.refusing || w.senders == 0) && held() == 0;
}

static void model_settle (void) {
  if (over()) must_tell_all(ITEMS);
}

static void homecoming (int line) {
  if (line == ROOM) model_settle();
  else if (w.receivers == 0) waits.line[ITEMS].free = 0;
}

static void start (void) {
  int i;
  weir_mpsc_init(&w.c, v.capacity);
  expect(w.c.senders == 1 && w.c.receivers == 1 && w.c.weak == 0 && w.c.capacity == v.capacity,
         "count", "it does not begin with one of each");
  w.senders = (uint8_t)v.senders;
  w.receivers = (uint8_t)v.receivers;
  w.c.senders = w.senders;
  w.c.receivers = w.receivers;
  for (i = 0; i < v.senders + v.receivers; i++) w.alive[i] = 1;
  permits_line(ROOM, &w.c.room, v.capacity);
  permits_line(ITEMS, &w.c.items, 0);
  event_line(CLOSED, &w.c.closed);
  model_home = homecoming;
}

/* ---- what the binding does --------------------------------------------- */

/* A permit is spent. */
static void push (void) {
  if (w.receivers == 0) {
    tell(" -> closed");
    must_give(ROOM, 1);
    weir_permits_give(&w.c.room, 1);
    return;
  }
  tell(" -> sends #%d", w.sent);
  w.slot[w.c.len] = w.sent++;
  w.len++;
  if (w.len > w.high) w.high = w.len;
  must_give(ITEMS, 1);
  weir_mpsc_push(&w.c);
}

/* A promised message is taken. */
static void pop (void) {
  uint8_t got = w.slot[0];
  tell(" -> receives #%d", got);
  expect(w.c.len > 0 && w.len > 0, "M4", "a message was promised, and none is there");
  expect(got == w.next, "order", "message #%d is received, #%d was due", got, w.next);
  memmove(w.slot, w.slot + 1, sizeof(w.slot) - 1);
  w.next++;
  w.len--;
  w.received++;
  must_give(ROOM, 1);
  weir_mpsc_pop(&w.c);
}

static void refuse (void) {
  if (w.refusing) return;
  w.refusing = 1;
  must_tell_all(ROOM);
  must_tell_all(CLOSED);
  model_settle();
}

/* ---- steps of a sender ------------------------------------------------- */

static bool start_send (int task, int wants) {
  uint32_t n = wants == RESERVE_2 ? 2 : 1;
  bool hand = wants == RESERVE || wants == RESERVE_2;
  if (waits.task[task].state != IDLE || !w.alive[task] || w.refusing) return false;
  if (hand && (w.hand[task] + n > MOST_IN_HAND || n > v.capacity)) return false;
  if (!hand && w.len == MOST_LEN) return false;
  tell("T%d %s", task, wants == SEND ? "sends" : wants == SELECT ? "sends, or hears of the end"
       : n == 1 ? "reserves" : "reserves 2");
  if (try_permits(ROOM, n)) {
    if (hand) w.hand[task] = (uint8_t)(w.hand[task] + n);
    else push();
    return true;
  }
  begin(task, wants == SELECT ? 2 : 1, wants);
  wait_permits(task, 0, ROOM, n, handle(task));
  if (wants == SELECT) wait_event(task, 1, CLOSED, handle(task));
  return true;
}

static bool wait_closed (int task) {
  if (waits.task[task].state != IDLE || !w.alive[task] || w.refusing) return false;
  tell("T%d waits for the receiver's end", task);
  begin(task, 1, SELECT);
  wait_event(task, 0, CLOSED, handle(task));
  return true;
}

static bool run_sender (int task) {
  int won, wants = waits.task[task].wants;
  uint32_t got;
  tell("T%d runs", task);
  if (!w.alive[task]) {                        /* its handle is gone: the wait raises */
    cut(task);
    return true;
  }
  got = take(task, &won);
  if (got == TOLD) expect(w.refusing, "liveness", "T%d was told, and nothing has ended", task);
  else if (wants == RESERVE || wants == RESERVE_2) w.hand[task] = (uint8_t)(w.hand[task] + got);
  else push();
  return true;
}

static bool spend (int task) {
  if (w.hand[task] == 0 || w.len == MOST_LEN) return false;
  tell("T%d sends through a permit", task);
  w.hand[task]--;
  push();
  return true;
}

static bool release (int task) {
  uint8_t n = w.hand[task];
  if (n == 0) return false;
  tell("T%d releases %d", task, n);
  w.hand[task] = 0;
  must_give(ROOM, n);
  weir_permits_give(&w.c.room, n);
  return true;
}

static bool drop_sender (int task) {
  if (!w.alive[task]) return false;
  tell("T%d's sender is dropped", task);
  w.alive[task] = 0;
  tell_line_through(ROOM, handle(task));
  tell_line_through(CLOSED, handle(task));
  if (--w.senders == 0) model_settle();
  weir_mpsc_drop_sender(&w.c);
  return true;
}

/* ---- steps of a receiver ----------------------------------------------- */

static bool recv (int task) {
  if (waits.task[task].state != IDLE || !w.alive[task] || over()) return false;
  tell("T%d receives", task);
  if (try_permits(ITEMS, 1)) {
    pop();
    return true;
  }
  begin(task, 1, RECV);
  wait_permits(task, 0, ITEMS, 1, handle(task));
  return true;
}

static bool run_receiver (int task) {
  tell("T%d runs", task);
  if (!w.alive[task]) {
    cut(task);
    return true;
  }
  if (take(task, NULL) == TOLD) {
    tell(" -> closed");
    expect(over(), "liveness", "T%d is told of the end before it", task);
  }
  else pop();
  return true;
}

static bool close_receiver (int task) {
  if (!w.alive[task] || w.refusing) return false;
  tell("T%d's receiver is closed", task);
  refuse();
  weir_mpsc_refuse(&w.c);
  return true;
}

static bool drop_receiver (int task) {
  bool last;
  if (!w.alive[task]) return false;
  tell("T%d's receiver is dropped", task);
  w.alive[task] = 0;
  tell_line_through(ITEMS, handle(task));
  last = --w.receivers == 0;
  if (last) refuse();
  expect(weir_mpsc_drop_receiver(&w.c) == last, "M6", "was it the last?");
  if (last) {
    uint8_t n = w.len;
    waits.line[ITEMS].free = 0;
    w.len = 0;
    w.dropped = n;
    w.next = w.sent;
    memset(w.slot, 0, sizeof(w.slot));
    must_give(ROOM, n);
    weir_mpsc_clear(&w.c);
  }
  return true;
}

/* ---- steps of both ----------------------------------------------------- */

static bool clone (int task) {
  if (w.alive[task] || waits.task[task].state != IDLE) return false;
  if (sends(task) ? w.senders == 0 : w.receivers == 0) return false;
  tell("T%d gets a clone", task);
  w.alive[task] = 1;
  if (sends(task)) w.c.senders = ++w.senders;
  else w.c.receivers = ++w.receivers;
  return true;
}

static bool cut_short (int task) {
  if (waits.task[task].state == IDLE) return false;
  tell("T%d is cut short (%s)", task, waits.task[task].state == PARKED ? "waiting" : "woken");
  cut(task);
  return true;
}

enum { DO_SEND, DO_RESERVE, DO_RESERVE_2, DO_SELECT, DO_CLOSED, DO_SPEND, DO_RELEASE, DO_CLONE, DO_DROP,
       DO_CUT, DO_RUN, OF_TASK, DO_RECV = DO_SEND, DO_CLOSE = DO_CLOSED };

static bool step_receiver (int task, int what) {
  switch (what) {
    case DO_RECV: return recv(task);
    case DO_CLOSE: return close_receiver(task);
    case DO_CLONE: return clone(task);
    case DO_DROP: return drop_receiver(task);
    case DO_CUT: return cut_short(task);
    case DO_RUN: return waits.task[task].state == WOKEN && run_receiver(task);
    default: return false;
  }
}

static bool step_of (int task, int what) {
  if (!sends(task)) return step_receiver(task, what);
  switch (what) {
    case DO_SEND: return start_send(task, SEND);
    case DO_RESERVE: return start_send(task, RESERVE);
    case DO_RESERVE_2: return start_send(task, RESERVE_2);
    case DO_SELECT: return start_send(task, SELECT);
    case DO_CLOSED: return wait_closed(task);
    case DO_SPEND: return spend(task);
    case DO_RELEASE: return release(task);
    case DO_CLONE: return clone(task);
    case DO_DROP: return drop_sender(task);
    case DO_CUT: return cut_short(task);
    default: return waits.task[task].state == WOKEN && run_sender(task);
  }
}

static bool step (int n) {
  return n / OF_TASK < v.senders + v.receivers && step_of(n / OF_TASK, n % OF_TASK);
}

/* ---- checks ------------------------------------------------------------ */

static void check (void) {
  const weir_Mpsc *c = &w.c;
  bool kernel_over = c->len == 0 && (c->refusing || c->senders == 0) && held() == 0;
  int i;
  expect(c->room.free + held() + c->len == v.capacity && weir_mpsc_held(c) == held(), "M1",
         "%u free, %u held, %u buffered", (unsigned)c->room.free, (unsigned)held(), (unsigned)c->len);
  expect(weir_mpsc_over(c) == kernel_over, "M5", "over is wrong");
  expect(c->items.free <= c->len, "M4", "%u promised to nobody, %u buffered",
         (unsigned)c->items.free, (unsigned)c->len);
  for (i = v.senders; i < v.senders + v.receivers; i++)
    if (waits.task[i].parking.parked)
      expect(c->items.free == 0 && !kernel_over, "M3", "T%d waits for %s", i,
             kernel_over ? "what cannot come" : "what is there");
  if (c->refusing)
    expect(weir_list_empty(&c->room.line) && weir_list_empty(&c->closed), "M6",
           "a sender waits at a channel that refuses");
  expect((!c->refusing && c->senders > 0) || c->room.home != NULL, "M7",
         "nobody hears of the last place that comes home");
  check_waits();
  expect(c->len == w.len && c->senders == w.senders && c->receivers == w.receivers &&
         c->refusing == w.refusing, "count", "len, senders, receivers or refusing is wrong");
  expect(c->high == w.high, "count", "high is %u, not %d", (unsigned)c->high, w.high);
  expect(c->received == w.received && c->dropped == w.dropped, "count", "received or dropped");
}

/* The counts begin again: they only grow, and nothing depends on them. */
static void settle (void) {
  int i;
  w.c.received = w.c.dropped = w.received = w.dropped = 0;
  w.c.high = w.high = w.len;
  for (i = 0; i < w.len; i++) w.slot[i] = (uint8_t)(w.slot[i] - w.next);
  w.sent = (uint8_t)(w.sent - w.next);
  w.next = 0;
  memset(w.slot + w.len, 0, sizeof(w.slot) - w.len);
}

static bool try_step (int task, int what) {
  tell_step();
  if (!step_of(task, what)) return false;
  check();
  settle();
  return true;
}

/* Everybody goes on as long as anybody can. */
static void run_all (void) {
  bool more = true;
  int i;
  while (more) {
    more = false;
    for (i = 0; i < v.senders + v.receivers; i++) {
      more |= try_step(i, DO_RUN);
      more |= sends(i) ? try_step(i, DO_SPEND) : try_step(i, DO_RECV);
    }
  }
}

/* From any state: the senders end, all is received, and nobody is left waiting. */
static void wind_up (void) {
  int i;
  run_all();
  for (i = 0; i < v.senders; i++)
    if (w.receivers > 0)
      expect(waits.task[i].state == IDLE || waits.task[i].wants == SELECT, "liveness",
             "T%d waits for room in an empty channel", i);
  for (i = 0; i < v.senders; i++) try_step(i, DO_DROP);
  run_all();
  for (i = 0; i < v.senders + v.receivers; i++)
    expect(waits.task[i].state == IDLE, "liveness", "T%d waits for ever", i);
  expect(w.receivers == 0 || w.c.len == 0, "liveness", "messages are left");
  expect(weir_mpsc_over(&w.c), "M5", "it is not over");
  expect(w.c.room.free == v.capacity, "M1", "places are lost");
}

static void explore_mpsc (const char *name, uint32_t capacity, int senders, int receivers,
                          uint32_t states) {
  Explorer mpsc = { name, states, TASKS * OF_TASK, start, step, check, settle, wind_up };
  v.name = name;
  v.capacity = capacity;
  v.senders = senders;
  v.receivers = receivers;
  explore_run(&mpsc);
}

int main (void) {
  explore_part(&w, sizeof(w));
  explore_part(&waits, sizeof(waits));
  explore_mpsc("mpsc, capacity 1", 1, 3, 1, 2000000);
  explore_mpsc("mpsc, capacity 2", 2, 3, 1, 2000000);
  explore_mpsc("mpsc, unbounded", WEIR_UNBOUNDED, 2, 1, 2000000);
  explore_mpsc("mpmc, capacity 2", 2, 2, 2, 2000000);
  return 0;
}
