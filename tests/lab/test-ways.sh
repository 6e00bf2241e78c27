#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What ways.sh says of the textbooks follows from figures: made-up ones, then the opposite.
# quick
# timeout: 240
set -u
ways=$TOP/tools/bench/xen/ways.py
fail() { echo "FAILED: $*"; exit 1; }
said() { # RUN VERDICT CLAIM'S-BEGINNING
	python3 - "$T/$1.json" "$2" "$3" <<'PY' || fail "$1: '$3' isn't $2"
import json, sys
claims = [c for c in json.load(open(sys.argv[1]))["claims"] if c["claim"].startswith(sys.argv[3])]
sys.exit(len(claims) != 1 or claims[0]["verdict"] != sys.argv[2])
PY
}
records() { # NAME COUNT...: traces; COUNT times domain 1 runs for 400 ns and has an exit, Dom0 for 200;
	# COUNTz: and then nobody runs
	python3 - "$@" <<'PY'
import struct, sys
for name, count in zip(sys.argv[1::2], sys.argv[2::2]):
    now, out = 1000, b""
    for _ in range(int(count.rstrip("z"))):
        for ns, event, *extra in ((0, 0x2800f, 1, 0, 0, 0), (400, 0x81102, 0x7b, 0, 0), (0, 0x2800f, 0, 0, 0, 0),
                                  (200, 0x2800f, 32767, 0, 0, 0)):
            now += ns
            out += struct.pack("<IQ%dI" % len(extra), 1 << 31 | len(extra) << 28 | event, now, *extra)
    if count.endswith("z"):
        out += struct.pack("<IQ4I", 1 << 31 | 4 << 28 | 0x2800f, now + 2 * 10**9, 0, 0, 0, 0)
    open(name, "wb").write(out)
PY
}

run() { # NAME EMULATED-MS PV-MS EXITS-PER-IO WHY-NO-SECOND-GUEST EXIT-STATUS-OF-SAVE
	mkdir -p "$T/$1"
	for job in rr1 rr32; do
		printf '%s\n' "emulated $job 10 $2;0" "emulated $job 50 $((5 * $2));0" "hvm-pv $job 10 $3;0" \
			"hvm-pv $job 50 $((5 * $3));0"
	done >"$T/$1/times"
	printf 'emulated 1 hvm\nhvm-pv 1 hvm\n' >"$T/$1/guests"
	records "$T/$1/emulated.rr1.10.xtr" $(($4 * 10)) "$T/$1/emulated.rr1.50.xtr" $(($4 * 50)) \
		"$T/$1/hvm-pv.rr1.10.xtr" 20 "$T/$1/hvm-pv.rr1.50.xtr" 100
	echo "sriov there is none here" >"$T/$1/blocked"
	printf '%s\n' "direct-dom0-has-it no" "direct-second-guest 1 $5" "direct-migrate 1 no" "direct-save $6 $5" >"$T/$1/facts"
	python3 "$ways" --json "$T/$1.json" "$T/$1" >"$T/$1.txt" || fail "$1: ways.py: $(cat "$T/$1.txt")"
}
run slow 100 5 20 "it has an owner" 1
said slow confirmed "Full emulation: each access"
said slow "not confirmed" "Para-virtualization is faster than emulation, most" # no more so at depth 32
said slow "not shown" "Direct I/O is faster"
said slow "not shown" "Self-virtualized"
said slow confirmed "Direct I/O: a device belongs"
said slow confirmed "Direct I/O: a guest with a device"
run fast 5 100 1 "" 0
said fast "not confirmed" "Full emulation: each access"
said fast "not confirmed" "Para-virtualization is faster than emulation, most"
said fast "not confirmed" "Direct I/O: a device belongs" # it failed, for whatever reason
said fast "not confirmed" "Direct I/O: a guest with a device"
grep -q 'blocked: there is none here' "$T/slow.txt" || fail "a way that is blocked has no row with its reason"
# 20 exits an I/O, and two thirds of its 10 ms the guest's, 4 ns an instruction
grep -q '| emulated: IDE, e1000 | HVM, nested paging | 4 KiB reads, depth 1 | 20.0 | 20.0 | 0.0 | .* | 1666667 | 833333 | 33 % |' \
	"$T/slow.txt" || fail "the counts: $(cat "$T/slow.txt")"

# An interrupt that was lost in one of the two runs: nobody ran for most of it, so they can't be compared.
cp -r "$T/slow" "$T/lost"
records "$T/lost/emulated.rr1.10.xtr" 200z
python3 "$ways" "$T/lost" >"$T/lost.txt" || fail "a lost interrupt: $(cat "$T/lost.txt")"
grep -q '| emulated: IDE, e1000 | .* | 4 KiB reads, depth 1 |' "$T/lost.txt" && fail "a row from a run that stood still"
grep -q '| para-virtualized, events | .* | 4 KiB reads, depth 1 |' "$T/lost.txt" || fail "the other rows: $(cat "$T/lost.txt")"
