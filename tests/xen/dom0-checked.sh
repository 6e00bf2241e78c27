#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see kernel.sh): both modules in one guest with KASAN and lockdep, each thing once; what
# such a kernel says of it is what this is for. The same steps in earnest are dom0-module-life.sh and
# dom0-netmodule.sh.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
export GUEST_FILES="$MODULES/xensplit-blk.ko $MODULES/xensplit-net.ko $B/bin/test-xdp" IN_GUEST_TIMEOUT=900
blk=/sys/bus/xen/drivers/xensplit-blk net=/sys/bus/xen/drivers/xensplit-net dbg=/sys/kernel/debug

complaints='WARNING:|BUG:|Oops|Call Trace|hung_task|blocked for more|possible (circular|recursive)|non-static key'
quiet() { # WHAT: the kernel has not complained so far; asked itself, as what the console says comes much later
	check "$1: the kernel has no complaint" in_guest 1 "if dmesg | grep -E -A 24 '$complaints' >/tmp/c; then cut -c1-120 /tmp/c | head -n 25; exit 1; fi"
}
carrier="for i in \$(seq 80); do grep -q 1 /sys/class/net/eth0/carrier && break; sleep 0.25; done"
fio="fio --name=v --rw=randrw --bsrange=4k-64k --size=1m --direct=1 --verify=crc32c --verify_fatal=1 --randrepeat=0 --minimal"

