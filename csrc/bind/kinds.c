/* SPDX-License-Identifier: MIT */
/*
** kinds.c -- every kind of object, in one table: its words, its size, how it is
** waited for, how it drops.
*/
#include "bind.h"

#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif

/* drop, cut, fill: defined beside their kinds */
void weirL_sender_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_sender_cut (Handle *h);
void weirL_receiver_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_receiver_cut (Handle *h);
void weirL_weak_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_permit_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_reservation_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_reservation_cut (Handle *h);
void weirL_oneshot_sender_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_oneshot_sender_cut (Handle *h);
void weirL_oneshot_receiver_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_oneshot_receiver_cut (Handle *h);
void weirL_watch_sender_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_watch_sender_cut (Handle *h);
void weirL_watch_receiver_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_watch_receiver_cut (Handle *h);
void weirL_broadcast_sender_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_broadcast_sender_cut (Handle *h);
void weirL_broadcast_receiver_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_broadcast_receiver_cut (Handle *h);
void weirL_broadcast_weak_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_semaphore_permit_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_mutex_guard_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_read_guard_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_write_guard_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_guard_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_set_drop (lua_State *L, Scheduler *S, Handle *h, int i);
void weirL_set_cut (Handle *h);
void weirL_box_drop (lua_State *L, Scheduler *S, Handle *h, int i);
int weirL_mpsc_fill (const Object *o, char *text, size_t size);
int weirL_permit_fill (const Object *o, char *text, size_t size);
int weirL_reservation_fill (const Object *o, char *text, size_t size);
int weirL_oneshot_fill (const Object *o, char *text, size_t size);
int weirL_watch_fill (const Object *o, char *text, size_t size);
int weirL_broadcast_fill (const Object *o, char *text, size_t size);
int weirL_broadcast_receiver_fill (const Object *o, char *text, size_t size);
int weirL_semaphore_fill (const Object *o, char *text, size_t size);
int weirL_mutex_fill (const Object *o, char *text, size_t size);
int weirL_rwlock_fill (const Object *o, char *text, size_t size);
int weirL_notify_fill (const Object *o, char *text, size_t size);
int weirL_barrier_fill (const Object *o, char *text, size_t size);
int weirL_once_fill (const Object *o, char *text, size_t size);
int weirL_token_fill (const Object *o, char *text, size_t size);
int weirL_timer_fill (const Object *o, char *text, size_t size);
int weirL_interval_fill (const Object *o, char *text, size_t size);
int weirL_set_fill (const Object *o, char *text, size_t size);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

static const char clone_tx[] = "pass tx:clone() to keep one";
static const char clone_rx[] = "pass rx:clone() to keep one";
static const char resubscribe[] = "pass rx:resubscribe() or tx:subscribe() to keep one";

