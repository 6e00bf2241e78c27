#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-cli.sh): the command for people, on real Xen.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
PATH=/src/build/release/bin:$PATH

# says WANTED-EXIT REGEX ARGS...: xensplit ends with that and says that
says() {
	local want=$1 regex=$2 rc
	shift 2
	xensplit "$@" >/tmp/said 2>&1
	rc=$?
	cat /tmp/said
	[ $rc = "$want" ] && grep -qE -- "$regex" /tmp/said
}
sectors() { [ "$(in_guest 1 "cat /sys/block/$1/size 2>/dev/null")" = "$2" ]; }
no_nodes() { ! xenstore-exists "/local/domain/0/backend/vbd/$1/$2" && ! xenstore-exists "/local/domain/$1/device/vbd/$2"; }

step "without the daemon"
check "doctor: this is Xen 4.17, the control domain, its devices are there" \
	says 1 'ok +world +Xen 4\.17, control domain' doctor
check "doctor: the devices are there" says 1 'ok +device +/dev/xen/gntdev' doctor
check "doctor: xen-blkback is not loaded" says 1 'ok +blkback' doctor
check "doctor: the daemon is missing, and what to do" says 1 'fail +daemon +no daemon answers' doctor
check "stat: the daemon cannot be reached" says 4 'is xensplitd running' stat
truncate -s 64M /root/a.img /root/b.img
export XENSPLITD_ARGS="--workers 2"
check "xensplitd starts" world_up || { closing; exit 1; }
check "doctor: all is well" says 0 'ok +daemon' doctor

step "a guest of xl"
check "guest 1 boots" guest_start 1 xvda=file:/root/a.img || { closing; exit 1; }
dom=$(guest_domid 1)
check "list: xl's disk, connected, with its target" says 0 "vbd/$dom/51712 +guest1 +xvda +0 +Connected .*file:/root/a.img" list
as_xl() { # state, event channel and ring reference
	local xl ours
	xl=$(xl block-list guest1 | awk 'NR == 2 { print $4, $5, $6 }')
	ours=$(xensplit list --json | sed -n 's/.*"peer_state":\([0-9]*\),"evtchn":\([0-9]*\),"ring_ref":\([0-9]*\).*/\1 \2 \3/p')
	echo "xl: $xl; xensplit: $ours"
	[ -n "$xl" ] && [ "$xl" = "$ours" ]
}
check "list: what xl block-list says" as_xl

step "attach"
check "a disk is attached and the guest connects" says 0 "vbd/$dom/51728 attached: xvdb, file:/root/b.img, read-write \(Connected\)" \
	attach guest1 file:/root/b.img xvdb --wait 60
check "the guest sees 64 MiB" eventually 20 sectors xvdb 131072
check "a missing file is refused, with the reason" says 1 "/root/nope.img: No such file" attach guest1 /root/nope.img xvdc
check "nothing is left of it" no_nodes "$dom" 51744
check "the guest writes, reads back, compares" in_guest 1 \
	'dd if=/dev/urandom of=/tmp/r bs=1M count=8 2>/dev/null; dd if=/tmp/r of=/dev/xvdb bs=1M oflag=direct conv=fsync 2>/dev/null
	dd if=/dev/xvdb bs=1M count=8 iflag=direct 2>/dev/null | cmp - /tmp/r'
check "stat: its requests are counted" says 0 "vbd/$dom/51728 +guest1 +[1-9][0-9]* +[1-9][0-9]* +[1-9]" stat
check "stat: flushes reached the file" eval "xensplit --json show guest1:xvdb | grep -q '\"fl_req\":[1-9]'"
check "ring: nothing in flight, the guest will wake us" says 0 'in flight +0' ring guest1:xvdb
check "ring: the next request will wake us" says 0 "next request will wake us" ring guest1:xvdb
check "ring: the page's machine frame or its grant" says 0 'grant [0-9]+' ring guest1:xvdb
check "show: both ends' nodes" says 0 "/local/domain/$dom/device/vbd/51728" show guest1:xvdb
in_guest 1 'fio --name=x --filename=/dev/xvdb --rw=randread --bs=4k --size=32m --direct=1 --ioengine=libaio --iodepth=16 --time_based --runtime=12 >/dev/null 2>&1' &
fio=$!
sleep 4
check "stat --watch: rates of a live guest" says 0 'guest1 +[1-9][0-9]* r/s .* p99 [0-9.]+ [um]s .*[0-9.]+ evt/req' stat --watch 1 --count 3 guest1:xvdb
check "the read load ends well" wait $fio

step "workers, limits"
count() { xensplit --json stat guest1:xvdb | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
in_guest 1 'fio --name=x --filename=/dev/xvdb --rw=randrw --bs=4k --size=16m --direct=1 --ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --time_based --runtime=40 >/tmp/fio.log 2>&1' &
fio=$!
sleep 3
for to in 1 0 1 0; do
	check "moved to worker $to under load" says 0 "moved to worker $to|runs on worker $to" worker move guest1:xvdb $to
done
check "worker 0 looks at its rings, and asks for no events" says 0 'always' worker set 0 mode=always
sleep 1
wakes=$(count wakes) reads=$(count read_requests)
sleep 3
wakes=$(($(count wakes) - wakes)) reads=$(($(count read_requests) - reads))
echo "$reads reads, $wakes events"
check "no events, but requests" [ "$wakes" -le 2 -a "$reads" -gt 20 ]
check "worker 0 sleeps again" says 0 'event' worker set 0 mode=event
check "a limit" says 0 'iops 50/s' throttle guest1:xvdb iops=50/s@100ms
sleep 1
reads=$(($(count read_requests) + $(count write_requests)))
sleep 4
reads=$(($(count read_requests) + $(count write_requests) - reads))
echo "$reads requests in about 4 s"
check "is kept" [ "$reads" -le 300 -a "$reads" -gt 50 ]
check "and taken away" says 0 'iops none' throttle guest1:xvdb iops=none
check "the load with verification ends well" wait $fio

step "detach"
check "detach" says 0 detached detach guest1:xvdb
check "the guest lost it" eventually 10 sectors xvdb ""
check "no node is left" no_nodes "$dom" 51728
check "attached again, it works again" says 0 Connected attach guest1 file:/root/b.img xvdb ro --wait 60
readonly_there() { [ "$(in_guest 1 'cat /sys/block/xvdb/ro')" = 1 ]; }
check "now read-only" eventually 20 readonly_there
in_guest 1 'fio --name=x --filename=/dev/xvdb --rw=randread --bs=4k --size=32m --direct=1 --ioengine=libaio --iodepth=16 --time_based --runtime=15 >/dev/null 2>&1' &
fio=$!
sleep 3
check "--force under load ends" says 0 detached detach --force guest1:xvdb
wait $fio
check "no node is left" no_nodes "$dom" 51728
check "the other disk goes on" in_guest 1 'dd if=/dev/xvda of=/dev/null bs=1M count=8 iflag=direct'

step "the end"
check "the guest is destroyed" guest_destroy 1
check "doctor: no domain is stuck in dying, no disk in trouble" says 0 'none stuck in dying' doctor
check "the daemon drains and ends with 0" world_down
closing
