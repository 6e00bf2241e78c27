/* SPDX-License-Identifier: MIT */
/* The host's side of an interface: see wire.h. */
#include "tools/bench/wire.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETH_ALL 0x0003

static uint8_t rest[FRAME_MOST]; /* what follows a head; nobody looks at it */

int wire_open(struct wire *w, const char *ifname, bool listen)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(ifname) };
	int one = 1, room = 8 << 20, err;

	w->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->fd < 0)
		return -errno;
	at.sll_protocol = listen ? htons(ETH_ALL) : 0;
	/* As much as may be: what is under way is bounded by its sender. */
	setsockopt(w->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(w->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	if (!at.sll_ifindex || setsockopt(w->fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    bind(w->fd, (struct sockaddr *)&at, sizeof(at))) {
		err = at.sll_ifindex ? -errno : -ENODEV;
		wire_close(w);
		return err;
	}
	return 0;
}

void wire_close(struct wire *w)
{
	close(w->fd);
	w->fd = -1;
}

int wire_send(struct wire *w, const struct frame *f, uint32_t number, unsigned int n)
{
	struct iovec iov[WIRE_BATCH][3];
	struct mmsghdr m[WIRE_BATCH];
	struct xsp_vnet vnet = f->vnet;
	int sent;

	n = n < WIRE_BATCH ? n : WIRE_BATCH;
	for (unsigned int i = 0; i < n; i++) {
		frame_write(f, w->head[i], number + i);
		iov[i][0] = (struct iovec){ &vnet, sizeof(vnet) };
		iov[i][1] = (struct iovec){ w->head[i], FRAME_HEAD };
		iov[i][2] = (struct iovec){ rest, f->bytes - FRAME_HEAD };
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = iov[i], .msg_iovlen = 3 } };
	}
	sent = sendmmsg(w->fd, m, n, MSG_DONTWAIT);
	return sent >= 0 ? sent : errno == EAGAIN || errno == ENOBUFS ? 0 : -errno;
}

int wire_take(struct wire *w, const struct frame *f, uint32_t *ret_number)
{
	uint8_t head[FRAME_HEAD];
	struct xsp_vnet vnet;

	for (;;) {
		struct iovec iov[3] = { { &vnet, sizeof(vnet) }, { head, sizeof(head) }, { rest, sizeof(rest) } };
		struct sockaddr_ll from;
		struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = iov, .msg_iovlen = 3 };
		ssize_t n = recvmsg(w->fd, &m, MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (from.sll_pkttype != PACKET_OUTGOING && n - (ssize_t)sizeof(vnet) == (ssize_t)f->bytes &&
		    frame_read(f, head, sizeof(head), ret_number))
			return 1;
	}
}

static struct rtnl_link_stats stats_of(const char *ifname)
{
	struct rtnl_link_stats s = { 0 };
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list))
		return s;
	for (struct ifaddrs *a = list; a; a = a->ifa_next)
		if (a->ifa_addr && a->ifa_addr->sa_family == AF_PACKET &&
		    !strcmp(a->ifa_name, ifname) && a->ifa_data)
			memcpy(&s, a->ifa_data, sizeof(s));
	freeifaddrs(list);
	return s;
}

uint32_t wire_received(const char *ifname)
{
	return stats_of(ifname).rx_packets;
}

uint32_t wire_dropped(const char *ifname)
{
	return stats_of(ifname).tx_dropped;
}
