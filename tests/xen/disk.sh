# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A disk as its guest sees it, on real Xen: stock Linux's block device (see tests/scenario/block.sh).
# Each is one command in the guest: a way through its console costs more than the disk's work.
IMG=${IMG:-/root}

# Hot-plugged disks appear and go a little later.
_when() { echo "for i in 1 2 3 4 5 6 7 8 9 10; do [ $1 /dev/$2 ] && break; sleep 0.5; done; [ $1 /dev/$2 ] || exit 1;"; }
_unit() { if [ $((($1 | $2) % 65536)) = 0 ]; then echo 65536; else echo 4096; fi; }

disk_size() { in_guest "$1" "$(_when -b "$2") blockdev --getsize64 /dev/$2"; }
disk_put() {
	local u
	u=$(_unit "$3" "$4")
	# as `yes SEED | head -c LEN`, whose short writes take an emulated guest minutes
	in_guest "$1" "$(_when -b "$2") echo $5 >/tmp/put
		while [ \$(stat -c %s /tmp/put) -lt $4 ]; do cat /tmp/put /tmp/put >/tmp/more; mv /tmp/more /tmp/put; done
		truncate -s $4 /tmp/put
		dd if=/tmp/put of=/dev/$2 bs=$u seek=$(($3 / u)) oflag=direct conv=fsync"
}
disk_sum() {
	local u
	u=$(_unit "$3" "$4")
	in_guest "$1" "$(_when -b "$2") dd if=/dev/$2 bs=$u skip=$(($3 / u)) count=$(($4 / u)) iflag=direct 2>/dev/null |
		sha256sum | cut -c1-16"
}
disk_verify() {
	in_guest "$1" "$(_when -b "$2") fio --name=v --filename=/dev/$2 --rw=randrw --bsrange=4k-64k --offset=$3 --size=$4 \
		--direct=1 --ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --randrepeat=0 --verify_state_save=0"
}
disk_gone() { in_guest "$1" "$(_when '! -e' "$2")"; }
