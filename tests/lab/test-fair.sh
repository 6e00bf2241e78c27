#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Eight guests and one slow device behind their disks: four or five requests at a time. One guest asks
# for all it can. Jain's index of what each was served, by its weight, is at least 0.99.
# timeout: 120
set -u
. "$TOP/tests/lab/vbd.sh"
lab_up 8
. "$TOP/tests/lab/share.sh"
sock=$lab/xensplitd.sock

guests() { # BULLY_OPTION...: 8 loads, the first with these options
	local d
	load 1 xvda "$@"
	for d in 2 3 4 5 6 7 8; do load $d xvda --qd 16; done
}
jain() { # NAME WEIGHT...: of guests 1..8, over the same interval; then they end
	python3 - "$sock" "$@" <<'PY' || fail "$*"
import sys, time
sys.path.insert(0, sys.argv[1].rsplit("/lab/", 1)[0])
from rpc import *
name, weights = sys.argv[2], [int(w) for w in sys.argv[3:]]
names = ["vbd/%d/51712" % (i + 1) for i in range(8)]
call = connect(sys.argv[1])
moving(call, names)
def cost(s): # as the scheduler sees it
    return [s[n]["bytes"] + 4096 * s[n]["reqs"] for n in names]
a, end = cost(stat(call)[1]), time.time() + 15
while time.time() < end:
    time.sleep(0.5)
    served = [y - x for x, y in zip(a, cost(stat(call)[1]))]
    if sum(served) > 30e6:
        break
x = [c / w for c, w in zip(served, weights)]
index = sum(x) ** 2 / (len(x) * sum(v * v for v in x))
print("  %s: MB served %s, Jain's index of the weights %.4f" % (name, [round(c / 1e6, 1) for c in served], index))
assert sum(served) > 5e6, "too little to judge by"
assert index >= 0.99, index
PY
	keep=$1 loads_end
}
p99() { # NAME: the neighbours', in us
	python3 - "$T/$1"-[2-8].json <<'PY'
import json, sys
print(" ".join("%d" % json.load(open(f))["p99_us"] for f in sys.argv[1:]))
PY
}

daemon_start --workers 1 --window-kib 36
for d in 1 2 3 4 5 6 7 8; do attach $d 51712 delay,ms=2:null:64M; done
wait_for 10 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read /local/domain/0/backend/vbd/8/51712/state)\" = 2 ]" || exit 1

echo "== all alike"
guests --qd 16
jain alike 100 100 100 100 100 100 100 100
alike=$(p99 alike)
echo "== the first has 512 requests under way, of 4K as the others"
guests --ring-order 4 --qd 512
jain deep 100 100 100 100 100 100 100 100
deep=$(p99 deep)
echo "== the first asks for 64K at a time"
guests --qd 32 --bs 64K
jain large 100 100 100 100 100 100 100 100
large=$(p99 large)
echo "== by weight, live"
i=0
for w in 100 100 200 200 400 400 50 50; do
	i=$((i + 1))
	dom 0 xensplit --socket "$sock" throttle vbd/$i/51712 weight=$w >/dev/null || fail throttle
done
guests --ring-order 4 --qd 512
jain weighted 100 100 200 200 400 400 50 50
echo "  p99 of the neighbours in us, all alike: $alike"
echo "  ... beside a deep queue:                $deep"
echo "  ... beside large requests:              $large"
daemon_stop || fail "the daemon ended with $?"
