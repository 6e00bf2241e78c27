#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Guests on the switch inside the daemon, no bridge and no TAP of the host: pings of all sizes, TCP
# unsplit, cut for a guest that takes no large packets, a file by checksum; a cable between two.
# timeout: 60
# configs: release asan
set -u
. "$TOP/tests/lab/vbd.sh"
. "$TOP/tests/lab/vif.sh"
command -v iperf3 >/dev/null || { echo "no iperf3: install it"; exit 77; }
tcp="python3 $TOP/tests/lab/nettcp.py"
pings() { # FROM ADDRESS
	dom "$1" sh -c 'for s in 56 1472 1473 9000 65507; do
		ping -q -n -c 1 -W 10 -s $s '"$2"' >/dev/null || { echo "lost: $s bytes"; exit 1; }; done'
}
bulk() { # SECONDS [OPTION...]: guest 1 to guest 2
	dom 2 iperf3 -s -1 --forceflush >"$T/server" 2>&1 &
	local server=$!
	wait_for 5 grep -q listening "$T/server" || fail "iperf3's server"
	dom 1 iperf3 -c 10.0.0.2 -t "$1" -J "${@:2}" >"$T/iperf" 2>&1 || fail "iperf3: $(tail -n 5 "$T/iperf")"
	wait $server
	field "$T/iperf" '"%.2f Gb/s (lab: no hypervisor)" % (d["end"]["sum_received"]["bits_per_second"] / 1e9)'
}

lab_up 3
daemon_start --workers 2
for d in 1 2 3; do vif_attach $d 0 00:16:3e:00:00:0$d port=switch:lan; done
for d in 1 2 3; do vif_up $d 10.0.0.$d/24 || fail "up $d"; done
pings 1 10.0.0.2 && pings 2 10.0.0.3 && pings 3 10.0.0.1 || fail "pings"
bulk 1
dom 2 xensplit-vif stats 0 --json >"$T/stats"
[ "$(field "$T/stats" 'd["queues"][0]["rx_gso"] > 100')" = True ] || fail "large packets were cut on the way"
dom 3 xensplit-vif stats 0 --json >"$T/stats"
[ "$(field "$T/stats" 'd["queues"][0]["rx_packets"] < 200')" = True ] || fail "guest 3 gets what isn't for it"

dom 2 xensplit-vif down 0 && vif_up 2 10.0.0.2/24 --no-gso --no-csum || fail "up without offloads"
bulk 1
pings 1 10.0.0.2 || fail "pings without offloads"
head -c 16000000 /dev/urandom >"$T/file"
dom 2 $tcp serve 5000 "$T/got" >"$T/serve" &
server=$!
dom 1 $tcp send 10.0.0.2 5000 "$T/file" || fail "send"
wait $server || fail "serve"
[ "$(sha256sum <"$T/file")" = "$(sha256sum <"$T/got")" ] || fail "another file came out"
for d in 1 2; do
	dom $d sh -c "awk '/^Tcp:/ && !/[a-z][A-Z]/ { exit \$16 > 0 }' /proc/net/snmp" || fail "wrong checksums in guest $d"
done

for d in 1 2 3; do dom $d xensplit-vif down 0; done
for d in 1 2; do vif_attach $d 1 00:16:3e:00:01:0$d port=pair:cable; done
for d in 1 2; do
	dom $d xensplit-vif up 1 && dom $d ip addr add 10.1.0.$d/24 dev xn1 || fail "up on the cable"
done
pings 1 10.1.0.2 || fail "pings on the cable"
for d in 1 2; do dom $d xensplit-vif down 1; done
grep -E ' (warn|error) ' "$T/daemon.log"
true
