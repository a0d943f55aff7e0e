// SPDX-License-Identifier: GPL-2.0
/*
 * Calls and what they have to come to: see calls.h.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "calls.h"

#define DEEPEST		100
/* At the limit the kernel forgets no frames, see longjmp.c. */
#define MOST_LEFT	(MAX_PENDING_RETURNS - 8)

void call_once(struct code code, enum function function, long x)
{
	long result;

	book_begun(code.file, function, 1);
	result = code_call_function(code, function, x);
	book_done(code.file, function, 1, 1);
	if (result != x + code_adds(function) + mistake(CHECK_RESULTS))
		wrong(CHECK_RESULTS, "function %d of file %d: %ld for %ld",
		      function, code.file, result, x);
}

void call_times(struct code code, enum function function, int times)
{
	for (int i = 0; i < times; i++)
		call_once(code, function, i);
}

enum function any_function(struct rng *rng)
{
	enum function function = rng_below(rng, F_MANY + 3);

	switch (function) {
	case F_TAIL_A ... F_TAIL_C:
		return F_OPTIMISED;
	case F_EMULATED ... F_OPTIMISED:
		return function;
	default:
		return F_MANY + rng_below(rng, MANY_CALLED);
	}
}

static void call_chain(struct code code)
{
	long result;

	for (int f = F_TAIL_A; f <= F_TAIL_C; f++)
		book_begun(code.file, f, 1);
	result = code_call_function(code, F_TAIL_A, 0);
	for (int f = F_TAIL_A; f <= F_TAIL_C; f++)
		book_done(code.file, f, 1, 1);
	if (result != 3)
		wrong(CHECK_RESULTS, "a chain of jumps gives %ld", result);
}

typedef long (*recursion)(long frames, long (*bottom)(void *arg), void *arg);

static recursion recursion_in(struct code code, enum function function)
{
	struct code home = code_of(LASTING);
	const char *address = function == F_RECURSE ? (char *)recurse : (char *)recurse_b;

	return (recursion)(code.start + (address - home.start));
}

static void hold_signals(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, old);
}

static void let_signals(const sigset_t *old)
{
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

static void call_deep(struct rng *rng, struct code code)
{
	int frames = 1 + rng_below(rng, DEEPEST);
	int returns = frames < MAX_PENDING_RETURNS ? frames : MAX_PENDING_RETURNS;
	sigset_t old;
	long result;

	hold_signals(&old);
	book_begun(code.file, F_RECURSE, frames);
	result = recursion_in(code, F_RECURSE)(frames - 1, NULL, NULL);
	book_done(code.file, F_RECURSE, frames, returns - mistake(CHECK_RETURNS));
	let_signals(&old);
	if (result != frames - 1)
		wrong(CHECK_RESULTS, "%d frames give %ld", frames, result);
}

static long jump_back(void *target)
{
	longjmp(*(jmp_buf *)target, 1);
}

/*
 * Leaves frames behind, and then calls from the same place: the kernel forgets
 * the frames when it sees a new one at or above them.
 */
static __attribute__((noinline)) void call_and_jump(struct rng *rng, struct code code)
{
	const int frames = 1 + rng_below(rng, MOST_LEFT);
	recursion function = recursion_in(code, F_RECURSE_B);
	jmp_buf target;
	sigset_t old;

	hold_signals(&old);
	book_begun(code.file, F_RECURSE_B, frames);
	if (!setjmp(target))
		function(frames - 1, jump_back, &target);
	book_done(code.file, F_RECURSE_B, frames, 0);
	book_begun(code.file, F_RECURSE_B, 1);
	function(0, NULL, NULL);
	book_done(code.file, F_RECURSE_B, 1, 1);
	let_signals(&old);
	book_deed(DEED_JUMP);
}

void call_above(int frames, int returns, long (*bottom)(void *arg), void *arg)
{
	pid_t caller = getpid();
	sigset_t old;

	hold_signals(&old);
	book_begun(LASTING, F_RECURSE, frames);
	recurse(frames - 1, bottom, arg);
	if (getpid() != caller)
		_exit(EXIT_SUCCESS);
	book_done(LASTING, F_RECURSE, frames, returns);
	let_signals(&old);
}

static enum function function_in(struct rng *rng, struct code code)
{
	enum function function = any_function(rng);

	return code.moves && function == F_OPTIMISED ? F_EMULATED : function;
}

void call_lasting(struct rng *rng, struct code code)
{
	switch (rng_below(rng, 16)) {
	case 0:
		return call_deep(rng, code);
	case 1:
		return call_and_jump(rng, code);
	case 2 ... 3:
		return call_chain(code);
	default:
		return call_times(code, function_in(rng, code), 1 + rng_below(rng, 30));
	}
}

static void call_changing(struct rng *rng)
{
	struct code code = code_of(CHANGING);
	int times = 1 + rng_below(rng, 10);

	switch (rng_below(rng, 4)) {
	case 0:
		return call_times(code, F_COUNTED + rng_below(rng, COUNTED), times);
	case 1:
		return call_chain(code);
	default:
		return call_times(code, any_function(rng), times);
	}
}

void call_anything(struct rng *rng)
{
	if (rng_one_in(rng, 4))
		call_changing(rng);
	else
		call_lasting(rng, code_of(LASTING));
}
