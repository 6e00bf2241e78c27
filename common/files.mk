# What daemon, library and tools share.
archives += common
common.src := common/hist.c common/log.c common/mailbox.c
