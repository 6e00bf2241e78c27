#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A guest is destroyed and made again thirty times while Dom0 copies from it and maps it without
# pause: Dom0's process lives, the domid is free each time, the hub holds nothing more in the end.
# timeout: 120
# configs: release asan
. "$TOP/tests/lab/lab.sh"
check "up" lab up --guests 1 --no-daemon
hub_fds() { dom 0 sh -c 'ls /proc/1/fd | wc -l'; }
"${LAB[@]}" run 0 -- world-storm churn 9 8 >"$T/churn" &
churn=$!
for round in $(seq 30); do
	until_true 20 eval 'lab create 9 >/dev/null 2>&1' || { fail "round $round: no domain 9"; break; }
	"${LAB[@]}" run 9 -- world-hold guest 0 >"$T/hold.$round" &
	until_true 20 grep -qs holds "$T/hold.$round" || { fail "round $round: no guest"; break; }
	[ "$round" != 2 ] || before=$(hub_fds)
	sleep 0.05
	lab destroy 9 >/dev/null || fail "round $round: destroy"
done
until_true 20 eval 'lab create 9 >/dev/null 2>&1'
"${LAB[@]}" run 9 -- world-hold guest 0 >"$T/hold" &
until_true 20 grep -qs holds "$T/hold"
after=$(hub_fds)
kill $churn
wait $churn
same "Dom0's process lives" $? 0
read -r copied mapped refused <"$T/churn"
echo "$copied copies, $mapped maps, $refused refused"
check "it worked and was refused" [ "$copied" -gt 100 -a "$mapped" -gt 100 -a "$refused" -gt 100 ]
same "the hub's fds" "$after" "$before"
[ $failures = 0 ]
