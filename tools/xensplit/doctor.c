/* SPDX-License-Identifier: MIT */
/*
 * xensplit doctor: one check after the other, each a line with what to do about it. It looks and
 * never changes anything. libxenctrl is used here only, in one short-lived open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <xenctrl.h>

#include "common/xenbus/fsm.h"
#include "tools/xensplit/client.h"
#include "tools/xensplit/out.h"
#include "tools/xensplit/store.h"

#define SCRIPT "/etc/xen/scripts/block-xensplit"

enum verdict { OK, WARN, FAIL };

struct doctor {
	struct call *call;
	struct store store; /* xs NULL: not reachable */
	struct json_object *list;
	const char *lab; /* its directory, or NULL on real Xen (or none) */
	bool xen;        /* this kernel runs on Xen */
	int worst;
};

static void __attribute__((format(printf, 5, 6)))
say(struct doctor *d, enum verdict v, const char *check, const char *fix, const char *fmt, ...)
{
	static const char *const words[] = {"ok", "warn", "fail"};
	static const enum colour colours[] = {GREEN, YELLOW, RED};
	struct json_object *o = json_object_new_object();
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if ((int)v > d->worst)
		d->worst = v;
	json_object_object_add(o, "check", json_object_new_string(check));
	json_object_object_add(o, "result", json_object_new_string(words[v]));
	json_object_object_add(o, "text", json_text(text));
	json_object_object_add(o, "fix", fix ? json_object_new_string(fix) : NULL);
	json_object_array_add(d->list, o);
	if (d->call->json)
		return;
	printf("%s%-4s%s  %-10s %s\n", paint(colours[v]), words[v], paint(PLAIN), check, text);
	if (fix)
		printf("      %s%-10s -> %s%s\n", paint(DIM), "", fix, paint(PLAIN));
}

/* First line of a small file without its newline; "" when it cannot be read. */
static const char *line_of(const char *path)
{
	static char text[256];
	FILE *f = fopen(path, "re");

	text[0] = 0;
	if (f && fgets(text, sizeof(text), f))
		text[strcspn(text, "\n")] = 0;
	if (f)
		fclose(f);
	return text;
}

/* --- where are we ------------------------------------------------------------------------------
 */

static void check_world(struct doctor *d)
{
	char major[64], minor[64];

	if (d->lab) {
		say(d, OK, "world", NULL,
		    "the lab at %s, domain %s: no hypervisor, drop-in Xen libraries", d->lab,
		    getenv("XENSPLIT_DOM") ? getenv("XENSPLIT_DOM") : "0");
		return;
	}
	d->xen = !strcmp(line_of("/sys/hypervisor/type"), "xen");
	if (!d->xen) {
		say(d, FAIL, "world", "boot under Xen, or use the lab: xensplit help lab",
		    "this kernel does not run on Xen (/sys/hypervisor/type)");
		return;
	}
	snprintf(major, sizeof(major), "%.60s", line_of("/sys/hypervisor/version/major"));
	snprintf(minor, sizeof(minor), "%.60s", line_of("/sys/hypervisor/version/minor"));
	if (strstr(line_of("/proc/xen/capabilities"), "control_d"))
		say(d, OK, "world", NULL, "Xen %s.%s, control domain", major, minor);
	else
		say(d, OK, "world", NULL,
		    "Xen %s.%s, not the control domain: a driver domain serves guests that name it "
		    "(backend=)",
		    major, minor);
}

static void check_node(struct doctor *d, const char *path, const char *module, const char *why)
{
	char fix[128];

	if (!access(path, R_OK | W_OK)) {
		say(d, OK, "device", NULL, "%s", path);
	} else if (errno == EACCES) {
		say(d, FAIL, "device", "run as root", "%s: no permission (%s)", path, why);
	} else {
		snprintf(fix, sizeof(fix), "modprobe %s", module);
		say(d, FAIL, "device", fix, "%s is missing (%s)", path, why);
	}
}

static void check_devices(struct doctor *d)
{
	check_node(d, "/dev/xen/gntdev", "xen-gntdev", "maps and copies guests' pages");
	check_node(d, "/dev/xen/evtchn", "xen-evtchn", "event channels");
	if (access("/dev/xen/gntalloc", F_OK))
		say(d, WARN, "device", "modprobe xen-gntalloc",
		    "/dev/xen/gntalloc is missing (only userspace frontends need it)");
}

/* --- who else wants the devices ------------------------------------------------------------------
 */

