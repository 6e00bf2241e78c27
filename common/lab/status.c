/* SPDX-License-Identifier: MIT */
/* What `xensplit lab status` shows, as one JSON object. */
#include "common/lab/hub.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static unsigned int handles_of(uint16_t dom)
{
	struct client *c;
	unsigned int n = 0;

	for (c = hub.clients; c; c = c->next)
		n += c->dom == dom && c->kind >= 0 && c->kind != LAB_KIND_CTL;
	return n;
}

static unsigned int ports_of(uint16_t dom)
{
	unsigned int i, n = 0;

	for (i = 1; i < LAB_PORTS; i++)
		n += hub.shm->dom[dom].port[i].bind != 0;
	return n;
}

int status_text(char *buf, size_t n)
{
	static const char *const states[] = {"free", "running", "dying"};
	size_t len = 0;
	bool first = true;
	uint16_t i;

#define ADD(...) (len += (size_t)snprintf(buf + len, len < n ? n - len : 0, __VA_ARGS__))
	ADD("{\"dir\":\"%s\",\"pid\":%d,\"xenstored\":%s,\"xensplitd\":%s,\"domains\":[", hub.dir,
	    hub.outer_pid, hub.xenstored > 0 ? "true" : "false", hub.daemon > 0 ? "true" : "false");
	for (i = 0; i < LAB_DOMS; i++) {
		struct lab_dom *d = &hub.shm->dom[i];

		if (d->state == LAB_DOM_FREE || len + 256 > n)
			continue;
		if (hub.dom[i])
			grant_zombies(hub.dom[i]);
		ADD("%s{\"domid\":%u,\"name\":\"%s\",\"state\":\"%s\",\"seconds\":%.1f,"
		    "\"handles\":%u,\"ports\":%u,\"pages_granted\":%u,\"pages_mapped\":%u}",
		    first ? "" : ",", i, d->name, states[d->state],
		    (double)(lab_now_ns() - d->created_ns) / 1e9, handles_of(i), ports_of(i),
		    hub.dom[i] ? hub.dom[i]->pages_used : 0, d->maps);
		first = false;
	}
	ADD("]}");
	return (int)(len < n ? len : n);
}
