// SPDX-License-Identifier: GPL-2.0
/*
 * Compares calls with hits: see judge.h.
 */
#include <stdio.h>

#include "judge.h"

static uint64_t count(const struct counts *counts, enum probe_kind kind, enum function function)
{
	return counts->kinds[kind].count[function];
}

static void expect(enum check check, enum function function, uint64_t hits, uint64_t expected)
{
	if (hits != expected)
		wrong(check, "function %d: %llu hits, not %llu", function,
		      (unsigned long long)hits, (unsigned long long)expected);
}

void judge_lasting(const struct counts *counts)
{
	for (int f = 0; f < FUNCTIONS; f++) {
		struct tally calls = tally(LASTING, f);

		if (calls.begun != calls.done)
			wrong(CHECK_ENTRIES, "function %d: a call never ended", f);
		expect(CHECK_ENTRIES, f, count(counts, PROBE_ENTRY, f), calls.done);
		expect(CHECK_RETURNS, f, count(counts, PROBE_RETURN, f), calls.returned);
	}
}

static void expect_between(enum function function, uint64_t hits, uint64_t least, uint64_t most)
{
	if (hits < least || hits > most)
		wrong(CHECK_KILLED, "function %d: %llu hits, not %llu to %llu", function,
		      (unsigned long long)hits, (unsigned long long)least,
		      (unsigned long long)most);
}

void judge_killed(const struct counts *counts)
{
	for (int f = 0; f < FUNCTIONS; f++) {
		struct tally calls = tally(KILLED, f);

		expect_between(f, count(counts, PROBE_ENTRY, f), calls.done, calls.begun);
		expect_between(f, count(counts, PROBE_RETURN, f), calls.done, calls.begun);
	}
}

uint64_t total_hits(const struct counts *counts)
{
	uint64_t sum = 0;

	for (int f = 0; f < FUNCTIONS; f++)
		sum += count(counts, PROBE_ENTRY, f);
	return sum;
}

struct sums {
	uint64_t calls, entries, returned, returns;
};

static struct sums sum_up(enum file file, const struct counts *counts, int first, int last)
{
	struct sums sums = {};

	for (int f = first; f <= last; f++) {
		struct tally calls = tally(file, f);

		sums.calls += calls.done;
		sums.returned += calls.returned;
		sums.entries += count(counts, PROBE_ENTRY, f);
		sums.returns += count(counts, PROBE_RETURN, f);
	}
	return sums;
}

static void print_row(const char *name, struct sums sums)
{
	printf("# account\t%s\t%llu\t%llu\t%llu\t%llu\n", name, (unsigned long long)sums.calls,
	       (unsigned long long)sums.entries, (unsigned long long)sums.returned,
	       (unsigned long long)sums.returns);
}

void print_table(const struct counts *lasting, const struct counts *killed)
{
	static const struct {
		const char *name;
		enum function first, last;
	} groups[] = {
		{ "emulated", F_EMULATED, F_EMULATED },
		{ "stepped", F_STEPPED, F_STEPPED_B },
		{ "made a call", F_OPTIMISED, F_OPTIMISED },
		{ "jump to each other", F_TAIL_A, F_TAIL_C },
		{ "stepped, many", F_MANY, F_RECURSE - 1 },
		{ "recursing beyond the limit", F_RECURSE, F_RECURSE },
		{ "left by longjmp()", F_RECURSE_B, F_RECURSE_B },
	};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		print_row(groups[i].name,
			  sum_up(LASTING, lasting, groups[i].first, groups[i].last));
	print_row("in killed processes", sum_up(KILLED, killed, 0, FUNCTIONS - 1));
}

void print_deeds(void)
{
	static const char *const names[DEEDS] = {
		[DEED_CALLS] = "series of calls",
		[DEED_ATTACH] = "attached and detached",
		[DEED_MAP] = "mappings changed",
		[DEED_PROCESS] = "processes ended",
		[DEED_THREAD] = "threads ended",
		[DEED_EXEC] = "programs executed",
		[DEED_KILL] = "processes killed",
		[DEED_SIGNAL] = "signals sent",
		[DEED_JUMP] = "longjmp()",
	};

	for (int i = 0; i < DEEDS; i++)
		printf("# deed\t%s\t%llu\n", names[i], (unsigned long long)deeds(i));
}
