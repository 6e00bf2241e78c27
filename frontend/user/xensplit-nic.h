/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * libxensplit-front, the network half: a PV NIC in a process. Opens a vif of the domain it runs in.
 *
 *     struct xsp_nic *nic;
 *     char why[XSP_NIC_WHY_BYTES];
 *     if (xsp_nic_open("0", NULL, &nic, why))
 *             errx(1, "%s", why);
 *     for (;;) {
 *             struct xsp_nic_packet p;
 *             xsp_nic_process(nic);
 *             while (xsp_nic_receive(nic, 0, &p) == 1) {
 *                     ... p.iov ...
 *                     xsp_nic_release(nic, 0, &p);
 *             }
 *             if (!xsp_nic_arm(nic, 0))
 *                     poll xsp_nic_fd(nic);
 *     }
 *
 * Packets are Ethernet frames with what a virtio-net header would say of them. A packet lies in pages
 * that the kernel hands out for granting (1024 for a whole guest by default); the caller reads
 * and writes them there, so the library copies nothing.
 *
 * The backend is not trusted: it can change a received packet while it is looked at. Copy the headers
 * out before you decide anything by them. A backend that breaks the rings' rules ends the NIC with
 * -EPROTO; a packet that makes no sense is dropped and counted.
 *
 * When the backend goes (its domain is restarted, the device is moved), the NIC has no carrier until
 * one is there again: packets under way are lost, everything is granted anew. While this kit's daemon
 * is restarted the rings stay, and nothing is lost but time. A handle belongs to one thread at a time.
 */
#ifndef XENSPLIT_NIC_H
#define XENSPLIT_NIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XSP_NIC_WHY_BYTES  256
#define XSP_NIC_MAX_QUEUES 16
#define XSP_NIC_TX_PIECES  17 /* pages of the largest packet to send: 64 KiB and a page */
#define XSP_NIC_RX_PIECES  20
#define XSP_NIC_RX_BUFS    28
#define XSP_NIC_HASH_MAP   16

struct xsp_nic;

struct xsp_nic_options {
	unsigned int queues;     /* 1..16, fewer if the backend can't; 0: 1 */
	unsigned int pages;      /* of 4 KiB, for packets of all queues both ways; 0: 480, or what is left */
	unsigned int timeout_ms; /* for the backend in open and close; 0: 10000 */
	bool no_gso;             /* neither send nor receive packets to be segmented */
	bool no_csum;            /* nor blank checksums */
	bool no_split;           /* one event channel for both directions of a queue */
	bool no_static;          /* no static grants, whatever the backend offers */
	bool hash;               /* have the backend spread flows over the queues by a Toeplitz hash */
	bool multicast;          /* have it filter multicast: nothing until xsp_nic_multicast */
	bool untrusted;          /* the backend sees packets and zeros, even without trusted=0 */
	/* the queues that hashes go to, repeated over the backend's table; none: all queues in turn */
	uint8_t hash_map[XSP_NIC_HASH_MAP];
	unsigned int n_hash_map;
};

struct xsp_nic_info {
	uint32_t devid, backend_domid;
	uint8_t mac[6];
	bool connected;
	bool carrier;      /* connected, and the backend has a link */
	uint32_t mtu;
	uint32_t queues;   /* in use */
	uint32_t tx_pages, rx_pages; /* of each queue */
	uint32_t static_pages;       /* of all queues: the backend keeps these mapped */
	bool split;        /* an event channel for each direction */
	bool sg, csum, gso4, gso6; /* what may be sent; csum: blank checksums of both IPs */
	bool ctrl, hash, multicast;
	bool trusted;
	uint32_t connects; /* how often a backend connected */
};

struct xsp_nic_stats {
	uint64_t tx_packets, tx_bytes, tx_gso, tx_notifies, tx_refused; /* refused: by the backend */
	uint64_t rx_packets, rx_bytes, rx_gso, rx_notifies, rx_bad;     /* bad: made no sense */
	uint64_t events, spurious;
};

/* What is said about a packet; the names are those of struct virtio_net_hdr's meanings. */
struct xsp_nic_meta {
	bool csum_blank, data_validated;
	uint8_t gso_type;   /* 0; 1: TCP over IPv4; 2: TCP over IPv6 */
	uint16_t gso_size;  /* payload of a segment */
	bool have_hash;
	uint32_t hash;
};

/* A packet received; its memory is the library's until xsp_nic_release. */
struct xsp_nic_packet {
	struct xsp_nic_meta meta;
	uint32_t bytes;
	unsigned int pieces;
	struct iovec iov[XSP_NIC_RX_PIECES];
	unsigned int n_page; /* the library's */
	uint32_t page[XSP_NIC_RX_BUFS];
};

