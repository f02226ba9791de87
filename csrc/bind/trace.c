/* SPDX-License-Identifier: MIT */
/*
** trace.c -- what a program did, as a file that chrome://tracing and Perfetto open.
**
**   row "task 3 reader"     [ main.lua:12 ]----.         [ main.lua:12 ]
**   row "task 4 writer"                   [ main.lua:20 ]
**   counter "mpsc 1"         0  1  2  1
**
** Nothing tells us of a send: channels are looked at after each slice, and what has
** changed was done in it. So a program that is not traced pays nothing, and one
** that is pays for the number of its handles.
**
**   Line { sent, received, runs } of each channel    Run: messages of one slice
**   Seen { position } of each receiver of a watch or broadcast
**
** R1  messages first .. first + n - 1 of a channel were sent in its run's slice
** R2  runs are in order, and gone when all their messages are
** R3  nothing is allocated from Lua while handles are walked
*/
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"

enum { BUCKETS = 1024, NAME_MAX_LENGTH = 120 };

typedef struct Run {
  uint64_t first, n;
  double from, to;                /* the slice in which they were sent */
  uint32_t task;
} Run;

typedef struct Line {             /* a channel */
  struct Line *next;              /* in its bucket */
  const void *end;
  const char *word;               /* "mpsc" */
  uint64_t sent, received;
  Run *runs;
  uint32_t nruns, capruns;
  uint32_t number, len, mark;
} Line;

typedef struct Seen {             /* a receiver that has a position of its own */
  struct Seen *next;
  const void *handle;
  uint64_t position;
  uint32_t mark;
} Seen;

typedef struct Trace {
  Object o;
  Scheduler *S;
  FILE *file;
  lua_Alloc alloc;
  void *ud;
  double start;
  double from;                    /* of the slice going on */
  double at;                      /* of the look going on: what it finds was done by then */
  uint32_t task;                  /* whose it is; 0: none's */
  uint32_t mark;                  /* of the walk going on */
  uint32_t channels;              /* how many there were */
  uint64_t flows;
  bool open;                      /* a slice goes on */
  bool first;                     /* the first walk: what is there counts for nothing */
  bool outside;                   /* row 0 has its name */
  bool broken;                    /* out of memory: no more arrows */
  char name[NAME_MAX_LENGTH];     /* of the slice */
  uint32_t *named;                /* by slot: the task whose name was written, and */
  uint32_t *hashes;               /* a hash of that name */
  uint32_t nnamed;
  Line *lines[BUCKETS];
  Seen *seen[BUCKETS];
} Trace;

/* ---- memory, which is the state's ----------------------------------------- */

static void *trace_realloc (Trace *t, void *p, size_t before, size_t after) {
  void *q = t->alloc(t->ud, p, before, after);
  if (q == NULL && after > 0) t->broken = true;
  return q;
}

static size_t bucket (const void *p) { return ((uintptr_t)p >> 4) % BUCKETS; }

static void free_line (Trace *t, Line *l) {
  trace_realloc(t, l->runs, l->capruns * sizeof(Run), 0);
  trace_realloc(t, l, sizeof *l, 0);
}

/* ---- writing -------------------------------------------------------------- */

static double trace_now (const Trace *t) { return weirL_os_now() - t->start; }

/* Microseconds to the nanosecond, with a point whatever the locale. */
static void put_time (const Trace *t, const char *key, double seconds) {
  long long ns = (long long)(seconds * 1e9);
  if (ns < 0) ns = 0;
  fprintf(t->file, "\"%s\":%lld.%03d", key, ns / 1000, (int)(ns % 1000));
}

