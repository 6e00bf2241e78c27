#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The userspace frontend against a backend that lies, loses events, starts over or goes away: an
# error that says what happened, or no more than a delay; never a crash, never a hang.
# timeout: 180
# configs: release asan
set -u
. "$TOP/tests/lab/vbd.sh"
lab_up 1

try() { # MODE EXIT TEXT [OPTION...]: verify must end so, and say that
	local mode=$1 want=$2 text=$3 rc=0 b
	shift 3
	attach 1 51712 none
	timeout 30 xensplit lab run --dir "$lab" 0 -- test-backend 1 51712 "$mode" &
	b=$!
	dom 1 timeout 20 xensplit-vbd verify xvda --time 1 --quiet --timeout 3 "$@" >"$T/out" 2>&1 || rc=$?
	[ $rc = "$want" ] || { cat "$T/out"; fail "$mode: exit $rc instead of $want"; }
	grep -qE "$text" "$T/out" || { cat "$T/out"; fail "$mode: did not say '$text'"; }
	wait $b || fail "$mode: the backend ended with $?"
	echo "ok $mode: $(grep -E "$text" "$T/out" | head -n 1)"
}

try honest 0 " 0 errors, 0 wrong"
try bad-id 1 "broke the protocol: a response to no request"
try twice 1 "broke the protocol: (a response to no request|more responses than requests)"
try wrong-op 1 "broke the protocol: a response with another operation"
try overflow 1 "broke the protocol: more responses than requests"
try error 1 "Input/output error"
try odd-status 1 "Input/output error"
try bad-sectors 1 "sectors is not a number in range"
try sectors-text 1 "sectors is not a number in range"
try no-sectors 1 "sectors is missing"
try bad-sector-size 1 "sector-size is not a number in range"
try bad-order 1 "max-ring-page-order is not a number in range"
try eject 3 "the backend is closed"
try vanish 3 "the backend is gone"
try stuck 5 "did not connect"
try storm 0 " 0 errors, 0 wrong"
try lose-events 0 " 0 errors, 0 wrong" --size 64k --qd 4
try no-events 0 " 0 errors, 0 wrong" --size 16k --qd 4 --time 0
try start-over 0 " 0 errors, 0 wrong"
for n in 0 1 2 3; do try resume-$n 3 "the (backend|device)" --time 5; done # XSA-465
try keep 0 " 0 errors, 0 wrong" # XSA-396
attach 1 51712 none
timeout 60 xensplit lab run --dir "$lab" 0 -- test-backend 1 51712 keep-wait &
keeper=$!
exits 0 dom 1 xensplit-vbd verify xvda --time 0.3 --quiet
for i in 1 2 3; do try honest 0 " 0 errors, 0 wrong"; done # beside pages that nobody gives back
kill -0 $keeper || fail "the keeper is gone"
kill $keeper
