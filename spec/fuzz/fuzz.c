/* SPDX-License-Identifier: MIT */
/*
** fuzz.c -- bytes that are a program over the core, for a fuzzer that follows coverage.
**
**   make fuzz           libFuzzer looks for new programs
**   make fuzz-replay    runs those of spec/fuzz/corpus; with -v each call is written out
**
**   flags seed | what where a b c d | what where a b c d | ...
**
** A program works on SLOTS objects. Each word is one call: `what` is a method, a function
** of weir or something of ours, `where` the first slot to look for an object that
** has the method, and from where it is called (enum How); a b c d stand for
** arguments, of the sorts that the call wants or, in a wild call, of any. An argument
** that is a function may be the call of the next word; the branches of a select are
** the next word. Clock, sleep and seeds are ours (see the Makefile), so a program does the
** same in every process but for the order of Lua's tables.
**
** X1  no report of a sanitizer, no failed assertion
** X2  a message is received at most once, and never if its send failed
** X3  while a channel has a receiver: sent = received + buffered, and so many are
**     received from it at the end
** X4  when nothing else is left all places of an open channel are free (looked at if
**     no channel holds its own receiver, and with it who knows what)
** X5  lua_close frees every byte
** X6  every method and function of the core stands in the table of actions (replay)
**
** X3 and X4 are not looked at once memory ran out: Lua may then free a handle without
** calling its finalizer. For that, memory does not run out where handles that nobody owns
** are listed (debug, a trace): the list would lead to what was freed.
*/
#define _GNU_SOURCE

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

enum { SLOTS = 16, HEADER = 2, WORD = 6, STEPS = 300, DEEPEST = 4, LARGE = 40,
       MESSAGES = STEPS * 8, FIRST_MESSAGE = 1000 };

/* from where a call is made: the high half of `where` */
enum How { TASK = 4, TASK_MOVED = 6, COROUTINE, FINALIZER, LATE_FINALIZER, HOOK, TIMEOUT,
           CLOSER, WILD = 14 };

/* the first byte; RETHROW: of the last argument, let an error end the task */
enum Flag { EXPLORE = 1, DEBUG = 2, TRACE = 4, GENERATIONAL = 8, OUTSIDE = 16, RETHROW = 32,
            STRESS = 64 };

enum Fate { RECEIVED = 1, REFUSED = 2 };

typedef struct Call {
  unsigned char what, rethrow;
  unsigned char once;             /* has messages: 1 to be made once, 2 was made */
  lua_Integer message;            /* that it sends; or 0 */
} Call;

typedef struct Program {
  const uint8_t *data;
  size_t size, at;
  int steps, depth;
  int kept;                       /* objects kept so far */
  int messages;
  lua_State *other;               /* made when first used */
  int in_other;
  double clock, nap;
  size_t bytes;                   /* in use by both states */
  int starve, starved;            /* allocations until memory runs out; did it? */
  int listed;                     /* are handles that nobody owns in a list? */
  Call calls[STEPS + 1];
  unsigned char fate[MESSAGES];
} Program;

static Program program;           /* the one that runs */
static int verbose;               /* write out what is called, and what comes of it */

#define REG(name) static const char name
REG(key_slots);                   /* addresses are keys of the registry */
REG(key_weir);
REG(key_hooked);
REG(key_finalizer);
REG(key_closer);

