/* SPDX-License-Identifier: MIT */
/*
** scheduler.c -- one turn after another.
**
**   ready       T7 -> T3 -> T9          woken for the next turn, in order
**   batch       T1 -> T4                what is left of this turn
**   deadlines   (a heap)                of waits, timers, frames
**   slots       [ co co ][ co .. ]      coroutines: in use, or at rest (idle)
**
** A turn wakes what is due, then resumes what stood in the ready list when
** it began. With nothing ready the process sleeps until the first deadline.
**
** S1  a task is in `ready` or `batch` at most once
** S2  a slot is in use, idle (with a coroutine), or bare (without one)
** S3  an unfinished task is anchored by the tasks table, at its slot; its
**     coroutine by the chunk of its slot
** S4  nothing here runs Lua but a turn, a collection and the hooks
** S5  room in the heap: for all that are started, and `kept` more at most
** S6  at most HOSTS_MAX tasks host, each resumed by the one before; only while run_loop runs,
**     and none whose coroutine was given away or that is in a frame
**
** Long because places, slots, turns and sleep all work on one structure.
*/
#include <assert.h>
#include <math.h>
#include <string.h>

#include "bind.h"

/* ---- small things ------------------------------------------------------- */

/* User value `uv` of the scheduler. [-0, +1, -] */
void weirL_uv (lua_State *L, int uv) {
  lua_getiuservalue(L, lua_upvalueindex(1), uv);
}

/* A function of ours, with the scheduler as its upvalue. [-0, +1, m] */
void weirL_pushfunction (lua_State *L, lua_CFunction f) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, f, 1);
}

double weirL_clock (const Scheduler *S) {
  return S->paused ? S->clock : weirL_os_now();
}

/* A time in seconds: not negative, not NaN. */
double weirL_seconds (lua_State *L, int arg) {
  double s = weirL_checknumber(L, arg);
  if (!(s >= 0)) weirL_argerror(L, arg, "a time must not be negative or NaN");
  return s;
}

/* An optional timeout; -1: none. An infinite one is none. */
double weirL_optseconds (lua_State *L, int arg) {
  double s;
  if (lua_isnoneornil(L, arg)) return -1;
  s = weirL_seconds(L, arg);
  return isinf(s) ? -1 : s;
}

/* A random integer in [0, n), uniform: xorshift128+; of its 2^32 values times n those are
** rejected that would favour some (Lemire 2019), mostly without a division. */
uint32_t weirL_random (Scheduler *S, uint32_t n) {
  for (;;) {
    uint64_t x = S->random[0], y = S->random[1];
    S->random[0] = y;
    x ^= x << 23;
    S->random[1] = x ^ y ^ (x >> 17) ^ (y >> 26);
    x = ((S->random[1] + y) >> 32) * n;
    if (WEIR_LIKELY((uint32_t)x >= n) || (uint32_t)x >= (0 - n) % n) return (uint32_t)(x >> 32);
  }
}

/* ---- places: "main.lua:12", kept once each ------------------------------ */

enum { PLACES_MAX = 100000 };       /* chunks made by load may have any name */

/* [-0, +1, m] */
void weirL_push_place (lua_State *L, Scheduler *S, uint32_t place) {
  (void)S;
  weirL_uv(L, UV_PLACES);
  lua_rawgeti(L, -1, place);
  lua_remove(L, -2);
  if (!lua_isstring(L, -1)) {
    lua_pop(L, 1);
    lua_pushliteral(L, "?");
  }
}

static uint32_t new_place (lua_State *L, Scheduler *S, const lua_Debug *ar) {
  uint32_t id;
  weirL_uv(L, UV_PLACES);
  if (ar->currentline > 0)
    lua_pushfstring(L, "%s:%d", ar->short_src, ar->currentline);
  else lua_pushstring(L, ar->short_src);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TNUMBER) id = (uint32_t)lua_tointeger(L, -1);
  else if (S->nplaces >= PLACES_MAX) id = 0;
  else {
    id = S->nplaces + 1;
    lua_pushvalue(L, -2);
    lua_rawseti(L, -4, id);
    lua_pushvalue(L, -2);
    lua_pushinteger(L, id);
    lua_rawset(L, -5);
    S->nplaces = id;
  }
  lua_pop(L, 3);
  return id;
}

