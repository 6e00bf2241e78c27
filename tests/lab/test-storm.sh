#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Processes are killed while they notify and map without pause; a third must lose no event, and in
# the end no page is counted as mapped.
# timeout: 120
# configs: release asan
. "$TOP/tests/lab/lab.sh"
check "up" lab up --guests 1 --no-daemon
"${LAB[@]}" run 1 -- world-storm echo 0 3 >"$T/echo" &
"${LAB[@]}" run 1 -- world-hold guest 0 >"$T/hold" &
until_true 20 grep -qs ready "$T/echo" || fail "no echo"
until_true 20 grep -qs holds "$T/hold" || fail "no pages"
read -r a b c _ <"$T/echo"
read -r _ _ refs <"$T/hold"

storm() { # COMMAND...: start, kill after a moment, again
	local end=$((SECONDS + 10)) pid
	while [ $SECONDS -lt $end ]; do
		"${LAB[@]}" run 0 -- world-storm "$@" >/dev/null 2>&1 &
		pid=$!
		sleep "0.0$((RANDOM % 9 + 1))"
		kill -9 $pid
		wait $pid 2>/dev/null
		n=$((n + 1))
	done
	echo "$n" >"$T/kills.$1.$BASHPID"
}
n=0
storm flood 1 "$b" 2>/dev/null &
storm flood 1 "$c" 2>/dev/null &
storm maps 1 $refs 2>/dev/null &
storm maps 1 $refs 2>/dev/null &
storms=$(jobs -p | tail -n 4)
rounds=0
while [ -n "$(jobs -rp | grep -xF "$(echo "$storms")")" ]; do
	dom 0 world-storm ping 1 "$a" 500 || { fail "an event was lost after $rounds"; break; }
	rounds=$((rounds + 500))
done
wait $storms
mapped() { lab status --json | grep -o '"domid":1,.*' | grep -o '"pages_mapped":[0-9]*' | head -n 1; }
check "no page stays mapped but the store's" until_true 20 eval '[ "$(mapped)" = "\"pages_mapped\":1" ]'

echo "$rounds round trips, $(cat "$T"/kills.* | awk "{ n += \$1 } END { print n }") processes killed"
check "some of both" [ $rounds -gt 1000 ]
[ $failures = 0 ]