int luaopen_weir_core (lua_State *L);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate (uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator (uint8_t *data, size_t size, size_t most, unsigned int seed);

static void fail (const char *what) {
  fprintf(stderr, "fuzz: %s\n", what);
  abort();
}

/* ---- what a program does ---------------------------------------------------- */

/*
** Sorts of arguments: n number, t timeout, m message, o object, f function, I the
** interpreter (as a task), T table, C request, R branches of a select, v anything,
** s word, b boolean, p path.
** New actions are added at the end: the corpus goes by their numbers.
*/
typedef struct Action {
  enum { METHOD, FUNCTION, OURS } sort;
  const char *name, *arguments;
} Action;

static const Action actions[] = {
  {METHOD, "send", "mt"}, {METHOD, "try_send", "m"}, {METHOD, "recv", "t"},
  {METHOD, "try_recv", ""}, {METHOD, "reserve", "t"}, {METHOD, "try_reserve", ""},
  {METHOD, "reserve_many", "nt"}, {METHOD, "try_reserve_many", "n"},
  {METHOD, "reservation", ""}, {METHOD, "wait", "t"}, {METHOD, "release", ""},
  {METHOD, "remaining", ""}, {METHOD, "clone", ""}, {METHOD, "weak", ""},
  {METHOD, "upgrade", ""}, {METHOD, "closed", "t"}, {METHOD, "close", ""},
  {METHOD, "drop", ""}, {METHOD, "move", ""}, {METHOD, "recv_many", "Tnt"},
  {METHOD, "try_recv_many", "Tn"}, {METHOD, "iter", ""}, {METHOD, "call", "Ct"},
  {METHOD, "capacity", ""}, {METHOD, "max_capacity", ""}, {METHOD, "is_closed", ""},
  {METHOD, "is_empty", ""}, {METHOD, "is_terminated", ""}, {METHOD, "strong_count", ""},
  {METHOD, "weak_count", ""}, {METHOD, "same_channel", "o"}, {METHOD, "stats", ""},
  {METHOD, "len", ""}, {METHOD, "subscribe", ""}, {METHOD, "resubscribe", ""},
  {METHOD, "receiver_count", ""}, {METHOD, "sender_count", ""}, {METHOD, "send_replace", "m"},
  {METHOD, "send_modify", "f"}, {METHOD, "send_if_modified", "f"}, {METHOD, "borrow", ""},
  {METHOD, "borrow_and_update", ""}, {METHOD, "has_changed", ""}, {METHOD, "changed", "t"},
  {METHOD, "wait_for", "ft"}, {METHOD, "mark_changed", ""}, {METHOD, "mark_unchanged", ""},
  {METHOD, "acquire", "nt"}, {METHOD, "try_acquire", "n"}, {METHOD, "available", ""},
  {METHOD, "add_permits", "n"}, {METHOD, "forget_permits", "n"}, {METHOD, "forget", ""},
  {METHOD, "split", "n"}, {METHOD, "merge", "o"}, {METHOD, "count", ""},
  {METHOD, "notify_one", ""}, {METHOD, "notify_waiters", ""}, {METHOD, "notified", "t"},
  {METHOD, "lock", "t"}, {METHOD, "try_lock", ""}, {METHOD, "read", "t"},
  {METHOD, "try_read", ""}, {METHOD, "write", "t"}, {METHOD, "try_write", ""},
  {METHOD, "get", ""}, {METHOD, "set", "v"}, {METHOD, "unlock", ""},
  {METHOD, "get_or_init", "f"}, {METHOD, "is_set", ""}, {METHOD, "cancel", "v"},
  {METHOD, "cancelled", "t"}, {METHOD, "is_cancelled", ""}, {METHOD, "reason", ""},
  {METHOD, "child", ""}, {METHOD, "drop_guard", ""}, {METHOD, "disarm", ""},
  {METHOD, "run_until_cancelled", "f"}, {METHOD, "join", "t"}, {METHOD, "abort", ""},
  {METHOD, "is_finished", ""}, {METHOD, "status", ""}, {METHOD, "traceback", ""},
  {METHOD, "name", "s"}, {METHOD, "id", ""}, {METHOD, "spawn", "fo"},
  {METHOD, "try_spawn", "fo"}, {METHOD, "join_next", "t"}, {METHOD, "try_join_next", ""},
  {METHOD, "join_all", ""}, {METHOD, "abort_all", ""}, {METHOD, "shutdown", ""},
  {METHOD, "detach_all", ""}, {METHOD, "tick", ""}, {METHOD, "reset", "n"},
  {METHOD, "deadline", ""}, {METHOD, "is_elapsed", ""}, {METHOD, "period", ""},

  {FUNCTION, "mpsc", "n"}, {FUNCTION, "mpmc", "n"}, {FUNCTION, "unbounded", ""},
  {FUNCTION, "oneshot", ""}, {FUNCTION, "watch", "m"}, {FUNCTION, "broadcast", "nv"},
  {FUNCTION, "semaphore", "n"}, {FUNCTION, "notify", ""}, {FUNCTION, "mutex", "v"},
  {FUNCTION, "rwlock", "v"}, {FUNCTION, "barrier", "n"}, {FUNCTION, "once", ""},
  {FUNCTION, "cancellation_token", ""}, {FUNCTION, "join_set", "n"}, {FUNCTION, "after", "n"},
  {FUNCTION, "interval", "nv"}, {FUNCTION, "closed", "o"}, {FUNCTION, "spawn", "fo"},
  {FUNCTION, "spawn", "I"}, {FUNCTION, "yield", ""}, {FUNCTION, "sleep", "n"},
  {FUNCTION, "sleep_until", "n"}, {FUNCTION, "advance", "n"}, {FUNCTION, "timeout", "nfo"},
  {FUNCTION, "scope", "f"}, {FUNCTION, "wrap", "f"}, {FUNCTION, "select", "Rt"},
  {FUNCTION, "select_biased", "Rt"}, {FUNCTION, "try_select", "R"}, {FUNCTION, "current", ""},
  {FUNCTION, "now", ""}, {FUNCTION, "type", "v"}, {FUNCTION, "on_error", "f"},
  {FUNCTION, "debug", "b"}, {FUNCTION, "run", "I"}, {FUNCTION, "run_paused", "I"},
  {FUNCTION, "run_paused", "f"}, {FUNCTION, "loop.step", ""}, {FUNCTION, "loop.on_wake", "f"},
  {FUNCTION, "snapshot", "b"}, {FUNCTION, "trace_start", "p"}, {FUNCTION, "trace_stop", ""},
  {FUNCTION, "unyieldable", "fo"}, {FUNCTION, "coop", ""}, {FUNCTION, "own", "oo"},
  {FUNCTION, "owner", "o"}, {FUNCTION, "listing", "b"}, {FUNCTION, "box", "v"},
  {FUNCTION, "state", "oS"}, {FUNCTION, "take", "oSs"}, {FUNCTION, "coroutine.running", ""},
  {FUNCTION, "coroutine.resume", "o"}, {FUNCTION, "coroutine.close", "o"},
  {FUNCTION, "coroutine.yield", "v"},

  {OURS, "(collect)", ""}, {OURS, "(end)", ""}, {OURS, "(raise)", ""}, {OURS, "(other)", ""},
  {OURS, "(starve)", ""}, {OURS, "(forget)", ""}, {OURS, "(copy)", ""}, {OURS, "(length)", ""},
  {OURS, "(next)", ""}, {OURS, "(text)", ""}, {FUNCTION, "disown", "o"}, {FUNCTION, "report", "o"}};

enum { ACTIONS = sizeof actions / sizeof *actions };

/* The codes beyond the table repeat its middle, until the table has grown that far. */
static const Action *action (unsigned what) { return &actions[what < ACTIONS ? what : what - 128]; }

/* ---- clock, sleep, seed, memory --------------------------------------------- */

/* These three are renamed in both files by the compiler's command line. */
int clock_gettime (clockid_t id, struct timespec *t) {
  (void)id;
  program.clock += 1e-6;
  t->tv_sec = (time_t)program.clock;
  t->tv_nsec = (long)((program.clock - (double)t->tv_sec) * 1e9);
  return 0;
}

/* Who sleeps again and again for something far away gets there. */
int pselect (int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *t,
             const sigset_t *mask) {
  double seconds = (double)t->tv_sec + (double)t->tv_nsec * 1e-9;
  (void)n, (void)r, (void)w, (void)e, (void)mask;
  program.nap = program.nap * 2 + 1e-6;
  if (program.clock < 1e12) program.clock += seconds > program.nap ? seconds : program.nap;
  return 0;
}

pid_t getpid (void) { return 1; }

static void *alloc (void *ud, void *old, size_t before, size_t size) {
  void *p;
  (void)ud;
  if (old == NULL) before = 0;
  if (size == 0) {
    free(old);
    program.bytes -= before;
    return NULL;
  }
  if (size > before && program.starve > 0 && --program.starve < 2) {
    program.starved = 1;                        /* this one, and its retry */
    return NULL;
  }
  p = realloc(old, size);
  if (p == NULL) fail("out of memory");
  program.bytes += size - before;
  return p;
}

/* ---- words, objects, messages ------------------------------------------------ */

/* The next word; NULL at the end. */
static const uint8_t *next_word (void) {
  const uint8_t *w = program.data + program.at;
  if (program.size - program.at < WORD || program.steps >= STEPS) return NULL;
  program.at += WORD;
  return w;
}

static void push_slot (lua_State *L, unsigned slot) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &key_slots);
  lua_rawgeti(L, -1, slot % SLOTS + 1);
  lua_remove(L, -2);
}

