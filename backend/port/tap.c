/* SPDX-License-Identifier: MIT */
/*
 * tap:[NAME] is a TAP device of this host with a queue for each of the guest's, named vifD.N unless
 * told otherwise, so that the bridge scripts of Xen find it. Packets pass with their vnet header:
 * a 64 KiB TCP packet goes through unsplit and unsummed, either way.
 *
 * The device is persistent: it stays in its bridge while the daemon is restarted, and goes when the
 * vif goes. It exists before the guest connects, because the script wants to see it; its carrier is
 * off until then, so nothing queues up in it.
 *
 * Source: Documentation/networking/tuntap.rst, linux/if_tun.h.
 */
#include "backend/port/port.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backend/port/writes.h"
#include "common/log.h"

#ifndef TUNSETCARRIER
#define TUNSETCARRIER _IOW('T', 226, int)
#endif

/*
 * Packets that wait in the kernel for a guest that is slow to post buffers: what comes beyond is
 * dropped there (XSA-392).
 */
#define QUEUE_LEN 128

struct tap {
	struct xsp_netport p;
	int fd[XSP_NETPORT_QUEUES]; /* 0 is open as long as the port is, the others while connected */
	uint32_t n;
};

static struct tap *tap_of(struct xsp_netport *p)
{
	return (struct tap *)p;
}

static int fail(int err, char *why, size_t why_len, const char *ifname, const char *what)
{
	snprintf(why, why_len, "%s: %s: %s%s", ifname, what, strerror(-err),
		 err == -ENOENT	 ? " (is the tun module loaded?)" :
		 err == -EPERM	 ? " (CAP_NET_ADMIN is needed)" :
		 err == -EINVAL ? " (is there another interface of that name?)" : "");
	return err;
}

static int open_queue(const char *ifname)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* --- the interface ----------------------------------------------------------------------------- */

/* One ioctl on an interface through any socket. Returns 0 or -errno. */
static int if_ioctl(const char *ifname, unsigned long op, struct ifreq *ifr)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (s < 0)
		return -errno;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", ifname);
	if (ioctl(s, op, ifr) < 0)
		err = -errno;
	close(s);
	return err;
}

