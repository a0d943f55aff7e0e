// SPDX-License-Identifier: GPL-2.0
/*
 * What a traced program may do to itself: take the area away, jump into it, or
 * forge what only the kernel's own code does. It may die of it, by the signal
 * that is asserted here where the kernel chooses it; nobody else may notice.
 * Each attack is made by a child, and the parent then goes on being probed.
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define PAGE	4096

FIXTURE(attack)
{
	int step, ret;
};

FIXTURE_SETUP(attack)
{
	run_on_cpu0();
	self->step = probe_cpu0(stepped, PROBE_ENTRY);
	self->ret = probe_cpu0(recurse, PROBE_RETURN);
	ASSERT_GE(self->step, 0);
	ASSERT_GE(self->ret, 0);
}

FIXTURE_TEARDOWN(attack)
{
	/* Whatever the child did, probes go on working here. */
	long long steps = hits(self->step), returns = hits(self->ret);

	EXPECT_EQ(2, stepped(1));
	EXPECT_EQ(9, recurse(9, NULL, NULL));
	EXPECT_EQ(steps + 1, hits(self->step));
	EXPECT_EQ(returns + 10, hits(self->ret));
}

static struct mapping area;

static void make_area(void)
{
	alarm(20);
	if (stepped(1) != 2 || !find_mapping(XOL_NAME, &area))
		_exit(100);
}

