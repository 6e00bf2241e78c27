#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The ways of I/O virtualization on real Xen, in two tables, and what the textbooks claim of them: full
# device emulation (QEMU's IDE disk and e1000 in an HVM guest), para-virtualized (xensplitd: event-driven,
# and with a worker that polls on a CPU of its own; in PV, PVH and HVM guests), direct (an NVMe handed to a
# guest, reset, and used by Dom0 again), self-virtualized (a virtual function of an NVMe).
#
#   tools/bench/xen/ways.sh [--json FILE] [--keep DIR [--add]] [PART...]     (`make bench-xen-ways`)
#
# PARTs: pv pvh direct hvm (one boot, one CPU), sriov, poll (a boot each; poll with three CPUs that run
# in turns). --add: to what DIR has from earlier runs, so that the parts may be run one by one. Ten
# minutes on an idle host, a third of it the HVM guest's. Figures are lengths of software paths, as
# bench.sh's: 4 virtual ns an instruction, whoever executes it; what QEMU does as the *hardware* (the
# NVMe, the IOMMU, an exit) costs nothing, what it does as Xen's device model in Dom0 counts.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
json= keep= add= parts=() apart=()
while [ $# -gt 0 ]; do
	case $1 in
	--json) json=$2; shift ;;
	--keep) keep=$2; shift ;;
	--add) add=yes ;;
	-h | --help) sed -n '3,17s/^# \{0,1\}//p' "$0"; exit 0 ;;
	pv | pvh | direct | hvm) parts+=("$1") ;;
	sriov | poll) apart+=("$1") ;;
	*) echo "ways.sh: unknown argument $1 (try --help)" >&2; exit 2 ;;
	esac
	shift
done
[ $((${#parts[@]} + ${#apart[@]})) -gt 0 ] || { parts=(pv pvh direct hvm) apart=(sriov poll); }
dir=${keep:-$(mktemp -d "${TMPDIR:-/tmp}/xsp-ways.XXXXXX")}
[ -n "$keep" ] || trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/out"
[ -n "$add" ] || rm -rf "$dir/out/ways"
"$here/ways-images.sh" "$dir/out/images"
export XSP_RIG_CLOCK=icount XSP_RIG_DIR=$dir XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-2400}
rc=0
boot() { "$top/tests/xen/rig.sh" run "$here/dom0-ways.sh" /out/images "$@" >&2 || rc=$?; }
iommu="-machine q35 -device amd-iommu -drive file=null-co://,if=none,id=nv,format=raw,size=1G"
[ ${#parts[@]} = 0 ] || XSP_RIG_QEMU="$iommu -device nvme,drive=nv,serial=xsp,addr=0x10 ${XSP_RIG_QEMU:-}" boot "${parts[@]}"
for part in "${apart[@]}"; do
	case $part in
	sriov) # behind a port of its own, whose window has room for the virtual functions
		XSP_RIG_QEMU="$iommu -device pcie-root-port,id=rp,chassis=1,addr=0x11,mem-reserve=4M
			-device nvme-subsys,id=ss -device nvme,id=sr,bus=rp,serial=xsp,subsys=ss,sriov_max_vfs=1
			-device nvme-ns,drive=nv,bus=sr,nsid=1,shared=on -global nvme.sriov_vq_flexible=2
			-global nvme.sriov_vi_flexible=1 -global nvme.max_ioqpairs=8 -global nvme.msix_qsize=9" boot sriov
		;;
	poll) XSP_RIG_CPUS=3 XSP_RIG_XEN="dom0_max_vcpus=2 dom0_vcpus_pin" boot poll ;;
	esac
done
python3 "$here/ways.py" ${json:+--json "$json"} "$dir/out/ways"
exit $rc
