/* SPDX-License-Identifier: MIT */
/*
 * Packets between a NIC and its TAP, in one thread. The kernel copies between the TAP and the granted
 * pages; here only the first bytes of a received packet with a blank checksum are copied, because the
 * header that says where the checksum is must be made from bytes that the backend can't change any more.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/vif/vif.h"

#define BATCH 64 /* packets of one queue in one direction before it's another's turn */

/* --- from the backend -------------------------------------------------------------------------- */

/* The packet's first bytes, at most XSP_NET_HEAD; the rest of iov follows in *rest. */
static uint32_t take_head(const struct xsp_nic_packet *p, uint8_t *head, struct iovec *rest,
			  unsigned int *n_rest)
{
	uint32_t have = 0;

	*n_rest = 0;
	for (unsigned int i = 0; i < p->pieces; i++) {
		size_t some = p->iov[i].iov_len;

		if (some > XSP_NET_HEAD - have)
			some = XSP_NET_HEAD - have;
		memcpy(head + have, p->iov[i].iov_base, some);
		have += (uint32_t)some;
		if (some == p->iov[i].iov_len)
			continue;
		rest[*n_rest].iov_base = (uint8_t *)p->iov[i].iov_base + some;
		rest[(*n_rest)++].iov_len = p->iov[i].iov_len - some;
	}
	return have;
}

static void to_tap(struct vif *v, int fd, const struct xsp_nic_packet *p)
{
	struct xsp_net_offload o = {
		.csum_blank = p->meta.csum_blank,
		.data_validated = p->meta.data_validated,
		.gso_type = p->meta.gso_type,
		.gso_size = p->meta.gso_size,
	};
	struct iovec iov[XSP_NIC_RX_PIECES + 2];
	uint8_t head[XSP_NET_HEAD];
	struct xsp_vnet vnet;
	unsigned int n_rest;
	uint32_t have = take_head(p, head, iov + 2, &n_rest);
	enum xsp_net_drop drop = xsp_net_to_vnet(head, have, p->bytes, &o, &vnet);

	if (drop) {
		v->n.to_tap_drops[drop]++;
		return;
	}
	iov[0] = (struct iovec){ &vnet, sizeof(vnet) };
	iov[1] = (struct iovec){ head, have };
	if (writev(fd, iov, (int)n_rest + 2) < 0)
		v->n.to_tap_refused++;
}

static bool receive(struct vif *v, unsigned int q)
{
	struct xsp_nic_packet p;
	unsigned int n = 0;

	while (n < BATCH && xsp_nic_receive(v->nic, q, &p) == 1) {
		to_tap(v, v->tap.fd[q], &p);
		xsp_nic_release(v->nic, q, &p);
		n++;
	}
	return n == BATCH;
}

/* --- to the backend ---------------------------------------------------------------------------- */

enum sent { EMPTY, NO_ROOM, MORE };

static enum sent send_some(struct vif *v, unsigned int q)
{
	for (unsigned int n = 0; n < BATCH; n++) {
		struct iovec iov[XSP_NIC_TX_PIECES + 1];
		struct xsp_net_offload o;
		struct xsp_nic_meta m;
		struct xsp_vnet vnet;
		unsigned int pages = xsp_nic_reserve(v->nic, q, iov + 1);
		ssize_t got;

		if (!pages)
			return NO_ROOM;
		iov[0] = (struct iovec){ &vnet, sizeof(vnet) };
		got = readv(v->tap.fd[q], iov, (int)pages + 1);
		if (got < 0 && errno == EAGAIN)
			return EMPTY;
		if (got <= (ssize_t)sizeof(vnet) || xsp_net_from_vnet(&vnet, &o)) {
			v->n.to_nic_drops++;
			continue;
		}
		m = (struct xsp_nic_meta){
			.csum_blank = o.csum_blank,
			.data_validated = o.data_validated,
			.gso_type = o.gso_type,
			.gso_size = o.gso_size,
		};
		if (xsp_nic_send(v->nic, q, (uint32_t)got - (uint32_t)sizeof(vnet), &m))
			v->n.to_nic_drops++;
	}
	return MORE;
}

/* --- the loop ---------------------------------------------------------------------------------- */

static bool same_shape(const struct xsp_nic_info *a, const struct xsp_nic_info *b)
{
	return a->connected == b->connected && a->carrier == b->carrier && a->connects == b->connects;
}

static int ended(struct vif *v, int error, const char *why)
{
	fprintf(stderr, "xensplit-vif: %s\n", why);
	v->stop = true;
	return vif_exit_code(error);
}

int vif_pump(struct vif *v)
{
	struct pollfd p[XSP_NIC_MAX_QUEUES + 3];
	struct xsp_nic_info now, shape = { .connects = 0 };
	int code = VIF_OK;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p[0] = (struct pollfd){ .fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN };
	p[1] = (struct pollfd){ .fd = v->control, .events = POLLIN };
	p[2] = (struct pollfd){ .fd = xsp_nic_fd(v->nic), .events = POLLIN };
	while (!v->stop) {
		const char *why;
		bool busy = false;
		int error;

		v->n.rounds++;
		xsp_nic_process(v->nic);
		error = xsp_nic_error(v->nic, &why);
		if (error)
			code = ended(v, error, why);
		xsp_nic_get_info(v->nic, &now);
		if (!same_shape(&now, &shape)) {
			shape = now;
			if (vif_tap_shape(&v->tap, &now))
				return VIF_FAILED;
		}
		for (unsigned int q = 0; q < v->tap.queues; q++) {
			enum sent sent = NO_ROOM;

			if (q < now.queues && now.connected) {
				busy |= receive(v, q);
				sent = send_some(v, q);
				busy |= xsp_nic_arm(v->nic, q) || sent == MORE;
			}
			p[3 + q] = (struct pollfd){ .fd = sent == EMPTY ? v->tap.fd[q] : -1, .events = POLLIN };
		}
		busy |= xsp_nic_error(v->nic, NULL) != 0; /* seen above, next time round */
		v->n.waits += !busy;
		if (poll(p, 3 + v->tap.queues, busy || v->stop ? 0 : -1) < 0 && errno != EINTR)
			return VIF_FAILED;
		if (p[0].revents)
			v->stop = true;
		if (p[1].revents)
			vif_control_serve(v);
	}
	close(p[0].fd);
	return code;
}
