/* SPDX-License-Identifier: MIT */
/* The frontend's nodes of a network device: see vif_keys.h. */
#include "backend/vif_keys.h"

#include <stdio.h>

#define MAX_GREF (1u << 30)

struct reading {
	struct xsp_vif_rings *rings;
	struct xsp_vif_features *features;
	uint32_t n;
};

/* A switch of the frontend's: absent counts as `absent`. */
static int flag(struct xsp_front_keys *k, const char *key, uint32_t absent, bool *ret)
{
	uint32_t n = 0;
	int err = xsp_front_number(k, key, 2, absent, &n);

	*ret = n;
	return err;
}

/* The grants and ports of one queue, below dir: "" with one queue, "queue-0/" .. with more. */
static int read_queue(struct xsp_front_keys *k, const char *dir, struct xsp_vif_rings *r)
{
	char key[48];
	int err;

	snprintf(key, sizeof(key), "%stx-ring-ref", dir);
	err = xsp_front_number(k, key, MAX_GREF, MAX_GREF, &r->tx_ref);
	snprintf(key, sizeof(key), "%srx-ring-ref", dir);
	if (!err)
		err = xsp_front_number(k, key, MAX_GREF, MAX_GREF, &r->rx_ref);
	snprintf(key, sizeof(key), "%sevent-channel-tx", dir);
	r->split = !err && xsp_front_exists(k, key);
	if (!r->split)
		snprintf(key, sizeof(key), "%sevent-channel", dir);
	if (!err)
		err = xsp_front_number(k, key, MAX_GREF, MAX_GREF, &r->evtchn[0]);
	r->evtchn[1] = r->evtchn[0];
	snprintf(key, sizeof(key), "%sevent-channel-rx", dir);
	if (!err && r->split)
		err = xsp_front_number(k, key, MAX_GREF, MAX_GREF, &r->evtchn[1]);
	return err;
}

static int read_features(struct xsp_front_keys *k, struct xsp_vif_features *f)
{
	bool copy, no_csum;
	int err = flag(k, "request-rx-copy", 0, &copy);

	if (!err && !copy)
		err = xsp_front_bad(k, "the frontend wants its pages flipped (request-rx-copy is "
				       "not 1): that went out of use with Xen 4");
	if (!err)
		err = flag(k, "feature-rx-notify", 0, &f->rx_notify);
	if (!err)
		err = flag(k, "feature-sg", 0, &f->sg);
	if (!err)
		err = flag(k, "feature-no-csum-offload", 0, &no_csum);
	if (!err)
		err = flag(k, "feature-ipv6-csum-offload", 0, &f->csum6);
	if (!err)
		err = flag(k, "feature-gso-tcpv4", 0, &f->gso4);
	if (!err)
		err = flag(k, "feature-gso-tcpv6", 0, &f->gso6);
	if (!err)
		err = flag(k, "request-multicast-control", 0, &f->mcast);
	f->ctrl = !err && xsp_front_exists(k, "ctrl-ring-ref");
	if (f->ctrl)
		err = xsp_front_number(k, "ctrl-ring-ref", MAX_GREF, MAX_GREF, &f->ctrl_ref);
	if (f->ctrl && !err)
		err = xsp_front_number(k, "event-channel-ctrl", MAX_GREF, MAX_GREF, &f->ctrl_evtchn);
	if (err)
		return err;
	f->csum4 = !no_csum;
	/* A large packet needs several slots, and its checksum is blank by nature. */
	f->gso4 = f->gso4 && f->sg && f->csum4;
	f->gso6 = f->gso6 && f->sg && f->csum6;
	return 0;
}

static int read_rings(struct xsp_front_keys *k, void *arg)
{
	struct reading *r = arg;
	char dir[24] = "";
	int err;

	err = xsp_front_number(k, "multi-queue-num-queues", xsp_vif_max_queues(k->dev) + 1, 1, &r->n);
	if (!err && !r->n)
		err = xsp_front_bad(k, "the frontend's node 'multi-queue-num-queues' is 0");
	if (!err)
		err = read_features(k, r->features);
	for (uint32_t i = 0; !err && i < r->n; i++) {
		if (r->n > 1)
			snprintf(dir, sizeof(dir), "queue-%u/", i);
		err = read_queue(k, dir, &r->rings[i]);
	}
	return err;
}

uint32_t xsp_vif_max_queues(const struct xsp_device *dev)
{
	uint32_t max = XSP_MAX_QUEUES - 1; /* one is the control ring's */

	return dev->d->n_workers < max ? dev->d->n_workers : max;
}

int xsp_vif_read_rings(struct xsp_device *dev, struct xsp_vif_rings *ret, uint32_t *ret_n,
		       struct xsp_vif_features *ret_features, char *why, size_t why_len)
{
	struct reading r = { .rings = ret, .features = ret_features };
	int err = xsp_front_read(dev, read_rings, &r, why, why_len);

	*ret_n = r.n;
	return err;
}
