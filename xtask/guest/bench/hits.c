// SPDX-License-Identifier: GPL-2.0
/*
 * What a hit costs, in instructions: run on a machine with one CPU that counts
 * them (QEMU's -icount shift=0).
 *
 * Prints one line per row, fields separated by tabs: function, hook, probes in
 * the file, mappings in the process, and the median and the interquartile range
 * of what one call took. `hits quick` leaves out rows and repetitions.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch.h"
#include "probes.h"

#define WARM_UP		200
#define SETTLE_US	50000
#define CALLS		200	/* in a batch */
#define BATCHES_MAX	100

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof(*(array)))

static const struct function functions[] = { FUNCTIONS };

static const struct hook hooks[] = {
	{ "uprobe perf", UPROBE, PERF, 1 },
	{ "uretprobe perf", URETPROBE, PERF, 1 },
	{ "uprobe bpf", UPROBE, BPF, 1 },
	{ "uretprobe bpf", URETPROBE, BPF, 1 },
	{ "uprobe.multi bpf", UPROBE_MULTI, BPF, 1 },
	{ "uretprobe.multi bpf", URETPROBE_MULTI, BPF, 1 },
	{ "session bpf", SESSION, BPF, 2 },
};

/* What else is in the file and in the process. */
struct surroundings {
	int probes;
	int mappings;
};

static const struct surroundings all_surroundings[] = {
	{ 1, 1 },
	{ 1000, 1 },
	{ 50000, 1 },
	{ 1, 1000 },
	{ 50000, 1000 },
};

static const struct surroundings quick_surroundings[] = {
	{ 1, 1 },
	{ 50000, 1000 },
};

static bool quick;

/* One probed place, and the count of its hits. */
struct probe {
	int fd;
	int prog;
	int map;
};

static struct probe attach(const void *place, const struct hook *hook)
{
	bool on_return = hook->kind == URETPROBE;
	struct probe probe = { -1, -1, -1 };

	if (hook->consumer == PERF) {
		probe.fd = attach_perf(place, on_return);
		return probe;
	}
	probe.prog = counting_program(hook->kind, &probe.map);
	if (hook->kind == UPROBE || hook->kind == URETPROBE)
		probe.fd = attach_perf_bpf(place, on_return, probe.prog);
	else
		probe.fd = attach_multi("/proc/self/exe", file_offset(place), 0, 1,
					hook->kind, probe.prog);
	return probe;
}

static unsigned long hits_of(const struct probe *probe)
{
	unsigned long count;

	if (probe->map >= 0)
		return counted(probe->map);
	if (read(probe->fd, &count, sizeof(count)) != sizeof(count))
		die("read a counter");
	return count;
}

static void detach(const struct probe *probe)
{
	close(probe->fd);
	if (probe->prog >= 0)
		close(probe->prog);
	if (probe->map >= 0)
		close(probe->map);
}

/* Calls until there were @calls of all functions together. */
static void call(const struct function *function, int calls)
{
	if (!function->second) {
		while (calls--)
			function->first();
		return;
	}
	for (; calls; calls -= 2) {
		function->first();
		function->second();
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Fills @costs, sorted. */
static void measure(const struct function *function, double *costs, int batches)
{
	call(function, WARM_UP);
	/* What the row before has left for later is done now. */
	usleep(SETTLE_US);
	for (int i = 0; i < batches; i++) {
		double begun = clock_ns();

		call(function, CALLS);
		costs[i] = (clock_ns() - begun) / CALLS;
	}
	qsort(costs, batches, sizeof(*costs), compare);
}

static void row(const struct function *function, const struct hook *hook,
		const struct surroundings *around)
{
	struct probe first = attach(function->first, hook), second = { -1, -1, -1 };
	int batches = quick ? BATCHES_MAX / 5 : BATCHES_MAX;
	unsigned long wanted = (WARM_UP + batches * CALLS) * hook->counts, got;
	double costs[BATCHES_MAX];

	if (function->second)
		second = attach(function->second, hook);
	measure(function, costs, batches);
	got = hits_of(&first);
	if (function->second)
		got += hits_of(&second);
	if (got != wanted) {
		fprintf(stderr, "%s, %s: %lu hits, not %lu\n", function->name, hook->name,
			got, wanted);
		exit(1);
	}
	printf("%s\t%s\t%d\t%d\t%.3f\t%.3f\n", function->name, hook->name,
	       around->probes, around->mappings, costs[batches / 2],
	       costs[batches * 3 / 4] - costs[batches / 4]);
	fflush(stdout);
	detach(&first);
	if (function->second)
		detach(&second);
}

static void *add_mappings(int count)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *area = mmap(NULL, count * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		die("mmap");
	/* Neighbours with other rights are mappings of their own. */
	for (int i = 1; i < count; i += 2)
		if (mprotect(area + i * page, page, PROT_READ | PROT_WRITE))
			die("mprotect");
	return area;
}

/* The rows that are of interest there: all of them only where nothing else is. */
static bool is_wanted(const struct hook *hook, const struct surroundings *around)
{
	return (around->probes == 1 && around->mappings == 1) || hook->consumer == PERF;
}

static void rows(const struct surroundings *around)
{
	int map = -1, prog = -1, link = -1;
	void *mappings = NULL;

	if (around->mappings > 1)
		mappings = add_mappings(around->mappings);
	if (around->probes > 1) {
		prog = counting_program(UPROBE_MULTI, &map);
		link = attach_multi("/proc/self/exe", file_offset(crowd), CROWD_STRIDE,
				    around->probes - 1, UPROBE_MULTI, prog);
	}
	for (size_t f = 0; f < ARRAY_SIZE(functions); f++)
		for (size_t h = 0; h < ARRAY_SIZE(hooks); h++)
			if (is_wanted(&hooks[h], around))
				row(&functions[f], &hooks[h], around);
	if (link >= 0) {
		close(link);
		close(prog);
		close(map);
	}
	if (mappings)
		munmap(mappings, around->mappings * sysconf(_SC_PAGESIZE));
}

/*
 * Hits each kind once. A process that has had a return probe keeps a mapping
 * for it, and every row is to find the same ones whatever came before it.
 */
static void prime(void)
{
	for (size_t h = 0; h < ARRAY_SIZE(hooks); h++) {
		struct probe probe = attach(functions[0].first, &hooks[h]);

		call(&functions[0], 1);
		detach(&probe);
	}
}

int main(int argc, char **argv)
{
	const struct surroundings *around = all_surroundings;
	size_t count = ARRAY_SIZE(all_surroundings);

	quick = argc > 1 && !strcmp(argv[1], "quick");
	if (quick) {
		around = quick_surroundings;
		count = ARRAY_SIZE(quick_surroundings);
	}
	prime();
	for (size_t i = 0; i < count; i++)
		rows(&around[i]);
	return 0;
}
