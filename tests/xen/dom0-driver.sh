#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-driver.sh): guest 1 is a driver domain, with Dom0's own root file system (read
# only, through a disk of ours) as its world and xl devd for the toolstack's part; guest 2's disk is
# served by the xensplitd there.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh

in_world() { # CMD: in guest 1, with the programs and libraries of Dom0's root
	in_guest 1 "chroot /mnt /usr/bin/bash -c $(printf '%q' "$1")"
}
daemon_is_up() { in_world 'PATH=/src:$PATH; xensplit list'; }
own_path() { xenstore-read "/local/domain/$(guest_domid 2)/device/vbd/51712/backend"; }
state_is() { [ "$(xenstore-read "$(own_path)/state")" = "$1" ]; }

step "guest 1: a driver domain"
check "Dom0's xensplitd starts" world_up || { closing; exit 1; }
GUEST_MEM=320 GUEST_XL='driver_domain = 1' \
	GUEST_FILES="$B/bin/xensplitd $B/bin/xensplit /src/tools/scripts/block-xensplit" \
	check "guest 1 boots, with Dom0's root as its disk" guest_start 1 xvda:ro=file:/dev/vda || { closing; exit 1; }
check "its world" in_guest 1 'set -e
	mount -t ext4 -o ro /dev/xvda /mnt
	mkdir -p /opt/tools/scripts; mv /opt/block-xensplit /opt/tools/scripts/
	mount --bind /opt /mnt/src
	for d in proc sys dev; do mount --rbind /$d /mnt/$d; done
	for d in run tmp root var/log var/lib/xen; do mount -t tmpfs tmpfs /mnt/$d; done
	mkdir -p /mnt/run/xen /mnt/run/lock /mnt/run/xensplit /mnt/var/log/xen
	for l in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -sfn "${l#*:}" "/dev/${l%%:*}"; done
	truncate -s 64M /mnt/root/disk.img'
in_world 'setsid /src/xensplitd --workers 1 >/tmp/xensplitd.log 2>&1 & setsid xl devd -F >/tmp/devd.log 2>&1 &' >/dev/null
check "xensplitd runs in it" eventually 30 daemon_is_up || in_guest 1 'cat /mnt/tmp/*.log'

step "guest 2: its disk comes from guest 1"
check "guest 2 boots" guest_start 2 "xl:vdev=xvda,backend=guest1,backendtype=phy,format=raw,access=rw,script=block-xensplit,target=file:/root/disk.img" || {
	in_guest 1 'cat /mnt/tmp/*.log'
	closing
	exit 1
}
check "its backend is guest 1" eval "[ \"\$(own_path)\" = /local/domain/$(guest_domid 1)/backend/vbd/$(guest_domid 2)/51712 ]"
check "connected" eventually 20 state_is 4
check "fio verify" in_guest 2 'fio --name=v --filename=/dev/xvda --rw=randrw --bsrange=4k-64k --size=8m --direct=1 \
	--ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --randrepeat=0'
check "a file system" in_guest 2 'mkfs.ext4 -q -F /dev/xvda && mount /dev/xvda /mnt && cp /usr/bin/fio /mnt && umount /mnt && e2fsck -fn /dev/xvda'
check "the data is in guest 1's file" in_world 'e2fsck -fn /root/disk.img'
check "xensplit list there" in_world 'PATH=/src:$PATH; xensplit list | grep -i connected'

step "the end"
back=$(own_path)
check "guest 2 stops in order" guest_stop 2
check "its backend's nodes are gone" eventually 30 eval "! xenstore-exists $back"
in_world 'kill -TERM $(pidof xensplitd)'
check "the daemon there ends" eventually 20 in_guest 1 '! pidof xensplitd'
[ $broken = 0 ] || in_guest 1 'tail -n 30 /mnt/tmp/*.log'
check "guest 1 stops in order" guest_stop 1
check "Dom0's daemon stops" daemon_stop
closing
