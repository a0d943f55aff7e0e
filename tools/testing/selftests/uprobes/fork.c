// SPDX-License-Identifier: GPL-2.0
/*
 * New processes and pending returns: a fork's child returns through its copies
 * of them, a vfork's child and a task that shares the address space keep apart
 * from their parent's. Everything runs on CPU 0, so that one event counts it.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

FIXTURE(fork)
{
	int entry;
	int ret;
};

FIXTURE_SETUP(fork)
{
	run_on_cpu0();
	self->entry = probe_cpu0(recurse, PROBE_ENTRY);
	self->ret = probe_cpu0(recurse, PROBE_RETURN);
	ASSERT_GE(self->entry, 0);
	ASSERT_GE(self->ret, 0);
}

FIXTURE_TEARDOWN(fork)
{
	close(self->entry);
	close(self->ret);
}

static pid_t child;

static long fork_here(void *unused)
{
	child = fork();
	return 0;
}

static int wait_for_exit(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

TEST_F(fork, both_return)
{
	long frames = recurse(9, fork_here, NULL);

	if (!child)
		_exit(frames != 9);
	ASSERT_EQ(9, frames);
	ASSERT_EQ(0, wait_for_exit(child));
	EXPECT_EQ(10, hits(self->entry));
	EXPECT_EQ(20, hits(self->ret));
}

static long fork_twice(void *unused)
{
	fork_here(NULL);
	return child ? 0 : fork_here(NULL);
}

TEST_F(fork, grandchild_returns)
{
	pid_t test = getpid();
	long frames = recurse(63, fork_twice, NULL);

	if (getpid() != test)
		_exit(frames != 63 || (child && wait_for_exit(child)));
	ASSERT_EQ(63, frames);
	ASSERT_EQ(0, wait_for_exit(child));
	EXPECT_EQ(64, hits(self->entry));
	EXPECT_EQ(3 * 64, hits(self->ret));
}

/* More than 100 ms, after which the kernel no longer leases pending returns. */
static long fork_late(void *unused)
{
	usleep(250000);
	fork_here(NULL);
	if (!child)
		usleep(250000);
	return 0;
}

TEST_F(fork, both_return_late)
{
	long frames = recurse(4, fork_late, NULL);

	if (!child)
		_exit(frames != 4);
	ASSERT_EQ(4, frames);
	ASSERT_EQ(0, wait_for_exit(child));
	EXPECT_EQ(10, hits(self->ret));
}

static long fork_and_detach(void *counter)
{
	int pipe_fds[2];
	char go;

	if (pipe(pipe_fds))
		return -1;
	child = fork();
	close(pipe_fds[child ? 0 : 1]);
	if (!child)	/* until the parent closes its end */
		return read(pipe_fds[0], &go, 1);
	trace_disable(counter);
	close(pipe_fds[1]);
	return 0;
}

TEST_F(fork, child_returns_after_detach)
{
	struct trace_counter counter;
	long frames;

	ASSERT_EQ(0, trace_create(&counter, "fork", PROBE_RETURN));
	ASSERT_EQ(0, trace_add(&counter, place_of(recurse_b)));
	ASSERT_EQ(0, trace_enable(&counter));
	ASSERT_EQ(2, recurse_b(2, NULL, NULL));
	EXPECT_EQ(3, trace_hits(&counter));
	frames = recurse_b(9, fork_and_detach, &counter);
	if (!child)
		_exit(frames != 9);
	ASSERT_EQ(9, frames);
	ASSERT_EQ(0, wait_for_exit(child));
	EXPECT_EQ(3, trace_hits(&counter));
	trace_destroy(&counter);
}

static bool same_area(const struct mapping *before)
{
	struct mapping now;

	return find_mapping(XOL_NAME, &now) && now.start == before->start;
}

static long fork_and_compare_areas(void *unused)
{
	struct mapping before;

	if (!find_mapping(XOL_NAME, &before))
		return -1;
	fork_here(NULL);
	return child ? 0 : !same_area(&before);
}

