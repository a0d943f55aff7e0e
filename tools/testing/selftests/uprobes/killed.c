// SPDX-License-Identifier: GPL-2.0
/*
 * Tracers and traced processes that are killed where it hurts: in a handler, in
 * a slot, between entry and return, while attaching. Nothing of them stays, and
 * others go on as if they had never been.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "missing_page.h"
#include "uprobe_test.h"

#define ROUNDS	5

/* Where a traced child tells that it is where it shall be killed. */
static int ready[2];

static void say_ready(void)
{
	if (write(ready[1], "", 1) != 1)
		_exit(1);
}

static bool wait_until_ready(void)
{
	char byte;

	return read(ready[0], &byte, 1) == 1;
}

/* Blocks whoever touches the page, and tells when somebody does. */
static int missing_fd;
static long *missing;

static void *tell_when_missed(void *unused)
{
	if (!missing_page_wait(missing_fd))
		say_ready();
	return NULL;
}

static void make_page_missing(void)
{
	pthread_t thread;

	missing_fd = missing_page_make(&missing);
	if (missing_fd < 0)
		_exit(1);
	pthread_create(&thread, NULL, tell_when_missed, NULL);
}

/* The handler of this one fetches what its argument points to. */
static void block_in_handler(void)
{
	make_page_missing();
	emulated((long)missing);
}

static void block_in_slot(void)
{
	make_page_missing();
	load(missing);
}

static long block_here(void *unused)
{
	say_ready();
	return pause();
}

static void block_before_return(void)
{
	recurse(9, block_here, NULL);
}

FIXTURE(killed)
{
	struct trace_counter counter;
};

FIXTURE_VARIANT(killed)
{
	const void *function;
	enum probe_kind kind;
	const char *fetch;
	void (*block)(void);
	/* What blocks has been counted; what has not returned has not. */
	int counted;
};

FIXTURE_VARIANT_ADD(killed, in_handler) {
	.function = emulated, .kind = PROBE_ENTRY, .fetch = ARCH_FETCH_FIRST_ARG,
	.block = block_in_handler, .counted = 0,
};

FIXTURE_VARIANT_ADD(killed, in_slot) {
	.function = load, .kind = PROBE_ENTRY, .fetch = "",
	.block = block_in_slot, .counted = 1,
};

FIXTURE_VARIANT_ADD(killed, before_return) {
	.function = recurse, .kind = PROBE_RETURN, .fetch = "",
	.block = block_before_return, .counted = 0,
};

FIXTURE_SETUP(killed)
{
	int fd = missing_page_make(&missing);

	if (fd == -ENOSYS)
		SKIP(return, "no userfaultfd");
	close(fd);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, trace_create(&self->counter, "killed", variant->kind));
	ASSERT_EQ(0, trace_add_fetching(&self->counter, place_of(variant->function),
					variant->fetch));
	ASSERT_EQ(0, trace_enable(&self->counter));
}

FIXTURE_TEARDOWN(killed)
{
	trace_destroy(&self->counter);
}

static pid_t start_blocking(void (*block)(void))
{
	pid_t pid = fork();

	if (!pid) {
		block();
		_exit(1);
	}
	return wait_until_ready() ? pid : -1;
}

static void call_once(const void *function)
{
	static const long value = 3;

	if (function == recurse)
		recurse(0, NULL, NULL);
	else if (function == load)
		load(&value);
	else
		emulated((long)&value);
}

TEST_F(killed, tracee)
{
	/* A handler that is killed while it fetches has its event all the same. */
	long long before = 0;

	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = start_blocking(variant->block);
		long long now;
		int status;

		ASSERT_LT(0, pid);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));

		now = trace_hits(&self->counter);
		if (variant->block != block_in_handler)
			EXPECT_EQ(before + variant->counted, now);
		call_once(variant->function);
		EXPECT_EQ(now + 1, trace_hits(&self->counter));
		before = now + 1;
	}
}

