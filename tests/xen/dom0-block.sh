#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-block.sh): the platform's semantics, two PV guests at once (one with two
# queues of 16 pages), file systems, hot-plugging, a bad target, a read-only disk, 20 restarts of the
# daemon under I/O, a guest destroyed in mid-I/O, a PVH guest, pvgrub.
#   dom0-block.sh [SHA256 of xensplitd on the host]
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh

# Mixed reads and writes; what was written is read back and its checksum compared.
fio_verify() { # DEV SIZE [ARGS]
	echo "fio --name=v --filename=/dev/$1 --rw=randrw --bsrange=4k-64k --size=$2 --direct=1 \
		--ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --randrepeat=0 ${3:-}"
}
no_blkback() { [ ! -e /sys/bus/xen-backend/drivers/vbd ] && ! grep -q xen_blkback /proc/modules; }
links() { # the daemon is an ordinary program on Xen's own libraries
	local l all
	all=$(ldd "$(command -v xensplitd)")
	for l in libxengnttab.so.1 libxenevtchn.so.1 libxenstore.so.4 libxenctrl; do
		case $all in *"$l"*) ;; *) echo "no $l in: $all"; return 1 ;; esac
	done
}
same_file() { [ "$(sha256sum <"$(command -v xensplitd)" | cut -d' ' -f1)" = "$1" ]; }
only_these() { # NAMES...: no other domain, no dying one
	local have
	have=$(xl list | awk 'NR > 1 { print $1 }' | sort | xargs)
	[ "$have" = "$(printf '%s\n' "$@" | sort | xargs)" ] || { xl list; return 1; }
}
# DOMID: alive, dying or gone, as libxenctrl sees it
fate() { world-domains | awk -v d="$1" '$1 == d { s = $2 } END { print s ? s : "gone" }'; }
fate_is() { [ "$(fate "$1")" = "$2" ] || { fate "$1"; xl list; return 1; }; }
quiet_kernel() { # N: its kernel saw no trouble
	! guest_log "$1" | grep -E 'WARNING|BUG|Oops|I/O error|Call Trace|hung_task|blocked for more|EXT4-fs error|blkfront'
}

