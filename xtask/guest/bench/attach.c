// SPDX-License-Identifier: GPL-2.0
/*
 * What it takes to attach probes and to detach them: perf events, one by one,
 * and uprobe.multi links, in one process and in ten.
 *
 * `attach cpu` measures what this thread executes, which is instructions where
 * the machine counts them, and leaves out what it waits for; `attach time`
 * measures how long it takes. Prints one line per row: name, unit and, per
 * probe, a figure for each repetition, separated by tabs.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probes.h"

#define EVENTS_MAX	200
#define REPETITIONS_MAX	3
#define PROCESSES_MAX	10

struct mode {
	const char *name;
	const char *unit;
	clockid_t clock;
	/* Nanoseconds of the clock in a unit. */
	double scale;
	int repetitions;
};

/* Rounds of whole guests repeat what takes time. */
static const struct mode modes[] = {
	{ "cpu", "instructions", CLOCK_THREAD_CPUTIME_ID, 1, REPETITIONS_MAX },
	{ "time", "µs", CLOCK_MONOTONIC, 1000, 1 },
};

static const struct mode *mode;

static double now(void)
{
	struct timespec time;

	clock_gettime(mode->clock, &time);
	return (time.tv_sec * 1e9 + time.tv_nsec) / mode->scale;
}

/* What each of @count probes took. */
struct cost {
	double attach;
	double detach;
};

static struct cost perf_events(int count)
{
	double begun = now(), attached;
	int fds[EVENTS_MAX];
	struct cost cost;

	for (int i = 0; i < count; i++)
		fds[i] = attach_perf(crowd + i * CROWD_STRIDE, false);
	attached = now();
	for (int i = 0; i < count; i++)
		close(fds[i]);
	cost.attach = (attached - begun) / count;
	cost.detach = (now() - attached) / count;
	return cost;
}

static struct cost multi(int count)
{
	int map, prog = counting_program(UPROBE_MULTI, &map), link;
	double begun = now(), attached;
	struct cost cost;

	link = attach_multi("/proc/self/exe", file_offset(crowd), CROWD_STRIDE, count,
			    UPROBE_MULTI, prog);
	attached = now();
	close(link);
	cost.attach = (attached - begun) / count;
	cost.detach = (now() - attached) / count;
	close(prog);
	close(map);
	return cost;
}

static void print(const char *what, const char *how, const double *figures)
{
	printf("%s %s\t%s\t", how, what, mode->unit);
	for (int i = 0; i < mode->repetitions; i++)
		printf("%s%.3f", i ? " " : "", figures[i]);
	printf("\n");
	fflush(stdout);
}

static void rows(const char *what, struct cost (*measure)(int count), int count)
{
	double attach[REPETITIONS_MAX], detach[REPETITIONS_MAX];

	for (int i = 0; i < mode->repetitions; i++) {
		struct cost cost = measure(count);

		attach[i] = cost.attach;
		detach[i] = cost.detach;
	}
	print(what, "attach", attach);
	print(what, "detach", detach);
}

static void perf_rows(int count)
{
	char what[64];

	snprintf(what, sizeof(what), "%d perf events", count);
	rows(what, perf_events, count);
}

static void multi_rows(int count, int processes)
{
	pid_t others[PROCESSES_MAX];
	char what[64];

	for (int i = 1; i < processes; i++) {
		others[i] = fork();
		if (others[i] < 0)
			die("fork");
		if (!others[i]) {
			pause();
			_exit(0);
		}
	}
	snprintf(what, sizeof(what), "uprobe.multi of %d, %d process%s", count, processes,
		 processes > 1 ? "es" : "");
	rows(what, multi, count);
	for (int i = 1; i < processes; i++) {
		kill(others[i], SIGKILL);
		waitpid(others[i], NULL, 0);
	}
}

int main(int argc, char **argv)
{
	static const int counts[] = { 100, 1000, 10000, CROWD_MAX };

	for (int i = 0; argc > 1 && i < 2; i++)
		if (!strcmp(argv[1], modes[i].name))
			mode = &modes[i];
	if (!mode) {
		fprintf(stderr, "usage: %s cpu|time\n", argv[0]);
		return 1;
	}
	perf_rows(50);
	perf_rows(EVENTS_MAX);
	for (int i = 0; i < 4; i++)
		multi_rows(counts[i], 1);
	for (int i = 0; i < 4; i++)
		multi_rows(counts[i], PROCESSES_MAX);
	return 0;
}
