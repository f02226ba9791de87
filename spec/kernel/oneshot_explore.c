/* SPDX-License-Identifier: MIT */
/*
** oneshot_explore.c -- every history of a oneshot: its sender, its receiver, and
** two tasks at each end (the second waits through an end while the first uses it).
**
** O1..O4: one message at the most, received once or dropped with the receiver;
** who waits hears of the end at once.
*/
#include "explore.h"

enum { TASKS = 4, BRANCHES = 2, LINES = 2 };
enum { ARRIVED, CLOSED };
enum { SENDER = 1, RECEIVER = 2 };           /* the handles */

#include "waits.h"

static struct {
  weir_Oneshot o;
  uint8_t sender, receiver, refusing;        /* the model */
  uint8_t here;                              /* a message stands here */
  uint8_t delivered, lost;
} w;

static void start (void) {
  weir_oneshot_init(&w.o);
  w.sender = w.receiver = 1;
  event_line(ARRIVED, &w.o.arrived);
  event_line(CLOSED, &w.o.closed);
}

static bool over (void) { return !w.here && (!w.sender || w.refusing); }

static bool send (void) {
  bool ok = !w.refusing;
  if (!w.sender) return false;
  tell("send%s", ok ? "" : " -> closed");
  w.sender = 0;
  w.here = ok;
  must_tell_all(ARRIVED);
  must_tell_all(CLOSED);
  expect(weir_oneshot_send(&w.o) == ok, "O1", "send says %d", !ok);
  return true;
}

static bool drop_sender (void) {
  tell("the sender is dropped");              /* twice is harmless */
  if (w.sender) {
    tell_line_through(CLOSED, SENDER);
    must_tell_all(ARRIVED);
  }
  w.sender = 0;
  weir_oneshot_drop_sender(&w.o);
  return true;
}

static bool refuse (void) {
  if (!w.receiver || w.refusing) return false;
  tell("the receiver is closed");
  w.refusing = 1;
  must_tell_all(CLOSED);
  must_tell_all(ARRIVED);
  weir_oneshot_refuse(&w.o);
  return true;
}

static bool drop_receiver (void) {
  bool had = w.here;
  if (!w.receiver) return false;
  tell("the receiver is dropped");
  tell_line_through(ARRIVED, RECEIVER);
  w.receiver = w.here = 0;
  w.lost = (uint8_t)(w.lost + had);
  w.refusing = 1;
  must_tell_all(CLOSED);
  must_tell_all(ARRIVED);
  expect(weir_oneshot_drop_receiver(&w.o) == had, "O1", "a message %s with the receiver",
         had ? "does not die" : "dies");
  return true;
}

/* The receiver looks: true if that ends its wait. */
static bool look (void) {
  bool here = w.here;
  expect(weir_oneshot_take(&w.o) == here, "O1", "take says %d", !here);
  if (here) {
    tell(" -> the message");
    w.here = 0;
    w.delivered++;
    return true;
  }
  expect(weir_oneshot_over(&w.o) == over(), "O2", "over is %d", !over());
  return over();
}

/* A wait for the message; `both`: of a task that has the sender too, for either. */
static bool recv (int task, bool both) {
  if (waits.task[task].state != IDLE || !w.receiver || (both && !w.sender)) return false;
  if (!w.here && over()) return false;
  tell("T%d receives%s", task, both ? ", or hears of the end" : "");
  if (look()) return true;
  begin(task, both ? 2 : 1, ARRIVED);
  wait_event(task, 0, ARRIVED, RECEIVER);
  if (both) wait_event(task, 1, CLOSED, SENDER);
  return true;
}

static bool wait_closed (int task) {
  if (waits.task[task].state != IDLE || !w.sender || w.refusing) return false;
  expect(!weir_oneshot_refuses(&w.o), "O3", "it refuses");
  tell("T%d waits for the receiver's end", task);
  begin(task, 1, CLOSED);
  wait_event(task, 0, CLOSED, SENDER);
  return true;
}

static bool run (int task) {
  int wants = waits.task[task].wants, won;
  if (waits.task[task].state != WOKEN) return false;
  tell("T%d runs", task);
  take(task, &won);
  if (wants == CLOSED || won == 1)
    expect(w.refusing || !w.sender, "liveness", "T%d is told of an end that has not come", task);
  else if (w.receiver && !look())         /* another may have taken it; then it is over for this one */
    expect(w.o.taken, "liveness", "T%d is told, and nothing has come", task);
  return true;
}

static bool step (int n) {
  int task = n / 5;
  switch (n) {
    case 5 * TASKS: return send();
    case 5 * TASKS + 1: return drop_sender();
    case 5 * TASKS + 2: return refuse();
    case 5 * TASKS + 3: return drop_receiver();
    default: break;
  }
  switch (n % 5) {
    case 0: return recv(task, false);
    case 1: return recv(task, true);
    case 2: return wait_closed(task);
    case 3: return run(task);
    default:
      if (waits.task[task].state == IDLE) return false;
      tell("T%d is cut short (%s)", task, waits.task[task].state == PARKED ? "waiting" : "woken");
      cut(task);
      return true;
  }
}

static void check (void) {
  const weir_Oneshot *o = &w.o;
  expect(!o->sent || (o->receiver && !o->taken), "O1", "sent to nobody, or twice");
  expect(weir_list_empty(&o->arrived) || (o->sender && !o->sent && !o->refusing), "O2",
         "the receiver waits for what %s", o->sent ? "is there" : "cannot come");
  expect(weir_list_empty(&o->closed) || !weir_oneshot_refuses(o), "O3",
         "the sender waits for an end that has come");
  expect(!o->sent || !o->sender, "O4", "the sender has sent and is alive");
  check_waits();
  expect(o->sent == w.here && o->sender == w.sender && o->receiver == w.receiver &&
         o->refusing == w.refusing && o->taken == w.delivered, "count", "a flag is wrong");
  expect(weir_oneshot_refuses(o) == w.refusing && weir_oneshot_over(o) == over(), "O2",
         "refuses or over");
  expect(w.delivered + w.lost + w.here <= 1, "O1", "more than one message");
}

int main (void) {
  static const Explorer oneshot = { "oneshot", 1000000, 5 * TASKS + 4, start, step, check, NULL, NULL };
  explore_part(&w, sizeof(w));
  explore_part(&waits, sizeof(waits));
  explore_run(&oneshot);
  return 0;
}
