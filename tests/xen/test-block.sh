#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Our xensplitd in Dom0 of a real Xen, stock Linux xen-blkfront in the guests: everything that the
# block path must show, in one boot. The steps are in dom0-block.sh.
# takes: 300
# timeout: 1200
set -eu
cd "$(dirname "$0")"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-1140} exec ./rig.sh run dom0-block.sh "$(sha256sum <"$B/bin/xensplitd" | cut -d' ' -f1)"
