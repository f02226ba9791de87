/* SPDX-License-Identifier: MIT */
/*
** explore.h -- every history of a small world, shortest first.
**
** A world is a block of memory that holds a piece of the kernel and a model of
** it. From its first state every step is tried, from each state that this
** reaches every step again, and so on, in order of length:
**
**   start --0--> a --1--> c            a state is kept as (the state before, the step)
**     |          '--2--> (start)       and as 64 bits of hash: two histories that
**     '----1---> b --0--> (c)          end in the same memory have the same future
**
** so each state is gone on from once, and that covers every history. A state
** is made again by going its history: nothing has to be undone. After every
** step the explorer's `check` runs; the first history to fail is a shortest one
** and is printed. A failed assert of the kernel, a crash, a report of a
** sanitizer and a call that never comes back are failures too.
**
** What a world holds must be all that its steps depend on, and must not hold
** what they do not: `settle` takes out what only grows.
**
**   EXPLORE_SCALE=10 program      goes on to ten times as many states
*/
#ifndef EXPLORE_H
#define EXPLORE_H

/* for signals and clocks: this header comes first */
#if !defined(_XOPEN_SOURCE)
#define _XOPEN_SOURCE 700
#endif

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) && !defined(SANITIZED)
#define SANITIZED
#endif

#if defined(__GNUC__)
#define EXPLORE_PRINTF(n) __attribute__((format(printf, n, n + 1)))
#define EXPLORE_NORETURN __attribute__((noreturn))
#else
#define EXPLORE_PRINTF(n)
#define EXPLORE_NORETURN
#endif

typedef struct Explorer {
  const char *name;
  uint32_t states;           /* how many to make; the last length is finished */
  int steps;                 /* they are numbered from 0 */
  void (*start) (void);      /* the first state; the memory is all zero before */
  bool (*step) (int n);      /* false: it cannot be done here (nothing was changed) */
  void (*check) (void);      /* after every step */
  void (*settle) (void);     /* or NULL */
  void (*probe) (void);      /* or NULL: once for each new state, which it may spoil */
} Explorer;

enum { MAX_PARTS = 2, MAX_LENGTH = 250, SANITIZED_SHARE = 4 };

typedef struct Part { void *at; size_t size; } Part;

typedef struct Node {
  uint32_t before;           /* the state it was reached from */
  uint16_t step;
} Node;

static struct {
  const Explorer *of;
  Part part[MAX_PARTS];      /* the world's memory */
  int parts;
  size_t size;
  unsigned char *parent;     /* the state that is gone on from, saved */
  Node *node;
  uint32_t nodes, room;
  uint64_t *hash;            /* of each node, through an open table */
  uint32_t *table, mask;
  uint32_t *edge;            /* where each step led, in order of nodes */
  uint64_t edges, edge_room;
  uint64_t tried;            /* steps, for the watch */
  uint16_t path[MAX_LENGTH];
  int length;
  bool telling;              /* a failing history is being printed */
  bool probing;
  bool aside;                /* a step of the probe begins */
} explore;

/* ---- for the explorers ------------------------------------------------- */

static inline void explore_part (void *at, size_t size) {
  explore.part[explore.parts].at = at;
  explore.part[explore.parts].size = size;
  explore.parts++;
  explore.size += size;
}

/* A part of the failing history; nothing while searching. */
EXPLORE_PRINTF(1)
static inline void tell (const char *format, ...) {
  va_list args;
  if (!explore.telling) return;
  if (explore.aside) fprintf(stderr, "\n     ");
  explore.aside = false;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
}

EXPLORE_NORETURN static inline void explore_end (void);

/* What is told next is a step of the probe. */
static inline void tell_step (void) { explore.aside = true; }

/* The current history fails. */
EXPLORE_NORETURN EXPLORE_PRINTF(2)
static inline void fail (const char *rule, const char *format, ...) {
  if (explore.telling) {
    va_list args;
    fprintf(stderr, "  FAILS %s: ", rule);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
  }
  explore_end();
}

#define expect(condition, rule, ...) \
  do { if (!(condition)) fail(rule, __VA_ARGS__); } while (0)

/* ---- printing a failing history ---------------------------------------- */

static inline void explore_zero (void) {
  int i;
  for (i = 0; i < explore.parts; i++) memset(explore.part[i].at, 0, explore.part[i].size);
}

