// SPDX-License-Identifier: GPL-2.0
/*
 * Threads and a process that call: see callers.h.
 */
#include <err.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "callers.h"
#include "calls.h"
#include "signals.h"

#define THREADS			2
#define CALLS_PER_ATTACH	100

/* The longer the run, the longer shall be the times in which little changes. */
static bool is_ahead(void)
{
	uint64_t attached = deeds(DEED_ATTACH);

	return deeds(DEED_CALLS) > (attached + 1) * (CALLS_PER_ATTACH + attached / 2);
}

/* Calls are fast, and attaching is slow. There shall be some of it, however fast. */
static void let_others_keep_up(void)
{
	sched_yield();
	while (!is_over() && is_ahead())
		usleep(500);
}

void *call_and_call(void *arg)
{
	struct rng *rng = arg;
	int seat = signals_accept();

	setpriority(PRIO_PROCESS, 0, 15);
	while (!is_over()) {
		call_anything(rng);
		book_deed(DEED_CALLS);
		let_others_keep_up();
		if (mistake(CHECK_ENTRIES) || mistake(CHECK_TRACEFS))
			code_call_function(code_of(LASTING), F_EMULATED, 0);
	}
	signals_refuse(seat);
	return NULL;
}

static void check_counters(void)
{
	for (int i = 0; i < COUNTED; i++) {
		if (code_counter(F_COUNTED + i))
			wrong(CHECK_COUNTERS, "counter %d of another process is %d at the end",
			      i, code_counter(F_COUNTED + i));
	}
}

static void be_calling_process(uint64_t seed)
{
	struct rng rngs[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		rngs[i] = rng_of(seed, i);
		if (pthread_create(&threads[i], NULL, call_and_call, &rngs[i]))
			errx(EXIT_FAILURE, "pthread_create");
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	while (!is_detached())
		usleep(10000);
	check_counters();
}

pid_t start_calling_process(uint64_t seed)
{
	pid_t pid = fork();

	if (pid < 0)
		err(EXIT_FAILURE, "fork");
	if (pid)
		return pid;
	be_calling_process(seed);
	_exit(EXIT_SUCCESS);
}
