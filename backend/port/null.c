/* SPDX-License-Identifier: MIT */
/*
 * null: swallows what is sent and never has anything to receive. For measuring the way to a port, and
 * the file to copy when you write a new one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/port/port.h"

static int null_open(const char *opts, const char *rest, const struct xsp_netport_wish *wish,
		     struct xsp_netport **ret, char *why, size_t why_len)
{
	struct xsp_netport *p;

	(void)wish;
	if (*opts || *rest) {
		snprintf(why, why_len, "null: takes no options and no name");
		return -EINVAL;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->ops = &xsp_netport_null;
	*ret = p;
	return 0;
}

static void null_close(struct xsp_netport *p, bool forget)
{
	(void)forget;
	free(p);
}

static int null_connect(struct xsp_netport *p, const struct xsp_netport_features *f, char *why,
			size_t why_len)
{
	(void)p;
	(void)f;
	(void)why;
	(void)why_len;
	return 0;
}

static int null_start(struct xsp_netport_end *e)
{
	(void)e;
	return 0;
}

static void null_send(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n)
{
	(void)e;
	for (unsigned int i = 0; i < n; i++)
		p[i].lost = false;
}

static unsigned int null_recv(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n)
{
	(void)e;
	(void)p;
	(void)n;
	return 0;
}

const struct xsp_netport_ops xsp_netport_null = {
	.name = "null",
	.usage = "null:",
	.open = null_open,
	.close = null_close,
	.connect = null_connect,
	.start = null_start,
	.send = null_send,
	.recv = null_recv,
};
