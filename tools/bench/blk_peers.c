/* SPDX-License-Identifier: MIT */
/* Who takes part in a group of the disk benchmark: clients and servers, or why not. */
#include <stdio.h>
#include <string.h>

#include "tools/bench/blk.h"

/* The client of one racer; on failure it is skipped by name. Returns true when it is ready. */
static bool start_client(struct blk *k, struct racer *c, char *const argv[])
{
	const char *line;

	if (child_start(&c->client, argv, k->pin ? 0 : -1, true, k->rig.log)) {
		bench_skip(k->b, c->name, "its client can't be started");
		return false;
	}
	line = child_hear(&c->client, 30 + (double)k->rig.guests);
	if (line && !strcmp(line, "ready"))
		return true;
	bench_skip(k->b, c->name, line ? line : "its client does not answer");
	child_stop(&c->client);
	return false;
}

static struct racer *new_racer(struct blk *k, const char *name, const char *what)
{
	k->racer[k->n] = (struct racer){ .name = name, .what = what };
	return &k->racer[k->n];
}

uint64_t blk_buffer_bytes(const struct blk_point *p)
{
	return (p->v[SIZE] * p->v[DEPTH] + 4095) / 4096 * 4096;
}

/* A frontend of ours on @dev of guest 1 and on. */
static bool start_front(struct blk *k, struct racer *c, const struct blk_point *p, const char *dev, unsigned int guests)
{
	char guest[] = "1", n[16], bytes[24], order[8], queues[8], grants[16], segments[16];
	char xensplit[] = "xensplit", lab[] = "lab", run[] = "run", dir[] = "--dir", sep[] = "--",
	     bench[] = "xensplit-bench", load[] = "load-front", vdev[16];
	char *argv[] = { xensplit, lab, run, dir, k->rig.lab, guest, sep, bench, load, k->rig.lab, guest, n, vdev,
			 bytes, order, queues, grants, segments, NULL };

	snprintf(vdev, sizeof(vdev), "%s", dev);
	snprintf(n, sizeof(n), "%u", guests);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)blk_buffer_bytes(p));
	snprintf(order, sizeof(order), "%u", (unsigned int)p->v[ORDER] & 7);
	snprintf(queues, sizeof(queues), "%u", (unsigned int)p->v[QUEUES] & 31);
	word(&blk_axes[GRANTS], p->v[GRANTS], grants);
	word(&blk_axes[SEGMENTS], p->v[SEGMENTS], segments);
	return start_client(k, c, argv);
}

#define QDISK_BYTES (11u * 4096) /* of a request, without indirect ones */

/* Where our daemon has which target; QEMU's come from rig_qemu. */
static const char *const ours[TARGETS] = { "xvda", "xvdb", "xvdi", "xvdj" };

static bool is_file(const struct blk_point *p)
{
	return p->v[TARGET] == TARGET_FILE || p->v[TARGET] == TARGET_DIRECT;
}

static bool is_event(const struct blk_point *p)
{
	char mode[16];

	return !strcmp(word(&blk_axes[BACKEND], p->v[BACKEND], mode), "event");
}

static void add_ours(struct blk *k, const struct blk_point *p)
{
	struct racer *c = new_racer(k, "xsp", "our frontend, xensplitd");

	c->ours = true;
	c->server = &k->rig.daemon;
	k->n += start_front(k, c, p, ours[p->v[TARGET]], (unsigned int)p->v[GUESTS]);
}

static void add_qdisk(struct blk *k, const struct blk_point *p)
{
	static const char *const dev[2][TARGETS] = { { "xvdc", "xvdd", "xvde" }, { "xvdf", "xvdg", "xvdh" } };
	struct racer *c = new_racer(k, "qdisk",
				    is_event(p) ? "our frontend, QEMU's Xen disk backend (iothread, poll-max-ns=0)" :
						  "our frontend, QEMU's Xen disk backend (iothread, polls adaptively)");

	if (p->v[SIZE] > QDISK_BYTES) {
		bench_skip(k->b, "qdisk", "it has no indirect requests: 44 KiB at most");
		return;
	}
	if (!k->tried_qemu)
		k->have_qemu = !rig_qemu(&k->rig);
	k->tried_qemu = true;
	if (!k->have_qemu) {
		bench_skip(k->b, "qdisk", "QEMU's Xen disk backend (qemu-system-xen) does not run");
		return;
	}
	c->server = &k->rig.qemu;
	k->n += start_front(k, c, p, dev[is_event(p)][p->v[TARGET]], 1);
}

