// SPDX-License-Identifier: GPL-2.0
/*
 * Hits while memory runs out: each allocation of a thread's first hit fails
 * once. The program must not notice. The tracer may: a return can be omitted,
 * and a hit that could not be stepped is reported once more when it is tried
 * again. The next hit, with memory, is counted exactly.
 */
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "first_hit.h"
#include "uprobe_test.h"

#define PAGE		4096
/* What the first block of slots holds beside the trampoline. */
#define FIRST_BLOCK	(ARCH_BLOCK_SLOTS - 1)
/* How many allocations another block takes at least: one that is a page is mapped, too. */
#define BLOCK_NEEDS	(PAGE / ARCH_SLOT_BYTES == ARCH_BLOCK_SLOTS ? 2 : 1)

FIXTURE(faults_hit)
{
	int probe;
};

FIXTURE_VARIANT(faults_hit)
{
	long (*call)(long x);
	long result;
	enum probe_kind kind;
	/* How often the first hit may be reported. */
	long long least, most;
};

FIXTURE_VARIANT_ADD(faults_hit, emulated) {
	.call = emulated, .result = 5, .kind = PROBE_ENTRY, .least = 1, .most = 1,
};

FIXTURE_VARIANT_ADD(faults_hit, stepped) {
	.call = stepped, .result = 6, .kind = PROBE_ENTRY, .least = 1, .most = 2,
};

FIXTURE_VARIANT_ADD(faults_hit, returning) {
	.call = emulated, .result = 5, .kind = PROBE_RETURN, .least = 0, .most = 1,
};

/* Tried again because of the step, it finds a chain: both are reported, or one, or none. */
FIXTURE_VARIANT_ADD(faults_hit, returning_stepped) {
	.call = stepped, .result = 6, .kind = PROBE_RETURN, .least = 0, .most = 2,
};

FIXTURE_SETUP(faults_hit)
{
	if (!fail_is_possible())
		SKIP(return, FAIL_NEEDS);
	share_the_report();
	run_on_cpu0();
	self->probe = probe_cpu0(variant->call, variant->kind);
	ASSERT_GE(self->probe, 0);
}

FIXTURE_TEARDOWN(faults_hit)
{
}

TEST_F_TIMEOUT(faults_hit, first_of_a_process, 120)
{
	struct first_hit hit = {
		.probe = self->probe, .call = variant->call, .result = variant->result,
	};
	int failures = 0;

	for (failing.nth = 1; ; failing.nth++) {
		ASSERT_EQ(0, run_in_child(hit_twice, &hit));
		EXPECT_TRUE(report->right);
		EXPECT_LE(variant->least, report->first);
		EXPECT_GE(variant->most, report->first);
		EXPECT_EQ(1, report->second);
		if (!report->failed)
			break;
		failures++;
	}
	/* Without a failure nothing may be missing. */
	EXPECT_EQ(1, report->first);
	EXPECT_LT(0, failures);
}

FIXTURE(faults_elsewhere)
{
};

FIXTURE_SETUP(faults_elsewhere)
{
	if (!fail_is_possible())
		SKIP(return, FAIL_NEEDS);
	share_the_report();
	run_on_cpu0();
}

FIXTURE_TEARDOWN(faults_elsewhere)
{
}

static void need_another_block(void *unused)
{
	for (int i = 0; i < FIRST_BLOCK; i++) {
		if (many_call(i, 1) != 1 + i)
			_exit(1);
	}
	fail_open();
	fail_begin();
	report->right = many_call(FIRST_BLOCK, 1) == 1 + FIRST_BLOCK;
	report->failed = fail_end();
}

/* Without memory for more slots, one is taken from an instruction that has one. */
TEST_F_TIMEOUT(faults_elsewhere, slot_in_a_new_block, 240)
{
	static long long each[FIRST_BLOCK + 2];
	struct trace_counter counter;
	long long children = 0;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation has one page");
	ASSERT_EQ(0, trace_create(&counter, "faults", PROBE_ENTRY));
	ASSERT_EQ(0, trace_add_many(&counter, FIRST_BLOCK + 1));
	ASSERT_EQ(0, trace_enable(&counter));
	for (failing.nth = 1; ; failing.nth++) {
		ASSERT_EQ(0, run_in_child(need_another_block, NULL));
		children++;
		EXPECT_TRUE(report->right);
		if (!report->failed)
			break;
	}
	EXPECT_LT(BLOCK_NEEDS, children);
	EXPECT_EQ(FIRST_BLOCK + 1, trace_hits_each(&counter, each, FIRST_BLOCK + 2));
	for (int i = 0; i <= FIRST_BLOCK; i++)
		EXPECT_EQ(children, each[i]);
	trace_destroy(&counter);
}

#define FRAMES		9
#define ROUNDS_MAX	5

static struct {
	int forked, refused, killed;
} outcome;

/* The child returns through what was pending in its parent. */
static long fork_failing(void *unused)
{
	int status;

	EACH_ALLOCATION {
		pid_t pid;

		fail_begin();
		pid = fork();
		if (!pid)
			return 0;
		fail_end();
		if (pid < 0) {
			outcome.refused++;
			continue;
		}
		waitpid(pid, &status, 0);
		if (WIFSIGNALED(status))
			outcome.killed++;
		else if (WIFEXITED(status) && !WEXITSTATUS(status))
			outcome.forked++;
		else
			return -FRAMES;
	}
	return 0;
}

/*
 * The kernel writes to a thread's area of restartable sequences. After a fork that
 * takes a page, and it is a SIGSEGV if there is none.
 */
static int leave_rseq(void)
{
	return syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset,
		       sizeof(struct rseq), RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

/*
 * A child whose copy of the pending returns is not complete finds nothing to
 * return to, and dies of it; the kernel has no way to fail the fork any more.
 */
TEST_F_TIMEOUT(faults_elsewhere, fork_while_returns_are_pending, 240)
{
	pid_t parent = getpid();
	int probe, rounds;
	long frames;

	if (!implementation_is_rust())
		SKIP(return, "kills the parent with the C implementation");
	ASSERT_EQ(0, leave_rseq());
	probe = probe_self(recurse, PROBE_RETURN);
	ASSERT_GE(probe, 0);
	/*
	 * The thread's part and the entries of all frames fail. No two forks make
	 * the same allocations before, so that a round may miss some of them.
	 */
	for (rounds = 0; rounds < ROUNDS_MAX && outcome.killed <= FRAMES; rounds++) {
		frames = recurse(FRAMES, fork_failing, NULL);
		if (getpid() != parent)
			_exit(frames != FRAMES);
		EXPECT_EQ(FRAMES, frames);
	}
	EXPECT_EQ(rounds * (FRAMES + 1), hits(probe));
	EXPECT_LT(FRAMES, outcome.killed);
	EXPECT_LT(10, outcome.refused);
	EXPECT_LT(0, outcome.forked);
}

TEST_HARNESS_MAIN
