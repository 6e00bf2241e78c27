# lists for tools/

# `xensplit lab`: xsp_lab_main() in tools/lab/lab.h.
archives += lab-cli
lab-cli.src := tools/lab/lab.c tools/lab/up.c tools/lab/enter.c tools/lab/table.c tools/lab/link.c \
	common/lab/env.c
lab-cli.pkgs := json-c
# A guest's PV disks from the command line.
programs += xensplit-vbd
xensplit-vbd.src := tools/vbd/main.c tools/vbd/list.c tools/vbd/pattern.c tools/vbd/transfer.c tools/vbd/verify.c
xensplit-vbd.deps := front blkfront common fsm ring
xensplit-vbd.pkgs := xenevtchn xengnttab xenstore

# A guest's PV network cards as TAPs.
programs += xensplit-vif
xensplit-vif.src := $(addprefix tools/vif/,main.c list.c tap.c pump.c control.c)
xensplit-vif.deps := front blkfront netfront common fsm ring
xensplit-vif.pkgs := xenevtchn xengnttab xenstore

# The command for people and scripts.
programs += xensplit
xensplit.src := $(addprefix tools/xensplit/,main.c commands.c help.c out.c client.c store.c attach.c \
	detach.c list.c network.c capture.c sample.c stat.c show.c doctor.c worker.c top.c metrics.c)
xensplit.src += tools/xensplit/netwatch.c
xensplit.src += tools/xensplit/throttle.c tools/xensplit/resize.c
xensplit.deps := lab-cli common fsm
xensplit.pkgs := json-c xenstore xencontrol ncursesw
# A PV disk as an NBD export.
plugins += nbdkit-xensplit-plugin
nbdkit-xensplit-plugin.src := tools/nbdkit/plugin.c
nbdkit-xensplit-plugin.deps := front blkfront common fsm ring
nbdkit-xensplit-plugin.libs := -Wl,--exclude-libs,ALL
nbdkit-xensplit-plugin.pkgs := nbdkit xenevtchn xengnttab xenstore
# How fast it all is, beside others. DPDK's headers (libdpdk-dev) make its rte_ring a contestant; DPDK= leaves it out.
DPDK ?= $(shell pkg-config --exists libdpdk && echo libdpdk)
archives += bench-rte
bench-rte.src := tools/bench/ring_rte$(if $(DPDK),,_none).c
bench-rte.pkgs := $(DPDK)
programs += xensplit-bench
xensplit-bench.src := $(addprefix tools/bench/,main.c rounds.c json.c axes.c options.c pair.c limits.c world.c wake.c wake_means.c grant.c ring.c ring_xsp.c ring_xen.c \
	blk.c blk_peers.c rig.c child.c load.c load_front.c load_nbd.c load_uring.c load_vhost.c vhost.c \
	net.c frame.c wire.c load_nic.c load_tap.c testpmd.c report.c chart.c compare.c) common/lab/env.c
xensplit-bench.deps := bench-rte front blkfront netfront common fsm ring
xensplit-bench.libs := -lm
xensplit-bench.pkgs := json-c libnbd liburing $(front.pkgs)
