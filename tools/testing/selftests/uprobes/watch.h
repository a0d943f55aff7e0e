/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What debugfs says of probes: uprobes/list line by line, uprobes/stats number
 * by number. Only the Rust implementation says it.
 */
#ifndef UPROBE_TEST_WATCH_H
#define UPROBE_TEST_WATCH_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "uprobe_test.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define SEEN		DEBUGFS "uprobes/"

struct line {
	char device[32];
	unsigned long inode;
	unsigned long offset;
	unsigned long counter;
	char execution[16];
	int mappings;
	char consumers[256];
	char path[256];
};

static inline bool parse_line(const char *text, struct line *line)
{
	return sscanf(text, "%31s %lu %lx %lx %15s %d %255s %255s", line->device, &line->inode,
		      &line->offset, &line->counter, line->execution, &line->mappings,
		      line->consumers, line->path) == 8;
}

/* How many probes are listed of the file and offset of @place; @line is the last. */
static inline int listed(struct place place, struct line *line)
{
	FILE *file = fopen(SEEN "list", "re");
	struct line each;
	struct stat st;
	char text[1024];
	int count = 0;

	if (!file || stat(place.path, &st) || !fgets(text, sizeof(text), file))
		return -1;
	while (fgets(text, sizeof(text), file)) {
		if (!parse_line(text, &each))
			return -1;
		if (each.inode == st.st_ino && each.offset == place.offset) {
			*line = each;
			count++;
		}
	}
	fclose(file);
	return count;
}

static inline long long stat_of(const char *name)
{
	FILE *file = fopen(SEEN "stats", "re");
	long long value = -1, each;
	char line[64];

	while (file && fscanf(file, "%63s %lld", line, &each) == 2)
		if (!strcmp(line, name))
			value = each;
	if (file)
		fclose(file);
	return value;
}

static inline int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Whether there is something to be seen; a guest may not have mounted it yet. */
static inline bool watch_is_possible(void)
{
	if (access(SEEN "list", F_OK))
		mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	return !access(SEEN "list", F_OK);
}

#endif
