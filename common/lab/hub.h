/* SPDX-License-Identifier: MIT */
/* The hub's own types and the functions of its files, by the file that owns them. */
#ifndef COMMON_LAB_HUB_H
#define COMMON_LAB_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "common/lab/proto.h"
#include "common/lab/shm.h"

/* Something in the epoll set. fn may free it: the loop takes one event at a time. */
struct source {
	int fd;
	void (*fn)(struct source *s, uint32_t events);
};

#define LAB_HELD 64 /* unmap notifications with a port, of one handle */

/* One connection: a handle of a process, or a command line (kind CTL). */
struct client {
	struct source src;
	struct client *next;
	int kind; /* enum lab_kind; -1 before HELLO */
	uint16_t dom;
	pid_t pid;
	uint32_t slot, gen; /* EVTCHN: its lab_evh */
	int evfd;           /* EVTCHN */
	int recs_fd;        /* GNTTAB */
	int waiting;        /* LAB_CREATE, LAB_DESTROY: the toolstack has it; else 0 */
	uint16_t waiting_dom;
	uint32_t nheld; /* ports its unmap notifications name: they outlive their handle */
	uint16_t held[LAB_HELD];
};

enum page_state { PAGE_FREE, PAGE_SHARED, PAGE_ZOMBIE };

/* One gntshr page; index = reference = page of the domain's memory. */
struct page {
	uint8_t state;
	uint8_t notify; /* as lab_rec.notify */
	struct client *owner;
	uint32_t notify_offset, notify_port;
};

struct relay;

struct domain {
	uint16_t id;
	int memfd;
	uint8_t *memory; /* LAB_GREFS pages, mapped in the hub */
	struct page page[LAB_GREFS];
	uint32_t pages_used;
	uint32_t store_port;
	bool ready; /* introduced, its nodes are there */
	bool nodes; /* the toolstack has nodes of it in the store, or is at it */
	struct relay *relay;
	int netns; /* its network namespace; -1: none yet */
};

struct hub {
	const char *dir;
	const char *labdir; /* the drop-in libraries */
	const char *bindir; /* xensplitd, xensplit */
	int epfd, shm_fd;
	struct lab_shm *shm;
	struct domain *dom[LAB_DOMS];
	struct client *clients;
	int evfd[LAB_EVHS]; /* -1 = slot free */
	int listen_fd;
	int ns_fd[LAB_MAX_FDS]; /* user, mnt, net, pid; -1 = none of our own */
	pid_t xenstored, daemon, toolstack;
	int toolstack_fd;
	uint32_t xsd_port; /* of Dom0's kernel, for xenstored */
	bool stopping;
	struct rlimit nofile; /* as it was: the children's */
	int outer_pid;        /* its pid outside its namespace */
};

extern struct hub hub;

/* hub.c */
void hub_store_ready(int rc);
void hub_guest_ready(uint16_t dom, int rc);
void hub_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int source_add(struct source *s, uint32_t events);
void source_mod(struct source *s, uint32_t events);
void source_del(struct source *s);

/* client.c */
int clients_listen(void);
int client_reply(struct client *c, struct lab_msg *m, const void *data, const int *fds, int nfds);
void client_drop(struct client *c);
struct client *client_of_slot(uint32_t slot);
void clients_drop_dom(uint16_t dom);
void clients_answer(int op, uint16_t dom, int rc);

/* domain.c */
int domain_create(uint16_t id, const char *name, bool with_store);
int domain_destroy(uint16_t id);
void domain_reap(uint16_t id);
struct lab_dom *domain_alive(uint32_t id);
void domain_kill_processes(int id);

/* grant.c */
int grant_share(struct client *c, struct lab_msg *m, uint32_t *refs);
int grant_unshare(struct client *c, const uint32_t *refs, uint32_t n);
void grant_client_gone(struct client *c);
void grant_maps_gone(struct client *c);
void grant_domain_gone(struct domain *d);
void grant_zombies(struct domain *d);

/* evtchn.c */
int evh_alloc(uint32_t *gen);
void evh_free(uint32_t slot);
int port_alloc_unbound(uint16_t dom, uint16_t remote, uint64_t owner);
int port_bind_interdomain(uint16_t dom, uint16_t rdom, uint32_t rport, uint64_t owner);
int port_bind_virq(uint16_t dom, uint32_t virq, uint64_t owner);
int port_close(uint16_t dom, uint32_t port);
int port_hold(struct client *c, uint32_t port);
void port_release(struct client *c, uint32_t port);
void ports_release(struct client *c);
void ports_close_owner(uint16_t dom, uint64_t owner);
void ports_close_dom(uint16_t dom);
int port_send(uint16_t dom, uint32_t port);
void virq_raise(uint32_t virq);
void evh_sweep(void);

/* relay.c */
int relay_start(struct domain *d);
void relay_stop(struct domain *d);

/* process.c */
pid_t process_start(const char *const argv[], const char *log, bool xsd);
int store_start(void);
int daemon_start(void);
int store_path(char *buf, size_t n, uint16_t dom);

/* toolstack.c */
int toolstack_start(void);
void toolstack_create(uint16_t dom);
void toolstack_destroyed(uint16_t dom);

/* netns.c */
int netns_of(struct domain *d);
void netns_drop(struct domain *d);

/* status.c */
int status_text(char *buf, size_t n);

#endif
