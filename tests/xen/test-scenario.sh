#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The scenarios on real Xen with stock Linux guests: the transcript must be the one that the lab
# gave too (tests/lab/test-scenario.sh), to the letter.
# takes: 95
# timeout: 600
set -eu
cd "$(dirname "$0")"
XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-560} exec ./rig.sh run dom0-scenario.sh
