/* SPDX-License-Identifier: MIT */
/*
 * A network backend for tests of frontends: every packet that the guest sends comes back to it,
 * honestly, or with the lie named on the command line. One device, one queue; polls; no use but tests.
 *
 *     test-netbackend DOMID DEVID MODE
 *
 * Besides the lies: `statics` has a control ring, maps what it is given over it and looks at packets
 * through these maps only. Ends with 0 when the frontend has closed the device or was left in the lurch.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ring/netif.h"
#include "tests/lab/side.h"

static struct xsp_ring_back tx, rx, ctrl;
static void *page[3];
static int port[3] = { -1, -1, -1 };
static struct xsp_net_rx_req posted[XSP_NET_RX_SLOTS];
static unsigned int n_posted, first_posted;
static unsigned long echoed, transient, through_static;
static struct {
	uint32_t ref;
	uint8_t *at;
} mapped[1024];
static unsigned int n_mapped;

/* --- connection -------------------------------------------------------------------------------- */

static void connect_ring(int i, struct xsp_ring_back *r, uint32_t slots, const char *ref, const char *ev)
{
	page[i] = xengnttab_map_grant_ref(gnttab, domid, (uint32_t)get(fe, ref, 0), PROT_READ | PROT_WRITE);
	if (!page[i])
		err(1, "map %s", ref);
	xsp_ring_back_init(r, page[i], slots, 0);
	port[i] = xenevtchn_bind_interdomain(evtchn, domid, (uint32_t)get(fe, ev, 0));
	if (port[i] < 0)
		err(1, "bind %s", ev);
}

static void come_up(void)
{
	put("feature-rx-copy", is("no-rx-copy") ? "0" : "1");
	put("feature-sg", "1");
	put("feature-gso-tcpv4", "1");
	put("feature-ipv6-csum-offload", "1");
	put("feature-split-event-channels", "1");
	put("multi-queue-max-queues", is("bad-queues") ? "many" : "4");
	if (!strncmp(mode, "ctrl-", 5) || is("statics"))
		put("feature-ctrl-ring", "1");
	put("state", "2");
	if (is("stuck") || is("no-rx-copy") || is("bad-queues"))
		exit(0);
	if (side_wait(4, 4, 10) < 0)
		errx(1, "%s: the frontend does not come up", mode);
	connect_ring(0, &tx, XSP_NET_TX_SLOTS, "tx-ring-ref", "event-channel-tx");
	connect_ring(1, &rx, XSP_NET_RX_SLOTS, "rx-ring-ref", "event-channel-rx");
	if (get(fe, "ctrl-ring-ref", 0))
		connect_ring(2, &ctrl, XSP_NET_CTRL_SLOTS, "ctrl-ring-ref", "event-channel-ctrl");
	put("state", "4");
}

static void let_go(void)
{
	for (int i = 0; i < 3; i++) {
		if (page[i])
			xengnttab_unmap(gnttab, page[i], 1);
		if (port[i] >= 0)
			xenevtchn_unbind(evtchn, (evtchn_port_t)port[i]);
		page[i] = NULL;
		port[i] = -1;
	}
	while (n_mapped)
		xengnttab_unmap(gnttab, mapped[--n_mapped].at, 1);
}

/* --- control ----------------------------------------------------------------------------------- */

static uint32_t add_grefs(uint32_t ref, uint32_t n)
{
	struct xsp_net_gref *list = xengnttab_map_grant_ref(gnttab, domid, ref, PROT_READ);

	if (!list || n > XSP_NET_GREFS_PER_PAGE)
		return XSP_NET_CTRL_INVALID_PARAMETER;
	for (uint32_t i = 0; i < n; i++) {
		int prot = list[i].flags & XSP_NET_GREF_READONLY ? PROT_READ : PROT_READ | PROT_WRITE;

		mapped[n_mapped].ref = list[i].ref;
		mapped[n_mapped].at = xengnttab_map_grant_ref(gnttab, domid, list[i].ref, prot);
		if (!mapped[n_mapped++].at)
			err(1, "static grant %u", list[i].ref);
	}
	xengnttab_unmap(gnttab, list, 1);
	return XSP_NET_CTRL_SUCCESS;
}

