#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The control ring between our two ends: with static grants a packet costs neither side a grant call;
# a Toeplitz hash spreads flows over the queues; a multicast filter lets through what was asked for.
# timeout: 60
# configs: release asan
set -u
. "$TOP/tests/lab/vbd.sh"
. "$TOP/tests/lab/vif.sh"
command -v iperf3 >/dev/null || { echo "no iperf3: install it"; exit 77; }
x() { dom 0 xensplit --socket "$lab/xensplitd.sock" "$@"; }
counter() { # DOMID NAME
	x --json show "vif/$1/0" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"
}
bulk() { # SECONDS [OPTION...]
	dom 2 iperf3 -s -1 --forceflush >"$T/server" 2>&1 &
	local server=$!
	wait_for 5 grep -q listening "$T/server" || fail "iperf3's server"
	dom 1 iperf3 -c 10.0.0.2 -t "$1" "${@:2}" >"$T/iperf" 2>&1 || fail "iperf3: $(tail -n 5 "$T/iperf")"
	wait $server
}

lab_up 2
daemon_start --workers 2
bridge_up br0
vif_attach 1 0 00:16:3e:00:00:01 bridge=br0
vif_attach 2 0 00:16:3e:00:00:02 bridge=br0
vif_up 1 10.0.0.1/24 && vif_up 2 10.0.0.2/24 || fail "up"
dom 1 xensplit-vif info 0 --json >"$T/info"
[ "$(field "$T/info" 'd["ctrl"] and d["static_pages"] == d["tx_pages"] + d["rx_pages"]')" = True ] ||
	fail "no static grants: $(cat "$T/info")"
dom 1 ping -q -c 1 -W 5 10.0.0.2 >/dev/null || fail "ping"
calls=$(counter 1 gnt_calls) packets=$(counter 1 tx_packets)
bulk 1
calls=$(($(counter 1 gnt_calls) - calls)) packets=$(($(counter 1 tx_packets) - packets))
echo "static grants: $packets packets sent, $(counter 1 static_pieces) pieces, $calls grant calls"
[ $packets -gt 100 ] && [ $calls = 0 ] || fail "$calls grant calls for $packets packets"

dom 1 xensplit-vif down 0 && vif_up 1 10.0.0.1/24 --no-static || fail "up without"
dom 1 ping -q -c 2 -W 5 10.0.0.2 >/dev/null || fail "ping without"
[ "$(counter 1 gnt_calls)" -gt 0 ] || fail "without them there must be grant calls"

dom 1 xensplit-vif down 0 && dom 2 xensplit-vif down 0
vif_up 1 10.0.0.1/24 && vif_up 2 10.0.0.2/24 --queues 2 --hash || fail "up with a hash"
dom 2 xensplit-vif info 0 --json >"$T/info"
if [ "$(field "$T/info" 'd["queues"]')" = 2 ]; then
	[ "$(field "$T/info" 'd["hash"]')" = True ] || fail "no hash: $(cat "$T/info")"
	bulk 1 -P 8
	dom 2 xensplit-vif stats 0 --json >"$T/stats"
	field "$T/stats" '"packets by queue: %s" % [q["rx_packets"] for q in d["queues"]]'
	echo "steered from one to the other: $(counter 2 rx_steered)"
	[ "$(field "$T/stats" 'min(q["rx_packets"] for q in d["queues"]) > 10')" = True ] || fail "one queue is idle"
	[ "$(counter 2 rx_steered)" -gt 0 ] || fail "no packet was steered: the kernel can't know the guest's key"
fi

# the filter: nothing of 239.1.1.1 until it is asked for
dom 0 xenstore-write /local/domain/2/device/vif/0/request-multicast-control 1
filtered() {
	dom 1 ping -q -c 1 -W 1 -I xn0 239.1.1.1 >/dev/null
	[ "$(counter 2 rx_filtered)" -gt 0 ]
}
wait_for 10 filtered || fail "multicast is not filtered"
echo "filtered: $(counter 2 rx_filtered)"
dom 0 xenstore-write /local/domain/2/device/vif/0/request-multicast-control 0
dom 1 xensplit-vif down 0 && dom 2 xensplit-vif down 0
grep -E ' (warn|error) ' "$T/daemon.log"
true
