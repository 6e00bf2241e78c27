/* SPDX-License-Identifier: MIT */
/* Moved to where the frontend's host can use it too. */
#include "common/net/headers.h"
