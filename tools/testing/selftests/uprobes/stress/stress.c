// SPDX-License-Identifier: GPL-2.0
/*
 * A stress of uprobes in which every hit is accounted for: see accounts.h for
 * what is booked, calls.h for what it has to come to, and the other headers for
 * who disturbs it.
 *
 *   stress [--hits N] [--seed S] [--mistakes]
 *
 * prints TAP, and the seed, with which the workers do the same again. With
 * --mistakes each kind of thing goes wrong once on purpose, so that no case may
 * pass.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "accounts.h"
#include "kselftest.h"
#include "memory.h"
#include "run.h"
#include "signals.h"
#include "spawn.h"
#include "victims.h"

#define HITS		100000
/* Fills caches and pools, so that what grows afterwards is lost. */
#define WARM_UP_HITS(hits)	((hits) < 200000 ? (hits) / 4 : 50000)

#define LOST_BYTES	(64 << 20)

static const char *const titles[CHECKS] = {
	[CHECK_ENTRIES] = "every call was hit once",
	[CHECK_RETURNS] = "every return was hit once",
	[CHECK_TRACEFS] = "tracefs counts the same",
	[CHECK_KILLED] = "killed callers were hit up to their last call",
	[CHECK_ATTACHED] = "what came and went was hit meanwhile",
	[CHECK_DETACHED] = "nothing was hit after it was detached",
	[CHECK_COUNTERS] = "reference counters end where they began",
	[CHECK_RESULTS] = "every call gave its result",
	[CHECK_PROCESSES] = "no process died",
	[CHECK_MEMORY] = "no memory was lost",
};

struct options {
	uint64_t hits;
	uint64_t seed;
	bool mistakes;
};

static struct options parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "hits", required_argument, NULL, 'h' },
		{ "seed", required_argument, NULL, 's' },
		{ "mistakes", no_argument, NULL, 'm' },
		{},
	};
	struct options options = { .hits = HITS, .seed = time(NULL) };
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'h')
			options.hits = strtoull(optarg, NULL, 0);
		else if (option == 's')
			options.seed = strtoull(optarg, NULL, 0);
		else if (option == 'm')
			options.mistakes = true;
		else
			exit(EXIT_FAILURE);
	}
	return options;
}

static void lose_memory(void)
{
	void *lost = mmap(NULL, LOST_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (lost == MAP_FAILED)
		ksft_exit_fail_msg("no memory to lose\n");
}

static void stress(const struct options *options)
{
	static struct memory before, after;

	run(options->seed ^ 1, WARM_UP_HITS(options->hits), false);
	memory_look(&before);
	if (options->mistakes)
		allow_mistakes();
	run(options->seed, options->hits, true);
	if (mistake(CHECK_MEMORY))
		lose_memory();
	memory_look(&after);
	memory_compare(&before, &after);
}

static void report(enum check check)
{
	if (check == CHECK_MEMORY && memory_is_kept())
		ksft_test_result(true, "%s # SKIP this kernel keeps what is freed\n",
				 titles[check]);
	else
		ksft_test_result(!wrongs(check), "%s\n", titles[check]);
}

int main(int argc, char **argv)
{
	struct options options;

	if (argc == 5 && !strcmp(argv[1], SPAWN_EXECUTED))
		return spawn_executed(argv + 2);
	setvbuf(stdout, NULL, _IOLBF, 0);
	options = parse(argc, argv);
	accounts_init();
	code_init();
	signals_init();
	victims_init();
	ksft_print_header();
	ksft_set_plan(CHECKS);
	ksft_print_msg("seed %llu, %llu hits\n", (unsigned long long)options.seed,
		       (unsigned long long)options.hits);
	stress(&options);
	for (int check = 0; check < CHECKS; check++)
		report(check);
	ksft_finished();
}
