// SPDX-License-Identifier: GPL-2.0
/*
 * Probes of one process: others do not get the breakpoint, and one that has it
 * all the same, by fork, loses it at its first hit (UPROBE_HANDLER_REMOVE)
 * unless somebody else wants it there.
 */
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

/* How a child found the breakpoint before and after it called the function. */
enum seen { SEEN_BEFORE = 1, SEEN_AFTER = 2, SEEN_WRONG = 4 };

static void call_and_look(void *unused)
{
	int seen = 0;

	if (arch_is_breakpoint(stepped))
		seen |= SEEN_BEFORE;
	for (long i = 0; i < 100; i++) {
		if (stepped(i) != i + 1)
			seen |= SEEN_WRONG;
	}
	if (arch_is_breakpoint(stepped))
		seen |= SEEN_AFTER;
	_exit(seen);
}

static int seen_by_child(void)
{
	int status = run_in_child(call_and_look, NULL);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(removed_from_a_forked_child)
{
	int probe = probe_self(stepped, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	ASSERT_TRUE(arch_is_breakpoint(stepped));
	for (int i = 1; i <= 3; i++) {
		EXPECT_EQ(SEEN_BEFORE, seen_by_child());
		EXPECT_TRUE(arch_is_breakpoint(stepped));
		EXPECT_EQ(i, stepped(i - 1));
		EXPECT_EQ(i, hits(probe));
	}
}

TEST(kept_for_a_second_consumer)
{
	int mine, everybodys;

	run_on_cpu0();
	mine = probe_self(stepped, PROBE_ENTRY);
	everybodys = probe_cpu0(stepped, PROBE_ENTRY);
	ASSERT_GE(mine, 0);
	ASSERT_GE(everybodys, 0);
	EXPECT_EQ(SEEN_BEFORE | SEEN_AFTER, seen_by_child());
	EXPECT_EQ(0, hits(mine));
	EXPECT_EQ(100, hits(everybodys));
	close(everybodys);
	EXPECT_TRUE(arch_is_breakpoint(stepped));
	EXPECT_EQ(SEEN_BEFORE, seen_by_child());
	EXPECT_EQ(0, hits(mine));
}

/* A process that is there before the probe of another one never gets it. */
TEST(never_in_another_process)
{
	int pipe_fds[2], status, probe;
	char go;
	pid_t pid;

	ASSERT_EQ(0, pipe(pipe_fds));
	pid = fork();
	if (!pid) {
		if (read(pipe_fds[0], &go, 1) != 1)
			_exit(-1);
		call_and_look(NULL);
	}
	probe = probe_self(stepped, PROBE_ENTRY);
	ASSERT_GE(probe, 0);
	ASSERT_EQ(1, write(pipe_fds[1], "", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(2, stepped(1));
	EXPECT_EQ(1, hits(probe));
}

/* The target is named by its id, and is not the one that opens the event. */
TEST(only_in_the_named_process)
{
	struct probe_spec spec = { .place = place_of(stepped), .cpu = -1 };
	int pipe_fds[2], status, probe;
	char go;

	ASSERT_EQ(0, pipe(pipe_fds));
	spec.pid = fork();
	if (!spec.pid) {
		if (read(pipe_fds[0], &go, 1) != 1)
			_exit(-1);
		call_and_look(NULL);
	}
	probe = probe_open(&spec);
	ASSERT_GE(probe, 0);
	EXPECT_FALSE(arch_is_breakpoint(stepped));
	EXPECT_EQ(0, seen_by_child());
	ASSERT_EQ(1, write(pipe_fds[1], "", 1));
	ASSERT_EQ(spec.pid, waitpid(spec.pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(SEEN_BEFORE | SEEN_AFTER, WEXITSTATUS(status));
	EXPECT_EQ(100, hits(probe));
}

TEST_HARNESS_MAIN
