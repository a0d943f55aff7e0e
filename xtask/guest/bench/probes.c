// SPDX-License-Identifier: GPL-2.0
/* Probes on places of the running program: see probes.h. */
#include <elf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes.h"

#define SELF	"/proc/self/exe"
#define DEVICE	"/sys/bus/event_source/devices/uprobe/type"

/* BPF instructions, in the order of struct bpf_insn. */
#define INSN(code, dst, src, off, imm)	{ code, dst, src, off, imm }
#define BPF_TO_MAP(dst, fd)						\
	INSN(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, fd),	\
	INSN(0, 0, 0, 0, 0)

void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

unsigned long file_offset(const void *place)
{
	const Elf64_Phdr *part = (const void *)getauxval(AT_PHDR);
	unsigned long count = getauxval(AT_PHNUM), addr = (unsigned long)place;

	for (; count; count--, part++)
		if (part->p_type == PT_LOAD && addr - part->p_vaddr < part->p_filesz)
			return addr - part->p_vaddr + part->p_offset;
	die("a place outside of the program");
}

static int uprobe_type(void)
{
	FILE *file = fopen(DEVICE, "r");
	int type;

	if (!file || fscanf(file, "%d", &type) != 1)
		die(DEVICE);
	fclose(file);
	return type;
}

static int open_event(const void *place, bool on_return, int pid, int cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = uprobe_type(),
		.config = on_return,
		.config1 = (uintptr_t)SELF,
		.config2 = file_offset(place),
	};
	int fd = syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		die("perf_event_open");
	return fd;
}

int attach_perf(const void *place, bool on_return)
{
	return open_event(place, on_return, 0, -1);
}

int attach_perf_bpf(const void *place, bool on_return, int prog)
{
	int fd = open_event(place, on_return, -1, 0);

	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog) || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		die("PERF_EVENT_IOC_SET_BPF");
	return fd;
}

static int bpf(int command, union bpf_attr *attr)
{
	int ret = syscall(SYS_bpf, command, attr, sizeof(*attr));

	if (ret < 0)
		die("bpf");
	return ret;
}

static int attach_type(enum kind kind)
{
	switch (kind) {
	case UPROBE_MULTI:
	case URETPROBE_MULTI:
		return BPF_TRACE_UPROBE_MULTI;
	case SESSION:
		return BPF_TRACE_UPROBE_SESSION;
	default:
		return 0;
	}
}

int attach_multi(const char *path, unsigned long offset, size_t stride,
		 size_t count, enum kind kind, int prog)
{
	unsigned long *offsets = calloc(count, sizeof(*offsets));
	union bpf_attr attr = {
		.link_create.prog_fd = prog,
		.link_create.attach_type = attach_type(kind),
		.link_create.uprobe_multi.path = (uintptr_t)path,
		.link_create.uprobe_multi.offsets = (uintptr_t)offsets,
		.link_create.uprobe_multi.cnt = count,
	};
	int fd;

	for (size_t i = 0; i < count; i++)
		offsets[i] = offset + i * stride;
	if (kind == URETPROBE_MULTI)
		attr.link_create.uprobe_multi.flags = BPF_F_UPROBE_MULTI_RETURN;
	fd = bpf(BPF_LINK_CREATE, &attr);
	free(offsets);
	return fd;
}

static int per_cpu_counter(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_PERCPU_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = 1,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

int counting_program(enum kind kind, int *map)
{
	int fd = *map = per_cpu_counter();
	struct bpf_insn program[] = {
		INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
		BPF_TO_MAP(BPF_REG_1, fd),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 3, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_0, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, 1),
		INSN(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_0, BPF_REG_1, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_KPROBE,
		.insns = (uintptr_t)program,
		.insn_cnt = sizeof(program) / sizeof(*program),
		.license = (uintptr_t)"GPL",
		.expected_attach_type = attach_type(kind),
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

unsigned long counted(int map)
{
	int cpus = sysconf(_SC_NPROCESSORS_CONF);
	uint64_t values[4096] = { 0 }, sum = 0;
	uint32_t key = 0;
	union bpf_attr attr = {
		.map_fd = map,
		.key = (uintptr_t)&key,
		.value = (uintptr_t)values,
	};

	bpf(BPF_MAP_LOOKUP_ELEM, &attr);
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	return sum;
}