static int bound_devices(const char *dir)
{
	DIR *all = opendir(dir);
	struct dirent *e;
	int n = 0;

	while (all && (e = readdir(all)))
		n += !strncmp(e->d_name, "vbd-", 4);
	if (all)
		closedir(all);
	return n;
}

static void check_blkback(struct doctor *d)
{
	static const char driver[] = "/sys/bus/xen-backend/drivers/vbd";
	int n;

	if (access(driver, F_OK)) {
		say(d, OK, "blkback", NULL, "the kernel's block backend is not loaded");
		return;
	}
	n = bound_devices(driver);
	say(d, FAIL, "blkback",
	    n ? "detach them, then: modprobe -r xen-blkback; echo blacklist xen-blkback > "
		"/etc/modprobe.d/xensplit.conf"
	      : "modprobe -r xen-blkback; echo blacklist xen-blkback > "
		"/etc/modprobe.d/xensplit.conf",
	    "xen-blkback is loaded and takes every new vbd (%d now)", n);
}

static void check_script(struct doctor *d)
{
	struct stat st;

	if (!stat(SCRIPT, &st) && st.st_mode & 0111)
		say(d, OK, "script", NULL, SCRIPT);
	else
		say(d, WARN, "script",
		    "make install (xl disks then say script=block-xensplit); xensplit attach works "
		    "without",
		    SCRIPT " is not installed");
}

/* --- store, daemon -----------------------------------------------------------------------------
 */

static void check_store(struct doctor *d)
{
	int err = xsp_store_open(&d->store.base);

	d->store.backend = d->call->backend;
	if (err) {
		say(d, FAIL, "xenstore",
		    d->lab ? "xensplit lab status"
			   : "systemctl start xenstored, or /etc/init.d/xen start",
		    "XenStore does not answer: %s", strerror(-err));
		return;
	}
	if (d->store.backend == ~0u)
		d->store.backend = (unsigned int)store_number(&d->store, XBT_NULL, "", "domid", 0);
	say(d, OK, "xenstore", NULL, "answers; this is domain %u", d->store.backend);
}

static void check_daemon(struct doctor *d)
{
	struct client_error e = {.code = EXIT_FAILED};
	struct json_object *o = NULL;
	struct client c;

	if (!client_open(&c, d->call->socket, &e))
		o = client_call(&c, "daemon.status", NULL, &e);
	client_close(&c);
	if (!o) {
		say(d, FAIL, "daemon",
		    e.code == EXIT_DENIED ? "run as root, or join the daemon's group"
					  : "start xensplitd (systemctl start xensplitd)",
		    "%s", e.text);
		return;
	}
	if (strcmp(get_text(o, "version"), XSP_VERSION))
		say(d, WARN, "daemon", "restart it: guests see only a pause",
		    "xensplitd is version %s, this is %s", get_text(o, "version"), XSP_VERSION);
	else
		say(d, OK, "daemon", NULL,
		    "xensplitd %s, process %s, up %s s, %s workers, %s of %s disks connected",
		    get_text(o, "version"), get_text(o, "pid"), get_text(o, "uptime_seconds"),
		    get_text(o, "workers"), get_text(o, "vbds_connected"), get_text(o, "vbds"));
	json_object_put(o);
}

/* --- devices -------------------------------------------------------------------------------------
 */

static bool domain_exists(struct store *s, uint32_t domid)
{
	char dir[STORE_PATH], *there;

	snprintf(dir, sizeof(dir), "/local/domain/%u", domid);
	there = store_read(s, XBT_NULL, dir, "");
	free(there);
	return there;
}

static void check_leftovers(struct doctor *d)
{
	struct device *all = NULL;
	int n, bad = 0;

	if (!d->store.base.xs)
		return;
	n = device_all(&d->store, &all);
	for (int i = 0; i < n; i++) {
		struct states now = device_states(&d->store, &all[i]);
		char *why = device_error(&d->store, &all[i]);
		char fix[128];

		snprintf(fix, sizeof(fix), "xensplit detach --force %s", all[i].id);
		if (!domain_exists(&d->store, all[i].domid))
			say(d, WARN, "devices", fix, "%s is left over: domain %u is gone",
			    all[i].id, all[i].domid);
		else if (why)
			say(d, WARN, "devices", "mend what it says; xensplit show tells more",
			    "%s: %s", all[i].id, why);
		else if (now.back == XSP_XB_CLOSED &&
			 !store_number(&d->store, XBT_NULL, all[i].back, "online", 1))
			say(d, WARN, "devices", fix, "%s is closed and was not removed", all[i].id);
		else if (now.back == XSP_XB_INITIALISING)
			say(d, WARN, "devices", "is xensplitd running?", "%s: no backend took it",
			    all[i].id);
		else
			bad--;
		bad++;
		free(why);
	}
	if (!bad)
		say(d, OK, "devices", NULL, "%d disks, none in trouble", n);
	free(all);
}

