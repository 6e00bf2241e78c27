#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The daemon's trace points are in the binary, as docs/tracing.md says; the scripts of tools/bpftrace use no
# other, and run where bpftrace can.
# timeout: 60
set -u
fail() { echo "FAILED: $*"; exit 1; }
command -v readelf >/dev/null || { echo "no readelf: install binutils"; exit 77; }
readelf -n "$B/bin/xensplitd" >"$T/notes" 2>&1 || fail "readelf"
python3 - "$T/notes" "$TOP" <<'PY' || fail "the probes are not those documented"
import re, sys, glob
notes = open(sys.argv[1]).read()
there = {}
for name, args in re.findall(r"Provider: xensplitd\n\s+Name: (\w+)\n.*\n\s+Arguments: *(.*)", notes):
    n = len(re.findall(r"-?[1248]@", args))
    assert there.setdefault(name, n) == n, f"{name} has {there[name]} or {n} arguments"
doc = {}
for line in open(sys.argv[2] + "/docs/tracing.md"):
    m = re.match(r"\| `(\w+)` \|(.*)\|$", line)
    if m:
        doc[m[1]] = sum(bool(c.strip()) for c in m[2].split("|"))
assert doc == there, f"documented {doc}, in the binary {there}"
for script in glob.glob(sys.argv[2] + "/tools/bpftrace/*.bt"):
    text = open(script).read()
    used = re.findall(r"usdt:/usr/sbin/xensplitd:xensplitd:(\w+)\n((?:/.*/\n)?\{(?:.*\n)*?)\}", text)
    assert used and text.count("usdt:") == len(used), script
    for probe, body in used:
        args = [int(a) for a in re.findall(r"\barg(\d)", body)]
        assert probe in doc and all(a < doc[probe] for a in args), f"{script}: {probe} {args}"
PY

# A probe that nobody traces is one nop: no semaphore is tested, nothing is computed for it.
! grep -A3 'Provider: xensplitd' "$T/notes" | grep 'Semaphore' | grep -qv 'Semaphore: 0x0*$' || fail "a probe has a semaphore"

can_trace() { [ "$(id -u)" = 0 ] && command -v bpftrace >/dev/null && timeout 10 bpftrace -e 'BEGIN { exit(); }' >/dev/null 2>&1; }
can_trace || { echo "the probes are there; bpftrace can't run here, so no script was run"; exit 0; }
. "$TOP/tests/lab/vbd.sh"
lab_up 1
daemon_start
attach 1 51712 null:64M
for s in latency batches notify; do
	sed "s,/usr/sbin/xensplitd,$B/bin/xensplitd," "$TOP/tools/bpftrace/$s.bt" >"$T/$s.bt"
	timeout -s INT 4 bpftrace "$T/$s.bt" >"$T/$s.out" 2>&1 &
	tracers="${tracers:-} $!"
done
sleep 1.5
exits 0 dom 1 xensplit-vbd read xvda 0 4M >/dev/null
for p in $tracers; do wait "$p"; done
if [ "$(grep -l '^Attaching' "$T"/*.out | wc -l)" != 3 ]; then
	cat "$T"/*.out
	echo "the probes are there; bpftrace can't trace user programs here, so the scripts were not seen at work"
	exit 0
fi
grep -q '@us\[vbd/1/51712, 0\]' "$T/latency.out" || fail "latency.bt: $(cat "$T/latency.out")"
grep -q '@batch\[vbd/1/51712, 0\]' "$T/batches.out" || fail "batches.bt: $(cat "$T/batches.out")"
grep -q 'vbd/1/51712 connected, 1 queues' "$T/notify.out" && grep -q '@answers\[vbd/1/51712\]' "$T/notify.out" || fail "notify.bt: $(cat "$T/notify.out")"
echo "bpftrace ran all three scripts"