static void serve_ctrl(void)
{
	while (page[2] && !is("ctrl-silent") && xsp_ring_back_pending(&ctrl) > 0) {
		struct xsp_net_ctrl_rsp r = { .status = XSP_NET_CTRL_SUCCESS };
		struct xsp_net_ctrl_req q;

		xsp_net_back_take_ctrl(&ctrl, &q);
		r.id = (uint16_t)(q.id + is("ctrl-bad-id"));
		r.type = q.type;
		if (is("ctrl-refuse"))
			r.status = XSP_NET_CTRL_NOT_SUPPORTED;
		else if (is("ctrl-odd-status"))
			r.status = 0x80000000u;
		else if (q.type == XSP_NET_CTRL_GET_GREF_MAPPING_SIZE)
			r.data = is("ctrl-huge") ? ~0u : 1000;
		else if (q.type == XSP_NET_CTRL_ADD_GREF_MAPPING && is("statics"))
			r.status = add_grefs(q.data[1], q.data[2]);
		else if (q.type == XSP_NET_CTRL_GET_HASH_FLAGS)
			r.data = ~0u;
		else if (q.type == XSP_NET_CTRL_GET_HASH_MAPPING_SIZE)
			r.data = ~0u;
		xsp_net_back_respond_ctrl(&ctrl, &r);
		if (is("ctrl-overflow"))
			ctrl.rsp_prod_pvt += 1000;
		xsp_ring_back_push(&ctrl);
		xenevtchn_notify(evtchn, (evtchn_port_t)port[2]);
	}
}

/* --- packets ----------------------------------------------------------------------------------- */

/* Both pages of a copy, through static maps or by maps of the moment. */
static uint8_t *page_of(uint32_t ref, bool writable, bool *ret_transient)
{
	uint8_t *at;

	for (unsigned int i = 0; i < n_mapped; i++)
		if (mapped[i].ref == ref)
			return through_static++, *ret_transient = false, mapped[i].at;
	at = xengnttab_map_grant_ref(gnttab, domid, ref, writable ? PROT_READ | PROT_WRITE : PROT_READ);
	if (!at)
		err(1, "map page %u", ref);
	transient++;
	*ret_transient = true;
	return at;
}

static struct xsp_net_rx_req next_posted(void)
{
	n_posted--;
	return posted[first_posted++ % XSP_NET_RX_SLOTS];
}

static void respond(struct xsp_net_rx_rsp r)
{
	xsp_net_back_respond_rx(&rx, &r);
}

/* No lie, only odd: as many pieces as a packet may have, none of them full. */
static void in_pieces(struct xsp_net_rx_req q)
{
	struct xsp_net_rx_rsp r = { .status = 600, .flags = XSP_NET_RX_MORE_DATA };

	for (unsigned int i = 1; i < XSP_NET_MAX_SLOTS && n_posted > 1; i++) {
		r.id = q.id;
		respond(r);
		q = next_posted();
	}
	r.id = q.id;
	r.flags = 0;
	respond(r);
}

/* What a lying backend writes instead of an echo. True: it lied. */
static bool lie_rx(struct xsp_net_rx_req q)
{
	struct xsp_net_extra e = { .type = 77 };
	struct xsp_net_rx_rsp good = { .id = q.id, .status = 60 }, r = good;

	if (is("rx-bad-id"))
		r.id ^= 1;
	else if (is("rx-status"))
		r.status = -1;
	else if (is("rx-offset"))
		r.offset = 4090;
	else if (is("rx-long"))
		r.status = 32767;
	else if (is("rx-empty"))
		r.status = 0;
	else if (is("rx-runt"))
		r.status = 5;
	else if (is("rx-gso"))
		r.flags = XSP_NET_RX_CSUM_BLANK | XSP_NET_RX_EXTRA_INFO;
	else if (is("rx-csum"))
		r.flags = XSP_NET_RX_CSUM_BLANK;
	else if (is("rx-extra"))
		r.flags = XSP_NET_RX_EXTRA_INFO;
	else if (is("rx-endless"))
		r.flags = XSP_NET_RX_MORE_DATA;
	else if (!is("rx-overflow"))
		return false;
	respond(r);
	if (is("rx-gso")) { /* of a packet that is no TCP */
		e.type = XSP_NET_EXTRA_GSO;
		e.u.gso.size = 1;
		e.u.gso.type = XSP_NET_GSO_TCPV4;
	}
	if (r.flags & XSP_NET_RX_EXTRA_INFO && n_posted) {
		next_posted();
		xsp_net_back_respond_rx_extra(&rx, &e);
	}
	while (is("rx-endless") && n_posted) {
		r.id = next_posted().id;
		respond(r);
	}
	if (is("rx-overflow"))
		rx.rsp_prod_pvt += 1000;
	return true;
}