disk() {
	step "xensplit-blk.ko"
	check "loaded, a polled ring, fio verify with interrupts and polled" in_guest 1 "insmod /opt/xensplit-blk.ko poll_queues=1
		for i in \$(seq 40); do [ -b /dev/xvdb ] && break; sleep 0.25; done
		$fio --filename=/dev/xvda --ioengine=libaio --iodepth=8 >/tmp/f && $fio --filename=/dev/xvda --ioengine=io_uring --hipri --iodepth=4 >/tmp/f || { cat /tmp/f; exit 1; }
		grep -o ' poll_found=[1-9][0-9]*' $dbg/xensplit-blk/vbd-51712/counters && cat $dbg/xensplit-blk/*/* >/dev/null"
	check "unbound and bound while another is busy, loaded again with a grant for each page" in_guest 1 "set -e; $fio --filename=/dev/xvdb --ioengine=libaio --iodepth=8 >/tmp/g & f=\$!
		echo vbd-51712 >$blk/unbind; echo vbd-51712 >$blk/bind; wait \$f
		for d in $blk/vbd-*; do echo \${d##*/} >$blk/unbind; done; rmmod xensplit_blk; insmod /opt/xensplit-blk.ko persistent=N
		for i in \$(seq 40); do [ -b /dev/xvda ] && [ -b /dev/xvdb ] && break; sleep 0.25; done; $fio --filename=/dev/xvda --ioengine=libaio --iodepth=8 >/tmp/f"
	quiet disk
}
nic() {
	step "xensplit-net.ko"
	check "loaded, pings, TCP both ways" in_guest 1 "insmod /opt/xensplit-net.ko; ip link set lo up; ip link set eth0 up; ip addr add 10.9.0.11/24 dev eth0; $carrier
		ping -q -c 2 -W 5 -s 9000 10.9.0.1 && iperf3 -c 10.9.0.1 -n 2M >/dev/null && iperf3 -c 10.9.0.1 -R -n 2M >/dev/null && cat $dbg/xensplit-net/*/* >/dev/null"
	check "XDP, another number of queues, offloads, unbound and bound" in_guest 1 "/opt/test-xdp eth0 pass 600 >/tmp/x 2>&1 & p=\$!; sleep 2; $carrier
		ping -q -c 2 -W 5 10.9.0.1; kill \$p; sleep 1; $carrier
		ethtool -K eth0 tso off gro off tx off; ethtool -S eth0 >/dev/null; ethtool -x eth0 >/dev/null; ethtool -L eth0 combined 1
		ip link set eth0 promisc on; ip link set eth0 promisc off; ip link set eth0 down; ip link set eth0 up; $carrier
		echo vif-0 >$net/unbind; echo vif-0 >$net/bind; for i in \$(seq 40); do [ -e /sys/class/net/eth0 ] && break; sleep 0.25; done
		ip link set eth0 up; ip addr add 10.9.0.11/24 dev eth0; $carrier; ping -q -c 2 -W 5 10.9.0.1"
	quiet NIC
}
lies() { # as in dom0-module-life.sh and dom0-netmodule.sh; needs both modules loaded
	local dom mode class id back front backend
	dom=$(guest_domid 1)
	step "backends that lie"
	for mode in vbd:bad-id vbd:overflow vif:rx-bad-id vif:tx-overflow; do
		class=${mode%:*} mode=${mode#*:} id=51776
		[ $class = vbd ] || id=5
		front=/local/domain/$dom/device/$class/$id back=/local/domain/0/lying/$class/$dom/$id
		[ $class = vif ] || back=/local/domain/0/backend/vbd/$dom/$id
		xenstore-write "$back/frontend" "$front" "$back/frontend-id" "$dom" "$back/online" 1 "$back/state" 1
		xenstore-chmod -r "$back" n0 "r$dom"
		xenstore-write "$front/backend" "$back" "$front/backend-id" 0 "$front/virtual-device" $id \
			"$front/device-type" disk "$front/mac" 00:16:3e:00:05:05 "$front/handle" $id
		xenstore-chmod -r "$front" "n$dom" r0
		xenstore-write "$front/state" 1
		xenstore-chmod "$front/state" "n$dom" r0
		case $class in
		vbd)
			test-backend "$dom" $id $mode >/tmp/backend 2>&1 & backend=$!
			in_guest 1 "for i in \$(seq 80); do [ -b /dev/xvde ] && break; sleep 0.25; done; dd if=/dev/xvde of=/dev/null iflag=direct bs=512 count=2048" >/dev/null 2>&1 &
			;;
		vif)
			test-netbackend "$dom" $id $mode >/tmp/backend 2>&1 & backend=$!
			in_guest 1 "for i in \$(seq 80); do [ -e /sys/class/net/eth1 ] && break; sleep 0.25; done; ip link set eth1 up; ip addr add 10.8.0.1/24 dev eth1
				busybox arp -i eth1 -s 10.8.0.2 00:16:3e:00:05:06; sleep 2; ping -q -c 4 -i 0.05 -w 3 -s 900 10.8.0.2" >/dev/null 2>&1 &
			;;
		esac
		check "$class $mode: the guest leaves it in order" eval "wait $backend || { cat /tmp/backend; false; }"
		check "$class $mode: the kernel's log names it" in_guest 1 "for i in \$(seq 20); do dmesg | grep '$class-$id: the backend sent' && exit; sleep 0.5; done; dmesg | tail; exit 1"
		xenstore-rm "$front"
		xenstore-rm "$back"
		check "$class $mode: the device goes" eventually 60 in_guest 1 "[ ! -e /sys/devices/$class-$id ]"
	done
	quiet lies
}
saved() {
	step "saved and restored, both at work"
	# fio's own --loops has it complain of other seeds
	in_guest 1 "rm -f /tmp/stop /tmp/result; (n=0; while [ ! -e /tmp/stop ]; do $fio --filename=/dev/xvda --ioengine=libaio --iodepth=8 >/tmp/g 2>&1 || { cat /tmp/g >/tmp/result; exit; }
		n=\$((n + 1)); done; echo \$n rounds, no error >/tmp/result) >/dev/null 2>&1 &"
	sleep 2
	check "save" xl save guest1 /root/save
	check "restore" xl restore /root/save
	xl domid guest1 >"$XSP_WORLD/guest1/domid"
	xenstore-read "/local/domain/$(guest_domid 1)/console/tty" >"$XSP_WORLD/guest1/tty"
	check "pings; the disk was verified all through" in_guest 1 "$carrier; ping -q -c 2 -W 5 10.9.0.1; sleep 1; touch /tmp/stop; for i in \$(seq 400); do [ -s /tmp/result ] && break; sleep 0.5; done
		cat /tmp/result; grep 'rounds, no error' /tmp/result"
	quiet saved
}
pulled() {
	step "detached while they are busy"
	in_guest 1 "dd if=/dev/xvdb of=/dev/null iflag=direct bs=16k count=100000 >/tmp/g 2>&1 & ping -q -i 0.05 10.9.0.1 >/tmp/p 2>&1 & true"
	check "both" eval "guest_detach 1 xvdb && xl network-detach guest1 0"
	check "both are gone" in_guest 1 "for i in \$(seq 80); do [ ! -b /dev/xvdb ] && [ ! -e /sys/class/net/eth0 ] && exit 0; sleep 0.25; done; exit 1"
	quiet pulled
}
unloaded() {
	step "the end"
	check "both unloaded" in_guest 1 "for d in $blk/vbd-* $net/vif-*; do [ ! -e \$d ] || echo \${d##*/} >\${d%/*}/unbind; done; rmmod xensplit_blk && rmmod xensplit_net"
	quiet unloaded
}
loaded() { # instead of disk and nic
	check "both loaded" in_guest 1 "insmod /opt/xensplit-blk.ko; insmod /opt/xensplit-net.ko; ip link set lo up; ip link set eth0 up; ip addr add 10.9.0.11/24 dev eth0; $carrier
		for i in \$(seq 40); do [ -b /dev/xvda ] && [ -b /dev/xvdb ] && exit 0; sleep 0.25; done; exit 1"
}

modprobe -a tun bridge && ip link add name xenbr0 type bridge && ip addr add 10.9.0.1/24 dev xenbr0 && ip link set xenbr0 up
iperf3 -s -D
truncate -s 64M /root/a.img /root/b.img
export XENSPLITD_ARGS="--workers 2"
step "a guest with KASAN and lockdep"
check "xensplitd starts" world_up || { closing; exit 1; }
GUEST_XL="vif = [ 'mac=00:16:3e:00:00:01,bridge=xenbr0' ]" \
	check "it boots" guest_start 1 xvda=file:/root/a.img xvdb=file:/root/b.img || { closing; exit 1; }
in_guest 1 "mount -t debugfs debugfs $dbg"
for s in ${*:-disk nic saved lies pulled unloaded}; do $s; done
check "KASAN is there, lockdep was not switched off" in_guest 1 "dmesg | grep 'KernelAddressSanitizer initialized' && grep 'debug_locks: *1' /proc/lockdep_stats"
in_guest 1 "dmesg | grep xensplit_ | tail -n 20; dmesg | grep -E 'vbd-|vif-' | tail -n 30" | sed 's/^/      | /'
[ $broken = 0 ] || { tail -n 20 "$XSP_DAEMON_LOG"; }
guest_destroy 1
closing
