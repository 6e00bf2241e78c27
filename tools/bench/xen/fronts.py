#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What one run of fronts.sh found: a table each for disk and NIC, or JSON too. report.py and report_net.py
read the files."""
import argparse
import json
import os
import sys

sys.dont_write_bytecode = True # nothing is left in the tree
import report
import report_net

JOBS = dict(report.JOBS, ur1="random reads, 4 KiB, depth 1, io_uring", pr1="the same, polled (IOPOLL)")


def calls(row):
    return " | ".join(report.call(row, side, name) for side, name in (
        ("guest", "all"), ("dom0", "all"), ("guest", "event_channel_op"), ("dom0", "event_channel_op"),
        ("dom0", "grant_table_op")))


HEAD = "hypercalls: guest | Dom0 | event channel ops: guest | Dom0 | grant ops: Dom0 |"


def table(rows):
    print("| job | frontend | instructions per I/O | " + HEAD)
    print("|---|---|---|---|---|---|---|---|")
    for r in sorted(rows, key=lambda r: list(JOBS).index(r["job"])):
        print("| %s | %s | %d | %s |" % (JOBS[r["job"]], r["backend"], r["instructions"], calls(r)))


def net_table(rows):
    print("| job | frontend | instructions per packet | per KiB | " + HEAD)
    print("|---|---|---|---|---|---|---|---|---|")
    for r in sorted(rows, key=lambda r: list(report_net.JOBS).index(r["job"])):
        print("| %s | %s | %d | %s | %s |" % (report_net.JOBS[r["job"]], r["backend"], r["instructions"],
                                              r.get("instructions_per_kib", "–"), calls(r)))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("dir", help="where fronts.sh put its boots: disk, poll, net")
    p.add_argument("--json", metavar="FILE", help="the same and every hypercall by name")
    args = p.parse_args()
    rows, nics = [], []
    for part in ("disk", "poll"):
        where = os.path.join(args.dir, part)
        rows += report.measure(where) if os.path.isdir(where) else []
    for r in rows:
        r["instructions"] = report.instructions(r["virtual_ms"] * 1e6 / r["ios"])
    if rows:
        table(rows)
    where = os.path.join(args.dir, "net")
    if os.path.isdir(where):
        nics = report_net.measure(where)
        for r in nics:
            r["instructions"] = report.instructions(r["virtual_s"] * 1e9 / r["packets"])
            if "mbit_per_s" in r:
                r["instructions_per_kib"] = report.instructions(r["virtual_s"] * 1e9 * 1024 / r["received"])
        net_table(nics)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"schema": 1, "clock": report.CLOCK, "rows": rows, "net": nics}, f, indent=1)
            f.write("\n")
    return report.verdict(rows + nics)


sys.exit(main())
