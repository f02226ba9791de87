/* SPDX-License-Identifier: MIT */
/*
** tidy.h -- what clang-tidy is told before it reads the core: these never return.
*/
#include <lua.h>
#include <lauxlib.h>

extern int (lua_error) (lua_State *L) __attribute__((analyzer_noreturn));
extern int (luaL_error) (lua_State *L, const char *format, ...) __attribute__((analyzer_noreturn));
extern int (luaL_argerror) (lua_State *L, int arg, const char *message) __attribute__((analyzer_noreturn));
extern int (luaL_typeerror) (lua_State *L, int arg, const char *name) __attribute__((analyzer_noreturn));
int weirL_error (lua_State *L, const char *format, ...) __attribute__((analyzer_noreturn));
int weirL_argerror (lua_State *L, int arg, const char *why) __attribute__((analyzer_noreturn));
int weirL_typeerror (lua_State *L, int arg, const char *expected) __attribute__((analyzer_noreturn));
