/* SPDX-License-Identifier: MIT */
/* Where the journals of disks lie: see vbd_journal.h. */
#include "backend/vbd_journal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "vbd-%u-%u-%u.journal" /* domid, devid, queue */

static int length_of_directory(const struct xsp_daemon *d)
{
	const char *socket = d->config->socket_path; /* absolute, and short enough for a socket */

	return (int)(strrchr(socket, '/') - socket);
}

int xsp_vbd_life(struct xsp_vbd *v, uint64_t *ret)
{
	struct xsp_store *store = &v->dev.d->store;
	char *vm = xsp_store_read(store, XBT_NULL, "/local/domain/%u/vm", v->dev.domid);
	uint64_t sum = 14695981039346656037u; /* FNV-1a */

	for (const char *at = vm; at && *at; at++)
		sum = (sum ^ (uint8_t)*at) * 1099511628211u;
	free(vm);
	if (store->broken)
		return -EIO;
	*ret = sum;
	return 0;
}

void xsp_vbd_journal_name(const struct xsp_vbd *v, uint32_t queue, char path[XSP_JOURNAL_PATH])
{
	snprintf(path, XSP_JOURNAL_PATH, "%.*s/" NAME, length_of_directory(v->dev.d),
		 v->dev.d->config->socket_path, v->dev.domid, v->dev.devid, queue);
}

void xsp_vbd_journal_forget(const struct xsp_vbd *v)
{
	char path[XSP_JOURNAL_PATH];

	for (uint32_t i = 0; i < XSP_MAX_QUEUES; i++) {
		xsp_vbd_journal_name(v, i, path);
		if (unlink(path))
			break;
	}
}

static bool has_disk(struct xsp_daemon *d, uint32_t domid, uint32_t devid)
{
	char *frontend = xsp_store_read(&d->store, XBT_NULL, "%s/vbd/%u/%u/frontend",
					d->backend_root, domid, devid);
	bool has = frontend || errno != ENOENT;

	free(frontend);
	return has;
}

void xsp_vbd_journal_sweep(struct xsp_daemon *d)
{
	char path[XSP_JOURNAL_PATH];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%.*s/", length_of_directory(d), d->config->socket_path);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		uint32_t domid, devid, queue;
		int end = 0;

		if (sscanf(e->d_name, NAME "%n", &domid, &devid, &queue, &end) == 3 && end &&
		    !has_disk(d, domid, devid))
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	if (dir)
		closedir(dir);
}
