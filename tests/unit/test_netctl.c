/* SPDX-License-Identifier: MIT */
/* What a guest asks for over its control ring: hashes, static grants; and its multicast filter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "backend/net/ctrl.h"
#include "backend/net/mcast.h"
#include "backend/net/statics.h"

/* --- the hash: the vectors that Microsoft publishes for RSS ------------------------------------- */

static const uint8_t key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
				 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
				 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
				 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };

static uint32_t tcp4(uint8_t *p)
{
	static const uint8_t head[54] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0,
		66, 9, 149, 187, 161, 142, 100, 80, 2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255,
		[46] = 0x50,
	};

	memcpy(p, head, sizeof(head));
	return sizeof(head);
}

static void hashes(void **state)
{
	struct xsp_net_hash h = { .algorithm = XSP_NET_HASH_TOEPLITZ, .types = XSP_HASH_TYPES };
	struct xsp_net_hash_value v;
	uint8_t p[64];
	uint32_t len = tcp4(p);

	(void)state;
	memcpy(h.key, key, sizeof(key));
	assert_int_equal(xsp_net_hash(&h, p, len, 4, 9, &v), 0x51ccc178 % 4);
	assert_int_equal(v.value, 0x51ccc178);
	assert_int_equal(v.type, 1);
	h.types = XSP_NET_HASH_IPV4;
	xsp_net_hash(&h, p, len, 4, 9, &v);
	assert_int_equal(v.value, 0x323e8fc2);
	assert_int_equal(v.type, 0);
	h.map_size = 3;
	h.map[0x323e8fc2 % 3] = 2;
	assert_int_equal(xsp_net_hash(&h, p, len, 4, 9, &v), 2);
	h.types = XSP_NET_HASH_IPV6; /* not asked for: it stays where it is */
	assert_int_equal(xsp_net_hash(&h, p, len, 4, 9, &v), 9);
	assert_int_equal(v.algorithm, XSP_NET_HASH_NONE);
	h.types = XSP_HASH_TYPES;
	for (uint32_t n = 0; n < len; n++)
		xsp_net_hash(&h, p, n, 4, 9, &v); /* cut off anywhere */
	p[20] = 0x20; /* a fragment has no ports */
	xsp_net_hash(&h, p, len, 4, 9, &v);
	assert_int_equal(v.type, 0);
}

/* --- requests ----------------------------------------------------------------------------------- */

static uint8_t page[4096];

static int read_page(void *arg, uint32_t gref, void *to, uint32_t len)
{
	(void)arg;
	if (gref != 7)
		return -EFAULT;
	assert_true(len <= sizeof(page));
	memcpy(to, page, len);
	return 0;
}

static struct xsp_net_hash hash;

static uint32_t ask(uint16_t type, uint32_t a, uint32_t b, uint32_t c, uint32_t *data)
{
	const struct xsp_ctrl_pages pages = { .read = read_page };
	struct xsp_net_ctrl_req req = { .type = type, .data = { a, b, c } };
	struct xsp_net_ctrl_rsp rsp = { .status = 99 };

	assert_true(xsp_ctrl_hash_request(&hash, 2, &pages, &req, &rsp));
	if (data)
		*data = rsp.data;
	return rsp.status;
}

static void requests(void **state)
{
	uint32_t *map = (uint32_t *)(void *)page, n;

	(void)state;
	memset(&hash, 0, sizeof(hash));
	assert_int_equal(ask(XSP_NET_CTRL_GET_HASH_FLAGS, 0, 0, 0, NULL), XSP_NET_CTRL_NOT_SUPPORTED);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_FLAGS, 1, 0, 0, NULL), XSP_NET_CTRL_INVALID_PARAMETER);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_ALGORITHM, 2, 0, 0, NULL), XSP_NET_CTRL_INVALID_PARAMETER);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_ALGORITHM, 1, 0, 0, NULL), 0);
	assert_int_equal(ask(XSP_NET_CTRL_GET_HASH_FLAGS, 0, 0, 0, &n), 0);
	assert_int_equal(n, 15);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_FLAGS, 16, 0, 0, NULL), XSP_NET_CTRL_INVALID_PARAMETER);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_FLAGS, 15, 0, 0, NULL), 0);
	memset(page, 0xaa, sizeof(page));
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_KEY, 7, 41, 0, NULL), XSP_NET_CTRL_BUFFER_OVERFLOW);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_KEY, 7, ~0u, 0, NULL), XSP_NET_CTRL_BUFFER_OVERFLOW);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_KEY, 8, 40, 0, NULL), XSP_NET_CTRL_INVALID_PARAMETER);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_KEY, 7, 20, 0, NULL), 0);
	assert_int_equal(hash.key[19], 0xaa);
	assert_int_equal(hash.key[20], 0);
	assert_int_equal(ask(XSP_NET_CTRL_GET_HASH_MAPPING_SIZE, 0, 0, 0, &n), 0);
	assert_int_equal(n, XSP_HASH_MAP);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_MAPPING_SIZE, 129, 0, 0, NULL),
			 XSP_NET_CTRL_INVALID_PARAMETER);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_MAPPING_SIZE, 100, 0, 0, NULL), 0);
	memset(page, 0, sizeof(page));
	map[0] = 1;
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_MAPPING, 7, 10, 90, NULL), 0);
	assert_int_equal(hash.map[90], 1);
	/* XSA-270: offsets and lengths that overflow */
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_MAPPING, 7, 11, 90, NULL), XSP_NET_CTRL_INVALID_PARAMETER);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_MAPPING, 7, 1, ~0u, NULL), XSP_NET_CTRL_BUFFER_OVERFLOW);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_MAPPING, 7, ~0u, 1, NULL), XSP_NET_CTRL_BUFFER_OVERFLOW);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_MAPPING, 7, 1u << 31, 1u << 31, NULL),
			 XSP_NET_CTRL_BUFFER_OVERFLOW);
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_MAPPING, 7, 0, 0, NULL), XSP_NET_CTRL_INVALID_PARAMETER);
	map[0] = 2; /* there are two queues */
	assert_int_equal(ask(XSP_NET_CTRL_SET_HASH_MAPPING, 7, 1, 0, NULL), XSP_NET_CTRL_INVALID_PARAMETER);
	assert_int_equal(hash.map[0], 0);
}

