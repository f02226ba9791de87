#!/bin/sh
# specs.sh -- runs busted on each spec file in a process of its own, and sums up.
#   sh tools/specs.sh 'command that runs busted' file or folder ...
# Alone, a file's full collections do not walk the objects of all the others: the suite takes a sixth of the time.
# SPDX-License-Identifier: MIT
set -u
busted=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

files=$(for place in "$@"; do
  if [ -d "$place" ]; then find "$place" -name '*_spec.lua' | sort; else echo "$place"; fi
done)

passed=0 failed=0 errors=0 pending=0
for file in $files; do
  $busted --output=plainTerminal "$file" >"$log" 2>&1
  status=$?
  last=$(grep -E '^[0-9]+ success(es)? / [0-9]+ failures? / [0-9]+ errors? / [0-9]+ pending' "$log" | tail -n 1)
  set -- $(echo "$last" | tr -cs '0-9' ' ')
  if [ $# -lt 4 ]; then set -- 0 0 1 0; fi               # it did not come to its end
  if [ $status -ne 0 ] && [ $(($2 + $3)) -eq 0 ]; then set -- "$1" 0 1 "$4"; fi
  passed=$((passed + $1)) failed=$((failed + $2)) errors=$((errors + $3)) pending=$((pending + $4))
  printf '%-52s %4d\n' "$file" "$1"
  if [ $(($2 + $3 + $4)) -gt 0 ]; then cat "$log"; fi
done
echo "$passed successes / $failed failures / $errors errors / $pending pending"
[ $((failed + errors)) -eq 0 ]
