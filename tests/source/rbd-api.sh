#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# backend/target/rbd_api.h declares Ceph's functions as Ceph's headers do.
set -eu
cd "$TOP"
[ -e /usr/include/rbd/librbd.h ] || { echo "no librbd.h: install librbd-dev"; exit 77; }
out=$(mktemp)
trap 'rm -f "$out"' EXIT
"${CC:-gcc}" -std=gnu11 -Wall -Werror -fsyntax-only -I. -x c - <<'C' >"$out" 2>&1 || { cat "$out"; exit 1; }
#include <rbd/librbd.h>
#include "backend/target/rbd_api.h"
#define SAME(name, result, params) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(name), result params), #name);
XSP_RBD_API(SAME)
C
