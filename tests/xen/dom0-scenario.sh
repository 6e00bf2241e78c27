#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-scenario.sh): the scenarios, their transcripts into /out.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/disk.sh
for f in /src/tests/scenario/*.sh; do
	name=$(basename "$f" .sh)
	world_up || exit 1
	( . "$f" ) >"/out/$name.txt" 2>"/out/$name.err"
	world_down
	sed "s/^/$name| /" "/out/$name.txt"
	sed "s/^/$name stderr| /" "/out/$name.err"
	diff -u "/src/tests/scenario/$name.txt" "/out/$name.txt" || { tail -n 60 "$XSP_DAEMON_LOG"; exit 1; }
done
