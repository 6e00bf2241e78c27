#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-module-life.sh).
#   dom0-module-life.sh [RELOADS [SAVES [lies|polled|coming|saved|pvh|rooted]...]]   (default: all but pvh)
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
reloads=${1:-8} saves=${2:-2}
shift $(($# < 2 ? $# : 2))
steps=${*:-lies polled coming saved rooted}
lies='bad-id overflow' # a dose for CI
[ "$reloads" -lt 50 ] || lies='bad-id twice wrong-op overflow'
# kernel.sh says MODULES: another kernel's
blkfront=${MODULES:+/opt/xen-blkfront.ko}
blkfront=${blkfront:-/modules/xen-blkfront.ko}
[ ! -e "${MODULES:-}/xen-blkfront.ko" ] || GUEST_FILES=$MODULES/xen-blkfront.ko
export GUEST_FILES="${MODULES:-$B/guest}/xensplit-blk.ko ${GUEST_FILES:-}" GUEST_ARGS="xsp.without=xen-blkfront"
dbg=/sys/kernel/debug/xensplit-blk
drv=/sys/bus/xen/drivers/xensplit-blk

counts() { # N: pages granted, event channels
	echo "$(world-grants "$(guest_domid "$1")") $(/usr/lib/xen-4.17/bin/lsevtchn "$(guest_domid "$1")" | wc -l)"
}
as_before() { [ "$start" = "$(counts 1)" ]; }
quiet_kernel() { ! guest_log "$1" | grep -E 'WARNING|BUG|Oops|Call Trace|hung_task|blocked for more|possible (circular|recursive)'; }
appears() { in_guest "$1" "for i in \$(seq 40); do [ -b /dev/$2 ] && exit 0; sleep 0.25; done; dmesg | tail; exit 1"; }
log_says() { in_guest 1 "dmesg | grep -q '$1' || { dmesg | tail -n 5; false; }"; }

export IN_GUEST_TIMEOUT=$((300 + 20 * reloads)) # all of them are one command
step "a guest with the module"
truncate -s 64M /root/a.img /root/b.img
GUEST_VCPUS=2 GUEST_MEM=${GUEST_MEM:-160} check "guest 1 boots" guest_start 1 || { closing; exit 1; }
start=$(counts 1)
in_guest 1 "mount -t debugfs debugfs /sys/kernel/debug"

# --- a backend that lies: tests/lab/backend.c with nodes made by hand -------------------------------

dom=$(guest_domid 1) devid=51776
front=/local/domain/$dom/device/vbd/$devid back=/local/domain/0/backend/vbd/$dom/$devid
nodes() {
	xenstore-write "$back/frontend" "$front" "$back/frontend-id" "$dom" "$back/online" 1 "$back/state" 1
	xenstore-chmod -r "$back" n0 "r$dom"
	xenstore-write "$front/backend" "$back" "$front/backend-id" 0 "$front/virtual-device" $devid \
		"$front/device-type" disk
	xenstore-chmod -r "$front" "n$dom" r0
	xenstore-write "$front/state" 1
	xenstore-chmod "$front/state" "n$dom" r0
}
no_nodes() { xenstore-rm "$front"; xenstore-rm "$back"; in_guest 1 'for i in $(seq 40); do [ ! -e /dev/xvde ] && exit 0; sleep 0.25; done; exit 1'; }
backend() { test-backend "$dom" $devid "$1" >/tmp/backend 2>&1 & backend=$!; }
reads() { in_guest 1 "for i in \$(seq 40); do [ -b /dev/xvde ] && break; sleep 0.25; done
	fio --name=r --filename=/dev/xvde --rw=randread --bs=4k --io_size=${1:-2m} --size=512k --direct=1 --ioengine=libaio --iodepth=8"; }

lies() {
	step "backends that lie"
	check "the module is loaded" in_guest 1 "insmod /opt/xensplit-blk.ko"
	for mode in $lies; do
		nodes
		backend $mode
		reads >/tmp/reads 2>&1 &
		reads=$!
		check "$mode: the guest leaves it in order" wait $backend
		backend honest
		check "$mode: all reads are answered by the next backend" eval "wait $reads || { cat /tmp/reads; false; }"
		check "$mode: the kernel's log names it" log_says "vbd-$devid: the backend sent"
		in_guest 1 'dmesg -c >/dev/null'
		no_nodes
		kill $backend 2>/dev/null; wait $backend 2>/dev/null
	done
	nodes
	backend odd-status
	refuse "odd-status: an I/O error" reads
	refuse "odd-status: no worse" in_guest 1 '[ ! -b /dev/xvde ]'
	no_nodes
	kill $backend 2>/dev/null; wait $backend 2>/dev/null
	nodes
	backend storm
	check "storm: all reads are answered" reads
	no_nodes
	kill $backend 2>/dev/null; wait $backend 2>/dev/null
	nodes
	backend vanish
	refuse "vanish: I/O errors" reads
	check "vanish: the disk is gone" no_nodes
	wait $backend 2>/dev/null
	check "the module is unloaded" in_guest 1 "rmmod xensplit_blk"
	check "no grant and no event channel is left ($start, $(counts 1))" [ "$start" = "$(counts 1)" ]
}

polled() {
	step "two CPUs, two queues and a polled one"
	export XENSPLITD_ARGS="--workers 3"
	check "xensplitd starts" world_up
	check "a disk is attached" guest_attach 1 xvda=file:/root/b.img
	check "the module is loaded" in_guest 1 "insmod /opt/xensplit-blk.ko poll_queues=1"
	check "its disk" appears 1 xvda
	check "three rings" in_guest 1 "grep -q 'queues 3' $dbg/vbd-51712/device && grep -q 'polled 1' $dbg/vbd-51712/device"
	polled='s/^queue=2.* events=\([0-9]*\) .* polled=\([0-9]*\) poll_found=\([0-9]*\).*/\1 \2 \3/p'
	check "io_uring with IOPOLL: verified" in_guest 1 "fio --name=v --filename=/dev/xvda --rw=randrw --bs=4k --size=4m --direct=1 \
		--ioengine=io_uring --hipri --iodepth=4 --verify=crc32c --verify_fatal=1 --randrepeat=0"
	check "completions were found by polling, none by events" in_guest 1 "set -- \$(sed -n '$polled' $dbg/vbd-51712/counters)
		echo \$*; [ \$1 -le 1 ] && [ \$3 -ge 1000 ]"
	check "both CPUs, interrupts, verified" in_guest 1 "fio --name=v --filename=/dev/xvda --rw=randrw --bsrange=4k-64k --size=8m --direct=1 \
		--ioengine=libaio --iodepth=8 --numjobs=2 --offset_increment=16m --verify=crc32c --verify_fatal=1 --randrepeat=0"
	in_guest 1 "cat $dbg/vbd-51712/counters" | cut -c1-100 | sed 's/^/      | /'
	check "unloaded" in_guest 1 "echo vbd-51712 >$drv/unbind; rmmod xensplit_blk"
	check "no grant and no event channel is left ($start, $(counts 1))" [ "$start" = "$(counts 1)" ]
	check "the disk is detached" guest_detach 1 xvda
	check "xensplitd stops" daemon_stop
	unset XENSPLITD_ARGS
}

# A module that serves a disk can't be unloaded, so the disk that is busy all the while is
# xen-blkfront's in the first round; in the second it is the module's own, which stays.
coming() {
	local other=51728
	# with pauses: otherwise fio has the processor that loading and unloading needs
	local busy="rm -f /tmp/stop /tmp/result; (n=0; while [ ! -e /tmp/stop ]; do
		fio --name=v --filename=/dev/xvdb --rw=randrw --bsrange=4k-64k --size=2m --direct=1 --ioengine=libaio --iodepth=4 \
			--thinktime=5ms --thinktime_blocks=4 --verify=crc32c --verify_fatal=1 --randrepeat=0 >/tmp/fio.log 2>&1 || { cat /tmp/fio.log >/tmp/result; exit; }
		n=\$((n + 1)); done; echo \$n rounds, no error >/tmp/result) >/dev/null 2>&1 &"
	local done='touch /tmp/stop; for i in $(seq 240); do [ -s /tmp/result ] && break; sleep 0.5; done
		cat /tmp/result; grep -q "[1-9][0-9]* rounds, no error" /tmp/result'
	local used="for t in \$(seq 40); do [ -b /dev/xvda ] && break; sleep 0.1; done
		dd if=/dev/zero of=/dev/xvda bs=256k count=4 oflag=direct 2>/dev/null"
	step "loaded and unloaded $reloads times, another disk in use"
	check "xensplitd starts" world_up
	check "a disk for xen-blkfront" eval "guest_attach 1 xvdb=file:/root/b.img && in_guest 1 'insmod $blkfront'"
	check "it is there" appears 1 xvdb
	check "another is attached, and let go" eval "guest_attach 1 xvda=file:/root/a.img && appears 1 xvda &&
		in_guest 1 'echo vbd-51712 >/sys/bus/xen/drivers/vbd/unbind'"
	in_guest 1 "$busy"
	check "$reloads times" in_guest 1 "set -e; i=0; while [ \$i -lt $reloads ]; do insmod /opt/xensplit-blk.ko
		$used; echo vbd-51712 >$drv/unbind; rmmod xensplit_blk; i=\$((i + 1)); done; [ ! -s /tmp/result ]"
	check "xvdb was verified all the while" in_guest 1 "$done"
	sed 's/^/      | /' /tmp/check.out | tail -n 1
	check "xen-blkfront is unloaded" in_guest 1 "echo vbd-$other >/sys/bus/xen/drivers/vbd/unbind; rmmod xen_blkfront"
	# what the backend still has mapped when xen-blkfront goes, the kernel gets rid of later
	check "no grant and no event channel is left ($start, $(counts 1))" eventually 30 as_before

	step "bound and unbound $reloads times, another disk of the module in use"
	check "loaded" in_guest 1 "insmod /opt/xensplit-blk.ko"
	check "both disks" eval "appears 1 xvda && appears 1 xvdb"
	in_guest 1 "$busy"
	check "$reloads times" in_guest 1 "set -e; i=0; while [ \$i -lt $reloads ]; do
		echo vbd-51712 >$drv/unbind; [ ! -e /dev/xvda ]; echo vbd-51712 >$drv/bind; $used; i=\$((i + 1)); done; [ ! -s /tmp/result ]"
	check "xvdb was verified all the while" in_guest 1 "$done"
	sed 's/^/      | /' /tmp/check.out | tail -n 1
	check "unloaded" in_guest 1 "echo vbd-51712 >$drv/unbind; echo vbd-$other >$drv/unbind; rmmod xensplit_blk"
	check "no grant and no event channel is left ($start, $(counts 1))" [ "$start" = "$(counts 1)" ]
	check "the disks are detached" eval "guest_detach 1 xvda && guest_detach 1 xvdb"
}

under_load() { # N: its xvda, saved and restored under verified I/O
	local n=$1 i
	in_guest "$n" 'rm -f /tmp/stop /tmp/result; (n=0; while [ ! -e /tmp/stop ]; do
		fio --name=v --filename=/dev/xvda --rw=randrw --bsrange=4k-64k --size=6m --direct=1 --ioengine=libaio --iodepth=8 \
			--verify=crc32c --verify_fatal=1 --randrepeat=0 >/tmp/fio.log 2>&1 || { cat /tmp/fio.log >/tmp/result; exit; }
		n=$((n + 1)); done; echo $n rounds, no error >/tmp/result) >/dev/null 2>&1 &'
	for ((i = 1; i <= saves; i++)); do
		check "save $i" xl save "guest$n" /root/save
		check "restore $i" xl restore /root/save
		xl domid "guest$n" >"$XSP_WORLD/guest$n/domid"
		xenstore-read "/local/domain/$(guest_domid "$n")/console/tty" >"$XSP_WORLD/guest$n/tty"
		sleep 1
	done
	rm -f /root/save
	check "verified through all of it" in_guest "$n" 'touch /tmp/stop; for i in $(seq 240); do [ -s /tmp/result ] && break; sleep 0.5; done
		cat /tmp/result; grep -q "[1-9][0-9]* rounds, no error" /tmp/result'
	sed 's/^/      | /' /tmp/check.out | tail -n 3
	check "connected once and again after each restore" in_guest "$n" "grep -x 'connections $((saves + 1))' $dbg/vbd-51712/device"
}

saved() {
	step "saved and restored $saves times under verified I/O"
	check "xensplitd starts" world_up
	check "a disk is attached" guest_attach 1 xvda=file:/root/a.img
	check "loaded" in_guest 1 "insmod /opt/xensplit-blk.ko"
	check "its disk" appears 1 xvda
	under_load 1
	check "unloaded" in_guest 1 "echo vbd-51712 >$drv/unbind; rmmod xensplit_blk"
	check "no grant and no event channel is left ($start, $(counts 1))" [ "$start" = "$(counts 1)" ]
	check "the disk is detached" guest_detach 1 xvda
}

pvh() {
	step "PVH: saved and restored $saves times under verified I/O"
	check "xensplitd starts" world_up
	GUEST_TYPE=pvh GUEST_VCPUS=2 check "guest 6 boots" guest_start 6 xvda=file:/root/b.img || return
	check "loaded" in_guest 6 "insmod /opt/xensplit-blk.ko; mount -t debugfs debugfs /sys/kernel/debug"
	check "its disk" appears 6 xvda
	under_load 6
	check "unloaded" in_guest 6 "echo vbd-51712 >$drv/unbind; rmmod xensplit_blk"
	check "guest 6's kernel is well" quiet_kernel 6
	check "guest 6 stops in order" guest_stop 6
}

rooted() {
	step "a guest whose root is on it"
	check "xensplitd starts" world_up
	mkdir -p /root/r && (cd /root/r && busybox cpio -idm </images/guest.cpio 2>/dev/null)
	truncate -s 160M /root/root.img
	check "a root file system" mke2fs -q -t ext4 -d /root/r /root/root.img
	rm -rf /root/r
	GUEST_FILES="$GUEST_FILES /src/tests/xen/root-init" GUEST_ARGS="rdinit=/opt/root-init xsp.without=xen-blkfront" \
		check "guest 5 boots" guest_start 5 xvda=file:/root/root.img
	check "its root is xvda, by this module" in_guest 5 "grep '^/dev/xvda / ext4' /proc/mounts && [ -e $drv/vbd-51712 ] && [ ! -e /sys/module/xen_blkfront ]"
	check "it writes there" in_guest 5 'dd if=/dev/urandom of=/root/f bs=1M count=4 2>/dev/null; sha256sum </root/f >/root/sum; sync'
	check "guest 5's kernel is well" quiet_kernel 5
	check "guest 5 stops in order" guest_stop 5
	check "what it wrote is in the image" sh -c 'e2fsck -fy /root/root.img; [ $? -le 1 ] && [ "$(debugfs -R "cat /root/f" /root/root.img 2>/dev/null | sha256sum)" = "$(debugfs -R "cat /root/sum" /root/root.img 2>/dev/null)" ]'
}

for s in $steps; do $s; done
step "the end"
check "guest 1's kernel is well" quiet_kernel 1
[ $broken = 0 ] || { guest_log 1; tail -n 20 "$XSP_DAEMON_LOG"; }
check "guest 1 stops in order" guest_stop 1
closing
