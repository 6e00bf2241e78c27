#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see bench.sh): the network jobs against xensplitd, then against Linux's xen-netback, in
# one boot with one stock guest, measured and traced, into /out/bench.
# dom0-net.sh JOB...
#
# As with disks, each job runs with N and with 5 N of its unit, untraced (for the time) and traced (for
# the counts): the difference leaves out what starting iperf3 costs. A bridge of Dom0 is between, and the
# other end is Dom0 itself. xen-netback takes every vif there is, so it is loaded when ours is gone.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
out=/out/bench
mkdir -p $out

units() { # JOB: N, in what its command counts
	case $1 in
	ntx | nrx) echo 4 ;;    # MiB
	ntxs | nrxs) echo 1 ;;  # MiB, every packet at most the MTU
	nutx* | nurx*) echo 500 ;; # datagrams
	nping) echo 200 ;;      # round trips
	esac
}

# What prints the received amount of an iperf3 run and its seconds: bytes, or datagrams.
sums='awk "
	/\"sum_received\"|\"sum\":/ { on = 1 }
	on { gsub(/[\",]/, \"\"); sub(/:/, \" \") }
	on && \$1 == \"seconds\" { s = \$2 }
	on && \$1 == \"bytes\" { b = \$2 }
	on && \$1 == \"lost_packets\" { l = \$2 }
	on && \$1 == \"packets\" { p = \$2 }
	END { print (p ? p - l : b), s }"'

job() { # NAME N: prints what arrived, and the seconds
	local n=$2 iperf="iperf3 -c 10.9.0.1 -J"
	case $1 in
	ntx | ntxs) in_guest 1 "$iperf -n ${n}M >/tmp/j && $sums /tmp/j" ;;
	nrx | nrxs) in_guest 1 "$iperf -R -n ${n}M >/tmp/j && $sums /tmp/j" ;;
	nutx*) in_guest 1 "$iperf -u -b 0 -l ${1#nutx} -k $n >/tmp/j && $sums /tmp/j" ;;
	nurx*) sh -c "iperf3 -c 10.9.0.11 -J -u -b 0 -l ${1#nurx} -k $n >/tmp/j && $sums /tmp/j" ;;
	nping) ping -q -f -c "$n" 10.9.0.11 >/tmp/p && awk -v n="$n" -F'[ =/]+' '/^rtt/ { print n, n * $7 / 1000 }' /tmp/p ;;
	esac
}

offloads() { # on|off: packets of up to 64 KiB, both ways
	in_guest 1 "ethtool -K $dev tso $1 gso $1 gro $1"
	ethtool -K xenbr0 tso "$1" gso "$1"
}

packets() { in_guest 1 "cd /sys/class/net/$dev/statistics && echo \$((\$(cat tx_packets) + \$(cat rx_packets)))"; }

trace() { # FILE COMMAND...
	local f=$1 pid
	shift
	"$(echo /usr/lib/xen-4.*/bin/xentrace)" -D -S 4096 -e 0x0022f000 /tmp/trace >/dev/null 2>&1 &
	pid=$!
	sleep 1
	"$@"
	kill -INT $pid
	wait $pid
	mv /tmp/trace "$f"
}

run_jobs() { # BACKEND JOB...
	local back=$1 j n before
	shift
	for j in ntx nrx; do job $j 4 >/dev/null; done # what is made once, is made now
	for j; do
		n=$(units "$j")
		case $j in ntxs | nrxs) offloads off ;; esac
		for n in "$n" $((5 * n)); do
			job "$j" "$n" >/tmp/got || return
			before=$(packets)
			trace "$out/$back.$j.$n.xtr" job "$j" "$n" >/dev/null
			echo "$back $j $n $(cat /tmp/got) $(($(packets) - before))" >>$out/net
		done
		case $j in ntxs | nrxs) offloads on ;; esac
		tail -n 2 $out/net
	done
}

attached() { # N: the guest's interface ethN works
	dev=eth$1
	eventually 20 in_guest 1 "test -e /sys/class/net/$dev" &&
		in_guest 1 "ip addr add 10.9.0.11/24 dev $dev && ip link set $dev up && ip link set lo up" &&
		eventually 20 ping -q -c 1 -W 1 10.9.0.11 && { in_guest 1 'iperf3 -s -D' || true; }
}

step "a bridge, and one guest"
modprobe -a tun bridge && ip link add name xenbr0 type bridge && ip addr add 10.9.0.1/24 dev xenbr0 &&
	ip link set dev xenbr0 up
check "xensplitd starts" world_up || { closing; exit 1; }
GUEST_XL="vif = [ 'mac=00:16:3e:00:00:01,bridge=xenbr0' ]"
check "the guest boots" guest_start 1 || { closing; exit 1; }
guest_domid 1 >$out/guest
iperf3 -s -D

step "xensplitd"
check "the interface" attached 0
check "the jobs" run_jobs xensplitd "$@"
cat /tmp/check.out
xensplit --json show "vif/$(guest_domid 1)/0" >$out/xensplitd-net.json
check "detach" xl network-detach guest1 0
check "xensplitd stops" daemon_stop

step "xen-netback"
check "xen-netback is loaded" modprobe xen-netback
check "attach" xl network-attach guest1 mac=00:16:3e:00:00:02 bridge=xenbr0
check "the interface" eval "attached 0 || attached 1"
check "the jobs" run_jobs netback "$@"
cat /tmp/check.out
guest_stop 1
closing
