#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The wire structs of 32-bit guests equal Xen's header compiled for 32 bit; and floors 0 and 1
# compile with nothing but an env.h, which is what a kernel or a unikernel has.
set -eu
cd "$TOP"
cc="gcc -std=gnu11 -m32 -ffreestanding -fsyntax-only -Wall -Wextra -Werror -I. -Itests/wire32"
for f in tests/wire32/wire32.c ring/*.c frontend/core/*.c common/xenbus/fsm.c; do
	$cc "$f"
done
