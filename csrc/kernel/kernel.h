/* SPDX-License-Identifier: MIT */
/*
** kernel.h -- who goes next, and which slot: every type and prototype of the
** values-blind kernel. No Lua, no allocation, no globals, no clock.
**
**   Parking ---branch--> Waiter ---link---> line of a Permits, or of an event
**      |                                    (Waiter, Waiter, ...; oldest first)
**      +----won--------> the Waiter that was granted or told
**
** A wait is one Parking with one Waiter for each thing waited for. A permit is
** *given*: it belongs to the waiter from then on, even before it runs, and goes
** to the next in line when the waiter is cut short. An event is *told*: it
** only makes the waiter look again.
*/
#ifndef WEIR_KERNEL_H
#define WEIR_KERNEL_H

#include <stdint.h>

#include "list.h"

#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif

/* ---- wait.c ------------------------------------------------------------ */

struct weir_Permits;

typedef struct weir_Waiter {
  weir_Link link;                  /* in a line, or alone */
  struct weir_Parking *parking;    /* whose branch this is */
  struct weir_Permits *permits;    /* wanted or won; NULL: an event */
  void *through;                   /* the binding's: the handle waited through, or NULL */
  uint32_t need;                   /* how many permits; at a barrier: its number */
  bool owns;                       /* granted `need` permits, not yet taken */
  bool again;                      /* was told, and found nothing: it stood here before */
} weir_Waiter;

typedef struct weir_Parking {
  void (*wake) (struct weir_Parking *);   /* link something into a list; nothing more */
  weir_Waiter *branch;             /* an array */
  weir_Waiter *won;                /* NULL while parked, and after being cut short */
  uint32_t nbranch;
  bool parked;
} weir_Parking;

void weir_park (weir_Parking *p, weir_Waiter *branch, uint32_t n);
void weir_unpark (weir_Parking *p);
void weir_win (weir_Waiter *w);
void weir_line_join (weir_Link *line, weir_Waiter *w);
bool weir_line_tell (weir_Link *line);
void weir_line_tell_all (weir_Link *line);
void weir_line_tell_through (weir_Link *line, const void *handle);

/* ---- permits.c --------------------------------------------------------- */

typedef struct weir_Permits {
  weir_Link line;                              /* Waiters, oldest first */
  void (*home) (struct weir_Permits *);        /* told when some came home; or NULL */
  uint32_t free;                               /* nobody's */
} weir_Permits;

void weir_permits_init (weir_Permits *p, uint32_t free,
                        void (*home) (weir_Permits *));
bool weir_permits_try (weir_Permits *p, uint32_t n);
void weir_permits_join (weir_Permits *p, weir_Waiter *w, uint32_t n);
void weir_permits_give_on (weir_Permits *p, uint32_t n);
void weir_permits_serve (weir_Permits *p);
void weir_permits_tell_through (weir_Permits *p, const void *handle);
uint32_t weir_permits_take (weir_Waiter *w);
uint32_t weir_permits_available (const weir_Permits *p);
uint32_t weir_permits_forget (weir_Permits *p, uint32_t n);

/* Could `n` be taken now? None at all always can. */
static inline bool weir_permits_ready (const weir_Permits *p, uint32_t n) {
  return n == 0 || (p->free >= n && weir_list_empty(&p->line));
}

/* `n` come home: to the first in line, or free. May wake them, and whoever
** the owner wakes. */
static inline void weir_permits_give (weir_Permits *p, uint32_t n) {
  if (weir_list_empty(&p->line) && p->home == NULL) p->free += n;
  else weir_permits_give_on(p, n);
}

/* ---- mpsc.c: many senders, one receiver (or several: mpmc) ------------- */

enum { WEIR_CAPACITY_MAX = 0x7fffffff };       /* 2^31 - 1 */
#define WEIR_UNBOUNDED UINT32_MAX

typedef struct weir_Mpsc {
  weir_Permits room;        /* places nobody holds; senders wait here */
  weir_Permits items;       /* messages promised to nobody; receivers wait here */
  weir_Link closed;         /* those who wait for the receiver's end */
  uint32_t capacity;        /* WEIR_UNBOUNDED: as good as no limit */
  uint32_t len;             /* messages buffered, promised ones included */
  uint32_t high;            /* the most there ever were */
  uint32_t senders, weak, receivers;
  bool refusing;            /* closed by a receiver, or none is left */
  uint64_t received;        /* sent = received + len + dropped; see weir_mpsc_sent */
  uint64_t dropped;
} weir_Mpsc;

void weir_mpsc_init (weir_Mpsc *c, uint32_t capacity);
void weir_mpsc_push (weir_Mpsc *c);
void weir_mpsc_pop (weir_Mpsc *c);
uint32_t weir_mpsc_held (const weir_Mpsc *c);
bool weir_mpsc_over (const weir_Mpsc *c);
void weir_mpsc_refuse (weir_Mpsc *c);
void weir_mpsc_clear (weir_Mpsc *c);
void weir_mpsc_drop_sender (weir_Mpsc *c);
bool weir_mpsc_drop_receiver (weir_Mpsc *c);

/* ---- oneshot.c: one message -------------------------------------------- */

typedef struct weir_Oneshot {
  weir_Link arrived;        /* the receiver, waiting */
  weir_Link closed;         /* the sender, waiting for the receiver's end */
  bool sent;                /* a message stands here, unreceived */
  bool taken;               /* it was received */
  bool sender, receiver;    /* is that end alive? */
  bool refusing;            /* the receiver refuses what is not sent yet */
} weir_Oneshot;

