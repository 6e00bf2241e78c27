/* SPDX-License-Identifier: MIT */
/* xensplit-vif: a guest's PV network card as a TAP, over libxensplit-front. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/store.h"
#include "tools/vif/vif.h"

static const char help[] =
	"Usage: xensplit-vif COMMAND [N] [OPTION ...]\n"
	"A guest's PV network cards without a kernel driver. N is a card's number (0).\n"
	"\n"
	"  list               the cards of this domain; opens none\n"
	"  up N               connect it and make it a network interface, in the background\n"
	"  info N             what it is; of one that is not up: connects for a moment\n"
	"  stats N            packets of a card that is up, by queue\n"
	"  down N             take it away again\n"
	"\n"
	"  --json             list, info and stats: one line of JSON\n"
	"up, info:\n"
	"  --tap NAME         of the interface (xnN)\n"
	"  --foreground       stay; the end of it (Ctrl-C) is `down`\n"
	"  --queues N         1..16, if the backend can (1)\n"
	"  --pages N          of 4 KiB for packets of all queues, both ways (480; a guest can grant 1024\n"
	"                     for everything)\n"
	"  --hash             let the backend spread flows over the queues by a Toeplitz hash\n"
	"  --hash-map LIST    so, and to which: 0,0,1 gives queue 1 a third of the flows\n"
	"  --no-gso           cut TCP into packets here; --no-csum: and fill in checksums\n"
	"  --no-split         one event channel for both directions\n"
	"  --no-static        no grants that stay mapped\n"
	"  --timeout SECONDS  for the backend to connect (10)\n"
	"\n"
	"Examples:\n"
	"  xensplit-vif up 0 && ip addr add 10.0.0.2/24 dev xn0\n"
	"  xensplit-vif up 1 --tap eth1 --queues 2 --hash\n"
	"  xensplit-vif stats 0 --json\n"
	"\n"
	"Exit: 0 ok, 1 failed, 2 usage, 3 no such card (or not up), 4 no Xen here (store, event channels\n"
	"or grants can't be opened), 5 the backend did not answer.\n";

struct args {
	struct xsp_nic_options nic;
	const char *tap;
	bool json, foreground;
};

static int usage(const char *what, const char *wrong)
{
	fprintf(stderr, "xensplit-vif: %s%s%s\nTry 'xensplit-vif --help'.\n", what, *what ? ": " : "", wrong);
	return VIF_USAGE;
}

int vif_exit_code(int error)
{
	switch (error) {
	case 0:
		return VIF_OK;
	case -ENODEV:
		return VIF_NO_DEVICE;
	case -ENXIO:
		return VIF_UNREACHABLE;
	case -ETIMEDOUT:
		return VIF_TIMEOUT;
	case -EINVAL:
		return VIF_USAGE;
	default:
		return VIF_FAILED;
	}
}

/* --- commands ---------------------------------------------------------------------------------- */

/* The interface is there: the parent may go, and nobody reads what we say. */
static void now_behind(int ready)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned char byte = VIF_OK;

	if (write(ready, &byte, 1) < 0)
		perror("xensplit-vif"); /* nobody waits any more */
	close(ready);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close(null);
}

/* Connects, makes the TAP and moves packets until the end. ready: told when it is there, or -1. */
static int serve(const char *name, uint32_t devid, struct args *a, int ready)
{
	struct vif v = { .control = vif_control_listen(devid) };
	char why[XSP_NIC_WHY_BYTES], tap[IFNAMSIZ];
	struct xsp_nic_info i;
	int error, code = VIF_OK;

	if (v.control < 0) {
		fprintf(stderr, "xensplit-vif: vif %s: %s\n", name,
			v.control == -EADDRINUSE ? "it is up already" : strerror(-v.control));
		return VIF_FAILED;
	}
	error = xsp_nic_open(name, &a->nic, &v.nic, why);
	if (error) {
		fprintf(stderr, "xensplit-vif: %s\n", why);
		return vif_exit_code(error);
	}
	xsp_nic_get_info(v.nic, &i);
	snprintf(tap, sizeof(tap), "xn%u", devid);
	if (vif_tap_open(&v.tap, a->tap ? a->tap : tap, i.queues) || vif_tap_shape(&v.tap, &i))
		code = VIF_FAILED;
	if (code == VIF_OK && ready >= 0) {
		now_behind(ready);
	} else if (code == VIF_OK) {
		printf("vif %u is %s, %02x:%02x:%02x:%02x:%02x:%02x\n", devid, v.tap.name, i.mac[0], i.mac[1],
		       i.mac[2], i.mac[3], i.mac[4], i.mac[5]);
		fflush(stdout);
	}
	if (code == VIF_OK)
		code = vif_pump(&v);
	vif_tap_close(&v.tap);
	error = xsp_nic_close(v.nic);
	close(v.control); /* last: who asks for `down` waits for this */
	return code ? code : vif_exit_code(error);
}

/* In the background; the parent returns when the interface is there. Forked first: libraries have threads. */
static int serve_behind(const char *name, uint32_t devid, struct args *a)
{
	unsigned char code = VIF_FAILED;
	int p[2], status;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		perror("xensplit-vif");
		return VIF_FAILED;
	}
	if (!pid) {
		close(p[0]);
		setsid();
		if (chdir("/") < 0)
			exit(VIF_FAILED);
		exit(serve(name, devid, a, p[1]));
	}
	close(p[1]);
	if (read(p[0], &code, 1) == 1)
		return code;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : VIF_FAILED;
}

