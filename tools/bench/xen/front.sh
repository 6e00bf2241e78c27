# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A frontend's turn on the device that it shares with others, in a guest that stays up (dom0-fronts.sh,
# dom0-fronts-net.sh), to be sourced in Dom0. Who sources it defines
#   front_jobs NAME JOB...     the jobs, once the frontend is loaded
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
. /src/tools/bench/xen/jobs.sh

front() { # NAME MODULE COMMAND JOB...: COMMAND loads the MODULE
	local name=$1 module=$2 load=$3
	shift 3
	step "$name"
	check "loaded" in_guest 1 "$load"
	check "the jobs" front_jobs "$name" "$@"
	cat /tmp/check.out
	check "unloaded" in_guest 1 "cd /sys/bus/xen/drivers; for d in */vbd-* */vif-*; do
		[ ! -e \$d ] || echo \${d##*/} >\${d%/*}/unbind; done; rmmod $module"
}
