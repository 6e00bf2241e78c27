/* SPDX-License-Identifier: MIT */
/*
 * Gives a virtual function of an NVMe device its queues and its interrupt, and starts it: the admin
 * command "Virtualization Management" (NVM Express base specification 1.4, section 5.22), as
 * `nvme virt-mgmt` of nvme-cli sends it. Runs in Dom0 (dom0-ways.sh), whose images have no
 * nvme-cli.
 *
 *   virtual-function /dev/nvme0 CONTROLLER QUEUES INTERRUPTS
 *
 * CONTROLLER is the secondary controller's number. What this is not: it makes no virtual function
 * (the kernel's sriov_numvfs does).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { VIRT_MGMT = 0x1c, OFFLINE = 7, ASSIGN = 8, ONLINE = 9, QUEUES = 0, INTERRUPTS = 1 };

static int manage(int fd, unsigned int controller, unsigned int what, unsigned int action,
		  unsigned int n)
{
	struct nvme_admin_cmd cmd = {
		.opcode = VIRT_MGMT,
		.cdw10 = controller << 16 | what << 8 | action,
		.cdw11 = n,
	};
	int status = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd);

	if (status)
		fprintf(stderr, "virtual-function: controller %u, resource %u, action %u: %s %#x\n",
			controller, what, action, status < 0 ? strerror(errno) : "status",
			status < 0 ? 0 : (unsigned int)status);
	return status;
}

int main(int argc, char **argv)
{
	unsigned int controller;
	int fd;

	if (argc != 5) {
		fprintf(stderr,
			"usage: virtual-function /dev/nvmeN CONTROLLER QUEUES INTERRUPTS\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "virtual-function: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	controller = (unsigned int)atoi(argv[2]);
	return manage(fd, controller, QUEUES, OFFLINE, 0) ||
	       manage(fd, controller, QUEUES, ASSIGN, (unsigned int)atoi(argv[3])) ||
	       manage(fd, controller, INTERRUPTS, ASSIGN, (unsigned int)atoi(argv[4])) ||
	       manage(fd, controller, QUEUES, ONLINE, 0);
}
