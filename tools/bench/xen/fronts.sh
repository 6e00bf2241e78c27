#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two frontends of one guest on the same disk of xensplitd, on real Xen: Linux's xen-blkfront and
# xensplit-blk.ko, instructions and hypercalls per I/O.
#
#   tools/bench/xen/fronts.sh [--json FILE] [JOB...]
#
# JOBs: rr1 rr32 rw32 sr8 (all of them). As bench.sh: one boot in the deterministic clock, 4 ns of
# virtual time for each instruction of Xen, Dom0 and guest together, and counts by xentrace.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
json= jobs=()
while [ $# -gt 0 ]; do
	case $1 in
	--json) json=$2; shift ;;
	-h | --help) sed -n '3,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
	rr1 | rr32 | rw32 | sr8) jobs+=("$1") ;;
	*) echo "fronts.sh: unknown argument $1 (try --help)" >&2; exit 2 ;;
	esac
	shift
done
[ ${#jobs[@]} -gt 0 ] || jobs=(rr1 rr32 rw32 sr8)
export B=${B:-$top/build/release}
mkdir -p "$B/guest"
ko=$("$top/frontend/linux/build.sh" modules | grep /xensplit-blk.ko)
strip --strip-debug -o "$B/guest/xensplit-blk.ko" "$ko"
dir=$(mktemp -d "${TMPDIR:-/tmp}/xsp-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
export XSP_RIG_CLOCK=icount XSP_RIG_DIR=$dir XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-2400}
"$top/tests/xen/rig.sh" run "$here/dom0-fronts.sh" "${jobs[@]}" >&2
python3 "$here/fronts.py" ${json:+--json "$json"} "$dir/out/bench"
