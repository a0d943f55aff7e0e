// SPDX-License-Identifier: GPL-2.0
/*
 * Counting with tracefs: an event of any number of places, enabled in a trace
 * instance of its own. Every hit is one entry of the instance's ring buffers,
 * kept or overwritten, so the sum of both is the number of hits. Attaching and
 * detaching all places costs one grace period, not one for each.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "uprobe_test.h"

#define TRACEFS	"/sys/kernel/tracing/"
#define GROUP	"uprobe_test"

static int write_file(const char *path, const char *text)
{
	int ret = 0, fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static void instance_path(struct trace_counter *counter, char *path, size_t size, const char *file)
{
	snprintf(path, size, TRACEFS "instances/%s%s", counter->event, file);
}

int trace_create(struct trace_counter *counter, const char *name, enum probe_kind kind)
{
	char path[PATH_MAX];

	/* A guest may or may not have mounted it; a second mount is refused. */
	if (access(TRACEFS "uprobe_events", F_OK))
		mount("tracefs", TRACEFS, "tracefs", 0, NULL);

	snprintf(counter->event, sizeof(counter->event), "%.16s_%d", name, getpid());
	snprintf(counter->command, sizeof(counter->command), "%c:" GROUP "/%s",
		 kind == PROBE_RETURN ? 'r' : 'p', counter->event);
	instance_path(counter, path, sizeof(path), "");
	if (mkdir(path, 0700))
		return -errno;
	instance_path(counter, path, sizeof(path), "/buffer_size_kb");
	return write_file(path, "64");
}

int trace_add_fetching(struct trace_counter *counter, struct place place, const char *args)
{
	char line[PATH_MAX + 128];

	snprintf(line, sizeof(line), "%s %s:0x%lx %s\n", counter->command, place.path,
		 place.offset, args);
	return write_file(TRACEFS "uprobe_events", line);
}

int trace_add(struct trace_counter *counter, struct place place)
{
	return trace_add_fetching(counter, place, "");
}

int trace_add_many(struct trace_counter *counter, int count)
{
	int error = 0;

	for (int i = 0; i < count && !error; i++)
		error = trace_add(counter, place_of(many + i * MANY_STRIDE));
	return error;
}

static void switch_path(struct trace_counter *counter, char *path, size_t size)
{
	char file[128];

	snprintf(file, sizeof(file), "/events/" GROUP "/%s/enable", counter->event);
	instance_path(counter, path, size, file);
}

static int trace_switch(struct trace_counter *counter, const char *value)
{
	char path[PATH_MAX];

	switch_path(counter, path, sizeof(path));
	return write_file(path, value);
}

bool trace_is_enabled(struct trace_counter *counter)
{
	char path[PATH_MAX], value = '0';
	int fd;

	switch_path(counter, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &value, 1) != 1)
		err(EXIT_FAILURE, "%s", path);
	close(fd);
	return value != '0';
}

int trace_enable(struct trace_counter *counter)
{
	return trace_switch(counter, "1");
}

int trace_disable(struct trace_counter *counter)
{
	return trace_switch(counter, "0");
}

void trace_destroy(struct trace_counter *counter)
{
	char path[PATH_MAX], line[128];

	trace_disable(counter);
	instance_path(counter, path, sizeof(path), "");
	rmdir(path);
	snprintf(line, sizeof(line), "-:" GROUP "/%s\n", counter->event);
	write_file(TRACEFS "uprobe_events", line);
}

/* Every entry that was ever written is in exactly one of these. */
static bool is_an_entry_count(const char *name)
{
	return !strcmp(name, "entries") || !strcmp(name, "overrun") ||
	       !strcmp(name, "commit overrun") || !strcmp(name, "dropped events") ||
	       !strcmp(name, "read events");
}

static long long cpu_entries(struct trace_counter *counter, int cpu)
{
	char path[PATH_MAX], file[64], line[128], name[64];
	long long count, sum = 0;
	FILE *f;

	snprintf(file, sizeof(file), "/per_cpu/cpu%d/stats", cpu);
	instance_path(counter, path, sizeof(path), file);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]: %lld", name, &count) == 2 && is_an_entry_count(name))
			sum += count;
	}
	fclose(f);
	return sum;
}

long long trace_hits(struct trace_counter *counter)
{
	long cpu, cpus = sysconf(_SC_NPROCESSORS_CONF);
	long long sum = 0;

	for (cpu = 0; cpu < cpus; cpu++) {
		long long entries = cpu_entries(counter, cpu);

		if (entries < 0)
			return entries;
		sum += entries;
	}
	return sum;
}

int trace_hits_each(struct trace_counter *counter, long long *each, int max)
{
	char line[PATH_MAX], event[64];
	long long count;
	int n = 0;
	FILE *f = fopen(TRACEFS "uprobe_profile", "r");

	if (!f)
		return -errno;
	while (n < max && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %63s %lld", event, &count) == 2 &&
		    !strcmp(event, counter->event))
			each[n++] = count;
	}
	fclose(f);
	return n;
}
