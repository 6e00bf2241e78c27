#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What runs of ways.sh found: two tables and what the textbooks claim, or JSON. Reads what dom0-ways.sh left."""
import argparse
import collections
import json
import os
import statistics
import sys

sys.dont_write_bytecode = True # nothing is left in the tree
import report
import ways_claims

JOBS = {"rr1": "4 KiB reads, depth 1", "rr32": "4 KiB reads, depth 32", "rw32": "4 KiB writes, depth 32",
        "sr8": "64 KiB reads, depth 8"}
NET = {"out": "TCP out, Mbit/s", "in": "TCP in, Mbit/s"}
WAYS = {
    "emulated": "emulated: IDE, e1000",
    "hvm-pv": "para-virtualized, events",
    "pvh-event1": "para-virtualized, events",
    "pv-event1": "para-virtualized, events",
    "direct": "direct: an NVMe, its line interrupt",
    "direct-msix": "direct: an NVMe, MSI-X (msix-off)",
    "sriov": "self-virtualized: a virtual function of an NVMe",
    "sriov-dom0": "the same NVMe's physical function, meanwhile",
    "dom0-nvme": "no guest: an NVMe in Dom0",
    "dom0-nvme-again": "the same, handed back and reset",
    "pv-event": "3 CPUs in turns: para-virtualized, events",
    "pv-poll": "3 CPUs in turns: para-virtualized, a worker that polls",
}
MEMORY = {"pv": "PV, direct paging", "dom0": "Dom0: PV, direct paging", "pvh": "PVH, nested paging",
          "hvm": "HVM, nested paging"}
IDLE = 32767
SECOND = 10**9 # ns
PORT, NESTED_FAULT = 0x7b, 0x400 # AMD's exit codes: port I/O; a page that isn't there, so a device's registers


def read(where, name):
    path = os.path.join(where, name)
    if os.path.exists(path):
        for line in open(path):
            yield line.split()


def stood_still(a, b):
    """One processor, and in one of two runs nobody ran for a second more: an interrupt was lost, and a driver's
    time-out waited for."""
    return a.cpus == 1 and abs(a.ran[IDLE] - b.ran[IDLE]) > SECOND


def traced(where, way, job, few, many, domid, us):
    """What one more I/O costs: entries into Xen, event channel and grant operations, and each side's part of the
    us that it takes: tracing makes all of them longer."""
    paths = [os.path.join(where, "%s.%s.%d.xtr" % (way, job, n)) for n in (few, many)]
    if not all(os.path.exists(p) for p in paths):
        return {}
    a, b = (report.Trace(p) for p in paths)
    if stood_still(a, b):
        return {"stalled": True}

    def more(field, *keys):
        return round(sum(getattr(b, field)[k] - getattr(a, field)[k] for k in keys) / (many - few), 3)
    row = {"records_lost": a.lost or b.lost}
    for side, d in (("guest", domid), ("dom0", 0)):
        row[side] = {"entries": more("entries", d), "event_channel_ops": more("calls", (d, "event_channel_op")),
                     "grant_ops": more("calls", (d, "grant_table_op")), "port_exits": more("exits", (d, PORT)),
                     "register_exits": more("exits", (d, NESTED_FAULT)),
                     "virtual_us": max(more("ran", d), 0)}
    row["idle_virtual_us"] = max(more("ran", IDLE), 0)
    row["cpus"] = b.cpus
    row["dom0_busiest_cpu"] = round(b.busiest(0), 3)
    if not row["guest"]["virtual_us"] and not row["dom0"]["virtual_us"]:
        return {"stalled": True} # the longer run has less of everybody
    all_ = row["guest"]["virtual_us"] * (domid != 0) + row["dom0"]["virtual_us"] + row["idle_virtual_us"]
    for part in (row["guest"], row["dom0"], row):
        for k in part:
            if k.endswith("virtual_us") and all_:
                part[k] = round(part[k] * us * b.cpus / all_, 3)
    return row