static void set_slot (lua_State *L, unsigned slot) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &key_slots);
  lua_insert(L, -2);
  lua_rawseti(L, -2, slot % SLOTS + 1);
  lua_pop(L, 1);
}

static void keep (lua_State *L, int first) {
  int i, top = lua_gettop(L);
  luaL_checkstack(L, 4, NULL);
  for (i = first; i <= top; i++)
    if (lua_type(L, i) == LUA_TUSERDATA || lua_type(L, i) == LUA_TTHREAD) {
      lua_pushvalue(L, i);
      set_slot(L, (unsigned)program.kept++);
    }
}

/* Push the method of the object at index i; false, and nothing, if it has none. */
static int push_method (lua_State *L, int i, const char *name) {
  if (luaL_getmetafield(L, i, "__index") != LUA_TNIL) {
    if (lua_istable(L, -1) && lua_getfield(L, -1, name) != LUA_TNIL) {
      lua_remove(L, -2);
      return 1;
    }
    lua_pop(L, lua_istable(L, -1) ? 1 : 2);
  }
  return 0;
}

static const char *kind (lua_State *L, int i) {
  const char *name = "";
  if (lua_type(L, i) == LUA_TUSERDATA && luaL_getmetafield(L, i, "__name") != LUA_TNIL) {
    if (lua_type(L, -1) == LUA_TSTRING) name = lua_tostring(L, -1);
    lua_pop(L, 1);                              /* (the metatable keeps it) */
  }
  return name;
}

/* Does this object give each message to one receiver? */
static int hands_once (lua_State *L, int i) {
  const char *name = kind(L, i);
  return strcmp(name, "weir.mpsc.Receiver") == 0 || strcmp(name, "weir.mpmc.Receiver") == 0 ||
         strcmp(name, "weir.oneshot.Receiver") == 0;
}

static lua_Integer new_message (void) {
  if (program.messages >= MESSAGES) return 0;
  return FIRST_MESSAGE + program.messages++;
}

/* X2. What is no message of ours is passed over. */
static void note (lua_State *L, int i, enum Fate fate) {
  lua_Integer m = lua_isinteger(L, i) ? lua_tointeger(L, i) - FIRST_MESSAGE : -1;
  if (m < 0 || m >= program.messages) return;
  if (fate == RECEIVED && (program.fate[m] & RECEIVED)) fail("a message was received twice");
  program.fate[m] |= (unsigned char)fate;
  if (program.fate[m] == (RECEIVED | REFUSED)) fail("a message whose send failed was received");
}

/* ---- functions that are handed to weir ---------------------------------------- */

static int perform (lua_State *L);
static int packed (lua_State *L);
static int interpret (lua_State *L);
static int push_call (lua_State *L, const uint8_t *w);

static int returns (lua_State *L) { return lua_gettop(L); }

static int raises (lua_State *L) {
  lua_settop(L, 1);
  return lua_error(L);
}

static int says_true (lua_State *L) {
  lua_pushboolean(L, 1);
  lua_pushinteger(L, 7);
  return 2;
}

static int finished (lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L);
}

static int waits (lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &key_weir);
  lua_getfield(L, -1, "sleep");
  lua_replace(L, -2);
  lua_pushinteger(L, 1);
  lua_callk(L, 1, LUA_MULTRET, 0, finished);
  return finished(L, LUA_OK, 0);
}

/* index, f, arguments, on top of `base`: as one function */
static void pack (lua_State *L, int base) {
  int i, n = lua_gettop(L) - base;
  lua_createtable(L, n, 0);
  lua_insert(L, base + 1);
  for (i = n; i >= 1; i--) lua_rawseti(L, base + 1, i);
  lua_pushcclosure(L, packed, 1);
}

static void push_function (lua_State *L, unsigned b) {
  const uint8_t *w;
  int base = lua_gettop(L);
  switch (b & 7) {
    case 0: lua_pushcfunction(L, returns); return;
    case 1: lua_pushcfunction(L, says_true); return;
    case 2: lua_pushcfunction(L, raises); return;
    case 3: lua_pushcfunction(L, waits); return;
    default: break;
  }
  if (program.depth < DEEPEST && (w = next_word()) != NULL) {
    int called;
    program.depth++;
    called = push_call(L, w);
    program.depth--;
    if (called) {
      pack(L, base);
      return;
    }
    lua_settop(L, base);
  }
  lua_pushcfunction(L, returns);
}

/* ---- arguments ---------------------------------------------------------------- */

