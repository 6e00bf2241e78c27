#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# xensplit-bench: every mode runs, and its JSON is sound. No figure is judged.
# timeout: 120
set -u
export PATH=$B/bin:$PATH
fail() { echo "FAILED: $*"; exit 1; }

. "$TOP/tests/lab/bench.sh"

xensplit-bench --help >"$T/help" && grep -q ring "$T/help" || fail "--help"
for m in ring wake grant blk net report compare; do
	xensplit-bench $m --help >"$T/help" && grep -q '^examples:' "$T/help" || fail "$m --help"
done
for bad in "" nonsense "ring --batch=0" "ring --order=5" "ring --batch=1,,2" "ring --rounds=x" "ring --nope" \
	"wake --flow=up" "wake --spin=0" "wake x" "grant --pages=65" "grant --use=burn" \
	"blk --target=disk" "blk --size=100" "blk --guests=65" "net --direction=up" "net --size=63" report "compare x"; do
	xensplit-bench $bad >/dev/null 2>&1
	[ $? = 2 ] || fail "'$bad' is no usage error"
done

two= two_uring=
[ "$(nproc)" -gt 1 ] && two="xen xsp-flow line-stream copy-4k depth/trip depth/wake" two_uring=io_uring-2
xensplit-bench ring --batch=1,32 --order=0 --rounds=3 --seconds=0.02 --cores=one,two --sleep=none,both \
	--out="$T/ring.json" >"$T/ring.txt" ||
	fail "ring: $(cat "$T/ring.txt")"
sound "$T/ring.json" xsp xen-notify $two
python3 - "$T/ring.json" <<'PY' || fail "rte_ring neither ran nor was skipped by name"
import json, sys
o = json.load(open(sys.argv[1]))
ran = {s["name"] for g in o["groups"] for s in g["series"]}
gone = {s["name"] for s in o["skipped"]}
assert "two cores" in gone or all((n in ran) != (n in gone) for n in ("rte_ring", "rte_ring-32")), gone
PY
grep -q 'no hypervisor' "$T/ring.txt" && grep -q 'ratio' "$T/ring.txt" || fail "no table"
xensplit-bench ring --queues=3 --batch=8 --order=1 --rounds=1 --seconds=0.02 --cores=one,two --sleep=none,both \
	--json >"$T/queues.json" || fail "ring --queues"
sound "$T/queues.json" xsp xen-notify
xensplit-bench ring --batch=8 --order=4 --rounds=1 --seconds=0.02 --json >"$T/one.json" || fail "ring --json"
sound "$T/one.json" xsp

# Waking and grants, in a lab that they make; event channels are the lab's.
xensplit-bench wake --rounds=2 --seconds=0.02 --out="$T/wake.json" >"$T/wake.txt" 2>&1 || fail "wake: $(cat "$T/wake.txt")"
sound "$T/wake.json" eventfd epoll futex uring-poll uring-msg evtchn evtchn-uring
xensplit-bench grant --pages=1,8 --rounds=2 --seconds=0.02 --out="$T/grant.json" >"$T/grant.txt" 2>&1 || fail "grant: $(cat "$T/grant.txt")"
sound "$T/grant.json" map-each map-batch copy persistent static
python3 - "$T/wake.json" "$T/grant.json" <<'PY' || fail "wake or grant count something else than they say"
import json, sys
wake, grant = (json.load(open(f)) for f in sys.argv[1:])
for g in wake["groups"]:
    for s in g["series"]:
        m = s["more"]
        if g["axes"]["flow"] == "stream" and not s["limit"]:  # every event is sent; who wakes takes all there are
            assert 1 <= m["front_notifies"] < 1.1 and m["back_wakes"] <= 1.01, s
        elif g["axes"]["cores"] == "one":  # somebody has to sleep, or the other one never runs
            assert all(0 < m[k] < 1.5 for k in ("front_notifies", "back_notifies", "front_wakes", "back_wakes")), s
        if g["axes"]["flow"] == "trip" and not s["limit"]:
            share = [p[1] for p in s["latency"]]
            assert share == sorted(share) and abs(share[-1] - 1) < 1e-9 and m["p50_us"] <= m["p99_us"], s
for g in grant["groups"]:
    n = g["axes"]["pages"]
    calls = {s["name"]: s["more"]["calls_per_page"] for s in g["series"]}
    assert calls["map-each"] == 2 and abs(calls["map-batch"] - 2 / n) < 1e-9 and abs(calls["copy"] - 1 / n) < 1e-9, calls
    assert calls["static"] == 0 and calls.get("persistent", 0) == 0 and ("persistent" in calls) == (g["axes"]["use"] == "read")
