// SPDX-License-Identifier: GPL-2.0
/*
 * Hits for QEMU's plugin: one thread on each CPU calls the same probed function,
 * with a mark before each call.
 *
 * `laps ROUNDS CALLS [FUNCTION...]`; all functions if none is named. Prints one
 * line per row, with a tab between the function and the hook. Each round is a
 * section of the plugin's, with threads of its own.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch.h"
#include "marks.h"
#include "probes.h"

/* Until then, every cache that a hit can use has been filled. */
#define WARM_UP		100
#define CPUS_MAX	64

static const struct function functions[] = { FUNCTIONS };

/* Each counts in a per-CPU array, so that none writes what another CPU writes. */
static const struct hook hooks[] = {
	{ "uprobe bpf", UPROBE, BPF, 1 },
	{ "uretprobe bpf", URETPROBE, BPF, 1 },
	{ "uprobe.multi bpf", UPROBE_MULTI, BPF, 1 },
	{ "uretprobe.multi bpf", URETPROBE_MULTI, BPF, 1 },
	{ "session bpf", SESSION, BPF, 2 },
};

/* What all threads of a row do. */
struct work {
	const struct function *function;
	int calls;
	int cpus;
	pthread_barrier_t warm;
};

struct worker {
	struct work *work;
	int cpu;
	pthread_t thread;
};

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

/* Of two functions, each is called every other time. */
static void call(const struct function *function, int i)
{
	if (function->second && i % 2)
		function->second();
	else
		function->first();
}

static void *run(void *arg)
{
	const struct worker *worker = arg;
	struct work *work = worker->work;

	pin(worker->cpu);
	for (int i = 0; i < WARM_UP; i++)
		call(work->function, i);
	pthread_barrier_wait(&work->warm);
	for (int i = 0; i < work->calls; i++) {
		mark(MARK_LAP);
		call(work->function, i);
	}
	mark(MARK_REST);
	return NULL;
}

static void run_everywhere(struct work *work)
{
	struct worker workers[CPUS_MAX];

	pthread_barrier_init(&work->warm, NULL, work->cpus);
	mark(MARK_SECTION);
	for (int cpu = 0; cpu < work->cpus; cpu++) {
		workers[cpu] = (struct worker){ .work = work, .cpu = cpu };
		if (pthread_create(&workers[cpu].thread, NULL, run, &workers[cpu]))
			die("pthread_create");
	}
	for (int cpu = 0; cpu < work->cpus; cpu++)
		pthread_join(workers[cpu].thread, NULL);
	pthread_barrier_destroy(&work->warm);
}

static int attach(const void *place, const struct hook *hook, int prog)
{
	if (hook->kind == UPROBE || hook->kind == URETPROBE)
		return attach_perf_bpf(place, hook->kind == URETPROBE, prog);
	return attach_multi("/proc/self/exe", file_offset(place), 0, 1, hook->kind, prog);
}

static void row(struct work *work, const struct hook *hook, int rounds)
{
	const struct function *function = work->function;
	unsigned long wanted = (unsigned long)rounds * work->cpus * (WARM_UP + work->calls), got;
	int map, prog = counting_program(hook->kind, &map);
	int first = attach(function->first, hook, prog);
	int second = function->second ? attach(function->second, hook, prog) : -1;

	for (int i = 0; i < rounds; i++)
		run_everywhere(work);
	wanted *= hook->counts;
	got = counted(map);
	if (got != wanted) {
		fprintf(stderr, "%s, %s: %lu hits, not %lu\n", function->name, hook->name,
			got, wanted);
		exit(1);
	}
	printf("%s\t%s\n", function->name, hook->name);
	fflush(stdout);
	close(first);
	if (second >= 0)
		close(second);
	close(prog);
	close(map);
}

static bool is_wanted(const char *function, int count, char **names)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(function, names[i]))
			return true;
	return !count;
}

int main(int argc, char **argv)
{
	struct work work = { .cpus = sysconf(_SC_NPROCESSORS_ONLN) };

	if (argc < 3 || work.cpus > CPUS_MAX) {
		fprintf(stderr, "usage: %s ROUNDS CALLS [FUNCTION...]\n", argv[0]);
		return 1;
	}
	work.calls = atoi(argv[2]);
	mark(MARK_WATCH);
	for (size_t f = 0; f < sizeof(functions) / sizeof(*functions); f++) {
		work.function = &functions[f];
		if (!is_wanted(functions[f].name, argc - 3, argv + 3))
			continue;
		for (size_t h = 0; h < sizeof(hooks) / sizeof(*hooks); h++)
			row(&work, &hooks[h], atoi(argv[1]));
	}
	mark(MARK_FINISH);
	return 0;
}
