/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machine state that the cases of insn_cases.S are run with: every register
 * and flag that a program can see.
 */
#ifndef UPROBE_TEST_INSN_STATE_H
#define UPROBE_TEST_INSN_STATE_H

#include <stdint.h>

#define INSN_MEMORY_WORDS	32

extern uint64_t insn_memory[];

/* The offsets of the registers are known to insn_cases.S. */
struct insn_state {
	uint64_t ax, bx, cx, dx, si, di, bp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t flags;
	uint64_t xmm[2];
	uint64_t memory[INSN_MEMORY_WORDS];
};

/* Flags that are given to a case, so that each branch is taken and not. */
#define INSN_INPUTS	8

/* What the probed instruction leaves in registers and is not the same twice. */
enum insn_ignore {
	INSN_IGNORE_NONE,
	INSN_IGNORE_TRAP_FLAG_IN_AX,
};

static inline void insn_prepare(struct insn_state *state, int input)
{
	/* Carry, parity, zero, sign and overflow in telling combinations. */
	static const uint64_t flags[INSN_INPUTS] = {
		0, 0x1, 0x4, 0x40, 0x80, 0x800, 0x880, 0x8c5,
	};
	uint64_t *reg = &state->ax;

	for (int i = 0; i < 15; i++)
		reg[i] = 0x1111111111111111ull * (i + 1);
	state->cx = 3;
	state->si = (uintptr_t)&insn_memory[0];
	state->di = (uintptr_t)&insn_memory[8];
	state->flags = flags[input] | 0x202;
}

static inline void insn_ignore(uint64_t what, struct insn_state *state)
{
	if (what == INSN_IGNORE_TRAP_FLAG_IN_AX)
		state->ax &= ~0x100ull;
}

#endif
