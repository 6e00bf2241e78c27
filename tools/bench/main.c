/* SPDX-License-Identifier: MIT */
/* xensplit-bench: the command line, and what its modes share. See bench.h. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tools/bench/bench.h"
#include "tools/bench/load.h"
#include "tools/bench/pair.h"

struct mode {
	const char *name, *summary;
	int (*run)(struct bench *b, int argc, char **argv);
};

static const struct mode modes[] = {
	{ "ring", "a block ring alone, against Xen's own macros and DPDK's rte_ring", mode_ring },
	{ "wake", "waking the other half: event channels, eventfd, futex, io_uring", mode_wake },
	{ "grant", "reaching a guest's pages: mapped, copied, kept mapped", mode_grant },
	{ "blk", "disks: our frontend, xensplitd, a lab; QEMU's backend, NBD, io_uring beside them", mode_blk },
	{ "net", "network: our frontends, xensplitd, a lab; DPDK's testpmd, a bare TAP beside them", mode_net },
	{ "report", "one HTML page from the JSON files of the others", mode_report },
	{ "compare", "two such files side by side", mode_compare },
	{ 0 },
};

/* Started by mode_blk and mode_net, in the lab or beside it. */
static const struct load {
	const char *name;
	int (*run)(int argc, char **argv);
} loads[] = {
	{ "load-front", load_front_main },
	{ "load-nbd", load_nbd_main },
	{ "load-uring", load_uring_main },
	{ "load-nic", load_nic_main },
	{ "load-tap", load_tap_main },
	{ "load-vhost", load_vhost_main },
	{ 0 },
};

static void help(void)
{
	puts("usage: xensplit-bench MODE [OPTION...]\n"
	     "How fast the split drivers are, beside others in the same interleaved rounds.\n");
	for (const struct mode *m = modes; m->name; m++)
		printf("  %-10s %s\n", m->name, m->summary);
	puts("\nxensplit-bench MODE --help lists a mode's options. Figures are of the lab: no hypervisor.\n"
	     "examples:\n"
	     "  xensplit-bench ring --batch=1,32\n"
	     "  xensplit-bench blk --depth=32 --out=blk.json\n"
	     "  xensplit-bench net --direction=guest-guest --size=64,64k\n"
	     "  xensplit-bench report --out=report.html blk.json");
}

int bench_usage(const char *fmt, ...)
{
	va_list args;

	fputs("xensplit-bench: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return 2;
}

int values_of(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	int n = 0;

	for (const char *p = text; *p; n++) {
		char *end;
		unsigned long long v = strtoull(p, &end, 10);

		if (end != p && (*end == 'k' || *end == 'K'))
			v <<= 10, end++;
		else if (end != p && *end == 'M')
			v <<= 20, end++;
		if (end == p || (*end && *end != ',') || v < min || v > max || n == MAX_VALUES ||
		    (*end == ',' && !end[1])) {
			bench_usage("--%s: '%s' is no list of at most %d numbers from %llu to %llu", option,
				    text, MAX_VALUES, (unsigned long long)min, (unsigned long long)max);
			return -1;
		}
		ret[n] = v;
		p = *end ? end + 1 : end;
	}
	return n ? n : -1;
}

bool word_in(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (!strncmp(p, word, n) && (!p[n] || p[n] == ','))
			return true;
	return false;
}

uint64_t bench_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int turn_fd = -1, turns;

void bench_turn(bool fifo)
{
	if (!fifo || turns++)
		return;
	if (turn_fd < 0)
		turn_fd = open("/tmp/xensplit-bench.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (turn_fd < 0 || flock(turn_fd, LOCK_EX))
		fprintf(stderr, "xensplit-bench: /tmp/xensplit-bench.lock: can't be locked; go on without\n");
}

void bench_turn_over(bool fifo)
{
	if (fifo && !--turns && turn_fd >= 0)
		flock(turn_fd, LOCK_UN);
}

/* One of the machine's limits, alone; 0: there is one processor, or it got none. */
static double limit_rate(const struct contestant *c, unsigned int order, bool fifo)
{
	struct pair p = { .cpu = { 0, 1 }, .fifo = fifo, .order = order };
	double rate = 0;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return 0;
	p.pages = mmap(NULL, 4096u << order, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p.pages == MAP_FAILED)
		return 0;
	if (!pair_run(&p, c, 0.01) && p.ops)
		rate = (double)p.ops / (double)p.ns * 1e9;
	munmap(p.pages, 4096u << order);
	return rate;
}

double bench_line_ns(bool fifo)
{
	double rate = limit_rate(&limit_line, 0, fifo);

	return rate > 0 ? 1e9 / rate : 0;
}

double bench_stream_bytes(bool fifo)
{
	return limit_rate(&limit_stream, 4, fifo) * 64;
}

double bench_page_bytes(bool fifo)
{
	return limit_rate(&limit_pages, 6, fifo) * 4096;
}

int main(int argc, char **argv)
{
	struct bench b = { .argc = argc, .argv = argv };

	if (argc < 2)
		return bench_usage("which mode? try xensplit-bench --help");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help();
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("xensplit-bench " XSP_VERSION);
		return 0;
	}
	for (const struct load *l = loads; l->name; l++)
		if (!strcmp(argv[1], l->name))
			return l->run(argc - 1, argv + 1);
	for (const struct mode *m = modes; m->name; m++)
		if (!strcmp(argv[1], m->name)) {
			b.mode = m->name;
			return m->run(&b, argc - 1, argv + 1);
		}
	return bench_usage("there is no mode '%s'; try xensplit-bench --help", argv[1]);
}
