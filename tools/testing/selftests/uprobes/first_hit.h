/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The first hit of a process, of which an allocation fails, and a second one,
 * with memory. A child makes them, so that there is a first one each time.
 */
#ifndef UPROBE_TEST_FIRST_HIT_H
#define UPROBE_TEST_FIRST_HIT_H

#include <sys/mman.h>

#include "failing.h"
#include "uprobe_test.h"

/* What the child is to do. */
struct first_hit {
	int probe;
	/* Called before memory fails, unless it is NULL. */
	void (*prepare)(void);
	long (*call)(long x);
	/* What it returns for 5. */
	long result;
};

/* What it says then, in memory that it shares with its parent. */
static struct {
	bool failed;
	bool right;
	long long first;
	long long second;
} *report;

static inline void share_the_report(void)
{
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* For run_in_child(). */
static inline void hit_twice(void *arg)
{
	struct first_hit *hit = arg;
	long long before = hits(hit->probe);
	long value;

	if (hit->prepare)
		hit->prepare();
	fail_open();
	fail_begin();
	value = hit->call(5);
	report->failed = fail_end();
	report->first = hits(hit->probe) - before;
	report->right = value == hit->result && hit->call(5) == hit->result;
	report->second = hits(hit->probe) - before - report->first;
}

#endif
