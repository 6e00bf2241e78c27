# SPDX-License-Identifier: MIT
"""What textbooks say of the ways of I/O virtualization, each judged by what one run measured.

A verdict is a comparison of figures: nothing here knows how it came out before. A claim whose ways
weren't measured is `not shown`. Not here: how anything is measured (dom0-ways.sh) or read (ways.py)."""

import report

DEPTH = {"rr1": 1, "rr32": 32, "rw32": 32, "sr8": 8}


class Missing(Exception):
    """A figure that wasn't measured."""


class Figures:
    def __init__(self, rows, facts):
        self.rows, self.facts = rows, facts

    def speed(self, way, job):
        return self.get(way, job)["per_s"]

    def cost(self, way, job, side, what):
        row = self.get(way, job)
        if side not in row:
            raise Missing("%s, %s was not traced" % (way, job))
        return max(row[side][what], 0)

    def get(self, way, job):
        row = self.rows.get(way, {})
        if "blocked" in row:
            raise Missing("%s is blocked: %s" % (way, row["blocked"]))
        if job not in row:
            raise Missing("%s, %s was not measured" % (way, job))
        return row[job]

    def net(self, way, direction):
        return self.get(way, direction)

    def fact(self, name):
        if name not in self.facts:
            raise Missing("%s was not tried" % name)
        return self.facts[name]

    def ratios(self, way, other):
        """way / other of each job that both have, smallest first"""
        jobs = [j for j in DEPTH if all(j in self.rows.get(w, {}) for w in (way, other))]
        if not jobs:
            self.get(way, "rr1"), self.get(other, "rr1")
        return sorted(self.speed(way, j) / self.speed(other, j) for j in jobs)


def instructions(us):
    return report.instructions(1000 * us)


def span(values, form="%.2f"):
    values = sorted(values)
    low, high = form % values[0], form % values[-1]
    return low if low == high else low + " to " + high


def registers_trap(f):
    """Full emulation: each access to a device's register leaves the guest, several for an I/O."""
    port, mem, all_ = (f.cost("emulated", "rr1", "guest", k) for k in ("port_exits", "register_exits", "entries"))
    pv = f.cost("hvm-pv", "rr1", "guest", "entries")
    return port + mem > 1 and all_ > pv, (
        "a 4 KiB read of the IDE disk leaves the guest %.1f times, %.1f of them for a port and %.1f for a register in "
        "memory; through the PV driver of the same guest %.1f times" % (all_, port, mem, pv))


def emulation_costs_dom0(f):
    """Full emulation: the device model's work in Dom0 is most of an I/O."""
    e = {s: f.cost("emulated", "rr1", s, "virtual_us") for s in ("guest", "dom0")}
    p = {s: f.cost("hvm-pv", "rr1", s, "virtual_us") for s in ("guest", "dom0")}
    share = e["dom0"] / (e["dom0"] + e["guest"])
    return share > 0.5, ("Dom0 executes %d %% of the %d instructions of a 4 KiB read; for the same guest's PV driver %d "
                         "instructions, of all %d" % (100 * share, instructions(sum(e.values())), instructions(p["dom0"]),
                                                      instructions(sum(p.values()))))


def pv_beats_emulation(f):
    """Para-virtualization is faster than emulation, most of all where requests queue up."""
    r = f.ratios("hvm-pv", "emulated")
    one, many = (f.speed("hvm-pv", j) / f.speed("emulated", j) for j in ("rr1", "rr32"))
    return r[0] > 1 and many > one, ("in the same guest %s times as many I/Os; of 4 KiB reads %.1f times at depth 1, %.1f "
                                     "at depth 32" % (span(r, "%.1f"), one, many))


def pv_network(f):
    """Para-virtualization is faster than emulation, for packets too."""
    r = {d: f.net("hvm-pv", d) / f.net("emulated", d) for d in ("out", "in")}
    return min(r.values()) > 1, "TCP in the same guest: %.1f times as much out, %.1f in" % (r["out"], r["in"])