step "the world: xen-blkback absent, xensplitd started"
check "xen-blkback is not loaded" no_blkback
check "xensplitd links Xen's own libraries" links
[ $# = 0 ] || check "it is the very file that the lab runs ($(echo "$1" | cut -c1-12)...)" same_file "$1"
for i in a b c p; do truncate -s 96M /root/$i.img; done
export XENSPLITD_ARGS="--workers 2"
check "xensplitd starts, two workers" world_up || { closing; exit 1; }

step "two PV guests at once"
export GUEST_FILES="$B/bin/world-test $B/bin/world-hold"
# 16 segments, because blkfront keeps a page for each segment of each of its 1024 requests
GUEST_VCPUS=2 GUEST_MEM=320 GUEST_ARGS="xen_blkfront.max_ring_page_order=4 xen_blkfront.max_indirect_segments=16" \
	guest_start 2 xvda=file:/root/b.img &
guest2=$!
check "guest 1 boots with a disk and a read-only one" guest_start 1 xvda=file:/root/a.img xvdb:ro=file:/root/c.img
check "guest 2 boots" wait $guest2
sectors() { [ "$(in_guest "$1" "cat /sys/block/$2/size")" = "$3" ]; }
check "guest 1 sees 96 MiB" sectors 1 xvda 196608

step "guest 2: two CPUs, two queues, rings of 16 pages"
front2=/local/domain/$(guest_domid 2)/device/vbd/51712
node_is() { [ "$(xenstore-read "$front2/$1")" = "$2" ] || { xenstore-ls "$front2"; return 1; }; }
tells() { # REGEX COMMAND...: what xensplit says in JSON
	local regex=$1
	shift
	xensplit --json "$@" >/tmp/told
	grep -E "$regex" /tmp/told || { cat /tmp/told; return 1; }
}
check "its kernel has two hardware queues" in_guest 2 '[ "$(ls /sys/block/xvda/mq | wc -l)" = 2 ]'
check "its nodes: two queues" node_is multi-queue-num-queues 2
check "its nodes: ring order 4" node_is ring-page-order 4
check "its nodes: 16 references for the second queue too" xenstore-exists $front2/queue-1/ring-ref15
refuse "its nodes: no ring but the queues'" xenstore-exists $front2/ring-ref
check "xensplit show: two queues, order 4" eventually 20 tells '"ring_order":4,.*"queues":2,' show guest2:xvda
check "xensplit ring: 512 slots" tells '"size":512,"order":4,' ring guest2:xvda
check "xensplit list: connected" tells '"domain":"guest2",.*"vdev":"xvda",.*"state":4,"peer_state":4,' list guest2

few_calls() { # DEVICE: each page was mapped once, so the library is called less often than requests come
	local v
	v=$(xensplit --json show "$1" | sed -n 's/.*"rd_req":\([0-9]*\),"wr_req":\([0-9]*\),.*"gnt_calls":\([0-9]*\),.*/\1 \2 \3/p')
	echo "reads, writes, grant calls: $v"
	# shellcheck disable=SC2086
	set -- $v
	[ $# = 3 ] && [ $(($3 * 2)) -lt $(($1 + $2)) ]
}

step "event channels, grants, copies: the program that the lab passes too (tests/world)"
in_guest 1 /opt/world-test guest 0 one >/tmp/world.guest 2>&1 &
world=$!
check "Dom0's half" world-test dom0 "$(guest_domid 1)" one
grep -E '^(ok|FAIL)|passed' /tmp/check.out | sed 's/^/      | /'
check "the guest's half" eval "wait $world || { cat /tmp/world.guest; false; }"

step "verified I/O in both"
in_guest 2 "$(fio_verify xvda 6m '--numjobs=2 --offset_increment=32m --cpus_allowed=0,1 --cpus_allowed_policy=split')" >/tmp/fio2 2>&1 &
fio2=$!
check "guest 1: fio verify (crc32c), mixed" in_guest 1 "$(fio_verify xvda 12m)"
check "guest 2: fio verify on both queues, at the same time" eval "wait $fio2 || { cat /tmp/fio2; false; }"
check "guest 2: each queue had events" in_guest 2 "grep blkif /proc/interrupts
	[ \$(awk '/blkif/ && \$2 + \$3 > 20' /proc/interrupts | wc -l) = 2 ]"
check "guest 2: indirect requests, pages kept mapped, no bad request" \
	tells '"bad_req":0,"bad_gref":0,.*"mapped":[1-9]' show guest2:xvda
check "guest 2: some of them indirect" tells '"indirect":[1-9]' show guest2:xvda
check "guest 2: far fewer grant calls than requests" few_calls guest2:xvda

step "a real file system"
fs='set -e; mkfs.ext4 -q -F /dev/xvda; mount /dev/xvda /mnt; cp -a ${WHAT:-/usr/bin /usr/sbin} /mnt/
	cd /mnt; find . -type f | sort | xargs sha256sum >/tmp/sums; cd /; umount /mnt
	echo 3 >/proc/sys/vm/drop_caches; e2fsck -fn /dev/xvda; mount -o ro /dev/xvda /mnt; cd /mnt
	sha256sum -c /tmp/sums >/tmp/checked; cd /; umount /mnt; wc -l </tmp/checked'
in_guest 2 "$fs" >/tmp/fs2 2>&1 &
fs2=$!
check "guest 1: mkfs, mount, copy, umount, fsck, read back" in_guest 1 "$fs"
check "guest 2: the same" eval "wait $fs2 || { cat /tmp/fs2; false; }"
check "Dom0's e2fsck finds guest 1's image clean too" e2fsck -fn /root/a.img

step "what must be refused"
check "the read-only disk says so" in_guest 1 '[ "$(blockdev --getro /dev/xvdb)" = 1 ]'
refuse "it refuses writes" in_guest 1 'dd if=/dev/zero of=/dev/xvdb bs=4k count=1 oflag=direct'
check "its image is untouched" cmp -n 1048576 /root/c.img /dev/zero
refuse "a guest whose disk's file is missing isn't created" guest_start 9 xvda=file:/root/absent.img
check "xl prints the reason" grep -i "absent.img.*No such file" "$XSP_WORLD/guest9/xl.log"
check "and leaves no domain behind" eventually 20 only_these Domain-0 guest1 guest2

step "hot-plugging during the I/O of the other"
in_guest 1 "$(fio_verify xvda 24m)" >/tmp/fio1 2>&1 &
fio1=$!
truncate -s 32M /root/d.img
for round in 1 2; do
	check "block-attach to guest 2 ($round)" guest_attach 2 xvdd=file:/root/d.img
	check "guest 2 uses it" in_guest 2 "for i in 1 2 3 4 5 6 7 8 9; do [ -b /dev/xvdd ] && break; sleep 1; done
		$(fio_verify xvdd 4m)"
	check "block-detach" guest_detach 2 xvdd
	check "it is gone from guest 2" eventually 20 in_guest 2 '[ ! -e /dev/xvdd ]'
done
check "guest 1's I/O went on without an error" eval "wait $fio1 || { cat /tmp/fio1; false; }"

step "20 restarts of the daemon under verified I/O, five of them after SIGKILL"
loop() { # runs fio until /tmp/stop appears; the first error ends it
	echo "n=0; rm -f /tmp/stop; while [ ! -e /tmp/stop ]; do
		$(fio_verify xvda 6m) >/tmp/fio.log 2>&1 || { cat /tmp/fio.log; exit 1; }; n=\$((n + 1)); done; echo \$n rounds"
}
for n in 1 2; do
	IN_GUEST_TIMEOUT=400 in_guest $n "$(loop)" >/tmp/loop$n 2>&1 &
	eval "loop$n=$!"
done
sleep 2
dom0_weight 1024
restarts=0 start=$SECONDS
for ((i = 0; i < 20; i++)); do
	if [ $((i % 4)) = 3 ]; then
		daemon_stop KILL # the journals are what is left
	else
		daemon_stop >/tmp/restart 2>&1 || { cat /tmp/restart; break; }
	fi
	daemon_start >/tmp/restart 2>&1 || { cat /tmp/restart; break; }
	restarts=$((restarts + 1))
	pause 0.7
done
dom0_weight 256
check "20 restarts ($restarts in $((SECONDS - start)) s), each stop with exit 0" [ $restarts = 20 ]
again=$(sed -n 's/.* requests were answered, \([0-9]*\) are done again/\1/p' "$XSP_DAEMON_LOG" | awk '{ n += $1 } END { print n + 0 }')
refuse "after SIGKILL too the disks were taken over ($again requests done again)" grep "not taken over" "$XSP_DAEMON_LOG"
for n in 1 2; do
	in_guest $n touch /tmp/stop
	eval "p=\$loop$n"
	check "guest $n noticed only a pause" eval "wait $p || { cat /tmp/loop$n; false; }"
	check "guest $n verified: $(cat /tmp/loop$n)" grep -q '[1-9][0-9]* rounds' /tmp/loop$n
done
check "guest 1's kernel log is clean" quiet_kernel 1
check "guest 2's kernel log is clean" quiet_kernel 2

step "a guest destroyed in mid-I/O"
id2=$(guest_domid 2)
in_guest 1 "$(fio_verify xvda 8m)" >/tmp/fio1 2>&1 &
fio1=$!
in_guest 2 "$(fio_verify xvda 64m --iodepth=32)" >/dev/null 2>&1 &
in_guest 2 '/opt/world-hold guest 0 >/tmp/hold 2>&1 &
	for i in $(seq 100); do grep -q holds /tmp/hold && break; sleep 0.2; done; cat /tmp/hold' >/tmp/hold 2>&1
# shellcheck disable=SC2046
world-hold dom0 "$id2" $(sed -n 's/^holds//p' /tmp/hold) >/tmp/hold.dom0 2>&1 &
holder=$!
check "another program of Dom0 has mapped pages of it" eventually 20 grep -q holds /tmp/hold.dom0
check "xl destroy" xl destroy guest2
check "the daemon lets go of it" eventually 20 eval "! xenstore-exists /local/domain/0/backend/vbd/$id2"
check "as long as the other program has pages it is dying" fate_is "$id2" dying
kill -9 $holder
wait $holder 2>/dev/null
check "no zombie is left after that" eventually 20 fate_is "$id2" gone
check "nor in xl list" only_these Domain-0 guest1
rm -f "$XSP_WORLD/guest2/domid"
check "guest 1 did not notice" eval "wait $fio1 || { cat /tmp/fio1; false; }"

step "the same as PVH"
GUEST_TYPE=pvh check "guest 3 (PVH) boots" guest_start 3 xvda=file:/root/p.img
check "guest 3: fio verify" in_guest 3 "$(fio_verify xvda 6m)"
check "guest 3: file system" in_guest 3 "WHAT=/usr/sbin; $fs"
check "guest 3's kernel log is clean" quiet_kernel 3
check "guest 3 stops in order" guest_stop 3

step "pvgrub: a frontend that is not Linux's, then Linux on the same disk"
boot=/root/boot
mkdir -p $boot/boot/grub
cp /images/vmlinux $boot/boot/vmlinux
guest_ramdisk $boot/boot/initrd
cat >$boot/boot/grub/grub.cfg <<-EOF
	set timeout=0
	menuentry linux {
		linux /boot/vmlinux $(guest_cmdline 4)
		initrd /boot/initrd
	}
EOF
sha256sum <$boot/boot/vmlinux >/tmp/vmlinux.sum
check "a disk with kernel and initrd" mke2fs -q -t ext2 -d $boot /root/grub.img 100M
rm -rf $boot
GUEST_LOADER=/usr/lib/grub-xen/grub-x86_64-xen.bin \
	check "guest 4: Debian's grub-x86_64-xen.bin boots what lies on it" guest_start 4 xvda=file:/root/grub.img
check "guest 4 runs the kernel and the command line of its disk" in_guest 4 'grep xsp.name=guest4 /proc/cmdline'
check "guest 4: Linux connects to the disk that grub has closed" \
	in_guest 4 '[ "$(cat /sys/block/xvda/size)" = 204800 ]'
same_kernel() {
	[ "$(in_guest 4 'mount -o ro /dev/xvda /mnt && sha256sum </mnt/boot/vmlinux; umount /mnt')" = "$(cat /tmp/vmlinux.sum)" ]
}
check "guest 4: Linux reads the kernel that grub read" same_kernel
check "guest 4's kernel log is clean" quiet_kernel 4
check "guest 4 stops in order" guest_stop 4

step "the end"
check "guest 1 stops in order" guest_stop 1
check "only Dom0 is left" eventually 20 only_these Domain-0
refuse "no vbd node is left" xenstore-list /local/domain/0/backend/vbd/1
check "xensplitd stops with exit 0" daemon_stop
refuse "its log tells of no failed assertion or sanitizer" grep -nE 'Assertion|Sanitizer|runtime error' "$XSP_DAEMON_LOG"
if [ $broken != 0 ]; then
	echo "--- the daemon's log (last 40 lines)"
	tail -n 40 "$XSP_DAEMON_LOG"
fi
closing
