// SPDX-License-Identifier: GPL-2.0
/*
 * More instructions to step, and more threads that step them, than a page of
 * slots holds: every step is counted once and executes its own instruction.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define THREADS	64

static long call_many(int i, long x)
{
	return ((long (*)(long))(many + i * MANY_STRIDE))(x);
}

/* Calls each of the functions @rounds times, starting at another one each. */
static long call_all(long rounds)
{
	long wrong = 0;

	for (long round = 0; round < rounds; round++) {
		for (int n = 0; n < MANY_COUNT; n++) {
			int i = (n + 7 * round) % MANY_COUNT;

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

FIXTURE_SETUP(slots)
{
	ASSERT_EQ(0, trace_create(&self->counter, "slots", PROBE_ENTRY));
	for (int i = 0; i < MANY_COUNT; i++)
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

	EXPECT_EQ(MANY_COUNT, trace_hits_each(counter, each, MANY_COUNT + 1));
	for (int i = 0; i < MANY_COUNT; i++)
		EXPECT_EQ(count, each[i]);
	EXPECT_EQ(count * MANY_COUNT, trace_hits(counter));
}

TEST_F(slots, one_thread)
{
	EXPECT_EQ(0, call_all(20));
	expect_each(_metadata, &self->counter, 20);
}

TEST_F(slots, more_threads_than_slots)
{
	EXPECT_EQ(0, run_threads(THREADS, THREADS, 3));
	expect_each(_metadata, &self->counter, THREADS * 3);
}

/* Slots that a thread held are free again when it is gone. */
TEST_F(slots, threads_come_and_go)
{
	EXPECT_EQ(0, run_threads(240, 4, 1));
	expect_each(_metadata, &self->counter, 240);
}

#define BLOCKED	40

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

/*
 * Threads that block in the middle of a step, in a page fault that another
 * thread has yet to resolve, more of them than a page has slots.
 */
TEST(blocked_in_the_slots)
{
	static long content[512] __attribute__((aligned(4096))) = { 4711 };
	struct trace_counter counter;
	struct uffdio_copy copy = { .src = (unsigned long)content, .len = 4096 };
	pthread_t threads[BLOCKED];
	struct uffd_msg msg;
	long *page = NULL;
	int fd = missing_page(&page);

	if (fd == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, trace_create(&counter, "blocked", PROBE_ENTRY));
	ASSERT_EQ(0, trace_add(&counter, place_of(load)));
	ASSERT_EQ(0, trace_enable(&counter));
	for (int i = 0; i < BLOCKED; i++)
		pthread_create(&threads[i], NULL, load_in_thread, page);
	/* The first fault is reported; time for the others to block, too. */
	ASSERT_EQ((ssize_t)sizeof(msg), read(fd, &msg, sizeof(msg)));
	usleep(200000);
	copy.dst = (unsigned long)page;
	ASSERT_EQ(0, ioctl(fd, UFFDIO_COPY, &copy));
	for (int i = 0; i < BLOCKED; i++) {
		void *value;

		pthread_join(threads[i], &value);
		EXPECT_EQ(4711, (long)value);
	}
	EXPECT_EQ(BLOCKED, trace_hits(&counter));
	trace_destroy(&counter);
}

TEST_HARNESS_MAIN
