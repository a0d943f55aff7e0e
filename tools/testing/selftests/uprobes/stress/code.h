/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is called and probed. The functions are those of the architecture's
 * functions.S, in three files, so that each is probed three times over without
 * the probes knowing of each other:
 *
 *  - LASTING: this program itself. Its probes are attached before the first call
 *    and detached after the last, so that hits and calls have to be equal.
 *  - CHANGING: a copy in memory. Its probes come and go.
 *  - KILLED: another copy, called by processes that are killed meanwhile, which
 *    cannot say whether their last call got as far as the probe.
 */
#ifndef STRESS_CODE_H
#define STRESS_CODE_H

#include <stdint.h>

#include "uprobe_test.h"

enum file { LASTING, CHANGING, KILLED, FILES };

#define MANY_CALLED	80
#define COUNTED		8
#define OWN		8

enum function {
	F_EMULATED,
	F_STEPPED,
	F_STEPPED_B,
	F_OPTIMISED,
	F_TAIL_A,
	F_TAIL_B,
	F_TAIL_C,
	/* Different instructions, all stepped: more than a block of slots holds. */
	F_MANY,
	/* Up to here all return what they are passed, plus something, at once. */
	F_RECURSE = F_MANY + MANY_CALLED,
	F_RECURSE_B,
	/* With a reference counter, in CHANGING. */
	F_COUNTED,
	/* One for each who attaches, called by nobody else. */
	F_OWN = F_COUNTED + COUNTED,
	FUNCTIONS = F_OWN + OWN,
};

/* A mapping of one of the files. */
struct code {
	enum file file;
	const char *start;
	/* Whether it will be moved, see maps.c. */
	bool moves;
};

/* Makes the copies, and remembers where the program itself is mapped. */
void code_init(void);
/* The same in a program that was executed anew and inherited descriptor @fd. */
void code_inherit(int fd);
/* The descriptor of CHANGING. */
int code_changing_fd(void);

/* Where this process has @file. */
struct code code_of(enum file file);
int code_lasting_fd(void);
unsigned long code_lasting_offset(void);
unsigned long code_size(void);

const char *code_path(enum file file);
unsigned long code_offset(enum file file, enum function function);
struct place code_place(enum file file, enum function function);
/* What a function adds to its argument. */
long code_adds(enum function function);
long code_call_function(struct code code, enum function function, long x);

/* Reference counters, the last page of CHANGING. */
unsigned long code_counter_offset(enum function function);
unsigned short code_counter(enum function function);

#endif