def pv_batches(f):
    """Para-virtualization: a shared ring lets many requests share one notification; emulation has none."""
    few, many = (sum(f.cost("pv-event1", j, s, "event_channel_ops") for s in ("guest", "dom0")) for j in ("rr1", "rr32"))
    text = "event channel operations per 4 KiB read, both sides: %.2f at depth 1, %.2f at depth 32" % (few, many)
    ok = many < few / 2
    try:
        one, deep = (f.cost("emulated", j, "guest", "entries") for j in ("rr1", "rr32"))
        text += "; the IDE disk leaves its guest %.1f and %.1f times" % (one, deep)
        ok = ok and deep > one / 2
    except Missing:
        pass
    return ok, text


def pv_pays_grants(f):
    """Para-virtualization: each I/O pays for mapping the guest's memory, by a hypercall."""
    g = {j: f.cost("pv-event1", j, "dom0", "grant_ops") for j in ("rr1", "rr32")}
    return min(g.values()) >= 0.5, ("Dom0 makes %s grant operations per 4 KiB read: pages stay mapped, and are paid for by a "
                                    "copy in the guest" % span(g.values()))


def pv_pays_dom0(f):
    """Para-virtualization: Dom0's processor works for each I/O."""
    g, d = (f.cost("pv-event1", "rr32", s, "virtual_us") for s in ("guest", "dom0"))
    return d > 0.1 * g, "of %d instructions of a 4 KiB read at depth 32 Dom0 executes %d (%d %%)" % (
        instructions(g + d), instructions(d), 100 * d / (g + d))


def polling_silent(f):
    """A polling worker: no notifications from the guest, a processor spent."""
    event, poll = (f.cost(w, "rr1", "guest", "event_channel_ops") for w in ("pv-event", "pv-poll"))
    used, spent = (f.get(w, "rr1")["dom0_busiest_cpu"] for w in ("pv-event", "pv-poll"))
    return poll < event / 10 and spent > 0.95 > used, (
        "the guest's event channel operations per 4 KiB read at depth 1 go from %.2f to %.2f; the processor that Dom0 uses "
        "most is busy %d %% of the time instead of %d %%, fio's start included" % (event, poll, 100 * spent, 100 * used))


def polling_fast(f):
    """A polling worker: an I/O's latency falls."""
    r = f.speed("pv-poll", "rr1") / f.speed("pv-event", "rr1")
    return r > 1, ("%.2f times as many 4 KiB reads at depth 1, although three processors take turns on one, so that "
                   "what spins takes the others' time" % r)


def direct_ways(f):
    """How a guest has a device: with the interrupt that its stock driver gets, and with messages"""
    f.get("direct", "rr1")
    names = {"line": "with the line interrupt", "message": "with MSI-X"}
    ways = [("direct", names.get(f.facts.get("direct-interrupts"), ""))]
    if "direct-msix" in f.rows:
        ways.append(("direct-msix", names.get(f.facts.get("direct-msix-interrupts"), "")))
    return ways


def direct_counted(f):
    """Those that were traced to the end"""
    counted = [(w, how) for w, how in direct_ways(f) if "guest" in f.get(w, "rr1")]
    if not counted:
        raise Missing("direct, rr1 was not traced")
    return counted


def direct_beats_pv(f):
    """Direct I/O is faster than para-virtualized I/O."""
    r = [(f.ratios(w, "pv-event1"), how) for w, how in direct_ways(f)]
    return min(v[0] for v, how in r) > 1, "; ".join(("%s %s" % (span(v), how)).strip() for v, how in r) + (
        " times as many I/Os as the PV disk gives a PV guest")


def direct_native(f):
    """Direct I/O is as fast as without virtualization."""
    r = [(f.ratios(w, "dom0-nvme"), how) for w, how in direct_ways(f)]
    text = "; ".join(("%s %s" % (span(v), how)).strip() for v, how in r) + (
        " of the I/Os that Dom0 itself does with that device")
    try:
        counted = direct_counted(f)
        text += "; a 4 KiB read at depth 1 enters Xen %s, without a guest %.1f times" % (
            " and ".join(("%.1f times from the guest and %.1f from Dom0 %s" % (
                *(f.cost(w, "rr1", side, "entries") for side in ("guest", "dom0")), how)).strip() for w, how in counted),
            f.cost("dom0-nvme", "rr1", "dom0", "entries"))
    except Missing:
        pass
    return max(v[0] for v, how in r) >= 0.9, text


