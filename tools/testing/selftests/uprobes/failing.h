/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory allocations that fail on demand. A test makes the first allocation of
 * what it tries fail, then the second, and so on, until there was none left to
 * fail; so every allocation on the way has failed once, whoever made it:
 *
 *	EACH_ALLOCATION {
 *		fail_begin();
 *		result = attempt();
 *		fail_end();
 *		check(result);
 *	}
 *
 * Allocations of the calling thread count, those of other threads do not.
 */
#ifndef UPROBE_TEST_FAILING_H
#define UPROBE_TEST_FAILING_H

#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAIL_DEBUGFS	"/sys/kernel/debug/"

static __thread struct {
	/* Which allocation fails next; 0 if the last attempt had too few. */
	int nth;
	int fd;
} failing;

static inline bool fail_setting(const char *name, const char *value)
{
	char path[128];
	bool written;
	int fd;

	snprintf(path, sizeof(path), FAIL_DEBUGFS "%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	written = write(fd, value, strlen(value)) > 0;
	close(fd);
	return written;
}

/* Every kind of allocation may fail, and does so without a word in the log. */
static inline bool fail_is_possible(void)
{
	return fail_setting("failslab/ignore-gfp-wait", "N") &&
	       fail_setting("failslab/verbose", "0") &&
	       fail_setting("fail_page_alloc/ignore-gfp-wait", "N") &&
	       fail_setting("fail_page_alloc/ignore-gfp-highmem", "N") &&
	       fail_setting("fail_page_alloc/min-order", "0") &&
	       fail_setting("fail_page_alloc/verbose", "0");
}

#define FAIL_NEEDS	"needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and debugfs"

static inline void fail_write(int nth)
{
	char text[16];
	int size = snprintf(text, sizeof(text), "%d", nth);

	if (pwrite(failing.fd, text, size, 0) != size)
		err(EXIT_FAILURE, "fail-nth");
}

/* Opens the caller's own file, which a child must not take over from its parent. */
static inline void fail_open(void)
{
	failing.fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (failing.fd < 0)
		err(EXIT_FAILURE, "fail-nth");
}

static inline void fail_begin(void)
{
	fail_write(failing.nth);
}

/* True if an allocation has failed since fail_begin(). */
static inline bool fail_end(void)
{
	char text[16] = {};

	if (pread(failing.fd, text, sizeof(text) - 1, 0) <= 0)
		err(EXIT_FAILURE, "fail-nth");
	fail_write(0);
	if (atoi(text)) {
		failing.nth = 0;
		return false;
	}
	failing.nth++;
	return true;
}

#define EACH_ALLOCATION	for (fail_open(), failing.nth = 1; failing.nth || fail_close(); )

/* Always false. */
static inline bool fail_close(void)
{
	close(failing.fd);
	return false;
}

#endif
