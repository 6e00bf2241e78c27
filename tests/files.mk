# lists for tests/

units += test_fsm
test_fsm.src := tests/unit/test_fsm.c
test_fsm.deps := fsm
test_fsm.pkgs := cmocka

units += test_config
test_config.src  := tests/unit/test_config.c
test_config.deps := control common
test_config.pkgs := inih cmocka
units += test_ring test_ring_xen test_wire
test_ring_xen.src := tests/unit/test_ring_xen.c
test_ring_xen.deps := ring
test_ring_xen.pkgs := cmocka
test_ring.src := tests/unit/test_ring.c
test_ring.deps := ring
test_ring.pkgs := cmocka
test_wire.src := tests/unit/test_wire.c
test_wire.deps := ring
test_wire.pkgs := cmocka

units += test_blkfront test_blkkeys
test_blkfront.src := tests/unit/test_blkfront.c
test_blkfront.deps := blkfront ring
test_blkfront.pkgs := cmocka
test_blkkeys.src := tests/unit/test_blkkeys.c
test_blkkeys.deps := blkfront
test_blkkeys.pkgs := cmocka

units += test_control test_clients
test_clients.src  := tests/unit/test_clients.c tests/unit/control_client.c tests/made_up.c
test_clients.deps := control common fsm
test_clients.pkgs := json-c inih cmocka
test_control.src  := tests/unit/test_control.c tests/unit/control_client.c tests/made_up.c
test_control.deps := control common fsm
test_control.pkgs := json-c inih cmocka

units += test_hist test_log test_devname test_stream
test_stream.src   := tests/unit/test_stream.c
test_stream.pkgs  := cmocka
test_hist.src     := tests/unit/test_hist.c
test_hist.deps    := common
test_hist.pkgs    := cmocka
test_log.src      := tests/unit/test_log.c
test_log.deps     := common
test_log.pkgs     := cmocka
test_devname.src  := tests/unit/test_devname.c
test_devname.deps := common
test_devname.pkgs := cmocka

# backend/: what can be tested without a worker
units += test_request test_target
test_request.src := tests/unit/test_request.c backend/blk/request.c
test_request.deps := ring
test_request.pkgs := cmocka
test_target.src := tests/unit/test_target.c $(filter backend/target/%,$(xensplitd.src))
test_target.deps := common
test_target.pkgs := liburing cmocka

# XDP programs for tests/xen/test-netmodule.sh
programs += test-xdp
test-xdp.src := tests/xen/xdp.c

# A block backend that lies on demand; tests/lab/test-hostile-backend.sh runs it.
programs += test-backend
test-backend.src := tests/lab/backend.c tests/lab/side.c
test-backend.deps := ring
test-backend.pkgs := xenevtchn xengnttab xenstore
# A guest that misbehaves on command, for tests/lab
# Is a barrier one? tests/lab/test-modes.sh runs it.
programs += vbd-barrier
vbd-barrier.src := tests/lab/barrier.c
vbd-barrier.deps := front blkfront common fsm ring
vbd-barrier.pkgs := $(front.pkgs)

programs += xsp-evil
xsp-evil.src := tests/evil/main.c tests/evil/end.c tests/evil/guest.c tests/evil/ring_attacks.c tests/evil/data_attacks.c \
	tests/evil/mapped_attacks.c tests/evil/change_attacks.c \
	tests/evil/store_attacks.c tests/evil/life_attacks.c tests/evil/count.c
xsp-evil.deps := ring
xsp-evil.pkgs := xenevtchn xengnttab xenstore
# What the kit relies on about Xen, asked of the lab (tests/lab/test-platform.sh) and of real Xen.
programs += world-test world-hold world-domains world-store world-storm world-many
programs += world-grants
world-grants.src := tests/world/grants.c
world-grants.libs := -lxenforeignmemory
world-many.src := tests/world/many.c
world-many.libs := -lxengnttab -lxenevtchn
world-storm.src := tests/world/storm.c
world-storm.libs := -lxengnttab -lxenevtchn
world-store.src := tests/world/store.c
world-store.libs := -lxenstore
world-hold.src := tests/world/hold.c
world-hold.libs := -lxengnttab -lxenevtchn
world-domains.src := tests/world/domains.c
world-domains.libs := -lxenctrl
world-test.src := tests/world/world.c tests/world/evtchn.c tests/world/uring.c tests/world/grant.c \
	tests/world/copy.c
world-test.libs := -lxengnttab -lxenevtchn -lxenstore -luring

units += test_pattern
test_pattern.src := tests/unit/test_pattern.c tools/vbd/pattern.c
test_pattern.pkgs := cmocka

