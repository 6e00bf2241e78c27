#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Real Xen against what the lab claims to be: the platform's semantics (tests/world), our userspace
# frontend in a real guest, and the xensplit command in a real Dom0. One boot; see dom0-user.sh.
# timeout: 900
set -eu
cd "$(dirname "$0")"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-840} exec ./rig.sh run dom0-user.sh