/**
 * xsp_nic_open - connect a vif of this domain
 * @name:    its number, "0"
 * @options: may be NULL
 * @ret:     the NIC; untouched on failure. Close it with xsp_nic_close.
 * @why:     XSP_NIC_WHY_BYTES for a sentence when it fails; may be NULL
 *
 * Waits for the backend. Returns 0, or -EINVAL (name, options), -ENODEV (no such
 * device, or being removed), -EBUSY (another process of this domain or its kernel has it), -ENXIO
 * (store, event channels or grants can't be opened), -ETIMEDOUT (no backend answers), -ENOSPC (no page
 * left to grant), -EPROTO (the backend talks nonsense), -ENOMEM.
 */
int xsp_nic_open(const char *name, const struct xsp_nic_options *options, struct xsp_nic **ret,
		 char *why);

/** xsp_nic_close - end the connection in order; 0, or -ETIMEDOUT. NULL is fine. */
int xsp_nic_close(struct xsp_nic *nic);

/** xsp_nic_get_info - what the NIC is now: all of it may change when a backend connects. Never fails. */
void xsp_nic_get_info(const struct xsp_nic *nic, struct xsp_nic_info *ret);

/** xsp_nic_get_stats - of one queue since open; never fails */
void xsp_nic_get_stats(const struct xsp_nic *nic, unsigned int queue, struct xsp_nic_stats *ret);

/**
 * xsp_nic_error - 0 while the NIC works or waits for a backend, else why it never will again
 * @why: if not NULL, a sentence owned by the library
 */
int xsp_nic_error(const struct xsp_nic *nic, const char **why);

/** xsp_nic_fd - readable when xsp_nic_process has something to do, for any queue */
int xsp_nic_fd(const struct xsp_nic *nic);

/**
 * xsp_nic_process - take events and follow the store. Never waits, but for a backend that connects.
 *
 * Packets received must have been released and what is reserved is forgotten: a new backend gets new
 * pages.
 */
void xsp_nic_process(struct xsp_nic *nic);

/**
 * xsp_nic_receive - the next packet of a queue
 *
 * Returns 1, or 0: there is none now.
 */
int xsp_nic_receive(struct xsp_nic *nic, unsigned int queue, struct xsp_nic_packet *ret);

/** xsp_nic_release - the packet is not needed any more; xsp_nic_arm tells the backend */
void xsp_nic_release(struct xsp_nic *nic, unsigned int queue, const struct xsp_nic_packet *p);

/**
 * xsp_nic_reserve - memory for the next packet to send
 * @iov: room for XSP_NIC_TX_PIECES; gets whole pages, for 64 KiB and a page together, or one page when
 *       the backend takes no larger packet
 *
 * Returns how many, or 0: no room now; poll the fd and process, or no backend is there. What was
 * reserved before and not sent is reserved again.
 */
unsigned int xsp_nic_reserve(struct xsp_nic *nic, unsigned int queue, struct iovec *iov);

/**
 * xsp_nic_reserve_bytes - the same for a packet whose size is known: the pages it needs and no more
 * @bytes: 1 and on; what is beyond the largest packet is cut to that
 */
unsigned int xsp_nic_reserve_bytes(struct xsp_nic *nic, unsigned int queue, uint32_t bytes, struct iovec *iov);

/**
 * xsp_nic_write - copy into memory that was reserved, past this processor's cache
 * @to: anywhere in it; whole cache lines (64 bytes, aligned) are what it is for
 *
 * Memory that was reserved can be written in any way. What is written in this one the backend's processor
 * need not fetch from this one's cache, which is most of what a small packet costs; do not read it again.
 */
void xsp_nic_write(void *to, const void *from, size_t bytes);

/**
 * xsp_nic_send - send the first @bytes of what was reserved; xsp_nic_arm makes the backend look
 *
 * Returns 0, -EINVAL (bytes, or an offload that the backend doesn't take), -EBUSY (nothing reserved).
 */
int xsp_nic_send(struct xsp_nic *nic, unsigned int queue, uint32_t bytes,
		 const struct xsp_nic_meta *meta);

/**
 * xsp_nic_multicast - let packets to a multicast address through, or no more
 *
 * Returns 0, -EOPNOTSUPP, -EBUSY (no room now). The backend may refuse later: a counter.
 */
int xsp_nic_multicast(struct xsp_nic *nic, bool add, const uint8_t addr[6]);

/**
 * xsp_nic_arm - hand over what was released and sent, with at most an event each, and ask for events
 *
 * Returns true when there is more to receive already, or room again after xsp_nic_reserve found none:
 * only on false may the caller wait.
 */
bool xsp_nic_arm(struct xsp_nic *nic, unsigned int queue);

/**
 * xsp_nic_push - hand over what was released and sent, and ask for no events: for a caller that spins
 *
 * It looks by xsp_nic_receive and xsp_nic_reserve, which make no system call, and calls
 * xsp_nic_process once in a while for the store; before it waits it calls xsp_nic_arm.
 */
void xsp_nic_push(struct xsp_nic *nic, unsigned int queue);

/** xsp_nic_in_flight - packets sent, or waiting for a push, that the backend has not answered yet */
unsigned int xsp_nic_in_flight(struct xsp_nic *nic, unsigned int queue);

#ifdef __cplusplus
}
#endif

#endif
