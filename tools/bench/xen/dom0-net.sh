#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see net.sh): the network jobs against xensplitd, then against Linux's xen-netback, in
# one boot with one stock guest, measured and traced, into /out/bench.
# dom0-net.sh JOB...
#
# xen-netback takes every vif there is, so it is loaded when ours is gone.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
. /src/tools/bench/xen/jobs.sh
. /src/tools/bench/xen/net_jobs.sh

attached() { # N: the guest's interface ethN works
	dev=eth$1
	eventually 20 in_guest 1 "test -e /sys/class/net/$dev" &&
		in_guest 1 "ip addr add 10.9.0.11/24 dev $dev && ip link set $dev up && ip link set lo up" &&
		eventually 20 ping -q -c 1 -W 1 10.9.0.11 && { in_guest 1 'iperf3 -s -D' || true; }
}

step "a bridge, and one guest"
check "a bridge" bridge_up || { closing; exit 1; }
check "xensplitd starts" world_up || { closing; exit 1; }
GUEST_XL="vif = [ 'mac=00:16:3e:00:00:01,bridge=xenbr0' ]"
check "the guest boots" guest_start 1 || { closing; exit 1; }
guest_domid 1 >$out/guest
iperf3 -s -D

step "xensplitd"
check "the interface" attached 0
check "the jobs" run_net_jobs xensplitd "$@"
cat /tmp/check.out
xensplit --json show "vif/$(guest_domid 1)/0" >$out/xensplitd-net.json
check "detach" xl network-detach guest1 0
check "xensplitd stops" daemon_stop

step "xen-netback"
check "xen-netback is loaded" modprobe xen-netback
check "attach" xl network-attach guest1 mac=00:16:3e:00:00:02 bridge=xenbr0
check "the interface" eval "attached 0 || attached 1"
check "the jobs" run_net_jobs netback "$@"
cat /tmp/check.out
guest_stop 1
closing
