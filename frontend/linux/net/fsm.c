/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The XenBus state machine for this module: an object of Kbuild's belongs to one module only. */
#include "common/xenbus/fsm.c"
