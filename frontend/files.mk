# The sans-I/O core: one queue, and the keys in the store.
archives += blkfront
blkfront.src := frontend/core/blkfront.c frontend/core/blkkeys.c

# The same of a NIC.
archives += netfront
netfront.src := frontend/core/netfront_tx.c frontend/core/netfront_rx.c \
	frontend/core/netfront_ctrl.c frontend/core/netkeys.c

# The userspace host: a static archive for our own tools, a shared library for others.
archives += front
front.src := frontend/user/disk.c frontend/user/io.c frontend/user/keys.c frontend/user/pool.c \
             frontend/user/sync.c frontend/user/owner.c frontend/user/front.c frontend/user/nic.c frontend/user/nic_keys.c \
             frontend/user/nic_rings.c frontend/user/nic_data.c frontend/user/nic_ctrl.c
front.pkgs := xenevtchn xengnttab xenstore

solibs += libxensplit-front
libxensplit-front.soname := libxensplit-front.so.0
libxensplit-front.map := frontend/user/libxensplit-front.map
libxensplit-front.src := $(front.src)
libxensplit-front.deps := blkfront netfront common fsm ring
libxensplit-front.pkgs := $(front.pkgs)

programs += xensplit-front-example
xensplit-front-example.src := frontend/user/example.c
xensplit-front-example.deps := front blkfront common fsm ring
xensplit-front-example.pkgs := $(front.pkgs)
