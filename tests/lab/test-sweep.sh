#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The n-th call into the Xen libraries fails, for every n that connecting, I/O, closing and taking over
# make in the daemon (the frontend's are test-front-faults.sh's). No crash, no hang, nothing left
# behind, and the next connection works. (A failed unmap or unbind is the library's leak, not ours: there the count of pages and
# ports is not looked at.)
# timeout: 400
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
	local begin=$EPOCHREALTIME
	"$@" >"$T/out" 2>&1 || wrong "without any fault: $(tail -n 3 "$T/out")"
	echo $(((${EPOCHREALTIME/./} - ${begin/./}) / 1000)) >"$T/plain"
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
	# A request that nobody answers is given up after 5 s; a busy machine is slow without any fault.
	[ $ms -lt $((4000 + 10 * plain)) ] || wrong "call $n ($what) failed: the guest waited for $ms ms"
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
		plain=$(cat "$T/plain") daemon_point $n "$e" evil recover
		swept=$((swept + 1))
	done
done
echo "      daemon, copied pages: $swept points of $total calls"
total=$(daemon_points evil --persistent recover)
swept=0
for ((n = 1; n <= total; n += 2 * step)); do
	plain=$(cat "$T/plain") daemon_point $n 0 evil --persistent recover
	swept=$((swept + 1))
done
echo "      daemon, mapped pages: $swept points of $total calls"

# --- taking a running guest over ------------------------------------------------------------------
# The daemon that does it has the fault; the one after it has none, and the guest must not have noticed.
adopted() { tail -c "+$((log_from + 1))" "$daemon_log" | grep -q 'vbd/1/51712: taken over'; }
settled() { adopted || ! alive || tail -c "+$((log_from + 1))" "$daemon_log" | grep -q 'vbd/1/51712: not taken over'; }
next_daemon() {
	log_from=$(stat -c %s "$daemon_log")
	daemon_start "$@" --workers 1
}
attach 1 "$spec"
next_daemon
guest_start 1 "$B/bin/xsp-evil" 51712 idle >"$T/idle.log"
idler=$started
await 5 grep -q ': idle' "$T/idle.log" || wrong "the idle guest does not connect"
for ((n = 1; n <= 10; n++)); do
	daemon_stop || wrong "taking over, before call $n: SIGTERM"
	next_daemon "XENSPLIT_FAULT=any:$n"
	await 8 settled || wrong "call $n failed while taking over: nothing happens"
	be_is 1 4 || wrong "call $n failed while taking over: the state was changed to $(be_state 1)"
	if alive; then
		daemon_stop || wrong "call $n failed while taking over: SIGTERM"
	else
		wait "$daemon"
	fi
	next_daemon
	await 8 adopted || wrong "call $n failed while taking over: the next daemon does not take over either"
done
kill -USR1 $idler
rc=0
wait $idler || rc=$?
check "a guest that was taken over with each of $((n - 1)) calls failing works ($rc)" [ $rc = 0 ]
close
