#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The port pcap: - what a guest sends, in a file that tcpdump reads, over a restart of the daemon too; and a
# file played to a guest, with its pauses.
# timeout: 60
set -u
. "$TOP/tests/lab/vbd.sh"
. "$TOP/tests/lab/vif.sh"
command -v tcpdump >/dev/null || { echo "no tcpdump: install it"; exit 77; }
x() { dom 0 xensplit --socket "$lab/xensplitd.sock" "$@"; }
lab_up 2
daemon_start
wait_for 10 x status >/dev/null 2>&1 || fail "the daemon does not answer"

echo "== written"
x network-attach 1 mac=00:16:3e:00:00:01,port=pcap:"$T/out.pcap" >/dev/null || fail "attach"
vif_up 1 10.0.0.1/24 || fail "up"
dom 1 ip neigh add 10.0.0.9 lladdr 00:16:3e:00:00:09 dev xn0
say() { # FIRST COUNT: numbered datagrams to 10.0.0.9
	dom 1 python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
    s.sendto(b"number %06d" % i, ("10.0.0.9", 7000 + i)); time.sleep(0.03)' "$@"
}
read_back() { tcpdump -r "$T/out.pcap" -vvn udp and dst host 10.0.0.9 >"$T/text" 2>"$T/err" || fail "tcpdump: $(cat "$T/err")"; }
say 0 10
daemon_stop || fail "the daemon ended with $?"
daemon_start
wait_for 10 grep -q "taken over" "$T/daemon.log" || fail "not taken over"
say 10 10
has_all() { read_back; [ "$(grep -c '10.0.0.9.70[01][0-9]: \[udp sum ok\]' "$T/text")" = 20 ]; }
wait_for 5 has_all || fail "$(cat "$T/text")"
[ "$(od -An -tx4 -N4 "$T/out.pcap")" = " a1b23c4d" ] || fail "not in nanoseconds"
dom 1 xensplit-vif down 0
x network-detach 1 0 >/dev/null || fail "detach"

echo "== played"
python3 - "$T/out.pcap" "$T/in.pcap" <<'END' # to guest 2, half a second between the tenth and the eleventh
import struct, sys
d, at, n = open(sys.argv[1], "rb").read(), 24, 0
out, base = open(sys.argv[2], "wb"), None
out.write(d[:24])
while at < len(d):
    s, ns, kept, size = struct.unpack("<IIII", d[at:at + 16])
    p, at = d[at + 16:at + 16 + kept], at + 16 + kept
    if p[12:14] != b"\x08\x00" or p[23] != 17 or p[30:34] != bytes((10, 0, 0, 9)): continue
    n += 1
    out.write(struct.pack("<IIII", 100 + (n > 10), 500000000 * (n <= 10) + n * 1000, kept, size) + p)
END
for how in "" ,fast; do
	x network-attach 2 mac=00:16:3e:00:00:09 port=pcap,wait=1,in="$T/in.pcap$how": >/dev/null || fail "attach"
	dom 2 python3 -c 'import socket, time, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
s.settimeout(10)
got = []
while len(got) < 20:
    p = s.recv(2000)
    if p[23] == 17 and b"number" in p: got.append((time.monotonic(), p[p.index(b"number"):][:13]))
assert [g[1] for g in got] == [b"number %06d" % i for i in range(20)], got
gap = got[10][0] - got[9][0]
print("between the tenth and the eleventh %.2f s" % gap)
assert (gap > 0.4) == (sys.argv[1] == ""), gap' "$how" >"$T/played" 2>&1 &
	player=$!
	vif_up 2 10.0.0.9/24 || fail "up"
	wait $player || fail "$(cat "$T/played")"
	cat "$T/played"
	dom 2 xensplit-vif down 0
	x network-detach 2 0 >/dev/null || fail "detach"
done

echo "== what can't be"
for spec in pcap: pcap:/nowhere/x pcap,in=/nowhere/y: "pcap,in=$TOP/README.md:" pcap,size=3:/x; do
	x network-attach 2 port="$spec" >"$T/no" 2>&1 && fail "$spec was taken"
	grep -q 'pcap' "$T/no" || fail "$spec: $(cat "$T/no")"
	x network-detach 2 0 >/dev/null 2>&1
done
x status >/dev/null || fail "the daemon is dead"
echo ok
