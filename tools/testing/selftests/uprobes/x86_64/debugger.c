// SPDX-License-Identifier: GPL-2.0
/*
 * A debugger that steps through probes, or sends its child into the area. Of the
 * architectures only x86_64 keeps the steps of debuggers and of probes apart.
 */
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "attack.h"

#define TRACED_CALLS 3

/* Everything that a debugger sees when it steps through this. */
static void be_traced(void *probe)
{
	if (probe && (probe_self(stepped, PROBE_ENTRY) < 0 ||
		      probe_self(emulated, PROBE_ENTRY) < 0))
		_exit(1);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	for (long i = 0; i < TRACED_CALLS; i++) {
		if (stepped(i) != i + 1 || emulated(i) != i)
			_exit(2);
	}
	_exit(0);
}

#define FUNCTION_BYTES 16

static bool within(unsigned long ip, const void *function)
{
	return ip >= (unsigned long)function && ip < (unsigned long)function + FUNCTION_BYTES;
}

/* Steps the child to its end; the addresses in the two functions go to @seen. */
static int step_through(struct __test_metadata *_metadata, bool probe,
			unsigned long *seen, int max)
{
	int status, n = 0;
	pid_t pid = fork();

	if (!pid)
		be_traced(probe ? &status : NULL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	while (!ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL)) {
		struct user_regs_struct regs;
		struct iovec iov = { &regs, sizeof(regs) };
		unsigned long ip;

		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		if (!WIFSTOPPED(status))
			break;
		ASSERT_EQ(SIGTRAP, WSTOPSIG(status));
		ASSERT_EQ(0, ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov));
		ip = regs.rip;
		if (n < max && (within(ip, stepped) || within(ip, emulated)))
			seen[n++] = ip;
	}
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	return n;
}

TEST(debugger_steps_over_a_probe)
{
	unsigned long without[64] = {}, with[64] = {};
	int n = step_through(_metadata, false, without, 64);

	/* Three instructions of each function. */
	EXPECT_EQ(TRACED_CALLS * (3 + 3), n);
	EXPECT_EQ(n, step_through(_metadata, true, with, 64));
	for (int i = 0; i < n; i++)
		EXPECT_EQ(without[i], with[i]);
}

/* Where a traced child has its area, as it says itself. */
static struct mapping *traced_area;

static void be_traced_into_the_area(void)
{
	make_area();
	*traced_area = area;
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	stepped(1);
	recurse(3, NULL, NULL);
	_exit(0);
}

static void set_ip_of(pid_t pid, unsigned long ip)
{
	struct user_regs_struct regs;
	struct iovec iov = { &regs, sizeof(regs) };

	ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov);
	regs.rip = ip;
	ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov);
}

/* Puts a child at @offset of its area after @steps steps, and lets it go on from there. */
static void trace_child(struct __test_metadata *_metadata, unsigned long offset, int steps)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		be_traced_into_the_area();
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	for (int i = 0; i < steps && WIFSTOPPED(status); i++) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
	}
	if (!WIFSTOPPED(status))
		return;
	/* Not even a debugger writes there. */
	errno = 0;
	EXPECT_EQ(-1, ptrace(PTRACE_POKETEXT, pid, (void *)traced_area->start, NULL));
	EXPECT_EQ(EIO, errno);
	set_ip_of(pid, traced_area->start + offset);
	for (int i = 0; i < 4 && WIFSTOPPED(status); i++) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
	}
	if (WIFSTOPPED(status)) {
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
		usleep(1000);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
	}
}

/* A debugger that sends its child into the area, at all moments of its probes. */
TEST_F(attack, traced_into_the_area)
{
	static const int at[] = { 0, 1, 3, 10, 30, 100 };

	traced_area = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		trace_child(_metadata, 0, at[i]);
		trace_child(_metadata, ARCH_SLOT_BYTES, at[i]);
		trace_child(_metadata, ARCH_SLOT_BYTES + 1, at[i]);
	}
}

TEST_HARNESS_MAIN
