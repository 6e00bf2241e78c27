/* SPDX-License-Identifier: MIT */
/* xensplit-vbd: a guest's PV disks from the command line, over libxensplit-front. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/vbd/vbd.h"

static const char help[] =
	"Usage: xensplit-vbd COMMAND [DEV ...] [OPTION ...]\n"
	"A guest's PV disks without a kernel driver. DEV is a name (xvda) or a device id (51712).\n"
	"\n"
	"  list                     the disks of this domain; opens none\n"
	"  info DEV                 what the disk is\n"
	"  read DEV OFFSET LENGTH   to standard output\n"
	"  write DEV OFFSET         from standard input, then flush\n"
	"  flush DEV                everything written is on the medium\n"
	"  discard DEV OFFSET LENGTH  this range is not needed any more\n"
	"  eject DEV                ask for the medium of a removable disk to be taken out\n"
	"  watch DEV                its size now, and again each time it changes\n"
	"  verify DEV               write, read back and compare, under load; overwrites the disk\n"
	"\n"
	"  --json                   list, info, watch and verify: lines of JSON\n"
	"  --timeout SECONDS        for the backend to connect (10)\n"
	"  --ring-order N           0..4: a ring of 32 << N requests, if the backend can (0)\n"
	"  --queues N               1..16, each with a ring of its own, if the backend can (1)\n"
	"  --no-indirect            only direct requests, of 44K at most\n"
	"  --untrusted              the backend sees nothing but the data of requests (as trusted=0)\n"
	"  --dialect NAME           how the backend counts sectors larger than 512 bytes: xen, freebsd,\n"
	"                           qemu, windows, mini-os (the key xensplit-dialect, else by its kind)\n"
	"verify:\n"
	"  --rw MODE                verify (fill, mixed load, read back: the default), read, write,\n"
	"                           randread, randwrite, randrw\n"
	"  --bs BYTES               of one request, up to 1M with indirect requests, else 44K (4K)\n"
	"  --qd N                   requests under way (32, or the ring's size)\n"
	"  --size BYTES             of the region (the whole disk; 256M at most without --size)\n"
	"  --offset BYTES           where it starts (0)\n"
	"  --time SECONDS           of the load phase, which SIGUSR1 ends earlier (5); of watch (until\n"
	"                           the disk is closed)\n"
	"  --write-percent N        in mixed phases (50)\n"
	"  --flush-every N          flush after N writes (0: only at the end)\n"
	"  --barrier                barriers instead of these flushes\n"
	"  --seed N                 of pattern and order (1)\n"
	"  --quiet                  no progress\n"
	"\n"
	"Examples:\n"
	"  xensplit-vbd verify xvda --size 64M --time 10\n"
	"  xensplit-vbd verify xvda --rw randread --qd 128 --ring-order 2 --json\n"
	"  xensplit-vbd read xvda 0 512 | hexdump -C\n"
	"  xensplit-vbd write xvdb 0 < disk.img\n"
	"  xensplit-vbd watch xvda --json\n"
	"\n"
	"Exit: 0 ok, 1 failed or wrong data, 2 usage, 3 no such device, 4 no Xen here (store, event\n"
	"channels or grants can't be opened), 5 the backend did not answer.\n";

struct args {
	struct xsp_disk_options disk;
	struct vbd_load load;
	bool have_qd, have_time;
};

static int usage(const char *what, const char *wrong)
{
	fprintf(stderr, "xensplit-vbd: %s%s%s\nTry 'xensplit-vbd --help'.\n", what, *what ? ": " : "", wrong);
	return VBD_USAGE;
}

/* "4096", "4k", "64M", "1G", "2T". */
static bool parse_size(const char *s, uint64_t *ret)
{
	static const char units[] = "kmgt";
	unsigned int shift = 0;
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (end == s || errno || *s == '-')
		return false;
	if (*end) {
		const char *unit = strchr(units, *end | 0x20);

		if (!unit || (end[1] && strcmp(end + 1, "iB")))
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (v > UINT64_MAX >> shift)
		return false;
	*ret = v << shift;
	return true;
}

static bool parse_uint(const char *s, uint64_t max, uint64_t *ret)
{
	return parse_size(s, ret) && *ret <= max;
}

static bool parse_seconds(const char *s, double max, double *ret)
{
	char *end;

	*ret = strtod(s, &end);
	return end != s && !*end && *ret >= 0 && *ret <= max;
}

static bool parse_mode(const char *s, enum vbd_mode *ret)
{
	static const char *const names[] = { "verify", "read", "write", "randread", "randwrite", "randrw" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(s, names[i])) {
			*ret = (enum vbd_mode)i;
			return true;
		}
	return false;
}

static bool option(struct args *a, int c, const char *arg)
{
	uint64_t v = 0;
	double s = 0;
	bool good = true;

	switch (c) {
	case 'j':
		a->load.json = true;
		break;
	case 'u':
		a->load.quiet = true;
		break;
	case 'T':
		good = parse_seconds(arg, 86400, &s) && s > 0;
		a->disk.timeout_ms = (unsigned int)(s * 1000);
		break;
	case 'r':
		good = parse_uint(arg, 4, &v);
		a->disk.ring_order = (unsigned int)v;
		break;
	case 'm':
		good = parse_mode(arg, &a->load.mode);
		break;
	case 'b':
		good = parse_uint(arg, 1 << 20, &v) && v && v % 512 == 0;
		a->load.bs = (uint32_t)v;
		break;
	case 'q':
		good = parse_uint(arg, 512, &v) && v;
		a->load.qd = (unsigned int)v;
		a->have_qd = true;
		break;
	case 's':
		good = parse_size(arg, &a->load.size) && a->load.size;
		break;
	case 'o':
		good = parse_size(arg, &a->load.offset);
		break;
	case 't':
		good = parse_seconds(arg, 1e7, &a->load.seconds);
		a->have_time = true;
		break;
	case 'w':
		good = parse_uint(arg, 100, &v);
		a->load.write_percent = (unsigned int)v;
		break;
	case 'f':
		good = parse_uint(arg, UINT32_MAX, &v);
		a->load.flush_every = (unsigned int)v;
		break;
	case 'B':
		a->load.barrier = true;
		break;
	case 'Q':
		good = parse_uint(arg, 16, &v) && v;
		a->disk.queues = (unsigned int)v;
		break;
	case 'I':
		a->disk.no_indirect = true;
		break;
	case 'U':
		a->disk.untrusted = true;
		break;
	case 'D':
		a->disk.dialect = arg;
		break;
	case 'S':
		good = parse_size(arg, &a->load.seed);
		break;
	}
	return good;
}

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "json", no_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'u' },
	{ "timeout", required_argument, NULL, 'T' },
	{ "ring-order", required_argument, NULL, 'r' },
	{ "rw", required_argument, NULL, 'm' },
	{ "bs", required_argument, NULL, 'b' },
	{ "qd", required_argument, NULL, 'q' },
	{ "size", required_argument, NULL, 's' },
	{ "offset", required_argument, NULL, 'o' },
	{ "time", required_argument, NULL, 't' },
	{ "write-percent", required_argument, NULL, 'w' },
	{ "flush-every", required_argument, NULL, 'f' },
	{ "barrier", no_argument, NULL, 'B' },
	{ "queues", required_argument, NULL, 'Q' },
	{ "no-indirect", no_argument, NULL, 'I' },
	{ "seed", required_argument, NULL, 'S' },
	{ "untrusted", no_argument, NULL, 'U' },
	{ "dialect", required_argument, NULL, 'D' },
	{ NULL, 0, NULL, 0 },
};

