#!/bin/sh
# setup.sh -- see that what a target needs is there; on Debian, install what is missing.
#   sh tools/setup.sh demo|test|ci|docs|bench
# SPDX-License-Identifier: MIT
set -eu

# The demo indexes the Lua libraries of the machine: the test framework brings some.
demo="gcc libc6-dev make pkg-config lua5.4 liblua5.4-dev lua-busted"
test="$demo lua-luv lua-cqueues lua-http curl redis-tools"
ci="$test git clang clang-tidy dpkg-dev libclang-rt-dev valgrind lua-check cppcheck luarocks binutils zip unzip pandoc"

case ${1:-} in
  demo) packages=$demo ;;
  test) packages=$test ;;
  ci) packages=$ci ;;
  *) echo "usage: sh tools/setup.sh demo|test|ci" >&2; exit 2 ;;
esac

say() { echo "setup: $*"; }

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

# Not Debian, or not allowed to install: go on if the tools themselves are there.
by_hand() {
  missing=
  for tool in lua5.4 "${CC:-cc}"; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
  done
  if [ "$1" != demo ]; then
    command -v busted >/dev/null 2>&1 || missing="$missing busted"
  fi
  [ -z "$missing" ] && return 0
  say "cannot install packages here, and this is missing:$missing"
  say "weir needs Lua 5.4 with its headers (as lua5.4, or make LUA=name), a C compiler,"
  say "make and pkg-config; its tests need busted for Lua 5.4. On Debian these are:"
  say "  apt-get install $packages"
  exit 1
}

if ! command -v dpkg-query >/dev/null 2>&1; then
  by_hand "$1"
  exit 0
fi

wanted=
for package in $packages; do
  installed "$package" || wanted="$wanted $package"
done
[ -z "$wanted" ] && exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null 2>&1; then
  as_root=sudo
else
  by_hand "$1"
  exit 0
fi

say "installing$wanted"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { $as_root apt-get update && $as_root apt-get install -y --no-install-recommends $wanted; } >"$log" 2>&1; then
  tail -n 20 "$log"
  rm -f "$log"
  say "apt-get failed; install these by hand:$wanted"
  exit 1
fi
rm -f "$log"
