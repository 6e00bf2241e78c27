#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What one run of ways.sh found: a table, or JSON. Reads what dom0-ways.sh left."""
import argparse
import collections
import json
import os

JOBS = {"rr1": "4 KiB reads, depth 1", "rr32": "4 KiB reads, depth 32", "rw32": "4 KiB writes, depth 32",
        "sr8": "64 KiB reads, depth 8"}
NET = {"out": "TCP out, Mbit/s", "in": "TCP in, Mbit/s"}
# way: (name, guest, its memory)
PV, HAP = "PV, direct paging", "nested paging"
WAYS = {
    "emulated": ("emulated: IDE, e1000", "HVM, " + HAP),
    "hvm-pv": ("para-virtualized, events", "HVM, " + HAP),
    "pvh-event1": ("para-virtualized, events", "PVH, " + HAP),
    "pv-event1": ("para-virtualized, events", PV),
    "direct": ("direct: NVMe", PV),
    "dom0-nvme": ("no guest: NVMe in Dom0, before", "Dom0: " + PV),
    "dom0-nvme-again": ("the same, handed back and reset", "Dom0: " + PV),
    "pv-event": ("3 CPUs: para-virtualized, events", PV),
    "pv-poll": ("3 CPUs: a worker that polls on its own", PV),
}


def read(path):
    if os.path.exists(path):
        for line in open(path):
            yield line.split()


def measure(where):
    times = collections.defaultdict(dict)
    for words in read(os.path.join(where, "times")):
        if len(words) == 4:
            way, job, n, ms = words
            times[way, job][int(n)] = max(int(v) for v in ms.split(";"))
    rows = collections.defaultdict(dict)
    for (way, job), ms in times.items():
        few, many = min(ms), max(ms)
        spent = ms[many] - ms[few]
        if spent > 0:
            rows[way][job] = round(1000 * (many - few) / spent)
    for words in read(os.path.join(where, "net")):
        if len(words) == 3:
            rows[words[0]][words[1]] = float(words[2])
    return rows


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("dir", help="what dom0-ways.sh left: times, net")
    p.add_argument("--json", metavar="FILE")
    args = p.parse_args()
    rows = measure(args.dir)
    columns = {**JOBS, **NET}
    print("| way | guest, memory | " + " | ".join(columns.values()) + " |")
    print("|---" * (len(columns) + 2) + "|")
    for way, (name, guest) in WAYS.items():
        if way in rows:
            print("| %s | %s | %s |" % (name, guest, " | ".join(str(rows[way].get(c, "–")) for c in columns)))
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"schema": 1, "clock": "icount, 4 virtual ns an instruction", "unit": "I/O per virtual second",
                       "rows": {WAYS[w][0] + "; " + WAYS[w][1]: r for w, r in rows.items()}}, f, indent=1)
            f.write("\n")


main()
