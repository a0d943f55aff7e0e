// SPDX-License-Identifier: GPL-2.0
/*
 * A traced program that forges the system calls that come in the place of
 * breakpoints.
 */
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

TEST_HARNESS_MAIN
