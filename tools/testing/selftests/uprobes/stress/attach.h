/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Those who attach and detach while others call. Each does it in its own way, in
 * rounds: a span of time in which some functions are watched, of which the
 * accounts say how many hits there must be at least, and can be at most. One
 * function is called by nobody else, so that its hits are known exactly. What
 * was detached has to stay as it was at the end of the round until the next.
 */
#ifndef STRESS_ATTACH_H
#define STRESS_ATTACH_H

#include "accounts.h"
#include "rng.h"

struct attacher {
	/* Whose function F_OWN + number is. */
	int number;
	struct rng rng;
	void (*work)(struct attacher *self);
};

void attach_by_multi(struct attacher *self);
void attach_by_pmu(struct attacher *self);
void attach_by_tracefs(struct attacher *self);
void attach_with_counters(struct attacher *self);

enum function own_function(const struct attacher *self);

/* Closes the descriptor that something is attached by; then it is detached. */
void detach(int fd);

#define WATCHED_MAX 8

enum moment { BEFORE_ATTACH, AFTER_ATTACH, BEFORE_DETACH, AFTER_DETACH, MOMENTS };

struct span {
	enum file file;
	enum function functions[WATCHED_MAX];
	int n;
	uint64_t calls[MOMENTS][WATCHED_MAX];
};

/* Some functions of @file, and none twice. */
void span_choose(struct span *span, struct rng *rng, enum file file);
void span_mark(struct span *span, enum moment moment);
/* After all four moments: complains unless @hits of function @i are possible. */
void span_check(const struct span *span, int i, uint64_t hits, const char *who);

/* Calls @function of CHANGING, and others, for a while; the calls of @function. */
int call_while_attached(struct attacher *self, enum function function);

#endif