static void push_odd (lua_State *L, unsigned b) {
  switch (b % 6) {
    case 0: lua_pushnil(L); break;
    case 1: lua_pushinteger(L, -1); break;
    case 2: lua_pushinteger(L, 2147483647); break;
    case 3: lua_pushnumber(L, 0.5); break;
    case 4: lua_pushnumber(L, (lua_Number)1e9); break;
    default: lua_pushnumber(L, -(lua_Number)0 / (lua_Number)0);
  }
}

/* { tx, v } or { awaitable, f } or an awaitable; three of them, or LARGE */
static void push_branches (lua_State *L, unsigned b, const uint8_t *w) {
  unsigned i, n = b & 1 ? LARGE : 3;
  lua_createtable(L, 3, 0);
  for (i = 0; i < n; i++) {
    unsigned how = w[i % 3 * 2], value = w[i % 3 * 2 + 1];
    if (how & 0x80 && i > 0) continue;          /* no such branch */
    push_slot(L, (how & 15) + i / 3);
    if (how & 0x40 && !lua_isnil(L, -1)) {
      lua_createtable(L, 2, 0);
      lua_insert(L, -2);
      lua_rawseti(L, -2, 1);
      if (how & 0x20) lua_pushcfunction(L, value & 1 ? returns : raises);
      else lua_pushinteger(L, new_message());
      lua_rawseti(L, -2, 2);
    }
    else if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      lua_pushboolean(L, 0);
    }
    if (b & 2) {
      lua_pushfstring(L, "%d", (int)i);
      lua_insert(L, -2);
      lua_rawset(L, -3);
    }
    else lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_options (lua_State *L, unsigned b) {
  static const char *const missed[] = {"burst", "delay", "skip", "wait"};
  lua_createtable(L, 0, 3);
  lua_pushstring(L, missed[b & 3]);
  lua_setfield(L, -2, (b & 3) == 3 ? "overflow" : "missed");
  if (b & 4) {
    lua_pushinteger(L, b >> 4);
    lua_setfield(L, -2, "delay");
  }
}

static void push_message (lua_State *L, unsigned b) {
  switch (b & 15) {
    case 0: push_slot(L, b >> 4); break;
    case 1: lua_pushboolean(L, 0); break;
    case 2:                                     /* a table that holds two objects */
      lua_createtable(L, 1, 1);
      push_slot(L, b >> 4);
      lua_rawseti(L, -2, 1);
      push_slot(L, (b >> 4) + 1);
      lua_setfield(L, -2, "field");
      break;
    default: lua_pushinteger(L, new_message());
  }
}

static void push_argument (lua_State *L, char sort, unsigned b) {
  if (b >= 252 && (sort == 'n' || sort == 't')) sort = 'x';
  switch (sort) {
    case 'n': lua_pushinteger(L, b % 5); break;
    case 't':
      if (b < 64) lua_pushnil(L);
      else lua_pushnumber(L, (lua_Number)(b & 15) / 4);
      break;
    case 'x': push_odd(L, b); break;
    case 'm': push_message(L, b); break;
    case 'o': push_slot(L, b); break;
    case 'f': push_function(L, b); break;
    case 'I': lua_pushcfunction(L, interpret); break;
    case 'T': lua_newtable(L); break;
    case 'C':
      lua_newtable(L);
      if (b & 1) {
        push_slot(L, b >> 4);
        lua_setfield(L, -2, b & 2 ? "reply" : "object");
      }
      break;
    case 'b': lua_pushboolean(L, (int)(b & 1)); break;
    case 's': lua_pushliteral(L, "word"); break;
    case 'S': lua_pushliteral(L, "fuzz"); break;
    case 'p': lua_pushliteral(L, "/dev/null"); break;
    case 'R': {
      const uint8_t *w = next_word();
      if (w == NULL) lua_newtable(L);
      else push_branches(L, b, w);
      break;
    }
    default:                                    /* anything */
      switch (b % 11) {
        case 0: lua_pushnil(L); break;
        case 1: case 2: push_slot(L, b >> 4); break;
        case 3: lua_newtable(L); break;
        case 4: push_options(L, b >> 4); break;
        case 5: push_function(L, b >> 4); break;
        case 6: push_odd(L, b >> 4); break;
        case 7: lua_pushliteral(L, "word"); break;
        case 8: lua_pushboolean(L, (int)(b >> 4 & 1)); break;
        case 9: lua_pushinteger(L, b >> 4); break;
        default: push_message(L, b >> 4);
      }
  }
}

/* ---- one call ------------------------------------------------------------------ */

/* Push index, function, arguments; 0 if there is nothing to call. [-0, +?, m] */
static int push_call (lua_State *L, const uint8_t *w) {
  const Action *a = action(w[0]);
  const char *p, *dot;
  unsigned slot = w[1], i;
  Call *c;
  int wild = w[1] >> 4 >= WILD, index, before = program.messages;
  if (program.steps >= STEPS) return 0;
  index = ++program.steps;
  c = &program.calls[index];
  c->what = w[0];
  c->rethrow = (w[5] & RETHROW) != 0;
  c->message = 0;
  c->once = 0;
  luaL_checkstack(L, 30, NULL);
  lua_pushinteger(L, index);
  if (a->sort == METHOD) {
    for (i = 0; i < SLOTS; i++) {               /* the first that has it */
      push_slot(L, slot + i);
      if (!lua_isnil(L, -1) && push_method(L, -1, a->name)) break;
      lua_pop(L, 1);
    }
    if (i == SLOTS) return 0;
    if (wild && w[5] & 1) {                     /* with an object of another kind */
      push_slot(L, w[5] >> 4);
      lua_replace(L, -3);
    }
    lua_insert(L, -2);
  }
  else if (a->sort == FUNCTION) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &key_weir);
    if ((dot = strchr(a->name, '.')) != NULL) {
      lua_pushlstring(L, a->name, (size_t)(dot - a->name));
      lua_gettable(L, -2);
      lua_getfield(L, -1, dot + 1);
      lua_replace(L, -3);
      lua_pop(L, 1);
    }
    else {
      lua_getfield(L, -1, a->name);
      lua_replace(L, -2);
    }
  }
  else return 0;
  if (wild)
    for (i = 0; i < (w[5] & 3u); i++) push_argument(L, 'v', w[2 + i]);
  else
    for (p = a->arguments, i = 0; *p != '\0'; p++, i++) {
      push_argument(L, *p, w[2 + i]);
      if (*p == 'm' && lua_isinteger(L, -1)) c->message = lua_tointeger(L, -1);
    }
  c->once = program.messages > before;
  return 1;
}