/* The lowest-priority MAC there is, as Xen's vifs have it: a bridge never takes it for its own. */
static void set_mac(const char *ifname)
{
	static const uint8_t mac[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

	memcpy(ifr.ifr_hwaddr.sa_data, mac, sizeof(mac));
	if (if_ioctl(ifname, SIOCSIFHWADDR, &ifr))
		xsp_debug(NULL, "%s keeps its MAC address", ifname);
}

static int bring_up(const char *ifname)
{
	struct ifreq ifr = { 0 };
	int err = if_ioctl(ifname, SIOCGIFFLAGS, &ifr);

	if (err || ifr.ifr_flags & IFF_UP)
		return err;
	ifr.ifr_flags |= IFF_UP;
	return if_ioctl(ifname, SIOCSIFFLAGS, &ifr);
}

static int join(const char *ifname, const char *bridge)
{
	struct ifreq ifr = { .ifr_ifindex = (int)if_nametoindex(ifname) };
	int err = if_ioctl(bridge, SIOCBRADDIF, &ifr);

	return err == -EBUSY ? 0 : err; /* it is a member already: of a former daemon's doing */
}

static int set_up(const char *ifname, const struct xsp_netport_wish *wish, char *why, size_t why_len)
{
	struct ifreq qlen = { .ifr_qlen = QUEUE_LEN }, mtu = { .ifr_mtu = (int)wish->mtu };
	int err = if_ioctl(ifname, SIOCSIFTXQLEN, &qlen);

	if (err) /* in a user namespace it is refused, and stays at the kernel's 500 packets */
		xsp_debug(NULL, "%s: queue length unchanged: %s", ifname, strerror(-err));
	if (wish->mtu) {
		err = if_ioctl(ifname, SIOCSIFMTU, &mtu);
		if (err)
			return fail(err, why, why_len, ifname, "can't set its MTU");
	}
	if (!wish->up)
		return 0;
	set_mac(ifname);
	err = wish->bridge ? join(ifname, wish->bridge) : 0;
	if (err) {
		snprintf(why, why_len, "%s: can't join bridge %s: %s", ifname, wish->bridge,
			 strerror(-err));
		return err;
	}
	err = bring_up(ifname);
	return err ? fail(err, why, why_len, ifname, "can't bring it up") : 0;
}

/* --- store thread ------------------------------------------------------------------------------ */

static void tap_carrier(struct xsp_netport *p, bool on)
{
	int value = on;

	if (ioctl(tap_of(p)->fd[0], TUNSETCARRIER, &value) < 0)
		xsp_debug(NULL, "%s: no carrier control: %s", p->ifname, strerror(errno));
}

static int tap_open(const char *opts, const char *rest, const struct xsp_netport_wish *wish,
		    struct xsp_netport **ret, char *why, size_t why_len)
{
	const char *ifname = *rest ? rest : wish->ifname;
	struct tap *t;
	int err;

	if (*opts || strlen(ifname) >= sizeof(t->p.ifname)) {
		snprintf(why, why_len, *opts ? "tap: has no options" :
			 "tap: the name of an interface has at most 15 characters");
		return -EINVAL;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->p.ops = &xsp_netport_tap;
	snprintf(t->p.ifname, sizeof(t->p.ifname), "%s", ifname);
	t->fd[0] = open_queue(ifname);
	if (t->fd[0] < 0) {
		err = fail(t->fd[0], why, why_len, ifname, "can't make the TAP");
		free(t);
		return err;
	}
	t->n = 1;
	if (ioctl(t->fd[0], TUNSETPERSIST, 1) < 0)
		xsp_warn(NULL, "%s: it will not outlive this daemon: %s", ifname, strerror(errno));
	tap_carrier(&t->p, false);
	err = set_up(ifname, wish, why, why_len);
	if (err) {
		t->p.ops->close(&t->p, true);
		return err;
	}
	*ret = &t->p;
	return 0;
}

static void tap_disconnect(struct xsp_netport *p)
{
	struct tap *t = tap_of(p);

	while (t->n > 1)
		close(t->fd[--t->n]);
}

static void tap_close(struct xsp_netport *p, bool forget)
{
	struct tap *t = tap_of(p);

	tap_disconnect(p);
	if (forget)
		ioctl(t->fd[0], TUNSETPERSIST, 0);
	close(t->fd[0]);
	free(t);
}

static int tap_connect(struct xsp_netport *p, const struct xsp_netport_features *f, char *why,
		       size_t why_len)
{
	struct tap *t = tap_of(p);
	unsigned int offload = f->csum ? TUN_F_CSUM : 0;
	int err = 0;

	if (f->csum && f->tso4)
		offload |= TUN_F_TSO4;
	if (f->csum && f->tso6)
		offload |= TUN_F_TSO6;
	tap_disconnect(p);
	while (!err && t->n < f->queues) {
		t->fd[t->n] = open_queue(p->ifname);
		if (t->fd[t->n] < 0)
			err = t->fd[t->n];
		else
			t->n++;
	}
	if (err)
		return fail(err, why, why_len, p->ifname, "can't add a queue");
	if (ioctl(t->fd[0], TUNSETOFFLOAD, offload) < 0)
		return fail(-errno, why, why_len, p->ifname, "can't set its offloads");
	return 0;
}

/* --- worker ------------------------------------------------------------------------------------ */

static int tap_start(struct xsp_netport_end *e)
{
	e->fd = tap_of(e->port)->fd[e->index];
	return 0;
}

static void tap_send(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n)
{
	xsp_writes_packets(xsp_writes_get(e->worker), e->fd, p, n);
}

static unsigned int tap_recv(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n)
{
	unsigned int got = 0;

	while (got < n) {
		struct iovec iov[2] = { { &p[got].vnet, sizeof(p[got].vnet) },
					{ p[got].data, XSP_PACKET_BYTES } };
		ssize_t len = readv(e->fd, iov, 2);

		if (len < (ssize_t)(sizeof(p[got].vnet) + XSP_ETH_HEAD))
			break; /* nothing more there: EAGAIN */
		p[got].len = (uint32_t)len - (uint32_t)sizeof(p[got].vnet);
		got++;
	}
	return got;
}

const struct xsp_netport_ops xsp_netport_tap = {
	.name = "tap",
	.usage = "tap:[NAME]",
	.open = tap_open,
	.close = tap_close,
	.connect = tap_connect,
	.disconnect = tap_disconnect,
	.carrier = tap_carrier,
	.start = tap_start,
	.send = tap_send,
	.recv = tap_recv,
	.pieces = true,
};
