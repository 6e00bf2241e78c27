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
# instead of 120; "# configs: release asan tsan" runs it once per build; "# takes: N" (seconds) lets the
# long ones on real Xen begin first. Output is kept in build/test-logs and shown when a test fails.
set -u
cd "$(dirname "$0")/.."
export TOP=$PWD
logs=$TOP/build/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0 failures= again= second= whole=
rm -f "$logs/late"
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	red=$'\e[31m' green=$'\e[32m' dim=$'\e[2m' off=$'\e[0m'
else
	red= green= dim= off=
fi

header() { sed -n "1,20s/^# $1: *//p" "$2" 2>/dev/null | head -n 1; }

told() { # HOW WHAT: and the end of $log, in one piece: another lane may print, too
	printf '%s\n' "$1 $2
$(tail -n 40 "$log" | sed 's/^/      | /')"
}

# What a test's processes do shortly before it is stopped: for who asks why it stood still.
before_the_end() { # SECONDS LOG
	local p
	sleep $(($1 > 20 ? $1 - 8 : $1 - 2)) || return 0 # it has ended
	echo "(its processes shortly before its end: pid, state, where it waits, cpu, command, system call)"
	for p in /proc/[0-9]*; do
		tr '\0' '\n' <"$p/environ" | grep -qx "T=$T" || continue
		echo "$(ps -ho pid,stat,wchan:20,time,args -p "${p#/proc/}") [$(cat "$p/syscall")]"
	done 2>/dev/null | sed 's/^\(.\{110\}\).*\[/\1 [/' | grep -v before_the_end
} >>"$2"

# Two-sided tests depend on when each side gets a processor, and lanes and emulators share two of them.
# So whole runs give such a test a second chance, alone, and say so in the closing line. What a sanitizer
# or a fuzzer found was there, however rarely, and a source check or a unit has no machine to blame.
may_be_the_machine() { # NAME LOG EXIT
	[ -z "$again" ] || return 1
	case $1 in lab/* | xen/*) ;; *) return 1 ;; esac
	! grep -qE 'Sanitizer|runtime error:' "$2" || return 1
	[ -n "$whole" ] || [ "$3" = 124 ]
}

run_one() { # NAME CONFIG COMMAND...
	local name=$1 config=$2 limit log rc start watcher
	shift 2
	log=$logs/$(echo "$name" | tr '/ ' '__').log
	limit=$(case $1 in *.sh | *.py) header timeout "$1" ;; *) echo 300 ;; esac) # a unit test: seconds
	limit=${limit:-120}
	T=$(mktemp -d "${TMPDIR:-/tmp}/xsp.XXXXXX")
	start=$SECONDS
	: >"$log"
	before_the_end "$limit" "$log" 2>/dev/null &
	watcher=$!
	disown
	B=$TOP/build/$config T=$T nice -n "${nice:-0}" timeout -k 10 "$limit" "$@" >>"$log" 2>&1 </dev/null
	rc=$?
	pkill -P $watcher
	kill $watcher 2>/dev/null
	rm -rf "$T"
	case $rc in
	0)
		passed=$((passed + 1)) second="$second${again:+ $name}"
		echo "${green}ok${off}    $name ${dim}$((SECONDS - start)) s${off}"
		;;
	77) skipped=$((skipped + 1)); echo "skip  $name: $(tail -n 1 "$log")" ;;
	*)
		[ $rc != 124 ] || echo "(stopped after $limit s)" >>"$log"
		if may_be_the_machine "$name" "$log" $rc; then
			echo "$name|$config|$*" >>"$logs/late"
			told late "$name (exit $rc; once more, alone, at the end)"
		else
			failed=$((failed + 1)) failures="$failures $name"
			told "${red}FAIL${off} " "$name (exit $rc)"
		fi
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

# Lanes: with two processors tests run side by side, and each lane takes the next one that nobody has
# begun. One is of real Xen, an emulator that keeps one processor busy; two are of the lab, whose tests
# wait a third of their time and give way to the emulator; one of these goes on with real Xen when
# the lab is done. LANES=1: one test after the other.
lanes=()
mine() { mkdir "$logs/begun/${1//[ \/]/_}" 2>/dev/null; } # TEST: nobody else has it
beside() { # COMMAND...: a lane in the background; join waits for all of them
	(
		passed=0 failed=0 skipped=0 failures=
		"$@"
		echo "$passed $failed $skipped $failures" >"$logs/lane-$BASHPID"
	) &
	lanes+=($!)
	trap 'stop_lanes; exit 130' INT TERM
}
stop_lanes() {
	local lane
	for lane in "${lanes[@]}" ${images:-}; do
		pkill -TERM -P "$lane"
		kill "$lane"
	done 2>/dev/null
}
join() {
	local lane p f s names
	for lane in "${lanes[@]}"; do
		wait "$lane"
		p=0 f=1 s=0 names="a whole lane"
		[ ! -e "$logs/lane-$lane" ] || read -r p f s names <"$logs/lane-$lane"
		passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
		failures="$failures${names:+ $names}"
	done
	lanes=()
}
xen() { # on real Xen, the longest first: nobody is left with a long one at the end
	local f
	for f in $(for f in tests/xen/test-*.sh; do echo "$(header takes "$f") $f"; done | sort -rn | sed 's/.* //'); do
		mine "$f" && script "$f"
	done
}
lab() { # in the lab, and the fuzzers, which take longest
	local f c nice
	for c in release asan tsan; do
		for f in tests/fuzz/test-*.sh tests/lab/test-*.sh; do
			case $f in */fuzz/*) nice=10 ;; *) nice=5 ;; esac
			mine "$f $c" && CONFIGS=$c script "$f"
		done
	done
}

units() { # CONFIG
	local u
	for u in build/"$1"/unit/*; do
		case $u in *.d | *'*') ;; *) run_one "unit/${u##*/} [$1]" "$1" "$u" ;; esac
	done
}

late() { # those with a second chance: alone now, and they count as they end here
	local name config command
	[ -e "$logs/late" ] || return 0
	mv "$logs/late" "$logs/late-now"
	again=yes
	while IFS='|' read -r name config command <&3; do
		# shellcheck disable=SC2086
		run_one "$name" "$config" $command
	done 3<"$logs/late-now"
}

close() {
	stop_lanes # a build failed
	[ -z "$failures" ] || echo "failed:$failures (logs: build/test-logs)"
	[ -z "$second" ] || echo "passed only when run again:$second (what they said first is above)"
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
	whole=yes
	rm -rf "$logs"/lane-* "$logs/begun"
	mkdir "$logs/begun"
	tests/xen/image.sh >"$logs/image.log" 2>&1 & # fetched and unpacked meanwhile
	images=$!
	build release all units
	[ "${LANES:-$(nproc)}" -lt 2 ] || beside xen
	for f in tests/source/*.sh; do script "$f"; done
	units release
	for c in asan tsan; do
		build $c all units
		units $c
	done
	[ "${LANES:-$(nproc)}" -lt 2 ] || beside lab
	lab
	xen
	join
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
late
close
