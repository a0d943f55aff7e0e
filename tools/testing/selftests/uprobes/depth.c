// SPDX-License-Identifier: GPL-2.0
/*
 * The limit on pending returns: a thread has at most 64 of them. Calls beyond
 * it are counted on entry, return without being counted, and lose nothing.
 */
#include <pthread.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

static long long limited(long frames)
{
	return frames < MAX_PENDING_RETURNS ? frames : MAX_PENDING_RETURNS;
}

TEST(entries_all_returns_limited)
{
	static const long depths[] = { 1, 63, 64, 65, 150, 64, 1 };
	int entry = probe_self(recurse, PROBE_ENTRY);
	int ret = probe_self(recurse, PROBE_RETURN);
	long long entries = 0, returns = 0;

	ASSERT_GE(entry, 0);
	ASSERT_GE(ret, 0);
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		ASSERT_EQ(depths[i] - 1, recurse(depths[i] - 1, NULL, NULL));
		entries += depths[i];
		returns += limited(depths[i]);
		EXPECT_EQ(entries, hits(entry));
		EXPECT_EQ(returns, hits(ret));
	}
}

static long recurse_other(void *frames)
{
	return recurse_b((long)frames, NULL, NULL);
}

TEST(functions_share_the_limit)
{
	int outer = probe_self(recurse, PROBE_RETURN);
	int inner = probe_self(recurse_b, PROBE_RETURN);
	int inner_entry = probe_self(recurse_b, PROBE_ENTRY);

	ASSERT_GE(outer, 0);
	ASSERT_GE(inner, 0);
	ASSERT_GE(inner_entry, 0);
	ASSERT_EQ(39 + 59, recurse(39, recurse_other, (void *)59));
	EXPECT_EQ(40, hits(outer));
	EXPECT_EQ(MAX_PENDING_RETURNS - 40, hits(inner));
	EXPECT_EQ(60, hits(inner_entry));
}

TEST(consumers_share_one_pending_return)
{
	int first = probe_self(recurse, PROBE_RETURN);
	int second = probe_self(recurse, PROBE_RETURN);

	ASSERT_GE(first, 0);
	ASSERT_GE(second, 0);
	ASSERT_EQ(99, recurse(99, NULL, NULL));
	EXPECT_EQ(MAX_PENDING_RETURNS, hits(first));
	EXPECT_EQ(MAX_PENDING_RETURNS, hits(second));
}

static void *recurse_in_thread(void *returns)
{
	int ret = probe_self(recurse, PROBE_RETURN);

	if (ret < 0 || recurse(99, NULL, NULL) != 99)
		return NULL;
	*(long long *)returns = hits(ret);
	return NULL;
}

static long run_threads(void *returns)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, recurse_in_thread, (long long *)returns + i);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

TEST(each_thread_has_its_own)
{
	int ret = probe_self(recurse, PROBE_RETURN);
	long long returns[4] = {};

	ASSERT_GE(ret, 0);
	/* The main thread waits for the others below a stack that is full. */
	ASSERT_EQ(79, recurse(79, run_threads, returns));
	EXPECT_EQ(MAX_PENDING_RETURNS, hits(ret));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(MAX_PENDING_RETURNS, returns[i]);
}

TEST_HARNESS_MAIN
