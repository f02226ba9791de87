/* SPDX-License-Identifier: MIT */
/*
** bind.h -- what the binding's files share: objects, handles, tasks, waits.
**
**   Object        a userdata whose first word is a tag: which kind, and alive
**    '- Handle    an Object that one task at a time may own, that moves and drops
**   Task          a coroutine, its one Parking, its one deadline
**   Slot          a coroutine that is used for one task (or frame) after another
**   Frame         a nested coroutine of a task: weir.wrap, timeout, scope ...
**   Op            how one thing is waited for: try, look, stand in line
**
** Long because it is the one header of the binding: what two files share stands here, and
** nowhere else.
*/
#ifndef WEIR_BIND_H
#define WEIR_BIND_H

#include <stdio.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "../kernel/kernel.h"

#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#if defined(_WIN32)
#define WEIR_EXPORT __declspec(dllexport)
#else
#define WEIR_EXPORT __attribute__((visibility("default")))
#endif
#define WEIR_COLD __attribute__((cold, noinline))
#define WEIR_NOINLINE __attribute__((noinline))
#define WEIR_INLINE inline __attribute__((always_inline))
#define WEIR_LIKELY(x) __builtin_expect(!!(x), 1)
#define WEIR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#elif defined(_WIN32)
#define WEIR_EXPORT __declspec(dllexport)
#define WEIR_COLD
#define WEIR_NOINLINE
#define WEIR_INLINE inline
#define WEIR_LIKELY(x) (x)
#define WEIR_UNLIKELY(x) (x)
#else
#define WEIR_EXPORT
#define WEIR_COLD
#define WEIR_NOINLINE
#define WEIR_INLINE inline
#define WEIR_LIKELY(x) (x)
#define WEIR_UNLIKELY(x) (x)
#endif

/* ---- the version shim -------------------------------------------------- */

/* Close a coroutine, running its <close> variables: lua_closethread from 5.4.6 on. */
static inline int weirL_closethread (lua_State *co, lua_State *from) {
#if LUA_VERSION_NUM >= 505 || (LUA_VERSION_NUM == 504 && LUA_VERSION_RELEASE_NUM >= 50406)
  return lua_closethread(co, from);
#else
  (void)from;
  return lua_resetthread(co);
#endif
}

/* ---- objects and handles ----------------------------------------------- */

/* every kind; the order is that of the table in object.c */
typedef enum KindId {
  MPSC_SENDER, MPSC_RECEIVER, MPSC_WEAK, MPSC_PERMIT, MPSC_RESERVATION,
  MPMC_SENDER, MPMC_RECEIVER, MPMC_WEAK,
  ONESHOT_SENDER, ONESHOT_RECEIVER,
  WATCH_SENDER, WATCH_RECEIVER,
  BROADCAST_SENDER, BROADCAST_RECEIVER, BROADCAST_WEAK,
  SEMAPHORE_PERMIT, MUTEX_GUARD, READ_GUARD, WRITE_GUARD,
  DROP_GUARD, JOIN_SET, BOX,
  LAST_HANDLE = BOX,              /* the rest is shared, and never moves */
  TASK, TOKEN, TIMER, INTERVAL, SEMAPHORE, NOTIFY, MUTEX, RWLOCK, BARRIER,
  ONCE, CLOSED,
  KINDS
} KindId;

enum {
  TAG_LIVE = 0x57656900,          /* "Wei" and the kind */
  TAG_SPENT = 0x77656900          /* "wei" and the kind: closed or moved */
};

typedef struct Object {
  uint32_t tag;                   /* first word of every userdata */
  uint32_t waits;                 /* handles: waits going on through this one */
} Object;

/*
** Handle: 32 bytes, since a program may have a million.
** user value 1: the object at the other end of `end` (keeps it alive)
** user value 2: where it was made, if weir.debug was on
*/
typedef struct Handle {
  Object o;
  void *end;                      /* the channel (or the like) */
  union {
    weir_Link owned;              /* in its owner's list, or alone (listing: in `loose`) */
    struct {                      /* when spent: */
      uint32_t how;               /* an enum Spent */
      uint32_t task, place;       /* SPENT_TASK: which, and where it was spawned */
    } spent;
  } u;
} Handle;

enum Spent { SPENT_CLOSED, SPENT_TASK, SPENT_CHANNEL, SPENT_MOVED, SPENT_SENT,
             SPENT_TAKEN, SPENT_YIELDED };

struct Op;
struct Scheduler;
struct Trace;