static void add_uring(struct blk *k, const struct blk_point *p, bool two)
{
	struct racer *c = two ? new_racer(k, "io_uring-2", "no driver: io_uring, another processor reads the data") :
				new_racer(k, "io_uring", "no driver: io_uring, the same processor reads the data");
	char bench[] = "xensplit-bench", load[] = "load-uring", direct[] = "direct", cached[] = "cached", bytes[24],
	     cpu[16];
	char *argv[] = { bench, load, k->rig.file[p->v[TARGET] == TARGET_DIRECT], bytes,
			 p->v[TARGET] == TARGET_DIRECT ? direct : cached, two ? cpu : NULL, NULL };

	snprintf(cpu, sizeof(cpu), "%d", k->rig.server_cpu);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)blk_buffer_bytes(p));
	k->n += start_client(k, c, argv);
}

/* A server on a Unix socket and its client, @load; @server stays up until the group is over. */
static void add_server(struct blk *k, const struct blk_point *p, const char *name, const char *what,
		       char *const serve[], const char *sock, char *load, struct child *server)
{
	struct racer *c = new_racer(k, name, what);
	char bench[] = "xensplit-bench", disk[24], bytes[24], path[96];
	char *argv[] = { bench, load, path, bytes, disk, NULL };
	const char *why = rig_serve(&k->rig, serve, sock);

	if (why) {
		bench_skip(k->b, name, why);
		return;
	}
	*server = k->rig.server;
	k->rig.server.pid = 0;
	c->server = server;
	snprintf(path, sizeof(path), "%s", sock);
	snprintf(disk, sizeof(disk), "%u", RIG_DISK_BYTES);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)blk_buffer_bytes(p));
	if (start_client(k, c, argv))
		k->n++;
	else
		child_stop(server);
}

static struct child nbdkit, qsd_nbd, qsd_vhost; /* of the group that runs */

static void add_nbdkit(struct blk *k, const struct blk_point *p)
{
	char sock[96], load[] = "load-nbd", kit[] = "nbdkit", f[] = "-f", u[] = "-U", null[] = "null", file[] = "file", size[] = "256M";
	char *argv[] = { kit, f, u, sock, p->v[TARGET] ? file : null, p->v[TARGET] ? k->rig.file[0] : size, NULL };

	snprintf(sock, sizeof(sock), "%s/nbdkit.sock", k->rig.dir);
	add_server(k, p, "nbdkit", "NBD over a Unix socket: nbdkit, libnbd", argv, sock, load, &nbdkit);
}

static void qsd_node(const struct blk *k, const struct blk_point *p, char *node, size_t bytes)
{
	if (!is_file(p))
		snprintf(node, bytes, "driver=null-co,node-name=n,size=%u,read-zeroes=%s", RIG_DISK_BYTES,
			 p->v[TARGET] == TARGET_NULL ? "on" : "off");
	else if (p->v[TARGET] == TARGET_FILE)
		snprintf(node, bytes, "driver=file,node-name=n,locking=off,filename=%s", k->rig.file[0]);
	else
		snprintf(node, bytes, "driver=file,node-name=n,locking=off,cache.direct=on,aio=io_uring,filename=%s",
			 k->rig.file[1]);
}

