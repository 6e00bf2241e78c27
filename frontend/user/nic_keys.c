/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The store as a NIC uses it: few keys, no more than one open transaction, two watches. */
#include "frontend/user/nic.h"

#include <stdio.h>

#define MAX_KEYS 16

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
	const char *why;
	int error = xsp_front_find(&nic->store, "vif", nic->devid, &nic->front, &nic->back,
				   &nic->backend_domid, &why);

	if (error)
		return xsp_nic_fail(nic, error, "vif %u: %s", nic->devid, why);
	return read_nature(nic);
}

/* --- what the backend says --------------------------------------------------------------------- */

int xsp_nic_read_offer(struct xsp_nic *nic)
{
	struct xsp_key keys[MAX_KEYS];
	char *values[MAX_KEYS];
	const char *bad = NULL;
	int error;

	xsp_front_get_keys(&nic->store, nic->back, xsp_net_offer_keys, xsp_net_offer_keys_count, keys,
			   values);
	error = xsp_net_offer_from_keys(keys, xsp_net_offer_keys_count, &nic->offer, &bad);
	xsp_front_free_keys(values, xsp_net_offer_keys_count);
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
	long pid = xsp_front_owner(&nic->store, "vif", nic->devid, nic->front);

	if (pid < 0)
		return xsp_nic_fail(nic, -EBUSY,
				    "vif %u: in use by the kernel (echo vif-%u "
				    ">/sys/bus/xen/drivers/vif/unbind)",
				    nic->devid, nic->devid);
	return pid ? xsp_nic_fail(nic, -EBUSY, "vif %u: in use by process %ld", nic->devid, pid) : 0;
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
	const char *front = p->nic->front;
	int error = clear(p->nic, t);

	for (int i = 0; i < p->n && !error; i++)
		error = xsp_front_put(s, t, front, p->keys[i].key, p->keys[i].value);
	if (!error)
		error = xsp_front_own(s, t, front);
	/* a backend of Linux's waits for 4: a vif has no state 3 */
	return error ? error : xsp_front_set_state(s, t, front, XSP_XB_CONNECTED);
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
