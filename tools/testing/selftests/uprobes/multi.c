// SPDX-License-Identifier: GPL-2.0
/*
 * Attaching by uprobe.multi, with bpf() itself and a program of a dozen
 * instructions, so that no library is needed: see multi.h.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "multi.h"

#define INSN(op, dst, src, offset, value) \
	((struct bpf_insn){ .code = (op), .dst_reg = (dst), .src_reg = (src), \
			    .off = (offset), .imm = (value) })
#define COUNTS_SIZE	(MULTI_COUNTS * sizeof(uint64_t))

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	int ret = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : ret;
}

static int make_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = MULTI_COUNTS,
		.map_flags = BPF_F_MMAPABLE,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

static enum bpf_attach_type attach_type(enum multi_kind kind)
{
	return kind == MULTI_SESSION ? BPF_TRACE_UPROBE_SESSION : BPF_TRACE_UPROBE_MULTI;
}

/* count[cookie] += 1, and nothing else is asked for. */
static int load_program(int map, enum multi_kind kind)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_attach_cookie),
		INSN(BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, BPF_REG_0, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_KPROBE,
		.expected_attach_type = attach_type(kind),
		.insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(insns[0]),
		.license = (uintptr_t)"GPL",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

int multi_make(struct multi *multi, enum multi_kind kind)
{
	multi->kind = kind;
	multi->map = make_map();
	if (multi->map < 0)
		return multi->map;
	multi->program = load_program(multi->map, kind);
	if (multi->program < 0) {
		close(multi->map);
		return multi->program;
	}
	multi->count = mmap(NULL, COUNTS_SIZE, PROT_READ, MAP_SHARED, multi->map, 0);
	return multi->count == MAP_FAILED ? -errno : 0;
}

int multi_attach(const struct multi *multi, const struct multi_places *places)
{
	union bpf_attr attr = {
		.link_create = {
			.prog_fd = multi->program,
			.attach_type = attach_type(multi->kind),
			.uprobe_multi = {
				.path = (uintptr_t)places->path,
				.offsets = (uintptr_t)places->offsets,
				.ref_ctr_offsets = (uintptr_t)places->counters,
				.cookies = (uintptr_t)places->cookies,
				.cnt = places->n,
			},
		},
	};

	if (multi->kind == MULTI_RETURN)
		attr.link_create.uprobe_multi.flags = BPF_F_UPROBE_MULTI_RETURN;
	return bpf(BPF_LINK_CREATE, &attr);
}

void multi_destroy(struct multi *multi)
{
	munmap((void *)multi->count, COUNTS_SIZE);
	close(multi->program);
	close(multi->map);
}
