#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A driver domain: xensplitd in an unprivileged guest serves another guest's disk. The steps are in
# dom0-driver.sh.
# takes: 70
# timeout: 600
set -eu
cd "$(dirname "$0")"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-540} exec ./rig.sh run dom0-driver.sh
