// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel keeps of memory for each probe, each thread and each process
 * that hits one, everything counted that is not free afterwards.
 *
 * Prints one line per row: name, unit and a figure for each repetition,
 * separated by tabs.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "arch.h"
#include "probes.h"

#define REPETITIONS	3
#define THREADS		1000
#define PROCESSES	200

static const struct function functions[] = { FUNCTIONS };

/* The last, of which the probe is stepped on every architecture. */
static void call_stepped(void)
{
	size_t last = sizeof(functions) / sizeof(*functions) - 1;

	functions[last].first();
}

static const void *stepped(void)
{
	return functions[sizeof(functions) / sizeof(*functions) - 1].first;
}

/* Free pages: those of the zones, and those that processors keep at hand. */
static double free_bytes(void)
{
	FILE *zones = fopen("/proc/zoneinfo", "r");
	unsigned long pages = 0, number;
	char line[256];

	if (!zones)
		die("/proc/zoneinfo");
	/* What is freed after a grace period has to be. */
	sleep(1);
	while (fgets(line, sizeof(line), zones))
		if (sscanf(line, " pages free %lu", &number) == 1 ||
		    sscanf(line, " count: %lu", &number) == 1)
			pages += number;
	fclose(zones);
	return (double)pages * sysconf(_SC_PAGESIZE);
}

/* Attaches, measures, and detaches. */
static double per_probe(void)
{
	int map, prog = counting_program(UPROBE_MULTI, &map), link;
	double before = free_bytes(), used;

	link = attach_multi("/proc/self/exe", file_offset(crowd), CROWD_STRIDE, CROWD_MAX,
			    UPROBE_MULTI, prog);
	used = before - free_bytes();
	close(link);
	close(prog);
	close(map);
	return used / CROWD_MAX;
}

/* How often each thread or process is hit: a thread that is hit often may remember more. */
static int hits_each = 1;

/* Pipes of which each byte lets one thread or process go on. */
struct gates {
	int hit[2];
	int leave[2];
	/* The other way: one has come to its next gate. */
	int here[2];
};

static void await(const int *gate, int count)
{
	char byte;

	while (count--)
		if (read(gate[0], &byte, 1) != 1)
			die("read");
}

static void open_gate(const int *gate, int count)
{
	while (count--)
		if (write(gate[1], "", 1) != 1)
			die("write");
}

static void *get_hit(void *arg)
{
	const struct gates *gates = arg;

	/* Whatever it writes to here, it has copied before. */
	open_gate(gates->here, 1);
	await(gates->hit, 1);
	for (int i = 0; i < hits_each; i++)
		call_stepped();
	open_gate(gates->here, 1);
	await(gates->leave, 1);
	return NULL;
}

static void start_process(struct gates *gates)
{
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		get_hit(gates);
		_exit(0);
	}
}

static void start_thread(struct gates *gates)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, get_hit, gates))
		die("pthread_create");
}

/* Starts @count of them, which stay: those that come later find nothing to reuse. */
static double per_start(void (*start)(struct gates *gates), struct gates *gates, int count)
{
	double before;

	if (pipe(gates->hit) || pipe(gates->leave) || pipe(gates->here))
		die("pipe");
	for (int i = 0; i < count; i++)
		start(gates);
	await(gates->here, count);
	before = free_bytes();
	open_gate(gates->hit, count);
	await(gates->here, count);
	return (before - free_bytes()) / count;
}

static double per_process(void)
{
	static struct gates gates[REPETITIONS + 1], *next = gates;

	return per_start(start_process, next++, PROCESSES);
}

static double per_thread(void)
{
	static struct gates gates[REPETITIONS + 1], *next = gates;

	return per_start(start_thread, next++, THREADS);
}

static double per_busy_thread(void)
{
	static struct gates gates[REPETITIONS + 1], *next = gates;

	hits_each = 10;
	return per_start(start_thread, next++, THREADS);
}

static void row(const char *what, double (*measure)(void))
{
	/* What is allocated once and kept is no one's share. */
	measure();
	printf("memory per %s\tbytes\t", what);
	for (int i = 0; i < REPETITIONS; i++)
		printf("%s%.1f", i ? " " : "", measure());
	printf("\n");
	fflush(stdout);
}

int main(void)
{
	int map, fd;

	row("probe", per_probe);
	fd = attach_perf_bpf(stepped(), false, counting_program(UPROBE, &map));
	row("process hit once", per_process);
	row("thread hit once", per_thread);
	row("thread hit ten times", per_busy_thread);
	close(fd);
	close(map);
	return 0;
}