/* Where the running function was called from; if that is no Lua code, where
** the function at index f begins. [-0, +0, m] */
uint32_t weirL_place (lua_State *L, Scheduler *S, int f) {
  lua_Debug ar;
  Place *p;
  ar.currentline = -1;
  if (lua_getstack(L, 1 + S->granting, &ar)) lua_getinfo(L, "Sl", &ar);
  if (ar.currentline < 0) {
    lua_pushvalue(L, f);
    lua_getinfo(L, ">S", &ar);
    ar.currentline = ar.linedefined;
  }
  p = &S->place[((uintptr_t)ar.source >> 4 ^ (uintptr_t)ar.currentline * 31) % PLACES];
  if (p->source == ar.source && p->line == ar.currentline &&
      strcmp(p->text, ar.short_src) == 0)
    return p->id;
  p->id = new_place(L, S, &ar);
  p->source = ar.source;
  p->line = ar.currentline;
  memcpy(p->text, ar.short_src, sizeof p->text);
  return p->id;
}

/* ---- slots -------------------------------------------------------------- */

/* One chunk more. [-0, +0, m] */
static void grow_slots (lua_State *L, Scheduler *S) {
  Slot *chunk = (Slot *)lua_newuserdatauv(L, CHUNK * sizeof(Slot), CHUNK);
  uint32_t first, i;
  while (S->nchunks == S->capchunks) {
    uint32_t cap = S->capchunks == 0 ? 8 : S->capchunks * 2;
    Slot **chunks = (Slot **)lua_newuserdatauv(L, cap * sizeof *chunks, 0);
    if (cap > S->capchunks) {                /* (else a finalizer was here) */
      if (S->nchunks > 0) memcpy(chunks, S->chunks, S->nchunks * sizeof *chunks);
      S->chunks = chunks;
      S->capchunks = cap;
      lua_setiuservalue(L, lua_upvalueindex(1), UV_CHUNKS);
    }
    else lua_pop(L, 1);
  }
  weirL_uv(L, UV_SLOTS);                     /* no finalizer runs from here on */
  lua_insert(L, -2);
  lua_rawseti(L, -2, S->nchunks + 1);
  lua_pop(L, 1);
  memset(chunk, 0, CHUNK * sizeof(Slot));
  first = S->nchunks * CHUNK;
  S->chunks[S->nchunks++] = chunk;
  S->nslots = first + CHUNK - 1;
  for (i = first + CHUNK - 1; i >= first && i != NO_SLOT; i--) {
    chunk[i - first].user = (uintptr_t)S->bare * 2 + 1;
    S->bare = i;
  }
}

/* A slot with a coroutine at rest, with the hooks of L. [-0, +0, m] */
uint32_t weirL_slot_take (lua_State *L, Scheduler *S) {
  uint32_t i = S->idle;
  lua_State *co;
  Slot *slot;
  if (WEIR_LIKELY(i != NO_SLOT)) {
    slot = weirL_slot(S, i);
    S->idle = (uint32_t)(slot->user >> 1);
    slot->user = 0;
    S->nidle--;
    if (WEIR_UNLIKELY(lua_gethook(slot->co) != lua_gethook(L)))
      lua_sethook(slot->co, lua_gethook(L), lua_gethookmask(L), lua_gethookcount(L));
    return i;
  }
  co = lua_newthread(L);
  while (S->bare == NO_SLOT) grow_slots(L, S);
  i = S->bare;                               /* no finalizer runs from here on */
  weirL_uv(L, UV_TASKS);
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, i);                     /* from now on it cannot fail there */
  weirL_uv(L, UV_SLOTS);
  lua_rawgeti(L, -1, i / CHUNK + 1);
  lua_pushvalue(L, -4);
  lua_setiuservalue(L, -2, (int)(i % CHUNK) + 1);
  lua_pop(L, 4);
  slot = weirL_slot(S, i);
  slot->co = co;
  S->bare = (uint32_t)(slot->user >> 1);
  slot->user = 0;
  return i;
}

/* The coroutine is not needed any more; `clean`: it returned, what it returned was taken, and it
** may serve again. [-0, +0, -] */
void weirL_slot_release (lua_State *L, Scheduler *S, uint32_t i, bool clean) {
  Slot *slot = weirL_slot(S, i);
  if (clean && S->nidle < IDLE_MAX) {
    assert(lua_gettop(slot->co) == 0);
    slot->user = (uintptr_t)S->idle * 2 + 1;
    S->idle = i;
    S->nidle++;
    return;
  }
  slot->co = NULL;
  weirL_uv(L, UV_SLOTS);
  lua_rawgeti(L, -1, i / CHUNK + 1);
  lua_pushnil(L);
  lua_setiuservalue(L, -2, (int)(i % CHUNK) + 1);
  weirL_uv(L, UV_BRANCHES);
  if (lua_rawgeti(L, -1, i) != LUA_TNIL) {
    lua_pushboolean(L, 0);
    lua_rawseti(L, -3, i);
  }
  lua_pop(L, 4);
  slot->user = (uintptr_t)S->bare * 2 + 1;
  S->bare = i;
}