/* The values from index `first` on, without an allocation. */
static void write_values (lua_State *L, int index, const char *sign, int first) {
  int i;
  if (!verbose) return;
  printf("%4d %s %s", index, sign, action(program.calls[index].what)->name);
  for (i = first; i <= lua_gettop(L); i++)
    switch (lua_type(L, i)) {
      case LUA_TNIL: printf("  nil"); break;
      case LUA_TBOOLEAN: printf("  %s", lua_toboolean(L, i) ? "true" : "false"); break;
      case LUA_TNUMBER: printf("  %g", lua_tonumber(L, i)); break;
      case LUA_TSTRING: printf("  %s", lua_tostring(L, i)); break;
      case LUA_TUSERDATA: printf("  %s:%p", kind(L, i), lua_topointer(L, i)); break;
      case LUA_TTABLE:
        printf("  {");
        lua_pushnil(L);
        while (lua_next(L, i)) {
          if (lua_isinteger(L, -1)) printf(" %lld", (long long)lua_tointeger(L, -1));
          else printf(" %s:%p", kind(L, -1), lua_topointer(L, -1));
          lua_pop(L, 1);
        }
        printf(" }");
        break;
      default: printf("  %s", luaL_typename(L, i));
    }
  printf("\n");
}

/* What came of a select: the branches that lost have sent nothing. */
static void note_select (lua_State *L, int branches, int first, int ok) {
  if (ok && lua_gettop(L) > first && !lua_isnil(L, first)) {
    lua_pushvalue(L, first);
    lua_gettable(L, branches);
    if (hands_once(L, -1)) note(L, first + 1, RECEIVED);
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  while (lua_next(L, branches)) {
    if (lua_istable(L, -1) && !(ok && lua_rawequal(L, -2, first))) {
      lua_rawgeti(L, -1, 2);
      note(L, -1, REFUSED);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
}

/* 1: index; 2, 3: first and second argument; from 4 on: results, or the error */
static int performed (lua_State *L, int status, lua_KContext index) {
  const Call *c = &program.calls[index];
  const char *name = action(c->what)->name;
  int ok = status == LUA_OK || status == LUA_YIELD;
  int n = lua_gettop(L) - 3;
  luaL_checkstack(L, 20, NULL);
  write_values(L, (int)index, ok ? "->" : "raises", 4);
  if (strncmp(name, "select", 6) == 0 || strcmp(name, "try_select") == 0) {
    if (lua_istable(L, 2)) note_select(L, 2, 4, ok);
  }
  else if (strcmp(name, "send") == 0 || strcmp(name, "try_send") == 0) {
    if (c->message != 0 && !(ok && n > 0 && lua_toboolean(L, 4))) {
      lua_pushinteger(L, c->message);
      note(L, -1, REFUSED);
      lua_pop(L, 1);
    }
  }
  else if (ok && strncmp(name + (strncmp(name, "try_", 4) == 0 ? 4 : 0), "recv", 4) == 0 &&
           hands_once(L, 2)) {
    if (strstr(name, "many") == NULL) {
      int i;
      for (i = 4; i <= lua_gettop(L); i++) note(L, i, RECEIVED);
    }
    else if (lua_istable(L, 3)) {
      lua_Integer i, len = (lua_Integer)lua_rawlen(L, 3);
      for (i = 1; i <= len; i++) {
        lua_rawgeti(L, 3, i);
        note(L, -1, RECEIVED);
        if (lua_type(L, -1) == LUA_TUSERDATA) keep(L, lua_gettop(L));
        lua_pop(L, 1);
      }
    }
  }
  if (!ok && c->rethrow) return lua_error(L);
  if (ok) keep(L, 4);
  if (ok && n == 1 && lua_isfunction(L, 4) && strcmp(name, "wrap") == 0) {
    lua_callk(L, 0, LUA_MULTRET, 0, finished);
    return finished(L, LUA_OK, 0) - 3;
  }
  return n;
}

/* perform(index, f, ...) */
static int perform (lua_State *L) {
  lua_KContext index = (lua_KContext)lua_tointeger(L, 1);
  const char *name = action(program.calls[index].what)->name;
  int n = lua_gettop(L) - 2;
  if (strcmp(name, "debug") == 0 || strcmp(name, "listing") == 0 || strcmp(name, "trace_start") == 0) {
    program.listed = 1;
    program.starve = 0;
  }
  luaL_checkstack(L, 20, NULL);
  write_values(L, (int)index, "calls", 3);
  if (n >= 1) lua_pushvalue(L, 3);
  else lua_pushnil(L);
  if (n >= 2) lua_pushvalue(L, 4);
  else lua_pushnil(L);
  lua_rotate(L, 2, 2);                          /* index; first; second; f; ... */
  return performed(L, lua_pcallk(L, n, LUA_MULTRET, 0, index, performed), index);
}

/* The same, of the values in its upvalue. */
static int packed (lua_State *L) {
  int i, n = (int)lua_rawlen(L, lua_upvalueindex(1));
  Call *c;
  lua_settop(L, 0);
  luaL_checkstack(L, n, NULL);
  for (i = 1; i <= n; i++) lua_rawgeti(L, lua_upvalueindex(1), i);
  c = &program.calls[lua_tointeger(L, 1)];
  if (c->once == 2) return 0;
  if (c->once) c->once = 2;
  return perform(L);
}

/* ---- where it is called ---------------------------------------------------------- */

/* __gc, __close: { packed } */
static int call_packed (lua_State *L) {
  lua_settop(L, 1);
  lua_rawgeti(L, 1, 1);
  lua_callk(L, 0, 0, 0, finished);
  return 0;
}

static void push_holder (lua_State *L, const char *key) {
  lua_createtable(L, 1, 0);
  lua_insert(L, -2);
  lua_rawseti(L, -2, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  lua_setmetatable(L, -2);
}

/* A task whose <close> variable makes the call. */
static int closes (lua_State *L) {
  push_holder(L, &key_closer);
  lua_toclose(L, 1);
  return waits(L);
}

static void hook (lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  if (!lua_checkstack(L, 10)) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &key_hooked);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) lua_pop(L, 1);
}

static void push_weir (lua_State *L, const char *name, int at) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &key_weir);
  lua_getfield(L, -1, name);
  lua_replace(L, -2);
  lua_insert(L, at);
}

