# The control plane: settings and the control socket.
archives += control
control.src := backend/config.c backend/polling.c backend/control.c backend/rpc.c backend/methods.c backend/methods_worker.c backend/methods_resize.c \
	backend/metrics.c
control.pkgs := json-c inih

# The daemon.
programs += xensplitd
xensplitd.src := backend/main.c backend/steer.c backend/manager.c backend/domains.c backend/inspect.c \
	backend/device.c backend/device_keys.c backend/front_keys.c backend/vbd.c \
	backend/opener.c backend/vbd_keys.c backend/vbd_journal.c \
	backend/vif.c backend/vif_keys.c backend/vif_keep.c \
	backend/worker.c backend/queue.c backend/blk/queue.c backend/blk/queue_life.c \
	backend/blk/request.c backend/blk/journal.c backend/blk/data.c backend/blk/pages.c \
	backend/net/arrival.c backend/net/queue.c backend/net/queue_life.c backend/net/scratch.c \
	backend/net/tx.c backend/net/rx.c backend/net/direct.c \
	backend/net/rate.c backend/port/port.c backend/port/tap.c backend/port/null.c \
	backend/target/target.c backend/target/file.c backend/target/null.c \
	backend/target/delay.c backend/target/error.c \
	backend/target/nbd.c backend/target/nbd_set.c backend/target/nbd_conn.c \
	backend/target/nbd_dial.c backend/target/nbd_spec.c backend/target/nbd_api.c \
	backend/target/image.c backend/target/child.c backend/target/aside.c \
	backend/target/rbd.c backend/target/rbd_spec.c \
	backend/target/mem.c backend/target/log.c
xensplitd.deps := control common fsm ring
xensplitd.src += backend/target/sectors.c
xensplitd.pkgs := liburing xenstore xengnttab xenevtchn xencontrol xentoollog json-c inih
xensplitd.src += backend/target/empty.c backend/vbd_medium.c
control.src += backend/vif_methods.c
xensplitd.src += backend/net/ctrl.c backend/net/ctrl_hash.c backend/net/hash.c backend/net/statics.c backend/net/mcast.c
xensplitd.src += backend/port/switch.c backend/port/inbox.c
xensplitd.src += backend/net/capture.c backend/net/keep.c backend/net/recover.c
xensplitd.src += backend/blk/share.c backend/blk/bucket.c backend/vbd_limits.c
xensplitd.src += backend/resize.c
xensplitd.src += backend/port/packet.c
xensplitd.src += backend/port/writes.c
xensplitd.src += backend/port/pcap.c backend/port/pcap_api.c
