/* SPDX-License-Identifier: MIT */
/* The daemon's counters as OpenMetrics text: see metrics.h. */
#include "backend/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/inspect.h"
#include "backend/methods.h"
#include "backend/steer.h"

#define LABELS_LEN 128
#define NS         1e-9

/* Everything there is to tell, copied at one time. */
struct source {
	struct xsp_vbd_snap *vbd;
	struct xsp_vif_snap *vif;
	size_t n_vbd, n_vif;
	struct xsp_workers_snap workers;
};

static const char *const op_names[XSP_STAT_OPS] = { "read", "write", "flush", "discard" };

/* A label's value without what would need an escape; a name of the toolstack's, so nothing is lost. */
static void plain(char *buf, size_t bytes, const char *text)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:/.-";

	snprintf(buf, bytes, "%s", text);
	for (char *p = buf; *p; p++)
		if (!strchr(good, *p))
			*p = '_';
}

static const char *vbd_labels(const struct xsp_vbd_snap *v, char *buf)
{
	char vdev[32];

	plain(vdev, sizeof(vdev), v->vdev);
	snprintf(buf, LABELS_LEN, "device=\"vbd/%u/%u\",domid=\"%u\",vdev=\"%s\"", v->dev.domid, v->dev.devid,
		 v->dev.domid, vdev);
	return buf;
}

static const char *vif_labels(const struct xsp_vif_snap *v, char *buf)
{
	char ifname[16];

	plain(ifname, sizeof(ifname), v->ifname);
	snprintf(buf, LABELS_LEN, "device=\"vif/%u/%u\",domid=\"%u\",ifname=\"%s\"", v->dev.domid, v->dev.devid,
		 v->dev.domid, ifname);
	return buf;
}

static void family(FILE *f, const char *name, const char *type, const char *unit, const char *help)
{
	fprintf(f, "# TYPE %s %s\n", name, type);
	if (unit)
		fprintf(f, "# UNIT %s %s\n", name, unit);
	fprintf(f, "# HELP %s %s\n", name, help);
}

/* --- disks ------------------------------------------------------------------------------------- */