static void collect (lua_State *L, unsigned b) {
  switch (b & 7) {
    case 0: lua_gc(L, LUA_GCSTEP, (int)(b >> 3)); break;
    case 1: lua_gc(L, LUA_GCGEN, 0, 0); break;
    case 2: lua_gc(L, LUA_GCINC, 0, 0, 0); break;
    case 3: lua_gc(L, LUA_GCINC, 100, 1000, 1); break;
    default: lua_gc(L, LUA_GCCOLLECT);
  }
}

static int make_other (lua_State *L);

/* 0: the interpreter goes on; 1: it ends */
static int ours (lua_State *L, const uint8_t *w) {
  const char *name = action(w[0])->name;
  switch (name[1]) {
    case 'c':
      if (name[3] == 'l') collect(L, w[2]);
      else {                                    /* copy */
        push_slot(L, w[2]);
        set_slot(L, w[1]);
      }
      break;
    case 'e': return 1;
    case 'r':
      lua_pushliteral(L, "raised");
      return lua_error(L);
    case 'o':
      if (program.other == NULL && !make_other(L)) break;
      if (program.in_other) break;
      program.in_other = 1;
      lua_pushcfunction(program.other, interpret);
      if (lua_pcall(program.other, 0, 0, 0) != LUA_OK) lua_settop(program.other, 0);
      program.in_other = 0;
      break;
    case 's': if (!program.listed) program.starve = 1 + w[2] + (w[3] & 1); break;
    case 'f':
      lua_pushnil(L);
      set_slot(L, w[1]);
      break;
    default: {                                  /* # () tostring */
      static const char *const metas[] = {"__len", "__call", "__tostring"};
      push_slot(L, w[1]);
      if (luaL_getmetafield(L, -1, metas[name[1] == 'l' ? 0 : name[1] == 'n' ? 1 : 2])) {
        lua_insert(L, -2);
        lua_pcall(L, 1, 0, 0);
      }
      lua_settop(L, 0);
    }
  }
  return 0;
}

static int interpret_k (lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  lua_settop(L, 0);
  return interpret(L);
}

/* One call after another, until the program or the (end). */
static int interpret (lua_State *L) {
  const uint8_t *w;
  lua_settop(L, 0);
  while ((w = next_word()) != NULL) {
    unsigned how = w[1] >> 4;
    int n;
    lua_settop(L, 0);
    if (action(w[0])->sort == OURS) {
      program.steps++;
      if (ours(L, w)) return 0;
      continue;
    }
    if (!push_call(L, w)) continue;
    if (how == COROUTINE) {
      lua_State *co = lua_newthread(L);
      int m;
      lua_insert(L, 1);
      n = lua_gettop(L) - 1;
      lua_checkstack(co, n + 10);
      lua_pushcfunction(co, perform);
      lua_xmove(L, co, n);
      lua_resume(co, L, n, &m);
      continue;
    }
    if (how >= TASK && how < WILD && how != TASK_MOVED) pack(L, 0);
    switch (how) {
      case TASK: case TASK + 1: push_weir(L, "spawn", 1); break;
      case TASK_MOVED:
        lua_pushcfunction(L, perform);
        lua_insert(L, 1);
        push_weir(L, "spawn", 1);
        break;
      case FINALIZER: case LATE_FINALIZER:
        push_holder(L, &key_finalizer);
        lua_settop(L, 0);
        if (how == FINALIZER) lua_gc(L, LUA_GCCOLLECT);
        continue;
      case HOOK:
        lua_rawsetp(L, LUA_REGISTRYINDEX, &key_hooked);
        lua_sethook(L, hook, LUA_MASKCALL, 0);
        continue;
      case TIMEOUT:
        lua_pushinteger(L, w[5] & 3);
        lua_insert(L, 1);
        push_weir(L, "timeout", 1);
        break;
      case CLOSER:
        lua_pushcfunction(L, closes);
        lua_insert(L, 1);
        push_weir(L, "spawn", 1);
        break;
      case CLOSER + 1: break;                   /* packed all the same */
      default:
        lua_pushcfunction(L, perform);
        lua_insert(L, 1);
    }
    if (lua_pcallk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, 0, interpret_k) == LUA_OK &&
        how >= TASK)
      keep(L, 1);
  }
  return 0;
}

/* ---- states ------------------------------------------------------------------------ */

static int ignore (lua_State *L) {
  (void)L;
  return 0;
}

#if defined(REPLAY)
/* X6: the string at the top is the name of an action, or left out on purpose. */
static void known (lua_State *L) {
  static const char *const left_out[] = {"explore", "new_kind", "loop", "on_report",
    "on_composite", "READY", "terminal", NULL};
  const char *name = lua_tostring(L, -1);
  int i;
  for (i = 0; left_out[i] != NULL; i++)
    if (strcmp(name, left_out[i]) == 0) return;
  for (i = 0; i < ACTIONS; i++)
    if (strcmp(name, actions[i].name) == 0) return;
  fprintf(stderr, "fuzz: %s is not in the table of actions\n", name);
  exit(1);
}

