#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The userspace frontend against a backend that nobody here wrote: QEMU's, run as a process of the
# lab's Dom0. What both of our halves might misread in the same way shows here.
# timeout: 90
# configs: release asan
set -u
qemu=/usr/libexec/xen-qemu-system-i386
[ -x $qemu ] || { echo "QEMU's Xen backend is not there: install qemu-system-xen"; exit 77; }
. "$TOP/tests/lab/vbd.sh"
lab_up 1
truncate -s 64M "$T/a.img"
dom 0 timeout 80 $qemu -machine xenpv -xen-attach -xen-domid 1 -nographic -nodefaults -monitor none \
	-name lab -drive file="$T/a.img",if=none,format=raw,id=d0 -object iothread,id=io0 \
	-device xen-disk,drive=d0,vdev=xvda,iothread=io0 &
wait_for 10 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read /local/domain/0/backend/qdisk/1/51712/state 2>/dev/null)\" = 2 ]"

exits 0 dom 1 xensplit-vbd info xvda | tee "$T/info"
grep -q "size  *67108864 bytes" "$T/info" || fail "size"
for order in 0 2 4; do
	exits 0 dom 1 xensplit-vbd verify xvda --time 1 --ring-order $order --qd $((32 << order > 128 ? 128 : 32 << order)) --quiet
	exits 0 dom 1 xensplit-vbd verify xvda --time 0.5 --ring-order $order --bs 44k --qd 16 --size 16M --flush-every 50 --quiet
done
exits 0 dom 1 xensplit-vbd verify xvda --time 0.5 --bs 512 --size 1M --quiet
head -c 3000001 /dev/urandom >"$T/in"
exits 0 dom 1 xensplit-vbd write xvda 1M <"$T/in"
head -c $((1048576 + 3000001)) "$T/a.img" | tail -c 3000001 | cmp - "$T/in" || fail "what was written is not in QEMU's image"
exits 0 dom 1 xensplit-vbd read xvda 1M 3000001 | cmp - "$T/in" || fail "read"
