#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see kernel.sh): dom0-module-life.sh or dom0-netmodule.sh with guests of another kernel.
#   dom0-kernel.sh newest|checked disk|nic ARGS...
export MODULES=$B/guest/$1
export GUEST_KERNEL=$MODULES/vmlinux
export GUEST_MEM=256
[ "$1" != checked ] || export GUEST_TYPE=pvh GUEST_MEM=384
[ "$2" = nic ] && script=dom0-netmodule.sh || script=dom0-module-life.sh
shift 2
exec "/src/tests/xen/$script" "$@"
