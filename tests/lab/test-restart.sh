#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The daemon stopped and killed under guests that do verified I/O, and started again: a guest notices
# only a pause. Without its journal, a ring that was not idle is left alone, with the reason where people look.
# timeout: 150
# configs: release asan
#
#   RESTARTS=1000    SIGTERM and start so many times, and likewise SIGKILL (20)
. "${0%/*}/faults.sh"

restarts=${RESTARTS:-20}
case $B in *asan) restarts=${RESTARTS:-8} ;; esac
be=/local/domain/0/backend/vbd/1/51712
is_adopted() { # DOM: by the daemon that runs now
	tail -c "+$((log_from + 1))" "$daemon_log" | grep -q "vbd/$1/51712: taken over"
}
start() {
	log_from=$(stat -c %s "$daemon_log")
	daemon_start
}
killed() { # [COMMAND...]: the daemon, without a word; COMMAND while there is none
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null
	"${@:-true}"
	start
}
stopped() {
	daemon_stop || return
	be_is 1 4 && be_is 2 4 || wrong "stopped: the backends are in $(be_state 1) and $(be_state 2)"
	start
}
at_work() { # [OPTION...]: both guests, the second with OPTIONs
	good_begin 1 1 --flush-every 50
	good_begin 2 1 --ring-order 2 "$@"
	await 5 be_is 1 4 && await 5 be_is 2 4 || fatal "the guests do not connect"
}
over_and_over() { # killed|stopped: so many times under the guests that are at work
	local n
	for ((n = 0; n < restarts; n++)); do
		sleep 0.1$n # each time at another point
		$1 || break
		await 8 is_adopted 1 && await 8 is_adopted 2 || { wrong "$1, time $n: not taken over"; break; }
	done
	check "$1 $n of $restarts times" [ $n = "$restarts" ]
	good_end 1 "while it was $1 $n times"
	good_end 2 "while it was $1 $n times"
}
idle_begin() { # guest 1
	guest_start 1 "$B/bin/xsp-evil" 51712 idle >"$T/idle.log"
	idler=$started
	await 5 grep -q ': idle' "$T/idle.log" || wrong "the idle guest does not connect"
}
idle_end() { # fails unless its disk works
	kill -USR1 $idler
	wait $idler || { cat "$T/idle.log"; return 1; }
}

daemon_start
attach_wait 1 "$(image a.img)" || fatal "disk of guest 1"
attach_wait 2 "$(image b.img)" || fatal "disk of guest 2"

# --- stopped and started under load ---------------------------------------------------------------
at_work --bs 16K
over_and_over stopped

# --- killed, with nothing under way ---------------------------------------------------------------
detach 1 && attach_wait 1 "log,file=$T/ops:file:$T/a.img" || fatal "disk of guest 1, with a log"
idle_begin
killed
check "killed while a guest was idle: its disk is taken over" await 8 is_adopted 1
grep -q flush "$T/ops" && wrong "a flush that nobody asked for"
daemon_stop
check "what it may have written is flushed when the next daemon stops" grep -q flush "$T/ops"
start
check "which is taken over from, too" await 8 is_adopted 1
check "and works for the guest" idle_end

# --- killed under load ----------------------------------------------------------------------------
journals() { (cd "$XENSPLIT_LAB" && ls *.journal 2>/dev/null | sed 's/.journal$//' | xargs); }
at_work --bs 128K --qd 8 --queues 2
good_works 1
check "a journal for each queue: $(journals)" [ "$(journals)" = "vbd-1-51712-0 vbd-2-51712-0 vbd-2-51712-1" ]
over_and_over killed
again=$(sed -n 's/.* requests were answered, \([0-9]*\) are done again/\1/p' "$daemon_log" | awk '{ n += $1 } END { print n + 0 }')
check "$again requests were done again" [ "$again" -gt "$restarts" ]

# --- killed, with requests under way, and the journal is gone ------------------------------------
detach 1 || wrong "detach"
attach_wait 1 "delay,ms=60000:file:$T/a.img"
guest_start 1 "$B/bin/xsp-evil" 51712 hold >"$T/hold.log"
holder=$started
await 5 grep -q holding "$T/hold.log" || wrong "the holding guest does not connect"
good_begin 2 1
good_works 2
check "with a connection goes its journal: $(journals)" [ "$(journals)" = "vbd-1-51712-0 vbd-2-51712-0" ]
killed rm -f "$XENSPLIT_LAB"/*.journal
reason() { xenstore-read $be/xensplit-error 2>/dev/null | grep -q '[0-9]* requests were outstanding'; }
check "killed with requests under way: the reason is in the store" await 8 reason
check "its state was not touched" be_is 1 4
check "the log names the device" grep -q 'vbd/1/51712: not taken over: .*outstanding' "$daemon_log"
check "and the daemon says the same" grep -q outstanding <<<"$(rpc vbd.list)"
kill -9 $holder
wait $holder 2>/dev/null
kill -9 "${good[2]}"
wait "${good[2]}" 2>/dev/null
forget 1
forget 2
journal=$XENSPLIT_LAB/vbd-1-51712-0.journal
flock "$journal" sleep 3600 & # as a daemon that does not come to its end
holder=$!
await 5 eval '! flock -n "$journal" true' || wrong "the journal is not held"
attach_wait 1 "file:$T/a.img" && attach_wait 2 "file:$T/b.img" || wrong "attach anew"
check "detached and attached anew it works" guest 1 "$B/bin/xsp-evil" 51712 recover
kill $holder $(pgrep -P $holder)
good_begin 2 1
good_end 2 "after all"

# --- the record of a drained ring is not believed twice -------------------------------------------
xenstore-write $be/xensplit-drained "7 8 9"
idle_begin
check "a new connection forgets an old ring's record" await 3 bash -c "! xenstore-exists $be/xensplit-drained"
idle_end || wrong "the idle guest's disk"
close
