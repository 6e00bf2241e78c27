/* SPDX-License-Identifier: MIT */
/* Built instead of ring_rte.c where DPDK's headers are not: these contestants are skipped by name. */
#include "tools/bench/pair.h"

const struct contestant ring_rte = { .name = "rte_ring" };
const struct contestant ring_rte_packed = { .name = "rte_ring-32" };
