/* SPDX-License-Identifier: MIT */
/* libpcap, loaded when the first pcap: port is opened. Its functions are called by their own names. */
#ifndef XSP_BACKEND_PORT_PCAP_API_H
#define XSP_BACKEND_PORT_PCAP_API_H

#include <stddef.h>

#include <pcap/pcap.h>

#define XSP_PCAP_API(F)                                                                             \
	F(pcap_close) F(pcap_datalink) F(pcap_dump) F(pcap_dump_close) F(pcap_dump_flush)           \
	F(pcap_dump_open_append) F(pcap_geterr) F(pcap_next_ex)                                     \
	F(pcap_open_dead_with_tstamp_precision) F(pcap_open_offline_with_tstamp_precision)

#define XSP_PCAP_FIELD(name) __typeof__(name) *name;
extern struct xsp_pcap_api {
	XSP_PCAP_API(XSP_PCAP_FIELD)
} xsp_pcap_api;

/** xsp_pcap_load - have them; store thread. 0, or -errno and a sentence in why */
int xsp_pcap_load(char *why, size_t why_len);

#define pcap_close xsp_pcap_api.pcap_close
#define pcap_datalink xsp_pcap_api.pcap_datalink
#define pcap_dump xsp_pcap_api.pcap_dump
#define pcap_dump_close xsp_pcap_api.pcap_dump_close
#define pcap_dump_flush xsp_pcap_api.pcap_dump_flush
#define pcap_dump_open_append xsp_pcap_api.pcap_dump_open_append
#define pcap_geterr xsp_pcap_api.pcap_geterr
#define pcap_next_ex xsp_pcap_api.pcap_next_ex
#define pcap_open_dead_with_tstamp_precision xsp_pcap_api.pcap_open_dead_with_tstamp_precision
#define pcap_open_offline_with_tstamp_precision xsp_pcap_api.pcap_open_offline_with_tstamp_precision

#endif
