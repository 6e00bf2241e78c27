#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see fronts.sh): the jobs through Linux's xen-netfront and through xensplit-net.ko, in one
# guest that stays up, on one NIC of xensplitd, into /out/bench: `net` (FRONTEND JOB N RECEIVED SECONDS
# PACKETS) and traces, of N and 5 N, as dom0-net.sh's.
# dom0-fronts-net.sh JOB...
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
. /src/tools/bench/xen/jobs.sh
unbind='for d in /sys/bus/xen/drivers/vif/vif-* /sys/bus/xen/drivers/xensplit-net/vif-*; do
	[ ! -e $d ] || echo ${d##*/} >${d%/*}/unbind; done'
sums='awk "
	/\"sum_received\"|\"sum\":/ { on = 1 }
	on { gsub(/[\",]/, \"\"); sub(/:/, \" \") }
	on && \$1 == \"seconds\" { s = \$2 }
	on && \$1 == \"bytes\" { b = \$2 }
	on && \$1 == \"packets\" { p = \$2 }
	END { print (p ? p : b), s }"'

units() { # JOB: N, in what its command counts: MiB, datagrams, round trips
	case $1 in ntx | nrx) echo 4 ;; ntxs | nrxs) echo 1 ;; nutx*) echo 500 ;; nping) echo 200 ;; esac
}
job() { # NAME N: prints what arrived, and the seconds
	local iperf="iperf3 -c 10.9.0.1 -J"
	case $1 in
	ntx | ntxs) in_guest 1 "$iperf -n ${2}M >/tmp/j && $sums /tmp/j" ;;
	nrx | nrxs) in_guest 1 "$iperf -R -n ${2}M >/tmp/j && $sums /tmp/j" ;;
	nutx*) in_guest 1 "$iperf -u -b 0 -l ${1#nutx} -k $2 >/tmp/j && $sums /tmp/j" ;;
	nping) ping -q -f -c "$2" 10.9.0.11 >/tmp/p && awk -v n="$2" -F'[ =/]+' '/^rtt/ { print n, n * $7 / 1000 }' /tmp/p ;;
	esac
}
offloads() { # on|off: packets of up to 64 KiB, both ways
	in_guest 1 "ethtool -K eth0 tso $1 gso $1 gro $1" >/dev/null
	ethtool -K xenbr0 tso "$1" gso "$1"
}
packets() { in_guest 1 "cd /sys/class/net/eth0/statistics && echo \$((\$(cat tx_packets) + \$(cat rx_packets)))"; }

net_jobs() { # FRONTEND JOB...
	local front=$1 j n before
	shift
	for j in ntx nrx; do job $j 4 >/dev/null; done # what is made once, is made now
	for j; do
		n=$(units "$j")
		case $j in ntxs | nrxs) offloads off ;; esac
		for n in "$n" $((5 * n)); do
			job "$j" "$n" >/tmp/got || return
			before=$(packets)
			trace "$out/$front.$j.$n.xtr" job "$j" "$n" >/dev/null
			echo "$front $j $n $(cat /tmp/got) $(($(packets) - before))" >>$out/net
		done
		case $j in ntxs | nrxs) offloads on ;; esac
		tail -n 2 $out/net
	done
}
linked() {
	in_guest 1 "for i in \$(seq 40); do [ -e /sys/class/net/eth0 ] && break; sleep 0.25; done
		ip link set lo up; ip link set eth0 up; ip addr add 10.9.0.11/24 dev eth0
		for i in \$(seq 60); do ping -q -c 1 -W 1 10.9.0.1 && exit 0; sleep 0.25; done; dmesg | tail; exit 1"
}
front() { # NAME MODULE COMMAND JOB...
	local name=$1 module=$2 load=$3
	shift 3
	step "$name"
	check "loaded" in_guest 1 "$load"
	check "a link" linked || return
	check "the jobs" net_jobs "$name" "$@"
	cat /tmp/check.out
	check "unloaded" in_guest 1 "$unbind; rmmod $module"
}

step "a guest without a driver for its NIC"
modprobe -a tun bridge && ip link add name xenbr0 type bridge && ip addr add 10.9.0.1/24 dev xenbr0 &&
	ip link set dev xenbr0 up
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
