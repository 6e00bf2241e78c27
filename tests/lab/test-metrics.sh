#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The counters as OpenMetrics text: from the control socket, by `xensplit metrics`, and in the daemon's own
# file; read by a strict parser, and compared with what xensplit stat says.
# timeout: 60
# configs: release
set -u
. "$TOP/tests/lab/vbd.sh"

cat >"$T/openmetrics.py" <<'PY'
"""A strict reader of OpenMetrics text: {family: (type, {labels: value} by sample name)}."""
import re, sys
NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r"[a-zA-Z_][a-zA-Z0-9_]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{LABEL}="(?:[^"\\\n]|\\[\\n"])*",?)*)\}})? (-?[0-9.e+-]+)$')
SUFFIX = {"counter": ("_total",), "gauge": ("",), "info": ("_info",), "histogram": ("_bucket", "_count", "_sum")}

def read(text):
    assert text.endswith("# EOF\n") and text.count("# EOF") == 1, "no # EOF at the end"
    families, current, said = {}, None, ()
    for line in text[:-len("# EOF\n")].splitlines():
        assert line and line == line.strip(), f"blank or padded: {line!r}"
        m = re.match(rf"# (TYPE|UNIT|HELP) ({NAME}) (.+)$", line)
        if m:
            what, name, rest = m.groups()
            if what == "TYPE":
                assert name not in families, f"{name} comes twice"
                assert rest in SUFFIX, f"type {rest}"
                families[name], current, said = (rest, {}), name, ("TYPE",)
            assert name == current and not families[name][1], f"{line!r} is out of place"
            assert what == "TYPE" or what not in said
            assert what != "UNIT" or name.endswith("_" + rest), line
            said += (what,)
            continue
        m = SAMPLE.match(line)
        assert m, f"no sample: {line!r}"
        name, labels, value = m.groups()
        kind, samples = families[current]
        suffix = name[len(current):]
        assert name.startswith(current) and suffix in SUFFIX[kind], f"{name} in {current} ({kind})"
        pairs = re.findall(rf'({LABEL})="((?:[^"\\\n]|\\.)*)"', labels or "")
        key = (suffix,) + tuple(sorted(pairs))
        assert len(dict(pairs)) == len(pairs) and key not in samples, f"twice: {line!r}"
        samples[key] = float(value)
        assert kind == "gauge" or samples[key] >= 0
    for name, (kind, samples) in families.items():
        if kind == "histogram":
            check_histogram(name, samples)
    return families

def check_histogram(name, samples):
    groups = {}
    for key, value in samples.items():
        le = dict(key[1:]).get("le")
        rest = tuple(p for p in key[1:] if p[0] != "le")
        groups.setdefault(rest, {})[key[0] if le is None else float(le)] = value
    for rest, g in groups.items():
        edges = sorted(k for k in g if not isinstance(k, str))
        assert edges[-1] == float("inf") and g[edges[-1]] == g["_count"], (name, rest)
        assert all(g[a] <= g[b] for a, b in zip(edges, edges[1:])), (name, rest, "is not cumulative")
        assert (g["_count"] == 0) == (g["_sum"] == 0)
PY
py() { python3 - "$@"; }

lab_up 2
daemon_start --metrics-file "$T/daemon.prom"
truncate -s 64M "$T/disk"
attach 1 51712 "$T/disk"
attach 2 51728 null:32M
waits() { [ "$(backend_state 2 51728)" = 2 ]; }
wait_for 10 waits || fail "no disk"
exits 0 dom 1 xensplit-vbd verify xvda --size 1M --time 0.5 --quiet
exits 0 dom 1 sh -c 'head -c 1048576 /dev/zero | xensplit-vbd write xvda 0'
exits 0 dom 1 sh -c 'xensplit-vbd read xvda 0 1M | wc -c' >/dev/null
cli() { dom 0 xensplit --socket "$lab/xensplitd.sock" "$@"; }
exits 0 cli metrics >"$T/out.prom"
exits 0 cli stat --json >"$T/stat.json"
exits 0 cli metrics --file "$T/cli.prom"
py "$T" <<'PY' || fail "the text is not what it should be"
import json, sys
T = sys.argv[1]
sys.path.insert(0, T)
import openmetrics
m = openmetrics.read(open(T + "/out.prom").read())
openmetrics.read(open(T + "/cli.prom").read())
stat = {d["device"]: d for d in json.load(open(T + "/stat.json"))["devices"]}
def value(family, suffix="_total", **labels):
    found = [v for k, v in m[family][1].items() if k[0] == suffix and labels.items() <= dict(k[1:]).items()]
    assert len(found) == 1, (family, labels, found)
    return found[0]
one, two = {"device": "vbd/1/51712"}, {"device": "vbd/2/51728"}
assert value("xensplit_vbd_rd_req", **one) == stat["vbd/1/51712"]["read_requests"] > 0
assert value("xensplit_vbd_wr_sect", **one) * 512 == stat["vbd/1/51712"]["written_bytes"] >= 1 << 20
assert value("xensplit_vbd_rd_req", **two) == 0
assert value("xensplit_vbd_latency_seconds", "_count", op="read", **one) == stat["vbd/1/51712"]["latency"]["read"]["count"]
assert value("xensplit_vbd_size_bytes", "", **one) == 64 << 20 and value("xensplit_vbd_size_bytes", "", **two) == 32 << 20
assert value("xensplit_vbd_in_flight", "", **one) == 0
assert value("xensplit_worker_cpu_seconds", worker="0") > 0
assert m["xensplit"][0] == "info" and m["xensplit_vif_tx_packets"][0] == "counter"
bad = open(T + "/out.prom").read()
for spoil in (bad.replace("# EOF\n", ""), bad.replace("_total{", "{", 1), bad.replace('le="+Inf"', 'le="9e9"'), bad + "x 1\n"):
    try:
        openmetrics.read(spoil)
    except (AssertionError, KeyError, IndexError):
        continue
    sys.exit("the parser takes anything")
PY
[ ! -e "$T/cli.prom.tmp" ] || fail "a temporary file stays"
exits 1 cli metrics --file "$T/no/such/place" 2>/dev/null
exits 2 cli metrics --every 0 2>/dev/null

# The daemon's own file: there at the start, replaced every ten seconds.
wait_for 15 grep -q 'xensplit_vbd_wr_sect_total{device="vbd/1/51712".* [1-9]' "$T/daemon.prom" || fail "the daemon's file: $(cat "$T/daemon.prom")"
[ ! -e "$T/daemon.prom.tmp" ] || fail "a temporary file stays"
py "$T" <<'PY' || fail "the daemon's file"
import sys
sys.path.insert(0, sys.argv[1])
import openmetrics
openmetrics.read(open(sys.argv[1] + "/daemon.prom").read())
PY
