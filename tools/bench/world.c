/* SPDX-License-Identifier: MIT */
/* The lab or a real Xen around a measurement: see world.h. */
#include "tools/bench/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lab/env.h"
#include "tools/bench/rig.h"

static bool in_lab;

/* This command again, as a process of Dom0 in that lab. Returns its exit code. */
static int again(const struct bench *b, const char *lab, const char *labdir, const char *bindir)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		lab_env_set(lab, labdir, bindir, 0);
		execv("/proc/self/exe", b->argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int world_enter(struct bench *b)
{
	static struct rig r;
	char labdir[4096], bindir[4096];
	int rc = -2;

	b->world = "lab: no hypervisor";
	in_lab = getenv("XENSPLIT_LAB") != NULL;
	if (in_lab)
		return 0;
	if (!access("/dev/xen/evtchn", F_OK)) {
		b->world = "real Xen";
		return 0;
	}
	if (!lab_env_dirs(labdir, bindir, sizeof(labdir)) && !rig_lab(&r, 1))
		rc = again(b, r.lab, labdir, bindir);
	rig_down(&r);
	if (rc == -2)
		b->world = "this machine alone: no lab, no hypervisor";
	return rc + 1;
}

void world_as(enum world_end end)
{
	if (in_lab)
		setenv("XENSPLIT_DOM", end == WORLD_GUEST ? "1" : "0", 1);
}

uint32_t world_domid(enum world_end end)
{
	return in_lab && end == WORLD_GUEST ? 1 : 0;
}
