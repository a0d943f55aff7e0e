// SPDX-License-Identifier: GPL-2.0
/*
 * A traced program that goes where only the kernel's own code goes: it jumps
 * into the area, returns where nothing is pending, and lies about its stack.
 */
#include "attack.h"

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

static long jump_into_slot(void *slot)
{
	return jump_to(area.start + (unsigned long)slot * ARCH_SLOT_BYTES);
}

/* As many as there are at least in a page. */
#define SLOTS_TO_ENTER	32

static void jump_into_slots(void *unused)
{
	make_area();
	for (unsigned long slot = 1; slot < SLOTS_TO_ENTER; slot++) {
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

#define STACK	(16 * PAGE)

static char *other_stack(void)
{
	return mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Goes to the trampoline, as a return would, with the stack pointer elsewhere. */
static long return_with_stack(void *sp)
{
	return jump_on_stack(area.start, (unsigned long)sp);
}

static void return_on_a_lower_stack(void *unused)
{
	char here[2 * STACK];

	make_area();
	recurse(5, return_with_stack, here + STACK);
}

static void return_on_a_higher_stack(void *sp)
{
	make_area();
	recurse(5, return_with_stack, sp);
}

static void return_on_another_stack(void *unused)
{
	return_on_a_higher_stack(other_stack() + STACK / 2);
}

static void return_above_all_frames(void *unused)
{
	char *here = __builtin_frame_address(0);

	return_on_a_higher_stack(here + PAGE);
}

/*
 * The stack pointer says which frames are gone. One that lies makes returns be
 * forgotten, or be taken for others, and the program go astray; it ends.
 */
TEST_F(attack, return_on_another_stack)
{
	EXPECT_NE(SIGALRM, signal_of(return_on_a_lower_stack));
	EXPECT_NE(SIGALRM, signal_of(return_on_another_stack));
	EXPECT_NE(SIGALRM, signal_of(return_above_all_frames));
}

TEST_HARNESS_MAIN
