/* SPDX-License-Identifier: MIT */
/* What makes a program a process of a domain: four environment variables. */
#ifndef COMMON_LAB_ENV_H
#define COMMON_LAB_ENV_H

#include <stddef.h>

/*
 * Set XENSPLIT_LAB, XENSPLIT_DOM, XENSTORED_PATH, LD_LIBRARY_PATH and PATH of the calling process
 * for domain `dom` of the lab in `dir`. labdir: the drop-in libraries; bindir: our programs.
 */
void lab_env_set(const char *dir, const char *labdir, const char *bindir, unsigned int dom);

/* The lab's libraries and the project's programs, found from the running program's own place. */
int lab_env_dirs(char *labdir, char *bindir, size_t n);

#endif
