#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-net.sh): stock xen-netfront guests on our xensplitd through Xen's own, unmodified
# vif-bridge, xen-netback not loaded: ping of all sizes in a full mesh, TCP both ways with segmentation
# offload on and off, two queues, a file over it compared by checksum, offloads toggled meanwhile,
# checksums on a wire, hot-plug, restarts of the daemon under TCP, a guest destroyed under traffic.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh

no_netback() { [ ! -e /sys/bus/xen-backend/drivers/vif ] && ! grep -q xen_netback /proc/modules; }
bridge_up() {
	modprobe -a tun bridge && eval "$no_hystart" && ip link add name xenbr0 type bridge && ip addr add 10.9.0.1/24 dev xenbr0 &&
		ip link set dev xenbr0 up
}
vif() { # N: guest N's line for xl, as people write it
	echo "vif = [ 'mac=00:16:3e:00:00:0$1,bridge=xenbr0' ]"
}
# Round trips take an emulator now 10 ms, now 60: slow start, which looks at them, would end at 50 KiB.
no_hystart='echo 0 >/sys/module/tcp_cubic/parameters/hystart'
net_up() { # N [DEV]
	in_guest "$1" "$no_hystart; ip addr add 10.9.0.1$1/24 dev ${2:-eth0} && ip link set ${2:-eth0} up && ip link set lo up"
}
vif_state() { xenstore-read "/local/domain/0/backend/vif/$(guest_domid "$1")/0/state"; }
state_is() { [ "$(vif_state "$1")" = "$2" ] || { xenstore-ls "/local/domain/0/backend/vif"; return 1; }; }
tells() { # REGEX COMMAND...: what xensplit says in JSON
	local regex=$1
	shift
	xensplit --json "$@" >/tmp/told
	grep -E "$regex" /tmp/told || { cat /tmp/told; return 1; }
}
# busybox's ping everywhere: Dom0's other one calls lost what takes longer than two round trips did.
no_loss() { # N ADDRESS: from guest N (0: Dom0), every size
	local sizes="56 1000 1472 1473 4000 9000 32000 65507" text
	text="for s in $sizes; do busybox ping -q -c 3 -i 0.1 -W 5 -s \$s $2 | tee /tmp/ping.out | grep -q ' 0% packet loss' ||
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
GUEST_XL=$(vif 1) GUEST_VCPUS=2
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
	echo "$out" | grep receiver | tail -n 1 | sed 's/^/      | /' >&3
}
exec 3>&1
iperf3 -s -D
in_guest 2 'iperf3 -s -D'
check "guest 1 to Dom0" iperf 2 10.9.0.1
check "Dom0 to guest 1" iperf 2 10.9.0.1 -R
check "guest 1 to guest 2" iperf 2 10.9.0.12
check "large packets went from guest to guest unsplit" eval "
	tells '\"tx_gso\":[1-9]' show vif/$(guest_domid 1)/0 && tells '\"rx_gso\":[1-9]' show vif/$(guest_domid 2)/0"

step "two queues, an event channel for each direction of each"
queue_events() { in_guest 1 'awk "/vif0-q[01]-[tr]x/ { print \$NF, \$2 + \$3 }" /proc/interrupts | sort'; }
q='\{"tx_packets":[0-9]{3,},"rx_packets":[0-9]{3,}\}'
check "guest 1: two queues" tells '"queues":2' show "vif/$(guest_domid 1)/0"
check "split event channels" tells '"split_event_channels":true' show "vif/$(guest_domid 1)/0"
queue_events >/tmp/events.before
check "sixteen flows to Dom0" iperf 1 10.9.0.1 '-P 16'
check "sixteen flows from Dom0" iperf 1 10.9.0.1 '-P 16 -R'
queue_events >/tmp/events.after
check "xensplitd: packets on both queues, both ways" tells "\"queue_counters\":\\[$q,$q\\]" show "vif/$(guest_domid 1)/0"
grep -o '"queue_counters":[^]]*]' /tmp/told | sed 's/^/      | /'
all_rose() { # of four interrupts of the guest's, each by 10 or more
	join /tmp/events.before /tmp/events.after | awk '{ print; if ($3 - $2 >= 10) n++ } END { exit n != 4 }'
}
check "guest 1: events on all four channels" all_rose
sed 's/^/      | /' /tmp/check.out
check "no packet was refused" tells '"tx_malformed":0,"tx_short":0,"tx_length":0,"tx_protocol":0,"tx_fragment":0,"tx_gso_bad":0,"tx_refused":0,"bad_gref":0' \
	show "vif/$(guest_domid 1)/0"
check "guest 1: ethtool turns it off" in_guest 1 'ethtool -K eth0 tso off gso off gro off'
check "guest 1 to guest 2, without" iperf 1 10.9.0.12
check "guest 2 to guest 1, without" iperf 1 10.9.0.12 -R
check "guest 1: checksum offload off too" in_guest 1 'ethtool -K eth0 tx off sg off'
check "guest 1 to guest 2, without" iperf 1 10.9.0.12
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

