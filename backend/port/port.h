/* SPDX-License-Identifier: MIT */
/*
 * A port is what stands behind a network device: a TAP, a network card, a switch, nothing at all. One
 * kind = one file + one line in the table of port.c; the same shape as a target (target/target.h).
 * Packets that reach a port were judged before (net/headers.h): their vnet header is sound.
 *
 * A device opens its port once. For each queue pair of a connected guest the port has an end, which
 * belongs to that queue's worker; ends share nothing but what the port guards itself. Nothing here
 * blocks: what can't be sent now is dropped, as on any wire.
 */
#ifndef XSP_BACKEND_PORT_H
#define XSP_BACKEND_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/headers.h"
#include "backend/worker.h"

/* 17 pages: the largest IP packet, its Ethernet header and tags */
#define XSP_PACKET_BYTES (17u * XSP_PAGE_SIZE)
#define XSP_NETPORT_QUEUES  16u

/* One packet in memory of the worker's. */
struct xsp_packet {
	uint8_t *data; /* XSP_PACKET_BYTES of room */
	uint32_t len;
	uint32_t n_rest; /* 0: all of it is in data; else the first XSP_NET_HEAD bytes, */
	const struct iovec *rest; /* ... and the others are here, in pages of the guest's */
	struct xsp_vnet vnet;
	bool lost; /* send's answer: the port had no room, or refused it */
};

/* What the device wants of a port at open; strings live as long as the call. */
struct xsp_netport_wish {
	uint32_t domid, devid;
	const char *ifname; /* "vif1.0" */
	const char *bridge; /* join it; NULL: a script does, or nobody */
	bool up;            /* bring the interface up; false: a script does */
	uint32_t mtu;       /* 0: as it is */
};

/* What a connected guest takes. */
struct xsp_netport_features {
	uint32_t queues;
	bool csum;      /* packets to the guest may have a blank checksum */
	bool tso4, tso6; /* ... and be larger than the MTU, to be cut by TCP segment */
};

struct xsp_netport {
	const struct xsp_netport_ops *ops;
	char ifname[16]; /* of the interface that people can see; "" when there is none */
	/*
	 * Shared by ports that reach each other directly when they are on one worker: the one of queue 0
	 * of the first, -1 as long as there was none. The store thread's. NULL: it makes no difference
	 */
	int *home;
};

/* One queue's end of a port. */
struct xsp_netport_end {
	struct xsp_netport *port;
	uint32_t index;
	struct xsp_worker *worker;
	/* readable: packets may be there; once after each xsp_netport_await, worker's thread */
	void (*readable)(struct xsp_netport_end *e);
	/* stopped: nothing of this end is under way any more; after xsp_netport_stop, worker's thread */
	void (*stopped)(struct xsp_netport_end *e);
	/* port.c's, for ends whose arrivals a descriptor shows */
	int fd; /* -1: none */
	struct xsp_cb poll_cb;
	bool polling, stopping;
};

struct xsp_netport_ops {
	const char *name;  /* the scheme: "tap" */
	const char *usage; /* one line for the list of known schemes */
	/*
	 * open: store thread. opts, rest: as target_ops.open. Returns 0 and *ret, or -errno and a
	 * sentence in why. Before the guest connects a port neither gives nor takes packets.
	 */
	int (*open)(const char *opts, const char *rest, const struct xsp_netport_wish *wish,
		    struct xsp_netport **ret, char *why, size_t why_len);
	/* close: store thread, no end is in use; forget: the device is gone for good */
	void (*close)(struct xsp_netport *p, bool forget);
	/* connect: store thread, before the first start: make f->queues ends possible */
	int (*connect)(struct xsp_netport *p, const struct xsp_netport_features *f, char *why,
		       size_t why_len);
	/* disconnect: store thread, after the last end has stopped; may be NULL */
	void (*disconnect)(struct xsp_netport *p);
	/* carrier: store thread; may be NULL */
	void (*carrier)(struct xsp_netport *p, bool on);
	/* start: worker's thread; sets e->fd when one shows arrivals. 0 or -errno */
	int (*start)(struct xsp_netport_end *e);
	/* stop: worker's thread, before e is forgotten; may be NULL */
	void (*stop)(struct xsp_netport_end *e);
	/* send: worker's thread; takes n packets, sets `lost` in each */
	void (*send)(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n);
	/* recv: worker's thread; fills up to n packets. Returns how many */
	unsigned int (*recv)(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n);
	/*
	 * direct: worker's thread; for each of n packets, to[]: the end that it goes to whole, and to no
	 * other, if that is one of the same worker's and nothing waits there before it. Returns for how
	 * many, from the first on, it is so: the next one is to be sent. Only the packets' heads
	 * (XSP_NET_HEAD) are looked at. May be NULL
	 */
	unsigned int (*direct)(struct xsp_netport_end *e, const struct xsp_packet *p, unsigned int n,
			       struct xsp_netport_end **to);
	bool pieces; /* send takes packets with a rest: it copies each byte once, and looks at the copy */
	unsigned int copies; /* that send, and recv, each make of a packet in our memory */
};

/**
 * xsp_netport_open - open what a spec names: "tap:", "tap:NAME", "null:", "switch:NAME", "pair:NAME",
 * "packet:IFNAME", "pcap:FILE", "pcap,in=FILE:"; "" is "tap:"
 *
 * Store thread. Returns 0 or -errno and a sentence in why.
 */
int xsp_netport_open(const char *spec, const struct xsp_netport_wish *wish, struct xsp_netport **ret,
		  char *why, size_t why_len);

/** xsp_netport_close - NULL is fine; forget: nobody will come back to it, take its interface away */
void xsp_netport_close(struct xsp_netport *p, bool forget);

/**
 * xsp_netport_start - a queue's end begins; worker's thread
 * @e: port, index, worker, readable, stopped are filled in
 *
 * Returns 0 or -errno.
 */
int xsp_netport_start(struct xsp_netport_end *e);

/** xsp_netport_stop - the end stops; e->stopped is called, now or later */
void xsp_netport_stop(struct xsp_netport_end *e);

/** xsp_netport_await - call e->readable when packets may be there, once */
void xsp_netport_await(struct xsp_netport_end *e);

extern const struct xsp_netport_ops xsp_netport_tap, xsp_netport_null, xsp_netport_switch,
	xsp_netport_pair, xsp_netport_packet, xsp_netport_pcap;

#endif