/* Go the history again, aloud; it fails again where it failed. */
static inline void explore_tell (void) {
  int i;
  explore.telling = true;
  fprintf(stderr, "%s: a shortest failing history:\n", explore.of->name);
  explore.probing = explore.aside = false;
  explore_zero();
  explore.of->start();
  explore.of->check();
  if (explore.of->settle != NULL) explore.of->settle();
  for (i = 0; i < explore.length; i++) {
    tell("%3d. ", i + 1);
    explore.of->step(explore.path[i]);
    tell("\n");
    explore.of->check();
    if (explore.of->settle != NULL) explore.of->settle();
  }
  if (explore.of->probe != NULL) {
    explore.probing = true;
    tell("  and wound up:");
    explore.of->probe();
  }
  fprintf(stderr, "  (the history itself passes when gone again: the failure is outside of it)\n");
}

EXPLORE_NORETURN static inline void explore_end (void) {
  if (!explore.telling) explore_tell();
  fflush(stderr);
  _exit(1);
}

static inline void explore_caught (int sign) {
  fail(sign == SIGABRT ? "assert" : "crash", "signal %d", sign);
}

/* Nothing was tried for three seconds: a call does not come back. */
static inline void explore_watch (int sign) {
  static uint64_t last;
  static int still;
  (void)sign;
  still = explore.tried == last ? still + 1 : 0;
  last = explore.tried;
  if (still >= 3) fail("liveness", "a call never comes back");
}

#if defined(SANITIZED)
void __sanitizer_set_death_callback (void (*f) (void));
static inline void explore_reported (void) {
  if (!explore.telling) explore_tell();
}
#endif

static inline void explore_guard (void) {
  static const int caught[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
  struct itimerval second = { { 1, 0 }, { 1, 0 } };
  struct sigaction action;
  size_t i;
  memset(&action, 0, sizeof(action));
  action.sa_flags = SA_NODEFER;
  action.sa_handler = explore_watch;
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &second, NULL);
  action.sa_handler = explore_caught;
#if defined(SANITIZED)
  __sanitizer_set_death_callback(explore_reported);
#endif
  for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) sigaction(caught[i], &action, NULL);
}

/* ---- the memory of a state --------------------------------------------- */

static inline void explore_save (unsigned char *to) {
  int i;
  for (i = 0; i < explore.parts; i++) {
    memcpy(to, explore.part[i].at, explore.part[i].size);
    to += explore.part[i].size;
  }
}

static inline void explore_restore (const unsigned char *from) {
  int i;
  for (i = 0; i < explore.parts; i++) {
    memcpy(explore.part[i].at, from, explore.part[i].size);
    from += explore.part[i].size;
  }
}

static inline uint64_t explore_mix (uint64_t h, uint64_t word) {
  h = (h ^ word) * 0x9e3779b97f4a7c15u;
  return h ^ (h >> 29);
}

static inline uint64_t explore_hash (void) {
  uint64_t h[4] = { 1, 2, 3, 4 };
  int i;
  for (i = 0; i < explore.parts; i++) {
    const unsigned char *p = explore.part[i].at;
    size_t n = explore.part[i].size / 8, k;
    uint64_t word;
    for (k = 0; k < n; k++) {
      memcpy(&word, p + 8 * k, 8);
      h[k & 3] = explore_mix(h[k & 3], word);
    }
    for (k = 8 * n; k < explore.part[i].size; k++) h[0] = explore_mix(h[0], p[k]);
  }
  return explore_mix(explore_mix(explore_mix(h[0], h[1]), h[2]), h[3]);
}

static inline void *explore_grown (void *p, size_t n) {
  p = realloc(p, n);
  if (p == NULL) {
    fprintf(stderr, "explore: not enough memory\n");
    _exit(2);
  }
  return p;
}

static inline void explore_insert (uint32_t node) {
  uint32_t i = (uint32_t)explore.hash[node] & explore.mask;
  while (explore.table[i] != UINT32_MAX) i = (i + 1) & explore.mask;
  explore.table[i] = node;
}

static inline void explore_grow (void) {
  uint32_t i;
  explore.room *= 2;
  explore.mask = explore.room * 2 - 1;
  explore.node = explore_grown(explore.node, explore.room * sizeof(Node));
  explore.hash = explore_grown(explore.hash, explore.room * sizeof(uint64_t));
  explore.table = explore_grown(explore.table, (explore.mask + (size_t)1) * sizeof(uint32_t));
  memset(explore.table, 0xff, (explore.mask + (size_t)1) * sizeof(uint32_t));
  for (i = 0; i < explore.nodes; i++) explore_insert(i);
}

