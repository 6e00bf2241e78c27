/* SPDX-License-Identifier: MIT */
/* What stands behind a network device, and the nodes that say so: see vif.h. */
#include "backend/vif.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/vif_keep.h"
#include "backend/vif_keys.h"

#define FILTER "request-multicast-control"

/* --- port -------------------------------------------------------------------------------------- */

static char *key(struct xsp_device *dev, const char *name)
{
	return xsp_store_read(&dev->d->store, XBT_NULL, "%s/%s", dev->be, name);
}

static void read_rate(struct xsp_vif *v)
{
	char *text = key(&v->dev, "rate");
	uint64_t bytes = 0, usecs = 0;

	if (text && xsp_rate_parse(text, &bytes, &usecs))
		xsp_warn(v->dev.name, "the node 'rate' is not \"bytes,usecs\": no limit");
	free(text);
	xsp_rate_set(&v->rate, bytes, usecs);
	pthread_mutex_lock(&v->dev.d->lock);
	v->snap.rate_bytes = bytes;
	v->snap.rate_usecs = usecs;
	pthread_mutex_unlock(&v->dev.d->lock);
}

static void show_port(struct xsp_vif *v, const char *spec)
{
	char *mac = key(&v->dev, "mac"), *bridge = key(&v->dev, "bridge");

	pthread_mutex_lock(&v->dev.d->lock);
	snprintf(v->snap.port, sizeof(v->snap.port), "%s", *spec ? spec : "tap:");
	snprintf(v->snap.ifname, sizeof(v->snap.ifname), "%s", v->port ? v->port->ifname : "");
	snprintf(v->snap.mac, sizeof(v->snap.mac), "%s", mac ? mac : "");
	snprintf(v->snap.bridge, sizeof(v->snap.bridge), "%s", bridge ? bridge : "");
	pthread_mutex_unlock(&v->dev.d->lock);
	free(mac);
	free(bridge);
}

/*
 * The name people gave it counts once the script has renamed the interface: then a restarted daemon
 * finds it under that name. Before, the script expects to see vifD.N.
 */
static void choose_name(struct xsp_device *dev, bool script, char *name, size_t len)
{
	char *vifname = key(dev, "vifname");

	snprintf(name, len, "vif%u.%u", dev->domid, dev->devid);
	if (vifname && *vifname && (!script || if_nametoindex(vifname)))
		snprintf(name, len, "%s", vifname);
	free(vifname);
}

static int vif_open(struct xsp_device *dev)
{
	struct xsp_vif *v = xsp_vif_of(dev);
	char *script = key(dev, "script"), *bridge = key(dev, "bridge"), *spec = key(dev, "port");
	struct xsp_netport_wish wish = { .domid = dev->domid, .devid = dev->devid };
	bool has_script = script && *script;
	char name[64];
	int err;

	choose_name(dev, has_script, name, sizeof(name));
	wish.ifname = name;
	wish.up = !has_script;
	wish.bridge = bridge && *bridge && !has_script ? bridge : NULL;
	if (xsp_store_read_u32(&dev->d->store, XBT_NULL, &wish.mtu, "%s/mtu", dev->be))
		wish.mtu = 0;
	err = xsp_netport_open(spec ? spec : "", &wish, &v->port, dev->open_why,
			       sizeof(dev->open_why));
	show_port(v, spec ? spec : "");
	read_rate(v);
	free(script);
	free(bridge);
	free(spec);
	return err;
}

static void vif_close(struct xsp_device *dev)
{
	struct xsp_vif *v = xsp_vif_of(dev);

	/* While the daemon leaves for its successor the interface stays in its bridge. */
	xsp_netport_close(v->port, !dev->d->draining);
	v->port = NULL;
}

static void vif_changed(struct xsp_device *dev, const char *name)
{
	if (!strcmp(name, "rate") && dev->open)
		read_rate(xsp_vif_of(dev));
	if (!strcmp(name, "port") && !dev->open)
		dev->open_err = 0; /* it may open now */
}

/* Linux's own backend, where it is loaded, takes every vif: then we keep away from all of them. */
static bool vif_taken(void)
{
	return !access("/sys/bus/xen-backend/drivers/vif", F_OK);
}

/* --- nodes ------------------------------------------------------------------------------------- */

static int vif_advertise(struct xsp_device *dev, xs_transaction_t t)
{
	static const struct {
		const char *key;
		int value;
	} features[] = {
		{ "feature-sg", 1 },
		{ "feature-gso-tcpv4", 1 },
		{ "feature-gso-tcpv6", 1 },
		{ "feature-ipv6-csum-offload", 1 },
		{ "feature-rx-copy", 1 },
		{ "feature-rx-flip", 0 },
		{ "feature-split-event-channels", 1 },
		{ "feature-multicast-control", 1 },
		{ "feature-dynamic-multicast-control", 1 },
		{ "feature-ctrl-ring", 1 },
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(features) / sizeof(features[0]); i++)
		err = xsp_device_put(dev, t, features[i].key, "%d", features[i].value);
	return err ? err : xsp_device_put(dev, t, "multi-queue-max-queues", "%u",
					  xsp_vif_max_queues(dev));
}

