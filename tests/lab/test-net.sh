#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two guests talk through xensplitd and a Linux bridge: packets of all sizes, TCP unsplit both ways, a
# file, checksums, several queues, restarts of the daemon under TCP, a backend that starts over, detach.
# timeout: 180
# configs: release asan
set -u
. "$TOP/tests/lab/vbd.sh"
. "$TOP/tests/lab/vif.sh"
for tool in ping iperf3; do
	command -v $tool >/dev/null || { echo "no $tool: install iputils-ping and iperf3"; exit 77; }
done
tcp="python3 $TOP/tests/lab/nettcp.py"
lab_up 2
daemon_start
bridge_up br0
vif_attach 1 0 00:16:3e:00:00:01 bridge=br0
vif_attach 2 0 00:16:3e:00:00:02 bridge=br0

both_up() { # OPTION...
	vif_up 1 10.0.0.1/24 "$@" && vif_up 2 10.0.0.2/24 "$@" || fail "up $*"
}
both_down() { dom 1 xensplit-vif down 0 && dom 2 xensplit-vif down 0 || fail "down"; }
stats() { # DOMID -> file
	dom "$1" xensplit-vif stats 0 --json >"$T/stats$1" || fail "stats of guest $1"
}
bad_sums() { # packets with a wrong checksum that the guests' kernels have seen
	for d in 1 2; do dom $d cat /proc/net/snmp; done |
		awk '/^(Tcp|Udp|Icmp|Ip):/ { if ($2 ~ /[a-z]/) { split($0, name) } else for (i = 2; i <= NF; i++)
			if (name[i] == "InCsumErrors" || name[i] == "InHdrErrors") n += $i } END { print n + 0 }'
}
pings() { # FROM TO: each of its own, because a series gives up after two round trips
	dom "$1" sh -c 'for s in 56 57 1000 1472 1473 4068 4096 9000 20000 40000 65506 65507; do
		for i in 1 2; do ping -q -n -c 1 -W 10 -s $s '"$2"' >/dev/null || { echo "lost: $s bytes"; exit 1; }; done
	done'
}
bulk() { # SECONDS [OPTION of iperf3...]: from guest 1 to guest 2
	: >"$T/iperf.server"
	xensplit lab run --dir "$lab" 2 -- iperf3 -s --forceflush >"$T/iperf.server" 2>&1 &
	local server=$!
	wait_for 5 grep -q listening "$T/iperf.server" || fail "iperf3's server"
	dom 1 iperf3 -c 10.0.0.2 -t "$1" -J "${@:2}" >"$T/iperf" || fail "iperf3: $(tail -n 5 "$T/iperf")"
	kill $server # with -1 it sometimes waits for another
	wait $server
	field "$T/iperf" '"%.2f Gb/s, %d retransmissions (lab: no hypervisor)" % (d["end"]["sum_received"]["bits_per_second"] / 1e9, d["end"]["sum_sent"].get("retransmits", 0))'
}

echo "== up: what each side may leave to the other"
both_up
dom 1 xensplit-vif info 0 --json >"$T/info"
[ "$(field "$T/info" '[d[k] for k in ("connected", "carrier", "sg", "csum", "gso4", "gso6", "split_events")]')" = \
	"[True, True, True, True, True, True, True]" ] || fail "$(cat "$T/info")"
[ "$(field "$T/info" 'd["mac"]')" = 00:16:3e:00:00:01 ] || fail "MAC"
exits 1 dom 1 xensplit-vif up 0 >"$T/out" 2>&1
grep -q "up already" "$T/out" || fail "$(cat "$T/out")"

echo "== pings of all sizes, both ways"
pings 1 10.0.0.2 || fail "pings"
pings 2 10.0.0.1 || fail "pings back"

