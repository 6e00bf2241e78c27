#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs tests and closes with "N passed, N failed".
#
#   tests/run.sh check          source checks, unit tests, quick lab tests (a minute)
#   tests/run.sh all            everything, sanitizers, fuzz doses and real Xen included
#   tests/run.sh FILE...        these tests only
#
# A test is an executable; it passes with exit 0, exit 77 means "can't run here" (its last line says
# why). It gets: B (absolute build directory), TOP (the checkout), T (its own empty directory).
# A line "# quick" near its top puts a lab test into `check`; "# timeout: N" gives it N seconds
# instead of 60; "# configs: release asan tsan" runs it once per build. Output is kept in
# build/test-logs and shown when a test fails.
set -u
cd "$(dirname "$0")/.."
export TOP=$PWD
logs=$TOP/build/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0 failures=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	red=$'\e[31m' green=$'\e[32m' dim=$'\e[2m' off=$'\e[0m'
else
	red= green= dim= off=
fi

header() { sed -n "1,20s/^# $1: *//p" "$2" 2>/dev/null | head -n 1; }

run_one() { # NAME CONFIG COMMAND...
	local name=$1 config=$2 limit log rc start
	shift 2
	log=$logs/$(echo "$name" | tr '/ ' '__').log
	limit=$(case $1 in *.sh | *.py) header timeout "$1" ;; esac)
	T=$(mktemp -d "${TMPDIR:-/tmp}/xsp.XXXXXX")
	start=$SECONDS
	B=$TOP/build/$config T=$T timeout -k 10 "${limit:-60}" "$@" >"$log" 2>&1 </dev/null
	rc=$?
	rm -rf "$T"
	case $rc in
	0) passed=$((passed + 1)); echo "${green}ok${off}    $name ${dim}$((SECONDS - start)) s${off}" ;;
	77) skipped=$((skipped + 1)); echo "skip  $name: $(tail -n 1 "$log")" ;;
	*)
		failed=$((failed + 1)) failures="$failures $name"
		[ $rc = 124 ] && echo "(stopped after ${limit:-60} s)" >>"$log"
		# in one piece: another lane may print, too
		printf '%s\n' "${red}FAIL${off}  $name (exit $rc)
$(tail -n 40 "$log" | sed 's/^/      | /')"
		;;
	esac
}

build() { # CONFIG TARGETS...
	local config=$1
	shift
	echo "== build CONFIG=$config"
	make --no-print-directory -s -j"$(nproc)" CONFIG="$config" WERROR=1 "$@" >"$logs/build-$config.log" 2>&1 && return
	failed=$((failed + 1)) failures="$failures build-$config"
	tail -n 40 "$logs/build-$config.log"
	close
}

script() { # a test file, once for each of its configs
	local f=$1 c
	for c in $(header configs "$f" | grep . || echo release); do
		case " ${CONFIGS:-release} " in *" $c "*) run_one "${f#tests/}${c:+ [$c]}" "$c" "./$f" ;; esac
	done
}

# Real Xen is an emulator that keeps one processor busy, while the other tests mostly wait: with two
# processors they run side by side, and who is done with his own takes of the other's. LANES=1: one
# after the other.
xen() { # the tests on real Xen that nobody has begun
	local f
	for f in tests/xen/test-*.sh; do
		mkdir "$logs/begun/${f##*/}" 2>/dev/null && script "$f"
	done
}
beside() { # in the background; join waits for it
	(
		passed=0 failed=0 skipped=0 failures=
		xen
		echo "$passed $failed $skipped $failures" >"$logs/lane"
	) &
	lane=$!
	trap 'pkill -TERM -P $lane; kill $lane; exit 130' INT TERM
}
join() {
	local p=0 f=1 s=0 names="the lane of real Xen"
	wait "$lane"
	[ ! -e "$logs/lane" ] || read -r p f s names <"$logs/lane"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	failures="$failures${names:+ $names}"
	lane=
}

units() { # CONFIG
	local u
	for u in build/"$1"/unit/*; do
		case $u in *.d | *'*') ;; *) run_one "unit/${u##*/} [$1]" "$1" "$u" ;; esac
	done
}

close() {
	[ -z "${lane:-}" ] || { pkill -TERM -P "$lane"; kill "$lane"; } # a build failed
	[ -z "$failures" ] || echo "failed:$failures (logs: build/test-logs)"
	echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
	exit $((failed > 0))
}

case ${1:-check} in
check)
	build release all units
	for f in tests/source/*.sh; do script "$f"; done
	units release
	for f in tests/lab/test-*.sh; do
		sed -n 1,20p "$f" | grep -q '^# quick' && script "$f"
	done
	;;
all)
	build release all units
	for f in tests/source/*.sh; do script "$f"; done
	units release
	rm -rf "$logs/lane" "$logs/begun"
	mkdir "$logs/begun"
	[ "${LANES:-$(nproc)}" -lt 2 ] || beside
	for c in asan tsan; do
		build $c all units
		units $c
	done
	CONFIGS="release asan tsan"
	for f in tests/lab/test-*.sh tests/fuzz/test-*.sh; do script "$f"; done
	xen
	[ -z "${lane:-}" ] || join
	;;
*)
	CONFIGS=${CONFIGS:-release}
	for c in $CONFIGS; do build "$c" all units; done
	for f; do
		case $f in
		*.sh | *.py) script "$f" ;;
		*) for c in $CONFIGS; do run_one "$f [$c]" "$c" "./$f"; done ;;
		esac
	done
	;;
esac
close
