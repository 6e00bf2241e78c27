/* SPDX-License-Identifier: MIT */
/*
 * Load on PV NICs through libxensplit-front: one process, one thread, one or two guests' frontends and,
 * where a TAP is the other end, a packet socket on it. Reads jobs, answers each with a line of JSON:
 *
 *     go SECONDS SIZE DEPTH BATCH poll|sleep [head|touch]   frames one way
 *     ping SECONDS SIZE poll|sleep                          one frame there and back, again and again
 *
 * No frame is sent that would make more than DEPTH under way, and a push follows BATCH of them at most.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/hist.h"
#include "common/lab/env.h"
#include "tools/bench/load.h"
#include "tools/bench/wire.h"

#define LOOK_EVERY 65536 /* turns that brought nothing between two looks at the store, when spinning */
#define LOST_NS    3000000000u /* nothing moved for so long: a busy machine may leave us standing for some time */
#define MAX_QUEUES XSP_NIC_MAX_QUEUES

enum direction { GUEST_GUEST, GUEST_NULL, GUEST_TAP, TAP_GUEST, DIRECTIONS };

struct task {
	double seconds;
	uint32_t size, depth, batch;
	bool poll, touch; /* touch: every byte of what comes is looked at */
};

struct load {
	enum direction direction;
	struct xsp_nic *nic[2]; /* the second of guest-guest only */
	int n;
	unsigned int queues;
	const char *ifname;
	struct wire wire;
	struct frame frame;
	/* of one job */
	struct task t;
	uint64_t sent, received, lost, gso_in, bytes_in, waits, batches, until_ns, moved_ns;
	uint32_t next[MAX_QUEUES], expected[MAX_QUEUES]; /* numbers of frames */
	volatile uint64_t sum; /* of what was looked at, so that nothing is optimized away */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* Where frames of a job come out, if a NIC of ours is there. */
static struct xsp_nic *sink_of(const struct load *l)
{
	return l->direction == GUEST_GUEST ? l->nic[1] : l->direction == TAP_GUEST ? l->nic[0] : NULL;
}

/* --- sending and receiving --------------------------------------------------------------------- */

/* How many more may be under way now. Who has no sink is bounded by the pages it was given. */
static uint64_t allowance(const struct load *l)
{
	uint64_t out = sink_of(l) ? l->sent - l->received - l->lost : 0;

	return out >= l->t.depth ? 0 : l->t.depth - out < l->t.batch ? l->t.depth - out : l->t.batch;
}

static bool send_one(struct xsp_nic *nic, unsigned int q, const struct frame *f, uint32_t number)
{
	struct iovec iov[XSP_NIC_TX_PIECES];
	uint8_t head[FRAME_HEAD];

	if (!xsp_nic_reserve_bytes(nic, q, f->bytes, iov))
		return false;
	frame_write(f, head, number);
	xsp_nic_write(iov[0].iov_base, head, sizeof(head));
	return !xsp_nic_send(nic, q, f->bytes, &f->meta);
}

/* Returns how many went, or -errno. */
static int send_some(struct load *l, unsigned int q)
{
	uint64_t n = allowance(l), i = 0;
	int went;

	if (l->direction == TAP_GUEST) {
		went = q || !n ? 0 : wire_send(&l->wire, &l->frame, l->next[0], (unsigned int)n);
		if (went < 0)
			return went;
		i = (uint64_t)went;
	} else {
		while (i < n && send_one(l->nic[0], q, &l->frame, l->next[q] + (uint32_t)i))
			i++;
	}
	l->next[q] += (uint32_t)i;
	l->sent += i;
	return (int)i;
}

/* Frames of one sender's queue come in their order, all in the queue of that number. */
static void count_in(struct load *l, const struct xsp_nic_packet *p, unsigned int q)
{
	uint32_t number;

	if (p->bytes != l->frame.bytes || p->meta.gso_type != l->frame.meta.gso_type || !p->pieces ||
	    !frame_read(&l->frame, p->iov[0].iov_base, (uint32_t)p->iov[0].iov_len, &number))
		return; /* the host's own, such as router solicitations; or one of ours that was cut */
	if (l->t.touch)
		for (unsigned int i = 0; i < p->pieces; i++)
			l->sum += touch(p->iov[i].iov_base, (uint32_t)p->iov[i].iov_len);
	l->lost += number - l->expected[q];
	l->expected[q] = number + 1;
	l->received++;
	l->bytes_in += p->bytes;
	l->gso_in += p->meta.gso_type != 0;
}

static int receive_some(struct load *l, struct xsp_nic *nic, unsigned int q)
{
	struct xsp_nic_packet p;
	int n = 0;

	while (n < 64 && xsp_nic_receive(nic, q, &p) == 1) {
		count_in(l, &p, q);
		xsp_nic_release(nic, q, &p);
		n++;
	}
	return n;
}

/* Hand over what was done; returns true when there is more to do already. */
static bool hand_over(struct load *l)
{
	bool more = false;

	for (int i = 0; i < l->n; i++)
		for (unsigned int q = 0; q < l->queues; q++) {
			if (l->t.poll)
				xsp_nic_push(l->nic[i], q);
			else
				more |= xsp_nic_arm(l->nic[i], q);
		}
	return more;
}

static int wait_for_events(struct load *l, int ms, bool wire)
{
	struct pollfd p[3];
	int n = 0;

	for (; n < l->n; n++)
		p[n] = (struct pollfd){ .fd = xsp_nic_fd(l->nic[n]), .events = POLLIN };
	if (wire)
		p[n++] = (struct pollfd){ .fd = l->wire.fd, .events = POLLIN };
	l->waits++;
	return poll(p, (nfds_t)n, ms) < 0 && errno != EINTR ? -errno : 0;
}

static int process(struct load *l)
{
	for (int i = 0; i < l->n; i++) {
		int err;

		xsp_nic_process(l->nic[i]);
		err = xsp_nic_error(l->nic[i], NULL);
		if (err)
			return err;
	}
	return 0;
}

/* --- frames one way ---------------------------------------------------------------------------- */

static unsigned int under_way(const struct load *l)
{
	unsigned int n = 0;

	if (sink_of(l))
		return (unsigned int)(l->sent - l->received - l->lost);
	for (unsigned int q = 0; q < l->queues; q++)
		n += xsp_nic_in_flight(l->nic[0], q);
	return n;
}

static int turn(struct load *l, bool sending)
{
	int n = 0;

	for (unsigned int q = 0; q < l->queues; q++) {
		int went = sending ? send_some(l, q) : 0;

		if (went < 0)
			return went;
		n += went;
		l->batches += went && l->direction != TAP_GUEST;
		went = sink_of(l) ? receive_some(l, sink_of(l), q) : 0;
		n += went;
		l->batches += went != 0;
	}
	return n;
}

static int flow(struct load *l)
{
	uint64_t idle = 0;
	int err = 0;

	while (!err) {
		uint64_t now = now_ns();
		bool sending = now < l->until_ns, more;
		int n;

		if (!l->t.poll || idle % LOOK_EVERY == LOOK_EVERY - 1)
			err = process(l);
		n = err ? err : turn(l, sending);
		if (n < 0)
			return n;
		more = hand_over(l);
		idle = n ? 0 : idle + 1;
		if (n)
			l->moved_ns = now;
		if (!sending && !under_way(l))
			return 0;
		if (now - l->moved_ns > LOST_NS && now > l->until_ns) {
			l->lost += sink_of(l) ? under_way(l) : 0;
			return sink_of(l) ? 0 : -ETIMEDOUT;
		}
		if (!n && !more && !l->t.poll && !err)
			err = wait_for_events(l, sending ? 10 : 1, false);
	}
	return err;
}

static void prepare(struct load *l)
{
	static const uint8_t elsewhere[6] = { 2, 0, 0, 0, 0, 0x99 }; /* as of a host behind a bridge */
	struct xsp_nic_info a, b;

	xsp_nic_get_info(l->nic[0], &a);
	if (l->n > 1)
		xsp_nic_get_info(l->nic[1], &b);
	if (l->direction == TAP_GUEST)
		frame_make(&l->frame, a.mac, elsewhere, l->t.size);
	else
		frame_make(&l->frame, l->n > 1 ? b.mac : elsewhere, a.mac, l->t.size);
	l->sent = l->received = l->lost = l->gso_in = l->bytes_in = l->waits = l->batches = 0;
	memset(l->next, 0, sizeof(l->next));
	memset(l->expected, 0, sizeof(l->expected));
	l->moved_ns = now_ns();
	l->until_ns = l->moved_ns + (uint64_t)(l->t.seconds * 1e9);
}

/* Both ends' counters, summed over their queues. */
static void add_stats(const struct load *l, struct xsp_nic_stats *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (int i = 0; i < l->n; i++)
		for (unsigned int q = 0; q < l->queues; q++) {
			struct xsp_nic_stats s;

			xsp_nic_get_stats(l->nic[i], q, &s);
			sum->tx_gso += s.tx_gso;
			sum->tx_notifies += s.tx_notifies;
			sum->rx_notifies += s.rx_notifies;
			sum->events += s.events;
			sum->tx_refused += s.tx_refused;
		}
}

static int go(struct load *l)
{
	uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), wall = now_ns();
	uint32_t got = 0, dropped = 0;
	struct xsp_nic_stats a, b;
	int err;

