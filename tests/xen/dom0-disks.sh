#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-disks.sh): sectors of 4096 bytes and 512e, a guest without persistent grants, a
# backend that is not trusted, discard, a disk that grows and shrinks, a cdrom's media, save and restore.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh

fio_verify() { # DEV SIZE [ARGS]
	echo "fio --name=v --filename=/dev/$1 --rw=randrw --bsrange=4k-64k --size=$2 --direct=1 \
		--ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --randrepeat=0 ${3:-}"
}
counter() { # DEVICE NAME
	xensplit --json show "$1" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"
}
back_is() { [ "$(xenstore-read "/local/domain/0/backend/vbd/$(guest_domid 1)/$1/$2")" = "$3" ]; }
queue() { in_guest "$1" "[ \"\$(cat /sys/block/$2/queue/$3)\" = $4 ] || { grep . /sys/block/$2/queue/*size; false; }"; }
said() { in_guest "$1" "dmesg | grep 'blkfront: $2: .*$3' || { dmesg | grep blkfront; false; }"; }
quiet_kernel() { # N: its kernel saw no trouble
	! guest_log "$1" | grep -E 'WARNING|BUG|Oops|I/O error|Call Trace|hung_task|blocked for more|EXT4-fs error'
}
xvda=51712 xvdb=51728

step "two guests: one that does not trust its backends, with a disk of sectors of 4096 bytes, one without persistent grants"
for i in a b c d; do truncate -s 64M /root/$i.img; done
truncate -s 64M /root/loop.img
modprobe loop
loop=$(losetup -b 4096 -f --show /root/loop.img)
check "xensplitd starts" world_up || { closing; exit 1; }
GUEST_ARGS="xen_blkfront.feature_persistent=0" \
	guest_start 2 "xvda=file:/root/c.img" "xvdb=512e:file,direct:$loop" &
guest2=$!
GUEST_ARGS="xen_blkfront.trusted=0" \
	check "guest 1 boots" guest_start 1 xvda=file:/root/a.img xvdb=sectors,size=4096:file:/root/b.img
check "guest 2 boots" wait $guest2
[ $broken = 0 ] || { closing; exit 1; }

step "sectors of 4096 bytes"
check "guest 1's kernel: logical blocks of 4096" queue 1 xvdb logical_block_size 4096
check "the size is right" in_guest 1 '[ "$(blockdev --getsize64 /dev/xvdb)" = 67108864 ]'
check "fio verify" in_guest 1 "$(fio_verify xvdb 8m)"
check "a file system" in_guest 1 'mkfs.ext4 -q -F /dev/xvdb && mount /dev/xvdb /mnt && cp -a /usr/sbin /mnt && umount /mnt &&
	echo 3 >/proc/sys/vm/drop_caches && e2fsck -fn /dev/xvdb'
refuse "a read of 512 bytes past the page cache" in_guest 1 'fio --name=r --filename=/dev/xvdb --rw=read --bs=512 --size=4k --direct=1'
check "guest 2, a block device of 4096 as 512e: logical 512" queue 2 xvdb logical_block_size 512
check "physical 4096" queue 2 xvdb physical_block_size 4096
check "fio verify, pieces of blocks" in_guest 2 "$(fio_verify xvdb 2m --bsrange=512-8k)"

step "grants"
check "guest 1's kernel bounces for a backend it does not trust" said 1 xvda 'bounce buffer: enabled'
check "fio verify" in_guest 1 "$(fio_verify xvda 8m)"
check "guest 2's kernel keeps no grants" said 2 xvda 'persistent grants: disabled'
check "fio verify, and a file system" in_guest 2 "$(fio_verify xvda 8m) && mkfs.ext4 -q -F /dev/xvda && e2fsck -fn /dev/xvda"
all_copied() { [ "$(counter guest2:xvda mapped)" = 0 ] && [ "$(counter guest2:xvda gnt_calls)" -gt 100 ]; }
check "nothing of it was mapped, everything copied" all_copied

step "direct I/O in a PV Dom0: through registered buffers"
direct=$(losetup -f --show /root/d.img) # a file in Dom0's memory can't be read directly
check "attach" guest_attach 1 xvdd=file,direct:$direct
check "fio verify" in_guest 1 "for i in 1 2 3 4 5; do [ -b /dev/xvdd ] && break; sleep 1; done
	$(fio_verify xvdd 8m --bsrange=4k-128k)"
