/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random registers, flags and memory, and to execute one instruction from them.
 */
#ifndef UPROBE_TEST_RANDOM_STATE_H
#define UPROBE_TEST_RANDOM_STATE_H

#include <stdint.h>
#include <string.h>

#include "kselftest.h"

static uint64_t random_seed;

/* SplitMix64: the same each time for the same seed and @number. */
static uint64_t random_of(uint64_t number)
{
	uint64_t z = random_seed + number * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

#define RANDOM_MEMORY_WORDS	64
#define RANDOM_MEMORY_BYTES	(8 * RANDOM_MEMORY_WORDS)

/* Numbers where carries, signs and zeroes are more likely than with any. */
static uint64_t random_value(uint64_t number)
{
	static const uint64_t values[] = {
		0, 1, -1, 0x7f, 0x80, 0x7fffffff, 0x80000000, 0xffffffff,
		INT64_MAX, INT64_MIN,
	};
	uint64_t value = random_of(number);

	return value % 2 ? values[value / 2 % ARRAY_SIZE(values)] : value;
}

static void random_memory_make(unsigned char *memory, uint64_t number)
{
	for (int i = 0; i < RANDOM_MEMORY_WORDS; i++) {
		uint64_t value = random_value((number << 8) + i);

		memcpy(memory + 8 * i, &value, sizeof(value));
	}
}

/* The six of arithmetic, and that of direction, which no instruction here changes. */
#define RANDOM_FLAGS	0xcd5

/* General registers as instructions number them, and flags. */
struct random_state {
	uint64_t regs[16];
	uint64_t flags;
};

static struct random_state random_state_make(uint64_t number)
{
	struct random_state state;

	for (int i = 0; i < 16; i++)
		state.regs[i] = random_value((number << 8) + 128 + i);
	/* Registers that are equal compare otherwise. */
	state.regs[random_of(number) % 16] = state.regs[random_of(number) / 16 % 16];
	state.flags = (random_of((number << 8) + 255) & RANDOM_FLAGS) | 0x202;
	return state;
}

static void random_state_print_difference(const struct random_state *without,
					  const struct random_state *with)
{
	for (int i = 0; i < 16; i++) {
		if (with->regs[i] != without->regs[i])
			ksft_print_msg("register %d is %#lx, without the probe %#lx\n", i,
				       with->regs[i], without->regs[i]);
	}
	if (with->flags != without->flags)
		ksft_print_msg("flags are %#lx, without the probe %#lx\n", with->flags,
			       without->flags);
}

/* Loads all of the state, goes to @code, and saves all when it comes back. */
void random_run_raw(const void *code, struct random_state *state);
/* Where it comes back to, for an indirect jump. */
extern const void *const random_way_back;

asm(
	".text\n"
	".globl random_run_raw\n"
	"random_run_raw:\n"
	"	push %rbx\n"
	"	push %rbp\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, random_sp\n"
	"	mov %rdi, random_target\n"
	"	mov %rsi, random_saved_to\n"
	"	pushq 16*8(%rsi)\n"
	"	popf\n"
	"	mov 0*8(%rsi), %rax\n"
	"	mov 1*8(%rsi), %rcx\n"
	"	mov 2*8(%rsi), %rdx\n"
	"	mov 3*8(%rsi), %rbx\n"
	"	mov 4*8(%rsi), %rsp\n"
	"	mov 5*8(%rsi), %rbp\n"
	"	mov 7*8(%rsi), %rdi\n"
	"	mov 8*8(%rsi), %r8\n"
	"	mov 9*8(%rsi), %r9\n"
	"	mov 10*8(%rsi), %r10\n"
	"	mov 11*8(%rsi), %r11\n"
	"	mov 12*8(%rsi), %r12\n"
	"	mov 13*8(%rsi), %r13\n"
	"	mov 14*8(%rsi), %r14\n"
	"	mov 15*8(%rsi), %r15\n"
	"	mov 6*8(%rsi), %rsi\n"
	"	jmp *random_target\n"
	/* No move changes a flag. */
	"random_back:\n"
	"	mov %rsi, random_saved_si\n"
	"	mov random_saved_to, %rsi\n"
	"	mov %rax, 0*8(%rsi)\n"
	"	mov %rcx, 1*8(%rsi)\n"
	"	mov %rdx, 2*8(%rsi)\n"
	"	mov %rbx, 3*8(%rsi)\n"
	"	mov %rsp, 4*8(%rsi)\n"
	"	mov %rbp, 5*8(%rsi)\n"
	"	mov %rdi, 7*8(%rsi)\n"
	"	mov %r8, 8*8(%rsi)\n"
	"	mov %r9, 9*8(%rsi)\n"
	"	mov %r10, 10*8(%rsi)\n"
	"	mov %r11, 11*8(%rsi)\n"
	"	mov %r12, 12*8(%rsi)\n"
	"	mov %r13, 13*8(%rsi)\n"
	"	mov %r14, 14*8(%rsi)\n"
	"	mov %r15, 15*8(%rsi)\n"
	"	mov random_saved_si, %rax\n"
	"	mov %rax, 6*8(%rsi)\n"
	"	mov random_sp, %rsp\n"
	"	pushf\n"
	"	popq 16*8(%rsi)\n"
	"	cld\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n"
	".pushsection .rodata\n"
	".globl random_way_back\n"
	"random_way_back: .quad random_back\n"
	".popsection\n"
	".lcomm random_sp, 8\n"
	".lcomm random_target, 8\n"
	".lcomm random_saved_to, 8\n"
	".lcomm random_saved_si, 8\n"
);

static void random_run(const void *code, struct random_state *state)
{
	random_run_raw(code, state);
	state->flags &= RANDOM_FLAGS;
}

#endif
