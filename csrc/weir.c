/* SPDX-License-Identifier: MIT */
/*
** weir.c -- everything as one unit: calls between its files are inlined, and
** only luaopen_weir_core is seen from outside.
*/
#if !defined(_WIN32)
#define _GNU_SOURCE
#define _DARWIN_C_SOURCE
#endif

#include "kernel/wait.c"
#include "kernel/permits.c"
#include "kernel/mpsc.c"
#include "kernel/oneshot.c"
#include "kernel/watch.c"
#include "kernel/broadcast.c"
#include "kernel/notify.c"
#include "kernel/barrier.c"
#include "kernel/once.c"
#include "kernel/cancel.c"
#include "kernel/deadlines.c"
#include "bind/os.c"
#include "bind/object.c"
#include "bind/kinds.c"
#include "bind/scheduler.c"
#include "bind/wait.c"
#include "bind/task.c"
#include "bind/frame.c"
#include "bind/join_set.c"
#include "bind/time.c"
#include "bind/store.c"
#include "bind/mpsc.c"
#include "bind/permit.c"
#include "bind/oneshot.c"
#include "bind/call.c"
#include "bind/watch.c"
#include "bind/broadcast.c"
#include "bind/semaphore.c"
#include "bind/notify.c"
#include "bind/lock.c"
#include "bind/barrier.c"
#include "bind/once.c"
#include "bind/cancel.c"
#include "bind/select.c"
#include "bind/box.c"
#include "bind/debug.c"
#include "bind/snapshot.c"
#include "bind/explore.c"
#include "bind/trace.c"
#include "bind/module.c"
