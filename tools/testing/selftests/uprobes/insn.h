/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The instructions that insn.c puts probes on (insn_cases.S of the
 * architecture), with what they did without a probe.
 */
#ifndef UPROBE_TEST_INSN_H
#define UPROBE_TEST_INSN_H

#include "insn_state.h"

/* In the layout that insn_cases.S writes; what is beyond it is insn.c's. */
struct insn_case {
	const char *name;
	void (*function)(void);
	const void *at;
	uint64_t hits;		/* per run */
	uint64_t error;		/* of an attach; 0 if it succeeds */
	uint64_t ignore;	/* what insn_ignore() leaves out */
	struct insn_state without[INSN_INPUTS];
};

extern struct insn_case insn_cases[] asm("__start_insn_cases");
extern struct insn_case insn_cases_end[] asm("__stop_insn_cases");

extern uint64_t insn_memory[INSN_MEMORY_WORDS];
extern const uint64_t insn_memory_init[INSN_MEMORY_WORDS];

/* Loads @state, calls @function, stores @state. */
void insn_run(void (*function)(void), struct insn_state *state);

#endif
