# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What a block backend does for its guests, told once and run in both worlds: on real Xen with
# stock Linux guests and xl, in the lab with our own frontend. What it prints is the transcript, and
# the transcripts of both worlds must be the same to the letter (tests/xen/test-scenario.sh).
#
# It uses the verbs of tests/{xen,lab}/world.sh and, for a disk as its guest sees it:
#   disk_size N DEV          bytes
#   disk_put N DEV OFF LEN SEED   writes LEN bytes made of SEED, flushed; fails as the guest's write does
#   disk_sum N DEV OFF LEN   sha256 of what the guest reads
#   disk_verify N DEV OFF LEN  write there, read back, compare: random places, many at a time
#   disk_gone N DEV          succeeds when the guest does not have it (any more)
# IMG is a directory of Dom0 for images.

say() { printf '%s\n' "$*"; }

# result TEXT CMD...: whether it succeeded; what it said is the worlds' own
result() {
	local text=$1
	shift
	if "$@" >"$IMG/said" 2>&1; then say "$text: yes"; else say "$text: no"; fi
}

told() { # TEXT PATTERN: what the command before said
	if grep -q "$2" "$IMG/said"; then say "$1: yes"; else say "$1: no"; fi
}

same() { # TEXT A B
	if [ "$2" = "$3" ]; then say "$1: same"; else say "$1: DIFFERENT ($2 / $3)"; fi
}

image() { in_dom0 truncate -s "$2" "$IMG/$1.img"; }
image_sum() { in_dom0 sh -c "tail -c +$(($2 + 1)) $IMG/$1.img | head -c $3 | sha256sum | cut -c1-16"; }
backend() { echo "/local/domain/0/backend/vbd/$(guest_domid "$1")/$2"; }
key() { in_dom0 xenstore-read "$(backend "$1" "$2")/$3" 2>/dev/null || echo absent; }
settled() { # N DEVID STATE: until the backend is there
	local i
	for i in $(seq 100); do
		[ "$(key "$1" "$2" state)" = "$3" ] && break
		sleep 0.1
	done
	say "guest $1 disk $2: state $(key "$1" "$2" state)"
}

xvda=51712 xvdb=51728 xvdd=51760

say "# two guests, each with a disk of its own; one has a second that is read-only"
image a 16M
image b 8M
image c 4M
in_dom0 sh -c "yes read-only | head -c 4194304 >$IMG/c.img"
guest_start 1 "xvda=file:$IMG/a.img" "xvdb:ro=file:$IMG/c.img"
guest_start 2 "xvda=file:$IMG/b.img"
say "guest 1 sees $(disk_size 1 xvda) and $(disk_size 1 xvdb) bytes, guest 2 $(disk_size 2 xvda)"
for k in sectors sector-size feature-flush-cache info mode; do say "guest 1 xvda $k: $(key 1 $xvda $k)"; done
say "guest 1 xvdb info: $(key 1 $xvdb info)"

say "# data arrives, and only where it belongs"
result "guest 1 writes 1 MiB at 64 KiB" disk_put 1 xvda 65536 1048576 one
result "guest 2 writes 1 MiB at 64 KiB" disk_put 2 xvda 65536 1048576 two
same "guest 1 reads what its image holds" "$(disk_sum 1 xvda 65536 1048576)" "$(image_sum a 65536 1048576)"
same "guest 2 reads what its image holds" "$(disk_sum 2 xvda 65536 1048576)" "$(image_sum b 65536 1048576)"
say "guest 1: $(disk_sum 1 xvda 65536 1048576)"
say "guest 2: $(disk_sum 2 xvda 65536 1048576)"
say "before it: $(disk_sum 1 xvda 0 65536)"
say "after it: $(disk_sum 1 xvda 1114112 65536)"
result "the last 4 KiB of guest 1's disk can be written" disk_put 1 xvda 16773120 4096 end
result "guest 1: random writes verified" disk_verify 1 xvda 4194304 2097152

say "# a read-only disk"
before=$(image_sum c 0 4194304)
say "its data: $(disk_sum 1 xvdb 0 4194304)"
result "guest 1 writes to it" disk_put 1 xvdb 0 4096 bad
same "its image" "$before" "$(image_sum c 0 4194304)"

say "# a disk comes and goes while the guest runs"
image d 4M
result "attach" guest_attach 2 "xvdd=file:$IMG/d.img"
settled 2 $xvdd 4
say "guest 2 sees $(disk_size 2 xvdd) bytes"
result "guest 2 writes to it" disk_put 2 xvdd 0 65536 new
result "detach" guest_detach 2 xvdd
result "guest 2 has lost it" disk_gone 2 xvdd
say "its backend node: state $(key 2 $xvdd state)"
say "its image holds: $(image_sum d 0 65536)"
result "attach again" guest_attach 2 "xvdd=file:$IMG/d.img"
settled 2 $xvdd 4
say "guest 2 reads: $(disk_sum 2 xvdd 0 65536)"
result "detach again" guest_detach 2 xvdd

say "# the daemon stops and starts; the guests keep their disks"
result "stop" daemon_stop
say "guest 1 xvda: state $(key 1 $xvda state)"
result "start" daemon_start
settled 1 $xvda 4
say "guest 1 reads: $(disk_sum 1 xvda 65536 1048576)"
result "guest 1: random writes verified" disk_verify 1 xvda 4194304 2097152
result "guest 2: random writes verified" disk_verify 2 xvda 4194304 2097152

say "# targets that fail (xl leaves what it could not attach: another name each time)"
result "attach a file that is not there" guest_attach 2 "xvde=file:$IMG/absent.img"
told "the reason is told" "absent.img: No such file"
result "attach an unknown kind" guest_attach 2 "xvdf=bogus:1"
told "the known ones are told" "known:.*null\[,leave\]:SIZE"
result "attach an image that is in use" guest_attach 2 "xvdg=file:$IMG/a.img"
told "the reason is told" "a.img is in use"
result "attach a disk whose every third write fails" guest_attach 2 "xvdd=error,op=write,every=3,after=6:file:$IMG/d.img"
settled 2 $xvdd 4
result "guest 2: verified" disk_verify 2 xvdd 1048576 1048576
result "guest 2 still reads it" disk_sum 2 xvdd 0 65536
result "detach" guest_detach 2 xvdd
result "guest 1 noticed nothing: random writes verified" disk_verify 1 xvda 4194304 2097152

say "# a guest dies"
two=$(backend 2 $xvda)
result "destroy guest 2" guest_destroy 2
for i in $(seq 100); do in_dom0 xenstore-exists "$two" 2>/dev/null || break; sleep 0.1; done
result "its backend node is there" in_dom0 xenstore-exists "$two"
result "guest 1: random writes verified" disk_verify 1 xvda 4194304 2097152
guest_start 2 "xvda=file:$IMG/b.img"
say "guest 2, started anew, reads: $(disk_sum 2 xvda 65536 1048576)"

say "# the end"
result "guest 1 stops" guest_stop 1
result "guest 2 stops" guest_stop 2
