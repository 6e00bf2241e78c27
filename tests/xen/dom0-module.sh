#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-module.sh): xensplit-blk.ko in a PV and a PVH guest, with xensplitd and then
# with Linux's blkback at the other end; file systems, hot-plugging, resize, a disk pulled while it is
# mounted.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
export GUEST_FILES="$B/guest/xensplit-blk.ko" GUEST_ARGS="xsp.without=xen-blkfront"
dbg=/sys/kernel/debug/xensplit-blk
drv=/sys/bus/xen/drivers/xensplit-blk

fio_verify() { # DEV SIZE [ARGS]
	echo "fio --name=v --filename=/dev/$1 --rw=randrw --bsrange=4k-64k --size=$2 --direct=1 \
		--ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --randrepeat=0 ${3:-}"
}
fs='set -e; mkfs.ext4 -q -F /dev/xvda; mount /dev/xvda /mnt; cp -a /usr/sbin /mnt/
	cd /mnt; find . -type f | sort | xargs sha256sum >/tmp/sums; cd /; umount /mnt
	echo 3 >/proc/sys/vm/drop_caches; e2fsck -fn /dev/xvda; mount -o ro /dev/xvda /mnt; cd /mnt
	sha256sum -c /tmp/sums >/tmp/checked; cd /; umount /mnt; wc -l </tmp/checked'
load() { # N [PARAMETERS]: loads the module, waits for its disks
	local n=$1
	shift
	in_guest "$n" "insmod /opt/xensplit-blk.ko $*; mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
		for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/xvda ] && exit 0; sleep 0.5; done; dmesg | tail; exit 1"
}
unload='for d in '$drv'/vbd-*; do [ ! -e $d ] || echo ${d##*/} >'$drv'/unbind; done; rmmod xensplit_blk'
quiet_kernel() { # N: but for what it must say of a disk that was pulled
	! guest_log "$1" | grep -E 'WARNING|BUG|Oops|Call Trace|hung_task|blocked for more|EXT4-fs error|xensplit' |
		grep -vE 'xvdd|out-of-tree'
}
sectors() { [ "$(in_guest 1 "cat /sys/block/$1/size")" = "$2" ]; }
says() { in_guest 1 "grep -q '$2' $dbg/vbd-$1/device || { cat $dbg/vbd-$1/device; false; }"; }
counts() { # N: pages granted, event channels
	echo "$(world-grants "$(guest_domid "$1")") $(/usr/lib/xen-4.17/bin/lsevtchn "$(guest_domid "$1")" | wc -l)"
}

step "a PV guest without xen-blkfront"
for i in a c p; do truncate -s 96M /root/$i.img; done
truncate -s 32M /root/d.img
check "xensplitd starts" world_up || { closing; exit 1; }
check "guest 1 boots" guest_start 1 xvda=file:/root/a.img xvdb:ro=file:/root/c.img
start=$(counts 1)
check "xensplit-blk.ko is loaded and has its disks" load 1
check "it keeps granted pages, with large requests" says 51712 'segments 32'
check "fio verify" in_guest 1 "$(fio_verify xvda 16m)"
check "a file system: mkfs, mount, copy, umount, fsck, read back" in_guest 1 "$fs"
check "Dom0's e2fsck finds the image clean" e2fsck -fn /root/a.img
check "discard" in_guest 1 'dd if=/dev/urandom of=/dev/xvda bs=1M count=4 oflag=direct; blkdiscard -o 1048576 -l 1048576 /dev/xvda
	dd if=/dev/xvda bs=1M skip=1 count=1 iflag=direct | cmp -n 1048576 - /dev/zero'
check "the read-only disk says so" in_guest 1 '[ "$(blockdev --getro /dev/xvdb)" = 1 ]'
refuse "it refuses writes" in_guest 1 'dd if=/dev/zero of=/dev/xvdb bs=4k count=1 oflag=direct'

