#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-netfront.sh): xensplit-vif as the driver of a PV guest's NIC on real Xen, the
# guest's xen-netfront left out: packets of all sizes and TCP to Dom0 through xensplitd and a bridge, static
# grants over the control ring, a restart of the daemon, down and up again, two queues and flows that go
# to them by hash.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
vif=/opt/xensplit-vif

field() { in_guest 1 "$vif info 0 --json" | grep -oE "\"$1\":[a-z0-9\"]+" | cut -d: -f2; }
is() { [ "$(field "$1")" = "$2" ] || { in_guest 1 "$vif info 0"; return 1; }; }
counter() { xensplit --json show "vif/$(guest_domid 1)/0" | grep -oE "\"$1\":[0-9]+" | head -n 1 | cut -d: -f2; }
pings() { in_guest 1 'for s in 56 1472 1473 9000 65507; do ping -q -c 2 -W 10 -s $s 10.9.0.1 >/tmp/p || { cat /tmp/p; exit 1; }; done'; }
iperf() { # ARGS: prints the rate
	in_guest 1 "iperf3 -c 10.9.0.1 -t 3 -f m $*" >/tmp/iperf.out || { cat /tmp/iperf.out; return 1; }
	grep receiver /tmp/iperf.out | sed 's/^/      | /' >&3
}
exec 3>&1

step "a guest without xen-netfront"
modprobe -a tun bridge && ip link add name xenbr0 type bridge && ip addr add 10.9.0.1/24 dev xenbr0 && ip link set dev xenbr0 up
export XENSPLITD_ARGS="--workers 2"
check "xensplitd starts, two workers" world_up || { closing; exit 1; }
GUEST_FILES="/src/build/release/bin/xensplit-vif $(modinfo -n tun)" GUEST_ARGS="xsp.without=xen-netfront" \
	GUEST_XL="vif = [ 'mac=00:16:3e:00:00:01,bridge=xenbr0' ]" \
	check "the guest boots" guest_start 1 || { closing; exit 1; }
check "it has the card and no interface" in_guest 1 "insmod /opt/tun.ko*; $vif list && ! test -e /sys/class/net/eth0"

step "our frontend on it"
check "up" in_guest 1 "$vif up 0 --timeout 60 && ip addr add 10.9.0.11/24 dev xn0 && ip link set lo up" || { closing; exit 1; }
in_guest 1 "$vif info 0"
check "connected" is connected true
check "TCP passes unsplit" is gso4 true
check "its pages are mapped for good" is static_pages 480
check "pings up to 65507 bytes" pings
iperf3 -s -D
before=$(counter gnt_calls)
check "TCP to Dom0" iperf
check "TCP from Dom0" iperf -R
check "not a grant call for all of it" test "$(counter gnt_calls)" = "$before"
in_guest 1 "$vif stats 0"
check "large packets both ways" in_guest 1 "$vif stats 0 --json | grep -E '\"tx_gso\":[1-9].*\"rx_gso\":[1-9]'"

step "the daemon restarted under TCP"
in_guest 1 'iperf3 -c 10.9.0.1 -t 15 -f m' >/tmp/iperf.log 2>&1 &
stream=$!
sleep 3
for _ in 1 2; do
	check "the daemon drains" daemon_stop
	daemon_start
	sleep 3
done
check "TCP ran through" eval "wait $stream || { cat /tmp/iperf.log; false; }"
check "it is the same connection" is connects 1
bad_sums='awk "/^(Tcp|Udp):/ { if (!(\$1 in h)) { h[\$1] = 1; for (i = 1; i <= NF; i++) if (\$i == \"InCsumErrors\") c[\$1] = i } else n += \$c[\$1] } END { print n + 0; exit n > 0 }" /proc/net/snmp'
check "no bad checksum: Dom0" bash -c "$bad_sums"
check "no bad checksum: the guest" in_guest 1 "$bad_sums"

step "down, and up again"
check "down" in_guest 1 "$vif down 0 && ! test -e /sys/class/net/xn0"
check "up without offloads" in_guest 1 "$vif up 0 --no-csum --timeout 60 && ip addr add 10.9.0.11/24 dev xn0"
check "pings" pings
check "down" in_guest 1 "$vif down 0"

step "two queues, flows to them by hash"
queue_bytes() { in_guest 1 "$vif stats 0 --json" | grep -oE '"rx_bytes":[0-9]+' | cut -d: -f2 | tr '\n' ' '; }
hashed_up() { in_guest 1 "$vif up 0 --queues 2 --timeout 60 $* && ip addr add 10.9.0.11/24 dev xn0" && is queues 2 && is hash true; }
flows() { # N: so many from Dom0; prints what each queue got
	local a b
	a=($(queue_bytes))
	in_guest 1 "iperf3 -c 10.9.0.1 -R -t 1 -P $1" >/tmp/iperf.out || { cat /tmp/iperf.out; return 1; }
	b=($(queue_bytes))
	q0=$((b[0] - a[0])) q1=$((b[1] - a[1]))
	echo "      | $1 flows: queue 0 got $q0 bytes, queue 1 $q1" >&3
}
check "up, hashed by Toeplitz over two queues" hashed_up --hash
check "sixteen flows go over both" eval "flows 16 && [ \$q0 -gt 100000 ] && [ \$q1 -gt 100000 ]"
check "one flow goes over one" eval "flows 1 && [ \$((q0 < q1 ? q0 : q1)) -lt \$(((q0 + q1) / 10)) ]" # iperf3's control connection is another
check "the daemon put packets there" test "$(counter rx_steered)" -gt 0
in_guest 1 "$vif down 0"
check "up, all of the mapping says queue 1" hashed_up --hash-map 1
check "six flows go over queue 1" eval "flows 6 && [ \$q1 -gt 100000 ] && [ \$q0 -lt \$((q1 / 50)) ]"
check "down" in_guest 1 "$vif down 0"
guest_log 1 >/run/guest.log
check "no trouble in the guest's kernel" sh -c "! grep -E 'WARNING|BUG|Oops|Call Trace' /run/guest.log"
check "nor in the daemon's log" sh -c "! grep -E ' error ' /run/world/xensplitd.log"
world_down
closing
