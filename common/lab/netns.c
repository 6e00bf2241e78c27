/* SPDX-License-Identifier: MIT */
/*
 * A guest's own network: a namespace below the lab's, made when the first process of the guest wants
 * to enter it, kept by a descriptor as long as the domain lives. Dom0's is the lab's.
 */
#include "common/lab/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Loopback of the namespace that we are in. */
static int loopback_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* The hub has one thread: it goes into a new namespace and back again. */
int netns_of(struct domain *d)
{
	int r = 0;

	if (d->netns >= 0)
		return d->netns;
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	r = loopback_up();
	if (!r) {
		d->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		r = d->netns < 0 ? -errno : d->netns;
	}
	if (setns(hub.ns_fd[LAB_NS_NET], CLONE_NEWNET) < 0) {
		hub_log("the hub is lost in a guest's network namespace: %s", strerror(errno));
		return -errno;
	}
	if (r < 0)
		hub_log("no network namespace for domain %u: %s", d->id, strerror(-r));
	return r;
}

void netns_drop(struct domain *d)
{
	if (d->netns >= 0)
		close(d->netns);
	d->netns = -1;
}
