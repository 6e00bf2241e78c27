#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-net.sh): stock xen-netfront guests on our xensplitd through Xen's own, unmodified
# vif-bridge, xen-netback not loaded: ping of all sizes in a full mesh, TCP both ways with segmentation
# offload on and off, a file over it compared by checksum, hot-plug, restarts of the daemon under TCP,
# a guest destroyed under traffic.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh

no_netback() { [ ! -e /sys/bus/xen-backend/drivers/vif ] && ! grep -q xen_netback /proc/modules; }
bridge_up() {
	modprobe -a tun bridge && ip link add name xenbr0 type bridge && ip addr add 10.9.0.1/24 dev xenbr0 &&
		ip link set dev xenbr0 up
}
vif() { # N: guest N's line for xl, as people write it
	echo "vif = [ 'mac=00:16:3e:00:00:0$1,bridge=xenbr0' ]"
}
net_up() { # N [DEV]
	in_guest "$1" "ip addr add 10.9.0.1$1/24 dev ${2:-eth0} && ip link set ${2:-eth0} up && ip link set lo up"
}
vif_state() { xenstore-read "/local/domain/0/backend/vif/$(guest_domid "$1")/0/state"; }
state_is() { [ "$(vif_state "$1")" = "$2" ] || { xenstore-ls "/local/domain/0/backend/vif"; return 1; }; }
tells() { # REGEX COMMAND...: what xensplit says in JSON
	local regex=$1
	shift
	xensplit --json "$@" >/tmp/told
	grep -E "$regex" /tmp/told || { cat /tmp/told; return 1; }
}
no_loss() { # N ADDRESS: from guest N (0: Dom0), every size
	local sizes="56 1000 1472 1473 4000 9000 32000 65507" text
	text="for s in $sizes; do ping -q -c 3 -i 0.1 -W 5 -s \$s $2 | tee /tmp/ping.out | grep -q ' 0% packet loss' ||
		{ echo size \$s; cat /tmp/ping.out; exit 1; }; done"
	if [ "$1" = 0 ]; then bash -c "$text"; else in_guest "$1" "$text"; fi
}

step "the world: xen-netback absent, a bridge, xensplitd started"
check "xen-netback is not loaded" no_netback
check "a bridge in Dom0" bridge_up || { closing; exit 1; }
export XENSPLITD_ARGS="--workers 2 --log debug"
check "xensplitd starts, two workers" world_up || { closing; exit 1; }

step "two stock guests, xl's normal vif line, Xen's own vif-bridge"
GUEST_XL=$(vif 2) guest_start 2 &
guest2=$!
GUEST_XL=$(vif 1)
check "guest 1 boots" guest_start 1
check "guest 2 boots" wait $guest2
for n in 1 2; do
	check "guest $n: Connected" eventually 20 state_is $n 4
	check "guest $n: its TAP is in the bridge" test -e "/sys/class/net/xenbr0/brif/vif$(guest_domid $n).0"
	check "guest $n: an address" net_up $n
done

step "full-mesh ping, 56 to 65507 bytes"
check "Dom0 to guest 1" no_loss 0 10.9.0.11
check "Dom0 to guest 2" no_loss 0 10.9.0.12
check "guest 1 to guest 2" no_loss 1 10.9.0.12
check "guest 2 to Dom0" no_loss 2 10.9.0.1

step "TCP, segmentation offload on and off"
iperf() { # SECONDS ADDRESS [ARGS]: from guest 1; prints the rate
	local out
	out=$(in_guest 1 "iperf3 -c $2 -t $1 -f m ${3:-}") || { echo "$out"; return 1; }
	echo "$out" | grep receiver | sed 's/^/      | /' >&3
}
exec 3>&1
iperf3 -s -D
in_guest 2 'iperf3 -s -D'
check "guest 1 to Dom0" iperf 4 10.9.0.1
check "Dom0 to guest 1" iperf 4 10.9.0.1 -R
check "guest 1 to guest 2" iperf 4 10.9.0.12
check "large packets went from guest to guest unsplit" eval "
	tells '\"tx_gso\":[1-9]' show vif/$(guest_domid 1)/0 && tells '\"rx_gso\":[1-9]' show vif/$(guest_domid 2)/0"
check "no packet was refused" tells '"tx_malformed":0,"tx_short":0,"tx_length":0,"tx_protocol":0,"tx_fragment":0,"tx_gso_bad":0,"tx_refused":0,"bad_gref":0' \
	show "vif/$(guest_domid 1)/0"