typedef struct Kind {
  const char *name;               /* "mpsc.Sender" */
  const char *noun;               /* "sender", for sentences */
  const char *keep;               /* how to keep one when it moves; or NULL */
  size_t size;
  const struct Op *op;            /* as a branch of select; or NULL */
  const struct Op *closed;        /* senders: the wait of tx:closed(); or NULL */
  void (*drop) (lua_State *L, struct Scheduler *S, Handle *h, int i);
  void (*cut) (Handle *h);        /* tell those who wait through this handle */
  int (*fill) (const Object *o, char *text, size_t size);  /* "3 of 16 buffered"; or NULL */
  bool values;                    /* its drop touches Lua values: it needs `i` */
} Kind;


static inline KindId weirL_kindof (const Object *o) {
  return (KindId)(o->tag & 0xff);
}

/* ---- waiting ----------------------------------------------------------- */

enum { WEIR_PENDING = -1, WEIR_RAISED = -2 };

/*
** Op: one way of waiting. `i` is the stack index of the object; a value that
** goes with it (a message to send) stands at i + 1.
*/
typedef struct Op {
  const char *name;               /* "recv" */
  /* Complete now if it can: results pushed, their number; or WEIR_PENDING.
  ** `won`: the waiter that was granted or told, NULL when trying afresh. */
  int (*poll) (lua_State *L, int i, weir_Waiter *won);
  bool (*ready) (lua_State *L, int i);          /* could poll complete? changes nothing */
  /* stand in line, and say through which handle if any; cannot fail */
  void (*enter) (lua_State *L, int i, weir_Waiter *w);
  void (*guard) (lua_State *L, int i);          /* raises if it must not wait; or NULL */
  bool counts;                    /* its outcomes have 0 in place of nil */
} Op;

/* ---- scheduler --------------------------------------------------------- */

typedef struct Block Block;

/* A coroutine and whoever uses it: 16 bytes, for there are as many as tasks. */
typedef struct Slot {
  lua_State *co;                  /* NULL: none made yet; anchored by the chunk */
  uintptr_t user;                 /* the Task whose base coroutine it is now; 0: a frame's;
                                     odd: free, 2 * the next in the list + 1 */
} Slot;

/* They stand in chunks, userdata: user value i + 1 anchors the coroutine of slot i. */
enum { CHUNK = 128, NO_SLOT = 0 };

typedef struct Branches {         /* the wait records of a task's selects, used again */
  size_t n;
  weir_Waiter waiter[];
} Branches;

typedef struct Place {            /* where something was spawned */
  const char *source;             /* compared, and verified with `text` */
  int line;
  uint32_t id;                    /* index into the places table */
  char text[LUA_IDSIZE];
} Place;

enum { PLACES = 64, BUDGET = 128, IDLE_MAX = 1024 };
enum { HOSTS_MAX = 3,             /* tasks that host, one upon the other */
       HOSTED_MAX = 1000 };       /* turns that one takes before it yields, for another to host */

/* Why the plain loop of turns stops: main has ended, or turns are watched. */
enum Halt { HALT_DONE = 1, HALT_WATCHED = 2 };

/* What a deadline in the heap is of. */
enum Due { DUE_WAIT, DUE_TIMER, DUE_FRAME };

/* A hook of loop.on_wake is registered, and to be called; boxes were moved. */
enum Notice { NOTICE_WAKE = 1, NOTICE_MOVED = 2 };

/* Who wants to see the handles that no task owns. */
enum Listing { LISTING_DEBUG = 1, LISTING_TRACE = 2, LISTING_CONSOLE = 4 };

/* user values of the scheduler */
enum { UV_CHUNKS = 1, UV_TASKS, UV_BRANCHES, UV_PLACES, UV_OWNED,
       UV_NAMES, UV_TRACES, UV_BORN, UV_HOOKS, UV_SLOTS, UV_REPLY, UV_RETIRED, UV_HEAP, UV_GRANTED, UV_EXPOSED,
       UV_METAS,                  /* .. UV_METAS + KINDS - 1 */
       UV_COUNT = UV_METAS + KINDS - 1 };
/* fields of the hooks table */
enum { HOOK_ERROR = 1, HOOK_DEFAULT, HOOK_WAKE, HOOK_COMPOSITE, HOOK_DOOMED, HOOK_MOVED, HOOK_REPORT, HOOK_SOURCE,
       HOOK_TRACE };

/* A table of branches that select has looked at. */
typedef struct Known {
  const void *table;
  uint32_t n;                     /* its keys are 1 .. n; 0: nothing is known */
  bool plain;                     /* and all were awaitables */
} Known;
enum { KNOWN = 16 };

