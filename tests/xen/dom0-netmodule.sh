#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-netmodule.sh): xensplit-net.ko in a PV guest whose xen-netfront is kept away, with
# xensplitd and Xen's own vif-bridge at the other end.
#   dom0-netmodule.sh [SAVES]
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
export GUEST_FILES="$B/guest/xensplit-net.ko" GUEST_ARGS="xsp.without=xen-netfront"
dbg=/sys/kernel/debug/xensplit-net/vif-0
drv=/sys/bus/xen/drivers/xensplit-net

bridge_up() {
	modprobe -a tun bridge && ip link add name xenbr0 type bridge && ip addr add 10.9.0.1/24 dev xenbr0 &&
		ip link set dev xenbr0 up
}
vif() { # N: guest N's line for xl
	echo "vif = [ 'mac=00:16:3e:00:00:0$1,bridge=xenbr0' ]"
}
load() { # N [PARAMETERS]: loads the module, waits for its NIC
	local n=$1
	shift
	in_guest "$n" "insmod /opt/xensplit-net.ko $*; mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
		ip link set lo up; ip link set eth0 up; ip addr add 10.9.0.1$n/24 dev eth0
		for i in \$(seq 60); do grep -q 1 /sys/class/net/eth0/carrier && exit 0; sleep 0.25; done; dmesg | tail; cat $dbg/*; exit 1"
}
unload='for d in '$drv'/vif-*; do [ ! -e $d ] || echo ${d##*/} >'$drv'/unbind; done; rmmod xensplit_net'
quiet_kernel() { ! guest_log "$1" | grep -E 'WARNING|BUG|Oops|Call Trace|hung_task|blocked for more|xensplit' | grep -v out-of-tree; }
says() { in_guest 1 "grep -q '$1' $dbg/device || { cat $dbg/device; false; }"; }
counts() { # N: pages granted, event channels
	echo "$(world-grants "$(guest_domid "$1")") $(/usr/lib/xen-4.17/bin/lsevtchn "$(guest_domid "$1")" | wc -l)"
}
no_loss() { # N ADDRESS [SIZE...]
	local n=$1 to=$2
	shift 2
	in_guest "$n" "for s in ${*:-56 1000 1472 1473 4000 9000 32000 65507}; do ping -q -c 3 -i 0.1 -W 5 -s \$s $to >/tmp/ping.out
		grep -q ' 0% packet loss' /tmp/ping.out || { echo size \$s; cat /tmp/ping.out; exit 1; }; done"
}
iperf() { # N ARGS: prints the rate
	local n=$1
	shift
	in_guest "$n" "iperf3 -c 10.9.0.1 -f m $*" >/tmp/iperf.out || { cat /tmp/iperf.out; return 1; }
	grep receiver /tmp/iperf.out | sed 's/^/      | /' >&3
}
exec 3>&1
bad_sums='awk "/^(Tcp|Udp):/ { if (!(\$1 in h)) { h[\$1] = 1; for (i = 1; i <= NF; i++) if (\$i == \"InCsumErrors\") c[\$1] = i } else n += \$c[\$1] } END { print n + 0; exit n > 0 }" /proc/net/snmp'

step "a guest without xen-netfront"
check "a bridge in Dom0" bridge_up || { closing; exit 1; }
check "xensplitd starts" world_up || { closing; exit 1; }
GUEST_XL=$(vif 1) check "guest 1 boots" guest_start 1 || { closing; exit 1; }
check "it has no interface" in_guest 1 '! test -e /sys/class/net/eth0'
start=$(counts 1)
check "xensplit-net.ko is loaded, its NIC has a carrier" load 1 || { guest_log 1; tail -n 20 "$XSP_DAEMON_LOG"; closing; exit 1; }
in_guest 1 "cat $dbg/device" | sed 's/^/      | /'
check "pings of 56 to 65507 bytes, none lost" no_loss 1 10.9.0.1
iperf3 -s -D
check "TCP to Dom0" iperf 1 -t 3
check "TCP from Dom0" iperf 1 -t 3 -R
check "large packets both ways" in_guest 1 "grep 'tx_gso=[1-9].*rx_gso=[1-9]' $dbg/counters"
in_guest 1 "cat $dbg/counters"
check "no bad checksum: Dom0" bash -c "$bad_sums"
check "no bad checksum: the guest" in_guest 1 "$bad_sums"
check "unbound and unloaded" in_guest 1 "$unload"
check "no grant and no event channel is left ($start, $(counts 1))" [ "$start" = "$(counts 1)" ]
check "guest 1's kernel log is clean" quiet_kernel 1
[ $broken = 0 ] || { guest_log 1; tail -n 20 "$XSP_DAEMON_LOG"; }
check "guest 1 stops in order" guest_stop 1
check "xensplitd stops with exit 0" daemon_stop
closing
