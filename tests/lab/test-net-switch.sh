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
	: >"$T/server"
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

# what somebody who watches sees: whole records, no bad checksum
dom 0 xensplit --socket "$lab/xensplitd.sock" capture vif/1/0 -w "$T/dump.pcap" --count 135 2>"$T/note" &
watcher=$!
wait_for 5 test -s "$T/dump.pcap" || fail "no capture: $(cat "$T/note")"
exits 5 dom 0 xensplit --socket "$lab/xensplitd.sock" capture vif/1/0 -w /dev/null 2>"$T/second"
grep -q "captured already" "$T/second" || fail "a second watcher: $(cat "$T/second")"
pings 1 10.0.0.2 >/dev/null || fail "pings under capture"
dom 1 python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(40): s.sendto(b"x" * i, ("10.0.0.2", 9))'
wait $watcher || fail "capture: $(cat "$T/note")"
python3 - "$T/dump.pcap" <<-'END' || fail "the capture"
	import struct, sys
	d = open(sys.argv[1], "rb").read()
	assert struct.unpack("<IHHIIII", d[:24]) == (0xa1b23c4d, 2, 4, 0, 0, 65535, 1)
	at, n, udp = 24, 0, 0
	while at < len(d):
	    s, ns, kept, size = struct.unpack("<IIII", d[at:at + 16])
	    p = d[at + 16:at + 16 + kept]
	    assert kept == size == len(p) and ns < 10 ** 9
	    at, n = at + 16 + kept, n + 1
	    if p[12:14] == b"\x08\x00" and p[23] == 17 and not (p[20] & 0x3f or p[21]):
	        l4 = p[34:14 + struct.unpack(">H", p[16:18])[0]]
	        sum = p[26:34] + b"\0\x11" + struct.pack(">H", len(l4)) + l4 + b"\0" * (len(l4) & 1)
	        sum = __import__("functools").reduce(lambda a, b: a + b, struct.unpack(">%dH" % (len(sum) // 2), sum))
	        while sum >> 16: sum = (sum & 0xffff) + (sum >> 16)
	        assert sum == 0xffff, "a bad checksum"
	        udp += 1
	assert n == 135 and udp, (n, udp)
	print("captured %d packets, %d UDP with good checksums" % (n, udp))
END

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

# an interface of the host's as it is: the other end of a cable to a network of its own
dom 0 sh -c 'ip link add host0 type veth peer name host1 && ip addr add 10.2.0.9/24 dev host1 &&
	ip link set host0 up && ip link set host1 up' || fail "a veth"
vif_attach 3 2 00:16:3e:00:02:03 port=packet:host0
dom 3 xensplit-vif up 2 && dom 3 ip addr add 10.2.0.3/24 dev xn2 || fail "up on the veth"
pings 3 10.2.0.9 || fail "pings over AF_PACKET"
: >"$T/server"
dom 0 iperf3 -s -1 --forceflush >"$T/server" 2>&1 &
server=$!
wait_for 5 grep -q listening "$T/server" || fail "iperf3's server"
for reverse in "" -R; do
	[ -z "$reverse" ] || { : >"$T/server"; dom 0 iperf3 -s -1 --forceflush >"$T/server" 2>&1 & server=$!; wait_for 5 grep -q listening "$T/server"; }
	dom 3 iperf3 -c 10.2.0.9 -t 1 $reverse >"$T/iperf" 2>&1 || fail "iperf3 over AF_PACKET: $(tail -n 5 "$T/iperf")"
	wait $server
	grep receiver "$T/iperf"
done
dom 3 xensplit-vif stats 2 --json >"$T/stats"
[ "$(field "$T/stats" 'd["queues"][0]["rx_gso"] > 10 and d["queues"][0]["tx_gso"] > 10')" = True ] || fail "cut: $(cat "$T/stats")"
dom 3 xensplit-vif down 2
grep -E ' (warn|error) ' "$T/daemon.log"
true
