#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Disks that are full, broken, slow, hung or cut off, and a daemon that is stopped for a while: only
# the guest whose disk it is notices, and nothing is lost.
# timeout: 150
# configs: release asan
#
#   FAULTS_STOP_SECONDS=60    how long the daemon is stopped (3)
. "${0%/*}/faults.sh"

evil() { guest 1 timeout 60 "$B/bin/xsp-evil" "${@:1:$#-1}" 51712 "${@: -1}"; }
vbd() { guest 1 timeout 60 "$B/bin/xensplit-vbd" "$@"; }
io_errors() { counter 1 io_errors; }

# Both disks on one worker: a slow one must not slow the other all the same.
daemon_start --workers 1 --drain-seconds 2
attach_wait 2 "$(image good.img)" || fatal "the good guest's disk"
good_begin 2 1

# --- a full file system ---------------------------------------------------------------------------
mkdir -p "$T/small"
if mount -t tmpfs -o size=4M tmpfs "$T/small" 2>/dev/null; then
	head -c 8M /dev/urandom >"$T/data"
	truncate -s 32M "$T/small/thin.img"
	attach_wait 1 "file:$T/small/thin.img"
	vbd write xvda 0 <"$T/data" 2>"$T/full.err" && wrong "a write to a full file system succeeded"
	check "the guest is told that its disk is full ($(tail -n 1 "$T/full.err"))" [ "$(io_errors)" -gt 0 ]
	check "the log says why" grep -q 'vbd/1/51712: write .* No space left' "$daemon_log"
	mount -o remount,size=64M "$T/small"
	check "with space again the same write succeeds" vbd write xvda 0 <"$T/data"
	vbd read xvda 0 8M 2>/dev/null | cmp - "$T/data" && ok "and every byte of it is there" || wrong "data differs"
	detach 1 || wrong "detach of the thin disk"
	umount "$T/small"
else
	echo "      no tmpfs can be mounted here: the full disk is not tried"
fi

# --- a disk with errors ---------------------------------------------------------------------------
for op in read write flush; do
	attach_wait 1 "error,op=$op,every=10:null:64M"
	evil count >"$T/count" || wrong "errors of $op: $(cat "$T/count")"
	for o in read write flush; do
		want=$([ $o = $op ] && echo 10 || echo 0)
		grep -q "$o errors: $want of 100" "$T/count" || wrong "every 10th $op fails: $(grep "$o errors" "$T/count")"
	done
	check "every 10th $op fails, and is counted: $(io_errors)" [ "$(io_errors)" = 10 ]
	detach 1 || wrong "detach of the disk with errors"
done

# --- an image cut off under us --------------------------------------------------------------------
spec=$(image cut.img 16M)
attach_wait 1 "$spec"
check "before the cut" evil recover
truncate -s 1M "$T/cut.img"
check "reading where the image was cut off" evil read-far
check "after the cut" evil recover
detach 1 || wrong "detach of the cut image"
alive || fatal "the daemon is dead"
good_end 2 "while others' disks were full, failing and cut off"

# --- a slow disk ----------------------------------------------------------------------------------
attach_wait 1 "delay,ms=300:null:64M"
p99() { python3 -c 'import json,sys; print(int(json.load(open(sys.argv[1]))["p99_us"]))' "$1"; }
for try in 1 2 3 4 5; do # a busy machine has slow moments of its own
	guest_start 1 "$B/bin/xensplit-vbd" verify xvda --rw randread --time 60 --qd 32 --quiet --json >"$T/slow.json" 2>&1
	slow=$started
	await 10 be_is 1 4 || wrong "the slow disk does not connect"
	good_begin 2 2
	good_end 2 "beside a slow disk on the same worker"
	kill -USR1 $slow
	wait $slow || wrong "the slow disk: $(tail -n 2 "$T/slow.json")"
	[ "$(p99 "$T/good2.json")" -ge 100000 ] || break
done
check "p99: slow $(p99 "$T/slow.json") us, good $(p99 "$T/good2.json") us" [ "$(p99 "$T/good2.json")" -lt 100000 ]
check "the slow one is slow" [ "$(p99 "$T/slow.json")" -gt 250000 ]
detach 1 || wrong "detach of the slow disk"