/* Where the kernel puts the area when nothing is in its way. */
static unsigned long default_area(void)
{
	struct mapping area;
	unsigned long start = 0;
	int fds[2];

	if (pipe(fds))
		return 0;
	fork_here(NULL);
	if (!child) {
		recurse(0, NULL, NULL);
		if (!find_mapping(XOL_NAME, &area) || 
		    write(fds[1], &area.start, sizeof(area.start)) != sizeof(area.start))
			_exit(1);
		_exit(0);
	}
	if (wait_for_exit(child) || read(fds[0], &start, sizeof(start)) != sizeof(start))
		start = 0;
	close(fds[0]);
	close(fds[1]);
	return start;
}

/*
 * Return addresses on the copied stack point into the area, so the child's is
 * where its parent's is, even if it would be elsewhere by default.
 */
TEST_F(fork, child_has_the_area_in_place)
{
	void *usual_place = (void *)default_area(), *in_the_way;
	struct mapping area;
	long frames;

	ASSERT_NE(NULL, usual_place);
	in_the_way = mmap(usual_place, 4096, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	ASSERT_EQ(usual_place, in_the_way);
	ASSERT_EQ(0, recurse(0, NULL, NULL));
	ASSERT_TRUE(find_mapping(XOL_NAME, &area));
	ASSERT_NE(usual_place, (void *)area.start);
	munmap(in_the_way, 4096);

	frames = recurse(1, fork_and_compare_areas, NULL);
	if (!child)
		_exit(frames != 1);
	ASSERT_EQ(1, frames);
	ASSERT_EQ(0, wait_for_exit(child));
}

TEST_F(fork, child_without_pending_has_none)
{
	struct mapping area;

	ASSERT_EQ(1, recurse(1, NULL, NULL));
	ASSERT_TRUE(find_mapping(XOL_NAME, &area));
	fork_here(NULL);
	if (!child)
		_exit(find_mapping(XOL_NAME, &area) || recurse(2, NULL, NULL) != 2);
	ASSERT_EQ(0, wait_for_exit(child));
	EXPECT_EQ(2 + 3, hits(self->ret));
}

/* The child ends inside the functions; the parent returns from them. */
static long vfork_here(void *unused)
{
	child = vfork();
	if (!child)
		_exit(recurse(2, NULL, NULL) != 2);
	return 0;
}

TEST_F(fork, vfork_child_has_its_own)
{
	for (int i = 1; i <= 20; i++) {
		ASSERT_EQ(9, recurse(9, vfork_here, NULL));
		ASSERT_EQ(0, wait_for_exit(child));
		EXPECT_EQ(13 * i, hits(self->entry));
		EXPECT_EQ(13 * i, hits(self->ret));
	}
}

static int recurse_in_clone(void *unused)
{
	for (int i = 0; i < 50; i++) {
		if (recurse(20, NULL, NULL) != 20)
			return 1;
	}
	return 0;
}

static long clone_here(void *stack_end)
{
	child = clone(recurse_in_clone, stack_end, CLONE_VM | SIGCHLD, NULL);
	return recurse_in_clone(NULL);
}

TEST_F(fork, shared_address_space)
{
	const size_t size = 256 * 1024;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, stack);
	ASSERT_EQ(9, recurse(9, clone_here, stack + size));
	ASSERT_EQ(0, wait_for_exit(child));
	EXPECT_EQ(10 + 2 * 50 * 21, hits(self->entry));
	EXPECT_EQ(10 + 2 * 50 * 21, hits(self->ret));
}

TEST_F(fork, many_children)
{
	for (int i = 1; i <= 40; i++) {
		fork_here(NULL);
		if (!child)
			_exit(recurse(9, NULL, NULL) != 9);
		ASSERT_EQ(9, recurse(9, NULL, NULL));
		ASSERT_EQ(0, wait_for_exit(child));
		EXPECT_EQ(20 * i, hits(self->ret));
	}
}

TEST_HARNESS_MAIN
