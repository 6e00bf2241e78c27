#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A hostile guest on the daemon's switch, where packets go from its pages straight into its neighbours':
# what it does wrong is its own loss. Guest 2 talks to it, guest 3 stands by.
# timeout: 100
# configs: release asan
. "${0%/*}/vbd.sh"
. "${0%/*}/vif.sh"
export LC_ALL=C
dose=${FAULTS_DOSE:-20}
x() { dom 0 xensplit --socket "$lab/xensplitd.sock" "$@"; }
evil() { dom 1 timeout 60 xsp-evilnet --dose "$dose" --to 00:16:3e:00:00:02 0 "$@"; }
counter() { # DOMID NAME of the daemon's
	x show "vif/$1/0" --json >"$T/show" && field "$T/show" "d['counters']['$2']"
}

lab_up 3
daemon_start --workers 2
vif_attach 1 0 00:16:3e:ee:ee:ee port=switch:lan
for d in 2 3; do
	vif_attach $d 0 00:16:3e:00:00:0$d port=switch:lan
	vif_up $d 10.8.0.$((2 * d - 3))/24 || fail "up $d"
	dom $d ip neigh add 10.8.0.2 lladdr 00:16:3e:ee:ee:ee dev xn0 nud permanent
done
dom 2 ping -q -c 1 -W 5 10.8.0.3 >/dev/null || fail "ping"
evil recover || fail "before anything the device works"
for d in 2 3; do
	dom $d python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
s.bind(("xn0", 0x88b5)); s.settimeout(0.2)
n = others = 0
while True:
    try: p = s.recv(2000)
    except TimeoutError: p = None
    if p: n += 1; others += p[5] != int(sys.argv[1]) or len(p) != 1400
    open(sys.argv[2], "w").write("%d %d\n" % (n, others))' $d "$T/frames$d" &
	listener="$listener $!"
done
direct() { # FIRST: packets since then that guest 1 and 2 sent each other straight
	echo $(($(counter 1 tx_direct) + $(counter 2 tx_direct) - ${1:-0}))
}
for a in malformed empty splits grants rx-grants rx-starve offloads double-fetch toggles swap; do
	before=$(direct)
	[ $a != swap ] || dom 3 ping -q -c 1 -W 5 10.8.0.1 >/dev/null || fail "ping"
	evil $a || fail "$a: not all went as it should"
	x status >/dev/null || fail "$a: the daemon is dead"
	dom 2 ping -q -c 1 -W 5 10.8.0.3 >/dev/null || fail "$a: the others' ping"
	n=$(direct "$before")
	echo "      $a: $n packets straight"
	[ "$n" -ge 2 ] || fail "$a: it was not about packets that go straight"
done
for k in bad_gref tx_malformed; do
	[ "$(counter 1 $k)" -gt 0 ] || fail "guest 1's $k stands still"
done
for d in 2 3; do
	for k in bad_gref tx_malformed tx_protocol; do
		[ "$(counter $d $k)" = 0 ] || fail "guest $d's $k: $(counter $d $k)"
	done
	dom $d xensplit-vif stats 0 --json >"$T/stats" || fail "stats of guest $d"
	[ "$(field "$T/stats" 'sum(v for q in d["queues"] for k, v in q.items() if "error" in k)')" = 0 ] || fail "errors of guest $d: $(cat "$T/stats")"
	echo "guest $d: frames of guest 1's, and of them those for somebody else: $(cat "$T/frames$d")"
done
kill $listener
wait $listener 2>/dev/null
read -r n2 others2 <"$T/frames2"
read -r n3 others3 <"$T/frames3"
[ "$n2" -gt 20 ] && [ "$n3" -gt 20 ] || fail "so few frames"
[ "$others2" = 0 ] && [ "$others3" = 0 ] || fail "a frame was delivered with another address than it was judged by"
for d in 2 3; do dom $d xensplit-vif down 0; done
daemon_stop || fail "SIGTERM"
echo ok