void weir_oneshot_init (weir_Oneshot *o);
bool weir_oneshot_send (weir_Oneshot *o);
bool weir_oneshot_take (weir_Oneshot *o);
bool weir_oneshot_over (const weir_Oneshot *o);
bool weir_oneshot_refuses (const weir_Oneshot *o);
void weir_oneshot_refuse (weir_Oneshot *o);
void weir_oneshot_drop_sender (weir_Oneshot *o);
bool weir_oneshot_drop_receiver (weir_Oneshot *o);

/* ---- watch.c: the latest value ----------------------------------------- */

typedef struct weir_Watch {
  weir_Link changed;        /* receivers waiting for a version they have not seen */
  weir_Link closed;         /* senders waiting for the last receiver to go */
  uint64_t version;         /* counts changes */
  uint32_t senders, receivers;
} weir_Watch;

void weir_watch_init (weir_Watch *w);
void weir_watch_change (weir_Watch *w);
void weir_watch_drop_sender (weir_Watch *w);
void weir_watch_drop_receiver (weir_Watch *w);

/* ---- broadcast.c: every receiver sees every message -------------------- */

typedef struct weir_Broadcast {
  weir_Link arrived;        /* receivers waiting for a message */
  weir_Link closed;         /* senders waiting for the last receiver to go */
  weir_Permits room;        /* overflow = "wait" only: senders wait here */
  uint32_t *needs;          /* a ring, the binding's: receivers yet to see each message */
  uint32_t size;            /* of the ring; a power of two, at least min(capacity, len) */
  uint32_t capacity;
  uint64_t head, tail;      /* positions: the oldest kept, the next to be sent */
  uint32_t senders, weak, receivers;
  bool waits;               /* overflow = "wait" */
} weir_Broadcast;

void weir_broadcast_init (weir_Broadcast *b, uint32_t capacity, bool waits);
uint32_t weir_broadcast_len (const weir_Broadcast *b);
bool weir_broadcast_full (const weir_Broadcast *b);
void weir_broadcast_evict (weir_Broadcast *b);
uint32_t weir_broadcast_slot (const weir_Broadcast *b, uint64_t position);
void weir_broadcast_push (weir_Broadcast *b);
uint64_t weir_broadcast_missed (const weir_Broadcast *b, uint64_t cursor);
bool weir_broadcast_seen (weir_Broadcast *b, uint64_t position);
void weir_broadcast_drop_sender (weir_Broadcast *b);
void weir_broadcast_drop_receiver (weir_Broadcast *b);

/* ---- notify.c ----------------------------------------------------------- */

void weir_notify_init (weir_Permits *p);
void weir_notify_one (weir_Permits *p);
void weir_notify_waiters (weir_Permits *p);

/* ---- barrier.c: n tasks wait for each other ----------------------------- */

typedef struct weir_Barrier {
  weir_Link line;           /* those who have arrived */
  uint32_t n;               /* how many it takes, at least 1 */
} weir_Barrier;

void weir_barrier_init (weir_Barrier *b, uint32_t n);
bool weir_barrier_arrive (weir_Barrier *b);
void weir_barrier_join (weir_Barrier *b, weir_Waiter *w);
uint32_t weir_barrier_arrived (const weir_Barrier *b);

/* ---- once.c: a value that is set once ----------------------------------- */

typedef struct weir_Once {
  weir_Permits turn;        /* one permit: to make the value; those who would wait here */
  weir_Link line;           /* those who only wait until it is set */
  bool set;
} weir_Once;

void weir_once_init (weir_Once *o);
bool weir_once_ready (const weir_Once *o, const weir_Waiter *won);
bool weir_once_begin (weir_Once *o, weir_Waiter *won);
void weir_once_join (weir_Once *o, weir_Waiter *w);
void weir_once_made (weir_Once *o);
void weir_once_end (weir_Once *o);
bool weir_once_set (weir_Once *o);

/* ---- cancel.c: a tree of tokens ----------------------------------------- */

typedef struct weir_Token {
  weir_Link line;           /* those who wait for the cancellation */
  weir_Link children;       /* through their `sibling`; empty once cancelled */
  weir_Link sibling;
  struct weir_Token *parent;  /* NULL: a root, or cancelled, or its parent was */
  bool cancelled;
} weir_Token;

void weir_token_init (weir_Token *t, weir_Token *parent);
weir_Token *weir_token_cancel (weir_Token *t);
void weir_token_drop (weir_Token *t);

/* ---- deadlines.c -------------------------------------------------------- */

typedef struct weir_Deadline {
  double when;
  uint32_t at;              /* its place in the heap, from 1; 0: not in */
  uint32_t kind;            /* the binding's */
} weir_Deadline;

typedef struct weir_Due {   /* what is compared */
  double when;
  uint64_t order;           /* of starting */
  weir_Deadline *node;
} weir_Due;

typedef struct weir_Deadlines {
  weir_Due *heap;           /* the binding's: of `room` */
  uint32_t n, room;
  uint64_t started;
} weir_Deadlines;

void weir_deadlines_init (weir_Deadlines *d);
void weir_deadline_init (weir_Deadline *x);
void weir_deadlines_start (weir_Deadlines *d, weir_Deadline *x, double when,
                           uint32_t kind);
void weir_deadlines_stop (weir_Deadlines *d, weir_Deadline *x);
weir_Deadline *weir_deadlines_first (const weir_Deadlines *d);
void weir_deadlines_shift (weir_Deadlines *d, double by);

static inline bool weir_deadline_set (const weir_Deadline *x) { return x->at != 0; }

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif
