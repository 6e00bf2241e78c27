#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two frontends of one guest on the same device of xensplitd, on real Xen: Linux's xen-blkfront and
# xensplit-blk.ko, Linux's xen-netfront and xensplit-net.ko; instructions and hypercalls per I/O or packet.
#
#   tools/bench/xen/fronts.sh [--json FILE] [JOB...]
#
# JOBs of a disk: rr1 rr32 rw32 sr8 (all of them); xensplit-blk.ko's through io_uring, with interrupts ur1
# and polled pr1, in a boot with two CPUs that run in turns (a guest that polls on the only one there is
# keeps the backend from it), one for Dom0, one for the guest; of a NIC, in a boot of their own: ntx nrx ntxs
# nrxs nutx64 nping, or `net` for all of them. As bench.sh: in the deterministic clock, 4 ns of virtual
# time for each instruction of Xen, Dom0 and guest together, and counts by xentrace.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
json= jobs=() polled=() net=()
while [ $# -gt 0 ]; do
	case $1 in
	--json) json=$2; shift ;;
	-h | --help) sed -n '3,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
	rr1 | rr32 | rw32 | sr8) jobs+=("$1") ;;
	ur1 | pr1) polled+=("$1") ;;
	ntx | nrx | ntxs | nrxs | nutx64 | nping) net+=("$1") ;;
	net) net=(ntx nrx ntxs nrxs nutx64 nping) ;;
	*) echo "fronts.sh: unknown argument $1 (try --help)" >&2; exit 2 ;;
	esac
	shift
done
[ $((${#jobs[@]} + ${#polled[@]} + ${#net[@]})) -gt 0 ] || jobs=(rr1 rr32 rw32 sr8)
export B=${B:-$top/build/release}
mkdir -p "$B/guest"
for ko in $("$top/frontend/linux/build.sh" modules); do strip --strip-debug -o "$B/guest/${ko##*/}" "$ko"; done
dir=$(mktemp -d "${TMPDIR:-/tmp}/xsp-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
export XSP_RIG_CLOCK=icount XSP_RIG_DIR=$dir XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-2400}
boot() { # PART SCRIPT [JOB...]
	local part=$1 script=$2
	shift 2
	[ $# -gt 0 ] || return 0
	"$top/tests/xen/rig.sh" run "$here/$script" "$@" >&2
	mv "$dir/out/bench" "$dir/$part"
}
boot disk dom0-fronts.sh "${jobs[@]}"
XSP_RIG_CPUS=2 XSP_RIG_XEN="dom0_max_vcpus=1 dom0_vcpus_pin" boot poll dom0-fronts.sh "${polled[@]}"
boot net dom0-fronts-net.sh "${net[@]}"
python3 "$here/fronts.py" ${json:+--json "$json"} "$dir"
