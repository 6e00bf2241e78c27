/* SPDX-License-Identifier: MIT */
/*
 * What rbd.c uses of librados and librbd, which are loaded when the first rbd: target is opened: hosts
 * without Ceph don't need them, and neither does the build. tests/source/rbd-api.sh compares these
 * declarations with the headers where those are installed.
 *
 * Source: <rados/librados.h>, <rbd/librbd.h> (interface version 1.16 and later).
 */
#ifndef XSP_BACKEND_TARGET_RBD_API_H
#define XSP_BACKEND_TARGET_RBD_API_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* name, result, parameters; rados_t, rados_ioctx_t, rbd_image_t and rbd_completion_t are void pointers */
#define XSP_RBD_API(F)                                                                              \
	F(rados_create, int, (void **cluster, const char *id))                                      \
	F(rados_conf_read_file, int, (void *cluster, const char *path))                             \
	F(rados_conf_set, int, (void *cluster, const char *option, const char *value))              \
	F(rados_connect, int, (void *cluster))                                                      \
	F(rados_shutdown, void, (void *cluster))                                                    \
	F(rados_ioctx_create, int, (void *cluster, const char *pool, void **ioctx))                 \
	F(rados_ioctx_set_namespace, void, (void *ioctx, const char *nspace))                       \
	F(rados_ioctx_destroy, void, (void *ioctx))                                                 \
	F(rbd_open, int, (void *io, const char *name, void **image, const char *snap))              \
	F(rbd_open_read_only, int, (void *io, const char *name, void **image, const char *snap))    \
	F(rbd_close, int, (void *image))                                                            \
	F(rbd_get_size, int, (void *image, uint64_t *size))                                         \
	F(rbd_update_watch, int,                                                                    \
	  (void *image, uint64_t *handle, void (*cb)(void *arg), void *arg))                        \
	F(rbd_update_unwatch, int, (void *image, uint64_t handle))                                  \
	F(rbd_aio_create_completion, int,                                                           \
	  (void *arg, void (*cb)(void *completion, void *arg), void **completion))                  \
	F(rbd_aio_release, void, (void *completion))                                                \
	F(rbd_aio_get_return_value, ssize_t, (void *completion))                                    \
	F(rbd_aio_readv, int,                                                                       \
	  (void *image, const struct iovec *iov, int iovcnt, uint64_t off, void *completion))       \
	F(rbd_aio_writev, int,                                                                      \
	  (void *image, const struct iovec *iov, int iovcnt, uint64_t off, void *completion))       \
	F(rbd_aio_discard, int, (void *image, uint64_t off, uint64_t len, void *completion))        \
	F(rbd_aio_flush, int, (void *image, void *completion))

#endif
