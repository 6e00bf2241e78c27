#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see fronts.sh): the jobs through Linux's xen-netfront and through xensplit-net.ko, in one
# guest that stays up, on one NIC of xensplitd, into /out/bench.
# dom0-fronts-net.sh JOB...
set -u
. /src/tools/bench/xen/front.sh
. /src/tools/bench/xen/net_jobs.sh

linked() {
	in_guest 1 "for i in \$(seq 40); do [ -e /sys/class/net/eth0 ] && break; sleep 0.25; done
		ip link set lo up; ip link set eth0 up; ip addr add 10.9.0.11/24 dev eth0
		for i in \$(seq 60); do ping -q -c 1 -W 1 10.9.0.1 && exit 0; sleep 0.25; done; dmesg | tail; exit 1"
}
front_jobs() {
	linked >/tmp/linked || { echo "no link"; cat /tmp/linked; return 1; }
	run_net_jobs "$@"
}

step "a guest without a driver for its NIC"
check "a bridge" bridge_up || { closing; exit 1; }
iperf3 -s -D
check "xensplitd starts" world_up || { closing; exit 1; }
GUEST_FILES=$B/guest/xensplit-net.ko GUEST_ARGS="xsp.without=xen-netfront" \
	GUEST_XL="vif = [ 'mac=00:16:3e:00:00:01,bridge=xenbr0' ]" \
	check "the guest boots" guest_start 1 || { closing; exit 1; }
guest_domid 1 >$out/guest
front xen-netfront xen_netfront "insmod /modules/xen-netfront.ko" "$@"
front xensplit-net xensplit_net "insmod /opt/xensplit-net.ko" "$@"
front xensplit-net-grants xensplit_net "insmod /opt/xensplit-net.ko static_grants=N" "$@"
guest_stop 1
daemon_stop
closing
