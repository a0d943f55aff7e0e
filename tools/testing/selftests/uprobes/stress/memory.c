// SPDX-License-Identifier: GPL-2.0
/*
 * Slab caches and free pages: see memory.h.
 *
 * What is freed is free only after grace periods, timers and work items, and
 * the last of them is not announced; so this looks until nothing more comes.
 *
 * Caches count objects that are free, but kept by a CPU, as used, and other
 * parts of the kernel go on allocating; hence the tolerances. A run attaches and
 * forks thousands of times, so that one object or page lost each time exceeds
 * them by far.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounts.h"
#include "memory.h"

#define LOOKS_MAX		5

#define TOLERATED_OBJECTS	400
#define TOLERATED_KB		16384

bool memory_is_kept(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, " kasan_quarantine_put");
	if (f)
		fclose(f);
	return found;
}

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "3", 1) != 1)
		err(EXIT_FAILURE, "drop_caches");
	close(fd);
}

static void look_at_caches(struct memory *memory)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	char line[512];

	if (!f)
		err(EXIT_FAILURE, "/proc/slabinfo");
	while (memory->n < CACHES_MAX && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%47s %ld", memory->caches[memory->n].name,
			   &memory->caches[memory->n].objects) == 2)
			memory->n++;
	}
	fclose(f);
}

static void look_at_pages(struct memory *memory)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];

	if (!f)
		err(EXIT_FAILURE, "/proc/meminfo");
	while (fgets(line, sizeof(line), f))
		sscanf(line, "MemFree: %ld", &memory->free_kb);
	fclose(f);
}

static void look_once(struct memory *memory)
{
	*memory = (struct memory){};
	sleep(2);
	drop_caches();
	look_at_caches(memory);
	look_at_pages(memory);
}

void memory_look(struct memory *memory)
{
	static struct memory next;

	look_once(memory);
	for (int i = 0; i < LOOKS_MAX; i++) {
		look_once(&next);
		if (next.free_kb <= memory->free_kb)
			break;
		*memory = next;
	}
}

static long objects(const struct memory *memory, const char *name)
{
	for (int i = 0; i < memory->n; i++) {
		if (!strcmp(memory->caches[i].name, name))
			return memory->caches[i].objects;
	}
	return 0;
}

/* Stacks of threads that ended, unmapped when there are enough of them, not before. */
static bool is_lazy(const char *name)
{
	return !strcmp(name, "vmap_area");
}

void memory_compare(const struct memory *before, const struct memory *after)
{
	long lost_kb = before->free_kb - after->free_kb;

	for (int i = 0; i < after->n; i++) {
		const char *name = after->caches[i].name;
		long grown = after->caches[i].objects - objects(before, name);

		if (grown > TOLERATED_OBJECTS && !is_lazy(name))
			wrong(CHECK_MEMORY, "%ld more objects in cache %s", grown, name);
		else if (grown > TOLERATED_OBJECTS / 4)
			printf("# %ld more objects in cache %s\n", grown, name);
	}
	printf("# %ld kB of free memory less\n", lost_kb);
	if (lost_kb > TOLERATED_KB)
		wrong(CHECK_MEMORY, "%ld kB of free memory less", lost_kb);
}