/* How many bytes the UTF-8 sequence at s has; 0: it is none. */
static int sequence (const unsigned char *s) {
  int i, n;
  if (*s < 0x80) return 1;
  n = *s >= 0xc2 && *s < 0xe0 ? 2 : *s >= 0xe0 && *s < 0xf0 ? 3 : *s >= 0xf0 && *s < 0xf5 ? 4 : 0;
  for (i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  if (*s == 0xe0 && s[1] < 0xa0) return 0;      /* written too long */
  if (*s == 0xf0 && s[1] < 0x90) return 0;
  if (*s == 0xed && s[1] > 0x9f) return 0;      /* a surrogate */
  if (*s == 0xf4 && s[1] > 0x8f) return 0;      /* past the last */
  return n;
}

/* A name may be any bytes; JSON is UTF-8: what is not comes as the sign for that. */
static void put_string (const Trace *t, const char *text) {
  const unsigned char *s = (const unsigned char *)text;
  fputc('"', t->file);
  while (*s != '\0') {
    int n = sequence(s);
    if (n == 0) fputs("\\ufffd", t->file);
    else if (*s < ' ') fprintf(t->file, "\\u%04x", *s);
    else {
      if (*s == '"' || *s == '\\') fputc('\\', t->file);
      fwrite(s, 1, (size_t)n, t->file);
    }
    s += n > 0 ? n : 1;
  }
  fputc('"', t->file);
}

static void put_head (const Trace *t, const char *phase, uint32_t row) {
  fprintf(t->file, ",\n{\"ph\":\"%s\",\"pid\":1,\"tid\":%u,", phase, (unsigned)row);
}

static void put_row_name (const Trace *t, uint32_t row, const char *name) {
  put_head(t, "M", row);
  fputs("\"name\":\"thread_name\",\"args\":{\"name\":", t->file);
  put_string(t, name);
  fputs("}}", t->file);
}

static void put_slice (const Trace *t, uint32_t row, const char *name, double from, double to,
                       const char *then, const char *where) {
  put_head(t, "X", row);
  fputs("\"cat\":\"task\",\"name\":", t->file);
  put_string(t, name);
  fputc(',', t->file);
  put_time(t, "ts", from);
  fputc(',', t->file);
  put_time(t, "dur", to - from);
  fputs(",\"args\":{\"then\":", t->file);
  put_string(t, then);
  if (where != NULL) {
    fputs(",\"at\":", t->file);
    put_string(t, where);
  }
  fputs("}}", t->file);
}

static void put_counter (const Trace *t, const Line *l, double at) {
  put_head(t, "C", 0);
  fprintf(t->file, "\"name\":\"%s %u buffered\",", l->word, (unsigned)l->number);
  put_time(t, "ts", at);
  fprintf(t->file, ",\"args\":{\"buffered\":%u}}", (unsigned)l->len);
}

static void put_flow_end (const Trace *t, const char *phase, const Line *l, uint32_t row,
                          double at) {
  put_head(t, phase, row);
  fprintf(t->file, "\"cat\":\"message\",\"name\":\"%s %u\",\"id\":%llu,%s", l->word,
          (unsigned)l->number, (unsigned long long)t->flows,
          phase[0] == 'f' ? "\"bp\":\"e\"," : "");
  put_time(t, "ts", at);
  fputc('}', t->file);
}

/* Forget the channels and receivers that the last walk did not meet; with `all`
** every one. */
static void forget (Trace *t, bool all) {
  size_t b;
  for (b = 0; b < BUCKETS; b++) {
    Line **l = &t->lines[b];
    Seen **s = &t->seen[b];
    while (*l != NULL) {
      Line *x = *l;
      bool had = x->len > 0;
      if (!all && x->mark == t->mark) l = &x->next;
      else {
        *l = x->next;
        x->len = 0;
        if (had) put_counter(t, x, t->at);      /* what it held is gone */
        free_line(t, x);
      }
    }
    while (*s != NULL) {
      Seen *x = *s;
      if (!all && x->mark == t->mark) s = &x->next;
      else {
        *s = x->next;
        trace_realloc(t, x, sizeof *x, 0);
      }
    }
  }
}

/* ---- what was sent and received ------------------------------------------- */

/* the k-th of n things that happened between two times */
static double between (double from, double to, uint64_t k, uint64_t n) {
  return from + (to - from) * ((double)k + 1) / ((double)n + 1);
}

/* What happens outside every task has a row, and a sliver, of its own. */
static void outside (Trace *t, double at) {
  if (t->open) return;
  if (!t->outside) put_row_name(t, 0, "outside of tasks");
  t->outside = true;
  put_slice(t, 0, "outside", at, at + 1e-6, "goes on", NULL);
}

static void trace_sent (Trace *t, Line *l, uint64_t n, double to) {
  Run *r;
  if (l->nruns == l->capruns) {
    uint32_t cap = l->capruns == 0 ? 4 : l->capruns * 2;
    Run *runs = (Run *)trace_realloc(t, l->runs, l->capruns * sizeof(Run), cap * sizeof(Run));
    if (runs == NULL) return;
    l->runs = runs;
    l->capruns = cap;
  }
  outside(t, to);
  r = &l->runs[l->nruns++];
  r->first = l->sent;
  r->n = n;
  r->from = t->open ? t->from : to;
  r->to = to;
  r->task = t->open ? t->task : 0;
}

/* An arrow to the slice going on, from where message `m` was sent. */
static void trace_arrow (Trace *t, const Line *l, uint64_t m, double at) {
  uint32_t i;
  for (i = 0; i < l->nruns; i++) {
    const Run *r = &l->runs[i];
    double sent;
    if (m < r->first || m >= r->first + r->n) continue;
    sent = between(r->from, r->to, m - r->first, r->n);
    t->flows++;
    put_flow_end(t, "s", l, r->task, sent);
    put_flow_end(t, "f", l, t->open ? t->task : 0, at > sent ? at : sent);
    return;
  }
}

/* Messages before `m` are gone. */
static void trim (Line *l, uint64_t m) {
  uint32_t gone = 0;
  while (gone < l->nruns && l->runs[gone].first + l->runs[gone].n <= m) gone++;
  if (gone == 0) return;
  l->nruns -= gone;
  memmove(l->runs, l->runs + gone, l->nruns * sizeof(Run));
}

/* The channel was seen with these counts. */
static void trace_counts (Trace *t, Line *l, uint64_t sent, uint64_t received, uint32_t len) {
  double now = t->at;
  uint64_t k, n;
  if (sent > l->sent) trace_sent(t, l, sent - l->sent, now);
  l->sent = sent;
  n = received > l->received ? received - l->received : 0;
  if (n > 0 && l->nruns > 0) {
    outside(t, now);
    for (k = 0; k < n; k++)
      trace_arrow(t, l, l->received + k, between(t->open ? t->from : now, now, k, n));
  }
  l->received = received;
  if (len == l->len) return;
  l->len = len;
  put_counter(t, l, now);
}

/* ---- walking -------------------------------------------------------------- */

static Line *line_of (Trace *t, const void *end, const char *word, uint64_t sent) {
  Line **bucket_of = &t->lines[bucket(end)], *l;
  for (l = *bucket_of; l != NULL; l = l->next)
    if (l->end == end) break;
  if (l != NULL && l->sent <= sent) return l;
  if (l == NULL) {
    l = (Line *)trace_realloc(t, NULL, 0, sizeof *l);
    if (l == NULL) return NULL;
    memset(l, 0, sizeof *l);
    l->next = *bucket_of;
    *bucket_of = l;
  }
  l->end = end;                                 /* or another channel at an old address */
  l->word = word;
  l->number = ++t->channels;
  l->sent = l->received = 0;
  l->nruns = l->len = 0;
  return l;
}

static Seen *seen_of (Trace *t, const Handle *h, uint64_t position) {
  Seen **bucket_of = &t->seen[bucket(h)], *s;
  for (s = *bucket_of; s != NULL; s = s->next)
    if (s->handle == h) return s;
  s = (Seen *)trace_realloc(t, NULL, 0, sizeof *s);
  if (s == NULL) return NULL;
  s->handle = h;
  s->position = position;
  s->next = *bucket_of;
  *bucket_of = s;
  return s;
}

/* A oneshot, of a pair or of a call. */
static void walk_oneshot (Trace *t, const void *end) {
  const weir_Oneshot *o = weirL_oneshot_kernel(end);
  bool sent = o->sent || o->taken;
  Line *l = line_of(t, end, "oneshot", sent);
  if (l == NULL) return;
  if (t->first) l->sent = sent, l->received = o->taken;
  trace_counts(t, l, sent, o->taken, 0);
  l->mark = t->mark;
}

/* A task that was calling goes on, now: if there is an answer it takes it. */
static void walk_answer (Trace *t, const void *end) {
  Line *l;
  if (!weirL_oneshot_kernel(end)->sent) return;
  l = line_of(t, end, "oneshot", 1);
  if (l != NULL) trace_counts(t, l, 1, 1, 0);
}

static void walk_mpsc (Trace *t, const Mpsc *c, const char *word) {
  uint64_t sent = c->k.received + c->k.dropped + c->k.len;
  Line *l = line_of(t, c, word, sent);
  if (l == NULL) return;
  if (t->first) l->sent = sent, l->received = c->k.received;
  trace_counts(t, l, sent, c->k.received, c->k.len);
  trim(l, c->k.received + c->k.dropped);
  l->mark = t->mark;
}

/* A message that was seen by this receiver since it was last looked at. */
static void walk_receiver (Trace *t, const Line *l, const Handle *h, uint64_t position,
                           uint64_t oldest) {
  Seen *s = seen_of(t, h, position);
  double now = t->at;
  uint64_t m, n;
  if (s == NULL) return;
  if (s->position < oldest) s->position = oldest;       /* the others it has missed */
  if (position > s->position) {
    n = position - s->position;
    outside(t, now);
    for (m = s->position; m < position; m++)
      trace_arrow(t, l, m, between(t->open ? t->from : now, now, m - s->position, n));
  }
  s->position = position;
  s->mark = t->mark;
}

static void walk_broadcast (Trace *t, const Handle *h) {
  const weir_Broadcast *b = weirL_broadcast_kernel(h->end);
  Line *l = line_of(t, h->end, "broadcast", b->tail);
  if (l == NULL) return;
  if (t->first) l->sent = b->tail;
  if (l->mark != t->mark) trace_counts(t, l, b->tail, 0, weir_broadcast_len(b));
  l->mark = t->mark;
  if (weirL_kindof(&h->o) == BROADCAST_RECEIVER) {
    uint64_t oldest = l->nruns > 0 ? l->runs[0].first : 0;
    walk_receiver(t, l, h, ((const BroadcastReceiver *)h)->cursor, oldest);
  }
}

/* The message of a watch is its version: the last that a slice made. */
static void walk_watch (Trace *t, const Handle *h) {
  const weir_Watch *w = weirL_watch_kernel(h->end);
  Line *l = line_of(t, h->end, "watch", w->version);
  if (l == NULL) return;
  if (t->first || l->sent == 0) l->sent = w->version;
  if (l->mark != t->mark) trace_counts(t, l, w->version, 0, 0);
  l->mark = t->mark;
  if (weirL_kindof(&h->o) == WATCH_RECEIVER) {
    uint64_t seen = ((const WatchReceiver *)h)->seen;
    walk_receiver(t, l, h, seen, seen > 0 ? seen - 1 : 0);
  }
  if (l->nruns > 1) trim(l, l->runs[l->nruns - 1].first);
}

static void walk_handle (Trace *t, const Handle *h) {
  switch (weirL_kindof(&h->o)) {
    case MPSC_SENDER: case MPSC_RECEIVER: walk_mpsc(t, (const Mpsc *)h->end, "mpsc"); break;
    case MPMC_SENDER: case MPMC_RECEIVER: walk_mpsc(t, (const Mpsc *)h->end, "mpmc"); break;
    case MPSC_PERMIT: walk_mpsc(t, (const Mpsc *)h->end, "mpsc"); break;
    case ONESHOT_SENDER: case ONESHOT_RECEIVER: walk_oneshot(t, h->end); break;
    case WATCH_SENDER: case WATCH_RECEIVER: walk_watch(t, h); break;
    case BROADCAST_SENDER: case BROADCAST_RECEIVER: walk_broadcast(t, h); break;
    default: break;
  }
}

static void walk_list (Trace *t, const weir_Link *list) {
  const weir_Link *x;
  for (x = list->next; x != list; x = x->next)
    walk_handle(t, weir_container(x, const Handle, u.owned));
}

/* What a task waits through may be listed nowhere else. */
static void walk_waits (Trace *t, const Scheduler *S, const Task *task) {
  uint32_t i;
  for (i = 0; i < task->parking.nbranch; i++) {
    const Handle *h = (const Handle *)task->parking.branch[i].through;
    if (h != NULL && weirL_live(h)) walk_handle(t, h);
  }
  if (task->calling) walk_oneshot(t, lua_touserdata(innermost(S, task), CALL_REPLY));
}

/* Look at every channel, at a time. Only C memory. */
static void walk (Trace *t, double at) {
  const Scheduler *S = t->S;
  uint32_t i;
  if (t->broken) return;
  t->at = at;
  t->mark++;
  walk_list(t, &S->loose);
  for (i = 1; i <= S->nslots; i++) {
    const Task *task = weirL_slot_task(S, i);
    const Frame *f;
    if (task == NULL) continue;
    walk_list(t, &task->owned);
    for (f = task->frames; f != NULL; f = f->outer)
      if (f->kind != FRAME_WRAP) walk_list(t, &f->owned);
    if (task->status == WAITING) walk_waits(t, S, task);
  }
  forget(t, false);
  t->first = false;
}

/* A handle is about to be dropped: its channel may not be found after that. */
void weirL_trace_drop (Scheduler *S, const Handle *h) {
  Trace *t = S->trace;
  if (t->broken) return;
  t->at = trace_now(t);
  walk_handle(t, h);
}

/* ---- slices --------------------------------------------------------------- */

/* Room for what was written of the task in that slot; false: there is none. */
static bool slot_names (Trace *t, uint32_t slot) {
  uint32_t n = t->S->nslots + 1, *named, *hashes;
  size_t before = t->nnamed * sizeof(uint32_t), after = n * sizeof(uint32_t);
  if (slot < t->nnamed) return true;
  named = (uint32_t *)trace_realloc(t, NULL, 0, after);
  hashes = (uint32_t *)trace_realloc(t, NULL, 0, after);
  if (named == NULL || hashes == NULL) {
    trace_realloc(t, named, after, 0);          /* (of NULL: nothing) */
    trace_realloc(t, hashes, after, 0);
    return false;
  }
  memset(named, 0, after);
  memset(hashes, 0, after);
  if (t->nnamed > 0) {
    memcpy(named, t->named, before);
    memcpy(hashes, t->hashes, before);
    trace_realloc(t, t->named, before, 0);
    trace_realloc(t, t->hashes, before, 0);
  }
  t->named = named;
  t->hashes = hashes;
  t->nnamed = n;
  return true;
}

/* The name on top is that of a task's row; write it, if it is new. [-1, +0, m] */
static void name_it (lua_State *L, Trace *t, const Task *task) {
  const char *name = lua_tostring(L, -1), *c;
  uint32_t hash = 2166136261u;
  for (c = name; *c != '\0'; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
  if (slot_names(t, task->slot) &&
      (t->named[task->slot] != task->id || t->hashes[task->slot] != hash)) {
    t->named[task->slot] = task->id;
    t->hashes[task->slot] = hash;
    lua_pushfstring(L, "task %d %s", (int)task->id, name);
    put_row_name(t, task->id, lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* [-0, +0, m] */
static void name_row (lua_State *L, Scheduler *S, const Task *task) {
  weirL_push_name(L, S, task);
  name_it(L, S->trace, task);
}

/* Close a slice that began before turns were watched, or was left by an error. */
static void close_slice (Trace *t, const char *then, const char *where) {
  double now = trace_now(t);
  if (!t->open) return;
  put_slice(t, t->task, t->name, t->from, now, then, where);
  walk(t, now);
  t->open = false;
}

/* What was done since the last turn was done by no task. */
void weirL_trace_outside (lua_State *L, Scheduler *S) {
  (void)L;
  close_slice(S->trace, "goes on", NULL);
  walk(S->trace, trace_now(S->trace));
}

static void begin_slice (lua_State *L, Scheduler *S, const Task *task) {
  Trace *t = S->trace;
  push_where(L, S, task, own_source(L));
  snprintf(t->name, sizeof t->name, "%s", lua_tostring(L, -1));
  if (strcmp(t->name, "not started") == 0) snprintf(t->name, sizeof t->name, "start");
  lua_pop(L, 1);
  name_row(L, S, task);
  t->task = task->id;
  t->open = true;
  t->from = trace_now(t);
  if (task->calling && task->status == WAITING && !t->broken) {
    t->at = t->from;
    walk_answer(t, lua_touserdata(innermost(S, task), CALL_REPLY));
  }
}

/* A task is about to run. [-0, +0, m] */
void weirL_trace_begin (lua_State *L, Scheduler *S, const Task *task) {
  begin_slice(L, S, task);
}

/* The name that a task which has ended, on top, was given last. [-0, +0, m] */
static void name_ended (lua_State *L, Trace *t, const Task *task) {
  weirL_uv(L, UV_NAMES);
  lua_pushvalue(L, -2);
  lua_rawget(L, -2);
  if (lua_type(L, -1) == LUA_TSTRING) name_it(L, t, task);
  else lua_pop(L, 1);
  lua_pop(L, 1);
}

/* It has run, and is on top. [-0, +0, m] */
void weirL_trace_end (lua_State *L, Scheduler *S, const Task *task) {
  static const char *const ends[] = {"gives way", "runs", "waits", "done", "failed", "aborted"};
  Trace *t = S->trace;
  double now = trace_now(t);
  if (!t->open) return;                         /* tracing was stopped and begun again */
  if (task->status >= DONE) name_ended(L, t, task);
  else name_row(L, S, task);
  lua_pushstring(L, ends[task->status]);
  lua_pushnil(L);
  if (task->status == WAITING) {
    const char *op = task->calling ? "call" : task->op != NULL ? task->op->name
                     : ending_scope(task) != NULL ? "scope" : "select";
    lua_pop(L, 2);
    lua_pushfstring(L, "waits in %s", op);
    push_where(L, S, task, own_source(L));
  }
  put_slice(t, t->task, t->name, t->from, now, lua_tostring(L, -2), lua_tostring(L, -1));
  lua_pop(L, 2);
  walk(t, now);
  t->open = false;
}

/* ---- starting and stopping ------------------------------------------------ */

/* End the file; 0, or errno. */
static int finish_trace (Trace *t) {
  int failed = 0;
  if (t->file == NULL) return 0;
  close_slice(t, "goes on", NULL);
  forget(t, true);
  fputs("\n]\n", t->file);
  if (ferror(t->file)) failed = EIO;
  if (fclose(t->file) != 0) failed = errno;
  t->file = NULL;
  trace_realloc(t, t->named, t->nnamed * sizeof(uint32_t), 0);
  trace_realloc(t, t->hashes, t->nnamed * sizeof(uint32_t), 0);
  t->named = t->hashes = NULL;
  t->S->trace = NULL;
  t->S->listing &= (uint8_t)~LISTING_TRACE;
  if (!t->S->explore) t->S->halt &= (uint8_t)~HALT_WATCHED;
  return failed;
}

static int trace__gc (lua_State *L) {
  finish_trace((Trace *)lua_touserdata(L, 1));
  return 0;
}

/* core.trace_start(path) -> true / nil, message */
static int trace_start (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  const char *path = weirL_checkstring(L, 1);
  Trace *t;
  if (S->trace != NULL) return weirL_error(L, "tracing has begun already: stop it first");
  t = (Trace *)lua_newuserdatauv(L, sizeof *t, 0);
  memset(t, 0, sizeof *t);
  t->S = S;
  t->alloc = lua_getallocf(L, &t->ud);
  lua_createtable(L, 0, 1);
  weirL_setfunc(L, lua_upvalueindex(1), "__gc", trace__gc);
  lua_setmetatable(L, -2);
  weirL_uv(L, UV_HOOKS);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, HOOK_TRACE);               /* anchored there */
  lua_pop(L, 1);
  t->file = fopen(path, "w");
  if (t->file == NULL) return luaL_fileresult(L, 0, path);
  fputs("[\n{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"name\":\"process_name\","
        "\"args\":{\"name\":\"weir\"}}", t->file);
  S->listing |= LISTING_TRACE;
  weirL_find_handles(L);
  t->start = weirL_os_now();
  t->first = true;
  S->trace = t;
  walk(t, 0);
  if (S->current != NULL) begin_slice(L, S, S->current);
  /* the rest of this turn belongs to the next, which is watched */
  weir_list_splice(&S->batch, &S->ready);
  weir_list_splice(&S->ready, &S->batch);
  S->halt |= HALT_WATCHED;
  return weirL_true(L);
}

/* core.trace_stop() -> true, or false if there was no trace / nil, message */
static int trace_stop (lua_State *L) {
  Scheduler *S = weirL_scheduler(L);
  int failed;
  if (S->trace == NULL) {
    lua_pushboolean(L, 0);
    return 1;
  }
  if (!S->trace->open) walk(S->trace, trace_now(S->trace));     /* what was done since the last turn */
  failed = finish_trace(S->trace);
  weirL_uv(L, UV_HOOKS);
  lua_pushnil(L);
  lua_rawseti(L, -2, HOOK_TRACE);
  errno = failed;
  return failed == 0 ? weirL_true(L) : luaL_fileresult(L, 0, NULL);
}

void weirL_open_trace (lua_State *L, int S) {
  static const luaL_Reg functions[] = {{"trace_start", trace_start},
    {"trace_stop", trace_stop}, {NULL, NULL}};
  weirL_setfuncs(L, S, functions);
}
