/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls of probed functions, booked, and their results checked. What an entry
 * and a return probe have to see:
 *
 *  - a call is one entry, and one return if it returns to its caller;
 *  - functions that jump to each other all return at once;
 *  - a frame that longjmp() leaves behind, or whose thread ends, never returns;
 *  - of the frames that a thread is in, the outermost MAX_PENDING_RETURNS are
 *    seen to return, and those beyond are not;
 *  - a frame that fork() copies returns twice.
 *
 * So that callers know how many frames they are in, they hold back signals when
 * they go near the limit or jump.
 */
#ifndef STRESS_CALLS_H
#define STRESS_CALLS_H

#include "accounts.h"
#include "rng.h"

void call_once(struct code code, enum function function, long x);
void call_times(struct code code, enum function function, int times);

/* A function that any caller may call, none with a counter. */
enum function any_function(struct rng *rng);

/* One of all kinds of calls of LASTING, mapped at @code. */
void call_lasting(struct rng *rng, struct code code);
/* Either that, in the program itself, or calls of CHANGING. */
void call_anything(struct rng *rng);

/*
 * @frames frames of recurse() of LASTING with @bottom(@arg) below them, of which
 * @returns are seen to return in all processes together. A child that @bottom
 * forks and that returns from it ends there.
 */
void call_above(int frames, int returns, long (*bottom)(void *arg), void *arg);

#endif