typedef struct Scheduler {
  Object o;
  weir_Link ready;                /* Tasks, first come first served */
  weir_Link batch;                /* those of the turn going on */
  weir_Deadlines deadlines;       /* the heap in UV_HEAP */
  uint32_t kept;                  /* places in the heap for those that must not fail to start */
  struct Task *current;           /* running, or being closed */
  struct Task *main;              /* of the run going on */
  int tasks_at;                   /* during a turn: stack index of the tasks table */
  uint8_t nhosts;                 /* tasks that take the turns of others in their wait */
  lua_State *loop_L;              /* whose turns those are; NULL: nobody may */
  int budget;                     /* operations until the current task gives way */
  bool running;                   /* inside weir.run or loop.step */
  uint8_t halt;                   /* bits of enum Halt; 0: turns go on as always */
  bool explore;                   /* ready tasks run in an order drawn by lot: explore.c */
  bool paused;                    /* the clock is virtual */
  bool debug;
  uint8_t notice;                 /* bits of enum Notice: what the end of an operation has to do */
  bool woken;                     /* work appeared while nobody ran it */
  double clock;                   /* virtual now */
  double shift;                   /* of the clock, by all run_paused so far */
  Slot **chunks;                  /* of slots [1 .. nslots]; the array in UV_CHUNKS, they in UV_SLOTS */
  uint32_t nslots, nchunks, capchunks;
  uint32_t idle, nidle;           /* slots with a coroutine at rest */
  uint32_t bare;                  /* slots without one */
  uint32_t nspares;               /* Oneshots at rest, for calls */
  bool exposed;                   /* coroutine.running gave a task's coroutine away once */
  uint32_t ntasks;                /* unfinished */
  uint32_t next_id;
  uint32_t nplaces;
  lua_State *doomed;              /* its stack: handles to be dropped in their turn */
  lua_State *moved;               /* its stack: boxes whose hook for that is still to be called */
  bool dropping;                  /* a drop that may meet others goes on */
  uint8_t granting;               /* C frames between the code that runs and its caller */
  uint32_t collected;             /* live handles that the collector dropped */
  uint8_t listing;                /* bits of enum Listing; 0: no list of what is nobody's */
  weir_Link loose;                /* listing: live handles that no task owns */
  uint64_t random[2];             /* of select; math.random is left alone */
  lua_State *main_L;              /* the state's main thread: where a signal sets a hook */
  lua_Hook hook;                  /* of the state, as last seen: a new one is an interrupt */
  const void *meta[KINDS];        /* addresses of the metatables */
  Known known[KNOWN];
  struct Trace *trace;            /* tracing: see trace.c; NULL when off */
  uint64_t order;                 /* exploring: a hash of the orders drawn */
  Place place[PLACES];            /* cache of the places table */
} Scheduler;

/* ---- tasks and frames -------------------------------------------------- */

enum Status { READY, RUNNING, WAITING, DONE, FAILED, ABORTED };

/* user value 1: its result, its error, or a table of several results; 2, of a
** Member: the set */
typedef struct Task {
  Object o;                       /* o.waits: number of results once done */
  Scheduler *S;
  weir_Link ready;                /* in the ready list, or alone */
  weir_Parking parking;
  weir_Waiter self;               /* the branch of a plain wait */
  weir_Deadline due;              /* of the wait going on */
  weir_Link owned;                /* handles, first got first */
  weir_Link joiners;
  lua_State *L;                   /* its innermost coroutine */
  struct Frame *frames;           /* innermost first */
  const Op *op;                   /* of the wait going on; NULL: a select, or none */
  Branches *branches;             /* of its selects, anchored by UV_BRANCHES; or NULL */
  uint32_t id, slot, place;
  uint8_t status;                 /* an enum Status */
  uint8_t pass;                   /* values on top of L for its next resume; or FRESH */
  bool aborting : 1;              /* to be ended at its turn */
  bool expired : 1;               /* a frame's time is over: cut at the next wait */
  bool late : 1;                  /* and it waits, or gave way: cut at its turn, whatever it wins */
  bool timed_out : 1;             /* `due` came */
  bool closing : 1;               /* its <close> variables run: no waits */
  bool grouped : 1;               /* it is a Member */
  bool hands : 1;                 /* parked in recv: takes a message on its stack (mpsc.c, oneshot.c) */
  bool called : 1;                /* the message that it was handed came by `call` */
  bool calling : 1;               /* in tx:call(): index 2 of L is the oneshot it waits on */
  bool exposed : 1;               /* coroutine.running gave its base away: not used again */
  bool traced : 1;                /* FAILED: user value 1 is { error, traceback } */
  bool hosts : 1;                 /* its wait takes the turns of the others: weirL_host */
  bool hosted : 1;                /* and went on from there; cleared by a true yield */
  bool close_failed : 1;          /* a <close> variable raised, while it was being ended;
                                     user value 1 is that error */
} Task;

enum { FRESH = 255 };             /* pass: all that stands above the function */

struct JoinSet;