static void add_qsd_nbd(struct blk *k, const struct blk_point *p)
{
	char sock[96], load[] = "load-nbd", name[] = "qemu-storage-daemon", blockdev[] = "--blockdev", node[192], server[] = "--nbd-server",
	     addr[160], export[] = "--export", what[] = "type=nbd,id=e,node-name=n,name=,writable=on";
	char *argv[] = { name, blockdev, node, server, addr, export, what, NULL };

	snprintf(sock, sizeof(sock), "%s/qsd.sock", k->rig.dir);
	qsd_node(k, p, node, sizeof(node));
	snprintf(addr, sizeof(addr), "addr.type=unix,addr.path=%s", sock);
	add_server(k, p, "qsd-nbd", "NBD over a Unix socket: qemu-storage-daemon, libnbd", argv, sock, load, &qsd_nbd);
}

static void add_qsd_vhost(struct blk *k, const struct blk_point *p)
{
	char sock[96], load[] = "load-vhost", name[] = "qemu-storage-daemon", object[] = "--object",
	     polls[] = "iothread,id=io0", sleeps[] = "iothread,id=io0,poll-max-ns=0", blockdev[] = "--blockdev", node[192],
	     export[] = "--export", what[256];
	char *argv[] = { name, object, is_event(p) ? sleeps : polls, blockdev, node, export, what, NULL };

	snprintf(sock, sizeof(sock), "%s/vhost.sock", k->rig.dir);
	qsd_node(k, p, node, sizeof(node));
	snprintf(what, sizeof(what),
		 "type=vhost-user-blk,id=e,node-name=n,writable=on,iothread=io0,addr.type=unix,addr.path=%s", sock);
	add_server(k, p, "qsd-vhost",
		   is_event(p) ? "vhost-user-blk: qemu-storage-daemon (iothread, poll-max-ns=0)" :
				 "vhost-user-blk: qemu-storage-daemon (iothread, polls adaptively)",
		   argv, sock, load, &qsd_vhost);
}

void blk_stop(struct blk *k)
{
	for (int i = 0; i < k->n; i++)
		child_stop(&k->racer[i].client);
	child_stop(&nbdkit);
	child_stop(&qsd_nbd);
	child_stop(&qsd_vhost);
	k->n = 0;
}

/* Every disk of our daemon that this point needs, once. */
static int attach(struct blk *k, const struct blk_point *p)
{
	char target[16];

	for (uint64_t g = 1; g <= p->v[GUESTS]; g++) {
		if (k->attached[g][p->v[TARGET]])
			continue;
		if (rig_attach(&k->rig, (unsigned int)g, ours[p->v[TARGET]],
			       word(&blk_axes[TARGET], p->v[TARGET], target)))
			return -1;
		k->attached[g][p->v[TARGET]] = true;
	}
	return 0;
}

/*
 * Peers have one disk, one connection, no grants: they take part where that is the question. All but
 * vhost-user move data whatever the disk holds.
 */
int blk_start(struct blk *k, const struct blk_point *p)
{
	bool alone = p->v[GUESTS] == 1 && p->v[QUEUES] == 1, data = p->v[TARGET] != TARGET_NOTHING;
	char mode[16];

	if (rig_polling(&k->rig, word(&blk_axes[BACKEND], p->v[BACKEND], mode)))
		return -1;
	if (attach(k, p) || (is_file(p) && rig_file(&k->rig, p->v[TARGET] == TARGET_DIRECT)))
		return -1;
	add_ours(k, p);
	if (!k->n)
		return -1;
	if (alone && data && p->v[ORDER] <= 4 && word_in(k->peers, "qdisk"))
		add_qdisk(k, p);
	if (alone && word_in(k->peers, "qsd-vhost"))
		add_qsd_vhost(k, p);
	if (alone && is_file(p) && word_in(k->peers, "io_uring"))
		add_uring(k, p, false);
	if (alone && is_file(p) && p->v[WAIT] && k->pin && word_in(k->peers, "io_uring-2"))
		add_uring(k, p, true);
	if (alone && data && p->v[TARGET] != TARGET_DIRECT && word_in(k->peers, "nbdkit"))
		add_nbdkit(k, p);
	if (alone && data && word_in(k->peers, "qsd-nbd"))
		add_qsd_nbd(k, p);
	return 0;
}
