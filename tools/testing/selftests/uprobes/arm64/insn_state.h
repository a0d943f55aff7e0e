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
	uint64_t x[31];		/* x30 only afterwards: it holds where to return to */
	uint64_t nzcv;
	uint64_t v0[2];
	uint64_t memory[INSN_MEMORY_WORDS];
};

/* Flags that are given to a case, so that each branch is taken and not. */
#define INSN_INPUTS	8

static inline void insn_prepare(struct insn_state *state, int input)
{
	/* Negative, zero, carry, overflow in telling combinations. */
	static const uint64_t nzcv[INSN_INPUTS] = {
		0x0, 0x8, 0x4, 0x2, 0x1, 0x9, 0x6, 0xf,
	};

	for (int i = 0; i < 31; i++)
		state->x[i] = 0x0101010101010101ull * (i + 1);
	state->x[2] = 3;
	state->x[3] = 0;
	state->x[4] = (uintptr_t)&insn_memory[0];
	state->x[5] = (uintptr_t)&insn_memory[8];
	state->nzcv = nzcv[input] << 28;
}

/* Nothing here differs between two runs. */
static inline void insn_ignore(uint64_t what, struct insn_state *state)
{
}

#endif
