#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# xensplit-net.ko in guests of a real Xen, instead of xen-netfront. The steps are in dom0-netmodule.sh.
#   test-netmodule.sh [SAVES [STEPS]]     (2; 10 is the long one)
# takes: 190
# timeout: 600
set -eu
cd "$(dirname "$0")"
ko=$(../../frontend/linux/build.sh | grep /xensplit-net)
# unpacked in memory by the guests: without debug information
mkdir -p "$B/guest"
strip --strip-debug -o "$B/guest/${ko##*/}" "$ko"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-560} exec ./rig.sh run dom0-netmodule.sh "$@"
