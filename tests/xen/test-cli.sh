#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# xensplit on real Xen: doctor, attach, list, stat, ring, show, detach with a stock Linux guest at the
# other end. The steps are in dom0-cli.sh.
# takes: 95
# timeout: 900
set -eu
cd "$(dirname "$0")"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-840} exec ./rig.sh run dom0-cli.sh
