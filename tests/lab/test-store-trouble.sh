#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# XenStore stopped, and killed, under I/O: the disks go on, changes made meanwhile are seen after.
# timeout: 120
#
#   FAULTS_STORE_SECONDS=60    how long xenstored is stopped (10)
. "${0%/*}/faults.sh"

stop=${FAULTS_STORE_SECONDS:-10}
xenstored=$(cat "$XENSPLIT_LAB/xenstored.pid")
be=/local/domain/0/backend/vbd/1/51712
written() { # DOM: requests so far; does not need the store
	counter "$1" wr_req
}

daemon_start
for dom in 1 2 3; do
	attach_wait $dom "$(image $dom.img)" || fatal "disk of guest $dom"
done
guest_start 1 "$B/bin/xsp-evil" 51712 idle >"$T/idle.log"
idler=$started
await 5 grep -q ': idle' "$T/idle.log" || wrong "the idle guest does not connect"
good_begin 2 1
good_works 2

# --- stopped --------------------------------------------------------------------------------------
kill -STOP "$xenstored"
before=$(written 2)
# These writes wait in the store's socket, as a toolstack's would.
xenstore-write $be/online 0 $be/state 5 &
writer=$!
sleep "$stop"
during=$(($(written 2) - before))
check "I/O goes on while xenstored is stopped for $stop s ($during writes)" [ $during -gt 100 ]
check "and the daemon answers" rpc daemon.version
kill -CONT "$xenstored"
wait $writer || wrong "the toolstack's write failed"
check "what was written meanwhile is seen after: the device closes" await 8 be_is 1 "5|6"
good_end 2 "while xenstored was stopped"
kill -9 $idler
wait $idler 2>/dev/null
forget 1
attach_wait 1 "file:$T/1.img"
check "a device can be attached and used after" guest 1 "$B/bin/xsp-evil" 51712 recover

# --- SIGTERM while it is stopped: no worse than a crash --------------------------------------------
guest_start 1 "$B/bin/xsp-evil" 51712 idle >"$T/idle.log"
idler=$started
await 5 grep -q ': idle' "$T/idle.log"
kill -STOP "$xenstored"
sleep 6 # the store thread looks every 5 s, and is stuck in that now
begin=$SECONDS
kill -TERM "$daemon"
sleep 1
kill -CONT "$xenstored"
rc=0
wait "$daemon" || rc=$?
check "SIGTERM while xenstored is stopped: left with $rc after $((SECONDS - begin)) s" [ $((SECONDS - begin)) -le 32 -a $rc -le 1 ]
daemon_start
check "the next daemon takes the idle disk over" await 8 grep -q 'vbd/1/51712: taken over' "$daemon_log"
kill -USR1 $idler
rc=0
wait $idler || rc=$?
check "and it works" [ $rc = 0 ]

# --- killed ---------------------------------------------------------------------------------------
guest_start 3 "$B/bin/xsp-evil" 51712 idle >"$T/idle3.log"
idler=$started
await 5 grep -q ': idle' "$T/idle3.log" || wrong "the idle guest does not connect"
good_begin 2 60 # it is killed below
await 5 be_is 2 4
sleep 1
kill -9 "$xenstored"
sleep 6
before=$(written 2)
sleep 1
check "I/O goes on without a xenstored" [ $(($(written 2) - before)) -gt 10 ]
is_down() { rpc daemon.status | grep -q '"store[^"]*": *false'; }
check "the log says so once" [ "$(grep -c 'XenStore does not answer' "$daemon_log")" = 1 ]
kill -9 "${good[2]}" $idler
wait "${good[2]}" $idler 2>/dev/null
begin=$SECONDS rc=0
kill -TERM "$daemon"
wait "$daemon" || rc=$?
check "SIGTERM without a store ends in order ($rc, $((SECONDS - begin)) s)" [ $rc = 0 -a $((SECONDS - begin)) -lt 10 ]
close
