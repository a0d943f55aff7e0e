// SPDX-License-Identifier: GPL-2.0
/*
 * Counting by BPF, with bpf() itself and a program of a dozen instructions: see
 * counters.h.
 */
#include <err.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "counters.h"

#define INSN(op, dst, src, offset, value) \
	((struct bpf_insn){ .code = (op), .dst_reg = (dst), .src_reg = (src), \
			    .off = (offset), .imm = (value) })

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
		.max_entries = FUNCTIONS,
		.map_flags = BPF_F_MMAPABLE,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

/* count[cookie] += 1 */
static int load_program(int map)
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
		.expected_attach_type = BPF_TRACE_UPROBE_MULTI,
		.insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(insns[0]),
		.license = (uintptr_t)"GPL",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

void counters_make(struct counters *counters)
{
	counters->map = make_map();
	counters->program = load_program(counters->map);
	if (counters->map < 0 || counters->program < 0) {
		errno = counters->map < 0 ? -counters->map : -counters->program;
		err(EXIT_FAILURE, "bpf");
	}
	counters->count = mmap(NULL, FUNCTIONS * sizeof(uint64_t), PROT_READ, MAP_SHARED,
			       counters->map, 0);
	if (counters->count == MAP_FAILED)
		err(EXIT_FAILURE, "map the counters");
}

void counters_destroy(struct counters *counters)
{
	munmap((void *)counters->count, FUNCTIONS * sizeof(uint64_t));
	close(counters->program);
	close(counters->map);
}

int counters_attach(const struct counters *counters, const struct attachment *attachment)
{
	unsigned long offsets[FUNCTIONS], reference[FUNCTIONS];
	uint64_t cookies[FUNCTIONS];
	union bpf_attr attr = {
		.link_create = {
			.prog_fd = counters->program,
			.attach_type = BPF_TRACE_UPROBE_MULTI,
			.uprobe_multi = {
				.path = (uintptr_t)code_path(attachment->file),
				.offsets = (uintptr_t)offsets,
				.cookies = (uintptr_t)cookies,
				.cnt = attachment->n,
				.pid = attachment->pid,
			},
		},
	};

	for (int i = 0; i < attachment->n; i++) {
		enum function function = attachment->functions[i];

		offsets[i] = code_offset(attachment->file, function);
		reference[i] = code_counter_offset(function);
		cookies[i] = function;
	}
	if (attachment->counted)
		attr.link_create.uprobe_multi.ref_ctr_offsets = (uintptr_t)reference;
	if (attachment->kind == PROBE_RETURN)
		attr.link_create.uprobe_multi.flags = BPF_F_UPROBE_MULTI_RETURN;
	return bpf(BPF_LINK_CREATE, &attr);
}
