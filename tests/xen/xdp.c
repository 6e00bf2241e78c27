/* SPDX-License-Identifier: MIT */
/*
 * Attaches an XDP program to an interface, for tests of xensplit-net.ko in a
 * guest that has no tools for it. The program goes with this one.
 *
 *     test-xdp IFACE pass|drop|tx|swap|to:IFACE SECONDS
 *
 * `tx` sends back what it receives as it is, `swap` with the two addresses swapped, `to:IFACE` redirects
 * it to another interface.
 */
#include <err.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INSN(c, d, s, o, i) { .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }
#define MOV_IMM(d, i)       INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOV_REG(d, s)       INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD_IMM(d, i)       INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define LOAD(size, d, s, o) INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, s, o) INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define CALL(i)             INSN(BPF_JMP | BPF_CALL, 0, 0, 0, i)
#define EXIT                INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static int load(const char *what)
{
	int verdict = !strcmp(what, "pass") ? XDP_PASS : !strcmp(what, "drop") ? XDP_DROP : XDP_TX;
	int other = strncmp(what, "to:", 3) ? 0 : (int)if_nametoindex(what + 3);
	struct bpf_insn plain[] = { MOV_IMM(0, verdict), EXIT };
	struct bpf_insn redirect[] = { MOV_IMM(1, other), MOV_IMM(2, 0), CALL(BPF_FUNC_redirect), EXIT };
	struct bpf_insn swap[] = {
		MOV_IMM(0, XDP_DROP),
		LOAD(BPF_W, 2, 1, 0), /* data */
		LOAD(BPF_W, 3, 1, 4), /* data_end */
		MOV_REG(4, 2),
		ADD_IMM(4, 14),
		INSN(BPF_JMP | BPF_JGT | BPF_X, 4, 3, 9, 0), /* shorter than a header: to the end */
		LOAD(BPF_W, 4, 2, 0),
		LOAD(BPF_H, 5, 2, 4),
		LOAD(BPF_W, 6, 2, 6),
		LOAD(BPF_H, 7, 2, 10),
		STORE(BPF_W, 2, 6, 0),
		STORE(BPF_H, 2, 7, 4),
		STORE(BPF_W, 2, 4, 6),
		STORE(BPF_H, 2, 5, 10),
		MOV_IMM(0, XDP_TX),
		EXIT,
	};
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_XDP };
	char log[4096] = "";
	int fd;

	if (!other && !strncmp(what, "to:", 3))
		err(1, "%s", what + 3);
	if (!strcmp(what, "swap")) {
		a.insns = (uintptr_t)swap;
		a.insn_cnt = sizeof(swap) / sizeof(swap[0]);
	} else {
		a.insns = (uintptr_t)(other ? redirect : plain);
		a.insn_cnt = other ? sizeof(redirect) / sizeof(redirect[0]) : sizeof(plain) / sizeof(plain[0]);
	}
	a.license = (uintptr_t) "Dual MIT/GPL";
	a.log_buf = (uintptr_t)log;
	a.log_size = sizeof(log);
	a.log_level = 1;
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
	if (fd < 0)
		err(1, "the kernel refuses the program: %s", log);
	return fd;
}

int main(int argc, char **argv)
{
	union bpf_attr a = { 0 };
	int link;

	if (argc != 4)
		errx(2, "usage: test-xdp IFACE pass|drop|tx|swap|to:IFACE SECONDS");
	a.link_create.prog_fd = (uint32_t)load(argv[2]);
	a.link_create.target_ifindex = if_nametoindex(argv[1]);
	a.link_create.attach_type = BPF_XDP;
	link = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &a, sizeof(a));
	if (link < 0)
		err(1, "%s", argv[1]);
	puts("attached");
	fflush(stdout);
	sleep((unsigned int)atoi(argv[3]));
	return 0;
}
