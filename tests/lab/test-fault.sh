#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Fault injection: calls are counted, the n-th fails with the usual or the named errno, others don't.
# quick
. "$TOP/tests/lab/lab.sh"
check "up" lab up --guests 1 --no-daemon
list() { dom 0 env "$@" world-domains; }

list XENSPLIT_FAULT_LOG="$T/log" >/dev/null || fail "list"
cat "$T/log"
calls=$(wc -l <"$T/log")
check "calls are logged" [ "$calls" -ge 3 ]
same "in order" "$(awk '{ print $2 }' "$T/log" | tr '\n' ' ')" "$(seq -s ' ' "$calls") "
check "by name" grep -q "call.hypercall 1$" "$T/log"
check "the first open fails" eval '! list XENSPLIT_FAULT=call.open:1 >"$T/out" 2>"$T/err"'
check "and says so" grep -q "call 1 of call.open fails with ENOENT" "$T/err"
check "a call that is not made does not fail" list XENSPLIT_FAULT=call.hypercall:1000
list XENSPLIT_FAULT=evtchn.open:1,call.hypercall:1=13 >"$T/out" 2>"$T/err"
check "the named errno" grep -q "fails with EACCES" "$T/err"
for n in $(seq 1 "$calls"); do
	list XENSPLIT_FAULT=any:$n >/dev/null 2>"$T/err"
	grep -q "fault injected" "$T/err" || fail "call $n of any did not fail"
done
echo "ok: each of the $calls calls can fail"

# the same in a program with both halves: a failed map maps nothing, a failed unmap unmaps nothing
"${LAB[@]}" run 1 -- world-hold guest 0 >"$T/hold" &
until_true 20 grep -qs holds "$T/hold"
read -r _ port refs <"$T/hold"
dom 0 env XENSPLIT_FAULT=gnttab.map:2 world-hold dom0 1 "$port" $refs >"$T/out" 2>"$T/err"
same "the second map fails" "$? $(grep -c 'call 2 of gnttab.map fails with EINVAL' "$T/err")" "1 1"
mapped() { lab status --json | python3 -c 'import json,sys
print(sum(d["pages_mapped"] for d in json.load(sys.stdin)["domains"] if d["domid"] == 1))'; }
same "nothing stays mapped" "$(mapped)" 1
[ $failures = 0 ]
