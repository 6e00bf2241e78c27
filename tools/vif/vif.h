/* SPDX-License-Identifier: MIT */
/*
 * Inside of xensplit-vif. main.c: the command line; tap.c: the TAP; pump.c: packets between NIC and
 * TAP; control.c: what a running one is asked; list.c: the vifs in the store.
 */
#ifndef TOOLS_VIF_H
#define TOOLS_VIF_H

#include <net/if.h>
#include <stdio.h>

#include "common/net/headers.h"
#include "frontend/user/xensplit-nic.h"

enum { VIF_OK = 0, VIF_FAILED = 1, VIF_USAGE = 2, VIF_NO_DEVICE = 3, VIF_UNREACHABLE = 4, VIF_TIMEOUT = 5 };

struct vif_tap {
	char name[IFNAMSIZ];
	int fd[XSP_NIC_MAX_QUEUES];
	unsigned int queues;   /* descriptors open */
	unsigned int attached; /* of these, how many the kernel sends to */
	int ioctl_fd;
	int carrier; /* -1: not set yet */
};

struct vif_counters {
	uint64_t to_tap_drops[XSP_DROP_REASONS]; /* a received packet that made no sense */
	uint64_t to_tap_refused;                 /* by the kernel: the TAP is down */
	uint64_t to_nic_drops;                   /* an offload that the backend doesn't take */
	uint64_t rounds, waits;
};

struct vif {
	struct xsp_nic *nic;
	struct vif_tap tap;
	struct vif_counters n;
	int control; /* listening socket */
	bool stop;
};

/* tap.c; errors are said on stderr */
int vif_tap_open(struct vif_tap *t, const char *name, unsigned int queues);
int vif_tap_shape(struct vif_tap *t, const struct xsp_nic_info *i);
void vif_tap_close(struct vif_tap *t);

/* pump.c: until `stop`, a signal or the end of the NIC; returns the exit code */
int vif_pump(struct vif *v);

/* control.c */
int vif_control_listen(unsigned int devid);
void vif_control_serve(struct vif *v);
int vif_control_ask(unsigned int devid, const char *what, FILE *to);
void vif_print_info(FILE *f, const struct xsp_nic_info *i, const char *tap, bool json);

/* list.c */
int vif_list(bool json);

int vif_exit_code(int error);

#endif
