/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all processes of a run share: how often each function was called, what
 * was found to be wrong, and when to stop.
 *
 * A call is booked before it begins and after it is over. Whoever looks at both
 * from outside knows of any span of time how many calls lay wholly within it, at
 * least, and how many touched it, at most. At the end both are equal, and the
 * number of hits has to be the same, unless callers were killed.
 */
#ifndef STRESS_ACCOUNTS_H
#define STRESS_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "code.h"

struct tally {
	uint64_t begun;
	uint64_t done;
	/* Those that returned by the way that a return probe sees. */
	uint64_t returned;
};

/* What can be wrong: each is one case of the test's result. */
enum check {
	CHECK_ENTRIES,
	CHECK_RETURNS,
	CHECK_TRACEFS,
	CHECK_KILLED,
	CHECK_ATTACHED,
	CHECK_DETACHED,
	CHECK_COUNTERS,
	CHECK_RESULTS,
	CHECK_PROCESSES,
	CHECK_MEMORY,
	CHECKS,
};

/* What was done beside calling, for the reader of the result. */
enum deed {
	/* What one who only calls does at a time. */
	DEED_CALLS,
	DEED_ATTACH,
	DEED_MAP,
	DEED_PROCESS,
	DEED_THREAD,
	DEED_EXEC,
	DEED_KILL,
	DEED_SIGNAL,
	DEED_JUMP,
	DEEDS,
};

void accounts_init(void);
/* Maps them in a program that was executed anew and inherited descriptor @fd. */
void accounts_inherit(int fd);
int accounts_fd(void);
/* Forgets calls, and allows work again. */
void accounts_clear(void);

void book_begun(enum file file, enum function function, uint64_t calls);
void book_done(enum file file, enum function function, uint64_t calls, uint64_t returned);
struct tally tally(enum file file, enum function function);

void book_deed(enum deed deed);
uint64_t deeds(enum deed deed);

void __attribute__((format(printf, 2, 3))) wrong(enum check check, const char *format, ...);
uint64_t wrongs(enum check check);

/* Work goes on until this is true. */
bool is_over(void);
void declare_over(void);
/* From then on nothing is attached to CHANGING. */
bool is_detached(void);
void declare_detached(void);

/*
 * Deliberate mistakes, by which a test sees that the accounts notice: true once
 * in the run for each check, and never in a run without mistakes.
 */
void allow_mistakes(void);
bool mistake(enum check check);

#endif
