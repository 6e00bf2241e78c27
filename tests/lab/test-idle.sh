#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What 64 disks cost that nobody uses: at most 128 KiB each with rings of one page, 256 KiB with rings
# of 16, and no CPU, however workers wait for requests (but for `always`).
# timeout: 120
set -u
. "$TOP/tests/lab/vbd.sh"
guests=64
lab_up $guests
sock=$lab/xensplitd.sock

rpc() { # METHOD PYTHON_EXPRESSION over its result `r`
	python3 - "$sock" "$1" "$2" <<'PY' || fail "rpc $1"
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": sys.argv[2]}).encode() + b"\n")
r = json.loads(s.makefile().readline())["result"]
print(eval(sys.argv[3]))
PY
}
rss() { # KiB
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"
}
cpu_us() { awk '{ print $1 / 1000 }' /proc/"$pid"/task/*/schedstat | awk '{ s += $1 } END { printf "%d\n", s }'; }
connected() { [ "$(rpc daemon.status 'r["vbds_connected"]')" = "$1" ]; }

cost() { # ORDER LIMIT_KIB
	local d before after each pids=
	daemon_start --workers 2 --polling adaptive
	wait_for 10 test -S "$sock"
	pid=$(grep -lsF "$sock" /proc/[0-9]*/cmdline | while IFS=/ read -r _ _ p _; do
		[ "$(cat "/proc/$p/comm")" != xensplitd ] || echo "$p"
	done) # in the lab it has another number
	# one disk, used: what the first use of anything costs is not the others' matter
	attach 1 768 null:16M
	dom 1 xensplit-vbd verify 768 --rw randrw --ring-order "$1" --time 0.3 --qd 32 --rw randread --quiet || fail "verify"
	before=$(rss)
	for ((d = 1; d <= guests; d++)); do
		attach $d 51712 null:16M
		(exec xensplit lab run --dir "$lab" $d -- xensplit-vbd watch xvda --ring-order "$1" --time 200 \
			--timeout 60) >"$T/watch-$d" 2>&1 &
		pids="$pids $!"
	done
	wait_for 30 connected $guests || fail "not all connect: $(rpc daemon.status 'r["vbds_connected"]') $(cat "$T"/watch-* | sort | uniq -c)"
	sleep 1
	after=$(rss)
	each=$(((after - before) / guests))
	echo "  order $1: $each KiB for each of $guests idle disks ($before KiB before, $after KiB with them)"
	[ $each -le "$2" ] || fail "an idle disk costs $each KiB"
	before=$(cpu_us)
	sleep 2
	after=$(cpu_us)
	echo "  in 2 s they used $((after - before)) us of CPU"
	[ $((after - before)) -le 20000 ] || fail "idle disks use CPU"
	kill $pids
	wait $pids 2>/dev/null
	# Their frontends are dead, their guests are not: a next daemon would take over what is not there.
	dom 0 sh -c "for d in \$(seq -s ' ' 1 $guests); do
		xenstore-rm /local/domain/0/backend/vbd/\$d /local/domain/\$d/device/vbd
	done" || fail "the disks' nodes"
	daemon_stop || fail "the daemon ended with $?"
}
cost 0 128
cost 4 256