pinned() { [ "$(sed -n 's/^VmPin:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(daemon_pid)/status")" -ge 4096 ]; }
check "the buffers are registered" pinned
check "detach" guest_detach 1 xvdd

step "discard"
image_kib() { du -k /root/a.img | cut -f1; }
smaller() { [ "$(image_kib)" -lt "$1" ]; }
in_guest 1 'dd if=/dev/urandom of=/dev/xvda bs=1M count=16 oflag=direct conv=fsync' >/dev/null 2>&1
before=$(image_kib)
check "blkdiscard of 8 MiB" in_guest 1 'blkdiscard -o 4194304 -l 8388608 /dev/xvda'
check "the image is 8 MiB smaller ($before KiB before)" smaller $((before - 8000))
check "it reads zeros there" in_guest 1 'dd if=/dev/xvda bs=1M skip=4 count=8 iflag=direct 2>/dev/null | cmp -n 8388608 - /dev/zero'

step "a disk that grows and shrinks under I/O"
in_guest 2 "$(fio_verify xvda 16m)" >/tmp/fio2 2>&1 &
fio2=$!
bytes() { in_guest "$1" "[ \"\$(blockdev --getsize64 /dev/$2)\" = $3 ] || { blockdev --getsize64 /dev/$2; false; }"; }
truncate -s 96M /root/c.img
check "guest 2's kernel sees 96 MiB" eventually 30 bytes 2 xvda 100663296
check "what was added can be used" in_guest 2 "$(fio_verify xvda 4m --offset=80m)"
truncate -s 48M /root/c.img
check "it sees 48 MiB" eventually 30 bytes 2 xvda 50331648
check "the I/O went on" eval "wait $fio2 || { cat /tmp/fio2; false; }"

step "a cdrom: no medium, one, another, ejected by the guest"
head -c 3M /dev/urandom >/root/one.iso
head -c 5M /dev/urandom >/root/two.iso
cd=51760
put() { xenstore-write "/local/domain/0/backend/vbd/$(guest_domid 1)/$cd/params" "$1"; }
same_medium() { # ISO: what the guest reads
	[ "$(in_guest 1 "dd if=/dev/xvdd bs=1M iflag=direct 2>/dev/null | sha256sum")" = "$(sha256sum </root/$1.iso)" ]
}
check "attach" xl block-attach guest1 "vdev=xvdd,devtype=cdrom,backendtype=phy,format=raw,access=ro,script=block-xensplit,target=/root/one.iso"
check "guest 1 sees 3 MiB" eventually 30 bytes 1 xvdd 3145728
check "read-only, removable, a cdrom: info 7" back_is $cd info 7
check "the data of one.iso" same_medium one
put ""
check "no medium: size 0" eventually 30 bytes 1 xvdd 0
put /root/two.iso
check "guest 1 sees 5 MiB" eventually 30 bytes 1 xvdd 5242880
check "the data of two.iso" same_medium two
check "guest 1 ejects" in_guest 1 "xenstore-write device/vbd/$cd/eject eject"
check "no medium: size 0" eventually 30 bytes 1 xvdd 0
check "and none in params" back_is $cd params ""
check "detach" guest_detach 1 xvdd

step "save and restore, with a file system mounted"
check "guest 1 mounts and writes" in_guest 1 'mkfs.ext4 -q -F /dev/xvda && mount /dev/xvda /mnt && cp /usr/bin/fio /mnt/one && sync'
old=$(guest_domid 1)
restored() {
	xl restore /root/guest1.save && xl domid guest1 >"$XSP_WORLD/guest1/domid" &&
		xenstore-read "/local/domain/$(guest_domid 1)/console/tty" >"$XSP_WORLD/guest1/tty"
}
check "xl save" xl save guest1 /root/guest1.save
check "its devices are gone" eventually 20 eval "! xenstore-exists /local/domain/0/backend/vbd/$old"
check "the daemon is another one meanwhile" eval "daemon_stop && daemon_start"
check "xl restore" restored
check "both disks connect again" eventually 30 eval "back_is $xvda state 4 && back_is $xvdb state 4"
check "the mounted file system goes on" in_guest 1 'cmp /usr/bin/fio /mnt/one && cp /usr/bin/fio /mnt/two && sync &&
	echo 3 >/proc/sys/vm/drop_caches && cmp /mnt/one /mnt/two && umount /mnt && e2fsck -fn /dev/xvda'
check "fio verify" in_guest 1 "$(fio_verify xvdb 4m)"

step "the end"
check "guest 1's kernel log is clean" quiet_kernel 1
check "guest 2's kernel log is clean" quiet_kernel 2
check "no bad request in all this" eval "[ \"\$(xensplit --json status | sed -n 's/.*\"bad_req\":\([0-9]*\).*/\1/p')\" = 0 ]"
check "all stops in order" world_down
refuse "its log tells of no failed assertion or sanitizer" grep -nE 'Assertion|Sanitizer|runtime error' "$XSP_DAEMON_LOG"
if [ $broken != 0 ]; then
	echo "--- the daemon's log (last 40 lines)"
	tail -n 40 "$XSP_DAEMON_LOG"
fi
closing