def measure(where):
    guests = {words[0]: (int(words[1]), words[2]) for words in read(where, "guests") if len(words) == 3}
    times = collections.defaultdict(lambda: collections.defaultdict(list))
    for words in read(where, "times"):
        if len(words) == 4:
            way, job, n, ms = words
            times[way, job][int(n)].append(max(int(v) for v in ms.split(";")))
    rows = {}
    for way, name in WAYS.items():
        domid, kind = guests.get(way, (0, ""))
        row = {"way": name, "guest": MEMORY.get(kind, kind)}
        for job in JOBS:
            ms = {n: statistics.median(v) for n, v in times.get((way, job), {}).items()}
            if len(ms) == 2 and max(ms.values()) > ms[min(ms)]:
                few, many = sorted(ms)
                row[job] = {"ios": many - few, "virtual_ms": ms[many] - ms[few],
                            "per_s": round(1000 * (many - few) / (ms[many] - ms[few]))}
                row[job].update(traced(where, way, job, few, many, domid,
                                       1000 * (ms[many] - ms[few]) / (many - few)))
        for words in read(where, "net"):
            if len(words) == 3 and words[0] == way:
                row[words[1]] = float(words[2])
        if len(row) > 2:
            rows[way] = row
    for words in read(where, "blocked"):
        if words[0] not in rows:
            rows[words[0]] = {"way": WAYS.get(words[0], words[0]), "guest": "–", "blocked": " ".join(words[1:])}
    return rows


def line(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |")


def speeds(rows):
    columns = {**JOBS, **NET}
    line("way", "guest, memory", *columns.values())
    print("|---" * (len(columns) + 2) + "|")
    for row in rows.values():
        if "blocked" in row:
            line(row["way"], row["guest"], "blocked: " + row["blocked"], *["–"] * (len(columns) - 1))
            continue
        line(row["way"], row["guest"], *(row[c]["per_s"] if c in JOBS and c in row else row.get(c, "–") for c in columns))


def costs(rows):
    line("way", "guest, memory", "job", "entries into Xen: guest", "of them port I/O", "registers in memory", "Dom0",
         "event channel ops: guest", "Dom0", "grant ops: Dom0", "instructions: guest", "Dom0", "Dom0's share")
    print("|---" * 13 + "|")
    for row in rows.values():
        for job in ("rr1", "rr32"):
            if "guest" not in row.get(job, {}):
                continue
            g, d = row[job]["guest"], row[job]["dom0"]
            none = row["guest"] == MEMORY["dom0"]
            shared = row[job]["cpus"] > 1 # a processor's time is then no count of its instructions
            line(row["way"], row["guest"], JOBS[job], *(["–"] * 3 if none else
                 ["%.1f" % abs(g[k]) for k in ("entries", "port_exits", "register_exits")]), "%.1f" % abs(d["entries"]),
                 "–" if none else "%.2f" % abs(g["event_channel_ops"]), "%.2f" % abs(d["event_channel_ops"]),
                 "%.2f" % abs(d["grant_ops"]), "–" if none or shared else report.instructions(1000 * g["virtual_us"]),
                 "–" if shared else report.instructions(1000 * d["virtual_us"]),
                 "–" if none or shared else "%d %%" % round(100 * d["virtual_us"] / (g["virtual_us"] + d["virtual_us"])))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("dir", help="what dom0-ways.sh left: times, net, guests, facts, blocked, *.xtr")
    p.add_argument("--json", metavar="FILE", help="the same")
    args = p.parse_args()
    rows = measure(args.dir)
    facts = {words[0]: " ".join(words[1:]) for words in read(args.dir, "facts")}
    claims = ways_claims.judge(rows, facts)
    speeds(rows)
    print()
    costs(rows)
    print()
    for c in claims:
        print("- **%s** %s: %s" % (c["claim"], c["verdict"], c["why"]))
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"schema": 2, "clock": report.CLOCK, "rows": rows, "facts": facts,
                       "claims": claims}, f, indent=1, ensure_ascii=False)
            f.write("\n")
    return report.verdict([j for r in rows.values() for j in r.values()
                           if isinstance(j, dict) and "records_lost" in j])


sys.exit(main())
