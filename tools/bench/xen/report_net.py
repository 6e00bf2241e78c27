#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The network half of what one run of bench.sh found: a table, or JSON. Reads what dom0-net.sh left."""
import collections
import os
import sys

sys.dont_write_bytecode = True # nothing is left in the tree
from report import Trace, call, main

JOBS = {"ntx": "TCP, guest to Dom0", "nrx": "TCP, Dom0 to guest",
        "ntxs": "TCP, guest to Dom0, no segmentation offload", "nrxs": "TCP, Dom0 to guest, no segmentation offload",
        "nutx64": "UDP 64 B, guest to Dom0", "nurx64": "UDP 64 B, Dom0 to guest",
        "nutx1400": "UDP 1400 B, guest to Dom0", "nurx1400": "UDP 1400 B, Dom0 to guest",
        "nping": "ping -f, Dom0 to guest"}


def read_runs(path):
    """{(backend, job): [(n, received, seconds, packets)]}, the small run first"""
    runs = collections.defaultdict(list)
    for line in open(path):
        back, job, n, received, seconds, packets = line.split()
        runs[back, job].append((n, int(received), float(seconds), int(packets)))
    return {k: sorted(v, key=lambda run: float(run[0])) for k, v in runs.items() if len(v) == 2}


def measure(where):
    guest = int(open(os.path.join(where, "guest")).read())
    rows = []
    for (back, job), (few, many) in read_runs(os.path.join(where, "net")).items():
        a, b = (Trace(os.path.join(where, "%s.%s.%s.xtr" % (back, job, run[0]))) for run in (few, many))
        received, seconds, packets = (many[i] - few[i] for i in (1, 2, 3))
        row = {"backend": back, "job": job, "packets": packets, "received": received, "virtual_s": round(seconds, 6),
               "records_lost": a.lost or b.lost}
        if job == "nping":
            row["round_trip_ms"] = round(1000 * seconds / received, 3)
        elif job.startswith("nu"):
            # Dom0 sends faster than anybody receives: what arrives has nothing to do with what was sent
            lossy = job.startswith("nurx")
            row["received_per_s"] = round(many[1] / many[2] if lossy else received / seconds)
            row["lost"] = round(1 - many[1] / int(many[0]), 3)
        else:
            row["mbit_per_s"] = round(8e-6 * received / seconds, 1)
        for name, d in (("dom0", 0), ("guest", guest)):
            for what in ("calls", "grants", "refs"):
                x, y = getattr(a, what), getattr(b, what)
                row.setdefault(name, {})[{"calls": "hypercalls", "grants": "grant_calls", "refs": "grant_refs"}[what]] = {
                    k: round((y[dom, k] - x[dom, k]) / packets, 3)
                    for dom, k in sorted(set(x) | set(y)) if dom == d}
        rows.append(row)
    return rows


def figure(row):
    if "round_trip_ms" in row:
        return "%.3f ms" % row["round_trip_ms"]
    if "mbit_per_s" in row:
        return "%.0f Mbit/s" % row["mbit_per_s"]
    return "%.2f k/s" % (row["received_per_s"] / 1000)


def speed(row):
    """Larger is better."""
    return row.get("mbit_per_s") or row.get("received_per_s") or 1 / row["round_trip_ms"]


def table(rows):
    peer = {r["job"]: r for r in rows if r["backend"] == "netback"}
    print("| job | backend | in virtual time | / netback | hypercalls per packet: Dom0 | guest | grant ops: Dom0 "
          "| references | event channel ops: Dom0 | guest |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for r in sorted(rows, key=lambda r: (list(JOBS).index(r["job"]), r["backend"] == "netback")):
        beside = "–" if r["backend"] == "netback" or r["job"] not in peer else "%.2f" % (speed(r) / speed(peer[r["job"]]))
        print("| %s | %s | %s | %s | %s | %s | %s | %.2f | %s | %s |" % (
            JOBS[r["job"]], r["backend"], figure(r), beside, call(r, "dom0", "all"), call(r, "guest", "all"),
            call(r, "dom0", "grant_table_op"), abs(sum(r["dom0"]["grant_refs"].values())),
            call(r, "dom0", "event_channel_op"), call(r, "guest", "event_channel_op")))


if __name__ == "__main__":
    sys.exit(main(__doc__, "net, guest, *.xtr", measure, table))
