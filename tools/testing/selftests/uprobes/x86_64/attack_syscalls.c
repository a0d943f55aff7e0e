// SPDX-License-Identifier: GPL-2.0
/*
 * A traced program that forges the system calls that come in the place of
 * breakpoints.
 */
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "attack.h"

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

/* What a forged return from a signal restores. */
static ucontext_t escape;

static void keep_context(int sig, siginfo_t *info, void *context)
{
	memcpy(&escape, context, sizeof(escape));
	escape.uc_mcontext.fpregs = NULL;
}

/* The step is given up at its own instruction, whatever handlers ran meanwhile. */
static void check_place(int sig, siginfo_t *info, void *context)
{
	_exit(arch_ip(context) != (unsigned long)stepped);
}

static void *new_pages(size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	if (pages == MAP_FAILED)
		_exit(100);
	return pages;
}

/* Whatever slot is entered makes a system call, and so does the trampoline. */
static void cover_with_syscalls(void)
{
	static const unsigned char instruction[] = { 0x0f, 0x05 };
	size_t size = area.end - area.start;
	char *page = cover_area();

	for (size_t at = 0; at < size; at += sizeof(instruction))
		memcpy(page + at, instruction, sizeof(instruction));
	memcpy(page + ARCH_TRAMPOLINE_SYSCALL, instruction, sizeof(instruction));
}

static long escape_from_the_slot(void *unused)
{
	return jump_with_stack((unsigned long)stepped, (unsigned long)&escape,
			       SYS_rt_sigreturn);
}

static void return_while_stepping(void *unused)
{
	struct sigaction action = { .sa_sigaction = keep_context, .sa_flags = SA_SIGINFO };
	greg_t *registers = escape.uc_mcontext.gregs;
	stack_t stack = { .ss_size = 16 * PAGE };
	char *end;

	make_area();
	cover_with_syscalls();
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	/* The trampoline's three words, behind which nothing can be read. */
	end = new_pages(2 * PAGE);
	munmap(end + PAGE, PAGE);
	registers[REG_RSP] = (greg_t)(end + PAGE - 3 * sizeof(long));
	registers[REG_RBP] = 0;
	registers[REG_RIP] = area.start + ARCH_TRAMPOLINE_SYSCALL;
	registers[REG_RAX] = ARCH_NR_URETPROBE;
	stack.ss_sp = new_pages(stack.ss_size);
	sigaltstack(&stack, NULL);
	action.sa_sigaction = check_place;
	action.sa_flags |= SA_ONSTACK;
	sigaction(SIGSEGV, &action, NULL);
	recurse(1, escape_from_the_slot, NULL);
	_exit(101);
}

/*
 * A thread that escapes from its slot by a return from a signal, and has
 * handlers run for a return before it faults.
 */
TEST_F(attack, return_while_stepping)
{
	if (!implementation_is_rust())
		SKIP(return, "the C implementation gives an address of the kernel away");
	EXPECT_EQ(0, signal_of(return_while_stepping));
}

TEST_HARNESS_MAIN
