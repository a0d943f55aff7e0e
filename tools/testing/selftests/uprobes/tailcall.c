// SPDX-License-Identifier: GPL-2.0
/*
 * Functions that jump to other functions: their pending returns share one
 * return address, and all of them return at once.
 */
#include "kselftest_harness.h"
#include "uprobe_test.h"

TEST(each_of_a_chain_returns_once)
{
	int a = probe_self(tail_a, PROBE_RETURN);
	int b = probe_self(tail_b, PROBE_RETURN);
	int c = probe_self(tail_c, PROBE_RETURN);

	ASSERT_GE(a, 0);
	ASSERT_GE(b, 0);
	ASSERT_GE(c, 0);
	for (int i = 1; i <= 100; i++) {
		ASSERT_EQ(3, tail_a());
		EXPECT_EQ(i, hits(a));
		EXPECT_EQ(i, hits(b));
		EXPECT_EQ(i, hits(c));
	}
	ASSERT_EQ(3, tail_b());
	EXPECT_EQ(100, hits(a));
	EXPECT_EQ(101, hits(b));
	EXPECT_EQ(101, hits(c));
}

TEST(chain_without_its_middle)
{
	int a = probe_self(tail_a, PROBE_RETURN);
	int c = probe_self(tail_c, PROBE_RETURN);

	ASSERT_GE(a, 0);
	ASSERT_GE(c, 0);
	ASSERT_EQ(3, tail_a());
	EXPECT_EQ(1, hits(a));
	EXPECT_EQ(1, hits(c));
}

static long call_chain(void *arg)
{
	return tail_a();
}

TEST(chain_below_pending_returns)
{
	int outer = probe_self(recurse, PROBE_RETURN);
	int a = probe_self(tail_a, PROBE_RETURN);
	int c = probe_self(tail_c, PROBE_RETURN);

	ASSERT_GE(outer, 0);
	ASSERT_GE(a, 0);
	ASSERT_GE(c, 0);
	ASSERT_EQ(3 + 9, recurse(9, call_chain, NULL));
	EXPECT_EQ(10, hits(outer));
	EXPECT_EQ(1, hits(a));
	EXPECT_EQ(1, hits(c));
}

TEST(chain_longer_than_the_limit)
{
	int entry = probe_self(tail_loop, PROBE_ENTRY);
	int ret = probe_self(tail_loop, PROBE_RETURN);

	ASSERT_GE(entry, 0);
	ASSERT_GE(ret, 0);
	for (int i = 1; i <= 5; i++) {
		ASSERT_EQ(0, tail_loop(99));
		EXPECT_EQ(100 * i, hits(entry));
		EXPECT_EQ(MAX_PENDING_RETURNS * i, hits(ret));
	}
}

TEST_HARNESS_MAIN
