#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Limits of disks and guests: never exceeded, reached, changed live, kept over restarts, without CPU.
# timeout: 120
# configs: release tsan
set -u
. "$TOP/tests/lab/vbd.sh"
lab_up 2
. "$TOP/tests/lab/share.sh"
sock=$lab/xensplitd.sock
cli() { dom 0 xensplit --socket "$sock" "$@"; }
throttle() { cli throttle "$@" >/dev/null || fail "throttle $*"; }

served() { # SECONDS MAX_REQS_A_SECOND BURST DEVICE... [--busy]: together at most that, and near it
	python3 - "$sock" "$@" <<'PY' || fail "served $*"
import sys, time
sys.path.insert(0, sys.argv[1].rsplit("/lab/", 1)[0])
from rpc import *
seconds, rate, burst, names = float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), [a for a in sys.argv[5:] if a[0] != "-"]
call = connect(sys.argv[1])
moving(call, names)
for attempt in range(6): # the limit holds always; a busy machine may keep the guest from asking for more
    t0, a = stat(call)
    cpu = cpu_ns(call)
    time.sleep(seconds)
    t1, b = stat(call)
    cpu = (cpu_ns(call) - cpu) / (t1 - t0)
    n = sum(b[d]["reqs"] - a[d]["reqs"] for d in names)
    # Answered now may have been taken before: by each ring at most as many as are under way.
    may = rate * (t1 - t0) / 1e9 + burst + 32 * len(names)
    print("  %d requests in %.2f s, limit %d/s: %.1f %% of it; workers used %.1f %% of a CPU" % (
        n, (t1 - t0) / 1e9, rate, n * 1e11 / (t1 - t0) / rate, cpu * 100))
    assert n <= may, (n, may)
    assert cpu < 0.3 or "--busy" in sys.argv, cpu
    if n >= rate * (t1 - t0) / 1e9 * 0.5 - burst:
        sys.exit(0)
sys.exit(1)
PY
}
daemon_start --workers 2
attach 1 51712 null:64M
attach 1 51728 null:64M
attach 2 51712 null:64M
wait_for 10 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read /local/domain/0/backend/vbd/2/51712/state)\" = 2 ]" || exit 1

echo "== requests of a disk; what is said of it"
throttle 1:xvda iops=500/s@100ms
[ "$(cli throttle vbd/1/51712)" = "vbd/1/51712: iops 500/s@100ms, bytes none, weight 100" ] || fail "$(cli throttle vbd/1/51712)"
load 1 xvda
served 2 500 50 vbd/1/51712

echo "== changed while it runs: bytes, in requests of 4096"
throttle 1:xvda iops=none bytes=4096kB/s@100ms
served 1 1000 100 vbd/1/51712
loads_end

echo "== two disks of a guest share the guest's limit, the other guest has none"
throttle 1:xvda bytes=none
throttle guest/1 iops=800/s
load 1 xvda --queues 2
load 1 xvdb
load 2 xvda
served 1.5 800 40 vbd/1/51712 vbd/1/51728 --busy
python3 - "$sock" <<'PY' || fail "the other guest"
import sys, time
sys.path.insert(0, sys.argv[1].rsplit("/lab/", 1)[0])
from rpc import *
call = connect(sys.argv[1])
a = stat(call)[1]["vbd/2/51712"]
time.sleep(0.3)
b = stat(call)[1]["vbd/2/51712"]
print("  the other guest: %d requests in 0.3 s" % (b["reqs"] - a["reqs"]))
assert b["reqs"] - a["reqs"] > 800 and b["c"]["throttled"] == 0, b
PY
loads_end

echo "== data is right under a limit, over a restart, which keeps it"
truncate -s 4M "$T/a.img"
attach 2 51728 "file:$T/a.img"
throttle vbd/2/51728 iops=3000/s
load_begin 2 xvdb --size 1M
works 2 51728 1000
daemon_stop || fail "the daemon ended with $?"
daemon_start --workers 2
works 2 51728 1000
load_end
load 2 xvdb
served 1 3000 150 vbd/2/51728
loads_end

echo "== a stop does not wait for a limit"
throttle 2:xvdb iops=1/s bytes=1k/s
load 2 xvdb
wait_for 20 eval '[ "$(backend_state 2 51728)" = 4 ]' || exit 1
sleep 0.5 # the ring is full
start=$SECONDS
daemon_stop || fail "the daemon ended with $?"
[ $((SECONDS - start)) -le 20 ] || fail "it took $((SECONDS - start)) s" # what is in the ring takes two minutes
daemon_start
throttle 2:xvdb iops=none bytes=none
loads_end

echo "== a limit that is taken away is gone at once, whatever was owed"
throttle 2:xvdb bytes=50/s
load 2 xvdb
wait_for 10 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read /local/domain/0/backend/vbd/2/51728/state)\" = 4 ]" || exit 1
sleep 0.5 # one request of 4096 bytes a minute and a half
throttle 2:xvdb bytes=none
python3 -c 'import sys; sys.path.insert(0, sys.argv[2]); from rpc import *; moving(connect(sys.argv[1]), ["vbd/2/51728"])' "$sock" "$T" || fail "it still waits"
loads_end

echo "== nonsense"
dom 0 xenstore-write /local/domain/0/backend/vbd/2/51728/xensplit-iops 'lots/s' /local/domain/0/backend/vbd/2/51728/xensplit-weight 0
dom 2 xensplit-vbd verify xvdb --size 1M --time 0.2 --quiet || fail "verify"
grep -q "no limit: .*'lots/s' is not like" "$T/daemon.log" || fail "no line in the log"
exits 2 cli throttle 2:xvdb iops=0/s
exits 2 cli throttle 2:xvdb weight=0
exits 2 cli throttle 2:xvdb speed=3
exits 2 cli throttle guest/2 weight=3
exits 3 cli throttle vbd/2/7
exits 3 cli throttle guest/77 iops=none
daemon_stop || fail "the daemon ended with $?"
