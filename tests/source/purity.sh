#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Floors 0 and 1 do no I/O: their objects need no symbol but those of core-symbols.allow and each
# other's.
set -eu
cd "$TOP"
objs=$(ls "$B"/ring/*.o "$B"/frontend/core/*.o "$B"/common/xenbus/fsm.o)
allowed=$( (grep -v '^#' tests/core-symbols.allow; nm -g --defined-only $objs | awk 'NF == 3 { print $3 }') | sort -u)
needed=$(nm -u $objs | awk '$1 == "U" { print $2 }' | sort -u)
extra=$(comm -13 <(echo "$allowed") <(echo "$needed"))
[ -z "$extra" ] || { echo "not pure: $extra"; exit 1; }
echo "$(echo "$objs" | wc -l) objects need $(comm -12 <(echo "$needed") <(grep -v '^#' tests/core-symbols.allow | sort) | xargs)"
