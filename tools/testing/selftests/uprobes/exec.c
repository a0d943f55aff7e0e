// SPDX-License-Identifier: GPL-2.0
/*
 * exec under probes: what was pending in the old image is forgotten, and the
 * new image is probed from its first instruction on. The new image is this
 * program again, which calls the probed functions and ends.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "missing_page.h"
#include "uprobe_test.h"

#define NEW_IMAGE	"--new-image"
#define NEW_FRAMES	9

static int new_image(void)
{
	struct mapping area;

	if (find_mapping(XOL_NAME, &area))
		return 1;
	if (recurse(NEW_FRAMES, NULL, NULL) != NEW_FRAMES || stepped(1) != 2)
		return 2;
	return 0;
}

static long exec_here(void *unused)
{
	execl("/proc/self/exe", "exec", NEW_IMAGE, NULL);
	_exit(100);
}

FIXTURE(exec)
{
	int entry, ret, step;
};

FIXTURE_SETUP(exec)
{
	run_on_cpu0();
	self->entry = probe_cpu0(recurse, PROBE_ENTRY);
	self->ret = probe_cpu0(recurse, PROBE_RETURN);
	self->step = probe_cpu0(stepped, PROBE_ENTRY);
	ASSERT_GE(self->entry, 0);
	ASSERT_GE(self->ret, 0);
	ASSERT_GE(self->step, 0);
}

FIXTURE_TEARDOWN(exec)
{
}

static void exec_while_pending(void *unused)
{
	stepped(1);
	recurse(19, exec_here, NULL);
}

TEST_F(exec, while_returns_are_pending)
{
	for (int i = 1; i <= 5; i++) {
		ASSERT_EQ(0, run_in_child(exec_while_pending, NULL));
		EXPECT_EQ((20 + NEW_FRAMES + 1) * i, hits(self->entry));
		EXPECT_EQ((NEW_FRAMES + 1) * i, hits(self->ret));
		EXPECT_EQ(2 * i, hits(self->step));
	}
}

static void exec_late(void *unused)
{
	usleep(250000);
	recurse(4, exec_here, NULL);
}

TEST_F(exec, after_the_lease)
{
	ASSERT_EQ(0, run_in_child(exec_late, NULL));
	EXPECT_EQ(5 + NEW_FRAMES + 1, hits(self->entry));
	EXPECT_EQ(NEW_FRAMES + 1, hits(self->ret));
}

#define PENDING_THREADS	3

static int pausing;

static long pause_here(void *unused)
{
	__atomic_add_fetch(&pausing, 1, __ATOMIC_SEQ_CST);
	return pause();
}

static void *pend_in_thread(void *unused)
{
	recurse(9, pause_here, NULL);
	return NULL;
}

static void *step_in_thread(void *unused)
{
	for (long i = 0; ; i++)
		stepped(i);
	return NULL;
}

/* exec from one thread ends the others, wherever they are. */
static void exec_amid_threads(void *unused)
{
	pthread_t thread;

	for (int i = 0; i < PENDING_THREADS; i++) {
		pthread_create(&thread, NULL, pend_in_thread, NULL);
		pthread_create(&thread, NULL, step_in_thread, NULL);
	}
	while (__atomic_load_n(&pausing, __ATOMIC_SEQ_CST) < PENDING_THREADS)
		usleep(1000);
	recurse(9, exec_here, NULL);
}

TEST_F(exec, beside_threads)
{
	for (int i = 1; i <= 3; i++) {
		ASSERT_EQ(0, run_in_child(exec_amid_threads, NULL));
		EXPECT_EQ(((PENDING_THREADS + 1) * 10 + NEW_FRAMES + 1) * i, hits(self->entry));
		EXPECT_EQ((NEW_FRAMES + 1) * i, hits(self->ret));
	}
}

static int missing_fd;
static long *missing;

static void *load_missing(void *unused)
{
	return (void *)load(missing);
}

static void exec_amid_a_step(void *unused)
{
	pthread_t thread;

	missing_fd = missing_page_make(&missing);
	pthread_create(&thread, NULL, load_missing, NULL);
	if (missing_page_wait(missing_fd))
		_exit(101);
	exec_here(NULL);
}

/* The slot goes with a thread in it. */
TEST_F(exec, beside_a_step)
{
	int probe = probe_cpu0(load, PROBE_ENTRY);
	int fd = missing_page_make(&missing);

	if (fd == -ENOSYS)
		SKIP(return, "no userfaultfd");
	close(fd);
	ASSERT_GE(probe, 0);
	for (int i = 1; i <= 3; i++) {
		ASSERT_EQ(0, run_in_child(exec_amid_a_step, NULL));
		EXPECT_EQ(i, hits(probe));
		EXPECT_EQ((NEW_FRAMES + 1) * i, hits(self->ret));
	}
}

static pid_t child;

static long vfork_and_exec(void *unused)
{
	child = vfork();
	if (!child)
		exec_here(NULL);
	return 0;
}

TEST_F(exec, from_a_vfork)
{
	int status;

	ASSERT_EQ(4, recurse(4, vfork_and_exec, NULL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(5 + NEW_FRAMES + 1, hits(self->entry));
	EXPECT_EQ(5 + NEW_FRAMES + 1, hits(self->ret));
}

/* An event that waits for the exec finds the new image only. */
TEST(enabled_on_exec)
{
	struct probe_spec spec = {
		.place = place_of(recurse),
		.cpu = -1,
		.enable_on_exec = true,
	};
	int pipe_fds[2], status, probe;
	char go;

	ASSERT_EQ(0, pipe(pipe_fds));
	spec.pid = fork();
	if (!spec.pid) {
		if (read(pipe_fds[0], &go, 1) == 1)
			exec_while_pending(NULL);
		_exit(1);
	}
	probe = probe_open(&spec);
	ASSERT_GE(probe, 0);
	ASSERT_EQ(1, write(pipe_fds[1], "", 1));
	ASSERT_EQ(spec.pid, waitpid(spec.pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(NEW_FRAMES + 1, hits(probe));
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], NEW_IMAGE))
		return new_image();
	return test_harness_run(argc, argv);
}
