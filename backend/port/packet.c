/* SPDX-License-Identifier: MIT */
/*
 * packet:IFNAME is an interface of this host as it is, a network card or one end of a veth, through an
 * AF_PACKET socket for each of the guest's queues: what the guest sends goes out there, what comes in
 * there goes to the guest, whoever it is for. The vnet header passes as with a TAP.
 *
 * What this host sends over the same interface doesn't go to the guest, nor do the guest's own packets
 * come back. The socket's receive buffer bounds what waits. What this can't do, unlike a TAP: have the
 * kernel cut large packets for a guest that takes none (turn the interface's GRO off then), and bring
 * back a VLAN tag that the card has taken off.
 *
 * Source: packet(7); linux/if_packet.h PACKET_VNET_HDR, PACKET_FANOUT.
 */
#include "backend/port/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define RECEIVE_BYTES (1 << 20)

struct packet_port {
	struct xsp_netport p; /* first */
	int ifindex;
	uint32_t n;
	int fd[XSP_NETPORT_QUEUES];
};

static struct packet_port *port_of(struct xsp_netport *p)
{
	return (struct packet_port *)p;
}

static int packet_open(const char *opts, const char *rest, const struct xsp_netport_wish *wish,
		       struct xsp_netport **ret, char *why, size_t why_len)
{
	int ifindex = (int)if_nametoindex(rest);
	struct packet_port *t;

	(void)wish;
	if (*opts || !ifindex) {
		snprintf(why, why_len, *opts ? "packet: has no options" : "packet:%.40s: no such interface",
			 rest);
		return *opts ? -EINVAL : -ENODEV;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->p.ops = &xsp_netport_packet;
	t->ifindex = ifindex;
	snprintf(t->p.ifname, sizeof(t->p.ifname), "%.15s", rest);
	*ret = &t->p;
	return 0;
}

static void packet_disconnect(struct xsp_netport *p)
{
	struct packet_port *t = port_of(p);

	while (t->n)
		close(t->fd[--t->n]);
}

static void packet_close(struct xsp_netport *p, bool forget)
{
	(void)forget;
	packet_disconnect(p);
	free(port_of(p));
}

/* A socket that sees all packets of the interface but those that it sends itself. */
static int open_socket(const struct packet_port *t, uint32_t n_queues)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = t->ifindex };
	struct packet_mreq all = { .mr_ifindex = t->ifindex, .mr_type = PACKET_MR_PROMISC };
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, err;
	/* Sockets of one group share the packets, a flow stays with one; the group is this device's own. */
	int group = (int)((uintptr_t)t >> 6 & 0xffff) | PACKET_FANOUT_HASH << 16, bytes = RECEIVE_BYTES;

	if (s < 0)
		return -errno;
	setsockopt(s, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    bind(s, (struct sockaddr *)&at, sizeof(at)) ||
	    setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) ||
	    (n_queues > 1 && setsockopt(s, SOL_PACKET, PACKET_FANOUT, &group, sizeof(group)))) {
		err = -errno;
		close(s);
		return err;
	}
	/* Of kernels before 4.20 it isn't known: then the receiver looks at the packet's type. */
	setsockopt(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	return s;
}

static int packet_connect(struct xsp_netport *p, const struct xsp_netport_features *f, char *why,
			  size_t why_len)
{
	struct packet_port *t = port_of(p);

	packet_disconnect(p);
	while (t->n < f->queues) {
		int s = open_socket(t, f->queues);

		if (s < 0) {
			snprintf(why, why_len, "packet:%s: %s%s", p->ifname, strerror(-s),
				 s == -EPERM ? " (CAP_NET_RAW is needed)" : "");
			return s;
		}
		t->fd[t->n++] = s;
	}
	return 0;
}

static int packet_start(struct xsp_netport_end *e)
{
	e->fd = port_of(e->port)->fd[e->index];
	return 0;
}

static void packet_send(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct iovec iov[2] = { { &p[i].vnet, sizeof(p[i].vnet) }, { p[i].data, p[i].len } };

		p[i].lost = writev(e->fd, iov, 2) < 0;
	}
}

/* One packet: 1; 0: none is there; -1: none for the guest. */
static int recv_one(struct xsp_netport_end *e, struct xsp_packet *p)
{
	struct iovec iov[2] = { { &p->vnet, sizeof(p->vnet) }, { p->data, XSP_PACKET_BYTES } };
	struct sockaddr_ll from = { .sll_pkttype = 0 };
	struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = iov,
			      .msg_iovlen = 2 };
	ssize_t len = recvmsg(e->fd, &msg, MSG_DONTWAIT);

	if (len < 0)
		return 0;
	if (from.sll_pkttype == PACKET_OUTGOING || msg.msg_flags & MSG_TRUNC ||
	    len < (ssize_t)(sizeof(p->vnet) + XSP_ETH_HEAD))
		return -1;
	p->len = (uint32_t)len - (uint32_t)sizeof(p->vnet);
	return 1;
}

static unsigned int packet_recv(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n)
{
	unsigned int got = 0;

	for (unsigned int tries = 0; got < n && tries < 4 * n; tries++) {
		int r = recv_one(e, &p[got]);

		if (!r)
			break;
		got += r > 0;
	}
	return got;
}

const struct xsp_netport_ops xsp_netport_packet = {
	.name = "packet",
	.usage = "packet:IFNAME",
	.open = packet_open,
	.close = packet_close,
	.connect = packet_connect,
	.disconnect = packet_disconnect,
	.start = packet_start,
	.send = packet_send,
	.recv = packet_recv,
};
