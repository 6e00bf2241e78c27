#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two stock guests of a real Xen on the daemon's own cable: one copy from guest to guest, and a daemon
# killed under TCP. The steps are in dom0-cable.sh.
# takes: 90
# timeout: 400
set -eu
cd "$(dirname "$0")"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-360} exec ./rig.sh run dom0-cable.sh "$@"