/* The wait records of a task's selects: one block, used again. [-0, +0, m] */
weir_Waiter *weirL_branches (lua_State *L, Task *t, uint32_t n) {
  Branches *block = t->branches;
  if (block == NULL) {                       /* the one of the slot's last task? */
    weirL_uv(L, UV_BRANCHES);
    lua_rawgeti(L, -1, t->slot);
    block = (Branches *)lua_touserdata(L, -1);
    lua_pop(L, 2);
  }
  if (block == NULL || n > block->n || (block->n > 64 && n <= block->n / 8)) {
    weirL_uv(L, UV_BRANCHES);
    block = (Branches *)lua_newuserdatauv(L, sizeof(Branches) + n * sizeof(weir_Waiter), 0);
    block->n = n;
    t->parking.nbranch = 0;                     /* of the old block */
    lua_rawseti(L, -2, t->slot);
    lua_pop(L, 1);
  }
  t->branches = block;
  return block->waiter;
}

/* ---- deadlines ---------------------------------------------------------- */

/* See that one more can be started; a heap that is mostly empty shrinks. May run finalizers:
** look at everything after it. [-0, +0, m] */
void weirL_deadline_room (lua_State *L, Scheduler *S) {
  weir_Deadlines *d = &S->deadlines;
  uint32_t need = d->n + S->kept + 1, room = d->room;
  weir_Due *heap;
  if (WEIR_LIKELY(need <= room && (room <= 256 || need > room / 8))) return;
  room = need <= 16 ? 16 : need * 2;
  heap = (weir_Due *)lua_newuserdatauv(L, room * sizeof *heap, 0);
  if (d->n + S->kept + 1 > room) {           /* a finalizer was here */
    lua_pop(L, 1);
    weirL_deadline_room(L, S);
    return;
  }
  if (d->n > 0) memcpy(heap, d->heap, d->n * sizeof *heap);
  d->heap = heap;
  d->room = room;
  lua_setiuservalue(L, lua_upvalueindex(1), UV_HEAP);
}

/* ---- waking ------------------------------------------------------------- */

/* The task runs in the next turn. Only links. */
void weirL_make_ready (Task *t) {
  if (weir_list_empty(&t->ready)) weir_list_append(&t->S->ready, &t->ready);
  t->S->woken = true;
}

