/* SPDX-License-Identifier: MIT */
/*
** time.c -- sleeping, timers, intervals.
**
**   Timer      due --in--> scheduler's deadlines      line: tasks waiting for it
**   Interval   next: the scheduled time of the next tick; due and line as above,
**              due only while somebody waits
**
** T1  a timer is elapsed, or its `due` is in the heap, or it is never due: its time, or the
**     sum with the clock, is infinite
** T2  nobody waits for a timer that is elapsed
** T3  the line of an interval is empty, or its `due` is in the heap, where every interval
**     has a place kept for it (S5)
*/
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"

enum { BURST, DELAY, SKIP };

/* ---- sleep --------------------------------------------------------------- */

static int sleep_k (lua_State *L, int status, lua_KContext ctx) {
  Task *t = weirL_scheduler(L)->current;
  (void)status;
  (void)ctx;
  t->timed_out = false;
  return weirL_true(L);
}

static const Op sleep_op = {"sleep", NULL, NULL, NULL, NULL, false};

static int sleep_for (lua_State *L, double seconds, const char *verb) {
  Scheduler *S = weirL_scheduler(L);
  Task *t = weirL_may_wait(L, S, verb);
  t->op = &sleep_op;
  if (!(seconds > 0)) {                         /* give way once */
    t->status = READY;
    t->op = NULL;
    weirL_make_ready(t);
    return weirL_yield(L, t, 0, sleep_k);
  }
  if (isinf(weirL_clock(S) + seconds)) seconds = -1;      /* for ever */
  else weirL_deadline_room(L, S);
  weirL_wait_start(t, seconds);
  weir_park(&t->parking, &t->self, 0);
  return weirL_park(L, t, 0, sleep_k);
}

/* weir.sleep(seconds) */
static int time_sleep (lua_State *L) {
  return sleep_for(L, weirL_seconds(L, 1), "sleep");
}

/* weir.sleep_until(time) */
static int time_sleep_until (lua_State *L) {
  double when = weirL_checknumber(L, 1);
  if (isnan(when)) return weirL_argerror(L, 1, "a time must not be NaN");
  return sleep_for(L, when - weirL_clock(weirL_scheduler(L)), "sleep_until");
}

/* weir.now() */
static int time_now (lua_State *L) {
  lua_pushnumber(L, weirL_clock(weirL_scheduler(L)));
  return 1;
}

/* ---- timers -------------------------------------------------------------- */

/* When it is due, on the clock as it is now (run_paused shifts it). */
static double due_at (Timer *t) {
  t->when += t->S->shift - t->shift;
  t->shift = t->S->shift;
  return t->when;
}

static void set_when (Timer *t, double when) {
  t->when = when;
  t->shift = t->S->shift;
}

/* Its time has come, if the scheduler has not yet seen that, either. */
static bool is_due (Timer *t) {
  return t->elapsed || weirL_clock(t->S) >= due_at(t);
}

/* It is due. From the scheduler: only links. */
void weirL_timer_fire (weir_Deadline *due) {
  Timer *t = weir_container(due, Timer, due);
  t->elapsed = true;
  weir_line_tell_all(&t->line);
}

static Timer *new_timer (lua_State *L, Scheduler *S, KindId k) {
  Timer *t = (Timer *)weirL_new(L, S, k, sizeof(Timer), 0);
  t->S = S;
  weir_deadline_init(&t->due);
  weir_list_init(&t->line);
  return t;
}

static int timer__gc (lua_State *L) {
  Timer *t = (Timer *)lua_touserdata(L, 1);
  if (t == NULL || (t->o.tag & ~0xffu) != TAG_LIVE) return 0;
  weir_deadlines_stop(&t->S->deadlines, &t->due);
  if (weirL_kindof(&t->o) == INTERVAL) t->S->kept--;
  t->o.tag = 0;
  return 0;
}

