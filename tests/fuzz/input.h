/* SPDX-License-Identifier: MIT */
/* The fuzzer's bytes, eaten one thing at a time; at their end everything is 0. */
#ifndef XSP_FUZZ_INPUT_H
#define XSP_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *p;
	size_t left;
};

static inline void eat(struct input *in, void *to, size_t n)
{
	size_t have = n < in->left ? n : in->left;

	memcpy(to, in->p, have);
	memset((uint8_t *)to + have, 0, n - have);
	in->p += have;
	in->left -= have;
}

static inline uint8_t eat8(struct input *in)
{
	uint8_t v;

	eat(in, &v, sizeof(v));
	return v;
}

static inline uint32_t eat32(struct input *in)
{
	uint32_t v;

	eat(in, &v, sizeof(v));
	return v;
}

static inline uint64_t eat64(struct input *in)
{
	uint64_t v;

	eat(in, &v, sizeof(v));
	return v;
}

/* What must hold; unlike assert it is never compiled away. */
#define HOLDS(x)                          \
	do {                              \
		if (!(x))                 \
			__builtin_trap(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
