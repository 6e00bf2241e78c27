/* SPDX-License-Identifier: MIT */
/*
 * What the spec of a Ceph image says:
 *   rbd[,conf=PATH][,id=NAME]:pool/[namespace/]image[@snapshot][:option=value...]
 * The options after the image are Ceph's own, and id and conf, as QEMU writes them; a backslash takes the
 * meaning from ':', '/', '@' and '='.
 */
#ifndef XSP_BACKEND_TARGET_RBD_SPEC_H
#define XSP_BACKEND_TARGET_RBD_SPEC_H

#include <stddef.h>

#define XSP_RBD_OPTIONS 16u

struct xsp_rbd_spec {
	char text[1024]; /* what the others point into */
	const char *pool, *nspace, *image, *snap; /* nspace, snap: "" when there is none */
	const char *conf, *id;                    /* NULL: Ceph's default */
	char conf_option[256], id_option[64];
	unsigned int n_options;
	struct {
		const char *name, *value;
	} option[XSP_RBD_OPTIONS];
};

/** xsp_rbd_parse - read a spec; 0, or -EINVAL and a sentence in why */
int xsp_rbd_parse(const char *opts, const char *rest, struct xsp_rbd_spec *ret, char *why,
		  size_t why_len);

#endif
