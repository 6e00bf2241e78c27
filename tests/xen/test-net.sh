#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Our xensplitd in Dom0 of a real Xen, stock Linux xen-netfront in the guests, Xen's own vif-bridge, in
# one boot. The steps are in dom0-net.sh.
# takes: 250
# timeout: 900
set -eu
cd "$(dirname "$0")"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-840} exec ./rig.sh run dom0-net.sh