static void known_keys (lua_State *L) {
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    known(L);
  }
}

/* One of each kind is asked for its methods. */
static void known_methods (lua_State *L) {
  static const char script[] =
    "local weir, ask = ...\n"
    "local tx, rx = weir.mpsc(4)\n"
    "local mx, my = weir.mpmc(4)\n"
    "local b, c = weir.broadcast(4)\n"
    "local o, p = weir.oneshot()\n"
    "local v, w = weir.watch(1)\n"
    "local s, m, rw, t = weir.semaphore(2), weir.mutex(1), weir.rwlock(1), weir.cancellation_token()\n"
    "local r <close> = rw:try_read()\n"
    "for _, x in ipairs { tx, rx, tx:weak(), tx:try_reserve(), tx:reservation(), mx, my, mx:weak(), b, c,\n"
    "  b:weak(), o, p, v, w, s, s:try_acquire(), m, m:try_lock(), rw, r, weir.rwlock(1):try_write(), t,\n"
    "  t:drop_guard(), weir.notify(), weir.barrier(1), weir.once(), weir.join_set(), weir.after(1),\n"
    "  weir.interval(1), weir.spawn(ask), weir.closed(tx) } do ask(x) end\n";
  if (luaL_loadstring(L, script) != LUA_OK) fail(lua_tostring(L, -1));
}

static int ask (lua_State *L) {
  if (luaL_getmetafield(L, 1, "__index") == LUA_TTABLE) known_keys(L);
  return 0;
}

static void check_names (void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "weir.core", luaopen_weir_core, 0);
  known_keys(L);
  known_methods(L);
  lua_pushvalue(L, -2);
  lua_pushcfunction(L, ask);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) fail(lua_tostring(L, -1));
  lua_close(L);
}
#endif

/* A whole cycle of the collector wherever it may run at all. */
static void stress (lua_State *L) {
  lua_gc(L, LUA_GCSETPAUSE, 0);
  lua_gc(L, LUA_GCINC, 0, 1000, 63);
}

static void set_meta (lua_State *L, const char *key, const char *event) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, call_packed);
  lua_setfield(L, -2, event);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

/* start(flags, seed) */
static int start (lua_State *L) {
  int flags = (int)lua_tointeger(L, 1), i;
  luaL_requiref(L, "_G", luaopen_base, 1);
  luaL_requiref(L, "coroutine", luaopen_coroutine, 1);
  luaL_requiref(L, "weir.core", luaopen_weir_core, 0);
  lua_getglobal(L, "coroutine");
  lua_setfield(L, -2, "coroutine");
  lua_getfield(L, -1, "new_kind");
  lua_pushliteral(L, "fuzz");
  lua_newtable(L);
  lua_pushcfunction(L, ignore);
  lua_call(L, 3, 1);
  lua_setfield(L, -2, "box");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key_weir);
  lua_createtable(L, SLOTS, 0);
  for (i = 1; i <= SLOTS; i++) {
    lua_pushnil(L);
    lua_rawseti(L, -2, i);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key_slots);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key_hooked);
  set_meta(L, &key_finalizer, "__gc");
  set_meta(L, &key_closer, "__close");
  lua_getfield(L, 5, "on_error");
  lua_pushcfunction(L, ignore);
  lua_call(L, 1, 0);
  if (flags & EXPLORE) {
    lua_getfield(L, 5, "explore");
    lua_pushvalue(L, 2);
    lua_call(L, 1, 0);
  }
  if (flags & DEBUG) {
    lua_getfield(L, 5, "debug");
    lua_pushboolean(L, 1);
    lua_call(L, 1, 0);
  }
  if (flags & TRACE) {
    lua_getfield(L, 5, "trace_start");
    lua_pushliteral(L, "/dev/null");
    lua_call(L, 1, 0);
  }
  if (flags & GENERATIONAL) lua_gc(L, LUA_GCGEN, 0, 0);
  else if (flags & STRESS) stress(L);
  return 0;
}

static lua_State *new_state (int flags, int seed) {
  lua_State *L;
  int starve = program.starve;
  program.starve = 0;
  if (flags & (DEBUG | TRACE)) program.listed = 1;
  L = lua_newstate(alloc, NULL);
  if (L == NULL) fail("no state");
  lua_pushcfunction(L, start);
  lua_pushinteger(L, flags);
  lua_pushinteger(L, seed);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) fail(lua_tostring(L, -1));
  program.starve = starve;
  return L;
}

static int make_other (lua_State *L) {
  (void)L;
  program.other = new_state(0, 0);
  return 1;
}

/* ---- at the end --------------------------------------------------------------------- */

static lua_Integer ask_integer (lua_State *L, int object, const char *name) {
  lua_Integer n;
  push_method(L, object, name);
  lua_pushvalue(L, object);
  lua_call(L, 1, 1);
  n = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;
  lua_pop(L, 1);
  return n;
}

static int is_open (lua_State *L, int object) {
  int closed;
  push_method(L, object, "is_closed");
  lua_pushvalue(L, object);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    return 0;                                   /* spent */
  }
  closed = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return !closed;
}

static lua_Integer field (lua_State *L, const char *name) {
  lua_Integer n;
  lua_getfield(L, -1, name);
  n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

/* X3: of the receiver at index 2 */
static void check_conserved (lua_State *L) {
  lua_Integer len, sent, received, i;
  push_method(L, 2, "stats");
  lua_pushvalue(L, 2);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) return;  /* spent */
  sent = field(L, "sent");
  received = field(L, "received");
  len = field(L, "len");
  if (sent != received + len) fail("sent is not received + buffered");
  for (i = 0; i <= len; i++) {
    push_method(L, 2, "try_recv");
    lua_pushvalue(L, 2);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) fail(lua_tostring(L, -1));
    if (lua_isnil(L, -1) != (i == len)) fail("a channel holds more or less than it says");
    note(L, -1, RECEIVED);
    lua_pop(L, 1);
  }
}

