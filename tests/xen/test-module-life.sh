#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The life of xensplit-blk.ko in guests of a real Xen: backends that lie, polled queues, a size that
# changes, loading and unloading, save and restore. The steps are in dom0-module-life.sh.
#   test-module-life.sh [RELOADS [SAVES [STEPS]]]     (8 2; 100 10 is the long one)
# takes: 210
# timeout: 900
set -eu
cd "$(dirname "$0")"
ko=$(../../frontend/linux/build.sh | grep /xensplit-blk)
mkdir -p "$B/guest"
strip --strip-debug -o "$B/guest/${ko##*/}" "$ko"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-860} exec ./rig.sh run dom0-module-life.sh "$@"
