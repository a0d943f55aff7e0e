// SPDX-License-Identifier: GPL-2.0
/*
 * What probes in a file cost those who do not hit them: exec of the program,
 * fork of a process that maps it, and a new mapping of it. For a machine that
 * counts instructions and has one CPU; nothing here waits for anything else.
 *
 * Prints one line per row: name, unit and a figure for each repetition,
 * separated by tabs. `latency exit` ends at once: it is what is executed.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch.h"
#include "probes.h"

#define SELF		"/proc/self/exe"
#define REPETITIONS	9

static void wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || status)
		die("a child failed");
}

static void exec_once(void)
{
	char *args[] = { "latency", "exit", NULL }, *environment[] = { NULL };
	pid_t child;

	if (posix_spawn(&child, SELF, NULL, NULL, args, environment))
		die("posix_spawn");
	wait_for(child);
}

static void fork_once(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	wait_for(child);
}

static int file;

static void mmap_once(void)
{
	size_t page = sysconf(_SC_PAGESIZE), length = CROWD_MAX * CROWD_STRIDE;
	void *area = mmap(NULL, length, PROT_READ | PROT_EXEC, MAP_PRIVATE, file,
			  file_offset(crowd) / page * page);

	if (area == MAP_FAILED || munmap(area, length))
		die("mmap");
}

static void row(const char *what, void (*once)(void), int probes)
{
	once();
	printf("%s, %d probes\tinstructions\t", what, probes);
	for (int i = 0; i < REPETITIONS; i++) {
		double begun = clock_ns();

		once();
		printf("%s%.0f", i ? " " : "", clock_ns() - begun);
	}
	printf("\n");
	fflush(stdout);
}

static void rows(int probes)
{
	int map, prog = counting_program(UPROBE_MULTI, &map), link = -1;

	if (probes)
		link = attach_multi(SELF, file_offset(crowd), CROWD_STRIDE, probes,
				    UPROBE_MULTI, prog);
	row("exec", exec_once, probes);
	row("fork", fork_once, probes);
	row("mmap and munmap", mmap_once, probes);
	close(link);
	close(prog);
	close(map);
}

int main(int argc, char **argv)
{
	static const int counts[] = { 0, 1, 1000, 10000, CROWD_MAX };

	if (argc > 1)
		return 0;
	file = open(SELF, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		die(SELF);
	for (int i = 0; i < 5; i++)
		rows(counts[i]);
	return 0;
}
