/* SPDX-License-Identifier: MIT */
/*
 * xensplit capture: a network device's packets as a pcap file, for Wireshark and tcpdump. The daemon
 * sends them to a socket of ours, a record a message; we only put the file's head before them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/xensplit/client.h"
#include "tools/xensplit/out.h"
#include "tools/xensplit/store.h"

#define SNAPLEN   65535u
#define ACCEPT_MS 5000

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static bool put(int fd, const void *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR && !stop)
			continue;
		if (w <= 0)
			return false;
		p = (const char *)p + w;
		n -= (size_t)w;
	}
	return true;
}

static bool put_head(int fd, uint32_t snaplen)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, snaplen, link;
	} head = { 0xa1b23c4d, 2, 4, 0, 0, snaplen, 1 }; /* nanoseconds; Ethernet */

	return put(fd, &head, sizeof(head));
}

/* A socket in a directory of its own, that nobody else may enter but the daemon's user. */
static int listen_here(char *dir, struct sockaddr_un *addr)
{
	int s;

	if (!mkdtemp(dir))
		return -1;
	snprintf(addr->sun_path, sizeof(addr->sun_path), "%.80s/packets", dir);
	addr->sun_family = AF_UNIX;
	s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s >= 0 && !bind(s, (struct sockaddr *)addr, sizeof(*addr)) && !listen(s, 1))
		return s;
	if (s >= 0)
		close(s);
	return -1;
}

static int ask_daemon(const struct call *call, const char *id, const char *path, uint32_t snaplen)
{
	struct json_object *params = device_params(id), *o;
	int rc;

	json_object_object_add(params, "path", json_object_new_string(path));
	json_object_object_add(params, "snaplen", json_object_new_int((int)snaplen));
	o = client_once(call, "vif.capture", params, &rc);
	json_object_put(o);
	return rc;
}

/* Records until the daemon, the reader or count ends it. */
static unsigned long pump(int from, int to, long count)
{
	static uint8_t record[SNAPLEN + 16];
	unsigned long n = 0;

	while (!stop && count--) {
		ssize_t len = recv(from, record, sizeof(record), 0);

		if (len < 0 && errno == EINTR) {
			count++;
			continue;
		}
		if (len <= 0 || !put(to, record, (size_t)len))
			break;
		n++;
	}
	return n;
}

static int run(struct call *call, const char *id, int to, uint32_t snaplen, long count)
{
	char dir[] = "/tmp/xensplit-capture-XXXXXX";
	struct sockaddr_un addr = { 0 };
	struct pollfd p = { .events = POLLIN };
	int s = listen_here(dir, &addr), from = -1, rc;
	unsigned long n = 0;

	if (s < 0)
		return fail(call, EXIT_FAILED, "can't make a socket below /tmp: %s", strerror(errno));
	rc = ask_daemon(call, id, addr.sun_path, snaplen);
	p.fd = s;
	if (!rc && poll(&p, 1, ACCEPT_MS) > 0)
		from = accept(s, NULL, NULL);
	unlink(addr.sun_path);
	rmdir(dir);
	close(s);
	if (rc)
		return rc;
	if (from < 0)
		return fail(call, EXIT_TIMEOUT, "the daemon did not come to our socket");
	if (put_head(to, snaplen))
		n = pump(from, to, count);
	close(from);
	note(call, "%lu packets", n);
	return EXIT_OK;
}

int cmd_capture(struct call *call)
{
	const char *file = option(call, "write"), *text = option(call, "count");
	const char *snap = option(call, "snaplen");
	long count = text ? atol(text) : -1;
	uint32_t snaplen = snap ? (uint32_t)strtoul(snap, NULL, 10) : SNAPLEN;
	struct sigaction sa = { .sa_handler = on_signal };
	struct store s = { .backend = call->backend };
	struct device d;
	int to = STDOUT_FILENO, rc;

	if ((text && count < 1) || !snaplen || snaplen > SNAPLEN)
		return usage_error(call, "--count is at least 1, --snaplen 1 to %u", SNAPLEN);
	rc = device_parse(call, &s, call->args[0], &d);
	if (rc)
		return rc;
	if (strncmp(d.id, "vif/", 4))
		return usage_error(call, "%s is no network interface", d.id);
	if (file && strcmp(file, "-"))
		to = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	else if (isatty(to))
		return usage_error(call, "packets are no text: -w FILE, or into a pipe: "
				   "xensplit capture %s -w - | tcpdump -r -", d.id);
	if (to < 0)
		return fail(call, EXIT_FAILED, "%s: %s", file, strerror(errno));
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	return run(call, d.id, to, snaplen, count);
}
