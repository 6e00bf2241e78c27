/* SPDX-License-Identifier: MIT */
/* The lab of the benchmarks: see rig.h. */
#include "tools/bench/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/lab/env.h"

#define QEMU     "/usr/libexec/xen-qemu-system-i386"
#define MAX_ARGS 64
#define NAP_US   50000
#define TRIES    200 /* of NAP_US */

/* execvp takes char *const[] and changes nothing in it. */
#define ARG(text) ((char *)(uintptr_t)(text))

static int failed(struct rig *r, const char *what)
{
	FILE *f = fopen(r->log, "re");
	char line[256];

	fprintf(stderr, "xensplit-bench: %s failed\n", what);
	if (!f)
		return -1;
	if (fseek(f, -800, SEEK_END) || !fgets(line, sizeof(line), f))
		rewind(f);
	while (fgets(line, sizeof(line), f))
		fprintf(stderr, "    %s", line);
	fclose(f);
	return -1;
}

/* "xensplit lab run --dir LAB DOM -- ARGS..." into argv. */
static char **in_domain(struct rig *r, const char *dom, char *const args[], char *argv[MAX_ARGS])
{
	const char *const head[] = { "xensplit", "lab", "run", "--dir", r->lab, dom, "--" };
	int n = 0;

	for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		argv[n++] = ARG(head[i]);
	for (int i = 0; args[i] && n < MAX_ARGS - 1; i++)
		argv[n++] = args[i];
	argv[n] = NULL;
	return argv;
}

static int run_in(struct rig *r, const char *dom, char *const args[])
{
	char *argv[MAX_ARGS];

	return child_run(in_domain(r, dom, args, argv), r->log);
}

static int start_daemon(struct rig *r, char *const extra[])
{
	char *args[MAX_ARGS] = { ARG("xensplitd"), ARG("--socket"), r->socket }, *argv[MAX_ARGS];

	for (int i = 0; extra && extra[i] && i < 16; i++)
		args[3 + i] = extra[i];
	if (child_start(&r->daemon, in_domain(r, "0", args, argv), r->server_cpu, false, r->log))
		return -1;
	for (int i = 0; i < TRIES; i++) {
		struct json_object *o = rig_counters(r);

		if (o) {
			json_object_put(o);
			return 0;
		}
		usleep(NAP_US);
	}
	return failed(r, "xensplitd");
}

volatile sig_atomic_t rig_interrupted;

static void on_signal(int sig)
{
	(void)sig;
	rig_interrupted = 1;
}

bool rig_prepare(struct rig *r, const struct bench *b, bool pin)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	child_fifo = b->fifo;
	pin = pin && sysconf(_SC_NPROCESSORS_ONLN) > 1;
	r->server_cpu = pin ? 1 : -1;
	return pin;
}

