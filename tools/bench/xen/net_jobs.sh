# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The jobs of a guest's NIC that are measured (dom0-net.sh, dom0-fronts-net.sh), to be sourced in Dom0 after
# jobs.sh: TCP, UDP and ping between the guest and Dom0, a bridge of Dom0 between them.
#
# As with disks, each job runs with N and with 5 N of its unit, untraced (for the time) and traced (for
# the counts): the difference leaves out what starting iperf3 costs.
dev=eth0 # the guest's

bridge_up() {
	modprobe -a tun bridge && ip link add name xenbr0 type bridge && ip addr add 10.9.0.1/24 dev xenbr0 &&
		ip link set dev xenbr0 up
}

net_units() { # JOB: N, in what its command counts
	case $1 in
	ntx | nrx) echo 4 ;;    # MiB
	ntxs | nrxs) echo 1 ;;  # MiB, every packet at most the MTU
	nutx* | nurx*) echo 500 ;; # datagrams
	nping) echo 200 ;;      # round trips
	esac
}

# What prints the received amount of an iperf3 run and its seconds: bytes, or datagrams.
sums='awk "
	/\"sum_received\"|\"sum\":/ { on = 1 }
	on { gsub(/[\",]/, \"\"); sub(/:/, \" \") }
	on && \$1 == \"seconds\" { s = \$2 }
	on && \$1 == \"bytes\" { b = \$2 }
	on && \$1 == \"lost_packets\" { l = \$2 }
	on && \$1 == \"packets\" { p = \$2 }
	END { print (p ? p - l : b), s }"'

net_job() { # NAME N: prints what arrived, and the seconds
	local n=$2 iperf="iperf3 -c 10.9.0.1 -J"
	case $1 in
	ntx | ntxs) in_guest 1 "$iperf -n ${n}M >/tmp/j && $sums /tmp/j" ;;
	nrx | nrxs) in_guest 1 "$iperf -R -n ${n}M >/tmp/j && $sums /tmp/j" ;;
	nutx*) in_guest 1 "$iperf -u -b 0 -l ${1#nutx} -k $n >/tmp/j && $sums /tmp/j" ;;
	nurx*) sh -c "iperf3 -c 10.9.0.11 -J -u -b 0 -l ${1#nurx} -k $n >/tmp/j && $sums /tmp/j" ;;
	nping)
		ping -q -f -c "$n" 10.9.0.11 >/tmp/p &&
			awk -v n="$n" -F'[ =/]+' '/^rtt/ { print n, n * $7 / 1000 }' /tmp/p
		;;
	esac
}

offloads() { # on|off: packets of up to 64 KiB, both ways
	in_guest 1 "ethtool -K $dev tso $1 gso $1 gro $1" >/dev/null
	ethtool -K xenbr0 tso "$1" gso "$1"
}

packets() {
	in_guest 1 "cd /sys/class/net/$dev/statistics && echo \$((\$(cat tx_packets) + \$(cat rx_packets)))"
}

run_net_jobs() { # WHOSE JOB...: into $out/net, WHOSE JOB N RECEIVED SECONDS PACKETS, and traces
	local whose=$1 j n before
	shift
	for j in ntx nrx; do net_job $j 4 >/dev/null; done # what is made once, is made now
	for j; do
		n=$(net_units "$j")
		case $j in ntxs | nrxs) offloads off ;; esac
		for n in "$n" $((5 * n)); do
			net_job "$j" "$n" >/tmp/got || return
			before=$(packets)
			trace "$out/$whose.$j.$n.xtr" net_job "$j" "$n" >/dev/null
			echo "$whose $j $n $(cat /tmp/got) $(($(packets) - before))" >>$out/net
		done
		case $j in ntxs | nrxs) offloads on ;; esac
		tail -n 2 $out/net
	done
}