step "offloads toggled under traffic"
toggle='feature() { # ETHTOOL-K-NAME NAME-IN-K: off and on, each seen
	for to in off on; do
		ethtool -K $dev $1 $to && ethtool -k $dev >/tmp/features && grep "^[[:space:]]*$2: $to" /tmp/features || { echo "$1 $to"; cat /tmp/features; return 1; }
		sleep 0.1
	done
}
toggle() { feature sg scatter-gather && feature tso tcp-segmentation-offload && feature gso generic-segmentation-offload && feature gro generic-receive-offload; }'
whole=$(in_guest 2 'head -c 8000000 /dev/urandom >/tmp/f; sha256sum </tmp/f') # smaller: memory is short
in_guest 1 'rm -f /tmp/stop; while [ ! -e /tmp/stop ]; do wget -q -O - http://10.9.0.12/f | sha256sum; done' >/tmp/sums 2>&1 &
stream=$!
check "sg, tso, gso, gro: the guest that sends" in_guest 2 "dev=eth0; $toggle
	toggle"
check "sg, tso, gso, gro: the guest that receives" in_guest 1 "dev=eth0; $toggle
	toggle"
check "tx checksums: both guests" eval "in_guest 1 'dev=eth0; $toggle
	feature tx tx-checksum-ipv6' && in_guest 2 'dev=eth0; $toggle
	feature tx tx-checksum-ipv6'"
dev=vif$(guest_domid 1).0
check "tx checksums, sg, tso, gso: Dom0's end of guest 1" bash -c "dev=$dev; $toggle
	feature tx tx-checksumming && feature sg scatter-gather && feature tso tcp-segmentation-offload && feature gso generic-segmentation-offload"
check "it went on all the while" kill -0 $stream
in_guest 1 'touch /tmp/stop'
wait $stream
all_whole() { [ -n "$whole" ] && [ "$(grep -c "^$whole" /tmp/sums)" -ge 2 ] && ! grep -v "^$whole" /tmp/sums || { echo "$whole"; cat /tmp/sums; return 1; }; }
check "the data was whole each of $(wc -l </tmp/sums) times" all_whole

step "checksums on a wire"
# A veth that fills in and cuts whatever comes, and a network of its own behind it: what is captured there is final.
wire_up() {
	modprobe veth && ip link add name wire0 type veth && ip link set wire0 master xenbr0 up || return 1
	unshare -n sleep 600 &
	wire=$!
	sleep 0.5
	ip link set veth0 netns $wire
	on_wire sh -c 'ip addr add 10.9.0.50/24 dev veth0 && ip link set veth0 up'
	ethtool -K wire0 tx off tso off gso off sg off && on_wire ethtool -K veth0 tx off tso off gso off sg off
}
on_wire() { nsenter -t $wire -n "$@"; }
sums() { # FILE: packets with a good checksum and with a bad one
	tcpdump -Z root -r "$1" -nvv 2>/dev/null >/tmp/packets
	echo "$(grep -c '(correct)' /tmp/packets) $(grep -cE 'incorrect|bad (udp |)cksum' /tmp/packets)"
}
check "a wire" wire_up
on_wire tcpdump -Z root -i veth0 -c 1500 -w /tmp/wire.pcap 2>/dev/null &
capture=$!
tcpdump -Z root -i "vif$(guest_domid 1).0" -c 100 -w /tmp/vif.pcap 2>/dev/null &
on_wire iperf3 -s -D
sleep 1
check "guest 1 to the wire" iperf 2 10.9.0.50
check "the wire to guest 1" iperf 2 10.9.0.50 -R
kill $capture 2>/dev/null
wait $capture
good_wire() { read -r good bad < <(sums /tmp/wire.pcap); echo "$good good, $bad bad"; [ "$good" -ge 500 ] && [ "$bad" = 0 ]; }
check "no bad checksum by capture" good_wire
sed 's/^/      | /' /tmp/check.out
blank_before() { read -r good bad < <(sums /tmp/vif.pcap); echo "$good good, $bad blank"; [ "$bad" -ge 20 ]; }
check "they were blank between guest and bridge" blank_before
kill $wire

step "the daemon restarted under TCP"
resets() { in_guest 1 'cat /proc/net/snmp' | awk '/^Tcp: [0-9]/ { print $9 + $15 }'; }
before=$(resets) # iperf3 itself ends a connection or two that way
check "an undisturbed run" iperf 2 10.9.0.12
usual=$(($(resets) - before)) before=$(resets)
in_guest 1 'iperf3 -c 10.9.0.12 -t 30 -f m' >/tmp/iperf.log 2>&1 &
stream=$!
sleep 2
dom0_weight 1024
n=0 start=$SECONDS
for i in 1 2 3 4 5 6 7 8 9 10; do
	daemon_stop || break
	state_is 1 4 >/dev/null || break
	daemon_start || break
	n=$i
	pause 0.5
done
dom0_weight 256
check "10 restarts, $n done in $((SECONDS - start)) s" test $n = 10
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