int rig_lab(struct rig *r, unsigned int guests)
{
	char labdir[4096], path[8192], number[16];
	char *up[] = { ARG("xensplit"), ARG("lab"), ARG("up"), ARG("--dir"), r->lab, ARG("--guests"), number,
		       ARG("--no-daemon"), NULL };

	snprintf(r->dir, sizeof(r->dir), "/tmp/xensplit-bench.XXXXXX"); /* short: names of sockets are */
	if (lab_env_dirs(labdir, r->bindir, sizeof(labdir)) || !mkdtemp(r->dir)) {
		fprintf(stderr, "xensplit-bench: no lab: %s\n", strerror(errno));
		r->dir[0] = 0;
		return -1;
	}
	snprintf(path, sizeof(path), "%s:%s", r->bindir, getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	setenv("PATH", path, 1);
	/* The daemon's socket lies here, and its journals beside it: on a tmpfs, as on a host. */
	snprintf(r->lab, sizeof(r->lab), "/dev/shm/xensplit-lab.XXXXXX");
	if (!mkdtemp(r->lab)) {
		snprintf(r->lab, sizeof(r->lab), "%s/lab", r->dir);
		mkdir(r->lab, 0755);
	}
	snprintf(r->log, sizeof(r->log), "%s/log", r->dir);
	snprintf(r->file[0], sizeof(r->file[0]), "%s/disk", r->dir);
	snprintf(r->file[1], sizeof(r->file[1]), "%s/direct", r->dir);
	snprintf(r->socket, sizeof(r->socket), "%s/d.sock", r->lab);
	snprintf(number, sizeof(number), "%u", guests);
	r->guests = guests;
	r->is_up = true;
	return child_run(up, r->log) ? failed(r, "xensplit lab up") : 0;
}

int rig_up(struct rig *r, unsigned int guests, char *const extra[])
{
	return rig_lab(r, guests) ? -1 : start_daemon(r, extra);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

void rig_down(struct rig *r)
{
	char *down[] = { ARG("xensplit"), ARG("lab"), ARG("down"), ARG("--dir"), r->lab, NULL };

	child_stop(&r->server);
	child_stop(&r->qemu);
	child_stop(&r->daemon);
	if (r->is_up)
		child_run(down, r->log);
	if (r->lab[0])
		nftw(r->lab, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (r->dir[0])
		nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int rig_file(struct rig *r, bool direct)
{
	const char *path = r->file[direct];
	static char some[1 << 20];
	int fd;

	if (!access(path, F_OK))
		return 0;
	memset(some, 0xa5, sizeof(some));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	for (unsigned int at = 0; fd >= 0 && at < RIG_DISK_BYTES; at += sizeof(some))
		if (write(fd, some, sizeof(some)) != sizeof(some)) {
			close(fd);
			fd = -1;
		}
	if (fd < 0)
		return fprintf(stderr, "xensplit-bench: %s: %s\n", path, strerror(errno)), -1;
	fsync(fd); /* or it is written back while we measure */
	return close(fd);
}

int rig_attach(struct rig *r, unsigned int guest, const char *vdev, const char *target)
{
	char spec[128], number[16];
	char *args[] = { ARG("xensplit"), ARG("--socket"), r->socket, ARG("attach"), number, spec, ARG(vdev), NULL };
	bool direct = !strcmp(target, "direct"), file = direct || !strcmp(target, "file");

	if (file && rig_file(r, direct))
		return -1;
	if (file)
		snprintf(spec, sizeof(spec), "file,%s:%s", direct ? "direct" : "buffered", r->file[direct]);
	else
		snprintf(spec, sizeof(spec), "null%s:%uM", strcmp(target, "null") ? ",leave" : "",
			 RIG_DISK_BYTES >> 20);
	snprintf(number, sizeof(number), "%u", guest);
	return run_in(r, "0", args) ? failed(r, "xensplit attach") : 0;
}

int rig_attach_nic(struct rig *r, unsigned int guest, unsigned int devid, const char *port)
{
	char number[16], words[96];
	char *args[] = { ARG("xensplit"), ARG("--socket"), r->socket, ARG("network-attach"), number, words, NULL };

	snprintf(number, sizeof(number), "%u", guest);
	snprintf(words, sizeof(words), "devid=%u,mac=00:16:3e:be:%02x:%02x,port=%s", devid,
		 guest & 0xff, devid & 0xff, port);
	return run_in(r, "0", args) ? failed(r, "xensplit network-attach") : 0;
}

static int wait_for_state(struct rig *r, const char *path)
{
	char *args[] = { ARG("sh"), ARG("-c"), NULL, NULL };
	char command[256];

	snprintf(command, sizeof(command), "[ \"$(xenstore-read %s 2>/dev/null)\" = 2 ]", path);
	args[2] = command;
	for (int i = 0; i < TRIES; i++) {
		if (!run_in(r, "0", args))
			return 0;
		usleep(NAP_US);
	}
	return -1;
}

int rig_qemu(struct rig *r)
{
	char null[2][128], file[2][160], direct[2][180], state[64], *argv[MAX_ARGS];
	char *args[] = {
		ARG(QEMU), ARG("-machine"), ARG("xenpv"), ARG("-xen-attach"), ARG("-xen-domid"), ARG("1"),
		ARG("-nographic"), ARG("-nodefaults"), ARG("-monitor"), ARG("none"), ARG("-name"), ARG("lab"),
		ARG("-object"), ARG("iothread,id=io0"), ARG("-object"), ARG("iothread,id=io1,poll-max-ns=0"),
		ARG("-blockdev"), null[0], ARG("-blockdev"), file[0], ARG("-blockdev"), direct[0],
		ARG("-blockdev"), null[1], ARG("-blockdev"), file[1], ARG("-blockdev"), direct[1],
		ARG("-device"), ARG("xen-disk,drive=n0,vdev=xvdc,iothread=io0"),
		ARG("-device"), ARG("xen-disk,drive=f0,vdev=xvdd,iothread=io0"),
		ARG("-device"), ARG("xen-disk,drive=d0,vdev=xvde,iothread=io0"),
		ARG("-device"), ARG("xen-disk,drive=n1,vdev=xvdf,iothread=io1"),
		ARG("-device"), ARG("xen-disk,drive=f1,vdev=xvdg,iothread=io1"),
		ARG("-device"), ARG("xen-disk,drive=d1,vdev=xvdh,iothread=io1"), NULL,
	};

	if (access(QEMU, X_OK) || rig_file(r, false) || rig_file(r, true))
		return -1;
	for (int i = 0; i < 2; i++) {
		snprintf(null[i], sizeof(null[i]), "null-co,node-name=n%d,size=%u,read-zeroes=on",
			 i, RIG_DISK_BYTES);
		snprintf(file[i], sizeof(file[i]), "file,node-name=f%d,locking=off,filename=%s", i, r->file[0]);
		snprintf(direct[i], sizeof(direct[i]),
			 "file,node-name=d%d,locking=off,cache.direct=on,filename=%s", i, r->file[1]);
	}
	if (child_start(&r->qemu, in_domain(r, "0", args, argv), r->server_cpu, false, r->log))
		return -1;
	for (int i = 0; i < 6; i++) {
		snprintf(state, sizeof(state), "/local/domain/0/backend/qdisk/1/%d/state", 51744 + 16 * i);
		if (wait_for_state(r, state))
			return failed(r, "QEMU's Xen disk backend");
	}
	return 0;
}

const char *rig_serve(struct rig *r, char *const argv[], const char *sock)
{
	struct stat st;

	unlink(sock);
	if (child_start(&r->server, argv, r->server_cpu, false, r->log))
		return "it can't be started";
	for (int i = 0; i < TRIES / 4; i++) {
		if (!stat(sock, &st))
			return NULL;
		usleep(NAP_US);
	}
	child_stop(&r->server);
	return "it does not listen";
}

/* One call of the control socket; the answer, or NULL. */
static struct json_object *call(struct rig *r, const char *method, const char *params)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct json_object *o;
	char text[32768];
	size_t have = 0;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", r->socket);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) ||
	    dprintf(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n", method,
		    params) < 0) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	while (have < sizeof(text) - 1 && !memchr(text, '\n', have)) {
		ssize_t n = read(fd, text + have, sizeof(text) - 1 - have);

		if (n <= 0)
			break;
		have += (size_t)n;
	}
	close(fd);
	text[have] = 0;
	o = json_tokener_parse(text);
	if (o && json_object_object_get_ex(o, "result", NULL))
		return o;
	json_object_put(o);
	return NULL;
}

int rig_polling(struct rig *r, const char *mode)
{
	char params[64];
	int n = 0;

	for (; n < 64; n++) {
		struct json_object *o;

		snprintf(params, sizeof(params), "{\"worker\":%d,\"mode\":\"%s\"}", n, mode);
		o = call(r, "worker.set", params);
		if (!o)
			break; /* there is no such worker */
		json_object_put(o);
	}
	return n ? 0 : failed(r, "worker.set");
}

struct json_object *rig_counters(struct rig *r)
{
	struct json_object *o = call(r, "daemon.status", "{}"), *counters = NULL;

	if (o && json_object_object_get_ex(o, "result", &counters) &&
	    json_object_object_get_ex(counters, "counters", &counters))
		json_object_get(counters);
	else
		counters = NULL;
	json_object_put(o);
	return counters;
}

struct json_object *rig_nic_counters(struct rig *r)
{
	struct json_object *o = call(r, "vif.stat", "{}"), *list, *sum = json_object_new_object();

	if (o && json_object_object_get_ex(o, "result", &list) &&
	    json_object_object_get_ex(list, "vifs", &list))
		for (size_t i = 0; i < json_object_array_length(list); i++) {
			struct json_object *counters = NULL;

			json_object_object_get_ex(json_object_array_get_idx(list, i), "counters", &counters);
			json_object_object_foreach(counters, key, value)
			{
				struct json_object *old;
				uint64_t n = json_object_get_uint64(value);

				if (json_object_object_get_ex(sum, key, &old))
					n += json_object_get_uint64(old);
				json_object_object_add(sum, key, json_object_new_uint64(n));
			}
		}
	json_object_put(o);
	return sum;
}