/* --- static grants ------------------------------------------------------------------------------ */

static unsigned int maps, unmaps, pages_mapped;
static uint32_t bad_gref;

void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count, uint32_t domid,
				      uint32_t *refs, int prot)
{
	uint8_t *p;

	(void)xgt;
	(void)domid;
	for (uint32_t i = 0; i < count; i++)
		if (refs[i] == bad_gref)
			return NULL;
	p = mmap(NULL, count * 4096ul, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uint32_t i = 0; i < count; i++)
		memcpy(p + i * 4096, &refs[i], 4); /* so that a test sees which page it got */
	mprotect(p, count * 4096ul, prot);
	maps++;
	pages_mapped += count;
	return p;
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start, uint32_t count)
{
	(void)xgt;
	unmaps++;
	pages_mapped -= count;
	return munmap(start, count * 4096ul);
}

static void is_page(const struct xsp_statics *s, uint32_t gref)
{
	const uint8_t *p = xsp_statics_find(s, gref, false);

	assert_non_null(p);
	assert_memory_equal(p, &gref, 4);
}

static void static_grants(void **state)
{
	struct xsp_statics *s = xsp_statics_new(NULL, 1);
	struct xsp_net_gref list[XSP_STATICS];
	struct xsp_net_gref few[3] = { { .ref = 101 }, { .ref = 99 }, { .ref = 101 } };

	(void)state;
	for (uint32_t i = 0; i < XSP_STATICS; i++)
		list[i] = (struct xsp_net_gref){ .ref = 100 + i, .flags = i & 1 };
	bad_gref = 107; /* one bad grant: none of them */
	assert_int_equal(xsp_statics_add(s, list, 20), -EINVAL);
	assert_int_equal(xsp_statics_count(s), 0);
	assert_int_equal(pages_mapped, 0);
	bad_gref = 0;
	assert_int_equal(xsp_statics_add(s, list, 20), 0);
	assert_int_equal(maps - unmaps, 2);
	for (uint32_t i = 0; i < 20; i++) {
		is_page(s, 100 + i);
		assert_int_equal(xsp_statics_find(s, 100 + i, true) != NULL, !(i & 1));
	}
	assert_null(xsp_statics_find(s, 120, false));
	assert_int_equal(xsp_statics_add(s, list + 19, 2), -EEXIST);
	assert_int_equal(xsp_statics_add(s, few, 3), -EEXIST); /* one that comes twice */
	assert_int_equal(xsp_statics_del(s, few, 3), 1);
	assert_int_equal(few[0].status, XSP_NET_CTRL_SUCCESS);
	assert_int_equal(few[1].status, XSP_NET_CTRL_INVALID_PARAMETER);
	assert_int_equal(few[2].status, XSP_NET_CTRL_INVALID_PARAMETER);
	assert_null(xsp_statics_find(s, 101, false));
	assert_int_equal(pages_mapped, 19); /* the guest has this page back, not the whole call's */
	is_page(s, 103);
	is_page(s, 100);
	assert_int_equal(xsp_statics_add(s, list + 20, XSP_STATICS - 20), 0);
	assert_int_equal(xsp_statics_count(s), XSP_STATICS - 1);
	list[0].ref = 5000;
	list[1].ref = 5001;
	assert_int_equal(xsp_statics_add(s, list, 2), -ENOSPC);
	bad_gref = 105; /* what was left of its call can't be mapped anew: it is copied from now on */
	assert_int_equal(xsp_statics_del(s, &(struct xsp_net_gref){ .ref = 103 }, 1), 1);
	assert_null(xsp_statics_find(s, 107, false));
	is_page(s, 100);
	xsp_statics_free(s);
	assert_int_equal(pages_mapped, 0);
	xsp_statics_free(NULL);
	assert_null(xsp_statics_find(NULL, 1, false));
}

static void multicast(void **state)
{
	static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 }, unicast[6] = { 2 };
	uint8_t addr[6] = { 1, 0, 0x5e, 0, 0, 0 };
	struct xsp_mcast m = { 0 };

	(void)state;
	xsp_mcast_init(&m);
	assert_true(xsp_mcast_passes(&m, addr));
	xsp_mcast_clear(&m, true);
	assert_false(xsp_mcast_passes(&m, addr));
	assert_true(xsp_mcast_passes(&m, broadcast));
	assert_true(xsp_mcast_passes(&m, unicast));
	for (addr[5] = 0; addr[5] < XSP_MCASTS; addr[5]++)
		assert_true(xsp_mcast_add(&m, addr));
	assert_false(xsp_mcast_add(&m, addr)); /* full */
	addr[5] = 3;
	assert_true(xsp_mcast_add(&m, addr)); /* it is there */
	assert_true(xsp_mcast_passes(&m, addr));
	xsp_mcast_del(&m, addr);
	assert_false(xsp_mcast_passes(&m, addr));
	xsp_mcast_set(&m, false);
	assert_true(xsp_mcast_passes(&m, addr));
	xsp_mcast_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes),
		cmocka_unit_test(requests),
		cmocka_unit_test(static_grants),
		cmocka_unit_test(multicast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
