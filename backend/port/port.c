/* SPDX-License-Identifier: MIT */
/* The table of ports, the reading of port specs, and waiting for packets. */
#include "backend/port/port.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static const struct xsp_netport_ops *const ports[] = {
	&xsp_netport_tap,
	&xsp_netport_null,
	&xsp_netport_switch,
	&xsp_netport_pair,
	&xsp_netport_packet,
	&xsp_netport_pcap,
};
#define N_PORTS (sizeof(ports) / sizeof(ports[0]))

static int unknown_scheme(const char *spec, int len, char *why, size_t why_len)
{
	int n = snprintf(why, why_len, "unknown port '%.*s'; known:", len, spec);

	for (size_t i = 0; i < N_PORTS && n > 0 && (size_t)n < why_len; i++)
		n += snprintf(why + n, why_len - (size_t)n, "%s %s", i ? "," : "", ports[i]->usage);
	return -EINVAL;
}

int xsp_netport_open(const char *spec, const struct xsp_netport_wish *wish, struct xsp_netport **ret,
		  char *why, size_t why_len)
{
	size_t name_len = strcspn(spec, ",:");
	const char *colon = strchr(spec, ':');
	char opts[256] = "";

	if (!*spec)
		return xsp_netport_tap.open("", "", wish, ret, why, why_len);
	if (!colon)
		return unknown_scheme(spec, (int)strnlen(spec, 40), why, why_len);
	if (spec[name_len] == ',')
		snprintf(opts, sizeof(opts), "%.*s", (int)(colon - spec - (long)name_len - 1),
			 spec + name_len + 1);
	for (size_t i = 0; i < N_PORTS; i++)
		if (strlen(ports[i]->name) == name_len && !strncmp(ports[i]->name, spec, name_len))
			return ports[i]->open(opts, colon + 1, wish, ret, why, why_len);
	return unknown_scheme(spec, (int)name_len, why, why_len);
}

void xsp_netport_close(struct xsp_netport *p, bool forget)
{
	if (p)
		p->ops->close(p, forget);
}

/* --- one end ----------------------------------------------------------------------------------- */

static void polled(struct xsp_cb *cb, int res)
{
	struct xsp_netport_end *e =
		(struct xsp_netport_end *)((char *)cb - offsetof(struct xsp_netport_end, poll_cb));

	(void)res;
	e->polling = false;
	if (e->stopping)
		e->stopped(e);
	else
		e->readable(e);
}

int xsp_netport_start(struct xsp_netport_end *e)
{
	e->fd = -1;
	e->polling = e->stopping = false;
	e->poll_cb.fn = polled;
	return e->port->ops->start(e);
}

void xsp_netport_stop(struct xsp_netport_end *e)
{
	e->stopping = true;
	if (e->port->ops->stop)
		e->port->ops->stop(e);
	if (!e->polling) {
		e->stopped(e);
		return;
	}
	io_uring_prep_poll_remove(xsp_worker_sqe(e->worker, NULL), (uint64_t)(uintptr_t)&e->poll_cb);
}

void xsp_netport_await(struct xsp_netport_end *e)
{
	if (e->fd < 0 || e->polling || e->stopping)
		return;
	e->polling = true;
	io_uring_prep_poll_add(xsp_worker_sqe(e->worker, &e->poll_cb), e->fd, POLLIN);
}
