#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Coverage-guided fuzzing of everything that reads what a guest, a backend or a client wrote.
# timeout: 1200
#
#   tests/run.sh tests/fuzz/test-fuzz.sh                 the CI dose: a minute for each
#                                                        ring format, a few seconds for the rest
#   FUZZ_SECONDS=3600 tests/fuzz/test-fuzz.sh            the full dose: an hour each, two at a time
#   FUZZ_SECONDS=600 tests/fuzz/test-fuzz.sh ring vbd    these only
#
# Inputs that reach new code are kept in build/fuzz/corpus and are where the next run starts.
# A finding is left in build/fuzz/NAME-crash-...; run build/fuzz/NAME on it to see it again.
set -eu
cd "$(dirname "$0")/../.."
out=build/fuzz
cc=$(command -v clang-14 || command -v clang) || { echo "no clang: apt install clang-14 libclang-rt-14-dev"; exit 77; }
mkdir -p $out

log="common/log.c"
declare -A src=(
	[ring]="ring/blkif.c ring/dialect.c backend/blk/request.c"
	[front]="frontend/core/blkfront.c frontend/core/blkkeys.c ring/blkif.c ring/dialect.c"
	[netfront]="frontend/core/netfront_tx.c frontend/core/netfront_rx.c frontend/core/netkeys.c
		ring/netif.c"
	[rpc]="tests/made_up.c backend/rpc.c backend/methods.c backend/vif_methods.c
		backend/methods_worker.c backend/methods_resize.c backend/polling.c
		backend/metrics.c common/suggest.c common/devname.c common/hist.c common/utf8.c
		common/xenbus/fsm.c $log"
	[target]="backend/target/target.c backend/target/file.c backend/target/null.c
		backend/target/delay.c backend/target/error.c backend/target/mem.c
		backend/target/log.c backend/target/aside.c backend/target/sectors.c
		backend/target/nbd_spec.c backend/target/rbd_spec.c backend/target/empty.c
		common/suggest.c common/mailbox.c $log"
	[pages]="backend/blk/pages.c"
	[headers]="common/net/headers.c"
	[netback]="backend/net/tx.c backend/net/rx.c ring/netif.c"
	[recover]="backend/net/recover.c backend/net/tx.c backend/net/rx.c ring/netif.c"
	[fsm]="common/xenbus/fsm.c"
	[vbd]="backend/device.c backend/device_keys.c backend/front_keys.c backend/vbd.c
		backend/vbd_keys.c backend/vbd_journal.c backend/vbd_medium.c backend/vbd_limits.c
		backend/blk/bucket.c backend/target/empty.c ring/dialect.c common/store.c
		common/pace.c common/mailbox.c common/xenbus/fsm.c $log"
)
declare -A flags=([target]="-Dopen=fuzz_open" [vbd]="-Dnanosleep=fuzz_nanosleep")
declare -A libs=([rpc]="-ljson-c" [target]="-luring")

build() { # NAME
	local f
	if [ -x "$out/$1" ] && [ -z "$(find ring common backend frontend tests/fuzz -name '*.[ch]' -newer "$out/$1" -print -quit)" ]; then
		return
	fi
	# shellcheck disable=SC2086 # lists of words
	for f in ${src[$1]}; do
		set -- "$1" "${@:2}" "$f"
	done
	# shellcheck disable=SC2086
	$cc -g -O1 -std=gnu11 -pthread -D_GNU_SOURCE -DXSP_VERSION='"fuzz"' -I. -Iring/env/user ${flags[$1]:-} \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
		-o "$out/$1" "tests/fuzz/fuzz_$1.c" "${@:2}" ${libs[$1]:-}
}

dose() { # NAME: seconds
	case $1 in
	ring | netback | netfront) echo "${FUZZ_SECONDS:-60}" ;;
	*) echo "${FUZZ_SECONDS:-5}" ;;
	esac
}

fuzz() { # NAME
	local corpus=$out/corpus/$1 seconds
	seconds=$(dose "$1")
	mkdir -p "$corpus"
	"$out/$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 \
		-artifact_prefix="$out/$1-" -close_fd_mask=3 "$corpus" "tests/fuzz/corpus/$1" >"$out/$1.log" 2>&1
}

report() { # NAME PID
	local execs cov seconds
	seconds=$(dose "$1")
	if ! wait "$2"; then
		failed=1
		echo "FAIL $1: $out/$1.log"
		grep -aE 'SUMMARY|ERROR|artifact|Test unit written' "$out/$1.log" || tail -n 20 "$out/$1.log"
		grep -aE '^ +#[0-9]' "$out/$1.log" | head -n 12 || true
		return
	fi
	execs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$1.log")
	cov=$(grep -ao 'cov: [0-9]*' "$out/$1.log" | tail -n 1)
	echo "ok   $1: $execs executions in $seconds s, ${cov:-cov: ?} edges"
	[ "${execs:-0}" -gt 100 ] || { failed=1; echo "FAIL $1: that is no fuzzing"; }
	echo "$(date -Is) $(git rev-parse --short HEAD 2>/dev/null) $1 seconds=$seconds executions=$execs ${cov:-}" >>$out/runs.log
}

failed=0
[ $# -gt 0 ] || set -- ring netfront netback recover pages front rpc target fsm vbd headers
for n; do build "$n"; done
while [ $# -gt 0 ]; do # two at a time
	fuzz "$1" & a=$!
	b=
	if [ $# -gt 1 ]; then
		fuzz "$2" & b=$!
	fi
	report "$1" $a
	[ -z "$b" ] || report "$2" $b
	shift $(($# > 1 ? 2 : 1))
done
exit $failed