const Kind weirL_kinds[KINDS] = {
  [MPSC_SENDER] = {"mpsc.Sender", "sender", clone_tx, sizeof(Handle), &weirL_reserve_op,
    &weirL_mpsc_closed_op, weirL_sender_drop, weirL_sender_cut, weirL_mpsc_fill, false},
  [MPSC_RECEIVER] = {"mpsc.Receiver", "receiver", NULL, sizeof(Handle), &weirL_recv_op,
    NULL, weirL_receiver_drop, weirL_receiver_cut, weirL_mpsc_fill, true},
  [MPSC_WEAK] = {"mpsc.WeakSender", "weak sender", "pass weak:clone() to keep one",
    sizeof(Handle), NULL, NULL, weirL_weak_drop, NULL, weirL_mpsc_fill, false},
  [MPSC_PERMIT] = {"mpsc.Permit", "permit", NULL, sizeof(Permit), NULL,
    NULL, weirL_permit_drop, NULL, weirL_permit_fill, false},
  [MPSC_RESERVATION] = {"mpsc.Reservation", "reservation", NULL, sizeof(Handle),
    &weirL_reservation_op, NULL, weirL_reservation_drop, weirL_reservation_cut,
    weirL_reservation_fill, false},
  [MPMC_SENDER] = {"mpmc.Sender", "sender", clone_tx, sizeof(Handle), &weirL_reserve_op,
    &weirL_mpsc_closed_op, weirL_sender_drop, weirL_sender_cut, weirL_mpsc_fill, false},
  [MPMC_RECEIVER] = {"mpmc.Receiver", "receiver", clone_rx, sizeof(Handle), &weirL_recv_op,
    NULL, weirL_receiver_drop, weirL_receiver_cut, weirL_mpsc_fill, true},
  [MPMC_WEAK] = {"mpmc.WeakSender", "weak sender", "pass weak:clone() to keep one",
    sizeof(Handle), NULL, NULL, weirL_weak_drop, NULL, weirL_mpsc_fill, false},
  [ONESHOT_SENDER] = {"oneshot.Sender", "sender", NULL, sizeof(Handle), NULL,
    &weirL_oneshot_closed_op, weirL_oneshot_sender_drop, weirL_oneshot_sender_cut,
    weirL_oneshot_fill, false},
  [ONESHOT_RECEIVER] = {"oneshot.Receiver", "receiver", NULL, sizeof(Handle),
    &weirL_oneshot_op, NULL, weirL_oneshot_receiver_drop, weirL_oneshot_receiver_cut,
    weirL_oneshot_fill, true},
  [WATCH_SENDER] = {"watch.Sender", "sender", clone_tx, sizeof(Handle), NULL,
    &weirL_watch_closed_op, weirL_watch_sender_drop, weirL_watch_sender_cut,
    weirL_watch_fill, false},
  [WATCH_RECEIVER] = {"watch.Receiver", "receiver", clone_rx, sizeof(WatchReceiver),
    &weirL_watch_op, NULL, weirL_watch_receiver_drop, weirL_watch_receiver_cut,
    weirL_watch_fill, false},
  [BROADCAST_SENDER] = {"broadcast.Sender", "sender", clone_tx, sizeof(Handle), NULL,
    &weirL_broadcast_closed_op, weirL_broadcast_sender_drop, weirL_broadcast_sender_cut,
    weirL_broadcast_fill, false},
  [BROADCAST_RECEIVER] = {"broadcast.Receiver", "receiver", resubscribe,
    sizeof(BroadcastReceiver), &weirL_broadcast_op, NULL, weirL_broadcast_receiver_drop,
    weirL_broadcast_receiver_cut, weirL_broadcast_receiver_fill, true},
  [BROADCAST_WEAK] = {"broadcast.WeakSender", "weak sender", "pass weak:clone() to keep one",
    sizeof(Handle), NULL, NULL, weirL_broadcast_weak_drop, NULL, weirL_broadcast_fill, false},
  [SEMAPHORE_PERMIT] = {"SemaphorePermit", "permit", NULL, sizeof(Permit), NULL, NULL,
    weirL_semaphore_permit_drop, NULL, weirL_permit_fill, false},
  [MUTEX_GUARD] = {"MutexGuard", "guard", NULL, sizeof(Handle), NULL, NULL,
    weirL_mutex_guard_drop, NULL, NULL, false},
  [READ_GUARD] = {"RwLockReadGuard", "guard", NULL, sizeof(Handle), NULL, NULL,
    weirL_read_guard_drop, NULL, NULL, false},
  [WRITE_GUARD] = {"RwLockWriteGuard", "guard", NULL, sizeof(Handle), NULL, NULL,
    weirL_write_guard_drop, NULL, NULL, false},
  [DROP_GUARD] = {"DropGuard", "drop guard", NULL, sizeof(Handle), NULL, NULL,
    weirL_guard_drop, NULL, NULL, false},
  [JOIN_SET] = {"JoinSet", "join set", NULL, sizeof(Handle), &weirL_join_next_op, NULL,
    weirL_set_drop, weirL_set_cut, weirL_set_fill, true},
  [BOX] = {"Box", "handle", NULL, sizeof(Handle), NULL, NULL, weirL_box_drop, NULL, NULL,
    true},
  [TASK] = {"Task", "task", NULL, sizeof(Task), &weirL_join_op, NULL, NULL, NULL, NULL,
    false},
  [TOKEN] = {"CancellationToken", "token", NULL, sizeof(Token), &weirL_cancelled_op, NULL,
    NULL, NULL, weirL_token_fill, false},
  [TIMER] = {"Timer", "timer", NULL, sizeof(Timer), &weirL_timer_op, NULL, NULL, NULL,
    weirL_timer_fill, false},
  [INTERVAL] = {"Interval", "interval", NULL, sizeof(Timer), &weirL_interval_op, NULL, NULL,
    NULL, weirL_interval_fill, false},
  [SEMAPHORE] = {"Semaphore", "semaphore", NULL, sizeof(Semaphore), &weirL_acquire_op, NULL,
    NULL, NULL, weirL_semaphore_fill, false},
  [NOTIFY] = {"Notify", "notify", NULL, sizeof(Semaphore), &weirL_notified_op, NULL, NULL,
    NULL, weirL_notify_fill, false},
  [MUTEX] = {"Mutex", "mutex", NULL, sizeof(Semaphore), NULL, NULL, NULL, NULL,
    weirL_mutex_fill, false},
  [RWLOCK] = {"RwLock", "rwlock", NULL, sizeof(Semaphore), NULL, NULL, NULL, NULL,
    weirL_rwlock_fill, false},
  [BARRIER] = {"Barrier", "barrier", NULL, sizeof(Barrier), NULL, NULL, NULL, NULL,
    weirL_barrier_fill, false},
  [ONCE] = {"Once", "once cell", NULL, sizeof(Once), NULL, NULL, NULL, NULL,
    weirL_once_fill, false},
  [CLOSED] = {"Closed", "awaitable", NULL, sizeof(Closed), &weirL_closed_op, NULL, NULL, NULL,
    NULL, false}
};
