/* SPDX-License-Identifier: MIT */
/*
 * The life of a domain: made with its memory, its store page and port; dead at once for its own
 * processes, but "dying" to the others until the last of its pages is unmapped; then the domid is
 * free again.
 */
#include "common/lab/hub.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define VIRQ_DOM_EXC 3 /* public/xen.h */

struct lab_dom *domain_alive(uint32_t id)
{
	if (id >= LAB_DOMS || hub.shm->dom[id].state != LAB_DOM_ALIVE)
		return NULL;
	return &hub.shm->dom[id];
}

static struct domain *domain_new(uint16_t id)
{
	struct domain *d = calloc(1, sizeof(*d));
	size_t bytes = (size_t)LAB_GREFS * LAB_PAGE;
	void *p;

	if (!d)
		return NULL;
	d->id = id;
	d->netns = -1;
	d->memfd = memfd_create("xensplit-lab-memory", MFD_CLOEXEC);
	if (d->memfd < 0 || ftruncate(d->memfd, (off_t)bytes) < 0)
		goto fail;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, d->memfd, 0);
	if (p == MAP_FAILED)
		goto fail;
	d->memory = p;
	return d;
fail:
	if (d->memfd >= 0)
		close(d->memfd);
	free(d);
	return NULL;
}

static void domain_free(struct domain *d)
{
	munmap(d->memory, (size_t)LAB_GREFS * LAB_PAGE);
	close(d->memfd);
	free(d);
}

/*
 * A domain with console (0) and store (1) pages granted to Dom0, as libxl's builder leaves it.
 * with_store: start the relay on its store ring; the toolstack introduces it later.
 */
int domain_create(uint16_t id, const char *name, bool with_store)
{
	struct lab_dom *ld = &hub.shm->dom[id];
	struct domain *d;
	uint32_t i;
	int r;

	if (ld->state != LAB_DOM_FREE)
		return -EBUSY;
	d = domain_new(id);
	if (!d)
		return -ENOMEM;
	memset(ld->gref, 0, sizeof(ld->gref));
	memset(ld->port, 0, sizeof(ld->port));
	for (i = 0; i < 2; i++)
		ld->gref[i].entry = LAB_ENTRY(LAB_GTF_PERMIT, 0, i);
	if (!ld->gen)
		lab_mutex_init(&ld->grant_lock);
	ld->maps = ld->recount = 0;
	ld->created_ns = lab_now_ns();
	if (getrandom(ld->uuid, sizeof(ld->uuid), 0) != sizeof(ld->uuid))
		memset(ld->uuid, 0x11, sizeof(ld->uuid));
	ld->uuid[6] = (uint8_t)((ld->uuid[6] & 0x0f) | 0x40);
	ld->uuid[8] = (uint8_t)((ld->uuid[8] & 0x3f) | 0x80);
	snprintf(ld->name, sizeof(ld->name), "%s", name);
	if (!name[0])
		snprintf(ld->name, sizeof(ld->name), id ? "guest%u" : "Domain-%u", id);
	ld->gen++;
	hub.dom[id] = d;
	__atomic_store_n(&ld->state, LAB_DOM_ALIVE, __ATOMIC_RELEASE);
	__atomic_fetch_add(&hub.shm->changes, 1, __ATOMIC_RELEASE);
	r = with_store ? relay_start(d) : 0;
	if (r < 0)
		domain_destroy(id);
	return r;
}

/* Whether a process's first environment is what the launcher gives to domain `id` (-1: to any). */
static bool started_in(const char *env, size_t n, int id)
{
	char dom[32], store[128];
	bool is_lab = false, is_dom = false, is_store = false;
	const char *p;

	snprintf(dom, sizeof(dom), "XENSPLIT_DOM=%d", id);
	snprintf(store, sizeof(store), "XENSTORED_PATH=%s/", hub.dir);
	for (p = env; p < env + n; p += strlen(p) + 1) {
		is_lab |= !strncmp(p, "XENSPLIT_LAB=", 13) && !strcmp(p + 13, hub.dir);
		is_dom |= id < 0 ? !strncmp(p, dom, 13) : !strcmp(p, dom);
		is_store |= !strncmp(p, store, strlen(store));
	}
	return is_lab && is_dom && is_store;
}

/* Kill what was started in domain `id`, or in any for -1. */
void domain_kill_processes(int id)
{
	static char env[65536];
	DIR *dir = opendir("/proc");
	struct dirent *e;
	char path[300];
	ssize_t n;
	int fd;

	while (dir && (e = readdir(dir))) {
		pid_t pid = (pid_t)atoi(e->d_name);

		if (pid <= 1 || pid == getpid() || pid == hub.toolstack)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/environ", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, env, sizeof(env) - 1);
		close(fd);
		if (n <= 0)
			continue;
		env[n] = '\0';
		if (started_in(env, (size_t)n, id))
			kill(pid, SIGKILL);
	}
	if (dir)
		closedir(dir);
}

int domain_destroy(uint16_t id)
{
	struct lab_dom *ld;
	struct domain *d;

	if (id == 0)
		return -EPERM;
	ld = domain_alive(id);
	if (!ld)
		return -ESRCH;
	d = hub.dom[id];
	hub_log("domain %u (%s) is destroyed", id, ld->name);
	__atomic_store_n(&ld->state, LAB_DOM_DYING, __ATOMIC_RELEASE);
	domain_kill_processes(id);
	clients_drop_dom(id);
	relay_stop(d);
	netns_drop(d);
	ports_close_dom(id);
	grant_domain_gone(d);
	__atomic_fetch_add(&hub.shm->changes, 1, __ATOMIC_RELEASE);
	virq_raise(VIRQ_DOM_EXC);
	toolstack_destroyed(id);
	domain_reap(id);
	return 0;
}

/*
 * The last map of a dying domain's pages may have gone: then nothing of it is left. Not before the
 * toolstack took its nodes away: the domid could be given out again.
 */
void domain_reap(uint16_t id)
{
	struct lab_dom *ld = &hub.shm->dom[id];

	if (ld->state != LAB_DOM_DYING || __atomic_load_n(&ld->maps, __ATOMIC_ACQUIRE) != 0 ||
	    hub.dom[id]->nodes)
		return;
	domain_free(hub.dom[id]);
	hub.dom[id] = NULL;
	__atomic_store_n(&ld->state, LAB_DOM_FREE, __ATOMIC_RELEASE);
	__atomic_fetch_add(&hub.shm->changes, 1, __ATOMIC_RELEASE);
	virq_raise(VIRQ_DOM_EXC);
}
