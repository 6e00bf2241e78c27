/* SPDX-License-Identifier: MIT */
/*
 * What a running xensplit-vif is asked, over an abstract socket of its network namespace: a line in
 * ("stats json"), text out. Only its own user and root may.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/vif/vif.h"

static socklen_t address(struct sockaddr_un *a, unsigned int devid)
{
	int n;

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "xensplit-vif/%u", devid);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* Returns the descriptor or -errno; -EADDRINUSE: one runs already. */
int vif_control_listen(unsigned int devid)
{
	struct sockaddr_un a;
	socklen_t n = address(&a, devid);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, 8) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

/* --- answers ----------------------------------------------------------------------------------- */

static const char *yes(bool b, bool json)
{
	return json ? (b ? "true" : "false") : b ? "yes" : "no";
}

static void info_json(FILE *f, const struct xsp_nic_info *i, const char *tap)
{
	fprintf(f, "{\"vif\":%u,\"tap\":\"%s\",\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\",\"mtu\":%u,", i->devid,
		tap, i->mac[0], i->mac[1], i->mac[2], i->mac[3], i->mac[4], i->mac[5], i->mtu);
	fprintf(f, "\"backend_domid\":%u,\"connected\":%s,\"carrier\":%s,\"connects\":%u,\"trusted\":%s,",
		i->backend_domid, yes(i->connected, true), yes(i->carrier, true), i->connects,
		yes(i->trusted, true));
	fprintf(f, "\"queues\":%u,\"split_events\":%s,\"tx_pages\":%u,\"rx_pages\":%u,\"static_pages\":%u,",
		i->queues, yes(i->split, true), i->tx_pages, i->rx_pages, i->static_pages);
	fprintf(f, "\"sg\":%s,\"csum\":%s,\"gso4\":%s,\"gso6\":%s,\"ctrl\":%s,\"hash\":%s,\"multicast\":%s}\n",
		yes(i->sg, true), yes(i->csum, true), yes(i->gso4, true), yes(i->gso6, true),
		yes(i->ctrl, true), yes(i->hash, true), yes(i->multicast, true));
}

void vif_print_info(FILE *f, const struct xsp_nic_info *i, const char *tap, bool json)
{
	if (json) {
		info_json(f, i, tap);
		return;
	}
	fprintf(f, "device     vif %u%s%s, served by domain %u\n", i->devid, *tap ? " as " : "", tap,
		i->backend_domid);
	fprintf(f, "address    %02x:%02x:%02x:%02x:%02x:%02x, mtu %u\n", i->mac[0], i->mac[1], i->mac[2],
		i->mac[3], i->mac[4], i->mac[5], i->mtu);
	fprintf(f, "connected  %s, carrier %s; connected %u times\n", yes(i->connected, false),
		yes(i->carrier, false), i->connects);
	fprintf(f, "queues     %u, %s\n", i->queues,
		i->split ? "an event channel for each direction" : "one event channel for both directions");
	fprintf(f, "backend    takes: pieces %s, blank checksums %s, TCP unsplit v4 %s, v6 %s\n",
		yes(i->sg, false), yes(i->csum, false), yes(i->gso4, false), yes(i->gso6, false));
	fprintf(f, "granted    %u pages to send, %u to receive, each queue; %u of all are mapped for good\n",
		i->tx_pages, i->rx_pages, i->static_pages);
	fprintf(f, "control    %s, hash %s, multicast filter %s\n", yes(i->ctrl, false), yes(i->hash, false),
		yes(i->multicast, false));
}

static void stats_json(FILE *f, const struct vif *v, unsigned int queues)
{
	uint64_t bad = 0;

	for (int i = 0; i < XSP_DROP_REASONS; i++)
		bad += v->n.to_tap_drops[i];
	fprintf(f, "{\"rounds\":%" PRIu64 ",\"waits\":%" PRIu64 ",\"to_tap_bad\":%" PRIu64
		   ",\"to_tap_refused\":%" PRIu64 ",\"to_nic_drops\":%" PRIu64 ",\"queues\":[",
		v->n.rounds, v->n.waits, bad, v->n.to_tap_refused, v->n.to_nic_drops);
	for (unsigned int q = 0; q < queues; q++) {
		struct xsp_nic_stats s;

		xsp_nic_get_stats(v->nic, q, &s);
		fprintf(f, "%s{\"tx_packets\":%" PRIu64 ",\"tx_bytes\":%" PRIu64 ",\"tx_gso\":%" PRIu64
			   ",\"tx_notifies\":%" PRIu64 ",\"tx_refused\":%" PRIu64 ",\"rx_packets\":%" PRIu64
			   ",\"rx_bytes\":%" PRIu64 ",\"rx_gso\":%" PRIu64 ",\"rx_notifies\":%" PRIu64
			   ",\"rx_bad\":%" PRIu64 ",\"events\":%" PRIu64 ",\"spurious\":%" PRIu64 "}",
			q ? "," : "", s.tx_packets, s.tx_bytes, s.tx_gso, s.tx_notifies, s.tx_refused,
			s.rx_packets, s.rx_bytes, s.rx_gso, s.rx_notifies, s.rx_bad, s.events, s.spurious);
	}
	fprintf(f, "]}\n");
}

