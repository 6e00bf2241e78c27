/* SPDX-License-Identifier: MIT */
/*
 * The TAP that a NIC appears as. Each packet has a virtio-net header before it, so that the kernel
 * gives and takes blank checksums and TCP packets that are not cut yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/vif/vif.h"

static int say(const struct vif_tap *t, const char *what)
{
	int error = -errno;

	fprintf(stderr, "xensplit-vif: %s: can't %s: %s\n", t->name, what, strerror(errno));
	return error;
}

static int open_queue(struct vif_tap *t, int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return say(t, "open /dev/net/tun");
	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		int error = say(t, "make the TAP");

		close(fd);
		return error;
	}
	memcpy(t->name, ifr.ifr_name, sizeof(t->name));
	return fd;
}

int vif_tap_open(struct vif_tap *t, const char *name, unsigned int queues)
{
	int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues > 1 ? IFF_MULTI_QUEUE : 0);

	memset(t, 0, sizeof(*t));
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->carrier = -1;
	t->ioctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (t->ioctl_fd < 0)
		return say(t, "make a socket");
	for (; t->queues < queues; t->queues++) {
		t->fd[t->queues] = open_queue(t, flags);
		if (t->fd[t->queues] < 0) {
			int error = t->fd[t->queues];

			vif_tap_close(t);
			return error;
		}
	}
	t->attached = queues;
	return 0;
}

void vif_tap_close(struct vif_tap *t)
{
	while (t->queues)
		close(t->fd[--t->queues]);
	if (t->ioctl_fd >= 0)
		close(t->ioctl_fd);
	t->ioctl_fd = -1;
}

static int set_mac(struct vif_tap *t, const uint8_t mac[6])
{
	struct ifreq ifr = { .ifr_flags = 0 };

	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	if (ioctl(t->ioctl_fd, SIOCGIFHWADDR, &ifr) == 0 && !memcmp(ifr.ifr_hwaddr.sa_data, mac, 6))
		return 0;
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	return ioctl(t->ioctl_fd, SIOCSIFHWADDR, &ifr) < 0 ? say(t, "set the MAC address") : 0;
}

static int set_mtu_and_up(struct vif_tap *t, uint32_t mtu)
{
	struct ifreq ifr = { .ifr_mtu = (int)mtu };

	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	if (ioctl(t->ioctl_fd, SIOCSIFMTU, &ifr) < 0)
		return say(t, "set the MTU");
	if (ioctl(t->ioctl_fd, SIOCGIFFLAGS, &ifr) < 0)
		return say(t, "read the flags");
	ifr.ifr_flags |= IFF_UP;
	return ioctl(t->ioctl_fd, SIOCSIFFLAGS, &ifr) < 0 ? say(t, "bring it up") : 0;
}

/* What the kernel may leave to the backend. */
static int set_offloads(struct vif_tap *t, const struct xsp_nic_info *i)
{
	unsigned int offload = 0;

	if (i->csum)
		offload = TUN_F_CSUM | (i->gso4 ? TUN_F_TSO4 | TUN_F_TSO_ECN : 0) |
			  (i->gso6 ? TUN_F_TSO6 | TUN_F_TSO_ECN : 0);
	return ioctl(t->fd[0], TUNSETOFFLOAD, offload) < 0 ? say(t, "set offloads") : 0;
}

/* As many queues as the NIC has with this backend. */
static int set_queues(struct vif_tap *t, unsigned int want)
{
	for (unsigned int q = 1; q < t->queues; q++) {
		struct ifreq ifr = { .ifr_flags = q < want ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

		if ((q < want) == (q < t->attached))
			continue;
		if (ioctl(t->fd[q], TUNSETQUEUE, &ifr) < 0)
			return say(t, "change its queues");
	}
	t->attached = want < t->queues ? want : t->queues;
	return 0;
}

int vif_tap_shape(struct vif_tap *t, const struct xsp_nic_info *i)
{
	int carrier = i->carrier, error = 0;

	if (i->connected) {
		error = set_queues(t, i->queues);
		if (!error)
			error = set_offloads(t, i);
		if (!error)
			error = set_mac(t, i->mac);
		if (!error)
			error = set_mtu_and_up(t, i->mtu);
	}
	if (!error && carrier != t->carrier && ioctl(t->fd[0], TUNSETCARRIER, &carrier) == 0)
		t->carrier = carrier;
	return error;
}