# --- a guest destroyed in mid-I/O, and another of its number ---------------------------------------
attach_wait 1 "$(image dead.img)"
guest_start 1 "$B/bin/xensplit-vbd" verify xvda --size 8M --time 30 --quiet >/dev/null 2>&1
victim=$started
await 5 be_is 1 4 || wrong "the victim does not connect"
good_begin 2 1
await 5 be_is 2 4
"$B/bin/xensplit" lab destroy --dir "$XENSPLIT_LAB" 1
kill -9 $victim 2>/dev/null
wait $victim 2>/dev/null
gone() { ! "$B/bin/xensplit" lab status --json --dir "$XENSPLIT_LAB" | grep -q '"name": *"guest1"'; }
check "the destroyed guest is no zombie" await 4 gone
not_there() { ! xenstore-exists /local/domain/0/backend/vbd/1/51712; }
check "and its device is gone" await 4 not_there
"$B/bin/xensplit" lab create --dir "$XENSPLIT_LAB" 1
attach_wait 1 "file:$T/dead.img" || wrong "the new guest's disk is not offered"
check "a new guest of the same number has a disk that works" evil recover
detach 1 || wrong "detach from the new guest"
good_end 2 "while another was destroyed"

# --- the daemon stopped for a while ---------------------------------------------------------------
stop=${FAULTS_STOP_SECONDS:-3}
good_begin 2 1
good_works 2
kill -STOP "$daemon"
sleep "$stop"
kill -CONT "$daemon"
good_end 2 "while the daemon was stopped for $stop s"

# --- a hung disk ----------------------------------------------------------------------------------
attach_wait 1 "delay,ms=60000:null:64M"
guest_start 1 "$B/bin/xsp-evil" 51712 hold >"$T/hold.log"
holder=$started
await 5 grep -q holding "$T/hold.log" || wrong "the hung disk does not connect"
be=/local/domain/0/backend/vbd/1/51712
xenstore-write "$be/online" 0 "$be/state" 5
good_begin 2 2
good_end 2 "beside a hung disk that is being detached"
rpc vbd.ring '{"device":"vbd/1/51712"}' >"$T/ring" || wrong "the daemon does not answer about it"
check "32 requests are in flight" [ "$(python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); print(len(d["in_flight"]))' "$T/ring")" = 32 ]
begin=$SECONDS rc=0
kill -TERM "$daemon"
wait "$daemon" || rc=$?
check "SIGTERM with a hung disk ends after --drain-seconds ($((SECONDS - begin)) s) with 1 ($rc)" [ $rc = 1 -a $((SECONDS - begin)) -le 30 ]
check "and the log says so" grep -q 'still in flight after 2 s' "$daemon_log"
kill -9 $holder
wait $holder 2>/dev/null
forget 1

# --- hung disks that hold all a worker has --------------------------------------------------------
daemon_start --workers 1 --bounce-mib 1 --drain-seconds 1
attach_wait 1 "delay,ms=60000:null:64M"
attach_wait 3 "delay,ms=60000:null:64M"
guest_start 1 "$B/bin/xsp-evil" 51712 hold >"$T/hold.log"
holder=$started
guest_start 3 "$B/bin/xsp-evil" 51712 hold-indirect >"$T/hold3.log"
holder3=$started
await 5 grep -q holding "$T/hold.log" || wrong "the hung disk does not connect"
await 5 grep -q holding "$T/hold3.log" || wrong "the other hung disk does not connect"
head -c 2M /dev/urandom >"$T/data"
check "beside hung disks that hold all buffers a guest writes" \
	guest 2 timeout 20 "$B/bin/xensplit-vbd" write xvda 0 <"$T/data"
guest 2 timeout 20 "$B/bin/xensplit-vbd" read xvda 0 2M 2>/dev/null | cmp - "$T/data" && ok "and reads it back" || wrong "what it wrote can't be read back"
kill -9 $holder $holder3
wait $holder $holder3 2>/dev/null
kill -TERM "$daemon"
wait "$daemon"
forget 1
forget 3
daemon_start
good_begin 2 1
good_end 2 "after that, with the next daemon"
close
