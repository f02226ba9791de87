#!/bin/sh
# checked-lua.sh -- a Lua interpreter that checks itself and whoever calls its C API, from the source package of the
# system's Lua: built with LUAI_ASSERT and LUA_USE_APICHECK, never installed.
#   sh tools/checked-lua.sh DIRECTORY
# Prints its path; nothing, and the reason on stderr, where the source cannot be had.
# SPDX-License-Identifier: MIT
set -eu

directory=$1
lua=$directory/lua

[ -x "$lua" ] && { echo "$lua"; exit 0; }

cannot() {
  echo "checked-lua: $*" >&2
  exit 0
}

# Sources are mostly not among what apt knows, so it gets lists of its own; nothing of the system's is changed.
command -v apt-get >/dev/null 2>&1 || cannot "no apt-get here to fetch the source of Lua with"
command -v dpkg-source >/dev/null 2>&1 || cannot "no dpkg-source here (package dpkg-dev)"
[ -r /etc/os-release ] || cannot "which release is this?"
. /etc/os-release
case ${ID:-} in debian) ;; *) cannot "this is not Debian" ;; esac

mkdir -p "$directory/source/lists/partial"
cd "$directory/source"
here=$PWD
mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' \
  /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
echo "deb-src ${mirror:-http://deb.debian.org/debian} ${VERSION_CODENAME:-stable} main" >sources.list
fetch() {
  apt-get -qq -o Dir::Etc::SourceList="$here/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$here/lists" -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache= \
    -o APT::Sandbox::User= "$@" >>log 2>&1
}
: >log
fetch update || cannot "apt-get update: $(tail -n 1 log)"
fetch source lua5.4 || cannot "apt-get source: $(tail -n 1 log)"
set -- lua5.4-*/src
[ -f "$1/lua.c" ] || cannot "no src/lua.c in the source package"

files=
for file in "$1"/*.c; do
  case $file in */luac.c) ;; *) files="$files $file" ;; esac
done
${CC:-cc} -std=gnu99 -O1 -g -w -DLUA_COMPAT_5_3 -DLUA_USE_POSIX -DLUA_USE_DLOPEN -DLUAI_ASSERT -DLUA_USE_APICHECK \
  -Wl,-E -o ../lua.new $files -ldl -lm >>log 2>&1 || cannot "it does not compile: $(tail -n 1 log)"
mv ../lua.new ../lua
echo "$lua"
