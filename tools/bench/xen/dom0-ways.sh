#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see ways.sh): the same jobs through the three ways of I/O virtualization, into
# /out/ways: `times` (WAY JOB I/Os READ-MS;WRITE-MS), `net` (WAY DIRECTION Mbit/s), `notes`.
# dom0-ways.sh IMAGES PART...     IMAGES: where ways-images.sh put its files, as Dom0 sees it
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
images=$1 out=/out/ways nvme=00:10.0
shift
mkdir -p $out

note() { echo "$*" >>$out/notes; echo "      $*"; }
job() { # NAME DEV IOS: fio's line
	local what
	case $1 in
	rr1) what="--rw=randread --bs=4k --iodepth=1" ;;
	rr32) what="--rw=randread --bs=4k --iodepth=32" ;;
	rw32) what="--rw=randwrite --bs=4k --iodepth=32" ;;
	sr8) what="--rw=read --bs=64k --iodepth=8" ;;
	esac
	echo "fio --name=j --minimal --filename=/dev/$2 --ioengine=libaio --direct=1 --size=64m --io_size=64g \
		--norandommap --randrepeat=1 --number_ios=$3 $what | cut -d';' -f9,50"
}
in_way() { # GUEST (0: Dom0) SHELL TEXT
	if [ "$1" = 0 ]; then bash -c "$2"; else in_guest "$1" "$2"; fi
}
disk_jobs() { # WAY GUEST DEV IOS [JOB...]
	local way=$1 guest=$2 dev=$3 ios=$4 j n
	shift 4
	in_way "$guest" "for i in 1 2 3 4 5 6 7 8 9; do [ -b /dev/$dev ] && exit; sleep 1; done; exit 1" || return
	for j in "${@:-rr1 rr32 rw32 sr8}"; do
		for j in $j; do
			in_way "$guest" "$(job "$j" "$dev" "$ios")" >/dev/null # pages mapped, code warm
			for n in $((ios)) $((5 * ios)); do
				echo "$way $j $n $(IN_GUEST_TIMEOUT=${IN_GUEST_TIMEOUT:-900} in_way "$guest" "$(job "$j" "$dev" "$n")")" >>$out/times
			done
			tail -n 1 $out/times
		done
	done
}
nic_of() { # GUEST DRIVER: its interface
	in_guest "$1" "for d in /sys/class/net/*/device/driver; do case \$(readlink -f \$d) in */$2) echo \$d | cut -d/ -f5 ;; esac; done"
}
net_jobs() { # WAY GUEST DRIVER
	local nic way
	nic=$(nic_of "$2" "$3")
	[ -n "$nic" ] || { echo "no interface of $3"; return 1; }
	in_guest "$2" "ip addr add 10.9.0.1$2/24 dev $nic && ip link set $nic up; ip link set lo up
		for i in 1 2 3 4 5 6 7 8 9; do ping -c 1 -W 2 10.9.0.1 && exit; done; exit 1" || return
	for way in out in; do
		pgrep -x iperf3 >/dev/null || iperf3 -s -D
		in_guest "$2" "iperf3 -c 10.9.0.1 -t 2 -f m $([ $way = out ] || echo -R) >/tmp/i || { cat /tmp/i; exit 1; }
			sed -n 's/.* \([0-9.]*\) Mbits.sec.*receiver.*/\1/p' /tmp/i" >/tmp/mbit || { cat /tmp/mbit; return 1; }
		echo "$1 $way $(cat /tmp/mbit)" >>$out/net
		tail -n 1 $out/net
	done
	in_guest "$2" "ip addr flush dev $nic; ip link set $nic down"
}
mode() { # WAY GUEST: what kind of domain
	echo "$1 $(xl list -l "$(guest_domid "$2")" | sed -n 's/.*"type": "\(.*\)",*/\1/p' | tail -n 1)" >>$out/modes
}

bridge_up() {
	modprobe -a tun bridge && ip link add name xenbr0 type bridge && ip addr add 10.9.0.1/24 dev xenbr0 &&
		ip link set dev xenbr0 up
}

# --- fully virtualized: QEMU's IDE and e1000; and in the same guest, PV drivers --------------------

