// SPDX-License-Identifier: GPL-2.0
/*
 * A consumer written in Rust, samples/rust/rust_uprobe.ko: what it says it
 * counted and timed, and that it can go while threads are in it.
 *
 * The module is looked for in the current folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define MODULE	"rust_uprobe"
#define FIGURES	"/sys/kernel/debug/rust_uprobe/threads"

static bool have_module(void)
{
	return !access(MODULE ".ko", R_OK);
}

/* Each returns 0 or -errno. */
static int load_module(const char *parameters)
{
	int fd = open(MODULE ".ko", O_RDONLY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -errno;
	result = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return result;
}

static int load_for(const void *function)
{
	struct place place = place_of(function);
	char parameters[PATH_MAX + 64];

	snprintf(parameters, sizeof(parameters), "path=%s offset=%#lx", place.path, place.offset);
	return load_module(parameters);
}

static int unload_module(void)
{
	return syscall(SYS_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

struct figures {
	long entries, returns, nanoseconds, argument, result;
};

/*
 * What the module says about @thread, or about all together for 0; argument and
 * result are those of the last. How many threads that were, or -errno.
 */
static int figures_of(pid_t thread, struct figures *figures)
{
	FILE *file = fopen(FIGURES, "r");
	struct figures line;
	char text[128];
	int lines = 0;
	pid_t number;

	memset(figures, 0, sizeof(*figures));
	if (!file)
		return -errno;
	while (fgets(text, sizeof(text), file)) {
		if (sscanf(text, "%d %ld %ld %ld %lx %lx", &number, &line.entries, &line.returns,
			   &line.nanoseconds, &line.argument, &line.result) != 6)
			continue;
		if (thread && thread != number)
			continue;
		figures->entries += line.entries;
		figures->returns += line.returns;
		figures->nanoseconds += line.nanoseconds;
		figures->argument = line.argument;
		figures->result = line.result;
		lines++;
	}
	fclose(file);
	return lines;
}

/* Whose threads are probed: "mine" or "all"; 0 or -errno. */
static int choose(const char *processes)
{
	int fd = open(FIGURES, O_WRONLY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -errno;
	result = write(fd, processes, strlen(processes)) < 0 ? -errno : 0;
	close(fd);
	return result;
}

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}

FIXTURE(rust_consumer)
{
};

FIXTURE_SETUP(rust_consumer)
{
	if (!have_module())
		SKIP(return, "no " MODULE ".ko in the current folder");
}

FIXTURE_TEARDOWN(rust_consumer)
{
	unload_module();
}

#define THREADS	4

static struct caller {
	pthread_t thread;
	pid_t number;
	long calls;
	long wrong;
} callers[THREADS];

static void *call_some_times(void *arg)
{
	struct caller *caller = arg;

	caller->number = gettid();
	for (long i = 0; i < caller->calls; i++)
		caller->wrong += stepped(i) != i + 1;
	return NULL;
}

TEST_F(rust_consumer, counts_thread_by_thread)
{
	struct figures figures;

	ASSERT_EQ(0, load_for(stepped));
	for (int i = 0; i < THREADS; i++) {
		callers[i].calls = 100 * (i + 1);
		pthread_create(&callers[i].thread, NULL, call_some_times, &callers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(callers[i].thread, NULL);

	EXPECT_EQ(THREADS, figures_of(0, &figures));
	for (int i = 0; i < THREADS; i++) {
		EXPECT_EQ(0, callers[i].wrong);
		ASSERT_EQ(1, figures_of(callers[i].number, &figures));
		EXPECT_EQ(callers[i].calls, figures.entries);
		EXPECT_EQ(callers[i].calls, figures.returns);
		EXPECT_LT(0, figures.nanoseconds);
		EXPECT_EQ(callers[i].calls - 1, figures.argument);
		EXPECT_EQ(callers[i].calls, figures.result);
	}
	ASSERT_EQ(0, unload_module());
	EXPECT_EQ(-ENOENT, figures_of(0, &figures));
}

static long nap(void *microseconds)
{
	usleep((long)microseconds);
	return 0;
}

/* Every call of three that are nested is timed from its entry to its own return. */
TEST_F(rust_consumer, times_from_entry_to_return)
{
	const long microseconds = 20000;
	struct figures figures;
	long took;

	ASSERT_EQ(0, load_for(recurse));
	took = now();
	EXPECT_EQ(2, recurse(2, nap, (void *)microseconds));
	took = now() - took;
	ASSERT_EQ(1, figures_of(gettid(), &figures));
	EXPECT_EQ(3, figures.entries);
	EXPECT_EQ(3, figures.returns);
	EXPECT_LE(3 * 1000 * microseconds, figures.nanoseconds);
	EXPECT_GE(3 * took, figures.nanoseconds);
}

TEST_F(rust_consumer, says_why_it_cannot_be_loaded)
{
	struct place place = place_of(stepped);
	char parameters[PATH_MAX + 64];
	char name[300] = "path=";

	/* No name is the working folder. */
	EXPECT_EQ(-EINVAL, load_module(""));
	EXPECT_EQ(-ENOENT, load_module("path=/no/such/file"));
	EXPECT_EQ(-EINVAL, load_module("path=/proc"));
	memset(name + strlen(name), 'x', 256);
	EXPECT_EQ(-ENAMETOOLONG, load_module(name));
	snprintf(parameters, sizeof(parameters), "path=%s offset=0x7fffffff0000", place.path);
	EXPECT_EQ(-EINVAL, load_module(parameters));
	snprintf(parameters, sizeof(parameters), "path=%s offset=%#lx", place.path, -16UL);
	EXPECT_EQ(-EINVAL, load_module(parameters));
	/* After all that, it still can. */
	EXPECT_EQ(0, load_for(stepped));
}

/* A process of its own that calls stepped() when it is told to. */
struct other {
	pid_t pid;
	int orders[2], answers[2];
};

/* What it answers: whether the breakpoint was there before the call, and after it. */
#define BEFORE	1
#define AFTER	2

static void obey(struct other *other)
{
	char byte;

	close(other->orders[1]);
	while (read(other->orders[0], &byte, 1) == 1) {
		byte = arch_is_breakpoint(stepped) ? BEFORE : 0;
		if (stepped(1) != 2)
			_exit(1);
		byte |= arch_is_breakpoint(stepped) ? AFTER : 0;
		if (write(other->answers[1], &byte, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

static void start(struct other *other)
{
	if (pipe(other->orders) || pipe(other->answers))
		abort();
	other->pid = fork();
	if (!other->pid)
		obey(other);
	close(other->orders[0]);
	close(other->answers[1]);
}

static int call_in(struct other *other)
{
	char answer;

	if (write(other->orders[1], "", 1) != 1 || read(other->answers[0], &answer, 1) != 1)
		return -1;
	return answer;
}

static int stop_other(struct other *other)
{
	int status;

	close(other->orders[1]);
	close(other->answers[0]);
	return waitpid(other->pid, &status, 0) == other->pid ? status : -1;
}

/* Breakpoints come and go in another process as the consumer changes its mind. */
TEST_F(rust_consumer, is_applied_to_fewer_and_more)
{
	struct figures figures;
	struct other other;

	start(&other);
	ASSERT_EQ(0, load_for(stepped));
	EXPECT_EQ(BEFORE | AFTER, call_in(&other));
	EXPECT_EQ(1, figures_of(other.pid, &figures));

	ASSERT_EQ(0, choose("mine"));
	EXPECT_EQ(0, call_in(&other));
	EXPECT_EQ(2, stepped(1));
	EXPECT_EQ(1, figures_of(other.pid, &figures));
	EXPECT_EQ(1, figures.entries);
	EXPECT_EQ(1, figures_of(gettid(), &figures));
	EXPECT_EQ(1, figures.entries);

	ASSERT_EQ(0, choose("all\n"));
	EXPECT_EQ(BEFORE | AFTER, call_in(&other));
	EXPECT_EQ(1, figures_of(other.pid, &figures));
	EXPECT_EQ(2, figures.entries);
	EXPECT_EQ(2, figures.returns);

	EXPECT_EQ(-EINVAL, choose("some"));
	EXPECT_EQ(-EINVAL, choose("more than that"));
	EXPECT_EQ(0, stop_other(&other));
}

/* A child has its parent's breakpoints, until the consumer has the first one hit removed. */
TEST_F(rust_consumer, removes_a_breakpoint_that_was_inherited)
{
	struct figures figures;
	struct other child;

	ASSERT_EQ(0, load_for(stepped));
	ASSERT_EQ(0, choose("mine"));
	start(&child);
	EXPECT_EQ(BEFORE, call_in(&child));
	EXPECT_EQ(0, call_in(&child));
	EXPECT_EQ(0, figures_of(child.pid, &figures));
	EXPECT_EQ(2, stepped(1));
	EXPECT_EQ(1, figures_of(gettid(), &figures));
	EXPECT_EQ(0, stop_other(&child));
}

static volatile bool stop;

static void *call_until_stopped(void *arg)
{
	struct caller *caller = arg;

	for (long i = 0; !stop; i++) {
		caller->wrong += recurse(2, NULL, NULL) != 2;
		caller->calls += 1;
	}
	return NULL;
}

static void start_callers(void)
{
	stop = false;
	for (int i = 0; i < THREADS; i++) {
		callers[i].calls = callers[i].wrong = 0;
		pthread_create(&callers[i].thread, NULL, call_until_stopped, &callers[i]);
	}
}

TEST_F(rust_consumer, goes_while_threads_are_in_it)
{
	if (!implementation_is_rust())
		SKIP(return, "the C implementation may send SIGTRAP");
	start_callers();
	for (int i = 0; i < 10; i++) {
		struct figures figures = {};

		ASSERT_EQ(0, load_for(recurse));
		while (figures.returns < 100)
			ASSERT_LE(0, figures_of(0, &figures));
		/* Of each thread, up to three calls may be between entry and return. */
		EXPECT_LE(figures.returns, figures.entries);
		EXPECT_GE(figures.returns + 3 * THREADS, figures.entries);
		ASSERT_EQ(0, unload_module());
	}
	stop = true;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(callers[i].thread, NULL);
		EXPECT_EQ(0, callers[i].wrong);
		EXPECT_LT(0, callers[i].calls);
	}
}

static int gate[2];

static long wait_at_gate(void *unused)
{
	char byte;

	return read(gate[0], &byte, 1) - 1;
}

static void *call_and_wait(void *result)
{
	*(long *)result = recurse(1, wait_at_gate, NULL);
	return NULL;
}

/* The function returns where it has to, to nobody's knowledge. */
TEST_F(rust_consumer, goes_before_the_return)
{
	struct figures figures = {};
	pthread_t thread;
	long result = -1;

	ASSERT_EQ(0, pipe(gate));
	ASSERT_EQ(0, load_for(recurse));
	pthread_create(&thread, NULL, call_and_wait, &result);
	while (figures.entries < 2)
		ASSERT_LE(0, figures_of(0, &figures));
	EXPECT_EQ(0, figures.returns);
	ASSERT_EQ(0, unload_module());
	/* Another has the place meanwhile, and has not seen the entries. */
	ASSERT_EQ(0, load_for(recurse));
	ASSERT_EQ(1, write(gate[1], "", 1));
	pthread_join(thread, NULL);
	EXPECT_EQ(1, result);
	EXPECT_EQ(0, figures_of(0, &figures));
	close(gate[0]);
	close(gate[1]);
}

TEST_HARNESS_MAIN