echo "== top and metrics know NICs"
dom 1 ping -q -n -i 0.02 -c 500 10.0.0.2 >"$T/pinging" 2>&1 &
pinging=$!
top_shows() { # VIEW ID
	dom 0 xensplit --socket "$lab/xensplitd.sock" top --json --by "$1" -d 0.5 -n 1 >"$T/top" &&
		[ "$(field "$T/top" "any(l['id'] == '$2' and l['requests_per_second'] > 0 and l['bytes_per_second'] > 0 for l in d['lines'])")" = True ]
}
wait_for 9 top_shows device vif/1/0 || fail "top: $(cat "$T/top")"
wait_for 9 top_shows guest dom/2 || fail "top: $(cat "$T/top")"
watch_shows() {
	dom 0 xensplit --socket "$lab/xensplitd.sock" stat --watch 0.5 --count 1 >"$T/watch" &&
		grep -qE 'vif/1/0 .* [1-9][0-9]* tx pps +[1-9][0-9]* rx pps .* [0-9.]+ evt/pkt  [0-9.]+ gnt/pkt .* dropped ' "$T/watch"
}
wait_for 9 watch_shows || fail "stat --watch: $(cat "$T/watch")"
dom 0 xensplit --socket "$lab/xensplitd.sock" stat --watch 0.5 --count 1 --json vif/2/0 >"$T/watch" &&
	[ "$(field "$T/watch" '[n["device"] for n in d["networks"]], "copied" in d["networks"][0]["counters"]')" = "(['vif/2/0'], True)" ] ||
	fail "stat --watch --json: $(cat "$T/watch")"
kill $pinging 2>/dev/null
wait $pinging
dom 0 xensplit --socket "$lab/xensplitd.sock" metrics >"$T/metrics" || fail "metrics"
grep -qE '^xensplit_vif_tx_packets_total\{device="vif/1/0",domid="1",ifname="[^"]*"\} [1-9]' "$T/metrics" || fail "$(cat "$T/metrics")"

echo "== TCP both ways; large packets stay whole"
bulk 1
stats 1; stats 2
field "$T/stats1" '"guest 1 sent %(tx_packets)d packets of %(tx_bytes)d bytes, %(tx_gso)d uncut, %(tx_notifies)d notifies" % d["queues"][0]'
field "$T/stats2" '"guest 2 got %(rx_packets)d packets of %(rx_bytes)d bytes, %(rx_gso)d uncut" % d["queues"][0]'
[ "$(field "$T/stats2" 'd["queues"][0]["rx_gso"] > 100 and d["queues"][0]["rx_bytes"] / d["queues"][0]["rx_packets"] > 5000')" = True ] ||
	fail "packets were cut on the way"
bulk 1 -R
stats 1
[ "$(field "$T/stats1" 'd["queues"][0]["rx_gso"] > 100')" = True ] || fail "packets were cut on the way back"

echo "== 64 MB, by sha256"
head -c 64000000 /dev/urandom >"$T/file"
dom 2 $tcp serve 5000 "$T/got" >"$T/serve" &
server=$!
dom 1 $tcp send 10.0.0.2 5000 "$T/file" || fail "send"
wait $server || fail "serve"
[ "$(sha256sum <"$T/file")" = "$(sha256sum <"$T/got")" ] || fail "another file came out"

echo "== the daemon is restarted three times under TCP"
dom 2 $tcp beat 5001 >"$T/beat" &
server=$!
dom 1 $tcp stream 10.0.0.2 5001 4 &
stream=$!
for n in 1 2 3; do
	sleep 0.8
	daemon_stop || fail "the daemon ended with $?"
	daemon_start
	# before its signals are in place a SIGTERM would end it without a word
	wait_for 20 sh -c "[ \"\$(grep -c 'taken over' $T/daemon.log)\" -ge $((2 * n)) ]" || fail "not taken over"
done
wait $stream || fail "the connection broke"
wait $server || fail "the connection broke: $(cat "$T/beat")"
field "$T/beat" '"%(bytes)d bytes; the longest pause %(gap).3f s" % d'
[ "$(field "$T/beat" 'd["gap"] < 10 and d["bytes"] > 100000')" = True ] || fail "$(cat "$T/beat")"
dom 1 xensplit-vif info 0 --json >"$T/info"
[ "$(field "$T/info" 'd["connects"]')" = 1 ] || fail "a restart of the daemon was taken for another backend"

