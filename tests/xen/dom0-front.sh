#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-front.sh): libxensplit-front in a PV guest on real Xen. The guest's own
# xen-blkfront is unbound from the disk and our frontend takes it, through restarts of the daemon and
# a kill.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
vbd=/opt/xensplit-vbd

taken_over() { # both disks, by the daemon that runs now
	local pid
	pid=$(daemon_pid) && [ "$(tac /run/world/xensplitd.log | sed '/ serving /q' | grep -c 'taken over')" = 2 ]
}
written() { # /run/sum holds checksum and length of what the guest wrote at 64 KiB
	local len
	len=$(tail -n 1 /run/sum)
	sync
	[ "$(tail -c +65537 /root/a.img | head -c "$len" | sha256sum)" = "$(head -n 1 /run/sum)" ]
}

step "a guest with two disks; the kernel lets go of xvda"
truncate -s 64M /root/a.img /root/b.img
check "xensplitd starts" world_up || { closing; exit 1; }
GUEST_FILES="/src/build/release/bin/xensplit-vbd /src/build/release/bin/xensplit-front-example" \
	check "the guest boots" guest_start 1 xvda=file:/root/a.img xvdb=file:/root/b.img || { closing; exit 1; }
dir=/local/domain/$(guest_domid 1)/device/vbd/51712
back=$(xenstore-read "$dir/backend")
check "a disk the kernel uses is refused" \
	in_guest 1 "$vbd info xvda 2>&1 | grep 'in use by the kernel' && [ -e /dev/xvda ]"
check "the kernel lets go of xvda" in_guest 1 'echo vbd-51712 >/sys/bus/xen/drivers/vbd/unbind; [ ! -e /dev/xvda ]'

step "our frontend on it"
check "info" in_guest 1 "$vbd info xvda --timeout 60"
check "the example" in_guest 1 "/opt/xensplit-front-example xvda"
check "verified load, 8 under way" in_guest 1 "$vbd verify xvda --size 4M --time 3 --qd 8 --timeout 60 --quiet"
check "a larger ring, requests of 44 KiB" \
	in_guest 1 "$vbd verify xvda --size 4M --time 2 --timeout 60 --ring-order 2 --bs 44k --qd 16 --quiet"
check "closed on both sides" sh -c "[ \"\$(xenstore-read $back/state)\" = 6 ]"

step "verified load through two restarts of the daemon, the kernel's disk beside it"
in_guest 1 "$vbd verify xvda --size 4M --time 600 --qd 8 --timeout 60 --quiet --json &
	echo \$! >/tmp/verify.pid; wait \$!" >/run/verify.json &
load=$!
in_guest 1 "fio --name=v --filename=/dev/xvdb --rw=randrw --bs=16k --size=1M --io_size=2M --direct=1 --verify=crc32c --verify_fatal=1" >/run/fio.log &
fio=$!
check "our frontend is connected" eventually 60 sh -c "[ \"\$(xenstore-read $dir/state)\" = 4 ]"
for _ in 1 2; do
	sleep 1
	check "the daemon drains" daemon_stop
	daemon_start
	check "and takes the disk over again" eventually 60 taken_over
done
sleep 1
check "the load goes on until it is told to end" in_guest 1 "kill -USR1 \$(cat /tmp/verify.pid)"
check "our frontend saw no error" wait $load
cat /run/verify.json
check "the kernel's saw none" wait $fio

step "killed in the middle, opened again"
in_guest 1 "$vbd verify xvda --size 4M --time 600 --timeout 60 --quiet" >/dev/null 2>&1 &
load=$!
check "connected" eventually 60 sh -c "[ \"\$(xenstore-read $dir/state)\" = 4 ]"
in_guest 1 "kill -9 \$(xenstore-read device/vbd/51712/owner | cut -d' ' -f1)"
wait $load
check "opens again and writes" in_guest 1 "$vbd write xvda 65536 --timeout 60 </bin/busybox"
in_guest 1 "sha256sum </bin/busybox; wc -c </bin/busybox" >/run/sum
check "what was written is in the image" written
guest_log 1 >/run/guest.log
check "no trouble in the guest's kernel" sh -c "! grep -E 'WARNING|BUG|Oops|Call Trace' /run/guest.log"
world_down
closing
