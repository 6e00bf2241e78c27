#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# From guest to guest in one copy, on the daemon's own cable and switch: how many packets, how many bytes
# were copied for each that moved; order kept where some packets take the long way; static grants; the
# long way between workers.
# timeout: 60
# configs: release
set -u
. "$TOP/tests/lab/vbd.sh"
. "$TOP/tests/lab/vif.sh"
command -v iperf3 >/dev/null || { echo "no iperf3: install it"; exit 77; }
x() { dom 0 xensplit --socket "$lab/xensplitd.sock" "$@"; }
snap() { for d in 1 2; do x show vif/$d/0 --json >"$T/$1$d" || fail "show vif/$d/0"; done; }
since() { # EXPRESSION of a(NAME), b(NAME): what guest 1's and guest 2's counters of that name grew by
	python3 -c 'import json, sys
def grown(d, name): return json.load(open(sys.argv[1] + "/after" + d))["counters"][name] - json.load(open(sys.argv[1] + "/before" + d))["counters"][name]
def a(name): return grown("1", name)
def b(name): return grown("2", name)
print(eval(sys.argv[2]))' "$T" "$1"
}
holds() { [ "$(since "$1")" = True ] || fail "not so: $1: $(since '[(n, a(n), b(n)) for n in ("tx_packets", "rx_packets", "tx_direct", "tx_refused", "copied", "rx_bytes", "rx_gso", "gnt_calls", "rx_waits", "bad_gref")]')"; }
bulk() { # OPTION...: guest 1 to guest 2
	: >"$T/server"
	dom 2 iperf3 -s -1 --forceflush >"$T/server" 2>&1 &
	local server=$!
	wait_for 5 grep -q listening "$T/server" || fail "iperf3's server"
	snap before
	dom 1 iperf3 -c 10.0.0.2 -t 1 -J "$@" >"$T/iperf" 2>&1 || fail "iperf3: $(tail -n 5 "$T/iperf")"
	wait $server
	snap after
	field "$T/iperf" '"%.2f Gb/s (lab: no hypervisor)" % (d["end"]["sum_received"]["bits_per_second"] / 1e9)'
	since '"%d packets, %d straight, %d uncut; %.2f bytes copied for each; %.1f packets a grant call" % (a("tx_packets"), a("tx_direct"), b("rx_gso"), (a("copied") + b("copied")) / (a("tx_bytes") + b("tx_bytes")), a("tx_packets") / max(1, a("gnt_calls") + b("gnt_calls")))'
}
pump_of() { # DOMID: its xensplit-vif
	local p
	for p in $(pgrep -x xensplit-vif); do
		{ tr '\0' '\n' <"/proc/$p/environ" >"$T/environ"; } 2>/dev/null || continue
		grep -qx "XENSPLIT_LAB=$lab" "$T/environ" && grep -qx "XENSPLIT_DOM=$1" "$T/environ" && echo "$p"
	done
}
lab_up 2
daemon_start --workers 2
for d in 1 2; do vif_attach $d 0 00:16:3e:00:00:0$d port=pair:cable; done
for d in 1 2; do vif_up $d 10.0.0.$d/24 --no-static || fail "up $d"; done
dom 1 ping -q -n -c 1 -W 10 10.0.0.2 >/dev/null || fail "ping"

echo "== TCP"
bulk
holds 'a("tx_direct") > 0.5 * a("tx_packets")'
holds 'b("rx_gso") > 100 and b("rx_bytes") / b("rx_packets") > 5000'
holds 'a("copied") + b("copied") < 2.5 * b("rx_bytes")' # the long way is 4
holds 'a("bad_gref") + b("bad_gref") == 0'

echo "== order, while a receiver's room runs out again and again"
cat >"$T/order.py" <<'END'
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[1] == "send":
    for i in range(int(sys.argv[2])):
        s.sendto(struct.pack(">I", i) + bytes(100 + i % 1300), ("10.0.0.2", 9))
        if i % 400 == 399: time.sleep(0.002)
    for _ in range(20):
        s.sendto(b"\xff\xff\xff\xff", ("10.0.0.2", 9)); time.sleep(0.1)
else:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 26)
    s.bind(("", 9)); s.settimeout(20)
    print("listening", flush=True)
    last, n, back = -1, 0, 0
    while True:
        i = struct.unpack(">I", s.recv(2000)[:4])[0]
        if i == 0xffffffff: break
        back += i <= last
        last, n = max(i, last), n + 1
    print("%d datagrams came, %d of them late" % (n, back))
    sys.exit(back > 0 or n < 1000)
END
dom 2 python3 "$T/order.py" recv >"$T/order" 2>&1 &
server=$!
wait_for 5 grep -q listening "$T/order" || fail "the receiver: $(cat "$T/order")"
snap before
dom 1 python3 "$T/order.py" send 20000 &
sender=$!
# a guest that gets no processor for a while posts no pages
pump=$(pump_of 2)
for i in 1 2 3 4 5 6; do sleep 0.05; kill -STOP $pump; sleep 0.05; kill -CONT $pump; done
wait $sender
wait $server || fail "$(cat "$T/order")"
snap after
tail -n 1 "$T/order"
since '"%d straight, %d the long way" % (a("tx_direct"), a("tx_packets") - a("tx_direct"))'
holds 'a("tx_direct") > 100 and a("tx_packets") - a("tx_direct") > 10'

echo "== packets of one page and less, none of them large"
for s in 60 200 256 257 300 1472 4000 9000 65507; do
	dom 1 ping -q -n -c 2 -i 0.01 -W 10 -s $s -p 5a 10.0.0.2 >/dev/null || fail "ping of $s bytes"
done

echo "== static grants on both ends: our own hands, not a grant call"
for d in 1 2; do dom $d xensplit-vif down 0; done
for d in 1 2; do wait_for 5 vif_up $d 10.0.0.$d/24 2>/dev/null || fail "up $d"; done
dom 1 ping -q -n -c 1 -W 10 10.0.0.2 >/dev/null || fail "ping"
bulk
holds 'a("tx_direct") > 0.5 * a("tx_packets")'
holds 'a("gnt_calls") + b("gnt_calls") == 0'

echo "== on two workers: the long way; together again: straight"
x worker move vif/2/0 1 >/dev/null || x worker move vif/2/0 0 >/dev/null || fail "move"
[ "$(field <(x show vif/1/0 --json) 'd["worker"]')" != "$(field <(x show vif/2/0 --json) 'd["worker"]')" ] || x worker move vif/2/0 0 >/dev/null
bulk
holds 'a("tx_direct") == 0 and b("rx_gso") > 100'
x worker move vif/2/0 "$(field <(x show vif/1/0 --json) 'd["worker"]')" >/dev/null || fail "move back"
bulk
holds 'a("tx_direct") > 0.5 * a("tx_packets")'
for d in 1 2; do dom $d xensplit-vif down 0; done
grep -E ' (warn|error) ' "$T/daemon.log"
true
