#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# file: past the page cache, on a file and, where a loop device can be had, on a block device; also through
# registered buffers, as a paravirtualized Dom0 does it.
set -u
export PATH=$B/bin:$PATH XENSPLIT_LAB=$T/lab
dd if=/dev/zero of="$T/a.img" bs=4096 count=1 oflag=direct 2>/dev/null || { echo "no O_DIRECT in $T"; exit 77; }
truncate -s 32M "$T/a.img" "$T/b.img"
truncate -s 32M "$T/c.img"
loop=
trap 'xensplit lab down >/dev/null; [ -z "$loop" ] || losetup -d "$loop"' EXIT
xensplit lab up --guests 4 || exit 1
verify() { # GUEST TARGET
	xensplit lab run 0 -- xensplit attach "$1" "$2" xvda || return
	for io in "4K --qd 32" "128K --qd 8"; do
		# shellcheck disable=SC2086
		timeout 30 xensplit lab run "$1" -- xensplit-vbd verify xvda --bs $io --time 1 --quiet || return
	done
}
verify 1 "file,direct:$T/a.img" || exit 1
verify 3 "file,direct,copy:$T/c.img" || exit 1
pinned=$(awk '/^VmPin/ { print $2 }' "/proc/$(pgrep -f "xensplitd --socket $T/lab/" | head -n 1)/status")
[ "$pinned" -ge 4096 ] || { echo "only $pinned KiB are registered"; exit 1; }
if loop=$(losetup -f --show "$T/b.img" 2>/dev/null); then
	verify 2 "file,direct:$loop" && xensplit lab run 0 -- xensplit detach 2:xvda || exit 1
	# requests larger than the device takes at once
	echo 60 >"/sys/block/${loop##*/}/queue/max_sectors_kb" && verify 4 "file,direct,copy:$loop" || exit 1
else
	loop= && echo "no loop device here: the block device was left out"
fi
