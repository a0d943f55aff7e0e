// SPDX-License-Identifier: GPL-2.0
/*
 * Attaching and detaching while threads are in the probed functions: what is
 * attached throughout counts every call, what is attached for a while counts
 * the calls of that while, and nothing is counted once detaching has returned.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "missing_page.h"
#include "uprobe_test.h"

#define THREADS		3
#define ROUNDS		3

static struct {
	pthread_t thread;
	/* Written by the thread alone: calls begun, calls ended, wrong results. */
	volatile long begun, ended, wrong;
} callers[THREADS];

static volatile bool stop;

static void *call_for_ever(void *number)
{
	typeof(&callers[0]) caller = &callers[(long)number];
	long n;

	for (n = 1; !stop; n++) {
		caller->begun = n;
		caller->wrong += stepped(n) != n + 1;
		caller->wrong += emulated(n) != n;
		caller->wrong += recurse(2, NULL, NULL) != 2;
		caller->wrong += tail_a() != 3;
		caller->ended = n;
	}
	return NULL;
}

static void start_callers(void)
{
	for (long i = 0; i < THREADS; i++)
		pthread_create(&callers[i].thread, NULL, call_for_ever, (void *)i);
}

static long stop_callers(void)
{
	long wrong = 0;

	stop = true;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(callers[i].thread, NULL);
		wrong += callers[i].wrong;
	}
	return wrong;
}

static long sum_begun(void)
{
	long sum = 0;

	for (int i = 0; i < THREADS; i++)
		sum += callers[i].begun;
	return sum;
}

static long sum_ended(void)
{
	long sum = 0;

	for (int i = 0; i < THREADS; i++)
		sum += callers[i].ended;
	return sum;
}

static void wait_for_calls(long calls)
{
	long end = sum_ended() + calls;

	while (sum_ended() < end)
		usleep(100);
}

FIXTURE(detach)
{
	struct trace_counter counter;
};

FIXTURE_VARIANT(detach)
{
	const void *function;
	enum probe_kind kind;
	int hits_per_call;
};

#define VARIANT(name, fn, k, n)	\
	FIXTURE_VARIANT_ADD(detach, name) { .function = fn, .kind = k, .hits_per_call = n }

VARIANT(stepped, stepped, PROBE_ENTRY, 1);
VARIANT(emulated, emulated, PROBE_ENTRY, 1);
VARIANT(returning, recurse, PROBE_RETURN, 3);
VARIANT(returning_stepped, stepped, PROBE_RETURN, 1);
VARIANT(tail_call, tail_b, PROBE_RETURN, 1);

static void retry(int sig, siginfo_t *info, void *context)
{
	arch_retry_breakpoint(context);
}

/*
 * The C implementation takes a breakpoint that is gone for somebody else's, see
 * below. What these tests count is right all the same.
 */
static void forgive_traps(void)
{
	struct sigaction action = { .sa_sigaction = retry, .sa_flags = SA_SIGINFO };

	if (!implementation_is_rust())
		sigaction(SIGTRAP, &action, NULL);
}

FIXTURE_SETUP(detach)
{
	forgive_traps();
	ASSERT_EQ(0, trace_create(&self->counter, "detach", variant->kind));
	ASSERT_EQ(0, trace_add(&self->counter, place_of(variant->function)));
}

FIXTURE_TEARDOWN(detach)
{
	trace_destroy(&self->counter);
}

TEST_F(detach, while_threads_are_inside)
{
	long long total = 0;

	/* On arm64, where a breakpoint's trap can be preempted, this is likely; see `gone`. */
	if (!implementation_is_rust())
		SKIP(return, "the C implementation may send SIGTRAP");
	start_callers();
	for (int i = 0; i < ROUNDS; i++) {
		long ended_before, begun_attached, ended_attached, begun_after;
		long long count;

		ended_before = sum_ended();
		ASSERT_EQ(0, trace_enable(&self->counter));
		begun_attached = sum_begun();
		wait_for_calls(100);
		ended_attached = sum_ended();
		ASSERT_EQ(0, trace_disable(&self->counter));
		begun_after = sum_begun();

		count = trace_hits(&self->counter) - total;
		total += count;
		/* All that were wholly inside, none that was wholly outside. */
		EXPECT_LE(variant->hits_per_call * (ended_attached - begun_attached), count);
		EXPECT_GE(variant->hits_per_call * (begun_after - ended_before), count);

		wait_for_calls(100);
		EXPECT_EQ(total, trace_hits(&self->counter));
	}
	EXPECT_EQ(0, stop_callers());
}