check "guest 1: ethtool turns it off" in_guest 1 'ethtool -K eth0 tso off gso off gro off'
check "guest 1 to guest 2, without" iperf 3 10.9.0.12
check "guest 2 to guest 1, without" iperf 3 10.9.0.12 -R
check "guest 1: checksum offload off too" in_guest 1 'ethtool -K eth0 tx off sg off'
check "guest 1 to guest 2, without" iperf 3 10.9.0.12
check "guest 1: all on again" in_guest 1 'ethtool -K eth0 tx on sg on tso on gso on gro on'
bad_sums='awk "/^(Tcp|Udp):/ { if (!(\$1 in h)) { h[\$1] = 1; for (i = 1; i <= NF; i++) if (\$i == \"InCsumErrors\") c[\$1] = i } else n += \$c[\$1] } END { print n + 0; exit n > 0 }" /proc/net/snmp'
check "no bad checksum: Dom0" bash -c "$bad_sums"
for n in 1 2; do check "no bad checksum: guest $n" in_guest $n "$bad_sums"; done

step "64 MiB through it, compared by checksum"
check "guest 2 serves a file" in_guest 2 'dd if=/dev/urandom of=/tmp/f bs=1M count=64 2>/dev/null; httpd -p 80 -h /tmp; sha256sum </tmp/f'
sum=$(grep -oE '^[0-9a-f]{64}' /tmp/check.out)
same_sum() { [ -n "$sum" ] && grep -q "^$sum" /tmp/got || { echo "$sum"; cat /tmp/got; return 1; }; }
in_guest 1 'wget -q -O - http://10.9.0.12/f | sha256sum' >/tmp/got 2>&1
check "guest 1 gets the same" same_sum

step "the daemon restarted under TCP"
resets() { in_guest 1 'cat /proc/net/snmp' | awk '/^Tcp: [0-9]/ { print $9 + $15 }'; }
before=$(resets) # iperf3 itself ends a connection or two that way
check "an undisturbed run" iperf 2 10.9.0.12
usual=$(($(resets) - before)) before=$(resets)
in_guest 1 'iperf3 -c 10.9.0.12 -t 40 -f m' >/tmp/iperf.log 2>&1 &
stream=$!
sleep 2
n=0
for i in 1 2 3 4 5 6 7 8 9 10; do
	daemon_stop || break
	state_is 1 4 >/dev/null || break
	daemon_start || break
	n=$i
	sleep 1
done
check "10 restarts, $n done" test $n = 10
check "each was taken over" tells '"adopted":1,' show "vif/$(guest_domid 1)/0"
check "iperf3 ran through" eval "wait $stream || { cat /tmp/iperf.log; false; }"
grep receiver /tmp/iperf.log | sed 's/^/      | /'
mine=$(($(resets) - before))
check "no TCP reset beyond iperf3's own ($mine, $usual without restarts)" test $mine -le $usual

step "hot-plug, and a guest destroyed under traffic"
check "xl network-attach" xl network-attach guest1 mac=00:16:3e:00:01:01 bridge=xenbr0 rate=80Mb/s
check "guest 1 has eth1" eventually 30 in_guest 1 'test -e /sys/class/net/eth1'
check "it works" eval "in_guest 1 'ip link set eth1 up; ip addr add 10.9.0.21/24 dev eth1' && eventually 10 ping -c 1 -W 2 10.9.0.21"
check "its rate is known" tells '"rate_bytes":500000,"rate_usecs":50000' show "vif/$(guest_domid 1)/1"
in_guest 1 'ping -q -i 0.01 -w 8 -I eth1 10.9.0.1' >/dev/null 2>&1 &
check "xl network-detach under traffic" xl network-detach guest1 1
check "its TAP is gone" eventually 10 test ! -e "/sys/class/net/vif$(guest_domid 1).1"
in_guest 2 'iperf3 -c 10.9.0.1 -t 60' >/dev/null 2>&1 &
sleep 2
dead=$(guest_domid 2)
check "guest 2 destroyed" guest_destroy 2
no_zombie() { [ -z "$(world-domains | awk -v d="$dead" '$1 == d')" ]; }
check "no zombie" eventually 20 no_zombie
check "its TAP is gone" eventually 10 test ! -e "/sys/class/net/vif$dead.0"
check "guest 1 doesn't mind" no_loss 1 10.9.0.1
check "guest 1 goes in order" guest_stop 1
check "the daemon stops" daemon_stop

closing
