#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The ways data can go between our frontend and our backend: orders of the ring, queues, direct and
# indirect requests, pages kept mapped or copied; restarts of the daemon under load; discard; barriers.
# timeout: 480
# configs: release asan tsan
set -u
. "$TOP/tests/lab/vbd.sh"
lab_up 2
be=/local/domain/0/backend/vbd/1/51712
orders="0 2 4" two=2
# Two workers copy into one page of the guest, one after the other because the guest says so: it is
# another process, so ThreadSanitizer can't see the order. One queue there, and less of it all.
case $B in *tsan) orders=0 two=1 ;; esac

stats() { # EXPRESSION over the first device's figures `s`
	dom 0 xensplit --socket "$lab/xensplitd.sock" stat --json vbd/1/51712 >"$T/stat.json" || fail "stat"
	python3 -c 'import json, sys; s = json.load(open(sys.argv[1]))["devices"][0]; print(eval(sys.argv[2]))' \
		"$T/stat.json" "$1"
}

daemon() { # OPTION...: with a fresh disk, once it is offered
	daemon_start "$@"
	rm -f "$T/a.img"
	truncate -s 16M "$T/a.img"
	attach 1 51712 "file:$T/a.img"
	wait_for 10 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read $be/state)\" = 2 ]" || exit 1
}

restart_under_load() { # daemon options in "${opts[@]}"; OPTION... of verify
	load_begin 1 xvda "$@"
	works 1 51712 100
	daemon_stop || fail "the daemon ended with $?"
	daemon_start "${opts[@]}"
	works 1 51712 100
	load_end
}

for persistent in yes no; do
	for indirect in 256 0; do
		echo "== --persistent $persistent --max-indirect $indirect"
		opts=(--persistent $persistent --max-indirect $indirect)
		daemon "${opts[@]}"
		for order in $orders; do
			verify 1 xvda --ring-order $order --time 0.2 --qd 16 --bs 44k --size 8M
			verify 1 xvda --ring-order $order --time 0.2 --queues $two --qd 48 --bs 8k --size 8M
			[ $indirect = 0 ] || verify 1 xvda --ring-order $order --time 0.2 --qd 8 --bs 256k --queues $two
		done
		if [ $indirect = 0 ]; then
			exits 2 dom 1 xensplit-vbd verify xvda --bs 64k --quiet
			restart_under_load --ring-order 4 --bs 4k --qd 128
			restart_under_load --bs 4k --queues $two
			exits 0 dom 1 xensplit-vbd info xvda --json | grep '"max_bytes":45056,' || fail "max_bytes"
			[ "$(stats "s['indirect_requests']")" = 0 ] || fail "indirect requests that were not offered"
		else
			verify 1 xvda --time 0.2 --qd 3 --bs 1M
			restart_under_load --bs 128k --qd 12
			restart_under_load --bs 64k --qd 40 --queues $two
			exits 2 dom 1 xensplit-vbd verify xvda --bs 64k --no-indirect --quiet
			[ "$(stats "s['indirect_requests'] > 50")" = True ] || fail "no indirect requests"
			# odd lengths, from memory that isn't granted
			head -c 3000001 /dev/urandom >"$T/in"
			exits 0 dom 1 xensplit-vbd write xvda 512 <"$T/in"
			exits 0 dom 1 xensplit-vbd read xvda 512 3000001 | cmp - "$T/in" || fail "read back"
		fi
		daemon_stop || fail "the daemon ended with $?"
	done
done

echo "== pages kept mapped: once all are, not one call into the grant device"
daemon
load_begin 1 xvda --rw randrw --bs 128k --qd 8
until [ "$(stats "s['indirect_requests'] > 1000")" = True ]; do sleep 0.1; done # under way, on a busy machine too
calls=$(stats "s['grant_calls']") done=$(stats "s['indirect_requests']")
until [ "$(stats "s['indirect_requests'] > $done + 100")" = True ]; do sleep 0.1; done
calls=$(($(stats "s['grant_calls']") - calls)) done=$(($(stats "s['indirect_requests']") - done))
load_end
echo "  $done indirect requests, $calls grant calls in a while"
[ $calls = 0 ] || fail "grant calls in steady state"

