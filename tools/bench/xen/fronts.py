#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What one run of fronts.sh found: a table, or JSON too. report.py reads the files."""
import argparse
import json
import sys

sys.dont_write_bytecode = True # nothing is left in the tree
import report

NS = 4 # virtual, for each instruction


def table(rows):
    print("| job | frontend | instructions per I/O | hypercalls: guest | Dom0 | event channel ops: guest | Dom0 "
          "| grant ops: Dom0 |")
    print("|---|---|---|---|---|---|---|---|")
    for r in sorted(rows, key=lambda r: list(report.JOBS).index(r["job"])):
        def call(side, name):
            return "%.2f" % abs(r[side]["hypercalls"].get(name, 0))
        print("| %s | %s | %d | %s | %s | %s | %s | %s |" % (
            report.JOBS[r["job"]], r["backend"], r["instructions"], call("guest", "all"), call("dom0", "all"),
            call("guest", "event_channel_op"), call("dom0", "event_channel_op"), call("dom0", "grant_table_op")))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("dir", help="what dom0-fronts.sh left")
    p.add_argument("--json", metavar="FILE", help="the same and every hypercall by name")
    args = p.parse_args()
    rows = report.measure(args.dir)
    for r in rows:
        r["instructions"] = round(r["virtual_ms"] * 1e6 / NS / r["ios"])
    table(rows)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"schema": 1, "clock": "icount, %d virtual ns an instruction" % NS, "rows": rows}, f, indent=1)
            f.write("\n")
    return 1 if any(r["records_lost"] for r in rows) else 0


sys.exit(main())
