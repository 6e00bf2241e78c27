#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# xensplit-blk.ko in guests of a real Xen, instead of xen-blkfront. The steps are in dom0-module.sh.
# takes: 240
# timeout: 900
set -eu
cd "$(dirname "$0")"
ko=$(../../frontend/linux/build.sh | grep /xensplit-blk)
# unpacked in memory by the guests: without debug information
mkdir -p "$B/guest"
strip --strip-debug -o "$B/guest/${ko##*/}" "$ko"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-860} exec ./rig.sh run dom0-module.sh "$@"