if [ $two = 2 ]; then
echo "== queues: as many as asked for and offered; all used, from one frontend to the next"
exits 0 dom 1 xensplit-vbd info xvda --queues 16 --ring-order 2 --json >"$T/info.json"
grep -q '"slots":256,.*"queues":2,' "$T/info.json" || fail "$(cat "$T/info.json")"
load_begin 1 xvda --rw randrw --queues $two
works 1 51712 1000
dom 0 xenstore-ls -f /local/domain/1/device/vbd/51712 >"$T/keys"
python3 - "$lab/xensplitd.sock" <<'PY' || fail "one queue does it all"
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
f = s.makefile("rw")
n = []
for q in 0, 1:
    f.write(json.dumps({"jsonrpc": "2.0", "id": q, "method": "vbd.ring",
                        "params": {"device": "vbd/1/51712", "queue": q}}) + "\n")
    f.flush()
    answer = json.loads(f.readline())
    assert "result" in answer, answer
    n.append(answer["result"]["req_prod"])
print("  requests in each queue:", n)
assert min(n) > max(n) / 10 > 10, n
PY
load_end
grep -q 'multi-queue-num-queues = "2"' "$T/keys" && grep -q queue-1/event-channel "$T/keys" || fail "$(cat "$T/keys")"
exits 0 dom 1 xensplit-vbd verify xvda --time 0.1 --size 1M --quiet
dom 0 xenstore-ls -f /local/domain/1/device/vbd/51712 >"$T/keys"
! grep queue "$T/keys" || fail "keys of several queues are left"
fi

echo "== discard"
head -c 8M /dev/urandom | dom 1 xensplit-vbd write xvda 0
cp "$T/a.img" "$T/want"
before=$(du -k "$T/a.img" | cut -f1)
exits 0 dom 1 xensplit-vbd discard xvda 1M 4M
after=$(du -k "$T/a.img" | cut -f1)
echo "  the image had $before KiB, now $after"
[ $((before - after)) -ge 4000 ] || fail "no hole"
dd if=/dev/zero of="$T/want" bs=1M seek=1 count=4 conv=notrunc status=none
exits 0 dom 1 xensplit-vbd read xvda 0 16M | cmp - "$T/want" || fail "zeros inside, the rest untouched"
[ "$(stats "s['discard_requests'], s['discarded_bytes']")" = "(1, 4194304)" ] || fail "$(cat "$T/stat.json")"
exits 2 dom 1 xensplit-vbd discard xvda 100 512
exits 1 dom 1 xensplit-vbd discard xvda 15M 2M
dom 0 xenstore-write $be/online 0 $be/state 5
wait_for 5 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read $be/state)\" = 6 ]" || exit 1
attach 1 51712 "file:$T/a.img" r
exits 1 dom 1 xensplit-vbd discard xvda 1M 1M
daemon_stop || fail "the daemon ended with $?"
truncate -s 1M "$T/b.img"
attach 2 51712 "file:$T/b.img"
dom 0 xenstore-write /local/domain/0/backend/vbd/2/51712/discard-enable 0
daemon_start
exits 1 dom 2 xensplit-vbd discard xvda 0 4096 2>&1 | grep "not supported" || fail "discard-enable=0"
daemon_stop

echo "== a barrier is one"
daemon_start
attach 1 51712 "delay,ms=40:file:$T/a.img"
for try in 1 2 3 4 5 6; do
	dom 1 vbd-barrier xvda 40
	rc=$?
	[ $rc = 3 ] || break
done
[ $rc = 0 ] || fail "barrier: exit $rc at try $try"
attach 1 51712 "file:$T/a.img"
verify 1 xvda --barrier --flush-every 8 --time 0.3 --size 4M
[ "$(stats "s['barrier_requests'] > 10 and s['bad_requests'] == 0")" = True ] || fail "$(cat "$T/stat.json")"
