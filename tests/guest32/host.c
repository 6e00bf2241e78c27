/* SPDX-License-Identifier: MIT */
/*
 * What a 32-bit frontend (child.c) needs of Xen: pages, an event channel, the store's keys in one of the
 * ways that frontends write them. tests/lab/test-guest32.sh.
 *
 *     vbd-guest32 DOMID DEVID CHILD PROTOCOL|none ORDER STYLE [skip3]
 *
 * STYLE: plain (ring-ref, or ring-page-order and ring-refN), numbered (ring-ref0 even for one page),
 * legacy (num-ring-pages and no order), both (as FreeBSD). skip3: from 1 to 4 at once, as Mini-OS.
 */
#include "tests/evil/evil.h"
#include "tests/guest32/setup.h"

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static struct guest g;
static struct setup setup;

/* The file behind a page of this process, and the page's number in it. */
static uint32_t page_of(const void *p, dev_t *dev, ino_t *ino)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to, at = (unsigned long)p;
	unsigned long long offset, inode;
	unsigned int major_, minor_;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %llx %x:%x %llu", &from, &to, &offset, &major_, &minor_,
			   &inode) == 6 && at >= from && at < to) {
			fclose(f);
			*dev = makedev(major_, minor_);
			*ino = (ino_t)inode;
			return (uint32_t)((offset + (at - from)) / XSP_PAGE_SIZE);
		}
	errx(2, "no mapping at %p", p);
}

/* A descriptor of ours of that file. */
static int descriptor_of(dev_t dev, ino_t ino)
{
	struct stat st;

	for (int fd = 0; fd < 256; fd++)
		if (!fstat(fd, &st) && st.st_dev == dev && st.st_ino == ino)
			return fd;
	errx(2, "the guest's memory has no descriptor here");
}

static int describe_memory(void)
{
	dev_t dev;
	ino_t ino;

	for (unsigned int i = 0; i < setup.ring_pages; i++)
		setup.ring_at[i] = page_of((uint8_t *)g.ring + (size_t)i * XSP_PAGE_SIZE, &dev, &ino);
	for (unsigned int i = 0; i < DATA_PAGES; i++) {
		setup.data_at[i] = page_of(g.data + (size_t)i * XSP_PAGE_SIZE, &dev, &ino);
		setup.gref[i] = g.ref[i];
	}
	return descriptor_of(dev, ino);
}

static void write_keys(const char *protocol, const char *style)
{
	bool plain = !strcmp(style, "plain");
	char key[24];

	if (g.order && strcmp(style, "legacy"))
		end_write(&g.end, "ring-page-order", "%u", g.order);
	if (!strcmp(style, "legacy") || !strcmp(style, "both"))
		end_write(&g.end, "num-ring-pages", "%u", 1u << g.order);
	for (unsigned int i = 0; i < 1u << g.order; i++) {
		snprintf(key, sizeof(key), "ring-ref%u", i);
		end_write(&g.end, g.order || !plain ? key : "ring-ref", "%u", g.ring_ref[i]);
	}
	end_write(&g.end, "event-channel", "%u", g.port);
	end_write(&g.end, "feature-persistent", "%d", g.persistent);
	if (strcmp(protocol, "none"))
		end_write(&g.end, "protocol", "%s", protocol);
}

static pid_t start_child(const char *path, int memory, int *kick, int *wake)
{
	int s[2], k[2], w[2], up[4];
	pid_t pid;

	if (pipe(s) || pipe(k) || pipe(w))
		err(2, "pipe");
	if (write(s[1], &setup, sizeof(setup)) != sizeof(setup))
		err(2, "setup");
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (!pid) {
		/* out of the way of 3..6 first */
		up[0] = fcntl(s[0], F_DUPFD, 64);
		up[1] = fcntl(memory, F_DUPFD, 64);
		up[2] = fcntl(k[1], F_DUPFD, 64);
		up[3] = fcntl(w[0], F_DUPFD, 64);
		for (int i = 0; i < 4; i++)
			dup2(up[i], FD_SETUP + i);
		for (int fd = FD_WAKE + 1; fd < 256; fd++)
			close(fd);
		execl(path, path, (char *)NULL);
		err(2, "%s", path);
	}
	close(s[0]), close(s[1]), close(k[1]), close(w[0]);
	*kick = k[0];
	*wake = w[1];
	return pid;
}

/* Events both ways until the child is done. */
static void relay(int kick, int wake)
{
	struct pollfd p[2] = {{.fd = kick, .events = POLLIN},
			      {.fd = xenevtchn_fd(g.end.xce), .events = POLLIN}};
	char bytes[64];

	for (;;) {
		if (poll(p, 2, -1) < 0)
			err(2, "poll");
		if (p[1].revents) {
			int port = xenevtchn_pending(g.end.xce);

			if (port >= 0)
				xenevtchn_unmask(g.end.xce, (evtchn_port_t)port);
			if (write(wake, "", 1) != 1)
				return;
		}
		if (p[0].revents) {
			if (read(kick, bytes, sizeof(bytes)) <= 0)
				return;
			xenevtchn_notify(g.end.xce, g.port);
		}
	}
}

int main(int argc, char **argv)
{
	bool skip3 = argc == 8 && !strcmp(argv[7], "skip3");
	int kick, wake, status, memory;
	pid_t pid;

	if (argc < 7)
		errx(2, "usage: vbd-guest32 DOMID DEVID CHILD PROTOCOL|none ORDER STYLE [skip3]");
	g.persistent = getenv("PERSISTENT") != NULL;
	if (guest_open(&g, (uint32_t)atoi(argv[1]), (uint32_t)atoi(argv[2])))
		err(2, "no such device");
	end_rm(&g.end, "num-ring-pages");
	if (!guest_begin(&g))
		errx(1, "the backend is not ready");
	guest_make_ring(&g, (unsigned int)atoi(argv[5]), XSP_BLK_X86_64);
	setup.ring_pages = 1u << g.order;
	setup.requests = 4000;
	setup.seed = (uint32_t)getpid();
	memory = describe_memory();
	write_keys(argv[4], argv[6]);
	end_write(&g.end, "state", skip3 ? "4" : "3");
	if (end_wait(&g.end, 1u << 4 | 1u << 5 | 1u << 6, 6000) != 4)
		errx(1, "the backend does not connect: %s",
		     end_read(&g.end, g.end.be, "xensplit-error"));
	end_write(&g.end, "state", "4");
	if (end_number(&g.end, g.end.be, "feature-discard") > 0)
		setup.discard = (uint32_t)end_number(&g.end, g.end.be, "discard-granularity");
	if (end_number(&g.end, g.end.be, "feature-max-indirect-segments") >= 32)
		setup.indirect = 32;
	signal(SIGPIPE, SIG_IGN);
	pid = start_child(argv[3], memory, &kick, &wake);
	relay(kick, wake);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		errx(1, "the 32-bit frontend ended oddly");
	guest_close(&g);
	return WEXITSTATUS(status);
}
