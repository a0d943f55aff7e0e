// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a probe while a return is pending: the kernel leases the probe
 * to the return for about 100 ms, then counts the reference. In either state
 * the probe can be detached, and attached again, before the return happens.
 */
#include <pthread.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

/* Longer than a lease lasts. */
#define LEASE_OVER_US	150000

FIXTURE(pending)
{
	struct trace_counter counter;
};

FIXTURE_VARIANT(pending)
{
	useconds_t wait;
};

FIXTURE_VARIANT_ADD(pending, leased) { .wait = 0 };
FIXTURE_VARIANT_ADD(pending, expired) { .wait = LEASE_OVER_US };

FIXTURE_SETUP(pending)
{
	ASSERT_EQ(0, trace_create(&self->counter, "pending", PROBE_RETURN));
	ASSERT_EQ(0, trace_add(&self->counter, place_of(recurse)));
	ASSERT_EQ(0, trace_enable(&self->counter));
}

FIXTURE_TEARDOWN(pending)
{
	trace_destroy(&self->counter);
}

static useconds_t wait_before;

static long just_wait(void *unused)
{
	return usleep(wait_before);
}

static long wait_and_disable(void *counter)
{
	usleep(wait_before);
	return trace_disable(counter);
}

static long disable_and_wait(void *counter)
{
	long ret = trace_disable(counter);

	usleep(wait_before);
	return ret;
}

static long disable_and_enable(void *counter)
{
	usleep(wait_before);
	return trace_disable(counter) + trace_enable(counter);
}

TEST_F(pending, return_is_counted)
{
	wait_before = variant->wait;
	EXPECT_EQ(9, recurse(9, just_wait, NULL));
	EXPECT_EQ(10, trace_hits(&self->counter));
}

TEST_F(pending, not_counted_after_detach)
{
	wait_before = variant->wait;
	EXPECT_EQ(9, recurse(9, wait_and_disable, &self->counter));
	EXPECT_EQ(0, trace_hits(&self->counter));
	EXPECT_EQ(9, recurse(9, NULL, NULL));
	EXPECT_EQ(0, trace_hits(&self->counter));
}

TEST_F(pending, lease_ends_after_detach)
{
	wait_before = variant->wait;
	EXPECT_EQ(9, recurse(9, disable_and_wait, &self->counter));
	EXPECT_EQ(0, trace_hits(&self->counter));
}

/* A consumer that was not there on entry does not hear of the return. */
TEST_F(pending, not_counted_by_a_new_consumer)
{
	wait_before = variant->wait;
	EXPECT_EQ(9, recurse(9, disable_and_enable, &self->counter));
	EXPECT_EQ(0, trace_hits(&self->counter));
	EXPECT_EQ(9, recurse(9, NULL, NULL));
	EXPECT_EQ(10, trace_hits(&self->counter));
}

/*
 * The same, while the first consumer keeps the probe in place. Both are counted
 * alike, on whatever CPU the thread is when it has waited.
 */
TEST_F(pending, counted_by_the_old_consumer_only)
{
	struct trace_counter old;

	ASSERT_EQ(0, trace_create(&old, "pending_old", PROBE_RETURN));
	ASSERT_EQ(0, trace_add(&old, place_of(recurse)));
	ASSERT_EQ(0, trace_enable(&old));
	wait_before = variant->wait;
	EXPECT_EQ(9, recurse(9, disable_and_enable, &self->counter));
	EXPECT_EQ(10, trace_hits(&old));
	EXPECT_EQ(0, trace_hits(&self->counter));
	trace_destroy(&old);
}

static long end_thread(void *unused)
{
	usleep(wait_before);
	pthread_exit(NULL);
}

static void *end_while_pending(void *unused)
{
	recurse(9, end_thread, NULL);
	return NULL;
}

/* A thread that ends in the functions gives its pending returns back. */
TEST_F(pending, dropped_by_a_thread_that_ends)
{
	wait_before = variant->wait;
	for (int i = 0; i < 8; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, end_while_pending, NULL);
		pthread_join(thread, NULL);
	}
	EXPECT_EQ(0, trace_hits(&self->counter));
	/* Waits until nobody holds a lease of the probe. */
	EXPECT_EQ(0, trace_disable(&self->counter));
}

TEST_HARNESS_MAIN
