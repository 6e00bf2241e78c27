#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One stock Linux guest on real Xen, its disk served in turn by xensplitd, by Linux's xen-blkback and
# by QEMU: hypercalls, grant operations and event channel operations per I/O of each side, and I/Os a
# second of virtual time.
#
#   tools/bench/xen/bench.sh [--json FILE] [--keep DIR] [--native-tsc] [JOB...]     (`make bench-xen`)
#
# JOBs: rr1 rr32 rw32 sr8 sr1m (all of them). One boot of tests/xen/rig.sh in its deterministic clock: one
# CPU, 4 ns of virtual time for each instruction, so a figure is the length of the software path
# (Xen + Dom0 + guest), the same on a busy host, and not a speed on hardware. DIR keeps the raw traces.
#
# --native-tsc lets the guest read the time stamp counter itself, as xl does by default where that counter is
# invariant. The emulated machine's isn't, so that Xen emulates each of some 20 reads an I/O.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
json= keep= tsc= jobs=()
while [ $# -gt 0 ]; do
	case $1 in
	--json) json=$2; shift ;;
	--keep) keep=$2; shift ;;
	--native-tsc) tsc=tsc=native ;;
	-h | --help) sed -n '3,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
	rr1 | rr32 | rw32 | sr8 | sr1m) jobs+=("$1") ;;
	*) echo "bench.sh: unknown argument $1 (try --help)" >&2; exit 2 ;;
	esac
	shift
done
dir=${keep:-$(mktemp -d "${TMPDIR:-/tmp}/xsp-bench.XXXXXX")}
[ ${#jobs[@]} -gt 0 ] || jobs=(rr1 rr32 rw32 sr8 sr1m)
[ -n "$keep" ] || trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir"
rm -rf "$dir/out"
export XSP_RIG_CLOCK=icount XSP_RIG_DIR=$dir XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-2400}
"$top/tests/xen/rig.sh" run "$here/dom0.sh" $tsc "${jobs[@]}" >&2
python3 "$here/report.py" ${json:+--json "$json"} "$dir/out/bench"
