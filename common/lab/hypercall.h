/* SPDX-License-Identifier: MIT */
/* The hypercalls the lab answers, below libxencall. */
#ifndef COMMON_LAB_HYPERCALL_H
#define COMMON_LAB_HYPERCALL_H

#include "common/lab/world.h"

/*
 * Pointers in arguments are the process's own. Returns the hypercall's result, or -errno; -ENOSYS
 * for what is not modelled.
 */
long lab_hypercall(struct lab_link *l, unsigned int op, const uint64_t arg[5]);

#endif
