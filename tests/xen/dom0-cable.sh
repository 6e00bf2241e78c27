#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-cable.sh): two guests with xen-netfront, joined by a `pair:` port of the daemon's.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
export XENSPLITD_ARGS="--workers 2"

vif() { echo "vif/$(guest_domid "$1")/0"; }
value() { # N NAME: a counter of guest N's NIC
	xensplit --json show "$(vif "$1")" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"
}
direct() { # nine packets of ten, at most 1.2 bytes copied for each moved
	local direct packets copied bytes
	direct=$(value 1 tx_direct) packets=$(value 1 tx_packets) copied=$(value 1 copied) bytes=$(value 1 tx_bytes)
	echo "$direct of $packets packets, $copied bytes copied for $bytes"
	[ "$packets" -gt 500 ] && [ $((direct * 10)) -ge $((packets * 9)) ] && [ $((copied * 10)) -le $((bytes * 12)) ]
}
stream() { in_guest 1 "iperf3 -c 10.7.0.12 -t $1 -f m"; }

step "two guests, a cable"
modprobe tun
check "xensplitd starts" world_up || { closing; exit 1; }
guest_start 2 &
guest2=$!
check "guest 1 boots" guest_start 1
check "guest 2 boots" wait $guest2
for n in 1 2; do
	check "guest $n: a NIC on the cable" xensplit network-attach "$(guest_domid $n)" mac=00:16:3e:00:02:0$n,port=pair:cable --wait=40
	check "guest $n: its address" in_guest $n "ip addr add 10.7.0.1$n/24 dev eth0 && ip link set eth0 up && ip link set lo up"
done
check "pings up to 65507 bytes, none lost" in_guest 1 'for s in 56 1472 9000 65507; do
	ping -q -c 2 -W 5 -s $s 10.7.0.12 >/tmp/ping.out; grep -q " 0% packet loss" /tmp/ping.out || { cat /tmp/ping.out; exit 1; }; done'
check "guest 2 serves" in_guest 2 'iperf3 -s -D >/dev/null; dd if=/dev/urandom of=/tmp/f bs=1M count=8 2>/dev/null; httpd -p 80 -h /tmp'

step "one copy"
check "TCP" stream 4
check "straight from guest to guest" direct
direct | sed 's/^/      | /'
in_guest 2 'sha256sum </tmp/f' >/tmp/want 2>&1
in_guest 1 'wget -q -O - http://10.7.0.12/f | sha256sum' >/tmp/got 2>&1
check "8 MiB, the same by checksum" cmp /tmp/want /tmp/got

step "killed under TCP"
stream 9 >/tmp/stream 2>&1 &
load=$!
for _ in 1 2 3; do
	sleep 2
	kill -KILL "$(daemon_pid)"
	sleep 0.3
	daemon_start
done
check "three SIGKILLs, and the stream ran through" wait $load || cat /tmp/stream
check "the NIC was taken over" [ "$(value 1 adopted)" -ge 1 ]
check "guest 2 saw no wrong checksum" in_guest 2 'awk "/^Tcp:/ { if (!n++) { for (i = 1; i <= NF; i++) if (\$i == \"InCsumErrors\") c = i } else exit \$c != 0 }" /proc/net/snmp'
for n in 1 2; do check "guest $n stops in order" guest_stop $n; done
check "xensplitd stops with exit 0" daemon_stop
closing
