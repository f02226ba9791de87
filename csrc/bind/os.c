/* SPDX-License-Identifier: MIT */
/*
** os.c -- clock, sleep, seed: the only file that asks the operating system.
**
** A sleep must end when a signal comes, and a signal that comes between the
** look at "was I interrupted?" and the sleep must not be slept over. So SIGINT
** is held back while looking, and let in by the sleep itself (pselect).
*/
#if !defined(_WIN32)
#define _GNU_SOURCE
#define _DARWIN_C_SOURCE
#endif

#include "bind.h"

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#define NOUSER                    /* its MSG, its SendMessage ... are not wanted */
#define NOGDI
#include <io.h>
#include <windows.h>

double weirL_os_now (void) {
  LARGE_INTEGER t, f;
  QueryPerformanceCounter(&t);
  QueryPerformanceFrequency(&f);
  return (double)t.QuadPart / (double)f.QuadPart;
}

/* Windows delivers Ctrl-C in a thread of its own: short naps, and a look. */
void weirL_os_sleep (double seconds, bool (*stay_awake) (void *), void *arg) {
  if (stay_awake(arg)) return;
  Sleep(seconds > 0.02 ? 20 : (DWORD)(seconds * 1000));
}

uint64_t weirL_os_seed (void) {
  LARGE_INTEGER t;
  QueryPerformanceCounter(&t);
  return (uint64_t)t.QuadPart * 0x9e3779b97f4a7c15u ^ GetCurrentProcessId();
}

/* Is it a terminal, and how large? */
bool weirL_os_terminal (FILE *f, int *columns, int *rows) {
  CONSOLE_SCREEN_BUFFER_INFO info;
  HANDLE h = (HANDLE)_get_osfhandle(_fileno(f));
  if (!GetConsoleScreenBufferInfo(h, &info)) return false;
  *columns = info.srWindow.Right - info.srWindow.Left + 1;
  *rows = info.srWindow.Bottom - info.srWindow.Top + 1;
  return true;
}

#else

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

double weirL_os_now (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Sleep until a signal comes, for `seconds` at the most; not at all if
** `stay_awake` says so once signals are held back. */
void weirL_os_sleep (double seconds, bool (*stay_awake) (void *), void *arg) {
  enum { MOST = 86400 };             /* a day; the caller asks again */
  struct timespec t;
  sigset_t hold, let_in;
  if (seconds < 0) seconds = 0;
  if (seconds > MOST) seconds = MOST;
  t.tv_sec = (time_t)seconds;
  t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
  sigemptyset(&hold);
  sigaddset(&hold, SIGINT);
  pthread_sigmask(SIG_BLOCK, &hold, &let_in);
  if (!stay_awake(arg)) pselect(0, NULL, NULL, NULL, &t, &let_in);
  pthread_sigmask(SIG_SETMASK, &let_in, NULL);
}

uint64_t weirL_os_seed (void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return ((uint64_t)t.tv_sec << 32 ^ (uint64_t)t.tv_nsec) * 0x9e3779b97f4a7c15u ^
         (uint64_t)getpid();
}

/* Is it a terminal, and how large? */
bool weirL_os_terminal (FILE *f, int *columns, int *rows) {
  struct winsize size;
  int fd = fileno(f);
  if (fd < 0 || !isatty(fd)) return false;
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    *columns = 80;
    *rows = 24;
  }
  else {
    *columns = size.ws_col;
    *rows = size.ws_row;
  }
  return true;
}

#endif
