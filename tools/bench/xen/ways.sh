#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The three ways of I/O virtualization on real Xen, in one table: full device emulation (QEMU's IDE
# disk and e1000 in an HVM guest), para-virtualized (xensplitd: event-driven, and with a worker that
# polls on a CPU of its own; in PV, PVH and HVM guests), direct (an NVMe handed to a guest, reset,
# and used by Dom0 again).
#
#   tools/bench/xen/ways.sh [--json FILE] [--keep DIR] [PART...]     (`make bench-xen-ways`)
#
# PARTs: pv pvh direct hvm (one boot, one CPU) and poll (another, three CPUs that run in turns). About
# a quarter of an hour on an idle host, most of it the HVM guest's boot. Figures are lengths of software
# paths, as bench.sh's: 4 virtual ns an instruction, whoever executes it; what QEMU does as the
# *hardware* (the NVMe, the IOMMU) costs nothing, what it does as Xen's device model in Dom0 counts.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
json= keep= parts=() poll=
while [ $# -gt 0 ]; do
	case $1 in
	--json) json=$2; shift ;;
	--keep) keep=$2; shift ;;
	-h | --help) sed -n '3,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
	pv | pvh | direct | hvm) parts+=("$1") ;;
	poll) poll=yes ;;
	*) echo "ways.sh: unknown argument $1 (try --help)" >&2; exit 2 ;;
	esac
	shift
done
[ ${#parts[@]} -gt 0 ] || [ -n "$poll" ] || { parts=(pv pvh direct hvm); poll=yes; }
dir=${keep:-$(mktemp -d "${TMPDIR:-/tmp}/xsp-ways.XXXXXX")}
[ -n "$keep" ] || trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/out"
rm -rf "$dir/out/ways"
"$here/ways-images.sh" "$dir/out/images"
export XSP_RIG_CLOCK=icount XSP_RIG_DIR=$dir XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-2400}
rc=0
if [ ${#parts[@]} -gt 0 ]; then
	XSP_RIG_QEMU="-machine q35 -device amd-iommu -drive file=null-co://,if=none,id=nv,format=raw,size=1G
		-device nvme,drive=nv,serial=xsp,addr=0x10" \
		"$top/tests/xen/rig.sh" run "$here/dom0-ways.sh" /out/images "${parts[@]}" >&2 || rc=$?
fi
if [ -n "$poll" ]; then
	XSP_RIG_CPUS=3 XSP_RIG_XEN="dom0_max_vcpus=2 dom0_vcpus_pin" \
		"$top/tests/xen/rig.sh" run "$here/dom0-ways.sh" /out/images poll >&2 || rc=$?
fi
python3 "$here/ways.py" ${json:+--json "$json"} "$dir/out/ways"
exit $rc
