// SPDX-License-Identifier: GPL-2.0
/*
 * One run from beginning to end: see run.h.
 */
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach.h"
#include "callers.h"
#include "calls.h"
#include "judge.h"
#include "maps.h"
#include "run.h"
#include "signals.h"
#include "spawn.h"

/* A kernel that loses a wakeup must not make this wait for ever. */
#define STILL_SECONDS	120

#define CALLERS		3

static void *be_attacher(void *arg)
{
	struct attacher *self = arg;

	self->work(self);
	return NULL;
}

static struct attacher attachers[] = {
	{ .work = attach_by_multi },
	{ .work = attach_by_multi },
	{ .work = attach_by_pmu },
	{ .work = attach_by_tracefs },
	{ .work = attach_with_counters },
	{ .work = attach_with_counters },
};

#define ATTACHERS	(int)(sizeof(attachers) / sizeof(attachers[0]))

static const struct {
	void *(*work)(void *rng);
	int threads;
} trades[] = {
	{ call_and_call, CALLERS },
	{ map_and_call, 1 },
	{ spawn_and_spawn, 2 },
	{ signal_and_signal, 1 },
};

#define WORKERS_MAX	32

struct workers {
	pthread_t threads[WORKERS_MAX];
	struct rng rngs[WORKERS_MAX];
	int n;
	pid_t calling_process;
};

static void start_thread(struct workers *workers, void *(*work)(void *), void *arg)
{
	if (pthread_create(&workers->threads[workers->n++], NULL, work, arg))
		errx(EXIT_FAILURE, "pthread_create");
}

static void start(struct workers *workers, uint64_t seed)
{
	*workers = (struct workers){ .calling_process = start_calling_process(seed) };
	for (int i = 0; i < ATTACHERS; i++) {
		attachers[i].number = i;
		attachers[i].rng = rng_of(seed, workers->n);
		start_thread(workers, be_attacher, &attachers[i]);
	}
	for (size_t i = 0; i < sizeof(trades) / sizeof(trades[0]); i++) {
		for (int j = 0; j < trades[i].threads; j++) {
			struct rng *rng = &workers->rngs[workers->n];

			*rng = rng_of(seed, workers->n);
			start_thread(workers, trades[i].work, rng);
		}
	}
}

/* Until nothing is attached but the probes that stay. */
static void stop(struct workers *workers)
{
	int status;

	declare_over();
	for (int i = 0; i < workers->n; i++)
		pthread_join(workers->threads[i], NULL);
	declare_detached();
	if (waitpid(workers->calling_process, &status, 0) < 0 || status)
		wrong(CHECK_PROCESSES, "the process that calls: status %#x", status);
}

static void make_counts(struct counts *counts)
{
	counters_make(&counts->kinds[PROBE_ENTRY]);
	counters_make(&counts->kinds[PROBE_RETURN]);
}

static void destroy_counts(struct counts *counts)
{
	counters_destroy(&counts->kinds[PROBE_ENTRY]);
	counters_destroy(&counts->kinds[PROBE_RETURN]);
}

static int attach(const struct counts *counts, enum file file, enum probe_kind kind)
{
	static enum function functions[FUNCTIONS];
	struct attachment all = {
		.file = file, .kind = kind, .functions = functions, .n = FUNCTIONS,
	};
	int link;

	for (int f = 0; f < FUNCTIONS; f++)
		functions[f] = f;
	link = counters_attach(&counts->kinds[kind], &all);
	if (link < 0)
		errx(EXIT_FAILURE, "attaching to file %d: %d", file, link);
	return link;
}

/* Probes that are there for the whole run. */
struct lasting {
	struct counts counts, killed;
	int links[4];
	struct trace_counter event;
};

/* A second opinion on some of them. */
static const enum function traced[] = { F_EMULATED, F_STEPPED, F_OPTIMISED, F_RECURSE };

#define TRACED		(int)(sizeof(traced) / sizeof(traced[0]))

static void attach_event(struct trace_counter *event)
{
	int ret = trace_create(event, "stays", PROBE_ENTRY);

	for (int i = 0; !ret && i < TRACED; i++)
		ret = trace_add(event, code_place(LASTING, traced[i]));
	if (!ret)
		ret = trace_enable(event);
	if (ret)
		errx(EXIT_FAILURE, "tracefs: %d", ret);
}

static void attach_all(struct lasting *lasting)
{
	make_counts(&lasting->counts);
	make_counts(&lasting->killed);
	lasting->links[0] = attach(&lasting->counts, LASTING, PROBE_ENTRY);
	lasting->links[1] = attach(&lasting->counts, LASTING, PROBE_RETURN);
	lasting->links[2] = attach(&lasting->killed, KILLED, PROBE_ENTRY);
	lasting->links[3] = attach(&lasting->killed, KILLED, PROBE_RETURN);
	attach_event(&lasting->event);
}

static void check_event(struct lasting *lasting)
{
	long long hits[TRACED];

	if (trace_hits_each(&lasting->event, hits, TRACED) != TRACED)
		return wrong(CHECK_TRACEFS, "no profile");
	for (int i = 0; i < TRACED; i++) {
		uint64_t calls = tally(LASTING, traced[i]).done;

		if (hits[i] != (long long)calls)
			wrong(CHECK_TRACEFS, "function %d: %lld hits, not %lld", traced[i],
			      hits[i], (long long)calls);
	}
}

static void check_counters(void)
{
	for (int f = F_COUNTED; f < FUNCTIONS; f++) {
		if (code_counter(f))
			wrong(CHECK_COUNTERS, "counter of function %d is %d at the end", f,
			      code_counter(f));
	}
}

static void detach_all(struct lasting *lasting)
{
	uint64_t hits;

	for (int i = 0; i < 4; i++)
		close(lasting->links[i]);
	trace_destroy(&lasting->event);
	hits = total_hits(&lasting->counts);
	for (int f = 0; f < F_RECURSE; f++)
		code_call_function(code_of(LASTING), f, 0);
	if (total_hits(&lasting->counts) != hits)
		wrong(CHECK_DETACHED, "hits after the end");
}

static void wait_for(const struct lasting *lasting, uint64_t wanted, bool show)
{
	uint64_t before = 0, hits;
	int still = 0;

	while ((hits = total_hits(&lasting->counts)) < wanted) {
		if (show)
			printf("# progress\t%llu\t%llu\n", (unsigned long long)hits,
			       (unsigned long long)wanted);
		still = hits == before ? still + 1 : 0;
		if (still == STILL_SECONDS)
			errx(EXIT_FAILURE, "not one hit in %d seconds", still);
		before = hits;
		sleep(1);
	}
}

void run(uint64_t seed, uint64_t hits, bool show)
{
	struct lasting lasting;
	struct workers workers;

	accounts_clear();
	attach_all(&lasting);
	start(&workers, seed);
	wait_for(&lasting, hits, show);
	stop(&workers);
	judge_lasting(&lasting.counts);
	judge_killed(&lasting.killed);
	check_event(&lasting);
	check_counters();
	detach_all(&lasting);
	if (show) {
		print_table(&lasting.counts, &lasting.killed);
		print_deeds();
	}
	destroy_counts(&lasting.counts);
	destroy_counts(&lasting.killed);
}
