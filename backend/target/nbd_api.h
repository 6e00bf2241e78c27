/* SPDX-License-Identifier: MIT */
/*
 * libnbd, loaded when the first nbd: target is opened: it brings TLS and XML with it, which a host
 * without such disks has no use for. Its functions are called by their own names.
 */
#ifndef XSP_BACKEND_TARGET_NBD_API_H
#define XSP_BACKEND_TARGET_NBD_API_H

#include <stddef.h>

#include <libnbd.h>

#define XSP_NBD_API(F)                                                                              \
	F(nbd_aio_connect) F(nbd_aio_disconnect) F(nbd_aio_flush)                                   \
	F(nbd_aio_get_direction) F(nbd_aio_get_fd) F(nbd_aio_is_closed)                             \
	F(nbd_aio_is_dead) F(nbd_aio_is_ready) F(nbd_aio_notify_read)                               \
	F(nbd_aio_notify_write) F(nbd_aio_pread) F(nbd_aio_pwrite)                                  \
	F(nbd_aio_trim) F(nbd_can_flush) F(nbd_can_fua)                                             \
	F(nbd_can_multi_conn) F(nbd_can_trim) F(nbd_close)                                          \
	F(nbd_create) F(nbd_get_block_size) F(nbd_get_errno)                                        \
	F(nbd_get_error) F(nbd_get_size) F(nbd_is_read_only)                                        \
	F(nbd_set_export_name) F(nbd_set_full_info)

#define XSP_NBD_FIELD(name) __typeof__(name) *name;
extern struct xsp_nbd_api {
	XSP_NBD_API(XSP_NBD_FIELD)
} xsp_nbd_api;

/** xsp_nbd_load - have them; any thread. 0, or -errno and a sentence in why */
int xsp_nbd_load(char *why, size_t why_len);

#define nbd_aio_connect xsp_nbd_api.nbd_aio_connect
#define nbd_aio_disconnect xsp_nbd_api.nbd_aio_disconnect
#define nbd_aio_flush xsp_nbd_api.nbd_aio_flush
#define nbd_aio_get_direction xsp_nbd_api.nbd_aio_get_direction
#define nbd_aio_get_fd xsp_nbd_api.nbd_aio_get_fd
#define nbd_aio_is_closed xsp_nbd_api.nbd_aio_is_closed
#define nbd_aio_is_dead xsp_nbd_api.nbd_aio_is_dead
#define nbd_aio_is_ready xsp_nbd_api.nbd_aio_is_ready
#define nbd_aio_notify_read xsp_nbd_api.nbd_aio_notify_read
#define nbd_aio_notify_write xsp_nbd_api.nbd_aio_notify_write
#define nbd_aio_pread xsp_nbd_api.nbd_aio_pread
#define nbd_aio_pwrite xsp_nbd_api.nbd_aio_pwrite
#define nbd_aio_trim xsp_nbd_api.nbd_aio_trim
#define nbd_can_flush xsp_nbd_api.nbd_can_flush
#define nbd_can_fua xsp_nbd_api.nbd_can_fua
#define nbd_can_multi_conn xsp_nbd_api.nbd_can_multi_conn
#define nbd_can_trim xsp_nbd_api.nbd_can_trim
#define nbd_close xsp_nbd_api.nbd_close
#define nbd_create xsp_nbd_api.nbd_create
#define nbd_get_block_size xsp_nbd_api.nbd_get_block_size
#define nbd_get_errno xsp_nbd_api.nbd_get_errno
#define nbd_get_error xsp_nbd_api.nbd_get_error
#define nbd_get_size xsp_nbd_api.nbd_get_size
#define nbd_is_read_only xsp_nbd_api.nbd_is_read_only
#define nbd_set_export_name xsp_nbd_api.nbd_set_export_name
#define nbd_set_full_info xsp_nbd_api.nbd_set_full_info

#endif
