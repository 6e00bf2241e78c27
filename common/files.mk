# What daemon, library and tools share.
archives += common
common.src := common/hist.c common/log.c common/mailbox.c common/store.c common/devname.c \
	common/suggest.c

# The XenBus state machine: floor 1, also compiled into the kernel.
archives += fsm
fsm.src := common/xenbus/fsm.c