/* The node of the state that the memory is in; `*fresh` if there was none. */
static inline uint32_t explore_node (uint32_t before, int step, bool *fresh) {
  uint64_t h = explore_hash();
  uint32_t i = (uint32_t)h & explore.mask;
  *fresh = false;
  for (; explore.table[i] != UINT32_MAX; i = (i + 1) & explore.mask)
    if (explore.hash[explore.table[i]] == h) return explore.table[i];
  *fresh = true;
  if (explore.nodes == explore.room) explore_grow();
  explore.node[explore.nodes].before = before;
  explore.node[explore.nodes].step = (uint16_t)step;
  explore.hash[explore.nodes] = h;
  explore_insert(explore.nodes);
  return explore.nodes++;
}

static inline void explore_edge (uint32_t to) {
  if (explore.edges == explore.edge_room) {
    explore.edge_room = explore.edge_room == 0 ? 1024 : explore.edge_room * 2;
    explore.edge = explore_grown(explore.edge, explore.edge_room * sizeof(uint32_t));
  }
  explore.edge[explore.edges++] = to;
}

/* ---- the search -------------------------------------------------------- */

/* The steps that lead to a node, into `path`. */
static inline void explore_trace (uint32_t node) {
  uint32_t n;
  int i = 0;
  for (n = node; n != 0; n = explore.node[n].before) i++;
  explore.length = i;
  for (n = node; n != 0; n = explore.node[n].before) explore.path[--i] = explore.node[n].step;
}

static inline void explore_go (int step) {
  explore.of->step(step);
  if (explore.of->settle != NULL) explore.of->settle();
}

/* Go on from one node by every step. */
static inline void explore_expand (uint32_t node, const unsigned char *first) {
  int i, step;
  bool fresh;
  explore_trace(node);
  explore_restore(first);
  for (i = 0; i < explore.length; i++) explore_go(explore.path[i]);
  explore_save(explore.parent);
  explore.length++;
  for (step = 0; step < explore.of->steps; step++) {
    uint32_t to;
    explore.path[explore.length - 1] = (uint16_t)step;
    explore.tried++;
    if (!explore.of->step(step)) continue;
    explore.of->check();
    if (explore.of->settle != NULL) explore.of->settle();
    to = explore_node(node, step, &fresh);
    explore_edge(to);
    if (fresh && explore.of->probe != NULL) {
      explore.probing = true;
      explore.of->probe();
      explore.probing = false;
    }
    explore_restore(explore.parent);
  }
  explore_edge(UINT32_MAX);
}

/* How many histories of up to `length` steps the edges make. */
static inline double explore_count (uint32_t expanded, int length) {
  double *now = calloc(explore.nodes, sizeof(double));
  double *next = calloc(explore.nodes, sizeof(double));
  double sum = 0;
  if (now == NULL || next == NULL) return 0;
  now[0] = 1;
  while (length-- > 0) {
    const uint32_t *edge = explore.edge;
    uint32_t n;
    double *swap;
    for (n = 0; n < expanded; n++)
      for (; *edge++ != UINT32_MAX;) next[edge[-1]] += now[n];
    for (n = 0; n < explore.nodes; n++) sum += next[n];
    swap = now;
    now = next;
    next = swap;
    memset(next, 0, explore.nodes * sizeof(double));
  }
  free(now);
  free(next);
  return sum;
}

static inline double explore_clock (void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline uint32_t explore_limit (void) {
  const char *scale = getenv("EXPLORE_SCALE");
  double n = explore.of->states;
#if defined(SANITIZED)
  n /= SANITIZED_SHARE;
#endif
  if (scale != NULL) n *= atof(scale);
  return n < 1 ? 1 : n > 5e8 ? 500000000 : (uint32_t)n;
}

/* All of it; comes back only if no history failed. */
static inline void explore_run (const Explorer *e) {
  double began = explore_clock(), histories;
  unsigned char *first;
  uint32_t done = 0, level, limit;
  int length = 0;
  bool fresh;
  explore.of = e;
  explore.length = 0;
  explore.nodes = 0;
  explore.edges = 0;
  explore.room = 512;
  explore_guard();
  limit = explore_limit();
  explore_grow();
  first = explore_grown(NULL, explore.size);
  explore.parent = explore_grown(explore.parent, explore.size);
  explore_zero();
  e->start();
  e->check();
  if (e->settle != NULL) e->settle();
  explore_save(first);
  explore_node(0, 0, &fresh);
  while (done < explore.nodes && explore.nodes < limit && length < MAX_LENGTH - 1) {
    for (level = explore.nodes; done < level; done++) explore_expand(done, first);
    length++;
  }
  histories = explore_count(done, length);
  printf("%-28s %.3g histories of up to %d steps (%lu states%s), %.1f s\n", e->name, histories, length,
         (unsigned long)explore.nodes, done == explore.nodes ? ": there are no others" : "",
         explore_clock() - began);
  fflush(stdout);
  free(first);
}

#endif
