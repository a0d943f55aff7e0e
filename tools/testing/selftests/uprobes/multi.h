/* SPDX-License-Identifier: GPL-2.0 */
/*
 * BPF links of kind uprobe.multi: any number of places in one attach, each of
 * them with one consumer, whatever CPU or process hits it. Their program adds
 * to a shared number atomically; a place says by its cookie which number.
 */
#ifndef UPROBE_TEST_MULTI_H
#define UPROBE_TEST_MULTI_H

#include <stdint.h>

#define MULTI_COUNTS	16

enum multi_kind {
	MULTI_ENTRY,
	MULTI_RETURN,
	/* Counts both, and has a cookie of the kernel's from one to the other. */
	MULTI_SESSION,
};

struct multi {
	enum multi_kind kind;
	int map;
	int program;
	/* Read without a system call. */
	volatile uint64_t *count;
};

struct multi_places {
	const char *path;
	int n;
	const unsigned long *offsets;
	/* Offsets of reference counters, or NULL for none. */
	const unsigned long *counters;
	/* Which numbers to add to, or NULL: all to the first. */
	const uint64_t *cookies;
};

/* Each returns -errno on failure. */
int multi_make(struct multi *multi, enum multi_kind kind);
/* The descriptor of a link, which ends when it is closed. */
int multi_attach(const struct multi *multi, const struct multi_places *places);
void multi_destroy(struct multi *multi);

#endif
