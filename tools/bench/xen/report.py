#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What one run of bench.sh found: a table, or JSON. Reads the times and xentrace files of dom0.sh."""
import argparse
import collections
import json
import os
import struct
import sys

NS = 4 # virtual, for each instruction
CLOCK = "icount, %d virtual ns an instruction" % NS


def instructions(ns):
    """How many take so many virtual ns."""
    return round(ns / NS)


# xen/include/public/trace.h
CPU_CHANGE = 0x0001F003
HYPERCALL = 0x00201000 + 13 # TRC_PV_HYPERCALL_V2
SUBCALL = 0x00202000 + 14   # TRC_PV_HYPERCALL_SUBCALL: one in a multicall
EMULATE = 0x00201000 + 6    # TRC_PV_EMULATE_PRIVOP: reads of the time stamp counter, here
TO = 0x00028000 + 15        # TRC_SCHED_SWITCH_INFNEXT: domid, ...
STAYS = 0x00028000 + 17     # TRC_SCHED_SWITCH_INFCONT: domid, ...; a CPU that polls never switches
TRAPS = {0x00201000 + n for n in (3, 4, 5, 6, 9, 10, 11)} # TRC_PV_*: traps, page faults, emulated instructions
EXIT = 0x00081000 + 2       # TRC_HVM_VMEXIT: the reason, ...
WIDE = 0x100                # TRC_64_FLAG: a 64-bit guest's
VMMCALL = 0x00082000 + 0x12 # TRC_HVM_VMMCALL: an HVM or PVH guest's hypercall
LOST = 0x0001F001

# xen/include/public/xen.h
NAMES = {1: "mmu_update", 3: "stack_switch", 12: "memory_op", 13: "multicall", 14: "update_va_mapping",
         15: "set_timer_op", 18: "console_io", 20: "grant_table_op", 23: "iret", 24: "vcpu_op",
         25: "set_segment_base", 26: "mmuext_op", 29: "sched_op", 32: "event_channel_op", 33: "physdev_op"}
GRANT = {0: "map", 1: "unmap", 5: "copy"}


class Trace:
    """Counts of hypercalls by domain and name; grant references by domain and kind; entries into Xen of
    each domain, of them those to have an instruction emulated, and why an HVM or PVH one left its guest;
    nanoseconds that it had a CPU (32767: nobody), and that CPU by CPU."""

    def __init__(self, path):
        self.calls = collections.Counter()
        self.grants = collections.Counter()
        self.refs = collections.Counter()
        self.entries = collections.Counter()
        self.emulated = collections.Counter()
        self.exits = collections.Counter()
        self.ran = collections.Counter()
        self.ran_on = collections.Counter()
        self.seen_on = collections.Counter()
        self.lost = False
        self.cpus = 1
        cpu, domain, seen = 0, None, None # who runs on that CPU, and until when that is counted
        cpus = {}
        data = open(path, "rb").read()
        pos = 0
        while pos + 4 <= len(data):
            head, = struct.unpack_from("<I", data, pos)
            event, n = head & 0x0FFFFFFF, head >> 28 & 7
            now = struct.unpack_from("<Q", data, pos + 4)[0] if head >> 31 else None
            pos += 4 + (8 if head >> 31 else 0)
            extra = struct.unpack_from("<%dI" % n, data, pos)
            pos += 4 * n
            if event == CPU_CHANGE:
                cpus[cpu] = domain, seen
                cpu = extra[0]
                self.cpus = max(self.cpus, cpu + 1)
                domain, seen = cpus.get(cpu, (None, None))
            if now and seen:
                self.seen_on[cpu] += now - seen
                if domain is not None:
                    self.ran[domain] += now - seen
                    self.ran_on[cpu, domain] += now - seen
            seen = now or seen
            if event in (TO, STAYS):
                domain = extra[0]
            elif event == LOST:
                self.lost = True
            elif event & ~WIDE in (HYPERCALL, SUBCALL) and domain is not None:
                self.hypercall(domain, extra, event & ~WIDE == SUBCALL)
            elif event & ~WIDE in TRAPS:
                self.entries[domain] += 1
                self.emulated[domain] += event & ~WIDE == EMULATE
            elif event & ~WIDE == EXIT:
                self.entries[domain] += 1
                self.exits[domain, extra[0]] += 1
            elif event & ~WIDE == VMMCALL:
                self.calls[domain, "all"] += 1
                self.calls[domain, NAMES.get(extra[0], "hypercall %d" % extra[0])] += 1

    def hypercall(self, domain, extra, inner):
        op, args, pos = extra[0] & 0xFFFFF, [], 1
        for i in range(6):
            size = extra[0] >> (20 + 2 * i) & 3
            if size == 2 and pos + 1 < len(extra):
                args.append(extra[pos] | extra[pos + 1] << 32)
            elif size == 1 and pos < len(extra):
                args.append(extra[pos])
            else:
                args.append(None)
            pos += size
        # a multicall's inner calls are no entries into Xen
        if not inner:
            self.calls[domain, "all"] += 1
            self.entries[domain] += 1
        self.calls[domain, NAMES.get(op, "hypercall %d" % op)] += 1
        if op == 20:
            kind = GRANT.get(args[0], "other")
            self.grants[domain, kind] += 1
            self.refs[domain, kind] += args[2] or 0

    def busiest(self, domain):
        """The part of the time that a domain has the CPU that it has most."""
        return max((self.ran_on[c, domain] / t for c, t in self.seen_on.items() if t), default=0)


