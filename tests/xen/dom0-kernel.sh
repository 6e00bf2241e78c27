#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see kernel.sh): dom0-module-life.sh, dom0-netmodule.sh or dom0-checked.sh with guests of another kernel.
#   dom0-kernel.sh newest|checked disk|nic|both ARGS...
export MODULES=$B/guest/$1
export GUEST_KERNEL=$MODULES/vmlinux
export GUEST_MEM=256
[ "$1" != checked ] || export GUEST_TYPE=pvh GUEST_MEM=384 GUEST_BOOT_TIMEOUT=900
case $2 in nic) script=dom0-netmodule.sh ;; both) script=dom0-checked.sh ;; *) script=dom0-module-life.sh ;; esac
shift 2
exec "/src/tests/xen/$script" "$@"
