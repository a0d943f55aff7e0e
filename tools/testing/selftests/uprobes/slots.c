// SPDX-License-Identifier: GPL-2.0
/*
 * More instructions to step, and more threads that step them, than there are
 * slots: every step is counted once and executes its own instruction.
 */
#include <pthread.h>

#include "kselftest_harness.h"
#include "missing_page.h"
#include "uprobe_test.h"

#define THREADS	64

/* How many of the functions are used. */
static int functions;

/* Calls each of the functions @rounds times, starting at another one each. */
static long call_all(long rounds)
{
	long wrong = 0;

	for (long round = 0; round < rounds; round++) {
		for (int n = 0; n < functions; n++) {
			int i = (n + 7 * round) % functions;

			wrong += many_call(i, round) != round + i;
		}
	}
	return wrong;
}

static void *call_all_in_thread(void *rounds)
{
	return (void *)call_all((long)rounds);
}

/* Runs @threads at a time until @total have run; returns wrong results. */
static long run_threads(int total, int threads, long rounds)
{
	pthread_t thread[THREADS];
	long wrong = 0;

	for (int started = 0; started < total; started += threads) {
		for (int i = 0; i < threads; i++)
			pthread_create(&thread[i], NULL, call_all_in_thread, (void *)rounds);
		for (int i = 0; i < threads; i++) {
			void *ret;

			pthread_join(thread[i], &ret);
			wrong += (long)ret;
		}
	}
	return wrong;
}

FIXTURE(slots)
{
	struct trace_counter counter;
};

FIXTURE_VARIANT(slots)
{
	int functions;
	int threads_in_all;
	bool too_many;
};

/* The Rust implementation has 1024 slots at most, which it makes as they are needed. */
FIXTURE_VARIANT_ADD(slots, few) { .functions = 25, .threads_in_all = 800 };
FIXTURE_VARIANT_ADD(slots, blocks) { .functions = MANY_BLOCKS, .threads_in_all = 240 };
FIXTURE_VARIANT_ADD(slots, beyond_the_bound) {
	.functions = MANY_COUNT, .threads_in_all = 24, .too_many = true
};

FIXTURE_SETUP(slots)
{
	functions = variant->functions;
	/*
	 * QEMU before 8.1 goes on executing what a slot held before another CPU
	 * rewrote it. The C implementation rewrites slots all the time, the
	 * Rust one when there are too many instructions.
	 */
	if (variant->too_many || !implementation_is_rust())
		run_on_cpu0();
	ASSERT_EQ(0, trace_create(&self->counter, "slots", PROBE_ENTRY));
	ASSERT_EQ(0, trace_add_many(&self->counter, functions));
	ASSERT_EQ(0, trace_enable(&self->counter));
}

FIXTURE_TEARDOWN(slots)
{
	trace_destroy(&self->counter);
}

static void expect_each(struct __test_metadata *_metadata, struct trace_counter *counter,
			long long count)
{
	long long each[MANY_COUNT + 1];

	EXPECT_EQ(functions, trace_hits_each(counter, each, MANY_COUNT + 1));
	for (int i = 0; i < functions; i++)
		EXPECT_EQ(count, each[i]);
	EXPECT_EQ(count * functions, trace_hits(counter));
}

TEST_F_TIMEOUT(slots, one_thread, 120)
{
	struct call_counter writes, flushes;

	ASSERT_EQ(0, calls_open(&writes, SLOT_WRITE));
	ASSERT_EQ(0, calls_open(&flushes, ARCH_SLOT_FLUSH));
	EXPECT_EQ(0, call_all(10));
	expect_each(_metadata, &self->counter, 10);
	/* Slots that were used for one instruction were used for another one. */
	if (variant->too_many)
		EXPECT_LT(2 * functions, calls(&writes));
	if (ARCH_SLOT_FLUSH && implementation_is_rust())
		EXPECT_LE(calls(&writes), calls(&flushes));
	calls_close(&writes);
	calls_close(&flushes);
}

TEST_F_TIMEOUT(slots, more_threads_than_slots, 120)
{
	EXPECT_EQ(0, run_threads(THREADS, THREADS, 1));
	expect_each(_metadata, &self->counter, THREADS);
}

/* Slots that a thread held are free again when it is gone. */
TEST_F_TIMEOUT(slots, threads_come_and_go, 120)
{
	EXPECT_EQ(0, run_threads(variant->threads_in_all, 4, 1));
	expect_each(_metadata, &self->counter, variant->threads_in_all);
}

#define BLOCKED	40

/* Threads that block in the middle of a step, in a page fault. */
FIXTURE(blocked)
{
	struct trace_counter counter;
	pthread_t threads[BLOCKED];
	long *page;
	int fd;
};

static void *load_in_thread(void *page)
{
	return (void *)load(page);
}

FIXTURE_SETUP(blocked)
{
	self->fd = missing_page_make(&self->page);
	if (self->fd == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, trace_create(&self->counter, "blocked", PROBE_ENTRY));
	ASSERT_EQ(0, trace_add(&self->counter, place_of(load)));
	ASSERT_EQ(0, trace_enable(&self->counter));
	for (int i = 0; i < BLOCKED; i++)
		pthread_create(&self->threads[i], NULL, load_in_thread, self->page);
	/* The first has blocked; time for the others to do so, too. */
	ASSERT_EQ(0, missing_page_wait(self->fd));
	usleep(200000);
}

FIXTURE_TEARDOWN(blocked)
{
	EXPECT_EQ(0, missing_page_fill(self->fd, self->page, 4711));
	for (int i = 0; i < BLOCKED; i++) {
		void *value;

		pthread_join(self->threads[i], &value);
		EXPECT_EQ(4711, (long)value);
	}
	EXPECT_EQ(BLOCKED, trace_hits(&self->counter));
	trace_destroy(&self->counter);
}

/* All of them get their slot, the latest when the others are done. */
TEST_F(blocked, all_proceed)
{
}

/* And nobody else waits for them. */
TEST_F(blocked, another_thread_steps)
{
	int probe;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation waits for a slot of its one page");
	probe = probe_self(stepped, PROBE_ENTRY);
	ASSERT_GE(probe, 0);
	for (int i = 1; i <= 100; i++) {
		EXPECT_EQ(i + 1, stepped(i));
		EXPECT_EQ(i, hits(probe));
	}
}

TEST_HARNESS_MAIN
