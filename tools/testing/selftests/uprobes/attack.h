/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the attacks of a traced program on itself share. Each is made by a child,
 * which may die of it, by the signal that is asserted where the kernel chooses
 * it; nobody else may notice, and the parent then goes on being probed.
 */
#ifndef UPROBE_TEST_ATTACK_H
#define UPROBE_TEST_ATTACK_H

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define PAGE	4096

FIXTURE(attack)
{
	int step, ret;
};

FIXTURE_SETUP(attack)
{
	run_on_cpu0();
	self->step = probe_cpu0(stepped, PROBE_ENTRY);
	self->ret = probe_cpu0(recurse, PROBE_RETURN);
	ASSERT_GE(self->step, 0);
	ASSERT_GE(self->ret, 0);
}

FIXTURE_TEARDOWN(attack)
{
	/* Whatever the child did, probes go on working here. */
	long long steps = hits(self->step), returns = hits(self->ret);

	EXPECT_EQ(2, stepped(1));
	EXPECT_EQ(9, recurse(9, NULL, NULL));
	EXPECT_EQ(steps + 1, hits(self->step));
	EXPECT_EQ(returns + 10, hits(self->ret));
}

static struct mapping area;

static inline void make_area(void)
{
	alarm(20);
	if (stepped(1) != 2 || !find_mapping(XOL_NAME, &area))
		_exit(100);
}

/* Puts pages of the program's own in the place of the area. */
static inline void *cover_area(void)
{
	void *pages = mmap((void *)area.start, area.end - area.start,
			   PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (pages == MAP_FAILED)
		_exit(100);
	return pages;
}

static inline int signal_of(void (*attack)(void *unused))
{
	int status = run_in_child(attack, NULL);

	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

/* Dies by @sig, or ends well. */
#define EXPECT_SIGNAL_OR_SUCCESS(sig, attack)		\
do {							\
	int _sig = signal_of(attack);			\
	if (_sig)					\
		EXPECT_EQ(sig, _sig);			\
} while (0)

#endif