def slope(small, large, ios):
    """What one more I/O costs."""
    keys = set(small) | set(large)
    return {k: (large[k] - small[k]) / ios for k in keys}


def read_times(path):
    """{(backend, job): {ios: milliseconds}}"""
    times = collections.defaultdict(dict)
    for line in open(path):
        back, job, n, ms = line.split()
        read, write = ms.split(";")
        times[back, job][int(n)] = max(int(read), int(write))
    return times


def measure(where):
    guest = int(open(os.path.join(where, "guest")).read())
    rows = []
    for (back, job), ms in read_times(os.path.join(where, "times")).items():
        few, many = sorted(ms)
        a, b = (Trace(os.path.join(where, "%s.%s.%d.xtr" % (back, job, n))) for n in (few, many))
        ios = many - few
        calls, grants, refs, emulated, ran = (slope(getattr(a, f), getattr(b, f), ios)
                                              for f in ("calls", "grants", "refs", "emulated", "ran"))
        spent = ms[many] - ms[few]
        row = {"backend": back, "job": job, "ios": ios, "virtual_ms": spent,
               "virtual_iops": round(1000 * ios / spent) if spent > 0 else None,
               "records_lost": a.lost or b.lost}
        for name, d in (("dom0", 0), ("guest", guest)):
            row[name] = {"instructions_traced": instructions(ran.get(d, 0)), "emulated": round(emulated.get(d, 0), 2),
                         "hypercalls": {k: round(v, 3) for (dom, k), v in sorted(calls.items())
                                        if dom == d and abs(v) >= 0.005},
                         "grant_calls": {k: round(v, 3) for (dom, k), v in sorted(grants.items()) if dom == d},
                         "grant_refs": {k: round(v, 3) for (dom, k), v in sorted(refs.items()) if dom == d}}
        rows.append(row)
    return rows


JOBS = {"rr1": "random reads, 4 KiB, depth 1", "rr32": "random reads, 4 KiB, depth 32",
        "rw32": "random writes, 4 KiB, depth 32", "sr8": "sequential reads, 64 KiB, depth 8",
        "sr1m": "sequential reads, 1 MiB, depth 4"}


def call(row, side, name):
    """A side's hypercalls of that name, as a cell."""
    return "%.2f" % abs(row[side]["hypercalls"].get(name, 0))


def table(rows):
    print("| job | backend | I/O per virtual s | xensplitd / it | instructions, traced: Dom0 | guest "
          "| hypercalls: Dom0 | guest | grant ops: Dom0 | references | event channel ops: Dom0 | guest |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    order = ["xensplitd", "blkback", "qdisk"]
    ours = {r["job"]: r["virtual_iops"] for r in rows if r["backend"] == "xensplitd"}
    for r in sorted(rows, key=lambda r: (list(JOBS).index(r["job"]), order.index(r["backend"]))):
        beside = "–" if r["backend"] == "xensplitd" or not ours.get(r["job"]) or not r["virtual_iops"] else (
            "%.2f" % (ours[r["job"]] / r["virtual_iops"]))
        print("| %s | %s | %s | %s | %d | %d | %s | %s | %s | %.2f | %s | %s |" % (
            JOBS[r["job"]], r["backend"], r["virtual_iops"], beside, r["dom0"]["instructions_traced"],
            r["guest"]["instructions_traced"], call(r, "dom0", "all"), call(r, "guest", "all"),
            call(r, "dom0", "grant_table_op"), abs(sum(r["dom0"]["grant_refs"].values())),
            call(r, "dom0", "event_channel_op"), call(r, "guest", "event_channel_op")))


def verdict(rows):
    """The exit status."""
    if any(r["records_lost"] for r in rows):
        print("Trace records were lost: the counts are too small.", file=sys.stderr)
        return 1
    return 0


def main(doc, files, measure, table):
    """Of this program and of report_net.py, which read other files."""
    p = argparse.ArgumentParser(description=doc)
    p.add_argument("dir", help="what Dom0 left: " + files)
    p.add_argument("--json", metavar="FILE", help="the same and every hypercall by name")
    args = p.parse_args()
    rows = measure(args.dir)
    table(rows)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"schema": 1, "clock": CLOCK, "rows": rows}, f, indent=1)
            f.write("\n")
    return verdict(rows)


if __name__ == "__main__":
    sys.exit(main(__doc__, "times, guest, *.xtr", measure, table))
