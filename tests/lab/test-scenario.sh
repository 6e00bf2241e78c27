#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The scenarios in the lab; the transcripts are kept for the comparison with real Xen's.
# quick
# configs: release asan
# timeout: 480
set -eu
. "$TOP/tests/lab/world.sh"
trap 'world_down' EXIT
transcripts=$TOP/build/transcripts
mkdir -p "$transcripts"

for f in "$TOP"/tests/scenario/*.sh; do
	name=$(basename "$f" .sh)
	world_up
	(set +e; . "$f") >"$T/$name.txt" 2>"$T/$name.err" || true
	world_down
	cat "$T/$name.txt"
	sed 's/^/stderr: /' "$T/$name.err"
	diff -u "$TOP/tests/scenario/$name.txt" "$T/$name.txt" || { tail -n 60 "$T"/lab*/xensplitd.log 2>/dev/null; exit 1; }
	cp "$T/$name.txt" "$transcripts/lab-$name.txt"
done