/* No task is left; what is in the slots is looked at. */
static int settle (lua_State *L) {
  unsigned i;
  int gone = 0;
  lua_settop(L, 0);
  lua_gc(L, LUA_GCINC, 200, 100, 13);
  for (i = 0; i < 3; i++) lua_gc(L, LUA_GCCOLLECT);     /* the late finalizers */
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key_hooked);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &key_weir);
  lua_getfield(L, 1, "trace_stop");
  lua_call(L, 0, 0);
  lua_getfield(L, 1, "loop");
  lua_getfield(L, -1, "on_wake");
  lua_pushnil(L);
  lua_call(L, 1, 0);
  lua_getfield(L, 1, "on_error");
  lua_pushcfunction(L, ignore);
  lua_call(L, 1, 0);
  lua_getfield(L, 1, "run_paused");
  lua_pushcfunction(L, ignore);
  lua_call(L, 1, 0);
  lua_settop(L, 1);
  if (program.starved) return 0;
  for (i = 0; i < SLOTS; i++) {
    const char *name;
    push_slot(L, i);
    name = kind(L, 2);
    if (strstr(name, "mpsc.Receiver") != NULL || strstr(name, "mpmc.Receiver") != NULL)
      check_conserved(L);
    else if (strstr(name, "mpsc.Sender") == NULL && strstr(name, "mpmc.Sender") == NULL) {
      lua_pushnil(L);
      set_slot(L, i);
    }
    lua_settop(L, 1);
  }
  for (i = 0; i < 4; i++) lua_gc(L, LUA_GCCOLLECT);
  for (i = 0; i < SLOTS; i++) {                 /* X4 */
    push_slot(L, i);
    if (lua_isuserdata(L, 2) && is_open(L, 2)) {
      lua_Integer most = ask_integer(L, 2, "max_capacity");
      push_method(L, 2, "stats");
      lua_pushvalue(L, 2);
      lua_call(L, 1, 1);
      if (field(L, "len") > 0) return 0;
      if (most >= 0 && ask_integer(L, 2, "capacity") != most) gone = 1;
    }
    lua_settop(L, 1);
  }
  if (gone) fail("a place is gone");
  return 0;
}

static void finish (lua_State *L) {
  lua_sethook(L, NULL, 0, 0);
  lua_settop(L, 0);
  lua_pushcfunction(L, settle);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) fail(lua_tostring(L, -1));
  lua_close(L);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  lua_State *L;
  int flags;
  if (size < HEADER) return 0;
  memset(&program, 0, sizeof program);
  program.data = data;
  program.size = size;
  program.at = HEADER;
  flags = data[0];
  L = new_state(flags, data[1]);
  if (!(flags & OUTSIDE)) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &key_weir);
    lua_getfield(L, -1, "run_paused");
    lua_pushcfunction(L, interpret);
    lua_pcall(L, 1, 0, 0);
    lua_settop(L, 0);
  }
  while (program.size - program.at >= WORD && program.steps < STEPS) {
    lua_pushcfunction(L, interpret);            /* the rest, outside */
    lua_pcall(L, 0, 0, 0);
    lua_settop(L, 0);
  }
  program.starve = 0;
  finish(L);
  if (program.other != NULL) finish(program.other);
  if (program.bytes != 0) fail("lua_close left bytes behind");
  return 0;
}

/* ---- programs that are changed, or written out ---------------------------------------- */

#if !defined(REPLAY)

/* Whole words are put in, taken out and repeated; or libFuzzer's own changes. */
size_t LLVMFuzzerCustomMutator (uint8_t *data, size_t size, size_t most, unsigned int seed) {
  size_t words = size < HEADER ? 0 : (size - HEADER) / WORD, from, to, n;
  uint8_t copy[8 * WORD];
  if (words < 2 || (seed & 1)) return LLVMFuzzerMutate(data, size, most);
  from = (seed >> 4) % words;
  to = (seed >> 12) % words;
  n = 1 + (seed >> 20) % 8;
  if (from + n > words) n = words - from;
  size = HEADER + words * WORD;
  if ((seed & 6) == 0) {                        /* out */
    if (n == words) n--;
    memmove(data + HEADER + from * WORD, data + HEADER + (from + n) * WORD,
            (words - from - n) * WORD);
    return size - n * WORD;
  }
  if (size + n * WORD > most) return LLVMFuzzerMutate(data, size, most);
  memcpy(copy, data + HEADER + from * WORD, n * WORD);
  memmove(data + HEADER + (to + n) * WORD, data + HEADER + to * WORD, (words - to) * WORD);
  memcpy(data + HEADER + to * WORD, copy, n * WORD);
  size += n * WORD;
  if ((seed & 6) == 2) LLVMFuzzerMutate(data + HEADER + to * WORD, WORD, WORD);
  return size;
}

#else

#include <dirent.h>

static int programs;

static void replay (const char *path) {
  static uint8_t data[1 << 16];
  FILE *f = fopen(path, "rb");
  size_t size;
  if (f == NULL) fail(path);
  size = fread(data, 1, sizeof data, f);
  fclose(f);
  if (verbose) printf("%s\n", path);
  LLVMFuzzerTestOneInput(data, size);
  programs++;
}

/* [-v] files and directories of them */
int main (int argc, char **argv) {
  int i;
  check_names();
  for (i = 1; i < argc; i++) {
    DIR *dir;
    struct dirent *entry;
    if (strcmp(argv[i], "-v") == 0) {
      verbose = 1;
      setvbuf(stdout, NULL, _IOLBF, 0);
    }
    else if ((dir = opendir(argv[i])) == NULL) replay(argv[i]);
    else {
      while ((entry = readdir(dir)) != NULL) {
        char path[1024];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
        replay(path);
      }
      closedir(dir);
    }
  }
  printf("%d programs replayed\n", programs);
  return programs == 0;
}

#endif
