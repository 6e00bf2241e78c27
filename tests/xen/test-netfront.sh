#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# xensplit-vif in a guest of a real Xen. The steps are in dom0-netfront.sh.
# takes: 90
# timeout: 600
set -eu
cd "$(dirname "$0")"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-540} exec ./rig.sh run dom0-netfront.sh