def direct_no_dom0(f):
    """Direct I/O: no I/O passes through Dom0."""
    # Entries, at depth 1: its instructions would count its own timer too, and a ring's batches its work.
    d = [(f.cost(w, "rr1", "dom0", "entries"), how) for w, how in direct_counted(f)]
    p = f.cost("pv-event1", "rr1", "dom0", "entries")
    return min(v for v, how in d) < 0.5, "Dom0 enters Xen %s times per 4 KiB read at depth 1, %.1f times when it is the backend" % (
        " and ".join(("%.1f %s" % (v, how)).strip() for v, how in d), p)


def direct_exclusive(f):
    """Direct I/O: a device belongs to one domain at a time."""
    mine = f.fact("direct-dom0-has-it")
    rc, why = (f.fact("direct-second-guest") + " ").split(" ", 1)
    refused = rc != "0" and why.strip() != "" # for another reason it were no answer
    return mine == "no" and refused, "while the guest has it, Dom0 %s; a second guest with it: %s%s" % (
        "has no disk of it" if mine == "no" else "has its disk too", "refused" if refused else
        "started" if rc == "0" else "failed, not for that", " (%s)" % why.strip() if why.strip() else "")


def direct_stays(f):
    """Direct I/O: a guest with a device can't be saved or migrated."""
    tries = [(name, *(f.fact(fact) + " ").split(" ", 1)) for name, fact in
             (("`xl migrate`", "direct-migrate"), ("`xl save`", "direct-save"), ("its disk after `xl restore`", "direct-restored"))
             if fact == "direct-migrate" or fact in f.facts]
    lost = [name for name, rc, why in tries[1:] if rc != "0"]
    return tries[0][1] != "0" and lost != [], "; ".join(
        "%s: %s%s" % (name, "fails" if rc != "0" else "works", " (%s)" % why.strip() if why.strip() else "")
        for name, rc, why in tries)


def direct_returns(f):
    """A device handed back and reset works as before."""
    r = f.ratios("dom0-nvme-again", "dom0-nvme")
    return r[0] > 0.5, "after %s reset Dom0 does %s of its former I/Os with it" % (
        f.fact("direct-reset-methods"), span(r))


def sriov_shares(f):
    """Self-virtualized I/O: the device itself serves two domains at once, each directly."""
    r = f.speed("sriov", "rr32") / max(f.speed(w, "rr32") for w, how in direct_ways(f))
    both = f.fact("sriov-both")
    return both == "yes" and r > 0.8, (
        "a guest's virtual function gives %.2f of the I/Os that the whole device gave; Dom0 used the physical function "
        "meanwhile: %s" % (r, both))


def nesting(f):
    """Nested paging spares a guest the hypercalls that direct paging needs."""
    pv, pvh = (f.cost(w, "rr32", "guest", "entries") for w in ("pv-event1", "pvh-event1"))
    r = f.ratios("pvh-event1", "pv-event1")
    return pvh < pv, ("a 4 KiB read at depth 32 enters Xen %.1f times from the PVH guest, %.1f from the PV one; I/Os: %s "
                      "of the PV guest's, an exit itself counted as one instruction" % (pvh, pv, span(r)))


def judge(rows, facts):
    f, out = Figures(rows, facts), []
    for claim in (registers_trap, emulation_costs_dom0, pv_beats_emulation, pv_network, pv_batches, pv_pays_grants,
                  pv_pays_dom0, polling_silent, polling_fast, direct_beats_pv, direct_native, direct_no_dom0,
                  direct_exclusive, direct_stays, direct_returns, sriov_shares, nesting):
        try:
            good, why = claim(f)
            verdict = "confirmed" if good else "not confirmed"
        except Missing as e:
            verdict, why = "not shown", str(e)
        out.append({"claim": claim.__doc__, "verdict": verdict, "why": why})
    return out
