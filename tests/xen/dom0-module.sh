#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-module.sh): xensplit-blk.ko and the kernel's own xen-blkfront, in a PV and a
# PVH guest, with xensplitd, QEMU's qdisk and Linux's blkback at the other end; file systems,
# hot-plugging, sizes and media that change, a disk pulled while it is mounted, what can be looked at.
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
cell() { # N NAME DEV [SIZE]
	check "guest $1: $2" in_guest "$1" "for i in 1 2 3 4 5 6 7 8 9; do [ -b /dev/$3 ] && break; sleep 1; done; $(fio_verify "$3" "${4:-6m}")"
}
# xen-blkfront does not start a closed device again, ours does: this way round it goes without the
# toolstack
ours() { # N: all disks go over from the kernel's own driver to our module
	check "guest $1: its disks go over to our module" in_guest "$1" "for d in /sys/bus/xen/drivers/vbd/vbd-*; do
		echo \${d##*/} >/sys/bus/xen/drivers/vbd/unbind; done; rmmod xen_blkfront; insmod /opt/xensplit-blk.ko
		[ -e $dbg ] || mount -t debugfs debugfs /sys/kernel/debug"
}
stock() { # N: disks that are attached from now on are the kernel's own driver's
	check "guest $1: our module makes room" in_guest "$1" "$unload; insmod /modules/xen-blkfront.ko"
}
untrusted() { # N DEV DEVID
	check "guest $1: not trusted, ring of 16 pages, large requests: fio verify" in_guest "$1" "$unload; insmod /opt/xensplit-blk.ko trusted=N ring_order=4 max_segments=256
		for i in \$(seq 20); do [ -b /dev/$2 ] && break; sleep 0.5; done; grep -qx 'trusted 0' $dbg/vbd-$3/device && $(fio_verify "$2" 2m --bsrange=4k-512k)"
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
for i in d k q r; do truncate -s 32M /root/$i.img; done
check "xensplitd starts" world_up || { closing; exit 1; }
check "guest 1 boots" guest_start 1 xvda=file:/root/a.img xvdb:ro=file:/root/c.img \
	xvdc=sectors,size=4096:file:/root/k.img
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

step "sectors of 4096 bytes, a size that changes"
k_is() { in_guest 1 "[ \$(cat /sys/block/xvdc/queue/$1) = $2 ]"; }
check "logical blocks of 4096" k_is logical_block_size 4096
cell 1 "sectors of 4096: fio verify" xvdc 4m
refuse "a read of 512 bytes past the page cache" in_guest 1 'fio --name=r --filename=/dev/xvdc --rw=read --bs=512 --size=4k --direct=1'
in_guest 1 "$(fio_verify xvda 12m)" >/tmp/fio1 2>&1 &
fio1=$!
truncate -s 112M /root/a.img
check "it grows under I/O" eventually 30 sectors xvda 229376
check "what was added can be used" in_guest 1 "$(fio_verify xvda 2m --offset=104m)"
check "the I/O went on" eval "wait $fio1 || { cat /tmp/fio1; false; }"

step "what can be looked at"
pipe=/sys/kernel/tracing
check "trace_pipe has each request's way in and out" in_guest 1 "mount -t tracefs t $pipe; cat $pipe/trace_pipe >/tmp/pipe & pipe=\$!
	echo 1 >$pipe/events/xensplit_blk/enable; dd if=/dev/xvda of=/dev/null bs=16k skip=3 count=1 iflag=direct
	sleep 1; echo 0 >$pipe/events/xensplit_blk/enable; kill \$pipe; cat /tmp/pipe
	grep -q 'xblk_submit: vbd-51712 queue=0 tag=[0-9]* op=0 sector=96 bytes=16384 segments=4 pieces=1 bounced' /tmp/pipe &&
	grep -q 'xblk_done: vbd-51712 queue=0 tag=[0-9]* sector=96 error=0' /tmp/pipe"
check "debugfs: indices of both sides agree when nothing is under way" in_guest 1 "cat $dbg/vbd-51712/rings
	set -- \$(sed -n 's/.*ours *req_prod \([0-9]*\).*rsp_cons \([0-9]*\)/\1 \2/p; s/.*shared req_prod \([0-9]*\).*rsp_prod \([0-9]*\).*/\1 \2/p' $dbg/vbd-51712/rings)
	[ \$# = 4 ] && [ \$1 -gt 0 ] && [ \$1 = \$2 ] && [ \$1 = \$3 ] && [ \$1 = \$4 ]"
check "debugfs: requests are counted" in_guest 1 "grep -q 'requests=[1-9][0-9]* .*errors=0' $dbg/vbd-51712/counters"

step "a cdrom: a medium, none, another"
cd=/local/domain/0/backend/vbd/$(guest_domid 1)/51760
put() { xenstore-write "$cd/params" "$1"; }
head -c 3M /dev/urandom >/root/one.iso
head -c 5M /dev/urandom >/root/two.iso
same_medium() { [ "$(in_guest 1 "dd if=/dev/xvdd bs=1M iflag=direct 2>/dev/null | sha256sum")" = "$(sha256sum </root/$1.iso)" ]; }
check "attach" xl block-attach guest1 "vdev=xvdd,devtype=cdrom,backendtype=phy,format=raw,access=ro,script=block-xensplit,target=/root/one.iso"
check "3 MiB, removable, read-only" eventually 30 in_guest 1 '[ "$(cat /sys/block/xvdd/size /sys/block/xvdd/removable /sys/block/xvdd/ro | xargs)" = "6144 1 1" ]'
check "the data of one.iso" same_medium one
put ""
check "no medium: size 0" eventually 30 sectors xvdd 0
put /root/two.iso
check "5 MiB" eventually 30 sectors xvdd 10240
check "the data of two.iso" same_medium two
check "the guest ejects it: size 0" eval "in_guest 1 'xenstore-write device/vbd/51760/eject eject' && eventually 30 sectors xvdd 0"
check "detach" guest_detach 1 xvdd

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

check "guest 1's kernel log is clean" quiet_kernel 1
check "guest 1 stops in order" guest_stop 1

qdisk="xl:format=raw,access=rw,backendtype=qdisk"
export GUEST_ARGS=
step "PVH, disks of xensplitd and QEMU's qdisk"
GUEST_TYPE=pvh check "guest 3 (PVH) boots" guest_start 3 xvda=file:/root/p.img "$qdisk,vdev=xvdb,target=/root/q.img"
cell 3 "PVH, xensplitd, xen-blkfront: fio verify" xvda 2m
cell 3 "PVH, qdisk, xen-blkfront: fio verify" xvdb 2m
ours 3
cell 3 "PVH, xensplitd, our module: fio verify" xvda
check "guest 3: a file system" in_guest 3 "$fs"
cell 3 "PVH, qdisk, our module: fio verify" xvdb 2m
check "guest 3: xensplitd's disk goes" guest_detach 3 xvda
check "xensplitd stops with exit 0" daemon_stop

step "PV, QEMU's qdisk"
check "guest 4 boots" guest_start 4 "$qdisk,vdev=xvda,target=/root/r.img"
cell 4 "PV, qdisk, xen-blkfront: fio verify" xvda
ours 4
cell 4 "PV, qdisk, our module: fio verify" xvda 12m
check "a file system" in_guest 4 "$fs"
check "a grant for each page" in_guest 4 "tail -n +6 $dbg/vbd-51712/device; cat $dbg/vbd-51712/counters; grep -q 'grants each' $dbg/vbd-51712/device"
untrusted 4 xvda 51712

step "Linux's blkback"
modprobe -a xen-blkback
losetup /dev/loop0 /root/a.img
losetup /dev/loop1 /root/p.img
blkback=format=raw,access=rw,target=/dev/loop
for g in 4 3; do
	[ $g = 4 ] && type=PV || type=PVH
	stock $g
	check "guest $g gets a disk" xl block-attach guest$g vdev=xvdc,$blkback$((g & 1))
	cell $g "$type, blkback, xen-blkfront: fio verify" xvdc
	ours $g
	cell $g "$type, blkback, our module: fio verify" xvdc
	check "guest $g: it keeps granted pages" in_guest $g "grep -q 'grants kept' $dbg/vbd-51744/device"
done
check "guest 4: a file system" in_guest 4 "${fs//xvda/xvdc}"
check "guest 4: a grant for each page" in_guest 4 "$unload; insmod /opt/xensplit-blk.ko persistent=N; sleep 2; $(fio_verify xvdc 4m)
	grep -q 'grants each' $dbg/vbd-51744/device"
untrusted 4 xvdc 51744

step "the end"
for g in 3 4; do
	check "guest $g's kernel log is clean" quiet_kernel $g
	check "guest $g stops in order" guest_stop $g
done
closing
