#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A hostile guest while its disk changes: storms of media and of sizes under a full ring, new kernels
# without a goodbye, every way to count sectors. A second guest with verified I/O sees no error.
# timeout: 90
# configs: release asan tsan
. "${0%/*}/faults.sh"

dose=${FAULTS_DOSE:-100}
evil() { guest 1 timeout $((60 * dose / 100 + 60)) "$B/bin/xsp-evil" --dose "$dose" "$@"; }
be=/local/domain/0/backend/vbd/1/51712
dom0() { "$B/bin/xensplit" lab run 0 -- "$@"; }

daemon_start
truncate -s 4M "$T/a.iso"; truncate -s 9M "$T/b.iso"; truncate -s 513 "$T/odd.iso"
attach_wait 1 "$(image evil.img)" || fatal "the hostile guest's disk"
attach_wait 2 "$(image good.img)" || fatal "the good guest's disk"
good_begin 2 1

check "kexec at each state" evil 51712 reborn
check "kexec at each state, pages kept mapped" evil --persistent 51712 reborn
detach 1
attach_wait 1 "sectors,size=4096:file:$T/evil.img" || fatal "sectors of 4096"
check "every dialect on sectors of 4096" evil 51712 dialects
detach 1
attach_wait 1 "512e:sectors,size=4096:file:$T/evil.img" || fatal "512e"
check "every dialect on 512e" evil 51712 dialects
alive || fatal "the daemon is dead"

storm() { # COMMAND...: again and again while the guest does its worst
	local n=0
	evil 51712 change-storm >"$T/storm" 2>&1 &
	while ! grep -q ready "$T/storm" && kill -0 $! 2>/dev/null; do sleep 0.05; done
	while kill -0 $! 2>/dev/null; do
		"$@" $n
		n=$((n + 1))
	done
	wait $!
}
sizes() {
	case $(($1 % 5)) in 0) s=1M ;; 1) s=0 ;; 2) s=40M ;; 3) s=513 ;; *) s=12M ;; esac
	truncate -s $s "$T/evil.img"
	sleep 0.2
}
media() { # what libxl writes, and nonsense
	local a=("$T/a.iso" "" "$T/b.iso" "$T/none.iso" "null:7M" "$T/odd.iso" "delay,ms=5:null:3M" "nonsense:")
	dom0 xenstore-write $be/params "${a[$(($1 % 8))]}"
}
detach 1
attach_wait 1 "file:$T/evil.img" || fatal "the disk whose size changes"
dom0 xenstore-write $be/removable 0 $be/state 1 # whose medium the guest can't eject
await_be 1 2 || fatal "it is not made anew"
check "a storm of sizes" storm sizes
tail -n 2 "$T/storm"
truncate -s 4M "$T/evil.img"
sleep 2.5
check "then the disk works" evil 51712 recover
detach 1
attach_wait 1 "file:$T/evil.img" || fatal "the disk again"
dom0 xenstore-write $be/removable 1 $be/device-type cdrom
dom0 xenstore-write $be/state 1
await_be 1 2 || fatal "it is not made anew"
check "a storm of media" storm media
tail -n 2 "$T/storm"
dom0 xenstore-write $be/params "file:$T/evil.img"
check "then the disk works" evil 51712 recover
alive || fatal "the daemon is dead"
log=$(stat -c %s "$daemon_log")
check "the log is small ($log bytes)" [ "$log" -lt 131072 ]
good_end 2 "during all of this"
close