static int signal_of(void (*attack)(void *unused))
{
	int status = run_in_child(attack, NULL);

	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

/* Dies by @sig, or ends well. */
#define EXPECT_SIGNAL_OR_SUCCESS(sig, attack)		\
do {							\
	int _sig = signal_of(attack);			\
	if (_sig)					\
		EXPECT_EQ(sig, _sig);			\
} while (0)

static void unmap_then_step(void *unused)
{
	make_area();
	munmap((void *)area.start, area.end - area.start);
	_exit(stepped(1) != 2);
}

TEST_F(attack, unmap_then_step)
{
	EXPECT_SIGNAL_OR_SUCCESS(SIGSEGV, unmap_then_step);
}

static long call_many(int i, long x)
{
	return ((long (*)(long))(many + i * MANY_STRIDE))(x);
}

#define SLOTS_OF_A_PAGE	31
#define MORE_SLOTS	100

/* To fault there is well, at the instruction that could not be stepped. */
static void check_fault(int sig, siginfo_t *info, void *context)
{
	unsigned long offset = arch_ip(context) - (unsigned long)many;

	_exit(offset % MANY_STRIDE == 0 && offset / MANY_STRIDE < MORE_SLOTS ? 0 : 103);
}

static void unmap_then_step_more(void *unused)
{
	struct sigaction action = { .sa_sigaction = check_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
	make_area();
	for (int i = 0; i < SLOTS_OF_A_PAGE; i++) {
		if (call_many(i, 1) != 1 + i)
			_exit(101);
	}
	munmap((void *)area.start, area.end - area.start);
	for (int i = SLOTS_OF_A_PAGE; i < MORE_SLOTS; i++) {
		if (call_many(i, 1) != 1 + i)
			_exit(102);
	}
}

/* New slots may come where the old ones were, but must not be taken for them. */
TEST_F(attack, unmap_then_step_more)
{
	struct trace_counter counter;

	ASSERT_EQ(0, trace_create(&counter, "attack", PROBE_ENTRY));
	for (int i = 0; i < MORE_SLOTS; i++)
		ASSERT_EQ(0, trace_add(&counter, place_of(many + i * MANY_STRIDE)));
	ASSERT_EQ(0, trace_enable(&counter));
	EXPECT_EQ(0, signal_of(unmap_then_step_more));
	trace_destroy(&counter);
}

static void unmap_then_return(void *unused)
{
	make_area();
	munmap((void *)area.start, area.end - area.start);
	_exit(recurse(3, NULL, NULL) != 3);
}

TEST_F(attack, unmap_then_return)
{
	EXPECT_SIGNAL_OR_SUCCESS(SIGSEGV, unmap_then_return);
}

static long unmap_here(void *unused)
{
	return munmap((void *)area.start, area.end - area.start);
}

static void unmap_while_pending(void *unused)
{
	make_area();
	_exit(recurse(3, unmap_here, NULL) != 3);
}

TEST_F(attack, unmap_while_pending)
{
	EXPECT_SIGNAL_OR_SUCCESS(SIGSEGV, unmap_while_pending);
}

static long unmap_and_fork(void *unused)
{
	int status;
	pid_t pid;

	unmap_here(NULL);
	pid = fork();
	if (!pid)	/* gets an area of its own, and returns through it */
		return 0;
	if (waitpid(pid, &status, 0) != pid)
		_exit(101);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 102);
}

static void fork_without_the_area(void *unused)
{
	make_area();
	_exit(recurse(3, unmap_and_fork, NULL) != 3);
}

TEST_F(attack, fork_without_the_area)
{
	EXPECT_EQ(0, signal_of(fork_without_the_area));
}

static void unmap_and_exit(void *unused)
{
	make_area();
	munmap((void *)area.start, area.end - area.start);
}

TEST_F(attack, unmap_and_exit)
{
	EXPECT_EQ(0, signal_of(unmap_and_exit));
}

static void cover_then_step(void *unused)
{
	make_area();
	if (mmap((void *)area.start, area.end - area.start, PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		_exit(100);
	/* Steps whatever is at the slot now: zeroes, which store to memory. */
	stepped(1);
}

TEST_F(attack, cover_then_step)
{
	EXPECT_SIGNAL_OR_SUCCESS(SIGSEGV, cover_then_step);
}

static void cover_with_breakpoints(void *unused)
{
	size_t size;

	make_area();
	size = area.end - area.start;
	if (mmap((void *)area.start, size, PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		_exit(100);
	arch_fill_with_breakpoints((void *)area.start, size);
	stepped(1);
	_exit(101);
}

/* A step that ends in a breakpoint, instead of after the instruction. */
TEST_F(attack, cover_with_breakpoints)
{
	int sig;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation warns");
	sig = signal_of(cover_with_breakpoints);
	EXPECT_LT(0, sig);
	EXPECT_NE(SIGALRM, sig);
}

static void protect_then_step(void *unused)
{
	make_area();
	if (mprotect((void *)area.start, PAGE, PROT_NONE))
		_exit(100);
	stepped(1);
	_exit(101);
}

TEST_F(attack, protect_then_step)
{
	EXPECT_EQ(SIGSEGV, signal_of(protect_then_step));
}

static void return_without_pending(void *unused)
{
	make_area();
	return_to(area.start);
	_exit(100);
}

TEST_F(attack, return_without_pending)
{
	EXPECT_EQ(SIGILL, signal_of(return_without_pending));
}

static long return_twice_here(void *unused)
{
	/* Uses up the one pending return, and so gets back to return_twice(). */
	return return_to(area.start);
}

static void return_twice(void *unused)
{
	make_area();
	recurse(0, return_twice_here, NULL);
	return_to(area.start);
	_exit(100);
}

TEST_F(attack, return_twice)
{
	EXPECT_EQ(SIGILL, signal_of(return_twice));
	EXPECT_EQ(1, hits(self->ret));
}

static void forge_uretprobe(void *unused)
{
	make_area();
	syscall(ARCH_NR_URETPROBE);
	_exit(100);
}

TEST_F(attack, forge_uretprobe)
{
	EXPECT_EQ(SIGILL, signal_of(forge_uretprobe));
}

static void forge_uretprobe_without_area(void *unused)
{
	syscall(ARCH_NR_URETPROBE);
	_exit(100);
}

TEST(uretprobe_before_any_area)
{
	EXPECT_EQ(SIGILL, signal_of(forge_uretprobe_without_area));
}

static long forge_uretprobe_here(void *unused)
{
	return syscall(ARCH_NR_URETPROBE);
}

static void forge_uretprobe_while_pending(void *unused)
{
	make_area();
	recurse(2, forge_uretprobe_here, NULL);
	_exit(100);
}

TEST_F(attack, forge_uretprobe_while_pending)
{
	EXPECT_EQ(SIGILL, signal_of(forge_uretprobe_while_pending));
}

TEST_F(attack, forge_uprobe)
{
	EXPECT_EQ(-1, syscall(ARCH_NR_UPROBE));
	EXPECT_EQ(EPROTO, errno);
}

static void trampoline_without_a_stack(void *unused)
{
	make_area();
	jump_with_stack(area.start + ARCH_TRAMPOLINE_SYSCALL, 64, ARCH_NR_URETPROBE);
	_exit(100);
}

static long trampoline_without_a_stack_here(void *unused)
{
	return jump_with_stack(area.start + ARCH_TRAMPOLINE_SYSCALL, 64, ARCH_NR_URETPROBE);
}

static void trampoline_without_a_stack_while_pending(void *unused)
{
	make_area();
	recurse(2, trampoline_without_a_stack_here, NULL);
	_exit(100);
}

/* The system call of the trampoline, which cannot read its arguments. */
TEST_F(attack, trampoline_without_a_stack)
{
	EXPECT_EQ(SIGILL, signal_of(trampoline_without_a_stack));
	EXPECT_EQ(SIGILL, signal_of(trampoline_without_a_stack_while_pending));
}

static long jump_into_slot(void *slot)
{
	return jump_to(area.start + (unsigned long)slot * ARCH_SLOT_BYTES);
}

static void jump_into_slots(void *unused)
{
	make_area();
	for (unsigned long slot = 1; slot < PAGE / ARCH_SLOT_BYTES; slot++) {
		pid_t pid = fork();

		if (!pid) {
			alarm(1);
			stepped(1);
			jump_into_slot((void *)slot);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

/* Runs on into bytes that are no code of anybody's. */
TEST_F(attack, jump_into_slots)
{
	EXPECT_EQ(0, signal_of(jump_into_slots));
}

static void breakpoint_of_its_own(void *unused)
{
	unsigned char code[ARCH_CODE_MAX];
	int fd = code_file(1);
	char *map;

	make_area();
	code_write(fd, 0, code, arch_code_breakpoint(code));
	map = code_map(fd, 1, PROT_READ | PROT_EXEC);
	code_call(map);
	_exit(100);
}

/* A breakpoint that is nobody's probe is the program's own affair. */
TEST_F(attack, breakpoint_of_its_own)
{
	EXPECT_EQ(SIGTRAP, signal_of(breakpoint_of_its_own));
}

TEST_HARNESS_MAIN