units += test_pages
test_pages.src := tests/unit/test_pages.c backend/blk/pages.c
test_pages.pkgs := cmocka

units += test_target_faults
test_target_faults.src := tests/unit/test_target_faults.c $(filter backend/target/%,$(xensplitd.src))
test_target_faults.deps := common
test_target_faults.pkgs := liburing cmocka

units += test_netwire
test_netwire.src := tests/unit/test_netwire.c
test_netwire.deps := ring
test_netwire.pkgs := cmocka
# backend/net: what is pure
units += test_headers
test_headers.src := tests/unit/test_headers.c
test_headers.deps := common
test_headers.pkgs := cmocka
units += test_dialect
test_dialect.src := tests/unit/test_dialect.c
test_dialect.deps := ring
test_dialect.pkgs := cmocka
units += test_netback
test_netback.src := tests/unit/test_netback.c backend/net/tx.c backend/net/rx.c backend/net/rate.c backend/net/scratch.c
test_netback.deps := ring
test_netback.pkgs := cmocka
units += test_port
test_port.src := tests/unit/test_port.c $(filter backend/port/%,$(xensplitd.src))
test_port.deps := common
test_port.pkgs := liburing cmocka

units += test_netfront_tx test_netfront_rx test_netkeys
test_netfront_tx.src := tests/unit/test_netfront_tx.c
test_netfront_tx.deps := netfront ring
test_netfront_tx.pkgs := cmocka
test_netfront_rx.src := tests/unit/test_netfront_rx.c
test_netfront_rx.deps := netfront ring
test_netfront_rx.pkgs := cmocka
test_netkeys.src := tests/unit/test_netkeys.c
test_netkeys.deps := netfront
test_netkeys.pkgs := cmocka
units += test_ask
test_ask.src := tests/unit/test_ask.c
test_ask.deps := common
test_ask.pkgs := cmocka

units += test_sectors
test_sectors.src := tests/unit/test_sectors.c backend/target/sectors.c
test_sectors.deps := common
test_sectors.pkgs := liburing cmocka
units += test_polling
test_polling.src := tests/unit/test_polling.c backend/polling.c
test_polling.pkgs := cmocka

# A guest that misbehaves with a network device; tests/lab/test-hostile-net.sh runs it.
programs += xsp-evilnet
xsp-evilnet.src := tests/evil/end.c tests/evilnet/main.c tests/evilnet/guest.c tests/evilnet/attacks.c
xsp-evilnet.deps := ring
xsp-evilnet.pkgs := xenevtchn xengnttab xenstore
# The 64-bit side of a 32-bit frontend; tests/lab/test-guest32.sh compiles the other and runs both.
programs += vbd-guest32
vbd-guest32.src := tests/guest32/host.c tests/evil/end.c tests/evil/guest.c
vbd-guest32.deps := ring
vbd-guest32.pkgs := xenevtchn xengnttab xenstore
units += test_netctl
test_netctl.src := tests/unit/test_netctl.c backend/net/ctrl_hash.c backend/net/hash.c \
	backend/net/statics.c backend/net/mcast.c
test_netctl.deps := common ring
test_netctl.pkgs := cmocka
units += test_switch
test_switch.src := tests/unit/test_switch.c $(filter backend/port/%,$(xensplitd.src))
test_switch.deps := common
test_switch.pkgs := liburing cmocka

# A network backend that lies on demand; tests/lab/test-hostile-netback.sh runs it.
programs += test-netbackend
test-netbackend.src := tests/lab/netbackend.c tests/lab/side.c
test-netbackend.deps := ring
test-netbackend.pkgs := xenevtchn xengnttab xenstore
units += test_bucket
test_bucket.src := tests/unit/test_bucket.c backend/blk/bucket.c
test_bucket.deps := common
test_bucket.pkgs := cmocka
units += test_near
test_near.src := tests/unit/test_near.c
test_near.deps := common
test_near.pkgs := cmocka
units += test_share
test_share.src := tests/unit/test_share.c backend/queue.c backend/blk/share.c backend/blk/bucket.c
test_share.deps := common
test_share.pkgs := cmocka xenevtchn

units += test_recover
test_recover.src := tests/unit/test_recover.c backend/net/recover.c backend/net/tx.c backend/net/rx.c
test_recover.deps := ring
test_recover.pkgs := cmocka
units += test_journal
test_journal.src := tests/unit/test_journal.c
test_journal.pkgs := cmocka
units += test_keep
test_keep.src := tests/unit/test_keep.c backend/net/keep.c backend/net/mcast.c
test_keep.deps := ring
test_keep.pkgs := cmocka
