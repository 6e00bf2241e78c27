#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Sectors of 4096 bytes: offered as they are, and made into sectors of 512 (512e) by read, modify,
# write; over a file that pretends, and over a real block device of such sectors with O_DIRECT.
# timeout: 60
# configs: release asan tsan
set -u
. "$TOP/tests/lab/vbd.sh"
lab_up 1
daemon_start --workers 2
truncate -s 4M "$T/a.img" "$T/b.img"
loop=
let_go() { [ -z "$loop" ] || losetup -d "$loop"; lab_down; }
trap let_go EXIT

info() { dom 1 xensplit-vbd info xvda --json | python3 -c "import json,sys; d=json.load(sys.stdin); print(d['sector_bytes'], d['physical_bytes'], d['size_bytes'])"; }
try() { # SPEC SECTOR
	attach 1 51712 "$1"
	[ "$(info)" = "$2 4096 4194304" ] || fail "$1: $(info)"
	if [ "$2" = 512 ]; then # parts of blocks, many requests to each
		exits 0 dom 1 xensplit-vbd verify xvda --bs 512 --size 64k --time 0.3 --quiet --flush-every 50
		exits 0 dom 1 xensplit-vbd verify xvda --bs 1536 --time 0.3 --quiet --queues 2
		exits 0 dom 1 xensplit-vbd verify xvda --bs 512 --offset 3584 --size 8k --time 0.3 --qd 16 --quiet --queues 2
	else
		exits 2 dom 1 xensplit-vbd verify xvda --bs 512 --time 0.1 --quiet
	fi
	exits 0 dom 1 xensplit-vbd verify xvda --bs 64k --time 0.3 --quiet
	detach 1 51712
	wait_for 5 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read /local/domain/0/backend/vbd/1/51712/state)\" = 6 ]"
}

echo "== a file"
try "sectors,size=4096:file:$T/a.img" 4096
try "512e:sectors,size=4096:file:$T/a.img" 512
try "512e:delay,ms=1:sectors,size=4096:file:$T/a.img" 512

echo "== a 4Kn block device"
if loop=$(losetup -b 4096 -f --show "$T/b.img" 2>/dev/null); then
	try "file,direct:$loop" 4096
	try "512e:file,direct:$loop" 512
else
	loop= && echo "no loop device here: left out"
fi
echo "== discard: offered if the target can, unless discard-enable is 0; in the device's units"
offers() { # SPEC DISCARD-ENABLE|- FEATURE [GRANULARITY]
	local be=/local/domain/0/backend/vbd/1/51728
	attach 1 51728 "$1"
	[ "$2" = - ] || dom 0 xenstore-write $be/discard-enable "$2" $be/state 1
	exits 0 dom 1 xensplit-vbd info xvdb >"$T/out"
	[ "$(dom 0 xenstore-read $be/feature-discard)" = "$3" ] || fail "$1, discard-enable $2: not $3"
	[ $# = 3 ] || [ "$(dom 0 xenstore-read $be/discard-granularity)" = "$4" ] ||
		fail "$1: granularity $(dom 0 xenstore-read $be/discard-granularity), not $4"
	[ "$3" = 0 ] || [ "$(dom 0 xenstore-read $be/discard-secure)" = 0 ] || fail "secure discard"
}
offers "file:$T/a.img" - 1
offers "file:$T/a.img" 1 1
offers "file:$T/a.img" 0 0
offers "512e:sectors,size=4096:file:$T/a.img" - 1 4096
if [ -n "$loop" ]; then
	granularity=$(cat "/sys/block/${loop#/dev/}/queue/discard_granularity")
	if [ "$granularity" = 0 ]; then offers "file:$loop" - 0; else offers "file:$loop" - 1; fi
fi
daemon_stop || fail "the daemon ended with $?"