step "hot-plugging"
check "a disk is attached" guest_attach 1 xvdd=file:/root/d.img
check "and used" in_guest 1 "for i in 1 2 3 4 5 6 7 8 9; do [ -b /dev/xvdd ] && break; sleep 1; done; $(fio_verify xvdd 4m)"
check "detached" guest_detach 1 xvdd
check "it is gone" eventually 20 in_guest 1 '[ ! -e /dev/xvdd ]'
check "attached again, with a file system" guest_attach 1 xvdd=file:/root/d.img
check "mounted, dirty" in_guest 1 'for i in 1 2 3 4 5 6 7 8 9; do [ -b /dev/xvdd ] && break; sleep 1; done
	mkfs.ext4 -q -F /dev/xvdd; mount /dev/xvdd /mnt; cp /bin/busybox /mnt/dirty'
check "pulled while it is mounted" guest_detach 1 xvdd
check "the guest unmounts what is left of it" in_guest 1 'umount /mnt; [ ! -e /dev/xvdd ]'
e2fsck -fy /root/d.img >/tmp/fsck 2>&1
mkdir -p /mnt/d
modprobe loop
mount -o loop,ro /root/d.img /mnt/d
check "what was dirty had been written" sh -c "[ -s /mnt/d/dirty ] && [ \$(stat -c %s /mnt/d/dirty) = \$(stat -c %s /usr/bin/busybox) ]"
umount /mnt/d

step "without the module again"
check "unbound and unloaded" in_guest 1 "$unload"
check "no grant and no event channel is left ($start, $(counts 1))" [ "$start" = "$(counts 1)" ]
step "a backend that isn't trusted; requests one by one; large rings"
trusted=/local/domain/$(guest_domid 1)/device/vbd/51712/trusted
xenstore-write "$trusted" 0
check "loaded: trusted=0 in the store, persistent=N ring_order=4 max_segments=256" load 1 persistent=N ring_order=4 max_segments=256
check "it keeps its own pages granted and no others" says 51712 'trusted 0' && says 51712 'grants kept'
check "fio verify" in_guest 1 "$(fio_verify xvda 8m --bsrange=4k-512k)"
check "unloaded" in_guest 1 "$unload"
xenstore-write "$trusted" 1
check "loaded: persistent=N" load 1 persistent=N
check "it grants each page" says 51712 'grants each request'
check "fio verify" in_guest 1 "$(fio_verify xvda 8m)"
check "a file system" in_guest 1 "$fs"
in_guest 1 "cat $dbg/*/counters"

step "PVH"
GUEST_TYPE=pvh check "guest 3 (PVH) boots" guest_start 3 xvda=file:/root/p.img
check "the module is loaded" load 3
check "guest 3: fio verify" in_guest 3 "$(fio_verify xvda 6m)"
check "guest 3: a file system" in_guest 3 "$fs"
check "guest 3's kernel log is clean" quiet_kernel 3
check "guest 3 stops in order" guest_stop 3

check "guest 1's kernel log is clean" quiet_kernel 1
check "guest 1 stops in order" guest_stop 1
check "xensplitd stops with exit 0" daemon_stop

# cell NAME DISK: a guest on another backend
cell() {
	check "guest 4 boots" guest_start 4 "xl:$2" || return
	check "$1: the module is loaded" load 4
	check "$1: fio verify" in_guest 4 "$(fio_verify xvda 12m)"
	check "$1: a file system" in_guest 4 "$fs"
	in_guest 4 "tail -n +6 $dbg/vbd-51712/device; cat $dbg/vbd-51712/counters" | sed 's/^/      | /'
	check "$1: a grant for each page" in_guest 4 "$unload; insmod /opt/xensplit-blk.ko persistent=N; sleep 2; $(fio_verify xvda 4m)"
	in_guest 4 "cat $dbg/vbd-51712/counters" | sed 's/^/      | /'
	check "$1: the guest's kernel log is clean" quiet_kernel 4
	check "$1: the guest stops in order" guest_stop 4
}
step "QEMU's qdisk"
cell qdisk "vdev=xvda,format=raw,access=rw,backendtype=qdisk,target=/root/a.img"
step "Linux's blkback"
modprobe -a xen-blkback
losetup /dev/loop0 /root/a.img
cell blkback vdev=xvda,format=raw,access=rw,target=/dev/loop0
closing
