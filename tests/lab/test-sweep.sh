#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The n-th call into the Xen libraries fails, for every n that connecting, I/O and closing make: in the
# daemon, then in the frontend library. No crash, no hang, nothing left behind, and the next connection
# works. (A failed unmap or unbind is the library's leak, not ours: there the count of pages and
# ports is not looked at.)
# timeout: 170
# configs: release asan
#
#   FAULTS_FULL=1    every n, and with each of five errnos; else every n, or every third with ASan
. "${0%/*}/faults.sh"

step=1
case $B in *asan) step=3 ;; esac
errnos="0" # the usual one
[ -z "${FAULTS_FULL:-}" ] || { step=1; errnos="0 1 12 14 16 28"; }
evil() { guest 1 timeout -k 1 20 "$B/bin/xsp-evil" "${@:1:$#-1}" 51712 "${@: -1}"; }
calls() { grep -c . "$1"; }
spec=$(image a.img 8M)

# What is failed at every point: a life of a device, with copied and with mapped pages.
life() {
	evil recover
	evil --persistent layouts
}

daemon_points() { # COMMAND...: how many calls the daemon makes in its life with it
	rm -f "$T/calls"
	daemon_start "XENSPLIT_FAULT_LOG=$T/calls" --workers 1
	attach_wait 1 "$spec"
	"$@" >"$T/out" 2>&1 || wrong "without any fault: $(tail -n 3 "$T/out")"
	detach 1
	daemon_stop
	calls "$T/calls"
}

failed_call() { sed -n 's/.*fault injected: call [0-9]* of \([a-z_.]*\) .*/\1/p' "$1" | tail -n 1; }

# One point: whatever the guest saw, it was told soon; then a clean connection must work in the same
# daemon (or in the next, when it was the daemon's start that failed).
daemon_point() { # N ERRNO COMMAND...
	local n=$1 e=$2 from begin what ms i rc=0
	shift 2
	from=$(stat -c %s "$daemon_log")
	daemon_start "XENSPLIT_FAULT=any:$n$([ "$e" = 0 ] || echo "=$e")" --workers 1
	if ! await 3 test -S "$sock" || ! alive; then
		wait "$daemon" || rc=$?
		[ $rc = 1 ] || wrong "call $n failed: the daemon's start ended with $rc"
		return
	fi
	attach 1 "$spec"
	await 3 be_is 1 2
	for i in 1 2 3; do # timing varies: the n-th call may come in the next life only
		begin=$EPOCHREALTIME rc=0
		"$@" >"$T/out" 2>&1 || rc=$?
		ms=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
		what=$(tail -c "+$((from + 1))" "$daemon_log" | failed_call /dev/stdin)
		[ -z "$what" ] || break
	done
	[ $rc -lt 124 ] || wrong "call $n ($what) failed: the guest ended with $rc"
	# A request that nobody answers is given up after 5 s.
	[ $ms -lt 4000 ] || wrong "call $n ($what) failed: the guest waited for $ms ms"
	alive || { wrong "call $n ($what) failed: the daemon is dead"; wait "$daemon"; return; }
	evil recover >"$T/out" 2>&1 || wrong "call $n ($what) failed: the next connection does not work: $(head -n 3 "$T/out")"
	detach 1 || { wrong "call $n ($what) failed: it does not detach ($(be_state 1))"; forget 1; }
	case $what in
	*unmap | *unbind) ;;
	*) [ "$(lab_number pages_mapped 1)" = "$mapped" ] || wrong "call $n ($what) failed: pages stay mapped" ;;
	esac
	daemon_stop || wrong "call $n ($what) failed: SIGTERM"
}

mapped=$(lab_number pages_mapped 1)
total=$(daemon_points evil recover)
swept=0
for ((n = 1; n <= total; n += step)); do
	for e in $errnos; do
		daemon_point $n "$e" evil recover
		swept=$((swept + 1))
	done
done
echo "      daemon, copied pages: $swept points of $total calls"
total=$(daemon_points evil --persistent recover)
swept=0
for ((n = 1; n <= total; n += 2 * step)); do
	daemon_point $n 0 evil --persistent recover
	swept=$((swept + 1))
done
echo "      daemon, mapped pages: $swept points of $total calls"

# --- the frontend library -------------------------------------------------------------------------
vbd() { guest 1 timeout -k 1 20 "$@" "$B/bin/xensplit-vbd" --timeout 3 verify xvda --size 256K --time 0.05 --quiet; }
daemon_start
attach_wait 1 "$spec"
# Few calls, so that there are few points: the load is short, but its calls vary in number.
vbd env "XENSPLIT_FAULT_LOG=$T/calls.vbd" >"$T/out" 2>&1 || wrong "without any fault: $(tail -n 3 "$T/out")"
total=$(awk '$3 !~ /notify|pending|unmask/' "$T/calls.vbd" | calls /dev/stdin)
points=$(awk '$3 !~ /notify|pending|unmask/ { print $3 ":" $4 }' "$T/calls.vbd")
points="$points evtchn.notify:1 evtchn.notify:2 evtchn.notify:9 evtchn.pending:1 evtchn.pending:2 evtchn.pending:9 evtchn.unmask:1 evtchn.unmask:2 evtchn.unmask:9"
swept=0
for p in $points; do
	swept=$((swept + 1))
	rc=0
	vbd env "XENSPLIT_FAULT=$p" >"$T/out" 2>&1 || rc=$?
	[ $rc -lt 6 ] || wrong "the frontend's $p failed: it ended with $rc: $(tail -n 3 "$T/out")"
	[ $rc = 0 ] || grep -q 'xensplit-vbd: ' "$T/out" || wrong "the frontend's $p failed: it ended with $rc and said nothing"
	vbd env >"$T/out" 2>&1 || wrong "the frontend's $p failed: the next connection does not work: $(tail -n 2 "$T/out")"
done
check "frontend library: $swept points" [ $swept -gt 8 ]
check "the daemon saw all of that through" alive
detach 1 || wrong "detach after the frontend's sweep"
close
