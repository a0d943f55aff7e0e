/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel has allocated, before and after: a run must not leave behind
 * more than noise.
 */
#ifndef STRESS_MEMORY_H
#define STRESS_MEMORY_H

#include <stdbool.h>

#define CACHES_MAX 512

struct memory {
	struct {
		char name[48];
		long objects;
	} caches[CACHES_MAX];
	int n;
	long free_kb;
};

/* True if freed objects count as used: KASAN keeps them, to see who uses them. */
bool memory_is_kept(void);
/* Waits until what is freed later has been freed, and looks. */
void memory_look(struct memory *memory);
/* Complains about what has grown. */
void memory_compare(const struct memory *before, const struct memory *after);

#endif
