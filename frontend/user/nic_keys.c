/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The store as a NIC uses it: few keys, no more than one open transaction, two watches. */
#include <stdio.h>
#include <unistd.h>

#include "frontend/user/nic.h"
#include "frontend/user/owner.h"

#define MAX_KEYS  16
#define MAX_DOMID 0x7fefu /* below DOMID_FIRST_RESERVED */

static enum xsp_xenbus_state to_state(const char *s)
{
	uint32_t v;

	return s && !xsp_parse_u32(s, &v) && v <= XSP_XB_RECONFIGURED ? (enum xsp_xenbus_state)v :
									XSP_XB_UNKNOWN;
}

enum xsp_xenbus_state xsp_nic_state(struct xsp_nic *nic, const char *dir)
{
	char *s = xsp_store_read(&nic->store, XBT_NULL, "%s/state", dir);
	enum xsp_xenbus_state state = to_state(s);

	free(s);
	return state;
}

static int put(struct xsp_nic *nic, xs_transaction_t t, const char *key, const char *value)
{
	char path[XSP_STORE_PATH];

	snprintf(path, sizeof(path), "%s/%s", nic->front, key);
	return xsp_store_write(&nic->store, t, path, "%s", value);
}

int xsp_nic_set_state(struct xsp_nic *nic, enum xsp_xenbus_state state)
{
	char text[4];

	snprintf(text, sizeof(text), "%d", (int)state % 10);
	return put(nic, XBT_NULL, "state", text);
}

/* Does the store still know the device? True also when the store gives no answer. */
bool xsp_nic_present(struct xsp_nic *nic)
{
	char *s = xsp_store_read(&nic->store, XBT_NULL, "%s/backend", nic->front);
	bool gone = !s && (errno == ENOENT || errno == EACCES);

	free(s);
	return !gone;
}

/* --- what the toolstack wrote ------------------------------------------------------------------ */

/* MAC, MTU and trust; a missing mac is as wrong as a bad one: two guests might have the same. */
static int read_nature(struct xsp_nic *nic)
{
	char *s = xsp_store_read(&nic->store, XBT_NULL, "%s/mac", nic->front);
	int error = s ? xsp_net_mac_parse(s, nic->mac) : -ENOENT;

	if (error)
		error = xsp_nic_fail(nic, -EINVAL, "vif %u: mac '%.20s' in the store is no address",
				     nic->devid, s ? s : "");
	free(s);
	s = xsp_store_read(&nic->store, XBT_NULL, "%s/mtu", nic->front);
	if (!error && xsp_net_mtu_parse(s, &nic->mtu))
		error = xsp_nic_fail(nic, -EINVAL, "vif %u: mtu '%.20s' in the store: 68 to 65521",
				     nic->devid, s);
	free(s);
	s = xsp_store_read(&nic->store, XBT_NULL, "%s/trusted", nic->front);
	nic->untrusted = nic->want_opts.untrusted || (s && !strcmp(s, "0"));
	free(s);
	return error;
}

/* Finds the device's two directories and the backend's domain. 0, or what xsp_nic_open returns. */
int xsp_nic_find(struct xsp_nic *nic)
{
	char *back;
	int error;

	if (!nic->front && asprintf(&nic->front, "device/vif/%u", nic->devid) < 0)
		return nic->front = NULL, xsp_nic_fail(nic, -ENOMEM, "no memory");
	back = xsp_store_read(&nic->store, XBT_NULL, "%s/backend", nic->front);
	if (!back && (errno == ENOENT || errno == EACCES))
		return xsp_nic_fail(nic, -ENODEV, "vif %u: this domain has no such device", nic->devid);
	if (!back)
		return xsp_nic_fail(nic, -ENXIO, "vif %u: can't read the store: %m", nic->devid);
	free(nic->back);
	nic->back = back;
	error = xsp_store_read_u32(&nic->store, XBT_NULL, &nic->backend_domid, "%s/backend-id",
				   nic->front);
	if (error || nic->backend_domid > MAX_DOMID)
		return xsp_nic_fail(nic, -ENODEV, "vif %u: backend-id in the store is no domain id",
				    nic->devid);
	return read_nature(nic);
}

/* --- what the backend says --------------------------------------------------------------------- */

/* What the backend's nodes say now. False: the store gave no answer, which says nothing. */
bool xsp_nic_look(struct xsp_nic *nic, enum xsp_xenbus_state *peer, bool *online, bool *gone)
{
	char *s = xsp_store_read(&nic->store, XBT_NULL, "%s/state", nic->back);

	*online = true;
	if (!s && errno != ENOENT && errno != EACCES)
		return false;
	*peer = to_state(s);
	*gone = !s;
	free(s);
	s = xsp_store_read(&nic->store, XBT_NULL, "%s/online", nic->back);
	*online = !s || strcmp(s, "0");
	free(s);
	return true;
}

int xsp_nic_read_offer(struct xsp_nic *nic)
{
	struct xsp_key keys[MAX_KEYS] = { { NULL, NULL } };
	char *values[MAX_KEYS] = { NULL };
	const char *bad = NULL;
	int error;

	for (unsigned int i = 0; i < xsp_net_offer_keys_count; i++) {
		values[i] = xsp_store_read(&nic->store, XBT_NULL, "%s/%s", nic->back,
					   xsp_net_offer_keys[i]);
		keys[i].key = xsp_net_offer_keys[i];
		keys[i].value = values[i];
	}
	error = xsp_net_offer_from_keys(keys, xsp_net_offer_keys_count, &nic->offer, &bad);
	for (unsigned int i = 0; i < xsp_net_offer_keys_count; i++)
		free(values[i]);
	if (error == -EOPNOTSUPP)
		return xsp_nic_fail(nic, -EPROTO, "vif %u: the backend in domain %u can't copy (%s)",
				    nic->devid, nic->backend_domid, bad);
	return error ? xsp_nic_fail(nic, -EPROTO, "vif %u: the backend's %s is not a number in range",
				    nic->devid, bad)
		     : 0;
}

