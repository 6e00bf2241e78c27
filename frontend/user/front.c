/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* A device's two directories in the store (front.h). */
#include "frontend/user/front.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/user/owner.h"

#define MAX_DOMID 0x7fefu /* below DOMID_FIRST_RESERVED */

static enum xsp_xenbus_state to_state(const char *s)
{
	uint32_t v;

	return s && !xsp_parse_u32(s, &v) && v <= XSP_XB_RECONFIGURED ? (enum xsp_xenbus_state)v :
									XSP_XB_UNKNOWN;
}

int xsp_front_find(struct xsp_store *s, const char *class, uint32_t devid, char **front, char **back,
		   uint32_t *backend_domid, const char **why)
{
	free(*front);
	free(*back);
	*back = NULL;
	if (asprintf(front, "device/%s/%u", class, devid) < 0) {
		*front = NULL;
		*why = "no memory";
		return -ENOMEM;
	}
	*back = xsp_store_read(s, XBT_NULL, "%s/backend", *front);
	if (!*back && (errno == ENOENT || errno == EACCES)) {
		*why = "this domain has no such device";
		return -ENODEV;
	}
	if (!*back) {
		*why = "can't read the store";
		return -ENXIO;
	}
	if (xsp_store_read_u32(s, XBT_NULL, backend_domid, "%s/backend-id", *front) ||
	    *backend_domid > MAX_DOMID) {
		*why = "backend-id in the store is no domain id";
		return -ENODEV;
	}
	return 0;
}

enum xsp_xenbus_state xsp_front_state(struct xsp_store *s, const char *dir)
{
	char *text = xsp_store_read(s, XBT_NULL, "%s/state", dir);
	enum xsp_xenbus_state state = to_state(text);

	free(text);
	return state;
}

int xsp_front_put(struct xsp_store *s, xs_transaction_t t, const char *front, const char *key,
		  const char *value)
{
	char path[XSP_STORE_PATH];

	snprintf(path, sizeof(path), "%s/%s", front, key);
	return xsp_store_write(s, t, path, "%s", value);
}

int xsp_front_set_state(struct xsp_store *s, xs_transaction_t t, const char *front,
			enum xsp_xenbus_state state)
{
	char text[12];

	snprintf(text, sizeof(text), "%d", (int)state);
	return xsp_front_put(s, t, front, "state", text);
}

bool xsp_front_look(struct xsp_store *s, const char *back, enum xsp_xenbus_state *peer, bool *online,
		    bool *gone)
{
	char *text = xsp_store_read(s, XBT_NULL, "%s/state", back);

	*online = false;
	*gone = false;
	if (!text && errno != ENOENT && errno != EACCES)
		return false;
	*gone = !text;
	*peer = to_state(text);
	free(text);
	text = xsp_store_read(s, XBT_NULL, "%s/online", back);
	*online = !text || strcmp(text, "0") != 0; /* not every backend's toolstack lets us read it */
	free(text);
	return true;
}

void xsp_front_get_keys(struct xsp_store *s, const char *dir, const char *const *names, unsigned int n,
			struct xsp_key *keys, char **values)
{
	for (unsigned int i = 0; i < n; i++) {
		keys[i].key = names[i];
		keys[i].value = values[i] = xsp_store_read(s, XBT_NULL, "%s/%s", dir, names[i]);
	}
}

void xsp_front_free_keys(char **values, unsigned int n)
{
	while (n)
		free(values[--n]);
}

long xsp_front_owner(struct xsp_store *s, const char *class, uint32_t devid, const char *front)
{
	char driver[64], *text;
	long pid;

	snprintf(driver, sizeof(driver), "/sys/bus/xen/devices/%s-%u/driver", class, devid);
	if (!access(driver, F_OK))
		return -EBUSY;
	text = xsp_store_read(s, XBT_NULL, "%s/owner", front);
	pid = xsp_owner_alive(text);
	free(text);
	return pid;
}

int xsp_front_own(struct xsp_store *s, xs_transaction_t t, const char *front)
{
	char owner[64];

	xsp_owner_text(owner, sizeof(owner));
	return xsp_front_put(s, t, front, "owner", owner);
}

void xsp_front_disown(struct xsp_store *s, const char *front)
{
	char path[XSP_STORE_PATH];

	snprintf(path, sizeof(path), "%s/owner", front);
	xsp_store_rm(s, XBT_NULL, path);
}

bool xsp_front_watch_fired(struct xsp_store *s)
{
	bool fired = false;
	char **event;

	while ((event = xs_check_watch(s->xs))) {
		fired = true;
		free(event);
	}
	return fired;
}
