#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-netmodule.sh): xensplit-net.ko in guests whose xen-netfront is kept away, with
# xensplitd and Xen's own vif-bridge at the other end, then with Linux's netback.
#   dom0-netmodule.sh [SAVES [basic|bounced|xdp|plugged|lies|restarted|saved|pvh|netback]...]
#   (2, and all but lies, restarted, pvh, netback)
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
saves=${1:-2}
shift $(($# < 1 ? $# : 1))
steps=${*:-basic bounced xdp plugged saved}
breaking=rx-bad-id harmless=rx-offset control= storm= # a dose for CI
if [ "$saves" -ge 10 ]; then
	breaking='rx-bad-id rx-overflow rx-endless tx-bad-id tx-null tx-overflow ctrl-bad-id ctrl-overflow'
	harmless='rx-status rx-offset rx-long rx-empty rx-runt rx-gso rx-csum rx-extra'
	control='ctrl-silent ctrl-refuse ctrl-odd-status ctrl-huge' storm=1
fi
# kernel.sh says MODULES: another kernel's
export GUEST_FILES="${MODULES:-$B/guest}/xensplit-net.ko $B/bin/test-xdp" GUEST_ARGS="xsp.without=xen-netfront"
export GUEST_MEM=${GUEST_MEM:-160}
dbg=/sys/kernel/debug/xensplit-net
drv=/sys/bus/xen/drivers/xensplit-net
no_dad='echo 0 >/proc/sys/net/ipv6/conf' # an address that is new may be used at once

bridge_up() {
	modprobe -a tun bridge && eval "$no_hystart" && ip link add name xenbr0 type bridge &&
		ip link set dev xenbr0 address 02:00:00:09:00:01 && ip addr add 10.9.0.1/24 dev xenbr0 &&
		echo 0 >/sys/class/net/xenbr0/bridge/multicast_snooping && eval "$no_dad/xenbr0/accept_dad" &&
		ip addr add fd00:9::1/64 dev xenbr0 && ip link set dev xenbr0 up
}
vif() { # N: guest N's line for xl
	echo "vif = [ 'mac=00:16:3e:00:00:0$1,bridge=xenbr0' ]"
}
# Round trips take an emulator now 10 ms, now 60: slow start, which looks at them, would end at 50 KiB.
no_hystart='echo 0 >/sys/module/tcp_cubic/parameters/hystart'
up() { # N: its eth0, with a carrier
	in_guest "$1" "$no_hystart; mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
		ip link set lo up; ip link set eth0 up; ip addr add 10.9.0.1$1/24 dev eth0
		for i in \$(seq 60); do grep -q 1 /sys/class/net/eth0/carrier && exit 0; sleep 0.25; done; dmesg | tail; cat $dbg/vif-0/*; exit 1"
}
load() { # N [PARAMETERS]: loads the module, waits for its NIC
	local n=$1
	shift
	in_guest "$n" "insmod /opt/xensplit-net.ko $*" && up "$n"
}
unload='for d in '$drv'/vif-*; do [ ! -e $d ] || echo ${d##*/} >'$drv'/unbind; done; rmmod xensplit_net'
quiet_kernel() { ! guest_log "$1" | grep -E 'WARNING|BUG|Oops|Call Trace|hung_task|blocked for more|xensplit' | grep -vE 'out-of-tree|vif-5: (the backend sent|a control request)'; }
says() { in_guest "${2:-1}" "grep -q '$1' $dbg/vif-0/device || { cat $dbg/vif-0/device; false; }"; } # REGEX [N]
connections() { in_guest "$1" "sed -n 's/^connections //p' $dbg/vif-0/device"; }
counts() { # N: pages granted, event channels
	echo "$(world-grants "$(guest_domid "$1")") $(/usr/lib/xen-4.17/bin/lsevtchn "$(guest_domid "$1")" | wc -l)"
}
# One by one: of several, busybox's ping waits for the last one a second at most, whatever -W says.
no_loss() { # N [SIZE...]
	local n=$1
	shift
	in_guest "$n" "for s in ${*:-56 1000 1472 1473 4000 9000 32000 65507}; do for i in 1 2 3; do
		ping -q -c 1 -W 10 -s \$s 10.9.0.1 >/tmp/ping.out || { echo size \$s; cat /tmp/ping.out; exit 1; }; done; done"
}
iperf() { # N ARGS: prints the rate
	local n=$1
	shift
	in_guest "$n" "iperf3 -c 10.9.0.1 -f m $*" >/tmp/iperf.out || { cat /tmp/iperf.out; return 1; }
	grep receiver /tmp/iperf.out | tail -n 1 | sed 's/^/      | /' >&3
}
exec 3>&1
bad_sums='awk "/^(Tcp|Udp):/ { if (!(\$1 in h)) { h[\$1] = 1; for (i = 1; i <= NF; i++) if (\$i == \"InCsumErrors\") c[\$1] = i } else n += \$c[\$1] } END { print n + 0; exit n > 0 }" /proc/net/snmp'
counter() { in_guest 1 "ethtool -S eth0" | awk -v n="queue${2:-0}_$1:" '$1 == n { print $2 }'; }
same_sum() { # N: 64 MiB from Dom0 by HTTP
	in_guest "$1" 'wget -q -O - http://10.9.0.1/f | sha256sum' >/tmp/got 2>&1
	grep -q "^$sum" /tmp/got || { echo "$sum"; cat /tmp/got; return 1; }
}

iperf6() { in_guest 1 "iperf3 -c fd00:9::1 $*" >/tmp/iperf.out || { cat /tmp/iperf.out; return 1; }; }
filtered() { # MIN MAX: of ten packets to a group that nobody listens to
	local was now
	was=$(filtered_count)
	ping -q -c 10 -i 0.1 -W 1 -I xenbr0 239.1.2.3 >/dev/null 2>&1
	now=$(filtered_count)
	echo "$was, $now"
	[ $((now - was)) -ge "$1" ] && [ $((now - was)) -le "$2" ]
}
filtered_count() { xensplit --json show "vif/$(guest_domid 1)/0" | grep -oE '"rx_filtered": *[0-9]+' | awk -F: '{ n += $2 } END { print n + 0 }'; }
gnt_calls() { xensplit --json show "vif/$(guest_domid 1)/0" | grep -oE '"gnt_calls":[0-9]+' | head -n 1; }

basic() {
	step "two CPUs, two queues"
	check "xensplit-net.ko is loaded, its NIC has a carrier" load 1 || return
	check "two queues with split event channels" eval "says 'queues 2' && says 'split 1'"
	check "its pages are mapped for good, received packets are spread by our hash" eval "says 'static_pages 1024' && says 'hashed 1'"
	calls=$(gnt_calls)
	check "ethtool knows the driver" in_guest 1 "ethtool -i eth0 | grep -qx 'driver: xensplit-net'"
	check "pings of 56 to 65507 bytes, none lost" no_loss 1
	check "not a grant call for them" [ "$calls" = "$(gnt_calls)" ]
	check "TCP to Dom0, four flows" iperf 1 -t 1 -P 4
	check "TCP from Dom0, four flows" iperf 1 -t 1 -P 4 -R
	check "large packets both ways" in_guest 1 "grep 'tx_gso=[1-9]' $dbg/vif-0/counters && grep 'rx_gso=[1-9]' $dbg/vif-0/counters"
	check "both queues carried some of it" in_guest 1 "! grep -E 'tx_packets=0|rx_packets=0' $dbg/vif-0/counters"
	in_guest 1 "cat $dbg/vif-0/counters" | sed 's/^/      | /'
	check "64 MiB, the same by checksum" same_sum 1
	check "IPv6: Dom0 finds the guest by multicast, pings it" eval "in_guest 1 '$no_dad/eth0/accept_dad; ip addr add fd00:9::11/64 dev eth0' &&
		eventually 10 ping -6 -q -c 1 -W 2 fd00:9::11"
	check "TCP by IPv6, both ways" iperf6 -t 1 --bidir
	check "the backend filters multicast as it was asked to" eval "says 'multicast filtered' && says 'multicast_addresses [3-9]' && filtered 5 99"
	check "all of it for who asks for all" eval "in_guest 1 'ip link set eth0 promisc on' && eventually 10 says 'multicast all' && filtered 0 4"
	check "and filters again" eval "in_guest 1 'ip link set eth0 promisc off' && eventually 10 says 'multicast filtered' && filtered 5 99"
	check "ethtool -X: all to queue 1" in_guest 1 "ethtool -X eth0 weight 0 1 hkey \$(for i in \$(seq 39); do printf '%02x:' \$i; done)28; sleep 0.5; ethtool -x eth0 | grep -E '01:02:03.*:28' && ! ethtool -x eth0 | grep -E '^ *[0-9]+:.* 0'"
	before=$(counter rx_packets 0)
	check "TCP from Dom0, four flows" iperf 1 -t 1 -P 4 -R
	check "none came by queue 0" [ "$before" = "$(counter rx_packets 0)" ]
	check "ethtool turns segmentation off" in_guest 1 'ethtool -K eth0 tso off gso off gro off'
	check "TCP both ways, without" iperf 1 -t 1 --bidir
	check "and sums, and scatter-gather" in_guest 1 'ethtool -K eth0 tx off sg off'
	check "TCP both ways, without" iperf 1 -t 1 --bidir
	check "all on again" in_guest 1 'ethtool -K eth0 tx on sg on tso on gso on gro on'
	check "one queue" in_guest 1 "ethtool -X eth0 default; ethtool -L eth0 combined 1; for i in \$(seq 40); do ethtool -l eth0 | tail -n 2 | grep -q 'Combined:.*1' && exit 0; sleep 0.25; done; exit 1"
	check "pings" no_loss 1 56 9000
	check "no bad checksum: Dom0" bash -c "$bad_sums"
	check "no bad checksum: the guest" in_guest 1 "$bad_sums"
	check "unbound and unloaded" in_guest 1 "$unload"
	check "no grant and no event channel is left ($start, $(counts 1))" [ "$start" = "$(counts 1)" ]
}

bounced() {
	step "a backend that isn't trusted"
	check "loaded: trusted=N max_queues=1 static_grants=N" load 1 trusted=N max_queues=1 static_grants=N || return
	check "it keeps its own pages granted and no others" eval "says 'trusted 0' && says 'pages kept' && says 'static_pages 0'"
	check "pings" no_loss 1 56 65507
	check "TCP both ways" iperf 1 -t 1 --bidir
	check "no page of a packet was granted" in_guest 1 "grep 'tx_lent=0 .*rx_taken=0 ' $dbg/vif-0/counters"
	check "unloaded" in_guest 1 "$unload"
	check "loaded: static_grants=N" load 1 static_grants=N
	check "pages of packets are granted" eval "says 'trusted 1' && says 'pages each packet' && says 'hashed 1'"
	check "pings" no_loss 1 56 9000 65507
	check "TCP both ways" iperf 1 -t 1 --bidir # a ping's data is not in pages
	check "pages were granted both ways" in_guest 1 "grep 'tx_lent=[1-9]' $dbg/vif-0/counters && grep 'rx_taken=[1-9]' $dbg/vif-0/counters"
	check "unloaded" in_guest 1 "$unload"
	check "no grant and no event channel is left ($start, $(counts 1))" [ "$start" = "$(counts 1)" ]
}

# with PROGRAM [N [NIC]]: attached to ethNIC (0) of guest N (1) until `without`. The NIC connects anew for it.
with() { anew "${2:-1}" "${3:-0}" "/opt/test-xdp eth${3:-0} $1 600 >/tmp/xdp${3:-0} 2>&1 & echo \$! >/tmp/xdp${3:-0}.pid"; }
without() { anew "${1:-1}" "${2:-0}" "kill \$(cat /tmp/xdp${2:-0}.pid)"; } # [N [NIC]]
anew() { # N NIC CMD: which has it connect anew
	in_guest "$1" "n() { sed -n 's/^connections //p' $dbg/vif-$2/device; }; was=\$(n); $3
		for i in \$(seq 80); do [ \$(n) -gt \$was ] && grep -q 1 /sys/class/net/eth$2/carrier && exit 0; sleep 0.25; done
		cat $dbg/vif-$2/device /tmp/xdp$2; exit 1"
}
counted() { in_guest "$1" "for i in ${3:-0}; do grep '$2' $dbg/vif-\$i/counters || { cat $dbg/vif-\$i/counters; exit 1; }; done"; } # N REGEX [NICS]
copies() { in_guest "$1" "cat $dbg/vif-?/counters" | grep -o 'rx_copied=[0-9]*' | xargs; }

# A second bridge and, behind it, a network of its own that answers as 10.9.0.99; Dom0 itself does not
# there. Nothing says of a redirected packet that its checksum was left blank, so none is.
far_up() {
	[ -z "${far:-}" ] || return 0
	modprobe veth && ip link add name xenbr1 type bridge && ip link set dev xenbr1 up &&
		echo 1 >/proc/sys/net/ipv4/conf/xenbr1/arp_ignore && ip link add name near type veth && ip link set near master xenbr1 up || return 1
	unshare -n sleep 3000 &
	far=$!
	sleep 0.5
	ip link set veth0 netns $far && in_far ip addr add 10.9.0.99/24 dev veth0 && in_far ip link set veth0 up &&
		in_far ethtool -K veth0 tx off
}
in_far() { nsenter -t "$far" -n "$@"; }

redirected() { # N ROOM: what Dom0 sends there goes in by one NIC of guest N and out by the other, and back
	local n=$1 was
	check "a second NIC, on another bridge" eval "far_up && xl network-attach guest$n mac=00:16:3e:00:01:0$n bridge=xenbr1 &&
		eventually 30 in_guest $n '[ -e /sys/class/net/eth1 ] && ip link set eth1 up'"
	check "programs that redirect from each to the other" eval "with to:eth1 $n 0 && with to:eth0 $n 1"
	was=$(copies "$n")
	check "pings through the guest" eval "eventually 30 ping -q -c 1 -W 5 10.9.0.99 && ping -q -c 5 -i 0.2 -w 60 -s 1472 10.9.0.99"
	in_far iperf3 -s -1 -D
	check "TCP through the guest" eval "ethtool -K xenbr0 tx off && iperf3 -c 10.9.0.99 -t 1"
	ethtool -K xenbr0 tx on >/dev/null
	check "both NICs redirected" counted "$n" 'xdp_redirected=[1-9]' "0 1"
	[ "$2" = 0 ] || check "not one of them was copied when it came" [ "$was" = "$(copies "$n")" ]
	check "they go" eval "without $n 0 && without $n 1"
	check "the second NIC goes" eval "xl network-detach guest$n 1 && eventually 20 in_guest $n '[ ! -e /sys/class/net/eth1 ]'"
}

programs() { # N ROOM: the octets that the backend leaves before a packet
	local n=$1
	check "a program that lets all pass" with pass "$n"
	check "the backend leaves $2 bytes of room" says "xdp_headroom $2" "$n"
	check "pings" no_loss "$n" 56 1472
	check "TCP from Dom0" iperf "$n" -t 1 -R
	check "it saw the packets" counted "$n" 'xdp_passed=[1-9]'
	check "it goes" without "$n"
	check "large packets again" eval "iperf $n -t 1 && in_guest $n 'ethtool -k eth0 | grep -q \"tcp-segmentation-offload: on\"'"
	check "a program that sends all back" with swap "$n"
	check "it did" eventually 30 eval "ping -q -c 1 -W 1 10.9.0.1$n; counted $n 'xdp_sent=[1-9]'"
	check "it goes" without "$n"
	check "pings" no_loss "$n" 56 9000
}

xdp() {
	step "XDP"
	check "loaded" load 1 || return
	programs 1 0
	[ "$saves" -lt 10 ] || redirected 1 0
	check "unloaded" in_guest 1 "$unload"
	check "no grant and no event channel is left ($start, $(counts 1))" [ "$start" = "$(counts 1)" ]
}

plugged() {
	step "hot-plugging"
	check "loaded" load 1 || return
	check "xl network-attach" xl network-attach guest1 mac=00:16:3e:00:01:01 bridge=xenbr0
	check "guest 1 has eth1" eventually 20 in_guest 1 'test -e /sys/class/net/eth1'
	check "it works" eval "in_guest 1 'ip link set eth1 up; ip addr add 10.9.0.21/24 dev eth1' && eventually 10 ping -c 1 -W 2 10.9.0.21"
	in_guest 1 'ping -q -i 0.01 -w 4 -I eth1 10.9.0.1' >/dev/null 2>&1 &
	check "xl network-detach under traffic" xl network-detach guest1 1
	check "it is gone" eventually 10 in_guest 1 '[ ! -e /sys/class/net/eth1 ]'
	check "pulled and put back: unbind, bind" in_guest 1 "echo vif-0 >$drv/unbind; [ ! -e /sys/class/net/eth0 ] && echo vif-0 >$drv/bind"
	check "it works again" eval "up 1 && no_loss 1 56 9000"
	check "unloaded" in_guest 1 "$unload"
	check "no grant and no event channel is left ($start, $(counts 1))" [ "$start" = "$(counts 1)" ]
}

# --- a backend that lies: tests/lab/netbackend.c with nodes made by hand ----------------------------

nodes() {
	front=/local/domain/$dom/device/vif/5 back=/local/domain/0/lying/vif/$dom/5 # not where xensplitd looks
	xenstore-write "$back/frontend" "$front" "$back/frontend-id" "$dom" "$back/online" 1 "$back/state" 1
	xenstore-chmod -r "$back" n0 "r$dom"
	xenstore-write "$front/backend" "$back" "$front/backend-id" 0 "$front/mac" 00:16:3e:00:05:05 "$front/handle" 5
	xenstore-chmod -r "$front" "n$dom" r0
	xenstore-write "$front/state" 1
	xenstore-chmod "$front/state" "n$dom" r0
}
no_nodes() { # until the kernel is done with it: new nodes of the same name would meet the old device
	xenstore-rm "$front"
	xenstore-rm "$back"
	eventually 20 in_guest 1 '[ ! -e /sys/class/net/eth1 ] && [ ! -e /sys/devices/vif-5 ]'
}
backend() { test-netbackend "$dom" 5 "$1" >/tmp/backend 2>&1 & backend=$!; }
talk() { # N: packets out; a backend that echoes sends them back
	in_guest 1 "for i in \$(seq 40); do [ -e /sys/class/net/eth1 ] && break; sleep 0.25; done
		ip link set eth1 up; ip addr add 10.8.0.1/24 dev eth1 2>/dev/null
		busybox arp -i eth1 -s 10.8.0.2 00:16:3e:00:05:06
		for i in \$(seq 40); do grep -q 1 /sys/class/net/eth1/carrier && break; sleep 0.25; done
		ping -q -c $1 -i 0.05 -w 3 -s 900 10.8.0.2 >/dev/null; true"
}
fifth() { # REGEX: in what the kernel says of it
	in_guest 1 "cat $dbg/vif-5/device $dbg/vif-5/counters" >/tmp/fifth
	grep -E "$1" /tmp/fifth || { cat /tmp/fifth; return 1; }
}

lies() {
	step "backends that lie"
	dom=$(guest_domid 1)
	check "loaded: max_queues=1, as that backend has one" load 1 max_queues=1 || return
	for mode in $breaking; do
		nodes
		backend "$mode"
		talk 4
		check "$mode: the guest leaves it in order" eval "wait $backend || { cat /tmp/backend; false; }"
		backend honest
		talk 5
		check "$mode: the next backend is served" fifth 'rx_packets=([5-9]|[1-9][0-9])'
		check "$mode: the kernel's log names it" in_guest 1 "dmesg -c >/tmp/d; grep 'vif-5: the backend sent' /tmp/d"
		kill $backend 2>/dev/null; wait $backend 2>/dev/null
		check "$mode: the NIC goes" no_nodes
	done
	for mode in $harmless; do
		nodes
		backend "$mode"
		talk 5
		check "$mode: dropped, counted, no worse" eval "fifth 'rx_bad=[1-9]' && fifth '^connections 1\$' &&
			in_guest 1 '! dmesg | grep \"vif-5: the backend sent\"'"
		kill $backend 2>/dev/null; wait $backend 2>/dev/null
		no_nodes >/dev/null
	done
	for mode in $control; do
		nodes
		backend "$mode"
		talk 5
		pages=0
		[ $mode != ctrl-huge ] || pages=512 # no more than a page of them
		check "$mode: $pages static pages, the NIC works" eval "fifth 'rx_packets=[1-9]' && fifth '^connections 1\$' && fifth '^static_pages $pages\$'"
		kill $backend 2>/dev/null; wait $backend 2>/dev/null
		no_nodes >/dev/null
	done
	nodes
	backend rx-pieces
	talk 5
	check "rx-pieces: packets of 20 pieces, more than an skb has places for" fifth 'rx_taken=[1-9]'
	check "rx-pieces: no worse" fifth '^connected 1'
	kill $backend 2>/dev/null; wait $backend 2>/dev/null
	no_nodes >/dev/null
	if [ -n "$storm" ]; then
		nodes
		backend storm
		talk 5
		check "storm: served, and slowed down" fifth 'rx_packets=[1-9].* spurious=[1-9]'
		kill $backend 2>/dev/null; wait $backend 2>/dev/null
		no_nodes >/dev/null
	fi
	check "the other NIC didn't mind" no_loss 1 56 9000
	check "unloaded" in_guest 1 "$unload"
	check "no grant and no event channel is left ($start, $(counts 1))" eventually 20 eval "[ '$start' = \"\$(counts 1)\" ]"
}

rounds() { in_guest 1 'cat /tmp/rounds'; }
sent() { in_guest 1 "grep -c ' [1-9][0-9.]* [KM]bits/sec' /tmp/tcp.log"; }
more() { [ "$($1)" -gt "$2" ]; } # rounds|sent THAN

restarted() {
	step "xensplitd killed and stopped under TCP"
	check "loaded" load 1 || return
	in_guest 1 'ping -q -i 0.1 10.9.0.1 >/tmp/ping.log 2>&1 & iperf3 -c 10.9.0.1 -t 3600 -b 40M -i 1 --forceflush >/tmp/tcp.log 2>&1 & true' >/dev/null
	in_guest 1 "rm -f /tmp/stop; echo 0 >/tmp/rounds; (n=0; while [ ! -e /tmp/stop ]; do
		busybox wget -q -O - http://10.9.0.1/g 2>/tmp/wget.log | sha256sum >/tmp/sum
		grep -q '^$part' /tmp/sum || { cat /tmp/sum /tmp/wget.log >/tmp/wrong; break; }
		n=\$((n + 1)); echo \$n >/tmp/rounds.new; mv /tmp/rounds.new /tmp/rounds; done) >/dev/null 2>&1 &"
	dom0_weight 1024
	for signal in KILL KILL TERM KILL; do
		check "TCP runs both ways" eval "eventually 120 more rounds $(rounds) && eventually 120 more sent $(sent)"
		was=$(rounds)
		daemon_stop $signal
		check "SIG$signal: it starts again" daemon_start
		check "pings" eventually 40 in_guest 1 'ping -q -c 1 -W 5 10.9.0.1'
		# TCP doubles its patience all the while, so it goes on after as much time again
		check "the download that was under way comes to its end" eventually 240 more rounds $((was + 1))
		check "the stream to Dom0 goes on" eventually 240 more sent $(($(sent) + 1))
	done
	dom0_weight 256
	in_guest 1 'kill -INT $(pidof ping) $(pidof iperf3); touch /tmp/stop; sleep 0.3; tail -n 3 /tmp/ping.log; tail -n 5 /tmp/tcp.log' | sed 's/^/      | /'
	check "each of $(rounds) downloads had all its bytes" in_guest 1 '! cat /tmp/wrong'
	check "the NIC never connected anew" eval "says '^connections 1\$'"
	check "two queues, its pages are mapped again, packets are hashed" eventually 20 eval "says 'queues 2' && says 'static_pages 1024' && says 'hashed 1'"
	check "no packet waits for an answer" eventually 20 in_guest 1 "cat $dbg/vif-0/rings; [ \$(grep -c ' 0 packets under way' $dbg/vif-0/rings) = 2 ]"
	check "all sizes" no_loss 1
	pkill iperf3; iperf3 -s -D
	check "TCP to Dom0" iperf 1 -t 2
	check "TCP from Dom0" iperf 1 -t 2 -R
	check "64 MiB, the same by checksum" same_sum 1
	check "no bad checksum: Dom0" bash -c "$bad_sums"
	check "unloaded" in_guest 1 "$unload"
	check "no grant and no event channel is left ($start, $(counts 1))" eventually 20 eval "[ '$start' = \"\$(counts 1)\" ]"
}

under_load() { # N TIMES: saved and restored under ping and TCP
	local n=$1 i was
	was=$(connections "$n")
	in_guest "$n" 'ping -q -i 0.1 10.9.0.1 >/tmp/ping.log 2>&1 & iperf3 -c 10.9.0.1 -t 600 -b 20M >/tmp/tcp.log 2>&1 & true' >/dev/null
	for ((i = 1; i <= $2; i++)); do
		check "save $i" xl save "guest$n" /root/save
		check "restore $i" xl restore /root/save
		xl domid "guest$n" >"$XSP_WORLD/guest$n/domid"
		xenstore-read "/local/domain/$(guest_domid "$n")/console/tty" >"$XSP_WORLD/guest$n/tty"
		check "pings after restore $i" eventually 15 in_guest "$n" 'ping -q -c 1 -W 2 10.9.0.1'
	done
	rm -f /root/save
	check "the TCP connection lives" in_guest "$n" 'pidof iperf3'
	check "connected anew after each restore, and at no other time" says "^connections $((was + $2))\$" "$n"
	in_guest "$n" 'kill -INT $(pidof ping) $(pidof iperf3); sleep 0.3; tail -n 3 /tmp/ping.log' | sed 's/^/      | /'
	check "all sizes" no_loss "$n"
}

saved() {
	step "saved and restored $saves times under ping and TCP"
	check "loaded" load 1 || return
	under_load 1 "$saves"
	check "unloaded" in_guest 1 "$unload"
	check "no grant and no event channel is left ($start, $(counts 1))" [ "$start" = "$(counts 1)" ]
}

stock() { # N: the kernel's own driver on the NIC that ours had, the last thing in this guest
	check "unloaded" in_guest "$1" "$unload"
	check "xen-netfront has the NIC" in_guest "$1" 'insmod /modules/xen-netfront.ko && ls -d /sys/bus/xen/drivers/vif/vif-0' && up "$1" || return
	check "xen-netfront: pings" no_loss "$1" 56 9000 65507
	check "xen-netfront: TCP both ways" iperf "$1" -t 1 --bidir
	check "xen-netfront: 64 MiB, the same by checksum" same_sum "$1"
}

pvh() {
	step "PVH"
	GUEST_XL=$(vif 3) GUEST_TYPE=pvh GUEST_VCPUS=2 check "guest 3 (PVH) boots" guest_start 3 || return
	check "the module is loaded" load 3
	check "two queues" says 'queues 2' 3
	check "pings" no_loss 3 56 9000 65507
	check "TCP both ways" iperf 3 -t 1 --bidir
	check "64 MiB, the same by checksum" same_sum 3
	under_load 3 "$saves"
	check "unloaded" in_guest 3 "$unload"
	check "loaded: trusted=N" load 3 trusted=N
	check "pings" no_loss 3 56 9000 65507
	check "TCP both ways" iperf 3 -t 1 --bidir
	stock 3
	check "guest 3's kernel log is clean" quiet_kernel 3
	check "guest 3 stops in order" guest_stop 3
}

netback_of() { # N: it works on Linux's netback, in each way
	local n=$1
	check "the module is loaded" load "$n"
	check "two queues, packets are hashed" eval "says 'queues 2' $n && says 'hashed 1' $n"
	check "pings" no_loss "$n"
	check "TCP to Dom0, four flows" iperf "$n" -t 2 -P 4
	check "TCP from Dom0, four flows" iperf "$n" -t 2 -P 4 -R
	check "large packets both ways" in_guest "$n" "grep 'tx_gso=[1-9]' $dbg/vif-0/counters && grep 'rx_gso=[1-9]' $dbg/vif-0/counters"
	check "both queues carried some of it" in_guest "$n" "! grep -E 'tx_packets=0|rx_packets=0' $dbg/vif-0/counters"
	in_guest "$n" "cat $dbg/vif-0/counters" | sed 's/^/      | /'
	check "64 MiB, the same by checksum" same_sum "$n"
	programs "$n" 256
	redirected "$n" 256
	under_load "$n" "$saves"
	check "unloaded" in_guest "$n" "$unload"
	check "loaded: trusted=N" load "$n" trusted=N
	check "no page of a packet is granted" eval "says 'trusted 0' $n && says 'pages kept' $n"
	check "pings" no_loss "$n" 56 9000 65507
	check "TCP both ways" iperf "$n" -t 1 --bidir
	check "64 MiB, the same by checksum" same_sum "$n"
	stock "$n"
	check "guest $n's kernel log is clean" quiet_kernel "$n"
	check "guest $n stops in order" guest_stop "$n"
}

netback() {
	modprobe xen-netback max_queues=2
	step "Linux's netback, PV"
	GUEST_XL=$(vif 4) GUEST_VCPUS=2 check "guest 4 boots" guest_start 4 && netback_of 4
	step "Linux's netback, PVH"
	GUEST_XL=$(vif 6) GUEST_TYPE=pvh GUEST_VCPUS=2 check "guest 6 boots" guest_start 6 && netback_of 6
}

check "a bridge in Dom0" bridge_up || { closing; exit 1; }
mkdir -p /run/www && head -c 64M /dev/urandom >/run/www/f && head -c 4M /run/www/f >/run/www/g
sum=$(sha256sum </run/www/f | cut -d' ' -f1)
part=$(sha256sum </run/www/g | cut -d' ' -f1)
busybox httpd -p 10.9.0.1:80 -h /run/www
iperf3 -s -D
export XENSPLITD_ARGS="--workers 2"
case " $steps " in *" basic "* | *" bounced "* | *" xdp "* | *" plugged "* | *" lies "* | *" restarted "* | *" saved "* | *" pvh "*)
	check "xensplitd starts" world_up || { closing; exit 1; } ;;
esac
case " $steps " in *" basic "* | *" bounced "* | *" xdp "* | *" plugged "* | *" lies "* | *" restarted "* | *" saved "*)
	GUEST_XL=$(vif 1) GUEST_VCPUS=2 check "guest 1 boots" guest_start 1 || { closing; exit 1; }
	start=$(counts 1) ;;
esac
ended=
for s in $steps; do
	if [ "$s" = netback ] && [ -z "$ended" ]; then
		ended=1
		[ -z "$(guest_domid 1)" ] || check "guest 1 stops in order" guest_stop 1
		check "xensplitd stops with exit 0" daemon_stop
	fi
	$s
done
step "the end"
[ ! -e "$(_console 1)" ] || check "guest 1's kernel log is clean" quiet_kernel 1
[ $broken = 0 ] || { guest_log 1 | tail -n 30; tail -n 20 "$XSP_DAEMON_LOG"; }
[ -z "$(guest_domid 1)" ] || check "guest 1 stops in order" guest_stop 1
check "xensplitd stops" daemon_stop
closing