/* --- commands ---------------------------------------------------------------------------------- */

static int info(struct xsp_disk *disk, const struct args *a)
{
	struct xsp_disk_info i;

	xsp_disk_get_info(disk, &i);
	if (a->load.json)
		printf("{\"device\":\"%s\",\"devid\":%u,\"size_bytes\":%" PRIu64 ",\"sector_bytes\":%u,"
		       "\"physical_bytes\":%u,\"max_bytes\":%u,\"slots\":%u,\"pool_pages\":%u,"
		       "\"backend_domid\":%u,\"read_only\":%s,\"can_flush\":%s,\"cdrom\":%s,\"removable\":%s,"
		       "\"queues\":%u,\"discard_bytes\":%u,\"can_barrier\":%s,\"backend_persistent\":%s,"
		       "\"trusted\":%s,\"dialect\":\"%s\"}\n",
		       a->load.dev, i.devid, i.size_bytes, i.sector_bytes, i.physical_bytes, i.max_bytes,
		       i.slots, i.pool_pages, i.backend_domid, i.read_only ? "true" : "false",
		       i.can_flush ? "true" : "false", i.cdrom ? "true" : "false",
		       i.removable ? "true" : "false", i.queues, i.discard_bytes,
		       i.can_barrier ? "true" : "false",
		       i.backend_persistent ? "true" : "false", i.trusted ? "true" : "false", i.dialect);
	else
		printf("device     %s (vbd %u), served by domain %u\n"
		       "size       %" PRIu64 " bytes (%.1f MiB)\n"
		       "sectors    %u bytes, physical %u%s%s\n"
		       "access     %s%s%s\n"
		       "flush      %s%s\n"
		       "discard    %s\n"
		       "ring       %u requests of up to %u bytes, %u %s\n"
		       "granted    %u data pages%s%s\n",
		       a->load.dev, i.devid, i.backend_domid, i.size_bytes,
		       (double)i.size_bytes / (1 << 20), i.sector_bytes, i.physical_bytes,
		       strcmp(i.dialect, "xen") ? ", counted as by " : "",
		       strcmp(i.dialect, "xen") ? i.dialect : "", i.read_only ? "read-only" : "read-write",
		       i.cdrom ? ", cdrom" : "", i.removable ? ", removable" : "",
		       i.can_flush ? "yes" : "no", i.can_barrier ? ", barrier" : "",
		       i.can_discard ? "yes" : "no", i.slots, i.max_bytes, i.queues,
		       i.queues == 1 ? "queue" : "queues", i.pool_pages,
		       i.backend_persistent ? ", which the backend keeps mapped" : "",
		       i.trusted ? "" : "; the backend is not trusted: zeros but for the data of requests");
	return VBD_OK;
}