/* An operation is done: now hooks may run. That of boxes that were moved; that of
** loop.on_wake, if work has appeared and nobody runs it. */
WEIR_COLD void weirL_take_notice (lua_State *L, Scheduler *S) {
  S->notice &= (uint8_t)~NOTICE_MOVED;
  while (lua_gettop(S->moved) > 0 && lua_checkstack(L, LUA_MINSTACK)) {
    lua_xmove(S->moved, L, 1);
    weirL_box_moved(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  if (!(S->notice & NOTICE_WAKE) || S->running || !S->woken) return;
  S->notice &= (uint8_t)~NOTICE_WAKE;        /* once, until the next step */
  weirL_uv(L, UV_HOOKS);
  lua_rawgeti(L, -1, HOOK_WAKE);
  lua_call(L, 0, 0);
  lua_pop(L, 1);
}

static void fire (weir_Deadline *due) {
  switch ((enum Due)due->kind) {
    case DUE_WAIT: {
      Task *t = weir_container(due, Task, due);
      t->timed_out = true;
      if (t->parking.parked) weirL_make_ready(t);
      break;
    }
    case DUE_TIMER: weirL_timer_fire(due); break;
    case DUE_FRAME: weirL_frame_expire(weir_container(due, Frame, due)); break;
  }
}

static bool is_awaited (const weir_Deadline *due) {
  return due->kind != DUE_TIMER ||
         !weir_list_empty(&weir_container(due, const Timer, due)->line);
}

/* Does anybody wait for a time? A timer may be in the heap for nobody: one that a select looked at
** and left, say. Those are mostly the last or the first; so it looks from both ends. */
bool weirL_time_awaited (const Scheduler *S) {
  const weir_Due *heap = S->deadlines.heap;
  uint32_t i, n = S->deadlines.n;
  for (i = 0; i < (n + 1) / 2; i++)
    if (is_awaited(heap[i].node) || is_awaited(heap[n - 1 - i].node)) return true;
  return false;
}

static void fire_due (Scheduler *S) {
  weir_Deadline *first = weir_deadlines_first(&S->deadlines);
  double now;
  if (first == NULL) return;
  now = weirL_clock(S);
  while (first != NULL && first->when <= now) {
    weir_deadlines_stop(&S->deadlines, first);
    fire(first);
    first = weir_deadlines_first(&S->deadlines);
  }
}

/* ---- the cooperative budget --------------------------------------------- */

/* Must the running task give way before its next operation? */
WEIR_COLD bool weirL_budget_spent (lua_State *L, Scheduler *S) {
  const Task *t = S->current;
  S->budget = 0;
  return t != NULL && t->L == L && !t->closing && lua_isyieldable(L) &&
         (t->frames == NULL || !t->frames->stuck);
}

static int again_k (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return ((lua_CFunction)ctx)(L);
}

/* Let the other ready tasks run once, then call `again` with the same
** arguments. */
int weirL_give_way (lua_State *L, Scheduler *S, lua_CFunction again) {
  Task *t = S->current;
  t->status = READY;
  t->op = NULL;
  weirL_make_ready(t);
  return weirL_yield(L, t, (lua_KContext)again, again_k);
}

/* ---- interrupts --------------------------------------------------------- */

/* A hook that was not there: that is how the stock interpreter says Ctrl-C. */
static bool interrupted (void *S) {
  return lua_gethook(((Scheduler *)S)->main_L) != ((Scheduler *)S)->hook;
}

/* Let the new hook run, here; it may raise. [-0, +0, e] */
WEIR_COLD static void let_hook_run (lua_State *L, Scheduler *S) {
  lua_State *M = S->main_L;
  lua_Hook hook = lua_gethook(M);
  if (hook != NULL) {
    if (L != M) {
      lua_sethook(L, hook, lua_gethookmask(M), lua_gethookcount(M));
      lua_sethook(M, NULL, 0, 0);
    }
    S->hook = lua_gethook(M);
    luaL_loadstring(L, "return");
    lua_call(L, 0, 0);
  }
  S->hook = lua_gethook(M);
}

/* ---- turns -------------------------------------------------------------- */

/*
** Run a task until it waits, gives way or ends; or end it. L is the scheduler's.
**
** Inline wherever it is used: a yield is a longjmp, and what the processor remembers of the calls
** that it skipped makes it guess wrongly where the functions around it return to: the fewer
** they are, the cheaper is a switch. (So weirL_host is a function, and is called: with its own
** return the guesses have caught up with those for the wait, if that is tail calls.) [-0, +0, e]
*/
static WEIR_INLINE void resume_task (lua_State *L, Scheduler *S, Task *t) {
  lua_State *co = weirL_slot(S, t->slot)->co;
  int status, n = 0, pass = 0;
  if (WEIR_UNLIKELY(t->aborting || t->late || t->parking.parked) && !weirL_woken_early(L, S, t))
    return;
  if (t->pass != 0 && t->L == co) pass = weirL_passed(t, co);
  t->hosted = false;
  t->status = RUNNING;
  S->current = t;
  S->budget = BUDGET;
  status = lua_resume(co, L, pass, &n);
  S->current = NULL;
  if (WEIR_UNLIKELY(status != LUA_YIELD || t->status == RUNNING))
    weirL_stopped(L, S, t, status, n);
}

/* Before a row of turns: the tasks table stays on the stack. [-0, +1, -] */
static void begin_turns (lua_State *L, Scheduler *S) {
  weirL_uv(L, UV_TASKS);
  S->tasks_at = lua_gettop(L);
}

/* A turn begins: what is due is woken, who is ready is its batch. False if nobody is. */
static bool begin_turn (Scheduler *S) {
  fire_due(S);
  weir_list_splice(&S->batch, &S->ready);
  S->woken = false;
  return !weir_list_empty(&S->batch);
}

/* One turn. False if nobody was ready. [-0, +0, e] */
bool weirL_turn (lua_State *L, Scheduler *S) {
  weir_Link *x;
  if (!begin_turn(S)) return false;
  while ((x = weir_list_first(&S->batch)) != NULL) {
    weir_list_remove(x);
    resume_task(L, S, weir_container(x, Task, ready));
    if (WEIR_UNLIKELY(interrupted(S))) let_hook_run(L, S);
  }
  return true;
}

/*
** Hosting: a task that is to yield first takes the turns that follow itself, in the order
** in which the loop would, until its own comes; then it goes on from there, and a yield and a
** resume are saved. Whatever is not the plain case is left to the loop, and the task yields:
** it is to end, its time is over, an interrupt, nobody is ready, it is the turn of a host below.
**
**   run_loop -> resume(T1) -> T1 waits, hosts -> resume(T2) -> T2 waits, hosts -> resume(T3)
**
** The turns are taken with the loop's own L, so that a task resumed from here has the same
** limits, and what is done at its end the same stack. Who was host for long lets another be.
** True: its turn has come, and it is running.
*/
WEIR_NOINLINE bool weirL_host (Scheduler *S, Task *t) {
  lua_State *L = S->loop_L;
  bool mine = false;
  int left;
  S->current = NULL;
  S->nhosts++;
  t->hosts = true;
  for (left = HOSTED_MAX; left > 0 && S->halt == 0 && !interrupted(S); left--) {
    Task *u;
    if (weir_list_empty(&S->batch) && !begin_turn(S)) break;
    u = weir_container(S->batch.next, Task, ready);
    if (WEIR_UNLIKELY(u->hosts)) {
      mine = u == t && !t->aborting && !t->parking.parked;
      break;
    }
    weir_list_remove(&u->ready);
    resume_task(L, S, u);
  }
  t->hosts = false;
  S->nhosts--;
  if (!mine) return false;
  weir_list_remove(&t->ready);
  t->pass = 0;                                  /* it stands on its stack already */
  t->status = RUNNING;
  S->current = t;
  S->budget = BUDGET;
  return true;
}

/* A turn that is traced, or explored: then it is one task's, drawn by lot. */
WEIR_COLD static bool watched_turn (lua_State *L, Scheduler *S) {
  weir_Link *x;
  bool any = false;
  if (S->trace != NULL) weirL_trace_outside(L, S);
  fire_due(S);
  weir_list_splice(&S->batch, &S->ready);
  S->woken = false;
  while ((x = S->explore ? weirL_explore_next(S) : weir_list_first(&S->batch)) != NULL) {
    Task *t = weir_container(x, Task, ready);
    weir_list_remove(x);
    any = true;
    weirL_push_task(L, S, t);                   /* it may end */
    if (S->trace != NULL) weirL_trace_begin(L, S, t);
    resume_task(L, S, t);
    if (S->trace != NULL) weirL_trace_end(L, S, t);
    lua_pop(L, 1);
    if (interrupted(S)) let_hook_run(L, S);
    if (S->explore) break;
  }
  return any;
}

static bool nothing_ready (const Scheduler *S) {
  return weir_list_empty(&S->ready) && weir_list_empty(&S->batch);
}

/* Nothing is ready: sleep until the first deadline, a signal, or `most`
** seconds have passed; on a virtual clock, jump. [-0, +0, e] */
static void idle (lua_State *L, Scheduler *S, double most) {
  weir_Deadline *first = weir_deadlines_first(&S->deadlines);
  if (S->paused) {
    if (first != NULL && first->when > S->clock) S->clock = first->when;
    return;
  }
  if (first != NULL) {
    double left = first->when - weirL_os_now();
    if (left < most) most = left;
  }
  if (most > 0) weirL_os_sleep(most, interrupted, S);
  if (interrupted(S)) let_hook_run(L, S);
}

/* Everybody waits and no deadline is left. A collection may drop a handle
** that somebody waits for; if not, this is the end. [-0, +0, e] */
static void last_resort (lua_State *L, Scheduler *S) {
  uint32_t before;
  do {
    before = S->collected;
    lua_gc(L, LUA_GCCOLLECT);
    if (!nothing_ready(S) || weirL_time_awaited(S)) return;
  } while (S->collected != before);
  weirL_push_report(L, S);
  lua_error(L);
}

/* Nobody was ready. [-0, +0, e] */
static void rest (lua_State *L, Scheduler *S) {
  if (weirL_time_awaited(S)) idle(L, S, HUGE_VAL);
  else last_resort(L, S);
}

static int run_loop (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  begin_turns(L, S);
  S->loop_L = L;
  do {
    while (S->halt == 0)
      if (!weirL_turn(L, S)) rest(L, S);
    while (S->halt == HALT_WATCHED)
      if (!watched_turn(L, S)) rest(L, S);
  } while (!(S->halt & HALT_DONE));
  return 0;
}

/* End every task that is left. */
static int end_all (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  begin_turns(L, S);
  while (S->ntasks > 0) {
    uint32_t i;
    for (i = 1; i <= S->nslots; i++) {
      Task *t = weirL_slot_task(S, i);
      if (t == NULL) continue;
      t->aborting = true;                       /* one that ran when memory failed is in no list */
      weirL_make_ready(t);
    }
    weirL_turn(L, S);
  }
  return 0;
}

enum { SHIFT_YEARS = 30000 };       /* a virtual clock went further: what is late by more is late all the same */

static void rebase (Scheduler *S, bool paused, double now) {
  double by = now - weirL_clock(S), most = SHIFT_YEARS * 365.0 * 86400;
  if (by < -most) by = -most;
  weir_deadlines_shift(&S->deadlines, by);
  S->shift += by;
  S->paused = paused;
  S->clock = now;
}

/* End every task, with the function end_all at index i; an error while that is
** done (for want of memory) is met by trying again as long as it helps. Pushes
** the error that is left, if it is no use. [-0, +0|1, -] */
static int end_tasks (lua_State *L, Scheduler *S, int i) {
  uint32_t before;
  int status;
  for (;;) {
    before = S->ntasks;
    lua_pushvalue(L, i);
    status = lua_pcall(L, 0, 0, 0);
    if (status == LUA_OK || S->ntasks == 0 || S->ntasks >= before) return status;
    lua_pop(L, 1);
  }
}

enum { END_ALL = 1, LOOP, TASK_AT };        /* stack of run_main */

static int run_main (lua_State *L, bool paused) {
  Scheduler *S = weirL_scheduler(L);
  int status, ended;
  Task *t;
  if (S->running || S->current != NULL)
    return weirL_error(L, "weir.run was called while it runs already; "
                       "use weir.spawn for another task");
  weirL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  weirL_pushfunction(L, end_all);               /* all that may raise comes first */
  weirL_pushfunction(L, run_loop);
  lua_rotate(L, 1, 2);                          /* end_all; loop; main; arguments */
  t = S->main = weirL_spawn(L, S, TASK_AT, NULL, false);
  weir_list_remove(&t->ready);
  weir_list_prepend(&S->ready, &t->ready);
  S->halt &= (uint8_t)~HALT_DONE;
  S->running = true;
  S->hook = lua_gethook(S->main_L);
  if (paused) rebase(S, true, 0);
  lua_pushvalue(L, LOOP);
  status = lua_pcall(L, 0, 0, 0);               /* ...; task; error? */
  S->loop_L = NULL;
  S->nhosts = 0;
  ended = end_tasks(L, S, END_ALL);
  if (paused) rebase(S, false, weirL_os_now());
  S->running = false;
  S->main = NULL;
  if (ended != LUA_OK && S->ntasks > 0) end_all(L);   /* no memory even for a protected call */
  if (status != LUA_OK) lua_settop(L, TASK_AT + 1);
  if (status != LUA_OK || ended != LUA_OK) return lua_error(L);
  lua_settop(L, TASK_AT);
  lua_replace(L, 1);
  lua_settop(L, 1);                             /* task */
  if (t->status == DONE) return weirL_push_results(L, 1, t);
  if (t->status == ABORTED) return weirL_error(L, "the main task was aborted");
  weirL_push_error(L, 1, t);                      /* task; error */
  if (lua_type(L, 2) == LUA_TSTRING) {
    weirL_push_trace(L, 1, t);
    if (lua_isstring(L, -1)) {
      lua_pushliteral(L, "\n");
      lua_insert(L, -2);
      lua_concat(L, 3);
    }
    else lua_pop(L, 1);
  }
  return lua_error(L);
}

/* weir.run(main, ...) */
static int run (lua_State *L) { return run_main(L, false); }

/* weir.run_paused(main, ...) */
static int run_paused (lua_State *L) { return run_main(L, true); }

/* weir.advance(seconds) */
static int advance (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  double s = weirL_seconds(L, 1);
  if (!S->paused)
    return weirL_error(L, "weir.advance moves a virtual clock: call it inside weir.run_paused");
  if (isinf(S->clock + s)) weirL_argerror(L, 1, "a finite time expected: the clock goes on from there");
  S->clock += s;
  fire_due(S);
  return weirL_true(L);
}

/* ---- other event loops -------------------------------------------------- */

static int one_step (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  double most = lua_tonumber(L, 1);
  bool (*turn) (lua_State *, Scheduler *) =
    S->halt & HALT_WATCHED ? watched_turn : weirL_turn;
  begin_turns(L, S);
  if (turn(L, S) || most <= 0) return 0;
  if (S->paused || nothing_ready(S)) idle(L, S, most);
  turn(L, S);
  return 0;
}

/* weir.loop.step([max_wait]) -> seconds to the next deadline or nil, tasks ready? */
static int loop_step (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  double most = lua_isnoneornil(L, 1) ? 0 : weirL_seconds(L, 1);
  weir_Deadline *first;
  int status;
  bool hooked;
  if (S->running || S->current != NULL)
    return weirL_error(L, "weir.loop.step was called from a task or inside weir.run");
  weirL_pushfunction(L, one_step);
  S->hook = lua_gethook(S->main_L);
  S->running = true;
  lua_pushnumber(L, most);
  status = lua_pcall(L, 1, 0, 0);
  S->running = false;
  weirL_uv(L, UV_HOOKS);
  hooked = lua_rawgeti(L, -1, HOOK_WAKE) == LUA_TFUNCTION;
  lua_pop(L, 2);
  S->notice = (uint8_t)((S->notice & ~NOTICE_WAKE) | (hooked ? NOTICE_WAKE : 0));
  S->woken = false;
  if (status != LUA_OK) return lua_error(L);
  first = weir_deadlines_first(&S->deadlines);
  if (first == NULL) lua_pushnil(L);
  else {
    double left = first->when - weirL_clock(S);
    lua_pushnumber(L, left > 0 ? left : 0);
  }
  lua_pushboolean(L, !nothing_ready(S));
  return 2;
}

/* weir.loop.on_wake(f): called once when work appears while nobody runs it */
static int loop_on_wake (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  if (!lua_isnoneornil(L, 1)) weirL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  weirL_uv(L, UV_HOOKS);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, HOOK_WAKE);
  S->notice = (uint8_t)((S->notice & ~NOTICE_WAKE) | (lua_isnil(L, 1) ? 0 : NOTICE_WAKE));
  S->woken = false;
  return weirL_true(L);
}

/* loop.deadlock(): what weir.run does when nothing can go on: collects, then
** raises the report; returns if a collection helped. For adapters. */
static int loop_deadlock (lua_State *L) {
  last_resort(L, weirL_scheduler(L));
  return 0;
}

/* loop.end_all(): abort every task and wait for their end. For adapters. */
static int loop_end_all (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  int status;
  if (S->running || S->current != NULL)
    return weirL_error(L, "weir.loop.end_all was called from a task or inside weir.run");
  weirL_pushfunction(L, end_all);
  S->running = true;
  status = end_tasks(L, S, lua_gettop(L));
  S->running = false;
  return status == LUA_OK ? 0 : lua_error(L);
}

/* ---- coroutine.running -------------------------------------------------- */

/*
** What coroutine.running gives away somebody may use as a key, so that
** coroutine must not become another task's. And it must not be closed but by its task's
** end, nor resumed but in its turn: what stands on its stack is in use. These three stand in for
** the originals.
*/
static int coroutine_running (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  Task *t = S->current;
  if (t != NULL) {
    Frame *f;
    for (f = t->frames; f != NULL; f = f->outer)
      if (f->co == L) f->exposed = true;
    if (weirL_slot(S, t->slot)->co == L) t->exposed = true;
    weirL_uv(L, UV_EXPOSED);
    lua_pushthread(L);
    weirL_push_task(L, S, t);
    lua_rawset(L, -3);
    S->exposed = true;
  }
  lua_pushboolean(L, lua_pushthread(L));
  return 2;
}

/* Is it a coroutine in which the task runs, or waits? */
static bool is_in_use (const Scheduler *S, const Task *t, const lua_State *co) {
  const Frame *f;
  if (t->status >= DONE) return false;
  for (f = t->frames; f != NULL; f = f->outer)
    if (f->co == co) return true;
  return weirL_slot(S, t->slot)->co == co;
}

/* An error if the coroutine at index 1 is a task's. [-0, +0, e] */
static void refuse_in_use (lua_State *L, const char *instead) {
  Scheduler *S = weirL_scheduler(L);
  const Task *t;
  if (WEIR_LIKELY(!S->exposed)) return;
  weirL_uv(L, UV_EXPOSED);
  lua_pushvalue(L, 1);
  lua_rawget(L, -2);
  t = (const Task *)lua_touserdata(L, -1);
  if (t != NULL && is_in_use(S, t, lua_tothread(L, 1)) && lua_tothread(L, 1) != L)
    weirL_error(L, "this is the coroutine of task %d: %s", (int)t->id, instead);
  lua_pop(L, 2);
}

/* upvalue 3: the original */
static int coroutine_close (lua_State *L) {
  if (lua_isthread(L, 1)) refuse_in_use(L, "task:abort() ends it");
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static int resume_fails (lua_State *L, const char *why) {
  lua_pushboolean(L, 0);
  lua_pushstring(L, why);
  return 2;
}

/* (To call the original would take one of the 200 C levels that Lua allows.) */
static int coroutine_resume (lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  int n = lua_gettop(L) - 1, results, status;
  if (co == NULL) weirL_typeerror(L, 1, "coroutine");
  refuse_in_use(L, "it goes on when what it waits for is there; a weir.oneshot is what a callback "
                "can wake it with");
  if (!lua_checkstack(co, n)) return resume_fails(L, "too many arguments to resume");
  lua_xmove(L, co, n);
  status = lua_resume(co, L, n, &results);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    return resume_fails(L, "too many results to resume");
  }
  lua_pushboolean(L, 1);
  lua_xmove(co, L, results);
  return results + 1;
}

/* ---- set-up ------------------------------------------------------------- */

static void weak_table (lua_State *L, const char *mode) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, mode);
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

