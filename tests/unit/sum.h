/* SPDX-License-Identifier: MIT */
/* The internet checksum by the book (RFC 1071), against which the quick one is held. */
#ifndef XSP_TESTS_UNIT_SUM_H
#define XSP_TESTS_UNIT_SUM_H

#include <stdint.h>

static inline uint16_t slow_sum(const uint8_t *p, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

#endif