typedef struct Member {           /* a task of a join set or scope */
  Task task;
  struct JoinSet *set;            /* NULL: detached, or the set is gone */
  weir_Link link;                 /* among the set's running, or its ended */
  uint32_t nth;                   /* order of spawning in the set */
  bool unheard;                   /* ended: nobody joined it, only the set can tell how */
} Member;

typedef enum FrameKind { FRAME_WRAP, FRAME_TIMEOUT, FRAME_TOKEN, FRAME_SCOPE } FrameKind;

/* A function of a task that runs in a coroutine of its own, so that it can be
** ended without its help. */
typedef struct Frame {
  Object o;
  Task *task;
  struct Frame *outer;
  lua_State *co;
  weir_Link owned;                /* what the function got; not for weir.wrap */
  weir_Deadline due;              /* FRAME_TIMEOUT */
  weir_Parking parking;           /* FRAME_TOKEN: for the cancellation */
  weir_Waiter waiter;
  struct JoinSet *set;            /* FRAME_SCOPE */
  uint32_t slot;
  uint8_t kind;
  bool active;                    /* its coroutine runs, or waits in a task */
  bool stuck;                     /* entered where Lua cannot yield */
  bool expired;                   /* to be cut at the next wait */
  bool cut;                       /* its function is to be closed now */
  bool over;                      /* FRAME_SCOPE: the body has ended, its tasks not yet */
  bool failed;                    /* FRAME_SCOPE: with an error, on top of the stack */
  bool exposed;                   /* coroutine.running gave its coroutine away */
} Frame;

/* object.c */
int weirL_error (lua_State *L, const char *fmt, ...);
Object *weirL_object (lua_State *L, int i);
void *weirL_check (lua_State *L, int i, KindId k);
void *weirL_new (lua_State *L, Scheduler *S, KindId k, size_t size, int nuv);
void weirL_push_retired (lua_State *L);
void weirL_pushmeta (lua_State *L, Scheduler *S, KindId k);
const char *weirL_typename (lua_State *L, int i);
void weirL_push_spent (lua_State *L, int i, const Handle *h);
int weirL_badspent (lua_State *L, int i, const Handle *h);
void *weirL_handle_check (lua_State *L, int i, KindId k);
Handle *weirL_handle (lua_State *L, int i);
void weirL_still_live (lua_State *L, Scheduler *S);
/* weirL_handle_check, when it must be quick: the size is that of the kind. */
static inline void *weirL_handle_at (lua_State *L, int i, KindId k, size_t size) {
  Object *o = (Object *)lua_touserdata(L, i);
  if (WEIR_LIKELY(o != NULL && lua_rawlen(L, i) == size && o->tag == (TAG_LIVE | (uint32_t)k)))
    return o;
  return weirL_handle_check(L, i, k);
}
Handle *weirL_handle_new (lua_State *L, Scheduler *S, KindId k, int end_i, void *end);
Handle *weirL_handle_prepare (lua_State *L, int i);
void weirL_handle_commit (lua_State *L, Scheduler *S, int old, int fresh,
                          enum Spent how, const Task *to);
