#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The frontend of a NIC against a backend that lies, storms, refuses or says nothing: an error that says
# what happened, or a dropped packet and a counter; never a crash, never a hang. And against an honest
# one with static grants: not a single page is mapped for a packet.
# timeout: 120
# configs: asan
set -u
. "$TOP/tests/lab/vbd.sh"
. "$TOP/tests/lab/vif.sh"
command -v ping >/dev/null || { echo "no ping: install iputils-ping"; exit 77; }
lab_up 1

begin() { # MODE [OPTION...]: backend and frontend, then packets (broadcasts that nobody answers)
	vif_attach 1 0 00:16:3e:00:00:01
	: >"$T/out"
	timeout 40 xensplit lab run --dir "$lab" 0 -- test-netbackend 1 0 "$1" >"$T/back" 2>&1 &
	back=$!
	dom 1 timeout 30 xensplit-vif up 0 --foreground --timeout 3 "${@:2}" >"$T/out" 2>&1 &
	front=$!
	wait_for 20 sh -c "grep -q . '$T/out'" || fail "$1: nothing said"
	if grep -q "is xn0" "$T/out"; then
		dom 1 sh -c 'ip addr add 10.0.0.1/24 dev xn0 && ping -b -q -c 5 -i 0.02 -W 0.2 10.0.0.255' >"$T/ping" 2>&1
	fi
}
breaks() { # MODE TEXT [OPTION...]: the frontend ends with that
	begin "$1" "${@:3}"
	local rc=0
	wait $front || rc=$?
	[ $rc = 1 ] || [ $rc = 5 ] || { cat "$T/out" "$T/back"; fail "$1: exit $rc"; }
	grep -qE "$2" "$T/out" || { cat "$T/out" "$T/back"; fail "$1: did not say '$2'"; }
	wait $back || { cat "$T/back"; fail "$1: the backend ended with $?"; }
	echo "ok $1: $(tail -n 1 "$T/out")"
}
bears() { # MODE EXPRESSION [OPTION...]: the frontend lives on; a figure of d (stats) or i (info) shows it
	begin "$1" "${@:3}"
	dom 1 xensplit-vif stats 0 --json >"$T/stats" && dom 1 xensplit-vif info 0 --json >"$T/info" ||
		{ cat "$T/out" "$T/back"; fail "$1: it is gone"; }
	[ "$(python3 -c 'import json, sys; s, i = (json.load(open(f)) for f in sys.argv[1:3]); q = s["queues"][0]; print(bool(eval(sys.argv[3])))' \
		"$T/stats" "$T/info" "$2")" = True ] || { cat "$T/stats" "$T/info" "$T/back"; fail "$1: not $2"; }
	exits 0 dom 1 xensplit-vif down 0
	wait $front || { cat "$T/out"; fail "$1: exit $?"; }
	wait $back || { cat "$T/back"; fail "$1: the backend ended with $?"; }
	echo "ok $1: $2; $(tail -n 1 "$T/back")"
}

bears honest 'q["rx_packets"] >= 3 and q["rx_packets"] <= q["tx_packets"] and q["rx_bad"] == 0'
bears statics 'i["static_pages"] == 480 and q["rx_packets"] >= 3'
bears storm 'q["rx_packets"] >= 3 and q["events"] < 3000'
for m in rx-status rx-offset rx-long rx-empty rx-extra; do bears $m 'q["rx_bad"] >= 3 and not q["rx_packets"]'; done
for m in rx-runt rx-gso rx-csum; do bears $m 's["to_tap_bad"] >= 3 and not s["to_tap_refused"]'; done
bears tx-refuse 'q["tx_refused"] >= 3'
breaks rx-bad-id "broke the protocol: a receive response that is not in its request's slot"
breaks rx-overflow "broke the protocol: more receive responses"
breaks rx-endless "broke the protocol: a received packet of too many pieces"
breaks tx-bad-id "broke the protocol: a transmit response to no fragment"
breaks tx-null "broke the protocol: an empty transmit response"
breaks tx-overflow "broke the protocol: more transmit responses"
bears ctrl-refuse 'i["ctrl"] and not i["hash"] and not i["static_pages"] and q["rx_packets"] >= 3' --hash
bears ctrl-odd-status 'i["ctrl"] and not i["hash"] and not i["static_pages"] and q["rx_packets"] >= 3' --hash
bears ctrl-silent 'not i["hash"] and not i["static_pages"] and q["rx_packets"] >= 3' --hash
bears ctrl-huge 'i["hash"] and i["static_pages"] == 480 and q["rx_packets"] >= 3' --hash
breaks ctrl-bad-id "broke the protocol: a control response to no request"
breaks ctrl-overflow "broke the protocol: more control responses"
breaks no-rx-copy "can't copy"
breaks bad-queues "multi-queue-max-queues is not a number in range"
breaks stuck "did not connect within"
[ "$(xensplit lab status --dir "$lab" | awk '$1 == 1 { print $(NF - 1) }')" = 0 ] || {
	xensplit lab status --dir "$lab"
	fail "pages stay granted"
}
