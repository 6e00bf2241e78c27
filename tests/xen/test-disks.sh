#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Kinds of disks and what happens to them in a guest's life, with stock xen-blkfront on real Xen: the
# steps are in dom0-disks.sh.
# takes: 110
# timeout: 900
set -eu
cd "$(dirname "$0")"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-840} exec ./rig.sh run dom0-disks.sh
