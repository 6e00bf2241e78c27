/* SPDX-License-Identifier: MIT */
/*
 * Test data that knows where and when it was written. Every sector of 512 bytes starts with a mark,
 * its place, seed and generation, and a checksum of these; the rest follows from them, so that a
 * sector that was lost, torn, misplaced or is older than it should be is told from a broken one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/vbd/vbd.h"

#define SECTOR 512u
#define WORDS  (SECTOR / 8)
#define MARK   0x7473657474696c70u /* "plittest" */

struct sector {
	uint64_t mark;
	uint64_t offset;
	uint64_t seed;
	uint64_t generation;
	uint64_t sum;
	uint64_t body[WORDS - 5];
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void make(struct sector *s, uint64_t offset, uint64_t seed, uint32_t generation)
{
	uint64_t x = mix(offset + mix(seed + mix(generation)));

	s->mark = MARK;
	s->offset = offset;
	s->seed = seed;
	s->generation = generation;
	s->sum = x;
	for (size_t i = 0; i < WORDS - 5; i++) /* the compiler makes vector code of this */
		s->body[i] = x + (i + 1) * 0x9e3779b97f4a7c15u;
}

void vbd_pattern_fill(void *buf, size_t bytes, uint64_t offset, uint64_t seed, uint32_t generation)
{
	for (size_t at = 0; at < bytes; at += SECTOR)
		make((struct sector *)((uint8_t *)buf + at), offset + at, seed, generation);
}

static bool all_zero(const struct sector *s)
{
	const uint64_t *w = (const uint64_t *)s;
	uint64_t any = 0;

	for (size_t i = 0; i < WORDS; i++)
		any |= w[i];
	return !any;
}

static void explain(const struct sector *s, const struct sector *want, char *what, size_t room)
{
	struct sector claimed;

	make(&claimed, s->offset, s->seed, (uint32_t)s->generation);
	if (all_zero(s))
		snprintf(what, room, "zeros (generation %" PRIu64 " is lost)", want->generation);
	else if (memcmp(s, &claimed, SECTOR))
		snprintf(what, room, "%s", s->mark == MARK ? "torn or damaged" : "foreign data");
	else if (s->offset != want->offset)
		snprintf(what, room, "the sector of offset %" PRIu64, s->offset);
	else if (s->seed != want->seed)
		snprintf(what, room, "written by a run with seed %" PRIu64, s->seed);
	else
		snprintf(what, room, "generation %" PRIu64 " instead of %" PRIu64, s->generation,
			 want->generation);
}

bool vbd_pattern_check(const void *buf, size_t bytes, uint64_t offset, uint64_t seed,
		       uint32_t generation, char *what)
{
	struct sector want;

	for (size_t at = 0; at < bytes; at += SECTOR) {
		const struct sector *s = (const struct sector *)((const uint8_t *)buf + at);
		char why[VBD_WHAT_BYTES - 40];

		make(&want, offset + at, seed, generation);
		if (!memcmp(s, &want, SECTOR))
			continue;
		explain(s, &want, why, sizeof(why));
		snprintf(what, VBD_WHAT_BYTES, "offset %" PRIu64 ": %.*s", offset + at,
			 (int)sizeof(why), why);
		return false;
	}
	return true;
}
