#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see kernel.sh): dom0-module-life.sh with guests of another kernel.
#   dom0-kernel.sh newest ARGS...
export MODULES=$B/guest/$1
export GUEST_KERNEL=$MODULES/vmlinux
export GUEST_MEM=256
shift
exec /src/tests/xen/dom0-module-life.sh "$@"
