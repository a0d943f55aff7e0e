/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Exact counts of hits, by BPF: a link of kind uprobe.multi is one consumer for
 * each of its places, whatever CPU or process hits it, and its program adds to
 * a shared number atomically. The place says by a cookie which number.
 */
#ifndef STRESS_COUNTERS_H
#define STRESS_COUNTERS_H

#include <stdint.h>

#include "code.h"

struct counters {
	int map;
	int program;
	/* One for each function, read without a system call. */
	volatile uint64_t *count;
};

void counters_make(struct counters *counters);
void counters_destroy(struct counters *counters);

struct attachment {
	enum file file;
	enum probe_kind kind;
	const enum function *functions;
	int n;
	/* Whether the functions' reference counters go with them. */
	bool counted;
	/* A process to be watched alone, or 0. */
	pid_t pid;
};

/* The descriptor of a link, which ends when it is closed, or -errno. */
int counters_attach(const struct counters *counters, const struct attachment *attachment);

#endif
