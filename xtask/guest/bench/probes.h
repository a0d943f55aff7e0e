/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Probes on places of the running program, by the kernel's own interfaces and
 * nothing else, and counters of how often they were hit.
 *
 * Whatever fails ends the program with a message: a meter has no use for half
 * of its figures.
 */
#ifndef BENCH_PROBES_H
#define BENCH_PROBES_H

#include <stdbool.h>
#include <stddef.h>

/* Places at crowd[i * CROWD_STRIDE]; both numbers are also functions.S's. */
#ifndef CROWD_MAX
#define CROWD_MAX	50000
#endif
#ifndef CROWD_STRIDE
#define CROWD_STRIDE	4
#endif
extern const char crowd[];

/* What is probed, and called. */
struct function {
	const char *name;
	void (*first)(void);
	/* Called after each call of the first, if there is one. */
	void (*second)(void);
};

/* How a place is probed. */
enum kind {
	UPROBE,
	URETPROBE,
	UPROBE_MULTI,
	URETPROBE_MULTI,
	SESSION,
	KINDS,
};

enum consumer {
	PERF,		/* a counting perf event of this task */
	BPF,		/* a program that counts in a per-CPU array */
	CONSUMERS,
};

struct hook {
	const char *name;
	enum kind kind;
	enum consumer consumer;
	/* How often one call is counted. */
	int counts;
};

/* Prints @what and the error, and ends the program. */
__attribute__((noreturn)) void die(const char *what);

/* The offset of @place in the program's file. */
unsigned long file_offset(const void *place);

/* A perf event on @place; closing the descriptor detaches it. */
int attach_perf(const void *place, bool on_return);

/* The same of @cpu, for all tasks, with the BPF program @prog. */
int attach_perf_bpf(const void *place, bool on_return, int prog);

/* One link for @count places, @stride bytes apart, of the file at @path. */
int attach_multi(const char *path, unsigned long offset, size_t stride,
		 size_t count, enum kind kind, int prog);

/* A program of @kind that counts in *@map, and what it has counted. */
int counting_program(enum kind kind, int *map);
unsigned long counted(int map);

#endif
