/* SPDX-License-Identifier: MIT */
/* DPDK's testpmd as a peer: see testpmd.h. It is told what to do at its prompt, as a person would. */
#include "tools/bench/testpmd.h"

#include <dirent.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM "/usr/bin/dpdk-testpmd"
#define MBUFS   "--total-num-mbufs=8192"
#define ARG(text) ((char *)(uintptr_t)(text))
#define SECONDS 20 /* for an answer */

/* 2 MiB pages that are free, in MiB. */
static long free_hugepages(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	long n = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "HugePages_Free: %ld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return 2 * n;
}

static int start_one(struct testpmd *t, struct child *c, const char *dir, bool back, int cpu, const char *mode,
		     const char *log)
{
	char lcores[32], forward[32], vdev[2][160];
	char *argv[32] = { ARG("stdbuf"), ARG("-oL"), ARG(PROGRAM), ARG("--lcores"), lcores, ARG("--no-pci"),
			   ARG("--no-telemetry"), ARG("-m"), ARG("256") };
	int n = 9;

	snprintf(lcores, sizeof(lcores), "0@%d,1@%d", !cpu, cpu); /* 0 hears us, 1 forwards */
	snprintf(forward, sizeof(forward), "--forward-mode=%s", mode);
	argv[n++] = t->hugepages ? ARG("--in-memory") : ARG("--no-huge");
	argv[n++] = t->hugepages ? ARG("--single-file-segments") : ARG("--no-shconf");
	for (int i = 0; i < t->ports; i++) {
		if (back)
			snprintf(vdev[i], sizeof(vdev[i]), "net_vhost%d,iface=%s/vhost%d,queues=1", i, dir, i);
		else
			snprintf(vdev[i], sizeof(vdev[i]),
				 "net_virtio_user%d,path=%s/vhost%d,queues=1,queue_size=256", i,
				 dir, i);
		argv[n++] = ARG("--vdev");
		argv[n++] = vdev[i];
	}
	argv[n++] = ARG("--");
	argv[n++] = ARG("-i");
	argv[n++] = ARG("--nb-cores=1");
	argv[n++] = forward;
	argv[n++] = ARG(MBUFS);
	argv[n++] = ARG("--no-mlockall");
	argv[n++] = ARG("--no-lsc-interrupt");
	argv[n++] = ARG("--disable-link-check"); /* or the backend waits nine seconds for a guest */
	return child_start(c, argv, -1, true, log);
}

/* Reads lines until one has @what in it; NULL: none in time. */
static const char *hear(struct child *c, const char *what)
{
	const char *line;

	for (int i = 0; i < 400; i++) {
		line = child_hear(c, SECONDS);
		if (!line || strstr(line, what))
			return line;
	}
	return NULL;
}

/* Its prompt is no line: ask something, and wait for the answer. */
static bool is_ready(struct child *c)
{
	return !child_say(c, "show port summary all\n") && hear(c, "Number of available ports");
}

/*
 * Under SCHED_FIFO only from here on, and its thread that reads what we say, on the other processor, above
 * those that forward: it spins when it waits for them, and they do always.
 */
static void lift(const struct child *c)
{
	struct sched_param fifo = { .sched_priority = 1 }, above = { .sched_priority = 2 };
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", c->pid);
	d = child_fifo ? opendir(path) : NULL;
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			sched_setscheduler(atoi(e->d_name), SCHED_FIFO,
					   atoi(e->d_name) == c->pid ? &above : &fifo);
	if (d)
		closedir(d);
}

const char *testpmd_start(struct testpmd *t, const char *dir, bool between, int guest_cpu, int back_cpu,
			  const char *log)
{
	char sock[128];
	struct stat st;

	memset(t, 0, sizeof(*t));
	if (access(PROGRAM, X_OK))
		return "dpdk-testpmd is not installed (dpdk-dev, librte-net-vhost23, librte-net-virtio23)";
	t->both_ways = between;
	t->ports = between ? 2 : 1;
	t->hugepages = free_hugepages() >= 512;
	for (int i = 0; i < t->ports; i++) {
		snprintf(sock, sizeof(sock), "%s/vhost%d", dir, i);
		unlink(sock);
	}
	if (start_one(t, &t->back, dir, true, back_cpu, between ? "io" : "rxonly", log) ||
	    !is_ready(&t->back) || stat(sock, &st)) {
		testpmd_stop(t);
		return "dpdk-testpmd does not run as a vhost-user backend";
	}
	if (start_one(t, &t->guest, dir, false, guest_cpu, between ? "io" : "txonly", log) ||
	    !is_ready(&t->guest)) {
		testpmd_stop(t);
		return "dpdk-testpmd does not connect by virtio-user";
	}
	lift(&t->back);
	lift(&t->guest);
	return NULL;
}

/* Frames per second that the backend got since it was asked last. */
static double rate(struct testpmd *t)
{
	double sum = 0;

	if (child_say(&t->back, "show port stats all\n"))
		return 0;
	for (int i = 0; i < t->ports; i++) {
		const char *line = hear(&t->back, "Rx-pps:");

		if (!line)
			return 0;
		sum += atof(strstr(line, "Rx-pps:") + 7);
	}
	return sum;
}

double testpmd_run(struct testpmd *t, unsigned int bytes, double seconds)
{
	double got;

	if (child_say(&t->guest, "set txpkts %u\n", bytes) || child_say(&t->back, "start\n") ||
	    child_say(&t->guest, t->both_ways ? "start tx_first 4\n" : "start\n"))
		return 0;
	usleep(20000);
	rate(t);
	usleep((useconds_t)(seconds * 1e6));
	got = rate(t);
	if (child_say(&t->guest, "stop\n") || !hear(&t->guest, "Done.") || child_say(&t->back, "stop\n") ||
	    !hear(&t->back, "Done."))
		return 0;
	return got;
}

void testpmd_stop(struct testpmd *t)
{
	if (t->guest.pid > 0)
		child_say(&t->guest, "quit\n");
	child_stop(&t->guest);
	if (t->back.pid > 0)
		child_say(&t->back, "quit\n");
	child_stop(&t->back);
}
