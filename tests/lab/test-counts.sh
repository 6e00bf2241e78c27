#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a batch of requests costs in calls, once all is under way: pages kept mapped none into the grant
# device, pages copied one each way; at most one event to the guest; io_uring_enter once to hand over
# and once to wait.
# timeout: 60
set -u
. "$TOP/tests/lab/vbd.sh"
lab_up 1
. "$TOP/tests/lab/share.sh"
sock=$lab/xensplitd.sock
be=/local/domain/0/backend/vbd/1/51712

counts() { # WHAT CONDITION...: python over the differences c (counters), enters
	python3 - "$sock" "$@" <<'PY' || fail "$*"
import sys, time
sys.path.insert(0, sys.argv[1].rsplit("/lab/", 1)[0])
from rpc import *
name = "vbd/1/51712"
call = connect(sys.argv[1])
moving(call, [name])
time.sleep(0.5) # all pages were used once
def all():
    e = sum(w["enters"] for w in call("worker.list")["workers"])
    return e, stat(call)[1][name]["c"]
e0, a = all()
end = time.time() + 20
while time.time() < end:
    time.sleep(0.3)
    b = all()[1]
    if b["visits"] - a["visits"] > 500:
        break
# Asked one after the other: the counters a little later than `enters` before, a little earlier after.
b = stat(call)[1][name]["c"]
e1 = sum(w["enters"] for w in call("worker.list")["workers"])
a = dict(a)
c = {k: b[k] - a[k] for k in b}
enters, batches = e1 - e0, c["visits"]
requests = c["rd_req"] + c["wr_req"] + c["fl_req"]
print("  %s: %d requests in %d batches: %.2f grant calls, %.2f events out, %.2f in, %.2f enters a batch" % (
    sys.argv[2], requests, batches, c["gnt_calls"] / batches, c["notifies"] / batches,
    c["wakes"] / batches, enters / batches))
assert batches > 100, "too little to judge by"
for condition in sys.argv[3:]:
    assert eval(condition), condition
PY
}
ready() { wait_for 10 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read $be/state)\" = $1 ]" || exit 1; }

truncate -s 8M "$T/a.img"
for persistent in yes no; do
	daemon_start --workers 1 --persistent $persistent
	attach 1 51712 null:8M
	ready 2
	if [ $persistent = yes ]; then grants='c["gnt_calls"] == 0'; else grants='c["gnt_calls"] <= batches + 50'; fi
	load 1 xvda --qd 16
	counts "null, persistent $persistent, reads" "$grants" 'c["notifies"] <= batches + 50' 'enters <= batches + 50'
	loads_end
	ready 6
	attach 1 51712 "file:$T/a.img"
	ready 2
	load 1 xvda --rw randwrite --qd 16
	# each finish answers what has come by then: there may be as many as completions
	counts "file, persistent $persistent, writes" "$grants" 'c["notifies"] <= requests' 'enters <= 2 * batches + c["wr_req"] + 50'
	loads_end
	daemon_stop || fail "the daemon ended with $?"
done
