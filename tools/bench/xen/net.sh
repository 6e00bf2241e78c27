#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One stock Linux guest on real Xen, its network interface served by xensplitd and then by Linux's
# xen-netback, Dom0 at the other end of a bridge: TCP, UDP and ping in virtual time; hypercalls, grant
# operations and event channel operations of each side per packet.
#
#   tools/bench/xen/net.sh [--json FILE] [--keep DIR] [JOB...]     (`make bench-xen`)
#
# JOBs, all of them when none is named: TCP to and from Dom0 ntx nrx, without segmentation offload
# ntxs nrxs, UDP nutx64 nutx1400 nurx64 nurx1400, ping -f nping. The clock is bench.sh's: a figure is
# the length of the software path (Xen + Dom0 + guest), and not a speed on hardware. DIR keeps the raw
# traces.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
json= keep= jobs=()
while [ $# -gt 0 ]; do
	case $1 in
	--json) json=$2; shift ;;
	--keep) keep=$2; shift ;;
	-h | --help) sed -n '3,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
	ntx | nrx | ntxs | nrxs | nutx64 | nutx1400 | nurx64 | nurx1400 | nping) jobs+=("$1") ;;
	*) echo "net.sh: unknown argument $1 (try --help)" >&2; exit 2 ;;
	esac
	shift
done
dir=${keep:-$(mktemp -d "${TMPDIR:-/tmp}/xsp-bench.XXXXXX")}
[ ${#jobs[@]} -gt 0 ] || jobs=(ntx nrx ntxs nrxs nutx64 nutx1400 nurx64 nurx1400 nping)
[ -n "$keep" ] || trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir"
rm -rf "$dir/out"
export XSP_RIG_CLOCK=icount XSP_RIG_DIR=$dir XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-2400}
"$top/tests/xen/rig.sh" run "$here/dom0-net.sh" "${jobs[@]}" >&2
python3 "$here/report_net.py" ${json:+--json "$json"} "$dir/out/bench"