	prepare(l);
	add_stats(l, &a);
	if (l->ifname) {
		got = wire_received(l->ifname);
		dropped = wire_dropped(l->ifname);
	}
	if (l->direction == TAP_GUEST)
		err = wire_open(&l->wire, l->ifname, false);
	else
		err = 0;
	err = err ? err : flow(l);
	wall = (l->lost ? l->moved_ns : now_ns()) - wall; /* not the waiting for what won't come */
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	if (l->direction == TAP_GUEST)
		wire_close(&l->wire);
	if (err)
		return err;
	add_stats(l, &b);
	if (l->direction == TAP_GUEST && l->frame.meta.gso_type)
		b.tx_gso += l->sent; /* by the host */
	if (l->direction == GUEST_TAP) {
		l->received = wire_received(l->ifname) - got;
		l->bytes_in = l->received * l->frame.bytes; /* its own byte counter has 32 bits */
		l->gso_in = l->frame.meta.gso_type ? l->received : 0;
	}
	printf("{\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"gso_out\":%" PRIu64
	       ",\"gso_in\":%" PRIu64 ",\"bytes_in\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"dropped\":%u"
	       ",\"ns\":%" PRIu64 ",\"cpu_ns\":%" PRIu64 ",\"notifies\":%" PRIu64 ",\"events\":%" PRIu64 ",\"waits\":%" PRIu64
	       ",\"batches\":%" PRIu64 "}\n",
	       l->sent, l->received, l->lost, b.tx_gso - a.tx_gso, l->gso_in, l->bytes_in, b.tx_refused - a.tx_refused,
	       l->ifname ? wire_dropped(l->ifname) - dropped : 0, wall, cpu,
	       b.tx_notifies + b.rx_notifies - a.tx_notifies - a.rx_notifies, b.events - a.events, l->waits, l->batches);
	return 0;
}