static int verify(struct xsp_disk *disk, struct args *a)
{
	struct xsp_disk_info i;

	xsp_disk_get_info(disk, &i);
	if (!a->have_qd)
		a->load.qd = i.slots;
	if (!a->load.size && i.size_bytes > a->load.offset && i.size_bytes - a->load.offset > 256u << 20)
		a->load.size = 256u << 20;
	return vbd_verify(disk, &a->load);
}

enum command { LIST, INFO, READ, WRITE, FLUSH, DISCARD, VERIFY, WATCH, EJECT, COMMANDS };
static const char *const commands[COMMANDS] = { "list", "info", "read", "write", "flush", "discard",
						"verify", "watch", "eject" };
static const int operands[COMMANDS] = { 0, 1, 3, 2, 1, 3, 1, 1, 1 };

static int run(enum command command, struct args *a, char **arg)
{
	char why[XSP_DISK_WHY_BYTES];
	struct xsp_disk *disk;
	uint64_t offset = 0, length = 0;
	int error, code = VBD_FAILED;

	if (command == LIST)
		return vbd_list(a->load.json);
	a->load.dev = arg[0];
	if (xsp_disk_devid(arg[0]) < 0)
		return usage(arg[0], "not a device (xvda, xvdb1, 51712)");
	if (operands[command] > 1 && !parse_size(arg[1], &offset))
		return usage(arg[1], "not an offset");
	if (operands[command] > 2 && !parse_size(arg[2], &length))
		return usage(arg[2], "not a length");
	if (command == VERIFY) { /* the buffers of all requests, and eleven pages that the library keeps */
		unsigned int qd = a->have_qd	    ? a->load.qd :
				  a->disk.queues > 1 ? a->disk.queues * 32u << a->disk.ring_order :
						       32u << a->disk.ring_order;

		a->disk.pool_pages = (unsigned int)((uint64_t)qd * a->load.bs / 4096) + 12;
		if (a->load.bs > 11 * 4096) /* each with a page of segments */
			a->disk.pool_pages += qd;
		if (a->disk.untrusted && a->disk.pool_pages < a->load.bs / 1024) /* of which it gets a quarter */
			a->disk.pool_pages = a->load.bs / 1024;
	}
	error = xsp_disk_open(arg[0], &a->disk, &disk, why);
	if (error) {
		fprintf(stderr, "xensplit-vbd: %s\n", why);
		return vbd_exit_code(error);
	}
	switch (command) {
	case INFO:
		code = info(disk, a);
		break;
	case READ:
		code = vbd_read(disk, offset, length);
		break;
	case WRITE:
		code = vbd_write(disk, offset);
		break;
	case FLUSH:
		code = vbd_flush(disk);
		break;
	case DISCARD:
		code = vbd_discard(disk, offset, length);
		break;
	case EJECT:
		code = vbd_eject(disk);
		break;
	case WATCH:
		code = vbd_watch(disk, a->have_time ? a->load.seconds : -1, a->load.json);
		break;
	default:
		code = verify(disk, a);
	}
	error = xsp_disk_close(disk);
	if (error && !code) {
		fprintf(stderr, "xensplit-vbd: %s: the backend did not close the device in time\n", arg[0]);
		code = vbd_exit_code(error);
	}
	return code;
}

int main(int argc, char **argv)
{
	struct args a = {
		.load = { .bs = 4096, .qd = 32, .seed = 1, .seconds = 5, .write_percent = 50 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return VBD_OK;
		}
		if (c == 'V') {
			puts("xensplit-vbd " XSP_VERSION);
			return VBD_OK;
		}
		if (c == '?')
			return VBD_USAGE;
		if (!option(&a, c, optarg))
			return usage(optarg, "not a value of this option");
	}
	argv += optind;
	argc -= optind;
	if (!argc)
		return usage("", "no command");
	for (int i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[0], commands[i]))
			continue;
		if (argc - 1 != operands[i])
			return usage(argv[0], "wrong number of arguments");
		return run((enum command)i, &a, argv + 1);
	}
	return usage(argv[0], "no such command");
}