/* Others come and go at the same place; this one misses nothing. */
TEST_F(detach, beside_one_that_stays)
{
	struct trace_counter other;

	ASSERT_EQ(0, trace_enable(&self->counter));
	ASSERT_EQ(0, trace_create(&other, "other", PROBE_RETURN));
	ASSERT_EQ(0, trace_add(&other, place_of(variant->function)));
	start_callers();
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, trace_enable(&other));
		wait_for_calls(100);
		ASSERT_EQ(0, trace_disable(&other));
		wait_for_calls(100);
	}
	EXPECT_EQ(0, stop_callers());
	EXPECT_EQ(variant->hits_per_call * sum_ended(), trace_hits(&self->counter));
	trace_destroy(&other);
}

/* The process ends while its probe is being attached and detached. */
static void be_called_until_killed(void *unused)
{
	start_callers();
	for (;;)
		pause();
}

TEST_F(detach, while_the_process_dies)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (!pid)
			be_called_until_killed(NULL);
		ASSERT_EQ(0, trace_enable(&self->counter));
		usleep(3000 * i);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(0, trace_disable(&self->counter));
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	}
}

FIXTURE(gone)
{
};

FIXTURE_SETUP(gone)
{
	if (!implementation_is_rust())
		SKIP(return, "the C implementation sends SIGTRAP");
}

FIXTURE_TEARDOWN(gone)
{
}

#define TIMES	40

/*
 * A thread may have run into a breakpoint that is gone when the kernel comes to
 * look at it, and with it all probes of the process: it goes on as if there had
 * been none.
 */
TEST_F_TIMEOUT(gone, while_threads_run_into_it, 120)
{
	start_callers();
	for (int i = 0; i < TIMES; i++) {
		int probe = probe_self(emulated, PROBE_ENTRY);

		ASSERT_GE(probe, 0);
		usleep(200);
		close(probe);
	}
	EXPECT_EQ(0, stop_callers());
}

static volatile bool detached;

static void *call_in_thread(void *arg)
{
	return (void *)emulated((long)arg);
}

static void *detach_in_thread(void *counter)
{
	trace_disable(counter);
	detached = true;
	return NULL;
}

/* A handler that blocks, fetching what is not there, holds up the detach. */
TEST(waits_for_a_handler)
{
	struct trace_counter counter;
	pthread_t caller, detacher;
	long long count = 0;
	long *page = NULL;
	void *result;
	int fd = missing_page_make(&page);

	if (fd == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, trace_create(&counter, "handler", PROBE_ENTRY));
	ASSERT_EQ(0, trace_add_fetching(&counter, place_of(emulated), ARCH_FETCH_FIRST_ARG));
	ASSERT_EQ(0, trace_enable(&counter));
	pthread_create(&caller, NULL, call_in_thread, page);
	ASSERT_EQ(0, missing_page_wait(fd));
	pthread_create(&detacher, NULL, detach_in_thread, &counter);
	usleep(500000);
	EXPECT_FALSE(detached);
	ASSERT_EQ(0, missing_page_fill(fd, page, 1));
	pthread_join(caller, &result);
	EXPECT_EQ((void *)page, result);
	pthread_join(detacher, NULL);
	/* The handler ran, but had nowhere left to write its entry to. */
	EXPECT_EQ(1, trace_hits_each(&counter, &count, 1));
	EXPECT_EQ(1, count);
	trace_destroy(&counter);
}

TEST_HARNESS_MAIN