/* One packet of one or several pieces comes back as one of one: its first page's bytes. */
static void echo(const struct xsp_net_tx_req *q)
{
	struct xsp_net_rx_req to;
	bool t1, t2;
	uint8_t *from, *at;
	uint16_t bytes = q->size < XSP_PAGE_SIZE - q->offset ? q->size : (uint16_t)(XSP_PAGE_SIZE - q->offset);

	if (n_posted < 2)
		return;
	to = next_posted();
	if (is("rx-pieces")) {
		in_pieces(to);
		return;
	}
	if (lie_rx(to))
		return;
	from = page_of(q->gref, false, &t1);
	at = page_of(to.gref, true, &t2);
	memcpy(at, from + q->offset, bytes);
	if (t1)
		xengnttab_unmap(gnttab, from, 1);
	if (t2)
		xengnttab_unmap(gnttab, at, 1);
	respond((struct xsp_net_rx_rsp){ .id = to.id, .status = (int16_t)bytes });
	echoed++;
}

static void answer_tx(const struct xsp_net_tx_req *q)
{
	int16_t status = is("tx-null") ? XSP_NET_NULL : is("tx-refuse") ? XSP_NET_ERROR : XSP_NET_OKAY;

	xsp_net_back_respond_tx(&tx, is("tx-bad-id") ? (uint16_t)(q->id + 300) : q->id, status);
	if (is("tx-overflow"))
		tx.rsp_prod_pvt += 1000;
}

static void serve(void)
{
	int n = xsp_ring_back_pending(&rx);

	while (n-- > 0 && n_posted < XSP_NET_RX_SLOTS) {
		xsp_net_back_take_rx(&rx, &posted[(first_posted + n_posted) % XSP_NET_RX_SLOTS]);
		n_posted++;
	}
	while ((n = xsp_ring_back_pending(&tx)) > 0) {
		struct xsp_net_tx_req q, more;
		struct xsp_net_extras x = { .slots = 0 };

		xsp_net_back_take_tx(&tx, &q);
		if (q.flags & XSP_NET_TX_EXTRA_INFO)
			xsp_net_back_take_extras(&tx, (uint32_t)n - 1, &x);
		more = q;
		echo(&q);
		answer_tx(&q);
		for (unsigned int i = 0; i < x.slots; i++)
			xsp_net_back_respond_tx(&tx, 0, XSP_NET_NULL);
		while (more.flags & XSP_NET_TX_MORE_DATA && xsp_ring_back_pending(&tx) > 0) {
			xsp_net_back_take_tx(&tx, &more);
			answer_tx(&more);
		}
	}
	if (xsp_ring_back_push(&tx))
		xenevtchn_notify(evtchn, (evtchn_port_t)port[0]);
	if (xsp_ring_back_push(&rx))
		xenevtchn_notify(evtchn, (evtchn_port_t)port[1]);
	for (int i = 0; i < 2000 && is("storm"); i++)
		xenevtchn_notify(evtchn, (evtchn_port_t)port[i & 1]);
}

int main(int argc, char **argv)
{
	char path[160], *back;
	time_t end;

	side_open(argc, argv, "vif");
	snprintf(path, sizeof(path), "%s/backend", fe); /* anywhere: xensplitd looks below .../backend only */
	back = xs_read(xs, XBT_NULL, path, NULL);
	if (!back)
		err(1, "%s", path);
	snprintf(be, sizeof(be), "%s", back);
	free(back);
	come_up();
	end = time(NULL) + 20;
	while (time(NULL) < end && get(fe, "state", 0) == 4) {
		for (int i = 0; i < 50; i++) {
			serve_ctrl();
			serve();
			if (!is("storm"))
				usleep(1000);
		}
	}
	put("state", "5");
	side_wait(6, 6, 10);
	let_go();
	put("state", "6");
	printf("%s: %lu packets echoed, %lu page maps, %lu through static grants\n", mode, echoed, transient,
	       through_static);
	return is("statics") && (transient || !through_static) ? 1 : 0;
}
