#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see ways.sh): the same jobs through the three ways of I/O virtualization, into
# /out/ways: `times` (WAY JOB I/Os READ-MS;WRITE-MS), `net` (WAY DIRECTION Mbit/s), `guests` (WAY DOMID
# TYPE), WAY.JOB.I/Os.xtr (who ran, who entered Xen and why), `facts` (NAME VALUE), `blocked` (WAY REASON).
# dom0-ways.sh IMAGES PART...     IMAGES: where ways-images.sh put its files, as Dom0 sees it
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
out=/out/ways
. /src/tools/bench/xen/jobs.sh
. /src/tools/bench/xen/net_jobs.sh # bridge_up
images=$1 nvme=00:10.0
TRACE_EVENTS=0x002af000 # an HVM guest's exits too
shift
# The emulated processor has no invariant time stamp counter, so Xen would take each of a guest's 20 to 30
# readings of it per I/O (and none of Dom0's) as an exit, which no processor of the last fifteen years needs.
clock='tsc_mode = "native"'

fact() { # NAME VALUE...
	echo "$*" >>$out/facts
	echo "      $*"
}
blocked() { # WAY REASON...
	echo "$*" >>$out/blocked
	echo "      blocked: $*"
}
in_way() { # GUEST (0: Dom0) SHELL TEXT
	if [ "$1" = 0 ]; then bash -c "$2"; else IN_GUEST_TIMEOUT=900 in_guest "$1" "$2"; fi
}
untraced() { # DEV IOS JOB...: fio's line, NAME,IOS;READ-MS;WRITE-MS with N and with 5 N, three times: starting it costs more
	local dev=$1 ios=$2 j n text
	shift 2
	text="--name=global $(job_common "$dev") --stonewall"
	for j; do # once before they count: pages mapped, code warm
		text+=" --name=- $(job_kind "$j") --number_ios=$ios"
		for n in $ios $((5 * ios)) $ios $((5 * ios)) $ios $((5 * ios)); do
			text+=" --name=$j,$n $(job_kind "$j") --number_ios=$n"
		done
	done
	echo "fio $text | cut -d';' -f3,9,50 | grep -v ^-"
}
disk_jobs() { # WAY GUEST DEV IOS [JOB...]: each untraced, for the time, and traced, for the counts
	local way=$1 guest=$2 dev=$3 ios=$4 j n ms
	shift 4
	[ $# -gt 0 ] || set -- rr1 rr32 rw32 sr8
	in_way "$guest" "for i in 1 2 3 4 5 6 7 8 9; do [ -b /dev/$dev ] && exit; sleep 1; done; exit 1" || return
	touch $out/times
	in_way "$guest" "$(untraced "$dev" "$ios" "$@")" >/tmp/untraced || return
	[ "$(wc -l </tmp/untraced)" = $((6 * $#)) ] || { cat /tmp/untraced; return 1; }
	for j; do # what an earlier run of this part left
		sed -i "/^$way $j /d" $out/times
		rm -f $out/$way.$j.*.xtr
	done
	while IFS=';' read -r j ms; do echo "$way ${j/,/ } $ms"; done </tmp/untraced | tee -a $out/times
	for j; do
		case $j in rr1 | rr32) ;; *) continue ;; esac
		for n in $((ios)) $((5 * ios)); do
			trace "$out/$way.$j.$n.xtr" in_way "$guest" "$(job "$j" "$dev" "$n")" >/dev/null || return
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
		in_guest "$2" "iperf3 -c 10.9.0.1 -t 1 -f m $([ $way = out ] || echo -R) >/tmp/i || { cat /tmp/i; exit 1; }
			sed -n 's/.* \([0-9.]*\) Mbits.sec.*receiver.*/\1/p' /tmp/i" >/tmp/mbit || { cat /tmp/mbit; return 1; }
		echo "$1 $way $(cat /tmp/mbit)" >>$out/net
		tail -n 1 $out/net
	done
	in_guest "$2" "ip addr flush dev $nic; ip link set $nic down"
}
guest_is() { # WAY GUEST: which domain, of what type
	local type
	type=$(xl list -l "$(guest_domid "$2")" | sed -n 's/.*"type": "\(.*\)",*/\1/p' | tail -n 1)
	echo "$1 $(guest_domid "$2") $type" >>$out/guests
}

# --- fully virtualized: QEMU's IDE and e1000; and in the same guest, PV drivers --------------------

# It boots from a CD of AHCI, which the firmware reads by DMA: an IDE one it reads word by word, through
# a port, which takes an hour here. Not from a disk of AHCI: the firmware tries the IDE one first, and
# that one is empty. Through Dom0's page cache, as xl has it: no direct I/O into a guest's mapped pages.
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
		$clock
		vga = "none"
		vnc = 0
		nographic = 1
		bios_path_override = "/root/bios.bin"
		device_model_args_hvm = [ "-global", "e1000.romfile=",
			"-drive", "file=/dev/nullb0,if=none,id=emulated,format=raw,cache=writeback",
			"-device", "ide-hd,drive=emulated,bus=ide.0", "-device", "ich9-ahci,id=boot",
			"-drive", "file=/root/hvm.iso,if=none,id=cd,format=raw,media=cdrom,readonly=on",
			"-device", "ide-cd,drive=cd,bus=boot.0" ]
		disk = [
			'vdev=xvdq,backendtype=phy,format=raw,access=rw,script=block-xensplit,target=file,direct:/dev/nullb0' ]
		vif = [ 'type=ioemu,model=e1000,mac=00:16:3e:00:00:19,bridge=xenbr0' ]
		on_crash = "destroy"
		on_reboot = "destroy"
	EOF
	rm -f "$(_console 9)" "$d/domid"
	xl create "$d/xl.cfg" || { tail -n 9 /var/log/xen/qemu-dm-guest9.log; return 1; }
	xl domid guest9 >"$d/domid"
	xenstore-read "/local/domain/$(cat "$d/domid")/console/tty" >"$d/tty"
	guest_ready 9 600 || { tail -n 40 "$(_console 9)"; tail -n 20 /var/log/xen/qemu-dm-guest9.log; return 1; }
}
part_hvm() {
	step "a fully virtualized guest"
	check "it boots" hvm_start || return
	guest_is emulated 9
	guest_is hvm-pv 9
	check "IDE: 4 KiB reads" disk_jobs emulated 9 sda 10 rr1 rr32
	cat /tmp/check.out
	check "PV drivers in the same guest: 4 KiB reads" disk_jobs hvm-pv 9 xvdq 100 rr1 rr32
	cat /tmp/check.out
	check "e1000: TCP" net_jobs emulated 9 e1000
	check "PV drivers in the same guest: TCP" net_jobs hvm-pv 9 vif
	check "IDE: the other jobs" disk_jobs emulated 9 sda 10 rw32 sr8
	cat /tmp/check.out
	check "PV drivers in the same guest: the other jobs" disk_jobs hvm-pv 9 xvdq 100 rw32 sr8
	cat /tmp/check.out
	guest_destroy 9
}

# --- para-virtualized, on xensplitd ------------------------------------------------------------------

pv_start() { # WAY TYPE [XL]: a guest on a null block device
	GUEST_TYPE=$2 GUEST_XL="vif = [ 'mac=00:16:3e:00:00:11,bridge=xenbr0' ]
		$clock
		${3:-}" guest_start 1 xvda=file,direct:/dev/nullb0 && guest_is "$1" 1
}
part_pv() { # WAY TYPE
	step "a $2 guest on xensplitd"
	check "it boots" pv_start "$1" "$2" || return
	check "the jobs" disk_jobs "$1" 1 xvda 200
	cat /tmp/check.out
	check "TCP" net_jobs "$1" 1 vif
	guest_stop 1
}

# Dom0 has two CPUs, the worker one of them for itself; the guest has a third.
part_poll() {
	step "a worker that sleeps, and one that polls, on a CPU of its own"
	check "the worker sleeps when idle" xensplit worker set 0 mode=event
	check "a guest with a CPU of its own" pv_start pv-event pv 'cpus = "2"' || return
	check "the jobs" disk_jobs pv-event 1 xvda 200 rr1 rr32
	cat /tmp/check.out
	check "the worker polls, on a CPU of its own" xensplit worker set 0 mode=always cpus=1
	guest_is pv-poll 1
	check "the jobs, polled" disk_jobs pv-poll 1 xvda 200 rr1 rr32
	cat /tmp/check.out
	guest_stop 1
}

# --- direct ------------------------------------------------------------------------------------------

dom0_nvme() {
	modprobe -q null_blk 2>/dev/null
	while read -r m; do insmod "$images/dom0/$m" 2>/dev/null; done <"$images/dom0/order"
	eventually 20 test -b /dev/nvme0n1
}
# GUEST_ARGS: the driver isn't loaded yet
direct_start() {
	cp "$images/direct.cpio" /tmp/direct.cpio
	cp /images/guest.cpio /tmp/guest.cpio.was
	cat /tmp/guest.cpio.was /tmp/direct.cpio >/images/guest.cpio
	GUEST_ARGS="iommu=soft swiotlb=8192 xsp.without=nvme" GUEST_MEM=256 GUEST_XL="pci = [ '$nvme,permissive=1' ]
		$clock" guest_start 2
	local rc=$?
	mv /tmp/guest.cpio.was /images/guest.cpio
	return $rc
}
direct_drive() { # MODULE...: the driver, anew
	in_guest 2 "rmmod nvme 2>/dev/null; for m in $*; do insmod /modules/\$m.ko || exit; done
		for i in 1 2 3 4 5 6 7 8 9; do [ -b /dev/nvme0n1 ] && exit; sleep 1; done; dmesg | grep -iE 'nvme|pcifront' | tail -n 8; exit 1"
}
direct_interrupts() { # message or line
	if in_guest 2 "grep nvme /proc/interrupts" | grep -q msi-x; then echo message; else echo line; fi
}
# What others can't have while a guest has the device; and what its guest can't do.
direct_alone() {
	[ -b /dev/nvme0n1 ] && fact direct-dom0-has-it yes || fact direct-dom0-has-it no
	sed -e "s/guest2/guest3/" -e "s#^ramdisk = .*#ramdisk = \"/images/guest.cpio\"#" $XSP_WORLD/guest2/xl.cfg >/tmp/second.cfg
	timeout 120 xl create -p /tmp/second.cfg >/tmp/second.log 2>&1
	fact direct-second-guest $? "$(grep -iE 'assigned|assignable' /tmp/second.log | head -n 1 | sed 's/.*libxl_[^ ]*: *//')"
	xl destroy guest3 2>/dev/null
	# to this very machine: the stream goes into a program here
	timeout 120 xl migrate -s '' guest2 'xl migrate-receive' >/tmp/migrate.log 2>&1
	fact direct-migrate $? "$(why_not /tmp/migrate.log)"
	timeout 120 xl save -p guest2 /tmp/saved >/tmp/save.log 2>&1
	fact direct-save $? "$(why_not /tmp/save.log)"
}
direct_restored() { # the saved guest, with the device: is its disk still there?
	[ -s /tmp/saved ] && timeout 120 xl restore /tmp/saved >/tmp/restore.log 2>&1 || { cat /tmp/restore.log; return 1; }
	xl domid guest2 >$XSP_WORLD/guest2/domid
	xenstore-read "/local/domain/$(guest_domid 2)/console/tty" >$XSP_WORLD/guest2/tty
	in_guest 2 "timeout 40 dd if=/dev/nvme0n1 of=/dev/null bs=4k count=1 iflag=direct"
}
why_not() { grep -E 'error' "$1" | head -n 1 | sed -e 's/.*libxl_[^ ]*: *//' -e 's/^xc: error: //'; }
part_direct() {
	step "a device of its own"
	xl dmesg | grep -E 'AMD-Vi|I/O virt' | tail -n 3
	check "Dom0 drives the NVMe" dom0_nvme || return
	echo "dom0-nvme 0 dom0" >>$out/guests
	echo "dom0-nvme-again 0 dom0" >>$out/guests
	check "Dom0: the jobs" disk_jobs dom0-nvme 0 nvme0n1 400
	cat /tmp/check.out
	modprobe xen-pciback
	check "Dom0 gives it away" xl pci-assignable-add $nvme || return
	check "the guest boots with it" direct_start || return
	guest_is direct 2
	guest_is direct-msix 2
	check "the guest's driver finds it" direct_drive nvme &&
		check "the guest: the jobs" disk_jobs direct 2 nvme0n1 400
	cat /tmp/check.out
	fact direct-interrupts "$(direct_interrupts)"
	check "the driver again, with msix-off" direct_drive msix-off nvme &&
		check "the guest: the jobs" disk_jobs direct-msix 2 nvme0n1 400
	cat /tmp/check.out
	fact direct-msix-interrupts "$(direct_interrupts)"
	direct_alone
	check "the guest ends" guest_destroy 2
	direct_restored >/tmp/restored 2>&1
	fact direct-restored $? "$(why_not /tmp/restored)"
	tail -n 5 /tmp/restored
	! guest_domid 2 >/dev/null || guest_destroy 2
	rm -f /tmp/saved
	fact direct-reset-methods "$(cat /sys/bus/pci/devices/0000:$nvme/reset_method)"
	check "it is reset" eval "echo 1 >/sys/bus/pci/devices/0000:$nvme/reset"
	check "Dom0 takes it back" xl pci-assignable-remove -r $nvme
	check "Dom0 uses it again" eventually 20 test -b /dev/nvme0n1 &&
		check "Dom0: the jobs again" disk_jobs dom0-nvme-again 0 nvme0n1 400
	cat /tmp/check.out
}

# --- self-virtualized: the device makes devices of itself ----------------------------------------------

pf=01:00.0 vf=01:00.1
virtual_function() { # its queues and its interrupt are the physical function's to give
	local d=/sys/bus/pci/devices
	echo 0 >$d/0000:$pf/sriov_drivers_autoprobe
	echo 1 >$d/0000:$pf/sriov_numvfs && [ -e $d/0000:$vf ] || return
	echo 1 >$d/0000:$pf/sriov_drivers_autoprobe # for pciback
	"$images/virtual-function" /dev/nvme0 1 2 1 # one interrupt: Xen keeps the table's size of before
}
sriov_why() { # what the guest's kernel says of the device
	in_guest 2 "grep nvme /proc/interrupts; dmesg | grep -iE 'nvme|pcifront|pci 0' | tail -n 20" >/tmp/why
	guest_log 2 >>/tmp/why
	cat /tmp/why >&2
	xl dmesg | grep -E 'AMD-Vi|IO_PAGE' | tail -n 5 >&2
	grep -E '^\[.*nvme|,nvme|;nvme' /tmp/why | tail -n 1 | sed 's/^.*[];] *//'
}
vf_state() { cat /sys/bus/pci/devices/0000:$vf/nvme/nvme*/state 2>/dev/null; }
vf_in_dom0() { # does it work at all?
	local d=/sys/bus/pci/devices/0000:$vf rc
	echo nvme >$d/driver_override
	echo 0000:$vf >/sys/bus/pci/drivers/nvme/bind
	eventually 200 eval '[ "$(vf_state)" = live ] || [ ! -e '$d'/driver ]'
	[ "$(vf_state)" = live ]
	rc=$?
	dmesg | grep "0000:$vf" | tail -n 4
	[ ! -e $d/driver ] || echo 0000:$vf >/sys/bus/pci/drivers/nvme/unbind
	echo >$d/driver_override
	return $rc
}
part_sriov() {
	step "a device that makes devices of itself"
	check "Dom0 drives the NVMe" dom0_nvme || { blocked sriov "Dom0 can't drive an NVMe with SR-IOV"; return; }
	check "it makes a virtual function" virtual_function || {
		blocked sriov "the virtual function can't be made: $(tail -n 1 /tmp/check.out)"
		return
	}
	check "Dom0 drives it" vf_in_dom0 || {
		blocked sriov "Dom0 can't drive the virtual function: $(grep "0000:$vf" /tmp/check.out | tail -n 1 | sed 's/^[^]]*\] *//')"
		return
	}
	modprobe xen-pciback
	nvme=$vf
	check "Dom0 gives it away" xl pci-assignable-add $vf || {
		blocked sriov "the virtual function can't be given away: $(tail -n 1 /tmp/check.out)"
		return
	}
	check "a guest boots with it" direct_start || {
		blocked sriov "no guest starts with the virtual function"
		return
	}
	guest_is sriov 2
	echo "sriov-dom0 0 dom0" >>$out/guests
	# the stock kernel's driver hangs: no second set-up of MSI-X, and a virtual function has no line interrupt
	check "the guest's driver finds it, with msix-off" direct_drive msix-off nvme || {
		fact sriov-mended-driver "$(sriov_why)"
		blocked sriov "the guest's driver fails: $(sriov_why)"
		return
	}
	fact sriov-interrupts "$(direct_interrupts)"
	check "the guest: the jobs" disk_jobs sriov 2 nvme0n1 100 rr1 rr32 || return
	cat /tmp/check.out
	in_guest 2 "$(job rr32 nvme0n1 1000)" >/tmp/beside &
	check "Dom0 on the physical function meanwhile: the jobs" disk_jobs sriov-dom0 0 nvme0n1 100 rr32
	cat /tmp/check.out
	wait $!
	[ -s /tmp/beside ] && fact sriov-both yes || fact sriov-both no
	guest_destroy 2
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
