#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Workers: queues that move between them under verified load; how they wait for requests.
# timeout: 120
# configs: release tsan
set -u
. "$TOP/tests/lab/vbd.sh"
lab_up 2
sock=$lab/xensplitd.sock
cli() { dom 0 xensplit --socket "$sock" "$@"; }
moves=55 two=2
# One queue under ThreadSanitizer: two workers copy into one page of the guest, one after the other
# because the guest says so, and it can't see that.
case $B in *tsan) moves=15 two=1 ;; esac

stat() { # COUNTER of the first device
	cli stat --json vbd/1/51712 >"$T/stat.json" || fail "stat"
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["devices"][0][sys.argv[2]])' "$T/stat.json" "$1"
}
workers() { # EXPRESSION over the list of workers `w`
	cli worker --json >"$T/workers.json" || fail "worker list"
	python3 -c 'import json, sys; w = json.load(open(sys.argv[1]))["workers"]; print(eval(sys.argv[2]))' \
		"$T/workers.json" "$1"
}

daemon_start --workers 2 --polling event
truncate -s 32M "$T/a.img"
attach 1 51712 "file:$T/a.img"
wait_for 10 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read /local/domain/0/backend/vbd/1/51712/state)\" = 2 ]" || exit 1

echo "== move: $moves times under load, one queue, all queues"
load_begin 1 xvda --queues $two --qd 48 --flush-every 100
wait_for 10 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read /local/domain/0/backend/vbd/1/51712/state)\" = 4 ]" || exit 1
moved=0
for ((i = 0; i < moves; i++)); do
	case $((i % 3)) in
	0) what=vbd/1/51712 to=$((i / 3 % 2)) ;;
	1) what=1:xvda:0 to=$(((i / 3 + 1) % 2)) ;;
	2) what=vbd/1/51712:$((two - 1)) to=$(((i / 3 + i) % 2)) ;;
	esac
	cli worker move $what $to --json >"$T/move.json" || fail "move $what to $to: $(cat "$T/move.json")"
	grep -q '"begun":true' "$T/move.json" && moved=$((moved + 1))
	kill -0 $load 2>/dev/null || break # a busy machine: that many, then
done
[ $moved -ge 5 ] || fail "only $moved of $i moves changed something"
cli worker move 1:xvda 1 >/dev/null || fail "move"
load_end
echo "  $moved queues or devices moved by $i commands"
exits 3 cli worker move vbd/1/51712 9
exits 3 cli worker move vbd/1/51712:77 0
exits 3 cli worker move vbd/7/51712 0
exits 2 cli worker move vbd/1/51712
exits 2 cli worker set 0 mode=sometimes
exits 2 cli worker set 0 cpus=4095
exits 3 cli worker set 9 mode=event

echo "== always: the guest sends no events"
cli worker set 1 mode=always >/dev/null || fail "worker set"
[ "$(workers 'w[1]["mode"]')" = always ] || fail "$(cat "$T/workers.json")"
cli worker move 1:xvda 1 >/dev/null || fail "move"
load_begin 1 xvda --rw randrw --size 8M --qd 16
until [ "$(stat read_requests)" -gt 0 ] && [ "$(workers 'len(w[1]["queues"])')" = 1 ]; do sleep 0.1; done
wakes=$(stat wakes) requests=$(stat read_requests)
until [ $(($(stat read_requests) - requests)) -gt 100 ]; do sleep 0.5; done
wakes=$(($(stat wakes) - wakes)) requests=$(($(stat read_requests) - requests))
echo "  $requests reads, $wakes events from the guest"
[ $wakes -le 2 ] || fail "events for a worker that polls"
load_end
cli worker set 1 mode=event >/dev/null || fail "worker set"
verify 1 xvda --time 0.5 --size 8M

echo "== adaptive: verified, and it sleeps when there is nothing"
cli worker set 1 mode=adaptive polling-duration=5000 polling-idle=100 >/dev/null || fail "worker set"
verify 1 xvda --time 2 --qd 4 --size 8M --flush-every 20
cli worker set 1 polling-duration=200 polling-idle=80 >/dev/null || fail "worker set"
verify 1 xvda --time 1 --qd 1 --size 8M
dom 1 xensplit-vbd verify xvda --time 0.2 --size 1M --quiet || fail "verify: exit $?"
before=$(workers 'sum(x["cpu_ns"] for x in w)')
sleep 2
used=$(($(workers 'sum(x["cpu_ns"] for x in w)') - before))
echo "  idle for 2 s: $((used / 1000)) us of CPU"
[ $used -lt 20000000 ] || fail "an idle worker that used $used ns"

echo "== an unload in any mode: stop while it polls, move between modes"
cli worker set 0 mode=always >/dev/null || fail "worker set"
cli worker set 1 mode=adaptive polling-duration=1000 >/dev/null || fail "worker set"
load_begin 1 xvda --qd 32 --flush-every 50
until [ "$(workers 'sum(len(x["queues"]) for x in w)')" = 1 ]; do sleep 0.1; done
for to in 0 1 0 1 0; do
	cli worker move 1:xvda $to >/dev/null || fail "move"
done
load_end
daemon_stop || fail "the daemon ended with $?"
