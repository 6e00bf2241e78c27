#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A rate keeps a guest to what it may send, changes while it runs, and leaves nobody waiting; IPv6 goes as
# large as IPv4; a multicast filter keeps away what was not asked for, from when the guest asks for it.
# timeout: 90
set -u
. "$TOP/tests/lab/vbd.sh"
. "$TOP/tests/lab/vif.sh"
command -v iperf3 >/dev/null || { echo "no iperf3: install it"; exit 77; }
x() { dom 0 xensplit --socket "$lab/xensplitd.sock" "$@"; }
counter() { # DOMID NAME
	x --json show "vif/$1/0" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"
}
iperf() { # ADDRESS SECONDS [OPTION...]
	: >"$T/server"
	dom 2 iperf3 -s -1 --forceflush >"$T/server" 2>&1 &
	local server=$!
	wait_for 5 grep -q listening "$T/server" || fail "iperf3's server"
	dom 1 timeout 40 iperf3 -c "$1" -t "$2" "${@:3}" >"$T/iperf" 2>&1 || fail "iperf3: $(tail -n 5 "$T/iperf")"
	wait $server
}

lab_up 2
daemon_start --workers 2
bridge_up br0
for d in 1 2; do vif_attach $d 0 00:16:3e:00:00:0$d bridge=br0; done
for d in 1 2; do vif_up $d 10.0.0.$d/24 || fail "up"; done

for d in 1 2; do dom $d ip -6 addr add fd00::$d/64 dev xn0 nodad || fail "an IPv6 address"; done
wait_for 10 dom 1 ping -6 -q -c 1 -W 2 fd00::2 >/dev/null || fail "ping, IPv6"
gso=$(counter 1 tx_gso)
iperf fd00::2 1 -6
echo "IPv6: $(($(counter 1 tx_gso) - gso)) packets went uncut"
[ $(($(counter 1 tx_gso) - gso)) -gt 50 ] || fail "IPv6 was cut"
bad_sums() { dom $1 awk '/^Tcp:/ && /[0-9]/ { exit !$16 }' /proc/net/snmp; }
for d in 1 2; do ! bad_sums $d || fail "wrong checksums in guest $d"; done

x throttle vif/1/0 bytes=2MB/s@10ms >/dev/null
wait_for 5 eval 'x --json show vif/1/0 | grep -q "\"rate_bytes\":20000,"' || fail "the rate is not in force"
sent=$(counter 1 tx_bytes) start=$(date +%s%N)
iperf 10.0.0.2 2
sent=$(($(counter 1 tx_bytes) - sent)) ms=$((($(date +%s%N) - start) / 1000000))
echo "throttled to 2 MB/s: $sent bytes in $ms ms"
[ $((sent / ms)) -lt 2400 ] && [ "$(counter 1 throttled)" -gt 0 ] || fail "it sends more"
[ "$sent" -gt 1500000 ] || fail "it was left waiting"
x throttle vif/1/0 bytes=none >/dev/null
wait_for 5 eval 'x --json show vif/1/0 | grep -q "\"rate_bytes\":0,"' || fail "the rate stays"
sent=$(counter 1 tx_bytes)
iperf 10.0.0.2 1
[ $(($(counter 1 tx_bytes) - sent)) -gt 4000000 ] || fail "it is still held back"
dom 1 ip route add 239.0.0.0/8 dev xn0
multicast() { # so many of three reach guest 2
	local before
	before=$(counter 2 rx_packets)
	dom 1 ping -q -c 3 -i 0.1 -W 1 239.1.1.1 >/dev/null
	echo $(($(counter 2 rx_packets) - before))
}
[ "$(multicast)" -ge 3 ] || fail "multicast does not come through"
dom 2 xenstore-write /local/domain/2/device/vif/0/request-multicast-control 1
filters() { multicast >/dev/null; [ "$(counter 2 rx_filtered)" -gt 0 ]; }
wait_for 10 filters || fail "multicast is not filtered"
filtered=$(counter 2 rx_filtered)
multicast >/dev/null
[ $(($(counter 2 rx_filtered) - filtered)) -ge 3 ] || fail "some multicast is filtered, some not"
dom 1 ping -q -c 1 -W 5 10.0.0.2 >/dev/null || fail "the filter keeps unicast away"
echo "multicast: $(counter 2 rx_filtered) packets filtered"
for d in 1 2; do dom $d xensplit-vif down 0; done
grep -E ' (warn|error) ' "$T/daemon.log"
true