static int vif_publish(struct xsp_device *dev, xs_transaction_t t)
{
	return xsp_device_put(dev, t, "carrier", "1");
}

/* --- queues ------------------------------------------------------------------------------------ */

/* Counters are shown by the main thread as soon as they are there. */
static bool have_stats(struct xsp_vif *v, uint32_t i)
{
	struct xsp_net_stats *stats = v->stats[i] ? NULL : calloc(1, sizeof(*stats));

	if (stats) {
		pthread_mutex_lock(&v->dev.d->lock);
		v->stats[i] = stats;
		pthread_mutex_unlock(&v->dev.d->lock);
	}
	return v->stats[i] != NULL;
}

static struct xsp_netq *make_queue(struct xsp_vif *v, uint32_t i, const struct xsp_vif_rings *r,
				   const struct xsp_vif_features *f)
{
	struct xsp_netq *q = calloc(1, sizeof(*q));

	if (!q || !have_stats(v, i)) {
		free(q);
		return NULL;
	}
	q->c = (struct xsp_netq_config){
		.tx_ref = r->tx_ref,
		.rx_ref = r->rx_ref,
		.sg = f->sg,
		.csum4 = f->csum4,
		.csum6 = f->csum6,
		.gso4 = f->gso4,
		.gso6 = f->gso6,
		.rx_notify = f->rx_notify,
		.port = v->port,
		.rate = &v->rate,
		.mcast = &v->mcast,
		.capture = &v->capture,
		.ctl = f->ctrl ? &v->ctl : NULL,
		.stats = v->stats[i],
	};
	q->base.ops = &xsp_netq_ops;
	q->base.port[0].guest = r->evtchn[0];
	q->base.port[1].guest = r->evtchn[1];
	q->base.n_ports = r->split ? 2 : 1;
	q->base.stats = &v->stats[i]->queue;
	return q;
}

/*
 * Queues that can reach each other on one worker (the daemon's own switch) do so: one copy on one
 * processor costs less than four on two. With several queues a guest has several workers all the same.
 */
static void choose_workers(struct xsp_vif *v, uint32_t n)
{
	struct xsp_daemon *d = v->dev.d;
	int *home = v->port->home;

	if (!home)
		return;
	if (*home < 0)
		*home = v->dev.worker[0] >= 0 ? v->dev.worker[0] : (int)(d->next_worker++ % d->n_workers);
	for (uint32_t i = 0; i < n; i++)
		if (v->dev.worker[i] < 0)
			v->dev.worker[i] = (int)(((uint32_t)*home + i) % d->n_workers);
}

/*
 * The control ring is one more queue. What is set over it is for all of them to see, so they all go to
 * one worker.
 */
static int make_ctrl(struct xsp_vif *v, const struct xsp_vif_features *f, uint32_t n)
{
	struct xsp_device *dev = &v->dev;
	struct xsp_ctrlq *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	memset(v->ctl.queue, 0, sizeof(v->ctl.queue));
	v->ctl.n_queues = n;
	q->ref = f->ctrl_ref;
	q->ctl = &v->ctl;
	q->base.ops = &xsp_ctrlq_ops;
	q->base.port[0].guest = f->ctrl_evtchn;
	q->base.n_ports = 1;
	q->base.stats = &v->stats[0]->queue;
	dev->queue[dev->n_queues++] = &q->base;
	if (dev->worker[0] < 0)
		dev->worker[0] = (int)(dev->d->next_worker++ % dev->d->n_workers);
	for (uint32_t i = 1; i < dev->n_queues; i++)
		dev->worker[i] = dev->worker[0];
	return 0;
}

static void show_features(struct xsp_vif *v, const struct xsp_vif_rings *r,
			  const struct xsp_vif_features *f)
{
	pthread_mutex_lock(&v->dev.d->lock);
	v->snap.sg = f->sg;
	v->snap.csum4 = f->csum4;
	v->snap.csum6 = f->csum6;
	v->snap.gso4 = f->gso4;
	v->snap.gso6 = f->gso6;
	v->snap.split = r->split;
	v->snap.tx_ring_ref = r->tx_ref;
	v->snap.rx_ring_ref = r->rx_ref;
	v->snap.evtchn = r->evtchn[0];
	pthread_mutex_unlock(&v->dev.d->lock);
}