/* The backend's link; without the key it is up. */
void xsp_nic_read_link(struct xsp_nic *nic)
{
	char *s = xsp_store_read(&nic->store, XBT_NULL, "%s/carrier", nic->back);

	nic->link = !s || strcmp(s, "0");
	free(s);
}

/* --- who has the device open ------------------------------------------------------------------- */

int xsp_nic_owner(struct xsp_nic *nic)
{
	char driver[64];
	char *s = xsp_store_read(&nic->store, XBT_NULL, "%s/owner", nic->front);
	long pid = xsp_owner_alive(s);
	int error = 0;

	snprintf(driver, sizeof(driver), "/sys/bus/xen/devices/vif-%u/driver", nic->devid);
	if (!access(driver, F_OK))
		error = xsp_nic_fail(nic, -EBUSY,
				     "vif %u: in use by the kernel (echo vif-%u "
				     ">/sys/bus/xen/drivers/vif/unbind)",
				     nic->devid, nic->devid);
	if (pid && pid != getpid())
		error = xsp_nic_fail(nic, -EBUSY, "vif %u: in use by process %ld", nic->devid, pid);
	free(s);
	return error;
}

/* --- publishing -------------------------------------------------------------------------------- */

struct publication {
	struct xsp_nic *nic;
	struct xsp_key_out keys[XSP_NET_PARAM_KEYS];
	int n;
};

static const char *const ring_keys[] = {
	"tx-ring-ref", "rx-ring-ref", "event-channel", "event-channel-tx", "event-channel-rx",
	"ctrl-ring-ref", "event-channel-ctrl", "multi-queue-num-queues",
};

/* What an earlier frontend with another shape of rings may have left. */
static int clear(struct xsp_nic *nic, xs_transaction_t t)
{
	char path[XSP_STORE_PATH];
	char *s = xsp_store_read(&nic->store, t, "%s/multi-queue-num-queues", nic->front);
	unsigned long old = s ? strtoul(s, NULL, 10) : 0;
	int error = 0;

	free(s);
	for (unsigned int q = 0; q < old && q < XSP_NET_MAX_QUEUES && !error; q++) {
		snprintf(path, sizeof(path), "%s/queue-%u", nic->front, q);
		error = xsp_store_rm(&nic->store, t, path);
	}
	for (unsigned int i = 0; i < sizeof(ring_keys) / sizeof(ring_keys[0]) && !error; i++) {
		snprintf(path, sizeof(path), "%s/%s", nic->front, ring_keys[i]);
		error = xsp_store_rm(&nic->store, t, path);
	}
	return error;
}

static int publish(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct publication *p = arg;
	char owner[64];
	int error = clear(p->nic, t);

	(void)s;
	for (int i = 0; i < p->n && !error; i++)
		error = put(p->nic, t, p->keys[i].key, p->keys[i].value);
	xsp_owner_text(owner, sizeof(owner));
	if (!error)
		error = put(p->nic, t, "owner", owner);
	/* a backend of Linux's waits for 4: a vif has no state 3 */
	return error ? error : put(p->nic, t, "state", "4");
}

/* Ring keys and state 4 in one transaction. */
int xsp_nic_publish(struct xsp_nic *nic)
{
	const struct xsp_nic_options *o = &nic->want_opts;
	struct xsp_net_params params = {
		.sg = true,
		.csum4 = !o->no_csum,
		.csum6 = !o->no_csum,
		.gso4 = !o->no_gso && !o->no_csum,
		.gso6 = !o->no_gso && !o->no_csum,
		.multicast = o->multicast && nic->offer.multicast,
		.split = nic->split,
		.ctrl = nic->have_ctrl,
		.ctrl_gref = nic->ctrl_ring.gref[0],
		.ctrl_port = nic->ctrl_port.port,
		.queues = nic->n_queues,
	};
	struct publication p = { .nic = nic };
	int error;

	for_each_nic_queue(u, nic) {
		params.queue[u_i].tx_gref = u->tx_ring.gref[0];
		params.queue[u_i].rx_gref = u->rx_ring.gref[0];
		params.queue[u_i].port_tx = u->port[0].port;
		params.queue[u_i].port_rx = u->port[1].port;
	}
	p.n = xsp_net_keys_from_params(&params, p.keys, XSP_NET_PARAM_KEYS);
	assert(p.n > 0);
	error = xsp_store_transact(&nic->store, publish, &p);
	return error ? xsp_nic_fail(nic, -ENXIO, "vif %u: can't write to the store: %s", nic->devid,
				    strerror(-error))
		     : 0;
}

/* --- watches ----------------------------------------------------------------------------------- */

bool xsp_nic_watch(struct xsp_nic *nic, bool on)
{
	static const char *const key[] = { "state", "carrier" };
	char path[XSP_STORE_PATH];
	bool good = true;

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", nic->back, key[i]);
		if (on)
			good = good && xs_watch(nic->store.xs, path, "backend");
		else
			xs_unwatch(nic->store.xs, path, "backend");
	}
	return good;
}

bool xsp_nic_watch_fired(struct xsp_nic *nic)
{
	bool fired = false;
	char **event;

	while ((event = xs_check_watch(nic->store.xs))) {
		fired = true;
		free(event);
	}
	return fired;
}
