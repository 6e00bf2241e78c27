#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What guests ask for over the control ring: static grants (bulk TCP and small packets without a single
# grant call, and with them when refused), flows spread over queues by hash, a restart of the daemon.
# timeout: 90
set -u
. "$TOP/tests/lab/vbd.sh"
. "$TOP/tests/lab/vif.sh"
for tool in ping iperf3; do
	command -v $tool >/dev/null || { echo "no $tool: install iputils-ping and iperf3"; exit 77; }
done
lab_up 2
daemon_start
bridge_up br0
vif_attach 1 0 00:16:3e:00:00:01 bridge=br0
vif_attach 2 0 00:16:3e:00:00:02 bridge=br0

up() { vif_up 1 10.0.0.1/24 "$@" && vif_up 2 10.0.0.2/24 "$@" || fail "up $*"; }
down() { dom 1 xensplit-vif down 0 && dom 2 xensplit-vif down 0 || fail "down"; }
info() { dom "$1" xensplit-vif info 0 --json >"$T/info" && field "$T/info" "$2"; }
counter() { # DOMID NAME of the daemon's
	dom 0 xensplit --socket "$lab/xensplitd.sock" show "vif/$1/0" --json >"$T/show" && field "$T/show" "d['counters']['$2']"
}
load() { # OPTION...: TCP and pings from guest 1 to guest 2
	dom 1 sh -c 'for s in 56 1472 9000 60000; do ping -q -n -c 2 -i 0.05 -w 10 -s $s 10.0.0.2 >/dev/null || exit 1; done' || fail "pings"
	: >"$T/server"
	xensplit lab run --dir "$lab" 2 -- iperf3 -s --forceflush >"$T/server" 2>&1 &
	local server=$!
	wait_for 5 grep -q listening "$T/server" || fail "iperf3's server"
	dom 1 iperf3 -c 10.0.0.2 -t 1 -J "$@" >"$T/iperf" || fail "iperf3: $(tail -n 5 "$T/iperf")"
	kill $server
	wait $server 2>/dev/null
}
calls_of() { # what load costs: grant calls of the daemon, for both guests, and packets
	local before=$(($(counter 1 gnt_calls) + $(counter 2 gnt_calls))) packets
	packets=$(counter 2 rx_packets)
	load
	calls=$(($(counter 1 gnt_calls) + $(counter 2 gnt_calls) - before))
	packets=$(($(counter 2 rx_packets) - packets))
	echo "$calls grant calls for $packets packets to guest 2"
	[ $packets -gt 500 ] || fail "so few packets"
}

echo "== static grants"
up
[ "$(info 1 'd["static_pages"]')" = 480 ] || fail "$(cat "$T/info")"
calls_of
[ $calls = 0 ] || fail "$calls grant calls with static grants"
[ "$(counter 2 static_pieces)" -gt 500 ] || fail "nothing went through static grants"

echo "== a restarted daemon doesn't have them any more, and gets them again"
sleep 1
daemon_stop || fail "the daemon ended with $?"
daemon_start
wait_for 10 sh -c "xensplit lab run --dir $lab 0 -- xensplit --socket $lab/xensplitd.sock show vif/2/0 --json | grep -q '\"connected\":true'"
load # until they are there again
calls_of
[ $calls = 0 ] || fail "$calls grant calls: static grants were not asked for again"
[ "$(info 1 'd["connects"]')" = 1 ] || fail "not the same connection"

echo "== without"
down
up --no-static
[ "$(info 1 'd["static_pages"]')" = 0 ] || fail "$(cat "$T/info")"
calls_of
[ $calls -gt 50 ] || fail "copies without grant calls?"

echo "== flows by hash: one flow, one queue; many, both"
down
up --queues 2 --hash
if [ "$(info 2 'd["queues"]')" = 2 ]; then
	[ "$(info 2 'd["hash"]')" = True ] || fail "$(cat "$T/info")"
	share() { # of the busiest queue of guest 2 during load, in percent
		dom 2 xensplit-vif stats 0 --json >"$T/before"
		load "$@"
		dom 2 xensplit-vif stats 0 --json >"$T/after"
		python3 -c 'import json, sys
a, b = ([q["rx_bytes"] for q in json.load(open(f))["queues"]] for f in sys.argv[1:])
n = [y - x for x, y in zip(a, b)]
print(100 * max(n) // sum(n))' "$T/before" "$T/after"
	}
	one=$(share) many=$(share -P 16)
	echo "the busiest queue has $one % of one flow's bytes, $many % of sixteen's"
	[ "$one" -ge 98 ] || fail "one flow went over several queues"
	[ "$many" -lt 98 ] || fail "sixteen flows went over one queue"
	[ "$(counter 2 rx_steered)" -gt 0 ] || fail "nothing was steered"
else
	echo "this machine has one processor: one worker, one queue"
fi
down
