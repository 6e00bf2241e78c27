#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The guest's kernel modules compile without a warning (W=1) against this machine's kernel headers,
# from the very files that the userspace frontend is made of, and the kernel has to supply no more to
# these than core-symbols.allow says (kernel names of the same things are in kernel-symbols.allow).
# Then the same against the newest kernel headers that apt has (frontend/linux/headers.sh).
# timeout: 900
set -eu
cd "$TOP"
ls -d /lib/modules/*/build >/dev/null 2>&1 || { echo "no kernel headers here"; exit 77; }
kos=$(W=1 WERROR=1 frontend/linux/build.sh modules) || { echo "$kos"; exit 1; }
k=${kos%%$'\n'*}
k=${k%/*}

# every source that is not the module's own is the product's file, unchanged
# shellcheck disable=SC2046
ls $(grep -v '^#' frontend/linux/sources.txt) | while read -r f; do
	[ "$(sha256sum <"$f")" = "$(sha256sum <"$k/$f")" ] || { echo "not the same: $f"; exit 1; }
done
[ -e "$k/frontend/core/blkfront.c" ] && [ ! -L "$k/frontend/core/blkfront.c" ]

# the core's objects, with those of the other floors that they need
blk="$k/frontend/core/blkfront.o $k/frontend/core/blkkeys.o $k/ring/blkif.o $k/ring/dialect.o
	$k/frontend/linux/blk/both-fsm.o"
net="$k/frontend/core/netfront_tx.o $k/frontend/core/netfront_rx.o $k/frontend/core/netfront_ctrl.o $k/frontend/core/netkeys.o $k/ring/netif.o
	$k/frontend/linux/net/both-fsm.o"
version=$(sed -n 's/^VERSION *:= *//p' Makefile)

judge() { # NAME OBJECTS
	local ko=$k/xensplit-$1.ko allowed needed extra undocumented p
	# shellcheck disable=SC2086
	allowed=$( (cat tests/core-symbols.allow tests/kernel-symbols.allow | grep -v '^#'
		nm -g --defined-only $2 | awk 'NF == 3 { print $3 }') | sort -u)
	# shellcheck disable=SC2086
	needed=$(nm -u $2 | awk '$1 == "U" { print $2 }' | sort -u)
	extra=$(comm -13 <(echo "$allowed") <(echo "$needed"))
	[ -z "$extra" ] || { echo "the core needs more of the kernel: $extra"; exit 1; }
	[ "$(modinfo -F version "$ko")" = "$version" ]
	modinfo -F license "$ko" | grep -qx 'Dual MIT/GPL'
	undocumented=$(modinfo -F parm "$ko" | awk -F: '$2 == "" { print $1 }')
	[ -z "$undocumented" ] || { echo "parameters without a word: $undocumented"; exit 1; }
	for p in $(modinfo -F parm "$ko" | cut -d: -f1); do
		grep -q "\`$p\`" docs/modules.md || { echo "docs/modules.md lacks $p"; exit 1; }
	done
	grep -q "\"xensplit-$1\"" frontend/linux/dkms.conf || { echo "dkms.conf lacks ${ko##*/}"; exit 1; }
	echo "${ko##*/} for ${k##*/}: core needs $(echo "$needed" | wc -l) names, W=1 clean"
}
judge blk "$blk"
judge net "$net"
if kdir=$(frontend/linux/headers.sh); then
	KDIR=$kdir W=1 WERROR=1 frontend/linux/build.sh modules
else
	echo "no newer headers to be had: not compiled against them"
fi