/* [-0, +0, m]; nothing has changed if it raises. */
static void set_timer (lua_State *L, Timer *t, double seconds) {
  weirL_deadline_room(L, t->S);
  weir_deadlines_stop(&t->S->deadlines, &t->due);
  set_when(t, weirL_clock(t->S) + seconds);
  t->elapsed = !(seconds > 0);
  if (t->elapsed) weir_line_tell_all(&t->line);
  else if (!isinf(t->when)) weir_deadlines_start(&t->S->deadlines, &t->due, t->when, DUE_TIMER);
}

static int timer_poll (lua_State *L, int i, weir_Waiter *won) {
  Timer *t = (Timer *)lua_touserdata(L, i);
  (void)won;
  if (!is_due(t)) return WEIR_PENDING;
  if (!t->elapsed) {                            /* before the next turn */
    weir_deadlines_stop(&t->S->deadlines, &t->due);
    weirL_timer_fire(&t->due);
  }
  return weirL_true(L);
}

static bool timer_ready (lua_State *L, int i) {
  return is_due((Timer *)lua_touserdata(L, i));
}

static void timer_enter (lua_State *L, int i, weir_Waiter *w) {
  weir_line_join(&((Timer *)lua_touserdata(L, i))->line, w);
}

const Op weirL_timer_op = {"wait", timer_poll, timer_ready, timer_enter, NULL, false};

/* weir.after(seconds) -> a Timer */
static int time_after (lua_State *L) {
  double seconds = weirL_seconds(L, 1);
  set_timer(L, new_timer(L, weirL_scheduler(L), TIMER), seconds);
  return 1;
}

static int timer_wait (lua_State *L) {
  const Timer *t = (Timer *)weirL_check(L, 1, TIMER);
  return weirL_await(L, t->S, &weirL_timer_op, 2, timer_wait);
}

/* An earlier deadline is news for a loop that sleeps until the first. */
static void notice_deadline (lua_State *L, const Timer *t) {
  if (weir_deadlines_first(&t->S->deadlines) == &t->due) t->S->woken = true;
  weirL_notice(L, t->S);
}

static int timer_reset (lua_State *L) {
  Timer *t = (Timer *)weirL_check(L, 1, TIMER);
  set_timer(L, t, weirL_seconds(L, 2));
  notice_deadline(L, t);
  return weirL_true(L);
}

static int timer_deadline (lua_State *L) {
  lua_pushnumber(L, due_at((Timer *)weirL_check(L, 1, TIMER)));
  return 1;
}

static int timer_is_elapsed (lua_State *L) {
  lua_pushboolean(L, is_due((Timer *)weirL_check(L, 1, TIMER)));
  return 1;
}

int weirL_timer_fill (const Object *o, char *text, size_t size) {
  const Timer *t = (const Timer *)o;
  double left = t->when + (t->S->shift - t->shift) - weirL_clock(t->S);
  return snprintf(text, size, t->elapsed || left <= 0 ? "elapsed" : "in %.3f s", left);
}

/* ---- intervals ------------------------------------------------------------ */

/* The tick scheduled for t->when is taken at `now`: when is the next? A period that is nothing
** beside the clock has no number of ticks that were missed: then as after `now`. */
static void next_tick (Timer *t, double now) {
  double late = now - t->when, n = 1;
  if (t->missed == SKIP && late > 0.005) n = floor(late / t->period) + 1;
  if (isinf(n) || (t->missed == DELAY && late > 0.005)) {
    t->when = now;
    n = 1;
  }
  t->when += t->period * n;
}

static int interval_poll (lua_State *L, int i, weir_Waiter *won) {
  Timer *t = (Timer *)lua_touserdata(L, i);
  double now = weirL_clock(t->S), when = due_at(t);
  (void)won;
  if (now < when) return WEIR_PENDING;
  next_tick(t, now);
  weir_deadlines_stop(&t->S->deadlines, &t->due);
  if (!weir_list_empty(&t->line) && !isinf(t->when))        /* others wait for the next */
    weir_deadlines_start(&t->S->deadlines, &t->due, t->when, DUE_TIMER);
  lua_pushnumber(L, when);
  return 1;
}