static int info(const char *name, uint32_t devid, struct args *a)
{
	char why[XSP_NIC_WHY_BYTES];
	struct xsp_nic_info i;
	struct xsp_nic *nic;
	int error;

	if (!vif_control_ask(devid, a->json ? "info json" : "info", stdout))
		return VIF_OK;
	error = xsp_nic_open(name, &a->nic, &nic, why);
	if (error) {
		fprintf(stderr, "xensplit-vif: %s\n", why);
		return vif_exit_code(error);
	}
	xsp_nic_get_info(nic, &i);
	vif_print_info(stdout, &i, "", a->json);
	return vif_exit_code(xsp_nic_close(nic));
}

static int ask(const char *name, uint32_t devid, const char *what)
{
	if (!vif_control_ask(devid, what, stdout))
		return VIF_OK;
	fprintf(stderr, "xensplit-vif: vif %s is not up in this network namespace\n", name);
	return VIF_NO_DEVICE;
}

/* Until its socket is gone: then it has let go of the card. */
static int down(const char *name, uint32_t devid)
{
	int code = ask(name, devid, "down");

	for (int i = 0; !code && i < 1000 && !vif_control_ask(devid, "-", stdout); i++)
		usleep(10000);
	return code;
}

/* --- command line ------------------------------------------------------------------------------ */

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "json", no_argument, NULL, 'j' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "tap", required_argument, NULL, 't' },
	{ "queues", required_argument, NULL, 'q' },
	{ "pages", required_argument, NULL, 'p' },
	{ "timeout", required_argument, NULL, 'T' },
	{ "hash", no_argument, NULL, 'H' },
	{ "hash-map", required_argument, NULL, 'M' },
	{ "no-gso", no_argument, NULL, 'G' },
	{ "no-csum", no_argument, NULL, 'C' },
	{ "no-split", no_argument, NULL, 'S' },
	{ "no-static", no_argument, NULL, 'X' },
	{ NULL, 0, NULL, 0 },
};

static bool number(const char *s, uint32_t max, unsigned int *ret)
{
	uint32_t v;

	if (xsp_parse_u32(s, &v) || !v || v > max)
		return false;
	*ret = v;
	return true;
}

/* "0,1,1": queues, at most as many as the options hold. */
static bool hash_map(struct xsp_nic_options *o, const char *arg)
{
	const char *at = arg;
	char *end;

	for (o->n_hash_map = 0; o->n_hash_map < XSP_NIC_HASH_MAP; at = end + 1) {
		unsigned long queue = strtoul(at, &end, 10);

		if (end == at || queue >= XSP_NIC_MAX_QUEUES)
			return false;
		o->hash_map[o->n_hash_map++] = (uint8_t)queue;
		if (*end != ',')
			return !*end;
	}
	return false;
}

static bool option(struct args *a, int c, const char *arg)
{
	char *end;
	double s;

	switch (c) {
	case 'j':
		a->json = true;
		return true;
	case 'f':
		a->foreground = true;
		return true;
	case 't':
		a->tap = arg;
		return *arg && strlen(arg) < IFNAMSIZ;
	case 'q':
		return number(arg, XSP_NIC_MAX_QUEUES, &a->nic.queues);
	case 'p':
		return number(arg, 65536, &a->nic.pages);
	case 'T':
		s = strtod(arg, &end);
		a->nic.timeout_ms = (unsigned int)(s * 1000);
		return end != arg && !*end && s >= 0.001 && s <= 86400;
	case 'H':
		return a->nic.hash = true;
	case 'M':
		return a->nic.hash = hash_map(&a->nic, arg);
	case 'G':
		return a->nic.no_gso = true;
	case 'C':
		return a->nic.no_csum = true;
	case 'S':
		return a->nic.no_split = true;
	case 'X':
		return a->nic.no_static = true;
	}
	return false;
}

static int run(const char *command, const char *name, struct args *a)
{
	uint32_t devid;

	if (xsp_parse_u32(name, &devid))
		return usage(name, "not the number of a card (0, 1, ...)");
	if (!strcmp(command, "up"))
		return a->foreground ? serve(name, devid, a, -1) : serve_behind(name, devid, a);
	if (!strcmp(command, "info"))
		return info(name, devid, a);
	if (!strcmp(command, "stats"))
		return ask(name, devid, a->json ? "stats json" : "stats");
	if (!strcmp(command, "down"))
		return down(name, devid);
	return usage(command, "no such command");
}

int main(int argc, char **argv)
{
	struct args a = { .json = false };
	int c;

	while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return VIF_OK;
		}
		if (c == 'V') {
			puts("xensplit-vif " XSP_VERSION);
			return VIF_OK;
		}
		if (c == '?')
			return VIF_USAGE;
		if (!option(&a, c, optarg))
			return usage(optarg, "not a value of this option");
	}
	signal(SIGPIPE, SIG_IGN);
	argv += optind;
	argc -= optind;
	if (argc == 1 && !strcmp(argv[0], "list"))
		return vif_list(a.json);
	if (argc != 2)
		return usage("", argc ? "a command and the number of a card" : "no command");
	return run(argv[0], argv[1], &a);
}
