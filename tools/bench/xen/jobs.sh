# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The jobs of a guest's disk that are measured (dom0.sh, dom0-fronts.sh, dom0-ways.sh), and how what runs
# is traced; to be sourced in Dom0.
#
# Each job runs with N and with 5 N I/Os, untraced (for the time) and traced (for the counts): the
# difference leaves out what starting fio costs.
out=${out:-/out/bench}
mkdir -p $out

job_kind() { # NAME: fio's options
	case $1 in
	rr1 | ur1 | pr1) echo "--rw=randread --bs=4k --iodepth=1" ;;
	rr32) echo "--rw=randread --bs=4k --iodepth=32" ;;
	rw32) echo "--rw=randwrite --bs=4k --iodepth=32" ;;
	sr8) echo "--rw=read --bs=64k --iodepth=8" ;;
	sr1m) echo "--rw=read --bs=1m --iodepth=4" ;;
	esac
}
job_common() { # DEV [NAME]
	local engine=libaio
	case ${2:-} in
	ur1) engine=io_uring ;;
	pr1) engine="io_uring --hipri" ;; # polled
	esac
	echo "--minimal --filename=/dev/$1 --ioengine=$engine --direct=1 --size=64m --io_size=64g --norandommap --randrepeat=1"
}
job() { # NAME DEV IOS: fio's line; reads, their milliseconds, writes, their milliseconds
	echo "fio --name=j $(job_common "$2" "$1") --number_ios=$3 $(job_kind "$1") | cut -d';' -f9,50"
}
ios() { case $1 in rr32 | rw32) echo 1000 ;; sr1m) echo 50 ;; *) echo 400 ;; esac }

trace() { # FILE COMMAND...: hypercalls and who runs; TRACE_EVENTS: another mask of xentrace's
	local f=$1 pid
	shift
	"$(echo /usr/lib/xen-4.*/bin/xentrace)" -D -S 4096 -e "${TRACE_EVENTS:-0x0022f000}" /tmp/trace >/dev/null 2>&1 &
	pid=$!
	sleep 1
	"$@"
	kill -INT $pid
	wait $pid
	mv /tmp/trace "$f"
}

run_jobs() { # BACKEND DEV JOB...
	local back=$1 dev=$2 j n
	shift 2
	in_guest 1 "for i in 1 2 3 4 5 6 7 8 9; do [ -b /dev/$dev ] && break; sleep 1; done
		$(job rr32 "$dev" 300)" >/dev/null # what is mapped once, is mapped now
	for j; do
		n=$(ios "$j")
		for n in "$n" $((5 * n)); do
			echo "$back $j $n $(in_guest 1 "$(job "$j" "$dev" "$n")")" >>$out/times
			trace "$out/$back.$j.$n.xtr" in_guest 1 "$(job "$j" "$dev" "$n")" >/dev/null
		done
		tail -n 1 $out/times
	done
}