static void vbd_counters(FILE *f, const struct source *s)
{
	char labels[LABELS_LEN];

#define X(field, help)                                                                             \
	family(f, "xensplit_vbd_" #field, "counter", NULL, help);                                  \
	for (size_t i = 0; i < s->n_vbd; i++)                                                      \
		fprintf(f, "xensplit_vbd_" #field "_total{%s} %llu\n", vbd_labels(&s->vbd[i], labels), \
			(unsigned long long)s->vbd[i].stats.field);
	XSP_BLK_COUNTERS(X)
#undef X
}

static void vbd_gauge(FILE *f, const struct source *s, const char *name, const char *unit, const char *help,
		      unsigned long long (*value)(const struct xsp_vbd_snap *v))
{
	char labels[LABELS_LEN];

	family(f, name, "gauge", unit, help);
	for (size_t i = 0; i < s->n_vbd; i++)
		fprintf(f, "%s{%s} %llu\n", name, vbd_labels(&s->vbd[i], labels), value(&s->vbd[i]));
}

static unsigned long long connected(const struct xsp_vbd_snap *v)
{
	return v->dev.connected;
}

static unsigned long long in_flight(const struct xsp_vbd_snap *v)
{
	return v->stats.in_flight;
}

static unsigned long long slots(const struct xsp_vbd_snap *v)
{
	return v->dev.n_queues * xsp_blk_ring_slots(v->ring_order & 7);
}

static unsigned long long size_bytes(const struct xsp_vbd_snap *v)
{
	return v->size_bytes;
}

/* One operation of one disk: a line for each power of two, so that series stay few. */
static void histogram(FILE *f, const char *labels, const char *op, const struct xsp_hist *h)
{
	uint64_t sum = 0;

	for (unsigned int b = 0; b < XSP_HIST_BUCKETS; b++) {
		sum += h->count[b];
		if (b % XSP_HIST_SUB == XSP_HIST_SUB - 1 && b != XSP_HIST_BUCKETS - 1)
			fprintf(f,
				"xensplit_vbd_latency_seconds_bucket{%s,op=\"%s\",le=\"%.9g\"} %llu\n",
				labels, op, (double)xsp_hist_upper_ns(b) * NS,
				(unsigned long long)sum);
	}
	fprintf(f, "xensplit_vbd_latency_seconds_bucket{%s,op=\"%s\",le=\"+Inf\"} %llu\n", labels, op,
		(unsigned long long)sum);
	fprintf(f, "xensplit_vbd_latency_seconds_count{%s,op=\"%s\"} %llu\n", labels, op,
		(unsigned long long)sum);
	fprintf(f, "xensplit_vbd_latency_seconds_sum{%s,op=\"%s\"} %.9f\n", labels, op, (double)h->sum_ns * NS);
}

static void vbd_latency(FILE *f, const struct source *s)
{
	char labels[LABELS_LEN];

	family(f, "xensplit_vbd_latency_seconds", "histogram", "seconds",
	       "from taking a request off the ring to its answer");
	for (size_t i = 0; i < s->n_vbd; i++)
		for (int op = 0; op < XSP_STAT_OPS; op++)
			if (xsp_hist_total(&s->vbd[i].stats.latency[op]))
				histogram(f, vbd_labels(&s->vbd[i], labels), op_names[op],
					  &s->vbd[i].stats.latency[op]);
}

/* --- the rest ---------------------------------------------------------------------------------- */

static void vif_counters(FILE *f, const struct source *s)
{
	char labels[LABELS_LEN];

#define X(field, help)                                                                             \
	family(f, "xensplit_vif_" #field, "counter", NULL, help);                                  \
	for (size_t i = 0; i < s->n_vif; i++)                                                      \
		fprintf(f, "xensplit_vif_" #field "_total{%s} %llu\n", vif_labels(&s->vif[i], labels), \
			(unsigned long long)s->vif[i].stats.field);
	XSP_NET_COUNTERS(X)
#undef X
	family(f, "xensplit_vif_connected", "gauge", NULL, "1 while the guest uses it");
	for (size_t i = 0; i < s->n_vif; i++)
		fprintf(f, "xensplit_vif_connected{%s} %d\n", vif_labels(&s->vif[i], labels),
			s->vif[i].dev.connected);
}

static void daemon_metrics(FILE *f, uint64_t started_ns, const struct source *s)
{
	family(f, "xensplit", "info", NULL, "the daemon");
	fprintf(f, "xensplit_info{version=\"%s\"} 1\n", XSP_VERSION);
	family(f, "xensplit_uptime_seconds", "gauge", "seconds", "since the daemon's start");
	fprintf(f, "xensplit_uptime_seconds %.3f\n",
		(double)(xsp_monotonic_ns() - started_ns) * NS);
	family(f, "xensplit_worker_cpu_seconds", "counter", "seconds", "processor time of a data thread");
	for (size_t i = 0; i < s->workers.n_workers; i++)
		fprintf(f, "xensplit_worker_cpu_seconds_total{worker=\"%u\"} %.9f\n",
			s->workers.worker[i].index, (double)s->workers.worker[i].cpu_ns * NS);
}

static int read_all(struct xsp_daemon *d, struct source *s)
{
	if (xsp_inspect_vbds(d, &s->vbd, &s->n_vbd) || xsp_inspect_vifs(d, &s->vif, &s->n_vif))
		return -ENOMEM;
	return xsp_steer_list(d, &s->workers);
}

int xsp_metrics_text(struct xsp_daemon *d, uint64_t started_ns, char **ret, size_t *ret_len)
{
	struct source s = { 0 };
	int err = read_all(d, &s);
	FILE *f = err ? NULL : open_memstream(ret, ret_len);

	if (f) {
		daemon_metrics(f, started_ns, &s);
		vbd_gauge(f, &s, "xensplit_vbd_connected", NULL, "1 while the guest uses it", connected);
		vbd_gauge(f, &s, "xensplit_vbd_in_flight", NULL,
			  "requests taken and not yet answered", in_flight);
		vbd_gauge(f, &s, "xensplit_vbd_slots", NULL, "of its rings", slots);
		vbd_gauge(f, &s, "xensplit_vbd_size_bytes", "bytes", "of the disk", size_bytes);
		vbd_counters(f, &s);
		vbd_latency(f, &s);
		vif_counters(f, &s);
		fputs("# EOF\n", f);
	}
	if (!f || ferror(f) | fclose(f))
		err = -ENOMEM;
	free(s.vbd);
	free(s.vif);
	xsp_steer_free(&s.workers);
	return err;
}

/* --- the file ---------------------------------------------------------------------------------- */

int xsp_metrics_write(struct xsp_daemon *d, uint64_t started_ns, const char *path)
{
	char *text = NULL, *tmp = NULL;
	int err, fd = -1;
	size_t len = 0, at = 0;

	err = xsp_metrics_text(d, started_ns, &text, &len);
	if (!err && asprintf(&tmp, "%s.tmp", path) < 0)
		err = -ENOMEM;
	if (!err) {
		fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
		err = fd < 0 ? -errno : 0;
	}
	while (!err && at < len) {
		ssize_t n = write(fd, text + at, len - at);

		if (n < 0 && errno != EINTR)
			err = -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	if (!err && rename(tmp, path))
		err = -errno;
	if (err && fd >= 0)
		unlink(tmp);
	free(text);
	free(tmp);
	return err;
}
