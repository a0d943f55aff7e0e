/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The instructions that insn.c puts probes on, and the machine state that they
 * are run with: every register and flag that a program can see.
 */
#ifndef UPROBE_TEST_INSN_H
#define UPROBE_TEST_INSN_H

#include <stdint.h>

#define INSN_MEMORY_WORDS	32

/* The offsets of the registers are known to insn_cases.S. */
struct insn_state {
	uint64_t ax, bx, cx, dx, si, di, bp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t flags;
	uint64_t xmm[2];
	uint64_t memory[INSN_MEMORY_WORDS];
};

/* Flags that are given to a case, so that each branch is taken and not. */
#define INSN_INPUTS	8

/* In the layout that insn_cases.S writes; what is beyond it is insn.c's. */
struct insn_case {
	const char *name;
	void (*function)(void);
	const void *at;
	uint64_t hits;		/* per run */
	uint64_t error;		/* of an attach; 0 if it succeeds */
	uint64_t ignore;	/* enum insn_ignore */
	struct insn_state without[INSN_INPUTS];
};

/* What the probed instruction leaves in registers and is not the same twice. */
enum insn_ignore {
	INSN_IGNORE_NONE,
	INSN_IGNORE_TRAP_FLAG_IN_AX,
};

extern struct insn_case insn_cases[] asm("__start_insn_cases");
extern struct insn_case insn_cases_end[] asm("__stop_insn_cases");

extern uint64_t insn_memory[INSN_MEMORY_WORDS];
extern const uint64_t insn_memory_init[INSN_MEMORY_WORDS];

/* Loads @state, calls @function, stores @state. */
void insn_run(void (*function)(void), struct insn_state *state);

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

static inline void insn_ignore(const struct insn_case *insn, struct insn_state *state)
{
	if (insn->ignore == INSN_IGNORE_TRAP_FLAG_IN_AX)
		state->ax &= ~0x100ull;
}

#endif
