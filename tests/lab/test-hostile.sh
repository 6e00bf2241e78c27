#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A hostile guest beside a good one. After every attack the daemon lives, the log has grown little and
# names the device, the good guest saw no error, and the attacked disk works again.
# timeout: 240
# configs: release asan
#
#   FAULTS_DOSE=10000    percent of the CI dose for attacks that come in numbers (xsp-evil --help)
. "${0%/*}/faults.sh"

dose=${FAULTS_DOSE:-100}
case $B in *asan) dose=${FAULTS_DOSE:-40} ;; esac
evil() { guest 1 timeout $((60 * dose / 100 + 60)) "$B/bin/xsp-evil" --dose "$dose" --peer 3 "${@:1:$#-1}" 51712 "${@: -1}"; }
log_bytes() { stat -c %s "$daemon_log"; }

daemon_start
attach_wait 1 "$(image evil.img)" || fatal "the hostile guest's disk"
attach_wait 2 "$(image good.img)" || fatal "the good guest's disk"
# What is made on first use is there after this: buffers touched, the lab's views of guests' memory.
good_begin 2 1
check "before anything the disk works" evil layouts
check "many times" evil toggles
good_end 2 "before anything"
fds_before=$(fds) rss_before=$(rss_kib)
mapped_before=$(lab_number pages_mapped 1) ports_before=$(lab_number ports 0)

attack() { # NAME [OPTION...]: on a disk attached anew, for each disk has its own share of the log
	local from rc=0 text bytes
	detach 1 && attach_wait 1 "file:$T/evil.img" || fatal "$1: the disk can't be attached"
	from=$(log_bytes)
	evil "${@:2}" "$1" || rc=$?
	alive || fatal "$1: the daemon is dead"
	bytes=$(($(log_bytes) - from))
	text=$(tail -c "+$((from + 1))" "$daemon_log")
	[ $rc = 0 ] || wrong "$1: not all went as it should"
	[ $bytes -lt 65536 ] || wrong "$1: the log grew by $bytes bytes"
	grep -aq 'vbd/1/51712: ' <<<"$text" || wrong "$1: no line of the log names the device"
	grep -a . <<<"$text" | grep -av 'vbd/1/51712: \|vbd/2/51712: \(dis\)*connected' && wrong "$1: lines about something else"
	[ $rc = 0 ] && echo "      $1: $bytes bytes of log"
}

good_begin 2 1
for a in ring-overflow ring-far ring-back ring-flip event-indices stale-ring padding layouts segments sectors range grants \
	operations indirect discard double-fetch nodes connects nodes-vanish pages-vanish port toggles node-storm; do
	attack $a
done
for a in padding segments grants indirect double-fetch toggles pages-vanish; do
	attack $a --persistent
done
bad=$(counter 1 bad_req)
attack log-flood
check "bad requests are counted exactly ($(($(counter 1 bad_req) - bad)))" \
	[ $(($(counter 1 bad_req) - bad)) = $((1000 * dose)) ]
attack state-storm

# A disk that may only be read, and looks like an image of another format (XSA-48, -142).
detach 1
printf 'QFI\xfb\0\0\0\2/etc/shadow' | dd of="$T/evil.img" conv=notrunc status=none
sum=$(sha256sum <"$T/evil.img")
attach_wait 1 "file:$T/evil.img" r
check "writes of all kinds to a read-only disk" evil read-only
check "its image is unchanged" [ "$(sha256sum <"$T/evil.img")" = "$sum" ]
check "raw is raw" [ "$(guest 1 "$B/bin/xensplit-vbd" read xvda 0 512 2>/dev/null | sha256sum)" = "$(head -c 512 "$T/evil.img" | sha256sum)" ]
detach 1
attach_wait 1 "file:$T/evil.img"

# Killed with the ring full, again and again.
for i in 1 2 3 4 5 6 7 8 9 10; do
	evil die >/dev/null 2>&1
	[ $? = 137 ] || wrong "killed in mid-I/O, round $i: it was not"
	alive || fatal "killed in mid-I/O, round $i: the daemon is dead"
done
check "ten guests killed in mid-I/O, and the disk works" evil recover
good_end 2 "during all of this"

# Nothing of all that is left.
same() { [ "$2" -le "$3" ] || { wrong "$1: $3 before, $2 now"; return; }; ok "$1: $2, as before"; }
# The lab's library keeps an eventfd for each handle number that it has sent an event to.
same "descriptors, with 4 of slack" "$(fds)" $((fds_before + 4))
same "pages of the guest mapped" "$(lab_number pages_mapped 1)" "$mapped_before"
same "event channels of Dom0" "$(lab_number ports 0)" "$ports_before"
# The slack: how many of the worker's buffers were ever in use at once is a matter of timing.
case $B in *release) same "resident KiB, with 16 MiB of slack" "$(rss_kib)" $((rss_before + 16384)) ;; esac

# An event storm while nobody works: what it costs us.
cpu=$(cpu_ms "$daemon")
evil event-storm || wrong "event-storm alone"
cpu=$(($(cpu_ms "$daemon") - cpu))
check "three seconds of events for nothing cost $cpu ms of processor" [ $cpu -lt $((4 * dose)) ]
close
