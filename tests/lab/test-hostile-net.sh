#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A hostile guest with a network device beside a good one. After every attack the daemon lives, the log
# has grown little and names the device, the good guest's ping works, and so does the attacked device.
# timeout: 150
# configs: release asan
#
#   FAULTS_DOSE=10000    percent of the CI dose for attacks that come in numbers (xsp-evilnet --help)
. "${0%/*}/vbd.sh"
export LC_ALL=C

dose=${FAULTS_DOSE:-100}
case $B in *asan) dose=${FAULTS_DOSE:-30} ;; esac
x() { dom 0 xensplit --socket "$lab/xensplitd.sock" "$@"; }
evil() { dom 1 timeout $((60 * dose / 100 + 60)) xsp-evilnet --dose "$dose" 0 "$@"; }
counter() { x --json show vif/1/0 | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$(pid)/status"; }
fds() { ls "/proc/$(pid)/fd" | wc -l; }
pid() { pgrep -f "xensplitd --socket $lab/xensplitd.sock" | tail -n 1; }

lab_up 2
dom 0 test -c /dev/net/tun || { echo "no /dev/net/tun here"; exit 77; }
daemon_start --workers 2
wait_for 10 x status >/dev/null 2>&1 || fail "the daemon does not answer"
for d in 1 2; do
	x network-attach $d mac=00:16:3e:ee:ee:ee >/dev/null || fail "vif of guest $d"
	# one network a TAP, each in its own routing table: both guests have the same addresses
	dom 0 sh -c "ip addr add 10.8.0.1/32 dev vif$d.0
		ip neigh add 10.8.0.2 lladdr 00:16:3e:ee:ee:ee dev vif$d.0 nud permanent"
done
dom 0 ip route add 10.8.0.2 dev vif1.0
evil recover || fail "before anything the device works"
evil toggles || fail "many times"
before_fds=$(fds) before_rss=$(rss_kib)

attack() { # NAME
	local from bytes rc=0
	from=$(stat -c %s "$T/daemon.log")
	evil "$1" || rc=$?
	x status >/dev/null || fail "$1: the daemon is dead"
	bytes=$(($(stat -c %s "$T/daemon.log") - from))
	[ $rc = 0 ] || fail "$1: not all went as it should"
	[ $bytes -lt 65536 ] || fail "$1: the log grew by $bytes bytes"
	tail -c "+$((from + 1))" "$T/daemon.log" | grep -av 'vif/1/0: ' && fail "$1: lines about something else"
	echo "      $1: $bytes bytes of log"
}
for a in indices endless malformed empty splits grants rx-grants rx-starve offloads double-fetch storm toggles nodes control; do
	attack $a
done
for k in tx_malformed bad_gref rx_waits; do
	[ "$(counter $k)" -gt 0 ] || fail "the counter $k stands still"
done
for i in 1 2 3 4 5; do
	evil die >/dev/null 2>&1
	x status >/dev/null || fail "killed in mid-traffic: the daemon is dead"
done
evil recover || fail "after guests that were killed"
echo "descriptors $before_fds -> $(fds), RSS $before_rss -> $(rss_kib) KiB"
[ "$(fds)" -le $((before_fds + 4)) ] || fail "descriptors are lost"
[ "$(rss_kib)" -le $((before_rss + 16384)) ] || case $B in *asan) ;; *) fail "memory is lost" ;; esac
daemon_stop || fail "SIGTERM"
echo ok
