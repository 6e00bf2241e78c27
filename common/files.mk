# What daemon, library and tools share.
archives += common
common.src := common/hist.c common/log.c common/mailbox.c common/ask.c common/store.c common/devname.c \
	common/suggest.c common/utf8.c common/net/headers.c common/net/segment.c
common.src += common/pace.c

# The XenBus state machine: floor 1, also compiled into the kernel.
archives += fsm
fsm.src := common/xenbus/fsm.c

# The lab (common/lab/README.md): what stands in for Xen under a process ...
labsolibs += lab-world lab-gnttab lab-evtchn lab-call lab-foreign lab-xsd
lab-world.src := common/lab/world.c common/lab/arena.c common/lab/fault.c
lab-world.soname := libxensplit-lab.so.0
lab-world.map := common/lab/map/world.map
lab-gnttab.src := common/lab/libgnttab.c common/lab/libgntshr.c common/lab/copy.c
lab-gnttab.soname := libxengnttab.so.1
lab-gnttab.map := common/lab/map/gnttab.map
lab-gnttab.labdeps := lab-world
lab-evtchn.src := common/lab/libevtchn.c
lab-evtchn.soname := libxenevtchn.so.1
lab-evtchn.map := common/lab/map/evtchn.map
lab-evtchn.labdeps := lab-world
lab-call.src := common/lab/libcall.c common/lab/hypercall.c
lab-call.soname := libxencall.so.1
lab-call.map := common/lab/map/call.map
lab-call.labdeps := lab-world
lab-foreign.src := common/lab/libforeign.c
lab-foreign.soname := libxenforeignmemory.so.1
lab-foreign.map := common/lab/map/foreign.map
lab-foreign.labdeps := lab-world
lab-xsd.src := common/lab/xsd.c
lab-xsd.soname := libxensplit-xsd.so
# ... and the hub that holds it together.
programs += xensplit-lab-hub
xensplit-lab-hub.src := common/lab/hub.c common/lab/client.c common/lab/domain.c \
	common/lab/grant.c common/lab/evtchn.c common/lab/relay.c common/lab/session.c \
	common/lab/process.c common/lab/netns.c common/lab/toolstack.c common/lab/status.c common/lab/env.c
xensplit-lab-hub.libs := -lxenstore
