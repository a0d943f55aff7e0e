// SPDX-License-Identifier: GPL-2.0
/*
 * Probed instructions that the kernel may execute by itself, under those who
 * want to hear of instructions or of accesses of memory: the program with its
 * trap flag, a debugger that steps, a debugger that watches a variable, and a
 * program that has its alignment checked. All hear what they hear without
 * probes.
 */
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "emulated.h"
#include "kselftest_harness.h"
#include "uprobe_test.h"

#define MOST	64

/* What is heard of walk(): where the thread was when it trapped. */
struct heard {
	int count;
	unsigned long ips[MOST];
};

static void hear(struct heard *heard, unsigned long ip)
{
	/* From after the first instruction to after the last that is probed. */
	if (ip > (unsigned long)walk && ip < (unsigned long)walk_end && heard->count < MOST)
		heard->ips[heard->count++] = ip;
}

static void expect_same(struct __test_metadata *_metadata, const struct heard *without,
			const struct heard *with)
{
	EXPECT_EQ(walk_places_end - walk_places, without->count);
	EXPECT_EQ(without->count, with->count);
	for (int i = 0; i < with->count; i++)
		EXPECT_EQ(without->ips[i], with->ips[i]);
}

static int probes[MOST];

static bool probe_walk(void)
{
	for (int i = 0; i < walk_places_end - walk_places; i++) {
		probes[i] = probe_self(walk_places[i], PROBE_ENTRY);
		if (probes[i] < 0)
			return false;
	}
	return true;
}

static long memory[2] = { 3, 0 };
#define WALKED	(5 + (20 - 8) + 16 + 3)

static struct heard trapped;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	hear(&trapped, arch_ip(context));
}

TEST(trap_flag)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	struct heard without;

	ASSERT_EQ(0, sigaction(SIGTRAP, &action, NULL));
	EXPECT_EQ(WALKED, walk_trapping(20, memory));
	without = trapped;
	trapped = (struct heard){};
	ASSERT_TRUE(probe_walk());
	EXPECT_EQ(WALKED, walk_trapping(20, memory));
	expect_same(_metadata, &without, &trapped);
	for (int i = 0; i < without.count; i++)
		EXPECT_EQ(1, hits(probes[i]));
	/* And without the flag no more. */
	trapped = (struct heard){};
	EXPECT_EQ(WALKED, walk(20, memory));
	EXPECT_EQ(0, trapped.count);
	for (int i = 0; i < without.count; i++)
		EXPECT_EQ(2, hits(probes[i]));
}

static void be_traced(bool probed)
{
	if (probed && !probe_walk())
		_exit(1);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	_exit(walk(20, memory) != WALKED);
}

static pid_t start_traced(struct __test_metadata *_metadata, bool probed)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		be_traced(probed);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	return pid;
}

static unsigned long register_of(pid_t pid, size_t offset)
{
	return ptrace(PTRACE_PEEKUSER, pid, (void *)offset, NULL);
}

#define IP_OF(pid)	register_of(pid, offsetof(struct user, regs.rip))

static struct heard step_through(struct __test_metadata *_metadata, bool probed)
{
	struct heard heard = {};
	pid_t pid = start_traced(_metadata, probed);
	int status;

	while (!ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL)) {
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		if (!WIFSTOPPED(status))
			break;
		ASSERT_EQ(SIGTRAP, WSTOPSIG(status));
		hear(&heard, IP_OF(pid));
	}
	EXPECT_EQ(0, status);
	return heard;
}

TEST(debugger_steps)
{
	struct heard without = step_through(_metadata, false);
	struct heard with = step_through(_metadata, true);

	expect_same(_metadata, &without, &with);
}

/* What a hardware breakpoint is for, as debug register 7 spells it. */
enum watch { ON_WRITE = 1, ON_ACCESS = 3 };

static bool watch(pid_t pid, const void *address, enum watch what)
{
	const unsigned long eight_bytes = 2, enabled = 1;
	unsigned long control = enabled | (what | eight_bytes << 2) << 16;

	return !ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]), address) &&
	       !ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), control);
}

/* Where walk() is when a debugger hears of its access of @address. */
static struct heard watch_walk(struct __test_metadata *_metadata, bool probed,
			       const void *address, enum watch what)
{
	struct heard heard = {};
	pid_t pid = start_traced(_metadata, probed);
	int status;

	ASSERT_TRUE(watch(pid, address, what));
	while (!ptrace(PTRACE_CONT, pid, NULL, NULL)) {
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		if (!WIFSTOPPED(status))
			break;
		ASSERT_EQ(SIGTRAP, WSTOPSIG(status));
		EXPECT_EQ(1, register_of(pid, offsetof(struct user, u_debugreg[6])) & 0xf);
		ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[6]), 0);
		hear(&heard, IP_OF(pid));
	}
	EXPECT_EQ(0, status);
	return heard;
}

/*
 * QEMU's translator (7.2) takes a step and a watched access in one instruction
 * for two traps, the second of which is then the kernel's.
 */
static bool is_translated(void)
{
	unsigned int leaf, signature[3];

	__cpuid(0x40000000, leaf, signature[0], signature[1], signature[2]);
	return !memcmp(signature, "TCGTCGTCGTCG", sizeof(signature));
}

static void expect_same_watched(struct __test_metadata *_metadata, const void *address,
				enum watch what, int count)
{
	struct heard without = watch_walk(_metadata, false, address, what), with;

	if (is_translated())
		SKIP(return, "QEMU's translator cannot watch while it steps");
	with = watch_walk(_metadata, true, address, what);
	EXPECT_EQ(count, without.count);
	EXPECT_EQ(without.count, with.count);
	for (int i = 0; i < with.count; i++)
		EXPECT_EQ(without.ips[i], with.ips[i]);
}

TEST(debugger_watches_writes)
{
	expect_same_watched(_metadata, &memory[1], ON_WRITE, 1);
}

TEST(debugger_watches_accesses)
{
	expect_same_watched(_metadata, &memory[0], ON_ACCESS, 2);
}

static volatile int misaligned;
static unsigned long misaligned_ip;

/* Lets it go on unchecked. */
static void on_misalignment(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	misaligned++;
	misaligned_ip = arch_ip(uc);
	uc->uc_mcontext.gregs[REG_EFL] &= ~0x40000;
}

TEST(alignment_is_checked)
{
	struct sigaction action = { .sa_sigaction = on_misalignment, .sa_flags = SA_SIGINFO };
	int probe;

	ASSERT_EQ(0, sigaction(SIGBUS, &action, NULL));
	mov_load_aligned((char *)memory + 1);
	if (!misaligned)
		SKIP(return, "the processor checks no alignment");
	misaligned = 0;
	probe = probe_self(mov_load, PROBE_ENTRY);
	ASSERT_GE(probe, 0);
	EXPECT_EQ(3, mov_load_aligned(memory));
	EXPECT_EQ(0, misaligned);
	mov_load_aligned((char *)memory + 1);
	EXPECT_EQ(1, misaligned);
	EXPECT_EQ((unsigned long)mov_load, misaligned_ip);
	/* The first, the one that faulted, and that again. */
	EXPECT_EQ(3, hits(probe));
}

TEST_HARNESS_MAIN