hvm_start() { # 9 is its number
	local d=$XSP_WORLD/guest9
	mkdir -p "$d"
	cp "$images/hvm.iso" "$images/bios.bin" /root/
	cat >"$d/xl.cfg" <<-EOF
		name = "guest9"
		type = "hvm"
		memory = 256
		vcpus = 1
		boot = "d"
		vga = "none"
		nographic = 1
		bios_path_override = "/root/bios.bin"
		device_model_args_hvm = [ "-global", "e1000.romfile=" ]
		disk = [ 'vdev=hda,backendtype=qdisk,format=raw,access=rw,target=/dev/nullb0',
			'vdev=hdc,devtype=cdrom,backendtype=qdisk,format=raw,access=ro,target=/root/hvm.iso',
			'vdev=xvdb,backendtype=phy,format=raw,access=rw,script=block-xensplit,target=file,direct:/dev/nullb0' ]
		vif = [ 'type=ioemu,model=e1000,mac=00:16:3e:00:00:19,bridge=xenbr0' ]
		on_crash = "destroy"
		on_reboot = "destroy"
	EOF
	rm -f "$(_console 9)" "$d/domid"
	xl create "$d/xl.cfg" || return
	xl domid guest9 >"$d/domid"
	xenstore-read "/local/domain/$(cat "$d/domid")/console/tty" >"$d/tty"
	_await 9 ready 0 1200 || { tail -n 40 "$(_console 9)"; tail -n 20 /var/log/xen/qemu-dm-guest9.log; return 1; }
}
part_hvm() {
	step "a fully virtualized guest"
	check "it boots from its CD" hvm_start || return
	mode emulated 9
	cp /proc/uptime /tmp/up
	check "IDE: the jobs" disk_jobs emulated 9 sda 40
	cat /tmp/check.out
	check "e1000: TCP" net_jobs emulated 9 e1000
	check "PV drivers in the same guest: disk" disk_jobs hvm-pv 9 xvdb 400
	cat /tmp/check.out
	check "PV drivers in the same guest: TCP" net_jobs hvm-pv 9 vif
	mode hvm-pv 9
	guest_destroy 9
}

# --- para-virtualized, on xensplitd ------------------------------------------------------------------

part_pv() { # WAY TYPE
	step "a $2 guest on xensplitd"
	GUEST_TYPE=$2 GUEST_XL="vif = [ 'mac=00:16:3e:00:00:11,bridge=xenbr0' ]${PIN:+
		cpus = \"$PIN\"}" check "it boots" guest_start 1 xvda=file,direct:/dev/nullb0 || return
	mode "$1" 1
	check "the jobs" disk_jobs "$1" 1 xvda 400
	cat /tmp/check.out
	check "TCP" net_jobs "$1" 1 vif
	guest_stop 1
}

# Dom0 has two CPUs, the worker one of them for itself; the guest has a third.
part_poll() {
	step "a worker that polls, on a CPU of its own"
	export PIN=2
	check "the worker sleeps when idle" xensplit worker set 0 mode=event
	part_pv pv-event pv
	check "the worker polls, on a CPU of its own" xensplit worker set 0 mode=always cpus=1
	part_pv pv-poll pv
}

# --- direct ------------------------------------------------------------------------------------------

dom0_nvme() {
	modprobe -q null_blk 2>/dev/null
	while read -r m; do insmod "$images/dom0/$m" 2>/dev/null; done <"$images/dom0/order"
	eventually 20 test -b /dev/nvme0n1
}
direct_start() {
	cp "$images/direct.cpio" /tmp/direct.cpio
	cp /images/guest.cpio /tmp/guest.cpio.was
	cat /tmp/guest.cpio.was /tmp/direct.cpio >/images/guest.cpio
	GUEST_ARGS="iommu=soft swiotlb=8192" GUEST_MEM=256 GUEST_XL="pci = [ '$nvme,permissive=1' ]" guest_start 2
	local rc=$?
	mv /tmp/guest.cpio.was /images/guest.cpio
	return $rc
}
part_direct() {
	step "a device of its own"
	xl dmesg | grep -E 'AMD-Vi|I/O virt' | tail -n 3
	check "Dom0 drives the NVMe" dom0_nvme || return
	check "Dom0: the jobs" disk_jobs dom0-nvme 0 nvme0n1 400
	cat /tmp/check.out
	dd if=/dev/urandom of=/tmp/mark bs=4k count=1 2>/dev/null
	modprobe xen-pciback
	check "Dom0 gives it away" xl pci-assignable-add $nvme || return
	check "the guest boots with it" direct_start || return
	mode direct 2
	check "the guest: the jobs" disk_jobs direct 2 nvme0n1 400 rr1 rr32 sr8
	cat /tmp/check.out
	in_guest 2 "grep -i nvme /proc/interrupts; dmesg | grep -iE 'nvme|pcifront' | tail -n 8"
	check "writes" timeout 60 bash -c ". /src/tests/xen/world.sh; $(declare -f in_way disk_jobs job); out=$out; IN_GUEST_TIMEOUT=40 disk_jobs direct 2 nvme0n1 400 rw32"
	cat /tmp/check.out
	check "the guest ends" guest_destroy 2
	note "reset methods of the NVMe: $(cat /sys/bus/pci/devices/0000:$nvme/reset_method)"
	check "it is reset" eval "echo 1 >/sys/bus/pci/devices/0000:$nvme/reset"
	check "Dom0 takes it back" xl pci-assignable-remove -r $nvme
	check "Dom0 uses it again" eventually 20 test -b /dev/nvme0n1 &&
		check "Dom0: the jobs again" disk_jobs dom0-nvme-again 0 nvme0n1 400
	cat /tmp/check.out
}

modprobe null_blk gb=1 bs=512 irqmode=0 nr_devices=1 || { echo "no null_blk"; exit 1; }
check "a bridge" bridge_up
export XENSPLITD_ARGS="--workers 1"
check "xensplitd starts" world_up || { closing; exit 1; }
for part; do
	case $part in
	pv) part_pv pv-event1 pv ;;
	pvh) part_pv pvh-event1 pvh ;;
	*) "part_$part" ;;
	esac
done
closing
