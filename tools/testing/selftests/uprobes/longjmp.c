// SPDX-License-Identifier: GPL-2.0
/*
 * Frames that longjmp() leaves behind: they never return, so they are never
 * counted as returned, they do not use up the limit for ever, and the frames
 * that do return find their way.
 */
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

static sigjmp_buf target;

static long jump(void *arg)
{
	siglongjmp(target, 1);
}

static __attribute__((noinline)) void leave_frames(long frames)
{
	if (!sigsetjmp(target, 1))
		recurse(frames - 1, jump, NULL);
}

TEST(dropped_frames_are_not_counted)
{
	int entry = probe_self(recurse, PROBE_ENTRY);
	int ret = probe_self(recurse, PROBE_RETURN);

	ASSERT_GE(entry, 0);
	ASSERT_GE(ret, 0);
	for (int i = 0; i < 100; i++)
		leave_frames(10);
	EXPECT_EQ(1000, hits(entry));
	EXPECT_EQ(0, hits(ret));
}

/*
 * One less than the limit: the kernel drops frames when it adds one, and at the
 * limit it adds none.
 */
TEST(dropped_frames_free_the_limit)
{
	int ret = probe_self(recurse, PROBE_RETURN);

	ASSERT_GE(ret, 0);
	for (int i = 1; i <= 10; i++) {
		leave_frames(MAX_PENDING_RETURNS - 1);
		/* From here, so that every dropped frame was below the new ones. */
		ASSERT_EQ(MAX_PENDING_RETURNS - 1, recurse(MAX_PENDING_RETURNS - 1, NULL, NULL));
		EXPECT_EQ(MAX_PENDING_RETURNS * i, hits(ret));
	}
}

static long jump_inside(void *arg)
{
	if (!sigsetjmp(target, 1))
		recurse_b(4, jump, NULL);
	return 7;
}

TEST(frame_above_returns)
{
	int outer = probe_self(recurse, PROBE_RETURN);
	int inner = probe_self(recurse_b, PROBE_RETURN);

	ASSERT_GE(outer, 0);
	ASSERT_GE(inner, 0);
	for (int i = 1; i <= 50; i++) {
		ASSERT_EQ(7 + 2, recurse(2, jump_inside, NULL));
		EXPECT_EQ(3 * i, hits(outer));
	}
	EXPECT_EQ(0, hits(inner));
}

static __attribute__((noinline)) long recurse_deeper(long frames)
{
	volatile char *gap = alloca(8192);

	gap[0] = 0;
	return recurse(frames, NULL, NULL) + gap[0];
}

TEST(frames_below_the_dropped_ones_return)
{
	int deeper = probe_self(recurse, PROBE_RETURN);
	int dropped = probe_self(recurse_b, PROBE_RETURN);

	ASSERT_GE(deeper, 0);
	ASSERT_GE(dropped, 0);
	for (int i = 1; i <= 50; i++) {
		if (!sigsetjmp(target, 1))
			recurse_b(4, jump, NULL);
		ASSERT_EQ(3, recurse_deeper(3));
		EXPECT_EQ(4 * i, hits(deeper));
	}
	EXPECT_EQ(0, hits(dropped));
}

static void jump_from_handler(int sig)
{
	siglongjmp(target, 1);
}

static long raise_signal(void *arg)
{
	return raise(SIGUSR1);
}

TEST(jump_out_of_a_handler)
{
	int entry = probe_self(recurse, PROBE_ENTRY);
	int ret = probe_self(recurse, PROBE_RETURN);

	ASSERT_GE(entry, 0);
	ASSERT_GE(ret, 0);
	signal(SIGUSR1, jump_from_handler);
	for (int i = 0; i < 50; i++) {
		if (!sigsetjmp(target, 1))
			recurse(2, raise_signal, NULL);
	}
	EXPECT_EQ(150, hits(entry));
	EXPECT_EQ(0, hits(ret));
	ASSERT_EQ(9, recurse(9, NULL, NULL));
	EXPECT_EQ(10, hits(ret));
}

static volatile long in_handler;

static void recurse_in_handler(int sig)
{
	in_handler = recurse_b(5, NULL, NULL);
}

/* The kernel tells live frames by the stack pointer: a lower stack is deeper. */
TEST(handler_on_a_lower_stack)
{
	static char lower[64 * 1024];
	stack_t stack = { .ss_sp = lower, .ss_size = sizeof(lower) };
	struct sigaction action = { .sa_handler = recurse_in_handler, .sa_flags = SA_ONSTACK };
	int outer = probe_self(recurse, PROBE_RETURN);
	int inner = probe_self(recurse_b, PROBE_RETURN);

	ASSERT_GE(outer, 0);
	ASSERT_GE(inner, 0);
	ASSERT_EQ(0, sigaltstack(&stack, NULL));
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(3, recurse(3, raise_signal, NULL));
	EXPECT_EQ(5, in_handler);
	EXPECT_EQ(4, hits(outer));
	EXPECT_EQ(6, hits(inner));
}

TEST_HARNESS_MAIN