/* --- there and back ---------------------------------------------------------------------------- */

/* What came to a NIC: is one of ours among it? */
static bool arrived(struct load *l, struct xsp_nic *nic)
{
	uint64_t before = l->received;

	for (unsigned int q = 0; q < l->queues; q++)
		while (receive_some(l, nic, q))
			;
	return l->received > before;
}

/* The other end sends back what it got. */
static int answer(struct load *l, uint32_t number)
{
	if (l->n > 1)
		return arrived(l, l->nic[1]) && !send_one(l->nic[1], 0, &l->frame, number) ? -ENOBUFS : 0;
	if (wire_take(&l->wire, &l->frame, &number) == 1)
		return wire_send(&l->wire, &l->frame, number, 1) == 1 ? 0 : -ENOBUFS;
	return 0;
}

/* One frame there and back; 0, -ETIMEDOUT when it is lost, or -errno. */
static int there_and_back(struct load *l, uint32_t number)
{
	uint64_t start = now_ns(), idle = 0;

	if (!send_one(l->nic[0], 0, &l->frame, number))
		return -ENOBUFS;
	for (;;) {
		bool look = !l->t.poll || idle++ % LOOK_EVERY == LOOK_EVERY - 1, more;
		int err = look ? process(l) : 0;

		err = err ? err : answer(l, number);
		if (err)
			return err;
		if (arrived(l, l->nic[0])) {
			hand_over(l);
			return 0;
		}
		more = hand_over(l);
		if (look && now_ns() - start > LOST_NS)
			return -ETIMEDOUT;
		if (!more && !l->t.poll)
			err = wait_for_events(l, 10, l->n == 1);
		if (err)
			return err;
	}
}

static int ping(struct load *l, struct xsp_hist *h, unsigned int *ret_lost)
{
	uint32_t number = 0;
	int err;

	if (l->direction == GUEST_NULL)
		return -EOPNOTSUPP;
	memset(h, 0, sizeof(*h));
	*ret_lost = 0;
	prepare(l);
	err = l->n == 1 ? wire_open(&l->wire, l->ifname, true) : 0;
	while (!err && now_ns() < l->until_ns) {
		uint64_t start = now_ns();

		err = there_and_back(l, number++);
		xsp_hist_add(h, now_ns() - start);
		if (err == -ETIMEDOUT) {
			++*ret_lost;
			err = 0;
		}
	}
	if (l->n == 1)
		wire_close(&l->wire);
	return err;
}

static int do_ping(struct load *l)
{
	static struct xsp_hist h;
	unsigned int lost;
	int err = ping(l, &h, &lost);

	if (!err)
		printf("{\"ops\":%" PRIu64 ",\"lost\":%u,\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 "}\n",
		       xsp_hist_total(&h), lost, xsp_hist_quantile(&h, 0.5), xsp_hist_quantile(&h, 0.99));
	return err;
}

/* --- the process ------------------------------------------------------------------------------- */

static bool task_read(const char *line, struct task *t, bool *ret_ping)
{
	char wait[8], use[8] = "";

	*t = (struct task){ .depth = 1, .batch = 1 };
	*ret_ping = sscanf(line, "ping %lf %u %7s", &t->seconds, &t->size, wait) == 3;
	if (!*ret_ping && sscanf(line, "go %lf %u %u %u %7s %7s", &t->seconds, &t->size, &t->depth, &t->batch, wait, use) < 5)
		return false;
	t->poll = !strcmp(wait, "poll");
	t->touch = !strcmp(use, "touch");
	return t->size >= FRAME_MIN && t->size <= FRAME_MOST && t->depth && t->batch;
}

static void serve(struct load *l)
{
	char line[256];
	bool is_ping;

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		int err = task_read(line, &l->t, &is_ping) ? is_ping ? do_ping(l) : go(l) : -EINVAL;

		if (err)
			printf("{\"error\":\"%s\"}\n", strerror(-err));
		fflush(stdout);
	}
}

/* Frames flow before anybody waits for them: a switch has learnt who is where. */
static int first_ping(struct load *l)
{
	static struct xsp_hist h;
	unsigned int lost;

	if (l->direction == GUEST_NULL)
		return 0;
	l->t = (struct task){ .seconds = 0.001, .size = FRAME_MIN, .depth = 1, .batch = 1 };
	return ping(l, &h, &lost);
}

static int open_nics(struct load *l, char **argv, const struct xsp_nic_options *o)
{
	char labdir[4096], bindir[4096], why[XSP_NIC_WHY_BYTES];
	int n = l->direction == GUEST_GUEST ? 2 : 1;
	struct xsp_nic_info info;

	if (lab_env_dirs(labdir, bindir, sizeof(labdir)))
		return -ENOENT;
	for (; l->n < n; l->n++) {
		int err;

		lab_env_set(argv[1], labdir, bindir, (unsigned int)l->n + 1);
		err = xsp_nic_open(argv[3], o, &l->nic[l->n], why);
		if (err) {
			printf("guest %d: %s\n", l->n + 1, why);
			return err;
		}
		xsp_nic_get_info(l->nic[l->n], &info);
		l->queues = info.queues;
		if (info.queues != o->queues || !info.static_pages != o->no_static) {
			printf("guest %d: %u queues, %u static pages: not what was asked for\n", l->n + 1,
			       info.queues, info.static_pages);
			return -EINVAL;
		}
	}
	return 0;
}

/* DIR DIRECTION DEVICE QUEUES PAGES static|copy [INTERFACE] */
int load_nic_main(int argc, char **argv)
{
	static const char *const names[DIRECTIONS] = { "guest-guest", "guest-null", "guest-tap", "tap-guest" };
	static struct load l;
	struct xsp_nic_options o = { 0 };
	int err;

	if (argc < 7)
		return 2;
	while (l.direction < DIRECTIONS && strcmp(names[l.direction], argv[2]))
		l.direction++;
	o.queues = (unsigned int)atoi(argv[4]);
	o.pages = (unsigned int)atoi(argv[5]);
	o.no_static = strcmp(argv[6], "static");
	l.ifname = argc > 7 ? argv[7] : NULL;
	if (l.direction == DIRECTIONS || (l.direction >= GUEST_TAP && !l.ifname))
		return 2;
	err = open_nics(&l, argv, &o);
	if (!err) {
		err = first_ping(&l);
		if (err)
			printf("no frame comes back: %s\n", strerror(-err));
	}
	if (!err)
		serve(&l);
	fflush(stdout);
	for (int i = 0; i < l.n; i++)
		xsp_nic_close(l.nic[i]);
	return err ? 1 : 0;
}