/* The module table is on top, the scheduler at index s: still all zeros. */
void weirL_open_scheduler (lua_State *L, int s) {
  static const luaL_Reg functions[] = {{"run", run}, {"run_paused", run_paused},
    {"advance", advance}, {NULL, NULL}};
  static const luaL_Reg loop[] = {{"step", loop_step}, {"on_wake", loop_on_wake},
    {"deadlock", loop_deadlock}, {"end_all", loop_end_all}, {NULL, NULL}};
  static const int plain[] = {UV_SLOTS, UV_TASKS, UV_BRANCHES, UV_PLACES,
    UV_HOOKS};
  Scheduler *S = (Scheduler *)lua_touserdata(L, s);
  size_t i;
  for (i = 0; i < sizeof plain / sizeof *plain; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, s, plain[i]);
  }
  lua_getiuservalue(L, s, UV_HOOKS);
  S->doomed = lua_newthread(L);
  lua_rawseti(L, -2, HOOK_DOOMED);
  S->moved = lua_newthread(L);
  lua_rawseti(L, -2, HOOK_MOVED);
  lua_pop(L, 1);
  weak_table(L, "v");
  lua_setiuservalue(L, s, UV_OWNED);
  weak_table(L, "k");
  lua_setiuservalue(L, s, UV_NAMES);
  weak_table(L, "k");
  lua_setiuservalue(L, s, UV_TRACES);
  weak_table(L, "k");
  lua_setiuservalue(L, s, UV_BORN);
  weak_table(L, "k");
  lua_setiuservalue(L, s, UV_EXPOSED);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  S->main_L = lua_tothread(L, -1);
  lua_pop(L, 1);
  weir_list_init(&S->ready);
  weir_list_init(&S->batch);
  weir_list_init(&S->loose);
  weir_deadlines_init(&S->deadlines);
  S->random[0] = weirL_os_seed() | 1;
  S->random[1] = (uint64_t)(uintptr_t)S * 0x9e3779b97f4a7c15u;
  weirL_setfuncs(L, s, functions);
  lua_newtable(L);
  weirL_setfuncs(L, s, loop);
  lua_setfield(L, -2, "loop");
  if (lua_getglobal(L, "coroutine") == LUA_TTABLE) {
    weirL_setfunc(L, s, "running", coroutine_running);
    weirL_setfunc(L, s, "resume", coroutine_resume);
    if (lua_getfield(L, -1, "close") == LUA_TFUNCTION) {
      lua_pushvalue(L, s);
      lua_pushliteral(L, "close");
      lua_rotate(L, -3, -1);                    /* scheduler; name; the original */
      lua_pushcclosure(L, coroutine_close, 3);
      lua_setfield(L, -2, "close");
    }
    else lua_pop(L, 1);
  }
  lua_pop(L, 1);
}
