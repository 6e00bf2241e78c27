#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# xensplit-bench net: every direction, every axis; counts are judged, times are not: no frame is lost or
# cut, static grants cost no grant call, a batch no more than one event, nothing happens for nothing.
# timeout: 240
set -u
export PATH=$B/bin:$PATH
fail() { echo "FAILED: $*"; exit 1; }
. "$TOP/tests/lab/bench.sh"
[ -c /dev/net/tun ] || { echo "no /dev/net/tun on this machine"; exit 77; }

run() { # NAME OPTION...
	xensplit-bench net --rounds=1 --seconds=0.03 --out="$T/$1.json" "${@:2}" >"$T/$1.txt" 2>&1 || fail "$1: $(tail -n 20 "$T/$1.txt")"
	sound "$T/$1.json" xsp
}
run static --size=64,64k --peers=tap
run copy --direction=guest-guest --port=switch --size=1500,64k --grants=copy --wait=sleep --backend=event --depth=16 --batch=4 --peers=none
run queues --direction=guest-guest,guest-tap,tap-guest --size=64 --queues=2 --wait=sleep --backend=always --peers=none -- --workers=2
grep -q 'rtt_p50_us' "$T/static.txt" && grep -q 'frames/s' "$T/static.txt" || fail "no table"
xensplit-bench compare "$T/static.json" "$T/static.json" >"$T/compare" || fail "compare"
xensplit-bench report --out="$T/report.html" "$T/static.json" "$T/copy.json" || fail "report"
grep -q 'gso_kept' "$T/report.html" || fail "no GSO in the report"

python3 - "$T/static.json" "$T/copy.json" "$T/queues.json" <<'PY' || fail "the counts"
import json, sys
static, copy, queues = (json.load(open(f))["groups"] for f in sys.argv[1:])
assert len(static) == 16 and len(copy) == 2 and len(queues) == 3
rates = {}
for g in static + copy + queues:
    axes = g["axes"]
    m = {s["name"]: s for s in g["series"]}["xsp"]["more"]
    where = g["title"]
    assert m["Gb_s"] > 0 and m["client_cpu_us"] > 0 and m["server_cpu_us"] > 0 and m["sent"] > 0, where
    assert m["lost"] == 0 and m["dropped"] == 0, (where, m["lost"], m["dropped"])
    # each visit of the daemon answers a batch, each batch of a guest is pushed once: one event each
    assert m["notifies"] <= m["visits"] * 1.001, (where, m)
    assert m["guest_notifies"] <= m["guest_batches"] * 1.1 + 4 / m["sent"], (where, m)
    assert m["visits"] < 1.01 * (2 if axes["direction"] == "guest-guest" else 1), (where, m)
    if axes["size"] == 65535: # three are more than 128 KiB: each side is at work while the other one is
        assert m["visits"] > 0.33, (where, m)
    if axes["grants"] == "static":
        assert m["gnt_calls"] == 0 and m["gnt_refs"] == 0, (where, m)
    else:  # one call for a batch each way
        assert 0 < m["gnt_calls"] <= m["visits"] * 1.001 and m["gnt_refs"] >= 2, (where, m)
    if axes["direction"] == "guest-tap" and axes["grants"] == "static": # the kernel copies all but the head
        assert m["copied"] <= 257, (where, m)
    if axes["size"] > 1514 and axes["direction"] != "guest-null":
        assert m["gso_kept"] == 1, (where, m)
    if axes["direction"] != "guest-null":
        assert 0 < m["rtt_p50_us"] <= m["rtt_p99_us"], where
    if axes["backend"] != "always":
        assert m["idle_cpu_pct"] < 20, (where, m)
    if axes["direction"].count("tap") and axes["queues"] == 1 and axes["grants"] == "static":
        assert "tap" in [s["name"] for s in g["series"]], where
print("GSO frames of 65535 bytes whole in %d groups, no grant call in %d, nothing lost in %d" % (
    sum("gso_kept" in s["more"] for g in static + copy for s in g["series"]),
    sum(g["axes"]["grants"] == "static" for g in static + queues), len(static + copy + queues)))
PY

# A peer that is not here is named.
xensplit-bench net --direction=guest-null --size=64 --wait=poll --rounds=1 --seconds=0.02 --peers=testpmd --no-pin --out="$T/peer.json" >"$T/peer.txt" 2>&1 || fail "peer"
grep -q 'skipped: testpmd: ' "$T/peer.txt" || fail "testpmd is left out silently: $(cat "$T/peer.txt")"
nothing_left