static int vif_make_queues(struct xsp_device *dev, char *why, size_t why_len)
{
	struct xsp_vif *v = xsp_vif_of(dev);
	struct xsp_vif_rings rings[XSP_MAX_QUEUES] = { 0 };
	struct xsp_vif_features f = { 0 };
	struct xsp_netport_features pf;
	uint32_t n = 0;
	int err = xsp_vif_read_rings(dev, rings, &n, &f, why, why_len);

	if (err)
		return err;
	/* A port has one switch for both checksums; what the guest doesn't take is filled in (net/queue.c). */
	pf = (struct xsp_netport_features){ .queues = n, .csum = f.csum4 || f.csum6, .tso4 = f.gso4,
					    .tso6 = f.gso6 };
	err = v->port->ops->connect(v->port, &pf, why, why_len);
	if (!err)
		choose_workers(v, n);
	for (uint32_t i = 0; !err && i < n; i++) {
		struct xsp_netq *q = make_queue(v, i, &rings[i], &f);

		if (!q)
			return -ENOMEM;
		dev->queue[i] = &q->base;
		dev->n_queues = i + 1;
	}
	if (!err && f.ctrl)
		err = make_ctrl(v, &f, n);
	if (err)
		return err;
	pthread_mutex_lock(&dev->d->lock);
	v->has_ctl = f.ctrl;
	pthread_mutex_unlock(&dev->d->lock);
	if (dev->me != XSP_XB_CONNECTED) { /* a new guest, not one that is taken over or goes on */
		memset(&v->ctl.hash, 0, sizeof(v->ctl.hash));
		xsp_mcast_clear(&v->mcast, f.mcast);
		xsp_vif_keep_forget(v);
	} else if (!dev->resuming) {
		xsp_vif_keep_read(v, n);
	}
	xsp_mcast_set(&v->mcast, f.mcast);
	show_features(v, &rings[0], &f);
	if (v->port->ops->carrier)
		v->port->ops->carrier(v->port, true);
	return 0;
}

static void vif_connected(struct xsp_device *dev, char *text, size_t len)
{
	const struct xsp_vif *v = xsp_vif_of(dev);
	const struct xsp_netq *q = xsp_netq_of(dev->queue[0]);

	uint32_t n = dev->n_queues - v->has_ctl;

	snprintf(text, len, "%s%s%s, %u queue%s%s,%s%s%s%s event channel %u", v->snap.port,
		 *v->port->ifname ? " " : "", v->port->ifname, n, n > 1 ? "s" : "",
		 v->has_ctl ? " and a control ring" : "", q->c.sg ? " sg" : "", q->c.csum4 ? " csum" : "",
		 q->c.gso4 ? " gso4" : "", q->c.gso6 ? " gso6," : ",", q->base.port[0].guest);
}

static void vif_disconnected(struct xsp_device *dev)
{
	struct xsp_vif *v = xsp_vif_of(dev);

	if (!v->port)
		return;
	if (v->port->ops->carrier)
		v->port->ops->carrier(v->port, false);
	if (v->port->ops->disconnect)
		v->port->ops->disconnect(v->port);
}

/* The one node of the frontend's, beside its state, that counts while it is connected. */
static void vif_rewatch(struct xsp_device *dev)
{
	char path[XSP_STORE_PATH];

	snprintf(path, sizeof(path), "%s/" FILTER, dev->fe);
	xs_watch(dev->d->store.xs, path, dev->name);
}

static bool vif_tend(struct xsp_device *dev)
{
	uint32_t on = 0;
	int err = xsp_store_read_u32(&dev->d->store, XBT_NULL, &on, "%s/" FILTER, dev->fe);

	if (!err || err == -ENOENT)
		xsp_mcast_set(&xsp_vif_of(dev)->mcast, on == 1);
	xsp_vif_keep_write(xsp_vif_of(dev));
	return false;
}

static bool vif_look(struct xsp_device *dev)
{
	return xsp_vif_keep_wanted(xsp_vif_of(dev));
}

static void vif_keep(struct xsp_device *dev)
{
	xsp_vif_keep_write(xsp_vif_of(dev));
}

static void vif_fini(struct xsp_device *dev)
{
	struct xsp_vif *v = xsp_vif_of(dev);
	char path[XSP_STORE_PATH];

	if (dev->fe_watched && dev->d->store.xs && !dev->d->store.broken) {
		snprintf(path, sizeof(path), "%s/" FILTER, dev->fe);
		xs_unwatch(dev->d->store.xs, path, dev->name);
	}

	for (unsigned int i = 0; i < XSP_MAX_QUEUES; i++)
		free(v->stats[i]);
	xsp_mcast_fini(&v->mcast);
	xsp_keep_fini(&v->ctl.keep);
	xsp_capture_fini(&v->capture);
}

static void vif_init(struct xsp_device *dev)
{
	xsp_mcast_init(&xsp_vif_of(dev)->mcast);
	xsp_keep_init(&xsp_vif_of(dev)->ctl.keep);
	xsp_capture_init(&xsp_vif_of(dev)->capture);
}



const struct xsp_device_class xsp_vif_class = {
	.name = "vif",
	.noun = "network interface",
	.init = vif_init,
	.tend = vif_tend,
	.look = vif_look,
	.keep = vif_keep,
	.rewatch = vif_rewatch,
	.size = sizeof(struct xsp_vif),
	.taken = vif_taken,
	.open = vif_open,
	.close = vif_close,
	.advertise = vif_advertise,
	.make_queues = vif_make_queues,
	.publish = vif_publish,
	.connected = vif_connected,
	.disconnected = vif_disconnected,
	.changed = vif_changed,
	.fini = vif_fini,
};