static void stats_text(FILE *f, const struct vif *v, unsigned int queues)
{
	fprintf(f, "%-5s %12s %12s %10s %10s %8s %8s\n", "QUEUE", "PACKETS", "BYTES", "UNSPLIT", "NOTIFIES",
		"REFUSED", "BAD");
	for (unsigned int q = 0; q < queues; q++) {
		struct xsp_nic_stats s;

		xsp_nic_get_stats(v->nic, q, &s);
		fprintf(f, "%u tx  %12" PRIu64 " %12" PRIu64 " %10" PRIu64 " %10" PRIu64 " %8" PRIu64 "\n", q,
			s.tx_packets, s.tx_bytes, s.tx_gso, s.tx_notifies, s.tx_refused);
		fprintf(f,
			"%u rx  %12" PRIu64 " %12" PRIu64 " %10" PRIu64 " %10" PRIu64
			" %8s %8" PRIu64 "\n",
			q, s.rx_packets, s.rx_bytes, s.rx_gso, s.rx_notifies, "", s.rx_bad);
		fprintf(f, "%u     %" PRIu64 " events, %" PRIu64 " of them brought nothing\n", q,
			s.events, s.spurious);
	}
	for (int i = 0; i < XSP_DROP_REASONS; i++)
		if (v->n.to_tap_drops[i])
			fprintf(f, "received and dropped, %s: %" PRIu64 "\n",
				xsp_net_drop_name((enum xsp_net_drop)i), v->n.to_tap_drops[i]);
	if (v->n.to_tap_refused || v->n.to_nic_drops)
		fprintf(f, "refused by the TAP: %" PRIu64 "; not for this backend: %" PRIu64 "\n",
			v->n.to_tap_refused, v->n.to_nic_drops);
}

static void answer(struct vif *v, FILE *f, const char *what)
{
	bool json = strstr(what, " json");
	struct xsp_nic_info i;

	xsp_nic_get_info(v->nic, &i);
	if (!strncmp(what, "info", 4))
		vif_print_info(f, &i, v->tap.name, json);
	else if (!strncmp(what, "stats", 5))
		json ? stats_json(f, v, i.queues) : stats_text(f, v, i.queues);
	else if (!strncmp(what, "down", 4))
		v->stop = true;
}

void vif_control_serve(struct vif *v)
{
	struct timeval patience = { .tv_usec = 100000 }; /* packets wait meanwhile */
	int fd = accept4(v->control, NULL, NULL, SOCK_CLOEXEC);
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(peer);
	char what[32];
	ssize_t got;
	FILE *f;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n);
	got = peer.uid == 0 || peer.uid == geteuid() ? recv(fd, what, sizeof(what) - 1, 0) : -1;
	f = got > 0 ? fdopen(fd, "w") : NULL;
	if (!f) {
		close(fd);
		return;
	}
	what[got] = '\0';
	answer(v, f, what);
	fclose(f);
}

static int ask_once(unsigned int devid, const char *what, FILE *to)
{
	struct sockaddr_un a;
	socklen_t n = address(&a, devid);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), error = 0;
	char text[4096];
	ssize_t got;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, n) < 0 || send(fd, what, strlen(what), MSG_NOSIGNAL) < 0)
		error = -errno;
	while (!error && (got = recv(fd, text, sizeof(text), 0)) > 0)
		fwrite(text, 1, (size_t)got, to);
	close(fd);
	return error;
}

/*
 * Asks the running one of vif `devid`. 0, or -errno: -ECONNREFUSED when none runs. Who got no processor
 * between connecting and asking finds its patience over (-EPIPE), and asks again.
 */
int vif_control_ask(unsigned int devid, const char *what, FILE *to)
{
	int error, tries = 0;

	do
		error = ask_once(devid, what, to);
	while (error == -EPIPE && ++tries < 20);
	return error;
}
