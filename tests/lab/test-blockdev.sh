#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Block devices behind file:, with sectors of 512 and of 4096 bytes, and holes in sparse files: what is
# discarded goes back to where it came from.
# timeout: 60
# configs: release asan
loops() { for l in "$T"/loop.*; do [ -e "$l" ] && losetup -d "$(cat "$l")"; done; }
if [ -z "${FAULTS_INSIDE:-}" ]; then # outside the lab, where loop devices are made
	command -v losetup >/dev/null || { echo "no losetup: install util-linux (mount)"; exit 77; }
	for s in 512 4096; do
		truncate -s 64M "$T/disk.$s"
		losetup -f --show --sector-size $s "$T/disk.$s" >"$T/loop.$s" 2>/dev/null || {
			rm -f "$T/loop.$s"
			loops
			echo "no loop device with sectors of $s bytes can be made here"
			exit 77
		}
	done
	trap loops EXIT
	"$B/bin/xensplit" lab up --dir "$T/lab" --no-daemon --guests 1 || exit 1
	trap 'loops; "$B/bin/xensplit" lab down --dir "$T/lab" >/dev/null' EXIT
	"$B/bin/xensplit" lab run --dir "$T/lab" 0 -- env FAULTS_INSIDE=1 bash "$0" "$@"
	exit $?
fi
. "${0%/*}/faults.sh"

vbd() { guest 1 timeout 60 "$B/bin/xensplit-vbd" "$@"; }
be() { xenstore-read "/local/domain/0/backend/vbd/1/51712/$1" 2>/dev/null; }
blocks_kib() { du -k "$1" | cut -f 1; }
head -c 16M /dev/urandom >"$T/data"
daemon_start

# FILE SPEC SECTOR-SIZE: load, then write, read back, discard, and see the space given back in FILE
try() {
	local full
	attach_wait 1 "$2" || { be xensplit-error; return; }
	check "$2: verified load" vbd verify xvda --size 16M --time 0.5 --flush-every 64 --quiet
	check "$2: sectors of $3 bytes" [ "$(be sector-size)" = "$3" ]
	check "$2: 64 MiB" [ "$(($(be sectors) * 512 >> 20))" = 64 ]
	check "$2: discard is offered, in units of $(be discard-granularity)" [ "$(be feature-discard)" = 1 ]
	vbd write xvda 32M <"$T/data" || wrong "$2: write"
	vbd read xvda 32M 16M 2>/dev/null | cmp - "$T/data" || wrong "$2: data differs"
	full=$(blocks_kib "$1")
	vbd discard xvda 32M 16M || wrong "$2: discard"
	check "$2: a discard gives back $(((full - $(blocks_kib "$1")) >> 10)) of 16 MiB" \
		[ $((full - $(blocks_kib "$1"))) -ge 16000 ]
	vbd read xvda 32M 16M 2>/dev/null | cmp -n 16777216 - /dev/zero || wrong "$2: not zeros"
	vbd discard xvda 49152 4096 || wrong "$2: a small discard"
	detach 1 || wrong "$2: detach"
}
truncate -s 64M "$T/sparse"
try "$T/sparse" "file:$T/sparse" 512
for s in 512 4096; do
	l=$(cat "$T/loop.$s")
	[ -w "$l" ] || { echo "the lab can't write $l"; exit 77; }
	try "$T/disk.$s" "file,direct:$l" $s
	try "$T/disk.$s" "file:$l" 512
done
# A discard of less than a block of a 4Kn device under the page cache is a hint, no error.
attach_wait 1 "file:$(cat "$T/loop.4096")"
check "a discard of less than a block" vbd discard xvda 512 1024
detach 1 || wrong "detach"
close
