#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A hostile guest with indirect requests, barriers and pages kept mapped, beside a good one: the daemon
# lives, the good guest sees no error, the attacked disk works again, no page stays mapped.
# timeout: 180
# configs: release asan
. "${0%/*}/faults.sh"

dose=${FAULTS_DOSE:-100}
case $B in *asan) dose=${FAULTS_DOSE:-40} ;; esac
evil() { guest 1 timeout 60 "$B/bin/xsp-evil" --dose "$dose" "${@:1:$#-1}" 51712 "${@: -1}"; }

daemon_start
attach_wait 1 "$(image evil.img)" || fatal "the hostile guest's disk"
attach_wait 2 "$(image good.img)" || fatal "the good guest's disk"
mapped_before=$(lab_number pages_mapped 1)
good_begin 2 1
for a in descriptors barriers grants-cycle grants-flaky; do
	for how in "" --persistent; do
		detach 1 && attach_wait 1 "file:$T/evil.img" || fatal "$a: the disk can't be attached"
		check "$a $how" evil $how "$a"
		alive || fatal "$a $how: the daemon is dead"
	done
done
good_end 2 "during all of this"
detach 1
mapped=$(lab_number pages_mapped 1)
check "pages of the guest mapped: $mapped_before before, $mapped now" [ "$mapped" -le "$mapped_before" ]
close