echo "== no wrong checksum so far; none either when the daemon has to fill them in"
[ "$(bad_sums)" = 0 ] || fail "$(bad_sums) wrong checksums"
both_down
both_up --no-csum
dom 1 xensplit-vif info 0 --json >"$T/info"
[ "$(field "$T/info" 'd["csum"] or d["gso4"]')" = False ] || fail "--no-csum"
pings 1 10.0.0.2 || fail "pings without offloads"
bulk 1
stats 2
[ "$(field "$T/stats2" 'd["queues"][0]["rx_gso"]')" = 0 ] || fail "uncut packets for a guest that takes none"
both_down
vif_up 1 10.0.0.1/24 && vif_up 2 10.0.0.2/24 --no-gso --no-split || fail "up, mixed"
split() { # DOMID: as the daemon sees it, and how many ports the guest has published
	dom 0 xensplit --socket "$lab/xensplitd.sock" show "vif/$1/0" --json >"$T/show" || fail "show"
	echo "$(field "$T/show" 'd["features"]["split_event_channels"]') $(dom $1 sh -c 'for k in event-channel-tx event-channel-rx event-channel; do
		xenstore-read device/vif/0/$k 2>/dev/null; done' | sort -u | wc -l)"
}
[ "$(split 1)" = "True 2" ] && [ "$(split 2)" = "False 1" ] || fail "split event channels: $(split 1), $(split 2)"
bulk 1
bulk 1 -R
[ "$(bad_sums)" = 0 ] || fail "$(bad_sums) wrong checksums"
both_down

echo "== two queues: flows over both"
both_up --queues 2
dom 1 xensplit-vif info 0 --json >"$T/info"
if [ "$(field "$T/info" 'd["queues"]')" = 2 ]; then
	bulk 1 -P 8
	stats 2
	field "$T/stats2" '"packets by queue: %s" % [q["rx_packets"] for q in d["queues"]]'
	[ "$(field "$T/stats2" 'min(q["rx_packets"] for q in d["queues"]) > 10')" = True ] || fail "one queue is idle"
	# one flow keeps to one queue of each guest, there and back: none of it overtakes another part
	stats 1; stats 2; cp "$T/stats1" "$T/before1"; cp "$T/stats2" "$T/before2"
	bulk 1
	stats 1; stats 2
	python3 - "$T" <<'PY' || fail "a flow is torn apart"
import json, sys
for guest in "12":
    a, b = (json.load(open("%s/%s%s" % (sys.argv[1], f, guest)))["queues"] for f in ("before", "stats"))
    for way in ("tx_packets", "rx_packets"):
        n = [y[way] - x[way] for x, y in zip(a, b)]
        print("one flow: guest", guest, way, n)
        assert min(n) < 50 and max(n) > 100, "beside the flow there is its control connection only"
PY
else
	echo "this machine has one processor: one worker, one queue"
fi

echo "== the backend starts over: the NIC comes back by itself"
dom 0 xenstore-write /local/domain/0/backend/vif/1/0/state 5
again() { dom 1 xensplit-vif info 0 --json >"$T/info" && [ "$(field "$T/info" '(d["connected"], d["connects"])')" = "(True, 2)" ]; }
wait_for 10 again || fail "it did not: $(cat "$T/info")"
pings 1 10.0.0.2 || fail "pings afterwards"

echo "== detached under traffic"
dom 1 ping -q -f -c 100000 10.0.0.2 >"$T/flood" 2>&1 &
flood=$!
sleep 0.3
vif_detach 1 0
wait_for 5 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read /local/domain/0/backend/vif/1/0/state 2>/dev/null)\" = 6 ]" ||
	fail "the backend did not close"
kill $flood 2>/dev/null
wait $flood
dom 0 xenstore-rm /local/domain/1/device/vif/0
gone() { dom 1 xensplit-vif stats 0 >"$T/out" 2>&1; [ $? = 3 ]; }
wait_for 5 gone || fail "xensplit-vif is still there"
! dom 1 ip link show xn0 2>/dev/null || fail "the TAP is still there"
! dom 0 ip link show vif1.0 2>/dev/null || fail "the daemon's TAP is still there"
exits 3 dom 1 xensplit-vif up 0
dom 2 xensplit-vif down 0 || fail "down"
grep -E ' (warn|error) ' "$T/daemon.log"
true