static bool interval_ready (lua_State *L, int i) {
  Timer *t = (Timer *)lua_touserdata(L, i);
  return weirL_clock(t->S) >= due_at(t);
}

static void interval_enter (lua_State *L, int i, weir_Waiter *w) {
  Timer *t = (Timer *)lua_touserdata(L, i);
  weir_line_join(&t->line, w);
  if (!weir_deadline_set(&t->due) && !isinf(due_at(t)))
    weir_deadlines_start(&t->S->deadlines, &t->due, t->when, DUE_TIMER);
}

const Op weirL_interval_op = {"tick", interval_poll, interval_ready, interval_enter, NULL, false};

/* weir.interval(period [, { missed = ..., delay = s }]) */
static int time_interval (lua_State *L) {
  static const char *const policies[] = {"burst", "delay", "skip", NULL};
  Scheduler *S = weirL_scheduler(L);
  double period = weirL_seconds(L, 1), delay = 0;
  int missed = BURST;
  Timer *t;
  if (period == 0) return weirL_argerror(L, 1, "a period must be above 0");
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) {
    weirL_checktype(L, 2, LUA_TTABLE);
    if (lua_getfield(L, 2, "missed") != LUA_TNIL) {
      const char *s = lua_tostring(L, -1);
      for (missed = 0; policies[missed] != NULL; missed++)
        if (s != NULL && strcmp(s, policies[missed]) == 0) break;
      if (policies[missed] == NULL)
        return weirL_argerror(L, 2, "missed must be 'burst', 'delay' or 'skip'");
    }
    if (lua_getfield(L, 2, "delay") != LUA_TNIL) {
      delay = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : -1;
      if (!(delay >= 0))
        return weirL_argerror(L, 2, "delay must be a time in seconds, not negative or NaN");
    }
  }
  t = new_timer(L, S, INTERVAL);
  S->kept++;
  weirL_deadline_room(L, S);
  t->period = period;
  t->missed = missed;
  set_when(t, weirL_clock(S) + delay);
  return 1;
}

static int interval_tick (lua_State *L) {
  const Timer *t = (Timer *)weirL_check(L, 1, INTERVAL);
  return weirL_await(L, t->S, &weirL_interval_op, 2, interval_tick);
}

/* interval:reset([seconds]): the next tick comes a period (or that) from now */
static int interval_reset (lua_State *L) {
  Timer *t = (Timer *)weirL_check(L, 1, INTERVAL);
  double s = lua_isnoneornil(L, 2) ? t->period : weirL_seconds(L, 2);
  set_when(t, weirL_clock(t->S) + s);
  weir_deadlines_stop(&t->S->deadlines, &t->due);
  if (!weir_list_empty(&t->line) && !isinf(t->when))
    weir_deadlines_start(&t->S->deadlines, &t->due, t->when, DUE_TIMER);
  notice_deadline(L, t);
  return weirL_true(L);
}

static int interval_period (lua_State *L) {
  lua_pushnumber(L, ((Timer *)weirL_check(L, 1, INTERVAL))->period);
  return 1;
}

int weirL_interval_fill (const Object *o, char *text, size_t size) {
  const Timer *t = (const Timer *)o;
  return snprintf(text, size, "every %g s", t->period);
}

void weirL_open_time (lua_State *L, int S) {
  static const luaL_Reg timer_methods[] = {{"wait", timer_wait}, {"reset", timer_reset},
    {"deadline", timer_deadline}, {"is_elapsed", timer_is_elapsed}, {NULL, NULL}};
  static const luaL_Reg interval_methods[] = {{"tick", interval_tick},
    {"reset", interval_reset}, {"period", interval_period}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", timer__gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"now", time_now}, {"sleep", time_sleep},
    {"sleep_until", time_sleep_until}, {"after", time_after},
    {"interval", time_interval}, {NULL, NULL}};
  weirL_register(L, S, TIMER, timer_methods, meta);
  weirL_register(L, S, INTERVAL, interval_methods, meta);
  weirL_setfuncs(L, S, functions);
}
