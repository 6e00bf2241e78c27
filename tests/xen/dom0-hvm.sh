#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see hvm.sh): a fully virtualized guest with our modules and no others, its disks of
# xensplitd and QEMU's qdisk, its NIC of xensplitd; then Linux's blkback and netback.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
blk=/sys/bus/xen/drivers/xensplit-blk net=/sys/bus/xen/drivers/xensplit-net
dbg=/sys/kernel/debug
nic="mac=00:16:3e:00:00:19,bridge=xenbr0,type=vif"
qdisk="backendtype=qdisk,format=raw,access=rw"

hvm_start() {
	local d=$XSP_WORLD/guest9
	mkdir -p "$d"
	cp "$B/guest/hvm/cd.iso" "$B/guest/hvm/bios.bin" /root/
	cat >"$d/xl.cfg" <<-EOS
		name = "guest9"
		type = "hvm"
		memory = 256
		vcpus = ${GUEST_VCPUS:-2}
		boot = "d"
		vga = "none"
		nographic = 1
		bios_path_override = "/root/bios.bin"
		device_model_args_hvm = [ "-device", "ich9-ahci,id=boot",
			"-drive", "file=/root/cd.iso,if=none,id=cd,format=raw,media=cdrom,readonly=on",
			"-device", "ide-cd,drive=cd,bus=boot.0" ]
		disk = [ '$(_disk xvdg=file:/root/a.img)', 'vdev=xvdh,$qdisk,target=/root/q.img' ]
		vif = [ '$nic' ]
		on_crash = "destroy"
		on_reboot = "destroy"
	EOS
	rm -f "$(_console 9)" "$d/domid"
	xl create "$d/xl.cfg" || return
	xl domid guest9 >"$d/domid"
	xenstore-read "/local/domain/$(cat "$d/domid")/console/tty" >"$d/tty"
	guest_ready 9 1500 || { tail -n 40 "$(_console 9)"; tail -n 20 /var/log/xen/qemu-dm-guest9.log; return 1; }
}
verified() { # DEV SIZE
	in_guest 9 "for i in \$(seq 40); do [ -b /dev/$1 ] && break; sleep 0.5; done
		fio --name=v --filename=/dev/$1 --rw=randrw --bsrange=4k-64k --size=$2 --direct=1 \
			--ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --randrepeat=0"
}
linked() { # ethN
	in_guest 9 "for i in \$(seq 40); do [ -e /sys/class/net/$1 ] && break; sleep 0.5; done
		ip link set lo up; ip link set $1 up; ip addr add 10.9.0.19/24 dev $1
		for i in \$(seq 60); do grep -q 1 /sys/class/net/$1/carrier && exit 0; sleep 0.25; done; dmesg | tail; exit 1"
}
carries() { # the NIC that is up
	check "pings of 56 to 65507 bytes, none lost" in_guest 9 'for s in 56 1473 9000 65507; do ping -q -c 3 -i 0.2 -W 5 -s $s 10.9.0.1 >/tmp/p
		grep -q " 0% packet loss" /tmp/p || { echo size $s; cat /tmp/p; exit 1; }; done'
	for way in "" -R; do
		check "TCP ${way:+from Dom0}" in_guest 9 "iperf3 -c 10.9.0.1 -f m -t 2 -P 2 $way >/tmp/i || { cat /tmp/i; exit 1; }; grep 'SUM.*receiver' /tmp/i"
		sed 's/^/      | /' /tmp/check.out
	done
	in_guest 9 'wget -q -O - http://10.9.0.1/f | sha256sum' >/tmp/got 2>&1
	check "16 MiB, the same by checksum" grep "^$sum" /tmp/got
}

modprobe -a tun bridge && ip link add name xenbr0 type bridge && ip addr add 10.9.0.1/24 dev xenbr0 && ip link set xenbr0 up
mkdir -p /run/www && head -c 16M /dev/urandom >/run/www/f
sum=$(sha256sum </run/www/f | cut -d' ' -f1)
busybox httpd -p 10.9.0.1:80 -h /run/www
iperf3 -s -D
for i in a q b; do truncate -s 32M /root/$i.img; done
export XENSPLITD_ARGS="--workers 2"
step "a fully virtualized guest"
check "xensplitd starts" world_up || { closing; exit 1; }
check "it boots" hvm_start || { closing; exit 1; }
check "it is one" eval "xl list -l $(guest_domid 9) | grep '\"type\": \"hvm\"'"
in_guest 9 'grep -E "Hypervisor|xen" /proc/interrupts | head -n 4; cat /sys/hypervisor/guest_type' | sed 's/^/      | /'
check "xensplit-blk.ko and xensplit-net.ko" in_guest 9 "insmod /opt/xensplit-blk.ko && insmod /opt/xensplit-net.ko && mount -t debugfs d $dbg"
step "xensplitd"
check "a disk: fio verify" verified xvdg 6m
check "a file system" in_guest 9 'set -e; mkfs.ext4 -q -F /dev/xvdg; mount /dev/xvdg /mnt; cp -a /usr/sbin /mnt/; cd /mnt
	find . -type f | sort | xargs sha256sum >/tmp/sums; cd /; umount /mnt; e2fsck -fn /dev/xvdg; mount -o ro /dev/xvdg /mnt
	cd /mnt; sha256sum -c /tmp/sums; cd /; umount /mnt'
check "QEMU's qdisk: fio verify" verified xvdh 4m
check "a NIC: a carrier" linked eth0
carries
in_guest 9 "head -n 20 $dbg/xensplit-blk/*/device $dbg/xensplit-net/*/device" | sed 's/^/      | /'
check "both go" eval "guest_detach 9 xvdg && xl network-detach guest9 0"
check "xensplitd stops with exit 0" daemon_stop

step "Linux's blkback and netback"
modprobe -a loop xen-blkback && modprobe xen-netback max_queues=2
losetup /dev/loop0 /root/b.img
check "a disk" xl block-attach guest9 vdev=xvdi,format=raw,access=rw,target=/dev/loop0
check "fio verify" verified xvdi 4m
check "a NIC" xl network-attach guest9 "$nic"
check "a carrier" linked eth0
carries
check "two queues" in_guest 9 "grep -q 'queues 2' $dbg/xensplit-net/*/device"

step "the end"
check "all unbound, the modules unloaded" in_guest 9 "for d in $blk/vbd-* $net/vif-*; do echo \${d##*/} >\${d%/*}/unbind; done; rmmod xensplit_blk && rmmod xensplit_net"
check "its kernel log is clean" eval "! guest_log 9 | grep -E 'WARNING|BUG|Oops|Call Trace|hung_task|blocked for more'"
[ $broken = 0 ] || { guest_log 9 | tail -n 30; tail -n 20 "$XSP_DAEMON_LOG"; }
guest_destroy 9
closing
