/* SPDX-License-Identifier: MIT */
/*
 * What libxenctrl asks of Xen, as far as the lab knows the answer: the version, who is there and
 * who is dying, the state of a port, the end of a domain. Only Dom0 may ask about others.
 * Source: public/version.h, domctl.h, sysctl.h, event_channel.h of Xen 4.17.
 */
#include "common/lab/hypercall.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/sysctl.h>
#include <xen/version.h>

static long version(uint64_t cmd, void *p)
{
	switch (cmd) {
	case XENVER_version:
		return 4 << 16 | 17;
	case XENVER_extraversion:
		snprintf(p, sizeof(xen_extraversion_t), ".lab");
		return 0;
	case XENVER_compile_info:
		memset(p, 0, sizeof(xen_compile_info_t));
		snprintf(((xen_compile_info_t *)p)->compiler, 64, "none: xensplit lab");
		return 0;
	case XENVER_capabilities:
		snprintf(p, sizeof(xen_capabilities_info_t), "xen-3.0-x86_64 ");
		return 0;
	case XENVER_changeset:
		snprintf(p, sizeof(xen_changeset_info_t), "xensplit lab: no hypervisor");
		return 0;
	case XENVER_platform_parameters:
		memset(p, 0, sizeof(xen_platform_parameters_t));
		return 0;
	case XENVER_get_features:
		((xen_feature_info_t *)p)->submap = 0;
		return 0;
	case XENVER_pagesize:
		return LAB_PAGE;
	case XENVER_guest_handle:
		memset(p, 0, sizeof(xen_domain_handle_t));
		return 0;
	case XENVER_commandline:
		snprintf(p, sizeof(xen_commandline_t), "lab");
		return 0;
	case XENVER_build_id:
		return -ENODATA;
	}
	return -ENOSYS;
}

static void domain_info(const struct lab_shm *s, uint16_t id, struct xen_domctl_getdomaininfo *i)
{
	const struct lab_dom *d = &s->dom[id];

	memset(i, 0, sizeof(*i));
	i->domain = id;
	i->flags = d->state == LAB_DOM_DYING ? XEN_DOMINF_dying | XEN_DOMINF_shutdown
					     : XEN_DOMINF_running;
	i->tot_pages = d->state == LAB_DOM_DYING ? d->maps : LAB_GREFS;
	i->max_pages = LAB_GREFS;
	i->shared_info_frame = ~(uint64_t)0;
	i->cpu_time = lab_now_ns() - d->created_ns;
	i->nr_online_vcpus = 1;
	i->ssidref = 0;
	i->gpaddr_bits = 48;
	memcpy(i->handle, d->uuid, sizeof(i->handle));
}

/* The first domain that is not below id; LAB_DOMS when there is none. */
static uint32_t domain_from(const struct lab_shm *s, uint32_t id)
{
	while (id < LAB_DOMS && s->dom[id].state == LAB_DOM_FREE)
		id++;
	return id;
}

static long domctl(struct lab_link *l, struct xen_domctl *d)
{
	const struct lab_shm *s = l->world->shm;
	uint32_t id;

	if (l->dom != 0)
		return -EPERM;
	if (d->interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return -EACCES;
	switch (d->cmd) {
	case XEN_DOMCTL_getdomaininfo:
		id = domain_from(s, d->domain);
		if (id >= LAB_DOMS)
			return -ESRCH;
		domain_info(s, (uint16_t)id, &d->u.getdomaininfo);
		d->domain = (domid_t)id;
		return 0;
	case XEN_DOMCTL_destroydomain:
		return lab_call3(l, LAB_DESTROY, d->domain, 0, 0);
	}
	return -ENOSYS;
}

static long domain_list(const struct lab_shm *s, struct xen_sysctl_getdomaininfolist *g)
{
	struct xen_domctl_getdomaininfo *out = g->buffer.p;
	uint32_t id = g->first_domain, n = 0;

	for (id = domain_from(s, id); id < LAB_DOMS && n < g->max_domains;
	     id = domain_from(s, id + 1))
		domain_info(s, (uint16_t)id, &out[n++]);
	g->num_domains = n;
	return 0;
}

static long sysctl(struct lab_link *l, struct xen_sysctl *y)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (l->dom != 0)
		return -EPERM;
	if (y->interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return -EACCES;
	switch (y->cmd) {
	case XEN_SYSCTL_getdomaininfolist:
		return domain_list(l->world->shm, &y->u.getdomaininfolist);
	case XEN_SYSCTL_physinfo:
		memset(&y->u.physinfo, 0, sizeof(y->u.physinfo));
		y->u.physinfo.threads_per_core = 1;
		y->u.physinfo.cores_per_socket = y->u.physinfo.nr_cpus = (uint32_t)cpus;
		y->u.physinfo.max_cpu_id = (uint32_t)cpus - 1;
		y->u.physinfo.nr_nodes = 1;
		y->u.physinfo.cpu_khz = 1000000;
		y->u.physinfo.capabilities = XEN_SYSCTL_PHYSCAP_pv;
		y->u.physinfo.total_pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
		y->u.physinfo.free_pages = (uint64_t)sysconf(_SC_AVPHYS_PAGES);
		return 0;
	case XEN_SYSCTL_sched_id:
		y->u.sched_id.sched_id = 6; /* credit2, Xen's default */
		return 0;
	}
	return -ENOSYS;
}

static long evtchn_op(struct lab_link *l, uint64_t cmd, struct evtchn_status *e)
{
	uint32_t dom = e->dom == DOMID_SELF ? l->dom : e->dom;
	const struct lab_port *p;

	if (cmd != EVTCHNOP_status)
		return -ENOSYS;
	if (dom != l->dom && l->dom != 0)
		return -EPERM;
	if (dom >= LAB_DOMS || l->world->shm->dom[dom].state == LAB_DOM_FREE)
		return -ESRCH;
	if (e->port >= LAB_PORTS)
		return -EINVAL;
	p = &l->world->shm->dom[dom].port[e->port];
	e->vcpu = 0;
	switch (LAB_BIND_STATE(p->bind)) {
	case LAB_PORT_UNBOUND:
		e->status = EVTCHNSTAT_unbound;
		e->u.unbound.dom = LAB_BIND_DOM(p->bind);
		break;
	case LAB_PORT_INTERDOMAIN:
		e->status = EVTCHNSTAT_interdomain;
		e->u.interdomain.dom = LAB_BIND_DOM(p->bind);
		e->u.interdomain.port = LAB_BIND_PORT(p->bind);
		break;
	case LAB_PORT_VIRQ:
		e->status = EVTCHNSTAT_virq;
		e->u.virq = LAB_BIND_PORT(p->bind);
		break;
	default:
		e->status = EVTCHNSTAT_closed;
	}
	return 0;
}

long lab_hypercall(struct lab_link *l, unsigned int op, const uint64_t arg[5])
{
	void *p0 = (void *)(uintptr_t)arg[0], *p1 = (void *)(uintptr_t)arg[1];

	switch (op) {
	case __HYPERVISOR_xen_version:
		return version(arg[0], p1);
	case __HYPERVISOR_domctl:
		return domctl(l, p0);
	case __HYPERVISOR_sysctl:
		return sysctl(l, p0);
	case __HYPERVISOR_event_channel_op:
		return evtchn_op(l, arg[0], p1);
	}
	return -ENOSYS;
}