static void *disable(void *counter)
{
	return (void *)(long)trace_disable(counter);
}

/* The probe goes first. It has to wait for a handler, which the kill ends. */
TEST_F(killed, after_the_probe)
{
	pid_t pid = start_blocking(variant->block);
	long long before;
	pthread_t thread;
	void *result;

	ASSERT_LT(0, pid);
	pthread_create(&thread, NULL, disable, &self->counter);
	usleep(100000);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	pthread_join(thread, &result);
	EXPECT_EQ(NULL, result);
	before = trace_hits(&self->counter);
	/* As above; if the host is slow then the handler may end before the event. */
	if (variant->block != block_in_handler)
		EXPECT_EQ(variant->counted, before);
	ASSERT_EQ(0, trace_enable(&self->counter));
	call_once(variant->function);
	EXPECT_EQ(before + 1, trace_hits(&self->counter));
}

static const void *const traced[] = { emulated, stepped, stepped_b, recurse, recurse_b };

#define TRACED	(sizeof(traced) / sizeof(traced[0]))

static bool any_breakpoint(void)
{
	for (size_t i = 0; i < TRACED; i++) {
		if (arch_is_breakpoint(traced[i]))
			return true;
	}
	return false;
}

static void attach_all(void)
{
	for (size_t i = 0; i < TRACED; i++) {
		if (probe_cpu0(traced[i], i % 2 ? PROBE_RETURN : PROBE_ENTRY) < 0)
			_exit(1);
	}
}

static void attach_and_wait(void)
{
	attach_all();
	block_here(NULL);
}

/* Its probes go with it, before it can be waited for. */
TEST(tracer)
{
	ASSERT_EQ(0, pipe(ready));
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = start_blocking(attach_and_wait);

		ASSERT_LT(0, pid);
		EXPECT_TRUE(any_breakpoint());
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		EXPECT_FALSE(any_breakpoint());
		EXPECT_EQ(4, recurse(4, NULL, NULL));
	}
}

static void attach_for_ever(void)
{
	say_ready();
	for (;;) {
		attach_all();
		for (int fd = 3; fd < 3 + 2 * (int)TRACED; fd++)
			close(fd);
	}
}

/* Wherever in attaching or detaching it is. */
TEST(tracer_at_work)
{
	if (!implementation_is_rust())
		SKIP(return, "the C implementation leaks the probe");
	ASSERT_EQ(0, pipe(ready));
	for (int i = 0; i < 4 * ROUNDS; i++) {
		pid_t pid = start_blocking(attach_for_ever);
		int probe;

		ASSERT_LT(0, pid);
		usleep(1700 * i);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		EXPECT_FALSE(any_breakpoint());
		probe = probe_self(stepped, PROBE_ENTRY);
		ASSERT_GE(probe, 0);
		EXPECT_EQ(2, stepped(1));
		EXPECT_EQ(1, hits(probe));
		close(probe);
	}
}

/* Makes a call of the probe at once, in a page that it shares with its parent. */
static void call_optimised(void)
{
	for (;;)
		optimised(1);
}

FIXTURE(optimising)
{
};

FIXTURE_SETUP(optimising)
{
}

FIXTURE_TEARDOWN(optimising)
{
}

/*
 * C warns, and makes no call of the probe any more in any process, if the one
 * that does it is killed meanwhile. A debug kernel takes its time for hundreds
 * of processes.
 */
TEST_F_TIMEOUT(optimising, killed_meanwhile, 240)
{
	int probe;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation warns");
	probe = probe_cpu0(optimised, PROBE_ENTRY);
	ASSERT_GE(probe, 0);
	for (int i = 0; i < 300; i++) {
		pid_t pid = fork();
		int status;

		if (!pid)
			call_optimised();
		usleep(i * 7 % 300);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
	}
	close(probe);
	EXPECT_FALSE(arch_is_breakpoint(optimised));
}

TEST_HARNESS_MAIN
