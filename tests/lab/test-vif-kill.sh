#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The daemon killed with -9 under TCP, several times: the rings are taken over, no connection breaks. What
# guests asked for over their control rings outlives a stopped and a killed daemon, without their doing.
# timeout: 200
# configs: release asan
set -u
. "$TOP/tests/lab/vbd.sh"
. "$TOP/tests/lab/vif.sh"
command -v iperf3 >/dev/null || { echo "no iperf3: install it"; exit 77; }
tcp="python3 $TOP/tests/lab/nettcp.py"
x() { dom 0 xensplit --socket "$lab/xensplitd.sock" "$@"; }
taken_over() { [ "$(tail -c "+$((log_from + 1))" "$T/daemon.log" | grep -c 'taken over')" -ge 2 ]; }
started() {
	log_from=$(stat -c %s "$T/daemon.log")
	daemon_start
	wait_for 10 taken_over || fail "not taken over: $(tail -n 5 "$T/daemon.log")"
}
killed() {
	daemon_kill
	started
}
lab_up 2
daemon_start
bridge_up br0
for d in 1 2; do vif_attach $d 0 00:16:3e:00:00:0$d bridge=br0; done
for d in 1 2; do vif_up $d 10.0.0.$d/24 --queues 2 --hash || fail "up $d"; done
dom 1 ping -q -n -c 1 -W 10 10.0.0.2 >/dev/null || fail "ping"

echo "== killed under load"
: >"$T/server"
dom 2 iperf3 -s -1 --forceflush >"$T/server" 2>&1 &
server=$!
wait_for 5 grep -q listening "$T/server" || fail "iperf3's server"
dom 2 $tcp beat 5001 >"$T/beat" &
beat=$!
dom 1 $tcp stream 10.0.0.2 5001 1 "$T/enough" >"$T/stream" &
stream=$!
dom 1 iperf3 -c 10.0.0.2 -t 6 -P 2 -J >"$T/iperf" 2>&1 &
client=$!
for n in 1 2 3 4 5; do
	sleep 0.6
	killed
done
touch "$T/enough"
wait $client || fail "iperf3: $(tail -n 5 "$T/iperf")"
wait $server
wait $stream || fail "the connection broke"
wait $beat || fail "the connection broke: $(cat "$T/beat")"
field "$T/beat" '"5 times killed; the longest pause %(gap).3f s" % d'
field "$T/iperf" '"%.2f Gb/s, %d retransmissions (lab: no hypervisor)" % (d["end"]["sum_received"]["bits_per_second"] / 1e9, d["end"]["sum_sent"].get("retransmits", 0))'
[ "$(field "$T/beat" 'd["bytes"]')" = "$(field "$T/stream" 'd["sent"]')" ] || fail "$(cat "$T/stream" "$T/beat")"
for d in 1 2; do
	dom $d xensplit-vif info 0 --json >"$T/info"
	[ "$(field "$T/info" 'd["connects"]')" = 1 ] || fail "guest $d connected anew"
done
grep -o 'a daemon died while.*' "$T/daemon.log"

echo "== what the guests had asked for, while they can't ask again"
asked() { # of guest 1: static grants, hash types
	x show vif/1/0 --json >"$T/show" && field "$T/show" '"%d %d" % (d["features"]["static_grants"], d["features"]["hash_types"])'
}
sleep 2.5 # it is written down within two seconds
before=$(asked)
[ "${before% *}" -gt 100 ] && { [ "${before#* }" -gt 0 ] || [ "$(nproc)" = 1 ]; } || fail "$before"
frozen=
for p in $(pgrep -x xensplit-vif); do
	{ tr '\0' '\n' <"/proc/$p/environ" >"$T/environ"; } 2>/dev/null || continue
	grep -qx "XENSPLIT_LAB=$lab" "$T/environ" && frozen="$frozen $p"
done
kill -STOP $frozen
daemon_stop || fail "the daemon ended with $?"
started
[ "$(asked)" = "$before" ] || fail "after SIGTERM: $(asked) instead of $before"
killed
[ "$(asked)" = "$before" ] || fail "after SIGKILL: $(asked) instead of $before"
kill -CONT $frozen
grep "can't map" "$T/daemon.log" && fail "static grants were lost"
dom 1 ping -q -n -c 1 -W 10 10.0.0.2 >/dev/null || fail "ping"
before=$(field "$T/show" 'd["counters"]["static_pieces"]')
dom 1 ping -q -n -c 3 -i 0.1 -W 10 10.0.0.2 >/dev/null || fail "pings"
x show vif/1/0 --json >"$T/show"
[ "$(field "$T/show" 'd["counters"]["static_pieces"]')" -gt "$before" ] || fail "static grants are not used"
for d in 1 2; do dom $d xensplit-vif down 0; done
sleep 0.5
dom 0 xenstore-exists /local/domain/0/backend/vif/1/0/xensplit-drained && fail "a record of rings that are gone"
daemon_stop
echo ok