PY

# Disks: every axis once, with whatever peers are installed; those that aren't are named.
xensplit-bench blk --target=null,file,direct --size=4k --depth=8 --wait=sleep,poll --backend=adaptive \
	--rounds=2 --seconds=0.05 --out="$T/blk.json" >"$T/blk.txt" 2>&1 ||
	fail "blk: $(tail -n 20 "$T/blk.txt")"
sound "$T/blk.json" xsp io_uring page-stream $two_uring
xensplit-bench blk --rw=write,read --access=seq --grants=copy --segments=direct --use=leave --queues=2 --order=1 \
	--size=8k --guests=3 --depth=4 --wait=sleep --backend=event --peers=none --rounds=1 --seconds=0.05 \
	--out="$T/axes.json" -- --workers=2 >"$T/axes.txt" 2>&1 || fail "blk: $(tail -n 20 "$T/axes.txt")"
sound "$T/axes.json" xsp
python3 - "$T/blk.json" "$T/axes.json" <<'PY' || fail "the counters say something else than the axes"
import json, sys
kept, copied = (json.load(open(f)) for f in sys.argv[1:])
ours = lambda o: [s["more"] for g in o["groups"] for s in g["series"] if s["name"] == "xsp"]
for s in (s for g in kept["groups"] for s in g["series"] if not s["limit"]):
    assert abs(s["latency"][-1][1] - 1) < 1e-9, s
assert all(m["copied_bytes"] == 0 and m["p99_us"] > 0 and m["client_cpu_us"] > 0 and m["server_cpu_us"] > 0 for m in ours(kept))
for m in ours(copied):  # every byte once, in one call a batch
    assert abs(m["copied_bytes"] - 8192) < 1 and 0 < m["gnt_calls"] <= 1 and 0 < m["jain"] <= 1.000001, m
assert kept["skipped"] or {s["name"] for g in kept["groups"] for s in g["series"]} >= {"qdisk", "qsd-vhost", "nbdkit", "qsd-nbd"}
PY

# Reads that are done at once come in parts to a frontend that sleeps: it is awake for the rest of them.
xensplit-bench blk --target=null --size=4k --depth=32 --wait=sleep --backend=event --peers=none --rounds=1 \
	--seconds=0.05 --out="$T/parts.json" >"$T/parts.txt" 2>&1 || fail "blk: $(tail -n 20 "$T/parts.txt")"
python3 - "$T/parts.json" <<'PY' || fail "32 reads of a sleeping frontend are one batch"
import json, sys
m = next(s["more"] for s in json.load(open(sys.argv[1]))["groups"][0]["series"] if s["name"] == "xsp")
assert m["visits"] > 4 / 32, m
PY

# The report is one whole page without anything from elsewhere; a run is the same as itself.
xensplit-bench report --out="$T/report.html" "$T/ring.json" "$T/wake.json" "$T/grant.json" "$T/blk.json" "$T/axes.json" || fail "report"
python3 - "$T/report.html" "$T/blk.json" <<'PY' || fail "the report"
import html.parser, json, re, sys
text = open(sys.argv[1]).read()
class Page(html.parser.HTMLParser):
    void, open, seen = {"meta", "path", "rect", "circle", "polyline"}, [], set()
    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in self.void:
            self.open.append(tag)
        assert not {"src", "href"} & {k for k, _ in attrs}
    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
p = Page()
p.feed(text)
assert not p.open and {"svg", "table", "polyline", "rect"} <= p.seen
assert "nan" not in re.sub(r"<[^>]*>", " ", text).split() and not re.search(r"='[^']*(nan|inf)", text)
for g in json.load(open(sys.argv[2]))["groups"]:
    assert g["title"] in text
assert "share of all that took no longer" in text and "CPU microseconds of both sides over" in text
PY
xensplit-bench compare "$T/blk.json" "$T/blk.json" >"$T/compare" || fail "compare"
xensplit-bench compare "$T/wake.json" "$T/wake.json" >"$T/same" &&
	xensplit-bench compare "$T/grant.json" "$T/grant.json" >>"$T/same" || fail "compare: wake, grant"
grep -q 'within the noise\|too few rounds' "$T/compare" && ! grep -q 'faster\|slower' "$T/compare" || fail "compare: $(cat "$T/compare")"
xensplit-bench compare "$T/blk.json" "$T/ring.json" >/dev/null 2>&1 && fail "nothing in common is no error"
echo '{}' >"$T/no.json"
xensplit-bench report "$T/no.json" >/dev/null 2>&1 && fail "any file makes a report"
nothing_left