static void check_domains(struct doctor *d)
{
	xc_domaininfo_t info[256];
	xc_interface *xc;
	int n, dying = 0;

	if (!d->lab && access("/dev/xen/privcmd", R_OK | W_OK)) {
		say(d, WARN, "domains", NULL,
		    "domain states are not visible here (/dev/xen/privcmd)");
		return;
	}
	xc = xc_interface_open(NULL, NULL, XC_OPENFLAG_NON_REENTRANT);
	n = xc ? xc_domain_getinfolist(xc, 0, 256, info) : -1;
	for (int i = 0; i < n; i++) {
		if (!(info[i].flags & XEN_DOMINF_dying))
			continue;
		dying++;
		say(d, WARN, "domains",
		    "something still maps its pages: xensplit list, xl list; the daemon lets go by "
		    "itself",
		    "domain %u is dying and cannot end", info[i].domain);
	}
	if (n < 0)
		say(d, WARN, "domains", NULL, "the hypervisor does not list its domains: %s",
		    strerror(errno));
	else if (!dying)
		say(d, OK, "domains", NULL, "%d, none stuck in dying", n);
	if (xc)
		xc_interface_close(xc);
}

/* --- limits --------------------------------------------------------------------------------------
 */

static void check_uring(struct doctor *d)
{
	char params[256] = {0}; /* struct io_uring_params is 120 bytes, all zero is fine */
	long fd = syscall(SYS_io_uring_setup, 4, params);

	if (fd >= 0) {
		close((int)fd);
		say(d, OK, "io_uring", NULL, "works");
	} else if (errno == EPERM) {
		say(d, FAIL, "io_uring", "sysctl kernel.io_uring_disabled=0",
		    "the kernel forbids it");
	} else {
		say(d, FAIL, "io_uring", "Linux 5.19 or newer with CONFIG_IO_URING", "%s",
		    strerror(errno));
	}
}

static void check_limits(struct doctor *d)
{
	long long free_kib = 0;
	struct rlimit files;
	char name[32], size[16];
	FILE *f = fopen("/proc/meminfo", "re");
	long maps = atol(line_of("/proc/sys/vm/max_map_count"));

	while (f && fscanf(f, "%31s %lld kB ", name, &free_kib) == 2)
		if (!strcmp(name, "MemAvailable:"))
			break;
	if (f)
		fclose(f);
	if (free_kib < 128 << 10)
		say(d, WARN, "memory", "give this domain more, or lower bounce-mib and workers",
		    "%s available; every worker takes 32 MiB",
		    human_bytes(size, (unsigned long long)free_kib << 10));
	else
		say(d, OK, "memory", NULL, "%s available",
		    human_bytes(size, (unsigned long long)free_kib << 10));
	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_max < 1024)
		say(d, WARN, "files", "ulimit -n 4096; in the unit: LimitNOFILE=",
		    "at most %llu open files: each disk takes two",
		    (unsigned long long)files.rlim_max);
	if (maps && maps < 32768)
		say(d, WARN, "mappings", "sysctl vm.max_map_count=65530",
		    "vm.max_map_count is %ld; rings and grants are mappings", maps);
}

int cmd_doctor(struct call *call)
{
	struct doctor d = {.call = call, .list = json_object_new_array()};
	const char *lab = getenv("XENSPLIT_LAB");
	struct json_object *o;

	d.lab = lab && *lab ? lab : NULL;
	check_world(&d);
	if (d.xen) {
		check_devices(&d);
		check_blkback(&d);
		check_script(&d);
	}
	if (d.xen || d.lab) {
		check_store(&d);
		check_daemon(&d);
		check_leftovers(&d);
		check_domains(&d);
	}
	check_uring(&d);
	check_limits(&d);
	store_close(&d.store);
	if (call->json) {
		o = json_object_new_object();
		json_object_object_add(o, "ok", json_object_new_boolean(d.worst < FAIL));
		json_object_object_add(o, "checks", d.list);
		print_json(o);
	} else {
		json_object_put(d.list);
	}
	return d.worst < FAIL ? EXIT_OK : EXIT_FAILED;
}
