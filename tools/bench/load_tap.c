/* SPDX-License-Identifier: MIT */
/*
 * No driver at all: one thread writes frames to a TAP, or one sends them into it from a packet socket
 * and another reads them. What a daemon between a guest and a TAP can reach at best, a system call a
 * frame. Reads jobs as load_nic.c does; which way is an argument.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tools/bench/load.h"
#include "tools/bench/wire.h"

#define IFNAME "bench0"

struct load {
	int tap;
	bool reads; /* TAP to us */
	int cpu[2]; /* of the packet socket, of whoever has the TAP; -1: any */
	struct wire wire;
	struct frame frame;
	uint64_t until_ns;
	uint32_t depth, batch;
	uint64_t received __attribute__((aligned(128))); /* by the reader; a thread's own line */
	uint32_t done __attribute__((aligned(128)));
};

static uint8_t room[FRAME_MOST];

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* It begins where it stays: under SCHED_FIFO it would never get away from a processor that spins. */
static int start_thread(pthread_t *thread, int cpu, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int err;

	pthread_attr_init(&attr);
	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : cpu, &set);
	if (cpu >= 0)
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	err = pthread_create(thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return -err;
}

static int open_tap(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), s = -1;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), IFNAME);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		goto fail;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ifr.ifr_flags = IFF_UP;
	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &ifr))
		goto fail;
	close(s);
	return fd;
fail:
	s = -errno;
	close(fd);
	return s;
}

/* --- to the TAP -------------------------------------------------------------------------------- */

static uint64_t write_all(struct load *l)
{
	uint8_t head[FRAME_HEAD];
	uint32_t n = 0;

	while (n % 32 || clock_ns(CLOCK_MONOTONIC) < l->until_ns) {
		struct iovec iov[3] = { { &l->frame.vnet, sizeof(l->frame.vnet) },
					{ head, sizeof(head) },
					{ room, l->frame.bytes - FRAME_HEAD } };

		frame_write(&l->frame, head, n);
		if (writev(l->tap, iov, 3) < 0)
			break;
		n++;
	}
	return n;
}

/* --- from the TAP ------------------------------------------------------------------------------ */

static void *read_all(void *arg)
{
	static uint8_t to[FRAME_MOST];
	struct load *l = arg;
	uint32_t number;

	while (!__atomic_load_n(&l->done, __ATOMIC_ACQUIRE)) {
		struct xsp_vnet vnet;
		struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { to, sizeof(to) } };
		ssize_t n = readv(l->tap, iov, 2);

		if (n == (ssize_t)(sizeof(vnet) + l->frame.bytes) &&
		    frame_read(&l->frame, to, FRAME_HEAD, &number))
			__atomic_store_n(&l->received, l->received + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static uint64_t send_all(struct load *l)
{
	uint64_t sent = 0, moved = clock_ns(CLOCK_MONOTONIC), now;

	while ((now = clock_ns(CLOCK_MONOTONIC)) < l->until_ns) {
		uint64_t out = sent - __atomic_load_n(&l->received, __ATOMIC_ACQUIRE);
		uint64_t n = out >= l->depth ? 0 : l->depth - out < l->batch ? l->depth - out : l->batch;
		int went = n ? wire_send(&l->wire, &l->frame, (uint32_t)sent, (unsigned int)n) : 0;

		if (went < 0)
			break;
		sent += (uint64_t)went;
		moved = went ? now : moved;
	}
	while (__atomic_load_n(&l->received, __ATOMIC_ACQUIRE) < sent &&
	       clock_ns(CLOCK_MONOTONIC) - moved < 3000000000u)
		;
	return sent;
}

static int go(struct load *l, uint64_t *ret_sent)
{
	pthread_t reader;
	int err;

	if (!l->reads) {
		l->received = wire_received(IFNAME);
		*ret_sent = write_all(l);
		l->received = (uint32_t)(wire_received(IFNAME) - (uint32_t)l->received);
		return 0;
	}
	l->received = l->done = 0;
	err = wire_open(&l->wire, IFNAME, false);
	if (err)
		return err;
	err = start_thread(&reader, l->cpu[1], read_all, l);
	if (!err) {
		*ret_sent = send_all(l);
		__atomic_store_n(&l->done, 1, __ATOMIC_RELEASE);
		pthread_join(reader, NULL);
	}
	wire_close(&l->wire);
	return err;
}

static void serve(struct load *l)
{
	static const uint8_t to[6] = { 2, 0, 0, 0, 0, 0x99 }, from[6] = { 2, 0, 0, 0, 0, 0x98 };
	char line[256], wait[8];
	uint32_t size;
	double seconds;

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), wall = clock_ns(CLOCK_MONOTONIC), sent = 0;
		int err = -EINVAL;

		if (sscanf(line, "go %lf %u %u %u %7s", &seconds, &size, &l->depth, &l->batch, wait) == 5 &&
		    size >= FRAME_MIN && size <= FRAME_MOST) {
			l->until_ns = wall + (uint64_t)(seconds * 1e9);
			frame_make(&l->frame, to, from, size);
			err = go(l, &sent);
		}
		if (err)
			printf("{\"error\":\"%s\"}\n", strerror(-err));
		else
			printf("{\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"ns\":%" PRIu64
			       ",\"cpu_ns\":%" PRIu64 "}\n",
			       sent, l->received, clock_ns(CLOCK_MONOTONIC) - wall,
			       clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu);
		fflush(stdout);
	}
}

/* guest-tap|tap-guest CPU-OF-THE-SOCKET CPU-OF-THE-TAP */
int load_tap_main(int argc, char **argv)
{
	static struct load l;

	if (argc != 4)
		return 2;
	l.reads = !strcmp(argv[1], "tap-guest");
	l.cpu[0] = atoi(argv[2]);
	l.cpu[1] = atoi(argv[3]);
	l.tap = open_tap();
	if (l.tap < 0) {
		printf("no TAP: %s\n", strerror(-l.tap));
		return 1;
	}
	stay_on(l.cpu[l.reads ? 0 : 1]);
	serve(&l);
	return 0;
}
