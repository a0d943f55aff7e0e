// SPDX-License-Identifier: GPL-2.0
/*
 * More instructions to step, and more threads that step them, than there are
 * slots: every step is counted once and executes its own instruction.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define THREADS	64

#define SYSLOG_ACTION_READ_ALL	3

static long call_many(int i, long x)
{
	return ((long (*)(long))(many + i * MANY_STRIDE))(x);
}

/* How many of the functions are used. */
static int functions;

/* Calls each of the functions @rounds times, starting at another one each. */
static long call_all(long rounds)
{
	long wrong = 0;

	for (long round = 0; round < rounds; round++) {
		for (int n = 0; n < functions; n++) {
			int i = (n + 7 * round) % functions;

			wrong += call_many(i, round) != round + i;
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
};

/* A page has 31 slots; the Rust implementation has 1024 at most. */
FIXTURE_VARIANT_ADD(slots, few) { .functions = 25, .threads_in_all = 800 };
FIXTURE_VARIANT_ADD(slots, pages) { .functions = 200, .threads_in_all = 240 };
FIXTURE_VARIANT_ADD(slots, beyond_the_bound) { .functions = MANY_COUNT, .threads_in_all = 24 };

FIXTURE_SETUP(slots)
{
	functions = variant->functions;
	ASSERT_EQ(0, trace_create(&self->counter, "slots", PROBE_ENTRY));
	for (int i = 0; i < functions; i++)
		ASSERT_EQ(0, trace_add(&self->counter, place_of(many + i * MANY_STRIDE)));
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

TEST_F(slots, one_thread)
{
	EXPECT_EQ(0, call_all(10));
	expect_each(_metadata, &self->counter, 10);
}

TEST_F(slots, more_threads_than_slots)
{
	EXPECT_EQ(0, run_threads(THREADS, THREADS, 1));
	expect_each(_metadata, &self->counter, THREADS);
}

/* Slots that a thread held are free again when it is gone. */
TEST_F(slots, threads_come_and_go)
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

static int missing_page(long **page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .len = 4096 },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (unsigned long)*page;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		return -errno;
	return fd;
}

static void *load_in_thread(void *page)
{
	return (void *)load(page);
}

FIXTURE_SETUP(blocked)
{
	struct uffd_msg msg;

	self->fd = missing_page(&self->page);
	if (self->fd == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, trace_create(&self->counter, "blocked", PROBE_ENTRY));
	ASSERT_EQ(0, trace_add(&self->counter, place_of(load)));
	ASSERT_EQ(0, trace_enable(&self->counter));
	for (int i = 0; i < BLOCKED; i++)
		pthread_create(&self->threads[i], NULL, load_in_thread, self->page);
	/* The first fault is reported; time for the others to block, too. */
	ASSERT_EQ((ssize_t)sizeof(msg), read(self->fd, &msg, sizeof(msg)));
	usleep(200000);
}

FIXTURE_TEARDOWN(blocked)
{
	static long content[512] __attribute__((aligned(4096))) = { 4711 };
	struct uffdio_copy copy = {
		.dst = (unsigned long)self->page,
		.src = (unsigned long)content,
		.len = 4096,
	};

	EXPECT_EQ(0, ioctl(self->fd, UFFDIO_COPY, &copy));
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

static bool is_rust(void)
{
	static char log[1 << 20];
	int size = klogctl(SYSLOG_ACTION_READ_ALL, log, sizeof(log) - 1);

	return size > 0 && strstr(log, "uprobes: implementation: rust");
}

/* And nobody else waits for them. */
TEST_F(blocked, another_thread_steps)
{
	int probe;

	if (!is_rust())
		SKIP(return, "the C implementation waits for a slot of its one page");
	probe = probe_self(stepped, PROBE_ENTRY);
	ASSERT_GE(probe, 0);
	for (int i = 1; i <= 100; i++) {
		EXPECT_EQ(i + 1, stepped(i));
		EXPECT_EQ(i, hits(probe));
	}
}

TEST_HARNESS_MAIN