void weirL_handle_anchor (lua_State *L, int i);
void weirL_handle_own (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_handle_disown (lua_State *L, Scheduler *S, Handle *h);
void weirL_handle_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_handle_spend (Handle *h, enum Spent how);
void weirL_let_go (lua_State *L, const Handle *h, int i);
void weirL_drop_owned (lua_State *L, Scheduler *S, weir_Link *owned);
void weirL_drop_message (lua_State *L, Scheduler *S, int i);
void weirL_register (lua_State *L, int S, KindId k, const luaL_Reg *methods,
                     const luaL_Reg *meta);
int weirL_handle_dropmethod (lua_State *L);

/* scheduler.c */
/* every function of weir has the scheduler as its first upvalue */
static inline Scheduler *weirL_scheduler (lua_State *L) {
  return (Scheduler *)lua_touserdata(L, lua_upvalueindex(1));
}
uint32_t weirL_place (lua_State *L, Scheduler *S, int f);
void weirL_pushfunction (lua_State *L, lua_CFunction f);
double weirL_clock (const Scheduler *S);
double weirL_optseconds (lua_State *L, int arg);
double weirL_seconds (lua_State *L, int arg);
void weirL_make_ready (Task *t);
void weirL_take_notice (lua_State *L, Scheduler *S);
/* At the end of whatever may have woken a task: tell the event loop that hosts
** us, if it sleeps. [-0, +0, e] */
static inline void weirL_notice (lua_State *L, Scheduler *S) {
  if (WEIR_UNLIKELY(S->notice)) weirL_take_notice(L, S);
}
bool weirL_turn (lua_State *L, Scheduler *S);
bool weirL_budget_spent (lua_State *L, Scheduler *S);
static inline bool weirL_spent (lua_State *L, Scheduler *S) {
  return WEIR_UNLIKELY(--S->budget < 0) && weirL_budget_spent(L, S);
}
WEIR_NOINLINE bool weirL_host (Scheduler *S, Task *t);
bool weirL_time_awaited (const Scheduler *S);
void weirL_uv (lua_State *L, int uv);
int weirL_give_way (lua_State *L, Scheduler *S, lua_CFunction again);
uint32_t weirL_slot_take (lua_State *L, Scheduler *S);
void weirL_slot_release (lua_State *L, Scheduler *S, uint32_t slot, bool clean);
uint32_t weirL_random (Scheduler *S, uint32_t n);
weir_Waiter *weirL_branches (lua_State *L, Task *t, uint32_t n);
void weirL_deadline_room (lua_State *L, Scheduler *S);

/* Can one more be started? */
static inline bool weirL_deadline_fits (const Scheduler *S) {
  return S->deadlines.n + S->kept < S->deadlines.room;
}
static inline Slot *weirL_slot (const Scheduler *S, uint32_t i) {
  return &S->chunks[i / CHUNK][i % CHUNK];
}

/* The unfinished task whose base is slot i, or NULL. */
static inline Task *weirL_slot_task (const Scheduler *S, uint32_t i) {
  uintptr_t user = weirL_slot(S, i)->user;
  return user & 1 ? NULL : (Task *)user;
}
void weirL_open_scheduler (lua_State *L, int S);

/* wait.c */
WEIR_COLD Task *weirL_may_not_wait (lua_State *L, Scheduler *S, const char *verb);

/* The running task, if the caller may wait here; else an error that says why not. */
static inline Task *weirL_may_wait (lua_State *L, Scheduler *S, const char *verb) {
  Task *t = S->current;
  if (WEIR_LIKELY(t != NULL && t->L == L && !t->closing && lua_isyieldable(L) &&
                  (t->frames == NULL || !t->frames->stuck)))
    return t;
  return weirL_may_not_wait(L, S, verb);
}
int weirL_await (lua_State *L, Scheduler *S, const Op *op, int timeout,
                 lua_CFunction again);
typedef int (*weirL_Poll) (lua_State *L, int i, weir_Waiter *won);
int weirL_try_grant (lua_State *L, int i, int n, weir_Waiter *won, weirL_Poll poll);
int weirL_with_grant (lua_State *L, int i, int n, weir_Waiter *won, weirL_Poll poll);
void weirL_as_won (weir_Waiter *place, weir_Permits *p);
void weirL_open_wait (lua_State *L, int S);

static inline bool weirL_granted (const weir_Waiter *won) {
  return won != NULL && won->owns;
}
int weirL_yield (lua_State *L, Task *t, lua_KContext ctx, lua_KFunction k);
int weirL_await_k (lua_State *L, int status, lua_KContext ctx);
int weirL_park (lua_State *L, Task *t, lua_KContext ctx, lua_KFunction k);
void weirL_wait_over (Task *t);
void weirL_wait_start (Task *t, double timeout);
void weirL_through (weir_Waiter *w, Handle *h);
void weirL_cut_short (lua_State *L, Task *t);

/* Is what the waiting task had on its stack still there? Not if its coroutine was closed, or resumed
** to its end, by functions of Lua's that somebody kept from before weir was loaded. */
static inline bool weirL_stands (const Task *t) {
  return t->hosts || lua_status(t->L) == LUA_YIELD;
}

/* How many values were put on top of the coroutine co for its next resume. [-0, +0, -] */
static inline int weirL_passed (Task *t, lua_State *co) {
  int n = t->pass;
  t->pass = 0;
  if (n == FRESH) return lua_gettop(co) - 1;
  if (WEIR_UNLIKELY(lua_status(co) != LUA_YIELD)) {
    lua_settop(co, 0);                          /* gone: a resume is to find it dead */
    return 0;
  }
  return n;
}
static inline bool weirL_live (const void *o) {
  return (((const Object *)o)->tag & ~0xffu) == TAG_LIVE;
}

/* task.c */
void weirL_push_task (lua_State *L, Scheduler *S, const Task *t);
WEIR_COLD bool weirL_woken_early (lua_State *L, Scheduler *S, Task *t);
WEIR_NOINLINE void weirL_stopped (lua_State *L, Scheduler *S, Task *t, int status, int n);
void weirL_abort (Task *t);
Task *weirL_spawn (lua_State *L, Scheduler *S, int f, struct JoinSet *set, bool moves);
void weirL_push_error (lua_State *L, int i, const Task *t);
void weirL_push_trace (lua_State *L, int i, const Task *t);
void weirL_note_failure (lua_State *L, const Task *t, lua_State *co);
void weirL_blame (lua_State *L, const Task *t, int err, int trace);
void weirL_report_failure (lua_State *L, const Task *t, int task);
void weirL_push_name (lua_State *L, Scheduler *S, const Task *t);
void weirL_push_place (lua_State *L, Scheduler *S, uint32_t place);
int weirL_push_results (lua_State *L, int i, const Task *t);
weir_Link *weirL_owner (Task *t);
void weirL_open_task (lua_State *L, int S);
extern const Op weirL_join_op;

/* frame.c */
bool weirL_close_frames (lua_State *L, Scheduler *S, Task *t, const Frame *until);
void weirL_abandon_frames (lua_State *L, Scheduler *S, Task *t);
void weirL_frame_expire (Frame *f);
void weirL_open_frame (lua_State *L, int S);
int weirL_run_until_cancelled (lua_State *L);

/* join_set.c */
typedef struct JoinSet {
  Object o;
  Scheduler *S;
  weir_Permits room;              /* limit minus unfinished tasks */
  weir_Link running, ended;       /* Members */
  weir_Link waiting;              /* for the end of a task */
  uint32_t limit, nrunning, nended, spawned;
  uint32_t first_failed;          /* nth of the first in `ended` that did not return */
  Frame *scope;                   /* the scope whose set this is; or NULL */
  bool failed;                    /* scope: a member failed; its error is user value 2 */
  bool dropped;
} JoinSet;
void weirL_set_ended (lua_State *L, Scheduler *S, Member *m, int task);
bool weirL_set_answers (Task *t);
void weirL_set_abort (JoinSet *set);
void weirL_open_join_set (lua_State *L, int S);
JoinSet *weirL_set_new (lua_State *L, Scheduler *S, uint32_t limit);

/* time.c */
void weirL_timer_fire (weir_Deadline *due);
void weirL_open_time (lua_State *L, int S);

/* store.c: a queue of values in user values, never in the registry */
typedef union Number {            /* the value of a scalar: nothing to the collector */
  lua_Integer i;
  lua_Number n;
} Number;
enum { NO_SCALAR, INTEGER, FLOAT, BOOLEAN, FROM_CALL };
typedef struct Scalar {
  Number is;
  uint8_t kind;
} Scalar;

struct Block {
  Block *next;                    /* C view of user value 1 */
  uint16_t head, len, size;       /* a ring of `size` slots, a power of two */
  bool scalars;                   /* the slots are Scalars, behind it */
  uint8_t holds;                  /* of the block inside, a kind: a scalar; or FROM_CALL */
};                                /* behind it else a bit for each slot: it came by `call` */
enum { STORE_FIRST = 3, BLOCK_MAX = 256 };
typedef struct Store {
  Block *first, *last;            /* anchored by user values 1 and 2 */
  Block in;                       /* of one slot */
  Number inside;                  /* in it, if that is a scalar */
} Store;
void weirL_store_init (Store *s);
void weirL_store_grow (lua_State *L, int i, Store *s, uint32_t most, int type);
void weirL_store_push (lua_State *L, int i, Store *s, int v);
void weirL_store_push_front (lua_State *L, int i, Store *s, int v);
int weirL_store_pop (lua_State *L, int i, Store *s);
void weirL_store_mark_call (Store *s, bool first);
bool weirL_store_take_call (Store *s);

static inline bool weirL_is_scalar (int type) {
  return type == LUA_TNUMBER || type == LUA_TBOOLEAN;
}

/* Is there no room for one more, of that type, until it grows? `reserve`: a single block
** keeps one slot free. */
static inline bool weirL_store_full (const Store *s, bool reserve, int type) {
  const Block *b = s->last;
  return b->len + (reserve && s->first == b) >= b->size || (b->scalars && !weirL_is_scalar(type));
}

static inline Scalar *weirL_scalars (Block *b) { return (Scalar *)(void *)(b + 1); }

/* The kind of the scalar at index v, whose value goes to *x. [-0, +0, -] */
static inline uint8_t weirL_scalar (lua_State *L, int v, Number *x) {
  if (WEIR_LIKELY(lua_isinteger(L, v))) {
    x->i = lua_tointeger(L, v);
    return INTEGER;
  }
  if (lua_isboolean(L, v)) {
    x->i = lua_toboolean(L, v);
    return BOOLEAN;
  }
  x->n = lua_tonumber(L, v);
  return FLOAT;
}

/* [-0, +1, -] */
static inline void weirL_push_scalar (lua_State *L, Number x, uint8_t kind) {
  if (WEIR_LIKELY(kind == INTEGER)) lua_pushinteger(L, x.i);
  else if (kind == BOOLEAN) lua_pushboolean(L, x.i != 0);
  else lua_pushnumber(L, x.n);
}

/* weirL_store_push of the value at index v, of that type, if it needs no user value. */
static inline bool weirL_store_push_scalar (lua_State *L, Store *s, int v, int type) {
  Block *b = s->last;
  if (!weirL_is_scalar(type)) return false;
  if (b->scalars) {
    Scalar *x = &weirL_scalars(b)[(b->head + b->len) & (b->size - 1u)];
    x->kind = weirL_scalar(L, v, &x->is);
  }
  else if (b == &s->in) b->holds = weirL_scalar(L, v, &s->inside);
  else return false;
  b->len++;
  return true;
}

/* weirL_store_pop of a value that is in no user value, and whose block stays. */
static inline bool weirL_store_pop_scalar (lua_State *L, Store *s) {
  Block *b = s->first;
  if (b->len == 1 && b != s->last) return false;
  if (b->scalars) {
    const Scalar *x = &weirL_scalars(b)[b->head];
    weirL_push_scalar(L, x->is, x->kind);
    b->head = (uint16_t)((b->head + 1) & (b->size - 1));
  }
  else if (b->holds != NO_SCALAR && b->holds != FROM_CALL) {
    weirL_push_scalar(L, s->inside, b->holds);
    b->holds = NO_SCALAR;
  }
  else return false;
  b->len--;
  return true;
}

/* mpsc.c, permit.c */
typedef struct Mpsc {             /* user values: its store's */
  Scheduler *S;
  weir_Mpsc k;
  Store store;
  uint32_t reservations;          /* counted among k.senders */
  uint32_t calls;                 /* messages buffered that came by `call` */
  Task *handed;                   /* on whose stack the first message is; or NULL */
} Mpsc;

typedef struct Permit {           /* of an mpsc channel, or of a semaphore */
  Handle h;
  uint32_t n;                     /* how many it still holds */
} Permit;

Handle *weirL_sender (lua_State *L);
int weirL_send_value (lua_State *L, int i, Mpsc *c, weir_Waiter *won, int v, bool call);
int weirL_send_permit (lua_State *L, Permit *p);
bool weirL_hand_call (lua_State *L, Mpsc *c, Handle *reply);
void weirL_take_first (lua_State *L, int i, Mpsc *c);
void weirL_recv_cut (Task *t);
void weirL_check_message (lua_State *L, int v);
void weirL_channel_stats (lua_State *L, const Mpsc *c);
void weirL_open_mpsc (lua_State *L, int S);
void weirL_open_permit (lua_State *L, int S);
extern const luaL_Reg weirL_permit_methods[];
int weirL_sender_reserve (lua_State *L);
int weirL_sender_try_reserve (lua_State *L);
int weirL_sender_reserve_many (lua_State *L);
int weirL_sender_try_reserve_many (lua_State *L);
int weirL_sender_reservation (lua_State *L);
int weirL_sender_weak (lua_State *L);

/* oneshot.c */
typedef struct Oneshot {          /* user value 1: the only value, or a table of n */
  Object o;
  Scheduler *S;
  weir_Oneshot k;
  Task *caller;                   /* parked for it, in call_wait or a plain recv; or NULL */
  bool ended;                     /* the receiver was told "closed" */
  bool handed;                    /* the values are on the caller's stack */
  int n;                          /* values of the message */
} Oneshot;
void weirL_oneshot_init (Oneshot *o);
Oneshot *weirL_oneshot_new (lua_State *L, Scheduler *S);
int weirL_oneshot_push (lua_State *L, Oneshot *o, int at);
void weirL_oneshot_hang_up (lua_State *L, Scheduler *S, Oneshot *o, int at);
void weirL_oneshot_recv_cut (Task *t, Oneshot *o);
void weirL_open_oneshot (lua_State *L, int S);

/* call.c */
void weirL_call_lost (const Task *t);
void weirL_call_cut (lua_State *L, Task *t);
bool weirL_call_sent (lua_State *co);
void weirL_open_call (lua_State *L, int S);
/* the stack of a task that waits in it: the sender, the Oneshot, the message if it is not sent */
enum { CALL_TX = 1, CALL_REPLY, CALL_MSG };

/* the shared objects of the other files */
typedef struct Timer {            /* a Timer or an Interval */
  Object o;
  Scheduler *S;
  weir_Deadline due;
  weir_Link line;
  double when;                    /* of the timer, or of the next tick ... */
  double shift;                   /* ... on the clock as it was shifted then */
  double period;                  /* Interval */
  int missed;                     /* Interval: what to do about missed ticks */
  bool elapsed;                   /* Timer */
} Timer;

typedef struct Token {            /* user value 1: its parent; 2: its reason */
  Object o;
  Scheduler *S;
  weir_Token k;
  bool direct;                    /* cancelled itself, not through its parent */
} Token;

typedef struct Semaphore {        /* also Notify; Mutex and RwLock: user value 1 */
  Object o;
  Scheduler *S;
  weir_Permits k;
  uint32_t total;                 /* Semaphore: permits in all, out or free */
  bool closed;
} Semaphore;

typedef struct Barrier {
  Object o;
  Scheduler *S;
  weir_Barrier k;
} Barrier;

typedef struct Once {             /* user value 1: its value */
  Object o;
  Scheduler *S;
  weir_Once k;                    /* a MutexGuard holds its turn */
} Once;

typedef struct Closed {           /* weir.closed(tx); user value 1: tx */
  Object o;
  Handle *tx;
} Closed;

typedef struct WatchReceiver {
  Handle h;
  uint64_t seen;                  /* the version */
} WatchReceiver;

typedef struct BroadcastReceiver {
  Handle h;
  uint64_t cursor;                /* the position it sees next */
} BroadcastReceiver;

/* the others: each registers its functions with the module table on top */
void weirL_open_watch (lua_State *L, int S);
void weirL_open_broadcast (lua_State *L, int S);
void weirL_open_semaphore (lua_State *L, int S);
void weirL_open_notify (lua_State *L, int S);
void weirL_open_lock (lua_State *L, int S);
void weirL_open_barrier (lua_State *L, int S);
void weirL_open_once (lua_State *L, int S);
void weirL_open_cancel (lua_State *L, int S);
void weirL_open_select (lua_State *L, int S);
void weirL_box_moved (lua_State *L, int i);
void weirL_open_box (lua_State *L, int S);
void weirL_open_debug (lua_State *L, int S);

bool weirL_broadcast_waits (const Object *o);

/* kinds.c */
extern const Kind weirL_kinds[KINDS];
extern const Op weirL_recv_op, weirL_send_op, weirL_reserve_op, weirL_reservation_op,
  weirL_mpsc_closed_op, weirL_oneshot_op, weirL_oneshot_closed_op, weirL_watch_op,
  weirL_watch_closed_op, weirL_broadcast_op, weirL_broadcast_send_op,
  weirL_broadcast_closed_op, weirL_join_next_op, weirL_cancelled_op, weirL_timer_op,
  weirL_interval_op, weirL_acquire_op, weirL_notified_op, weirL_closed_op;

/* debug.c */
void weirL_push_report (lua_State *L, Scheduler *S);
void weirL_note_made (lua_State *L);
void weirL_note_handle (lua_State *L);
void weirL_note_born (lua_State *L, const Scheduler *S);
const weir_Oneshot *weirL_oneshot_kernel (const void *end);
const weir_Watch *weirL_watch_kernel (const void *end);
const weir_Broadcast *weirL_broadcast_kernel (const void *end);
const Mpsc *weirL_reservation_channel (const Handle *h);

/* snapshot.c */
void weirL_find_handles (lua_State *L);
void weirL_open_snapshot (lua_State *L, int S);

/* trace.c */
void weirL_trace_outside (lua_State *L, Scheduler *S);
void weirL_trace_begin (lua_State *L, Scheduler *S, const Task *t);
void weirL_trace_end (lua_State *L, Scheduler *S, const Task *t);
void weirL_trace_drop (Scheduler *S, const Handle *h);
void weirL_open_trace (lua_State *L, int S);

/* explore.c */
weir_Link *weirL_explore_next (Scheduler *S);
void weirL_explore_keys (lua_State *L);
void weirL_open_explore (lua_State *L, int S);

/* os.c */
double weirL_os_now (void);
void weirL_os_sleep (double seconds, bool (*stay_awake) (void *), void *arg);
uint64_t weirL_os_seed (void);
bool weirL_os_terminal (FILE *f, int *columns, int *rows);

/* arguments: as luaL_check..., but the function always has a name */
int weirL_argerror (lua_State *L, int arg, const char *why);
int weirL_typeerror (lua_State *L, int arg, const char *expected);
void weirL_checktype (lua_State *L, int arg, int type);
void weirL_checkany (lua_State *L, int arg);
lua_Number weirL_checknumber (lua_State *L, int arg);
const char *weirL_checkstring (lua_State *L, int arg);
void weirL_setfunc (lua_State *L, int S, const char *name, lua_CFunction f);
void weirL_setfuncs (lua_State *L, int S, const luaL_Reg *functions);

/* an argument that must be an integer in [low, high] */
lua_Integer weirL_integer (lua_State *L, int arg, lua_Integer low, lua_Integer high);

/* the one outcome pair of most operations */
static inline int weirL_reason (lua_State *L, const char *reason) {
  lua_pushnil(L);
  lua_pushstring(L, reason);
  return 2;
}

static inline int weirL_true (lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif
