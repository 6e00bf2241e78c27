/* SPDX-License-Identifier: MIT */
/*
 * pcap:FILE writes what the guest sends into a capture file (nanoseconds, Ethernet, whole packets, blank
 * checksums filled in but for packets that are still to be cut) and appends to one that is there.
 * pcap,in=FILE: plays a file to the guest, from its connecting on, with the pauses it was recorded with;
 * with `fast`, without them; with `wait=SECONDS`, so long after. Both: pcap,in=FILE:FILE. For tests, and for looking at what a guest does.
 *
 * The files are written and read on the worker's thread: they belong on a file system that answers.
 */
#include "backend/port/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "backend/port/pcap_api.h"
#include "common/log.h"

#define SNAPLEN 262144 /* as tcpdump */
#define SECOND  1000000000ll

struct pcap_port {
	struct xsp_netport p; /* first */
	pthread_mutex_t lock; /* of what is written: the guest's queues may be on several workers */
	pcap_t *format;
	pcap_dumper_t *out; /* NULL: not asked for, or it failed */
	char in_path[200];
	bool fast;
	unsigned int wait; /* seconds */
	/* what is played, queue 0's */
	pcap_t *in; /* NULL: nothing (more) */
	int timer;
	struct pcap_pkthdr *next; /* NULL: to be read */
	const u_char *next_data;
	int64_t offset_ns; /* from the file's clock to ours */
	int64_t from_ns;   /* nothing before */
	bool begun;
};

static struct pcap_port *port_of(struct xsp_netport *p)
{
	return (struct pcap_port *)p;
}

/* --- store thread ------------------------------------------------------------------------------ */

static void capture_close(struct xsp_netport *p, bool forget)
{
	struct pcap_port *t = port_of(p);

	(void)forget;
	if (t->in)
		pcap_close(t->in);
	if (t->out)
		pcap_dump_close(t->out);
	if (t->format)
		pcap_close(t->format);
	if (t->timer >= 0)
		close(t->timer);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static int read_options(struct pcap_port *t, const char *opts, char *why, size_t why_len)
{
	char text[sizeof(t->in_path)], *save = NULL, end;

	snprintf(text, sizeof(text), "%s", opts);
	for (char *o = strtok_r(text, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		if (!strcmp(o, "fast")) {
			t->fast = true;
		} else if (sscanf(o, "wait=%u%c", &t->wait, &end) == 1 && t->wait <= 3600) {
			continue;
		} else if (!strncmp(o, "in=", 3) && o[3]) {
			snprintf(t->in_path, sizeof(t->in_path), "%s", o + 3);
		} else {
			snprintf(why, why_len, "pcap: unknown option '%.40s'; known: in=FILE, fast, wait=SECONDS", o);
			return -EINVAL;
		}
	}
	return 0;
}

/* Begin to play from the file's start. */
static int open_in(struct pcap_port *t, char *why, size_t why_len)
{
	char err[PCAP_ERRBUF_SIZE] = "";

	if (t->in)
		pcap_close(t->in);
	t->begun = false;
	t->next = NULL;
	t->in = pcap_open_offline_with_tstamp_precision(t->in_path, PCAP_TSTAMP_PRECISION_NANO, err);
	if (!t->in) {
		snprintf(why, why_len, "pcap: %.200s", err);
		return -ENOENT;
	}
	if (pcap_datalink(t->in) == DLT_EN10MB)
		return 0;
	snprintf(why, why_len, "pcap: %.150s doesn't hold Ethernet packets", t->in_path);
	pcap_close(t->in);
	t->in = NULL;
	return -EINVAL;
}

static int open_out(struct pcap_port *t, const char *path, char *why, size_t why_len)
{
	t->format = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAPLEN, PCAP_TSTAMP_PRECISION_NANO);
	t->out = t->format ? pcap_dump_open_append(t->format, path) : NULL;
	if (t->out)
		return 0;
	snprintf(why, why_len, "pcap: %.200s", t->format ? pcap_geterr(t->format) : "out of memory");
	return -EIO;
}

static int capture_open(const char *opts, const char *rest, const struct xsp_netport_wish *wish,
		     struct xsp_netport **ret, char *why, size_t why_len)
{
	struct pcap_port *t = calloc(1, sizeof(*t));
	int err;

	(void)wish;
	if (!t)
		return -ENOMEM;
	t->p.ops = &xsp_netport_pcap;
	pthread_mutex_init(&t->lock, NULL);
	t->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	err = t->timer < 0 ? -errno : read_options(t, opts, why, why_len);
	if (!err && !*rest && !*t->in_path) {
		snprintf(why, why_len, "pcap: give it a file to write (pcap:FILE) or to play (pcap,in=FILE:)");
		err = -EINVAL;
	}
	err = err ? err : xsp_pcap_load(why, why_len);
	if (!err && *t->in_path)
		err = open_in(t, why, why_len); /* now, so that people learn of a bad name */
	if (!err && *rest)
		err = open_out(t, rest, why, why_len);
	if (err)
		capture_close(&t->p, true);
	else
		*ret = &t->p;
	return err;
}

static int capture_connect(struct xsp_netport *p, const struct xsp_netport_features *f, char *why,
			size_t why_len)
{
	struct pcap_port *t = port_of(p);

	(void)f;
	return *t->in_path ? open_in(t, why, why_len) : 0;
}

/* --- worker ------------------------------------------------------------------------------------ */

static int capture_start(struct xsp_netport_end *e)
{
	struct pcap_port *t = port_of(e->port);

	e->fd = e->index || !t->in ? -1 : t->timer;
	return 0;
}

static void capture_send(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n)
{
	struct pcap_port *t = port_of(e->port);
	struct pcap_pkthdr h;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	h.ts.tv_sec = now.tv_sec;
	h.ts.tv_usec = now.tv_nsec; /* the file's precision */
	pthread_mutex_lock(&t->lock);
	for (unsigned int i = 0; i < n; i++) {
		p[i].lost = false;
		if (!t->out)
			continue;
		if (p[i].vnet.gso_type == XSP_VNET_GSO_NONE)
			xsp_net_fill_csum(p[i].data, p[i].len, &p[i].vnet);
		h.caplen = h.len = p[i].len;
		pcap_dump((u_char *)t->out, &h, p[i].data);
	}
	if (t->out && pcap_dump_flush(t->out)) {
		xsp_warn(NULL, "pcap: can't write any more: %s", strerror(errno));
		pcap_dump_close(t->out);
		t->out = NULL;
	}
	pthread_mutex_unlock(&t->lock);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* The packet to be played next is there, and when that is; false: there is none. */
static bool have_next(struct pcap_port *t, int64_t *due_ns)
{
	int64_t at;

	while (t->in && !t->next) {
		if (pcap_next_ex(t->in, &t->next, &t->next_data) != 1) { /* the end, or a file cut off */
			pcap_close(t->in);
			t->in = NULL;
			t->next = NULL;
		} else if (t->next->caplen != t->next->len || t->next->len < XSP_ETH_HEAD ||
			   t->next->len > XSP_PACKET_BYTES) {
			t->next = NULL; /* not all of it was recorded */
		}
	}
	if (!t->next)
		return false;
	at = t->next->ts.tv_sec * SECOND + t->next->ts.tv_usec;
	if (!t->begun) {
		t->from_ns = now_ns() + t->wait * SECOND;
		t->offset_ns = t->from_ns - at;
	}
	t->begun = true;
	*due_ns = t->fast ? t->from_ns : at + t->offset_ns;
	return true;
}

static unsigned int capture_recv(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n)
{
	struct pcap_port *t = port_of(e->port);
	struct itimerspec when = { 0 };
	unsigned int got = 0;
	int64_t due = 0, now;

	if (e->index)
		return 0;
	now = now_ns();
	for (; got < n && have_next(t, &due) && due <= now; got++) {
		p[got].len = t->next->len;
		p[got].vnet = (struct xsp_vnet){ 0 };
		memcpy(p[got].data, t->next_data, t->next->len);
		t->next = NULL;
	}
	if (got < n && t->next) {
		when.it_value.tv_sec = due / SECOND;
		when.it_value.tv_nsec = due % SECOND;
	}
	timerfd_settime(t->timer, TFD_TIMER_ABSTIME, &when, NULL);
	return got;
}

const struct xsp_netport_ops xsp_netport_pcap = {
	.name = "pcap",
	.usage = "pcap[,in=FILE[,fast][,wait=S]]:[FILE]",
	.open = capture_open,
	.close = capture_close,
	.connect = capture_connect,
	.start = capture_start,
	.send = capture_send,
	.recv = capture_recv,
};
